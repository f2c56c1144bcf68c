//! The judge takes restored files, one after the other. It finds the original of each, hashes both,
//! and records the verdict.
//!
//! Each thread has a judge of its own. It reads originals and restored copies. It writes nothing
//! except the copies that the user wants to keep.

mod past;

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::backup::{Damage, Entry, RestoreError, RestoreSink, Restored};
use crate::lock::lock;
use crate::plan::Keep;
use crate::platform::{self, Stat, Timestamp};

use super::ahead::{self, Ahead};
use super::arrivals::AnsweringPick;
use super::comparable::{Recorded, Standing, is_long_before, standing, touched};
use super::draw::Group;
use super::hash::{Buffers, Pair, describe_difference};
use super::judge_context::JudgeContext;
use super::known::{self, Known};
use super::known_counts::KnownBy;
use super::memory::PathKey;
use super::original::{FoundOriginal, find};
use super::reason::{self, unreadable};
use super::record::{Hashes, PickRecord};
use super::tally::{LISTED_MAX, PickTally, RECONSIDERED_MAX};
use super::verdict::{FromBackup, Original, Verdict, judge, judge_with};

/// A restored copy that is longer than its original by more than this many bytes is not hashed to
/// its end: an archive of 2 KiB can claim terabytes of zeros.
const EXCESS_MAX: u64 = 1 << 30;

/// Judges files, one after the other.
pub struct Judge<'a> {
    context: &'a JudgeContext<'a>,
    group: Group,
    buffers: Buffers,
    tally: PickTally,
    ahead: Option<(Ahead, MutexGuard<'a, ()>)>,
    large_file_lock: Option<MutexGuard<'a, ()>>,
}

/// A verdict, and the copy that it is about, if there is one.
struct Judged {
    record: PickRecord,
    restored: Option<Restored>,
}

impl<'a> Judge<'a> {
    /// A judge of picks of this group that has seen nothing yet.
    pub fn new(context: &'a JudgeContext<'a>, group: Group) -> Self {
        Self {
            context,
            group,
            buffers: Buffers::default(),
            tally: PickTally::default(),
            ahead: None,
            large_file_lock: None,
        }
    }

