//! The main job, which needs no subcommand: verifies, answering signals, writes the reports, and
//! tells people.

use super::environment::Environment;
use super::error::{self, Error};
use super::invocation::Verify;
use super::remember::Remembered;
use super::tell::{Telling, json_report};
use super::{known, metrics, recheck, resolve, signals};
use crate::backup::path_text;
use crate::cancel::CancelToken;
use crate::exit::ExitCode;
use crate::manifest::Manifest;
use crate::plan::Plan;
use crate::report::Model;
use crate::verify::{Memory, Observer, Observers};
use crate::{hooks, progress, report, verify};

/// How a run ended: its report, and the exit code or the error that the program ends with.
type Ended = (Model, Result<ExitCode, Error>);

/// Verifies as flags and configuration say.
pub fn run(flags: Verify, environment: &Environment) -> Result<ExitCode, Error> {
    let is_recheck = flags.invocation.recheck;
    let mut plan = resolve::plan(flags, environment)?;
    if is_recheck && !recheck::narrow(&mut plan)? {
        error::show_beside(recheck::NONE.as_bytes(), plan.outputs.takes_stdout())?;
        return Ok(ExitCode::Pass);
    }
    execute(plan)
}

/// One run from end to end. What is remembered, what runs after it and who is told changes nothing
/// about its result. Only if the first hook fails, nothing is verified.
fn execute(mut plan: Plan) -> Result<ExitCode, Error> {
    let cancel = CancelToken::new();
    signals::install(&cancel)?;
    // A hook may be what makes the manifest readable.
    let is_early = plan.hooks.before.is_none();
    let early = if is_early { known::read(&mut plan, false, &cancel) } else { Ok(None) };
    let mut remembered = Remembered::begin(&mut plan)?;
    warn(remembered.warnings().iter().cloned());
    let telling = Telling::begin(&plan, remembered.previous());
    let (model, ended) = match hooks::before(&plan, &cancel) {
        Ok(()) => {
            let manifest = if is_early { early } else { known::read(&mut plan, true, &cancel) };
            match manifest {
                Ok(manifest) => verify(&mut plan, manifest.as_ref(), &mut remembered, &cancel),
                Err(error) => failure(&plan, error),
            }
        }
        Err(failed) => failure(&plan, Error::from_stage(failed.exit_code(), &failed, Some(failed.hint()))),
    };
    warn(remembered.finish(&plan, &model));
    warn(metrics::write(&plan, &model));
    let report = json_report(&plan).map(path_text);
    warn(hooks::after(&plan, &model, report.as_deref()).err().map(|failed| failed.to_string()));
    warn(telling.finish(&plan, &model, report.as_deref()));
    ended
}

/// Verifies and reports.
fn verify(
    plan: &mut Plan,
    manifest: Option<&Manifest>,
    remembered: &mut Remembered,
    cancel: &CancelToken,
) -> Ended {
    let mut done = verify_once(plan, manifest, remembered, cancel);
    if let Err(error @ verify::Error::NotResumable(_)) = &done
        && remembered.is_resumed()
    {
        warn([format!("{error}; a new run begins")]);
        let ended = failed(plan, ExitCode::Incomplete, &error.to_string(), None);
        warn(remembered.begin_anew(plan, &ended));
        done = verify_once(plan, manifest, remembered, cancel);
    }
    let outcome = match done {
        Ok(outcome) => outcome,
        Err(verify::Error::EmptyPopulation { unmapped: 0, .. }) if !plan.draw.filters.only.is_empty() => {
            remembered.all_have_left();
            return failure(plan, Error::new(ExitCode::Incomplete, recheck::ALL_LEFT));
        }
        Err(error) => {
            return failure(plan, error.into());
        }
    };
    let model = Model::new(plan, Ok(&outcome));
    match report::write_all(plan, &model).map_err(Error::from) {
        // That a report is lost must not hide that the backup is bad.
        Err(error) if model.has_failures() => {
            error.print();
            let exit_code = model.exit_code;
            (model, Ok(exit_code))
        }
        // Whoever is told must not hear of a pass while the program ends with an error.
        Err(error) => (failed(plan, error.exit_code(), &error.message(), error.advice()), Err(error)),
        Ok(()) => {
            let exit_code = model.exit_code;
            (model, Ok(exit_code))
        }
    }
}

fn verify_once(
    plan: &Plan,
    manifest: Option<&Manifest>,
    remembered: &Remembered,
    cancel: &CancelToken,
) -> Result<verify::outcome::Outcome, verify::Error> {
    let progress = progress::for_plan(&plan.outputs.terminal);
    let observers = [&*progress, remembered as &dyn Observer];
    let memory = Memory { manifest: manifest.map(|manifest| manifest as _), ..remembered.memory() };
    verify::run(plan, memory, cancel, &Observers(&observers))
}

/// Tells a person of something that changes nothing about the run.
fn warn(warnings: impl IntoIterator<Item = String>) {
    for text in warnings {
        error::warn(&text);
    }
}

/// Writes the reports of a run that ended in an error: an old one would pass for its own. Where a
/// report may not be written, none is.
fn failure(plan: &Plan, error: Error) -> Ended {
    let model = failed(plan, error.exit_code(), &error.message(), error.advice());
    if verify::check_reports(plan).is_ok()
        && let Err(other) = report::write_files(plan, &model)
        && !error.is_about_reports()
    {
        Error::from(other).print();
    }
    (model, Err(error))
}

/// The report of a run that ended in an error.
fn failed(plan: &Plan, exit_code: ExitCode, message: &str, hint: Option<&str>) -> Model {
    let took = plan.started.elapsed().unwrap_or_default();
    let (message, hint) = (message.to_owned(), hint.map(str::to_owned));
    Model::new(plan, Err(&report::Failure { exit_code, message, hint, took }))
}
