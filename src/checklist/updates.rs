//! `updates`: the latest updates and service packs are installed, critical and security ones first.

mod apt;
mod linux;
mod rpm;
mod windows;

use std::time::Duration;

use super::check::Check;
use super::findings::Finding;
use super::phrases::{are, several};

const WHY: &str = "The migration tools expect servers with current updates, and a server with known security holes \
                   should not move data.";
const WHY_REBOOT: &str = "Until the restart the old code keeps running, and the restart may then come in the middle \
                          of the migration.";

/// The check.
pub(super) static CHECK: Check = Check {
    name: "updates",
    title: "Updates and restarts",
    asks: "The latest updates and service packs are installed, the critical and security ones first.",
    steps: &["release"],
    // A search of Windows Update takes minutes.
    patience: Duration::from_secs(300),
    linux: linux::look,
    windows: windows::look,
};

/// The finding for pending updates: security updates fail, others are a warning.
fn pending(all: &[String], security: &[String], source: &str, fix: &str) -> Finding {
    let finding = if security.is_empty() && all.is_empty() {
        return Finding::pass("No updates are pending").seen(source, "none");
    } else if security.is_empty() {
        Finding::warn(format!(
            "{} pending, none of them known as a security update",
            are(all.len(), "update")
        ))
        .seen(source, all.join("\n"))
    } else {
        Finding::fail(format!(
            "{} pending, {} in all",
            are(security.len(), "security update"),
            several(all.len(), "update")
        ))
        .seen(format!("{source} (security)"), security.join("\n"))
    };
    finding.why(WHY).fix(fix)
}
