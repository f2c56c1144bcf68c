//! Compressed streams, recognised by their first bytes.
//!
//! In: the first bytes of a file, and the file. Out: a reader of the uncompressed bytes, however
//! many members (gzip), streams (bzip2, xz) or frames (zstd) the file has, and whether checksums
//! covered all of them. This module knows nothing about the content.
//!
//! After the last stream, only those bytes are accepted that the format's own program accepts
//! without losing data: zeros after gzip and bzip2 (a copy to a tape or a disk rounds the length
//! up), groups of four zeros after xz, nothing after zstd. Zeros followed by something else are
//! damage, because those programs stop at the zeros and ignore the rest.

mod input;

use std::io::{self, BufRead, Read};

use liblzma::stream::Stream;

use self::input::Input;

/// A compression of a whole archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    /// RFC 1952.
    Gzip,
    /// Blocks of at most 900 kB, each with its own checksum.
    Bzip2,
    /// The .xz container with LZMA2 in it.
    Xz,
    /// RFC 8878.
    Zstd,
}

/// The largest dictionary that is accepted, in bytes. It is larger than any preset of `xz` needs,
/// and small enough that a false header does not exhaust the machine's memory.
const XZ_MEMORY_LIMIT: u64 = 2 << 30;

/// The window of `zstd --long=31`. The decoder allocates the memory that the frame asks for, at
/// most 2 GiB.
const ZSTD_WINDOW_LOG_MAX: u32 = if usize::BITS >= 64 { 31 } else { 27 };

/// The message for data that needs more memory than is allowed.
pub(super) const NEEDS_MEMORY: &str = "decompressing it takes more than 2 GiB of memory, which is the most that bkverify allows; \
    uncompress it into a folder, and verify that folder";

/// A decoder for any number of .xz streams, one after the other.
pub(super) fn xz_stream() -> io::Result<Stream> {
    Ok(Stream::new_stream_decoder(XZ_MEMORY_LIMIT, liblzma::stream::CONCATENATED)?)
}

/// Whether a decoder gave up because its data needs more memory than is allowed.
pub(super) fn is_out_of_memory(error: &io::Error) -> bool {
    use liblzma::stream::Error;
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    matches!(inner, Some(Error::MemLimit | Error::Mem))
}

impl Compression {
    /// Recognises the compression by the first bytes of a file; 12 are enough.
    pub(super) fn recognise(first: &[u8]) -> Option<Self> {
        match first {
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90, ..] => Some(Self::Bzip2),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            // A skippable frame may come first (pzstd writes one).
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            _ => None,
        }
    }

    /// Its name in messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        }
    }

    /// The most bytes that `compressed` bytes of this format can expand to, rounded up generously.
    /// A stored size above this is false, which can be told without reading the data.
    ///
    /// Deflate: 258 bytes in two bits (RFC 1951), 1032:1. Zstd: 128 KiB in a block of four bytes
    /// (RFC 8878). LZMA2: 273 bytes in about a third of a bit, 7089:1. Bzip2: 900,000 run-length
    /// codes for up to 259 bytes each in about 40 bytes.
    pub(super) fn most_from(self, compressed: u64) -> u64 {
        let ratio = match self {
            Self::Gzip => 1040,
            Self::Bzip2 => 8 << 20,
            Self::Xz => 8192,
            Self::Zstd => 64 << 10,
        };
        compressed.saturating_add(64).saturating_mul(ratio)
    }

    /// What reports call a checksum over the whole archive.
    pub(super) fn checksum_name(self) -> &'static str {
        match self {
            Self::Gzip => "the gzip checksum of the archive",
            Self::Bzip2 => "the bzip2 checksum of the archive",
            Self::Xz => "the xz checksum of the archive",
            Self::Zstd => "the zstd checksum of the archive",
        }
    }

    /// Decompresses `compressed`. A damaged or truncated stream is reported as an error at its end
    /// at the latest.
    pub(super) fn decoder<'a>(self, compressed: impl Read + Send + 'a) -> io::Result<Decoder<'a>> {
        let state = DecoderState::Between(Input::new(Box::new(compressed)));
        Ok(Decoder { compression: self, state, streams: 0, is_checked: true, is_done: false })
    }
}

