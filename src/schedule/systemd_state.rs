//! What systemd says of a job: the properties that `systemctl show` prints of its timer and its
//! service.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::status::{LastRun, Observed};

/// The properties that [`observe`] reads.
pub const PROPERTIES: &str = "--property=Id,LoadState,UnitFileState,ActiveState,NeedDaemonReload,Result,\
    ExecMainCode,ExecMainStatus,ExecMainStartTimestamp,ExecMainExitTimestamp,LastTriggerUSec,\
    NextElapseUSecRealtime";

/// Exit codes of the service manager itself (systemd.exec(5), "Process Exit Codes"): the program
/// was never started.
const NOT_STARTED: &[(i32, &str)] = &[
    (200, "CHDIR"),
    (203, "EXEC"),
    (213, "NUMA_POLICY"),
    (214, "SETSCHEDULER"),
    (216, "GROUP"),
    (217, "USER"),
    (218, "CAPABILITIES"),
    (225, "NETWORK"),
    (226, "NAMESPACE"),
    (227, "NO_NEW_PRIVILEGES"),
    (228, "SECCOMP"),
    (229, "SELINUX_CONTEXT"),
    (231, "APPARMOR_PROFILE"),
    (232, "ADDRESS_FAMILIES"),
    (238, "STATE_DIRECTORY"),
];

/// The properties of one unit.
type Unit<'a> = BTreeMap<&'a str, &'a str>;

/// Reads what `systemctl show` printed, in UTC, for the timer and the service of this name.
pub fn observe(printed: &str, name: &str) -> Observed {
    let units: Vec<Unit<'_>> = printed
        .split("\n\n")
        .map(|block| block.lines().filter_map(|line| line.split_once('=')).collect())
        .collect();
    let unit = |ending: &str| {
        let id = format!("{name}.{ending}");
        units.iter().find(|unit| unit.get("Id") == Some(&id.as_str())).cloned().unwrap_or_default()
    };
    let (timer, service) = (unit("timer"), unit("service"));
    let mut observed = Observed { records_runs: true, ..Observed::default() };
    look_at_timer(&timer, name, &mut observed);
    look_at_service(&service, name, &mut observed);
    let triggered = time(&timer, "LastTriggerUSec");
    observed.running = matches!(of(&service, "ActiveState"), "activating" | "active" | "deactivating");
    observed.last = last_run(&service, triggered, observed.running);
    observed.next = time(&timer, "NextElapseUSecRealtime");
    observed
}

fn of<'a>(unit: &Unit<'a>, property: &str) -> &'a str {
    unit.get(property).copied().unwrap_or_default()
}

fn look_at_timer(timer: &Unit<'_>, name: &str, observed: &mut Observed) {
    let mut stop = |problem: String| {
        observed.stopped = true;
        observed.problems.push(problem);
    };
    match of(timer, "LoadState") {
        "loaded" => {}
        "masked" => return stop(format!("{name}.timer is masked: it will not run")),
        "not-found" | "" => {
            return stop(format!("systemd does not know {name}.timer: run `systemctl daemon-reload`"));
        }
        other => return stop(format!("systemd cannot load {name}.timer ({other}): it will not run")),
    }
    let enable = format!("`systemctl enable --now {name}.timer` changes that");
    if of(timer, "ActiveState") != "active" {
        stop(format!("{name}.timer is not active: it will not run; {enable}"));
    } else if !of(timer, "UnitFileState").starts_with("enabled") {
        // It still runs tonight.
        let problem = format!("{name}.timer is not enabled: it will not run after a restart; {enable}");
        observed.problems.push(problem);
    }
}

fn look_at_service(service: &Unit<'_>, name: &str, observed: &mut Observed) {
    match of(service, "LoadState") {
        "loaded" => {}
        "masked" => observed.problems.push(format!("{name}.service is masked: it cannot run")),
        "not-found" | "" => observed.problems.push(format!("systemd does not know {name}.service")),
        other => observed.problems.push(format!("systemd cannot load {name}.service ({other})")),
    }
    if of(service, "NeedDaemonReload") == "yes" {
        let problem = "its files were changed; systemd uses the old ones until `systemctl daemon-reload`";
        observed.problems.push(problem.to_owned());
    }
}

fn last_run(service: &Unit<'_>, triggered: Option<Timestamp>, running: bool) -> Option<LastRun> {
    let began = time(service, "ExecMainStartTimestamp");
    let ended = time(service, "ExecMainExitTimestamp").filter(|_| !running);
    let status: Option<i32> = of(service, "ExecMainStatus").parse().ok();
    let code = of(service, "ExecMainCode");
    // How processes end (the constants CLD_EXITED, CLD_KILLED and CLD_DUMPED).
    let exit = status.filter(|_| code == "1" && ended.is_some());
    let not_started = NOT_STARTED.iter().find(|(number, _)| exit == Some(*number));
    let problem = match (of(service, "Result"), code) {
        _ if running => None,
        _ if not_started.is_some() => {
            not_started.map(|(number, name)| format!("systemd could not start the program ({number}/{name})"))
        }
        (_, "2" | "3") => Some(format!("it was ended by signal {}", status.unwrap_or_default())),
        ("success" | "exit-code" | "", _) => None,
        (other, _) => Some(format!("systemd says `{other}`")),
    };
    let exit = exit.filter(|_| not_started.is_none());
    match (began, triggered) {
        // The machine was restarted since: systemd only remembers when it was triggered.
        (None, Some(started)) => Some(LastRun { started, ended: None, exit: None, problem }),
        (Some(started), _) => Some(LastRun { started, ended, exit, problem }),
        (None, None) => None,
    }
}

/// A time such as `Sat 2026-11-28 02:30:11 UTC`; none if it is empty, `n/a` or in another zone.
fn time(unit: &Unit<'_>, property: &str) -> Option<Timestamp> {
    let mut words = of(unit, property).split(' ');
    let (_, date, time, zone) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let moment: DateTime = format!("{date}T{time}").parse().ok().filter(|_| zone == "UTC")?;
    moment.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}
