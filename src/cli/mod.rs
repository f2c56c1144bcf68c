//! The command line: the only room that knows clap, the configuration file and the environment.
//!
//! In: the process's arguments and surroundings. Out: an exit code; on the way a
//! [`Plan`](crate::plan::Plan) for the stages. It decides nothing about backups: what a verdict is
//! and what it means is decided elsewhere.
//!
//! - `args` is the whole command line: it knows every command, and no command knows it.
//! - `settings` declares what a verification can be told; `config` reads the same from a file,
//!   `resolve` makes the plan of both.
//! - Each other file is one command (`verify`, `plan`, `init`, ...) or one helper.

mod answers;
mod args;
mod attached;
mod backup_location;
mod bench;
mod checklist;
mod commands;
mod config;
mod coverage;
mod environment;
mod error;
mod facts;
mod fields;
mod generate;
mod help;
mod history;
mod hooks;
mod init;
mod invocation;
mod known;
mod layer;
mod ledger;
mod local;
mod man;
mod manifest;
#[cfg(test)]
mod manual_tests;
mod metrics;
mod mistakes;
mod notifiers;
mod notify;
mod paths;
mod plan;
mod recheck;
mod remember;
mod reports;
mod resolve;
mod schedule;
mod settings;
mod show;
mod signals;
mod source;
mod status;
mod tell;
mod usage;
mod values;
mod verify;
mod written;

use std::ffi::OsString;

use clap::{CommandFactory, Parser};

use self::args::{Arguments, Command};
use self::environment::Environment;
pub use self::error::Error;
use self::invocation::Verify;
use crate::exit::ExitCode;

/// Does what the arguments say (the first is the program's name), and tells the person what went
/// wrong.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(other) => return refuse(&other),
    };
    dispatch(arguments).unwrap_or_else(|error| {
        error.print();
        error.exit_code()
    })
}

/// Prints help, the version, or what is wrong with a command line. A reader that has gone is no
/// reason to fail.
fn refuse(other: &clap::Error) -> ExitCode {
    if let Some(error) = mistakes::explain(other) {
        error.print();
        return error.exit_code();
    }
    let _ = other.print();
    if other.use_stderr() { ExitCode::Usage } else { ExitCode::Pass }
}

fn dispatch(arguments: Arguments) -> Result<ExitCode, Error> {
    // clap could refuse this itself, but then it would refuse --color there, too.
    if arguments.command.is_some() && arguments.verify != Verify::default() {
        return Err(Error::usage("a command cannot be used with flags before it")
            .hint("write them behind the command; only --color may be on either side"));
    }
    let environment = Environment::read(arguments.color)?;
    match arguments.command {
        None => verify::run(arguments.verify, &environment),
        Some(Command::Plan(flags)) => plan::run(*flags, &environment),
        Some(Command::Init(init)) => init::run(&init, &environment),
        Some(Command::Manifest(what)) => manifest::run(&what, &environment),
        Some(Command::Bench(what)) => bench::run(&what, &environment),
        Some(Command::Checklist(what)) => checklist::run(&what, &environment),
        Some(Command::Schedule(what)) => schedule::run(&what, &environment),
        Some(Command::Facts(what)) => facts::run(&what),
        Some(Command::Ledger(what)) => ledger::run(&what, &environment),
        Some(Command::History(what)) => history::run(&what, &environment),
        Some(Command::Coverage(what)) => coverage::run(&what, &environment),
        Some(Command::Status(what)) => status::run(&what, &environment),
        Some(Command::Notify(what)) => notify::run(&what, &environment),
        Some(Command::Generate(what)) => generate::run(&what, Arguments::command()),
        Some(Command::Help(asked)) => help::run(&asked, &Arguments::command(), &environment),
    }
}
