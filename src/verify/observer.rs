//! Who watches a run: the stages know this trait only, not what shows or stores what they tell.

use super::outcome::Outcome;
use super::record::PickRecord;

/// Hears of a run while it goes on. Called from many threads at once and up to a million times a
/// second: every method returns quickly and never fails, and a run's result never depends on it.
pub trait Observer: Sync {
    /// So many more files were listed.
    fn cataloged(&self, _files: u64) {}

    /// The catalog is complete, with so many files.
    fn catalog_done(&self, _files: u64) {}

    /// Restoring and comparing begins; of so many picks, where that is known.
    fn verify_starts(&self, _picks: Option<u64>) {}

    /// Whether [`expects`](Self::expects) is worth a second listing of the backup.
    fn wants_total(&self) -> bool {
        false
    }

    /// There will be about so many picks in all: known now of a run that began without knowing it.
    fn expects(&self, _picks: u64) {}

    /// One more pick is judged.
    fn judged(&self, _pick: &PickRecord) {}

    /// The last pick is judged, or the run ends early.
    fn verify_done(&self) {}

    /// The run has an outcome. A pick that was told as `changed` may be `stale` in it, because the
    /// newest time in the backup is known only at the end.
    fn concluded(&self, _outcome: &Outcome) {}

    /// Something that deserves attention now; text that is safe to print.
    fn warn(&self, _text: &str) {}
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}

/// Several that watch the same run, told in this order.
pub struct Observers<'a>(pub &'a [&'a dyn Observer]);

impl Observer for Observers<'_> {
    fn cataloged(&self, files: u64) {
        self.0.iter().for_each(|each| each.cataloged(files));
    }

    fn catalog_done(&self, files: u64) {
        self.0.iter().for_each(|each| each.catalog_done(files));
    }

    fn verify_starts(&self, picks: Option<u64>) {
        self.0.iter().for_each(|each| each.verify_starts(picks));
    }

    fn wants_total(&self) -> bool {
        self.0.iter().any(|each| each.wants_total())
    }

    fn expects(&self, picks: u64) {
        self.0.iter().for_each(|each| each.expects(picks));
    }

    fn judged(&self, pick: &PickRecord) {
        self.0.iter().for_each(|each| each.judged(pick));
    }

    fn verify_done(&self) {
        self.0.iter().for_each(|each| each.verify_done());
    }

    fn concluded(&self, outcome: &Outcome) {
        self.0.iter().for_each(|each| each.concluded(outcome));
    }

    fn warn(&self, text: &str) {
        self.0.iter().for_each(|each| each.warn(text));
    }
}
