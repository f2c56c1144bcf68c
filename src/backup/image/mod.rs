//! Disk images as backups: one image file, or the folder of a Windows image backup with an image
//! for each volume.
//!
//! In: image files, which [`crate::image`] reads without mounting anything. Out: the regular files
//! of the NTFS volumes in them. Each is restored by itself, at its place on the disk, by any number
//! of threads. The images are never written to, not even to replay the log of a VHDX.
//!
//! - [`format`](mod@format) recognises images, and folders of them.
//! - [`windows_image_backup`] finds the images of the newest backup in a folder.
//! - [`candidates`] opens them; [`volumes`] decides what is listed, and what paths begin with.
//! - [`file`](mod@file) notices that an image is being written.
//! - [`left_out`] knows which files Windows leaves out.
//!
//! Nothing in an image vouches for the content of a file, because NTFS has no checksums of it. A
//! flipped bit in a file shows only by comparing it with its original.

mod candidates;
mod file;
pub mod format;
mod left_out;
mod parents;
mod specs;
mod volumes;
mod windows_image_backup;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::ops::{ControlFlow, Range};
use std::path::PathBuf;
use std::sync::Mutex;

use self::left_out::LeftOut;
use self::volumes::{ReadableVolume, Volumes};
use super::collected::restore_each;
use super::damage_lines::DamageLines;
use super::delivery::{Delivery, EarlyEnd};
use super::holes::Sparse;
use super::scratch_folder::PIECE;
use super::{
    Backup, CatalogSink, Context, Damage, Description, Entry, EntryBatch, Error, Listing, Lost, Needs,
    RestoreError, RestoreSink, Restored, Scratch, Wanted,
};
use crate::image;
use crate::image::ntfs::catalog::{self, ListedFile};
use crate::image::ntfs::{FileReference, Stream, StreamReader};
use crate::lock::lock;
use crate::platform::{self, Cached};

pub use self::format::{NewestImage, newest_image_on, newest_of_this_computer};

/// The number of entries that are passed to the sink in one batch.
const BATCH: usize = 1024;

/// The line that stands for all further damage.
const MORE: &str = "and more damage in these volumes";

/// The most damage lines. Each tells the filters which paths are lost.
const DAMAGE_MAX: usize = 200;

/// NTFS counts time in steps of 100 ns.
const TIME_RESOLUTION_NS: u64 = 100;

/// Bytes of a handle: the index of the volume, the record, the sequence number.
const HANDLE: usize = 12;

/// The images of one backup.
#[derive(Debug)]
pub(super) struct Images {
    description: Description,
    volumes: Volumes,
    /// What listings of the volumes noted.
    noted: Mutex<BTreeSet<String>>,
    cached: Option<Cached>,
    /// The folders of the backup and of its computer, if it is one of Windows.
    folders: Vec<PathBuf>,
    /// Whether Windows made the images, and so left out what it leaves out.
    is_windows: bool,
    left_out: LeftOut,
}

/// Where the content of an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Handle {
    /// The index of its volume.
    volume: u16,
    file: FileReference,
}

impl Handle {
    fn to_bytes(self) -> [u8; HANDLE] {
        let mut bytes = [0; HANDLE];
        bytes[..2].copy_from_slice(&self.volume.to_le_bytes());
        bytes[2..4].copy_from_slice(&self.file.sequence.to_le_bytes());
        bytes[4..].copy_from_slice(&self.file.record.to_le_bytes());
        bytes
    }

    fn of(entry: &Entry<'_>) -> Option<Self> {
        let (volume, rest) = entry.handle.split_first_chunk()?;
        let (sequence, record) = rest.split_first_chunk()?;
        Some(Self {
            volume: u16::from_le_bytes(*volume),
            file: FileReference {
                record: u64::from_le_bytes(record.try_into().ok()?),
                sequence: u16::from_le_bytes(*sequence),
            },
        })
    }
}

/// Collects the entries of a listing, and hands them on in batches.
struct Collector<'a> {
    sink: &'a dyn CatalogSink,
    context: &'a Context,
    batch: EntryBatch,
    path: Vec<u8>,
    is_stopped: bool,
}

impl Collector<'_> {
    fn add(&mut self, prefix: &[u8], volume: u16, found: &ListedFile<'_>) -> ControlFlow<()> {
        self.path.clear();
        self.path.extend_from_slice(prefix);
        self.path.extend_from_slice(found.path);
        let handle = Handle { volume, file: found.reference }.to_bytes();
        self.batch.push_stored(
            &self.path,
            &Entry {
                size: Some(found.size),
                mtime: Some(found.mtime),
                position: order(volume, found.position),
                handle: &handle,
                ..Entry::named(b"")
            },
        );
        if self.batch.len() < BATCH { ControlFlow::Continue(()) } else { self.hand_on() }
    }

    fn hand_on(&mut self) -> ControlFlow<()> {
        if self.context.cancel.is_cancelled() || self.sink.take(&self.batch).is_break() {
            self.is_stopped = true;
            return ControlFlow::Break(());
        }
        self.batch.clear();
        ControlFlow::Continue(())
    }
}

