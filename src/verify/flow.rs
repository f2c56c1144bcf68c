//! Listing, drawing, restoring and judging, in the order that the strategy asks for.
//!
//! In: an opened backup and what judges it. Out: what was [`Seen`], which becomes the tally of the
//! run.

use std::collections::HashSet;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use crate::backup::{Context, Damage, Listing, Needs};
use crate::plan::{Plan, SampleSize};
use crate::stop::Stop;

use super::catalog::{Count, Drawing, PopulationFilter};
use super::comparable::newest_content;
use super::judge_context::JudgeContext;
use super::outcome::{Incomplete, Population};
use super::sample::{BottomK, Draw, Target};
use super::sharing::SharedBlocks;
use super::strategy::{self, Strategy};
use super::tally::Tally;
use super::total::Total;
use super::work::Work;
use super::{Error, Filter, LISTING_THREADS, Observer};

/// One run's way through its backup.
pub(super) struct Flow<'a> {
    plan: &'a Plan,
    strategy: &'static dyn Strategy,
    population_filter: &'a PopulationFilter<'a>,
    work: &'a Work<'a>,
    observer: &'a dyn Observer,
    needs: Needs,
}

/// What was listed and how much of it was judged; the verdicts are with the judges.
pub(super) struct Seen {
    pub(super) population: Population,
    pub(super) wanted: u64,
    pub(super) drawn: u64,
    pub(super) damage: Vec<Damage>,
    pub(super) in_order: bool,
    pub(super) under_way: u64,
    pub(super) catalog_time: Duration,
    pub(super) verify_time: Duration,
}

impl<'a> Flow<'a> {
    /// A flow that has not begun.
    pub(super) fn new(
        plan: &'a Plan,
        population_filter: &'a PopulationFilter<'a>,
        work: &'a Work<'a>,
        filter: &Filter,
        observer: &'a dyn Observer,
    ) -> Self {
        let strategy = strategy::for_sample(plan.draw.sample);
        let (filters, order) = (filter.needs(), strategy.needs());
        let needs = Needs { size: filters.size || order.size, mtime: filters.mtime || order.mtime };
        Self { plan, strategy, population_filter, work, observer, needs }
    }

    /// Whether picks are judged in the order in which they lie in the backup.
    fn is_in_order(&self) -> bool {
        self.strategy.is_everything() || self.plan.engine.in_disk_order || self.work.schedule.ordered
    }

    /// For a listing with nothing beside it.
    fn listing(&self) -> Context {
        self.work.run.with_threads(self.work.schedule.threads.min(LISTING_THREADS))
    }

    /// Verifies what the plan asks for.
    pub(super) fn run(&self) -> Result<Seen, Error> {
        if self.strategy.is_everything() { self.everything() } else { self.sample() }
    }

    /// Draws while the backup lists, then restores and judges what was drawn.
    fn sample(&self) -> Result<Seen, Error> {
        let clock = Instant::now();
        let mut size = self.plan.draw.sample;
        let (draw, whole, damage) = loop {
            self.population_filter.reset();
            let drawing = Drawing::new(
                self.population_filter,
                self.strategy,
                BottomK::new(Target::new(size, self.plan.claims.confidence)),
            );
            let listing = self.work.backup.catalog(self.needs, &self.listing(), &drawing)?;
            let (whole, damage) = ended(listing);
            match drawing.into_inner().finish() {
                Some(draw) => break (draw, whole, damage),
                // The population is known by now: the number it takes can be asked for outright.
                None => {
                    let files = self.population_filter.population(whole).files;
                    size = SampleSize::Count(Target::new(size, self.plan.claims.confidence).wanted(files));
                }
            }
        };
        let population = self.population(whole, &damage)?;
        self.learn();
        self.observer.catalog_done(population.files);
        self.observer.verify_starts(Some(draw.wanted));
        let Draw { wanted, picks, .. } = draw;
        let (catalog_time, clock) = (clock.elapsed(), Instant::now());
        let drawn = self.work.picks(&picks, usize::try_from(wanted).unwrap_or(usize::MAX))? as u64;
        Ok(Seen {
            population,
            wanted,
            drawn,
            damage,
            in_order: self.is_in_order(),
            under_way: self.work.schedule.under_way(),
            catalog_time,
            verify_time: clock.elapsed(),
        })
    }

