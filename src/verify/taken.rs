//! When the backup was taken, as far as it proves that itself.
//!
//! Not after its own time: that of the archive, or the newest change of a folder, which is later if
//! it was copied without its times. Not before the newest modification time in it. A time that was
//! made up (a camera's wrong clock, `touch -d`) is told by the original: its change time, which
//! nobody can make up, lies before it.
//!
//! What the originals add: most of those that the backup holds came to their places at some time,
//! and the backup was taken after that.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::backup::{Backup, CatalogSink, Context, Entry, EntryBatch, Needs};
use crate::platform::{Stat, Timestamp};
use crate::stop::Stop;

use super::comparable::taken_after;
use super::pairing::Pairing;

/// Of so many entries the times are doubted, one after the other; after them, the next one is
/// believed.
const DOUBTED_MAX: usize = 16;

/// So far may the clocks of two file systems differ, and be truncated: a change time that lies
/// before a modification time by no more makes nobody suspicious.
const CLOCKS_NS: i128 = 5_000_000_000;

/// An entry's time in nanoseconds, and its path.
type Dated = (i64, Box<[u8]>);

/// The newest entries of a backup.
#[derive(Debug)]
pub struct Newest {
    /// The oldest on top.
    entries: Mutex<BinaryHeap<Reverse<Dated>>>,
    /// Older ones are no more among them.
    floor: AtomicI64,
}

impl Default for Newest {
    fn default() -> Self {
        Self { entries: Mutex::default(), floor: AtomicI64::new(i64::MIN) }
    }
}

impl Newest {
    /// Notes one that was listed.
    pub fn see(&self, entry: &Entry<'_>) {
        let Some(time) = entry.mtime.and_then(|time| i64::try_from(time.as_nanos()).ok()) else { return };
        if time <= self.floor.load(Ordering::Relaxed) {
            return;
        }
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        // A repeated listing tells of the same ones again.
        if entries.iter().any(|Reverse((known, path))| *known == time && **path == *entry.path) {
            return;
        }
        entries.push(Reverse((time, entry.path.into())));
        if entries.len() > DOUBTED_MAX {
            entries.pop();
            if let Some(Reverse((oldest, _))) = entries.peek() {
                self.floor.store(*oldest, Ordering::Relaxed);
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// The newest time that was not made up, as finely as the original has it; and when the
    /// originals of the newest entries changed last.
    fn read(&self, pairing: &Pairing) -> (Option<Timestamp>, Vec<Timestamp>) {
        let mut entries: Vec<Dated> = {
            let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            entries.iter().map(|Reverse(entry)| entry.clone()).collect()
        };
        entries.sort_by(|one, other| other.cmp(one));
        let (mut newest, mut changes) = (None, Vec::new());
        for (nanos, path) in entries {
            let time = Timestamp::from_nanos(nanos.into());
            let original = original(pairing, &path);
            changes.extend(original.and_then(|stat| stat.changed));
            newest = newest.or(match original {
                Some(stat) if is_made_up(time, &stat) => None,
                Some(stat) if stat.mtime.seconds == time.seconds => Some(time.max(stat.mtime)),
                _ => Some(time),
            });
        }
        (newest, changes)
    }
}

fn original(pairing: &Pairing, path: &[u8]) -> Option<Stat> {
    let stat = pairing.places(path).find_map(|place| place.root.tree.stat(place.path).ok());
    stat.or_else(|| {
        let respelled = pairing.normalised(path)?;
        let place = respelled.place();
        place.root.tree.stat(place.path).ok()
    })
}

/// Whether a recorded time cannot be when the original was written: nothing happened to it so late.
fn is_made_up(time: Timestamp, original: &Stat) -> bool {
    original.changed.is_some_and(|changed| time.as_nanos() - changed.as_nanos() > CLOCKS_NS)
}

impl CatalogSink for Newest {
    fn take(&self, entries: &EntryBatch) -> ControlFlow<()> {
        entries.iter().for_each(|entry| self.see(&entry));
        ControlFlow::Continue(())
    }

    /// An entry that is listed twice is noted once.
    fn restart(&self) {}
}

/// Like it, and ends when the run does.
struct Until<'a>(&'a Newest, &'a Stop);

impl CatalogSink for Until<'_> {
    fn take(&self, entries: &EntryBatch) -> ControlFlow<()> {
        self.0.take(entries)?;
        if self.1.is_set() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn restart(&self) {
        self.0.restart();
    }
}

/// Between which times the backup was taken.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// Not after this, if it was not copied since.
    pub before: Option<Timestamp>,
    /// Not before this.
    pub after: Option<Timestamp>,
    /// What came to its place until then was there.
    pub settled: Option<Timestamp>,
}

impl Taken {
    /// From the backup's own time, its newest entries, and when some of the originals that it holds
    /// changed last. A backup that was listed without times is listed once more with them.
    pub fn of(
        backup: &dyn Backup,
        newest: &Newest,
        pairing: &Pairing,
        mut changes: Vec<Timestamp>,
        stop: &Stop,
    ) -> Self {
        let before = backup.description().taken_at();
        if newest.is_empty() {
            let needs = Needs { mtime: true, ..Needs::default() };
            let context = Context::new(stop.clone()).with_threads(super::LISTING_THREADS);
            // Damage was reported before.
            let _ = backup.catalog(needs, &context, &Until(newest, stop));
        }
        let has_times = !newest.is_empty();
        let (newest, more) = newest.read(pairing);
        changes.extend(more);
        // Times that are all made up prove nothing, and the backup's own is not to be believed in
        // their stead.
        let after = if newest.is_none() && has_times { None } else { taken_after(before, newest) };
        Self { before, after, settled: after.max(most_changed(changes, before).filter(|_| after.is_some())) }
    }
}

/// The time until which all but a tenth of the originals in the backup have changed last; those
/// that changed after the backup's own time say nothing. A few may have been touched after the
/// backup was taken, so it is not the newest.
fn most_changed(mut changes: Vec<Timestamp>, before: Option<Timestamp>) -> Option<Timestamp> {
    let before = before?;
    changes.retain(|&changed| changed <= before);
    changes.sort_unstable();
    let newest = changes.len().div_ceil(10);
    changes.len().checked_sub(newest + 1).map(|index| changes[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(seconds: i64) -> Timestamp {
        Timestamp { seconds, nanos: 0 }
    }

    #[test]
    fn the_newest_entries_are_kept_however_they_come() {
        let newest = Newest::default();
        for seconds in (0..500).chain((0..1000).rev()) {
            newest.see(&Entry { mtime: Some(time(seconds)), ..Entry::named(b"x") });
        }
        let mut kept: Vec<i64> =
            newest.entries.into_inner().unwrap().into_iter().map(|Reverse(e)| e.0).collect();
        kept.sort_unstable();
        let expected: Vec<i64> = (984..1000).map(|seconds| seconds * 1_000_000_000).collect();
        assert_eq!(kept, expected);
    }

    #[test]
    fn a_few_originals_that_were_touched_later_prove_no_later_backup() {
        let changes: Vec<Timestamp> = (1..=18).map(|_| time(100)).chain([time(900), time(5000)]).collect();
        assert_eq!(most_changed(changes.clone(), Some(time(1000))), Some(time(100)));
        assert_eq!(most_changed(changes, None), None);
        assert_eq!(most_changed(vec![time(1)], Some(time(1000))), None);
        assert_eq!(most_changed(vec![time(2000); 30], Some(time(1000))), None);
    }
}
