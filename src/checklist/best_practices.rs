//! `best-practices`: an analyser that knows the system's pitfalls has been run, and what it found
//! is mended.
//!
//! Windows: the Best Practices Analyzer of every installed role, and that of Essentials. Linux:
//! Lynis, by its report file, so that nothing is run that writes.

mod linux;
mod windows;

use std::time::Duration;

use super::{Check, Finding, Visit};

const WHY: &str = "The analyser knows settings that work today and break in a migration.";

/// The check.
#[derive(Debug)]
pub(super) struct BestPractices;

impl Check for BestPractices {
    fn name(&self) -> &'static str {
        "best-practices"
    }

    fn title(&self) -> &'static str {
        "Best practices analysis"
    }

    fn asks(&self) -> &'static str {
        "A best practices analysis of Active Directory, the registry and the web server's metabase finds nothing."
    }

    /// The analysis of a role takes up to a minute.
    fn patience(&self) -> Duration {
        Duration::from_secs(300)
    }

    fn linux(&self, visit: &Visit<'_>) -> Vec<Finding> {
        linux::look(visit)
    }

    fn windows(&self, visit: &Visit<'_>) -> Vec<Finding> {
        windows::look(visit)
    }
}
