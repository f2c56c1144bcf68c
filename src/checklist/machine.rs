//! The machine that checks examine, and what the person specified about it.
//!
//! A check sees the machine through a [`Visit`]. Programs run until the visit's deadline, and files
//! are read below the machine's root. Tests replace both with recorded programs and made-up trees.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::backup::Location;
use crate::facts::Facts;
use crate::plan::{Claims, Filters, Map, SampleSize};

use crate::program::{ProgramError, ProgramOutput, Programs, decode};

use super::probes::Source;

/// The longest file that a check reads, in bytes.
const FILE_LIMIT: u64 = 32 << 20;

/// Facts older than this, in seconds, say nothing about the other machine as it is now.
const FACTS_AGE: i64 = 86_400;

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
    /// The system that this program runs on.
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
    /// The facts that `bkverify facts --json` wrote on the other machine.
    Facts {
        /// The file that was read, for the evidence.
        place: String,
        /// What the file says.
        facts: Box<Facts>,
        /// The longest time in seconds that can have passed between writing and reading. Known only
        /// if the facts came through a pipe.
        under_way: Option<f64>,
        /// This machine's time when the facts were read.
        read: Timestamp,
    },
}

impl Against {
    /// Why facts that were read at this time say nothing any more, if they are too old.
    pub fn too_old(facts: &Facts, read: Timestamp) -> Option<String> {
        let age = read.duration_since(facts.time).as_secs();
        let name = &facts.name;
        match age {
            ..0 if age < -FACTS_AGE => {
                Some(format!("the facts of {name} are dated in the future; correct the clocks"))
            }
            _ => (age > FACTS_AGE).then(|| {
                format!("the facts of {name} are {} old; have them written anew", duration_words(age))
            }),
        }
    }
}

/// A configured backup job, as far as the checklist needs it.
#[derive(Debug, Clone, Default)]
pub struct BackupJob {
    /// Its name in the configuration.
    pub name: String,
    /// The backup.
    pub backup: Location,
    /// Folders that hold the originals.
    pub sources: Vec<PathBuf>,
    /// Maps from the beginning of an entry's path to the folder of its originals.
    pub maps: Vec<Map>,
    /// The path of its JSON report.
    pub report: Option<PathBuf>,
    /// How many files it asks a run to verify.
    pub sample: SampleSize,
    /// Which files it leaves out.
    pub filters: Filters,
    /// What a run is to prove.
    pub claims: Claims,
    /// The manifest that knows the originals.
    pub manifest: Option<PathBuf>,
    /// Whether it is the top of the file, which no `--job` names.
    pub has_no_name: bool,
}

impl BackupJob {
    /// The command that verifies it.
    pub fn command(&self) -> String {
        if self.has_no_name { "bkverify".to_owned() } else { format!("bkverify --job {}", self.name) }
    }
}

/// What the person specified in flags and configuration, with defaults filled in.
#[derive(Debug, Clone)]
pub struct MachineSettings {
    /// The destination to compare the clock with.
    pub against: Option<Against>,
    /// An NTP server to compare the clock with. If there is none, the servers that the machine is
    /// configured with.
    pub ntp: Option<String>,
    /// The configured backup jobs.
    pub jobs: Vec<BackupJob>,
    /// The folder with the applications table.
    pub table: PathBuf,
    /// The time at which the run began.
    pub now: Timestamp,
    /// The machine's time zone.
    pub zone: TimeZone,
}

/// A machine to check.
#[derive(Debug)]
pub struct Machine {
    /// Its operating system.
    pub os: Os,
    /// Its programs.
    pub programs: Box<dyn Programs>,
    /// Where probes of Windows run. If elsewhere, the checks are about that machine.
    pub probes: Source,
    /// The folder below which its files are read: `/`, or a tree that a test made.
    pub root: PathBuf,
    /// What the person specified.
    pub settings: MachineSettings,
}

impl Machine {
    /// A machine of which nothing is known but its programs and files.
    pub fn plain(os: Os, programs: Box<dyn Programs>, now: &Zoned) -> Self {
        let settings = MachineSettings {
            against: None,
            ntp: None,
            jobs: Vec::new(),
            table: PathBuf::new(),
            now: now.timestamp(),
            zone: now.time_zone().clone(),
        };
        Self { os, programs, probes: Source::Here, root: PathBuf::from("/"), settings }
    }
}

