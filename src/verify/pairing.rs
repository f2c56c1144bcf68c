//! Finds the original of an entry of the backup, and the entry of an original.
//!
//! A rule says: entries whose path begins with `from` have their originals below a root. `--map`
//! states rules literally. For `--source`, the prefix of the files' paths in the backup is found by
//! trying: a backup of `/srv/data` may hold `x`, `data/x` or `srv/data/x`, depending on how it was
//! made.
//!
//! Names that differ only in their Unicode spelling ([`super::spelling`]) are paired if exactly one
//! original fits.

use std::io;
use std::ops::ControlFlow;
use std::path::{Component, Path, PathBuf, Prefix};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::backup::{
    Backup, CatalogSink, Context, Damage, EntryBatch, Listing, Needs, PathRoot, escape, path_text,
};
use crate::cancel::CancelToken;
use crate::lock::{into_inner, lock};
use crate::plan::Map;
use crate::platform::{self, Cached, Kind, Stat, Tree};
use crate::words;

use super::own_files::OwnFiles;
use super::spelling::{self, Speller};
use super::{Error, Filter};

/// At least this many entries are looked at before the prefixes are decided. While a root is in
/// doubt, the search goes on to the end of the backup.
const ENTRIES_MIN: usize = 4096;

/// For this many entries at the beginning, all prefixes of all roots are tried.
const ENTRIES_TRIED_BY_ALL: usize = 512;

/// This many entries with originals are no coincidence. A few may be: every second tree holds a
/// README.
const HITS_SURE: usize = 16;

/// A folder that holds originals.
#[derive(Debug)]
pub struct OriginalsRoot {
    /// The path of the folder.
    pub folder: PathBuf,
    /// Reads below the folder.
    pub tree: Tree,
}

impl OriginalsRoot {
    /// Whether there is nothing in the folder. One that cannot be listed may hold something.
    fn is_empty(&self) -> bool {
        let mut is_empty = true;
        let listed = self.tree.list(b"", false, &mut Vec::new(), &mut |_| is_empty = false);
        listed.is_ok() && is_empty
    }
}

#[derive(Debug, Clone)]
struct PairingRule {
    from: Vec<u8>,
    root: usize,
}

/// All rules, those with the longest prefixes first.
#[derive(Debug)]
pub struct Pairing {
    roots: Vec<OriginalsRoot>,
    rules: Vec<PairingRule>,
    /// Roots for which no entry was found in a backup that cannot be listed completely. Their
    /// entries may be in the damaged part.
    unpaired: Vec<usize>,
    /// A path in the backup, for the note about those roots.
    example: Option<Vec<u8>>,
    /// Maps that lead to no original, while others do.
    dead_maps: Vec<Map>,
    speller: Speller,
    /// How many entries were compared with an original whose name has another Unicode spelling.
    respelled: AtomicU64,
    own_files: OwnFiles,
    path_root: PathRoot,
}

/// A path at which an entry's original may be.
#[derive(Debug, Clone, Copy)]
pub struct OriginalPath<'a> {
    /// The root that the path is below.
    pub root: &'a OriginalsRoot,
    /// The path below that root.
    pub path: &'a [u8],
}

impl OriginalPath<'_> {
    /// The whole path, for messages.
    pub fn display(&self) -> PathBuf {
        self.root.folder.join(platform::path_from_bytes(self.path))
    }
}

/// The path of an original whose name has another Unicode spelling than the entry's.
#[derive(Debug, Clone)]
pub struct RespelledPath<'a> {
    root: &'a OriginalsRoot,
    path: Vec<u8>,
}

impl RespelledPath<'_> {
    /// The path.
    pub fn original_path(&self) -> OriginalPath<'_> {
        OriginalPath { root: self.root, path: &self.path }
    }
}

