//! Restores the content of one entry: finds its data by its local header, decompresses it, and
//! checks it against its size and CRC-32.
//!
//! Each thread has its own buffers and inflater, so that many small entries need no allocations.

use std::cell::RefCell;
use std::io::{self, BufRead, Read};

use flate2::{Crc, Decompress, FlushDecompress, Status};
use rawzip::CompressionMethod;

use super::bounds::can_expand;
use super::local::{DESCRIPTOR_MAX, ENCRYPTED, LOCAL_HEADER, Local};
use super::stored::Stored;
use crate::backup::compression::{NEEDS_MEMORY, is_out_of_memory, xz_stream};
use crate::backup::{Entry, RestoreError, Restored, Scratch};
use crate::bytes::ReadAt;
use crate::platform;

/// The number of compressed bytes that are read at once.
const INPUT: usize = 64 << 10;

/// Enough for most local names and extra fields, so that a single read returns a whole small entry.
const LOCAL_EXTRA: u64 = 512;

/// The method number of content that is encrypted with AES (WinZip's AE-1 and AE-2).
const AES: u16 = 99;

/// The buffers of a thread, which are reused from entry to entry.
#[derive(Debug, Default)]
pub(super) struct EntryBuffers {
    input: Vec<u8>,
    copy: Vec<u8>,
    inflate: Option<Decompress>,
}

thread_local! {
    static BUFFERS: RefCell<EntryBuffers> = RefCell::default();
}

impl EntryBuffers {
    /// Takes the buffers of this thread, until they are put back.
    pub(super) fn take() -> Self {
        let mut buffers = BUFFERS.take();
        buffers.input.resize(INPUT, 0);
        buffers
    }

    /// Puts the buffers back for the next entry.
    pub(super) fn put_back(self) {
        BUFFERS.set(self);
    }
}

/// Restores one entry of `archive`. All entries must end before the byte `end`.
pub(super) fn extract(
    archive: &dyn ReadAt,
    end: u64,
    entry: &Entry<'_>,
    stored: &Stored,
    scratch: &Scratch,
    buffers: &mut EntryBuffers,
) -> Result<Restored, RestoreError> {
    let EntryBuffers { input, copy, inflate } = buffers;
    let data = CompressedData::open(archive, end, entry.path, stored, input)?;
    uncompress(data, stored, inflate, &mut |content| restore(content, stored, scratch, copy))
}

/// Reads the content of a small entry. An error if it is longer than `limit` bytes.
pub(super) fn content(
    archive: &dyn ReadAt,
    end: u64,
    entry: &Entry<'_>,
    stored: &Stored,
    limit: usize,
    buffers: &mut EntryBuffers,
) -> Result<Vec<u8>, RestoreError> {
    let EntryBuffers { input, inflate, .. } = buffers;
    let data = CompressedData::open(archive, end, entry.path, stored, input)?;
    uncompress(data, stored, inflate, &mut |content| {
        let mut bytes = vec![0; limit + 1];
        let got = platform::read_full(content, &mut bytes).map_err(explain)?;
        if got > limit {
            return Err(RestoreError::TooLong { declared: stored.size });
        }
        bytes.truncate(got);
        Ok(bytes)
    })
}

/// Calls `act` with the uncompressed content of `data`.
fn uncompress<T>(
    mut data: CompressedData<'_>,
    stored: &Stored,
    inflate: &mut Option<Decompress>,
    act: &mut dyn FnMut(&mut dyn Read) -> Result<T, RestoreError>,
) -> Result<T, RestoreError> {
    if stored.flags & ENCRYPTED != 0 || stored.method == AES {
        let problem = "encrypted: bkverify cannot verify it without its password";
        return Err(RestoreError::Unsupported(problem.to_owned()));
    }
    let method = CompressionMethod::new(stored.method);
    if !can_expand(method, stored.compressed, stored.size) {
        let (size, compressed) = (stored.size, stored.compressed);
        return Err(RestoreError::Damaged(if method == CompressionMethod::STORE {
            format!(
                "the directory says that it is stored uncompressed, but with {compressed} of {size} bytes"
            )
        } else {
            format!(
                "{compressed} compressed bytes cannot expand to {size} bytes, which the directory says is its size"
            )
        }));
    }
    match method {
        CompressionMethod::STORE => act(&mut data),
        CompressionMethod::DEFLATE => {
            let state = inflate.get_or_insert_with(|| Decompress::new(false));
            state.reset(false);
            act(&mut Inflate { data: &mut data, state, ended: false })
        }
        CompressionMethod::BZIP2 => act(&mut bzip2::bufread::BzDecoder::new(data)),
        CompressionMethod::XZ => {
            let stream = xz_stream().map_err(explain)?;
            act(&mut liblzma::bufread::XzDecoder::new_stream(data, stream))
        }
        CompressionMethod::ZSTD => act(&mut zstd::stream::read::Decoder::with_buffer(data).map_err(explain)?),
        _ => {
            let name = method.name().unwrap_or("unknown");
            let problem = format!(
                "compressed by a method that bkverify cannot read (number {}, {name})",
                stored.method
            );
            Err(RestoreError::Unsupported(problem))
        }
    }
}

