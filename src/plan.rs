//! What a run will do. The plan is made once from flags, configuration, environment, terminal and
//! clock, and never changes.
//!
//! No later stage knows clap, the environment or the time of day. `bkverify plan` prints exactly
//! this plan.

mod telling;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::backup::Location;
use crate::output::Output;
use crate::platform::Timestamp;

pub use telling::{
    Email, Hook, Hooks, NOTIFY_TIME_LIMIT, Notifier, Occasion, Recipient, Security, WebAddress, Webhook,
    WebhookForm,
};

/// Everything a verification needs to know.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where these settings come from.
    pub origin: Origin,
    /// What is verified, and where.
    pub target: Target,
    /// A manifest of the originals, whose hashes are known before the run.
    pub manifest: Option<PathBuf>,
    /// Which files are verified.
    pub draw: Draw,
    /// What is to be proved, and when that counts as failed.
    pub claims: Claims,
    /// How the work is done.
    pub engine: Engine,
    /// When the run ends early.
    pub limits: Limits,
    /// What the run leaves behind.
    pub outputs: Outputs,
    /// Programs that run before and after the run.
    pub hooks: Hooks,
    /// Who is told how the run ended.
    pub notifiers: Vec<Notifier>,
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
            manifest: None,
            draw: Draw {
                strategy: DEFAULT_STRATEGY,
                sample: SampleSize::default(),
                seed,
                seed_is_given: false,
                filters: Filters::default(),
            },
            claims: Claims::default(),
            engine: Engine::default(),
            limits: Limits::default(),
            outputs: Outputs::default(),
            hooks: Hooks::default(),
            notifiers: Vec::new(),
            started,
        }
    }
}

/// Where the settings of a plan come from.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The name of the configured job, if one was used.
    pub job: Option<String>,
    /// The configuration file that was read.
    pub config: Option<PathBuf>,
    /// What the report must say about a backup that nobody named.
    pub notes: Vec<String>,
}

/// What is verified, and where.
#[derive(Debug, Clone)]
pub struct Target {
    /// The backup to verify.
    pub backup: Location,
    /// Folders that contain the originals. If there are neither sources nor maps, the run has no
    /// originals, and compares with what is known from before.
    pub sources: Vec<PathBuf>,
    /// Where the originals of entries are, by the beginning of their path. Tried before `sources`.
    pub maps: Vec<Map>,
    /// The folder in which the scratch folder is made.
    pub restore_to: PathBuf,
}

impl Target {
    /// Every folder that contains originals.
    pub fn originals(&self) -> impl Iterator<Item = &Path> {
        let mapped = self.maps.iter().map(|map| map.to.as_path());
        self.sources.iter().map(PathBuf::as_path).chain(mapped)
    }
}

/// Which files are verified.
#[derive(Debug, Clone)]
pub struct Draw {
    /// The name of the strategy that chooses files (`verify::strategy::STRATEGIES`). If all files
    /// are asked for, nothing is chosen, and it is [`DEFAULT_STRATEGY`].
    pub strategy: &'static str,
    /// How many files to verify.
    pub sample: SampleSize,
    /// Any text. It decides which files are drawn.
    pub seed: String,
    /// Whether the user chose the seed. Otherwise a run that is taken up brings its own.
    pub seed_is_given: bool,
    /// Which files are in the population.
    pub filters: Filters,
}

/// What is to be proved, and when that has failed.
#[derive(Debug, Clone)]
pub struct Claims {
    /// Confidence of the statement, between 0 and 1.
    pub confidence: f64,
    /// The largest share of undecided picks, between 0 and 1. A run with more does not pass.
    pub max_undecided: f64,
    /// The longest time that the backup program may have taken. An original that was last touched
    /// longer than this before the newest content of the backup should be in the backup as it is.
    pub backup_window: Duration,
    /// Whether the user says that originals have not changed since the backup.
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
    /// Whether the backup or an original is on a disk with a moving head.
    pub spinning: bool,
    /// Whether picks are verified in the order of the disk and not of their rank. If such a run
    /// ends early, the files that it has seen are not a random sample.
    pub in_disk_order: bool,
    /// The hash algorithm for both sides.
    pub hash: Algorithm,
    /// Whether the user asked for this algorithm. Otherwise a manifest decides it.
    pub hash_is_given: bool,
    /// What to do about pages of the backup and the originals that the system has cached.
    pub cache: CachePolicy,
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            threads: 1,
            spinning: false,
            in_disk_order: false,
            hash: Algorithm::Blake3,
            hash_is_given: false,
            cache: CachePolicy::Drop,
        }
    }
}

