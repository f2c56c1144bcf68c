//! The judge: takes one restored file after the other, finds its original, hashes both, and notes
//! the verdict.
//!
//! One a thread. It reads originals and restored copies, and writes nothing but copies that are to
//! be kept.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::backup::{Damage, Entry, Landing, RestoreError, Restored};
use crate::plan::{Algorithm, Keep};
use crate::platform::{self, Stat, Timestamp};
use crate::stop::Stop;

use super::ahead::{self, Ahead};
use super::comparable::{Recorded, Standing, is_long_before, standing, touched};
use super::hash::{Buffers, Hashing, Pair, describe_difference};
use super::keep::Kept;
use super::original::{Found, find};
use super::outcome::{Counts, Finding};
use super::pairing::Pairing;
use super::progress::Progress;
use super::reason::{self, unreadable};
use super::sharing::Shared;
use super::verdict::{FromBackup, Original, Verdict, judge};

/// As many alarms are listed, and as many undecided picks; further ones are only counted, so that
/// neither memory nor a report grows with what is bad.
pub const LISTED_MAX: u64 = 10_000;

/// As many picks that could not be compared are looked at again, once the times in the backup are
/// known.
pub const RECONSIDERED_MAX: u64 = 100_000;

/// A restored copy that is longer than its original by more than this many bytes is not hashed to
/// its end: an archive of 2 KiB can claim terabytes of zeros.
const EXCESS_MAX: u64 = 1 << 30;

/// What all judges of a run share.
pub struct Bench<'a> {
    /// Where originals are.
    pub pairing: &'a Pairing,
    /// What is known of every file: how finely the backup records times, when it was taken, what
    /// the user says.
    pub recorded: Recorded,
    /// The newest modification time in the backup, once it was listed with times.
    pub newest: OnceLock<Timestamp>,
    /// What vouches for the content of every file, once the backup was listed.
    pub vouched_by: OnceLock<&'static str>,
    /// The hash.
    pub hash: Algorithm,
    /// Computes it.
    pub hashing: Hashing,
    /// Where originals may be read while their copies are restored: whoever holds it does so. One
    /// is enough to keep both disks busy.
    pub one_ahead: Option<Mutex<()>>,
    /// Where a disk has to seek: whoever holds it reads a large file, and no other is read
    /// meanwhile.
    pub one_large_file: Option<Mutex<()>>,
    /// Whether copies share their place on the disk with their originals; nothing where they
    /// cannot.
    pub shared: Option<Shared>,
    /// Which copies stay.
    pub keep: Keep,
    /// Where they stay.
    pub kept: Kept,
    /// Bytes that may be restored.
    pub budget: Option<u64>,
    /// Asked between files and pieces of files.
    pub stop: &'a Stop,
    /// Told of every verdict.
    pub progress: &'a dyn Progress,
    /// Bytes restored so far, by all.
    pub restored_bytes: AtomicU64,
    /// Alarms so far.
    pub alarms: AtomicU64,
    /// Undecided findings so far.
    pub undecided: AtomicU64,
    /// Picks so far that are to be looked at again.
    pub pending: AtomicU64,
    /// Set when the budget is used up.
    pub out_of_budget: AtomicBool,
    /// What keeps the run from going on.
    pub broken: OnceLock<io::Error>,
    /// What judges found; each adds its part when it is done.
    pub results: Mutex<Results>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Results {
    /// Verdicts, counted.
    pub counts: Counts,
    /// Everything but `verified`.
    pub findings: Vec<Finding>,
    /// Picks that may turn out comparable once the newest time in the backup is known.
    pub pending: Vec<Pending>,
    /// The newest modification time that the backup recorded of a pick.
    pub newest: Option<Timestamp>,
    /// Bytes hashed, both sides.
    pub hashed_bytes: u64,
    /// What could not be read while everything was restored.
    pub lost: Vec<Damage>,
}

/// A pick that could not be compared by its own times, whose original may have been left alone
/// since before the backup.
#[derive(Debug, Clone)]
pub struct Pending {
    /// When the original was last touched.
    pub touched: Timestamp,
    /// Its verdict, and whether it could be compared all the same.
    pub noted: (Verdict, bool),
    /// The path of its finding, where it differs.
    pub path: Option<Vec<u8>>,
}

/// Judges files, one after the other.
pub struct Judge<'a> {
    bench: &'a Bench<'a>,
    buffers: Buffers,
    results: Results,
    ahead: Option<(Ahead, MutexGuard<'a, ()>)>,
    turn: Option<MutexGuard<'a, ()>>,
}

