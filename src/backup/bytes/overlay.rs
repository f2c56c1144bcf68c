//! Bytes on top of others, as an image that is copied on write has them: what was changed lies in
//! the upper layer, all else in the one below.

use std::io;
use std::ops::Range;

use super::{ReadAt, unless_cut_short};

/// A range that the upper layer gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Where it begins in the whole.
    pub at: u64,
    /// How many bytes it has.
    pub len: u64,
    /// Where its bytes begin in the upper layer.
    pub from: u64,
}

impl Extent {
    fn end(&self) -> u64 {
        self.at.saturating_add(self.len)
    }
}

/// Why extents make no layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidExtent {
    /// Two of them claim the same bytes.
    #[error("two extents claim byte {0}")]
    Overlap(u64),
    /// One reaches beyond the end of the lower layer.
    #[error("the extent at byte {0} reaches beyond the end of the layer below")]
    BeyondBase(u64),
    /// The upper layer does not hold what one refers to.
    #[error("the extent at byte {0} refers to bytes that its layer does not have")]
    BeyondTop(u64),
}

/// `base` with some ranges replaced by bytes of `top`.
#[derive(Debug)]
pub struct Overlay<Base, Top> {
    base: Base,
    top: Top,
    /// In order; no two overlap, none is empty.
    extents: Vec<Extent>,
}

impl<Base: ReadAt, Top: ReadAt> Overlay<Base, Top> {
    /// The extents may come in any order. They are refused as a whole if one of them cannot be
    /// right: a layer that guesses would give bytes that nobody has stored.
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

    /// The extent that holds the byte at `offset`, or up to where there is none.
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
