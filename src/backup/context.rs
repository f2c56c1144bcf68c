//! What opening, listing and restoring need to know of the run that they are part of.
//!
//! Progress is not part of this: every entry that is listed or restored passes through the sink,
//! which counts them.

use std::path::PathBuf;

use crate::cancel::CancelToken;

use super::{Error, Scratch};

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
    /// The folder in which programs that open the backup may store what they need while they run.
    /// Without one it is the system's folder for temporary files.
    pub work_folder: Option<PathBuf>,
}

impl Context {
    /// A run with one thread that may read cached files, until `cancel` is cancelled.
    pub fn new(cancel: CancelToken) -> Self {
        Self { cancel, cold: false, threads: 1, work_folder: None }
    }

    /// A new private folder for what a program needs while it runs. It is removed on drop, or by
    /// the next run. The restore folder, which has been checked by then, is made if it is missing.
    pub(super) fn private_folder(&self) -> Result<Scratch, Error> {
        let below = self.work_folder.clone().unwrap_or_else(std::env::temp_dir);
        std::fs::create_dir_all(&below).map_err(|source| Error::Scratch { path: below.clone(), source })?;
        Scratch::create(&below, self.cancel.clone())
    }

    /// The same run with at most `threads` threads.
    #[must_use]
    pub fn with_threads(&self, threads: usize) -> Self {
        Self { threads, ..self.clone() }
    }
}