/// A verdict with its evidence.
struct Judged {
    verdict: Verdict,
    comparable: bool,
    /// The recorded modification time, where the original bears it out.
    dated: Option<Timestamp>,
    pending: Option<Pending>,
    finding: Option<Finding>,
    restored: Option<Restored>,
}

impl Judged {
    /// One whose verdict no later knowledge changes; only whether it could be compared may still
    /// show.
    fn bad(finding: Finding, restored: Option<Restored>, pending: Option<Pending>) -> Self {
        let Finding { verdict, comparable, .. } = finding;
        Self { verdict, comparable, dated: None, pending, finding: Some(finding), restored }
    }
}

impl Bench<'_> {
    fn recorded(&self, entry: &Entry<'_>) -> Recorded {
        Recorded {
            size: entry.size,
            mtime: entry.mtime,
            zone_unknown: entry.zone_unknown,
            newest: self.newest.get().copied(),
            ..self.recorded
        }
    }

    /// Whether nothing more should be begun.
    pub fn is_over(&self) -> bool {
        self.stop.is_set() || self.out_of_budget.load(Ordering::Relaxed) || self.broken.get().is_some()
    }

    /// How many picks could be compared, by the judges that are done.
    pub fn comparable(&self) -> u64 {
        self.results.lock().unwrap_or_else(PoisonError::into_inner).counts.comparable()
    }

    /// Notes what a restore of everything could not read.
    pub fn lose(&self, damage: Damage) {
        self.results.lock().unwrap_or_else(PoisonError::into_inner).lost.push(damage);
    }

    /// Whether an entry of the backup is the original itself.
    fn is_one_file(&self, entry: &Entry<'_>, original: (&File, (u64, u64))) -> bool {
        let Some(copy) = entry.id else { return false };
        let by_overlay = |shared: &Shared| shared.is_one_file((entry.path, copy), original);
        copy == original.1 || self.shared.as_ref().is_some_and(by_overlay)
    }

    fn break_down(&self, error: io::Error) -> ControlFlow<()> {
        // The first reason is the one to tell.
        let _ = self.broken.set(error);
        ControlFlow::Break(())
    }
}

impl<'a> Judge<'a> {
    /// A judge with nothing on its table.
    pub fn new(bench: &'a Bench<'a>) -> Self {
        Self { bench, buffers: Buffers::default(), results: Results::default(), ahead: None, turn: None }
    }

    /// How many picks could not be compared so far.
    pub fn outside(&self) -> u64 {
        self.results.counts.outside()
    }

    /// Compares one restored file with its original. `None` when the run was stopped in the middle
    /// of it.
    fn compare(&mut self, entry: &Entry<'_>, restored: Restored) -> Result<Option<Judged>, io::Error> {
        let (sought, found) = find(self.bench.pairing, entry.path);
        if sought.is_respelled {
            self.bench.pairing.count_respelled();
        }
        let recorded = self.bench.recorded(entry);
        let vouched_by = entry.vouched_by.or(self.bench.vouched_by.get().copied());
        let given = FromBackup::Restored { size: restored.size(), vouched: vouched_by.is_some() };
        let mut finding =
            Finding { restored_size: Some(restored.size()), ..finding_of(entry, sought.place.as_deref()) };
        // Before any content is looked at: whether a pick is in the statement must not depend on
        // how it comes out.
        let state = found.state();
        let standing = state.map(|state| standing(state, &recorded));
        finding.comparable = standing.is_some_and(Standing::is_comparable);
        finding.original_size = state.map(|state| state.size);
        let original = match found {
            // A hard link, a link into the backup, or an overlay over the originals: equal for
            // ever, and lost together.
            Found::Open { ref file, before } if self.bench.is_one_file(entry, (file, before.id)) => {
                finding.verdict = Verdict::RestoreFailed;
                finding.reason = reason::ONE_FILE.to_owned();
                let pending = state.and_then(|state| self.pending(&finding, state));
                return Ok(Some(Judged::bad(finding, Some(restored), pending)));
            }
            Found::Open { ref file, before } => {
                let standing = standing.unwrap_or(Standing::Unknown);
                match self.read_both(file, before, standing, &restored, &mut finding)? {
                    Some(original) => original,
                    None => return Ok(None),
                }
            }
            Found::Gone => Original::Gone,
            Found::NotAFile => Original::NotAFile,
            Found::Unreadable(ref error) => {
                finding.reason = unreadable(error);
                Original::Unreadable
            }
        };
        // What cannot be read to its end is not readable, whatever its copy holds.
        finding.comparable &= original != Original::Unreadable;
        finding.verdict = judge(given, &original, &recorded);
        let is_open = !matches!(original, Original::Read { steady: false, .. } | Original::Unreadable);
        let pending = state.filter(|_| is_open).and_then(|state| self.pending(&finding, state));
        if finding.verdict != Verdict::Verified && finding.reason.is_empty() {
            finding.reason = reason::of(&finding, &original, &recorded, state, vouched_by);
        }
        Ok(Some(Judged {
            verdict: finding.verdict,
            comparable: finding.comparable,
            dated: dated(&recorded, state),
            pending,
            finding: (finding.verdict != Verdict::Verified).then_some(finding),
            restored: Some(restored),
        }))
    }

