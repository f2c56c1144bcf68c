//! The strategy `coverage`: half of the files of a run are drawn at random, and the other half are
//! those that were judged longest ago. So every file has its turn, and every run still says
//! something about the whole backup.
//!
//! Byte by byte, for a run that asks for n of N files (n is at most N):
//! 1. Each half has h = ⌈n / 2⌉ files. (For an odd n this is one file more than was asked for. With
//!    one file less, the promise below would not hold.) With `--tolerance`, h is as many files as
//!    the random half needs to rule it out.
//! 2. The random half is the sample that [`sample`](super::sample) draws for h, with its reserve
//!    and its replacements. Only this half enters the statement.
//! 3. Every file has an age: 0 if it was never judged, otherwise the place, from 1, of the run that
//!    judged it last, among all runs that judged some remembered file last, the oldest first
//!    (`ages`).
//! 4. The other half are the h files with the smallest ages, of those that were not judged in the
//!    random half. Equal ages are ordered by rank (the upper 112 bits of it, then by path). They
//!    are judged after the random half, and none is replaced. Whatever the verdict of such a file
//!    is, it was judged, and it has had its turn: a file that can never be compared must not block
//!    the others.
//!
//! # The promise
//! If the backup keeps its N files, each of them is judged within ⌈N / h⌉ runs, whatever was
//! judged before, and so within ⌈N / (n / 2)⌉. If files come and go, N is the number of different
//! files that the backup has held in these runs.
//!
//! Proof: Suppose that a file is in the backup during k runs, and none of them judges it. Whatever
//! these runs judged beside the sample was ahead of this file in the order. So it had never been
//! judged, or had been judged last by a run no newer than the one that judged this file last, which
//! was before all k runs. So no two of these runs judged the same file beside the sample, and each
//! judged h. Together with the file itself, the backup has held at least k · h + 1 different files.
//! So k < N / h.
//!
//! The promise is about runs that come to their end, and about a memory that forgets nothing. Two
//! details of `ages` limit it: one false match in about half a billion lookups, and
//! files that were last judged by more than 65,535 different runs.
//!
//! # Why only one half enters the statement
//! The bound holds for files that are drawn at random. The files that were judged longest ago are
//! not: if rot began at one night, they are those whose last verification says least. Counting them
//! would make the statement better or worse than it is, by an unknown amount. A bad file among
//! them fails the run all the same.

use std::ops::ControlFlow;

use rayon::ThreadPool;

use crate::backup::EntryBatch;
use crate::threads;

use super::ages::{Age, Ages};
use super::draw::{Added, Batch, Counter, Draw, Drawn, DrawnBeside, Request, SharedBottom};
use super::sample::{BottomK, Rank, SampleQuota};

const NOTHING_REMEMBERED: &str = "strategy coverage: nothing is remembered of earlier runs, so all files count as never judged, and the \
                                  next run may choose the same ones";

/// The draw of one run.
#[derive(Debug)]
pub struct CoverageDraw {
    random: SharedBottom,
    oldest: SharedBottom,
    ages: Ages,
    /// One thread that looks files up, if there is anything to look up.
    pool: Option<ThreadPool>,
}

impl CoverageDraw {
    /// A draw without files, and what the user should know about it. A memory that cannot be read
    /// is no memory: the run counts all the same.
    pub fn begin(request: &Request<'_>) -> (Self, Vec<String>) {
        let (ages, note) = match request.last_judged.map(|remembered| Ages::read(remembered, request.seed)) {
            Some(Ok(ages)) => (ages, None),
            Some(Err(problem)) => {
                (Ages::none(), Some(format!("{NOTHING_REMEMBERED}: the ledger cannot be read: {problem}")))
            }
            None => (Ages::none(), Some(NOTHING_REMEMBERED.to_owned())),
        };
        let half = SampleQuota::new(request.size, request.confidence).half();
        let shared = |quota| SharedBottom::new(BottomK::new(quota));
        let (random, oldest) = (shared(half), shared(half.beside()));
        let pool = if ages.is_empty() { None } else { threads::pool(1, "ages") };
        (Self { random, oldest, ages, pool }, note.into_iter().collect())
    }
}

