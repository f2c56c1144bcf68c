//! Removes old runs, and what only they knew.
//!
//! A run is old if it started before a time, and so did every run before it. So a run is never
//! removed because the clock was wrong for one night: a clock that went back makes later runs look
//! older than they are, but they come after younger ones.

use rusqlite::{Connection, TransactionBehavior};

use super::error::Error;
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

/// Removes the runs that started before this time, and makes the file smaller.
///
/// # Errors
/// If the ledger cannot be changed. Then nothing is removed; if only making the file smaller
/// failed, the old rows are gone and their room is used again by later runs.
pub fn prune(ledger: &mut Ledger, before: Timestamp) -> Result<Pruned, Error> {
    let path = ledger.path().to_owned();
    let before = times::millis_of(before);
    run(ledger.connection_mut(), before).map_err(|error| Error::sqlite(&path, error))
}

fn run(connection: &mut Connection, before: i64) -> rusqlite::Result<Pruned> {
    let size = size(connection)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // The first run that stays. A run that has not ended may still be running, and stays.
    let first: Option<i64> = transaction.query_row(
        "SELECT min(id) FROM runs WHERE started >= ? OR (ended IS NULL AND NOT died)",
        [before],
        |row| row.get(0),
    )?;
    let first = first.unwrap_or(i64::MAX);
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
