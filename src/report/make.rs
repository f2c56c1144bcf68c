//! Makes the model from the plan and from how the run ended.
//!
//! This is the only place in this room that reads an [`Outcome`]. Renderers see only the model, so
//! a report that was read back renders like the one that was written.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use crate::exit::ExitCode;
use crate::plan::Plan;
use crate::verify::counts::Counts;
use crate::verify::outcome::Outcome;
use crate::verify::strategy;

use super::model::{
    AssurancePart, BackupPart, CompletenessPart, CountsPart, EffortPart, ErrorPart, FindingPart, Model,
    PlanPart, PopulationPart, SCHEMA_NAME, SamplePart, SnapshotsPart,
};
use super::statement;

/// Why a run could not begin or could not go on.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The exit code of the program.
    pub exit_code: ExitCode,
    /// What went wrong, and where.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// How long the run took until it failed.
    pub took: Duration,
}

impl Model {
    /// The model of a run that ended with an outcome or with an error.
    pub fn new(plan: &Plan, ended: Result<&Outcome, &Failure>) -> Self {
        match ended {
            Ok(outcome) => Self::of_outcome(plan, outcome),
            Err(failure) => Self::of_failure(plan, failure),
        }
    }

    fn of_outcome(plan: &Plan, outcome: &Outcome) -> Self {
        let mut model = Self {
            incomplete: outcome.incomplete,
            backup: BackupPart::new(&outcome.backup),
            population: PopulationPart::new(&outcome.population),
            sample: SamplePart::new(&outcome.sample),
            counts: CountsPart::new(&outcome.counts),
            beside: outcome.beside.as_ref().map(CountsPart::new),
            findings: outcome.findings.iter().map(FindingPart::new).collect(),
            completeness: outcome.completeness.as_ref().map(CompletenessPart::new),
            snapshots: outcome.backup.several.as_ref().map(|several| SnapshotsPart {
                count: several.count,
                confirmed: outcome.known.by_repository,
                confirmed_by: several.confirmed_by.to_owned(),
            }),
            damage: outcome.damage.clone(),
            denied: outcome.gaps.clone(),
            notes: outcome.notes.clone(),
            effort: EffortPart::new(
                &outcome.effort,
                outcome.sample.drawn + outcome.beside.as_ref().map_or(0, Counts::looked_at),
            ),
            ..Self::empty(plan, outcome.exit_code(), outcome.effort.total)
        };
        // These sentences are made from the numbers above.
        model.headline = statement::headline(&model);
        model.assurance = outcome.assurance.map(|found| AssurancePart {
            sentence: Some(found.sentence(&statement::which(&model, &outcome.known))),
            rest: statement::rest_of(&model),
            by_manifest: outcome.known.by_manifest,
            by_ledger: outcome.known.by_ledger,
            ..AssurancePart::new(&found)
        });
        model
    }

    fn of_failure(plan: &Plan, failure: &Failure) -> Self {
        Self {
            headline: failure.message.clone(),
            error: Some(ErrorPart { message: failure.message.clone(), hint: failure.hint.clone() }),
            ..Self::empty(plan, failure.exit_code, failure.took)
        }
    }

    /// The model of a run that found nothing, with a backup that nothing is known about.
    fn empty(plan: &Plan, exit_code: ExitCode, took: Duration) -> Self {
        let finished = plan.started.checked_add(took).unwrap_or(SystemTime::UNIX_EPOCH);
        let clock = |time: SystemTime| Timestamp::try_from(time).ok();
        Self {
            schema: SCHEMA_NAME.to_owned(),
            program: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
            started: clock(plan.started),
            finished: clock(finished),
            exit_code,
            headline: String::new(),
            error: None,
            incomplete: None,
            plan: PlanPart::new(plan),
            backup: BackupPart {
                format: "unknown".to_owned(),
                place: plan.target.backup.text(),
                ..BackupPart::default()
            },
            population: PopulationPart::default(),
            sample: SamplePart {
                strategy: strategy::of(&plan.draw).name().to_owned(),
                seed: plan.draw.seed.clone(),
                ..SamplePart::default()
            },
            counts: CountsPart::default(),
            beside: None,
            assurance: None,
            findings: Vec::new(),
            completeness: None,
            snapshots: None,
            damage: Vec::new(),
            denied: Vec::new(),
            notes: Vec::new(),
            effort: EffortPart {
                total_seconds: took.as_secs_f64(),
                hash: plan.engine.hash.name().to_owned(),
                threads: plan.engine.threads,
                ..EffortPart::default()
            },
        }
    }
}