impl Pairing {
    /// Makes the rules. Maps are taken as given. For sources, the backup is searched. Without
    /// either, the run has no originals, and every file of the backup belongs to it. If the run is
    /// cancelled meanwhile, the rules are incomplete, but nothing uses them then.
    ///
    /// # Errors
    /// If a root cannot be opened, the backup cannot be listed or holds no entries, a source has no
    /// entry in it, or no map has an original.
    pub fn new(
        backup: &dyn Backup,
        sources: &[PathBuf],
        maps: &[Map],
        cold: bool,
        filter: Option<&Filter>,
        cancel: &CancelToken,
    ) -> Result<Self, Error> {
        let mut pairing = Self {
            roots: Vec::new(),
            rules: Vec::new(),
            unpaired: Vec::new(),
            example: None,
            dead_maps: Vec::new(),
            speller: Speller::default(),
            respelled: AtomicU64::new(0),
            own_files: OwnFiles::default(),
            path_root: backup.description().path_root(),
        };
        if sources.is_empty() && maps.is_empty() {
            return Ok(pairing);
        }
        let mut prefixes = Vec::new();
        for Map { from, to } in maps {
            pairing.add_root(to, cold)?;
            prefixes.push(spelled_prefixes(from.clone()).collect());
        }
        for source in sources {
            pairing.add_root(source, cold)?;
            prefixes.push(prefixes_of(source));
        }
        pairing.find_rules(backup, prefixes, maps, filter, cancel)?;
        Ok(pairing)
    }

    fn add_root(&mut self, folder: &Path, cold: bool) -> Result<(), Error> {
        let tree = Tree::open(folder, cold);
        let tree = tree.map_err(|source| Error::Originals { place: folder.to_owned(), source })?;
        self.roots.push(OriginalsRoot { folder: folder.to_owned(), tree });
        Ok(())
    }

    /// Finds the rule of each root among its prefixes: the one by which most entries have
    /// originals. A source without any such entry has no rule that could be trusted. Of several
    /// maps, at least one must lead to an original.
    fn find_rules(
        &mut self,
        backup: &dyn Backup,
        prefixes: Vec<Vec<CandidatePrefix>>,
        maps: &[Map],
        filter: Option<&Filter>,
        cancel: &CancelToken,
    ) -> Result<(), Error> {
        let search = PrefixSearch {
            pairing: self,
            cancel,
            state: Mutex::new(SearchState {
                has_entries: vec![false; maps.len()],
                prefixes,
                listed: 0,
                examples: Vec::new(),
            }),
        };
        let listing = backup.catalog(Needs::default(), &Context::new(cancel.clone()), &search)?;
        let SearchState { prefixes, has_entries, examples, listed } = into_inner(search.state);
        // If the listing met nothing but damage and names that are not paths, there is nothing to
        // pair, but much to report.
        let is_empty = listed == 0 && matches!(listing, Listing::Whole);
        if is_empty {
            return Err(Error::EmptyBackup { location: backup.description().location.clone() });
        }
        let is_lost = |prefixes: &Vec<CandidatePrefix>| most_hits(prefixes) == 0;
        if !cancel.is_cancelled() {
            let mut damage = if let Listing::Damaged(damage) = listing { damage } else { Vec::new() };
            // Damage that the filter leaves out does not excuse a missing source.
            damage.retain(|damage| filter.is_none_or(|filter| filter.concerns(damage)));
            // If the backup cannot be listed completely, the entries that would pair may be in the
            // damaged part. Then the damage is the finding.
            let is_excused = listed == 0 || !damage.is_empty();
            self.unpaired = (maps.len()..prefixes.len()).filter(|&root| is_lost(&prefixes[root])).collect();
            // From nothing to nothing is no mistake: a volume that was mounted in a folder may be
            // empty.
            let is_empty = |root: usize| !has_entries[root] && self.roots[root].is_empty();
            let dead =
                maps.iter().enumerate().filter(|&(root, _)| is_lost(&prefixes[root]) && !is_empty(root));
            self.dead_maps = dead.map(|(_, map)| map.clone()).collect();
            let no_map_fits = !maps.is_empty() && self.dead_maps.len() == maps.len();
            let first = self.unpaired.first().copied().or(no_map_fits.then_some(0));
            if let Some(root) = first.filter(|_| !is_excused) {
                return Err(self.nothing_pairs(&examples, &self.roots[root]));
            }
            if is_excused {
                self.dead_maps.clear();
            }
            self.example = examples.into_iter().next();
        }
        for (root, prefixes) in prefixes.into_iter().enumerate() {
            // `max_by_key` returns the last maximum. Of prefixes that fit equally well, that is the
            // longest.
            if let Some(best) = prefixes.into_iter().max_by_key(|prefix| prefix.hits)
                && !self.unpaired.contains(&root)
            {
                self.rules.push(PairingRule { from: best.from, root });
            }
        }
        // The sort is stable: among prefixes of equal length, maps come before sources, and those
        // named first come first.
        self.rules.sort_by_key(|rule| std::cmp::Reverse(rule.from.len()));
        Ok(())
    }

