//! `--fix`: runs the commands that findings carry, each after the person has seen it and agreed.
//!
//! In: findings, and a person to ask. Out: what was run and how it ended. This is the only part of
//! the checklist that changes the machine, and it runs only commands that a check named.

use std::time::{Duration, Instant};

use super::findings::{Record, Status};
use crate::program::Programs;

/// The longest time that a fixing command may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// A problem that the commands of a finding would fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The check that found the problem.
    pub check: &'static str,
    /// What is wrong.
    pub title: String,
    /// The commands, in order.
    pub commands: Vec<Vec<String>>,
}

/// How a proposal ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fixed {
    /// Every command succeeded.
    Done,
    /// A command failed, with this message. The commands after it were not run.
    Failed(String),
}

/// What commands can fix, in the record's order. Each list of commands is proposed once.
pub fn proposals(record: &Record) -> Vec<Proposal> {
    let mut proposals: Vec<Proposal> = Vec::new();
    for check in &record.checks {
        for finding in
            check.findings.iter().filter(|finding| matches!(finding.status, Status::Fail | Status::Warn))
        {
            let commands = finding.fix.as_ref().map(|fix| fix.commands.clone()).unwrap_or_default();
            let known = proposals.iter().any(|proposal| proposal.commands == commands);
            if !commands.is_empty() && !known {
                proposals.push(Proposal { check: check.name, title: finding.title.clone(), commands });
            }
        }
    }
    proposals
}

/// Runs the commands of one proposal until one fails.
pub fn apply(proposal: &Proposal, programs: &dyn Programs) -> Fixed {
    for command in &proposal.commands {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let line = words.join(" ");
        match programs.run(&words, Instant::now() + PATIENCE) {
            Ok(output) if output.succeeded() => {}
            Ok(output) => return Fixed::Failed(format!("`{line}`: {}", output.complaint())),
            Err(error) => return Fixed::Failed(error.to_string()),
        }
    }
    Fixed::Done
}

#[cfg(test)]
mod tests {
    use super::super::findings::{Checked, Finding};
    use super::super::machine::Os;
    use super::super::machine::tests::recorded;
    use super::*;

    fn record(findings: Vec<Finding>) -> Record {
        let checks = vec![Checked { name: "a", title: "A", asks: "", findings, seconds: 0.0 }];
        Record { machine: String::new(), system: String::new(), taken: jiff::Timestamp::UNIX_EPOCH, checks }
    }

    #[test]
    fn only_problems_with_commands_are_proposed_and_each_once() {
        let wrong = || Finding::fail("wrong").command(&["x", "1"]).command(&["x", "2"]);
        let fine = Finding::pass("fine").command(&["y"]);
        let by_hand = Finding::fail("by hand").fix("click");
        let proposals = proposals(&record(vec![wrong(), fine, by_hand, wrong()]));
        assert_eq!(proposals.len(), 1);
        assert_eq!(proposals[0].commands, [["x", "1"], ["x", "2"]]);
    }

    #[test]
    fn the_first_command_that_fails_ends_the_fix() {
        let found = proposals(&record(vec![
            Finding::fail("wrong").command(&["good"]).command(&["bad"]).command(&["never"]),
        ]));
        let machine = recorded(Os::Linux, &[("good", ""), ("bad", "!5 access denied")]);
        let ended = apply(&found[0], machine.machine.programs.as_ref());
        assert_eq!(ended, Fixed::Failed("`bad`: access denied".into()));
    }
}
