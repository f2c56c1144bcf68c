//! Delivering restored files, as all formats do it: a failing scratch folder, a receiver that has
//! enough and a cancelled run all end the restore.

use std::io;

use super::{Context, Entry, Error, RestoreError, RestoreSink, Restored, Scratch};

/// Where one restore puts its files, and who gets them.
pub(super) struct Delivery<'a> {
    /// Restored to.
    pub(super) scratch: &'a Scratch,
    /// The run that it is done for.
    pub(super) context: &'a Context,
    /// Gets each file.
    pub(super) sink: &'a mut dyn RestoreSink,
}

/// Why a restore ends before all wanted entries were delivered.
#[derive(Debug)]
pub(super) enum Ended {
    /// The receiver wants no more, or the run is cancelled.
    Enough,
    /// The scratch folder or the backup is not usable any more.
    Failed(Error),
}

impl Delivery<'_> {
    /// Delivers one entry; an error ends the restore.
    pub(super) fn deliver(
        &mut self,
        entry: Entry<'_>,
        outcome: Result<Restored, RestoreError>,
    ) -> Result<(), Ended> {
        let failed = match &outcome {
            Err(RestoreError::Scratch(error)) => Some(same(error)),
            _ => None,
        };
        let flow = self.sink.deliver(entry, outcome);
        if let Some(source) = failed {
            return Err(Ended::Failed(Error::Scratch { place: self.scratch.place().to_owned(), source }));
        }
        if flow.is_break() || self.is_cancelled() { Err(Ended::Enough) } else { Ok(()) }
    }

    /// Whether the run is cancelled.
    pub(super) fn is_cancelled(&self) -> bool {
        self.context.cancel.is_set()
    }
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
