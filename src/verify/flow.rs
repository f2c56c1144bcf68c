//! Lists the backup, draws the sample, and restores and judges it, in the order that the strategy
//! asks for.
//!
//! In: an open backup, and what the judges need. Out: a [`FlowResult`], which becomes the tally of
//! the run.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::backup::{Context, Damage, DamageKind, Entry, EntryBatch, Listing, Needs};
use crate::cancel::CancelToken;
use crate::lock::{into_inner, lock};
use crate::plan::{Plan, SampleSize};
use crate::words;

use super::arrivals::{ArrivalLimit, Arrivals};
use super::catalog::{CountSink, DrawSink, PopulationFilter};
use super::comparable::newest_content;
use super::draw::{Begun, Drawn, DrawnBeside, Group, Request};
use super::judge_context::JudgeContext;
use super::limit::Limit;
use super::memory::{Memory, PathKey};
use super::outcome::{Incomplete, Population};
use super::resumed::{CarriedOver, Resumed, RollCall};
use super::sample::SampleQuota;
use super::sharing::SharedBlocks;
use super::strategy::{self, Strategy};
use super::tally::{BesideTally, Tally};
use super::total::Total;
use super::work::Work;
use super::{Error, Filter, LISTING_THREADS, Observer};

/// Runs the stages of one verification.
pub(super) struct Flow<'a> {
    plan: &'a Plan,
    strategy: &'static dyn Strategy,
    population_filter: &'a PopulationFilter<'a>,
    work: &'a Work<'a>,
    observer: &'a dyn Observer,
    needs: Needs,
}

/// What was listed, and how many picks were drawn. The verdicts are in the [`JudgeContext`].
pub(super) struct FlowResult {
    pub(super) population: Population,
    pub(super) wanted: u64,
    pub(super) drawn: u64,
    pub(super) beside: Option<BesideTally>,
    pub(super) arrivals: Option<Arrivals>,
    pub(super) notes: Vec<String>,
    pub(super) damage: Vec<Damage>,
    pub(super) in_order: bool,
    pub(super) in_progress: u64,
    pub(super) catalog_time: Duration,
    pub(super) verify_time: Duration,
}

/// What was drawn while the backup was listed.
struct Listed {
    drawn: Drawn,
    notes: Vec<String>,
    whole: bool,
    damage: Vec<Damage>,
}

impl<'a> Flow<'a> {
    /// Prepares a flow without starting it.
    pub(super) fn new(
        plan: &'a Plan,
        population_filter: &'a PopulationFilter<'a>,
        work: &'a Work<'a>,
        filter: &Filter,
        observer: &'a dyn Observer,
    ) -> Self {
        let strategy = strategy::of(&plan.draw);
        let (filters, order) = (filter.needs(), strategy.needs());
        // The newest time in the backup decides whether a manifest speaks for its files.
        let Memory { manifest, resumed, .. } = work.context.memory;
        // Sizes and times tell whether the backup still holds what earlier sessions judged.
        let is_timed = manifest.is_some() || resumed.is_some();
        let needs = Needs {
            size: filters.size || order.size || resumed.is_some(),
            mtime: filters.mtime || order.mtime || is_timed,
        };
        Self { plan, strategy, population_filter, work, observer, needs }
    }

    /// Whether picks are judged in the order of their positions in the backup.
    fn is_in_order(&self) -> bool {
        self.strategy.is_everything() || self.plan.engine.in_disk_order || self.work.schedule.ordered
    }

    /// The context for a listing while nothing else is running.
    fn listing(&self) -> Context {
        self.work.run.with_threads(self.work.schedule.threads.min(LISTING_THREADS))
    }

    /// Verifies what the plan asks for.
    pub(super) fn run(&self) -> Result<FlowResult, Error> {
        let id = self.work.backup.description().id.as_deref();
        if self.work.context.memory.resumed.is_some_and(|resumed| !resumed.is_of_backup(id)) {
            return Err(Error::NotResumable(
                "another backup has taken the place of the one that the run began with",
            ));
        }
        if self.strategy.is_everything() { self.everything() } else { self.sample() }
    }

