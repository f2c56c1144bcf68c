//! Restoring and judging, spread over threads.
//!
//! Three ways, by what was asked for and how the format can be reached:
//! - picks of a random-access format: threads take a few picks at a time, restore and judge them in
//!   place;
//! - everything in a random-access format: the listing feeds the threads, so that memory does not
//!   grow with the backup;
//! - a sequential format: one thread makes a pass over the backup, the others judge what it lands.
//!
//! Which picks are looked at does not depend on the threads: as many as it takes, by rank, until
//! the wanted number could be compared. Nor does it depend on how a copy turns out: whether a pick
//! can be compared is decided by times alone.

use std::ops::ControlFlow;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use crossbeam_channel::{Sender, bounded};

use crate::backup::{
    self, Access, Backup, Entry, Landing, Listing, Needs, Picks, RestoreError, Restored, Scratch, Wanted,
};

use crate::threads;

use super::catalog::{Feed, Gate};
use super::judge::Judge;
use super::judge_context::JudgeContext;

/// Picks that a thread takes at once.
const HANDFUL: usize = 16;

/// The parts of a run that restore and judge.
pub struct Work<'a> {
    /// Restored from.
    pub backup: &'a dyn Backup,
    /// Restored to.
    pub scratch: &'a Scratch,
    /// Judged with.
    pub context: &'a JudgeContext<'a>,
    /// Threads that judge; at least 1.
    pub threads: usize,
    /// Whether the wanted picks are taken in the order of the disk, not by rank.
    pub in_place_order: bool,
}

