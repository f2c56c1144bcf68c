//! Makes a new ledger, and brings an older one to the version of this program: one function for
//! each step.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::picks;
use super::schema::{APPLICATION, V1, V2, VERSION};

/// Each step makes of a ledger of one version one of the next. The first one makes version 1 of an
/// empty file.
const STEPS: [fn(&Transaction<'_>) -> rusqlite::Result<()>; VERSION as usize] = [to_v1, to_v2];

fn to_v1(ledger: &Transaction<'_>) -> rusqlite::Result<()> {
    ledger.execute_batch(V1)?;
    ledger.pragma_update(None, "application_id", APPLICATION)
}

/// Gives each pick the number of its version, which is not known of old ones: so no run from before
/// can be taken up.
fn to_v2(ledger: &Transaction<'_>) -> rusqlite::Result<()> {
    ledger.execute_batch(V2)?;
    let mut ids = ledger.prepare("SELECT id FROM picks")?;
    let ids: Vec<i64> = ids.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut old = ledger.prepare("SELECT picks FROM picks WHERE id = ?")?;
    let mut new = ledger.prepare("UPDATE picks SET picks = ? WHERE id = ?")?;
    for id in ids {
        let bytes: Vec<u8> = old.query_row([id], |row| row.get(0))?;
        new.execute((picks::of_version_1(&bytes), id))?;
    }
    Ok(())
}

/// Brings a ledger of `version` (0 for an empty file) to the newest one, all or nothing. Another
/// process may do the same at this moment, so the version is read again once the lock is held.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for step in STEPS.iter().skip(usize::try_from(version).unwrap_or(0)) {
        step(&transaction)?;
    }
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}
