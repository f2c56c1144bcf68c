//! Where Linux mounts file systems that lie on no disk: `/proc`, `/sys`, `/dev`, `/run`. What is in
//! there is made by the system or gone with the next start, and no backup of `/` holds it.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::mountinfo::plain;

/// Their types, by the kernel's names.
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

/// The places of all of them.
pub fn volatile_mounts() -> Vec<PathBuf> {
    let mounts = fs::read("/proc/self/mountinfo").unwrap_or_default();
    mounts.split(|&byte| byte == b'\n').filter_map(place_of).collect()
}

/// The place of a line of `mountinfo` (proc_pid_mountinfo(5)), the fifth field, if its type, the
/// first one behind the lone dash, is one of them.
fn place_of(line: &[u8]) -> Option<PathBuf> {
    let mut fields = line.split(|&byte| byte == b' ');
    let place = fields.nth(4)?;
    let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
    TYPES.iter().any(|known| known.as_bytes() == kind).then(|| OsString::from_vec(plain(place)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_without_a_disk_are_told_by_their_type() {
        let place = |line: &str| place_of(line.as_bytes());
        let proc = "22 28 0:20 / /proc rw,nosuid - proc proc rw";
        assert_eq!(place(proc), Some(PathBuf::from("/proc")));
        let spaced = "9 28 0:9 / /a\\040b\\134c rw shared:7 master:1 - tmpfs tmpfs rw";
        assert_eq!(place(spaced), Some(PathBuf::from("/a b\\c")));
        assert_eq!(place("28 1 8:1 / / rw - ext4 /dev/sda1 rw"), None);
        assert_eq!(place(""), None);
        assert!(volatile_mounts().contains(&PathBuf::from("/proc")));
    }
}