impl Work<'_> {
    /// Restores and judges the first `wanted` picks and, for each that cannot be compared, one
    /// more. Returns how many were drawn.
    pub fn picks(&self, picks: &Picks, wanted: usize) -> Result<usize, backup::Error> {
        let done = match self.backup.describe().access {
            Access::Random => self.picks_at_random(picks, wanted),
            Access::Sequential => self.picks_in_passes(picks, wanted),
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

    fn picks_at_random(&self, picks: &Picks, wanted: usize) -> Result<usize, backup::Error> {
        let ordered = self.in_place_order.then(|| in_place_order(picks, wanted));
        let queue = Queue::new(ordered.as_ref().unwrap_or(picks), wanted);
        thread::scope(|scope| {
            let worker = || {
                let mut judge = Judge::new(self.context);
                let mut handful = Picks::new();
                while !self.context.is_over()
                    && let Some(turn) = queue.take(&mut handful, self.threads)
                {
                    let before = judge.outside();
                    self.backup.restore(Wanted::These(&handful), self.scratch, &mut judge)?;
                    turn.finish(judge.outside() - before);
                }
                if self.context.is_over() {
                    queue.close();
                }
                Ok(())
            };
            let workers = threads::start(scope, self.threads, worker);
            if workers.is_empty() { worker() } else { workers.into_iter().try_for_each(join) }
        })?;
        Ok(queue.drawn())
    }

    fn picks_in_passes(&self, picks: &Picks, wanted: usize) -> Result<usize, backup::Error> {
        let (mut begin, mut end) = (0, wanted.min(picks.len()));
        while begin < end && !self.context.is_over() {
            let pass: Picks = (begin..end).map(|index| picks.get(index)).collect();
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

    /// Restores and judges every file that passes the gate.
    pub fn everything(&self, gate: &Gate<'_>, needs: Needs) -> Result<Listing, backup::Error> {
        self.spare_findings(self.stream(gate, needs), Listing::Stopped)
    }

    fn stream(&self, gate: &Gate<'_>, needs: Needs) -> Result<Listing, backup::Error> {
        let description = self.backup.describe();
        if description.access == Access::Sequential {
            self.one_pass(Wanted::Every(&|entry| gate.admits(entry)))?;
            return Ok(Listing::Whole);
        }
        let (feed, picks) = bounded::<Picks>(self.threads * 4);
        thread::scope(|scope| {
            let receive = picks.clone();
            let workers = threads::start(scope, self.threads, move || {
                let mut judge = Judge::new(self.context);
                for handful in &receive {
                    if self.context.is_over() {
                        break;
                    }
                    self.backup.restore(Wanted::These(&handful), self.scratch, &mut judge)?;
                }
                Ok(())
            });
            drop(picks);
            if workers.is_empty() {
                return self.alone(gate, needs);
            }
            let listing = self.backup.catalog(
                needs,
                LISTING_BESIDE.min(self.threads),
                &Feed::new(gate, move |picks| feed.send(picks).is_ok(), self.threads),
            );
            workers.into_iter().try_for_each(join)?;
            listing
        })
    }

    /// Lists and judges by turns, where no thread can be had to judge meanwhile.
    fn alone(&self, gate: &Gate<'_>, needs: Needs) -> Result<Listing, backup::Error> {
        let done = Mutex::new(Ok(()));
        let take = |picks: Picks| {
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            if done.is_ok() && !self.context.is_over() {
                let mut judge = Judge::new(self.context);
                *done = self.backup.restore(Wanted::These(&picks), self.scratch, &mut judge);
            }
            done.is_ok() && !self.context.is_over()
        };
        let listing = self.backup.catalog(needs, 1, &Feed::new(gate, take, 1));
        done.into_inner().unwrap_or_else(PoisonError::into_inner)?;
        listing
    }

    /// One pass over a sequential backup; the other threads judge.
    fn one_pass(&self, wanted: Wanted<'_>) -> Result<(), backup::Error> {
        let (send, landed) = bounded::<Landed>(self.threads * 2);
        thread::scope(|scope| {
            let receive = landed.clone();
            let judges = threads::start(scope, self.threads, move || {
                let mut judge = Judge::new(self.context);
                for Landed { entry, outcome } in &receive {
                    // A judge that has ended takes what is still under way and drops it.
                    if !self.context.is_over() {
                        let _ = judge.land(entry.get(0), outcome);
                    }
                }
            });
            drop(landed);
            if judges.is_empty() {
                return self.backup.restore(wanted, self.scratch, &mut Judge::new(self.context));
            }
            self.backup.restore(wanted, self.scratch, &mut Forward { to: send, context: self.context })
        })
    }
}

/// While files are verified, listing needs few threads.
const LISTING_BESIDE: usize = 2;

/// The first `wanted` picks as they lie on the disk; their replacements stay in order of rank.
fn in_place_order(picks: &Picks, wanted: usize) -> Picks {
    let mut ordered: Picks = picks.iter().take(wanted).collect();
    ordered.sort_by_place();
    ordered.extend(picks.iter().skip(wanted));
    ordered
}

fn join(worker: thread::ScopedJoinHandle<'_, Result<(), backup::Error>>) -> Result<(), backup::Error> {
    worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// A restored file on its way to a judge.
struct Landed {
    /// One entry.
    entry: Picks,
    outcome: Result<Restored, RestoreError>,
}

struct Forward<'a> {
    to: Sender<Landed>,
    context: &'a JudgeContext<'a>,
}

impl Landing for Forward<'_> {
    fn land(&mut self, entry: Entry<'_>, outcome: Result<Restored, RestoreError>) -> ControlFlow<()> {
        let entry = Picks::from_iter([entry]);
        let sent = self.to.send(Landed { entry, outcome });
        if sent.is_err() || self.context.is_over() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn lose(&mut self, damage: backup::Damage) {
        self.context.lose(damage);
    }
}

/// Picks by rank, handed out until enough could be compared.
struct Queue<'a> {
    picks: &'a Picks,
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
    fn new(picks: &'a Picks, wanted: usize) -> Self {
        let state = State { next: 0, limit: wanted.min(picks.len()), in_flight: 0, closed: false };
        Self { picks, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Fills `handful` with the next picks. Waits while those under way may still need
    /// replacements; nothing when all is done.
    fn take(&self, handful: &mut Picks, threads: usize) -> Option<Turn<'_>> {
        handful.clear();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.next >= state.limit && state.in_flight > 0 {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let left = state.limit.saturating_sub(state.next);
        let count = handful_size(left, threads);
        handful.extend((state.next..state.next + count).map(|index| self.picks.get(index)));
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

/// How many of the `left` picks a thread takes at once: few towards the end, so that all threads
/// finish together.
pub(super) fn handful_size(left: usize, threads: usize) -> usize {
    left.min((left / (2 * threads)).clamp(1, HANDFUL))
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
    use crate::backup::Locator;

    #[test]
    fn the_wanted_picks_go_by_place_and_their_replacements_by_rank() {
        let by_rank = [30, 10, 20, 9, 1];
        let picks: Picks = by_rank
            .iter()
            .map(|&place| Entry { locator: Locator([place, 0, 0]), ..Entry::named(b"x") })
            .collect();
        let places = |picks: &Picks| picks.iter().map(|entry| entry.locator.0[0]).collect::<Vec<_>>();
        assert_eq!(places(&in_place_order(&picks, 3)), [10, 20, 30, 9, 1]);
        assert_eq!(places(&in_place_order(&picks, 9)), [1, 9, 10, 20, 30]);
    }
}
