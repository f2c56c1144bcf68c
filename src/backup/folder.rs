//! A folder tree as a backup, as robocopy, rsync, rclone or File History create it.
//!
//! The catalog reads directories in parallel. It asks for the metadata of a file only if sizes or
//! times are needed; otherwise these are read when the file is restored. Links, devices, pipes and
//! sockets are not part of the backup and are never opened.

use std::cell::RefCell;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};

use rayon::Scope;

use crate::cancel::CancelToken;
use crate::lock::{into_inner, lock};
use crate::platform::{self, Cached, Kind, Timestamp, Tree};
use crate::threads;

use super::collected::restore_each;
use super::damage_lines::DamageLines;
use super::delivery::{Delivery, EarlyEnd};
use super::description::{BackupTime, TakenFrom};
use super::format::Format;
use super::path::escape;
use super::repository::Repository;
use super::{
    Backup, CatalogSink, Context, Damage, DamageKind, Description, Entry, EntryBatch, Error, Listing,
    Location, Lost, Needs, RestoreError, RestoreSink, Restored, Scratch, Wanted,
};

/// The most folders that are named if they cannot be listed. This is more than the damage lines of
/// an archive, because each line tells the filters which paths are lost.
const DAMAGE_MAX: usize = 1_000;

/// The line that stands for all further folders.
const MORE: &str = "many more folders cannot be listed";

/// The number of entries that one thread collects before it passes them on.
const BATCH: usize = 512;

/// A folder tree that contains copies of files under their own names.
#[derive(Debug)]
pub struct Folder {
    location: Location,
    tree: Tree,
    description: OnceLock<Description>,
}

/// The format of folders that contain the files as they are.
pub const FORMAT: Format = Format {
    name: "folder",
    kind: "a folder",
    summary: "a folder with the files as they are (robocopy, rsync, File History)",
    schemes: &[],
    recognise: |candidate| candidate.folder().is_some_and(|folder| !is_repository(folder)),
    open: |candidate, context| {
        let folder = Folder::at(candidate.location().clone(), context.cold)?;
        folder.description();
        Ok(Box::new(folder))
    },
    snapshots: None,
    has_volumes: false,
};

/// Whether the files in a folder are those of a repository, and not those that were backed up.
fn is_repository(folder: &Path) -> bool {
    Repository::at(folder).or_else(|| Repository::remains_at(folder)).is_some()
}

impl Folder {
    /// The format's name.
    pub const NAME: &'static str = FORMAT.name;

    /// Opens the folder at `path`. With `cold`, its files are read from the disk and not from the
    /// system's cache.
    pub fn open(path: &Path, cold: bool) -> Result<Self, Error> {
        Self::at(Location::at(path), cold)
    }

    fn at(location: Location, cold: bool) -> Result<Self, Error> {
        // An address has no path on this machine, so opening it fails.
        let tree = Tree::open(location.local().unwrap_or(Path::new("")), cold);
        match tree {
            Ok(tree) => Ok(Self { location, tree, description: OnceLock::new() }),
            Err(source) => Err(Error::Open { location, source }),
        }
    }

    /// The newest change time of the folder and of what is directly in it. A later copy may have
    /// changed only what is deeper in the tree. So this is never later than the time when the
    /// folder was copied to its path.
    fn taken(&self) -> Option<Timestamp> {
        let mut newest = self.tree.stat(b"").ok()?.changed;
        let mut see =
            |found: platform::FolderEntry<'_>| newest = newest.max(found.stat.and_then(|stat| stat.changed));
        self.tree.list(b"", true, &mut Vec::new(), &mut see).ok()?;
        newest
    }

    fn restore_one(&self, entry: Entry<'_>, delivery: &mut Delivery<'_>) -> Result<(), EarlyEnd> {
        let (stat, outcome) = self.copy(&entry, delivery);
        let known = Entry {
            size: stat.map(|stat| stat.size).or(entry.size),
            mtime: stat.map(|stat| stat.mtime).or(entry.mtime),
            id: stat.map(|stat| stat.id),
            ..entry
        };
        delivery.deliver(known, outcome)
    }

    fn copy(
        &self,
        entry: &Entry<'_>,
        delivery: &mut Delivery<'_>,
    ) -> (Option<platform::Stat>, Result<Restored, RestoreError>) {
        let opened = self.tree.open_file(entry.path, false).and_then(|file| {
            let stat = platform::stat(&file)?;
            Ok((file, stat))
        });
        match opened {
            Ok((_, stat)) if stat.kind != Kind::File => {
                (None, Err(RestoreError::Damaged("is no longer a regular file".to_owned())))
            }
            Ok((mut file, stat)) => {
                delivery.sink.begin(entry, stat.size);
                (Some(stat), copy(&mut file, stat.size, delivery.scratch))
            }
            // Its recorded time and size are still needed: they decide whether the pick can be
            // compared.
            Err(error) => {
                let stat = self.tree.stat(entry.path).ok().filter(|stat| stat.kind == Kind::File);
                (stat, Err(RestoreError::Read(error)))
            }
        }
    }
}

impl Backup for Folder {
    /// Computed at the first call. A folder of originals is only listed, and then its top is not
    /// looked at.
    fn description(&self) -> &Description {
        self.description.get_or_init(|| Description {
            location: self.location.clone(),
            format: FORMAT.name,
            snapshot: None,
            id: None,
            taken: self.taken().map(|at| BackupTime { at, how: TakenFrom::NewestChange }),
            unique_names: true,
            time_resolution_ns: 1,
            several: None,
        })
    }

    fn cached(&self) -> Option<Cached> {
        self.tree.cached()
    }