    /// Compares one restored file with its original. Returns `None` if the run was cancelled before
    /// the comparison was complete, and an error if the copy cannot be read.
    fn compare(&mut self, entry: &Entry<'_>, restored: Restored) -> Result<Option<Judged>, io::Error> {
        let recorded = self.context.recorded(entry);
        if self.context.is_past(entry) {
            return self.past(entry, restored, &recorded);
        }
        let (sought, found) = find(self.context.pairing, entry.path);
        if sought.is_respelled {
            self.context.pairing.count_respelled();
        }
        let vouched_by = entry.vouched_by.or(self.context.vouched_by.get().copied());
        let given = FromBackup::Restored { size: restored.size(), vouched: vouched_by.is_some() };
        let mut record =
            PickRecord { restored_size: Some(restored.size()), ..record_of(entry, sought.place.as_deref()) };
        // Decided before any content is looked at: whether a pick is in the statement must not
        // depend on whether its copy is good.
        let state = found.state();
        let standing = state.map(|state| standing(state, &recorded));
        let by_times = standing.is_some_and(Standing::is_comparable);
        let mut known = self.known(entry, state.zip(standing), &recorded, by_times);
        let by_known =
            known.is_some_and(|known| known.makes_comparable(matches!(found, FoundOriginal::Absent)));
        record.comparable = by_times || by_known;
        record.original_size = state.map(|state| state.size);
        record.original_mtime = state.map(|state| state.mtime);
        // The entry is the original itself: a hard link, a link into the backup, or an overlay over
        // the originals. It is always equal, and it would be lost together with the original.
        if let FoundOriginal::Open { ref file, before } = found
            && self.context.is_one_file(entry, (file, before.id))
        {
            record.verdict = Verdict::RestoreFailed;
            record.reason = reason::ONE_FILE.to_owned();
            record.pending = state.and_then(|state| self.pending(&record, state));
            return Ok(Some(Judged { record, restored: Some(restored) }));
        }
        let Some(original) = self.read(&found, standing, &restored, &mut record)? else { return Ok(None) };
        if known.is_none()
            && let Original::Read { equal, .. } = original
        {
            // Of equal sides, only a hash that contradicts them matters.
            let contradicts = |known: &Known| !equal || known.differs_from(record.hashes);
            known = self.known_to_ledger(entry, state.zip(standing), &recorded).filter(contradicts);
        }
        if let Some(known) = known.filter(|_| record.hashes.is_none())
            && !self.read_copy(&restored, known, &mut record)?
        {
            return Ok(None);
        }
        // An original that cannot be read to its end is unreadable, whatever its copy holds.
        record.comparable &= by_known || original != Original::Unreadable;
        let evidence = known.zip(record.hashes).map(|(known, hashes)| known.evidence(hashes.restored));
        // Beside the statement, what was once found good can still be found bad. It stays undecided
        // otherwise.
        let evidence = evidence.filter(|evidence| record.comparable || !evidence.fits_copy);
        record.verdict = judge_with(given, &original, &recorded, evidence);
        record.known = known.map(|known| known.used(by_known && !by_times));
        if self.context.several.is_some() && !record.comparable && !self.confirm(&restored, &mut record)? {
            return Ok(None);
        }
        let is_open = !matches!(original, Original::Read { steady: false, .. } | Original::Unreadable);
        record.pending = state.filter(|_| is_open).and_then(|state| self.pending(&record, state));
        if record.verdict != Verdict::Verified {
            self.explain(&mut record, &original, (&recorded, state, vouched_by), known.as_ref());
            self.describe(&found, &restored, &original, &mut record);
        } else if evidence.is_some_and(|known| known.speaks && !known.fits_copy) {
            (record.unlike, record.reason) = (true, known.as_ref().map(known::unlike).unwrap_or_default());
        }
        record.confirmed_mtime = confirmed_mtime(&recorded, state);
        Ok(Some(Judged { record, restored: Some(restored) }))
    }

    /// What is known of an entry from before the run. The ledger is asked only if times do not
    /// decide that the pick is comparable.
    fn known(
        &mut self,
        entry: &Entry<'_>,
        original: Option<(&Stat, Standing)>,
        recorded: &Recorded,
        by_times: bool,
    ) -> Option<Known> {
        let found = self.context.in_manifest(entry.path);
        if self.context.memory.manifest.is_some() {
            let is_there = found.is_some();
            self.tally.known.in_manifest += u64::from(is_there);
            self.tally.known.not_in_manifest += u64::from(!is_there);
        }
        let known = found.and_then(|found| Known::weigh(found, KnownBy::Manifest, original, recorded));
        if known.is_some_and(|known| known.speaks) || by_times {
            return known;
        }
        self.tally.known.too_late += u64::from(known.is_some_and(|known| known.is_too_late));
        self.known_to_ledger(entry, original, recorded).or(known)
    }

    /// What the ledger knows of an entry.
    fn known_to_ledger(
        &self,
        entry: &Entry<'_>,
        original: Option<(&Stat, Standing)>,
        recorded: &Recorded,
    ) -> Option<Known> {
        let found = self.context.memory.ledger?.of(entry.path)?;
        Known::weigh(found, KnownBy::Ledger, original, recorded)
    }

    /// Reads the original, if there is one, and the copy beside it. `None` if the run was cancelled.
    fn read(
        &mut self,
        found: &FoundOriginal,
        standing: Option<Standing>,
        restored: &Restored,
        record: &mut PickRecord,
    ) -> Result<Option<Original>, io::Error> {
        Ok(Some(match found {
            FoundOriginal::Open { file, before } => {
                let standing = standing.unwrap_or(Standing::Unknown);
                return self.read_both(file, *before, standing, restored, record);
            }
            FoundOriginal::Gone => Original::Gone,
            FoundOriginal::Absent => Original::Absent,
            FoundOriginal::NotAFile => Original::NotAFile,
            FoundOriginal::Unreadable(error) => {
                record.reason = unreadable(error);
                Original::Unreadable
            }
        }))
    }

