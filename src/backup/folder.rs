//! A folder tree as a backup: what robocopy, rsync, rclone or File History make.
//!
//! The catalog reads directories only, no file's state unless asked for, in parallel. What a file's
//! size and time are is read when it is restored. Links, devices, pipes and sockets are no part of
//! it and are never opened.

use std::cell::RefCell;
use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::Scope;

use crate::lock::{into_inner, lock};
use crate::platform::{self, Cached, Kind, Timestamp, Tree};
use crate::threads;

use super::damage_lines::DamageLines;
use super::land::{conclude, land};
use super::path::escape;
use super::{
    Access, Backup, Damage, Description, Entry, Error, Landing, Listing, Locator, Lost, Needs, Picks,
    RestoreError, Restored, Scratch, Sink, Wanted,
};

/// As many folders that cannot be listed are named: more than lines of an archive's damage, because
/// each tells the filters what is lost.
const DAMAGE_MAX: usize = 1_000;

/// What is said instead of further ones.
const MORE: &str = "many more folders cannot be listed";

/// Entries that one thread collects before it hands them on.
const BATCH: usize = 512;

/// A folder tree that holds copies of files under their own names.
#[derive(Debug)]
pub struct Folder {
    place: PathBuf,
    tree: Tree,
}

impl Folder {
    /// Opens the folder at `place`; with `cold`, its files are read from the disk and not from the
    /// system's cache.
    pub fn open(place: &Path, cold: bool) -> Result<Self, Error> {
        let tree =
            Tree::open(place, cold).map_err(|source| Error::Open { place: place.to_owned(), source })?;
        Ok(Self { place: place.to_owned(), tree })
    }

    /// The newest change time of the folder and what lies directly in it: a copy that was made
    /// later than that has changed nothing there, so this is never later than when the folder was
    /// copied to where it is.
    fn taken(&self) -> Option<Timestamp> {
        let mut newest = self.tree.stat(b"").ok()?.changed;
        let mut see =
            |found: platform::FolderEntry<'_>| newest = newest.max(found.stat.and_then(|stat| stat.changed));
        self.tree.list(b"", true, &mut Vec::new(), &mut see).ok()?;
        newest
    }

    fn restore_one(
        &self,
        entry: &Entry<'_>,
        scratch: &Scratch,
        landing: &mut dyn Landing,
    ) -> (Option<platform::Stat>, Result<Restored, RestoreError>) {
        let opened = self.tree.open_file(entry.path, false).and_then(|file| {
            let stat = platform::stat(&file)?;
            Ok((file, stat))
        });
        match opened {
            Ok((_, stat)) if stat.kind != Kind::File => {
                (None, Err(RestoreError::Damaged("is no regular file any more".to_owned())))
            }
            Ok((mut file, stat)) => {
                landing.begin(entry, stat.size);
                (Some(stat), copy(&mut file, stat.size, scratch))
            }
            // What it recorded is known all the same, which decides whether the pick can be
            // compared.
            Err(error) => {
                let stat = self.tree.stat(entry.path).ok().filter(|stat| stat.kind == Kind::File);
                (stat, Err(RestoreError::Read(error)))
            }
        }
    }
}

impl Backup for Folder {
    fn describe(&self) -> Description {
        Description {
            format: "folder",
            place: self.place.clone(),
            taken: self.taken(),
            access: Access::Random,
            unique_names: true,
            time_resolution_ns: 1,
        }
    }

    fn cached(&self) -> Option<Cached> {
        self.tree.cached()
    }

