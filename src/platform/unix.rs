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

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, RawDir};

use super::cache::Tally;
use super::{Cached, Kind, Listed, Stat, Timestamp};

/// A folder tree that is only read. All paths are relative to its root.
#[derive(Debug)]
pub struct Tree {
    root: OwnedFd,
    /// Whether files are read from the disk rather than from the system's cache.
    cold: bool,
    tally: Tally,
}

/// Read-only, and never waiting for the other end of a pipe that took the place of a file.
const READ: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// As long a path the system takes at once, with the zero behind it (PATH_MAX of the kernel's
/// `limits.h`; less elsewhere).
const LONGEST: usize = if cfg!(target_os = "linux") { 4096 } else { 1024 };

impl Tree {
    /// Opens the folder at `path`. With `cold`, what the system caches of its files is forgotten
    /// before they are read, so that reading proves the disk; for this, what is not on the disk yet
    /// is sent there first (nothing new is written).
    pub fn open(path: &Path, cold: bool) -> io::Result<Self> {
        let root = fs::open(path, READ | OFlags::DIRECTORY, Mode::empty())?;
        if cold {
            settle(&root);
        }
        Ok(Self { root, cold, tally: Tally::default() })
    }

    /// Opens a file for reading. With `follow` a link in the last place is followed, otherwise it
    /// is an error.
    pub fn open_file(&self, path: &[u8], follow: bool) -> io::Result<File> {
        let flags = if follow { READ } else { READ | OFlags::NOFOLLOW };
        let file: File = self.reach(path, |folder, name| open_quietly(folder, name, flags))?.into();
        if self.cold {
            drop_cache(&file);
            self.tally.note(&file);
        }
        Ok(file)
    }

    /// What was in memory all the same of the files that were opened to be read from the disk;
    /// `None` of a tree that is not `cold`.
    pub fn cached(&self) -> Option<Cached> {
        self.tally.sum().filter(|_| self.cold)
    }

    /// The state of what `path` names (empty for the root); a link is followed.
    pub fn stat(&self, path: &[u8]) -> io::Result<Stat> {
        let path = if path.is_empty() { b"." } else { path };
        self.reach(path, |folder, name| Ok(to_stat(&fs::statat(folder, name, AtFlags::empty())?)))
    }

    /// Acts on what a path names, as a folder and a path below it that the system takes: longer
    /// ones are gone by handle, piece by piece.
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

    /// Gives every name in the folder `path` (empty for the root) to `each`, with its state for
    /// files if `stat`.
    ///
    /// `buffer` is scratch space that is kept between calls.
    pub fn list(
        &self,
        path: &[u8],
        stat: bool,
        buffer: &mut Vec<u8>,
        each: &mut dyn FnMut(Listed<'_>),
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
                    // It vanished since: no longer in the folder.
                    Err(rustix::io::Errno::NOENT) => continue,
                    Err(error) => return Err(error.into()),
                }
            }
            each(Listed { name: name.to_bytes(), kind, stat: state, number: entry.ino() });
        }
        Ok(())
    }
}

/// Opens without touching the access time, which is allowed to a file's owner alone. It is tried
/// for each file anew: one of somebody else's says nothing of the next, and a refusal, which comes
/// before the disk is asked, takes a microsecond.
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

/// Sends what the system has not yet written of a file system to the disk: only clean pages can be
/// forgotten.
fn settle(root: &OwnedFd) {
    // A file system that cannot do it keeps its pages; reading still works.
    #[cfg(target_os = "linux")]
    let _ = fs::syncfs(root);
}

/// The state of an open file.
pub fn stat(file: &File) -> io::Result<Stat> {
    Ok(to_stat(&fs::fstat(file)?))
}

/// Whether a file could not be opened or read because another program has it open and does not
/// share it: Unix has no such thing.
pub fn is_in_use(_: &io::Error) -> bool {
    false
}

/// Opens a single file for reading; with `cold`, from the disk and not from the system's cache.
/// Links are followed.
pub fn open_to_read(path: &Path, cold: bool) -> io::Result<File> {
    let file = open_quietly(fs::CWD, path.as_os_str().as_bytes(), READ)?;
    if cold {
        // Only clean pages can be forgotten; a file system that cannot do it keeps them, and
        // reading still works.
        let _ = fs::fdatasync(&file);
        drop_cache(&file);
    }
    Ok(file.into())
}

