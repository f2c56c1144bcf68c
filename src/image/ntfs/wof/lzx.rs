//! LZX as in a WIM: a window of 32 KiB, and each chunk decoded by itself.
//!
//! The compression is the one that Microsoft describes in "LZX DELTA Compression and Decompression"
//! (MS-PATCH, section 2) and, for cabinets, in "Microsoft LZX Data Compression Format". A WIM
//! differs: a block has a bit for the usual size of 32768 bytes and otherwise 16 bits of size, no
//! header comes first, and the targets of x86 calls are always translated, as in a file of
//! 12,000,000 bytes.
//!
//! A chunk consists of blocks. A block is verbatim (1), aligned (2: the lowest three bits of large
//! distances have a Huffman code of their own) or uncompressed (3). The lengths of the codes are
//! stored as differences to those of the block before.

use super::bits::Bits;
use super::huffman::Code;
use super::{Flaw, repeat};

/// A window of 32 KiB has this many slots for distances.
const SLOTS: usize = 30;

/// 256 bytes, and 8 short lengths for each slot.
const MAIN_SYMBOLS: usize = 256 + 8 * SLOTS;
const LENGTH_SYMBOLS: usize = 249;
const ALIGNED_SYMBOLS: usize = 8;
const PRE_SYMBOLS: usize = 20;

/// The size of a block whose size is not stored.
const BLOCK_SIZE: usize = 32768;

/// For the translation of calls, every file counts as this long.
const FILE_SIZE: i32 = 12_000_000;

/// Calls in the last bytes of a chunk are not translated.
const UNTRANSLATED: usize = 10;

/// The first distance of each slot, increased by 2, and how many bits follow.
const DISTANCES: [(u32, u32); SLOTS] = distances();

const fn distances() -> [(u32, u32); SLOTS] {
    let mut slots = [(0, 0); SLOTS];
    let (mut slot, mut first, mut bits) = (0, 0, 0);
    while slot < SLOTS {
        // From slot 4 on, two slots each have one bit more.
        if slot >= 4 && slot % 2 == 0 {
            bits += 1;
        }
        slots[slot] = (first, bits);
        first += 1 << bits;
        slot += 1;
    }
    slots
}

#[derive(Debug)]
pub(super) struct Decoder {
    main_lengths: [u8; MAIN_SYMBOLS],
    length_lengths: [u8; LENGTH_SYMBOLS],
    pre: Code<PRE_SYMBOLS>,
    main: Code<MAIN_SYMBOLS>,
    length: Code<LENGTH_SYMBOLS>,
    aligned: Code<ALIGNED_SYMBOLS>,
    /// The last three distances, the latest first.
    recent: [u32; 3],
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            main_lengths: [0; MAIN_SYMBOLS],
            length_lengths: [0; LENGTH_SYMBOLS],
            pre: Code::default(),
            main: Code::default(),
            length: Code::default(),
            aligned: Code::default(),
            recent: [1; 3],
        }
    }
}

impl Decoder {
    /// Fills `content`. What is stored behind its end is not looked at.
    pub(super) fn decode(&mut self, stored: &[u8], content: &mut [u8]) -> Result<(), Flaw> {
        self.main_lengths.fill(0);
        self.length_lengths.fill(0);
        self.recent = [1; 3];
        let mut bits = Bits::new(stored);
        let mut at = 0;
        while at < content.len() {
            let kind = bits.take(3);
            let size = if bits.take(1) == 1 { BLOCK_SIZE } else { usize::from(bits.take(16)) };
            let end = at + size;
            if size == 0 || end > content.len() {
                return Err(Flaw::Block);
            }
            match kind {
                1 | 2 => {
                    self.read_codes(&mut bits, kind == 2)?;
                    self.decode_block(&mut bits, content.get_mut(..end).unwrap_or_default(), at, kind == 2)?;
                }
                3 => {
                    let block = content.get_mut(at..end).unwrap_or_default();
                    self.copy_block(&mut bits, block)?;
                }
                _ => return Err(Flaw::Block),
            }
            bits.check()?;
            at = end;
        }
        translate_calls(content);
        Ok(())
    }

    /// An uncompressed block: the recent distances, its bytes, and one more if their number is odd.
    fn copy_block(&mut self, bits: &mut Bits<'_>, block: &mut [u8]) -> Result<(), Flaw> {
        bits.align()?;
        for distance in &mut self.recent {
            *distance = u32::from_le_bytes(bits.array()?);
        }
        block.copy_from_slice(bits.slice(block.len())?);
        if !block.len().is_multiple_of(2) {
            // The last block of a chunk may end without it.
            let _ = bits.array::<1>();
        }
        Ok(())
    }

