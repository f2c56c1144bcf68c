//! Writes what the ledger holds as JSON Lines or CSV, for other programs and for auditors.
//!
//! One line is one row. It streams: memory does not grow with the ledger. Paths are escaped as in
//! the JSON report ([`escape`]). Times are RFC 3339 in UTC. What is unknown is `null`, and an empty
//! field in CSV. With `files`, a sample of the strategy `coverage` can be drawn again: `run` is the
//! number of the run that judged the file last. With `picks`, it can be drawn as it was before any
//! run.

use std::io::{self, Write};

use rusqlite::{Connection, Row};
use serde_json::{Value, json};

use super::error::Error;
use super::open::Ledger;
use super::picks;
use super::times;
use crate::backup::escape;
use crate::plan::Algorithm;
use crate::platform::Timestamp;
use crate::verify::hash::Hash;
use crate::verify::memory::JudgedPick;
use crate::words;

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exported {
    /// One line for each run.
    Runs,
    /// One line for each file.
    Files,
    /// One line for each file that a run judged.
    Picks,
}

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One JSON object on each line.
    JsonLines,
    /// Comma-separated values with a line of names (RFC 4180).
    Csv,
}

/// Why an export ended.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] Error),
    /// The output cannot be written.
    #[error("cannot write the export: {0}")]
    Output(#[from] io::Error),
}

/// A line: the names of its values, in the order of the table's columns.
type Line = Vec<Value>;

/// One kind of line.
struct Table {
    kind: &'static str,
    names: &'static [&'static str],
    sql: &'static str,
    /// Makes the lines of one row.
    lines: fn(&Row<'_>) -> rusqlite::Result<Vec<Line>>,
}

/// Writes everything of these kinds, in the order of their numbers.
///
/// # Errors
/// If the ledger cannot be read, or the output cannot be written.
pub fn export(
    ledger: &Ledger,
    what: &[Exported],
    form: Form,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    for &kind in what {
        let table = match kind {
            Exported::Runs => &RUNS,
            Exported::Files => &FILES,
            Exported::Picks => &PICKS,
        };
        write_table(ledger, table, form, out)?;
    }
    Ok(())
}

const RUNS: Table = Table {
    kind: "run",
    names: &[
        "run",
        "job",
        "backup",
        "originals",
        "started",
        "ended",
        "exit",
        "killed",
        "session",
        "resumes",
        "seed",
        "strategy",
        "sample",
        "files",
        "bytes",
        "digest",
        "wanted",
        "judged",
        "verified",
        "bad",
    ],
    sql:
        "SELECT runs.id, job, backup, originals, started, ended, exit, died, session, resumes, seed, strategy,
              sample, files, bytes, digest, wanted, judged, verified, bad
          FROM runs LEFT JOIN targets ON targets.id = target ORDER BY runs.id",
    lines: run_line,
};

const FILES: Table = Table {
    kind: "file",
    names: &["path", "key", "backup", "run", "verdict", "verified", "size", "mtime", "algorithm", "hash"],
    sql: "SELECT path, key, backup, run, verdict, verified_at, size, mtime, algorithm, hash
          FROM files JOIN versions ON versions.id = version LEFT JOIN targets ON targets.id = target
          ORDER BY target, key",
    lines: file_line,
};

const PICKS: Table = Table {
    kind: "pick",
    names: &["run", "key", "verdict", "comparable"],
    sql: "SELECT run, picks FROM picks ORDER BY run, id",
    lines: pick_lines,
};

fn run_line(row: &Row<'_>) -> rusqlite::Result<Vec<Line>> {
    let number = |at| row.get::<_, Option<i64>>(at).map(Value::from);
    let text = |at| row.get::<_, Option<String>>(at).map(Value::from);
    let originals: Option<String> = row.get(3)?;
    let sample: String = row.get(12)?;
    Ok(vec![vec![
        number(0)?,
        text(1)?,
        text(2)?,
        originals.map_or(Value::Null, |text| json!(text.lines().collect::<Vec<_>>())),
        time(row.get(4)?),
        time(row.get(5)?),
        number(6)?,
        json!(row.get::<_, i64>(7)? != 0),
        number(8)?,
        number(9)?,
        text(10)?,
        text(11)?,
        serde_json::from_str(&sample).unwrap_or(Value::Null),
        number(13)?,
        number(14)?,
        text(15)?,
        number(16)?,
        number(17)?,
        number(18)?,
        number(19)?,
    ]])
}

