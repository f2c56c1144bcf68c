//! One member's content, from the archive to the scratch folder.

use std::io::{self, Seek, SeekFrom};

use super::members::{Kind, Layout, Member};
use super::source::{Exactly, Source, is_halt};
use super::sparse::{self, Segment};
use crate::backup::{RestoreError, Restored, Scratch};
use crate::platform;

const CUT_OFF: &str = "the archive is cut off in the middle of it";

/// Restores a regular member whose data lies at or after the source's position. Holes of sparse
/// files stay holes.
pub(super) fn extract(
    source: &mut dyn Source,
    member: &mut Member,
    scratch: &Scratch,
    buffer: &mut Vec<u8>,
) -> Result<Restored, RestoreError> {
    if member.kind == Kind::Continued {
        let problem = "only its last part is in this archive, which is a later volume of several; \
             extract all volumes into a folder with `tar --multi-volume`, and verify that folder";
        return Err(RestoreError::Unsupported(problem.to_owned()));
    }
    // Before space is reserved for it: a size that is a lie may be larger than any disk.
    if source.ends_before(member.data.saturating_add(member.stored)) {
        return Err(RestoreError::Damaged(CUT_OFF.to_owned()));
    }
    source.advance_to(member.data).map_err(explain)?;
    let mut data = Exactly::new(source, member.stored);
    let restored = match member.layout {
        Layout::Plain => scratch.restore(&mut data, Some(member.stored), buffer),
        Layout::Map => write_segments(&mut data, &member.map, member.size, scratch, buffer),
        Layout::MapInData => {
            let read = sparse::read_map_in_data(&mut data, &mut member.map).map_err(explain)?;
            read.map_err(RestoreError::Damaged)?;
            write_segments(&mut data, &member.map, member.size, scratch, buffer)
        }
    };
    restored.map_err(|error| match error {
        RestoreError::Read(error) => explain(error),
        other => other,
    })
}

/// What a failed read means for the member that was being read.
pub(super) fn explain(error: io::Error) -> RestoreError {
    if is_halt(&error) {
        return RestoreError::Stopped;
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof if error.get_ref().is_none() => {
            RestoreError::Damaged(CUT_OFF.to_owned())
        }
        _ if error.get_ref().is_some() => RestoreError::Damaged(error.to_string()),
        _ => RestoreError::Read(error),
    }
}

fn write_segments(
    data: &mut Exactly<'_>,
    map: &[Segment],
    size: u64,
    scratch: &Scratch,
    buffer: &mut Vec<u8>,
) -> Result<Restored, RestoreError> {
    sparse::check(map, size, data.left()).map_err(RestoreError::Damaged)?;
    let mut reservation = scratch.reserve(data.left(), 0)?;
    let mut restored = scratch.create_file().map_err(RestoreError::Scratch)?;
    // Sets the final size first: a size that no file can have is the archive's fault, not the
    // folder's.
    restored.set_len(size).map_err(|error| match error {
        RestoreError::Scratch(error) if is_impossible_size(&error) => RestoreError::Damaged(format!(
            "it claims to be {size} bytes long, more than a file can be here ({error})"
        )),
        other => other,
    })?;
    buffer.resize(buffer.len().max(64 << 10), 0);
    for segment in map {
        restored.file().seek(SeekFrom::Start(segment.offset)).map_err(RestoreError::Scratch)?;
        let mut left = segment.length;
        while left > 0 {
            let piece = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            if platform::read_full(data, &mut buffer[..piece]).map_err(RestoreError::Read)? < piece {
                return Err(RestoreError::Read(io::ErrorKind::UnexpectedEof.into()));
            }
            restored.write(&buffer[..piece])?;
            reservation.use_up(piece as u64);
            left -= piece as u64;
            if scratch.cancel().is_set() {
                return Err(RestoreError::Stopped);
            }
        }
    }
    // Writing has counted on from the size that was set.
    restored.set_len(size)?;
    Ok(restored)
}

/// Whether setting a file's length failed because no file can be that long. (Setting it takes no
/// memory: some Windows file systems speak of memory all the same.)
fn is_impossible_size(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, InvalidInput, OutOfMemory};
    matches!(error.kind(), FileTooLarge | InvalidInput | OutOfMemory)
}
