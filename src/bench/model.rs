//! The model: from the figures to advice. What does a verification cost, what limits it, and how
//! many threads should it have? Pure.
//!
//! Each part of the machine needs some time per file and some per byte. The parts work side by
//! side, so the slowest one decides. This only compares one amount of work with another. How long
//! the work really takes comes from real runs, which calibrate the model. Each prediction is a
//! range, for three reasons: times vary from run to run, the calibration had few files, and a small
//! sample may miss the largest files.

use std::collections::BTreeMap;

use super::figures::{Figure, LocationFacts, Prediction, Probe, Run};

/// The block size whose rate is taken for reading in order, in bytes.
pub const BIG_BLOCK: u64 = 1 << 20;
/// The block size whose rate is taken for the seek to the beginning of a file, in bytes.
pub const SMALL_BLOCK: u64 = 4 << 10;

/// The cost of a part of the machine, in seconds per file and per byte.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Part {
    /// Seconds per file, whatever its size.
    pub file: f64,
    /// Seconds per byte.
    pub byte: f64,
}

impl Part {
    fn seconds(self, files: f64, bytes: f64) -> f64 {
        files * self.file + bytes * self.byte
    }

    fn and(self, other: Self) -> Self {
        Self { file: self.file + other.file, byte: self.byte + other.byte }
    }
}

/// What verifying costs with some number of threads, for each part of the machine.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Costs {
    /// The name and cost of each part.
    pub parts: Vec<(&'static str, Part)>,
}

impl Costs {
    /// How many seconds the slowest part needs for this many files and bytes.
    pub fn seconds(&self, files: f64, bytes: f64) -> f64 {
        self.parts.iter().map(|(_, part)| part.seconds(files, bytes)).fold(0.0, f64::max)
    }
}

/// The measurements, and what they apply to.
#[derive(Debug, Clone)]
pub struct Setting<'a> {
    /// All measurements.
    pub figures: &'a [Figure],
    /// The locations of the originals.
    pub sources: Vec<&'a LocationFacts>,
    /// The location of the backup.
    pub backup: &'a LocationFacts,
    /// The name of the restore folder in the figures.
    pub restore: &'a str,
    /// The name of the hash algorithm in the figures.
    pub hash: &'a str,
    /// Whether the backup is read in one pass, and not file by file.
    pub sequential: bool,
    /// Cores that may be used.
    pub cores: usize,
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
impl Setting<'_> {
    /// What verifying costs with `threads` threads; `None` if reading was not measured with this
    /// number.
    pub fn costs(&self, threads: usize) -> Option<Costs> {
        let backup = self.disk(self.backup, threads)?;
        let sources: Option<Vec<Part>> =
            self.sources.iter().map(|source| self.disk(source, threads)).collect();
        // Which of the sources a file will come from is not known, so the slowest one counts.
        let source =
            sources?.into_iter().max_by(|one, other| self.of_mean(*one).total_cmp(&self.of_mean(*other)))?;
        let shared = !self.sequential
            && self
                .sources
                .iter()
                .any(|source| source.device.is_some() && source.device == self.backup.device);
        let mut parts = match shared {
            true => vec![("the disk that originals and backup share", source.and(backup))],
            false if self.sequential => vec![("the source disk", source)],
            false => vec![("the source disk", source), ("the backup disk", backup)],
        };
        // The rate at which the system accepts the data counts, because most scratch files are
        // emptied before they reach the disk. If they are not, the real runs show it.
        if let Some(rate) = self.rate(self.restore, Probe::Write, None, None) {
            parts.push(("the restore disk", Part { file: 0.0, byte: 1.0 / rate }));
        }
        if let Some(rate) = self.rate(self.hash, Probe::Hash, None, None) {
            // Every byte is hashed twice: original and restored copy.
            let hashing = 2.0 / (rate * threads.min(self.cores).max(1) as f64);
            parts.push(("the processor", Part { file: 0.0, byte: hashing }));
        }
        Some(Costs { parts })
    }

    fn of_mean(&self, part: Part) -> f64 {
        part.seconds(1.0, self.backup.mean_size)
    }

    /// The cost of reading from a location. A file costs its opening and the seek to its first
    /// block, as far as both were measured; a byte costs its share of the rate for reading in
    /// order. A backup that is read in one pass costs nothing here, because the calibration
    /// includes that pass.
    fn disk(&self, location: &LocationFacts, threads: usize) -> Option<Part> {
        let at = |probe, block| self.rate(&location.name, probe, Some(threads), block);
        let byte = 1.0 / at(Probe::SequentialRead, Some(BIG_BLOCK))?;
        if self.sequential && location.name == self.backup.name {
            return Some(Part::default());
        }
        let opening = at(Probe::Open, None).map_or(0.0, |rate| 1.0 / rate);
        let seeking = at(Probe::RandomRead, Some(SMALL_BLOCK)).map_or(0.0, |rate| SMALL_BLOCK as f64 / rate);
        Some(Part { file: opening + seeking, byte })
    }

    /// The best rate of a probe at a location. `None` for threads or block accepts any.
    fn rate(&self, location: &str, probe: Probe, threads: Option<usize>, block: Option<u64>) -> Option<f64> {
        let is_meant = |figure: &&Figure| {
            (figure.place.as_str(), figure.probe) == (location, probe)
                && threads.is_none_or(|threads| figure.threads == threads)
                && (block.is_none() || figure.block == block)
        };
        let meant = self.figures.iter().filter(is_meant);
        meant.map(|figure| figure.per_second).max_by(f64::total_cmp)
    }

    /// `usual`, if it is close to the best: the real runs were made with it. Otherwise the lowest
    /// number of threads that is close to the best.
    pub fn recommend(&self, candidates: &[usize], usual: usize) -> Option<usize> {
        let rated = candidates
            .iter()
            .filter_map(|&threads| Some((threads, self.costs(threads)?.seconds(1.0, self.backup.mean_size))));
        let rated: BTreeMap<usize, f64> = rated.collect();
        let best = rated.values().copied().min_by(f64::total_cmp)?;
        let is_near = |threads: &usize, by: f64| rated.get(threads).is_some_and(|&cost| cost <= best * by);
        if is_near(&usual, USUAL_WITHIN) {
            return Some(usual);
        }
        rated.keys().copied().find(|threads| is_near(threads, 1.1))
    }
}

