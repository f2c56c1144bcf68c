//! The names of files: values of `$FILE_NAME` attributes, which are also the keys of folders'
//! indexes.
//!
//! In: the bytes of a value. Out: the name, its namespace, and the folder it stands in. The form is
//! that of the linux-ntfs documentation, "Attribute - $FILE_NAME (0x30)":
//!
//! | offset | size | what it is |
//! |---|---|---|
//! | 0x00 | 8 | reference of the folder |
//! | 0x08 | 32 | four times, which Windows does not keep up to date here |
//! | 0x28 | 16 | two sizes, which Windows does not keep up to date here |
//! | 0x38 | 8 | flags; size of the extended attributes, or the reparse tag |
//! | 0x40 | 1 | length of the name in 16-bit units |
//! | 0x41 | 1 | namespace |
//! | 0x42 | | the name |
//!
//! Names are kept as they are stored. Two names that differ only in case are two names: POSIX
//! programs may put both into one folder.

use crate::image::fields::{u32_le, u64_le};
use crate::image::ntfs::{AttributeKind, FileReference};
use crate::platform::wtf8;

/// The flag of reparse points ([MS-FSCC] 2.6).
const REPARSE_POINT: u32 = 0x400;
/// Where the name begins in a value.
const NAME_AT: usize = 0x42;

/// The set of rules that a name follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespace {
    /// Any units but `/` and NUL.
    Posix,
    /// A long name of Windows. A name in [`Namespace::Dos`] stands beside it.
    Win32,
    /// A short name (8.3). It is a second name for a file with a long one, not a second file.
    Dos,
    /// A long name that is a valid short name too.
    Win32AndDos,
}

/// A name of a file, and the folder that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileName<'a> {
    /// The folder.
    pub parent: FileReference,
    /// The set of rules that the name follows.
    pub namespace: Namespace,
    /// The reparse tag, if the file is a reparse point by this value, and the tag is stated.
    pub reparse_tag: Option<u32>,
    /// The name's units, each as two bytes, the lower one first.
    units: &'a [u8],
}

impl<'a> FileName<'a> {
    /// Reads a value. `None` if it is too short, or if there is no such namespace.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let parent = FileReference::from_raw(u64_le(value, 0)?);
        let length = usize::from(*value.get(0x40)?);
        let namespace = match value.get(0x41)? {
            0 => Namespace::Posix,
            1 => Namespace::Win32,
            2 => Namespace::Dos,
            3 => Namespace::Win32AndDos,
            _ => return None,
        };
        let units = value.get(NAME_AT..)?.get(..2 * length)?;
        let is_reparse_point = u32_le(value, 0x38)? & REPARSE_POINT != 0;
        // For a reparse point in clusters, ntfs-3g puts the type of the attribute there.
        let is_tag = |tag: &u32| is_reparse_point && ![0, AttributeKind::REPARSE_POINT.0].contains(tag);
        let reparse_tag = u32_le(value, 0x3C).filter(is_tag);
        Some(Self { parent, namespace, reparse_tag, units })
    }

    /// The name's 16-bit units.
    pub fn units(&self) -> impl Iterator<Item = u16> + use<'a> {
        self.units.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]))
    }

    /// Appends the name to `out`, in WTF-8.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        // Most names are ASCII.
        if self.units.chunks_exact(2).all(|unit| unit[1] == 0 && unit[0] < 0x80) {
            out.extend(self.units.iter().step_by(2));
        } else {
            wtf8::append(out, self.units());
        }
    }

    /// What sums of names are made of: a number that two names share only if they are equal and
    /// stand for the same file (other cases are as likely as one in 2^64). A short name is no path
    /// of its own, so it adds nothing; and whether a long one has a short one beside it is not
    /// told.
    ///
    /// Nothing is kept on disk or compared with another program, so the function may change.
    pub fn fingerprint(&self, file: FileReference) -> u64 {
        if self.namespace == Namespace::Dos {
            return 0;
        }
        let seed = mix(file.to_raw(), mix(self.parent.to_raw(), 1));
        let (words, rest) = self.units.as_chunks::<8>();
        let folded = words.iter().fold(seed, |sum, word| mix(sum, u64::from_le_bytes(*word)));
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        mix(mix(folded, u64::from_le_bytes(last)), self.units.len() as u64)
    }
}

/// Both halves of a product, folded: every bit of the result depends on every bit of both factors.
fn mix(one: u64, other: u64) -> u64 {
    const ODD: [u64; 2] = [0x9E37_79B9_7F4A_7C15, 0xD6E8_FEB8_6659_FD93];
    let product = u128::from(one ^ ODD[0]).wrapping_mul(u128::from(other ^ ODD[1]));
    // The two halves of the product.
    #[expect(clippy::cast_possible_truncation)]
    let folded = (product >> 64) as u64 ^ product as u64;
    folded.rotate_left(29) ^ one.wrapping_mul(ODD[0])
}

