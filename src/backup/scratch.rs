//! The scratch folder: the one place that restored files are written to.
//!
//! In: content, from any format. Out: [`Restored`] files, numbered, in one flat folder of mode 0700
//! that is entered by capability, so that no name out of a backup ever reaches the file system.
//! Programs that restore by themselves write to [`Workspace`](super::Workspace)s in it instead. A
//! restored file is emptied as soon as its value is dropped, and the empty file serves the next
//! one: making and deleting a file costs a journalling file system eight times what emptying and
//! filling it does. So there are never more files than are judged at once. A marker file, locked
//! while the run lives, lets the next run recognise and remove what a killed one left; nothing else
//! is ever removed.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use crate::lock::lock;
use crate::platform;
use crate::stop::Stop;

use super::holes;
use super::reservation::Reservation;
use super::restored::Restored;
use super::scratch_folder::{PIECE, ScratchFolder, Stays};
use super::{Error, RestoreError};

/// Bytes that stay free on the restore folder's disk, for everybody else who writes there.
pub const MARGIN: u64 = 64 << 20;

/// A fresh folder for one run, removed when dropped.
#[derive(Debug)]
pub struct Scratch {
    pub(super) inner: Arc<ScratchFolder>,
    cancel: Stop,
}

impl Scratch {
    /// Makes a fresh folder below `restore_to`, which must exist.
    pub fn create(restore_to: &Path, cancel: Stop) -> Result<Self, Error> {
        let fail = |source| Error::Scratch { place: restore_to.to_owned(), source };
        let inner = ScratchFolder::create(restore_to).map_err(fail)?;
        Ok(Self { inner: Arc::new(inner), cancel })
    }

    /// Where it is.
    pub fn place(&self) -> &Path {
        self.inner.path()
    }

    /// Removes the folder. Otherwise that happens when this is dropped; what stops it is then told
    /// on standard error.
    pub fn remove(self) -> Result<(), Stays> {
        let place = self.inner.path().to_owned();
        match Arc::try_unwrap(self.inner) {
            Ok(mut inner) => inner.remove(),
            // A restored file that is still in use keeps it, and removes it in the end.
            Err(_) => Err(Stays { place, problem: "a restored file is still open".to_owned() }),
        }
    }

    /// Set once the run is cancelled.
    pub(super) fn cancel(&self) -> &Stop {
        &self.cancel
    }

    /// Restores what `content` gives. `declared` is the size the backup declares: content that
    /// grows past it is cut off there with an error, content that ends early is kept as it is.
    pub fn restore(
        &self,
        content: &mut dyn Read,
        declared: Option<u64>,
        buffer: &mut Vec<u8>,
    ) -> Result<Restored, RestoreError> {
        self.restore_beside(0, content, declared, buffer)
    }

    /// The same, for a caller that holds `held` restored files which it keeps until this one is
    /// restored.
    pub fn restore_beside(
        &self,
        held: u64,
        content: &mut dyn Read,
        declared: Option<u64>,
        buffer: &mut Vec<u8>,
    ) -> Result<Restored, RestoreError> {
        let mut reservation = self.reserve(declared.unwrap_or(0), held)?;
        let mut restored = self.create_file().map_err(RestoreError::Scratch)?;
        // One byte more than declared tells a short file from a growing one.
        let piece = declared.map_or(PIECE, |size| {
            usize::try_from(size.saturating_add(1)).unwrap_or(PIECE).clamp(4096, PIECE)
        });
        if buffer.len() < piece {
            buffer.resize(piece, 0);
        }
        self.fill(&mut restored, &mut reservation, content, declared, &mut buffer[..piece])?;
        Ok(restored)
    }

