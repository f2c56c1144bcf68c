//! Windows, through the standard library and `windows-sys`.
//!
//! Everything is opened read-only and shared for reading, writing and deleting, so that no other
//! program is disturbed. No handle on a folder stays open, because that would prevent renaming the
//! folders above it. Paths are verbatim (`\\?\C:\…`, `\\?\UNC\…`), so they may have any length and
//! no name is special. Below a tree's root, links and junctions are not followed unless asked for.
//! Placeholders of files in a cloud are never opened, because that would download them.
//!
//! Access times: NTFS does not update them by default, and a handle that is only open for reading
//! cannot prevent it.

mod disks;
mod info;
mod list;
pub mod made;
pub mod private;
#[cfg(test)]
mod tests;
pub mod user;

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::windows::ffi::{OsStrExt, OsStringExt};
use std::os::windows::fs::{FileExt, OpenOptionsExt};
use std::os::windows::io::AsRawHandle;
use std::path::{Component, Path, PathBuf, Prefix};

use windows_sys::Win32::Foundation::{
    ERROR_INVALID_NAME, ERROR_LOCK_VIOLATION, ERROR_SHARING_VIOLATION, GENERIC_READ,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_NO_BUFFERING, FILE_FLAG_OPEN_REPARSE_POINT, FILE_LIST_DIRECTORY,
    FILE_READ_ATTRIBUTES, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE,
};

use windows_sys::Win32::System::IO::DeviceIoControl;
use windows_sys::Win32::System::Ioctl::FSCTL_SET_SPARSE;

use super::{Cached, CloudPlaceholder, FolderEntry, Kind, Stat, names, wtf8};

pub use disks::{drives, is_spinning};
pub use info::stat;

/// A folder tree that is only read. All paths are relative to its root.
#[derive(Debug)]
pub struct Tree {
    /// Verbatim, with links resolved where the system could do that.
    root: OsString,
    volume: u64,
    /// Whether files are read from the disk rather than from the system's cache.
    cold: bool,
}

impl Tree {
    /// Opens the folder at `path`. With `cold`, each file is dropped from the system's cache before
    /// it is read, so that reading proves the disk. This works for files that no other program has
    /// open.
    pub fn open(path: &Path, cold: bool) -> io::Result<Self> {
        let root = verbatim(path)?;
        let folder = open_shared(&root, FILE_LIST_DIRECTORY, 0)?;
        let (volume, _) = info::id(&folder)?;
        if stat(&folder)?.kind != Kind::Folder {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self { root: root.into_os_string(), volume, cold })
    }

    /// Opens a file for reading. If the last component of the path is a link, `follow` decides
    /// whether it is followed or is an error.
    ///
    /// Names that Windows cannot hold, and `name:stream`, are not found. Two errors deserve advice:
    /// see [`is_in_use`] and [`is_cloud_placeholder`](super::is_cloud_placeholder).
    pub fn open_file(&self, path: &[u8], follow: bool) -> io::Result<File> {
        let full_path = self.full_path(path)?;
        open_present(&full_path, GENERIC_READ, follow, self.cold)
    }

    /// How much of the files that were opened to be read from the disk was in memory all the same.
    /// Unknown on this system; `None` if the tree is not `cold`.
    pub fn cached(&self) -> Option<Cached> {
        self.cold.then(Cached::default)
    }

    /// The metadata of what `path` names (empty for the root). A link is followed. This works for
    /// files that are in use, and downloads nothing from a cloud.
    pub fn stat(&self, path: &[u8]) -> io::Result<Stat> {
        stat(&open_shared(&self.full_path(path)?, FILE_READ_ATTRIBUTES, 0)?)
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
        // The root may be a link that could not be resolved (to a snapshot, for example).
        let folder = open_present(&self.full_path(path)?, FILE_LIST_DIRECTORY, path.is_empty(), false)?;
        list::list(&folder, self.volume, stat, buffer, each)
    }

    /// The full path of a relative one. Its components must be names without a special meaning.
    fn full_path(&self, path: &[u8]) -> io::Result<PathBuf> {
        let mut full_path = self.root.clone();
        for component in path.split(|&byte| byte == b'/').filter(|component| !component.is_empty()) {
            if matches!(component, b"." | b"..") || !names::is_plain_when_verbatim(component) {
                return Err(unknown_name());
            }
            // Only the root of a drive already ends in a separator.
            if full_path.as_encoded_bytes().last() != Some(&b'\\') {
                full_path.push("\\");
            }
            match std::str::from_utf8(component) {
                Ok(name) => full_path.push(name),
                Err(_) => {
                    full_path.push(OsString::from_wide(&wtf8::to_units(component).ok_or_else(unknown_name)?))
                }
            }
        }
        Ok(full_path.into())
    }
}

/// The error for a name that cannot exist on Windows: the file is not found.
fn unknown_name() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "Windows cannot hold a file with this name")
}

/// The full path in its verbatim form. Links are resolved where the system can: it has no resolved
/// path for snapshots, some RAM disks and some shares.
fn verbatim(path: &Path) -> io::Result<PathBuf> {
    fs::canonicalize(path).or_else(|_| std::path::absolute(path).map(|path| prefixed(&path)))
}

