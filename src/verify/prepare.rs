//! Checks all paths before a run opens or restores anything, so that nobody's files are
//! overwritten.
//!
//! [`check`] only reads. A run also makes the restore folder, and removes what killed runs left in
//! it.

use std::path::Path;

use crate::backup::remove_leftovers;
use crate::plan::Plan;

use super::Error;
use super::filter::Filter;
use super::target::Protected;

/// What a run starts with.
pub(super) struct Prepared {
    /// Which files belong to the population.
    pub(super) filter: Filter,
    /// Notes about what earlier runs left behind.
    pub(super) leftovers: Vec<String>,
}

/// Checks the paths of a plan, and changes nothing.
///
/// # Errors
/// Whatever would keep a run from starting, as far as it can be found without opening the backup.
pub fn check(plan: &Plan) -> Result<(), Error> {
    Filter::new(&plan.draw.filters)?;
    let protected = Protected::of(&plan.target);
    protected.check_backup_is_a_copy()?;
    check_reports(plan)?;
    protected.check_overlap(&plan.target.restore_to)
}

/// Checks the paths of a plan, makes the restore folder if it does not exist, and removes what
/// killed runs left in it.
pub(super) fn prepare(plan: &Plan) -> Result<Prepared, Error> {
    let filter = Filter::new(&plan.draw.filters)?;
    let protected = Protected::of(&plan.target);
    protected.check_backup_is_a_copy()?;
    check_reports(plan)?;
    protected.check(&plan.target.restore_to, 0)?;
    Ok(Prepared { filter, leftovers: clean_up(plan)? })
}

/// Makes sure that the plan's reports overwrite neither a backup nor originals.
pub fn check_reports(plan: &Plan) -> Result<(), Error> {
    let mut files = plan.outputs.reports.iter().filter_map(|report| report.output.file());
    files.try_for_each(|report| check_report(plan, report))
}

/// Makes sure that one report overwrites neither the backup nor originals.
pub fn check_report(plan: &Plan, report: &Path) -> Result<(), Error> {
    Protected::of(&plan.target).check_report(report)
}

/// Removes what killed runs left, and returns notes about it.
fn clean_up(plan: &Plan) -> Result<Vec<String>, Error> {
    let leftovers = remove_leftovers(&plan.target.restore_to)
        .map_err(|source| Error::RestoreFolder { place: plan.target.restore_to.clone(), source })?;
    let removed =
        leftovers.removed.iter().map(|place| format!("removed what a killed run left: {}", place.display()));
    let left = leftovers.left.iter();
    let left = left.map(|place| {
        format!("not removed, because it holds files that bkverify did not write: {}", place.display())
    });
    let doubtful = leftovers.doubtful.iter().map(|place| {
        format!(
            "not removed, because it belongs to another user or its run may not have ended; remove it if no bkverify is running: {}",
            place.display()
        )
    });
    Ok(removed.chain(left).chain(doubtful).collect())
}
