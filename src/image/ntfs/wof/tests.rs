//! What wimlib has compressed, what the specifications allow besides, and damage.

use proptest::prelude::*;

use super::*;

/// What `fixtures/images/wof.c` writes for one file.
struct Record {
    format: Format,
    content: Vec<u8>,
    stored: Vec<u8>,
}

fn records() -> Vec<Record> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/images/wof.zst");
    let all = zstd::decode_all(std::fs::File::open(file).unwrap()).unwrap();
    let mut rest = &all[..];
    let mut records = Vec::new();
    while let Some((numbers, bytes)) = rest.split_first_chunk::<12>() {
        let number = |at: usize| u32::from_le_bytes(numbers[at..at + 4].try_into().unwrap());
        let (content, bytes) = bytes.split_at(number(4) as usize);
        let (stored, bytes) = bytes.split_at(number(8) as usize);
        let format = Format::from_number(number(0)).unwrap();
        records.push(Record { format, content: content.to_owned(), stored: stored.to_owned() });
        rest = bytes;
    }
    records
}

impl Record {
    /// All chunks: the stored bytes and the content of each.
    fn chunks(&self) -> Vec<(&[u8], &[u8])> {
        let layout = Layout::new(self.format, self.content.len() as u64, self.stored.len() as u64).unwrap();
        let range = |range: Range<u64>| {
            &self.stored[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()]
        };
        let table = range(layout.table_range(0, layout.chunks()));
        let chunks = layout.chunks_of(0, layout.chunks(), table).unwrap();
        let contents = self.content.chunks(self.format.chunk_size() as usize);
        chunks.into_iter().zip(contents).map(|(chunk, content)| (range(chunk.stored), content)).collect()
    }
}

fn decode(format: Format, stored: &[u8], size: usize) -> Result<Vec<u8>, Error> {
    let mut content = vec![0xaa; size];
    Decoder::new(format).decode(0, stored, &mut content).map(|()| content)
}

#[test]
fn every_chunk_that_wimlib_compressed_has_its_content_again() {
    let (mut whole, mut blocks) = (0, [0; 8]);
    for record in records() {
        // One decoder for all chunks: nothing of the one before may be left.
        let mut decoder = Decoder::new(record.format);
        for (index, (stored, content)) in (0..).zip(record.chunks()) {
            let mut decoded = vec![0xaa; content.len()];
            decoder.decode(index, stored, &mut decoded).unwrap();
            assert!(decoded == content, "{:?}, {} bytes, chunk {index}", record.format, record.content.len());
            if stored.len() == content.len() {
                whole += 1;
            } else if record.format == Format::Lzx {
                blocks[usize::from(stored[1] >> 5)] += 1;
            }
        }
    }
    // The fixture has what it is there for.
    assert!(whole > 10 && blocks[1] > 5 && blocks[2] > 0, "{whole} {blocks:?}");
}

#[test]
fn a_chunk_that_is_cut_off_is_damaged() {
    for record in records() {
        for (stored, content) in record.chunks() {
            if stored.len() == content.len() {
                continue;
            }
            for length in [0, 1, 100, stored.len() / 2, stored.len() - 8] {
                let cut = &stored[..length.min(stored.len() - 8)];
                let error = decode(record.format, cut, content.len()).unwrap_err().to_string();
                assert!(error.starts_with("chunk 0 is damaged ("), "{error}");
            }
        }
    }
}

#[test]
fn a_damaged_chunk_is_named() {
    let mut content = vec![0; 4096];
    let error = Decoder::new(Format::Xpress4K).decode(7, &[0; 300], &mut content).unwrap_err();
    assert_eq!(
        error.to_string(),
        "chunk 7 is damaged (XPRESS): it uses a Huffman code that it does not define"
    );
    let error = Decoder::new(Format::Lzx).decode(8, &[0; 300], &mut content).unwrap_err();
    assert_eq!(
        error.to_string(),
        "chunk 8 is damaged (LZX): it has a block of an unknown kind, or of an impossible size"
    );
    assert!(matches!(error, Error::Damaged(_)));
}

/// Collects bits into words, the highest bit first.
#[derive(Default)]
struct Words {
    bytes: Vec<u8>,
    word: u32,
    count: u32,
}

impl Words {
    fn put(&mut self, bits: u32, number: u32) {
        for bit in (0..bits).rev() {
            self.word = self.word << 1 | (number >> bit & 1);
            self.count += 1;
            if self.count == 16 {
                self.bytes.extend_from_slice(&self.word.to_le_bytes()[..2]);
                (self.word, self.count) = (0, 0);
            }
        }
    }

    /// Zeros up to the end of the word, or a whole word of zeros.
    fn align(&mut self) {
        self.put(16 - self.count, 0);
    }
}

