//! What Windows Server Backup says about its backups.

use jiff::Timestamp;

use super::super::findings::Finding;
use super::super::machine::Visit;
use super::super::machine::duration_words;
use super::super::powershell::{self, Probed, ProbedItem};

pub(super) const SCRIPT: &str = include_str!("../scripts/backup.ps1");
const WHY: &str = "A migration begins with a backup that can restore the source server.";
const FIX: &str = "Run it now: `wbadmin start backup`, then check `wbadmin get versions`.";
/// A backup older than this, in seconds, is not a base for a migration.
const LIMIT: i64 = 2 * 86_400;

pub(super) fn look(visit: &Visit<'_>) -> Vec<Finding> {
    match powershell::ask(visit, SCRIPT) {
        Ok(probed) => judge(&probed, visit.settings().now),
        Err(problem) => vec![Finding::could_not_check("Windows Server Backup", problem)],
    }
}

fn judge(probed: &Probed, now: Timestamp) -> Vec<Finding> {
    let summary = match probed.first("summary") {
        Some(summary) => judge_summary(summary, now),
        None => match probed.problem("summary") {
            Some(missing) if missing.kind == "missing" => {
                // Another program may make the backups. The configured jobs cover that.
                return vec![
                    Finding::not_applicable("Windows Server Backup is not installed")
                        .seen("Get-WBSummary", &missing.text),
                ];
            }
            _ => Finding::could_not_check("Windows Server Backup", probed.reason("summary")),
        },
    };
    vec![summary, judge_events(probed)]
}

fn judge_summary(summary: &ProbedItem, now: Timestamp) -> Finding {
    let source = "Get-WBSummary";
    let evidence = format!(
        "last success {}, last run {}, result {}, versions {}\n{}",
        summary.shown("success"),
        summary.shown("last"),
        summary.shown("result"),
        summary.shown("versions"),
        summary.text("message").unwrap_or_default(),
    );
    // The result is an unsigned HRESULT: 2155348129 is 0x807800A1.
    let Some(result) = summary.number("result") else {
        return Finding::could_not_check("Windows Server Backup", "its last result is not a number")
            .seen(source, evidence);
    };
    // Windows reports the year 1 if there never was a backup.
    let success = summary.time("success").filter(|time| time.as_second() > 0);
    let finding = match success {
        None => Finding::fail("Windows Server Backup has never made a backup of this server"),
        Some(_) if result != 0 => {
            Finding::fail(format!("The last run of Windows Server Backup failed (0x{result:08X})"))
        }
        Some(_) if summary.number("versions") == Some(0) => {
            Finding::fail("Windows Server Backup has no version to restore from")
        }
        Some(success) => {
            let age = now.as_second() - success.as_second();
            let title = format!("Windows Server Backup last succeeded {} ago", duration_words(age));
            if age <= LIMIT {
                return Finding::pass(title).seen(source, evidence);
            }
            Finding::fail(title)
        }
    };
    finding.seen(source, evidence).why(WHY).fix(FIX)
}

fn judge_events(probed: &Probed) -> Finding {
    let source = "event log Microsoft-Windows-Backup";
    if probed.first("events").is_none() {
        return Finding::could_not_check("The events of Windows Server Backup", probed.reason("events"));
    }
    let lines: Vec<String> = probed
        .part("event")
        .map(|event| {
            format!("{} event {}: {}", event.shown("time"), event.shown("id"), event.shown("message"))
        })
        .collect();
    let newest = |id: i64| {
        probed
            .part("event")
            .filter(|event| event.number("id") == Some(id))
            .filter_map(|event| event.time("time"))
            .max()
    };
    let finding = match (newest(4), newest(5), newest(50)) {
        (None, None, None) => {
            Finding::warn("Windows Server Backup neither started nor finished a backup in the last 14 days")
        }
        (good, Some(bad), _) if good.is_none_or(|good| bad > good) => {
            Finding::fail("The newest event of Windows Server Backup is a failure")
        }
        (_, _, Some(_)) => Finding::warn("Windows Server Backup is running out of space"),
        _ => {
            return Finding::pass("The newest event of Windows Server Backup is a success")
                .seen(source, lines.join("\n"));
        }
    };
    finding.seen(source, lines.join("\n")).why(WHY).fix(FIX)
}

#[cfg(test)]
mod tests {
    use super::super::super::Status;
    use super::super::super::powershell::parse;
    use super::*;

    fn statuses(recorded: &str) -> Vec<Status> {
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        judge(&parse(recorded).unwrap(), now).iter().map(|finding| finding.status).collect()
    }

    #[test]
    fn a_recent_success_passes() {
        let good = include_str!("../../../tests/data/checklist/windows/backup-good.json");
        assert_eq!(statuses(good), [Status::Pass, Status::Pass]);
    }

    #[test]
    fn a_result_that_needs_32_bits_is_shown_as_a_failure_code() {
        let failed = include_str!("../../../tests/data/checklist/windows/backup-failed.json");
        assert_eq!(statuses(failed), [Status::Fail, Status::Fail]);
        let findings = judge(&parse(failed).unwrap(), "2026-11-20T12:00:00Z".parse().unwrap());
        assert_eq!(findings[0].title, "The last run of Windows Server Backup failed (0x807800A1)");
    }

    #[test]
    fn a_server_that_was_never_backed_up_fails() {
        let never = include_str!("../../../tests/data/checklist/windows/backup-never.json");
        assert_eq!(statuses(never), [Status::Fail, Status::Warn]);
    }

    #[test]
    fn a_missing_feature_is_not_applicable_and_a_denied_query_is_unknown() {
        let missing =
            r#"{"items":[],"problems":[{"part":"summary","kind":"missing","text":"Get-WBSummary"}]}"#;
        assert_eq!(statuses(missing), [Status::NotApplicable]);
        let denied = missing.replace("missing", "denied");
        assert_eq!(statuses(&denied), [Status::CouldNotCheck, Status::CouldNotCheck]);
    }
}
