//! A complete listing in memory, for a restore of every file by a format that restores one by one.

use std::ops::ControlFlow;
use std::sync::Mutex;

use crate::lock::{into_inner, lock};

use super::delivery::{Delivery, EarlyEnd, conclude};
use super::{Backup, CatalogSink, Entry, EntryBatch, Error, Listing, Needs, Wanted};

/// Takes a listing and keeps it.
#[derive(Default)]
pub(super) struct Collected(Mutex<EntryBatch>);

impl Collected {
    /// All files of a backup, in the order of their positions. Tells the damage of the listing.
    pub(super) fn of(backup: &dyn Backup, delivery: &mut Delivery<'_>) -> Result<EntryBatch, Error> {
        let all = Self::default();
        let needs = Needs { size: true, mtime: true };
        if let Listing::Damaged(damage) = backup.catalog(needs, &delivery.context.with_threads(1), &all)? {
            damage.into_iter().for_each(|damage| delivery.sink.lost(damage));
        }
        let mut all = all.into_batch();
        all.sort_by_position();
        Ok(all)
    }

    /// All entries that were listed.
    pub(super) fn into_batch(self) -> EntryBatch {
        into_inner(self.0)
    }
}

/// Restores the wanted files of a format that can be read at any position, by `restore_one`. If
/// every file is wanted, the backup is listed first, and damage of the listing is told.
pub(super) fn restore_each(
    backup: &dyn Backup,
    wanted: &Wanted<'_>,
    delivery: &mut Delivery<'_>,
    restore_one: &mut dyn FnMut(Entry<'_>, &mut Delivery<'_>) -> Result<(), EarlyEnd>,
) -> Result<(), Error> {
    if delivery.is_cancelled() {
        return Ok(());
    }
    let all;
    let mut entries: Box<dyn Iterator<Item = Entry<'_>>> = match wanted {
        Wanted::These(batch) => Box::new(batch.iter()),
        Wanted::Every(test) => {
            all = Collected::of(backup, delivery)?;
            Box::new(all.iter().filter(|entry| test(entry)))
        }
    };
    conclude(entries.try_for_each(|entry| restore_one(entry, delivery)))
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
