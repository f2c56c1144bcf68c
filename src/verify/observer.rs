//! Observers of a run. The stages know only this trait, and not what shows or stores the events.

use crate::backup::Description;
use crate::plan::Plan;

use super::outcome::{Outcome, Population};
use super::record::PickRecord;

/// Receives the events of a run. The methods are called from many threads at once, up to a million
/// times a second. Each must return quickly and must not fail, and the result of a run never
/// depends on it.
pub trait Observer: Sync {
    /// The run begins, on this backup. Told before anything else. A run that ends with an error has
    /// no [`concluded`](Self::concluded); whoever started it is given the error.
    fn begins(&self, _plan: &Plan, _backup: &Description) {}

    /// `files` more files were listed.
    fn cataloged(&self, _files: u64) {}

    /// The backup was listed, before any file is judged. Not told if files are judged while it is
    /// listed.
    fn catalog_done(&self, _population: &Population) {}

    /// Restoring and comparing begins, with this many picks if the number is known.
    fn verify_starts(&self, _picks: Option<u64>) {}

    /// Whether the run should list the backup a second time to call [`expects`](Self::expects).
    fn wants_total(&self) -> bool {
        false
    }

    /// The run will have about this many picks in all. Called if that was not known when verifying
    /// began.
    fn expects(&self, _picks: u64) {}

    /// One more pick was judged.
    fn judged(&self, _pick: &PickRecord) {}

    /// The last pick was judged, or the run ended early.
    fn verify_done(&self) {}

    /// The run has an outcome. The newest time in the backup is known only now, so a pick that was
    /// reported as `changed` may be `stale` in it, and one that was reported as not comparable may
    /// have been counted as comparable. The outcome lists no more than the first 10,000 findings of
    /// each kind.
    fn concluded(&self, _outcome: &Outcome) {}

    /// Something needs attention now. The text is safe to print.
    fn warn(&self, _text: &str) {}
}

/// An observer that ignores everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}

/// Several observers of the same run, told in this order.
pub struct Observers<'a>(pub &'a [&'a dyn Observer]);

impl Observer for Observers<'_> {
    fn begins(&self, plan: &Plan, backup: &Description) {
        self.0.iter().for_each(|each| each.begins(plan, backup));
    }

    fn cataloged(&self, files: u64) {
        self.0.iter().for_each(|each| each.cataloged(files));
    }

    fn catalog_done(&self, population: &Population) {
        self.0.iter().for_each(|each| each.catalog_done(population));
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
