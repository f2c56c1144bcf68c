//! A complete listing in memory, for a restore of every file.

use std::ops::ControlFlow;
use std::sync::Mutex;

use crate::lock::{into_inner, lock};

use super::{CatalogSink, EntryBatch};

/// Takes a listing and keeps it.
#[derive(Default)]
pub(super) struct Collected(Mutex<EntryBatch>);

impl Collected {
    /// All entries that were listed.
    pub(super) fn into_batch(self) -> EntryBatch {
        into_inner(self.0)
    }
}

impl CatalogSink for Collected {
    fn take(&self, entries: &EntryBatch) -> ControlFlow<()> {
        lock(&self.0).extend(entries.iter());
        ControlFlow::Continue(())
    }

    fn restart(&self) {
        lock(&self.0).clear();
    }
}
