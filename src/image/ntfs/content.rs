//! The content of files, as programs on Windows read it.
//!
//! In: a [`File`]. Out: its [`Stream`]s. Where a reparse point says that the content is not in
//! `$DATA`, it is taken from where it is, or it is an error: `$DATA` would be read as zeros.

use super::attribute::AttributeKind;
use super::file::File;
use super::reparse::{Content, ReparsePoint};
use super::stream::Stream;
use crate::image::Error;
use crate::image::fields::u32_le;

impl File {
    /// The stream with this name; the content of a file is the one without a name. `None`: the file
    /// has no such stream. What cannot be read here is [`Error::Unsupported`].
    pub fn stream(&self, name: &[u16]) -> Result<Option<Stream>, Error> {
        let origin = match name {
            [] => self.reference().to_string(),
            _ => format!("{}, stream {}", self.reference(), String::from_utf16_lossy(name)),
        };
        if name.is_empty()
            && let Some(point) = self.reparse_point()?
        {
            let content = point.content(self.flags()?).map_err(|error| error.about(&origin))?;
            if let Content::Compressed(method) = content {
                return self.external(method, &origin).map(Some);
            }
        }
        let value = self.value(AttributeKind::DATA, name)?;
        value.map(|value| Stream::new(value, AttributeKind::DATA, &origin)).transpose()
    }

    /// The content of a file that Windows has compressed outside of NTFS. Its length is that of its
    /// `$DATA`, which is one hole.
    fn external(&self, method: u32, origin: &str) -> Result<Stream, Error> {
        let missing = |what: &str| Error::Damaged(format!("{origin}: its {what} is missing"));
        let name: Vec<u16> = "WofCompressedData".encode_utf16().collect();
        let length = self.value(AttributeKind::DATA, &[])?.ok_or_else(|| missing("$DATA"))?.size();
        let data = self.value(AttributeKind::DATA, &name)?.ok_or_else(|| missing("compressed data"))?;
        Stream::external(method, length, data, origin)
    }

    /// The reparse point of the file, if it has one.
    pub fn reparse_point(&self) -> Result<Option<ReparsePoint>, Error> {
        let damaged = || Error::Damaged(format!("{}: its reparse point is damaged", self.reference()));
        let Some(value) = self.value(AttributeKind::REPARSE_POINT, &[])? else { return Ok(None) };
        let value = value.read_whole(ReparsePoint::MAX_SIZE)?;
        ReparsePoint::parse(&value).ok_or_else(damaged).map(Some)
    }

    /// The attributes of the file in the sense of DOS (`FILE_ATTRIBUTE_…`, \[MS-FSCC\] 2.6).
    pub fn flags(&self) -> Result<u32, Error> {
        let value = self.values(AttributeKind::STANDARD_INFORMATION)?;
        let flags = value.first().and_then(|value| u32_le(value, 0x20));
        flags.ok_or_else(|| {
            Error::Damaged(format!("{}: its $STANDARD_INFORMATION is damaged", self.reference()))
        })
    }
}
