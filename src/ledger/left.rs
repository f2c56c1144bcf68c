//! Files that have left a backup: an alarm about a file that is not there any more ends.

use rusqlite::{TransactionBehavior, params};

use super::error::Error;
use super::open::Ledger;
use super::target;
use crate::plan::Plan;
use crate::verify::memory::PathKey;
use crate::verify::verdict::Verdict;

/// Ends the alarms about these files of the plan's backup, which lists them no more. What is known
/// of their good versions stays.
///
/// # Errors
/// If the ledger cannot be changed.
pub fn have_left(ledger: &mut Ledger, plan: &Plan, paths: &[Vec<u8>]) -> Result<(), Error> {
    let path = ledger.path().to_owned();
    let mut write = || -> rusqlite::Result<()> {
        let transaction =
            ledger.connection_mut().transaction_with_behavior(TransactionBehavior::Immediate)?;
        let target = target::find(&transaction, &target::fingerprint(&plan.target))?;
        for path in paths {
            let sql = "UPDATE files SET verdict = ? WHERE target = ? AND key = ?";
            let values = params![Verdict::Deleted as i64, target, PathKey::of(path).0.to_be_bytes()];
            transaction.prepare(sql)?.execute(values)?;
        }
        transaction.commit()
    };
    write().map_err(|error| Error::sqlite(&path, error))
}
