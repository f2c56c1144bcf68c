//! How much time and how many bytes one measurement may take, and the loop that respects these
//! limits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::cancel::CancelToken;
use crate::threads;

/// The share of time and bytes that one measurement gets.
#[derive(Debug)]
pub struct Slice {
    cancel: CancelToken,
    bytes_left: AtomicU64,
}

impl Slice {
    /// `time` from now on, but not past `deadline`, and at most `bytes`.
    pub fn new(cancel: &CancelToken, deadline: Instant, time: Duration, bytes: u64) -> Self {
        let end = (Instant::now() + time).min(deadline);
        Self { cancel: cancel.with_deadline(Some(end)), bytes_left: AtomicU64::new(bytes) }
    }

    /// Whether the measurement must end.
    pub fn is_over(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// A token that is cancelled when the slice is over.
    pub fn cancel_token(&self) -> CancelToken {
        self.cancel.clone()
    }

    /// Claims bytes to read or write; `false` if too few are left.
    pub fn take(&self, bytes: u64) -> bool {
        let claim = |left: u64| left.checked_sub(bytes);
        self.bytes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim).is_ok()
    }
}

/// Runs `threads` workers, each made by `make`. A worker is called for one step after the other
/// until the slice is over or it has nothing left to do (`None`). Returns the sum of the steps'
/// results, and the time taken.
pub fn measure<W>(threads: usize, slice: &Slice, make: impl Fn() -> W + Sync) -> (u64, Duration)
where
    W: FnMut() -> Option<u64>,
{
    let done = AtomicU64::new(0);
    let clock = Instant::now();
    thread::scope(|scope| {
        let work = || {
            let mut step = make();
            while !slice.is_over()
                && let Some(amount) = step()
            {
                done.fetch_add(amount, Ordering::Relaxed);
            }
        };
        if threads::start(scope, threads, work).is_empty() && threads > 0 {
            work();
        }
    });
    (done.into_inner(), clock.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(time: Duration, bytes: u64) -> Slice {
        Slice::new(&CancelToken::new(), Instant::now() + Duration::from_secs(60), time, bytes)
    }

    #[test]
    fn workers_share_the_bytes_and_take_no_more() {
        let slice = slice(Duration::from_secs(60), 1000);
        let (done, _) = measure(4, &slice, || || slice.take(7).then_some(7));
        assert_eq!(done, 994);
    }

    #[test]
    fn time_and_stop_end_what_would_go_on_for_ever() {
        // That it returns is the proof.
        measure(2, &slice(Duration::from_millis(30), 0), || || Some(1));
        let cancel = CancelToken::new();
        cancel.cancel();
        let far = Instant::now() + Duration::from_secs(60);
        assert_eq!(measure(2, &Slice::new(&cancel, far, Duration::from_secs(60), 9), || || Some(1)).0, 0);
    }
}
