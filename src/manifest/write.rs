//! Writes a manifest of originals: hashes them in parallel while their folders are listed.
//!
//! In: folders and filters. Out: lines in the order in which files were hashed, and what could not
//! be hashed. Originals are only read. A file that is modified while it is read is read once more;
//! if it is modified again, it is left out and named, because no hash of it can be told.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crossbeam_channel::{Sender, bounded};

use super::form;
use crate::backup::{self, Backup, CatalogSink, Context, Entry, EntryBatch, Folder, Listing, escape};
use crate::cancel::CancelToken;
use crate::lock::{into_inner, lock};
use crate::plan::Algorithm;
use crate::platform::{self, Kind, Tree};
use crate::threads;
use crate::verify::Filter;
use crate::verify::hash::{Hashed, Hashing, hash_alone};

/// Files from this size on are hashed by all threads together.
const LARGE: u64 = 4 << 20;

/// Lines are written when a thread has this many bytes of them.
const LINES: usize = 64 << 10;

/// The most threads that list folders. Hashing takes longer.
const LISTING_THREADS: usize = 2;

/// The most files that are named because they could not be hashed.
const LISTED_MAX: usize = 100;

/// A folder of originals.
#[derive(Debug, Clone)]
pub struct Root {
    /// Its absolute path, as it is written before the names of its files.
    pub folder: PathBuf,
    /// How the paths of its files begin where filters look at them; empty for nothing.
    pub prefix: Vec<u8>,
}

/// What a manifest is made of.
#[derive(Debug)]
pub struct Job<'a> {
    /// The folders.
    pub roots: &'a [Root],
    /// Which files belong to it.
    pub filter: &'a Filter,
    /// Folders and files that do not belong to it: the backup, the restore folder, the manifest.
    pub leave_out: &'a [PathBuf],
    /// The hash.
    pub algorithm: Algorithm,
    /// How many threads hash.
    pub threads: usize,
    /// Ends it early.
    pub cancel: &'a CancelToken,
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    /// Files whose hashes were written.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What was left out although it belongs to the manifest, with reasons, sorted. Only the first
    /// ones are listed.
    pub left_out: Vec<String>,
    /// How many these are.
    pub left_out_count: u64,
}

/// Why no manifest could be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A folder of originals cannot be opened.
    #[error("cannot open the originals' folder {}", place.display())]
    Originals {
        /// The folder.
        place: PathBuf,
        /// The error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The lines cannot be written.
    #[error("cannot write the manifest")]
    Output(#[source] io::Error),
    /// It was cancelled.
    #[error("interrupted; no manifest was written")]
    Interrupted,
}

/// Writes the lines of all files to `out`. `progress` is told of each file and its size.
///
/// # Errors
/// If a folder cannot be opened, the lines cannot be written, or the user ends it. What happens to
/// single files is in the result.
pub fn write(
    job: &Job<'_>,
    out: &mut (dyn Write + Send),
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Done, WriteError> {
    let shared = Shared {
        job,
        hashing: Hashing::new(job.algorithm, job.threads),
        out: Mutex::new(Output { out, error: None }),
        files: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        left_out: Mutex::default(),
        progress,
    };
    for root in job.roots {
        shared.one_root(root)?;
    }
    let Output { out, error } = into_inner(shared.out);
    if job.cancel.is_cancelled() {
        return Err(WriteError::Interrupted);
    }
    error.map_or_else(|| out.flush(), Err).map_err(WriteError::Output)?;
    let LeftOut { mut lines, count } = into_inner(shared.left_out);
    lines.sort();
    let (files, bytes) = (shared.files.into_inner(), shared.bytes.into_inner());
    Ok(Done { files, bytes, left_out: lines, left_out_count: count })
}

struct Output<'a> {
    out: &'a mut (dyn Write + Send),
    error: Option<io::Error>,
}

#[derive(Default)]
struct LeftOut {
    lines: Vec<String>,
    count: u64,
}

/// What all threads share.
struct Shared<'a> {
    job: &'a Job<'a>,
    hashing: Hashing,
    out: Mutex<Output<'a>>,
    files: AtomicU64,
    bytes: AtomicU64,
    left_out: Mutex<LeftOut>,
    progress: &'a (dyn Fn(u64) + Sync),
}

