//! The settings of a verification, for flags and configuration alike. Each is declared once, so
//! that the flags, the configuration, `bkverify plan` and `bkverify init` cannot differ.
//!
//! In: clap or serde. Out: [`Settings`], where every setting that was not given is absent. Layers
//! are laid over each other by [`Settings::over`].
//!
//! A new setting is declared here, gets a field in [`Plan`], and [`resolve`](super::resolve) fills
//! that in. A type that no setting has had yet goes into [`values`](super::values) and becomes a
//! `Value` in [`layer`](super::layer); what `plan` prints of it may need a function in
//! [`show`]. The flag, the key, the help, `plan` and `init` follow. The JSON report is a
//! promise to other programs, so it says nothing of a new setting until that is added to
//! `report::model::PlanPart` and to the schema.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use serde::Deserialize;

use super::hooks::HookSettings;
use super::layer::{Layer, settings};
use super::notifiers::NotifySettings;
use super::paths::Base;
use super::reports::ReportSettings;
use super::show;
use super::values::{
    Address, Limit, Password, Percent, Sample, Share, Size, Source, StateFolder, StrategyName, Threads, When,
    map_parser,
};
use super::written::{address, choice, maps, parsed, password, path, paths, sources, state_folder, texts};
use crate::backup::registry;
use crate::plan::{Algorithm, CachePolicy, Keep, Map, Plan, SampleSize};
use crate::report::RENDERERS;

const WHERE: &str = "What to verify";
const HOW_MANY: &str = "How many files";
const WHICH: &str = "Which files";
const HOW: &str = "How to verify";
const REPORTS: &str = super::reports::HEADING;

/// What a resolved plan says of a setting: a line for each value, none where it says nothing.
type Shown = dyn Fn(&Plan) -> Vec<String>;

/// What is known of a setting beside its value.
pub struct Setting {
    /// Its name: a flag without its dashes, a key of the configuration.
    pub name: String,
    /// A value, in TOML.
    pub example: String,
    /// What a resolved plan says of it.
    pub plan: Box<Shown>,
}

impl Setting {
    /// Its help text.
    pub fn help(&self) -> String {
        let command = Settings::command();
        let flag = command.get_arguments().find(|flag| flag.get_long() == Some(&self.name));
        flag.and_then(clap::Arg::get_help).map(ToString::to_string).unwrap_or_default()
    }
}

