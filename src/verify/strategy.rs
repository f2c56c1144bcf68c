//! Which files are verified, and what that proves. A strategy is an implementation of one small
//! trait and one entry in the registry.
//!
//! The draw works the same for all strategies: every file of the population gets a number, and the
//! files with the smallest numbers are the sample ([`sample`](super::sample)). A strategy decides
//! what this number is, and which bound follows from it. The two belong together, because a bound
//! depends on how the sample was drawn.
//!
//! The trait carries strategies without memory whose bound counts files. A strategy is a constant
//! of the program: it sees one entry and its rank, and no plan, no earlier run and no other entry.
//! Two strategies that are planned need more than a new line here:
//!
//! - `coverage` prefers files that earlier runs have not verified. It needs a value that is made
//!   for each run from the ledger of these runs, where [`for_sample`] returns a constant, and
//!   counts for each stratum, where [`Tally`] has one set of counts for all files.
//! - `size` draws large files more often. [`Strategy::order`] can do that, because it sees the
//!   entry, but its bound is in bytes, and [`Assurance`] counts files.
//!
//! Do not squeeze either into the trait as it is: the bound of a simple random sample does not hold
//! for their samples, and the program would claim more than it has proven.

use crate::backup::{Entry, Needs};
use crate::plan::SampleSize;

use super::assurance::Assurance;
use super::sample::Rank;
use super::tally::Tally;

/// How files are chosen.
pub trait Strategy: Sync {
    /// The name of the strategy in reports.
    fn name(&self) -> &'static str;

    /// What the listing must provide in addition to paths.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// Whether every file is verified. Then nothing is drawn, and files are judged in the order in
    /// which the backup lists them.
    fn is_everything(&self) -> bool {
        false
    }

    /// The number by which files are ordered. Those with the smallest are drawn. `rank` is
    /// uniformly distributed over all files, and depends only on the seed and the path; ordered by
    /// it alone, every file has the same chance. There is no default for [`bound`](Self::bound): it
    /// must fit this.
    fn order(&self, _entry: &Entry<'_>, rank: Rank) -> u128 {
        rank.order
    }

    /// What the picks prove about the comparable files of the population; `None` if they prove
    /// nothing.
    fn bound(&self, tally: &Tally, confidence: f64) -> Option<Assurance>;
}

/// All strategies.
pub static STRATEGIES: [&dyn Strategy; 2] = [&Random, &All];

/// The strategy for a sample size.
pub fn for_sample(size: SampleSize) -> &'static dyn Strategy {
    match size {
        SampleSize::All => &All,
        SampleSize::Count(_) | SampleSize::Share(_) | SampleSize::Tolerance(_) => &Random,
    }
}

/// Every file has the same chance to be drawn.
#[derive(Debug)]
struct Random;

impl Strategy for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn bound(&self, tally: &Tally, confidence: f64) -> Option<Assurance> {
        simple_random(tally, confidence)
    }
}

/// Every file is verified. A run that ends early has seen the beginning of the backup, which is not
/// a random sample. [`Tally::in_order`] records this, and there is no bound then.
#[derive(Debug)]
struct All;

impl Strategy for All {
    fn name(&self) -> &'static str {
        "all"
    }

    fn is_everything(&self) -> bool {
        true
    }

    fn bound(&self, tally: &Tally, confidence: f64) -> Option<Assurance> {
        simple_random(tally, confidence)
    }
}

/// The bound of a simple random sample, if there is one.
///
/// A run over all files, or over an archive that is read front to back, has not seen a random
/// sample if it ends early: it has seen the beginning. Nor is anything proved about a population
/// that was not listed to its end.
///
/// Picks in progress when the run was ended count as comparable and bad, because the file that
/// keeps a disk busy may be the bad one.
fn simple_random(tally: &Tally, confidence: f64) -> Option<Assurance> {
    let is_cut = tally.ended.is_some() && tally.drawn > tally.picks.counts.looked_at();
    let is_partial = tally.is_merged && tally.ended.is_some();
    if !tally.population.whole || (tally.in_order && is_cut) || is_partial {
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
