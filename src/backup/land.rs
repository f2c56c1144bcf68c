//! Landing, as all formats do it: a failing scratch folder and a receiver that has enough both end
//! the restore.

use std::io;

use super::{Entry, Error, Landing, RestoreError, Restored, Scratch};

/// Why a restore ends before all wanted entries have landed.
#[derive(Debug)]
pub(super) enum Ended {
    /// The receiver, or a stop request, wants no more.
    Enough,
    /// The scratch folder or the backup is not usable any more.
    Failed(Error),
}

/// Lands one entry; an error ends the restore.
pub(super) fn land(
    scratch: &Scratch,
    landing: &mut dyn Landing,
    entry: Entry<'_>,
    outcome: Result<Restored, RestoreError>,
) -> Result<(), Ended> {
    let failed = match &outcome {
        Err(RestoreError::Scratch(error)) => Some(same(error)),
        _ => None,
    };
    let flow = landing.land(entry, outcome);
    if let Some(source) = failed {
        return Err(Ended::Failed(Error::Scratch { place: scratch.place().to_owned(), source }));
    }
    if flow.is_break() || scratch.stop().is_set() { Err(Ended::Enough) } else { Ok(()) }
}

/// The end of a restore as the trait reports it.
pub(super) fn conclude(ended: Result<(), Ended>) -> Result<(), Error> {
    match ended {
        Ok(()) | Err(Ended::Enough) => Ok(()),
        Err(Ended::Failed(error)) => Err(error),
    }
}

/// A second copy of an error, which cannot be cloned.
pub(super) fn same(error: &io::Error) -> io::Error {
    error
        .raw_os_error()
        .map_or_else(|| io::Error::new(error.kind(), error.to_string()), io::Error::from_raw_os_error)
}
