//! What Linux knows about the disks below a file system, from `/sys` (the kernel's
//! Documentation/ABI/stable/sysfs-block).

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxFlags, major, minor, statx};

/// The lowest rotation rate that a disk can report, in rounds per minute. Smaller values mean "not
/// reported" and "does not rotate" (SCSI Block Commands 4, "Block Device Characteristics VPD
/// page").
const SLOWEST: u16 = 0x0401;

/// How many layers of disks below disks (RAID, LVM, encryption) are followed.
const DEEPEST: usize = 8;

/// Whether a path is on a disk with a moving head. `None` where that is unknown: on networks, and
/// where the kernel says "rotational" only because the device does not say what it is (virtual
/// disks, USB bridges, RAID controllers).
pub fn is_spinning(path: &Path) -> Option<bool> {
    let device = fs::metadata(path).ok()?.dev();
    spins(Path::new("/sys"), device, DEEPEST)
        .or_else(|| spins(Path::new("/sys"), mounted_device(path)?, DEEPEST))
}

/// The disk that the file system of `path` was mounted from. A file system over several volumes
/// (btrfs) needs this, because its own device numbers are made up.
fn mounted_device(path: &Path) -> Option<u64> {
    let id = statx(CWD, path, AtFlags::empty(), StatxFlags::MNT_ID).ok()?.stx_mnt_id.to_string();
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let device = mounts.lines().find_map(|line| source_of(line, &id))?;
    Some(fs::metadata(device).ok()?.rdev())
}

/// The device in a line of `mountinfo` (proc_pid_mountinfo(5)), if the line is that of mount `id`:
/// the second field after the lone dash.
fn source_of<'a>(line: &'a str, id: &str) -> Option<&'a str> {
    let mut fields = line.split(' ');
    (fields.next()? == id).then_some(())?;
    fields.skip_while(|&field| field != "-").nth(2).filter(|source| source.starts_with('/'))
}

fn spins(sys: &Path, device: u64, deepest: usize) -> Option<bool> {
    let entry = sys.join(format!("dev/block/{}:{}", major(device), minor(device)));
    disk_spins(&fs::canonicalize(entry).ok()?, deepest)
}

fn disk_spins(entry: &Path, deepest: usize) -> Option<bool> {
    // A partition has no queue of its own.
    let disk = if entry.join("partition").exists() { entry.parent()? } else { entry };
    if fs::read_to_string(disk.join("queue/rotational")).ok()?.trim() == "0" {
        return Some(false);
    }
    let below: Vec<PathBuf> = fs::read_dir(disk.join("slaves"))
        .map(|disks| disks.filter_map(|one| fs::canonicalize(one.ok()?.path()).ok()).collect())
        .unwrap_or_default();
    if !below.is_empty() {
        let deepest = deepest.checked_sub(1)?;
        let kinds: Vec<_> = below.iter().map(|one| disk_spins(one, deepest)).collect();
        return if kinds.contains(&Some(true)) { Some(true) } else { None };
    }
    let characteristics = fs::read(disk.join("device/vpd_pgb1")).ok()?;
    let rate = u16::from_be_bytes([*characteristics.get(4)?, *characteristics.get(5)?]);
    (rate >= SLOWEST).then_some(true)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rustix::fs::makedev;

    use super::*;

    fn disk(sys: &Path, name: &str, rotational: &str, rate: Option<u16>) {
        let disk = sys.join("devices").join(name);
        fs::create_dir_all(disk.join("queue")).unwrap();
        fs::write(disk.join("queue/rotational"), rotational).unwrap();
        if let Some(rate) = rate {
            let [high, low] = rate.to_be_bytes();
            fs::create_dir_all(disk.join("device")).unwrap();
            fs::write(disk.join("device/vpd_pgb1"), [0, 0xb1, 0, 0x3c, high, low, 0, 0]).unwrap();
        }
    }

    fn number(sys: &Path, minor: u32, name: &str) -> u64 {
        fs::create_dir_all(sys.join("dev/block")).unwrap();
        symlink(sys.join("devices").join(name), sys.join(format!("dev/block/8:{minor}"))).unwrap();
        makedev(8, minor)
    }

    #[test]
    fn disks_and_their_partitions_are_told_by_their_queue() {
        let world = tempfile::tempdir().unwrap();
        let sys = world.path();
        disk(sys, "sda", "1\n", Some(5400));
        disk(sys, "sdb", "0\n", Some(1));
        fs::create_dir(sys.join("devices/sda/sda1")).unwrap();
        fs::write(sys.join("devices/sda/sda1/partition"), "1\n").unwrap();
        assert_eq!(spins(sys, number(sys, 0, "sda"), DEEPEST), Some(true));
        assert_eq!(spins(sys, number(sys, 1, "sda/sda1"), DEEPEST), Some(true));
        assert_eq!(spins(sys, number(sys, 16, "sdb"), DEEPEST), Some(false));
        assert_eq!(spins(sys, makedev(0, 47), DEEPEST), None);
    }

    #[test]
    fn a_disk_that_does_not_say_how_fast_it_turns_is_not_taken_at_its_word() {
        let world = tempfile::tempdir().unwrap();
        let sys = world.path();
        disk(sys, "vda", "1\n", None);
        disk(sys, "sdc", "1\n", Some(0));
        disk(sys, "sdd", "1\n", Some(1));
        for (minor, name) in [(0, "vda"), (1, "sdc"), (2, "sdd")] {
            assert_eq!(spins(sys, number(sys, minor, name), DEEPEST), None, "{name}");
        }
    }

    #[test]
    fn what_lies_below_raid_and_encryption_decides() {
        let world = tempfile::tempdir().unwrap();
        let sys = world.path();
        disk(sys, "sda", "1\n", Some(7200));
        disk(sys, "vda", "1\n", None);
        for (minor, name, below) in [(0, "dm-0", "sda"), (1, "dm-1", "vda"), (2, "dm-2", "dm-2")] {
            disk(sys, name, "1\n", None);
            fs::create_dir(sys.join("devices").join(name).join("slaves")).unwrap();
            symlink(
                sys.join("devices").join(below),
                sys.join("devices").join(name).join("slaves").join(below),
            )
            .unwrap();
            let expected = (name == "dm-0").then_some(true);
            assert_eq!(spins(sys, number(sys, minor, name), DEEPEST), expected, "{name}");
        }
    }

    #[test]
    fn the_source_of_a_mount_is_found_by_the_number_of_the_mount() {
        let line = "36 35 0:52 /@home /home rw,noatime shared:1 - btrfs /dev/sda2 rw,subvol=/@home";
        assert_eq!(source_of(line, "36"), Some("/dev/sda2"));
        assert_eq!(source_of(line, "35"), None);
        assert_eq!(source_of("36 35 0:52 / / rw - zfs tank/home rw", "36"), None);
    }
}
