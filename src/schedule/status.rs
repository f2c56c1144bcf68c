//! Whether a scheduled job runs as it should.
//!
//! In: what is installed, what the scheduler says, what the ledger knows, the time. Out: a [`Status`]
//! that says so, and every reason why not. Pure. What is not known is never called fine.

use std::path::PathBuf;

use jiff::{Timestamp, ToSpan, Zoned};
use serde::Serialize;

use super::systemd::DELAY_MINUTES;
use super::times::When;
use crate::exit::ExitCode;

/// How much later than planned a run may begin before it counts as missed: the scheduler's own
/// random delay, and as much again for a machine that is busy.
const GRACE_MINUTES: i64 = 2 * DELAY_MINUTES;

/// What is installed for a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Installed {
    /// The job's name.
    pub job: String,
    /// `systemd`, `task-scheduler` or `cron`.
    pub scheduler: &'static str,
    /// When it runs, as `--at` takes it.
    #[serde(serialize_with = "as_text")]
    pub at: When,
    /// The same in words.
    pub words: String,
    /// The command that is run.
    pub command: String,
    /// The files or tasks that were written.
    pub places: Vec<String>,
    /// When they were written.
    pub installed: Timestamp,
    /// Whether somebody has changed them since.
    pub edited: bool,
}

/// The last run of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastRun {
    /// When it began.
    pub started: Timestamp,
    /// When it ended, if it did and if that is known.
    pub ended: Option<Timestamp>,
    /// Its exit code, if it is known.
    pub exit: Option<i32>,
    /// What kept it from running, or ended it, if it was not the program itself.
    pub problem: Option<String>,
}

/// What a scheduler says of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// Whether it is running right now.
    pub running: bool,
    /// Whether the scheduler records runs. Cron does not.
    pub records_runs: bool,
    /// The last run, as far as the scheduler knows.
    pub last: Option<LastRun>,
    /// When it runs next, as far as the scheduler says.
    pub next: Option<Timestamp>,
    /// Whether it will not run: it was turned off.
    pub stopped: bool,
    /// Why it does not run, or will not.
    pub problems: Vec<String>,
}

/// What the ledger knows of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Its last run that is over.
    pub last: Option<LastRun>,
    /// Whether it is running right now.
    pub running: bool,
}

/// How a scheduled job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It ran when it should have and passed, or is not due yet.
    Fine,
    /// It cannot be told.
    Unknown,
    /// It did not run, did not pass, or will not run.
    Broken,
}

/// How a scheduled job is, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// What is installed.
    #[serde(flatten)]
    pub installed: Installed,
    /// How it is.
    pub state: State,
    /// Whether it is running right now.
    pub running: bool,
    /// What is wrong or not known, in sentences.
    pub findings: Vec<String>,
    /// The last run.
    pub last: Option<LastRun>,
    /// When it should run next; none if it will not.
    pub next: Option<Timestamp>,
}

/// Judges. `ledger` is what the ledger knows of this job, if it can be read, and `missing` names the
/// files that the command needs and that are gone.
pub fn judge(
    installed: Installed,
    observed: Observed,
    ledger: Option<Recorded>,
    missing: &[PathBuf],
    now: &Zoned,
) -> Status {
    let records = observed.records_runs || ledger.is_some();
    let Recorded { last: recorded, running } = ledger.unwrap_or_default();
    let running = running || observed.running;
    let mut broken = observed.problems;
    let mut unknown = Vec::new();
    broken.extend(missing.iter().map(|path| format!("{} does not exist any more", path.display())));
    // When a timer is started for the first time, systemd notes that time as its last run.
    let first = installed.installed.checked_add(1.minutes()).unwrap_or(installed.installed);
    let is_run = |last: &LastRun| last.started > first || last.exit.is_some() || last.problem.is_some();
    let last = later(observed.last.filter(is_run), recorded);
    let due = now
        .checked_sub(GRACE_MINUTES.minutes())
        .ok()
        .and_then(|then| installed.at.last_due(&then))
        .map(|due| due.timestamp())
        .filter(|due| *due >= installed.installed);
    let ran = |due: Timestamp| last.as_ref().is_some_and(|last| last.started >= due);
    if let Some(due) = due.filter(|due| !running && !ran(*due)) {
        let since = last.as_ref().map_or(installed.installed, |last| last.started.max(installed.installed));
        let missed = missed(installed.at, due.to_zoned(now.time_zone().clone()), since);
        let due = due.to_zoned(now.time_zone().clone()).strftime("%A %Y-%m-%d at %H:%M").to_string();
        if records {
            let before = match missed {
                0 | 1 => String::new(),
                2 => ", nor the time before".to_owned(),
                MISSED_MAX => format!(", nor the {} times before, or more", MISSED_MAX - 1),
                many => format!(", nor the {} times before", many - 1),
            };
            broken.push(format!("it did not run when it was due, on {due}{before}"));
        } else {
            unknown.push(format!("it was due on {due}; this scheduler does not record whether it ran"));
        }
    }
    match last.as_ref() {
        Some(LastRun { problem: Some(problem), .. }) => {
            broken.push(format!("the last run failed: {problem}"));
        }
        Some(LastRun { exit: Some(0), .. }) | None => {}
        Some(LastRun { exit: Some(code), .. }) => {
            broken.push(format!("the last run ended with exit code {code}{}", meaning(*code)));
        }
        Some(_) if running => {}
        Some(_) => unknown.push("how the last run ended is not known".to_owned()),
    }
    let next = observed.next.or_else(|| installed.at.next_due(now).map(|due| due.timestamp()));
    let next = next.filter(|_| !observed.stopped);
    let state = match (broken.is_empty(), unknown.is_empty()) {
        (false, _) => State::Broken,
        (true, false) => State::Unknown,
        (true, true) => State::Fine,
    };
    broken.extend(unknown);
    Status { installed, state, running, findings: broken, last, next }
}

