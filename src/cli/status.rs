//! `bkverify status`: whether all is well, for monitoring.
//!
//! In: flags, the configuration for the names of the jobs, and the ledger. Out: one line on
//! standard output, or JSON, or metrics, and an exit code. What cannot be known is told on the same
//! line: a monitoring system reads nothing else.

use std::path::{Path, PathBuf};

use clap::Args;

use super::answers::{self, Wanted};
use super::config::Config;
use super::environment::Environment;
use super::error::{self, Error};
use super::reports::{located, output_parser};
use super::values::Limit;
use crate::backup::path_text;
use crate::exit::ExitCode;
use crate::history::status::{EXIT_CODES, FORM, JobRuns, MAX_AGE, Status, line};
use crate::history::{json, metrics};
use crate::ledger::ask::{self, Subject};
use crate::ledger::{self, Ledger};
use crate::output::Output;

/// Flags of the status.
#[derive(Debug, Args)]
#[command(after_help = after_help())]
pub struct StatusArgs {
    /// Only this job; may be repeated [default: all jobs of the configuration and of the ledger]
    #[arg(long, value_name = "NAME")]
    job: Vec<String>,
    /// How long ago the last pass of a job may be [default: 2d]
    #[arg(long, value_name = "TIME")]
    max_age: Option<Limit>,
    /// Write the answer as JSON to this file; - or nothing is standard output
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-", value_parser = output_parser())]
    json: Option<Output>,
    /// Write metrics for Prometheus to this file, as --metrics of a verification does; - is standard
    /// output
    #[arg(long, value_name = "FILE", value_parser = output_parser())]
    metrics: Option<Output>,
    /// The state folder [default: that of a verification]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Read this configuration instead of the first that is found
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

fn after_help() -> String {
    let mut text = "Exit codes:\n".to_owned();
    for (code, meaning) in EXIT_CODES {
        text.push_str(&format!("  {code}  {meaning}\n"));
    }
    text
}

/// Answers it.
pub fn run(arguments: &StatusArgs, environment: &Environment) -> Result<ExitCode, Error> {
    let config = answers::configuration(arguments.config.as_deref(), environment)?;
    let job = arguments.job.first().map(String::as_str);
    let state = answers::state_of(arguments.state.as_deref(), job, config.as_ref(), environment)?;
    let clock = answers::clock(environment);
    let max_age = arguments.max_age.map_or(MAX_AGE, |age| age.0);
    let opened = Ledger::open_read_only(&state);
    let asked = opened
        .as_ref()
        .map_err(ledger::Error::on_one_line)
        .and_then(|ledger| jobs(arguments, config.as_ref(), ledger).map_err(|error| error.on_one_line()));
    let status = match asked {
        Ok(jobs) => Status::of(jobs, max_age, &clock),
        Err(problem) => Status::unknown(problem, max_age, &clock),
    };
    if let Ok(ledger) = &opened {
        write_metrics(arguments, config.as_ref(), ledger, environment)?;
    }
    write_json(arguments, &status, opened.as_ref().ok(), environment)?;
    if !answers::takes_stdout(&[arguments.json.as_ref(), arguments.metrics.as_ref()]) {
        error::print(line(&status, &clock).as_bytes())?;
    }
    Ok(status.state.exit_code())
}

/// The jobs that are asked for, with what is known of them.
fn jobs(
    arguments: &StatusArgs,
    config: Option<&Config>,
    ledger: &Ledger,
) -> Result<Vec<JobRuns>, ledger::Error> {
    let subjects = subjects(arguments, config, ledger)?;
    let mut jobs = ask::jobs(ledger, &subjects)?;
    let place = config.map(|config| path_text(&config.place)).unwrap_or_default();
    for job in &mut jobs {
        let is_odd = job.job.as_ref().is_some_and(|name| {
            config.is_some_and(|config| !config.jobs.is_empty() && !config.jobs.contains_key(name))
        });
        job.note = is_odd.then(|| format!("it is not in {place}"));
        let config = arguments.config.as_deref();
        job.recheck = job.job.as_ref().filter(|_| !is_odd).map(|name| recheck(name, config));
    }
    Ok(jobs)
}

/// The command that verifies the bad files of a job again.
fn recheck(job: &str, config: Option<&Path>) -> String {
    let quoted = |text: String| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-:\\".contains(&byte);
        if text.bytes().all(is_plain) { text } else { format!("\"{text}\"") }
    };
    let config = config.map(|path| format!(" --config {}", quoted(path_text(path)))).unwrap_or_default();
    format!("bkverify --job {}{config} --recheck", quoted(job.to_owned()))
}

/// The jobs that are asked for: by default all of the configuration, and then those of the ledger.
fn subjects(
    arguments: &StatusArgs,
    config: Option<&Config>,
    ledger: &Ledger,
) -> Result<Vec<Subject>, ledger::Error> {
    if !arguments.job.is_empty() {
        return Ok(arguments.job.iter().map(|name| Subject::job(name)).collect());
    }
    let is_configured = |name: &str| config.is_some_and(|config| config.jobs.contains_key(name));
    let configured = config.iter().flat_map(|config| config.jobs.keys());
    let mut found: Vec<_> = configured.map(|name| Subject::job(name)).collect();
    let known = ask::known_jobs(ledger)?;
    for name in known.iter().filter_map(|subject| subject.job.as_deref()).filter(|name| !is_configured(name))
    {
        // A job that was renamed goes on under its new name.
        if ask::successor(ledger, name)?.is_none_or(|successor| !is_configured(&successor)) {
            found.push(Subject::job(name));
        }
    }
    // Runs without a job are single runs by hand, unless there is nothing else.
    Ok(if found.is_empty() { known } else { found })
}

fn write_metrics(
    arguments: &StatusArgs,
    config: Option<&Config>,
    ledger: &Ledger,
    environment: &Environment,
) -> Result<(), Error> {
    let Some(output) = &arguments.metrics else { return Ok(()) };
    let now = environment.now.timestamp();
    let subjects = subjects(arguments, config, ledger).map_err(answers::unknown)?;
    let of = |subject: &_| ask::metrics(ledger, subject, now);
    let jobs: Vec<_> = subjects.iter().map(of).collect::<Result<_, _>>().map_err(answers::unknown)?;
    let make = || Ok(metrics::render(&jobs));
    let wanted = Wanted { flag: "metrics", begins: metrics::BEGINS, output: Some(output), make: &make };
    answers::write(ledger, &[wanted], environment)
}

fn write_json(
    arguments: &StatusArgs,
    status: &Status,
    ledger: Option<&Ledger>,
    environment: &Environment,
) -> Result<(), Error> {
    let make = || json(status);
    let wanted = Wanted { flag: "json", begins: FORM.begins, output: arguments.json.as_ref(), make: &make };
    match (ledger, wanted.output) {
        (Some(ledger), _) => answers::write(ledger, &[wanted], environment),
        (None, None) => Ok(()),
        // Without a ledger it is not known where backups are. A file is only replaced if it is ours.
        (None, Some(output)) => {
            let output = located(output, environment.base());
            if output.file().is_some_and(|file| is_foreign(file, &wanted)) {
                return Err(Error::usage(format!("{output} is not an older answer of this command"))
                    .hint("name another file"));
            }
            let text = json(status).unwrap_or_default();
            error::deliver("the answer", &output, text.as_bytes())
        }
    }
}

fn is_foreign(file: &Path, wanted: &Wanted<'_>) -> bool {
    let content = std::fs::read(file).unwrap_or_default();
    !content.is_empty() && !crate::verify::target::begins_like(&content, wanted.begins)
}