    /// Draws the sample while the backup is listed, then restores and judges it, and then what is
    /// to be judged beside it.
    fn sample(&self) -> Result<FlowResult, Error> {
        let clock = Instant::now();
        let Listed { drawn, mut notes, whole, damage } = self.draw()?;
        let population = self.population(whole, &damage)?;
        let empty =
            drawn.arrivals.as_ref().map_or(0, |arrivals| population.files.saturating_sub(arrivals.filled));
        if empty > 0 {
            notes.push(format!(
                "of {} files in the backup, {empty} are empty: the strategy size never looks at these, so it does not find \
                 copies that lost all their content",
                population.files
            ));
        }
        if let Some(resumed) = self.work.context.memory.resumed {
            // The same seed draws the same files from the same population only.
            let is_complete = whole && damage.is_empty();
            if is_complete && !resumed.is_of(&population) {
                return Err(Error::NotResumable("the backup lists other files than when the run began"));
            }
            let roll_call = resumed.roll_call();
            drawn.picks.iter().for_each(|entry| _ = roll_call.holds(&entry));
            notes.extend(self.carry_over_first(roll_call, is_complete)?);
        }
        if drawn.arrivals.is_some() && population.bytes.is_none() {
            return Err(Error::SizesUnknown { location: self.work.backup.description().location.clone() });
        }
        self.tell_judges();
        self.observer.catalog_done(&population);
        let Drawn { wanted, picks, beside, arrivals } = drawn;
        let limit = match &arrivals {
            Some(arrivals) => Limit::Arrivals(ArrivalLimit::new(arrivals)),
            None => Limit::Replaced(usize::try_from(wanted).unwrap_or(usize::MAX)),
        };
        self.work.context.picks_answer.store(arrivals.is_some(), Ordering::Relaxed);
        let more = beside.as_ref().map_or(0, |beside| beside.wanted);
        let (catalog_time, clock) = (clock.elapsed(), Instant::now());
        let drawn = self.judge_sample(&picks, limit, more)?;
        let beside = beside.map(|beside| self.beside(&beside, &picks, drawn)).transpose()?;
        Ok(FlowResult {
            population,
            wanted,
            drawn: drawn as u64,
            beside,
            arrivals,
            notes,
            damage,
            in_order: self.is_in_order(),
            in_progress: self.work.schedule.in_progress(),
            catalog_time,
            verify_time: clock.elapsed(),
        })
    }

    /// Lists the backup and draws from it.
    fn draw(&self) -> Result<Listed, Error> {
        let mut size = self.plan.draw.sample;
        let confidence = self.plan.claims.confidence;
        loop {
            self.population_filter.reset();
            let last_judged = self.work.context.memory.last_judged;
            let request = Request { size, confidence, seed: &self.plan.draw.seed, last_judged };
            let Begun { draw, notes } = self.strategy.draw(&request);
            let sink = DrawSink::new(self.population_filter, draw);
            let listing = self.work.backup.catalog(self.needs, &self.listing(), &sink)?;
            let (whole, damage) = into_parts(listing);
            if let Some(drawn) = sink.finish() {
                return Ok(Listed { drawn, notes, whole, damage });
            }
            // The size of the population is now known, so the second pass can ask for a fixed
            // number of files.
            let files = self.population_filter.population(whole).files;
            size = SampleSize::Count(SampleQuota::new(size, confidence).wanted(files));
        }
    }

    /// Judges what was drawn beside the sample and is not among the first `judged` picks of it.
    fn beside(&self, beside: &DrawnBeside, sample: &EntryBatch, judged: usize) -> Result<BesideTally, Error> {
        let judged: HashSet<PathKey> =
            sample.iter().take(judged).map(|entry| PathKey::of(entry.path)).collect();
        let wanted = usize::try_from(beside.wanted).unwrap_or(usize::MAX);
        let others = beside.picks.iter().filter(|entry| !judged.contains(&PathKey::of(entry.path)));
        let picks: EntryBatch = others.take(wanted).collect();
        let mut drawn = 0;
        if !self.work.context.is_over() {
            drawn = self.work.picks(&picks, Limit::Fixed(picks.len()), Group::Beside)?;
        }
        let is_done = drawn == picks.len();
        Ok(BesideTally { wanted: beside.wanted, drawn: drawn as u64, is_done })
    }

