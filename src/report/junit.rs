//! The report for test dashboards, in JUnit's XML.
//!
//! One suite. A test case for all verified files together (a million cases would drown a
//! dashboard), one for the sample as a whole, and one for each finding: what proves the backup bad
//! is a failure, what could not be done is an error, what proves nothing is skipped. So the suite
//! is green exactly where the exit code is 0.

use std::fmt::Write as _;

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use crate::backup::escape;
use crate::plan::Plan;
use crate::verify::outcome::Outcome;
use crate::verify::verdict::Verdict;
use crate::verify::{Hashes, PickRecord};
use crate::words;

use super::{Error, Failure, clock_rfc3339, location_text, statement};

/// The report, ending in a line feed.
pub(super) fn render(plan: &Plan, outcome: &Outcome) -> Result<String, Error> {
    let mut suite = TestSuite::new("bkverify");
    suite.set_time(outcome.effort.total);
    if let Some(time) = clock_rfc3339(plan.started) {
        suite.extra.insert("timestamp".into(), time.into());
    }
    for (name, value) in properties(outcome) {
        suite.add_property(Property::new(name, xml(&value)));
    }
    suite.add_test_case(verified(outcome));
    suite.add_test_case(whole(outcome));
    suite.add_test_cases(outcome.findings.iter().map(finding));
    suite.add_test_cases(outcome.damage.iter().map(|line| case("catalog", line, bad("damage", line))));
    suite.add_test_cases(outcome.denied.iter().map(|line| case("catalog", line, skipped("denied", line))));
    if let Some(found) = &outcome.completeness {
        suite.add_test_cases(found.missing.iter().map(|path| missing(path, found.asked_for)));
        suite.add_test_cases(found.doubtful.iter().map(|path| doubtful(path)));
        let skipped = |line: &String| case("completeness", line, skipped("unlisted", line));
        suite.add_test_cases(found.unlisted.iter().map(skipped));
    }
    let mut report = Report::new("bkverify");
    report.set_time(outcome.effort.total).add_test_suite(suite);
    report.to_string().map_err(|error| Error::Render { what: "JUnit report", problem: error.to_string() })
}

/// The report of a run that ended without an outcome: one case, an error.
pub(super) fn render_failure(plan: &Plan, failure: &Failure) -> Result<String, Error> {
    let mut suite = TestSuite::new("bkverify");
    suite.set_time(failure.took);
    if let Some(time) = clock_rfc3339(plan.started) {
        suite.extra.insert("timestamp".into(), time.into());
    }
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_type(failure.exit_code.word()).set_message(xml(&failure.message));
    if let Some(hint) = &failure.hint {
        status.set_description(xml(hint));
    }
    suite.add_test_case(case("run", "the backup can be verified", status));
    let mut report = Report::new("bkverify");
    report.set_time(failure.took).add_test_suite(suite);
    report.to_string().map_err(|error| Error::Render { what: "JUnit report", problem: error.to_string() })
}

/// What is needed to draw the same sample again, and what ran.
fn properties(outcome: &Outcome) -> [(&'static str, String); 8] {
    [
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("backup", location_text(&outcome.backup.location)),
        ("format", outcome.backup.format.to_owned()),
        ("seed", outcome.sample.seed.clone()),
        ("strategy", outcome.sample.strategy.to_owned()),
        ("population", outcome.population.files.to_string()),
        ("population-whole", outcome.population.whole.to_string()),
        ("population-digest", outcome.population.digest.clone()),
    ]
}

/// All that was found good, as one case.
fn verified(outcome: &Outcome) -> TestCase {
    let number = outcome.counts.of(Verdict::Verified);
    let status = if number > 0 { TestCaseStatus::success() } else { skipped("none", "no file was verified") };
    let mut case = case("verified", &format!("{} identical", words::counted(number, "file")), status);
    case.set_assertions(usize::try_from(number).unwrap_or(usize::MAX));
    case.set_time(outcome.effort.verify);
    case
}

/// The sample as a whole: what it proves, and whether it was completed.
fn whole(outcome: &Outcome) -> TestCase {
    let status = if outcome.has_failures() {
        bad("fail", &statement::headline(outcome))
    } else if let Some(reason) = statement::incomplete(outcome) {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_type("incomplete").set_message(xml(&reason));
        status
    } else {
        TestCaseStatus::success()
    };
    let mut case = case("assurance", "the sample is complete", status);
    let mut text = format!("{}: {}", outcome.exit_code().word(), statement::headline(outcome));
    for sentence in [statement::assurance(outcome), statement::rest(outcome)].into_iter().flatten() {
        text.push('\n');
        text.push_str(&sentence);
    }
    case.set_system_out(xml(&text));
    case
}

fn finding(finding: &PickRecord) -> TestCase {
    let kind = finding.verdict.word();
    let mut status =
        if finding.verdict.is_alarm() { bad(kind, &finding.reason) } else { skipped(kind, &finding.reason) };
    let detail = detail(finding);
    if !detail.is_empty() {
        status.set_description(xml(&detail));
    }
    case(kind, &escape(&finding.path), status)
}

/// Where the bytes differ, and the hashes, a line each.
fn detail(finding: &PickRecord) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    if let Some(difference) = &finding.difference {
        let _ = writeln!(out, "{difference}");
    }
    if let Some(Hashes { restored, original }) = &finding.hashes {
        let _ = writeln!(out, "restored {restored}\noriginal {original}");
    }
    if let Some(path) = &finding.original {
        let _ = writeln!(out, "original at {}", escape(path));
    }
    out
}

