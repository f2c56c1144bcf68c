//! Different Unicode spellings of one name. Unicode can write `é` as one character (NFC, what most
//! systems store) or as two (NFD, what a Mac stores). A backup that went through a Mac, a network
//! share or an unpacker may hold the other spelling. To a person it is the same name; to a file
//! system it is a different one.
//!
//! Bytes that are not UTF-8 stay as they are. An ASCII name has only one spelling and costs nothing
//! here.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex};

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use crate::lock::lock;
use crate::platform::{Kind, Tree};

/// The composed spelling (NFC) of a path, which is equal for all spellings of one name.
pub fn composed(path: &[u8]) -> Cow<'_, [u8]> {
    if path.is_ascii() {
        return Cow::Borrowed(path);
    }
    if let Ok(text) = std::str::from_utf8(path)
        && is_nfc_quick(text.chars()) == IsNormalized::Yes
    {
        return Cow::Borrowed(path);
    }
    Cow::Owned(each_chunk(path, |text, out| out.extend(text.nfc())))
}

/// The decomposed spelling (NFD) of a path.
pub fn decomposed(path: &[u8]) -> Vec<u8> {
    each_chunk(path, |text, out| out.extend(text.nfd()))
}

fn each_chunk(path: &[u8], spell: impl Fn(&str, &mut String)) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len() + 8);
    let mut spelled = String::new();
    for chunk in path.utf8_chunks() {
        spelled.clear();
        spell(chunk.valid(), &mut spelled);
        out.extend_from_slice(spelled.as_bytes());
        out.extend_from_slice(chunk.invalid());
    }
    out
}

/// The most names with non-ASCII characters that are cached for one folder. In a larger folder,
/// only the two usual spellings are tried.
const NAMES_MAX: usize = 1 << 12;

/// The most folders that are cached at a time, about one for each thread.
const FOLDERS_MAX: usize = 32;

/// The names in a folder that are not ASCII, by their composed spelling; `None` if several names
/// have the same.
type Names = HashMap<Vec<u8>, Option<Vec<u8>>>;

/// What is cached for a folder: its names, or `None` if there are too many.
type Known = Option<Arc<Names>>;

/// A folder: the number of its root, and its path below the root.
type Key = (usize, Vec<u8>);

/// Finds files that exist under another spelling. It caches the names of a few folders, not of all.
#[derive(Debug, Default)]
pub struct Speller {
    /// The folders that were listed last, the oldest first.
    folders: Mutex<Vec<(Key, Known)>>,
}

impl Speller {
    /// The path below `tree` (root number `root`) that is another spelling of `path`, which does
    /// not exist there. `None` if there is no such path, or if a folder of the path contains
    /// several names that fit and none that is equal.
    pub fn find(&self, root: usize, tree: &Tree, path: &[u8]) -> Option<Vec<u8>> {
        if path.is_ascii() {
            return None;
        }
        let mut found = Vec::with_capacity(path.len());
        for name in path.split(|&byte| byte == b'/') {
            let folder = found.len();
            if folder > 0 {
                found.push(b'/');
            }
            let start = found.len();
            found.extend_from_slice(name);
            if !name.is_ascii() && tree.stat(&found).is_err() {
                let other = self.in_folder(root, tree, &found[..folder], name)?;
                found.truncate(start);
                found.extend_from_slice(&other);
            }
        }
        (found != path).then_some(found)
    }

    fn in_folder(&self, root: usize, tree: &Tree, folder: &[u8], name: &[u8]) -> Option<Vec<u8>> {
        let name = composed(name);
        match self.names(root, tree, folder) {
            Some(names) => names.get(&*name)?.clone(),
            None => guess(tree, folder, &name),
        }
    }

    fn names(&self, root: usize, tree: &Tree, folder: &[u8]) -> Known {
        let is_it = |(number, path): &Key| *number == root && path == folder;
        let lock = || lock(&self.folders);
        if let Some((_, known)) = lock().iter().find(|(key, _)| is_it(key)) {
            return known.clone();
        }
        let known = list(tree, folder);
        let mut folders = lock();
        if folders.len() >= FOLDERS_MAX {
            folders.remove(0);
        }
        folders.push(((root, folder.to_vec()), known.clone()));
        known
    }
}

