//! The preparation checklist: what else must be true of a server before it is migrated, besides a
//! backup that restores.
//!
//! In: a [`Machine`] (its programs, its files, what the person said). Out: a [`Record`] of
//! findings, rendered by [`render`]. A check is a constant in a file of its own ([`check::Check`]),
//! and a line in [`CHECKS`]. Each is written for Windows and for Linux, and picks at run time, so
//! that both sides compile and are tested everywhere. A check reads; it never changes anything on
//! the machine (`--fix` does, through [`fix`], after asking). What it cannot find out is
//! could-not-check, never a pass.

mod alerts;
mod applications;
mod backup;
mod best_practices;
mod check;
mod clock;
pub mod findings;
pub mod fix;
mod links;
pub mod machine;
mod migration_tool;
mod network;
mod phrases;
pub mod powershell;
pub mod probe;
pub mod render;
pub mod runner;
mod systemd;
pub mod table;
pub mod ticks;
mod updates;
mod vpn;

pub use check::Check;
pub use findings::{Checked, Evidence, Finding, Fix, Record, Status};
pub use machine::{Against, Job, Machine, Os, Settings, Visit};

/// Every check, in the order of the published checklist.
pub static CHECKS: [&Check; 9] = [
    &backup::CHECK,
    &updates::CHECK,
    &network::CHECK,
    &vpn::CHECK,
    &alerts::CHECK,
    &best_practices::CHECK,
    &clock::CHECK,
    &migration_tool::CHECK,
    &applications::CHECK,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_lower_case() {
        let mut names: Vec<_> = CHECKS.iter().map(|check| check.name).collect();
        for name in &names {
            assert!(name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-'), "{name}");
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CHECKS.len());
    }

    #[test]
    fn an_unknown_system_is_never_a_pass() {
        let machine = machine::tests::recorded(Os::Other("plan9"), &[]);
        for check in CHECKS {
            let findings = check.run(&machine.visit());
            assert!(findings.iter().all(|finding| finding.status == Status::CouldNotCheck), "{}", check.name);
        }
    }

    #[test]
    fn a_machine_without_any_program_passes_nothing_and_crashes_nothing() {
        for os in [Os::Linux, Os::Windows] {
            let machine = machine::tests::recorded(os, &[]);
            for check in CHECKS {
                let findings = check.run(&machine.visit());
                assert!(!findings.is_empty(), "{} on {os:?}", check.name);
                let passed = findings.iter().find(|finding| finding.status == Status::Pass);
                assert!(passed.is_none(), "{} on {os:?} passes blindly: {passed:?}", check.name);
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
                    assert!(told, "{} on {os:?} passes on {garbage:?}: {findings:?}", check.name);
                }
            }
        }
    }
}
