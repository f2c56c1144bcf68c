//! What a bench found: plain data, filled by the probes, read by the model, the page and the JSON
//! file.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// Names listed.
    List,
    /// Files opened and asked for their state, each for the first time in this bench; that the
    /// system then forgets what it caches of them is part of it, as in a verification.
    Open,
    /// Bytes read front to back.
    SequentialRead,
    /// Bytes read in single blocks here and there.
    RandomRead,
    /// Bytes written, as far as the system takes them.
    Write,
    /// Bytes written and known to be on the disk.
    WriteThrough,
    /// Bytes hashed in memory.
    Hash,
}

impl Probe {
    /// Its name for people.
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
    /// Where: what the place is for and its path, or the hash.
    pub place: String,
    /// What.
    pub probe: Probe,
    /// By so many threads at once.
    pub threads: usize,
    /// In pieces of so many bytes, where that matters.
    pub block: Option<u64>,
    /// Bytes or files, by the probe.
    pub amount: u64,
    /// How long it took.
    pub seconds: f64,
    /// Bytes or files a second.
    pub per_second: f64,
}

impl Figure {
    /// A measurement; `None` where nothing was done, or the clock saw no time pass: that is no
    /// rate.
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

/// What a place holds, as far as it was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// What it is for and its path, as in [`Figure::place`].
    pub name: String,
    /// Files listed.
    pub files: u64,
    /// Whether that is all of them.
    pub listed_whole: bool,
    /// Number of the device it lies on, as the system gives it, if it does.
    pub device: Option<u64>,
    /// Files whose size was looked at.
    pub sampled: u64,
    /// Their mean size in bytes.
    pub mean_size: f64,
    /// Their sizes' standard deviation by their mean.
    pub variation: f64,
}

/// How long a verification will take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// As it is written behind `--sample`.
    pub sample: String,
    /// So many files.
    pub files: u64,
    /// Seconds, best guess.
    pub seconds: f64,
    /// Seconds, if all goes well.
    pub low: f64,
    /// Seconds, if it does not.
    pub high: f64,
}

/// A real run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Files restored and compared.
    pub files: u64,
    /// Bytes restored.
    pub bytes: u64,
    /// Threads that verified.
    pub threads: usize,
    /// Seconds for opening the backup, finding out which original belongs to what, and cleaning up.
    pub prepare: f64,
    /// Seconds for listing and drawing.
    pub catalog: f64,
    /// Seconds for restoring and comparing.
    pub verify: f64,
    /// Files in the population.
    pub population: u64,
    /// Whether as many files were compared as were wanted.
    pub complete: bool,
    /// Files or parts of the backup that are bad.
    pub bad: u64,
}

impl Run {
    /// Seconds for all of it.
    pub fn total(&self) -> f64 {
        self.prepare + self.catalog + self.verify
    }
}

/// What follows from the figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Advice {
    /// What holds a run of 500 files up.
    pub bottleneck: String,
    /// Seconds that each part of the machine would need for it alone, by name.
    pub shares: Vec<(String, f64)>,
    /// For `--threads`.
    pub threads: usize,
    /// The real time of one file more by what the figures alone promise.
    pub calibration_factor: f64,
    /// What it was calibrated with: the first real run.
    pub calibration: Run,
    /// A real run over files in the order of their listing, from which the time for all is taken.
    /// It may have ended early.
    #[serde(default)]
    pub in_order: Option<Run>,
    /// How long verifications will take.
    pub predictions: Vec<Prediction>,
}

/// A prediction that was put to the test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Made before the run.
    pub predicted: Prediction,
    /// Seconds that the model gives for the bytes which these files turned out to hold: the rest of
    /// the difference is luck of the draw.
    pub for_its_bytes: f64,
    /// The run.
    pub real: Run,
}

/// A figure that became worse.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slower {
    /// Now.
    pub now: Figure,
    /// Bytes or files a second, then.
    pub before: f64,
}

/// Everything a bench found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Name and version of this form.
    pub schema: String,
    /// Version of the program.
    pub bkverify: String,
    /// When it began, RFC 3339.
    pub started: String,
    /// Whether it was interrupted: what is missing was not measured.
    pub interrupted: bool,
    /// The places that were read.
    pub places: Vec<Facts>,
    /// The measurements.
    pub figures: Vec<Figure>,
    /// What follows; only with backup, originals and restore folder.
    pub advice: Option<Advice>,
    /// Whether it is true.
    pub check: Option<Check>,
    /// Files or parts of the backup that were bad in the real run that came upon most of them.
    #[serde(default)]
    pub bad: u64,
    /// The old report that this was compared with, by its `started`.
    pub compared_with: Option<String>,
    /// What became slower since.
    pub slower: Vec<Slower>,
    /// What the figures cannot tell, and what went wrong.
    pub notes: Vec<String>,
}
