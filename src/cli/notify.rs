//! `bkverify notify test`: sends a test message to everybody whom a job tells, and says what
//! happened.

use clap::{Args, Subcommand};

use super::environment::Environment;
use super::error::{self, Error};
use super::invocation::{Invocation, Verify};
use super::local::machine_name;
use super::resolve;
use crate::backup::escape;
use crate::exit::ExitCode;
use crate::notify::{self, Delivery, Message};

/// How `bkverify notify test` ends.
pub const EXIT_CODES: &[(i32, &str)] = &[
    (0, "everybody was told"),
    (1, "somebody could not be told"),
    (2, "usage or configuration error, or the job tells nobody"),
    (4, "standard output could not be used"),
];

/// What to do about notifications.
#[derive(Debug, Subcommand)]
pub enum Notify {
    /// Send a test message to everybody whom a job tells, whatever `when` says
    Test(TestArgs),
}

/// Flags of `bkverify notify test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Use this job of the configuration
    #[arg(long, value_name = "NAME")]
    pub job: Option<String>,
    /// Read this configuration instead of the first that is found
    #[arg(long, value_name = "FILE")]
    pub config: Option<std::path::PathBuf>,
}

/// Sends the test messages.
pub fn run(what: &Notify, environment: &Environment) -> Result<ExitCode, Error> {
    let Notify::Test(TestArgs { job, config }) = what;
    let invocation = Invocation { job: job.clone(), config: config.clone(), ..Invocation::default() };
    let plan = resolve::plan(Verify { invocation, ..Verify::default() }, environment)?;
    if plan.notifiers.is_empty() {
        return Err(Error::usage("this job tells nobody: it has no [notify] table")
            .hint("add one to the configuration; bkverify help notify has examples"));
    }
    let message = Message::test(&plan, &machine_name(), environment.now.timestamp());
    let deliveries = notify::tell(plan.notifiers.iter(), message).finish();
    error::print(deliveries.iter().map(line).collect::<String>().as_bytes())?;
    let all_told = deliveries.iter().all(|delivery| delivery.result.is_ok());
    Ok(if all_told { ExitCode::Pass } else { ExitCode::IntegrityFailure })
}

fn line(delivery: &Delivery) -> String {
    let safe = |text: &str| escape(text.as_bytes()).into_owned();
    let recipient = safe(&delivery.recipient);
    match &delivery.result {
        Ok(answer) => format!("told    {recipient}: {}\n", safe(answer)),
        Err(problem) => format!("FAILED  {recipient}: {}\n", safe(problem)),
    }
}
