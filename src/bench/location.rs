//! A location that is measured and only read: a folder, or a backup.
//!
//! Its files are opened read-only through [`Tree`], which first drops them from the system's cache.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::backup::{self, Backup, Context, Folder, Location, path_text};
use crate::platform::{self, Kind, Tree};

use super::Error;
use super::figures::LocationFacts;

/// At most this many of the sampled files are read, the largest ones.
const READ_FROM: usize = 256;

/// A file whose metadata was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sampled {
    /// Relative to the root of the location.
    pub path: Vec<u8>,
    /// In bytes.
    pub size: u64,
}

/// An opened location.
pub struct MeasuredLocation {
    /// Its role and path.
    pub name: String,
    /// Lists its files.
    pub lister: Box<dyn Backup>,
    content: Content,
}

/// The part of a location that can be read without its format.
enum Content {
    /// The listed files themselves.
    Files(Trees),
    /// A single file, the archive, with its path relative to the tree.
    Archive(Vec<u8>, Trees),
    /// Nothing: a repository, or a location on another machine.
    Nothing,
}

/// Opens files below a folder.
struct Trees {
    /// Drops each file from the system's cache first.
    cold: Tree,
    /// Leaves the cache alone, for files that other threads are reading.
    cached: Tree,
}

impl MeasuredLocation {
    /// A folder that is not a backup.
    pub fn folder(role: &str, path: &Path, cold: bool) -> Result<Self, Error> {
        let fail = |source| Error::Location { path: path.to_owned(), source };
        let lister = Folder::open(path, cold).map_err(|error| fail(io::Error::other(error)))?;
        let content = Content::Files(Trees::open(path, cold).map_err(fail)?);
        Ok(Self { name: name(role, path), lister: Box::new(lister), content })
    }

    /// A backup of any format.
    pub fn backup(location: &Location, context: &Context) -> Result<Self, Error> {
        let lister = backup::open(location, context).map_err(crate::verify::Error::from)?;
        let content = match location.local() {
            Some(path) if lister.description().format == Folder::NAME => {
                let trees = Trees::open(path, context.cold);
                trees.map(Content::Files).map_err(|source| Error::Location { path: path.to_owned(), source })
            }
            Some(path) if path.is_file() => {
                let file = path.file_name().map(PathBuf::from).unwrap_or_default();
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                let trees = Trees::open(parent.unwrap_or(Path::new(".")), context.cold);
                trees
                    .map(|trees| Content::Archive(platform::path_to_bytes(&file).into_owned(), trees))
                    .map_err(|source| Error::Location { path: path.to_owned(), source })
            }
            _ => Ok(Content::Nothing),
        };
        let name = format!("backup {}", location.text());
        Ok(Self { name, lister, content: content? })
    }

    /// Whether the listed files can be opened directly.
    pub fn holds_files(&self) -> bool {
        matches!(self.content, Content::Files(_))
    }

    /// Where the files are, and whether a link may be followed. The archive's name may be a link.
    /// Below a folder, no link is followed.
    fn trees(&self) -> io::Result<(&Trees, bool)> {
        match &self.content {
            Content::Files(trees) => Ok((trees, false)),
            Content::Archive(_, trees) => Ok((trees, true)),
            Content::Nothing => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Opens a file that was dropped from the cache, and returns it with its size in bytes.
    pub fn open(&self, path: &[u8]) -> io::Result<(File, u64)> {
        let (trees, follow) = self.trees()?;
        let file = trees.cold.open_file(path, follow)?;
        let stat = platform::stat(&file)?;
        if stat.kind != Kind::File {
            return Err(io::Error::other("no regular file"));
        }
        Ok((file, stat.size))
    }

    /// Opens a file again without dropping it from the cache, so that other threads do not lose
    /// what was read ahead for them.
    pub fn open_again(&self, path: &[u8]) -> io::Result<File> {
        let (trees, follow) = self.trees()?;
        trees.cached.open_file(path, follow)
    }

    /// The number of the device. Systems differ in the name of a tree's root folder.
    fn device(&self) -> Option<u64> {
        let (trees, _) = self.trees().ok()?;
        let names: [&[u8]; 2] = match &self.content {
            Content::Archive(archive, _) => [archive, archive],
            _ => [b"", b"."],
        };
        names.iter().find_map(|name| trees.cold.stat(name).ok()).map(|stat| stat.id.0)
    }

    /// The files whose reading is measured: the largest of the sample, or the archive.
    pub fn reading_set(&self, sampled: &[Sampled]) -> Vec<Sampled> {
        if let Content::Archive(archive, _) = &self.content {
            let size = self.open(archive).map_or(0, |(_, size)| size);
            return vec![Sampled { path: archive.clone(), size }];
        }
        let mut largest: Vec<_> = sampled.iter().filter(|file| file.size > 0).cloned().collect();
        largest.sort_by(|one, other| other.size.cmp(&one.size).then_with(|| one.path.cmp(&other.path)));
        largest.truncate(READ_FROM);
        largest
    }

    /// What was found out about the location.
    pub fn facts(&self, files: u64, listed_whole: bool, sizes: &[u64]) -> LocationFacts {
        let (mean_size, variation) = mean_and_variation(sizes);
        let sampled = sizes.len() as u64;
        LocationFacts {
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

impl Trees {
    fn open(path: &Path, cold: bool) -> io::Result<Self> {
        Ok(Self { cold: Tree::open(path, cold)?, cached: Tree::open(path, false)? })
    }
}

/// The name of a location in figures, which is safe to print.
pub fn name(role: &str, path: &Path) -> String {
    format!("{role} {}", path_text(path))
}

/// The mean, and the standard deviation divided by the mean (0 if the mean is 0).
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
        let folder = MeasuredLocation::folder("source", world.path(), false).unwrap();
        let archive = MeasuredLocation::backup(&archive.into(), &Context::default()).unwrap();
        assert!(folder.device().is_some());
        assert_eq!(folder.device(), archive.device());
    }

    #[test]
    fn the_largest_files_are_read_and_empty_ones_are_not() {
        let world = tempfile::tempdir().unwrap();
        let location = MeasuredLocation::folder("source", world.path(), false).unwrap();
        let file = |path: &[u8], size| Sampled { path: path.to_vec(), size };
        let read = location.reading_set(&[file(b"a", 1), file(b"b", 0), file(b"c", 9)]);
        assert_eq!(read, [file(b"c", 9), file(b"a", 1)]);
    }
}
