//! Canonical Huffman codes that are given by the length of each symbol's code: shorter codes come
//! first, and among codes of the same length those of smaller symbols.

use super::Flaw;
use super::bits::Bits;

/// No code is longer.
const MAX_LENGTH: usize = 16;

/// Codes of up to this many bits are looked up at once.
const FAST_BITS: usize = 10;

/// A code for at most `N` symbols.
#[derive(Debug)]
pub(super) struct Code<const N: usize> {
    /// By the next bits: the symbol and the length of its code. 0: the code is longer.
    fast: [u16; 1 << FAST_BITS],
    /// All symbols that have a code, in the order of their codes.
    symbols: [u16; N],
    /// By length: the code behind the last one of this length, moved to the upper end of 16 bits.
    limits: [u32; MAX_LENGTH + 1],
    /// By length: what turns a code into its place among the symbols.
    shifts: [u32; MAX_LENGTH + 1],
    longest: usize,
}

impl<const N: usize> Default for Code<N> {
    fn default() -> Self {
        Self {
            fast: [0; 1 << FAST_BITS],
            symbols: [0; N],
            limits: [0; MAX_LENGTH + 1],
            shifts: [0; MAX_LENGTH + 1],
            longest: 0,
        }
    }
}

impl<const N: usize> Code<N> {
    /// Takes the lengths of the codes of symbols 0, 1, and so on. A length of 0: the symbol has no
    /// code. A code must use all of its bits, or define no symbol at all.
    pub(super) fn set(&mut self, lengths: &[u8]) -> Result<(), Flaw> {
        let mut counts = [0_u32; MAX_LENGTH + 1];
        for &length in lengths {
            *counts.get_mut(usize::from(length)).ok_or(Flaw::Code)? += 1;
        }
        counts[0] = 0;
        let mut places = [0_usize; MAX_LENGTH + 2];
        let (mut code, mut place) = (0_u32, 0_u32);
        for length in 1..=MAX_LENGTH {
            code <<= 1;
            self.shifts[length] = place.wrapping_sub(code);
            code += counts[length];
            place += counts[length];
            // Checked below: more codes than this length has are no code.
            if code > 1 << length {
                return Err(Flaw::Code);
            }
            self.limits[length] = code << (MAX_LENGTH - length);
            places[length + 1] = usize::try_from(place).unwrap_or(N);
        }
        self.longest = counts.iter().rposition(|&count| count > 0).unwrap_or(0);
        if self.longest > 0 && code != 1 << MAX_LENGTH {
            return Err(Flaw::Code);
        }
        for (symbol, &length) in (0_u16..).zip(lengths).filter(|(_, length)| **length > 0) {
            let place = &mut places[usize::from(length)];
            *self.symbols.get_mut(*place).ok_or(Flaw::Code)? = symbol;
            *place += 1;
        }
        self.fill_fast(&counts);
        Ok(())
    }

    fn fill_fast(&mut self, counts: &[u32; MAX_LENGTH + 1]) {
        let mut symbols = self.symbols.iter();
        let mut free = &mut self.fast[..];
        for (length, &count) in (0_u16..).zip(counts).take(FAST_BITS + 1).skip(1) {
            for &symbol in symbols.by_ref().take(usize::try_from(count).unwrap_or(0)) {
                let entries = 1 << (FAST_BITS - usize::from(length));
                let Some((own, rest)) = std::mem::take(&mut free).split_at_mut_checked(entries) else {
                    return;
                };
                own.fill(symbol << 5 | length);
                free = rest;
            }
        }
        free.fill(0);
    }

    /// The next symbol. [`Bits::fill`] was called before.
    #[inline]
    pub(super) fn symbol(&self, bits: &mut Bits<'_>) -> Result<u16, Flaw> {
        let next = bits.peek();
        let entry = self.fast[usize::from(next >> (16 - FAST_BITS))];
        if entry != 0 {
            bits.skip(u32::from(entry & 31));
            return Ok(entry >> 5);
        }
        self.long_symbol(next, bits)
    }

    fn long_symbol(&self, next: u16, bits: &mut Bits<'_>) -> Result<u16, Flaw> {
        for length in FAST_BITS + 1..=self.longest {
            if u32::from(next) < self.limits[length] {
                let code = u32::from(next) >> (MAX_LENGTH - length);
                let place =
                    usize::try_from(code.wrapping_add(self.shifts[length])).map_err(|_| Flaw::Unused)?;
                bits.skip(u32::try_from(length).unwrap_or(0));
                return self.symbols.get(place).copied().ok_or(Flaw::Unused);
            }
        }
        Err(Flaw::Unused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a code says about these 16 bits: the symbol, and the bits that are left.
    fn decode<const N: usize>(lengths: &[u8], bits: u16) -> Result<(u16, u16), Flaw> {
        let mut code = Code::<N>::default();
        code.set(lengths)?;
        let bytes = bits.to_le_bytes();
        let mut bits = Bits::new(&bytes);
        bits.fill();
        let symbol = code.symbol(&mut bits)?;
        Ok((symbol, bits.peek()))
    }

    #[test]
    fn shorter_codes_and_smaller_symbols_come_first() {
        // Codes: symbol 2 is 0, symbol 0 is 10, symbol 1 is 110, symbol 3 is 111.
        let lengths = [2, 3, 1, 3];
        assert_eq!(decode::<4>(&lengths, 0b0111_0000_0000_0000), Ok((2, 0b1110_0000_0000_0000)));
        assert_eq!(decode::<4>(&lengths, 0b1011_0000_0000_0000), Ok((0, 0b1100_0000_0000_0000)));
        assert_eq!(decode::<4>(&lengths, 0b1101_0000_0000_0000), Ok((1, 0b1000_0000_0000_0000)));
        assert_eq!(decode::<4>(&lengths, 0b1111_0000_0000_0000), Ok((3, 0b1000_0000_0000_0000)));
    }

    #[test]
    fn codes_of_every_length_are_found() {
        // Symbol 0 has one bit, symbol 1 has two, and so on; the last two have 16.
        let mut lengths: Vec<u8> = (1..=16).collect();
        lengths.push(16);
        for (symbol, &length) in lengths.iter().enumerate() {
            let ones = !(u16::MAX.checked_shr(symbol.min(16).try_into().unwrap()).unwrap_or(0));
            let expected = (u16::try_from(symbol).unwrap(), 0);
            assert_eq!(decode::<17>(&lengths, ones), Ok(expected), "{length}");
        }
    }

    #[test]
    fn lengths_that_are_no_code_are_refused() {
        for lengths in [&[1, 1, 1][..], &[1], &[2, 2, 2], &[17, 1], &[1, 2, 2, 16]] {
            assert_eq!(decode::<4>(lengths, 0), Err(Flaw::Code), "{lengths:?}");
        }
        // No code at all is allowed until it is used.
        assert_eq!(decode::<4>(&[0; 4], 0), Err(Flaw::Unused));
    }
}
