//! The blocks of a dynamic or differencing VHD ("Block Allocation Table and Data Blocks").
//!
//! A block is a bitmap, padded to whole sectors, and the data behind it. In a differencing disk,
//! the bit of a sector says whether it is here or in the parent.
//!
//! In a dynamic disk, the bit says whether the sector was ever written. The specification demands
//! that a sector whose bit is clear is zeros on the disk. So programs may go by the bitmap, as
//! VirtualBox does, or by the data, as qemu does, and both see the same. If such a sector is not
//! zeros, they see different disks. Nobody can say which one was meant, so that is an error.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::bytes::ReadAt;
use crate::image::Error;
use crate::image::container::bits::{self, Order};
use crate::image::container::piece::Piece;
use crate::image::container::table::{Faults, Table};
use crate::image::container::{read_below, read_exact, read_piece};

use super::footer::{DiskType, Footer};
use super::header::{self, Header};

const SECTOR: u64 = 512;
/// Bytes of a bitmap that are read at a time: the whole of it, for blocks of up to 2 MiB.
const PIECE: usize = 512;
const SECTORS_OF_PIECE: u64 = PIECE as u64 * 8;
/// The entry of a block that is not stored.
const ABSENT: u32 = u32::MAX;
/// Blocks that are allowed. With the usual 2 MiB, the largest VHD (2 TiB) has a million.
const MOST_BLOCKS: u64 = 1 << 24;

/// The sectors of a dynamic or differencing VHD.
#[derive(Debug)]
pub(in crate::image::container) struct Blocks {
    file: Arc<dyn ReadAt>,
    size: u64,
    block_size: u64,
    bitmap_size: u64,
    /// Blocks end here at the latest.
    end: u64,
    table: Table<4>,
    /// A bit for each block: all sectors of it are known to be here.
    full: Vec<AtomicU64>,
    /// Entries of blocks that lie on top of something else, sorted.
    overlapping: Vec<u32>,
    is_differencing: bool,
    below: Option<Arc<dyn ReadAt>>,
}

impl Blocks {
    /// Blocks end at byte `end` at the latest. Also returns what is wrong with the table.
    pub(super) fn new(
        file: Arc<dyn ReadAt>,
        footer: &Footer,
        header: &Header,
        end: u64,
    ) -> Result<(Self, Option<String>), Error> {
        let (size, block_size) = (footer.size, u64::from(header.block_size));
        let blocks = size.div_ceil(block_size);
        let entries = u64::from(header.entries);
        if blocks > entries {
            return Err(Error::Damaged(format!(
                "the VHD has {size} bytes in blocks of {block_size} bytes, but its allocation table has only \
                 {entries} entries"
            )));
        }
        if blocks > MOST_BLOCKS {
            return Err(Error::Unsupported(format!(
                "the VHD has {blocks} blocks of {block_size} bytes; at most {MOST_BLOCKS} can be read"
            )));
        }
        let table = Table::new(Arc::clone(&file), header.table_at, blocks)?;
        let bitmap_size = (block_size / SECTOR).div_ceil(8).next_multiple_of(SECTOR);
        let mut all = Self {
            file,
            size,
            block_size,
            bitmap_size,
            end,
            table,
            full: (0..blocks.div_ceil(64)).map(|_| AtomicU64::new(0)).collect(),
            overlapping: Vec::new(),
            is_differencing: footer.disk_type == DiskType::Differencing,
            below: None,
        };
        let table_end = header.table_at.saturating_add(entries * 4);
        let header_end = footer.header_at.saturating_add(header::LENGTH as u64);
        all.overlapping =
            all.find_overlaps([(0, SECTOR), (footer.header_at, header_end), (header.table_at, table_end)])?;
        let damage = all.check_table()?;
        Ok((all, damage))
    }

    /// Looks at every entry of the table, and says what is wrong with it. Reads meet only the
    /// blocks that they touch, and a damaged table proves that the image is damaged.
    fn check_table(&self) -> Result<Option<String>, Error> {
        let mut faults = Faults::default();
        self.table.scan(|block, entry| {
            let used = self.block_size.min(self.size.saturating_sub(block * self.block_size));
            if let Err(error) = self.place_of(block, entry, used) {
                faults.add(&error);
            }
        })?;
        Ok(faults.into_line("VHD"))
    }

    /// On top of its parent.
    pub(in crate::image::container) fn above(self, parent: Option<Arc<dyn ReadAt>>) -> Self {
        Self { below: parent.filter(|_| self.is_differencing), ..self }
    }

