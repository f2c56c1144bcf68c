//! Disks and arrays of disks: SMART, Linux RAID, ZFS, btrfs.

use serde_json::Value;

use super::super::findings::Finding;
use super::super::machine::Visit;
use super::super::phrases::{are, several};
use super::WHY;
use crate::words::counted;

const REPLACE: &str = "Verify the backup, replace the disk, and let the array rebuild before the migration.";

pub(super) fn look(visit: &Visit<'_>) -> Vec<Finding> {
    vec![smart(visit), raid(visit), zfs(visit), btrfs(visit)]
}

fn smart(visit: &Visit<'_>) -> Finding {
    let what = "The disks' own health reports (SMART)";
    let devices = match visit.ask(&["smartctl", "--scan", "-j"]).and_then(|said| smart_devices(&said)) {
        Ok(devices) => devices,
        Err(problem) => {
            return Finding::could_not_check(what, problem).fix("Install smartmontools, and run as root.");
        }
    };
    if devices.is_empty() {
        return Finding::not_applicable(
            "No disk of this machine reports its health (virtual disks never do)",
        )
        .seen("smartctl --scan", "no devices");
    }
    let (mut bad, mut unknown, mut good) = (Vec::new(), Vec::new(), Vec::new());
    for (device, kind) in &devices {
        // The exit code is a bit mask of conditions, not a failure of the program. The JSON says
        // more.
        let said = visit.run(&["smartctl", "-j", "-H", "-A", "-d", kind, device]);
        match said.map_err(|error| error.to_string()).and_then(|output| smart_health(&output.stdout)) {
            Ok(None) => good.push(format!("{device}: passed")),
            Ok(Some(trouble)) => bad.push(format!("{device}: {trouble}")),
            Err(problem) => unknown.push(format!("{device}: {problem}")),
        }
    }
    let all = [bad.as_slice(), unknown.as_slice(), good.as_slice()].concat().join("\n");
    let finding = if !bad.is_empty() {
        Finding::fail(format!("Disks that report a problem: {} of {}", bad.len(), devices.len()))
            .why(WHY)
            .fix(REPLACE)
    } else if !unknown.is_empty() {
        Finding::could_not_check(
            what,
            format!("unknown for {} of {}", unknown.len(), several(devices.len(), "disk")),
        )
        .fix("Run as root; for disks behind a RAID controller use its own program.")
    } else {
        Finding::pass(format!("{} healthy", are(devices.len(), "disk")))
    };
    finding.seen("smartctl -H -A", all)
}

fn smart_devices(said: &str) -> Result<Vec<(String, String)>, String> {
    let value: Value =
        serde_json::from_str(said).map_err(|error| format!("smartctl printed no JSON ({error})"))?;
    if value.get("smartctl").is_none() {
        return Err("smartctl printed JSON of another kind".to_owned());
    }
    let devices = value.get("devices").and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |device: &Value, key: &str| device.get(key).and_then(Value::as_str).map(str::to_owned);
    Ok(devices.iter().filter_map(|device| Some((text(device, "name")?, text(device, "type")?))).collect())
}

/// `None` if the disk is healthy, otherwise its problem in words.
fn smart_health(said: &str) -> Result<Option<String>, String> {
    let value: Value =
        serde_json::from_str(said).map_err(|error| format!("smartctl printed no JSON ({error})"))?;
    let Some(passed) = value.pointer("/smart_status/passed").and_then(Value::as_bool) else {
        let said = value.pointer("/smartctl/messages/0/string").and_then(Value::as_str);
        return Err(said.unwrap_or("it does not report its health").to_owned());
    };
    if !passed {
        return Ok(Some("it reports that it is failing".to_owned()));
    }
    // Sectors that are already lost, on disks of both kinds (ATA attributes 197 and 198, NVMe).
    let attributes = value.pointer("/ata_smart_attributes/table").and_then(Value::as_array);
    for attribute in attributes.into_iter().flatten() {
        let raw = attribute.pointer("/raw/value").and_then(Value::as_u64).unwrap_or(0);
        match attribute.get("id").and_then(Value::as_u64) {
            Some(197) if raw > 0 => return Ok(Some(format!("sectors that wait to be remapped: {raw}"))),
            Some(198) if raw > 0 => return Ok(Some(format!("sectors that cannot be read: {raw}"))),
            _ => {}
        }
    }
    let media = value.pointer("/nvme_smart_health_information_log/media_errors").and_then(Value::as_u64);
    Ok(media.filter(|errors| *errors > 0).map(|errors| counted(errors, "media error")))
}

/// Linux RAID. The kernel's own list is read, so `mdadm` does not have to be installed.
fn raid(visit: &Visit<'_>) -> Finding {
    let source = "/proc/mdstat";
    let said = match visit.read(source) {
        Ok(Some(said)) => said,
        Ok(None) if visit.exists("/proc/self") || visit.exists("/proc/1") => {
            return Finding::not_applicable("Linux RAID is not in use").seen(source, "no such file");
        }
        Ok(None) => return Finding::could_not_check("Linux RAID", "/proc is not mounted"),
        Err(problem) => return Finding::could_not_check("Linux RAID", problem),
    };
    match degraded_arrays(&said) {
        Err(problem) => Finding::could_not_check("Linux RAID", problem),
        Ok((0, _)) => Finding::not_applicable("No Linux RAID array is set up"),
        Ok((count, bad)) if bad.is_empty() => Finding::pass(format!("{} complete", are(count, "RAID array"))),
        Ok((_, bad)) => Finding::fail(format!("Degraded RAID arrays: {}", bad.join(", ")))
            .why(WHY)
            .fix(format!("`mdadm --detail /dev/{}` names the disk. {REPLACE}", bad[0])),
    }
    .seen(source, said)
}

