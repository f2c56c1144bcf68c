//! `space`: no file system is full, and the destination has room for what is used here.
//!
//! The destination's free space comes from the facts that it wrote (`bkverify facts --json`).

use std::collections::HashSet;
use std::time::Duration;

use super::check::Check;
use super::findings::Finding;
use super::machine::{Against, Os, Visit};
use super::phrases::are;
use super::powershell;
use crate::facts::Volume;
use crate::words;

const DF: [&str; 4] = ["df", "-l", "-B1", "--output=fstype,used,avail,iused,iavail,target"];
const MOUNTS: &str = "/proc/self/mounts";
/// Shares of used space from which on a file system gets a warning, and from which on it fails.
const FULL: (f64, f64) = (0.90, 0.97);
/// File systems that are always full, because they are images.
const IMAGES: [&str; 4] = ["squashfs", "iso9660", "udf", "erofs"];
/// File systems in memory. They can be full, but nothing of them is migrated.
const MEMORY: [&str; 4] = ["tmpfs", "devtmpfs", "ramfs", "efivarfs"];
const WHY: &str = "A full disk stops services and their backups, and a migration needs room on both sides.";

/// The check.
pub(super) static CHECK: Check = Check {
    name: "space",
    title: "Space here and on the destination",
    asks: "No disk is full, and the destination has room for the data.",
    steps: &["space"],
    patience: Duration::from_secs(30),
    linux: |visit| look(visit, linux(visit), &DF.join(" ")),
    windows: |visit| look(visit, windows(visit), "Win32_LogicalDisk"),
};

/// What is used and free on one file system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Disk {
    volume: Volume,
    /// Used and free inodes: each file takes one. (0, 0) where they are not counted.
    inodes: (u64, u64),
    is_memory: bool,
    is_read_only: bool,
}

/// The machine's volumes that hold data, for the facts.
///
/// # Errors
/// Why they are not known.
pub fn volumes(visit: &Visit<'_>) -> Result<Vec<Volume>, String> {
    let disks = if visit.os() == Os::Windows { windows(visit) } else { linux(visit) };
    Ok(disks?.into_iter().filter(|disk| !disk.is_memory).map(|disk| disk.volume).collect())
}

fn linux(visit: &Visit<'_>) -> Result<Vec<Disk>, String> {
    // Its exit code is 1 if a single file system cannot be asked.
    let output = visit.run(&DF).map_err(|error| error.to_string())?;
    let mounts = visit.read(MOUNTS)?.ok_or_else(|| format!("{MOUNTS} does not exist"))?;
    let mut lines = output.stdout.lines();
    if lines.next().is_none_or(|header| !header.contains("Mounted on")) {
        return Err(format!("df printed no table ({})", output.complaint()));
    }
    let is_read_only = |target: &str| {
        let target = target.replace(' ', "\\040");
        let mut mounts = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let found = mounts.rfind(|words| words.get(1) == Some(&target.as_str()));
        found.is_some_and(|words| {
            words.get(3).is_some_and(|options| options.split(',').any(|word| word == "ro"))
        })
    };
    let mut disks = Vec::new();
    for line in lines {
        let mut words = line.split_whitespace();
        let kind = words.next().unwrap_or_default();
        // `-` stands for what a file system does not count.
        let mut number = || words.next().map(|word| word.parse::<u64>().unwrap_or(0));
        let (Some(used), Some(free), Some(iused), Some(ifree)) = (number(), number(), number(), number())
        else {
            return Err(format!("df printed an unexpected line: {line}"));
        };
        let place = words.collect::<Vec<_>>().join(" ");
        if !IMAGES.contains(&kind) {
            disks.push(Disk {
                is_memory: MEMORY.contains(&kind),
                is_read_only: is_read_only(&place),
                volume: Volume { place, used, free },
                inodes: (iused, ifree),
            });
        }
    }
    // An overlay, another mount and a subvolume have the numbers of the file system below.
    let mut seen = HashSet::new();
    disks.retain(|disk| disk.is_memory || seen.insert((disk.volume.used, disk.volume.free)));
    if disks.is_empty() { Err("df listed no file system".to_owned()) } else { Ok(disks) }
}

fn windows(visit: &Visit<'_>) -> Result<Vec<Disk>, String> {
    let probed = powershell::ask(visit, "space")?;
    let mut disks = Vec::new();
    for item in probed.whole("volumes", "volume")? {
        let number = |key: &str| item.number(key).and_then(|number| u64::try_from(number).ok());
        let place = item.shown("name").to_owned();
        let (Some(size), Some(free)) = (number("size"), number("free")) else {
            return Err(format!("Windows does not tell the size of {place}"));
        };
        let volume = Volume { place, used: size.saturating_sub(free), free };
        disks.push(Disk { volume, ..Disk::default() });
    }
    if disks.is_empty() { Err("Windows listed no volume".to_owned()) } else { Ok(disks) }
}

