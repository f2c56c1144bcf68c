//! From an entry of the backup to its original and back.
//!
//! A rule says: entries whose path begins with `from` have their original below a root. `--map`
//! gives rules word by word. For `--source`, what comes before the files in the backup is found out
//! by looking: a backup of `/srv/data` may hold `x`, `data/x` or `srv/data/x`, depending on how it
//! was made.
//!
//! Names that differ in their Unicode spelling alone ([`super::spelling`]) are paired where only
//! one fits.

use std::io;
use std::ops::ControlFlow;
use std::path::{Component, Path, PathBuf, Prefix};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::backup::{Backup, CatalogSink, Context, EntryBatch, Listing, Needs, escape, path_text};
use crate::plan::Map;
use crate::platform::{self, Cached, Kind, Tree};
use crate::stop::Stop;
use crate::words;

use super::spelling::{self, Speller};
use super::{Error, Filter};

/// As many entries are looked at, at least, before it is decided how a backup's paths begin; while
/// a root is in doubt, the search goes on to the end.
const LOOK_AT: usize = 4096;

/// Of the first ones, every way of every root is tried.
const LOOK_AT_ALL: usize = 512;

/// So many entries with originals are no coincidence (every second tree holds a README).
const SURE: usize = 16;

/// A folder that holds originals.
#[derive(Debug)]
pub struct Root {
    /// Where it is.
    pub place: PathBuf,
    /// For reading below it.
    pub tree: Tree,
}

#[derive(Debug, Clone)]
struct Rule {
    from: Vec<u8>,
    root: usize,
}

/// All rules, the longest first.
#[derive(Debug)]
pub struct Pairing {
    roots: Vec<Root>,
    rules: Vec<Rule>,
    /// Roots of which nothing was found in a backup that cannot be listed as a whole: what is lost
    /// may be theirs.
    unpaired: Vec<usize>,
    speller: Speller,
    /// How many entries were compared with an original that is spelled otherwise.
    respelled: AtomicU64,
}

/// A place where an entry's original may be.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The root it is below.
    pub root: &'a Root,
    /// The path below that root.
    pub path: &'a [u8],
}

impl Place<'_> {
    /// The whole path, for people.
    pub fn display(&self) -> PathBuf {
        self.root.place.join(platform::path_from_bytes(self.path))
    }
}

/// A place whose name is spelled otherwise than the entry's.
#[derive(Debug, Clone)]
pub struct Respelled<'a> {
    root: &'a Root,
    path: Vec<u8>,
}

impl Respelled<'_> {
    /// The place.
    pub fn place(&self) -> Place<'_> {
        Place { root: self.root, path: &self.path }
    }
}

impl Pairing {
    /// Makes the rules: maps as given, sources by looking into the backup, until `stop` is set;
    /// then they are as good as none, for a run that is over.
    pub fn new(
        backup: &dyn Backup,
        sources: &[PathBuf],
        maps: &[Map],
        cold: bool,
        filter: Option<&Filter>,
        stop: &Stop,
    ) -> Result<Self, Error> {
        let mut pairing = Self {
            roots: Vec::new(),
            rules: Vec::new(),
            unpaired: Vec::new(),
            speller: Speller::default(),
            respelled: AtomicU64::new(0),
        };
        let mut ways = Vec::new();
        for Map { from, to } in maps {
            pairing.add_root(to, cold)?;
            ways.push(spelled_ways(from.clone()).collect());
        }
        for source in sources {
            pairing.add_root(source, cold)?;
            ways.push(ways_of(source));
        }
        pairing.look(backup, ways, maps.len(), filter, stop)?;
        Ok(pairing)
    }

    fn add_root(&mut self, place: &Path, cold: bool) -> Result<(), Error> {
        let tree = Tree::open(place, cold);
        let tree = tree.map_err(|source| Error::Originals { place: place.to_owned(), source })?;
        self.roots.push(Root { place: place.to_owned(), tree });
        Ok(())
    }

