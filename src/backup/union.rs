//! Several snapshots of one repository, as one backup: every version of every file once.
//!
//! In: the snapshots, newest first. Out: one [`Backup`], whose paths begin with the name of a
//! snapshot: the newest that holds this version of the file. So what begins with the newest of all
//! is what a run over that one alone would list, and it can be compared with originals. Everything
//! else is past.
//!
//! A version that several snapshots share is listed once, if the format can tell that they share
//! it. What is known of it takes up to 80 bytes of memory.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::collected::Collected;
use super::delivery::Delivery;
use super::description::BackupTime;
use super::{
    Backup, CatalogSink, Context, Damage, Description, Entry, EntryBatch, Error, Listing, Location, Lost,
    Needs, PathRoot, Reach, RestoreError, RestoreSink, Restored, Scratch, Several, Wanted, escape,
};
use crate::lock::lock;

/// Whether a format can tell that two snapshots hold the same version of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Versions {
    /// By its handle, which holds the hashes of its pieces.
    ByHandle,
    /// It cannot. Size and time are not enough: two archives may hold the same file in different
    /// chunks, of which only the older ones are damaged.
    Unknown,
}

/// What all snapshots have in common.
pub(super) struct Common<'a> {
    pub(super) location: &'a Location,
    /// What the user wrote: `all`, `last:7`.
    pub(super) asked: &'a str,
    pub(super) format: &'static str,
    pub(super) versions: Versions,
    /// See [`Several::confirmed_by`].
    pub(super) confirmed_by: &'static str,
    pub(super) time_resolution_ns: u64,
}

/// Several snapshots.
pub(super) struct Union {
    /// Newest first.
    parts: Vec<Part>,
    versions: Versions,
    /// The newest part that holds each version that was listed, by its key. It does not change: every
    /// listing goes through the parts in their order.
    owners: Mutex<HashMap<u128, u32>>,
    /// Whether a part was listed for the first time, and began again.
    has_restarted: AtomicBool,
    description: Description,
    notes: Vec<String>,
}

struct Part {
    /// The name of the snapshot.
    name: Vec<u8>,
    backup: Box<dyn Backup>,
}

impl Union {
    /// Joins snapshots, newest first, with the name of each.
    pub(super) fn new(
        common: &Common<'_>,
        parts: Vec<(String, Box<dyn Backup>)>,
        notes: Vec<String>,
    ) -> Self {
        let mut id = blake3::Hasher::new_derive_key("bkverify 2026 id of several snapshots");
        for (name, backup) in &parts {
            id.update(backup.description().id.as_ref().unwrap_or(name).as_bytes()).update(b"\n");
        }
        let (newest, taken): (_, Option<BackupTime>) = match parts.first() {
            Some((name, backup)) => (name.clone(), backup.description().taken),
            None => (String::new(), None),
        };
        let description = Description {
            location: common.location.clone(),
            format: common.format,
            snapshot: Some(common.asked.to_owned()),
            id: Some(id.finalize().to_hex()[..32].to_owned()),
            taken,
            unique_names: parts.iter().all(|(_, backup)| backup.description().unique_names),
            time_resolution_ns: common.time_resolution_ns,
            several: Some(Several {
                count: parts.len() as u64,
                newest: newest.into_bytes(),
                confirmed_by: common.confirmed_by,
            }),
        };
        let part = |(name, backup): (String, _)| Part { name: name.into_bytes(), backup };
        Self {
            parts: parts.into_iter().map(part).collect(),
            versions: common.versions,
            owners: Mutex::default(),
            has_restarted: AtomicBool::new(false),
            description,
            notes,
        }
    }

    /// What tells a version of a file from all others.
    fn key(entry: &Entry<'_>) -> u128 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(entry.path.len() as u64).to_le_bytes()).update(entry.path);
        hasher.update(&entry.size.unwrap_or(u64::MAX).to_le_bytes()).update(entry.handle);
        let hash = *hasher.finalize().as_bytes();
        hash.first_chunk().map_or(0, |half| u128::from_le_bytes(*half))
    }

