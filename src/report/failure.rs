//! A run that ended without an outcome: what its reports say, so that nobody takes the report of an
//! earlier run for its own.

use std::time::Duration;

use crate::backup::Description;
use crate::exit::ExitCode;
use crate::plan::{Plan, SampleSize};
use crate::verify::counts::Counts;
use crate::verify::outcome::{Effort, Outcome, Population, Sample};

/// Why a run could not begin, or not go on.
#[derive(Debug, Clone)]
pub struct Failure {
    /// How the program ends.
    pub exit_code: ExitCode,
    /// What went wrong, and where.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// How long it took to find out.
    pub took: Duration,
}

impl Failure {
    /// What was found: nothing, of a backup of which nothing is known.
    pub(super) fn outcome(&self, plan: &Plan) -> Outcome {
        Outcome {
            backup: Description {
                location: plan.target.backup.clone(),
                format: "unknown",
                snapshot: None,
                id: None,
                taken: None,
                unique_names: false,
                time_resolution_ns: 0,
            },
            population: Population::default(),
            sample: Sample {
                strategy: if plan.draw.sample == SampleSize::All { "all" } else { "random" },
                seed: plan.draw.seed.clone(),
                ..Sample::default()
            },
            counts: Counts::default(),
            findings: Vec::new(),
            completeness: None,
            assurance: None,
            damage: Vec::new(),
            denied: Vec::new(),
            incomplete: None,
            notes: Vec::new(),
            effort: Effort {
                catalog: Duration::ZERO,
                verify: Duration::ZERO,
                total: self.took,
                restored_bytes: 0,
                hashed_bytes: 0,
                cached_bytes: None,
                hash: plan.engine.hash,
                threads: plan.engine.threads,
            },
        }
    }
}
