//! Compressed streams, recognised by their first bytes.
//!
//! In: the first bytes of a file, and the file. Out: a reader of the uncompressed bytes, whatever number of members
//! (gzip), streams (bzip2, xz) or frames (zstd) the file consists of. Knows nothing of what is compressed.

use std::io::{self, BufRead, Read};

use liblzma::stream::Stream;

/// A compression that a whole archive can be wrapped in.
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

/// The largest dictionary that is accepted, in bytes: more than any preset of `xz` needs, so that a header that claims
/// more does not exhaust the machine.
const XZ_MEMORY_LIMIT: u64 = 2 << 30;

/// What `zstd --long=31` makes; the decoder takes the memory that the frame asks for, at most 2 GiB.
const ZSTD_WINDOW_LOG_MAX: u32 = if usize::BITS >= 64 { 31 } else { 27 };

/// What to say of data that asks for more memory than is given.
pub(super) const NEEDS_MEMORY: &str = "to uncompress it takes more than 2 GiB of memory, which bkverify does not give; \
    uncompress it into a folder, and verify that folder";

/// Reads .xz streams, however many stand one after the other.
pub(super) fn xz_stream() -> io::Result<Stream> {
    Ok(Stream::new_stream_decoder(XZ_MEMORY_LIMIT, liblzma::stream::CONCATENATED)?)
}

/// Whether a decoder gave up because its data asks for more memory than it may have.
pub(super) fn is_out_of_memory(error: &io::Error) -> bool {
    use liblzma::stream::Error;
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    matches!(inner, Some(Error::MemLimit | Error::Mem))
}

impl Compression {
    /// By the first bytes of a file, 12 of which decide.
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

    /// Its name, as in messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        }
    }

    /// Reads what `compressed` holds. A damaged or truncated stream is an error at the latest when its end is read.
    pub(super) fn decoder<'a>(
        self,
        compressed: impl BufRead + Send + 'a,
    ) -> io::Result<Box<dyn Read + Send + 'a>> {
        Ok(match self {
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(compressed)),
            Self::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(compressed)),
            Self::Xz => Box::new(liblzma::bufread::XzDecoder::new_stream(compressed, xz_stream()?)),
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(compressed)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Box::new(decoder)
            }
        })
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