    /// Lists all parts, one after the other. One that cannot be listed does not hide the others.
    fn list(&self, context: &Context, sink: &dyn CatalogSink) -> Result<Listing, Error> {
        let mut damage: Vec<Damage> = Vec::new();
        let (mut failed, mut problem) = (0, None);
        for (number, part) in (0..).zip(&self.parts) {
            let sink = PartSink { union: self, part, number, sink, files: AtomicU64::new(0) };
            let needs = Needs { size: true, mtime: true };
            let found = match part.backup.catalog(needs, context, &sink) {
                Ok(Listing::Whole) => Vec::new(),
                Ok(Listing::Stopped) => return Ok(Listing::Stopped),
                Ok(Listing::Damaged(found)) => found.into_iter().map(|found| part.damage(found)).collect(),
                Err(error) => {
                    failed += 1;
                    let gap = part.failed(&error);
                    problem = Some(error);
                    vec![gap]
                }
            };
            if number == 0 && found.is_empty() && sink.files.into_inner() == 0 && self.parts.len() > 1 {
                let name = escape(&part.name);
                let text = format!(
                    "the newest snapshot, {name}, holds no files: check the job that makes it, or name others with --snapshot"
                );
                damage.push(Damage::gap(text, None));
            }
            for found in found {
                // What concerns the whole repository is told by each part.
                if !damage.contains(&found) {
                    damage.push(found);
                }
            }
        }
        match problem {
            Some(error) if failed == self.parts.len() => Err(error),
            _ => Ok(Listing::ended(damage)),
        }
    }

    /// The entries of each part among these, with the paths that they have in it.
    fn split_by_part<'e>(&self, wanted: impl Iterator<Item = Entry<'e>>) -> Vec<EntryBatch> {
        let numbers: HashMap<&[u8], usize> =
            self.parts.iter().enumerate().map(|(number, part)| (&*part.name, number)).collect();
        let mut shares = vec![EntryBatch::new(); self.parts.len()];
        for entry in wanted {
            let name = entry.path.split(|&byte| byte == b'/').next().unwrap_or_default();
            if let Some(&number) = numbers.get(name) {
                shares[number].push(&Entry { path: PathRoot::Snapshot.strip(entry.path), ..entry });
            }
        }
        shares
    }
}

impl Part {
    /// The path of an entry in the whole.
    fn path(&self, inside: &[u8]) -> Vec<u8> {
        [&*self.name, b"/", inside].concat()
    }

    /// That nothing is known of this part.
    fn failed(&self, error: &Error) -> Damage {
        let name = escape(&self.name);
        let problem = match error {
            Error::Program { problem, .. } => problem.clone(),
            error => error.to_string(),
        };
        let problem = format!("the snapshot {name} cannot be read: {problem}");
        Damage::gap(problem, Some(Lost::Folder(self.name.clone())))
    }

    /// Damage of this part, as damage of the whole.
    fn damage(&self, damage: Damage) -> Damage {
        let lost = match damage.lost {
            None => return damage,
            Some(Lost::Folder(path)) => Lost::Folder(self.path(&path)),
            Some(Lost::Either(path)) => Lost::Either(self.path(&path)),
        };
        let problem = format!("in the snapshot {}: {}", escape(&self.name), damage.problem);
        Damage { problem, lost: Some(lost), ..damage }
    }
}

/// Passes on what a part lists, without the versions that newer parts hold.
struct PartSink<'a> {
    union: &'a Union,
    part: &'a Part,
    number: u32,
    sink: &'a dyn CatalogSink,
    /// How many files the part has listed.
    files: AtomicU64,
}

impl CatalogSink for PartSink<'_> {
    fn take(&self, entries: &EntryBatch) -> ControlFlow<()> {
        self.files.fetch_add(entries.len() as u64, Ordering::Relaxed);
        let folder = self.part.path(b"");
        let mut batch = EntryBatch::new();
        let mut push = |entry: Entry<'_>| batch.push_parts(&folder, entry.path, &entry);
        match self.union.versions {
            Versions::Unknown => entries.iter().for_each(push),
            Versions::ByHandle => {
                // Hashed before the lock is taken, for which all threads of a listing wait.
                let keys: Vec<u128> = entries.iter().map(|entry| Union::key(&entry)).collect();
                let mut owners = lock(&self.union.owners);
                for (entry, key) in entries.iter().zip(keys) {
                    if *owners.entry(key).or_insert(self.number) == self.number {
                        push(entry);
                    }
                }
            }
        }
        if batch.is_empty() { ControlFlow::Continue(()) } else { self.sink.take(&batch) }
    }

    /// Only of a format whose versions are not told apart. The whole listing begins again then,
    /// which is its first: no part begins again after it was listed to its end.
    fn restart(&self) {
        self.union.has_restarted.store(true, Ordering::Relaxed);
    }

    fn pass_over(&self, count: u64) {
        self.sink.pass_over(count);
    }
}

