//! A folder inside the scratch folder for a program that does the restoring: restic, borg, rclone.
//!
//! In: whatever the program writes below [`Workspace::path`]. Out: those of its regular files that
//! the caller asks for, as [`Restored`] files that are judged like all others.
//!
//! Names come from the backup, and nothing that the program has written is trusted. A file is
//! [adopted](Workspace::adopt) through open handles, folder by folder from the workspace down, and
//! no link is followed: a link to an original would make the original its own restored copy, which
//! is always equal. For the same reason a file with a second name (a hard link) is refused. So are
//! pipes and devices, which are not even opened. An adopted file is renamed to a number of its own
//! in the scratch folder, so that the program can no longer replace it.
//!
//! All other files are removed with the workspace, through open handles, without following a link
//! or entering a file system that is mounted there. If a run is killed, the next run removes them
//! ([`leftovers`](super::leftovers)).
//!
//! The program itself is given a path, and writes wherever that path leads. Anyone who can rename
//! folders in the restore folder can redirect it. So restore to a folder that only you can write
//! to.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::Dir;

use crate::bytes::ReadAt;
use crate::platform;

use super::leftovers::{WORKSPACES, remove_made};
use super::reservation::Reservation;
use super::scratch_folder::{PIECE, with_number};
use super::{RestoreError, Restored, Scratch, relative};

/// A folder that a program may write to. It is removed with everything in it on drop.
#[derive(Debug)]
pub struct Workspace<'a> {
    scratch: &'a Scratch,
    parent: Dir,
    name: String,
    path: PathBuf,
    /// Closed before the folder is removed, because Windows cannot remove an open folder.
    dir: Option<Dir>,
    reservation: Reservation<'a>,
}

impl Scratch {
    /// Creates a workspace for a program that is about to write about `size` bytes. Waits until
    /// there is space for them, as for any file.
    pub fn workspace(&self, size: u64) -> Result<Workspace<'_>, RestoreError> {
        let reservation = self.reserve(size, 0)?;
        let name = with_number(self.inner.next_number(), str::to_owned);
        let made = self.inner.workspaces().and_then(|parent| {
            let dir = platform::make_private_dir(&parent, &name)?;
            Ok((parent, dir))
        });
        let (parent, dir) = made.map_err(RestoreError::Scratch)?;
        let path = self.path().join(WORKSPACES).join(&name);
        Ok(Workspace { scratch: self, parent, name, path, dir: Some(dir), reservation })
    }
}

impl Scratch {
    /// A folder for what a program needs besides the files that it restores. No other user can enter
    /// it. It is removed with the scratch folder.
    pub(super) fn program_folder(&self) -> io::Result<PathBuf> {
        let name = with_number(self.inner.next_number(), str::to_owned);
        platform::make_private_dir(&self.inner.workspaces()?, &name)?;
        Ok(self.path().join(WORKSPACES).join(name))
    }
}

impl Workspace<'_> {
    /// The folder that the program must write to. No other user can enter it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the file at `path`, relative to the workspace. The program must have finished writing
    /// it. Afterwards it is no longer in the workspace.
    ///
    /// Returns [`RestoreError::Damaged`] if the program wrote something other than a regular file
    /// there, or nothing.
    pub fn adopt(&mut self, path: &[u8]) -> Result<Restored, RestoreError> {
        let path = relative(path).map_err(RestoreError::Name)?;
        let top = self.dir.as_ref().ok_or(RestoreError::Stopped)?;
        let scratch = &self.scratch.inner;
        let number = scratch.next_number();
        let taken = take(top, &path, |folder, name| {
            let to = scratch.dir()?;
            with_number(number, |number| {
                let file = platform::open_made_file(top, folder, name)?;
                folder.rename(name, to, number)?;
                // The program may have replaced the file before the rename, or given it a second
                // name. So the renamed file is opened again and compared with the first.
                same_file(&file, platform::open_made_file(top, to, number.as_ref())).inspect_err(|_| {
                    // Back to the workspace, which is removed whatever it contains.
                    let _ = to.rename(number, folder, name);
                })
            })
        });
        match taken {
            Ok((file, size)) => {
                self.reservation.use_up(size);
                Ok(Restored::adopt(file, size, number, Arc::clone(scratch)))
            }
            Err(error) => Err(explain(error)),
        }
    }
}

impl Workspace<'_> {
    /// A copy of a file that was adopted, for another name of the same file. Space for it must have
    /// been asked for together with the workspace.
    pub(super) fn copy_of(&mut self, adopted: &Restored) -> Result<Restored, RestoreError> {
        let mut copy = self.scratch.create_file().map_err(RestoreError::Scratch)?;
        let mut buffer = vec![0; PIECE];
        let mut offset = 0;
        while offset < adopted.size() {
            let got = adopted.read_at(&mut buffer, offset).map_err(RestoreError::Scratch)?;
            if got == 0 {
                let problem = "it became shorter while it was read";
                return Err(RestoreError::Scratch(io::Error::new(io::ErrorKind::UnexpectedEof, problem)));
            }
            copy.write(&buffer[..got])?;
            self.reservation.use_up(got as u64);
            offset += got as u64;
            if self.scratch.cancel_token().is_cancelled() {
                return Err(RestoreError::Stopped);
            }
        }
        Ok(copy)
    }
}

/// Opens one folder after the other down to the one that contains the file, and calls `act` with
/// that folder and the name of the file.
fn take<T>(top: &Dir, path: &[u8], act: impl FnOnce(&Dir, &Path) -> io::Result<T>) -> io::Result<T> {
    let mut folder = top.try_clone()?;
    let mut rest = path;
    while let Some(end) = rest.iter().position(|&byte| byte == b'/') {
        folder = platform::open_made_dir(top, &folder, &platform::path_from_bytes(&rest[..end]))?;
        rest = &rest[end + 1..];
    }
    act(&folder, &platform::path_from_bytes(rest))
}

/// The file that was opened again, with its size. An error if it is not the same file as `first`.
fn same_file(first: &File, again: io::Result<File>) -> io::Result<(File, u64)> {
    let again = again?;
    let state = platform::stat(&again)?;
    if state.id != platform::stat(first)?.id {
        let problem = "another file replaced it while it was read";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    }
    Ok((again, state.size))
}

/// Decides whether the program is to blame, or the disk that it wrote to.
fn explain(error: io::Error) -> RestoreError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::InvalidFilename => {
            RestoreError::Damaged("the program that restores it has not written it".to_owned())
        }
        io::ErrorKind::InvalidInput | io::ErrorKind::PermissionDenied => RestoreError::Damaged(format!(
            "the program that restores it has written something that is not accepted: {error}"
        )),
        io::ErrorKind::NotADirectory | io::ErrorKind::CrossesDevices => RestoreError::Damaged(
            "the program that restores it has written a link, a mount point or a file in place of a folder above it"
                .to_owned(),
        ),
        _ => RestoreError::Scratch(error),
    }
}

impl Drop for Workspace<'_> {
    fn drop(&mut self) {
        if let Some(dir) = self.dir.take() {
            // Whatever remains is removed with the scratch folder, which also reports errors.
            let _ = remove_made(&self.parent, &self.name, dir);
        }
    }
}
