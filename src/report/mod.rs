//! Reports: an outcome for people, for programs and for test dashboards.
//!
//! In: the [`Plan`] and the [`Outcome`]. Out: the terminal summary, and the JSON and JUnit files
//! that the plan names. One renderer a file, each a pure function from plan and outcome to text. A
//! report never holds a secret, names never reach a terminal unescaped, and a report file is either
//! the old one or the whole new one.

mod completeness;
mod failure;
mod json;
mod junit;
#[cfg(test)]
mod samples;
mod statement;
mod terminal;
mod write;

pub(crate) use write::replace;

pub use failure::Failure;
pub use json::{SCHEMA, SCHEMA_NAME};
pub use write::Error;

use std::borrow::Cow;
use std::path::Path;

use crate::backup::{Location, escape};
use crate::exit::ExitCode;
use crate::plan::Plan;
use crate::platform;
use crate::verify::outcome::Outcome;
use crate::words::is_invisible;

/// Writes every report that the plan asks for, the terminal summary last.
///
/// The summary goes to standard output, or to standard error where a report file is `-`. A quiet
/// plan shows it only if the run did not pass. One report that fails keeps no other from being
/// written; the first error is returned.
pub fn write_all(plan: &Plan, outcome: &Outcome) -> Result<(), Error> {
    let reports = &plan.outputs.reports;
    let mut result = write_files(plan, || json::render(plan, outcome), || junit::render(plan, outcome));
    if !plan.outputs.terminal.quiet || outcome.exit_code() != ExitCode::Pass {
        let taken =
            [&reports.json, &reports.junit].into_iter().flatten().any(|place| write::is_stdout(place));
        result = result.and(write::summary(&terminal::render(plan, outcome), taken));
    }
    result
}

/// Writes the reports that the plan asks for of a run that ended without an outcome. The caller has
/// made sure that they may be written where the plan says, and tells the person.
pub fn write_failure(plan: &Plan, failure: &Failure) -> Result<(), Error> {
    write_files(plan, || json::render_failure(plan, failure), || junit::render_failure(plan, failure))
}

/// Writes the report files; the first error is returned.
fn write_files(
    plan: &Plan,
    json: impl FnOnce() -> Result<String, Error>,
    junit: impl FnOnce() -> Result<String, Error>,
) -> Result<(), Error> {
    let mut result = Ok(());
    if let Some(place) = &plan.outputs.reports.json {
        result = result.and(json().and_then(|text| write::report(plan, "JSON report", place, &text)));
    }
    if let Some(place) = &plan.outputs.reports.junit {
        result = result.and(junit().and_then(|text| write::report(plan, "JUnit report", place, &text)));
    }
    result
}

/// A path of this machine as text that is safe to print and can be turned back.
fn path_text(path: &Path) -> String {
    escape(&platform::path_to_bytes(path)).into_owned()
}

/// Where a backup is, as text that is safe to print and shows no password.
fn location_text(location: &Location) -> String {
    escape(&location.to_bytes()).into_owned()
}

/// Words that may quote others, with every control and invisible character made visible as `?`.
fn printable(text: &str) -> Cow<'_, str> {
    let is_hidden = |each: char| each.is_control() || is_invisible(each);
    if text.chars().any(is_hidden) {
        Cow::Owned(text.chars().map(|each| if is_hidden(each) { '?' } else { each }).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// The system's clock by RFC 3339, in UTC.
fn clock_rfc3339(time: std::time::SystemTime) -> Option<String> {
    Some(jiff::Timestamp::try_from(time).ok()?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn every_report_is_written_even_if_one_cannot_be() {
        let folder = tempfile::tempdir().unwrap();
        let mut plan = samples::plan();
        plan.outputs.terminal.quiet = true;
        plan.outputs.reports.json = Some(folder.path().join("missing/report.json"));
        plan.outputs.reports.junit = Some(folder.path().join("report.xml"));
        let error = write_all(&plan, &samples::passed()).unwrap_err();
        assert!(error.to_string().contains("JSON report"), "{error}");
        assert!(fs::read_to_string(folder.path().join("report.xml")).unwrap().contains("<testsuites"));
        plan.outputs.reports.json = Some(folder.path().join("report.json"));
        write_all(&plan, &samples::passed()).unwrap();
        assert!(fs::read_to_string(folder.path().join("report.json")).unwrap().contains(SCHEMA_NAME));
    }

    #[test]
    fn quoted_words_keep_their_letters_and_lose_their_controls() {
        assert_eq!(printable("r\u{e9}seau \x1b[2Jgone\n"), "r\u{e9}seau ?[2Jgone?");
        assert_eq!(printable("left\u{61c}right \u{202e}and\u{ad}hidden"), "left?right ?and?hidden");
    }
}
