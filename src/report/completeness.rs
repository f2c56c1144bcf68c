//! What the other direction found, in sentences: originals that the backup does not hold, and what
//! was not looked at.

use serde::Serialize;

use crate::backup::escape;
use crate::verify::outcome::{Completeness, Outcome};
use crate::words;

/// What is missing though nobody asked, and the line that says that it is meant.
pub(super) fn warning(outcome: &Outcome) -> Option<String> {
    let found = outcome.completeness.as_ref().filter(|found| !found.asked_for)?;
    let lost = (found.missing.len() + found.doubtful.len()) as u64;
    if lost == 0 {
        return None;
    }
    let all = words::counted(found.looked_up + found.doubtful.len() as u64, "original");
    let are = if lost == 1 { "is" } else { "are" };
    let unless = if found.missing.is_empty() { ", unless they came there after it was made" } else { "" };
    let lines: Vec<String> =
        found.exclude.iter().map(|glob| format!("\"{}\"", escape(glob.as_bytes()))).collect();
    Some(format!(
        "WARNING: {} of {all} that were looked up {are} not in the backup{unless}; if that is meant, say so with exclude = [{}] \
         (or --exclude).",
        words::count(lost),
        lines.join(", ")
    ))
}

/// Why originals that were asked for leave doubt, where they do.
pub(super) fn doubt(outcome: &Outcome) -> Option<String> {
    let found = outcome.completeness.as_ref().filter(|found| found.has_gaps())?;
    let looked_up = format!(
        "{} of {} wanted could be looked up in the backup",
        words::count(found.looked_up),
        words::counted(found.wanted, "original")
    );
    Some(if !found.doubtful.is_empty() {
        let are = if found.doubtful.len() == 1 { "original is" } else { "originals are" };
        format!(
            "{} {are} not in the backup, unless they came there after it was made; verify a newer backup, which must hold them.",
            words::count(found.doubtful.len() as u64)
        )
    } else if !found.unlisted.is_empty() {
        let folders = words::counted(found.unlisted.len() as u64, "folder");
        format!(
            "{folders} of the originals could not be listed, so that nothing is known of what is in there."
        )
    } else if found.undecided + found.too_young > 0 {
        format!(
            "{looked_up}: {} may be younger than the backup; verify a newer one.",
            words::count(found.undecided + found.too_young)
        )
    } else {
        format!("{looked_up}: check --source, and what the filters leave out.")
    })
}

/// What was looked up, and what was not.
pub(super) fn fact(found: &Completeness) -> String {
    let looked_up = words::count(found.looked_up);
    let mut text =
        format!("{looked_up} of {} looked up in the backup", words::counted(found.originals, "original"));
    let doubtful = found.doubtful.len() as u64;
    for (number, one, many) in [
        (found.too_young, "is younger than the backup", "are younger than the backup"),
        (found.undecided, "may be younger than the backup", "may be younger than the backup"),
        (doubtful, "is not in it, or came there since", "are not in it, or came there since"),
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

/// What is in the backup and is compared with nothing.
pub(super) fn not_compared(outcome: &Outcome) -> Option<String> {
    let number = outcome.population.not_compared;
    let what = if number == 1 { "link, device or empty folder" } else { "links, devices and empty folders" };
    let also = "modes, owners, ACLs and streams";
    (number > 0).then(|| format!("{} {what}; {also} of all files", words::count(number)))
}

/// The same for programs.
#[derive(Serialize)]
pub(super) struct Part<'a> {
    asked_for: bool,
    wanted: u64,
    originals: u64,
    looked_up: u64,
    too_young: u64,
    undecided: u64,
    missing: Vec<String>,
    doubtful: Vec<String>,
    exclude: &'a [String],
    unlisted: &'a [String],
}

impl<'a> Part<'a> {
    pub(super) fn new(found: &'a Completeness) -> Self {
        let text = |paths: &[Vec<u8>]| paths.iter().map(|path| escape(path).into_owned()).collect();
        Self {
            asked_for: found.asked_for,
            wanted: found.wanted,
            originals: found.originals,
            looked_up: found.looked_up,
            too_young: found.too_young,
            undecided: found.undecided,
            missing: text(&found.missing),
            doubtful: text(&found.doubtful),
            exclude: &found.exclude,
            unlisted: &found.unlisted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::ExitCode;
    use crate::report::samples;

    fn with(found: Completeness) -> Outcome {
        Outcome { completeness: Some(found), ..samples::passed() }
    }

    #[test]
    fn what_nobody_asked_for_is_a_warning_that_names_the_line_to_write() {
        let found = Completeness {
            wanted: 200,
            originals: 9_000,
            looked_up: 200,
            missing: vec![b"/s/cache/1".to_vec(), b"/s/cache/2".to_vec()],
            exclude: vec!["cache/**".to_owned()],
            ..Completeness::default()
        };
        let outcome = with(found.clone());
        assert_eq!(outcome.exit_code(), ExitCode::Pass);
        let text = warning(&outcome).unwrap();
        assert!(
            text.starts_with("WARNING: 2 of 200 originals that were looked up are not in the backup;"),
            "{text}"
        );
        assert!(text.contains("exclude = [\"cache/**\"]"), "{text}");
        let asked = with(Completeness { asked_for: true, ..found });
        assert_eq!((asked.exit_code(), warning(&asked)), (ExitCode::IntegrityFailure, None));
    }

    #[test]
    fn looking_up_too_little_is_doubt_only_where_it_was_asked_for() {
        let base = Completeness { asked_for: true, wanted: 200, originals: 9_000, ..Completeness::default() };
        let code = |looked_up, too_young, undecided| {
            with(Completeness { looked_up, too_young, undecided, ..base.clone() }).exit_code()
        };
        assert_eq!(code(200, 0, 0), ExitCode::Pass);
        assert_eq!(code(200, 900, 40), ExitCode::Pass, "others took their places");
        assert_eq!(code(195, 3, 2), ExitCode::Pass);
        assert_eq!(code(200, 0, 60), ExitCode::Incomplete, "nobody knows of every fifth");
        assert_eq!(code(18, 0, 182), ExitCode::Incomplete);
        assert_eq!(code(18, 182, 0), ExitCode::Incomplete);
        assert_eq!(code(0, 0, 0), ExitCode::Incomplete);
        let nobody_asked = Completeness { asked_for: false, undecided: 182, looked_up: 18, ..base.clone() };
        assert_eq!(with(nobody_asked).exit_code(), ExitCode::Pass);
        let outcome = with(Completeness { looked_up: 18, undecided: 182, ..base });
        assert_eq!(
            doubt(&outcome).unwrap(),
            "18 of 200 originals wanted could be looked up in the backup: 182 may be younger than the backup; verify a newer one."
        );
    }
}
