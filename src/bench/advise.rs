//! Runs real verifications, and derives the advice from them and from the figures.
//!
//! The first runs come before any probe. A nightly run finds a system that has none of the folders
//! in memory, and so do these runs. Everything that comes later is faster.

use std::time::{Duration, Instant};

use crate::plan::{Filters, Plan, SampleSize};

use super::figures::{Advice, Figure, LocationFacts, PredictionCheck, Probe, Run};
use super::model::{Basis, Costs, Fit, Setting};
use super::{Bench, Error, location, pipeline};

/// Files of the first real run: the default of `--sample`.
const FIRST: u64 = 500;
/// If the first run was quick, a second one verifies up to this many times as many files.
const MORE: f64 = 50.0;
/// Files of the run that checks the prediction, where time allows.
const CHECK: u64 = 300;
/// Another number of threads is recommended only if the work takes less than this share of the time
/// with it. Single runs of the same work differ by a third on a disk that others use too.
const WORTH_IT: f64 = 0.6;
/// A run over fewer files is not meaningful.
const TOO_FEW: u64 = 20;

/// The real runs that come before the probes.
pub(super) struct Runs {
    /// Over a random sample, while nothing was cached.
    first: Run,
    /// Over files in the order of their listing, if that tells more.
    in_order: Option<Run>,
    /// Over a larger random sample, if the first run was so short that most of its time may have
    /// gone into starting.
    second: Option<Run>,
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "estimates"
)]
impl Bench<'_> {
    /// The real runs that come before all probes. `None` if the first one did not get far enough.
    /// `setting_up` is the time since the program started; it is added to the first run, because
    /// only then were the folders not yet in memory.
    pub(super) fn real_runs(
        &mut self,
        plan: &Plan,
        sequential: bool,
        setting_up: Duration,
    ) -> Result<Option<Runs>, Error> {
        (self.say)(&format!("verifying {FIRST} files with {} threads", plan.engine.threads));
        let first = self.real(plan, ("first", SampleSize::Count(FIRST)), plan.engine.threads, (0.3, 0.45))?;
        if first.files < TOO_FEW.min(first.population).max(1) {
            self.note(format!(
                "no advice: the real run got through only {} files within the limits; raise --max-time or \
                 --max-bytes",
                first.files
            ));
            return Ok(None);
        }
        let first = Run { prepare: first.prepare + setting_up.as_secs_f64(), ..first };
        let mut runs = Runs { first, in_order: None, second: None };
        if sequential || runs.first.files >= runs.first.population || self.cancel.is_cancelled() {
            return Ok(Some(runs));
        }
        (self.say)("verifying files in the order of their listing");
        let in_order = self.real(plan, ("in order", SampleSize::All), plan.engine.threads, (0.2, 0.08))?;
        runs.in_order = Some(in_order).filter(|run| run.files >= TOO_FEW);
        runs.second = self.second(plan, &runs.first)?;
        Ok(Some(runs))
    }

    fn second(&mut self, plan: &Plan, first: &Run) -> Result<Option<Run>, Error> {
        let left = self.deadline.saturating_duration_since(Instant::now()).as_secs_f64();
        let by_time = (left * 0.1 / first.verify.max(1e-3)).min(MORE) * first.files as f64;
        let by_bytes = self.restorable(0.1) as f64 * 0.8 / (first.bytes.max(1) as f64 / first.files as f64);
        let files = (by_time.min(by_bytes) as u64).min(first.population);
        if !first.complete || files < 2 * first.files || self.cancel.is_cancelled() {
            return Ok(None);
        }
        (self.say)(&format!("verifying {files} files with {} threads", plan.engine.threads));
        let second =
            self.real(plan, ("second", SampleSize::Count(files)), plan.engine.threads, (0.2, 0.08))?;
        Ok(Some(second).filter(|second| second.files >= 2 * first.files))
    }

    /// Gives the advice, and checks it with another run.
    pub(super) fn advise(&mut self, plan: &Plan, runs: Runs, sequential: bool) -> Result<(), Error> {
        if self.cancel.is_cancelled() {
            return Ok(());
        }
        let Some((promising, costs)) = self.settings(plan, sequential) else {
            self.note(
                "no advice: the limits left no time to read both sides with any number of threads; raise \
                 --max-time or --max-bytes",
            );
            return Ok(());
        };
        let by_threads = self.gain(plan, promising, &costs)?;
        let (threads, by_threads) =
            if by_threads < WORTH_IT { (promising, by_threads) } else { (plan.engine.threads, 1.0) };
        let basis = self.basis(plan, (costs, by_threads), runs, sequential);
        self.report.advice = Some(advice(&basis, threads));
        self.check(plan, &basis, threads)
    }

    /// The number of threads that is best by the figures, and the cost of verifying with the number
    /// of threads of the real runs.
    fn settings(&self, plan: &Plan, sequential: bool) -> Option<(usize, Costs)> {
        let (backup, rest) = self.report.places.split_first()?;
        let setting = Setting {
            figures: &self.report.figures,
            sources: rest.iter().take(plan.target.originals().count()).collect(),
            backup,
            restore: &location::name("restore", &plan.target.restore_to),
            hash: plan.engine.hash.name(),
            sequential,
            cores: self.bench_plan.cores,
        };
        let promising = setting.recommend(&self.bench_plan.threads, plan.engine.threads)?;
        Some((promising, setting.costs(plan.engine.threads).or_else(|| setting.costs(promising))?))
    }

    /// How long real work takes with the `promising` number of threads, relative to that of the
    /// other real runs. The figures alone prove nothing: if the disk was busy for a moment, one
    /// number of threads looks worse than it is.
    fn gain(&mut self, plan: &Plan, promising: usize, costs: &Costs) -> Result<f64, Error> {
        if promising == plan.engine.threads {
            return Ok(1.0);
        }
        (self.say)(&format!("verifying with {} threads, and with {promising}", plan.engine.threads));
        let mut pace = |purpose, threads| {
            let run = self.real(plan, (purpose, SampleSize::Count(CHECK)), threads, (0.2, 0.05))?;
            Ok::<f64, Error>(run.verify / costs.seconds(run.files as f64, run.bytes as f64))
        };
        let gain = pace("promising", promising)? / pace("usual", plan.engine.threads)?;
        // If one of the runs verified nothing, there is nothing to compare.
        Ok(if gain.is_finite() { gain } else { 1.0 })
    }

    /// A real run within a share of the remaining time and of all bytes. Each `purpose` draws other
    /// files.
    fn real(
        &mut self,
        plan: &Plan,
        (purpose, sample): (&str, SampleSize),
        threads: usize,
        shares: (f64, f64),
    ) -> Result<Run, Error> {
        let left = self.deadline.saturating_duration_since(Instant::now()).mul_f64(shares.0);
        let seed = format!("{} {purpose}", self.bench_plan.seed);
        let run =
            pipeline::run(plan, (sample, threads), (left, self.restorable(shares.1)), &seed, self.cancel)?;
        self.report.bad = self.report.bad.max(run.bad);
        Ok(run)
    }

    /// The bytes that may be restored. Each of them costs two reads and one write.
    fn restorable(&self, share: f64) -> u64 {
        (self.bytes(share) / 3).max(1)
    }

    fn basis(&self, plan: &Plan, (costs, by_threads): (Costs, f64), runs: Runs, sequential: bool) -> Basis {
        let Runs { first, in_order, second } = runs;
        let fit = Fit::through(&costs, &first, second.as_ref());
        let calibration = first;
        let backup: Option<&LocationFacts> = self.report.places.first();
        let looked_at = backup.filter(|backup| plan.draw.filters == Filters::default() && backup.sampled > 0);
        // The measured sizes are those of all files. With filters, the sizes from the real run fit
        // better.
        let sizes = looked_at.map_or(
            (
                calibration.files,
                calibration.bytes as f64 / calibration.files as f64,
                backup.map_or(1.0, |b| b.variation),
            ),
            |backup| (backup.sampled, backup.mean_size, backup.variation),
        );
        let is_listing = |figure: &&Figure| figure.probe == Probe::List;
        let first_listing = self.report.figures.iter().find(is_listing).map_or(0.0, |figure| figure.seconds);
        Basis { costs, calibration, fit, in_order, by_threads, sequential, sizes, first_listing }
    }

    /// Verifies another sample, of as many files as should fit into the remaining time.
    fn check(&mut self, plan: &Plan, basis: &Basis, threads: usize) -> Result<(), Error> {
        let left = self.deadline.saturating_duration_since(Instant::now()).as_secs_f64() * 0.7;
        let most = CHECK.max(basis.calibration.files / 2);
        let fits =
            (0..4).map(|halvings| most >> halvings).find(|&files| basis.predict("", files).seconds < left);
        let Some(files) = fits.filter(|_| !self.cancel.is_cancelled()) else {
            self.note("the prediction was not checked: no time was left; raise --max-time");
            return Ok(());
        };
        (self.say)(&format!("checking the prediction with {files} other files"));
        let real = self.real(plan, ("check", SampleSize::Count(files)), threads, (1.0, 0.1))?;
        if real.files == 0 {
            self.note("the prediction was not checked: the run was cut short");
            return Ok(());
        }
        if basis.calibration.files + real.files > real.population {
            self.note(
                "the calibration had already read some files of the check: if the check was faster than predicted, caches that \
                 cannot be emptied may have helped it, and the prediction says more about a first run",
            );
        }
        // For the number of files that were verified: the limits may have ended the run early.
        let predicted = basis.predict(&real.files.to_string(), real.files);
        let Run { prepare, catalog, .. } = basis.calibration;
        let for_its_bytes = prepare + catalog + basis.work(real.files as f64, real.bytes as f64);
        self.report.check = Some(PredictionCheck { predicted, for_its_bytes, real });
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn advice(basis: &Basis, threads: usize) -> Advice {
    let population = basis.calibration.population;
    let five_percent = (population as f64 * 0.05).ceil() as u64;
    let shares = basis.shares(500.min(population));
    Advice {
        bottleneck: shares.first().map(|(name, _)| name.clone()).unwrap_or_default(),
        shares,
        threads,
        calibration_factor: basis.fit.pace,
        calibration: basis.calibration.clone(),
        in_order: basis.in_order.clone(),
        predictions: [("500", 500), ("5%", five_percent), ("all", population)]
            .map(|(sample, files)| basis.predict(sample, files))
            .into(),
    }
}
