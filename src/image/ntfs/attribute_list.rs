//! Attribute lists: where the attributes of a file are that do not fit into one record.
//!
//! In: the value of an `$ATTRIBUTE_LIST`. Out: its entries. The fields are those of the linux-ntfs
//! documentation, attribute `$ATTRIBUTE_LIST`.

use super::attribute::{AttributeKind, Name};
use super::reference::FileReference;
use crate::image::fields::{u16_le, u32_le, u64_le};

/// The longest list that Windows writes and reads: 256 KiB.
pub const MAX_SIZE: u64 = 256 << 10;

/// The size of an entry without a name.
const ENTRY_SIZE: usize = 26;

/// Where an attribute is, or a part of one.
#[derive(Debug, Clone, Copy)]
pub struct ListEntry<'a> {
    /// The type of the attribute.
    pub kind: AttributeKind,
    /// Its name.
    pub name: Name<'a>,
    /// The first cluster of the value that the attribute describes.
    pub first_vcn: u64,
    /// The record that contains the attribute.
    pub reference: FileReference,
    /// The number of the attribute in that record.
    pub id: u16,
}

/// An entry that cannot be read. It begins at this byte of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its attribute list is damaged at byte {0}")]
pub struct ListError(pub usize);

/// The entries of an attribute list, in their order. After an error there are no more.
#[derive(Debug, Clone)]
pub struct ListEntries<'a> {
    list: &'a [u8],
    at: usize,
}

impl<'a> ListEntries<'a> {
    /// Takes the value of the attribute.
    pub fn new(list: &'a [u8]) -> Self {
        Self { list, at: 0 }
    }

    fn parse(&self) -> Option<(ListEntry<'a>, usize)> {
        let rest = self.list.get(self.at..)?;
        let length = usize::from(u16_le(rest, 4)?);
        let entry = rest.get(..length).filter(|_| length >= ENTRY_SIZE)?;
        let name_length = 2 * usize::from(*entry.get(6)?);
        let name_at = usize::from(*entry.get(7)?);
        let name = match name_length {
            0 => &[],
            _ => entry.get(name_at..name_at + name_length)?,
        };
        let parsed = ListEntry {
            kind: AttributeKind(u32_le(entry, 0)?),
            name: Name::from_bytes(name),
            first_vcn: u64_le(entry, 8)?,
            reference: FileReference::from_raw(u64_le(entry, 16)?),
            id: u16_le(entry, 24)?,
        };
        Some((parsed, length))
    }
}

impl<'a> Iterator for ListEntries<'a> {
    type Item = Result<ListEntry<'a>, ListError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.list.len() {
            return None;
        }
        let Some((entry, length)) = self.parse() else {
            let at = std::mem::replace(&mut self.at, self.list.len());
            return Some(Err(ListError(at)));
        };
        self.at += length;
        Some(Ok(entry))
    }
}
