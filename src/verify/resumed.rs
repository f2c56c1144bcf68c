//! The part of a draw that earlier sessions judged, for a run that goes on where they ended.
//!
//! A verdict is about one version of a file. Between two sessions, a backup that is updated in place
//! may have replaced files, lost some, or got new ones. So the backup is listed before anything is
//! judged, and what earlier sessions found about a file is carried over only if the backup still
//! holds the version that they judged. A file that was replaced is judged again. Its new verdict
//! takes the place of the old one, whatever that was: the statement is about the backup as it is now.
//!
//! An archive or a snapshot is never updated in place. If another one has taken its place, nothing of
//! the old one is carried over, however much they look alike ([`DrawnFrom`]).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::backup::Entry;
use crate::platform::Timestamp;

use super::outcome::Population;
use super::path_key::{PathKey, version_number};
use super::record::PickRecord;
use super::tally::{LISTED_MAX, PickTally, RECONSIDERED_MAX};
use super::verdict::Verdict;

/// What earlier sessions found. Takes 32 bytes for each file that was judged. A clone shares them.
#[derive(Debug, Clone, Default)]
pub struct Resumed(Arc<Sessions>);

#[derive(Debug, Default)]
struct Sessions {
    number: u64,
    from: DrawnFrom,
    newest: Option<Timestamp>,
    /// Sorted by key.
    picks: Vec<JudgedPick>,
    records: HashMap<PathKey, PickRecord>,
}

/// What a draw was drawn from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DrawnFrom {
    /// The id of the backup ([`Description::id`](crate::backup::Description::id)), if it has one.
    pub backup: Option<String>,
    /// How many files, and their digest under the seed. `None` if no session has known them.
    pub population: Option<(u64, String)>,
}

/// A pick of an earlier session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JudgedPick {
    /// The file.
    pub key: PathKey,
    /// The version that was judged ([`version_number`]).
    pub version: u64,
    /// The verdict.
    pub verdict: Verdict,
    /// Whether it was comparable.
    pub comparable: bool,
    /// Whether the newest time in the backup may make it comparable.
    pub pending: bool,
}

impl Resumed {
    /// What `sessions` sessions found: `picks` in the order in which they were judged, and the
    /// `records` of those that were kept whole. `newest` is the newest time in the backup that an
    /// original confirmed. The last verdict about a file counts.
    pub fn new(
        sessions: u64,
        from: DrawnFrom,
        newest: Option<Timestamp>,
        mut picks: Vec<JudgedPick>,
        records: HashMap<PathKey, PickRecord>,
    ) -> Self {
        picks.reverse();
        picks.sort_by_key(|pick| pick.key);
        picks.dedup_by_key(|pick| pick.key);
        Self(Arc::new(Sessions { number: sessions, from, newest, picks, records }))
    }

    /// How many sessions there were.
    pub fn sessions(&self) -> u64 {
        self.0.number
    }

    /// Whether this is the backup that was drawn from.
    pub fn is_of_backup(&self, id: Option<&str>) -> bool {
        self.0.from.backup.as_deref() == id
    }

    /// Whether these files are the ones that were drawn from. Only then is the rest of a sample
    /// that sample.
    pub fn is_of(&self, population: &Population) -> bool {
        let known = self.0.from.population.as_ref().map(|(files, digest)| (*files, digest));
        known == Some((population.files, &population.digest))
    }

    /// Begins to find out what can be carried over.
    pub fn roll_call(&self) -> RollCall {
        RollCall {
            resumed: self.clone(),
            marks: self.0.picks.iter().map(|_| AtomicU8::new(MISSING)).collect(),
        }
    }

    fn find(&self, path: &[u8]) -> Option<usize> {
        let key = PathKey::of(path);
        self.0.picks.binary_search_by_key(&key, |pick| pick.key).ok()
    }
}

const MISSING: u8 = 0;
const REPLACED: u8 = 1;
const STILL_THERE: u8 = 2;

/// Finds out, from a listing, which versions of the judged files the backup still holds. Used by
/// several threads at once.
#[derive(Debug)]
pub struct RollCall {
    resumed: Resumed,
    /// One for each pick.
    marks: Vec<AtomicU8>,
}

impl RollCall {
    /// Notes an entry of the listing.
    pub fn note(&self, entry: &Entry<'_>) {
        if let Some(at) = self.resumed.find(entry.path) {
            let version = version_number(entry.path, entry.size, entry.mtime);
            let is_same = self.resumed.0.picks[at].version == version;
            self.marks[at].store(if is_same { STILL_THERE } else { REPLACED }, Ordering::Relaxed);
        }
    }

    /// Begins again.
    pub fn restart(&self) {
        self.marks.iter().for_each(|mark| mark.store(MISSING, Ordering::Relaxed));
    }

    /// What is carried over. If the listing is not `whole`, a file that is missing from it may
    /// still be in the backup, so its verdict stays.
    pub fn finish(self, whole: bool) -> CarriedOver {
        let marks = self.marks.into_iter().map(AtomicU8::into_inner);
        let holds: Vec<bool> = marks.map(|mark| mark == STILL_THERE || (mark == MISSING && !whole)).collect();
        let judged = holds.iter().filter(|&&holds| holds).count();
        let dropped = (holds.len() - judged) as u64;
        CarriedOver { resumed: self.resumed, holds, judged: judged as u64, dropped }
    }
}

