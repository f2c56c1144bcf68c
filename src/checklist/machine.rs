//! The machine that checks look at, and what the person said about it.
//!
//! A check sees the machine through a [`Visit`]: programs run until the visit's deadline, files are
//! read below the machine's root. Tests put recorded programs and made-up trees in their place.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::backup::Location;
use crate::facts::Facts;
use crate::plan::Map;

use super::probe::{Output, ProbeError, Programs, decode};

/// Longest file that a check reads.
const FILE_LIMIT: u64 = 32 << 20;

/// The family of operating systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Os {
    /// Any Linux.
    Linux,
    /// Windows.
    Windows,
    /// Anything else, by name.
    Other(&'static str),
}

impl Os {
    /// The one that this program runs on.
    pub fn current() -> Self {
        match std::env::consts::OS {
            "linux" => Self::Linux,
            "windows" => Self::Windows,
            other => Self::Other(other),
        }
    }
}

/// What the clock is compared with.
#[derive(Debug, Clone)]
pub enum Against {
    /// A server that answers NTP: `host`, `host:port`, `[v6]:port`.
    Server(String),
    /// What `bkverify facts --json` wrote on the other machine.
    Facts {
        /// Where it was read, for the evidence.
        place: String,
        /// What it says.
        facts: Box<Facts>,
        /// Longest time that can have passed on the way, in seconds, where that is known (read from
        /// a pipe).
        under_way: Option<f64>,
        /// This machine's time when it was read.
        read: Timestamp,
    },
}

/// A configured backup job, as far as the checklist cares.
#[derive(Debug, Clone, Default)]
pub struct Job {
    /// Its name in the configuration.
    pub name: String,
    /// The backup.
    pub backup: Location,
    /// Folders that hold the originals.
    pub sources: Vec<PathBuf>,
    /// Where entries' originals are, by the beginning of their path.
    pub maps: Vec<Map>,
    /// Where its JSON report is written.
    pub report: Option<PathBuf>,
}

/// What the person said, resolved once.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The destination to compare with.
    pub against: Option<Against>,
    /// An NTP server to compare with; otherwise those that the machine is configured with.
    pub ntp: Option<String>,
    /// The configured backup jobs.
    pub jobs: Vec<Job>,
    /// The folder that holds the applications table.
    pub table: PathBuf,
    /// The time of the run.
    pub now: Timestamp,
    /// The machine's time zone.
    pub zone: TimeZone,
}

/// A machine to look at.
#[derive(Debug)]
pub struct Machine {
    /// Its kind.
    pub os: Os,
    /// Its programs.
    pub programs: Box<dyn Programs>,
    /// The folder below which its files are read: `/`, or a tree that a test made.
    pub root: PathBuf,
    /// What the person said.
    pub settings: Settings,
}

/// One check's look at a machine, which ends at a deadline.
#[derive(Debug, Clone, Copy)]
pub struct Visit<'a> {
    machine: &'a Machine,
    deadline: Instant,
}

impl<'a> Visit<'a> {
    /// A visit that ends at `deadline`.
    pub fn new(machine: &'a Machine, deadline: Instant) -> Self {
        Self { machine, deadline }
    }

    /// The kind of machine.
    pub fn os(&self) -> Os {
        self.machine.os
    }

