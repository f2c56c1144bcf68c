//! Reading a folder: many names a call, each with its state, straight from the folder's own index.
//!
//! A file that has several names (hard links) may show an older size and time here than when it is
//! opened: NTFS brings the index up to date only under the name that was used.

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

use super::super::{Kind, Listed, Stat, wtf8};
use super::info::{Nature, checked, to_time};

/// Bytes asked for at a time: what network shares give at most.
const ROOM: usize = 64 << 10;

/// The two shapes in which a folder's index is read. They begin alike (`FILE_FULL_DIR_INFO`,
/// `FILE_ID_BOTH_DIR_INFO`).
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

/// For file systems that do not give numbers.
const WITHOUT_ID: Shape =
    Shape { first: FileFullDirectoryRestartInfo, next: FileFullDirectoryInfo, id_at: None, name_at: 68 };

/// Gives every name in `folder`, which lies on `volume`, to `each`.
pub(super) fn list(
    folder: &File,
    volume: u64,
    stat: bool,
    buffer: &mut Vec<u8>,
    each: &mut dyn FnMut(Listed<'_>),
) -> io::Result<()> {
    buffer.resize(buffer.len().max(ROOM + align_of::<u64>()), 0);
    let aligned = buffer.as_ptr().align_offset(align_of::<u64>());
    let room = &mut buffer[aligned..aligned + ROOM];
    let mut name = Vec::with_capacity(256);
    let mut shape = &WITH_ID;
    let mut class = shape.first;
    loop {
        match fill(folder, class, room) {
            Ok(()) => {}
            Err(error) if is(&error, &[ERROR_NO_MORE_FILES]) => return Ok(()),
            // How an empty volume's root answers.
            Err(error) if class == shape.first && is(&error, &[ERROR_FILE_NOT_FOUND]) => return Ok(()),
            Err(error) if class == WITH_ID.first && is_unknown_class(&error) => {
                shape = &WITHOUT_ID;
                class = shape.first;
                continue;
            }
            Err(error) => return Err(error),
        }
        records(room, shape, &mut |record| give(&record, volume, stat, &mut name, each))?;
        class = shape.next;
    }
}

fn is(error: &io::Error, codes: &[u32]) -> bool {
    error.raw_os_error().is_some_and(|code| codes.iter().any(|&known| i32::try_from(known) == Ok(code)))
}

fn is_unknown_class(error: &io::Error) -> bool {
    is(error, &[ERROR_INVALID_PARAMETER, ERROR_NOT_SUPPORTED, ERROR_INVALID_FUNCTION, ERROR_INVALID_LEVEL])
}

fn fill(folder: &File, class: FILE_INFO_BY_HANDLE_CLASS, room: &mut [u8]) -> io::Result<()> {
    let size = u32::try_from(room.len()).map_err(io::Error::other)?;
    // SAFETY: the handle is open as long as `folder` lives; `room` is aligned to 8 as these classes
    // demand, and the system writes at most `size` bytes, which are as many as it has.
    let done = unsafe {
        GetFileInformationByHandleEx(folder.as_raw_handle(), class, room.as_mut_ptr().cast::<c_void>(), size)
    };
    checked(done != 0)
}

/// One name with its state, still as it lies in the buffer.
struct Record<'a> {
    fixed: &'a [u8],
    name: &'a [u8],
    id: u64,
}

/// Walks the records that a call has filled `room` with. What does not fit the room is an error,
/// never read.
fn records(room: &[u8], shape: &Shape, each: &mut dyn FnMut(Record<'_>)) -> io::Result<()> {
    let broken =
        || io::Error::new(io::ErrorKind::InvalidData, "the file system gives a malformed folder index");
    let mut at = 0;
    loop {
        let record = room.get(at..).filter(|record| record.len() >= shape.name_at).ok_or_else(broken)?;
        let length = u32_at(record, 60) as usize;
        let name = record.get(shape.name_at..shape.name_at + length).ok_or_else(broken)?;
        let id = shape.id_at.map_or(0, |offset| i64_at(record, offset).cast_unsigned());
        each(Record { fixed: &record[..shape.name_at], name, id });
        match u32_at(record, 0) as usize {
            0 => return Ok(()),
            step => at += step,
        }
    }
}

fn give(record: &Record<'_>, volume: u64, stat: bool, name: &mut Vec<u8>, each: &mut dyn FnMut(Listed<'_>)) {
    name.clear();
    wtf8::append(name, record.name.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])));
    if matches!(&name[..], b"." | b"..") {
        return;
    }
    let fixed = record.fixed;
    // For a reparse point, the size of the extended attributes is not that size but the tag
    // ([MS-FSCC] 2.4.17).
    let kind = Nature { attributes: u32_at(fixed, 56), tag: u32_at(fixed, 64) }.kind();
    let changed = i64_at(fixed, 32);
    let state = (stat && kind == Kind::File).then(|| Stat {
        kind,
        size: u64::try_from(i64_at(fixed, 40)).unwrap_or(0),
        mtime: to_time(i64_at(fixed, 24)),
        changed: (changed != 0).then(|| to_time(changed)),
        id: (volume, record.id),
    });
    // NTFS counts in the upper bits how often a number was used again.
    each(Listed { name, kind, stat: state, number: record.id & 0xFFFF_FFFF_FFFF });
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
        fn a_malformed_index_is_an_error_and_never_a_crash(room in proptest::collection::vec(0..3_u8, 0..400)) {
            for shape in [&WITH_ID, &WITHOUT_ID] {
                let _ = records(&room, shape, &mut |record| {
                    give(&record, 1, true, &mut Vec::new(), &mut |_| {});
                });
            }
        }
    }
}
