//! The command line: the only room that knows clap, the configuration file and the environment.
//!
//! In: the process's arguments and surroundings. Out: an exit code; on the way a [`Plan`] for the
//! stages. It decides nothing about backups: what a verdict is and what it means stands elsewhere.
//!
//! `args` and `settings` define the flags, `config` reads the file, `resolve` makes the plan of
//! both; each other file is one command or one helper.

mod args;
mod bench;
mod checklist;
mod config;
mod environment;
mod error;
mod facts;
mod generate;
mod help;
mod init;
mod local;
mod man;
#[cfg(test)]
mod manual_tests;
mod reports;
mod resolve;
mod settings;
mod show;
mod signals;
mod values;

use std::ffi::OsString;

use clap::Parser;

use self::args::{Arguments, Command, Verify};
use self::environment::Environment;
pub use self::error::Error;
use crate::exit::ExitCode;
use crate::plan::Plan;
use crate::report::Model;
use crate::stop::Stop;
use crate::{progress, report, verify};

/// Does what the arguments say (the first is the program's name), and tells the person what went
/// wrong.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(other) => {
            // Help, the version, or a wrong command line. A reader that has gone is no reason to
            // fail.
            let _ = other.print();
            return if other.use_stderr() { ExitCode::Usage } else { ExitCode::Pass };
        }
    };
    dispatch(arguments).unwrap_or_else(|error| {
        error.print();
        error.exit_code()
    })
}

fn dispatch(arguments: Arguments) -> Result<ExitCode, Error> {
    match arguments.command {
        None => execute(&plan(arguments.verify)?),
        Some(Command::Plan(verify)) => {
            error::print(show::render(&plan(*verify)?).as_bytes())?;
            Ok(ExitCode::Pass)
        }
        Some(Command::Init(init)) => init::run(&init, &Environment::read()?),
        Some(Command::Bench(what)) => bench::run(&what),
        Some(Command::Checklist(what)) => checklist::run(&what),
        Some(Command::Facts(what)) => facts::run(&what),
        Some(Command::Generate(what)) => generate::run(&what),
        Some(Command::Help(asked)) => help::run(&asked),
    }
}

fn plan(verify: Verify) -> Result<Plan, Error> {
    let environment = Environment::read()?;
    let config = config::load(verify.invocation.config.as_deref(), &environment)?;
    resolve::resolve(verify, config.as_ref(), &environment)
}

/// Writes the reports of a run that ended in an error: an old one would pass for its own. Where a
/// report may not be written, none is.
fn report_failure(plan: &Plan, error: Error) -> Error {
    let failure = report::Failure {
        exit_code: error.exit_code(),
        message: error.message(),
        hint: error.advice().map(str::to_owned),
        took: plan.started.elapsed().unwrap_or_default(),
    };
    if verify::check_reports(plan).is_ok()
        && let Err(other) = report::write_files(plan, &Model::new(plan, Err(&failure)))
    {
        Error::from(other).print();
    }
    error
}

/// Verifies, answering signals, and writes the reports.
fn execute(plan: &Plan) -> Result<ExitCode, Error> {
    let stop = Stop::never();
    signals::install(&stop)?;
    let progress = progress::for_plan(&plan.outputs.terminal);
    let done = verify::run(plan, &stop, &*progress);
    drop(progress);
    let outcome = done.map_err(|error| report_failure(plan, Error::from(error)))?;
    let model = Model::new(plan, Ok(&outcome));
    match report::write_all(plan, &model) {
        // That a report is lost must not hide that the backup is bad.
        Err(error) if model.has_failures() => Error::from(error).print(),
        written => written?,
    }
    Ok(model.exit_code)
}
