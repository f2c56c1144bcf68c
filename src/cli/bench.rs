//! `bkverify bench`: measures the disks of a job, or any folders, and says what a verification will
//! take.
//!
//! In: flags, and the configuration for what they do not say. Out: the page, the JSON file, an
//! exit code.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;

use super::environment::Environment;
use super::error::{self, Error};
use super::invocation::{Invocation, Verify};
use super::reports::{located, output_parser};
use super::settings::Settings;
use super::values::{Address, Limit, Size, Source, Threads};
use super::{resolve, signals};
use crate::backup::registry;
use crate::bench::figures::BenchReport;
use crate::bench::{self, BenchPlan, json, render};
use crate::cancel::CancelToken;
use crate::exit::ExitCode;
use crate::output::Output;
use crate::plan::Plan;

const MAX_BYTES: u64 = 2 << 30;
const MAX_TIME: Duration = Duration::from_secs(60);
const THREADS: [usize; 5] = [1, 2, 4, 8, 16];

/// Flags of the bench.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Measure this folder; may be repeated [default: the job's backup, originals and restore
    /// folder]
    #[arg(long, value_name = "DIR")]
    path: Vec<PathBuf>,
    /// Measure this backup, of one of the registered formats.
    #[arg(long, value_name = "PATH", help = format!("Measure this backup: {}", registry::in_words()))]
    backup: Option<Address>,
    /// Measure this folder of originals; may be repeated
    #[arg(long, value_name = "DIR")]
    source: Vec<Source>,
    /// Measure writing below this folder, which must be outside the others
    #[arg(long, value_name = "DIR")]
    restore_to: Option<PathBuf>,
    /// Use this job of the configuration
    #[arg(long, value_name = "NAME")]
    job: Option<String>,
    /// Read this configuration instead of the first that is found
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Read and write about this much at most [default: 2GiB]
    #[arg(long, value_name = "SIZE")]
    max_bytes: Option<Size>,
    /// Take about this long at most [default: 60s]
    #[arg(long, value_name = "DURATION")]
    max_time: Option<Limit>,
    /// Try these numbers of threads [default: 1,2,4,8,16]
    #[arg(long, value_name = "N,N,...", value_delimiter = ',')]
    threads: Vec<Threads>,
    /// Write the figures as JSON to this file; - is standard output
    #[arg(long, value_name = "FILE", value_parser = output_parser())]
    json: Option<Output>,
    /// Mark what is more than 30% slower than in this JSON file of an earlier bench
    #[arg(long, value_name = "OLD.json")]
    compare: Option<PathBuf>,
    /// Print nothing but errors
    #[arg(long, short)]
    quiet: bool,
}

/// Measures and reports.
pub fn run(arguments: &BenchArgs, environment: &Environment) -> Result<ExitCode, Error> {
    let since = Instant::now();
    let old = arguments.compare.as_deref().map(read_old).transpose()?;
    let job = job(arguments, environment, since)?;
    let cancel = CancelToken::new();
    signals::install(&cancel)?;
    let say = |what: &str| {
        if !arguments.quiet && environment.stderr_is_terminal {
            // Where nobody reads it, nothing is lost.
            let _ = writeln!(io::stderr(), "{what}");
        }
    };
    let mut report = bench::run(&job, &cancel, &say)
        .map_err(|error| Error::from_stage(error.exit_code(), &error, error.hint()))?;
    if let Some(old) = &old {
        json::compare(&mut report, old);
    }
    publish(arguments, &report, environment)?;
    Ok(report.exit_code())
}

fn read_old(place: &Path) -> Result<BenchReport, Error> {
    let wrong = || Error::usage(format!("cannot compare with {}", place.display()));
    let text = std::fs::read_to_string(place).map_err(|error| wrong().because(error))?;
    json::parse(&text).map_err(|problem| {
        wrong().because(problem).hint("name a file that was written by bkverify bench --json FILE")
    })
}

/// Without a job only the named folders are measured.
fn job(arguments: &BenchArgs, environment: &Environment, since: Instant) -> Result<BenchPlan, Error> {
    let base = |path: &PathBuf| environment.base().absolute(path);
    let says_job = arguments.backup.is_some() || !arguments.source.is_empty() || arguments.job.is_some();
    let mut plan = if says_job || (arguments.path.is_empty() && arguments.restore_to.is_none()) {
        Some(plan(arguments, environment)?)
    } else {
        None
    };
    let restore_to = plan.as_ref().map(|plan| plan.target.restore_to.clone());
    let mut threads: Vec<_> = arguments.threads.iter().map(|threads| threads.0).collect();
    if threads.is_empty() {
        threads = THREADS.to_vec();
        threads.extend(plan.as_ref().map(|plan| plan.engine.threads));
    }
    threads.sort_unstable();
    threads.dedup();
    // Real runs take a number of threads that may be recommended.
    if let (Some(plan), Some(&most)) = (&mut plan, threads.last())
        && !threads.contains(&plan.engine.threads)
    {
        plan.engine.threads = most;
    }
    let max_bytes = arguments.max_bytes.map_or(MAX_BYTES, |size| size.0);
    if max_bytes < 1 << 20 {
        return Err(Error::usage("--max-bytes is too small to measure anything").hint("use at least 1MiB"));
    }
    Ok(BenchPlan {
        paths: arguments.path.iter().map(base).collect(),
        plan,
        restore_to: restore_to.or_else(|| arguments.restore_to.as_ref().map(base)),
        report: arguments.json.as_ref().and_then(Output::file).map(|path| environment.base().absolute(path)),
        threads,
        max_bytes,
        max_time: arguments.max_time.map_or(MAX_TIME, |limit| limit.0),
        cores: environment.cores,
        seed: environment.fresh_seed.clone(),
        started: environment.now.timestamp().into(),
        since,
    })
}

fn plan(arguments: &BenchArgs, environment: &Environment) -> Result<Plan, Error> {
    let settings = Settings {
        backup: arguments.backup.clone(),
        source: arguments.source.clone(),
        restore_to: arguments.restore_to.clone(),
        ..Settings::default()
    };
    let invocation =
        Invocation { job: arguments.job.clone(), config: arguments.config.clone(), ..Invocation::default() };
    resolve::plan(Verify { settings, invocation }, environment)
}

/// The figures to their file, the page to the other stream.
fn publish(arguments: &BenchArgs, report: &BenchReport, environment: &Environment) -> Result<(), Error> {
    let page = render::page(report, environment.page_width());
    if let Some(output) = &arguments.json {
        let text = json::render(report).map_err(|error| {
            Error::new(ExitCode::Unusable, "cannot make the report of the figures").because(error)
        })?;
        error::deliver("the figures", &located(output, environment.base()), text.as_bytes())?;
    }
    // A quiet run shows bad files, too.
    if arguments.quiet && report.exit_code() != ExitCode::IntegrityFailure {
        return Ok(());
    }
    error::show_beside(page.as_bytes(), arguments.json == Some(Output::Stdout))
}
