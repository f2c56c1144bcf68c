//! The folder that contains the restored files of a run. It is private, has a locked marker, and is
//! removed at the end.
//!
//! The marker lets the next run recognise what a killed run left behind. Nothing else is ever
//! removed.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};

use crate::lock::lock;
use crate::platform;

use super::leftovers::{self, FOLDER_PREFIX, MARKER, WORKSPACES, is_locked, remove_ours};
use super::reservation::DiskSpace;

const MARKER_TEXT: &str = "A running bkverify holds a lock on this file and removes this folder when it ends.\n\
    If it was killed, the next bkverify run with the same restore folder removes it.\n";

/// How often creating a new folder is retried.
const ATTEMPTS: u32 = 16;

/// Content is copied in pieces of this many bytes. Between two pieces a run can be cancelled.
pub(super) const PIECE: usize = 1 << 20;

/// The folder of one run, shared by all who use it. It is removed on drop.
#[derive(Debug)]
pub(super) struct ScratchFolder {
    parent: Dir,
    name: String,
    path: PathBuf,
    /// Closed before the folder is removed, because Windows cannot remove an open folder.
    dir: Option<Dir>,
    marker: Option<File>,
    next: AtomicU64,
    /// Empty files that can be filled again, with their numbers.
    pub(super) idle: Mutex<Vec<(File, u64)>>,
    pub(super) space: DiskSpace,
    /// Whether holes of files take no space here, once that was asked.
    pub(super) keeps_holes: OnceLock<bool>,
    /// The folder that contains all workspaces, once it was created.
    workspaces: Mutex<Option<Dir>>,
}

/// The scratch folder could not be removed. It may contain files of the backup.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot remove {}, which may contain restored files: {problem}; the next run tries again, or remove it by hand",
    path.display()
)]
pub struct NotRemoved {
    pub(super) path: PathBuf,
    pub(super) problem: String,
}

impl ScratchFolder {
    /// A new empty file, with its number.
    pub(super) fn new_file(&self) -> io::Result<(File, u64)> {
        let number = self.next_number();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        let file = with_number(number, |name| self.dir()?.open_with(name, &options))?;
        Ok((file.into_std(), number))
    }

    /// A number that no file or workspace has had before.
    pub(super) fn next_number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The folder that contains the workspaces. The first call creates it and records its number in
    /// the marker, because the next run removes no other folder of that name.
    pub(super) fn workspaces(&self) -> io::Result<Dir> {
        let mut known = lock(&self.workspaces);
        if let Some(dir) = &*known {
            return dir.try_clone();
        }
        let dir = platform::make_private_dir(self.dir()?, WORKSPACES)?;
        leftovers::register(self.marker.as_ref(), &dir)?;
        known.insert(dir).try_clone()
    }

    /// The open folder.
    pub(super) fn dir(&self) -> io::Result<&Dir> {
        self.dir.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl ScratchFolder {
    /// Creates a new folder below `restore_to`, which must exist.
    pub(super) fn create(restore_to: &Path) -> io::Result<Self> {
        let parent = Dir::open_ambient_dir(restore_to, ambient_authority())?;
        // Another run that starts at the same time may take a folder without a locked marker for a
        // leftover and remove it. Then this is tried again.
        let mut attempt = 0;
        let (name, dir, marker) = loop {
            match create_locked(&parent) {
                Ok(made) => break made,
                Err(error) if attempt == ATTEMPTS => return Err(error),
                Err(_) => attempt += 1,
            }
        };
        Ok(Self {
            path: restore_to.join(&name),
            parent,
            name,
            dir: Some(dir),
            marker: Some(marker),
            next: AtomicU64::new(0),
            idle: Mutex::default(),
            space: DiskSpace::default(),
            keeps_holes: OnceLock::new(),
            workspaces: Mutex::default(),
        })
    }

    /// The path of the folder.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the folder, at the first call only. If something cannot be removed (permission lost,
    /// for example), the next run recognises it.
    pub(super) fn remove(&mut self) -> Result<(), NotRemoved> {
        lock(&self.idle).clear();
        lock(&self.workspaces).take();
        let Some(dir) = self.dir.take() else { return Ok(()) };
        let problem = match remove_ours(&self.parent, &self.name, dir, self.marker.take()) {
            Ok(true) => return Ok(()),
            Ok(false) => "it contains something that bkverify did not create".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(NotRemoved { path: self.path.clone(), problem })
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            // The run has no outcome any more to add this to. If standard error is closed, there is
            // nobody to tell.
            let _ = writeln!(io::stderr(), "bkverify: warning: {error}");
        }
    }
}

fn create_locked(parent: &Dir) -> io::Result<(String, Dir, File)> {
    let name = format!("{FOLDER_PREFIX}{:016x}", rand::random::<u64>());
    let dir = platform::make_private_dir(parent, &name)?;
    let mut options = OpenOptions::new();
    let mut marker = dir.open_with(MARKER, options.read(true).write(true).create_new(true))?.into_std();
    // On a file system without locks, other runs do not take this folder for a leftover either.
    if is_locked(&marker.try_lock()) == Some(true) {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    marker.write_all(MARKER_TEXT.as_bytes())?;
    dir.metadata(MARKER)?;
    Ok((name, dir, marker))
}

/// Calls `act` with the file name for a number, without an allocation.
pub(super) fn with_number<T>(number: u64, act: impl FnOnce(&str) -> T) -> T {
    let mut digits = [b'0'; 20];
    let mut rest = number;
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 && start <= digits.len() - 6 {
            break;
        }
    }
    // Only ASCII digits.
    act(std::str::from_utf8(&digits[start..]).unwrap_or_default())
}
