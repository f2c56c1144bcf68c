//! Which files are drawn: bottom-k sampling by a keyed hash, so that anybody can draw the same
//! files again.
//!
//! Byte by byte:
//! 1. `key` = BLAKE3 in its key derivation mode, with the context string `bkverify 2026 sample v1`
//!    and, as key material, the seed's UTF-8 bytes: 32 bytes.
//! 2. For each file of the population, `hash` = BLAKE3 in its keyed mode with `key`, over the bytes
//!    of its path (relative, components joined by one `/`, no leading `./`): 32 bytes.
//! 3. The file's rank is the first 16 bytes of `hash` as a big-endian number. Equal ranks are
//!    ordered by path.
//! 4. The sample is the n files of the smallest ranks; those after them are the reserve, in the
//!    same order.
//! 5. The population's digest is the sum, modulo 2^128, of the last 16 bytes of every file's `hash`
//!    as a big-endian number, written as 32 hexadecimal digits.
//!
//! So a draw depends on the set of paths and the seed alone: not on the order of listing, the
//! threads, or the machine. It needs one streaming pass and memory for the sample, and merges: the
//! bottom-k of a union is the bottom-k of the bottom-ks (Cohen and Kaplan, "Summarizing data using
//! bottom-k sketches", PODC 2007).

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::backup::{Entry, EntryBatch};
use crate::plan::SampleSize;

use super::assurance;

const CONTEXT: &str = "bkverify 2026 sample v1";

/// Turns paths into ranks under one seed.
#[derive(Debug, Clone)]
pub struct Ranker {
    key: [u8; blake3::KEY_LEN],
}

/// A path's place in the draw, and its share of the population's digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rank {
    /// The smallest are drawn.
    pub order: u128,
    /// Summed over the population.
    pub digest: u128,
}

impl Ranker {
    /// The ranker of a seed.
    pub fn new(seed: &str) -> Self {
        Self { key: blake3::derive_key(CONTEXT, seed.as_bytes()) }
    }

    /// The rank of a path.
    pub fn rank(&self, path: &[u8]) -> Rank {
        let hash = blake3::keyed_hash(&self.key, path);
        let bytes = hash.as_bytes();
        let number = |from: usize| u128::from_be_bytes(std::array::from_fn(|at| bytes[from + at]));
        Rank { order: number(0), digest: number(16) }
    }
}

/// How many files must be kept while the population is not yet known.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    size: SampleSize,
    confidence: f64,
}

impl Target {
    /// For a plan's sample size at its confidence.
    pub fn new(size: SampleSize, confidence: f64) -> Self {
        Self { size, confidence }
    }

    /// How many comparable picks are wanted of a population of `files`.
    pub fn wanted(self, files: u64) -> u64 {
        let wanted = match self.size {
            SampleSize::Count(count) => count,
            SampleSize::Share(share) => assurance::share_of(files, share),
            SampleSize::All => files,
            SampleSize::Tolerance(tolerance) => {
                assurance::sample_size_up_to(files, tolerance, self.confidence)
            }
        };
        wanted.min(files)
    }

    /// How many to keep after `files` were seen: the sample and a reserve that replaces picks that
    /// cannot be compared. A share grows with the population, and what was thrown away earlier may
    /// be wanted later; the slack makes that so unlikely that the second pass which then becomes
    /// necessary is never seen.
    fn capacity(self, files: u64) -> usize {
        let wanted = match self.size {
            SampleSize::Tolerance(tolerance) => assurance::sample_size_limit(tolerance, self.confidence),
            SampleSize::Count(count) => count,
            SampleSize::Share(_) | SampleSize::All => self.wanted(files),
        };
        let slack = if matches!(self.size, SampleSize::Share(_)) { 8 * wanted.isqrt() } else { 0 };
        let capacity = wanted.saturating_add(wanted / 4).saturating_add(1000 + slack);
        usize::try_from(capacity).unwrap_or(usize::MAX)
    }
}