    /// Restores and judges the sample, except for what earlier sessions judged; `more` files are
    /// judged beside it. Returns how many picks were drawn in all sessions.
    fn judge_sample(&self, picks: &EntryBatch, limit: Limit<'_>, more: u64) -> Result<usize, Error> {
        let Some(carried_over) = self.work.context.carried_over.get() else {
            self.observer.verify_starts(Some(limit.first().min(picks.len()) as u64 + more));
            return Ok(self.work.picks(picks, limit, Group::Sample)?);
        };
        let is_judged: Vec<bool> = picks.iter().map(|entry| carried_over.holds(entry.path)).collect();
        let left: EntryBatch =
            picks.iter().zip(&is_judged).filter(|(_, judged)| !**judged).map(|(entry, _)| entry).collect();
        // Each pick that could not be compared was to be replaced, and each one that was judged is
        // done.
        let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let outside = number(lock(&self.work.context.picks).counts.outside());
        let judged = number(carried_over.judged());
        let wanted = limit.first().saturating_add(outside).saturating_sub(judged);
        // A session may have been busy with a pick when it ended, and done with others of a higher
        // rank. What kept it busy may be what is bad, so no pick below the last one that was judged
        // is left out.
        let last = is_judged.iter().rposition(|&judged| judged).unwrap_or(0);
        let below = is_judged[..last].iter().filter(|&&judged| !judged).count();
        let wanted = wanted.max(below);
        self.observer.verify_starts(Some(wanted as u64));
        let drawn = self.work.picks(&left, Limit::Replaced(wanted), Group::Sample)?;
        // Those that were not handed out because this session ended, too, are missing all the same.
        Ok(judged + drawn.max(below))
    }

    /// Carries over what still holds of earlier sessions, before anything is judged. `is_complete`
    /// says whether the listing showed every file.
    fn carry_over_first(&self, roll_call: RollCall, is_complete: bool) -> Result<Option<String>, Error> {
        let carried_over = roll_call.finish(is_complete);
        if carried_over.judged() == 0 && carried_over.dropped() > 0 {
            return Err(Error::NotResumable("no file that it judged is in the backup as it was"));
        }
        Ok(self.carry_over(carried_over))
    }

    /// Carries over what still holds of earlier sessions. Returns a note about what does not.
    fn carry_over(&self, carried_over: CarriedOver) -> Option<String> {
        let (judged, dropped) = (carried_over.judged(), carried_over.dropped());
        self.work.context.carry_over(carried_over);
        (dropped > 0).then(|| {
            let all = words::counted(judged + dropped, "file");
            format!(
                "replaced or removed in the backup since an earlier session judged them: {dropped} of {all}; those verdicts no \
                 longer count"
            )
        })
    }