    /// Finds each root's rule among its ways: the one by which most entries have originals. A
    /// source without any has no rule that could be trusted, and of several maps one at least must
    /// lead somewhere.
    fn look(
        &mut self,
        backup: &dyn Backup,
        ways: Vec<Vec<Way>>,
        maps: usize,
        filter: Option<&Filter>,
        stop: &Stop,
    ) -> Result<(), Error> {
        let look =
            Look { pairing: self, stop, state: Mutex::new(State { ways, seen: 0, examples: Vec::new() }) };
        let listing = backup.catalog(Needs::default(), &Context::new(stop.clone()), &look)?;
        let State { ways, examples, seen } = look.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        // Where all that was listed is damage or names that are no paths, there is nothing to pair,
        // but much to report.
        let is_empty = seen == 0 && matches!(listing, Listing::Whole);
        if is_empty {
            return Err(Error::EmptyBackup { location: backup.description().location.clone() });
        }
        let is_lost = |ways: &Vec<Way>| most_hits(ways) == 0;
        if !stop.is_set() {
            let mut damage = if let Listing::Damaged(damage) = listing { damage } else { Vec::new() };
            // What the filter leaves out excuses nothing.
            damage.retain(|damage| filter.is_none_or(|filter| filter.concerns(damage)));
            // Of a backup that cannot be listed as a whole, what is lost may be what pairs: the
            // damage is the finding then.
            let is_excused = seen == 0 || !damage.is_empty();
            self.unpaired = (maps..ways.len()).filter(|&root| is_lost(&ways[root])).collect();
            let no_map_fits = maps > 0 && ways[..maps].iter().all(is_lost);
            let first = self.unpaired.first().copied().or(no_map_fits.then_some(0));
            if let Some(root) = first.filter(|_| !is_excused) {
                return Err(self.nothing_pairs(&examples, &self.roots[root]));
            }
        }
        for (root, ways) in ways.into_iter().enumerate() {
            // The last of the best: of ways that fit equally well, the one that says more.
            if let Some(best) = ways.into_iter().max_by_key(|way| way.hits)
                && !self.unpaired.contains(&root)
            {
                self.rules.push(Rule { from: best.from, root });
            }
        }
        // The sort is stable: of equally long ones maps come before sources, and the first named
        // first.
        self.rules.sort_by_key(|rule| std::cmp::Reverse(rule.from.len()));
        Ok(())
    }

    fn nothing_pairs(&self, examples: &[Vec<u8>], root: &Root) -> Error {
        let mut originals = Vec::new();
        // Only examples: a root that cannot be listed gives none.
        let _ = root.tree.list(b"", false, &mut Vec::new(), &mut |found| {
            if originals.len() < 2 && found.kind != Kind::Other {
                let place = root.place.join(platform::path_from_bytes(found.name));
                originals.push(path_text(&place));
            }
        });
        Error::NothingPairs {
            root: root.place.clone(),
            entries: examples.iter().map(|path| escape(path).into_owned()).collect(),
            originals,
        }
    }

    /// Every place where the entry's original may be, in the order of trying.
    pub fn places<'a>(&'a self, path: &'a [u8]) -> impl Iterator<Item = Place<'a>> {
        self.rules.iter().filter_map(move |rule| {
            Some(Place { root: &self.roots[rule.root], path: below(path, &rule.from)? })
        })
    }

    /// Where the entry's original is if its name is spelled otherwise there, to be asked once
    /// nothing is at its [`places`](Self::places): the first rule by which just one name fits
    /// counts. Costs nothing for a name of ASCII alone.
    pub fn normalised(&self, path: &[u8]) -> Option<Respelled<'_>> {
        if path.is_ascii() {
            return None;
        }
        self.rules.iter().find_map(|rule| {
            let root = &self.roots[rule.root];
            let path = self.speller.find(rule.root, &root.tree, below(path, &rule.from)?)?;
            Some(Respelled { root, path })
        })
    }

    /// Notes that one more entry was compared with an original that is spelled otherwise.
    pub fn count_respelled(&self) {
        self.respelled.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether any rule says where the entry's original is.
    pub fn covers(&self, path: &[u8]) -> bool {
        self.rules.iter().any(|rule| below(path, &rule.from).is_some())
    }

    /// Whether the originals of files in this folder of the backup, or of this file, may be known.
    pub fn may_cover_below(&self, folder: &[u8]) -> bool {
        let may = |rule: &Rule| {
            platform::is_same_name(folder, &rule.from)
                || below(folder, &rule.from).is_some()
                || below(&rule.from, folder).is_some()
        };
        !self.unpaired.is_empty() || self.rules.iter().any(may)
    }

    /// The rules in words, where they are not self-evident.
    pub fn notes(&self) -> Vec<String> {
        let told = self.roots().filter(|(_, from)| !from.is_empty());
        let told = told
            .map(|(root, from)| format!("originals of {}/ are in {}", escape(from), root.place.display()));
        let unpaired = self.unpaired.iter().map(|&root| &self.roots[root].place);
        let unpaired = unpaired.map(|place| {
            format!("no file that can be listed in the backup has an original in {}", place.display())
        });
        unpaired.chain(told).chain(self.respelled_note()).collect()
    }

    fn respelled_note(&self) -> Option<String> {
        let names = match self.respelled.load(Ordering::Relaxed) {
            0 => return None,
            1 => "1 name differs from its original's".to_owned(),
            number => format!("{} names differ from their originals'", words::count(number)),
        };
        Some(format!("{names} in the Unicode spelling alone (NFC or NFD); compared all the same"))
    }

    /// The roots by number, each with what stands before its files' paths in the backup.
    pub fn numbered_roots(&self) -> impl Iterator<Item = (usize, &Root, &[u8])> {
        self.rules.iter().map(|rule| (rule.root, &self.roots[rule.root], rule.from.as_slice()))
    }

    /// The root in which the entry's original is looked for first, by its number.
    pub fn first_root(&self, path: &[u8]) -> Option<usize> {
        self.rules.iter().find(|rule| below(path, &rule.from).is_some()).map(|rule| rule.root)
    }

    /// The place of an entry's original below the root of this number.
    pub fn place_of<'a>(&'a self, root: usize, path: &'a [u8]) -> Option<Place<'a>> {
        let rule = self.rules.iter().find(|rule| rule.root == root)?;
        Some(Place { root: &self.roots[root], path: below(path, &rule.from)? })
    }

    /// What was still in memory of the originals that were to be read from the disk.
    pub fn cached(&self) -> impl Iterator<Item = Cached> {
        self.roots.iter().filter_map(|root| root.tree.cached())
    }

    /// The roots, each with what stands before its files' paths in the backup.
    pub fn roots(&self) -> impl Iterator<Item = (&Root, &[u8])> {
        self.rules.iter().map(|rule| (&self.roots[rule.root], rule.from.as_slice()))
    }
}

