//! bkverify proves that a backup restores.
//!
//! (the architecture in prose comes here)

use std::ffi::OsString;

pub mod backup;
pub mod checklist;
pub mod cli;
pub mod exit;
pub mod facts;
pub mod plan;
pub mod platform;
pub mod progress;
pub mod report;
pub mod stop;
pub mod verify;
pub mod words;

/// Does what the arguments say; the first is the program's name.
pub fn run(arguments: impl Iterator<Item = OsString>) -> exit::ExitCode {
    cli::run(arguments)
}
