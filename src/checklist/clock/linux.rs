//! Time services on Linux: chrony, systemd-timesyncd, ntpd.

use super::super::findings::Finding;
use super::super::machine::{Visit, duration_words};
use super::super::systemd::running_programs;
use super::{LIMIT, seconds_words};

const WHY: &str =
    "A clock that follows no server drifts by seconds a day, which goes unnoticed until logons fail.";
const CHRONY: [&str; 3] = ["chronyc", "-c", "tracking"];
const CHRONY_SOURCES: [&str; 4] = ["chronyc", "-n", "-c", "sources"];
const TIMESYNC: [&str; 2] = ["timedatectl", "show"];
const TIMESYNC_SERVERS: [&str; 2] = ["timedatectl", "show-timesync"];
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
        Ok(Ok(server)) if server.starts_with("PHC") => Finding::warn(format!(
            "The clock follows the host of this virtual machine, not an NTP server: {server}"
        ))
        .seen(source, server)
        .why("If the host's clock is wrong, so is this one.")
        .fix("Compare the host's clock, or name a server in chrony's settings."),
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

/// chronyd goes on saying that all is normal when its servers no longer answer, and while the clock
/// is far off. So the time of the last answer counts, too, and so do the offset, the largest error,
/// and the reach of the server: a bit for each of the last eight questions.
fn chrony(visit: &Visit<'_>) -> Result<Followed, String> {
    let said = visit.ask(&CHRONY)?;
    let fields: Vec<&str> = said.trim().split(',').collect();
    let [reference, _, stratum, updated, .., leap] = fields[..] else {
        return Err("chronyc printed no tracking line".to_owned());
    };
    let updated = updated.split('.').next().and_then(|seconds| seconds.parse::<i64>().ok());
    let number = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok());
    let numbers = [number(2), number(4), number(10), number(11)];
    let (14, Some(updated), [Some(hops), Some(offset), Some(delay), Some(dispersion)]) =
        (fields.len(), updated, numbers)
    else {
        return Err("chronyc's tracking line is cut short".to_owned());
    };
    if reference == "7F7F0101" {
        return Ok(Err("chronyd follows only its own clock".to_owned()));
    }
    if reference == "00000000" || !matches!(leap, "Normal" | "Insert second" | "Delete second") {
        return Ok(Err("chronyd is not synchronised".to_owned()));
    }
    let error = dispersion + delay / 2.0;
    if hops >= 16.0 || offset.abs() > LIMIT || error > LIMIT {
        let (offset, error) = (seconds_words(offset.abs()), seconds_words(error));
        return Ok(Err(format!("stratum {stratum}, {offset} off, with an error of up to {error}")));
    }
    let silence = visit.settings().now.as_second() - updated;
    if silence < -60 {
        return Err("chronyd's last answer lies in the future: the clock was set back".to_owned());
    }
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
/// as the seventh. The one that is followed has the mark `*`, or `o` with a pulse per second. The
/// fifth is when it answered, in seconds or with `m`, `h` or `d`. The ninth is the offset in
/// milliseconds.
fn ntpd(visit: &Visit<'_>) -> Result<Followed, String> {
    let said = visit.ask(&NTPD)?;
    if !said.contains("refid") {
        return Err("ntpq listed no servers".to_owned());
    }
    let Some(line) = said.lines().find_map(|line| line.strip_prefix(['*', 'o'])) else {
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
        [server, _, stratum, _, when, _, _, _, offset, ..] => {
            let Ok(offset) = offset.parse::<f64>() else {
                return Err(format!("ntpq tells no offset of {server}"));
            };
            let hours = when.strip_suffix('h').and_then(|hours| hours.parse::<i64>().ok());
            if when.ends_with('d') || hours.is_some_and(|hours| hours * 3_600 > SILENCE) {
                return Ok(Err(format!("{server} answered ntpd {when} ago")));
            }
            if offset.abs() > LIMIT * 1_000.0 {
                return Ok(Err(format!(
                    "the clock is {} off from {server}",
                    seconds_words(offset.abs() / 1_000.0)
                )));
            }
            Ok(Ok(format!("{server} (stratum {stratum}, ntpd)")))
        }
        _ => Err("ntpq's line of a server is cut short".to_owned()),
    }
}

/// The servers that the time services are configured with, and that systemd-timesyncd follows if it
/// runs: some are built into it.
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
    // Asked while it does not run, timedatectl would start it.
    if servers.is_empty() && running_programs(visit)?.iter().any(|name| name == "systemd-timesyn") {
        servers.extend(timesyncd_servers(&visit.ask(&TIMESYNC_SERVERS)?));
    }
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

