//! From flags, configuration and surroundings to the plan.
//!
//! In: flags, configuration, surroundings. Out: a [`Plan`], complete and free of contradictions, or
//! the error that names everything that is missing with a line to copy. Defaults are declared
//! beside what they are defaults of, in [`plan`](crate::plan). Nothing here reads the disk, except
//! to ask whether it spins: whether the folders exist, overlap or have room is checked by
//! [`verify::check`](crate::verify::check).

use std::path::{Path, PathBuf};

use ignore::gitignore::GitignoreBuilder;

use super::attached;
use super::backup_location::location;
use super::config::{self, Config};
use super::environment::Environment;
use super::error::Error;
use super::hooks::HookSettings;
use super::invocation::{Invocation, Verify};
use super::notifiers::NotifySettings;
use super::settings::Settings;
use super::values::{Source, StateFolder};
use crate::backup::{Location, registry};
use crate::plan::{
    Algorithm, CachePolicy, Claims, Completeness, DEFAULT_STRATEGY, Draw, Engine, Filters, Limits, Map,
    Origin, Outputs, Plan, ReportOutput, SampleSize, Target, Terminal,
};
use crate::verify::strategy;

/// Reads the configuration that the flags name, or the first that is found, and makes the plan.
///
/// Without a configuration and without a backup, the newest image backup of this computer on the
/// attached drives is taken ([`attached`]).
pub fn plan(mut flags: Verify, environment: &Environment) -> Result<Plan, Error> {
    let config = config::load(flags.invocation.config.as_deref(), environment)?;
    let mut notes = Vec::new();
    if config.is_none() && flags.invocation.job.is_none() {
        notes = attached::complete(&mut flags.settings, flags.invocation.quiet, environment)?;
    }
    let mut plan = resolve(flags, config.as_ref(), environment)?;
    plan.origin.notes = notes;
    Ok(plan)
}

/// Makes the plan for the flags and the configuration that was found.
///
/// With a backup named by a flag, no job of the configuration is used unless one
/// is named, and only its defaults hold.
pub fn resolve(flags: Verify, config: Option<&Config>, environment: &Environment) -> Result<Plan, Error> {
    let Verify { invocation, settings: flags } = flags;
    let flags = flags.located(environment.base());
    let place = config.map(|config| config.place.clone());
    let (job, configured) = match (config, &invocation.job) {
        (None, None) => (None, Settings::default()),
        (None, Some(job)) => return Err(no_config_for(job, environment)),
        (Some(config), None) if flags.backup.is_some() => (None, without_job(config.defaults.clone())),
        (Some(config), asked) => config.choose(asked.as_deref())?,
    };
    let settings = flags.over(configured);
    if let Some(missing) = missing(&settings, job.as_deref(), place.as_deref(), environment) {
        return Err(missing);
    }
    let filters = filters(&settings, environment)?;
    let reports = reports(&settings)?;
    let cache = settings.cache.unwrap_or(CachePolicy::Drop);
    if settings.budget.is_some_and(|budget| budget.0 == 0) {
        return Err(Error::usage("--budget must be greater than zero").hint("for example 50GiB"));
    }
    let has_originals = check_originals(&settings, state(settings.state.as_ref(), environment).is_some())?;
    let sources = Source::folders(settings.source.clone());
    let originals = sources.iter().chain(settings.map.iter().map(|map| &map.to));
    let backup = location(&settings, config, environment)?;
    let spinning =
        originals.map(PathBuf::as_path).chain(backup.place()).any(|place| (environment.spins)(place));
    let mut outputs = Outputs {
        keep: settings.keep.unwrap_or_default(),
        reports,
        state: state(settings.state.as_ref(), environment),
        metrics: settings.metrics.clone(),
        terminal: Terminal::default(),
    };
    outputs.terminal = terminal(&invocation, outputs.takes_stdout(), environment);
    let sample = sample_size(&settings);
    let claims = claims(&settings, has_originals);
    let strategy = strategy(&settings, sample, claims.confidence)?;
    if settings.resume == Some(true) && (settings.manifest.is_some() || !has_originals) {
        return Err(Error::usage("a run that compares with known hashes cannot be resumed")
            .hint("leave out --resume, or --manifest and --source none"));
    }
    let engine = engine(&settings, cache, spinning, environment.cores);
    let target =
        Target { backup, sources, maps: settings.map, restore_to: settings.restore_to.unwrap_or_default() };
    let seed_is_given = settings.seed.is_some();
    let seed = settings.seed.unwrap_or_else(|| environment.fresh_seed.clone());
    Ok(Plan {
        origin: Origin { job, config: place, notes: Vec::new() },
        target,
        manifest: settings.manifest,
        draw: Draw { strategy, sample, seed, seed_is_given, filters },
        claims,
        engine,
        limits: Limits {
            budget: settings.budget.map(|budget| budget.0),
            time_limit: settings.time_limit.map(|limit| limit.0),
            resume: settings.resume.unwrap_or(false),
        },
        outputs,
        hooks: settings.hooks.resolve(),
        notifiers: settings.notify.resolve(),
        started: environment.now.timestamp().into(),
    })
}

