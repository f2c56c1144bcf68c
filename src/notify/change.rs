//! Whether someone is to be told of a run: what was found once is told once.
//!
//! A bad file stays news until it is judged again, because a run that did not draw it says nothing
//! about it. So with a ledger, what counts is not which bad files this run found, but which files
//! were bad when they were last judged.

use crate::exit::ExitCode;
use crate::plan::Occasion;
use crate::report::Model;

/// How the run before ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Previous {
    /// Nothing is known, because there is no ledger.
    Unknown,
    /// There was none.
    None,
    /// It ended with this [`fingerprint`].
    Run(String),
}

/// A file that raises an alarm: its path, escaped, and the word of its verdict.
pub type Alarm = (String, &'static str);

/// The alarms of a run itself, where no ledger knows those that stand.
pub fn alarms(model: &Model) -> Vec<Alarm> {
    let alarms = model.findings.iter().filter(|finding| finding.is_alarm());
    alarms.map(|finding| (finding.path.clone(), finding.word())).collect()
}

/// What is known after a run, in a few bytes: equal for two runs of which the second tells nothing
/// new. It covers the result, the error, and every alarm that stands. It does not cover files that
/// could not be decided: they differ from night to night as people work.
pub fn fingerprint(model: &Model, alarms: &[Alarm]) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut add = |kind: &str, text: &str| {
        // Each text is followed by a byte that no text contains, so that they cannot run together.
        hasher.update(kind.as_bytes()).update(&[0xff]).update(text.as_bytes()).update(&[0xff]);
    };
    // What makes a run fail is covered one by one below.
    let result = match model.exit_code {
        ExitCode::IntegrityFailure => ExitCode::Pass,
        other => other,
    };
    add("result", result.word());
    if let Some(error) = &model.error {
        add("error", &error.message);
    }
    if let Some(reason) = model.incomplete {
        add("incomplete", &format!("{reason:?}"));
    }
    let mut found: Vec<(&str, &str)> =
        alarms.iter().map(|(path, verdict)| (*verdict, path.as_str())).collect();
    found.extend(model.damage.iter().map(|text| ("damage", text.as_str())));
    found.extend(model.denied.iter().map(|text| ("denied", text.as_str())));
    let missing = model.completeness.iter().filter(|part| part.asked_for).flat_map(|part| &part.missing);
    found.extend(missing.map(|path| ("missing", path.as_str())));
    found.sort_unstable();
    for (kind, text) in found {
        add(kind, text);
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

/// Whether a run is told of on this occasion. `now` is its [`fingerprint`].
pub fn is_due(when: Occasion, model: &Model, previous: &Previous, now: &str) -> bool {
    let has_failed = model.exit_code != ExitCode::Pass;
    match when {
        Occasion::Always => true,
        Occasion::Never => false,
        Occasion::OnFailure => has_failed,
        Occasion::OnChange => match previous {
            Previous::Unknown => has_failed,
            Previous::None => true,
            Previous::Run(before) => before != now,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;
    use crate::verify::PickRecord;
    use crate::verify::outcome::Outcome;
    use crate::verify::verdict::Verdict;

    fn model(outcome: &Outcome) -> Model {
        Model::new(&samples::plan(), Ok(outcome))
    }

    /// The fingerprint of a run that is not remembered.
    fn of(model: &Model) -> String {
        fingerprint(model, &alarms(model))
    }

    fn told(outcome: &Outcome, before: &Outcome) -> bool {
        let previous = Previous::Run(of(&model(before)));
        is_due(Occasion::OnChange, &model(outcome), &previous, &of(&model(outcome)))
    }

    #[test]
    fn what_was_found_once_is_told_once() {
        let (passed, failed) = (samples::passed(), samples::failed());
        assert!(told(&failed, &passed));
        assert!(!told(&failed, &failed));
        assert!(told(&passed, &failed));
        assert!(!told(&passed, &passed));
    }

    #[test]
    fn a_run_that_did_not_draw_the_bad_file_is_no_news_until_it_is_judged_again() {
        let (passed, failed) = (model(&samples::passed()), model(&samples::failed()));
        let standing = alarms(&failed);
        assert_eq!(fingerprint(&passed, &standing), fingerprint(&failed, &standing));
        assert_ne!(fingerprint(&passed, &[]), fingerprint(&failed, &standing));
    }

    #[test]
    fn another_bad_file_is_told_although_the_result_is_the_same() {
        let failed = samples::failed();
        let mut more = samples::failed();
        more.findings.push(samples::finding(b"z/new", Verdict::Corrupt));
        assert!(told(&more, &failed));
        let mut other = samples::failed();
        other.findings[0].verdict = Verdict::Stale;
        assert!(told(&other, &failed));
        let mut unlike = samples::passed();
        unlike.findings.push(PickRecord { unlike: true, ..samples::finding(b"z/both", Verdict::Verified) });
        assert!(told(&unlike, &samples::passed()) && !told(&unlike, &unlike));
        let mut missing = samples::disaster();
        missing.completeness.as_mut().unwrap().missing.push(b"/srv/data/one more".to_vec());
        assert!(told(&missing, &samples::disaster()));
    }

    #[test]
    fn other_seeds_times_and_undecided_files_are_no_change() {
        let mut plan = samples::plan();
        plan.draw.seed = "another".to_owned();
        plan.started += std::time::Duration::from_secs(86_400);
        let mut outcome = samples::failed();
        outcome.findings.retain(|finding| finding.verdict.is_alarm());
        outcome.findings.push(samples::finding(b"z/edited", Verdict::Changed));
        let again = Model::new(&plan, Ok(&outcome));
        assert_eq!(of(&again), of(&model(&samples::failed())));
    }

    #[test]
    fn every_occasion_is_kept_to() {
        let passed = model(&samples::passed());
        let failed = Model::new(&samples::plan(), Err(&samples::failure()));
        let due = |when, previous: &Previous| {
            [&passed, &failed].map(|model| is_due(when, model, previous, &of(model)))
        };
        for previous in [Previous::Unknown, Previous::None] {
            assert_eq!(due(Occasion::Always, &previous), [true, true]);
            assert_eq!(due(Occasion::OnFailure, &previous), [false, true]);
            assert_eq!(due(Occasion::Never, &previous), [false, false]);
        }
        assert_eq!(due(Occasion::OnChange, &Previous::Unknown), [false, true]);
        assert_eq!(due(Occasion::OnChange, &Previous::None), [true, true]);
    }
}
