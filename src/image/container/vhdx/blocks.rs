//! The blocks of a VHDX (MS-VHDX 2.4 and 2.5), and the allocation table that says where they are.
//!
//! The entries of a differencing disk's sector bitmaps stand between those of its blocks, one after
//! each chunk of blocks. Other disks have these entries too, but nothing reads them, and some
//! versions of qemu left garbage in them.
//!
//! Blocks that are "undefined" or "unmapped" read as zeros here, which the format allows. One
//! changed bit makes such a block of one that is stored, and the container cannot tell that from
//! zeros: only what is in the disk can.

use std::io;
use std::sync::Arc;

use crate::bytes::ReadAt;
use crate::image::Error;
use crate::image::container::bits::{self, Order};
use crate::image::container::piece::Piece;
use crate::image::container::table::{Faults, Table};
use crate::image::container::{read_below, read_exact, read_piece};

use super::MIB;
use super::metadata::Metadata;
use super::occupied::Occupied;
use super::regions::Region;

/// A sector bitmap block has 1 MiB, so it speaks for 2^23 sectors: a chunk.
const SECTORS_OF_CHUNK: u64 = 1 << 23;
/// Bytes of a bitmap that are read at a time: for 2 MiB of sectors of 512 bytes.
const PIECE: usize = 512;
/// Bits 3 to 19 of an entry are reserved.
const RESERVED: u64 = 0xf_fff8;

const NOT_PRESENT: u64 = 0;
const UNDEFINED: u64 = 1;
const ZERO: u64 = 2;
const UNMAPPED: u64 = 3;
const FULLY_PRESENT: u64 = 6;
const PARTIALLY_PRESENT: u64 = 7;
const BITMAP_PRESENT: u64 = 6;

/// The sectors of a VHDX.
#[derive(Debug)]
pub(in crate::image::container) struct Blocks {
    file: Arc<dyn ReadAt>,
    size: u64,
    block_size: u64,
    sector_size: u64,
    /// Blocks in a chunk.
    ratio: u64,
    table: Table<8>,
    occupied: Occupied,
    is_differencing: bool,
    below: Option<Arc<dyn ReadAt>>,
}

/// Where a block is.
enum Place {
    Below,
    Zeros,
    At(u64),
    /// Some sectors are here, the others below.
    Partly(u64),
}

impl Blocks {
    /// `occupied` knows where everything but the blocks is. Also returns what is wrong with the
    /// table.
    pub(super) fn new(
        file: Arc<dyn ReadAt>,
        metadata: &Metadata,
        region: Region,
        occupied: Occupied,
    ) -> Result<(Self, Option<String>), Error> {
        let (size, block_size) = (metadata.disk_size, u64::from(metadata.block_size));
        let sector_size = u64::from(metadata.sector_size);
        let is_differencing = metadata.parent_locator.is_some();
        let ratio = SECTORS_OF_CHUNK * sector_size / block_size;
        // 2.5: the last entry is that of the last block; in a differencing disk, that of the bitmap
        // of the last chunk.
        let blocks = size.div_ceil(block_size);
        let entries = match is_differencing {
            true => blocks.div_ceil(ratio) * (ratio + 1),
            false => blocks + blocks.saturating_sub(1) / ratio,
        };
        if entries * 8 > region.length {
            let have = region.length;
            return Err(Error::Damaged(format!(
                "the VHDX has a disk of {size} bytes in blocks of {block_size}, which needs {entries} entries in its \
                 allocation table, but the table has only {have} bytes"
            )));
        }
        let table = Table::new(Arc::clone(&file), region.at, entries)?;
        let mut all = Self {
            file,
            size,
            block_size,
            sector_size,
            ratio,
            table,
            occupied,
            is_differencing,
            below: None,
        };
        let damage = all.check_table()?;
        Ok((all, damage))
    }

    /// On top of its parent.
    pub(in crate::image::container) fn above(self, parent: Option<Arc<dyn ReadAt>>) -> Self {
        Self { below: parent.filter(|_| self.is_differencing), ..self }
    }

    /// Looks at every entry of the table, and says what is wrong with it. Reads meet only the
    /// blocks that they touch, and a damaged table proves that the image is damaged.
    fn check_table(&mut self) -> Result<Option<String>, Error> {
        // While it is away, `place_of` knows of no overlaps. They are found here, one by one.
        let mut occupied = std::mem::take(&mut self.occupied);
        let mut faults = Faults::default();
        let mut partly = None;
        let blocks = self.size.div_ceil(self.block_size);
        self.table.scan(|index, entry| {
            let entry = u64::from_le_bytes(entry);
            let (chunk, within) = (index / (self.ratio + 1), index % (self.ratio + 1));
            let block = chunk * self.ratio + within;
            if within == self.ratio {
                let partly = partly.take();
                if self.is_differencing {
                    self.check_bitmap(block - 1, entry, partly, &mut occupied, &mut faults);
                }
                return;
            }
            // A differencing disk has entries behind that of its last block, up to the next bitmap.
            if block >= blocks {
                return;
            }
            let used = self.block_size.min(self.size - block * self.block_size);
            match self.place_of(block, entry, used) {
                Err(error) => faults.add(&error),
                Ok(Place::Below | Place::Zeros) => {}
                Ok(Place::At(at) | Place::Partly(at)) => {
                    if !occupied.take(at, self.block_size) {
                        faults.add(&self.on_top(block, at, "is"));
                    }
                    if entry & 7 == PARTIALLY_PRESENT {
                        partly = partly.or(Some(block));
                    }
                }
            }
        })?;
        occupied.finish();
        self.occupied = occupied;
        Ok(faults.into_line("VHDX"))
    }

