//! Converts a record of the central directory to an [`Entry`]: whether it is a regular file, its
//! name and its time.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rawzip::extra_fields::ExtraFieldId;
use rawzip::time::{LocalDateTime, UtcDateTime, ZipDateTimeKind};
use rawzip::{CreatorSystem, ZipFileHeaderRecord};

use super::stored::Stored;
use crate::backup::passed_over::{PassedOver, PassedOverKind};
use crate::backup::repeats::NamePass;
use crate::backup::{Entry, EntryBatch};
use crate::platform::Timestamp;

/// The bits of a Unix mode that are the file type.
const TYPE_MASK: u32 = 0o170_000;

/// The longest target of a link on any system that makes zip archives (Linux, `PATH_MAX`).
pub(super) const TARGET_MAX: usize = 4096;

/// What an entry is according to its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A device, pipe or socket without content.
    Special,
    /// A symbolic link. `usual` if it has the permissions that links usually have and files rarely
    /// do.
    Link { usual: bool },
    /// A combination that cannot be right, in words.
    Impossible(String),
}

impl EntryKind {
    /// Decides by the mode, the size, and whether the name ends in a slash.
    fn of(mode: u32, has_slash: bool, size: u64) -> Self {
        let holds = |what: &str| {
            Self::Impossible(format!("says that it is a {what}, but it has {size} bytes of content"))
        };
        match mode & TYPE_MASK {
            _ if has_slash && size == 0 => Self::Folder,
            _ if has_slash => holds("folder"),
            0o040_000 if size == 0 => Self::Folder,
            0o040_000 => holds("folder"),
            0o120_000 if size == 0 || size > TARGET_MAX as u64 => holds("symbolic link"),
            0o120_000 => Self::Link { usual: mode & 0o777 == 0o777 },
            // Some programs store what they have read from a pipe.
            0o010_000 | 0o020_000 | 0o060_000 | 0o140_000 if size == 0 => Self::Special,
            // Many programs store no type. A type that does not exist counts as none.
            _ => Self::File,
        }
    }
}

impl EntryKind {
    /// What it counts as among the entries that are passed over.
    fn what(&self) -> PassedOverKind {
        match self {
            Self::Folder => PassedOverKind::Folder,
            Self::Special | Self::Link { .. } => PassedOverKind::Special,
            Self::File | Self::Impossible(_) => PassedOverKind::Other,
        }
    }
}

/// Converts the records of one walk over the directory.
pub(super) struct Lister<'a> {
    pass: NamePass<'a>,
    zone: TimeZone,
    name: Vec<u8>,
    passed_over: PassedOver,
}

impl<'a> Lister<'a> {
    /// Starts a walk.
    pub(super) fn new(pass: NamePass<'a>) -> Self {
        Self {
            pass,
            zone: TimeZone::try_system().unwrap_or(TimeZone::UTC),
            name: Vec::new(),
            passed_over: PassedOver::default(),
        }
    }

    /// Adds the entry of `record` to `batch` if it is a regular file that no later entry replaces.
    /// The name must have been read before. Returns what the entry is.
    pub(super) fn list(
        &mut self,
        record: &ZipFileHeaderRecord<'_>,
        stored: &Stored,
        batch: &mut EntryBatch,
    ) -> EntryKind {
        let size = stored.size;
        let kind = EntryKind::of(record.mode().value(), self.name.ends_with(b"/"), size);
        self.passed_over.see(&self.name, kind.what());
        if matches!(kind, EntryKind::Folder | EntryKind::Impossible(_)) {
            return kind;
        }
        let before = batch.len();
        let time = last_modified(record);
        let rest = Entry {
            size: Some(size),
            mtime: self.time(&time),
            zone_unknown: matches!(time, ZipDateTimeKind::Local(_)),
            position: stored.header,
            handle: &stored.handle(),
            ..Entry::named(b"")
        };
        batch.push_stored(&self.name, &rest);
        if !self.pass.stays(batch.get(before).path) || kind != EntryKind::File {
            batch.truncate(before);
        }
        kind
    }

    /// The name that was read last.
    pub(super) fn name(&self) -> &[u8] {
        &self.name
    }

    /// The number of entries that were passed over.
    pub(super) fn passed_over(&self) -> u64 {
        self.passed_over.count()
    }

    /// Ends the walk. Returns whether the archive must be listed again.
    pub(super) fn finish(self) -> bool {
        self.pass.finish()
    }

    /// Reads the name of `record`. Returns the length of the stored name, or 0 if another spelling
    /// replaced it.
    ///
    /// The name is the stored bytes, with two exceptions. If the stored name is in an older
    /// encoding and Info-ZIP's UTF-8 name is beside it, that one is used. Backslashes, which some
    /// programs on Windows write against the specification, become slashes.
    pub(super) fn read_name(&mut self, record: &ZipFileHeaderRecord<'_>) -> u16 {
        let path = record.file_path();
        let stored = path.as_ref();
        let unicode = record.extra_fields().find(|(id, _)| *id == ExtraFieldId::INFO_ZIP_UNICODE_PATH);
        let unicode = unicode.and_then(|(_, field)| unicode_path(field, stored));
        self.name.clear();
        self.name.extend_from_slice(unicode.unwrap_or(stored));
        let on_dos = matches!(
            record.version_made_by().creator_system(),
            CreatorSystem::FAT | CreatorSystem::NTFS | CreatorSystem::MVS | CreatorSystem::VFAT
        );
        if on_dos && !self.name.contains(&b'/') {
            self.name.iter_mut().filter(|byte| **byte == b'\\').for_each(|byte| *byte = b'/');
        }
        // The length field in the record has 16 bits.
        if unicode.is_some() { 0 } else { u16::try_from(stored.len()).unwrap_or_default() }
    }

