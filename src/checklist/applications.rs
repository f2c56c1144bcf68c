//! `applications`: there is a plan for each line-of-business application, and the backup contains
//! its data.
//!
//! The check maintains the published table (see [`table`](super::table)) and goes beyond it: for
//! each data path it looks for the files in the catalogs of the backups. Data that is in no backup
//! is a failure.

pub(super) mod coverage;
mod linux;
mod windows;

use std::time::Duration;

use self::coverage::{Coverage, Held};
use super::check::Check;
use super::findings::{Finding, Status};
use super::machine::Visit;
use super::phrases::{are, several};
use super::table::{Discovered, Table};

const WHY: &str = "Setup migrates the system, not the applications. Data that is neither planned for nor backed \
                   up is lost.";
/// A note that begins with this, and then says why, tells that nobody needs the data. The colon
/// keeps complaints ("No backup exists yet!") from being read as consent.
const LEFT_OUT: &str = "no backup:";

/// The check.
pub(super) static CHECK: Check = Check {
    name: "applications",
    title: "Applications and their data",
    asks: "There is a plan for every line-of-business application: its name, the path to its data, and notes.",
    steps: &[],
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
        let reason = row.notes().to_lowercase().strip_prefix(LEFT_OUT).map(|why| why.trim().len());
        match coverage.of(row.path()) {
            Held::NoData => {}
            Held::Some(share) if !share.is_part() => held.push(line),
            _ if reason.is_some_and(|length| length > 0) => {
                left_out.push(format!("{line} ({})", row.notes()));
            }
            Held::Unknown(_) => unknown.push(line),
            Held::Some(_) => part.push(line),
            Held::Nothing => lost.push(line),
        }
    }
    let mut findings = Vec::new();
    let source = "the backups' catalogs";
    let fix = format!(
        "Add them to the backup. For data that nobody needs, write \"{LEFT_OUT}\" and the reason into its note."
    );
    for (lines, where_it_is) in [(lost, "in no backup"), (part, "in a backup only in part")] {
        if !lines.is_empty() {
            let title = format!("{} {where_it_is}", are(lines.len(), "data folder"));
            findings.push(Finding::fail(title).seen(source, lines.join("\n")).why(WHY).fix(&fix));
        }
    }
    if !unknown.is_empty() {
        let what = "Whether the backup holds the applications' data";
        let problem = format!("unknown for {}", several(unknown.len(), "data folder"));
        findings.push(
            Finding::could_not_check(what, problem)
                .seen("data folders", unknown.join("\n"))
                .why(WHY)
                .fix("Configure the backup job (`bkverify init`), correct the paths in the table, or run as a user who may \
                      read these folders."),
        );
    }
    if !held.is_empty() {
        let title = format!(
            "{} in a backup, with every file that has not changed since it was taken",
            are(held.len(), "data folder")
        );
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
        Finding::warn("No application was found: add yours to the table")
    } else if open.is_empty() {
        return Finding::pass("Every application has a plan, its vendor's word and its install media")
            .seen(place, rows.join("\n"));
    } else {
        // No tick answers this: the cells do.
        let title =
            format!("The table of applications is not filled in: {} of {} are open", open.len(), rows.len());
        Finding::fail(title).seen("still to fill in", open.join("\n"))
    };
    finding
        .seen(&place, rows.join("\n"))
        .why(WHY)
        .fix(format!(
            "Plan each application, ask its vendor how to migrate it, and find its install media. Fill in {place}; a dash \
             stands for what does not apply."
        ))
}

#[cfg(test)]
mod tests {
    use super::super::machine::tests::{TestMachine, recorded};
    use super::super::{BackupJob, Os};
    use super::*;
    use crate::plan::Filters;

    /// A machine whose `/srv/a` is backed up and whose `/srv/b` is not. Both are older than the
    /// backup.
    fn machine(backup: &std::path::Path) -> TestMachine {
        let made = recorded(Os::Linux, &[("dpkg-query", "")]).file("/var/lib/dpkg/status", "");
        let made = made.file("/srv/a/x", "four").file("/srv/b/y", "data");
        backed_up(made, backup)
    }

    fn backed_up(made: TestMachine, backup: &std::path::Path) -> TestMachine {
        std::fs::create_dir_all(backup.join("a")).unwrap();
        std::fs::write(backup.join("a/x"), "four").unwrap();
        // The time of a folder is that of its newest change at the top.
        std::fs::write(backup.join("now"), "").unwrap();
        let sources = vec![made.machine.root.join("srv")];
        let job = BackupJob { name: "n".into(), backup: backup.into(), sources, ..BackupJob::default() };
        made.with(|settings| settings.jobs = vec![job])
    }

    fn statuses(made: &TestMachine) -> Vec<Status> {
        CHECK.run(&made.visit()).iter().map(|finding| finding.status).collect()
    }

