//! What a watching person sees while originals are hashed: a spinner with the number of files and
//! bytes, on standard error. It is gone when this is dropped.

use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::ProgressBar;

use super::bars::{keep_drawing, style};
use super::waiting::TEMPLATE;
use crate::words;

/// How often the text is made anew, in files.
const EVERY: u64 = 64;

/// A spinner that counts.
#[derive(Debug)]
pub struct HashingProgress {
    bar: Option<ProgressBar>,
    files: AtomicU64,
    bytes: AtomicU64,
}

impl HashingProgress {
    /// Begins to draw, if it is `shown`.
    pub fn new(shown: bool) -> Self {
        let bar = shown.then(|| {
            let bar = ProgressBar::no_length().with_style(style(TEMPLATE));
            keep_drawing(&bar);
            bar
        });
        Self { bar, files: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }

    /// A file of this size was hashed.
    pub fn note(&self, bytes: u64) {
        let Some(bar) = &self.bar else { return };
        let files = self.files.fetch_add(1, Ordering::Relaxed) + 1;
        let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if files.is_multiple_of(EVERY) {
            bar.set_message(format!("{} ({}) hashed", words::counted(files, "file"), words::bytes(bytes)));
        }
    }
}

impl Drop for HashingProgress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
