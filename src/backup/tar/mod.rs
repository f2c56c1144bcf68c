//! Tar archives, plain or compressed as a whole.
//!
//! In: an archive file. Out: its regular files and hard links. A plain archive is read at offsets,
//! so that any member is restored by itself and many threads share one read-only handle; a
//! compressed one is read front to back. Either way a member's [`Locator`] is the offset of its
//! first header in the uncompressed archive, and a restore begins right there.
//!
//! Like tar itself, the last of several members of one name counts, and a hard link gives the
//! content of the nearest earlier member of the name it points to. Modification times count to the
//! second: only pax headers hold more, and whether a given archive has them everywhere is not known
//! before its end.

mod end;
mod extract;
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
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use self::links::Links;
use self::members::{Kind, Member, Members, Step};
use self::source::{End, Plain, Source, Stream};
use self::specials::Specials;
use super::aside::{Aside, What};
use super::bytes::{ReadAt, Reader};
use super::compression::Compression;
use super::damage_lines::DamageLines;
use super::land::{Ended, conclude, land, same};
use super::repeats::{Pass, Repeats};
use super::{
    Access, Backup, Description, Entry, Error, Landing, Listing, Locator, Needs, Picks, RestoreError,
    Scratch, Sink, Wanted,
};
use crate::lock::lock;
use crate::platform::Timestamp;

/// Entries are handed on in piles of this many.
const PILE: usize = 1024;

/// What is said instead of further damage.
const MORE: &str = "and more damage, further on";

