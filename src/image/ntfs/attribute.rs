//! Attributes: a file is a set of them, and its content is one of them.
//!
//! In: the bytes of a record. Out: [`Attributes`], an iterator that copies nothing. Every offset
//! and every length is checked against the attribute, and the attribute against the record. The
//! fields are those of the linux-ntfs documentation, concept "Attribute Header".

use std::fmt;

use crate::image::Error;
use crate::image::fields::{u16_le, u32_le, u64_le};

/// The type of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttributeKind(
    /// The number that is stored.
    pub u32,
);

impl AttributeKind {
    /// Times and flags of the file.
    pub const STANDARD_INFORMATION: Self = Self(0x10);
    /// Where the attributes are, if they do not fit into one record.
    pub const ATTRIBUTE_LIST: Self = Self(0x20);
    /// A name of the file, and the folder that it is in.
    pub const FILE_NAME: Self = Self(0x30);
    /// Version and flags of the volume.
    pub const VOLUME_INFORMATION: Self = Self(0x70);
    /// Content.
    pub const DATA: Self = Self(0x80);
    /// The root of an index, such as that of a folder.
    pub const INDEX_ROOT: Self = Self(0x90);
    /// The other blocks of an index.
    pub const INDEX_ALLOCATION: Self = Self(0xA0);
    /// Which records or blocks are in use.
    pub const BITMAP: Self = Self(0xB0);
    /// What other software is to do when the file is opened.
    pub const REPARSE_POINT: Self = Self(0xC0);
    /// The keys of an encrypted file (`$EFS`), or what transactions keep (`$TXF_DATA`).
    pub const LOGGED_UTILITY_STREAM: Self = Self(0x100);

    /// Ends the attributes of a record.
    const END: Self = Self(u32::MAX);

    /// Whether it is one of the sixteen types that NTFS has (linux-ntfs documentation,
    /// "Attributes"). `$AttrDef` could add others, from 0x1000 on, but no Windows has ever done so.
    pub(super) fn is_known(self) -> bool {
        self.0.is_multiple_of(0x10)
            && (Self::STANDARD_INFORMATION..=Self::LOGGED_UTILITY_STREAM).contains(&self)
    }
}

/// The name that `$AttrDef` gives the type, or its number.
impl fmt::Display for AttributeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::STANDARD_INFORMATION => "$STANDARD_INFORMATION",
            Self::ATTRIBUTE_LIST => "$ATTRIBUTE_LIST",
            Self::FILE_NAME => "$FILE_NAME",
            Self::VOLUME_INFORMATION => "$VOLUME_INFORMATION",
            Self::DATA => "$DATA",
            Self::INDEX_ROOT => "$INDEX_ROOT",
            Self::INDEX_ALLOCATION => "$INDEX_ALLOCATION",
            Self::BITMAP => "$BITMAP",
            Self::REPARSE_POINT => "$REPARSE_POINT",
            Self::LOGGED_UTILITY_STREAM => "$LOGGED_UTILITY_STREAM",
            Self(number) => return write!(f, "attribute {number:#x}"),
        };
        f.write_str(name)
    }
}

/// How the value of an attribute is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttributeFlags(u16);

impl AttributeFlags {
    /// The method of compression: 0 for none, 1 for LZNT1.
    pub fn compression(self) -> u8 {
        self.0.to_le_bytes()[0]
    }

    /// Whether the value is encrypted (EFS).
    pub fn is_encrypted(self) -> bool {
        self.0 & 0x4000 != 0
    }

    /// Whether the value may have holes.
    pub fn is_sparse(self) -> bool {
        self.0 & 0x8000 != 0
    }
}

/// The name of an attribute: 16-bit units that need not be valid UTF-16.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name<'a>(&'a [u8]);

impl<'a> Name<'a> {
    /// Takes the units as they are stored, in little-endian order.
    pub fn from_bytes(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The units as they are stored, in little-endian order.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Whether there is no name, as for the content of a file.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The units.
    pub fn units(&self) -> impl Iterator<Item = u16> + use<'a> {
        self.0.as_chunks().0.iter().map(|unit| u16::from_le_bytes(*unit))
    }

    /// Whether the name has exactly these units.
    pub fn is(&self, units: &[u16]) -> bool {
        self.units().eq(units.iter().copied())
    }
}

impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String = char::decode_utf16(self.units()).map(|unit| unit.unwrap_or('\u{FFFD}')).collect();
        write!(f, "{text:?}")
    }
}

/// An attribute of a record.
#[derive(Debug, Clone, Copy)]
pub struct Attribute<'a> {
    /// Its type.
    pub kind: AttributeKind,
    /// Its number, unique in the record.
    pub id: u16,
    /// How the value is stored.
    pub flags: AttributeFlags,
    /// Its name; empty for most.
    pub name: Name<'a>,
    /// Its value, or where that is.
    pub body: Body<'a>,
}

