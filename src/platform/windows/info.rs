//! What Windows knows about a file: attributes, times, sizes, numbers, by path or by handle.

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsHandle, AsRawHandle};
use std::path::{Path, PathBuf};

use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_ATTRIBUTE_DEVICE, FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_OFFLINE,
    FILE_ATTRIBUTE_RECALL_ON_DATA_ACCESS, FILE_ATTRIBUTE_RECALL_ON_OPEN, FILE_ATTRIBUTE_REPARSE_POINT,
    FILE_ATTRIBUTE_TAG_INFO, FILE_BASIC_INFO, FILE_ID_INFO, FILE_INFO_BY_HANDLE_CLASS, FileAttributeTagInfo,
    FileBasicInfo, FileIdInfo, FileStandardInfo, GetDiskFreeSpaceExW, GetFileAttributesW,
    GetFileInformationByHandle, GetFileInformationByHandleEx, GetFinalPathNameByHandleW,
    INVALID_FILE_ATTRIBUTES,
};

use super::super::{Kind, Stat, Timestamp};

/// Seconds between 1601-01-01, where Windows starts counting, and 1970-01-01 (134,774 days).
const EPOCH_SECONDS: i64 = 11_644_473_600;

/// Attributes of files whose content is elsewhere. Reading would download it; with the last
/// attribute, opening would.
const PLACEHOLDER: u32 =
    FILE_ATTRIBUTE_OFFLINE | FILE_ATTRIBUTE_RECALL_ON_DATA_ACCESS | FILE_ATTRIBUTE_RECALL_ON_OPEN;

/// Reparse tags with this bit stand for another name: links, junctions, mount points (Windows'
/// `IsReparseTagNameSurrogate`).
const NAME_SURROGATE: u32 = 0x2000_0000;

/// Reparse tags of entries that are not files: app aliases, and the sockets, pipes and devices of
/// Linux on Windows ([MS-FSCC] 2.1.2.1).
const NO_FILES: [u32; 5] = [0x8000_001B, 0x8000_0023, 0x8000_0024, 0x8000_0025, 0x8000_0026];

/// A file's attributes, and its reparse tag if it has one.
#[derive(Debug, Clone, Copy)]
pub(super) struct AttributeTag {
    /// `FILE_ATTRIBUTE_…`
    pub attributes: u32,
    /// Valid only with `FILE_ATTRIBUTE_REPARSE_POINT`.
    pub tag: u32,
}

impl AttributeTag {
    pub fn is_placeholder(self) -> bool {
        self.attributes & PLACEHOLDER != 0
    }

    pub fn is_reparse_point(self) -> bool {
        self.attributes & FILE_ATTRIBUTE_REPARSE_POINT != 0
    }

    /// Whether the entry stands for another name.
    pub fn is_link(self) -> bool {
        self.is_reparse_point() && self.tag & NAME_SURROGATE != 0
    }

    pub fn kind(self) -> Kind {
        if self.is_link() || (self.is_reparse_point() && NO_FILES.contains(&self.tag)) {
            Kind::Other
        } else if self.attributes & FILE_ATTRIBUTE_DIRECTORY != 0 {
            Kind::Folder
        } else if self.attributes & FILE_ATTRIBUTE_DEVICE != 0 {
            Kind::Other
        } else {
            Kind::File
        }
    }
}

/// A structure that the system fills for a handle.
///
/// # Safety
/// `Self` is the structure that `CLASS` is documented to fill, or has the same size and layout, and
/// every bit pattern is a valid value of it.
unsafe trait Query: Default {
    const CLASS: FILE_INFO_BY_HANDLE_CLASS;
}

// SAFETY: the documented structure; integers alone.
unsafe impl Query for FILE_BASIC_INFO {
    const CLASS: FILE_INFO_BY_HANDLE_CLASS = FileBasicInfo;
}

// SAFETY: the documented structure; integers alone.
unsafe impl Query for FILE_ATTRIBUTE_TAG_INFO {
    const CLASS: FILE_INFO_BY_HANDLE_CLASS = FileAttributeTagInfo;
}

