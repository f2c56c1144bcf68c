//! What a report says: plain data that is written as the JSON report and can be read back from it.
//!
//! Its JSON form is the report for programs, `bkverify-report/2`. The JSON Schema in [`SCHEMA`]
//! describes it, and a test checks reports of every kind against the schema. If a field is removed
//! or changes its meaning, the form becomes `/3`. So it does if a verdict or a reason in
//! `incomplete` is added: [`Model::read`] and the schema refuse a report with a word that they do
//! not know, because a reader that skips a verdict could take a bad backup for a good one. The
//! schema rejects unknown fields, so a reader that validates needs the schema of the version that
//! wrote the report (`version`).
//!
//! [`Model::read`] skips unknown fields, but not unknown words. A field may therefore be added
//! within `/2`. Such a field must have a serde default, so that older reports can still be read; a
//! test reads a report of the oldest `/2` form.
//!
//! - Paths are text made by [`escape`](crate::backup::escape): valid UTF-8 stays as it is; control
//!   characters, backslashes and other bytes become `\xNN`, one for each byte.
//!   [`unescape`](crate::backup::unescape) gives the bytes back.
//! - Times are RFC 3339 in UTC; durations are in seconds; sizes are in bytes; shares are between 0
//!   and 1.
//! - What is unknown or was not asked for is `null`. It is never left out.
//! - A run that could not begin or could not go on has an `error`. Then nothing was verified, and
//!   all numbers are 0.

mod asked;
mod exit;
mod found;

pub use asked::{FiltersPart, MapPart, PlanPart, SizePart};
pub use found::{
    AssurancePart, BackupPart, CompletenessPart, CountsPart, DifferencePart, EffortPart, ErrorPart,
    FindingPart, PopulationPart, SamplePart, SnapshotsPart,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::exit::ExitCode;
use crate::verify::outcome::Incomplete;

/// Name and version of the JSON form. Every report has it in `schema`.
pub const SCHEMA_NAME: &str = "bkverify-report/2";

/// The JSON Schema (draft 2020-12) of the form.
pub const SCHEMA: &str = include_str!("schema.json");

/// Everything that a report says. The fields are in the order of the JSON form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// [`SCHEMA_NAME`].
    pub schema: String,
    /// The program that ran: `bkverify`.
    pub program: String,
    /// The version of the program.
    pub version: String,
    /// Operating system and processor.
    pub platform: String,
    /// When the run began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// How the run ended. In the JSON form: `exit_code`, and the same as one word in `result`.
    #[serde(flatten, with = "exit")]
    pub exit_code: ExitCode,
    /// What was found, in one sentence. If the run ended with an error, the error.
    pub headline: String,
    /// Why there is no outcome. `None` if there is one.
    pub error: Option<ErrorPart>,
    /// Why less was proven than was asked for.
    pub incomplete: Option<Incomplete>,
    /// What was asked for.
    pub plan: PlanPart,
    /// The backup that was verified.
    pub backup: BackupPart,
    /// The files that the sample was drawn from.
    pub population: PopulationPart,
    /// The sample that was drawn.
    pub sample: SamplePart,
    /// How many picks of the sample ended with which verdict.
    pub counts: CountsPart,
    /// How many files that were judged beside the sample ended with which verdict. `None` if the
    /// strategy judges none, and in reports from before this field existed.
    #[serde(default)]
    pub beside: Option<CountsPart>,
    /// What the sample proves. `None` if no pick was decided.
    pub assurance: Option<AssurancePart>,
    /// Picks that are not `verified`, in the order of their paths. Of alarms, and of undecided
    /// picks, only the first 10,000 each.
    pub findings: Vec<FindingPart>,
    /// The originals that were looked up in the backup.
    pub completeness: Option<CompletenessPart>,
    /// The snapshots, if the run was over several. `None` in reports from before this field existed.
    #[serde(default)]
    pub snapshots: Option<SnapshotsPart>,
    /// Parts of the backup that are lost. Each of them is a failure.
    pub damage: Vec<String>,
    /// Parts of the backup of which nobody knows what is there: this account may not list them,
    /// this program cannot read them, or they are not where the backup says.
    pub denied: Vec<String>,
    /// Facts worth knowing that do not change the result.
    pub notes: Vec<String>,
    /// How long the run took and how much it read.
    pub effort: EffortPart,
}

/// Why a text cannot be read as a report.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is a report of another version, or something else with a `schema` field.
    #[error("its schema is `{0}`, not `{SCHEMA_NAME}`")]
    OtherForm(String),
    /// It is not a report, a required field is missing, or a verdict or reason is unknown.
    #[error("it is not a report ({0})")]
    NoReport(#[from] serde_json::Error),
}

impl Model {
    /// Reads a JSON report.
    ///
    /// # Errors
    /// If the text is not JSON, has another schema, lacks a required field, or has a verdict or a
    /// reason in `incomplete` that this version does not know.
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

    /// A number of the counts, of the sample and of what was judged beside it together.
    pub fn total(&self, of: impl Fn(&CountsPart) -> u64) -> u64 {
        of(&self.counts) + self.beside.as_ref().map_or(0, of)
    }

    /// Whether anything proves that the backup is bad or incomplete.
    pub fn has_failures(&self) -> bool {
        self.exit_code == ExitCode::IntegrityFailure
    }
}

#[cfg(test)]
mod tests;
