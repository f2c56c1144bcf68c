//! What people say about findings: steps that they have done (`bkverify checklist done`), and
//! failures that they accept (`bkverify checklist waive`).
//!
//! Both are kept in a small JSON file in the state folder, with who, why and when, the newest last.
//! Entries are never removed, because they are part of the record. Each counts until it expires,
//! and covers one finding as it was seen: if other names appear in its title or its evidence, if a
//! number becomes more than twice as large, or if the finding gets worse, it is not covered.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::findings::{Checked, Evidence, Finding, Status, plain};
use super::machine::read_text;
use crate::output;

/// The name of the file in the state folder.
pub const FILE: &str = "checklist-ticks.json";
const SCHEMA: &str = "bkverify-ticks/2";
/// How long a tick counts if the person does not say: the Migration Preparation Tool's two weeks.
pub const TICK_HOLDS: SignedDuration = SignedDuration::from_hours(14 * 24);
/// How long a waiver counts if the person does not say.
pub const WAIVER_HOLDS: SignedDuration = SignedDuration::from_hours(30 * 24);
/// The longest time that either may count.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(366 * 24);
/// A number that has become larger by this factor is another finding.
const GROWN: f64 = 2.0;

/// All ticks and waivers of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticks {
    schema: String,
    ticks: Vec<Tick>,
}

/// One step that a person has done, or one finding that a person accepts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    /// The check's name.
    pub check: String,
    /// The name of the step that was done. `None` if this waives a finding.
    pub step: Option<String>,
    /// What the person wrote.
    pub note: String,
    /// Who did it.
    pub who: String,
    /// When it was ticked off.
    pub when: Timestamp,
    /// When it stops counting.
    pub until: Timestamp,
    /// The title of the finding as it was seen.
    pub title: String,
    /// Its status. A worse one is not covered.
    pub status: Status,
    /// The lines of its evidence.
    pub seen: Vec<String>,
}

impl Ticks {
    /// Reads the ticks in the state folder. There are none if there is no file.
    ///
    /// # Errors
    /// If there is a file that cannot be read.
    pub fn load(state: &Path) -> Result<Self, String> {
        let place = state.join(FILE);
        let problem = |problem: String| {
            let place = place.display();
            format!(
                "cannot read the ticked steps in {place}: {problem}; repair the file, or move it away to start afresh"
            )
        };
        let Some(text) = read_text(&place).map_err(problem)? else { return Ok(Self::default()) };
        let ticks: Self = serde_json::from_str(&text).map_err(|error| problem(error.to_string()))?;
        if ticks.schema != SCHEMA {
            return Err(problem(format!("it is `{}`, not `{SCHEMA}`", ticks.schema)));
        }
        Ok(ticks)
    }

    /// Adds one tick to the file in the state folder. The folder is created if necessary. The file
    /// is replaced as a whole, under a lock, so that two people at once lose nothing.
    ///
    /// # Errors
    /// If it cannot be written, or what is there cannot be read.
    pub fn record(state: &Path, tick: Tick) -> Result<(), String> {
        let place = state.join(FILE);
        let failed =
            |error: std::io::Error| format!("cannot write the ticked steps to {}: {error}", place.display());
        std::fs::create_dir_all(state).map_err(failed)?;
        let lock = std::fs::File::create(state.join("checklist-ticks.lock")).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let mut ticks = Self::load(state)?;
        SCHEMA.clone_into(&mut ticks.schema);
        ticks.ticks.push(tick);
        let text = serde_json::to_vec_pretty(&ticks).map_err(|error| failed(error.into()))?;
        output::replace(&place, &text).map_err(failed)
    }

    /// The newest tick or waiver that covers a finding of `check`. One from the future counts for
    /// nothing.
    fn newest(&self, check: &str, finding: &Finding, now: Timestamp) -> Option<&Tick> {
        let covers = |tick: &&Tick| tick.check == check && tick.when <= now && tick.covers(finding);
        self.ticks.iter().rev().find(covers)
    }
}

impl Tick {
    /// A tick of a finding, made now, that counts for the time `valid`. If the finding is a manual
    /// step, it says that the step was done, otherwise that the finding is accepted.
    pub fn new(
        check: &str,
        finding: &Finding,
        (who, note): (&str, &str),
        now: Timestamp,
        valid: SignedDuration,
    ) -> Self {
        Self {
            check: check.to_owned(),
            step: finding.step.filter(|_| finding.status == Status::Manual).map(str::to_owned),
            note: note.to_owned(),
            who: who.to_owned(),
            when: now,
            until: now.checked_add(valid).unwrap_or(Timestamp::MAX),
            title: finding.title.clone(),
            status: finding.status,
            seen: lines(finding).map(str::to_owned).collect(),
        }
    }

