//! Writes what a person asked for: to standard output, or to a file that has either its old content
//! or all of its new content.
//!
//! Every report, page and configuration is written here. The caller decides before whether a file
//! may be written at that path (it must not be an original or part of a backup).

use std::ffi::OsString;
use std::fmt;
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use cap_std::fs::{Dir, OpenOptions};

use crate::platform::{self, Destination};

/// Where a person wants something written. On the command line and in the configuration, `-` means
/// standard output. A file with that name is `./-`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Standard output.
    Stdout,
    /// A file.
    File(PathBuf),
}

impl From<OsString> for Output {
    fn from(text: OsString) -> Self {
        if text == "-" { Self::Stdout } else { Self::File(text.into()) }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => out.write_str("standard output"),
            Self::File(path) => path.display().fmt(out),
        }
    }
}

impl Output {
    /// The path, if it is a file.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Stdout => None,
            Self::File(path) => Some(path),
        }
    }

    /// Writes the content. A file is replaced as a whole ([`replace`]).
    ///
    /// # Errors
    /// The error of the system. On standard output that includes a reader that has closed the pipe.
    pub fn write(&self, content: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => write_all(&mut io::stdout().lock(), content),
            Self::File(path) => replace(path, content),
        }
    }
}

/// Shows text to a person on standard output, or on standard error if a report is written to
/// standard output. A reader that has closed the pipe (`bkverify plan | head -1`) is not an error:
/// it has read what it wanted.
pub fn show(text: &[u8], stdout_taken: bool) -> io::Result<()> {
    let shown = if stdout_taken {
        write_all(&mut io::stderr().lock(), text)
    } else {
        write_all(&mut io::stdout().lock(), text)
    };
    shown.or_else(|error| if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
}

fn write_all(out: &mut dyn Write, content: &[u8]) -> io::Result<()> {
    out.write_all(content)?;
    out.flush()
}

/// Creates or replaces a file through a temporary file beside it. So a reader always finds the old
/// content or the new content, even after a crash. A replaced file keeps its permissions. A new
/// file gets the permissions that this user's files get (the umask). Anything but a regular file (a
/// pipe, `/dev/null`) is written to directly.
///
/// Links are followed if they belong to this user or to root, or if nobody else can write to the
/// folder that they are in. Links of other users are refused. So are their pipes and devices, and
/// their files in a folder like `/tmp`. Otherwise anybody who can write there could make root
/// overwrite any file.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    for _ in 1..ATTEMPTS {
        match replace_once(path, content) {
            // Another process has just made it. Now it is a file to replace.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            // On Windows, a file cannot be replaced in the moment in which another process does so.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => thread::sleep(PAUSE),
            done => return done,
        }
    }
    replace_once(path, content)
}

/// How often a file is tried to be written that others make and remove at the same time.
const ATTEMPTS: u32 = 10;

/// How long to wait for another process to replace a file.
const PAUSE: Duration = Duration::from_millis(10);

fn replace_once(path: &Path, content: &[u8]) -> io::Result<()> {
    match platform::destination(path)? {
        Destination::Device(mut device) => write_all(&mut device, content),
        file => put(file, content),
    }
}

/// Creates a new file, as a whole or not at all.
///
/// # Errors
/// `AlreadyExists` if the path exists.
pub fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    match platform::destination(path)? {
        file @ Destination::File { is_new: true, .. } => put(file, content),
        _ => Err(io::ErrorKind::AlreadyExists.into()),
    }
}

fn put(destination: Destination, content: &[u8]) -> io::Result<()> {
    let draft = Draft::of(destination)?;
    draft.file().write_all(content)?;
    draft.finish(None)
}

/// A file that is being written, under a temporary name beside its own. If it is dropped before it
/// is finished, it is removed, and what was there stays as it was.
#[derive(Debug)]
pub struct Draft {
    folder: Dir,
    temporary: String,
    name: OsString,
    is_new: bool,
    permissions: Option<Permissions>,
    /// `None` once it is finished.
    file: Option<File>,
}

impl Draft {
    /// Begins a file at this path. If there is one already, `replaces` decides whether it will be
    /// replaced.
    ///
    /// # Errors
    /// `AlreadyExists` if the path exists and is not to be replaced, or is not a file.
    pub fn begin(path: &Path, replaces: bool) -> io::Result<Self> {
        match platform::destination(path)? {
            Destination::File { is_new: false, .. } if !replaces => Err(io::ErrorKind::AlreadyExists.into()),
            Destination::Device(_) => Err(io::ErrorKind::AlreadyExists.into()),
            file => Self::of(file),
        }
    }

    fn of(destination: Destination) -> io::Result<Self> {
        let Destination::File { folder, name, is_new, permissions } = destination else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let temporary = format!("{TEMPORARY}{:016x}", rand::random::<u64>());
        let file = if is_new {
            folder.open_with(&temporary, OpenOptions::new().write(true).create_new(true))?.into_std()
        } else {
            // The old file may be private. So nobody else may read the new one until it has the
            // same permissions.
            platform::create_private_file(&folder, &temporary)?
        };
        Ok(Self { folder, temporary, name, is_new, permissions, file: Some(file) })
    }

    /// What is written to.
    pub fn file(&self) -> Writing<'_> {
        Writing(self.file.as_ref())
    }

    /// The name of the temporary file, which is in the same folder.
    pub fn temporary(&self) -> &str {
        &self.temporary
    }

    /// Gives the file its name, with this modification time if there is one.
    pub fn finish(mut self, modified: Option<SystemTime>) -> io::Result<()> {
        if let Some(file) = &self.file {
            if let Some(permissions) = self.permissions.take() {
                file.set_permissions(permissions)?;
            }
            if let Some(modified) = modified {
                file.set_modified(modified)?;
            }
            file.sync_all()?;
        }
        // Windows cannot rename an open file.
        let file = self.file.take();
        drop(file);
        let done = platform::put(&self.folder, &self.temporary, &self.name, self.is_new);
        if done.is_err() {
            self.remove();
        }
        done
    }

    fn remove(&self) {
        // The error that matters is about the file that was asked for. If the temporary file cannot
        // be removed, its name says that it is ours.
        let _ = self.folder.remove_file(&self.temporary);
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            drop(file);
            self.remove();
        }
    }
}

/// Writes to a draft.
#[derive(Debug)]
pub struct Writing<'a>(Option<&'a File>);

impl Write for Writing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.ok_or(io::ErrorKind::NotFound)?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.map_or(Ok(()), |mut file| file.flush())
    }
}

/// How the names of temporary files begin.
const TEMPORARY: &str = ".bkverify-new-";

#[cfg(test)]
mod tests;
