//! The journal of the last days, hardware errors that the kernel reported, and units that have
//! failed or start over and over.

use serde_json::Value;

use super::super::findings::Finding;
use super::super::machine::Visit;
use super::super::phrases::several;
use super::{WHY, grouped};

const CRITICAL: [&str; 7] =
    ["journalctl", "--no-pager", "-p", "crit", "-n500", "--since=-7d", "--output=json"];
/// What the kernel said that may mean failing hardware. Not `-k`, which leaves out all boots but the
/// last: a disk that fails makes a server start anew. The signs are searched for by journalctl, so
/// that harmless messages, such as those of a firewall, cannot crowd them out.
const KERNEL: [&str; 10] = [
    "journalctl",
    "--no-pager",
    "-r",
    "_TRANSPORT=kernel",
    "-p",
    "warning",
    "-n1000",
    "--since=-7d",
    "--output=json",
    "--grep=i/o error|medium error|uncorrected error|uncorrectable|hardware error|machine check|edac|\
ata bus error|failed command: |ext4-fs error|xfs_error|corruption detected",
];
/// As many messages as [`KERNEL`] asks for: there may be more.
const KERNEL_MOST: usize = 1_000;
/// One entry from before the days that are looked at, if the journal reaches so far back. Without
/// `-r`, systemd 252 finds none if that entry is of an earlier boot.
const OLDER: [&str; 6] = ["journalctl", "--no-pager", "-r", "-n1", "--until=-7d", "--output=json"];
const NEWER: [&str; 5] = ["journalctl", "--no-pager", "-n1", "--since=-7d", "--output=json"];
const UNITS: [&str; 5] = [
    "systemctl",
    "show",
    "*",
    "--property=Id,ActiveState,SubState,NRestarts,ActiveEnterTimestampMonotonic",
    "--no-pager",
];
/// A service that systemd has restarted this often, the last time within a day, did not come back
/// from a rare accident. systemd counts since the boot.
const RESTARTS: u64 = 3;
const DAY: f64 = 86_400.0;

/// Messages that contain one of the signs in [`KERNEL`] but report no failure.
const HARMLESS: [&str; 4] = ["edac driver", "edac mc: ver", "giving out device to module", "corrected error"];

pub(super) fn look(visit: &Visit<'_>) -> Vec<Finding> {
    vec![critical(visit), kernel(visit), units(visit)]
}

/// The messages of the journal that a query finds. A user sees only some of it, and journalctl says
/// so on standard error and succeeds, as it does when it passes over a damaged file.
fn journal(visit: &Visit<'_>, query: &[&str]) -> Result<Vec<String>, String> {
    let output = visit.run(query).map_err(|error| error.to_string())?;
    let said = output.stderr.to_lowercase();
    if said.contains("not seeing messages") || said.contains("insufficient permissions") {
        return Err("this user may read only a part of the journal; run as root".to_owned());
    }
    // With `--grep`, journalctl exits with 1 if nothing fits.
    let found_nothing = output.code == Some(1) && output.stdout.is_empty();
    if !said.trim().is_empty() || !(output.succeeded() || found_nothing) {
        return Err(format!("journalctl: {}", output.complaint()));
    }
    messages(&output.stdout)
}

/// Whether the journal holds the last 7 days, and not only a part of them.
fn holds_the_days(visit: &Visit<'_>) -> Result<bool, String> {
    if journal(visit, &NEWER)?.is_empty() {
        return Err("the journal has no entry of the last 7 days".to_owned());
    }
    Ok(!journal(visit, &OLDER)?.is_empty())
}

/// The finding if a query found nothing bad: a pass only if the journal holds all of the days.
fn nothing(visit: &Visit<'_>, (what, none): (&str, &str), source: &str) -> Finding {
    match holds_the_days(visit) {
        Ok(true) => Finding::pass(format!("{none} in the system's journal of the last 7 days")),
        Ok(false) => Finding::warn(format!("{none}, but the journal holds less than the last 7 days"))
            .why("What was logged before it begins is not known.")
            .fix("Make it persistent: mkdir -p /var/log/journal, then systemctl restart systemd-journald."),
        Err(problem) => Finding::could_not_check(what, problem),
    }
    .seen(source, "none")
    .seen(OLDER.join(" "), "whether it reaches so far back")
    .seen(NEWER.join(" "), "whether it is written")
}

/// The messages from `journalctl --output=json`: one object per line. A message with bytes that are
/// not text is an array of numbers.
fn messages(said: &str) -> Result<Vec<String>, String> {
    let mut messages = Vec::new();
    for line in said.lines().filter(|line| !line.trim().is_empty()) {
        let entry: Value = serde_json::from_str(line).unwrap_or_default();
        if !entry.is_object() {
            return Err("journalctl printed something that is not a journal entry".to_owned());
        }
        let text = |key: &str| match entry.get(key) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Array(bytes)) => {
                let bytes: Vec<u8> =
                    bytes.iter().filter_map(|byte| u8::try_from(byte.as_u64()?).ok()).collect();
                Some(String::from_utf8_lossy(&bytes).into_owned())
            }
            _ => None,
        };
        let who = text("SYSLOG_IDENTIFIER").or_else(|| text("_COMM")).unwrap_or_else(|| "?".to_owned());
        messages.push(format!("{who}: {}", text("MESSAGE").unwrap_or_else(|| "(no text)".to_owned())));
    }
    Ok(messages)
}

