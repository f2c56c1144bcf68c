//! Windows: Essentials' alerts or the event logs, disks, volumes and services.

use super::super::findings::Finding;
use super::super::machine::Visit;
use super::super::phrases::{are, have, several};
use super::super::powershell::{self, Probed, ProbedItem};
use super::WHY;
use crate::words;

pub(super) const SCRIPT: &str = include_str!("../scripts/alerts.ps1");
/// Shares of used space from which on a volume gets a warning, and from which on it fails.
const FULL: (f64, f64) = (0.90, 0.97);

pub(super) fn look(visit: &Visit<'_>) -> Vec<Finding> {
    match powershell::ask(visit, SCRIPT) {
        Ok(probed) => vec![alerts(&probed), disks(&probed), volumes(&probed), services(&probed)],
        Err(problem) => vec![Finding::could_not_check("Alerts", problem)],
    }
}

fn unknown(what: &str, probed: &Probed, part: &str) -> Finding {
    Finding::could_not_check(what, probed.reason(part))
}

/// The alert viewer if Essentials is installed, otherwise the event logs.
fn alerts(probed: &Probed) -> Finding {
    match (probed.first("alerts"), probed.problem("alerts")) {
        (Some(_), _) => viewer(probed),
        (None, Some(missing)) if missing.kind == "missing" => events(probed),
        _ => unknown("The alert viewer", probed, "alerts"),
    }
}

fn viewer(probed: &Probed) -> Finding {
    let open: Vec<&ProbedItem> =
        probed.part("alert").filter(|alert| alert.truth("ignored") != Some(true)).collect();
    let count = |severity: &str| open.iter().filter(|alert| alert.text("severity") == Some(severity)).count();
    let line = |alert: &&ProbedItem| {
        let (severity, title, machine) =
            (alert.shown("severity"), alert.shown("title"), alert.shown("machine"));
        format!("{severity}: {title} ({machine}). {} {}", alert.shown("text"), alert.shown("resolution"))
    };
    let lines: Vec<String> = open.iter().map(line).collect();
    let finding = match (count("Error") + count("Critical"), open.len()) {
        (0, 0) => return Finding::pass("The alert viewer is empty").seen("Get-WssAlert", "no alerts"),
        (0, _) => Finding::warn(format!(
            "The alert viewer shows {}, none of them critical",
            several(open.len(), "alert")
        )),
        (bad, _) => Finding::fail(format!("The alert viewer shows {}", several(bad, "critical alert"))),
    };
    finding
        .seen("Get-WssAlert", lines.join("\n"))
        .why(WHY)
        .fix("Open the alert viewer in the Dashboard, and follow each alert's resolution.")
}

fn events(probed: &Probed) -> Finding {
    let what = "Critical and error events of the last 7 days";
    if probed.first("events").is_none() {
        return unknown(what, probed, "events");
    }
    let (mut critical, mut errors, mut lines) = (0, 0, Vec::new());
    for event in probed.part("event") {
        let (Some(count), Some(level)) = (event.number("count"), event.number("level")) else {
            return Finding::could_not_check(what, "a group of events came without its count or level");
        };
        *(if level == 1 { &mut critical } else { &mut errors }) += count;
        let (provider, id) = (event.shown("provider"), event.shown("id"));
        lines.push(format!(
            "{count} times {provider} {id}, last {}: {}",
            event.shown("time"),
            event.shown("message")
        ));
    }
    let finding = match (critical, errors) {
        (0, 0) => {
            return Finding::pass("No critical or error events in the last 7 days")
                .seen("event logs System, Application", "none");
        }
        (0, errors) => Finding::warn(format!("{errors} error and no critical events in the last 7 days")),
        (critical, errors) => {
            Finding::fail(format!("{critical} critical and {errors} error events in the last 7 days"))
        }
    };
    finding
        .seen("event logs System, Application", lines.join("\n"))
        .why(WHY)
        .fix("Open Custom Views, Administrative Events in Event Viewer, and fix the causes of the most frequent ones.")
}