    /// The tick in words.
    pub fn words(&self) -> String {
        let verb = if self.step.is_some() { "done" } else { "waived" };
        let Self { who, when, until, note, .. } = self;
        plain(&format!("{verb} by {who} on {when:.0}, counts until {until:.0}: {note}"))
    }

    fn covers(&self, finding: &Finding) -> bool {
        let is_of_its_kind = match finding.status {
            Status::Manual => self.step.as_deref() == finding.step && finding.step.is_some(),
            Status::Fail | Status::CouldNotCheck | Status::Warn => self.step.is_none(),
            Status::Pass | Status::NotApplicable | Status::Waived => false,
        };
        let is_seen = |line: &str| self.seen.iter().any(|seen| is_no_worse(seen, line));
        is_of_its_kind
            && finding.status <= self.status
            && is_no_worse(&self.title, &finding.title)
            && lines(finding).all(is_seen)
    }
}

/// What a finding names in its evidence, line by line.
fn lines(finding: &Finding) -> impl Iterator<Item = &str> {
    finding.evidence.iter().flat_map(|seen| seen.text.lines()).filter(|line| !line.trim().is_empty())
}

/// Whether a line says the same as another one before, with numbers that have hardly grown. Times
/// may be any.
fn is_no_worse(before: &str, now: &str) -> bool {
    let (before, now) = (before.split_whitespace().map(Word::of), now.split_whitespace().map(Word::of));
    let is_no_worse = |(before, now)| match (before, now) {
        (Word::Number(before), Word::Number(now)) => now <= before * GROWN,
        (before, now) => before == now,
    };
    before.clone().count() == now.clone().count() && before.zip(now).all(is_no_worse)
}

/// A word of a title or of evidence.
#[derive(Debug, PartialEq)]
enum Word<'a> {
    /// A count, an age or a share.
    Number(f64),
    /// A date or a time of day.
    Time,
    /// A name, an address, a version, or any other word.
    Name(&'a str),
}

impl<'a> Word<'a> {
    fn of(word: &'a str) -> Self {
        let number = word.trim_matches(['%', ';', '(', ')', '+', '-', ':']).replace(',', "");
        // A date, or hours and minutes; not an address with a port.
        let is_time = |word: &str| {
            let is_date = word.len() >= 10 && word.as_bytes()[4] == b'-' && word.as_bytes()[7] == b'-';
            let parts: Vec<&str> = word.split(':').collect();
            let are_clock =
                parts.iter().all(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit()));
            let begins = word.bytes().take(2).all(|byte| byte.is_ascii_digit());
            begins && (is_date || (matches!(parts.len(), 2 | 3) && are_clock))
        };
        match number.parse::<f64>() {
            Ok(number) if number.is_finite() && word.starts_with(|letter: char| !letter.is_alphabetic()) => {
                Self::Number(number)
            }
            _ if is_time(word.trim_end_matches([',', ';'])) => Self::Time,
            _ => Self::Name(word),
        }
    }
}