    /// Hashes a copy for which there is no second side to compare with, if its hash is known.
    /// Returns whether it was read to its end.
    fn read_copy(
        &mut self,
        restored: &Restored,
        known: Known,
        record: &mut PickRecord,
    ) -> Result<bool, io::Error> {
        let JudgeContext { hashing, cancel, .. } = self.context;
        // What is too long to be the original is read only if the outcome depends on it.
        let is_excess = record.original_size.is_some_and(|size| is_excess(size, restored.size()));
        if is_excess && !known.speaks {
            return Ok(true);
        }
        match hashing.large(restored.file(), restored.size(), cancel) {
            Ok(copy) => {
                self.tally.hashed_bytes += copy.size;
                record.hashes = Some(Hashes { restored: copy.hash, original: None });
                Ok(true)
            }
            Err(_) if cancel.is_cancelled() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives the record its reason.
    fn explain(
        &self,
        record: &mut PickRecord,
        original: &Original,
        (recorded, state, vouched_by): (&Recorded, Option<&Stat>, Option<&'static str>),
        known: Option<&Known>,
    ) {
        let told = known.and_then(|known| known::reason(record, known, original));
        if let Some(reason) = told {
            record.reason = reason;
            return;
        }
        if record.reason.is_empty() {
            record.reason = reason::of(record, original, recorded, state, vouched_by);
        }
        if let Some(beside) = known.and_then(|known| known::beside(record, known)) {
            record.reason = format!("{}; {beside}", record.reason);
        }
    }

    /// Finds out where both sides differ.
    fn describe(
        &mut self,
        found: &FoundOriginal,
        restored: &Restored,
        original: &Original,
        record: &mut PickRecord,
    ) {
        if let (FoundOriginal::Open { file, .. }, Original::Read { equal: false, .. }) = (found, original) {
            // If the original cannot be read a second time, only the description is lost.
            let JudgeContext { cancel, .. } = self.context;
            record.difference =
                describe_difference(file, restored.file(), &mut self.buffers, cancel).ok().flatten();
        }
    }

    /// Hashes both sides.
    fn read_both(
        &mut self,
        file: &File,
        before: Stat,
        standing: Standing,
        restored: &Restored,
        record: &mut PickRecord,
    ) -> Result<Option<Original>, io::Error> {
        let JudgeContext { hashing, cancel, .. } = self.context;
        let sizes = (before.size, restored.size());
        if is_excess(sizes.0, sizes.1) {
            return Ok(Some(Original::Read { standing, steady: true, equal: false }));
        }
        let Pair { original, restored: copy } =
            match self.ahead.take().filter(|(ahead, _)| ahead.is_of(&before)) {
                Some((ahead, _lock)) => {
                    let restored = hashing.large(restored.file(), sizes.1, cancel);
                    Pair { original: ahead.finish(), restored }
                }
                None => hashing.pair((file, restored.file()), sizes, &mut self.buffers, cancel),
            };
        if cancel.is_cancelled() && (original.is_err() || copy.is_err()) {
            return Ok(None);
        }
        let copy = copy?;
        let original = match original {
            Ok(original) => original,
            Err(error) => {
                record.hashes = Some(Hashes { restored: copy.hash, original: None });
                record.reason = unreadable(&error);
                return Ok(Some(Original::Unreadable));
            }
        };
        self.tally.hashed_bytes += original.size + copy.size;
        let after = platform::stat(file);
        // An original that grew while it was read is not equal to its copy.
        let equal = original == copy && after.as_ref().is_ok_and(|after| after.size == original.size);
        record.hashes = Some(Hashes { restored: copy.hash, original: Some(original.hash) });
        if !equal {
            record.original_size = Some(original.size);
        }
        // An original whose metadata can no longer be read counts as changed.
        let steady = after.is_ok_and(|after| after == before);
        Ok(Some(Original::Read { standing, steady, equal }))
    }

    /// When the original was last touched, for `conclude` to look at the pick again once the newest
    /// time in the backup is known. `None` unless the pick's own times left it undecided, and its
    /// original was last touched so long ago that the backup may turn out to be newer.
    fn pending(&self, record: &PickRecord, state: &Stat) -> Option<Timestamp> {
        let Recorded { now, window, frozen, .. } = self.context.recorded;
        let is_by_known = record.known.is_some_and(|known| known.decided);
        let is_settled = record.comparable && !is_by_known && record.verdict != Verdict::Changed;
        if is_settled || frozen || self.context.newest.get().is_some() {
            return None;
        }
        touched(state).filter(|&touched| is_long_before(touched, Some(now), window))
    }

    /// Judges a pick that the backup could not restore. Its original is looked at nevertheless,
    /// because its times decide whether the pick is in the statement.
    fn failed(&mut self, entry: &Entry<'_>, error: &RestoreError) -> Judged {
        let (place, found) = match entry.problem {
            None if !self.context.is_past(entry) => {
                let (sought, found) = find(self.context.pairing, entry.path);
                (sought.place, found)
            }
            _ => (None, FoundOriginal::Gone),
        };
        let recorded = self.context.recorded(entry);
        let given = match error {
            RestoreError::Checksum(_) | RestoreError::TooLong { .. } => FromBackup::ChecksumFailed,
            RestoreError::Unsupported(_) | RestoreError::NoSpace { .. } => FromBackup::NotTried,
            RestoreError::Read(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                FromBackup::NotTried
            }
            _ => FromBackup::Failed,
        };
        let state = found.state();
        let standing = state.map(|state| standing(state, &recorded));
        // Corruption can make up a huge size, which does not fit into the restore folder. A pick
        // that could not be tried for that reason must stay in the statement.
        let is_tried = given != FromBackup::NotTried || matches!(error, RestoreError::NoSpace { .. });
        let by_times = standing.is_some_and(Standing::is_comparable);
        let known = match entry.problem {
            None => self.known(entry, state.zip(standing), &recorded, by_times),
            Some(_) => None,
        };
        let speaks = known.is_some_and(|known| known.speaks);
        let mut record = PickRecord {
            verdict: judge(given, &Original::Gone, &recorded),
            // If no recorded time decides it, the pick counts as comparable. A bad pick too many
            // makes the statement weaker, but never wrong.
            comparable: is_tried
                && (by_times
                    || speaks
                    || standing == Some(Standing::Unknown)
                    || self.context.several.is_some()),
            known: known.map(|known| known.used(speaks && !by_times)),
            reason: reason::of_failure(error),
            original_size: state.map(|state| state.size),
            original_mtime: state.map(|state| state.mtime),
            ..record_of(entry, place.as_deref())
        };
        record.pending = state.filter(|_| is_tried).and_then(|state| self.pending(&record, state));
        Judged { record, restored: None }
    }

    /// Records a judged pick, and keeps its copy if the plan says so.
    fn note(&mut self, judged: Judged) {
        let Judged { mut record, restored } = judged;
        let context = self.context;
        record.beside = self.group == Group::Beside;
        let bytes = record.restored_size.unwrap_or(0);
        if let Some(restored) = restored {
            self.keep(restored, &mut record);
        }
        self.note_outside(&record);
        context.observer.judged(&record);
        let has_room = |counter: &AtomicU64, most| counter.fetch_add(1, Ordering::Relaxed) < most;
        let listed = match record.verdict {
            Verdict::Verified if !record.unlike => false,
            verdict if verdict.is_alarm() => has_room(&context.alarms, LISTED_MAX),
            _ => has_room(&context.undecided, LISTED_MAX),
        };
        let reconsidered = record.pending.is_some() && has_room(&context.pending, RECONSIDERED_MAX);
        self.tally.add(record, listed, reconsidered);
        let total = context.restored_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if context.budget.is_some_and(|budget| total >= budget) {
            context.out_of_budget.store(true, Ordering::Relaxed);
        }
    }

    /// Notes what the draw needs to know about a pick of the sample: whether it is to be replaced,
    /// and what it came to, if it answers for more than itself.
    fn note_outside(&mut self, record: &PickRecord) {
        let PickRecord { ref path, verdict, comparable, beside, .. } = *record;
        if !comparable && !beside {
            lock(&self.context.outside).push(PathKey::of(path));
        }
        if self.context.picks_answer.load(Ordering::Relaxed) {
            self.tally.answering.push(AnsweringPick::new(path, verdict, comparable));
        }
    }

    /// Keeps the restored copy if the plan says so.
    fn keep(&self, restored: Restored, record: &mut PickRecord) {
        let is_wanted = match self.context.keep {
            Keep::None => false,
            Keep::Failures => record.verdict.is_alarm(),
            Keep::All => true,
        };
        if !is_wanted {
            return;
        }
        match self.context.kept.keep(restored, &record.path) {
            Ok(path) => record.kept = Some(platform::path_to_bytes(&path).into_owned()),
            Err(error) => {
                self.context.observer.warn(&format!("a restored copy could not be kept: {error}"));
            }
        }
    }
}

impl RestoreSink for Judge<'_> {
    fn begin(&mut self, entry: &Entry<'_>, size: u64) {
        let JudgeContext { pairing, hash, cancel, one_large_file, one_ahead, .. } = self.context;
        // Reading ahead for a file that was never delivered is given up first.
        (self.ahead, self.large_file_lock) = (None, None);
        if size < ahead::LARGE {
            return;
        }
        self.large_file_lock = one_large_file.as_ref().map(lock);
        if let Some(lock) = one_ahead.as_ref().and_then(|lock| lock.try_lock().ok())
            && !self.context.is_past(entry)
            && let (_, FoundOriginal::Open { file, before }) = find(pairing, entry.path)
        {
            self.ahead = Ahead::begin(file, before, *hash, cancel).map(|ahead| (ahead, lock));
        }
    }

    fn deliver(&mut self, entry: Entry<'_>, outcome: Result<Restored, RestoreError>) -> ControlFlow<()> {
        let judged = match outcome {
            Ok(restored) => match self.compare(&entry, restored) {
                Ok(Some(judged)) => judged,
                Ok(None) => return ControlFlow::Break(()),
                // The copy was just written and cannot be read back, so the restore folder's disk
                // cannot be trusted.
                Err(error) => return self.context.break_down(error),
            },
            Err(RestoreError::Stopped) => return ControlFlow::Break(()),
            Err(RestoreError::Scratch(error)) => return self.context.break_down(error),
            Err(error) => self.failed(&entry, &error),
        };
        self.note(judged);
        (self.ahead, self.large_file_lock) = (None, None);
        if self.context.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn lost(&mut self, damage: Damage) {
        self.context.add_damage(damage);
    }
}

impl Drop for Judge<'_> {
    fn drop(&mut self) {
        let mine = std::mem::take(&mut self.tally);
        lock(&self.context.picks).merge(mine);
    }
}

/// A time at which the backup was certainly not yet taken, proved by one file: its recorded time,
/// if the original exists and was changed at that time or later. A time that was made up proves
/// nothing. Nor does a file that exists only in the backup.
fn confirmed_mtime(recorded: &Recorded, original: Option<&Stat>) -> Option<Timestamp> {
    let changed = original?.changed?;
    recorded.mtime.filter(|&mtime| mtime <= changed && !recorded.zone_unknown)
}

fn is_excess(original: u64, restored: u64) -> bool {
    restored > original.saturating_add(EXCESS_MAX)
}

fn record_of(entry: &Entry<'_>, place: Option<&Path>) -> PickRecord {
    PickRecord {
        original: place.map(|place| platform::path_to_bytes(place).into_owned()),
        recorded_size: entry.size,
        recorded_mtime: entry.mtime,
        ..PickRecord::new(entry.path, Verdict::Verified)
    }
}
