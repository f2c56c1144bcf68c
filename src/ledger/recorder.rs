//! The observer that feeds the ledger.
//!
//! Judges only push a row into a buffer. One thread takes what has come together after five
//! seconds, or earlier if it is much, and writes it in one transaction. So a run that is killed
//! loses the picks of its last five seconds. If judges are faster than the disk, they wait for it:
//! memory stays bounded.
//!
//! If the ledger is locked by another process, the picks wait. If it fails, or stays locked, the
//! rest of the run is not recorded, and [`Recorder::finish`] says so.

use std::any::Any;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::ErrorCode;

use crate::backup::Description;
use crate::lock::{lock, wait, wait_for};
use crate::plan::Plan;
use crate::report::Model;
use crate::verify::memory::DrawnFrom;
use crate::verify::outcome::{Outcome, Population};
use crate::verify::tally::{LISTED_MAX, RECONSIDERED_MAX};
use crate::verify::verdict::Verdict;
use crate::verify::{Observer, PickRecord};

use super::error::Error;
use super::open::Ledger;
use super::row::Row;
use super::run::Start;
use super::writer::Writer;

/// What was judged is written after this time at the latest.
const EVERY: Duration = Duration::from_secs(5);

/// So many picks are written at once without waiting for the time.
const BATCH: usize = 32_768;

/// The most bytes of picks that wait. Then judges wait, too.
const WAITING_MAX: usize = 32 << 20;

/// How long a lock of another process is waited out in all.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long to wait between two attempts, beside what SQLite itself waits.
const BETWEEN: Duration = Duration::from_millis(50);

/// Records one run.
pub struct Recorder {
    buffer: Arc<Buffer>,
    thread: io::Result<JoinHandle<Result<(), Error>>>,
    /// How many alarms, undecided picks, and picks that may turn out to be comparable were seen:
    /// only the first ones of each are kept whole.
    kept: [AtomicU64; 3],
    stale: Mutex<Vec<PickRecord>>,
}

/// What waits to be written.
#[derive(Default)]
struct Buffer {
    waiting: Mutex<Waiting>,
    /// Something is to be done: the writer waits for this.
    work: Condvar,
    /// There is room again: judges wait for this.
    room: Condvar,
}

#[derive(Default)]
struct Waiting {
    rows: Vec<Row>,
    bytes: usize,
    /// What the run draws from, as far as it is known and not written yet.
    from: DrawnFrom,
    end: Option<End>,
    /// The writer has failed and takes no more rows.
    failed: bool,
}

/// What the writer does next.
struct Taken {
    rows: Vec<Row>,
    from: DrawnFrom,
    end: Option<End>,
}

/// The end of a run.
enum End {
    /// With its report, and with what turned out to be stale.
    Finished(Box<Model>, Vec<PickRecord>),
    /// The recorder was dropped.
    Abandoned,
}

impl Recorder {
    /// Begins to record a run. The row of the run is made soon.
    pub fn start(ledger: Ledger, plan: &Plan, start: &Start) -> Self {
        Self::with_patience(ledger, plan, start, PATIENCE)
    }

    pub(super) fn with_patience(ledger: Ledger, plan: &Plan, start: &Start, patience: Duration) -> Self {
        let buffer = Arc::new(Buffer::default());
        let writer = Writer::new(ledger, plan, start);
        let shared = Arc::clone(&buffer);
        let serve = move || {
            let _refusal = Refusal(&shared);
            shared.serve(writer, patience)
        };
        let thread = Builder::new().name("ledger".to_owned()).spawn(serve);
        if thread.is_err() {
            buffer.refuse();
        }
        Self { buffer, thread, kept: Default::default(), stale: Mutex::default() }
    }

    /// Whether there is room for the whole record: of a finding, or of a pick that a later session
    /// looks at again.
    fn is_kept_whole(&self, pick: &PickRecord) -> bool {
        let (kind, most) = match pick.verdict {
            verdict if verdict.is_alarm() => (0, LISTED_MAX),
            _ if pick.pending.is_some() => (2, RECONSIDERED_MAX),
            Verdict::Verified if !pick.unlike => return false,
            _ => (1, LISTED_MAX),
        };
        self.kept[kind].fetch_add(1, Ordering::Relaxed) < most
    }

    /// Writes what is left and completes the row of the run.
    ///
    /// # Errors
    /// Why not everything is in the ledger.
    pub fn finish(mut self, model: &Model) -> Result<(), Unrecorded> {
        let stale = std::mem::take(&mut *lock(&self.stale));
        self.end(End::Finished(Box::new(model.clone()), stale))
    }

    /// Ends the writer.
    fn end(&mut self, end: End) -> Result<(), Unrecorded> {
        let ended = io::Error::other("it has ended already");
        let thread = std::mem::replace(&mut self.thread, Err(ended)).map_err(Unrecorded::NoThread)?;
        lock(&self.buffer.waiting).end = Some(end);
        self.buffer.work.notify_one();
        thread.join().map_err(|panic| Unrecorded::Panic(said(&*panic)))?.map_err(Unrecorded::Ledger)
    }
}

/// Why not everything of a run is in the ledger.
#[derive(Debug, thiserror::Error)]
pub enum Unrecorded {
    /// The ledger failed.
    #[error("{}", .0.on_one_line())]
    Ledger(Error),
    /// The system started no thread for it.
    #[error("the system started no thread for it: {0}")]
    NoThread(io::Error),
    /// The writer panicked: a mistake in this program.
    #[error("a mistake in bkverify: {0} (please report it)")]
    Panic(String),
}

