//! The indexes of folders: which names a folder says it contains.
//!
//! In: the value of `$INDEX_ROOT`, blocks of `$INDEX_ALLOCATION`, and the `$BITMAP` of those. Out:
//! their entries. This module is pure: it reads nothing by itself. The forms are those of the
//! linux-ntfs documentation: "Attribute - $INDEX_ROOT (0x90)", "Attribute - $INDEX_ALLOCATION
//! (0xA0)", "Concept - Index Header", "Concept - Index Entry" and "Attribute - $BITMAP (0xB0)".
//!
//! An index is a B+ tree. Its root is in the record of the folder, and its other nodes are blocks
//! of one size. Bit N of the bitmap says whether block N is in use. Every node has this header:
//!
//! | offset | size | what it is |
//! |---|---|---|
//! | 0x00 | 4 | where the first entry begins, counted from the header |
//! | 0x04 | 4 | where the last entry ends, counted from the header |
//! | 0x08 | 4 | how many bytes the node may use |
//! | 0x0C | 1 | 1: its entries have children |
//!
//! and entries of this form:
//!
//! | offset | size | what it is |
//! |---|---|---|
//! | 0x00 | 8 | reference of the file |
//! | 0x08 | 2 | length of the entry |
//! | 0x0A | 2 | length of the key |
//! | 0x0C | 2 | flags: 1: the entry has a child; 2: it is the last one and has no key |
//! | 0x10 | | the key: a value of `$FILE_NAME` |
//! | length - 8 | 8 | VCN of the child |

use super::names::FileName;
use crate::image::fields::{u16_le, u32_le, u64_le};
use crate::image::ntfs::FileReference;

/// Why an index cannot be read, as the second half of a sentence.
pub type Flaw = &'static str;

/// The type of attribute that a folder's index is sorted by.
const FILE_NAME: u32 = 0x30;
/// Where the header of a node begins, in `$INDEX_ROOT` and in a block.
const ROOT_HEADER: usize = 0x10;
const BLOCK_HEADER: usize = 0x18;
/// The bytes of an entry before its key.
const ENTRY_HEADER: usize = 0x10;
const HAS_CHILD: u16 = 1;
const LAST: u16 = 2;

/// The root of a folder's index.
#[derive(Debug, Clone, Copy)]
pub struct Root<'a> {
    /// Bytes of a block.
    pub block_size: u32,
    /// The entries of the root.
    pub node: Node<'a>,
}

impl<'a> Root<'a> {
    /// Reads the value of a folder's `$INDEX_ROOT`.
    pub fn parse(value: &'a [u8]) -> Result<Self, Flaw> {
        let cut = "the root of its index is cut short";
        let sorted_by = u32_le(value, 0).ok_or(cut)?;
        if sorted_by != FILE_NAME {
            return Err("its index is not sorted by names");
        }
        let block_size = u32_le(value, 8).ok_or(cut)?;
        if !block_size.is_power_of_two() || !(512..=1 << 16).contains(&block_size) {
            return Err("the blocks of its index have an impossible size");
        }
        Ok(Self { block_size, node: Node::parse(value, ROOT_HEADER)? })
    }
}

/// Bytes for each unit of the VCNs of blocks: a cluster, unless blocks are smaller than that.
pub fn vcn_unit(block_size: u64, cluster_size: u64) -> u64 {
    if cluster_size <= block_size { cluster_size } else { 512 }
}

/// A block of `$INDEX_ALLOCATION`, with its update sequence undone.
///
/// `vcn` is the number that the block must have.
pub fn block(bytes: &[u8], vcn: u64) -> Result<Node<'_>, Flaw> {
    if !bytes.starts_with(b"INDX") {
        return Err("a block of its index has no signature");
    }
    if u64_le(bytes, 0x10) != Some(vcn) {
        return Err("a block of its index belongs elsewhere");
    }
    Node::parse(bytes, BLOCK_HEADER)
}

/// A node of an index: entries, one behind the other.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    entries: &'a [u8],
}

impl<'a> Node<'a> {
    fn parse(bytes: &'a [u8], header_at: usize) -> Result<Self, Flaw> {
        let beyond = "a node of its index ends behind its own end";
        let header = bytes.get(header_at..).ok_or(beyond)?;
        let field = |at| u32_le(header, at).and_then(|value| usize::try_from(value).ok()).ok_or(beyond);
        let entries = header.get(field(0)?..field(4)?).ok_or(beyond)?;
        Ok(Self { entries })
    }

