//! The configuration file: finding it, reading it, choosing the job.
//!
//! In: places, text. Out: [`Config`], whose relative paths start at the file's own folder. Every
//! error names the file, and the line if it is known. Nothing is ignored: an unknown key is an
//! error, because with a misspelt `exclude` other files would be verified without notice.
//!
//! The top of the file holds what all jobs share, each `[jobs.NAME]` what one job adds or changes;
//! the keys are the flags of the same name. `default-job` names the job that is used when none is
//! asked for. Each `[commands.NAME]` holds the commands that list and restore a backup by another
//! program, for the address `command:NAME`.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IntoDeserializer;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::commands;
use super::environment::Environment;
use super::error::{Error, nearest};
use super::hooks::{self, HookSettings};
use super::notifiers::{NOTIFY, NotifySettings};
use super::paths::Base;
use super::reports::ReportSettings;
use super::settings::Settings;
use super::source::Source;
use super::written;
use crate::backup::Commands;
use crate::output::Output;
use crate::report::RENDERERS;

/// The file's name, wherever it lies.
pub const FILE_NAME: &str = "bkverify.toml";
const JOBS: &str = "jobs";
const DEFAULT_JOB: &str = "default-job";
const COMMANDS: &str = "commands";

/// A configuration file that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where it is.
    pub place: PathBuf,
    /// What holds for all jobs.
    pub defaults: Settings,
    /// The jobs by name.
    pub jobs: BTreeMap<String, Settings>,
    /// The job for when none is asked for.
    pub default_job: Option<String>,
    /// The commands that list and restore backups, by the names in addresses such as
    /// `command:NAME`.
    pub commands: BTreeMap<String, Commands>,
}

/// Where a configuration is looked for, in this order.
pub fn places(environment: &Environment) -> Vec<PathBuf> {
    let folders = [
        Some(&environment.current_dir),
        environment.user_config.as_ref(),
        environment.system_config.as_ref(),
    ];
    folders.into_iter().flatten().map(|folder| folder.join(FILE_NAME)).collect()
}

/// Reads the configuration that was named, or the first that is found; `None` if there is none.
pub fn load(named: Option<&Path>, environment: &Environment) -> Result<Option<Config>, Error> {
    if let Some(named) = named {
        let place = environment.base().absolute(named);
        let Some(text) = read(&place)? else {
            let message = format!("there is no configuration at {}", place.display());
            return Err(
                Error::usage(message).hint(format!("write one: bkverify init --output {}", named.display()))
            );
        };
        return Config::parse(place, &text, environment.home.as_deref()).map(Some);
    }
    for place in places(environment) {
        if let Some(text) = read(&place)? {
            return Config::parse(place, &text, environment.home.as_deref()).map(Some);
        }
    }
    Ok(None)
}