    fn read_codes(&mut self, bits: &mut Bits<'_>, is_aligned: bool) -> Result<(), Flaw> {
        if is_aligned {
            let lengths: [u8; ALIGNED_SYMBOLS] = std::array::from_fn(|_| small(bits.take(3)));
            self.aligned.set(&lengths)?;
        }
        let (bytes, matches) = self.main_lengths.split_at_mut(256);
        read_lengths(bits, &mut self.pre, bytes)?;
        read_lengths(bits, &mut self.pre, matches)?;
        self.main.set(&self.main_lengths)?;
        read_lengths(bits, &mut self.pre, &mut self.length_lengths)?;
        self.length.set(&self.length_lengths)
    }

    /// Decodes up to the end of `content`, which is the end of the block.
    fn decode_block(
        &mut self,
        bits: &mut Bits<'_>,
        content: &mut [u8],
        mut at: usize,
        is_aligned: bool,
    ) -> Result<(), Flaw> {
        while at < content.len() {
            bits.fill();
            let symbol = self.main.symbol(bits)?;
            if let Ok(byte) = u8::try_from(symbol) {
                if let Some(place) = content.get_mut(at) {
                    *place = byte;
                }
                at += 1;
                continue;
            }
            let (slot, short) = ((symbol - 256) >> 3, symbol & 7);
            let mut length = usize::from(short) + 2;
            if short == 7 {
                bits.fill();
                length += usize::from(self.length.symbol(bits)?);
            }
            let distance = self.distance(bits, usize::from(slot), is_aligned)?;
            repeat(content, at, usize::try_from(distance).unwrap_or(usize::MAX), length)?;
            at += length;
        }
        Ok(())
    }

    /// The first three slots are the recent distances: the one that is used becomes the latest, and
    /// takes the place of what was the latest. Any other one moves them on.
    fn distance(&mut self, bits: &mut Bits<'_>, slot: usize, is_aligned: bool) -> Result<u32, Flaw> {
        if let Some(&distance) = self.recent.get(slot) {
            self.recent.swap(0, slot);
            return Ok(distance);
        }
        let (first, extra) = DISTANCES.get(slot).copied().unwrap_or_default();
        bits.fill();
        let more = if is_aligned && extra >= 3 {
            let high = u32::from(bits.take_filled(extra - 3)) << 3;
            bits.fill();
            high | u32::from(self.aligned.symbol(bits)?)
        } else {
            bits.take_filled(extra).into()
        };
        // From slot 3 on, the first distance is 3 at least.
        let distance = (first + more).saturating_sub(2);
        self.recent = [distance, self.recent[0], self.recent[1]];
        Ok(distance)
    }
}

/// Numbers of at most eight bits.
fn small(bits: u16) -> u8 {
    u8::try_from(bits).unwrap_or(u8::MAX)
}

/// Reads lengths of codes. Each is stored as its difference to the length in the block before, by a
/// code of its own; runs of the same length are stored once.
fn read_lengths(bits: &mut Bits<'_>, pre: &mut Code<PRE_SYMBOLS>, lengths: &mut [u8]) -> Result<(), Flaw> {
    let pre_lengths: [u8; PRE_SYMBOLS] = std::array::from_fn(|_| small(bits.take(4)));
    pre.set(&pre_lengths)?;
    let mut at = 0;
    while let Some(&before) = lengths.get(at) {
        bits.fill();
        let symbol = pre.symbol(bits)?;
        let (run, length) = match symbol {
            17 => (4 + bits.take(4), 0),
            18 => (20 + bits.take(5), 0),
            19 => {
                let run = 4 + bits.take(1);
                bits.fill();
                (run, changed(before, pre.symbol(bits)?)?)
            }
            _ => (1, changed(before, symbol)?),
        };
        let end = at + usize::from(run);
        lengths.get_mut(at..end).ok_or(Flaw::Code)?.fill(length);
        at = end;
    }
    bits.check()
}

/// A length that is smaller by `difference` than the one before, modulo 17.
fn changed(before: u8, difference: u16) -> Result<u8, Flaw> {
    let difference =
        u8::try_from(difference).ok().filter(|&difference| difference <= 16).ok_or(Flaw::Code)?;
    Ok((before + 17 - difference) % 17)
}

/// The compressor has replaced the target of every x86 call (0xE8) that it found, relative to the
/// call, by the place in the chunk that it leads to. This reverses it.
fn translate_calls(content: &mut [u8]) {
    let end = content.len().saturating_sub(UNTRANSLATED);
    let mut at = 0;
    while let Some(found) = content.get(at..end).and_then(|rest| rest.iter().position(|&byte| byte == 0xe8)) {
        at += found;
        // A chunk has 32 KiB at most.
        let place = i32::try_from(at).unwrap_or(i32::MAX);
        let Some(target) = content.get_mut(at + 1..).and_then(|rest| rest.first_chunk_mut()) else { return };
        let absolute = i32::from_le_bytes(*target);
        if (0..FILE_SIZE).contains(&absolute) {
            *target = (absolute - place).to_le_bytes();
        } else if (-place..0).contains(&absolute) {
            *target = (absolute + FILE_SIZE).to_le_bytes();
        }
        at += 5;
    }
}