fn missing(path: &[u8], is_failure: bool) -> TestCase {
    let why = "the backup does not hold this original";
    let status = if is_failure { bad("missing", why) } else { skipped("missing", why) };
    case("completeness", &escape(path), status)
}

fn doubtful(path: &[u8]) -> TestCase {
    let why = "the backup does not hold this original, unless it came there after it was made";
    case("completeness", &escape(path), skipped("doubtful", why))
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

/// Text without the characters that XML 1.0 cannot hold (section 2.2), each replaced by U+FFFD.
fn xml(text: &str) -> String {
    let allowed = |each: char| matches!(each, '\t' | '\n' | ' '..='\u{fffd}' | '\u{10000}'..) && !is_c1(each);
    text.chars().map(|each| if allowed(each) { each } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// Controls that XML allows but that terminals obey.
fn is_c1(each: char) -> bool {
    matches!(each, '\u{7f}'..='\u{9f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::ExitCode;
    use crate::report::samples;

    fn count(text: &str, what: &str) -> usize {
        text.matches(what).count()
    }

    #[test]
    fn a_suite_is_green_exactly_where_the_exit_code_is_0() {
        for outcome in samples::all() {
            let text = render(&samples::plan(), &outcome).unwrap();
            let red = count(&text, "<failure") + count(&text, "<error");
            assert_eq!(red == 0, outcome.exit_code() == ExitCode::Pass, "{text}");
        }
    }

    #[test]
    fn a_pass_is_two_cases_however_many_files() {
        let text = render(&samples::plan(), &samples::passed()).unwrap();
        assert_eq!(count(&text, "<testcase"), 2);
        assert!(text.contains(r#"name="500 files identical""#) && text.contains(r#"assertions="500""#));
        assert!(text.contains("whose originals have not been modified since the backup, at most 58 are bad"));
        assert!(text.contains(r#"timestamp="2026-07-01T10:00:00.25Z""#));
        assert!(text.contains(r#"<property name="seed" value="spring"/>"#));
    }

    #[test]
    fn a_run_that_could_not_begin_is_red() {
        let text = render_failure(&samples::plan(), &samples::failure()).unwrap();
        assert_eq!((count(&text, "<testcase"), count(&text, "<error")), (1, 1));
        assert!(text.contains("cannot open the backup") && text.contains(r#"type="unusable""#), "{text}");
    }

    #[test]
    fn each_finding_is_a_case_of_its_kind() {
        let text = render(&samples::plan(), &samples::failed()).unwrap();
        assert_eq!(
            (count(&text, "<testcase"), count(&text, "<failure"), count(&text, "<skipped")),
            (7, 3, 3)
        );
        assert!(text.contains(r#"classname="bkverify.restore-failed""#));
        assert!(text.contains("overwritten with zeros"));
    }

    #[test]
    fn no_character_that_xml_forbids_or_a_terminal_obeys_comes_through() {
        let mut outcome = samples::failed();
        outcome.sample.seed = "a\u{0}b\u{ffff}\u{9b}<&\"".to_owned();
        let text = render(&samples::plan(), &outcome).unwrap();
        assert!(
            text.chars()
                .all(|each| each == '\n' || !(each.is_control() || matches!(each, '\u{fffe}' | '\u{ffff}')))
        );
        assert!(text.contains("a\u{fffd}b\u{fffd}\u{fffd}&lt;&amp;"));
    }
}
