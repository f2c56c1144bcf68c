//! The flow: a plan in, an outcome out.
//!
//! ```text
//! plan ─▶ catalog ─▶ sample ─▶ restore ─▶ hash both ─▶ verdict ─▶ assurance ─▶ outcome
//! ```
//!
//! A file a stage. This room knows formats by their trait alone; it never writes to a backup or to originals, prints
//! nothing, and reads no clock but to measure its own time.

pub mod assurance;
mod catalog;
mod completeness;
pub mod difference;
mod error;
mod filter;
pub mod hash;
mod judge;
mod keep;
pub mod outcome;
pub(crate) mod pairing;
mod progress;
pub mod sample;
pub(crate) mod target;
pub mod verdict;
mod work;

pub use error::Error;
pub use filter::Filter;
pub use progress::{Progress, Silent};

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::backup::{self, Access, Description, Listing, Needs, Scratch, remove_leftovers};
use crate::plan::{CachePolicy, Plan, SampleSize};
use crate::stop::Stop;

use assurance::Assurance;
use catalog::{Count, Drawing, Gate};
use completeness::Lookup;
use judge::{Bench, Results};
use keep::Kept;
use outcome::{Counts, Effort, Incomplete, Outcome, Population, Sample};
use pairing::Pairing;
use sample::{BottomK, Draw, Ranker, Target};
use work::Work;

/// Verifies a backup as planned.
///
/// # Errors
/// When the backup, the originals or the restore folder cannot be used at all, or nothing is left to verify. Trouble with single
/// files is part of the outcome.
pub fn run(plan: &Plan, stop: &Stop, progress: &dyn Progress) -> Result<Outcome, Error> {
    let clock = Instant::now();
    let stop = &stop.with_deadline(plan.time_limit.map(|limit| clock + limit));
    let filter = Filter::new(&plan.filters)?;
    target::check(&plan.restore_to, &places_to_protect(plan), 0)?;
    let leftovers = clean_up(plan)?;

    let cold = plan.cache == CachePolicy::Drop;
    let backup = backup::open(&plan.backup, cold)?;
    let description = backup.describe();
    let pairing = Pairing::new(&*backup, &plan.sources, &plan.maps, cold, stop)?;
    let lookup = draw_originals(plan, &pairing, &filter, &description, stop)?;
    let ranker = Ranker::new(&plan.seed);

    let scratch = Scratch::create(&plan.restore_to, stop.clone())?;
    let bench = bench(plan, &pairing, &description, stop, progress);
    let gate = Gate::new(&filter, &pairing, &ranker, progress, lookup.as_ref(), stop);
    let work = Work { backup: &*backup, scratch: &scratch, bench: &bench, threads: plan.threads };
    let needs = filter.needs();
    let done = match plan.sample {
        SampleSize::All => verify_all(&gate, &work, needs, progress),
        _ => verify_sample(plan, &gate, &work, needs, progress),
    };
    progress.verify_done();
    let done = done?;

    let mut outcome = conclude(plan, description, bench, done, stop)?;
    outcome.completeness = lookup.map(Lookup::finish);
    outcome.notes = [leftovers, pairing.notes()].concat();
    outcome.effort.total = clock.elapsed();
    Ok(outcome)
}

/// What the restore folder must keep away from.
fn places_to_protect(plan: &Plan) -> Vec<&Path> {
    let maps = plan.maps.iter().map(|map| map.to.as_path());
    let sources = plan.sources.iter().map(PathBuf::as_path);
    std::iter::once(plan.backup.as_path()).chain(sources).chain(maps).collect()
}

/// Removes what killed runs left, and says so.
fn clean_up(plan: &Plan) -> Result<Vec<String>, Error> {
    let leftovers = remove_leftovers(&plan.restore_to)
        .map_err(|source| Error::RestoreFolder { place: plan.restore_to.clone(), source })?;
    let removed =
        leftovers.removed.iter().map(|place| format!("removed what a killed run left: {}", place.display()));
    let left = leftovers.left.iter();
    let left = left.map(|place| format!("left alone, it holds files that are not ours: {}", place.display()));
    Ok(removed.chain(left).collect())
}

fn draw_originals(
    plan: &Plan,
    pairing: &Pairing,
    filter: &Filter,
    description: &Description,
    stop: &Stop,
) -> Result<Option<Lookup>, Error> {
    if plan.completeness == 0 {
        return Ok(None);
    }
    Lookup::draw(plan, pairing, filter, description.taken, stop).map(Some)
}

fn bench<'a>(
    plan: &Plan,
    pairing: &'a Pairing,
    description: &Description,
    stop: &'a Stop,
    progress: &'a dyn Progress,
) -> Bench<'a> {
    let since = plan.started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Bench {
        pairing,
        resolution_ns: description.time_resolution_ns,
        hash: plan.hash,
        keep: plan.keep,
        kept: Kept::new(&plan.restore_to, &since.as_millis().to_string()),
        budget: plan.budget,
        stop,
        progress,
        restored_bytes: AtomicU64::new(0),
        out_of_budget: AtomicBool::new(false),
        broken: OnceLock::new(),
        results: Mutex::default(),
    }
}

/// What restoring and judging came to.
struct Done {
    population: Population,
    wanted: u64,
    drawn: u64,
    damage: Vec<String>,
    catalog_time: Duration,
    verify_time: Duration,
}

