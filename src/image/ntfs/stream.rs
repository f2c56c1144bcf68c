//! Streams: the content of files, as programs read it.
//!
//! In: a [`Value`], which says where the bytes are. Out: the bytes, in any order or front to back.
//! Compression is undone, holes and what was never written are zeros, and nothing else ever is.
//!
//! A compression unit of LZNT1 is a number of clusters that is a power of two. If all of them are
//! allocated, the unit is stored as it is. If none is, it is zeros. If the first of them are, they
//! hold the compressed unit (linux-ntfs documentation, attribute `$DATA`, "Compressed data").

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use super::lznt1;
use super::value::{Clusters, Value};
use super::wof_file::{Progress, WofFile};
use crate::image::Error;

/// The largest compression unit that is read. Windows writes units of at most 64 KiB.
const MAX_UNIT: u64 = 4 << 20;

/// The content of a file, or another of its values. A clone is a copy only of where the bytes are.
#[derive(Debug, Clone)]
pub struct Stream {
    /// What it is, for messages.
    origin: Arc<str>,
    len: u64,
    storage: Storage,
}

#[derive(Debug, Clone)]
enum Storage {
    /// The value is the content.
    Plain(Arc<Value>),
    Lznt1 {
        clusters: Arc<Clusters>,
        unit: u64,
    },
    Wof(Arc<WofFile>),
}

impl Stream {
    /// A value whose content is in place. `origin` names it in messages.
    pub(super) fn new(value: Value, origin: &str) -> Result<Self, Error> {
        let len = value.size();
        let storage = match value {
            Value::Resident(_) => Storage::Plain(Arc::new(value)),
            Value::NonResident(clusters) => Self::of_clusters(clusters, origin)?,
        };
        Ok(Self { origin: origin.into(), len, storage })
    }

    /// The content of a file that Windows has compressed outside of NTFS. It has `len` bytes, and
    /// `data` is its compressed form.
    pub(super) fn wof(method: u32, len: u64, data: Value, origin: &str) -> Result<Self, Error> {
        let file = WofFile::new(method, len, data).map_err(|error| error.about(origin))?;
        Ok(Self { origin: origin.into(), len, storage: Storage::Wof(Arc::new(file)) })
    }

    fn of_clusters(clusters: Clusters, origin: &str) -> Result<Storage, Error> {
        match clusters.flags.compression() {
            0 => return Ok(Storage::Plain(Arc::new(Value::NonResident(clusters)))),
            1 => {}
            method => {
                return Err(Error::Damaged(format!(
                    "{origin}: its compression has the number {method}, which NTFS does not have"
                )));
            }
        }
        let cluster_size = clusters.extents.cluster_size();
        let unit = 1_u64
            .checked_shl(clusters.compression_unit.into())
            .and_then(|unit| unit.checked_mul(cluster_size));
        match unit.filter(|unit| clusters.compression_unit > 0 && *unit <= MAX_UNIT) {
            Some(unit) => Ok(Storage::Lznt1 { clusters: Arc::new(clusters), unit }),
            None => Err(Error::Damaged(format!("{origin}: its compression unit has an impossible size"))),
        }
    }

    /// The number of its bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The byte of the volume where its clusters begin: files are read fastest in this order.
    /// `None`: it has no clusters.
    pub fn position(&self) -> Option<u64> {
        match &self.storage {
            Storage::Plain(value) => value.position(),
            Storage::Lznt1 { clusters, .. } => clusters.extents.position(),
            Storage::Wof(file) => file.data().position(),
        }
    }

    /// The first range at byte `from` or behind it that may hold something but zeros. `None`: all
    /// that follows is zeros, and no reading can fail there.
    pub fn next_data(&self, from: u64) -> Option<Range<u64>> {
        match &self.storage {
            Storage::Plain(value) => match &**value {
                Value::Resident(_) => (from < self.len).then_some(from..self.len),
                Value::NonResident(clusters) => clusters.next_data(from, 1),
            },
            Storage::Lznt1 { clusters, unit } => clusters.next_data(from, *unit),
            Storage::Wof(_) => (from < self.len).then_some(from..self.len),
        }
    }

    /// A reader from its first byte on.
    pub fn reader(self) -> StreamReader {
        StreamReader { stream: self, position: 0, blocks: Blocks::default() }
    }

    /// The bytes that are decoded together. `None`: all bytes can be read as they are.
    fn block_size(&self) -> Option<u64> {
        match &self.storage {
            Storage::Plain(_) => None,
            Storage::Lznt1 { unit, .. } => Some(*unit),
            Storage::Wof(file) => Some(file.chunk_size()),
        }
    }

