//! Looks originals up in the backup, to find files that it does not hold.
//!
//! A file that was never backed up cannot be found by sampling the backup. So originals are drawn,
//! by the same keyed hash, and each is looked up in the catalog while it is listed. The draw needs
//! only names. Times are read only for the few originals that the backup does not list.
//!
//! An original that the backup does not list is one of these:
//! - Missing: it was at its path when the backup was taken. Neither its content nor its path
//!   ([`super::settled`]) is newer than the age that the backup proves for itself
//!   ([`super::taken`]).
//! - Too young: it was modified after the backup's own time.
//! - Undecided: it is newer than everything in the backup, or was moved since, and nobody can tell
//!   whether it should be in the backup.
//! - Doubtful: it came to its path after everything in the backup, but before the backup's own
//!   time. If that time were certain, the backup would be at fault. It is not, because the backup
//!   may have been copied. So the original is named, but the backup is not accused.
//!
//! All of them are counted. Those that are too young or undecided are replaced by others.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::backup::{
    Backup, CatalogSink, Context, Damage, Entry, EntryBatch, Folder, Listing, Lost, Several,
};
use crate::cancel::CancelToken;
use crate::lock::{into_inner, lock};
use crate::plan::{Claims, Plan, SampleSize};
use crate::platform::{self, Timestamp};

use super::Error;
use super::exclude;
use super::filter::Filter;
use super::name_filter::NameFilter;
use super::outcome::CompletenessResult;
use super::own_files;
use super::pairing::{OriginalPath, Pairing};
use super::sample::{BottomK, Ranker, SampleQuota};
use super::settled::{ArrivalTimes, Since};
use super::spelling;
use super::taken::{NewestEntries, TakenBetween};

/// At most this many times as many originals are drawn as are to be looked up, in addition, to
/// replace those that are too young. The first number counts if the user asked for it, the second
/// by default.
const REPLACEMENTS: (u64, u64) = (9, 1);

/// Originals that are to be looked up, by the paths that they should have in the backup.
#[derive(Debug)]
pub struct Lookup {
    /// Whether the originals are known not to have changed since the backup. Then an original that
    /// the backup does not list is missing, whatever its times are.
    assume_unchanged: bool,
    asked_for: bool,
    wanted: u64,
    originals: u64,
    unlisted: Vec<String>,
    /// In order of rank.
    drawn: Vec<DrawnOriginal>,
    /// The indices in `drawn` of the originals whose names have this key ([`key`]).
    by_key: HashMap<Vec<u8>, Vec<usize>>,
    name_filter: NameFilter,
    newest: NewestEntries,
    /// The snapshots, if the backup is several. Originals are looked up in the newest.
    several: Option<Several>,
}

#[derive(Debug)]
struct DrawnOriginal {
    /// The path that the original should have in the backup.
    name: Vec<u8>,
    root: usize,
    found: AtomicBool,
    /// The name in the backup that differs only in its Unicode spelling, if there is one.
    respelled: Mutex<Option<Vec<u8>>>,
}

/// The result for an original that was drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LookupResult {
    Found,
    Missing,
    Doubtful,
    Undecided,
    TooYoung,
    /// It does not exist any more, or the filters leave it out now that its metadata is known.
    NotAnOriginal,
}

/// What [`Lookup::finish`] needs to know about the run.
pub struct LookupContext<'a> {
    /// The backup.
    pub backup: &'a dyn Backup,
    /// Whether the backup was listed to its end. If not, an original that was not found may still
    /// be in it.
    pub whole: bool,
    /// The damage that the listing met.
    pub damage: &'a [Damage],
    /// Where originals are.
    pub pairing: &'a Pairing,
    /// Which files belong to the population.
    pub filter: &'a Filter,
    /// Ends the run early.
    pub cancel: &'a CancelToken,
}

