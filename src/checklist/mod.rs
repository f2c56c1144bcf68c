//! The preparation checklist: what else must be true of a server before it is migrated, besides a
//! backup that restores.
//!
//! In: a [`Machine`] (its programs, its files, and what the person specified). Out: a [`Record`] of
//! findings, which [`render`] turns into reports.
//!
//! A check is a constant in a file of its own ([`check::Check`]) and a line in [`CHECKS`]. Every
//! check has code for Windows and for Linux and chooses at run time, so that both are compiled and
//! tested everywhere. A check only reads, but for the table of applications, which it keeps.
//! (`--fix` changes the machine, through [`fix`], after asking.) What a check cannot find out is
//! could-not-check, never a pass.

mod alerts;
mod applications;
mod backup;
mod best_practices;
mod certificates;
mod check;
mod clock;
mod directory;
pub mod findings;
pub mod fix;
mod links;
pub mod machine;
mod migration_tool;
mod network;
mod phrases;
pub mod powershell;
pub mod probes;
#[cfg(test)]
mod recordings;
pub mod render;
pub mod runner;
pub mod space;
mod systemd;
pub mod table;
pub mod ticks;
mod tree;
mod updates;
mod vpn;

pub use check::Check;
pub use findings::{Checked, Evidence, Finding, Fix, Record, Status};
pub use machine::{Against, BackupJob, Machine, MachineSettings, Os, Visit};

/// Every check, in the order of the published checklist.
pub static CHECKS: &[&Check] = &[
    &backup::CHECK,
    &updates::CHECK,
    &network::CHECK,
    &vpn::CHECK,
    &alerts::CHECK,
    &best_practices::CHECK,
    &space::CHECK,
    &certificates::CHECK,
    &directory::CHECK,
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
    fn every_manual_step_can_be_ticked_off() {
        for os in [Os::Linux, Os::Windows] {
            let machine = machine::tests::recorded(os, &[("*", "{\"items\":[],\"problems\":[]}")]);
            for check in CHECKS {
                for finding in check.run(&machine.visit()) {
                    let is_known = finding.step.is_some_and(|step| check.steps.contains(&step));
                    assert_eq!(is_known, finding.status == Status::Manual, "{}: {finding:?}", check.name);
                }
            }
        }
    }

    #[test]
    fn an_unknown_system_never_passes() {
        let machine = machine::tests::recorded(Os::Other("plan9"), &[]);
        for check in CHECKS {
            let findings = check.run(&machine.visit());
            assert!(findings.iter().all(|finding| finding.status == Status::CouldNotCheck), "{}", check.name);
        }
    }

    #[test]
    fn no_check_passes_or_panics_on_a_machine_without_programs() {
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
    fn no_check_passes_or_panics_if_every_program_prints_garbage() {
        for garbage in
            ["", "\0\u{7f}garbage", "{\"items\":[", "[]", "{}", "null", "{\"items\":5,\"problems\":7}"]
        {
            for os in [Os::Linux, Os::Windows] {
                let machine = machine::tests::recorded(os, &[("*", garbage)]);
                for check in CHECKS {
                    let findings = check.run(&machine.visit());
                    let passed = findings.iter().find(|finding| finding.status == Status::Pass);
                    assert!(passed.is_none(), "{} on {os:?} passes on {garbage:?}: {passed:?}", check.name);
                }
            }
        }
    }
}