    /// Reads the bytes of the block that begins at `start` into the whole of `out`. If the content
    /// is stored as it is, any number of bytes is a block.
    fn read_block(&self, start: u64, out: &mut [u8], room: &mut Room) -> Result<(), Error> {
        let read = match &self.storage {
            Storage::Plain(value) => value.read(out, start),
            Storage::Lznt1 { clusters, unit } => decode_unit(clusters, *unit, start, out, &mut room.stored),
            Storage::Wof(file) => {
                file.decode(start / file.chunk_size(), out, &mut room.stored, &mut room.progress)
            }
        };
        read.map_err(|error| error.about(&self.origin))
    }
}

/// What a reader needs for decoding. It is used again for every block.
#[derive(Debug, Default)]
struct Room {
    /// The encoded bytes.
    stored: Vec<u8>,
    progress: Progress,
}

/// Decodes a compression unit of `unit` bytes. The last one of a value may be wanted only in part.
fn decode_unit(
    clusters: &Clusters,
    unit: u64,
    start: u64,
    out: &mut [u8],
    stored: &mut Vec<u8>,
) -> Result<(), Error> {
    let written = usize::try_from(clusters.initialized.saturating_sub(start)).unwrap_or(usize::MAX);
    let (out, never_written) = out.split_at_mut(written.min(out.len()));
    never_written.fill(0);
    let damaged =
        |what: &str| Error::Damaged(format!("the compression unit at byte {start} is damaged: {what}"));
    let cluster_size = clusters.extents.cluster_size();
    let first = start / cluster_size;
    let end = first.saturating_add(unit / cluster_size);
    let mut allocated = 0;
    let mut has_hole = false;
    for run in clusters.extents.runs().from(first).iter().take_while(|run| run.vcn < end) {
        let length = run.end_vcn().min(end).saturating_sub(run.vcn.max(first));
        match run.lcn {
            None => has_hole = true,
            Some(_) if has_hole => return Err(damaged("it has clusters behind a hole")),
            Some(_) => allocated += length * cluster_size,
        }
    }
    if !has_hole || allocated == 0 {
        // It is stored as it is, or it is a hole.
        return clusters.extents.read(out, start);
    }
    stored.resize(usize::try_from(allocated).map_err(|_| damaged("it is too long"))?, 0);
    clusters.extents.read(stored, start)?;
    match lznt1::decompress(stored, out) {
        Ok(decoded) if decoded == out.len() => Ok(()),
        Ok(decoded) => Err(damaged(&format!("it ends after {decoded} of {} bytes", out.len()))),
        Err(error) => Err(damaged(&error.to_string())),
    }
}

/// Reads a stream front to back. The buffers are used again for the next stream.
#[derive(Debug)]
pub struct StreamReader {
    stream: Stream,
    position: u64,
    blocks: Blocks,
}

/// The block that was decoded last.
#[derive(Debug, Default)]
struct Blocks {
    /// Where it begins in the stream. Without meaning if `decoded` is empty.
    start: u64,
    decoded: Vec<u8>,
    room: Room,
}

impl StreamReader {
    /// Goes on with another stream, from its first byte on.
    pub fn restart(&mut self, stream: Stream) {
        self.stream = stream;
        self.position = 0;
        self.blocks.decoded.clear();
        self.blocks.room.progress.restart();
    }

    /// The stream that is read.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Reads from `position` on, and returns the number of bytes, at least one. `buffer` must not
    /// be empty, or longer than what is left.
    pub fn read_from(&mut self, position: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        let Some(size) = self.stream.block_size() else {
            self.stream.read_block(position, buffer, &mut self.blocks.room)?;
            return Ok(buffer.len());
        };
        let start = position - position % size;
        let length = usize::try_from(size.min(self.stream.len.saturating_sub(start))).unwrap_or(usize::MAX);
        if start == position
            && let Some(whole) = buffer.get_mut(..length)
        {
            // The caller's buffer has room for the block: it is decoded there.
            self.stream.read_block(start, whole, &mut self.blocks.room)?;
            return Ok(length);
        }
        if self.blocks.decoded.len() != length || self.blocks.start != start {
            let mut decoded = std::mem::take(&mut self.blocks.decoded);
            decoded.resize(length, 0);
            // After an error, the block stays empty: nothing of it is ever returned.
            self.stream.read_block(start, &mut decoded, &mut self.blocks.room)?;
            self.blocks.decoded = decoded;
            self.blocks.start = start;
        }
        let inside = usize::try_from(position - start).unwrap_or(usize::MAX);
        let rest = self.blocks.decoded.get(inside..).unwrap_or_default();
        let taken = rest.len().min(buffer.len());
        buffer.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        Ok(taken)
    }
}

impl Read for StreamReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.stream.len.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        let buffer = buffer.get_mut(..wanted).unwrap_or_default();
        if buffer.is_empty() {
            return Ok(0);
        }
        let got = self.read_from(self.position, buffer)?;
        self.position += got as u64;
        Ok(got)
    }
}
