//! The most bytes that each method can make of compressed data. A larger size is damage, and is
//! found before disk space is reserved for it.

use rawzip::CompressionMethod;

/// The longest match of deflate has 258 bytes, and the shortest codes for a match take two bits
/// (RFC 1951). So one byte can stand for 4 x 258 bytes.
const DEFLATE: u64 = 1032;

/// A bzip2 block takes at least 173 bits. It contains up to 900,000 bytes, of which five can stand
/// for a run of 259 bytes.
const BZIP2_BLOCK: u64 = 900_000 / 5 * 259;
const BZIP2_BLOCK_MIN: u64 = 20;

/// A Zstandard block contains up to 128 KiB (RFC 8878, 3.1.1.2.4) and takes at least 4 bytes.
const ZSTD: u64 = (128 << 10) / 4;

/// The longest match of LZMA has 273 bytes. A match takes about 14 decisions of at least 0.02 bits
/// each, so one byte can stand for about 7,100 bytes.
const LZMA: u64 = 16 << 10;

/// Whether `compressed` bytes can expand to `size` bytes. `true` for methods without a known limit.
pub(super) fn can_expand(method: CompressionMethod, compressed: u64, size: u64) -> bool {
    match method {
        CompressionMethod::STORE => size == compressed,
        CompressionMethod::DEFLATE => size <= compressed.saturating_mul(DEFLATE),
        CompressionMethod::BZIP2 => size <= (compressed / BZIP2_BLOCK_MIN).saturating_mul(BZIP2_BLOCK),
        CompressionMethod::ZSTD | CompressionMethod::ZSTD_DEPRECATED => {
            size <= compressed.saturating_mul(ZSTD)
        }
        CompressionMethod::XZ | CompressionMethod::LZMA => size <= compressed.saturating_mul(LZMA),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{self, Read, Write};

    /// Zeros compress best. What each method makes of them is within its bound, and not far below.
    #[test]
    fn the_best_that_each_compressor_can_do_is_within_the_bound_of_its_method() {
        let size = 64 << 20;
        let zeros = || io::repeat(0).take(size);
        let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        io::copy(&mut zeros(), &mut deflate).unwrap();
        let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
        io::copy(&mut zeros(), &mut bzip2).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
        io::copy(&mut zeros(), &mut xz).unwrap();
        let mut zstd = zstd::stream::write::Encoder::new(Vec::new(), 19).unwrap();
        io::copy(&mut zeros(), &mut zstd).unwrap();
        zstd.flush().unwrap();
        for (method, compressed) in [
            (CompressionMethod::DEFLATE, deflate.finish().unwrap()),
            (CompressionMethod::BZIP2, bzip2.finish().unwrap()),
            (CompressionMethod::XZ, xz.finish().unwrap()),
            (CompressionMethod::ZSTD, zstd.finish().unwrap()),
        ] {
            let compressed = compressed.len() as u64;
            assert!(can_expand(method, compressed, size), "{method:?}: {compressed}");
            assert!(!can_expand(method, compressed, size << 10), "{method:?}: {compressed}");
        }
    }

    #[test]
    fn stored_data_has_its_own_size_and_empty_data_stays_empty() {
        assert!(can_expand(CompressionMethod::STORE, 7, 7));
        assert!(!can_expand(CompressionMethod::STORE, 4, 7));
        assert!(can_expand(CompressionMethod::DEFLATE, 2, 0));
        assert!(!can_expand(CompressionMethod::DEFLATE, 2, 1 << 46));
        assert!(can_expand(CompressionMethod::PPMD, 2, 1 << 46), "of which nothing is known");
    }
}
