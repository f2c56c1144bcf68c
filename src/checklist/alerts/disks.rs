//! Disks and arrays of disks: SMART, Linux RAID, ZFS, btrfs.

use serde_json::Value;

use super::super::findings::Finding;
use super::super::machine::Visit;
use super::super::phrases::{are, several};
use super::WHY;

const REPLACE: &str = "Verify the backup, replace the disk, and let the array rebuild before the migration.";
const SCAN: [&str; 3] = ["smartctl", "--scan", "-j"];
const ZFS: [&str; 3] = ["zpool", "status", "-x"];

pub(super) fn look(visit: &Visit<'_>) -> Vec<Finding> {
    vec![smart(visit), raid(visit), zfs(visit), btrfs(visit)]
}

/// How a disk or an array is.
enum Health {
    Good(String),
    /// It works, but not as it should.
    Worn(String),
    Bad(String),
}

/// The finding for disks or arrays of one kind, by name: bad ones fail, then unknown ones are
/// unknown.
fn judge(what: &str, noun: &str, all: &[(String, Result<Health, String>)], source: &str) -> Finding {
    let mut lines = Vec::new();
    let (mut bad, mut worn, mut unknown) = (Vec::new(), Vec::new(), 0);
    for (name, health) in all {
        let (Ok(Health::Good(text) | Health::Worn(text) | Health::Bad(text)) | Err(text)) = health;
        let line = format!("{name}: {text}");
        match health {
            Ok(Health::Good(_)) => {}
            Ok(Health::Worn(_)) => worn.push(line.clone()),
            Ok(Health::Bad(_)) => bad.push(line.clone()),
            Err(_) => unknown += 1,
        }
        lines.push(line);
    }
    let finding = if !bad.is_empty() {
        Finding::fail(format!("{what} report problems: {}", bad.join("; "))).why(WHY).fix(REPLACE)
    } else if unknown > 0 {
        let problem = format!("unknown for {unknown} of {}", several(all.len(), noun));
        Finding::could_not_check(what, problem)
            .fix("Run as root; for disks behind a RAID controller use its own program.")
    } else if !worn.is_empty() {
        Finding::warn(format!("{what} report wear or work in progress: {}", worn.join("; ")))
            .why(WHY)
            .fix("Wait until a resynchronisation is over. Verify the backup before you trust a worn disk.")
    } else {
        Finding::pass(format!("{what}: {} healthy", are(all.len(), noun)))
    };
    finding.seen(source, lines.join("\n"))
}

fn json(said: &str) -> Result<Value, String> {
    serde_json::from_str(said).map_err(|error| format!("smartctl printed no JSON ({error})"))
}

fn smart(visit: &Visit<'_>) -> Finding {
    let what = "The disks' own reports (SMART)";
    let scan = visit.ask(&SCAN).and_then(|said| json(&said)).and_then(|scan| match scan.get("smartctl") {
        Some(_) => Ok(scan),
        None => Err("smartctl printed JSON of another kind".to_owned()),
    });
    let scan = match scan {
        Ok(scan) => scan,
        Err(problem) => {
            return Finding::could_not_check(what, problem).fix("Install smartmontools, and run as root.");
        }
    };
    let devices = scan.get("devices").and_then(Value::as_array).cloned().unwrap_or_default();
    if devices.is_empty() {
        return Finding::not_applicable(
            "smartctl finds no disk that reports its health (virtual disks and many RAID controllers do not)",
        )
        .seen(SCAN.join(" "), "no devices");
    }
    let mut found = Vec::new();
    for device in &devices {
        let text = |key: &str| device.get(key).and_then(Value::as_str).unwrap_or("?");
        let (name, kind) = (text("name"), text("type"));
        // The exit code is a bit mask of conditions, which the JSON repeats.
        let said = visit.run(&["smartctl", "-j", "-H", "-A", "-d", kind, name]);
        let said = said.map_err(|error| error.to_string());
        found.push((name.to_owned(), said.and_then(|output| health(&json(&output.stdout)?))));
    }
    judge(what, "disk", &found, "smartctl -j -H -A -d")
}

