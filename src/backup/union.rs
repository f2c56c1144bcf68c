//! Several snapshots of one repository, as one backup: every version of every file once.
//!
//! In: the snapshots, newest first. Out: one [`Backup`], whose paths begin with the name of a
//! snapshot: the newest that holds this version of the file. So what begins with the newest of all
//! is what a run over that one alone would list, and it can be compared with originals. Everything
//! else is past. A version that several snapshots share is stored once, and it is listed once.
//!
//! The key of a version takes 16 bytes of memory.

use std::collections::HashMap;
use std::error::Error as _;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::description::BackupTime;
use super::{
    Backup, CatalogSink, Context, Damage, Description, Entry, EntryBatch, Error, Listing, Location, Lost,
    Needs, PathRoot, Reach, RestoreError, RestoreSink, Restored, Scratch, Several, Wanted, escape,
};
use crate::lock::lock;
use crate::platform::Timestamp;

/// How a format tells one version of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// By its handle, which holds the hashes of its pieces.
    Handle,
    /// By its size and modification time: the format does not tell more.
    SizeAndTime,
}

/// What all snapshots have in common.
pub(super) struct Common<'a> {
    pub(super) location: &'a Location,
    /// What the user wrote: `all`, `last:7`.
    pub(super) asked: &'a str,
    pub(super) format: &'static str,
    pub(super) version: Version,
    /// See [`Several::confirmed_by`].
    pub(super) confirmed_by: &'static str,
    pub(super) time_resolution_ns: u64,
}

/// Several snapshots.
pub(super) struct Union {
    /// Newest first.
    parts: Vec<Part>,
    version: Version,
    /// The newest part that holds each version that was listed, by its key. It does not change: every
    /// listing goes through the parts in their order.
    owners: Mutex<HashMap<u128, u32>>,
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
            version: common.version,
            owners: Mutex::default(),
            description,
            notes,
        }
    }

    fn key(&self, entry: &Entry<'_>) -> u128 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(entry.path.len() as u64).to_le_bytes()).update(entry.path);
        match self.version {
            Version::Handle => {
                hasher.update(entry.handle);
            }
            Version::SizeAndTime => {
                hasher.update(&entry.size.unwrap_or(u64::MAX).to_le_bytes());
                hasher.update(&entry.mtime.map_or(i128::MIN, Timestamp::as_nanos).to_le_bytes());
            }
        }
        let hash = *hasher.finalize().as_bytes();
        hash.first_chunk().map_or(0, |half| u128::from_le_bytes(*half))
    }

    /// Lists all parts, one after the other. Returns how the listing ended, and whether one of them
    /// began again.
    fn list(&self, context: &Context, sink: &dyn CatalogSink) -> Result<(Listing, bool), Error> {
        let (mut damage, mut has_restarted, mut problem) = (Vec::new(), false, None);
        for (number, part) in (0..).zip(&self.parts) {
            let sink = PartSink { union: self, part, number, sink, has_restarted: AtomicBool::new(false) };
            let needs = Needs { size: true, mtime: true };
            match part.backup.catalog(needs, context, &sink) {
                Ok(Listing::Whole) => {}
                Ok(Listing::Stopped) => return Ok((Listing::Stopped, false)),
                Ok(Listing::Damaged(lost)) => {
                    for lost in lost.into_iter().map(|lost| part.damage(lost)) {
                        // What concerns the whole repository is told by each part.
                        if !damage.contains(&lost) {
                            damage.push(lost);
                        }
                    }
                }
                Err(error) => {
                    let name = escape(&part.name);
                    let cause = error.source().map_or_else(String::new, |cause| format!(": {cause}"));
                    let text = format!("the snapshot {name} cannot be listed: {error}{cause}");
                    damage.push(Damage::gap(text, Some(Lost::Folder(part.name.clone()))));
                    problem = Some(error);
                }
            }
            has_restarted |= sink.has_restarted.into_inner();
        }
        match problem {
            Some(error) if damage.len() == self.parts.len() => Err(error),
            _ => Ok((Listing::ended(damage), has_restarted)),
        }
    }

    /// The entries of each part among these, with the paths that they have in it.
    fn shared_out(&self, wanted: &EntryBatch) -> Vec<EntryBatch> {
        let numbers: HashMap<&[u8], usize> =
            self.parts.iter().enumerate().map(|(number, part)| (&*part.name, number)).collect();
        let mut shares = vec![EntryBatch::new(); self.parts.len()];
        for entry in wanted.iter() {
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
    has_restarted: AtomicBool,
}

impl CatalogSink for PartSink<'_> {
    fn take(&self, entries: &EntryBatch) -> ControlFlow<()> {
        let keys: Vec<u128> = entries.iter().map(|entry| self.union.key(&entry)).collect();
        let folder = self.part.path(b"");
        let mut batch = EntryBatch::new();
        let mut owners = lock(&self.union.owners);
        for (entry, key) in entries.iter().zip(keys) {
            if *owners.entry(key).or_insert(self.number) == self.number {
                batch.push_parts(&folder, entry.path, &entry);
            }
        }
        drop(owners);
        if batch.is_empty() { ControlFlow::Continue(()) } else { self.sink.take(&batch) }
    }

    /// The whole listing is made again once all parts have been listed to their ends.
    fn restart(&self) {
        self.has_restarted.store(true, Ordering::Relaxed);
    }

    fn pass_over(&self, count: u64) {
        self.sink.pass_over(count);
    }
}

/// Receives a listing that nobody wants.
struct Nobody;

impl CatalogSink for Nobody {
    fn take(&self, _entries: &EntryBatch) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn restart(&self) {}
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
        let (listing, has_restarted) = self.list(context, sink)?;
        if !has_restarted {
            return Ok(listing);
        }
        sink.restart();
        // No part begins again a second time.
        Ok(self.list(context, sink)?.0)
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
        let shares = match wanted {
            Wanted::These(entries) => self.shared_out(entries),
            // Who owns what must be known.
            Wanted::Every(_) if lock(&self.owners).is_empty() => {
                let _ = self.list(context, &Nobody)?;
                Vec::new()
            }
            Wanted::Every(_) => Vec::new(),
        };
        for (number, part) in (0..).zip(&self.parts) {
            let mut sink = PartRestore { part, sink: &mut *sink, is_over: false };
            match &wanted {
                Wanted::These(_) => {
                    if let Some(share) = shares.get(number as usize).filter(|share| !share.is_empty()) {
                        part.backup.restore(Wanted::These(share), scratch, context, &mut sink)?;
                    }
                }
                Wanted::Every(is_wanted) => {
                    let is_wanted = |entry: &Entry<'_>| {
                        lock(&self.owners).get(&self.key(entry)) == Some(&number)
                            && is_wanted(&Entry { path: &part.path(entry.path), ..*entry })
                    };
                    part.backup.restore(Wanted::Every(&is_wanted), scratch, context, &mut sink)?;
                }
            }
            if sink.is_over || context.cancel.is_cancelled() {
                break;
            }
        }
        Ok(())
    }
}
