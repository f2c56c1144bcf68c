//! What did a run report?

use rusqlite::OptionalExtension;

use crate::ledger::error::Error;
use crate::ledger::open::Ledger;
use crate::ledger::run;
use crate::report::Model;
use crate::verify::memory::RunNumber;

/// The report of a run, as far as there is one.
#[derive(Debug)]
pub enum StoredReport {
    /// The report.
    Found(Box<Model>),
    /// The run has none: it was killed, or has not ended.
    None,
    /// It cannot be read. In words.
    Unreadable(String),
    /// There is no run of this number; the numbers of the first and the last run there are.
    NoRun(Option<(RunNumber, RunNumber)>),
}

/// The report of the run with this number.
///
/// # Errors
/// If the ledger cannot be read.
pub fn report(ledger: &Ledger, number: RunNumber) -> Result<StoredReport, Error> {
    read(ledger, number).map_err(|error| ledger.failed(error))
}

fn read(ledger: &Ledger, number: RunNumber) -> rusqlite::Result<StoredReport> {
    let connection = ledger.connection();
    let sql = "SELECT report IS NOT NULL FROM runs WHERE id = ?";
    let found: Option<bool> =
        connection.query_row(sql, [number.cast_signed()], |row| row.get(0)).optional()?;
    let Some(has_report) = found else {
        let sql = "SELECT min(id), max(id) FROM runs";
        let (first, last): (Option<i64>, Option<i64>) =
            connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let range = first.zip(last);
        return Ok(StoredReport::NoRun(range.map(|(a, b)| (a.cast_unsigned(), b.cast_unsigned()))));
    };
    let Some(json) = run::report(connection, number)? else {
        let damaged = StoredReport::Unreadable("it cannot be decompressed".to_owned());
        return Ok(if has_report { damaged } else { StoredReport::None });
    };
    Ok(match Model::read(&String::from_utf8_lossy(&json)) {
        Ok(model) => StoredReport::Found(Box::new(model)),
        Err(error) => StoredReport::Unreadable(error.to_string()),
    })
}
