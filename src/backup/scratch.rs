//! The scratch folder, the only folder that restored files are written to.
//!
//! In: content, from any format. Out: numbered [`Restored`] files in one flat folder of mode 0700.
//! The folder is accessed through a handle (capability), and no name from a backup ever reaches the
//! file system. Programs that do the restoring write to [`Workspace`](super::Workspace)s in it
//! instead.
//!
//! A restored file is emptied on drop, and the next file is written into the empty one: creating
//! and deleting a file costs a journalling file system eight times as much as emptying and filling
//! it. So there are never more files than are being judged at once. A marker file is locked while
//! the run lives. It lets the next run recognise and remove what a killed run left behind; nothing
//! else is ever removed.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use crate::cancel::CancelToken;
use crate::lock::lock;
use crate::platform;

use super::holes;
use super::reservation::Reservation;
use super::restored::Restored;
use super::scratch_folder::{NotRemoved, PIECE, ScratchFolder};
use super::{Error, RestoreError};

/// Bytes that are left free on the disk of the restore folder, for other programs that write there.
pub const MARGIN: u64 = 64 << 20;

/// A new folder for one run. It is removed on drop.
#[derive(Debug)]
pub struct Scratch {
    pub(super) inner: Arc<ScratchFolder>,
    cancel: CancelToken,
}

impl Scratch {
    /// Creates a new folder below `restore_to`, which must exist.
    pub fn create(restore_to: &Path, cancel: CancelToken) -> Result<Self, Error> {
        let fail = |source| Error::Scratch { path: restore_to.to_owned(), source };
        let inner = ScratchFolder::create(restore_to).map_err(fail)?;
        Ok(Self { inner: Arc::new(inner), cancel })
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        self.inner.path()
    }

    /// Removes the folder. Drop does this too, but can report an error only on standard error.
    pub fn remove(self) -> Result<(), NotRemoved> {
        let path = self.inner.path().to_owned();
        match Arc::try_unwrap(self.inner) {
            Ok(mut inner) => inner.remove(),
            // The restored file that is still open holds the folder and removes it when dropped.
            Err(_) => Err(NotRemoved { path, problem: "a restored file is still open".to_owned() }),
        }
    }

    /// Set once the run is cancelled.
    pub(super) fn cancel_token(&self) -> &CancelToken {
        &self.cancel
    }

    /// Restores the bytes that `content` gives. `declared` is the size that the backup declares.
    /// Longer content is cut off there and is an error; shorter content is accepted as it is.
    pub fn restore(
        &self,
        content: &mut dyn Read,
        declared: Option<u64>,
        buffer: &mut Vec<u8>,
    ) -> Result<Restored, RestoreError> {
        self.restore_beside(0, content, declared, buffer)
    }

    /// The same as [`restore`](Self::restore), for a caller that holds `held` other restored files
    /// until this one is complete.
    pub fn restore_beside(
        &self,
        held: u64,
        content: &mut dyn Read,
        declared: Option<u64>,
        buffer: &mut Vec<u8>,
    ) -> Result<Restored, RestoreError> {
        let mut reservation = self.reserve(declared.unwrap_or(0), held)?;
        let mut restored = self.create_file().map_err(RestoreError::Scratch)?;
        // With a buffer one byte larger than declared, a single read shows whether the content is
        // longer.
        let piece = declared.map_or(PIECE, |size| {
            usize::try_from(size.saturating_add(1)).unwrap_or(PIECE).clamp(4096, PIECE)
        });
        if buffer.len() < piece {
            buffer.resize(piece, 0);
        }
        self.fill(&mut restored, &mut reservation, content, declared, &mut buffer[..piece])?;
        Ok(restored)
    }

    /// Appends all that `content` gives, one full `buffer` at a time.
    fn fill(
        &self,
        restored: &mut Restored,
        reservation: &mut Reservation<'_>,
        content: &mut dyn Read,
        declared: Option<u64>,
        buffer: &mut [u8],
    ) -> Result<(), RestoreError> {
        loop {
            let got = platform::read_full(content, buffer).map_err(RestoreError::from_read)?;
            let size = restored.size() + got as u64;
            if let Some(declared) = declared.filter(|&declared| size > declared) {
                return Err(RestoreError::TooLong { declared });
            }
            restored.write(&buffer[..got])?;
            reservation.use_up(got as u64);
            if got < buffer.len() {
                return Ok(());
            }
            if self.cancel.is_cancelled() {
                return Err(RestoreError::Stopped);
            }
        }
    }

    /// Restores a whole open file of `size` bytes in the fastest way the system offers (a reflink,
    /// or a copy inside the kernel for large files). Holes remain holes and take no space, if the
    /// system tells where they are.
    pub fn copy(&self, from: &mut File, size: u64, buffer: &mut Vec<u8>) -> Result<Restored, RestoreError> {
        if size < PIECE as u64 {
            return self.copy_small(from, size, buffer);
        }
        if holes::is_sparse(from, size) {
            return self.copy_sparse(0, &mut &*from, size, buffer);
        }
        from.rewind().map_err(RestoreError::from_read)?;
        let mut reservation = self.reserve(size, 0)?;
        let mut restored = self.create_file().map_err(RestoreError::Scratch)?;
        loop {
            let to = restored.file_mut()?;
            let Ok(copied) = platform::copy_in_kernel(from, to, 8 * PIECE as u64) else {
                return self.copy_by_hand(from, restored, &mut reservation, buffer);
            };
            restored.count(copied);
            reservation.use_up(copied);
            if copied == 0 {
                return Ok(restored);
            }
            if self.cancel.is_cancelled() {
                return Err(RestoreError::Stopped);
            }
        }
    }

