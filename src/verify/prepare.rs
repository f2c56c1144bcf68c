//! What is looked at before a run opens or restores anything: are all paths such that nothing of
//! anybody's is written over?
//!
//! [`check`] only reads; a run then makes the restore folder and removes what killed runs left.

use std::path::Path;

use crate::backup::remove_leftovers;
use crate::plan::Plan;

use super::Error;
use super::filter::Filter;
use super::target::Protected;

/// What a run can begin with.
pub(super) struct Prepared {
    /// What belongs to the population.
    pub(super) filter: Filter,
    /// What is to be told of earlier runs.
    pub(super) leftovers: Vec<String>,
}

/// Checks the paths of a plan, and touches nothing.
///
/// # Errors
/// What would keep a run from beginning, as far as it shows without opening the backup.
pub fn check(plan: &Plan) -> Result<(), Error> {
    Filter::new(&plan.draw.filters)?;
    let protected = Protected::of(&plan.target);
    protected.check_backup_is_a_copy()?;
    check_reports(plan)?;
    protected.check_overlap(&plan.target.restore_to)
}

/// Checks the paths of a plan, makes the restore folder if it is missing, and clears what killed
/// runs left in it.
pub(super) fn prepare(plan: &Plan) -> Result<Prepared, Error> {
    let filter = Filter::new(&plan.draw.filters)?;
    let protected = Protected::of(&plan.target);
    protected.check_backup_is_a_copy()?;
    check_reports(plan)?;
    protected.check(&plan.target.restore_to, 0)?;
    Ok(Prepared { filter, leftovers: clean_up(plan)? })
}

/// Makes sure that the plan's reports are written over no backup and no original.
pub fn check_reports(plan: &Plan) -> Result<(), Error> {
    let mut files = plan.outputs.reports.iter().filter_map(|report| report.output.file());
    files.try_for_each(|report| check_report(plan, report))
}

/// The same of one report.
pub fn check_report(plan: &Plan, report: &Path) -> Result<(), Error> {
    Protected::of(&plan.target).check_report(report)
}

/// Removes what killed runs left, and says so.
fn clean_up(plan: &Plan) -> Result<Vec<String>, Error> {
    let leftovers = remove_leftovers(&plan.target.restore_to)
        .map_err(|source| Error::RestoreFolder { place: plan.target.restore_to.clone(), source })?;
    let removed =
        leftovers.removed.iter().map(|place| format!("removed what a killed run left: {}", place.display()));
    let left = leftovers.left.iter();
    let left = left.map(|place| format!("left alone, it holds files that are not ours: {}", place.display()));
    let doubtful = leftovers.doubtful.iter().map(|place| {
        format!(
            "left alone, it is another user's or it cannot be told whether its run has ended; remove it if no bkverify runs: {}",
            place.display()
        )
    });
    Ok(removed.chain(left).chain(doubtful).collect())
}
