//! Whether two open files lie in the same place on the disk, though they are two files by name and
//! number: clones whose blocks are shared (btrfs, XFS), and files of an overlay, which are those of
//! the layers below it.
//!
//! Where a file lies is told by FIEMAP (the kernel's Documentation/filesystems/fiemap.rst); an
//! overlay passes the question on.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, StatxFlags, fstatfs, statx};
use rustix::ioctl::opcode::read_write;

use super::{Sharing, mountinfo};

/// `OVERLAYFS_SUPER_MAGIC` and `BTRFS_SUPER_MAGIC` (statfs(2)).
const OVERLAY: i64 = 0x794c_7630;
const BTRFS: i64 = 0x9123_683e;
/// File systems that give every file blocks of its own: ext2 to ext4, tmpfs, ramfs, FAT, exFAT, ISO
/// 9660.
const NEVER_SHARE: [i64; 6] = [0xef53, 0x0102_1994, 0x8584_58f6, 0x4d44, 0x2011_bab0, 0x9660];

/// What of an extent's position is not one on the disk, or not yet: unknown, delayed, or among
/// metadata.
const NO_PLACE: u32 = 0x2 | 0x4 | 0x200;

/// As many extents of a file are looked at.
const EXTENTS: u32 = 16;

/// Whether files of these two file systems may lie in the same place at all. Asked once for a pair
/// of file systems: it reads the list of mounts.
pub fn may_share(one: &File, other: &File) -> bool {
    let kinds = [kind(one), kind(other)];
    let device = |file: &File| file.metadata().map(|found| found.dev()).ok();
    if kinds.contains(&Some(OVERLAY)) {
        return true;
    }
    if device(one) == device(other) {
        return !kinds[0].is_some_and(|kind| NEVER_SHARE.contains(&kind));
    }
    // Subvolumes have device numbers of their own.
    let source = |file: &File| Some(mount(file)?.source);
    kinds == [Some(BTRFS); 2] && source(one).is_some_and(|disk| source(other) == Some(disk))
}

/// Whether two files lie in the same place. Of file systems that [`may_share`] alone.
pub fn sharing(one: &File, other: &File) -> Sharing {
    let (Ok(first), Ok(second)) = (one.metadata(), other.metadata()) else { return Sharing::Unknown };
    if (first.dev(), first.ino()) == (second.dev(), second.ino()) {
        return Sharing::OneFile;
    }
    if first.len() == 0 || second.len() == 0 {
        return Sharing::Apart;
    }
    let (Ok(extents), Ok(others)) = (extents(one), extents(other)) else { return Sharing::Unknown };
    let found = compare(&extents, &others);
    // A file of an overlay has the number of the one below it, also after it was written to and is
    // another.
    let is_below = || {
        let lies_over = |over: &File, other: &fs::Metadata| {
            kind(over) == Some(OVERLAY) && below(over).is_none_or(|id| id == (other.dev(), other.ino()))
        };
        first.ino() == second.ino() && (lies_over(one, &second) || lies_over(other, &first))
    };
    if found == Sharing::Blocks && is_below() { Sharing::OneFile } else { found }
}

fn kind(file: &File) -> Option<i64> {
    // A magic number is one of 32 bits, whatever the type that it comes in.
    #[allow(clippy::cast_possible_truncation)]
    fstatfs(file).ok().map(|found| i64::from(found.f_type as u32))
}

/// A part of a file, where it begins there and on the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
struct Extent {
    logical: u64,
    physical: u64,
    length: u64,
    reserved: [u64; 2],
    flags: u32,
    reserved_too: [u32; 3],
}

/// `struct fiemap` with room for extents.
#[derive(Default)]
#[repr(C)]
struct Map {
    start: u64,
    length: u64,
    flags: u32,
    mapped: u32,
    room: u32,
    reserved: u32,
    extents: [Extent; EXTENTS as usize],
}

/// The header alone: its size is part of the call's number.
type Header = [u64; 4];

fn extents(file: &File) -> io::Result<Vec<Extent>> {
    let mut map = Map { length: u64::MAX, room: EXTENTS, ..Map::default() };
    let call = read_write::<Header>(b'f', 11);
    // SAFETY: the descriptor is open as long as `file` is borrowed; the structure has the kernel's
    // layout, says itself how many extents it has room for, and lives until the call returns;
    // whatever is written to it are integers.
    let done = unsafe { libc::ioctl(file.as_raw_fd(), call as _, &raw mut map) };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(map.extents[..EXTENTS.min(map.mapped) as usize].to_vec())
}

