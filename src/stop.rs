//! The one way a run is asked to end early: by a signal, by its time limit, or by a stage that
//! cannot go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Cheap to clone and to ask; once set, it stays set.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    flag: Arc<AtomicBool>,
    deadline: Option<Instant>,
    parent: Option<Arc<Stop>>,
}

impl Stop {
    /// One that nobody sets, unless [`set`](Self::set) is called.
    pub fn never() -> Self {
        Self::default()
    }

    /// The same request, which also holds from `deadline` on.
    #[must_use]
    pub fn with_deadline(&self, deadline: Option<Instant>) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// One that holds when this one does, and can be set for itself.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { parent: Some(Arc::new(self.clone())), ..Self::default() }
    }

    /// Asks everybody who holds a clone to end.
    pub fn set(&self) {
        self.flag.store(true, Ordering::Relaxed);
    }

    /// Whether to end.
    pub fn is_set(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
            || self.is_late()
            || self.parent.as_ref().is_some_and(|parent| parent.is_set())
    }

    /// Whether the deadline has passed.
    pub fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_stops_with_its_parent_and_not_the_other_way_round() {
        let parent = Stop::never();
        let (one, other) = (parent.child(), parent.child());
        one.set();
        assert_eq!((parent.is_set(), one.is_set(), other.is_set()), (false, true, false));
        parent.set();
        assert!(other.is_set());
    }
}
