//! What opening, listing and restoring need to know of the run that they are part of.
//!
//! Progress is not part of this: every entry that is listed or restored passes through the sink,
//! which counts them.

use crate::cancel::CancelToken;

/// The run for which a backup is opened, listed and restored.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// Checked between pieces of work. Once it is cancelled, listing and restoring end early.
    pub cancel: CancelToken,
    /// Whether to read files from the disk instead of the system's cache. Takes effect when a
    /// backup is opened.
    pub cold: bool,
    /// The most threads that a format may start itself; 0 counts as 1.
    pub threads: usize,
}

impl Context {
    /// A run with one thread that may read cached files, until `cancel` is cancelled.
    pub fn new(cancel: CancelToken) -> Self {
        Self { cancel, cold: false, threads: 1 }
    }

    /// The same run with at most `threads` threads.
    #[must_use]
    pub fn with_threads(&self, threads: usize) -> Self {
        Self { threads, ..self.clone() }
    }
}
