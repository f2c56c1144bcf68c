//! Whether the copies in a backup are independent copies. A folder may hold the originals
//! themselves (through an overlay over them), or clones that share their blocks on the disk (a
//! snapshot, `cp --reflink`).
//!
//! The first is not a backup. The second protects against everything but the disk: comparing such
//! files proves nothing about the disk, because damage to a block hits both. Only picks are
//! checked, and only on file systems that can share blocks.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::lock::lock;
use crate::platform::{self, Sharing, Tree};
use crate::words;

/// The numbers of a file system and of a file in it.
type Id = (u64, u64);

/// What one run has found out about its picks.
#[derive(Debug)]
pub struct SharedBlocks {
    backup: Tree,
    /// Whether files on these two file systems can share blocks.
    may: Mutex<HashMap<(u64, u64), bool>>,
    asked: AtomicU64,
    blocks: AtomicU64,
    unknown: AtomicU64,
}

impl SharedBlocks {
    /// For a backup that is a folder. `None` for other formats, whose files cannot share blocks.
    pub fn new(backup: &Path) -> Option<Self> {
        let backup = backup.is_dir().then(|| Tree::open(backup, false).ok()).flatten()?;
        Some(Self {
            backup,
            may: Mutex::default(),
            asked: AtomicU64::new(0),
            blocks: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
        })
    }

    /// Whether the backup's file at `path` is the original itself, seen through an overlay. Also
    /// counts files that share blocks.
    pub fn is_one_file(&self, (path, copy): (&[u8], Id), (original, id): (&File, Id)) -> bool {
        let known = |may: &Mutex<HashMap<_, _>>| lock(&may).get(&(copy.0, id.0)).copied();
        self.asked.fetch_add(1, Ordering::Relaxed);
        let may = known(&self.may);
        if may == Some(false) {
            return false;
        }
        let Ok(file) = self.backup.open_file(path, false) else { return false };
        if !may.unwrap_or_else(|| self.learn((copy.0, id.0), platform::may_share(&file, original))) {
            return false;
        }
        match platform::sharing(&file, original) {
            Sharing::OneFile => return true,
            Sharing::Blocks => self.blocks.fetch_add(1, Ordering::Relaxed),
            Sharing::Unknown => self.unknown.fetch_add(1, Ordering::Relaxed),
            Sharing::Apart => 0,
        };
        false
    }

    fn learn(&self, pair: (u64, u64), may: bool) -> bool {
        lock(&self.may).insert(pair, may);
        may
    }

    /// The notes for the user.
    pub fn notes(&self) -> Vec<String> {
        let of = |count: &AtomicU64| {
            let (count, asked) = (count.load(Ordering::Relaxed), self.asked.load(Ordering::Relaxed));
            (count > 0)
                .then(|| format!("{} of {}", words::count(count), words::counted(asked, "compared file")))
        };
        let blocks = of(&self.blocks).map(|some| {
            format!(
                "{some} share their blocks on the disk with the original (clones, a snapshot): damage to the disk hits both, \
                 and comparing them proves nothing about it; keep a copy on another disk"
            )
        });
        let unknown = of(&self.unknown).map(|some| {
            format!(
                "{some} are on the same file system as the original or on an overlay, and it cannot be told whether they share \
                 its blocks: damage to the disk may hit both; keep a copy on another disk"
            )
        });
        blocks.into_iter().chain(unknown).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shares_its_blocks_and_what_cannot_be_told_are_counted_for_a_person() {
        let folder = tempfile::tempdir().unwrap();
        assert!(SharedBlocks::new(&folder.path().join("backup.tar")).is_none());
        let shared = SharedBlocks::new(folder.path()).unwrap();
        assert_eq!(shared.notes(), [""; 0]);
        shared.asked.store(1200, Ordering::Relaxed);
        shared.blocks.store(1000, Ordering::Relaxed);
        shared.unknown.store(1, Ordering::Relaxed);
        let notes = shared.notes();
        assert!(notes[0].starts_with("1,000 of 1,200 compared files share their blocks"), "{notes:?}");
        assert!(notes[1].starts_with("1 of 1,200 compared files are on the same"), "{notes:?}");
    }
}
