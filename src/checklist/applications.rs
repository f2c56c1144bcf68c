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
use super::findings::Status;
use super::machine::Visit;
use super::phrases::are;
use super::table::{Discovered, Table};

const WHY: &str = "Setup migrates the system, not the applications. Data that is neither planned for nor backed \
                   up is lost.";
/// A note that begins with this says that nobody needs the data.
const LEFT_OUT: &str = "no backup";

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
    let mut table = match Table::read(&visit.settings().table) {
        Ok(table) => table,
        Err(problem) => {
            findings.push(Finding::could_not_check("The applications table", problem));
            return findings;
        }
    };
    let mut paths: Vec<String> = discovery.found.iter().map(|item| item.path.clone()).collect();
    paths.extend(table.rows().map(|row| row.path().to_owned()));
    paths.retain(|path| !path.is_empty());
    paths.sort_unstable();
    paths.dedup();
    let coverage = Coverage::measure(visit, &paths);
    let today = visit.settings().now.to_zoned(visit.settings().zone.clone()).date().to_string();
    table.update(&discovery.found, &today, |path| coverage.words(path));
    findings.extend(judge(&table, &coverage));
    findings.push(filled_in(&table));
    if let Err(problem) = table.write() {
        findings.push(Finding::could_not_check("The applications table", problem));
    }
    findings
}

/// Which data is in a backup, and which is not.
fn judge(table: &Table, coverage: &Coverage) -> Vec<Finding> {
    let (mut lost, mut part, mut held, mut left_out, mut unknown) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for row in table.rows().filter(|row| !row.path().is_empty()) {
        let line = format!("{}: {}: {}", row.name(), row.path(), coverage.words(row.path()));
        let found = coverage.of(row.path());
        match found {
            Held::NoData => {}
            Held::Unknown => unknown.push(line),
            Held::Some { .. } if !found.is_part() => held.push(line),
            _ if row.notes().to_lowercase().starts_with(LEFT_OUT) => {
                left_out.push(format!("{line} ({})", row.notes()));
            }
            Held::Some { .. } => part.push(line),
            Held::Nothing => lost.push(line),
        }
    }
    let mut findings = Vec::new();
    let source = "the backups' catalogs";
    let fix = format!(
        "Add them to the backup. For data that nobody needs, begin the note in the table with \"{LEFT_OUT}\" and say why."
    );
    for (lines, where_it_is) in [(lost, "in no backup"), (part, "in a backup only in part")] {
        if !lines.is_empty() {
            let title = format!("{} {where_it_is}", are(lines.len(), "data folder"));
            findings.push(Finding::fail(title).seen(source, lines.join("\n")).why(WHY).fix(&fix));
        }
    }
    if !unknown.is_empty() {
        let problem = coverage.problem().unwrap_or("some folders could not be read");
        findings.push(
            Finding::could_not_check("Whether the backup holds the applications' data", problem)
                .seen("data folders", unknown.join("\n"))
                .why(WHY)
                .fix("Configure the backup job (`bkverify init`), or run as a user who may read these folders."),
        );
    }
    if !held.is_empty() {
        let title =
            format!("{} in a backup, with every file that is older than it", are(held.len(), "data folder"));
        findings.push(Finding::pass(title).seen(source, held.join("\n")));
    }
    if !left_out.is_empty() {
        let title = format!("{} left out of the backup by a note", are(left_out.len(), "data folder"));
        findings.push(Finding::new(Status::Waived, title).seen("the table's notes", left_out.join("\n")));
    }
    findings
}

/// Whether the table is filled in: a plan for each application, what its vendor says, and where its
/// install media are.
fn filled_in(table: &Table) -> Finding {
    let place = table.place().display().to_string();
    let rows: Vec<String> = table.rows().map(|row| row.line()).collect();
    let open: Vec<String> = table
        .rows()
        .filter(|row| !row.open().is_empty())
        .map(|row| format!("{}: {}", row.name(), row.open().join(", ")))
        .collect();
    let finding = if rows.is_empty() {
        Finding::manual("applications", "No application was found: add yours to the table")
    } else if open.is_empty() {
        return Finding::pass("Every application has a plan, its vendor's word and its install media")
            .seen(place, rows.join("\n"));
    } else {
        let title = format!(
            "Plan each application, ask its vendor how to migrate it, and find its install media: {} of {} are open",
            open.len(),
            rows.len()
        );
        Finding::manual("applications", title).seen("still to fill in", open.join("\n"))
    };
    finding
        .seen(&place, rows.join("\n"))
        .why(WHY)
        .fix(format!("Fill in {place}; a dash stands for what does not apply."))
}

#[cfg(test)]
mod tests {
    use super::super::machine::tests::{TestMachine, recorded};
    use super::super::{BackupJob, Os};
    use super::*;
    use crate::plan::Filters;

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
        let place = made.machine.settings.table.join("applications.csv");
        let text = std::fs::read_to_string(&place).unwrap();
        assert!(text.contains("b,/srv/b,,,,NOT IN ANY BACKUP"), "{text}");
        assert!(text.contains("a,/srv/a,,,,\"in the backup: 1 file, 4"), "{text}");
        std::fs::write(&place, text.replace("/srv/b,,,", "/srv/b,No backup: scratch,-,-")).unwrap();
        assert_eq!(statuses(&made), [Status::Pass, Status::Waived, Status::Manual]);
    }

    #[test]
    fn one_file_of_many_in_the_backup_is_not_the_folder() {
        let backup = tempfile::tempdir().unwrap();
        let mut made = machine(backup.path());
        for number in 0..20 {
            made = made.file(&format!("/srv/a/{number}"), "1");
        }
        // A backup that was taken before these files were written need not hold them.
        let old = std::time::SystemTime::now() - Duration::from_secs(86_400);
        for entry in std::fs::read_dir(made.machine.root.join("srv/a")).unwrap() {
            std::fs::File::options()
                .write(true)
                .open(entry.unwrap().path())
                .unwrap()
                .set_modified(old)
                .unwrap();
        }
        assert_eq!(statuses(&made), [Status::Fail, Status::Fail, Status::Manual]);
    }

    #[test]
    fn what_a_jobs_filters_leave_out_is_not_in_its_backup() {
        let backup = tempfile::tempdir().unwrap();
        let made = machine(backup.path());
        let exclude = vec!["a/**".to_owned()];
        let made = made.with(|settings| settings.jobs[0].filters = Filters { exclude, ..Filters::default() });
        assert_eq!(statuses(&made), [Status::Fail, Status::Manual]);
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
