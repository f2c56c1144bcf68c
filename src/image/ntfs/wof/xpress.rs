//! XPRESS with Huffman codes: MS-XCA, section 2.2 (decompression in 2.2.4).
//!
//! A chunk is a single block: it begins with 256 bytes, which are the lengths of the codes of 512
//! symbols, and goes on with bits. Symbols below 256 are bytes. The others are matches: four bits
//! of the symbol are the number of bits in the distance, and four are the length. A longer length
//! is stored in whole bytes, which stand between the words of the bits.

use super::bits::Bits;
use super::huffman::Code;
use super::{Flaw, repeat};

const SYMBOLS: usize = 512;

/// The codes may have at most 15 bits, as a length has four.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    code: Code<SYMBOLS>,
}

impl Decoder {
    /// Fills `content`. What is stored behind its end is not looked at.
    pub(super) fn decode(&mut self, stored: &[u8], content: &mut [u8]) -> Result<(), Flaw> {
        let (lengths, stored) = stored.split_at_checked(SYMBOLS / 2).ok_or(Flaw::Short)?;
        self.set_code(lengths)?;
        let mut bits = Bits::new(stored);
        let mut at = 0;
        while at < content.len() {
            bits.fill();
            let symbol = self.code.symbol(&mut bits)?;
            if let Ok(byte) = u8::try_from(symbol) {
                if let Some(place) = content.get_mut(at) {
                    *place = byte;
                }
                at += 1;
                continue;
            }
            bits.fill();
            let length = match_length(symbol & 15, &mut bits)?;
            let distance_bits = u32::from(symbol >> 4 & 15);
            let distance = (1_usize << distance_bits) | usize::from(bits.take_filled(distance_bits));
            repeat(content, at, distance, length)?;
            at += length;
        }
        bits.check()
    }

    fn set_code(&mut self, lengths: &[u8]) -> Result<(), Flaw> {
        let mut all = [0; SYMBOLS];
        for ([low, high], byte) in all.as_chunks_mut().0.iter_mut().zip(lengths) {
            (*low, *high) = (byte & 15, byte >> 4);
        }
        self.code.set(&all)
    }
}

/// A length of 15 goes on in a byte, a byte of 255 in two, and two of 0 in four.
fn match_length(short: u16, bits: &mut Bits<'_>) -> Result<usize, Flaw> {
    let mut length = u32::from(short);
    if short == 15 {
        let [byte] = bits.array()?;
        length += u32::from(byte);
        if byte == 255 {
            length = u16::from_le_bytes(bits.array()?).into();
            if length == 0 {
                length = u32::from_le_bytes(bits.array()?);
            }
            if length < 15 {
                return Err(Flaw::Block);
            }
        }
    }
    usize::try_from(length).ok().and_then(|length| length.checked_add(3)).ok_or(Flaw::Long)
}
