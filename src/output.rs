//! Where the program puts what a person asked for: on standard output, or in a file that is either
//! the old one or the whole new one.
//!
//! Every report, page and configuration goes through here. Whether a file may be written where
//! somebody says (it must be no original and in no backup) is decided before, by the caller.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use cap_std::fs::OpenOptions;

use crate::platform::{self, Destination};

/// Where a person wants something written. On the command line and in the configuration `-` is
/// standard output; a file of that name is `./-`.
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
    /// The file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Stdout => None,
            Self::File(path) => Some(path),
        }
    }

    /// Puts the content there; a file is replaced as a whole ([`replace`]).
    ///
    /// # Errors
    /// What the system says; on standard output that includes a reader that has gone.
    pub fn write(&self, content: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => write_all(&mut io::stdout().lock(), content),
            Self::File(path) => replace(path, content),
        }
    }
}

/// Shows text to a person on standard output, or on standard error where a report takes standard
/// output. A reader that has gone (`bkverify plan | head -1`) has read what it wanted.
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

/// Puts a file in the place of another (or of none) by a temporary file beside it, so that a
/// reader, and a crash, find the old content or the new one. A replaced file keeps its permissions;
/// a new one gets those that this user's files get (the umask). What is no regular file (a pipe,
/// `/dev/null`) is written as it is.
///
/// Links are followed if they are this user's or root's, or lie where nobody else can write. Those
/// of others are refused, and so are their pipes and devices, and their files in a folder like
/// `/tmp`: who may write there could make root write over a file of his choice.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    match platform::destination(path)? {
        Destination::Device(mut device) => write_all(&mut device, content),
        file => put(file, content),
    }
}

/// Makes a file that is not there yet, as a whole or not at all.
///
/// # Errors
/// `AlreadyExists` where something is there.
pub fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    match platform::destination(path)? {
        file @ Destination::File { is_new: true, .. } => put(file, content),
        _ => Err(io::ErrorKind::AlreadyExists.into()),
    }
}

fn put(destination: Destination, content: &[u8]) -> io::Result<()> {
    let Destination::File { folder, name, is_new, permissions } = destination else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let temporary = format!(".bkverify-new-{:016x}", rand::random::<u64>());
    let mut file = if is_new {
        folder.open_with(&temporary, OpenOptions::new().write(true).create_new(true))?.into_std()
    } else {
        // Until it has the permissions of the one that it replaces, nobody else may look.
        platform::create_private_file(&folder, &temporary)?
    };
    let written = file
        .write_all(content)
        .and_then(|()| permissions.map_or(Ok(()), |permissions| file.set_permissions(permissions)))
        .and_then(|()| file.sync_all());
    // Windows renames no file that is open.
    drop(file);
    let done = written.and_then(|()| platform::put(&folder, &temporary, &name, is_new));
    if done.is_err() {
        // The error is about the file that was asked for; what stays is one of ours with a telling
        // name.
        let _ = folder.remove_file(&temporary);
    }
    done
}

#[cfg(test)]
mod tests;
