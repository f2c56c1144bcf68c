//! How many files a run would choose from, for `bkverify plan`: what a run does up to the draw, for
//! a short time, restoring nothing.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::backup::{self, CatalogSink, Context, EntryBatch, Listing};
use crate::cancel::CancelToken;
use crate::plan::{Plan, SampleSize};

use super::ages::Ages;
use super::catalog::PopulationFilter;
use super::coverage::runs_for;
use super::draw::Counter;
use super::memory::LastJudged;
use super::pairing::Pairing;
use super::sample::{Ranker, SampleQuota};
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
    /// When every file has had its turn, if the strategy is `coverage`.
    pub turns: Option<Turns>,
}

/// When every file has had its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turns {
    /// How many files no earlier run has judged.
    pub never: u64,
    /// After how many runs each of them has been judged.
    pub never_within: u64,
    /// After how many runs every file has been judged, whatever was judged before.
    pub all_within: u64,
}

/// Opens the backup that the plan names, pairs it with the originals and counts, for `limit` at
/// most. The backup may be read from memory: nothing is proven here.
///
/// # Errors
/// What a run would refuse up to the draw: a backup of no known format, one without files, one that
/// has nothing in common with the originals.
pub fn count(plan: &Plan, last_judged: Option<&dyn LastJudged>, limit: Duration) -> Result<Counted, Error> {
    let cancel = &CancelToken::new().with_deadline(Some(Instant::now() + limit));
    let filter = Filter::new(&plan.draw.filters)?;
    let context = Context::new(cancel.clone()).with_threads(plan.engine.threads.min(LISTING_THREADS));
    let backup = backup::open(&plan.target.backup, &context)?;
    let description = backup.description();
    let (sources, maps) = (&plan.target.sources, &plan.target.maps);
    let pairing = Pairing::new(&*backup, sources, maps, false, Some(&filter), cancel)?;
    let ranker = Ranker::new(&plan.draw.seed);
    let population_filter =
        PopulationFilter::new(&filter, &pairing, &ranker, &Silent, None, cancel, plan.started.into());
    // A run says what is wrong with its memory.
    let ages = last_judged.and_then(|remembered| Ages::read(remembered, &plan.draw.seed).ok());
    let ages = ages.unwrap_or_else(Ages::none);
    let sink = TurnsSink { population_filter: &population_filter, ages, never: AtomicU64::new(0) };
    let listing = backup.catalog(filter.needs(), &context, &sink)?;
    let whole = !matches!(listing, Listing::Stopped) && !cancel.is_cancelled();
    let damaged = matches!(listing, Listing::Damaged(_));
    let population = population_filter.population(whole);
    if population.files == 0 && whole && !damaged {
        return Err(Error::no_files(&population, &description.location));
    }
    let turns = (plan.draw.strategy == "coverage" && plan.draw.sample != SampleSize::All).then(|| {
        let half = SampleQuota::new(plan.draw.sample, plan.claims.confidence).half().wanted(population.files);
        let (never, within) = (sink.never.into_inner(), |files| runs_for(files, half));
        Turns { never, never_within: within(never), all_within: within(population.files) }
    });
    Ok(Counted {
        format: description.format,
        files: population.files,
        filtered: population.filtered,
        unmapped: population.unmapped,
        whole,
        damaged,
        turns,
    })
}

/// Counts the population, and how many of its files no run has judged.
struct TurnsSink<'a> {
    population_filter: &'a PopulationFilter<'a>,
    ages: Ages,
    never: AtomicU64,
}

impl CatalogSink for TurnsSink<'_> {
    fn take(&self, entries: &EntryBatch) -> ControlFlow<()> {
        let mut never = 0;
        self.population_filter.count_batch(entries, &mut |entry, _| {
            never += u64::from(self.ages.of_path(entry.path) == 0);
        })?;
        self.never.fetch_add(never, Ordering::Relaxed);
        ControlFlow::Continue(())
    }

    fn restart(&self) {
        self.population_filter.reset();
        self.never.store(0, Ordering::Relaxed);
    }

    fn pass_over(&self, count: u64) {
        self.population_filter.pass_over(count);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::backup::Location;
    use crate::plan::{Plan, Target};
    use crate::verify::memory::PathKey;

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
        let found = count(&plan, None, Duration::from_secs(60)).unwrap();
        assert_eq!((found.files, found.filtered, found.whole, found.damaged), (2, 1, true, false));
        plan.draw.filters.exclude = vec!["*".into()];
        let error = count(&plan, None, Duration::from_secs(60)).unwrap_err();
        assert!(matches!(error, Error::EmptyPopulation { filtered: 3, .. }), "{error}");
        assert!(!world.path().join("r").exists());
    }

    #[test]
    fn coverage_says_within_how_many_runs_every_file_is_judged() {
        struct OneJudged;
        impl LastJudged for OneJudged {
            fn each(&self, each: &mut dyn FnMut(PathKey, u64)) -> Result<(), String> {
                each(PathKey::of(b"a"), 3);
                each(PathKey::of(b"gone"), 4);
                Ok(())
            }
        }
        let world = tempfile::tempdir().unwrap();
        let mut plan = plan_of(world.path(), &["a", "b", "c", "d", "e"]);
        plan.draw.sample = SampleSize::Count(3);
        let turns = |plan: &Plan| count(plan, Some(&OneJudged), Duration::from_secs(60)).unwrap().turns;
        assert_eq!(turns(&plan), None);
        plan.draw.strategy = "coverage";
        assert_eq!(turns(&plan), Some(Turns { never: 4, never_within: 2, all_within: 3 }));
    }

    #[test]
    fn without_time_nothing_is_counted_and_nothing_is_refused() {
        let world = tempfile::tempdir().unwrap();
        let found = count(&plan_of(world.path(), &["a"]), None, Duration::ZERO).unwrap();
        assert!(!found.whole);
    }
}
