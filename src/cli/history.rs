//! `bkverify history`: which runs there were, what one of them reported, and every judgment of one
//! file.
//!
//! In: flags, and the ledger. Out: a table, CSV or JSON, and an exit code.

use std::path::{Path, PathBuf};

use clap::Args;

use super::answers::{self, Wanted};
use super::environment::Environment;
use super::error::{self, Error};
use super::reports::output_parser;
use super::values::When;
use crate::backup::{relative, unescape};
use crate::exit::ExitCode;
use crate::history::file::{self, FileHistory};
use crate::history::runs;
use crate::history::{Form, json};
use crate::ledger::Ledger;
use crate::ledger::ask::{self, Asked, RunsAsked, StoredReport};
use crate::output::Output;
use crate::platform;
use crate::report::{Model, RENDERERS, terminal};

/// How many runs are shown unless the user says otherwise.
const LAST: u64 = 30;

/// Flags of the history.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Show every run that judged this file: the path of its original, or its path in the backup
    #[arg(value_name = "FILE", conflicts_with_all = ["run", "last", "since"])]
    file: Option<PathBuf>,
    /// Show the report of this run again
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["last", "since", "job", "csv"])]
    run: Option<u64>,
    /// Only runs of this job
    #[arg(long, value_name = "NAME")]
    job: Option<String>,
    /// Only this many runs [default: 30, or all with --since]
    #[arg(long, value_name = "N")]
    last: Option<u64>,
    /// Only runs that began after this date, time or age, such as 2026-05-01 or 7d
    #[arg(long, value_name = "WHEN")]
    since: Option<When>,
    /// Write the answer as JSON to this file; - is standard output
    #[arg(long, value_name = "FILE", value_parser = output_parser())]
    json: Option<Output>,
    /// Write the answer as CSV to this file; - is standard output
    #[arg(long, value_name = "FILE", value_parser = output_parser())]
    csv: Option<Output>,
    /// With --run, write its report as JUnit XML to this file; - is standard output
    #[arg(long, value_name = "FILE", value_parser = output_parser(), requires = "run")]
    junit: Option<Output>,
    /// The state folder [default: that of the job]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Read this configuration instead of the first that is found
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// How `bkverify history` and `bkverify coverage` end.
pub const EXIT_CODES: &[(i32, &str)] = &[
    (0, "answered"),
    (2, "usage or configuration error"),
    (3, "unknown: there is no ledger, it cannot be read, or it knows nothing about this"),
    (4, "a file or standard output could not be written, or the backup could not be listed"),
];

/// Answers what was asked.
pub fn run(arguments: &HistoryArgs, environment: &Environment) -> Result<ExitCode, Error> {
    let (_, state) = answers::configured(
        arguments.config.as_deref(),
        arguments.state.as_deref(),
        arguments.job.as_deref(),
        environment,
    )?;
    let ledger = answers::open(&state)?;
    match (&arguments.file, arguments.run) {
        (Some(path), _) => of_file(arguments, &ledger, path, environment),
        (None, Some(number)) => of_run(arguments, &ledger, number, environment),
        (None, None) => of_runs(arguments, &ledger, environment),
    }
}

fn of_runs(arguments: &HistoryArgs, ledger: &Ledger, environment: &Environment) -> Result<ExitCode, Error> {
    let since = arguments.since.map(|since| since.resolve(&environment.now)).transpose();
    let since = since.map_err(|problem| Error::usage(format!("invalid value for --since: {problem}")))?;
    let asked = RunsAsked {
        job: arguments.job.clone(),
        since: since.and_then(crate::words::moment),
        last: arguments.last.or(if since.is_none() { Some(LAST) } else { None }),
    };
    let found = ask::runs(ledger, &asked).map_err(answers::unknown)?;
    if found.runs.is_empty() && found.older == 0 {
        return Err(no_run(arguments, ledger)?);
    }
    let clock = answers::clock(environment);
    let page = || runs::page(&found, &clock);
    let make: (Make<'_>, Make<'_>) = (&|| json(&found), &|| Ok(runs::csv(&found)));
    publish(arguments, ledger, &runs::FORM, &page, make, environment)?;
    Ok(ExitCode::Pass)
}

fn no_run(arguments: &HistoryArgs, ledger: &Ledger) -> Result<Error, Error> {
    let known = ask::known_jobs(ledger).map_err(answers::unknown)?;
    let names: Vec<_> = known.iter().filter_map(|subject| subject.job.as_deref()).collect();
    let unknown = |message: String| Error::new(ExitCode::Incomplete, message);
    Ok(match &arguments.job {
        Some(job) if arguments.since.is_none() && names.is_empty() => {
            unknown(format!("no run of the job \"{job}\" is in the ledger")).hint("no run in it had a job")
        }
        Some(job) if arguments.since.is_none() => {
            let near = error::nearest(job, names.iter().copied());
            let near = near.map(|near| format!("did you mean {near}?\n")).unwrap_or_default();
            unknown(format!("no run of the job \"{job}\" is in the ledger"))
                .hint(format!("{near}there are runs of {}", names.join(", ")))
        }
        _ if arguments.since.is_some() => {
            unknown("no run began since then".to_owned()).hint("bkverify history shows the last ones")
        }
        _ => unknown("no run is in the ledger yet".to_owned()).hint("the first verification makes an entry"),
    })
}