/// An absolute path with a verbatim prefix.
fn prefixed(path: &Path) -> PathBuf {
    let mut components = path.components();
    let prefix = match components.next() {
        Some(Component::Prefix(prefix)) => match prefix.kind() {
            Prefix::Disk(letter) => OsString::from(format!(r"\\?\{}:", char::from(letter))),
            Prefix::UNC(server, share) => {
                [r"\\?\UNC\".as_ref(), server, r"\".as_ref(), share].into_iter().collect()
            }
            _ => return path.to_owned(),
        },
        _ => return path.to_owned(),
    };
    PathBuf::from(prefix).join(components.as_path())
}

/// Opens a file or folder of any type, without blocking other programs.
fn open_shared(path: &Path, access: u32, flags: u32) -> io::Result<File> {
    let opened = OpenOptions::new()
        .access_mode(access)
        .share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)
        // Needed to open folders. For files it has no effect without a privilege that this program
        // never enables.
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | flags)
        .open(path);
    opened.map_err(|error| if has_code(&error, &[ERROR_INVALID_NAME]) { unknown_name() } else { error })
}

/// Opens a file whose content is local: not a placeholder, and not a link unless `follow`.
///
/// The attributes are checked before opening, because opening alone could download a placeholder's
/// content. A link that replaces the file in between is followed; nothing happens to its target but
/// reading.
fn open_present(path: &Path, access: u32, follow: bool, cold: bool) -> io::Result<File> {
    let mut attribute_tag = info::AttributeTag { attributes: info::attributes(path)?, tag: 0 };
    if attribute_tag.is_reparse_point() {
        attribute_tag =
            info::attribute_tag(&open_shared(path, FILE_READ_ATTRIBUTES, FILE_FLAG_OPEN_REPARSE_POINT)?)?;
        let link = attribute_tag.is_link();
        if link && follow {
            attribute_tag = info::attribute_tag(&open_shared(path, FILE_READ_ATTRIBUTES, 0)?)?;
        } else if link || attribute_tag.kind() == Kind::Other {
            return Err(io::Error::other("it is a link or a device, which is not followed"));
        }
    }
    if attribute_tag.is_placeholder() {
        return Err(io::Error::other(CloudPlaceholder));
    }
    if cold {
        forget(path);
    }
    open_shared(path, access, 0)
}

/// Makes the system drop a file from its cache. It does so when a file that nobody else has open is
/// opened for unbuffered reading, after it has written what is pending. Nothing is read through
/// that handle.
fn forget(path: &Path) {
    // If this fails, opening the file for reading fails in the same way and reports the error.
    let _ = open_shared(path, GENERIC_READ, FILE_FLAG_NO_BUFFERING);
}

fn has_code(error: &io::Error, codes: &[u32]) -> bool {
    error.raw_os_error().is_some_and(|code| codes.iter().any(|&known| i32::try_from(known) == Ok(code)))
}

/// Whether opening or reading failed because another program has the file open and does not share
/// it.
pub fn is_in_use(error: &io::Error) -> bool {
    has_code(error, &[ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION])
}

/// Opens a single file for reading without disturbing other programs; with `cold`, from the disk
/// and not from the system's cache. Links are followed. Placeholders of files in a cloud are not
/// downloaded.
pub fn open_to_read(path: &Path, cold: bool) -> io::Result<File> {
    open_present(&verbatim(path)?, GENERIC_READ, true, cold)
}

/// Reads at an offset. This also moves the file's position, so reads by position and by offset must
/// not be mixed.
pub fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.seek_read(buffer, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Not supported: Windows only copies whole files, by name.
pub fn copy_in_kernel(_: &mut File, _: &mut File, _: u64) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether a file takes less space than its size. This system is not asked.
pub fn has_holes(_: &File) -> bool {
    false
}

/// The first byte at or after `at` that is no hole, in a file of `size` bytes. This system is not
/// asked about holes.
pub fn first_data(_: &File, at: u64, size: u64) -> io::Result<Option<u64>> {
    Ok((at < size).then_some(at))
}

/// The first range at or after `at` that holds data, in a file of `size` bytes. This system is not
/// asked about holes, so that is everything up to the end.
pub fn next_data(_: &File, at: u64, size: u64) -> io::Result<Option<std::ops::Range<u64>>> {
    Ok((at < size).then_some(at..size))
}

/// Bytes that the caller can still write to the volume that holds the folder `path`.
pub fn free_space(path: &Path) -> io::Result<u64> {
    info::free_space(path)
}

/// Whether files may be made in a folder: only known once one is made, for the system looks at who
/// asks, at access lists and at policies.
pub fn may_write_to(_: &Path) -> io::Result<()> {
    Ok(())
}

/// The number of the volume that holds `path`.
pub fn volume(path: &Path) -> io::Result<u64> {
    Ok(info::id(&open_shared(&verbatim(path)?, FILE_READ_ATTRIBUTES, 0)?)?.0)
}

/// The account that this program runs under, as text for people.
#[allow(clippy::disallowed_methods, reason = "Windows names the account there")]
pub fn account() -> String {
    std::env::var("USERNAME").map_or_else(|_| "this account".to_owned(), |name| format!("the account {name}"))
}

/// The name of this computer, as backup programs of this system use it for folders.
#[allow(clippy::disallowed_methods, reason = "Windows names the computer there")]
pub fn computer_name() -> Option<String> {
    std::env::var("COMPUTERNAME").ok().filter(|name| !name.is_empty())
}

/// The hint for a missing permission.
pub const PERMISSION_HINT: &str =
    "run as a user who may read it: from a prompt opened with \"Run as administrator\", for example";

/// The name that this machine has on its network.
pub fn host_name() -> Option<String> {
    computer_name()
}

/// The key under which a path is looked up: equal for paths that name the same file, whatever their
/// case.
pub fn name_key(path: &[u8]) -> Cow<'_, [u8]> {
    Cow::Owned(names::fold_case(path))
}

