//! Locks without the question of poison.
//!
//! A thread that panics poisons the mutexes that it holds, and the standard library asks everybody
//! after it what to do. Here the answer is always the same: go on. Every thread is joined by the
//! code that has started it, which passes the panic on and ends the run, so no result is ever
//! reported that a half-finished change could have spoilt; and those who only clean up need what
//! the mutex holds.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks `mutex`, whether or not a thread has panicked while it held it.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What `mutex` holds, whether or not a thread has panicked while it held it.
pub fn into_inner<T>(mutex: Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_elsewhere_keeps_nobody_from_what_is_locked() {
        let mutex = Mutex::new(1);
        std::thread::scope(|scope| {
            let panics = scope.spawn(|| {
                let _guard = lock(&mutex);
                panic!("expected");
            });
            assert!(panics.join().is_err());
        });
        assert!(mutex.is_poisoned());
        *lock(&mutex) += 1;
        assert_eq!(into_inner(mutex), 2);
    }
}
