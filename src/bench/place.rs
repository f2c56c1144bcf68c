//! A place that is only read: a folder of the user's, or an archive.
//!
//! Its files are opened read-only through [`Tree`], which forgets what the system caches of a file
//! first.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::backup::{self, Backup, Folder, path_text};
use crate::platform::{self, Kind, Tree};

use super::Error;
use super::figures::Facts;

/// So many of the largest sampled files are read.
const READ_FROM: usize = 256;

/// A file that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sampled {
    /// Below the place's tree.
    pub path: Vec<u8>,
    /// In bytes.
    pub size: u64,
}

/// A place, opened.
pub struct Place {
    /// What it is for and its path.
    pub name: String,
    /// Lists it.
    pub lister: Box<dyn Backup>,
    /// The one file that is read instead of those that are listed: the archive.
    pub archive: Option<Vec<u8>>,
    tree: Tree,
    /// The same, for opening files that others are reading.
    calm: Tree,
}

impl Place {
    /// A folder that is no backup.
    pub fn folder(role: &str, path: &Path, cold: bool) -> Result<Self, Error> {
        let fail = |source| Error::Place { place: path.to_owned(), source };
        let lister = Folder::open(path, cold).map_err(|error| fail(io::Error::other(error)))?;
        let (tree, calm) = trees(path, cold).map_err(fail)?;
        Ok(Self { name: name(role, path), lister: Box::new(lister), archive: None, tree, calm })
    }

    /// A backup: a folder or an archive.
    pub fn backup(path: &Path, cold: bool) -> Result<Self, Error> {
        if path.is_dir() {
            return Self::folder("backup", path, cold);
        }
        let fail = |source| Error::Place { place: path.to_owned(), source };
        let lister = backup::open(path, cold).map_err(crate::verify::Error::from)?;
        let file = path.file_name().map(PathBuf::from).unwrap_or_default();
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let (tree, calm) = trees(parent.unwrap_or(Path::new(".")), cold).map_err(fail)?;
        let archive = Some(platform::path_to_bytes(&file).into_owned());
        Ok(Self { name: name("backup", path), lister, archive, tree, calm })
    }

    /// Opens a file, cold. An archive may be named by a link; below a folder no link is followed.
    pub fn open(&self, path: &[u8]) -> io::Result<(File, u64)> {
        let file = self.tree.open_file(path, self.archive.is_some())?;
        let stat = platform::stat(&file)?;
        if stat.kind != Kind::File {
            return Err(io::Error::other("no regular file"));
        }
        Ok((file, stat.size))
    }

    /// Opens a file again; what the system caches of it stays, so that other threads do not lose
    /// what was read ahead for them.
    pub fn open_again(&self, path: &[u8]) -> io::Result<File> {
        self.calm.open_file(path, self.archive.is_some())
    }

    /// The number of the device it lies on. Systems differ in how a tree's own folder is called.
    fn device(&self) -> Option<u64> {
        let names: [&[u8]; 2] = self.archive.as_deref().map_or([b"", b"."], |archive| [archive, archive]);
        names.iter().find_map(|name| self.tree.stat(name).ok()).map(|stat| stat.id.0)
    }

    /// The files to read rates from: the largest of the sample, or the archive.
    pub fn reading_set(&self, sampled: &[Sampled]) -> Vec<Sampled> {
        if let Some(archive) = &self.archive {
            let size = self.open(archive).map_or(0, |(_, size)| size);
            return vec![Sampled { path: archive.clone(), size }];
        }
        let mut largest: Vec<_> = sampled.iter().filter(|file| file.size > 0).cloned().collect();
        largest.sort_by(|one, other| other.size.cmp(&one.size).then_with(|| one.path.cmp(&other.path)));
        largest.truncate(READ_FROM);
        largest
    }

    /// What is known of it.
    pub fn facts(&self, files: u64, listed_whole: bool, sizes: &[u64]) -> Facts {
        let (mean_size, variation) = mean_and_variation(sizes);
        let sampled = sizes.len() as u64;
        Facts {
            name: self.name.clone(),
            files,
            listed_whole,
            device: self.device(),
            sampled,
            mean_size,
            variation,
        }
    }
}

fn trees(path: &Path, cold: bool) -> io::Result<(Tree, Tree)> {
    Ok((Tree::open(path, cold)?, Tree::open(path, false)?))
}

/// How a place is called in figures: safe to print.
pub fn name(role: &str, path: &Path) -> String {
    format!("{role} {}", path_text(path))
}

/// The mean, and the standard deviation by the mean (0 where that says nothing).
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn mean_and_variation(sizes: &[u64]) -> (f64, f64) {
    let count = sizes.len().max(1) as f64;
    let mean = sizes.iter().map(|&size| size as f64).sum::<f64>() / count;
    if mean == 0.0 {
        return (0.0, 0.0);
    }
    let variance = sizes.iter().map(|&size| (size as f64 - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt() / mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_variation_are_those_of_the_textbook() {
        assert_eq!(mean_and_variation(&[]), (0.0, 0.0));
        assert_eq!(mean_and_variation(&[0, 0]), (0.0, 0.0));
        assert_eq!(mean_and_variation(&[5, 5, 5]), (5.0, 0.0));
        assert_eq!(mean_and_variation(&[2, 6]), (4.0, 0.5));
    }

    #[test]
    fn folders_and_archives_know_their_device() {
        let world = tempfile::tempdir().unwrap();
        let archive = world.path().join("b.tar");
        std::fs::write(&archive, [0; 1024]).unwrap();
        let folder = Place::folder("source", world.path(), false).unwrap();
        let archive = Place::backup(&archive, false).unwrap();
        assert!(folder.device().is_some());
        assert_eq!(folder.device(), archive.device());
    }

    #[test]
    fn the_largest_files_are_read_and_empty_ones_are_not() {
        let world = tempfile::tempdir().unwrap();
        let place = Place::folder("source", world.path(), false).unwrap();
        let file = |path: &[u8], size| Sampled { path: path.to_vec(), size };
        let read = place.reading_set(&[file(b"a", 1), file(b"b", 0), file(b"c", 9)]);
        assert_eq!(read, [file(b"c", 9), file(b"a", 1)]);
    }
}
