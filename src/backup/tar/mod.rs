//! Tar archives, plain or compressed as a whole.
//!
//! In: an archive file. Out: its regular files and hard links. A plain archive is read at offsets,
//! so that any member can be restored by itself and many threads share one read-only handle. A
//! compressed archive is read front to back. In both cases the position of a member is the offset
//! of its first header in the uncompressed archive, and a restore begins right there.
//!
//! As in tar itself, the last of several members with the same name counts, and a hard link has the
//! content of the nearest earlier member with the name of its target. Modification times count to
//! the second: only pax headers have finer times, and whether all members of an archive have them
//! is not known before its end.

mod end;
mod extract;
mod format;
mod header;
mod links;
mod members;
mod names;
mod pax;
mod source;
mod sparse;
mod specials;

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::sync::Mutex;

pub use self::format::{BZIP2, GZIP, PLAIN, XZ, ZSTD};
use self::links::Links;
use self::members::{Member, MemberKind, Members, Step};
use self::source::{ArchiveEnd, ArchiveReader, DecompressedReader, PlainReader};
use self::specials::Specials;
use super::compression::Compression;
use super::damage_lines::DamageLines;
use super::delivery::{Delivery, EarlyEnd, conclude, copy_of_io_error};
use super::passed_over::{PassedOver, PassedOverKind};
use super::repeats::{NamePass, Repeats, list_with_restart};
use super::{
    Backup, CatalogSink, Context, Description, Entry, EntryBatch, Error, Listing, Needs, Reach, RestoreError,
    RestoreSink, Scratch, Wanted,
};
use crate::bytes::{ReadAt, SequentialReader};
use crate::lock::lock;

/// The number of entries that are passed to the sink in one batch.
const BATCH: usize = 1024;

/// The line that stands for all further damage.
const MORE: &str = "and more damage, further on";

