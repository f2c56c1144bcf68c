//! `migration-tool`: the Migration Preparation Tool was run at most two weeks before the migration.
//!
//! The check can see whether the tool is installed, whether and when it wrote a log, and whether
//! this user is in the groups that the tool needs. Only a person can say that it ended well, by
//! ticking it off.

use jiff::Timestamp;

use super::check::{Check, PATIENCE};
use super::findings::Finding;
use super::machine::Visit;
use super::machine::duration_words;
use super::powershell::{self, Probed};

const SCRIPT: &str = include_str!("scripts/migration_tool.ps1");
/// The tool's result holds for two weeks, in seconds.
const VALID: i64 = 14 * 86_400;
const WHY: &str = "The tool prepares the directory's schema for the destination server; setup refuses to migrate \
                   without it, or if it ran more than two weeks ago.";

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
    match powershell::ask(visit, SCRIPT) {
        Ok(probed) => vec![tool(&probed, visit.settings().now), groups(&probed)],
        Err(problem) => vec![Finding::could_not_check("The Migration Preparation Tool", problem)],
    }
}

fn tool(probed: &Probed, now: Timestamp) -> Finding {
    let what = "The Migration Preparation Tool";
    if probed.first("tool").is_none() {
        return Finding::could_not_check(what, probed.reason("tool"));
    }
    let installed = probed.part("installed").map(|item| format!("installed: {}", item.shown("name")));
    let logs =
        probed.part("log").map(|item| format!("log: {} of {}", item.shown("path"), item.shown("time")));
    let evidence: Vec<String> = installed.chain(logs).collect();
    let newest = probed.part("log").filter_map(|item| item.time("time")).max();
    let age = newest.map(|time| now.as_second() - time.as_second());
    let finding = match age {
        Some(age) if age > VALID => Finding::fail(format!(
            "The Migration Preparation Tool last ran {} ago; its result no longer holds",
            duration_words(age)
        )),
        Some(age) => Finding::manual(
            "migration-tool",
            format!(
                "The Migration Preparation Tool ran {} ago: did it end without errors?",
                duration_words(age)
            ),
        ),
        None if evidence.is_empty() => Finding::manual(
            "migration-tool",
            "There is no trace of the Migration Preparation Tool: run it from the destination's installation media",
        ),
        None => Finding::manual(
            "migration-tool",
            "The Migration Preparation Tool is installed, but left no log: run it",
        ),
    };
    let shown = if evidence.is_empty() { "nothing".to_owned() } else { evidence.join("\n") };
    finding.seen("registry, log folders", shown).why(WHY).fix(
        "Run it, then tick it off: bkverify checklist done migration-tool --note \"no errors\" --valid-for 14d",
    )
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
    use super::super::machine::tests::recorded;
    use super::super::{Os, Status};
    use super::*;

    fn statuses(recording: &str) -> Vec<Status> {
        let machine = recorded(Os::Windows, &[("powershell", recording)]);
        CHECK.run(&machine.visit()).iter().map(|finding| finding.status).collect()
    }

    #[test]
    fn a_recent_run_is_left_to_a_person_to_judge() {
        let recent = include_str!("../../tests/data/checklist/windows/migration-tool-recent.json");
        assert_eq!(statuses(recent), [Status::Manual, Status::Pass]);
    }

    #[test]
    fn a_run_more_than_two_weeks_ago_fails_and_missing_groups_warn() {
        let old = include_str!("../../tests/data/checklist/windows/migration-tool-old.json");
        assert_eq!(statuses(old), [Status::Fail, Status::Warn]);
    }

    #[test]
    fn no_trace_of_the_tool_is_a_manual_step_and_no_answer_is_unknown() {
        let none = r#"{"items":[{"part":"tool","read":"True"},{"part":"groups","user":"x","sids":["S-1-5-32-544"]}],"problems":[]}"#;
        assert_eq!(statuses(none), [Status::Manual, Status::Warn]);
        assert_eq!(statuses(r#"{"items":[],"problems":[]}"#), [Status::CouldNotCheck; 2]);
        assert_eq!(statuses("!timeout"), [Status::CouldNotCheck]);
    }

    #[test]
    fn the_tool_is_not_applicable_on_linux() {
        let machine = recorded(Os::Linux, &[]);
        assert_eq!(CHECK.run(&machine.visit())[0].status, Status::NotApplicable);
    }
}
