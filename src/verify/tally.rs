//! What a run found, before anybody says what it means.
//!
//! Each judge keeps a [`PickTally`] of its own; merged, and put beside what was listed, they are the
//! [`Tally`] of a run. Tallies merge and serialise, so that a run may be split and its parts put
//! together again: [`conclude`](fn@super::conclude::conclude) needs nothing else but the plan.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::platform::Timestamp;

use super::counts::Counts;
use super::outcome::{Incomplete, Population};
use super::record::PickRecord;
use super::verdict::Verdict;

/// As many alarms are listed, and as many undecided picks; further ones are only counted, so that
/// neither memory nor a report grows with what is bad.
pub const LISTED_MAX: u64 = 10_000;

/// As many picks that could not be compared are looked at again, once the times in the backup are
/// known.
pub const RECONSIDERED_MAX: u64 = 100_000;

/// What judges found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PickTally {
    /// Verdicts, counted.
    pub counts: Counts,
    /// Everything but `verified`.
    pub findings: Vec<PickRecord>,
    /// Picks that may turn out comparable once the newest time in the backup is known.
    pub pending: Vec<Pending>,
    /// How many such picks there were; only the first [`RECONSIDERED_MAX`] are kept.
    pub pending_seen: u64,
    /// The newest modification time that the backup recorded of a pick, where its original bears
    /// the time out.
    pub newest: Option<Timestamp>,
    /// Bytes restored.
    pub restored_bytes: u64,
    /// Bytes hashed, both sides.
    pub hashed_bytes: u64,
}

/// A pick that could not be compared by its own times, whose original may have been left alone
/// since before the backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// When the original was last touched.
    pub touched: Timestamp,
    /// Its verdict, and whether it could be compared all the same.
    pub noted: (Verdict, bool),
    /// The path of its finding, where it differs.
    pub path: Option<Vec<u8>>,
}

impl PickTally {
    /// Adds what others found, within the limits of what is listed.
    pub fn merge(&mut self, others: Self) {
        self.counts.merge(&others.counts);
        self.findings.extend(others.findings);
        self.pending.extend(others.pending);
        self.pending.truncate(usize::try_from(RECONSIDERED_MAX).unwrap_or(usize::MAX));
        self.pending_seen += others.pending_seen;
        self.newest = self.newest.max(others.newest);
        self.restored_bytes += others.restored_bytes;
        self.hashed_bytes += others.hashed_bytes;
        let (mut alarms, mut undecided) = (0, 0);
        self.findings.retain(|finding| {
            let seen = if finding.verdict.is_alarm() { &mut alarms } else { &mut undecided };
            *seen += 1;
            *seen <= LISTED_MAX
        });
    }
}

/// What a run found: its picks, and what they were drawn from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// What the judges found.
    pub picks: PickTally,
    /// What was listed.
    pub population: Population,
    /// How many comparable picks were asked for.
    pub wanted: u64,
    /// How many picks were handed out, those that were under way at the end included.
    pub drawn: u64,
    /// Whether picks were judged in the order in which they lie in the backup: a run that ends
    /// early has then seen no random sample.
    pub in_order: bool,
    /// Threads that judged: at most one pick each was under way when the run was ended.
    pub threads: u64,
    /// Why the run was ended before all of it was seen.
    pub ended: Option<Incomplete>,
    /// Parts of the backup that are lost.
    pub damage: Vec<String>,
    /// Parts of the backup that this account may not list.
    pub denied: Vec<String>,
    /// What else is worth telling.
    pub notes: Vec<String>,
    /// Time for listing and drawing.
    pub catalog_time: Duration,
    /// Time for restoring and comparing.
    pub verify_time: Duration,
}

impl Tally {
    /// How many picks may have been under way when the run was ended.
    pub fn cut_off(&self) -> u64 {
        match self.ended {
            Some(_) => cut_off(self.drawn, &self.picks.counts, self.threads),
            None => 0,
        }
    }

    /// Adds what another part of the same run found: other files of the same backup, drawn by the
    /// same seed. Times add up, as if one part had followed the other.
    pub fn merge(&mut self, other: Self) {
        self.picks.merge(other.picks);
        self.population.merge(&other.population);
        self.wanted += other.wanted;
        self.drawn += other.drawn;
        self.in_order |= other.in_order;
        self.threads += other.threads;
        self.ended = self.ended.or(other.ended);
        for (mine, theirs) in [
            (&mut self.damage, other.damage),
            (&mut self.denied, other.denied),
            (&mut self.notes, other.notes),
        ] {
            for line in theirs {
                if !mine.contains(&line) {
                    mine.push(line);
                }
            }
        }
        self.catalog_time += other.catalog_time;
        self.verify_time += other.verify_time;
    }
}

/// How many of the picks that were handed out may have been under way when a run was ended.
pub fn cut_off(drawn: u64, counts: &Counts, threads: u64) -> u64 {
    drawn.saturating_sub(counts.looked_at()).min(threads)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(names: &[&str], verdict: Verdict) -> Tally {
        let mut tally = Tally { wanted: names.len() as u64, drawn: names.len() as u64, ..Tally::default() };
        tally.population = Population {
            files: 10,
            whole: true,
            digest: format!("{:032x}", u128::MAX),
            ..Population::default()
        };
        for name in names {
            tally.picks.counts.add(verdict, true);
            tally.picks.findings.push(PickRecord::new(name.as_bytes(), verdict));
        }
        tally
    }

    #[test]
    fn parts_of_a_run_survive_json_and_add_up() {
        let parts = [part(&["a", "b"], Verdict::Corrupt), part(&["c"], Verdict::Changed)];
        let read = parts.clone().map(|part| {
            let text = serde_json::to_string(&part).unwrap();
            serde_json::from_str::<Tally>(&text).unwrap()
        });
        assert_eq!(read, parts);
        let [mut whole, other] = read;
        whole.merge(other);
        assert_eq!((whole.population.files, whole.wanted, whole.drawn), (20, 3, 3));
        assert_eq!(whole.population.digest, format!("{:032x}", u128::MAX - 1), "a sum modulo 2^128");
        assert_eq!((whole.picks.counts.bad(), whole.picks.counts.comparable()), (2, 3));
        assert_eq!(whole.picks.findings.len(), 3);
    }

    #[test]
    fn a_part_that_was_not_listed_to_its_end_makes_the_whole_one_that_was_not() {
        let mut whole = part(&[], Verdict::Verified);
        whole.merge(Tally { ended: Some(Incomplete::TimeLimit), ..Tally::default() });
        assert!(!whole.population.whole);
        assert_eq!(whole.ended, Some(Incomplete::TimeLimit));
    }

    #[test]
    fn merging_lists_no_more_than_one_run_may() {
        let many: Vec<_> = (0..LISTED_MAX).map(|number| number.to_string()).collect();
        let names: Vec<_> = many.iter().map(String::as_str).collect();
        let mut whole = part(&names, Verdict::Corrupt);
        whole.merge(part(&names, Verdict::Corrupt));
        whole.merge(part(&["open"], Verdict::Changed));
        assert_eq!(whole.picks.findings.len() as u64, LISTED_MAX + 1);
        assert_eq!(whole.picks.counts.bad(), 2 * LISTED_MAX);
    }
}
