//! The key of a path: what is remembered of files is stored by it.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_the_same_key_in_every_run_and_every_version() {
        // Computed with the `blake3` package of Python.
        assert_eq!(PathKey::of(b"home/ann/letter.txt").0, 0x8de20da49028f0190e2f9a06ead92dee);
    }
}
