//! From figures to advice: what a verification costs, what holds it up, how many threads it should have. Pure.
//!
//! Each part of the machine needs so long for a file and so long for a byte; parts work side by side, so that the slowest decides. A
//! real run says by which factor this is wrong (latencies that add up, a busy machine), and predictions are scaled by it. How far they may be
//! off is said by a range: for what varies from run to run, for the few files of the calibration, and for file sizes,
//! which a small sample may miss the largest of.

use super::figures::{Facts, Figure, Prediction, Probe, Run};

/// The block that rates in order are taken from.
pub const BIG_BLOCK: u64 = 1 << 20;
/// The block that the way to a file's beginning is taken from.
pub const SMALL_BLOCK: u64 = 4 << 10;

/// A part of the machine: seconds for a file, seconds for a byte.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Part {
    /// For each file, whatever its size.
    pub file: f64,
    /// For each byte.
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

/// What verifying costs at a number of threads, by part of the machine.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Costs {
    /// Name and cost of each part.
    pub parts: Vec<(&'static str, Part)>,
}

impl Costs {
    /// How long so many files of so many bytes keep the busiest part.
    pub fn seconds(&self, files: f64, bytes: f64) -> f64 {
        self.parts.iter().map(|(_, part)| part.seconds(files, bytes)).fold(0.0, f64::max)
    }
}

/// What the figures are about.
#[derive(Debug, Clone)]
pub struct Setting<'a> {
    /// All measurements.
    pub figures: &'a [Figure],
    /// The places of the originals.
    pub sources: Vec<&'a Facts>,
    /// The backup's place.
    pub backup: &'a Facts,
    /// The restore folder's name in the figures.
    pub restore: &'a str,
    /// The hash in use.
    pub hash: &'a str,
    /// Whether the backup is read in one pass, not file by file.
    pub sequential: bool,
    /// Cores that may be used.
    pub cores: usize,
}

/// Restored bytes that the system holds back from the disk, if all of what is in flight at once is less.
const HELD_BACK: f64 = 256.0 * 1024.0 * 1024.0;

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
impl Setting<'_> {
    /// What verifying costs at `threads`; `None` where reading was not measured with so many.
    pub fn costs(&self, threads: usize) -> Option<Costs> {
        let backup = self.disk(self.backup, threads)?;
        let sources: Option<Vec<Part>> =
            self.sources.iter().map(|source| self.disk(source, threads)).collect();
        // Which of several a file comes from is not known: the slowest is taken for all.
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
        if let Some(rate) = self.write_rate(threads) {
            parts.push(("the restore disk", Part { file: 0.0, byte: 1.0 / rate }));
        }
        if let Some(rate) = self.rate(self.hash, Probe::Hash, None, None) {
            // Both sides are hashed.
            let hashing = 2.0 / (rate * threads.min(self.cores).max(1) as f64);
            parts.push(("the processor", Part { file: 0.0, byte: hashing }));
        }
        Some(Costs { parts })
    }

    fn of_mean(&self, part: Part) -> f64 {
        part.seconds(1.0, self.backup.mean_size)
    }

    /// A file costs its opening and the way to its first block, where they are measured; each byte costs its share of the
    /// rate in order. What is read in one pass costs nothing here: the calibration makes that pass.
    fn disk(&self, place: &Facts, threads: usize) -> Option<Part> {
        let at = |probe, block| self.rate(&place.name, probe, Some(threads), block);
        let byte = 1.0 / at(Probe::SequentialRead, Some(BIG_BLOCK))?;
        if self.sequential && place.name == self.backup.name {
            return Some(Part::default());
        }
        let opening = at(Probe::Open, None).map_or(0.0, |rate| 1.0 / rate);
        let seeking = at(Probe::RandomRead, Some(SMALL_BLOCK)).map_or(0.0, |rate| SMALL_BLOCK as f64 / rate);
        Some(Part { file: opening + seeking, byte })
    }

    fn write_rate(&self, threads: usize) -> Option<f64> {
        let in_flight = self.backup.mean_size * threads as f64;
        let probe = if in_flight < HELD_BACK { Probe::Write } else { Probe::WriteThrough };
        self.rate(self.restore, probe, None, None)
    }

    /// The best rate of a probe at a place: with so many threads and such blocks, or with any.
    fn rate(&self, place: &str, probe: Probe, threads: Option<usize>, block: Option<u64>) -> Option<f64> {
        let is_meant = |figure: &&Figure| {
            (figure.place.as_str(), figure.probe) == (place, probe)
                && threads.is_none_or(|threads| figure.threads == threads)
                && (block.is_none() || figure.block == block)
        };
        let meant = self.figures.iter().filter(is_meant);
        meant.map(|figure| figure.per_second).max_by(f64::total_cmp)
    }

    /// The fewest threads that are as good as the best, within a tenth.
    pub fn recommend(&self, candidates: &[usize]) -> Option<usize> {
        let mut rated: Vec<_> = candidates
            .iter()
            .filter_map(|&threads| Some((threads, self.costs(threads)?.seconds(1.0, self.backup.mean_size))))
            .collect();
        rated.sort_by_key(|&(threads, _)| threads);
        let best = rated.iter().map(|&(_, cost)| cost).min_by(f64::total_cmp)?;
        rated.iter().find(|&&(_, cost)| cost <= best * 1.1).map(|&(threads, _)| threads)
    }
}