/// Whether two paths are the same name, whatever their case.
pub fn is_same_name(one: &[u8], other: &[u8]) -> bool {
    one.eq_ignore_ascii_case(other)
        || (!(one.is_ascii() && other.is_ascii()) && names::fold_case(one) == names::fold_case(other))
}

/// Whether two paths lead to the same file or folder.
pub fn is_same_file(one: &Path, other: &Path) -> bool {
    let id = |path: &Path| info::id(&open_shared(&verbatim(path)?, FILE_READ_ATTRIBUTES, 0)?);
    matches!((id(one), id(other)), (Ok(one), Ok(other)) if one == other)
}

/// Lets a file have holes that take no space. File systems without holes fill them.
pub fn allow_holes(file: &File) {
    keeps_holes(file);
}

/// The same. Says whether the file system can do it: FAT and exFAT cannot.
pub fn keeps_holes(file: &File) -> bool {
    let mut returned = 0;
    // SAFETY: the handle is open as long as `file` is borrowed. The call takes no input and gives
    // no output, as the null pointers of length zero say. It writes only to `returned`, which
    // outlives it. Without an overlapped structure the call is complete on return.
    let done = unsafe {
        DeviceIoControl(
            file.as_raw_handle(),
            FSCTL_SET_SPARSE,
            std::ptr::null(),
            0,
            std::ptr::null_mut(),
            0,
            &raw mut returned,
            std::ptr::null_mut(),
        )
    };
    done != 0
}

/// A path from its bytes, with `/` replaced by `\`. Bytes that form no Windows name become lone
/// surrogates, which no file name has in practice.
pub fn path_from_bytes(bytes: &[u8]) -> Cow<'_, Path> {
    let units = match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('/') => return Cow::Borrowed(Path::new(text)),
        Ok(text) => return Cow::Owned(text.replace('/', "\\").into()),
        Err(_) => wtf8::to_units(bytes).unwrap_or_else(|| {
            let chunks = bytes.utf8_chunks();
            let unit = |&byte: &u8| 0xDC00 | u16::from(byte);
            chunks
                .flat_map(|chunk| chunk.valid().encode_utf16().chain(chunk.invalid().iter().map(unit)))
                .collect()
        }),
    };
    let [slash, backslash] = [u16::from(b'/'), u16::from(b'\\')];
    let units: Vec<u16> =
        units.into_iter().map(|unit| if unit == slash { backslash } else { unit }).collect();
    Cow::Owned(OsString::from_wide(&units).into())
}

/// A path's bytes, with `\` replaced by `/`.
pub fn path_to_bytes(path: &Path) -> Cow<'_, [u8]> {
    if let Some(text) = path.to_str().filter(|text| !text.contains('\\')) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(path.as_os_str().len());
    wtf8::append(&mut bytes, path.as_os_str().encode_wide());
    // In WTF-8, as in UTF-8, this byte is never part of another character.
    bytes.iter_mut().filter(|byte| **byte == b'\\').for_each(|byte| *byte = b'/');
    Cow::Owned(bytes)
}

/// The path that a file of this name gets on this system: escaped by [`names::escape_for_windows`]
/// where Windows cannot hold the name.
pub fn holdable_name(path: &[u8]) -> PathBuf {
    names::escape_for_windows(path).replace('/', "\\").into()
}

/// The folder of the machine-wide configuration.
pub fn system_config_dir() -> Option<PathBuf> {
    program_data()
}

/// The folder in which scheduled runs store their state.
pub fn system_state_dir() -> Option<PathBuf> {
    program_data()
}

/// The state folder of runs by administrators; `None` for other users.
pub fn administrators_state_dir() -> Option<PathBuf> {
    program_data().filter(|_| user::is_administrator()).map(|folder| folder.join("state"))
}

/// `%ProgramData%\bkverify`.
#[allow(clippy::disallowed_methods, reason = "Windows names the folder there")]
fn program_data() -> Option<PathBuf> {
    let base = PathBuf::from(std::env::var_os("ProgramData")?);
    base.is_absolute().then(|| base.join("bkverify"))
}
