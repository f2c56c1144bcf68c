//! Restores the content of one member from the archive to the scratch folder.

use std::io::{self, Seek, SeekFrom};

use super::members::{DataLayout, Member, MemberKind};
use super::source::{ArchiveReader, Exactly, is_halt};
use super::sparse::{self, Segment};
use crate::backup::{RestoreError, Restored, Scratch};
use crate::platform;

const CUT_OFF: &str = "the archive is cut off in the middle of it";

/// Restores a regular member whose data is at or after the current position of `source`. Holes of
/// sparse files stay holes.
pub(super) fn extract(
    source: &mut dyn ArchiveReader,
    member: &mut Member,
    scratch: &Scratch,
    buffer: &mut Vec<u8>,
) -> Result<Restored, RestoreError> {
    if member.kind == MemberKind::Continued {
        let problem = "only its last part is in this archive, which is a later volume of several; \
             extract all volumes into a folder with `tar --multi-volume`, and verify that folder";
        return Err(RestoreError::Unsupported(problem.to_owned()));
    }
    // Checked before space is reserved: a false size may be larger than any disk.
    if source.ends_before(member.data.saturating_add(member.stored)) {
        return Err(RestoreError::Damaged(CUT_OFF.to_owned()));
    }
    source.advance_to(member.data).map_err(explain)?;
    let mut data = Exactly::new(source, member.stored);
    let restored = match member.layout {
        DataLayout::Plain => scratch.restore(&mut data, Some(member.stored), buffer),
        DataLayout::Map => write_segments(&mut data, &member.map, member.size, scratch, buffer),
        DataLayout::MapInData => {
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
    // The final size is set first. If no file can be that large, the archive is at fault and not
    // the folder.
    let created = scratch.create_sparse(data.left(), size, 0);
    let (mut restored, mut reservation) = created.map_err(|error| match error {
        RestoreError::Scratch(error) if is_impossible_size(&error) => RestoreError::Damaged(format!(
            "it claims to be {size} bytes long, but no file in the restore folder can be that long ({error})"
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
            if scratch.cancel_token().is_cancelled() {
                return Err(RestoreError::Stopped);
            }
        }
    }
    // `write` has added to the size that was set before.
    restored.set_len(size)?;
    Ok(restored)
}

/// Whether setting the length of a file failed because no file can be that long. Some Windows file
/// systems report a lack of memory then, although setting a length needs none.
fn is_impossible_size(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, InvalidInput, OutOfMemory};
    matches!(error.kind(), FileTooLarge | InvalidInput | OutOfMemory)
}