/// What `bkverify manifest` needs to know.
#[derive(Debug, Clone)]
pub struct Originals {
    /// Folders of originals.
    pub sources: Vec<PathBuf>,
    /// Folders of originals, with the beginnings of their files' paths in the backup.
    pub maps: Vec<Map>,
    /// The backup that they are verified against, if the configuration says.
    pub backup: Location,
    /// Which files.
    pub filters: Filters,
    /// What is no original, although it may be among them.
    pub leave_out: Vec<PathBuf>,
    /// How the work is done.
    pub engine: Engine,
}

/// The originals that flags and configuration name. If flags name them, no job is used unless one
/// is named, and only the defaults of the configuration hold.
pub fn originals(
    flags: Settings,
    (job, config): (Option<&str>, Option<&Path>),
    environment: &Environment,
) -> Result<Originals, Error> {
    let config = config::load(config, environment)?;
    let flags = flags.located(environment.base());
    let are_named = !flags.source.is_empty() || !flags.map.is_empty();
    let configured = match (&config, job) {
        (None, None) => Settings::default(),
        (None, Some(job)) => return Err(no_config_for(job, environment)),
        (Some(config), None) if are_named => config.defaults.clone(),
        (Some(config), asked) => config.choose(asked)?.1,
    };
    let settings = flags.over(configured);
    let sources = Source::folders(settings.source.clone());
    if sources.is_empty() && settings.map.is_empty() {
        return Err(Error::usage("missing: the originals (--source DIR or --map FROM=TO)")
            .hint("for example: bkverify manifest --source /home --output /var/backups/home.b3"));
    }
    let backup = location(&settings, config.as_ref(), environment)?;
    let folders = sources.iter().chain(settings.map.iter().map(|map| &map.to));
    let spinning = folders.into_iter().any(|place| (environment.spins)(place));
    let leave_out = backup.place().map(Path::to_owned).into_iter().chain(settings.restore_to.clone());
    Ok(Originals {
        filters: filters(&settings, environment)?,
        leave_out: leave_out.filter(|path| !path.as_os_str().is_empty()).collect(),
        engine: engine(&settings, CachePolicy::Drop, spinning, environment.cores),
        sources,
        maps: settings.map,
        backup,
    })
}

/// What the top of a configuration says of a run that is no job of it: not what runs before and
/// after, and not who is told. A run by hand on another backup must not tell a monitoring system
/// that the nightly backup is good.
fn without_job(defaults: Settings) -> Settings {
    Settings { hooks: HookSettings::default(), notify: NotifySettings::default(), ..defaults }
}

/// The folder that was named, or else the one of this machine or user.
fn state(said: Option<&StateFolder>, environment: &Environment) -> Option<PathBuf> {
    match said {
        Some(StateFolder::None) => None,
        Some(StateFolder::Folder(folder)) => Some(folder.clone()),
        None => environment.state.clone(),
    }
}

/// Whether there are originals to compare with. Without them there must be something else.
fn check_originals(settings: &Settings, has_ledger: bool) -> Result<bool, Error> {
    let is_none = settings.source.iter().any(Source::is_none);
    if !is_none {
        return Ok(true);
    }
    if settings.source.len() > 1 || !settings.map.is_empty() {
        return Err(Error::usage("--source none says that there are no originals, but others are named")
            .hint("leave it out, or leave out the others; a folder with the name none is ./none"));
    }
    if settings.manifest.is_none() && !has_ledger {
        let message = "without originals (--source none), there is nothing to compare the backup with";
        return Err(Error::usage(message).hint(
            "name a manifest that was made of the originals before the backup (--manifest FILE),\nor the state folder of \
             earlier runs on this backup (--state DIR)",
        ));
    }
    if settings.completeness.is_some_and(|originals| originals > 0) {
        return Err(Error::usage("without originals (--source none), none can be looked up in the backup")
            .hint("leave out --completeness"));
    }
    Ok(false)
}