/// The usual number of threads is recommended if it needs at most this many times the least time.
/// On a machine that others use too, measurements made one after the other differ by almost that
/// much.
const USUAL_WITHIN: f64 = 2.0;

/// How real time follows from estimated time. Up to the length of a short run it is proportional;
/// beyond that, each further file takes its own pace. The short run is the first one, which found
/// none of the folders in memory. The more files a run has, the less there is to look up for each
/// of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// Estimated and real seconds of the short run.
    pub short: (f64, f64),
    /// Real seconds per estimated second beyond the short run.
    pub pace: f64,
}

#[expect(clippy::cast_precision_loss, reason = "estimates")]
impl Fit {
    /// Fits one run or two. If chance made the longer run take less time than the short one, the
    /// longer run's own pace counts.
    pub fn through(costs: &Costs, short: &Run, long: Option<&Run>) -> Self {
        let estimated = |run: &Run| costs.seconds(run.files as f64, run.bytes as f64);
        let pace = |real: f64, estimated: f64| if estimated > 0.0 { real / estimated } else { 1.0 };
        let first = (estimated(short), short.verify);
        let alone = pace(first.1, first.0);
        let beyond = long.filter(|long| estimated(long) > first.0).map(|long| {
            match pace(long.verify - first.1, estimated(long) - first.0) {
                gain if gain > 0.0 => gain,
                _ => pace(long.verify, estimated(long)),
            }
        });
        Self { short: first, pace: beyond.unwrap_or(alone) }
    }

    /// The real seconds for this many estimated seconds.
    pub fn real(&self, estimated: f64) -> f64 {
        let (short, took) = self.short;
        if short <= 0.0 {
            took
        } else if estimated <= short {
            took * estimated / short
        } else {
            took + self.pace * (estimated - short)
        }
    }
}

