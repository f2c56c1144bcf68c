//! The catalog stage: reduces what the backup lists to the population, in one streaming pass. What
//! is drawn from it is in [`draw`](super::draw).

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use crate::backup::{CatalogSink, Damage, Entry, EntryBatch};
use crate::cancel::CancelToken;
use crate::lock::{into_inner, lock};
use crate::platform::Timestamp;

use super::completeness::Lookup;
use super::draw::{Added, Counter, Draw, Drawn};
use super::filter::Filter;
use super::observer::Observer;
use super::outcome::Population;
use super::pairing::Pairing;
use super::resumed::{CarriedOver, Resumed, RollCall};
use super::sample::{Rank, Ranker};
use super::schedule::Schedule;

/// Decides which entries belong to the population, and counts them.
pub struct PopulationFilter<'a> {
    filter: &'a Filter,
    pairing: &'a Pairing,
    ranker: &'a Ranker,
    observer: &'a dyn Observer,
    lookup: Option<&'a Lookup>,
    cancel: &'a CancelToken,
    now: Timestamp,
    files: AtomicU64,
    bytes: AtomicU64,
    sizes_unknown: AtomicBool,
    filtered: AtomicU64,
    unmapped: AtomicU64,
    passed_over: AtomicU64,
    digest: Mutex<u128>,
    /// The newest time of any entry in nanoseconds since 1970; `i64::MIN` if there is none yet.
    newest: AtomicI64,
}

impl<'a> PopulationFilter<'a> {
    /// A filter that has counted nothing yet.
    pub fn new(
        filter: &'a Filter,
        pairing: &'a Pairing,
        ranker: &'a Ranker,
        observer: &'a dyn Observer,
        lookup: Option<&'a Lookup>,
        cancel: &'a CancelToken,
        now: Timestamp,
    ) -> Self {
        Self {
            filter,
            pairing,
            ranker,
            observer,
            lookup,
            cancel,
            now,
            files: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            sizes_unknown: AtomicBool::new(false),
            filtered: AtomicU64::new(0),
            unmapped: AtomicU64::new(0),
            passed_over: AtomicU64::new(0),
            digest: Mutex::new(0),
            newest: AtomicI64::new(i64::MIN),
        }
    }

    /// Whether an entry is in the population.
    pub fn holds(&self, entry: &Entry<'_>) -> bool {
        self.filter.includes(entry) && self.has_original_path(entry)
    }

    /// Whether an entry is in the population. If it is, it is counted.
    pub fn admits(&self, entry: &Entry<'_>) -> bool {
        let admitted = self.holds(entry);
        if admitted {
            let mut digest = lock(&self.digest);
            *digest = digest.wrapping_add(self.ranker.rank(entry.path).digest);
            self.files.fetch_add(1, Ordering::Relaxed);
        }
        admitted
    }

    /// Whether damage may have hidden files of the population. Otherwise it does not concern this
    /// run.
    pub fn concerns(&self, damage: &Damage) -> bool {
        let below = |path: &[u8]| self.filter.may_include_below(path) && self.pairing.may_cover_below(path);
        let file = |path: &[u8]| self.filter.includes_path(path) && self.pairing.covers(path);
        damage.concerns(below, file)
    }

    /// The newest modification time of all listed entries; `None` if none was listed with a time.
    pub fn newest(&self) -> Option<Timestamp> {
        let newest = self.newest.load(Ordering::Relaxed);
        (newest > i64::MIN).then(|| Timestamp::from_nanos(newest.into()))
    }

    /// Whether some rule says where the entry's original is. An entry whose name is not a path has
    /// no original path. It stays in the population all the same, because it is in the backup and
    /// cannot be restored.
    fn has_original_path(&self, entry: &Entry<'_>) -> bool {
        entry.problem.is_some() || self.pairing.covers(entry.path)
    }

    /// Counts entries that are not regular files.
    pub fn pass_over(&self, count: u64) {
        self.passed_over.fetch_add(count, Ordering::Relaxed);
    }

