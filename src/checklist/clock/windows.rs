//! `w32tm` prints in the language of the machine. So only what no translation changes is read: the
//! order of the lines, the digits at the beginning of a value, and the reference identifier.

use super::super::findings::Finding;
use super::super::machine::Visit;
use super::super::powershell::{self, Probed, ProbedItem};

pub(super) const SCRIPT: &str = include_str!("../scripts/clock.ps1");
const WHY: &str = "A clock that follows no server drifts until Kerberos refuses the machine.";
/// The reference identifier of a machine that follows its own hardware clock: `LOCL`.
const LOCAL_CLOCK: &str = "0x4C4F434C";

/// The configured servers, and how the machine keeps its clock.
pub(super) fn look(visit: &Visit<'_>) -> (Result<Vec<String>, String>, Vec<Finding>) {
    match powershell::ask(visit, SCRIPT) {
        Ok(probed) => (servers(&probed), judge(&probed)),
        Err(problem) => {
            (Err(problem.clone()), vec![Finding::could_not_check("The Windows Time service", problem)])
        }
    }
}

/// The configured servers. `NtpServer` contains `name,0x9 name,0x9`. Members of a domain follow
/// their domain controller instead.
fn servers(probed: &Probed) -> Result<Vec<String>, String> {
    let settings = probed.first("settings").ok_or("the registry does not name the time servers")?;
    let mut servers: Vec<String> = Vec::new();
    if let (Some("NT5DS" | "AllSync"), Some(domain)) = (settings.text("type"), domain(probed)) {
        servers.push(domain.to_owned());
    }
    let listed = settings.text("servers").unwrap_or_default().split_whitespace();
    servers.extend(listed.filter_map(|server| server.split(',').next()).map(str::to_owned));
    Ok(servers)
}

fn domain(probed: &Probed) -> Option<&str> {
    let role = probed.first("role")?;
    (role.truth("joined") == Some(true)).then(|| role.text("domain")).flatten()
}

fn judge(probed: &Probed) -> Vec<Finding> {
    let mut findings = vec![match probed.first("service") {
        Some(service) => judge_service(service, domain(probed).is_some()),
        None => unknown("The Windows Time service", probed, "service"),
    }];
    findings.push(match probed.first("status") {
        Some(status) => judge_status(status, probed),
        None => unknown("What the Windows Time service follows", probed, "status"),
    });
    findings
}

fn unknown(what: &str, probed: &Probed, part: &str) -> Finding {
    Finding::could_not_check(what, probed.reason(part))
}

fn judge_service(service: &ProbedItem, joined: bool) -> Finding {
    let (state, start) = (service.shown("state"), service.shown("start"));
    let evidence = format!("state {state}, start mode {start}");
    let finding = match (state, start) {
        ("Running", _) => Finding::pass("The Windows Time service is running"),
        // Outside a domain, Windows starts the service by a trigger when the network comes up.
        ("Stopped", "Manual") if !joined => {
            Finding::warn("The Windows Time service is not running right now")
        }
        _ => Finding::fail("The Windows Time service is not running"),
    };
    let finding = finding.seen("Win32_Service W32Time", evidence);
    if state == "Running" {
        return finding;
    }
    finding
        .why(WHY)
        .fix("sc config w32time start= auto, then net start w32time")
        .command(&["sc", "config", "w32time", "start=", "auto"])
        .command(&["net", "start", "w32time"])
}

fn judge_status(status: &ProbedItem, probed: &Probed) -> Finding {
    let lines = status.list("lines");
    let said = lines.join("\n");
    let source = "w32tm /query /status";
    if status.number("code") != Some(0) {
        let problem =
            lines.iter().find(|line| !line.trim().is_empty()).copied().unwrap_or("it printed nothing");
        return Finding::could_not_check("What the Windows Time service follows", problem).seen(source, said);
    }
    // The first line has the leap indicator, where 3 means "not synchronised". The second line has
    // the stratum.
    let digits = |index: usize| -> Option<u32> {
        let value = lines.get(index)?.split_once(':')?.1.trim_start();
        value.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
    };
    let (Some(leap), Some(stratum)) = (digits(0), digits(1)) else {
        return Finding::could_not_check(
            "What the Windows Time service follows",
            "w32tm's answer is not understood",
        )
        .seen(source, said);
    };
    let local = said.to_ascii_uppercase().contains(&LOCAL_CLOCK.to_ascii_uppercase());
    if leap != 3 && !local && stratum > 0 {
        return Finding::pass("The Windows Time service follows a server").seen(source, said);
    }
    let finding = Finding::fail("The Windows Time service follows no server").seen(source, said).why(WHY);
    if domain(probed).is_none() {
        return finding.fix(
            "w32tm /config /manualpeerlist:SERVER /syncfromflags:manual /update, then net stop w32time and net start w32time",
        );
    }
    finding
        .fix("w32tm /config /syncfromflags:domhier /reliable:no /update, then net stop w32time and net start w32time")
        .command(&["w32tm", "/config", "/syncfromflags:domhier", "/reliable:no", "/update"])
        .command(&["net", "stop", "w32time"])
        .command(&["net", "start", "w32time"])
}

#[cfg(test)]
mod tests {
    use super::super::super::Status;
    use super::super::super::powershell::parse;
    use super::*;

    const FOLLOWING: &str = include_str!("../../../tests/data/checklist/windows/clock-following.json");
    const LOCAL: &str = include_str!("../../../tests/data/checklist/windows/clock-local-german.json");
    const STOPPED: &str = include_str!("../../../tests/data/checklist/windows/clock-stopped.json");

    fn statuses(recorded: &str) -> Vec<Status> {
        judge(&parse(recorded).unwrap()).iter().map(|finding| finding.status).collect()
    }

    #[test]
    fn a_domain_member_that_follows_its_controller_passes() {
        assert_eq!(statuses(FOLLOWING), [Status::Pass, Status::Pass]);
        assert_eq!(servers(&parse(FOLLOWING).unwrap()).unwrap(), ["contoso.local", "time.windows.com"]);
    }

    #[test]
    fn a_machine_on_its_own_clock_fails_in_any_language_with_the_published_fix() {
        assert_eq!(statuses(LOCAL), [Status::Pass, Status::Fail]);
        let findings = judge(&parse(LOCAL).unwrap());
        let fix = findings[1].fix.clone().unwrap();
        assert_eq!(fix.commands[0].join(" "), "w32tm /config /syncfromflags:domhier /reliable:no /update");
        assert_eq!(fix.commands.len(), 3);
    }

    #[test]
    fn a_stopped_service_fails_and_what_it_follows_is_unknown() {
        assert_eq!(statuses(STOPPED), [Status::Fail, Status::CouldNotCheck]);
    }

    #[test]
    fn an_empty_answer_is_unknown() {
        let empty = "{\"items\":[],\"problems\":[]}";
        assert_eq!(statuses(empty), [Status::CouldNotCheck, Status::CouldNotCheck]);
        assert!(servers(&parse(empty).unwrap()).is_err());
    }
}