    fn table(made: &TestMachine) -> String {
        std::fs::read_to_string(made.machine.settings.table.join("applications.csv")).unwrap()
    }

    /// Writes the table anew.
    fn fill_in(made: &TestMachine, from: &str, to: &str) {
        let text = table(made);
        assert!(text.contains(from), "{text}");
        std::fs::write(made.machine.settings.table.join("applications.csv"), text.replace(from, to)).unwrap();
    }

    #[test]
    fn data_in_no_backup_fails_until_a_note_says_that_nobody_needs_it() {
        let backup = tempfile::tempdir().unwrap();
        let made = machine(backup.path());
        assert_eq!(statuses(&made), [Status::Fail, Status::Pass, Status::Fail]);
        assert!(table(&made).contains("b,/srv/b,,,,NOT IN ANY BACKUP"), "{}", table(&made));
        assert!(table(&made).contains("a,/srv/a,,,,in the backup: 1 of 1 file"), "{}", table(&made));
        fill_in(&made, "/srv/b,,,", "/srv/b,No backup exists yet - fix this!,-,-");
        assert_eq!(statuses(&made), [Status::Fail, Status::Pass, Status::Fail]);
        fill_in(&made, "No backup exists yet - fix this!", "No backup: scratch");
        assert_eq!(statuses(&made), [Status::Pass, Status::Waived, Status::Fail]);
        fill_in(&made, "/srv/a,,,", "/srv/a,ask Ann,-,-");
        assert_eq!(statuses(&made), [Status::Pass, Status::Waived, Status::Pass]);
    }

    #[test]
    fn one_file_of_many_in_the_backup_is_not_the_folder() {
        let backup = tempfile::tempdir().unwrap();
        let mut made = machine(backup.path());
        for number in 0..20 {
            made = made.file(&format!("/srv/a/{number}"), "1");
        }
        let made = backed_up(made, backup.path());
        assert_eq!(statuses(&made), [Status::Fail, Status::Fail, Status::Fail]);
        assert!(table(&made).contains("1 of 21 files; 20 missing, such as"), "{}", table(&made));
    }

    #[test]
    fn as_many_other_files_in_the_backup_are_not_the_folder() {
        let backup = tempfile::tempdir().unwrap();
        let made = machine(backup.path()).file("/srv/a/z", "four");
        std::fs::write(backup.path().join("a/other"), "four").unwrap();
        let made = backed_up(made, backup.path());
        assert_eq!(statuses(&made), [Status::Fail, Status::Fail, Status::Fail]);
    }

    #[test]
    fn a_folder_most_of_which_was_changed_since_the_backup_is_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("b.tar");
        let mut builder = tar::Builder::new(std::fs::File::create(&archive).unwrap());
        for (name, size) in [("srv/a/x", 4), ("srv/b/y", 4)] {
            let mut header = tar::Header::new_gnu();
            header.set_size(size);
            builder.append_data(&mut header, name, &b"four"[..]).unwrap();
        }
        let old = std::time::SystemTime::now() - Duration::from_secs(86_400);
        builder.into_inner().unwrap().set_modified(old).unwrap();
        let mut made = machine(&folder.path().join("unused"));
        for number in 0..3 {
            made = made.file(&format!("/srv/a/{number}"), "1");
        }
        let made = made.with(|settings| settings.jobs[0].backup = archive.into());
        assert_eq!(statuses(&made), [Status::CouldNotCheck, Status::Pass, Status::Fail]);
        assert!(table(&made).contains("1 of 4 files; 3 changed since"), "{}", table(&made));
    }

    #[test]
    fn what_a_jobs_filters_leave_out_is_not_in_its_backup() {
        let backup = tempfile::tempdir().unwrap();
        let made = machine(backup.path());
        let exclude = vec!["a/**".to_owned()];
        let made = made.with(|settings| settings.jobs[0].filters = Filters { exclude, ..Filters::default() });
        assert_eq!(statuses(&made), [Status::Fail, Status::Fail]);
    }

    #[test]
    fn a_path_in_the_table_that_does_not_exist_is_unknown() {
        let backup = tempfile::tempdir().unwrap();
        let made = machine(backup.path());
        statuses(&made);
        fill_in(&made, "b,/srv/b,", "Typo,/srv/bb,");
        assert!(statuses(&made).contains(&Status::CouldNotCheck));
    }

    #[test]
    fn without_a_backup_job_or_with_an_absent_backup_coverage_is_unknown() {
        let backup = tempfile::tempdir().unwrap();
        let made = machine(backup.path()).with(|settings| settings.jobs.clear());
        assert_eq!(statuses(&made), [Status::CouldNotCheck, Status::Fail]);
        let absent = machine(backup.path()).with(|settings| settings.jobs[0].backup = "/no/such".into());
        assert_eq!(statuses(&absent), [Status::CouldNotCheck, Status::Fail]);
    }
}