/// One kept file.
#[derive(Debug, Clone)]
struct Candidate {
    order: u128,
    /// Path and handle in one allocation.
    bytes: Box<[u8]>,
    path_len: usize,
    rest: Entry<'static>,
}

impl Candidate {
    fn new(order: u128, entry: &Entry<'_>) -> Self {
        let Entry { problem, size, mtime, zone_unknown, position, .. } = *entry;
        Self {
            order,
            bytes: [entry.path, entry.handle].concat().into(),
            path_len: entry.path.len(),
            rest: Entry { problem, size, mtime, zone_unknown, position, ..Entry::named(b"") },
        }
    }

    fn entry(&self) -> Entry<'_> {
        let (path, handle) = self.bytes.split_at(self.path_len);
        Entry { path, handle, ..self.rest }
    }

    fn key(&self) -> (u128, &[u8]) {
        (self.order, &self.bytes[..self.path_len])
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Candidate {}
impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// The smallest ranks seen so far.
#[derive(Debug)]
pub struct BottomK {
    target: Target,
    heap: BinaryHeap<Candidate>,
    files: u64,
    digest: u128,
    /// Smallest rank that was thrown away: below it, everything seen is still here.
    lowest_dropped: u128,
}

/// A finished draw.
#[derive(Debug)]
pub struct Draw {
    /// Files in the population.
    pub files: u64,
    /// The population's digest, as in step 5.
    pub digest: u128,
    /// How many of `picks` are the sample; the others are the reserve.
    pub wanted: u64,
    /// By rank.
    pub picks: EntryBatch,
}

impl BottomK {
    /// An empty draw.
    pub fn new(target: Target) -> Self {
        Self { target, heap: BinaryHeap::new(), files: 0, digest: 0, lowest_dropped: u128::MAX }
    }

    /// Forgets everything it was offered.
    pub fn clear(&mut self) {
        *self = Self::new(self.target);
    }

    /// Files with a rank above this are not needed (any more).
    pub fn threshold(&self) -> u128 {
        let full = self.heap.len() >= self.target.capacity(self.files);
        self.heap.peek().filter(|_| full).map_or(u128::MAX, |largest| largest.order)
    }

    /// Notes files that are in the population: their number, the sum of their digests, and the
    /// smallest rank among those that are not offered because they are above the
    /// [`threshold`](Self::threshold).
    pub fn count(&mut self, files: u64, digest: u128, lowest_dropped: u128) {
        self.files += files;
        self.digest = self.digest.wrapping_add(digest);
        self.lowest_dropped = self.lowest_dropped.min(lowest_dropped);
    }

    /// Offers a counted file.
    pub fn offer(&mut self, order: u128, entry: &Entry<'_>) {
        let capacity = self.target.capacity(self.files);
        if self.heap.len() < capacity {
            self.heap.push(Candidate::new(order, entry));
        } else if let Some(mut largest) = self.heap.peek_mut() {
            if (order, entry.path) < largest.key() {
                self.lowest_dropped = self.lowest_dropped.min(largest.order);
                *largest = Candidate::new(order, entry);
            } else {
                self.lowest_dropped = self.lowest_dropped.min(order);
            }
        }
    }

    /// Ends the draw. `None` if the population grew so oddly that a wanted file was thrown away:
    /// then draw again with [`SampleSize::Count`] of the number that is now known.
    pub fn finish(self) -> Option<Draw> {
        let Self { target, heap, files, digest, lowest_dropped } = self;
        let wanted = target.wanted(files);
        let sorted = heap.into_sorted_vec();
        let sure = sorted.iter().take_while(|candidate| candidate.order < lowest_dropped);
        let picks: EntryBatch = sure.map(Candidate::entry).collect();
        (picks.len() as u64 >= wanted).then_some(Draw { files, digest, wanted, picks })
    }
}

#[cfg(test)]
mod tests;
