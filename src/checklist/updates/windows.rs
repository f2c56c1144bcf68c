//! Windows Update, or the WSUS server that takes its place.

use jiff::Timestamp;

use super::super::findings::Finding;
use super::super::machine::Visit;
use super::super::phrases::several;
use super::super::powershell;
use super::super::probes::{Probed, ProbedItem};
use super::{WHY, WHY_REBOOT, pending};

/// Categories by their identifiers, which are the same in every language: security, critical,
/// service packs, update rollups.
const URGENT: [&str; 4] = [
    "0fa1201d-4330-4fa8-8ae9-b877473b6441",
    "e6cf1350-c01b-414d-a61f-263d14d133b4",
    "68c5b0a3-d1a6-4553-ae49-01d3a7827828",
    "28bc880e-0592-4cbf-8f95-c79b17911d5f",
];
/// The builds of Windows Server, and the day of their last updates (the end of extended support).
const LAST_UPDATES: [(&str, &str); 6] = [
    ("7601", "2020-01-14"),
    ("9200", "2023-10-10"),
    ("9600", "2023-10-10"),
    ("14393", "2027-01-12"),
    ("17763", "2029-01-09"),
    ("20348", "2031-10-14"),
];
/// `orcSucceeded` of `OperationResultCode`.
const SUCCEEDED: i64 = 2;
/// Programs also use `PendingFileRenameOperations` to delete their temporary files. Alone it is a
/// hint, not a proof.
const WEAK_SIGN: &str = "PendingFileRenameOperations";

pub(super) fn look(visit: &Visit<'_>) -> Vec<Finding> {
    powershell::judged(visit, "updates", "Pending updates", |probed| {
        let mut findings = judge(probed);
        findings.push(release(probed, visit.settings().now));
        findings
    })
}

fn judge(probed: &Probed) -> Vec<Finding> {
    let source = probed.first("source").and_then(|item| Some((item.truth("used")?, item.shown("wsus"))));
    let asked = match source {
        Some((true, server)) => format!("the WSUS server {server}"),
        Some((false, _)) => "Windows Update".to_owned(),
        None => "the update service".to_owned(),
    };
    let mut findings = vec![updates(probed, &asked), hidden(probed)];
    match source {
        Some((true, server)) => findings.push(unapproved(probed, server)),
        Some((false, _)) => {}
        None => findings
            .push(Finding::could_not_check("Which update service this server asks", probed.reason("source"))),
    }
    findings.push(restart(probed));
    findings
}

/// The updates that a search found, without those that are optional and not urgent, such as
/// drivers: a person chooses them.
fn found<'a>(probed: &'a Probed, part: &str) -> Result<Vec<&'a ProbedItem>, String> {
    let ends = probed.whole(part, "search")?;
    if ends.is_empty() || ends.iter().any(|end| end.number("code") != Some(SUCCEEDED)) {
        let codes: Vec<&str> = ends.iter().map(|end| end.shown("code")).collect();
        return Err(format!("the search ended with code {}, not 2 (succeeded)", codes.join(", ")));
    }
    let mut updates = probed.whole(part, "update")?;
    updates.retain(|item| item.truth("optional") != Some(true) || urgent(item));
    Ok(updates)
}

fn described(items: &[&ProbedItem]) -> Vec<String> {
    let line = |item: &&ProbedItem| match item.text("severity") {
        Some(severity) => format!("{} ({severity})", item.shown("title")),
        None => item.shown("title").to_owned(),
    };
    items.iter().map(line).collect()
}

fn updates(probed: &Probed, asked: &str) -> Finding {
    match found(probed, "updates") {
        Ok(wanted) => {
            let security: Vec<&ProbedItem> = wanted.iter().copied().filter(|item| urgent(item)).collect();
            pending(
                &described(&wanted),
                &described(&security),
                asked,
                "Settings (on older servers Control Panel), Windows Update, Check for updates.",
            )
        }
        Err(problem) => Finding::could_not_check("Pending updates", format!("{asked}: {problem}"))
            .fix("Check that the service wuauserv may run and that the update server answers."),
    }
}

/// Updates that somebody has hidden, which keeps Windows from installing them.
fn hidden(probed: &Probed) -> Finding {
    let what = "Updates that somebody has hidden";
    match found(probed, "hidden") {
        Err(problem) => Finding::could_not_check(what, problem),
        Ok(found) if found.is_empty() => Finding::pass("No update is hidden").seen(what, "none"),
        Ok(found) => Finding::warn(format!("Somebody has hidden {}", several(found.len(), "update")))
            .seen(what, described(&found).join("\n"))
            .why(WHY)
            .fix("Windows Update, Restore hidden updates."),
    }
}