/// Passes on what a part restores.
struct PartRestore<'a> {
    part: &'a Part,
    sink: &'a mut dyn RestoreSink,
    /// Whether the sink wants no more.
    is_over: bool,
}

impl RestoreSink for PartRestore<'_> {
    fn begin(&mut self, entry: &Entry<'_>, size: u64) {
        self.sink.begin(&Entry { path: &self.part.path(entry.path), ..*entry }, size);
    }

    fn deliver(&mut self, entry: Entry<'_>, outcome: Result<Restored, RestoreError>) -> ControlFlow<()> {
        let path = self.part.path(entry.path);
        let flow = self.sink.deliver(Entry { path: &path, ..entry }, outcome);
        self.is_over |= flow.is_break();
        flow
    }

    fn lost(&mut self, damage: Damage) {
        self.sink.lost(self.part.damage(damage));
    }
}

impl Backup for Union {
    fn description(&self) -> &Description {
        &self.description
    }

    fn reach(&self) -> Reach {
        self.parts.first().map_or(Reach::RANDOM, |part| part.backup.reach())
    }

    fn catalog(&self, _needs: Needs, context: &Context, sink: &dyn CatalogSink) -> Result<Listing, Error> {
        self.has_restarted.store(false, Ordering::Relaxed);
        let listing = self.list(context, sink)?;
        if matches!(listing, Listing::Stopped) || !self.has_restarted.load(Ordering::Relaxed) {
            return Ok(listing);
        }
        sink.restart();
        self.list(context, sink)
    }

    fn notes(&self) -> Vec<String> {
        let of_parts = self.parts.iter().flat_map(|part| part.backup.notes());
        self.notes.iter().cloned().chain(of_parts).collect()
    }

    fn folders(&self) -> Vec<PathBuf> {
        self.parts.iter().flat_map(|part| part.backup.folders()).collect()
    }

    fn restore(
        &self,
        wanted: Wanted<'_>,
        scratch: &Scratch,
        context: &Context,
        sink: &mut dyn RestoreSink,
    ) -> Result<(), Error> {
        let shares = match (&wanted, self.versions) {
            (Wanted::These(entries), _) => Some(self.split_by_part(entries.iter())),
            // What a part holds need not be what it is to restore.
            (Wanted::Every(is_wanted), Versions::ByHandle) => {
                let all = Collected::of(self, &mut Delivery { scratch, context, sink: &mut *sink })?;
                Some(self.split_by_part(all.iter().filter(|entry| is_wanted(entry))))
            }
            (Wanted::Every(_), Versions::Unknown) => None,
        };
        for (number, part) in self.parts.iter().enumerate() {
            let mut sink = PartRestore { part, sink: &mut *sink, is_over: false };
            let share = shares.as_ref().and_then(|shares| shares.get(number));
            let restored = match (&wanted, share) {
                (_, Some(share)) if share.is_empty() => Ok(()),
                (_, Some(share)) => part.backup.restore(Wanted::These(share), scratch, context, &mut sink),
                (Wanted::Every(is_wanted), None) => {
                    let is_wanted =
                        |entry: &Entry<'_>| is_wanted(&Entry { path: &part.path(entry.path), ..*entry });
                    part.backup.restore(Wanted::Every(&is_wanted), scratch, context, &mut sink)
                }
                (Wanted::These(_), None) => Ok(()),
            };
            match restored {
                Ok(()) => {}
                Err(error @ Error::Scratch { .. }) => return Err(error),
                // The other snapshots are judged all the same.
                Err(error) => sink.sink.lost(part.failed(&error)),
            }
            if sink.is_over || context.cancel.is_cancelled() {
                break;
            }
        }
        Ok(())
    }
}