type StreamInput<'a> = Input<Box<dyn Read + Send + 'a>>;

/// Reads the streams of a file one after the other.
pub(super) struct Decoder<'a> {
    compression: Compression,
    state: DecoderState<'a>,
    /// The number of streams that have begun.
    streams: u64,
    /// Whether all of them have a checksum.
    is_checked: bool,
    /// Whether the last stream has ended, and only accepted bytes follow it.
    is_done: bool,
}

enum DecoderState<'a> {
    Between(StreamInput<'a>),
    Gzip(Box<flate2::bufread::GzDecoder<StreamInput<'a>>>),
    Bzip2(Box<bzip2::bufread::BzDecoder<StreamInput<'a>>>),
    Xz(Box<liblzma::bufread::XzDecoder<StreamInput<'a>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, StreamInput<'a>>>),
    /// An error occurred between two streams.
    Failed,
}

impl Decoder<'_> {
    /// Whether everything was read to the very end, and checksums over all of it matched.
    pub(super) fn is_vouched_for(&self) -> bool {
        self.is_done && self.is_checked
    }
}

impl Read for Decoder<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            let got = match &mut self.state {
                DecoderState::Between(_) if self.is_done => return Ok(0),
                DecoderState::Between(_) => 0,
                DecoderState::Gzip(decoder) => decoder.read(out)?,
                DecoderState::Bzip2(decoder) => decoder.read(out)?,
                DecoderState::Xz(decoder) => decoder.read(out)?,
                DecoderState::Zstd(decoder) => decoder.read(out)?,
                DecoderState::Failed => return Err(io::ErrorKind::InvalidData.into()),
            };
            if got > 0 {
                return Ok(got);
            }
            self.state = match std::mem::replace(&mut self.state, DecoderState::Failed) {
                DecoderState::Between(input) => self.begin(input)?,
                DecoderState::Gzip(decoder) => DecoderState::Between(decoder.into_inner()),
                DecoderState::Bzip2(decoder) => DecoderState::Between(decoder.into_inner()),
                DecoderState::Xz(decoder) => DecoderState::Between(decoder.into_inner()),
                DecoderState::Zstd(decoder) => DecoderState::Between(decoder.into_inner()),
                DecoderState::Failed => DecoderState::Failed,
            };
        }
    }
}

impl<'a> Decoder<'a> {
    /// Begins the next stream, or finds that there is none.
    fn begin(&mut self, mut input: StreamInput<'a>) -> io::Result<DecoderState<'a>> {
        let first = input.peek(12)?;
        let is_next = Compression::recognise(first) == Some(self.compression);
        // The first stream was recognised before. If anything is wrong with it, the decoder reports
        // that.
        if !is_next && self.streams > 0 {
            self.expect_end(&mut input)?;
            self.is_done = true;
            return Ok(DecoderState::Between(input));
        }
        self.streams += 1;
        self.is_checked &= has_checksum(self.compression, first);
        Ok(match self.compression {
            Compression::Gzip => DecoderState::Gzip(Box::new(flate2::bufread::GzDecoder::new(input))),
            Compression::Bzip2 => DecoderState::Bzip2(Box::new(bzip2::bufread::BzDecoder::new(input))),
            Compression::Xz => {
                let stream = Stream::new_stream_decoder(XZ_MEMORY_LIMIT, 0)?;
                DecoderState::Xz(Box::new(liblzma::bufread::XzDecoder::new_stream(input, stream)))
            }
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?.single_frame();
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                DecoderState::Zstd(Box::new(decoder))
            }
        })
    }

