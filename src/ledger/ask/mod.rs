//! What people ask of the ledger: one question a file. Each is asked of a ledger that was opened
//! read-only ([`Ledger::open_read_only`](super::Ledger::open_read_only)), and answered in the words
//! of [`history`](crate::history).

mod alarms;
mod coverage;
mod file;
mod jobs;
mod report;
mod row;
mod runs;

pub use coverage::{Files, places, remembered, targets};
pub use file::{Asked, file};
pub use jobs::{Subject, jobs, known_jobs, metrics, nights, successor};
pub use report::{StoredReport, report};
pub use runs::{RunsAsked, runs};

#[cfg(test)]
mod tests;
