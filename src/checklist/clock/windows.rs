//! `w32tm` prints in the language of the machine. So only what no translation changes is read: the
//! order of the lines, the digits at the beginning of a value, and the reference identifier.

use jiff::Timestamp;

use super::super::findings::Finding;
use super::super::machine::Visit;
use super::super::powershell;
use super::super::probes::{Probed, ProbedItem, Source};

const WHY: &str = "A clock that follows no server drifts until Kerberos refuses the machine.";
const FOLLOWS: &str = "What the Windows Time service follows";
/// The reference identifiers of a machine that follows nobody: none, its own clock (`LOCL`),
/// itself.
const NOBODY: [u32; 3] = [0, 0x4C4F_434C, 0x7F00_0001];
/// The reference identifier of a machine that follows its Hyper-V host: `VMTP`.
const HOST: u32 = 0x564D_5450;
/// The shortest time since the last synchronisation that is too long, in seconds. It is too long
/// from twice the time on that the service waits between two questions.
const STALE: f64 = 10_800.0;
/// How many lines `w32tm /query /status /verbose` prints that are not empty.
const LINES: usize = 16;
/// The bit of a server's flags that makes the service wait `SpecialPollInterval` seconds.
const SPECIAL_INTERVAL: u32 = 1;
/// The role of a domain controller that is its domain's PDC emulator (`DomainRole`).
const PDC_EMULATOR: i64 = 5;

/// What was found: the servers that are configured, and the findings.
pub(super) struct Look {
    pub servers: Result<Vec<String>, String>,
    pub findings: Vec<Finding>,
}

pub(super) fn look(visit: &Visit<'_>) -> Look {
    let began = Timestamp::now();
    match powershell::ask(visit, "clock") {
        Ok(probed) => {
            let mut findings = judge(&probed, visit.settings().ntp.as_deref());
            if visit.probes().is_remote() {
                findings.push(against_here(&probed, visit.probes(), began));
                findings.push(zone_there(&probed));
            }
            Look { servers: servers(&probed), findings }
        }
        Err(problem) => Look {
            servers: Err(problem.clone()),
            findings: vec![Finding::could_not_check("The Windows Time service", problem)],
        },
    }
}

/// The other machine's clock against this one's. The probe states its time, and it ran between
/// `began` and now. What was recorded in a file tells nothing about this moment.
fn against_here(probed: &Probed, source: &Source, began: Timestamp) -> Finding {
    let (Source::Computer(name), Some(there)) = (source, probed.taken()) else {
        return Finding::manual(
            "clock",
            "Compare that clock with the destination's: a file does not tell it",
        )
        .why(super::WHY)
        .fix("On that server: w32tm /stripchart /computer:DESTINATION /samples:3 /dataonly");
    };
    let span = Timestamp::now().duration_since(began).as_secs_f64();
    let offset = there.duration_since(began).as_secs_f64() - span / 2.0;
    // The probe states whole seconds.
    let margin = span / 2.0 + 1.0;
    let evidence = format!("there {there}, asked for {span:.1} s from {began:.0} on");
    super::offset_finding(&format!("the clock of {name}"), offset, margin).seen("the probe", evidence)
}

