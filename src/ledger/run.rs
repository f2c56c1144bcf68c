//! The row of a run: made when it starts, completed when it ends, and recognised by the next run if
//! it never ended.

use rusqlite::{Connection, OptionalExtension, params};

use crate::history::run::{RECHECK, strategy_in_history};
use crate::plan::Plan;
use crate::report::Model;
use crate::report::model::{PlanPart, SizePart};
use crate::verify::memory::{DrawnFrom, RunNumber};
use crate::verify::outcome::Incomplete;
use crate::verify::strategy;

use super::{picks, times};

/// How strongly reports are compressed: they are small, and this takes a millisecond.
const LEVEL: i32 = 9;

/// What the row of a run says of its start, beside the plan.
#[derive(Debug, Clone)]
pub struct Start {
    /// The name of the lock that the run holds; `None` if it holds none.
    pub lock: Option<String>,
    /// Which session of a draw this is; the first is 1.
    pub session: u64,
    /// The run whose draw this one continues.
    pub resumes: Option<u64>,
}

impl Default for Start {
    fn default() -> Self {
        Self { lock: None, session: 1, resumes: None }
    }
}

/// What the row of a run begins with.
#[derive(Debug)]
pub(super) struct Beginning {
    job: Option<String>,
    lock: Option<String>,
    started: i64,
    seed: String,
    strategy: String,
    sample: String,
    draw: [u8; 32],
    session: i64,
    resumes: Option<i64>,
}

impl Beginning {
    pub(super) fn new(plan: &Plan, start: &Start) -> Self {
        let is_recheck = !plan.draw.filters.only.is_empty();
        Self {
            job: plan.origin.job.clone(),
            lock: start.lock.clone(),
            started: times::to_millis(plan.started),
            seed: plan.draw.seed.clone(),
            strategy: strategy_in_history(strategy::of(&plan.draw).name(), is_recheck).to_owned(),
            // A size is a name and a number, which always become text.
            sample: serde_json::to_string(&SizePart::from(plan.draw.sample)).unwrap_or_default(),
            draw: draw(plan),
            session: start.session.cast_signed(),
            resumes: start.resumes.map(u64::cast_signed),
        }
    }

    /// Makes the row of the run, and returns its number. Earlier runs that held the same lock and
    /// never ended were killed: this run holds it now.
    pub(super) fn insert(&self, connection: &Connection, target: i64) -> rusqlite::Result<RunNumber> {
        if let Some(lock) = &self.lock {
            mark_killed(connection, lock)?;
        }
        connection.execute(
            "INSERT INTO runs (target, job, lock, started, session, resumes, seed, strategy, sample, draw)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                target,
                self.job,
                self.lock,
                self.started,
                self.session,
                self.resumes,
                self.seed,
                self.strategy,
                self.sample,
                self.draw,
            ],
        )?;
        Ok(connection.last_insert_rowid().cast_unsigned())
    }
}

/// What decides the draw of a plan beside the seed: BLAKE3, in its key derivation mode with the
/// context string `bkverify 2026 ledger draw v1`, over the JSON of the sample, the filters, and what
/// decides which files are compared, as the report has them.
pub(super) fn draw(plan: &Plan) -> [u8; 32] {
    let part = PlanPart::new(plan);
    let PlanPart { strategy, sample, filters, confidence, .. } = part;
    let PlanPart { backup_window_seconds, assume_unchanged, hash, .. } = part;
    // These are numbers and texts, which always become JSON.
    let json = serde_json::to_vec(&(
        strategy,
        sample,
        filters,
        confidence,
        backup_window_seconds,
        assume_unchanged,
        hash,
    ))
    .unwrap_or_default();
    blake3::derive_key("bkverify 2026 ledger draw v1", &json)
}

