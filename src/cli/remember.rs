//! What a run remembers: the lock of its job, and the ledger.
//!
//! In: the plan. Out: what is known from before the run ([`Memory`]), and an observer that records
//! this one. Nothing that fails here changes a result: it becomes a warning. Only a second run of
//! the same job is refused.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;

use super::error::Error;
use super::recheck;
use crate::backup::{Description, escape, path_text};
use crate::exit::ExitCode;
use crate::ledger::{self, Judged, Known, Ledger, Locked, Recorder, Resumable, RunLock, Start};
use crate::lock::{into_inner, lock};
use crate::notify::{self, Previous};
use crate::plan::{Occasion, Plan};
use crate::report::Model;
use crate::verify::outcome::{Outcome, Population};
use crate::verify::{Memory, Observer, PickRecord};
use crate::words;

/// The memory of a run. Without a ledger, it knows nothing and records nothing.
#[derive(Default)]
pub struct Remembered {
    lock: Option<RunLock>,
    open: Option<Open>,
    unfinished: Option<Resumable>,
    /// The seed of a new run, while an earlier one is taken up.
    fresh_seed: String,
    previous: Option<Previous>,
    /// Without originals and without a manifest: files that are known to be bad.
    never_good: Option<(u64, Vec<u8>)>,
    /// Files that are to be verified again and have not been judged yet.
    unseen: Mutex<BTreeSet<Vec<u8>>>,
    /// The backup lists none of them.
    all_left: bool,
    warnings: Vec<String>,
}

/// A ledger that can be used.
struct Open {
    known: Known,
    judged: Judged,
    recorder: Recorder,
}

impl Remembered {
    /// Locks the job and opens the ledger, where the plan says. If the plan goes on with an earlier
    /// run, it gets the seed of that run.
    ///
    /// # Errors
    /// If another run of the same job is running.
    pub fn begin(plan: &mut Plan) -> Result<Self, Error> {
        let Some(state) = &plan.outputs.state.clone() else { return Ok(Self::default()) };
        let unseen = plan.draw.filters.only.iter().cloned().collect();
        let mut remembered = Self { unseen: Mutex::new(unseen), ..Self::default() };
        if plan.target.backup.place().is_some_and(|backup| lies_in(state, backup)) {
            remembered.warnings.push(in_backup(state));
            return Ok(remembered);
        }
        // In such a folder, anybody could hold the lock, too.
        if let Err(error) = ledger::refuse_shared(state) {
            remembered.warnings.push(nothing_recorded(&error));
            return Ok(remembered);
        }
        if !state.join(ledger::FILE_NAME).exists() {
            remembered.warnings.extend(in_originals(state, plan));
        }
        match RunLock::take(state, plan) {
            Ok(Locked::Ours(lock)) => remembered.lock = Some(lock),
            Ok(Locked::Taken(holder)) => return Err(already_running(state, holder.as_ref())),
            Err(error) => {
                // If the folder cannot be used at all, one warning is enough: that of the ledger.
                if Path::exists(state) {
                    remembered.warnings.push(no_lock(state, &error));
                }
            }
        }
        match remembered.open(state, plan) {
            Ok(open) => remembered.open = Some(open),
            Err(error) => remembered.warnings = vec![nothing_recorded(&error)],
        }
        match remembered.never_good.take() {
            Some((count, first)) => Err(known_bad(count, &first)),
            None => Ok(remembered),
        }
    }

