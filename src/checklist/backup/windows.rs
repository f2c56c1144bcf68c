//! What Windows Server Backup says about its backups.

use jiff::Timestamp;

use super::super::findings::Finding;
use super::super::machine::Visit;
use super::super::machine::duration_words;
use super::super::powershell;
use super::super::probes::{Probed, ProbedItem};

const WHY: &str = "A migration begins with a backup that can restore the source server.";
const FIX: &str = "Run it now: `wbadmin start backup`, then check `wbadmin get versions`.";
/// A backup older than this, in seconds, is not a base for a migration.
const LIMIT: i64 = 2 * 86_400;

pub(super) fn look(visit: &Visit<'_>) -> Vec<Finding> {
    powershell::judged(visit, "backup", "Windows Server Backup", |probed| judge(probed, visit.settings().now))
}

fn judge(probed: &Probed, now: Timestamp) -> Vec<Finding> {
    if let Some(missing) = probed.missing("summary") {
        // Another program may make the backups. The configured jobs cover that.
        let finding = Finding::not_applicable("Windows Server Backup is not installed");
        return vec![finding.seen("Import-Module WindowsServerBackup", missing)];
    }
    let one = |kind: &str, what: &str, judge: &dyn Fn(&ProbedItem) -> Finding| {
        let items = probed.whole("summary", kind);
        match items.and_then(|items| items.first().copied().ok_or_else(|| probed.reason("summary"))) {
            Ok(item) => judge(item),
            Err(problem) => Finding::could_not_check(what, problem),
        }
    };
    let mut findings = vec![
        one("summary", "Windows Server Backup", &|item| judge_summary(item, now)),
        one("policy", "What the backup's schedule covers", &judge_policy),
    ];
    findings.push(judge_events(probed));
    findings
}

fn judge_summary(summary: &ProbedItem, now: Timestamp) -> Finding {
    let source = "Get-WBSummary";
    let evidence = summary.list("all").join("\n");
    let unknown = |problem: &str| {
        Finding::could_not_check("Windows Server Backup", problem).seen(source, evidence.clone())
    };
    // The result is an unsigned HRESULT: 2155348129 is 0x807800A1.
    let Some(result) = summary.number("result") else { return unknown("its last result is not a number") };
    let Some(versions) = summary.number("versions") else {
        return unknown("it does not say how many versions there are");
    };
    // Windows reports the year 1, or nothing, if there never was a backup.
    let success = summary.time("success").filter(|time| time.as_second() > 0);
    let finding = match success {
        None => Finding::fail("Windows Server Backup has never made a backup of this server"),
        Some(_) if result != 0 => Finding::fail(format!(
            "The last run of Windows Server Backup failed (0x{:08X})",
            result & 0xFFFF_FFFF
        )),
        Some(_) if versions == 0 => Finding::fail("Windows Server Backup has no version to restore from"),
        Some(success) => {
            let age = now.as_second() - success.as_second();
            if age < -300 {
                return unknown("its last success lies in the future; correct the clock");
            }
            let title = format!("Windows Server Backup last succeeded {} ago", duration_words(age));
            if age <= LIMIT {
                return Finding::pass(title).seen(source, evidence);
            }
            Finding::fail(title)
        }
    };
    finding.seen(source, evidence).why(WHY).fix(FIX)
}

/// The published checklist asks for a full backup.
fn judge_policy(policy: &ProbedItem) -> Finding {
    let source = "Get-WBPolicy";
    let evidence = policy.list("all").join("\n");
    let finding = match (policy.truth("absent"), policy.truth("metal")) {
        (Some(true), _) => {
            Finding::warn("Windows Server Backup has no schedule").seen(source, "there is no policy")
        }
        (_, Some(true)) => {
            return Finding::pass("The schedule of Windows Server Backup covers bare metal recovery")
                .seen(source, evidence);
        }
        (_, Some(false)) => {
            Finding::warn("The schedule of Windows Server Backup covers no bare metal recovery")
                .seen(source, evidence)
        }
        (_, None) => {
            return Finding::could_not_check(
                "What the backup's schedule covers",
                "its policy does not say whether it covers bare metal recovery",
            )
            .seen(source, evidence);
        }
    };
    finding
        .why("Only a full backup brings back the server as it was before the migration.")
        .fix("Windows Server Backup, Backup Schedule: choose Full server. Or once: `wbadmin start backup -allCritical`.")
}

