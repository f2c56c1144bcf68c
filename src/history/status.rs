//! Whether all is well: one line with performance data for Nagios and its kin, and JSON.
//!
//! A job is well if its last run passed, if a run of it has passed recently enough, and if no file
//! is bad as far as is known: a run that did not draw a file does not make it good. What cannot be
//! known is no "OK": a job that never ran, and a clock that was set back.
//!
//! The exit codes are 0, 1 and 3. Nagios calls 1 a warning and has 2 for what is critical; here 2
//! is a wrong command line, as in all commands. Its plugin `negate` turns one into the other.
//!
//! The form of the line is that of the Monitoring Plugins' development guidelines: a word, ` - `,
//! text without `|`, then `|` and `'label'=value[unit];[warn];[crit];[min];[max]`.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::run::{RECHECK, Run, RunState};
use super::times::long;
use super::{Clock, Form, VERSION, runs};
use crate::backup::escape;
use crate::exit::ExitCode;
use crate::verify::verdict::Verdict;
use crate::words;

/// The JSON form.
pub const FORM: Form = Form {
    name: "status",
    schema_name: "bkverify-status/1",
    schema: include_str!("status.schema.json"),
    begins: &[&["{", r#""schema""#, ":", r#""bkverify-status/"#]],
    csv_begins: &[],
};

/// How long ago the last pass may be, unless the user says otherwise: one night may be missed.
pub const MAX_AGE: Duration = Duration::from_secs(2 * 24 * 60 * 60);

/// How `bkverify status` ends.
pub const EXIT_CODES: &[(i32, &str)] = &[
    (0, "OK: the last run of every job passed, not too long ago, and no file is known to be bad"),
    (1, "the last run of a job did not pass, no run has passed for too long, or a file is known to be bad"),
    (2, "usage or configuration error"),
    (3, "unknown: no ledger, a job that never ran, or a clock that was set back"),
    (4, "a file or standard output could not be written"),
];

/// What the ledger knows of one job.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobRuns {
    /// The name of the job; `None` for runs without one.
    pub job: Option<String>,
    /// Its last run that is over.
    pub last: Option<Run>,
    /// Its last run that passed.
    pub passed: Option<Run>,
    /// A run that has not ended.
    pub running: Option<Run>,
    /// The files of its backup that were bad when they were last judged.
    pub alarms: Option<Alarms>,
    /// The command that judges these files again.
    pub recheck: Option<String>,
    /// What a person should know about it if it is not well.
    pub note: Option<String>,
}

/// Files that were bad when they were last judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alarms {
    /// How many there are.
    pub count: u64,
    /// The path of the one that was judged the longest ago, as the backup lists it.
    pub path: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// When the first run began that found it so.
    pub since: Timestamp,
}

/// Whether a job is well. What is more serious is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is.
    Ok,
    /// It cannot be known.
    Unknown,
    /// It is not.
    Warning,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Unknown => "UNKNOWN",
            Self::Warning => "WARNING",
        }
    }

    /// The exit code of the command.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Ok => ExitCode::Pass,
            Self::Unknown => ExitCode::Incomplete,
            Self::Warning => ExitCode::IntegrityFailure,
        }
    }
}

/// The state of all jobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The name of the form.
    pub schema: String,
    /// The version of the program that wrote it.
    pub bkverify: String,
    /// The time of the question.
    pub at: Timestamp,
    /// How long ago the last pass may be, in seconds.
    pub max_age_seconds: u64,
    /// The worst state of all jobs.
    pub state: State,
    /// The exit code of the command.
    pub exit_code: u8,
    /// Why nothing is known of any job; `None` if something is.
    pub problem: Option<String>,
    /// The jobs, the worst first.
    pub jobs: Vec<JobStatus>,
}

/// The state of one job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobStatus {
    /// The name of the job; `None` for runs without one.
    pub job: Option<String>,
    /// Its state.
    pub state: State,
    /// Why it is not well.
    pub problems: Vec<String>,
    /// The files of its backup that were bad when they were last judged.
    pub alarms: Option<Alarms>,
    /// Its last run that is over.
    pub last_run: Option<Run>,
    /// When its last run that passed ended.
    pub last_pass: Option<Timestamp>,
    /// When a run began that has not ended.
    pub running_since: Option<Timestamp>,
}

