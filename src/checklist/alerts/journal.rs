//! The journal of the last days, hardware errors that the kernel reported, and failed units.

use serde_json::Value;

use super::super::findings::Finding;
use super::super::machine::Visit;
use super::super::phrases::several;
use super::{WHY, grouped};

const ANY: [&str; 6] = ["journalctl", "--no-pager", "-q", "-n", "1", "--output=json"];
const CRITICAL: [&str; 9] =
    ["journalctl", "--no-pager", "-q", "-p", "crit", "-n", "500", "--since=-7d", "--output=json"];
const KERNEL: [&str; 10] =
    ["journalctl", "--no-pager", "-q", "-k", "-p", "warning", "-n", "2000", "--since=-7d", "--output=json"];
const FAILED: [&str; 6] = ["systemctl", "list-units", "--failed", "--plain", "--no-legend", "--no-pager"];

/// Kernel messages that mean failing hardware, in lower case.
const HARDWARE: [&str; 12] = [
    "i/o error",
    "medium error",
    "uncorrected error",
    "uncorrectable",
    "hardware error",
    "machine check",
    "edac",
    "ata bus error",
    "failed command: ",
    "ext4-fs error",
    "xfs_error",
    "corruption detected",
];
/// Messages that contain one of [`HARDWARE`] but report no failure.
const HARMLESS: [&str; 4] = ["edac driver", "edac mc: ver", "giving out device to module", "corrected error"];

pub(super) fn look(visit: &Visit<'_>) -> Vec<Finding> {
    vec![critical(visit), kernel(visit), failed_units(visit)]
}

/// Whether there is a journal at all. Without one, every query has an empty answer.
fn journal_exists(visit: &Visit<'_>) -> Result<(), String> {
    let said = visit.ask(&ANY)?;
    if messages(&said)?.is_empty() {
        return Err("the journal is empty, or this user may not read it".to_owned());
    }
    Ok(())
}

