//! Restores files of an archive by `borg extract`.
//!
//! The wanted files are restored in rounds, each with one call of borg. With `--list`, borg names
//! each file before it begins with it, in the order of the archive. So the file before is complete,
//! and is delivered while borg goes on. A round is limited by the length of the command line and by
//! the disk space that its files take.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::ffi::OsString;
use std::io;
use std::ops::ControlFlow;

use super::list;
use super::message::{Message, Problems};
use super::names::printed;
use super::program::{Borg, COMPACTED};
use crate::backup::delivery::{Delivery, EarlyEnd};
use crate::backup::kept_listing::KeptListing;
use crate::backup::repeats::Repeats;
use crate::backup::{
    Context, Entry, EntryBatch, Listing, RestoreError, RestoreSink, Restored, Scratch, Wanted, Workspace,
};
use crate::platform;
use crate::program::{Line, ProgramError};
use crate::words;

/// The most bytes of paths in one command line. Linux allows 2 MiB for arguments and environment
/// together, and counts eight more bytes for each argument.
const COMMAND_LINE: usize = 1 << 20;

/// What an argument takes besides its path.
const ARGUMENT: usize = 32;

/// The most bytes of files in one round, unless a single file is larger.
const ROUND_BYTES: u64 = 1 << 30;

/// How many files are collected before they are restored, when all files are wanted.
const COLLECTED: usize = 20_000;

/// Errors of borg that are about the repository as a whole, and not about the data of a file.
const OF_THE_WHOLE: [&str; 6] = [
    "ConnectionClosed",
    "ConnectionClosedWithHint",
    "LockTimeout",
    "PassphraseWrong",
    "PasscommandFailure",
    "Repository.DoesNotExist",
];

/// Restores the wanted files.
pub(super) fn restore(
    borg: &Borg,
    (archive, kept, repeats): (&str, &KeptListing, &Repeats),
    wanted: &Wanted<'_>,
    scratch: &Scratch,
    context: &Context,
    sink: &mut dyn RestoreSink,
) -> Result<(), EarlyEnd> {
    let extraction = Extraction { borg, archive, kept, repeats };
    let mut delivery = Delivery { scratch, context, sink };
    if delivery.is_cancelled() {
        return Ok(());
    }
    match wanted {
        Wanted::These(picks) => {
            let mut picks = (*picks).clone();
            picks.sort_by_position();
            extraction.restore(&picks, &mut delivery)
        }
        Wanted::Every(test) => extraction.restore_every(test, &mut delivery),
    }
}

struct Extraction<'a> {
    borg: &'a Borg,
    archive: &'a str,
    kept: &'a KeptListing,
    repeats: &'a Repeats,
}

/// What one call of borg restores.
#[derive(Default)]
struct Round {
    /// The numbers of entries, in the order of the archive.
    picks: Vec<usize>,
    /// For each pick, other names of the same file, which are copied.
    copies: HashMap<usize, Vec<usize>>,
    /// The bytes of all files.
    bytes: u64,
}