/// What Windows Update offers and WSUS does not: updates that nobody has approved there.
fn unapproved(probed: &Probed, server: &str) -> Finding {
    let what = format!("Updates that the WSUS server {server} has not approved");
    let fix = "Approve them in WSUS, or install them by hand before the migration.";
    let offered = match found(probed, "unapproved") {
        Ok(offered) => offered,
        Err(problem) => return Finding::could_not_check(&what, problem).why(WHY).fix(fix),
    };
    let approved: Vec<&str> = match found(probed, "updates") {
        Ok(approved) => approved.iter().filter_map(|item| item.text("id")).collect(),
        Err(problem) => return Finding::could_not_check(&what, problem).why(WHY).fix(fix),
    };
    let is_new = |item: &&ProbedItem| item.text("id").is_none_or(|id| !approved.contains(&id));
    let missing: Vec<&ProbedItem> = offered.into_iter().filter(is_new).collect();
    if missing.is_empty() {
        return Finding::pass(format!("The WSUS server {server} withholds no update of Windows itself"))
            .seen("Windows Update, which offers no other products", "none");
    }
    let title = format!("The WSUS server {server} has not approved {}", several(missing.len(), "update"));
    let is_urgent = missing.iter().any(|item| urgent(item));
    let finding = if is_urgent { Finding::fail(title) } else { Finding::warn(title) };
    finding.seen("Windows Update", described(&missing).join("\n")).why(WHY).fix(fix)
}

fn urgent(item: &ProbedItem) -> bool {
    let kinds = item.list("kinds");
    // Without its categories nobody can say that an update is not urgent.
    kinds.is_empty()
        || matches!(item.text("severity"), Some("Critical" | "Important"))
        || kinds.iter().any(|kind| URGENT.iter().any(|urgent| kind.eq_ignore_ascii_case(urgent)))
}

/// Until when Microsoft updates this release. Workstations share builds with servers, but not
/// dates.
fn release(probed: &Probed, now: Timestamp) -> Finding {
    let source = "Win32_OperatingSystem";
    let Some(item) = probed.first("release") else {
        return Finding::could_not_check("Until when this release gets updates", probed.reason("release"));
    };
    let name = item.shown("name");
    let evidence = format!("{name}, build {}", item.shown("build"));
    let is_server = item.number("type").is_some_and(|kind| kind != 1);
    let known = LAST_UPDATES.iter().find(|(build, _)| is_server && item.text("build") == Some(build));
    let Some((_, date)) = known else {
        return Finding::manual("release", format!("Look up until when {name} gets updates"))
            .seen(source, evidence)
            .fix("Microsoft's pages on product lifecycle tell it.");
    };
    if now.strftime("%Y-%m-%d").to_string().as_str() <= *date {
        return Finding::pass(format!("{name} gets updates until {date}")).seen(source, evidence);
    }
    Finding::warn(format!("{name} got its last updates on {date}")).seen(source, evidence).why(WHY).fix(
        "Only paid Extended Security Updates go on. Keep the server off the Internet until it is migrated.",
    )
}

fn restart(probed: &Probed) -> Finding {
    let Some(item) = probed.first("restart") else {
        return Finding::could_not_check("Whether a restart is pending", probed.reason("restart"));
    };
    let Some(signs) = item.listed("signs") else {
        return Finding::could_not_check("Whether a restart is pending", "the probe lists no signs");
    };
    let finding = match signs[..] {
        [] => return Finding::pass("No restart is pending").seen("registry", "no sign of it"),
        [WEAK_SIGN] => Finding::warn("A restart may be pending: files are waiting to be replaced"),
        _ => Finding::fail("A restart is pending"),
    };
    finding.seen("registry", signs.join("\n")).why(WHY_REBOOT).fix("Restart the server before the migration.")
}

#[cfg(test)]
mod tests {
    use super::super::super::Status::{self, CouldNotCheck, Fail, Manual, Pass, Warn};
    use super::super::super::probes::parse;
    use super::super::super::probes::tests::printed;
    use super::*;

    const PENDING: &str = include_str!("../../../tests/data/checklist/windows/updates-pending-german.txt");
    const END: &str = r#"{"kind":"search","code":"2"}"#;
    const NO_WSUS: &str = r#"{"kind":"source","wsus":"","used":"False"}"#;
    const WSUS: &str = r#"{"kind":"source","wsus":"http://wsus:8530","used":"True"}"#;
    const UPDATE: &str =
        r#"{"kind":"update","id":"7","title":"KB1","kinds":["0FA1201D-4330-4FA8-8AE9-B877473B6441"]}"#;

    fn judged(recorded: &str) -> Vec<Finding> {
        judge(&parse(recorded).unwrap())
    }

