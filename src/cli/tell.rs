//! Telling: connects a run to those whom its plan says to tell, and turns what went wrong there
//! into warnings.

use std::path::Path;

use super::local::machine_name;
use super::remember;
use crate::notify::{self, Delivery, Message, Previous, UnderWay};
use crate::plan::{Notifier, Occasion, Plan};
use crate::report::Model;

/// Those that are told of a run.
pub struct Telling {
    begun: UnderWay,
    previous: Previous,
}

impl Telling {
    /// Tells those that a run begins who want to know, without waiting for their answers.
    /// `previous` is how the run before ended.
    pub fn begin(plan: &Plan, previous: Previous) -> Self {
        Self { begun: notify::begin(&plan.notifiers), previous }
    }

    /// Tells how the run ended, waits until everybody was told or given up, and says who was not.
    /// `report` is the file with the JSON report.
    pub fn finish(self, plan: &Plan, model: &Model, report: Option<&str>) -> Vec<String> {
        // In this order: a server that learns of the end before the beginning thinks that the run
        // has begun again. That it did not hear of the beginning matters to nobody.
        let _ = self.begun.finish();
        let mut warnings = Vec::new();
        let waits_for_change = plan.notifiers.iter().any(|one| one.when == Occasion::OnChange);
        if waits_for_change && self.previous == Previous::Unknown {
            warnings.push(
                "how the last run of this job ended is not known, so what is sent on-change is sent on-failure"
                    .to_owned(),
            );
        }
        let now = if waits_for_change { remember::fingerprint(plan, model) } else { String::new() };
        let is_due = |one: &&Notifier| notify::is_due(one.when, model, &self.previous, &now);
        let due: Vec<&Notifier> = plan.notifiers.iter().filter(is_due).collect();
        if !due.is_empty() {
            let message = Message::new(model, &machine_name(), report);
            let deliveries = notify::tell(due.into_iter(), message).finish();
            warnings.extend(deliveries.iter().filter_map(not_told));
        }
        warnings
    }
}

/// The file with the JSON report, if one is written.
pub fn json_report(plan: &Plan) -> Option<&Path> {
    plan.outputs
        .reports
        .iter()
        .find(|report| report.renderer == "json")
        .and_then(|report| report.output.file())
}

fn not_told(delivery: &Delivery) -> Option<String> {
    let problem = delivery.result.as_ref().err()?;
    Some(format!("could not notify {}: {problem}", delivery.recipient))
}
