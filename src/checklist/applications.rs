//! `applications`: there is a plan for each line-of-business application, and the backup contains
//! its data.
//!
//! The check maintains the published table (see [`table`](super::table)) and goes beyond it: for
//! each data path it counts the files and bytes in the catalogs of the backups. Data that is in no
//! backup is a failure.

mod coverage;
mod linux;
mod windows;

use std::time::Duration;

use self::coverage::{Coverage, Held};
use super::check::Check;
use super::findings::Finding;
use super::machine::Visit;
use super::phrases::{are, several};
use super::table::{Discovered, Files, Row, update};
use crate::words;

const WHY: &str = "Setup migrates the system, not the applications. Data that is neither planned for nor backed \
                   up is lost.";
/// A note that begins with this says that nobody needs the data.
const WAIVED: &str = "no backup";

/// The check.
pub(super) static CHECK: Check = Check {
    name: "applications",
    title: "Applications and their data",
    asks: "There is a plan for every line-of-business application: its name, the path to its data, and notes.",
    steps: &["applications"],
    // The catalogs of all backups are read, which takes time.
    patience: Duration::from_secs(300),
    linux: look_linux,
    windows: look_windows,
};

fn look_linux(visit: &Visit<'_>) -> Vec<Finding> {
    plan(visit, &linux::discover(visit))
}

fn look_windows(visit: &Visit<'_>) -> Vec<Finding> {
    plan(visit, &windows::discover(visit))
}

/// What was discovered on a system: applications, and problems that hid some.
struct Discovery {
    found: Vec<Discovered>,
    problems: Vec<String>,
}

fn plan(visit: &Visit<'_>, discovery: &Discovery) -> Vec<Finding> {
    let mut findings: Vec<Finding> = discovery
        .problems
        .iter()
        .map(|problem| Finding::could_not_check("Some applications", problem))
        .collect();
    if discovery.found.is_empty() && !findings.is_empty() {
        return findings;
    }
    let folder = &visit.settings().table;
    let mut files = match Files::read(folder) {
        Ok(files) => files,
        Err(error) => {
            findings.push(Finding::could_not_check("The applications table", error));
            return findings;
        }
    };
    let mut paths: Vec<String> = discovery.found.iter().map(|item| item.path.clone()).collect();
    paths.extend(files.table.rows.iter().map(|row| row.path.clone()));
    paths.retain(|path| !path.is_empty());
    paths.sort_unstable();
    paths.dedup();
    let coverage = Coverage::measure(visit, &paths);
    let today = visit.settings().now.to_zoned(visit.settings().zone.clone()).date().to_string();
    let last = files.last.clone();
    update(&mut files.table, &last, &discovery.found, &today, |path| coverage.words(path));
    findings.extend(judge(&files.table.rows, &coverage));
    findings.push(filled_in(&files));
    if let Err(error) = files.write() {
        findings.push(Finding::could_not_check("The applications table", error));
    }
    findings
}

/// Which data is in a backup, and which is not.
fn judge(rows: &[Row], coverage: &Coverage) -> Vec<Finding> {
    let (mut lost, mut held, mut waived, mut unknown) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for row in rows.iter().filter(|row| !row.path.is_empty()) {
        let line = format!("{}: {}: {}", row.name, row.path, coverage.words(&row.path));
        match coverage.of(&row.path) {
            Held::Nothing if is_waived(row) => waived.push(format!("{line} ({})", row.notes)),
            Held::Nothing => lost.push(line),
            Held::Some { .. } => held.push(line),
            Held::Unknown => unknown.push(line),
            Held::NoData => {}
        }
    }
    let mut findings = Vec::new();
    let source = "the backups' catalogs";
    if !lost.is_empty() {
        findings.push(
            Finding::fail(format!("{} in no backup", are(lost.len(), "data folder")))
                .seen(source, lost.join("\n"))
                .why(WHY)
                .fix(format!(
                    "Add them to the backup. For data that nobody needs, begin the note in the table \
                     with \"{WAIVED}\" and say why."
                )),
        );
    }
    if !unknown.is_empty() {
        let mut finding = Finding::could_not_check(
            "Whether the backup holds the applications' data",
            coverage.problem().unwrap_or("some folders could not be read"),
        );
        finding = finding.seen("data folders", unknown.join("\n")).why(WHY);
        findings.push(
            finding.fix(
                "Configure the backup job (`bkverify init`), or run as a user who may read these folders.",
            ),
        );
    }
    if !held.is_empty() {
        findings.push(
            Finding::pass(format!("{} in a backup", are(held.len(), "data folder")))
                .seen(source, held.join("\n")),
        );
    }
    if !waived.is_empty() {
        let finding =
            Finding::pass(format!("{} left out of the backup by a note", are(waived.len(), "data folder")));
        findings.push(finding.seen("the table's notes", waived.join("\n")));
    }
    findings
}

