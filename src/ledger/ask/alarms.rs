//! Which alarms stand over a backup: files that were bad when they were last judged. A run that did
//! not draw such a file says nothing about it.
//!
//! The index of alarms is named in the queries: SQLite would read all files of the backup instead.

use rusqlite::{Connection, OptionalExtension, params};

use super::row::moment;
use crate::backup::escape;
use crate::history::status::Alarms;
use crate::ledger::picks;

/// The alarms that stand over the files of a backup; `None` if none does. Of the files, the one that
/// was judged the longest ago is named.
pub(super) fn of_target(connection: &Connection, target: i64) -> rusqlite::Result<Option<Alarms>> {
    let sql = "SELECT count(*) FROM files INDEXED BY alarms WHERE target = ? AND verdict BETWEEN 1 AND 4";
    let count: i64 = connection.query_row(sql, [target], |row| row.get(0))?;
    let sql = "SELECT key, run, verdict, version FROM files INDEXED BY alarms
               WHERE target = ? AND verdict BETWEEN 1 AND 4 ORDER BY run, key LIMIT 1";
    let first: Option<([u8; 16], i64, i64, i64)> = connection
        .query_row(sql, [target], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let Some((key, run, verdict, version)) = first else { return Ok(None) };
    let Some(verdict) = picks::verdict(verdict) else { return Ok(None) };
    let sql = "SELECT path, verified_at FROM versions WHERE id = ?";
    let (path, verified): (Vec<u8>, Option<i64>) =
        connection.query_row(sql, [version], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Some(Alarms {
        count: count.cast_unsigned(),
        path: escape(&path).into_owned(),
        verdict,
        since: moment(since(connection, (target, key), run, verified)?),
    }))
}

/// When the first run began that found a file bad, after the last one that found it good. If the
/// ledger keeps no finding of it (it keeps 10,000 a run), when the last one began.
fn since(
    connection: &Connection,
    (target, key): (i64, [u8; 16]),
    last: i64,
    verified: Option<i64>,
) -> rusqlite::Result<i64> {
    let sql = "SELECT started FROM runs JOIN findings ON findings.run = runs.id AND findings.key = ?2
               WHERE target = ?1 AND findings.verdict BETWEEN 1 AND 4 AND runs.id <= ?3 AND runs.id >
                   ifnull((SELECT max(id) FROM runs WHERE target = ?1 AND started = ?4), 0)
               ORDER BY runs.id LIMIT 1";
    let first = connection.query_row(sql, params![target, key, last, verified], |row| row.get(0));
    match first.optional()? {
        Some(started) => Ok(started),
        None => connection.query_row("SELECT started FROM runs WHERE id = ?", [last], |row| row.get(0)),
    }
}