/// A file that exists but cannot be read is an error, because the next one may hold other settings.
fn read(place: &Path) -> Result<Option<String>, Error> {
    match std::fs::read_to_string(place) {
        Ok(text) => Ok(Some(text)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => {
            let message = format!("cannot read the configuration {}", place.display());
            Err(Error::usage(message)
                .because(error)
                .hint("make it readable, or name another with --config FILE"))
        }
    }
}

impl Config {
    /// Reads the text of the file at `place`; `~` in it stands for `home`.
    pub fn parse(place: PathBuf, text: &str, home: Option<&Path>) -> Result<Self, Error> {
        let source = Source { place: &place, text };
        let folder = place.parent().unwrap_or(Path::new("")).to_owned();
        let reader = Reader { source: &source, base: Base { folder: &folder, home } };
        let top = DeTable::parse(text).map_err(|error| source.wrong(&error))?;
        let span = top.span();
        let (mut defaults, mut jobs, mut default_job) = (DeTable::new(), BTreeMap::new(), None);
        let mut commands = BTreeMap::new();
        for (key, value) in top.into_inner() {
            match key.get_ref().as_ref() {
                JOBS => jobs = reader.jobs(value)?,
                COMMANDS => commands = commands::read(&source, value, reader.base)?,
                DEFAULT_JOB => default_job = Some(source.text_of(&value)?),
                _ => {
                    defaults.insert(key, value);
                }
            }
        }
        let defaults = reader.settings(defaults, span, &[JOBS, DEFAULT_JOB, COMMANDS])?;
        Ok(Self { place, defaults, jobs, default_job, commands })
    }

    /// The job that is meant by a name, or without one: its name and what it says, laid over the
    /// defaults.
    ///
    /// Without jobs and without a name the defaults alone are the job.
    pub fn choose(&self, asked: Option<&str>) -> Result<(Option<String>, Settings), Error> {
        let only = self.jobs.keys().next().filter(|_| self.jobs.len() == 1);
        let Some(name) = asked.or(self.default_job.as_deref()).or(only.map(String::as_str)) else {
            if self.jobs.is_empty() {
                return Ok((None, self.defaults.clone()));
            }
            return Err(self.several());
        };
        let job = self.jobs.get(name).ok_or_else(|| self.unknown(name, asked.is_none()))?;
        Ok((Some(name.to_owned()), job.clone().over(self.defaults.clone())))
    }

    fn several(&self) -> Error {
        let first = self.jobs.keys().next().map_or("NAME", String::as_str);
        Error::usage(format!("{} holds several jobs; choose one: {}", self.place.display(), self.list()))
            .hint(format!("use --job {first},\nor write default-job = \"{first}\" at the top of the file"))
    }

    fn unknown(&self, name: &str, by_default: bool) -> Error {
        let place = self.place.display();
        let message = if by_default {
            format!("default-job in {place} names \"{name}\", which is not a job in it")
        } else {
            format!("{place} has no job \"{name}\"")
        };
        let hint = match nearest(name, self.jobs.keys().map(String::as_str)) {
            Some(near) => format!("did you mean {near}?"),
            None if self.jobs.is_empty() => "it has no jobs; each is a table [jobs.NAME]".to_owned(),
            None => format!("its jobs are: {}", self.list()),
        };
        Error::usage(message).hint(hint)
    }

    fn list(&self) -> String {
        self.jobs.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

type Keyed<'i> = (Spanned<DeString<'i>>, Spanned<DeValue<'i>>);

/// What is read from a file whose paths start at `base`.
struct Reader<'s, 'a> {
    source: &'s Source<'a>,
    base: Base<'s>,
}

impl<'a> Reader<'_, 'a> {
    fn jobs(&self, value: Spanned<DeValue<'a>>) -> Result<BTreeMap<String, Settings>, Error> {
        let mut jobs = BTreeMap::new();
        for (name, job) in self.source.table(value, "jobs are tables: write [jobs.NAME]")? {
            let span = job.span();
            let hint = format!("write the job as a table: [jobs.{}]", name.get_ref());
            let settings = self.settings(self.source.table(job, &hint)?, span, &[])?;
            jobs.insert(name.into_inner().into_owned(), settings);
        }
        Ok(jobs)
    }

    /// Reads one layer. `also` are keys that are allowed beside the settings, for suggestions.
    fn settings(&self, table: DeTable<'a>, span: Range<usize>, also: &[&str]) -> Result<Settings, Error> {
        let source = self.source;
        let names = Settings::names();
        let known = || names.iter().map(String::as_str).chain(hooks::KEYS.iter().copied()).chain([NOTIFY]);
        if let Some((key, _)) = table.iter().find(|(key, _)| known().all(|name| name != key.get_ref())) {
            let otherwise = "the keys are the names of the flags: see bkverify --help";
            return Err(source.unknown_key(key, known().chain(also.iter().copied()), otherwise));
        }
        let both: Vec<Keyed<'a>> = ["sample", "tolerance"]
            .iter()
            .filter_map(|name| table.iter().find(|(key, _)| key.get_ref() == name))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if let [_, (tolerance, _)] = both.as_slice() {
            let message = "sample and tolerance both say how many files to verify";
            return Err(source.at(&tolerance.span(), message).hint("remove one of them"));
        }
        let (own, table): (Vec<Keyed<'a>>, Vec<Keyed<'a>>) = table
            .into_iter()
            .partition(|(key, _)| *key.get_ref() == NOTIFY || hooks::KEYS.contains(&key.get_ref().as_ref()));
        let (notify, own): (Vec<Keyed<'a>>, Vec<Keyed<'a>>) =
            own.into_iter().partition(|(key, _)| *key.get_ref() == NOTIFY);
        let notify = match notify.into_iter().next() {
            Some((_, value)) => NotifySettings::read(source, value, self.base)?,
            None => NotifySettings::default(),
        };
        let hooks = HookSettings::read(source, own, self.base)?;
        let (reports, table) = self.reports(table.into_iter().collect())?;
        let settings = Settings::deserialize(Spanned::new(span, table).into_deserializer());
        let settings = settings.map_err(|error| source.wrong(&error))?;
        Ok(Settings { reports, hooks, notify, ..settings }.located(self.base))
    }

    /// Takes the keys that say where reports go out of a layer.
    fn reports(&self, table: DeTable<'a>) -> Result<(ReportSettings, DeTable<'a>), Error> {
        let (reports, others): (Vec<Keyed<'a>>, Vec<Keyed<'a>>) = table
            .into_iter()
            .partition(|(key, _)| RENDERERS.iter().any(|renderer| renderer.name == key.get_ref()));
        let settings = ReportSettings::gather(|name| -> Result<_, Error> {
            let Some((_, value)) = reports.iter().find(|(key, _)| key.get_ref() == name) else {
                return Ok(None);
            };
            let path = written::path(value.clone().into_deserializer());
            let path = path.map_err(|error| self.source.wrong_at(&value.span(), &error))?;
            Ok(path.map(|path| Output::from(path.into_os_string())))
        })?;
        Ok((settings, others.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::SampleSize;

    fn parse(text: &str) -> Result<Config, Error> {
        Config::parse(PathBuf::from("/c/bkverify.toml"), text, Some(Path::new("/home/me")))
    }

    #[track_caller]
    fn refused(text: &str, error: &str) {
        let found = parse(text).unwrap_err().render(None);
        assert_eq!(found.trim_end(), format!("bkverify: error: /c/bkverify.toml, {error}"));
    }

    #[test]
    fn a_job_stands_over_the_defaults_and_its_paths_start_at_the_file() {
        let config =
            parse("restore-to = 'scratch'\nsample = 9\n[jobs.a]\nsample = '5%'\nsource = ['x', '~/y']\n")
                .unwrap();
        let (name, job) = config.choose(None).unwrap();
        assert_eq!(name.as_deref(), Some("a"));
        assert_eq!(job.sample.unwrap().0, SampleSize::Share(0.05));
        assert_eq!(job.restore_to.unwrap(), Path::new("/c/scratch"));
        let sources: Vec<_> = job.source.iter().map(|source| source.0.as_path()).collect();
        assert_eq!(sources, [Path::new("/c/x"), Path::new("/home/me/y")]);
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_line_and_the_nearest_name() {
        refused("# one\nsmaple = 5\n", "line 2: unknown key \"smaple\"\n  hint: did you mean sample?");
        refused(
            "[jobs.a]\nresotre-to = 'x'\n",
            "line 2: unknown key \"resotre-to\"\n  hint: did you mean restore-to?",
        );
        refused("[job.a]\nsample = 5\n", "line 1: unknown key \"job\"\n  hint: did you mean jobs?");
        let hint = "the keys are the names of the flags: see bkverify --help";
        refused("quiet = true", &format!("line 1: unknown key \"quiet\"\n  hint: {hint}"));
    }

    #[test]
    fn a_wrong_value_is_an_error_with_its_line() {
        refused(
            "\nsample = 0",
            "line 2: invalid value '0': a sample of nothing proves nothing; it must be at least one file",
        );
        refused("[jobs.a]\n\nhash = 'md5'", "line 3: invalid value 'md5': expected one of blake3, sha256");
        refused("confidence = 0.95", "line 1: invalid value '0.95': expected a percent sign, as in 95%");
        refused("threads = true", "line 1: expected text in quotes, or a number");
        refused("source = ['a', '']", "line 1: a value is empty");
        refused(
            "jobs = 5",
            "line 1: expected a table, found integer\n  hint: jobs are tables: write [jobs.NAME]",
        );
        refused(
            "sample = 5\ntolerance = '1%'",
            "line 2: sample and tolerance both say how many files to verify\n  hint: remove one of them",
        );
    }

    #[test]
    fn broken_toml_is_an_error_with_its_line() {
        let error = parse("sample = 5\nsource = [\n").unwrap_err().render(None);
        assert!(error.starts_with("bkverify: error: /c/bkverify.toml, line "), "{error}");
    }

    #[test]
    fn with_several_jobs_one_must_be_chosen() {
        let config = parse("[jobs.b]\n[jobs.a]\n").unwrap();
        let error = config.choose(None).unwrap_err().render(None);
        assert!(error.contains("several jobs; choose one: a, b"), "{error}");
        assert_eq!(config.choose(Some("b")).unwrap().0.as_deref(), Some("b"));
        let config = parse("default-job = 'b'\n[jobs.b]\n[jobs.a]\n").unwrap();
        assert_eq!(config.choose(None).unwrap().0.as_deref(), Some("b"));
    }

    #[test]
    fn an_unknown_job_is_an_error_with_the_nearest_name() {
        let error =
            parse("[jobs.nightly]\n[jobs.weekly]").unwrap().choose(Some("nigthly")).unwrap_err().render(None);
        assert!(error.contains("has no job \"nigthly\"\n  hint: did you mean nightly?"), "{error}");
        let error =
            parse("default-job = 'x'\n[jobs.nightly]").unwrap().choose(None).unwrap_err().render(None);
        assert!(
            error.contains("names \"x\", which is not a job in it\n  hint: its jobs are: nightly"),
            "{error}"
        );
    }
}
