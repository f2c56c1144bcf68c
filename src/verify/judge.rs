//! The judge: takes one restored file after the other, finds its original, hashes both, and notes the verdict.
//!
//! One a thread. It reads originals and restored copies, and writes nothing but copies that are to be kept.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::backup::{Damage, Entry, Landing, RestoreError, Restored};
use crate::plan::{Algorithm, Keep};
use crate::platform::{self, Kind, Stat, Timestamp};
use crate::stop::Stop;

use super::ahead::{self, Ahead};
use super::hash::{Buffers, Hashing, Pair, describe_difference};
use super::keep::Kept;
use super::outcome::{Counts, Finding};
use super::pairing::{Pairing, Place, is_gone};
use super::progress::Progress;
use super::sharing::Shared;
use super::verdict::{FromBackup, Original, Recorded, Verdict, judge};

/// As many inconclusive findings are listed; further ones are only counted, so that memory does not grow with the backup.
pub const LISTED_MAX: u64 = 10_000;

/// A restored copy that is longer than its original by more than this many bytes is not hashed to its end: an archive of 2 KiB can
/// claim terabytes of zeros.
const EXCESS_MAX: u64 = 1 << 30;

/// What all judges of a run share.
pub struct Bench<'a> {
    /// Where originals are.
    pub pairing: &'a Pairing,
    /// How finely the backup records times, in nanoseconds.
    pub resolution_ns: u64,
    /// When the backup was taken, as far as it tells itself.
    pub taken: Option<Timestamp>,
    /// The newest modification time in it, once it was listed with times.
    pub newest: OnceLock<Timestamp>,
    /// The hash.
    pub hash: Algorithm,
    /// Computes it.
    pub hashing: Hashing,
    /// Where originals may be read while their copies are restored: whoever holds it does so. One is enough to keep both disks
    /// busy.
    pub one_ahead: Option<Mutex<()>>,
    /// Where a disk has to seek: whoever holds it reads a large file, and no other is read meanwhile.
    pub one_large_file: Option<Mutex<()>>,
    /// Whether copies share their place on the disk with their originals; nothing where they cannot.
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
    /// Inconclusive findings so far.
    pub listed: AtomicU64,
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
    /// Bytes hashed, both sides.
    pub hashed_bytes: u64,
    /// What could not be read while everything was restored.
    pub lost: Vec<Damage>,
}

/// Judges files, one after the other.
pub struct Judge<'a> {
    bench: &'a Bench<'a>,
    buffers: Buffers,
    results: Results,
    ahead: Option<(Ahead, MutexGuard<'a, ()>)>,
    turn: Option<MutexGuard<'a, ()>>,
}

/// An original that was found and opened, or what stands in its way.
enum Found {
    Open { file: File, before: Stat },
    Gone,
    NotAFile,
    Unreadable(io::Error),
}

/// A verdict with its evidence.
struct Judged {
    verdict: Verdict,
    finding: Option<Finding>,
    restored: Option<Restored>,
}