/// The verdicts of earlier sessions that still hold.
#[derive(Debug)]
pub struct CarriedOver {
    resumed: Resumed,
    /// One for each pick.
    holds: Vec<bool>,
    judged: u64,
    dropped: u64,
}

impl CarriedOver {
    /// Whether a verdict about the file at this path holds, so that it is not judged again.
    pub fn holds(&self, path: &[u8]) -> bool {
        self.judged > 0 && self.resumed.find(path).is_some_and(|at| self.holds[at])
    }

    /// How many verdicts hold.
    pub fn judged(&self) -> u64 {
        self.judged
    }

    /// How many do not, because the backup holds these versions no longer.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// What was found about the files whose verdicts hold. Bytes are not counted: each session tells
    /// what it did itself.
    pub fn tally(&self) -> PickTally {
        let mut tally = PickTally { newest: self.resumed.0.newest, ..PickTally::default() };
        let (mut alarms, mut undecided) = (0, 0);
        for (pick, _) in self.resumed.0.picks.iter().zip(&self.holds).filter(|(_, holds)| **holds) {
            let Some(record) = self.resumed.0.records.get(&pick.key) else {
                tally.counts.add(pick.verdict, pick.comparable);
                tally.pending_seen += u64::from(pick.pending);
                continue;
            };
            let listed = match record.verdict {
                Verdict::Verified if !record.unlike => false,
                verdict => {
                    let seen = if verdict.is_alarm() { &mut alarms } else { &mut undecided };
                    *seen += 1;
                    *seen <= LISTED_MAX
                }
            };
            let has_room = (tally.pending.len() as u64) < RECONSIDERED_MAX;
            tally.add(record.clone(), listed, has_room);
        }
        tally.restored_bytes = 0;
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pick(path: &[u8], size: u64, verdict: Verdict) -> JudgedPick {
        let version = version_number(path, Some(size), None);
        JudgedPick { key: PathKey::of(path), version, verdict, comparable: true, pending: false }
    }

    fn record(path: &[u8], verdict: Verdict) -> (PathKey, PickRecord) {
        (PathKey::of(path), PickRecord::new(path, verdict))
    }

    fn of(picks: Vec<JudgedPick>, records: impl IntoIterator<Item = (PathKey, PickRecord)>) -> Resumed {
        Resumed::new(1, DrawnFrom::default(), None, picks, records.into_iter().collect())
    }

    fn entry(path: &[u8], size: u64) -> Entry<'_> {
        Entry { size: Some(size), ..Entry::named(path) }
    }

    #[test]
    fn a_verdict_about_a_version_that_is_gone_does_not_hold() {
        let picks = vec![
            pick(b"same", 1, Verdict::Verified),
            pick(b"replaced", 1, Verdict::Corrupt),
            pick(b"gone", 1, Verdict::Verified),
        ];
        let resumed = of(picks, [record(b"replaced", Verdict::Corrupt)]);
        let call = resumed.roll_call();
        [entry(b"same", 1), entry(b"replaced", 2), entry(b"new", 1)]
            .iter()
            .for_each(|entry| call.note(entry));
        let carried = call.finish(true);
        assert!(carried.holds(b"same") && !carried.holds(b"replaced") && !carried.holds(b"gone"));
        assert_eq!((carried.judged(), carried.dropped()), (1, 2));
        let tally = carried.tally();
        assert_eq!((tally.counts.looked_at(), tally.counts.bad(), tally.findings.len()), (1, 0, 0));
    }

    #[test]
    fn what_a_broken_listing_does_not_show_is_not_forgotten() {
        let picks = vec![pick(b"bad", 1, Verdict::Corrupt), pick(b"replaced", 1, Verdict::Verified)];
        let resumed = of(picks, [record(b"bad", Verdict::Corrupt)]);
        let call = resumed.roll_call();
        call.note(&entry(b"replaced", 2));
        let carried = call.finish(false);
        assert!(carried.holds(b"bad") && !carried.holds(b"replaced"));
        assert_eq!(carried.tally().counts.bad(), 1);
        // A listing that begins again is a new one.
        let call = resumed.roll_call();
        call.note(&entry(b"bad", 1));
        call.restart();
        assert!(!call.finish(true).holds(b"bad"));
    }

    #[test]
    fn the_last_verdict_about_a_file_counts() {
        let picks = vec![pick(b"a", 1, Verdict::Corrupt), pick(b"a", 2, Verdict::Verified)];
        let resumed = of(picks, []);
        let call = resumed.roll_call();
        call.note(&entry(b"a", 2));
        let carried = call.finish(true);
        assert_eq!((carried.judged(), carried.tally().counts.bad()), (1, 0));
    }

    #[test]
    fn a_backup_that_took_the_place_of_another_is_not_the_one_that_was_drawn_from() {
        let from = DrawnFrom { backup: Some("id".to_owned()), population: Some((1, "digest".to_owned())) };
        let resumed = Resumed::new(1, from, None, Vec::new(), HashMap::new());
        assert!(resumed.is_of_backup(Some("id")));
        assert!(!resumed.is_of_backup(Some("other")) && !resumed.is_of_backup(None));
        let population =
            |files, digest: &str| Population { files, digest: digest.to_owned(), ..Population::default() };
        assert!(resumed.is_of(&population(1, "digest")));
        assert!(!resumed.is_of(&population(2, "digest")) && !resumed.is_of(&population(1, "other")));
        // No session has listed the whole backup.
        assert!(!Resumed::default().is_of(&population(0, "")));
    }
}