/// Two files share what begins at the same place on the disk. Those of which no place is known may.
fn compare(one: &[Extent], other: &[Extent]) -> Sharing {
    let placed = |extents: &[Extent]| -> Vec<u64> {
        let placed = extents.iter().filter(|extent| extent.flags & NO_PLACE == 0);
        placed.map(|extent| extent.physical).collect()
    };
    let (first, second) = (placed(one), placed(other));
    if first.iter().any(|place| second.contains(place)) {
        Sharing::Blocks
    } else if first.is_empty() || second.is_empty() {
        Sharing::Unknown
    } else {
        Sharing::Apart
    }
}

/// Which file of its layers a file of an overlay is. Nothing where the layers cannot be seen (in a
/// container), or it has another name there.
fn below(overlay: &File) -> Option<(u64, u64)> {
    let Mount { root, point, options, .. } = mount(overlay)?;
    let name = fs::read_link(format!("/proc/self/fd/{}", overlay.as_raw_fd())).ok()?;
    let inside = Path::new(&root).strip_prefix("/").ok()?.join(name.strip_prefix(&point).ok()?);
    layers(&options).iter().find_map(|layer| {
        let found = fs::symlink_metadata(layer.join(&inside)).ok()?;
        found.is_file().then(|| (found.dev(), found.ino()))
    })
}

/// What `mountinfo` says of where a file lies (proc_pid_mountinfo(5)).
struct Mount {
    /// The folder of the file system that is mounted.
    root: String,
    /// Where.
    point: String,
    source: String,
    options: String,
}

fn mount(file: &File) -> Option<Mount> {
    let id = statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).ok()?.stx_mnt_id.to_string();
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let line = mounts.lines().find(|line| line.split(' ').next() == Some(&id))?;
    let mut front = line.split(' ').skip(3).map(plain);
    let mut back = line.split(' ').skip_while(|&field| field != "-").skip(2).map(plain);
    Some(Mount { root: front.next()?, point: front.next()?, source: back.next()?, options: back.next()? })
}

fn plain(field: &str) -> String {
    String::from_utf8_lossy(&mountinfo::plain(field.as_bytes())).into_owned()
}

/// The folders that an overlay lies over, by its options, the uppermost first (the kernel's
/// Documentation/filesystems/overlayfs.rst).
fn layers(options: &str) -> Vec<PathBuf> {
    let folders = |names: [&'static str; 2]| {
        let values = options.split(',').filter_map(|option| option.split_once('='));
        let values = values.filter(move |(name, _)| names.contains(name)).map(|(_, value)| value);
        values.flat_map(|value| value.split(':')).filter(|folder| !folder.is_empty()).map(PathBuf::from)
    };
    folders(["upperdir"; 2]).chain(folders(["lowerdir", "lowerdir+"])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(physical: u64, flags: u32) -> Extent {
        Extent { physical, flags, length: 4096, ..Extent::default() }
    }

    #[test]
    fn files_share_what_lies_in_the_same_place_and_of_what_has_no_place_nothing_is_known() {
        let one = [extent(4096, 0x2000), extent(81920, 1)];
        assert_eq!(compare(&one, &[extent(7, 0), extent(4096, 0x2001)]), Sharing::Blocks);
        assert_eq!(compare(&one, &[extent(8192, 1)]), Sharing::Apart);
        for flag in [0x2, 0x4, 0x200] {
            assert_eq!(compare(&one, &[extent(4096, flag)]), Sharing::Unknown);
        }
        assert_eq!(compare(&one, &[]), Sharing::Unknown);
    }

    #[test]
    fn the_layers_of_an_overlay_are_in_its_options() {
        let options = plain("rw,lowerdir=/a\\040b:/c,upperdir=/u,workdir=/w,lowerdir+=/d");
        let expected = ["/u", "/a b", "/c", "/d"].map(|layer| Path::new(layer).to_owned());
        assert_eq!(layers(&options), expected);
    }

    #[test]
    fn two_files_of_their_own_are_apart_and_one_is_itself() {
        let here = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let make = |name: &str| {
            let place = here.path().join(name);
            fs::write(&place, [7; 65536]).unwrap();
            let file = File::open(place).unwrap();
            file.sync_all().unwrap();
            file
        };
        let (one, other) = (make("one"), make("other"));
        assert_eq!(sharing(&one, &one), Sharing::OneFile);
        assert!(matches!(sharing(&one, &other), Sharing::Apart | Sharing::Unknown));
    }
}
