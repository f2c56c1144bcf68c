//! `directory`: Active Directory is in a state that a new domain controller can join.
//!
//! Only values that no language changes are judged: numbers of the directory, the columns of
//! `repadmin /csv`, and whether `dcdiag /q`, which prints nothing but errors, prints anything.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::alerts::{Events, events};
use super::check::Check;
use super::findings::Finding;
use super::machine::Visit;
use super::phrases::several;
use super::powershell;
use super::probes::{Probed, ProbedItem};

const WHY: &str =
    "The destination becomes a domain controller of this directory and copies it with its faults.";
/// Functional levels by number, with the versions of Windows Server that they are named after.
const LEVELS: [(i64, &str); 9] = [
    (0, "2000"),
    (1, "2003 interim"),
    (2, "2003"),
    (3, "2008"),
    (4, "2008 R2"),
    (5, "2012"),
    (6, "2012 R2"),
    (7, "2016"),
    (10, "2025"),
];
/// The lowest level that a domain controller with Windows Server 2019 or 2022 can join.
const LOWEST: i64 = 3;
/// The lowest level that a domain controller with Windows Server 2025 can join.
const FOR_2025: i64 = 7;
/// `msDFSR-Flags` once SYSVOL is replicated by DFSR alone ("Eliminated").
const ELIMINATED: i64 = 48;

/// The longest time since a partner last replicated, in seconds. repadmin tells the local time of
/// that server, so that up to 14 hours of it may be its zone.
const SILENCE: i64 = 38 * 3_600;
/// The logs of the directory's services.
const LOGS: [&str; 4] = ["Directory Service", "DFS Replication", "File Replication Service", "DNS Server"];
/// Events after which SYSVOL is no longer replicated: 2213 (DFSR has stopped after a crash) and
/// 13568 (the journal of FRS has wrapped).
const STOPPED: [&str; 2] = [" 2213,", " 13568,"];

/// The check.
pub(super) static CHECK: Check = Check {
    name: "directory",
    title: "Active Directory",
    asks: "The directory is healthy, at a level that the destination can join, and SYSVOL is replicated by DFSR.",
    steps: &[],
    // dcdiag takes minutes on a slow server.
    patience: Duration::from_secs(300),
    linux: |_| vec![Finding::not_applicable("Active Directory is looked at on Windows only")],
    windows: look,
};

fn look(visit: &Visit<'_>) -> Vec<Finding> {
    powershell::judged(visit, "directory", "Active Directory", judge)
}

fn judge(probed: &Probed) -> Vec<Finding> {
    let role = probed.first("role").and_then(|item| item.number("role"));
    match role {
        // 4 and 5 are domain controllers.
        Some(4 | 5) => {}
        Some(0..=3) => return vec![Finding::not_applicable("This server is no domain controller")],
        _ => return vec![Finding::could_not_check("The role of this server", probed.reason("role"))],
    }
    let part = |name: &str, what: &str, judge: fn(&ProbedItem) -> Finding| match probed.first(name) {
        Some(item) => judge(item),
        None => Finding::could_not_check(what, probed.reason(name)),
    };
    vec![
        part("levels", "The functional levels", levels),
        part("masters", "The operations masters", masters),
        part("sysvol", "How SYSVOL is replicated", sysvol),
        replication(probed).unwrap_or_else(|problem| Finding::could_not_check("The replication", problem)),
        part("diagnosis", "The diagnosis of dcdiag", diagnosis),
        logs(probed),
    ]
}

fn levels(item: &ProbedItem) -> Finding {
    let source = "RootDSE";
    let (Some(domain), Some(forest)) = (item.number("domain"), item.number("forest")) else {
        return Finding::could_not_check("The functional levels", "the directory does not tell them");
    };
    let name = |level: i64| {
        let known = LEVELS.iter().find(|(number, _)| *number == level);
        known.map_or_else(|| format!("number {level}"), |(_, name)| (*name).to_owned())
    };
    let title =
        format!("The domain is at the functional level of {}, the forest at {}", name(domain), name(forest));
    let evidence = format!(
        "domainFunctionality {domain}, forestFunctionality {forest}, schema version {}",
        item.shown("schema")
    );
    if domain >= LOWEST && forest >= LOWEST {
        let lowest = domain.min(forest);
        let title =
            if lowest < FOR_2025 { format!("{title}: too low for Windows Server 2025") } else { title };
        return Finding::pass(title).seen(source, evidence);
    }
    Finding::fail(format!("{title}: too low for Windows Server 2019 and later")).seen(source, evidence).why(WHY).fix(
        "Raise both to 2008 or higher once no older domain controller is left: Active Directory Domains and Trusts. \
         Windows Server 2025 needs 2016.",
    )
}

