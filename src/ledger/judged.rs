//! When each file of a backup was last judged, for the strategy `coverage`.

use std::sync::Mutex;
use std::time::Instant;

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
    /// Until when it may be read.
    deadline: Option<Instant>,
}

impl Judged {
    /// When the files of this backup were last judged.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub fn new(ledger: Ledger, target: &Target) -> Result<Self, Error> {
        let target = target::find(ledger.connection(), &target::fingerprint(target));
        let target = target.map_err(|error| ledger.failed(error))?;
        Ok(Self { ledger: Mutex::new(ledger), target, deadline: None })
    }

    /// The same, which may be read until this time only. Reading more is an error.
    #[must_use]
    pub fn until(self, deadline: Instant) -> Self {
        Self { deadline: Some(deadline), ..self }
    }

    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

impl LastJudged for Judged {
    fn each(&self, each: &mut dyn FnMut(PathKey, RunNumber)) -> Result<(), String> {
        let Some(target) = self.target else { return Ok(()) };
        let ledger = lock(&self.ledger);
        let mut read = || -> rusqlite::Result<bool> {
            let sql = "SELECT key, run FROM files WHERE target = ?";
            let mut statement = ledger.connection().prepare(sql)?;
            let mut rows = statement.query([target])?;
            for count in 1_u64.. {
                let Some(row) = rows.next()? else { break };
                if count.is_multiple_of(LOOK_EVERY) && self.is_late() {
                    return Ok(false);
                }
                let key: [u8; 16] = row.get(0)?;
                each(PathKey(u128::from_be_bytes(key)), row.get::<_, i64>(1)?.cast_unsigned());
            }
            Ok(!self.is_late())
        };
        match read() {
            Ok(true) => Ok(()),
            Ok(false) => Err("reading it takes too long".to_owned()),
            Err(error) => Err(ledger.failed(error).in_full()),
        }
    }
}

/// The clock is looked at after so many rows.
const LOOK_EVERY: u64 = 4096;
