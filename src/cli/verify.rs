//! The main job, which needs no subcommand: verifies, answering signals, and writes the reports.

use super::environment::Environment;
use super::error::{Error, warn};
use super::invocation::Verify;
use super::tell::{Telling, json_report};
use super::{resolve, signals};
use crate::backup::path_text;
use crate::cancel::CancelToken;
use crate::exit::ExitCode;
use crate::notify::Previous;
use crate::plan::Plan;
use crate::report::Model;
use crate::verify::Memory;
use crate::{hooks, progress, report, verify};

/// Verifies as flags and configuration say.
pub fn run(flags: Verify, environment: &Environment) -> Result<ExitCode, Error> {
    execute(&resolve::plan(flags, environment)?)
}

/// One job from end to end. Nothing here is decided by who is told, or by what runs before and
/// after, with one exception: if the first hook fails, nothing is verified.
fn execute(plan: &Plan) -> Result<ExitCode, Error> {
    let cancel = CancelToken::new();
    signals::install(&cancel)?;
    let telling = Telling::begin(plan);
    let (model, ended) = match hooks::before(plan, &cancel) {
        Ok(()) => verify(plan, &cancel),
        Err(failed) => not_begun(plan, &failed),
    };
    if let Err(failed) = hooks::after(plan, &model, json_report(plan).map(path_text).as_deref()) {
        warn(&failed.to_string());
    }
    telling.finish(plan, &model, &Previous::Unknown);
    ended
}

/// Verifies and reports. What is returned is the report, whether it could be written or not, and
/// how the program ends.
fn verify(plan: &Plan, cancel: &CancelToken) -> (Model, Result<ExitCode, Error>) {
    let progress = progress::for_plan(&plan.outputs.terminal);
    let done = verify::run(plan, Memory::default(), cancel, &*progress);
    drop(progress);
    let outcome = match done {
        Ok(outcome) => outcome,
        Err(error) => {
            let is_about_reports = matches!(error, verify::Error::ReportUnwritable { .. });
            return failure(plan, error.into(), is_about_reports);
        }
    };
    let model = Model::new(plan, Ok(&outcome));
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

/// The end of a run whose first hook failed.
fn not_begun(plan: &Plan, failed: &hooks::Error) -> (Model, Result<ExitCode, Error>) {
    let error = Error::from_stage(failed.exit_code(), failed, Some(failed.hint()));
    failure(plan, error, false)
}

/// Writes the reports of a run that ended in an error: an old one would pass for its own. Where a
/// report may not be written, none is.
fn failure(plan: &Plan, error: Error, is_about_reports: bool) -> (Model, Result<ExitCode, Error>) {
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
