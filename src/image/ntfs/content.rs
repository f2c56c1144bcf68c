//! The content of files, as programs on Windows read it.
//!
//! In: a [`File`]. Out: its [`Stream`]s. Where a reparse point says that the content is not in
//! `$DATA`, it is taken from where it is, or it is an error: `$DATA` would be read as zeros.

use super::attribute::AttributeKind;
use super::file::File;
use super::reparse::{Content, ReparsePoint, WOF_STREAM};
use super::stream::Stream;
use crate::image::Error;
use crate::image::fields::u32_le;

/// The flag of encrypted files (`FILE_ATTRIBUTE_ENCRYPTED`, \[MS-FSCC\] 2.6).
const ENCRYPTED: u32 = 0x4000;

impl File {
    /// The stream with this name; the content of a file is the one without a name. `None`: the file
    /// has no such stream. What cannot be read here is [`Error::Unsupported`].
    pub fn stream(&self, name: &[u16]) -> Result<Option<Stream>, Error> {
        let origin = match name {
            [] => self.reference().to_string(),
            _ => format!("{}, stream {}", self.reference(), String::from_utf16_lossy(name)),
        };
        let Some(value) = self.value(AttributeKind::DATA, name)? else { return Ok(None) };
        if name.is_empty()
            && let Some(point) = self.reparse_point()?
        {
            let content = point.content(self.flags()?, value.is_here());
            if let Content::Compressed(method) = content.map_err(|error| error.about(&origin))? {
                return self.wof(method, value.size(), &origin).map(Some);
            }
        }
        if value.is_encrypted() {
            return Err(self.encrypted()?.about(&origin));
        }
        Stream::new(value, &origin).map(Some)
    }

    /// The content of a file that Windows has compressed outside of NTFS. Its length is that of its
    /// `$DATA`, which is one hole.
    fn wof(&self, method: u32, length: u64, origin: &str) -> Result<Stream, Error> {
        let name: Vec<u16> = WOF_STREAM.encode_utf16().collect();
        let data = self.value(AttributeKind::DATA, &name)?;
        let data = data.ok_or_else(|| Error::Damaged(format!("{origin}: its compressed data is missing")))?;
        Stream::wof(method, length, data, origin)
    }

    /// Why an encrypted stream cannot be read. A stream that only says so is damaged: a bit of its
    /// flags was changed.
    fn encrypted(&self) -> Result<Error, Error> {
        let name: Vec<u16> = "$EFS".encode_utf16().collect();
        let has_keys = self.value(AttributeKind::LOGGED_UTILITY_STREAM, &name)?.is_some();
        Ok(if has_keys && self.flags()? & ENCRYPTED != 0 {
            Error::Unsupported("it is encrypted (EFS)".to_owned())
        } else {
            Error::Damaged("it is marked as encrypted, but its file is not".to_owned())
        })
    }

    /// The reparse point of the file, if it has one.
    pub fn reparse_point(&self) -> Result<Option<ReparsePoint>, Error> {
        let damaged = || Error::Damaged(format!("{}: its reparse point is damaged", self.reference()));
        let Some(value) = self.value(AttributeKind::REPARSE_POINT, &[])? else { return Ok(None) };
        let value = value.read_whole(ReparsePoint::MAX_SIZE)?;
        ReparsePoint::parse(&value).ok_or_else(damaged).map(Some)
    }

    /// The flags of the file (`FILE_ATTRIBUTE_…`, \[MS-FSCC\] 2.6).
    pub fn flags(&self) -> Result<u32, Error> {
        let value = self.values(AttributeKind::STANDARD_INFORMATION)?;
        let flags = value.first().and_then(|value| u32_le(value, 0x20));
        flags.ok_or_else(|| {
            Error::Damaged(format!("{}: its $STANDARD_INFORMATION is damaged", self.reference()))
        })
    }
}