    /// Opens the ledger, finds the run to take up if the plan says so, and begins to record.
    fn open(&mut self, state: &Path, plan: &mut Plan) -> Result<Open, ledger::Error> {
        let ledger = Ledger::open(state)?;
        self.previous = Some(previous(&ledger, plan)?);
        let known = Known::new(ledger.reader()?, &plan.target, plan.engine.hash)?;
        let judged = Judged::new(ledger.reader()?, &plan.target)?;
        if plan.target.originals().next().is_none() && plan.manifest.is_none() {
            self.never_good = ledger::never_good(&ledger, plan)?;
        }
        let lock = self.lock.as_ref().map(RunLock::name);
        if plan.limits.resume {
            let found = ledger::resumable(&ledger, plan, lock)?;
            self.unfinished = found.filter(|found| !plan.draw.seed_is_given || found.seed == plan.draw.seed);
        }
        let start = Start {
            lock: lock.map(str::to_owned),
            session: self.unfinished.as_ref().map_or(1, |found| found.resumed.sessions() + 1),
            resumes: self.unfinished.as_ref().map(|found| found.run),
        };
        if let Some(found) = &self.unfinished {
            self.fresh_seed = std::mem::replace(&mut plan.draw.seed, found.seed.clone());
        }
        Ok(Open { known, judged, recorder: Recorder::start(ledger, plan, &start) })
    }

    /// Whether a run is taken up that ended early.
    pub fn is_resumed(&self) -> bool {
        self.unfinished.is_some()
    }

    /// Begins a new run, because the one that was taken up cannot go on, as `model` says. Returns
    /// what could not be recorded.
    pub fn begin_anew(&mut self, plan: &mut Plan, model: &Model) -> Option<String> {
        self.unfinished = None;
        plan.limits.resume = false;
        plan.draw.seed = std::mem::take(&mut self.fresh_seed);
        let ended = self.end(model);
        let state = plan.outputs.state.clone()?;
        match self.open(&state, plan) {
            Ok(open) => self.open = Some(open),
            Err(error) => return Some(nothing_recorded(&error)),
        }
        ended
    }

    /// What is known from before the run.
    pub fn memory(&self) -> Memory<'_> {
        Memory {
            ledger: self.open.as_ref().map(|open| &open.known as _),
            last_judged: self.open.as_ref().map(|open| &open.judged as _),
            resumed: self.unfinished.as_ref().map(|found| &found.resumed),
            ..Memory::default()
        }
    }

    /// How the last run of this job ended, as far as the ledger knows.
    pub fn previous(&self) -> Previous {
        self.previous.clone().unwrap_or(Previous::Unknown)
    }

    /// What could not be done so far.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The backup lists none of the files that were to be verified again.
    pub fn all_have_left(&mut self) {
        self.all_left = true;
    }

    /// Completes the record of the run. Returns what could not be done, and what a person should
    /// know of the files that were verified again.
    pub fn finish(mut self, plan: &Plan, model: &Model) -> Vec<String> {
        let is_open = self.open.is_some();
        let ended = self.end(model);
        let unseen = into_inner(self.unseen);
        let left = if is_open { recheck::settle(plan, model, &unseen, self.all_left) } else { None };
        ended.into_iter().chain(left).collect()
    }

    fn end(&mut self, model: &Model) -> Option<String> {
        let Open { known, judged, recorder } = self.open.take()?;
        // The writer's connection must be the last: only then SQLite moves everything into the one
        // file.
        let unknown = known.into_error();
        drop(judged);
        match (recorder.finish(model), unknown) {
            (Err(error), _) => Some(format!("not all of this run is recorded: {error}")),
            (Ok(()), Some(error)) => Some(format!("known hashes were not used: {}", error.on_one_line())),
            (Ok(()), None) => None,
        }
    }
}

impl Observer for Remembered {
    fn begins(&self, plan: &Plan, backup: &Description) {
        if let Some(open) = &self.open {
            open.recorder.begins(plan, backup);
        }
    }

    fn catalog_done(&self, population: &Population) {
        if let Some(open) = &self.open {
            open.recorder.catalog_done(population);
        }
    }

    fn judged(&self, pick: &PickRecord) {
        let mut unseen = lock(&self.unseen);
        if !unseen.is_empty() {
            unseen.remove(&pick.path);
        }
        drop(unseen);
        if let Some(open) = &self.open {
            open.recorder.judged(pick);
        }
    }

