//! What messages say. The golden files are written anew with `BKVERIFY_BLESS=1`.

use std::path::Path;

use serde_json::Value;

use super::*;
use crate::report::samples;
use crate::verify::verdict::Verdict;

fn message(outcome: &crate::verify::outcome::Outcome) -> Message {
    let report = Some("/var/lib/bkverify/nightly.json");
    Message::new(&Model::new(&samples::plan(), Ok(outcome)), "web1", report)
}

fn failure() -> Message {
    Message::new(&Model::new(&samples::plan(), Err(&samples::failure())), "web1", None)
}

#[expect(clippy::disallowed_methods, reason = "tests are told by the environment to write golden files")]
#[track_caller]
fn is_golden(name: &str, content: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/notify/golden").join(name);
    // Versions and platforms differ.
    let content = content.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    if std::env::var_os("BKVERIFY_BLESS").is_some() {
        std::fs::write(&path, &content).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    assert_eq!(content, golden, "{name} differs; BKVERIFY_BLESS=1 writes it anew");
}

#[test]
fn every_form_of_a_failed_and_of_a_passed_run_is_as_recorded() {
    for (name, message) in [
        ("fail", message(&samples::failed())),
        ("pass", message(&samples::passed())),
        ("error", failure()),
        ("stopped", message(&samples::cut_short())),
    ] {
        is_golden(&format!("{name}.txt"), &format!("Subject: {}\n\n{}", message.subject, message.text));
        is_golden(&format!("{name}.html"), &message.html);
        is_golden(&format!("{name}.json"), &message.json);
    }
}

#[test]
fn the_subject_says_result_job_machine_and_what_was_found() {
    for (message, subject) in [
        (message(&samples::failed()), "[bkverify] FAIL nightly on web1: 2 of 500 files are bad"),
        (message(&samples::passed()), "[bkverify] PASS nightly on web1: 500 files verified"),
        (
            // The bad one is not in the random half.
            message(&samples::covered()),
            "[bkverify] FAIL nightly on web1: 1 of 492 files is bad",
        ),
        (
            message(&samples::cut_short()),
            "[bkverify] INCOMPLETE nightly on web1: The time limit ended the run: 120 of 500 files wanted were compared",
        ),
        (
            failure(),
            "[bkverify] ERROR nightly on web1: cannot open the backup /srv/backup/data.tar.gz: no such file",
        ),
    ] {
        assert_eq!(message.subject, subject);
    }
}

#[test]
fn an_odd_job_name_stays_one_harmless_line_everywhere() {
    let mut plan = samples::plan();
    plan.origin.job = Some("night\r\nBcc: all@example.org\u{202e}<script>\"".to_owned());
    let message = Message::new(&Model::new(&plan, Ok(&samples::failed())), "web\n1", None);
    assert!(!message.subject.contains(['\r', '\n', '\u{202e}']), "{}", message.subject);
    assert!(message.subject.starts_with("[bkverify] FAIL night??Bcc: all@example.org?<script>\" on web?1: "));
    assert!(!message.html.contains("<script>") && message.html.contains("&lt;script&gt;"));
    assert!(!message.text.contains(['\r', '\u{202e}']), "{}", message.text);
    let json: Value = serde_json::from_str(&message.json).unwrap();
    assert_eq!(json["job"], plan.origin.job.unwrap());
    plan = samples::plan();
    plan.origin.job = Some("x".repeat(1000));
    let message = Message::new(&Model::new(&plan, Ok(&samples::failed())), "web1", None);
    assert!(message.subject.chars().count() <= SUBJECT + 1);
}

#[test]
fn a_hostile_name_of_a_file_reaches_no_form_as_it_is() {
    let mut outcome = samples::failed();
    outcome.findings = vec![samples::finding(b"<img src=x>\x1b[2J\r\n.", Verdict::Corrupt)];
    let message = message(&outcome);
    for form in [&message.text, &message.html, &message.json, &message.short] {
        assert!(!form.contains('\x1b') && !form.contains('\r'), "{form}");
    }
    assert!(!message.html.contains("<img"), "{}", message.html);
}

#[test]
fn every_way_a_run_can_end_has_a_message_with_advice_unless_it_passed() {
    for outcome in samples::all() {
        let message = message(&outcome);
        let json: Value = serde_json::from_str(&message.json).unwrap();
        assert_eq!(json["exit_code"], message.exit_code as u8);
        let has_passed = message.exit_code == ExitCode::Pass;
        assert_eq!(message.text.contains("What to do next"), !has_passed, "{}", message.text);
        assert_eq!(json["next"].as_array().unwrap().is_empty(), has_passed);
        let bad =
            outcome.counts.bad() + outcome.beside.as_ref().map_or(0, crate::verify::counts::Counts::bad);
        assert_eq!(json["counts"]["bad"], bad, "those beside the sample count, too");
        let long = message.text.lines().find(|line| line.chars().count() > 100);
        assert_eq!(long, None, "{}", message.text);
    }
}

#[test]
fn a_test_message_claims_nothing() {
    let now = jiff::Timestamp::from_second(1_782_900_000).unwrap();
    let message = Message::test(&samples::plan(), "web1", now);
    assert_eq!(message.subject, "[bkverify] TEST nightly on web1");
    assert!(message.text.contains("Nothing was verified"), "{}", message.text);
    let json: Value = serde_json::from_str(&message.json).unwrap();
    assert_eq!((&json["event"], &json["result"]), (&Value::from("test"), &Value::Null));
}
