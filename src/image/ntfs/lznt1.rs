//! LZNT1, the compression of NTFS.
//!
//! In: the clusters of a compression unit. Out: the bytes of the value. The format is that of
//! \[MS-XCA\] 2.5: chunks of 4096 bytes, each with a header of two bytes and with copies from the
//! same chunk only. A copy is 16 bits: an offset and a length. How many of the bits are the offset
//! depends on the position in the chunk.
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
    /// A chunk stands for fewer bytes than 4096, but another follows.
    #[error("the chunk at compressed byte {0} is too short")]
    Short(usize),
}

/// Decodes chunks until `out` is full or the compressed bytes end. Returns the number of bytes that
/// were written.
pub fn decompress(compressed: &[u8], out: &mut [u8]) -> Result<usize, Lznt1Error> {
    let mut room = [0; 2 * CHUNK_SIZE];
    let mut at = 0;
    let mut written = 0;
    let mut last = CHUNK_SIZE;
    while written < out.len() {
        let rest = compressed.get(at..).unwrap_or_default();
        let Some((header, body)) = rest.split_first_chunk() else { break };
        let header = u16::from_le_bytes(*header);
        if header == 0 {
            break;
        }
        if last < CHUNK_SIZE {
            return Err(Lznt1Error::Short(at));
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
        wanted[..taken].copy_from_slice(&chunk[..taken]);
        written += taken;
        last = chunk.len();
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
