//! What the last run of a job reported: someone who is told of changes is told what is new since
//! then.

use rusqlite::{OptionalExtension, params};

use crate::plan::Plan;
use crate::report::Model;

use super::error::Error;
use super::open::Ledger;
use super::{run, target};

/// The report of the last run of this job that came to its end; `None` if there was none, or if
/// this version cannot read its report. A run without a job is compared with the last one on the
/// same backup and originals.
///
/// # Errors
/// If the ledger cannot be read.
pub fn last_report(ledger: &Ledger, plan: &Plan) -> Result<Option<Model>, Error> {
    let read = || -> rusqlite::Result<Option<Vec<u8>>> {
        let connection = ledger.connection();
        let job = plan.origin.job.as_deref();
        let target = target::find(connection, &target::fingerprint(&plan.target))?;
        let sql =
            "SELECT id FROM runs WHERE job IS ?1 AND (?1 IS NOT NULL OR target = ?2) AND ended IS NOT NULL
                   ORDER BY id DESC LIMIT 1";
        let last: Option<i64> =
            connection.query_row(sql, params![job, target], |row| row.get(0)).optional()?;
        last.map_or(Ok(None), |last| run::report(connection, last.cast_unsigned()))
    };
    let json = read().map_err(|error| ledger.failed(error))?;
    Ok(json.and_then(|json| Model::read(&String::from_utf8_lossy(&json)).ok()))
}
