//! The flow: a plan in, an outcome out.
//!
//! ```text
//! plan ─▶ catalog ─▶ sample ─▶ restore ─▶ hash both ─▶ verdict ─▶ assurance ─▶ outcome
//! ```
//!
//! A file a stage. This room knows formats by their trait alone; it never writes to a backup or to
//! originals, prints nothing, and reads no clock but to measure its own time.

mod ahead;
pub mod assurance;
mod catalog;
mod cold;
pub mod comparable;
mod completeness;
mod conclude;
pub mod difference;
mod disks;
mod error;
mod exclude;
mod filter;
pub mod hash;
mod judge;
mod keep;
mod nearby;
mod original;
pub mod outcome;
pub(crate) mod pairing;
mod progress;
mod reason;
pub mod sample;
mod settled;
mod sharing;
mod spelling;
mod taken;
pub(crate) mod target;
pub mod verdict;
mod work;

pub use error::Error;
pub use filter::Filter;
pub use progress::{Progress, Silent};

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Mutex, OnceLock};
use std::time::{Instant, SystemTime};

use crate::backup::{self, Damage, Description, Listing, Needs, Scratch, remove_leftovers};
use crate::plan::{CachePolicy, Plan, SampleSize};
use crate::platform::{self, Timestamp};
use crate::stop::Stop;

use catalog::{Count, Drawing, Gate};
use cold::Cold;
use comparable::{Recorded, newest_content};
use completeness::{Ended, Lookup};
use conclude::{Done, conclude};
use disks::Disks;
use hash::Hashing;
use judge::Bench;
use keep::Kept;
use outcome::{Outcome, Population};
use pairing::Pairing;
use sample::{BottomK, Draw, Ranker, Target};
use sharing::Shared;
use work::Work;

/// Verifies a backup as planned.
///
/// # Errors
/// When the backup, the originals or the restore folder cannot be used at all, or nothing is left
/// to verify. Trouble with single files is part of the outcome.
pub fn run(plan: &Plan, stop: &Stop, progress: &dyn Progress) -> Result<Outcome, Error> {
    let clock = Instant::now();
    let stop = &stop.with_deadline(plan.limits.time_limit.map(|limit| clock + limit));
    let filter = Filter::new(&plan.draw.filters)?;
    let originals: Vec<_> = plan.target.originals().collect();
    target::tell_apart(&plan.target.backup, &originals)?;
    check_reports(plan)?;
    target::check(&plan.target.restore_to, &[originals, vec![&plan.target.backup]].concat(), 0)?;
    let leftovers = clean_up(plan)?;

    let cold = plan.engine.cache == CachePolicy::Drop;
    let archive =
        (cold && plan.target.backup.is_file()).then(|| platform::cached(&plan.target.backup)).flatten();
    let backup = backup::open(&plan.target.backup, cold)?;
    let description = backup.describe();
    let pairing = Pairing::new(&*backup, &plan.target.sources, &plan.target.maps, cold, Some(&filter), stop)?;
    let lookup = draw_originals(plan, &pairing, &filter, stop)?;
    let ranker = Ranker::new(&plan.draw.seed);

    let scratch = Scratch::create(&plan.target.restore_to, stop.clone())?;
    let bench = bench(plan, &pairing, &description, stop, progress);
    let gate = Gate::new(&filter, &pairing, &ranker, progress, lookup.as_ref(), stop, bench.recorded.now);
    let work = Work {
        backup: &*backup,
        scratch: &scratch,
        bench: &bench,
        threads: plan.engine.threads,
        in_place_order: plan.engine.in_place_order,
    };
    let needs = filter.needs();
    let done = match plan.draw.sample {
        SampleSize::All => verify_all(&gate, &work, needs, progress),
        _ => verify_sample(plan, &gate, &work, needs, progress),
    };
    progress.verify_done();
    let done = done?;

    let (whole, damage) = (done.population.whole, done.damage.clone());
    let mut outcome = conclude(plan, description, bench, &gate, done, stop);
    let stays = scratch.remove().err().map(|stays| stays.to_string());
    Cold::of(pairing.cached(), archive.or(backup.cached())).tell(&mut outcome);
    let ended = Ended { backup: &*backup, whole, damage: &damage, pairing: &pairing, filter: &filter, stop };
    outcome.completeness = lookup.map(|lookup| lookup.finish(&ended));
    let gone = nearby::note(&outcome.counts, &outcome.findings, &pairing);
    outcome.notes.extend(gone.into_iter().chain(leftovers).chain(pairing.notes()).chain(stays));
    outcome.effort.total = clock.elapsed();
    Ok(outcome)
}

