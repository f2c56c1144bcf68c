//! The fields of a directory record that a restore needs, and how they are stored in the handle of
//! an entry.

use rawzip::ZipFileHeaderRecord;

use crate::backup::Entry;

/// The fields of a directory record that a restore needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) header: u64,
    pub(super) compressed: u64,
    pub(super) size: u64,
    pub(super) crc: u32,
    pub(super) method: u16,
    pub(super) flags: u16,
    /// The length of the name in the record, which the name in the local header should have too. 0
    /// if another spelling replaced it.
    pub(super) name: u16,
}

/// No file is large enough for an entry at this offset. Sums with it do not overflow.
const OFFSET_MAX: u64 = (1 << 48) - 1;

/// The length of an entry's handle in bytes.
const HANDLE: usize = 18;

impl Stored {
    /// Converts a record. Its entry is `shift` bytes before the offset that the reader assumes.
    pub(super) fn of_record(record: &ZipFileHeaderRecord<'_>, shift: u64, name: u16) -> Self {
        Self {
            name,
            header: record.local_header_offset().saturating_sub(shift).min(OFFSET_MAX),
            compressed: record.compressed_size_hint(),
            size: record.uncompressed_size_hint(),
            crc: record.crc32(),
            method: record.compression_method().as_u16(),
            flags: record.flags().bits(),
        }
    }

    /// Everything except the offset and the size, which an entry contains anyway.
    pub(super) fn handle(&self) -> [u8; HANDLE] {
        let mut handle = [0; HANDLE];
        handle[..8].copy_from_slice(&self.compressed.to_le_bytes());
        handle[8..12].copy_from_slice(&self.crc.to_le_bytes());
        handle[12..14].copy_from_slice(&self.method.to_le_bytes());
        handle[14..16].copy_from_slice(&self.flags.to_le_bytes());
        handle[16..].copy_from_slice(&self.name.to_le_bytes());
        handle
    }

    /// Reads the fields back from an entry. `None` if no zip archive has listed it.
    pub(super) fn of(entry: &Entry<'_>) -> Option<Self> {
        let (compressed, rest) = entry.handle.split_first_chunk()?;
        let (crc, rest) = rest.split_first_chunk()?;
        let (method, rest) = rest.split_first_chunk()?;
        let (flags, name) = rest.split_first_chunk()?;
        Some(Self {
            header: entry.position,
            compressed: u64::from_le_bytes(*compressed),
            size: entry.size.unwrap_or_default(),
            crc: u32::from_le_bytes(*crc),
            method: u16::from_le_bytes(*method),
            flags: u16::from_le_bytes(*flags),
            name: u16::from_le_bytes(name.try_into().ok()?),
        })
    }
}
