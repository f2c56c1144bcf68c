//! `bkverify schedule`: has the machine's own scheduler run a job, and says whether it did.
//!
//! In: a job of the configuration and a time. Out: units, a task or a line of cron, written where
//! the scheduler looks for them, or shown; later, what is installed, and how it is.

mod look;
mod touched;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;

use self::look::Look;
use self::touched::Touched;
use super::environment::Environment;
use super::error::{self, Error};
use super::invocation::{Invocation, Verify};
use super::settings::Settings;
use super::{local, resolve};
use crate::exit::ExitCode;
use crate::plan::Plan;
use crate::platform;
use crate::program::Programs;
use crate::schedule::tables::{CronFiles, Crontab};
use crate::schedule::task::Principal;
use crate::schedule::tasks::Tasks;
use crate::schedule::units::Systemd;
use crate::schedule::{self, Job, Marker, Piece, Run, Scheduler, When};
use crate::verify;

/// How long a program of the machine may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to do about the schedule.
#[derive(Debug, Args)]
#[command(after_help = after_help())]
pub struct ScheduleArgs {
    #[command(subcommand)]
    command: ScheduleCommand,
}

#[derive(Debug, Subcommand)]
enum ScheduleCommand {
    /// Have the machine's scheduler run a job
    Install(Install),
    /// Print what is installed
    Show(Look),
    /// Say when scheduled jobs ran last and will run next, and what is wrong
    Status(Look),
    /// Take a job from the scheduler
    Remove(Remove),
}

/// A scheduler, as a person names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum With {
    Systemd,
    TaskScheduler,
    Cron,
}

impl With {
    const ALL: [Self; 3] = [Self::Systemd, Self::TaskScheduler, Self::Cron];

    fn name(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::TaskScheduler => "task-scheduler",
            Self::Cron => "cron",
        }
    }

    /// The scheduler that this machine uses.
    fn usual() -> Self {
        if std::env::consts::OS == "windows" {
            return Self::TaskScheduler;
        }
        // What sd_booted(3) looks for.
        if Path::new("/run/systemd/system").is_dir() { Self::Systemd } else { Self::Cron }
    }

    /// Whether this system can have it.
    fn can_be_here(self) -> bool {
        (self == Self::TaskScheduler) == (std::env::consts::OS == "windows")
    }
}

/// Which scheduler, and whose.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Place {
    /// Use this scheduler [default: the Task Scheduler on Windows, systemd where it runs, otherwise
    /// cron]
    #[arg(long, value_name = "SCHEDULER")]
    pub(super) with: Option<With>,
    /// Run it as this user, rather than as root or the system [default for users other than root]
    #[arg(long)]
    user: bool,
}

#[derive(Debug, Args)]
struct Install {
    /// The job of the configuration
    #[arg(long, value_name = "NAME")]
    job: Option<String>,
    /// When to run it: a time, with days before it if not every day, such as "Mon..Fri 02:30"
    #[arg(long, value_name = "WHEN")]
    at: When,
    #[command(flatten)]
    place: Place,
    /// Read this configuration instead of the first that is found
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Replace what was edited, or was not written by bkverify
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
struct Remove {
    /// The job
    #[arg(long, value_name = "NAME")]
    job: String,
    #[command(flatten)]
    place: Place,
    /// Print what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Remove what was edited, too
    #[arg(long)]
    force: bool,
}

/// How `bkverify schedule` ends.
pub const EXIT_CODES: &[(i32, &str)] = &[
    (0, "done; for status, every job ran when it was due and passed, or is not due yet"),
    (1, "status: a job did not run, did not pass, or will not run; or it is not scheduled"),
    (2, "usage or configuration error, or something else is in its place; nothing was changed"),
    (3, "status: whether a job ran, or how it ended, is not known"),
    (4, "a file could not be written, or the scheduler failed"),
];

fn after_help() -> String {
    let mut text = "Exit codes:\n".to_owned();
    for (code, meaning) in EXIT_CODES {
        text.push_str(&format!("  {code}  {meaning}\n"));
    }
    text
}

impl From<schedule::Error> for Error {
    fn from(error: schedule::Error) -> Self {
        use schedule::Error as E;
        let code = match error {
            E::Refused(_) | E::NotOurs { .. } => ExitCode::Usage,
            E::NotText { .. } | E::File { .. } | E::Program { .. } => ExitCode::Unusable,
        };
        Self::from_stage(code, &error, Some(error.hint()))
    }
}

/// Does what was asked for.
pub fn run(arguments: &ScheduleArgs, environment: &Environment) -> Result<ExitCode, Error> {
    let programs = local::programs();
    let run = |command: &[&str]| {
        programs.run(command, Instant::now() + PATIENCE).map_err(|error| error.to_string())
    };
    match &arguments.command {
        ScheduleCommand::Install(what) => install(what, environment, &run),
        ScheduleCommand::Show(what) => look::show(what, environment, &run),
        ScheduleCommand::Status(what) => look::status(what, environment, &run),
        ScheduleCommand::Remove(what) => remove(what, environment, &run),
    }
}

impl Place {
    fn is_of_user(self) -> bool {
        self.user || !platform::is_administrator()
    }