/// Makes sure that the plan's reports are written over no backup and no original.
pub fn check_reports(plan: &Plan) -> Result<(), Error> {
    let reports = [&plan.outputs.reports.json, &plan.outputs.reports.junit].into_iter().flatten();
    let mut files = reports.filter(|report| report.as_os_str() != "-");
    files.try_for_each(|report| check_report(plan, report))
}

/// The same of one report.
pub fn check_report(plan: &Plan, report: &Path) -> Result<(), Error> {
    target::check_report(report, &plan.target.backup, &plan.target.originals().collect::<Vec<_>>())
}

/// Removes what killed runs left, and says so.
fn clean_up(plan: &Plan) -> Result<Vec<String>, Error> {
    let leftovers = remove_leftovers(&plan.target.restore_to)
        .map_err(|source| Error::RestoreFolder { place: plan.target.restore_to.clone(), source })?;
    let removed =
        leftovers.removed.iter().map(|place| format!("removed what a killed run left: {}", place.display()));
    let left = leftovers.left.iter();
    let left = left.map(|place| format!("left alone, it holds files that are not ours: {}", place.display()));
    let doubtful = leftovers.doubtful.iter().map(|place| {
        format!(
            "left alone, it is another user's or it cannot be told whether its run has ended; remove it if no bkverify runs: {}",
            place.display()
        )
    });
    Ok(removed.chain(left).chain(doubtful).collect())
}

fn draw_originals(
    plan: &Plan,
    pairing: &Pairing,
    filter: &Filter,
    stop: &Stop,
) -> Result<Option<Lookup>, Error> {
    if plan.claims.completeness.originals == 0 {
        return Ok(None);
    }
    Lookup::draw(plan, pairing, filter, stop).map(Some)
}

fn bench<'a>(
    plan: &Plan,
    pairing: &'a Pairing,
    description: &Description,
    stop: &'a Stop,
    progress: &'a dyn Progress,
) -> Bench<'a> {
    let disks = Disks::of(plan, &plan.target.originals().collect::<Vec<_>>());
    let since = plan.started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Bench {
        pairing,
        recorded: Recorded {
            size: None,
            mtime: None,
            zone_unknown: false,
            resolution_ns: description.time_resolution_ns,
            taken: description.taken,
            closed: description.taken.filter(|_| description.format != "folder"),
            newest: None,
            window: plan.claims.backup_window,
            now: Timestamp::from_nanos(i128::try_from(since.as_nanos()).unwrap_or(i128::MAX)),
            frozen: plan.claims.assume_unchanged,
        },
        newest: OnceLock::new(),
        vouched_by: OnceLock::new(),
        hash: plan.engine.hash,
        hashing: Hashing::new(plan.engine.hash, plan.engine.threads),
        one_ahead: (disks.reads_ahead && plan.engine.threads > 1).then(Mutex::default),
        one_large_file: disks.one_large_file.then(Mutex::default),
        shared: Shared::new(&plan.target.backup),
        keep: plan.outputs.keep,
        kept: Kept::new(&plan.target.restore_to, &since.as_millis().to_string()),
        budget: plan.limits.budget,
        stop,
        progress,
        restored_bytes: AtomicU64::new(0),
        alarms: AtomicU64::new(0),
        undecided: AtomicU64::new(0),
        pending: AtomicU64::new(0),
        out_of_budget: AtomicBool::new(false),
        broken: OnceLock::new(),
        results: Mutex::default(),
    }
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
    let mut size = plan.draw.sample;
    let (draw, whole, damage) = loop {
        gate.reset();
        let drawing = Drawing::new(gate, BottomK::new(Target::new(size, plan.claims.confidence)));
        let listing = work.backup.catalog(needs, work.threads.min(LISTING_THREADS), &drawing)?;
        let (whole, damage) = match listing {
            Listing::Again => continue,
            listing => ended(listing),
        };
        match drawing.into_inner().finish() {
            Some(draw) => break (draw, whole, damage),
            // The population is known by now: the number it takes can be asked for outright.
            None => {
                let files = gate.population(whole).files;
                size = SampleSize::Count(Target::new(size, plan.claims.confidence).wanted(files));
            }
        }
    };
    let population = population_of(gate, whole, &damage, work)?;
    learn(gate, work);
    progress.catalog_done(population.files);
    progress.verify_starts(Some(draw.wanted));
    let Draw { wanted, picks, .. } = draw;
    let (catalog_time, clock) = (clock.elapsed(), Instant::now());
    let drawn = work.picks(&picks, usize::try_from(wanted).unwrap_or(usize::MAX))? as u64;
    Ok(Done { population, wanted, drawn, damage, catalog_time, verify_time: clock.elapsed() })
}

