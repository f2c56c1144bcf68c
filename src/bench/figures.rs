//! The results of a bench: plain data. The probes fill it; the model, the page and the JSON file
//! read it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// Names listed, in files.
    List,
    /// Files opened and their metadata read, each for the first time in this bench. As in a
    /// verification, this includes dropping the file from the system's cache.
    Open,
    /// Bytes read from beginning to end.
    SequentialRead,
    /// Bytes read in single blocks at random positions.
    RandomRead,
    /// Bytes written, at the rate at which the system accepts them.
    Write,
    /// Bytes written and synced to the disk.
    WriteThrough,
    /// Bytes hashed in memory.
    Hash,
}

impl Probe {
    /// The probe's name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Open => "open",
            Self::SequentialRead => "read in order",
            Self::RandomRead => "read at random",
            Self::Write => "write",
            Self::WriteThrough => "write to the disk",
            Self::Hash => "hash in memory",
        }
    }

    /// Whether it counts files rather than bytes.
    pub fn counts_files(self) -> bool {
        matches!(self, Self::List | Self::Open)
    }
}

/// One measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What was measured: the location's role and path, or the hash algorithm.
    pub place: String,
    /// How it was measured.
    pub probe: Probe,
    /// Number of threads at once.
    pub threads: usize,
    /// Bytes per read, for the probes that read.
    pub block: Option<u64>,
    /// Bytes or files, depending on the probe.
    pub amount: u64,
    /// Duration in seconds.
    pub seconds: f64,
    /// Bytes or files per second.
    pub per_second: f64,
}

impl Figure {
    /// A measurement. `None` if nothing was done or no time passed, because neither gives a rate.
    #[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 52 bits")]
    pub fn new(
        place: &str,
        probe: Probe,
        (threads, block): (usize, Option<u64>),
        (amount, time): (u64, Duration),
    ) -> Option<Self> {
        let seconds = time.as_secs_f64();
        (amount > 0 && seconds > 0.0).then(|| Self {
            place: place.to_owned(),
            probe,
            threads,
            block,
            amount,
            seconds,
            per_second: amount as f64 / seconds,
        })
    }
}

/// What a measured location contains, as far as it was listed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LocationFacts {
    /// Its role and path, as in [`Figure::place`].
    pub name: String,
    /// Files listed.
    pub files: u64,
    /// Whether the listing was complete.
    pub listed_whole: bool,
    /// The number of its device, if the system gives one.
    pub device: Option<u64>,
    /// Files whose size was read.
    pub sampled: u64,
    /// The mean size of these files, in bytes.
    pub mean_size: f64,
    /// The standard deviation of these sizes, divided by their mean.
    pub variation: f64,
}

/// How long a verification will take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The value of `--sample`.
    pub sample: String,
    /// The number of files that this means.
    pub files: u64,
    /// Seconds, best estimate.
    pub seconds: f64,
    /// Seconds, lower end of the range.
    pub low: f64,
    /// Seconds, upper end of the range.
    pub high: f64,
}

/// A real verification and the time it took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Files restored and compared.
    pub files: u64,
    /// Bytes restored.
    pub bytes: u64,
    /// Threads that restored and compared.
    pub threads: usize,
    /// Seconds for opening the backup, pairing its files with originals, and cleaning up.
    pub prepare: f64,
    /// Seconds for listing and drawing the sample.
    pub catalog: f64,
    /// Seconds for restoring and comparing.
    pub verify: f64,
    /// Files in the population.
    pub population: u64,
    /// Whether as many files were compared as were asked for.
    pub complete: bool,
    /// Number of bad files and damaged parts of the backup.
    pub bad: u64,
}

impl Run {
    /// Seconds in total.
    pub fn total(&self) -> f64 {
        self.prepare + self.catalog + self.verify
    }
}

/// The advice that follows from the figures and the real runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Advice {
    /// What limits a run over 500 files.
    pub bottleneck: String,
    /// The seconds that each part of the machine would need by itself, by name.
    pub shares: Vec<(String, f64)>,
    /// The recommended value for `--threads`.
    pub threads: usize,
    /// The real time per additional file, divided by the time that the figures alone predict.
    pub calibration_factor: f64,
    /// The first real run, with which the model was calibrated.
    pub calibration: Run,
    /// A real run over files in the order of their listing, which the prediction for all files is
    /// based on. It may have ended early.
    #[serde(default)]
    pub in_order: Option<Run>,
    /// How long verifications will take.
    pub predictions: Vec<Prediction>,
}

/// A prediction, and the run that checked it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PredictionCheck {
    /// The prediction, made before the run.
    pub predicted: Prediction,
    /// The seconds that the model gives for the number of bytes in these files. The rest of the
    /// difference comes from the files that happened to be drawn.
    pub for_its_bytes: f64,
    /// The run that checked it.
    pub real: Run,
}

/// A figure that is worse than in an earlier bench.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slower {
    /// The figure of this bench.
    pub now: Figure,
    /// Bytes or files per second in the earlier bench.
    pub before: f64,
}

/// Everything that a bench found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BenchReport {
    /// Name and version of the JSON format.
    pub schema: String,
    /// Version of the program that ran the bench.
    pub bkverify: String,
    /// When the bench began, as RFC 3339.
    pub started: String,
    /// Whether the bench was interrupted. Then some measurements are missing.
    pub interrupted: bool,
    /// The locations that were read.
    pub places: Vec<LocationFacts>,
    /// The measurements.
    pub figures: Vec<Figure>,
    /// The advice. Needs a backup, originals and a restore folder.
    pub advice: Option<Advice>,
    /// The run that checked the advice.
    pub check: Option<PredictionCheck>,
    /// The largest number of bad files and damaged parts that any real run found.
    #[serde(default)]
    pub bad: u64,
    /// The `started` of the earlier report that this one was compared with.
    pub compared_with: Option<String>,
    /// What has become slower since.
    pub slower: Vec<Slower>,
    /// What the figures do not show, and what went wrong.
    pub notes: Vec<String>,
}
