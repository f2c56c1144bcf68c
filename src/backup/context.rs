//! What opening, listing and restoring need to know of the run they are part of.
//!
//! How far they are is not here: every entry that is listed or restored passes through the
//! receiver, which counts them.

use crate::stop::Stop;

/// The run that a backup is opened, listed and restored for.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// Asked between pieces of work. Once it is set, listing and restoring end early.
    pub cancel: Stop,
    /// Whether files are read from the disk rather than from the system's cache; decided when a
    /// backup is opened.
    pub cold: bool,
    /// Most threads of its own that a format may use; 0 counts as 1.
    pub threads: usize,
}

impl Context {
    /// One thread that may use what is cached, until `cancel` is set.
    pub fn new(cancel: Stop) -> Self {
        Self { cancel, cold: false, threads: 1 }
    }

    /// The same with at most so many threads.
    #[must_use]
    pub fn with_threads(&self, threads: usize) -> Self {
        Self { threads, ..self.clone() }
    }
}