/// Everything that a prediction is based on.
#[derive(Debug, Clone)]
pub struct Basis {
    /// The cost of each part of the machine.
    pub costs: Costs,
    /// The first real run.
    pub calibration: Run,
    /// How the real runs compare with the model.
    pub fit: Fit,
    /// A real run over files in the order of their listing, which is the order of `--sample all`.
    /// It may have ended early.
    pub in_order: Option<Run>,
    /// How long real work takes with the recommended number of threads, relative to that of the
    /// other real runs.
    pub by_threads: f64,
    /// Whether every run makes a pass over the whole backup, however small its sample.
    pub sequential: bool,
    /// How many file sizes were read, their mean in bytes, and their standard deviation divided by
    /// the mean.
    pub sizes: (u64, f64, f64),
    /// Seconds of the first listing in this bench, which may have found the folders already in
    /// memory.
    pub first_listing: f64,
}

#[expect(clippy::cast_precision_loss, reason = "estimates")]
impl Basis {
    /// The seconds of each part for a run over this many files, the largest first.
    pub fn shares(&self, files: u64) -> Vec<(String, f64)> {
        let bytes = files as f64 * self.sizes.1;
        let parts = self.costs.parts.iter();
        let mut shares: Vec<_> =
            parts.map(|(name, part)| ((*name).to_owned(), part.seconds(files as f64, bytes))).collect();
        let listing = if self.sequential { "reading and unpacking the archive" } else { "listing" };
        let pass = if self.sequential { self.calibration.verify } else { 0.0 };
        shares.push((listing.to_owned(), self.calibration.catalog + pass));
        shares.push(("opening and pairing".to_owned(), self.calibration.prepare));
        shares.sort_by(|one, other| other.1.total_cmp(&one.1));
        shares
    }

    /// The seconds for restoring and comparing this many files and bytes.
    pub fn work(&self, files: f64, bytes: f64) -> f64 {
        let estimated = self.costs.seconds(files, bytes);
        // The time of the pass does not depend on the sample. The cost of the files is added as the
        // figures alone give it.
        if self.sequential {
            self.calibration.verify + estimated
        } else {
            self.by_threads * self.fit.real(estimated)
        }
    }

    /// The seconds for all files. They are read in the order of their listing, in which neighbours
    /// on the disk come one after the other.
    fn all(&self, files: f64, bytes: f64) -> f64 {
        let estimated = |run: &Run| self.costs.seconds(run.files as f64, run.bytes as f64);
        match self.in_order.as_ref().filter(|run| estimated(run) > 0.0) {
            Some(run) => self.by_threads * run.verify * self.costs.seconds(files, bytes) / estimated(run),
            None => self.work(files, bytes),
        }
    }

    /// How long verifying `files` files takes; at most the population counts.
    pub fn predict(&self, sample: &str, files: u64) -> Prediction {
        let files = files.min(self.calibration.population);
        let (looked_at, mean, variation) = self.sizes;
        let number = files as f64;
        let (all, bare) = (self.costs.seconds(number, number * mean), self.costs.seconds(number, 0.0));
        let by_size = if all > 0.0 { 1.0 - bare / all } else { 0.0 };
        let luck = (1.0 / number.max(1.0) + 1.0 / (looked_at as f64).max(1.0)).sqrt();
        let few = 1.0 / (self.calibration.files as f64).max(1.0).sqrt();
        let doubt = 0.2 + few + 2.0 * by_size * variation * luck + if self.sequential { 0.5 } else { 0.0 };
        let overlaps = files == self.calibration.population && sample == "all" && !self.sequential;
        let work = if overlaps { self.all(number, number * mean) } else { self.work(number, number * mean) };
        let Run { prepare, catalog: listing, .. } = self.calibration;
        let total = |listing: f64, work: f64| if overlaps { listing.max(work) } else { listing + work };
        Prediction {
            sample: sample.to_owned(),
            files,
            seconds: prepare + total(listing, work),
            low: (prepare + total(listing, work)) / (1.0 + doubt),
            high: (prepare + total(listing.max(self.first_listing), work)) * (1.0 + doubt),
        }
    }
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
