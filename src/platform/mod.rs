//! The operating system: the only room with `cfg(unix)` and `cfg(windows)`.
//!
//! One file a family, each with the same functions: reading trees without disturbing anybody
//! (read-only, sharing everything, access times untouched, devices and pipes never opened), page
//! caches, free space, folders for configuration and state. Paths cross this border as bytes: what
//! the file system holds on Unix, UTF-8 (WTF-8 for what is no Unicode) with `/` on Windows.

use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};

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
#[cfg(any(windows, test))]
mod wtf8;

pub use destination::{check_destination, destination, put};
pub use made::{empty_made_dir, open_made_dir, open_made_file};
pub use os::{
    PERMISSION_HINT, Tree, account, allow_holes, copy_in_kernel, free_space, has_holes, holdable_name,
    is_in_use, is_same_file, is_same_name, is_spinning, name_key, next_data, open_to_read, path_from_bytes,
    path_to_bytes, read_at, stat, system_config_dir, system_state_dir, volume,
};
pub use private::{
    REMOVES_OPEN_FILES, create_private_dir, create_private_file, is_named, is_ours, make_private_dir,
    open_dir_no_follow, open_file_no_follow, remove_file_even_read_only,
};
pub use same_blocks::{may_share, sharing};
pub use user::user_name;

#[cfg(target_os = "linux")]
pub use volatile::volatile_mounts;

/// Where file systems are mounted that lie on no disk: this system has none.
#[cfg(not(target_os = "linux"))]
pub fn volatile_mounts() -> Vec<std::path::PathBuf> {
    Vec::new()
}

/// The content of a file lies in a cloud: opening it would fetch it, so it was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is a cloud placeholder: not downloaded")]
pub struct CloudPlaceholder;

/// Whether a file was not opened because its content lies in a cloud ([`CloudPlaceholder`]).
pub fn is_cloud_placeholder(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<CloudPlaceholder>)
}

/// Whether two files with numbers of their own lie in the same place on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// They are one and the same: one of them is that of an overlay over the other.
    OneFile,
    /// They are clones that have blocks in common.
    Blocks,
    /// They have none in common, as far as was looked.
    Apart,
    /// The system does not tell.
    Unknown,
}

/// What was still in memory of the files that were opened to be read from the disk: reading those
/// proves nothing about it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cached {
    /// Bytes in memory, as far as the system told.
    pub bytes: u64,
    /// Bytes of all files that it was asked about.
    pub of: u64,
    /// Whether it told about all of them.
    pub is_known: bool,
}

/// What is in memory of a single file (an archive) after the system was asked to forget it.
pub fn cached(path: &Path) -> Option<Cached> {
    let tally = cache::Tally::default();
    tally.note(&open_to_read(path, true).ok()?);
    tally.sum()
}

/// Where a file is to be written that a person has named, links followed.
#[derive(Debug)]
pub enum Destination {
    /// A pipe, a terminal, `/dev/null`: open for writing.
    Device(std::fs::File),
    /// A regular file, or the place for one.
    File {
        /// The folder that holds it.
        folder: cap_std::fs::Dir,
        /// Its name there.
        name: std::ffi::OsString,
        /// Whether there is none yet.
        is_new: bool,
        /// The permissions of the one that is there, if the new one may have them.
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
    /// The whole as nanoseconds since 1970.
    pub fn as_nanos(self) -> i128 {
        i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanos)
    }

    /// From nanoseconds since 1970.
    pub fn from_nanos(nanos: i128) -> Self {
        let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).unwrap_or(i64::MAX);
        // A remainder by 10^9 fits 30 bits.
        #[expect(clippy::cast_possible_truncation)]
        let nanos = nanos.rem_euclid(1_000_000_000) as u32;
        Self { seconds, nanos }
    }
}

/// What a directory entry is, as far as listing is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// Anything else: links, devices, pipes, sockets, mount points that lead away. Never opened.
    Other,
}

/// A file's state; two equal states before and after reading mean that it was not touched in
/// between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: Kind,
    /// Size in bytes.
    pub size: u64,
    /// When its content was modified last.
    pub mtime: Timestamp,
    /// When its content or attributes changed last, by a clock that programs cannot set back (Unix
    /// ctime, NTFS ChangeTime), where the system tells.
    pub changed: Option<Timestamp>,
    /// Which file it is: volume and file number.
    pub id: (u64, u64),
}

/// A name in a folder, as [`Tree::list`] gives it.
#[derive(Debug)]
pub struct Listed<'a> {
    /// The bare name.
    pub name: &'a [u8],
    /// What it is, without following links.
    pub kind: Kind,
    /// Its state, where asked for (regular files only).
    pub stat: Option<Stat>,
    /// Its number in the file system, as the folder has it; neighbours tend to lie near each other
    /// on the disk.
    pub number: u64,
}

/// Makes a folder that keeps others out, and the folders above it, as far as they are missing. One
/// that is there stays as it is.
pub fn create_private_dir_at(place: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (place.parent(), place.file_name().and_then(|name| name.to_str()))
    else {
        return std::fs::create_dir_all(place);
    };
    std::fs::create_dir_all(parent)?;
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let parent = cap_std::fs::Dir::open_ambient_dir(parent, cap_std::ambient_authority())?;
    match create_private_dir(&parent, name) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => std::fs::create_dir_all(place),
        made => made,
    }
}

/// Reads a file of `size` bytes into a buffer with room for more: a read that gives just `size`
/// bytes has reached the end, and spares the one that would give nothing. Otherwise reads until
/// nothing comes.
pub fn read_whole(content: &mut dyn Read, buffer: &mut [u8], size: u64) -> io::Result<usize> {
    let got = loop {
        match content.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => break done?,
        }
    };
    if got as u64 == size || got == 0 { Ok(got) } else { Ok(got + read_full(content, &mut buffer[got..])?) }
}

/// Fills `buffer` as far as the content reaches; less than the whole buffer means the end. Retries
/// interrupted reads.
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