thread_local! {
    /// For copying content; kept from batch to batch.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A tar archive.
#[derive(Debug)]
pub(super) struct Tar {
    place: PathBuf,
    bytes: Box<dyn ReadAt>,
    taken: Option<Timestamp>,
    compression: Option<Compression>,
    repeats: Repeats,
    links: Links,
    /// What the last walk to the end has found there.
    end: Mutex<Option<End>>,
}

/// Whether `block`, the first of a file (uncompressed), begins a tar archive. The mark of POSIX and
/// GNU headers is enough: a damaged first header must not make the whole archive unknown.
pub(super) fn is_header(block: &[u8; 512]) -> bool {
    header::has_checksum(block) || header::has_magic(block)
}

impl Tar {
    /// The archive in `bytes`, which the caller has recognised; it was modified last when it was
    /// `taken`.
    pub(super) fn new(
        place: &Path,
        bytes: Box<dyn ReadAt>,
        taken: Option<Timestamp>,
        compression: Option<Compression>,
    ) -> Self {
        let (repeats, links, end) = (Repeats::default(), Links::default(), Mutex::default());
        Self { place: place.to_owned(), bytes, taken, compression, repeats, links, end }
    }

    /// What a whole walk has found at the end; nothing if that could not be read.
    fn note_end(&self, found: Option<End>) {
        *lock(&self.end) = found;
    }

    fn end(&self) -> Option<End> {
        *lock(&self.end)
    }

    /// Gives `act` a source at the start of the archive; `halt` is asked now and then whether to
    /// end.
    fn with_source<T>(
        &self,
        halt: &mut dyn FnMut() -> bool,
        act: impl FnOnce(&mut dyn Source) -> T,
    ) -> Result<T, Error> {
        let Some(compression) = self.compression else {
            return Ok(act(&mut Plain::new(&*self.bytes)));
        };
        let decoder = compression
            .decoder(Reader::new(&*self.bytes))
            .map_err(|source| Error::Open { place: self.place.clone(), source })?;
        let most = self.end().map_or_else(|| compression.most_from(self.bytes.len()), |end| end.length);
        Ok(act(&mut Stream::new(decoder, most, halt)))
    }

    /// Lists to `sink`, or lists nothing but gets to know repeated names and hard links.
    fn list(&self, sink: Option<&dyn Sink>, source: &mut dyn Source) -> Listing {
        let mut pass = self.repeats.pass();
        let mut targets = self.links.collect();
        let mut specials = Specials::default();
        let mut members = Members::at(source, 0);
        let mut member = Member::default();
        let (mut pile, mut damage) = (Picks::new(), DamageLines::new(MORE));
        let mut aside = Aside::default();
        let hand_on = |pile: &Picks| sink.map_or(ControlFlow::Continue(()), |sink| sink.take(pile));
        loop {
            match members.step(&mut member) {
                Step::Member => {
                    aside.see(&member.name, what(member.kind));
                    if member.kind == Kind::Link {
                        targets.note(&member.link);
                    }
                    list_member(&mut pile, &member, &mut pass, &mut specials);
                    if pile.len() >= PILE {
                        if hand_on(&pile).is_break() {
                            return Listing::Stopped;
                        }
                        pile.clear();
                    }
                }
                Step::Damaged(problem) => damage.note(problem),
                Step::End(problem) => {
                    damage.end_with(problem);
                    break;
                }
                Step::Halted => return Listing::Stopped,
            }
        }
        self.note_end(members.source().end());
        targets.finish();
        if pass.finish() {
            return Listing::Again;
        }
        if let Some(sink) = sink {
            sink.pass_over(aside.count());
        }
        let damage = damage.into_lines();
        match hand_on(&pile) {
            ControlFlow::Break(()) => Listing::Stopped,
            ControlFlow::Continue(()) if damage.is_empty() => Listing::Whole,
            ControlFlow::Continue(()) => Listing::Damaged(damage),
        }
    }

    /// Makes sure that repeated names and the targets of hard links are known.
    fn survey(&self, scratch: &Scratch) -> Result<(), Error> {
        if !self.repeats.is_known() {
            let mut halt = || scratch.stop().is_set();
            let _ = self.with_source(&mut halt, |source| self.list(None, source))?;
        }
        Ok(())
    }

    fn restore_every(
        &self,
        test: &dyn Fn(&Entry<'_>) -> bool,
        scratch: &Scratch,
        landing: &mut dyn Landing,
    ) -> Result<(), Ended> {
        self.survey(scratch).map_err(Ended::Failed)?;
        let mut links = Picks::new();
        let mut damage = DamageLines::new(MORE);
        let mut halt = || scratch.stop().is_set();
        let passed = self.with_source(&mut halt, |source| {
            let mut pass = self.repeats.pass();
            let mut specials = Specials::default();
            let mut members = Members::at(source, 0);
            let mut member = Member::default();
            let mut one = Picks::new();
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
                    Step::Halted => break Err(Ended::Enough),
                }
                one.clear();
                list_member(&mut one, &member, &mut pass, &mut specials);
                if one.is_empty() || !test(&one.get(0)) {
                    continue;
                }
                if member.kind == Kind::Link {
                    links.push(&one.get(0));
                    continue;
                }
                let entry = one.get(0);
                let outcome = match entry.problem {
                    Some(problem) => Err(RestoreError::Name(problem)),
                    None => extract::extract(members.source(), &mut member, scratch, &mut buffer),
                };
                if let Err(ended) = land(scratch, landing, entry, outcome) {
                    break Err(ended);
                }
            };
            BUFFER.set(buffer);
            ended
        });
        // A disk that read well for the listing need not do so again.
        damage.into_lines().into_iter().for_each(|damage| landing.lose(damage));
        passed.map_err(Ended::Failed)??;
        if links.is_empty() { Ok(()) } else { self.restore_these(&links, scratch, landing) }
    }

    fn restore_these(
        &self,
        picks: &Picks,
        scratch: &Scratch,
        landing: &mut dyn Landing,
    ) -> Result<(), Ended> {
        let mut order = Vec::with_capacity(picks.len());
        let mut resolved = None;
        for index in 0..picks.len() {
            let entry = picks.get(index);
            let start = entry.locator.0[0];
            let content = if entry.link.is_none() {
                Some(start)
            } else {
                if resolved.is_none() {
                    resolved = Some(self.resolve_links(scratch)?);
                }
                resolved.and_then(|resolved| resolved.get(&start)).copied()
            };
            match (content, entry.problem) {
                (Some(content), None) => order.push((content, index)),
                (_, problem) => {
                    let error = problem.map_or_else(|| dangling(&entry), RestoreError::Name);
                    land(scratch, landing, entry, Err(error))?;
                }
            }
        }
        order.sort_unstable();
        let mut halt = || scratch.stop().is_set();
        let passed = self.with_source(&mut halt, |source| {
            let mut batch =
                Batch { picks, scratch, landing, buffer: BUFFER.take(), member: Member::default() };
            let ended = order.chunk_by(|a, b| a.0 == b.0).try_for_each(|group| batch.restore(source, group));
            BUFFER.set(batch.buffer);
            ended
        });
        passed.map_err(Ended::Failed)?
    }

    /// Finds what hard links give; a walk that was stopped says nothing of any of them.
    fn resolve_links(&self, scratch: &Scratch) -> Result<&std::collections::HashMap<u64, u64>, Ended> {
        self.survey(scratch).map_err(Ended::Failed)?;
        let mut halt = || scratch.stop().is_set();
        if self.links.resolved().is_none() {
            self.with_source(&mut halt, |source| self.links.resolve(source)).map_err(Ended::Failed)?;
        }
        self.links.resolved().ok_or(Ended::Enough)
    }
}

/// A batch of picks in the order of the archive.
struct Batch<'a> {
    picks: &'a Picks,
    scratch: &'a Scratch,
    landing: &'a mut dyn Landing,
    buffer: Vec<u8>,
    member: Member,
}

