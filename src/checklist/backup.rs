//! `backup`: a full backup was made, it ran successfully, and random files from it were restored
//! and compared.
//!
//! The last part is what bkverify itself does. The newest report of each configured job is the
//! evidence. On Windows, Windows Server Backup is also asked.

mod job;
mod windows;

use super::check::{Check, PATIENCE};
use super::findings::Finding;
use super::machine::Visit;

/// The check.
pub(super) static CHECK: Check = Check {
    name: "backup",
    title: "Backup, and proof that it restores",
    asks: "A full backup was made and ran successfully, and random files of it were restored elsewhere and found to be \
         identical to the originals.",
    steps: &["full-backup"],
    patience: PATIENCE,
    linux: configured,
    windows: look_windows,
};

fn look_windows(visit: &Visit<'_>) -> Vec<Finding> {
    let mut findings = windows::look(visit);
    findings.extend(configured(visit));
    findings
}

fn configured(visit: &Visit<'_>) -> Vec<Finding> {
    let settings = visit.settings();
    if settings.jobs.is_empty() {
        return vec![
            Finding::could_not_check("Whether the backup restores", "no backup job is configured")
                .why("A backup that was never restored from is a hope, not a backup.")
                .fix("Run `bkverify init` to configure the backup and its originals, then `bkverify`."),
        ];
    }
    settings
        .jobs
        .iter()
        .flat_map(|job| [job::proof(job, settings.now), job::age(job, settings.now)])
        .collect()
}
