//! Restoring and judging, spread over threads.
//!
//! There are three ways. What was asked for, and how the format can be read ([`Schedule`]), decide
//! between them:
//! - Picks from a format that can be read at any position: workers take a batch of picks at a time,
//!   restore it and judge it.
//! - All files of such a format: the listing feeds the workers, so that memory does not grow with
//!   the backup.
//! - A format that is read front to back: one thread makes a pass over the backup, and the others
//!   judge what it delivers.
//!
//! The number of threads does not decide which picks are verified. They are taken by rank until the
//! wanted number could be compared. Nor does the content of a copy decide it: times alone decide
//! whether a pick can be compared.

use std::ops::ControlFlow;
use std::sync::{Condvar, Mutex};
use std::thread;

use crossbeam_channel::{Sender, bounded};

use crate::backup::{
    self, Backup, Context, Entry, EntryBatch, Listing, Needs, RestoreError, RestoreSink, Restored, Scratch,
    Wanted,
};
use crate::lock::{into_inner, lock, wait};

use crate::threads;

use super::catalog::{FeedSink, PopulationFilter};
use super::draw::Group;
use super::judge::Judge;
use super::judge_context::JudgeContext;
use super::limit::Limit;
use super::memory::PathKey;
use super::schedule::Schedule;

/// What restoring and judging needs.
pub struct Work<'a> {
    /// The backup to restore from.
    pub backup: &'a dyn Backup,
    /// The folder to restore to.
    pub scratch: &'a Scratch,
    /// What the judges share.
    pub context: &'a JudgeContext<'a>,
    /// The cancellation, cache policy and threads with which the backup is listed and restored.
    pub run: &'a Context,
    /// How the work is spread over threads.
    pub schedule: Schedule,
    /// Whether the wanted picks are taken in the order of their positions on the disk, instead of
    /// by rank.
    pub in_disk_order: bool,
}

