//! Reparse points: what other software is to do when a file is opened.
//!
//! In: the value of a `$REPARSE_POINT`. Out: its tag and its data, and whether the content of the
//! file is in its `$DATA`. Tags are listed in \[MS-FSCC\] 2.1.2.1, and the data of a compressed
//! file in `FILE_PROVIDER_EXTERNAL_INFO_V1` (Windows SDK, wofapi.h).

use crate::image::Error;
use crate::image::fields::{u16_le, u32_le};

/// The tag of files that Windows has compressed outside of NTFS (`compact /exe`, CompactOS).
pub const WOF: u32 = 0x8000_0017;

/// The file is not stored here in whole (`FILE_ATTRIBUTE_OFFLINE`,
/// `FILE_ATTRIBUTE_RECALL_ON_OPEN`, `FILE_ATTRIBUTE_RECALL_ON_DATA_ACCESS`).
const IS_ELSEWHERE: u32 = 0x0000_1000 | 0x0004_0000 | 0x0040_0000;

const MOUNT_POINT: u32 = 0xA000_0003;
const SYMBOLIC_LINK: u32 = 0xA000_000C;
const LINUX_SYMBOLIC_LINK: u32 = 0xA000_001D;

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
        let data = value.get(header..header.checked_add(length)?)?;
        Some(Self { tag, data: data.to_vec() })
    }

    /// Where the content of the file is. `attributes` are those of its `$STANDARD_INFORMATION`.
    /// What only other software can read is [`Error::Unsupported`].
    pub(super) fn content(&self, attributes: u32) -> Result<Content, Error> {
        let reason = match self.tag {
            WOF => return self.wof(),
            SYMBOLIC_LINK | MOUNT_POINT | LINUX_SYMBOLIC_LINK => return Ok(Content::InPlace),
            0x8000_0013 => "it was deduplicated: its content is in the volume's chunk store",
            0x8000_0007 => "single-instance storage keeps its content in another file",
            0x8000_0008 => "its content is in a WIM archive",
            0xC000_0004 | 0x8000_0006 => "hierarchical storage keeps its content elsewhere",
            _ if attributes & IS_ELSEWHERE != 0 => "its content is not on this volume, or only in part",
            // These say something about the file, and its content is in place: files of cloud
            // services that are here in whole, of the Linux subsystem, links to apps.
            0x8000_0014 | 0x8000_001B | 0x8000_001E | 0x8000_0021 | 0x8000_0023..=0x8000_0026 => {
                return Ok(Content::InPlace);
            }
            tag if tag & 0xFFFF_0FFF == 0x9000_001A => return Ok(Content::InPlace),
            _ => "software that is not known here has a say in its content",
        };
        Err(Error::Unsupported(format!("{reason} (reparse tag {:#010x})", self.tag)))
    }

    /// Reads the data of a file that was compressed outside of NTFS.
    fn wof(&self) -> Result<Content, Error> {
        let field = |at| u32_le(&self.data, at);
        match (field(0), field(4)) {
            (Some(1), Some(1)) => {
                Err(Error::Unsupported("its content is in a WIM archive (reparse tag 0x80000017)".to_owned()))
            }
            (Some(1), Some(2)) => match (field(8), field(12)) {
                (Some(1), Some(method)) => Ok(Content::Compressed(method)),
                (Some(version), Some(_)) => Err(Error::Unsupported(format!(
                    "it is compressed in version {version} of Windows' format"
                ))),
                _ => Err(Error::Damaged("its reparse point is cut off".to_owned())),
            },
            (Some(version), Some(provider)) => Err(Error::Unsupported(format!(
                "provider {provider} (version {version}) keeps its content (reparse tag 0x80000017)"
            ))),
            _ => Err(Error::Damaged("its reparse point is cut off".to_owned())),
        }
    }
}
