//! Zip archives, including those with a program before them.
//!
//! In: an archive file. Out: its regular files. Each is restored by itself at its offset, by any
//! number of threads, and checked against the CRC-32 and the size in the central directory. Only
//! the central directory decides what is in the archive.
//!
//! Other programs read more than that. So whatever contradicts the directory is damage, even if
//! this program could ignore it: in a local header ([`local`]), in the end records and around the
//! archive ([`frame`]), in numbers of the directory ([`record`]), and where entries overlap or are
//! not listed ([`extents`]). A restore checks the local headers of the files that it restores. A
//! listing checks only those of the first folders, links and empty files.
//!
//! Names have no checksum, but a restore compares them with the local header. The type of an entry
//! is stored only in the directory. An entry of type "folder" with content, or of type "link" whose
//! content is not a link target, is reported as damage, so that a flipped bit does not remove a
//! file from the population. This cannot detect two cases. One is an empty file whose type or name
//! has become that of a folder, pipe or socket. The other is a file of at most 4096 bytes that has
//! become a link: if it has no line feed, or if it has the usual permissions of links, `rwxrwxrwx`.
//! The targets of such links are not read because that would cost one read for each link.
//!
//! The directory is read by `rawzip`, which streams it through one buffer. The `zip` crate keeps
//! every entry in memory, which is too much for a backup of millions of files. Names remain as
//! stored, with two exceptions in [`entry`]. Format: PKWARE APPNOTE.TXT 6.3.10; extra fields of
//! Info-ZIP as in its `proginfo/extrafld.txt`.
//!
//! Modification times count to 2 seconds, which is the resolution of the directory itself, although
//! many archives have finer times in extra fields. Without such fields a time is the local time
//! where the archive was made. It is read as a time in this machine's time zone, or in UTC if that
//! zone is not known.

mod bounds;
mod entry;
mod extents;
mod extract;
mod frame;
mod local;
mod record;
mod stored;

use std::io;

use rawzip::{ErrorKind, RECOMMENDED_BUFFER_SIZE, ReaderAt, ZipArchive, ZipFileHeaderRecord, ZipLocator};

use self::entry::{EntryKind, Lister, TARGET_MAX};
use self::extents::Extents;
use self::extract::EntryBuffers;
use self::frame::Frame;
use self::record::Records;
use self::stored::Stored;
use super::damage_lines::DamageLines;
use super::delivery::{Delivery, EarlyEnd, conclude};
use super::format::{BackupCandidate, Format};
use super::repeats::{Repeats, list_with_restart};
use super::{
    Backup, CatalogSink, Context, Damage, Description, Entry, EntryBatch, Error, Listing, Lost, Needs,
    RestoreError, RestoreSink, Scratch, Wanted,
};
use crate::bytes::ReadAt;

/// The number of entries that are passed to the sink in one batch.
const BATCH: usize = 1024;

/// The line that stands for all further damaged records.
const MORE: &str = "and more damaged records, further on";

/// Large enough for the longest directory record (three fields of at most 64 KiB) and for many
/// ordinary ones.
const DIRECTORY_BUFFER: usize = 256 << 10;

/// The checksum that confirms each restored entry. An entry whose CRC-32 does not match is not
/// restored.
const VOUCHER: &str = "the CRC-32 in the archive";

/// The resolution of the times in the directory itself.
const TIME_RESOLUTION_NS: u64 = 2_000_000_000;

/// Zip archives.
pub const FORMAT: Format = Format {
    name: "zip",
    kind: "a zip archive",
    summary: "zip and zip64: stored, deflate, bzip2, xz, zstd; also behind a program",
    schemes: &[],
    recognise: |candidate| {
        // If a program comes first, the start of the file says nothing, so the directory must be
        // intact.
        is_start(candidate.first())
            || (candidate.file().is_some() && Zip::in_file(candidate).is_ok_and(|zip| zip.has_entries()))
    },
    open: |candidate, _| Ok(Box::new(Zip::in_file(candidate)?)),
    snapshots: None,
    has_volumes: false,
};

/// The state of one walk over the directory.
struct DirectoryWalk<'a> {
    lister: Lister<'a>,
    records: Records<'a>,
    extents: Extents<'a>,
    doubts: DamageLines,
}

