//! WOF: tables of chunks, and chunks of XPRESS and LZX. What is decoded depends on the stored bytes
//! alone, and not on what the decoder has decoded before.
#![no_main]

use bkverify::image::ntfs::wof::{Decoder, Format, Layout};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&[kind, low, high], rest)) = input.split_first_chunk() else { return };
    let Some(format) = Format::from_number(u32::from(kind & 3)) else { return };
    let size = u16::from_le_bytes([low, high]);
    if kind & 4 == 0 {
        chunk(format, usize::from(size).min(format.chunk_size() as usize), rest);
    } else {
        table(format, u64::from(size) << (kind >> 3), rest);
    }
});

fn chunk(format: Format, size: usize, stored: &[u8]) {
    let (mut one, mut other) = (vec![0; size], vec![0xff; size]);
    let mut decoder = Decoder::new(format);
    let first = decoder.decode(0, stored, &mut one).is_ok();
    let _ = decoder.decode(1, &stored[stored.len() / 2..], &mut other);
    other.fill(0x55);
    assert_eq!(first, decoder.decode(2, stored, &mut other).is_ok());
    assert!(!first || one == other);
}

fn table(format: Format, size: u64, bytes: &[u8]) {
    let Some((stored, table)) = bytes.split_first_chunk() else { return };
    let stored = u64::from(u32::from_le_bytes(*stored));
    let Ok(layout) = Layout::new(format, size, stored) else { return };
    let Ok(chunks) = layout.chunks_of(0, layout.chunks().min(1000), table) else { return };
    let mut end = chunks.first().map_or(0, |chunk| chunk.stored.start);
    for chunk in chunks {
        assert!(chunk.stored.start == end && chunk.stored.end <= stored);
        assert!(chunk.size <= format.chunk_size() as usize);
        end = chunk.stored.end;
    }
}
