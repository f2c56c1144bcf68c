//! `updates`: the latest updates and service packs are installed, critical and security ones first.

mod apt;
mod linux;
mod rpm;
mod windows;

use std::collections::HashMap;
use std::time::Duration;

use super::check::Check;
use super::findings::Finding;
use super::machine::{Visit, duration_words};
use super::phrases::{are, several};

const DAY: i64 = 86_400;
/// Lists older than this, in seconds, do not know all pending updates.
const LISTS_AGE: i64 = 7 * DAY;
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

/// The finding for lists of this age.
fn judge_age(what: &str, age: i64, source: &str, refresh: &str) -> Finding {
    let title = format!("{what} are {} old", duration_words(age));
    if (-DAY..=LISTS_AGE).contains(&age) {
        return Finding::pass(title).seen(source, "its date");
    }
    let finding = Finding::warn(title).seen(source, "its date").why("Old lists lack the newest updates.");
    finding.fix(refresh).command(&refresh.split(' ').collect::<Vec<_>>())
}

/// What the release says about itself: `KEY=value`, or `KEY="value"`.
fn os_release(visit: &Visit<'_>) -> HashMap<String, String> {
    let text = visit.read("/etc/os-release").ok().flatten().unwrap_or_default();
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.trim_matches('"').to_owned())).collect()
}