fn critical(visit: &Visit<'_>) -> Finding {
    let what = "Critical messages of the last 7 days";
    let source = CRITICAL.join(" ");
    let found = match journal(visit, &CRITICAL) {
        Ok(found) => found,
        Err(problem) => {
            return Finding::could_not_check(what, problem).fix("Read the logs in /var/log by hand.");
        }
    };
    if !found.is_empty() {
        let lines = grouped(found.iter().map(String::as_str));
        return Finding::fail(format!("{} in the last 7 days", several(found.len(), "critical message")))
            .seen(source, lines.join("\n"))
            .why(WHY)
            .fix("Read them with `journalctl -p crit --since=-7d` and fix their causes.");
    }
    nothing(visit, (what, "No critical messages"), &source)
}

fn kernel(visit: &Visit<'_>) -> Finding {
    let what = "Hardware errors that the kernel reported";
    let source = KERNEL.join(" ");
    let found = match journal(visit, &KERNEL) {
        Ok(found) => found,
        Err(problem) => {
            return Finding::could_not_check(what, problem).fix("Read `dmesg` and /var/log/kern.log.");
        }
    };
    let bad: Vec<&str> = found.iter().map(String::as_str).filter(|line| !is_harmless(line)).collect();
    if !bad.is_empty() {
        return Finding::fail(format!("The kernel reported {}", several(bad.len(), "hardware error")))
            .seen(source, grouped(bad.into_iter()).join("\n"))
            .why(WHY)
            .fix("Check disks, cables and memory; verify the backup before anything else.");
    }
    if found.len() >= KERNEL_MOST {
        return Finding::could_not_check(what, "there are too many messages to look through")
            .seen(source, &found[0]);
    }
    nothing(visit, (what, "The kernel reported no hardware errors"), &source)
}

/// "Uncorrected error" contains "corrected error".
fn is_harmless(line: &str) -> bool {
    let line = line.to_lowercase();
    HARMLESS.iter().any(|word| line.contains(word)) && !line.contains("uncorrected")
}

/// Units that have failed, wait to be started again, or were restarted again and again.
fn units(visit: &Visit<'_>) -> Finding {
    let what = "Services that have failed or start over and over";
    let source = UNITS.join(" ");
    let said = match visit.ask(&UNITS) {
        Ok(said) => said,
        Err(problem) => return Finding::could_not_check(what, problem),
    };
    let uptime = visit.read("/proc/uptime").ok().flatten();
    let uptime = uptime.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    let (mut bad, mut count) = (Vec::new(), 0);
    for unit in said.split("\n\n").filter(|unit| !unit.trim().is_empty()) {
        let value = |key: &str| {
            let mut pairs = unit.lines().filter_map(|line| line.split_once('='));
            pairs.find(|(name, _)| *name == key).map(|(_, value)| value)
        };
        let (Some(name), Some(active), Some(sub)) = (value("Id"), value("ActiveState"), value("SubState"))
        else {
            return Finding::could_not_check(what, "systemctl printed a unit without its name or state");
        };
        count += 1;
        let restarts: u64 = value("NRestarts").and_then(|count| count.parse().ok()).unwrap_or(0);
        // A console starts anew after each log-out.
        let is_console = name.contains("getty");
        let entered = value("ActiveEnterTimestampMonotonic").and_then(|micros| micros.parse::<f64>().ok());
        let is_long_ago = uptime.zip(entered).is_some_and(|(now, entered)| now - entered / 1e6 > DAY);
        let is_loop = restarts >= RESTARTS && !is_console && !is_long_ago;
        if active == "failed" || sub == "auto-restart" || is_loop {
            bad.push(format!(
                "{name} ({active}, {sub}, restarted {})",
                several(usize::try_from(restarts).unwrap_or(usize::MAX), "time")
            ));
        }
    }
    if count == 0 {
        return Finding::could_not_check(what, "systemctl listed no units at all");
    }
    if bad.is_empty() {
        return Finding::pass("No service has failed or starts over and over")
            .seen(source, several(count, "unit"));
    }
    let names: Vec<&str> = bad.iter().filter_map(|line| line.split(' ').next()).collect();
    Finding::fail(format!("{what}: {}", names.join(", ")))
        .seen(source, bad.join("\n"))
        .why(WHY)
        .fix(format!("`systemctl status {}` says why.", names.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::super::super::machine::tests::recorded;
    use super::super::super::{Os, Status};
    use super::*;

    /// The status where this unit was restarted three times, so many seconds after the boot, of a
    /// machine that runs for ten days.
    fn restarted(name: &str, after: u64) -> Status {
        let unit = format!(
            "Id={name}\nActiveState=active\nSubState=running\nNRestarts=3\nActiveEnterTimestampMonotonic={after}000000\n"
        );
        let made = recorded(Os::Linux, &[("systemctl show", &unit)]).file("/proc/uptime", "864000.11 1.00\n");
        units(&made.visit()).status
    }

    #[test]
    fn restarts_of_long_ago_and_of_consoles_are_no_loop() {
        assert_eq!(restarted("shop.service", 863_000), Status::Fail);
        assert_eq!(restarted("shop.service", 400_000), Status::Pass);
        assert_eq!(restarted("getty@tty1.service", 863_000), Status::Pass);
    }
}
