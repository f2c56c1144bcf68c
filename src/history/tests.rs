//! What the answers look like, compared with golden files, and that they match their schemas.

use std::time::Duration;

use serde_json::Value;

use super::coverage::{BackupCoverage, Coverage};
use super::file::FileHistory;
use super::metrics::{JobMetrics, render};
use super::run::{Run, RunState, Told};
use super::runs::History;
use super::samples::{self, clock, failed, killed, passed, time, unusable};
use super::status::{Alarms, JobRuns, MAX_AGE, State, Status, line};
use super::*;
use crate::verify::target::begins_like;
use crate::verify::verdict::Verdict;

/// Compares text with a golden file. With `BKVERIFY_BLESS=1` it writes that file instead.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "asked for by whoever runs the test")]
fn assert_golden(name: &str, text: &str) {
    let place = format!("{}/src/history/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("BKVERIFY_BLESS").is_some() {
        std::fs::write(&place, text).unwrap();
    }
    let golden = std::fs::read_to_string(&place).unwrap_or_default().replace("\r\n", "\n");
    assert_eq!(text.replace("\r\n", "\n"), golden, "differs from {place}");
}

fn history() -> History {
    History::new(samples::runs(), 12)
}

fn coverage(how: fn() -> BackupCoverage) -> Coverage {
    Coverage::new(clock().now, vec![how()])
}

fn remembered() -> BackupCoverage {
    samples::remembered().coverage()
}

fn listed() -> BackupCoverage {
    samples::remembered().listed(samples::tally())
}

#[expect(clippy::needless_pass_by_value, reason = "so that tests can write the runs where they are used")]
fn job(name: &str, runs: Vec<Run>) -> JobRuns {
    let is_over = |run: &&Run| run.result != RunState::Running;
    JobRuns {
        job: Some(name.to_owned()),
        last: runs.iter().find(is_over).cloned(),
        passed: runs.iter().find(|run| run.result == RunState::Pass).cloned(),
        running: runs.iter().find(|run| run.result == RunState::Running).cloned(),
        ..JobRuns::default()
    }
}

fn nightly(runs: Vec<Run>) -> Status {
    Status::of(vec![job("nightly", runs)], MAX_AGE, &clock())
}

#[test]
fn runs_are_a_table_and_csv() {
    assert_golden("runs.txt", &runs::page(&history(), &clock()));
    assert_golden("runs.csv", &runs::csv(&history()));
    assert!(json(&history()).unwrap().starts_with("{\n  \"schema\": \"bkverify-history/1\","));
    assert!(begins_like(runs::csv(&history()).as_bytes(), runs::FORM.csv_begins));
}

#[test]
fn a_file_shows_every_judgment_with_its_reason() {
    assert_golden("file.txt", &file::page(&samples::file(), &clock(), 100));
    assert_golden("file.csv", &file::csv(&samples::file()));
    assert!(begins_like(file::csv(&samples::file()).as_bytes(), file::FORM.csv_begins));
}

#[test]
fn a_file_that_was_never_judged_is_said_to_be_so_with_similar_names() {
    let never =
        FileHistory::new("/home/letter\n.txt".to_owned(), Vec::new(), vec!["ann/letter.txt".to_owned()]);
    let page = file::page(&never, &clock(), 80);
    let text = "No run has judged /home/letter?.txt.\nThat proves nothing, neither for it nor against it.\n\n\
        Files with a similar name that were judged:\n  ann/letter.txt\n";
    assert_eq!(page, text);
}

#[test]
fn coverage_is_a_page_that_says_what_its_numbers_are() {
    let page = |how| coverage_page::page(&coverage(how), &clock(), 100);
    assert_golden("coverage-listed.txt", &page(listed));
    assert_golden("coverage-remembered.txt", &page(remembered));
    assert_golden("coverage.csv", &coverage::csv(&coverage(remembered)));
    assert!(begins_like(coverage::csv(&coverage(remembered)).as_bytes(), coverage::FORM.csv_begins));
}

#[test]
fn a_backup_that_was_never_listed_whole_has_no_shares() {
    let none = || samples::remembered_without_population().coverage();
    let page = coverage_page::page(&coverage(none), &clock(), 100);
    assert!(page.contains("No run has listed the whole backup yet"), "{page}");
    assert!(!page.contains('%'), "{page}");
}