impl Shared<'_> {
    fn one_root(&self, root: &Root) -> Result<(), WriteError> {
        let fail = |source: Box<dyn std::error::Error + Send + Sync>| WriteError::Originals {
            place: root.folder.clone(),
            source,
        };
        let tree = Tree::open(&root.folder, false).map_err(|error| fail(error.into()))?;
        let folder = Folder::open(&root.folder, false).map_err(|error| fail(error.into()))?;
        let hasher = &RootHasher::new(self, root, &tree);
        let (feed, batches) = bounded::<EntryBatch>(self.job.threads * 2);
        let listing = thread::scope(|scope| {
            let receive = batches.clone();
            let workers = threads::start(scope, self.job.threads, move || {
                let mut lines = Vec::new();
                receive.iter().for_each(|batch| hasher.batch(&batch, &mut lines));
                hasher.shared.put(&mut lines, 0);
            });
            drop(batches);
            let feed = (!workers.is_empty()).then_some(feed);
            let context =
                Context::new(self.job.cancel.clone()).with_threads(self.job.threads.min(LISTING_THREADS));
            let sink = FeedSink { hasher, feed };
            let listing = folder.catalog(self.job.filter.needs(), &context, &sink);
            drop(sink);
            for worker in workers {
                worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            }
            listing
        });
        match listing.map_err(|error: backup::Error| fail(error.into()))? {
            Listing::Damaged(damage) => {
                let damage = damage.iter().filter(|damage| hasher.concerns(damage));
                damage.for_each(|damage| self.leave_out(format!("{}: {damage}", root.folder.display())));
            }
            Listing::Whole | Listing::Stopped => {}
        }
        Ok(())
    }

    /// Writes lines, once there are more than `most` bytes of them.
    fn put(&self, lines: &mut Vec<u8>, most: usize) {
        if lines.len() > most {
            let mut output = lock(&self.out);
            if output.error.is_none() {
                output.error = output.out.write_all(lines).err();
            }
            lines.clear();
        }
    }

    /// Whether nothing new should be begun.
    fn is_over(&self) -> bool {
        self.job.cancel.is_cancelled() || lock(&self.out).error.is_some()
    }

    fn leave_out(&self, line: String) {
        let mut left_out = lock(&self.left_out);
        left_out.count += 1;
        if left_out.lines.len() < LISTED_MAX {
            left_out.lines.push(line);
        }
    }
}

/// Hashes the files of one root.
struct RootHasher<'a, 's> {
    shared: &'a Shared<'s>,
    root: &'a Root,
    tree: &'a Tree,
    /// The root's path with a slash at its end.
    start: Vec<u8>,
    /// Paths below the root that do not belong to the manifest.
    leave_out: Vec<Vec<u8>>,
}

impl<'a, 's> RootHasher<'a, 's> {
    fn new(shared: &'a Shared<'s>, root: &'a Root, tree: &'a Tree) -> Self {
        let mut start = platform::path_to_bytes(&root.folder).into_owned();
        if !start.ends_with(b"/") {
            start.push(b'/');
        }
        let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let folder = real(&root.folder);
        let below = shared.job.leave_out.iter().filter_map(|path| {
            // A file that does not exist yet may be in a folder that has several names.
            let path = match (path.parent(), path.file_name()) {
                (Some(parent), Some(name)) => real(parent).join(name),
                _ => real(path),
            };
            Some(platform::path_to_bytes(path.strip_prefix(&folder).ok()?).into_owned())
        });
        Self { shared, root, tree, start, leave_out: below.collect() }
    }