// SAFETY: the documented structure; an integer and an array of bytes.
unsafe impl Query for FILE_ID_INFO {
    const CLASS: FILE_INFO_BY_HANDLE_CLASS = FileIdInfo;
}

/// `FILE_STANDARD_INFO`, with its two `BOOLEAN`s as bytes, because they may hold any value.
#[derive(Default)]
#[repr(C)]
struct Standard {
    allocation: i64,
    size: i64,
    links: u32,
    delete_pending: u8,
    directory: u8,
}

// SAFETY: field by field the documented structure (LARGE_INTEGER twice, DWORD, BOOLEAN twice);
// integers alone.
unsafe impl Query for Standard {
    const CLASS: FILE_INFO_BY_HANDLE_CLASS = FileStandardInfo;
}

fn query<T: Query>(file: &File) -> io::Result<T> {
    let mut found = T::default();
    let size = u32::try_from(size_of::<T>()).map_err(io::Error::other)?;
    // SAFETY: the handle is open as long as `file` lives. `found` is an aligned value of `size`
    // bytes, and the system writes at most that many. By the contract of `Query`, whatever it
    // writes is a valid `T`.
    let done = unsafe {
        GetFileInformationByHandleEx(file.as_raw_handle(), T::CLASS, (&raw mut found).cast::<c_void>(), size)
    };
    checked(done != 0)?;
    Ok(found)
}

