//! LZNT1, the compression of NTFS.
//!
//! In: the clusters of a compression unit. Out: the bytes of the value. The format is that of
//! \[MS-XCA\] 2.5: chunks of 4096 bytes, each with a header of two bytes and with copies from the
//! same chunk only. A copy is 16 bits: an offset and a length. How many of the bits are the offset
//! depends on the position in the chunk.
//!
//! A chunk that stands for fewer bytes than 4096 is continued by zeros, as ntfs-3g and Linux do.
//! But bytes that no chunk stands for are not made up: a cluster of zeros would look like the mark
//! that ends a unit, and so be read as zeros.
//!
//! Every chunk is decoded into an array with room behind it, so that a copy can write 16 bytes at
//! a time and no index needs a check.

/// The bytes that a chunk stands for.
const CHUNK_SIZE: usize = 4096;

/// A chunk, and room for the bytes that a copy writes too many.
type Room = [u8; 2 * CHUNK_SIZE];

/// The bytes that a copy writes at a time.
const STEP: usize = 16;

/// Why a compression unit cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lznt1Error {
    /// A header that cannot be, at this byte of the compressed bytes.
    #[error("the chunk at compressed byte {0} has an impossible header")]
    Header(usize),
    /// A chunk reaches beyond the compressed bytes.
    #[error("the chunk at compressed byte {0} is cut off")]
    Cut(usize),
    /// What is in a chunk contradicts the format.
    #[error("the chunk at compressed byte {0} contradicts itself")]
    Chunk(usize),
}

/// Decodes chunks until `out` is full or the compressed bytes end. Returns the number of bytes that
/// were written.
pub fn decompress(compressed: &[u8], out: &mut [u8]) -> Result<usize, Lznt1Error> {
    let mut room = [0; 2 * CHUNK_SIZE];
    let mut at = 0;
    let mut written = 0;
    while written < out.len() {
        let rest = compressed.get(at..).unwrap_or_default();
        let Some((header, body)) = rest.split_first_chunk() else { break };
        let header = u16::from_le_bytes(*header);
        if header == 0 {
            break;
        }
        // Bits 12 to 14 are always 3.
        if header >> 12 & 7 != 3 {
            return Err(Lznt1Error::Header(at));
        }
        let length = usize::from(header & 0x0FFF) + 1;
        let body = body.get(..length).ok_or(Lznt1Error::Cut(at))?;
        let chunk = if header & 0x8000 == 0 {
            body
        } else {
            let length = decode(body, &mut room).ok_or(Lznt1Error::Chunk(at))?;
            room.get(..length).unwrap_or_default()
        };
        let wanted = out.get_mut(written..).unwrap_or_default();
        let taken = chunk.len().min(wanted.len());
        let whole = CHUNK_SIZE.min(wanted.len());
        wanted[..taken].copy_from_slice(&chunk[..taken]);
        wanted[taken..whole].fill(0);
        written += whole;
        at += 2 + length;
    }
    Ok(written)
}

/// The bytes that are looked at together: a byte of flags and up to 8 times two bytes.
const GROUP: usize = 32;

/// Decodes one compressed chunk. Returns its length, or `None` if it contradicts the format.
fn decode(body: &[u8], room: &mut Room) -> Option<usize> {
    let mut rest = body;
    let mut position = 0;
    while !rest.is_empty() {
        let group = load(rest);
        let available = rest.len().min(GROUP);
        if group[0] == 0 && available >= 9 && position + 8 <= CHUNK_SIZE {
            // Eight bytes that stand for themselves.
            let literal: [u8; 8] = *group[1..].first_chunk()?;
            room.get_mut(position..)?.first_chunk_mut::<8>().map(|place| *place = literal)?;
            position += 8;
            rest = rest.get(9..)?;
            continue;
        }
        let mut flags = u32::from(group[0]);
        let mut at = 1;
        for _ in 0..8 {
            if at >= available {
                break;
            }
            if flags & 1 == 0 {
                if position >= CHUNK_SIZE {
                    return None;
                }
                room[position] = group[at % GROUP];
                position += 1;
                at += 1;
            } else {
                if at + 2 > available {
                    return None;
                }
                let token = u16::from_le_bytes([group[at % GROUP], group[(at + 1) % GROUP]]);
                position = copy(room, position, token)?;
                at += 2;
            }
            flags >>= 1;
        }
        rest = rest.get(at..)?;
    }
    Some(position)
}