/// A zip archive.
#[derive(Debug)]
pub(super) struct Zip {
    description: Description,
    archive: ZipArchive<Bytes>,
    frame: Frame,
    repeats: Repeats,
}

/// The archive's bytes, for `rawzip`.
#[derive(Debug)]
struct Bytes(Box<dyn ReadAt>);

impl ReaderAt for Bytes {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }
}

/// Whether a file begins like a zip archive: with an entry, with the end record of an empty
/// archive, or with the mark of a volume.
fn is_start(first: &[u8]) -> bool {
    first.starts_with(b"PK\x03\x04") || first.starts_with(b"PK\x05\x06") || first.starts_with(b"PK\x07\x08")
}

/// Whether `bytes` end exactly like a zip archive with entries: with a directory and an end record
/// whose comment ends at the last byte.
pub(super) fn is_end(bytes: &dyn ReadAt) -> bool {
    frame::ends_with_directory(bytes)
}

impl Zip {
    /// Opens the file of a candidate as an archive.
    fn in_file(candidate: &BackupCandidate<'_>) -> Result<Self, Error> {
        let (bytes, stat) = candidate.bytes()?;
        let of = (candidate.location(), &stat, candidate.first());
        Self::open(Description::of_archive(FORMAT.name, of, TIME_RESOLUTION_NS), bytes)
    }

    /// Opens the archive in `bytes`. An error if it has no end record, which all reading starts
    /// from.
    pub(super) fn open(description: Description, bytes: Box<dyn ReadAt>) -> Result<Self, Error> {
        let location = || description.location.clone();
        let length = bytes.len();
        let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
        let located = ZipLocator::new().locate_in_reader(Bytes(bytes), &mut buffer, length);
        let archive = located.map_err(|(_, error)| {
            let problem = match error.kind() {
                ErrorKind::MissingEndOfCentralDirectory => {
                    "its end, which lists its contents, is missing: it was \
                    probably cut off. Copy it again from where it was made; `zip -FF` may recover \
                    what is left"
                        .to_owned()
                }
                _ => format!("its end record is damaged ({error})"),
            };
            Error::Damaged { location: location(), format: FORMAT.name, problem }
        })?;
        if frame::directory_is_hidden(&archive) {
            let problem = "its directory is encrypted or compressed, so bkverify cannot verify it; unpack it into a folder, and \
                verify that folder"
                .to_owned();
            return Err(Error::NotABackup { location: location(), problem });
        }
        let frame = Frame::look(&archive);
        let zip = Self { description, archive, frame, repeats: Repeats::default() };
        if zip.is_split() {
            let problem =
                "it is the last part of a split archive; join the parts with `zip -s 0 PARTS.zip --out \
                WHOLE.zip`, and verify the whole"
                    .to_owned();
            return Err(Error::Damaged { location: zip.description.location, format: FORMAT.name, problem });
        }
        Ok(zip)
    }

    fn bytes(&self) -> &dyn ReadAt {
        &*self.archive.get_ref().0
    }

    /// Whether the archive has several parts, according to its end record (APPNOTE 4.3.16, "number
    /// of this disk").
    fn is_split(&self) -> bool {
        let mut end = [0; 6];
        let read = self.archive.get_ref().read_exact_at(&mut end, self.archive.eocd_offset());
        // The value 0xffff means that the number is in the zip64 record.
        read.is_ok() && !matches!(u16::from_le_bytes([end[4], end[5]]), 0 | u16::MAX)
    }

    /// Whether the first record of the directory is intact. This tells a zip archive behind a
    /// program from a chance resemblance.
    fn has_entries(&self) -> bool {
        let mut buffer = vec![0; DIRECTORY_BUFFER];
        matches!(self.archive.entries(&mut buffer).next_entry(), Ok(Some(_)))
    }