/// What remains of `path` after the components `from`.
fn below<'a>(path: &'a [u8], from: &[u8]) -> Option<&'a [u8]> {
    if from.is_empty() {
        return Some(path);
    }
    let (beginning, rest) = path.split_at_checked(from.len())?;
    rest.strip_prefix(b"/").filter(|_| platform::is_same_name(beginning, from))
}

/// One way in which the paths of a source's files may begin in a backup.
struct Way {
    from: Vec<u8>,
    hits: usize,
}

/// From nothing to the whole path of the source, one component more each time; on Windows the
/// drive's letter is the first.
fn ways_of(source: &Path) -> Vec<Way> {
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
    (0..=parts.len()).flat_map(|count| spelled_ways(parts[parts.len() - count..].join(&b'/'))).collect()
}

/// The same beginning in each Unicode spelling that the backup may have of it, as it was given
/// last.
fn spelled_ways(from: Vec<u8>) -> impl Iterator<Item = Way> {
    let mut spellings = Vec::new();
    if !from.is_ascii() {
        spellings.extend([spelling::decomposed(&from), spelling::composed(&from).into_owned()]);
        spellings.retain(|spelling| *spelling != from);
    }
    spellings.push(from);
    spellings.into_iter().map(|from| Way { from, hits: 0 })
}

struct Look<'a> {
    pairing: &'a Pairing,
    stop: &'a Stop,
    state: Mutex<State>,
}

struct State {
    /// By root.
    ways: Vec<Vec<Way>>,
    seen: usize,
    examples: Vec<Vec<u8>>,
}

impl CatalogSink for Look<'_> {
    fn take(&self, entries: &EntryBatch) -> ControlFlow<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in entries.iter().filter(|entry| entry.problem.is_none()) {
            state.seen += 1;
            if state.examples.len() < 2 {
                state.examples.push(entry.path.to_vec());
            }
            // Looking an original up costs a system call a way: a few hundred entries tell, and
            // after them only roots that are still in doubt are tried.
            let all = state.seen <= LOOK_AT_ALL;
            for (ways, root) in state.ways.iter_mut().zip(&self.pairing.roots) {
                if all || most_hits(ways) < SURE {
                    try_ways(ways, root, entry.path);
                }
            }
        }
        let sure = state.seen >= LOOK_AT && state.ways.iter().all(|ways| most_hits(ways) >= SURE);
        if self.stop.is_set() || sure { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// What was found of names that come twice says the same as what is found of them now.
    fn restart(&self) {}
}

fn try_ways(ways: &mut [Way], root: &Root, path: &[u8]) {
    for way in ways {
        let Some(path) = below(path, &way.from) else { continue };
        way.hits += usize::from(is_original(root, path));
    }
}