    /// The schedulers in which a job may be: the one that was named, or all of this system.
    pub(super) fn all(self) -> Vec<With> {
        self.with.map_or_else(
            || With::ALL.into_iter().filter(|with| with.can_be_here()).collect(),
            |with| vec![with],
        )
    }

    /// One of them.
    pub(super) fn open<'a>(
        self,
        with: With,
        environment: &Environment,
        run: Run<'a>,
    ) -> Result<Box<dyn Scheduler + 'a>, Error> {
        let user = self.is_of_user();
        Ok(match with {
            With::Systemd if user => {
                let config = environment.user_config.as_deref().and_then(Path::parent);
                let config = config.ok_or_else(|| {
                    Error::new(ExitCode::Unusable, "this user has no folder for units of systemd")
                        .hint("set HOME, or use --with cron")
                })?;
                Box::new(Systemd { folder: config.join("systemd").join("user"), user, run })
            }
            With::Systemd => Box::new(Systemd { folder: "/etc/systemd/system".into(), user, run }),
            With::Cron if user => Box::new(Crontab { run }),
            With::Cron => Box::new(CronFiles { folder: "/etc/cron.d".into() }),
            With::TaskScheduler => {
                let principal =
                    if user { Principal::User(platform::user_name(None)) } else { Principal::System };
                Box::new(Tasks { principal, now: environment.now.clone(), run })
            }
        })
    }
}

fn install(what: &Install, environment: &Environment, run: Run<'_>) -> Result<ExitCode, Error> {
    let plan = plan(what, environment)?;
    let with = what.place.with.unwrap_or_else(With::usual);
    let job = job(&plan, what.at, what.place)?;
    let now = environment.now.timestamp();
    // Whole seconds, as files say it.
    let installed = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let marker = Marker { job: job.name.clone(), at: job.at, installed };
    let scheduler = what.place.open(with, environment, run)?;
    for warning in warnings(&job, &plan) {
        warn(&warning)?;
    }
    if what.dry_run {
        for Piece { place, text } in scheduler.pieces(&job, &marker)? {
            error::print(format!("==> {place} <==\n{text}\n").as_bytes())?;
        }
        return Ok(ExitCode::Pass);
    }
    if !with.can_be_here() {
        let message = format!("this system has no {}", with.name());
        return Err(Error::usage(message).hint("--dry-run shows what would be written"));
    }
    refuse_twice(&job.name, with, what.place, environment, run)?;
    let mut done = make_folders(&plan)?;
    done.extend(scheduler.install(&job, &marker, what.force)?);
    let mut text = format!("{} runs {}, by {}\n", job.name, job.at.words(), with.name());
    text.push_str(&indented(&done));
    if with == With::Systemd && what.place.is_of_user() {
        let user = platform::user_name(None);
        if !Path::new("/var/lib/systemd/linger").join(&user).exists() {
            text.push_str("It runs only while you are logged in. To have it run always:\n");
            text.push_str(&format!("  loginctl enable-linger {user}\n"));
        }
    }
    text.push_str(&format!("To see how it does: bkverify schedule status --job {}\n", job.name));
    error::print(text.as_bytes())?;
    Ok(ExitCode::Pass)
}

/// The plan of the job that is named, or the only one.
fn plan(what: &Install, environment: &Environment) -> Result<Plan, Error> {
    let invocation =
        Invocation { job: what.job.clone(), config: what.config.clone(), ..Invocation::default() };
    resolve::plan(Verify { settings: Settings::default(), invocation }, environment)
}

/// What the scheduler is told of the job.
fn job(plan: &Plan, at: When, place: Place) -> Result<Job, Error> {
    let (Some(name), Some(config)) = (plan.origin.job.clone(), plan.origin.config.clone()) else {
        return Err(Error::usage("only a job with a name can be scheduled").hint(
            "give it one: write [jobs.nightly] above its settings in the configuration, or run bkverify init",
        ));
    };
    let program = std::env::current_exe().map_err(|error| {
        Error::new(ExitCode::Unusable, "cannot tell where this program is").because(error)
    })?;
    let Touched { reads, writes, network, commands, variables: _ } = Touched::by(plan);
    let writes_for_others = !place.is_of_user() && writes.iter().any(|folder| !platform::is_mine(folder));
    Ok(Job {
        name,
        at,
        program,
        config,
        reads,
        writes,
        state: plan.outputs.state.clone(),
        writes_for_others,
        network,
        commands,
    })
}