/// Records what the run draws from, as far as it is known: the files only once the backup is listed.
pub(super) fn set_drawn_from(
    connection: &Connection,
    run: RunNumber,
    from: &DrawnFrom,
) -> rusqlite::Result<()> {
    let (files, digest) =
        from.population.as_ref().map(|(files, digest)| (files.cast_signed(), digest)).unzip();
    let sql = "UPDATE runs SET backup_id = coalesce(?, backup_id), files = coalesce(?, files), digest = coalesce(?, digest)
               WHERE id = ?";
    connection.execute(sql, params![from.backup, files, digest, run.cast_signed()]).map(|_| ())
}

/// Whether a later run should take up one with this report: something outside ended it. A run that
/// took another one up and then failed leaves that one to be taken up again.
fn is_resumable(model: &Model, resumes: Option<i64>) -> bool {
    let is_ended_early = matches!(
        model.incomplete,
        Some(
            Incomplete::Interrupted | Incomplete::TimeLimit | Incomplete::Budget | Incomplete::RestoreFolder
        )
    );
    is_ended_early || (model.error.is_some() && resumes.is_some())
}

/// Marks the runs that held this lock and never ended. What they had judged is counted now.
fn mark_killed(connection: &Connection, lock: &str) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare("SELECT id FROM runs WHERE lock = ? AND ended IS NULL AND NOT died")?;
    let killed: Vec<i64> = statement.query_map([lock], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for run in killed {
        let (mut judged, mut verified, mut bad) = (0_i64, 0_i64, 0_i64);
        picks::of_run(connection, run.cast_unsigned(), &mut |pick| {
            judged += 1;
            verified += i64::from(pick.verdict.is_decided() && !pick.verdict.is_alarm());
            bad += i64::from(pick.verdict.is_bad());
        })?;
        connection.execute(
            "UPDATE runs SET died = 1, resumable = 1, judged = ?, verified = ?, bad = ? WHERE id = ?",
            (judged, verified, bad, run),
        )?;
    }
    Ok(())
}

/// Completes the row of a run with its report.
pub(super) fn finish(
    connection: &Connection,
    run: RunNumber,
    beginning: &Beginning,
    model: &Model,
) -> rusqlite::Result<()> {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let ended = model.finished.map(jiff::Timestamp::as_millisecond);
    let started = model.started.map_or(0, jiff::Timestamp::as_millisecond);
    let has_outcome = model.error.is_none();
    let known = |value: u64| has_outcome.then(|| number(value));
    connection.execute(
        "UPDATE runs SET ended = ?, exit = ?, resumable = ?, strategy = ?, files = ?, bytes = ?, digest = ?, wanted = ?,
             judged = ?, verified = ?, bad = ?, report = ? WHERE id = ?",
        params![
            ended.unwrap_or(started),
            model.exit_code as i64,
            is_resumable(model, beginning.resumes),
            strategy_in_history(&model.sample.strategy, beginning.strategy == RECHECK),
            known(model.population.files),
            model.population.bytes.map(number),
            has_outcome.then_some(&model.population.digest),
            known(model.sample.wanted),
            known(model.counts.drawn),
            known(model.counts.verified),
            known(model.counts.bad),
            pack(model),
            run.cast_signed(),
        ],
    )?;
    Ok(())
}

fn pack(model: &Model) -> Option<Vec<u8>> {
    zstd::encode_all(serde_json::to_vec(model).ok()?.as_slice(), LEVEL).ok()
}

/// The report of a run, as JSON; `None` if the run has none, because it was killed or still runs.
pub(super) fn report(connection: &Connection, run: RunNumber) -> rusqlite::Result<Option<Vec<u8>>> {
    let mut statement = connection.prepare("SELECT report FROM runs WHERE id = ?")?;
    let packed: Option<Option<Vec<u8>>> =
        statement.query_row([run.cast_signed()], |row| row.get(0)).optional()?;
    Ok(packed.flatten().and_then(|packed| zstd::decode_all(packed.as_slice()).ok()))
}