/// Why a name cannot be one step of a path. `None` if it can.
///
/// Such a name would change which file a path stands for, in this program or in the one that
/// compares the restored file with its original.
pub fn why_not_in_a_path(name: &[u8]) -> Option<&'static str> {
    match name {
        b"" => Some("its name is empty"),
        b"." | b".." => Some("its name is \".\" or \"..\""),
        _ if name.contains(&b'/') => Some("its name contains \"/\""),
        _ if name.contains(&0) => Some("its name contains a zero"),
        _ => None,
    }
}

/// The value of a `$FILE_NAME`, for tests.
#[cfg(test)]
pub(super) fn value(parent: FileReference, namespace: u8, name: &str) -> Vec<u8> {
    let units: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut value = parent.to_raw().to_le_bytes().to_vec();
    value.resize(0x40, 0);
    value.extend([u8::try_from(units.len() / 2).unwrap(), namespace]);
    value.extend(units);
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    const FOLDER: FileReference = FileReference { record: 5, sequence: 5 };

    fn in_wtf8(value: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        FileName::parse(value).unwrap().append_to(&mut out);
        out
    }

    #[test]
    fn a_value_is_read_with_its_folder_namespace_and_name() {
        let bytes = value(FOLDER, 1, "Grüße 🦀.txt");
        let name = FileName::parse(&bytes).unwrap();
        assert_eq!((name.parent, name.namespace), (FOLDER, Namespace::Win32));
        assert_eq!(in_wtf8(&bytes), "Grüße 🦀.txt".as_bytes());
        assert_eq!(in_wtf8(&value(FOLDER, 3, "PLAIN.TXT")), b"PLAIN.TXT");
    }

    #[test]
    fn a_lone_surrogate_stays_what_it_is() {
        let mut bytes = value(FOLDER, 0, "aXb");
        bytes[NAME_AT + 2..NAME_AT + 4].copy_from_slice(&0xD83D_u16.to_le_bytes());
        assert_eq!(in_wtf8(&bytes), b"a\xED\xA0\xBDb");
    }

    #[test]
    fn a_value_that_is_cut_short_or_has_an_unknown_namespace_is_refused() {
        let bytes = value(FOLDER, 1, "name");
        for length in 0..bytes.len() {
            assert_eq!(FileName::parse(&bytes[..length]), None, "{length} bytes");
        }
        assert_eq!(FileName::parse(&value(FOLDER, 4, "name")), None);
    }

    #[test]
    fn names_that_would_change_a_path_are_recognised() {
        for name in ["", ".", "..", "a/b", "a\0"] {
            assert!(why_not_in_a_path(name.as_bytes()).is_some(), "{name:?}");
        }
        for name in ["...", ".a", "a\\b", "a:b", " ", "a."] {
            assert_eq!(why_not_in_a_path(name.as_bytes()), None, "{name:?}");
        }
    }

    #[test]
    fn every_difference_of_two_names_changes_the_fingerprint() {
        let file = FileReference { record: 40, sequence: 1 };
        let base = value(FOLDER, 1, "Report 0001 quarterly.docx");
        let mut seen = HashSet::from([FileName::parse(&base).unwrap().fingerprint(file)]);
        for bit in (0..64).chain(0x42 * 8..base.len() * 8) {
            let mut other = base.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(seen.insert(FileName::parse(&other).unwrap().fingerprint(file)), "bit {bit}");
        }
        for namespace in [0, 3] {
            let other = value(FOLDER, namespace, "Report 0001 quarterly.docx");
            assert!(!seen.insert(FileName::parse(&other).unwrap().fingerprint(file)), "{namespace}");
        }
        let short = value(FOLDER, 2, "REPORT~1.DOC");
        assert_eq!(FileName::parse(&short).unwrap().fingerprint(file), 0);
        let name = FileName::parse(&base).unwrap();
        assert!(seen.insert(name.fingerprint(FileReference { sequence: 2, ..file })));
        assert!(seen.insert(name.fingerprint(FileReference { record: 41, ..file })));
    }

    #[test]
    fn a_name_with_zeros_at_its_end_has_another_fingerprint() {
        let prints: HashSet<u64> = ["a", "a\0", "a\0\0", "a\0\0\0"]
            .map(|name| FileName::parse(&value(FOLDER, 0, name)).unwrap().fingerprint(FOLDER))
            .into();
        assert_eq!(prints.len(), 4);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            if let Some(name) = FileName::parse(&bytes) {
                name.append_to(&mut Vec::new());
                name.fingerprint(name.parent);
            }
        }

        #[test]
        fn ascii_names_take_the_same_bytes_as_by_the_general_way(name in "[ -~]{0,255}") {
            prop_assert_eq!(in_wtf8(&value(FOLDER, 0, &name)), name.as_bytes());
        }
    }
}