impl Work<'_> {
    /// Restores and judges picks of this group, as many as `limit` says. Returns how many were
    /// handed out.
    pub fn picks(&self, picks: &EntryBatch, limit: Limit<'_>, group: Group) -> Result<usize, backup::Error> {
        let first = limit.first();
        let done = if self.schedule.ordered {
            self.picks_in_passes(picks, limit, group)
        } else {
            self.picks_in_batches(picks, limit, group)
        };
        self.tolerate_broken_scratch(done, first.min(picks.len()))
    }

    /// Replaces the error by `instead` if the restore folder failed and the judges already know it.
    /// The run ends then, but what the judges found until then still counts.
    fn tolerate_broken_scratch<T>(
        &self,
        done: Result<T, backup::Error>,
        instead: T,
    ) -> Result<T, backup::Error> {
        match done {
            Err(backup::Error::Scratch { .. }) if self.context.broken.get().is_some() => Ok(instead),
            done => done,
        }
    }

    fn picks_in_batches(
        &self,
        picks: &EntryBatch,
        limit: Limit<'_>,
        group: Group,
    ) -> Result<usize, backup::Error> {
        let schedule = limit.schedule(self.schedule);
        let ordered = self.in_disk_order.then(|| in_disk_order(picks, limit.first()));
        let queue = Queue::new(ordered.as_ref().unwrap_or(picks), limit);
        thread::scope(|scope| {
            let worker = || {
                let mut judge = Judge::new(self.context, group);
                let mut batch = EntryBatch::new();
                while !self.context.is_over()
                    && let Some(lease) = queue.take(&mut batch, &schedule)
                {
                    self.restore(Wanted::These(&batch), &mut judge)?;
                    lease.finish(self.context.take_outside());
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

    fn picks_in_passes(
        &self,
        picks: &EntryBatch,
        mut limit: Limit<'_>,
        group: Group,
    ) -> Result<usize, backup::Error> {
        let (mut begin, mut end) = (0, limit.first().min(picks.len()));
        while begin < end && !self.context.is_over() {
            let pass: EntryBatch = (begin..end).map(|index| picks.get(index)).collect();
            self.one_pass(Wanted::These(&pass), group)?;
            // Only what could not be compared is replaced. A pick that never came is no reason to
            // draw another: it is missing from the result.
            let missing = limit.replace(&self.context.take_outside()).saturating_sub(end);
            begin = end;
            // A pass may take long, so it draws a few more replacements than are missing.
            if missing > 0 {
                end = picks.len().min(end + missing + missing / 2 + 8);
            }
        }
        Ok(begin)
    }

    /// Restores and judges every file of the population.
    pub fn everything(
        &self,
        population_filter: &PopulationFilter<'_>,
        needs: Needs,
    ) -> Result<Listing, backup::Error> {
        self.tolerate_broken_scratch(self.everything_inner(population_filter, needs), Listing::Stopped)
    }

    fn everything_inner(
        &self,
        population_filter: &PopulationFilter<'_>,
        needs: Needs,
    ) -> Result<Listing, backup::Error> {
        if self.schedule.ordered {
            let is_wanted =
                |entry: &Entry<'_>| population_filter.admits(entry) && !self.context.is_judged(entry.path);
            self.one_pass(Wanted::Every(&is_wanted), Group::Sample)?;
            return Ok(if self.context.is_over() { Listing::Stopped } else { Listing::Whole });
        }
        let (feed, batches) = bounded::<EntryBatch>(self.schedule.workers * 4);
        thread::scope(|scope| {
            let receive = batches.clone();
            let workers = threads::start(scope, self.schedule.workers, move || {
                let mut judge = Judge::new(self.context, Group::Sample);
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
                return self.without_workers(population_filter, needs);
            }
            let run = self.run.with_threads(LISTING_THREADS_WHILE_JUDGING.min(self.schedule.threads));
            let send = move |batch| feed.send(batch).is_ok();
            let feed = FeedSink::new(population_filter, send, self.schedule, self.context.carried_over.get());
            let listing = self.backup.catalog(needs, &run, &feed);
            feed.finish();
            workers.into_iter().try_for_each(join)?;
            listing
        })
    }

    /// Lists and judges by turns, if no thread can be started to judge.
    fn without_workers(
        &self,
        population_filter: &PopulationFilter<'_>,
        needs: Needs,
    ) -> Result<Listing, backup::Error> {
        let done = Mutex::new(Ok(()));
        let take = |batch: EntryBatch| {
            let mut done = lock(&done);
            if done.is_ok() && !self.context.is_over() {
                let mut judge = Judge::new(self.context, Group::Sample);
                *done = self.restore(Wanted::These(&batch), &mut judge);
            }
            done.is_ok() && !self.context.is_over()
        };
        let schedule = Schedule::of(self.backup.reach(), 1);
        let feed = FeedSink::new(population_filter, take, schedule, self.context.carried_over.get());
        let listing = self.backup.catalog(needs, &self.run.with_threads(1), &feed);
        feed.finish();
        into_inner(done)?;
        listing
    }

    fn restore(&self, wanted: Wanted<'_>, sink: &mut dyn RestoreSink) -> Result<(), backup::Error> {
        self.backup.restore(wanted, self.scratch, self.run, sink)
    }

    /// Makes one pass over a backup that is read front to back, while the other threads judge.
    fn one_pass(&self, wanted: Wanted<'_>, group: Group) -> Result<(), backup::Error> {
        let (send, delivered) = bounded::<Delivered>(self.schedule.threads * 2);
        thread::scope(|scope| {
            let receive = delivered.clone();
            let judges = threads::start(scope, self.schedule.threads, move || {
                let mut judge = Judge::new(self.context, group);
                for Delivered { entry, outcome } in &receive {
                    // When the run is over, keep receiving, so that the restoring thread does not
                    // block.
                    if !self.context.is_over() {
                        let _ = judge.deliver(entry.get(0), outcome);
                    }
                }
            });
            drop(delivered);
            if judges.is_empty() {
                return self.restore(wanted, &mut Judge::new(self.context, group));
            }
            self.restore(wanted, &mut ForwardSink { to: send, context: self.context })
        })
    }
}

/// The most threads that list the backup while others verify its files.
const LISTING_THREADS_WHILE_JUDGING: usize = 2;

/// Sorts the first `wanted` picks by their positions on the disk. Their replacements stay in order
/// of rank.
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
    /// A batch of exactly one entry, which owns its path and handle.
    entry: EntryBatch,
    outcome: Result<Restored, RestoreError>,
}

struct ForwardSink<'a> {
    to: Sender<Delivered>,
    context: &'a JudgeContext<'a>,
}

impl RestoreSink for ForwardSink<'_> {
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
        self.context.add_damage(damage);
    }
}

/// Hands out picks in their order until enough of them could be compared.
struct Queue<'a> {
    picks: &'a EntryBatch,
    state: Mutex<QueueState<'a>>,
    changed: Condvar,
}