/// Restores and judges every file. A format whose names may repeat is listed once before, so that
/// no file is judged that a later one replaces.
fn verify_all(
    gate: &Gate<'_>,
    work: &Work<'_>,
    needs: Needs,
    progress: &dyn Progress,
) -> Result<Done, Error> {
    let clock = Instant::now();
    let (mut listed, mut damage) = (None, Vec::new());
    if !work.backup.describe().unique_names {
        let mut listing = Listing::Again;
        while matches!(listing, Listing::Again) {
            gate.reset();
            listing = work.backup.catalog(needs, work.threads.min(LISTING_THREADS), &Count(gate))?;
        }
        let whole;
        (whole, damage) = ended(listing);
        let population = population_of(gate, whole, &damage, work)?;
        learn(gate, work);
        progress.catalog_done(population.files);
        listed = Some(population);
    }
    gate.reset();
    let (catalog_time, clock) = (clock.elapsed(), Instant::now());
    progress.verify_starts(listed.as_ref().map(|population| population.files));
    let (whole, again) = ended(work.everything(gate, needs)?);
    lose(&mut damage, again);
    let population = match listed {
        Some(population) => {
            if population.whole && whole && !work.bench.is_over() {
                lose(&mut damage, differs(&population, &gate.population(whole)));
            }
            population
        }
        None => population_of(gate, whole, &damage, work)?,
    };
    let files = population.files;
    Ok(Done { population, wanted: files, drawn: files, damage, catalog_time, verify_time: clock.elapsed() })
}

/// Whether a listing came to the backup's end, and what of it is damaged.
fn ended(listing: Listing) -> (bool, Vec<Damage>) {
    match listing {
        Listing::Damaged(damage) => (true, damage),
        Listing::Stopped => (false, Vec::new()),
        Listing::Whole | Listing::Again => (true, Vec::new()),
    }
}

/// Adds what is not yet among the damage.
fn lose(damage: &mut Vec<Damage>, more: impl IntoIterator<Item = Damage>) {
    let mut known: HashSet<Damage> = damage.iter().cloned().collect();
    damage.extend(more.into_iter().filter(|each| known.insert(each.clone())));
}

/// What it means that restoring everything met other files than listing everything: what is not met
/// is not verified.
fn differs(listed: &Population, met: &Population) -> Option<Damage> {
    let is_same = (listed.files, &listed.digest) == (met.files, &met.digest);
    (!is_same).then(|| {
        Damage::from(format!(
            "restoring met {} files, listing before that {}, and they are not the same: the backup was changed meanwhile, or \
             its disk does not read the same twice; verify it again",
            met.files, listed.files
        ))
    })
}

/// Lets the judges know what is only known once the backup was listed: the newest time in it, and
/// what vouches for it.
fn learn(gate: &Gate<'_>, work: &Work<'_>) {
    // Neither was set before.
    if let Some(newest) = newest_content(gate.newest(), work.bench.recorded.taken) {
        let _ = work.bench.newest.set(newest);
    }
    if let Some(checksum) = work.backup.vouched_by() {
        let _ = work.bench.vouched_by.set(checksum);
    }
}

/// Most threads that list a backup; more of them wait for each other.
pub(crate) const LISTING_THREADS: usize = 16;

/// The population, unless there is none: an empty one proves nothing and is an error of its own.
fn population_of(
    gate: &Gate<'_>,
    whole: bool,
    damage: &[Damage],
    work: &Work<'_>,
) -> Result<Population, Error> {
    let population = gate.population(whole);
    let concerned = damage.iter().any(|damage| gate.concerns(damage));
    if population.files > 0 || concerned || work.bench.is_over() {
        return Ok(population);
    }
    let Population { filtered, unmapped, .. } = population;
    Err(match filtered + unmapped {
        0 => Error::EmptyBackup { place: work.backup.describe().place },
        listed => Error::EmptyPopulation { listed, filtered, unmapped },
    })
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
