//! A row of a run as the history tells it.

use rusqlite::{Connection, Row};

use crate::exit::ExitCode;
use crate::history::run::{Run, RunState, Told};
use crate::ledger::lock::RunLock;
use crate::ledger::open::Ledger;
use crate::ledger::times;
use crate::words;

/// The columns that [`read`] takes, of `runs` and its target.
pub(super) const COLUMNS: &str = "runs.id, job, backup, started, ended, exit, died, lock, strategy, sample, \
    files, bytes, wanted, judged, verified, bad, session, resumes, report";

/// The tables that they are of.
pub(super) const FROM: &str = "runs LEFT JOIN targets ON targets.id = runs.target";

/// The time that is this many milliseconds after 1970. One beyond the calendar becomes its end: the
/// ledger may be damaged.
pub(super) fn moment(millis: i64) -> jiff::Timestamp {
    words::moment(times::from_millis(millis)).unwrap_or(if millis < 0 {
        jiff::Timestamp::MIN
    } else {
        jiff::Timestamp::MAX
    })
}

/// The milliseconds since 1970 of a time.
pub(super) fn millis(time: jiff::Timestamp) -> i64 {
    time.as_millisecond()
}

fn number(row: &Row<'_>, name: &str) -> rusqlite::Result<Option<u64>> {
    Ok(row.get::<_, Option<i64>>(name)?.map(|number| u64::try_from(number).unwrap_or(0)))
}

/// The run of a row with [`COLUMNS`].
pub(super) fn read(ledger: &Ledger, row: &Row<'_>) -> rusqlite::Result<Run> {
    let ended: Option<i64> = row.get("ended")?;
    let exit: Option<i64> = row.get("exit")?;
    let code = exit.and_then(|exit| ExitCode::ALL.into_iter().find(|code| *code as i64 == exit));
    let sample: String = row.get("sample")?;
    let run = Run {
        id: row.get::<_, i64>("id")?.cast_unsigned(),
        job: row.get("job")?,
        backup: row.get::<_, Option<String>>("backup")?.unwrap_or_default(),
        started: moment(row.get("started")?),
        ended: ended.map(moment),
        result: match code {
            Some(code) => RunState::of(code),
            None => unfinished(ledger, row)?,
        },
        exit_code: code.map(|code| code as u8),
        headline: None,
        strategy: row.get("strategy")?,
        sample: serde_json::from_str(&sample).ok(),
        files: number(row, "files")?,
        bytes: number(row, "bytes")?,
        whole: false,
        wanted: number(row, "wanted")?,
        judged: number(row, "judged")?,
        verified: number(row, "verified")?,
        bad: number(row, "bad")?,
        undecided: None,
        bound: None,
        session: number(row, "session")?.unwrap_or(1).max(1),
        resumes: number(row, "resumes")?,
    };
    Ok(match told(row)? {
        Some(told) => run.with_report(told),
        None => run,
    })
}

/// What the report of a row says, if it has one that can be read.
pub(super) fn told(row: &Row<'_>) -> rusqlite::Result<Option<Told>> {
    let packed: Option<Vec<u8>> = row.get("report")?;
    Ok(packed.and_then(|packed| Told::read(&zstd::decode_all(packed.as_slice()).ok()?).ok()))
}

/// Whether a run that has not ended is still running. It is only if its lock is held, or if that
/// cannot be told.
fn unfinished(ledger: &Ledger, row: &Row<'_>) -> rusqlite::Result<RunState> {
    let died: bool = row.get("died")?;
    let lock: Option<String> = row.get("lock")?;
    let state = ledger.path().parent();
    let is_held = || RunLock::is_held(state?, lock.as_deref()?);
    Ok(if died || is_held() == Some(false) { RunState::Killed } else { RunState::Running })
}

/// All runs that a statement finds. It selects [`COLUMNS`].
pub(super) fn all(
    ledger: &Ledger,
    connection: &Connection,
    sql: &str,
    values: impl rusqlite::Params,
) -> rusqlite::Result<Vec<Run>> {
    let mut statement = connection.prepare(sql)?;
    statement.query_map(values, |row| read(ledger, row))?.collect()
}
