//! The strategy `size`: random bytes are drawn, and the files that hold them are verified. So a
//! file is drawn with a probability that follows its size, and the statement is about bytes.
//! Auditors know this as monetary-unit sampling, or sampling with probability proportional to size
//! (W. G. Cochran, *Sampling Techniques*, 3rd ed. 1977, section 9A).
//!
//! Every file has arrivals: random points in time, on average as many in a stretch of time as it
//! has bytes (a Poisson process whose rate is its size). The arrivals of all files together are a
//! Poisson process, too, and each of them is in a file with a probability that is this file's share
//! of all bytes, whatever the others are (J. F. C. Kingman, *Poisson Processes*, 1993, sections 2.2
//! and 5.1). So the first n arrivals are n bytes that were drawn at random with replacement.
//!
//! Byte by byte:
//! 1. `key` = BLAKE3 in its key derivation mode, with the context string `bkverify 2026 size v1` and,
//!    as key material, the seed's UTF-8 bytes: 32 bytes.
//! 2. For each file that has bytes, and for c = 0, 1, 2, …: `hash` = BLAKE3 in its keyed mode with
//!    `key`, over the bytes of its path (as in [`sample`](super::sample)) followed by c as 8 bytes,
//!    big-endian. b is the first 8 bytes of `hash` as a big-endian number. u = (⌊b / 2^12⌋ + ½) / 2^52.
//!    This is exact in double precision, and neither 0 nor 1.
//! 3. The file's arrival c is at the time t(c) = t(c − 1) + (−ln u) / size, beginning with t(−1) = 0,
//!    in double precision. The logarithm is that of the `libm` crate, so that every machine computes
//!    the same number.
//! 4. Arrivals are ordered by time. Equal times are ordered by c, then by path.
//! 5. The sample are the first n arrivals, with the n that was asked for. With `--tolerance T`, n is
//!    the smallest number for which (1 − T)^n is at most 1 − confidence.
//! 6. The files are judged in the order of their first arrivals. A judged file answers for all its
//!    arrivals.
//!
//! A draw depends only on the paths, their recorded sizes and the seed. It is made in one pass over
//! the listing, which keeps the first n + n/4 + 1000 arrivals. Draws of parts of the population can
//! be merged, as those of [`sample`](super::sample) can.
//!
//! # Which arrivals enter the statement
//! Times alone decide which files can be compared ([`comparable`](super::comparable)). So the
//! arrivals in such files are random bytes of such files. The first n of these are the sample: an
//! arrival in a file that cannot be compared is replaced by the next one. If a limit ends the run,
//! the arrivals before the first one whose file was not yet handed to a thread are the sample. Files
//! that were being verified then count as bad, with all their arrivals among these.
//!
//! # What it cannot see
//! - An empty file has no bytes, so it is never drawn.
//! - The bytes are those of the sizes that the backup records. In a folder this is the size of the
//!   copy. A copy that was cut short is drawn with the probability of what is left of it, and not
//!   at all if nothing is left. The statement remains true: it is about the bytes that the backup
//!   says it has. But a backup that lost the ends of its files should be looked at with `random` or
//!   `coverage`, which draw such a file like any other.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::backup::{Entry, EntryBatch};
use crate::lock::{into_inner, lock};
use crate::plan::SampleSize;

use super::arrivals::{Arrivals, ArrivedFile};
use super::assurance;
use super::draw::{Counter, Draw, Drawn, Request};
use super::sample::{BottomK, SampleQuota};

const CONTEXT: &str = "bkverify 2026 size v1";

/// The most arrivals that can be asked for. All of them are kept in memory, and one file may have
/// any number of them.
pub const ARRIVALS_MAX: u64 = 1_000_000;

/// How many arrivals are wanted; `None` if a number of bytes cannot be asked for like this.
fn wanted(size: SampleSize, confidence: f64) -> Option<u64> {
    match size {
        SampleSize::Count(count) => Some(count),
        SampleSize::Tolerance(tolerance) => Some(assurance::sample_size_limit(tolerance, confidence)),
        SampleSize::Share(_) | SampleSize::All => None,
    }
}

/// Why no sample of this size can be drawn, if so: what is wrong, and what to ask for instead.
pub fn refuses(size: SampleSize, confidence: f64) -> Option<(String, &'static str)> {
    let hint = "say how many random bytes to draw, such as --sample 500, or use --strategy random";
    match wanted(size, confidence) {
        Some(wanted) if wanted <= ARRIVALS_MAX => None,
        Some(wanted) => {
            let problem = format!(
                "--strategy size would have to draw {wanted} random bytes, and draws at most {ARRIVALS_MAX}"
            );
            Some((problem, "ask for fewer with --sample, or for a larger --tolerance"))
        }
        None => Some(("--strategy size draws random bytes, not a percentage of the files".to_owned(), hint)),
    }
}

/// Computes arrivals under one seed.
#[derive(Debug, Clone)]
struct Clock {
    key: [u8; blake3::KEY_LEN],
}

