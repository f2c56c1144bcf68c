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

const DF: [&str; 4] = ["df", "-l", "-B1", "--output=source,fstype,used,avail,iused,iavail,target"];
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
    let output = visit.run(&DF).map_err(|error| error.to_string())?;
    let mounts = visit.read(MOUNTS)?.ok_or_else(|| format!("{MOUNTS} does not exist"))?;
    let mounts: Vec<Vec<&str>> = mounts.lines().map(|line| line.split(' ').collect()).collect();
    let mut lines = output.stdout.lines();
    if lines.next().is_none_or(|header| !header.contains("Mounted on")) {
        return Err(format!("df printed no table ({})", output.complaint()));
    }
    let mut rows = Vec::new();
    for line in lines {
        rows.push(DfRow::parse(line).ok_or_else(|| format!("df printed an unexpected line: {line}"))?);
    }
    // df exits with 1, and leaves a file system out, if it may not or cannot ask it.
    if !output.succeeded() {
        return Err(format!("df could not ask every file system: {}", output.complaint()));
    }
    let is_image = |kind: &str| IMAGES.contains(&kind);
    let left_out = mounts.iter().find_map(|words| match words[..] {
        [source, place, kind, ..] if source.starts_with("/dev/") && !is_image(kind) => {
            let is_there = rows.iter().any(|row| row.source == source || row.place == unescape(place));
            (!is_there).then_some(place)
        }
        _ => None,
    });
    if let Some(place) = left_out {
        return Err(format!("df does not tell about {place}; run as root"));
    }
    rows.retain(|row| !is_image(&row.kind));
    one_of_each(&mut rows);
    let is_read_only = |place: &str| {
        let found = mounts.iter().rfind(|words| words.get(1).is_some_and(|word| unescape(word) == place));
        found
            .and_then(|words| words.get(3))
            .is_some_and(|options| options.split(',').any(|word| word == "ro"))
    };
    let disk = |row: DfRow| Disk {
        is_memory: MEMORY.contains(&&*row.kind),
        is_read_only: is_read_only(&row.place),
        inodes: row.inodes,
        volume: Volume { place: row.place, used: row.used, free: row.free },
    };
    let disks: Vec<Disk> = rows.into_iter().map(disk).collect();
    if disks.is_empty() { Err("df listed no file system".to_owned()) } else { Ok(disks) }
}

/// A line of df's table.
#[derive(Debug)]
struct DfRow {
    source: String,
    kind: String,
    used: u64,
    free: u64,
    inodes: (u64, u64),
    place: String,
}

impl DfRow {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (source, kind) = (words.next()?.to_owned(), words.next()?.to_owned());
        // `-` stands for what a file system does not count. Some that count wrongly get a number
        // below zero.
        let count = |word: &str| match word.strip_prefix('-') {
            Some(rest) if rest.bytes().all(|byte| byte.is_ascii_digit()) => Some(0),
            _ => word.parse().ok(),
        };
        let mut number = || words.next().and_then(count);
        let (used, free, inodes) = (number()?, number()?, (number()?, number()?));
        let place = words.collect::<Vec<_>>().join(" ");
        (!place.is_empty()).then_some(Self { source, kind, used, free, inodes, place })
    }
}

/// Leaves one mount of each file system. A second mount or a subvolume has the source of the first.
/// An overlay has a source of its own, and the numbers of the file system below it.
fn one_of_each(rows: &mut Vec<DfRow>) {
    let numbers = |row: &DfRow| (row.used, row.free, row.inodes);
    let overlays: HashSet<_> = rows.iter().filter(|row| row.kind == "overlay").map(numbers).collect();
    let (mut sources, mut shown) = (HashSet::new(), HashSet::new());
    rows.retain(|row| match &*row.kind {
        "overlay" => shown.insert(numbers(row)),
        kind if MEMORY.contains(&kind) => true,
        _ => !overlays.contains(&numbers(row)) && sources.insert(row.source.clone()),
    });
}

/// A path in the list of mounts, where blanks are written in octal.
fn unescape(path: &str) -> String {
    path.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
}

