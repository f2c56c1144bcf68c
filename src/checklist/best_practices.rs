//! `best-practices`: an analyser that knows the system's pitfalls was run, and what it found is
//! fixed.
//!
//! Windows: the Best Practices Analyzer of every installed role, and that of Essentials. Linux:
//! Lynis. Only what they have stored is read, because running them would write to the machine.

mod linux;
mod windows;

use std::time::Duration;

use super::check::Check;

const WHY: &str = "The analyser knows settings that work today and break in a migration.";

/// The check.
pub(super) static CHECK: Check = Check {
    name: "best-practices",
    title: "Best practices analysis",
    asks: "A best practices analysis of Active Directory, the registry and the web server's metabase finds no problems.",
    steps: &[],
    // Reading the results of a role may take a while.
    patience: Duration::from_secs(300),
    linux: linux::look,
    windows: windows::look,
};
