//! The main job, which needs no subcommand: verifies, answering signals, and writes the reports.

use super::environment::Environment;
use super::error::{self, Error};
use super::invocation::Verify;
use super::remember::Remembered;
use super::{metrics, resolve, signals};
use crate::cancel::CancelToken;
use crate::exit::ExitCode;
use crate::plan::Plan;
use crate::report::Model;
use crate::verify::{Observer, Observers};
use crate::{progress, report, verify};

/// Verifies as flags and configuration say.
pub fn run(flags: Verify, environment: &Environment) -> Result<ExitCode, Error> {
    let mut plan = resolve::plan(flags, environment)?;
    let cancel = CancelToken::new();
    signals::install(&cancel)?;
    if let Some(done) = execute(&plan, &cancel)? {
        return Ok(done);
    }
    // The run that was to be taken up cannot be: a new one begins.
    plan.limits.resume = false;
    execute(&plan, &cancel).map(|done| done.unwrap_or(ExitCode::Unusable))
}

/// Verifies once. Returns no exit code if an earlier run was to be taken up, but the backup lists
/// other files than when it began.
fn execute(plan: &Plan, cancel: &CancelToken) -> Result<Option<ExitCode>, Error> {
    let remembered = Remembered::begin(plan)?;
    warn(remembered.warnings().iter().cloned());
    let mut plan = plan.clone();
    remembered.take_up(&mut plan);
    let plan = &plan;
    let progress = progress::for_plan(&plan.outputs.terminal);
    let observers = [&*progress, &remembered as &dyn Observer];
    let done = verify::run(plan, remembered.memory(), cancel, &Observers(&observers));
    drop(progress);
    let outcome = match done {
        Ok(outcome) => outcome,
        Err(error @ verify::Error::OtherPopulation) if remembered.is_resumed() => {
            warn([format!("{error}; a new one begins")]);
            warn(remembered.finish(&failure(plan, error).1));
            return Ok(None);
        }
        Err(error) => {
            let (error, failure) = failure(plan, error);
            warn(remembered.finish(&failure));
            warn(metrics::write(plan, &failure));
            return Err(error);
        }
    };
    let model = Model::new(plan, Ok(&outcome));
    warn(remembered.finish(&model));
    warn(metrics::write(plan, &model));
    match report::write_all(plan, &model) {
        // That a report is lost must not hide that the backup is bad.
        Err(error) if model.has_failures() => Error::from(error).print(),
        written => written?,
    }
    Ok(Some(model.exit_code))
}

/// Tells a person what could not be remembered. It changes nothing about the run.
fn warn(warnings: impl IntoIterator<Item = String>) {
    for text in warnings {
        error::warn(&text);
    }
}

/// Writes the reports of a run that ended in an error: an old one would pass for its own. Where a
/// report may not be written, none is. The report is returned for the ledger.
fn failure(plan: &Plan, error: verify::Error) -> (Error, Model) {
    let is_about_reports = matches!(error, verify::Error::ReportUnwritable { .. });
    let error = Error::from(error);
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
    (error, model)
}
