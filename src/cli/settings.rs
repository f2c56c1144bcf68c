//! What a verification can be told, by flags and by configuration alike: one struct, so that
//! neither can know what the other does not.
//!
//! In: clap or serde. Out: [`Settings`], where everything unsaid is absent. Layers are laid over
//! each other by [`Settings::over`].

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, CommandFactory, ValueEnum};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::reports::ReportSettings;
use super::values::{Limit, Percent, Sample, Share, Size, Threads, When, map_parser, parse_map};
use crate::backup::registry;
use crate::plan::{Algorithm, CachePolicy, Keep, Map};

const WHERE: &str = "What to verify";
const HOW_MANY: &str = "How many files";
const WHICH: &str = "Which files";
const HOW: &str = "How to verify";

/// One layer of what a verification is told.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// The backup, of one of the registered formats.
    #[arg(long, value_name = "PATH", help_heading = WHERE)]
    #[arg(help = format!("The backup: {}", registry::in_words()))]
    #[serde(deserialize_with = "path")]
    pub backup: Option<PathBuf>,
    /// A folder that holds the originals; may be repeated
    #[arg(long, value_name = "DIR", help_heading = WHERE)]
    #[serde(deserialize_with = "paths")]
    pub source: Vec<PathBuf>,
    /// Paths in the backup that begin with FROM have their originals in folder TO; may be repeated
    #[arg(long, value_name = "FROM=TO", help_heading = WHERE)]
    #[arg(value_parser = map_parser())]
    #[serde(deserialize_with = "maps")]
    pub map: Vec<Map>,
    /// Restore below this folder, which must lie outside the backup and the originals
    #[arg(long, value_name = "DIR", help_heading = WHERE)]
    #[serde(deserialize_with = "path")]
    pub restore_to: Option<PathBuf>,

    /// Verify so many random files, such a share of them, or all [default: 500]
    #[arg(long, value_name = "N|P%|all", help_heading = HOW_MANY, conflicts_with = "tolerance")]
    #[serde(deserialize_with = "parsed")]
    pub sample: Option<Sample>,
    /// Confidence of the statement [default: 95%]
    #[arg(long, value_name = "P%", help_heading = HOW_MANY)]
    #[serde(deserialize_with = "parsed")]
    pub confidence: Option<Percent>,
    /// Verify as many files as it takes to rule out, with that confidence, that so many or more are
    /// bad
    #[arg(long, value_name = "P%", help_heading = HOW_MANY)]
    #[serde(deserialize_with = "parsed")]
    pub tolerance: Option<Percent>,
    /// Do not pass if a larger share of the drawn files was modified, deleted or unreadable
    /// [default: 20%]
    #[arg(long, value_name = "P%", help_heading = HOW_MANY)]
    #[serde(deserialize_with = "parsed")]
    pub max_undecided: Option<Share>,
    /// Draw by this text: the same one draws the same files again [default: a new one each run]
    #[arg(long, value_name = "TEXT", help_heading = HOW_MANY)]
    #[serde(deserialize_with = "parsed")]
    pub seed: Option<String>,
    /// Look up so many originals in the backup, to find files that were never backed up; 0 for
    /// none. Said here, one that is missing fails the run, otherwise it is a warning [default: 200]
    #[arg(long, value_name = "N", help_heading = HOW_MANY)]
    #[serde(deserialize_with = "parsed")]
    pub completeness: Option<u64>,

    /// Only files that match this glob (gitignore rules); may be repeated
    #[arg(long, value_name = "GLOB", help_heading = WHICH)]
    #[serde(deserialize_with = "texts")]
    pub include: Vec<String>,
    /// No files that match this glob (gitignore rules); may be repeated
    #[arg(long, value_name = "GLOB", help_heading = WHICH)]
    #[serde(deserialize_with = "texts")]
    pub exclude: Vec<String>,
    /// Only files of at least this size, such as 4KiB
    #[arg(long, value_name = "SIZE", help_heading = WHICH)]
    #[serde(deserialize_with = "parsed")]
    pub min_size: Option<Size>,
    /// Only files of at most this size, such as 2GiB
    #[arg(long, value_name = "SIZE", help_heading = WHICH)]
    #[serde(deserialize_with = "parsed")]
    pub max_size: Option<Size>,
    /// Only files modified at or after this date, time or age, such as 2026-05-01 or 7d
    #[arg(long, value_name = "WHEN", help_heading = WHICH)]
    #[serde(deserialize_with = "parsed")]
    pub newer_than: Option<When>,
    /// Only files modified at or before this date, time or age
    #[arg(long, value_name = "WHEN", help_heading = WHICH)]
    #[serde(deserialize_with = "parsed")]
    pub older_than: Option<When>,

    /// How long the backup takes at most: what was not touched since before that must be in it
    /// [default: 24h]
    #[arg(long, value_name = "DURATION", help_heading = HOW)]
    #[serde(deserialize_with = "parsed")]
    pub backup_window: Option<Limit>,
    /// The originals have not changed since the backup (a server that is being moved): any
    /// difference is the backup's fault
    #[arg(long, value_name = "BOOL", help_heading = HOW, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub assume_unchanged: Option<bool>,
    /// Hash both sides with this [default: blake3]
    #[arg(long, value_name = "NAME", help_heading = HOW)]
    #[serde(deserialize_with = "choice")]
    pub hash: Option<Algorithm>,
    /// Threads that verify [default: by cores, cache and disks; see plan]
    #[arg(long, value_name = "N", help_heading = HOW)]
    #[serde(deserialize_with = "parsed")]
    pub threads: Option<Threads>,
    /// What to do about backup and originals that are cached in memory [default: drop]
    #[arg(long, value_name = "WHAT", help_heading = HOW)]
    #[serde(deserialize_with = "choice")]
    pub cache: Option<CachePolicy>,
    /// Which restored files stay behind [default: none]
    #[arg(long, value_name = "WHICH", help_heading = HOW)]
    #[serde(deserialize_with = "choice")]
    pub keep: Option<Keep>,
    /// End the run as incomplete once so much was restored, such as 50GiB
    #[arg(long, value_name = "SIZE", help_heading = HOW)]
    #[serde(deserialize_with = "parsed")]
    pub budget: Option<Size>,
    /// End the run as incomplete after this time, such as 2h
    #[arg(long, value_name = "DURATION", help_heading = HOW)]
    #[serde(deserialize_with = "parsed")]
    pub time_limit: Option<Limit>,

    /// Where reports are written. The configuration reads them itself.
    #[command(flatten)]
    #[serde(skip)]
    pub reports: ReportSettings,
}

