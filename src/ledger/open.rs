//! Opens a ledger, or makes it. It finds out what the file is before it writes to it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::error::{Error, Problem};
use super::migrate::migrate;
use super::schema::{APPLICATION, VERSION};
use crate::platform;

/// The name of the ledger in the state folder.
pub const FILE_NAME: &str = "ledger.sqlite";

/// How long each attempt waits for another process that writes.
pub(super) const BUSY: Duration = Duration::from_secs(10);

/// SQLite's own cache of pages, in KiB.
const CACHE_KIB: i32 = 16 << 10;

/// An open ledger.
#[derive(Debug)]
pub struct Ledger {
    connection: Connection,
    path: PathBuf,
}

impl Ledger {
    /// Opens the ledger in this state folder to write to it. The folder and the file are made if
    /// they do not exist, so that only their owner can read them.
    ///
    /// # Errors
    /// If the file is no ledger, is from a newer version, or cannot be written.
    pub fn open(state: &Path) -> Result<Self, Error> {
        Self::open_within(state, BUSY)
    }

    /// The same, with another time for waiting for a lock.
    pub(super) fn open_within(state: &Path, busy: Duration) -> Result<Self, Error> {
        let path = state.join(FILE_NAME);
        platform::create_private_dir_at(state).map_err(|error| Error::system(&path, error))?;
        make_private(state).map_err(|error| Error::system(&path, error))?;
        refuse_shared(state)?;
        refuse_foreign(&path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut ledger = Self::connect(&path, flags, busy)?;
        let failed = |error| Error::sqlite(&path, error);
        if ledger.connection.is_readonly(rusqlite::MAIN_DB).map_err(failed)? {
            return Err(Error::new(&path, Problem::ReadOnly));
        }
        if ledger.version()? < VERSION {
            migrate(&mut ledger.connection).map_err(failed)?;
        }
        // Without WAL (a file system without shared memory) everything works, only slower.
        let set = ledger.connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()));
        set.map_err(failed)?;
        ledger.connection.pragma_update(None, "synchronous", "normal").map_err(failed)?;
        // 32 MiB: a batch of picks touches many pages, and each is then moved once.
        ledger.connection.pragma_update(None, "wal_autocheckpoint", 8192).map_err(failed)?;
        Ok(ledger)
    }

    /// Opens the ledger in this state folder to ask something. Nothing is made or changed.
    ///
    /// # Errors
    /// If there is none, if the file is no ledger or of another version, or if it cannot be read.
    pub fn open_read_only(state: &Path) -> Result<Self, Error> {
        Self::open_read_only_within(state, BUSY)
    }

    /// The same, with another time for waiting for a lock.
    ///
    /// # Errors
    /// The same.
    pub fn open_read_only_within(state: &Path, busy: Duration) -> Result<Self, Error> {
        let path = state.join(FILE_NAME);
        match std::fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::new(&path, Problem::Missing));
            }
            Err(error) => return Err(Error::system(&path, error)),
            Ok(_) => refuse_foreign(&path)?,
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let ledger = Self::connect(&path, flags, busy)?;
        if ledger.version()? < VERSION {
            return Err(Error::new(&path, Problem::Missing));
        }
        Ok(ledger)
    }

    /// Another connection to the same ledger, to read while the first one writes.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn reader(&self) -> Result<Self, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Self::connect(&self.path, flags, BUSY)
    }

    fn connect(path: &Path, flags: OpenFlags, busy: Duration) -> Result<Self, Error> {
        let failed = |error| Error::sqlite(path, error);
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        connection.busy_timeout(busy).map_err(failed)?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB).map_err(failed)?;
        // Otherwise SQLite compiles each statement on `files` again for every new value, because a value
        // could decide whether the partial index `alarms` helps. That costs more than the lookup.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(failed)?;
        Ok(Self { connection, path: path.to_owned() })
    }

    /// The version of the ledger; 0 for an empty file.
    fn version(&self) -> Result<i32, Error> {
        let pragma = |name: &str| -> rusqlite::Result<i32> {
            self.connection.pragma_query_value(None, name, |row| row.get(0))
        };
        let read = || -> rusqlite::Result<(i32, i32, i64)> {
            let tables =
                self.connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
            Ok((pragma("application_id")?, pragma("user_version")?, tables))
        };
        match read().map_err(|error| Error::sqlite(&self.path, error))? {
            (APPLICATION, version, _) if version > VERSION => {
                Err(Error::new(&self.path, Problem::Newer(version)))
            }
            (APPLICATION, version, _) => Ok(version),
            (0, 0, 0) => Ok(0),
            _ => Err(Error::new(&self.path, Problem::OtherProgram)),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether changes are in a write-ahead log first, so that readers and writers do not wait for each
    /// other.
    pub(super) fn has_log(&self) -> rusqlite::Result<bool> {
        self.connection.pragma_query_value(None, "journal_mode", |row| Ok(row.get_ref(0)?.as_str()? == "wal"))
    }

    /// The connection, for the questions of this room.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The connection, to change something.
    pub(super) fn connection_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// An error of SQLite, as one about this ledger.
    pub(super) fn failed(&self, error: rusqlite::Error) -> Error {
        Error::sqlite(&self.path, error)
    }
}

/// Makes the file if there is none, readable for its owner alone. SQLite gives the files that it
/// makes beside it the same permissions.
fn make_private(state: &Path) -> io::Result<()> {
    let folder = Dir::open_ambient_dir(state, ambient_authority())?;
    match platform::create_private_file(&folder, FILE_NAME) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(|_| ()),
    }
}

