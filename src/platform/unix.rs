//! Linux and other Unix systems, through `rustix`.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
#[cfg(target_os = "linux")]
use std::io::Read;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{self, Access, AtFlags, FileType, Mode, OFlags, RawDir};

use super::cache::CacheTally;
use super::{Cached, FolderEntry, Kind, Stat, Timestamp};

/// A folder tree that is only read. All paths are relative to its root.
#[derive(Debug)]
pub struct Tree {
    root: OwnedFd,
    /// Whether files are read from the disk rather than from the system's cache.
    cold: bool,
    tally: CacheTally,
}

/// Read-only, and without waiting for the other end if a pipe has replaced the file.
const READ: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// Paths must be shorter than this many bytes for a single system call, because the terminating
/// zero counts too (PATH_MAX of the kernel's `limits.h`; smaller on other systems).
const LONGEST: usize = if cfg!(target_os = "linux") { 4096 } else { 1024 };

impl Tree {
    /// Opens the folder at `path`. With `cold`, each file is dropped from the system's cache before
    /// it is read, so that reading proves the disk. Only written pages can be dropped, so the
    /// system is first asked to write what is pending; nothing new is written.
    pub fn open(path: &Path, cold: bool) -> io::Result<Self> {
        let root = fs::open(path, READ | OFlags::DIRECTORY, Mode::empty())?;
        if cold {
            settle(&root);
        }
        Ok(Self { root, cold, tally: CacheTally::default() })
    }

    /// Opens a file for reading. If the last component of the path is a link, `follow` decides
    /// whether it is followed or is an error.
    pub fn open_file(&self, path: &[u8], follow: bool) -> io::Result<File> {
        let flags = if follow { READ } else { READ | OFlags::NOFOLLOW };
        let file: File = self.reach(path, |folder, name| open_quietly(folder, name, flags))?.into();
        if self.cold {
            drop_cache(&file);
            self.tally.note(&file);
        }
        Ok(file)
    }

    /// How much of the files that were opened to be read from the disk was in memory all the same;
    /// `None` if the tree is not `cold`.
    pub fn cached(&self) -> Option<Cached> {
        self.tally.sum().filter(|_| self.cold)
    }

    /// The metadata of what `path` names (empty for the root). A link is followed.
    pub fn stat(&self, path: &[u8]) -> io::Result<Stat> {
        let path = if path.is_empty() { b"." } else { path };
        self.reach(path, |folder, name| Ok(to_stat(&fs::statat(folder, name, AtFlags::empty())?)))
    }