fn is_waived(row: &Row) -> bool {
    row.notes.to_lowercase().trim_start().starts_with(WAIVED)
}

/// Whether the table is filled in. The plan itself is a person's work.
fn filled_in(files: &Files) -> Finding {
    let rows = &files.table.rows;
    let open = rows.iter().filter(|row| row.notes.is_empty()).count();
    let place = files.markdown_place().display().to_string();
    let evidence = format!("{}, {open} without a note", several(rows.len(), "row"));
    if rows.is_empty() {
        return Finding::manual("applications", "No application was found: add yours to the table")
            .seen(place, evidence)
            .why(WHY);
    }
    Finding::manual("applications", format!("Write a plan for each application: {open} of {} still without a note", rows.len()))
        .seen(place, evidence)
        .why(WHY)
        .fix("Fill in the table (Markdown or CSV), then: bkverify checklist done applications --note \"plan agreed\"")
}

/// `12 files, 3.4 MB`.
fn amount(files: u64, bytes: u64) -> String {
    format!("{}, {}", words::counted(files, "file"), words::bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::super::machine::tests::{TestMachine, recorded};
    use super::super::{BackupJob, Os, Status};
    use super::*;

    /// A machine whose `/srv/a` is backed up and whose `/srv/b` is not.
    fn machine(backup: &std::path::Path) -> TestMachine {
        std::fs::create_dir_all(backup.join("a")).unwrap();
        std::fs::write(backup.join("a/x"), "four").unwrap();
        let made = recorded(Os::Linux, &[("dpkg-query", "")]).file("/var/lib/dpkg/status", "");
        let made = made.file("/srv/a/x", "four").file("/srv/b/y", "data");
        let sources = vec![made.machine.root.join("srv")];
        let job = BackupJob { name: "n".into(), backup: backup.into(), sources, ..BackupJob::default() };
        made.with(|settings| settings.jobs = vec![job])
    }

    fn statuses(made: &TestMachine) -> Vec<Status> {
        CHECK.run(&made.visit()).iter().map(|finding| finding.status).collect()
    }

    #[test]
    fn data_in_no_backup_fails_until_a_note_says_that_nobody_needs_it() {
        let backup = tempfile::tempdir().unwrap();
        let made = machine(backup.path());
        assert_eq!(statuses(&made), [Status::Fail, Status::Pass, Status::Manual]);
        let place = made.machine.settings.table.join("applications.md");
        let text = std::fs::read_to_string(&place).unwrap();
        assert!(text.contains("| b | /srv/b |  | NOT IN ANY BACKUP |"), "{text}");
        assert!(text.contains("| a | /srv/a |  | in the backup: 1 file, 4"), "{text}");
        std::fs::write(&place, text.replace("| /srv/b |  |", "| /srv/b | No backup: scratch |")).unwrap();
        assert_eq!(statuses(&made), [Status::Pass, Status::Pass, Status::Manual]);
    }

    #[test]
    fn without_a_backup_job_coverage_is_unknown() {
        let backup = tempfile::tempdir().unwrap();
        let made = machine(backup.path()).with(|settings| settings.jobs.clear());
        assert_eq!(statuses(&made), [Status::CouldNotCheck, Status::Manual]);
    }

    #[test]
    fn an_absent_backup_leaves_coverage_unknown() {
        let made = machine(tempfile::tempdir().unwrap().path());
        assert_eq!(statuses(&made), [Status::CouldNotCheck, Status::Manual]);
    }
}