fn uncompressed_block(words: &mut Words, content: &[u8], recent: [u32; 3]) {
    words.put(3, 3);
    words.put(1, 0);
    words.put(16, u32::try_from(<[u8]>::len(content)).unwrap());
    words.align();
    recent.iter().for_each(|distance| words.bytes.extend(distance.to_le_bytes()));
    words.bytes.extend(content);
    if words.bytes.len() % 2 == 1 {
        words.bytes.push(0);
    }
}

#[test]
fn an_uncompressed_block_of_lzx_is_copied_and_sets_the_recent_distances() {
    let mut words = Words::default();
    uncompressed_block(&mut words, b"abcdefg", [1, 1, 1]);
    uncompressed_block(&mut words, b"hi", [5, 4, 3]);
    // A verbatim block of 4 bytes: two matches of two bytes, at the second of the recent distances.
    words.put(3, 1);
    words.put(1, 0);
    words.put(16, 4);
    // Lengths of the main codes: none for bytes, one bit each for the symbols 256 and 264, that is
    // slots 0 and 1 with the shortest length. The code for lengths: 0 is 00, 16 is 01, 18 is 10,
    // 17 is 11; 16 makes a length of 0 one of 1.
    let pre = |words: &mut Words| {
        (0..20).for_each(|symbol| words.put(4, if [0, 16, 17, 18].contains(&symbol) { 2 } else { 0 }));
    };
    // In the order of symbols, the codes are: 0, 16, 17, 18.
    let zeros = |words: &mut Words, mut count: u32| {
        while count > 0 {
            let run = if count >= 20 { count.min(51) } else { 1 };
            if run > 1 {
                words.put(2, 3);
                words.put(5, run - 20);
            } else {
                words.put(2, 0);
            }
            count -= run;
        }
    };
    pre(&mut words);
    zeros(&mut words, 256);
    pre(&mut words);
    words.put(2, 1);
    zeros(&mut words, 7);
    words.put(2, 1);
    zeros(&mut words, 240 - 9);
    pre(&mut words);
    zeros(&mut words, 249);
    words.put(1, 1);
    words.put(1, 1);
    words.align();
    // The first match uses distance 4 and makes it the latest; the second one uses 5 again.
    assert_eq!(decode(Format::Lzx, &words.bytes, 13).unwrap(), b"abcdefghifggh");
}

#[test]
fn an_uncompressed_block_that_begins_at_a_word_skips_a_whole_one() {
    // A header has 20 bits or 4. After 12 of them in blocks of 4, the next word would begin; the
    // only way to get there is a size of 32768 bytes, and nothing fits behind it. So this is about
    // the bits alone: see `bits`.
    let mut words = Words::default();
    words.put(3, 3);
    words.put(1, 1);
    words.align();
    (0..3).for_each(|_| words.bytes.extend(1_u32.to_le_bytes()));
    let content: Vec<u8> = (0..32768_u32).map(|at| (at % 251).to_le_bytes()[0]).collect();
    words.bytes.extend(&content);
    assert_eq!(decode(Format::Lzx, &words.bytes, 32768).unwrap(), content);
    // A byte less, and it is cut off; and the size of the block must fit into the chunk.
    assert!(decode(Format::Lzx, &words.bytes[..words.bytes.len() - 1], 32768).is_err());
    assert!(decode(Format::Lzx, &words.bytes, 32767).is_err());
}

/// A chunk of XPRESS: the byte `a`, and a match of the longest symbol (length 15, distance 1) whose
/// length goes on in these bytes.
fn long_match(length: &[u8]) -> Vec<u8> {
    let mut stored = vec![0; 256];
    // One bit for `a` (0), one for symbol 0x10f (1).
    stored[usize::from(b'a') / 2] = 0x10;
    stored[0x10f / 2] = 0x10;
    let mut words = Words::default();
    words.put(2, 0b01);
    words.align();
    words.align();
    stored.extend(words.bytes);
    stored.extend(length);
    stored
}

#[test]
fn the_length_of_a_match_goes_on_as_the_specification_says() {
    let cases: [(&[u8], usize); 5] = [
        (&[0], 15 + 3),
        (&[254], 15 + 254 + 3),
        (&[255, 0x0f, 0x01], 0x10f + 3),
        (&[255, 0xff, 0x0f], 0xfff - 3 + 3 + 3),
        (&[255, 0, 0, 0x00, 0x02, 0, 0], 0x200 + 3),
    ];
    for (bytes, length) in cases {
        let size = (1 + length).min(4096);
        let decoded = decode(Format::Xpress4K, &long_match(bytes), size);
        if size == 1 + length {
            assert_eq!(decoded.unwrap(), vec![b'a'; size], "{bytes:?}");
        } else {
            assert!(decoded.unwrap_err().to_string().contains("longer than its content"), "{bytes:?}");
        }
    }
    for bytes in [&[255, 14, 0][..], &[255, 0, 0, 14, 0, 0, 0], &[255, 0], &[]] {
        assert!(decode(Format::Xpress4K, &long_match(bytes), 4096).is_err(), "{bytes:?}");
    }
}

