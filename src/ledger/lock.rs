//! The lock of a running job: a second run of the same job can tell, and a run that was killed can
//! be recognised.
//!
//! The lock is the operating system's, on a file in the state folder. It ends with the process,
//! however that ends, so a file that was left behind blocks nobody. Who holds it is in a second
//! file, because a locked file cannot be read on Windows.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::backup::path_text;
use crate::plan::Plan;
use crate::platform;
use crate::words;

use super::target;

/// A process that only looks whether a job is running holds the lock for a moment.
const ATTEMPTS: u32 = 20;
const BETWEEN: Duration = Duration::from_millis(25);

/// Who holds the lock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The name of the job, if it has one.
    pub job: Option<String>,
    /// The backup.
    pub backup: String,
    /// When it started, in milliseconds since 1970.
    pub started: i64,
    /// The number of its process.
    pub process: u32,
}

/// The lock of a running job. It ends when this is dropped.
#[derive(Debug)]
pub struct RunLock {
    name: String,
    // Holds the lock.
    _file: File,
    holder: PathBuf,
}

/// Whether the job could be locked.
#[derive(Debug)]
pub enum Locked {
    /// It is locked now.
    Ours(RunLock),
    /// Another run of the same job holds it. Who that is may be unknown.
    Taken(Option<Holder>),
}

impl RunLock {
    /// Locks the plan's job in this state folder.
    ///
    /// # Errors
    /// If the folder cannot be written, or if its file system has no locks. Then the run goes on
    /// without one.
    pub fn take(state: &Path, plan: &Plan) -> io::Result<Locked> {
        platform::create_private_dir_at(state)?;
        let name = name(plan);
        let place = state.join(&name);
        let holder = state.join(format!("{name}.json"));
        let file = open(&place)?;
        for attempt in 1.. {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if attempt < ATTEMPTS => std::thread::sleep(BETWEEN),
                Err(TryLockError::WouldBlock) => return Ok(Locked::Taken(read(&holder))),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        let lock = Self { name, _file: file, holder };
        // Only for a message: without it, the message says less.
        let _ = write(&lock.holder, plan);
        Ok(Locked::Ours(lock))
    }

    /// Its name, as the row of the run has it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a run holds the lock with this name; `None` if that cannot be told.
    pub fn is_held(state: &Path, name: &str) -> Option<bool> {
        let is_plain =
            name.starts_with(PREFIX) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let file = match File::open(state.join(name)) {
            Ok(file) if is_plain => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Some(false),
            _ => return None,
        };
        match file.try_lock_shared() {
            Ok(()) => Some(false),
            Err(TryLockError::WouldBlock) => Some(true),
            Err(TryLockError::Error(_)) => None,
        }
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // The lock file itself stays: if it was removed here, two later runs could each lock a file
        // of this name.
        let _ = std::fs::remove_file(&self.holder);
    }
}

impl Holder {
    /// What a person is told: which job, since when, which process.
    pub fn words(&self) -> String {
        let job = self.job.as_ref().map_or_else(
            || format!("a run over {}", self.backup),
            |job| format!("the job {job} ({})", self.backup),
        );
        let since = words::rfc3339(super::times::from_millis(self.started)).unwrap_or_default();
        format!("{job} is already running since {since}, as process {}", self.process)
    }
}

/// How the names of all lock files begin.
const PREFIX: &str = "running-";

/// A job is its name in its configuration, or without a job its target.
fn name(plan: &Plan) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("bkverify 2026 running v1");
    match &plan.origin.job {
        Some(job) => {
            let config = plan.origin.config.as_deref().map(path_text).unwrap_or_default();
            hasher.update(b"job").update(job.as_bytes()).update(&[0]).update(config.as_bytes())
        }
        None => hasher.update(b"target").update(&target::fingerprint(&plan.target)),
    };
    format!("{PREFIX}{}", &hasher.finalize().to_hex()[..16])
}

fn open(place: &Path) -> io::Result<File> {
    // A lock that others could take would keep this job from running.
    if let (Some(folder), Some(name)) = (place.parent(), place.file_name().and_then(|name| name.to_str())) {
        let folder = cap_std::fs::Dir::open_ambient_dir(folder, cap_std::ambient_authority())?;
        match platform::create_private_file(&folder, name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made,
        }
    }
    OpenOptions::new().read(true).write(true).open(place)
}

fn write(place: &Path, plan: &Plan) -> io::Result<()> {
    let holder = Holder {
        job: plan.origin.job.clone(),
        backup: plan.target.backup.text(),
        started: super::times::to_millis(plan.started),
        process: std::process::id(),
    };
    // As a whole or not at all: others read it at any time.
    let new = place.with_extension("new");
    std::fs::write(&new, serde_json::to_vec(&holder)?)?;
    std::fs::rename(new, place)
}

fn read(place: &Path) -> Option<Holder> {
    serde_json::from_slice(&std::fs::read(place).ok()?).ok()
}
