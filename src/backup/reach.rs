//! What the scheduler of a restore needs to know about a format, in numbers.

/// How a format wants entries to be requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// How many parallel restores are useful. A format that becomes slower in parallel wants fewer
    /// than there are threads; a format that mostly waits for a network wants more. `None`: as many
    /// as there are threads.
    pub parallel: Option<usize>,
    /// The most wanted entries that one restore is given.
    pub batch: usize,
    /// Whether the cost is per batch and not per entry (each batch starts a process or sends a
    /// request). If so, all batches but the last are full, and a whole batch counts as in progress
    /// until it is done. If not, batches get smaller towards the end, so that all threads finish
    /// together, and the entries of a batch are restored one after the other.
    pub per_batch: bool,
    /// Whether the backup is read front to back. Then one restore is given all wanted entries.
    pub ordered: bool,
}

impl Reach {
    /// Any entry can be restored by itself, by as many threads as there are.
    pub const RANDOM: Self = Self { parallel: None, batch: 16, per_batch: false, ordered: false };

    /// The backup is read front to back, in one pass for all wanted entries.
    pub const ORDERED: Self = Self { parallel: Some(1), batch: usize::MAX, per_batch: false, ordered: true };
}
