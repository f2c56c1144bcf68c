//! The files of the state folder that the program itself has open. They may lie among the originals,
//! and are never opened as such.
//!
//! On Unix, closing any handle of a file ends all locks that the process has on it (POSIX says so).
//! A ledger that was opened as an original would lose its locks while the recorder writes to it, and
//! another process could damage it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::platform::{self, Stat, Tree};

/// Which files these are.
#[derive(Debug, Default)]
pub(super) struct OwnFiles {
    /// The state folder, without links.
    folder: Option<PathBuf>,
    /// The files that were there when the run began: links to them are recognised, too.
    ids: Vec<(u64, u64)>,
}

impl OwnFiles {
    /// Those of a state folder, if there is one.
    pub(super) fn of(state: Option<&Path>) -> Self {
        let Some(folder) = state.and_then(|state| fs::canonicalize(state).ok()) else {
            return Self::default();
        };
        let ids = Tree::open(&folder, false).map_or_else(|_| Vec::new(), |tree| ids(&tree, &folder));
        Self { folder: Some(folder), ids }
    }

    /// Whether the file with this path below a folder of originals and with this metadata is one of
    /// them. `place` makes its whole path. That is asked only if the name is right, because this is
    /// asked of every original.
    pub(super) fn hold(&self, path: &[u8], stat: &Stat, place: impl FnOnce() -> PathBuf) -> bool {
        let Some(own) = &self.folder else { return false };
        let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
        let is_in_folder = |place: PathBuf| {
            place.parent().and_then(|folder| fs::canonicalize(folder).ok()).as_ref() == Some(own)
        };
        self.ids.contains(&stat.id) || is_own_name(name) && is_in_folder(place())
    }
}

fn ids(tree: &Tree, folder: &Path) -> Vec<(u64, u64)> {
    let stat = |path: &PathBuf| tree.stat(&platform::path_to_bytes(Path::new(path.file_name()?))).ok();
    paths(folder).iter().filter_map(stat).map(|stat| stat.id).collect()
}

/// Those that are in this state folder now.
pub(super) fn paths(state: &Path) -> Vec<PathBuf> {
    let Ok(found) = fs::read_dir(state) else { return Vec::new() };
    found
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.file_name().is_some_and(|name| is_own_name(name.as_encoded_bytes())))
        .collect()
}

/// The names of the ledger, of what SQLite keeps beside it, and of the locks of running jobs.
fn is_own_name(name: &[u8]) -> bool {
    let ledger: [&[u8]; 4] =
        [b"ledger.sqlite", b"ledger.sqlite-wal", b"ledger.sqlite-shm", b"ledger.sqlite-journal"];
    ledger.contains(&name) || name.starts_with(b"running-")
}
