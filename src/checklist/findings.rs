//! What a check found: plain data from which renderers and the exit code are made.
//!
//! In: text from programs and files of this machine, which is untrusted. Out: findings whose every
//! text is safe to print. A finding must never contain a secret: checks quote the part that they
//! judged, not whole files.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::words::is_invisible;

/// The longest text of one piece of evidence, in characters. The rest is counted, but not kept.
const EVIDENCE_LIMIT: usize = 20_000;

/// How a finding counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Checked, and as it should be.
    Pass,
    /// Does not apply to this machine.
    NotApplicable,
    /// Not as it should be, but a person has said why that is no obstacle.
    Waived,
    /// Only a person can say. It is ticked off with `bkverify checklist done`.
    Manual,
    /// Not as it should be, but no obstacle to a migration.
    Warn,
    /// Unknown: a program is missing, forbidden, hanging or unintelligible. This never counts as a
    /// pass.
    CouldNotCheck,
    /// Not as it should be.
    Fail,
}

impl Status {
    /// Every status, best first.
    pub const ALL: [Self; 7] = [
        Self::Pass,
        Self::NotApplicable,
        Self::Waived,
        Self::Manual,
        Self::Warn,
        Self::CouldNotCheck,
        Self::Fail,
    ];

    /// Its name in all reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::NotApplicable => "not-applicable",
            Self::Waived => "waived",
            Self::Manual => "manual",
            Self::Warn => "warn",
            Self::CouldNotCheck => "could-not-check",
            Self::Fail => "fail",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.word())
    }
}

/// Something that was read, and its source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// The path of the file, or the command as it was run.
    pub source: String,
    /// What it said.
    pub text: String,
}

/// How to fix the problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// The command or the clicks, for a person.
    pub advice: String,
    /// What `--fix` runs, in this order. Each command is a program and its arguments. Empty if only
    /// a person can fix it.
    pub commands: Vec<Vec<String>>,
}

/// One thing a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How it counts.
    pub status: Status,
    /// What was found, in one line.
    pub title: String,
    /// The name by which a step that only a person can do is ticked off.
    pub step: Option<&'static str>,
    /// What was read, and its sources.
    pub evidence: Vec<Evidence>,
    /// Why it matters.
    pub why: Option<String>,
    /// How to fix it.
    pub fix: Option<Fix>,
}

impl Finding {
    /// A finding with this status and title.
    pub fn new(status: Status, title: impl AsRef<str>) -> Self {
        let title = plain(title.as_ref()).replace('\n', " ");
        Self { status, title, step: None, evidence: Vec::new(), why: None, fix: None }
    }

    /// A finding that something is as it should be.
    pub fn pass(title: impl AsRef<str>) -> Self {
        Self::new(Status::Pass, title)
    }

    /// A finding that something is not as it should be, but no obstacle.
    pub fn warn(title: impl AsRef<str>) -> Self {
        Self::new(Status::Warn, title)
    }

    /// A finding that something is not as it should be.
    pub fn fail(title: impl AsRef<str>) -> Self {
        Self::new(Status::Fail, title)
    }

    /// A step that a person must do, with the name by which it is ticked off.
    pub fn manual(step: &'static str, title: impl AsRef<str>) -> Self {
        Self { step: Some(step), ..Self::new(Status::Manual, title) }
    }

    /// A finding that the check does not apply to this machine.
    pub fn not_applicable(title: impl AsRef<str>) -> Self {
        Self::new(Status::NotApplicable, title)
    }

    /// A finding that `what` could not be found out, because of `problem`.
    pub fn could_not_check(what: &str, problem: impl fmt::Display) -> Self {
        Self::new(Status::CouldNotCheck, format!("{what}: {problem}"))
    }

    /// Adds what was read, and its source.
    #[must_use]
    pub fn seen(mut self, source: impl AsRef<str>, text: impl AsRef<str>) -> Self {
        let text = shorten(plain(text.as_ref().trim()));
        self.evidence.push(Evidence { source: plain(source.as_ref()), text });
        self
    }

    /// Says why it matters.
    #[must_use]
    pub fn why(mut self, why: impl AsRef<str>) -> Self {
        self.why = Some(plain(why.as_ref()));
        self
    }

    /// Adds what a person should do about it.
    #[must_use]
    pub fn fix(mut self, advice: impl AsRef<str>) -> Self {
        let commands = self.fix.take().map(|fix| fix.commands).unwrap_or_default();
        self.fix = Some(Fix { advice: plain(advice.as_ref()), commands });
        self
    }