/// Turns manual steps that are ticked off into passes, and findings that are waived into waived
/// ones. A tick that has expired is shown as evidence.
pub fn apply(checked: &mut Checked, ticks: &Ticks, now: Timestamp) {
    for finding in &mut checked.findings {
        let Some(tick) = ticks.newest(checked.name, finding, now) else { continue };
        let (verb, status) =
            if tick.step.is_some() { ("ticked off", Status::Pass) } else { ("waived", Status::Waived) };
        let holds = now < tick.until;
        let source = if holds { verb.to_owned() } else { format!("{verb}, but expired") };
        finding.evidence.push(Evidence { source, text: tick.words() });
        if holds {
            finding.status = status;
            finding.title = format!("{} ({})", finding.title, tick.words());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Status::{CouldNotCheck, Fail, Manual, Pass, Waived, Warn};

    const NOW: &str = "2026-11-01T10:00:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn tick(check: &str, finding: &Finding) -> Tick {
        Tick::new(check, finding, ("admin@dc01", "no errors"), at(NOW), TICK_HOLDS)
    }

    /// The status of a finding of the check `a` after these ticks at this time.
    fn status(ticks: &[Tick], finding: &Finding, now: &str) -> Status {
        let ticks = Ticks { schema: SCHEMA.into(), ticks: ticks.to_vec() };
        let findings = vec![finding.clone()];
        let mut checked = Checked { name: "a", title: "", asks: "", findings, seconds: 0.0 };
        apply(&mut checked, &ticks, at(now));
        checked.findings[0].status
    }

    fn full(volumes: &str) -> Finding {
        Finding::manual("full-backup", "Confirm that a full backup was made").seen("mounts", volumes)
    }

    #[test]
    fn a_tick_answers_one_manual_step_as_it_was_seen_until_it_expires() {
        let ticks = [tick("a", &full("/: 3 files\n/srv: 10 GiB used"))];
        let after = |finding: &Finding| status(&ticks, finding, "2026-11-02T10:00:00Z");
        assert_eq!(after(&full("/: 4 files\n/srv: 11 GiB used")), Pass);
        assert_eq!(after(&full("/: 4 files\n/srv: 100 GiB used")), Manual, "it has grown");
        assert_eq!(after(&full("/: 3 files\n/srv: 10 GiB used\n/new: 1 GiB used")), Manual, "a new volume");
        let other = Finding { step: Some("other"), ..full("/: 3 files") };
        assert_eq!(after(&other), Manual);
        assert_eq!(after(&Finding { status: Fail, ..full("/: 3 files") }), Fail);
        assert_eq!(status(&ticks, &full("/: 3 files"), "2026-11-15T09:59:59Z"), Pass);
        assert_eq!(status(&ticks, &full("/: 3 files"), "2026-11-15T10:00:00Z"), Manual);
        assert_eq!(status(&ticks, &full("/: 3 files"), "2026-10-31T10:00:00Z"), Manual, "from the future");
    }

    #[test]
    fn a_waiver_is_shown_as_waived_and_covers_only_what_was_seen() {
        let failing = Finding::fail("VPN services start at boot: wg-quick@wg0.service");
        assert_eq!(status(&[tick("a", &failing)], &failing, NOW), Waived);
        assert_eq!(status(&[tick("b", &failing)], &failing, NOW), Fail);
        let other = Finding::fail("VPN services start at boot: wg-quick@wg1.service");
        assert_eq!(status(&[tick("a", &other)], &failing, NOW), Fail);
        let milder = Finding { status: Warn, ..failing.clone() };
        assert_eq!(status(&[tick("a", &milder)], &failing, NOW), Fail);
        assert_eq!(status(&[tick("a", &failing)], &milder, NOW), Waived);
        let among = |names: &str| Finding::fail("7 folders are in no backup").seen("catalog", names);
        let ticks = [tick("a", &among("/a: 3 files\n/b"))];
        let covered = |names: &str| status(&ticks, &among(names), NOW) == Waived;
        assert!(covered("/a: 4 files\n/b") && covered("/b"));
        assert!(!covered("/a: 3 files\n/c") && !covered("/a: 65000 files"));
    }

    #[test]
    fn times_may_change_and_numbers_may_grow_a_little() {
        let same = |before: &str, now: &str| is_no_worse(before, now);
        assert!(same("This clock is +360.123 s ahead", "This clock is +361.9 s ahead"));
        assert!(same(
            "5 times disk 7, last 2026-11-20T10:00:00Z: bad",
            "6 times disk 7, last 2026-11-27T11:30:00Z: bad"
        ));
        assert!(same("97% full", "100% full") && !same("1 critical message", "900 critical message"));
        assert!(
            !same("eth0 has 192.168.7.1", "eth0 has 192.168.7.2") && !same("on 10::1 now", "on 10::2 now")
        );
        assert!(!same("asked 192.0.2.1:9", "asked 192.0.2.1:8") && same("since 10:59", "since 11:00"));
        assert!(!same("10 GiB", "10 TiB") && !same("a b", "a"));
    }

    #[test]
    fn all_ticks_are_kept_and_a_damaged_file_is_an_error_and_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let unknown = Finding::new(CouldNotCheck, "x");
        for _ in 0..2 {
            Ticks::record(folder.path(), tick("a", &unknown)).unwrap();
        }
        assert_eq!(Ticks::load(folder.path()).unwrap().ticks.len(), 2);
        let place = folder.path().join(FILE);
        std::fs::write(&place, "{\"ticks\":").unwrap();
        assert!(Ticks::load(folder.path()).is_err());
        assert!(Ticks::record(folder.path(), tick("a", &unknown)).is_err());
        assert_eq!(std::fs::read_to_string(place).unwrap(), "{\"ticks\":");
    }
}
