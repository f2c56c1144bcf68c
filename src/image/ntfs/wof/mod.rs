//! Files that Windows keeps compressed outside of what NTFS knows: "Compact OS", `compact /exe`.
//!
//! In: the bytes of the stream `WofCompressedData`, the format that the reparse point names, and
//! the size of the file. Out: where the chunks are ([`Layout`]), and their content ([`Decoder`]).
//! Nothing is read here: the caller reads a part of the table, and then the chunks.
//!
//! The content is cut into chunks of the same size. The stream begins with a table: for each chunk
//! but the first, where it begins behind the table. An entry has 8 bytes if the file has 4 GiB or
//! more, and otherwise 4. A chunk that compression would not make smaller is stored as it is. This
//! is the layout of a compressed resource in a WIM (Microsoft: "Windows Imaging File Format",
//! "Resource"), and so are the two compressions: XPRESS with Huffman codes (`xpress`) and LZX
//! (`lzx`).
//!
//! Neither a chunk nor the table has a checksum. Everything is checked that the formats define;
//! damage that still makes sense cannot be noticed here.

mod bits;
mod huffman;
mod lzx;
mod xpress;

use std::ops::Range;

use crate::image::Error;
use crate::image::fields::{u32_le, u64_le};

/// How the chunks are compressed. The numbers are those in the reparse point
/// (`FILE_PROVIDER_EXTERNAL_INFO_V1`, `Algorithm`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// XPRESS, in chunks of 4 KiB.
    Xpress4K,
    /// LZX, in chunks of 32 KiB.
    Lzx,
    /// XPRESS, in chunks of 8 KiB.
    Xpress8K,
    /// XPRESS, in chunks of 16 KiB.
    Xpress16K,
}

impl Format {
    /// The format with this number.
    pub fn from_number(number: u32) -> Option<Self> {
        [Self::Xpress4K, Self::Lzx, Self::Xpress8K, Self::Xpress16K]
            .get(usize::try_from(number).ok()?)
            .copied()
    }

    /// Bytes of content in a chunk. Only the last one may be shorter.
    pub fn chunk_size(self) -> u32 {
        match self {
            Self::Xpress4K => 4 << 10,
            Self::Xpress8K => 8 << 10,
            Self::Xpress16K => 16 << 10,
            Self::Lzx => 32 << 10,
        }
    }
}

/// Where the chunks of a file are in its stream `WofCompressedData`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Bytes of content in every chunk but the last.
    chunk_size: u64,
    /// Bytes of content.
    size: u64,
    /// Bytes in the stream.
    stored: u64,
    chunks: u64,
    entry_size: u64,
}

/// One chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Its bytes in the stream. Never empty, and never more than its content has.
    pub stored: Range<u64>,
    /// Bytes of its content.
    pub size: usize,
}

impl Layout {
    /// For a file with `size` bytes of content, which are stored in a stream of `stored` bytes.
    ///
    /// # Errors
    /// The stream is too short for the table and a byte of each chunk.
    pub fn new(format: Format, size: u64, stored: u64) -> Result<Self, Error> {
        let chunk_size = u64::from(format.chunk_size());
        let entry_size = if u32::try_from(size).is_ok() { 4 } else { 8 };
        let layout = Self { chunk_size, size, stored, chunks: size.div_ceil(chunk_size), entry_size };
        // The number of chunks has 52 bits at most: this cannot overflow.
        if layout.table_len() + layout.chunks > stored {
            return Err(Error::Damaged(format!(
                "the compressed data has {stored} bytes: too few for the {} chunks of a file of {size} bytes",
                layout.chunks
            )));
        }
        Ok(layout)
    }

    /// The number of chunks.
    pub fn chunks(&self) -> u64 {
        self.chunks
    }

    /// Bytes in the table at the start of the stream.
    fn table_len(&self) -> u64 {
        self.chunks.saturating_sub(1) * self.entry_size
    }

    /// The bytes of the stream that [`Self::chunks_of`] needs. The range may be empty.
    pub fn table_range(&self, first: u64, count: u64) -> Range<u64> {
        // The entry of a chunk says where the one before it ends, too.
        let entries = self.chunks.saturating_sub(1);
        let from = first.saturating_sub(1).min(entries);
        let to = first.saturating_add(count).min(entries).max(from);
        from * self.entry_size..to * self.entry_size
    }