/// So many missed runs are counted.
const MISSED_MAX: u32 = 366;

/// How many times a job was due after `since`, up to the time `due`.
fn missed(at: When, due: Zoned, since: Timestamp) -> u32 {
    let before = |due: &Zoned| at.last_due(&due.checked_sub(1.minutes()).ok()?);
    let times = std::iter::successors(Some(due), before).take_while(|due| due.timestamp() > since);
    u32::try_from(times.take(MISSED_MAX as usize).count()).unwrap_or(MISSED_MAX)
}

/// The run that began later. What one of them does not know, the other may: both may have seen the
/// same run, and the scheduler may have forgotten it when the machine was restarted.
fn later(scheduler: Option<LastRun>, ledger: Option<LastRun>) -> Option<LastRun> {
    let (scheduler, ledger) = match (scheduler, ledger) {
        (Some(scheduler), Some(ledger)) => (scheduler, ledger),
        (one, other) => return one.or(other),
    };
    let apart = scheduler.started.duration_since(ledger.started).abs();
    if apart <= jiff::SignedDuration::from_mins(DELAY_MINUTES + 1) {
        let exit = scheduler.exit.or(ledger.exit);
        return Some(LastRun { exit, ended: scheduler.ended.or(ledger.ended), ..scheduler });
    }
    Some(if scheduler.started > ledger.started { scheduler } else { ledger })
}

/// What an exit code of a verification means.
fn meaning(code: i32) -> String {
    let known = ExitCode::ALL.into_iter().find(|known| *known as i32 == code);
    known.map(|known| format!(" ({})", known.meaning())).unwrap_or_default()
}