fn masters(item: &ProbedItem) -> Finding {
    let roles = [
        ("pdc", "PDC emulator"),
        ("rid", "RID master"),
        ("infrastructure", "infrastructure master"),
        ("schema", "schema master"),
        ("naming", "domain naming master"),
    ];
    let missing: Vec<&str> =
        roles.iter().filter(|(key, _)| item.text(key).is_none()).map(|(_, name)| *name).collect();
    let lines: Vec<String> = roles.iter().map(|(key, name)| format!("{name}: {}", item.shown(key))).collect();
    let elsewhere: Vec<&str> =
        roles.iter().filter(|(key, _)| item.text(key) != item.text("here")).map(|(_, name)| *name).collect();
    let finding = if item.text("here").is_none() || !missing.is_empty() {
        Finding::could_not_check("The operations masters", "the directory does not name all of them")
    } else if elsewhere.is_empty() {
        Finding::pass("This server is all five operations masters")
    } else {
        Finding::warn(format!("Another server is {}", elsewhere.join(", ")))
            .why("Setup transfers the roles from the source server, and Essentials stops if it does not hold them.")
            .fix("Transfer them here before the migration: `ntdsutil roles`, or Move-ADDirectoryServerOperationMasterRole.")
    };
    finding.seen("fSMORoleOwner", lines.join("\n"))
}

fn sysvol(item: &ProbedItem) -> Finding {
    let what = "How SYSVOL is replicated";
    let source = "msDFSR-Flags of CN=DFSR-GlobalSettings";
    let finding = match (item.truth("dfsr"), item.number("flags")) {
        (Some(true), Some(ELIMINATED)) => {
            return Finding::pass("SYSVOL is replicated by DFSR").seen(source, "48");
        }
        (Some(true), Some(0 | 16 | 32)) => {
            Finding::fail("The migration of SYSVOL from FRS to DFSR is not finished")
        }
        (Some(false), _) => {
            Finding::fail("SYSVOL is replicated by FRS, so that Windows Server 2019 and later cannot join")
        }
        _ => return Finding::could_not_check(what, "the directory does not tell the state of its migration"),
    };
    finding
        .seen(source, item.text("flags").unwrap_or("there is no such object"))
        .why("Windows Server 2019 and later cannot join a domain whose SYSVOL is replicated by FRS. Waive it for an older one.")
        .fix(
            "`dfsrmig /getglobalstate` shows the state. Then dfsrmig /setglobalstate 1, 2 and 3, each after \
             `dfsrmig /getmigrationstate` reports that all domain controllers have reached the one before.",
        )
}

/// `repadmin /showrepl /csv` prints a line of column names and one line for each partner: `kind,
/// site, server, context, site of the partner, partner, transport, failures, time of the last
/// failure, time of the last success, status of the last failure`.
fn replication(probed: &Probed) -> Result<Finding, String> {
    let (what, source) = ("The replication", "repadmin /showrepl /csv");
    let all = probed.whole("replication", "replication")?;
    let item = all.first().ok_or("the probe printed nothing about it")?;
    let lines = item.list("lines");
    let said = lines.join("\n");
    if item.number("code") != Some(0) || !lines.iter().any(|line| line.starts_with("showrepl_COLUMNS")) {
        return Ok(Finding::could_not_check(what, "repadmin's answer is not understood").seen(source, said));
    }
    let now = probed.taken().ok_or("the probe does not say when it ran")?;
    let mut failing = Vec::new();
    let mut partners = 0;
    for line in
        lines.iter().filter(|line| line.starts_with("showrepl_") && !line.starts_with("showrepl_COLUMNS"))
    {
        partners += 1;
        if let Some(problem) = link_problem(line, now)? {
            failing.push(problem);
        }
    }
    let controllers = probed.first("controllers").and_then(|item| item.number("count"));
    let finding = match (failing.is_empty(), partners, controllers) {
        (true, 0, Some(1)) => Finding::pass("This is the only domain controller"),
        (true, 0, None | Some(..1)) => {
            return Err("no partner is listed, and how many controllers there are is not told".to_owned());
        }
        (true, 1.., _) => {
            Finding::pass(format!("The replication with {} works", several(partners, "partner")))
        }
        (true, 0, Some(number)) => {
            Finding::fail(format!("There are {number} domain controllers, but this one replicates with none"))
        }
        (false, ..) => Finding::fail(format!(
            "The replication with {} fails: {}",
            several(failing.len(), "partner"),
            failing.join("; ")
        )),
    };
    Ok(finding.seen(source, said).why(WHY).fix(
        "`repadmin /replsummary`, and the event log Directory Service. Remove controllers that are gone for good.",
    ))
}

