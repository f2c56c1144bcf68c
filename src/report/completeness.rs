//! Sentences about completeness: originals that the backup does not contain, and originals that
//! could not be looked up.

use crate::backup::escape;
use crate::words;

use super::model::{CompletenessPart, Model};

/// The warning about missing originals if the person did not ask for completeness, with the
/// configuration line that declares them as intended.
pub(super) fn warning(model: &Model) -> Option<String> {
    let found = model.completeness.as_ref().filter(|found| !found.asked_for)?;
    let lost = (found.missing.len() + found.doubtful.len()) as u64;
    if lost == 0 {
        return None;
    }
    let all = words::counted(found.looked_up + found.doubtful.len() as u64, "original");
    let are = if lost == 1 { "is" } else { "are" };
    let perhaps = if found.missing.is_empty() { perhaps_later(lost) } else { String::new() };
    let lines: Vec<String> =
        found.exclude.iter().map(|glob| format!("\"{}\"", escape(glob.as_bytes()))).collect();
    Some(format!(
        "WARNING: {} of {all} that were looked up {are} not in the backup{perhaps}{}; if this is intended, declare it with exclude = [{}] \
         (or --exclude).",
        words::count(lost),
        nothing_of(&found.exclude),
        lines.join(", ")
    ))
}

/// Says which folders at the top seem to be missing altogether, such as a whole drive. That is
/// rarely intended, and must not be taken for a matter of `exclude`.
fn nothing_of(exclude: &[String]) -> String {
    let whole = exclude.iter().filter_map(|glob| glob.strip_suffix("**"));
    let whole = whole.filter(|folder| folder.find('/') == Some(folder.len() - 1));
    let whole: Vec<_> = whole.map(|folder| escape(folder.as_bytes())).collect();
    match whole.is_empty() {
        true => String::new(),
        false => format!(
            "; nothing of {} was found there, so find out first whether it is backed up",
            whole.join(", ")
        ),
    }
}

/// Why originals may rightly be missing from the backup.
fn perhaps_later(number: u64) -> String {
    let they = if number == 1 { "it was" } else { "they were" };
    format!(", perhaps because {they} put there after the backup was taken")
}

/// Why originals that were asked for leave doubt. Call this only if the run ended in doubt.
pub(super) fn doubt(model: &Model) -> Option<String> {
    let found = model.completeness.as_ref().filter(|found| found.asked_for)?;
    let looked_up = format!(
        "{} of {} wanted could be looked up in the backup",
        words::count(found.looked_up),
        words::counted(found.wanted, "original")
    );
    let (doubtful, unlisted) = (found.doubtful.len() as u64, found.unlisted.len() as u64);
    Some(if doubtful > 0 {
        let (are, them) = if doubtful == 1 { ("is", "it") } else { ("are", "them") };
        format!(
            "{} {are} not in the backup{}; verify a newer backup, which must hold {them}.",
            words::counted(doubtful, "original"),
            perhaps_later(doubtful)
        )
    } else if unlisted > 0 {
        let folders = words::counted(unlisted, "folder");
        format!("{folders} of the originals could not be listed, so nothing is known about what lies there.")
    } else if found.undecided + found.too_young > 0 {
        format!(
            "{looked_up}: {} may be younger than the backup; verify a newer one.",
            words::count(found.undecided + found.too_young)
        )
    } else {
        format!("{looked_up}: check --source, and what the filters leave out.")
    })
}

/// How many originals were looked up, and how many were not.
pub(super) fn fact(found: &CompletenessPart) -> String {
    let looked_up = words::count(found.looked_up);
    let mut text =
        format!("{looked_up} of {} looked up in the backup", words::counted(found.originals, "original"));
    let doubtful = found.doubtful.len() as u64;
    for (number, one, many) in [
        (found.too_young, "is younger than the backup", "are younger than the backup"),
        (found.undecided, "may be younger than the backup", "may be younger than the backup"),
        (doubtful, "is not in it, perhaps put there later", "are not in it, perhaps put there later"),
    ] {
        if number > 0 {
            let what = if number == 1 { one } else { many };
            text.push_str(&format!("; {} more {what}", words::count(number)));
        }
    }
    if !found.unlisted.is_empty() {
        let folders = words::counted(found.unlisted.len() as u64, "folder");
        text.push_str(&format!("; {folders} could not be listed"));
    }
    text
}

