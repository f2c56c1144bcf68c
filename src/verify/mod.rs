//! The flow of a run. In: a plan. Out: an outcome.
//!
//! ```text
//! plan ─▶ catalog ─▶ sample ─▶ restore ─▶ hash both ─▶ verdict ─▶ assurance ─▶ outcome
//! ```
//!
//! Each stage has a file of its own. This module knows backup formats only by their trait. It never
//! writes to a backup or to originals, and it prints nothing. It reads the clock only to measure
//! how long it takes and to keep the time limit.

mod ages;
mod ahead;
pub mod arrivals;
pub mod assurance;
pub mod byte_bound;
mod catalog;
mod cold;
pub mod comparable;
mod completeness;
pub mod conclude;
mod count;
pub mod counts;
pub mod coverage;
pub mod difference;
mod disks;
pub mod draw;
mod error;
mod exclude;
mod filter;
mod flow;
pub mod hash;
mod judge;
mod judge_context;
mod keep;
pub mod known;
pub mod known_counts;
mod limit;
mod listed;
pub mod memory;
mod name_filter;
mod naming;
mod nearby;
mod observer;
mod original;
pub mod outcome;
mod own_files;
pub(crate) mod pairing;
mod path_key;
mod prepare;
mod reason;
pub mod record;
mod resumed;
pub mod sample;
mod schedule;
mod settled;
mod sharing;
pub mod size;
pub mod spelling;
pub mod statement;
pub mod strategy;
mod taken;
pub mod tally;
pub(crate) mod target;
mod total;
pub mod verdict;
mod work;

pub use count::{Counted, Turns, count};
pub use error::Error;
pub use filter::Filter;
pub use listed::{Listed, list};
pub use memory::Memory;
pub use observer::{Observer, Observers, Silent};
pub use prepare::{
    check, check_backup, check_originals, check_report, check_reports, check_restore_folder,
    make_restore_folder,
};
pub use record::{Hashes, PickRecord, UsedHash};

use std::time::Instant;

use crate::backup::{self, Backup, Context, Scratch};
use crate::cancel::CancelToken;
use crate::plan::{CachePolicy, Plan};
use crate::platform::{self, Cached};

use catalog::PopulationFilter;
use cold::Cold;
use completeness::{Lookup, LookupContext};
use conclude::conclude;
use flow::Flow;
use judge_context::JudgeContext;
use naming::Naming;
use outcome::Outcome;
use own_files::OwnFiles;
use pairing::Pairing;
use prepare::Prepared;
use sample::Ranker;
use schedule::Schedule;
use work::Work;

/// Opens the backup that the plan names, and verifies it as planned.
///
/// # Errors
/// If the backup, the originals or the restore folder cannot be used at all, or if no file is left
/// to verify. Problems with single files are part of the outcome.
pub fn run(
    plan: &Plan,
    memory: Memory<'_>,
    cancel: &CancelToken,
    observer: &dyn Observer,
) -> Result<Outcome, Error> {
    let clock = Instant::now();
    check(plan)?;
    let cold = plan.engine.cache == CachePolicy::Drop;
    // Asked before the file is opened: opening it drops it from the system's cache.
    let archive = plan.target.backup.local().filter(|path| cold && path.is_file());
    let archive = archive.and_then(platform::cached);
    let backup = backup::open(&plan.target.backup, &context(plan, cancel))?;
    // Before the restore folder is made: links in the backup may lead to where that would be.
    prepare::check_folders(plan, &*backup)?;
    let prepared = prepare::prepare(plan)?;
    verify(plan, prepared, (&*backup, archive), memory, cancel, observer, clock)
}

/// Verifies a backup that is already open, as planned. The plan's own name for the backup is only
/// checked and printed.
///
/// # Errors
/// As for [`run`].
pub fn run_on(
    plan: &Plan,
    backup: &dyn Backup,
    memory: Memory<'_>,
    cancel: &CancelToken,
    observer: &dyn Observer,
) -> Result<Outcome, Error> {
    let clock = Instant::now();
    verify(plan, prepare::prepare(plan)?, (backup, None), memory, cancel, observer, clock)
}

