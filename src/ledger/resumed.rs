//! The part of a draw that earlier sessions judged, for a run that goes on where the last one ended
//! early.
//!
//! A run is taken up if it is the last one of the same job over the same backup and originals, if a
//! signal, the time limit or the byte budget ended it, and if it was asked for the same files (size
//! of the sample, filters, hash). What the ledger lost of it (the last seconds before a crash) is
//! judged again.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

use super::error::Error;
use super::open::Ledger;
use super::{picks, run, target, times};
use crate::plan::Plan;
use crate::report::Model;
use crate::report::model::PlanPart;
use crate::verify::PickRecord;
use crate::verify::memory::{PathKey, Resumed, RunNumber};
use crate::verify::outcome::Incomplete;
use crate::verify::tally::{LISTED_MAX, PickTally, RECONSIDERED_MAX};
use crate::verify::verdict::Verdict;

/// A run that can be taken up.
#[derive(Debug, Clone)]
pub struct Resumable {
    /// The number of its last session.
    pub run: RunNumber,
    /// The seed that it draws with.
    pub seed: String,
    /// What its sessions judged.
    pub resumed: Resumed,
}

/// The run that a run with this plan goes on with; `None` if a new one is to begin.
///
/// # Errors
/// If the ledger cannot be read.
pub fn resumable(ledger: &Ledger, plan: &Plan) -> Result<Option<Resumable>, Error> {
    find(ledger.connection(), plan).map_err(|error| ledger.failed(error))
}

fn find(connection: &Connection, plan: &Plan) -> rusqlite::Result<Option<Resumable>> {
    let Some((last, report)) = last_run(connection, plan)? else { return Ok(None) };
    if !is_the_same_draw(&report, plan) {
        return Ok(None);
    }
    let sessions = sessions(connection, last)?;
    let mut found = Found::default();
    for &session in &sessions {
        found.add(connection, session)?;
    }
    let population = (report.population.files, report.population.digest);
    let resumed = Resumed::new(sessions.len() as u64, found.tally, found.judged, population);
    Ok(resumed.map(|resumed| Resumable { run: last, seed: report.plan.seed, resumed }))
}

/// The last run of the plan's job that ended, if it ended with a report.
fn last_run(connection: &Connection, plan: &Plan) -> rusqlite::Result<Option<(RunNumber, Model)>> {
    let Some(target) = target::find(connection, &target::fingerprint(&plan.target))? else { return Ok(None) };
    let sql =
        "SELECT id FROM runs WHERE target = ? AND job IS ? AND ended IS NOT NULL ORDER BY id DESC LIMIT 1";
    let last: Option<i64> =
        connection.query_row(sql, (target, &plan.origin.job), |row| row.get(0)).optional()?;
    let Some(last) = last.map(i64::cast_unsigned) else { return Ok(None) };
    let report = run::report(connection, last)?.and_then(|json| String::from_utf8(json).ok());
    Ok(report.and_then(|json| Some((last, Model::read(&json).ok()?))))
}

/// Whether a run ended early, and a run with this plan would draw from the same files with the same
/// rules.
fn is_the_same_draw(report: &Model, plan: &Plan) -> bool {
    let now = PlanPart::new(plan);
    let ended = [Incomplete::Interrupted, Incomplete::TimeLimit, Incomplete::Budget];
    report.incomplete.is_some_and(|why| ended.contains(&why))
        && report.population.whole
        && (report.plan.sample, &report.plan.filters, &report.plan.hash)
            == (now.sample, &now.filters, &now.hash)
}

/// All sessions of a run, the last one first.
fn sessions(connection: &Connection, last: RunNumber) -> rusqlite::Result<Vec<RunNumber>> {
    let mut sessions = vec![last];
    let mut statement = connection.prepare("SELECT resumes FROM runs WHERE id = ? AND resumes < id")?;
    while let Some(&session) = sessions.last() {
        let before: Option<i64> =
            statement.query_row([session.cast_signed()], |row| row.get(0)).optional()?;
        match before {
            Some(before) => sessions.push(before.cast_unsigned()),
            None => break,
        }
    }
    Ok(sessions)
}

/// What was found in the sessions so far.
#[derive(Default)]
struct Found {
    tally: PickTally,
    judged: Vec<PathKey>,
    alarms: u64,
    undecided: u64,
}

impl Found {
    /// Adds the picks of one session.
    fn add(&mut self, connection: &Connection, session: RunNumber) -> rusqlite::Result<()> {
        let mut records = records(connection, session)?;
        picks::of_run(connection, session, &mut |pick| {
            self.judged.push(pick.key);
            match records.remove(&pick.key) {
                Some(record) => self.add_record(record),
                None => self.tally.counts.add(pick.verdict, pick.comparable),
            }
        })?;
        // What the records did not bring with them.
        let sql = "SELECT max(newest), sum(restored), sum(pending) FROM picks WHERE run = ?";
        let (newest, restored, pending): (Option<i64>, Option<i64>, Option<i64>) =
            connection
                .query_row(sql, [session.cast_signed()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        self.tally.newest = self.tally.newest.max(newest.map(times::from_nanos));
        let number = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok()).unwrap_or(0);
        self.restored(number(restored));
        self.tally.pending_seen += number(pending);
        Ok(())
    }

    fn add_record(&mut self, record: PickRecord) {
        let listed = match record.verdict {
            Verdict::Verified => false,
            verdict => {
                let seen = if verdict.is_alarm() { &mut self.alarms } else { &mut self.undecided };
                *seen += 1;
                *seen <= LISTED_MAX
            }
        };
        let has_room = (self.tally.pending.len() as u64) < RECONSIDERED_MAX;
        // These are counted for the whole session.
        let (seen, restored, hashed) =
            (self.tally.pending_seen, self.tally.restored_bytes, self.tally.hashed_bytes);
        self.tally.add(record, listed, has_room);
        (self.tally.pending_seen, self.tally.restored_bytes, self.tally.hashed_bytes) =
            (seen, restored, hashed);
    }

    /// Bytes that were restored, and hashed on both sides.
    fn restored(&mut self, bytes: u64) {
        self.tally.restored_bytes = self.tally.restored_bytes.saturating_add(bytes);
        self.tally.hashed_bytes = self.tally.hashed_bytes.saturating_add(bytes.saturating_mul(2));
    }
}

/// The records of a session that were kept whole.
fn records(connection: &Connection, session: RunNumber) -> rusqlite::Result<HashMap<PathKey, PickRecord>> {
    let mut statement = connection.prepare("SELECT key, record FROM findings WHERE run = ?")?;
    let mut rows = statement.query([session.cast_signed()])?;
    let mut records = HashMap::new();
    while let Some(row) = rows.next()? {
        let key = PathKey(u128::from_be_bytes(row.get(0)?));
        let json = zstd::decode_all(row.get_ref(1)?.as_blob()?).ok();
        let record = json.and_then(|json| serde_json::from_slice(&json).ok());
        records.extend(record.map(|record| (key, record)));
    }
    Ok(records)
}