    fn nothing_pairs(&self, examples: &[Vec<u8>], root: &OriginalsRoot) -> Error {
        let mut originals = Vec::new();
        // These are only examples. A root that cannot be listed gives none.
        let _ = root.tree.list(b"", false, &mut Vec::new(), &mut |found| {
            if originals.len() < 2 && found.kind != Kind::Other {
                originals.push(path_text(&root.folder.join(platform::path_from_bytes(found.name))));
            }
        });
        Error::NothingPairs {
            root: root.folder.clone(),
            entries: examples.iter().map(|path| words::cut(&escape(path)).into_owned()).collect(),
            originals,
        }
    }

    /// Every path at which the entry's original may be, in the order in which they are tried.
    pub fn original_paths<'a>(&'a self, path: &'a [u8]) -> impl Iterator<Item = OriginalPath<'a>> {
        let path = self.path_root.strip(path);
        self.rules.iter().filter_map(move |rule| {
            Some(OriginalPath { root: &self.roots[rule.root], path: below(path, &rule.from)? })
        })
    }

    /// The path of the entry's original, if its name has another Unicode spelling there. To be
    /// called only if nothing exists at the [`original_paths`](Self::original_paths). The first
    /// rule counts by which exactly one name fits. An ASCII name costs nothing.
    pub fn normalised(&self, path: &[u8]) -> Option<RespelledPath<'_>> {
        if path.is_ascii() {
            return None;
        }
        let path = self.path_root.strip(path);
        self.rules.iter().find_map(|rule| {
            let root = &self.roots[rule.root];
            let path = self.speller.find(rule.root, &root.tree, below(path, &rule.from)?)?;
            Some(RespelledPath { root, path })
        })
    }

    /// The same, with the originals that must not be opened.
    pub(super) fn leaving_alone(self, own_files: OwnFiles) -> Self {
        Self { own_files, ..self }
    }

    /// Whether the original at this place must not be opened.
    pub(super) fn leaves_alone(&self, place: &OriginalPath<'_>, stat: &Stat) -> bool {
        self.own_files.hold(place.path, stat, || place.display())
    }

    /// Counts an entry that was compared with an original whose name has another spelling.
    pub fn count_respelled(&self) {
        self.respelled.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the run has no originals, and compares with what is known from before.
    pub fn has_no_originals(&self) -> bool {
        self.roots.is_empty()
    }

    /// Whether any rule says where the entry's original is, or there are no originals at all.
    pub fn covers(&self, path: &[u8]) -> bool {
        let path = self.path_root.strip(path);
        self.has_no_originals() || self.rules.iter().any(|rule| below(path, &rule.from).is_some())
    }

    /// Whether any rule may say where the originals of files in this folder of the backup are, or
    /// the original of this file.
    pub fn may_cover_below(&self, folder: &[u8]) -> bool {
        let folder = self.path_root.strip(folder);
        let may_cover = |rule: &PairingRule| {
            platform::is_same_name(folder, &rule.from)
                || below(folder, &rule.from).is_some()
                || below(&rule.from, folder).is_some()
        };
        self.has_no_originals() || !self.unpaired.is_empty() || self.rules.iter().any(may_cover)
    }

    /// The maps that lead to no original. What they were to compare may be missing from the backup.
    pub fn gaps(&self) -> impl Iterator<Item = Damage> {
        self.dead_maps.iter().map(|map| {
            let from = escape(&map.from);
            let problem = format!(
                "no file of the backup has an original by --map {from}={}: correct that, or leave it out",
                map.to.display()
            );
            Damage::gap(problem, None)
        })
    }

    /// Notes about the rules that are not self-evident.
    pub fn notes(&self) -> Vec<String> {
        let renamed = self.roots().filter(|(_, from)| !from.is_empty());
        let renamed = renamed
            .map(|(root, from)| format!("originals of {}/ are in {}", escape(from), root.folder.display()));
        let unpaired = self.unpaired.iter().map(|&root| &self.roots[root].folder);
        let unpaired = unpaired.map(|folder| {
            let like = self.example.as_ref().map(|path| {
                format!(
                    " (its paths are like {}; if the folder is for these, say so with --map)",
                    words::cut(&escape(path))
                )
            });
            format!(
                "no file that can be listed in the backup has an original in {}{}",
                folder.display(),
                like.unwrap_or_default()
            )
        });
        unpaired.chain(renamed).chain(self.respelled_note()).collect()
    }

    fn respelled_note(&self) -> Option<String> {
        let names = match self.respelled.load(Ordering::Relaxed) {
            0 => return None,
            1 => "1 name differs from its original's".to_owned(),
            number => format!("{} names differ from their originals'", words::count(number)),
        };
        Some(format!("{names} only in Unicode spelling (NFC or NFD); compared anyway"))
    }

    /// The rules: the number of a root, the root, and the prefix of its files' paths in the backup.
    pub fn numbered_roots(&self) -> impl Iterator<Item = (usize, &OriginalsRoot, &[u8])> {
        self.rules.iter().map(|rule| (rule.root, &self.roots[rule.root], rule.from.as_slice()))
    }

    /// The number of the root in which the entry's original is looked for first.
    pub fn first_root(&self, path: &[u8]) -> Option<usize> {
        self.rules.iter().find(|rule| below(path, &rule.from).is_some()).map(|rule| rule.root)
    }

    /// The path of an entry's original below the root with this number.
    pub fn original_path_in<'a>(&'a self, root: usize, path: &'a [u8]) -> Option<OriginalPath<'a>> {
        let rule = self.rules.iter().find(|rule| rule.root == root)?;
        Some(OriginalPath { root: &self.roots[root], path: below(path, &rule.from)? })
    }

    /// How much of the originals was in the system's cache, although they were to be read from the
    /// disk.
    pub fn cached(&self) -> impl Iterator<Item = Cached> {
        self.roots.iter().filter_map(|root| root.tree.cached())
    }

    /// The rules: a root, and the prefix of its files' paths in the backup.
    pub fn roots(&self) -> impl Iterator<Item = (&OriginalsRoot, &[u8])> {
        self.rules.iter().map(|rule| (&self.roots[rule.root], rule.from.as_slice()))
    }
}