    /// Calls `each` with every record of the directory. Returns the damage, or the error of `each`
    /// if that ended the walk.
    fn walk<B>(
        &self,
        mut each: impl FnMut(&ZipFileHeaderRecord<'_>) -> Result<(), B>,
    ) -> Result<Vec<String>, B> {
        let mut buffer = vec![0; DIRECTORY_BUFFER];
        let mut records = self.archive.entries(&mut buffer);
        let mut count: u64 = 0;
        loop {
            match records.next_entry() {
                Ok(Some(record)) => each(&record)?,
                Ok(None) => break,
                Err(error) => {
                    let declared = self.archive.entries_hint();
                    return Ok(vec![format!(
                        "the archive's directory is damaged after {count} of {declared} entries ({error}); the rest \
                         cannot be listed"
                    )]);
                }
            }
            count += 1;
        }
        // Old programs count only up to 65,535 and start again at 0.
        let declared = self.archive.entries_hint();
        if count == declared || (declared <= 0xffff && count & 0xffff == declared) {
            return Ok(Vec::new());
        }
        Ok(vec![format!(
            "the archive's end record declares {declared} entries, but its directory lists {count}"
        )])
    }

    /// Lists to `sink`. Without a sink, only finds repeated names. Returns `None` if names repeat
    /// and the archive must be listed again.
    fn list(&self, sink: Option<&dyn CatalogSink>, context: &Context) -> Option<Listing> {
        let mut walk = self.start_walk();
        let mut batch = EntryBatch::new();
        let hand_on = |batch: &EntryBatch| sink.is_some_and(|sink| sink.take(batch).is_break());
        let walked = self.walk(|record| {
            self.list_record(record, &mut walk, &mut batch);
            if batch.len() >= BATCH {
                if hand_on(&batch) || context.cancel.is_cancelled() {
                    return Err(Listing::Stopped);
                }
                batch.clear();
            }
            Ok(())
        });
        let damage = match walked {
            Ok(damage) => damage,
            Err(stopped) => return Some(stopped),
        };
        let passed_over = walk.lister.passed_over();
        let (again, damage) = self.end_walk(walk, damage);
        if again {
            return None;
        }
        if let Some(sink) = sink {
            sink.pass_over(passed_over);
        }
        Some(match hand_on(&batch) {
            true => Listing::Stopped,
            false if damage.is_empty() => Listing::Whole,
            false => Listing::Damaged(damage),
        })
    }

    fn start_walk(&self) -> DirectoryWalk<'_> {
        let bytes = self.bytes();
        DirectoryWalk {
            lister: Lister::new(self.repeats.pass()),
            records: Records::new(bytes),
            extents: Extents::new(bytes, self.archive.directory_offset()),
            doubts: DamageLines::new(MORE),
        }
    }

    /// Ends a walk over the whole directory. Returns whether the archive must be listed again, and
    /// all damage. `records` is the damage that made the walk incomplete. If there is any, an entry
    /// that is not listed proves nothing.
    fn end_walk(&self, walk: DirectoryWalk<'_>, records: Vec<String>) -> (bool, Vec<Damage>) {
        let mut damage: Vec<Damage> = self.frame.damage.iter().cloned().map(Damage::from).collect();
        damage.extend(walk.doubts.into_lines());
        if records.is_empty() {
            let (first, overlaps) = walk.extents.finish();
            damage.extend(overlaps);
            damage.extend(frame::wrong_beginning(self.bytes(), first).map(Damage::from));
        }
        damage.extend(records.into_iter().map(Damage::from));
        (walk.lister.finish(), damage)
    }

    /// Adds the entry of a record to `batch`. Reports what is wrong with the record.
    fn list_record(
        &self,
        record: &ZipFileHeaderRecord<'_>,
        walk: &mut DirectoryWalk<'_>,
        batch: &mut EntryBatch,
    ) {
        let name_length = walk.lister.read_name(record);
        let stored = Stored::of_record(record, self.frame.shift, name_length);
        let is_first = walk.extents.is_empty();
        walk.extents.add(record, stored);
        let before = batch.len();
        let kind = walk.lister.list(record, &stored, batch);
        // The local header of a file with content is checked when the file is restored, and an
        // impossible entry is reported as damage anyway. But an entry that a later one of the same
        // name replaces is never restored, and a flipped bit in a name can make it one.
        let is_left_out = batch.len() == before;
        let inspected = match kind {
            EntryKind::File => is_first || is_left_out || stored.compressed == 0,
            EntryKind::Impossible(_) => false,
            EntryKind::Folder | EntryKind::Special | EntryKind::Link { .. } => true,
        };
        if inspected {
            walk.extents.inspect(&stored, walk.lister.name());
        }
        let name = walk.lister.name();
        let mut doubt = |wrong: String, follows: &str| {
            let problem = format!(
                "the record of {} in the archive's directory {wrong}: {follows}",
                super::escape(name)
            );
            let lost = super::relative(name).ok().map(Lost::Either);
            walk.doubts.note(Damage::loss(problem, lost));
        };
        if let Some(wrong) = walk.records.wrong(record) {
            doubt(wrong, "the record is damaged, and some programs will not restore this");
        }
        let wrong = match kind {
            EntryKind::Impossible(wrong) => Some(wrong),
            EntryKind::Link { usual: false } => self.doubt_link(&stored, name),
            EntryKind::File | EntryKind::Folder | EntryKind::Special | EntryKind::Link { usual: true } => {
                None
            }
        };
        if let Some(wrong) = wrong {
            doubt(wrong, "the record is damaged, and a file may be lost");
        }
    }