    fn catalog(&self, needs: Needs, threads: usize, sink: &dyn Sink) -> Result<Listing, Error> {
        let threads = threads.max(1);
        let walk = Walk {
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
        Ok(if walk.stopped.into_inner() {
            Listing::Stopped
        } else if damage.is_empty() {
            Listing::Whole
        } else {
            Listing::Damaged(damage)
        })
    }

    fn restore(&self, wanted: Wanted<'_>, scratch: &Scratch, landing: &mut dyn Landing) -> Result<(), Error> {
        let one = |entry: Entry<'_>, landing: &mut dyn Landing| {
            let (stat, outcome) = self.restore_one(&entry, scratch, landing);
            let known = Entry {
                size: stat.map(|stat| stat.size).or(entry.size),
                mtime: stat.map(|stat| stat.mtime).or(entry.mtime),
                id: stat.map(|stat| stat.id),
                ..entry
            };
            land(scratch, landing, known, outcome)
        };
        if scratch.stop().is_set() {
            return Ok(());
        }
        conclude(match wanted {
            Wanted::These(picks) => picks.iter().try_for_each(|entry| one(entry, landing)),
            Wanted::Every(test) => {
                let all = Collected::default();
                if let Listing::Damaged(damage) = self.catalog(Needs { size: true, mtime: true }, 1, &all)? {
                    damage.into_iter().for_each(|damage| landing.lose(damage));
                }
                let all = into_inner(all.0);
                all.iter().filter(|entry| test(entry)).try_for_each(|entry| one(entry, landing))
            }
        })
    }
}

thread_local! {
    /// Grows to the largest small file that the thread copies, and serves all of them.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fn copy(file: &mut File, size: u64, scratch: &Scratch) -> Result<Restored, RestoreError> {
    BUFFER.with_borrow_mut(|buffer| scratch.copy(file, size, buffer))
}

/// A listing kept whole.
#[derive(Default)]
struct Collected(Mutex<Picks>);

impl Sink for Collected {
    fn take(&self, entries: &Picks) -> ControlFlow<()> {
        lock(&self.0).extend(entries.iter());
        ControlFlow::Continue(())
    }
}

/// One parallel walk over the tree: a task a folder.
struct Walk<'a> {
    tree: &'a Tree,
    needs: Needs,
    sink: &'a dyn Sink,
    /// One a thread, so that the locks are never contended.
    workers: Vec<Mutex<Worker>>,
    stopped: AtomicBool,
    damage: Mutex<DamageLines>,
}

#[derive(Default)]
struct Worker {
    batch: Picks,
    names: Vec<u8>,
}

impl<'a> Walk<'a> {
    /// Lists the folder `path` and what is below it, a task a folder.
    fn by_tasks<'scope>(&'scope self, path: &[u8], scope: &Scope<'scope>)
    where
        'a: 'scope,
    {
        self.folder(path, &mut |below| scope.spawn(move |scope| self.by_tasks(&below, scope)));
    }

    /// Lists everything where no thread can be had.
    fn alone(&self) {
        let mut waiting = vec![Vec::new()];
        while let Some(path) = waiting.pop() {
            self.folder(&path, &mut |below| waiting.push(below));
        }
    }

    /// Lists the folder `path` (empty, or ending in `/`), and gives those in it to `below`.
    fn folder(&self, path: &[u8], below: &mut dyn FnMut(Vec<u8>)) {
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
                let locator = Locator([found.number, 0, 0]);
                batch.push_parts(path, found.name, &Entry { size, mtime, locator, ..Entry::named(b"") });
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
        // Only root may look into what fsck uses; no backup program puts anything there.
        if let Err(error) = listed.or_else(|error| if bare == b"lost+found" { Ok(()) } else { Err(error) }) {
            let name = escape(if bare.is_empty() { b"." } else { bare });
            let problem = format!("folder {name} cannot be listed: {error}");
            let denied = error.kind() == std::io::ErrorKind::PermissionDenied;
            let damage = Damage { problem, lost: Some(Lost::Folder(bare.to_vec())), denied };
            lock(&self.damage).note(damage);
        }
    }

    fn flush(&self, batch: &mut Picks) {
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
        let taken = Folder::open(dir.path(), false).unwrap().describe().taken;
        assert!(taken.is_some());
        assert_eq!(taken, changed(dir.path()));
    }
}
