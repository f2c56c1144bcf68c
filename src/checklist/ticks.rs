//! What people say about findings: steps that they have done (`bkverify checklist done`), and
//! failures that they accept (`bkverify checklist waive`).
//!
//! Both are kept in a small JSON file in the state folder, with who, why and when, the newest last.
//! Entries are never removed, because they are part of the record. Each counts until it expires. A
//! tick answers one manual step and nothing else. A waiver covers one finding as it was: if other
//! names appear in its title or its evidence, or it gets worse, the waiver no longer covers it.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::findings::{Checked, Evidence, Finding, Status, plain};
use super::machine::read_text;

/// The name of the file in the state folder.
pub const FILE: &str = "checklist-ticks.json";
const SCHEMA: &str = "bkverify-ticks/1";
/// How long a tick counts if the person does not say: the Migration Preparation Tool's two weeks.
pub const TICK_HOLDS: SignedDuration = SignedDuration::from_hours(14 * 24);
/// How long a waiver counts if the person does not say.
pub const WAIVER_HOLDS: SignedDuration = SignedDuration::from_hours(30 * 24);

/// All ticks and waivers of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticks {
    schema: String,
    ticks: Vec<Tick>,
}

/// One step that a person has done, or one finding that a person accepts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    /// The step's name. Of a waiver, the check's name.
    pub name: String,
    /// What the person wrote.
    pub note: String,
    /// Who did it.
    pub who: String,
    /// When it was ticked off.
    pub when: Timestamp,
    /// When it stops counting.
    pub until: Option<Timestamp>,
    /// The finding that is accepted. `None` if this ticks a step off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waives: Option<Waived>,
}

/// A finding as it was when it was waived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waived {
    /// Its title.
    pub title: String,
    /// Its status. A worse one is not covered.
    pub status: Status,
    /// The lines of its evidence. Others are not covered: a new name among many does not change the
    /// title.
    pub seen: BTreeSet<String>,
}

/// Why ticks cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TicksError {
    /// The file cannot be read.
    #[error(
        "cannot read the ticked steps in {place}: {problem}; repair the file, or move it away to start afresh"
    )]
    Read {
        /// The file.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// The file cannot be written.
    #[error("cannot write the ticked steps to {place}: {source}")]
    Write {
        /// The file.
        place: String,
        /// What the system says.
        source: std::io::Error,
    },
}

impl Ticks {
    /// Reads the ticks in the state folder. There are none if there is no file.
    pub fn load(state: &Path) -> Result<Self, TicksError> {
        let place = state.join(FILE);
        let problem = |problem: String| TicksError::Read { place: place.display().to_string(), problem };
        let Some(text) = read_text(&place).map_err(problem)? else { return Ok(Self::default()) };
        let ticks: Self = serde_json::from_str(&text).map_err(|error| problem(error.to_string()))?;
        if ticks.schema != SCHEMA {
            return Err(problem(format!("it is `{}`, not `{SCHEMA}`", ticks.schema)));
        }
        Ok(ticks)
    }

    /// Adds one tick to the file in the state folder. The folder is created if necessary. The file
    /// is replaced as a whole, under a lock, so that two people at once lose nothing.
    pub fn record(state: &Path, tick: Tick) -> Result<(), TicksError> {
        let place = state.join(FILE);
        let failed = |source| TicksError::Write { place: place.display().to_string(), source };
        std::fs::create_dir_all(state).map_err(failed)?;
        let lock = std::fs::File::create(state.join("checklist-ticks.lock")).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let mut ticks = Self::load(state)?;
        SCHEMA.clone_into(&mut ticks.schema);
        ticks.ticks.push(tick);
        let text = serde_json::to_vec_pretty(&ticks).map_err(|error| failed(error.into()))?;
        let mut file = tempfile::NamedTempFile::new_in(state).map_err(failed)?;
        file.write_all(&text).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
        file.persist(&place).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// The newest tick for a step, or the newest waiver that covers a finding of `check`.
    fn newest(&self, check: &str, finding: &Finding) -> Option<&Tick> {
        self.ticks.iter().rev().find(|tick| match (&tick.waives, finding.step) {
            (None, Some(step)) => finding.status == Status::Manual && tick.name == step,
            (Some(waived), _) => tick.name == check && waived.covers(finding),
            (None, None) => false,
        })
    }
}

impl Tick {
    /// A tick made now that counts for the time `valid`.
    pub fn new(name: &str, note: &str, who: &str, now: Timestamp, valid: SignedDuration) -> Self {
        // A time beyond the end of the calendar never comes.
        let until = Some(now.checked_add(valid).unwrap_or(Timestamp::MAX));
        Self {
            name: name.to_owned(),
            note: note.to_owned(),
            who: who.to_owned(),
            when: now,
            until,
            waives: None,
        }
    }

    /// The same as a waiver of a finding.
    #[must_use]
    pub fn waiving(mut self, finding: &Finding) -> Self {
        let seen = lines(finding).collect();
        self.waives = Some(Waived { title: finding.title.clone(), status: finding.status, seen });
        self
    }

    /// When it stops counting. Earlier versions wrote ticks without an end.
    fn until(&self) -> Timestamp {
        self.until.or_else(|| self.when.checked_add(TICK_HOLDS).ok()).unwrap_or(self.when)
    }

