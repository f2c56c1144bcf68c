//! What the scheduler of a restore has to know of a format, in numbers.

/// How a format wants to be asked for entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// How many restores at once are useful: fewer than there are threads for one that gets slower
    /// otherwise, more for one that mostly waits for a network. None: as many as there are threads.
    pub parallel: Option<usize>,
    /// How many wanted entries a restore is given at most.
    pub batch: usize,
    /// Whether the cost is by the batch and not by the entry (a process is started, a request is
    /// sent). Then all batches but the last are full, and all of a batch counts as under way until
    /// it is done. Otherwise batches get smaller towards the end, so that all threads finish
    /// together, and entries are restored one after the other.
    pub per_batch: bool,
    /// Whether it is read front to back: all that is wanted goes into one restore.
    pub ordered: bool,
}

impl Reach {
    /// Any entry by itself, as many at once as there are threads.
    pub const RANDOM: Self = Self { parallel: None, batch: 16, per_batch: false, ordered: false };

    /// Only front to back: one pass for all that is wanted.
    pub const ORDERED: Self = Self { parallel: Some(1), batch: usize::MAX, per_batch: false, ordered: true };
}
