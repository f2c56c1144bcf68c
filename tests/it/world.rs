//! A small world for the program to run in: a temporary folder with files in it, isolated from the
//! configuration of the user who runs the tests.
//!
//!     World::new().file("bkverify.toml", "sample = 5").run("plan --backup b").exits(2).err_has("missing");

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use bkverify::report::Model;
use serde_json::Value;
use tempfile::TempDir;

use crate::pack::{self, Member};

/// A temporary folder, which is deleted when this is dropped.
pub struct World {
    folder: TempDir,
    /// The state folder, beside the world: many tests look at everything in the world.
    state: TempDir,
    without_root_rights: bool,
}

impl World {
    /// An empty world.
    pub fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), state: TempDir::new().unwrap(), without_root_rights: false }
    }

    /// The same world, but the program runs without root's right to ignore permissions.
    #[cfg(target_os = "linux")]
    pub fn without_root_rights(self) -> Self {
        Self { without_root_rights: rustix::process::geteuid().is_root(), ..self }
    }

    /// Creates a file, and the folders above it.
    pub fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let place = self.path(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, content).unwrap();
        self
    }

    /// Creates an empty folder.
    pub fn folder(self, path: &str) -> Self {
        fs::create_dir_all(self.path(path)).unwrap();
        self
    }

    /// Creates a backup of these members at `b`, in any format.
    pub fn backup(self, format: &str, members: &[Member]) -> Self {
        pack::write(format, &self.path("b"), members);
        self
    }

    /// Creates these members below `s`, as the originals.
    pub fn originals(self, members: &[Member]) -> Self {
        pack::write_files(&self.path("s"), members);
        self
    }

    /// A path in this world. Links in the path of the world itself are resolved, as in the
    /// program's current folder.
    pub fn path(&self, path: &str) -> PathBuf {
        // Not on Windows, where that would change how paths are written.
        let root = self.folder.path();
        if cfg!(unix) { root.canonicalize().unwrap().join(path) } else { root.join(path) }
    }

    /// The state folder of programs that run in this world.
    pub fn state(&self) -> &Path {
        self.state.path()
    }

    /// The content of a text file in this world.
    #[track_caller]
    pub fn read(&self, path: &str) -> String {
        let place = self.path(path);
        fs::read_to_string(&place).unwrap_or_else(|error| panic!("{}: {error}", place.display()))
    }

    /// A command that runs the program in this world. The arguments are split at spaces.
    pub fn command(&self, arguments: &str) -> Command {
        let program = env!("CARGO_BIN_EXE_bkverify");
        let mut command = Command::new(if self.without_root_rights { "setpriv" } else { program });
        if self.without_root_rights {
            command.args(["--bounding-set=-dac_override,-dac_read_search", program]);
        }
        let home = self.path("home");
        command.current_dir(self.path("")).args(arguments.split_whitespace());
        for variable in ["HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA"] {
            command.env(variable, &home);
        }
        command.env("XDG_CONFIG_HOME", home.join(".config")).env("TZ", "UTC");
        // Never the state folder of the machine that runs the tests.
        command.env("BKVERIFY_STATE_DIR", self.state.path()).env_remove("STATE_DIRECTORY");
        for variable in ["NO_COLOR", "TERM", "COLUMNS"] {
            command.env_remove(variable);
        }
        command
    }

    /// Runs the program with empty standard input.
    #[track_caller]
    pub fn run(&self, arguments: &str) -> RunResult {
        RunResult::of(self.command(arguments), "")
    }

    /// Verifies backup `b` against the originals `s`, restores to `r`, and reads the report.
    #[track_caller]
    pub fn verify(&self, arguments: &str) -> Verified {
        self.verify_with(&format!("--source s {arguments}"))
    }

    /// The same, but the arguments say where the originals are.
    #[track_caller]
    pub fn verify_with(&self, arguments: &str) -> Verified {
        let cache = if arguments.contains("--cache") { "" } else { "--cache use" };
        // What an earlier run of the same test remembers must not decide anything, unless the test
        // is about that.
        let remembers =
            ["--state", "--resume", "coverage", "--job"].iter().any(|flag| arguments.contains(flag));
        let state = if remembers { "" } else { "--state none" };
        let fixed = format!("--backup b --restore-to r {cache} {state} --json report.json");
        let ran = self.run(&format!("{fixed} {arguments}"));
        let text =
            fs::read_to_string(self.path("report.json")).unwrap_or_else(|error| panic!("{error}\n{ran}"));
        let verified = Verified::new(ran, &text);
        if !arguments.contains("--keep") {
            assert_eq!(self.names("r"), [""; 0], "restored files were left behind\n{}", verified.ran);
        }
        verified
    }

    /// The names in a folder of this world, sorted. A folder that was not made holds none.
    #[track_caller]
    pub fn names(&self, path: &str) -> Vec<String> {
        let entries = match fs::read_dir(self.path(path)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
            entries => entries.unwrap(),
        };
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

/// The result of a run that wrote a report, with the report.
#[derive(Debug)]
pub struct Verified {
    /// The run.
    pub ran: RunResult,
    /// The report. It matches the schema that ships.
    pub json: Value,
}

impl Verified {
    /// Reads and validates a report. Asserts that its exit code is the exit code of the run.
    #[track_caller]
    pub fn new(ran: RunResult, report: &str) -> Self {
        static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
            let schema = serde_json::from_str(bkverify::report::SCHEMA).unwrap();
            jsonschema::validator_for(&schema).unwrap()
        });
        let json: Value = serde_json::from_str(report).unwrap_or_else(|error| panic!("{error}\n{report}"));
        if let Err(error) = SCHEMA.validate(&json) {
            panic!("{error}\n{report}");
        }
        assert_eq!(json["exit_code"].as_i64(), ran.code.map(i64::from), "{ran}");
        let model = Model::read(report).unwrap_or_else(|error| panic!("{error}\n{report}"));
        assert_eq!(serde_json::to_string_pretty(&model).unwrap() + "\n", report, "it reads back as it was");
        Self { ran, json }
    }

    /// Asserts that the run ended with this code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        Self { ran: self.ran.exits(code), ..self }
    }

    /// Asserts that the summary contains this text, wherever its lines are wrapped.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        let summary = self.ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(summary.contains(text), "the summary lacks {text:?}\n{}", self.ran);
        self
    }

    /// Asserts that the report lists exactly these paths with these verdicts.
    #[track_caller]
    pub fn finds(self, expected: &[(&str, &str)]) -> Self {
        let expected: BTreeMap<_, _> =
            expected.iter().map(|(path, verdict)| (path.to_string(), verdict.to_string())).collect();
        assert_eq!(self.findings(), expected, "{}", self.ran);
        self
    }

    /// Every path that is not verified, with its verdict.
    pub fn findings(&self) -> BTreeMap<String, String> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let findings = self.json["findings"].as_array().unwrap();
        findings.iter().map(|finding| (text(&finding["path"]), text(&finding["verdict"]))).collect()
    }

    /// The value in the report at a JSON pointer.
    #[track_caller]
    pub fn at(&self, pointer: &str) -> &Value {
        self.json.pointer(pointer).unwrap_or_else(|| panic!("nothing at {pointer}"))
    }

    /// The number in the report at a JSON pointer.
    #[track_caller]
    pub fn number(&self, pointer: &str) -> u64 {
        self.at(pointer).as_u64().unwrap_or_else(|| panic!("no number at {pointer}\n{}", self.ran))
    }
}