/// The zone of another machine is compared by a person: Windows has other names for zones.
fn zone_there(probed: &Probed) -> Finding {
    let zone = probed.first("zone");
    let text = |key: &str| zone.map_or("-", |zone| zone.shown(key)).to_owned();
    Finding::manual("time-zone", "Compare the time zone with the destination's")
        .seen("Win32_TimeZone", format!("{}, {} minutes from UTC in winter", text("name"), text("bias")))
        .fix("On both: `tzutil /g`.")
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

fn is_pdc_emulator(probed: &Probed) -> bool {
    probed.first("role").and_then(|role| role.number("role")) == Some(PDC_EMULATOR)
}

fn judge(probed: &Probed, ntp: Option<&str>) -> Vec<Finding> {
    let service = match probed.first("service") {
        Some(service) => judge_service(service, domain(probed).is_some()),
        None => Finding::could_not_check("The Windows Time service", probed.reason("service")),
    };
    let status = match (probed.first("status"), probed.first("role")) {
        (Some(status), Some(_)) => judge_status(status, probed, ntp),
        (None, _) => Finding::could_not_check(FOLLOWS, probed.reason("status")),
        (_, None) => Finding::could_not_check(FOLLOWS, probed.reason("role")),
    };
    vec![service, status, judge_host(probed)]
}

fn judge_service(service: &ProbedItem, joined: bool) -> Finding {
    let (state, start) = (service.shown("state"), service.shown("start"));
    let evidence = format!("state {state}, start mode {start}");
    let finding = match (state, start) {
        ("Running", _) => {
            return Finding::pass("The Windows Time service is running")
                .seen("Win32_Service W32Time", evidence);
        }
        // Outside a domain, Windows starts the service by a trigger when the network comes up.
        ("Stopped", "Manual") if !joined => {
            Finding::warn("The Windows Time service is not running right now")
        }
        ("-", _) => return Finding::could_not_check("The Windows Time service", "its state is not told"),
        _ => Finding::fail("The Windows Time service is not running"),
    };
    finding
        .seen("Win32_Service W32Time", evidence)
        .why(WHY)
        .fix("sc.exe config w32time start= auto, then net start w32time")
        .command(&["sc.exe", "config", "w32time", "start=", "auto"])
        .command(&["net.exe", "start", "w32time"])
}

/// What `w32tm /query /status /verbose` says.
struct Status {
    /// 3 means "not synchronised".
    leap: u32,
    stratum: u32,
    reference: u32,
    /// The seconds between two questions are 2 to this power.
    poll: u32,
    /// Seconds between this clock and the server's.
    offset: f64,
    /// 2 means that the service follows its server.
    state: u32,
    /// The code with which the last synchronisation ended.
    error: u32,
    /// Seconds since the last synchronisation.
    age: f64,
}

impl Status {
    /// Reads the lines by their order: leap indicator, stratum, precision, root delay, root
    /// dispersion, reference, last synchronisation, source, poll interval, phase offset, clock
    /// rate, state machine, flags, role, last error, age.
    fn parse(lines: &[&str]) -> Option<Self> {
        let lines: Vec<&str> = lines.iter().copied().filter(|line| !line.trim().is_empty()).collect();
        if lines.len() != LINES {
            return None;
        }
        let value = |index: usize| lines.get(index)?.split_once(':').map(|(_, value)| value.trim());
        let digits = |index: usize| -> Option<u32> {
            value(index)?.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
        };
        let seconds = |index: usize| -> Option<f64> {
            let seconds: f64 = value(index)?.strip_suffix('s')?.replace(',', ".").parse().ok()?;
            seconds.is_finite().then_some(seconds)
        };
        let reference = lines.get(5)?.split_once("0x")?.1.get(..8)?;
        Some(Self {
            leap: digits(0)?,
            stratum: digits(1)?,
            reference: u32::from_str_radix(reference, 16).ok()?,
            poll: digits(8)?,
            offset: seconds(9)?,
            state: digits(11)?,
            error: digits(14)?,
            age: seconds(15)?,
        })
    }

    /// Why the service cannot be said to follow a server.
    fn problem(&self, settings: &ProbedItem) -> Option<String> {
        if self.leap == 3
            || !(1..16).contains(&self.stratum)
            || NOBODY.contains(&self.reference)
            || self.state == 0
        {
            return Some("The Windows Time service follows no server".to_owned());
        }
        if self.reference == HOST {
            return Some("The clock follows the Hyper-V host, not a time server".to_owned());
        }
        if self.error != 0 {
            return Some(format!("The last synchronisation of the clock ended with error {}", self.error));
        }
        if self.offset.abs() > super::LIMIT {
            let offset = super::seconds_words(self.offset.abs());
            return Some(format!("The Windows Time service says that the clock is {offset} off"));
        }
        (self.age > self.patience(settings)).then(|| {
            let age = super::seconds_words(self.age);
            format!("The Windows Time service last heard from its server {age} ago")
        })
    }

    /// The longest time in seconds that the service may not have heard from its server.
    fn patience(&self, settings: &ProbedItem) -> f64 {
        let flags = settings.text("servers").unwrap_or_default().split_whitespace();
        let flags = flags.filter_map(|server| u32::from_str_radix(server.split_once(",0x")?.1, 16).ok());
        let is_special =
            settings.text("type") == Some("NTP") && flags.clone().any(|flags| flags & SPECIAL_INTERVAL != 0);
        let special = settings.text("special").and_then(|text| text.trim().parse::<u32>().ok());
        let interval = match special.filter(|_| is_special) {
            Some(special) => f64::from(special),
            None => 2.0_f64.powi(i32::try_from(self.poll.min(17)).unwrap_or(0)),
        };
        (interval * 2.0).max(STALE)
    }
}

fn judge_status(status: &ProbedItem, probed: &Probed, ntp: Option<&str>) -> Finding {
    let lines = status.list("lines");
    let source = "w32tm /query /status /verbose";
    let said = lines.join("\n");
    let unknown = |problem: &str| Finding::could_not_check(FOLLOWS, problem).seen(source, said.clone());
    if status.number("code") != Some(0) {
        let first = lines.iter().find(|line| !line.trim().is_empty());
        return unknown(first.copied().unwrap_or("w32tm printed nothing"));
    }
    let Some(found) = Status::parse(&lines) else { return unknown("w32tm's answer is not understood") };
    let settings = probed.first("settings");
    let Some((settings, kind)) = settings.and_then(|item| Some((item, item.text("type")?))) else {
        return unknown("the registry does not tell how it is set up");
    };
    let finding = if kind == "NoSync" {
        Finding::fail("The Windows Time service is set up to follow no server (NoSync)")
    } else if let Some(problem) = found.problem(settings) {
        Finding::fail(problem)
    } else if found.state != 2 {
        Finding::warn("The Windows Time service is adjusting to its server: check again in some minutes")
    } else if is_pdc_emulator(probed) && kind == "NT5DS" {
        // Only that of a child domain has anybody above it.
        Finding::warn(
            "The PDC emulator follows the domain, whose clock it is itself unless this is a child domain",
        )
    } else {
        return Finding::pass("The Windows Time service follows a server").seen(source, said);
    };
    remedy(finding.seen(source, said).why(WHY), probed, ntp)
}

/// The command of the published page follows the domain. On the PDC emulator that is its own clock,
/// so that it needs a server outside.
fn remedy(finding: Finding, probed: &Probed, ntp: Option<&str>) -> Finding {
    let restart = "then net stop w32time and net start w32time";
    let with = |finding: Finding, words: &[&str]| {
        let mut command = vec!["w32tm", "/config"];
        command.extend(words);
        finding
            .command(&command)
            .command(&["net.exe", "stop", "w32time"])
            .command(&["net.exe", "start", "w32time"])
    };
    if domain(probed).is_some() && !is_pdc_emulator(probed) {
        let finding =
            finding.fix(format!("w32tm /config /syncfromflags:domhier /reliable:no /update, {restart}"));
        return with(finding, &["/syncfromflags:domhier", "/reliable:no", "/update"]);
    }
    let reliable = if domain(probed).is_some() { "/reliable:yes" } else { "/reliable:no" };
    let server = ntp.unwrap_or("SERVER");
    let finding = finding.fix(format!(
        "This machine has no domain controller to follow, so it needs a time server outside: w32tm /config \
         /manualpeerlist:\"{server},0x8\" /syncfromflags:manual {reliable} /update, {restart}. With --ntp SERVER, \
         --fix offers this."
    ));
    let Some(server) = ntp else { return finding };
    let peers = format!("/manualpeerlist:{server},0x8");
    with(finding, &[&peers, "/syncfromflags:manual", reliable, "/update"])
}

/// The published page asks that the host of a virtual machine has the same date, time and zone.
fn judge_host(probed: &Probed) -> Finding {
    let what = "The host of this machine, if it is virtual";
    let Some(item) = probed.first("host") else {
        return Finding::could_not_check(what, probed.reason("host"));
    };
    let (Some(maker), Some(model)) = (item.text("maker"), item.text("model")) else {
        return Finding::could_not_check(what, "Windows names neither maker nor model of the machine");
    };
    let evidence = format!("{maker}, {model}");
    let signs = ["virtual", "vmware", "kvm", "qemu", "xen", "hvm domu", "parallels", "bochs"];
    let whole = evidence.to_lowercase();
    if !signs.iter().any(|sign| whole.contains(sign)) {
        return Finding::not_applicable("This is no virtual machine").seen("Win32_ComputerSystem", evidence);
    }
    let host = item.text("name").map_or_else(|| "its host".to_owned(), |name| format!("its host {name}"));
    let zone = probed.first("zone").map_or("-", |zone| zone.shown("name"));
    let time = probed.taken().map_or_else(|| "-".to_owned(), |time| format!("{time:.0}"));
    Finding::manual("clock-host", format!("Compare date, time and time zone with {host}"))
        .seen("Win32_ComputerSystem", evidence)
        .seen("this machine", format!("{time}, zone {zone}"))
        .why("A host sets the clock of its machines when they start or are resumed.")
        .fix("On the host: `Get-Date` and `tzutil /g`, or `date` and `timedatectl`. Set all three alike, then tick it off.")
}

#[cfg(test)]
mod tests {
    use super::super::super::Status as Found;
    use super::super::super::probes::parse;
    use super::*;
    use Found::{CouldNotCheck, Fail, Manual, NotApplicable, Pass, Warn};

    const FOLLOWING: &str = include_str!("../../../tests/data/checklist/windows/clock-following.txt");
    const LOCAL: &str = include_str!("../../../tests/data/checklist/windows/clock-local-german.txt");
    const STOPPED: &str = include_str!("../../../tests/data/checklist/windows/clock-stopped.txt");

    fn judged(recorded: &str, ntp: Option<&str>) -> Vec<Finding> {
        judge(&parse(recorded).unwrap(), ntp)
    }

    fn statuses(recorded: &str) -> Vec<Found> {
        judged(recorded, None).iter().map(|finding| finding.status).collect()
    }

    #[test]
    fn a_domain_member_that_follows_its_controller_passes() {
        assert_eq!(statuses(FOLLOWING), [Pass, Pass, NotApplicable]);
        assert_eq!(servers(&parse(FOLLOWING).unwrap()).unwrap(), ["contoso.local", "time.windows.com"]);
    }

    #[test]
    fn a_member_on_its_own_clock_fails_with_the_published_fix() {
        let member = FOLLOWING.replace("0xC0A80001", "0x4C4F434C");
        assert_eq!(statuses(&member)[1], Fail);
        let fix = judged(&member, None).remove(1).fix.unwrap();
        assert_eq!(fix.commands[0].join(" "), "w32tm /config /syncfromflags:domhier /reliable:no /update");
    }

    #[test]
    fn the_pdc_emulator_is_given_a_server_outside_and_only_one_that_was_named() {
        assert_eq!(statuses(LOCAL), [Pass, Fail, Manual]);
        assert!(judged(LOCAL, None)[1].fix.clone().unwrap().commands.is_empty());
        let fix = judged(LOCAL, Some("ntp.example")).remove(1).fix.unwrap();
        let first =
            "w32tm /config /manualpeerlist:ntp.example,0x8 /syncfromflags:manual /reliable:yes /update";
        assert_eq!(fix.commands[0].join(" "), first);
    }

    #[test]
    fn following_the_hyper_v_host_is_no_server() {
        let hyper_v = FOLLOWING.replace("0xC0A80001", "0x564D5450");
        assert_eq!(statuses(&hyper_v)[1], Fail);
        let virtual_machine = FOLLOWING.replace("PowerEdge T320", "Virtual Machine");
        assert_eq!(statuses(&virtual_machine)[2], Manual);
    }

    #[test]
    fn a_pdc_emulator_that_follows_the_domain_does_not_pass() {
        assert_eq!(statuses(&FOLLOWING.replace("\"role\":\"3\"", "\"role\":\"5\""))[1], Warn);
    }

    #[test]
    fn a_synchronisation_long_ago_fails_and_one_at_an_unknown_time_is_unknown() {
        assert_eq!(statuses(&FOLLOWING.replace(": 61.5s", ": 90000.5s"))[1], Fail);
        assert_eq!(statuses(&FOLLOWING.replace(": 61.5s", ": 20000.5s"))[1], Fail, "twice 1024 s is over");
        let rarely = FOLLOWING.replace("10 (1024s)", "15 (32768s)").replace(": 61.5s", ": 60000.5s");
        assert_eq!(statuses(&rarely)[1], Pass);
        let weekly = FOLLOWING
            .replace("\"NT5DS\"", "\"NTP\"")
            .replace("\"servers\":", "\"special\":\"604800\",\"servers\":")
            .replace(": 61.5s", ": 259200.5s");
        assert_eq!(statuses(&weekly)[1], Pass, "a server outside a domain asks once a week");
        assert_eq!(statuses(&weekly.replace(",0x9", ",0x8"))[1], Fail);
        assert_eq!(statuses(&FOLLOWING.replace(": 61.5s", ": gestern"))[1], CouldNotCheck);
        assert_eq!(statuses(&FOLLOWING.replace(": 61.5s", ": 61,5s"))[1], Pass);
    }

    #[test]
    fn what_the_service_complains_of_does_not_pass() {
        let with = |from: &str, to: &str| {
            assert!(FOLLOWING.contains(from), "{from}");
            statuses(&FOLLOWING.replace(from, to))[1]
        };
        assert_eq!(with("Error: 0 (The command completed successfully.)", "Error: 2 (too big)"), Fail);
        assert_eq!(with("Machine: 2 (Sync)", "Machine: 0 (Unset)"), Fail);
        assert_eq!(with("Machine: 2 (Sync)", "Machine: 3 (Spike)"), Warn);
        assert_eq!(with("Stratum: 4 ", "Stratum: 16 "), Fail);
        assert_eq!(with("Offset: 0.0001527s", "Offset: -3000.0000000s"), Fail);
        assert_eq!(with("\"NT5DS\"", "\"NoSync\""), Fail);
        assert_eq!(with("\"type\":\"NT5DS\"", "\"typ\":\"NT5DS\""), CouldNotCheck);
        for cut in ["\"State Machine", "\"Last Sync Error", "\"Phase Offset", "\"Time since"] {
            let rest = FOLLOWING.split_once(cut).unwrap().1.split_once("]}").unwrap().0.to_owned();
            assert_eq!(with(&format!(",{cut}{rest}"), ""), CouldNotCheck, "cut before {cut}");
        }
    }

    #[test]
    fn a_stopped_service_fails_and_what_it_follows_is_unknown() {
        assert_eq!(statuses(STOPPED)[..2], [Fail, CouldNotCheck]);
        let advice = judged(STOPPED, None).remove(0).fix.unwrap().advice;
        assert!(advice.starts_with("sc.exe config"), "in PowerShell, `sc` writes a file: {advice}");
    }

    #[test]
    fn a_recording_leaves_the_clock_to_a_person() {
        let probed = parse(FOLLOWING).unwrap();
        let here = Timestamp::now();
        assert_eq!(against_here(&probed, &Source::Here, here).status, Manual);
        let computer = Source::Computer("dc01".into());
        assert_eq!(against_here(&probed, &computer, here).status, Fail, "the recording is from another day");
        assert!(zone_there(&probed).evidence[0].text.contains("60 minutes"));
    }
}
