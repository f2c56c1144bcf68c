//! From figures to advice: what a verification costs, what holds it up, how many threads it should
//! have. Pure.
//!
//! Each part of the machine needs so long for a file and so long for a byte; parts work side by
//! side, so that the slowest decides. That weighs one amount of work against another, and no more:
//! how long work takes is what real runs took for theirs. How far predictions may be off is said by
//! a range: for what varies from run to run, for the few files of the calibration, and for file
//! sizes, which a small sample may miss the largest of.

use std::collections::BTreeMap;

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
        // As fast as the system takes it: most is emptied again before it must be on the disk.
        // Where it is not, a real run shows it.
        if let Some(rate) = self.rate(self.restore, Probe::Write, None, None) {
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

    /// A file costs its opening and the way to its first block, where they are measured; each byte
    /// costs its share of the rate in order. What is read in one pass costs nothing here: the
    /// calibration makes that pass.
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

    /// `usual` threads where they come near the best: those are what the real runs were made with.
    /// Else the fewest that do.
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

/// The usual number of threads is recommended unless another would need less than a half of its
/// time: figures that were taken one after the other differ by less than that on a machine that is
/// not quiet.
const USUAL_WITHIN: f64 = 2.0;

/// How real time follows from promised time: up to a short run in proportion to it, beyond it at a
/// pace of its own. The short run is the first, when the system knew nothing of the files' folders;
/// the more files, the less there is to find out for each.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// Seconds promised for the short run, and what it took.
    pub short: (f64, f64),
    /// Real seconds for each promised one beyond that.
    pub pace: f64,
}

#[expect(clippy::cast_precision_loss, reason = "estimates")]
impl Fit {
    /// Through one run, or through two: where time that was lost to chance would make the longer
    /// run the shorter one, its own pace counts.
    pub fn through(costs: &Costs, short: &Run, long: Option<&Run>) -> Self {
        let promised = |run: &Run| costs.seconds(run.files as f64, run.bytes as f64);
        let pace = |real: f64, promised: f64| if promised > 0.0 { real / promised } else { 1.0 };
        let first = (promised(short), short.verify);
        let alone = pace(first.1, first.0);
        let beyond = long.filter(|long| promised(long) > first.0).map(|long| {
            match pace(long.verify - first.1, promised(long) - first.0) {
                gain if gain > 0.0 => gain,
                _ => pace(long.verify, promised(long)),
            }
        });
        Self { short: first, pace: beyond.unwrap_or(alone) }
    }

    /// Real seconds for so many promised ones.
    pub fn real(&self, promised: f64) -> f64 {
        let (short, took) = self.short;
        if short <= 0.0 {
            took
        } else if promised <= short {
            took * promised / short
        } else {
            took + self.pace * (promised - short)
        }
    }
}

/// Everything a prediction rests on.
#[derive(Debug, Clone)]
pub struct Basis {
    /// By part of the machine.
    pub costs: Costs,
    /// The first real run.
    pub calibration: Run,
    /// What the real runs say of the model.
    pub fit: Fit,
    /// A real run over files in the order of their listing, as `--sample all` takes them; it may
    /// have ended early.
    pub in_order: Option<Run>,
    /// What real work takes with the recommended number of threads by what it takes with that of
    /// the other real runs.
    pub by_threads: f64,
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
        // The time of a pass says nothing of the single file, which is added to it as the figures
        // alone have it.
        if self.sequential {
            self.calibration.verify + promised
        } else {
            self.by_threads * self.fit.real(promised)
        }
    }

    /// Seconds for all files, which are taken in the order of their listing: their neighbours are
    /// on the way.
    fn all(&self, files: f64, bytes: f64) -> f64 {
        let promised = |run: &Run| self.costs.seconds(run.files as f64, run.bytes as f64);
        match self.in_order.as_ref().filter(|run| promised(run) > 0.0) {
            Some(run) => self.by_threads * run.verify * self.costs.seconds(files, bytes) / promised(run),
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