#[test]
fn metrics_are_the_text_format_of_prometheus() {
    let well = JobMetrics {
        job: Some("nightly".to_owned()),
        last: Some(passed(8, "2026-11-28T02:30:04Z")),
        passed: Some(Some(time("2026-11-28T02:31:18.5Z"))),
        alarms: Some(1),
        runs: vec![(RunState::Pass, 40), (RunState::Fail, 1), (RunState::Killed, 1)],
        coverage: Some(remembered()),
    };
    let odd = JobMetrics {
        job: Some("a\"b\\c\nd".to_owned()),
        last: Some(killed(3, "2026-11-24T02:30:01Z")),
        passed: Some(None),
        ..JobMetrics::default()
    };
    let text = render(&[well, odd]);
    assert!(begins_like(text.as_bytes(), metrics::BEGINS), "{text}");
    assert_golden("metrics.prom", &text);
}

#[test]
fn a_job_is_well_if_its_last_run_passed_recently() {
    let status = nightly(vec![passed(8, "2026-11-28T02:30:04Z"), failed(7, "2026-11-27T02:30:00Z")]);
    assert_eq!((status.state, status.exit_code), (State::Ok, 0));
    let text = "OK - nightly: last pass 2026-11-28 02:31, 500 verified, at most 0.59% bad \
        | age=34121s;172800;;0; alarms=0;0;;0; verified=500;;;0; bad=0;;;0; undecided=3;;;0; duration=74.500s;;;0;\n";
    assert_eq!(line(&status, &clock()), text);
}

fn alarms(count: u64, verdict: Verdict) -> Alarms {
    Alarms { count, path: "docs/a|b.txt".to_owned(), verdict, since: time("2026-11-24T02:30:01Z") }
}

#[test]
fn a_job_whose_last_run_passed_is_not_well_while_a_file_is_known_to_be_bad() {
    let status = |alarms| {
        let recheck = Some("bkverify --job nightly --recheck".to_owned());
        let last = vec![passed(8, "2026-11-28T02:30:04Z")];
        Status::of(vec![JobRuns { alarms: Some(alarms), recheck, ..job("nightly", last) }], MAX_AGE, &clock())
    };
    let one = status(alarms(1, Verdict::Corrupt));
    assert_eq!((one.state, one.exit_code), (State::Warning, 1));
    let text = line(&one, &clock());
    let says = "WARNING - nightly: 1 file is bad until it is verified again: docs/a/b.txt (corrupt, since 2026-11-24 02:30); \
        back it up again, then run: bkverify --job nightly --recheck | age=34121s;172800;;0; alarms=1;0;;0; ";
    assert!(text.starts_with(says), "{text}");
    let text = line(&status(alarms(3, Verdict::OriginalCorrupt)), &clock());
    assert!(text.contains("3 files are bad until they are verified again, such as docs/a/b.txt"), "{text}");
    assert!(text.contains("; restore the original from the backup, then run: "), "{text}");
}

#[test]
fn a_run_over_a_few_bad_files_claims_nothing_about_the_whole() {
    let strategy = super::run::RECHECK.to_owned();
    let recheck = Run { strategy, bound: None, verified: Some(1), ..passed(9, "2026-11-28T09:00:00Z") };
    let status = Status::of(vec![job("nightly", vec![recheck.clone()])], MAX_AGE, &clock());
    let text = line(&status, &clock());
    assert!(text.contains("what was bad is verified again |") && !text.contains("at most"), "{text}");
    assert_eq!(recheck.sample_words(), "recheck");
    let mut plan = crate::report::samples::plan();
    plan.draw.filters.only = vec![b"a".to_vec()];
    let report = crate::report::Model::new(&plan, Ok(&crate::report::samples::passed()));
    let run = Run::of_report(&report).unwrap();
    assert_eq!((run.strategy.as_str(), run.bound), ("recheck", None));
}

/// The last run, the passes before it, and what the line says.
#[track_caller]
fn is_not_well(runs: Vec<Run>, state: State, says: &str) {
    let status = nightly(runs);
    assert_eq!((status.state, status.exit_code), (state, state.exit_code() as u8));
    let line = line(&status, &clock());
    let word = if state == State::Warning { "WARNING - nightly: " } else { "UNKNOWN - nightly: " };
    assert!(line.starts_with(word) && line.contains(says), "{line}");
    assert_eq!(line.matches('\n').count(), 1, "{line}");
    assert!(line.matches('|').count() <= 1, "{line}");
}

