//! How is each job doing? Only the newest rows of each job are read, so the answer does not take
//! longer with more files or more years.

use rusqlite::{Connection, OptionalExtension, params};

use super::{alarms, coverage, row};
use crate::exit::ExitCode;
use crate::history::metrics::JobMetrics;
use crate::history::run::{RECHECK, Run, RunState};
use crate::history::status::JobRuns;
use crate::ledger::error::Error;
use crate::ledger::open::Ledger;
use crate::ledger::target;
use crate::plan::Plan;

/// A job; or without a name, the runs over one backup that had no job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// The name of the job.
    pub job: Option<String>,
    /// The number of the backup's row, for runs without a job.
    pub target: Option<i64>,
}

impl Subject {
    /// The job of this name.
    pub fn job(name: &str) -> Self {
        Self { job: Some(name.to_owned()), target: None }
    }

    /// What the runs of this plan belong to; `None` if no run of it is in the ledger.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub fn of(ledger: &Ledger, plan: &Plan) -> Result<Option<Self>, Error> {
        if let Some(job) = &plan.origin.job {
            return Ok(Some(Self::job(job)));
        }
        let target = target::find(ledger.connection(), &target::fingerprint(&plan.target));
        let target = target.map_err(|error| ledger.failed(error))?;
        Ok(target.map(|target| Self { job: None, target: Some(target) }))
    }
}

/// The rows of `runs` that a subject has: its name and its target are the first two parameters.
const ITS_RUNS: &str = "job IS ?1 AND (?2 IS NULL OR runs.target = ?2)";

/// Every job of which there is a run, and every backup that runs without a job verified.
///
/// # Errors
/// If the ledger cannot be read.
pub fn known_jobs(ledger: &Ledger) -> Result<Vec<Subject>, Error> {
    let sql = "SELECT DISTINCT job, iif(job IS NULL, target, NULL) FROM runs ORDER BY job, target";
    let read = || -> rusqlite::Result<Vec<Subject>> {
        let mut statement = ledger.connection().prepare(sql)?;
        statement.query_map([], |row| Ok(Subject { job: row.get(0)?, target: row.get(1)? }))?.collect()
    };
    read().map_err(|error| ledger.failed(error))
}

/// The newest runs of these jobs.
///
/// # Errors
/// If the ledger cannot be read.
pub fn jobs(ledger: &Ledger, jobs: &[Subject]) -> Result<Vec<JobRuns>, Error> {
    let read = |job: &Subject| of_job(ledger, job).map_err(|error| ledger.failed(error));
    jobs.iter().map(read).collect()
}

/// The newest runs of a job, without those over files that were bad before: these are begun by a
/// person, and are no night of the job.
///
/// # Errors
/// If the ledger cannot be read.
pub fn nights(ledger: &Ledger, job: &Subject) -> Result<JobRuns, Error> {
    let found = last(ledger, job, &format!("AND strategy <> '{RECHECK}'"));
    let (last, running) = found.map_err(|error| ledger.failed(error))?;
    Ok(JobRuns { job: job.job.clone(), last, running, ..JobRuns::default() })
}

/// The newest run of a subject that is a certain one.
fn newest(ledger: &Ledger, subject: &Subject, condition: &str) -> rusqlite::Result<Option<Run>> {
    let (columns, from) = (row::COLUMNS, row::FROM);
    let sql =
        format!("SELECT {columns} FROM {from} WHERE {ITS_RUNS} {condition} ORDER BY runs.id DESC LIMIT 1");
    let values = (&subject.job, subject.target);
    Ok(row::all(ledger, ledger.connection(), &sql, values)?.into_iter().next())
}

/// The last run of a subject that is over, and the one that is running, of certain ones.
fn last(ledger: &Ledger, subject: &Subject, which: &str) -> rusqlite::Result<(Option<Run>, Option<Run>)> {
    Ok(match newest(ledger, subject, which)? {
        // Those before it are over: a job runs only once at a time.
        Some(run) if run.result == RunState::Running => {
            let over = newest(ledger, subject, &format!("{which} AND (ended IS NOT NULL OR died)"))?;
            (over, Some(run))
        }
        last => (last, None),
    })
}

fn of_job(ledger: &Ledger, subject: &Subject) -> rusqlite::Result<JobRuns> {
    let (last, running) = last(ledger, subject, "")?;
    // A run over the files that were bad says nothing about the others.
    let passed = format!("AND exit = {} AND strategy <> '{RECHECK}'", ExitCode::Pass as i64);
    let passed = newest(ledger, subject, &passed)?;
    let alarms = match target_of(ledger.connection(), subject)? {
        Some(target) => alarms::of_target(ledger.connection(), target)?,
        None => None,
    };
    Ok(JobRuns { job: subject.job.clone(), last, passed, running, alarms, ..JobRuns::default() })
}

/// The backup that the last run of a subject verified.
fn target_of(connection: &Connection, subject: &Subject) -> rusqlite::Result<Option<i64>> {
    match (subject.target, &subject.job) {
        (None, Some(job)) => coverage::target_of(connection, job),
        (target, _) => Ok(target),
    }
}

/// The job of the newest run over the same backup and originals as the last run of this job, if
/// that is another job: this one was renamed, or another one does its work now.
///
/// # Errors
/// If the ledger cannot be read.
pub fn successor(ledger: &Ledger, job: &str) -> Result<Option<String>, Error> {
    let sql = "SELECT job FROM runs
               WHERE target = (SELECT target FROM runs WHERE job = ? ORDER BY id DESC LIMIT 1)
               ORDER BY id DESC LIMIT 1";
    let newest: Option<Option<String>> = ledger
        .connection()
        .query_row(sql, [job], |row| row.get(0))
        .optional()
        .map_err(|error| ledger.failed(error))?;
    Ok(newest.flatten().filter(|newest| newest != job))
}

/// What the metrics say of a job. Reads all files of its backup.
///
/// # Errors
/// If the ledger cannot be read.
pub fn metrics(ledger: &Ledger, subject: &Subject, now: jiff::Timestamp) -> Result<JobMetrics, Error> {
    let read = || -> rusqlite::Result<JobMetrics> {
        let JobRuns { last, passed, alarms, .. } = of_job(ledger, subject)?;
        let connection = ledger.connection();
        let coverage = match target_of(connection, subject)? {
            Some(target) => Some(coverage::of_target(ledger, target, now)?.coverage()),
            None => None,
        };
        Ok(JobMetrics {
            job: subject.job.clone(),
            last,
            passed: Some(passed.as_ref().map(Run::time)),
            alarms: Some(alarms.map_or(0, |alarms| alarms.count)),
            runs: count(connection, subject)?,
            coverage,
        })
    };
    read().map_err(|error| ledger.failed(error))
}

/// How many runs ended in which way.
fn count(connection: &Connection, subject: &Subject) -> rusqlite::Result<Vec<(RunState, u64)>> {
    let sql = format!("SELECT sum(exit = ?3), sum(died) FROM runs WHERE {ITS_RUNS}");
    let count = |code: Option<i64>, column: usize| -> rusqlite::Result<u64> {
        let values = params![subject.job, subject.target, code];
        let number: Option<i64> = connection.query_row(&sql, values, |row| row.get(column))?;
        Ok(u64::try_from(number.unwrap_or(0)).unwrap_or(0))
    };
    let mut found = Vec::new();
    for code in ExitCode::ALL {
        found.push((RunState::of(code), count(Some(code as i64), 0)?));
    }
    found.push((RunState::Killed, count(None, 1)?));
    Ok(found)
}