fn restore(
    content: &mut dyn Read,
    stored: &Stored,
    scratch: &Scratch,
    copy: &mut Vec<u8>,
) -> Result<Restored, RestoreError> {
    if stored.size >= 1 << 63 {
        return Err(RestoreError::Damaged(format!(
            "the directory claims that it is {} bytes long",
            stored.size
        )));
    }
    let mut summed = ChecksumReader { content, crc: Crc::new() };
    let restored = scratch.restore(&mut summed, Some(stored.size), copy).map_err(|error| match error {
        RestoreError::Read(error) => explain(error),
        other => other,
    })?;
    if restored.size() != stored.size {
        let problem = format!("it ends after {} of {} bytes", restored.size(), stored.size);
        return Err(RestoreError::Damaged(problem));
    }
    let sum = summed.crc.sum();
    if sum != stored.crc {
        return Err(RestoreError::Checksum(format!("CRC-32 is {sum:08x} instead of {:08x}", stored.crc)));
    }
    Ok(restored)
}

/// Errors of the system are read errors. All others come from decoders, and mean that their input
/// is damaged.
fn explain(error: io::Error) -> RestoreError {
    match error.kind() {
        _ if error.raw_os_error().is_some() => RestoreError::Read(error),
        _ if is_out_of_memory(&error) => RestoreError::Unsupported(NEEDS_MEMORY.to_owned()),
        io::ErrorKind::UnexpectedEof => {
            RestoreError::Damaged("its compressed data ends too early".to_owned())
        }
        _ => RestoreError::Damaged(format!("its compressed data is damaged: {error}")),
    }
}

/// Computes the CRC-32 of the bytes that are read through it.
struct ChecksumReader<R> {
    content: R,
    crc: Crc,
}

impl<R: Read> Read for ChecksumReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let got = self.content.read(out)?;
        self.crc.update(&out[..got]);
        Ok(got)
    }
}

/// Reads bytes of the archive from `offset` on into `buffer`, until it has at least `least`. The
/// first `filled` bytes are there already. Returns how many bytes there are, which is less than
/// `least` if the entries of the archive end before, at `limit`.
pub(super) fn read_more(
    archive: &dyn ReadAt,
    limit: u64,
    offset: u64,
    buffer: &mut [u8],
    mut filled: usize,
    least: usize,
) -> Result<usize, RestoreError> {
    while filled < least {
        let at = offset.saturating_add(filled as u64);
        if at >= limit {
            break;
        }
        match archive.read_at(&mut buffer[filled..], at).map_err(RestoreError::Read)? {
            0 => break,
            got => filled += got,
        }
    }
    Ok(filled)
}

/// What in the local header of an entry (in `bytes`) or in its data descriptor contradicts the
/// directory. `start` is where its data begins.
pub(super) fn contradiction(
    archive: &dyn ReadAt,
    start: u64,
    bytes: &[u8],
    stored: &Stored,
    path: &[u8],
) -> Result<Option<String>, RestoreError> {
    let Some(local) = Local::parse(bytes) else { return Ok(None) };
    if let Some(problem) = local.contradiction(stored, path) {
        return Ok(Some(problem));
    }
    if !local.has_descriptor() {
        return Ok(None);
    }
    let end = start.saturating_add(stored.compressed);
    let along = usize::try_from(end - stored.header).ok();
    let along = along.and_then(|end| bytes.get(end..end.checked_add(DESCRIPTOR_MAX)?));
    let mut descriptor = [0; DESCRIPTOR_MAX];
    let behind = match along {
        Some(along) => along,
        None => {
            let got = read_more(archive, u64::MAX, end, &mut descriptor, 0, DESCRIPTOR_MAX)?;
            &descriptor[..got]
        }
    };
    Ok(local.wrong_descriptor(stored, behind).map(str::to_owned))
}

