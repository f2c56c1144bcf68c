//! One line of `borg list --json-lines`.

use std::borrow::Cow;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::platform::Timestamp;

/// A file of an archive, or something that is no file.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub(super) struct Item<'a> {
    /// `-` for a regular file; `h` in some versions for a hard link.
    #[serde(borrow, rename = "type")]
    pub(super) kind: Cow<'a, str>,
    /// The path without a leading slash. Bytes that are not UTF-8 are replaced by question marks.
    #[serde(borrow)]
    pub(super) path: Cow<'a, str>,
    /// The size in bytes; 0 for a hard link.
    #[serde(default)]
    size: u64,
    #[serde(borrow, default)]
    mtime: Cow<'a, str>,
    /// For a hard link: the path of the first name of the file.
    #[serde(borrow, default)]
    pub(super) source: Cow<'a, str>,
}

impl<'a> Item<'a> {
    /// Reads a line.
    pub(super) fn parse(line: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(line)
    }

    /// Whether it is a regular file.
    pub(super) fn is_file(&self) -> bool {
        self.kind == "-" || self.kind == "h"
    }

    /// Whether it is another name of a file that came before.
    pub(super) fn is_link(&self) -> bool {
        self.is_file() && !self.source.is_empty()
    }

    /// The size. Of a hard link borg tells none.
    pub(super) fn size(&self) -> Option<u64> {
        (!self.is_link()).then_some(self.size)
    }

    /// The modification time, in UTC: borg runs in that time zone.
    pub(super) fn mtime(&self) -> Option<Timestamp> {
        time(&self.mtime)
    }
}

/// A time as borg prints it: without a zone, or with one from borg 1.4 on.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    let local = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok();
    let moment = text.parse::<jiff::Timestamp>().ok().or_else(|| Some(local()?.timestamp()))?;
    Some(Timestamp::from_nanos(moment.as_nanosecond()))
}
