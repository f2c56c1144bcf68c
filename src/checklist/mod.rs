//! The preparation checklist: what else must be true of a server before it is migrated, besides a
//! backup that restores.
//!
//! In: a [`Machine`] (its programs, its files, what the person said). Out: a [`Record`] of
//! findings, rendered by [`render`]. One check a file, one line each in [`CHECKS`]; each is written
//! for Windows and for Linux, and picks at run time, so that both sides compile and are tested
//! everywhere. A check reads; it never changes anything on the machine (`--fix` does, through
//! [`fix`], after asking). What it cannot find out is could-not-check, never a pass.

mod alerts;
mod applications;
mod backup;
mod best_practices;
mod clock;
pub mod findings;
pub mod fix;
pub mod machine;
mod migration_tool;
mod network;
pub mod powershell;
pub mod probe;
pub mod render;
pub mod runner;
pub mod sntp;
mod systemd;
pub mod table;
pub mod ticks;
mod updates;
mod vpn;

use std::time::Duration;

pub use findings::{Checked, Evidence, Finding, Mend, Record, Status};
pub use machine::{Against, Job, Machine, Os, Settings, Visit};

/// One item of the checklist.
pub trait Check: Sync {
    /// Its name on the command line: lower case, words joined by `-`.
    fn name(&self) -> &'static str;

    /// What it is about, in a few words.
    fn title(&self) -> &'static str;

    /// What the published checklist asks for, in one sentence.
    fn asks(&self) -> &'static str;

    /// How long it may take where the person names no time.
    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }

    /// Looks at a Linux machine.
    fn linux(&self, visit: &Visit<'_>) -> Vec<Finding>;

    /// Looks at a Windows machine.
    fn windows(&self, visit: &Visit<'_>) -> Vec<Finding>;

    /// Looks at the machine, whichever it is.
    fn run(&self, visit: &Visit<'_>) -> Vec<Finding> {
        match visit.os() {
            Os::Linux => self.linux(visit),
            Os::Windows => self.windows(visit),
            Os::Other(name) => {
                vec![Finding::could_not_check(self.title(), format!("{name} is not supported"))]
            }
        }
    }
}

/// Every check, in the order of the published checklist.
pub static CHECKS: [&dyn Check; 9] = [
    &backup::Backup,
    &updates::Updates,
    &network::Network,
    &vpn::Vpn,
    &alerts::Alerts,
    &best_practices::BestPractices,
    &clock::Clock,
    &migration_tool::MigrationTool,
    &applications::Applications,
];

/// The check with this name, or the name that is nearest to it.
pub fn find(name: &str) -> Result<&'static dyn Check, Option<&'static str>> {
    if let Some(check) = CHECKS.iter().find(|check| check.name() == name) {
        return Ok(*check);
    }
    let near = CHECKS.iter().map(|check| (strsim::jaro_winkler(check.name(), name), check.name()));
    Err(near.filter(|(score, _)| *score > 0.7).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_lower_case_and_found() {
        let mut names: Vec<_> = CHECKS.iter().map(|check| check.name()).collect();
        for name in &names {
            assert!(name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-'), "{name}");
            assert!(find(name).is_ok());
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CHECKS.len());
    }

    #[test]
    fn a_mistyped_name_gets_the_nearest() {
        assert_eq!(find("clocks").err(), Some(Some("clock")));
        assert_eq!(find("zzz").err(), Some(None));
    }

    #[test]
    fn an_unknown_system_is_never_a_pass() {
        let machine = machine::tests::recorded(Os::Other("plan9"), &[]);
        for check in CHECKS {
            let findings = check.run(&machine.visit());
            assert!(
                findings.iter().all(|finding| finding.status == Status::CouldNotCheck),
                "{}",
                check.name()
            );
        }
    }

    #[test]
    fn a_machine_without_any_program_passes_nothing_and_crashes_nothing() {
        for os in [Os::Linux, Os::Windows] {
            let machine = machine::tests::recorded(os, &[]);
            for check in CHECKS {
                let findings = check.run(&machine.visit());
                assert!(!findings.is_empty(), "{} on {os:?}", check.name());
                let passed = findings.iter().find(|finding| finding.status == Status::Pass);
                assert!(passed.is_none(), "{} on {os:?} passes blindly: {passed:?}", check.name());
            }
        }
    }

    #[test]
    fn garbage_from_every_program_passes_nothing_and_crashes_nothing() {
        for garbage in
            ["", "\0\u{7f}garbage", "{\"items\":[", "[]", "{}", "null", "{\"items\":5,\"problems\":7}"]
        {
            for os in [Os::Linux, Os::Windows] {
                let machine = machine::tests::recorded(os, &[("*", garbage)]);
                for check in CHECKS {
                    let findings = check.run(&machine.visit());
                    let told = findings.iter().any(|finding| finding.status != Status::Pass);
                    assert!(told, "{} on {os:?} passes on {garbage:?}: {findings:?}", check.name());
                }
            }
        }
    }
}
