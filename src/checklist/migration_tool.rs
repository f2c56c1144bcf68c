//! `migration-tool`: the Migration Preparation Tool was run at most two weeks before the migration.
//!
//! The check can see whether the tool is installed, whether and when it wrote a log, and whether
//! this user is in the groups that the tool needs. Only a person can say that it ended well, by
//! ticking it off.

use jiff::Timestamp;

use super::check::{Check, PATIENCE};
use super::findings::Finding;
use super::machine::{Visit, duration_words};
use super::powershell;
use super::probes::{Probed, ProbedItem};

/// The tool's result holds for two weeks, in seconds.
const VALID: i64 = 14 * 86_400;
const WHY: &str = "The tool prepares the directory's schema for the destination server; setup refuses to migrate \
                   without it, or if it ran more than two weeks ago.";
const FIX: &str = "Run it from the destination's installation media (2012 and 2012 R2: the folder support\\tools), then tick \
                   it off: bkverify checklist done migration-tool --note \"no errors\". The media of Windows Server 2016 \
                   and later have no such tool. There, make the destination a domain controller first: that runs adprep \
                   itself (or run support\\adprep\\adprep.exe /forestprep and /domainprep by hand). Check before that \
                   `dcdiag /q` and `repadmin /replsummary` report nothing and that SYSVOL is replicated by DFSR, and \
                   tick the step off with that.";

/// The check.
pub(super) static CHECK: Check = Check {
    name: "migration-tool",
    title: "Migration Preparation Tool",
    asks: "The Migration Preparation Tool ran without errors, at most two weeks before the migration, by a member of \
         Enterprise Admins, Schema Admins and Domain Admins.",
    steps: &["migration-tool"],
    patience: PATIENCE,
    linux: look_linux,
    windows: look_windows,
};

fn look_linux(_: &Visit<'_>) -> Vec<Finding> {
    vec![Finding::not_applicable("The Migration Preparation Tool exists for Windows servers only")]
}

fn look_windows(visit: &Visit<'_>) -> Vec<Finding> {
    powershell::judged(visit, "migration-tool", "The Migration Preparation Tool", |probed| {
        vec![tool(probed, visit.settings().now), groups(probed)]
    })
}

fn tool(probed: &Probed, now: Timestamp) -> Finding {
    let what = "The Migration Preparation Tool";
    let (logs, adprep) = match (probed.whole("tool", "log"), probed.whole("tool", "adprep")) {
        (Ok(logs), Ok(adprep)) => (logs, adprep),
        (Err(problem), _) | (_, Err(problem)) => return Finding::could_not_check(what, problem),
    };
    let installed = probed.all("installed").map(|item| format!("installed: {}", item.shown("name")));
    let line = |item: &&ProbedItem| format!("log: {} of {}", item.shown("path"), item.shown("time"));
    let evidence: Vec<String> = installed.chain(logs.iter().chain(&adprep).map(line)).collect();
    if let Some(log) = logs.iter().find(|log| log.time("time").is_none()) {
        let problem = format!("the time of its log {} is not told", log.shown("path"));
        return Finding::could_not_check(what, problem).seen("log folders", evidence.join("\n")).fix(FIX);
    }
    let newest = logs.iter().filter_map(|item| item.time("time")).max();
    let age = newest.map(|time| now.as_second() - time.as_second());
    let manual = |title: String| Finding::manual("migration-tool", title);
    let finding = match age {
        Some(age) if age > VALID => Finding::fail(format!(
            "The Migration Preparation Tool last ran {} ago; its result no longer holds",
            duration_words(age)
        )),
        Some(age) => manual(format!(
            "The Migration Preparation Tool ran {} ago: did it end without errors?",
            duration_words(age)
        )),
        None if evidence.is_empty() => manual(
            "There is no trace of the Migration Preparation Tool: run it, or what takes its place".to_owned(),
        ),
        None => {
            manual("The Migration Preparation Tool left no log: run it, or what takes its place".to_owned())
        }
    };
    let shown = if evidence.is_empty() { "nothing".to_owned() } else { evidence.join("\n") };
    finding.seen("registry, log folders", shown).why(WHY).fix(FIX)
}