    /// Continues with reads and writes after a copy inside the kernel has failed or is not
    /// available. They show which side an error comes from.
    fn copy_by_hand(
        &self,
        from: &mut File,
        mut restored: Restored,
        reservation: &mut Reservation<'_>,
        buffer: &mut Vec<u8>,
    ) -> Result<Restored, RestoreError> {
        if buffer.len() < PIECE {
            buffer.resize(PIECE, 0);
        }
        let done = SeekFrom::Start(restored.size());
        from.seek(done).map_err(RestoreError::from_read)?;
        restored.file_mut()?.seek(done).map_err(RestoreError::Scratch)?;
        self.fill(&mut restored, reservation, from, None, &mut buffer[..PIECE])?;
        Ok(restored)
    }

    /// Reserves disk space for what is written next. A file that does not fit beside all others is
    /// not started, so that the disk is never filled to the last byte.
    pub(super) fn reserve(&self, size: u64, held: u64) -> Result<Reservation<'_>, RestoreError> {
        self.inner.space.reserve(size, held, &self.cancel, &|| platform::free_space(self.inner.path()))
    }

    /// Copies with one read and one write. If the read returns exactly as many bytes as the file is
    /// long, that is its end, and no second read is needed.
    fn copy_small(&self, from: &mut File, size: u64, buffer: &mut Vec<u8>) -> Result<Restored, RestoreError> {
        let mut reservation = self.reserve(size, 0)?;
        let mut restored = self.create_file().map_err(RestoreError::Scratch)?;
        // Its size is less than `PIECE`.
        let length = usize::try_from(size).unwrap_or(PIECE) + 1;
        if buffer.len() < length {
            buffer.resize(length.next_power_of_two(), 0);
        }
        let got = platform::read_whole(from, &mut buffer[..length], size).map_err(RestoreError::from_read)?;
        restored.write(&buffer[..got])?;
        reservation.use_up(got as u64);
        Ok(restored)
    }

    /// An empty numbered file, to be filled with [`Restored::write`]. The caller must have reserved
    /// space for it.
    pub fn create_file(&self) -> io::Result<Restored> {
        let idle = lock(&self.inner.idle).pop();
        let (file, number) = idle.map_or_else(|| self.inner.new_file(), Ok)?;
        Ok(Restored::new(file, number, Arc::clone(&self.inner)))
    }
}

impl RestoreError {
    /// Converts an error that came from reading a decoder or a file of the backup.
    pub(super) fn from_read(error: io::Error) -> Self {
        Self::Read(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn below() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn a_restored_file_is_readable_and_nothing_of_it_is_left_when_dropped() {
        let target = below();
        let scratch = Scratch::create(target.path(), CancelToken::new()).unwrap();
        let restored = scratch.restore(&mut &b"hello"[..], Some(5), &mut Vec::new()).unwrap();
        assert_eq!(restored.size(), 5);
        assert_eq!(std::fs::read(scratch.path().join("000000")).unwrap(), b"hello");
        drop(restored);
        assert_eq!(std::fs::read(scratch.path().join("000000")).unwrap(), b"");
        let next = scratch.restore(&mut &b"abc"[..], None, &mut Vec::new()).unwrap();
        assert_eq!(std::fs::read(scratch.path().join("000000")).unwrap(), b"abc");
        assert_eq!(next.size(), 3);
    }

    #[test]
    fn a_folder_that_cannot_be_removed_is_reported_with_its_path() {
        let target = below();
        let scratch = Scratch::create(target.path(), CancelToken::new()).unwrap();
        let path = scratch.path().to_owned();
        std::fs::write(path.join("thesis.doc"), "not ours").unwrap();
        let error = scratch.remove().unwrap_err().to_string();
        assert!(error.contains(&path.display().to_string()) && error.contains("by hand"), "{error}");
        assert!(path.join("thesis.doc").exists());
        let scratch = Scratch::create(target.path(), CancelToken::new()).unwrap();
        let restored = scratch.restore(&mut &b"content"[..], None, &mut Vec::new()).unwrap();
        assert!(scratch.remove().unwrap_err().to_string().contains("still open"));
        drop(restored);
        std::fs::remove_dir_all(&path).unwrap();
        assert_eq!(std::fs::read_dir(target.path()).unwrap().count(), 0);
        let scratch = Scratch::create(target.path(), CancelToken::new()).unwrap();
        scratch.remove().unwrap();
    }

    #[test]
    fn content_that_grows_past_its_declared_size_is_cut_off() {
        let target = below();
        let scratch = Scratch::create(target.path(), CancelToken::new()).unwrap();
        let bomb = &mut io::repeat(0);
        let error = scratch.restore(bomb, Some(10_000), &mut Vec::new()).unwrap_err();
        assert!(matches!(error, RestoreError::TooLong { declared: 10_000 }), "{error}");
    }
}