    /// Reads what follows the last stream to the end. An error if the format does not allow it.
    fn expect_end(&self, input: &mut StreamInput<'a>) -> io::Result<()> {
        let from = input.passed();
        let mut zeros = 0;
        loop {
            let piece = input.fill_buf()?;
            if piece.is_empty() {
                break;
            }
            if !piece.iter().all(|&byte| byte == 0) {
                return Err(self.is_behind(from, "something else"));
            }
            let length = piece.len();
            zeros += length as u64;
            input.consume(length);
        }
        let is_accepted = match self.compression {
            Compression::Gzip | Compression::Bzip2 => true,
            Compression::Xz => zeros.is_multiple_of(4),
            Compression::Zstd => zeros == 0,
        };
        if is_accepted { Ok(()) } else { Err(self.is_behind(from, "only zeros")) }
    }

    fn is_behind(&self, from: u64, what: &str) -> io::Error {
        let name = self.compression.name();
        let problem =
            format!("after the end of its {name} data, from byte {from} of the file on, there is {what}");
        io::Error::new(io::ErrorKind::InvalidData, problem)
    }
}

/// Whether the stream that begins with these bytes ends in a checksum of its content.
fn has_checksum(compression: Compression, first: &[u8]) -> bool {
    match compression {
        Compression::Gzip | Compression::Bzip2 => true,
        // The .xz file format, 2.1.1.2: the decoder verifies CRC-32, CRC-64 and SHA-256.
        Compression::Xz => matches!(first.get(7), Some(1 | 4 | 10)),
        // RFC 8878, 3.1.1.1.1: a skippable frame has no content; other frames have a flag in bit 2.
        Compression::Zstd => first.first() != Some(&0x28) || first.get(4).is_some_and(|flags| flags & 4 != 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn pack(compression: Compression, content: &[u8]) -> Vec<u8> {
        match compression {
            Compression::Gzip => {
                let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                writer.write_all(content).unwrap();
                writer.finish().unwrap()
            }
            Compression::Bzip2 => {
                let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
                writer.write_all(content).unwrap();
                writer.finish().unwrap()
            }
            Compression::Xz => liblzma::encode_all(content, 1).unwrap(),
            Compression::Zstd => {
                let mut writer = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
                writer.include_checksum(true).unwrap();
                writer.write_all(content).unwrap();
                writer.finish().unwrap()
            }
        }
    }

    fn unpack(packed: &[u8]) -> io::Result<Vec<u8>> {
        let compression = Compression::recognise(packed).expect("recognised");
        let mut out = Vec::new();
        compression.decoder(packed)?.read_to_end(&mut out)?;
        Ok(out)
    }

    const ALL: [Compression; 4] = [Compression::Gzip, Compression::Bzip2, Compression::Xz, Compression::Zstd];

    #[test]
    fn files_of_several_streams_are_read_to_the_end() {
        for compression in ALL {
            let parts = [pack(compression, b"one "), pack(compression, b""), pack(compression, b"two")];
            assert_eq!(unpack(&parts.concat()).unwrap(), b"one two", "{compression:?}");
        }
    }

    #[test]
    fn a_cut_or_changed_stream_is_never_read_as_whole() {
        let content: Vec<u8> = (0..20_000_u32).flat_map(|number| (number * number).to_le_bytes()).collect();
        for compression in ALL {
            let packed = pack(compression, &content);
            for cut in [packed.len() - 1, packed.len() / 2, packed.len() - 5] {
                assert!(unpack(&packed[..cut]).is_err(), "{compression:?} cut to {cut}");
            }
            let mut changed = packed.clone();
            changed[packed.len() / 2] ^= 4;
            assert!(unpack(&changed).is_err(), "{compression:?}");
        }
    }

    #[test]
    fn other_files_are_no_compressed_streams() {
        for first in [&b""[..], b"B", b"BZh9 is no block", b"PK\x03\x04", b"\x1f\x8b", b"hello, world"] {
            assert_eq!(Compression::recognise(first), None);
        }
    }
}
