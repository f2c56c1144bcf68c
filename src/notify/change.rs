//! Whether someone is to be told of a run: what was found once is told once.

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

/// What a run found, in a few bytes: equal for two runs of which the second tells nothing new. It
/// covers the result, the error, and every file that raises an alarm with its verdict. It does not
/// cover files that could not be decided: they differ from night to night as people work.
pub fn fingerprint(model: &Model) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut add = |kind: &str, text: &str| {
        // Each text is followed by a byte that no text contains, so that they cannot run together.
        hasher.update(kind.as_bytes()).update(&[0xff]).update(text.as_bytes()).update(&[0xff]);
    };
    add("result", model.exit_code.word());
    if let Some(error) = &model.error {
        add("error", &error.message);
    }
    if let Some(reason) = model.incomplete {
        add("incomplete", &format!("{reason:?}"));
    }
    let alarms = model.findings.iter().filter(|finding| finding.verdict.is_alarm());
    let mut found: Vec<(&str, &str)> =
        alarms.map(|finding| (finding.verdict.word(), finding.path.as_str())).collect();
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

/// Whether a run is told of on this occasion.
pub fn is_due(when: Occasion, model: &Model, previous: &Previous) -> bool {
    let has_failed = model.exit_code != ExitCode::Pass;
    match when {
        Occasion::Always => true,
        Occasion::Never => false,
        Occasion::OnFailure => has_failed,
        Occasion::OnChange => match previous {
            Previous::Unknown => has_failed,
            Previous::None => true,
            Previous::Run(before) => *before != fingerprint(model),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;
    use crate::verify::outcome::Outcome;
    use crate::verify::verdict::Verdict;

    fn model(outcome: &Outcome) -> Model {
        Model::new(&samples::plan(), Ok(outcome))
    }

    fn told(outcome: &Outcome, before: &Outcome) -> bool {
        is_due(Occasion::OnChange, &model(outcome), &Previous::Run(fingerprint(&model(before))))
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
    fn another_bad_file_is_told_although_the_result_is_the_same() {
        let failed = samples::failed();
        let mut more = samples::failed();
        more.findings.push(samples::finding(b"z/new", Verdict::Corrupt));
        assert!(told(&more, &failed));
        let mut other = samples::failed();
        other.findings[0].verdict = Verdict::Stale;
        assert!(told(&other, &failed));
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
        assert_eq!(fingerprint(&again), fingerprint(&model(&samples::failed())));
    }

    #[test]
    fn every_occasion_is_kept_to() {
        let passed = model(&samples::passed());
        let failed = Model::new(&samples::plan(), Err(&samples::failure()));
        let due = |when, previous: &Previous| [&passed, &failed].map(|model| is_due(when, model, previous));
        for previous in [Previous::Unknown, Previous::None] {
            assert_eq!(due(Occasion::Always, &previous), [true, true]);
            assert_eq!(due(Occasion::OnFailure, &previous), [false, true]);
            assert_eq!(due(Occasion::Never, &previous), [false, false]);
        }
        assert_eq!(due(Occasion::OnChange, &Previous::Unknown), [false, true]);
        assert_eq!(due(Occasion::OnChange, &Previous::None), [true, true]);
    }
}
