//! The other direction: are originals in the backup at all?
//!
//! A file that was never backed up cannot be found by sampling the backup. So originals are drawn,
//! by the same keyed hash, and each is looked up in the catalog while it streams by. The draw needs
//! names alone; what an original's times are is asked only of the few that the backup does not
//! list.
//!
//! Such a one is missing only if it was at its place when the backup was taken: neither its content
//! nor its place ([`super::settled`]) is younger than what the backup proves of its own age
//! ([`super::taken`]). All others are counted, and others are drawn in their stead: an original
//! that is younger than the backup's own time is too young; of one that is younger than everything
//! in the backup, or was moved since, nobody can tell (undecided). One that came to its place after
//! everything in the backup but before the backup's own time would accuse the backup if that time
//! were sure. It is not, where a backup was copied: so it is named, and not accused (doubtful).

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::backup::{Backup, CatalogSink, Context, Damage, Entry, EntryBatch, Folder, Listing, Lost};
use crate::plan::{Plan, SampleSize};
use crate::platform::{self, Timestamp};
use crate::stop::Stop;

use super::Error;
use super::exclude;
use super::filter::Filter;
use super::outcome::Completeness;
use super::pairing::{Pairing, Place};
use super::sample::{BottomK, Ranker, Target};
use super::settled::{ArrivalTimes, Since};
use super::spelling;
use super::taken::{Newest, Taken};

/// So many times as many originals are drawn as are to be looked up, to replace those that are too
/// young, at most: where it was asked for, and where it was not.
const REPLACEMENTS: (u64, u64) = (9, 1);

/// Originals that are to be looked up, by the paths that they should have in the backup.
#[derive(Debug)]
pub struct Lookup {
    asked_for: bool,
    wanted: u64,
    originals: u64,
    unlisted: Vec<String>,
    /// By rank.
    drawn: Vec<Drawn>,
    /// Which of them have a name of this key ([`key`]).
    by_key: HashMap<Vec<u8>, Vec<usize>>,
    tags: Tags,
    newest: Newest,
}

#[derive(Debug)]
struct Drawn {
    /// The path that it should have in the backup.
    name: Vec<u8>,
    root: usize,
    found: AtomicBool,
    /// A name in the backup that is spelled otherwise.
    respelled: Mutex<Option<Vec<u8>>>,
}

/// What became of one that was drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Found,
    Missing,
    Doubtful,
    Undecided,
    TooYoung,
    /// It is no original any more, or none by the filters.
    None,
}

/// What [`Lookup::finish`] needs to know of the run.
pub struct Ended<'a> {
    /// The backup.
    pub backup: &'a dyn Backup,
    /// Whether it was listed to its end; otherwise, only what was found is known.
    pub whole: bool,
    /// What of it could not be listed.
    pub damage: &'a [Damage],
    /// Where originals are.
    pub pairing: &'a Pairing,
    /// Which of them are meant.
    pub filter: &'a Filter,
    /// Asked now and then.
    pub stop: &'a Stop,
}

