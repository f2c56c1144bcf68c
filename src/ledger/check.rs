//! Checks a ledger: SQLite's own check, and what this program relies on.

use rusqlite::Connection;

use super::error::Error;
use super::open::Ledger;
use super::picks;
use crate::verify::memory::PathKey;

/// The most problems that are told.
const TOLD: usize = 100;

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// How many runs the ledger has.
    pub runs: u64,
    /// How many files it knows.
    pub files: u64,
    /// The size of its pages in bytes.
    pub bytes: u64,
    /// What is wrong; empty if it is whole.
    pub problems: Vec<String>,
}

/// What must be true, as a question that counts the exceptions.
const INVARIANTS: &[(&str, &str)] = &[
    (
        "files without the rest about them",
        "SELECT count(*) FROM files LEFT JOIN versions ON versions.id = version WHERE versions.id IS NULL",
    ),
    (
        "versions that belong to no file",
        "SELECT (SELECT count(*) FROM versions) - (SELECT count(DISTINCT version) FROM files)",
    ),
    (
        "files of a backup that is not known",
        "SELECT count(*) FROM files WHERE target NOT IN (SELECT id FROM targets)",
    ),
    (
        "files that were judged by a run that is not known",
        "SELECT count(*) FROM files WHERE run NOT IN (SELECT id FROM runs)",
    ),
    (
        "runs of a backup that is not known",
        "SELECT count(*) FROM runs WHERE target NOT IN (SELECT id FROM targets)",
    ),
    (
        "hashes without their algorithm or time",
        "SELECT count(*) FROM versions WHERE hash IS NOT NULL
             AND (length(hash) <> 32 OR algorithm IS NULL OR verified_at IS NULL)",
    ),
    ("picks of a run that is not known", "SELECT count(*) FROM picks WHERE run NOT IN (SELECT id FROM runs)"),
    (
        "findings of a run that is not known",
        "SELECT count(*) FROM findings WHERE run NOT IN (SELECT id FROM runs)",
    ),
];

/// Checks the whole ledger. Takes as long as reading it a few times.
///
/// # Errors
/// If it cannot be read at all.
pub fn check(ledger: &Ledger) -> Result<Checked, Error> {
    run(ledger.connection()).map_err(|error| ledger.failed(error))
}

fn run(connection: &Connection) -> rusqlite::Result<Checked> {
    let mut problems = integrity(connection)?;
    // What SQLite finds damaged cannot be asked further questions.
    if !problems.is_empty() {
        return Ok(Checked { problems, ..Checked::default() });
    }
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    for (what, sql) in INVARIANTS {
        let found = number(sql)?;
        if found != 0 {
            problems.push(format!("{found} {what}"));
        }
    }
    problems.extend(keys(connection)?);
    problems.extend(lists(connection)?);
    Ok(Checked {
        runs: number("SELECT count(*) FROM runs")?.cast_unsigned(),
        files: number("SELECT count(*) FROM files")?.cast_unsigned(),
        bytes: number("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")?
            .cast_unsigned(),
        problems,
    })
}

fn integrity(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(&format!("PRAGMA integrity_check({TOLD})"))?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut lines: Vec<_> = lines.collect::<Result<_, _>>()?;
    lines.retain(|line| line != "ok");
    Ok(lines)
}

/// A file must be found by its path.
fn keys(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let mut statement =
        connection.prepare("SELECT key, path FROM files JOIN versions ON versions.id = version")?;
    let mut rows = statement.query([])?;
    let mut wrong = 0_u64;
    while let Some(row) = rows.next()? {
        let key = PathKey::of(row.get_ref(1)?.as_blob()?).0.to_be_bytes();
        wrong += u64::from(row.get_ref(0)?.as_blob()? != key);
    }
    Ok((wrong > 0).then(|| format!("{wrong} files with the key of another path")))
}

/// The lists of picks must be whole.
fn lists(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let mut statement = connection.prepare("SELECT picks FROM picks")?;
    let mut rows = statement.query([])?;
    let mut wrong = 0_u64;
    while let Some(row) = rows.next()? {
        wrong += u64::from(!picks::is_sound(row.get_ref(0)?.as_blob()?));
    }
    Ok((wrong > 0).then(|| format!("{wrong} lists of picks that cannot be read")))
}