/// The messages from `journalctl --output=json`: one object per line. A message with bytes that are
/// not text is an array of numbers.
fn messages(said: &str) -> Result<Vec<String>, String> {
    let mut messages = Vec::new();
    for line in said.lines().filter(|line| !line.trim().is_empty()) {
        let entry: Value = serde_json::from_str(line)
            .map_err(|error| format!("journalctl printed something that is not a journal entry ({error})"))?;
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
    let found = journal_exists(visit).and_then(|()| visit.ask(&CRITICAL)).and_then(|said| messages(&said));
    let found = match found {
        Ok(found) => found,
        Err(problem) => {
            return Finding::could_not_check(what, problem).fix("Read the logs in /var/log by hand.");
        }
    };
    let source = "journalctl -p crit --since=-7d";
    if found.is_empty() {
        return Finding::pass("No critical messages in the last 7 days").seen(source, "none");
    }
    let lines = grouped(found.iter().map(String::as_str));
    Finding::fail(format!("{} in the last 7 days", several(found.len(), "critical message")))
        .seen(source, lines.join("\n"))
        .why(WHY)
        .fix("Read them with `journalctl -p crit --since=-7d` and fix their causes.")
}

fn kernel(visit: &Visit<'_>) -> Finding {
    let what = "Hardware errors that the kernel reported";
    // Without a journal, the kernel's own buffer still has the messages since boot.
    let (source, found) =
        match journal_exists(visit).and_then(|()| visit.ask(&KERNEL)).and_then(|said| messages(&said)) {
            Ok(found) => ("journalctl -k -p warning --since=-7d", found),
            Err(problem) => match visit.ask(&["dmesg"]) {
                Ok(said) if !said.trim().is_empty() => ("dmesg", said.lines().map(str::to_owned).collect()),
                Ok(_) => return Finding::could_not_check(what, format!("{problem}; dmesg is empty")),
                Err(other) => return Finding::could_not_check(what, format!("{problem}; {other}")),
            },
        };
    let bad: Vec<&str> = found.iter().map(String::as_str).filter(|line| is_hardware_error(line)).collect();
    if bad.is_empty() {
        return Finding::pass("The kernel reported no hardware errors")
            .seen(source, several(found.len(), "message"));
    }
    Finding::fail(format!("The kernel reported {}", several(bad.len(), "hardware error")))
        .seen(source, grouped(bad.into_iter()).join("\n"))
        .why(WHY)
        .fix("Check disks, cables and memory; verify the backup before anything else.")
}

fn is_hardware_error(line: &str) -> bool {
    let line = line.to_lowercase();
    HARDWARE.iter().any(|sign| line.contains(sign))
        && !HARMLESS.iter().any(|word| {
            // "uncorrected error" contains "corrected error".
            line.contains(word) && !line.contains("uncorrected")
        })
}

fn failed_units(visit: &Visit<'_>) -> Finding {
    let said = match visit.ask(&FAILED) {
        Ok(said) => said,
        Err(problem) => return Finding::could_not_check("Failed services", problem),
    };
    let source = "systemctl list-units --failed";
    let mut failed = Vec::new();
    for line in said.lines().filter(|line| !line.trim().is_empty()) {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            [unit, _, "failed", ..] => failed.push(unit),
            _ => {
                return Finding::could_not_check(
                    "Failed services",
                    format!("systemctl printed an unexpected line: {line}"),
                );
            }
        }
    }
    if failed.is_empty() {
        return Finding::pass("No service has failed").seen(source, "none");
    }
    Finding::fail(format!("Failed services: {}", failed.join(", ")))
        .seen(source, &said)
        .why(WHY)
        .fix(format!("`systemctl status {}` says why.", failed.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::super::super::machine::tests::{TestMachine, recorded};
    use super::super::super::{Os, Status};
    use super::*;

    const BROKEN: &str = include_str!("../../../tests/data/checklist/linux/journal-crit.json");
    const QUIET: &str = "{\"MESSAGE\":\"hello\",\"_COMM\":\"x\"}\n";

    fn machine(critical: &str, kernel: &str, failed: &str) -> TestMachine {
        let (critical_line, kernel_line) = (CRITICAL.join(" "), KERNEL.join(" "));
        let answers = [
            ("journalctl", QUIET),
            (critical_line.as_str(), critical),
            (kernel_line.as_str(), kernel),
            ("systemctl", failed),
        ];
        recorded(Os::Linux, &answers)
    }

    fn statuses(machine: &TestMachine) -> Vec<Status> {
        look(&machine.visit()).iter().map(|finding| finding.status).collect()
    }

    #[test]
    fn a_quiet_machine_passes() {
        assert_eq!(statuses(&machine("", QUIET, "")), [Status::Pass; 3]);
    }

    #[test]
    fn critical_messages_hardware_errors_and_failed_units_fail() {
        let kernel =
            "{\"MESSAGE\":\"blk_update_request: I/O error, dev sda, sector 2048\",\"_COMM\":\"kernel\"}";
        let failed = "nginx.service loaded failed failed A high performance web server\n";
        assert_eq!(statuses(&machine(BROKEN, kernel, failed)), [Status::Fail; 3]);
        let found = critical(&machine(BROKEN, "", "").visit());
        assert!(found.evidence[0].text.contains("2 times: "), "{found:?}");
    }

    #[test]
    fn a_missing_journal_is_not_taken_for_an_empty_one() {
        let silent = recorded(Os::Linux, &[("journalctl", ""), ("systemctl", "!1 not booted with systemd")]);
        assert_eq!(statuses(&silent), [Status::CouldNotCheck; 3]);
    }

    #[test]
    fn messages_of_drivers_that_start_are_not_hardware_errors() {
        assert!(!is_hardware_error("EDAC MC: Ver: 3.0.0"));
        assert!(is_hardware_error("EDAC MC0: 1 UE memory read error on CPU_SrcID#0"));
        assert!(is_hardware_error("mce: Uncorrected error on CPU 1: Machine check"));
    }

    #[test]
    fn a_message_stored_as_bytes_is_read() {
        let said = "{\"MESSAGE\":[104,105,255],\"SYSLOG_IDENTIFIER\":\"app\"}";
        assert_eq!(messages(said).unwrap(), ["app: hi\u{fffd}"]);
        assert!(messages("No journal files were found.").is_err());
    }
}
