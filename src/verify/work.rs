//! Restoring and judging, spread over threads.
//!
//! Three ways, by what was asked for and how the format can be reached ([`Schedule`]):
//! - picks of a format that is read at any place: workers take a batch of picks at a time, restore
//!   and judge them;
//! - everything in such a format: the listing feeds the workers, so that memory does not grow with
//!   the backup;
//! - a format that is read front to back: one thread makes a pass over the backup, the others judge
//!   what it delivers.
//!
//! Which picks are looked at does not depend on the threads: as many as it takes, by rank, until
//! the wanted number could be compared. Nor does it depend on how a copy turns out: whether a pick
//! can be compared is decided by times alone.

use std::ops::ControlFlow;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use crossbeam_channel::{Sender, bounded};

use crate::backup::{
    self, Backup, Context, Entry, EntryBatch, Listing, Needs, RestoreError, RestoreSink, Restored, Scratch,
    Wanted,
};

use crate::threads;

use super::catalog::{Feed, PopulationFilter};
use super::judge::Judge;
use super::judge_context::JudgeContext;
use super::schedule::Schedule;

/// The parts of a run that restore and judge.
pub struct Work<'a> {
    /// Restored from.
    pub backup: &'a dyn Backup,
    /// Restored to.
    pub scratch: &'a Scratch,
    /// Judged with.
    pub context: &'a JudgeContext<'a>,
    /// The run that is listed and restored for.
    pub run: &'a Context,
    /// How the work is spread.
    pub schedule: Schedule,
    /// Whether the wanted picks are taken in the order of the disk, not by rank.
    pub in_disk_order: bool,
}

impl Work<'_> {
    /// Restores and judges the first `wanted` picks and, for each that cannot be compared, one
    /// more. Returns how many were drawn.
    pub fn picks(&self, picks: &EntryBatch, wanted: usize) -> Result<usize, backup::Error> {
        let done = if self.schedule.ordered {
            self.picks_in_passes(picks, wanted)
        } else {
            self.picks_at_random(picks, wanted)
        };
        self.spare_findings(done, wanted)
    }

    /// That the restore folder failed is known to the judges, and ends the run; what they found
    /// until then still counts.
    fn spare_findings<T>(&self, done: Result<T, backup::Error>, instead: T) -> Result<T, backup::Error> {
        match done {
            Err(backup::Error::Scratch { .. }) if self.context.broken.get().is_some() => Ok(instead),
            done => done,
        }
    }

    fn picks_at_random(&self, picks: &EntryBatch, wanted: usize) -> Result<usize, backup::Error> {
        let ordered = self.in_disk_order.then(|| in_disk_order(picks, wanted));
        let queue = Queue::new(ordered.as_ref().unwrap_or(picks), wanted);
        thread::scope(|scope| {
            let worker = || {
                let mut judge = Judge::new(self.context);
                let mut batch = EntryBatch::new();
                while !self.context.is_over()
                    && let Some(turn) = queue.take(&mut batch, &self.schedule)
                {
                    let before = judge.outside();
                    self.restore(Wanted::These(&batch), &mut judge)?;
                    turn.finish(judge.outside() - before);
                }
                if self.context.is_over() {
                    queue.close();
                }
                Ok(())
            };
            let workers = threads::start(scope, self.schedule.workers, worker);
            if workers.is_empty() { worker() } else { workers.into_iter().try_for_each(join) }
        })?;
        Ok(queue.drawn())
    }

    fn picks_in_passes(&self, picks: &EntryBatch, wanted: usize) -> Result<usize, backup::Error> {
        let (mut begin, mut end) = (0, wanted.min(picks.len()));
        while begin < end && !self.context.is_over() {
            let pass: EntryBatch = (begin..end).map(|index| picks.get(index)).collect();
            self.one_pass(Wanted::These(&pass))?;
            let comparable = self.context.comparable();
            let missing = wanted.saturating_sub(usize::try_from(comparable).unwrap_or(usize::MAX));
            begin = end;
            // A pass may be long: what replaces the others is drawn with a little to spare.
            if missing > 0 {
                end = picks.len().min(end + missing + missing / 2 + 8);
            }
        }
        Ok(begin)
    }

    /// Restores and judges every file that belongs to the population.
    pub fn everything(
        &self,
        population_filter: &PopulationFilter<'_>,
        needs: Needs,
    ) -> Result<Listing, backup::Error> {
        self.spare_findings(self.stream(population_filter, needs), Listing::Stopped)
    }

    fn stream(
        &self,
        population_filter: &PopulationFilter<'_>,
        needs: Needs,
    ) -> Result<Listing, backup::Error> {
        if self.schedule.ordered {
            self.one_pass(Wanted::Every(&|entry| population_filter.admits(entry)))?;
            return Ok(Listing::Whole);
        }
        let (feed, batches) = bounded::<EntryBatch>(self.schedule.workers * 4);
        thread::scope(|scope| {
            let receive = batches.clone();
            let workers = threads::start(scope, self.schedule.workers, move || {
                let mut judge = Judge::new(self.context);
                for batch in &receive {
                    if self.context.is_over() {
                        break;
                    }
                    self.restore(Wanted::These(&batch), &mut judge)?;
                }
                Ok(())
            });
            drop(batches);
            if workers.is_empty() {
                return self.alone(population_filter, needs);
            }
            let run = self.run.with_threads(LISTING_BESIDE.min(self.schedule.threads));
            let feed = Feed::new(population_filter, move |batch| feed.send(batch).is_ok(), self.schedule);
            let listing = self.backup.catalog(needs, &run, &feed);
            feed.finish();
            workers.into_iter().try_for_each(join)?;
            listing
        })
    }

    /// Lists and judges by turns, where no thread can be had to judge meanwhile.
    fn alone(
        &self,
        population_filter: &PopulationFilter<'_>,
        needs: Needs,
    ) -> Result<Listing, backup::Error> {
        let done = Mutex::new(Ok(()));
        let take = |batch: EntryBatch| {
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            if done.is_ok() && !self.context.is_over() {
                let mut judge = Judge::new(self.context);
                *done = self.restore(Wanted::These(&batch), &mut judge);
            }
            done.is_ok() && !self.context.is_over()
        };
        let feed = Feed::new(population_filter, take, Schedule::of(self.backup.reach(), 1));
        let listing = self.backup.catalog(needs, &self.run.with_threads(1), &feed);
        feed.finish();
        done.into_inner().unwrap_or_else(PoisonError::into_inner)?;
        listing
    }

    fn restore(&self, wanted: Wanted<'_>, sink: &mut dyn RestoreSink) -> Result<(), backup::Error> {
        self.backup.restore(wanted, self.scratch, self.run, sink)
    }

    /// One pass over a backup that is read front to back; the other threads judge.
    fn one_pass(&self, wanted: Wanted<'_>) -> Result<(), backup::Error> {
        let (send, delivered) = bounded::<Delivered>(self.schedule.threads * 2);
        thread::scope(|scope| {
            let receive = delivered.clone();
            let judges = threads::start(scope, self.schedule.threads, move || {
                let mut judge = Judge::new(self.context);
                for Delivered { entry, outcome } in &receive {
                    // A judge that has ended takes what is still under way and drops it.
                    if !self.context.is_over() {
                        let _ = judge.deliver(entry.get(0), outcome);
                    }
                }
            });
            drop(delivered);
            if judges.is_empty() {
                return self.restore(wanted, &mut Judge::new(self.context));
            }
            self.restore(wanted, &mut Forward { to: send, context: self.context })
        })
    }
}