    /// Looks at the entry of the bitmap behind the chunk that ends with block `last`. The block
    /// `partly` needs it.
    fn check_bitmap(
        &self,
        last: u64,
        entry: u64,
        partly: Option<u64>,
        occupied: &mut Occupied,
        faults: &mut Faults,
    ) {
        let what = "has the bitmap of its sectors";
        match (entry & 7, partly) {
            _ if entry & RESERVED != 0 => faults.add(&self.damaged(
                partly.unwrap_or(last),
                "has reserved bits set in the entry of the bitmap of its sectors",
            )),
            (BITMAP_PRESENT, _) => match self.checked(last, entry, MIB, MIB, what) {
                Err(error) => faults.add(&error),
                Ok(at) if !occupied.take(at, MIB) => faults.add(&self.on_top(last, at, what)),
                Ok(_) => {}
            },
            (_, Some(block)) => faults.add(&self.without_bitmap(block)),
            (NOT_PRESENT, None) => {}
            (other, None) => {
                let why = format!("has a bitmap of its sectors in state {other}, which is reserved");
                faults.add(&self.damaged(last, &why));
            }
        }
    }

    fn damaged(&self, block: u64, why: &str) -> Error {
        let (from, to) = (block * self.block_size, (block + 1) * self.block_size);
        Error::Damaged(format!("block {block} of the VHDX (bytes {from} to {to} of the disk) {why}"))
    }

    fn on_top(&self, block: u64, at: u64, what: &str) -> Error {
        self.damaged(block, &format!("{what} at byte {at} of the file, on top of another block or a header"))
    }

    fn without_bitmap(&self, block: u64) -> Error {
        self.damaged(block, "is stored in part, but the bitmap of its sectors is missing")
    }

    /// Where a block is. `needed` bytes of it are going to be read.
    fn place(&self, block: u64, needed: u64) -> io::Result<Place> {
        let entry = u64::from_le_bytes(self.table.entry(block + block / self.ratio)?);
        Ok(self.place_of(block, entry, needed)?)
    }

    /// Where the block with this `entry` is.
    fn place_of(&self, block: u64, entry: u64, needed: u64) -> Result<Place, Error> {
        let state = entry & 7;
        if entry & RESERVED != 0 {
            return Err(self.damaged(block, "has reserved bits set in its entry of the allocation table"));
        }
        let place = match state {
            NOT_PRESENT if self.is_differencing => return Ok(Place::Below),
            NOT_PRESENT | UNDEFINED | ZERO | UNMAPPED => return Ok(Place::Zeros),
            FULLY_PRESENT => Place::At,
            PARTIALLY_PRESENT if self.is_differencing => Place::Partly,
            PARTIALLY_PRESENT => {
                return Err(self.damaged(block, "is marked as stored in part, but this disk has no parent"));
            }
            other => return Err(self.damaged(block, &format!("is in state {other}, which is reserved"))),
        };
        let at = self.checked(block, entry, self.block_size, needed, "is")?;
        Ok(place(at))
    }

    /// The byte of the file that an entry names, if that is a place where data can be.
    fn checked(&self, block: u64, entry: u64, length: u64, needed: u64, what: &str) -> Result<u64, Error> {
        let (at, end) = ((entry >> 20) * MIB, self.file.len());
        if at < MIB || self.occupied.is_taken_twice(at, length) {
            return Err(self.on_top(block, at, what));
        }
        if at.checked_add(needed).is_none_or(|needed_end| needed_end > end) {
            let why = format!("{what} at byte {at} of the file, and reaches beyond its end at byte {end}");
            return Err(self.damaged(block, &why));
        }
        Ok(at)
    }

    /// Whether the sector `within` bytes into a block is here, and for how many sectors, up to
    /// `most`, that goes on.
    fn run(&self, block: u64, within: u64, most: u64) -> io::Result<(bool, u64)> {
        let chunk = block / self.ratio;
        let entry = u64::from_le_bytes(self.table.entry(chunk * (self.ratio + 1) + self.ratio)?);
        if entry & 7 != BITMAP_PRESENT || entry & RESERVED != 0 {
            return Err(self.without_bitmap(block).into());
        }
        let at = self.checked(block, entry, MIB, MIB, "has the bitmap of its sectors")?;
        let sector = (block % self.ratio) * (self.block_size / self.sector_size) + within / self.sector_size;
        let mut piece = [0; PIECE];
        // The run is cut to the piece; a bitmap has a whole number of them.
        let start = sector / 8 / PIECE as u64 * PIECE as u64;
        read_exact(&self.file, &mut piece, at + start, "a bitmap of sectors")?;
        let first = usize::try_from(sector - start * 8).unwrap_or(usize::MAX);
        bits::run(&piece, first, most, Order::LowFirst).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

impl ReadAt for Blocks {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let Some(mut piece) = Piece::of(buffer, offset, self.size, self.block_size) else { return Ok(0) };
        let (block, within) = (piece.block, piece.within);
        let at = match self.place(block, within + piece.len())? {
            Place::At(at) => return read_piece(&self.file, piece.out, at + within),
            Place::Below => return read_below(self.below.as_deref(), piece.out, offset),
            Place::Zeros => return read_below(None, piece.out, offset),
            Place::Partly(at) => at,
        };
        let (is_here, run) = self.run(block, within, piece.sectors(self.sector_size))?;
        piece.cut(run, self.sector_size);
        if is_here {
            read_piece(&self.file, piece.out, at + within)
        } else {
            read_below(self.below.as_deref(), piece.out, offset)
        }
    }

    fn len(&self) -> u64 {
        self.size
    }
}
