//! The judge: what the format's own program restores from a backup, and what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::formats::Program;
use super::tree::Originals;

/// Seconds after which a program is taken to hang and is ended. A flipped bit can turn a short end
/// into hundreds of megabytes of zeros, which an unoptimised program needs some time to read.
const PATIENCE: &str = "300";

/// The result of a program that ran with a time limit.
#[derive(Debug, Default)]
pub struct TimedRun {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Whether it had to be ended.
    pub hung: bool,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl TimedRun {
    /// Runs a command that may not end by itself.
    pub fn of(command: &Command) -> Self {
        let mut bounded = Command::new("timeout");
        bounded.args(["--kill-after=5", PATIENCE]).arg(command.get_program()).args(command.get_args());
        if let Some(folder) = command.get_current_dir() {
            bounded.current_dir(folder);
        }
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => bounded.env(name, value),
                None => bounded.env_remove(name),
            };
        }
        let output = bounded.stdin(Stdio::null()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code();
        // `timeout` exits with 124, or with 137 if it had to kill the program.
        let hung = matches!(code, Some(124 | 137));
        Self { code, hung, out: text(&output.stdout), err: text(&output.stderr) }
    }
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// It does not exist.
    Missing,
    /// There is something else, such as a folder.
    NoFile,
    /// It has another size.
    OtherSize,
    /// It has other bytes.
    Altered,
    /// It cannot be read.
    Unreadable,
}

/// What a program restored.
#[derive(Debug)]
pub struct Judged {
    /// The files that it did not restore as they were, with what happened to each.
    pub lost: BTreeMap<String, Loss>,
    /// Whether it created names, folders or links that the originals do not have, or did not create
    /// all of them.
    pub is_odd: bool,
    /// Its messages, and its exit code if that is not 0. `None` if it saw nothing wrong.
    pub complaints: Vec<String>,
    /// Whether it had to be ended, so that its result means nothing.
    pub hung: bool,
}

impl Judged {
    /// Whether it restored everything and nothing else, and saw nothing wrong.
    pub fn is_content(&self) -> bool {
        self.lost.is_empty() && !self.is_odd && self.complaints.is_empty()
    }
}

/// Restores `backup` to `out` with the format's program, and compares the result with the
/// originals. `out` is emptied first.
pub fn judge(program: Program, backup: &Path, out: &Path, originals: &Originals) -> Judged {
    clear(out);
    let Some(mut command) = program.command(backup, out) else {
        let (lost, is_odd) = (compare(backup, originals), skeleton(backup) != originals.skeleton);
        return Judged { lost, is_odd, complaints: Vec::new(), hung: false };
    };
    fs::create_dir(out).unwrap();
    let heard = TimedRun::of(command.env("LC_ALL", "C.UTF-8").env("TZ", "UTC"));
    let mut complaints: Vec<_> = heard.err.lines().chain(heard.out.lines()).map(str::to_owned).collect();
    complaints.retain(|line| !HARMLESS.iter().any(|harmless| line.contains(harmless)));
    if heard.code != Some(0) {
        complaints.push(format!("exit code {:?}", heard.code));
    }
    let is_odd = skeleton(out) != originals.skeleton;
    Judged { lost: compare(out, originals), is_odd, complaints, hung: heard.hung }
}

/// Everything in a folder: each path, whether it is a folder, and the target if it is a link.
pub fn skeleton(folder: &Path) -> BTreeSet<(PathBuf, bool, Option<PathBuf>)> {
    let entries = walkdir::WalkDir::new(folder).min_depth(1).into_iter().filter_map(Result::ok);
    let bone = |entry: walkdir::DirEntry| {
        let path = entry.path().strip_prefix(folder).unwrap().to_owned();
        (path, entry.file_type().is_dir(), fs::read_link(entry.path()).ok())
    };
    entries.map(bone).collect()
}

/// Messages of programs that are not complaints.
const HARMLESS: [&str; 2] = ["Removing leading `", "Substituting `.' for empty member name"];

/// The originals that a folder does not contain as they are.
fn compare(folder: &Path, originals: &Originals) -> BTreeMap<String, Loss> {
    let wrong = |path: &str, content: &[u8]| {
        let place = folder.join(path);
        let Ok(found) = fs::symlink_metadata(&place) else { return Some(Loss::Missing) };
        if !found.is_file() {
            return Some(Loss::NoFile);
        }
        // Compare the size first, because damage may claim a size that takes hours to read.
        if found.len() != content.len() as u64 {
            return Some(Loss::OtherSize);
        }
        match fs::read(&place) {
            Ok(bytes) if bytes == content => None,
            Ok(_) => Some(Loss::Altered),
            Err(_) => Some(Loss::Unreadable),
        }
    };
    let files = originals.files.iter();
    files.filter_map(|(path, content)| Some((path.clone(), wrong(path, content)?))).collect()
}

/// Removes a file or a folder, whatever permissions the damage gave to its content.
pub fn clear(place: &Path) {
    let Ok(found) = fs::symlink_metadata(place) else { return };
    if !found.is_dir() {
        fs::remove_file(place).unwrap();
    } else if fs::remove_dir_all(place).is_err() {
        let status = Command::new("chmod").args(["-R", "u+rwX"]).arg(place).status().unwrap();
        assert!(status.success());
        fs::remove_dir_all(place).unwrap();
    }
}
