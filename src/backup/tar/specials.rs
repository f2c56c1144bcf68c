//! Links, devices and pipes, and the other names of them.
//!
//! Where a tree holds several names of one symbolic link or pipe (`cp -al`, rsnapshot), tar stores
//! all but the first as hard links, which look like other names of a regular file. What they point
//! to comes before them in the archive: so hashes of the names of all that is no regular file are
//! kept, 8 to 16 bytes each, and nothing is kept where there is none.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

/// The names seen so far in one walk that are no regular files.
#[derive(Debug, Default)]
pub(super) struct Specials {
    hasher: RandomState,
    names: HashSet<u64, BuildHasherDefault<Same>>,
}

/// What is hashed already.
#[derive(Debug, Default)]
struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl Specials {
    /// Notes that `path` is no regular file.
    pub(super) fn note(&mut self, path: &[u8]) {
        self.names.insert(self.hasher.hash_one(path));
    }

    /// Whether `path` is none.
    pub(super) fn holds(&self, path: &[u8]) -> bool {
        !self.names.is_empty() && self.names.contains(&self.hasher.hash_one(path))
    }

    /// Notes that `path` is a regular file, whatever it was before.
    pub(super) fn forget(&mut self, path: &[u8]) {
        if !self.names.is_empty() {
            self.names.remove(&self.hasher.hash_one(path));
        }
    }
}
