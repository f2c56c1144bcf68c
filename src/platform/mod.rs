//! The operating system. This is the only module with `cfg(unix)` and `cfg(windows)`.
//!
//! There is one file for each family of systems, and all of them have the same functions: reading
//! trees without disturbing other programs (read-only, shared with everybody, access times
//! untouched, devices and pipes never opened), page caches, free space, folders for configuration
//! and state. Paths enter and leave this module as bytes. On Unix these are the bytes that the file
//! system holds. On Windows they are UTF-8 with `/` as the separator, and WTF-8 for names that are
//! not valid Unicode.

use std::io::{self, Read};
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

mod memory;
pub mod names;
pub mod process;
#[cfg(unix)]
mod unix;
#[cfg(unix)]
use unix as os;
#[cfg(not(target_os = "linux"))]
mod destination;
#[cfg(target_os = "linux")]
mod linux_cache;
#[cfg(target_os = "linux")]
mod linux_destination;
#[cfg(target_os = "linux")]
mod linux_disks;
#[cfg(target_os = "linux")]
mod linux_sharing;
#[cfg(target_os = "linux")]
use linux_destination as destination;
#[cfg(not(target_os = "linux"))]
mod no_cache;
#[cfg(not(target_os = "linux"))]
mod no_sharing;
#[cfg(target_os = "linux")]
use linux_cache as cache;
#[cfg(target_os = "linux")]
use linux_sharing as same_blocks;
#[cfg(not(target_os = "linux"))]
use no_cache as cache;
#[cfg(not(target_os = "linux"))]
use no_sharing as same_blocks;
#[cfg(target_os = "linux")]
mod mountinfo;
#[cfg(unix)]
mod unix_made;
#[cfg(unix)]
mod unix_private;
#[cfg(unix)]
mod unix_user;
#[cfg(target_os = "linux")]
mod volatile;
#[cfg(windows)]
mod windows;
#[cfg(unix)]
use unix_made as made;
#[cfg(unix)]
use unix_private as private;
#[cfg(unix)]
use unix_user as user;
#[cfg(windows)]
use windows as os;
#[cfg(windows)]
use windows::{made, private, user};

pub mod wtf8;

pub use destination::{check_destination, destination, put};
pub use made::{empty_made_dir, open_made_dir, open_made_file};
pub use memory::memory;
pub use os::{
    PERMISSION_HINT, Tree, account, administrators_state_dir, allow_holes, computer_name, copy_in_kernel,
    drives, first_data, free_space, has_holes, holdable_name, host_name, is_in_use, is_same_file,
    is_same_name, is_spinning, keeps_holes, may_write_to, name_key, next_data, open_to_read, path_from_bytes,
    path_to_bytes, read_at, stat, system_config_dir, system_state_dir, volume,
};
pub use private::{
    REMOVES_OPEN_FILES, create_private_dir, create_private_file, is_closed_to_others, is_named, is_ours,
    make_private_dir, open_dir_no_follow, open_file_no_follow, remove_file_even_read_only,
    who_else_can_change,
};
pub use same_blocks::{may_share, sharing};
pub use user::{hard_links, is_administrator, is_mine, user_name};

#[cfg(target_os = "linux")]
pub use volatile::volatile_mounts;

/// Where file systems are mounted that have no disk below them. This system has none.
#[cfg(not(target_os = "linux"))]
pub fn volatile_mounts() -> Vec<std::path::PathBuf> {
    Vec::new()
}

/// A file was not opened because its content is in a cloud: opening it would download it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is a cloud placeholder: not downloaded")]
pub struct CloudPlaceholder;

/// Whether a file was not opened because its content is in a cloud ([`CloudPlaceholder`]).
pub fn is_cloud_placeholder(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<CloudPlaceholder>)
}

/// Whether two files occupy the same blocks on the disk, although they differ in name and number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// They are the same file, or one of them is the other as seen through an overlay.
    OneFile,
    /// They are clones that share blocks.
    Blocks,
    /// They share no blocks, as far as was looked.
    Apart,
    /// The system does not tell.
    Unknown,
}

/// How much of the files that were to be read from the disk was still in memory. Reading that part
/// proves nothing about the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cached {
    /// Bytes in memory, as far as the system told.
    pub bytes: u64,
    /// Size in bytes of all files that the system was asked about.
    pub of: u64,
    /// Whether the system answered for all of them.
    pub is_known: bool,
}

