//! The key of a path: what is remembered of files is stored by it. And the number of a version of a
//! file, by which a later session tells that the backup still holds what was judged.

use crate::platform::Timestamp;

/// A path of a backup in 16 bytes: what a ledger stores files by.
///
/// The first 16 bytes of BLAKE3 in its keyed mode over the bytes of the path, as a big-endian
/// number. The key is BLAKE3 in its key derivation mode with the context string `bkverify 2026 path
/// v1` and no key material. It is the same in every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathKey(pub u128);

impl PathKey {
    /// Its upper and its lower half.
    #[expect(clippy::cast_possible_truncation, reason = "the lower half is wanted")]
    pub fn halves(self) -> [u64; 2] {
        [(self.0 >> 64) as u64, self.0 as u64]
    }

    /// The key of a path.
    pub fn of(path: &[u8]) -> Self {
        static KEY: std::sync::LazyLock<[u8; blake3::KEY_LEN]> =
            std::sync::LazyLock::new(|| blake3::derive_key("bkverify 2026 path v1", b""));
        let hash = blake3::keyed_hash(&KEY, path);
        let bytes = hash.as_bytes();
        Self(u128::from_be_bytes(std::array::from_fn(|at| bytes[at])))
    }
}

/// A number for a version of a file in a backup: its path with the size and the modification time
/// that the backup recorded.
///
/// The first 8 bytes of BLAKE3 in its key derivation mode, with the context string `bkverify 2026
/// version v1`, over the size, the seconds and the nanoseconds as 8 bytes each (big-endian, all ones
/// where the backup records none) and the path.
pub fn version_number(path: &[u8], size: Option<u64>, mtime: Option<Timestamp>) -> u64 {
    let mut hasher = blake3::Hasher::new_derive_key("bkverify 2026 version v1");
    hasher.update(&size.unwrap_or(u64::MAX).to_be_bytes());
    hasher.update(&mtime.map_or(i64::MAX, |mtime| mtime.seconds).to_be_bytes());
    hasher.update(&mtime.map_or(u64::MAX, |mtime| mtime.nanos.into()).to_be_bytes());
    let hash = hasher.update(path).finalize();
    let bytes = hash.as_bytes();
    u64::from_be_bytes(std::array::from_fn(|at| bytes[at]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_the_same_key_in_every_run_and_every_version() {
        // Computed with the `blake3` package of Python.
        assert_eq!(PathKey::of(b"home/ann/letter.txt").0, 0x8de20da49028f0190e2f9a06ead92dee);
    }
}
