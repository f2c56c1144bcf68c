//! A request to end a run early. A signal, the time limit or a stage that cannot continue sets it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Cheap to clone and to check. Once set, it stays set.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    flag: Arc<AtomicBool>,
    deadline: Option<Instant>,
    parent: Option<Arc<Stop>>,
}

impl Stop {
    /// A request that has not been made. It has no deadline; only [`set`](Self::set) makes it.
    pub fn never() -> Self {
        Self::default()
    }

    /// The same request, which is also made when `deadline` is reached.
    #[must_use]
    pub fn with_deadline(&self, deadline: Option<Instant>) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// A request that is made whenever this one is, and that can also be set by itself.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { parent: Some(Arc::new(self.clone())), ..Self::default() }
    }

    /// Asks every holder of a clone to end.
    pub fn set(&self) {
        self.flag.store(true, Ordering::Relaxed);
    }

    /// Whether the request was made.
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
