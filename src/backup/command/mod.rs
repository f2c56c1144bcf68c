//! Any other program as a format: the user writes a command that lists the files of a backup, and
//! one that restores some of them.

use std::time::Duration;

use crate::program::CommandLine;

/// The scheme of the addresses.
pub(super) const SCHEME: &str = "command";

/// The commands that list and restore the files of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commands {
    /// Prints all files of the backup.
    pub list: CommandLine,
    /// In which form it prints them.
    pub form: ListForm,
    /// Restores some files.
    pub restore: CommandLine,
    /// The most files that one call restores.
    pub batch: usize,
    /// Where the restored files are below the folder that they are restored to, for programs that
    /// restore to a deeper folder than the one they are given.
    pub below: String,
    /// How long one call of either command may take.
    pub time_limit: Duration,
}

/// The forms in which files may be listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ListForm {
    /// A JSON object in each line.
    #[default]
    Json,
    /// `SIZE TIME PATH` and a NUL byte, as `find -printf '%s %T@ %P\0'` prints it.
    Find,
    /// Paths, each with a NUL byte behind it.
    Nul,
    /// A path in each line.
    Lines,
}

impl ListForm {
    /// All forms.
    pub const ALL: &[Self] = &[Self::Json, Self::Find, Self::Nul, Self::Lines];

    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Find => "find",
            Self::Nul => "nul",
            Self::Lines => "lines",
        }
    }
}