impl Settings {
    /// The clap definition of all settings, for those who need names and help texts.
    pub fn command() -> clap::Command {
        #[derive(clap::Parser)]
        struct Only {
            #[command(flatten)]
            _settings: Settings,
        }
        Only::command()
    }

    /// The name of every setting: a flag without its dashes, a key of the configuration.
    pub fn names() -> Vec<String> {
        Self::command().get_arguments().filter_map(|flag| flag.get_long().map(ToOwned::to_owned)).collect()
    }

    /// Lays this layer over a lower one, which says what this one leaves unsaid. Lists replace
    /// lists as a whole.
    #[must_use]
    pub fn over(self, mut lower: Self) -> Self {
        // These two answer the same question: an answer here leaves none from below.
        if self.sample.is_some() || self.tolerance.is_some() {
            (lower.sample, lower.tolerance) = (None, None);
        }
        // So do these two: where the originals are.
        if !self.source.is_empty() || !self.map.is_empty() {
            (lower.source, lower.map) = (Vec::new(), Vec::new());
        }
        Self {
            backup: self.backup.or(lower.backup),
            source: first_said(self.source, lower.source),
            map: first_said(self.map, lower.map),
            restore_to: self.restore_to.or(lower.restore_to),
            sample: self.sample.or(lower.sample),
            confidence: self.confidence.or(lower.confidence),
            tolerance: self.tolerance.or(lower.tolerance),
            max_undecided: self.max_undecided.or(lower.max_undecided),
            seed: self.seed.or(lower.seed),
            completeness: self.completeness.or(lower.completeness),
            include: first_said(self.include, lower.include),
            exclude: first_said(self.exclude, lower.exclude),
            min_size: self.min_size.or(lower.min_size),
            max_size: self.max_size.or(lower.max_size),
            newer_than: self.newer_than.or(lower.newer_than),
            older_than: self.older_than.or(lower.older_than),
            backup_window: self.backup_window.or(lower.backup_window),
            assume_unchanged: self.assume_unchanged.or(lower.assume_unchanged),
            hash: self.hash.or(lower.hash),
            threads: self.threads.or(lower.threads),
            cache: self.cache.or(lower.cache),
            keep: self.keep.or(lower.keep),
            budget: self.budget.or(lower.budget),
            time_limit: self.time_limit.or(lower.time_limit),
            reports: self.reports.over(&lower.reports),
        }
    }

