//! What a run found, before it is decided what that means.
//!
//! Each judge has a [`PickTally`] of its own. Merged, and combined with what was listed, they are
//! the [`Tally`] of the run. Tallies can be merged and serialised, so a run may be split and its
//! parts put together again. [`conclude`](fn@super::conclude::conclude) needs only the plan, the
//! description of the backup and the tally.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::platform::Timestamp;

use super::arrivals::{AnsweringPick, Arrivals};
use super::counts::Counts;
use super::known_counts::{KnownBy, KnownCounts};
use super::outcome::{Incomplete, Population};
use super::path_key::PathKey;
use super::record::PickRecord;
use super::verdict::Verdict;

/// The most alarms that are listed, and the most undecided picks. Further ones are only counted, so
/// that a bad backup makes neither memory nor the report grow without limit.
pub const LISTED_MAX: u64 = 10_000;

/// The most picks that are looked at again once the newest time in the backup is known.
pub const RECONSIDERED_MAX: u64 = 100_000;

/// What judges found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PickTally {
    /// How many picks of the sample have which verdict.
    pub counts: Counts,
    /// How many picks that were judged beside the sample have which verdict.
    #[serde(default)]
    pub beside: Counts,
    /// What each pick came to, if it answers for more than itself (strategy `size`).
    #[serde(default)]
    pub answering: Vec<AnsweringPick>,
    /// The picks that are not `verified` or are `unlike` what is known of them, up to [`LISTED_MAX`]
    /// alarms and as many others.
    pub findings: Vec<PickRecord>,
    /// Picks that may turn out to be comparable once the newest time in the backup is known.
    pub pending: Vec<Pending>,
    /// How many such picks there were. Only the first [`RECONSIDERED_MAX`] are kept.
    pub pending_seen: u64,
    /// The newest modification time that the backup recorded for a pick and its original confirms.
    pub newest: Option<Timestamp>,
    /// Bytes restored.
    pub restored_bytes: u64,
    /// Bytes hashed, of originals and copies.
    pub hashed_bytes: u64,
    /// How hashes from before the run were used.
    #[serde(default)]
    pub known: KnownCounts,
}

/// A pick that its own times left undecided, but whose original may have been left alone since
/// before the backup was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// When the original was last touched.
    pub touched: Timestamp,
    /// The verdict so far, and whether the pick was comparable.
    pub noted: (Verdict, bool),
    /// The path of its finding; `None` if the pick equals its original and has none.
    pub path: Option<Vec<u8>>,
    /// Whether it was judged beside the sample.
    #[serde(default)]
    pub beside: bool,
    /// The key of its path.
    #[serde(default)]
    pub key: [u64; 2],
}

impl PickTally {
    /// Adds a judged pick. `listed` says whether there is room for its finding, if it is one, and
    /// `reconsidered` whether there is room to look at it again.
    pub fn add(&mut self, record: PickRecord, listed: bool, reconsidered: bool) {
        let counts = if record.beside { &mut self.beside } else { &mut self.counts };
        counts.add(record.verdict, record.comparable);
        self.newest = self.newest.max(record.confirmed_mtime);
        self.restored_bytes += record.restored_size.unwrap_or(0);
        if let Some(touched) = record.pending {
            self.pending_seen += 1;
            if reconsidered {
                let is_equal = !record.hashes.is_some_and(|hashes| hashes.differ());
                let is_fine = record.verdict == Verdict::Verified && is_equal;
                let path = (!is_fine).then(|| record.path.clone());
                let noted = (record.verdict, record.comparable);
                let key = PathKey::of(&record.path).halves();
                self.pending.push(Pending { touched, noted, path, beside: record.beside, key });
            }
        }
        match record.known.filter(|known| known.decided && !record.beside).map(|known| known.by) {
            Some(KnownBy::Manifest) => self.known.by_manifest += 1,
            Some(KnownBy::Ledger) => self.known.by_ledger += 1,
            Some(KnownBy::Repository) => self.known.by_repository += 1,
            None => {}
        }
        self.known.unlike += u64::from(record.unlike);
        if record.is_finding() && listed {
            self.findings.push(record);
        }
    }

