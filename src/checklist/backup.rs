//! `backup`: a full backup was made, it ran successfully, and random files from it were restored
//! and compared.
//!
//! The last part is what bkverify itself does. The newest report of each configured job is the
//! evidence. On Windows, Windows Server Backup is also asked.

mod job;
mod windows;

use std::path::{Path, PathBuf};

use super::check::{Check, PATIENCE};
use super::findings::Finding;
use super::machine::Visit;
use super::space;
use crate::plan::Filters;

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
    let mut findings = vec![full(visit)];
    findings.extend(settings.jobs.iter().flat_map(|job| job::look(job, settings.now)));
    findings
}

/// Whether the jobs cover the whole server: every volume, without filters.
fn full(visit: &Visit<'_>) -> Finding {
    let what = "Whether a full backup was made";
    let volumes = match space::volumes(visit) {
        Ok(volumes) => volumes,
        Err(problem) => return Finding::could_not_check(what, problem),
    };
    let jobs = visit.settings().jobs.iter().filter(|job| job.filters == Filters::default());
    let folders: Vec<&Path> = jobs
        .flat_map(|job| job.sources.iter().map(PathBuf::as_path).chain(job.maps.iter().map(|map| &*map.to)))
        .collect();
    let is_covered = |place: &String| folders.iter().any(|folder| Path::new(place).starts_with(folder));
    let (covered, others): (Vec<String>, Vec<String>) =
        volumes.into_iter().map(|volume| volume.place).partition(is_covered);
    let source = "the configured jobs, the mounted volumes";
    if others.is_empty() {
        return Finding::pass(format!("The jobs cover the whole server: {}", covered.join(", ")))
            .seen(source, "");
    }
    let title =
        format!("Confirm that a full backup was made: the jobs do not cover all of {}", others.join(", "));
    Finding::manual("full-backup", title)
        .seen(source, format!("whole: {}\nnot, or only in part: {}", covered.join(", "), others.join(", ")))
        .why("If the migration goes wrong, only a full backup brings the server back as it was.")
        .fix("Make one by a program that can restore the whole server, and verify it.")
}