    /// Lets relative paths start at `folder`. Standard output (`-`) stays what it is.
    #[must_use]
    pub fn based_on(mut self, folder: &Path) -> Self {
        let base = |path: &mut PathBuf| *path = absolute(folder, path);
        // An address is left as it is.
        self.backup = self.backup.map(|said| match registry::locate(&said, folder).local() {
            Some(path) => path.to_owned(),
            None => said,
        });
        self.restore_to.as_mut().map(base);
        self.source.iter_mut().for_each(base);
        self.map.iter_mut().for_each(|map| base(&mut map.to));
        self.reports.base_on(folder);
        self
    }
}

/// The path seen from `folder`, without `.` components. Links are not looked at.
pub fn absolute(folder: &Path, path: &Path) -> PathBuf {
    folder.join(path).components().collect()
}

fn first_said<T>(upper: Vec<T>, lower: Vec<T>) -> Vec<T> {
    if upper.is_empty() { lower } else { upper }
}

/// A value as it may be written in a configuration: text, or a bare number where the text would be
/// one.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text in quotes, or a number")]
enum Written {
    Text(String),
    Whole(u64),
    Number(f64),
}

impl Written {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Whole(number) => number.to_string(),
            Self::Number(number) => number.to_string(),
        }
    }
}

/// One text, or a list of them.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text in quotes, or a list of such texts")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

fn parsed<'de, D: Deserializer<'de>, T>(input: D) -> Result<Option<T>, D::Error>
where
    T: FromStr,
    T::Err: Display,
{
    let text = Written::deserialize(input)?.into_text();
    text.parse().map(Some).map_err(|error| D::Error::custom(format!("invalid value '{text}': {error}")))
}

fn choice<'de, D: Deserializer<'de>, T: ValueEnum>(input: D) -> Result<Option<T>, D::Error> {
    let text = Written::deserialize(input)?.into_text();
    T::from_str(&text, false).map(Some).map_err(|_| {
        let names = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        let names: Vec<_> = names.map(|value| value.get_name().to_owned()).collect();
        D::Error::custom(format!("invalid value '{text}': expected one of {}", names.join(", ")))
    })
}

fn texts<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<String>, D::Error> {
    let texts = match OneOrMany::deserialize(input)? {
        OneOrMany::One(text) => vec![text],
        OneOrMany::Many(texts) => texts,
    };
    // Where a value is needed, an empty one is a slip, never a choice.
    if texts.iter().any(String::is_empty) { Err(D::Error::custom("a value is empty")) } else { Ok(texts) }
}

/// A path that is not empty.
pub fn path<'de, D: Deserializer<'de>>(input: D) -> Result<Option<PathBuf>, D::Error> {
    let text = Written::deserialize(input)?.into_text();
    if text.is_empty() { Err(D::Error::custom("the path is empty")) } else { Ok(Some(text.into())) }
}

fn paths<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<PathBuf>, D::Error> {
    Ok(texts(input)?.into_iter().map(PathBuf::from).collect())
}

