//! How restoring is spread over threads. In: what the format asks for ([`Reach`]) and the number of
//! threads. Out: the numbers that the workers use. No other place asks a format for its reach.

use crate::backup::Reach;

/// With more workers than this, they only wait for each other, however slow a network is.
const WORKERS_MAX: usize = 64;

/// When all files are verified, no rank has to be followed, and batches may be larger by this
/// factor.
const FEED_BATCH_FACTOR: usize = 4;

/// How one run restores and judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Threads of the run. Each has a core to hash on.
    pub threads: usize,
    /// Threads that restore, each of which judges what it has restored. A format that mostly waits
    /// asks for more workers than there are cores. They are no burden, because only few of them
    /// have something to hash at the same time.
    pub workers: usize,
    /// Whether the backup is read front to back: one thread restores, and `threads` judge.
    pub ordered: bool,
    batch: usize,
    per_batch: bool,
}

impl Schedule {
    /// The schedule for a format with this reach, in a run with this many threads.
    pub fn of(reach: Reach, threads: usize) -> Self {
        let threads = threads.max(1);
        let workers = match reach.parallel {
            None => threads,
            Some(parallel) if parallel > threads => parallel.min(WORKERS_MAX.max(threads)),
            Some(parallel) => parallel.max(1),
        };
        let Reach { batch, per_batch, ordered, .. } = reach;
        Self { threads, workers, ordered, batch: batch.max(1), per_batch }
    }

    /// The schedule under which each worker takes one pick at a time, unless the format pays for
    /// each batch.
    pub fn one_by_one(self) -> Self {
        Self { batch: if self.per_batch { self.batch } else { 1 }, ..self }
    }

    /// How many of the `left` picks a worker takes at once. Towards the end these are few, so that
    /// all workers finish together, unless the format pays for each batch (a process, for example)
    /// whatever its size.
    pub fn batch_of(&self, left: usize) -> usize {
        if self.per_batch {
            return left.min(self.batch);
        }
        left.min((left / (2 * self.workers)).clamp(1, self.batch))
    }

    /// How many entries a worker is given at once, if a batch of the listing has `listed` entries.
    /// A short one is spread over all workers, because its files may be large.
    pub fn fed_batch_of(&self, listed: usize) -> usize {
        if self.per_batch {
            return self.batch;
        }
        (listed / (2 * self.workers)).clamp(1, self.batch.saturating_mul(FEED_BATCH_FACTOR))
    }

    /// Whether a batch that is not full waits for entries from the next part of the listing.
    pub fn fills_batches(&self) -> bool {
        self.per_batch
    }

    /// The most picks that can be in progress at the same time.
    pub fn in_progress(&self) -> u64 {
        let each = if self.per_batch { self.batch as u64 } else { 1 };
        let restoring = if self.ordered { self.threads } else { self.workers };
        each.saturating_mul(restoring as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_on_disks_are_taken_by_all_threads_in_batches_that_shrink() {
        let schedule = Schedule::of(Reach::RANDOM, 4);
        assert_eq!((schedule.workers, schedule.in_progress()), (4, 4));
        let batches: Vec<_> = [500, 128, 127, 16, 3, 0].map(|left| schedule.batch_of(left)).into();
        assert_eq!(batches, [16, 16, 15, 2, 1, 0]);
        assert_eq!([1000, 512, 100, 1].map(|listed| schedule.fed_batch_of(listed)), [64, 64, 12, 1]);
    }

    #[test]
    fn one_pass_is_made_by_one_thread_and_judged_by_all() {
        let schedule = Schedule::of(Reach::ORDERED, 4);
        assert_eq!((schedule.workers, schedule.ordered, schedule.in_progress()), (1, true, 4));
    }

    #[test]
    fn a_process_a_batch_gets_full_batches_which_are_under_way_as_a_whole() {
        let reach = Reach { parallel: Some(2), batch: 500, per_batch: true, ordered: false };
        let schedule = Schedule::of(reach, 8);
        assert_eq!((schedule.workers, schedule.in_progress()), (2, 1000));
        assert_eq!([1200, 500, 200].map(|left| schedule.batch_of(left)), [500, 500, 200]);
        assert_eq!(schedule.fed_batch_of(3), 500);
    }

    #[test]
    fn a_network_gets_more_workers_than_there_are_threads() {
        let reach = |parallel| Reach { parallel: Some(parallel), batch: 1, ..Reach::RANDOM };
        assert_eq!(Schedule::of(reach(32), 4).workers, 32);
        assert_eq!(Schedule::of(reach(1000), 4).workers, 64);
        assert_eq!(Schedule::of(reach(1000), 100).workers, 100);
        assert_eq!(Schedule::of(reach(0), 0).workers, 1);
    }
}