    /// Calls `act` with a folder and a path below it that is short enough for one system call. For
    /// longer paths, the leading folders are opened one after the other.
    fn reach<T>(
        &self,
        path: &[u8],
        act: impl FnOnce(BorrowedFd<'_>, &[u8]) -> io::Result<T>,
    ) -> io::Result<T> {
        if path.len() < LONGEST {
            return act(self.root.as_fd(), path);
        }
        let mut folder = self.root.as_fd().try_clone_to_owned()?;
        let mut rest = path;
        while rest.len() >= LONGEST
            && let Some(end) = rest[..LONGEST].iter().rposition(|&byte| byte == b'/')
        {
            folder = open_quietly(&folder, &rest[..end], READ | OFlags::DIRECTORY)?;
            rest = &rest[end + 1..];
        }
        act(folder.as_fd(), rest)
    }

    /// Gives every entry of the folder `path` (empty for the root) to `each`. With `stat`, entries
    /// that are files come with their metadata.
    ///
    /// `buffer` is scratch space; the caller passes the same one again to avoid allocations.
    pub fn list(
        &self,
        path: &[u8],
        stat: bool,
        buffer: &mut Vec<u8>,
        each: &mut dyn FnMut(FolderEntry<'_>),
    ) -> io::Result<()> {
        let path = if path.is_empty() { b"." } else { path };
        let flags = READ | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let folder = self.reach(path, |folder, name| open_quietly(folder, name, flags))?;
        buffer.reserve(64 << 10);
        let spare: &mut [MaybeUninit<u8>] = buffer.spare_capacity_mut();
        let mut names = RawDir::new(&folder, spare);
        while let Some(entry) = names.next() {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let mut kind = to_kind(entry.file_type());
            let mut state = None;
            if entry.file_type() == FileType::Unknown || (stat && kind == Kind::File) {
                match fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(found) => {
                        let found = to_stat(&found);
                        kind = found.kind;
                        state = (kind == Kind::File && stat).then_some(found);
                    }
                    // The entry was removed since it was listed.
                    Err(rustix::io::Errno::NOENT) => continue,
                    Err(error) => return Err(error.into()),
                }
            }
            each(FolderEntry { name: name.to_bytes(), kind, stat: state, number: entry.ino() });
        }
        Ok(())
    }
}

/// Opens without changing the access time. Only a file's owner may do that. It is tried for every
/// file, because a refusal for one file says nothing about the next, whose owner may differ. A
/// refusal comes before the disk is accessed and costs a microsecond.
#[cfg(target_os = "linux")]
fn open_quietly(folder: impl AsFd, path: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    match fs::openat(&folder, path, flags | OFlags::NOATIME, Mode::empty()) {
        Err(rustix::io::Errno::PERM) => Ok(fs::openat(&folder, path, flags, Mode::empty())?),
        opened => Ok(opened?),
    }
}

#[cfg(not(target_os = "linux"))]
fn open_quietly(folder: impl AsFd, path: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    Ok(fs::openat(&folder, path, flags, Mode::empty())?)
}

/// Asks the system to write the file system's pending changes to the disk: only clean pages can be
/// dropped from the cache.
fn settle(root: &OwnedFd) {
    // A file system that cannot do this keeps its pages; reading still works.
    #[cfg(target_os = "linux")]
    let _ = fs::syncfs(root);
}

/// The metadata of an open file.
pub fn stat(file: &File) -> io::Result<Stat> {
    Ok(to_stat(&fs::fstat(file)?))
}

/// Whether opening or reading failed because another program has the file open and does not share
/// it. Unix has no such error.
pub fn is_in_use(_: &io::Error) -> bool {
    false
}

/// Opens a single file for reading; with `cold`, from the disk and not from the system's cache.
/// Links are followed.
pub fn open_to_read(path: &Path, cold: bool) -> io::Result<File> {
    let file = open_quietly(fs::CWD, path.as_os_str().as_bytes(), READ)?;
    if cold {
        // Only clean pages can be dropped. A file system that cannot do this keeps them; reading
        // still works.
        let _ = fs::fdatasync(&file);
        drop_cache(&file);
    }
    Ok(file.into())
}

/// Asks the system to drop a file from its cache, so that it is read from the disk.
fn drop_cache(file: impl AsFd) {
    // This is advice. If it is not taken, reading still works.
    #[cfg(target_os = "linux")]
    let _ = fs::fadvise(file, 0, None, fs::Advice::DontNeed);
}

/// Reads at an offset without moving the file's position.
pub fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.read_at(buffer, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Copies up to `most` bytes inside the kernel, from one file's position to the other's. File
/// systems with shared blocks (reflinks) only link the blocks. Returns the bytes copied; 0 means
/// the end. An error does not say which of the two files it concerns, nor how far the positions
/// have moved.
#[cfg(target_os = "linux")]
pub fn copy_in_kernel(from: &mut File, to: &mut File, most: u64) -> io::Result<u64> {
    io::copy(&mut from.take(most), to)
}

/// Not supported on this system.
#[cfg(not(target_os = "linux"))]
pub fn copy_in_kernel(_: &mut File, _: &mut File, _: u64) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether a file takes less space than its size: it has holes, or the file system compresses it.
pub fn has_holes(file: &File) -> bool {
    file.metadata().is_ok_and(|found| found.blocks().saturating_mul(512) < found.size())
}

/// The first byte at or after `at` that is no hole, in a file of `size` bytes; `None` if the rest is
/// a hole. Does not ask where the data ends: some file systems go through all of it to tell. Moves
/// the file's position.
#[cfg(target_os = "linux")]
pub fn first_data(file: &File, at: u64, size: u64) -> io::Result<Option<u64>> {
    use rustix::io::Errno;
    if at >= size {
        return Ok(None);
    }
    match fs::seek(file, fs::SeekFrom::Data(at)) {
        Ok(start) => Ok((start < size).then_some(start)),
        // The rest is a hole.
        Err(Errno::NXIO) => Ok(None),
        Err(Errno::INVAL) => Ok(Some(at)),
        Err(error) => Err(error.into()),
    }
}

/// This system is not asked about holes: everything counts as data.
#[cfg(not(target_os = "linux"))]
pub fn first_data(_: &File, at: u64, size: u64) -> io::Result<Option<u64>> {
    Ok((at < size).then_some(at))
}

/// The first range at or after `at` that holds data, in a file of `size` bytes; `None` if the rest
/// is a hole. Moves the file's position.
#[cfg(target_os = "linux")]
pub fn next_data(file: &File, at: u64, size: u64) -> io::Result<Option<std::ops::Range<u64>>> {
    let Some(start) = first_data(file, at, size)? else { return Ok(None) };
    let end = match fs::seek(file, fs::SeekFrom::Hole(start)) {
        // Where it is not known, or the file changed meanwhile, all the rest counts as data.
        Err(rustix::io::Errno::INVAL) => size,
        Ok(end) if end <= start => size,
        end => end?.min(size),
    };
    Ok(Some(start..end))
}

/// This system is not asked about holes: everything counts as data.
#[cfg(not(target_os = "linux"))]
pub fn next_data(_: &File, at: u64, size: u64) -> io::Result<Option<std::ops::Range<u64>>> {
    Ok((at < size).then_some(at..size))
}

/// Bytes that an ordinary user can still write to the file system that holds `path`.
pub fn free_space(path: &Path) -> io::Result<u64> {
    let space = fs::statvfs(path)?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

#[cfg(target_os = "linux")]
pub use super::linux_disks::is_spinning;

/// Whether a path is on a disk with a moving head. This system is not asked.
#[cfg(not(target_os = "linux"))]
pub fn is_spinning(_: &Path) -> Option<bool> {
    None
}

/// Whether files may be made in a folder, by its permissions and its file system.
pub fn may_write_to(folder: &Path) -> io::Result<()> {
    Ok(fs::access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
}

/// The number of the volume that holds `path`.
pub fn volume(path: &Path) -> io::Result<u64> {
    Ok(std::fs::metadata(path)?.dev())
}

/// Whether two paths lead to the same file or folder.
pub fn is_same_file(one: &Path, other: &Path) -> bool {
    let id = |path: &Path| std::fs::metadata(path).map(|found| (found.dev(), found.ino()));
    matches!((id(one), id(other)), (Ok(one), Ok(other)) if one == other)
}

/// The roots of the drives of this machine. This system has one root for all.
pub fn drives() -> io::Result<Vec<PathBuf>> {
    Ok(Vec::new())
}

/// The name that this machine has on its network.
pub fn host_name() -> Option<String> {
    rustix::system::uname().nodename().to_str().ok().filter(|name| !name.is_empty()).map(str::to_owned)
}

/// The name of this computer, as backup programs of this system use it for folders: none do.
pub fn computer_name() -> Option<String> {
    None
}

/// The account that this program runs under, as text for people.
pub fn account() -> String {
    format!("this account (uid {})", rustix::process::geteuid().as_raw())
}

/// The hint for a missing permission.
pub const PERMISSION_HINT: &str = "run as a user who may read it, with sudo for example";

/// The key under which a path is looked up: equal for paths that name the same file. Here it is the
/// path itself.
pub fn name_key(path: &[u8]) -> Cow<'_, [u8]> {
    Cow::Borrowed(path)
}

/// Whether two paths are the same name. Here they must be equal.
pub fn is_same_name(one: &[u8], other: &[u8]) -> bool {
    one == other
}

/// Lets a file have holes. Here every file can have them.
pub fn allow_holes(_: &File) {}

/// Whether holes take no space in the file system of an empty file, which gets one. FAT and exFAT
/// fill them, and so do some servers.
pub fn keeps_holes(empty: &File) -> bool {
    empty.set_len(1 << 20).is_ok() && has_holes(empty)
}

/// The path that a file of this name gets on this system. Here every name is possible.
pub fn holdable_name(path: &[u8]) -> PathBuf {
    path_from_bytes(path).into_owned()
}

/// A path from its bytes.
pub fn path_from_bytes(bytes: &[u8]) -> Cow<'_, Path> {
    Cow::Borrowed(Path::new(OsStr::from_bytes(bytes)))
}

/// A path's bytes.
pub fn path_to_bytes(path: &Path) -> Cow<'_, [u8]> {
    Cow::Borrowed(path.as_os_str().as_bytes())
}

/// The folder of the machine-wide configuration.
pub fn system_config_dir() -> Option<PathBuf> {
    Some(PathBuf::from("/etc/bkverify"))
}

/// The folder in which scheduled runs store their state.
pub fn system_state_dir() -> Option<PathBuf> {
    Some(PathBuf::from("/var/lib/bkverify"))
}

/// The state folder of runs by root; `None` for other users.
pub fn administrators_state_dir() -> Option<PathBuf> {
    system_state_dir().filter(|_| rustix::process::geteuid().is_root())
}

fn to_kind(kind: FileType) -> Kind {
    match kind {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Folder,
        _ => Kind::Other,
    }
}

// The widths of these fields differ between systems.
#[allow(
    clippy::useless_conversion,
    clippy::unnecessary_cast,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
fn to_stat(stat: &fs::Stat) -> Stat {
    Stat {
        kind: to_kind(FileType::from_raw_mode(stat.st_mode as _)),
        size: stat.st_size as u64,
        mtime: Timestamp { seconds: i64::from(stat.st_mtime), nanos: stat.st_mtime_nsec as u32 },
        changed: Some(Timestamp { seconds: i64::from(stat.st_ctime), nanos: stat.st_ctime_nsec as u32 }),
        id: (u64::from(stat.st_dev), u64::from(stat.st_ino)),
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    use super::*;

    /// Whether a file was opened without touching its access time.
    #[cfg(target_os = "linux")]
    fn is_quiet(file: &File) -> bool {
        fs::fcntl_getfl(file).unwrap().contains(OFlags::NOATIME)
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_archive_is_opened_without_touching_its_access_time() {
        let mine = tempfile::NamedTempFile::new().unwrap();
        for cold in [false, true] {
            assert!(is_quiet(&open_to_read(mine.path(), cold).unwrap()));
        }
        // Where the user is not root, this file is somebody else's. It is opened all the same.
        assert!(open_to_read(Path::new("/proc/version"), false).is_ok());
    }

    /// Proves nothing when run by root, who is allowed everything.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_of_somebody_else_does_not_cost_the_others_their_access_times() {
        let mine = tempfile::NamedTempFile::new().unwrap();
        let everything = Tree::open(Path::new("/"), false).unwrap();
        let foreign = everything.open_file(b"proc/version", false).unwrap();
        assert!(is_quiet(&foreign) || !rustix::process::geteuid().is_root());
        let path = mine.path().canonicalize().unwrap();
        let below_root = &path.as_os_str().as_bytes()[1..];
        assert!(is_quiet(&everything.open_file(below_root, false).unwrap()));
    }
}