/// How a disk is, by the report of smartctl. A disk "passes" by itself until it all but fails, so
/// what it counts is read, too.
fn health(report: &Value) -> Result<Health, String> {
    let number = |place: &str| report.pointer(place).and_then(Value::as_u64);
    let message = || report.pointer("/smartctl/messages/0/string").and_then(Value::as_str);
    let passed = report.pointer("/smart_status/passed").and_then(Value::as_bool);
    if passed == Some(false) {
        return Ok(Health::Bad("it reports that it is failing".to_owned()));
    }
    // Sectors that are already lost: ATA attributes 197 and 198, and what NVMe counts.
    let table = report.pointer("/ata_smart_attributes/table").and_then(Value::as_array);
    let attribute = |wanted: u64| {
        let is_it = |one: &&Value| one.get("id").and_then(Value::as_u64) == Some(wanted);
        let raw = table?.iter().find(is_it)?.pointer("/raw/value")?;
        raw.as_u64()
    };
    let log = "/nvme_smart_health_information_log";
    let lost = [attribute(197), attribute(198), number(&format!("{log}/media_errors"))];
    if let Some(worst @ 1..) = lost.into_iter().flatten().max() {
        return Ok(Health::Bad(format!("blocks that cannot be read: {worst}")));
    }
    // Bits 0 to 2 say that smartctl could not ask, bits 3 to 7 that the disk complains.
    let status = number("/smartctl/exit_status").ok_or("smartctl does not say how it ended")?;
    let protocol = report.pointer("/device/protocol").and_then(Value::as_str).unwrap_or("?");
    let has_counts = match protocol {
        "ATA" => table.is_some(),
        "NVMe" => report.pointer(log).is_some(),
        _ => true,
    };
    if passed.is_none() || status & 7 != 0 || !has_counts {
        return Err(message().unwrap_or("it does not report its health").to_owned());
    }
    let mut wear = Vec::new();
    let failed =
        |one: &&Value| one.get("when_failed").and_then(Value::as_str).is_some_and(|when| !when.is_empty());
    for one in table.into_iter().flatten().filter(failed) {
        let name = one.get("name").and_then(Value::as_str).unwrap_or("an attribute");
        wear.push(format!("{name} is or was below its threshold"));
    }
    let counts = [
        ("sectors that were replaced", attribute(5)),
        ("defects that have grown", number("/scsi_grown_defect_list")),
    ];
    wear.extend(
        counts
            .iter()
            .filter_map(|(what, count)| Some(format!("{what}: {}", count.filter(|count| *count > 0)?))),
    );
    let used = number(&format!("{log}/percentage_used")).filter(|used| *used >= 100);
    wear.extend(used.map(|used| format!("{used}% of its life is used")));
    let spare = number(&format!("{log}/available_spare"));
    if spare.is_some() && spare <= number(&format!("{log}/available_spare_threshold")) {
        wear.push("its spare blocks are used up".to_owned());
    }
    if wear.is_empty() && status != 0 {
        wear.push(format!("smartctl ended with {status}"));
    }
    Ok(if wear.is_empty() { Health::Good("passed".to_owned()) } else { Health::Worn(wear.join(", ")) })
}

/// Linux RAID. The kernel's own list is read, so `mdadm` does not have to be installed.
fn raid(visit: &Visit<'_>) -> Finding {
    let source = "/proc/mdstat";
    match visit.read(source) {
        Err(problem) => Finding::could_not_check("Linux RAID", problem),
        Ok(None) if visit.exists("/proc/1") => {
            Finding::not_applicable("Linux RAID is not in use").seen(source, "no such file")
        }
        Ok(None) => Finding::could_not_check("Linux RAID", "/proc is not mounted"),
        Ok(Some(said)) if !said.starts_with("Personalities") => {
            Finding::could_not_check("Linux RAID", "/proc/mdstat has an unexpected first line")
                .seen(source, said)
        }
        Ok(Some(said)) => match arrays(&said) {
            found if found.is_empty() => Finding::not_applicable("No Linux RAID array is set up"),
            found => judge("Linux RAID", "array", &found, source),
        },
    }
}

