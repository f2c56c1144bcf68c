//! Records of the $MFT, the table of all files.
//!
//! In: the bytes of a record as they are on the volume. Out: a [`Record`] whose update sequence,
//! header and place were checked, and its attributes. Nothing is copied. The fields are those of
//! the linux-ntfs documentation, concept "File Record".

use super::attribute::Attributes;
use super::fixups;
use super::reference::FileReference;
use crate::image::Error;
use crate::image::fields::{u16_le, u32_le, u64_le};

/// The record is used by a file.
const IN_USE: u16 = 0x0001;
/// The file is a folder.
const FOLDER: u16 = 0x0002;

/// The smallest header, that of NTFS 3.0. It ends before the number of the record.
const HEADER_SIZE: usize = 0x2A;
/// The header of NTFS 3.1, which contains the number of the record.
const NUMBERED_HEADER_SIZE: usize = 0x30;

/// A record of the $MFT.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    number: u64,
    /// The whole record. The update sequence was applied.
    bytes: &'a [u8],
    sequence: u16,
    links: u16,
    flags: u16,
    base: u64,
    /// Where the first attribute begins.
    attributes: usize,
    /// Where the bytes in use end.
    end: usize,
}

impl<'a> Record<'a> {
    /// Checks the record with this number, and puts back what the update sequence replaced. `None`
    /// means that all bytes are zeros: the record was never used. The error says which record is
    /// damaged, and how. After an error, `bytes` are unspecified.
    pub fn parse(bytes: &'a mut [u8], number: u64) -> Result<Option<Self>, Error> {
        match bytes.first_chunk() {
            Some(b"FILE") => {}
            Some(b"BAAD") => return Err(damaged(number, "was marked as damaged by Windows")),
            _ if bytes.iter().all(|byte| *byte == 0) => return Ok(None),
            _ => return Err(damaged(number, "does not begin as a record does")),
        }
        fixups::apply(bytes).map_err(|error| damaged(number, &error.to_string()))?;
        Self::parse_header(bytes, number).map(Some)
    }

    /// Takes a record whose update sequence was applied before.
    pub(super) fn parse_header(bytes: &'a [u8], number: u64) -> Result<Self, Error> {
        let cut = || damaged(number, "is shorter than its header");
        let short = |at| u16_le(bytes, at).ok_or_else(cut);
        let long =
            |at| u32_le(bytes, at).ok_or_else(cut).map(|value| usize::try_from(value).unwrap_or(usize::MAX));
        let sequences = usize::from(short(4)?);
        let attributes = usize::from(short(0x14)?);
        let (end, allocated) = (long(0x18)?, long(0x1C)?);
        if allocated != bytes.len() || end > allocated {
            return Err(damaged(
                number,
                &format!("states a size of {end} of {allocated} bytes, which cannot be"),
            ));
        }
        if attributes < HEADER_SIZE || attributes >= end || !attributes.is_multiple_of(8) {
            return Err(damaged(
                number,
                &format!("has its attributes at byte {attributes}, which cannot be"),
            ));
        }
        if sequences < HEADER_SIZE {
            return Err(damaged(number, "has an update sequence array inside its header"));
        }
        let (sequence, links, flags) = (short(0x10)?, short(0x12)?, short(0x16)?);
        // mkntfs numbers only the records that it uses.
        if sequences >= NUMBERED_HEADER_SIZE && flags & IN_USE != 0 {
            let stated = u32_le(bytes, 0x2C).ok_or_else(cut)?;
            // The field has 32 bits, the number has 48.
            if u64::from(stated) != number & u64::from(u32::MAX) {
                return Err(damaged(
                    number,
                    &format!("says that it is record {stated}: it is at the wrong place"),
                ));
            }
        }
        let base = u64_le(bytes, 0x20).ok_or_else(cut)?;
        Ok(Self { number, bytes, sequence, links, flags, base, attributes, end })
    }

    /// The number of this record.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The reference to this record.
    pub fn reference(&self) -> FileReference {
        FileReference { record: self.number, sequence: self.sequence }
    }

    /// Whether the record is used by a file. If it is not, the rest is what a deleted file left.
    pub fn is_in_use(&self) -> bool {
        self.flags & IN_USE != 0
    }

    /// Whether the file is a folder. Only the base record of a file tells.
    pub fn is_folder(&self) -> bool {
        self.flags & FOLDER != 0
    }

    /// The number of names that the header counts. Only the base record of a file tells.
    pub fn links(&self) -> u16 {
        self.links
    }

    /// The base record of the file, if this is one of its other records. `None`: this is the base
    /// record itself.
    pub fn base(&self) -> Option<FileReference> {
        (self.base != 0).then(|| FileReference::from_raw(self.base))
    }

    /// The attributes, in their order. After an error there are no more.
    pub fn attributes(&self) -> Attributes<'a> {
        let used = self.bytes.get(..self.end).unwrap_or_default();
        Attributes::new(used, self.attributes, self.number)
    }
}

fn damaged(number: u64, how: &str) -> Error {
    Error::Damaged(format!("MFT record {number} {how}"))
}
