//! Checks numbers in a record of the directory that our restore does not need, but that other
//! programs use.

use rawzip::ZipFileHeaderRecord;

use super::DIRECTORY_BUFFER;
use super::local::{extra_is_broken, wrong_version};
use crate::bytes::ReadAt;

/// The length of a record without name, extra field and comment (APPNOTE 4.3.12).
const FIXED: usize = 46;

/// Reads the fixed parts of the records in order, a large piece at a time. `rawzip` does not return
/// all of their numbers.
pub(super) struct Records<'a> {
    archive: &'a dyn ReadAt,
    buffer: Vec<u8>,
    filled: usize,
    /// The offset in the archive where the buffer begins.
    start: u64,
}

impl<'a> Records<'a> {
    /// The records of `archive`.
    pub(super) fn new(archive: &'a dyn ReadAt) -> Self {
        Self { archive, buffer: vec![0; DIRECTORY_BUFFER], filled: 0, start: 0 }
    }

    /// What is wrong with `record` for other programs, in words.
    pub(super) fn wrong(&mut self, record: &ZipFileHeaderRecord<'_>) -> Option<String> {
        let (method, flags) = (record.compression_method().as_u16(), record.flags().bits());
        let fixed = self.fixed(record.central_directory_offset())?;
        let number = |at: usize| u16::from_le_bytes([fixed[at], fixed[at + 1]]);
        let (needed, disk) = (number(6), number(34));
        let wrong = wrong_version(needed, method, flags);
        // The value 0xffff means that the number is in the zip64 field.
        let in_part =
            || (!matches!(disk, 0 | 0xffff)).then(|| format!("says that it is in part {disk} of several"));
        let cut = || {
            extra_is_broken(record.extra_fields().remaining_bytes())
                .then(|| "has an extra field that is cut off in the middle".to_owned())
        };
        wrong.or_else(in_part).or_else(cut)
    }

    fn fixed(&mut self, at: u64) -> Option<&[u8; FIXED]> {
        let is_in = |start: u64, filled: usize| {
            at.checked_sub(start).is_some_and(|before| before + FIXED as u64 <= filled as u64)
        };
        if !is_in(self.start, self.filled) {
            self.start = at;
            self.filled = self.archive.read_full_at(&mut self.buffer, at).ok()?;
        }
        let before = usize::try_from(at - self.start).ok()?;
        self.buffer[..self.filled].get(before..)?.first_chunk()
    }
}
