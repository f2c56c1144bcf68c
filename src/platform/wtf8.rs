//! Windows file names as bytes, and back.
//!
//! Windows names are sequences of 16-bit units, which need not be valid UTF-16. WTF-8
//! (<https://wtf-8.codeberg.page>) writes them as UTF-8, and a surrogate without its partner as
//! three bytes. So every name has exactly one form in bytes, and for valid names it is their UTF-8.
//! The code is pure and is tested on every system.

use std::ops::RangeInclusive;

const LEADING: RangeInclusive<u16> = 0xD800..=0xDBFF;
const TRAILING: RangeInclusive<u16> = 0xDC00..=0xDFFF;

/// Appends the bytes for `units` to `out`.
pub fn append(out: &mut Vec<u8>, units: impl IntoIterator<Item = u16>) {
    for decoded in char::decode_utf16(units) {
        match decoded {
            Ok(character) => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(lone) => {
                let [high, low] = lone.unpaired_surrogate().to_be_bytes();
                out.extend_from_slice(&[0xED, 0x80 | (high & 0x0F) << 2 | low >> 6, 0x80 | (low & 0x3F)]);
            }
        }
    }
}

/// The units that `bytes` stand for. `None` if the bytes are not WTF-8: then no Windows name has
/// this form.
pub fn to_units(bytes: &[u8]) -> Option<Vec<u16>> {
    let mut units = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    let mut after_leading = false;
    while !rest.is_empty() {
        let valid = valid_prefix(rest);
        units.extend(valid.encode_utf16());
        after_leading &= valid.is_empty();
        rest = &rest[valid.len()..];
        if rest.is_empty() {
            break;
        }
        let (head, tail) = rest.split_first_chunk::<3>()?;
        let unit = surrogate(*head)?;
        // A whole pair must be written as the one character that it is.
        if after_leading && TRAILING.contains(&unit) {
            return None;
        }
        after_leading = LEADING.contains(&unit);
        units.push(unit);
        rest = tail;
    }
    Some(units)
}

/// The longest prefix that is UTF-8.
fn valid_prefix(bytes: &[u8]) -> &str {
    bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid())
}

/// The surrogate that three bytes stand for; `None` for any other bytes.
fn surrogate(bytes: [u8; 3]) -> Option<u16> {
    match bytes {
        [0xED, middle @ 0xA0..=0xBF, last @ 0x80..=0xBF] => {
            Some(0xD000 | u16::from(middle & 0x3F) << 6 | u16::from(last & 0x3F))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn to_bytes(units: &[u16]) -> Vec<u8> {
        let mut out = Vec::new();
        append(&mut out, units.iter().copied());
        out
    }

    #[test]
    fn unicode_names_are_their_utf8() {
        let name = "Grüße 文 🦀.txt";
        let units: Vec<u16> = name.encode_utf16().collect();
        assert_eq!(to_bytes(&units), name.as_bytes());
        assert_eq!(to_units(name.as_bytes()), Some(units));
    }

    #[test]
    fn a_lone_surrogate_takes_three_bytes() {
        assert_eq!(to_bytes(&[0x61, 0xD800, 0x62]), b"a\xED\xA0\x80b");
        assert_eq!(to_units(b"a\xED\xA0\x80b"), Some(vec![0x61, 0xD800, 0x62]));
    }

    #[test]
    fn bytes_that_write_no_windows_name_are_refused() {
        for bytes in [&b"caf\xE9"[..], b"\xFF", b"\xED\xA0", b"\xED\xA0\xBD\xED\xB0\x80", b"\xC0\x80"] {
            assert_eq!(to_units(bytes), None, "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn every_name_has_bytes_that_lead_back_to_it(units in proptest::collection::vec(surrogates_often(), 0..12)) {
            prop_assert_eq!(to_units(&to_bytes(&units)), Some(units));
        }

        #[test]
        fn no_two_byte_strings_write_the_same_name(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            if let Some(units) = to_units(&bytes) {
                prop_assert_eq!(to_bytes(&units), bytes);
            }
        }
    }

    fn surrogates_often() -> impl Strategy<Value = u16> {
        prop_oneof![0xD800_u16..=0xDFFF, any::<u16>()]
    }
}