/// Every array. It is bad if it does not run or lacks a member: `[U_]` instead of `[UU]`, or a
/// member that is marked `(F)`.
fn arrays(said: &str) -> Vec<(String, Result<Health, String>)> {
    let mut found = Vec::new();
    let mut lines = said.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((name, state)) = line.split_once(" : ").filter(|(name, _)| name.starts_with("md")) else {
            continue;
        };
        let mut is_bad = state.contains("(F)") || !state.starts_with("active");
        let (mut has_map, mut works, mut is_container) = (false, None, false);
        while let Some(more) = lines.next_if(|line| line.starts_with(' ')) {
            let map =
                more.rsplit_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or("", |(map, _)| map);
            if !map.is_empty() && map.chars().all(|member| matches!(member, 'U' | '_')) {
                has_map = true;
                is_bad |= map.contains('_');
            }
            // What holds the arrays of a controller of Intel is never active.
            is_container |= more.contains("super external:") && state.starts_with("inactive");
            works = ["resync", "recovery", "reshape"].into_iter().find(|word| more.contains(word)).or(works);
        }
        let is_redundant = state
            .split_whitespace()
            .any(|word| word.strip_prefix("raid").is_some_and(|level| !matches!(level, "0" | "")));
        let health = if is_container {
            continue;
        } else if is_bad {
            Ok(Health::Bad(state.to_owned()))
        } else if is_redundant && !has_map {
            Err("the kernel does not say which members it has".to_owned())
        } else if let Some(word) = works {
            Ok(Health::Worn(format!("{word} goes on, {state}")))
        } else {
            Ok(Health::Good(state.to_owned()))
        };
        found.push((name.trim().to_owned(), health));
    }
    found
}

fn zfs(visit: &Visit<'_>) -> Finding {
    let source = ZFS.join(" ");
    match visit.run(&ZFS) {
        Err(error) if error.is_missing() => Finding::not_applicable("ZFS is not installed"),
        Err(error) => Finding::could_not_check("ZFS pools", error),
        Ok(output) if !output.succeeded() => Finding::could_not_check("ZFS pools", output.complaint()),
        Ok(output) => match output.stdout.trim() {
            "no pools available" => Finding::not_applicable("There are no ZFS pools"),
            "all pools are healthy" => Finding::pass("All ZFS pools are healthy").seen(source, output.stdout),
            said if said.contains("state:") => {
                Finding::fail("ZFS reports problems with pools").seen(source, said).why(WHY).fix(REPLACE)
            }
            _ => Finding::could_not_check("ZFS pools", "zpool printed something unexpected")
                .seen(source, output.stdout),
        },
    }
}

fn btrfs(visit: &Visit<'_>) -> Finding {
    let what = "btrfs file systems";
    let mounts = match visit.read("/proc/self/mounts") {
        Ok(Some(mounts)) => mounts,
        Ok(None) => return Finding::could_not_check(what, "/proc/self/mounts does not exist"),
        Err(problem) => return Finding::could_not_check(what, problem),
    };
    let (mut seen, mut found) = (Vec::new(), Vec::new());
    for line in mounts.lines() {
        let [device, place, "btrfs", ..] = line.split(' ').collect::<Vec<_>>()[..] else { continue };
        if seen.contains(&device) {
            continue;
        }
        seen.push(device);
        let place = place.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\");
        let health = btrfs_health(visit, &place);
        found.push((place, health));
    }
    if found.is_empty() {
        return Finding::not_applicable("No btrfs file system is mounted");
    }
    judge(what, "file system", &found, "btrfs device stats, btrfs filesystem show")
}

/// A device that is missing has counters of zero.
fn btrfs_health(visit: &Visit<'_>, place: &str) -> Result<Health, String> {
    let errors = btrfs_errors(&visit.ask(&["btrfs", "device", "stats", place])?)?;
    let devices = visit.ask(&["btrfs", "filesystem", "show", "--raw", place])?;
    if !devices.contains("devid") {
        return Err("btrfs listed no devices".to_owned());
    }
    let missing: Vec<&str> = devices.lines().filter(|line| line.to_lowercase().contains("missing")).collect();
    Ok(match (missing.is_empty(), errors.is_empty()) {
        (true, true) => Health::Good("no errors, and no device is missing".to_owned()),
        (false, _) => Health::Bad(missing.join(", ").replace('\t', " ").trim().to_owned()),
        (true, false) => Health::Bad(errors.join(", ")),
    })
}