/// The message of a panic.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it says nothing".to_owned())
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.end(End::Abandoned);
    }
}

impl Observer for Recorder {
    fn begins(&self, _plan: &Plan, backup: &Description) {
        lock(&self.buffer.waiting).from.backup = Some(backup.id.clone().unwrap_or_default());
    }

    fn judged(&self, pick: &PickRecord) {
        self.buffer.add(Row::new(pick, self.is_kept_whole(pick)));
    }

    fn catalog_done(&self, population: &Population) {
        if population.whole {
            let population = (population.files, population.digest.clone());
            lock(&self.buffer.waiting).from.population = Some(population);
        }
    }

    fn concluded(&self, outcome: &Outcome) {
        let stale = outcome.findings.iter().filter(|finding| finding.verdict == Verdict::Stale);
        lock(&self.stale).extend(stale.cloned());
    }
}

impl Buffer {
    /// Adds a row. Waits if too many wait already.
    fn add(&self, row: Row) {
        let weight = row.weight();
        let mut waiting = lock(&self.waiting);
        while waiting.bytes >= WAITING_MAX && !waiting.failed {
            waiting = wait(&self.room, waiting);
        }
        if waiting.failed {
            return;
        }
        let was_much = waiting.is_much();
        waiting.bytes += weight;
        waiting.rows.push(row);
        let is_much = waiting.is_much() && !was_much;
        drop(waiting);
        if is_much {
            self.work.notify_one();
        }
    }

    /// The writer's thread.
    fn serve(&self, mut writer: Writer, patience: Duration) -> Result<(), Error> {
        // The row of the run is made first, so that a run that is killed has one.
        attempt(&mut writer, patience, |writer| writer.write(&[]))?;
        loop {
            let Taken { rows, from, end } = self.take();
            if from != DrawnFrom::default() {
                attempt(&mut writer, patience, |writer| writer.drawn_from(&from))?;
            }
            if !rows.is_empty() {
                attempt(&mut writer, patience, |writer| writer.write(&rows))?;
            }
            match end {
                None => {}
                Some(End::Abandoned) => return Ok(()),
                Some(End::Finished(model, stale)) => {
                    return attempt(&mut writer, patience, |writer| writer.finish(&model, &stale));
                }
            }
        }
    }

    /// Waits until there is something to do, and takes it.
    fn take(&self) -> Taken {
        let due = Instant::now() + EVERY;
        let mut waiting = lock(&self.waiting);
        while waiting.end.is_none() && !waiting.is_much() {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            waiting = wait_for(&self.work, waiting, left);
        }
        waiting.bytes = 0;
        let taken = Taken {
            rows: std::mem::take(&mut waiting.rows),
            from: std::mem::take(&mut waiting.from),
            end: waiting.end.take(),
        };
        drop(waiting);
        self.room.notify_all();
        taken
    }

    /// Takes no more rows: nobody may wait for room that never comes.
    fn refuse(&self) {
        let mut waiting = lock(&self.waiting);
        waiting.failed = true;
        waiting.rows = Vec::new();
        drop(waiting);
        self.room.notify_all();
    }
}

/// Makes the buffer refuse rows when the writer ends, also if it panics.
struct Refusal<'a>(&'a Buffer);

impl Drop for Refusal<'_> {
    fn drop(&mut self) {
        self.0.refuse();
    }
}

impl Waiting {
    fn is_much(&self) -> bool {
        self.rows.len() >= BATCH || self.bytes >= WAITING_MAX
    }
}

/// Tries again for as long as another process holds the lock.
fn attempt(
    writer: &mut Writer,
    patience: Duration,
    mut write: impl FnMut(&mut Writer) -> rusqlite::Result<()>,
) -> Result<(), Error> {
    let since = Instant::now();
    loop {
        match write(writer) {
            Ok(()) => return Ok(()),
            Err(error) if is_busy(&error) && since.elapsed() < patience => {
                std::thread::sleep(BETWEEN);
            }
            Err(error) => return Err(Error::sqlite(writer.path(), error)),
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_writer_is_told_by_its_message_and_so_is_a_thread_that_was_not_started() {
        let plan = super::super::tests::plan("/b", None);
        let model = super::super::tests::report(&plan);
        let with = |thread| Recorder {
            buffer: Arc::default(),
            thread,
            kept: Default::default(),
            stale: Mutex::default(),
        };
        type Writes = fn() -> Result<(), Error>;
        let panics: [(Writes, _); 2] =
            [(|| panic!("expected"), "expected"), (|| panic!("{} of two", 1), "1 of two")];
        for (panics, says) in panics {
            let error = with(Ok(std::thread::spawn(panics))).finish(&model).unwrap_err();
            assert_eq!(error.to_string(), format!("a mistake in bkverify: {says} (please report it)"));
        }
        let error = with(Err(io::Error::other("too many"))).finish(&model).unwrap_err();
        assert_eq!(error.to_string(), "the system started no thread for it: too many");
    }

    #[test]
    fn judges_do_not_wait_for_a_writer_that_has_panicked() {
        let buffer = Buffer::default();
        lock(&buffer.waiting).bytes = WAITING_MAX;
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let _refusal = Refusal(&buffer);
                panic!("expected");
            });
            assert!(writer.join().is_err());
        });
        // Without this, the next line would wait for ever.
        assert!(lock(&buffer.waiting).failed);
        buffer.add(Row::new(&PickRecord::new(b"a", Verdict::Verified), false));
        assert!(lock(&buffer.waiting).rows.is_empty());
    }
}