/// How real time follows from what the figures promise: seconds to start, and a factor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// Seconds that do not grow with the files.
    pub start: f64,
    /// Real seconds for each promised one.
    pub factor: f64,
}

#[expect(clippy::cast_precision_loss, reason = "estimates")]
impl Fit {
    /// As promised.
    pub const NONE: Self = Self { start: 0.0, factor: 1.0 };

    /// Through one run, or through two if they tell a start apart: then neither part of the fit is negative.
    pub fn through(costs: &Costs, short: Option<&Run>, long: &Run) -> Self {
        let promised = |run: &Run| costs.seconds(run.files as f64, run.bytes as f64);
        let whole = if promised(long) > 0.0 { long.verify / promised(long) } else { 1.0 };
        let alone = Self { start: 0.0, factor: whole };
        let Some(short) = short.filter(|short| promised(short) < promised(long)) else { return alone };
        let factor = (long.verify - short.verify) / (promised(long) - promised(short));
        let start = short.verify - factor * promised(short);
        if factor > 0.0 && start > 0.0 { Self { start, factor } } else { alone }
    }
}

/// Everything a prediction rests on.
#[derive(Debug, Clone)]
pub struct Basis {
    /// By part of the machine.
    pub costs: Costs,
    /// The real run.
    pub calibration: Run,
    /// What it says of the model.
    pub fit: Fit,
    /// Whether a run makes a pass over the whole backup, however small its sample.
    pub sequential: bool,
    /// Sizes of the files: how many were looked at, their mean, their variation.
    pub sizes: (u64, f64, f64),
    /// Seconds of a listing whose folders were not in memory, or less where they were.
    pub first_listing: f64,
}

#[expect(clippy::cast_precision_loss, reason = "estimates")]
impl Basis {
    /// Seconds of each part for a run over so many files, the dearest first.
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

    /// Seconds for restoring and comparing so many files of so many bytes.
    pub fn work(&self, files: f64, bytes: f64) -> f64 {
        let promised = self.costs.seconds(files, bytes);
        // The time of a pass says nothing of the single file, which is added to it as the figures alone have it.
        if self.sequential {
            self.calibration.verify + promised
        } else {
            self.fit.start + self.fit.factor * promised
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
        let work = self.work(number, number * mean);
        let overlaps = files == self.calibration.population && sample == "all" && !self.sequential;
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