/// The rest of `path` after the components `from`; `None` if it does not begin with them.
fn below<'a>(path: &'a [u8], from: &[u8]) -> Option<&'a [u8]> {
    if from.is_empty() {
        return Some(path);
    }
    let (beginning, rest) = path.split_at_checked(from.len())?;
    rest.strip_prefix(b"/").filter(|_| platform::is_same_name(beginning, from))
}

/// A prefix that the paths of a root's files may have in the backup, and how many entries have an
/// original by it.
struct CandidatePrefix {
    from: Vec<u8>,
    hits: usize,
}

/// All prefixes from the empty one to the whole path of the source, each with one component more.
/// On Windows, the letter of the drive is the first component.
fn prefixes_of(source: &Path) -> Vec<CandidatePrefix> {
    let absolute = std::fs::canonicalize(source).unwrap_or_else(|_| source.to_owned());
    let parts: Vec<Vec<u8>> = absolute
        .components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(platform::path_to_bytes(Path::new(name)).into_owned()),
            Component::Prefix(prefix) => match prefix.kind() {
                Prefix::Disk(letter) | Prefix::VerbatimDisk(letter) => Some(vec![letter]),
                _ => None,
            },
            _ => None,
        })
        .collect();
    (0..=parts.len()).flat_map(|count| spelled_prefixes(parts[parts.len() - count..].join(&b'/'))).collect()
}

