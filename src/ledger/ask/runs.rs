//! Which runs were there?

use jiff::Timestamp;
use rusqlite::params;

use super::row;
use crate::history::runs::History;
use crate::ledger::error::Error;
use crate::ledger::open::Ledger;

/// Which runs are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunsAsked {
    /// Only those of this job.
    pub job: Option<String>,
    /// Only those that began at this time or later.
    pub since: Option<Timestamp>,
    /// No more than this many.
    pub last: Option<u64>,
}

/// The runs that are asked for, the newest first.
///
/// # Errors
/// If the ledger cannot be read.
pub fn runs(ledger: &Ledger, asked: &RunsAsked) -> Result<History, Error> {
    read(ledger, asked).map_err(|error| ledger.failed(error))
}

fn read(ledger: &Ledger, asked: &RunsAsked) -> rusqlite::Result<History> {
    let connection = ledger.connection();
    let which = "(?1 IS NULL OR job = ?1) AND (?2 IS NULL OR started >= ?2)";
    let since = asked.since.map(row::millis);
    let last = asked.last.map_or(i64::MAX, |last| i64::try_from(last).unwrap_or(i64::MAX));
    let sql =
        format!("SELECT {} FROM {} WHERE {which} ORDER BY runs.id DESC LIMIT ?3", row::COLUMNS, row::FROM);
    let runs = row::all(ledger, connection, &sql, params![asked.job, since, last])?;
    let sql = format!("SELECT count(*) FROM runs WHERE {which}");
    let all: i64 = connection.query_row(&sql, params![asked.job, since], |row| row.get(0))?;
    let older = u64::try_from(all).unwrap_or(0).saturating_sub(runs.len() as u64);
    Ok(History::new(runs, older))
}