#[test]
fn chunks_are_where_the_table_says() {
    // Three chunks: 100 bytes, 4096 bytes as they are, and one byte.
    let layout = Layout::new(Format::Xpress4K, 8193, 8 + 100 + 4096 + 1).unwrap();
    assert_eq!((layout.chunks(), layout.table_range(0, 3)), (3, 0..8));
    let table: Vec<u8> = [100_u32, 4196].iter().flat_map(|end| end.to_le_bytes()).collect();
    let all = layout.chunks_of(0, u64::MAX, &table).unwrap();
    let chunk = |stored: Range<u64>, size: usize| Chunk { stored, size };
    assert_eq!(all, [chunk(8..108, 4096), chunk(108..4204, 4096), chunk(4204..4205, 1)]);
    // Any part of the table says the same about its chunks.
    for first in 0..4 {
        for count in 0..4 {
            let range = layout.table_range(first, count);
            let part = &table[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()];
            let chunks = layout.chunks_of(first, count, part).unwrap();
            let (first, count) = (usize::try_from(first).unwrap(), usize::try_from(count).unwrap());
            assert_eq!(chunks, all[first.min(3)..(first + count).min(3)], "{first} {count}");
        }
    }
}

#[test]
fn a_file_of_4_gib_has_entries_of_8_bytes() {
    let chunks = 1 << 20;
    let small = Layout::new(Format::Xpress4K, u64::from(u32::MAX), 4 * (chunks - 1) + chunks).unwrap();
    assert_eq!(
        (small.chunks(), small.table_range(chunks - 2, 5)),
        (chunks, 4 * (chunks - 3)..4 * (chunks - 1))
    );
    let large = Layout::new(Format::Xpress4K, 1 << 32, 1 << 33).unwrap();
    assert_eq!((large.chunks(), large.table_range(1, 1)), (chunks, 0..16));
    let table: Vec<u8> = [7_u64, 9].iter().flat_map(|end| end.to_le_bytes()).collect();
    let found = large.chunks_of(1, 1, &table).unwrap();
    assert_eq!(found, [Chunk { stored: 8 * (chunks - 1) + 7..8 * (chunks - 1) + 9, size: 4096 }]);
}

#[test]
fn a_table_that_cannot_be_right_is_damage() {
    let layout = Layout::new(Format::Xpress4K, 8193, 300).unwrap();
    let cases = [
        ([0, 10], 0, "an empty chunk"),
        ([10, 10], 1, "an empty chunk"),
        ([10, 9], 1, "a chunk that ends before it begins"),
        ([10, 292], 2, "the last chunk is empty"),
        ([10, 290], 2, "the last chunk has more than its content"),
        ([10, 293], 1, "a chunk behind the stream"),
        ([10, u32::MAX], 1, "a chunk behind the stream"),
    ];
    for (ends, bad, why) in cases {
        let table: Vec<u8> = ends.iter().flat_map(|end: &u32| end.to_le_bytes()).collect();
        let error = layout.chunks_of(0, 3, &table).unwrap_err().to_string();
        assert!(error.ends_with(&format!("about chunk {bad}")), "{why}: {error}");
    }
    assert!(layout.chunks_of(0, 3, &[0; 7]).is_err());
    // More chunks than the stream has bytes for: refused before a table is read by their number.
    for (size, stored) in [(u64::MAX, 1 << 40), (8193, 10), (1, 0)] {
        assert!(Layout::new(Format::Lzx, size, stored).is_err() || (size, stored) == (8193, 10));
        assert!(Layout::new(Format::Xpress4K, size, stored).is_err());
    }
    let empty = Layout::new(Format::Lzx, 0, 0).unwrap();
    assert_eq!((empty.chunks(), empty.chunks_of(0, 1, &[]).unwrap().len()), (0, 0));
}

proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic(
        stored in prop::collection::vec(any::<u8>(), 0..600),
        size in 0_usize..40000,
        number in 0_u32..4,
    ) {
        let _ = decode(Format::from_number(number).unwrap(), &stored, size);
    }

    #[test]
    fn no_change_of_a_chunk_makes_a_decoder_panic(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let records = records();
        let record = &records[which.index(records.len())];
        for (stored, content) in record.chunks() {
            let mut stored = stored.to_owned();
            for (at, byte) in &changes {
                let at = at.index(stored.len());
                stored[at] = *byte;
            }
            let _ = decode(record.format, &stored, content.len());
        }
    }
}
