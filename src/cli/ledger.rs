//! `bkverify ledger`: checks what runs remember, makes it smaller, and writes it out.
//!
//! In: flags, and the configuration and the surroundings for the state folder. Out: a few lines, or
//! the export, and an exit code.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use super::config;
use super::environment::Environment;
use super::error::{self, Error};
use super::reports::{located, output_parser};
use super::values::{StateFolder, When};
use crate::backup::path_text;
use crate::exit::ExitCode;
use crate::ledger::{self, Checked, ExportError, Exported, FILE_NAME, Form, Ledger, Pruned};
use crate::output::Output;
use crate::words;

/// How `bkverify ledger check` ends.
pub const CHECK_EXIT_CODES: &[(i32, &str)] = &[
    (0, "the ledger is whole"),
    (1, "the ledger is damaged"),
    (2, "usage or configuration error"),
    (4, "the ledger could not be read"),
];

/// What to do with the ledger.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Check that the ledger is whole
    Check(Place),
    /// Remove old runs, and files that only they judged, and make the ledger smaller
    Prune(Prune),
    /// Write runs, files or picks as JSON Lines or CSV
    Export(Export),
}

/// Which ledger.
#[derive(Debug, Args)]
pub struct Place {
    /// The state folder [default: that of a verification; see bkverify plan]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

/// Flags of pruning.
#[derive(Debug, Args)]
pub struct Prune {
    /// Keep runs that are younger than this, such as 2y or 90d, or that started after this date
    #[arg(long, value_name = "WHEN")]
    keep: When,
    #[command(flatten)]
    place: Place,
}

/// Flags of the export.
#[derive(Debug, Args)]
pub struct Export {
    /// What to write; CSV takes one of them [default: runs and files]
    #[arg(value_enum, value_name = "WHAT")]
    what: Vec<What>,
    /// How to write it
    #[arg(long, value_enum, value_name = "FORM", default_value_t = Written::Jsonl)]
    form: Written,
    /// Write to this file; - is standard output
    #[arg(long, value_name = "FILE", value_parser = output_parser(), default_value = "-")]
    output: Output,
    #[command(flatten)]
    place: Place,
}

/// What can be exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// A line for each run
    Runs,
    /// A line for each file, with the run that judged it last
    Files,
    /// A line for each file that each run judged
    Picks,
}

/// How it can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Written {
    /// JSON Lines: an object on each line
    Jsonl,
    /// Comma-separated values
    Csv,
}

/// Does what was asked.
pub fn run(command: &LedgerCommand, environment: &Environment) -> Result<ExitCode, Error> {
    match command {
        LedgerCommand::Check(place) => check(place, environment),
        LedgerCommand::Prune(prune) => self::prune(prune, environment),
        LedgerCommand::Export(export) => self::export(export, environment),
    }
}

/// The state folder that a command reads: the one that a flag names, or that of a verification.
pub fn state_folder(said: Option<&Path>, environment: &Environment) -> Result<PathBuf, Error> {
    if let Some(said) = said {
        return Ok(environment.base().absolute(said));
    }
    let configured = config::load(None, environment)?.and_then(|config| config.defaults.state);
    match configured {
        Some(StateFolder::Folder(folder)) => Some(folder),
        Some(StateFolder::None) => None,
        None => environment.state.clone(),
    }
    .ok_or_else(|| {
        Error::usage("there is no state folder: the configuration says none, or this user has no home folder")
            .hint("name one with --state DIR")
    })
}

fn check(place: &Place, environment: &Environment) -> Result<ExitCode, Error> {
    let state = state_folder(place.state.as_deref(), environment)?;
    let ledger = Ledger::open_read_only(&state).map_err(|error| unusable(&error))?;
    let checked = ledger::check(&ledger).map_err(|error| unusable(&error))?;
    error::print(found(&ledger, &checked).as_bytes())?;
    Ok(if checked.problems.is_empty() { ExitCode::Pass } else { ExitCode::IntegrityFailure })
}

fn found(ledger: &Ledger, checked: &Checked) -> String {
    let path = path_text(ledger.path());
    if checked.problems.is_empty() {
        return format!(
            "{path} is whole: {}, {}, {}\n",
            words::counted(checked.runs, "run"),
            words::counted(checked.files, "file"),
            words::bytes(checked.bytes)
        );
    }
    let mut text = format!("{path} is damaged:\n");
    for problem in &checked.problems {
        text.push_str(&format!("  {}\n", crate::backup::escape(problem.as_bytes())));
    }
    text.push_str(
        "Move it away, and the next run begins a new ledger. A backup of it can be put back instead.\n",
    );
    text
}

