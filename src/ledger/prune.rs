//! Removes old runs, and what only they knew.
//!
//! A run is old if it started before a time, and so did every run before it. So a run is never
//! removed because the clock was wrong for one night: a clock that went back makes later runs look
//! older than they are, but they come after younger ones.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::error::Error;
use super::lock::RunLock;
use super::open::Ledger;
use super::times;
use crate::platform::Timestamp;

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Runs, with their picks, findings and reports.
    pub runs: u64,
    /// Files that no later run has judged.
    pub files: u64,
    /// Runs that stay.
    pub kept_runs: u64,
    /// How much smaller the ledger is, in bytes.
    pub bytes: u64,
}

/// Removes the runs that started before this time, and makes the file smaller. A run that may still
/// be running stays.
///
/// # Errors
/// If the ledger cannot be changed. Then nothing is removed; if only making the file smaller
/// failed, the old rows are gone and their room is used again by later runs.
pub fn prune(ledger: &mut Ledger, before: Timestamp, now: Timestamp) -> Result<Pruned, Error> {
    let path = ledger.path().to_owned();
    let ages = Ages { before: times::millis_of(before), longest: times::millis_of(now) - LONGEST_RUN };
    let state = path.parent().unwrap_or(Path::new(""));
    run(ledger.connection_mut(), state, &ages).map_err(|error| Error::sqlite(&path, error))
}

/// A run without a lock that has not ended after 30 days, in milliseconds, was killed.
const LONGEST_RUN: i64 = 30 * 24 * 60 * 60 * 1000;

/// Times in milliseconds since 1970.
struct Ages {
    /// What started before this is old.
    before: i64,
    /// What started before this without a lock and never ended was killed.
    longest: i64,
}

/// The first run that started before this time and may still be running. A run that was killed
/// never ends, and nobody holds its lock.
fn first_running(connection: &Connection, state: &Path, ages: &Ages) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT id, lock, started FROM runs
        WHERE ended IS NULL AND NOT died AND started < ? ORDER BY id";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([ages.before])?;
    while let Some(row) = rows.next()? {
        let lock: Option<String> = row.get(1)?;
        let started: i64 = row.get(2)?;
        let is_over = match lock {
            Some(lock) => RunLock::is_held(state, &lock) == Some(false),
            None => started < ages.longest,
        };
        if !is_over {
            return row.get(0).map(Some);
        }
    }
    Ok(None)
}

fn run(connection: &mut Connection, state: &Path, ages: &Ages) -> rusqlite::Result<Pruned> {
    let size = size(connection)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // The first run that stays. A run that may still be running stays.
    let young: Option<i64> =
        transaction
            .query_row("SELECT min(id) FROM runs WHERE started >= ?", [ages.before], |row| row.get(0))?;
    let running = first_running(&transaction, state, ages)?;
    let first = young.into_iter().chain(running).min().unwrap_or(i64::MAX);
    transaction
        .execute("DELETE FROM versions WHERE id IN (SELECT version FROM files WHERE run < ?)", [first])?;
    let files = transaction.execute("DELETE FROM files WHERE run < ?", [first])? as u64;
    transaction.execute("DELETE FROM picks WHERE run < ?", [first])?;
    transaction.execute("DELETE FROM findings WHERE run < ?", [first])?;
    let runs = transaction.execute("DELETE FROM runs WHERE id < ?", [first])? as u64;
    transaction.execute(
        "DELETE FROM targets WHERE id NOT IN (SELECT target FROM runs)
             AND id NOT IN (SELECT DISTINCT target FROM files)",
        [],
    )?;
    let kept: i64 = transaction.query_row("SELECT count(*) FROM runs", [], |row| row.get(0))?;
    transaction.commit()?;
    if runs > 0 {
        connection.execute_batch("VACUUM")?;
    }
    let bytes = size.saturating_sub(self::size(connection)?);
    Ok(Pruned { runs, files, kept_runs: kept.cast_unsigned(), bytes })
}

fn size(connection: &Connection) -> rusqlite::Result<u64> {
    let sql = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
    connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
}