    /// Adds what other judges found, up to the limits on what is listed.
    pub fn merge(&mut self, others: Self) {
        self.counts.merge(&others.counts);
        self.beside.merge(&others.beside);
        self.answering.extend(others.answering);
        self.findings.extend(others.findings);
        self.pending.extend(others.pending);
        self.pending.truncate(usize::try_from(RECONSIDERED_MAX).unwrap_or(usize::MAX));
        self.pending_seen += others.pending_seen;
        self.newest = self.newest.max(others.newest);
        self.restored_bytes += others.restored_bytes;
        self.hashed_bytes += others.hashed_bytes;
        self.known.merge(&others.known);
        let (mut alarms, mut undecided) = (0, 0);
        self.findings.retain(|finding| {
            let seen = if finding.verdict.is_alarm() { &mut alarms } else { &mut undecided };
            *seen += 1;
            *seen <= LISTED_MAX
        });
    }
}

/// What a run found: its picks, and the population that they were drawn from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// What the judges found.
    pub picks: PickTally,
    /// What was listed.
    pub population: Population,
    /// How many comparable picks of the sample were asked for; for `size`, how many comparable
    /// arrivals.
    pub wanted: u64,
    /// How many picks of the sample were handed out, including those in progress at the end.
    pub drawn: u64,
    /// What was to be judged beside the sample, if the strategy does that.
    #[serde(default)]
    pub beside: Option<BesideTally>,
    /// The arrivals behind the picks, if the strategy draws bytes.
    #[serde(default)]
    pub arrivals: Option<Arrivals>,
    /// Whether picks were judged in the order of their positions in the backup. If such a run ends
    /// early, it has not seen a random sample.
    pub in_order: bool,
    /// The most picks that can have been in progress at the same time: one for each thread, or more
    /// if the format restores a whole batch at once.
    pub in_progress: u64,
    /// Whether this is several parts of a draw put together.
    #[serde(default)]
    pub is_merged: bool,
    /// How many sessions the run took so far.
    #[serde(default)]
    pub sessions: u64,
    /// How many of the picks were judged in earlier sessions.
    #[serde(default)]
    pub judged_before: u64,
    /// Why the run was ended early, if it was.
    pub ended: Option<Incomplete>,
    /// Parts of the backup that are lost.
    pub damage: Vec<String>,
    /// Parts of the backup of which nobody knows what is there ([`DamageKind::Gap`]).
    ///
    /// [`DamageKind::Gap`]: crate::backup::DamageKind::Gap
    pub gaps: Vec<String>,
    /// Other things that the user should know.
    pub notes: Vec<String>,
    /// Time for listing and drawing.
    pub catalog_time: Duration,
    /// Time for restoring and comparing.
    pub verify_time: Duration,
}

/// What was to be judged beside the sample.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BesideTally {
    /// How many files, if there are as many.
    pub wanted: u64,
    /// How many were handed out.
    pub drawn: u64,
    /// Whether this was all there was to hand out, so that nothing is missing.
    pub is_done: bool,
}

impl Tally {
    /// How many picks were handed out and not judged.
    pub fn missing(&self) -> u64 {
        let drawn = self.drawn + self.beside.map_or(0, |beside| beside.drawn);
        drawn.saturating_sub(self.picks.counts.looked_at() + self.picks.beside.looked_at())
    }

    /// How many picks may have been in progress when the run was ended.
    pub fn cut_off(&self) -> u64 {
        match self.ended {
            Some(_) => cut_off(self.drawn, &self.picks.counts, self.in_progress),
            None => 0,
        }
    }

    /// Adds what another part of the same draw found: another share of its picks, from the same
    /// population, none of them in both parts. Times are added as if the parts had run one after
    /// the other.
    ///
    /// The picks of all parts together are then the sample that one run would have judged, so the
    /// bound of the strategy holds for them. If a part ended early, it does not: which picks are
    /// missing then depends on how they were shared out, and there is no bound.
    ///
    /// # Errors
    /// [`NotOneDraw`] if the parts were drawn from different populations or want different
    /// numbers; then nothing is changed.
    pub fn merge(&mut self, other: Self) -> Result<(), NotOneDraw> {
        let draw = |tally: &Self| {
            let Population { files, whole, ref digest, .. } = tally.population;
            let beside = tally.beside.map(|beside| beside.wanted);
            (files, whole, digest.clone(), tally.wanted, beside, tally.arrivals.clone())
        };
        if draw(self) != draw(&other) {
            return Err(NotOneDraw);
        }
        self.picks.merge(other.picks);
        self.drawn += other.drawn;
        if let (Some(mine), Some(theirs)) = (&mut self.beside, other.beside) {
            mine.drawn += theirs.drawn;
            mine.is_done &= theirs.is_done;
        }
        self.in_order |= other.in_order;
        self.in_progress += other.in_progress;
        self.is_merged = true;
        self.sessions = self.sessions.max(other.sessions);
        self.judged_before += other.judged_before;
        self.ended = match (self.ended, other.ended) {
            // The only reason that says that something cannot be used.
            (Some(Incomplete::RestoreFolder), _) | (_, Some(Incomplete::RestoreFolder)) => {
                Some(Incomplete::RestoreFolder)
            }
            (mine, theirs) => mine.or(theirs),
        };
        for (mine, theirs) in
            [(&mut self.damage, other.damage), (&mut self.gaps, other.gaps), (&mut self.notes, other.notes)]
        {
            for line in theirs {
                if !mine.contains(&line) {
                    mine.push(line);
                }
            }
        }
        self.catalog_time += other.catalog_time;
        self.verify_time += other.verify_time;
        Ok(())
    }
}

