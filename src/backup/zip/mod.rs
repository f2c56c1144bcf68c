//! Zip archives, also those with a program in front of them.
//!
//! In: an archive file. Out: its regular files, each restored by itself at its offset by any number
//! of threads, checked against the CRC-32 and the size that the central directory gives. The
//! central directory alone says what is in the archive.
//!
//! Other programs read more than that, so whatever contradicts the directory is damage, also where
//! this program could do without it: in a local header ([`local`]), in the end records and around
//! the archive ([`frame`]), in numbers of the directory ([`record`]), and where entries overlap or
//! are not listed ([`extents`]). A restore looks at the local headers of the files that it
//! restores; a listing at those of the first folders, links and empty files only.
//!
//! Names have no checksum, but stand in the local header too, which a restore compares. The type of
//! an entry stands in the directory alone: one that says "folder" of an entry with content, or
//! "link" of content that is no target, is reported as damage, so that a flipped bit does not take
//! a file out of the population. What cannot be told: an empty file whose type or name has become
//! that of a folder, pipe or socket; and a file of at most 4096 bytes without a line feed that has
//! become a link, or any of that size with the permissions of links, `rwxrwxrwx`, whose targets are
//! not read because that would cost a read a link.
//!
//! The directory is read by `rawzip`, which streams it through one buffer: the `zip` crate keeps
//! every entry in memory, which a backup of millions of files does not allow. Names are kept as
//! stored bytes, with two exceptions in [`entry`]. Format: PKWARE APPNOTE.TXT 6.3.10; extra fields
//! of Info-ZIP as in its `proginfo/extrafld.txt`.
//!
//! Modification times count to 2 seconds, as finely as the directory itself records them, though
//! many archives hold finer ones in extra fields. Without those a time is that of the clock on the
//! wall where the archive was made; it is taken for this machine's time zone, or UTC where that is
//! not known.

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

use self::entry::{Lister, Nature, TARGET_MAX};
use self::extents::Extents;
use self::extract::Workspace;
use self::frame::Frame;
use self::record::Records;
use self::stored::Stored;
use super::bytes::ReadAt;
use super::damage_lines::DamageLines;
use super::delivery::{Delivery, Ended, conclude};
use super::format::{Candidate, Format};
use super::repeats::{Repeats, settled};
use super::{
    Backup, CatalogSink, Context, Damage, Description, Entry, EntryBatch, Error, Listing, Lost, Needs,
    RestoreError, RestoreSink, Scratch, Wanted,
};

/// Entries are handed on in batches of this many.
const BATCH: usize = 1024;

/// What is said instead of further damaged records.
const MORE: &str = "and more damaged records, further on";

/// Room for the longest directory record (three fields of at most 64 KiB) and many ordinary ones.
const DIRECTORY_BUFFER: usize = 256 << 10;

/// What vouches for an entry that was restored: none is without its CRC-32 being found right.
const VOUCHER: &str = "the CRC-32 in the archive";

/// As finely as the directory itself records times.
const TIME_RESOLUTION_NS: u64 = 2_000_000_000;

/// Zip archives.
pub const FORMAT: Format = Format {
    name: "zip",
    kind: "a zip archive",
    summary: "zip and zip64: stored, deflate, bzip2, xz, zstd; also behind a program",
    schemes: &[],
    recognise: |candidate| {
        // Behind a program, its own start says nothing, so the directory must be sound.
        is_start(candidate.first())
            || (candidate.file().is_some() && Zip::in_file(candidate).is_ok_and(|zip| zip.has_entries()))
    },
    open: |candidate, _| Ok(Box::new(Zip::in_file(candidate)?)),
    snapshots: None,
};

/// One walk over the directory, and what it gathers.
struct Walk<'a> {
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

/// Whether a file begins like a zip archive: with an entry, with the end of an empty one, or with
/// the mark of a volume.
fn is_start(first: &[u8]) -> bool {
    first.starts_with(b"PK\x03\x04") || first.starts_with(b"PK\x05\x06") || first.starts_with(b"PK\x07\x08")
}

/// Whether `bytes` end just like a zip archive with entries: the end record, whose comment reaches
/// to the last byte, is behind a directory.
pub(super) fn is_end(bytes: &dyn ReadAt) -> bool {
    frame::ends_with_directory(bytes)
}