/// The compressed bytes of an entry, read at offsets through a borrowed buffer.
struct CompressedData<'a> {
    archive: &'a dyn ReadAt,
    offset: u64,
    /// The number of bytes that are not in the buffer yet.
    left: u64,
    buffer: &'a mut [u8],
    taken: usize,
    filled: usize,
}

impl<'a> CompressedData<'a> {
    /// Reads the local header and, in the same read, as much of the data as fits. An error if the
    /// header contradicts `stored`. All entries must end before the byte `end`.
    fn open(
        archive: &'a dyn ReadAt,
        end: u64,
        path: &[u8],
        stored: &Stored,
        buffer: &'a mut [u8],
    ) -> Result<Self, RestoreError> {
        let damaged = |problem: String| Err(RestoreError::Damaged(problem));
        let wanted = stored.compressed.saturating_add(LOCAL_HEADER as u64 + LOCAL_EXTRA);
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX).min(buffer.len());
        let mut filled = read_more(archive, end, stored.header, &mut buffer[..wanted], 0, LOCAL_HEADER)?;
        let Some(local) = Local::parse(&buffer[..filled]) else {
            let offset = stored.header;
            return damaged(if filled < LOCAL_HEADER {
                format!("the archive's entries end before byte {offset}, where it should begin")
            } else {
                format!("its local header at byte {offset} is damaged")
            });
        };
        let before = local.length();
        let whole = usize::try_from(before).unwrap_or(usize::MAX).min(buffer.len());
        if filled < whole {
            filled = read_more(archive, end, stored.header, buffer, filled, whole)?;
        }
        let start = stored.header + before;
        if stored.compressed > end.saturating_sub(start) {
            return damaged("its data reaches beyond the archive's directory".to_owned());
        }
        if let Some(problem) = contradiction(archive, start, &buffer[..filled], stored, path)? {
            return damaged(format!("{problem}; some programs will not restore this"));
        }
        let taken = usize::try_from(before).unwrap_or(usize::MAX).min(filled);
        let along = ((filled - taken) as u64).min(stored.compressed);
        let filled = taken + usize::try_from(along).unwrap_or_default();
        Ok(Self { archive, offset: start + along, left: stored.compressed - along, buffer, taken, filled })
    }

    fn read_file(&mut self, into_buffer: Option<&mut [u8]>) -> io::Result<usize> {
        let out = into_buffer.unwrap_or(&mut *self.buffer);
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(out.len());
        if wanted == 0 {
            return Ok(0);
        }
        let got = self.archive.read_at(&mut out[..wanted], self.offset)?;
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.offset += got as u64;
        self.left -= got as u64;
        Ok(got)
    }
}

impl BufRead for CompressedData<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.taken == self.filled {
            self.taken = 0;
            self.filled = 0;
            self.filled = self.read_file(None)?;
        }
        Ok(&self.buffer[self.taken..self.filled])
    }

    fn consume(&mut self, count: usize) {
        self.taken = (self.taken + count).min(self.filled);
    }
}

impl Read for CompressedData<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.filled && out.len() >= INPUT {
            return self.read_file(Some(out));
        }
        let buffered = self.fill_buf()?;
        let got = buffered.len().min(out.len());
        out[..got].copy_from_slice(&buffered[..got]);
        self.consume(got);
        Ok(got)
    }
}

/// Decompresses deflated data (RFC 1951) with an inflater that is reused.
struct Inflate<'p, 'a> {
    data: &'p mut CompressedData<'a>,
    state: &'p mut Decompress,
    ended: bool,
}

impl Read for Inflate<'_, '_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while !self.ended && !out.is_empty() {
            let input = self.data.fill_buf()?;
            let at_end = input.is_empty();
            let (read, written) = (self.state.total_in(), self.state.total_out());
            let status = self.state.decompress(input, out, FlushDecompress::None)?;
            let read = usize::try_from(self.state.total_in() - read).unwrap_or_default();
            let written = usize::try_from(self.state.total_out() - written).unwrap_or_default();
            self.data.consume(read);
            self.ended = status == Status::StreamEnd;
            if written > 0 {
                return Ok(written);
            }
            if !self.ended && (at_end || read == 0) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(0)
    }
}
