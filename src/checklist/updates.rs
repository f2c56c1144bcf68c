//! `updates`: the latest updates and service packs are installed, critical and security ones first.

mod linux;
mod windows;

use std::time::Duration;

use super::check::Check;
use super::findings::Finding;

const WHY: &str = "The migration tools are written for servers with current updates, and a known hole is no place to \
                   move data from or to.";
const WHY_REBOOT: &str = "Until the restart the old code goes on running, and the next restart happens in the middle \
                          of the migration.";

/// The check.
pub(super) static CHECK: Check = Check {
    name: "updates",
    title: "Updates and restarts",
    asks: "The latest updates and service packs are installed, the critical and security ones first.",
    // Windows Update takes minutes to search.
    patience: Duration::from_secs(300),
    linux: linux::look,
    windows: windows::look,
};

/// What is pending, as a finding: security updates fail, others warn.
fn pending(all: &[String], security: &[String], source: &str, fix: &str) -> Finding {
    let finding = if security.is_empty() && all.is_empty() {
        return Finding::pass("No updates are pending").seen(source, "none");
    } else if security.is_empty() {
        Finding::warn(format!("{} updates are pending, none of them for security", all.len()))
            .seen(source, all.join("\n"))
    } else {
        Finding::fail(format!(
            "{} security updates are pending, {} updates in all",
            security.len(),
            all.len()
        ))
        .seen(format!("{source} (security)"), security.join("\n"))
    };
    finding.why(WHY).fix(fix)
}
