//! Windows, through the standard library and `windows-sys`.
//!
//! Everything is opened for reading and shared for reading, writing and deleting, so that no other
//! program is disturbed; no handle on a folder stays open, because that would keep the folders
//! above from being renamed. Paths are verbatim (`\\?\C:\…`, `\\?\UNC\…`): of any length, and with
//! no special names. Links and junctions are not followed below a tree's root, unless asked for;
//! placeholders of files that lie in a cloud are never opened, which would fetch them.
//!
//! Access times: NTFS leaves them alone by default, and a handle that is open for reading alone has
//! no way to.

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

use super::{Cached, CloudPlaceholder, Kind, Listed, Stat, names, wtf8};

pub use disks::is_spinning;
pub use info::stat;

/// A folder tree that is only read. All paths are relative to its root.
#[derive(Debug)]
pub struct Tree {
    /// Verbatim, and free of links where the system could resolve them.
    root: OsString,
    volume: u64,
    /// Whether files are read from the disk rather than from the system's cache.
    cold: bool,
}

impl Tree {
    /// Opens the folder at `path`. With `cold`, what the system caches of its files is forgotten
    /// before they are read, so that reading proves the disk. That works for files that no other
    /// program has open.
    pub fn open(path: &Path, cold: bool) -> io::Result<Self> {
        let root = verbatim(path)?;
        let folder = open_shared(&root, FILE_LIST_DIRECTORY, 0)?;
        let (volume, _) = info::id(&folder)?;
        if stat(&folder)?.kind != Kind::Folder {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self { root: root.into_os_string(), volume, cold })
    }

    /// Opens a file for reading. With `follow` a link in the last place is followed, otherwise it
    /// is an error.
    ///
    /// Names that Windows cannot hold, and `name:stream`, are not found. See [`is_in_use`] and
    /// [`is_cloud_placeholder`](super::is_cloud_placeholder) for two errors that deserve advice.
    pub fn open_file(&self, path: &[u8], follow: bool) -> io::Result<File> {
        let place = self.place(path)?;
        open_present(&place, GENERIC_READ, follow, self.cold)
    }

    /// What was in memory all the same of the files that were opened to be read from the disk: it
    /// is not known here. `None` of a tree that is not `cold`.
    pub fn cached(&self) -> Option<Cached> {
        self.cold.then(Cached::default)
    }

    /// The state of what `path` names (empty for the root); a link is followed. Works for files
    /// that are in use, and fetches nothing from a cloud.
    pub fn stat(&self, path: &[u8]) -> io::Result<Stat> {
        stat(&open_shared(&self.place(path)?, FILE_READ_ATTRIBUTES, 0)?)
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
        // The root may be a link that could not be resolved (to a snapshot, say).
        let folder = open_present(&self.place(path)?, FILE_LIST_DIRECTORY, path.is_empty(), false)?;
        list::list(&folder, self.volume, stat, buffer, each)
    }

    /// Where a relative path lies: the root and components that are plain names to Windows.
    fn place(&self, path: &[u8]) -> io::Result<PathBuf> {
        let mut place = self.root.clone();
        for component in path.split(|&byte| byte == b'/').filter(|component| !component.is_empty()) {
            if matches!(component, b"." | b"..") || !names::is_plain_when_verbatim(component) {
                return Err(unknown_name());
            }
            // Only a drive's root ends in a separator already.
            if place.as_encoded_bytes().last() != Some(&b'\\') {
                place.push("\\");
            }
            match std::str::from_utf8(component) {
                Ok(name) => place.push(name),
                Err(_) => {
                    place.push(OsString::from_wide(&wtf8::to_units(component).ok_or_else(unknown_name)?))
                }
            }
        }
        Ok(place.into())
    }
}

/// A name that cannot exist on Windows is one that is not there.
fn unknown_name() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "Windows can hold no file of this name")
}

/// The full path in its verbatim form, links resolved as far as the system tells: it cannot name
/// what lies in a snapshot, on some RAM disks and on some shares.
fn verbatim(path: &Path) -> io::Result<PathBuf> {
    fs::canonicalize(path).or_else(|_| std::path::absolute(path).map(|path| prefixed(&path)))
}

/// An absolute path with its prefix made verbatim.
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

/// Opens what exists, whatever it is, without standing in anybody's way.
fn open_shared(path: &Path, access: u32, flags: u32) -> io::Result<File> {
    let opened = OpenOptions::new()
        .access_mode(access)
        .share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)
        // Folders can be opened with it alone; for files it changes nothing without a privilege
        // that we never enable.
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | flags)
        .open(path);
    opened.map_err(|error| if has_code(&error, &[ERROR_INVALID_NAME]) { unknown_name() } else { error })
}

