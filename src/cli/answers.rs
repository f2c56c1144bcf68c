//! What the commands share that ask the ledger: finding it, and writing what it answers.
//!
//! They never make a ledger and never change one. What they cannot know, they say, and end with
//! exit code 3.

use std::path::{Path, PathBuf};

use super::config::{self, Config};
use super::environment::Environment;
use super::error::{self, Error};
use super::ledger::state_folder;
use super::reports::located;
use super::values::StateFolder;
use crate::exit::ExitCode;
use crate::history::Clock;
use crate::ledger::{self, Ledger, ask};
use crate::output::Output;
use crate::plan::{Beginnings, ReportOutput};
use crate::verify::target::Protected;

/// The clock and the time zone of the person who asks.
pub fn clock(environment: &Environment) -> Clock {
    Clock { now: environment.now.timestamp(), zone: environment.now.time_zone().clone() }
}

/// The state folder: the one that a flag names, or else that of the job that is meant. Where no
/// single job is meant, that of all jobs, if they have the same.
pub fn state_of(
    said: Option<&Path>,
    job: Option<&str>,
    config: Option<&Config>,
    environment: &Environment,
) -> Result<PathBuf, Error> {
    let configured = config.filter(|_| said.is_none()).and_then(|config| state_of_job(config, job));
    match configured {
        Some(StateFolder::Folder(folder)) => Ok(folder),
        Some(StateFolder::None) => Err(Error::usage("the configuration says that nothing is remembered")
            .hint("name a state folder with --state DIR")),
        None => state_folder(said, environment),
    }
}

fn state_of_job(config: &Config, job: Option<&str>) -> Option<StateFolder> {
    if let Ok((_, settings)) = config.choose(job) {
        return settings.state;
    }
    let of = |name: &String| config.choose(Some(name)).ok().and_then(|(_, settings)| settings.state);
    let mut states = config.jobs.keys().map(of);
    let first = states.next().flatten();
    if states.all(|other| other == first) { first } else { config.defaults.state.clone() }
}

/// The configuration that was named, or the first that is found.
pub fn configuration(named: Option<&Path>, environment: &Environment) -> Result<Option<Config>, Error> {
    config::load(named, environment)
}

/// Reads the configuration, and finds the state folder that is meant.
pub fn configured(
    config: Option<&Path>,
    state: Option<&Path>,
    job: Option<&str>,
    environment: &Environment,
) -> Result<(Option<Config>, PathBuf), Error> {
    let config = configuration(config, environment)?;
    let state = state_of(state, job, config.as_ref(), environment)?;
    Ok((config, state))
}

/// Opens the ledger in this folder.
pub fn open(state: &Path) -> Result<Ledger, Error> {
    Ledger::open_read_only(state).map_err(unknown)
}

/// Nothing can be known, because the ledger cannot be read.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub fn unknown(error: ledger::Error) -> Error {
    let hint = error.hint();
    Error::new(ExitCode::Incomplete, error.in_full()).hint(hint)
}

/// An answer that was asked for in some form: the flag, how older files of this form begin, where
/// it is written, and what makes it.
pub struct Wanted<'a> {
    /// The flag without its dashes.
    pub flag: &'static str,
    /// How older files of this form begin.
    pub begins: Beginnings,
    /// Where it is written, if anywhere.
    pub output: Option<&'a Output>,
    /// Makes it.
    pub make: &'a dyn Fn() -> Result<String, String>,
}

/// Writes the answers to where they were asked for. Nothing is written to a backup that the ledger
/// knows, or over one of its originals.
pub fn write(ledger: &Ledger, wanted: &[Wanted<'_>], environment: &Environment) -> Result<(), Error> {
    let wanted: Vec<_> = wanted.iter().filter_map(|wanted| Some((wanted, wanted.output?))).collect();
    let outputs: Vec<_> = wanted.iter().map(|(_, output)| located(output, environment.base())).collect();
    for (at, output) in outputs.iter().enumerate() {
        if outputs[..at].contains(output) {
            let message = format!("two answers are to be written to {output}");
            return Err(Error::usage(message).hint("give each a file of its own"));
        }
    }
    let places = if outputs.iter().any(|output| output.file().is_some()) {
        ask::places(ledger).map_err(unknown)?
    } else {
        Vec::new()
    };
    for ((wanted, _), output) in wanted.iter().zip(outputs) {
        let text = (wanted.make)()
            .map_err(|problem| Error::new(ExitCode::Unusable, "cannot make the answer").because(problem))?;
        let report = ReportOutput { renderer: wanted.flag, begins: wanted.begins, output };
        for (backup, originals) in &places {
            let originals = originals.iter().map(PathBuf::as_path).collect();
            Protected { backup: Some(backup), originals }.check_report(&report)?;
        }
        error::deliver("the answer", &report.output, text.as_bytes())?;
    }
    Ok(())
}

/// Whether one of these is written to standard output.
pub fn takes_stdout(outputs: &[Option<&Output>]) -> bool {
    outputs.contains(&Some(&Output::Stdout))
}
