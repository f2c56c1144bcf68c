//! The files that a run would choose from, for `bkverify plan` and `bkverify coverage`: what a run
//! does up to the draw, restoring nothing.

use std::time::{Duration, Instant};

use crate::backup::{self, Context, Entry, Listing, Needs};
use crate::cancel::CancelToken;
use crate::plan::Plan;

use super::catalog::{ListSink, PopulationFilter};
use super::listed::Listed;
use super::pairing::Pairing;
use super::sample::Ranker;
use super::{Error, Filter, LISTING_THREADS, Silent};

/// What was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The format of the backup.
    pub format: &'static str,
    /// Files that a run would choose from.
    pub files: u64,
    /// Files that the filters leave out.
    pub filtered: u64,
    /// Files whose originals no source or map names.
    pub unmapped: u64,
    /// Whether the backup was listed to its end; otherwise the numbers say nothing.
    pub whole: bool,
    /// Whether parts of it cannot be listed.
    pub damaged: bool,
}

/// Keeps nothing.
struct Nowhere;

impl Listed for Nowhere {
    fn files(&self, _: &[Entry<'_>]) {}

    fn restarts(&self) {}
}

/// Counts the files that a run would choose from, for `limit` at most.
///
/// # Errors
/// As for [`list`].
pub fn count(plan: &Plan, limit: Duration) -> Result<Counted, Error> {
    let cancel = CancelToken::new().with_deadline(Some(Instant::now() + limit));
    list(plan, Needs::default(), &cancel, &Nowhere)
}

/// Opens the backup that the plan names, pairs it with the originals, and lists the files that a
/// run would choose from, with what is needed of each. The backup may be read from memory: nothing is proven here.
///
/// # Errors
/// What a run would refuse up to the draw: a backup of no known format, one without files, one that
/// has nothing in common with the originals.
pub fn list(plan: &Plan, needs: Needs, cancel: &CancelToken, to: &dyn Listed) -> Result<Counted, Error> {
    let filter = Filter::new(&plan.draw.filters)?;
    let context = Context::new(cancel.clone()).with_threads(plan.engine.threads.min(LISTING_THREADS));
    let backup = backup::open(&plan.target.backup, &context)?;
    let description = backup.description();
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
    if population.files == 0 && whole && !damaged {
        return Err(Error::no_files(&population, &description.location));
    }
    Ok(Counted {
        format: description.format,
        files: population.files,
        filtered: population.filtered,
        unmapped: population.unmapped,
        whole,
        damaged,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::backup::Location;
    use crate::plan::{Plan, Target};

    fn plan_of(world: &Path, files: &[&str]) -> Plan {
        for folder in ["b", "s"] {
            fs::create_dir(world.join(folder)).unwrap();
            for file in files {
                fs::write(world.join(folder).join(file), "content").unwrap();
            }
        }
        let target = Target {
            backup: Location::at(world.join("b")),
            sources: vec![world.join("s")],
            maps: Vec::new(),
            restore_to: world.join("r"),
        };
        Plan::new(target, "seed".into(), UNIX_EPOCH)
    }

    #[test]
    fn files_are_counted_as_a_run_would_see_them() {
        let world = tempfile::tempdir().unwrap();
        let mut plan = plan_of(world.path(), &["a", "b", "c.tmp"]);
        plan.draw.filters.exclude = vec!["*.tmp".into()];
        let found = count(&plan, Duration::from_secs(60)).unwrap();
        assert_eq!((found.files, found.filtered, found.whole, found.damaged), (2, 1, true, false));
        plan.draw.filters.exclude = vec!["*".into()];
        let error = count(&plan, Duration::from_secs(60)).unwrap_err();
        assert!(matches!(error, Error::EmptyPopulation { filtered: 3, .. }), "{error}");
        assert!(!world.path().join("r").exists());
    }

    #[test]
    fn without_time_nothing_is_counted_and_nothing_is_refused() {
        let world = tempfile::tempdir().unwrap();
        let found = count(&plan_of(world.path(), &["a"]), Duration::ZERO).unwrap();
        assert!(!found.whole);
    }
}
