//! The files of an archive, as `borg list` prints them one by one.

use std::collections::HashMap;
use std::ffi::OsString;
use std::ops::ControlFlow;

use super::item::Item;
use super::message::{Message, Problems};
use super::names::{self, Name};
use super::program::{Borg, Output};
use crate::backup::repeats::{NamePass, Repeats, list_with_restart};
use crate::backup::{CatalogSink, Context, Damage, Entry, EntryBatch, Error, Listing};
use crate::platform::Timestamp;
use crate::program::{Line, ProgramError, Running};
use crate::words;

/// How many entries are passed on at once.
const BATCH: usize = 512;

/// Takes a batch of the list. `Break` ends the listing.
type Take<'a> = dyn FnMut(&EntryBatch) -> ControlFlow<()> + 'a;

/// Lists all regular files of an archive to `sink`.
pub(super) fn catalog(
    borg: &Borg,
    archive: &str,
    repeats: &Repeats,
    context: &Context,
    sink: &dyn CatalogSink,
) -> Result<Listing, Error> {
    list_with_restart(sink, || {
        let read = read(borg, archive, repeats, context, &mut |batch| sink.take(batch))?;
        Ok(read.map(|(listing, passed_over)| {
            sink.pass_over(passed_over);
            listing
        }))
    })
}

/// Lists all regular files of an archive to `take`, on this thread. Returns also how many entries
/// are not regular files, or `None` if paths repeat and the archive must be listed again.
pub(super) fn read(
    borg: &Borg,
    archive: &str,
    repeats: &Repeats,
    context: &Context,
    take: &mut Take<'_>,
) -> Result<Option<(Listing, u64)>, Error> {
    let arguments = ["--json-lines", "--format", "{size}{mtime}"].map(OsString::from);
    let call = borg.call("list", arguments.into_iter().chain([borg.target(Some(archive))]));
    let mut running = borg.start(call, &context.cancel)?;
    let mut list = List::new(take, repeats.pass());
    let mut problems = Problems::default();
    match list.read(&mut running, &mut problems) {
        Ok(ControlFlow::Continue(())) => {}
        Ok(ControlFlow::Break(())) | Err(ProgramError::Cancelled(_)) => return Ok(STOPPED),
        Err(error) => return Err(borg.cannot_run(&error)),
    }
    let is_whole = running.code().is_some_and(|code| code < 2) && !running.is_cut();
    if !is_whole && list.items == 0 && !borg.is_damage(&problems) {
        return Err(borg.failed(&problems));
    }
    let mut damage = Vec::new();
    if !is_whole {
        let problem = format!("the list of files ends early: {}", borg.explain(&problems));
        damage.push(match borg.was_compacted(&problems.text()) {
            true => Damage::gap(problem, None),
            false => Damage::loss(problem, None),
        });
    }
    if list.odd > 0 {
        let lines = words::counted(list.odd, "line");
        damage.push(Damage::from(format!("{lines} of the list of files cannot be understood")));
    }
    drop(running);
    if list.flush().is_break() {
        return Ok(STOPPED);
    }
    match list.doubtful(borg, archive, context)? {
        ControlFlow::Break(()) => return Ok(STOPPED),
        ControlFlow::Continue(unclear) if unclear > 0 => {
            let files = words::counted(unclear, "file");
            let problem = format!(
                "the names of {files} hold bytes that are not UTF-8, or question marks, and borg does not tell which: see \
                 bkverify help borg"
            );
            damage.push(Damage::gap(problem, None));
        }
        ControlFlow::Continue(_) => {}
    }
    let passed_over = list.passed_over;
    Ok((!list.paths.finish()).then(|| (Listing::ended(damage), passed_over)))
}

/// What is returned if the sink wants no more, or the run is cancelled.
const STOPPED: Option<(Listing, u64)> = Some((Listing::Stopped, 0));

