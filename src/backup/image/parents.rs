//! The files in which the parents of a differencing disk may be.
//!
//! In: the paths that the disk stores, and the files that the user named. Out: every regular file
//! among these that exists. Which of them is the parent, the container decides by its identifier.
//!
//! The paths come from the image, so they are untrusted. Files are only read, and only regular
//! ones. Paths to other computers (`\\server\share`) and devices (`\\.\`) are not followed: Windows
//! would log on to the server with the user's password.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use super::file::ImageFile;
use crate::backup::path::path_text;
use crate::bytes::ReadAt;
use crate::image::{Error, container};
use crate::lock::lock;

/// The most files that are opened for one disk.
const MOST: usize = 32;

/// A file that was opened, and whoever reads its bytes.
type Opened = (Weak<dyn ReadAt>, ImageFile);

/// Looks for parents of the disks in one folder.
#[derive(Debug, Clone)]
pub(super) struct FileParents {
    /// The folder that holds the image.
    folder: PathBuf,
    /// The files that the user named.
    named: Vec<PathBuf>,
    cold: bool,
    /// All files that were opened.
    opened: Arc<Mutex<Vec<Opened>>>,
}

impl FileParents {
    /// For the image at `image`. `named` are tried first.
    pub(super) fn of(image: &Path, named: &[PathBuf], cold: bool) -> Self {
        let folder = image.parent().unwrap_or(Path::new("")).to_owned();
        Self { folder, named: named.to_vec(), cold, opened: Arc::default() }
    }

    /// The same, for the parents of a parent.
    fn of_parent(&self, parent: &Path) -> Self {
        Self { opened: Arc::clone(&self.opened), ..Self::of(parent, &self.named, self.cold) }
    }

    /// The files that turned out to be parents: those whose bytes a disk still holds.
    pub(super) fn into_used(self) -> Vec<ImageFile> {
        let opened = std::mem::take(&mut *lock(&self.opened));
        opened.into_iter().filter(|(bytes, _)| bytes.strong_count() > 0).map(|(_, file)| file).collect()
    }

    /// Where a path that is stored in an image leads on this machine.
    fn places(&self, stored: &str) -> Vec<PathBuf> {
        let parts: Vec<&str> = stored.split(['\\', '/']).collect();
        let mut places = Vec::new();
        // A colon behind the drive would be another drive, or a stream of a file.
        let is_plain = parts.iter().skip(1).all(|part| !part.contains(':'));
        let drive = parts.first().filter(|part| part.len() == 2 && part.ends_with(':'));
        if !is_plain {
            return places;
        }
        if drive.is_some() {
            let path = PathBuf::from(stored);
            // Elsewhere than on Windows, such a path would be relative.
            places.extend(path.is_absolute().then_some(path));
        } else if parts.first().is_some_and(|part| !part.is_empty() && !part.contains(':')) {
            places.push(parts.iter().fold(self.folder.clone(), |place, part| place.join(part)));
        }
        let name = parts.last().filter(|name| !matches!(**name, "" | "." | "..") && !name.contains(':'));
        places.extend(name.map(|name| self.folder.join(name)));
        places
    }
}

impl container::Parents for FileParents {
    fn open(&self, paths: &[String]) -> Result<Vec<container::Parent>, Error> {
        let stored = paths.iter().flat_map(|path| self.places(path));
        let mut places: Vec<PathBuf> = Vec::new();
        for place in self.named.iter().cloned().chain(stored).filter(|place| place.is_file()) {
            if !places.contains(&place) && places.len() < MOST {
                places.push(place);
            }
        }
        let open = |place: PathBuf| {
            let file = ImageFile::open(&place, self.cold)?;
            let (bytes, modified) = (file.bytes()?, Some(file.stat().mtime));
            lock(&self.opened).push((Arc::downgrade(&bytes), file));
            let parents = Arc::new(self.of_parent(&place));
            Ok(container::Parent { name: path_text(&place), bytes, modified, parents })
        };
        places.into_iter().map(open).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::container::Parents as _;

    #[test]
    fn parents_are_looked_for_where_the_user_says_then_where_the_disk_says_then_beside_it() {
        let world = tempfile::tempdir().unwrap();
        let child = world.path().join("images/child.vhdx");
        std::fs::create_dir_all(world.path().join("images/old")).unwrap();
        for name in ["named.vhdx", "images/old/base.vhdx", "images/base.vhdx", "up.vhdx"] {
            std::fs::write(world.path().join(name), name).unwrap();
        }
        let named = [world.path().join("named.vhdx"), world.path().join("none.vhdx")];
        let parents = FileParents::of(&child, &named, false);
        let found = |paths: &[&str]| {
            let paths: Vec<String> = paths.iter().map(|&path| path.to_owned()).collect();
            let found = parents.open(&paths).unwrap().into_iter();
            let content = |parent: container::Parent| {
                let mut bytes = vec![0; 100];
                let got = parent.bytes.read_full_at(&mut bytes, 0).unwrap();
                String::from_utf8(bytes[..got].to_vec()).unwrap()
            };
            found.map(content).collect::<Vec<_>>()
        };
        assert_eq!(found(&[]), ["named.vhdx"]);
        assert_eq!(found(&[".\\old\\base.vhdx"]), ["named.vhdx", "images/old/base.vhdx", "images/base.vhdx"]);
        assert_eq!(found(&["..\\up.vhdx"]), ["named.vhdx", "up.vhdx"]);
        assert_eq!(found(&["Q:\\gone\\base.vhdx", "", "\\", ".."]), ["named.vhdx", "images/base.vhdx"]);
    }

    #[test]
    fn no_other_computer_and_no_device_is_asked() {
        let parents = FileParents::of(Path::new("images/child.vhdx"), &[], false);
        for stored in [r"\\server\share\base.vhdx", r"\\.\pipe\base.vhdx", r"\\?\C:\base.vhdx", "/base.vhdx"]
        {
            assert!(
                parents.places(stored).iter().all(|place| *place == Path::new("images").join("base.vhdx")),
                "{stored}"
            );
        }
        for stored in [r"x\D:\base.vhdx", "D:base.vhdx", r"base.vhdx:stream", r"C:\x:y"] {
            assert_eq!(parents.places(stored), [""; 0].map(PathBuf::from), "{stored}");
        }
    }
}