/// Opens what has its content here: no placeholder, and no link unless `follow`.
///
/// The look at the attributes comes before the opening, because opening by itself could fetch a
/// placeholder's content. A link that takes the file's place in between is followed; nothing but
/// reading can come of it.
fn open_present(path: &Path, access: u32, follow: bool, cold: bool) -> io::Result<File> {
    let mut nature = info::Nature { attributes: info::attributes(path)?, tag: 0 };
    if nature.is_reparse_point() {
        nature = info::nature(&open_shared(path, FILE_READ_ATTRIBUTES, FILE_FLAG_OPEN_REPARSE_POINT)?)?;
        let link = nature.is_link();
        if link && follow {
            nature = info::nature(&open_shared(path, FILE_READ_ATTRIBUTES, 0)?)?;
        } else if link || nature.kind() == Kind::Other {
            return Err(io::Error::other("it is a link or a device, which is not followed"));
        }
    }
    if nature.is_placeholder() {
        return Err(io::Error::other(CloudPlaceholder));
    }
    if cold {
        forget(path);
    }
    open_shared(path, access, 0)
}

/// Makes the system drop what it caches of a file: it does so when a file is opened for unbuffered
/// reading that nobody else has open, after writing what it has not written yet. Nothing is read
/// through that handle.
fn forget(path: &Path) {
    // A file that cannot be opened fails again, with its error, when it is opened for reading.
    let _ = open_shared(path, GENERIC_READ, FILE_FLAG_NO_BUFFERING);
}

fn has_code(error: &io::Error, codes: &[u32]) -> bool {
    error.raw_os_error().is_some_and(|code| codes.iter().any(|&known| i32::try_from(known) == Ok(code)))
}

/// Whether a file could not be opened or read because another program has it open and does not
/// share it.
pub fn is_in_use(error: &io::Error) -> bool {
    has_code(error, &[ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION])
}

/// Opens a single file for reading, disturbing nobody; with `cold`, from the disk and not from the
/// system's cache. Links are followed, placeholders of files in a cloud are not fetched.
pub fn open_to_read(path: &Path, cold: bool) -> io::Result<File> {
    open_present(&verbatim(path)?, GENERIC_READ, true, cold)
}

/// Reads at an offset. The file's own position moves along: reads by position and by offset must
/// not be mixed.
pub fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.seek_read(buffer, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Windows copies whole files by their names alone.
pub fn copy_in_kernel(_: &mut File, _: &mut File, _: u64) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether a file takes less room than its size says: this system is not asked.
pub fn has_holes(_: &File) -> bool {
    false
}

/// The first range at or behind `at` that holds data, in a file of `size` bytes: all of it, since
/// this system is not asked.
pub fn next_data(_: &File, at: u64, size: u64) -> io::Result<Option<std::ops::Range<u64>>> {
    Ok((at < size).then_some(at..size))
}

/// Bytes that the caller may still write to the volume that holds the folder `path`.
pub fn free_space(path: &Path) -> io::Result<u64> {
    info::free_space(path)
}

/// The number of the volume that a path lies on.
pub fn volume(path: &Path) -> io::Result<u64> {
    Ok(info::id(&open_shared(&verbatim(path)?, FILE_READ_ATTRIBUTES, 0)?)?.0)
}

/// The account that this program runs under, for people.
pub fn account() -> String {
    std::env::var("USERNAME").map_or_else(|_| "this account".to_owned(), |name| format!("the account {name}"))
}

/// What to do where permission is lacking.
pub const PERMISSION_HINT: &str =
    "run as a user who may read it: from a prompt opened with \"Run as administrator\", for example";

/// What stands for a path where paths are looked up: equal for those that name the same file,
/// whatever their case.
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

/// Lets a file have holes that take no room. A file system without them fills them.
pub fn allow_holes(file: &File) {
    let mut returned = 0;
    // SAFETY: the handle is open for as long as `file` is borrowed; the call takes no input and
    // gives no output, which null pointers of length zero say, and writes only to `returned`, which
    // outlives it; no overlapped structure means that it is done on return.
    unsafe {
        DeviceIoControl(
            file.as_raw_handle(),
            FSCTL_SET_SPARSE,
            std::ptr::null(),
            0,
            std::ptr::null_mut(),
            0,
            &raw mut returned,
            std::ptr::null_mut(),
        );
    }
}

/// A path from its bytes, `/` made `\`. Bytes that write no Windows name become lone surrogates,
/// which no file has in practice.
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

/// A path's bytes, `\` made `/`.
pub fn path_to_bytes(path: &Path) -> Cow<'_, [u8]> {
    if let Some(text) = path.to_str().filter(|text| !text.contains('\\')) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(path.as_os_str().len());
    wtf8::append(&mut bytes, path.as_os_str().encode_wide());
    // In WTF-8, as in UTF-8, this byte is never a part of another character.
    bytes.iter_mut().filter(|byte| **byte == b'\\').for_each(|byte| *byte = b'/');
    Cow::Owned(bytes)
}

/// Names as this system's own file systems hold them: escaped by [`names::escape_for_windows`]
/// where Windows cannot hold them.
pub fn holdable_name(path: &[u8]) -> PathBuf {
    names::escape_for_windows(path).replace('/', "\\").into()
}

/// Where the whole machine's configuration lies.
pub fn system_config_dir() -> Option<PathBuf> {
    program_data()
}

/// Where scheduled runs keep what they remember.
pub fn system_state_dir() -> Option<PathBuf> {
    program_data()
}

/// `%ProgramData%\bkverify`.
fn program_data() -> Option<PathBuf> {
    let base = PathBuf::from(std::env::var_os("ProgramData")?);
    base.is_absolute().then(|| base.join("bkverify"))
}
