//! Recognises the folders of repositories: what is in them is packs and segments, and not the files
//! that were backed up. Such a folder is never verified as a folder of files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// A kind of repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repository {
    Borg,
    Restic,
}

impl Repository {
    /// The repository in a folder. `None` if the folder is not one.
    pub(super) fn at(folder: &Path) -> Option<Self> {
        let has_folders = |names: &[&str]| names.iter().all(|name| folder.join(name).is_dir());
        let has_config = folder.join("config").is_file();
        if has_config && has_folders(&["data"]) && begins_with(&folder.join("config"), b"[repository]") {
            return Some(Self::Borg);
        }
        let is_restic = has_config && has_folders(&["data", "index", "keys", "snapshots"]);
        is_restic.then_some(Self::Restic)
    }

    /// The repository that was once in a folder, of which essential parts are missing.
    pub(super) fn remains_at(folder: &Path) -> Option<Self> {
        let has_folders = |names: &[&str]| names.iter().all(|name| folder.join(name).is_dir());
        let is_borg = begins_with(&folder.join("README"), b"This is a Borg Backup repository.")
            || begins_with(&folder.join("config"), b"[repository]\nversion = ");
        if is_borg {
            return Some(Self::Borg);
        }
        let is_restic =
            has_folders(&["data/00", "data/ff", "index"]) || has_folders(&["keys", "snapshots", "index"]);
        is_restic.then_some(Self::Restic)
    }

    /// The name of its program.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Borg => "borg",
            Self::Restic => "restic",
        }
    }
}

/// Whether a regular file begins with these bytes.
fn begins_with(path: &Path, bytes: &[u8]) -> bool {
    let mut found = Vec::new();
    let is_read = path.is_file()
        && File::open(path).and_then(|file| file.take(bytes.len() as u64).read_to_end(&mut found)).is_ok();
    is_read && found == bytes
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder(folders: &[&str], files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        folders.iter().for_each(|name| fs::create_dir_all(folder.path().join(name)).unwrap());
        files.iter().for_each(|(name, content)| fs::write(folder.path().join(name), content).unwrap());
        folder
    }

    #[test]
    fn repositories_are_recognised_and_a_folder_that_looks_a_little_like_one_is_not() {
        let borg = folder(&["data/0"], &[("config", "[repository]\nversion = 1\n")]);
        assert_eq!(Repository::at(borg.path()), Some(Repository::Borg));
        let restic = ["data/00", "index", "keys", "locks", "snapshots"];
        let restic = folder(&restic, &[("config", "\x01\x02")]);
        assert_eq!(Repository::at(restic.path()), Some(Repository::Restic));
        for other in [
            folder(&["data"], &[("config", "[core]\n")]),
            folder(&["data", "index"], &[("config", "x")]),
            folder(&["keys", "snapshots"], &[("README", "This is a Borg book")]),
        ] {
            assert_eq!(Repository::at(other.path()), None);
            assert_eq!(Repository::remains_at(other.path()), None);
        }
    }

    #[test]
    fn what_is_left_of_a_repository_is_recognised() {
        let readme = "This is a Borg Backup repository.\nSee https://borgbackup.readthedocs.io/\n";
        let borg = folder(&["data"], &[("README", readme)]);
        assert_eq!(Repository::remains_at(borg.path()), Some(Repository::Borg));
        let restic = folder(&["data/00", "index", "keys", "snapshots"], &[]);
        assert_eq!(Repository::at(restic.path()), None);
        assert_eq!(Repository::remains_at(restic.path()), Some(Repository::Restic));
    }
}