fn file_line(row: &Row<'_>) -> rusqlite::Result<Vec<Line>> {
    let mtime: Option<i64> = row.get(7)?;
    let algorithm: Option<i64> = row.get(8)?;
    let algorithm = algorithm.and_then(|at| Algorithm::ALL.get(usize::try_from(at).ok()?));
    let hash: Option<[u8; 32]> = row.get(9)?;
    Ok(vec![vec![
        json!(escape(row.get_ref(0)?.as_blob()?)),
        json!(hex(row.get(1)?)),
        json!(row.get::<_, Option<String>>(2)?),
        json!(row.get::<_, i64>(3)?),
        verdict(row.get(4)?),
        time(row.get(5)?),
        json!(row.get::<_, Option<i64>>(6)?),
        mtime.and_then(|nanos| moment(times::from_nanos(nanos))).into(),
        json!(algorithm.map(|algorithm| algorithm.name())),
        json!(hash.map(|bytes| Hash::of_bytes(bytes).to_string())),
    ]])
}

fn pick_lines(row: &Row<'_>) -> rusqlite::Result<Vec<Line>> {
    let run: i64 = row.get(0)?;
    let picks = picks::decode(row.get_ref(1)?.as_blob()?);
    let line = |pick: JudgedPick| {
        vec![
            json!(run),
            json!(hex(pick.key.0.to_be_bytes())),
            json!(pick.verdict.word()),
            json!(pick.comparable),
        ]
    };
    Ok(picks.map(line).collect())
}

fn hex(key: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(key))
}

fn verdict(number: i64) -> Value {
    picks::verdict(number).map_or(Value::Null, |verdict| json!(verdict.word()))
}

fn time(millis: Option<i64>) -> Value {
    millis.and_then(|millis| moment(times::from_millis(millis))).into()
}

fn moment(time: Timestamp) -> Option<String> {
    words::rfc3339(time)
}

/// Writes all lines of a table.
fn write_table(ledger: &Ledger, table: &Table, form: Form, out: &mut dyn Write) -> Result<(), ExportError> {
    let failed = |error| ExportError::Ledger(ledger.failed(error));
    let connection: &Connection = ledger.connection();
    let mut statement = connection.prepare(table.sql).map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    let mut lines = Lines::new(table, form, out)?;
    while let Some(row) = rows.next().map_err(failed)? {
        for line in (table.lines)(row).map_err(failed)? {
            lines.write(line)?;
        }
    }
    lines.finish()
}

/// Writes lines in one of the forms.
struct Lines<'a> {
    table: &'a Table,
    writer: LineWriter<'a>,
}

enum LineWriter<'a> {
    Json(&'a mut dyn Write),
    Csv(Box<csv::Writer<&'a mut dyn Write>>),
}

impl<'a> Lines<'a> {
    fn new(table: &'a Table, form: Form, out: &'a mut dyn Write) -> Result<Self, ExportError> {
        let writer = match form {
            Form::JsonLines => LineWriter::Json(out),
            Form::Csv => {
                let mut writer = csv::Writer::from_writer(out);
                writer.write_record(table.names).map_err(io::Error::from)?;
                LineWriter::Csv(Box::new(writer))
            }
        };
        Ok(Self { table, writer })
    }

    fn write(&mut self, line: Line) -> Result<(), ExportError> {
        match &mut self.writer {
            LineWriter::Json(out) => {
                let mut object = serde_json::Map::with_capacity(line.len() + 1);
                object.insert("kind".to_owned(), json!(self.table.kind));
                object.extend(self.table.names.iter().map(|&name| name.to_owned()).zip(line));
                serde_json::to_writer(&mut **out, &object).map_err(io::Error::from)?;
                out.write_all(b"\n")?;
            }
            LineWriter::Csv(writer) => {
                writer.write_record(line.into_iter().map(in_csv)).map_err(io::Error::from)?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<(), ExportError> {
        match self.writer {
            LineWriter::Json(out) => Ok(out.flush()?),
            LineWriter::Csv(mut writer) => Ok(writer.flush()?),
        }
    }
}

/// A value as a field: text as it is, nothing for what is unknown, JSON for the rest.
fn in_csv(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text,
        other => other.to_string(),
    }
}
