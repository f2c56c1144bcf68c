//! `--recheck`: verifies the files again that were bad when they were last judged, and no others.
//!
//! In: the plan of a job, and the alarms that the ledger knows. Out: a plan for these files alone;
//! after the run, which of them the backup does not list any more.

use std::collections::BTreeSet;
use std::path::Path;

use super::error::Error;
use crate::backup::escape;
use crate::exit::ExitCode;
use crate::ledger::{self, Ledger};
use crate::plan::{Completeness, DEFAULT_STRATEGY, Filters, Plan, SampleSize};
use crate::report::Model;
use crate::words;

/// What is said if there is nothing to verify again.
pub const NONE: &str =
    "no file of this backup was bad when it was last judged: there is nothing to verify again\n";

/// What is said if the backup lists none of the files any more.
pub const ALL_LEFT: &str = "the backup does not list any of the files that were bad";

/// Narrows the plan to the files that were bad when they were last judged. Returns whether there
/// are any.
///
/// # Errors
/// If nothing is remembered, or if the ledger cannot be read.
pub fn narrow(plan: &mut Plan) -> Result<bool, Error> {
    let Some(state) = &plan.outputs.state else {
        return Err(Error::usage(
            "--recheck asks the ledger which files were bad, and nothing is remembered",
        )
        .hint("name the state folder of the runs that found them with --state DIR"));
    };
    let unusable = |error: ledger::Error| {
        Error::new(ExitCode::Unusable, format!("cannot tell which files were bad: {}", error.in_full()))
            .hint(error.hint())
    };
    let ledger = Ledger::open_read_only(state).map_err(unusable)?;
    let alarms = ledger::standing_alarms(&ledger, plan).map_err(unusable)?;
    let only: Vec<_> = alarms.into_iter().map(|(path, _)| path).collect();
    let any = !only.is_empty();
    plan.draw.filters = Filters { only, ..Filters::default() };
    plan.draw.sample = SampleSize::All;
    plan.draw.strategy = DEFAULT_STRATEGY;
    plan.limits.resume = false;
    plan.claims.completeness = Completeness { originals: 0, asked_for: false };
    Ok(any)
}

/// Whether the files that were not judged have left the backup: the run saw all of it, and judged
/// every file that it lists.
fn have_left(model: &Model, asked: usize, unseen: &BTreeSet<Vec<u8>>) -> bool {
    let judged = (asked - unseen.len()) as u64;
    model.error.is_none()
        && model.population.whole
        && model.damage.is_empty()
        && model.denied.is_empty()
        && model.population.files == judged
}

/// Ends the alarms about files that the backup does not list any more, and says which these are.
/// `unseen` are the files that the run was to judge and did not; `all_left` says that the backup
/// lists none of them.
pub fn settle(plan: &Plan, model: &Model, unseen: &BTreeSet<Vec<u8>>, all_left: bool) -> Option<String> {
    let asked = plan.draw.filters.only.len();
    if unseen.is_empty() || !(all_left || have_left(model, asked, unseen)) {
        return None;
    }
    let state: &Path = plan.outputs.state.as_deref()?;
    let paths: Vec<_> = unseen.iter().cloned().collect();
    let settled = Ledger::open(state).and_then(|mut ledger| ledger::have_left(&mut ledger, plan, &paths));
    if let Err(error) = settled {
        return Some(format!("what has left the backup still counts as bad: {}", error.on_one_line()));
    }
    let first = unseen.first().map(|path| escape(path).into_owned()).unwrap_or_default();
    let (more, it, is) = match unseen.len() as u64 - 1 {
        0 => (String::new(), "it", "is"),
        more => (format!(" and {} more", words::count(more)), "they", "are"),
    };
    Some(format!(
        "{first}{more} {is} not in the backup any more, and {it} no longer {} as bad; if the original is still there, the \
         backup lacks it",
        if it == "it" { "counts" } else { "count" }
    ))
}