#[test]
fn a_job_whose_last_run_did_not_pass_is_not_well_however_it_ended() {
    let good = || passed(3, "2026-11-27T02:30:00Z");
    let at = "2026-11-28T02:30:00Z";
    is_not_well(
        vec![failed(4, at), good()],
        State::Warning,
        "the last run, 2026-11-28 02:31, FAILED (498 of 500 identical, 2 bad in the backup)",
    );
    is_not_well(vec![killed(4, at), good()], State::Warning, "begun 2026-11-28 02:30, never ended");
    is_not_well(
        vec![unusable(4, "2026-11-25T02:30:00Z"), good()],
        State::Warning,
        "did not pass: unusable (cannot open the backup /mnt/nas/home.tar.zst: no such file)",
    );
}

#[test]
fn a_job_that_has_not_passed_for_too_long_is_not_well() {
    is_not_well(
        vec![passed(4, "2026-11-26T11:00:00Z")],
        State::Warning,
        "no run has passed for 2 d, since 2026-11-26 11:01",
    );
    let just = nightly(vec![passed(4, "2026-11-26T12:00:00Z")]);
    assert_eq!(just.state, State::Ok);
    is_not_well(vec![failed(4, "2026-11-28T02:30:00Z")], State::Warning, "no run has ever passed");
}

#[test]
fn what_cannot_be_known_is_not_well_either() {
    is_not_well(Vec::new(), State::Unknown, "it never ran");
    let running = Run { result: RunState::Running, ..killed(1, "2026-11-28T11:59:00Z") };
    is_not_well(vec![running], State::Unknown, "the first run has not ended, running since 2026-11-28 11:59");
    is_not_well(
        vec![passed(4, "2027-11-28T02:30:00Z")],
        State::Unknown,
        "a run is dated 2027-11-28 02:31, which lies ahead: was the clock set back?",
    );
}

#[test]
fn a_run_that_is_under_way_does_not_hide_the_one_before_it() {
    let running = || Run { result: RunState::Running, ..killed(9, "2026-11-28T11:59:00Z") };
    let well = nightly(vec![running(), passed(8, "2026-11-28T02:30:04Z")]);
    assert_eq!(well.state, State::Ok);
    assert!(line(&well, &clock()).contains("running since 2026-11-28 11:59"));
    assert_eq!(nightly(vec![running(), failed(8, "2026-11-28T02:30:04Z")]).state, State::Warning);
}

#[test]
fn of_several_jobs_the_worst_decides_and_comes_first() {
    let jobs = || {
        vec![
            job("nightly", vec![passed(8, "2026-11-28T02:30:04Z")]),
            job("never", Vec::new()),
            job("it's = bad", vec![failed(7, "2026-11-28T02:30:04Z"), passed(6, "2026-11-27T02:30:04Z")]),
        ]
    };
    let status = Status::of(jobs(), MAX_AGE, &clock());
    assert_eq!((status.state, status.exit_code), (State::Warning, 1));
    let text = line(&status, &clock());
    assert!(text.starts_with("WARNING - it's = bad: the last run, 2026-11-28 02:31, FAILED"), "{text}");
    assert!(text.contains("; never: it never ran; nightly: last pass"), "{text}");
    assert!(text.contains("'it_s _ bad verified'=498;;;0; 'it_s _ bad bad'=2;;;0;"), "{text}");
    assert!(text.contains("'nightly verified'=500;;;0;"), "{text}");
    let status = Status::of(jobs().drain(..2).collect(), MAX_AGE, &clock());
    assert_eq!((status.state, status.exit_code), (State::Unknown, 3));
}

#[test]
fn a_job_or_a_headline_cannot_break_the_line() {
    let run = Run { headline: Some("a|b\nc\u{202e}".to_owned()), ..failed(8, "2026-11-28T02:30:04Z") };
    let status = Status::of(vec![job("x|y\n", vec![run])], MAX_AGE, &clock());
    let text = line(&status, &clock());
    assert!(
        text.starts_with("WARNING - x/y\\x0a: the last run, 2026-11-28 02:31, FAILED (a/b?c?)"),
        "{text}"
    );
    assert_eq!((text.matches('|').count(), text.matches('\n').count()), (1, 1), "{text}");
}

#[test]
fn without_any_job_nothing_is_known() {
    let status = Status::of(Vec::new(), Duration::from_secs(1), &clock());
    assert_eq!(line(&status, &clock()), "UNKNOWN - no run is known\n");
    assert_eq!(status.exit_code, 3);
    let status = Status::unknown("the ledger /x does not exist".to_owned(), MAX_AGE, &clock());
    assert_eq!(line(&status, &clock()), "UNKNOWN - the ledger /x does not exist\n");
}

