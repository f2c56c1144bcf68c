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
            let content = point.content(self.flags()?).map_err(|error| match error {
                Error::Unsupported(why) => Error::Unsupported(format!("{origin}: {why}")),
                Error::Damaged(what) => Error::Damaged(format!("{origin}: {what}")),
                Error::Read(error) => Error::Read(error),
            })?;
            if let Content::Compressed(_) = content {
                return Err(Error::Unsupported(format!(
                    "{origin}: it is compressed by Windows outside of NTFS"
                )));
            }
        }
        let value = self.value(AttributeKind::DATA, name)?;
        value.map(|value| Stream::new(value, AttributeKind::DATA, &origin)).transpose()
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
