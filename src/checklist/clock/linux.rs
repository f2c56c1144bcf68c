//! Time services on Linux: chrony, systemd-timesyncd, ntpd.

use super::super::findings::Finding;
use super::super::machine::Visit;
use super::super::systemd::running_programs;

const WHY: &str =
    "A clock that follows no server drifts by seconds a day, which goes unnoticed until logons fail.";
const CHRONY: [&str; 3] = ["chronyc", "-c", "tracking"];
const TIMESYNC: [&str; 2] = ["timedatectl", "show"];
const NTPD: [&str; 3] = ["ntpq", "-c", "rv 0 leap,stratum,refid,offset"];

/// What a time service says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ServiceState {
    /// It follows this server.
    Follows(String),
    /// It follows no server, for this reason.
    Lost(String),
}

/// Parses the output of a time service.
type StateReader = fn(&str) -> Result<ServiceState, String>;

/// How the machine keeps its clock.
pub(super) fn service(visit: &Visit<'_>) -> Finding {
    let running = match running_programs(visit) {
        Ok(running) => running,
        Err(problem) => return Finding::could_not_check("The time service", problem),
    };
    let runs = |name: &str| running.iter().any(|program| program == name);
    // The kernel truncates a program's name to 15 characters.
    let (command, read): (&[&str], StateReader) = if runs("chronyd") {
        (&CHRONY, chrony_state)
    } else if runs("systemd-timesyn") {
        (&TIMESYNC, timesyncd_state)
    } else if runs("ntpd") {
        (&NTPD, ntpd_state)
    } else {
        return Finding::fail("No time service is running (chronyd, systemd-timesyncd, ntpd)")
            .seen("/proc/*/comm", format!("none of {} running programs", running.len()))
            .why(WHY)
            .fix("Install and start one: `apt-get install chrony`, `dnf install chrony` or `zypper install chrony`, \
                   then `systemctl enable --now chronyd`.");
    };
    let line = command.join(" ");
    let said = match visit.ask(command) {
        Ok(said) => said,
        Err(problem) => return Finding::could_not_check("The time service", problem),
    };
    match read(&said) {
        Ok(ServiceState::Follows(server)) => {
            Finding::pass(format!("The time service follows {server}")).seen(line, said)
        }
        Ok(ServiceState::Lost(why)) => {
            Finding::fail(format!("The time service follows no NTP server: {why}"))
                .seen(line, said)
                .why(WHY)
                .fix(
                    "Check that its servers can be reached (UDP port 123): `chronyc sources`, \
                   `timedatectl timesync-status` or `ntpq -p`.",
                )
        }
        Err(problem) => Finding::could_not_check("The time service", problem).seen(line, said),
    }
}

/// Reads `chronyc -c tracking`: reference, its name, stratum, ..., leap status.
fn chrony_state(said: &str) -> Result<ServiceState, String> {
    let fields: Vec<&str> = said.trim().split(',').collect();
    let [reference, name, stratum, .., leap] = fields[..] else {
        return Err("chronyc printed no tracking line".to_owned());
    };
    if fields.len() < 14 {
        return Err("chronyc's tracking line is cut short".to_owned());
    }
    Ok(match (reference, leap) {
        ("7F7F0101", _) => ServiceState::Lost("chronyd follows only its own clock".to_owned()),
        (_, "Normal" | "Insert second" | "Delete second") if reference != "00000000" => {
            ServiceState::Follows(format!(
                "{} (stratum {stratum}, chronyd)",
                if name.is_empty() { reference } else { name }
            ))
        }
        _ => ServiceState::Lost("chronyd is not synchronised".to_owned()),
    })
}

/// Reads `timedatectl show`: lines `Key=value`.
fn timesyncd_state(said: &str) -> Result<ServiceState, String> {
    let value = |key: &str| {
        said.lines()
            .find_map(|line| line.split_once('=').filter(|(name, _)| *name == key))
            .map(|(_, value)| value)
    };
    match (value("NTPSynchronized"), value("NTP")) {
        (Some("yes"), Some("yes")) => {
            Ok(ServiceState::Follows("its NTP server (systemd-timesyncd)".to_owned()))
        }
        (Some("yes" | "no"), Some("no")) => {
            Ok(ServiceState::Lost("systemd-timesyncd is turned off".to_owned()))
        }
        (Some("no"), _) => Ok(ServiceState::Lost("systemd-timesyncd is not synchronised".to_owned())),
        _ => Err("timedatectl does not say whether the clock is synchronised".to_owned()),
    }
}

/// Reads ntpd's system variables: `leap=00, stratum=3, refid=..., offset=...`. Leap 11 means not
/// synchronised.
fn ntpd_state(said: &str) -> Result<ServiceState, String> {
    let value = |key: &str| {
        let mut pairs = said.split([',', '\n']).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == key).map(|(_, value)| value.trim())
    };
    match (value("leap"), value("refid")) {
        (Some("11"), _) => Ok(ServiceState::Lost("ntpd is not synchronised".to_owned())),
        (Some(_), Some(refid)) if refid.starts_with("127.127.1.") || refid == "LOCAL" => {
            Ok(ServiceState::Lost("ntpd follows only its own clock".to_owned()))
        }
        (Some("00" | "01" | "10"), Some(refid)) => Ok(ServiceState::Follows(format!("{refid} (ntpd)"))),
        _ => Err("ntpq does not say whether the clock is synchronised".to_owned()),
    }
}

