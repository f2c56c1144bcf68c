//! Alerts on Windows: Essentials' alert viewer or the event logs, disks and services.

use super::super::findings::Finding;
use super::super::machine::Visit;
use super::super::phrases::{are, have, several};
use super::super::powershell;
use super::super::probes::{Probed, ProbedItem};
use super::WHY;

pub(super) fn look(visit: &Visit<'_>) -> Vec<Finding> {
    powershell::judged(visit, "alerts", "Alerts", judge)
}

/// The alert viewer if Essentials is installed, and the event logs if it is not or cannot be read.
fn judge(probed: &Probed) -> Vec<Finding> {
    let mut findings = match probed.whole("alerts", "alert") {
        Ok(alerts) => vec![viewer(&alerts)],
        Err(_) if probed.missing("alerts").is_some() => vec![events(probed)],
        Err(problem) => vec![Finding::could_not_check("The alert viewer", problem), events(probed)],
    };
    findings.extend([disks(probed), services(probed)]);
    findings
}

fn viewer(alerts: &[&ProbedItem]) -> Finding {
    let source = "Get-WssAlert";
    let open: Vec<_> = alerts.iter().filter(|alert| alert.truth("ignored") != Some(true)).collect();
    let with = |names: &[&str]| {
        open.iter().filter(|alert| alert.text("severity").is_some_and(|name| names.contains(&name))).count()
    };
    // The names of `HealthStatus`, which no language changes.
    let (bad, mild) = (with(&["Critical"]), with(&["Warning"]));
    let known = bad + mild + with(&["Information", "OK", "Report"]);
    let line = |alert: &&&ProbedItem| match alert.text("title") {
        Some(title) => {
            format!(
                "{}: {title} ({}). {}",
                alert.shown("severity"),
                alert.shown("machine"),
                alert.shown("text")
            )
        }
        None => alert.list("all").join("; "),
    };
    let lines = open.iter().map(line).collect::<Vec<_>>().join("\n");
    let finding = if bad > 0 {
        Finding::fail(format!("The alert viewer shows {}", several(bad, "critical alert")))
    } else if known < open.len() {
        Finding::could_not_check("The alert viewer", "an alert has a severity that bkverify does not know")
    } else if mild > 0 {
        Finding::warn(format!("The alert viewer shows {}, none of them critical", several(mild, "warning")))
    } else {
        let disabled = several(alerts.len() - open.len(), "disabled alert");
        return Finding::pass("The alert viewer shows no problems")
            .seen(source, format!("{disabled}\n{lines}"));
    };
    finding
        .seen(source, lines)
        .why(WHY)
        .fix("Open the alert viewer in the Dashboard, and follow each alert's resolution.")
}

fn events(probed: &Probed) -> Finding {
    let what = "Critical and error events of the last 7 days";
    let source = "event logs System, Application";
    let events = match probed.whole("events", "event") {
        Ok(events) => events,
        Err(problem) => return Finding::could_not_check(what, problem),
    };
    let (mut critical, mut errors, mut lines) = (0, 0, Vec::new());
    for event in events {
        let (Some(count), Some(level)) = (event.number("count"), event.number("level")) else {
            return Finding::could_not_check(what, "a group of events came without its count or level");
        };
        *(if level == 1 { &mut critical } else { &mut errors }) += count;
        let (provider, id) = (event.shown("provider"), event.shown("id"));
        let (time, message) = (event.shown("time"), event.shown("message"));
        lines.push(format!("{count} times {provider} {id}, last {time}: {message}"));
    }
    let finding = match (critical, errors) {
        (0, 0) => {
            return Finding::pass("No critical or error events in the last 7 days").seen(source, "none");
        }
        (0, errors) => Finding::warn(format!("{errors} error and no critical events in the last 7 days")),
        (critical, errors) => {
            Finding::fail(format!("{critical} critical and {errors} error events in the last 7 days"))
        }
    };
    finding.seen(source, lines.join("\n")).why(WHY).fix(
        "Open Custom Views, Administrative Events in Event Viewer, and fix the causes of the most frequent ones.",
    )
}

fn disks(probed: &Probed) -> Finding {
    let what = "The disks' health";
    let disks = match probed.whole("disks", "disk") {
        Ok(disks) => disks,
        Err(problem) => {
            return Finding::could_not_check(what, problem).fix(
                "Server 2008 R2 has no such class: read the disks' state in the controller's own program.",
            );
        }
    };
    // `HealthStatus` of MSFT_PhysicalDisk: 0 is healthy, 1 warning, 2 unhealthy, 5 unknown.
    let with = |codes: [Option<i64>; 2]| -> Vec<&str> {
        let found = disks.iter().filter(|disk| codes.contains(&disk.number("health")));
        found.map(|disk| disk.shown("name")).collect()
    };
    let line = |disk: &&ProbedItem| {
        let state = disk.list("state").join(" ");
        format!("{}: health {}, operational status {state}", disk.shown("name"), disk.shown("health"))
    };
    let lines: Vec<String> = disks.iter().map(line).collect();
    let unhealthy = with([Some(1), Some(2)]);
    let finding = if !unhealthy.is_empty() {
        Finding::fail(format!("Unhealthy disks: {}", unhealthy.join(", ")))
            .why(WHY)
            .fix("Verify the backup, then replace the disk before the migration.")
    } else if disks.is_empty() || with([Some(0), Some(0)]).len() < disks.len() {
        Finding::could_not_check(what, "Windows does not report it for every disk")
    } else {
        Finding::pass(format!("{} healthy", are(disks.len(), "disk")))
    };
    finding.seen("MSFT_PhysicalDisk", lines.join("\n"))
}

