//! What is checked before a run opens or restores anything: is everything there, may everything be
//! written that is to be written, and is nothing of anybody's written over?
//!
//! [`check`] only reads, and is what `bkverify plan` and `bkverify init` ask; a run then makes the
//! restore folder and removes what killed runs left.

use std::fs;
use std::path::Path;

use crate::backup::{self, Location, remove_leftovers};
use crate::plan::{Plan, ReportOutput, Target};

use super::Error;
use super::filter::Filter;
use super::target::{self, Protected};

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
    check_backup(&plan.target.backup)?;
    look(plan)?;
    check_restore_folder(&plan.target)
}

/// Checks the paths of a plan, makes the restore folder if it is missing, and clears what killed
/// runs left in it.
pub(super) fn prepare(plan: &Plan) -> Result<Prepared, Error> {
    let filter = look(plan)?;
    Protected::of(&plan.target).check(&plan.target.restore_to, 0)?;
    Ok(Prepared { filter, leftovers: clean_up(plan)? })
}

/// What [`check`] and a run have in common: everything but the backup, which may be opened already,
/// and the restore folder, which a run makes.
fn look(plan: &Plan) -> Result<Filter, Error> {
    let filter = Filter::new(&plan.draw.filters)?;
    plan.target.originals().try_for_each(|place| check_originals(place, &plan.target.backup))?;
    check_reports(plan)?;
    plan.outputs.reports.iter().try_for_each(target::check_report_folder)?;
    Ok(filter)
}

/// Makes sure that there is something where the backup should be, if that is on this machine.
pub fn check_backup(backup: &Location) -> Result<(), Error> {
    match backup.local().map(fs::metadata) {
        Some(Err(source)) => Err(backup::Error::Open { location: backup.clone(), source }.into()),
        _ => Ok(()),
    }
}

/// Makes sure that the originals are not the backup itself, and a folder.
pub fn check_originals(place: &Path, backup: &Location) -> Result<(), Error> {
    Protected { backup: backup.local(), originals: vec![place] }.check_backup_is_a_copy()?;
    target::check_folder(place).map_err(|source| Error::Originals { place: place.to_owned(), source })
}

/// Makes sure that files may be restored to the plan's restore folder, without making it.
pub fn check_restore_folder(target: &Target) -> Result<(), Error> {
    Protected::of(target).check_without_making(&target.restore_to, 0)
}

/// Makes sure that the plan's reports are written over no backup and no original.
pub fn check_reports(plan: &Plan) -> Result<(), Error> {
    plan.outputs.reports.iter().try_for_each(|report| check_report(plan, report))
}

/// The same of one report.
pub fn check_report(plan: &Plan, report: &ReportOutput) -> Result<(), Error> {
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
