//! Which files are verified, and what that proves: one small trait, one line of the registry each.
//!
//! The draw itself is the same for all: every file of the population gets an order, and the
//! smallest are the sample ([`sample`](super::sample)). A strategy says what decides the order, and
//! which bound follows from it; a bound presumes how the sample was drawn, so the two belong
//! together.
//!
//! The trait carries strategies without memory whose bound counts files. A strategy is a constant
//! of the program: it sees one entry and its rank, and no plan, no earlier run and no other entry.
//! Two strategies that have been asked for need more than a new line here:
//!
//! - `coverage` prefers files that earlier runs have not verified. It needs a value that is made for
//!   each run from the ledger of these runs, where [`for_sample`] returns a constant, and counts for
//!   each stratum, where [`Tally`] has one set of counts for all files.
//! - `size` draws large files more often. [`Strategy::order`] can do that, because it sees the entry,
//!   but an honest bound is then in bytes, and [`Assurance`] counts files.
//!
//! Do not force either into the trait as it is: its sample would come with the bound of a simple
//! random sample, which does not hold for it.

use crate::backup::{Entry, Needs};
use crate::plan::SampleSize;

use super::assurance::Assurance;
use super::sample::Rank;
use super::tally::Tally;

/// How files are chosen.
pub trait Strategy: Sync {
    /// Its name in reports.
    fn name(&self) -> &'static str;

    /// What a listing must carry beyond paths.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// Whether every file is verified: then nothing is drawn, and files are judged as the backup
    /// lists them.
    fn is_everything(&self) -> bool {
        false
    }

    /// What a file is ordered by; the smallest are drawn. `rank` is uniform over all files, and
    /// decided by the seed and the path alone.
    fn order(&self, entry: &Entry<'_>, rank: Rank) -> u128;

    /// What the picks prove about the comparable files of the population; nothing where they prove
    /// nothing.
    fn bound(&self, tally: &Tally, confidence: f64) -> Option<Assurance>;
}

/// All strategies.
pub static STRATEGIES: [&dyn Strategy; 2] = [&Random, &All];

/// The strategy for a number of files.
pub fn for_sample(size: SampleSize) -> &'static dyn Strategy {
    match size {
        SampleSize::All => &All,
        SampleSize::Count(_) | SampleSize::Share(_) | SampleSize::Tolerance(_) => &Random,
    }
}

/// Every file has the same chance.
#[derive(Debug)]
struct Random;

impl Strategy for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn order(&self, _entry: &Entry<'_>, rank: Rank) -> u128 {
        rank.order
    }

    fn bound(&self, tally: &Tally, confidence: f64) -> Option<Assurance> {
        simple_random(tally, confidence)
    }
}

/// Every file is verified. A run that ends early has seen the front of the backup, which is no
/// random sample: [`Tally::in_order`] says so, and there is no bound then.
#[derive(Debug)]
struct All;

impl Strategy for All {
    fn name(&self) -> &'static str {
        "all"
    }

    fn is_everything(&self) -> bool {
        true
    }

    fn order(&self, _entry: &Entry<'_>, rank: Rank) -> u128 {
        rank.order
    }

    fn bound(&self, tally: &Tally, confidence: f64) -> Option<Assurance> {
        simple_random(tally, confidence)
    }
}

/// The bound of a simple random sample, where there is one. A run over everything, or over an
/// archive front to back, that ends early has seen the front of it, which is no random sample; nor
/// is there a statement about a population that was not listed to its end.
///
/// Picks that were under way when a run was ended count as comparable and bad: a file that keeps a
/// disk busy may be the bad one.
fn simple_random(tally: &Tally, confidence: f64) -> Option<Assurance> {
    let is_cut = tally.ended.is_some() && tally.drawn > tally.picks.counts.looked_at();
    if !tally.population.whole || (tally.in_order && is_cut) {
        return None;
    }
    Assurance::of(tally.population.files, &tally.picks.counts, tally.cut_off(), confidence)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn strategies_have_names_of_their_own_and_every_sample_size_has_a_registered_one() {
        let names: BTreeSet<_> = STRATEGIES.iter().map(|strategy| strategy.name()).collect();
        assert_eq!(names.len(), STRATEGIES.len());
        for size in
            [SampleSize::Count(1), SampleSize::Share(0.5), SampleSize::All, SampleSize::Tolerance(0.01)]
        {
            assert!(names.contains(for_sample(size).name()), "{size:?}");
        }
    }
}
