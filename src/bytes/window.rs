//! A part of other bytes, like a partition of a disk.

use std::io;

use super::{ReadAt, unless_cut_short};

/// `len` bytes of `inner`, from `start` on.
#[derive(Debug)]
pub struct Window<B> {
    inner: B,
    start: u64,
    len: u64,
}

impl<B: ReadAt> Window<B> {
    /// A window that would reach beyond the end of `inner` is made shorter; see [`ReadAt::len`].
    pub fn new(inner: B, start: u64, len: u64) -> Self {
        let len = len.min(inner.len().saturating_sub(start));
        Self { inner, start, len }
    }
}

impl<B: ReadAt> ReadAt for Window<B> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = self.len.saturating_sub(offset);
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        // The sum is within the length of `inner`, so it cannot overflow.
        let got = self.inner.read_at(&mut buffer[..wanted], self.start + offset)?;
        unless_cut_short(got, wanted)
    }

    fn len(&self) -> u64 {
        self.len
    }
}
