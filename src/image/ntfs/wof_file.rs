//! Files that Windows has compressed outside of NTFS (`compact /exe`, CompactOS).
//!
//! In: the value of the stream `WofCompressedData`. Out: the content of the file, chunk by chunk.
//! [`wof`](super::wof) says what the chunks are.

use super::value::Value;
use super::wof::{Chunk, Decoder, Format, Layout};
use crate::image::Error;

/// The number of chunks whose places are read at once.
const AHEAD: u64 = 512;

/// A file that is stored in chunks.
#[derive(Debug)]
pub(super) struct WofFile {
    format: Format,
    layout: Layout,
    data: Value,
}

/// What a reader keeps from one chunk to the next.
#[derive(Debug, Default)]
pub(super) struct Progress {
    decoder: Option<(Format, Decoder)>,
    /// The first of the chunks whose places are known.
    first: u64,
    chunks: Vec<Chunk>,
    table: Vec<u8>,
}

impl Progress {
    /// Forgets what belongs to one file.
    pub(super) fn restart(&mut self) {
        self.chunks.clear();
    }
}

impl WofFile {
    /// A file with `size` bytes of content. `method` is the number in its reparse point.
    pub(super) fn new(method: u32, size: u64, data: Value) -> Result<Self, Error> {
        // Windows has four methods, and neither compresses nor encrypts the result once more.
        let format = Format::from_number(method).ok_or_else(|| {
            Error::Damaged(format!("it is compressed by method {method}, which Windows does not have"))
        })?;
        if data.is_encrypted() || data.is_compressed() {
            return Err(Error::Damaged("its compressed data is encrypted, or compressed again".to_owned()));
        }
        let layout = Layout::new(format, size, data.size())?;
        Ok(Self { format, layout, data })
    }

    /// Bytes of content in a chunk.
    pub(super) fn chunk_size(&self) -> u64 {
        self.format.chunk_size().into()
    }

    /// The compressed data.
    pub(super) fn data(&self) -> &Value {
        &self.data
    }

    /// Decodes the chunk with this index into the whole of `out`.
    pub(super) fn decode(
        &self,
        index: u64,
        out: &mut [u8],
        stored: &mut Vec<u8>,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        let chunk = self.chunk(index, progress)?;
        let damaged =
            || Error::Damaged(format!("chunk {index} of the compressed data has an impossible length"));
        let length = chunk.stored.end.saturating_sub(chunk.stored.start);
        // A chunk never has more bytes than its content.
        let length =
            usize::try_from(length).ok().filter(|length| chunk.size == out.len() && *length <= out.len());
        stored.resize(length.ok_or_else(damaged)?, 0);
        self.data.read(stored, chunk.stored.start)?;
        let decoder = match &mut progress.decoder {
            Some((format, decoder)) if *format == self.format => decoder,
            other => &mut other.insert((self.format, Decoder::new(self.format))).1,
        };
        decoder.decode(index, stored, out)
    }

    /// Where a chunk is. The places of those that follow are read with it.
    fn chunk(&self, index: u64, progress: &mut Progress) -> Result<Chunk, Error> {
        let known = |progress: &Progress| {
            let at = usize::try_from(index.checked_sub(progress.first)?).ok()?;
            progress.chunks.get(at).cloned()
        };
        if let Some(chunk) = known(progress) {
            return Ok(chunk);
        }
        progress.chunks.clear();
        let range = self.layout.table_range(index, AHEAD);
        let length = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0);
        progress.table.resize(length, 0);
        self.data.read(&mut progress.table, range.start)?;
        progress.chunks = self.layout.chunks_of(index, AHEAD, &progress.table)?;
        progress.first = index;
        known(progress)
            .ok_or_else(|| Error::Damaged(format!("there is no chunk {index} of the compressed data")))
    }
}
