//! When the backup was taken, as far as the backup itself proves it.
//!
//! It was not taken after its own time: the time of the archive, or the newest change of a folder.
//! That time is too late if the backup was copied without its times. The backup was not taken
//! before the newest modification time in it. Such a time may be made up (by a camera's wrong
//! clock, or `touch -d`). Then the original shows it: its change time, which nobody can make up, is
//! earlier.
//!
//! The originals prove something, too. The backup was taken after most of the originals in it had
//! come to their paths.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::backup::{Backup, CatalogSink, Context, Entry, EntryBatch, Needs};
use crate::cancel::CancelToken;
use crate::lock::lock;
use crate::platform::{Stat, Timestamp};

use super::comparable::taken_after;
use super::pairing::Pairing;

/// The times of at most this many newest entries are checked for being made up.
const DOUBTED_MAX: usize = 16;

/// In nanoseconds. The clocks of two file systems may differ by this much, and their times may be
/// truncated. A change time that is earlier than the modification time by no more than this is not
/// suspicious.
const CLOCKS_NS: i128 = 5_000_000_000;

/// An entry's modification time in nanoseconds since 1970, and its path.
type DatedPath = (i64, Box<[u8]>);

/// The newest entries of a backup.
#[derive(Debug)]
pub struct NewestEntries {
    /// At most [`DOUBTED_MAX`] entries, with the oldest on top.
    entries: Mutex<BinaryHeap<Reverse<DatedPath>>>,
    /// The time of the oldest of them, if there are that many. Entries that are not newer are
    /// ignored.
    floor: AtomicI64,
}

impl Default for NewestEntries {
    fn default() -> Self {
        Self { entries: Mutex::default(), floor: AtomicI64::new(i64::MIN) }
    }
}

impl NewestEntries {
    /// Records an entry that was listed.
    pub fn note(&self, entry: &Entry<'_>) {
        let Some(time) = entry.mtime.and_then(|time| i64::try_from(time.as_nanos()).ok()) else { return };
        if time <= self.floor.load(Ordering::Relaxed) {
            return;
        }
        let mut entries = lock(&self.entries);
        // A repeated listing lists the same entries again.
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
        lock(&self.entries).is_empty()
    }

    /// The newest time that was not made up, at the resolution of the original's; and the change
    /// times of the originals of the newest entries.
    fn read(&self, pairing: &Pairing) -> (Option<Timestamp>, Vec<Timestamp>) {
        let mut entries: Vec<DatedPath> = {
            let entries = lock(&self.entries);
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
    let stat = pairing.original_paths(path).find_map(|original| original.root.tree.stat(original.path).ok());
    stat.or_else(|| {
        let respelled = pairing.normalised(path)?;
        let original = respelled.original_path();
        original.root.tree.stat(original.path).ok()
    })
}

/// Whether a recorded time cannot be the time at which the original was written, because the
/// original was last changed before it.
fn is_made_up(time: Timestamp, original: &Stat) -> bool {
    original.changed.is_some_and(|changed| time.as_nanos() - changed.as_nanos() > CLOCKS_NS)
}

impl CatalogSink for NewestEntries {
    fn take(&self, entries: &EntryBatch) -> ControlFlow<()> {
        entries.iter().for_each(|entry| self.note(&entry));
        ControlFlow::Continue(())
    }

    /// An entry that is listed twice is recorded once.
    fn restart(&self) {}
}

/// The same sink, which also ends the listing when the run is cancelled.
struct CancellableSink<'a>(&'a NewestEntries, &'a CancelToken);

impl CatalogSink for CancellableSink<'_> {
    fn take(&self, entries: &EntryBatch) -> ControlFlow<()> {
        self.0.take(entries)?;
        if self.1.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn restart(&self) {
        self.0.restart();
    }
}

/// The times between which the backup was taken.
#[derive(Debug, Clone, Copy)]
pub struct TakenBetween {
    /// The backup was not taken after this time, unless it was copied since.
    pub before: Option<Timestamp>,
    /// The backup was not taken before this time.
    pub after: Option<Timestamp>,
    /// An original that came to its path before or at this time was there when the backup was
    /// taken.
    pub settled: Option<Timestamp>,
}

impl TakenBetween {
    /// Computes the times from the backup's own time, its newest entries, and the change times of
    /// some originals that it holds. A backup that was listed without times is listed once more
    /// with them.
    pub fn of(
        backup: &dyn Backup,
        newest: &NewestEntries,
        pairing: &Pairing,
        mut changes: Vec<Timestamp>,
        cancel: &CancelToken,
    ) -> Self {
        let before = backup.description().taken_at();
        if newest.is_empty() {
            let needs = Needs { mtime: true, ..Needs::default() };
            let context = Context::new(cancel.clone()).with_threads(super::LISTING_THREADS);
            // Damage was reported by the first listing.
            let _ = backup.catalog(needs, &context, &CancellableSink(newest, cancel));
        }
        let has_times = !newest.is_empty();
        let (newest, more) = newest.read(pairing);
        changes.extend(more);
        // If all times are made up, they prove nothing. The backup's own time cannot be trusted in
        // their place.
        let after = if newest.is_none() && has_times { None } else { taken_after(before, newest) };
        Self { before, after, settled: after.max(most_changed(changes, before).filter(|_| after.is_some())) }
    }
}

/// The time by which all but a tenth of the originals in the backup were last changed. It is not
/// the newest change time, because a few originals may have been touched after the backup was
/// taken. Originals that were changed after the backup's own time do not count.
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
        let newest = NewestEntries::default();
        for seconds in (0..500).chain((0..1000).rev()) {
            newest.note(&Entry { mtime: Some(time(seconds)), ..Entry::named(b"x") });
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