/// The arrivals of one file, in order.
struct FileArrivals<'a> {
    clock: &'a Clock,
    path: &'a [u8],
    size: f64,
    /// The number of the next arrival.
    number: u64,
    time: f64,
}

impl Clock {
    fn new(seed: &str) -> Self {
        Self { key: blake3::derive_key(CONTEXT, seed.as_bytes()) }
    }

    /// The arrivals of a file that has bytes.
    #[expect(clippy::cast_precision_loss, reason = "no file has 2^53 bytes")]
    fn of<'a>(&'a self, path: &'a [u8], size: u64) -> FileArrivals<'a> {
        FileArrivals { clock: self, path, size: size as f64, number: 0, time: 0.0 }
    }
}

impl Iterator for FileArrivals<'_> {
    /// The number by which arrivals are ordered: the time, then the number of the arrival. Positive
    /// floating-point numbers are ordered as their bits are.
    type Item = u128;

    fn next(&mut self) -> Option<u128> {
        let mut hasher = blake3::Hasher::new_keyed(&self.clock.key);
        let hash = hasher.update(self.path).update(&self.number.to_be_bytes()).finalize();
        let bits = u64::from_be_bytes(std::array::from_fn(|at| hash.as_bytes()[at]));
        #[expect(clippy::cast_precision_loss, reason = "52 bits and a half are exact")]
        let uniform = ((bits >> 12) as f64 + 0.5) / (1_u64 << 52) as f64;
        self.time += -libm::log(uniform) / self.size;
        let order = u128::from(self.time.to_bits()) << 64 | u128::from(self.number);
        self.number += 1;
        Some(order)
    }
}

/// The draw of one run.
#[derive(Debug)]
pub struct SizeDraw {
    clock: Clock,
    wanted: u64,
    /// The first arrivals seen so far. A file is in it once for each of its arrivals.
    first: Mutex<BottomK>,
    /// The upper half of its threshold, as in [`SharedBottom`](super::draw::SharedBottom).
    threshold: AtomicU64,
    /// How many files have bytes.
    filled: AtomicU64,
}

impl SizeDraw {
    /// A draw without files.
    pub fn new(request: &Request<'_>) -> Self {
        let wanted = wanted(request.size, request.confidence).unwrap_or(ARRIVALS_MAX).min(ARRIVALS_MAX);
        let quota = SampleQuota::new(SampleSize::Count(wanted), request.confidence);
        Self {
            clock: Clock::new(request.seed),
            wanted,
            first: Mutex::new(BottomK::new(quota)),
            threshold: AtomicU64::new(u64::MAX),
            filled: AtomicU64::new(0),
        }
    }

    /// Takes the arrivals of these files that are among the first.
    fn offer(&self, files: &[(Entry<'_>, u64)]) {
        let mut first = lock(&self.first);
        for (entry, size) in files {
            for order in self.clock.of(entry.path, *size) {
                // Later arrivals of this file are later still. The threshold is there as soon as
                // there are enough arrivals, so this ends even if one file has all of them.
                if order > first.threshold() {
                    break;
                }
                first.offer(order, entry);
            }
        }
        self.threshold.store((first.threshold() >> 64) as u64, Ordering::Relaxed);
    }
}

impl Draw for SizeDraw {
    fn take(&self, entries: &EntryBatch, population: &dyn Counter) -> ControlFlow<()> {
        let threshold = self.threshold.load(Ordering::Relaxed);
        let (mut candidates, mut filled) = (Vec::new(), 0);
        population.count_batch(entries, &mut |entry, _| {
            let Some(size) = entry.size.filter(|&size| size > 0) else { return };
            filled += 1;
            let first = self.clock.of(entry.path, size).next();
            if first.is_some_and(|order| (order >> 64) as u64 <= threshold) {
                candidates.push((entry, size));
            }
        })?;
        self.filled.fetch_add(filled, Ordering::Relaxed);
        if !candidates.is_empty() {
            self.offer(&candidates);
        }
        ControlFlow::Continue(())
    }

    fn restart(&self) {
        lock(&self.first).clear();
        self.threshold.store(u64::MAX, Ordering::Relaxed);
        self.filled.store(0, Ordering::Relaxed);
    }

    fn finish(self: Box<Self>) -> Option<Drawn> {
        let (mut picks, mut files, mut sequence) = (EntryBatch::new(), Vec::new(), Vec::new());
        let mut numbers: HashMap<Vec<u8>, u32> = HashMap::new();
        into_inner(self.first).into_sorted(|entry| {
            let next = u32::try_from(files.len()).unwrap_or(u32::MAX);
            let number = *numbers.entry(entry.path.to_vec()).or_insert(next);
            if number == next {
                picks.push(entry);
                files.push(ArrivedFile::of(entry));
            }
            sequence.push(number);
        });
        let arrivals = Arrivals { wanted: self.wanted, sequence, files, filled: self.filled.into_inner() };
        Some(Drawn { wanted: self.wanted, picks, beside: None, arrivals: Some(arrivals) })
    }
}

#[cfg(test)]
#[path = "size_tests.rs"]
mod tests;