/// The lines `[/dev/sda].write_io_errs 0` whose counter is not zero.
fn btrfs_errors(said: &str) -> Result<Vec<String>, String> {
    let mut counters = said.lines().filter(|line| line.starts_with('[')).peekable();
    if counters.peek().is_none() {
        return Err("btrfs printed no counters".to_owned());
    }
    let is_zero = |line: &&str| line.rsplit_once(' ').is_some_and(|(_, count)| count.trim() == "0");
    Ok(counters
        .filter(|line| !is_zero(line))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::super::super::Os;
    use super::super::super::Status::{self, CouldNotCheck, Fail, Pass, Warn};
    use super::super::super::machine::tests::recorded;
    use super::*;

    /// The status of a disk with this report. The reports have the form of smartctl 7.3.
    fn with(report: &str) -> Status {
        let scan = r#"{"smartctl":{"exit_status":0},"devices":[{"name":"/dev/sda","type":"sat"}]}"#;
        let machine =
            recorded(Os::Linux, &[("smartctl --scan", scan), ("smartctl -j -H -A -d sat /dev/sda", report)]);
        smart(&machine.visit()).status
    }

    const ATA: &str = r#"{"smartctl":{"exit_status":0},"device":{"protocol":"ATA"},"smart_status":{"passed":true},"ata_smart_attributes":{"table":[{"id":5,"name":"Reallocated_Sector_Ct","when_failed":"","raw":{"value":0}},{"id":197,"raw":{"value":0}}]}}"#;
    const NVME: &str = r#"{"smartctl":{"exit_status":0},"device":{"protocol":"NVMe"},"smart_status":{"passed":true},"nvme_smart_health_information_log":{"available_spare":100,"available_spare_threshold":10,"percentage_used":3,"media_errors":0}}"#;
    const SAS: &str = r#"{"smartctl":{"exit_status":0},"device":{"protocol":"SCSI"},"smart_status":{"passed":true},"scsi_grown_defect_list":0}"#;

    #[test]
    fn a_disk_that_cannot_be_asked_for_its_counts_is_unknown() {
        assert_eq!([with(ATA), with(NVME), with(SAS)], [Pass; 3]);
        let unread = r#"{"smartctl":{"exit_status":4,"messages":[{"string":"Read SMART Data failed"}]},"device":{"protocol":"ATA"},"smart_status":{"passed":true}}"#;
        assert_eq!(with(unread), CouldNotCheck);
        assert_eq!(with(&ATA.replace("\"exit_status\":0", "\"exit_status\":2")), CouldNotCheck);
        assert_eq!(with(&ATA.replace("ata_smart_attributes", "other")), CouldNotCheck);
        assert_eq!(with(&NVME.replace("nvme_smart_health_information_log", "other")), CouldNotCheck);
        assert_eq!(with(&ATA.replace("\"exit_status\"", "\"other\"")), CouldNotCheck);
        assert_eq!(with(&ATA.replace("\"passed\":true", "\"passed\":\"ja\"")), CouldNotCheck);
    }

    #[test]
    fn what_a_disk_counts_outweighs_that_it_passes() {
        assert_eq!(with(&ATA.replace("197,\"raw\":{\"value\":0", "197,\"raw\":{\"value\":8")), Fail);
        assert_eq!(with(&ATA.replacen("\"value\":0", "\"value\":2040", 1)), Warn);
        assert_eq!(with(&ATA.replace("\"when_failed\":\"\"", "\"when_failed\":\"past\"")), Warn);
        assert_eq!(with(&ATA.replace("\"exit_status\":0", "\"exit_status\":64")), Warn);
        assert_eq!(with(&ATA.replace("true", "false")), Fail);
        assert_eq!(with(&SAS.replace("list\":0", "list\":4000")), Warn);
        assert_eq!(with(&NVME.replace("used\":3", "used\":180")), Warn);
        assert_eq!(with(&NVME.replace("spare\":100", "spare\":10")), Warn);
        assert_eq!(with(&NVME.replace("media_errors\":0", "media_errors\":1")), Fail);
    }

    #[test]
    fn an_array_that_resynchronises_warns_and_one_without_its_map_is_unknown() {
        let with = |array: &str| {
            let text = format!("Personalities : [raid1]\n{array}\n\nunused devices: <none>\n");
            raid(&recorded(Os::Linux, &[]).file("/proc/mdstat", &text).visit()).status
        };
        let whole = "md0 : active raid1 sdb1[1] sda1[0]\n      1046528 blocks super 1.2 [2/2] [UU]";
        assert_eq!(with(whole), Pass);
        let works = format!("{whole}\n      [>....]  resync =  0.1% (1/1046528) finish=99min speed=1K/sec");
        assert_eq!(with(&works), Warn);
        assert_eq!(with(&works.replace("resync", "check")), Pass, "the check of every month");
        assert_eq!(with(whole.lines().next().unwrap()), CouldNotCheck);
        assert_eq!(with(&whole.replace("[UU]", "[U_]")), Fail);
        let intel = "md127 : inactive sdb[1](S) sda[0](S)\n      5032 blocks super external:imsm";
        assert_eq!(with(&format!("{intel}\n\n{whole}")), Pass);
        assert_eq!(with("md0 : active raid0 sdb1[1] sda1[0]\n      1 blocks super 1.2 512k chunks"), Pass);
    }
}
