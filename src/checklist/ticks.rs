//! Steps that only a person can do, ticked off with `bkverify checklist done`.
//!
//! The ticks are kept in a small JSON file in the state folder, with who and when, the newest last.
//! Ticks are never removed, because they are part of the record. A tick counts until it expires,
//! and only for findings that a check itself calls manual.

use std::io::Write;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::findings::{Checked, Evidence, Status, plain};
use super::machine::read_text;

/// The name of the file in the state folder.
pub const FILE: &str = "checklist-ticks.json";
const SCHEMA: &str = "bkverify-ticks/1";

/// All ticks of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticks {
    schema: String,
    ticks: Vec<Tick>,
}

/// One step, done by a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    /// The check's name.
    pub name: String,
    /// What the person wrote.
    pub note: String,
    /// Who did it.
    pub who: String,
    /// When it was ticked off.
    pub when: Timestamp,
    /// When it stops counting, if it expires.
    pub until: Option<Timestamp>,
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

    /// The newest tick of a step.
    pub fn newest(&self, name: &str) -> Option<&Tick> {
        self.ticks.iter().rev().find(|tick| tick.name == name)
    }
}

impl Tick {
    /// A tick made now. It expires after `valid`, if that is given.
    pub fn new(name: &str, note: &str, who: &str, now: Timestamp, valid: Option<SignedDuration>) -> Self {
        // A time beyond the end of the calendar never comes.
        let until = valid.and_then(|valid| now.checked_add(valid).ok());
        Self { name: name.to_owned(), note: note.to_owned(), who: who.to_owned(), when: now, until }
    }

    /// Whether it still counts.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// The tick in words.
    pub fn words(&self) -> String {
        let until = self.until.map(|until| format!(", counts until {until:.0}")).unwrap_or_default();
        plain(&format!("done by {} on {:.0}{until}: {}", self.who, self.when, self.note))
    }
}

/// Turns the manual findings of a check into passes if its step is ticked off. An expired tick is
/// shown as evidence.
pub fn apply(checked: &mut Checked, ticks: &Ticks, now: Timestamp) {
    let Some(tick) = ticks.newest(checked.name) else { return };
    let holds = tick.holds(now);
    for finding in checked.findings.iter_mut().filter(|finding| finding.status == Status::Manual) {
        let source = if holds { "ticked off" } else { "ticked off, but expired" };
        finding.evidence.push(Evidence { source: source.to_owned(), text: tick.words() });
        if holds {
            finding.status = Status::Pass;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Finding;
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn checked() -> Checked {
        let findings = vec![Finding::manual("run it"), Finding::fail("broken")];
        Checked { name: "migration-tool", title: "", asks: "", findings, seconds: 0.0 }
    }

    #[test]
    fn a_tick_counts_until_it_expires_and_only_for_manual_findings() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let valid = Some(SignedDuration::from_hours(14 * 24));
        let tick = Tick::new("migration-tool", "ran it", "admin@dc01", at("2026-11-01T10:00:00Z"), valid);
        Ticks::record(&state, tick).unwrap();
        let ticks = Ticks::load(&state).unwrap();

        let mut in_time = checked();
        apply(&mut in_time, &ticks, at("2026-11-15T09:59:59Z"));
        assert_eq!(in_time.findings[0].status, Status::Pass);
        assert_eq!(in_time.findings[1].status, Status::Fail);
        assert!(in_time.findings[0].evidence[0].text.contains("done by admin@dc01"));

        let mut too_late = checked();
        apply(&mut too_late, &ticks, at("2026-11-15T10:00:00Z"));
        assert_eq!(too_late.findings[0].status, Status::Manual);
        assert_eq!(too_late.findings[0].evidence[0].source, "ticked off, but expired");
    }

    #[test]
    fn the_newest_tick_of_several_counts_and_all_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        for note in ["first", "second"] {
            let tick = Tick::new("a", note, "me", at("2026-11-01T10:00:00Z"), None);
            Ticks::record(folder.path(), tick).unwrap();
        }
        let ticks = Ticks::load(folder.path()).unwrap();
        assert_eq!(ticks.newest("a").unwrap().note, "second");
        assert_eq!(ticks.ticks.len(), 2);
    }

    #[test]
    fn a_damaged_file_is_an_error_and_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join(FILE);
        std::fs::write(&place, "{\"ticks\":").unwrap();
        assert!(Ticks::load(folder.path()).is_err());
        let tick = Tick::new("a", "x", "me", at("2026-11-01T10:00:00Z"), None);
        assert!(Ticks::record(folder.path(), tick).is_err());
        assert_eq!(std::fs::read_to_string(place).unwrap(), "{\"ticks\":");
    }
}
