//! Whether two open files occupy the same blocks on the disk, although their names and file numbers
//! differ. Such files are clones with shared blocks (btrfs, XFS), or files of an overlay, whose
//! content is in one of its layers.
//!
//! FIEMAP tells where a file's blocks are (the kernel's Documentation/filesystems/fiemap.rst). An
//! overlay passes the request on to its layer.

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
/// File systems in which files never share blocks: ext2 to ext4, tmpfs, ramfs, FAT, exFAT, ISO
/// 9660.
const NEVER_SHARE: [i64; 6] = [0xef53, 0x0102_1994, 0x8584_58f6, 0x4d44, 0x2011_bab0, 0x9660];

/// Flags of an extent whose position on the disk is not known, not yet assigned, or among metadata.
const NO_POSITION: u32 = 0x2 | 0x4 | 0x200;

/// At most this many extents of a file are compared.
const EXTENTS: u32 = 16;

/// Whether files of these two file systems could share blocks at all. The caller asks once for each
/// pair of file systems, because this reads the list of mounts.
pub fn may_share(one: &File, other: &File) -> bool {
    let kinds = [kind(one), kind(other)];
    let device = |file: &File| file.metadata().map(|found| found.dev()).ok();
    if kinds.contains(&Some(OVERLAY)) {
        return true;
    }
    if device(one) == device(other) {
        return !kinds[0].is_some_and(|kind| NEVER_SHARE.contains(&kind));
    }
    // Subvolumes of one btrfs have different device numbers.
    let source = |file: &File| Some(mount(file)?.source);
    kinds == [Some(BTRFS); 2] && source(one).is_some_and(|disk| source(other) == Some(disk))
}

/// Whether two files share blocks. Only for file systems that [`may_share`] accepts.
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
    // A file of an overlay has the number of the file in the layer below, even after it was written
    // to and has become a different file.
    let is_below = || {
        let lies_over = |over: &File, other: &fs::Metadata| {
            kind(over) == Some(OVERLAY) && below(over).is_none_or(|id| id == (other.dev(), other.ino()))
        };
        first.ino() == second.ino() && (lies_over(one, &second) || lies_over(other, &first))
    };
    if found == Sharing::Blocks && is_below() { Sharing::OneFile } else { found }
}

fn kind(file: &File) -> Option<i64> {
    // A magic number has 32 bits, whatever integer type it comes in.
    #[allow(clippy::cast_possible_truncation)]
    fstatfs(file).ok().map(|found| i64::from(found.f_type as u32))
}

/// `struct fiemap_extent`: a part of a file, and where it begins in the file and on the disk, in
/// bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
struct FiemapExtent {
    logical: u64,
    physical: u64,
    length: u64,
    reserved: [u64; 2],
    flags: u32,
    reserved_too: [u32; 3],
}

/// `struct fiemap` with space for [`EXTENTS`] extents.
#[derive(Default)]
#[repr(C)]
struct Fiemap {
    start: u64,
    length: u64,
    flags: u32,
    mapped: u32,
    extent_count: u32,
    reserved: u32,
    extents: [FiemapExtent; EXTENTS as usize],
}

/// `struct fiemap` without extents: this size is encoded in the number of the call.
type FiemapHeader = [u64; 4];

fn extents(file: &File) -> io::Result<Vec<FiemapExtent>> {
    let mut map = Fiemap { length: u64::MAX, extent_count: EXTENTS, ..Fiemap::default() };
    let call = read_write::<FiemapHeader>(b'f', 11);
    // SAFETY: the descriptor is open as long as `file` is borrowed. The structure has the kernel's
    // layout, says how many extents fit into it, and lives until the call returns. The call writes
    // nothing but integers.
    let done = unsafe { libc::ioctl(file.as_raw_fd(), call as _, &raw mut map) };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(map.extents[..EXTENTS.min(map.mapped) as usize].to_vec())
}

/// Two files share blocks if extents of both begin at the same position on the disk. If no position
/// of one of them is known, the answer is unknown.
fn compare(one: &[FiemapExtent], other: &[FiemapExtent]) -> Sharing {
    let placed = |extents: &[FiemapExtent]| -> Vec<u64> {
        let placed = extents.iter().filter(|extent| extent.flags & NO_POSITION == 0);
        placed.map(|extent| extent.physical).collect()
    };
    let (first, second) = (placed(one), placed(other));
    if first.iter().any(|position| second.contains(position)) {
        Sharing::Blocks
    } else if first.is_empty() || second.is_empty() {
        Sharing::Unknown
    } else {
        Sharing::Apart
    }
}

/// The identity of the file in the layers that is behind a file of an overlay. `None` if the layers
/// cannot be seen (in a container), or if the file has another name there.
fn below(overlay: &File) -> Option<(u64, u64)> {
    let MountEntry { root, point, options, .. } = mount(overlay)?;
    let name = fs::read_link(format!("/proc/self/fd/{}", overlay.as_raw_fd())).ok()?;
    let inside = Path::new(&root).strip_prefix("/").ok()?.join(name.strip_prefix(&point).ok()?);
    layers(&options).iter().find_map(|layer| {
        let found = fs::symlink_metadata(layer.join(&inside)).ok()?;
        found.is_file().then(|| (found.dev(), found.ino()))
    })
}

/// A file's mount, as `mountinfo` describes it (proc_pid_mountinfo(5)).
struct MountEntry {
    /// The folder within the file system that is mounted.
    root: String,
    /// The mount point.
    point: String,
    source: String,
    options: String,
}

fn mount(file: &File) -> Option<MountEntry> {
    let id = statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).ok()?.stx_mnt_id.to_string();
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let line = mounts.lines().find(|line| line.split(' ').next() == Some(&id))?;
    let mut front = line.split(' ').skip(3).map(plain);
    let mut back = line.split(' ').skip_while(|&field| field != "-").skip(2).map(plain);
    Some(MountEntry {
        root: front.next()?,
        point: front.next()?,
        source: back.next()?,
        options: back.next()?,
    })
}

fn plain(field: &str) -> String {
    String::from_utf8_lossy(&mountinfo::plain(field.as_bytes())).into_owned()
}

/// The folders of an overlay's layers, from its mount options, the uppermost first (the kernel's
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

    fn extent(physical: u64, flags: u32) -> FiemapExtent {
        FiemapExtent { physical, flags, length: 4096, ..FiemapExtent::default() }
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
            let path = here.path().join(name);
            fs::write(&path, [7; 65536]).unwrap();
            let file = File::open(path).unwrap();
            file.sync_all().unwrap();
            file
        };
        let (one, other) = (make("one"), make("other"));
        assert_eq!(sharing(&one, &one), Sharing::OneFile);
        assert!(matches!(sharing(&one, &other), Sharing::Apart | Sharing::Unknown));
    }
}
