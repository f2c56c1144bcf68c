//! The rule: which exit codes are allowed, given what the judge restored.

use std::collections::BTreeSet;
use std::panic;

use bkverify::backup::unescape;
use serde_json::Value;

use super::argued::{Evidence, is_argued};
use super::judge::{Judged, Loss, TimedRun};
use super::tree::NEWEST;
use crate::world::{RunResult, Verified};

/// What is wrong with a run of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It passed a backup from which files are lost.
    FalsePass,
    /// It failed a backup from which everything is restored without a complaint.
    FalseAlarm,
    /// It did not verify such a backup, or verified only part of it.
    FalseDoubt,
    /// It reported a usage error, although the command line is right.
    Usage,
    /// It ended in a way that is never allowed.
    Crash,
    /// It had to be ended.
    Hang,
    /// It changed the backup or the originals.
    Touched,
    /// It left something in the restore folder.
    LeftBehind,
    /// It wrote no report, or one that violates the schema.
    Report,
}

/// What was seen of a run of the program.
#[derive(Debug)]
pub struct ObservedRun {
    /// Its output and exit code.
    pub heard: TimedRun,
    /// The report, if there is one.
    pub report: Option<String>,
    /// Whether all files were to be verified.
    pub all: bool,
    /// Whether the backup and the originals are unchanged.
    pub untouched: bool,
    /// Names in the restore folder.
    pub left: Vec<String>,
}

impl ObservedRun {
    /// The files that it verified, from the lines that `--verbose` prints.
    fn verified(&self) -> BTreeSet<String> {
        let lines = self.heard.err.lines().filter_map(|line| line.strip_prefix("verified "));
        lines.map(|path| String::from_utf8_lossy(&unescape(path.trim_start())).into_owned()).collect()
    }

    /// What it found wrong, according to the report: damage, the reasons of findings, why it could
    /// not go on, and what is missing.
    fn reasons(&self) -> String {
        let report = self.report.as_deref().and_then(|report| serde_json::from_str::<Value>(report).ok());
        let report = report.unwrap_or_default();
        let at = |pointer: &str| report.pointer(pointer).cloned().unwrap_or_default();
        let texts = |list: Value, of: &dyn Fn(&Value) -> Value| -> Vec<String> {
            let list = list.as_array().cloned().unwrap_or_default();
            list.iter().filter_map(|one| of(one).as_str().map(str::to_owned)).collect()
        };
        let mut reasons = texts(at("/damage"), &Value::clone);
        reasons.extend(texts(at("/findings"), &|finding| finding["reason"].clone()));
        reasons.extend(at("/error/message").as_str().map(str::to_owned));
        if !texts(at("/completeness/missing"), &Value::clone).is_empty() {
            reasons.push("missing from the backup".to_owned());
        }
        reasons.join("\n")
    }

    /// Whether the report matches the schema and agrees with the exit code.
    fn has_sound_report(&self) -> bool {
        let Some(report) = &self.report else { return false };
        let TimedRun { code, out, err, .. } = &self.heard;
        let ran = RunResult { code: *code, out: out.clone(), err: err.clone() };
        panic::catch_unwind(|| Verified::new(ran, report)).is_ok()
    }
}

/// What is wrong with the run, given the judge's result.
pub fn faults(seen: &ObservedRun, judged: &Judged, evidence: &Evidence<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut note = |fault, is_so: bool| faults.extend(is_so.then_some(fault));
    let code = seen.heard.code;
    note(Fault::Hang, seen.heard.hung);
    note(Fault::Crash, !seen.heard.hung && !matches!(code, Some(0..=4)));
    note(Fault::Touched, !seen.untouched);
    note(Fault::LeftBehind, !seen.left.is_empty());
    note(Fault::Report, matches!(code, Some(0 | 1 | 3)) && !seen.has_sound_report());
    note(Fault::Usage, code == Some(2));
    if !judged.hung {
        note(Fault::FalsePass, code == Some(0) && passes_what_is_lost(seen, judged));
        let is_alarm = code == Some(1) && judged.is_content();
        note(Fault::FalseAlarm, is_alarm && !is_argued(&seen.reasons(), evidence));
        // A run that only doubts does not have to name what another witness sees.
        let is_doubt = matches!(code, Some(3 | 4)) && judged.is_content();
        note(Fault::FalseDoubt, is_doubt && !evidence.is_damaged());
    }
    faults
}