impl Extraction<'_> {
    /// Restores these entries, which are in the order of the archive.
    fn restore(&self, picks: &EntryBatch, delivery: &mut Delivery<'_>) -> Result<(), EarlyEnd> {
        let mut left = VecDeque::with_capacity(picks.len());
        for (index, entry) in picks.iter().enumerate() {
            match entry.problem {
                Some(problem) => delivery.deliver(entry, Err(RestoreError::Name(problem)))?,
                None => left.push_back(index),
            }
        }
        let mut most = ROUND_BYTES;
        while !left.is_empty() {
            let round = Round::take(picks, &mut left, most);
            let again = match delivery.scratch.workspace(round.bytes) {
                Ok(workspace) => UnderWay::new(self, picks, round, workspace).run(self.archive, delivery)?,
                // Fewer files at once may fit.
                Err(RestoreError::NoSpace { .. }) if round.len() > 1 => {
                    most = round.bytes / 2;
                    round.all()
                }
                Err(error) => {
                    let mut all = round.all();
                    if let Some(last) = all.pop() {
                        delivery.deliver(picks.get(last), Err(error))?;
                    }
                    all
                }
            };
            again.into_iter().rev().for_each(|index| left.push_front(index));
        }
        Ok(())
    }

    /// Restores every file that passes the test, while the archive is listed: from what is kept of
    /// an earlier listing, or else by borg, which waits with the rest of the list until the files
    /// before it are restored.
    fn restore_every(
        &self,
        test: &(dyn Fn(&Entry<'_>) -> bool + Sync),
        delivery: &mut Delivery<'_>,
    ) -> Result<(), EarlyEnd> {
        let mut pending = EntryBatch::new();
        let mut ended = Ok(());
        let context = delivery.context;
        if !self.repeats.is_known() {
            let mut pass_by = |_: &EntryBatch| ControlFlow::Continue(());
            let known = list::read(self.borg, self.archive, self.repeats, context, &mut pass_by);
            known.map_err(EarlyEnd::Failed)?;
        }
        let take = &mut |batch: &EntryBatch| {
            pending.extend(batch.iter().filter(|entry| test(entry)));
            if pending.len() >= COLLECTED {
                pending.sort_by_position();
                ended = self.restore(&pending, delivery);
                pending.clear();
            }
            if ended.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let listing = match self.kept.replay(self.borg.location(), context, take) {
            Some(listing) => listing,
            None => list::read(self.borg, self.archive, self.repeats, context, take)
                .map(|listed| listed.map_or(Listing::Stopped, |(listing, _)| listing)),
        };
        ended?;
        // Files whose names had to be asked for come last.
        pending.sort_by_position();
        self.restore(&pending, delivery)?;
        if let Listing::Damaged(damage) = listing.map_err(EarlyEnd::Failed)? {
            damage.into_iter().for_each(|damage| delivery.sink.lost(damage));
        }
        Ok(())
    }
}

impl Round {
    /// Takes the next entries, as many as one call may restore. Other names of a file that is in it
    /// already are restored as copies: borg would link them to each other, and a file with two
    /// names is not accepted from a program.
    fn take(entries: &EntryBatch, left: &mut VecDeque<usize>, most: u64) -> Self {
        let mut round = Self::default();
        let mut names: HashMap<String, usize> = HashMap::new();
        let mut later = Vec::new();
        let mut line = 0;
        while let Some(&index) = left.front() {
            let entry = entries.get(index);
            let size = entry.size.unwrap_or(0);
            line += entry.path.len() + ARGUMENT;
            let is_full = line > COMMAND_LINE || round.bytes.saturating_add(size) > most;
            if is_full && !round.picks.is_empty() {
                break;
            }
            left.pop_front();
            let name = first_name(&entry);
            match names.get(&name) {
                None => {
                    names.insert(name, index);
                    round.picks.push(index);
                }
                // Two different names may look alike here.
                Some(_) if name.contains('?') => {
                    later.push(index);
                    continue;
                }
                Some(&first) => {
                    round.copies.entry(first).or_default().push(index);
                    round.bytes = round.bytes.saturating_add(entries.get(first).size.unwrap_or(0));
                }
            }
            round.bytes = round.bytes.saturating_add(size);
        }
        later.into_iter().rev().for_each(|index| left.push_front(index));
        round
    }

    /// All entries, in the order of the archive.
    fn all(&self) -> Vec<usize> {
        let mut all: Vec<usize> = self.picks.iter().chain(self.copies.values().flatten()).copied().collect();
        all.sort_unstable();
        all
    }

    fn len(&self) -> usize {
        self.picks.len() + self.copies.values().map(Vec::len).sum::<usize>()
    }
}

/// The first name of a file with several names, as borg prints it.
fn first_name(entry: &Entry<'_>) -> String {
    printed(if entry.handle.is_empty() { entry.path } else { entry.handle })
}

/// One call of borg.
struct UnderWay<'a> {
    borg: &'a Borg,
    entries: &'a EntryBatch,
    picks: Vec<usize>,
    copies: HashMap<usize, Vec<usize>>,
    workspace: Workspace<'a>,
    /// What borg is restoring: a place in `picks`.
    current: Option<usize>,
    /// Which picks borg has not begun with.
    waiting: Vec<bool>,
    /// The first place in `picks` that borg may come to next.
    next: usize,
    /// How often borg still restores an earlier file with the path of a pick, which the pick
    /// replaces.
    earlier: HashMap<usize, u32>,
    /// The pick whose earlier file borg is restoring.
    replaced: Option<usize>,
    problems: Problems,
    /// What borg said about the current file.
    complaint: Option<String>,
}

impl<'a> UnderWay<'a> {
    fn new(
        extraction: &Extraction<'a>,
        entries: &'a EntryBatch,
        round: Round,
        workspace: Workspace<'a>,
    ) -> Self {
        let Round { picks, copies, bytes: _ } = round;
        let earlier = |(place, &index): (usize, &usize)| {
            let times = extraction.repeats.times(entries.get(index).path);
            (times > 1).then(|| (place, times - 1))
        };
        let earlier = picks.iter().enumerate().filter_map(earlier).collect();
        let waiting = vec![true; picks.len()];
        let problems = Problems::default();
        Self {
            borg: extraction.borg,
            entries,
            picks,
            copies,
            workspace,
            current: None,
            waiting,
            next: 0,
            earlier,
            replaced: None,
            problems,
            complaint: None,
        }
    }

    /// Restores and delivers. Returns the entries that need another call.
    fn run(&mut self, archive: &str, delivery: &mut Delivery<'_>) -> Result<Vec<usize>, EarlyEnd> {
        let options = ["--list", "--sparse", "--noacls", "--noxattrs", "--noflags", "--numeric-ids"];
        let mut arguments: Vec<OsString> = options.into_iter().map(OsString::from).collect();
        arguments.push(self.borg.target(Some(archive)));
        arguments.extend(self.picks.iter().map(|&index| {
            let pattern = [b"pf:", self.entries.get(index).path].concat();
            platform::path_from_bytes(&pattern).into_owned().into_os_string()
        }));
        let mut call = self.borg.call("extract", arguments);
        call.folder = Some(self.workspace.path().to_owned());
        let mut running = self.borg.start(call, &delivery.context.cancel).map_err(EarlyEnd::Failed)?;
        loop {
            match running.next_line() {
                Ok(Some(Line::Complaint(line))) => self.hear(&line, delivery)?,
                Ok(Some(Line::Output(_))) => {}
                Ok(None) => break,
                Err(ProgramError::Cancelled(_)) => return Err(EarlyEnd::Enough),
                Err(error) => return Err(EarlyEnd::Failed(self.borg.cannot_run(&error))),
            }
        }
        let is_done = running.code().is_some_and(|code| code < 2);
        self.borg.check().map_err(EarlyEnd::Failed)?;
        self.finish(is_done, delivery)?;
        if let Some(place) = self.replaced.take().filter(|_| !is_done) {
            self.waiting[place] = false;
            let failed = Err(self.reason(None));
            self.deliver(self.picks[place], failed, delivery)?;
        }
        self.conclude(is_done, delivery)
    }

    /// Takes a line that borg has written.
    fn hear(&mut self, line: &[u8], delivery: &mut Delivery<'_>) -> Result<(), EarlyEnd> {
        match Message::parse(line) {
            Message::Next(name) => {
                self.finish(true, delivery)?;
                self.replaced = None;
                let is_named = |&place: &usize| {
                    self.waiting[place] && printed(self.entries.get(self.picks[place]).path) == name
                };
                if let Some(place) = (self.next..self.picks.len()).chain(0..self.next).find(is_named) {
                    if let Some(earlier) = self.earlier.get_mut(&place).filter(|earlier| **earlier > 0) {
                        *earlier -= 1;
                        self.replaced = Some(place);
                        return Ok(());
                    }
                    self.waiting[place] = false;
                    self.next = place + 1;
                    self.current = Some(place);
                }
            }
            Message::Problem { text, id } => {
                self.problems.note(&text, &id);
                let current = self.current.map(|place| printed(self.entries.get(self.picks[place]).path));
                if let Some(complaint) =
                    current.and_then(|name| Some(text.strip_prefix(&name)?.strip_prefix(": ")?.to_owned()))
                {
                    self.complaint = Some(complaint);
                }
            }
            Message::Other => {}
        }
        Ok(())
    }

    /// Delivers the current file. `is_done` says that borg went on after it, or ended well.
    fn finish(&mut self, is_done: bool, delivery: &mut Delivery<'_>) -> Result<(), EarlyEnd> {
        let Some(place) = self.current.take() else { return Ok(()) };
        let complaint = self.complaint.take();
        let index = self.picks[place];
        let entry = self.entries.get(index);
        let adopted = self.workspace.adopt(entry.path);
        let first = match adopted {
            Ok(_) if complaint.as_deref().is_some_and(is_about_content) => Err(RestoreError::Checksum(
                format!("borg says: {}", words::printable(&complaint.unwrap_or_default())),
            )),
            Ok(restored) => {
                // A file of the full size is complete, even if borg failed behind it: borg writes
                // only what it has checked. Of a hard link the size is not known.
                let is_whole =
                    entry.size.map_or(is_done && complaint.is_none(), |size| size == restored.size());
                if is_whole { Ok(restored) } else { Err(self.reason(complaint)) }
            }
            Err(RestoreError::Damaged(problem)) => match self.reason(complaint) {
                RestoreError::Damaged(_) if is_done => Err(RestoreError::Damaged(problem)),
                reason => Err(reason),
            },
            Err(error) => Err(error),
        };
        self.deliver(index, first, delivery)
    }

    /// Delivers a file, and copies of it under its other names.
    fn deliver(
        &mut self,
        index: usize,
        first: Result<Restored, RestoreError>,
        delivery: &mut Delivery<'_>,
    ) -> Result<(), EarlyEnd> {
        let copies = self.copies.remove(&index).unwrap_or_default();
        let mut others = Vec::with_capacity(copies.len());
        for copy in copies {
            let copied = match &first {
                Ok(restored) => self.workspace.copy_of(restored),
                Err(error) => Err(like(error)),
            };
            others.push((copy, copied));
        }
        delivery.deliver(self.entries.get(index), first)?;
        others.into_iter().try_for_each(|(copy, copied)| delivery.deliver(self.entries.get(copy), copied))
    }

    /// Why a file is not there, or not whole.
    fn reason(&self, complaint: Option<String>) -> RestoreError {
        let is_full = |text: &str| text.contains("[Errno 28]") || text.contains("[Errno 122]");
        if complaint.as_deref().is_some_and(is_full) {
            return RestoreError::Scratch(io::ErrorKind::StorageFull.into());
        }
        let said = complaint.as_deref().map_or_else(|| self.problems.text().into(), Cow::Borrowed);
        if self.borg.was_compacted(&said) {
            return RestoreError::Unsupported(COMPACTED.to_owned());
        }
        RestoreError::Damaged(complaint.map_or_else(
            || self.borg.explain(&self.problems),
            |complaint| format!("borg says: {}", words::printable(&complaint)),
        ))
    }

    /// Decides about the picks that borg has not begun with, after it has ended.
    fn conclude(&mut self, is_done: bool, delivery: &mut Delivery<'_>) -> Result<Vec<usize>, EarlyEnd> {
        let mut left = Vec::new();
        for (_, &index) in self.picks.iter().enumerate().filter(|(place, _)| self.waiting[*place]) {
            left.push(index);
            left.extend(self.copies.remove(&index).unwrap_or_default());
        }
        left.sort_unstable();
        // One file at least is done, and what ended borg was that file.
        let is_further = self.waiting.contains(&false);
        if !is_done && is_further {
            return Ok(left);
        }
        if !is_done && OF_THE_WHOLE.iter().any(|id| self.problems.has(id)) {
            return Err(EarlyEnd::Failed(self.borg.failed(&self.problems)));
        }
        for index in left {
            let reason = match is_done {
                true => RestoreError::Damaged("borg lists it, but does not restore it".to_owned()),
                false => self.reason(None),
            };
            delivery.deliver(self.entries.get(index), Err(reason))?;
        }
        Ok(Vec::new())
    }
}

/// Whether a complaint about a file says that its content is not what was backed up. A file in
/// which borg check has replaced damaged chunks with zeros has its full size. borg 1.4 keeps to
/// itself what is wrong, but restoring has no other error of this name.
pub(super) fn is_about_content(complaint: &str) -> bool {
    complaint.contains("damaged") || complaint.contains("inconsistency") || complaint == "backup error"
}

/// The same error, for another name of the same file.
fn like(error: &RestoreError) -> RestoreError {
    match error {
        RestoreError::Unsupported(problem) => RestoreError::Unsupported(problem.clone()),
        RestoreError::Checksum(problem) => RestoreError::Checksum(problem.clone()),
        RestoreError::Stopped => RestoreError::Stopped,
        error => RestoreError::Damaged(error.to_string()),
    }
}