/// What a run is to prove.
pub fn claims(settings: &Settings, has_originals: bool) -> Claims {
    let usual = Claims::default();
    Claims {
        confidence: settings.confidence.map_or(usual.confidence, |confidence| confidence.0),
        max_undecided: settings.max_undecided.map_or(usual.max_undecided, |share| share.0),
        backup_window: settings.backup_window.map_or(usual.backup_window, |window| window.0),
        assume_unchanged: settings.assume_unchanged.unwrap_or(usual.assume_unchanged),
        completeness: Completeness {
            originals: settings.completeness.unwrap_or(if has_originals {
                usual.completeness.originals
            } else {
                0
            }),
            asked_for: settings.completeness.is_some(),
        },
    }
}

fn engine(settings: &Settings, cache: CachePolicy, spinning: bool, cores: usize) -> Engine {
    Engine {
        threads: settings
            .threads
            .map_or_else(|| default_threads(cache, spinning, cores), |threads| threads.0),
        spinning,
        // A run that is meant to end early goes by rank, so that there is a statement.
        in_disk_order: spinning && settings.budget.is_none() && settings.time_limit.is_none(),
        hash: settings.hash.unwrap_or(Algorithm::Blake3),
        hash_is_given: settings.hash.is_some(),
        cache,
    }
}

pub(super) fn sample_size(settings: &Settings) -> SampleSize {
    match (settings.sample, settings.tolerance) {
        (Some(sample), _) => sample.0,
        (None, Some(tolerance)) => SampleSize::Tolerance(tolerance.0),
        (None, None) => SampleSize::default(),
    }
}

/// The name of the strategy. One that cannot draw a sample of this size is refused.
fn strategy(settings: &Settings, size: SampleSize, confidence: f64) -> Result<&'static str, Error> {
    let name = settings.strategy.map_or(DEFAULT_STRATEGY, |strategy| strategy.0);
    if size == SampleSize::All && name != DEFAULT_STRATEGY {
        let message = format!("--sample all verifies every file, so --strategy {name} has nothing to choose");
        return Err(Error::usage(message).hint("leave out one of the two, or say --strategy random"));
    }
    let Some(strategy) = strategy::named(name) else { return Ok(DEFAULT_STRATEGY) };
    if settings.resume == Some(true) && !strategy.can_resume() {
        let hint = if strategy.rotates() {
            "leave out --resume: the next run begins with what was judged longest ago anyway"
        } else {
            "leave out one of the two: only a run of --strategy random can be resumed"
        };
        return Err(Error::usage(format!("a run of --strategy {name} cannot be resumed")).hint(hint));
    }
    match strategy.refuses(size, confidence) {
        Some((problem, hint)) => Err(Error::usage(problem).hint(hint)),
        None => Ok(name),
    }
}

/// Disks that are read cold answer faster the more is asked of them at once, but for those whose
/// head would go to and fro between the threads. What is in memory only needs the cores, and one
/// more thread for the moments when one waits.
fn default_threads(cache: CachePolicy, spinning: bool, cores: usize) -> usize {
    match cache {
        CachePolicy::Drop if spinning => 1,
        CachePolicy::Drop => cores.saturating_mul(8).clamp(8, 32),
        CachePolicy::Use => cores + 1,
    }
}

fn no_config_for(job: &str, environment: &Environment) -> Error {
    Error::usage(format!("there is no configuration with the job \"{job}\""))
        .hint(format!("looked for {}\nwrite one: bkverify init --job {job}", looked_for(environment)))
}

