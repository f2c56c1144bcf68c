//! Symbolic links, devices and pipes, and hard links to them.
//!
//! If a tree contains several names of the same symbolic link or pipe (`cp -al`, rsnapshot), tar
//! stores all but the first as hard links. These look like further names of a regular file. Their
//! target comes before them in the archive. So hashes of the names of all special files are stored,
//! 8 to 16 bytes each; an archive without special files needs no memory.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

/// The names seen so far in one walk that are not regular files.
#[derive(Debug, Default)]
pub(super) struct Specials {
    hasher: RandomState,
    names: HashSet<u64, BuildHasherDefault<IdentityHasher>>,
}

/// A hasher for values that are hashes already.
#[derive(Debug, Default)]
struct IdentityHasher(u64);

impl Hasher for IdentityHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl Specials {
    /// Notes that `path` is not a regular file.
    pub(super) fn note(&mut self, path: &[u8]) {
        self.names.insert(self.hasher.hash_one(path));
    }

    /// Whether `path` was noted as not a regular file.
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
