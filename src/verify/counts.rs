//! How many picks ended with which verdict.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::verdict::Verdict;

/// How many picks ended with which verdict. Picks that could be compared are counted apart from
/// picks that could not, which are `outside` the statement.
///
/// Serialised by the name of each verdict, so that a new verdict leaves stored counts readable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "CountsByName", into = "CountsByName")]
pub struct Counts {
    comparable: [u64; Verdict::ALL.len()],
    outside: [u64; Verdict::ALL.len()],
}

/// For each verdict how many picks could be compared, and how many could not.
type CountsByName = BTreeMap<Verdict, [u64; 2]>;

impl From<CountsByName> for Counts {
    fn from(named: CountsByName) -> Self {
        let mut counts = Self::default();
        for (verdict, [comparable, outside]) in named {
            counts.comparable[verdict as usize] = comparable;
            counts.outside[verdict as usize] = outside;
        }
        counts
    }
}

impl From<Counts> for CountsByName {
    fn from(counts: Counts) -> Self {
        let named = |verdict| (verdict, [counts.comparable_of(verdict), counts.outside_of(verdict)]);
        Verdict::ALL.into_iter().map(named).collect()
    }
}

impl Counts {
    /// Counts one more pick. Whether it is `comparable` was decided before its content was looked
    /// at.
    pub fn add(&mut self, verdict: Verdict, comparable: bool) {
        let counts = if comparable { &mut self.comparable } else { &mut self.outside };
        counts[verdict as usize] += 1;
    }

    /// Adds the counts of others.
    pub fn merge(&mut self, others: &Self) {
        let mine = self.comparable.iter_mut().chain(&mut self.outside);
        for (mine, theirs) in mine.zip(others.comparable.iter().chain(&others.outside)) {
            *mine += theirs;
        }
    }

    /// Counts a pick as comparable, with a new verdict, instead of how it was counted before.
    pub fn reconsider(&mut self, (from, was_comparable): (Verdict, bool), to: Verdict) {
        let counts = if was_comparable { &mut self.comparable } else { &mut self.outside };
        counts[from as usize] = counts[from as usize].saturating_sub(1);
        self.add(to, true);
    }

    /// How many picks have this verdict.
    pub fn of(&self, verdict: Verdict) -> u64 {
        self.comparable_of(verdict) + self.outside_of(verdict)
    }

    /// How many comparable picks have this verdict.
    pub fn comparable_of(&self, verdict: Verdict) -> u64 {
        self.comparable[verdict as usize]
    }

    /// How many picks that could not be compared have this verdict.
    pub fn outside_of(&self, verdict: Verdict) -> u64 {
        self.outside[verdict as usize]
    }

    /// How many picks were judged.
    pub fn looked_at(&self) -> u64 {
        self.comparable() + self.outside()
    }

    /// How many picks could be compared. The statement rests on these.
    pub fn comparable(&self) -> u64 {
        self.comparable.iter().sum()
    }

    /// How many picks could not be compared, because they were modified, deleted or unreadable. A
    /// statement says nothing about such files.
    pub fn outside(&self) -> u64 {
        self.outside.iter().sum()
    }

    /// How many picks prove that the backup is bad.
    pub fn bad(&self) -> u64 {
        self.sum(Verdict::is_bad)
    }

    /// How many comparable picks prove that the backup is bad.
    pub fn comparable_bad(&self) -> u64 {
        Self::sum_of(&self.comparable, Verdict::is_bad)
    }

    /// How many comparable picks were not decided. The statement counts each of them as bad.
    pub fn unresolved(&self) -> u64 {
        Self::sum_of(&self.comparable, |verdict| !verdict.is_decided())
    }

    /// How many picks have one of these verdicts.
    pub fn sum(&self, which: impl Fn(Verdict) -> bool) -> u64 {
        Self::sum_of(&self.comparable, &which) + Self::sum_of(&self.outside, &which)
    }

    fn sum_of(counts: &[u64; Verdict::ALL.len()], which: impl Fn(Verdict) -> bool) -> u64 {
        Verdict::ALL
            .into_iter()
            .filter(|&verdict| which(verdict))
            .map(|verdict| counts[verdict as usize])
            .sum()
    }

    /// How many picks prove nothing about the backup: not comparable, or not decided.
    pub fn undecided(&self) -> u64 {
        self.outside() + self.unresolved()
    }
}