/// The servers that the time services are configured with.
pub(super) fn configured_servers(visit: &Visit<'_>) -> Result<Vec<String>, String> {
    let mut servers = Vec::new();
    for (folder, ending) in [("/etc/chrony/conf.d", ".conf"), ("/etc/chrony/sources.d", ".sources")] {
        for name in visit.names(folder)?.iter().filter(|name| name.ends_with(ending)) {
            servers.extend(named_servers(&visit.read(&format!("{folder}/{name}"))?.unwrap_or_default()));
        }
    }
    for file in ["/etc/chrony/chrony.conf", "/etc/chrony.conf", "/etc/ntp.conf", "/etc/ntpsec/ntp.conf"] {
        servers.extend(named_servers(&visit.read(file)?.unwrap_or_default()));
    }
    servers.extend(timesyncd_servers(&visit.read("/etc/systemd/timesyncd.conf")?.unwrap_or_default()));
    Ok(servers)
}

/// `server NAME ...` and `pool NAME ...` of chrony and ntpd, with the port if one is given.
fn named_servers(text: &str) -> Vec<String> {
    let mut servers = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["server" | "pool" | "peer", name, options @ ..] = words.as_slice() {
            let port = options.iter().position(|word| *word == "port").and_then(|at| options.get(at + 1));
            servers.push(port.map_or_else(|| (*name).to_owned(), |port| format!("{name}:{port}")));
        }
    }
    servers
}

/// `NTP=a b` and `FallbackNTP=` of systemd-timesyncd.
fn timesyncd_servers(text: &str) -> Vec<String> {
    let values = text.lines().filter_map(|line| line.trim().split_once('='));
    let values = values.filter(|(key, _)| matches!(*key, "NTP" | "FallbackNTP"));
    values.flat_map(|(_, value)| value.split_whitespace().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::machine::tests::recorded;
    use super::super::super::{Os, Status};
    use super::*;

    const FOLLOWING: &str = include_str!("../../../tests/data/checklist/linux/chronyc-following.txt");
    const LOCAL: &str = include_str!("../../../tests/data/checklist/linux/chronyc-local.txt");
    const LOST: &str = include_str!("../../../tests/data/checklist/linux/chronyc-lost.txt");

    #[test]
    fn chrony_passes_only_if_it_follows_another_machine() {
        let following = ServiceState::Follows("127.0.0.1 (stratum 11, chronyd)".into());
        assert_eq!(chrony_state(FOLLOWING), Ok(following));
        assert_eq!(chrony_state(LOCAL), Ok(ServiceState::Lost("chronyd follows only its own clock".into())));
        assert_eq!(chrony_state(LOST), Ok(ServiceState::Lost("chronyd is not synchronised".into())));
        for garbage in ["", "506 Cannot talk to daemon", "00000000,,0"] {
            assert!(chrony_state(garbage).is_err(), "{garbage}");
        }
    }

    #[test]
    fn timesyncd_passes_only_if_it_is_on_and_synchronised() {
        let said = "Timezone=Etc/UTC\nCanNTP=yes\nNTP=yes\nNTPSynchronized=yes\n";
        assert!(matches!(timesyncd_state(said), Ok(ServiceState::Follows(_))));
        assert!(matches!(timesyncd_state(&said.replace("NTP=yes", "NTP=no")), Ok(ServiceState::Lost(_))));
        assert!(matches!(timesyncd_state("NTP=yes\nNTPSynchronized=no"), Ok(ServiceState::Lost(_))));
        assert!(timesyncd_state("Failed to connect to bus").is_err());
    }

    #[test]
    fn ntpd_with_a_leap_alarm_or_only_its_own_clock_follows_no_server() {
        assert!(matches!(
            ntpd_state("leap=00, stratum=3,\nrefid=192.0.2.7, offset=-0.02"),
            Ok(ServiceState::Follows(_))
        ));
        assert!(matches!(ntpd_state("leap=11, stratum=16, refid=INIT, offset=0"), Ok(ServiceState::Lost(_))));
        assert!(matches!(ntpd_state("leap=00, stratum=6, refid=LOCAL, offset=0"), Ok(ServiceState::Lost(_))));
        assert!(ntpd_state("ntpq: read: Connection refused").is_err());
    }

    #[test]
    fn configured_servers_of_every_service_are_found() {
        let machine = recorded(Os::Linux, &[])
            .file("/etc/chrony/chrony.conf", "# x\npool pool.example iburst\nserver a.example port 11123\n")
            .file("/etc/chrony/sources.d/dc.sources", "server dc01 iburst\n")
            .file("/etc/systemd/timesyncd.conf", "[Time]\n#NTP=no\nNTP=b.example c.example\n");
        let servers = configured_servers(&machine.visit()).unwrap();
        assert_eq!(servers, ["dc01", "pool.example", "a.example:11123", "b.example", "c.example"]);
    }

    #[test]
    fn no_time_service_fails_and_an_unreadable_one_is_unknown() {
        let idle = recorded(Os::Linux, &[]).file("/proc/1/comm", "init\n");
        assert_eq!(service(&idle.visit()).status, Status::Fail);
        let running = |answer: &'static str| {
            recorded(Os::Linux, &[("chronyc", answer)]).file("/proc/7/comm", "chronyd\n")
        };
        assert_eq!(service(&running(FOLLOWING).visit()).status, Status::Pass);
        assert_eq!(service(&running("!1 506 Cannot talk to daemon").visit()).status, Status::CouldNotCheck);
        assert_eq!(service(&running("!timeout").visit()).status, Status::CouldNotCheck);
        assert_eq!(service(&running("garbage").visit()).status, Status::CouldNotCheck);
    }
}