/// Whether an original is there, under this spelling of its name or another: that several fit makes
/// no difference here.
fn is_original(root: &Root, path: &[u8]) -> bool {
    let is_file = |path: &[u8]| root.tree.stat(path).is_ok_and(|stat| stat.kind == Kind::File);
    is_file(path)
        || (!path.is_ascii() && (is_file(&spelling::composed(path)) || is_file(&spelling::decomposed(path))))
}

fn most_hits(ways: &[Way]) -> usize {
    ways.iter().map(|way| way.hits).max().unwrap_or(0)
}

/// Whether an error means that nothing is there.
pub fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::Folder;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, file).unwrap();
        }
        dir
    }

    fn original_of(pairing: &Pairing, path: &[u8]) -> Option<PathBuf> {
        pairing.places(path).map(|place| place.display()).find(|place| place.is_file())
    }

    #[test]
    fn what_comes_before_a_sources_files_is_found_by_looking() {
        let world = tree(&["srv/data/a/x", "srv/data/y", "home/z"]);
        let backup = tree(&["srv/data/a/x", "srv/data/y", "home/z"]);
        let sources = [world.path().join("srv/data"), world.path().join("home")];
        let pairing = Pairing::new(
            &Folder::open(backup.path(), false).unwrap(),
            &sources,
            &[],
            false,
            None,
            &Stop::never(),
        )
        .unwrap();
        assert_eq!(original_of(&pairing, b"srv/data/a/x"), Some(sources[0].join("a/x")));
        assert_eq!(original_of(&pairing, b"home/z"), Some(sources[1].join("z")));
        assert!(!pairing.covers(b"etc/passwd"));
    }

    #[test]
    fn a_plain_copy_pairs_as_it_is_and_maps_win_over_sources() {
        let world = tree(&["x", "sub/y"]);
        let other = tree(&["y"]);
        let backup = Folder::open(world.path(), false).unwrap();
        let maps = [Map { from: b"sub".to_vec(), to: other.path().to_owned() }];
        let pairing =
            Pairing::new(&backup, &[world.path().to_owned()], &maps, false, None, &Stop::never()).unwrap();
        assert_eq!(original_of(&pairing, b"x"), Some(world.path().join("x")));
        assert_eq!(original_of(&pairing, b"sub/y"), Some(other.path().join("y")));
        assert!(pairing.covers(b"anything"));
    }

    #[test]
    fn each_source_is_found_by_its_own_files_however_late_they_come() {
        let etc: Vec<String> = (0..700).map(|number| format!("etc/{number}")).collect();
        let mut files: Vec<&str> = etc.iter().map(String::as_str).collect();
        files.extend(["home/me/docs/a", "home/me/docs/etc/b"]);
        let (world, backup) = (tree(&files), tree(&files));
        let sources = [world.path().join("etc"), world.path().join("home/me/docs")];
        let backup = Folder::open(backup.path(), false).unwrap();
        let pairing = Pairing::new(&backup, &sources, &[], false, None, &Stop::never()).unwrap();
        assert_eq!(original_of(&pairing, b"etc/7"), Some(sources[0].join("7")));
        assert_eq!(original_of(&pairing, b"home/me/docs/etc/b"), Some(sources[1].join("etc/b")));
    }

    #[test]
    fn a_source_of_which_the_backup_holds_nothing_is_an_error_that_names_it() {
        let (world, other) = (tree(&["a", "b"]), tree(&["letters/x"]));
        let backup = Folder::open(world.path(), false).unwrap();
        let sources = [world.path().to_owned(), other.path().to_owned()];
        let error =
            Pairing::new(&backup, &sources, &[], false, None, &Stop::never()).unwrap_err().to_string();
        assert!(error.contains(other.path().to_str().unwrap()), "{error}");
        let maps = [Map { from: Vec::new(), to: other.path().to_owned() }];
        assert!(Pairing::new(&backup, &[], &maps, false, None, &Stop::never()).is_err());
    }

    #[test]
    fn when_nothing_pairs_the_error_shows_both_sides() {
        let (world, backup) = (tree(&["letters/a"]), tree(&["photos/b"]));
        let error = Pairing::new(
            &Folder::open(backup.path(), false).unwrap(),
            &[world.path().to_owned()],
            &[],
            false,
            None,
            &Stop::never(),
        );
        let text = error.unwrap_err().to_string();
        assert!(text.contains("photos/b") && text.contains("letters"), "{text}");
    }

    #[test]
    fn a_name_that_merely_begins_alike_is_not_below() {
        assert_eq!(below(b"home2/x", b"home"), None);
        assert_eq!(below(b"home/x", b"home"), Some(&b"x"[..]));
        assert_eq!(below(b"home", b"home"), None);
    }
}
