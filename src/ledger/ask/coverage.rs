//! How much of a backup was verified how recently?

use std::path::PathBuf;
use std::sync::Mutex;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};

use super::row::{self, moment};
use crate::backup::{escape, unescape};
use crate::history::coverage::{Amount, KnownFile, Oldest, Remembered, WINDOWS, cuts};
use crate::history::run::RECHECK;
use crate::ledger::error::Error;
use crate::ledger::open::Ledger;
use crate::ledger::target;
use crate::lock::lock;
use crate::plan::Target;
use crate::platform;
use crate::verify::memory::PathKey;
use crate::verify::strategy::{self, Strategy};

/// So many runs are looked through for one that listed the whole backup.
const RUNS_LOOKED_AT: i64 = 100;

/// The backups that were verified, the latest first: the numbers of their rows. With a job, only
/// that of its last run.
///
/// # Errors
/// If the ledger cannot be read.
pub fn targets(ledger: &Ledger, job: Option<&str>) -> Result<Vec<i64>, Error> {
    let connection = ledger.connection();
    let read = || -> rusqlite::Result<Vec<i64>> {
        if let Some(job) = job {
            return Ok(target_of(connection, job)?.into_iter().collect());
        }
        let sql = "SELECT target FROM runs GROUP BY target ORDER BY max(id) DESC";
        connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
    };
    read().map_err(|error| ledger.failed(error))
}

/// The backup that the last run of a job verified.
pub(super) fn target_of(connection: &Connection, job: &str) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT target FROM runs WHERE job = ? ORDER BY id DESC LIMIT 1";
    connection.query_row(sql, [job], |row| row.get(0)).optional()
}

/// What is known of a backup without listing it.
///
/// # Errors
/// If the ledger cannot be read.
pub fn remembered(ledger: &Ledger, target: i64, now: Timestamp) -> Result<Remembered, Error> {
    of_target(ledger, target, now).map_err(|error| ledger.failed(error))
}

