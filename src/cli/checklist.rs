//! `bkverify checklist` and `bkverify checklist done`.
//!
//! In: flags, the configuration, the surroundings. Out: the record on the terminal and in files,
//! and an exit code: 0 when nothing fails, 1 when something does, 3 when something could not be
//! checked.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};

use super::config::{self, Config};
use super::environment::Environment;
use super::error::{self, Error, nearest};
use super::local::{self, Surroundings};
use super::paths::Base;
use super::reports::{located, output_parser};
use super::values::{Limit, Source};
use crate::backup::registry;
use crate::checklist::fix::{self, Fixed, Proposal};
use crate::checklist::machine::read_text;
use crate::checklist::render::terminal::Page;
use crate::checklist::ticks::{Tick, Ticks};
use crate::checklist::{
    Against, BackupJob, CHECKS, Check, Machine, MachineSettings, Os, Record, Status, render, runner,
};
use crate::exit::ExitCode;
use crate::facts::Facts;
use crate::output::Output;
use crate::plan::{Beginnings, ReportOutput};
use crate::progress::Waiting;
use crate::verify::target::Protected;

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
    /// Compare the clock with this destination: a server that answers NTP, a file of facts, or -
    /// for facts on standard input
    #[arg(long, value_name = "HOST|FILE|-")]
    against: Option<String>,
    /// Compare the clock with this NTP server instead of the configured ones
    #[arg(long, value_name = "HOST")]
    ntp: Option<String>,
    /// Write the record as JSON to this file; - is standard output
    #[arg(long, value_name = "FILE", value_parser = output_parser())]
    json: Option<Output>,
    /// Write the record as Markdown to this file; - is standard output
    #[arg(long, value_name = "FILE", value_parser = output_parser())]
    markdown: Option<Output>,
    /// Write the record as one HTML page to this file; - is standard output
    #[arg(long, value_name = "FILE", value_parser = output_parser())]
    html: Option<Output>,
    /// Keep the applications table in this folder [default: the state folder]
    #[arg(long, value_name = "DIR")]
    table: Option<PathBuf>,
    /// Offer to run the commands that fix what was found
    #[arg(long)]
    fix: bool,
    /// Run these commands without asking
    #[arg(long, requires = "fix")]
    yes: bool,
    /// Let no check take longer than this [default: 30s; 5m for updates, best-practices and
    /// applications]
    #[arg(long, value_name = "TIME")]
    timeout: Option<Limit>,
    /// Read this configuration instead of the first that is found
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
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
            ("--markdown", &self.markdown, render::markdown::render),
            ("--html", &self.html, render::html::render),
        ];
        all.into_iter().filter_map(|(flag, output, render)| Some((flag, output.as_ref()?, render)))
    }
}

#[derive(Debug, Subcommand)]
enum ChecklistCommand {
    /// Tick off a step that only a person can do
    Done(Done),
}

#[derive(Debug, Args)]
struct Done {
    /// The check whose step was done
    #[arg(value_name = "NAME")]
    name: String,
    /// What was done, for the record
    #[arg(long, value_name = "TEXT")]
    note: String,
    /// How long it counts, such as 14d [default: forever]
    #[arg(long, value_name = "TIME")]
    valid_for: Option<Limit>,
}

