//! Reparse points: what other software is to do when a file is opened.
//!
//! In: the value of a `$REPARSE_POINT`. Out: its tag and its data, what the tag makes of a file,
//! and whether the content of the file is in its `$DATA`. Tags are listed in \[MS-FSCC\] 2.1.2.1,
//! and the data of a compressed file in `FILE_PROVIDER_EXTERNAL_INFO_V1` (Windows SDK, wofapi.h).
//!
//! A tag decides whether a file is listed at all, and one changed bit makes another tag. So a tag
//! is believed only if the length of the value is right, and [`super::catalog`] holds it against
//! what else the volume says.

use crate::image::Error;
use crate::image::fields::{u16_le, u32_le};

/// The tag of files that Windows has compressed outside of NTFS (`compact /exe`, CompactOS).
pub const WOF: u32 = 0x8000_0017;

/// The stream with the compressed content of such a file.
pub(super) const WOF_STREAM: &str = "WofCompressedData";

/// The file is not stored here in whole (`FILE_ATTRIBUTE_OFFLINE`,
/// `FILE_ATTRIBUTE_RECALL_ON_OPEN`, `FILE_ATTRIBUTE_RECALL_ON_DATA_ACCESS`).
const IS_ELSEWHERE: u32 = 0x0000_1000 | 0x0004_0000 | 0x0040_0000;

/// Tags with this bit stand for another name: symbolic links, junctions, mount points (Windows'
/// `IsReparseTagNameSurrogate`).
const NAME_SURROGATE: u32 = 0x2000_0000;

/// The links that a user makes: mount points and junctions, symbolic links, and those of Linux on
/// Windows. Windows allows them on a file that has content, too.
const LINKS: [u32; 3] = [0xA000_0003, 0xA000_000C, 0xA000_001D];

/// Tags of entries that are not files: app aliases, and the sockets, pipes and devices of Linux on
/// Windows. None of them has content.
const NO_FILES: [u32; 5] = [0x8000_001B, 0x8000_0023, 0x8000_0024, 0x8000_0025, 0x8000_0026];

/// Tags of files whose content is in place: those of the server for NFS, of Azure File Sync, and of
/// OneDrive.
const IN_PLACE: [u32; 3] = [0x8000_0014, 0x8000_001E, 0x8000_0021];

/// The tags of cloud services: four bits are a number that the service chooses.
const CLOUD: u32 = 0x9000_001A;
const CLOUD_STATE: u32 = 0x0000_F000;

/// Whether the entry leads to another place.
pub(super) fn is_link(tag: u32) -> bool {
    tag & NAME_SURROGATE != 0
}

/// Whether the entry has content of its own. All other tags say how that content is stored, as by
/// deduplication, by compression, or in a cloud.
pub(super) fn is_file(tag: u32) -> bool {
    !is_link(tag) && !NO_FILES.contains(&tag)
}

/// Whether an entry with this tag may have content, whether that counts or not.
pub(super) fn may_have_content(tag: u32) -> bool {
    is_file(tag) || LINKS.contains(&tag)
}

/// Whether the tag is that of a link but for the bit that makes it one. No software has such a tag.
pub(super) fn was_link(tag: u32) -> bool {
    !is_link(tag) && LINKS.contains(&(tag | NAME_SURROGATE))
}

/// The tag without what a cloud service changes in it from time to time.
pub(super) fn without_state(tag: u32) -> u32 {
    if tag & !CLOUD_STATE == CLOUD { CLOUD } else { tag }
}

/// A reparse point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReparsePoint {
    /// Which software it is for.
    pub tag: u32,
    /// What that software has stored.
    pub data: Vec<u8>,
}

/// Where the content of a file with a reparse point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// In its `$DATA`, as usual.
    InPlace,
    /// Compressed, in its stream `WofCompressedData`. The number is that of the method.
    Compressed(u32),
}

impl ReparsePoint {
    /// The most bytes that the attribute may have (`MAXIMUM_REPARSE_DATA_BUFFER_SIZE`).
    pub(super) const MAX_SIZE: u64 = 16 << 10;