    /// The entries. After an error, there are no more.
    pub fn entries(self) -> Entries<'a> {
        Entries { rest: Some(self.entries) }
    }
}

/// One entry of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The file, and its name. `None` in the last entry of a node.
    pub file: Option<(FileReference, FileName<'a>)>,
    /// VCN of the node with the names that come before this entry.
    pub child: Option<u64>,
}

/// The entries of a node.
#[derive(Debug)]
pub struct Entries<'a> {
    /// `None` behind the last entry and behind an error.
    rest: Option<&'a [u8]>,
}

impl<'a> Entries<'a> {
    /// The entry that `rest` begins with, its length, and whether it is the last one.
    fn parse(rest: &'a [u8]) -> Result<(Entry<'a>, usize, bool), Flaw> {
        let cut = "a node of its index is cut short";
        let length = usize::from(u16_le(rest, 8).ok_or(cut)?);
        let entry = rest.get(..length).ok_or(cut)?;
        let key_length = usize::from(u16_le(entry, 10).ok_or(cut)?);
        let flags = u16_le(entry, 12).ok_or(cut)?;
        let body = entry.get(ENTRY_HEADER..).ok_or(cut)?;
        let (body, child) = if flags & HAS_CHILD == 0 {
            (body, None)
        } else {
            let (body, vcn) = body.split_last_chunk::<8>().ok_or(cut)?;
            (body, Some(u64::from_le_bytes(*vcn)))
        };
        if flags & LAST != 0 {
            return Ok((Entry { file: None, child }, length, true));
        }
        let key = body.get(..key_length).ok_or("an entry of its index ends behind its own end")?;
        let name = FileName::parse(key).ok_or("an entry of its index has no valid name")?;
        let file = FileReference::from_raw(u64_le(entry, 0).ok_or(cut)?);
        Ok((Entry { file: Some((file, name)), child }, length, false))
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, Flaw>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        match Self::parse(rest) {
            Ok((entry, length, last)) => {
                // Every entry has at least its header, so this comes to an end.
                self.rest = rest.get(length..).filter(|_| !last);
                Some(Ok(entry))
            }
            Err(why) => Some(Err(why)),
        }
    }
}

/// The blocks that a bitmap says are in use, in their order.
pub fn blocks_in_use(bitmap: &[u8]) -> impl Iterator<Item = u64> + use<'_> {
    (0_u64..).zip(bitmap).flat_map(|(at, &byte)| {
        (0..8_u64).filter(move |bit| byte & 1 << bit != 0).map(move |bit| at * 8 + bit)
    })
}

/// Builds nodes, for tests.
#[cfg(test)]
pub(super) mod build {
    use crate::image::ntfs::FileReference;

    /// An entry for `file`, whose key is `key`.
    pub fn entry(file: FileReference, key: &[u8], child: Option<u64>) -> Vec<u8> {
        with_flags(file.record | u64::from(file.sequence) << 48, key, child, 0)
    }

    /// The last entry of a node.
    pub fn last(child: Option<u64>) -> Vec<u8> {
        with_flags(0, &[], child, super::LAST)
    }

    fn with_flags(file: u64, key: &[u8], child: Option<u64>, flags: u16) -> Vec<u8> {
        let length = (0x10 + key.len()).next_multiple_of(8) + child.map_or(0, |_| 8);
        let mut entry = file.to_le_bytes().to_vec();
        entry.extend(u16::try_from(length).unwrap().to_le_bytes());
        entry.extend(u16::try_from(key.len()).unwrap().to_le_bytes());
        entry.extend(u32::from(flags | u16::from(child.is_some())).to_le_bytes());
        entry.extend(key);
        entry.resize(length - child.map_or(0, |_| 8), 0);
        entry.extend(child.map(u64::to_le_bytes).into_iter().flatten());
        entry
    }

    fn node(entries: &[Vec<u8>]) -> Vec<u8> {
        let body = entries.concat();
        let end = u32::try_from(body.len() + 16).unwrap();
        let mut node: Vec<u8> = [16, end, end, 0].into_iter().flat_map(u32::to_le_bytes).collect();
        node.extend(body);
        node
    }

    /// A value of `$INDEX_ROOT`.
    pub fn root(block_size: u32, entries: &[Vec<u8>]) -> Vec<u8> {
        let mut root: Vec<u8> = [0x30, 1, block_size, 1].into_iter().flat_map(u32::to_le_bytes).collect();
        root.extend(node(entries));
        root
    }