/// What may keep the job from running, although it can be installed.
fn warnings(job: &Job, plan: &Plan) -> Vec<String> {
    let mut warnings = Vec::new();
    let program = &job.program;
    let parts: Vec<_> = program.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    // Also with the name of a system between the two, as when cargo builds for another one.
    let is_build = parts
        .iter()
        .position(|part| part == "target")
        .is_some_and(|at| parts[at..].iter().any(|part| part == "debug" || part == "release"));
    let is_temporary = [Path::new("/tmp"), Path::new("/var/tmp"), &std::env::temp_dir()]
        .iter()
        .any(|folder| program.starts_with(folder));
    if is_build || is_temporary || parts.iter().any(|part| part == "Downloads") {
        warnings.push(format!(
            "the job runs {}, which may not stay there; install bkverify in a lasting place, and schedule the job with that",
            program.display()
        ));
    }
    for name in Touched::by(plan).variables {
        warnings.push(format!(
            "the job takes a secret from the variable {name}, and the scheduler does not set it; keep the secret in a file, \
             or set the variable there"
        ));
    }
    if let Err(problem) = verify::check(plan) {
        warnings.push(format!("the job could not run now: {}", Error::from(problem).message()));
    }
    warnings
}

/// Makes the restore folder, if a run could make it, and the state folder. In a service of systemd
/// it could not: all but the folders that exist when it starts is read-only there.
fn make_folders(plan: &Plan) -> Result<Vec<String>, Error> {
    let failed = |folder: &Path, error| {
        Error::new(ExitCode::Unusable, format!("cannot make the folder {}", folder.display())).because(error)
    };
    let mut done = Vec::new();
    let folder = &plan.target.restore_to;
    if !folder.exists() && verify::check_restore_folder(&plan.target).is_ok() {
        std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
        done.push(format!("made {}", folder.display()));
    }
    if let Some(state) = plan.outputs.state.as_deref().filter(|state| !state.exists()) {
        platform::create_private_dir_at(state).map_err(|error| failed(state, error))?;
        done.push(format!("made {}", state.display()));
    }
    Ok(done)
}

/// Refuses to have two schedulers run the same job.
fn refuse_twice(
    job: &str,
    with: With,
    place: Place,
    environment: &Environment,
    run: Run<'_>,
) -> Result<(), Error> {
    let others = With::ALL.into_iter().filter(|other| *other != with && other.can_be_here());
    for other in others {
        // A scheduler that is not there, or cannot be asked, runs nothing.
        let found = place.open(other, environment, run)?.find().unwrap_or_default();
        if found.iter().any(|found| found.installed.job == job) {
            return Err(Error::usage(format!("{} runs the job {job} already", other.name())).hint(format!(
                "remove it there first: bkverify schedule remove --job {job} --with {}",
                other.name()
            )));
        }
    }
    Ok(())
}

fn remove(what: &Remove, environment: &Environment, run: Run<'_>) -> Result<ExitCode, Error> {
    let mut lines = Vec::new();
    for with in what.place.all() {
        let scheduler = what.place.open(with, environment, run)?;
        let done = if what.dry_run {
            let places = scheduler.removable(&what.job, what.force);
            places.map(|places| places.into_iter().map(|place| format!("would remove {place}")).collect())
        } else {
            scheduler.remove(&what.job, what.force)
        };
        match done {
            Ok(done) => lines.extend(done),
            // A scheduler that was not named, and is not there or cannot have such a job.
            Err(schedule::Error::Program { .. } | schedule::Error::Refused(_))
                if what.place.with.is_none() => {}
            Err(error) => return Err(error.into()),
        }
    }
    if lines.is_empty() {
        return Err(not_scheduled(&what.job));
    }
    error::print(lines.iter().map(|line| format!("{line}\n")).collect::<String>().as_bytes())?;
    Ok(ExitCode::Pass)
}

/// There is nothing to look at or to remove.
pub(super) fn not_scheduled(job: &str) -> Error {
    Error::new(ExitCode::IntegrityFailure, format!("the job {job} is not scheduled")).hint(format!(
        "bkverify schedule show lists what is\nbkverify schedule install --job {job} --at 02:30"
    ))
}

/// Lines below another.
pub(super) fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("  {line}\n")).collect()
}

fn warn(text: &str) -> Result<(), Error> {
    error::show_beside(format!("bkverify: warning: {text}\n").as_bytes(), true)
}
