//! The part of a draw that earlier sessions judged, for a run that goes on where the last one ended
//! early.
//!
//! A run is taken up if it is the last one of the same job over the same backup and originals that
//! was asked for the same files (size of the sample, filters, confidence), and if something outside
//! ended it: a signal, the time limit, the byte budget, the restore folder, a crash. What the ledger
//! lost of it (the last seconds before a crash) is judged again.
//!
//! Bytes are not taken over: each session tells what it did itself, and how fast.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::Error;
use super::open::Ledger;
use super::{picks, run, target, times};
use crate::plan::Plan;
use crate::platform::Timestamp;
use crate::verify::PickRecord;
use crate::verify::memory::{DrawnFrom, JudgedPick, PathKey, Resumed, RunNumber};

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

/// The run that a run with this plan goes on with; `None` if a new one is to begin. `lock` is the
/// lock that the job holds now: a run that held it and never ended was killed.
///
/// # Errors
/// If the ledger cannot be read.
pub fn resumable(ledger: &Ledger, plan: &Plan, lock: Option<&str>) -> Result<Option<Resumable>, Error> {
    find(ledger.connection(), plan, lock).map_err(|error| ledger.failed(error))
}

fn find(connection: &Connection, plan: &Plan, lock: Option<&str>) -> rusqlite::Result<Option<Resumable>> {
    let Some((last, seed)) = last_run(connection, plan, lock)? else { return Ok(None) };
    let sessions = sessions(connection, last)?;
    let mut found = Found::default();
    for &session in sessions.iter().rev() {
        found.add(connection, session)?;
    }
    let Found { picks, records, newest } = found;
    let from = drawn_from(connection, &sessions)?;
    let resumed = Resumed::new(sessions.len() as u64, from, newest, picks, records);
    Ok(Some(Resumable { run: last, seed, resumed }))
}

/// The last run of the plan's job with the same draw, and its seed, if something ended it early.
fn last_run(
    connection: &Connection,
    plan: &Plan,
    lock: Option<&str>,
) -> rusqlite::Result<Option<(RunNumber, String)>> {
    let Some(target) = target::find(connection, &target::fingerprint(&plan.target))? else { return Ok(None) };
    let sql = "SELECT id, seed, resumable OR (ended IS NULL AND lock IS ?) FROM runs
               WHERE target = ? AND job IS ? AND draw = ? ORDER BY id DESC LIMIT 1";
    let read =
        |row: &Row<'_>| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?, row.get::<_, bool>(2)?));
    let last = connection
        .query_row(sql, params![lock, target, plan.origin.job, run::draw(plan)], read)
        .optional()?;
    Ok(last.and_then(|(run, seed, is_resumable)| is_resumable.then_some((run, seed))))
}

/// What the sessions drew from. A session that was killed early, or one that judged files while it
/// listed them, may not have known how many there are.
fn drawn_from(connection: &Connection, sessions: &[RunNumber]) -> rusqlite::Result<DrawnFrom> {
    let mut statement = connection.prepare("SELECT backup_id, files, digest FROM runs WHERE id = ?")?;
    let mut from = DrawnFrom::default();
    for session in sessions {
        let read = |row: &Row<'_>| {
            let files: Option<i64> = row.get(1)?;
            let population = files.map(i64::cast_unsigned).zip(row.get(2)?);
            Ok(DrawnFrom { backup: row.get(0)?, population })
        };
        let session = statement.query_row([session.cast_signed()], read)?;
        from.backup = from.backup.or(session.backup);
        from.population = from.population.or(session.population);
    }
    Ok(from)
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
    picks: Vec<JudgedPick>,
    records: HashMap<PathKey, PickRecord>,
    newest: Option<Timestamp>,
}

impl Found {
    /// Adds the picks of the next session. What it found about a file that was judged before takes
    /// the place of that.
    fn add(&mut self, connection: &Connection, session: RunNumber) -> rusqlite::Result<()> {
        picks::of_run(connection, session, &mut |pick| {
            self.records.remove(&pick.key);
            self.picks.push(pick);
        })?;
        self.records.extend(records(connection, session)?);
        let newest = "SELECT max(newest) FROM picks WHERE run = ?";
        let newest: Option<i64> = connection.query_row(newest, [session.cast_signed()], |row| row.get(0))?;
        self.newest = self.newest.max(newest.map(times::from_nanos));
        Ok(())
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
