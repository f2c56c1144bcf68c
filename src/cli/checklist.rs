//! `bkverify checklist`, `bkverify checklist done` and `bkverify checklist waive`.
//!
//! In: flags, the configuration, the surroundings. Out: the record on the terminal and in files,
//! and an exit code: 0 when nothing fails, 1 when something does, 3 when something could not be
//! checked.

mod fix;
mod machine;
mod say;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::environment::Environment;
use super::error::{self, Error, nearest};
use super::local::Surroundings;
use super::paths::Base;
use super::reports::{located, output_parser};
use super::values::Limit;
use crate::checklist::render::terminal::Page;
use crate::checklist::ticks::Ticks;
use crate::checklist::{BackupJob, CHECKS, Check, Record, Status, render, runner};
use crate::exit::ExitCode;
use crate::output::Output;
use crate::plan::{Beginnings, ReportOutput};
use crate::progress::Waiting;
use crate::verify::target::Protected;

use machine::Look;
use say::{Done, Waive};

/// Columns that the page takes where there is no terminal, and at most: longer lines are hard to
/// read.
const COLUMNS: (usize, usize) = (80, 110);

/// Flags of the checklist.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, after_help = after_help())]
pub struct ChecklistArgs {
    /// What to do other than run checks
    #[command(subcommand)]
    command: Option<ChecklistCommand>,
    /// Run only these checks [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    look: Look,
    /// Write the record as JSON to this file; - is standard output
    #[arg(long, value_name = "FILE", value_parser = output_parser())]
    json: Option<Output>,
    /// Write the record as Markdown to this file; - is standard output
    #[arg(long, value_name = "FILE", value_parser = output_parser())]
    markdown: Option<Output>,
    /// Write the record as one HTML page to this file; - is standard output
    #[arg(long, value_name = "FILE", value_parser = output_parser())]
    html: Option<Output>,
    /// Offer to run the commands that fix what was found
    #[arg(long, conflicts_with_all = ["computer", "from"])]
    fix: bool,
    /// Run these commands without asking
    #[arg(long, requires = "fix")]
    yes: bool,
    /// Print nothing but errors, unless something is wrong
    #[arg(long, short)]
    quiet: bool,
}

/// Makes a report of a record.
type Render = fn(&Record) -> String;

/// A flag, where its report goes, and what makes it.
type Wanted<'a> = (&'static str, &'a Output, Render);

impl ChecklistArgs {
    /// The reports that were asked for.
    fn reports(&self) -> impl Iterator<Item = Wanted<'_>> {
        let all = [
            ("--json", &self.json, render::json::render as Render),
            ("--markdown", &self.markdown, render::page::markdown),
            ("--html", &self.html, render::page::html),
        ];
        all.into_iter().filter_map(|(flag, output, render)| Some((flag, output.as_ref()?, render)))
    }
}

#[derive(Debug, Subcommand)]
enum ChecklistCommand {
    /// Tick off a step that only a person can do
    Done(Done),
    /// Accept a finding that fails, warns or could not be checked
    Waive(Waive),
}

/// How `bkverify checklist` ends.
pub const EXIT_CODES: &[(i32, &str)] = &[
    (0, "nothing fails, or what fails is waived"),
    (1, "something fails"),
    (2, "usage or configuration error"),
    (3, "nothing fails, but something could not be checked"),
    (4, "a report or the state folder could not be written"),
];

fn after_help() -> String {
    let mut text = "Checks:\n".to_owned();
    for check in CHECKS {
        text.push_str(&format!("  {:<15} {}\n", check.name, check.title));
    }
    text.push_str("\nExit codes:\n");
    for (code, meaning) in EXIT_CODES {
        text.push_str(&format!("  {code}  {meaning}\n"));
    }
    text
}

/// Runs the checklist, or records what a person says about it.
pub fn run(arguments: &ChecklistArgs, environment: &Environment) -> Result<ExitCode, Error> {
    let here = Surroundings::read()?;
    match &arguments.command {
        Some(ChecklistCommand::Done(done)) => say::done(done, environment, here),
        Some(ChecklistCommand::Waive(waive)) => say::waive(waive, environment, here),
        None => check(arguments, environment, here),
    }
}

fn check(
    arguments: &ChecklistArgs,
    environment: &Environment,
    mut here: Surroundings,
) -> Result<ExitCode, Error> {
    let checks = chosen(&arguments.names)?;
    let stdout_taken = takes_stdout(arguments)?;
    let machine = Arc::new(arguments.look.machine(environment, &mut here)?);
    check_outputs(arguments, &machine.settings.jobs, environment.base())?;
    let ticks = Ticks::load(&here.state).map_err(unusable)?;
    let limit = arguments.look.timeout.map(|Limit(time)| time);
    let shows_progress = environment.stderr_is_terminal && !environment.dumb_terminal && !arguments.quiet;
    let look = |checks: &[&'static Check]| {
        let waiting = shows_progress.then(Waiting::new);
        let watch = &mut |names: &[&str]| waiting.iter().for_each(|waiting| waiting.on(names));
        runner::run(checks, &machine, limit, &ticks, watch)
    };
    let mut record = Record {
        machine: here.name.clone(),
        system: here.system.clone(),
        taken: machine.settings.now,
        checks: look(&checks),
    };
    let page = Page {
        color: environment.color(stdout_taken),
        width: environment.columns.map_or(COLUMNS.0, |columns| columns.min(COLUMNS.1)),
    };
    if arguments.fix && fix::fix(&record, &machine, arguments.yes, page)? {
        // Everything is looked at again: what fixes one finding may change what another check sees.
        record.checks = look(&checks);
    }
    hand_over(&record, arguments, environment.base(), page)?;
    Ok(exit_code(&record))
}