fn prune(arguments: &Prune, environment: &Environment) -> Result<ExitCode, Error> {
    let state = state_folder(arguments.place.state.as_deref(), environment)?;
    let before = arguments.keep.resolve(&environment.now);
    let before = before.map_err(|problem| Error::usage(format!("invalid value for --keep: {problem}")))?;
    // Opening it to write would make one.
    drop(Ledger::open_read_only(&state).map_err(|error| unusable(&error))?);
    let mut ledger = Ledger::open(&state).map_err(|error| unusable(&error))?;
    let now = std::time::SystemTime::from(environment.now.timestamp()).into();
    let pruned = ledger::prune(&mut ledger, before, now).map_err(|error| unusable(&error))?;
    error::print(removed(&pruned).as_bytes())?;
    Ok(ExitCode::Pass)
}

fn removed(pruned: &Pruned) -> String {
    let kept = words::counted(pruned.kept_runs, "run");
    if pruned.runs == 0 {
        return format!("nothing is older; kept {kept}\n");
    }
    format!(
        "removed {} and {} that no later run judged; kept {kept}; the ledger is {} smaller\n",
        words::counted(pruned.runs, "run"),
        words::counted(pruned.files, "file"),
        words::bytes(pruned.bytes)
    )
}

fn export(arguments: &Export, environment: &Environment) -> Result<ExitCode, Error> {
    let what: Vec<_> = match arguments.what.as_slice() {
        [] => vec![Exported::Runs, Exported::Files],
        some => some.iter().map(|&what| what.into()).collect(),
    };
    if arguments.form == Written::Csv && what.len() != 1 {
        return Err(Error::usage("one CSV cannot hold several kinds of lines")
            .hint("bkverify ledger export files --form csv, and the same with runs or picks"));
    }
    let state = state_folder(arguments.place.state.as_deref(), environment)?;
    let output = located(&arguments.output, environment.base());
    let form = match arguments.form {
        Written::Jsonl => Form::JsonLines,
        Written::Csv => Form::Csv,
    };
    let ledger = Ledger::open_read_only(&state).map_err(|error| unusable(&error))?;
    let failed = |error| match error {
        ExportError::Ledger(error) => unusable(&error),
        ExportError::Output(error) => cannot_write(&output, error),
    };
    match output.file() {
        None => match ledger::export(&ledger, &what, form, &mut BufWriter::new(io::stdout().lock())) {
            // A reader that has gone has read what it wanted.
            Err(ExportError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {}
            done => done.map_err(failed)?,
        },
        Some(place) => {
            if place.parent() == Some(&*state) && place.file_name().is_some_and(is_ledgers) {
                return Err(Error::usage(format!("{} is part of the ledger", path_text(place)))
                    .hint("write to another file"));
            }
            to_file(place, |out| ledger::export(&ledger, &what, form, out)).map_err(failed)?;
        }
    }
    Ok(ExitCode::Pass)
}

fn is_ledgers(name: &std::ffi::OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(FILE_NAME))
}

/// Writes a file that may be larger than memory. One that exists is not replaced: unlike a report,
/// it cannot be told from a file of somebody else.
fn to_file(
    place: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let mut file = BufWriter::new(File::create_new(place)?);
    write(&mut file)?;
    Ok(file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?)
}

fn cannot_write(output: &Output, error: io::Error) -> Error {
    let hint = match error.kind() {
        io::ErrorKind::AlreadyExists => "remove it first, or name another file",
        _ => "name a file in a folder that can be written, with enough room",
    };
    Error::new(ExitCode::Unusable, format!("cannot write the export to {output}")).because(error).hint(hint)
}

/// The same problem, for a command whose subject is the ledger.
fn unusable(error: &ledger::Error) -> Error {
    let hint = error.hint();
    Error::new(ExitCode::Unusable, error.in_full()).hint(hint)
}

impl From<What> for Exported {
    fn from(what: What) -> Self {
        match what {
            What::Runs => Self::Runs,
            What::Files => Self::Files,
            What::Picks => Self::Picks,
        }
    }
}