/// Asks the system to forget what it caches of a file, so that reading comes from the disk.
fn drop_cache(file: impl AsFd) {
    // Advice: where it is not taken, reading still works.
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

/// Copies up to `most` bytes from one file's position to the other's inside the kernel: as shared
/// blocks (reflinks) where the file system has them. Nothing copied is the end. An error does not
/// say which side it comes from, nor how far the positions have moved.
#[cfg(target_os = "linux")]
pub fn copy_in_kernel(from: &mut File, to: &mut File, most: u64) -> io::Result<u64> {
    io::copy(&mut from.take(most), to)
}

/// This system is not asked.
#[cfg(not(target_os = "linux"))]
pub fn copy_in_kernel(_: &mut File, _: &mut File, _: u64) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether a file takes less room than its size says: it has holes, or its file system compresses
/// it.
pub fn has_holes(file: &File) -> bool {
    file.metadata().is_ok_and(|found| found.blocks().saturating_mul(512) < found.size())
}

/// The first range at or behind `at` that holds data, in a file of `size` bytes; nothing if all the
/// rest is a hole. Moves the file's position.
#[cfg(target_os = "linux")]
pub fn next_data(file: &File, at: u64, size: u64) -> io::Result<Option<std::ops::Range<u64>>> {
    use rustix::io::Errno;
    if at >= size {
        return Ok(None);
    }
    match fs::seek(file, fs::SeekFrom::Data(at)) {
        Ok(start) if start < size => {
            let end = fs::seek(file, fs::SeekFrom::Hole(start))?.min(size);
            // A file that changes under our feet must not lead round in circles.
            Ok((end > start).then_some(start..end))
        }
        // Nothing but a hole.
        Ok(_) | Err(Errno::NXIO) => Ok(None),
        Err(Errno::INVAL) => Ok(Some(at..size)),
        Err(error) => Err(error.into()),
    }
}

/// This system is not asked: all is data.
#[cfg(not(target_os = "linux"))]
pub fn next_data(_: &File, at: u64, size: u64) -> io::Result<Option<std::ops::Range<u64>>> {
    Ok((at < size).then_some(at..size))
}

/// Bytes that an ordinary user may still write to the file system that holds `path`.
pub fn free_space(path: &Path) -> io::Result<u64> {
    let space = fs::statvfs(path)?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

#[cfg(target_os = "linux")]
pub use super::linux_disks::is_spinning;

/// Whether a path lies on a disk with a head that has to move: this system is not asked.
#[cfg(not(target_os = "linux"))]
pub fn is_spinning(_: &Path) -> Option<bool> {
    None
}

/// The number of the volume that a path lies on.
pub fn volume(path: &Path) -> io::Result<u64> {
    Ok(std::fs::metadata(path)?.dev())
}

/// Whether two paths lead to the same file or folder.
pub fn is_same_file(one: &Path, other: &Path) -> bool {
    let id = |path: &Path| std::fs::metadata(path).map(|found| (found.dev(), found.ino()));
    matches!((id(one), id(other)), (Ok(one), Ok(other)) if one == other)
}

/// The account that this program runs under, for people.
pub fn account() -> String {
    format!("this account (uid {})", rustix::process::geteuid().as_raw())
}

/// What to do where permission is lacking.
pub const PERMISSION_HINT: &str = "run as a user who may read it, with sudo for example";

/// What stands for a path where paths are looked up: equal for those that name the same file. Here,
/// the path itself.
pub fn name_key(path: &[u8]) -> Cow<'_, [u8]> {
    Cow::Borrowed(path)
}

/// Whether two paths are the same name.
pub fn is_same_name(one: &[u8], other: &[u8]) -> bool {
    one == other
}

/// Lets a file have holes that take no room: here, every file has them.
pub fn allow_holes(_: &File) {}

/// The path that a file of this name is kept under: here, any name can be held.
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

/// Where the whole machine's configuration lies.
pub fn system_config_dir() -> Option<PathBuf> {
    Some(PathBuf::from("/etc/bkverify"))
}

/// Where scheduled runs keep what they remember.
pub fn system_state_dir() -> Option<PathBuf> {
    Some(PathBuf::from("/var/lib/bkverify"))
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
        // Not this user's, where it is not root: then it is opened all the same.
        assert!(open_to_read(Path::new("/proc/version"), false).is_ok());
    }

    /// Tells nothing new when run by root, who is allowed everything.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_of_somebody_else_does_not_cost_the_others_their_access_times() {
        let mine = tempfile::NamedTempFile::new().unwrap();
        let everything = Tree::open(Path::new("/"), false).unwrap();
        let foreign = everything.open_file(b"proc/version", false).unwrap();
        assert!(is_quiet(&foreign) || !rustix::process::geteuid().is_root());
        let place = mine.path().canonicalize().unwrap();
        let below_root = &place.as_os_str().as_bytes()[1..];
        assert!(is_quiet(&everything.open_file(below_root, false).unwrap()));
    }
}