    /// Restores and judges every file. A format whose names may repeat is listed once before, so that
    /// no file is judged that a later one replaces.
    fn everything(&self) -> Result<Seen, Error> {
        let clock = Instant::now();
        let (mut listed, mut damage) = (None, Vec::new());
        if !self.work.backup.description().unique_names {
            self.population_filter.reset();
            let listing =
                self.work.backup.catalog(self.needs, &self.listing(), &Count(self.population_filter))?;
            let whole;
            (whole, damage) = ended(listing);
            let population = self.population(whole, &damage)?;
            self.learn();
            self.observer.catalog_done(population.files);
            listed = Some(population);
        }
        self.population_filter.reset();
        let (catalog_time, clock) = (clock.elapsed(), Instant::now());
        self.observer.verify_starts(listed.as_ref().map(|population| population.files));
        let work = || self.work.everything(self.population_filter, self.needs);
        // A backup elsewhere is not listed twice for the sake of a number.
        let is_counted = listed.is_none() && self.plan.target.backup.local().is_some();
        let done = if is_counted { self.total().told_during(work) } else { work() };
        let (whole, again) = ended(done?);
        lose(&mut damage, again);
        let population = match listed {
            Some(population) => {
                if population.whole && whole && !self.work.context.is_over() {
                    lose(&mut damage, differs(&population, &self.population_filter.population(whole)));
                }
                population
            }
            None => self.population(whole, &damage)?,
        };
        let files = population.files;
        Ok(Seen {
            population,
            wanted: files,
            drawn: files,
            damage,
            in_order: self.is_in_order(),
            under_way: self.work.schedule.under_way(),
            catalog_time,
            verify_time: clock.elapsed(),
        })
    }

    fn total(&self) -> Total<'_> {
        let (backup, stop) = (self.work.backup, self.work.context.stop.child());
        Total {
            backup,
            population_filter: self.population_filter,
            needs: self.needs,
            observer: self.observer,
            stop,
        }
    }

    /// Lets the judges know what is only known once the backup was listed: the newest time in it, and
    /// what vouches for it.
    fn learn(&self) {
        // Neither was set before.
        if let Some(newest) =
            newest_content(self.population_filter.newest(), self.work.context.recorded.taken)
        {
            let _ = self.work.context.newest.set(newest);
        }
        if let Some(checksum) = self.work.backup.vouched_by() {
            let _ = self.work.context.vouched_by.set(checksum);
        }
    }

    /// The population, unless there is none: an empty one proves nothing and is an error of its own.
    fn population(&self, whole: bool, damage: &[Damage]) -> Result<Population, Error> {
        let population = self.population_filter.population(whole);
        let concerned = damage.iter().any(|damage| self.population_filter.concerns(damage));
        if population.files > 0 || concerned || self.work.context.is_over() {
            return Ok(population);
        }
        let Population { filtered, unmapped, .. } = population;
        Err(match filtered + unmapped {
            0 => Error::EmptyBackup { location: self.work.backup.description().location.clone() },
            listed => Error::EmptyPopulation { listed, filtered, unmapped },
        })
    }
}

impl Seen {
    /// The tally of a run: what was seen, with what its judges found.
    pub(super) fn tally(
        mut self,
        plan: &Plan,
        context: JudgeContext<'_>,
        population_filter: &PopulationFilter<'_>,
        stop: &Stop,
    ) -> Tally {
        let picks = context.picks.into_inner().unwrap_or_else(PoisonError::into_inner);
        let lost = context.lost.into_inner().unwrap_or_else(PoisonError::into_inner);
        lose(&mut self.damage, lost);
        let broken = context.broken.into_inner();
        let ended = match () {
            () if broken.is_some() => Some(Incomplete::RestoreFolder),
            () if context.out_of_budget.into_inner() => Some(Incomplete::Budget),
            () if stop.is_late() => Some(Incomplete::TimeLimit),
            () if stop.is_set() => Some(Incomplete::Interrupted),
            () => None,
        };
        let mut notes: Vec<String> = context.kept.note().into_iter().collect();
        notes.extend(broken.iter().map(|error| broken_folder(plan, error)));
        notes.extend(context.shared.iter().flat_map(SharedBlocks::notes));
        let mut tally = Tally {
            picks,
            population: self.population,
            wanted: self.wanted,
            drawn: self.drawn,
            in_order: self.in_order,
            under_way: self.under_way,
            ended,
            damage: Vec::new(),
            denied: Vec::new(),
            notes,
            catalog_time: self.catalog_time,
            verify_time: self.verify_time,
        };
        sort_out(&mut tally, population_filter, self.damage);
        tally
    }
}

/// Damage by what it means for the run: a failure, doubt, or no concern of it.
fn sort_out(tally: &mut Tally, population_filter: &PopulationFilter<'_>, damage: Vec<Damage>) {
    for damage in damage {
        if !population_filter.concerns(&damage) {
            tally.population.unlisted += 1;
            tally.notes.push(format!("no concern of this run, by its filters and sources: {damage}"));
        } else if damage.denied {
            tally.denied.push(damage.problem);
        } else {
            tally.damage.push(damage.problem);
        }
    }
}

/// What a person is told of a restore folder that failed.
fn broken_folder(plan: &Plan, error: &std::io::Error) -> String {
    let path = plan.target.restore_to.display();
    format!(
        "cannot write to the restore folder {path}: {error}; free some space, or name another with --restore-to"
    )
}

/// Whether a listing came to the backup's end, and what of it is damaged.
fn ended(listing: Listing) -> (bool, Vec<Damage>) {
    match listing {
        Listing::Damaged(damage) => (true, damage),
        Listing::Stopped => (false, Vec::new()),
        Listing::Whole => (true, Vec::new()),
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