    fn statuses(recorded: &str) -> Vec<Status> {
        judged(recorded).iter().map(|finding| finding.status).collect()
    }

    fn signs(signs: &str) -> String {
        format!(r#"{{"kind":"restart","signs":[{signs}]}}"#)
    }

    #[test]
    fn security_updates_and_a_pending_restart_fail_in_any_language() {
        assert_eq!(statuses(PENDING), [Fail, Pass, Fail]);
        assert_eq!(judged(PENDING)[0].title, "1 security update is pending, 2 updates in all");
    }

    #[test]
    fn a_current_server_passes_and_a_weak_sign_of_a_restart_warns() {
        let with = |found: &str| {
            statuses(&printed(&[
                ("source", NO_WSUS, ""),
                ("updates", END, ""),
                ("hidden", END, ""),
                ("restart", &signs(found), ""),
            ]))
        };
        assert_eq!(with(""), [Pass; 3]);
        assert_eq!(with("\"PendingFileRenameOperations\""), [Pass, Pass, Warn]);
        let restart = r#"{"kind":"restart"}"#;
        let without = printed(&[("source", NO_WSUS, ""), ("updates", END, ""), ("restart", restart, "")]);
        assert_eq!(statuses(&without), [Pass, CouldNotCheck, CouldNotCheck], "the signs are missing");
    }

    #[test]
    fn wsus_must_answer_and_what_it_withholds_fails() {
        let both = format!("{UPDATE},{END}");
        let none = signs("");
        let with = |approved: (&str, &str), offered: (&str, &str)| {
            let parts = [
                ("source", WSUS, ""),
                ("updates", approved.0, approved.1),
                ("restart", none.as_str(), ""),
                ("unapproved", offered.0, offered.1),
            ];
            let found = statuses(&printed(&parts));
            [found[0], found[2]]
        };
        assert_eq!(with((END, ""), (&both, "")), [Pass, Fail]);
        assert_eq!(with((&both, ""), (&both, "")), [Fail, Pass]);
        assert_eq!(with((END, ""), ("", "failed")), [Pass, CouldNotCheck]);
        assert_eq!(with(("", "failed"), (&both, "")), [CouldNotCheck, CouldNotCheck]);
    }

    #[test]
    fn a_release_without_updates_warns_and_one_that_is_not_known_is_looked_up() {
        let with = |item: &str| {
            let probed = parse(&printed(&[("release", item, "")])).unwrap();
            release(&probed, "2026-11-20T12:00:00Z".parse().unwrap()).status
        };
        let item = r#"{"kind":"release","name":"Windows Server 2012","build":"9200","type":"2"}"#;
        assert_eq!(with(item), Warn);
        assert_eq!(with(&item.replace("9200", "20348")), Pass);
        assert_eq!(with(&item.replace("9200", "99999")), Manual);
        assert_eq!(with(&item.replace("\"type\":\"2\"", "\"type\":\"1\"")), Manual);
        assert_eq!(with(&item.replace("type", "typ")), Manual);
        assert_eq!(with(""), CouldNotCheck);
    }

    #[test]
    fn optional_and_hidden_updates_for_security_are_told() {
        let with = |item: &str, part: &str, place: usize| {
            let text = printed(&[("source", NO_WSUS, ""), (part, &format!("{item},{END}"), "")]);
            statuses(&text)[place]
        };
        let optional = UPDATE.replace("\"title\"", "\"optional\":\"True\",\"title\"");
        assert_eq!(with(&optional, "updates", 0), Fail);
        assert_eq!(with(&optional.replace("0FA1201D", "EBFC1FC5"), "updates", 0), Pass, "a driver");
        assert_eq!(with(UPDATE, "hidden", 1), Warn);
    }

    #[test]
    fn a_search_that_did_not_succeed_or_lost_its_members_is_unknown() {
        let with = |items: &str| statuses(&printed(&[("source", NO_WSUS, ""), ("updates", items, "")]))[0];
        assert_eq!(with(&END.replace('2', "5")), CouldNotCheck);
        assert_eq!(with(&END.replace('2', "Erfolgreich")), CouldNotCheck);
        assert_eq!(with(UPDATE), CouldNotCheck);
        let bare = r#"{"kind":"update","title":"KB1"}"#;
        assert_eq!(with(&format!("{bare},{END}")), Fail, "an update without its categories may be urgent");
        assert_eq!(with(&format!("{END},{}", END.replace('2', "4"))), CouldNotCheck, "a second search");
        assert_eq!(statuses(&printed(&[])), [CouldNotCheck; 4]);
        assert_eq!(statuses(PENDING.lines().next().unwrap()), [CouldNotCheck; 4]);
    }
}
