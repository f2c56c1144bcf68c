//! By which name a manifest knows a file of the backup.
//!
//! A manifest names originals: by absolute paths, or relative to the folder in which it was made.
//! That folder is not in the manifest, so it is found by trying, as the pairing of originals is
//! ([`super::pairing`]). The name of a file in the manifest is one of these:
//! - The path of its original, or what is left of that below any folder.
//! - The path in the backup, or what is left of that below any folder. Only this is possible for a
//!   run without originals.
//! - Either of them below the folder that all names of the manifest are in, or below a folder above
//!   it: the manifest is of a machine on which the originals had other paths.
//!
//! One rule holds for the whole run: the one by which most files are found. With a rule for each
//! file, a README would be taken for any other README.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Mutex;

use crate::backup::{Backup, CatalogSink, Context, EntryBatch, Listing, Needs, escape};
use crate::cancel::CancelToken;
use crate::lock::{into_inner, lock};
use crate::platform;

use super::Error;
use super::memory::KnownHashes;
use super::pairing::{OriginalPath, Pairing};

/// At least this many entries are looked at before the rule is decided, as long as there are more.
const ENTRIES_MIN: u64 = 1024;

/// This many files that are found by one rule are no coincidence.
const HITS_SURE: u64 = 16;

/// Fewer are a coincidence if not even one file in this many is found, of the backup's or of the
/// manifest's: every second tree holds a README.
const ONE_IN: u64 = 50;

/// How the names of a manifest follow from paths.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Naming {
    /// Whether the paths are those of originals, and not those in the backup.
    of_originals: bool,
    /// How the paths begin. This part is not in the manifest.
    from: Vec<u8>,
    /// What stands in the manifest in its place.
    to: Vec<u8>,
}

impl Naming {
    /// Finds the rule. `None` if the run was cancelled, or if the backup is too damaged to tell.
    ///
    /// # Errors
    /// If the backup cannot be listed, or if no file of it is in the manifest by any rule.
    pub fn find(
        backup: &dyn Backup,
        pairing: &Pairing,
        manifest: &dyn KnownHashes,
        cancel: &CancelToken,
    ) -> Result<Option<Self>, Error> {
        let search = NamingSearch { pairing, manifest, cancel, state: Mutex::default() };
        let listing = backup.catalog(Needs::default(), &Context::new(cancel.clone()), &search)?;
        let SearchState { hits, listed, examples } = into_inner(search.state);
        let least = HITS_SURE.min(listed.min(manifest.names()) / ONE_IN);
        let best = hits.into_iter().max_by(|(one, ones), (other, others)| {
            // Of rules that fit equally well, the one that is about most paths.
            ones.cmp(others).then_with(|| other.order().cmp(&one.order()))
        });
        match best.filter(|(_, hits)| *hits >= least) {
            Some((naming, _)) => Ok(Some(naming)),
            None if cancel.is_cancelled() || examples.is_empty() => Ok(None),
            None if matches!(listing, Listing::Damaged(_)) => Ok(None),
            None => Err(Error::NothingKnown { entries: examples, names: manifest.examples() }),
        }
    }

    /// A total order in which rules about more paths come first.
    fn order(&self) -> (usize, usize, bool, &[u8], &[u8]) {
        (self.from.len(), self.to.len(), !self.of_originals, &self.from, &self.to)
    }

    /// The name of the file at this path in the backup. `None` if it has none.
    pub fn name<'p>(&self, pairing: &Pairing, path: &'p [u8]) -> Option<Cow<'p, [u8]>> {
        if !self.of_originals {
            return join(&self.to, Cow::Borrowed(rest(path, &self.from)?));
        }
        // Where several roots may hold the original, the first is where it is looked for first.
        let original = absolute(&pairing.original_paths(path).next()?);
        join(&self.to, Cow::Owned(rest(&original, &self.from)?.to_vec()))
    }
}

/// The absolute path of an original, without the slashes at its beginning.
fn absolute(original: &OriginalPath<'_>) -> Vec<u8> {
    let path = original.display();
    let bytes = platform::path_to_bytes(&path);
    let start = bytes.iter().position(|&byte| byte != b'/').unwrap_or(bytes.len());
    bytes[start..].to_vec()
}

/// What is left of a path below a folder.
fn rest<'p>(path: &'p [u8], folder: &[u8]) -> Option<&'p [u8]> {
    if folder.is_empty() {
        return Some(path);
    }
    path.strip_prefix(folder)?.strip_prefix(b"/")
}

fn join<'p>(folder: &[u8], path: Cow<'p, [u8]>) -> Option<Cow<'p, [u8]>> {
    Some(if folder.is_empty() { path } else { Cow::Owned([folder, b"/", &*path].concat()) })
}

#[derive(Default)]
struct SearchState {
    hits: HashMap<Naming, u64>,
    listed: u64,
    examples: Vec<String>,
}

struct NamingSearch<'a> {
    pairing: &'a Pairing,
    manifest: &'a dyn KnownHashes,
    cancel: &'a CancelToken,
    state: Mutex<SearchState>,
}

impl NamingSearch<'_> {
    /// Counts a hit for every rule by which the file is in the manifest.
    fn try_all(&self, path: &[u8], hits: &mut HashMap<Naming, u64>) {
        let folder = self.manifest.folder();
        self.try_path(false, path, hits);
        self.try_below(false, path, b"", folder, hits);
        if let Some(original) = self.pairing.original_paths(path).next() {
            let whole = absolute(&original);
            self.try_path(true, &whole, hits);
            let root = &whole[..whole.len().saturating_sub(original.path.len() + 1)];
            self.try_below(true, &whole, root, folder, hits);
        }
    }

    /// The path, and what is left of it below any folder.
    fn try_path(&self, of_originals: bool, path: &[u8], hits: &mut HashMap<Naming, u64>) {
        let starts = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        for end in [0].into_iter().chain(starts) {
            let name = if end == 0 { path } else { &path[end + 1..] };
            if self.manifest.of(name).is_some() {
                let naming = Naming { of_originals, from: path[..end].to_vec(), to: Vec::new() };
                *hits.entry(naming).or_default() += 1;
            }
        }
    }

    /// What is left of the path below `from`, in the folder of the manifest and in those above it.
    fn try_below(
        &self,
        of_originals: bool,
        path: &[u8],
        from: &[u8],
        folder: &[u8],
        hits: &mut HashMap<Naming, u64>,
    ) {
        let Some(rest) = rest(path, from).filter(|_| !folder.is_empty()) else { return };
        let ends = folder.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        for end in ends.chain([folder.len()]) {
            let to = &folder[..end];
            if self.manifest.of(&[to, b"/", rest].concat()).is_some() {
                let naming = Naming { of_originals, from: from.to_vec(), to: to.to_vec() };
                *hits.entry(naming).or_default() += 1;
            }
        }
    }
}

impl CatalogSink for NamingSearch<'_> {
    fn take(&self, entries: &EntryBatch) -> ControlFlow<()> {
        let mut state = lock(&self.state);
        for entry in entries.iter().filter(|entry| entry.problem.is_none()) {
            state.listed += 1;
            if state.examples.len() < 2 {
                state.examples.push(escape(entry.path).into_owned());
            }
            self.try_all(entry.path, &mut state.hits);
        }
        let best = state.hits.values().copied().max().unwrap_or(0);
        let is_sure = state.listed >= ENTRIES_MIN && best >= HITS_SURE;
        if self.cancel.is_cancelled() || is_sure { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Nothing to forget: the same names are found by the same rules.
    fn restart(&self) {}
}
