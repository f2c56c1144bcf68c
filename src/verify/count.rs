//! How many files a run would choose from, for `bkverify plan`: what a run does up to the draw, for
//! a short time, restoring nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::backup::{Entry, Needs};
use crate::cancel::CancelToken;
use crate::plan::Plan;

use super::Error;
use super::ages::Ages;
use super::coverage::runs_for;
use super::listed::{HowListed, Listed, list};
use super::memory::LastJudged;
use super::sample::SampleQuota;
use super::strategy;

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
    // A run says what is wrong with its memory.
    let ages = last_judged.map(|remembered| Ages::read(remembered, &plan.draw.seed));
    let is_known = !matches!(ages, Some(Err(_)));
    let ages = ages.and_then(Result::ok).unwrap_or_else(Ages::none);
    let never = NeverJudged { ages, files: AtomicU64::new(0) };
    let HowListed { format, population, damaged } = list(plan, Needs::default(), cancel, &never)?;
    let turns = (is_known && strategy::of(&plan.draw).rotates()).then(|| {
        let half = SampleQuota::new(plan.draw.sample, plan.claims.confidence).half().wanted(population.files);
        let (never, within) = (never.files.into_inner(), |files| runs_for(files, half));
        Turns { never, never_within: within(never), all_within: within(population.files) }
    });
    Ok(Counted {
        format,
        files: population.files,
        filtered: population.filtered,
        unmapped: population.unmapped,
        whole: population.whole,
        damaged,
        turns,
    })
}

/// Counts the files that no run has judged.
struct NeverJudged {
    ages: Ages,
    files: AtomicU64,
}

impl Listed for NeverJudged {
    fn files(&self, files: &[Entry<'_>]) {
        let never = files.iter().filter(|entry| self.ages.of_path(entry.path) == 0).count();
        self.files.fetch_add(never as u64, Ordering::Relaxed);
    }

    fn restarts(&self) {
        self.files.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::backup::Location;
    use crate::plan::{Plan, SampleSize, Target};
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
        struct Unread;
        impl LastJudged for Unread {
            fn each(&self, _: &mut dyn FnMut(PathKey, u64)) -> Result<(), String> {
                Err("it is locked".to_owned())
            }
        }
        let found = count(&plan, Some(&Unread), Duration::from_secs(60)).unwrap();
        assert_eq!((found.files, found.turns), (5, None), "what cannot be read is not called never judged");
    }

    #[test]
    fn without_time_nothing_is_counted_and_nothing_is_refused() {
        let world = tempfile::tempdir().unwrap();
        let found = count(&plan_of(world.path(), &["a"]), None, Duration::ZERO).unwrap();
        assert!(!found.whole);
    }
}
