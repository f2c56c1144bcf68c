//! What people and monitoring ask about earlier runs: the history of runs and of single files, how
//! much of a backup was verified how recently, whether all is well, and the metrics.
//!
//! In: answers of the ledger, as the plain data that is declared here. Out: text for terminals,
//! CSV, JSON, one line for Nagios, metrics for Prometheus. Everything is a pure function: the
//! clock, the time zone and the width of the terminal are parameters, and no file is read.
//!
//! The ledger knows these types and fills them in. Nothing here knows SQL.
//!
//! Each JSON form has a name with a version and a JSON Schema ([`FORMS`]). As in the report of a
//! run, paths are text made by [`escape`](crate::backup::escape), times are RFC 3339 in UTC, sizes
//! are in bytes and shares between 0 and 1. What is unknown is `null` and never left out.

pub mod coverage;
pub mod coverage_page;
pub mod file;
pub mod metrics;
pub mod run;
pub mod runs;
pub mod status;
mod table;
mod times;

pub use times::Clock;

use crate::plan::Beginnings;

/// A JSON form that a command of this room writes.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// Its name in `bkverify generate schema`.
    pub name: &'static str,
    /// Name and version, as in the field `schema`.
    pub schema_name: &'static str,
    /// The JSON Schema (draft 2020-12).
    pub schema: &'static str,
    /// How its files begin, in any version.
    pub begins: Beginnings,
    /// How the CSV files of the same answer begin, if there are any.
    pub csv_begins: Beginnings,
}

/// Every form.
pub const FORMS: [Form; 4] = [runs::FORM, file::FORM, coverage::FORM, status::FORM];

/// The version of the program, for the JSON forms.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A value as JSON text with indentation, ending in a line feed.
///
/// # Errors
/// What the serializer says.
pub fn json(value: &impl serde::Serialize) -> Result<String, String> {
    serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(|error| error.to_string())
}

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