    /// Restores and judges every file. A folder that is updated while it is verified must be seen
    /// by one listing alone: what earlier sessions judged of it is recognised on the way, and carried
    /// over at the end.
    fn everything(&self) -> Result<FlowResult, Error> {
        let clock = Instant::now();
        let Memory { resumed, manifest, .. } = self.work.context.memory;
        let unique_names = self.work.backup.description().unique_names;
        let is_listed_first = self.work.schedule.ordered || !unique_names || manifest.is_some();
        let (mut damage, mut notes) = (Vec::new(), Vec::new());
        let listed = if is_listed_first { Some(self.list_first(&mut damage, &mut notes)?) } else { None };
        self.population_filter.reset();
        let (catalog_time, clock) = (clock.elapsed(), Instant::now());
        let judged = self.work.context.carried_over.get().map_or(0, CarriedOver::judged);
        self.observer
            .verify_starts(listed.as_ref().map(|population| population.files.saturating_sub(judged)));
        let roll_call = resumed.filter(|_| !is_listed_first).map(Resumed::roll_call);
        let is_judged = |entry: &Entry<'_>| match &roll_call {
            Some(roll_call) => roll_call.holds(entry),
            None => self.work.context.is_judged(entry.path),
        };
        let work = || self.work.everything(self.population_filter, self.needs, &is_judged);
        // A backup on another machine is not listed a second time just for a number.
        let is_counted = listed.is_none() && self.plan.target.backup.local().is_some();
        let done = if is_counted { self.total().told_during(work) } else { work() };
        let (whole, lost) = into_parts(done?);
        if let Some(roll_call) = roll_call {
            notes.extend(self.carry_over(roll_call.finish(whole && lost.is_empty())));
        }
        add_new_damage(&mut damage, lost);
        let population = match listed {
            Some(population) => {
                if population.whole && whole && !self.work.context.is_over() {
                    add_new_damage(
                        &mut damage,
                        changed_between_readings(&population, &self.population_filter.population(whole)),
                    );
                }
                population
            }
            None => self.population(whole, &damage)?,
        };
        let files = population.files;
        Ok(FlowResult {
            population,
            wanted: files,
            drawn: files,
            beside: None,
            arrivals: None,
            notes,
            damage,
            in_order: self.is_in_order(),
            in_progress: self.work.schedule.in_progress(),
            catalog_time,
            verify_time: clock.elapsed(),
        })
    }

    /// Lists the backup before anything is judged, and carries over what earlier sessions judged. A
    /// format in which names can repeat is listed so, that no file is judged that a later entry of
    /// the same name replaces. So is one that is read in a single pass: nothing else tells whether
    /// the pass came to its end. With a manifest, the newest time in the backup must be known before
    /// the first file is judged.
    fn list_first(&self, damage: &mut Vec<Damage>, notes: &mut Vec<String>) -> Result<Population, Error> {
        self.population_filter.reset();
        let roll_call = self.work.context.memory.resumed.map(Resumed::roll_call);
        let count = CountSink::new(self.population_filter, roll_call.as_ref());
        let (whole, lost) = into_parts(self.work.backup.catalog(self.needs, &self.listing(), &count)?);
        *damage = lost;
        if let Some(roll_call) = roll_call {
            notes.extend(self.carry_over_first(roll_call, whole && damage.is_empty())?);
        }
        let population = self.population(whole, damage)?;
        self.tell_judges();
        self.observer.catalog_done(&population);
        Ok(population)
    }

    /// Counts the files of the population for the observer, while they are verified.
    fn total(&self) -> Total<'_> {
        let (backup, cancel) = (self.work.backup, self.work.context.cancel.child());
        Total {
            backup,
            population_filter: self.population_filter,
            needs: self.needs,
            judged: self.work.context.memory.resumed.map_or(0, Resumed::judged),
            observer: self.observer,
            cancel,
        }
    }

    /// Gives the judges what is known only after the backup was listed: the newest time in it, and
    /// what vouches for its content.
    fn tell_judges(&self) {
        // Setting these cannot fail: neither was set before.
        if let Some(newest) =
            newest_content(self.population_filter.newest(), self.work.context.recorded.taken)
        {
            let _ = self.work.context.newest.set(newest);
        }
        if let Some(checksum) = self.work.backup.vouched_by() {
            let _ = self.work.context.vouched_by.set(checksum);
        }
    }

    /// The population. An empty one proves nothing, so it is an error, unless something else
    /// already keeps the run from passing.
    fn population(&self, whole: bool, damage: &[Damage]) -> Result<Population, Error> {
        let population = self.population_filter.population(whole);
        let concerned = damage.iter().any(|damage| self.population_filter.concerns(damage));
        if population.files > 0 || concerned || self.work.context.is_over() {
            return Ok(population);
        }
        Err(Error::no_files(&population, &self.work.backup.description().location))
    }
}

