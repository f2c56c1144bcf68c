use super::*;
use crate::report::samples;
use crate::verify::counts::Counts;
use crate::verify::outcome::{CompletenessResult, Incomplete, Outcome};
use crate::verify::verdict::Verdict;

fn text(outcome: &Outcome) -> String {
    let model = Model::new(&samples::plan(), Ok(outcome));
    String::from_utf8(render(&model).unwrap()).unwrap()
}

fn count(text: &str, what: &str) -> usize {
    text.matches(what).count()
}

/// Asserts that the suite is green exactly if the exit code is 0, and that its own totals agree.
#[track_caller]
fn assert_green_where_passed(model: &Model) {
    let text = String::from_utf8(render(model).unwrap()).unwrap();
    let red = count(&text, "<failure") + count(&text, "<error");
    assert_eq!(red == 0, model.exit_code == ExitCode::Pass, "{:?}: {text}", model.exit_code);
    let sums = count(&text, "failures=\"0\"") == 2 && count(&text, "errors=\"0\"") == 2;
    assert_eq!(sums, red == 0, "{text}");
    let run = text.split("the verification passes").nth(1).unwrap();
    let is_run_green = !run.split("</testcase>").next().unwrap().contains("message=");
    assert_eq!(is_run_green, red == 0, "{text}");
}

/// The outcome of a pass with one change.
fn passed_but(change: impl FnOnce(&mut Outcome)) -> Outcome {
    let mut outcome = samples::passed();
    change(&mut outcome);
    outcome
}

#[test]
fn a_suite_is_green_exactly_if_the_exit_code_is_0() {
    let mut outcomes: Vec<Outcome> = samples::all().into();
    outcomes.extend(samples::INCOMPLETE.map(|reason| passed_but(|found| found.incomplete = Some(reason))));
    for verdict in Verdict::ALL {
        for comparable in [true, false] {
            outcomes.push(passed_but(|found| found.counts.add(verdict, comparable)));
            outcomes.push(passed_but(|found| {
                found.counts = Counts::default();
                found.counts.add(verdict, comparable);
                found.findings = vec![samples::finding(b"one", verdict)];
            }));
        }
    }
    outcomes.push(passed_but(|found| found.damage = vec!["lost".to_owned()]));
    outcomes.push(passed_but(|found| found.gaps = vec!["closed".to_owned()]));
    let base = CompletenessResult { wanted: 9, originals: 9, looked_up: 9, ..CompletenessResult::default() };
    for asked_for in [true, false] {
        for found in [
            base.clone(),
            CompletenessResult { looked_up: 0, ..base.clone() },
            CompletenessResult { missing: vec![b"m".to_vec()], ..base.clone() },
            CompletenessResult { doubtful: vec![b"d".to_vec()], ..base.clone() },
            CompletenessResult { unlisted: vec!["u".to_owned()], ..base.clone() },
        ] {
            outcomes.push(passed_but(|outcome| {
                outcome.completeness = Some(CompletenessResult { asked_for, ..found });
            }));
        }
    }
    let mut codes = [0; ExitCode::ALL.len()];
    for outcome in &outcomes {
        let model = Model::new(&samples::plan(), Ok(outcome));
        codes[model.exit_code as usize] += 1;
        assert_green_where_passed(&model);
    }
    // Every way a run can end was among them, except a wrong command line.
    assert!(codes.iter().enumerate().all(|(code, &times)| times > 0 || code == ExitCode::Usage as usize));
}

#[test]
fn a_run_that_could_not_begin_is_red_with_every_exit_code() {
    for exit_code in [ExitCode::Usage, ExitCode::Incomplete, ExitCode::Unusable] {
        let failure = crate::report::Failure { exit_code, ..samples::failure() };
        let model = Model::new(&samples::plan(), Err(&failure));
        assert_green_where_passed(&model);
        let text = String::from_utf8(render(&model).unwrap()).unwrap();
        assert_eq!((count(&text, "<testcase"), count(&text, "<error")), (1, 1));
        let kind = format!("type=\"{}\"", exit_code.word());
        assert!(text.contains("cannot open the backup") && text.contains(&kind), "{text}");
        assert!(text.contains("check the path"), "{text}");
    }
}

#[test]
fn a_pass_is_two_cases_however_many_files() {
    let text = text(&samples::passed());
    assert_eq!(count(&text, "<testcase"), 2);
    assert!(text.contains(r#"name="500 files identical""#) && text.contains(r#"assertions="500""#));
    assert!(text.contains("whose originals have not been modified since the backup, at most 58 are bad"));
    assert!(text.contains(r#"timestamp="2026-07-01T10:00:00.25Z""#));
    assert!(text.contains(r#"<property name="seed" value="spring"/>"#));
}

#[test]
fn each_finding_is_a_case_of_its_kind() {
    let text = text(&samples::failed());
    assert_eq!((count(&text, "<testcase"), count(&text, "<failure"), count(&text, "<skipped")), (7, 3, 3));
    assert!(text.contains(r#"classname="bkverify.restore-failed""#));
    assert!(text.contains("overwritten with zeros"));
}

#[test]
fn an_incomplete_run_says_why_in_its_own_case() {
    let text = text(&passed_but(|found| found.incomplete = Some(Incomplete::Budget)));
    assert!(
        text.contains(r#"<error message="The byte budget ended the run: 500 of 500 files wanted"#),
        "{text}"
    );
    assert!(text.contains(r#"type="incomplete""#), "{text}");
}

#[test]
fn characters_that_xml_forbids_or_terminals_obey_are_replaced() {
    let mut outcome = samples::failed();
    outcome.sample.seed = "a\u{0}b\u{ffff}\u{9b}<&\"".to_owned();
    let text = text(&outcome);
    assert!(
        text.chars()
            .all(|each| each == '\n' || !(each.is_control() || matches!(each, '\u{fffe}' | '\u{ffff}')))
    );
    assert!(text.contains("a\u{fffd}b\u{fffd}\u{fffd}&lt;&amp;"));
}
