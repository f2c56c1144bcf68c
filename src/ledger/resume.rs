//! The run that ended early and can be taken up: which one it is, and what it found.

use rusqlite::{OptionalExtension, params};

use crate::plan::Plan;
use crate::verify::PickRecord;
use crate::verify::memory::{PathKey, Resumed};
use crate::verify::tally::{LISTED_MAX, PickTally, RECONSIDERED_MAX};

use super::error::Error;
use super::open::Ledger;
use super::run::draw;
use super::{picks, target, times};

/// A run that ended early.
#[derive(Debug)]
pub struct Unfinished {
    /// The number of its last session.
    pub run: u64,
    /// Its seed. Only with it are the same files drawn again.
    pub seed: String,
    /// What was judged.
    pub resumed: Resumed,
}

/// A session of a run.
struct Session {
    run: i64,
    resumes: Option<i64>,
    seed: String,
    population: Option<(u64, String)>,
    newest: Option<i64>,
}

/// The last run of the plan's job with the same draw, if it ended early. `lock` is the lock that
/// the job holds now: a run that held it and never ended was killed.
///
/// `None` if the last run came to its end, or if there is none.
///
/// # Errors
/// If the ledger cannot be read.
pub fn unfinished(ledger: &Ledger, plan: &Plan, lock: Option<&str>) -> Result<Option<Unfinished>, Error> {
    find(ledger, plan, lock).map_err(|error| ledger.failed(error))
}

fn find(ledger: &Ledger, plan: &Plan, lock: Option<&str>) -> rusqlite::Result<Option<Unfinished>> {
    let connection = ledger.connection();
    let Some(target) = target::find(connection, &target::fingerprint(&plan.target))? else {
        return Ok(None);
    };
    let sql = "SELECT id, resumable OR (ended IS NULL AND lock IS ?) FROM runs
               WHERE target = ? AND job IS ? AND draw = ? ORDER BY id DESC LIMIT 1";
    let last: Option<(i64, bool)> = connection
        .query_row(sql, params![lock, target, plan.origin.job, draw(plan)], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let Some((run, true)) = last else { return Ok(None) };
    let mut sessions = Vec::new();
    let mut next = Some(run);
    while let Some(run) = next {
        let session = session(ledger, run)?;
        next = session.resumes.filter(|&earlier| earlier < run);
        sessions.push(session);
    }
    let seed = sessions[0].seed.clone();
    let resumed = sum(ledger, &sessions)?;
    Ok(resumed.map(|resumed| Unfinished { run: run.cast_unsigned(), seed, resumed }))
}

fn session(ledger: &Ledger, run: i64) -> rusqlite::Result<Session> {
    let sql = "SELECT resumes, seed, files, digest, newest FROM runs WHERE id = ?";
    ledger.connection().query_row(sql, [run], |row| {
        let files: Option<i64> = row.get(2)?;
        let digest: Option<String> = row.get(3)?;
        Ok(Session {
            run,
            resumes: row.get(0)?,
            seed: row.get(1)?,
            population: files.map(i64::cast_unsigned).zip(digest),
            newest: row.get(4)?,
        })
    })
}

/// What all sessions found. Bytes are left out: they are told of each session by itself.
fn sum(ledger: &Ledger, sessions: &[Session]) -> rusqlite::Result<Option<Resumed>> {
    let mut tally = PickTally::default();
    let mut judged = Vec::new();
    let mut limits = Limits::default();
    for session in sessions {
        let records = records(ledger, session.run)?;
        let mut add = |pick: picks::Pick| {
            judged.push(pick.key);
            let known = records.binary_search_by_key(&pick.key, |(key, _)| *key);
            match known.ok().map(|at| &records[at].1) {
                Some(record) => limits.add(&mut tally, record.clone()),
                None => tally.counts.add(pick.verdict, pick.comparable),
            }
        };
        picks::of_run(ledger.connection(), session.run.cast_unsigned(), &mut add)?;
        tally.newest = tally.newest.max(session.newest.map(times::from_nanos));
    }
    tally.restored_bytes = 0;
    // A session that was killed early may not have known what it drew from.
    let population = sessions.iter().find_map(|session| session.population.clone()).unwrap_or_default();
    Ok(Resumed::new(sessions.len() as u64, tally, judged, population))
}

/// How many picks are listed so far: as in a run, only so many of each kind.
#[derive(Default)]
struct Limits {
    alarms: u64,
    undecided: u64,
    pending: u64,
}

impl Limits {
    fn add(&mut self, tally: &mut PickTally, record: PickRecord) {
        let listed = if record.verdict.is_alarm() { &mut self.alarms } else { &mut self.undecided };
        *listed += 1;
        let is_listed = *listed <= LISTED_MAX;
        self.pending += u64::from(record.pending.is_some());
        tally.add(record, is_listed, self.pending <= RECONSIDERED_MAX);
    }
}

/// The records that were kept of a session, sorted by key.
fn records(ledger: &Ledger, run: i64) -> rusqlite::Result<Vec<(PathKey, PickRecord)>> {
    let sql = "SELECT key, record FROM findings WHERE run = ? ORDER BY key";
    let mut statement = ledger.connection().prepare(sql)?;
    let mut rows = statement.query([run])?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        let key = PathKey(u128::from_be_bytes(row.get(0)?));
        let packed = zstd::decode_all(row.get_ref(1)?.as_blob()?).unwrap_or_default();
        // A record that a newer version wrote may be unreadable. Its verdict is counted all the
        // same.
        records.extend(serde_json::from_slice(&packed).ok().map(|record| (key, record)));
    }
    Ok(records)
}
