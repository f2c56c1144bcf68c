//! Restored copies that stay behind on request, under their own names.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use crate::backup::Restored;
use crate::platform;

/// A folder beside the scratch folder, made when the first copy is kept.
#[derive(Debug)]
pub struct Kept {
    restore_to: PathBuf,
    name: String,
    folder: Mutex<Option<Dir>>,
}

impl Kept {
    /// For a run that began at `stamp` (part of the folder's name).
    pub fn new(restore_to: &Path, stamp: &str) -> Self {
        let name = format!("bkverify-kept-{stamp}");
        Self { restore_to: restore_to.to_owned(), name, folder: Mutex::default() }
    }

    /// Moves a copy to its own name, escaped where the file system cannot hold it; a name that is taken (two that differ by
    /// case alone, say) gets a number behind it. Returns where it is now.
    pub fn keep(&self, restored: Restored, path: &[u8]) -> io::Result<PathBuf> {
        let mut folder = self.folder.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = match folder.take() {
            Some(dir) => dir,
            None => self.open()?,
        };
        let wanted = platform::holdable_name(path);
        let mut name = wanted.clone();
        let mut count = 1;
        while dir.symlink_metadata(&name).is_ok() {
            count += 1;
            name = wanted.with_added_extension(count.to_string());
        }
        let kept = restored.keep(&dir, &name);
        *folder = Some(dir);
        kept.map(|()| self.restore_to.join(&self.name).join(name))
    }

    fn open(&self) -> io::Result<Dir> {
        let parent = Dir::open_ambient_dir(&self.restore_to, ambient_authority())?;
        platform::create_private_dir(&parent, &self.name)?;
        parent.open_dir(&self.name)
    }
}