    /// Appends all that `content` gives, a full `buffer` at a time.
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
            if self.cancel.is_set() {
                return Err(RestoreError::Stopped);
            }
        }
    }

    /// Restores a whole open file of `size` bytes, by the quickest way the system has (a reflink or
    /// an in-kernel copy for large ones). Its holes stay holes, where the system tells of them, and
    /// take no space.
    pub fn copy(&self, from: &mut File, size: u64, buffer: &mut Vec<u8>) -> Result<Restored, RestoreError> {
        if size < PIECE as u64 {
            return self.copy_small(from, size, buffer);
        }
        if holes::is_sparse(from, size) {
            return self.copy_sparse(0, from, size, buffer);
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
            if self.cancel.is_set() {
                return Err(RestoreError::Stopped);
            }
        }
    }

    /// Goes on where a copy inside the kernel failed, or was not to be had: reading and writing
    /// tell which side an error comes from.
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

    /// Reserves disk space for what is written next: a file that does not fit beside all others is
    /// not begun, so the disk is never filled to its last byte.
    pub(super) fn reserve(&self, size: u64, held: u64) -> Result<Reservation<'_>, RestoreError> {
        self.inner.space.reserve(size, held, &self.cancel, &|| platform::free_space(self.inner.path()))
    }

    /// One read, one write. That the read gave just as much as the file was long is its end: no
    /// second read is needed.
    fn copy_small(&self, from: &mut File, size: u64, buffer: &mut Vec<u8>) -> Result<Restored, RestoreError> {
        let mut reservation = self.reserve(size, 0)?;
        let mut restored = self.create_file().map_err(RestoreError::Scratch)?;
        // Smaller than a piece.
        let length = usize::try_from(size).unwrap_or(PIECE) + 1;
        if buffer.len() < length {
            buffer.resize(length.next_power_of_two(), 0);
        }
        let got = platform::read_whole(from, &mut buffer[..length], size).map_err(RestoreError::from_read)?;
        restored.write(&buffer[..got])?;
        reservation.use_up(got as u64);
        Ok(restored)
    }

    /// An empty numbered file, to be filled by [`Restored::write`]; the caller has reserved
    /// space for it.
    pub fn create_file(&self) -> io::Result<Restored> {
        let idle = lock(&self.inner.idle).pop();
        let (file, number) = idle.map_or_else(|| self.inner.new_file(), Ok)?;
        Ok(Restored::new(file, number, Arc::clone(&self.inner)))
    }
}

impl RestoreError {
    /// An error that came while reading from a decoder or a file of the backup.
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
        let scratch = Scratch::create(target.path(), Stop::never()).unwrap();
        let restored = scratch.restore(&mut &b"hello"[..], Some(5), &mut Vec::new()).unwrap();
        assert_eq!(restored.size(), 5);
        assert_eq!(std::fs::read(scratch.place().join("000000")).unwrap(), b"hello");
        drop(restored);
        assert_eq!(std::fs::read(scratch.place().join("000000")).unwrap(), b"");
        let next = scratch.restore(&mut &b"abc"[..], None, &mut Vec::new()).unwrap();
        assert_eq!(std::fs::read(scratch.place().join("000000")).unwrap(), b"abc");
        assert_eq!(next.size(), 3);
    }

    #[test]
    fn a_folder_that_cannot_be_removed_is_told_with_its_place() {
        let target = below();
        let scratch = Scratch::create(target.path(), Stop::never()).unwrap();
        let place = scratch.place().to_owned();
        std::fs::write(place.join("thesis.doc"), "not ours").unwrap();
        let stays = scratch.remove().unwrap_err().to_string();
        assert!(stays.contains(&place.display().to_string()) && stays.contains("by hand"), "{stays}");
        assert!(place.join("thesis.doc").exists());
        let scratch = Scratch::create(target.path(), Stop::never()).unwrap();
        let restored = scratch.restore(&mut &b"content"[..], None, &mut Vec::new()).unwrap();
        assert!(scratch.remove().unwrap_err().to_string().contains("still open"));
        drop(restored);
        std::fs::remove_dir_all(&place).unwrap();
        assert_eq!(std::fs::read_dir(target.path()).unwrap().count(), 0);
        let scratch = Scratch::create(target.path(), Stop::never()).unwrap();
        scratch.remove().unwrap();
    }

    #[test]
    fn content_that_grows_past_its_declared_size_is_cut_off() {
        let target = below();
        let scratch = Scratch::create(target.path(), Stop::never()).unwrap();
        let bomb = &mut io::repeat(0);
        let error = scratch.restore(bomb, Some(10_000), &mut Vec::new()).unwrap_err();
        assert!(matches!(error, RestoreError::TooLong { declared: 10_000 }), "{error}");
    }
}
