//! The main job, which needs no subcommand: verifies, answering signals, writes the reports, and
//! tells people.

use super::environment::Environment;
use super::error::{self, Error};
use super::invocation::Verify;
use super::remember::Remembered;
use super::tell::{Telling, json_report};
use super::{resolve, signals};
use crate::backup::path_text;
use crate::cancel::CancelToken;
use crate::exit::ExitCode;
use crate::plan::Plan;
use crate::report::Model;
use crate::verify::outcome::Outcome;
use crate::verify::{Observer, Observers};
use crate::{hooks, progress, report, verify};

/// How a run ended: its report, and the exit code or the error that the program ends with.
type Ended = (Model, Result<ExitCode, Error>);

/// Verifies as flags and configuration say.
pub fn run(flags: Verify, environment: &Environment) -> Result<ExitCode, Error> {
    execute(resolve::plan(flags, environment)?)
}

/// One run from end to end. What is remembered, what runs after it and who is told changes nothing
/// about its result. Only if the first hook fails, nothing is verified.
fn execute(mut plan: Plan) -> Result<ExitCode, Error> {
    let cancel = CancelToken::new();
    signals::install(&cancel)?;
    let remembered = Remembered::begin(&mut plan)?;
    warn(remembered.warnings().iter().cloned());
    let telling = Telling::begin(&plan, remembered.previous());
    let (model, ended) = match hooks::before(&plan, &cancel) {
        Ok(()) => verify(&mut plan, remembered, &cancel),
        Err(failed) => not_begun(&plan, remembered, &failed),
    };
    let report = json_report(&plan).map(path_text);
    warn(hooks::after(&plan, &model, report.as_deref()).err().map(|failed| failed.to_string()));
    warn(telling.finish(&plan, &model, report.as_deref()));
    ended
}

/// The end of a run whose first hook failed.
fn not_begun(plan: &Plan, remembered: Remembered, failed: &hooks::Error) -> Ended {
    let error = Error::from_stage(failed.exit_code(), failed, Some(failed.hint()));
    let (model, ended) = failure(plan, error, false);
    warn(remembered.finish(&model));
    (model, ended)
}

/// Verifies, remembers it, and reports. If an earlier run was to be taken up, but the backup lists
/// other files than when that began, a new one begins.
fn verify(plan: &mut Plan, mut remembered: Remembered, cancel: &CancelToken) -> Ended {
    loop {
        let ended = match look(plan, &remembered, cancel) {
            Err(error @ verify::Error::OtherPopulation) if remembered.is_resumed() => {
                warn([format!("{error}; a new one begins")]);
                warn(remembered.finish(&failed(plan, error).0));
                plan.limits.resume = false;
                remembered = match Remembered::begin(plan) {
                    Ok(remembered) => remembered,
                    Err(error) => return failure(plan, error, false),
                };
                warn(remembered.warnings().iter().cloned());
                continue;
            }
            Ok(outcome) => Ok(Model::new(plan, Ok(&outcome))),
            Err(error) => Err(failed(plan, error)),
        };
        let model = ended.as_ref().unwrap_or_else(|(model, _)| model);
        warn(remembered.finish(model));
        return ended.map_or_else(|ended| ended, |model| report(plan, model));
    }
}

/// Verifies once.
fn look(plan: &Plan, remembered: &Remembered, cancel: &CancelToken) -> Result<Outcome, verify::Error> {
    let progress = progress::for_plan(&plan.outputs.terminal);
    let observers = [&*progress, remembered as &dyn Observer];
    verify::run(plan, remembered.memory(), cancel, &Observers(&observers))
}

/// Writes the reports and shows the summary.
fn report(plan: &Plan, model: Model) -> Ended {
    let ended = match report::write_all(plan, &model) {
        // That a report is lost must not hide that the backup is bad.
        Err(error) if model.has_failures() => {
            Error::from(error).print();
            Ok(model.exit_code)
        }
        Err(error) => Err(error.into()),
        Ok(()) => Ok(model.exit_code),
    };
    (model, ended)
}

/// Tells a person of something that changes nothing about the run.
fn warn(warnings: impl IntoIterator<Item = String>) {
    for text in warnings {
        error::warn(&text);
    }
}

/// The end of a verification that failed.
fn failed(plan: &Plan, error: verify::Error) -> Ended {
    // The reports that cannot be written are then the error.
    let is_about_reports = matches!(error, verify::Error::ReportUnwritable { .. });
    failure(plan, error.into(), is_about_reports)
}

/// Writes the reports of a run that ended in an error: an old one would pass for its own. Where a
/// report may not be written, none is; the person is told, unless the error `is_about_reports`.
fn failure(plan: &Plan, error: Error, is_about_reports: bool) -> Ended {
    let failure = report::Failure {
        exit_code: error.exit_code(),
        message: error.message(),
        hint: error.advice().map(str::to_owned),
        took: plan.started.elapsed().unwrap_or_default(),
    };
    let model = Model::new(plan, Err(&failure));
    if verify::check_reports(plan).is_ok()
        && let Err(other) = report::write_files(plan, &model)
        && !is_about_reports
    {
        Error::from(other).print();
    }
    (model, Err(error))
}