/// Sorts files by their volume, and then by their place in it.
fn order(volume: u16, position: u64) -> u64 {
    u64::from(volume) << 56 | position.min((1 << 56) - 1)
}

thread_local! {
    /// For the content of files on its way to the restore folder.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Images {
    /// An error if an image file has changed since it was opened. What was read from it means
    /// nothing then.
    fn unchanged(&self, volume: &ReadableVolume) -> Result<(), Error> {
        let location = || self.description.location.clone();
        let files = self.volumes.files.get(volume.files.clone()).unwrap_or_default();
        let changed = files.iter().find_map(file::ImageFile::changed);
        changed.map_or(Ok(()), |problem| Err(Error::NotABackup { location: location(), problem }))
    }

    fn list_volume(
        &self,
        index: usize,
        volume: &ReadableVolume,
        collector: &mut Collector<'_>,
        damage: &mut DamageLines,
    ) {
        // There are at most 128 partitions in each of a few images.
        let number = u16::try_from(index).unwrap_or(u16::MAX);
        let prefix = &volume.prefix;
        let context = collector.context;
        let is_cancelled = || context.cancel.is_cancelled();
        let is_left_out =
            |found: &ListedFile<'_>| self.is_windows && self.left_out.takes(prefix, found.path, found.size);
        let mut add = |found: &ListedFile<'_>| match is_left_out(found) {
            true => ControlFlow::Continue(()),
            false => collector.add(prefix, number, found),
        };
        let listed = catalog::list(&volume.volume, &is_cancelled, &mut add);
        match listed {
            Ok(listed) => {
                collector.is_stopped |= listed.is_stopped;
                collector.sink.pass_over(listed.others);
                let name = String::from_utf8_lossy(prefix.strip_suffix(b"/").unwrap_or_default());
                let about = if name.is_empty() { String::new() } else { format!("volume {name}: ") };
                lock(&self.noted).extend(listed.notes.into_iter().map(|note| format!("{about}{note}")));
                listed.problems.into_iter().for_each(|found| damage.note(in_volume(volume, found)));
            }
            Err(error) => {
                damage.note(Damage {
                    problem: format!("{}cannot be listed: {error}", String::from_utf8_lossy(prefix)),
                    lost: lost_in(prefix, &[]),
                    kind: volumes::kind_of(&error),
                });
            }
        }
    }

    fn restore_one(
        &self,
        entry: Entry<'_>,
        delivery: &mut Delivery<'_>,
        reader: &mut Option<StreamReader>,
    ) -> Result<(), EarlyEnd> {
        if let Some(problem) = entry.problem {
            return delivery.deliver(entry, Err(RestoreError::Name(problem)));
        }
        let handle = Handle::of(&entry);
        let volume = handle.and_then(|handle| self.volumes.readable.get(usize::from(handle.volume)));
        let Some((handle, volume)) = handle.zip(volume) else {
            let problem = "this image does not list it".to_owned();
            return delivery.deliver(entry, Err(RestoreError::Damaged(problem)));
        };
        let outcome = read(volume, &entry, handle, delivery, reader);
        // Bytes of an image that is being written would pass for those of a damaged file.
        self.unchanged(volume).map_err(EarlyEnd::Failed)?;
        delivery.deliver(entry, outcome)
    }
}

/// Restores the content of a file.
fn read(
    volume: &ReadableVolume,
    entry: &Entry<'_>,
    handle: Handle,
    delivery: &mut Delivery<'_>,
    reader: &mut Option<StreamReader>,
) -> Result<Restored, RestoreError> {
    let stream = volume.volume.file(handle.file).and_then(|file| file.stream(&[])).map_err(explain)?;
    let stream = stream.ok_or_else(|| RestoreError::Damaged("it has no content ($DATA)".to_owned()))?;
    let size = stream.len();
    delivery.sink.begin(entry, size);
    let reader = match reader {
        Some(reader) => {
            reader.restart(stream);
            reader
        }
        None => reader.insert(stream.reader()),
    };
    let holes = has_holes(reader.stream());
    let restored = BUFFER.with_borrow_mut(|buffer| match holes {
        true => delivery.scratch.copy_sparse(0, reader, size, buffer),
        false => delivery.scratch.restore(reader, Some(size), buffer),
    });
    restored.map_err(|error| match error {
        RestoreError::Read(error) => explain(image::Error::from(error)),
        other => other,
    })
}