struct QueueState<'a> {
    next: usize,
    end: usize,
    limit: Limit<'a>,
    batches_in_progress: usize,
    closed: bool,
}

impl<'a> Queue<'a> {
    fn new(picks: &'a EntryBatch, limit: Limit<'a>) -> Self {
        let end = limit.first().min(picks.len());
        let state = QueueState { next: 0, end, limit, batches_in_progress: 0, closed: false };
        Self { picks, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Fills `batch` with the next picks. Waits while picks in progress may still need
    /// replacements. Returns `None` when nothing is left to do.
    fn take(&self, batch: &mut EntryBatch, schedule: &Schedule) -> Option<BatchLease<'_, 'a>> {
        batch.clear();
        let mut state = lock(&self.state);
        while state.next >= state.end && state.batches_in_progress > 0 {
            state = wait(&self.changed, state);
        }
        let left = state.end.saturating_sub(state.next);
        let count = schedule.batch_of(left);
        batch.extend((state.next..state.next + count).map(|index| self.picks.get(index)));
        state.next += count;
        state.batches_in_progress += usize::from(count > 0);
        (count > 0).then(|| BatchLease { queue: self, outside: None })
    }

    /// Stops handing out picks.
    fn close(&self) {
        let mut state = lock(&self.state);
        state.end = state.next;
        state.closed = true;
        self.changed.notify_all();
    }

    fn drawn(&self) -> usize {
        lock(&self.state).next
    }
}

/// A batch of picks in progress. If it is dropped without [`finish`](Self::finish), because of an
/// error or a panic, it closes the queue, so that no other worker waits for it.
struct BatchLease<'q, 'a> {
    queue: &'q Queue<'a>,
    outside: Option<Vec<PathKey>>,
}

impl BatchLease<'_, '_> {
    /// Ends the batch, and has the `outside` picks replaced, which could not be compared.
    fn finish(mut self, outside: Vec<PathKey>) {
        self.outside = Some(outside);
    }
}

impl Drop for BatchLease<'_, '_> {
    fn drop(&mut self) {
        let mut state = lock(&self.queue.state);
        match self.outside.take() {
            Some(outside) if !state.closed => {
                state.end = state.limit.replace(&outside).min(self.queue.picks.len());
            }
            _ => {
                state.closed = true;
                state.end = state.next;
            }
        }
        state.batches_in_progress -= 1;
        self.queue.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wanted_picks_go_by_position_and_their_replacements_by_rank() {
        let by_rank = [30, 10, 20, 9, 1];
        let picks: EntryBatch =
            by_rank.iter().map(|&position| Entry { position, ..Entry::named(b"x") }).collect();
        let positions = |picks: &EntryBatch| picks.iter().map(|entry| entry.position).collect::<Vec<_>>();
        assert_eq!(positions(&in_disk_order(&picks, 3)), [10, 20, 30, 9, 1]);
        assert_eq!(positions(&in_disk_order(&picks, 9)), [1, 9, 10, 20, 30]);
    }
}