impl Zip {
    /// Opens the archive that may be in a file.
    fn in_file(candidate: &Candidate<'_>) -> Result<Self, Error> {
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
                ErrorKind::MissingEndOfCentralDirectory => "its end, which lists what it holds, is missing: it was \
                    probably cut off. Fetch it again from where it was made; what is left of it may be saved by \
                    `zip -FF`"
                    .to_owned(),
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

    /// Whether the end record counts more than one part (APPNOTE 4.3.16, "number of this disk").
    fn is_split(&self) -> bool {
        let mut end = [0; 6];
        let read = self.archive.get_ref().read_exact_at(&mut end, self.archive.eocd_offset());
        // All ones refer to the zip64 record.
        read.is_ok() && !matches!(u16::from_le_bytes([end[4], end[5]]), 0 | u16::MAX)
    }

    /// Whether the archive's first record is sound, which tells a zip behind a program from a
    /// chance resemblance.
    fn has_entries(&self) -> bool {
        let mut buffer = vec![0; DIRECTORY_BUFFER];
        matches!(self.archive.entries(&mut buffer).next_entry(), Ok(Some(_)))
    }

    /// Gives every record of the directory to `each`, until that breaks (`Ok(None)`); otherwise
    /// what is damaged.
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
                    let promised = self.archive.entries_hint();
                    return Ok(vec![format!(
                        "the archive's directory is damaged after {count} of {promised} entries ({error}); the rest \
                         cannot be listed"
                    )]);
                }
            }
            count += 1;
        }
        // Old programs count to 65,535 and start again.
        let promised = self.archive.entries_hint();
        if count == promised || (promised <= 0xffff && count & 0xffff == promised) {
            return Ok(Vec::new());
        }
        Ok(vec![format!(
            "the archive's end record promises {promised} entries, but its directory lists {count}"
        )])
    }

    /// Lists to `sink`, or nowhere, only to learn which names repeat. None where some
    /// do, so that the archive is to be listed again.
    fn list(&self, sink: Option<&dyn CatalogSink>, context: &Context) -> Option<Listing> {
        let mut walk = self.start_walk();
        let mut batch = EntryBatch::new();
        let hand_on = |batch: &EntryBatch| sink.is_some_and(|sink| sink.take(batch).is_break());
        let walked = self.walk(|record| {
            self.list_record(record, &mut walk, &mut batch);
            if batch.len() >= BATCH {
                if hand_on(&batch) || context.cancel.is_set() {
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

    fn start_walk(&self) -> Walk<'_> {
        let bytes = self.bytes();
        Walk {
            lister: Lister::new(self.repeats.pass()),
            records: Records::new(bytes),
            extents: Extents::new(bytes, self.archive.directory_offset()),
            doubts: DamageLines::new(MORE),
        }
    }

    /// Ends a walk over the whole directory: whether the archive must be listed again, and all that
    /// is damaged. `records` says what kept the walk from being whole; then what the directory does
    /// not list proves nothing.
    fn end_walk(&self, walk: Walk<'_>, records: Vec<String>) -> (bool, Vec<Damage>) {
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

    /// Adds a record's entry to `batch`, or what is wrong with it to the doubts of the walk.
    fn list_record(&self, record: &ZipFileHeaderRecord<'_>, walk: &mut Walk<'_>, batch: &mut EntryBatch) {
        let name_length = walk.lister.read_name(record);
        let stored = Stored::of_record(record, self.frame.shift, name_length);
        let is_first = walk.extents.is_empty();
        walk.extents.add(record, stored);
        let nature = walk.lister.list(record, &stored, batch);
        // A file with content has its local header looked at when it is restored, and what is
        // impossible is damage already.
        let inspected = match nature {
            Nature::File => is_first || stored.compressed == 0,
            Nature::Impossible(_) => false,
            Nature::Folder | Nature::Special | Nature::Link { .. } => true,
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
            walk.doubts.note(Damage { problem, lost, denied: false });
        };
        if let Some(wrong) = walk.records.wrong(record) {
            doubt(wrong, "the record is damaged, and some programs will not restore this");
        }
        let wrong = match nature {
            Nature::Impossible(wrong) => Some(wrong),
            Nature::Link { usual: false } => self.doubt_link(&stored, name),
            Nature::File | Nature::Folder | Nature::Special | Nature::Link { usual: true } => None,
        };
        if let Some(wrong) = wrong {
            doubt(wrong, "the record is damaged, and a file may be lost");
        }
    }

    /// What shows that an entry is no link though its record says so: its content is no path.
    fn doubt_link(&self, stored: &Stored, name: &[u8]) -> Option<String> {
        let (entry, limit) = (Entry::named(name), self.archive.directory_offset());
        let mut workspace = Workspace::take();
        let read = extract::content(self.bytes(), limit, &entry, stored, TARGET_MAX, &mut workspace);
        workspace.put_back();
        match read {
            Ok(target) if target.iter().any(|byte| matches!(byte, 0 | b'\n')) => {
                Some("says that it is a symbolic link, but what it holds is no path".to_owned())
            }
            Ok(_) | Err(RestoreError::Unsupported(_)) => None,
            Err(error) => {
                Some(format!("says that it is a symbolic link, but what it holds cannot be read ({error})"))
            }
        }
    }

    fn restore_every(
        &self,
        test: &dyn Fn(&Entry<'_>) -> bool,
        delivery: &mut Delivery<'_>,
        workspace: &mut Workspace,
    ) -> Result<(), Ended> {
        if !self.repeats.is_known() {
            // Only for the names that repeat.
            let _ = self.list(None, delivery.context);
            if delivery.is_cancelled() {
                return Err(Ended::Enough);
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
            self.restore_one(one.get(0), delivery, workspace)
        });
        let (_, damage) = self.end_walk(walk, walked?);
        damage.into_iter().for_each(|damage| delivery.sink.lost(damage));
        Ok(())
    }

    fn restore_one(
        &self,
        mut entry: Entry<'_>,
        delivery: &mut Delivery<'_>,
        workspace: &mut Workspace,
    ) -> Result<(), Ended> {
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
                    workspace,
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
        settled(sink, || Ok(self.list(Some(sink), context)))
    }

    fn restore(
        &self,
        wanted: Wanted<'_>,
        scratch: &Scratch,
        context: &Context,
        sink: &mut dyn RestoreSink,
    ) -> Result<(), Error> {
        if context.cancel.is_set() {
            return Ok(());
        }
        let mut delivery = Delivery { scratch, context, sink };
        let mut workspace = Workspace::take();
        let ended = match wanted {
            Wanted::These(batch) => {
                batch.iter().try_for_each(|entry| self.restore_one(entry, &mut delivery, &mut workspace))
            }
            Wanted::Every(test) => self.restore_every(test, &mut delivery, &mut workspace),
        };
        workspace.put_back();
        conclude(ended)
    }
}
