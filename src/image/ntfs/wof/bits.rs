//! Bits, as both compressions store them: in little-endian words of 16 bits, the highest bit first.

use super::Flaw;

/// Reads bits from the front, and whole bytes from where the next word would be.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// Where the next word or byte is.
    next: usize,
    /// The next bits, at the upper end.
    buffer: u64,
    /// How many bits of `buffer` count.
    count: u32,
    /// How many of those are zeros behind the end. They may be looked at, but not used.
    beyond: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, next: 0, buffer: 0, count: 0, beyond: 0 }
    }

    /// Takes words until at least 16 bits are there. Which word a byte comes behind depends on this
    /// number: XPRESS counts on it.
    #[inline]
    pub(super) fn fill(&mut self) {
        while self.count < 16 {
            self.take_word();
        }
    }

    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.next..).unwrap_or_default()
    }

    #[inline]
    fn take_word(&mut self) {
        let word = match self.rest().first_chunk() {
            Some(word) => u16::from_le_bytes(*word),
            None => {
                self.beyond += 16;
                0
            }
        };
        self.next += 2;
        // Fewer than 48 bits are there.
        self.buffer |= u64::from(word) << (48 - self.count);
        self.count += 16;
    }

    /// The next 16 bits. [`Self::fill`] was called before.
    #[inline]
    pub(super) fn peek(&self) -> u16 {
        let [high, low, ..] = self.buffer.to_be_bytes();
        u16::from_be_bytes([high, low])
    }

    /// Skips bits that were looked at: 16 at most.
    #[inline]
    pub(super) fn skip(&mut self, bits: u32) {
        self.buffer <<= bits;
        self.count = self.count.saturating_sub(bits);
    }

    /// The next `bits` bits as a number: 16 at most. [`Self::fill`] was called before.
    #[inline]
    pub(super) fn take_filled(&mut self, bits: u32) -> u16 {
        let number = u32::from(self.peek()) >> 16_u32.saturating_sub(bits);
        self.skip(bits);
        // Shifted out of 16 bits.
        u16::try_from(number).unwrap_or(0)
    }

    /// The next `bits` bits as a number: 16 at most.
    #[inline]
    pub(super) fn take(&mut self, bits: u32) -> u16 {
        self.fill();
        self.take_filled(bits)
    }

    /// Whether bits were used that are not there.
    #[inline]
    pub(super) fn check(&self) -> Result<(), Flaw> {
        if self.beyond > self.count { Err(Flaw::Short) } else { Ok(()) }
    }

    /// The next `N` bytes behind the words that were taken.
    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        let bytes = self.rest().first_chunk().ok_or(Flaw::Short)?;
        self.next += N;
        Ok(*bytes)
    }

    /// The next `length` bytes behind the words that were taken.
    pub(super) fn slice(&mut self, length: usize) -> Result<&'a [u8], Flaw> {
        let bytes = self.rest().get(..length).ok_or(Flaw::Short)?;
        self.next += length;
        Ok(bytes)
    }

    /// Goes on behind the word of the last bit that was used. If that was the last of its word,
    /// the next word is skipped as well.
    pub(super) fn align(&mut self) -> Result<(), Flaw> {
        self.check()?;
        if self.count.is_multiple_of(16) {
            self.fill();
            self.skip(16);
            self.check()?;
        }
        // Words that were taken ahead are given back. Those beyond the end are not there again.
        let ahead = usize::try_from(self.count / 16).unwrap_or(0);
        self.next = self.next.saturating_sub(2 * ahead);
        (self.buffer, self.count, self.beyond) = (0, 0, 0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_from_the_upper_end_of_words() {
        let mut bits = Bits::new(&[0x34, 0x12, 0x78, 0x56, 0x9a]);
        assert_eq!(bits.take(4), 1);
        assert_eq!(bits.take(12), 0x234);
        assert_eq!(bits.take(0), 0);
        assert_eq!(bits.take(16), 0x5678);
        assert_eq!(bits.check(), Ok(()));
        // A single byte is no word.
        assert_eq!(bits.take(1), 0);
        assert_eq!(bits.check(), Err(Flaw::Short));
    }

    #[test]
    fn after_an_alignment_the_next_byte_is_that_behind_the_current_word() {
        let bytes = [1, 0, 2, 0, 3, 0, 4, 0];
        for (used, expected) in [(0, 2), (1, 2), (15, 2), (16, 4), (17, 4), (31, 4), (32, 6)] {
            let mut bits = Bits::new(&bytes);
            for _ in 0..used {
                bits.take(1);
            }
            bits.align().unwrap();
            assert_eq!(bits.slice(bytes.len() - expected).unwrap(), &bytes[expected..], "{used}");
            assert_eq!(bits.array::<1>(), Err(Flaw::Short));
        }
        let mut bits = Bits::new(&bytes[..2]);
        bits.take(16);
        assert_eq!(bits.align(), Err(Flaw::Short));
    }
}