/// The largest number of a file that was never judged.
const LAST_NEVER: u128 = u128::MAX >> 16;

/// The number by which files are ordered in the half that goes by age.
fn order(age: Age, rank: Rank) -> u128 {
    u128::from(age) << 112 | rank.order >> 16
}

impl CoverageDraw {
    /// Looks up only the files that would be drawn if they were never judged. Those are few as
    /// long as there are enough files that were never judged.
    fn take_few<'e>(
        &self,
        entries: &'e EntryBatch,
        population: &dyn Counter,
        (random, oldest): (&mut Batch<'e>, &mut Batch<'e>),
    ) -> ControlFlow<(), Added> {
        let mut sought = Vec::new();
        let added = population.count_batch(entries, &mut |entry, rank| {
            random.see(rank.order, entry);
            if oldest.may_take(order(0, rank)) {
                sought.push((rank, entry));
            } else {
                oldest.see(order(0, rank), entry);
            }
        })?;
        for (rank, entry) in sought {
            oldest.see(order(self.ages.of_path(entry.path), rank), entry);
        }
        ControlFlow::Continue(added)
    }

    /// Looks all files up on another thread, while this one counts and ranks them.
    fn take_all<'e>(
        &self,
        entries: &'e EntryBatch,
        population: &dyn Counter,
        (random, oldest): (&mut Batch<'e>, &mut Batch<'e>),
        pool: &ThreadPool,
    ) -> ControlFlow<(), Added> {
        let (mut ages, mut ranked) = (Vec::new(), Vec::new());
        let added = pool.in_place_scope(|scope| {
            scope.spawn(|_| ages = self.ages.of_all(entries.iter().map(|entry| entry.path)));
            population.count_batch(entries, &mut |entry, rank| {
                random.see(rank.order, entry);
                ranked.push((entry.path, rank));
            })
        })?;
        // The population holds a part of the entries, in the same order.
        let mut ranked = ranked.into_iter().peekable();
        for (entry, age) in entries.iter().zip(ages) {
            if let Some((_, rank)) = ranked.next_if(|&(path, _)| std::ptr::eq(path, entry.path)) {
                oldest.see(order(age, rank), entry);
            }
        }
        ControlFlow::Continue(added)
    }
}

impl Draw for CoverageDraw {
    fn take(&self, entries: &EntryBatch, population: &dyn Counter) -> ControlFlow<()> {
        let (mut random, mut oldest) = (self.random.batch(), self.oldest.batch());
        let batches = (&mut random, &mut oldest);
        // A listing by several threads keeps the processor busy as it is.
        let is_alone = rayon::current_thread_index().is_none();
        let added = match &self.pool {
            Some(pool) if is_alone && batches.1.may_take(LAST_NEVER) => {
                self.take_all(entries, population, batches, pool)?
            }
            _ => self.take_few(entries, population, batches)?,
        };
        self.random.add(added, &random);
        self.oldest.add(added, &oldest);
        ControlFlow::Continue(())
    }

    fn restart(&self) {
        self.random.clear();
        self.oldest.clear();
    }

    fn finish(self: Box<Self>) -> Option<Drawn> {
        let random = self.random.into_inner().finish()?;
        // Every file that may be judged in the random half may be among the oldest ones as well.
        let needed = random.wanted + random.picks.len() as u64;
        let picks = self.oldest.into_inner().finish_with(needed.min(random.files))?;
        let beside = Some(DrawnBeside { wanted: random.wanted, picks });
        Some(Drawn { wanted: random.wanted, picks: random.picks, beside, arrivals: None })
    }
}

/// Within how many runs every one of `files` files is judged, if each run judges `half` beside its
/// sample.
pub fn runs_for(files: u64, half: u64) -> u64 {
    files.div_ceil(half.max(1))
}

#[cfg(test)]
#[path = "coverage_tests.rs"]
mod tests;