    /// What the person said.
    pub fn settings(&self) -> &'a Settings {
        &self.machine.settings
    }

    /// When the visit ends.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Runs a program; its exit code is the caller's to judge.
    pub fn run(&self, command: &[&str]) -> Result<Output, ProbeError> {
        self.machine.programs.run(command, self.deadline)
    }

    /// Runs a program that must succeed; gives its standard output, or the reason why there is
    /// none.
    pub fn ask(&self, command: &[&str]) -> Result<String, String> {
        match self.run(command) {
            Ok(output) if output.succeeded() => Ok(output.stdout),
            Ok(output) => Err(format!("`{}`: {}", command.join(" "), output.complaint())),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Where `path` (absolute, as on the machine) really lies.
    pub fn place(&self, path: &str) -> PathBuf {
        self.machine.root.join(path.trim_start_matches('/'))
    }

    /// Whether something is there.
    pub fn exists(&self, path: &str) -> bool {
        self.place(path).symlink_metadata().is_ok()
    }

    /// The text of a file of the machine; `None` where it does not exist.
    pub fn read(&self, path: &str) -> Result<Option<String>, String> {
        read_text(&self.place(path)).map_err(|problem| format!("{path}: {problem}"))
    }

    /// The names in a folder of the machine, sorted; empty where it does not exist.
    pub fn names(&self, path: &str) -> Result<Vec<String>, String> {
        let listing = match std::fs::read_dir(self.place(path)) {
            Ok(listing) => listing,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(format!("{path}: {error}")),
        };
        let mut names = Vec::new();
        for entry in listing {
            let entry = entry.map_err(|error| format!("{path}: {error}"))?;
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    /// How long ago a file of the machine was modified, in seconds; `None` where it does not exist.
    pub fn age(&self, path: &str) -> Option<i64> {
        let modified = self.place(path).metadata().ok()?.modified().ok()?;
        let modified = Timestamp::try_from(modified).ok()?;
        Some(self.settings().now.as_second() - modified.as_second())
    }
}

/// The text of a regular file, at most 32 MiB of it; `None` where it does not exist.
pub fn read_text(path: &Path) -> Result<Option<String>, String> {
    let missing =
        |error: &std::io::Error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
    match path.metadata() {
        Ok(state) if state.is_file() => {}
        Ok(_) => return Err("is no regular file".to_owned()),
        Err(error) if missing(&error) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(FILE_LIMIT + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Err("is larger than 32 MiB".to_owned());
    }
    Ok(Some(decode(&bytes)))
}

/// Seconds as a person says them: `3 days`, `5 h`, `40 s`.
pub fn duration_words(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::collections::HashMap;
    use std::time::Duration;

    /// Plays programs back: the command line, or a beginning of it, or `*` for any; everything else
    /// is missing. An answer that begins with `!timeout`, `!denied` or `!N ` (an exit code) stands
    /// for that.
    #[derive(Debug)]
    struct Recorded(HashMap<String, String>);

    impl Programs for Recorded {
        fn run(&self, command: &[&str], _: Instant) -> Result<Output, ProbeError> {
            let line = command.join(" ");
            let known = self.0.iter().filter(|(start, _)| line.starts_with(start.as_str()));
            let best = known.max_by_key(|(start, _)| start.len()).map(|(_, answer)| answer);
            let Some(answer) = best.or_else(|| self.0.get("*")) else {
                return Err(ProbeError::Missing(command[0].to_owned()));
            };
            let Some(special) = answer.strip_prefix('!') else {
                return Ok(Output { code: Some(0), stdout: answer.clone(), stderr: String::new() });
            };
            match special.split_once(' ').unwrap_or((special, "")) {
                ("timeout", _) => Err(ProbeError::TimedOut(command[0].to_owned())),
                ("denied", _) => Err(ProbeError::Denied(command[0].to_owned())),
                (code, text) => {
                    let code = Some(code.parse().unwrap());
                    Ok(Output { code, stdout: text.to_owned(), stderr: text.to_owned() })
                }
            }
        }
    }

    /// A machine with an empty root, owned so that the root outlives it.
    pub(crate) struct Made {
        pub machine: Machine,
        _root: tempfile::TempDir,
    }

    impl Made {
        pub fn visit(&self) -> Visit<'_> {
            Visit::new(&self.machine, Instant::now() + Duration::from_secs(20))
        }

        pub fn file(self, path: &str, text: &str) -> Self {
            let place = self.machine.root.join(path.trim_start_matches('/'));
            std::fs::create_dir_all(place.parent().unwrap()).unwrap();
            std::fs::write(place, text).unwrap();
            self
        }

        pub fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
            change(&mut self.machine.settings);
            self
        }
    }

    /// A machine whose programs print what was recorded.
    pub(crate) fn recorded(os: Os, answers: &[(&str, &str)]) -> Made {
        let root = tempfile::tempdir().unwrap();
        let answers = answers.iter().map(|(line, text)| ((*line).to_owned(), (*text).to_owned())).collect();
        let settings = Settings {
            against: None,
            ntp: None,
            jobs: Vec::new(),
            table: root.path().join("state"),
            now: "2026-11-20T12:00:00Z".parse().unwrap(),
            zone: TimeZone::UTC,
        };
        let programs = Box::new(Recorded(answers));
        Made { machine: Machine { os, programs, root: root.path().to_owned(), settings }, _root: root }
    }

    #[test]
    fn durations_read_like_a_person_says_them() {
        assert_eq!(duration_words(40), "40 s");
        assert_eq!(duration_words(3_600), "60 min");
        assert_eq!(duration_words(90_000), "25 h");
        assert_eq!(duration_words(400_000), "4 days");
    }

    #[test]
    fn folders_and_devices_are_not_read_as_files() {
        let made = recorded(Os::Linux, &[]).file("/etc/x", "text");
        assert_eq!(made.visit().read("/etc/x"), Ok(Some("text".to_owned())));
        assert_eq!(made.visit().read("/etc/y"), Ok(None));
        assert_eq!(made.visit().read("/etc"), Err("/etc: is no regular file".to_owned()));
    }
}