fn maps<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<Map>, D::Error> {
    let read =
        |text: String| parse_map(text.as_ref()).map_err(|error| format!("invalid value '{text}': {error}"));
    texts(input)?.into_iter().map(read).collect::<Result<_, _>>().map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::super::config::Config;
    use super::*;
    use crate::output::Output;
    use crate::report::RENDERERS;

    fn settings(text: &str) -> Settings {
        Config::parse(PathBuf::new(), text).unwrap_or_else(|error| panic!("{text}: {error}")).defaults
    }

    #[test]
    fn every_flag_is_a_key_and_every_key_is_a_flag() {
        let error = toml::from_str::<Settings>("no-such-key = 1").unwrap_err().to_string();
        let is_report = |name: &String| RENDERERS.iter().any(|renderer| renderer.name == name);
        let names: Vec<String> = Settings::names().into_iter().filter(|name| !is_report(name)).collect();
        for name in &names {
            assert!(error.contains(&format!("`{name}`")), "the configuration does not know {name}: {error}");
        }
        let keys = error.split("expected one of").nth(1).unwrap().matches('`').count() / 2;
        assert_eq!(keys, names.len(), "a key without a flag: {error}");
        for renderer in &RENDERERS {
            let text = format!("{} = 'r'", renderer.name);
            assert!(settings(&text).reports.of(renderer.name).is_some(), "{text}");
        }
        assert_eq!(names.len() + RENDERERS.len(), Settings::names().len());
    }

    #[test]
    fn an_upper_layer_wins_and_leaves_the_rest() {
        let upper = settings("backup = 'a'\nthreads = 2");
        let lower = settings("backup = 'b'\nrestore-to = 'r'\nexclude = ['x', 'y']");
        let both = settings("backup = 'a'\nthreads = '2'\nrestore-to = 'r'\nexclude = ['x', 'y']");
        assert_eq!(upper.over(lower), both);
    }

    #[test]
    fn every_setting_comes_through_from_a_lower_layer() {
        let all = "backup = 'b'\nsource = 's'\nmap = 'a=b'\nrestore-to = 'r'\nsample = 5\nconfidence = '9%'\n\
            tolerance = '1%'\nmax-undecided = '5%'\nseed = 's'\ncompleteness = 3\ninclude = 'i'\nexclude = 'e'\nmin-size = 1\nmax-size = 2\n\
            newer-than = '7d'\nolder-than = '1d'\nbackup-window = '8h'\nassume-unchanged = true\nhash = 'sha256'\nthreads = 3\ncache = 'use'\nkeep = 'all'\n\
            budget = '1GiB'\ntime-limit = '1h'\njson = 'j'\njunit = 'u'\n";
        assert_eq!(all.lines().count(), Settings::names().len());
        // These two answer the same question.
        for other in ["sample", "tolerance"] {
            let all: Vec<_> = all.lines().filter(|line| !line.trim_start().starts_with(other)).collect();
            assert_eq!(all.len() + 1, Settings::names().len());
            let all = settings(&all.join("\n"));
            assert_eq!(Settings::default().over(all.clone()), all);
            assert_eq!(all.clone().over(Settings::default()), all);
            assert_ne!(all.reports, ReportSettings::default());
        }
    }

    #[test]
    fn another_answer_to_the_same_question_replaces_the_first() {
        assert_eq!(settings("tolerance = '1%'").over(settings("sample = 9")), settings("tolerance = '1%'"));
        assert_eq!(settings("sample = 9").over(settings("tolerance = '1%'")), settings("sample = 9"));
        assert_eq!(settings("source = 's'").over(settings("map = 'a=b'")), settings("source = 's'"));
    }

    #[test]
    fn relative_paths_start_at_the_folder_and_standard_output_stays() {
        let based = settings("backup = './b'\nsource = ['s', '/abs']\nmap = 'x=m'\njson = '-'\njunit = 'u'");
        let based = based.based_on(Path::new("/base"));
        assert_eq!(based.backup.as_deref(), Some(Path::new("/base/b")));
        assert_eq!(based.source, [PathBuf::from("/base/s"), "/abs".into()]);
        assert_eq!(based.map[0].to, Path::new("/base/m"));
        assert_eq!(based.reports.of("json"), Some(&Output::Stdout));
        assert_eq!(based.reports.of("junit"), Some(&Output::File("/base/u".into())));
    }
}