fn judge_events(probed: &Probed) -> Finding {
    let source = "event log Microsoft-Windows-Backup";
    let what = "The events of Windows Server Backup";
    let events = match probed.whole("events", "event") {
        Ok(events) => events,
        Err(problem) => return Finding::could_not_check(what, problem),
    };
    let line = |event: &&ProbedItem| {
        format!("{} event {}: {}", event.shown("time"), event.shown("id"), event.shown("message"))
    };
    let lines: Vec<String> = events.iter().map(line).collect();
    let (mut good, mut bad) = (None, None);
    for event in &events {
        let (Some(id), Some(time)) = (event.number("id"), event.time("time")) else {
            return Finding::could_not_check(what, "an event came without its number or time")
                .seen(source, lines.join("\n"));
        };
        let newest = if id == 4 { &mut good } else { &mut bad };
        *newest = (*newest).max(Some(time));
    }
    let finding = match (good, bad) {
        (None, None) => {
            Finding::warn("Windows Server Backup neither finished nor failed a backup in the last 14 days")
        }
        (good, Some(bad)) if good.is_none_or(|good| bad > good) => {
            Finding::fail("The newest event of Windows Server Backup is a failure")
        }
        _ => {
            return Finding::pass("The newest event of Windows Server Backup is a success")
                .seen(source, lines.join("\n"));
        }
    };
    finding.seen(source, lines.join("\n")).why(WHY).fix(FIX)
}

#[cfg(test)]
mod tests {
    use super::super::super::Status::{self, CouldNotCheck, Fail, NotApplicable, Pass, Warn};
    use super::super::super::probes::parse;
    use super::super::super::probes::tests::printed;
    use super::*;

    const GOOD: &str = include_str!("../../../tests/data/checklist/windows/backup-good.txt");

    fn judged(recorded: &str) -> Vec<Finding> {
        judge(&parse(recorded).unwrap(), "2026-11-20T12:00:00Z".parse().unwrap())
    }

    fn statuses(recorded: &str) -> Vec<Status> {
        judged(recorded).iter().map(|finding| finding.status).collect()
    }

    #[test]
    fn a_recent_full_success_passes() {
        assert_eq!(statuses(GOOD), [Pass, Pass, Pass]);
    }

    #[test]
    fn a_result_that_needs_32_bits_is_shown_as_a_failure_code() {
        let failed = include_str!("../../../tests/data/checklist/windows/backup-failed.txt");
        assert_eq!(statuses(failed), [Fail, Warn, Fail]);
        assert_eq!(judged(failed)[0].title, "The last run of Windows Server Backup failed (0x807800A1)");
    }

    #[test]
    fn a_server_that_was_never_backed_up_fails() {
        let never = include_str!("../../../tests/data/checklist/windows/backup-never.txt");
        assert_eq!(statuses(never), [Fail, Warn, Warn]);
    }

    #[test]
    fn event_50_is_a_failure_like_every_other_error() {
        let with = |id: &str| {
            let event = |id: &str, time: &str| format!(r#"{{"kind":"event","id":"{id}","time":"{time}"}}"#);
            let items =
                format!("{},{}", event("4", "2026-11-19T01:00:00Z"), event(id, "2026-11-20T01:00:00Z"));
            statuses(&printed(&[("summary", "", "failed"), ("events", &items, "")]))[2]
        };
        assert_eq!([with("50"), with("5"), with("517"), with("4")], [Fail, Fail, Fail, Pass]);
    }

    #[test]
    fn a_missing_feature_is_not_applicable_but_one_that_fails_to_load_is_unknown() {
        assert_eq!(statuses(&printed(&[("summary", "", "missing")])), [NotApplicable]);
        assert_eq!(statuses(&printed(&[("summary", "", "failed")])), [CouldNotCheck; 3]);
        assert_eq!(statuses(&printed(&[("summary", "", "denied")])), [CouldNotCheck; 3]);
    }
}