impl Lookup {
    /// Draws the originals that the plan asks for.
    ///
    /// # Errors
    /// If the originals of a root cannot be listed at all, and the user asked for the look-up.
    /// Otherwise this becomes one of the `unlisted` lines.
    pub fn draw(
        plan: &Plan,
        pairing: &Pairing,
        filter: &Filter,
        several: Option<&Several>,
        cancel: &CancelToken,
    ) -> Result<Self, Error> {
        let asked = plan.claims.completeness;
        let more = if asked.asked_for { REPLACEMENTS.0 } else { REPLACEMENTS.1 };
        let candidates = asked.originals.saturating_mul(more + 1);
        let quota = SampleQuota::new(SampleSize::Count(candidates), plan.claims.confidence);
        let draw =
            OriginalsDraw { bottom: Mutex::new((BottomK::new(quota), 0)), limit: AtomicU64::new(u64::MAX) };
        let ranker = Ranker::new(&plan.draw.seed);
        let mut unlisted = Vec::new();
        let ours = [Some(plan.target.restore_to.as_path()), plan.target.backup.place()].into_iter().flatten();
        let ours = ours.filter_map(|path| std::fs::canonicalize(path).ok());
        let own_files = plan.outputs.state.as_deref().and_then(|state| std::fs::canonicalize(state).ok());
        let ours = ours.chain(own_files.iter().flat_map(|state| own_files::paths(state)));
        let ours: Vec<_> = ours.chain(platform::volatile_mounts()).collect();
        for (number, root, from) in pairing.numbered_roots() {
            let leave_out = ours.iter().filter_map(|path| relative_to(path, &root.folder)).collect();
            let sink = OriginalsSink {
                number,
                from,
                pairing,
                filter,
                ranker: &ranker,
                draw: &draw,
                cancel,
                leave_out,
            };
            let context =
                Context::new(cancel.clone()).with_threads(plan.engine.threads.min(super::LISTING_THREADS));
            // Names are enough, so no metadata is read, unless a filter needs it.
            let listed = Folder::open(&root.folder, false)
                .and_then(|folder| folder.catalog(filter.needs(), &context, &sink));
            let folder = root.folder.display();
            match listed {
                Ok(Listing::Damaged(damage)) => {
                    let damage = damage.into_iter().filter(|damage| sink.concerns(damage));
                    unlisted.extend(damage.map(|damage| format!("{folder}: {damage}")));
                }
                Ok(_) => {}
                Err(error) if asked.asked_for => return Err(error.into()),
                Err(error) => unlisted.push(format!("{folder}: {error}")),
            }
        }
        let (bottom, originals) = into_inner(draw.bottom);
        let drawn = bottom.finish().map_or_else(Vec::new, |draw| {
            let most = usize::try_from(candidates).unwrap_or(usize::MAX);
            draw.picks.iter().take(most).map(|entry| DrawnOriginal::new(&entry)).collect()
        });
        Ok(Self { several: several.cloned(), ..Self::new(&plan.claims, originals, unlisted, drawn) })
    }

    fn new(claims: &Claims, originals: u64, unlisted: Vec<String>, drawn: Vec<DrawnOriginal>) -> Self {
        let (mut by_key, mut name_filter) = (HashMap::<Vec<u8>, Vec<usize>>::new(), NameFilter::default());
        for (index, each) in drawn.iter().enumerate() {
            let name = key(&each.name);
            name_filter.set(&name);
            by_key.entry(name.into_owned()).or_default().push(index);
        }
        Self {
            asked_for: claims.completeness.asked_for,
            assume_unchanged: claims.assume_unchanged,
            wanted: claims.completeness.originals.min(originals),
            originals,
            unlisted,
            drawn,
            by_key,
            name_filter,
            newest: NewestEntries::default(),
            several: None,
        }
    }

    /// Records that the backup lists an entry.
    pub fn note(&self, entry: &Entry<'_>) {
        let path = self.several.as_ref().map_or(Some(entry.path), |several| several.in_newest(entry.path));
        let Some(path) = path else { return };
        self.newest.note(entry);
        let name = key(path);
        if !self.name_filter.may_hold(&name) {
            return;
        }
        for &index in self.by_key.get(&*name).into_iter().flatten() {
            let drawn = &self.drawn[index];
            if platform::is_same_name(&drawn.name, path) {
                drawn.found.store(true, Ordering::Relaxed);
            } else {
                let mut respelled = lock(&drawn.respelled);
                *respelled = Some(entry.path.to_vec());
            }
        }
    }

