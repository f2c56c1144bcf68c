//! What a report says: plain data, which is written as the JSON report and reads back from it.
//!
//! Its JSON form is the report for programs, `bkverify-report/2`, described by the JSON Schema in
//! [`SCHEMA`], which a test holds against reports of every kind. A field that goes away or changes
//! its meaning makes it `/3`. The schema refuses unknown fields, so a reader that validates takes
//! the schema of the version that wrote the report (`version`). [`Model::read`] skips them: a field
//! may be added under `/2`, and must then have a serde default, so that older reports still read.
//!
//! - Paths are text as [`escape`](crate::backup::escape) makes it: valid UTF-8 as it is; control characters, backslashes
//!   and other bytes as `\xNN`, one a byte. [`unescape`](crate::backup::unescape) gives the bytes
//!   back.
//! - Times are RFC 3339 in UTC; durations are seconds; sizes are bytes; shares are between 0 and 1.
//! - What is unknown or was not asked for is `null`, never left out.
//! - A run that could not begin, or not go on, has an `error`; then nothing was verified, and all
//!   numbers are 0.

mod asked;
mod exit;
mod found;

pub use asked::{FiltersPart, MapPart, PlanPart, SizePart};
pub use found::{
    AssurancePart, BackupPart, CompletenessPart, CountsPart, DifferencePart, EffortPart, ErrorPart,
    FindingPart, PopulationPart, SamplePart,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::exit::ExitCode;
use crate::verify::outcome::Incomplete;

/// Name and version of the JSON form, the value of `schema` in every report.
pub const SCHEMA_NAME: &str = "bkverify-report/2";

/// The JSON Schema (draft 2020-12) of the form.
pub const SCHEMA: &str = include_str!("schema.json");

/// Everything that a report says. Fields stand in the order of the JSON form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// [`SCHEMA_NAME`].
    pub schema: String,
    /// The program that ran: `bkverify`.
    pub program: String,
    /// Its version.
    pub version: String,
    /// Operating system and processor.
    pub platform: String,
    /// When the run began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// How it ended: `exit_code` and, as one word, `result` in the JSON form.
    #[serde(flatten, with = "exit")]
    pub exit_code: ExitCode,
    /// What was found, in one sentence; the error where the run ended with one.
    pub headline: String,
    /// Why there is no outcome, where there is none.
    pub error: Option<ErrorPart>,
    /// Why less was proven than asked for.
    pub incomplete: Option<Incomplete>,
    /// What was asked for.
    pub plan: PlanPart,
    /// The backup that was verified.
    pub backup: BackupPart,
    /// What was drawn from.
    pub population: PopulationPart,
    /// What was drawn.
    pub sample: SamplePart,
    /// How many picks ended with which verdict.
    pub counts: CountsPart,
    /// What the sample proves; nothing where no pick was decided.
    pub assurance: Option<AssurancePart>,
    /// Picks that are not `verified`, by path; of alarms and of undecided ones the first 10,000.
    pub findings: Vec<FindingPart>,
    /// The originals that were looked up in the backup.
    pub completeness: Option<CompletenessPart>,
    /// Parts of the backup that are lost: each a failure.
    pub damage: Vec<String>,
    /// Parts of the backup that this account may not list.
    pub denied: Vec<String>,
    /// Things worth knowing that change nothing.
    pub notes: Vec<String>,
    /// How fast it went.
    pub effort: EffortPart,
}

/// A text that is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is a report of another version, or something else that has a schema.
    #[error("it is of the form `{0}`, not `{SCHEMA_NAME}`")]
    OtherForm(String),
    /// It is no report at all, or lacks a part.
    #[error("it is no report ({0})")]
    NoReport(#[from] serde_json::Error),
}

impl Model {
    /// Reads a JSON report.
    ///
    /// # Errors
    /// Where the text is no JSON, of another form, or lacks what the form has.
    pub fn read(text: &str) -> Result<Self, ReadError> {
        #[derive(Deserialize)]
        struct Form {
            schema: String,
        }
        let Form { schema } = serde_json::from_str(text)?;
        if schema != SCHEMA_NAME {
            return Err(ReadError::OtherForm(schema));
        }
        Ok(serde_json::from_str(text)?)
    }

    /// Whether anything proves the backup bad or lacking.
    pub fn has_failures(&self) -> bool {
        self.exit_code == ExitCode::IntegrityFailure
    }
}

#[cfg(test)]
mod tests;