    fn time(&self, time: &ZipDateTimeKind) -> Option<Timestamp> {
        match time {
            ZipDateTimeKind::Utc(utc) => Some(Timestamp { seconds: utc.to_unix(), nanos: utc.nanosecond() }),
            ZipDateTimeKind::Local(local) => local_time(local, &self.zone),
        }
    }
}

/// The modification time from the field with the finest resolution. If only the DOS field exists,
/// it is a local time in an unknown zone.
fn last_modified(record: &ZipFileHeaderRecord<'_>) -> ZipDateTimeKind {
    let time = record.last_modified();
    if matches!(time, ZipDateTimeKind::Utc(_)) {
        return time;
    }
    let pkware = record.extra_fields().find(|(id, _)| *id == ExtraFieldId::UNIX);
    pkware.and_then(|(_, field)| pkware_unix_time(field)).map_or(time, ZipDateTimeKind::Utc)
}

/// The modification time in PKWARE's Unix field (APPNOTE 4.5.7), which is stored after the access
/// time.
fn pkware_unix_time(field: &[u8]) -> Option<UtcDateTime> {
    let seconds = field.get(4..8)?.first_chunk()?;
    Some(UtcDateTime::from_unix(i64::from(u32::from_le_bytes(*seconds))))
}

/// The name in a Unicode path field (version 1, CRC-32 of the stored name, UTF-8), if the CRC-32
/// matches `stored`.
fn unicode_path<'a>(field: &'a [u8], stored: &[u8]) -> Option<&'a [u8]> {
    let (&version, rest) = field.split_first()?;
    let (crc, name) = rest.split_first_chunk::<4>()?;
    let fits = version == 1 && u32::from_le_bytes(*crc) == rawzip::crc32(stored) && !name.is_empty();
    (fits && std::str::from_utf8(name).is_ok()).then_some(name)
}

/// Converts a local time. If the clocks were turned back and the time occurred twice, this is the
/// first. If they were turned forward and the time was skipped, this is as long after the change as
/// the time was after it on the clock.
fn local_time(time: &LocalDateTime, zone: &TimeZone) -> Option<Timestamp> {
    let small = |number: u8| i8::try_from(number).ok();
    let year = i16::try_from(time.year()).ok()?;
    let (month, day, hour) = (small(time.month())?, small(time.day())?, small(time.hour())?);
    let (minute, second) = (small(time.minute())?, small(time.second())?);
    let wall = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    let seconds = zone.to_timestamp(wall).ok()?.as_second();
    Some(Timestamp { seconds, nanos: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_no_content_and_an_entry_of_unknown_type_is_a_file() {
        let of = |mode, size| EntryKind::of(mode, false, size);
        assert_eq!(of(0o100_644, 5), EntryKind::File);
        assert_eq!(of(0o110_644, 5), EntryKind::File, "a flipped bit makes a type that does not exist");
        assert_eq!(of(0, 0), EntryKind::File);
        assert_eq!(of(0o010_644, 5), EntryKind::File, "read from a pipe");
        assert_eq!(of(0o010_644, 0), EntryKind::Special);
        assert_eq!(of(0o040_755, 0), EntryKind::Folder);
        assert!(matches!(of(0o040_755, 5), EntryKind::Impossible(_)));
        assert_eq!(EntryKind::of(0o140_644, true, 0), EntryKind::Folder);
        assert!(matches!(EntryKind::of(0o100_644, true, 5), EntryKind::Impossible(_)));
    }

    #[test]
    fn a_link_has_a_target_of_some_length() {
        let of = |mode, size| EntryKind::of(mode, false, size);
        assert_eq!(of(0o120_777, 12), EntryKind::Link { usual: true });
        assert_eq!(of(0o120_644, 12), EntryKind::Link { usual: false });
        assert!(matches!(of(0o120_777, 0), EntryKind::Impossible(_)));
        assert!(matches!(of(0o120_777, 4097), EntryKind::Impossible(_)));
    }

    #[test]
    fn a_unicode_name_counts_only_beside_the_name_that_its_checksum_matches() {
        let stored = b"gr\x81n.txt";
        let field = [&[1][..], &rawzip::crc32(stored).to_le_bytes(), "grün.txt".as_bytes()].concat();
        assert_eq!(unicode_path(&field, stored), Some("grün.txt".as_bytes()));
        assert_eq!(unicode_path(&field, b"renamed.txt"), None);
        assert_eq!(unicode_path(&field[..4], stored), None);
        assert_eq!(unicode_path(b"", stored), None);
    }

    #[test]
    fn local_times_are_read_in_the_given_zone() {
        let wall = LocalDateTime::from_components(2024, 7, 1, 12, 30, 58, 0).unwrap();
        let in_zone = |zone: &TimeZone| local_time(&wall, zone).unwrap().seconds;
        assert_eq!(in_zone(&TimeZone::UTC), 1_719_837_058);
        assert_eq!(in_zone(&TimeZone::fixed(jiff::tz::offset(2))), 1_719_837_058 - 7200);
    }
}
