//! Lists the files that a run would choose from, for `bkverify plan` and `bkverify coverage`: what a
//! run does up to the draw, restoring nothing.

use std::ops::ControlFlow;

use crate::backup::{self, CatalogSink, Context, Entry, EntryBatch, Listing, Needs};
use crate::cancel::CancelToken;
use crate::plan::Plan;

use super::catalog::PopulationFilter;
use super::draw::Counter;
use super::outcome::Population;
use super::pairing::Pairing;
use super::sample::Ranker;
use super::{Error, Filter, LISTING_THREADS, Silent};

/// Receives the files that a run would choose from. Called by many threads at once.
pub trait Listed: Sync {
    /// These files were listed.
    fn files(&self, files: &[Entry<'_>]);

    /// The listing begins again: what was listed so far does not count.
    fn restarts(&self);
}

/// What was listed, and how the listing ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HowListed {
    /// The format of the backup.
    pub format: &'static str,
    /// What was listed. It says whether the backup was listed to its end.
    pub population: Population,
    /// Whether parts of it cannot be listed.
    pub damaged: bool,
}

/// Opens the backup that the plan names, pairs it with the originals, and lists the files that a
/// run would choose from, with what is needed of each. The backup may be read from memory: nothing
/// is proven here.
///
/// # Errors
/// What a run would refuse up to the draw: a backup of no known format, one without files, one that
/// has nothing in common with the originals.
pub fn list(plan: &Plan, needs: Needs, cancel: &CancelToken, to: &dyn Listed) -> Result<HowListed, Error> {
    let filter = Filter::new(&plan.draw.filters)?;
    let context = Context::new(cancel.clone()).with_threads(plan.engine.threads.min(LISTING_THREADS));
    let backup = backup::open(&plan.target.backup, &context)?;
    let filter = filter.for_paths(backup.description().path_root());
    let (sources, maps) = (&plan.target.sources, &plan.target.maps);
    let pairing = Pairing::new(&*backup, sources, maps, false, Some(&filter), cancel)?;
    let ranker = Ranker::new(&plan.draw.seed);
    let population_filter =
        PopulationFilter::new(&filter, &pairing, &ranker, &Silent, None, cancel, plan.started.into());
    let own = filter.needs();
    let needs = Needs { size: needs.size || own.size, mtime: needs.mtime || own.mtime };
    let listing = backup.catalog(needs, &context, &ListSink { population_filter: &population_filter, to })?;
    let whole = !matches!(listing, Listing::Stopped) && !cancel.is_cancelled();
    let damaged = matches!(listing, Listing::Damaged(_));
    let population = population_filter.population(whole);
    let description = backup.description();
    if population.files == 0 && whole && !damaged {
        return Err(Error::no_files(&population, &description.location));
    }
    Ok(HowListed { format: description.format, population, damaged })
}

/// Hands the files of the population on, and counts them.
struct ListSink<'a> {
    population_filter: &'a PopulationFilter<'a>,
    to: &'a dyn Listed,
}

impl CatalogSink for ListSink<'_> {
    fn take(&self, entries: &EntryBatch) -> ControlFlow<()> {
        let mut files = Vec::with_capacity(entries.len());
        let counted = self.population_filter.count_batch(entries, &mut |entry, _| files.push(entry));
        self.to.files(&files);
        counted?;
        ControlFlow::Continue(())
    }

    fn restart(&self) {
        self.population_filter.reset();
        self.to.restarts();
    }

    fn pass_over(&self, count: u64) {
        self.population_filter.pass_over(count);
    }
}