settings! {
    /// One layer of settings: those of the flags, of a job, or of the top of a configuration.
    #[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
    #[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
    pub struct Settings {
        /// The backup, of one of the registered formats.
        #[arg(long, value_name = "PATH", help_heading = WHERE)]
        #[arg(help = format!("The backup: {}", registry::in_words()))]
        #[serde(deserialize_with = "address")]
        backup: Option<Address> {
            example: "\"/mnt/backup\"",
            plan: |plan| vec![plan.target.backup.text()],
        }
        /// Which of the backups in a repository: latest, a name, the first digits of its id, a pattern
        /// of names such as web-*, or a time such as 2026-05-01, for the newest until then; or several:
        /// all, or last:7 [default: latest]
        #[arg(long, value_name = "NAME|TIME", help_heading = WHERE)]
        #[serde(deserialize_with = "parsed")]
        snapshot: Option<String> {
            example: "\"latest\"",
            plan: |plan| plan.target.backup.snapshot().map(show::text).into_iter().collect(),
        }
        /// Where the password of the backup is: file:PATH, env:NAME or command:PROGRAM
        #[arg(long, value_name = "SOURCE", help_heading = WHERE)]
        #[serde(deserialize_with = "password")]
        password: Option<Password> {
            example: "{ file = \"/root/borg.password\" }",
            plan: |plan| show::secret(plan.target.backup.secret()).into_iter().collect(),
        }
        /// Verify only this volume of an image: the letter of its drive, or its number
        #[arg(long, value_name = "LETTER|N", help_heading = WHERE)]
        #[serde(deserialize_with = "parsed")]
        volume: Option<String> {
            example: "\"C\"",
            plan: |plan| plan.target.backup.volume().map(show::text).into_iter().collect(),
        }
        /// A parent of an image that stores only what differs from it, if it is not where the image
        /// says; may be repeated
        #[arg(long, value_name = "FILE", help_heading = WHERE)]
        #[serde(deserialize_with = "paths")]
        parent: Vec<PathBuf> {
            example: "[\"/mnt/images/base.vhdx\"]",
            plan: |plan| plan.target.backup.parents().iter().map(|place| show::path(place)).collect(),
        }
        /// A folder that holds the originals; may be repeated. "none" if there are none any more: the
        /// backup is compared with a manifest alone
        #[arg(long, value_name = "DIR|none", help_heading = WHERE)]
        #[serde(deserialize_with = "sources")]
        source: Vec<Source> {
            example: "[\"/home\", \"/srv\"]",
            plan: |plan| show::sources(&plan.target),
        }
        /// Files whose path in the backup begins with FROM have their originals in folder TO; may
        /// be repeated
        #[arg(long, value_name = "FROM=TO", help_heading = WHERE)]
        #[arg(value_parser = map_parser())]
        #[serde(deserialize_with = "maps")]
        map: Vec<Map> {
            example: "[\"home=/home\"]",
            plan: |plan| plan.target.maps.iter().map(show::map).collect(),
        }
        /// A list of the originals' hashes, made before the backup (b3sum, sha256sum, hashdeep or
        /// bkverify manifest): it tells which side of a difference is wrong
        #[arg(long, value_name = "FILE", help_heading = WHERE)]
        #[serde(deserialize_with = "path")]
        manifest: Option<PathBuf> {
            example: "\"/var/backups/home.b3\"",
            plan: |plan| plan.manifest.iter().map(|path| show::path(path)).collect(),
        }
        /// Restore below this folder, which must be outside the backup and the originals
        #[arg(long, value_name = "DIR", help_heading = WHERE)]
        #[serde(deserialize_with = "path")]
        restore_to: Option<PathBuf> {
            example: "\"/var/tmp/verify\"",
            plan: |plan| vec![show::path(&plan.target.restore_to)],
        }

        /// How many files to verify: a number, a percentage, or all [default: 500]
        #[arg(long, value_name = "N|P%|all", help_heading = HOW_MANY, conflicts_with = "tolerance")]
        #[serde(deserialize_with = "parsed")]
        sample: Option<Sample> {
            example: "500",
            plan: |plan| vec![show::sample(&plan.draw)],
        }
        /// How files are chosen [default: random]
        #[arg(long, value_name = "NAME", help_heading = HOW_MANY)]
        #[serde(deserialize_with = "choice")]
        strategy: Option<StrategyName> {
            example: "\"coverage\"",
            plan: |plan| show::strategy(&plan.draw),
        }
        /// Confidence level of the statement [default: 95%]
        #[arg(long, value_name = "P%", help_heading = HOW_MANY)]
        #[serde(deserialize_with = "parsed")]
        confidence: Option<Percent> {
            example: "\"99%\"",
            plan: |plan| vec![show::percent(plan.claims.confidence)],
        }
        /// Verify as many files as it takes to rule out, at that confidence, that this percentage
        /// of them or more is bad
        #[arg(long, value_name = "P%", help_heading = HOW_MANY)]
        #[serde(deserialize_with = "parsed")]
        tolerance: Option<Percent> {
            example: "\"1%\"",
            plan: |plan| match plan.draw.sample {
                SampleSize::Tolerance(share) => vec![show::percent(share)],
                _ => Vec::new(),
            },
        }
        /// Do not pass if more than this percentage of the selected files was modified, deleted or
        /// unreadable [default: 20%]
        #[arg(long, value_name = "P%", help_heading = HOW_MANY)]
        #[serde(deserialize_with = "parsed")]
        max_undecided: Option<Share> {
            example: "\"20%\"",
            plan: |plan| vec![show::percent(plan.claims.max_undecided)],
        }
        /// Random seed; the same seed selects the same files [default: a new one each run]
        #[arg(long, value_name = "TEXT", help_heading = HOW_MANY)]
        #[serde(deserialize_with = "parsed")]
        seed: Option<String> {
            example: "\"audit 2026\"",
            plan: |plan| vec![show::text(&plan.draw.seed)],
        }
        /// Look up this many originals in the backup, to find files that were never backed up; 0
        /// for none. If it is set, a missing file fails the run; by default it is only a warning
        /// [default: 200]
        #[arg(long, value_name = "N", help_heading = HOW_MANY)]
        #[serde(deserialize_with = "parsed")]
        completeness: Option<u64> {
            example: "200",
            plan: |plan| vec![show::completeness(plan.claims.completeness)],
        }

        /// Verify only files that match this glob (gitignore rules); may be repeated
        #[arg(long, value_name = "GLOB", help_heading = WHICH)]
        #[serde(deserialize_with = "texts")]
        include: Vec<String> {
            example: "[\"*.db\"]",
            plan: |plan| plan.draw.filters.include.iter().map(|glob| show::text(glob)).collect(),
        }
        /// Leave out files that match this glob (gitignore rules); may be repeated
        #[arg(long, value_name = "GLOB", help_heading = WHICH)]
        #[serde(deserialize_with = "texts")]
        exclude: Vec<String> {
            example: "[\"*.tmp\", \"/var/cache/\"]",
            plan: |plan| plan.draw.filters.exclude.iter().map(|glob| show::text(glob)).collect(),
        }
        /// Leave out files smaller than this, such as 4KiB
        #[arg(long, value_name = "SIZE", help_heading = WHICH)]
        #[serde(deserialize_with = "parsed")]
        min_size: Option<Size> {
            example: "\"4KiB\"",
            plan: |plan| plan.draw.filters.min_size.map(show::bytes).into_iter().collect(),
        }
        /// Leave out files larger than this, such as 2GiB
        #[arg(long, value_name = "SIZE", help_heading = WHICH)]
        #[serde(deserialize_with = "parsed")]
        max_size: Option<Size> {
            example: "\"2GiB\"",
            plan: |plan| plan.draw.filters.max_size.map(show::bytes).into_iter().collect(),
        }
        /// Leave out files modified before this date, time or age, such as 2026-05-01 or 7d
        #[arg(long, value_name = "WHEN", help_heading = WHICH)]
        #[serde(deserialize_with = "parsed")]
        newer_than: Option<When> {
            example: "\"30d\"",
            plan: |plan| plan.draw.filters.newer_than.map(show::moment).into_iter().collect(),
        }
        /// Leave out files modified after this date, time or age
        #[arg(long, value_name = "WHEN", help_heading = WHICH)]
        #[serde(deserialize_with = "parsed")]
        older_than: Option<When> {
            example: "\"1d\"",
            plan: |plan| plan.draw.filters.older_than.map(show::moment).into_iter().collect(),
        }

        /// The longest time that making the backup takes: a file that was last touched before that
        /// must be in it unchanged [default: 24h]
        #[arg(long, value_name = "DURATION", help_heading = HOW)]
        #[serde(deserialize_with = "parsed")]
        backup_window: Option<Limit> {
            example: "\"24h\"",
            plan: |plan| show::backup_window(&plan.claims),
        }
        /// Treat every difference as the backup's fault: the originals have not changed since the
        /// backup was made (a server that is being moved)
        #[arg(long, value_name = "BOOL", help_heading = HOW, num_args = 0..=1)]
        #[arg(require_equals = true, default_missing_value = "true")]
        assume_unchanged: Option<bool> {
            example: "true",
            plan: |plan| show::assume_unchanged(&plan.claims),
        }
        /// Hash function for both sides [default: blake3]
        #[arg(long, value_name = "NAME", help_heading = HOW)]
        #[serde(deserialize_with = "choice")]
        hash: Option<Algorithm> {
            example: "\"sha256\"",
            plan: |plan| vec![show::hash(plan)],
        }
        /// How many threads verify [default: by cores, cache and disks; see bkverify plan]
        #[arg(long, value_name = "N", help_heading = HOW)]
        #[serde(deserialize_with = "parsed")]
        threads: Option<Threads> {
            example: "8",
            plan: |plan| vec![show::threads(&plan.engine)],
        }
        /// What to do about files of the backup and originals that are cached in memory
        /// [default: drop]
        #[arg(long, value_name = "WHAT", help_heading = HOW)]
        #[serde(deserialize_with = "choice")]
        cache: Option<CachePolicy> {
            example: "\"use\"",
            plan: |plan| vec![show::cache(plan.engine.cache)],
        }
        /// Which restored files to keep [default: none]
        #[arg(long, value_name = "WHICH", help_heading = HOW)]
        #[serde(deserialize_with = "choice")]
        keep: Option<Keep> {
            example: "\"failures\"",
            plan: |plan| vec![show::keep(plan.outputs.keep)],
        }
        /// End the run as incomplete once this much was restored, such as 50GiB
        #[arg(long, value_name = "SIZE", help_heading = HOW)]
        #[serde(deserialize_with = "parsed")]
        budget: Option<Size> {
            example: "\"50GiB\"",
            plan: |plan| plan.limits.budget.map(show::bytes).into_iter().collect(),
        }
        /// End the run as incomplete after this time, such as 2h
        #[arg(long, value_name = "DURATION", help_heading = HOW)]
        #[serde(deserialize_with = "parsed")]
        time_limit: Option<Limit> {
            example: "\"2h\"",
            plan: |plan| plan.limits.time_limit.map(show::duration).into_iter().collect(),
        }
        /// Remember runs and files in this folder; none remembers nothing [default: the state folder
        /// of this machine or user; see bkverify plan]
        #[arg(long, value_name = "DIR|none", help_heading = HOW)]
        #[serde(deserialize_with = "state_folder")]
        state: Option<StateFolder> {
            example: "\"/var/lib/bkverify\"",
            plan: |plan| vec![show::state(plan.outputs.state.as_deref())],
        }
        /// After the run, write metrics for Prometheus to this file, for the textfile collector of
        /// its node exporter. If it cannot be written, that is only a warning
        #[arg(long, value_name = "FILE", help_heading = REPORTS)]
        #[serde(deserialize_with = "path")]
        metrics: Option<PathBuf> {
            example: "\"/var/lib/prometheus/node-exporter/bkverify-nightly.prom\"",
            plan: |plan| plan.outputs.metrics.iter().map(|place| show::path(place)).collect(),
        }
        /// Go on where the last run ended early, with the same files and one statement for all of
        /// it; if there is none, begin a new one
        #[arg(long, value_name = "BOOL", help_heading = HOW, num_args = 0..=1)]
        #[arg(require_equals = true, default_missing_value = "true")]
        resume: Option<bool> {
            example: "true",
            plan: |plan| show::resume(&plan.limits),
        }
    }
    flattened {
        /// Where reports are written. The configuration reads them itself.
        #[command(flatten)]
        #[serde(skip)]
        reports: ReportSettings,
        /// What runs before and after. The configuration reads it itself.
        #[arg(skip)]
        #[serde(skip)]
        hooks: HookSettings,
        /// Who is told. The configuration reads it itself.
        #[arg(skip)]
        #[serde(skip)]
        notify: NotifySettings,
    }
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

    /// Every setting: those that are declared here, and one for each report there is.
    pub fn all() -> Vec<Setting> {
        let declared = Self::DECLARED.iter().map(|&(field, example, plan)| Setting {
            name: field.replace('_', "-"),
            example: example.to_owned(),
            plan: Box::new(plan),
        });
        let reports = RENDERERS.iter().map(|renderer| Setting {
            name: renderer.name.to_owned(),
            example: format!("\"{}\"", renderer.example),
            plan: Box::new(|plan| show::report(&plan.outputs.reports, renderer.name)),
        });
        declared.chain(reports).collect()
    }

    /// The name of every setting: a flag without its dashes, a key of the configuration.
    pub fn names() -> Vec<String> {
        Self::all().into_iter().map(|setting| setting.name).collect()
    }

    /// Lays this layer over a lower one, which fills in what this one does not set. Lists replace
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
        self.merged(lower)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::config::Config;
    use super::*;
    use crate::output::Output;

    fn settings(text: &str) -> Settings {
        Config::parse(PathBuf::new(), text, None).unwrap_or_else(|error| panic!("{text}: {error}")).defaults
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
        for renderer in RENDERERS {
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

    /// Every setting as its example has it, but for the one that contradicts another.
    fn all_but(left_out: &str) -> Settings {
        let said = Settings::all().into_iter().filter(|setting| setting.name != left_out);
        settings(&said.map(|said| format!("{} = {}\n", said.name, said.example)).collect::<String>())
    }

    #[test]
    fn every_flag_is_in_the_table() {
        let command = Settings::command();
        let flags: Vec<_> = command.get_arguments().filter_map(|flag| flag.get_long()).collect();
        assert_eq!(flags, Settings::names());
        assert!(Settings::all().iter().all(|setting| !setting.help().is_empty()));
    }

    #[test]
    fn every_setting_comes_through_from_a_lower_layer() {
        for left_out in ["sample", "tolerance"] {
            let all = all_but(left_out);
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
    fn every_path_is_made_absolute_and_standard_output_stays() {
        let based =
            settings("backup = './b'\nsource = ['s', '/abs']\nmap = 'x=~/m'\njson = '-'\njunit = 'u'");
        let based = based.located(Base { folder: Path::new("/base"), home: Some(Path::new("/home/me")) });
        assert_eq!(based.backup, Some(Address("/base/b".into())));
        assert_eq!(based.source, [Source("/base/s".into()), Source("/abs".into())]);
        let none = settings("source = ['none']").located(Base { folder: Path::new("/base"), home: None });
        assert!(none.source[0].is_none());
        let folder = settings("source = ['./none']").located(Base { folder: Path::new("/base"), home: None });
        assert_eq!(folder.source, [Source("/base/none".into())]);
        assert_eq!(based.map[0].to, Path::new("/home/me/m"));
        assert_eq!(based.reports.of("json"), Some(&Output::Stdout));
        assert_eq!(based.reports.of("junit"), Some(&Output::File("/base/u".into())));
    }
}