    /// The entries of blocks that overlap each other or one of the `structures` of the file.
    fn find_overlaps(&self, structures: [(u64, u64); 3]) -> Result<Vec<u32>, Error> {
        let mut placed = Vec::new();
        self.table.scan(|_, entry| {
            let sector = u32::from_be_bytes(entry);
            if sector != ABSENT {
                placed.push(sector);
            }
        })?;
        placed.sort_unstable();
        let start = |sector: u32| u64::from(sector) * SECTOR;
        let end = |sector: u32| start(sector) + self.bitmap_size + self.block_size;
        let mut overlapping: Vec<u32> = placed
            .windows(2)
            .filter_map(|pair| pair.first_chunk::<2>())
            .filter(|[one, next]| end(*one) > start(*next))
            .flat_map(|&[one, next]| [one, next])
            .collect();
        let on_structure =
            |sector: u32| structures.iter().any(|&(at, to)| start(sector) < to && end(sector) > at);
        overlapping.extend(placed.into_iter().filter(|&sector| on_structure(sector)));
        overlapping.sort_unstable();
        overlapping.dedup();
        Ok(overlapping)
    }

    /// Where the data of a block begins, of which `needed` bytes are going to be read. `None` if
    /// the block is not stored.
    fn place(&self, block: u64, needed: u64) -> io::Result<Option<u64>> {
        Ok(self.place_of(block, self.table.entry(block)?, needed)?)
    }

    /// Where the data of the block with this `entry` begins.
    fn place_of(&self, block: u64, entry: [u8; 4], needed: u64) -> Result<Option<u64>, Error> {
        let sector = u32::from_be_bytes(entry);
        if sector == ABSENT {
            return Ok(None);
        }
        let at = u64::from(sector) * SECTOR;
        let damaged = |why: String| {
            let (from, to) = (block * self.block_size, (block + 1) * self.block_size);
            Error::Damaged(format!("block {block} of the VHD (bytes {from} to {to} of the disk) {why}"))
        };
        if !self.overlapping.is_empty() && self.overlapping.binary_search(&sector).is_ok() {
            return Err(damaged(format!("is at byte {at} of the file, on top of another block or a header")));
        }
        if at + self.bitmap_size + needed > self.end {
            let end = self.end;
            let why =
                format!("is at byte {at} of the file, and reaches beyond the end of its data at byte {end}");
            return Err(damaged(why));
        }
        Ok(Some(at + self.bitmap_size))
    }

    /// Whether the sector `within` bytes into a block is here, and for how many sectors, up to
    /// `most`, that goes on.
    fn run(&self, block: u64, data_at: u64, within: u64, most: u64) -> io::Result<(bool, u64)> {
        let flag = usize::try_from(block / 64).ok().and_then(|index| self.full.get(index));
        let mask = 1 << (block % 64);
        if flag.is_some_and(|flag| flag.load(Ordering::Relaxed) & mask != 0) {
            return Ok((true, most));
        }
        let sectors = self.block_size / SECTOR;
        let (first, piece_number) = (within / SECTOR % SECTORS_OF_PIECE, within / SECTOR / SECTORS_OF_PIECE);
        let mut piece = [0; PIECE];
        let at = data_at - self.bitmap_size + piece_number * PIECE as u64;
        // A bitmap is padded to 512 bytes, so the whole piece belongs to it.
        read_exact(&self.file, &mut piece, at, "the bitmap of a block")?;
        if sectors <= SECTORS_OF_PIECE
            && bits::run(&piece, 0, sectors, Order::HighFirst) == Some((true, sectors))
        {
            if let Some(flag) = flag {
                flag.fetch_or(mask, Ordering::Relaxed);
            }
            return Ok((true, most));
        }
        let first = usize::try_from(first).unwrap_or_default();
        let run = bits::run(&piece, first, most, Order::HighFirst);
        run.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// A sector whose bit is clear must be zeros in a dynamic disk; see the top of this file.
    fn read_unwritten(&self, out: &mut [u8], at: u64, block: u64, within: u64) -> io::Result<usize> {
        let got = read_piece(&self.file, out, at)?;
        let Some(odd) = out.get(..got).and_then(|read| read.iter().position(|&byte| byte != 0)) else {
            return Ok(got);
        };
        let sector = (within + odd as u64) / SECTOR;
        Err(Error::Damaged(format!(
            "sector {sector} in block {block} of the VHD holds data, but its bitmap says that it was never written; \
             programs disagree about what such a sector is"
        ))
        .into())
    }
}

impl ReadAt for Blocks {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let Some(mut piece) = Piece::of(buffer, offset, self.size, self.block_size) else { return Ok(0) };
        let (block, within) = (piece.block, piece.within);
        let Some(data_at) = self.place(block, within + piece.len())? else {
            return read_below(self.below.as_deref(), piece.out, offset);
        };
        let (is_here, run) = self.run(block, data_at, within, piece.sectors(SECTOR))?;
        piece.cut(run, SECTOR);
        let out = piece.out;
        match is_here {
            true => read_piece(&self.file, out, data_at + within),
            false if self.is_differencing => read_below(self.below.as_deref(), out, offset),
            false => self.read_unwritten(out, data_at + within, block, within),
        }
    }

    fn len(&self) -> u64 {
        self.size
    }
}
