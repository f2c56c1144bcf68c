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
//! 4. The sample is the n files with the smallest ranks. The files after them are the reserve, in
//!    the same order.
//! 5. The population's digest is the sum, modulo 2^128, of the last 16 bytes of every file's `hash`
//!    as a big-endian number, written as 32 hexadecimal digits.
//!
//! So a draw depends only on the set of paths and the seed. It does not depend on the order of
//! listing, the threads or the machine. It needs one streaming pass and memory for the sample.
//! Draws can be merged: the bottom-k of a union is the bottom-k of the bottom-ks (Cohen and Kaplan,
//! "Summarizing data using bottom-k sketches", PODC 2007).

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

/// What the keyed hash of a path gives: its position in the draw, and what it adds to the
/// population's digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rank {
    /// The files with the smallest numbers are drawn.
    pub order: u128,
    /// These numbers are summed over the population, modulo 2^128.
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

/// How many files are wanted, and how many must be kept while the population is not yet known.
#[derive(Debug, Clone, Copy)]
pub struct SampleQuota {
    size: SampleSize,
    confidence: f64,
    /// Whether only half of the files are wanted.
    is_half: bool,
    /// Whether the files are judged beside those of another draw of the same quota.
    is_beside: bool,
}

impl SampleQuota {
    /// The quota for a plan's sample size and confidence.
    pub fn new(size: SampleSize, confidence: f64) -> Self {
        Self { size, confidence, is_half: false, is_beside: false }
    }

    /// Half of this quota, rounded up. A tolerance asks for as many files as rule it out, and half
    /// of them would not, so it stays as it is.
    #[must_use]
    pub fn half(self) -> Self {
        Self { is_half: !matches!(self.size, SampleSize::Tolerance(_)), ..self }
    }

    /// A quota of as many files beside a draw of this one, which may hold the same files.
    #[must_use]
    pub fn beside(self) -> Self {
        Self { is_beside: true, ..self }
    }

    /// How many comparable picks are wanted from a population of `files`.
    pub fn wanted(self, files: u64) -> u64 {
        let wanted = match self.size {
            SampleSize::Count(count) => count,
            SampleSize::Share(share) => assurance::share_of(files, share),
            SampleSize::All => files,
            SampleSize::Tolerance(tolerance) => {
                assurance::sample_size_up_to(files, tolerance, self.confidence)
            }
        };
        let wanted = wanted.min(files);
        if self.is_half { wanted.div_ceil(2) } else { wanted }
    }

    /// How many files to keep after `files` were seen: the sample, and a reserve to replace picks
    /// that cannot be compared. A share grows with the population, so a file that was dropped
    /// earlier may be wanted later. Then a second pass is needed. The slack makes this so unlikely
    /// that it never happens in practice.
    fn capacity(self, files: u64) -> usize {
        let wanted = match self.size {
            SampleSize::Tolerance(tolerance) => assurance::sample_size_limit(tolerance, self.confidence),
            SampleSize::Count(count) if self.is_half => count.div_ceil(2),
            SampleSize::Count(count) => count,
            SampleSize::Share(_) | SampleSize::All => self.wanted(files),
        };
        let slack = if matches!(self.size, SampleSize::Share(_)) { 8 * wanted.isqrt() } else { 0 };
        let capacity = wanted.saturating_add(wanted / 4).saturating_add(1000 + slack);
        let beside = if self.is_beside { wanted.saturating_add(slack) } else { 0 };
        let capacity = capacity.saturating_add(beside);
        usize::try_from(capacity).unwrap_or(usize::MAX)
    }
}

/// A file that is kept, with its rank.
#[derive(Debug, Clone)]
struct RankedEntry {
    order: u128,
    /// The path and the handle, in one allocation.
    bytes: Box<[u8]>,
    path_len: usize,
    rest: Entry<'static>,
}

impl RankedEntry {
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

impl PartialEq for RankedEntry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for RankedEntry {}
impl PartialOrd for RankedEntry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for RankedEntry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// The files with the smallest ranks seen so far.
#[derive(Debug)]
pub struct BottomK {
    quota: SampleQuota,
    heap: BinaryHeap<RankedEntry>,
    files: u64,
    digest: u128,
    /// The smallest rank that was dropped. All files seen with a smaller rank are still in the
    /// heap.
    lowest_dropped: u128,
}

/// A finished draw.
#[derive(Debug)]
pub struct DrawnSample {
    /// Files in the population.
    pub files: u64,
    /// The population's digest, as in step 5.
    pub digest: u128,
    /// How many of `picks` are the sample. The others are the reserve.
    pub wanted: u64,
    /// The sample and the reserve, in order of rank.
    pub picks: EntryBatch,
}

impl BottomK {
    /// A draw without files.
    pub fn new(quota: SampleQuota) -> Self {
        Self { quota, heap: BinaryHeap::new(), files: 0, digest: 0, lowest_dropped: u128::MAX }
    }

    /// Forgets all files that were offered.
    pub fn clear(&mut self) {
        *self = Self::new(self.quota);
    }

    /// Files with a rank above this threshold are no longer needed.
    pub fn threshold(&self) -> u128 {
        let full = self.heap.len() >= self.quota.capacity(self.files);
        self.heap.peek().filter(|_| full).map_or(u128::MAX, |largest| largest.order)
    }

    /// Counts files of the population: how many, the sum of their digests, and the smallest rank
    /// among those that are not offered because they are above the [`threshold`](Self::threshold).
    pub fn count(&mut self, files: u64, digest: u128, lowest_dropped: u128) {
        self.files += files;
        self.digest = self.digest.wrapping_add(digest);
        self.lowest_dropped = self.lowest_dropped.min(lowest_dropped);
    }

    /// Offers a file that was counted.
    pub fn offer(&mut self, order: u128, entry: &Entry<'_>) {
        let capacity = self.quota.capacity(self.files);
        if self.heap.len() < capacity {
            self.heap.push(RankedEntry::new(order, entry));
        } else if let Some(mut largest) = self.heap.peek_mut() {
            if (order, entry.path) < largest.key() {
                self.lowest_dropped = self.lowest_dropped.min(largest.order);
                *largest = RankedEntry::new(order, entry);
            } else {
                self.lowest_dropped = self.lowest_dropped.min(order);
            }
        }
    }

    /// Ends the draw. Returns `None` if the population grew so unevenly that a wanted file was
    /// dropped. Then draw again, with [`SampleSize::Count`] of the number that is now known.
    pub fn finish(self) -> Option<DrawnSample> {
        let (files, digest, wanted) = (self.files, self.digest, self.quota.wanted(self.files));
        self.finish_with(wanted).map(|picks| DrawnSample { files, digest, wanted, picks })
    }

    /// Ends the draw, of which so many files are needed. Returns all that are surely those with the
    /// smallest numbers, or `None` if they are fewer.
    pub fn finish_with(self, needed: u64) -> Option<EntryBatch> {
        let Self { heap, lowest_dropped, .. } = self;
        let sorted = heap.into_sorted_vec();
        let sure = sorted.iter().take_while(|ranked| ranked.order < lowest_dropped);
        let picks: EntryBatch = sure.map(RankedEntry::entry).collect();
        (picks.len() as u64 >= needed).then_some(picks)
    }

    /// Ends the draw, and calls `each` with everything that was kept, in order.
    pub fn into_sorted(self, mut each: impl FnMut(&Entry<'_>)) {
        for kept in self.heap.into_sorted_vec() {
            each(&kept.entry());
        }
    }
}

#[cfg(test)]
mod tests;
