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

    /// Whether the file at this place, with this metadata, is one of them.
    pub(super) fn hold(&self, place: &Path, stat: &Stat) -> bool {
        let Some(own) = &self.folder else { return false };
        self.ids.contains(&stat.id)
            || is_own_name(place)
                && place.parent().and_then(|folder| fs::canonicalize(folder).ok()).as_ref() == Some(own)
    }
}

fn ids(tree: &Tree, folder: &Path) -> Vec<(u64, u64)> {
    let stat = |path: &PathBuf| tree.stat(&platform::path_to_bytes(Path::new(path.file_name()?))).ok();
    paths(folder).iter().filter_map(stat).map(|stat| stat.id).collect()
}

/// Those that are in this state folder now.
pub(super) fn paths(state: &Path) -> Vec<PathBuf> {
    let Ok(found) = fs::read_dir(state) else { return Vec::new() };
    found.flatten().map(|entry| entry.path()).filter(|path| is_own_name(path)).collect()
}

/// The names of the ledger, of what SQLite keeps beside it, and of the locks of running jobs.
fn is_own_name(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm", "ledger.sqlite-journal"].contains(&name)
        || name.starts_with("running-")
}