/// What the backup contains but is not compared with anything.
pub(super) fn not_compared(model: &Model) -> Option<String> {
    let number = model.population.not_compared;
    let what = if number == 1 { "link, device or empty folder" } else { "links, devices and empty folders" };
    let also = "modes, owners, ACLs and streams";
    (number > 0).then(|| format!("{} {what}; {also} of all files", words::count(number)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::ExitCode;
    use crate::report::samples;
    use crate::verify::outcome::{CompletenessResult, Outcome};

    fn with(found: CompletenessResult) -> Outcome {
        Outcome { completeness: Some(found), ..samples::passed() }
    }

    fn model(outcome: &Outcome) -> Model {
        Model::new(&samples::plan(), Ok(outcome))
    }

    #[test]
    fn missing_originals_are_only_a_warning_if_completeness_was_not_asked_for() {
        let found = CompletenessResult {
            wanted: 200,
            originals: 9_000,
            looked_up: 200,
            missing: vec![b"/s/cache/1".to_vec(), b"/s/cache/2".to_vec()],
            exclude: vec!["cache/**".to_owned()],
            ..CompletenessResult::default()
        };
        let outcome = with(found.clone());
        assert_eq!(outcome.exit_code(), ExitCode::Pass);
        let text = warning(&model(&outcome)).unwrap();
        assert!(
            text.starts_with("WARNING: 2 of 200 originals that were looked up are not in the backup;"),
            "{text}"
        );
        assert!(text.contains("exclude = [\"cache/**\"]"), "{text}");
        assert!(text.contains("; nothing of cache/ was found there, so find out first"), "{text}");
        let asked = with(CompletenessResult { asked_for: true, ..found });
        assert_eq!((asked.exit_code(), warning(&model(&asked))), (ExitCode::IntegrityFailure, None));
    }

    #[test]
    fn only_a_whole_folder_at_the_top_seems_to_be_missing_altogether() {
        let nothing_of =
            |globs: &[&str]| nothing_of(&globs.iter().map(|&glob| glob.to_owned()).collect::<Vec<_>>());
        assert_eq!(nothing_of(&["a/cache/**", "*.tmp", "/x", "a/b"]), "");
        assert!(nothing_of(&["D/**", "*.tmp", "E/**"]).contains("nothing of D/, E/ was found"));
    }

    #[test]
    fn looking_up_too_few_originals_is_doubt_only_if_completeness_was_asked_for() {
        let base = CompletenessResult {
            asked_for: true,
            wanted: 200,
            originals: 9_000,
            ..CompletenessResult::default()
        };
        let code = |looked_up, too_young, undecided| {
            with(CompletenessResult { looked_up, too_young, undecided, ..base.clone() }).exit_code()
        };
        assert_eq!(code(200, 0, 0), ExitCode::Pass);
        assert_eq!(code(200, 900, 40), ExitCode::Pass, "other originals replaced them");
        assert_eq!(code(195, 3, 2), ExitCode::Pass);
        assert_eq!(code(200, 0, 60), ExitCode::Incomplete, "a fifth is undecided");
        assert_eq!(code(18, 0, 182), ExitCode::Incomplete);
        assert_eq!(code(18, 182, 0), ExitCode::Incomplete);
        assert_eq!(code(0, 0, 0), ExitCode::Incomplete);
        let nobody_asked =
            CompletenessResult { asked_for: false, undecided: 182, looked_up: 18, ..base.clone() };
        assert_eq!(with(nobody_asked).exit_code(), ExitCode::Pass);
        let outcome = with(CompletenessResult { looked_up: 18, undecided: 182, ..base });
        assert_eq!(
            doubt(&model(&outcome)).unwrap(),
            "18 of 200 originals wanted could be looked up in the backup: 182 may be younger than the backup; verify a newer one."
        );
    }

    #[test]
    fn one_original_is_reported_in_the_singular() {
        let found = CompletenessResult {
            wanted: 200,
            looked_up: 200,
            doubtful: vec![b"/s/new".to_vec()],
            ..CompletenessResult::default()
        };
        let text = warning(&model(&with(found.clone()))).unwrap();
        let expected = "WARNING: 1 of 201 originals that were looked up is not in the backup, \
                        perhaps because it was put there after the backup was taken;";
        assert!(text.starts_with(expected), "{text}");
        let asked = with(CompletenessResult { asked_for: true, ..found });
        let expected = "1 original is not in the backup, perhaps because it was put there after the backup was taken; \
                        verify a newer backup, which must hold it.";
        assert_eq!(doubt(&model(&asked)).unwrap(), expected);
    }
}
