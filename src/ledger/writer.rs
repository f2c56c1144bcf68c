//! Writes picks and runs: one transaction for each batch.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Statement, TransactionBehavior, params};

use crate::plan::{Algorithm, Plan, Target};
use crate::report::Model;
use crate::verify::PickRecord;
use crate::verify::hash::Hash;
use crate::verify::memory::{DrawnFrom, JudgedPick, PathKey, RunNumber};
use crate::verify::verdict::Verdict;

use super::open::Ledger;
use super::picks::{self, ROW_MAX};
use super::row::Row;
use super::run::{self, Beginning, Start};
use super::{target, times};

/// How strongly single findings are compressed.
const LEVEL: i32 = 3;

/// Writes what one run finds. The first write makes the run's row.
pub(super) struct Writer {
    ledger: Ledger,
    target: Target,
    beginning: Beginning,
    started: i64,
    algorithm: i64,
    /// The row of the target and the number of the run, once they are made.
    ids: Option<(i64, RunNumber)>,
}

impl Writer {
    pub(super) fn new(ledger: Ledger, plan: &Plan, start: &Start) -> Self {
        let algorithm = Algorithm::ALL.iter().position(|&one| one == plan.engine.hash).unwrap_or(0);
        Self {
            ledger,
            target: plan.target.clone(),
            beginning: Beginning::new(plan, start),
            started: times::to_millis(plan.started),
            algorithm: i64::try_from(algorithm).unwrap_or(0),
            ids: None,
        }
    }

    /// The ledger's file.
    pub(super) fn path(&self) -> &Path {
        self.ledger.path()
    }

    /// Makes the row of the run if there is none yet, and writes these picks.
    pub(super) fn write(&mut self, rows: &[Row]) -> rusqlite::Result<()> {
        let transaction =
            self.ledger.connection_mut().transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (target, run) = ids(&transaction, self.ids, &self.target, &self.beginning)?;
        let mut sorted: Vec<_> = rows.iter().map(|row| (row.key(), row)).collect();
        // In the order of their keys, neighbours go to the same page.
        sorted.sort_unstable_by_key(|&(key, _)| key);
        let batch = Batch { target, run, started: self.started, algorithm: self.algorithm };
        batch.files(&transaction, &sorted)?;
        batch.picks(&transaction, &sorted)?;
        batch.findings(&transaction, &sorted)?;
        transaction.commit()?;
        self.ids = Some((target, run));
        Ok(())
    }

    /// Records what the run draws from, as far as it is known.
    pub(super) fn drawn_from(&mut self, from: &DrawnFrom) -> rusqlite::Result<()> {
        let connection = self.ledger.connection();
        let (target, run) = ids(connection, self.ids, &self.target, &self.beginning)?;
        self.ids = Some((target, run));
        run::set_drawn_from(connection, run, from)
    }

    /// Completes the row of the run. `stale` are picks that turned out to be stale after they were
    /// judged.
    pub(super) fn finish(&mut self, model: &Model, stale: &[PickRecord]) -> rusqlite::Result<()> {
        let transaction =
            self.ledger.connection_mut().transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (target, run) = ids(&transaction, self.ids, &self.target, &self.beginning)?;
        for record in stale {
            rejudge(&transaction, target, run, record)?;
        }
        run::finish(&transaction, run, &self.beginning, model)?;
        transaction.commit()?;
        self.ids = Some((target, run));
        Ok(())
    }
}

/// The rows of the target and of the run, which are made with the first write.
fn ids(
    connection: &Connection,
    known: Option<(i64, RunNumber)>,
    target: &Target,
    beginning: &Beginning,
) -> rusqlite::Result<(i64, RunNumber)> {
    if let Some(ids) = known {
        return Ok(ids);
    }
    let target = target::find_or_insert(connection, target)?;
    Ok((target, beginning.insert(connection, target)?))
}

/// What the rows of a batch have in common.
struct Batch {
    target: i64,
    run: RunNumber,
    started: i64,
    algorithm: i64,
}

/// The statements that a batch runs for every file.
struct Statements<'a> {
    find: Statement<'a>,
    new_version: Statement<'a>,
    new_file: Statement<'a>,
    set_version: Statement<'a>,
    set_file: Statement<'a>,
}

impl<'a> Statements<'a> {
    fn new(connection: &'a Connection) -> rusqlite::Result<Self> {
        let prepare = |sql| connection.prepare(sql);
        Ok(Self {
            find: prepare("SELECT version, verdict FROM files WHERE target = ? AND key = ?")?,
            new_version: prepare(
                "INSERT INTO versions (path, size, mtime, verified_at, algorithm, hash) VALUES (?, ?, ?, ?, ?, ?)",
            )?,
            new_file: prepare(
                "INSERT INTO files (target, key, run, verdict, version) VALUES (?, ?, ?, ?, ?)",
            )?,
            set_version: prepare(
                "UPDATE versions SET size = ?, mtime = ?, verified_at = ?, algorithm = ?, hash = ? WHERE id = ?",
            )?,
            set_file: prepare("UPDATE files SET run = ?, verdict = ? WHERE target = ? AND key = ?")?,
        })
    }
}

