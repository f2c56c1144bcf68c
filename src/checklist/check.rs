//! The file of a check exports one `CHECK`, and [`CHECKS`](super::CHECKS) lists it. A check is data
//! and not a trait, because checks differ in nothing but these few fields.

use std::time::Duration;

use super::findings::Finding;
use super::machine::{Os, Visit};

/// The [`Check::patience`] of a check that only asks quick programs of this machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// One item of the checklist.
#[derive(Debug)]
pub struct Check {
    /// Its name on the command line: lower case, words joined by `-`.
    pub name: &'static str,
    /// What it is about, in a few words.
    pub title: &'static str,
    /// What the published checklist asks for, in one sentence.
    pub asks: &'static str,
    /// The names of its steps that only a person can do.
    pub steps: &'static [&'static str],
    /// How long it may take if the person sets no limit.
    pub patience: Duration,
    /// Checks a Linux machine.
    pub linux: fn(&Visit<'_>) -> Vec<Finding>,
    /// Checks a Windows machine.
    pub windows: fn(&Visit<'_>) -> Vec<Finding>,
}

impl Check {
    /// Checks the machine, whichever system it has.
    pub fn run(&self, visit: &Visit<'_>) -> Vec<Finding> {
        match visit.os() {
            Os::Linux => (self.linux)(visit),
            Os::Windows => (self.windows)(visit),
            Os::Other(name) => {
                vec![Finding::could_not_check(self.title, format!("{name} is not supported"))]
            }
        }
    }
}