impl Lookup {
    /// Draws the originals that the plan asks for. An error only where they were asked for;
    /// otherwise, what cannot be listed is told.
    pub fn draw(plan: &Plan, pairing: &Pairing, filter: &Filter, stop: &Stop) -> Result<Self, Error> {
        let asked = plan.claims.completeness;
        let more = if asked.asked_for { REPLACEMENTS.0 } else { REPLACEMENTS.1 };
        let candidates = asked.originals.saturating_mul(more + 1);
        let target = Target::new(SampleSize::Count(candidates), plan.claims.confidence);
        let draw = Draw { bottom: Mutex::new((BottomK::new(target), 0)), limit: AtomicU64::new(u64::MAX) };
        let ranker = Ranker::new(&plan.draw.seed);
        let mut unlisted = Vec::new();
        let ours = [Some(plan.target.restore_to.as_path()), plan.target.backup.local()].into_iter().flatten();
        let ours = ours.filter_map(|place| std::fs::canonicalize(place).ok());
        let ours: Vec<_> = ours.chain(platform::volatile_mounts()).collect();
        for (number, root, from) in pairing.numbered_roots() {
            let leave_out = ours.iter().filter_map(|place| relative_to(place, &root.place)).collect();
            let sink =
                Originals { number, from, pairing, filter, ranker: &ranker, draw: &draw, stop, leave_out };
            let context =
                Context::new(stop.clone()).with_threads(plan.engine.threads.min(super::LISTING_THREADS));
            // Of names alone, so that no file's state is read; a filter may need more.
            let listed = Folder::open(&root.place, false)
                .and_then(|folder| folder.catalog(filter.needs(), &context, &sink));
            let place = root.place.display();
            match listed {
                Ok(Listing::Damaged(damage)) => {
                    let damage = damage.into_iter().filter(|damage| sink.concerns(damage));
                    unlisted.extend(damage.map(|damage| format!("{place}: {damage}")));
                }
                Ok(_) => {}
                Err(error) if asked.asked_for => return Err(error.into()),
                Err(error) => unlisted.push(format!("{place}: {error}")),
            }
        }
        let (bottom, originals) = draw.bottom.into_inner().unwrap_or_else(PoisonError::into_inner);
        let drawn = bottom.finish().map_or_else(Vec::new, |draw| {
            let most = usize::try_from(candidates).unwrap_or(usize::MAX);
            draw.picks.iter().take(most).map(|entry| Drawn::new(&entry)).collect()
        });
        Ok(Self::new(asked.asked_for, asked.originals.min(originals), originals, unlisted, drawn))
    }

    fn new(asked_for: bool, wanted: u64, originals: u64, unlisted: Vec<String>, drawn: Vec<Drawn>) -> Self {
        let (mut by_key, mut tags) = (HashMap::<Vec<u8>, Vec<usize>>::new(), Tags::default());
        for (index, each) in drawn.iter().enumerate() {
            let name = key(&each.name);
            tags.set(&name);
            by_key.entry(name.into_owned()).or_default().push(index);
        }
        let newest = Newest::default();
        Self { asked_for, wanted, originals, unlisted, drawn, by_key, tags, newest }
    }

    /// Notes that the backup lists an entry.
    pub fn note(&self, entry: &Entry<'_>) {
        self.newest.see(entry);
        let name = key(entry.path);
        if !self.tags.may_hold(&name) {
            return;
        }
        for &index in self.by_key.get(&*name).into_iter().flatten() {
            let drawn = &self.drawn[index];
            if platform::is_same_name(&drawn.name, entry.path) {
                drawn.found.store(true, Ordering::Relaxed);
            } else {
                let mut respelled = drawn.respelled.lock().unwrap_or_else(PoisonError::into_inner);
                *respelled = Some(entry.path.to_vec());
            }
        }
    }