fn services(probed: &Probed) -> Finding {
    let services = match probed.whole("services", "service") {
        Ok(services) => services,
        Err(problem) => return Finding::could_not_check("Services that should run", problem),
    };
    let line = |service: &&ProbedItem| {
        format!("{} ({}, exit code {})", service.shown("title"), service.shown("name"), service.shown("code"))
    };
    let failed: Vec<String> = services.iter().map(line).collect();
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
    use super::super::super::Status::{self, CouldNotCheck, Fail, Pass, Warn};
    use super::super::super::probes::parse;
    use super::super::super::probes::tests::printed;
    use super::*;

    const DISK: &str = r#"{"kind":"disk","name":"A","health":"0","state":["2"]}"#;

    fn statuses(recorded: &str) -> Vec<Status> {
        judge(&parse(recorded).unwrap()).iter().map(|finding| finding.status).collect()
    }

    /// The status of the first finding if the viewer has this alert.
    fn viewer_with(alert: &str) -> Status {
        statuses(&printed(&[("alerts", alert, "")]))[0]
    }

    #[test]
    fn alerts_of_essentials_are_read_by_the_names_that_no_language_changes() {
        let essentials = include_str!("../../../tests/data/checklist/windows/alerts-essentials.txt");
        assert_eq!(statuses(essentials), [Fail, Pass, Pass]);
        assert_eq!(viewer_with(""), Pass);
        assert_eq!(viewer_with(r#"{"kind":"alert","severity":"Warning","title":"x"}"#), Warn);
        let disabled = r#"{"kind":"alert","severity":"Critical","title":"x","ignored":"True"}"#;
        assert_eq!(viewer_with(disabled), Pass);
    }

    #[test]
    fn an_alert_without_its_documented_members_is_unknown_and_shown_whole() {
        let other = r#"{"kind":"alert","all":["Schweregrad: Kritisch","Titel: Sicherung"]}"#;
        let text = printed(&[("alerts", other, "")]);
        let finding = &judge(&parse(&text).unwrap())[0];
        assert_eq!(finding.status, CouldNotCheck);
        assert_eq!(finding.evidence[0].text, "Schweregrad: Kritisch; Titel: Sicherung");
        assert_eq!(viewer_with(r#"{"kind":"alert","severity":"Kritisch","title":"x"}"#), CouldNotCheck);
    }

    #[test]
    fn without_essentials_the_event_logs_are_read() {
        let events = include_str!("../../../tests/data/checklist/windows/alerts-events-german.txt");
        assert_eq!(statuses(events), [Fail, Fail, Fail]);
    }

    #[test]
    fn a_viewer_that_fails_to_load_is_unknown_and_the_event_logs_are_read_too() {
        let text = printed(&[("alerts", "", "failed"), ("events", "", "")]);
        assert_eq!(statuses(&text)[..2], [CouldNotCheck, Pass]);
    }

    #[test]
    fn missing_members_are_unknown() {
        let event = r#"{"kind":"event","count":"3","id":"7"}"#;
        let parts = [("alerts", "", "missing"), ("events", event, "")];
        assert_eq!(statuses(&printed(&parts))[0], CouldNotCheck);
        let disk = |item: &str| statuses(&printed(&[("alerts", "", ""), ("disks", item, "")]))[1];
        assert_eq!(disk(DISK), Pass);
        assert_eq!(disk(&DISK.replace("\"0\"", "\"5\"")), CouldNotCheck);
        assert_eq!(
            disk(&DISK.replace("\"0\"", "\"Fehlerfrei\"")),
            CouldNotCheck,
            "a word of another language"
        );
        assert_eq!(disk(&DISK.replace("\"health\":\"0\",", "")), CouldNotCheck);
        assert_eq!(disk(""), CouldNotCheck);
    }

    #[test]
    fn what_is_cut_short_is_unknown_everywhere() {
        let whole = include_str!("../../../tests/data/checklist/windows/alerts-events-german.txt");
        let begin: String = whole.lines().take(1).collect();
        assert_eq!(statuses(&begin), [CouldNotCheck; 4]);
    }
}