fn windows(visit: &Visit<'_>) -> Result<Vec<Disk>, String> {
    let probed = powershell::ask(visit, "space")?;
    let mut disks = Vec::new();
    for item in probed.whole("volumes", "volume")? {
        let number = |key: &str| item.number(key).and_then(|number| u64::try_from(number).ok());
        let place = item.shown("name").to_owned();
        let (Some(size @ 1..), Some(free)) = (number("size"), number("free")) else {
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
        return Finding::pass(format!("No local file system is nearly full; the fullest is {fullest}"))
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

#[cfg(test)]
mod tests {
    use super::super::machine::tests::recorded;
    use super::super::probes::tests::printed;
    use super::super::{Finding, Status};
    use super::*;

    const HEADER: &str = "Filesystem Type Used Avail IUsed IFree Mounted on";
    const MOUNTED: &str =
        "/dev/vda / ext4 rw 0 0\n/dev/vdb /srv/my\\040mail ext4 rw 0 0\n/dev/loop0 /snap squashfs ro 0 0\n";

    /// What is found where df prints these rows, and exits with this code.
    fn found(code: &str, rows: &str) -> Finding {
        let made = recorded(Os::Linux, &[("df", &format!("{code}{HEADER}\n{rows}"))]);
        CHECK.run(&made.file(MOUNTS, MOUNTED).visit()).remove(0)
    }

    #[test]
    fn what_df_cannot_ask_or_does_not_list_or_prints_as_garbage_is_unknown() {
        let root = "/dev/vda ext4 10 90 10 90 /\n";
        let mail = "/dev/vdb ext4 10 90 - - /srv/my mail\n";
        assert_eq!(found("", &format!("{root}{mail}")).status, Status::Pass);
        let fuse = "/n.img fuse 45666304 688332800 -15 704983 /mnt/n\n";
        assert_eq!(found("", &format!("{root}{mail}{fuse}")).status, Status::Pass, "as ntfs-3g counts");
        let nobody = found("", root);
        assert_eq!(nobody.status, Status::CouldNotCheck, "{nobody:?}");
        assert!(nobody.title.contains("df does not tell about /srv/my\\040mail"), "{nobody:?}");
        assert_eq!(found("!1 ", &format!("{root}{mail}")).status, Status::CouldNotCheck);
        assert_eq!(
            found("", &format!("{root}{}", mail.replace("10", "kaputt"))).status,
            Status::CouldNotCheck
        );
        assert_eq!(found("", &format!("{root}/dev/vdb ext4 10 90\n")).status, Status::CouldNotCheck);
    }

    #[test]
    fn two_disks_with_the_same_numbers_are_two_and_an_overlay_is_none_of_its_own() {
        let rows = "overlay overlay 99 1 10 90 /\n/dev/vda ext4 99 1 10 90 /etc/hosts\n/dev/vdb ext4 98 2 10 90 /srv/my mail\n";
        let full = found("", &rows.replace("99 1", "50 50"));
        assert_eq!(full.title, "1 file system is full: /srv/my mail 98% used, 2 B free");
        let twins = "/dev/vda ext4 98 2 10 90 /\n/dev/vdb ext4 98 2 10 90 /srv/my mail\n";
        assert!(found("", twins).title.starts_with("2 file systems are full"));
    }

    #[test]
    fn a_volume_of_windows_without_its_size_is_unknown() {
        let status = |item: &str| {
            let made = recorded(Os::Windows, &[("powershell", &printed(&[("volumes", item, "")]))]);
            CHECK.run(&made.visit())[0].status
        };
        let volume = r#"{"kind":"volume","name":"C:","size":"100","free":"50"}"#;
        assert_eq!(status(volume), Status::Pass);
        assert_eq!(status(&volume.replace("\"50\"", "\"1\"")), Status::Fail);
        assert_eq!(status(&volume.replace("100", "0")), Status::CouldNotCheck);
        assert_eq!(status(""), Status::CouldNotCheck);
    }
}