/// How often a command is started again if the system fails to start it.
const STARTS: usize = 5;

/// The result of a run, for assertions.
#[derive(Debug)]
pub struct RunResult {
    /// The exit code; `None` if it was killed.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl RunResult {
    /// Runs a command with this text on its standard input.
    #[track_caller]
    pub fn of(mut command: Command, input: &str) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for _ in 0..STARTS {
            match Self::once(&mut command, input) {
                Some(ran) if !ran.was_never_started() => return ran,
                _ => {}
            }
        }
        panic!("the system did not start {command:?} in {STARTS} attempts");
    }

    /// `None` if the system has an internal error (1359) instead of starting the program, as wine
    /// does now and then.
    fn once(command: &mut Command, input: &str) -> Option<Self> {
        const INTERNAL_ERROR: i32 = 1359;
        let mut child = match command.spawn() {
            Err(error) if cfg!(windows) && error.raw_os_error() == Some(INTERNAL_ERROR) => return None,
            spawned => spawned.unwrap(),
        };
        // A program that does not read its input may have ended already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Some(Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) })
    }

    /// Whether a library failed to load before the program's first instruction
    /// (`STATUS_DLL_INIT_FAILED`). This happens now and then under wine on a busy machine. The
    /// program has not done anything then, so the same command may be started again.
    fn was_never_started(&self) -> bool {
        const DLL_INIT_FAILED: u32 = 0xc000_0142;
        self.code == Some(DLL_INIT_FAILED.cast_signed()) && self.out.is_empty() && self.err.is_empty()
    }

    /// Asserts that it ended with this code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Asserts that standard output is exactly this.
    #[track_caller]
    pub fn out_is(self, text: &str) -> Self {
        assert_eq!(self.out, text, "standard output\n{self}");
        self
    }

    /// Asserts that standard error is exactly this.
    #[track_caller]
    pub fn err_is(self, text: &str) -> Self {
        assert_eq!(self.err, text, "standard error\n{self}");
        self
    }

    /// Asserts that standard output contains this.
    #[track_caller]
    pub fn out_has(self, text: &str) -> Self {
        assert!(self.out.contains(text), "standard output lacks {text:?}\n{self}");
        self
    }

    /// Asserts that standard error contains this.
    #[track_caller]
    pub fn err_has(self, text: &str) -> Self {
        assert!(self.err.contains(text), "standard error lacks {text:?}\n{self}");
        self
    }
}

impl std::fmt::Display for RunResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit code {:?}\n--- out\n{}--- err\n{}", self.code, self.out, self.err)
    }
}

/// A path as the program prints it.
pub fn shown(path: &Path) -> String {
    path.display().to_string()
}