/// While files are verified, listing needs few threads.
const LISTING_BESIDE: usize = 2;

/// The first `wanted` picks as they lie on the disk; their replacements stay in order of rank.
fn in_disk_order(picks: &EntryBatch, wanted: usize) -> EntryBatch {
    let mut ordered: EntryBatch = picks.iter().take(wanted).collect();
    ordered.sort_by_position();
    ordered.extend(picks.iter().skip(wanted));
    ordered
}

fn join(worker: thread::ScopedJoinHandle<'_, Result<(), backup::Error>>) -> Result<(), backup::Error> {
    worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// A restored file on its way to a judge.
struct Delivered {
    /// One entry.
    entry: EntryBatch,
    outcome: Result<Restored, RestoreError>,
}

struct Forward<'a> {
    to: Sender<Delivered>,
    context: &'a JudgeContext<'a>,
}

impl RestoreSink for Forward<'_> {
    fn deliver(&mut self, entry: Entry<'_>, outcome: Result<Restored, RestoreError>) -> ControlFlow<()> {
        let entry = EntryBatch::from_iter([entry]);
        let sent = self.to.send(Delivered { entry, outcome });
        if sent.is_err() || self.context.is_over() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn lost(&mut self, damage: backup::Damage) {
        self.context.lose(damage);
    }
}

/// Picks by rank, handed out until enough could be compared.
struct Queue<'a> {
    picks: &'a EntryBatch,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    next: usize,
    limit: usize,
    in_flight: usize,
    closed: bool,
}

impl<'a> Queue<'a> {
    fn new(picks: &'a EntryBatch, wanted: usize) -> Self {
        let state = State { next: 0, limit: wanted.min(picks.len()), in_flight: 0, closed: false };
        Self { picks, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Fills `batch` with the next picks. Waits while those under way may still need
    /// replacements; nothing when all is done.
    fn take(&self, batch: &mut EntryBatch, schedule: &Schedule) -> Option<Turn<'_>> {
        batch.clear();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.next >= state.limit && state.in_flight > 0 {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let left = state.limit.saturating_sub(state.next);
        let count = schedule.batch_of(left);
        batch.extend((state.next..state.next + count).map(|index| self.picks.get(index)));
        state.next += count;
        state.in_flight += usize::from(count > 0);
        (count > 0).then(|| Turn { queue: self, outside: None })
    }

    /// Hands nothing out any more.
    fn close(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.limit = state.next;
        state.closed = true;
        self.changed.notify_all();
    }

    fn drawn(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).next
    }
}

/// Picks under way. Dropped unfinished (an error, a panic), it closes the queue, so that nobody
/// waits for it.
struct Turn<'a> {
    queue: &'a Queue<'a>,
    outside: Option<u64>,
}

impl Turn<'_> {
    /// Draws a replacement for each pick that could not be compared.
    fn finish(mut self, outside: u64) {
        self.outside = Some(outside);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.limit = match self.outside {
            Some(more) if !state.closed => {
                let more = usize::try_from(more).unwrap_or(usize::MAX);
                state.limit.saturating_add(more).min(self.queue.picks.len())
            }
            _ => {
                state.closed = true;
                state.next
            }
        };
        state.in_flight -= 1;
        self.queue.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wanted_picks_go_by_place_and_their_replacements_by_rank() {
        let by_rank = [30, 10, 20, 9, 1];
        let picks: EntryBatch =
            by_rank.iter().map(|&place| Entry { position: place, ..Entry::named(b"x") }).collect();
        let places = |picks: &EntryBatch| picks.iter().map(|entry| entry.position).collect::<Vec<_>>();
        assert_eq!(places(&in_disk_order(&picks, 3)), [10, 20, 30, 9, 1]);
        assert_eq!(places(&in_disk_order(&picks, 9)), [1, 9, 10, 20, 30]);
    }
}