thread_local! {
    /// For copying content; reused for all batches of a thread.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A tar archive.
#[derive(Debug)]
pub(super) struct Tar {
    description: Description,
    bytes: Box<dyn ReadAt>,
    compression: Option<Compression>,
    repeats: Repeats,
    links: Links,
    /// What the last walk that reached the end found there.
    end: Mutex<Option<ArchiveEnd>>,
}

/// Whether `block`, the first uncompressed block of a file, begins a tar archive. The magic bytes
/// of POSIX and GNU headers are enough: the archive must be recognised even if its first header is
/// damaged.
fn is_header(block: &[u8; 512]) -> bool {
    header::has_checksum(block) || header::has_magic(block)
}

impl Tar {
    /// The archive in `bytes`, which the caller has recognised and described.
    pub(super) fn new(
        description: Description,
        bytes: Box<dyn ReadAt>,
        compression: Option<Compression>,
    ) -> Self {
        let (repeats, links, end) = (Repeats::default(), Links::default(), Mutex::default());
        Self { description, bytes, compression, repeats, links, end }
    }

    /// Stores what a complete walk found at the end. `None` if the end could not be read.
    fn note_end(&self, found: Option<ArchiveEnd>) {
        *lock(&self.end) = found;
    }

    fn end(&self) -> Option<ArchiveEnd> {
        *lock(&self.end)
    }

    /// Calls `act` with a reader at the start of the archive. `halt` is called regularly and
    /// returns whether to end.
    fn with_source<T>(
        &self,
        halt: &mut dyn FnMut() -> bool,
        act: impl FnOnce(&mut dyn ArchiveReader) -> T,
    ) -> Result<T, Error> {
        let Some(compression) = self.compression else {
            return Ok(act(&mut PlainReader::new(&*self.bytes)));
        };
        let decoder = compression
            .decoder(SequentialReader::new(&*self.bytes))
            .map_err(|source| Error::Open { location: self.description.location.clone(), source })?;
        let most = self.end().map_or_else(|| compression.most_from(self.bytes.len()), |end| end.length);
        Ok(act(&mut DecompressedReader::new(decoder, most, halt)))
    }

    /// Lists to `sink`. Without a sink, only finds repeated names and hard links. Returns `None` if
    /// names repeat and the archive must be listed again.
    fn list(
        &self,
        sink: Option<&dyn CatalogSink>,
        context: &Context,
        source: &mut dyn ArchiveReader,
    ) -> Option<Listing> {
        let mut pass = self.repeats.pass();
        let mut targets = self.links.collect();
        let mut specials = Specials::default();
        let mut members = Members::at(source, 0);
        let mut member = Member::default();
        let (mut batch, mut damage) = (EntryBatch::new(), DamageLines::new(MORE));
        let mut passed_over = PassedOver::default();
        let hand_on = |batch: &EntryBatch| sink.map_or(ControlFlow::Continue(()), |sink| sink.take(batch));
        loop {
            match members.step(&mut member) {
                Step::Member => {
                    passed_over.see(&member.name, what(member.kind));
                    if member.kind == MemberKind::Link {
                        targets.note(&member.link);
                    }
                    list_member(&mut batch, &member, &mut pass, &mut specials);
                    if batch.len() >= BATCH {
                        if hand_on(&batch).is_break() || context.cancel.is_cancelled() {
                            return Some(Listing::Stopped);
                        }
                        batch.clear();
                    }
                }
                Step::Damaged(problem) => damage.note(problem),
                Step::End(problem) => {
                    damage.end_with(problem);
                    break;
                }
                Step::Halted => return Some(Listing::Stopped),
            }
        }
        self.note_end(members.source().end());
        targets.finish();
        if pass.finish() {
            return None;
        }
        if let Some(sink) = sink {
            sink.pass_over(passed_over.count());
        }
        let damage = damage.into_lines();
        Some(match hand_on(&batch) {
            ControlFlow::Break(()) => Listing::Stopped,
            ControlFlow::Continue(()) if damage.is_empty() => Listing::Whole,
            ControlFlow::Continue(()) => Listing::Damaged(damage),
        })
    }

    /// Makes sure that repeated names and the targets of hard links are known.
    fn survey(&self, context: &Context) -> Result<(), Error> {
        if !self.repeats.is_known() {
            let mut halt = || context.cancel.is_cancelled();
            let _ = self.with_source(&mut halt, |source| self.list(None, context, source))?;
        }
        Ok(())
    }

    fn restore_every(
        &self,
        test: &dyn Fn(&Entry<'_>) -> bool,
        delivery: &mut Delivery<'_>,
    ) -> Result<(), EarlyEnd> {
        let context = delivery.context;
        self.survey(context).map_err(EarlyEnd::Failed)?;
        if delivery.is_cancelled() {
            return Err(EarlyEnd::Enough);
        }
        let mut links = EntryBatch::new();
        let mut damage = DamageLines::new(MORE);
        let mut halt = || context.cancel.is_cancelled();
        let passed = self.with_source(&mut halt, |source| {
            let mut pass = self.repeats.pass();
            let mut specials = Specials::default();
            let mut members = Members::at(source, 0);
            let mut member = Member::default();
            let mut one = EntryBatch::new();
            let mut buffer = BUFFER.take();
            let ended = loop {
                match members.step(&mut member) {
                    Step::Member => {}
                    Step::Damaged(problem) => {
                        damage.note(problem);
                        continue;
                    }
                    Step::End(problem) => {
                        damage.end_with(problem);
                        self.note_end(members.source().end());
                        break Ok(());
                    }
                    Step::Halted => break Err(EarlyEnd::Enough),
                }
                one.clear();
                list_member(&mut one, &member, &mut pass, &mut specials);
                if one.is_empty() || !test(&one.get(0)) {
                    continue;
                }
                if member.kind == MemberKind::Link {
                    links.push(&one.get(0));
                    continue;
                }
                let entry = one.get(0);
                let outcome = match entry.problem {
                    Some(problem) => Err(RestoreError::Name(problem)),
                    None => extract::extract(members.source(), &mut member, delivery.scratch, &mut buffer),
                };
                if let Err(ended) = delivery.deliver(entry, outcome) {
                    break Err(ended);
                }
            };
            BUFFER.set(buffer);
            ended
        });
        // Reported here again, because a disk that was read without errors for the listing may fail
        // now.
        damage.into_lines().into_iter().for_each(|damage| delivery.sink.lost(damage));
        passed.map_err(EarlyEnd::Failed)??;
        if links.is_empty() { Ok(()) } else { self.restore_these(&links, delivery) }
    }

    fn restore_these(&self, wanted: &EntryBatch, delivery: &mut Delivery<'_>) -> Result<(), EarlyEnd> {
        let context = delivery.context;
        let mut order = Vec::with_capacity(wanted.len());
        let mut resolved = None;
        for index in 0..wanted.len() {
            let entry = wanted.get(index);
            let start = entry.position;
            let content = if link_target(&entry).is_none() {
                Some(start)
            } else {
                if resolved.is_none() {
                    resolved = Some(self.resolve_links(context)?);
                }
                resolved.and_then(|resolved| resolved.get(&start)).copied()
            };
            match (content, entry.problem) {
                (Some(content), None) => order.push((content, index)),
                (_, problem) => {
                    let error = problem.map_or_else(|| dangling(&entry), RestoreError::Name);
                    delivery.deliver(entry, Err(error))?;
                }
            }
        }
        order.sort_unstable();
        let mut halt = || context.cancel.is_cancelled();
        let passed = self.with_source(&mut halt, |source| {
            let mut pass = InOrder { wanted, delivery, buffer: BUFFER.take(), member: Member::default() };
            let ended = order.chunk_by(|a, b| a.0 == b.0).try_for_each(|group| pass.restore(source, group));
            BUFFER.set(pass.buffer);
            ended
        });
        passed.map_err(EarlyEnd::Failed)?
    }

    /// Finds the content of all hard links. If the walk was cancelled, nothing is known of any
    /// link.
    fn resolve_links(&self, context: &Context) -> Result<&std::collections::HashMap<u64, u64>, EarlyEnd> {
        self.survey(context).map_err(EarlyEnd::Failed)?;
        let mut halt = || context.cancel.is_cancelled();
        if self.links.resolved().is_none() {
            self.with_source(&mut halt, |source| self.links.resolve(source)).map_err(EarlyEnd::Failed)?;
        }
        self.links.resolved().ok_or(EarlyEnd::Enough)
    }
}

/// Restores wanted entries in the order of the archive.
struct InOrder<'a, 'd> {
    wanted: &'a EntryBatch,
    delivery: &'a mut Delivery<'d>,
    buffer: Vec<u8>,
    member: Member,
}

impl InOrder<'_, '_> {
    /// Restores the member that all entries of `group` (offset and index) have their content from,
    /// once for each entry.
    fn restore(&mut self, source: &mut dyn ArchiveReader, group: &[(u64, usize)]) -> Result<(), EarlyEnd> {
        let Some((&(start, first), others)) = group.split_first() else { return Ok(()) };
        let entry = self.wanted.get(first);
        // A worker that holds a file for its other names may wait for disk space. Meanwhile it must
        // not block the other large files, so it does not call `begin`, which takes their turn.
        if others.is_empty() {
            self.delivery.sink.begin(&entry, entry.size.unwrap_or(0));
        }
        let outcome = match self.extract(source, start) {
            Err(RestoreError::Stopped) if !self.delivery.is_cancelled() => {
                Err(RestoreError::Damaged("reading the archive ended early".to_owned()))
            }
            outcome => outcome,
        };
        let others = others.iter().map(|&(_, index)| self.wanted.get(index));
        match outcome {
            // The copies are made one after the other, so that a file with a thousand names does
            // not take a thousand times the space.
            Ok(restored) => {
                for entry in others {
                    let copy = self.delivery.scratch.copy_again(&restored, &mut self.buffer);
                    self.delivery.deliver(entry, copy)?;
                }
                self.delivery.deliver(self.wanted.get(first), Ok(restored))
            }
            // If the scratch folder has failed, delivering the first entry ends the restore.
            Err(error) => {
                let message = copy_of_error(&error);
                self.delivery.deliver(self.wanted.get(first), Err(error))?;
                others
                    .into_iter()
                    .try_for_each(|entry| self.delivery.deliver(entry, Err(copy_of_error(&message))))
            }
        }
    }

    fn extract(
        &mut self,
        source: &mut dyn ArchiveReader,
        start: u64,
    ) -> Result<super::Restored, RestoreError> {
        source.advance_to(start).map_err(extract::explain)?;
        let mut members = Members::at(source, start);
        match members.step(&mut self.member) {
            Step::Member
                if self.member.start == start
                    && matches!(self.member.kind, MemberKind::File | MemberKind::Continued) =>
            {
                extract::extract(members.source(), &mut self.member, self.delivery.scratch, &mut self.buffer)
            }
            Step::Damaged(problem) | Step::End(Some(problem)) => Err(RestoreError::Damaged(problem)),
            Step::Halted => Err(RestoreError::Stopped),
            Step::Member | Step::End(None) => {
                let problem = format!(
                    "the archive has changed since it was listed: its header at byte {start} is gone"
                );
                Err(RestoreError::Damaged(problem))
            }
        }
    }
}

impl Backup for Tar {
    fn description(&self) -> &Description {
        &self.description
    }

    fn reach(&self) -> Reach {
        if self.compression.is_some() { Reach::ORDERED } else { Reach::RANDOM }
    }

    fn catalog(&self, _needs: Needs, context: &Context, sink: &dyn CatalogSink) -> Result<Listing, Error> {
        let mut halt = || context.cancel.is_cancelled();
        list_with_restart(sink, || {
            self.with_source(&mut halt, |source| self.list(Some(sink), context, source))
        })
    }

    fn vouched_by(&self) -> Option<&'static str> {
        let compression = self.compression?;
        self.end().filter(|end| end.is_vouched_for).map(|_| compression.checksum_name())
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
        conclude(match wanted {
            Wanted::These(batch) => self.restore_these(batch, &mut delivery),
            Wanted::Every(test) => self.restore_every(test, &mut delivery),
        })
    }
}

/// What a member counts as among those that are passed over.
fn what(kind: MemberKind) -> PassedOverKind {
    match kind {
        MemberKind::Folder => PassedOverKind::Folder,
        MemberKind::Special => PassedOverKind::Special,
        _ => PassedOverKind::Other,
    }
}

/// Adds a member to `batch` if it is a regular file or a hard link to one, and if no later member
/// replaces it.
fn list_member(batch: &mut EntryBatch, member: &Member, pass: &mut NamePass<'_>, specials: &mut Specials) {
    if matches!(member.kind, MemberKind::Folder | MemberKind::NoFile) {
        return;
    }
    let is_link = member.kind == MemberKind::Link;
    let mut target = Vec::new();
    if is_link {
        target = super::path::relative(&member.link).unwrap_or_else(|_| member.link.clone());
        if target.is_empty() {
            // Without a target, the entry would be taken for a file.
            target.push(b'/');
        }
    }
    let before = batch.len();
    let rest = Entry {
        size: (!is_link).then_some(member.size),
        mtime: member.mtime,
        position: member.start,
        handle: &target,
        ..Entry::named(b"")
    };
    batch.push_stored(&member.name, &rest);
    let path = batch.get(before).path;
    let is_special = member.kind == MemberKind::Special || (is_link && specials.holds(&target));
    if is_special {
        specials.note(path);
    } else if !pass.names_are_unique() {
        specials.forget(path);
    }
    if !pass.stays(path) || is_special {
        batch.truncate(before);
    }
}

/// The path that a hard link points to, which is the handle of its entry. `None` for files.
fn link_target<'a>(entry: &Entry<'a>) -> Option<&'a [u8]> {
    (!entry.handle.is_empty()).then_some(entry.handle)
}

fn dangling(entry: &Entry<'_>) -> RestoreError {
    let target = super::escape(link_target(entry).unwrap_or_default());
    RestoreError::Damaged(format!("it is a hard link to {target}, which is not in the archive before it"))
}

/// A copy of an error, to be delivered for another entry.
fn copy_of_error(error: &RestoreError) -> RestoreError {
    match error {
        RestoreError::Stopped => RestoreError::Stopped,
        RestoreError::Unsupported(problem) => RestoreError::Unsupported(problem.clone()),
        RestoreError::Checksum(problem) => RestoreError::Checksum(problem.clone()),
        RestoreError::NoSpace { needed, free } => RestoreError::NoSpace { needed: *needed, free: *free },
        RestoreError::TooLong { declared } => RestoreError::TooLong { declared: *declared },
        RestoreError::Read(error) => RestoreError::Read(copy_of_io_error(error)),
        other => RestoreError::Damaged(other.to_string()),
    }
}
