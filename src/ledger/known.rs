//! Hashes that earlier runs recorded: which version of a file was found equal to its original, and
//! its hash.

use std::sync::Mutex;

use rusqlite::{Connection, OptionalExtension};

use crate::lock::{into_inner, lock};
use crate::plan::{Algorithm, Target};
use crate::verify::hash::Hash;
use crate::verify::memory::{KnownHash, KnownHashes, PathKey, Version};

use super::error::Error;
use super::open::Ledger;
use super::{target, times};

/// How many questions share a read transaction. Beginning one takes as long as a question. While
/// one is open, the write-ahead log of the ledger only grows, so it is not kept for the whole run.
const QUESTIONS: u32 = 512;

/// The hashes that are known of a backup's files. It is asked for nearly every file that is judged.
/// That takes some microseconds, so one connection behind a lock is enough.
pub struct Known {
    reader: Mutex<Reader>,
    targets: Vec<i64>,
    algorithm: i64,
    failed: Mutex<Option<Error>>,
}

impl Known {
    /// The hashes of this algorithm that are known of the files of this backup.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub fn new(ledger: Ledger, target: &Target, algorithm: Algorithm) -> Result<Self, Error> {
        let targets = target::all_with_files_of(ledger.connection(), target);
        let targets = targets.map_err(|error| ledger.failed(error))?;
        let algorithm = Algorithm::ALL.iter().position(|&one| one == algorithm).unwrap_or(0);
        let algorithm = i64::try_from(algorithm).unwrap_or(0);
        let reader = Mutex::new(Reader { ledger, left: 0 });
        Ok(Self { reader, targets, algorithm, failed: Mutex::default() })
    }

    /// The first error, if one occurred.
    pub fn into_error(self) -> Option<Error> {
        into_inner(self.failed)
    }
}

impl KnownHashes for Known {
    fn of(&self, path: &[u8]) -> Option<KnownHash> {
        let mut reader = lock(&self.reader);
        let found = reader.connection().and_then(|connection| {
            let key = PathKey::of(path).0.to_be_bytes();
            for &target in &self.targets {
                let found = find(connection, (target, self.algorithm), key, path)?;
                if found.is_some() {
                    return Ok(found);
                }
            }
            Ok(None)
        });
        found.unwrap_or_else(|error| {
            lock(&self.failed).get_or_insert_with(|| reader.ledger.failed(error));
            None
        })
    }
}

/// A ledger that is read in transactions of [`QUESTIONS`] questions.
struct Reader {
    ledger: Ledger,
    /// How many more questions the open transaction answers.
    left: u32,
}

impl Reader {
    /// The connection for one question.
    fn connection(&mut self) -> rusqlite::Result<&Connection> {
        let connection = self.ledger.connection();
        if self.left == 0 {
            if !connection.is_autocommit() {
                connection.execute_batch("COMMIT")?;
            }
            connection.execute_batch("BEGIN")?;
            self.left = QUESTIONS;
        }
        self.left -= 1;
        Ok(connection)
    }
}

fn find(
    connection: &Connection,
    (target, algorithm): (i64, i64),
    key: [u8; 16],
    path: &[u8],
) -> rusqlite::Result<Option<KnownHash>> {
    // The path is compared, too: a key could only be equal by an attack on BLAKE3, but this costs
    // nothing.
    let sql = "SELECT hash, mtime, verified_at FROM files JOIN versions ON versions.id = files.version
               WHERE target = ? AND key = ? AND path = ? AND algorithm = ?
                   AND hash IS NOT NULL AND mtime IS NOT NULL AND verified_at IS NOT NULL";
    let values = (target, key, path, algorithm);
    let read = |row: &rusqlite::Row<'_>| {
        let version = Version::Modified {
            mtime: times::from_nanos(row.get(1)?),
            seen: times::from_millis(row.get(2)?),
        };
        Ok(KnownHash { hash: Hash::of_bytes(row.get(0)?), version })
    };
    connection.prepare_cached(sql)?.query_row(values, read).optional()
}