impl Batch {
    /// The rows of the files.
    fn files(&self, connection: &Connection, rows: &[(PathKey, &Row)]) -> rusqlite::Result<()> {
        let mut statements = Statements::new(connection)?;
        for &(key, row) in rows {
            self.file(&mut statements, key, row)?;
        }
        Ok(())
    }

    fn file(&self, statements: &mut Statements<'_>, key: PathKey, row: &Row) -> rusqlite::Result<()> {
        let (run, key, verdict) = (self.run.cast_signed(), key.0.to_be_bytes(), row.verdict as i64);
        let size = row.size.map(|size| i64::try_from(size).unwrap_or(i64::MAX));
        let hash = row.hash.as_ref().map(Hash::bytes);
        let known: Option<(i64, i64)> = statements
            .find
            .query_row(params![self.target, key], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        // A version that was once found equal stays until another one is: its hash tells which side
        // has changed. So it also stays if both sides have changed.
        let equal = row.verdict == Verdict::Verified && !row.unlike;
        let (mtime, hash) = if equal { (row.mtime, hash) } else { (None, None) };
        let (at, algorithm) = if equal { (Some(self.started), Some(self.algorithm)) } else { (None, None) };
        let Some((version, before)) = known else {
            let id = statements.new_version.insert(params![&*row.path, size, mtime, at, algorithm, hash])?;
            statements.new_file.execute(params![self.target, key, run, verdict, id])?;
            return Ok(());
        };
        if equal {
            statements.set_version.execute(params![size, mtime, at, algorithm, hash, version])?;
        }
        // What proves nothing does not make a bad file good.
        let was_alarm = picks::verdict(before).is_some_and(Verdict::is_alarm);
        let verdict = if was_alarm && !row.verdict.is_decided() { before } else { verdict };
        statements.set_file.execute(params![run, verdict, self.target, key])?;
        Ok(())
    }

    /// The list of what the run judged.
    fn picks(&self, connection: &Connection, rows: &[(PathKey, &Row)]) -> rusqlite::Result<()> {
        let mut insert = connection.prepare("INSERT INTO picks (run, newest, picks) VALUES (?, ?, ?)")?;
        for part in rows.chunks(ROW_MAX) {
            let picks = part.iter().map(|&(key, row)| JudgedPick {
                key,
                version: row.version,
                verdict: row.verdict,
                comparable: row.comparable,
                pending: row.pending,
            });
            let newest = part.iter().filter_map(|(_, row)| row.confirmed).max();
            insert.execute(params![self.run.cast_signed(), newest, picks::encode(picks)])?;
        }
        Ok(())
    }

    /// The records of what is not verified.
    fn findings(&self, connection: &Connection, rows: &[(PathKey, &Row)]) -> rusqlite::Result<()> {
        let records = rows.iter().filter_map(|&(key, row)| Some((key, row.record.as_ref()?)));
        records.into_iter().try_for_each(|(key, record)| put_finding(connection, self.run, key, record))
    }
}

fn put_finding(
    connection: &Connection,
    run: RunNumber,
    key: PathKey,
    record: &PickRecord,
) -> rusqlite::Result<()> {
    let json = serde_json::to_vec(record).unwrap_or_default();
    let packed = zstd::encode_all(json.as_slice(), LEVEL).unwrap_or_default();
    let sql = "INSERT OR REPLACE INTO findings (run, key, verdict, record) VALUES (?, ?, ?, ?)";
    let values = params![run.cast_signed(), key.0.to_be_bytes(), record.verdict as i64, packed];
    connection.prepare(sql)?.execute(values).map(|_| ())
}

/// Corrects a pick that was judged before the newest time in the backup was known.
fn rejudge(
    connection: &Connection,
    target: i64,
    run: RunNumber,
    record: &PickRecord,
) -> rusqlite::Result<()> {
    let key = PathKey::of(&record.path);
    if picks::find(connection, run, key)?.is_none_or(|pick| pick.verdict == record.verdict) {
        return Ok(());
    }
    picks::rejudge(connection, run, key, record.verdict)?;
    put_finding(connection, run, key, record)?;
    let sql = "UPDATE files SET verdict = ? WHERE target = ? AND key = ?";
    let values = params![record.verdict as i64, target, key.0.to_be_bytes()];
    connection.prepare(sql)?.execute(values).map(|_| ())
}