    /// Hashes both sides and, where they differ, finds out how.
    fn read_both(
        &mut self,
        file: &File,
        before: Stat,
        standing: Standing,
        restored: &Restored,
        finding: &mut Finding,
    ) -> Result<Option<Original>, io::Error> {
        let Bench { hashing, stop, .. } = self.bench;
        let sizes = (before.size, restored.size());
        if sizes.1 > sizes.0.saturating_add(EXCESS_MAX) {
            finding.difference =
                describe_difference(file, restored.file(), &mut self.buffers, stop).ok().flatten();
            return Ok(Some(Original::Read { standing, steady: true, equal: false }));
        }
        let Pair { original, restored: copy } =
            match self.ahead.take().filter(|(ahead, _)| ahead.is_of(&before)) {
                Some((ahead, _turn)) => {
                    let restored = hashing.large(restored.file(), sizes.1, stop);
                    Pair { original: ahead.finish(), restored }
                }
                None => hashing.pair((file, restored.file()), sizes, &mut self.buffers, stop),
            };
        if stop.is_set() && (original.is_err() || copy.is_err()) {
            return Ok(None);
        }
        let copy = copy?;
        let original = match original {
            Ok(original) => original,
            Err(error) => {
                finding.reason = unreadable(&error);
                return Ok(Some(Original::Unreadable));
            }
        };
        self.results.hashed_bytes += original.size + copy.size;
        let after = platform::stat(file);
        // One that grew behind what was read of it is not equal.
        let equal = original == copy && after.as_ref().is_ok_and(|after| after.size == original.size);
        if !equal {
            finding.hashes = Some((copy.hash.to_string(), original.hash.to_string()));
            finding.original_size = Some(original.size);
            // Only the description is lost if the original cannot be read a second time.
            finding.difference =
                describe_difference(file, restored.file(), &mut self.buffers, stop).ok().flatten();
        }
        // An original whose state cannot be had any more is as good as changed.
        let steady = after.is_ok_and(|after| after == before);
        Ok(Some(Original::Read { standing, steady, equal }))
    }

    /// What to look at again once the newest time in the backup is known: a pick that its own times
    /// left open, and whose original was last touched so long ago that the backup may turn out to
    /// be younger.
    fn pending(&self, finding: &Finding, state: &Stat) -> Option<Pending> {
        let Recorded { now, window, frozen, .. } = self.bench.recorded;
        let is_settled = finding.comparable && finding.verdict != Verdict::Changed;
        if is_settled || frozen || self.bench.newest.get().is_some() {
            return None;
        }
        let touched = touched(state).filter(|&touched| is_long_before(touched, Some(now), window))?;
        let path = (finding.verdict != Verdict::Verified).then(|| finding.path.clone());
        Some(Pending { touched, noted: (finding.verdict, finding.comparable), path })
    }

    /// What it means that the backup could not give an entry. Its original is looked at all the
    /// same: it decides whether the pick is in the statement.
    fn failed(&self, entry: &Entry<'_>, error: &RestoreError) -> Judged {
        let (place, found) = match entry.problem {
            None => {
                let (sought, found) = find(self.bench.pairing, entry.path);
                (sought.place, found)
            }
            Some(_) => (None, Found::Gone),
        };
        let recorded = self.bench.recorded(entry);
        let given = match error {
            RestoreError::Checksum(_) | RestoreError::TooLong { .. } => FromBackup::ChecksumFailed,
            RestoreError::Unsupported(_) | RestoreError::NoRoom { .. } => FromBackup::NotTried,
            RestoreError::Read(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                FromBackup::NotTried
            }
            _ => FromBackup::Failed,
        };
        let state = found.state();
        let standing = state.map(|state| standing(state, &recorded));
        // A size that rot made up has no room either: what could not be tried for that reason stays
        // in the statement.
        let is_tried = given != FromBackup::NotTried || matches!(error, RestoreError::NoRoom { .. });
        let finding = Finding {
            verdict: judge(given, &Original::Gone, &recorded),
            // Where no recorded time tells, a bad pick too many in the statement makes it weaker,
            // never wrong.
            comparable: is_tried
                && standing.is_some_and(|standing| standing.is_comparable() || standing == Standing::Unknown),
            reason: reason::of_failure(error),
            original_size: state.map(|state| state.size),
            ..finding_of(entry, place.as_deref())
        };
        let pending = state.filter(|_| is_tried).and_then(|state| self.pending(&finding, state));
        Judged::bad(finding, None, pending)
    }