impl Status {
    /// The state of these jobs.
    pub fn of(jobs: Vec<JobRuns>, max_age: Duration, clock: &Clock) -> Self {
        let mut jobs: Vec<_> = jobs.into_iter().map(|job| judge(job, max_age, clock)).collect();
        // The sort is stable: jobs of the same state stay in their order.
        jobs.sort_by_key(|job| std::cmp::Reverse(job.state));
        // Of no job, nothing is known.
        let state = jobs.first().map_or(State::Unknown, |worst| worst.state);
        let problem = jobs.is_empty().then(|| "no run is known".to_owned());
        Self { problem, jobs, ..Self::unknown(String::new(), max_age, clock) }.with_state(state)
    }

    /// The state if nothing can be known, with the reason.
    pub fn unknown(problem: String, max_age: Duration, clock: &Clock) -> Self {
        let status = Self {
            schema: FORM.schema_name.to_owned(),
            bkverify: VERSION.to_owned(),
            at: clock.now,
            max_age_seconds: max_age.as_secs(),
            state: State::Unknown,
            exit_code: 0,
            problem: Some(problem),
            jobs: Vec::new(),
        };
        status.with_state(State::Unknown)
    }

    fn with_state(self, state: State) -> Self {
        Self { state, exit_code: state.exit_code() as u8, ..self }
    }
}

fn judge(known: JobRuns, max_age: Duration, clock: &Clock) -> JobStatus {
    let (mut state, mut problems) = (State::Ok, Vec::new());
    let mut add = |found: State, problem: String| {
        state = state.max(found);
        problems.push(problem);
    };
    let ahead = [&known.last, &known.passed, &known.running]
        .into_iter()
        .flatten()
        .find(|run| clock.is_ahead(run.time()));
    match &known.last {
        _ if ahead.is_some() => {
            let time = ahead.map(|run| clock.minute(run.time())).unwrap_or_default();
            add(State::Unknown, format!("a run is dated {time}, which lies ahead: was the clock set back?"));
        }
        None if known.running.is_some() => add(State::Unknown, "the first run has not ended".to_owned()),
        None => add(State::Unknown, "it never ran".to_owned()),
        Some(last) => {
            if last.result != RunState::Pass {
                add(State::Warning, no_pass(last, clock));
            }
            match &known.passed {
                None => add(State::Warning, "no run has ever passed".to_owned()),
                Some(passed) if clock.since(passed.time()) > max_age => {
                    let age = long(clock.since(passed.time()));
                    add(
                        State::Warning,
                        format!("no run has passed for {age}, since {}", clock.minute(passed.time())),
                    );
                }
                Some(_) => {}
            }
        }
    }
    if let Some(alarms) = &known.alarms {
        add(State::Warning, standing(alarms, known.recheck.as_deref(), clock));
    }
    if state != State::Ok {
        problems.extend(known.note);
    }
    JobStatus {
        job: known.job,
        state,
        problems,
        alarms: known.alarms,
        last_pass: known.passed.as_ref().map(Run::time),
        running_since: known.running.as_ref().map(|run| run.started),
        last_run: known.last,
    }
}

/// Why the last run was no pass.
fn no_pass(run: &Run, clock: &Clock) -> String {
    let when = clock.minute(run.time());
    let said = run.headline.as_deref().unwrap_or_default();
    let said = if said.is_empty() { String::new() } else { format!(" ({})", said.trim_end_matches('.')) };
    match run.result {
        RunState::Killed => {
            format!("the last run, begun {when}, never ended: it was killed, or the machine stopped")
        }
        RunState::Fail => format!("the last run, {when}, FAILED{said}"),
        result => format!("the last run, {when}, did not pass: {}{said}", result.word()),
    }
}