    fn catalog(&self, needs: Needs, context: &Context, sink: &dyn CatalogSink) -> Result<Listing, Error> {
        let threads = context.threads.max(1);
        let walk = TreeWalk {
            cancel: &context.cancel,
            tree: &self.tree,
            needs,
            sink,
            workers: (0..threads).map(|_| Mutex::default()).collect(),
            stopped: AtomicBool::new(false),
            damage: Mutex::new(DamageLines::up_to(DAMAGE_MAX, MORE)),
        };
        match threads::pool(threads, "list") {
            Some(pool) => pool.scope(|scope| walk.by_tasks(b"", scope)),
            None => walk.alone(),
        }
        for worker in &walk.workers {
            walk.flush(&mut lock(worker).batch);
        }
        let damage = into_inner(walk.damage).into_sorted_lines();
        Ok(if walk.stopped.into_inner() { Listing::Stopped } else { Listing::ended(damage) })
    }

    fn restore(
        &self,
        wanted: Wanted<'_>,
        scratch: &Scratch,
        context: &Context,
        sink: &mut dyn RestoreSink,
    ) -> Result<(), Error> {
        let mut delivery = Delivery { scratch, context, sink };
        restore_each(self, &wanted, &mut delivery, &mut |entry, delivery| self.restore_one(entry, delivery))
    }
}

thread_local! {
    /// Grows to the largest small file that the thread copies, and is used for all of them.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fn copy(file: &mut File, size: u64, scratch: &Scratch) -> Result<Restored, RestoreError> {
    BUFFER.with_borrow_mut(|buffer| scratch.copy(file, size, buffer))
}

/// One parallel walk over the tree, with one task for each folder.
struct TreeWalk<'a> {
    cancel: &'a CancelToken,
    tree: &'a Tree,
    needs: Needs,
    sink: &'a dyn CatalogSink,
    /// One for each thread, so that the locks are never contended.
    workers: Vec<Mutex<Worker>>,
    stopped: AtomicBool,
    damage: Mutex<DamageLines>,
}

#[derive(Default)]
struct Worker {
    batch: EntryBatch,
    names: Vec<u8>,
}

impl<'a> TreeWalk<'a> {
    /// Lists the folder `path` and everything below it, with one task for each folder.
    fn by_tasks<'scope>(&'scope self, path: &[u8], scope: &Scope<'scope>)
    where
        'a: 'scope,
    {
        self.folder(path, &mut |below| scope.spawn(move |scope| self.by_tasks(&below, scope)));
    }

    /// Lists everything on this thread, if no threads can be started.
    fn alone(&self) {
        let mut waiting = vec![Vec::new()];
        while let Some(path) = waiting.pop() {
            self.folder(&path, &mut |below| waiting.push(below));
        }
    }

    /// Lists the folder `path` (empty, or ending in `/`), and calls `below` for each folder in it.
    fn folder(&self, path: &[u8], below: &mut dyn FnMut(Vec<u8>)) {
        if self.cancel.is_cancelled() {
            self.stopped.store(true, Ordering::Relaxed);
        }
        if self.stopped.load(Ordering::Relaxed) {
            return;
        }
        let index = rayon::current_thread_index().unwrap_or(0) % self.workers.len();
        let mut worker = lock(&self.workers[index]);
        let Worker { batch, names } = &mut *worker;
        let bare = path.strip_suffix(b"/").unwrap_or(path);
        let (mut is_empty, mut passed_over) = (true, 0);
        let listed = self.tree.list(bare, self.needs.any(), names, &mut |found| match found.kind {
            Kind::File => {
                is_empty = false;
                let (size, mtime) = (found.stat.map(|stat| stat.size), found.stat.map(|stat| stat.mtime));
                let position = found.number;
                batch.push_parts(path, found.name, &Entry { size, mtime, position, ..Entry::named(b"") });
                if batch.len() >= BATCH {
                    self.flush(batch);
                }
            }
            Kind::Folder => {
                is_empty = false;
                below([path, found.name, b"/"].concat());
            }
            Kind::Other => passed_over += 1,
        });
        passed_over += u64::from(is_empty && passed_over == 0 && listed.is_ok() && !bare.is_empty());
        if passed_over > 0 {
            self.sink.pass_over(passed_over);
        }
        // Only root may read the folder that fsck uses. No backup program stores anything there.
        if let Err(error) = listed.or_else(|error| if bare == b"lost+found" { Ok(()) } else { Err(error) }) {
            let name = escape(if bare.is_empty() { b"." } else { bare });
            let problem = format!("folder {name} cannot be listed: {error}");
            let is_denied = error.kind() == std::io::ErrorKind::PermissionDenied;
            let kind = if is_denied { DamageKind::Gap } else { DamageKind::Loss };
            lock(&self.damage).note(Damage { problem, lost: Some(Lost::Folder(bare.to_vec())), kind });
        }
    }

    fn flush(&self, batch: &mut EntryBatch) {
        if !batch.is_empty() && !self.stopped.load(Ordering::Relaxed) && self.sink.take(batch).is_break() {
            self.stopped.store(true, Ordering::Relaxed);
        }
        batch.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_was_taken_no_later_than_it_was_last_changed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "x").unwrap();
        let changed = |path: &Path| {
            let tree = Tree::open(path, false).unwrap();
            tree.stat(b"file").unwrap().changed.max(tree.stat(b"").unwrap().changed)
        };
        let taken = Folder::open(dir.path(), false).unwrap().description().taken_at();
        assert!(taken.is_some());
        assert_eq!(taken, changed(dir.path()));
    }
}