fn look(visit: &Visit<'_>, disks: Result<Vec<Disk>, String>, source: &str) -> Vec<Finding> {
    match disks {
        Ok(disks) => {
            let mut findings = vec![full(&disks, source), destination(visit, &disks, source)];
            findings.extend(read_only(&disks));
            findings
        }
        Err(problem) => vec![Finding::could_not_check("Space on the file systems", problem)],
    }
}

/// The fullest file system, by the space and by the inodes that ordinary programs can use.
fn full(disks: &[Disk], source: &str) -> Finding {
    let share = |used: u64, free: u64| used as f64 / used.saturating_add(free).max(1) as f64;
    let line = |disk: &Disk| {
        let Volume { place, used, free } = &disk.volume;
        let (space, inodes) = (share(*used, *free), share(disk.inodes.0, disk.inodes.1));
        let text = if inodes > space && inodes >= FULL.0 {
            format!("{place} {:.0}% of its inodes used, {} left for new files", inodes * 100.0, disk.inodes.1)
        } else {
            format!("{place} {:.0}% used, {} free", space * 100.0, words::bytes(*free))
        };
        (space.max(inodes), text)
    };
    let mut lines: Vec<(f64, String)> = disks.iter().filter(|disk| !disk.is_read_only).map(line).collect();
    lines.sort_by(|a, b| b.0.total_cmp(&a.0));
    let all: Vec<&str> = lines.iter().map(|(_, text)| text.as_str()).collect();
    let above = |limit: f64| -> Vec<&str> {
        lines.iter().filter(|(share, _)| *share >= limit).map(|(_, text)| text.as_str()).collect()
    };
    let (full, nearly) = (above(FULL.1), above(FULL.0));
    let finding = if !full.is_empty() {
        Finding::fail(format!("{} full: {}", are(full.len(), "file system"), full.join("; ")))
    } else if !nearly.is_empty() {
        Finding::warn(format!("{} nearly full: {}", are(nearly.len(), "file system"), nearly.join("; ")))
    } else if let Some(fullest) = all.first() {
        return Finding::pass(format!("No file system is nearly full; the fullest is {fullest}"))
            .seen(source, all.join("\n"));
    } else {
        return Finding::could_not_check("Space on the file systems", "none can be written");
    };
    finding
        .seen(source, all.join("\n"))
        .why(WHY)
        .fix("Free some space, or enlarge the file system. Inodes: remove small files.")
}

fn read_only(disks: &[Disk]) -> Option<Finding> {
    let found: Vec<&str> = disks
        .iter()
        .filter(|disk| disk.is_read_only && !disk.is_memory)
        .map(|disk| disk.volume.place.as_str())
        .collect();
    (!found.is_empty()).then(|| {
        Finding::warn(format!("{} read-only: {}", are(found.len(), "file system"), found.join(", ")))
            .seen(MOUNTS, found.join("\n"))
            .why("The kernel makes a file system read-only when it finds it damaged.")
            .fix("If this is not intended, read `dmesg`, and run fsck while the file system is not mounted.")
    })
}

/// Whether what is used here has room on the destination.
fn destination(visit: &Visit<'_>, disks: &[Disk], source: &str) -> Finding {
    let what = "Whether the destination has room";
    let here: Vec<&Volume> = disks.iter().filter(|disk| !disk.is_memory).map(|disk| &disk.volume).collect();
    let used = here.iter().fold(0_u64, |sum, volume| sum.saturating_add(volume.used));
    let needed = words::bytes(used);
    let (place, facts, age) = match &visit.settings().against {
        Some(Against::Facts { place, facts, read, .. }) => (place, facts, Against::too_old(facts, *read)),
        _ => {
            return Finding::manual("space", format!("Check that the destination has room for the {needed} used here"))
                .seen(source, &needed)
                .why(WHY)
                .fix("`bkverify facts --json > facts.json` there, then `bkverify checklist space --against facts.json` here.");
        }
    };
    if let Some(problem) = age {
        return Finding::could_not_check(what, problem);
    }
    if facts.volumes.is_empty() {
        return Finding::could_not_check(what, format!("{place} names no volumes"))
            .fix("Use this version of bkverify on both machines.");
    }
    let free = facts.volumes.iter().fold(0_u64, |sum, volume| sum.saturating_add(volume.free));
    let roomiest = facts.volumes.iter().map(|volume| volume.free).max().unwrap_or(0);
    let largest = here.iter().map(|volume| volume.used).max().unwrap_or(0);
    let there =
        facts.volumes.iter().map(|volume| format!("{} {} free", volume.place, words::bytes(volume.free)));
    let there: Vec<String> = there.collect();
    let title = format!("{needed} are used here, and {} are free on {}", words::bytes(free), facts.name);
    let finding = if used > free {
        Finding::fail(title).why(WHY)
    } else if largest > roomiest {
        Finding::warn(format!("{title}, but no volume there has room for the largest one here")).why(WHY)
    } else {
        Finding::pass(title)
    };
    finding.seen(source, &needed).seen(place, there.join("\n"))
}