    /// The result, once the whole catalog was listed.
    pub fn finish(self, context: &LookupContext<'_>) -> CompletenessResult {
        let mut out = CompletenessResult {
            asked_for: self.asked_for,
            wanted: self.wanted,
            originals: self.originals,
            ..CompletenessResult::default()
        };
        let mut classifier = LookupClassifier::new(&self, context);
        let (mut lost, mut found) = (Vec::new(), Vec::new());
        for drawn in &self.drawn {
            if out.looked_up + out.doubtful.len() as u64 >= self.wanted {
                break;
            }
            match classifier.classify(drawn) {
                LookupResult::Found => {
                    out.looked_up += 1;
                    found.push(&*drawn.name);
                }
                result @ (LookupResult::Missing | LookupResult::Doubtful) => {
                    let original = context.pairing.original_path_in(drawn.root, &drawn.name);
                    let original = original.map_or_else(Vec::new, |original| {
                        platform::path_to_bytes(&original.display()).into_owned()
                    });
                    let (list, looked_up) = match result {
                        LookupResult::Missing => (&mut out.missing, 1),
                        _ => (&mut out.doubtful, 0),
                    };
                    list.push(original);
                    out.looked_up += looked_up;
                    lost.push(&*drawn.name);
                }
                LookupResult::Undecided => out.undecided += 1,
                LookupResult::TooYoung => out.too_young += 1,
                LookupResult::NotAnOriginal => out.originals = out.originals.saturating_sub(1),
            }
        }
        out.wanted = out.wanted.min(out.originals);
        out.originals = out.originals.saturating_sub(out.too_young);
        out.exclude = exclude::lines(&lost, &found);
        out.missing.sort();
        out.doubtful.sort();
        out.unlisted = self.unlisted;
        out
    }
}

impl DrawnOriginal {
    fn new(entry: &Entry<'_>) -> Self {
        let root = usize::try_from(entry.position).unwrap_or(usize::MAX);
        Self { name: entry.path.to_vec(), root, found: AtomicBool::new(false), respelled: Mutex::default() }
    }
}

/// Decides the result of one drawn original after the other.
struct LookupClassifier<'a> {
    lookup: &'a Lookup,
    context: &'a LookupContext<'a>,
    arrivals: ArrivalTimes,
    /// When the backup was taken. Computed only if it is needed.
    taken: Option<TakenBetween>,
}

impl<'a> LookupClassifier<'a> {
    fn new(lookup: &'a Lookup, context: &'a LookupContext<'a>) -> Self {
        Self { lookup, context, arrivals: ArrivalTimes::default(), taken: None }
    }

    fn classify(&mut self, drawn: &DrawnOriginal) -> LookupResult {
        let LookupContext { pairing, filter, whole, damage, .. } = *self.context;
        if drawn.found.load(Ordering::Relaxed) || self.is_respelled(drawn) {
            return LookupResult::Found;
        }
        let Some(original) = pairing.original_path_in(drawn.root, &drawn.name).filter(|_| whole) else {
            return LookupResult::NotAnOriginal;
        };
        let Some((stat, since)) = self.arrivals.look(drawn.root, original.root, original.path) else {
            return LookupResult::NotAnOriginal;
        };
        let entry = Entry { size: Some(stat.size), mtime: Some(stat.mtime), ..Entry::named(&drawn.name) };
        if !filter.includes(&entry) || self.context.backup.leaves_out(&drawn.name) {
            return LookupResult::NotAnOriginal;
        }
        if self.has_twin(drawn) || damage.iter().any(|damage| may_be_lost(damage, &drawn.name)) {
            return LookupResult::Undecided;
        }
        if self.lookup.assume_unchanged {
            return LookupResult::Missing;
        }
        classify_unlisted(stat.mtime, since, &self.taken())
    }

