//! Runs a job from the machine's own scheduler: systemd, the Task Scheduler of Windows, or cron.
//!
//! In: a [`Job`] with what it reads and writes. Out: what the scheduler needs, written where the
//! scheduler looks for it; later, whether the job ran. A file or task that bkverify did not write, or
//! that somebody has changed since, is left alone unless a person says otherwise. Nothing here ever
//! touches a backup or an original.
//!
//! [`systemd`], [`task`] and [`cron`] are pure: text from a job. [`units`], [`tasks`] and [`tables`]
//! put that text in its place and ask the scheduler, each as a [`Scheduler`]. Programs are run by
//! whoever calls, so that tests can play back what they once printed.

use std::fmt::Debug;
use std::io;
use std::path::Path;

pub mod cron;
pub mod job;
pub mod marker;
pub mod status;
pub mod systemd;
pub mod systemd_state;
pub mod tables;
pub mod task;
pub mod tasks;
pub mod times;
pub mod units;

pub use job::{Job, Refused};
pub use marker::Marker;
pub use status::{Installed, LastRun, Observed, Recorded, State, Status, judge};
pub use times::When;

use crate::program::ProgramOutput;

use marker::Owner;

/// Runs a program with its arguments, or says why it could not be run.
pub type Run<'a> = &'a dyn Fn(&[&str]) -> Result<ProgramOutput, String>;

/// Something that is written for a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The file, or the name of the task.
    pub place: String,
    /// Its content.
    pub text: String,
}

/// What is installed, and what the scheduler says of it.
#[derive(Debug, Clone)]
pub struct Found {
    /// What is installed.
    pub installed: Installed,
    /// The program that the command names.
    pub program: String,
    /// What the scheduler says.
    pub observed: Observed,
}

/// A scheduler of this machine.
pub trait Scheduler {
    /// What would be written for a job.
    fn pieces(&self, job: &Job, marker: &Marker) -> Result<Vec<Piece>, Error>;

    /// Writes it, and has the scheduler take it up. With `force`, replaces what is not ours. Returns
    /// what was done, as lines.
    fn install(&self, job: &Job, marker: &Marker, force: bool) -> Result<Vec<String>, Error>;

    /// The places of what [`remove`](Self::remove) would remove.
    fn removable(&self, job: &str, force: bool) -> Result<Vec<String>, Error>;

    /// Removes it. Returns what was done, as lines; none if nothing was there.
    fn remove(&self, job: &str, force: bool) -> Result<Vec<String>, Error>;

    /// Every job that is installed, in the order of their names.
    fn find(&self) -> Result<Vec<Found>, Error>;
}

/// Why a job was not installed, not removed, or not found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The scheduler could not hold the job.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// There is something else in its place.
    #[error("{place} was {}", if *edited { "edited since bkverify wrote it" } else { "not written by bkverify" })]
    NotOurs {
        /// Where it is.
        place: String,
        /// Whether bkverify wrote it once.
        edited: bool,
    },
    /// A text with lines of others is not UTF-8, so writing it again would damage it.
    #[error("line {line} of {place} is not UTF-8: bkverify would damage it, and left everything as it is")]
    NotText {
        /// Where it is.
        place: String,
        /// The first line that is not UTF-8, counted from 1.
        line: usize,
    },
    /// A file could not be read, written or removed.
    #[error("cannot {verb} {place}")]
    File {
        /// What was to be done.
        verb: &'static str,
        /// The file.
        place: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A program of the machine failed.
    #[error("`{command}` failed: {complaint}")]
    Program {
        /// The command.
        command: String,
        /// What it said.
        complaint: String,
    },
}

impl Error {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Refused(refused) => refused.hint.clone(),
            Self::NotOurs { .. } => "look at it; --force replaces or removes it all the same".to_owned(),
            Self::NotText { .. } => {
                "write that line in UTF-8, or remove it, with crontab -e; then run this again".to_owned()
            }
            Self::File { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "run as root or as an administrator, or install it for this user alone: --user".to_owned()
            }
            Self::File { .. } => "see why, and run it again".to_owned(),
            Self::Program { .. } => {
                "see what it says, then run this again: it replaces what it wrote".to_owned()
            }
        }
    }

    fn file<P: AsRef<Path>>(verb: &'static str, place: P) -> impl FnOnce(io::Error) -> Self {
        let place = place.as_ref().display().to_string();
        move |source| Self::File { verb, place, source }
    }
}

/// Runs a program that must succeed.
fn must(run: Run<'_>, command: &[&str]) -> Result<String, Error> {
    let failed = |complaint: String| Error::Program { command: command.join(" "), complaint };
    let ran = run(command).map_err(failed)?;
    if ran.succeeded() { Ok(ran.stdout) } else { Err(failed(ran.complaint())) }
}

/// Refuses to touch what is not ours.
fn may_touch(owner: &Owner, place: &str, force: bool) -> Result<(), Error> {
    match owner {
        Owner::Ours(_) => Ok(()),
        _ if force => Ok(()),
        Owner::Edited(_) => Err(Error::NotOurs { place: place.to_owned(), edited: true }),
        Owner::Foreign => Err(Error::NotOurs { place: place.to_owned(), edited: false }),
    }
}

/// Reads a file that may not exist.
fn read(path: &Path) -> Result<Option<String>, Error> {
    match std::fs::read(path) {
        // What is not text is not ours, and the digest says so.
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file("read", path)(error)),
    }
}

/// What a marker says of an installed job; none if it cannot be told what the file runs.
fn installed(
    owner: Owner,
    scheduler: &'static str,
    command: String,
    places: Vec<String>,
) -> Option<Installed> {
    let (marker, edited) = match owner {
        Owner::Ours(marker) => (marker, false),
        Owner::Edited(marker) => (marker?, true),
        Owner::Foreign => return None,
    };
    let words = marker.at.words();
    let Marker { job, at, installed } = marker;
    Some(Installed { job, scheduler, at, words, command, places, installed, edited })
}
