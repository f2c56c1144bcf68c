//! What can go wrong with a backup as a whole, and with one entry of it.

use std::io;
use std::path::PathBuf;

use super::{Location, NameProblem};

/// The backup, or the folder it is restored to, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not there, or may not be read.
    #[error("cannot open the backup {location}")]
    Open {
        /// The backup.
        location: Location,
        /// What the system says.
        source: io::Error,
    },
    /// It is there, but of no format that is known.
    #[error("{location} is no backup format that bkverify knows (its first bytes: {first_bytes})")]
    Unrecognised {
        /// The backup.
        location: Location,
        /// The first bytes, in hexadecimal.
        first_bytes: String,
    },
    /// It can be read, but holds no backup that can be verified.
    #[error("{location} is no backup that bkverify can verify: {problem}")]
    NotABackup {
        /// The file.
        location: Location,
        /// What it is instead, and what to do.
        problem: String,
    },
    /// Its format is known, but nothing of it can be listed.
    #[error("the {format} backup {location} cannot be read: {problem}")]
    Damaged {
        /// The backup.
        location: Location,
        /// The format's name.
        format: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The folder that is restored to failed (full, read-only, gone).
    #[error("cannot write to the restore folder {}", place.display())]
    Scratch {
        /// The folder.
        place: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// A part of a backup that cannot be listed or read: files are lost, and nobody can tell which.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{problem}")]
pub struct Damage {
    /// What is lost, and why.
    pub problem: String,
    /// What is lost, where it is known to be no more than that.
    pub lost: Option<Lost>,
    /// Whether it is no more than that this account may not read it.
    pub denied: bool,
}

/// What is lost, by its path as entries have it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Lost {
    /// A folder with all that is in it.
    Folder(Vec<u8>),
    /// A folder, or a file.
    Either(Vec<u8>),
}

impl Damage {
    /// Whether files may be lost that are wanted: by `below`, of what is in a folder of this path,
    /// or by `file`, one of this path.
    pub fn concerns(&self, below: impl Fn(&[u8]) -> bool, file: impl Fn(&[u8]) -> bool) -> bool {
        match &self.lost {
            None => true,
            Some(Lost::Folder(path)) => below(path),
            Some(Lost::Either(path)) => below(path) || file(path),
        }
    }
}

impl From<String> for Damage {
    fn from(problem: String) -> Self {
        Self { problem, lost: None, denied: false }
    }
}

/// The backup lists a file but cannot give it.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Reading it failed.
    #[error("cannot be read from the backup: {0}")]
    Read(#[source] io::Error),
    /// What the format stores of it is damaged.
    #[error("{0}")]
    Damaged(String),
    /// The bytes do not match the format's own checksum.
    #[error("the checksum stored in the backup does not match: {0}")]
    Checksum(String),
    /// It is longer than the backup says; restoring stopped there.
    #[error("longer than the {declared} bytes that the backup declares")]
    TooLong {
        /// The size that was declared.
        declared: u64,
    },
    /// It cannot be restored without something that is missing (a password, a format feature).
    #[error("{0}")]
    Unsupported(String),
    /// The restore folder has no room for it, and never will have.
    #[error("has {needed} bytes, for which the restore folder has no room: {free} bytes are free")]
    NoRoom {
        /// Bytes that restoring it takes.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The run was asked to stop in the middle of it.
    #[error("not finished")]
    Stopped,
    /// Its name is no path.
    #[error("{0}")]
    Name(NameProblem),
    /// The restore folder failed; ends the run.
    #[error("cannot be written to the restore folder: {0}")]
    Scratch(#[source] io::Error),
}