/// One check's access to a machine. It ends at a deadline.
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

    /// The machine's operating system.
    pub fn os(&self) -> Os {
        self.machine.os
    }

    /// Where probes of Windows run.
    pub fn probes(&self) -> &'a Source {
        &self.machine.probes
    }

    /// What the person specified.
    pub fn settings(&self) -> &'a MachineSettings {
        &self.machine.settings
    }

    /// When the visit ends.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Runs a program. The caller judges its exit code.
    pub fn run(&self, command: &[&str]) -> Result<ProgramOutput, ProgramError> {
        self.machine.programs.run(command, self.deadline)
    }

    /// Runs a program in the same way, and also returns what it had printed if it had to be ended.
    pub fn run_partly(&self, command: &[&str]) -> (ProgramOutput, Option<ProgramError>) {
        self.machine.programs.run_partly(command, self.deadline)
    }

    /// Runs a program that must succeed. Returns its standard output, or the reason why there is
    /// none.
    pub fn ask(&self, command: &[&str]) -> Result<String, String> {
        match self.run(command) {
            Ok(output) if output.succeeded() => Ok(output.stdout),
            Ok(output) => Err(format!("`{}`: {}", command.join(" "), output.complaint())),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The real location of `path`, which is absolute on the machine.
    pub fn place(&self, path: &str) -> PathBuf {
        self.machine.root.join(path.trim_start_matches('/'))
    }

    /// Whether the path exists.
    pub fn exists(&self, path: &str) -> bool {
        self.place(path).symlink_metadata().is_ok()
    }

    /// The text of a file on the machine; `None` if it does not exist.
    pub fn read(&self, path: &str) -> Result<Option<String>, String> {
        read_text(&self.place(path)).map_err(|problem| format!("{path}: {problem}"))
    }

    /// The names in a folder of the machine, sorted. Empty if it does not exist.
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

    /// How long ago a file of the machine was modified, in seconds; `None` if it does not exist.
    pub fn age(&self, path: &str) -> Option<i64> {
        let modified = self.place(path).metadata().ok()?.modified().ok()?;
        let modified = Timestamp::try_from(modified).ok()?;
        Some(self.settings().now.as_second() - modified.as_second())
    }
}

/// The text of a regular file of at most 32 MiB; `None` if it does not exist.
pub fn read_text(path: &Path) -> Result<Option<String>, String> {
    Ok(read_bytes(path)?.map(|bytes| decode(&bytes)))
}

/// The bytes of a regular file of at most 32 MiB; `None` if it does not exist.
pub(super) fn read_bytes(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let missing =
        |error: &std::io::Error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
    match path.metadata() {
        Ok(state) if state.is_file() => {}
        Ok(_) => return Err("is not a regular file".to_owned()),
        Err(error) if missing(&error) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(FILE_LIMIT + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Err("is larger than 32 MiB".to_owned());
    }
    Ok(Some(bytes))
}

/// Seconds as a person would say them: `3 days`, `5 h`, `40 s`.
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

    /// Plays programs back. A key is a command line, or the beginning of one, or `*` for any. All
    /// other programs are missing. An answer that begins with `!timeout`, `!denied` or `!N ` (an
    /// exit code) stands for that result; what follows was printed.
    #[derive(Debug)]
    struct RecordedPrograms(HashMap<String, String>);

    impl Programs for RecordedPrograms {
        fn run_partly(&self, command: &[&str], _: Instant) -> (ProgramOutput, Option<ProgramError>) {
            let name = command[0].to_owned();
            let line = command.join(" ");
            let known = self.0.iter().filter(|(start, _)| line.starts_with(start.as_str()));
            let best = known.max_by_key(|(start, _)| start.len()).map(|(_, answer)| answer);
            let Some(answer) = best.or_else(|| self.0.get("*")) else {
                return (ProgramOutput::default(), Some(ProgramError::Missing(name)));
            };
            let printed = |code, text: &str, stderr: &str| ProgramOutput {
                code,
                stdout: text.to_owned(),
                stderr: stderr.to_owned(),
            };
            let Some(special) = answer.strip_prefix('!') else {
                return (printed(Some(0), answer, ""), None);
            };
            match special.split_once(' ').unwrap_or((special, "")) {
                ("timeout", text) => (printed(None, text, ""), Some(ProgramError::TimedOut(name))),
                ("denied", _) => (ProgramOutput::default(), Some(ProgramError::Denied(name))),
                (code, text) => (printed(Some(code.parse().unwrap()), text, text), None),
            }
        }
    }

    /// A machine with an empty root. It owns the root's folder, so that the folder exists as long
    /// as the machine.
    pub(crate) struct TestMachine {
        pub machine: Machine,
        _root: tempfile::TempDir,
    }

    impl TestMachine {
        pub fn visit(&self) -> Visit<'_> {
            Visit::new(&self.machine, Instant::now() + Duration::from_secs(20))
        }

        pub fn file(self, path: &str, text: &str) -> Self {
            let place = self.machine.root.join(path.trim_start_matches('/'));
            std::fs::create_dir_all(place.parent().unwrap()).unwrap();
            std::fs::write(place, text).unwrap();
            self
        }

        pub fn with(mut self, change: impl FnOnce(&mut MachineSettings)) -> Self {
            change(&mut self.machine.settings);
            self
        }
    }

    /// A machine whose programs print recorded output.
    pub(crate) fn recorded(os: Os, answers: &[(&str, &str)]) -> TestMachine {
        let root = tempfile::tempdir().unwrap();
        let answers = answers.iter().map(|(line, text)| ((*line).to_owned(), (*text).to_owned())).collect();
        let programs = Box::new(RecordedPrograms(answers));
        let mut machine = Machine::plain(os, programs, &"2026-11-20T12:00:00Z[UTC]".parse().unwrap());
        root.path().clone_into(&mut machine.root);
        machine.settings.table = root.path().join("state");
        TestMachine { machine, _root: root }
    }

    #[test]
    fn durations_are_worded_as_a_person_would() {
        assert_eq!(duration_words(40), "40 s");
        assert_eq!(duration_words(3_600), "60 min");
        assert_eq!(duration_words(90_000), "25 h");
        assert_eq!(duration_words(400_000), "4 days");
    }

    #[test]
    fn facts_are_of_no_use_a_day_before_or_after_they_were_written() {
        let mut facts = crate::facts::gather("dc01".to_owned(), "Linux".to_owned(), None).unwrap();
        let now = facts.time;
        assert_eq!(Against::too_old(&facts, now), None);
        for hours in [-25, 25] {
            facts.time = now + jiff::SignedDuration::from_hours(hours);
            assert!(Against::too_old(&facts, now).is_some(), "{hours}");
        }
    }

    #[test]
    fn folders_and_devices_are_not_read_as_files() {
        let made = recorded(Os::Linux, &[]).file("/etc/x", "text");
        assert_eq!(made.visit().read("/etc/x"), Ok(Some("text".to_owned())));
        assert_eq!(made.visit().read("/etc/y"), Ok(None));
        assert_eq!(made.visit().read("/etc"), Err("/etc: is not a regular file".to_owned()));
    }
}