    /// Whether the backup holds the original under another spelling of its name, and that name fits
    /// no other original.
    fn is_respelled(&self, drawn: &DrawnOriginal) -> bool {
        let respelled = lock(&drawn.respelled);
        let Some(entry) = &*respelled else { return false };
        let Some(original) = self.context.pairing.original_path_in(drawn.root, &drawn.name) else {
            return false;
        };
        let is_there = |original: OriginalPath<'_>| original.root.tree.stat(original.path).is_ok();
        !self.context.pairing.original_paths(entry).any(is_there)
            && self.context.pairing.normalised(entry).is_some_and(|respelled| {
                std::ptr::eq(respelled.original_path().root, original.root)
                    && respelled.original_path().path == original.path
            })
    }

    /// Whether the backup holds a name that fits several originals in other spellings. It may be
    /// this one.
    fn has_twin(&self, drawn: &DrawnOriginal) -> bool {
        let respelled = lock(&drawn.respelled);
        let Some(entry) = &*respelled else { return false };
        let is_there = |original: OriginalPath<'_>| original.root.tree.stat(original.path).is_ok();
        !self.context.pairing.original_paths(entry).any(is_there)
    }

    fn taken(&mut self) -> TakenBetween {
        let Self { lookup, context, taken, .. } = self;
        *taken.get_or_insert_with(|| {
            let LookupContext { backup, pairing, cancel, .. } = **context;
            let found = lookup.drawn.iter().filter(|drawn| drawn.found.load(Ordering::Relaxed));
            let changes = found.take(CHANGES_MAX).filter_map(|drawn| {
                let original = pairing.original_path_in(drawn.root, &drawn.name)?;
                original.root.tree.stat(original.path).ok()?.changed
            });
            TakenBetween::of(backup, &lookup.newest, pairing, changes.collect(), cancel)
        })
    }
}

/// The change times of at most this many originals that the backup holds are read.
const CHANGES_MAX: usize = 200;

/// The result for an original that the backup does not list. It was modified at `mtime`, and has
/// been at its path `since` that time.
fn classify_unlisted(mtime: Timestamp, since: Since, taken: &TakenBetween) -> LookupResult {
    if taken.before.is_some_and(|before| mtime > before) {
        return LookupResult::TooYoung;
    }
    let Some(after) = taken.after else { return LookupResult::Undecided };
    match since {
        Since::Unknown => LookupResult::Undecided,
        // The file may have been written after the backup was taken, whatever happened to the
        // others since.
        _ if mtime > after => LookupResult::Undecided,
        Since::Time(since) if taken.settled.is_some_and(|settled| since <= settled) => LookupResult::Missing,
        Since::Time(since) if taken.before.is_none_or(|before| is_after(since, before)) => {
            LookupResult::Undecided
        }
        Since::Time(_) | Since::Mounted => LookupResult::Doubtful,
    }
}

/// Systems take change times from a clock that ticks. If two of them are closer together than this
/// (in nanoseconds), they do not show which came first.
const TICK_NS: i128 = 10_000_000;

fn is_after(since: Timestamp, before: Timestamp) -> bool {
    since.as_nanos() + TICK_NS > before.as_nanos()
}

/// Whether a file of this name may be in a part of the backup that cannot be listed.
fn may_be_lost(damage: &Damage, name: &[u8]) -> bool {
    let is_in = |folder: &Vec<u8>| {
        folder.is_empty()
            || name.strip_prefix(folder.as_slice()).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    };
    match &damage.lost {
        None => true,
        Some(Lost::Folder(folder) | Lost::Either(folder)) => is_in(folder),
    }
}

/// The key under which a name is looked up. It is equal for names of the same file, also in
/// different spellings.
fn key(path: &[u8]) -> Cow<'_, [u8]> {
    match spelling::composed(path) {
        Cow::Borrowed(path) => platform::name_key(path),
        Cow::Owned(path) => Cow::Owned(platform::name_key(&path).into_owned()),
    }
}

