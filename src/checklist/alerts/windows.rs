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

/// The alert viewer, if Essentials is installed. It knows nothing of the event logs, and shows
/// nothing if its own service is stopped.
fn judge(probed: &Probed) -> Vec<Finding> {
    let mut findings = match probed.whole("alerts", "alert") {
        Ok(alerts) => vec![viewer(&alerts)],
        Err(_) if probed.missing("alerts").is_some() => Vec::new(),
        Err(problem) => vec![Finding::could_not_check("The alert viewer", problem)],
    };
    findings.extend([event_logs(probed), disks(probed), services(probed)]);
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
    let is_hidden = |alert: &&&ProbedItem| {
        alert.truth("ignored") == Some(true) && alert.text("severity") == Some("Critical")
    };
    let hidden: Vec<&str> = alerts.iter().filter(is_hidden).map(|alert| alert.shown("title")).collect();
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
    } else if !hidden.is_empty() {
        Finding::warn(format!("Somebody has disabled critical alerts: {}", hidden.join(", ")))
    } else if alerts.is_empty() {
        return Finding::pass("The alert viewer shows nothing at all").seen(source, "nothing");
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

fn event_logs(probed: &Probed) -> Finding {
    let what = "Critical and error events of the last 7 days";
    let source = "event logs System, Application";
    match events(probed, "events") {
        Err(problem) => Finding::could_not_check(what, problem),
        Ok(None) => Finding::could_not_check(what, "Windows says that these logs do not exist"),
        Ok(Some(Events { critical: 0, errors: 0, .. })) => {
            Finding::pass("No critical or error events in the last 7 days").seen(source, "none")
        }
        Ok(Some(Events { critical, errors, lines })) => {
            let finding = match critical {
                0 => Finding::warn(format!("{errors} error and no critical events in the last 7 days")),
                _ => {
                    Finding::fail(format!("{critical} critical and {errors} error events in the last 7 days"))
                }
            };
            finding.seen(source, lines.join("\n")).why(WHY).fix(
                "Open Custom Views, Administrative Events in Event Viewer, and fix the causes of the most frequent ones.",
            )
        }
    }
}

/// What logs hold of the last 7 days.
pub(in super::super) struct Events {
    /// How many are critical.
    pub critical: i64,
    /// How many are errors.
    pub errors: i64,
    /// One of each kind, in words.
    pub lines: Vec<String>,
}

/// The events of a part of a probe. `None` if there is no such log.
pub(in super::super) fn events(probed: &Probed, part: &str) -> Result<Option<Events>, String> {
    let (mut critical, mut errors) = (None, None);
    for read in probed.whole(part, "read")? {
        if read.truth("absent") == Some(true) {
            return Ok(None);
        }
        let count = read.number("events").ok_or("it is not told how many events there are")?;
        match read.text("level") {
            Some("1") => critical = Some(count),
            Some("2") => errors = Some(count),
            None if read.listed("level").is_some() => (critical, errors) = (Some(0), Some(count)),
            _ => return Err("the level of some events is not told".to_owned()),
        }
    }
    let (Some(critical), Some(errors)) = (critical, errors) else {
        return Err("it is not told how many of each level there are".to_owned());
    };
    let line = |event: &&ProbedItem| {
        let (count, provider, id) = (event.shown("count"), event.shown("provider"), event.shown("id"));
        let (time, message) = (event.shown("time"), event.shown("message"));
        format!("{count} times {provider} {id}, last {time}: {message}")
    };
    let lines = probed.whole(part, "event")?.iter().map(line).collect();
    Ok(Some(Events { critical, errors, lines }))
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
        assert_eq!(statuses(essentials), [Fail, Pass, Pass, Pass]);
        assert_eq!(viewer_with(""), Pass);
        assert_eq!(viewer_with(r#"{"kind":"alert","severity":"Warning","title":"x"}"#), Warn);
        let disabled = r#"{"kind":"alert","severity":"Critical","title":"x","ignored":"True"}"#;
        assert_eq!(viewer_with(disabled), Warn);
    }

    #[test]
    fn a_silent_viewer_hides_no_critical_event() {
        let read = |level: &str, count: &str| {
            format!(r#"{{"kind":"read","level":"{level}","events":"{count}","absent":"False"}}"#)
        };
        let with = |events: &str| statuses(&printed(&[("alerts", "", ""), ("events", events, "")]))[1];
        assert_eq!(with(&format!("{},{}", read("1", "400"), read("2", "0"))), Fail);
        assert_eq!(with(&format!("{},{}", read("1", "0"), read("2", "2000"))), Warn);
        assert_eq!(with(&format!("{},{}", read("1", "0"), read("2", "0"))), Pass);
        assert_eq!([with(&read("1", "0")), with(&read("2", "0"))], [CouldNotCheck; 2], "one of them");
        assert_eq!(with(&read("2", "viele")), CouldNotCheck);
        assert_eq!(with(""), CouldNotCheck);
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
        let read = r#"{"kind":"read","level":"1","events":"0"},{"kind":"read","level":"2","events":"0"}"#;
        let text = printed(&[("alerts", "", "failed"), ("events", read, "")]);
        assert_eq!(statuses(&text)[..2], [CouldNotCheck, Pass]);
    }
}