fn as_text<S: serde::Serializer>(at: &When, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed() -> Installed {
        let at: When = "02:30".parse().unwrap();
        Installed {
            job: "nightly".into(),
            scheduler: "systemd",
            at,
            words: at.words(),
            command: "bkverify --job nightly".into(),
            places: vec!["/etc/systemd/system/bkverify-nightly.timer".into()],
            installed: "2026-11-20T12:00:00Z".parse().unwrap(),
            edited: false,
        }
    }

    fn run(started: &str, exit: Option<i32>) -> LastRun {
        LastRun { started: started.parse().unwrap(), ended: None, exit, problem: None }
    }

    /// The state and the findings at noon of 2026-11-28.
    fn judged(observed: Observed, ledger: Option<LastRun>) -> (State, Vec<String>) {
        let now = "2026-11-28T12:00:00+00:00[UTC]".parse().unwrap();
        let ledger = ledger.map(|last| Recorded { last: Some(last), running: false });
        let status = judge(installed(), observed, ledger, &[], &now);
        (status.state, status.findings)
    }

    fn systemd(last: Option<LastRun>) -> Observed {
        Observed { records_runs: true, last, ..Observed::default() }
    }

    #[test]
    fn a_run_that_passed_when_it_was_due_is_fine() {
        let (state, findings) = judged(systemd(Some(run("2026-11-28T02:34:10Z", Some(0)))), None);
        assert_eq!((state, findings.len()), (State::Fine, 0), "{findings:?}");
    }

    #[test]
    fn a_run_that_did_not_pass_is_named_with_its_exit_code() {
        for (code, words) in
            [(1, "integrity failure"), (3, "incomplete"), (4, "could not be used"), (130, "130")]
        {
            let (state, findings) = judged(systemd(Some(run("2026-11-28T02:34:10Z", Some(code)))), None);
            assert_eq!(state, State::Broken);
            assert!(
                findings[0].starts_with(&format!("the last run ended with exit code {code}")),
                "{findings:?}"
            );
            assert!(findings[0].contains(words), "{findings:?}");
        }
    }

    #[test]
    fn a_missed_run_is_named_with_its_time_and_earlier_ones_are_counted() {
        for (last, before) in [
            (Some(run("2026-11-27T02:31:00Z", Some(0))), ""),
            (Some(run("2026-11-26T02:31:00Z", Some(0))), ", nor the time before"),
            (Some(run("2026-11-24T02:31:00Z", Some(0))), ", nor the 3 times before"),
            // Since it was installed.
            (None, ", nor the 7 times before"),
        ] {
            let (state, findings) = judged(systemd(last), None);
            assert_eq!(state, State::Broken);
            let missed = "it did not run when it was due, on Saturday 2026-11-28 at 02:30";
            assert_eq!(findings, [format!("{missed}{before}")]);
        }
    }

    #[test]
    fn a_scheduler_that_records_nothing_is_told_by_the_ledger_that_nothing_ran() {
        let now = "2026-11-28T12:00:00+00:00[UTC]".parse().unwrap();
        let status = judge(installed(), Observed::default(), Some(Recorded::default()), &[], &now);
        assert_eq!(status.state, State::Broken);
        assert!(status.findings[0].starts_with("it did not run when it was due"), "{:?}", status.findings);
        let running = Recorded { last: Some(run("2026-11-27T02:30:02Z", Some(0))), running: true };
        let status = judge(installed(), Observed::default(), Some(running), &[], &now);
        assert_eq!((status.state, status.running), (State::Fine, true));
    }

    #[test]
    fn a_run_is_not_missed_before_its_delay_is_over_or_while_it_runs() {
        let last = Some(run("2026-11-27T02:31:00Z", Some(0)));
        let now = "2026-11-28T02:49:00+00:00[UTC]".parse().unwrap();
        assert_eq!(judge(installed(), systemd(last), None, &[], &now).state, State::Fine);
        let observed = Observed { running: true, ..systemd(Some(run("2026-11-27T02:31:00Z", None))) };
        assert_eq!(judged(observed, None).0, State::Fine);
    }

    #[test]
    fn what_was_due_before_it_was_installed_was_not_missed() {
        let mut new = installed();
        new.installed = "2026-11-28T11:00:00Z".parse().unwrap();
        let now = "2026-11-28T12:00:00+00:00[UTC]".parse().unwrap();
        let status = judge(new, systemd(None), None, &[], &now);
        assert_eq!(status.state, State::Fine);
        assert_eq!(status.next, Some("2026-11-29T02:30:00Z".parse().unwrap()));
    }

    #[test]
    fn without_a_record_it_is_unknown_whether_it_ran_and_the_ledger_tells() {
        let (state, findings) = judged(Observed::default(), None);
        assert_eq!(state, State::Unknown);
        assert!(findings[0].ends_with("this scheduler does not record whether it ran"), "{findings:?}");
        assert_eq!(judged(Observed::default(), Some(run("2026-11-28T02:30:02Z", Some(0)))).0, State::Fine);
        assert_eq!(judged(Observed::default(), Some(run("2026-11-27T02:30:02Z", Some(0)))).0, State::Broken);
    }

    #[test]
    fn an_end_that_the_scheduler_has_forgotten_is_in_the_ledger() {
        let forgotten = systemd(Some(run("2026-11-28T02:34:10Z", None)));
        let (state, findings) = judged(forgotten.clone(), None);
        assert_eq!((state, &*findings[0]), (State::Unknown, "how the last run ended is not known"));
        assert_eq!(judged(forgotten.clone(), Some(run("2026-11-28T02:34:11Z", Some(0)))).0, State::Fine);
        assert_eq!(judged(forgotten.clone(), Some(run("2026-11-28T02:34:11Z", Some(1)))).0, State::Broken);
        // That was another run.
        assert_eq!(judged(forgotten, Some(run("2026-11-27T02:34:11Z", Some(0)))).0, State::Unknown);
    }

    #[test]
    fn the_first_start_of_a_timer_is_no_run() {
        let (state, findings) = judged(systemd(Some(run("2026-11-20T12:00:03Z", None))), None);
        assert_eq!(state, State::Broken);
        assert!(findings[0].starts_with("it did not run when it was due, on Saturday"), "{findings:?}");
    }

    #[test]
    fn a_job_that_was_turned_off_has_no_next_run() {
        let last = Some(run("2026-11-28T02:34:10Z", Some(0)));
        let problems = vec!["the timer is disabled".to_owned()];
        let observed = Observed { stopped: true, problems, ..systemd(last) };
        let now = "2026-11-28T12:00:00+00:00[UTC]".parse().unwrap();
        let status = judge(installed(), observed, None, &["/usr/bin/bkverify".into()], &now);
        assert_eq!((status.state, status.next), (State::Broken, None));
        assert_eq!(status.findings, ["the timer is disabled", "/usr/bin/bkverify does not exist any more"]);
    }
}
