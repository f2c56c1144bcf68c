//! What a check of the checklist is: a constant with two functions.
//!
//! A check's own file exports one `CHECK`, and [`CHECKS`](super::CHECKS) lists it: nothing else has
//! to change for a new one. It is data and not a trait: nothing but these few fields tells one
//! check from another.

use std::time::Duration;

use super::findings::Finding;
use super::machine::{Os, Visit};

/// The [`Check::patience`] of a check that asks only this machine's own quick programs.
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
    /// How long it may take where the person sets no limit.
    pub patience: Duration,
    /// Looks at a Linux machine.
    pub linux: fn(&Visit<'_>) -> Vec<Finding>,
    /// Looks at a Windows machine.
    pub windows: fn(&Visit<'_>) -> Vec<Finding>,
}

impl Check {
    /// Looks at the machine, whichever it is.
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
