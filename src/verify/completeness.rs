//! The other direction: are originals in the backup at all?
//!
//! A file that was never backed up cannot be found by sampling the backup. So originals are drawn, by the same keyed hash, among
//! those that are older than the backup, and each is looked up in the catalog while it streams by.
//!
//! How old the backup is: not younger than an archive's own time says, but older, if the archive was copied without its time. And
//! not older than the newest file in it. So an original that the backup does not list is missing only if it is no younger than
//! that file; what lies between is undecided. (Where the backup records no times worth the name, its own must do.)

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::backup::{Backup, Damage, Entry, Folder, Listing, Needs, Picks, Sink};
use crate::plan::{Plan, SampleSize};
use crate::platform::{self, Timestamp};
use crate::stop::Stop;

use super::Error;
use super::comparable::taken_after;
use super::filter::Filter;
use super::outcome::Completeness;
use super::pairing::Pairing;
use super::sample::{BottomK, Ranker, Target};

/// Originals that are to be looked up, by the paths that they should have in the backup.
#[derive(Debug)]
pub struct Lookup {
    taken: Option<Timestamp>,
    wanted: HashMap<Vec<u8>, Wanted>,
    originals: u64,
    unlisted: Vec<String>,
}

#[derive(Debug)]
struct Wanted {
    original: Vec<u8>,
    mtime: Option<Timestamp>,
    found: AtomicBool,
}

impl Lookup {
    /// Draws `plan.completeness` originals. `taken` is when the backup was made, as far as it tells itself: younger originals cannot be in it.
    pub fn draw(
        plan: &Plan,
        pairing: &Pairing,
        filter: &Filter,
        taken: Option<Timestamp>,
        stop: &Stop,
    ) -> Result<Self, Error> {
        let target = Target::new(SampleSize::Count(plan.completeness), plan.confidence);
        let bottom = Mutex::new((BottomK::new(target), 0));
        let ranker = Ranker::new(&plan.seed);
        let mut unlisted = Vec::new();
        for (root, from) in pairing.roots() {
            let folder = Folder::open(&root.place, false)?;
            let leave_out = [&plan.restore_to, &plan.backup].map(|place| std::fs::canonicalize(place).ok());
            let leave_out =
                leave_out.into_iter().flatten().filter_map(|place| relative_to(&place, &root.place));
            let sink = Originals {
                from,
                filter,
                taken,
                ranker: &ranker,
                bottom: &bottom,
                stop,
                leave_out: leave_out.collect(),
            };
            let needs = Needs { size: filter.needs().size, mtime: true };
            if let Listing::Damaged(damage) =
                folder.catalog(needs, plan.threads.min(super::LISTING_THREADS), &sink)?
            {
                let damage = damage.into_iter().filter(|damage| sink.concerns(damage));
                unlisted.extend(damage.map(|damage| format!("{}: {damage}", root.place.display())));
            }
        }
        let (bottom, originals) = bottom.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut wanted = HashMap::new();
        if let Some(draw) = bottom.finish() {
            let count = usize::try_from(draw.wanted).unwrap_or(usize::MAX);
            for entry in draw.picks.iter() {
                if wanted.len() == count {
                    break;
                }
                let Some(place) = pairing.places(entry.path).next() else { continue };
                let original = platform::path_to_bytes(&place.display()).into_owned();
                let key = platform::name_key(entry.path).into_owned();
                wanted.insert(key, Wanted { original, mtime: entry.mtime, found: AtomicBool::new(false) });
            }
        }
        Ok(Self { taken, wanted, originals, unlisted })
    }

    /// Notes that the backup lists `path`.
    pub fn note(&self, path: &[u8]) {
        if let Some(wanted) = self.wanted.get(&*platform::name_key(path)) {
            wanted.found.store(true, Ordering::Relaxed);
        }
    }

    /// What was found once the catalog has streamed by; `newest` is the newest time in it. Of a catalog that ended early (not
    /// `whole`), only what was found is known.
    pub fn finish(self, whole: bool, newest: Option<Timestamp>) -> Completeness {
        let drawn = self.wanted.len() as u64;
        let lost = self.wanted.into_values().filter(|wanted| !wanted.found.load(Ordering::Relaxed));
        let lost: Vec<Wanted> = lost.collect();
        let found = drawn - lost.len() as u64;
        let (mut missing, mut undecided) = (Vec::new(), 0);
        let surely_taken = taken_after(self.taken, newest);
        for Wanted { original, mtime, .. } in lost.into_iter().filter(|_| whole) {
            if mtime.zip(surely_taken).is_some_and(|(mtime, taken)| mtime > taken) {
                undecided += 1;
            } else {
                missing.push(original);
            }
        }
        missing.sort();
        let looked_up = found + missing.len() as u64;
        Completeness { originals: self.originals, looked_up, undecided, missing, unlisted: self.unlisted }
    }
}

/// Where `place` is below `root`, if it is: backups and restored files inside the originals are no originals.
fn relative_to(place: &Path, root: &Path) -> Option<Vec<u8>> {
    let root = std::fs::canonicalize(root).ok()?;
    let rest = place.strip_prefix(root).ok().filter(|rest| !rest.as_os_str().is_empty())?;
    Some(platform::path_to_bytes(rest).into_owned())
}

/// Draws among originals, under the paths that they should have in the backup.
struct Originals<'a> {
    from: &'a [u8],
    filter: &'a Filter,
    taken: Option<Timestamp>,
    ranker: &'a Ranker,
    bottom: &'a Mutex<(BottomK, u64)>,
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

    /// Whether a path is in a place of ours among the originals.
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
        let below = |path: &[u8]| named(path).is_some_and(|name| self.filter.may_keep_below(&name));
        let file = |path: &[u8]| named(path).is_some_and(|name| self.filter.keeps_name(&name));
        damage.concerns(below, file)
    }
}

impl Sink for Originals<'_> {
    fn take(&self, entries: &Picks) -> ControlFlow<()> {
        let mut name = Vec::new();
        let mut guard = self.bottom.lock().unwrap_or_else(PoisonError::into_inner);
        let (bottom, originals) = &mut *guard;
        for entry in entries.iter() {
            let is_young = self.taken.zip(entry.mtime).is_some_and(|(taken, mtime)| mtime > taken);
            let is_left_out = self.is_left_out(entry.path);
            self.name(entry.path, &mut name);
            let entry = Entry { path: &name, ..entry };
            if is_young || is_left_out || !self.filter.keeps(&entry) {
                continue;
            }
            *originals += 1;
            let rank = self.ranker.rank(&name);
            bottom.count(1, rank.digest, u128::MAX);
            bottom.offer(rank.order, &entry);
        }
        if self.stop.is_set() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
