//! LZNT1: what is decoded depends on the compressed bytes alone, and never has too many bytes.
#![no_main]

use bkverify::image::ntfs::lznt1::decompress;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((size, compressed)) = input.split_first_chunk() else { return };
    let size = usize::from(u16::from_le_bytes(*size)) + 1;
    let (mut one, mut other) = (vec![0; size], vec![0xff; size]);
    let got = decompress(compressed, &mut one);
    assert_eq!(got.is_ok(), decompress(compressed, &mut other).is_ok());
    if let Ok(length) = got {
        assert_eq!(one[..length], other[..length]);
    }
});
