//! Ctrl-C, SIGTERM and the closing of the window: the first asks the run to end cleanly, the second
//! ends it at once.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::error::Error;
use crate::cancel::CancelToken;
use crate::exit::ExitCode;
use crate::threads;

/// How a process ends that was stopped at once: what shells report for one killed by Ctrl-C (128 +
/// SIGINT).
///
/// It is none of [`ExitCode`]'s, for such a run says nothing; what it left behind is removed by the
/// next.
pub const STOPPED_AT_ONCE: i32 = 130;

/// Answers signals from now on, by cancelling `cancel`. To be called once in a process.
///
/// It takes a thread. Where none can be had, a signal ends the run at once, and the next removes
/// what it left.
pub fn install(cancel: &CancelToken) -> Result<(), Error> {
    if !threads::can_start() {
        return Ok(());
    }
    let answer = Answer { cancel: cancel.clone(), asked: AtomicBool::new(false) };
    ctrlc::set_handler(move || {
        if answer.is_second() {
            std::process::exit(STOPPED_AT_ONCE);
        }
        // In a thread of its own: writing to a pipe that nobody reads blocks, and the second signal
        // must be handled all the same.
        let say = || {
            // If the terminal is gone, there is nobody to tell.
            let _ = writeln!(
                io::stderr(),
                "\nstopping: unfinished files are dropped and cleaned up (press Ctrl-C again to stop at once)"
            );
        };
        let _ = thread::Builder::new().spawn(say);
    })
    .map_err(|error| Error::new(ExitCode::Unusable, "cannot prepare for Ctrl-C").because(error))
}

/// What was asked for so far.
struct Answer {
    cancel: CancelToken,
    asked: AtomicBool,
}

impl Answer {
    /// Notes a signal and cancels the token; returns whether there was one before.
    fn is_second(&self) -> bool {
        self.cancel.cancel();
        self.asked.swap(true, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_signal_asks_and_the_second_insists() {
        let cancel = CancelToken::new();
        let answer = Answer { cancel: cancel.clone(), asked: AtomicBool::new(false) };
        assert!(!cancel.is_cancelled());
        assert!(!answer.is_second());
        assert!(cancel.is_cancelled());
        assert!(answer.is_second());
    }

    #[test]
    fn a_stop_for_another_reason_does_not_make_the_first_signal_the_second() {
        let answer = Answer { cancel: CancelToken::new(), asked: AtomicBool::new(false) };
        answer.cancel.cancel();
        assert!(!answer.is_second());
    }
}