/// Draws while the backup lists, then restores and judges what was drawn.
fn verify_sample(
    plan: &Plan,
    gate: &Gate<'_>,
    work: &Work<'_>,
    needs: Needs,
    progress: &dyn Progress,
) -> Result<Done, Error> {
    let clock = Instant::now();
    let mut size = plan.sample;
    let (draw, damage) = loop {
        gate.reset();
        let drawing = Drawing::new(gate, BottomK::new(Target::new(size, plan.confidence)));
        let listing = work.backup.catalog(needs, work.threads.min(LISTING_THREADS), &drawing)?;
        let damage = match listing {
            Listing::Again => continue,
            Listing::Damaged(damage) => damage,
            Listing::Whole | Listing::Stopped => Vec::new(),
        };
        match drawing.into_inner().finish() {
            Some(draw) => break (draw, damage),
            // The population is known by now: the number it takes can be asked for outright.
            None => {
                size = SampleSize::Count(Target::new(size, plan.confidence).wanted(gate.population().files));
            }
        }
    };
    let population = population_of(gate, &damage, work)?;
    progress.catalog_done(population.files);
    progress.verify_starts(Some(draw.wanted));
    let Draw { wanted, picks, .. } = draw;
    let (catalog_time, clock) = (clock.elapsed(), Instant::now());
    let drawn = work.picks(&picks, usize::try_from(wanted).unwrap_or(usize::MAX))? as u64;
    Ok(Done { population, wanted, drawn, damage, catalog_time, verify_time: clock.elapsed() })
}

/// Restores and judges every file. A format whose names may repeat is listed once before, so that no file is judged that
/// a later one replaces.
fn verify_all(
    gate: &Gate<'_>,
    work: &Work<'_>,
    needs: Needs,
    progress: &dyn Progress,
) -> Result<Done, Error> {
    let clock = Instant::now();
    let description = work.backup.describe();
    let mut total = None;
    let mut damage = Vec::new();
    if !description.unique_names {
        let mut listing = Listing::Again;
        while matches!(listing, Listing::Again) {
            gate.reset();
            listing = work.backup.catalog(needs, work.threads.min(LISTING_THREADS), &Count(gate))?;
        }
        if let Listing::Damaged(lines) = listing {
            damage = lines;
        }
        total = Some(gate.population().files);
        progress.catalog_done(gate.population().files);
    }
    let listed = (description.access == Access::Sequential).then(|| population_of(gate, &damage, work));
    let listed = listed.transpose()?;
    gate.reset();
    let (catalog_time, clock) = (clock.elapsed(), Instant::now());
    progress.verify_starts(total);
    if let Listing::Damaged(lines) = work.everything(gate, needs)? {
        damage = lines;
    }
    let population = match listed {
        Some(population) => population,
        None => population_of(gate, &damage, work)?,
    };
    let files = population.files;
    Ok(Done { population, wanted: files, drawn: files, damage, catalog_time, verify_time: clock.elapsed() })
}

/// Most threads that list a backup; more of them wait for each other.
const LISTING_THREADS: usize = 8;

/// The population, unless there is none: an empty one proves nothing and is an error of its own.
fn population_of(gate: &Gate<'_>, damage: &[String], work: &Work<'_>) -> Result<Population, Error> {
    let population = gate.population();
    if population.files > 0 || !damage.is_empty() || work.bench.is_over() {
        return Ok(population);
    }
    let Population { filtered, unmapped, .. } = population;
    Err(match filtered + unmapped {
        0 => Error::EmptyBackup { place: work.backup.describe().place },
        listed => Error::EmptyPopulation { listed, filtered, unmapped },
    })
}

fn conclude(
    plan: &Plan,
    description: Description,
    bench: Bench<'_>,
    done: Done,
    stop: &Stop,
) -> Result<Outcome, Error> {
    let out_of_budget = bench.out_of_budget.into_inner();
    if let Some(source) = bench.broken.into_inner() {
        return Err(Error::RestoreFolder { place: plan.restore_to.clone(), source });
    }
    let Results { counts, mut findings, hashed_bytes } =
        bench.results.into_inner().unwrap_or_else(PoisonError::into_inner);
    findings.sort_by(|one, other| one.path.cmp(&other.path));
    let looked_at = counts.conclusive() + counts.inconclusive();
    let incomplete = if is_enough(&done, &counts) {
        None
    } else if out_of_budget {
        Some(Incomplete::Budget)
    } else if stop.is_late() {
        Some(Incomplete::TimeLimit)
    } else if stop.is_set() {
        Some(Incomplete::Interrupted)
    } else {
        Some(Incomplete::TooFewConclusive)
    };
    let Done { population, wanted, drawn, damage, catalog_time, verify_time } = done;
    Ok(Outcome {
        backup: description,
        assurance: Assurance::new(population.files, counts.conclusive(), counts.bad(), plan.confidence),
        population,
        sample: Sample {
            strategy: if plan.sample == SampleSize::All { "all" } else { "random" },
            seed: plan.seed.clone(),
            wanted,
            drawn: looked_at,
            replacements: drawn.saturating_sub(wanted).min(looked_at),
        },
        counts,
        findings,
        completeness: None,
        damage,
        incomplete,
        notes: Vec::new(),
        effort: Effort {
            catalog: catalog_time,
            verify: verify_time,
            total: catalog_time + verify_time,
            restored_bytes: bench.restored_bytes.into_inner(),
            hashed_bytes,
            hash: plan.hash,
            threads: plan.threads,
        },
    })
}

/// Whether the asked-for number is conclusive. Once every file of the population was looked at there is nothing left to draw: then
/// the conclusive ones are enough if they are the greater part, and the statement covers the others.
fn is_enough(done: &Done, counts: &Counts) -> bool {
    let (conclusive, looked_at) = (counts.conclusive(), counts.conclusive() + counts.inconclusive());
    conclusive >= done.wanted.max(1)
        || (looked_at >= done.population.files.max(1) && 2 * conclusive > looked_at)
}
