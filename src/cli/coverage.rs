//! `bkverify coverage`: how much of a backup was verified how recently.
//!
//! In: flags, and the ledger; with `--list` also the backup and its originals, as a run would open
//! them. Out: a page, CSV or JSON, and an exit code.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Mutex;

use clap::Args;

use super::answers::{self, Wanted};
use super::config::Config;
use super::environment::Environment;
use super::error::{self, Error};
use super::invocation::{Invocation, Verify};
use super::reports::output_parser;
use super::settings::Settings;
use super::values::{Address, Source, map_parser};
use super::{resolve, signals};
use crate::backup::{Entry, Needs, registry};
use crate::cancel::CancelToken;
use crate::exit::ExitCode;
use crate::history::coverage::{self, BackupCoverage, Coverage, FORM, Remembered, Tally};
use crate::history::{coverage_page, json};
use crate::ledger::ask::{self, Files};
use crate::ledger::{self, Ledger};
use crate::lock::lock;
use crate::output::Output;
use crate::plan::{Map, Plan};
use crate::verify::{self, Listed};

/// Folders are told apart down to this depth unless the user says otherwise.
const DEPTH: usize = 2;

/// Flags of the coverage.
#[derive(Debug, Args)]
pub struct CoverageArgs {
    /// List the backup now: only then files that have left it are not counted, and it can be said
    /// what was never verified in which folder
    #[arg(long)]
    list: bool,
    /// Only the backup of this job
    #[arg(long, value_name = "NAME")]
    job: Option<String>,
    /// With --list, the backup instead of a job's.
    #[arg(long, value_name = "PATH", requires = "list")]
    #[arg(help = format!("With --list, the backup instead of a job's: {}", registry::in_words()))]
    backup: Option<Address>,
    /// With --backup, a folder that holds the originals; may be repeated
    #[arg(long, value_name = "DIR|none", requires = "backup")]
    source: Vec<Source>,
    /// With --backup, files whose path in the backup begins with FROM have their originals in
    /// folder TO; may be repeated
    #[arg(long, value_name = "FROM=TO", requires = "backup", value_parser = map_parser())]
    map: Vec<Map>,
    /// With --list, tell folders apart down to this depth [default: 2]
    #[arg(long, value_name = "N", requires = "list")]
    depth: Option<usize>,
    /// Write the answer as JSON to this file; - or nothing is standard output
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-", value_parser = output_parser())]
    json: Option<Output>,
    /// Write the answer as CSV to this file; - or nothing is standard output
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-", value_parser = output_parser())]
    csv: Option<Output>,
    /// The state folder [default: that of the job]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Read this configuration instead of the first that is found
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Answers it.
pub fn run(arguments: &CoverageArgs, environment: &Environment) -> Result<ExitCode, Error> {
    let (config, state) = answers::configured(
        arguments.config.as_deref(),
        arguments.state.as_deref(),
        arguments.job.as_deref(),
        environment,
    )?;
    let ledger = answers::open(&state)?;
    let now = environment.now.timestamp();
    let backups = if arguments.list {
        vec![listed(arguments, config.as_ref(), answers::open(&state)?, environment)?]
    } else {
        remembered(arguments, &ledger, now)?
    };
    let found = Coverage::new(now, backups);
    let wanted = [
        Wanted { flag: "json", begins: FORM.begins, output: arguments.json.as_ref(), make: &|| json(&found) },
        Wanted {
            flag: "csv",
            begins: FORM.csv_begins,
            output: arguments.csv.as_ref(),
            make: &|| Ok(coverage::csv(&found)),
        },
    ];
    answers::write(&ledger, &wanted, environment)?;
    if !answers::takes_stdout(&wanted.map(|wanted| wanted.output)) {
        let page = coverage_page::page(&found, &answers::clock(environment), environment.page_width());
        error::print(page.as_bytes())?;
    }
    Ok(ExitCode::Pass)
}

/// What the ledger alone knows, of one backup or of all.
fn remembered(
    arguments: &CoverageArgs,
    ledger: &Ledger,
    now: jiff::Timestamp,
) -> Result<Vec<BackupCoverage>, Error> {
    let targets = ask::targets(ledger, arguments.job.as_deref()).map_err(answers::unknown)?;
    if targets.is_empty() {
        let message = match &arguments.job {
            Some(job) => format!("no run of the job \"{job}\" is in the ledger"),
            None => "no run is in the ledger yet".to_owned(),
        };
        return Err(
            Error::new(ExitCode::Incomplete, message).hint("bkverify history shows the runs that are")
        );
    }
    let of = |target| ask::remembered(ledger, target, now).map(Remembered::coverage);
    targets.into_iter().map(of).collect::<Result<_, _>>().map_err(answers::unknown)
}

/// Lists the backup of a job, and looks each file up.
fn listed(
    arguments: &CoverageArgs,
    config: Option<&Config>,
    ledger: Ledger,
    environment: &Environment,
) -> Result<BackupCoverage, Error> {
    let plan = plan(arguments, config, environment)?;
    let Some(files) = Files::new(ledger, &plan.target).map_err(answers::unknown)? else {
        let message = format!("no run has verified {} with these originals", plan.target.backup);
        return Err(Error::new(ExitCode::Incomplete, message).hint(
            "name the backup and the originals as the runs do; bkverify coverage shows which there are",
        ));
    };
    if environment.stderr_is_terminal {
        // Where nobody reads it, nothing is lost.
        let _ = writeln!(io::stderr(), "Listing {} ...", plan.target.backup);
    }
    let cancel = CancelToken::new();
    signals::install(&cancel)?;
    let now = environment.now.timestamp();
    let depth = arguments.depth.unwrap_or(DEPTH);
    let listing = Listing { files, state: Mutex::new((Tally::new(now, depth), None)), cancel: &cancel };
    let counted = verify::list(&plan, Needs { size: true, mtime: false }, &cancel, &listing);
    let Listing { files, state, .. } = listing;
    let (tally, failed) = crate::lock::into_inner(state);
    if let Some(error) = failed {
        return Err(answers::unknown(error));
    }
    let counted = counted?;
    if !counted.population.whole {
        return Err(Error::new(ExitCode::Incomplete, "interrupted: the backup was not listed to its end"));
    }
    if counted.damaged {
        error::warn("parts of the backup cannot be listed; what is in them is in no number");
    }
    Ok(files.remembered(now).map_err(answers::unknown)?.listed(tally))
}

/// The plan of a run over the backup that is meant.
fn plan(arguments: &CoverageArgs, config: Option<&Config>, environment: &Environment) -> Result<Plan, Error> {
    let settings = Settings {
        backup: arguments.backup.clone(),
        source: arguments.source.clone(),
        map: arguments.map.clone(),
        // Nothing is restored.
        restore_to: Some(environment.current_dir.clone()),
        ..Settings::default()
    };
    let invocation = Invocation { job: arguments.job.clone(), ..Invocation::default() };
    resolve::resolve(Verify { settings, invocation }, config, environment)
}

/// Looks up what is listed.
struct Listing<'a> {
    files: Files,
    /// What was counted, and the first error of the ledger.
    state: Mutex<(Tally, Option<ledger::Error>)>,
    cancel: &'a CancelToken,
}

impl Listed for Listing<'_> {
    fn files(&self, files: &[Entry<'_>]) {
        let mut state = lock(&self.state);
        let (tally, failed) = &mut *state;
        let mut sizes = files.iter().map(|file| file.size);
        let paths = files.iter().map(|file| file.path);
        let each = |path: &_, known| tally.add(path, sizes.next().flatten(), known);
        if let Err(error) = self.files.look_up(paths, each) {
            failed.get_or_insert(error);
            self.cancel.cancel();
        }
    }

    fn restarts(&self) {
        lock(&self.state).0.clear();
    }
}
