//! The report for test dashboards, as JUnit XML.
//!
//! It is one suite. One test case stands for all verified files together (a million cases would be
//! too many for a dashboard), one for the run as a whole, and one for each finding. What proves the
//! backup bad is a failure, what could not be done is an error, and what proves nothing is skipped.
//! So the suite is green exactly if the exit code is 0.

use std::fmt::Write as _;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use crate::exit::ExitCode;
use crate::words;

use super::model::{FindingPart, Model};
use super::{Error, Renderer, statement};

pub(super) const RENDERER: Renderer = Renderer {
    name: "junit",
    title: "JUnit report",
    summary: "Write the report as JUnit XML to this file; - is standard output",
    example: "bkverify.xml",
    begins: &[&[r#"<?xml version="1.0" encoding="UTF-8"?>"#, r#"<testsuites name="bkverify" "#]],
    render,
};

/// The report, ending in a line feed.
fn render(model: &Model) -> Result<Vec<u8>, Error> {
    let took = seconds(model.effort.total_seconds);
    let mut suite = TestSuite::new("bkverify");
    suite.set_time(took);
    if let Some(time) = model.started {
        suite.extra.insert("timestamp".into(), time.to_string().into());
    }
    suite.add_test_case(run(model));
    // If the run ended with an error, nothing else is known.
    if model.error.is_none() {
        for (name, value) in properties(model) {
            suite.add_property(Property::new(name, xml(&value)));
        }
        suite.add_test_case(verified(model));
        suite.add_test_cases(findings(model));
    }
    let mut report = Report::new("bkverify");
    report.set_time(took).add_test_suite(suite);
    let text = report.to_string();
    text.map(String::into_bytes)
        .map_err(|error| Error::Render { what: RENDERER.title, problem: error.to_string() })
}

/// A duration. Zero if the number is not a valid duration.
fn seconds(number: f64) -> Duration {
    Duration::try_from_secs_f64(number).unwrap_or_default()
}

/// What is needed to draw the same sample again, and which version ran.
fn properties(model: &Model) -> [(&'static str, String); 8] {
    [
        ("version", model.version.clone()),
        ("backup", model.backup.place.clone()),
        ("format", model.backup.format.clone()),
        ("seed", model.sample.seed.clone()),
        ("strategy", model.sample.strategy.clone()),
        ("population", model.population.files.to_string()),
        ("population-whole", model.population.whole.to_string()),
        ("population-digest", model.population.digest.clone()),
    ]
}

/// The run as a whole: what it proves, or why it is not a pass. The case succeeds if the exit code
/// is 0.
fn run(model: &Model) -> TestCase {
    let word = model.exit_code.word();
    let status = match model.exit_code {
        ExitCode::Pass => TestCaseStatus::success(),
        ExitCode::IntegrityFailure => bad(word, &model.headline),
        ExitCode::Usage | ExitCode::Incomplete | ExitCode::Unusable => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            let reason = statement::incomplete(model).unwrap_or_else(|| model.headline.clone());
            status.set_type(word).set_message(xml(&reason));
            if let Some(hint) = model.error.as_ref().and_then(|error| error.hint.as_deref()) {
                status.set_description(xml(hint));
            }
            status
        }
    };
    let mut case = case("run", "the verification passes", status);
    if model.error.is_none() {
        let mut text = format!("{word}: {}", model.headline);
        let sentences = [statement::assurance(model), statement::rest(model), statement::beside(model)];
        for sentence in sentences.into_iter().flatten() {
            text.push('\n');
            text.push_str(&sentence);
        }
        case.set_system_out(xml(&text));
    }
    case
}

/// All good files, as one case.
fn verified(model: &Model) -> TestCase {
    let number = statement::sum(model, |counts| counts.verified);
    let status = if number > 0 { TestCaseStatus::success() } else { skipped("none", "no file was verified") };
    let mut case = case("verified", &format!("{} identical", words::counted(number, "file")), status);
    case.set_assertions(usize::try_from(number).unwrap_or(usize::MAX));
    case.set_time(seconds(model.effort.verify_seconds));
    case
}

/// One case for each finding, and for each part that could not be listed or looked up.
fn findings(model: &Model) -> Vec<TestCase> {
    let mut cases: Vec<TestCase> = model.findings.iter().map(finding).collect();
    cases.extend(model.damage.iter().map(|line| case("catalog", line, bad("damage", line))));
    cases.extend(model.denied.iter().map(|line| case("catalog", line, skipped("denied", line))));
    if let Some(found) = &model.completeness {
        cases.extend(found.missing.iter().map(|path| missing(path, found.asked_for)));
        cases.extend(found.doubtful.iter().map(|path| doubtful(path)));
        let unlisted = |line: &String| case("completeness", line, skipped("unlisted", line));
        cases.extend(found.unlisted.iter().map(unlisted));
    }
    cases
}

fn finding(finding: &FindingPart) -> TestCase {
    let kind = finding.word();
    let mut status =
        if finding.verdict.is_alarm() { bad(kind, &finding.reason) } else { skipped(kind, &finding.reason) };
    let detail = detail(finding);
    if !detail.is_empty() {
        status.set_description(xml(&detail));
    }
    case(kind, &finding.path, status)
}

/// Where the bytes differ, and the hashes, one per line.
fn detail(finding: &FindingPart) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    if let Some(difference) = &finding.difference {
        let _ = writeln!(out, "{}", difference.sentence);
    }
    if let (Some(restored), Some(original)) = (&finding.restored_hash, &finding.original_hash) {
        let _ = writeln!(out, "restored {restored}\noriginal {original}");
    }
    if let Some(path) = &finding.original {
        let _ = writeln!(out, "original at {path}");
    }
    out
}

fn missing(path: &str, is_failure: bool) -> TestCase {
    let why = "the backup does not contain this original";
    let status = if is_failure { bad("missing", why) } else { skipped("missing", why) };
    case("completeness", path, status)
}

fn doubtful(path: &str) -> TestCase {
    let why = "the backup does not contain this original, \
               perhaps because it was put there after the backup was taken";
    case("completeness", path, skipped("doubtful", why))
}

fn case(kind: &str, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(xml(name), status);
    case.set_classname(format!("bkverify.{kind}"));
    case
}

fn bad(kind: &str, message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_type(kind).set_message(xml(message));
    status
}

fn skipped(kind: &str, message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_type(kind).set_message(xml(message));
    status
}

/// Replaces each character that XML 1.0 does not allow (section 2.2) with U+FFFD.
fn xml(text: &str) -> String {
    let allowed = |each: char| matches!(each, '\t' | '\n' | ' '..='\u{fffd}' | '\u{10000}'..) && !is_c1(each);
    text.chars().map(|each| if allowed(each) { each } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// Control characters that XML allows but that terminals obey.
fn is_c1(each: char) -> bool {
    matches!(each, '\u{7f}'..='\u{9f}')
}

#[cfg(test)]
mod tests;
