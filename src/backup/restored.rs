//! A single restored file.
//!
//! In: a numbered file in the scratch folder, either created and filled there, or adopted from a
//! [`Workspace`](super::Workspace). Out: its bytes at any offset. On drop it is emptied or removed.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::Path;
use std::sync::Arc;

use cap_std::fs::Dir;

use crate::lock::lock;
use crate::platform;

use super::RestoreError;
use super::scratch_folder::{ScratchFolder, with_number};
use crate::bytes::ReadAt;

/// A restored file, open for reading. On drop it is emptied, or removed if it was adopted.
#[derive(Debug)]
pub struct Restored {
    file: Option<File>,
    size: u64,
    /// The number of its bytes that take up disk space.
    written: u64,
    number: u64,
    /// Whether a program created it. Such a file is never written to, and is removed on drop.
    is_adopted: bool,
    scratch: Arc<ScratchFolder>,
}

impl Restored {
    /// An empty file. It is counted in the disk space from now on.
    pub(super) fn new(file: File, number: u64, scratch: Arc<ScratchFolder>) -> Self {
        scratch.space.add_file();
        Self { file: Some(file), size: 0, written: 0, number, is_adopted: false, scratch }
    }

    /// A file of `size` bytes that a program has written and that is already renamed to its number.
    pub(super) fn adopt(file: File, size: u64, number: u64, scratch: Arc<ScratchFolder>) -> Self {
        scratch.space.add_file();
        Self { file: Some(file), size, written: size, number, is_adopted: true, scratch }
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The open file, to be read at offsets.
    pub fn file(&self) -> &File {
        // Only `drop` takes it, and after that no reference to self can exist.
        #[expect(clippy::expect_used)]
        self.file.as_ref().expect("open until dropped")
    }

    /// The open file, to be written to.
    pub(super) fn file_mut(&mut self) -> Result<&mut File, RestoreError> {
        self.file.as_mut().ok_or(RestoreError::Stopped)
    }

    /// Counts `bytes` that the caller has written to its end.
    pub(super) fn count(&mut self, bytes: u64) {
        self.size += bytes;
        self.written += bytes;
    }

    /// Counts `bytes` of its holes that take up disk space.
    pub(super) fn count_filled(&mut self, bytes: u64) {
        self.written += bytes;
    }

    /// Appends `bytes`.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        self.file_mut()?.write_all(bytes).map_err(cannot_write)?;
        self.count(bytes.len() as u64);
        Ok(())
    }

    /// Sets the length of the file to `size` bytes. Ranges that were not written read as zeros
    /// (sparse members).
    pub fn set_len(&mut self, size: u64) -> Result<(), RestoreError> {
        platform::allow_holes(self.file());
        self.file().set_len(size).map_err(RestoreError::Scratch)?;
        self.size = size;
        Ok(())
    }

    /// Moves the file to `name` below `folder` instead of deleting it. `folder` must be in the same
    /// restore folder.
    pub fn keep(mut self, folder: &Dir, name: &Path) -> io::Result<()> {
        drop(self.file.take());
        self.written = 0;
        if let Some(parent) = name.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            folder.create_dir_all(parent)?;
        }
        with_number(self.number, |number| self.scratch.dir()?.rename(number, folder, name))
    }
}

/// A restored file may be a container itself.
impl ReadAt for Restored {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        platform::read_at(self.file(), buffer, offset)
    }

    fn len(&self) -> u64 {
        self.size
    }
}

impl Drop for Restored {
    fn drop(&mut self) {
        // If `keep` took the file, it is closed already. If it cannot be emptied or removed here,
        // it is removed with the folder.
        if let Some(mut file) = self.file.take() {
            if self.is_adopted {
                drop(file);
                // An adopted file is never emptied: if it has been given a second name in the
                // meantime, the bytes belong to someone else.
                let _ = with_number(self.number, |name| self.scratch.dir()?.remove_file(name));
            } else if file.set_len(0).and_then(|()| file.rewind()).is_ok() {
                lock(&self.scratch.idle).push((file, self.number));
            }
        }
        self.scratch.space.remove_file(self.written);
    }
}

/// What a failed write means. If the file system cannot hold a file this large, that says nothing
/// about other files, so the run goes on.
pub(super) fn cannot_write(error: io::Error) -> RestoreError {
    if error.kind() == io::ErrorKind::FileTooLarge {
        let problem =
            "no file in the restore folder can be that large; choose a restore folder on another disk";
        return RestoreError::Unsupported(problem.to_owned());
    }
    RestoreError::Scratch(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_numbers_of_at_least_six_digits() {
        assert_eq!(with_number(0, str::to_owned), "000000");
        assert_eq!(with_number(1_234_567, str::to_owned), "1234567");
        assert_eq!(with_number(u64::MAX, str::to_owned), u64::MAX.to_string());
    }
}
