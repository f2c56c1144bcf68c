//! When each file of a backup was last judged, for the strategy `coverage`.

use std::sync::Mutex;

use crate::lock::lock;
use crate::plan::Target;
use crate::verify::memory::{LastJudged, PathKey, RunNumber};

use super::error::Error;
use super::open::Ledger;
use super::target;

/// When the files of a backup were last judged. Reads the narrow table alone.
pub struct Judged {
    ledger: Mutex<Ledger>,
    target: Option<i64>,
}

impl Judged {
    /// When the files of this backup were last judged.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub fn new(ledger: Ledger, target: &Target) -> Result<Self, Error> {
        let target = target::find(ledger.connection(), &target::fingerprint(target));
        let target = target.map_err(|error| ledger.failed(error))?;
        Ok(Self { ledger: Mutex::new(ledger), target })
    }
}

impl LastJudged for Judged {
    fn each(&self, each: &mut dyn FnMut(PathKey, RunNumber)) -> Result<(), String> {
        let Some(target) = self.target else { return Ok(()) };
        let ledger = lock(&self.ledger);
        let mut read = || -> rusqlite::Result<()> {
            let sql = "SELECT key, run FROM files WHERE target = ?";
            let mut statement = ledger.connection().prepare(sql)?;
            let mut rows = statement.query([target])?;
            while let Some(row) = rows.next()? {
                let key: [u8; 16] = row.get(0)?;
                each(PathKey(u128::from_be_bytes(key)), row.get::<_, i64>(1)?.cast_unsigned());
            }
            Ok(())
        };
        read().map_err(|error| ledger.failed(error).in_full())
    }
}