/// Which files are bad as far as is known, and what to do about them.
fn standing(alarms: &Alarms, recheck: Option<&str>, clock: &Clock) -> String {
    let Alarms { count, path, verdict, since } = alarms;
    let first = format!("{path} ({}, since {})", verdict.word(), clock.minute(*since));
    let what = match count {
        1 => format!("1 file is bad until it is verified again: {first}"),
        count => {
            format!("{} files are bad until they are verified again, such as {first}", words::count(*count))
        }
    };
    let repair = match verdict {
        Verdict::OriginalCorrupt => "restore the original from the backup",
        _ => "back it up again",
    };
    let then = recheck.map(|command| format!(", then run: {command}")).unwrap_or_default();
    format!("{what}; {repair}{then}")
}

/// The line.
pub fn line(status: &Status, clock: &Clock) -> String {
    let texts: Vec<_> = match &status.problem {
        Some(problem) => vec![problem.clone()],
        None => status.jobs.iter().map(|job| text(job, clock)).collect(),
    };
    let data: Vec<_> = status.jobs.iter().flat_map(|job| performance(job, status, clock)).collect();
    // A bar would begin the performance data, and a line break another line.
    let text = plain(&texts.join("; ")).replace('|', "/");
    let data = if data.is_empty() { String::new() } else { format!(" | {}", data.join(" ")) };
    format!("{} - {text}{data}\n", status.state.word())
}

/// A text without anything that is not printable.
fn plain(text: &str) -> String {
    words::printable(text).into_owned()
}

/// What a job is called; runs without one by their backup.
fn name(job: &JobStatus) -> Option<String> {
    let backup = job.last_run.as_ref().map(|run| run.backup.as_str());
    job.job.as_deref().map(|name| escape(name.as_bytes()).into_owned()).or(backup.map(plain))
}

fn text(job: &JobStatus, clock: &Clock) -> String {
    let name = name(job).map(|name| format!("{name}: ")).unwrap_or_default();
    let running = job.running_since.map(|since| format!(", running since {}", clock.minute(since)));
    let running = running.unwrap_or_default();
    if job.state != State::Ok {
        return format!("{name}{}{running}", job.problems.join("; "));
    }
    let pass = job.last_pass.map(|time| format!("last pass {}", clock.minute(time))).unwrap_or_default();
    let run = job.last_run.as_ref();
    if run.is_some_and(|run| run.strategy == RECHECK) {
        return format!("{name}{pass}, what was bad is verified again{running}");
    }
    let verified =
        run.and_then(|run| run.verified).map(|count| format!(", {} verified", words::count(count)));
    let bound =
        run.and_then(|run| run.bound.as_ref()).map(|bound| format!(", at most {} bad", runs::share(bound)));
    format!("{name}{pass}{}{}{running}", verified.unwrap_or_default(), bound.unwrap_or_default())
}

/// The performance data of a job. With several jobs, each label begins with the name of its job.
fn performance(job: &JobStatus, status: &Status, clock: &Clock) -> Vec<String> {
    let prefix = name(job).filter(|_| status.jobs.len() > 1).map(|name| format!("{name} "));
    let prefix = prefix.unwrap_or_default();
    let label = |name: &str| {
        // Labels hold neither = nor quotes.
        let label = format!("{prefix}{name}").replace(['=', '\'', '|'], "_");
        if label.contains(' ') { format!("'{label}'") } else { label }
    };
    let mut data = Vec::new();
    if let Some(pass) = job.last_pass.filter(|&pass| !clock.is_ahead(pass)) {
        let age = clock.since(pass).as_secs();
        data.push(format!("{}={age}s;{};;0;", label("age"), status.max_age_seconds));
    }
    // Without an alarm, too: a graph needs its zeros.
    let alarms = job.alarms.as_ref().map_or(0, |alarms| alarms.count);
    if job.last_run.is_some() {
        data.push(format!("{}={alarms};0;;0;", label("alarms")));
    }
    let Some(run) = &job.last_run else { return data };
    for (name, number) in [("verified", run.verified), ("bad", run.bad), ("undecided", run.undecided)] {
        data.extend(number.map(|number| format!("{}={number};;;0;", label(name))));
    }
    data.extend(run.seconds().map(|took| format!("{}={took:.3}s;;;0;", label("duration"))));
    data
}