    /// Resets the counters, because the listing begins again. The newest time stays: it was seen.
    pub fn reset(&self) {
        for counter in [&self.files, &self.bytes, &self.filtered, &self.unmapped, &self.passed_over] {
            counter.store(0, Ordering::Relaxed);
        }
        self.sizes_unknown.store(false, Ordering::Relaxed);
        *lock(&self.digest) = 0;
    }

    /// What was counted. `whole` says whether the backup was listed to its end.
    pub fn population(&self, whole: bool) -> Population {
        let known = !self.sizes_unknown.load(Ordering::Relaxed);
        Population {
            files: self.files.load(Ordering::Relaxed),
            whole,
            bytes: known.then(|| self.bytes.load(Ordering::Relaxed)),
            digest: format!("{:032x}", *lock(&self.digest)),
            filtered: self.filtered.load(Ordering::Relaxed),
            unmapped: self.unmapped.load(Ordering::Relaxed),
            unlisted: 0,
            not_compared: self.passed_over.load(Ordering::Relaxed),
        }
    }
}

impl Counter for PopulationFilter<'_> {
    fn count_batch<'e>(
        &self,
        entries: &'e EntryBatch,
        each: &mut dyn FnMut(Entry<'e>, Rank),
    ) -> ControlFlow<(), Added> {
        let mut added = Added::default();
        let (mut bytes, mut filtered, mut unmapped) = (0, 0, 0);
        let mut newest = None;
        for entry in entries.iter() {
            // A file dated in the future says nothing about the backup.
            newest = newest.max(entry.mtime.filter(|&mtime| mtime <= self.now && !entry.zone_unknown));
            if let Some(lookup) = self.lookup {
                lookup.note(&entry);
            }
            if !self.filter.includes(&entry) {
                filtered += 1;
            } else if !self.has_original_path(&entry) {
                unmapped += 1;
            } else {
                let rank = self.ranker.rank(entry.path);
                added.files += 1;
                added.digest = added.digest.wrapping_add(rank.digest);
                match entry.size {
                    Some(size) => bytes += size,
                    None => self.sizes_unknown.store(true, Ordering::Relaxed),
                }
                each(entry, rank);
            }
        }
        if let Some(newest) = newest.and_then(|time| i64::try_from(time.as_nanos()).ok()) {
            self.newest.fetch_max(newest, Ordering::Relaxed);
        }
        self.files.fetch_add(added.files, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.filtered.fetch_add(filtered, Ordering::Relaxed);
        self.unmapped.fetch_add(unmapped, Ordering::Relaxed);
        let mut digest = lock(&self.digest);
        *digest = digest.wrapping_add(added.digest);
        self.observer.cataloged(entries.len() as u64);
        if self.cancel.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(added) }
    }
}

/// Draws while the backup is listed.
pub struct DrawSink<'a> {
    population_filter: &'a PopulationFilter<'a>,
    draw: Box<dyn Draw>,
}

impl<'a> DrawSink<'a> {
    /// A sink that counts the population and draws from it.
    pub fn new(population_filter: &'a PopulationFilter<'a>, draw: Box<dyn Draw>) -> Self {
        Self { population_filter, draw }
    }

    /// Ends the listing and the draw, as [`Draw::finish`] does.
    pub fn finish(self) -> Option<Drawn> {
        self.draw.finish()
    }
}

impl CatalogSink for DrawSink<'_> {
    fn take(&self, entries: &EntryBatch) -> ControlFlow<()> {
        self.draw.take(entries, self.population_filter)
    }

    fn restart(&self) {
        self.population_filter.reset();
        self.draw.restart();
    }

    fn pass_over(&self, count: u64) {
        self.population_filter.pass_over(count);
    }
}