/// The prefix in each Unicode spelling that the backup may use for it. The spelling that was given
/// comes last.
fn spelled_prefixes(from: Vec<u8>) -> impl Iterator<Item = CandidatePrefix> {
    let mut spellings = Vec::new();
    if !from.is_ascii() {
        spellings.extend([spelling::decomposed(&from), spelling::composed(&from).into_owned()]);
        spellings.retain(|spelling| *spelling != from);
    }
    spellings.push(from);
    spellings.into_iter().map(|from| CandidatePrefix { from, hits: 0 })
}

struct PrefixSearch<'a> {
    pairing: &'a Pairing,
    cancel: &'a CancelToken,
    state: Mutex<SearchState>,
}

struct SearchState {
    /// Indexed by root.
    prefixes: Vec<Vec<CandidatePrefix>>,
    /// Whether the backup has an entry by each map. Maps are the first roots.
    has_entries: Vec<bool>,
    listed: usize,
    examples: Vec<Vec<u8>>,
}

impl CatalogSink for PrefixSearch<'_> {
    fn take(&self, entries: &EntryBatch) -> ControlFlow<()> {
        let mut state = lock(&self.state);
        for entry in entries.iter().filter(|entry| entry.problem.is_none()) {
            state.listed += 1;
            let path = self.pairing.path_root.strip(entry.path);
            if state.examples.len() < 2 {
                state.examples.push(path.to_vec());
            }
            // To look up an original costs a system call for each prefix. A few hundred entries are
            // enough for most roots. After them, only roots that are still in doubt are tried.
            let all = state.listed <= ENTRIES_TRIED_BY_ALL;
            let SearchState { prefixes, has_entries, .. } = &mut *state;
            for (has_entries, prefixes) in has_entries.iter_mut().zip(&*prefixes) {
                *has_entries |= prefixes.iter().any(|prefix| below(path, &prefix.from).is_some());
            }
            for (prefixes, root) in prefixes.iter_mut().zip(&self.pairing.roots) {
                if all || most_hits(prefixes) < HITS_SURE {
                    try_prefixes(prefixes, root, path);
                }
            }
        }
        let sure = state.listed >= ENTRIES_MIN
            && state.prefixes.iter().all(|prefixes| most_hits(prefixes) >= HITS_SURE);
        if self.cancel.is_cancelled() || sure { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Nothing to forget: the same names lead to the same originals.
    fn restart(&self) {}
}

fn try_prefixes(prefixes: &mut [CandidatePrefix], root: &OriginalsRoot, path: &[u8]) {
    for prefix in prefixes {
        let Some(path) = below(path, &prefix.from) else { continue };
        prefix.hits += usize::from(has_original(root, path));
    }
}

/// Whether an original exists under this spelling of its name or another one. It does not matter
/// here if several fit.
fn has_original(root: &OriginalsRoot, path: &[u8]) -> bool {
    let is_file = |path: &[u8]| root.tree.stat(path).is_ok_and(|stat| stat.kind == Kind::File);
    is_file(path)
        || (!path.is_ascii() && (is_file(&spelling::composed(path)) || is_file(&spelling::decomposed(path))))
}

fn most_hits(prefixes: &[CandidatePrefix]) -> usize {
    prefixes.iter().map(|prefix| prefix.hits).max().unwrap_or(0)
}

/// Whether an error means that nothing exists at a path.
pub fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests;