/// Whether something is lost that the run confirms: any file, or with a sample any file in it.
fn passes_what_is_lost(seen: &ObservedRun, judged: &Judged) -> bool {
    let verified = seen.verified();
    let is_excused = |path: &str, what| {
        let is_missing = matches!(what, Loss::Missing | Loss::NoFile);
        // A file newer than the backup may have been made after it, so nobody can say that it was
        // ever in the backup. And if a program gives up at damage to a file that was not drawn, it
        // restores none of the files after it.
        is_missing && (path.starts_with(NEWEST) || !seen.all && !judged.complaints.is_empty())
    };
    let mut lost = judged.lost.iter().filter(|(path, what)| !is_excused(path, **what));
    lost.any(|(path, _)| seen.all || verified.contains(path))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::campaign::formats::MAKERS;
    use crate::campaign::tree::{Level, Originals};

    /// What is wrong with a run like this, if these files were lost and the judge had this
    /// complaint.
    fn found(
        change: &dyn Fn(&mut ObservedRun),
        lost: &[(&str, Loss)],
        complaint: Option<&str>,
    ) -> Vec<Fault> {
        let err = "verified         docs/a\ncorrupt          docs/b\n".to_owned();
        let heard = TimedRun { code: Some(4), err, ..TimedRun::default() };
        let mut seen = ObservedRun { heard, report: None, all: true, untouched: true, left: Vec::new() };
        change(&mut seen);
        let lost = lost.iter().map(|&(path, what)| (path.to_owned(), what)).collect();
        let complaints = complaint.map(str::to_owned).into_iter().collect();
        let judged = Judged { lost, is_odd: false, complaints, hung: false };
        let (originals, maker) =
            (Originals::new(Level::V7), MAKERS.iter().find(|maker| maker.name == "folder").unwrap());
        let nowhere = Path::new("nowhere");
        faults(&seen, &judged, &Evidence { maker, backup: nowhere, out: nowhere, originals: &originals })
    }

    #[test]
    fn an_exit_code_that_contradicts_the_judge_is_a_fault() {
        let exit = |code| move |seen: &mut ObservedRun| seen.heard.code = Some(code);
        let lost = [("docs/a", Loss::Altered)];
        let of = |code, lost: &[_], complaint| {
            let mut found = found(&exit(code), lost, complaint);
            found.retain(|&fault| fault != Fault::Report);
            found
        };
        assert_eq!(of(0, &lost, None), [Fault::FalsePass]);
        assert_eq!(of(0, &[], None), []);
        assert_eq!(of(0, &[], Some("trailing garbage ignored")), []);
        assert_eq!(of(1, &[], None), [Fault::FalseAlarm]);
        assert_eq!(of(1, &[], Some("trailing garbage ignored")), []);
        assert_eq!(of(1, &lost, None), []);
        assert_eq!(of(2, &lost, None), [Fault::Usage]);
        assert_eq!(of(3, &[], None), [Fault::FalseDoubt]);
        assert_eq!(of(4, &[], None), [Fault::FalseDoubt]);
        assert_eq!(of(101, &lost, None), [Fault::Crash]);
    }

    #[test]
    fn with_a_sample_only_drawn_files_must_be_intact() {
        let sampled = |seen: &mut ObservedRun| (seen.heard.code, seen.all) = (Some(0), false);
        assert!(found(&sampled, &[("docs/a", Loss::Altered)], None).contains(&Fault::FalsePass));
        assert!(!found(&sampled, &[("docs/b", Loss::Altered)], None).contains(&Fault::FalsePass));
        assert!(!found(&sampled, &[("docs/a", Loss::Missing)], Some("gave up")).contains(&Fault::FalsePass));
    }

    #[test]
    fn one_of_the_newest_files_may_be_missing_but_not_altered() {
        let passed = |seen: &mut ObservedRun| seen.heard.code = Some(0);
        assert!(!found(&passed, &[("newest/1", Loss::Missing)], None).contains(&Fault::FalsePass));
        assert!(found(&passed, &[("newest/1", Loss::Altered)], None).contains(&Fault::FalsePass));
    }

    #[test]
    fn damage_done_by_a_run_is_a_fault_whatever_the_judge_says() {
        let lost = [("docs/a", Loss::Missing)];
        assert_eq!(found(&|seen| seen.heard.code = None, &lost, None), [Fault::Crash]);
        assert_eq!(found(&|seen| seen.heard.hung = true, &lost, None), [Fault::Hang]);
        assert_eq!(found(&|seen| seen.untouched = false, &lost, None), [Fault::Touched]);
        assert_eq!(found(&|seen| seen.left.push("000001".to_owned()), &lost, None), [Fault::LeftBehind]);
        assert_eq!(found(&|seen| seen.heard.code = Some(1), &lost, None), [Fault::Report]);
        assert_eq!(found(&|_| {}, &lost, None), []);
    }
}