/// Whether a part of the content is zeros that need not be written. What fits into one piece is
/// written faster.
fn has_holes(stream: &Stream) -> bool {
    let is_all = |range: Range<u64>| range == (0..stream.len());
    stream.len() >= PIECE as u64 && !stream.next_data(0).is_some_and(is_all)
}

impl Sparse for StreamReader {
    fn next_data(&self, from: u64, _size: u64) -> io::Result<Option<Range<u64>>> {
        Ok(self.stream().next_data(from))
    }

    fn read_data(&mut self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        Ok(self.read_from(at, buffer)?)
    }
}

/// What an error of an image means for the file that it prevents.
fn explain(error: image::Error) -> RestoreError {
    match error {
        image::Error::Read(error) => RestoreError::Read(error),
        image::Error::Damaged(problem) => RestoreError::Damaged(problem),
        image::Error::Unsupported(problem) => RestoreError::Unsupported(problem),
    }
}

/// Damage of a volume, with the paths that the backup has. Where the log was not replayed, it may
/// be no damage, but a change that was under way.
fn in_volume(volume: &ReadableVolume, found: catalog::Problem) -> Damage {
    let prefix = &volume.prefix[..];
    let lost = found.path.as_ref().map(|path| lost_in(prefix, path));
    let problem = match prefix.strip_suffix(b"/") {
        Some(volume) => format!("volume {}: {}", String::from_utf8_lossy(volume), found.problem),
        None => found.problem,
    };
    let lost = lost.unwrap_or_else(|| lost_in(prefix, &[]));
    match volume.is_in_use {
        true => Damage::gap(
            format!("{problem} (the log of the volume was not replayed, and may mend this)"),
            lost,
        ),
        false if found.is_gap => Damage::gap(problem, lost),
        false => Damage::loss(problem, lost),
    }
}

/// The loss of a file or folder of a volume. The empty path is its root.
fn lost_in(prefix: &[u8], path: &[u8]) -> Option<Lost> {
    let all = [prefix, path].concat();
    let all = all.strip_suffix(b"/").unwrap_or(&all);
    match path {
        [] if all.is_empty() => None,
        [] => Some(Lost::Folder(all.to_vec())),
        _ => Some(Lost::Either(all.to_vec())),
    }
}

impl Backup for Images {
    fn description(&self) -> &Description {
        &self.description
    }

    fn catalog(&self, _needs: Needs, context: &Context, sink: &dyn CatalogSink) -> Result<Listing, Error> {
        let mut damage = DamageLines::up_to(DAMAGE_MAX, MORE);
        damage.end_with(self.volumes.damage.iter().cloned());
        let (batch, path) = (EntryBatch::new(), Vec::new());
        let mut collector = Collector { sink, context, batch, path, is_stopped: false };
        for (index, volume) in self.volumes.readable.iter().enumerate() {
            self.list_volume(index, volume, &mut collector, &mut damage);
            if collector.is_stopped || collector.hand_on().is_break() {
                return Ok(Listing::Stopped);
            }
        }
        self.volumes.readable.iter().try_for_each(|volume| self.unchanged(volume))?;
        let damage = damage.into_lines();
        Ok(Listing::ended(damage))
    }

    fn cached(&self) -> Option<Cached> {
        self.cached
    }

    fn notes(&self) -> Vec<String> {
        let noted = lock(&self.noted);
        self.volumes.notes.iter().chain(&*noted).cloned().chain(self.left_out.note()).collect()
    }

    fn leaves_out(&self, path: &[u8]) -> bool {
        self.left_out.has(path)
    }

    fn folders(&self) -> Vec<PathBuf> {
        self.folders.clone()
    }

    fn restore(
        &self,
        wanted: Wanted<'_>,
        scratch: &Scratch,
        context: &Context,
        sink: &mut dyn RestoreSink,
    ) -> Result<(), Error> {
        let mut reader = None;
        let mut delivery = Delivery { scratch, context, sink };
        restore_each(self, &wanted, &mut delivery, &mut |entry, delivery| {
            self.restore_one(entry, delivery, &mut reader)
        })
    }
}

/// How much of the image files is in memory although they were to be read from the disk.
fn cached(volumes: &Volumes) -> Option<Cached> {
    let mut sum = Cached { is_known: true, ..Cached::default() };
    for file in &volumes.files {
        let one = platform::cached(file.path())?;
        sum.bytes += one.bytes;
        sum.of += one.of;
        sum.is_known &= one.is_known;
    }
    Some(sum)
}
