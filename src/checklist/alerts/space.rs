//! File systems that are nearly full, or that the kernel has made read-only.

use serde::Deserialize;

use super::super::findings::Finding;
use super::super::machine::Visit;
use super::super::phrases::are;
use super::WHY;
use crate::words;

const COMMAND: [&str; 6] =
    ["findmnt", "-J", "-b", "--real", "-o", "TARGET,SOURCE,FSTYPE,SIZE,AVAIL,USED,OPTIONS"];
/// Shares of used space from which on a file system gets a warning, and from which on it fails.
const FULL: (f64, f64) = (0.90, 0.97);
/// File systems that are always full, because they are images.
const IMAGES: [&str; 4] = ["squashfs", "iso9660", "udf", "erofs"];

#[derive(Debug, Deserialize)]
struct MountList {
    filesystems: Vec<MountedFileSystem>,
}

#[derive(Debug, Deserialize)]
struct MountedFileSystem {
    target: String,
    source: Option<String>,
    fstype: String,
    avail: Option<u64>,
    used: Option<u64>,
    options: Option<String>,
    #[serde(default)]
    children: Vec<MountedFileSystem>,
}

pub(super) fn look(visit: &Visit<'_>) -> Vec<Finding> {
    let what = "Space on the file systems";
    let said = match visit.ask(&COMMAND) {
        Ok(said) => said,
        Err(problem) => return vec![Finding::could_not_check(what, problem)],
    };
    let mounts: MountList = match serde_json::from_str(&said) {
        Ok(mounts) => mounts,
        Err(error) => {
            return vec![Finding::could_not_check(
                what,
                format!("findmnt printed no list of mounts ({error})"),
            )];
        }
    };
    let mut all = Vec::new();
    flatten(mounts.filesystems, &mut all);
    judge(&all)
}

fn flatten(mounts: Vec<MountedFileSystem>, all: &mut Vec<MountedFileSystem>) {
    for mut mount in mounts {
        let children = std::mem::take(&mut mount.children);
        // A file system that is mounted at several paths counts once.
        let known = mount.source.is_some()
            && all.iter().any(|other: &MountedFileSystem| other.source == mount.source);
        if !known {
            all.push(mount);
        }
        flatten(children, all);
    }
}

fn judge(mounts: &[MountedFileSystem]) -> Vec<Finding> {
    let real = mounts.iter().filter(|mount| !IMAGES.contains(&mount.fstype.as_str()));
    let mut measured: Vec<(f64, String, bool)> = real.filter_map(measure).collect();
    if measured.is_empty() {
        return vec![Finding::could_not_check(
            "Space on the file systems",
            "findmnt listed no file system with a size",
        )];
    }
    measured.sort_by(|a, b| b.0.total_cmp(&a.0));
    let lines: Vec<&str> = measured.iter().map(|(_, line, _)| line.as_str()).collect();
    let source = "findmnt --real";
    let fullest = measured[0].0;
    let fix = "Free some space, or enlarge the file system: a full disk stops services and their backups.";
    let space = if fullest >= FULL.1 {
        Finding::fail(format!("A file system is full: {}", lines[0])).why(WHY).fix(fix)
    } else if fullest >= FULL.0 {
        Finding::warn(format!("A file system is nearly full: {}", lines[0])).why(WHY).fix(fix)
    } else {
        Finding::pass(format!("No file system is nearly full; the fullest is {}", lines[0]))
    };
    let mut findings = vec![space.seen(source, lines.join("\n"))];
    let read_only: Vec<&str> =
        measured.iter().filter(|(_, _, read_only)| *read_only).map(|(_, line, _)| line.as_str()).collect();
    if !read_only.is_empty() {
        findings.push(
            Finding::warn(format!("{} read-only", are(read_only.len(), "file system")))
                .seen(source, read_only.join("\n"))
                .why("The kernel makes a file system read-only when it finds it damaged.")
                .fix("If this is not intended, read `dmesg`, and run fsck while the file system is not mounted."),
        );
    }
    findings
}

/// The share in use of the space that an ordinary program can use, the line that says so, and
/// whether the file system is read-only.
fn measure(mount: &MountedFileSystem) -> Option<(f64, String, bool)> {
    let (used, avail) = (mount.used?, mount.avail?);
    let usable = used.checked_add(avail).filter(|usable| *usable > 0)?;
    let share = used as f64 / usable as f64;
    let line = format!(
        "{} {:.0}% used, {} free ({})",
        mount.target,
        share * 100.0,
        words::bytes(avail),
        mount.fstype
    );
    let read_only = mount.options.as_deref().unwrap_or_default().split(',').any(|option| option == "ro");
    Some((share, line, read_only))
}

#[cfg(test)]
mod tests {
    use super::super::super::machine::tests::recorded;
    use super::super::super::{Os, Status};
    use super::*;

    fn statuses(said: &str) -> Vec<Status> {
        look(&recorded(Os::Linux, &[("findmnt", said)]).visit())
            .iter()
            .map(|finding| finding.status)
            .collect()
    }

    #[test]
    fn a_machine_with_free_space_passes_and_a_full_disk_fails() {
        assert_eq!(
            statuses(include_str!("../../../tests/data/checklist/linux/findmnt-roomy.json")),
            [Status::Pass]
        );
        assert_eq!(
            statuses(include_str!("../../../tests/data/checklist/linux/findmnt-full.json")),
            [Status::Fail]
        );
    }

    #[test]
    fn reserved_blocks_are_not_free_and_a_read_only_disk_is_named() {
        let said = r#"{"filesystems":[{"target":"/a","source":"/dev/a","fstype":"ext4","size":1000,"avail":8,"used":92,"options":"ro"}]}"#;
        assert_eq!(statuses(said), [Status::Warn, Status::Warn]);
    }

    #[test]
    fn a_missing_list_of_mounts_is_unknown() {
        for garbage in ["", "{}", "{\"filesystems\":[]}", "!1 no", "!timeout"] {
            assert_eq!(statuses(garbage), [Status::CouldNotCheck], "{garbage}");
        }
    }
}
