//! Lists the files of a snapshot, folder by folder, with one task for each.

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::Scope;
use rustic_core::{DataId, Id, TreeId};

use super::name::unescape;
use super::node::{Node, Tree, hash, id};
use super::repository::{Opened, Problem};
use crate::backup::damage_lines::DamageLines;
use crate::backup::path::escape;
use crate::backup::{CatalogSink, Context, Damage, Entry, EntryBatch, Listing, Lost};
use crate::lock::{into_inner, lock};
use crate::threads;

/// The number of entries that one thread collects before it passes them on.
const BATCH: usize = 512;

/// The most folders that are named if they cannot be listed.
const DAMAGE_MAX: usize = 1_000;

/// The line that stands for all further folders.
const MORE: &str = "many more folders cannot be listed";

/// Lists all regular files below the folder whose list has this hash.
///
/// # Errors
/// If that list cannot be read, and the backup is not to blame.
pub(super) fn catalog(
    repository: &Opened,
    root: Id,
    context: &Context,
    sink: &dyn CatalogSink,
) -> Result<Listing, Problem> {
    let threads = context.threads.max(1);
    let walk = Walk {
        repository,
        context,
        sink,
        workers: (0..threads).map(|_| Mutex::default()).collect(),
        stopped: AtomicBool::new(false),
        damage: Mutex::new(DamageLines::up_to(DAMAGE_MAX, MORE)),
    };
    // What cannot even begin is no listing. If the list is damaged, every file is lost.
    match repository.blob::<TreeId>(root) {
        Err(problem) if !problem.is_damage() => return Err(problem),
        _ => {}
    }
    match threads::pool(threads, "list") {
        Some(pool) => pool.scope(|scope| walk.by_tasks(&[], root, scope)),
        None => walk.alone(root),
    }
    for worker in &walk.workers {
        walk.flush(&mut lock(worker));
    }
    let damage = into_inner(walk.damage).into_sorted_lines();
    Ok(if walk.stopped.into_inner() { Listing::Stopped } else { Listing::ended(damage) })
}

struct Walk<'a> {
    repository: &'a Opened,
    context: &'a Context,
    sink: &'a dyn CatalogSink,
    /// One for each thread, so that the locks are never contended.
    workers: Vec<Mutex<EntryBatch>>,
    stopped: AtomicBool,
    damage: Mutex<DamageLines>,
}

impl<'a> Walk<'a> {
    /// Lists the folder `path` (empty, or ending in `/`) and everything below it.
    fn by_tasks<'scope>(&'scope self, path: &[u8], tree: Id, scope: &Scope<'scope>)
    where
        'a: 'scope,
    {
        self.folder(path, tree, &mut |below, tree| {
            scope.spawn(move |scope| self.by_tasks(&below, tree, scope));
        });
    }

    /// Lists everything on this thread, if no threads can be started.
    fn alone(&self, root: Id) {
        let mut waiting = vec![(Vec::new(), root)];
        while let Some((path, tree)) = waiting.pop() {
            self.folder(&path, tree, &mut |below, tree| waiting.push((below, tree)));
        }
    }

    /// Lists one folder, and calls `below` for each folder in it. No folder can contain itself:
    /// each list is found by its hash.
    fn folder(&self, path: &[u8], tree: Id, below: &mut dyn FnMut(Vec<u8>, Id)) {
        if self.context.cancel.is_cancelled() {
            self.stopped.store(true, Ordering::Relaxed);
        }
        if self.stopped.load(Ordering::Relaxed) {
            return;
        }
        let content = match self.repository.blob::<TreeId>(tree) {
            Ok(content) => content,
            Err(problem) => return self.lose(path, &problem.sentence(), problem.is_gap()),
        };
        let Ok(Tree { nodes }) = serde_json::from_slice(&content) else {
            return self.lose(path, "its list of files is not understood", false);
        };
        let nodes = nodes.unwrap_or_default();
        let mut passed_over = u64::from(nodes.is_empty() && !path.is_empty());
        let index = rayon::current_thread_index().unwrap_or(0) % self.workers.len();
        let mut batch = lock(&self.workers[index]);
        for node in &nodes {
            let Some(name) = unescape(&node.name) else {
                let problem = format!("the name {} in it is not understood", escape(node.name.as_bytes()));
                self.lose(path, &problem, false);
                continue;
            };
            match &*node.kind {
                "dir" => {
                    let whole = [path, &name, b"/"].concat();
                    match node.subtree.as_deref().and_then(id) {
                        Some(tree) => below(whole, tree),
                        None => self.lose(&whole, "the repository has no list of its files", false),
                    }
                }
                "file" => self.file([path, &name].concat(), node, &mut batch),
                _ => passed_over += 1,
            }
        }
        if passed_over > 0 {
            self.sink.pass_over(passed_over);
        }
    }

    fn file(&self, path: Vec<u8>, node: &Node<'_>, batch: &mut EntryBatch) {
        let content = node.content.as_deref().unwrap_or_default();
        let mut handle = Vec::with_capacity(content.len().saturating_mul(32));
        for piece in content {
            match hash(piece) {
                Some(hash) => handle.extend(hash),
                None => return self.lose_file(path, "the list of its pieces is not understood"),
            }
        }
        let rest = Entry {
            size: Some(node.size),
            mtime: node.mtime(),
            position: self.position(&handle),
            handle: &handle,
            ..Entry::named(b"")
        };
        batch.push_stored(&path, &rest);
        if batch.len() >= BATCH {
            self.flush(batch);
        }
    }

    /// Where the first piece of a file is: files in the same pack have positions next to each
    /// other.
    fn position(&self, handle: &[u8]) -> u64 {
        let first = handle.first_chunk::<32>().copied().map(Id::new);
        let place = first.and_then(|hash| self.repository.pack_of::<DataId>(hash));
        place.map_or(0, |(pack, offset)| u64::from(pack.as_u32()) << 32 | u64::from(offset))
    }

    fn lose(&self, path: &[u8], why: &str, is_gap: bool) {
        let bare = path.strip_suffix(b"/").unwrap_or(path);
        let name = escape(if bare.is_empty() { b"." } else { bare });
        let problem = format!("folder {name} cannot be listed: {why}");
        let damage = if is_gap { Damage::gap } else { Damage::loss };
        lock(&self.damage).note(damage(problem, Some(Lost::Folder(bare.to_vec()))));
    }

    fn lose_file(&self, path: Vec<u8>, why: &str) {
        let problem = format!("file {} cannot be listed: {why}", escape(&path));
        lock(&self.damage).note(Damage::loss(problem, Some(Lost::Either(path))));
    }

    fn flush(&self, batch: &mut EntryBatch) {
        if !batch.is_empty()
            && !self.stopped.load(Ordering::Relaxed)
            && self.sink.take(batch) == ControlFlow::Break(())
        {
            self.stopped.store(true, Ordering::Relaxed);
        }
        batch.clear();
    }
}