/// Whether the user is in the groups that the tool needs. Groups are recognised by the last part of
/// their identifiers (512, 518, 519), which is the same in every language.
fn groups(probed: &Probed) -> Finding {
    let what = "Whether this user may run the tool";
    let Some(item) = probed.first("groups") else {
        return Finding::could_not_check(what, probed.reason("groups"));
    };
    let identifiers = item.list("sids");
    if identifiers.is_empty() {
        return Finding::could_not_check(what, "Windows listed no groups of this user");
    }
    let wanted = [("512", "Domain Admins"), ("518", "Schema Admins"), ("519", "Enterprise Admins")];
    let member = |end: &str| {
        let of_domain = |sid: &&&str| sid.starts_with("S-1-5-21-") && sid.rsplit('-').next() == Some(end);
        identifiers.iter().find(of_domain).is_some()
    };
    let missing: Vec<&str> = wanted.iter().filter(|(end, _)| !member(end)).map(|(_, name)| *name).collect();
    let source = "groups of the current user";
    let evidence = format!("{}\n{}", item.shown("user"), identifiers.join("\n"));
    if missing.is_empty() {
        return Finding::pass("This user is in Domain Admins, Schema Admins and Enterprise Admins")
            .seen(source, evidence);
    }
    Finding::warn(format!("This user is not in {}", missing.join(", ")))
        .seen(source, evidence)
        .why("The tool changes the schema of the whole forest, which only members of all three groups may do.")
        .fix("Run the tool as a member of all three, or add the user: Active Directory Users and Computers, Member Of.")
}

#[cfg(test)]
mod tests {
    use super::super::Os;
    use super::super::Status::{self, Fail, Manual, NotApplicable, Pass, Warn};
    use super::super::machine::tests::recorded;
    use super::super::probes::tests::printed;
    use super::*;

    const RECENT: &str = include_str!("../../tests/data/checklist/windows/migration-tool-recent.txt");

    fn statuses(recording: &str) -> Vec<Status> {
        let machine = recorded(Os::Windows, &[("powershell", recording)]);
        CHECK.run(&machine.visit()).iter().map(|finding| finding.status).collect()
    }

    #[test]
    fn a_recent_run_is_left_to_a_person_to_judge() {
        assert_eq!(statuses(RECENT), [Manual, Pass]);
    }

    #[test]
    fn a_run_more_than_two_weeks_ago_fails_and_missing_groups_warn() {
        let old = include_str!("../../tests/data/checklist/windows/migration-tool-old.txt");
        assert_eq!(statuses(old), [Fail, Warn]);
    }

    #[test]
    fn no_trace_is_a_manual_step_that_says_what_takes_the_tools_place() {
        let groups = r#"{"kind":"groups","user":"x","sids":["S-1-5-32-544"]}"#;
        let none = printed(&[("tool", "", ""), ("groups", groups, "")]);
        assert_eq!(statuses(&none), [Manual, Warn]);
        let machine = recorded(Os::Windows, &[("powershell", &none)]);
        let advice = CHECK.run(&machine.visit()).remove(0).fix.unwrap().advice;
        assert!(advice.contains("2016 and later have no such tool"), "{advice}");
        let adprep = r#"{"kind":"adprep","path":"C:\\Windows\\debug\\adprep\\logs\\1\\ADPrep.log","time":"2020-01-01T00:00:00Z"}"#;
        let old = printed(&[("tool", adprep, ""), ("groups", groups, "")]);
        assert_eq!(statuses(&old)[0], Manual, "adprep alone is not the tool");
    }

    #[test]
    fn the_tool_is_not_applicable_on_linux() {
        let machine = recorded(Os::Linux, &[]);
        assert_eq!(CHECK.run(&machine.visit())[0].status, NotApplicable);
    }
}