/// How much of a single file (an archive) is in memory after the system was asked to drop it.
pub fn cached(path: &Path) -> Option<Cached> {
    let tally = cache::CacheTally::default();
    tally.note(&open_to_read(path, true).ok()?);
    tally.sum()
}

/// Where to write a file that the user has named. Links have been followed.
#[derive(Debug)]
pub enum Destination {
    /// A pipe, a terminal or `/dev/null`, open for writing.
    Device(std::fs::File),
    /// A regular file, which may not exist yet.
    File {
        /// The folder that holds the file.
        folder: cap_std::fs::Dir,
        /// The file's name in that folder.
        name: std::ffi::OsString,
        /// Whether no file has that name yet.
        is_new: bool,
        /// The permissions of the existing file, if the new one may have the same.
        permissions: Option<std::fs::Permissions>,
    },
}

/// A point in time as file systems record it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp {
    /// Seconds since 1970-01-01 00:00:00 UTC; negative before.
    pub seconds: i64,
    /// Nanoseconds past that second, below 1,000,000,000.
    pub nanos: u32,
}

impl Timestamp {
    /// Nanoseconds since 1970.
    pub fn as_nanos(self) -> i128 {
        i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanos)
    }

    /// The time that is this many nanoseconds after 1970.
    pub fn from_nanos(nanos: i128) -> Self {
        let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).unwrap_or(i64::MAX);
        // The remainder of a division by 10^9 fits into 30 bits.
        #[expect(clippy::cast_possible_truncation)]
        let nanos = nanos.rem_euclid(1_000_000_000) as u32;
        Self { seconds, nanos }
    }
}

impl From<SystemTime> for Timestamp {
    /// A clock that shows a time before 1970 was never set: it counts as 1970.
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self::from_nanos(i128::try_from(since.as_nanos()).unwrap_or(i128::MAX))
    }
}

/// The type of a directory entry, as far as listing needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// Anything else: links, devices, pipes, sockets, mount points that lead elsewhere. Never
    /// opened.
    Other,
}

/// A file's metadata. If it is equal before and after reading, the file was not changed in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// The file's type.
    pub kind: Kind,
    /// Size in bytes.
    pub size: u64,
    /// When the content was last modified.
    pub mtime: Timestamp,
    /// When the content or the attributes last changed, by a clock that programs cannot set back
    /// (Unix ctime, NTFS ChangeTime); `None` where the system does not record it.
    pub changed: Option<Timestamp>,
    /// The file's identity: volume and file number.
    pub id: (u64, u64),
}

/// One entry of a folder, as [`Tree::list`] gives it.
#[derive(Debug)]
pub struct FolderEntry<'a> {
    /// The name, without the folder.
    pub name: &'a [u8],
    /// The type; links are not followed.
    pub kind: Kind,
    /// The metadata, where it was asked for (regular files only).
    pub stat: Option<Stat>,
    /// The file number, as the folder has it. Files with neighbouring numbers tend to be neighbours
    /// on the disk.
    pub number: u64,
}

/// Makes a folder that only its owner can enter, and the folders above it where they are missing. A
/// folder that already exists stays as it is.
pub fn create_private_dir_at(path: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return std::fs::create_dir_all(path);
    };
    std::fs::create_dir_all(parent)?;
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let parent = cap_std::fs::Dir::open_ambient_dir(parent, cap_std::ambient_authority())?;
    match create_private_dir(&parent, name) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => std::fs::create_dir_all(path),
        made => made,
    }
}

/// Makes a link at `link` that leads to `target`. Not every system lets its users make links.
pub fn make_link(target: &Path, link: &Path) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::symlink(target, link);
    #[cfg(not(unix))]
    {
        let _ = (target, link);
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Reads a file of `size` bytes into a buffer that is larger than that. A read that returns exactly
/// `size` bytes has reached the end, which saves the read that would return nothing. Otherwise it
/// reads on until there is nothing left. Returns the number of bytes read.
pub fn read_whole(content: &mut dyn Read, buffer: &mut [u8], size: u64) -> io::Result<usize> {
    let got = loop {
        match content.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => break done?,
        }
    };
    if got as u64 == size || got == 0 { Ok(got) } else { Ok(got + read_full(content, &mut buffer[got..])?) }
}

/// Fills `buffer` as far as the content reaches. A result below the buffer's length means the end.
/// Interrupted reads are retried.
pub fn read_full(content: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match content.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(got) => filled += got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
