//! What can go wrong with a backup as a whole, and with a single entry.

use std::io;
use std::path::PathBuf;

use super::{Location, NameProblem};

/// The backup, or the folder to restore to, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The backup does not exist or must not be read.
    #[error("cannot open the backup {location}")]
    Open {
        /// The backup.
        location: Location,
        /// The system's error.
        source: io::Error,
    },
    /// It exists, but is in no known format.
    #[error("{location} is not in a backup format that bkverify knows ({what})")]
    Unrecognised {
        /// The backup.
        location: Location,
        /// What it is instead, or its first bytes.
        what: String,
    },
    /// It can be read, but is not a backup that can be verified.
    #[error("{location} cannot be verified: {problem}")]
    NotABackup {
        /// The location.
        location: Location,
        /// What it is instead, and what the user can do.
        problem: String,
    },
    /// Its format is known, but none of it can be listed.
    #[error("the {format} backup {location} cannot be read: {problem}")]
    Damaged {
        /// The backup.
        location: Location,
        /// The name of the format.
        format: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The program that reads it has refused or failed.
    #[error("cannot read the backup {location}: {problem}")]
    Program {
        /// The backup.
        location: Location,
        /// What is wrong, and what the user can do.
        problem: String,
    },
    /// The restore folder failed (full, read-only, gone).
    #[error("cannot write to the restore folder {}", path.display())]
    Scratch {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl Error {
    /// The program that reads the backup has refused or failed.
    pub(super) fn program(location: &Location, problem: String) -> Self {
        Self::Program { location: location.clone(), problem }
    }
}

/// A part of a backup that cannot be listed or read. Files are lost or were not seen, and it is not
/// known which.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{problem}")]
pub struct Damage {
    /// What is lost, and why.
    pub problem: String,
    /// The path to which the loss is limited, if that is known.
    pub lost: Option<Lost>,
    /// What it means for the run.
    pub kind: DamageKind,
}

/// What a [`Damage`] means for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DamageKind {
    /// The backup is at fault: the run fails.
    Loss,
    /// Nobody knows what is there, or whether anything is: this account may not read that part,
    /// this program cannot, or it is not where the backup says that it is. The run does not pass.
    Gap,
}

/// The path of what is lost, in the form of [`Entry::path`](super::Entry::path).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Lost {
    /// A folder with everything in it.
    Folder(Vec<u8>),
    /// A folder with everything in it, or a file.
    Either(Vec<u8>),
}

impl Damage {
    /// Files are lost.
    pub fn loss(problem: String, lost: Option<Lost>) -> Self {
        Self { problem, lost, kind: DamageKind::Loss }
    }

    /// Nobody knows which files are there.
    pub fn gap(problem: String, lost: Option<Lost>) -> Self {
        Self { problem, lost, kind: DamageKind::Gap }
    }

    /// Whether wanted files may be lost. `below` tells whether files in the folder of a given path
    /// are wanted; `file` tells whether the file of a given path is.
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
        Self::loss(problem, None)
    }
}

/// The backup lists a file but cannot restore it.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Reading it from the backup failed.
    #[error("cannot be read from the backup: {0}")]
    Read(#[source] io::Error),
    /// The data that the format stores for it is damaged.
    #[error("{0}")]
    Damaged(String),
    /// The bytes do not match the format's own checksum.
    #[error("the checksum stored in the backup does not match: {0}")]
    Checksum(String),
    /// It is longer than the backup declares. Restoring stopped at the declared size.
    #[error("longer than the {declared} bytes that the backup declares")]
    TooLong {
        /// The declared size in bytes.
        declared: u64,
    },
    /// It cannot be restored because something is missing (a password, support for a format
    /// feature).
    #[error("{0}")]
    Unsupported(String),
    /// The restore folder has too little space for it, and waiting would not help.
    #[error("needs {needed} bytes, but the restore folder has only {free} bytes free")]
    NoSpace {
        /// The bytes that are needed to restore it.
        needed: u64,
        /// The bytes that are free.
        free: u64,
    },
    /// The run was cancelled while it was being restored.
    #[error("not finished")]
    Stopped,
    /// Its name cannot be used as a path.
    #[error("{0}")]
    Name(NameProblem),
    /// The restore folder failed, which ends the run.
    #[error("cannot be written to the restore folder: {0}")]
    Scratch(#[source] io::Error),
}