/// A value of each form, of every kind that there is.
fn values() -> Vec<(Form, Vec<Value>)> {
    let value = |value: &dyn erased::ToValue| value.to_value();
    vec![
        (runs::FORM, vec![value(&history()), value(&History::new(Vec::new(), 0))]),
        (
            file::FORM,
            vec![value(&samples::file()), value(&FileHistory::new("x".into(), Vec::new(), vec!["y".into()]))],
        ),
        (coverage::FORM, vec![value(&coverage(listed)), value(&coverage(remembered))]),
        (
            status::FORM,
            vec![
                value(&nightly(samples::runs())),
                value(&nightly(Vec::new())),
                value(&Status::of(
                    vec![JobRuns {
                        alarms: Some(alarms(2, Verdict::Stale)),
                        ..job("nightly", samples::runs())
                    }],
                    MAX_AGE,
                    &clock(),
                )),
                value(&Status::unknown("x".into(), MAX_AGE, &clock())),
            ],
        ),
    ]
}

/// Values of different types in one list.
mod erased {
    pub(super) trait ToValue {
        fn to_value(&self) -> serde_json::Value;
    }

    impl<T: serde::Serialize> ToValue for T {
        fn to_value(&self) -> serde_json::Value {
            serde_json::to_value(self).unwrap()
        }
    }
}

#[test]
fn every_form_matches_its_schema_which_refuses_anything_else() {
    for (form, values) in values() {
        let schema: Value = serde_json::from_str(form.schema).unwrap();
        assert!(jsonschema::meta::is_valid(&schema), "{}", form.name);
        let validator = jsonschema::validator_for(&schema).unwrap();
        for value in values {
            if let Err(error) = validator.validate(&value) {
                panic!("{}: {error} at {}\n{value:#}", form.name, error.instance_path());
            }
            assert_eq!(value["schema"], form.schema_name);
            let text = format!("{{\n  \"schema\": {}", value["schema"]);
            assert!(begins_like(text.as_bytes(), form.begins), "{}", form.name);
            for key in value.as_object().unwrap().keys() {
                let mut less = value.clone();
                less.as_object_mut().unwrap().remove(key);
                assert!(!validator.is_valid(&less), "{} without {key}", form.name);
            }
            let mut more = value.clone();
            more["more"] = 1.into();
            assert!(!validator.is_valid(&more), "{}", form.name);
        }
    }
}

#[test]
fn every_form_is_read_back_as_it_was_written() {
    let text = json(&history()).unwrap();
    assert_eq!(serde_json::from_str::<History>(&text).unwrap(), history());
    let text = json(&samples::file()).unwrap();
    assert_eq!(serde_json::from_str::<FileHistory>(&text).unwrap(), samples::file());
    let text = json(&coverage(listed)).unwrap();
    assert_eq!(serde_json::from_str::<Coverage>(&text).unwrap(), coverage(listed));
    let text = json(&nightly(samples::runs())).unwrap();
    assert_eq!(serde_json::from_str::<Status>(&text).unwrap(), nightly(samples::runs()));
}

#[test]
fn a_run_without_a_ledger_is_told_from_its_report() {
    let plan = crate::report::samples::plan();
    let report = crate::report::Model::new(&plan, Ok(&crate::report::samples::failed()));
    let run = Run::of_report(&report).unwrap();
    assert_eq!((run.result, run.bad, run.undecided), (RunState::Fail, Some(2), Some(3)));
    assert_eq!((run.job.as_deref(), run.files), (Some("nightly"), Some(10_000)));
    let text = serde_json::to_vec(&report).unwrap();
    let same = Run { headline: None, undecided: None, bound: None, ..run.clone() };
    assert_eq!(same.with_report(Told::read(&text).unwrap()), run, "from its JSON as from itself");
    let report = crate::report::Model::new(&plan, Ok(&crate::report::samples::covered()));
    let run = Run::of_report(&report).unwrap();
    assert_eq!(run.bad, Some(1), "what was found beside the sample counts, too");
    assert_eq!(run.judged, Some(report.counts.drawn + 250));
    let report = crate::report::Model::new(&plan, Err(&crate::report::samples::failure()));
    let run = Run::of_report(&report).unwrap();
    assert_eq!((run.exit_code, run.verified, run.files), (Some(4), None, None));
}
