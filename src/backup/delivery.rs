//! How all formats deliver restored files. A failing scratch folder, a sink that wants no more and
//! a cancelled run each end the restore.

use std::io;

use super::{Context, Entry, Error, RestoreError, RestoreSink, Restored, Scratch};

/// The destination of one restore: its scratch folder and its sink.
pub(super) struct Delivery<'a> {
    /// The folder to restore to.
    pub(super) scratch: &'a Scratch,
    /// The run that this restore is part of.
    pub(super) context: &'a Context,
    /// Receives each file.
    pub(super) sink: &'a mut dyn RestoreSink,
}

/// Why a restore ended before all wanted entries were delivered.
#[derive(Debug)]
pub(super) enum EarlyEnd {
    /// The sink wants no more entries, or the run is cancelled.
    Enough,
    /// The scratch folder or the backup cannot be used any more.
    Failed(Error),
}

impl Delivery<'_> {
    /// Delivers one entry. An error means that the restore must end.
    pub(super) fn deliver(
        &mut self,
        entry: Entry<'_>,
        outcome: Result<Restored, RestoreError>,
    ) -> Result<(), EarlyEnd> {
        let failed = match &outcome {
            Err(RestoreError::Scratch(error)) => Some(copy_of_io_error(error)),
            _ => None,
        };
        let flow = self.sink.deliver(entry, outcome);
        if let Some(source) = failed {
            return Err(EarlyEnd::Failed(Error::Scratch { path: self.scratch.path().to_owned(), source }));
        }
        if flow.is_break() || self.is_cancelled() { Err(EarlyEnd::Enough) } else { Ok(()) }
    }

    /// Whether the run is cancelled.
    pub(super) fn is_cancelled(&self) -> bool {
        self.context.cancel.is_cancelled()
    }
}

/// Converts the end of a restore to what [`Backup::restore`](super::Backup::restore) returns.
pub(super) fn conclude(ended: Result<(), EarlyEnd>) -> Result<(), Error> {
    match ended {
        Ok(()) | Err(EarlyEnd::Enough) => Ok(()),
        Err(EarlyEnd::Failed(error)) => Err(error),
    }
}

/// A copy of an I/O error, which has no `Clone`.
pub(super) fn copy_of_io_error(error: &io::Error) -> io::Error {
    error
        .raw_os_error()
        .map_or_else(|| io::Error::new(error.kind(), error.to_string()), io::Error::from_raw_os_error)
}