/// What is wrong with one partner, by its line.
fn link_problem(line: &str, now: Timestamp) -> Result<Option<String>, String> {
    let unreadable = || format!("a line of repadmin is not understood: {line}");
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(line.as_bytes());
    let record = reader.records().next().and_then(Result::ok).ok_or_else(unreadable)?;
    let partner = record.get(5).ok_or_else(unreadable)?;
    if !line.starts_with("showrepl_INFO") {
        return Ok(Some(format!("{partner}: an error")));
    }
    let number = |index: usize| record.get(index).and_then(|field| field.trim().parse::<u64>().ok());
    let (failures, status) = (number(7).ok_or_else(unreadable)?, number(10).ok_or_else(unreadable)?);
    if failures > 0 || status > 0 {
        return Ok(Some(format!("{partner}: {failures} failures, status {status}")));
    }
    let success = record.get(9).ok_or_else(unreadable)?.trim();
    if success == "0" {
        return Ok(Some(format!("{partner}: it never succeeded")));
    }
    let time = DateTime::strptime("%Y-%m-%d %H:%M:%S", success).and_then(|time| time.to_zoned(TimeZone::UTC));
    let age = now.as_second() - time.map_err(|_| unreadable())?.timestamp().as_second();
    Ok((age > SILENCE).then(|| format!("{partner}: it last succeeded at {success}")))
}

