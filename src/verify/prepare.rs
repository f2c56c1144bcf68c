//! Checks all paths before a run opens or restores anything: they must exist, reports and restored
//! files can be written, and nobody's files are overwritten.
//!
//! [`check`] only reads, and is what `bkverify plan` and `bkverify init` use. A run also makes the
//! restore folder, and removes what killed runs left in it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::backup::{self, Backup, Location, registry, remove_leftovers};
use crate::plan::{Plan, ReportOutput, Target};

use super::Error;
use super::filter::Filter;
use super::target::{self, Protected};

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
    check_backup(&plan.target.backup)?;
    check_all_but_backup_and_restore_folder(plan)?;
    check_restore_folder(&plan.target)
}

/// Checks the paths of a plan, makes the restore folder if it does not exist, and removes what
/// killed runs left in it.
pub(super) fn prepare(plan: &Plan) -> Result<Prepared, Error> {
    let filter = check_all_but_backup_and_restore_folder(plan)?;
    Protected::of(&plan.target).check(&plan.target.restore_to, 0)?;
    Ok(Prepared { filter, leftovers: clean_up(plan)? })
}

/// Makes sure that nothing would be restored into a folder of the open backup.
pub(super) fn check_folders(plan: &Plan, backup: &dyn Backup) -> Result<(), Error> {
    let folders = backup.folders();
    let protected = Protected { backup: None, originals: folders.iter().map(PathBuf::as_path).collect() };
    protected.check_without_making(&plan.target.restore_to, 0)
}

/// Checks what [`check`] and a run have in common: everything except the backup, which may already
/// be open, and the restore folder, which a run makes.
fn check_all_but_backup_and_restore_folder(plan: &Plan) -> Result<Filter, Error> {
    let filter = Filter::new(&plan.draw.filters)?;
    plan.target.originals().try_for_each(|path| check_originals(path, &plan.target.backup))?;
    check_reports(plan)?;
    plan.outputs.reports.iter().try_for_each(target::check_report_folder)?;
    Ok(filter)
}

/// Makes sure that the backup exists, if it is on this machine.
pub fn check_backup(backup: &Location) -> Result<(), Error> {
    registry::check_scheme(backup)?;
    match backup.place().map(fs::metadata) {
        Some(Err(source)) => Err(backup::Error::Open { location: backup.clone(), source }.into()),
        Some(Ok(_)) | None => Ok(()),
    }
}

/// Makes sure that the originals are a folder, and not the backup itself.
pub fn check_originals(path: &Path, backup: &Location) -> Result<(), Error> {
    Protected { backup: backup.place(), originals: vec![path] }.check_backup_is_a_copy()?;
    target::check_folder(path).map_err(|source| Error::Originals { place: path.to_owned(), source })
}

/// Makes sure that files may be restored to the plan's restore folder, and makes it if it is
/// missing.
pub fn make_restore_folder(target: &Target) -> Result<(), Error> {
    Protected::of(target).check(&target.restore_to, 0)
}

/// Makes sure that files may be restored to the plan's restore folder, without making it.
pub fn check_restore_folder(target: &Target) -> Result<(), Error> {
    Protected::of(target).check_without_making(&target.restore_to, 0)
}

/// Makes sure that the plan's reports overwrite neither a backup nor originals.
pub fn check_reports(plan: &Plan) -> Result<(), Error> {
    plan.outputs.reports.iter().try_for_each(|report| check_report(plan, report))
}

/// Makes sure that one report overwrites neither the backup nor originals.
pub fn check_report(plan: &Plan, report: &ReportOutput) -> Result<(), Error> {
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