fn list(tree: &Tree, folder: &[u8]) -> Known {
    let mut names = Names::new();
    let mut is_too_large = false;
    // If a folder cannot be listed completely, other names may fit as well, so no name is taken.
    let listed = tree.list(folder, false, &mut Vec::new(), &mut |found| {
        if found.name.is_ascii() || found.kind == Kind::Other || is_too_large {
            return;
        }
        match names.entry(composed(found.name).into_owned()) {
            Entry::Vacant(empty) => {
                empty.insert(Some(found.name.to_vec()));
            }
            Entry::Occupied(mut taken) => *taken.get_mut() = None,
        }
        is_too_large = names.len() >= NAMES_MAX;
    });
    match listed {
        Ok(()) if is_too_large => None,
        Ok(()) => Some(Arc::new(names)),
        Err(_) => Some(Arc::default()),
    }
}

/// The composed or the decomposed spelling of a name, if exactly one of them exists.
fn guess(tree: &Tree, folder: &[u8], composed: &[u8]) -> Option<Vec<u8>> {
    let is_there = |name: &Vec<u8>| {
        let path = if folder.is_empty() { name.clone() } else { [folder, b"/", name].concat() };
        tree.stat(&path).is_ok()
    };
    let mut spellings = vec![composed.to_vec(), decomposed(composed)];
    spellings.dedup();
    spellings.retain(is_there);
    if spellings.len() == 1 { spellings.pop() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const NFC: &str = "B\u{fc}ro/caf\u{e9}.txt";
    const NFD: &str = "Bu\u{308}ro/cafe\u{301}.txt";

    #[test]
    fn both_spellings_of_a_name_have_one_composed_form() {
        assert_eq!(composed(NFD.as_bytes()), composed(NFC.as_bytes()));
        assert_eq!(&*composed(NFC.as_bytes()), NFC.as_bytes());
        assert_eq!(decomposed(NFC.as_bytes()), NFD.as_bytes());
        assert!(matches!(composed(b"plain/name"), Cow::Borrowed(_)));
        let broken = [b"\xffe\xcc\x81".as_slice(), b"\xe9"].concat();
        assert_eq!(&*composed(&broken), b"\xff\xc3\xa9\xe9");
    }

    #[test]
    fn the_one_name_that_fits_is_found_in_each_folder_on_the_way() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("B\u{fc}ro/plain")).unwrap();
        fs::write(dir.path().join(NFC), "x").unwrap();
        fs::write(dir.path().join("B\u{fc}ro/plain/file"), "x").unwrap();
        let (tree, speller) = (Tree::open(dir.path(), false).unwrap(), Speller::default());
        // A file system that takes both for the same name (a Mac's) has no other name to find.
        if tree.stat(NFD.as_bytes()).is_err() {
            assert_eq!(speller.find(0, &tree, NFD.as_bytes()).as_deref(), Some(NFC.as_bytes()));
            let below = speller.find(0, &tree, "Bu\u{308}ro/plain/file".as_bytes());
            assert_eq!(below.as_deref(), Some("B\u{fc}ro/plain/file".as_bytes()));
        }
        assert_eq!(speller.find(0, &tree, b"plain"), None);
        assert_eq!(speller.find(0, &tree, "Bu\u{308}ro/other\u{301}".as_bytes()), None);
    }

    #[test]
    fn where_two_names_fit_none_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        // Two of the three spellings of one letter: composed and decomposed. `half` below is the
        // third.
        for name in ["\u{1eaf}", "a\u{306}\u{301}"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        let tree = Tree::open(dir.path(), false).unwrap();
        let half = "\u{103}\u{301}".as_bytes();
        if tree.stat(half).is_err() {
            assert_eq!(Speller::default().find(0, &tree, half), None);
            assert_eq!(guess(&tree, b"", &composed(half)), None);
            fs::remove_file(dir.path().join("a\u{306}\u{301}")).unwrap();
            assert_eq!(Speller::default().find(0, &tree, half).as_deref(), Some("\u{1eaf}".as_bytes()));
            assert_eq!(guess(&tree, b"", &composed(half)).as_deref(), Some("\u{1eaf}".as_bytes()));
        }
    }
}
