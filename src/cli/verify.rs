//! The main job, which needs no subcommand: verifies, answering signals, and writes the reports.

use super::environment::Environment;
use super::error::Error;
use super::invocation::Verify;
use super::{resolve, signals};
use crate::cancel::CancelToken;
use crate::exit::ExitCode;
use crate::plan::Plan;
use crate::report::Model;
use crate::verify::Memory;
use crate::{progress, report, verify};

/// Verifies as flags and configuration say.
pub fn run(flags: Verify, environment: &Environment) -> Result<ExitCode, Error> {
    execute(&resolve::plan(flags, environment)?)
}

fn execute(plan: &Plan) -> Result<ExitCode, Error> {
    let cancel = CancelToken::new();
    signals::install(&cancel)?;
    let progress = progress::for_plan(&plan.outputs.terminal);
    let done = verify::run(plan, Memory::default(), &cancel, &*progress);
    drop(progress);
    let outcome = done.map_err(|error| report_failure(plan, error))?;
    let model = Model::new(plan, Ok(&outcome));
    match report::write_all(plan, &model) {
        // That a report is lost must not hide that the backup is bad.
        Err(error) if model.has_failures() => Error::from(error).print(),
        written => written?,
    }
    Ok(model.exit_code)
}

/// Writes the reports of a run that ended in an error: an old one would pass for its own. Where a
/// report may not be written, none is.
fn report_failure(plan: &Plan, error: verify::Error) -> Error {
    let is_about_reports = matches!(error, verify::Error::ReportUnwritable { .. });
    let error = Error::from(error);
    let failure = report::Failure {
        exit_code: error.exit_code(),
        message: error.message(),
        hint: error.advice().map(str::to_owned),
        took: plan.started.elapsed().unwrap_or_default(),
    };
    if verify::check_reports(plan).is_ok()
        && let Err(other) = report::write_files(plan, &Model::new(plan, Err(&failure)))
        && !is_about_reports
    {
        Error::from(other).print();
    }
    error
}
