//! The metrics that a verification writes when it is over (`--metrics`).
//!
//! In: the plan, the report, and what the ledger knows of the job. Out: a file for Prometheus, or a
//! warning: metrics never change how a run ends. They are written after a run that failed, too. A
//! run whose plan could not be made, and one that was killed, leave the old file, whose time of the
//! last run then grows old.

use super::error::Error;
use crate::history::metrics::{BEGINS, JobMetrics, render};
use crate::history::run::{Run, RunState};
use crate::ledger::ask::{self, Subject};
use crate::ledger::{self, Ledger};
use crate::output::{self, Output};
use crate::plan::{Plan, ReportOutput};
use crate::report::Model;
use crate::verify;

/// Writes the metrics of this run, if that was asked for. Returns what kept them from being
/// written, or from being complete.
pub fn write(plan: &Plan, report: &Model) -> Vec<String> {
    let Some(place) = &plan.outputs.metrics else { return Vec::new() };
    let (metrics, lacking) = gather(plan, report);
    let output = ReportOutput { renderer: "metrics", begins: BEGINS, output: Output::File(place.clone()) };
    let failed = |problem: String| format!("cannot write the metrics to {}: {problem}", place.display());
    let written = match verify::check_report(plan, &output) {
        Ok(()) => output::replace(place, render(&[metrics]).as_bytes()).map_err(|error| error.to_string()),
        Err(error) => Err(Error::from(error).message()),
    };
    lacking.into_iter().chain(written.err().map(failed)).collect()
}

/// What is known after this run, and what the ledger could not tell.
fn gather(plan: &Plan, report: &Model) -> (JobMetrics, Option<String>) {
    let run = Run::of_report(report);
    let passed = run.as_ref().filter(|run| run.result == RunState::Pass).map(Run::time);
    let alone = JobMetrics {
        job: plan.origin.job.clone(),
        // Without a ledger, a run that did not pass does not know if another one has.
        passed: passed.map(Some),
        last: run.clone(),
        ..JobMetrics::default()
    };
    match remembered(plan, report) {
        Ok(None) => (alone, None),
        Ok(Some(known)) => {
            let passed = passed.map(Some).or(known.passed);
            (JobMetrics { last: run.or(known.last), passed, ..known }, None)
        }
        Err(error) => (alone, Some(format!("the metrics lack what the ledger knows: {}", error.in_full()))),
    }
}

fn remembered(plan: &Plan, report: &Model) -> Result<Option<JobMetrics>, ledger::Error> {
    let Some((state, now)) = plan.outputs.state.as_ref().zip(report.finished) else { return Ok(None) };
    let ledger = match Ledger::open_read_only(state) {
        // The run has said so already.
        Err(error) if error.problem == ledger::Problem::Missing => return Ok(None),
        opened => opened?,
    };
    let Some(subject) = Subject::of(&ledger, plan)? else { return Ok(None) };
    ask::metrics(&ledger, &subject, now).map(Some)
}