struct List<'a, 't> {
    take: &'a mut Take<'t>,
    batch: EntryBatch,
    paths: NamePass<'a>,
    /// Files whose printed names hold question marks, each of which may stand for a byte that is
    /// not UTF-8.
    doubtful: Vec<Doubtful>,
    items: u64,
    passed_over: u64,
    /// Lines that are no items.
    odd: u64,
}

struct Doubtful {
    number: u64,
    path: String,
    source: String,
    size: Option<u64>,
    mtime: Option<Timestamp>,
}

impl<'a, 't> List<'a, 't> {
    fn new(take: &'a mut Take<'t>, paths: NamePass<'a>) -> Self {
        Self { take, batch: EntryBatch::new(), paths, doubtful: Vec::new(), items: 0, passed_over: 0, odd: 0 }
    }

    fn read(
        &mut self,
        running: &mut Running,
        problems: &mut Problems,
    ) -> Result<ControlFlow<()>, ProgramError> {
        while let Some(line) = running.next_line()? {
            match line {
                Line::Output(line) => {
                    if self.line(&line).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                Line::Complaint(line) => {
                    if let Message::Problem { text, id } = Message::parse(&line) {
                        problems.note(&text, &id);
                    }
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn line(&mut self, line: &[u8]) -> ControlFlow<()> {
        let Ok(item) = Item::parse(line) else {
            self.odd += u64::from(!line.trim_ascii().is_empty());
            return ControlFlow::Continue(());
        };
        let number = self.items;
        self.items += 1;
        if !item.is_file() {
            self.passed_over += u64::from(item.kind != "d");
            return ControlFlow::Continue(());
        }
        let (size, mtime) = (item.size(), item.mtime());
        if item.path.contains('?') {
            let (path, source) = (item.path.into_owned(), item.source.into_owned());
            self.doubtful.push(Doubtful { number, path, source, size, mtime });
            return ControlFlow::Continue(());
        }
        self.push(number, item.path.as_bytes(), &item.source, size, mtime)
    }

    fn push(
        &mut self,
        number: u64,
        path: &[u8],
        source: &str,
        size: Option<u64>,
        mtime: Option<Timestamp>,
    ) -> ControlFlow<()> {
        if !self.paths.stays(path) {
            return ControlFlow::Continue(());
        }
        let rest = Entry { size, mtime, position: number, handle: source.as_bytes(), ..Entry::named(b"") };
        self.batch.push_stored(path, &rest);
        if self.batch.len() >= BATCH { self.flush() } else { ControlFlow::Continue(()) }
    }

    fn flush(&mut self) -> ControlFlow<()> {
        let flow = if self.batch.is_empty() { ControlFlow::Continue(()) } else { (self.take)(&self.batch) };
        self.batch.clear();
        flow
    }

    /// Asks for the exact names of the doubtful files, and passes them on. Returns how many names
    /// are still not known.
    fn doubtful(
        &mut self,
        borg: &Borg,
        archive: &str,
        context: &Context,
    ) -> Result<ControlFlow<(), u64>, Error> {
        let doubtful = std::mem::take(&mut self.doubtful);
        if doubtful.is_empty() {
            return Ok(ControlFlow::Continue(0));
        }
        let mut wanted: HashMap<u64, Name> =
            doubtful.iter().map(|file| (file.number, Name::Printed(file.path.clone()))).collect();
        // This command cannot do without a lock.
        let call = borg.call_with_lock("debug dump-archive", [borg.target(Some(archive)), "-".into()]);
        let mut running = borg.start(call, &context.cancel)?;
        let mut problems = Problems::default();
        // What borg did not tell stays doubtful.
        let _ = names::read(Output::new(&mut running, &mut problems), &mut wanted);
        while let Ok(Some(_)) = running.next_line() {}
        if context.cancel.is_cancelled() {
            return Ok(ControlFlow::Break(()));
        }
        let mut unclear = 0;
        for file in doubtful {
            match wanted.get(&file.number) {
                Some(Name::Exact(path)) => {
                    if self.push(file.number, path, &file.source, file.size, file.mtime).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                _ => unclear += 1,
            }
        }
        let flow = self.flush();
        Ok(flow.map_continue(|()| unclear))
    }
}
