//! Reads bytes at offsets front to back, as a stream of the standard library.

use std::io::{self, Read, Seek, SeekFrom};

use super::ReadAt;

/// Reads `bytes` from its own position on. Any number of readers can share the same bytes.
#[derive(Debug)]
pub struct SequentialReader<B> {
    bytes: B,
    position: u64,
}

impl<B: ReadAt> SequentialReader<B> {
    /// At the start of `bytes`.
    pub fn new(bytes: B) -> Self {
        Self { bytes, position: 0 }
    }
}

impl<B: ReadAt> Read for SequentialReader<B> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let got = self.bytes.read_at(out, self.position)?;
        self.position += got as u64;
        Ok(got)
    }
}

impl<B: ReadAt> Seek for SequentialReader<B> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(distance) => self.position.checked_add_signed(distance),
            SeekFrom::End(distance) => self.bytes.len().checked_add_signed(distance),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
