//! The history of runs: a table, CSV and JSON.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::run::{Bound, Run};
use super::table::{self, Column, or_empty};
use super::{Clock, Form, VERSION};
use crate::words;

/// The JSON form.
pub const FORM: Form = Form {
    name: "history",
    schema_name: "bkverify-history/1",
    schema: include_str!("runs.schema.json"),
    begins: &[&["{", r#""schema""#, ":", r#""bkverify-history/"#]],
    csv_begins: &[&["run,started,ended,job,backup,"]],
};

/// Runs, the newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The name of the form.
    pub schema: String,
    /// The version of the program that wrote it.
    pub bkverify: String,
    /// The runs that were asked for.
    pub runs: Vec<Run>,
    /// How many older ones there are.
    pub older: u64,
}

impl History {
    /// These runs, and so many older ones that were not asked for.
    pub fn new(runs: Vec<Run>, older: u64) -> Self {
        Self { schema: FORM.schema_name.to_owned(), bkverify: VERSION.to_owned(), runs, older }
    }
}

const COLUMNS: [Column; 10] = [
    ("run", true),
    ("when", false),
    ("job", false),
    ("result", false),
    ("sample", true),
    ("verified", true),
    ("bad", true),
    ("at most bad", true),
    ("took", true),
    ("session", true),
];

/// The table for a terminal.
pub fn page(history: &History, clock: &Clock) -> String {
    let rows: Vec<_> = history.runs.iter().map(|run| row(run, clock)).collect();
    let mut page = table::render(&COLUMNS, &rows);
    if history.older > 0 {
        let all = history.older + history.runs.len() as u64;
        let older = words::counted(history.older, "older run");
        page.push_str(&format!("\n{older}: bkverify history --last {all}\n"));
    }
    page
}

fn row(run: &Run, clock: &Clock) -> Vec<String> {
    let count = |number: Option<u64>| number.map(words::count).unwrap_or_default();
    let took = run.seconds().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let session = match (run.session, run.resumes) {
        (1, None) => String::new(),
        (session, None) => session.to_string(),
        (session, Some(before)) => format!("{session}, after {before}"),
    };
    vec![
        run.id.to_string(),
        clock.minute(run.started),
        crate::backup::escape(run.job.as_deref().unwrap_or_default().as_bytes()).into_owned(),
        run.result.word().to_owned(),
        run.sample_words(),
        count(run.verified),
        count(run.bad),
        run.bound.as_ref().map(share).unwrap_or_default(),
        took.map(words::duration).unwrap_or_default(),
        session,
    ]
}

/// The share of a bound, never rounded down.
pub(super) fn share(bound: &Bound) -> String {
    const UNITS: f64 = 1e9;
    // What is left of the share's own rounding must not become a digit.
    let units = (bound.at_most_bad_share.clamp(0.0, 1.0) * UNITS - 1e-6).ceil().max(0.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 10^9")]
    words::percent_at_most(units as u64, UNITS as u64)
}

/// The same as CSV. Times are RFC 3339 in UTC, and nothing is rounded.
pub fn csv(history: &History) -> String {
    let head = [
        "run",
        "started",
        "ended",
        "job",
        "backup",
        "result",
        "exit_code",
        "strategy",
        "sample",
        "files",
        "bytes",
        "wanted",
        "judged",
        "verified",
        "bad",
        "undecided",
        "at_most_bad_share",
        "confidence",
        "seconds",
        "session",
        "resumes",
        "headline",
    ];
    table::csv(&head, history.runs.iter().map(csv_row))
}

fn csv_row(run: &Run) -> Vec<String> {
    vec![
        run.id.to_string(),
        run.started.to_string(),
        or_empty(run.ended),
        run.job.clone().unwrap_or_default(),
        run.backup.clone(),
        run.result.word().to_owned(),
        or_empty(run.exit_code),
        run.strategy.clone(),
        run.sample_words(),
        or_empty(run.files),
        or_empty(run.bytes),
        or_empty(run.wanted),
        or_empty(run.judged),
        or_empty(run.verified),
        or_empty(run.bad),
        or_empty(run.undecided),
        or_empty(run.bound.as_ref().map(|bound| bound.at_most_bad_share)),
        or_empty(run.bound.as_ref().map(|bound| bound.confidence)),
        or_empty(run.seconds()),
        run.session.to_string(),
        or_empty(run.resumes),
        run.headline.clone().unwrap_or_default(),
    ]
}
