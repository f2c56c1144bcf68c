//! From figures to advice by way of real runs: one or two that calibrate the model, and one that puts it to the test.

use std::time::Instant;

use crate::plan::{Filters, Plan};

use super::figures::{Advice, Check, Facts, Figure, Probe, Run};
use super::model::{Basis, Costs, Fit, Setting};
use super::{Bench, Error, originals, pipeline, place};

/// Files of the first real run.
const FIRST: u64 = 200;
/// The second, where the first was quick, has up to so many times as many.
const MORE: f64 = 50.0;
/// Files of the check, where time allows.
const CHECK: u64 = 300;
/// A run over fewer files says too little.
const TOO_FEW: u64 = 20;

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "estimates"
)]
impl Bench<'_> {
    /// Calibrates, advises, and puts the advice to the test.
    pub(super) fn advise(&mut self, plan: &Plan, sequential: bool) -> Result<(), Error> {
        if self.stop.is_set() {
            return Ok(());
        }
        let Some((threads, costs)) = self.settings(plan, sequential) else {
            self.note(
                "no advice: the limits left no time to read both sides with any number of threads; raise \
                 --max-time or --max-bytes",
            );
            return Ok(());
        };
        let Some((calibration, fit)) = self.calibrate(plan, (threads, &costs), sequential)? else {
            return Ok(());
        };
        let basis = self.basis(plan, costs, (calibration, fit), sequential);
        self.report.advice = Some(advice(&basis, threads));
        self.check(plan, &basis)
    }

    /// The number of threads that the figures speak for, and what verifying costs with it.
    fn settings(&self, plan: &Plan, sequential: bool) -> Option<(usize, Costs)> {
        let (backup, rest) = self.report.places.split_first()?;
        let setting = Setting {
            figures: &self.report.figures,
            sources: rest.iter().take(originals(plan).count()).collect(),
            backup,
            restore: &place::name("restore", &plan.restore_to),
            hash: plan.hash.name(),
            sequential,
            cores: self.job.cores,
        };
        let threads = setting.recommend(&self.job.threads)?;
        Some((threads, setting.costs(threads)?))
    }

    /// A real run over another draw for each `purpose`, within a share of the time that is left and of all bytes.
    fn real(
        &self,
        plan: &Plan,
        (purpose, files): (&str, u64),
        threads: usize,
        shares: (f64, f64),
    ) -> Result<Run, Error> {
        let left = self.deadline.saturating_duration_since(Instant::now()).mul_f64(shares.0);
        let seed = format!("{} {purpose}", self.job.seed);
        Ok(pipeline::run(plan, (files, threads), (left, self.restorable(shares.1)), &seed, self.stop)?)
    }

    /// Restored bytes are read twice and written once.
    fn restorable(&self, share: f64) -> u64 {
        (self.bytes(share) / 3).max(1)
    }

    /// One real run; a second and longer one where the first was so short that starting may have been most of it.
    fn calibrate(
        &mut self,
        plan: &Plan,
        (threads, costs): (usize, &Costs),
        sequential: bool,
    ) -> Result<Option<(Run, Fit)>, Error> {
        (self.say)(&format!("verifying {FIRST} files with {threads} threads"));
        let first = self.real(plan, ("first", FIRST), threads, (0.5, 0.15))?;
        let came_to = first.files;
        if came_to < TOO_FEW.min(first.population).max(1) {
            self.note(format!(
                "no advice: the real run came no further than {came_to} files within the limits; raise --max-time or \
                 --max-bytes"
            ));
            return Ok(None);
        }
        // The time of a pass over an archive says nothing of the figures.
        let alone = if sequential { Fit::NONE } else { Fit::through(costs, None, &first) };
        let left = self.deadline.saturating_duration_since(Instant::now()).as_secs_f64();
        let by_time = (left * 0.4 / first.verify.max(1e-3)).min(MORE) * came_to as f64;
        let by_bytes = self.restorable(0.2) as f64 * 0.8 / (first.bytes.max(1) as f64 / came_to as f64);
        let files = (by_time.min(by_bytes) as u64).min(first.population);
        if sequential || !first.complete || files < 2 * came_to || self.stop.is_set() {
            return Ok(Some((first, alone)));
        }
        (self.say)(&format!("verifying {files} files with {threads} threads"));
        let second = self.real(plan, ("second", files), threads, (0.7, 0.2))?;
        if second.files < 2 * came_to {
            return Ok(Some((first, alone)));
        }
        let fit = Fit::through(costs, Some(&first), &second);
        let bad = first.bad.max(second.bad);
        Ok(Some((Run { bad, ..second }, fit)))
    }

    fn basis(&self, plan: &Plan, costs: Costs, (calibration, fit): (Run, Fit), sequential: bool) -> Basis {
        let backup: Option<&Facts> = self.report.places.first();
        let looked_at = backup.filter(|backup| plan.filters == Filters::default() && backup.sampled > 0);
        // The sizes that were looked at are those of all files: with filters, the run knows better.
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
        Basis { costs, calibration, fit, sequential, sizes, first_listing }
    }

    /// Another draw, as many files as should fit into what is left of the time.
    fn check(&mut self, plan: &Plan, basis: &Basis) -> Result<(), Error> {
        let left = self.deadline.saturating_duration_since(Instant::now()).as_secs_f64() * 0.7;
        let most = CHECK.max(basis.calibration.files / 2);
        let fits =
            (0..4).map(|halvings| most >> halvings).find(|&files| basis.predict("", files).seconds < left);
        let Some(files) = fits.filter(|_| !self.stop.is_set()) else {
            self.note("the prediction was not checked: no time was left; raise --max-time");
            return Ok(());
        };
        (self.say)(&format!("checking the prediction with {files} other files"));
        let real = self.real(plan, ("check", files), basis.calibration.threads, (1.0, 0.2))?;
        if real.files == 0 {
            self.note("the prediction was not checked: the run was cut short");
            return Ok(());
        }
        if basis.calibration.files + real.files > real.population {
            self.note(
                "some files of the check had been read by the calibration before: where the check is faster than predicted, \
                 caches that cannot be emptied may have helped it, and a first run is better told by the prediction",
            );
        }
        // Of the files it came to: the limits may have ended it early.
        let predicted = basis.predict(&real.files.to_string(), real.files);
        let Run { prepare, catalog, .. } = basis.calibration;
        let for_its_bytes = prepare + catalog + basis.work(real.files as f64, real.bytes as f64);
        self.report.check = Some(Check { predicted, for_its_bytes, real });
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
        calibration_factor: basis.fit.factor,
        calibration: basis.calibration.clone(),
        predictions: [("500", 500), ("5%", five_percent), ("all", population)]
            .map(|(sample, files)| basis.predict(sample, files))
            .into(),
    }
}
