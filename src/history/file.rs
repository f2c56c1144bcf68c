//! The history of one file: every run that judged it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::table::{self, Column, or_empty};
use super::{Clock, Form, VERSION};
use crate::verify::verdict::Verdict;
use crate::words;

/// The JSON form.
pub const FORM: Form = Form {
    name: "file-history",
    schema_name: "bkverify-file-history/1",
    schema: include_str!("file.schema.json"),
    begins: &[&["{", r#""schema""#, ":", r#""bkverify-file-history/"#]],
    csv_begins: &[&["path,backup,run,started,job,"]],
};

/// What the ledger knows of a path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileHistory {
    /// The name of the form.
    pub schema: String,
    /// The version of the program that wrote it.
    pub bkverify: String,
    /// The path that was asked for.
    pub asked: String,
    /// The files that it names: one for each backup in which it was judged. Empty if it never was.
    pub files: Vec<File>,
    /// Paths of files that were judged and have a similar name; only if `files` is empty.
    pub similar: Vec<String>,
}

impl FileHistory {
    /// What was found for this path.
    pub fn new(asked: String, files: Vec<File>, similar: Vec<String>) -> Self {
        let (schema, bkverify) = (FORM.schema_name.to_owned(), VERSION.to_owned());
        Self { schema, bkverify, asked, files, similar }
    }
}

/// One file of one backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct File {
    /// Its path in the backup.
    pub path: String,
    /// The backup, without secrets.
    pub backup: String,
    /// Where the originals of this backup are: folders, and maps as `FROM=TO`.
    pub originals: Vec<String>,
    /// The version that was last found equal to its original; `None` if none ever was.
    pub verified: Option<Known>,
    /// Every judgment, the newest first.
    pub judged: Vec<Judgment>,
}

/// A version of a file that was verified.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// When the run began that verified it.
    pub at: Timestamp,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// Its modification time, as the backup recorded it.
    pub mtime: Option<Timestamp>,
    /// The name of the hash algorithm.
    pub algorithm: Option<String>,
    /// The hash of both sides, in hexadecimal digits.
    pub hash: Option<String>,
}

/// The judgment of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgment {
    /// The number of the run.
    pub run: u64,
    /// The job of the run.
    pub job: Option<String>,
    /// When the run began.
    pub started: Timestamp,
    /// The verdict.
    pub verdict: Verdict,
    /// Whether the statement of the run is about this file, as far as was known when it was judged.
    pub comparable: bool,
    /// The size of the restored copy, where it is known. The ledger keeps sizes, times and hashes
    /// of what is not verified, and of the version that was verified last.
    pub size: Option<u64>,
    /// The modification time that the backup recorded, where it is known.
    pub mtime: Option<Timestamp>,
    /// The hash of the restored copy, where it is known.
    pub restored_hash: Option<String>,
    /// The hash of the original, where it is known.
    pub original_hash: Option<String>,
    /// The reason for the verdict; empty for `verified`.
    pub reason: String,
}

/// Hexadecimal digits of a hash that a table shows.
const HASH_DIGITS: usize = 16;

const COLUMNS: [Column; 7] = [
    ("run", true),
    ("when", false),
    ("job", false),
    ("verdict", false),
    ("size", true),
    ("modified", false),
    ("hash of the copy", false),
];

/// The page for a terminal of this width.
pub fn page(history: &FileHistory, clock: &Clock, width: usize) -> String {
    if history.files.is_empty() {
        return words::wrap_page(&never(history), width);
    }
    let pages: Vec<_> = history.files.iter().map(|file| of_file(file, clock, width)).collect();
    pages.join("\n")
}

/// That no run has judged the file, and what this means.
fn never(history: &FileHistory) -> String {
    let mut page = format!(
        "No run has judged {}.\nThat proves nothing, neither for it nor against it.\n",
        words::printable(&history.asked)
    );
    if !history.similar.is_empty() {
        page.push_str("\nFiles with a similar name that were judged:\n");
        for path in &history.similar {
            page.push_str(&format!("  {path}\n"));
        }
    }
    page
}

fn of_file(file: &File, clock: &Clock, width: usize) -> String {
    let mut page = format!("{}\n", file.path);
    page.push_str(&format!("backup     {}\n", file.backup));
    page.push_str(&format!("originals  {}\n", file.originals.join(", ")));
    let judged = words::counted_as(file.judged.len() as u64, "run has judged it", "runs have judged it");
    let verified = file.verified.as_ref().map_or_else(
        || "it was never verified".to_owned(),
        |known| format!("last verified on {}", clock.minute(known.at)),
    );
    page.push_str(&format!("judged     {judged}; {verified}\n"));
    if let Some((algorithm, hash)) =
        file.verified.as_ref().and_then(|known| known.algorithm.as_ref().zip(known.hash.as_ref()))
    {
        page.push_str(&format!("{algorithm:<10} {hash}\n"));
    }
    let rows: Vec<_> = file.judged.iter().map(|judgment| row(judgment, clock)).collect();
    page.push('\n');
    page.push_str(&table::render(&COLUMNS, &rows));
    page.push_str(&reasons(file, width));
    page
}

fn row(judgment: &Judgment, clock: &Clock) -> Vec<String> {
    vec![
        judgment.run.to_string(),
        clock.minute(judgment.started),
        crate::backup::escape(judgment.job.as_deref().unwrap_or_default().as_bytes()).into_owned(),
        judgment.verdict.word().to_owned(),
        judgment.size.map(words::count).unwrap_or_default(),
        judgment.mtime.map(|time| clock.minute(time)).unwrap_or_default(),
        judgment
            .restored_hash
            .as_ref()
            .map(|hash| hash.chars().take(HASH_DIGITS).collect())
            .unwrap_or_default(),
    ]
}

/// Why the file was not verified, run by run.
fn reasons(file: &File, width: usize) -> String {
    let given = file.judged.iter().filter(|judgment| !judgment.reason.is_empty());
    let lines: String = given
        .map(|judgment| {
            let (run, verdict) = (judgment.run, judgment.verdict.word());
            let line = format!("run {run}, {verdict}: {}", words::printable(&judgment.reason));
            words::wrap(&line, width, 2) + "\n"
        })
        .collect();
    if lines.is_empty() { lines } else { format!("\n{lines}") }
}

/// The same as CSV. Times are RFC 3339 in UTC, hashes are whole.
pub fn csv(history: &FileHistory) -> String {
    let head = [
        "path",
        "backup",
        "run",
        "started",
        "job",
        "verdict",
        "comparable",
        "size",
        "mtime",
        "restored_hash",
        "original_hash",
        "reason",
    ];
    let rows = history.files.iter().flat_map(|file| file.judged.iter().map(move |judgment| (file, judgment)));
    table::csv(&head, rows.map(|(file, judgment)| csv_row(file, judgment)))
}

fn csv_row(file: &File, judgment: &Judgment) -> Vec<String> {
    vec![
        file.path.clone(),
        file.backup.clone(),
        judgment.run.to_string(),
        judgment.started.to_string(),
        judgment.job.clone().unwrap_or_default(),
        judgment.verdict.word().to_owned(),
        judgment.comparable.to_string(),
        or_empty(judgment.size),
        or_empty(judgment.mtime),
        judgment.restored_hash.clone().unwrap_or_default(),
        judgment.original_hash.clone().unwrap_or_default(),
        judgment.reason.clone(),
    ]
}
