//! Who is told of every file that a run would choose from.

use crate::backup::Entry;

/// Receives the files that a run would choose from. Called by many threads at once.
pub trait Listed: Sync {
    /// These files were listed.
    fn files(&self, files: &[Entry<'_>]);

    /// The listing begins again: what was listed so far does not count.
    fn restarts(&self);
}