    /// Notes a judged pick; keeps its copy if asked to.
    fn note(&mut self, entry: &Entry<'_>, judged: Judged) {
        let Judged { verdict, comparable, dated, pending, mut finding, restored } = judged;
        let bytes = restored.as_ref().map_or(0, Restored::size);
        let keep = match self.bench.keep {
            Keep::None => false,
            Keep::Failures => verdict.is_alarm(),
            Keep::All => true,
        };
        if let Some(restored) = restored.filter(|_| keep) {
            match self.bench.kept.keep(restored, entry.path) {
                Ok(place) => {
                    if let Some(finding) = &mut finding {
                        finding.kept = Some(platform::path_to_bytes(&place).into_owned());
                    }
                }
                Err(error) => {
                    self.bench.progress.warn(&format!("a restored copy could not be kept: {error}"));
                }
            }
        }
        self.results.counts.add(verdict, comparable);
        if let Some(finding) = finding {
            let listed = if verdict.is_alarm() { &self.bench.alarms } else { &self.bench.undecided };
            if listed.fetch_add(1, Ordering::Relaxed) < LISTED_MAX {
                self.results.findings.push(finding);
            }
        }
        self.results.newest = self.results.newest.max(dated);
        if let Some(pending) = pending
            && self.bench.pending.fetch_add(1, Ordering::Relaxed) < RECONSIDERED_MAX
        {
            self.results.pending.push(pending);
        }
        self.bench.progress.judged(verdict, bytes, entry.path);
        let total = self.bench.restored_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if self.bench.budget.is_some_and(|budget| total >= budget) {
            self.bench.out_of_budget.store(true, Ordering::Relaxed);
        }
    }
}

impl Landing for Judge<'_> {
    fn begin(&mut self, entry: &Entry<'_>, size: u64) {
        let Bench { pairing, hash, stop, one_large_file, one_ahead, .. } = self.bench;
        // One that never landed is given up first.
        (self.ahead, self.turn) = (None, None);
        if size < ahead::LARGE {
            return;
        }
        self.turn = one_large_file.as_ref().map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(turn) = one_ahead.as_ref().and_then(|turn| turn.try_lock().ok())
            && let (_, Found::Open { file, before }) = find(pairing, entry.path)
        {
            self.ahead = Ahead::begin(file, before, *hash, stop).map(|ahead| (ahead, turn));
        }
    }

    fn land(&mut self, entry: Entry<'_>, outcome: Result<Restored, RestoreError>) -> ControlFlow<()> {
        let judged = match outcome {
            Ok(restored) => match self.compare(&entry, restored) {
                Ok(Some(judged)) => judged,
                Ok(None) => return ControlFlow::Break(()),
                // A copy that was just written and cannot be read back: the restore folder's disk
                // is not to be trusted.
                Err(error) => return self.bench.break_down(error),
            },
            Err(RestoreError::Stopped) => return ControlFlow::Break(()),
            Err(RestoreError::Scratch(error)) => return self.bench.break_down(error),
            Err(error) => self.failed(&entry, &error),
        };
        self.note(&entry, judged);
        (self.ahead, self.turn) = (None, None);
        if self.bench.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn lose(&mut self, damage: Damage) {
        self.bench.lose(damage);
    }
}

impl Drop for Judge<'_> {
    fn drop(&mut self) {
        let mine = std::mem::take(&mut self.results);
        let mut all = self.bench.results.lock().unwrap_or_else(PoisonError::into_inner);
        all.counts.merge(&mine.counts);
        all.findings.extend(mine.findings);
        all.newest = all.newest.max(mine.newest);
        all.pending.extend(mine.pending);
        all.hashed_bytes += mine.hashed_bytes;
    }
}

/// When the backup was surely not yet taken, by one file: its recorded time, if the original is
/// there and was changed then or later. A time that was made up, or a file that came into the
/// backup by itself, says nothing.
fn dated(recorded: &Recorded, original: Option<&Stat>) -> Option<Timestamp> {
    let changed = original?.changed?;
    recorded.mtime.filter(|&mtime| mtime <= changed && !recorded.zone_unknown)
}

fn finding_of(entry: &Entry<'_>, place: Option<&Path>) -> Finding {
    Finding {
        original: place.map(|place| platform::path_to_bytes(place).into_owned()),
        ..Finding::new(entry.path, Verdict::Verified)
    }
}