    /// Evidence that an entry is not a link although its record says so: its content is not a path.
    fn doubt_link(&self, stored: &Stored, name: &[u8]) -> Option<String> {
        let (entry, limit) = (Entry::named(name), self.archive.directory_offset());
        let mut buffers = EntryBuffers::take();
        let read = extract::content(self.bytes(), limit, &entry, stored, TARGET_MAX, &mut buffers);
        buffers.put_back();
        match read {
            Ok(target) if target.iter().any(|byte| matches!(byte, 0 | b'\n')) => {
                Some("says that it is a symbolic link, but its content is not a path".to_owned())
            }
            Ok(_) | Err(RestoreError::Unsupported(_)) => None,
            Err(error) => {
                Some(format!("says that it is a symbolic link, but its content cannot be read ({error})"))
            }
        }
    }

    fn restore_every(
        &self,
        test: &dyn Fn(&Entry<'_>) -> bool,
        delivery: &mut Delivery<'_>,
        buffers: &mut EntryBuffers,
    ) -> Result<(), EarlyEnd> {
        if !self.repeats.is_known() {
            // Needed only to find the names that repeat.
            let _ = self.list(None, delivery.context);
            if delivery.is_cancelled() {
                return Err(EarlyEnd::Enough);
            }
        }
        let mut walk = self.start_walk();
        let mut one = EntryBatch::new();
        let walked = self.walk(|record| {
            one.clear();
            self.list_record(record, &mut walk, &mut one);
            if one.is_empty() || !test(&one.get(0)) {
                return Ok(());
            }
            self.restore_one(one.get(0), delivery, buffers)
        });
        let (_, damage) = self.end_walk(walk, walked?);
        damage.into_iter().for_each(|damage| delivery.sink.lost(damage));
        Ok(())
    }

    fn restore_one(
        &self,
        mut entry: Entry<'_>,
        delivery: &mut Delivery<'_>,
        buffers: &mut EntryBuffers,
    ) -> Result<(), EarlyEnd> {
        let outcome = match (entry.problem, Stored::of(&entry)) {
            (Some(problem), _) => Err(RestoreError::Name(problem)),
            (None, None) => Err(RestoreError::Damaged("this archive does not list it".to_owned())),
            (None, Some(stored)) => {
                delivery.sink.begin(&entry, entry.size.unwrap_or(0));
                extract::extract(
                    self.bytes(),
                    self.archive.directory_offset(),
                    &entry,
                    &stored,
                    delivery.scratch,
                    buffers,
                )
            }
        };
        entry.vouched_by = outcome.is_ok().then_some(VOUCHER);
        delivery.deliver(entry, outcome)
    }
}

impl Backup for Zip {
    fn description(&self) -> &Description {
        &self.description
    }

    fn catalog(&self, _needs: Needs, context: &Context, sink: &dyn CatalogSink) -> Result<Listing, Error> {
        list_with_restart(sink, || Ok(self.list(Some(sink), context)))
    }

    fn restore(
        &self,
        wanted: Wanted<'_>,
        scratch: &Scratch,
        context: &Context,
        sink: &mut dyn RestoreSink,
    ) -> Result<(), Error> {
        if context.cancel.is_cancelled() {
            return Ok(());
        }
        let mut delivery = Delivery { scratch, context, sink };
        let mut buffers = EntryBuffers::take();
        let ended = match wanted {
            Wanted::These(batch) => {
                batch.iter().try_for_each(|entry| self.restore_one(entry, &mut delivery, &mut buffers))
            }
            Wanted::Every(test) => self.restore_every(test, &mut delivery, &mut buffers),
        };
        buffers.put_back();
        conclude(ended)
    }
}