impl Bench<'_> {
    fn recorded(&self, entry: &Entry<'_>) -> Recorded {
        let Self { resolution_ns, taken, .. } = *self;
        let newest = self.newest.get().copied();
        Recorded { size: entry.size, mtime: entry.mtime, resolution_ns, taken, newest }
    }

    /// Whether nothing more should be begun.
    pub fn is_over(&self) -> bool {
        self.stop.is_set() || self.out_of_budget.load(Ordering::Relaxed) || self.broken.get().is_some()
    }

    /// How many picks are conclusive, by the judges that are done.
    pub fn conclusive(&self) -> u64 {
        self.results.lock().unwrap_or_else(PoisonError::into_inner).counts.conclusive()
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

    /// How many picks it found inconclusive so far.
    pub fn inconclusive(&self) -> u64 {
        self.results.counts.inconclusive()
    }

    /// Compares one restored file with its original. `None` when the run was stopped in the middle of it.
    fn compare(&mut self, entry: &Entry<'_>, restored: Restored) -> Result<Option<Judged>, io::Error> {
        let (place, found) = find(self.bench.pairing, entry.path);
        let recorded = self.bench.recorded(entry);
        let given = FromBackup::Restored { size: restored.size() };
        let mut finding = finding_of(entry, place);
        finding.restored_size = Some(restored.size());
        let original = match found {
            // A hard link, a link into the backup, or an overlay over the originals: equal for ever, and lost together.
            Found::Open { ref file, before } if self.bench.is_one_file(entry, (file, before.id)) => {
                finding.verdict = Verdict::RestoreFailed;
                finding.original_size = Some(before.size);
                finding.reason =
                    "backup and original are one and the same file on disk (a link or an overlay): there is no second copy"
                        .to_owned();
                return Ok(Some(Judged {
                    verdict: Verdict::RestoreFailed,
                    finding: Some(finding),
                    restored: Some(restored),
                }));
            }
            Found::Open { file, before } => {
                finding.original_size = Some(before.size);
                match self.read_both(&file, before, &restored, &mut finding)? {
                    Some(original) => original,
                    None => return Ok(None),
                }
            }
            Found::Gone => Original::Gone,
            Found::NotAFile => Original::NotAFile,
            Found::Unreadable(error) => {
                finding.reason = unreadable(&error);
                Original::Unreadable
            }
        };
        let verdict = judge(given, &original, &recorded);
        if verdict == Verdict::Verified {
            return Ok(Some(Judged { verdict, finding: None, restored: Some(restored) }));
        }
        finding.verdict = verdict;
        if finding.reason.is_empty() {
            finding.reason = reason(verdict, &original, &recorded, restored.size());
        }
        Ok(Some(Judged { verdict, finding: Some(finding), restored: Some(restored) }))
    }

    /// Hashes both sides and, where they differ, finds out how.
    fn read_both(
        &mut self,
        file: &File,
        before: Stat,
        restored: &Restored,
        finding: &mut Finding,
    ) -> Result<Option<Original>, io::Error> {
        let Bench { hashing, stop, .. } = self.bench;
        let sizes = (before.size, restored.size());
        if sizes.1 > sizes.0.saturating_add(EXCESS_MAX) {
            finding.difference =
                describe_difference(file, restored.file(), &mut self.buffers, stop).ok().flatten();
            return Ok(Some(Original::Read {
                before,
                after: before,
                equal: false,
                record_equals_restored: None,
            }));
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
        let after = after.unwrap_or(Stat { kind: Kind::Other, ..before });
        Ok(Some(Original::Read { before, after, equal, record_equals_restored: None }))
    }

    /// Notes a judged pick; keeps its copy if asked to.
    fn note(&mut self, entry: &Entry<'_>, judged: Judged) {
        let Judged { verdict, mut finding, restored } = judged;
        let bytes = restored.as_ref().map_or(0, Restored::size);
        let keep = match self.bench.keep {
            Keep::None => false,
            Keep::Failures => verdict.is_bad(),
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
        self.results.counts.add(verdict);
        let listed =
            verdict.is_conclusive() || self.bench.listed.fetch_add(1, Ordering::Relaxed) < LISTED_MAX;
        self.results.findings.extend(finding.filter(|_| listed));
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
                // A copy that was just written and cannot be read back: the restore folder's disk is not to be trusted.
                Err(error) => return self.bench.break_down(error),
            },
            Err(RestoreError::Stopped) => return ControlFlow::Break(()),
            Err(RestoreError::Scratch(error)) => return self.bench.break_down(error),
            Err(error) => failed(&entry, &error, self.bench),
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
        all.hashed_bytes += mine.hashed_bytes;
    }
}

/// Why, in words; where the copies differ is told by the finding's difference.
fn reason(verdict: Verdict, original: &Original, recorded: &Recorded, restored_size: u64) -> String {
    match (verdict, original) {
        (Verdict::Corrupt, _) => match recorded.size.filter(|&size| size != restored_size) {
            Some(size) => format!("restores to {restored_size} bytes, the backup recorded {size}"),
            None => "the original has not been modified since the backup".to_owned(),
        },
        (Verdict::Changed, Original::NotAFile) => "the original is no regular file any more".to_owned(),
        (Verdict::Changed, Original::Read { before, after, .. }) if before != after => {
            "the original changed while it was read".to_owned()
        }
        (Verdict::Changed, _) => "the original has been modified since the backup".to_owned(),
        (Verdict::Deleted, _) => "the original is gone".to_owned(),
        (Verdict::OriginalCorrupt, _) => "an earlier record says that the backup is right".to_owned(),
        (Verdict::Unreadable | Verdict::RestoreFailed | Verdict::Verified, _) => verdict.word().to_owned(),
    }
}

/// Why an original cannot be read, with what helps.
fn unreadable(error: &io::Error) -> String {
    if platform::is_in_use(error) {
        return "in use by another program: close it, or take the originals from a snapshot".to_owned();
    }
    match error.kind() {
        io::ErrorKind::PermissionDenied => format!("{error}: {}", platform::PERMISSION_HINT),
        _ => error.to_string(),
    }
}

/// Tries every place where the original may be.
fn find<'a>(pairing: &'a Pairing, path: &'a [u8]) -> (Option<Place<'a>>, Found) {
    let mut first = None;
    for place in pairing.places(path) {
        first.get_or_insert(place);
        match open(&place) {
            Found::Gone => {}
            found => return (Some(place), found),
        }
    }
    (first, Found::Gone)
}

/// Looks before it opens: a device or a pipe in the place of a file is never opened.
fn open(place: &Place<'_>) -> Found {
    let tree = &place.root.tree;
    let opened = tree.stat(place.path).and_then(|before| {
        let file = (before.kind == Kind::File).then(|| tree.open_file(place.path, true)).transpose()?;
        Ok((file, before))
    });
    match opened {
        Ok((Some(file), before)) => Found::Open { file, before },
        Ok((None, _)) => Found::NotAFile,
        Err(error) if is_gone(&error) => Found::Gone,
        Err(error) => Found::Unreadable(error),
    }
}

fn failed(entry: &Entry<'_>, error: &RestoreError, bench: &Bench<'_>) -> Judged {
    let place = entry.problem.is_none().then(|| bench.pairing.places(entry.path).next()).flatten();
    let given = match error {
        RestoreError::Checksum(_) | RestoreError::TooLong { .. } => FromBackup::ChecksumFailed,
        _ => FromBackup::Failed,
    };
    let recorded = bench.recorded(entry);
    let verdict = judge(given, &Original::Gone, &recorded);
    let finding = Finding { verdict, reason: error.to_string(), ..finding_of(entry, place) };
    Judged { verdict, finding: Some(finding), restored: None }
}

fn finding_of(entry: &Entry<'_>, place: Option<Place<'_>>) -> Finding {
    Finding {
        path: entry.path.to_vec(),
        original: place.map(|place| platform::path_to_bytes(&place.display()).into_owned()),
        verdict: Verdict::Verified,
        reason: String::new(),
        restored_size: None,
        original_size: None,
        hashes: None,
        difference: None,
        kept: None,
    }
}