/// The system's last error, unless `done`.
pub(super) fn checked(done: bool) -> io::Result<()> {
    if done { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A time from Windows' count of 100-nanosecond steps since 1601.
pub(super) fn to_time(ticks: i64) -> Timestamp {
    let nanos = u32::try_from(ticks.rem_euclid(10_000_000) * 100).unwrap_or(0);
    Timestamp { seconds: ticks.div_euclid(10_000_000) - EPOCH_SECONDS, nanos }
}

/// The attributes of `path` itself (of a link, not of its target), without opening it. The reparse
/// tag is not included.
pub(super) fn attributes(path: &Path) -> io::Result<u32> {
    let wide = to_wide(path);
    // SAFETY: `wide` ends in a zero and lives until the call returns.
    let found = unsafe { GetFileAttributesW(wide.as_ptr()) };
    checked(found != INVALID_FILE_ATTRIBUTES)?;
    Ok(found)
}

/// The attributes and reparse tag of an open file.
pub(super) fn attribute_tag(file: &File) -> io::Result<AttributeTag> {
    let found: FILE_ATTRIBUTE_TAG_INFO = query(file)?;
    Ok(AttributeTag { attributes: found.FileAttributes, tag: found.ReparseTag })
}

/// The metadata of an open file.
pub fn stat(file: &File) -> io::Result<Stat> {
    let basic: FILE_BASIC_INFO = query(file)?;
    let standard: Standard = query(file)?;
    let mut attribute_tag = AttributeTag { attributes: basic.FileAttributes, tag: 0 };
    if attribute_tag.is_reparse_point() {
        attribute_tag = self::attribute_tag(file)?;
    }
    Ok(Stat {
        kind: attribute_tag.kind(),
        size: u64::try_from(standard.size).unwrap_or(0),
        mtime: to_time(basic.LastWriteTime),
        // File systems that do not record it (FAT) give zero.
        changed: (basic.ChangeTime != 0).then(|| to_time(basic.ChangeTime)),
        id: id(file)?,
    })
}

/// The number of names (hard links) of an open file.
pub(super) fn links(file: &File) -> io::Result<u32> {
    Ok(query::<Standard>(file)?.links)
}

/// The identity of an open file: volume and file number.
pub(super) fn id(file: &File) -> io::Result<(u64, u64)> {
    if let Ok(found) = query::<FILE_ID_INFO>(file) {
        return Ok((found.VolumeSerialNumber, fold(u128::from_le_bytes(found.FileId.Identifier))));
    }
    // Some file systems have no 128-bit file numbers: FAT, and many network shares.
    let mut found = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the handle is open as long as `file` lives, and `found` is the structure that the
    // call fills.
    checked(unsafe { GetFileInformationByHandle(file.as_raw_handle(), &raw mut found) } != 0)?;
    let number = u64::from(found.nFileIndexHigh) << 32 | u64::from(found.nFileIndexLow);
    Ok((u64::from(found.dwVolumeSerialNumber), number))
}

/// Folds a file number into 64 bits. NTFS uses no more than that. ReFS has the folder's number in
/// the upper half and the file's number within the folder in the lower half, and both are small.
fn fold(number: u128) -> u64 {
    let [low, high] =
        [number, number >> 64].map(|part| u64::try_from(part & u128::from(u64::MAX)).unwrap_or(0));
    low ^ high.rotate_left(32)
}

/// Bytes that the caller can still write to the volume that holds the folder `path`.
pub(super) fn free_space(path: &Path) -> io::Result<u64> {
    let wide = to_wide(path);
    let mut free = 0_u64;
    // SAFETY: `wide` ends in a zero and lives until the call returns. `free` is the integer that
    // the call fills; null is allowed for the outputs that are not wanted.
    let done = unsafe {
        GetDiskFreeSpaceExW(wide.as_ptr(), &raw mut free, std::ptr::null_mut(), std::ptr::null_mut())
    };
    checked(done != 0)?;
    Ok(free)
}

/// The full verbatim path of an open file or folder.
pub(super) fn path_of(open: &impl AsHandle) -> io::Result<PathBuf> {
    use std::os::windows::ffi::OsStringExt;
    let handle = open.as_handle().as_raw_handle();
    let mut wide = vec![0_u16; 512];
    loop {
        let capacity = u32::try_from(wide.len()).map_err(io::Error::other)?;
        // SAFETY: the handle is open as long as `open` is borrowed. The call writes at most
        // `capacity` units into `wide`, which has as many.
        let length = unsafe { GetFinalPathNameByHandleW(handle, wide.as_mut_ptr(), capacity, 0) } as usize;
        checked(length > 0)?;
        // If the buffer is too small, the call returns the length that it needs, including the zero
        // at the end.
        if length < wide.len() {
            wide.truncate(length);
            return Ok(std::ffi::OsString::from_wide(&wide).into());
        }
        wide.resize(length + 1, 0);
    }
}

/// A path in the system's form: UTF-16 with a zero at the end.
pub(super) fn to_wide(path: &Path) -> Vec<u16> {
    path.as_os_str().encode_wide().chain([0]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_from_1970() {
        assert_eq!(to_time(116_444_736_000_000_000), Timestamp { seconds: 0, nanos: 0 });
        assert_eq!(to_time(116_444_736_000_000_000 - 1), Timestamp { seconds: -1, nanos: 999_999_900 });
    }

    #[test]
    fn links_junctions_and_wsl_devices_are_no_files_and_deduplicated_files_are() {
        let reparse = |attributes, tag| {
            AttributeTag { attributes: attributes | FILE_ATTRIBUTE_REPARSE_POINT, tag }.kind()
        };
        assert_eq!(reparse(0, 0xA000_000C), Kind::Other, "symbolic link");
        assert_eq!(reparse(FILE_ATTRIBUTE_DIRECTORY, 0xA000_0003), Kind::Other, "junction");
        assert_eq!(reparse(0, 0x8000_0024), Kind::Other, "pipe of Linux on Windows");
        assert_eq!(reparse(0, 0x8000_0013), Kind::File, "deduplicated file");
        assert_eq!(reparse(FILE_ATTRIBUTE_DIRECTORY, 0x9000_601A), Kind::Folder, "cloud folder");
    }

    #[test]
    fn offline_and_recalled_files_are_placeholders_and_pinned_ones_are_not() {
        let is_placeholder = |attributes| AttributeTag { attributes, tag: 0x9000_601A }.is_placeholder();
        assert!(is_placeholder(0x0050_1620), "what a folder that is synchronised on demand shows");
        assert!(is_placeholder(FILE_ATTRIBUTE_OFFLINE) && is_placeholder(FILE_ATTRIBUTE_RECALL_ON_OPEN));
        assert!(!is_placeholder(0x0008_0620), "the same file, always kept on this device");
    }

    #[test]
    fn long_file_numbers_stay_apart() {
        assert_ne!(fold(7 << 64 | 9), fold(9 << 64 | 7));
        assert_eq!(fold(42), 42);
    }
}
