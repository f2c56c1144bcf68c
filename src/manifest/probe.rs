//! Which hash a manifest has, if its lines do not say it: `b3sum` and `sha256sum` write the same
//! form. A wrong guess would make every copy look corrupt, so nothing is guessed.

use std::path::{Path, PathBuf};

use crate::cancel::CancelToken;
use crate::plan::Algorithm;
use crate::platform::{self, Kind};
use crate::verify::hash::{Hash, hash_alone};

/// Larger files are not read only to find out which hash a manifest has.
const SIZE_MAX: u64 = 16 << 20;

/// The algorithm by which this is the hash of an empty file. Most trees have one.
pub fn of_empty_file(hash: Hash) -> Option<Algorithm> {
    static EMPTY: std::sync::LazyLock<Vec<(Algorithm, Hash)>> =
        std::sync::LazyLock::new(|| Algorithm::ALL.iter().map(|&each| (each, Hash::of(each, b""))).collect());
    EMPTY.iter().find(|(_, empty)| *empty == hash).map(|(algorithm, _)| *algorithm)
}

/// The algorithm that the name of the file stands for: `SHA256SUMS`, `x.sha256`, `B3SUMS`, `x.b3`.
pub fn by_name(place: &Path) -> Option<Algorithm> {
    let name = place.file_name()?.to_string_lossy().to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| name == *word || name.ends_with(&format!(".{word}")));
    if has(&["sha256", "sha256sum", "sha256sums"]) {
        Some(Algorithm::Sha256)
    } else if has(&["b3", "b3sum", "b3sums", "blake3"]) {
        Some(Algorithm::Blake3)
    } else {
        None
    }
}

/// The algorithm by which a file that is still there has the hash of its line.
pub fn by_files<'a>(
    lines: impl Iterator<Item = (&'a [u8], Hash)>,
    manifest: &Path,
    originals: &[&Path],
) -> Option<Algorithm> {
    let bases = bases(manifest, originals);
    lines.into_iter().find_map(|(name, hash)| {
        bases.iter().find_map(|base| {
            let file = platform::open_to_read(&base.join(platform::path_from_bytes(name)), false).ok()?;
            let stat = platform::stat(&file).ok()?;
            if stat.kind != Kind::File || stat.size > SIZE_MAX {
                return None;
            }
            let is_it = |algorithm: Algorithm| {
                let read = hash_alone(&file, stat.size, algorithm, &CancelToken::new());
                read.is_ok_and(|read| read.hash == hash)
            };
            Algorithm::ALL.iter().copied().find(|&algorithm| is_it(algorithm))
        })
    })
}

/// The folders to which the names of a manifest may be relative: that of the manifest, those of
/// originals, and all folders above them.
fn bases(manifest: &Path, originals: &[&Path]) -> Vec<PathBuf> {
    let mut bases: Vec<PathBuf> = Vec::new();
    let folders = manifest.parent().into_iter().chain(originals.iter().copied());
    for base in folders.flat_map(Path::ancestors) {
        if !bases.iter().any(|known| known == base) {
            bases.push(base.to_owned());
        }
    }
    bases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_an_empty_file_and_the_name_of_the_manifest_tell_the_algorithm() {
        for &algorithm in Algorithm::ALL {
            assert_eq!(of_empty_file(Hash::of(algorithm, b"")), Some(algorithm));
        }
        assert_eq!(of_empty_file(Hash::of_bytes([0; 32])), None);
        for (name, algorithm) in [
            ("SHA256SUMS", Some(Algorithm::Sha256)),
            ("home.sha256", Some(Algorithm::Sha256)),
            ("B3SUMS", Some(Algorithm::Blake3)),
            ("home.b3", Some(Algorithm::Blake3)),
            ("sha256", Some(Algorithm::Sha256)),
            ("notsha256", None),
            ("manifest", None),
        ] {
            assert_eq!(by_name(Path::new(name)), algorithm, "{name}");
        }
    }

    #[test]
    fn a_file_that_is_still_there_tells_the_algorithm() {
        let world = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(world.path().join("s/deep")).unwrap();
        std::fs::write(world.path().join("s/deep/a"), "content").unwrap();
        let source = world.path().join("s");
        let elsewhere = Path::new("/no/manifest");
        for &algorithm in Algorithm::ALL {
            let hash = Hash::of(algorithm, b"content");
            for name in ["a", "deep/a", "s/deep/a"] {
                let found = by_files([(name.as_bytes(), hash)].into_iter(), elsewhere, &[&source]);
                assert_eq!(found, (name != "a").then_some(algorithm), "{name}");
            }
        }
        let other = by_files([(&b"deep/a"[..], Hash::of_bytes([7; 32]))].into_iter(), elsewhere, &[&source]);
        assert_eq!(other, None);
    }
}
