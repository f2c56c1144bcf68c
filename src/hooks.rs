//! Hooks: a program that runs before a verification, and one that runs after it, however it ended.
//!
//! The one before may mount the backup or unlock it, so it runs before any path is looked at. If it
//! fails, nothing is verified. The one after always runs. If it fails, the result stays as it is.
//! Both learn about the run from environment variables.

use std::time::Instant;

use crate::cancel::CancelToken;
use crate::exit::ExitCode;
use crate::output;
use crate::plan::{Hook, Hooks, Plan};
use crate::program::{Call, ProgramError, ProgramOutput};
use crate::report::model::PlanPart;
use crate::report::{Model, variables};
use crate::words::{duration, printable};

/// How many lines of the output of a hook that failed are printed.
const LINES: usize = 10;

/// Why a hook did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the hook \"{hook}\" failed: {problem}")]
pub struct Error {
    hook: &'static str,
    problem: String,
    is_cancelled: bool,
}

impl Error {
    /// How a run ends whose first hook failed: it could not begin, unless a person stopped it.
    pub fn exit_code(&self) -> ExitCode {
        if self.is_cancelled { ExitCode::Incomplete } else { ExitCode::Unusable }
    }

    /// What to do next.
    pub fn hint(&self) -> String {
        let Self { hook, .. } = self;
        format!(
            "run the command of {hook} in the configuration by hand; hook-time-limit sets how long it may take"
        )
    }
}

/// Runs the hook before a verification, if there is one.
pub fn before(plan: &Plan, cancel: &CancelToken) -> Result<(), Error> {
    let variables = variables::of_plan(&PlanPart::new(plan));
    run("before", plan.hooks.before.as_ref(), &plan.hooks, variables, cancel)
}

/// Runs the hook after a verification, if there is one. `report` is the file with the JSON report.
/// A stopped run is no reason to skip it: what the first hook mounted is still mounted.
pub fn after(plan: &Plan, model: &Model, report: Option<&str>) -> Result<(), Error> {
    let variables = variables::of_run(model, report);
    run("after", plan.hooks.after.as_ref(), &plan.hooks, variables, &CancelToken::new())
}

fn run(
    name: &'static str,
    hook: Option<&Hook>,
    hooks: &Hooks,
    variables: Vec<(&'static str, String)>,
    cancel: &CancelToken,
) -> Result<(), Error> {
    let Some(hook) = hook else { return Ok(()) };
    let environment = variables.into_iter().map(|(name, value)| (name, value.into())).collect();
    let call = Call { environment, leaves_others: true, ..hook.call() };
    let problem = match call.run(Instant::now() + hooks.time_limit, cancel) {
        Ok(output) if output.succeeded() => return Ok(()),
        Ok(output) => show(&output),
        Err(ProgramError::TimedOut(_)) => {
            format!("it did not end within {} and was ended", duration(hooks.time_limit))
        }
        Err(error) => error.to_string(),
    };
    Err(Error { hook: name, problem, is_cancelled: cancel.is_cancelled() })
}

/// Prints the last lines of what a hook printed, and returns how it ended. A shell that repeats its
/// commands may print a secret, so its output is in no report, ledger or message.
fn show(output: &ProgramOutput) -> String {
    let ending = output.ended();
    let lines = output.stdout.lines().chain(output.stderr.lines()).map(str::trim);
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(LINES)..];
    if last.is_empty() {
        return ending;
    }
    let shown: String = last.iter().map(|line| format!("{}\n", printable(line))).collect();
    // Without standard error, nobody can be told.
    let _ = output::show(shown.as_bytes(), true);
    format!("{ending}; its output is on standard error")
}