    /// Adds a command that `--fix` runs. Without other advice, the command is also the advice.
    #[must_use]
    pub fn command<S: AsRef<str>>(mut self, command: &[S]) -> Self {
        let command: Vec<String> = command.iter().map(|word| word.as_ref().to_owned()).collect();
        let line = plain(&command.join(" "));
        match &mut self.fix {
            Some(fix) => fix.commands.push(command),
            None => self.fix = Some(Fix { advice: line, commands: vec![command] }),
        }
        self
    }
}

/// A check with its findings, ready for the reports.
#[derive(Debug, Clone, Serialize)]
pub struct Checked {
    /// The check's name on the command line.
    pub name: &'static str,
    /// What it is about, in a few words.
    pub title: &'static str,
    /// What the published checklist asks for.
    pub asks: &'static str,
    /// What was found; never empty.
    pub findings: Vec<Finding>,
    /// How long the check took, in seconds.
    pub seconds: f64,
}

impl Checked {
    /// The worst status of its findings. Unknown if there are none.
    pub fn status(&self) -> Status {
        self.findings.iter().map(|finding| finding.status).max().unwrap_or(Status::CouldNotCheck)
    }
}

/// The record of one run: one machine at one time.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    /// The machine's name.
    pub machine: String,
    /// Its operating system, with version.
    pub system: String,
    /// When the run began.
    pub taken: Timestamp,
    /// The checks, in the order of the registry.
    pub checks: Vec<Checked>,
}

impl Record {
    /// How many findings have this status.
    pub fn count(&self, status: Status) -> usize {
        self.findings().filter(|finding| finding.status == status).count()
    }

    /// All findings of all checks.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.checks.iter().flat_map(|check| &check.findings)
    }

    /// The first of `fail`, `could-not-check`, `waived`, `warn` and `manual` that any finding has,
    /// otherwise `pass`. A record without findings has checked nothing.
    pub fn verdict(&self) -> Status {
        let statuses = [Status::Fail, Status::CouldNotCheck, Status::Waived, Status::Warn, Status::Manual];
        let found = statuses.into_iter().find(|status| self.count(*status) > 0);
        let nothing = if self.findings().next().is_none() { Status::CouldNotCheck } else { Status::Pass };
        found.unwrap_or(nothing)
    }
}

/// Text that is safe in a terminal and in a report: control characters and invisible direction
/// marks are escaped.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.replace("\r\n", "\n").chars() {
        let harmful = character.is_control() && !matches!(character, '\n' | '\t');
        if harmful || is_invisible(character) {
            out.extend(character.escape_unicode());
        } else {
            out.push(if character == '\t' { ' ' } else { character });
        }
    }
    out
}

fn shorten(text: String) -> String {
    match text.char_indices().nth(EVIDENCE_LIMIT) {
        None => text,
        Some((cut, _)) => {
            let rest = text[cut..].chars().count();
            format!("{} … ({rest} more characters)", &text[..cut])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(statuses: &[Status]) -> Record {
        let findings = statuses.iter().map(|&status| Finding::new(status, "x")).collect();
        let check = Checked { name: "a", title: "A", asks: "", findings, seconds: 0.0 };
        Record { machine: "m".into(), system: "s".into(), taken: Timestamp::UNIX_EPOCH, checks: vec![check] }
    }

    #[test]
    fn a_failure_outweighs_an_unknown_and_an_unknown_outweighs_a_pass() {
        use Status::{CouldNotCheck, Fail, Manual, NotApplicable, Pass, Waived, Warn};
        assert_eq!(record(&[Pass, NotApplicable]).verdict(), Pass);
        assert_eq!(record(&[Pass, Warn, Manual]).verdict(), Warn);
        assert_eq!(record(&[Pass, Manual]).verdict(), Manual);
        assert_eq!(record(&[Pass, CouldNotCheck, Warn]).verdict(), CouldNotCheck);
        assert_eq!(record(&[Fail, CouldNotCheck, Waived]).verdict(), Fail);
        assert_eq!(record(&[Pass, Waived, Warn, Manual]).verdict(), Waived, "a waiver is no pass");
        assert_eq!(record(&[]).verdict(), CouldNotCheck);
    }

    #[test]
    fn text_from_programs_cannot_control_a_terminal_or_flood_a_report() {
        let finding = Finding::fail("bad\x1b[2Jline\nnext").seen("src", "x".repeat(21_000));
        assert_eq!(finding.title, "bad\\u{1b}[2Jline next");
        assert!(finding.evidence[0].text.ends_with("… (1000 more characters)"));
    }
}