/// When a run ends early, as incomplete.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// When this many bytes have been restored.
    pub budget: Option<u64>,
    /// After this time.
    pub time_limit: Option<Duration>,
    /// Whether to take up the last run of the job that ended early, instead of beginning a new one.
    pub resume: bool,
}

/// What a run leaves behind.
#[derive(Debug, Clone, Default)]
pub struct Outputs {
    /// Which restored files are kept.
    pub keep: Keep,
    /// The reports that are written.
    pub reports: Vec<ReportOutput>,
    /// The folder in which runs and files are remembered; `None` to remember nothing.
    pub state: Option<PathBuf>,
    /// The file that metrics are written to after the run.
    pub metrics: Option<PathBuf>,
    /// What is shown on the terminal, and how.
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
    /// Beginning of an entry's path: whole components without a trailing `/`. Empty for all
    /// entries.
    pub from: Vec<u8>,
    /// The folder that replaces it.
    pub to: PathBuf,
}

/// Completeness: originals that are looked up in the backup's catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completeness {
    /// How many originals to look up; 0 for none.
    pub originals: u64,
    /// Whether the user asked for it. Otherwise a missing original is only a warning and fails
    /// nothing: many backups deliberately exclude files that this program was not told about.
    pub asked_for: bool,
}

/// How many files to verify.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SampleSize {
    /// This many files.
    Count(u64),
    /// This share of the population, between 0 and 1, rounded up to whole files.
    Share(f64),
    /// Every file.
    All,
    /// As many files as are needed to rule out, at the plan's confidence, that this share of the
    /// files or more is bad.
    Tolerance(f64),
}

/// How files are chosen unless the user says otherwise.
pub const DEFAULT_STRATEGY: &str = "random";

/// How many files are verified unless the user says otherwise.
pub const DEFAULT_SAMPLE: u64 = 500;

impl Default for SampleSize {
    fn default() -> Self {
        Self::Count(DEFAULT_SAMPLE)
    }
}

/// Which files are in the population. Patterns are gitignore globs that are matched against an
/// entry's path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters {
    /// If there are any, a file must match one.
    pub include: Vec<String>,
    /// A file that matches one is excluded.
    pub exclude: Vec<String>,
    /// Smallest size in bytes.
    pub min_size: Option<u64>,
    /// Largest size in bytes.
    pub max_size: Option<u64>,
    /// Modified at this time or later.
    pub newer_than: Option<Timestamp>,
    /// Modified at this time or earlier.
    pub older_than: Option<Timestamp>,
    /// If there are any, only the files at these paths, sorted, and the other filters do not hold.
    /// Files that were bad before are verified again in this way.
    pub only: Vec<Vec<u8>>,
}

/// Declares [`Algorithm`] once, so that none can be missing from [`Algorithm::ALL`].
macro_rules! algorithms {
    ($($(#[$meta:meta])* $algorithm:ident = $name:literal,)*) => {
        /// The hash algorithm for originals and restored copies.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Algorithm {
            $($(#[$meta])* $algorithm,)*
        }

        impl Algorithm {
            /// Every algorithm.
            pub const ALL: &[Self] = &[$(Self::$algorithm,)*];

            /// The algorithm's name in flags and reports.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$algorithm => $name,)*
                }
            }
        }
    };
}

algorithms! {
    /// BLAKE3, 256 bits.
    Blake3 = "blake3",
    /// SHA-256 (FIPS 180-4).
    Sha256 = "sha256",
}

/// What to do about pages of the backup and the originals that the system has cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CachePolicy {
    /// Drop each file from the cache before it is read, so that the disks are read.
    Drop,
    /// Use cached pages.
    Use,
}

/// Which restored files are kept, in `bkverify-kept-…` in the restore folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Keep {
    /// None.
    #[default]
    None,
    /// Bad files.
    Failures,
    /// All files of the sample.
    All,
}

/// How files of one kind begin. Each beginning is a list of texts that follow each other, with any
/// white space before each of them.
pub type Beginnings = &'static [&'static [&'static str]];

/// A report that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportOutput {
    /// The name of its renderer (`report::RENDERERS`), which is also the name of its flag.
    pub renderer: &'static str,
    /// How older files of the same kind begin. In a folder of originals, only these are replaced.
    pub begins: Beginnings,
    /// Where it is written.
    pub output: Output,
}

/// What is shown on the terminal, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terminal {
    /// Only errors.
    pub quiet: bool,
    /// 0 for no line per file, more for a line for each verified file.
    pub verbose: u8,
    /// Progress bars, because standard error is a terminal; otherwise a plain line now and then.
    pub bars: bool,
    /// Colours in the summary, wherever it is written.
    pub color: bool,
    /// Columns of the terminal that shows the summary; `None` if it is not shown on a terminal.
    pub columns: Option<usize>,
}
