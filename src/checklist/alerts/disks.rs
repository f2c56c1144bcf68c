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

/// The finding for disks or arrays of one kind: bad ones fail, then unknown ones are unknown.
fn judge(what: &str, noun: &str, [bad, unknown, good]: [Vec<String>; 3], source: &str) -> Finding {
    let all = [bad.as_slice(), unknown.as_slice(), good.as_slice()].concat();
    let finding = if !bad.is_empty() {
        Finding::fail(format!("{what} report problems: {}", bad.join("; "))).why(WHY).fix(REPLACE)
    } else if !unknown.is_empty() {
        let problem = format!("unknown for {} of {}", unknown.len(), several(all.len(), noun));
        Finding::could_not_check(what, problem)
            .fix("Run as root; for disks behind a RAID controller use its own program.")
    } else {
        Finding::pass(format!("{what}: {} healthy", are(all.len(), noun)))
    };
    finding.seen(source, all.join("\n"))
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
            "No disk of this machine reports its health (virtual disks never do)",
        )
        .seen(SCAN.join(" "), "no devices");
    }
    let mut found = [Vec::new(), Vec::new(), Vec::new()];
    for device in &devices {
        let text = |key: &str| device.get(key).and_then(Value::as_str).unwrap_or("?");
        let (name, kind) = (text("name"), text("type"));
        // The exit code is a bit mask of conditions, not a failure of the program. The JSON says
        // more.
        let said = visit.run(&["smartctl", "-j", "-H", "-A", "-d", kind, name]);
        match said.map_err(|error| error.to_string()).and_then(|output| smart_trouble(&json(&output.stdout)?))
        {
            Ok(None) => found[2].push(format!("{name}: passed")),
            Ok(Some(trouble)) => found[0].push(format!("{name}: {trouble}")),
            Err(problem) => found[1].push(format!("{name}: {problem}")),
        }
    }
    judge(what, "disk", found, "smartctl -j -H -A -d")
}

/// `None` if the disk is healthy, otherwise its problem in words.
fn smart_trouble(report: &Value) -> Result<Option<String>, String> {
    let Some(passed) = report.pointer("/smart_status/passed").and_then(Value::as_bool) else {
        let said = report.pointer("/smartctl/messages/0/string").and_then(Value::as_str);
        return Err(said.unwrap_or("it does not report its health").to_owned());
    };
    if !passed {
        return Ok(Some("it reports that it is failing".to_owned()));
    }
    // Sectors that are already lost: ATA attributes 197 and 198, and what NVMe counts.
    let table = report.pointer("/ata_smart_attributes/table").and_then(Value::as_array);
    let lost = table.into_iter().flatten().filter_map(|attribute| {
        let id = attribute.get("id").and_then(Value::as_u64);
        let raw = attribute.pointer("/raw/value").and_then(Value::as_u64);
        raw.filter(|_| matches!(id, Some(197 | 198)))
    });
    let media = report.pointer("/nvme_smart_health_information_log/media_errors").and_then(Value::as_u64);
    let worst = lost.chain(media).max().unwrap_or(0);
    Ok((worst > 0).then(|| {
        format!("{} cannot be read", several(usize::try_from(worst).unwrap_or(usize::MAX), "block"))
    }))
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
            found if found.iter().all(Vec::is_empty) => {
                Finding::not_applicable("No Linux RAID array is set up")
            }
            found => judge("Linux RAID", "array", found, source),
        },
    }
}

/// The arrays that lack a member (`[U_]` instead of `[UU]`, or a member marked `(F)`) or do not
/// run, and the others.
fn arrays(said: &str) -> [Vec<String>; 3] {
    let mut found = [Vec::new(), Vec::new(), Vec::new()];
    let mut lines = said.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((name, state)) = line.split_once(" : ").filter(|(name, _)| name.starts_with("md")) else {
            continue;
        };
        let mut is_bad = state.contains("(F)") || !state.starts_with("active");
        while let Some(more) = lines.next_if(|line| line.starts_with(' ')) {
            let map =
                more.rsplit_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or("", |(map, _)| map);
            is_bad |= map.contains('_') && map.chars().all(|member| matches!(member, 'U' | '_'));
        }
        found[if is_bad { 0 } else { 2 }].push(format!("{} {state}", name.trim()));
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
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let mut seen = Vec::new();
    let mut found = [Vec::new(), Vec::new(), Vec::new()];
    for words in fields
        .filter(|words| words.get(2) == Some(&"btrfs") && !seen.contains(&words[0].to_owned()))
        .collect::<Vec<_>>()
    {
        seen.push(words[0].to_owned());
        let place = words[1].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\");
        let said = visit.ask(&["btrfs", "device", "stats", &place]);
        match said.and_then(|said| btrfs_errors(&said)) {
            Ok(errors) if errors.is_empty() => found[2].push(format!("{place}: no errors")),
            Ok(errors) => found[0].push(format!("{place}: {}", errors.join(", "))),
            Err(problem) => found[1].push(format!("{place}: {problem}")),
        }
    }
    if found.iter().all(Vec::is_empty) {
        return Finding::not_applicable("No btrfs file system is mounted");
    }
    judge(what, "file system", found, "btrfs device stats")
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