impl Batch<'_> {
    /// Restores the member that all of `group` (offset and index) get their content from, once for
    /// each.
    fn restore(&mut self, source: &mut dyn Source, group: &[(u64, usize)]) -> Result<(), Ended> {
        let Some((&(start, first), others)) = group.split_first() else { return Ok(()) };
        let entry = self.picks.get(first);
        // Who holds a file for its other names waits for room, and must keep nobody waiting
        // meanwhile.
        if others.is_empty() {
            self.landing.begin(&entry, entry.size.unwrap_or(0));
        }
        let outcome = match self.extract(source, start) {
            Err(RestoreError::Stopped) if !self.scratch.stop().is_set() => {
                Err(RestoreError::Damaged("reading the archive ended early".to_owned()))
            }
            outcome => outcome,
        };
        let others = others.iter().map(|&(_, index)| self.picks.get(index));
        match outcome {
            // One copy after the other, so that a file of a thousand names is not there a thousand
            // times.
            Ok(restored) => {
                for entry in others {
                    let copy = self.scratch.copy_again(&restored, &mut self.buffer);
                    land(self.scratch, self.landing, entry, copy)?;
                }
                land(self.scratch, self.landing, self.picks.get(first), Ok(restored))
            }
            // A failing scratch folder ends the restore with the first.
            Err(error) => {
                let message = again(&error);
                land(self.scratch, self.landing, self.picks.get(first), Err(error))?;
                others
                    .into_iter()
                    .try_for_each(|entry| land(self.scratch, self.landing, entry, Err(again(&message))))
            }
        }
    }

    fn extract(&mut self, source: &mut dyn Source, start: u64) -> Result<super::Restored, RestoreError> {
        source.advance_to(start).map_err(extract::explain)?;
        let mut members = Members::at(source, start);
        match members.step(&mut self.member) {
            Step::Member
                if self.member.start == start && matches!(self.member.kind, Kind::File | Kind::Continued) =>
            {
                extract::extract(members.source(), &mut self.member, self.scratch, &mut self.buffer)
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
    fn describe(&self) -> Description {
        let (format, access) = match self.compression {
            None => ("tar", Access::Random),
            Some(Compression::Gzip) => ("tar.gz", Access::Sequential),
            Some(Compression::Bzip2) => ("tar.bz2", Access::Sequential),
            Some(Compression::Xz) => ("tar.xz", Access::Sequential),
            Some(Compression::Zstd) => ("tar.zst", Access::Sequential),
        };
        let (place, taken) = (self.place.clone(), self.taken);
        Description { format, place, taken, access, unique_names: false, time_resolution_ns: 1_000_000_000 }
    }

    fn catalog(&self, _needs: Needs, _threads: usize, sink: &dyn Sink) -> Result<Listing, Error> {
        let nothing = Picks::new();
        let mut halt = || sink.take(&nothing).is_break();
        self.with_source(&mut halt, |source| self.list(Some(sink), source))
    }

    fn vouched_by(&self) -> Option<&'static str> {
        let compression = self.compression?;
        self.end().filter(|end| end.is_vouched_for).map(|_| compression.checksum_name())
    }

    fn restore(&self, wanted: Wanted<'_>, scratch: &Scratch, landing: &mut dyn Landing) -> Result<(), Error> {
        if scratch.stop().is_set() {
            return Ok(());
        }
        conclude(match wanted {
            Wanted::These(picks) => self.restore_these(picks, scratch, landing),
            Wanted::Every(test) => self.restore_every(test, scratch, landing),
        })
    }
}

/// What a member is to those who count what is passed over.
fn what(kind: Kind) -> What {
    match kind {
        Kind::Folder => What::Folder,
        Kind::Special => What::Special,
        _ => What::Other,
    }
}

/// Adds a member to `pile` if it is a regular file, or another name of one, that no later member
/// replaces.
fn list_member(pile: &mut Picks, member: &Member, pass: &mut Pass<'_>, specials: &mut Specials) {
    if matches!(member.kind, Kind::Folder | Kind::Aside) {
        return;
    }
    let is_link = member.kind == Kind::Link;
    let mut target = Vec::new();
    if is_link {
        target = super::path::relative(&member.link).unwrap_or_else(|_| member.link.clone());
        if target.is_empty() {
            // An entry without a target would pass for a file.
            target.push(b'/');
        }
    }
    let before = pile.len();
    let rest = Entry {
        size: (!is_link).then_some(member.size),
        mtime: member.mtime,
        link: is_link.then_some(&target),
        locator: Locator([member.start, 0, 0]),
        ..Entry::named(b"")
    };
    pile.push_stored(&member.name, &rest);
    let path = pile.get(before).path;
    let is_special = member.kind == Kind::Special || (is_link && specials.holds(&target));
    if is_special {
        specials.note(path);
    } else if !pass.names_are_unique() {
        specials.forget(path);
    }
    if !pass.stays(path) || is_special {
        pile.truncate(before);
    }
}

fn dangling(entry: &Entry<'_>) -> RestoreError {
    let target = super::escape(entry.link.unwrap_or_default());
    RestoreError::Damaged(format!("it is a hard link to {target}, which is not in the archive before it"))
}

/// The same error for another entry.
fn again(error: &RestoreError) -> RestoreError {
    match error {
        RestoreError::Stopped => RestoreError::Stopped,
        RestoreError::Unsupported(problem) => RestoreError::Unsupported(problem.clone()),
        RestoreError::Checksum(problem) => RestoreError::Checksum(problem.clone()),
        RestoreError::NoRoom { needed, free } => RestoreError::NoRoom { needed: *needed, free: *free },
        RestoreError::TooLong { declared } => RestoreError::TooLong { declared: *declared },
        RestoreError::Read(error) => RestoreError::Read(same(error)),
        other => RestoreError::Damaged(other.to_string()),
    }
}
