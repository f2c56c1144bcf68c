//! The whole pipeline: a short, real verification, which calibrates everything else.

use std::time::Duration;

use crate::cancel::CancelToken;
use crate::plan::{Completeness, Keep, Limits, Plan, SampleSize};
use crate::verify::verdict::Verdict;
use crate::verify::{self, Memory, Silent};

use super::figures::Run;

/// Verifies a sample within `time` and `bytes` restored. `seed` makes it a sample that no ordinary
/// run draws.
pub fn run(
    plan: &Plan,
    (sample, threads): (SampleSize, usize),
    (time, bytes): (Duration, u64),
    seed: &str,
    cancel: &CancelToken,
) -> Result<Run, verify::Error> {
    let mut plan = plan.clone();
    plan.draw.sample = sample;
    plan.draw.seed = seed.to_owned();
    plan.engine.threads = threads;
    plan.claims.completeness = Completeness { originals: 0, asked_for: false };
    plan.limits = Limits { budget: Some(bytes), time_limit: Some(time), resume: false };
    plan.outputs.keep = Keep::None;
    plan.outputs.reports = Vec::new();
    let outcome = verify::run(&plan, Memory::default(), cancel, &Silent)?;
    let effort = &outcome.effort;
    Ok(Run {
        files: outcome.counts.looked_at(),
        bytes: effort.restored_bytes,
        threads,
        prepare: effort.total.saturating_sub(effort.catalog + effort.verify).as_secs_f64(),
        catalog: effort.catalog.as_secs_f64(),
        verify: effort.verify.as_secs_f64(),
        population: outcome.population.files,
        complete: outcome.incomplete.is_none(),
        bad: outcome.counts.bad() + outcome.counts.of(Verdict::OriginalCorrupt) + outcome.damage.len() as u64,
    })
}