/// The logs of the directory's services. Those of services that are not here do not exist.
fn logs(probed: &Probed) -> Finding {
    let (mut found, mut read, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for log in LOGS {
        match events(probed, &format!("log {log}")) {
            Ok(None) => {}
            Ok(Some(Events { errors, lines, .. })) => {
                read.push(format!("{log}: {errors} errors"));
                found.extend(lines.iter().map(|line| format!("{log}: {line}")));
            }
            Err(problem) => unknown.push(format!("{log}: {problem}")),
        }
    }
    let stopped = found.iter().any(|line| STOPPED.iter().any(|id| line.contains(id)));
    let what = "The event logs of the directory";
    let finding = if stopped {
        Finding::fail("SYSVOL is no longer replicated, its event log says")
    } else if !unknown.is_empty() || read.is_empty() {
        return Finding::could_not_check(what, unknown.join("; ")).seen("event logs", read.join("\n"));
    } else if !found.is_empty() {
        Finding::warn(format!("{what} hold errors of the last 7 days"))
    } else {
        return Finding::pass(format!("{what} hold no errors of the last 7 days"))
            .seen("event logs", read.join("\n"));
    };
    finding.seen("event logs", found.join("\n")).why(WHY).fix("Each event's text says what to do.")
}

fn diagnosis(item: &ProbedItem) -> Finding {
    let source = "dcdiag /q /skip:SystemLog";
    let Some(lines) = item.listed("lines") else {
        return Finding::could_not_check("The diagnosis of dcdiag", "its output is missing");
    };
    let said: Vec<&str> = lines.into_iter().filter(|line| !line.trim().is_empty()).collect();
    match (item.number("code"), said.is_empty()) {
        (Some(0), true) => Finding::pass("dcdiag finds nothing wrong").seen(source, "no errors"),
        (_, false) => Finding::fail("dcdiag finds errors")
            .seen(source, said.join("\n"))
            .why(WHY)
            .fix("`dcdiag /v` tells more. Fix each error, or waive it with its reason."),
        (code, true) => {
            let code = code.map_or_else(|| "-".to_owned(), |code| code.to_string());
            Finding::could_not_check("The diagnosis of dcdiag", format!("it ended with code {code}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status::{self, CouldNotCheck, Fail, NotApplicable, Pass, Warn};
    use super::super::probes::parse;
    use super::super::probes::tests::printed;
    use super::*;

    const HEALTHY: &str = include_str!("../../tests/data/checklist/windows/directory-healthy.txt");

    fn statuses(recorded: &str) -> Vec<Status> {
        judge(&parse(recorded).unwrap()).iter().map(|finding| finding.status).collect()
    }

    /// The statuses after a change, with the one that it changes.
    #[track_caller]
    fn changed(from: &str, to: &str, place: usize) -> Status {
        assert!(HEALTHY.contains(from), "{from}");
        statuses(&HEALTHY.replace(from, to))[place]
    }

    #[test]
    fn a_healthy_directory_passes_and_a_member_server_is_not_applicable() {
        assert_eq!(statuses(HEALTHY), [Pass; 6]);
        assert_eq!(statuses(&printed(&[("role", r#"{"kind":"role","role":"3"}"#, "")])), [NotApplicable]);
    }

    #[test]
    fn frs_old_levels_foreign_masters_and_complaints_of_the_tools_do_not_pass() {
        assert_eq!(changed("\"domain\":\"6\"", "\"domain\":\"2\"", 0), Fail);
        assert_eq!(
            changed("\"rid\":\"CN=NTDS Settings,CN=SBS01", "\"rid\":\"CN=NTDS Settings,CN=DC02", 1),
            Warn
        );
        assert_eq!(changed("\"flags\":\"48\"", "\"flags\":\"16\"", 2), Fail);
        assert_eq!(
            changed("\"dfsr\":\"True\",\"flags\":\"48\"", "\"dfsr\":\"False\",\"flags\":\"\"", 2),
            Fail
        );
        assert_eq!(changed(",RPC,0,", ",RPC,3,", 3), Fail);
        assert_eq!(changed("showrepl_INFO", "showrepl_ERROR", 3), Fail);
        assert_eq!(
            changed("\"lines\":[]", "\"lines\":[\"   SBS01 hat den Test nicht bestanden.\"]", 4),
            Fail
        );
    }

    #[test]
    fn a_partner_that_is_silent_or_missing_fails() {
        let partner = "showrepl_INFO,";
        assert_eq!(changed("2026-11-20 10:48:12", "2019-11-20 10:48:12", 3), Fail);
        assert_eq!(changed("2026-11-20 10:48:12", "0", 3), Fail);
        assert_eq!(changed("2026-11-20 10:48:12", "gestern", 3), CouldNotCheck);
        assert_eq!(changed("10:48:12,0\"", "10:48:12,8457\"", 3), Fail);
        let (start, end) = (HEALTHY.find(",\"showrepl_INFO").unwrap(), HEALTHY.find(",0\"]}").unwrap());
        let alone = format!("{}{}", &HEALTHY[..start], &HEALTHY[end + 3..]);
        assert!(!alone.contains(partner));
        assert_eq!(statuses(&alone)[3], Fail, "there are two controllers");
        assert_eq!(statuses(&alone.replace("\"count\":\"2\"", "\"count\":\"1\""))[3], Pass);
        assert_eq!(statuses(&alone.replace("\"count\"", "\"anzahl\""))[3], CouldNotCheck);
    }

    #[test]
    fn the_logs_of_the_directory_are_read() {
        let event = r#"{"kind":"event","count":"1","provider":"DFSR","id":"2213","time":"x","message":"x"}"#;
        let log = "\"log DFS Replication\",\"items\":[";
        let with = |id: &str| {
            let read = "\"events\":\"1\"";
            let event = event.replace("2213", id);
            assert!(HEALTHY.contains(log));
            let text = HEALTHY.replace(log, &format!("{log}{event},")).replacen("\"events\":\"0\"", read, 2);
            statuses(&text)[5]
        };
        assert_eq!((with("2213"), with("5014")), (Fail, Warn));
        assert_eq!(changed("\"log DNS Server\"", "\"other\"", 5), CouldNotCheck);
    }
}