fn of_file(
    arguments: &HistoryArgs,
    ledger: &Ledger,
    path: &Path,
    environment: &Environment,
) -> Result<ExitCode, Error> {
    let found = ask::file(ledger, &asked(path, environment)).map_err(answers::unknown)?;
    let found = of_job(found, arguments.job.as_deref());
    let clock = answers::clock(environment);
    let page = || file::page(&found, &clock, environment.page_width());
    let make: (Make<'_>, Make<'_>) = (&|| json(&found), &|| Ok(file::csv(&found)));
    publish(arguments, ledger, &file::FORM, &page, make, environment)?;
    Ok(if found.files.is_empty() { ExitCode::Incomplete } else { ExitCode::Pass })
}

/// The path as a person may mean it.
fn asked(path: &Path, environment: &Environment) -> Asked {
    let bytes = platform::path_to_bytes(path).into_owned();
    // As reports and tables print it.
    let text = unescape(&String::from_utf8_lossy(&bytes));
    let original = environment.base().absolute(path);
    Asked {
        text: crate::backup::path_text(path),
        original: platform::path_to_bytes(&original).into_owned(),
        entry: relative(&text).unwrap_or(text),
    }
}

/// Only what runs of this job judged.
fn of_job(found: FileHistory, job: Option<&str>) -> FileHistory {
    let Some(job) = job else { return found };
    let mut files = found.files;
    files.iter_mut().for_each(|file| file.judged.retain(|judged| judged.job.as_deref() == Some(job)));
    files.retain(|file| !file.judged.is_empty());
    FileHistory { files, ..found }
}

fn of_run(
    arguments: &HistoryArgs,
    ledger: &Ledger,
    number: u64,
    environment: &Environment,
) -> Result<ExitCode, Error> {
    let unknown = |message: String| Error::new(ExitCode::Incomplete, message);
    let model = match ask::report(ledger, number).map_err(answers::unknown)? {
        StoredReport::Found(model) => model,
        StoredReport::None => {
            return Err(unknown(format!("run {number} has no report: it was killed, or has not ended"))
                .hint("bkverify history says which"));
        }
        StoredReport::Unreadable(problem) => {
            return Err(unknown(format!("the report of run {number} cannot be read: {problem}")).hint(
                "a newer bkverify may be able to; bkverify ledger check says if the ledger is damaged",
            ));
        }
        StoredReport::NoRun(None) => return Err(no_run(arguments, ledger)?),
        StoredReport::NoRun(Some((first, last))) => {
            return Err(unknown(format!("there is no run {number} in the ledger"))
                .hint(format!("it has runs from {first} to {last}: bkverify history")));
        }
    };
    reprint(arguments, ledger, &model, environment)?;
    Ok(ExitCode::Pass)
}

/// The report in the forms that were asked for, and the summary.
fn reprint(
    arguments: &HistoryArgs,
    ledger: &Ledger,
    model: &Model,
    environment: &Environment,
) -> Result<(), Error> {
    let outputs = [("json", arguments.json.as_ref()), ("junit", arguments.junit.as_ref())];
    for renderer in RENDERERS {
        let output = outputs.iter().find(|(name, _)| *name == renderer.name).and_then(|(_, output)| *output);
        let make = || {
            let bytes = (renderer.render)(model).map_err(|error| error.to_string())?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let wanted = Wanted { flag: renderer.name, begins: renderer.begins, output, make: &make };
        answers::write(ledger, &[wanted], environment)?;
    }
    let stdout_taken = answers::takes_stdout(&outputs.map(|(_, output)| output));
    let style = terminal::SummaryStyle {
        width: terminal::width(environment.columns),
        color: environment.color(stdout_taken),
        ..Default::default()
    };
    error::show_beside(terminal::render(model, &style).as_bytes(), stdout_taken)
}

/// Makes an answer.
type Make<'a> = &'a dyn Fn() -> Result<String, String>;

/// Writes the files that were asked for, and shows the page unless one of them is standard output.
fn publish(
    arguments: &HistoryArgs,
    ledger: &Ledger,
    form: &Form,
    page: &dyn Fn() -> String,
    (json, csv): (Make<'_>, Make<'_>),
    environment: &Environment,
) -> Result<(), Error> {
    let wanted = [
        Wanted { flag: "json", begins: form.begins, output: arguments.json.as_ref(), make: json },
        Wanted { flag: "csv", begins: form.csv_begins, output: arguments.csv.as_ref(), make: csv },
    ];
    answers::write(ledger, &wanted, environment)?;
    if answers::takes_stdout(&wanted.map(|wanted| wanted.output)) {
        return Ok(());
    }
    error::print(page().as_bytes())
}