fn looked_for(environment: &Environment) -> String {
    let places = config::places(environment);
    places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// An error that names, all at once, every setting that a run needs and that is missing.
fn missing(
    settings: &Settings,
    job: Option<&str>,
    config: Option<&Path>,
    environment: &Environment,
) -> Option<Error> {
    let mut lacking = Vec::new();
    if settings.backup.is_none() {
        lacking.push("the backup (--backup PATH)");
    }
    if settings.source.is_empty() && settings.map.is_empty() {
        lacking.push("the originals (--source DIR or --map FROM=TO)");
    }
    if settings.restore_to.is_none() {
        lacking.push("a folder to restore to (--restore-to DIR)");
    }
    let (last, before) = lacking.split_last()?;
    let list =
        if before.is_empty() { (*last).to_owned() } else { format!("{} and {last}", before.join(", ")) };
    let read = match (config, job) {
        (None, _) => format!("no configuration was found; looked for {}", looked_for(environment)),
        (Some(config), Some(job)) => format!("the job {job} in {} does not set it", config.display()),
        (Some(config), None) => format!("{} does not set it", config.display()),
    };
    let hint = format!("{}\nor write them down once: bkverify init\n({read})", example(settings));
    Some(Error::usage(format!("missing: {list}")).hint(hint))
}

/// A command line with the settings there are, and examples for this system for the missing ones.
fn example(settings: &Settings) -> String {
    let windows = std::path::MAIN_SEPARATOR == '\\';
    let [backup, source, restore] = if windows {
        ["D:\\Backup", "C:\\Users", "E:\\verify"]
    } else {
        ["/mnt/backup", "/home", "/var/tmp/verify"]
    };
    let said = |path: Option<&Path>, otherwise: &str| {
        // An address is shown without its password.
        let text = path
            .map_or_else(|| otherwise.to_owned(), |path| registry::locate(path, Path::new("")).to_string());
        if text.contains(' ') { format!("\"{text}\"") } else { text }
    };
    let mut line = format!(
        "bkverify --backup {}",
        said(settings.backup.as_ref().map(|address| address.0.as_path()), backup)
    );
    if settings.map.is_empty() {
        line.push_str(&format!(
            " --source {}",
            said(settings.source.first().map(|source| source.0.as_path()), source)
        ));
    } else {
        for map in &settings.map {
            line.push_str(&format!(
                " --map {}={}",
                crate::backup::escape(&map.from),
                said(Some(map.to.as_path()), "")
            ));
        }
    }
    line.push_str(&format!(" --restore-to {}", said(settings.restore_to.as_deref(), restore)));
    line
}

pub(super) fn filters(settings: &Settings, environment: &Environment) -> Result<Filters, Error> {
    check_globs("include", &settings.include)?;
    check_globs("exclude", &settings.exclude)?;
    let time = |name: &str, when: Option<super::values::When>| {
        let moment = when.map(|when| when.resolve(&environment.now)).transpose();
        moment.map_err(|problem| Error::usage(format!("invalid value for --{name}: {problem}")))
    };
    let filters = Filters {
        include: settings.include.clone(),
        exclude: settings.exclude.clone(),
        min_size: settings.min_size.map(|size| size.0),
        max_size: settings.max_size.map(|size| size.0),
        newer_than: time("newer-than", settings.newer_than)?,
        older_than: time("older-than", settings.older_than)?,
        only: Vec::new(),
    };
    let no_file =
        |what: &str| Err(Error::usage(format!("no file can be {what}")).hint("swap or change the limits"));
    if filters.min_size.zip(filters.max_size).is_some_and(|(min, max)| min > max) {
        return no_file("both larger than --min-size and smaller than --max-size");
    }
    if filters.newer_than.zip(filters.older_than).is_some_and(|(newer, older)| newer > older) {
        return no_file("both newer than --newer-than and older than --older-than");
    }
    Ok(filters)
}

/// Refuses what is no glob, and what the gitignore rules would take for something else than a glob.
fn check_globs(flag: &str, globs: &[String]) -> Result<(), Error> {
    for glob in globs {
        let wrong = |why: &str| Error::usage(format!("invalid value '{glob}' for --{flag}: {why}"));
        match glob.trim().bytes().next() {
            None => return Err(wrong("an empty glob matches nothing")),
            Some(b'!') => {
                return Err(wrong("a glob cannot begin with !").hint("use --include and --exclude together"));
            }
            Some(b'#') => return Err(wrong("it would be a comment").hint(format!("write it as '\\{glob}'"))),
            Some(_) => {}
        }
        let mut builder = GitignoreBuilder::new("");
        // A bracket that is never closed is a slip; taken literally it would match next to nothing.
        builder.allow_unclosed_class(false);
        let built = builder.add_line(None, glob).and_then(|builder| builder.build());
        built.map_err(|error| wrong("not a valid glob").because(error))?;
    }
    Ok(())
}

/// Two reports in one file would be written over one another.
fn reports(settings: &Settings) -> Result<Vec<ReportOutput>, Error> {
    let reports = &settings.reports.0;
    for (index, one) in reports.iter().enumerate() {
        if let Some(other) = reports[index + 1..].iter().find(|other| other.output == one.output) {
            let message = format!("--{} and --{} name the same file", one.renderer, other.renderer);
            return Err(Error::usage(message).hint("give each report a file of its own"));
        }
        if one.output.file().is_some_and(|file| Some(file) == settings.metrics.as_deref()) {
            let message = format!("--{} and --metrics name the same file", one.renderer);
            return Err(Error::usage(message).hint("give each report a file of its own"));
        }
    }
    Ok(reports.clone())
}

fn terminal(invocation: &Invocation, stdout_taken: bool, environment: &Environment) -> Terminal {
    let color = environment.color(stdout_taken);
    let bars = environment.stderr_is_terminal && !environment.dumb_terminal && !invocation.quiet;
    let is_shown = if stdout_taken { environment.stderr_is_terminal } else { environment.stdout_is_terminal };
    let columns = environment.columns.filter(|_| is_shown);
    Terminal { quiet: invocation.quiet, verbose: invocation.verbose, bars, color, columns }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
