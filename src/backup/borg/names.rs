//! The exact names of files whose names are not UTF-8.
//!
//! `borg list` prints question marks for such bytes. `borg debug dump-archive` prints them exactly:
//! a name that is not UTF-8 is there as U+007F and hexadecimal digits. It is much slower, so it is
//! only asked for when there are question marks. It prints the items in the same order.

use std::collections::HashMap;
use std::fmt;
use std::io::Read;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The character before the hexadecimal digits.
const HEX: char = '\u{7f}';

/// The exact names of the items whose numbers are keys of `wanted`, in which they replace what
/// `borg list` printed. What does not look like that name is not replaced.
pub(super) fn read(dump: impl Read, wanted: &mut HashMap<u64, Name>) -> Result<(), serde_json::Error> {
    let mut input = serde_json::Deserializer::from_reader(dump);
    (&mut input).deserialize_map(Dump { wanted })
}

/// The name of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    /// As `borg list` prints it.
    Printed(String),
    /// As it is.
    Exact(Vec<u8>),
}

/// The text that borg prints for a path.
pub(super) fn printed(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        text.push_str(chunk.valid());
        // Python keeps each byte that it cannot decode by itself.
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    text
}

struct Dump<'a> {
    wanted: &'a mut HashMap<u64, Name>,
}

impl<'de> Visitor<'de> for Dump<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an archive with its items")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "_items" {
                map.next_value_seed(Items { wanted: &mut *self.wanted })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct Items<'a> {
    wanted: &'a mut HashMap<u64, Name>,
}

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_seq(self)
    }
}

#[derive(Deserialize)]
struct DumpedItem {
    path: String,
    /// Set for the parts of a file whose backup was interrupted. `borg list` leaves these out.
    #[serde(default)]
    part: Option<IgnoredAny>,
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut number = 0;
        while let Some(item) = items.next_element::<DumpedItem>()? {
            if item.part.is_some() {
                continue;
            }
            if let Some(name) = self.wanted.get_mut(&number)
                && let Some(exact) = exact(&item.path)
                && *name == Name::Printed(printed(&exact))
            {
                *name = Name::Exact(exact);
            }
            number += 1;
        }
        Ok(())
    }
}

/// The bytes of a name.
fn exact(text: &str) -> Option<Vec<u8>> {
    let Some(digits) = text.strip_prefix(HEX) else { return Some(text.as_bytes().to_vec()) };
    let pairs = digits.as_bytes().chunks(2);
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    pairs
        .map(|pair| match *pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect()
}
