//! Identifiers of 128 bits, as Windows stores and prints them.

use std::fmt;

use crate::image::fields::array;

/// A GUID in its stored form: the first three of its five numbers are little-endian.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Guid(pub(super) [u8; 16]);

/// Where the bytes of the printed form are stored, and where the printed form has its dashes.
const PRINTED: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
const DASH_BEFORE: [usize; 4] = [4, 6, 8, 10];

impl Guid {
    /// "No value" in every field that holds a GUID.
    pub(super) const ZERO: Self = Self([0; 16]);

    pub(super) fn at(bytes: &[u8], at: usize) -> Option<Self> {
        array(bytes, at).map(Self)
    }

    /// Reads the printed form, in braces or not, in capitals or not.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
        let mut digits = inner.chars().filter(|&each| each != '-').map(|each| each.to_digit(16));
        let mut guid = Self::ZERO;
        for place in PRINTED {
            let high = digits.next()??;
            let low = digits.next()??;
            *guid.0.get_mut(place)? = u8::try_from(high * 16 + low).ok()?;
        }
        let is_whole = digits.next().is_none() && guid.to_string().eq_ignore_ascii_case(inner);
        is_whole.then_some(guid)
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, place) in PRINTED.into_iter().enumerate() {
            if DASH_BEFORE.contains(&index) {
                out.write_str("-")?;
            }
            write!(out, "{:02x}", self.0.get(place).copied().unwrap_or_default())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{{{self}}}")
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
        assert_eq!(Guid::parse("{2DC27766-F623-4200-9D64-115E9BFD4A08}"), Some(stored));
        assert_eq!(Guid::parse("2dc27766-f623-4200-9d64-115e9bfd4a08"), Some(stored));
    }

    #[test]
    fn what_is_no_guid_is_refused() {
        for text in [
            "",
            "{}",
            "{2DC27766-F623-4200-9D64-115E9BFD4A0}",
            "{2DC27766-F623-4200-9D64-115E9BFD4A08",
            "2DC27766F62342009D64115E9BFD4A08",
            "{2DC27766-F623-4200-9D64-115E9BFD4A0g}",
            "{2DC27766-F623-4200-9D64-115E9BFD4A0800}",
        ] {
            assert_eq!(Guid::parse(text), None, "{text}");
        }
    }
}
