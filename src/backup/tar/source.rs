//! The two ways to read a tar archive: at offsets in the file, or front to back from a
//! decompressor.
//!
//! Both count offsets in the uncompressed archive, so that a member has the same offset either way.

use std::fmt;
use std::io::{self, BufReader, Read};

use crate::backup::compression::{Decoder, NEEDS_MEMORY, is_out_of_memory};
use crate::bytes::{ReadAt, SequentialReader};
use crate::platform;

/// The bytes of an archive. The position of a stream can only grow; in a file it can be set to any
/// offset.
pub(super) trait ArchiveReader: Read {
    /// The offset of the next byte that is read.
    fn position(&self) -> u64;

    /// Goes to `offset`. In a stream, this must not be before [`position`](Self::position). An
    /// offset behind the end is an [`io::ErrorKind::UnexpectedEof`] error; the end itself is not.
    fn advance_to(&mut self, offset: u64) -> io::Result<()>;

    /// Whether the archive is known to end before `offset`, without reading it.
    fn ends_before(&self, offset: u64) -> bool;

    /// The end of the archive, if it was read to its last byte without an error.
    fn end(&self) -> Option<ArchiveEnd>;
}

/// The end of an archive that was read to its last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ArchiveEnd {
    /// The length of the uncompressed archive in bytes.
    pub length: u64,
    /// Whether checksums covered all of it.
    pub is_vouched_for: bool,
}

/// The error of a [`DecompressedReader`] that was asked to halt.
#[derive(Debug)]
pub(super) struct Halted;

impl fmt::Display for Halted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not finished")
    }
}

impl std::error::Error for Halted {}

/// Whether an error is [`Halted`].
pub(super) fn is_halt(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Halted>)
}

/// The headers of small members are close together, so that one read returns several. A larger
/// buffer would copy content that nobody needs.
const BUFFER: usize = 16 << 10;

/// An archive that is not compressed, read at offsets. Any number of these readers can read the
/// same archive at once.
pub(super) struct PlainReader<'a> {
    reader: BufReader<SequentialReader<&'a dyn ReadAt>>,
    length: u64,
    position: u64,
}

impl<'a> PlainReader<'a> {
    /// At the start of the archive.
    pub(super) fn new(bytes: &'a dyn ReadAt) -> Self {
        let reader = BufReader::with_capacity(BUFFER, SequentialReader::new(bytes));
        Self { reader, length: bytes.len(), position: 0 }
    }
}

impl Read for PlainReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let got = self.reader.read(out)?;
        self.position += got as u64;
        Ok(got)
    }
}

impl ArchiveReader for PlainReader<'_> {
    fn position(&self) -> u64 {
        self.position
    }

    fn advance_to(&mut self, offset: u64) -> io::Result<()> {
        if offset > self.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // Keeps the bytes in the buffer if `offset` is within it.
        let distance = offset.checked_signed_diff(self.position).ok_or(io::ErrorKind::InvalidInput)?;
        self.reader.seek_relative(distance)?;
        self.position = offset;
        Ok(())
    }

    fn ends_before(&self, offset: u64) -> bool {
        offset > self.length
    }

    fn end(&self) -> Option<ArchiveEnd> {
        Some(ArchiveEnd { length: self.length, is_vouched_for: false })
    }
}

/// The output of a decompressor. After an error it returns the same error again, so that nothing
/// behind the damage is used.
pub(super) struct DecompressedReader<'a> {
    inner: Decoder<'a>,
    position: u64,
    /// An upper limit for the number of bytes, known from an earlier reading or from the
    /// compression method.
    most: u64,
    is_at_end: bool,
    failed: Option<(io::ErrorKind, String)>,
    /// Called regularly. If it returns `true`, reading ends with [`Halted`].
    halt: &'a mut dyn FnMut() -> bool,
    asked_at: u64,
}

/// The number of bytes that are read between two calls of `halt`.
const BETWEEN_QUESTIONS: u64 = 8 << 20;

impl<'a> DecompressedReader<'a> {
    /// At the start of the output of `inner`, which has at most `most` bytes.
    pub(super) fn new(inner: Decoder<'a>, most: u64, halt: &'a mut dyn FnMut() -> bool) -> Self {
        Self { inner, position: 0, most, is_at_end: false, failed: None, halt, asked_at: 0 }
    }
}

impl Read for DecompressedReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if let Some((kind, message)) = &self.failed {
            return Err(io::Error::new(*kind, message.clone()));
        }
        if self.position - self.asked_at >= BETWEEN_QUESTIONS {
            self.asked_at = self.position;
            if (self.halt)() {
                return Err(io::Error::other(Halted));
            }
        }
        match self.inner.read(out) {
            Ok(got) => {
                self.position += got as u64;
                self.is_at_end |= got == 0 && !out.is_empty();
                Ok(got)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let message = match is_out_of_memory(&error) {
                    true => NEEDS_MEMORY.to_owned(),
                    false => format!("the compressed stream is damaged: {error}"),
                };
                self.failed = Some((error.kind(), message.clone()));
                Err(io::Error::new(error.kind(), message))
            }
        }
    }
}

impl ArchiveReader for DecompressedReader<'_> {
    fn position(&self) -> u64 {
        self.position
    }

    fn advance_to(&mut self, offset: u64) -> io::Result<()> {
        let mut piece = [0; 32 << 10];
        while self.position < offset {
            let left = usize::try_from(offset - self.position).unwrap_or(usize::MAX).min(piece.len());
            if platform::read_full(self, &mut piece[..left])? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        if self.position > offset {
            return Err(io::Error::other("a compressed archive cannot be read backwards"));
        }
        Ok(())
    }

    fn ends_before(&self, offset: u64) -> bool {
        offset > self.most
    }

    fn end(&self) -> Option<ArchiveEnd> {
        let is_vouched_for = self.inner.is_vouched_for();
        self.is_at_end.then_some(ArchiveEnd { length: self.position, is_vouched_for })
    }
}

/// Exactly `left` bytes of an archive. If the archive ends earlier, that is an error and never a
/// short read.
pub(super) struct Exactly<'s> {
    source: &'s mut dyn ArchiveReader,
    left: u64,
}

impl<'s> Exactly<'s> {
    /// The next `left` bytes of `source`.
    pub(super) fn new(source: &'s mut dyn ArchiveReader, left: u64) -> Self {
        Self { source, left }
    }

    /// The number of bytes that are still to be read.
    pub(super) fn left(&self) -> u64 {
        self.left
    }
}

impl Read for Exactly<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(out.len());
        if wanted == 0 {
            return Ok(0);
        }
        match self.source.read(&mut out[..wanted])? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            got => {
                self.left -= got as u64;
                Ok(got)
            }
        }
    }
}
