//! The rule: what an exit code may be, given what the judge restored.

use std::collections::BTreeSet;
use std::panic;

use bkverify::backup::unescape;

use super::argued::{Evidence, is_argued};
use super::judge::{Heard, Judged, Loss};
use super::tree::NEWEST;
use crate::world::{Ran, Verified};

/// What is wrong with a run of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It passed a backup from which files are lost.
    FalsePass,
    /// It failed a backup from which everything is restored without a complaint.
    FalseAlarm,
    /// It did not verify such a backup, or not all of it.
    FalseDoubt,
    /// It blamed the command line, which is right.
    Usage,
    /// It ended in a way that it never should.
    Crash,
    /// It had to be ended.
    Hang,
    /// It changed the backup or the originals.
    Touched,
    /// It left something in the restore folder.
    LeftBehind,
    /// It wrote no report, or one that breaks its schema.
    Report,
}

/// What a run of the program showed.
#[derive(Debug)]
pub struct Seen {
    /// What it left.
    pub heard: Heard,
    /// The report, if there is one.
    pub report: Option<String>,
    /// Whether everything was to be verified.
    pub all: bool,
    /// Whether backup and originals are as they were.
    pub untouched: bool,
    /// Names in the restore folder.
    pub left: Vec<String>,
}

impl Seen {
    /// The files that it verified, by the lines that `--verbose` prints.
    fn verified(&self) -> BTreeSet<String> {
        let lines = self.heard.err.lines().filter_map(|line| line.strip_prefix("verified "));
        lines.map(|path| String::from_utf8_lossy(&unescape(path.trim_start())).into_owned()).collect()
    }

    /// Everything that it said: on its streams and in the report.
    fn said(&self) -> String {
        let report = self.report.as_deref().unwrap_or_default();
        [self.heard.out.as_str(), &self.heard.err, report].concat()
    }

    /// Whether the report obeys the schema and says what the exit code says.
    fn has_sound_report(&self) -> bool {
        let Some(report) = &self.report else { return false };
        let Heard { code, out, err, .. } = &self.heard;
        let ran = Ran { code: *code, out: out.clone(), err: err.clone() };
        panic::catch_unwind(|| Verified::new(ran, report)).is_ok()
    }
}

/// What is wrong, given the judge's word.
pub fn faults(seen: &Seen, judged: &Judged, evidence: &Evidence<'_>) -> Vec<Fault> {
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
        let is_false =
            matches!(code, Some(1 | 3 | 4)) && judged.is_content() && !is_argued(&seen.said(), evidence);
        note(if code == Some(1) { Fault::FalseAlarm } else { Fault::FalseDoubt }, is_false);
    }
    faults
}

/// Whether something is lost that the run vouches for: any file, or of a sample the files in it.
fn passes_what_is_lost(seen: &Seen, judged: &Judged) -> bool {
    let verified = seen.verified();
    // What is newer than the backup may have been made after it: nobody can tell that it was in there once.
    let is_excused =
        |path: &str, what| path.starts_with(NEWEST) && matches!(what, Loss::Missing | Loss::NoFile);
    let mut lost = judged.lost.iter().filter(|(path, what)| !is_excused(path, **what));
    lost.any(|(path, _)| seen.all || verified.contains(path))
}
