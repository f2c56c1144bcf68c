//! What a run will do, resolved: made once from flags, configuration, environment, terminal and
//! clock, and never changed.
//!
//! No later stage knows clap, the environment or the time of day. `bkverify plan` prints exactly
//! this.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::backup::Location;
use crate::output::Output;
use crate::platform::Timestamp;

/// Everything a verification needs to know.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where these settings come from.
    pub origin: Origin,
    /// What is verified, and where.
    pub target: Target,
    /// Which files.
    pub draw: Draw,
    /// What is to be proved, and when that has failed.
    pub claims: Claims,
    /// How the work is done.
    pub engine: Engine,
    /// When the run ends early.
    pub limits: Limits,
    /// What it leaves behind.
    pub outputs: Outputs,
    /// When the run began.
    pub started: SystemTime,
}

impl Plan {
    /// A plan with every default that does not depend on the machine: one thread, no reports,
    /// nothing on the terminal.
    pub fn new(target: Target, seed: String, started: SystemTime) -> Self {
        Self {
            origin: Origin::default(),
            target,
            draw: Draw { sample: SampleSize::default(), seed, filters: Filters::default() },
            claims: Claims::default(),
            engine: Engine::default(),
            limits: Limits::default(),
            outputs: Outputs::default(),
            started,
        }
    }
}

/// Where the settings of a plan come from.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// Name of the configured job, where one was used.
    pub job: Option<String>,
    /// The configuration file that was read.
    pub config: Option<PathBuf>,
}

/// What is verified, and where.
#[derive(Debug, Clone)]
pub struct Target {
    /// The backup to prove.
    pub backup: Location,
    /// Folders that hold the originals.
    pub sources: Vec<PathBuf>,
    /// Where entries' originals are, by the beginning of their path; tried before `sources`.
    pub maps: Vec<Map>,
    /// Below this folder the scratch folder is made.
    pub restore_to: PathBuf,
}

impl Target {
    /// Every folder that holds originals.
    pub fn originals(&self) -> impl Iterator<Item = &Path> {
        let mapped = self.maps.iter().map(|map| map.to.as_path());
        self.sources.iter().map(PathBuf::as_path).chain(mapped)
    }
}

/// Which files are verified.
#[derive(Debug, Clone)]
pub struct Draw {
    /// How many files to verify.
    pub sample: SampleSize,
    /// Decides which files are drawn; any text.
    pub seed: String,
    /// Which files are in the population.
    pub filters: Filters,
}

/// What is to be proved, and when that has failed.
#[derive(Debug, Clone)]
pub struct Claims {
    /// Confidence of the statement, between 0 and 1.
    pub confidence: f64,
    /// The largest share of picks that may prove nothing, between 0 and 1; a run with more is no
    /// pass.
    pub max_undecided: f64,
    /// The longest time that the backup program may have taken: an original that was last touched
    /// longer than that before the newest content of the backup should be in it as it is.
    pub backup_window: Duration,
    /// Whether originals are known not to have changed since the backup.
    pub assume_unchanged: bool,
    /// How many originals to look up in the catalog.
    pub completeness: Completeness,
}

impl Default for Claims {
    fn default() -> Self {
        Self {
            confidence: 0.95,
            max_undecided: 0.2,
            backup_window: Duration::from_secs(24 * 60 * 60),
            assume_unchanged: false,
            completeness: Completeness { originals: 200, asked_for: false },
        }
    }
}

/// How the work is done.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Threads that verify; at least 1.
    pub threads: usize,
    /// Whether the backup or an original lies on a disk whose head has to move.
    pub spinning: bool,
    /// Whether picks are verified as they lie on the disk rather than by rank. A run that ends
    /// early has then seen no random sample.
    pub in_place_order: bool,
    /// The hash that both sides go through.
    pub hash: Algorithm,
    /// What to do about cached pages of backup and originals.
    pub cache: CachePolicy,
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            threads: 1,
            spinning: false,
            in_place_order: false,
            hash: Algorithm::Blake3,
            cache: CachePolicy::Drop,
        }
    }
}

/// When a run ends early, as incomplete.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Once this many bytes were restored.
    pub budget: Option<u64>,
    /// After this time.
    pub time_limit: Option<Duration>,
}

/// What a run leaves behind.
#[derive(Debug, Clone, Default)]
pub struct Outputs {
    /// Which restored files stay.
    pub keep: Keep,
    /// The reports that are written.
    pub reports: Vec<ReportOutput>,
    /// What the person sees.
    pub terminal: Terminal,
}

impl Outputs {
    /// Whether a report is written to standard output; the summary then goes to standard error.
    pub fn takes_stdout(&self) -> bool {
        self.reports.iter().any(|report| report.output == Output::Stdout)
    }
}

/// Entries whose path begins with `from` have their original below `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    /// Beginning of an entry's path: whole components without a trailing `/`; empty for all.
    pub from: Vec<u8>,
    /// The folder that stands for it.
    pub to: PathBuf,
}

/// The other direction: originals that are looked up in the backup's catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completeness {
    /// How many; 0 for none.
    pub originals: u64,
    /// Whether a person said so. Otherwise what is missing is a warning and fails nothing: many a
    /// backup leaves out on purpose what nobody told this program about.
    pub asked_for: bool,
}

/// How many files to verify.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SampleSize {
    /// This many.
    Count(u64),
    /// This share of the population, between 0 and 1, rounded up.
    Share(f64),
    /// Every file.
    All,
    /// As many as it takes to rule out, at the plan's confidence, that this share of the files or
    /// more is bad.
    Tolerance(f64),
}

/// So many files are verified unless a number is given.
pub const DEFAULT_SAMPLE: u64 = 500;

impl Default for SampleSize {
    fn default() -> Self {
        Self::Count(DEFAULT_SAMPLE)
    }
}

/// Which files are in the population. Patterns are gitignore globs, held against an entry's path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters {
    /// If any, a file must match one.
    pub include: Vec<String>,
    /// A file that matches one is left out.
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

/// The hash that originals and restored copies go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// BLAKE3, 256 bits.
    Blake3,
    /// SHA-256 (FIPS 180-4).
    Sha256,
}

impl Algorithm {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Blake3 => "blake3",
            Self::Sha256 => "sha256",
        }
    }
}

/// What to do about pages of backup and originals that the system holds in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CachePolicy {
    /// Forget them first, so that the disks are read.
    Drop,
    /// Use them.
    Use,
}

/// Which restored files stay behind, below `kept-…` in the restore folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Keep {
    /// None.
    #[default]
    None,
    /// Those that are bad.
    Failures,
    /// All of the sample.
    All,
}

/// A report that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportOutput {
    /// The name of its renderer (`report::RENDERERS`), which is that of its flag.
    pub renderer: &'static str,
    /// Where it goes.
    pub output: Output,
}

/// What the person sees, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terminal {
    /// Nothing but errors.
    pub quiet: bool,
    /// 0, or more for every verified file's line.
    pub verbose: u8,
    /// Bars (standard error is a terminal), or a plain line now and then.
    pub bars: bool,
    /// Colours in the summary, wherever it goes.
    pub color: bool,
}