    /// The tick in words.
    pub fn words(&self) -> String {
        let verb = if self.waives.is_some() { "waived" } else { "done" };
        let (who, when, until, note) = (&self.who, self.when, self.until(), &self.note);
        plain(&format!("{verb} by {who} on {when:.0}, counts until {until:.0}: {note}"))
    }
}

impl Waived {
    fn covers(&self, finding: &Finding) -> bool {
        let may_be = matches!(finding.status, Status::Fail | Status::CouldNotCheck | Status::Warn);
        let is_seen = lines(finding).all(|line| self.seen.contains(&line));
        may_be && finding.status <= self.status && subject(&finding.title) == subject(&self.title) && is_seen
    }
}

/// What a finding names in its evidence, line by line.
fn lines(finding: &Finding) -> impl Iterator<Item = String> {
    finding.evidence.iter().flat_map(|seen| seen.text.lines()).map(|line| subject(line).join(" "))
}

/// A line without its counts, ages and shares, which change from day to day. Addresses and names
/// stay, with the digits in them.
fn subject(title: &str) -> Vec<&str> {
    let is_number = |word: &&str| {
        word.matches('.').count() <= 1
            && word.chars().all(|letter| matches!(letter, '0'..='9' | '.' | ',' | '%'))
    };
    title.split_whitespace().filter(|word| !is_number(word)).collect()
}

/// Turns manual steps that are ticked off into passes, and findings that are waived into waived
/// ones. A tick that has expired is shown as evidence.
pub fn apply(checked: &mut Checked, ticks: &Ticks, now: Timestamp) {
    for finding in &mut checked.findings {
        let Some(tick) = ticks.newest(checked.name, finding) else { continue };
        let holds = now < tick.until();
        let verb = if tick.waives.is_some() { "waived" } else { "ticked off" };
        let source = if holds { verb.to_owned() } else { format!("{verb}, but expired") };
        finding.evidence.push(Evidence { source, text: tick.words() });
        if holds {
            finding.status = if tick.waives.is_some() { Status::Waived } else { Status::Pass };
            finding.title = format!("{} ({})", finding.title, tick.words());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn checked() -> Checked {
        let failing = Finding::fail("VPN services start at boot: wg-quick@wg0.service");
        let findings = vec![
            Finding::manual("run-it", "run it"),
            Finding::manual("other", "another"),
            failing,
            Finding::warn("2 updates are pending"),
        ];
        Checked { name: "a", title: "", asks: "", findings, seconds: 0.0 }
    }

    /// The statuses after these ticks at this time.
    fn statuses(ticks: &[Tick], now: &str) -> Vec<Status> {
        let ticks = Ticks { schema: SCHEMA.into(), ticks: ticks.to_vec() };
        let mut checked = checked();
        apply(&mut checked, &ticks, at(now));
        checked.findings.iter().map(|finding| finding.status).collect()
    }

    fn tick(name: &str) -> Tick {
        Tick::new(name, "no errors", "admin@dc01", at("2026-11-01T10:00:00Z"), TICK_HOLDS)
    }

    #[test]
    fn a_tick_answers_one_manual_step_and_nothing_else_until_it_expires() {
        use Status::{Fail, Manual, Pass, Warn};
        assert_eq!(statuses(&[tick("run-it")], "2026-11-15T09:59:59Z"), [Pass, Manual, Fail, Warn]);
        assert_eq!(statuses(&[tick("run-it")], "2026-11-15T10:00:00Z"), [Manual, Manual, Fail, Warn]);
        assert_eq!(statuses(&[tick("a")], "2026-11-02T10:00:00Z"), [Manual, Manual, Fail, Warn]);
        let endless = Tick { until: None, ..tick("run-it") };
        assert_eq!(statuses(&[endless], "2027-11-02T10:00:00Z"), [Manual, Manual, Fail, Warn]);
    }

    #[test]
    fn a_waiver_is_shown_as_waived_and_covers_only_what_was_seen() {
        use Status::{Fail, Manual, Waived, Warn};
        let failing = checked().findings.remove(2);
        let now = "2026-11-02T10:00:00Z";
        assert_eq!(statuses(&[tick("a").waiving(&failing)], now), [Manual, Manual, Waived, Warn]);
        assert_eq!(statuses(&[tick("b").waiving(&failing)], now), [Manual, Manual, Fail, Warn]);
        let other = Finding::fail("VPN services start at boot: wg-quick@wg1.service");
        assert_eq!(statuses(&[tick("a").waiving(&other)], now), [Manual, Manual, Fail, Warn]);
        let among_others = |names: &str| Finding::fail("7 folders are in no backup").seen("catalog", names);
        let waiver = Tick::new("a", "x", "me", at(now), TICK_HOLDS).waiving(&among_others("/a: 3 files\n/b"));
        let covers = |names: &str| waiver.waives.as_ref().unwrap().covers(&among_others(names));
        assert!(covers("/a: 4 files\n/b") && covers("/b") && !covers("/a: 3 files\n/c"));
        let milder = Finding { status: Warn, ..failing };
        assert_eq!(statuses(&[tick("a").waiving(&milder)], now), [Manual, Manual, Fail, Warn]);
        let yesterday = Finding::warn("1 updates are pending");
        assert_eq!(statuses(&[tick("a").waiving(&yesterday)], now), [Manual, Manual, Fail, Waived]);
    }

    #[test]
    fn all_ticks_are_kept_and_a_damaged_file_is_an_error_and_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        for note in ["first", "second"] {
            Ticks::record(folder.path(), Tick { note: note.into(), ..tick("a") }).unwrap();
        }
        assert_eq!(Ticks::load(folder.path()).unwrap().ticks.len(), 2);
        let place = folder.path().join(FILE);
        std::fs::write(&place, "{\"ticks\":").unwrap();
        assert!(Ticks::load(folder.path()).is_err());
        assert!(Ticks::record(folder.path(), tick("a")).is_err());
        assert_eq!(std::fs::read_to_string(place).unwrap(), "{\"ticks\":");
    }
}
