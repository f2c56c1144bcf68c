//! What was asked for: the plan, as far as a report tells of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::backup::{escape, path_text};
use crate::plan::{CachePolicy, Filters, Keep, Map, Plan, SampleSize};
use crate::words;

/// What was asked for, resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanPart {
    /// Name of the configured job, where one was used.
    pub job: Option<String>,
    /// The configuration file that was read.
    pub config: Option<String>,
    /// The backup.
    pub backup: String,
    /// Folders that hold the originals.
    pub sources: Vec<String>,
    /// Where entries' originals are, by the beginning of their path.
    pub maps: Vec<MapPart>,
    /// The restore folder.
    pub restore_to: String,
    /// How many files.
    pub sample: SizePart,
    /// What decides the draw.
    pub seed: String,
    /// Which files.
    pub filters: FiltersPart,
    /// How many originals are looked up in the backup.
    pub completeness: u64,
    /// Confidence of the statement.
    pub confidence: f64,
    /// The largest share of picks that may prove nothing.
    pub max_undecided: f64,
    /// How long the backup program may have taken.
    pub backup_window_seconds: f64,
    /// Whether originals are known not to have changed.
    pub assume_unchanged: bool,
    /// Threads that verify.
    pub threads: usize,
    /// The hash.
    pub hash: String,
    /// What is done about cached pages: `drop` or `use`.
    pub cache: String,
    /// Which restored files stay: `none`, `failures` or `all`.
    pub keep: String,
    /// Bytes after which the run ends.
    pub budget_bytes: Option<u64>,
    /// Seconds after which the run ends.
    pub time_limit_seconds: Option<f64>,
}

impl PlanPart {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            job: plan.origin.job.clone(),
            config: plan.origin.config.as_deref().map(path_text),
            backup: plan.target.backup.text(),
            sources: plan.target.sources.iter().map(|path| path_text(path)).collect(),
            maps: plan.target.maps.iter().map(MapPart::new).collect(),
            restore_to: path_text(&plan.target.restore_to),
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
    /// Beginning of an entry's path.
    pub from: String,
    /// The folder that stands for it.
    pub to: String,
}

impl MapPart {
    fn new(map: &Map) -> Self {
        Self { from: escape(&map.from).into_owned(), to: path_text(&map.to) }
    }
}

/// How many files were asked for, under the name of the way it was said.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SizePart {
    /// This many.
    Count(u64),
    /// This share of them.
    Share(f64),
    /// All; always true.
    All(bool),
    /// As many as rule out that this share of them is bad.
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
    /// If any, a file must match one of these globs.
    pub include: Vec<String>,
    /// A file that matches one of these globs is left out.
    pub exclude: Vec<String>,
    /// Smallest size in bytes.
    pub min_size: Option<u64>,
    /// Largest size in bytes.
    pub max_size: Option<u64>,
    /// Modified at or after.
    pub newer_than: Option<Timestamp>,
    /// Modified at or before.
    pub older_than: Option<Timestamp>,
}

impl FiltersPart {
    fn new(filters: &Filters) -> Self {
        Self {
            include: filters.include.clone(),
            exclude: filters.exclude.clone(),
            min_size: filters.min_size,
            max_size: filters.max_size,
            newer_than: filters.newer_than.and_then(words::moment),
            older_than: filters.older_than.and_then(words::moment),
        }
    }
}