/// The next bytes, with zeros behind the last.
fn load(rest: &[u8]) -> [u8; GROUP] {
    if let Some(group) = rest.first_chunk() {
        return *group;
    }
    let mut group = [0; GROUP];
    group.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    group
}

/// Copies what the token says to `position`. Returns the position behind the copy.
#[inline]
fn copy(room: &mut Room, position: usize, token: u16) -> Option<usize> {
    // At positions 1 to 16 the offset has 4 bits, then one more each time that the position
    // doubles, up to 12 ([MS-XCA] 2.5.1.4).
    let farthest = position.checked_sub(1)?;
    let offset_bits = usize::BITS - (farthest | 8).leading_zeros();
    let length_bits = 16_u32.checked_sub(offset_bits)?;
    let token = usize::from(token);
    let offset = (token >> length_bits) + 1;
    let length = (token & ((1 << length_bits) - 1)) + 3;
    let end = position + length;
    if offset > position || end > CHUNK_SIZE {
        return None;
    }
    // Both are below the size of a chunk: the compiler sees that no access is out of bounds.
    let from = (position - offset) % CHUNK_SIZE;
    let to = position % CHUNK_SIZE;
    if offset >= STEP {
        let mut done = 0;
        while done < length {
            let (from, to) = ((from + done) % CHUNK_SIZE, (to + done) % CHUNK_SIZE);
            room.copy_within(from..from + STEP, to);
            done += STEP;
        }
    } else {
        repeat(room, from, to, offset, length);
    }
    Some(end)
}

/// For an offset below [`STEP`]: how many of its bytes are whole repetitions.
const WHOLE: [usize; STEP] = [16, 16, 16, 15, 16, 15, 12, 14, 16, 9, 10, 11, 12, 13, 14, 15];

