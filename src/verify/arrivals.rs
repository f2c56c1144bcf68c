//! The arrivals behind the picks of the strategy `size`, and what they came to. A file that was
//! judged answers for all of its arrivals. How they are drawn is in [`size`](super::size).

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::backup::Entry;

use super::path_key::PathKey;
use super::verdict::Verdict;

/// The first arrivals of a draw, and the files that they are in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrivals {
    /// How many comparable ones are wanted.
    pub(super) wanted: u64,
    /// For each arrival, in order, the number of its file.
    pub(super) sequence: Vec<u32>,
    /// The files in the order of their first arrivals.
    pub(super) files: Vec<ArrivedFile>,
    /// How many files of the population have bytes.
    pub(super) filled: u64,
}

/// A file with an arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ArrivedFile {
    /// In halves, because JSON has no numbers of 128 bits.
    key: [u64; 2],
    size: u64,
}

impl ArrivedFile {
    /// The file of this entry.
    pub(super) fn of(entry: &Entry<'_>) -> Self {
        Self { key: PathKey::of(entry.path).halves(), size: entry.size.unwrap_or(0) }
    }
}

/// What a pick came to, kept for each pick because it answers for all its arrivals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnsweringPick {
    key: [u64; 2],
    /// Its verdict.
    pub verdict: Verdict,
    /// Whether it could be compared.
    pub comparable: bool,
}

impl AnsweringPick {
    /// What the pick at this path came to.
    pub fn new(path: &[u8], verdict: Verdict, comparable: bool) -> Self {
        Self { key: PathKey::of(path).halves(), verdict, comparable }
    }

    /// The key of its path.
    pub fn key(&self) -> [u64; 2] {
        self.key
    }
}

/// How many arrivals ended with which result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ArrivalCounts {
    /// How many comparable ones were wanted.
    pub wanted: u64,
    /// How many are in files that could be compared, at most as many as were wanted; with those
    /// that were cut off.
    pub comparable: u64,
    /// How many of these are in bad files.
    pub bad: u64,
    /// How many of these are in files that were not decided or were cut off.
    pub unresolved: u64,
    /// How many arrivals before the last of these are in files that could not be compared.
    pub outside: u64,
    /// The bytes of all files that could not be compared.
    pub outside_bytes: u64,
    /// Whether every file that has bytes was judged.
    pub is_everything: bool,
    /// The bytes of all comparable files that were judged and are bad or undecided.
    pub bad_bytes: u64,
}

impl Arrivals {
    /// How many files there are in the first arrivals that are wanted.
    pub fn first_files(&self) -> u64 {
        ArrivalLimit::new(self).picks() as u64
    }

    /// Whether no file of the population has bytes.
    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// What the arrivals came to, if these picks were judged, so many were handed out, and the
    /// backup was listed as a `whole` or not.
    pub fn count(&self, answering: &[AnsweringPick], handed_out: u64, whole: bool) -> ArrivalCounts {
        let answers: HashMap<[u64; 2], &AnsweringPick> =
            answering.iter().map(|pick| (pick.key, pick)).collect();
        let is_everything = whole && answers.len() as u64 >= self.filled;
        let mut counts = ArrivalCounts { wanted: self.wanted, is_everything, ..ArrivalCounts::default() };
        for file in &self.files {
            match answers.get(&file.key) {
                Some(pick) if !pick.comparable => counts.outside_bytes += file.size,
                Some(pick) if pick.verdict.is_bad() || !pick.verdict.is_decided() => {
                    counts.bad_bytes += file.size;
                }
                _ => {}
            }
        }
        let handed_out = usize::try_from(handed_out).unwrap_or(usize::MAX);
        for &number in &self.sequence {
            let number = number as usize;
            if counts.comparable == self.wanted || number >= handed_out {
                break;
            }
            match self.files.get(number).and_then(|file| answers.get(&file.key)) {
                Some(pick) if !pick.comparable => {
                    counts.outside += 1;
                    continue;
                }
                Some(pick) if pick.verdict.is_bad() => counts.bad += 1,
                Some(pick) if pick.verdict.is_decided() => {}
                // Not decided, or still being verified when the run was ended.
                _ => counts.unresolved += 1,
            }
            counts.comparable += 1;
        }
        counts
    }
}

/// How many picks are to be judged, so that enough arrivals are in files that can be compared.
#[derive(Debug)]
pub struct ArrivalLimit<'a> {
    arrivals: &'a Arrivals,
    numbers: HashMap<[u64; 2], usize>,
    /// For each file, how many of its arrivals are needed so far, and whether it could not be
    /// compared.
    files: Vec<(u64, bool)>,
    /// How many arrivals are needed so far.
    needed: usize,
    /// How many of these are not known to be in files that cannot be compared.
    comparable: u64,
    picks: usize,
}

impl<'a> ArrivalLimit<'a> {
    /// The limit before anything was judged.
    pub fn new(arrivals: &'a Arrivals) -> Self {
        let numbers = arrivals.files.iter().enumerate().map(|(number, file)| (file.key, number)).collect();
        let files = vec![(0, false); arrivals.files.len()];
        let mut limit = Self { arrivals, numbers, files, needed: 0, comparable: 0, picks: 0 };
        limit.extend();
        limit
    }

    /// How many picks are to be judged.
    pub fn picks(&self) -> usize {
        self.picks
    }

    /// Learns that these picks could not be compared.
    pub fn replace(&mut self, outside: &[PathKey]) {
        for &key in outside {
            let Some(&number) = self.numbers.get(&key.halves()) else { continue };
            let (arrivals, is_outside) = &mut self.files[number];
            if !std::mem::replace(is_outside, true) {
                self.comparable -= *arrivals;
            }
        }
        self.extend();
    }

    fn extend(&mut self) {
        while self.comparable < self.arrivals.wanted
            && let Some(&number) = self.arrivals.sequence.get(self.needed)
        {
            self.needed += 1;
            let number = number as usize;
            self.picks = self.picks.max(number + 1);
            let (arrivals, is_outside) = &mut self.files[number];
            *arrivals += 1;
            self.comparable += u64::from(!*is_outside);
        }
    }
}

#[cfg(test)]
#[path = "arrivals_tests.rs"]
mod tests;
