//! Time services on Linux: chrony, systemd-timesyncd, ntpd.

use super::super::findings::Finding;
use super::super::machine::{Visit, duration_words};
use super::super::systemd::running_programs;

const WHY: &str =
    "A clock that follows no server drifts by seconds a day, which goes unnoticed until logons fail.";
const CHRONY: [&str; 3] = ["chronyc", "-c", "tracking"];
const CHRONY_SOURCES: [&str; 4] = ["chronyc", "-n", "-c", "sources"];
const TIMESYNC: [&str; 2] = ["timedatectl", "show"];
/// systemd-timesyncd writes it each time that a server answers.
const TIMESYNC_STAMP: &str = "/run/systemd/timesync/synchronized";
const NTPD: [&str; 2] = ["ntpq", "-pn"];
/// The longest time in seconds between two answers of a server that is followed. The services ask
/// at least every 36 minutes.
const SILENCE: i64 = 3 * 3_600;

/// What a time service says about itself: the server that it follows, or why it follows none.
type Followed = Result<String, String>;

/// How the machine keeps its clock.
pub(super) fn service(visit: &Visit<'_>) -> Finding {
    let running = match running_programs(visit) {
        Ok(running) => running,
        Err(problem) => return Finding::could_not_check("The time service", problem),
    };
    let runs = |name: &str| running.iter().any(|program| program == name);
    // The kernel truncates a program's name to 15 characters.
    let (source, state) = if runs("chronyd") {
        (format!("{}, {}", CHRONY.join(" "), CHRONY_SOURCES.join(" ")), chrony(visit))
    } else if runs("systemd-timesyn") {
        (format!("{}, {TIMESYNC_STAMP}", TIMESYNC.join(" ")), timesyncd(visit))
    } else if runs("ntpd") {
        (NTPD.join(" "), ntpd(visit))
    } else {
        return Finding::fail("No time service is running (chronyd, systemd-timesyncd, ntpd)")
            .seen("/proc/*/comm", format!("none of {} running programs", running.len()))
            .why(WHY)
            .fix("Install and start one: `apt-get install chrony`, `dnf install chrony` or `zypper install chrony`, \
                   then `systemctl enable --now chronyd`.");
    };
    match state {
        Ok(Ok(server)) => Finding::pass(format!("The time service follows {server}")).seen(source, server),
        Ok(Err(why)) => Finding::fail(format!("The time service follows no NTP server: {why}"))
            .seen(source, why)
            .why(WHY)
            .fix(
                "Check that its servers can be reached (UDP port 123): `chronyc sources`, \
               `timedatectl timesync-status` or `ntpq -p`.",
            ),
        Err(problem) => Finding::could_not_check("The time service", problem).seen(source, ""),
    }
}

/// chronyd goes on saying that all is normal when its servers no longer answer. So the time of the
/// last answer and the reach of the server count, too: a bit for each of the last eight questions.
fn chrony(visit: &Visit<'_>) -> Result<Followed, String> {
    let said = visit.ask(&CHRONY)?;
    let fields: Vec<&str> = said.trim().split(',').collect();
    let [reference, _, stratum, updated, .., leap] = fields[..] else {
        return Err("chronyc printed no tracking line".to_owned());
    };
    let updated = updated.split('.').next().and_then(|seconds| seconds.parse::<i64>().ok());
    let (14, Some(updated)) = (fields.len(), updated) else {
        return Err("chronyc's tracking line is cut short".to_owned());
    };
    if reference == "7F7F0101" {
        return Ok(Err("chronyd follows only its own clock".to_owned()));
    }
    if reference == "00000000" || !matches!(leap, "Normal" | "Insert second" | "Delete second") {
        return Ok(Err("chronyd is not synchronised".to_owned()));
    }
    let silence = visit.settings().now.as_second() - updated;
    if silence > SILENCE {
        return Ok(Err(format!("no server has answered chronyd for {}", duration_words(silence))));
    }
    let said = visit.ask(&CHRONY_SOURCES)?;
    let mut sources = said.lines().map(|line| line.split(',').collect::<Vec<_>>());
    match sources.find(|fields| fields.get(1) == Some(&"*")) {
        Some(fields) if fields.len() < 10 => Err("chronyc's line of a source is cut short".to_owned()),
        Some(fields) if fields[5] == "0" => {
            Ok(Err(format!("{} has not answered chronyd's last eight questions", fields[2])))
        }
        Some(fields) => Ok(Ok(format!("{} (stratum {stratum}, chronyd)", fields[2]))),
        None => Ok(Err("chronyd has selected none of its servers".to_owned())),
    }
}

/// `timedatectl show` prints lines `Key=value`. The kernel's mark that the clock is synchronised
/// outlives the last answer by hours.
fn timesyncd(visit: &Visit<'_>) -> Result<Followed, String> {
    let said = visit.ask(&TIMESYNC)?;
    let value = |key: &str| {
        let mut pairs = said.lines().filter_map(|line| line.split_once('='));
        pairs.find(|(name, _)| *name == key).map(|(_, value)| value)
    };
    match (value("NTPSynchronized"), value("NTP"), visit.age(TIMESYNC_STAMP)) {
        (Some("yes" | "no"), Some("no"), _) => Ok(Err("systemd-timesyncd is turned off".to_owned())),
        (Some("no"), _, _) => Ok(Err("systemd-timesyncd is not synchronised".to_owned())),
        (Some("yes"), _, None) => Ok(Err("no server has answered systemd-timesyncd since boot".to_owned())),
        (Some("yes"), _, Some(age)) if age > SILENCE => {
            Ok(Err(format!("no server has answered systemd-timesyncd for {}", duration_words(age))))
        }
        (Some("yes"), Some("yes"), _) => Ok(Ok("its NTP server (systemd-timesyncd)".to_owned())),
        _ => Err("timedatectl does not say whether the clock is synchronised".to_owned()),
    }
}

/// `ntpq -pn` lists the servers: a mark, the address, its reference, its stratum, ... and the reach
/// as the seventh. The one that is followed has the mark `*`.
fn ntpd(visit: &Visit<'_>) -> Result<Followed, String> {
    let said = visit.ask(&NTPD)?;
    if !said.contains("refid") {
        return Err("ntpq listed no servers".to_owned());
    }
    let Some(line) = said.lines().find_map(|line| line.strip_prefix('*')) else {
        return Ok(Err("ntpd has selected none of its servers".to_owned()));
    };
    match line.split_whitespace().collect::<Vec<_>>()[..] {
        [server, ..] if server.starts_with("127.127.1.") => {
            Ok(Err("ntpd follows only its own clock".to_owned()))
        }
        [_, ".LOCL.", ..] => Ok(Err("ntpd follows only its own clock".to_owned())),
        [server, _, _, _, _, _, "0", ..] => {
            Ok(Err(format!("{server} has not answered ntpd's last eight questions")))
        }
        [server, _, stratum, _, _, _, _, ..] => Ok(Ok(format!("{server} (stratum {stratum}, ntpd)"))),
        _ => Err("ntpq's line of a server is cut short".to_owned()),
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
