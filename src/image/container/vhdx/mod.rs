//! VHDX: \[MS-VHDX\], version 20240423.
//!
//! A header section of 1 MiB with two copies of everything, a log, an allocation table, metadata,
//! and blocks, all at multiples of 1 MiB. All numbers are little-endian. Headers, region tables and
//! log have checksums (CRC-32C); the allocation table, the metadata and the blocks have none.
//!
//! The order is that of the specification: header, log, and only then everything else, as the log
//! leaves it.

mod blocks;
mod header;
mod locator;
mod log;
mod metadata;
mod occupied;
mod regions;

use std::sync::Arc;

use crate::bytes::ReadAt;
use crate::image::Error;

use super::{Content, Kind, Layer};
use crate::image::Guid;

pub(super) use blocks::Blocks;

const MIB: u64 = 1 << 20;
const SIGNATURE: [u8; 8] = *b"vhdxfile";
/// 64 TiB of disk and all its tables fit.
const LARGEST_FILE: u64 = 256 << 40;

/// Whether a file with these first bytes is a VHDX, a damaged one included.
pub(super) fn recognises(first: &[u8]) -> bool {
    let Some(found) = first.first_chunk::<8>() else { return false };
    found.iter().zip(SIGNATURE).filter(|&(&found, right)| found != right).count() <= 2
}

/// CRC-32C of a structure whose bytes 4 to 7 hold the checksum and count as zeros.
fn checksum(bytes: &[u8]) -> u32 {
    let (start, rest) = bytes.split_at_checked(4).unwrap_or_default();
    let sum = crc32c::crc32c_append(crc32c::crc32c(start), &[0; 4]);
    crc32c::crc32c_append(sum, rest.get(4..).unwrap_or_default())
}

/// Opens a VHDX.
pub(super) fn open(raw: &Arc<dyn ReadAt>) -> Result<Layer, Error> {
    let mut signature = [0; 8];
    super::read_exact(raw, &mut signature, 0, "the signature of the VHDX")?;
    if signature != SIGNATURE {
        return Err(Error::Damaged(
            "the file does not quite begin with \"vhdxfile\": it is a VHDX with a damaged first sector; use another \
             backup"
                .to_owned(),
        ));
    }
    if raw.len() > LARGEST_FILE {
        return Err(Error::Unsupported(format!("a VHDX file of {} bytes is too large", raw.len())));
    }
    let mut notes = Vec::new();
    let header = header::current(raw, &mut notes)?;
    let is_dirty = header.log != Guid::ZERO;
    let file = if is_dirty { log::replayed(Arc::clone(raw), &header, &mut notes)? } else { Arc::clone(raw) };
    let regions = regions::read(&file, &mut notes)?;
    let occupied = structures(&file, &header, &regions)?;
    let metadata = metadata::read(&file, regions.metadata)?;
    let kind = match (&metadata.parent_locator, metadata.is_fixed) {
        (Some(_), _) => Kind::VhdxDifferencing,
        (None, true) => Kind::VhdxFixed,
        (None, false) => Kind::VhdxDynamic,
    };
    let parent = metadata.parent_locator.as_deref().map(locator::parse).transpose()?;
    let (blocks, damage) = Blocks::new(file, &metadata, regions.table, occupied)?;
    let unfinished = is_dirty.then(|| {
        "The log of the VHDX is not empty: the program that wrote it is still writing, or was interrupted.".to_owned()
    });
    Ok(Layer {
        content: Content::Vhdx(Box::new(blocks)),
        sector_size: Some(metadata.sector_size),
        kind,
        notes,
        damage: damage.into_iter().collect(),
        unfinished: unfinished.into_iter().collect(),
        id: Some(header.data_write.0),
        copy: header.file_write.0,
        created: None,
        parent,
    })
}

/// Marks header section, log and regions as taken. They must be within the file and must not
/// overlap.
fn structures(
    file: &dyn ReadAt,
    header: &header::Header,
    regions: &regions::Regions,
) -> Result<occupied::Occupied, Error> {
    let end = file.len();
    let mut occupied = occupied::Occupied::new(end);
    occupied.take(0, MIB);
    // The place of a log that is empty is not checked by anybody, so it may be any.
    let log = regions::Region { at: header.log_at, length: u64::from(header.log_length) };
    let log = (log.at >= MIB && log.at.is_multiple_of(MIB)).then_some(log);
    for region in regions.all.iter().copied().chain(log) {
        let (at, length) = (region.at, region.length);
        if at.checked_add(length).is_none_or(|region_end| region_end > end) && Some(region) != log {
            return Err(Error::Damaged(format!(
                "a region of the VHDX (byte {at}, {length} bytes) reaches beyond the end of the file at byte {end}; the \
                 file was probably cut short, so copy it again or use another backup"
            )));
        }
        if !occupied.take(at, length) {
            return Err(Error::Damaged(format!(
                "a region of the VHDX (byte {at}, {length} bytes) is on top of another one or of the header"
            )));
        }
    }
    Ok(occupied)
}

#[cfg(test)]
mod tests;
