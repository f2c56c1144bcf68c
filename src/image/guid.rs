//! Identifiers of 128 bits, as Windows and GPT store and print them.

use std::fmt;

use super::fields::array;

/// A GUID in its stored form: the first three of its five numbers are little-endian (UEFI
/// specification, appendix A).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid(pub [u8; 16]);

impl Guid {
    /// "No value" in every field that holds a GUID. In a table, it marks what is unused.
    pub(super) const ZERO: Self = Self([0; 16]);

    /// From the number that one gets by leaving out the hyphens of the printed form.
    pub(super) const fn from_digits(digits: u128) -> Self {
        let [a, b, c, d, e, f, g, h, rest @ ..] = digits.to_be_bytes();
        let [i, j, k, l, m, n, o, p] = rest;
        Self([d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p])
    }

    /// The GUID that is stored at an offset.
    pub(super) fn at(bytes: &[u8], at: usize) -> Option<Self> {
        array(bytes, at).map(Self)
    }

    /// Reads the printed form, without braces, in capitals or not:
    /// `9b9cfbc4-369e-11e9-a17c-806e6f6e6963`.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: &[u8; 36] = text.as_bytes().try_into().ok()?;
        let mut digits = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            match at {
                8 | 13 | 18 | 23 if byte == b'-' => {}
                8 | 13 | 18 | 23 => return None,
                _ => digits = digits << 4 | u128::from(char::from(byte).to_digit(16)?),
            }
        }
        Some(Self::from_digits(digits))
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f, g, h, i, j, rest @ ..] = self.0;
        write!(out, "{:08x}-", u32::from_le_bytes([a, b, c, d]))?;
        write!(out, "{:04x}-{:04x}-", u16::from_le_bytes([e, f]), u16::from_le_bytes([g, h]))?;
        write!(out, "{i:02x}{j:02x}-")?;
        rest.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_form_is_the_one_of_windows() {
        let stored = Guid([
            0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0x00, 0x42, 0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08,
        ]);
        assert_eq!(stored.to_string(), "2dc27766-f623-4200-9d64-115e9bfd4a08");
        assert_eq!(Guid::parse("2DC27766-F623-4200-9D64-115E9BFD4A08"), Some(stored));
        assert_eq!(Guid::parse("2dc27766-f623-4200-9d64-115e9bfd4a08"), Some(stored));
        assert_eq!(Guid::from_digits(0x2dc27766_f623_4200_9d64_115e9bfd4a08), stored);
    }

    #[test]
    fn what_is_no_guid_is_refused() {
        for text in [
            "",
            "{}",
            "{2DC27766-F623-4200-9D64-115E9BFD4A08}",
            "2DC27766-F623-4200-9D64-115E9BFD4A0",
            "2DC27766F62342009D64115E9BFD4A08",
            "2DC27766_F623-4200-9D64-115E9BFD4A08",
            "2DC27766-F623-4200-9D64-115E9BFD4A0g",
            "2DC27766-F623-4200-9D64-115E9BFD4A0800",
            "+DC27766-F623-4200-9D64-115E9BFD4A08",
        ] {
            assert_eq!(Guid::parse(text), None, "{text}");
        }
    }
}
