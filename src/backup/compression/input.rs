//! A buffered file that allows looking ahead. The bytes after the end of a stream decide how they
//! are read.

use std::io::{self, BufRead, Read};

/// The size of one read from a compressed archive, in bytes.
const READ_AHEAD: usize = 256 << 10;

/// Reads `inner` through a buffer, and counts the bytes.
pub(super) struct Input<R> {
    inner: R,
    buffer: Box<[u8]>,
    /// The bytes in the buffer: those from `start` to `end`.
    start: usize,
    end: usize,
    /// The number of bytes that were consumed.
    passed: u64,
}

impl<R: Read> Input<R> {
    /// At the start of `inner`.
    pub(super) fn new(inner: R) -> Self {
        Self { inner, buffer: vec![0; READ_AHEAD].into(), start: 0, end: 0, passed: 0 }
    }

    /// The number of bytes that were consumed so far.
    pub(super) fn passed(&self) -> u64 {
        self.passed
    }

    /// The next `count` bytes, or fewer at the end. `count` must be less than the size of the
    /// buffer.
    pub(super) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        if self.end - self.start < count {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        while self.end - self.start < count && self.fill()? > 0 {}
        let end = self.end.min(self.start + count);
        Ok(&self.buffer[self.start..end])
    }

    /// Reads more bytes after those in the buffer.
    fn fill(&mut self) -> io::Result<usize> {
        loop {
            match self.inner.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(got) => {
                    self.end += got;
                    return Ok(got);
                }
            }
        }
    }
}

impl<R: Read> BufRead for Input<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            self.fill()?;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, count: usize) {
        self.start += count;
        self.passed += count as u64;
    }
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let got = self.fill_buf()?.read(out)?;
        self.consume(got);
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_were_peeked_at_are_still_read() {
        let content: Vec<u8> = (0..READ_AHEAD * 2 + 7).map(|at| (at % 251).to_le_bytes()[0]).collect();
        let mut input = Input::new(&content[..]);
        let mut read = vec![0; READ_AHEAD - 3];
        input.read_exact(&mut read).unwrap();
        assert_eq!(input.peek(12).unwrap(), &content[READ_AHEAD - 3..READ_AHEAD + 9]);
        assert_eq!(input.passed(), READ_AHEAD as u64 - 3);
        input.read_to_end(&mut read).unwrap();
        assert_eq!(read, content);
        assert_eq!(input.peek(12).unwrap(), b"");
    }
}