pub(super) fn of_target(ledger: &Ledger, target: i64, now: Timestamp) -> rusqlite::Result<Remembered> {
    let connection = ledger.connection();
    let sql = "SELECT backup, originals FROM targets WHERE id = ?";
    let (backup, originals): (String, String) =
        connection.query_row(sql, [target], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let sql = "SELECT job FROM runs WHERE target = ? GROUP BY job ORDER BY max(id) DESC";
    let jobs: Vec<Option<String>> =
        connection.prepare(sql)?.query_map([target], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let (population, rotates) = of_runs(ledger, target)?;
    let found = Remembered {
        jobs: jobs.into_iter().flatten().collect(),
        backup,
        originals: originals.lines().map(str::to_owned).collect(),
        population,
        windows: [Amount::default(); WINDOWS.len()],
        ever: Amount::default(),
        judged: 0,
        oldest: None,
        rotates,
    };
    sums(connection, target, now, found)
}

/// The population with the time at which it was listed; and how many of the least recently judged
/// files the last run took, if its strategy was `coverage`: as many as its random half, which is
/// what it asked for.
type OfRuns = (Option<(Amount, Timestamp)>, Option<u64>);

/// The population is that of the last run that listed all of it, among those with the widest
/// filters: a run over a few files by hand must not make them look like the whole backup.
fn of_runs(ledger: &Ledger, target: i64) -> rusqlite::Result<OfRuns> {
    let (columns, from) = (row::COLUMNS, row::FROM);
    let sql = format!(
        "SELECT {columns} FROM {from} WHERE runs.target = ? AND files IS NOT NULL AND strategy <> '{RECHECK}'
         ORDER BY runs.id DESC LIMIT ?"
    );
    let mut statement = ledger.connection().prepare(&sql)?;
    let mut rows = statement.query((target, RUNS_LOOKED_AT))?;
    let (mut listed, mut rotates, mut is_last) = (Vec::new(), None, true);
    while let Some(found) = rows.next()? {
        let run = row::read(ledger, found)?;
        if is_last {
            rotates = run.wanted.filter(|_| strategy::named(&run.strategy).is_some_and(Strategy::rotates));
            is_last = false;
        }
        if let Some(files) = run.files.filter(|_| run.whole) {
            let filters = row::told(found)?.map(|told| told.filters().clone());
            listed.push((filters, Amount { files, bytes: run.bytes }, run.started));
        }
    }
    let widest = listed.iter().max_by_key(|(_, amount, _)| amount.files);
    let filters = widest.map(|(filters, ..)| filters);
    let population = listed.iter().find(|(own, ..)| Some(own) == filters);
    Ok((population.map(|&(_, amount, at)| (amount, at)), rotates))
}

/// Counts the files in each window, in one pass.
fn sums(
    connection: &Connection,
    target: i64,
    now: Timestamp,
    mut found: Remembered,
) -> rusqlite::Result<Remembered> {
    // For each amount, its files, their size, and how many of them have no size.
    let amounts = |condition: &str| {
        format!("sum({condition}), sum(iif({condition}, size, 0)), sum({condition} AND size IS NULL)")
    };
    let now = row::millis(now);
    let ever = amounts("verified_at IS NOT NULL");
    let windows = cuts(moment(now)).map(|cut| {
        let cut = row::millis(cut);
        amounts(&format!("ifnull(verified_at BETWEEN {cut} AND {now}, 0)"))
    });
    let [one, two, three, four] = windows;
    // Versions lie in the order in which they were made, files in that of their keys. If there is
    // only one backup, the versions need not be looked up one by one.
    let only = connection.query_row("SELECT count(*) = 1 FROM targets", [], |row| row.get::<_, bool>(0))?;
    let from = match only {
        true => "versions WHERE ? IS NOT NULL",
        false => "files JOIN versions ON versions.id = files.version WHERE files.target = ?",
    };
    // With `min`, SQLite takes the path of the row that has the minimum.
    let sql =
        format!("SELECT count(*), path, min(verified_at), {ever}, {one}, {two}, {three}, {four} FROM {from}");
    connection.query_row(&sql, [target], |row| {
        found.judged = u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0);
        found.ever = amount(row, 3)?;
        for (at, window) in found.windows.iter_mut().enumerate() {
            *window = amount(row, 6 + 3 * at)?;
        }
        if let Some(verified) = row.get::<_, Option<i64>>(2)? {
            let path = escape(row.get_ref(1)?.as_blob()?).into_owned();
            found.oldest = Some(Oldest { path, verified: moment(verified) });
        }
        Ok(())
    })?;
    Ok(found)
}

/// The amount in three columns: of no row at all, all are empty.
fn amount(row: &Row<'_>, at: usize) -> rusqlite::Result<Amount> {
    let number = |at: usize| -> rusqlite::Result<u64> {
        Ok(u64::try_from(row.get::<_, Option<i64>>(at)?.unwrap_or(0)).unwrap_or(0))
    };
    let bytes = number(at + 1)?;
    Ok(Amount { files: number(at)?, bytes: (number(at + 2)? == 0).then_some(bytes) })
}

/// Looks up files of one backup by their paths, while the backup is listed.
pub struct Files {
    ledger: Mutex<Ledger>,
    target: i64,
}

impl Files {
    /// The files of this backup with these originals; `None` if no run has verified it.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub fn new(ledger: Ledger, target: &Target) -> Result<Option<Self>, Error> {
        let found = target::find(ledger.connection(), &target::fingerprint(target));
        let found = found.map_err(|error| ledger.failed(error))?;
        Ok(found.map(|target| Self { ledger: Mutex::new(ledger), target }))
    }

    /// The number of the backup's row.
    pub fn target(&self) -> i64 {
        self.target
    }

    /// Calls `each` with every path and what is known of it.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub fn look_up<'a>(
        &self,
        paths: impl Iterator<Item = &'a [u8]>,
        mut each: impl FnMut(&'a [u8], Option<KnownFile>),
    ) -> Result<(), Error> {
        let ledger = lock(&self.ledger);
        let read = || -> rusqlite::Result<()> {
            let sql = "SELECT verified_at FROM files JOIN versions ON versions.id = files.version
                       WHERE target = ? AND key = ?";
            let mut statement = ledger.connection().prepare(sql)?;
            for path in paths {
                let values = (self.target, PathKey::of(path).0.to_be_bytes());
                let verified: Option<Option<i64>> =
                    statement.query_row(values, |row| row.get(0)).optional()?;
                each(path, verified.map(|verified| KnownFile { verified: verified.map(moment) }));
            }
            Ok(())
        };
        read().map_err(|error| ledger.failed(error))
    }

    /// The ledger itself, for other questions.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn remembered(&self, now: Timestamp) -> Result<Remembered, Error> {
        remembered(&lock(&self.ledger), self.target, now)
    }
}

/// Where a backup is, and the folders of its originals.
type Place = (PathBuf, Vec<PathBuf>);

/// Every backup of this machine that was ever verified, with its originals.
///
/// # Errors
/// If the ledger cannot be read.
pub fn places(ledger: &Ledger) -> Result<Vec<Place>, Error> {
    let path = |text: &str| platform::path_from_bytes(&unescape(text)).into_owned();
    let read = || -> rusqlite::Result<Vec<Place>> {
        let mut statement = ledger.connection().prepare("SELECT backup, originals FROM targets")?;
        let places = statement.query_map([], |row| {
            let (backup, originals): (String, String) = (row.get(0)?, row.get(1)?);
            // A map is FROM=TO, but a folder may have = in its name, too.
            let originals = originals.lines().flat_map(|text| {
                let to = text.split_once('=').map(|(_, to)| path(to));
                [Some(path(text)), to].into_iter().flatten().collect::<Vec<_>>()
            });
            Ok((path(&backup), originals.collect()))
        })?;
        places.collect()
    };
    read().map_err(|error| ledger.failed(error))
}