/// Two tallies are not parts of one draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "these are not parts of one draw: they are about different populations, or different numbers of files"
)]
pub struct NotOneDraw;

/// How many of the picks that were handed out may have been in progress when the run was ended.
pub fn cut_off(drawn: u64, counts: &Counts, in_progress: u64) -> u64 {
    drawn.saturating_sub(counts.looked_at()).min(in_progress)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::strategy::named;

    /// A part of a draw of three from a population of ten.
    fn part(names: &[&str], verdict: Verdict) -> Tally {
        let mut tally = Tally { wanted: 3, drawn: names.len() as u64, ..Tally::default() };
        tally.population =
            Population { files: 10, whole: true, digest: "0a".to_owned(), ..Population::default() };
        for name in names {
            tally.picks.counts.add(verdict, true);
            tally.picks.findings.push(PickRecord::new(name.as_bytes(), verdict));
        }
        tally
    }

    #[test]
    fn parts_of_a_draw_survive_json_and_add_up() {
        let parts = [part(&["a", "b"], Verdict::Corrupt), part(&["c"], Verdict::Changed)];
        let read = parts.clone().map(|part| {
            let text = serde_json::to_string(&part).unwrap();
            serde_json::from_str::<Tally>(&text).unwrap()
        });
        assert_eq!(read, parts);
        let [mut whole, other] = read;
        whole.merge(other).unwrap();
        assert_eq!((whole.population.files, whole.wanted, whole.drawn), (10, 3, 3));
        assert_eq!((whole.picks.counts.bad(), whole.picks.counts.comparable()), (2, 3));
        assert_eq!(whole.picks.findings.len(), 3);
    }

    #[test]
    fn tallies_of_different_draws_are_not_merged() {
        let mut whole = part(&["a"], Verdict::Verified);
        let before = whole.clone();
        let mut larger = part(&["b"], Verdict::Verified);
        larger.population.files = 20_000;
        let renamed = Population { digest: "0b".to_owned(), ..before.population.clone() };
        for other in [
            larger,
            Tally { wanted: 4, ..before.clone() },
            Tally { population: renamed, ..before.clone() },
            Tally::default(),
        ] {
            assert_eq!(whole.merge(other), Err(NotOneDraw));
        }
        assert_eq!(whole, before);
    }

    #[test]
    fn a_part_that_ended_early_leaves_no_bound_and_the_gravest_reason_stays() {
        let ended = |reason| Tally { ended: Some(reason), ..part(&["a"], Verdict::Verified) };
        let mut whole = part(&["b"], Verdict::Verified);
        let bound = |tally: &Tally| named("random").unwrap().bound(tally, 0.95);
        assert!(bound(&whole).is_some());
        whole.merge(ended(Incomplete::TimeLimit)).unwrap();
        assert_eq!(bound(&whole), None);
        whole.merge(ended(Incomplete::RestoreFolder)).unwrap();
        assert_eq!(whole.ended, Some(Incomplete::RestoreFolder));
    }

    #[test]
    fn merging_lists_no_more_than_one_run_may() {
        let many: Vec<_> = (0..LISTED_MAX).map(|number| number.to_string()).collect();
        let names: Vec<_> = many.iter().map(String::as_str).collect();
        let mut whole = part(&names, Verdict::Corrupt);
        whole.merge(part(&names, Verdict::Corrupt)).unwrap();
        whole.merge(part(&["open"], Verdict::Changed)).unwrap();
        assert_eq!(whole.picks.findings.len() as u64, LISTED_MAX + 1);
        assert_eq!(whole.picks.counts.bad(), 2 * LISTED_MAX);
    }
}
