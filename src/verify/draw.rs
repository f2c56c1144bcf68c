//! One draw: a value that a strategy makes for a run. It sees every file of the population once,
//! while the backup is listed, and keeps those that are drawn.
//!
//! In: batches of entries, from several threads at once. Out: [`Drawn`]. A draw never depends on
//! the order of the listing or on the threads.

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::backup::{Entry, EntryBatch};
use crate::lock::{into_inner, lock};
use crate::plan::SampleSize;

use super::arrivals::Arrivals;
use super::memory::LastJudged;
use super::sample::{BottomK, Rank, Ranker, SampleQuota};

/// What a strategy is told when a draw begins.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// How many files are asked for.
    pub size: SampleSize,
    /// The confidence of the statement.
    pub confidence: f64,
    /// The seed of the draw.
    pub seed: &'a str,
    /// When files were last judged, if anything is remembered.
    pub last_judged: Option<&'a dyn LastJudged>,
}

/// A draw that has begun.
pub struct Begun {
    /// The draw.
    pub draw: Box<dyn Draw>,
    /// What the user should know about it.
    pub notes: Vec<String>,
}

/// Counts the files of a listing, and knows which of them are in the population.
pub trait Counter: Sync {
    /// Counts a batch, and calls `each` with every entry of the population and its rank.
    fn count_batch<'e>(
        &self,
        entries: &'e EntryBatch,
        each: &mut dyn FnMut(Entry<'e>, Rank),
    ) -> ControlFlow<(), Added>;
}

/// What one batch adds to the population.
#[derive(Debug, Default, Clone, Copy)]
pub struct Added {
    /// How many files.
    pub files: u64,
    /// The sum of their digests, modulo 2^128.
    pub digest: u128,
}

/// A population of all entries, which nobody counts.
#[derive(Debug, Clone)]
pub struct Everything(pub Ranker);

impl Counter for Everything {
    fn count_batch<'e>(
        &self,
        entries: &'e EntryBatch,
        each: &mut dyn FnMut(Entry<'e>, Rank),
    ) -> ControlFlow<(), Added> {
        let mut added = Added::default();
        for entry in entries.iter() {
            let rank = self.0.rank(entry.path);
            added.files += 1;
            added.digest = added.digest.wrapping_add(rank.digest);
            each(entry, rank);
        }
        ControlFlow::Continue(added)
    }
}

/// Sees every file of the population, and keeps those that are drawn.
pub trait Draw: Sync {
    /// Counts a batch of the listing in `population`, and looks at those of its entries that are in
    /// it. Called by several threads at once.
    fn take(&self, entries: &EntryBatch, population: &dyn Counter) -> ControlFlow<()>;

    /// Forgets everything, because the listing begins again.
    fn restart(&self);

    /// Ends the draw. `None` if the population grew so unevenly that a wanted file was dropped.
    /// Then draw again, with [`SampleSize::Count`] of the number that is now known.
    fn finish(self: Box<Self>) -> Option<Drawn>;
}

/// What was drawn.
#[derive(Debug, Default)]
pub struct Drawn {
    /// How many comparable picks are wanted; for `size`, how many comparable arrivals.
    pub wanted: u64,
    /// The sample, and the reserve that replaces picks that cannot be compared, in the order in
    /// which they are judged.
    pub picks: EntryBatch,
    /// What is judged beside the sample.
    pub beside: Option<DrawnBeside>,
    /// The arrivals behind the picks of `size`.
    pub arrivals: Option<Arrivals>,
}

/// What is judged beside the sample.
#[derive(Debug)]
pub struct DrawnBeside {
    /// How many files.
    pub wanted: u64,
    /// Files in the order in which they are judged. Those that are judged in the sample are to be
    /// left out, so there are more than are wanted.
    pub picks: EntryBatch,
}

/// Which of the two groups of picks a pick is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// The sample, which the statement rests on.
    Sample,
    /// The files that are judged beside it.
    Beside,
}

/// The files with the smallest numbers, taken from several threads at once.
#[derive(Debug)]
pub struct SharedBottom {
    bottom: Mutex<BottomK>,
    /// The upper half of the draw's threshold. It turns most files away without taking the lock.
    threshold: AtomicU64,
}

impl SharedBottom {
    /// A draw without files.
    pub fn new(bottom: BottomK) -> Self {
        Self { bottom: Mutex::new(bottom), threshold: AtomicU64::new(u64::MAX) }
    }

    /// Begins a batch.
    pub fn batch<'e>(&self) -> Batch<'e> {
        let threshold = self.threshold.load(Ordering::Relaxed);
        Batch { threshold, lowest_dropped: u128::MAX, candidates: Vec::new() }
    }

    /// Ends a batch, of which so many files are in the population.
    pub fn add(&self, added: Added, batch: &Batch<'_>) {
        let mut bottom = lock(&self.bottom);
        bottom.count(added.files, added.digest, batch.lowest_dropped);
        for (order, entry) in &batch.candidates {
            bottom.offer(*order, entry);
        }
        self.threshold.store(upper_half(bottom.threshold()), Ordering::Relaxed);
    }

    /// Forgets all files.
    pub fn clear(&self) {
        lock(&self.bottom).clear();
        self.threshold.store(u64::MAX, Ordering::Relaxed);
    }

    /// The files.
    pub fn into_inner(self) -> BottomK {
        into_inner(self.bottom)
    }
}

/// One batch of the listing on its way into a [`SharedBottom`].
#[derive(Debug)]
pub struct Batch<'e> {
    threshold: u64,
    lowest_dropped: u128,
    candidates: Vec<(u128, Entry<'e>)>,
}

impl<'e> Batch<'e> {
    /// Whether a file with this number may still be drawn.
    pub fn may_take(&self, order: u128) -> bool {
        upper_half(order) <= self.threshold
    }

    /// Looks at one file, which has this number.
    pub fn see(&mut self, order: u128, entry: Entry<'e>) {
        if self.may_take(order) {
            self.candidates.push((order, entry));
        } else {
            self.lowest_dropped = self.lowest_dropped.min(order);
        }
    }
}

fn upper_half(order: u128) -> u64 {
    (order >> 64) as u64
}

/// The simple random sample of [`sample`](super::sample).
#[derive(Debug)]
pub struct RandomDraw {
    bottom: SharedBottom,
}

impl RandomDraw {
    /// A draw of as many files as `quota` says.
    pub fn new(quota: SampleQuota) -> Self {
        Self { bottom: SharedBottom::new(BottomK::new(quota)) }
    }
}

impl Draw for RandomDraw {
    fn take(&self, entries: &EntryBatch, population: &dyn Counter) -> ControlFlow<()> {
        let mut batch = self.bottom.batch();
        let added = population.count_batch(entries, &mut |entry, rank| batch.see(rank.order, entry))?;
        self.bottom.add(added, &batch);
        ControlFlow::Continue(())
    }

    fn restart(&self) {
        self.bottom.clear();
    }

    fn finish(self: Box<Self>) -> Option<Drawn> {
        let drawn = self.bottom.into_inner().finish()?;
        Some(Drawn { wanted: drawn.wanted, picks: drawn.picks, ..Drawn::default() })
    }
}
