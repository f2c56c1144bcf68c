//! Why a ledger cannot be used, in words: what, where, and what to do next.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::backup::path_text;

/// Why a ledger cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the {} {} {}", .problem.place(), path_text(.path), .problem.words())]
pub struct Error {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: Problem,
    #[source]
    source: Option<Source>,
}

type Source = Box<dyn std::error::Error + Send + Sync>;

/// What is wrong with a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// There is no file, and the question needs one.
    Missing,
    /// Its folder cannot be made, or the file cannot be opened.
    NoAccess,
    /// Other users can change it, or own it.
    Shared,
    /// Other users can change the state folder, or own it.
    SharedFolder,
    /// It, or its folder, is read-only.
    ReadOnly,
    /// It is no SQLite file.
    NotALedger,
    /// It is the SQLite file of another program.
    OtherProgram,
    /// A newer version of this program wrote it.
    Newer(i32),
    /// Its content contradicts itself.
    Damaged,
    /// Another process held a lock on it for too long.
    Locked,
    /// The file system does not support the locks that SQLite needs.
    NoLocks,
    /// The disk is full.
    Full,
    /// The system reports another error.
    Failed,
}

impl Problem {
    /// What the path of an error about this is.
    fn place(self) -> &'static str {
        if self == Self::SharedFolder { "state folder" } else { "ledger" }
    }

    fn words(self) -> String {
        match self {
            Self::Missing => "does not exist".to_owned(),
            Self::NoAccess => "cannot be opened".to_owned(),
            Self::Shared | Self::SharedFolder => "cannot be trusted".to_owned(),
            Self::ReadOnly => "cannot be written".to_owned(),
            Self::NotALedger => "is not a ledger".to_owned(),
            Self::OtherProgram => "belongs to another program".to_owned(),
            Self::Newer(version) => format!("has form {version}, of a newer bkverify"),
            Self::Damaged => "is damaged".to_owned(),
            Self::Locked => "was locked by another process for too long".to_owned(),
            Self::NoLocks => "is on a file system whose locks do not work".to_owned(),
            Self::Full => "cannot grow: the disk is full".to_owned(),
            Self::Failed => "cannot be used".to_owned(),
        }
    }
}

impl Error {
    /// An error about the ledger at `path`.
    pub(super) fn new(path: &Path, problem: Problem) -> Self {
        Self { path: path.to_owned(), problem, source: None }
    }

    /// The same, with the error that it comes from.
    fn from_source(path: &Path, problem: Problem, source: impl Into<Source>) -> Self {
        Self { source: Some(source.into()), ..Self::new(path, problem) }
    }

    /// What the system says about the file or its folder.
    pub(super) fn system(path: &Path, error: io::Error) -> Self {
        let problem = match error.kind() {
            io::ErrorKind::ReadOnlyFilesystem => Problem::ReadOnly,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Problem::Full,
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => Problem::NoAccess,
            _ => Problem::Failed,
        };
        Self::from_source(path, problem, error)
    }

    /// A ledger, or its folder, that other users can change.
    pub(super) fn shared(path: &Path, problem: Problem, what: &'static str) -> Self {
        Self::from_source(path, problem, what)
    }

    /// What SQLite says.
    pub(super) fn sqlite(path: &Path, error: rusqlite::Error) -> Self {
        let problem = match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Problem::Locked,
            Some(ErrorCode::FileLockingProtocolFailed) => Problem::NoLocks,
            Some(ErrorCode::DiskFull) => Problem::Full,
            Some(ErrorCode::ReadOnly) => Problem::ReadOnly,
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => Problem::NoAccess,
            Some(ErrorCode::NotADatabase) => Problem::NotALedger,
            Some(ErrorCode::DatabaseCorrupt) => Problem::Damaged,
            Some(ErrorCode::SystemIoFailure) if is_lock_error(&error) => Problem::NoLocks,
            _ => Problem::Failed,
        };
        Self::from_source(path, problem, error)
    }

    /// What to do next.
    pub fn hint(&self) -> String {
        let path = path_text(&self.path);
        match self.problem {
            Problem::Missing => {
                "the first verification that ends makes it; --state DIR names another folder".to_owned()
            }
            Problem::NotALedger | Problem::OtherProgram => {
                format!(
                    "move {path} away, and the next run begins a new ledger; or name another folder with --state DIR"
                )
            }
            Problem::Shared | Problem::SharedFolder => format!(
                "only this user and root should be able to write to {path}: see ls -ld, change it with chmod go-w or chown; or \
                 name another folder with --state DIR"
            ),
            Problem::Newer(_) => {
                "update bkverify on this machine, or name another folder with --state DIR".to_owned()
            }
            Problem::Damaged => {
                format!(
                    "see what is wrong: bkverify ledger check\nmove {path} away, and the next run begins a new ledger"
                )
            }
            Problem::Locked => {
                format!("see which process has {path} open, such as a backup program or an SQLite shell")
            }
            Problem::NoLocks => "name a folder on a disk of this machine with --state DIR".to_owned(),
            Problem::Full => {
                "free some space, or remove old runs: bkverify ledger prune --keep 1y".to_owned()
            }
            Problem::NoAccess | Problem::ReadOnly | Problem::Failed => {
                "name a folder that can be written with --state DIR, or keep none with --state none"
                    .to_owned()
            }
        }
    }

    /// What is wrong and what to do next, on one line.
    pub fn on_one_line(&self) -> String {
        format!("{} ({})", self.in_full(), self.hint().replace('\n', "; "))
    }

    /// The message with its cause, on one line.
    pub fn in_full(&self) -> String {
        match &self.source {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        }
    }
}

/// Whether an input or output error is about a lock: SQLite reports `ENOLCK` in this way.
fn is_lock_error(error: &rusqlite::Error) -> bool {
    let rusqlite::Error::SqliteFailure(error, _) = error else { return false };
    matches!(
        error.extended_code,
        rusqlite::ffi::SQLITE_IOERR_LOCK
            | rusqlite::ffi::SQLITE_IOERR_RDLOCK
            | rusqlite::ffi::SQLITE_IOERR_UNLOCK
            | rusqlite::ffi::SQLITE_IOERR_CHECKRESERVEDLOCK
            | rusqlite::ffi::SQLITE_IOERR_SHMLOCK
    )
}
