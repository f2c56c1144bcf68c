//! Gives tasks to the Task Scheduler of Windows, and asks it about them.
//!
//! Tasks are made with `schtasks`, from XML. They are read with PowerShell, because what `schtasks`
//! prints is in the language of the machine.

use std::io::Write;

use jiff::civil::Date;
use jiff::{Timestamp, Zoned};
use serde::Deserialize;

use super::task::{FOLDER, Principal, Read, read, task_name, utf16, xml};
use super::{
    Error, Found, Job, LastRun, Marker, Observed, Piece, Run, Scheduler, installed, may_touch, must,
};

const SCRIPT: &str = include_str!("tasks.ps1");

/// A task has not run yet (`SCHED_S_TASK_HAS_NOT_RUN`).
const NOT_YET: u32 = 0x41303;
/// A task is running (`SCHED_S_TASK_RUNNING`).
const RUNNING: u32 = 0x41301;
/// A user ended the last run (`SCHED_S_TASK_TERMINATED`).
const TERMINATED: u32 = 0x41306;
/// The program does not exist (`ERROR_FILE_NOT_FOUND` as an `HRESULT`).
const NO_PROGRAM: u32 = 0x8007_0002;

/// The tasks of a machine.
pub struct Tasks<'a> {
    /// Who they run as.
    pub principal: Principal,
    /// The time, from which the first day of a task is found.
    pub now: Zoned,
    /// Runs `schtasks` and PowerShell.
    pub run: Run<'a>,
}

/// A task, as the script prints it.
#[derive(Debug, Deserialize)]
struct Printed {
    name: String,
    state: String,
    xml: String,
    last: String,
    result: String,
    next: String,
}

#[derive(Debug, Deserialize)]
struct AllPrinted {
    tasks: Vec<Printed>,
}

impl Tasks<'_> {
    fn tasks(&self) -> Result<Vec<Printed>, Error> {
        let command = ["powershell.exe", "-NoProfile", "-NonInteractive", "-Command", SCRIPT];
        let failed = |complaint: String| Error::Program { command: "powershell.exe".to_owned(), complaint };
        let printed = must(self.run, &command).map_err(|error| match error {
            Error::Program { complaint, .. } => failed(complaint),
            other => other,
        })?;
        let all: AllPrinted = serde_json::from_str(printed.trim())
            .map_err(|error| failed(format!("its answer is not what was asked for: {error}")))?;
        Ok(all.tasks)
    }

    fn first_day(&self, job: &Job) -> Date {
        job.at.next_due(&self.now).map_or_else(|| self.now.date(), |due| due.date())
    }

    /// The task of a job, if there is one.
    fn existing(&self, job: &str) -> Result<Option<Read>, Error> {
        task_name(job)?;
        // Names of tasks do not differ by case.
        let found = self.tasks()?.into_iter().find(|task| task.name.to_lowercase() == job.to_lowercase());
        Ok(found.map(|task| read(&task.xml)))
    }
}

impl Scheduler for Tasks<'_> {
    fn pieces(&self, job: &Job, marker: &Marker) -> Result<Vec<Piece>, Error> {
        let text = xml(job, marker, &self.principal, self.first_day(job))?;
        Ok(vec![Piece { place: task_name(&job.name)?, text }])
    }

    fn install(&self, job: &Job, marker: &Marker, force: bool) -> Result<Vec<String>, Error> {
        self.removable(&job.name, force)?;
        let mut done = Vec::new();
        for Piece { place, text } in self.pieces(job, marker)? {
            let named = "a temporary file";
            let mut file = tempfile::NamedTempFile::new().map_err(Error::file("make", named))?;
            file.write_all(&utf16(&text)).map_err(Error::file("write", named))?;
            // `schtasks` cannot read a file that is open for writing.
            let closed = file.into_temp_path();
            let path = closed.to_string_lossy().into_owned();
            must(self.run, &["schtasks", "/Create", "/TN", &place, "/XML", &path, "/F"])?;
            done.push(format!("registered the task {place}"));
        }
        Ok(done)
    }

    fn removable(&self, job: &str, force: bool) -> Result<Vec<String>, Error> {
        let place = task_name(job)?;
        let Some(task) = self.existing(job)? else { return Ok(Vec::new()) };
        may_touch(&task.owner, &place, force)?;
        Ok(vec![place])
    }

    fn remove(&self, job: &str, force: bool) -> Result<Vec<String>, Error> {
        let mut done = Vec::new();
        for place in self.removable(job, force)? {
            must(self.run, &["schtasks", "/Delete", "/TN", &place, "/F"])?;
            done.push(format!("removed the task {place}"));
        }
        Ok(done)
    }

    fn find(&self) -> Result<Vec<Found>, Error> {
        let mut found: Vec<Found> = self.tasks()?.iter().filter_map(found).collect();
        found.sort_by(|one, other| one.installed.job.cmp(&other.installed.job));
        Ok(found)
    }
}

fn found(task: &Printed) -> Option<Found> {
    let Read { owner, command, program, enabled } = read(&task.xml);
    let place = format!("{FOLDER}{}", task.name);
    let installed = installed(owner, "task-scheduler", command, vec![place.clone()])?;
    let stopped = !enabled || task.state == "Disabled";
    let result: u32 = task.result.parse().unwrap_or(NOT_YET);
    let running = task.state == "Running" || result == RUNNING;
    let started: Option<Timestamp> = task.last.parse().ok();
    let problem = match result {
        _ if running => None,
        TERMINATED => Some("somebody ended it".to_owned()),
        NO_PROGRAM => Some("the program does not exist".to_owned()),
        code if code > 255 => Some(format!("the Task Scheduler says {code:#x}")),
        _ => None,
    };
    let exit = i32::try_from(result).ok().filter(|code| !running && *code <= 255);
    let last =
        started.filter(|_| result != NOT_YET).map(|started| LastRun { started, ended: None, exit, problem });
    let problems =
        if stopped { vec![format!("the task {place} is disabled: it will not run")] } else { vec![] };
    let next = task.next.parse().ok();
    let observed = Observed { running, records_runs: true, last, next, stopped, problems };
    Some(Found { installed, program, observed })
}
