//! Starts as many threads as the system allows. A limit on tasks or memory (`ulimit -u`, systemd's
//! `TasksMax`) makes a run slower, but never ends it.

use std::io;
use std::thread::{Builder, Scope, ScopedJoinHandle};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// Starts up to `most` threads that do the same work, and stops at the first that cannot be
/// started. If the result is empty, the caller has to do the work.
pub fn start<'scope, 'env, T: Send + 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    most: usize,
    work: impl Fn() -> T + Send + Clone + 'scope,
) -> Vec<ScopedJoinHandle<'scope, T>> {
    start_with(most, || Builder::new().spawn_scoped(scope, work.clone()))
}

fn start_with<T>(most: usize, mut one: impl FnMut() -> io::Result<T>) -> Vec<T> {
    (0..most).map_while(|_| one().ok()).collect()
}

/// A pool of up to `most` threads; `None` if not even one can be started.
pub fn pool(most: usize, name: &'static str) -> Option<ThreadPool> {
    pool_with(most, |threads| {
        ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(move |index| format!("{name}-{index}"))
            .build()
            .ok()
    })
}

/// Tries half as many threads each time, because a pool starts all of its threads or none.
fn pool_with<T>(most: usize, build: impl Fn(usize) -> Option<T>) -> Option<T> {
    let fewer = |&threads: &usize| Some(threads / 2).filter(|&threads| threads > 0);
    std::iter::successors(Some(most).filter(|&most| most > 0), fewer).find_map(build)
}

/// Whether another thread can be started at this moment.
pub fn can_start() -> bool {
    Builder::new().spawn(|| {}).is_ok()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn as_many_threads_as_can_be_had_are_started() {
        let mut left = 3;
        let mut one = || {
            left -= 1;
            if left < 0 { Err(io::Error::from(io::ErrorKind::WouldBlock)) } else { Ok(left) }
        };
        assert_eq!(start_with(8, &mut one), [2, 1, 0]);
        assert_eq!(start_with(8, &mut one), [0; 0]);
    }

    #[test]
    fn a_pool_is_made_of_fewer_threads_down_to_none() {
        let tried = RefCell::new(Vec::new());
        let made = |threads| {
            tried.borrow_mut().push(threads);
            (threads <= 3).then_some(threads)
        };
        assert_eq!(pool_with(12, made), Some(3));
        assert_eq!(*tried.borrow(), [12, 6, 3]);
        assert_eq!(pool_with(5, |_| None::<()>), None);
        assert_eq!(pool_with(0, Some), None);
    }

    #[test]
    fn what_can_be_had_does_the_work() {
        let sum: usize = std::thread::scope(|scope| {
            start(scope, 2, || 21).into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(sum, 42);
        assert_eq!(pool(2, "test").map(|pool| pool.current_num_threads()), Some(2));
        assert!(can_start());
    }
}