impl FlowResult {
    /// The tally of the run: what was listed and drawn, together with what the judges found.
    pub(super) fn tally(
        mut self,
        plan: &Plan,
        context: JudgeContext<'_>,
        population_filter: &PopulationFilter<'_>,
        cancel: &CancelToken,
    ) -> Tally {
        let picks = into_inner(context.picks);
        let lost = into_inner(context.lost);
        add_new_damage(&mut self.damage, lost);
        let broken = context.broken.into_inner();
        let ended = match () {
            () if broken.is_some() => Some(Incomplete::RestoreFolder),
            () if context.out_of_budget.into_inner() => Some(Incomplete::Budget),
            () if cancel.is_late() => Some(Incomplete::TimeLimit),
            () if cancel.is_cancelled() => Some(Incomplete::Interrupted),
            () => None,
        };
        let mut notes: Vec<String> = self.notes.into_iter().chain(context.kept.note()).collect();
        notes.extend(broken.iter().map(|error| restore_folder_note(plan, error)));
        notes.extend(context.shared.iter().flat_map(SharedBlocks::notes));
        let mut tally = Tally {
            picks,
            population: self.population,
            wanted: self.wanted,
            drawn: self.drawn,
            beside: self.beside,
            arrivals: self.arrivals,
            in_order: self.in_order,
            in_progress: self.in_progress,
            // Picks that an earlier session was busy with when it ended are missing from its part.
            is_merged: context.memory.resumed.is_some(),
            sessions: context.memory.resumed.map_or(0, Resumed::sessions) + 1,
            judged_before: context.carried_over.get().map_or(0, CarriedOver::judged),
            ended,
            damage: Vec::new(),
            gaps: Vec::new(),
            notes,
            catalog_time: self.catalog_time,
            verify_time: self.verify_time,
        };
        classify_damage(&mut tally, population_filter, self.damage);
        tally
    }
}

/// Sorts damage by what it means for the run: a failure, a doubt, or neither because the run does
/// not concern these files.
fn classify_damage(tally: &mut Tally, population_filter: &PopulationFilter<'_>, damage: Vec<Damage>) {
    for damage in damage {
        if !population_filter.concerns(&damage) {
            tally.population.unlisted += 1;
            tally.notes.push(format!("outside this run's filters and sources: {damage}"));
        } else {
            match damage.kind {
                DamageKind::Loss => tally.damage.push(damage.problem),
                DamageKind::Gap => tally.gaps.push(damage.problem),
            }
        }
    }
}

/// The note about a restore folder that failed.
fn restore_folder_note(plan: &Plan, error: &std::io::Error) -> String {
    let path = plan.target.restore_to.display();
    format!(
        "cannot write to the restore folder {path}: {error}; free some space, or name another with --restore-to"
    )
}

/// Whether a listing reached the end of the backup, and what damage it reported.
fn into_parts(listing: Listing) -> (bool, Vec<Damage>) {
    match listing {
        Listing::Damaged(damage) => (true, damage),
        Listing::Stopped => (false, Vec::new()),
        Listing::Whole => (true, Vec::new()),
    }
}

/// Adds the damage that is not yet in the list.
fn add_new_damage(damage: &mut Vec<Damage>, more: impl IntoIterator<Item = Damage>) {
    let mut known: HashSet<Damage> = damage.iter().cloned().collect();
    damage.extend(more.into_iter().filter(|each| known.insert(each.clone())));
}

/// Damage, if restoring all files met other files than listing them did. A file that was listed but
/// not restored was not verified.
fn changed_between_readings(listed: &Population, restored: &Population) -> Option<Damage> {
    let is_same = (listed.files, &listed.digest) == (restored.files, &restored.digest);
    (!is_same).then(|| {
        Damage::from(format!(
            "restoring found {} files and listing found {}, and they are not the same: the backup was changed in between, or its \
             disk does not read the same twice; verify it again",
            restored.files, listed.files
        ))
    })
}
