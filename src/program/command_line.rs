//! A program as the user names it: a list of words, or a line for the shell.

use std::ffi::OsString;
use std::fmt;

use super::Call;

/// A program that the user has named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandLine {
    /// A program and its arguments.
    Program(Vec<OsString>),
    /// A line for the system's shell.
    Shell(String),
}

impl CommandLine {
    /// A call of it, in this program's own environment.
    pub fn call(&self) -> Call {
        match self {
            Self::Program(command) => Call::of(command.clone()),
            Self::Shell(line) => Call { shell: Some(line.clone()), ..Call::default() },
        }
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program(command) => f.write_str(&without_arguments(command)),
            Self::Shell(_) => f.write_str("a line for the shell"),
        }
    }
}

/// The name of a program. An argument may be a secret.
pub fn without_arguments(command: &[OsString]) -> String {
    let name = command.first().map_or("nothing".into(), |name| name.to_string_lossy());
    match command.len() {
        0 | 1 => name.into_owned(),
        2 => format!("{name} (with 1 argument)"),
        many => format!("{name} (with {} arguments)", many - 1),
    }
}
