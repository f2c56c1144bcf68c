//! What was asked for: the parts of the plan that a report contains.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::backup::{escape, path_text};
use crate::plan::{CachePolicy, DEFAULT_STRATEGY, Filters, Keep, Map, Plan, SampleSize};
use crate::words;

/// What was asked for, with all defaults filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanPart {
    /// Name of the configured job, if one was used.
    pub job: Option<String>,
    /// The configuration file that was read.
    pub config: Option<String>,
    /// The backup.
    pub backup: String,
    /// Folders that hold the originals.
    pub sources: Vec<String>,
    /// Maps from the beginning of an entry's path to the folder of its originals.
    pub maps: Vec<MapPart>,
    /// The manifest whose hashes were known before the run.
    #[serde(default)]
    pub manifest: Option<String>,
    /// The restore folder.
    pub restore_to: String,
    /// How files are chosen. Reports from before this field existed were of strategy `random`.
    #[serde(default = "random")]
    pub strategy: String,
    /// How many files to verify.
    pub sample: SizePart,
    /// The random seed.
    pub seed: String,
    /// Which files are in the population.
    pub filters: FiltersPart,
    /// How many originals are looked up in the backup.
    pub completeness: u64,
    /// Confidence of the statement.
    pub confidence: f64,
    /// The largest share of picks that may prove nothing. More makes the run incomplete.
    pub max_undecided: f64,
    /// The longest time that the backup program may have taken, in seconds.
    pub backup_window_seconds: f64,
    /// Whether the person says that originals cannot have changed.
    pub assume_unchanged: bool,
    /// The number of threads that verify.
    pub threads: usize,
    /// The name of the hash algorithm.
    pub hash: String,
    /// What is done about the system's cached pages: `drop` or `use`.
    pub cache: String,
    /// Which restored files are kept: `none`, `failures` or `all`.
    pub keep: String,
    /// Restored bytes after which the run ends.
    pub budget_bytes: Option<u64>,
    /// Seconds after which the run ends.
    pub time_limit_seconds: Option<f64>,
}

fn random() -> String {
    DEFAULT_STRATEGY.to_owned()
}

impl PlanPart {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            job: plan.origin.job.clone(),
            config: plan.origin.config.as_deref().map(path_text),
            backup: plan.target.backup.text(),
            sources: plan.target.sources.iter().map(|path| path_text(path)).collect(),
            maps: plan.target.maps.iter().map(MapPart::new).collect(),
            manifest: plan.manifest.as_deref().map(path_text),
            restore_to: path_text(&plan.target.restore_to),
            strategy: plan.draw.strategy.to_owned(),
            sample: SizePart::from(plan.draw.sample),
            seed: plan.draw.seed.clone(),
            filters: FiltersPart::new(&plan.draw.filters),
            completeness: plan.claims.completeness.originals,
            confidence: plan.claims.confidence,
            max_undecided: plan.claims.max_undecided,
            backup_window_seconds: plan.claims.backup_window.as_secs_f64(),
            assume_unchanged: plan.claims.assume_unchanged,
            threads: plan.engine.threads,
            hash: plan.engine.hash.name().to_owned(),
            cache: match plan.engine.cache {
                CachePolicy::Drop => "drop",
                CachePolicy::Use => "use",
            }
            .to_owned(),
            keep: match plan.outputs.keep {
                Keep::None => "none",
                Keep::Failures => "failures",
                Keep::All => "all",
            }
            .to_owned(),
            budget_bytes: plan.limits.budget,
            time_limit_seconds: plan.limits.time_limit.map(|limit| limit.as_secs_f64()),
        }
    }
}

/// Entries whose path begins with `from` have their originals below `to`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapPart {
    /// The beginning of an entry's path.
    pub from: String,
    /// The folder that replaces it.
    pub to: String,
}

impl MapPart {
    fn new(map: &Map) -> Self {
        Self { from: escape(&map.from).into_owned(), to: path_text(&map.to) }
    }
}

/// How many files were asked for. The name of the field says in which way.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SizePart {
    /// This number of files.
    Count(u64),
    /// This share of all files.
    Share(f64),
    /// All files. The value is always true.
    All(bool),
    /// As many as are needed to rule out that this share of the files is bad.
    Tolerance(f64),
}

impl From<SampleSize> for SizePart {
    fn from(size: SampleSize) -> Self {
        match size {
            SampleSize::Count(count) => Self::Count(count),
            SampleSize::Share(share) => Self::Share(share),
            SampleSize::All => Self::All(true),
            SampleSize::Tolerance(share) => Self::Tolerance(share),
        }
    }
}

/// Which files are in the population.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FiltersPart {
    /// If there are any, a file must match at least one of these globs.
    pub include: Vec<String>,
    /// A file that matches any of these globs is left out.
    pub exclude: Vec<String>,
    /// Smallest size in bytes.
    pub min_size: Option<u64>,
    /// Largest size in bytes.
    pub max_size: Option<u64>,
    /// Only files modified at or after this time.
    pub newer_than: Option<Timestamp>,
    /// Only files modified at or before this time.
    pub older_than: Option<Timestamp>,
    /// If there are any, only the files at these paths, and the other filters do not hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
}

impl FiltersPart {
    /// The filters as a report states them.
    pub fn new(filters: &Filters) -> Self {
        Self {
            include: filters.include.clone(),
            exclude: filters.exclude.clone(),
            min_size: filters.min_size,
            max_size: filters.max_size,
            newer_than: filters.newer_than.and_then(words::moment),
            older_than: filters.older_than.and_then(words::moment),
            only: filters.only.iter().map(|path| escape(path).into_owned()).collect(),
        }
    }
}
