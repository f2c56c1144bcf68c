//! Bytes on top of other bytes, as in a copy-on-write image: changed ranges are in the upper layer,
//! everything else is in the lower one.

use std::io;
use std::ops::Range;

use super::{ReadAt, unless_cut_short};

/// A range of bytes that the upper layer provides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Where it begins in the overlay.
    pub at: u64,
    /// Its length in bytes.
    pub len: u64,
    /// Where its bytes begin in the upper layer.
    pub from: u64,
}

impl Extent {
    fn end(&self) -> u64 {
        self.at.saturating_add(self.len)
    }
}

/// Why a list of extents is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidExtent {
    /// Two extents claim the same byte.
    #[error("two extents claim byte {0}")]
    Overlap(u64),
    /// An extent reaches beyond the end of the lower layer.
    #[error("the extent at byte {0} reaches beyond the end of the layer below")]
    BeyondBase(u64),
    /// An extent refers to bytes that the upper layer does not have.
    #[error("the extent at byte {0} refers to bytes that its layer does not have")]
    BeyondTop(u64),
}

/// `base` with some ranges replaced by bytes of `top`.
#[derive(Debug)]
pub struct Overlay<Base, Top> {
    base: Base,
    top: Top,
    /// Sorted by position. No two overlap, and none is empty.
    extents: Vec<Extent>,
}

impl<Base: ReadAt, Top: ReadAt> Overlay<Base, Top> {
    /// Takes the extents in any order. If one of them cannot be right, all are refused: a layer
    /// that guesses would return bytes that nobody has stored.
    pub fn new(base: Base, top: Top, mut extents: Vec<Extent>) -> Result<Self, InvalidExtent> {
        extents.retain(|extent| extent.len > 0);
        extents.sort_unstable_by_key(|extent| extent.at);
        let fits = |at: u64, len: u64, whole: u64| at.checked_add(len).is_some_and(|end| end <= whole);
        for extent in &extents {
            if !fits(extent.at, extent.len, base.len()) {
                return Err(InvalidExtent::BeyondBase(extent.at));
            }
            if !fits(extent.from, extent.len, top.len()) {
                return Err(InvalidExtent::BeyondTop(extent.at));
            }
        }
        match extents.windows(2).find(|pair| pair[0].end() > pair[1].at) {
            Some(pair) => Err(InvalidExtent::Overlap(pair[1].at)),
            None => Ok(Self { base, top, extents }),
        }
    }

    /// The extent that contains the byte at `offset`. If there is none: the offset of the next
    /// extent or of the end.
    fn extent_at(&self, offset: u64) -> Result<Extent, u64> {
        let next = self.extents.partition_point(|extent| extent.end() <= offset);
        match self.extents.get(next) {
            Some(extent) if extent.at <= offset => Ok(*extent),
            Some(extent) => Err(extent.at),
            None => Err(self.base.len()),
        }
    }
}

impl<Base: ReadAt, Top: ReadAt> ReadAt for Overlay<Base, Top> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let most = |range: Range<u64>| {
            let length = range.end.saturating_sub(range.start);
            usize::try_from(length).unwrap_or(usize::MAX).min(buffer.len())
        };
        let found = self.extent_at(offset);
        let wanted = most(offset..found.map_or_else(|end| end, |extent| extent.end()));
        if wanted == 0 {
            return Ok(0);
        }
        let piece = &mut buffer[..wanted];
        let got = match found {
            Ok(extent) => self.top.read_at(piece, extent.from + (offset - extent.at))?,
            Err(_) => self.base.read_at(piece, offset)?,
        };
        unless_cut_short(got, wanted)
    }

    fn len(&self) -> u64 {
        self.base.len()
    }
}