    /// A block, without an update sequence.
    pub fn block(vcn: u64, entries: &[Vec<u8>]) -> Vec<u8> {
        let mut block = b"INDX".to_vec();
        block.resize(0x10, 0);
        block.extend(vcn.to_le_bytes());
        block.extend(node(entries));
        block
    }
}

#[cfg(test)]
mod tests {
    use super::super::names;
    use super::*;
    use proptest::prelude::*;

    const FOLDER: FileReference = FileReference { record: 5, sequence: 5 };

    fn file(number: u64) -> FileReference {
        FileReference { record: number, sequence: 1 }
    }

    fn two_entries() -> Vec<Vec<u8>> {
        vec![
            build::entry(file(40), &names::value(FOLDER, 3, "A"), Some(2)),
            build::entry(file(41), &names::value(FOLDER, 1, "longer name.txt"), None),
            build::last(Some(7)),
        ]
    }

    fn read(node: Node<'_>) -> Result<Vec<(u64, String, Option<u64>)>, Flaw> {
        let mut found = Vec::new();
        for entry in node.entries() {
            let Entry { file, child } = entry?;
            let (number, name) = file.map_or((0, String::new()), |(file, name)| {
                (file.record, String::from_utf16(&name.units().collect::<Vec<_>>()).unwrap())
            });
            found.push((number, name, child));
        }
        Ok(found)
    }

    #[test]
    fn entries_of_a_root_and_of_a_block_are_read_with_their_children() {
        let expected = [
            (40, "A".to_owned(), Some(2)),
            (41, "longer name.txt".to_owned(), None),
            (0, String::new(), Some(7)),
        ];
        let bytes = build::root(4096, &two_entries());
        let root = Root::parse(&bytes).unwrap();
        assert_eq!((root.block_size, read(root.node).unwrap()), (4096, expected.to_vec()));
        let bytes = build::block(3, &two_entries());
        assert_eq!(read(block(&bytes, 3).unwrap()).unwrap(), expected);
    }

    #[test]
    fn a_block_without_its_signature_or_with_another_number_is_refused() {
        let mut bytes = build::block(3, &two_entries());
        assert!(block(&bytes, 4).is_err());
        bytes[0] = b'B';
        assert!(block(&bytes, 3).is_err());
    }

    #[test]
    fn a_node_that_is_cut_short_anywhere_is_an_error() {
        let whole = build::root(4096, &two_entries());
        for length in 0..whole.len() {
            let result = Root::parse(&whole[..length]).and_then(|root| read(root.node));
            assert!(result.is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_node_without_a_last_entry_is_an_error() {
        let bytes = build::root(4096, &two_entries()[..2]);
        assert!(read(Root::parse(&bytes).unwrap().node).is_err());
    }

    #[test]
    fn entries_behind_the_last_one_are_not_read() {
        let mut entries = two_entries();
        entries.insert(0, build::last(None));
        let bytes = build::root(4096, &entries);
        assert_eq!(read(Root::parse(&bytes).unwrap().node).unwrap().len(), 1);
    }

    #[test]
    fn an_index_of_something_else_or_with_impossible_blocks_is_refused() {
        let mut other = build::root(4096, &[build::last(None)]);
        assert!(Root::parse(&other).is_ok());
        other[0] = 0x10;
        assert!(Root::parse(&other).is_err());
        for size in [0, 256, 4097, 1 << 17, 1 << 31] {
            assert!(Root::parse(&build::root(size, &[build::last(None)])).is_err(), "{size}");
        }
    }

    #[test]
    fn vcns_of_blocks_count_clusters_unless_blocks_are_smaller() {
        let units = [512, 4096, 8192, 65536].map(|cluster| vcn_unit(4096, cluster));
        assert_eq!(units, [512, 4096, 512, 512]);
    }

    #[test]
    fn a_bitmap_names_the_blocks_in_use() {
        assert_eq!(blocks_in_use(&[0b1000_0001, 0, 0b10]).collect::<Vec<_>>(), [0, 7, 17]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Root::parse(&bytes).map(|root| root.node.entries().count());
            let _ = block(&bytes, 0).map(|node| node.entries().count());
        }

        #[test]
        fn a_damaged_node_ends_and_does_not_panic(at in 0..200_usize, byte in any::<u8>()) {
            let mut bytes = build::root(4096, &two_entries());
            let at = at % bytes.len();
            bytes[at] = byte;
            if let Ok(root) = Root::parse(&bytes) {
                prop_assert!(root.node.entries().count() <= bytes.len() / ENTRY_HEADER + 1);
            }
        }
    }
}
