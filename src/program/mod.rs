//! Runs the machine's own programs.
//!
//! In: a program with arguments, and a deadline. Out: what it printed, or why there is no output. A
//! program that hangs is ended together with everything that it started. So is a program that
//! prints without end.
//!
//! What is short is read as a whole ([`Call::run`]), what may be long line by line while the
//! program runs ([`Call::start`]).
//!
//! There are two kinds of programs. Those that this program asks something ([`Programs`]) never run
//! through a shell and never get input. They always run in the C locale, so that parsers only have
//! to understand English. Those that the user has named ([`Call`]) run as the user would run them.

mod call;
mod command_line;
mod stream;

use std::ffi::OsString;
use std::fmt;
use std::time::Instant;

use crate::cancel::CancelToken;

pub use call::Call;
pub use command_line::{CommandLine, without_arguments};
pub use stream::{Line, Running};

/// What a program printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProgramOutput {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output without a byte order mark. Bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// Standard error, decoded in the same way.
    pub stderr: String,
}

impl ProgramOutput {
    /// Whether the program succeeded.
    pub fn succeeded(&self) -> bool {
        self.code == Some(0)
    }

    /// The first line that says something about a failure: from standard error, otherwise from
    /// standard output.
    pub fn complaint(&self) -> String {
        let mut lines = self.stderr.lines().chain(self.stdout.lines()).map(str::trim);
        lines.find(|line| !line.is_empty()).map_or_else(|| self.ending(), str::to_owned)
    }

    /// How the program failed, with what it complained about.
    pub fn failure(&self) -> String {
        let complaint = self.complaint();
        if complaint == self.ending() { self.ended() } else { format!("{}: {complaint}", self.ended()) }
    }

    /// How the program ended, in a sentence.
    pub fn ended(&self) -> String {
        match self.code {
            Some(code) => format!("it ended with exit code {code}"),
            None => "a signal ended it".to_owned(),
        }
    }

    /// How the program ended, in words.
    pub fn ending(&self) -> String {
        self.code.map_or_else(|| "ended by a signal".to_owned(), |code| format!("exit code {code}"))
    }
}

/// Why a program gave no output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// The program does not exist.
    #[error("`{0}` is not installed")]
    Missing(String),
    /// This user may not run the program.
    #[error("`{0}` may not be run by this user")]
    Denied(String),
    /// It had not finished by the deadline, and was ended.
    #[error("`{0}` did not answer in time and was ended")]
    TimedOut(String),
    /// The run was cancelled, and the program was ended.
    #[error("`{0}` was ended because the run was stopped")]
    Cancelled(String),
    /// It printed more than the limit and was ended.
    #[error("`{0}` printed more than 16 MiB and was ended")]
    TooLong(String),
    /// It printed a line that is longer than any line should be, and was ended.
    #[error("`{0}` printed a line of more than 1 MiB and was ended")]
    LongLine(String),
    /// The system would not start it.
    #[error("`{0}` could not be run: {1}")]
    Failed(String, String),
}

impl ProgramError {
    /// Whether the program is not installed.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing(_))
    }
}

/// Runs programs. In tests, plays back what they once printed.
pub trait Programs: Send + Sync + fmt::Debug {
    /// Runs `command` (a program and its arguments; never empty) to its end, or until `deadline`.
    fn run(&self, command: &[&str], deadline: Instant) -> Result<ProgramOutput, ProgramError> {
        let (output, problem) = self.run_partly(command, deadline);
        problem.map_or(Ok(output), Err)
    }

    /// Runs `command` in the same way, and also returns what it had printed if it had to be ended.
    fn run_partly(&self, command: &[&str], deadline: Instant) -> (ProgramOutput, Option<ProgramError>);
}

/// The programs of this machine.
#[derive(Debug, Clone, Default)]
pub struct Installed {
    /// The folders in which they are looked for, in the form of the `PATH` variable.
    pub search_path: OsString,
}

impl Programs for Installed {
    fn run_partly(&self, command: &[&str], deadline: Instant) -> (ProgramOutput, Option<ProgramError>) {
        let command = command.iter().map(Into::into).collect();
        let environment = vec![("LC_ALL", "C".into()), ("PATH", self.search_path.clone())];
        let (output, problem) =
            Call { environment, ..Call::of(command) }.run_partly(deadline, &CancelToken::new());
        let problem = problem.map(|error| match error {
            // A folder of the search path that this user may not enter gives the same error as a
            // program that this user may not run.
            ProgramError::Denied(name) if !self.holds(&name) => ProgramError::Missing(name),
            error => error,
        });
        (output, problem)
    }
}

impl Installed {
    fn holds(&self, name: &str) -> bool {
        std::env::split_paths(&self.search_path).any(|folder| folder.join(name).is_file())
    }
}

/// Text from bytes: UTF-16 if a byte order mark says so (Windows programs), otherwise UTF-8 with
/// replacements.
pub fn decode(bytes: &[u8]) -> String {
    if let Some(wide) = bytes.strip_prefix(&[0xff, 0xfe]) {
        let units: Vec<u16> =
            wide.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        return String::from_utf16_lossy(&units);
    }
    String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).into_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_missing_program_is_named() {
        let soon = Instant::now() + Duration::from_secs(5);
        let error = Installed::default().run(&["bkverify-no-such-program", "x"], soon).unwrap_err();
        assert_eq!(error.to_string(), "`bkverify-no-such-program` is not installed");
    }

    #[cfg(unix)]
    #[test]
    fn what_a_program_printed_before_it_was_ended_is_kept() {
        let program = Installed { search_path: "/usr/bin:/bin".into() };
        let soon = Instant::now() + Duration::from_millis(300);
        let (output, problem) = program.run_partly(&["sh", "-c", "echo first; sleep 30"], soon);
        assert_eq!((output.stdout.as_str(), output.code), ("first\n", None));
        assert_eq!(problem, Some(ProgramError::TimedOut("sh".to_owned())));
    }

    #[test]
    fn byte_order_marks_are_read_and_dropped() {
        assert_eq!(decode(b"\xef\xbb\xbf{}"), "{}");
        assert_eq!(decode(b"\xff\xfeG\0r\0\xfc\0"), "Grü");
        assert_eq!(decode(b"a\xffb"), "a\u{fffd}b");
    }

    #[test]
    fn a_failed_program_complains_with_its_first_words() {
        let output = ProgramOutput { code: Some(1), stdout: "x\n".into(), stderr: "\n  no bus \n".into() };
        assert_eq!(output.complaint(), "no bus");
        assert_eq!(ProgramOutput { code: Some(3), ..ProgramOutput::default() }.complaint(), "exit code 3");
    }
}