/// The path of `path` below `root`, if it is below it. A backup or a restore folder inside the
/// originals is not an original.
fn relative_to(path: &Path, root: &Path) -> Option<Vec<u8>> {
    let root = std::fs::canonicalize(root).ok()?;
    let rest = path.strip_prefix(root).ok().filter(|rest| !rest.as_os_str().is_empty())?;
    Some(platform::path_to_bytes(rest).into_owned())
}

/// The draw while originals are listed.
struct OriginalsDraw {
    /// The draw, and the number of originals.
    bottom: Mutex<(BottomK, u64)>,
    /// The upper half of the draw's threshold. It turns most names away without taking the lock.
    limit: AtomicU64,
}

/// Draws originals, under the paths that they should have in the backup.
struct OriginalsSink<'a> {
    number: usize,
    from: &'a [u8],
    pairing: &'a Pairing,
    filter: &'a Filter,
    ranker: &'a Ranker,
    draw: &'a OriginalsDraw,
    cancel: &'a CancelToken,
    leave_out: Vec<Vec<u8>>,
}

impl OriginalsSink<'_> {
    /// Writes the path that a file below the root should have in the backup to `name`.
    fn name(&self, path: &[u8], name: &mut Vec<u8>) {
        name.clear();
        name.extend_from_slice(self.from);
        if !self.from.is_empty() && !path.is_empty() {
            name.push(b'/');
        }
        name.extend_from_slice(path);
    }

    /// Whether a path is in a folder that holds no originals: one that bkverify uses, or a mount
    /// that is not on a disk.
    fn is_left_out(&self, path: &[u8]) -> bool {
        let is_in = |folder: &Vec<u8>| {
            path.strip_prefix(folder.as_slice()).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        };
        self.leave_out.iter().any(is_in)
    }

    /// Whether damage may have hidden originals that should be looked up.
    fn concerns(&self, damage: &Damage) -> bool {
        let named = |path: &[u8]| {
            let mut name = Vec::new();
            self.name(path, &mut name);
            (!self.is_left_out(path)).then_some(name)
        };
        let below = |path: &[u8]| named(path).is_some_and(|name| self.filter.may_include_below(&name));
        let file = |path: &[u8]| named(path).is_some_and(|name| self.filter.includes_path(&name));
        damage.concerns(below, file)
    }
}

impl CatalogSink for OriginalsSink<'_> {
    fn take(&self, entries: &EntryBatch) -> ControlFlow<()> {
        let limit = self.draw.limit.load(Ordering::Relaxed);
        let (mut originals, mut lowest_dropped) = (0, u128::MAX);
        let mut candidates = Vec::new();
        let mut name = Vec::new();
        for entry in entries.iter() {
            let is_left_out = self.is_left_out(entry.path);
            self.name(entry.path, &mut name);
            let entry = Entry { path: &name, position: self.number as u64, ..entry };
            // If several rules fit a name, it means the original of the first rule.
            if is_left_out
                || !self.filter.includes(&entry)
                || self.pairing.first_root(&name) != Some(self.number)
            {
                continue;
            }
            originals += 1;
            let order = self.ranker.rank(&name).order;
            if (order >> 64) as u64 > limit {
                lowest_dropped = lowest_dropped.min(order);
            } else {
                candidates.push((order, EntryBatch::from_iter([entry])));
            }
        }
        let mut guard = lock(&self.draw.bottom);
        let (bottom, total) = &mut *guard;
        *total += originals;
        bottom.count(originals, 0, lowest_dropped);
        for (order, entry) in &candidates {
            bottom.offer(*order, &entry.get(0));
        }
        self.draw.limit.store((bottom.threshold() >> 64) as u64, Ordering::Relaxed);
        if self.cancel.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Folders list each name once, so a listing does not begin again.
    fn restart(&self) {}
}

#[cfg(test)]
mod tests;