/// The servers of systemd-timesyncd, the one that it follows first: `ServerName=NAME`, then
/// `SystemNTPServers=NAME NAME` and the like.
fn timesyncd_servers(text: &str) -> Vec<String> {
    let value = |key: &str| {
        let mut pairs = text.lines().filter_map(|line| line.split_once('='));
        pairs.find(|(name, _)| *name == key).map_or("", |(_, value)| value)
    };
    let keys = ["ServerName", "SystemNTPServers", "LinkNTPServers", "FallbackNTPServers"];
    keys.iter().flat_map(|key| value(key).split_whitespace()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::Os;
    use super::super::super::Status::{self, CouldNotCheck, Fail, Pass, Warn};
    use super::super::super::machine::tests::{TestMachine, recorded};
    use super::*;

    const TRACKING: &str =
        "C0A80001,192.168.0.1,3,1795175990.5,0.000012,0.00001,0.00002,-12.3,0.0,0.1,0.02,0.001,64.2,Normal";
    const SOURCES: &str = "^,*,192.168.0.1,2,6,377,12,0.0001,0.0001,0.002\n";
    const NTPQ: &str = "     remote           refid      st t when poll reach   delay   offset  jitter\n*192.168.0.1     10.0.0.1         2 u   33   64  377    0.123    0.456   0.078\n";

    fn running(program: &str, answers: &[(&str, &str)]) -> TestMachine {
        recorded(Os::Linux, answers).file("/proc/1/comm", "systemd").file("/proc/2/comm", program)
    }

    fn chronyd(tracking: &str, sources: &str) -> Status {
        let answers = [("chronyc -c tracking", tracking), ("chronyc -n -c sources", sources)];
        service(&running("chronyd", &answers).visit()).status
    }

    #[test]
    fn a_clock_that_chronyd_itself_calls_wrong_does_not_pass() {
        assert_eq!(chronyd(TRACKING, SOURCES), Pass);
        assert_eq!(chronyd(&TRACKING.replace(",0.000012,", ",3600.5,"), SOURCES), Fail, "it is slewing");
        assert_eq!(chronyd(&TRACKING.replace(",0.000012,", ",-3600.5,"), SOURCES), Fail);
        assert_eq!(chronyd(&TRACKING.replace(",0.001,64.2", ",900.0,64.2"), SOURCES), Fail, "dispersion");
        assert_eq!(chronyd(&TRACKING.replace(",3,17", ",16,17"), SOURCES), Fail);
        let ahead = TRACKING.replace("1795175990", "1827403190");
        assert_eq!(chronyd(&ahead, SOURCES), CouldNotCheck, "the clock was set back");
        assert_eq!(chronyd(&TRACKING.replace(",0.000012,", ",schnell,"), SOURCES), CouldNotCheck);
        assert_eq!(chronyd(TRACKING, &SOURCES.replace(",377,", ",0,")), Fail, "the reach");
        assert_eq!(chronyd(TRACKING, "#,*,PHC0,0,6,377,12,0.0001,0.0001,0.002\n"), Warn, "the host");
    }

    #[test]
    fn a_server_of_ntpd_that_is_silent_or_far_off_fails() {
        let with = |said: &str| service(&running("ntpd", &[("ntpq -pn", said)]).visit()).status;
        assert_eq!(with(NTPQ), Pass);
        assert_eq!(with(&NTPQ.replace('*', "o")), Pass, "a pulse per second");
        assert_eq!(with(&NTPQ.replace("  33 ", "  8d ")), Fail);
        assert_eq!(with(&NTPQ.replace("  33 ", "  7h ")), Fail);
        assert_eq!(with(&NTPQ.replace("0.456", "-900000.1")), Fail);
        assert_eq!(with(&NTPQ.replace("0.456", "viel")), CouldNotCheck);
        assert_eq!(with(&NTPQ.replace(" 377 ", "   0 ")), Fail);
        assert_eq!(with(&NTPQ.replace('*', "+")), Fail);
    }

    #[test]
    fn the_servers_that_are_built_into_timesyncd_are_asked_for_while_it_runs() {
        let said = "FallbackNTPServers=0.debian.pool.ntp.org 1.debian.pool.ntp.org\nServerName=0.debian.pool.ntp.org\nServerAddress=192.0.2.1\n";
        let answers = [("timedatectl show-timesync", said)];
        let servers = |program: &str| configured_servers(&running(program, &answers).visit()).unwrap();
        assert_eq!(servers("systemd-timesyn")[0], "0.debian.pool.ntp.org");
        assert!(servers("bash").is_empty());
    }
}
