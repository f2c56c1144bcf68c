//! What the stages tell a watching person while they run. The stages know this trait only, not what
//! shows it.

use super::verdict::Verdict;

/// Receives news of a run. Called from many threads at once and up to a million times a second:
/// every method returns quickly and never fails, and a run's result never depends on it.
pub trait Progress: Sync {
    /// So many more files were listed.
    fn cataloged(&self, files: u64);
    /// The catalog is complete, with so many files.
    fn catalog_done(&self, files: u64);
    /// Restoring and comparing begins; of so many picks, where that is known.
    fn verify_starts(&self, picks: Option<u64>);
    /// One more pick is judged: its verdict, the bytes restored for it, and its path in the backup
    /// (any bytes).
    fn judged(&self, verdict: Verdict, bytes: u64, path: &[u8]);
    /// The last pick is judged, or the run ends early.
    fn verify_done(&self);
    /// Something that deserves attention now; text that is safe to print.
    fn warn(&self, text: &str);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn cataloged(&self, _files: u64) {}
    fn catalog_done(&self, _files: u64) {}
    fn verify_starts(&self, _picks: Option<u64>) {}
    fn judged(&self, _verdict: Verdict, _bytes: u64, _path: &[u8]) {}
    fn verify_done(&self) {}
    fn warn(&self, _text: &str) {}
}