/// How `bkverify checklist` ends.
pub const EXIT_CODES: &[(i32, &str)] = &[
    (0, "nothing fails"),
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

/// Runs the checklist, or ticks a step off.
pub fn run(arguments: &ChecklistArgs, environment: &Environment) -> Result<ExitCode, Error> {
    let here = Surroundings::read()?;
    match &arguments.command {
        Some(ChecklistCommand::Done(done)) => tick_off(done, &here, environment.now.timestamp()),
        None => check(arguments, environment, &here),
    }
}

fn tick_off(done: &Done, here: &Surroundings, now: Timestamp) -> Result<ExitCode, Error> {
    let name = known(&done.name)?.name;
    if done.note.trim().is_empty() {
        return Err(Error::usage("the note is empty")
            .hint("write what was done: --note \"ran it on dc01, no errors\""));
    }
    let valid = done.valid_for.map(|Limit(time)| SignedDuration::try_from(time)).transpose();
    let valid = valid.map_err(|_| Error::usage("--valid-for is too long"))?;
    let tick = Tick::new(name, done.note.trim(), &here.who, now, valid);
    Ticks::record(&here.state, tick.clone()).map_err(|error| unusable(&error))?;
    error::print(format!("{name}: {}\n", tick.words()).as_bytes())?;
    Ok(ExitCode::Pass)
}

fn check(
    arguments: &ChecklistArgs,
    environment: &Environment,
    here: &Surroundings,
) -> Result<ExitCode, Error> {
    let checks = chosen(&arguments.names)?;
    let stdout_taken = takes_stdout(arguments)?;
    let config = config::load(arguments.config.as_deref(), environment)?;
    let against =
        arguments.against.as_deref().map(|text| read_against(text, &environment.current_dir)).transpose()?;
    let jobs = config.as_ref().map(jobs).transpose()?.unwrap_or_default();
    check_outputs(arguments, &jobs, environment.base())?;
    let table = arguments.table.as_ref().map(|folder| environment.base().absolute(folder));
    let machine = Arc::new(Machine {
        os: Os::current(),
        programs: Box::new(local::programs()),
        root: PathBuf::from("/"),
        settings: MachineSettings {
            against,
            ntp: arguments.ntp.clone(),
            jobs,
            table: table.unwrap_or_else(|| here.state.clone()),
            now: environment.now.timestamp(),
            zone: environment.now.time_zone().clone(),
        },
    });
    let ticks = Ticks::load(&here.state).map_err(|error| unusable(&error))?;
    let limit = arguments.timeout.map(|Limit(time)| time);
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
    if arguments.fix && fix(&record, &machine, arguments.yes, page)? {
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

/// Every configured job; without named jobs the top of the file is the one job, if it names a
/// backup.
fn jobs(config: &Config) -> Result<Vec<BackupJob>, Error> {
    let names: Vec<Option<&str>> = if config.jobs.is_empty() {
        vec![None]
    } else {
        config.jobs.keys().map(|name| Some(name.as_str())).collect()
    };
    let mut jobs = Vec::new();
    for name in names {
        let (name, settings) = config.choose(name)?;
        let Some(backup) = settings.backup else { continue };
        let backup = registry::locate(&backup.0, Path::new(""));
        let name = name.unwrap_or_else(|| "the configured job".to_owned());
        let report = settings.reports.of("json").and_then(Output::file).map(Path::to_owned);
        jobs.push(BackupJob {
            name,
            backup,
            sources: Source::folders(settings.source),
            maps: settings.map,
            report,
        });
    }
    Ok(jobs)
}

/// A file of facts if there is one of this name, standard input for `-`, else a server.
fn read_against(text: &str, current_dir: &Path) -> Result<Against, Error> {
    let facts = |json: &str, place: String, under_way: Option<f64>| {
        let facts = Facts::parse(json, &place).map_err(|error| Error::usage(error.to_string()))?;
        Ok(Against::Facts { place, facts: Box::new(facts), under_way, read: Timestamp::now() })
    };
    if text == "-" {
        let started = Instant::now();
        let mut json = String::new();
        let read = io::stdin().lock().take(1 << 20).read_to_string(&mut json);
        read.map_err(|error| Error::usage("cannot read facts from standard input").because(error))?;
        return facts(&json, "standard input".to_owned(), Some(started.elapsed().as_secs_f64()));
    }
    let file = current_dir.join(text);
    match read_text(&file) {
        Ok(Some(json)) => facts(&json, text.to_owned(), None),
        Ok(None) if !text.ends_with(".json") && !text.contains(['/', '\\']) => {
            Ok(Against::Server(text.to_owned()))
        }
        Ok(None) => Err(Error::usage(format!("there is no file of facts at {}", file.display()))
            .hint("write one on the destination: bkverify facts --json > facts.json")),
        Err(problem) => Err(Error::usage(format!("cannot read the facts {}: {problem}", file.display()))),
    }
}

/// Proposes what can be fixed by commands, and runs what the person agrees to. Whether anything
/// was run.
fn fix(record: &Record, machine: &Machine, yes: bool, page: Page) -> Result<bool, Error> {
    let proposals = fix::proposals(record);
    error::print(render::terminal::render(record, page).as_bytes())?;
    if proposals.is_empty() {
        error::print(b"None of this can be fixed by a command.\n\n")?;
        return Ok(false);
    }
    let mut any = false;
    for proposal in &proposals {
        error::print(describe(proposal).as_bytes())?;
        if !yes && !agreed()? {
            error::print(b"  left as it is\n\n")?;
            continue;
        }
        any = true;
        let ended = match fix::apply(proposal, machine.programs.as_ref()) {
            Fixed::Done => "  done\n\n".to_owned(),
            Fixed::Failed(problem) => {
                format!("  failed: {}\n\n", crate::checklist::findings::plain(&problem))
            }
        };
        error::print(ended.as_bytes())?;
    }
    if any {
        error::print(b"Checking again:\n\n")?;
    }
    Ok(any)
}

fn describe(proposal: &Proposal) -> String {
    let mut text = format!("To fix \"{}\" ({}), this will run:\n", proposal.title, proposal.check);
    for command in &proposal.commands {
        text.push_str(&format!("    {}\n", crate::checklist::findings::plain(&command.join(" "))));
    }
    text
}

/// Only a clear yes is one; the end of the input is a no.
fn agreed() -> Result<bool, Error> {
    error::print(b"  Run it? [y/N] ")?;
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.map_err(|error| {
        Error::usage("cannot read the answer").because(error).hint("use --yes to agree in advance")
    })?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes"))
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

fn unusable(error: &dyn std::error::Error) -> Error {
    Error::from_stage(ExitCode::Unusable, error, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_with_a_backup_is_looked_at() {
        let text = "json = 'r.json'\n[jobs.a]\nbackup = 'b'\nsource = 's'\n[jobs.b]\nsource = 's'\n";
        let config = Config::parse(PathBuf::from("/c/bkverify.toml"), text, None).unwrap();
        let jobs = jobs(&config).unwrap();
        assert_eq!(jobs.len(), 1);
        assert_eq!((jobs[0].name.as_str(), jobs[0].backup.local()), ("a", Some(Path::new("/c/b"))));
        assert_eq!(jobs[0].report.as_deref(), Some(Path::new("/c/r.json")));
    }

    #[test]
    fn a_mistyped_check_is_refused_with_the_nearest_name() {
        let error = chosen(&["cloc".into()]).map(|_| ()).unwrap_err().render(None);
        assert!(error.contains("no check \"cloc\"") && error.contains("did you mean clock?"), "{error}");
        let error = chosen(&["zzz".into()]).map(|_| ()).unwrap_err().render(None);
        assert!(error.contains("the checks are: backup, updates"), "{error}");
    }

    #[test]
    fn a_name_is_a_server_unless_it_looks_like_a_file() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(read_against("dc01", folder.path()), Ok(Against::Server(_))));
        let error = read_against("facts.json", folder.path()).map(|_| ()).unwrap_err().render(None);
        assert!(error.contains("there is no file of facts at"), "{error}");
    }
}