    /// Takes the value of the attribute ([MS-FSCC] 2.1.2.2 and 2.1.2.3). `None`: it is damaged.
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let tag = u32_le(value, 0)?;
        let length = usize::from(u16_le(value, 4)?);
        // The tags of other makers than Microsoft are followed by a GUID.
        let header: usize = if tag & 0x8000_0000 == 0 { 24 } else { 8 };
        // Windows refuses to store a value of another length.
        let data = value.get(header..).filter(|data| data.len() == length)?;
        Some(Self { tag, data: data.to_vec() })
    }

    /// Where the content of the file is. `flags` are those of its `$STANDARD_INFORMATION`.
    /// `is_here` says that no part of its `$DATA` is a hole. What only other software can read is
    /// [`Error::Unsupported`].
    pub(super) fn content(&self, flags: u32, is_here: bool) -> Result<Content, Error> {
        let reason = match self.tag {
            WOF => return self.wof(),
            tag if LINKS.contains(&tag) => return Ok(Content::InPlace),
            0x8000_0013 => "it was deduplicated: its content is in the volume's chunk store",
            0x8000_0007 => "single-instance storage keeps its content in another file",
            0x8000_0008 => "its content is in a WIM archive",
            0xC000_0004 | 0x8000_0006 => "hierarchical storage keeps its content elsewhere",
            _ if flags & IS_ELSEWHERE != 0 && !is_here => {
                "its content is not on this volume, or only in part"
            }
            tag if IN_PLACE.contains(&tag) || NO_FILES.contains(&tag) || without_state(tag) == CLOUD => {
                return Ok(Content::InPlace);
            }
            _ => "software that is not known here has a say in its content",
        };
        Err(Error::Unsupported(format!("{reason} (reparse tag {:#010x})", self.tag)))
    }

    /// Reads the data of a file that was compressed outside of NTFS. Windows has written version 1
    /// alone, and has two providers. Anything else is damage, and not something newer.
    fn wof(&self) -> Result<Content, Error> {
        let field = |at| u32_le(&self.data, at);
        match (field(0), field(4), field(8), field(12)) {
            (Some(1), Some(1), ..) => {
                Err(Error::Unsupported("its content is in a WIM archive (reparse tag 0x80000017)".to_owned()))
            }
            (Some(1), Some(2), Some(1), Some(method)) => Ok(Content::Compressed(method)),
            _ => Err(Error::Damaged(
                "its reparse point (tag 0x80000017) does not say how Windows compressed it".to_owned(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_no_files_and_other_ways_to_store_content_are() {
        for tag in [0xA000_000C, 0xA000_0003, 0xA000_001D] {
            assert!(is_link(tag) && !is_file(tag) && may_have_content(tag), "{tag:#x}");
        }
        for tag in [0x8000_0013, 0x8000_0017, 0x9000_601A, 0xC000_0004] {
            assert!(is_file(tag) && may_have_content(tag), "{tag:#x}");
        }
        assert!(!is_file(0x8000_0024) && !is_link(0x8000_0024), "a pipe");
        assert!(!may_have_content(0x8000_0024), "a pipe");
        assert!(!may_have_content(0xA000_0017), "a link by one bit of its tag");
    }

    #[test]
    fn a_value_of_another_length_than_it_states_is_damaged() {
        let value = [0x17, 0, 0, 0x80, 4, 0, 0, 0, 1, 2, 3, 4];
        let point = ReparsePoint::parse(&value).unwrap();
        assert_eq!((point.tag, point.data), (WOF, vec![1, 2, 3, 4]));
        for length in [3, 5, 0, 20] {
            let mut value = value;
            value[4] = length;
            assert_eq!(ReparsePoint::parse(&value), None, "{length}");
        }
        assert_eq!(ReparsePoint::parse(b"[ZoneTransfer]\r\nZoneId=3"), None);
        let other_maker = [&[1, 0, 0, 0, 2, 0, 0, 0][..], &[9; 16], &[7, 8]].concat();
        assert_eq!(ReparsePoint::parse(&other_maker).unwrap().data, [7, 8]);
    }

    fn wof(fields: [u32; 4]) -> ReparsePoint {
        ReparsePoint { tag: WOF, data: fields.into_iter().flat_map(u32::to_le_bytes).collect() }
    }

    #[test]
    fn no_changed_bit_makes_a_compressed_file_one_that_cannot_be_read() {
        let sound = [1, 2, 1, 0];
        assert_eq!(wof(sound).content(0, false).unwrap(), Content::Compressed(0));
        for bit in 0..128 {
            let mut fields = sound;
            fields[bit / 32] ^= 1 << (bit % 32);
            let content = wof(fields).content(0, false);
            assert!(!matches!(content, Err(Error::Unsupported(_))), "{bit}: {content:?}");
        }
    }

    #[test]
    fn content_without_a_hole_is_here_whatever_the_attributes_say() {
        let point = ReparsePoint { tag: 0x9000_701A, data: Vec::new() };
        assert_eq!(point.content(0x1000, true).unwrap(), Content::InPlace);
        assert!(matches!(point.content(0x1000, false), Err(Error::Unsupported(_))));
        assert_eq!(point.content(0, false).unwrap(), Content::InPlace);
    }
}
