//! One entry of the log (MS-VHDX 2.3.1): a header, descriptors of changes, and the data of those
//! that are not zeros.

use crate::bytes::ReadAt;
use crate::image::Guid;
use crate::image::container::read_exact;
use crate::image::{Error, fields};

use super::super::header::Header;
use super::SECTOR;

/// Bytes of the header of an entry. Descriptors follow it.
const HEADER: usize = 64;
const DESCRIPTOR: usize = 32;
/// The log may be checksummed so often in all. Entries that claim to contain each other would
/// otherwise cost time that grows with the square of the length of the log.
const PASSES: u64 = 64;

/// The log as a ring of sectors.
#[derive(Debug)]
pub(super) struct Ring<'a> {
    file: &'a dyn ReadAt,
    at: u64,
    guid: Guid,
    /// Its sectors.
    pub(super) sectors: u64,
    /// Sectors that may still be read to find the active sequence.
    left: u64,
    /// The greatest sequence number in what looks like an entry of this log, valid or not.
    pub(super) newest_seen: u64,
}

/// A valid entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// The number of its first sector in the ring.
    pub(super) at: u64,
    pub(super) sectors: u64,
    /// The first sector of the oldest entry that was not yet applied when this one was written.
    pub(super) tail: u64,
    pub(super) sequence: u64,
    pub(super) descriptors: u64,
    pub(super) flushed: u64,
    pub(super) last: u64,
}

impl Entry {
    /// Sectors with the header and the descriptors.
    pub(super) fn descriptor_sectors(&self) -> u64 {
        ((HEADER + SECTOR - 1) as u64 + self.descriptors * DESCRIPTOR as u64) / SECTOR as u64
    }
}

/// What a descriptor wants to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// So many zeros from byte `at` on.
    Zeros { at: u64, length: u64 },
    /// A sector of data, whose first and last bytes are in the descriptor.
    Data { at: u64, leading: [u8; 8], trailing: [u8; 4] },
}

impl<'a> Ring<'a> {
    /// The caller has checked that the log is within the file.
    pub(super) fn new(file: &'a dyn ReadAt, header: &Header) -> Self {
        let sectors = u64::from(header.log_length) / SECTOR as u64;
        Self { file, at: header.log_at, guid: header.log, sectors, left: sectors * PASSES, newest_seen: 0 }
    }

    /// Reads a sector of the ring.
    pub(super) fn read(&self, sector: u64, out: &mut [u8; SECTOR]) -> Result<(), Error> {
        let at = self.at + sector % self.sectors * SECTOR as u64;
        read_exact(self.file, out, at, "the log of the VHDX")
    }

    /// The entry at a sector. `None` if there is no valid one.
    pub(super) fn entry(&mut self, at: u64) -> Result<Option<Entry>, Error> {
        let mut sector = [0; SECTOR];
        self.read(at, &mut sector)?;
        if !sector.starts_with(b"loge") || Guid::at(&sector, 32) != Some(self.guid) {
            return Ok(None);
        }
        let number = |at| fields::u32_le(&sector, at).map(u64::from).unwrap_or_default();
        let wide = |at| fields::u64_le(&sector, at).unwrap_or_default();
        let (stored, length, tail) = (number(4), number(8), number(12));
        let entry = Entry {
            at,
            sectors: length / SECTOR as u64,
            tail: tail / SECTOR as u64,
            sequence: wide(16),
            descriptors: number(24),
            flushed: wide(48),
            last: wide(56),
        };
        self.newest_seen = self.newest_seen.max(entry.sequence);
        let is_aligned = [length, tail].into_iter().all(|each| each.is_multiple_of(SECTOR as u64));
        let is_inside = (1..=self.sectors).contains(&entry.sectors) && entry.tail < self.sectors;
        if !is_aligned || !is_inside || entry.sequence == 0 || entry.descriptor_sectors() > entry.sectors {
            return Ok(None);
        }
        self.left = self.left.checked_sub(entry.sectors).ok_or_else(|| {
            Error::Damaged(
                "the log of the VHDX has too many entries that claim to contain each other".to_owned(),
            )
        })?;
        let is_valid = u64::from(self.checksum(&entry)?) == stored && self.is_consistent(&entry)?;
        Ok(is_valid.then_some(entry))
    }

    fn checksum(&self, entry: &Entry) -> Result<u32, Error> {
        let mut sector = [0; SECTOR];
        let mut sum = 0;
        for index in 0..entry.sectors {
            self.read(entry.at + index, &mut sector)?;
            if index == 0
                && let Some(field) = sector.get_mut(4..8)
            {
                field.fill(0);
            }
            sum = crc32c::crc32c_append(sum, &sector);
        }
        Ok(sum)
    }

    /// Whether descriptors and data are those of this entry: a torn or misdirected write leaves other
    /// sequence numbers.
    fn is_consistent(&self, entry: &Entry) -> Result<bool, Error> {
        let (mut is_consistent, mut data) = (true, 0);
        self.changes(entry, |change| {
            match change {
                Some(Change::Data { .. }) => data += 1,
                Some(Change::Zeros { .. }) => {}
                None => is_consistent = false,
            }
            Ok(())
        })?;
        let first = entry.descriptor_sectors();
        if !is_consistent || first + data > entry.sectors {
            return Ok(false);
        }
        let mut sector = [0; SECTOR];
        for index in first..first + data {
            self.read(entry.at + index, &mut sector)?;
            let high = fields::u32_le(&sector, 4).map(u64::from).unwrap_or_default();
            let low = fields::u32_le(&sector, SECTOR - 4).map(u64::from).unwrap_or_default();
            if !sector.starts_with(b"data") || (high << 32 | low) != entry.sequence {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Shows the descriptors of an entry to `each`, in order; `None` for one that is wrong.
    pub(super) fn changes(
        &self,
        entry: &Entry,
        mut each: impl FnMut(Option<Change>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut sector = [0; SECTOR];
        let mut left = entry.descriptors;
        for index in 0..entry.descriptor_sectors() {
            self.read(entry.at + index, &mut sector)?;
            let skipped = if index == 0 { HEADER } else { 0 };
            for bytes in sector.get(skipped..).unwrap_or_default().chunks_exact(DESCRIPTOR) {
                if left == 0 {
                    return Ok(());
                }
                left -= 1;
                each(descriptor(bytes, entry.sequence))?;
            }
        }
        Ok(())
    }
}

fn descriptor(bytes: &[u8], sequence: u64) -> Option<Change> {
    let at = fields::u64_le(bytes, 16)?;
    let is_of_this_entry = fields::u64_le(bytes, 24)? == sequence;
    if !is_of_this_entry || !at.is_multiple_of(SECTOR as u64) {
        return None;
    }
    match bytes.first_chunk::<4>()? {
        b"zero" => {
            let length = fields::u64_le(bytes, 8)?;
            let fits = length.is_multiple_of(SECTOR as u64) && at.checked_add(length).is_some();
            fits.then_some(Change::Zeros { at, length })
        }
        b"desc" => {
            let fits = at.checked_add(SECTOR as u64).is_some();
            let (leading, trailing) = (fields::array(bytes, 8)?, fields::array(bytes, 4)?);
            fits.then_some(Change::Data { at, leading, trailing })
        }
        _ => None,
    }
}