impl Attribute<'_> {
    /// The first cluster of the value that this attribute describes; 0 if it is resident.
    pub fn first_vcn(&self) -> u64 {
        match self.body {
            Body::Resident(_) => 0,
            Body::NonResident(place) => place.first_vcn,
        }
    }
}

/// The value of an attribute, or where that is.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// The value itself.
    Resident(&'a [u8]),
    /// Where the value is.
    NonResident(NonResident<'a>),
}

/// Where a value is that is not in the record, or a part of it.
#[derive(Debug, Clone, Copy)]
pub struct NonResident<'a> {
    /// The first cluster of the value that this attribute describes. If it is not 0, the attribute
    /// is a continuation, and all the sizes are those of the first attribute.
    pub first_vcn: u64,
    /// The number of the value's clusters that this attribute and those before it describe.
    pub end_vcn: u64,
    /// Bytes that the value has room for.
    pub allocated: u64,
    /// Bytes of the value.
    pub size: u64,
    /// Bytes of the value that were ever written. All that follow are zeros, whatever is in the
    /// clusters.
    pub initialized: u64,
    /// Clusters that are compressed together, as an exponent of two. 0: none.
    pub compression_unit: u8,
    /// The mapping pairs: see [`super::runs`].
    pub mapping: &'a [u8],
}

/// The attributes of a record.
#[derive(Debug, Clone)]
pub struct Attributes<'a> {
    bytes: &'a [u8],
    at: usize,
    number: u64,
    is_finished: bool,
}

impl<'a> Attributes<'a> {
    /// `bytes` are those in use by the record with this number, and the first attribute begins
    /// at `at`.
    pub(super) fn new(bytes: &'a [u8], at: usize, number: u64) -> Self {
        Self { bytes, at, number, is_finished: false }
    }

    fn read(&mut self) -> Result<Option<Attribute<'a>>, &'static str> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let kind = u32_le(rest, 0).map(AttributeKind).ok_or("no end marker follows")?;
        if kind == AttributeKind::END {
            return Ok(None);
        }
        let length = u32_le(rest, 4).and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        if length < 24 || !length.is_multiple_of(8) {
            return Err("its length cannot be");
        }
        let bytes = rest.get(..length).ok_or("it reaches beyond the bytes in use")?;
        self.at += length;
        parse(kind, bytes).map(Some)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_finished {
            return None;
        }
        let at = self.at;
        let read = self.read().map_err(|what| {
            Error::Damaged(format!(
                "MFT record {}: the attribute at byte {at} is damaged: {what}",
                self.number
            ))
        });
        self.is_finished = !matches!(read, Ok(Some(_)));
        read.transpose()
    }
}

/// `bytes` are those of the attribute alone.
fn parse<'a>(kind: AttributeKind, bytes: &'a [u8]) -> Result<Attribute<'a>, &'static str> {
    let cut = "it ends in its header";
    let byte = |at| bytes.get(at).copied().ok_or(cut);
    let short = |at| u16_le(bytes, at).ok_or(cut);
    let name_length = 2 * usize::from(byte(9)?);
    let name = match name_length {
        0 => &[],
        _ => slice(bytes, short(0x0A)?.into(), name_length).ok_or("its name is not in it")?,
    };
    let body = match byte(8)? {
        0 => {
            let length = u32_le(bytes, 0x10).and_then(|length| usize::try_from(length).ok()).ok_or(cut)?;
            let value = slice(bytes, short(0x14)?.into(), length).ok_or("its value is not in it")?;
            Body::Resident(value)
        }
        1 => Body::NonResident(parse_non_resident(bytes)?),
        _ => return Err("it is neither resident nor non-resident"),
    };
    Ok(Attribute { kind, id: short(0x0E)?, flags: AttributeFlags(short(0x0C)?), name: Name(name), body })
}

fn parse_non_resident(bytes: &[u8]) -> Result<NonResident<'_>, &'static str> {
    let long = |at| u64_le(bytes, at).ok_or("it ends in its header");
    let first_vcn = long(0x10)?;
    // The last cluster is stored. A value without clusters has -1 there.
    let end_vcn = long(0x18)?.wrapping_add(1);
    if end_vcn < first_vcn {
        return Err("its last cluster is before its first");
    }
    let mapping_at = u16_le(bytes, 0x20).map(usize::from).unwrap_or_default();
    let mapping =
        bytes.get(mapping_at..).filter(|_| mapping_at >= 0x40).ok_or("its run list is not in it")?;
    let (allocated, size, initialized) = (long(0x28)?, long(0x30)?, long(0x38)?);
    if first_vcn == 0 && (size > allocated || initialized > size) {
        return Err("its sizes contradict each other");
    }
    let compression_unit = bytes.get(0x22).copied().unwrap_or_default();
    Ok(NonResident { first_vcn, end_vcn, allocated, size, initialized, compression_unit, mapping })
}

/// `length` bytes from `at` on. A value of no bytes may be anywhere, but not behind the end.
fn slice(bytes: &[u8], at: usize, length: usize) -> Option<&[u8]> {
    bytes.get(at..at.checked_add(length)?)
}
