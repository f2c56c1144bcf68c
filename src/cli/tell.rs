//! Telling: connects a run to those whom its plan says to tell, and turns what went wrong there
//! into warnings.

use std::path::Path;

use super::error::warn;
use super::local::machine_name;
use crate::backup::path_text;
use crate::notify::{self, Delivery, Message, Previous, UnderWay};
use crate::plan::{Notifier, Occasion, Plan};
use crate::report::Model;

/// Those that are told that a run begins.
pub struct Telling(UnderWay);

impl Telling {
    /// Tells them, without waiting for their answers.
    pub fn begin(plan: &Plan) -> Self {
        Self(notify::begin(&plan.notifiers))
    }

    /// Tells how the run ended, and waits until everybody was told or given up.
    pub fn finish(self, plan: &Plan, model: &Model, previous: &Previous) {
        // In this order: a server that learns of the end before the beginning thinks that the run
        // has begun again. That it did not hear of the beginning matters to nobody.
        let _ = self.0.finish();
        let due: Vec<&Notifier> =
            plan.notifiers.iter().filter(|one| notify::is_due(one.when, model, previous)).collect();
        let waits_for_change = plan.notifiers.iter().any(|one| one.when == Occasion::OnChange);
        if waits_for_change && *previous == Previous::Unknown {
            warn(
                "how the last run of this job ended is not known, so notifications that are sent on-change \
                 are sent as on-failure",
            );
        }
        if due.is_empty() {
            return;
        }
        let report = json_report(plan).map(path_text);
        let message = Message::new(model, &machine_name(), report.as_deref());
        for delivery in notify::tell(due.into_iter(), message).finish() {
            if let Some(warning) = not_told(&delivery) {
                warn(&warning);
            }
        }
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