fn disks(probed: &Probed) -> Finding {
    if probed.first("disks").is_none() {
        return unknown("The disks' health", probed, "disks");
    }
    let all: Vec<&ProbedItem> = probed.part("disk").collect();
    // `HealthStatus`: 0 is healthy, 1 warning, 2 unhealthy, 5 unknown.
    let with = |codes: &[i64]| -> Vec<&str> {
        let found = all.iter().filter(|disk| disk.number("health").is_none_or(|code| codes.contains(&code)));
        found.map(|disk| disk.shown("name")).collect()
    };
    let lines: Vec<String> = all
        .iter()
        .map(|disk| {
            format!("{}: health {}, {}", disk.shown("name"), disk.shown("health"), disk.shown("state"))
        })
        .collect();
    let unhealthy = all.iter().filter(|disk| matches!(disk.number("health"), Some(1 | 2))).count();
    let finding = if unhealthy > 0 {
        Finding::fail(format!("Unhealthy disks: {}", with(&[1, 2]).join(", ")))
            .why(WHY)
            .fix("Verify the backup, then replace the disk before the migration.")
    } else if all.is_empty() || !with(&[5]).is_empty() {
        Finding::could_not_check("The disks' health", "Windows does not report it for every disk")
    } else {
        Finding::pass(format!("{} healthy", are(all.len(), "disk")))
    };
    finding.seen("Get-PhysicalDisk", lines.join("\n"))
}

fn volumes(probed: &Probed) -> Finding {
    let what = "Space on the volumes";
    let mut measured: Vec<(f64, String)> = Vec::new();
    for volume in probed.part("volume") {
        let number = |key: &str| volume.number(key).and_then(|number| u64::try_from(number).ok());
        if let (Some(size @ 1..), Some(free)) = (number("size"), number("free")) {
            let share = 1.0 - free as f64 / size as f64;
            let line =
                format!("{} {:.0}% used, {} free", volume.shown("name"), share * 100.0, words::bytes(free));
            measured.push((share, line));
        }
    }
    measured.sort_by(|a, b| b.0.total_cmp(&a.0));
    let Some((fullest, line)) = measured.first() else { return unknown(what, probed, "volumes") };
    let finding = if *fullest >= FULL.1 {
        Finding::fail(format!("A volume is full: {line}"))
    } else if *fullest >= FULL.0 {
        Finding::warn(format!("A volume is nearly full: {line}"))
    } else {
        return Finding::pass(format!("No volume is nearly full; the fullest is {line}"))
            .seen("Win32_LogicalDisk", line);
    };
    let lines: Vec<&str> = measured.iter().map(|(_, line)| line.as_str()).collect();
    finding
        .seen("Win32_LogicalDisk", lines.join("\n"))
        .why(WHY)
        .fix("Run Disk Cleanup (`cleanmgr`), or enlarge the volume.")
}

fn services(probed: &Probed) -> Finding {
    if probed.first("services").is_none() {
        return unknown("Services that should run", probed, "services");
    }
    let failed: Vec<String> = probed
        .part("service")
        .map(|service| format!("{} (exit code {})", service.shown("title"), service.shown("code")))
        .collect();
    if failed.is_empty() {
        return Finding::pass("No automatic service has failed").seen("Win32_Service", "none");
    }
    Finding::fail(format!("{} failed", have(failed.len(), "automatic service")))
        .seen("Win32_Service", failed.join("\n"))
        .why(WHY)
        .fix("Start each in services.msc, and read its events if it does not stay up.")
}

#[cfg(test)]
mod tests {
    use super::super::super::Status;
    use super::super::super::powershell::parse;
    use super::*;

    fn statuses(recorded: &str) -> Vec<Status> {
        let probed = parse(recorded).unwrap();
        [alerts(&probed), disks(&probed), volumes(&probed), services(&probed)]
            .map(|finding| finding.status)
            .to_vec()
    }

    #[test]
    fn alerts_of_essentials_are_read_if_it_is_installed() {
        let essentials = include_str!("../../../tests/data/checklist/windows/alerts-essentials.json");
        assert_eq!(statuses(essentials), [Status::Fail, Status::Pass, Status::Pass, Status::Pass]);
    }

    #[test]
    fn without_essentials_the_event_logs_are_read() {
        let events = include_str!("../../../tests/data/checklist/windows/alerts-events-german.json");
        assert_eq!(statuses(events), [Status::Fail, Status::Fail, Status::Warn, Status::Fail]);
    }

    #[test]
    fn an_empty_answer_is_unknown_everywhere() {
        assert_eq!(statuses("{\"items\":[],\"problems\":[]}"), [Status::CouldNotCheck; 4]);
    }
}