    /// What was found once the catalog has streamed by.
    pub fn finish(self, ended: &Ended<'_>) -> Completeness {
        let mut out = Completeness {
            asked_for: self.asked_for,
            wanted: self.wanted,
            originals: self.originals,
            ..Completeness::default()
        };
        let mut court = Court::new(&self, ended);
        let (mut lost, mut found) = (Vec::new(), Vec::new());
        for drawn in &self.drawn {
            if out.looked_up + out.doubtful.len() as u64 >= self.wanted {
                break;
            }
            match court.judge(drawn) {
                Fate::Found => {
                    out.looked_up += 1;
                    found.push(&*drawn.name);
                }
                fate @ (Fate::Missing | Fate::Doubtful) => {
                    let place = ended.pairing.place_of(drawn.root, &drawn.name);
                    let place = place.map_or_else(Vec::new, |place| {
                        platform::path_to_bytes(&place.display()).into_owned()
                    });
                    let (list, looked_up) = match fate {
                        Fate::Missing => (&mut out.missing, 1),
                        _ => (&mut out.doubtful, 0),
                    };
                    list.push(place);
                    out.looked_up += looked_up;
                    lost.push(&*drawn.name);
                }
                Fate::Undecided => out.undecided += 1,
                Fate::TooYoung => out.too_young += 1,
                Fate::None => out.originals = out.originals.saturating_sub(1),
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

impl Drawn {
    fn new(entry: &Entry<'_>) -> Self {
        let root = usize::try_from(entry.position).unwrap_or(usize::MAX);
        Self { name: entry.path.to_vec(), root, found: AtomicBool::new(false), respelled: Mutex::default() }
    }
}

/// Decides about what was drawn, one after the other.
struct Court<'a> {
    lookup: &'a Lookup,
    ended: &'a Ended<'a>,
    places: ArrivalTimes,
    /// What the backup tells of its age; found out only if it matters.
    taken: Option<Taken>,
}

impl<'a> Court<'a> {
    fn new(lookup: &'a Lookup, ended: &'a Ended<'a>) -> Self {
        Self { lookup, ended, places: ArrivalTimes::default(), taken: None }
    }

    fn judge(&mut self, drawn: &Drawn) -> Fate {
        let Ended { pairing, filter, whole, damage, .. } = *self.ended;
        if drawn.found.load(Ordering::Relaxed) || self.is_respelled(drawn) {
            return Fate::Found;
        }
        let Some(place) = pairing.place_of(drawn.root, &drawn.name).filter(|_| whole) else {
            return Fate::None;
        };
        let Some((stat, since)) = self.places.look(drawn.root, place.root, place.path) else {
            return Fate::None;
        };
        let entry = Entry { size: Some(stat.size), mtime: Some(stat.mtime), ..Entry::named(&drawn.name) };
        if !filter.includes(&entry) {
            return Fate::None;
        }
        if self.has_twin(drawn) || damage.iter().any(|damage| may_be_lost(damage, &drawn.name)) {
            return Fate::Undecided;
        }
        fate(stat.mtime, since, &self.taken())
    }

    /// Whether the backup holds it under another spelling of its name, which fits no other
    /// original.
    fn is_respelled(&self, drawn: &Drawn) -> bool {
        let respelled = drawn.respelled.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = &*respelled else { return false };
        let Some(place) = self.ended.pairing.place_of(drawn.root, &drawn.name) else { return false };
        let is_there = |place: Place<'_>| place.root.tree.stat(place.path).is_ok();
        !self.ended.pairing.places(entry).any(is_there)
            && self.ended.pairing.normalised(entry).is_some_and(|respelled| {
                std::ptr::eq(respelled.place().root, place.root) && respelled.place().path == place.path
            })
    }

    /// Whether the backup holds a name that fits several originals in other spellings: it may be
    /// this one.
    fn has_twin(&self, drawn: &Drawn) -> bool {
        let respelled = drawn.respelled.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = &*respelled else { return false };
        let is_there = |place: Place<'_>| place.root.tree.stat(place.path).is_ok();
        !self.ended.pairing.places(entry).any(is_there)
    }

    fn taken(&mut self) -> Taken {
        let Self { lookup, ended, taken, .. } = self;
        *taken.get_or_insert_with(|| {
            let Ended { backup, pairing, stop, .. } = **ended;
            let found = lookup.drawn.iter().filter(|drawn| drawn.found.load(Ordering::Relaxed));
            let changes = found.take(CHANGES).filter_map(|drawn| {
                let place = pairing.place_of(drawn.root, &drawn.name)?;
                place.root.tree.stat(place.path).ok()?.changed
            });
            Taken::of(backup, &lookup.newest, pairing, changes.collect(), stop)
        })
    }
}

/// Of so many originals in the backup it is asked when they changed last.
const CHANGES: usize = 200;

/// What became of an original that the backup does not list: one that was modified at `mtime` and
/// is at its place `since` then.
fn fate(mtime: Timestamp, since: Since, taken: &Taken) -> Fate {
    if taken.before.is_some_and(|before| mtime > before) {
        return Fate::TooYoung;
    }
    let Some(after) = taken.after else { return Fate::Undecided };
    match since {
        Since::Unknown => Fate::Undecided,
        // It may have been written after the backup was, whatever happened to the others since.
        _ if mtime > after => Fate::Undecided,
        Since::Time(since) if taken.settled.is_some_and(|settled| since <= settled) => Fate::Missing,
        Since::Time(since) if taken.before.is_none_or(|before| is_after(since, before)) => Fate::Undecided,
        Since::Time(_) | Since::Mounted => Fate::Doubtful,
    }
}

/// Systems keep change times by a clock that ticks: two that lie closer together say nothing of
/// which was first.
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

/// What stands for a name where names are looked up: equal for those that name the same file, also
/// in another spelling.
fn key(path: &[u8]) -> Cow<'_, [u8]> {
    match spelling::composed(path) {
        Cow::Borrowed(path) => platform::name_key(path),
        Cow::Owned(path) => Cow::Owned(platform::name_key(&path).into_owned()),
    }
}

/// Turns most names away without looking them up.
#[derive(Debug)]
struct Tags(Box<[u64; TAGS / 64]>);

const TAGS: usize = 1 << 16;

impl Default for Tags {
    fn default() -> Self {
        Self(Box::new([0; TAGS / 64]))
    }
}

impl Tags {
    /// A number that depends on the end of a name, where names differ most, and its length.
    fn of(name: &[u8]) -> usize {
        let end = name.last_chunk().map_or(0, |end| u64::from_le_bytes(*end));
        let mixed = (end ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // Its upper bits are the best mixed; 16 of them fit everywhere.
        usize::try_from(mixed >> 48).unwrap_or(0)
    }

    fn set(&mut self, name: &[u8]) {
        let tag = Self::of(name);
        self.0[tag / 64] |= 1 << (tag % 64);
    }

    fn may_hold(&self, name: &[u8]) -> bool {
        let tag = Self::of(name);
        self.0[tag / 64] >> (tag % 64) & 1 == 1
    }
}

/// Where `place` is below `root`, if it is: backups and restored files inside the originals are no
/// originals.
fn relative_to(place: &Path, root: &Path) -> Option<Vec<u8>> {
    let root = std::fs::canonicalize(root).ok()?;
    let rest = place.strip_prefix(root).ok().filter(|rest| !rest.as_os_str().is_empty())?;
    Some(platform::path_to_bytes(rest).into_owned())
}

/// The draw while originals are listed.
struct Draw {
    /// With the number of originals.
    bottom: Mutex<(BottomK, u64)>,
    /// The upper half of the threshold: most names are turned away by it without a lock.
    limit: AtomicU64,
}

/// Draws among originals, under the paths that they should have in the backup.
struct Originals<'a> {
    number: usize,
    from: &'a [u8],
    pairing: &'a Pairing,
    filter: &'a Filter,
    ranker: &'a Ranker,
    draw: &'a Draw,
    stop: &'a Stop,
    leave_out: Vec<Vec<u8>>,
}

impl Originals<'_> {
    /// The path that something below the root should have in the backup.
    fn name(&self, path: &[u8], name: &mut Vec<u8>) {
        name.clear();
        name.extend_from_slice(self.from);
        if !self.from.is_empty() && !path.is_empty() {
            name.push(b'/');
        }
        name.extend_from_slice(path);
    }

    /// Whether a path is in a place among the originals that holds none: one of ours, or one that
    /// lies on no disk.
    fn is_left_out(&self, path: &[u8]) -> bool {
        let is_in = |place: &Vec<u8>| {
            path.strip_prefix(place.as_slice()).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        };
        self.leave_out.iter().any(is_in)
    }

    /// Whether originals that should be looked up may be lost by a damage.
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

impl CatalogSink for Originals<'_> {
    fn take(&self, entries: &EntryBatch) -> ControlFlow<()> {
        let limit = self.draw.limit.load(Ordering::Relaxed);
        let (mut originals, mut lowest_dropped) = (0, u128::MAX);
        let mut candidates = Vec::new();
        let mut name = Vec::new();
        for entry in entries.iter() {
            let is_left_out = self.is_left_out(entry.path);
            self.name(entry.path, &mut name);
            let entry = Entry { path: &name, position: self.number as u64, ..entry };
            // Under a name that several rules fit, the first one's original is meant.
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
        let mut guard = self.draw.bottom.lock().unwrap_or_else(PoisonError::into_inner);
        let (bottom, total) = &mut *guard;
        *total += originals;
        bottom.count(originals, 0, lowest_dropped);
        for (order, entry) in &candidates {
            bottom.offer(*order, &entry.get(0));
        }
        self.draw.limit.store((bottom.threshold() >> 64) as u64, Ordering::Relaxed);
        if self.stop.is_set() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Folders list each name once.
    fn restart(&self) {}
}

#[cfg(test)]
mod tests;