/// The number of arrays, and the arrays that lack a member: `[U_]` instead of `[UU]`, or a member
/// marked `(F)`.
fn degraded_arrays(said: &str) -> Result<(usize, Vec<String>), String> {
    if !said.starts_with("Personalities") {
        return Err("/proc/mdstat has an unexpected first line".to_owned());
    }
    let (mut count, mut bad) = (0, Vec::new());
    let mut current = None;
    for line in said.lines() {
        if let Some((name, state)) = line.split_once(" : ").filter(|(name, _)| name.starts_with("md")) {
            count += 1;
            current = Some(name.trim().to_owned());
            if state.contains("(F)") || state.starts_with("inactive") {
                bad.extend(current.clone());
            }
        }
        let members =
            line.rsplit_once('[').and_then(|(_, rest)| rest.split_once(']')).map(|(members, _)| members);
        let is_map =
            |members: &&str| !members.is_empty() && members.chars().all(|member| matches!(member, 'U' | '_'));
        if members.filter(is_map).is_some_and(|members| members.contains('_')) {
            bad.extend(current.clone());
        }
    }
    bad.dedup();
    Ok((count, bad))
}

fn zfs(visit: &Visit<'_>) -> Finding {
    let said = match visit.run(&["zpool", "list", "-H", "-o", "name,health"]) {
        Err(error) if error.is_missing() => return Finding::not_applicable("ZFS is not installed"),
        Err(error) => return Finding::could_not_check("ZFS pools", error),
        Ok(output) if !output.succeeded() => {
            return Finding::could_not_check("ZFS pools", output.complaint());
        }
        Ok(output) => output.stdout,
    };
    let mut bad = Vec::new();
    for line in said.lines().filter(|line| !line.trim().is_empty()) {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            [_, "ONLINE"] => {}
            [name, health @ ("DEGRADED" | "FAULTED" | "OFFLINE" | "REMOVED" | "SUSPENDED" | "UNAVAIL")] => {
                bad.push(format!("{name} ({health})"));
            }
            _ => {
                return Finding::could_not_check(
                    "ZFS pools",
                    format!("zpool printed an unexpected line: {line}"),
                );
            }
        }
    }
    if said.trim().is_empty() {
        return Finding::not_applicable("There are no ZFS pools");
    }
    if bad.is_empty() {
        return Finding::pass("All ZFS pools are online").seen("zpool list", said);
    }
    Finding::fail(format!("Unhealthy ZFS pools: {}", bad.join(", ")))
        .seen("zpool list", said)
        .why(WHY)
        .fix(REPLACE)
}

fn btrfs(visit: &Visit<'_>) -> Finding {
    let what = "btrfs file systems";
    let mounts = match visit.read("/proc/self/mounts") {
        Ok(Some(mounts)) => mounts,
        Ok(None) => return Finding::could_not_check(what, "/proc/self/mounts does not exist"),
        Err(problem) => return Finding::could_not_check(what, problem),
    };
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let mut places: Vec<String> = fields
        .filter(|words| words.get(2) == Some(&"btrfs"))
        .filter_map(|words| words.get(1).map(|place| unescape(place)))
        .collect();
    places.dedup();
    if places.is_empty() {
        return Finding::not_applicable("No btrfs file system is mounted");
    }
    let (mut bad, mut all) = (Vec::new(), Vec::new());
    for place in &places {
        let said = match visit.ask(&["btrfs", "device", "stats", place]) {
            Ok(said) => said,
            Err(problem) => {
                return Finding::could_not_check(what, problem).fix("Install btrfs-progs, and run as root.");
            }
        };
        match btrfs_errors(&said) {
            Some(errors) => bad.extend(errors),
            None => {
                return Finding::could_not_check(what, "btrfs printed no counters")
                    .seen("btrfs device stats", said);
            }
        }
        all.push(said);
    }
    let source = format!("btrfs device stats {}", places.join(" "));
    if bad.is_empty() {
        return Finding::pass(format!(
            "No disk errors are counted on {}",
            several(places.len(), "btrfs file system")
        ))
        .seen(source, all.join("\n"));
    }
    Finding::fail("btrfs has counted disk errors").seen(source, bad.join("\n")).why(WHY).fix(REPLACE)
}

/// The lines `[/dev/sda].write_io_errs 0` whose counter is not zero. `None` if there are no
/// counters at all.
fn btrfs_errors(said: &str) -> Option<Vec<String>> {
    let counters: Vec<(&str, u64)> = said
        .lines()
        .filter(|line| line.starts_with('['))
        .filter_map(|line| {
            line.rsplit_once(' ').and_then(|(_, count)| Some((line, count.trim().parse().ok()?)))
        })
        .collect();
    let bad = counters.iter().filter(|(_, count)| *count > 0).map(|(line, _)| (*line).to_owned()).collect();
    (!counters.is_empty()).then_some(bad)
}

/// Undoes the escaping of the list of mounts, in which a blank is `\040`.
fn unescape(place: &str) -> String {
    place.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
}

#[cfg(test)]
#[path = "disks_tests.rs"]
mod tests;
