//! How much a method can make of how little: a size beyond that is damage, found before disk space
//! is reserved for it.

use rawzip::CompressionMethod;

/// The longest match of deflate has 258 bytes, and the shortest codes for one take two bits (RFC
/// 1951): 4 x 258 in a byte.
const DEFLATE: u64 = 1032;

/// A block of bzip2 takes 173 bits at least. It holds up to 900,000 bytes, of which five may stand
/// for a run of 259.
const BZIP2_BLOCK: u64 = 900_000 / 5 * 259;
const BZIP2_BLOCK_MIN: u64 = 20;

/// A block of Zstandard holds up to 128 KiB (RFC 8878, 3.1.1.2.4), and takes 4 bytes at least.
const ZSTD: u64 = (128 << 10) / 4;

/// LZMA's longest match has 273 bytes, and a match takes some 14 decisions of at least 0.02 bits:
/// about 7,100 bytes in one.
const LZMA: u64 = 16 << 10;

/// Whether `size` bytes can come out of `compressed` bytes, for the methods of which that is known.
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

    /// Zeros compress best; what each method makes of them is within its bound, and not far below.
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
    fn what_is_stored_keeps_its_size_and_what_is_empty_stays_empty() {
        assert!(can_expand(CompressionMethod::STORE, 7, 7));
        assert!(!can_expand(CompressionMethod::STORE, 4, 7));
        assert!(can_expand(CompressionMethod::DEFLATE, 2, 0));
        assert!(!can_expand(CompressionMethod::DEFLATE, 2, 1 << 46));
        assert!(can_expand(CompressionMethod::PPMD, 2, 1 << 46), "of which nothing is known");
    }
}