    /// The chunks from `first` on, `count` of them or as many as there are. `table` has the bytes
    /// of [`Self::table_range`].
    ///
    /// # Errors
    /// A chunk is empty, ends behind the stream, or has more bytes than its content.
    pub fn chunks_of(&self, first: u64, count: u64, table: &[u8]) -> Result<Vec<Chunk>, Error> {
        let last = first.saturating_add(count).min(self.chunks);
        let skipped = self.table_range(first, count).start / self.entry_size;
        // The first chunk begins, and the last one ends, where no entry says it.
        let start_of = |chunk: u64| match chunk {
            0 => Some(self.table_len()),
            _ if chunk == self.chunks => Some(self.stored),
            _ => self.entry(table, chunk - 1 - skipped).and_then(|start| start.checked_add(self.table_len())),
        };
        let chunk = |index: u64| {
            let size = self.chunk_size.min(self.size - index * self.chunk_size);
            let stored = start_of(index)?..start_of(index + 1).filter(|&end| end <= self.stored)?;
            let length = stored.end.checked_sub(stored.start)?;
            (1..=size).contains(&length).then_some(())?;
            Some(Chunk { stored, size: usize::try_from(size).ok()? })
        };
        let found = (first..last).map(|index| {
            chunk(index).ok_or_else(|| {
                Error::Damaged(format!(
                    "the table of the compressed data says nothing sensible about chunk {index}"
                ))
            })
        });
        found.collect()
    }

    fn entry(&self, table: &[u8], index: u64) -> Option<u64> {
        let at = usize::try_from(index.checked_mul(self.entry_size)?).ok()?;
        if self.entry_size == 4 { u32_le(table, at).map(u64::from) } else { u64_le(table, at) }
    }
}

/// Decodes chunks. It keeps its tables from one chunk to the next.
#[derive(Debug)]
pub struct Decoder(Codec);

#[derive(Debug)]
enum Codec {
    Xpress(Box<xpress::Decoder>),
    Lzx(Box<lzx::Decoder>),
}

impl Decoder {
    /// For chunks in this format.
    pub fn new(format: Format) -> Self {
        Self(match format {
            Format::Lzx => Codec::Lzx(Box::default()),
            _ => Codec::Xpress(Box::default()),
        })
    }

    /// Fills `content` with what chunk `index` contains. Its length is the chunk's
    /// [`size`](Chunk::size).
    ///
    /// # Errors
    /// The chunk is damaged. The error names it, and `content` is unspecified.
    pub fn decode(&mut self, index: u64, stored: &[u8], content: &mut [u8]) -> Result<(), Error> {
        if stored.len() == content.len() {
            content.copy_from_slice(stored);
            return Ok(());
        }
        let (name, decoded) = match &mut self.0 {
            Codec::Xpress(decoder) => ("XPRESS", decoder.decode(stored, content)),
            Codec::Lzx(decoder) => ("LZX", decoder.decode(stored, content)),
        };
        decoded.map_err(|flaw| Error::Damaged(format!("chunk {index} is damaged ({name}): {flaw}")))
    }
}

/// What is wrong with a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Flaw {
    #[error("it ends too early")]
    Short,
    #[error("its code lengths are no Huffman code")]
    Code,
    #[error("it uses a Huffman code that it does not define")]
    Unused,
    #[error("it repeats bytes from in front of its start")]
    Distance,
    #[error("it is longer than its content")]
    Long,
    #[error("it has a block of an unknown kind, or of an impossible size")]
    Block,
}

/// Repeats `length` bytes that lie `distance` bytes back. Where both overlap, the bytes that were
/// just written are repeated.
#[inline]
fn repeat(content: &mut [u8], at: usize, distance: usize, length: usize) -> Result<(), Flaw> {
    let start = at.checked_sub(distance).filter(|_| distance > 0).ok_or(Flaw::Distance)?;
    let end = at + length;
    if end > content.len() {
        return Err(Flaw::Long);
    }
    if distance >= length {
        content.copy_within(start..start + length, at);
    } else if let (1, Some(&byte)) = (distance, content.get(start)) {
        content[at..end].fill(byte);
    } else {
        for to in at..end {
            content[to] = content[to - distance];
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