/// Refuses a state folder, or a ledger in it, that somebody other than this user and root could
/// change: who forges what is known of files can hide that they rotted. What does not exist yet is
/// not refused.
///
/// # Errors
/// What is wrong with it.
pub fn refuse_shared(state: &Path) -> Result<(), Error> {
    let path = state.join(FILE_NAME);
    let folder = match Dir::open_ambient_dir(state, ambient_authority()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(|error| Error::system(&path, error))?,
    };
    for (problem, name) in [(Problem::SharedFolder, None), (Problem::Shared, Some(FILE_NAME))] {
        match platform::who_else_can_change(&folder, name) {
            Ok(None) => {}
            Ok(Some(what)) => {
                let place = if name.is_some() { &path } else { state };
                return Err(Error::shared(place, problem, what));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::system(&path, error)),
        }
    }
    Ok(())
}

/// Refuses a file that is no SQLite database or names another program, before SQLite opens it:
/// opening can already write, where a database was left by a crash. An `application_id` of 0 says
/// nothing yet.
///
/// On Unix, closing any handle of a file ends all locks that the process has on it. So this must not
/// be called while the process has the ledger open: see [`Ledger::reader`].
fn refuse_foreign(path: &Path) -> Result<(), Error> {
    const MAGIC: &[u8; 16] = b"SQLite format 3\0";
    const APPLICATION_AT: usize = 68;
    let mut head = [0; 100];
    // Asked before it is opened: a pipe would never answer, and through a link to a file of somebody
    // else, that file would become a ledger.
    let found = std::fs::symlink_metadata(path).map_err(|error| Error::system(path, error))?;
    if !found.is_file() || platform::hard_links(&found) > 1 {
        let problem = "it is not a regular file with one name: a link or a pipe is not followed";
        return Err(Error::system(path, io::Error::new(io::ErrorKind::InvalidInput, problem)));
    }
    let read = File::open(path).and_then(|mut file| {
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        let mut read = 0;
        while read < head.len() {
            match file.read(&mut head[read..])? {
                0 => break,
                got => read += got,
            }
        }
        Ok(read)
    });
    match read.map_err(|error| Error::system(path, error))? {
        0 => Ok(()),
        100 if head.starts_with(MAGIC) => {
            let mut number = [0; 4];
            number.copy_from_slice(&head[APPLICATION_AT..APPLICATION_AT + 4]);
            match i32::from_be_bytes(number) {
                0 | APPLICATION => Ok(()),
                _ => Err(Error::new(path, Problem::OtherProgram)),
            }
        }
        _ => Err(Error::new(path, Problem::NotALedger)),
    }
}