/// Copies from an offset below 16: the same few bytes again and again.
#[inline]
fn repeat(room: &mut Room, from: usize, to: usize, offset: usize, length: usize) {
    let mut pattern = [0; STEP];
    for index in 0..STEP {
        pattern[index] = if index < offset { room[from + index] } else { pattern[index - offset] };
    }
    let step = WHOLE[offset % STEP];
    let mut done = 0;
    while done < length {
        let to = (to + done) % CHUNK_SIZE;
        room[to..to + STEP].copy_from_slice(&pattern);
        done += step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    /// Compression units that ntfs-3g has written, with the length and the hash of what ntfs-3g
    /// reads them as. `tests/data/ntfs/README.md` says where they are from.
    const UNITS: [(&[u8], usize, &str); 4] = [
        (
            include_bytes!("../../../tests/data/ntfs/unit-text.lznt1"),
            65536,
            "483dceb6088041a44431983837c5b50fe74491806c4f74ce4cca641132e92c27",
        ),
        (
            include_bytes!("../../../tests/data/ntfs/unit-last.lznt1"),
            3393,
            "19f36ba8ad602e653073dec33b42fca3d6c9f1627689fda055469229ebf3f26a",
        ),
        (
            include_bytes!("../../../tests/data/ntfs/unit-zeros-and-text.lznt1"),
            65536,
            "d2bd298043b090abf5b48f7bd64d06374631b91cb739b9eb10f47e1bc1f6c246",
        ),
        (
            include_bytes!("../../../tests/data/ntfs/unit-two-letters.lznt1"),
            65536,
            "6c5795303a9a3445f1996ada35cf59217ca31540ee29dcabe2a724580cc6a545",
        ),
    ];

    fn sha256(bytes: &[u8]) -> String {
        Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Decodes as the specification says it, byte by byte.
    fn slowly(compressed: &[u8], most: usize) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut rest = compressed;
        while rest.len() >= 2 && out.len() < most {
            let header = usize::from(rest[0]) | usize::from(rest[1]) << 8;
            if header == 0 {
                break;
            }
            let start = out.len();
            if header & 0x7000 != 0x3000 {
                return None;
            }
            let body = rest.get(2..header % 4096 + 3)?;
            rest = &rest[header % 4096 + 3..];
            if header < 0x8000 {
                out.extend_from_slice(body);
                out.resize(start + 4096, 0);
                continue;
            }
            let mut at = 0;
            while at < body.len() {
                let flags = body[at];
                at += 1;
                for bit in 0..8 {
                    if at == body.len() {
                        break;
                    }
                    if flags >> bit & 1 == 0 {
                        out.push(body[at]);
                        at += 1;
                    } else {
                        let token = usize::from(body[at]) + 256 * usize::from(*body.get(at + 1)?);
                        at += 2;
                        let position = out.len() - start;
                        let mut offset_bits = 4;
                        while 1 << offset_bits < position {
                            offset_bits += 1;
                        }
                        let length = token % (1 << (16 - offset_bits)) + 3;
                        let offset = (token >> (16 - offset_bits)) + 1;
                        for _ in 0..length {
                            let from = out.len().checked_sub(offset).filter(|from| *from >= start)?;
                            out.push(out[from]);
                        }
                    }
                    if out.len() > start + 4096 {
                        return None;
                    }
                }
            }
            out.resize(start + 4096, 0);
        }
        out.truncate(most);
        Some(out)
    }

    /// Compresses by taking any copy that `choose` proposes and that is right.
    fn compress(plain: &[u8], choose: &mut dyn FnMut() -> usize) -> Vec<u8> {
        let mut out = Vec::new();
        for chunk in plain.chunks(4096) {
            let mut body = Vec::new();
            let mut position = 0;
            while position < chunk.len() {
                let flags_at = body.len();
                body.push(0);
                for bit in 0..8 {
                    if position >= chunk.len() {
                        break;
                    }
                    let mut offset_bits = 4;
                    while 1 << offset_bits < position {
                        offset_bits += 1;
                    }
                    let offset = 1 + choose() % position.clamp(1, 1 << offset_bits);
                    let most = (1 << (16 - offset_bits)) + 2;
                    let is_same = |index: &usize| {
                        *index < chunk.len() && offset <= *index && chunk[*index] == chunk[*index - offset]
                    };
                    let length = (position..position + most).take_while(is_same).count();
                    if position > 0 && length >= 3 {
                        let token = (offset - 1) << (16 - offset_bits) | (length - 3);
                        body.extend_from_slice(&u16::try_from(token).unwrap().to_le_bytes());
                        body[flags_at] |= 1 << bit;
                        position += length;
                    } else {
                        body.push(chunk[position]);
                        position += 1;
                    }
                }
            }
            let (kind, body) = if body.len() < 4096 { (0xB000, body.as_slice()) } else { (0x3000, chunk) };
            out.extend_from_slice(&u16::try_from(kind | (body.len() - 1)).unwrap().to_le_bytes());
            out.extend_from_slice(body);
        }
        out
    }

    #[test]
    fn units_of_ntfs_3g_are_decoded_as_ntfs_3g_decodes_them() {
        for (compressed, length, hash) in UNITS {
            let mut out = vec![1; length];
            assert_eq!(decompress(compressed, &mut out), Ok(length));
            assert_eq!(sha256(&out), hash);
            assert_eq!(slowly(compressed, length), Some(out));
        }
    }

    #[test]
    fn a_part_of_a_unit_can_be_decoded() {
        let (compressed, length, _) = UNITS[0];
        let mut whole = vec![0; length];
        decompress(compressed, &mut whole).unwrap();
        for part in [0, 1, 4095, 4096, 4097, 20000] {
            let mut out = vec![1; part];
            assert_eq!(decompress(compressed, &mut out), Ok(part));
            assert_eq!(out, whole[..part]);
        }
    }

    #[test]
    fn what_contradicts_the_format_is_an_error() {
        let cases: [(&[u8], Lznt1Error); 7] = [
            (&[0x00, 0x10, 1], Lznt1Error::Header(0)),
            (&[0x02, 0x30, 1, 2], Lznt1Error::Cut(0)),
            // A copy at the start of a chunk has nothing to copy.
            (&[0x02, 0xB0, 1, 0, 0], Lznt1Error::Chunk(0)),
            // A copy from before the chunk.
            (&[0x03, 0xB0, 2, 9, 0, 0x10], Lznt1Error::Chunk(0)),
            // Half a copy.
            (&[0x02, 0xB0, 2, 9, 0], Lznt1Error::Chunk(0)),
            // A copy that makes the chunk longer than 4096 bytes.
            (&[0x03, 0xB0, 2, 9, 0xFE, 0x0F], Lznt1Error::Chunk(0)),
            // Another byte behind the last of the chunk.
            (&[0x04, 0xB0, 2, 9, 0xFC, 0x0F, 9], Lznt1Error::Chunk(0)),
        ];
        for (compressed, error) in cases {
            assert_eq!(decompress(compressed, &mut [0; 8192]), Err(error), "{compressed:?}");
        }
        // The longest copy that fits.
        assert_eq!(decompress(&[0x03, 0xB0, 2, 9, 0xFC, 0x0F], &mut [0; 8192]), Ok(4096));
    }

    #[test]
    fn a_short_chunk_is_continued_by_zeros() {
        let mut out = vec![1; 4100];
        assert_eq!(decompress(&[0x01, 0x30, 7, 8, 0x02, 0xB0, 0, 3, 4, 0, 0], &mut out), Ok(4100));
        let expected = [&[7, 8][..], &[0; 4094], &[3, 4, 0, 0]].concat();
        assert_eq!(out, expected);
    }

    #[test]
    fn bytes_that_no_chunk_stands_for_are_not_made_up() {
        let mut out = [1; 5000];
        assert_eq!(decompress(&[0x01, 0x30, 7, 8, 0, 0, 9, 9], &mut out), Ok(4096));
        assert_eq!(decompress(&[0; 512], &mut out), Ok(0));
        assert_eq!(decompress(&[], &mut out), Ok(0));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_decoded_as_the_slow_decoder_does(
            body in proptest::collection::vec(any::<u8>(), 1..4000),
            few in proptest::collection::vec(0_u8..4, 0..400),
            most in 0_usize..10000,
        ) {
            for body in [&body, &few] {
                let header = u16::try_from(0xB000 | body.len().saturating_sub(1)).unwrap().to_le_bytes();
                let compressed = [&header, body.as_slice(), &[0, 0]].concat();
                let mut out = vec![0; most];
                let got = decompress(&compressed, &mut out);
                let expected = if most == 0 { Some(Vec::new()) } else { slowly(&compressed, most) };
                prop_assert_eq!(got.ok().map(|got| out[..got].to_vec()), expected);
                let _ = decompress(body, &mut out);
            }
        }

        #[test]
        fn what_is_compressed_is_decoded(
            letters in proptest::collection::vec(0_u8..3, 0..9000),
            period in 1_usize..40,
            seed in any::<u64>(),
        ) {
            let mut state = seed | 1;
            let mut choose = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                usize::try_from(state >> 40).unwrap()
            };
            let repeated: Vec<u8> = letters.iter().take(period).cycle().take(letters.len()).copied().collect();
            for plain in [&letters, &repeated] {
                let compressed = compress(plain, &mut choose);
                let mut out = vec![9; plain.len()];
                prop_assert_eq!(decompress(&compressed, &mut out), Ok(plain.len()));
                prop_assert_eq!(&out, plain);
            }
        }
    }
}