/// Whether a report goes to standard output. Two of them would run into one another there, and so
/// would one and the questions of `--fix`.
fn takes_stdout(arguments: &ChecklistArgs) -> Result<bool, Error> {
    let there: Vec<&str> = arguments
        .reports()
        .filter(|(_, output, _)| **output == Output::Stdout)
        .map(|(flag, _, _)| flag)
        .collect();
    match there[..] {
        [one, other, ..] => Err(Error::usage(format!("{one} and {other} both go to standard output"))
            .hint("give each report a file of its own")),
        [flag] if arguments.fix => Err(Error::usage(format!("--fix and {flag} - both use standard output"))
            .hint("give the report a file")),
        _ => Ok(!there.is_empty()),
    }
}

/// Makes sure that no report is written over a configured backup or its originals, or over a file
/// that is named like a check: `--json backup` was once a flag and a check.
fn check_outputs(arguments: &ChecklistArgs, jobs: &[BackupJob], base: Base<'_>) -> Result<(), Error> {
    for (flag, output, _) in arguments.reports() {
        if let Some(check) = CHECKS.iter().find(|check| output.file() == Some(Path::new(check.name))) {
            return Err(Error::usage(format!(
                "{flag} needs a file, and {} is the name of a check",
                check.name
            ))
            .hint(format!("{flag} - {0}, or {flag} ./{0} for a file of that name", check.name)));
        }
        let renderer = flag.trim_start_matches('-');
        let report = ReportOutput { renderer, begins: BEGINS, output: located(output, base) };
        for job in jobs {
            let mapped = job.maps.iter().map(|map| map.to.as_path());
            let originals = job.sources.iter().map(PathBuf::as_path).chain(mapped).collect();
            Protected { backup: job.backup.place(), originals }.check_report(&report)?;
        }
    }
    Ok(())
}

/// How a record that an older run has written as JSON begins. Markdown and HTML could be anybody's.
const BEGINS: Beginnings = &[&["{", r#""schema""#, ":", r#""bkverify-checklist/"#]];

fn chosen(names: &[String]) -> Result<Vec<&'static Check>, Error> {
    if names.is_empty() {
        return Ok(CHECKS.to_vec());
    }
    let mut checks: Vec<&'static Check> = Vec::new();
    for name in names {
        let check = known(name)?;
        if !checks.iter().any(|chosen| chosen.name == check.name) {
            checks.push(check);
        }
    }
    Ok(checks)
}

fn known(name: &str) -> Result<&'static Check, Error> {
    CHECKS.iter().copied().find(|check| check.name == name).ok_or_else(|| {
        let hint = match nearest(name, CHECKS.iter().map(|check| check.name)) {
            Some(near) => format!("did you mean {near}?"),
            None => {
                let names: Vec<&str> = CHECKS.iter().map(|check| check.name).collect();
                format!("the checks are: {}", names.join(", "))
            }
        };
        Error::usage(format!("there is no check \"{name}\"")).hint(hint)
    })
}

/// The page in standard output's place where a report goes there, and the reports to theirs. A
/// quiet run shows the page only where something is wrong.
fn hand_over(record: &Record, arguments: &ChecklistArgs, base: Base<'_>, page: Page) -> Result<(), Error> {
    let text = render::terminal::render(record, page);
    let is_quiet = arguments.quiet && exit_code(record) == ExitCode::Pass;
    let mut stdout_taken = false;
    for (_, output, render) in arguments.reports() {
        stdout_taken |= *output == Output::Stdout;
        error::deliver("the record", &located(output, base), render(record).as_bytes())?;
    }
    if is_quiet { Ok(()) } else { error::show_beside(text.as_bytes(), stdout_taken) }
}

fn exit_code(record: &Record) -> ExitCode {
    match record.verdict() {
        Status::Fail => ExitCode::IntegrityFailure,
        Status::CouldNotCheck => ExitCode::Incomplete,
        _ => ExitCode::Pass,
    }
}

fn unusable(problem: String) -> Error {
    Error::new(ExitCode::Unusable, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_check_is_refused_with_the_nearest_name() {
        let error = chosen(&["cloc".into()]).map(|_| ()).unwrap_err().render(None);
        assert!(error.contains("no check \"cloc\"") && error.contains("did you mean clock?"), "{error}");
        let error = chosen(&["zzz".into()]).map(|_| ()).unwrap_err().render(None);
        assert!(error.contains("the checks are: backup, updates"), "{error}");
    }
}
