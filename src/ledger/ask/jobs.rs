//! How is each job doing? Only the newest rows of each job are read, so the answer does not take
//! longer with more files or more years.

use rusqlite::{Connection, OptionalExtension, params};

use super::{coverage, row};
use crate::exit::ExitCode;
use crate::history::metrics::JobMetrics;
use crate::history::run::{Run, RunState};
use crate::history::status::JobRuns;
use crate::ledger::error::Error;
use crate::ledger::open::Ledger;

/// The name of a job; `None` for runs without one.
type Job = Option<String>;

/// Every job of which there is a run.
///
/// # Errors
/// If the ledger cannot be read.
pub fn known_jobs(ledger: &Ledger) -> Result<Vec<Job>, Error> {
    let read = || -> rusqlite::Result<Vec<Job>> {
        let mut statement = ledger.connection().prepare("SELECT DISTINCT job FROM runs ORDER BY job")?;
        statement.query_map([], |row| row.get(0))?.collect()
    };
    read().map_err(|error| ledger.failed(error))
}

/// The newest runs of these jobs.
///
/// # Errors
/// If the ledger cannot be read.
pub fn jobs(ledger: &Ledger, jobs: &[Job]) -> Result<Vec<JobRuns>, Error> {
    let read = |job: &Job| of_job(ledger, job).map_err(|error| ledger.failed(error));
    jobs.iter().map(read).collect()
}

fn of_job(ledger: &Ledger, job: &Job) -> rusqlite::Result<JobRuns> {
    let newest = |condition: &str| {
        let (columns, from) = (row::COLUMNS, row::FROM);
        let sql =
            format!("SELECT {columns} FROM {from} WHERE job IS ? {condition} ORDER BY runs.id DESC LIMIT 1");
        row::all(ledger, ledger.connection(), &sql, [job]).map(|runs| runs.into_iter().next())
    };
    let last = newest("")?;
    let (running, last) = match last {
        // Those before it are over: a job runs only once at a time.
        Some(run) if run.result == RunState::Running => {
            (Some(run), newest("AND (ended IS NOT NULL OR died)")?)
        }
        last => (None, last),
    };
    let passed = newest(&format!("AND exit = {}", ExitCode::Pass as i64))?;
    Ok(JobRuns { job: job.clone(), last, passed, running, note: None })
}

/// The job of the newest run over the same backup and originals as the last run of this job, if
/// that is another job: this one was renamed, or another one does its work now.
///
/// # Errors
/// If the ledger cannot be read.
pub fn successor(ledger: &Ledger, job: &Job) -> Result<Option<Job>, Error> {
    let sql = "SELECT job FROM runs
               WHERE target = (SELECT target FROM runs WHERE job IS ? ORDER BY id DESC LIMIT 1)
               ORDER BY id DESC LIMIT 1";
    let newest: Option<Job> = ledger
        .connection()
        .query_row(sql, [job], |row| row.get(0))
        .optional()
        .map_err(|error| ledger.failed(error))?;
    Ok(newest.filter(|newest| newest != job))
}

/// What the metrics say of a job. Reads all files of its backup.
///
/// # Errors
/// If the ledger cannot be read.
pub fn metrics(ledger: &Ledger, job: &Job, now: jiff::Timestamp) -> Result<JobMetrics, Error> {
    let read = || -> rusqlite::Result<JobMetrics> {
        let JobRuns { last, passed, .. } = of_job(ledger, job)?;
        let coverage = match coverage::target_of(ledger.connection(), job)? {
            Some(target) => Some(coverage::of_target(ledger, target, now)?.coverage()),
            None => None,
        };
        Ok(JobMetrics {
            job: job.clone(),
            last,
            passed: Some(passed.as_ref().map(Run::time)),
            runs: count(ledger.connection(), job)?,
            coverage,
        })
    };
    read().map_err(|error| ledger.failed(error))
}

/// How many runs ended in which way.
fn count(connection: &Connection, job: &Job) -> rusqlite::Result<Vec<(RunState, u64)>> {
    let sql = "SELECT sum(exit = ?2), sum(died) FROM runs WHERE job IS ?1";
    let count = |code: Option<i64>, column: usize| -> rusqlite::Result<u64> {
        let number: Option<i64> = connection.query_row(sql, params![job, code], |row| row.get(column))?;
        Ok(u64::try_from(number.unwrap_or(0)).unwrap_or(0))
    };
    let mut found = Vec::new();
    for code in ExitCode::ALL {
        found.push((RunState::of(code), count(Some(code as i64), 0)?));
    }
    found.push((RunState::Killed, count(None, 1)?));
    Ok(found)
}