    /// Whether a file belongs to the manifest. In a job, filters see the path in the backup, which
    /// may begin with the path of the folder or not. A file too many does no harm.
    fn includes(&self, entry: &Entry<'_>) -> bool {
        let is_left_out = |path: &Vec<u8>| {
            entry.path.strip_prefix(&**path).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        };
        if entry.problem.is_some() || self.leave_out.iter().any(is_left_out) {
            return false;
        }
        let is_in = |path: &[u8]| self.shared.job.filter.includes(&Entry { path, ..*entry });
        let with = |prefix: &[u8]| [prefix, b"/", entry.path].concat();
        let absolute = || {
            [&self.start[self.start.iter().position(|&byte| byte != b'/').unwrap_or(0)..], entry.path]
                .concat()
        };
        match self.root.prefix.is_empty() {
            true => is_in(entry.path) || is_in(&absolute()),
            false => is_in(&with(&self.root.prefix)),
        }
    }

    /// Whether damage may have hidden files of the manifest.
    fn concerns(&self, damage: &backup::Damage) -> bool {
        let filter = self.shared.job.filter;
        damage.concerns(|folder| filter.may_include_below(folder), |file| filter.includes_path(file))
    }

    fn batch(&self, batch: &EntryBatch, lines: &mut Vec<u8>) {
        for entry in batch.iter().filter(|entry| self.includes(entry)) {
            if self.shared.is_over() {
                return;
            }
            self.file(entry.path, lines);
            self.shared.put(lines, LINES);
        }
    }

    fn file(&self, path: &[u8], lines: &mut Vec<u8>) {
        let name = || [&self.start, path].concat();
        let mut hashed = self.hash(path);
        if matches!(hashed, Ok(None)) {
            hashed = self.hash(path);
        }
        match hashed {
            Ok(Some(found)) => {
                lines.extend(form::line(found.hash, &name()));
                self.shared.files.fetch_add(1, Ordering::Relaxed);
                self.shared.bytes.fetch_add(found.size, Ordering::Relaxed);
                (self.shared.progress)(found.size);
            }
            Ok(None) => {
                self.shared.leave_out(format!("{}: modified while it was read", escape(&name())));
            }
            // A file that is gone has no line, as if it had been deleted before.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) if self.shared.job.cancel.is_cancelled() => {}
            Err(error) => self.shared.leave_out(format!("{}: {error}", escape(&name()))),
        }
    }

    /// The hash of a file; `None` if it was modified meanwhile.
    fn hash(&self, path: &[u8]) -> io::Result<Option<Hashed>> {
        let Job { algorithm, cancel, .. } = *self.shared.job;
        let file = self.tree.open_file(path, false)?;
        let before = platform::stat(&file)?;
        if before.kind != Kind::File {
            return Err(io::ErrorKind::NotFound.into());
        }
        let hashed = if before.size >= LARGE {
            self.shared.hashing.large(&file, before.size, cancel)?
        } else {
            hash_alone(&file, before.size, algorithm, cancel)?
        };
        let is_steady = platform::stat(&file)? == before && hashed.size == before.size;
        Ok(is_steady.then_some(hashed))
    }
}

/// Hands batches of a listing to the threads that hash, or hashes them if there are none.
struct FeedSink<'a, 's> {
    hasher: &'a RootHasher<'a, 's>,
    feed: Option<Sender<EntryBatch>>,
}

/// Files that one thread takes at a time.
const BATCH: usize = 32;

impl CatalogSink for FeedSink<'_, '_> {
    fn take(&self, entries: &EntryBatch) -> ControlFlow<()> {
        match &self.feed {
            Some(feed) => {
                let all: Vec<_> = entries.iter().collect();
                for some in all.chunks(BATCH) {
                    if feed.send(some.iter().copied().collect()).is_err() {
                        return ControlFlow::Break(());
                    }
                }
            }
            None => {
                let mut lines = Vec::new();
                self.hasher.batch(entries, &mut lines);
                self.hasher.shared.put(&mut lines, 0);
            }
        }
        if self.hasher.shared.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// A folder is listed once.
    fn restart(&self) {}
}
