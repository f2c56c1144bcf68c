//! Lists a folder: many entries per call, each with its metadata, straight from the folder's index.
//!
//! For a file with several names (hard links), the size and time here may be older than those of
//! the opened file. NTFS updates the index only under the name that was used for writing.

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::os::windows::io::AsRawHandle;

use windows_sys::Win32::Foundation::{
    ERROR_FILE_NOT_FOUND, ERROR_INVALID_FUNCTION, ERROR_INVALID_LEVEL, ERROR_INVALID_PARAMETER,
    ERROR_NO_MORE_FILES, ERROR_NOT_SUPPORTED,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_INFO_BY_HANDLE_CLASS, FileFullDirectoryInfo, FileFullDirectoryRestartInfo, FileIdBothDirectoryInfo,
    FileIdBothDirectoryRestartInfo, GetFileInformationByHandleEx,
};

use super::super::{FolderEntry, Kind, Stat, wtf8};
use super::info::{AttributeTag, checked, to_time};

/// Bytes requested per call: the most that network shares return.
const BUFFER_BYTES: usize = 64 << 10;

/// The layout of the records of a folder's index. There are two, which begin alike
/// (`FILE_FULL_DIR_INFO`, `FILE_ID_BOTH_DIR_INFO`).
struct Shape {
    first: FILE_INFO_BY_HANDLE_CLASS,
    next: FILE_INFO_BY_HANDLE_CLASS,
    id_at: Option<usize>,
    name_at: usize,
}

const WITH_ID: Shape = Shape {
    first: FileIdBothDirectoryRestartInfo,
    next: FileIdBothDirectoryInfo,
    id_at: Some(96),
    name_at: 104,
};

/// For file systems that do not return file numbers.
const WITHOUT_ID: Shape =
    Shape { first: FileFullDirectoryRestartInfo, next: FileFullDirectoryInfo, id_at: None, name_at: 68 };

/// Gives every entry of `folder`, which is on `volume`, to `each`.
pub(super) fn list(
    folder: &File,
    volume: u64,
    stat: bool,
    buffer: &mut Vec<u8>,
    each: &mut dyn FnMut(FolderEntry<'_>),
) -> io::Result<()> {
    buffer.resize(buffer.len().max(BUFFER_BYTES + align_of::<u64>()), 0);
    let aligned = buffer.as_ptr().align_offset(align_of::<u64>());
    let buffer = &mut buffer[aligned..aligned + BUFFER_BYTES];
    let mut name = Vec::with_capacity(256);
    let mut shape = &WITH_ID;
    let mut class = shape.first;
    loop {
        match fill(folder, class, buffer) {
            Ok(()) => {}
            Err(error) if is(&error, &[ERROR_NO_MORE_FILES]) => return Ok(()),
            // The root of an empty volume answers with this error.
            Err(error) if class == shape.first && is(&error, &[ERROR_FILE_NOT_FOUND]) => return Ok(()),
            Err(error) if class == WITH_ID.first && is_unknown_class(&error) => {
                shape = &WITHOUT_ID;
                class = shape.first;
                continue;
            }
            Err(error) => return Err(error),
        }
        records(buffer, shape, &mut |record| give(&record, volume, stat, &mut name, each))?;
        class = shape.next;
    }
}

fn is(error: &io::Error, codes: &[u32]) -> bool {
    error.raw_os_error().is_some_and(|code| codes.iter().any(|&known| i32::try_from(known) == Ok(code)))
}

fn is_unknown_class(error: &io::Error) -> bool {
    is(error, &[ERROR_INVALID_PARAMETER, ERROR_NOT_SUPPORTED, ERROR_INVALID_FUNCTION, ERROR_INVALID_LEVEL])
}

fn fill(folder: &File, class: FILE_INFO_BY_HANDLE_CLASS, buffer: &mut [u8]) -> io::Result<()> {
    let size = u32::try_from(buffer.len()).map_err(io::Error::other)?;
    // SAFETY: the handle is open as long as `folder` lives. `buffer` is aligned to 8, as these
    // classes demand, and the system writes at most `size` bytes, which is its length.
    let done = unsafe {
        GetFileInformationByHandleEx(
            folder.as_raw_handle(),
            class,
            buffer.as_mut_ptr().cast::<c_void>(),
            size,
        )
    };
    checked(done != 0)
}

/// One entry, still in the layout of the buffer.
struct IndexRecord<'a> {
    fixed: &'a [u8],
    name: &'a [u8],
    id: u64,
}

/// Walks the records that a call has written to `buffer`. A record that reaches beyond the buffer
/// is an error and is not read.
fn records(buffer: &[u8], shape: &Shape, each: &mut dyn FnMut(IndexRecord<'_>)) -> io::Result<()> {
    let broken =
        || io::Error::new(io::ErrorKind::InvalidData, "the file system gives a malformed folder index");
    let mut at = 0;
    loop {
        let record = buffer.get(at..).filter(|record| record.len() >= shape.name_at).ok_or_else(broken)?;
        let length = u32_at(record, 60) as usize;
        let name = record.get(shape.name_at..shape.name_at + length).ok_or_else(broken)?;
        let id = shape.id_at.map_or(0, |offset| i64_at(record, offset).cast_unsigned());
        each(IndexRecord { fixed: &record[..shape.name_at], name, id });
        match u32_at(record, 0) as usize {
            0 => return Ok(()),
            step => at += step,
        }
    }
}

fn give(
    record: &IndexRecord<'_>,
    volume: u64,
    stat: bool,
    name: &mut Vec<u8>,
    each: &mut dyn FnMut(FolderEntry<'_>),
) {
    name.clear();
    wtf8::append(name, record.name.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])));
    if matches!(&name[..], b"." | b"..") {
        return;
    }
    let fixed = record.fixed;
    // For a reparse point, the field for the size of the extended attributes holds the tag instead
    // ([MS-FSCC] 2.4.17).
    let kind = AttributeTag { attributes: u32_at(fixed, 56), tag: u32_at(fixed, 64) }.kind();
    let changed = i64_at(fixed, 32);
    let state = (stat && kind == Kind::File).then(|| Stat {
        kind,
        size: u64::try_from(i64_at(fixed, 40)).unwrap_or(0),
        mtime: to_time(i64_at(fixed, 24)),
        changed: (changed != 0).then(|| to_time(changed)),
        id: (volume, record.id),
    });
    // In NTFS, the upper bits count how often a file number was reused.
    each(FolderEntry { name, kind, stat: state, number: record.id & 0xFFFF_FFFF_FFFF });
}

fn u32_at(record: &[u8], offset: usize) -> u32 {
    record[offset..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn i64_at(record: &[u8], offset: usize) -> i64 {
    record[offset..].first_chunk().map_or(0, |bytes| i64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_malformed_index_is_an_error_and_never_a_crash(buffer in proptest::collection::vec(0..3_u8, 0..400)) {
            for shape in [&WITH_ID, &WITHOUT_ID] {
                let _ = records(&buffer, shape, &mut |record| {
                    give(&record, 1, true, &mut Vec::new(), &mut |_| {});
                });
            }
        }
    }
}