    fn concluded(&self, outcome: &Outcome) {
        if let Some(open) = &self.open {
            open.recorder.concluded(outcome);
        }
    }
}

/// How the last run of this job ended, if anybody is told of changes.
fn previous(ledger: &Ledger, plan: &Plan) -> Result<Previous, ledger::Error> {
    if !plan.notifiers.iter().any(|notifier| notifier.when == Occasion::OnChange) {
        return Ok(Previous::Unknown);
    }
    let Some(last) = ledger::last_report(ledger, plan)? else { return Ok(Previous::None) };
    Ok(Previous::Run(notify::fingerprint(&last, &standing_alarms(ledger, plan)?)))
}

/// The files that were bad when they were last judged.
fn standing_alarms(ledger: &Ledger, plan: &Plan) -> Result<Vec<notify::Alarm>, ledger::Error> {
    let alarms = ledger::standing_alarms(ledger, plan)?;
    Ok(alarms.into_iter().map(|(path, word)| (escape(&path).into_owned(), word)).collect())
}

/// What is known after a run that was recorded: its fingerprint, with the alarms that stand, or
/// with its own if the ledger does not tell.
pub fn fingerprint(plan: &Plan, model: &Model) -> String {
    let state = plan.outputs.state.as_deref();
    let standing = state.and_then(|state| standing_alarms(&Ledger::open_read_only(state).ok()?, plan).ok());
    // What could not be recorded stands all the same.
    let mut alarms = standing.unwrap_or_default();
    alarms.extend(notify::alarms(model));
    alarms.sort();
    alarms.dedup();
    notify::fingerprint(model, &alarms)
}

/// The ledger alone knows which files were good, and it also knows some that were not: a run that
/// left them out would say too much.
fn known_bad(count: u64, first: &[u8]) -> Error {
    let message = format!(
        "{} of this backup {} bad when last compared with an original, and nothing tells whether {} good now; the first is {}",
        words::counted(count, "file"),
        if count == 1 { "was" } else { "were" },
        if count == 1 { "it is" } else { "they are" },
        escape(first)
    );
    Error::new(ExitCode::IntegrityFailure, message).hint(
        "name a manifest of the originals with --manifest FILE; bkverify history FILE tells what was found",
    )
}

fn already_running(state: &Path, holder: Option<&ledger::Holder>) -> Error {
    let message = holder.map_or_else(
        || format!("the same job is already running (its lock is in {})", path_text(state)),
        ledger::Holder::words,
    );
    Error::new(ExitCode::Unusable, message)
        .hint("wait until it has ended; a run with --state none takes no part in this")
}

/// Whether a folder, which may not exist yet, lies in another one.
fn lies_in(folder: &Path, other: &Path) -> bool {
    let nearest = folder.ancestors().find_map(|above| above.canonicalize().ok());
    nearest.zip(other.canonicalize().ok()).is_some_and(|(folder, other)| folder.starts_with(other))
}

fn in_backup(state: &Path) -> String {
    format!(
        "this run is not recorded: the state folder {} lies in the backup, and nothing is ever written there; name another \
         with --state DIR",
        path_text(state)
    )
}

/// A state folder among the originals is changed by every run. `None` if it is elsewhere.
pub fn in_originals(state: &Path, plan: &Plan) -> Option<String> {
    let folder = plan.target.originals().find(|original| lies_in(state, original))?;
    Some(format!(
        "the state folder {} lies among the originals in {}, and every run changes it; leave it out of the backup, or name \
         another with --state DIR",
        path_text(state),
        path_text(folder)
    ))
}

fn no_lock(state: &Path, error: &std::io::Error) -> String {
    format!(
        "a second run of this job at the same time would not be noticed: no file in {} can be locked: {error}; name a \
         folder on a disk of this machine with --state DIR",
        path_text(state)
    )
}

fn nothing_recorded(error: &ledger::Error) -> String {
    format!("this run is not recorded, and nothing is known from earlier ones: {}", error.on_one_line())
}
