//! Where Linux mounts file systems that have no disk below them, such as `/proc`, `/sys`, `/dev`
//! and `/run`. The system makes their content, or it is gone with the next boot, so no backup of
//! `/` holds it.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::mountinfo::plain;

/// The types of these file systems, by the kernel's names.
const TYPES: &[&str] = &[
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nsfs",
    "proc",
    "pstore",
    "ramfs",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "sysfs",
    "tmpfs",
    "tracefs",
];

/// The mount points of all of them.
pub fn volatile_mounts() -> Vec<PathBuf> {
    let mounts = fs::read("/proc/self/mountinfo").unwrap_or_default();
    mounts.split(|&byte| byte == b'\n').filter_map(mount_point_of).collect()
}

/// The mount point in a line of `mountinfo` (proc_pid_mountinfo(5)), if the file system's type is
/// in [`TYPES`]. The mount point is the fifth field; the type is the first field after the lone
/// dash.
fn mount_point_of(line: &[u8]) -> Option<PathBuf> {
    let mut fields = line.split(|&byte| byte == b' ');
    let mount_point = fields.nth(4)?;
    let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
    TYPES.iter().any(|known| known.as_bytes() == kind).then(|| OsString::from_vec(plain(mount_point)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_without_a_disk_are_told_by_their_type() {
        let mount_point = |line: &str| mount_point_of(line.as_bytes());
        let proc = "22 28 0:20 / /proc rw,nosuid - proc proc rw";
        assert_eq!(mount_point(proc), Some(PathBuf::from("/proc")));
        let spaced = "9 28 0:9 / /a\\040b\\134c rw shared:7 master:1 - tmpfs tmpfs rw";
        assert_eq!(mount_point(spaced), Some(PathBuf::from("/a b\\c")));
        assert_eq!(mount_point("28 1 8:1 / / rw - ext4 /dev/sda1 rw"), None);
        assert_eq!(mount_point(""), None);
        assert!(volatile_mounts().contains(&PathBuf::from("/proc")));
    }
}
