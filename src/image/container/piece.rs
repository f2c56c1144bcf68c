//! Cuts a read to what lies in one place: in one block, or in sectors that are stored together.

/// The part of a read that one block of a disk can serve.
pub(super) struct Piece<'b> {
    /// The number of the block.
    pub(super) block: u64,
    /// Where the part begins, in bytes from the start of the block.
    pub(super) within: u64,
    /// Where its bytes go. Never empty.
    pub(super) out: &'b mut [u8],
}

impl<'b> Piece<'b> {
    /// The beginning of a read of a disk of `size` bytes. `None`: there is nothing to read.
    pub(super) fn of(buffer: &'b mut [u8], offset: u64, size: u64, block_size: u64) -> Option<Self> {
        let (block, within) = (offset / block_size, offset % block_size);
        let left = size.saturating_sub(offset).min(block_size - within);
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let out = buffer.get_mut(..wanted).filter(|out| !out.is_empty())?;
        Some(Self { block, within, out })
    }

    /// The number of its bytes.
    pub(super) fn len(&self) -> u64 {
        self.out.len() as u64
    }

    /// How many sectors it touches.
    pub(super) fn sectors(&self, sector_size: u64) -> u64 {
        (self.within % sector_size + self.len()).div_ceil(sector_size)
    }

    /// Cuts it to the first `sectors` sectors that it touches.
    pub(super) fn cut(&mut self, sectors: u64, sector_size: u64) {
        let most = sectors * sector_size - self.within % sector_size;
        let length = usize::try_from(most).unwrap_or(usize::MAX).min(self.out.len());
        let out = std::mem::take(&mut self.out);
        self.out = out.get_mut(..length).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_is_cut_to_its_block_to_the_disk_and_to_sectors() {
        let mut buffer = [0; 5000];
        let cut = |offset, buffer: &mut [u8]| {
            Piece::of(buffer, offset, 10_000, 4096).map(|piece| (piece.block, piece.within, piece.len()))
        };
        assert_eq!(cut(0, &mut buffer), Some((0, 0, 4096)));
        assert_eq!(cut(4000, &mut buffer), Some((0, 4000, 96)));
        assert_eq!(cut(8192, &mut buffer), Some((2, 0, 1808)));
        assert_eq!(
            (cut(10_000, &mut buffer), cut(u64::MAX, &mut buffer), cut(0, &mut [])),
            (None, None, None)
        );
        let mut piece = Piece::of(&mut buffer, 700, 10_000, 4096).unwrap();
        assert_eq!(piece.sectors(512), 7);
        piece.cut(2, 512);
        assert_eq!((piece.len(), piece.sectors(512)), (836, 2));
    }
}
