//! A buffered file that can be looked into before it is read: what begins at the end of a stream
//! decides what reads it.

use std::io::{self, BufRead, Read};

/// Compressed archives are read in pieces of this many bytes.
const READ_AHEAD: usize = 256 << 10;

/// Reads `inner` through a buffer, and counts.
pub(super) struct Input<R> {
    inner: R,
    buffer: Box<[u8]>,
    /// What the buffer holds: from `start` to `end`.
    start: usize,
    end: usize,
    /// How many bytes were consumed.
    passed: u64,
}

impl<R: Read> Input<R> {
    /// At the start of `inner`.
    pub(super) fn new(inner: R) -> Self {
        Self { inner, buffer: vec![0; READ_AHEAD].into(), start: 0, end: 0, passed: 0 }
    }

    /// How many bytes were consumed so far.
    pub(super) fn passed(&self) -> u64 {
        self.passed
    }

    /// The next `count` bytes, fewer at the end; `count` is less than the buffer holds.
    pub(super) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        if self.end - self.start < count {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        while self.end - self.start < count && self.fill()? > 0 {}
        let end = self.end.min(self.start + count);
        Ok(&self.buffer[self.start..end])
    }

    /// Reads more behind what the buffer holds.
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
    fn what_was_looked_at_is_read_all_the_same() {
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
