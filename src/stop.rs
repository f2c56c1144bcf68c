//! The one way a run is asked to end early: by a signal, by its time limit, or by a stage that cannot go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Cheap to clone and to ask; once set, it stays set.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    flag: Arc<AtomicBool>,
    deadline: Option<Instant>,
}

impl Stop {
    /// One that nobody sets, unless [`set`](Self::set) is called.
    pub fn never() -> Self {
        Self::default()
    }

    /// The same request, which also holds from `deadline` on.
    #[must_use]
    pub fn with_deadline(&self, deadline: Option<Instant>) -> Self {
        Self { flag: Arc::clone(&self.flag), deadline }
    }

    /// Asks everybody who holds a clone to end.
    pub fn set(&self) {
        self.flag.store(true, Ordering::Relaxed);
    }

    /// Whether to end.
    pub fn is_set(&self) -> bool {
        self.flag.load(Ordering::Relaxed) || self.is_late()
    }

    /// Whether the deadline has passed.
    pub fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}
