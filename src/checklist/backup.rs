//! `backup`: a full backup was made, it ran successfully, and random files from it were restored
//! and compared.
//!
//! The last part is what bkverify itself does. The newest report of each configured job is the
//! evidence. On Windows, Windows Server Backup is also asked.

mod job;
mod unchanged;
mod windows;

use std::hash::RandomState;
use std::path::PathBuf;
use std::time::Duration;

use super::applications::coverage::{Folder, Found, search};
use super::check::Check;
use super::findings::Finding;
use super::machine::{Os, Visit};
use super::space;
use crate::facts::Volume;
use crate::plan::Filters;
use crate::words;

/// The check.
pub(super) static CHECK: Check = Check {
    name: "backup",
    title: "Backup, and proof that it restores",
    asks: "A full backup was made and ran successfully, and random files of it were restored elsewhere and found to be \
         identical to the originals.",
    steps: &["full-backup"],
    // Catalogs are read, and folders are looked through.
    patience: Duration::from_secs(300),
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
    let what = "Whether the backup restores";
    if visit.probes().is_remote() {
        // The configuration here is of this machine's backups. That of the other may be among them,
        // but nothing says so.
        return vec![
            Finding::could_not_check(what, "the configured jobs are of this machine, and not of that server")
                .fix("Verify that server's backup with `bkverify` there, and run `bkverify checklist backup` there."),
        ];
    }
    if settings.jobs.is_empty() {
        return vec![
            Finding::could_not_check(what, "no backup job is configured")
                .why("A backup that was never restored from is a hope, not a backup.")
                .fix("Run `bkverify init` to configure the backup and its originals, then `bkverify`."),
        ];
    }
    let mut findings = vec![full(visit)];
    findings.extend(settings.jobs.iter().flat_map(|job| job::look(job, settings.now, visit.deadline())));
    findings
}

/// What the backups of the jobs hold of each volume. Whether that makes a full backup is for a
/// person to say, but a volume of which hardly anything is in the backup that is to hold it fails.
fn full(visit: &Visit<'_>) -> Finding {
    let what = "Whether a full backup was made";
    let volumes = match space::volumes(visit) {
        Ok(volumes) => volumes,
        Err(problem) => return Finding::could_not_check(what, problem),
    };
    // `C:` alone is the current folder of that drive.
    let top = |volume: &Volume| match visit.os() {
        Os::Windows => PathBuf::from(format!("{}\\", volume.place)),
        _ => visit.place(&volume.place),
    };
    let folders: Vec<Folder> = volumes.iter().map(|volume| Folder::at(&top(volume))).collect();
    let bare: Vec<&Folder> = folders.iter().collect();
    let mut most: Vec<Found> = vec![Found::default(); folders.len()];
    // Volumes that a job names as a whole, without filters.
    let mut named = vec![false; folders.len()];
    for job in &visit.settings().jobs {
        let found = match search(job, &bare, visit.deadline(), &RandomState::new()) {
            Ok((found, _)) => found,
            Err(problem) => return Finding::could_not_check(what, format!("{}: {problem}", job.name)),
        };
        for (most, found) in most.iter_mut().zip(found) {
            if found.bytes > most.bytes {
                *most = found;
            }
        }
        let maps = job.maps.iter().map(|map| &map.to);
        let sources: Vec<&PathBuf> = job.sources.iter().chain(maps).collect();
        for (named, volume) in named.iter_mut().zip(&volumes) {
            let is_whole = sources.iter().any(|source| top(volume).starts_with(source));
            *named |= is_whole && job.filters == Filters::default();
        }
    }
    let line = |(volume, found): (&Volume, &Found)| {
        let (files, bytes) = (words::counted(found.files, "file"), words::bytes(found.bytes));
        format!("{}: {files}, {bytes} in a backup; {} used", volume.place, words::bytes(volume.used))
    };
    let all: Vec<String> = volumes.iter().zip(&most).map(line).collect();
    let empty = volumes.iter().zip(&most).zip(&named);
    let empty = empty.filter(|((volume, found), named)| {
        **named && found.unsized_files == 0 && found.bytes < volume.used / 10
    });
    let empty: Vec<&str> = empty.map(|((volume, _), _)| volume.place.as_str()).collect();
    let finding = if empty.is_empty() {
        let open = volumes.iter().zip(&named).filter(|(_, named)| !**named);
        let open: Vec<&str> = open.map(|(volume, _)| volume.place.as_str()).collect();
        let title = match open[..] {
            [] => "Confirm that a full backup was made: the jobs name every volume".to_owned(),
            _ => format!(
                "Confirm that a full backup was made: the jobs do not name all of {}",
                open.join(", ")
            ),
        };
        Finding::manual("full-backup", title)
    } else {
        Finding::fail(format!(
            "The jobs name {}, but their backups hold hardly anything of it",
            empty.join(", ")
        ))
    };
    finding
        .seen("the catalogs of the jobs' backups, the mounted volumes", all.join("\n"))
        .why("If the migration goes wrong, only a full backup brings the server back as it was.")
        .fix("Make one by a program that can restore the whole server, and verify it.")
}

#[cfg(test)]
mod tests {
    use super::super::machine::tests::{TestMachine, recorded};
    use super::super::{BackupJob, Status};
    use super::*;

    /// A machine with one volume, of which so many bytes are used, and a backup of 4 KiB of it.
    fn machine(backup: &std::path::Path, used: u64) -> TestMachine {
        std::fs::write(backup.join("letter"), [b'x'; 4_096]).unwrap();
        let df = format!(
            "Filesystem Type Used Avail IUsed IFree Mounted on\n/dev/vda ext4 {used} 9000000 10 90 /\n"
        );
        let made = recorded(Os::Linux, &[("df", &df)]).file("/letter", &"x".repeat(4_096));
        let made = made.file("/proc/self/mounts", "/dev/vda / ext4 rw 0 0\n");
        let sources = vec![made.machine.root.clone()];
        let job = BackupJob { name: "n".into(), backup: backup.into(), sources, ..BackupJob::default() };
        made.with(|settings| settings.jobs = vec![job])
    }

    fn full_of(made: &TestMachine) -> Finding {
        full(&made.visit())
    }

    #[test]
    fn a_job_that_names_the_whole_server_and_holds_hardly_anything_of_it_fails() {
        let backup = tempfile::tempdir().unwrap();
        let finding = full_of(&machine(backup.path(), 1 << 30));
        assert_eq!(finding.status, Status::Fail, "{finding:?}");
        assert_eq!(finding.evidence[0].text, "/: 1 file, 4.00 KiB in a backup; 1.00 GiB used");
        let finding = full_of(&machine(backup.path(), 8_192));
        assert_eq!(finding.title, "Confirm that a full backup was made: the jobs name every volume");
        let part =
            machine(backup.path(), 1 << 30).with(|settings| settings.jobs[0].filters.max_size = Some(9));
        let finding = full_of(&part);
        assert_eq!(finding.title, "Confirm that a full backup was made: the jobs do not name all of /");
    }
}