/// With what a plan has its backup opened, listed and restored.
pub fn context(plan: &Plan, cancel: &CancelToken) -> Context {
    Context {
        cancel: cancel.clone(),
        cold: plan.engine.cache == CachePolicy::Drop,
        threads: plan.engine.threads,
        work_folder: Some(plan.target.restore_to.clone()),
    }
}

/// Verifies an open backup. The second part of the pair tells how much of the backup's file was in
/// the system's cache before it was opened, if that is known.
fn verify(
    plan: &Plan,
    prepared: Prepared,
    (backup, archive): (&dyn Backup, Option<Cached>),
    memory: Memory<'_>,
    cancel: &CancelToken,
    observer: &dyn Observer,
    clock: Instant,
) -> Result<Outcome, Error> {
    let Prepared { filter, leftovers } = prepared;
    let cancel = &cancel.with_deadline(plan.limits.time_limit.map(|limit| clock + limit));
    let cold = plan.engine.cache == CachePolicy::Drop;
    let description = backup.description();
    let filter = filter.for_paths(description.path_root());
    if description.several.is_some() {
        if memory.manifest.is_some() {
            return Err(Error::SeveralSnapshots("a manifest knows one version of each file"));
        }
        // A version that was bad may now be listed with a newer snapshot.
        if !plan.draw.filters.only.is_empty() {
            return Err(Error::SeveralSnapshots("--recheck is about files of one snapshot"));
        }
    }
    observer.begins(plan, description);
    let run = context(plan, cancel);
    let pairing = Pairing::new(backup, &plan.target.sources, &plan.target.maps, cold, Some(&filter), cancel)?
        .leaving_alone(OwnFiles::of(plan.outputs.state.as_deref()));
    let naming = memory.manifest.map(|manifest| Naming::find(backup, &pairing, manifest, cancel));
    let naming = naming.transpose()?.flatten();
    let lookup = (plan.claims.completeness.originals > 0 && !pairing.has_no_originals())
        .then(|| Lookup::draw(plan, &pairing, &filter, description.several.as_ref(), cancel))
        .transpose()?;
    let ranker = Ranker::new(&plan.draw.seed);

    let scratch = Scratch::create(&plan.target.restore_to, cancel.clone())?;
    let context =
        JudgeContext { naming, ..JudgeContext::new(plan, memory, &pairing, description, cancel, observer) };
    let population_filter = PopulationFilter::new(
        &filter,
        &pairing,
        &ranker,
        observer,
        lookup.as_ref(),
        cancel,
        context.recorded.now,
    );
    let work = Work {
        backup,
        scratch: &scratch,
        context: &context,
        run: &run,
        schedule: Schedule::of(backup.reach(), plan.engine.threads),
        in_disk_order: plan.engine.in_disk_order,
    };
    let seen = Flow::new(plan, &population_filter, &work, &filter, observer).run();
    observer.verify_done();
    let mut seen = seen?;
    seen.damage.extend(pairing.gaps());

    let (whole, damage) = (seen.population.whole, seen.damage.clone());
    let mut outcome =
        conclude(plan, description.clone(), seen.tally(plan, context, &population_filter, cancel));
    let stays = scratch.remove().err().map(|stays| stays.to_string());
    Cold::of(pairing.cached(), archive.or(backup.cached())).tell(&mut outcome);
    let lookup_context =
        LookupContext { backup, whole, damage: &damage, pairing: &pairing, filter: &filter, cancel };
    outcome.completeness = lookup.map(|lookup| lookup.finish(&lookup_context));
    let mut judged = outcome.counts.clone();
    outcome.beside.iter().for_each(|beside| judged.merge(beside));
    let gone = nearby::note(&judged, &outcome.findings, &pairing);
    outcome.notes.extend(plan.origin.notes.iter().cloned());
    outcome
        .notes
        .extend(gone.into_iter().chain(backup.notes()).chain(leftovers).chain(pairing.notes()).chain(stays));
    outcome.effort.total = clock.elapsed();
    observer.concluded(&outcome);
    Ok(outcome)
}

/// The most threads that list a backup. With more, they would only wait for each other.
pub(crate) const LISTING_THREADS: usize = 16;

#[cfg(test)]
mod resume_tests;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod simulation_of_strategies;
#[cfg(test)]
mod tests;