/// Hands the whole population on, batch by batch.
pub struct FeedSink<'a> {
    population_filter: &'a PopulationFilter<'a>,
    to: Box<dyn Fn(EntryBatch) -> bool + Send + Sync + 'a>,
    schedule: Schedule,
    /// Files that were judged in earlier sessions. They are counted, but not handed on.
    judged: Option<&'a CarriedOver>,
    /// Entries that wait for a batch to be filled.
    rest: Mutex<EntryBatch>,
    has_restarted: AtomicBool,
}

impl<'a> FeedSink<'a> {
    /// A sink that passes the population to `to`, which returns whether it takes more.
    pub fn new(
        population_filter: &'a PopulationFilter<'a>,
        to: impl Fn(EntryBatch) -> bool + Send + Sync + 'a,
        schedule: Schedule,
        judged: Option<&'a CarriedOver>,
    ) -> Self {
        Self {
            population_filter,
            to: Box::new(to),
            schedule,
            judged,
            rest: Mutex::default(),
            has_restarted: AtomicBool::new(false),
        }
    }

    /// Hands on the entries that are left when the listing has ended.
    pub fn finish(self) {
        let mut rest = into_inner(self.rest);
        if !rest.is_empty() {
            rest.sort_by_position();
            // The listing is over: whether the receiver would take more no longer matters.
            let _ = (self.to)(rest);
        }
    }
}

impl CatalogSink for FeedSink<'_> {
    fn take(&self, entries: &EntryBatch) -> ControlFlow<()> {
        if self.has_restarted.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        let size = self.schedule.fed_batch_of(entries.len());
        let fills = self.schedule.fills_batches();
        let rest = || lock(&self.rest);
        let mut batch = if fills { std::mem::take(&mut *rest()) } else { EntryBatch::new() };
        let mut closed = false;
        let mut send = |batch: &mut EntryBatch| {
            batch.sort_by_position();
            closed |= !batch.is_empty() && !(self.to)(std::mem::take(batch));
        };
        let passed = self.population_filter.count_batch(entries, &mut |entry, _| {
            if self.judged.is_some_and(|judged| judged.holds(entry.path)) {
                return;
            }
            batch.push(&entry);
            if batch.len() == size {
                send(&mut batch);
            }
        });
        if fills {
            // Another thread may have left entries in the meantime.
            let mut rest = rest();
            for entry in batch.iter() {
                rest.push(&entry);
                if rest.len() == size {
                    send(&mut rest);
                }
            }
        } else {
            send(&mut batch);
        }
        if closed || passed.is_break() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Files that were handed on are already being judged, and that cannot be undone. Formats whose
    /// listing may begin again are therefore listed once beforehand. If a listing begins again all
    /// the same, it ends here, and the run is incomplete.
    fn restart(&self) {
        self.has_restarted.store(true, Ordering::Relaxed);
    }

    fn pass_over(&self, count: u64) {
        self.population_filter.pass_over(count);
    }
}

/// Counts the population, and finds out what earlier sessions judged of it. Keeps nothing.
pub struct CountSink<'a> {
    population_filter: &'a PopulationFilter<'a>,
    roll_call: Option<RollCall>,
}

impl<'a> CountSink<'a> {
    /// A sink that has counted nothing yet.
    pub fn new(population_filter: &'a PopulationFilter<'a>, resumed: Option<&'a Resumed>) -> Self {
        Self { population_filter, roll_call: resumed.map(Resumed::roll_call) }
    }

    /// Which files of earlier sessions were met. `None` if there were no earlier sessions.
    pub fn finish(self) -> Option<RollCall> {
        self.roll_call
    }
}

impl CatalogSink for CountSink<'_> {
    fn take(&self, entries: &EntryBatch) -> ControlFlow<()> {
        self.population_filter.count_batch(entries, &mut |entry, _| {
            if let Some(roll_call) = &self.roll_call {
                roll_call.note(&entry);
            }
        })?;
        ControlFlow::Continue(())
    }

    fn restart(&self) {
        self.population_filter.reset();
        if let Some(roll_call) = &self.roll_call {
            roll_call.restart();
        }
    }

    fn pass_over(&self, count: u64) {
        self.population_filter.pass_over(count);
    }
}
