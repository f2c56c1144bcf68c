//! From an entry of the backup to its original and back.
//!
//! A rule says: entries whose path begins with `from` have their original below a root. `--map` gives rules word by word. For
//! `--source`, what comes before the files in the backup is found out by looking: a backup of `/srv/data` may hold `x`, `data/x` or
//! `srv/data/x`, depending on how it was made.

use std::io;
use std::ops::ControlFlow;
use std::path::{Component, Path, PathBuf, Prefix};
use std::sync::{Mutex, PoisonError};

use crate::backup::{Backup, Listing, Needs, Picks, Sink, escape};
use crate::plan::Map;
use crate::platform::{self, Kind, Tree};
use crate::stop::Stop;

use super::Error;

/// As many entries are looked at before it is decided how a backup's paths begin; if none of them has an original, the
/// search goes on to the end.
const LOOK_AT: usize = 4096;

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

impl Pairing {
    /// Makes the rules: maps as given, sources by looking into the backup, until `stop` is set; then they are as good as
    /// none, for a run that is over.
    pub fn new(
        backup: &dyn Backup,
        sources: &[PathBuf],
        maps: &[Map],
        cold: bool,
        stop: &Stop,
    ) -> Result<Self, Error> {
        let mut pairing = Self { roots: Vec::new(), rules: Vec::new() };
        for Map { from, to } in maps {
            let root = pairing.add_root(to, cold)?;
            pairing.rules.push(Rule { from: from.clone(), root });
        }
        // Sort is stable: of equally long ones the first named comes first.
        pairing.rules.sort_by_key(|rule| std::cmp::Reverse(rule.from.len()));
        if !sources.is_empty() {
            let first = pairing.roots.len();
            for source in sources {
                pairing.add_root(source, cold)?;
            }
            pairing.look(backup, first, stop)?;
        }
        Ok(pairing)
    }

    fn add_root(&mut self, place: &Path, cold: bool) -> Result<usize, Error> {
        let tree = Tree::open(place, cold);
        let tree = tree.map_err(|source| Error::Originals { place: place.to_owned(), source })?;
        self.roots.push(Root { place: place.to_owned(), tree });
        Ok(self.roots.len() - 1)
    }

    /// Finds the rules of the roots from `first` on.
    fn look(&mut self, backup: &dyn Backup, first: usize, stop: &Stop) -> Result<(), Error> {
        let mut ways: Vec<Vec<Way>> = Vec::new();
        for root in &self.roots[first..] {
            ways.push(ways_of(&root.place));
        }
        let look = Look {
            pairing: self,
            first,
            stop,
            state: Mutex::new(State { ways, seen: 0, hits: 0, examples: Vec::new() }),
        };
        // Names that occur more than once make the first listing void; the second says the same of each file once.
        while matches!(backup.catalog(Needs::default(), 1, &look)?, Listing::Again) {}
        let State { ways, examples, hits, seen } =
            look.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        if stop.is_set() {
            return Ok(());
        }
        if seen == 0 {
            return Err(Error::EmptyBackup { place: backup.describe().place });
        }
        if hits == 0 && self.rules.is_empty() {
            return Err(self.nothing_pairs(&examples));
        }
        let best = |ways: &[Way]| {
            ways.iter().enumerate().max_by_key(|(_, way)| way.hits).map_or(0, |(index, _)| index)
        };
        // A source that no entry was seen of begins like the source that most were seen of.
        let most = ways.iter().max_by_key(|ways| ways[best(ways)].hits).map_or(0, |ways| best(ways));
        for (offset, ways) in ways.iter().enumerate() {
            let own = best(ways);
            let chosen = if ways[own].hits > 0 { own } else { most.min(ways.len() - 1) };
            self.rules.push(Rule { from: ways[chosen].from.clone(), root: first + offset });
        }
        self.rules.sort_by_key(|rule| std::cmp::Reverse(rule.from.len()));
        Ok(())
    }

    fn nothing_pairs(&self, examples: &[Vec<u8>]) -> Error {
        let mut originals = Vec::new();
        for root in &self.roots {
            // Only examples: a root that cannot be listed gives none.
            let _ = root.tree.list(b"", false, &mut Vec::new(), &mut |found| {
                if originals.len() < 2 && found.kind != Kind::Other {
                    originals
                        .push(root.place.join(platform::path_from_bytes(found.name)).display().to_string());
                }
            });
        }
        Error::NothingPairs {
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

    /// Whether any rule says where the entry's original is.
    pub fn covers(&self, path: &[u8]) -> bool {
        self.rules.iter().any(|rule| below(path, &rule.from).is_some())
    }

    /// The rules in words, where they are not self-evident.
    pub fn notes(&self) -> Vec<String> {
        let told = self.roots().filter(|(_, from)| !from.is_empty());
        told.map(|(root, from)| format!("originals of {}/ are in {}", escape(from), root.place.display()))
            .collect()
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

/// From nothing to the whole path of the source, one component more each time; on Windows the drive's letter is the first.
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
    (0..=parts.len()).map(|count| Way { from: parts[parts.len() - count..].join(&b'/'), hits: 0 }).collect()
}

struct Look<'a> {
    pairing: &'a Pairing,
    first: usize,
    stop: &'a Stop,
    state: Mutex<State>,
}

struct State {
    /// By source.
    ways: Vec<Vec<Way>>,
    seen: usize,
    hits: usize,
    examples: Vec<Vec<u8>>,
}

impl Sink for Look<'_> {
    fn take(&self, entries: &Picks) -> ControlFlow<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in entries.iter().filter(|entry| entry.problem.is_none()) {
            state.seen += 1;
            if state.examples.len() < 2 {
                state.examples.push(entry.path.to_vec());
            }
            // Looking an original up costs a system call a way: a few hundred tell, and after them only hits are sought.
            if state.seen <= 512 || state.hits == 0 {
                self.try_all(&mut state, entry.path);
            }
        }
        if self.stop.is_set() || (state.seen >= LOOK_AT && state.hits > 0) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

impl Look<'_> {
    fn try_all(&self, state: &mut State, path: &[u8]) {
        for (ways, root) in state.ways.iter_mut().zip(&self.pairing.roots[self.first..]) {
            for way in ways {
                let Some(path) = below(path, &way.from) else { continue };
                if root.tree.stat(path).is_ok_and(|stat| stat.kind == Kind::File) {
                    way.hits += 1;
                    state.hits += 1;
                }
            }
        }
    }
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
        let pairing =
            Pairing::new(&Folder::open(backup.path(), false).unwrap(), &sources, &[], false, &Stop::never())
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
            Pairing::new(&backup, &[world.path().to_owned()], &maps, false, &Stop::never()).unwrap();
        assert_eq!(original_of(&pairing, b"x"), Some(world.path().join("x")));
        assert_eq!(original_of(&pairing, b"sub/y"), Some(other.path().join("y")));
        assert!(pairing.covers(b"anything"));
    }

    #[test]
    fn when_nothing_pairs_the_error_shows_both_sides() {
        let (world, backup) = (tree(&["letters/a"]), tree(&["photos/b"]));
        let error = Pairing::new(
            &Folder::open(backup.path(), false).unwrap(),
            &[world.path().to_owned()],
            &[],
            false,
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
