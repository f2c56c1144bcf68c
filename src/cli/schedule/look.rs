//! `bkverify schedule show` and `bkverify schedule status`.
//!
//! In: what the schedulers of this machine say. Out: what is installed, or how it is, for a person or
//! as JSON (`bkverify-schedule/1`).

use std::path::PathBuf;

use clap::Args;
use jiff::{Timestamp, Zoned};
use serde::Serialize;

use super::super::answers;
use super::super::environment::Environment;
use super::super::error::{self, Error};
use super::super::reports::output_parser;
use super::{Place, indented, not_scheduled};
use crate::exit::ExitCode;
use crate::history::run::RunState;
use crate::ledger::Ledger;
use crate::ledger::ask::{self, Subject};
use crate::output::Output;
use crate::schedule::{self, Found, LastRun, Recorded, Run, State, Status, judge};

/// Which jobs to look at.
#[derive(Debug, Args)]
pub(super) struct Look {
    /// Only this job [default: all that are scheduled]
    #[arg(long, value_name = "NAME")]
    job: Option<String>,
    #[command(flatten)]
    place: Place,
    /// Write it as JSON to this file, or to standard output without a name or with -
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    #[arg(value_parser = output_parser())]
    json: Option<Output>,
}

/// What is installed, of one job or of all.
fn find(what: &Look, environment: &Environment, run: Run<'_>) -> Result<Vec<Found>, Error> {
    let mut all = Vec::new();
    for with in what.place.all() {
        match what.place.open(with, environment, run)?.find() {
            Ok(found) => all.extend(found),
            Err(schedule::Error::Program { .. }) if what.place.with.is_none() => {}
            Err(error) => return Err(error.into()),
        }
    }
    all.retain(|found| what.job.as_ref().is_none_or(|job| *job == found.installed.job));
    match (&what.job, all.is_empty()) {
        (Some(job), true) => Err(not_scheduled(job)),
        _ => Ok(all),
    }
}

/// What programs are told, in the form `bkverify-schedule/1`.
#[derive(Debug, Serialize)]
struct Json<T> {
    schema: &'static str,
    jobs: Vec<T>,
}

fn write_json<T: Serialize>(jobs: Vec<T>, output: &Output) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(&Json { schema: "bkverify-schedule/1", jobs })
        .map_err(|error| Error::new(ExitCode::Unusable, "cannot make the JSON").because(error))?;
    error::deliver("the schedule", output, format!("{text}\n").as_bytes())
}

/// Prints what is installed.
pub(super) fn show(what: &Look, environment: &Environment, run: Run<'_>) -> Result<ExitCode, Error> {
    let found = find(what, environment, run)?;
    if let Some(output) = &what.json {
        write_json(found.into_iter().map(|found| found.installed).collect(), output)?;
        return Ok(ExitCode::Pass);
    }
    let mut text = String::new();
    for Found { installed, .. } in &found {
        text.push_str(&format!(
            "{}\n  runs {}, by {}\n",
            installed.job, installed.words, installed.scheduler
        ));
        text.push_str(&format!("  {}\n", installed.command));
        text.push_str(&indented(&installed.places));
        if installed.edited {
            text.push_str("  edited since bkverify wrote it\n");
        }
    }
    if found.is_empty() {
        text.push_str("nothing is scheduled\n");
    }
    error::print(text.as_bytes())?;
    Ok(ExitCode::Pass)
}

/// Says how scheduled jobs are.
pub(super) fn status(what: &Look, environment: &Environment, run: Run<'_>) -> Result<ExitCode, Error> {
    let found = find(what, environment, run)?;
    let judged: Vec<Status> = found
        .into_iter()
        .map(|found| {
            let ledger = recorded(&found, environment);
            let missing = missing(&found);
            judge(found.installed, found.observed, ledger, &missing, &environment.now)
        })
        .collect();
    let worst = judged.iter().map(|status| status.state).max_by_key(|state| *state as u8);
    let code = match worst {
        Some(State::Fine) => ExitCode::Pass,
        Some(State::Unknown) => ExitCode::Incomplete,
        Some(State::Broken) | None => ExitCode::IntegrityFailure,
    };
    if let Some(output) = &what.json {
        write_json(judged, output)?;
        return Ok(code);
    }
    let text: String = judged.iter().map(|status| page(status, &environment.now)).collect();
    error::print(if judged.is_empty() { "nothing is scheduled\n" } else { &text }.as_bytes())?;
    Ok(code)
}

/// What the ledger of a job knows of it. `None` if it keeps none, or if that cannot be read: then
/// nothing is said about runs.
fn recorded(found: &Found, environment: &Environment) -> Option<Recorded> {
    let job = &found.installed.job;
    let config = answers::configuration(Some(&config_of(found)?), environment).ok()?;
    let state = answers::state_of(None, Some(job), config.as_ref(), environment).ok()?;
    let known = ask::nights(&Ledger::open_read_only(&state).ok()?, &Subject::job(job)).ok()?;
    let last = known.last.map(|run| LastRun {
        started: run.started,
        ended: run.ended,
        exit: run.exit_code.map(i32::from),
        problem: (run.result == RunState::Killed).then(|| "it was killed, or the machine stopped".to_owned()),
    });
    Some(Recorded { last, running: known.running.is_some() })
}

/// The configuration that the command names. A quote within a path is written in a way of its own
/// by each scheduler: such a path is not looked for.
fn config_of(found: &Found) -> Option<PathBuf> {
    let command = &found.installed.command;
    let (config, _) = command.split_once(" --config ")?.1.split_once(" --job ")?;
    plain_path(config.trim_matches(['"', '\'']))
}

fn plain_path(path: &str) -> Option<PathBuf> {
    (!path.contains(['"', '\'']) && !path.is_empty()).then(|| PathBuf::from(path))
}

/// The files that the command needs and that are gone.
fn missing(found: &Found) -> Vec<PathBuf> {
    let paths = [plain_path(&found.program), config_of(found)].into_iter().flatten();
    paths.filter(|path| matches!(path.try_exists(), Ok(false))).collect()
}

/// How one job is, for a person.
fn page(status: &Status, now: &Zoned) -> String {
    let moment =
        |time: Timestamp| time.to_zoned(now.time_zone().clone()).strftime("%a %Y-%m-%d %H:%M").to_string();
    let state = match status.state {
        _ if status.running => "running",
        State::Fine => "fine",
        State::Unknown => "unknown",
        State::Broken => "not as it should be",
    };
    let mut text = format!("{}: {state}\n", status.installed.job);
    for finding in &status.findings {
        text.push_str(&format!("  {finding}\n"));
    }
    text.push_str(&format!("  runs      {}, by {}\n", status.installed.words, status.installed.scheduler));
    let last = status.last.as_ref().map_or_else(
        || "none known".to_owned(),
        |last| {
            let exit = last.exit.map(|code| format!(", exit code {code}")).unwrap_or_default();
            format!("{}{exit}", moment(last.started))
        },
    );
    let next = status.next.map_or_else(|| "none".to_owned(), moment);
    text.push_str(&format!("  last run  {last}\n  next run  {next}\n"));
    if status.installed.edited {
        text.push_str("  edited since bkverify wrote it\n");
    }
    text
}
