//! The surroundings of a run: the clock, the terminal, the folders. Read here, once.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use clap::ColorChoice;
use etcetera::BaseStrategy;
use jiff::Zoned;

use super::error::Error;
use super::paths::Base;
use crate::backup::{self, NewestImage, newest_of_this_computer};
use crate::exit::ExitCode;
use crate::platform;

/// What the process finds around itself when it starts. Tests make their own.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Relative paths of the command line start here.
    pub current_dir: PathBuf,
    /// The user's home folder, where `~` leads.
    pub home: Option<PathBuf>,
    /// The user's configuration folder of bkverify.
    pub user_config: Option<PathBuf>,
    /// The machine's configuration folder of bkverify.
    pub system_config: Option<PathBuf>,
    /// The folder in which runs and files are remembered, unless a setting names another.
    pub state: Option<PathBuf>,
    /// The clock and its time zone.
    pub now: Zoned,
    /// Processor cores that may be used; at least 1.
    pub cores: usize,
    /// Whether a path lies on a disk whose head has to move, as far as the system knows.
    pub spins: fn(&Path) -> bool,
    /// The value of an environment variable that another program reads, too.
    pub variable: fn(&str) -> Option<OsString>,
    /// Finds the newest image backup of this computer on the attached drives.
    pub attached: fn() -> Result<Option<NewestImage>, backup::Error>,
    /// Random text for a run that names no seed.
    pub fresh_seed: String,
    /// Whether a person answers on standard input.
    pub stdin_is_terminal: bool,
    /// Whether a person reads standard output.
    pub stdout_is_terminal: bool,
    /// Whether a person reads standard error.
    pub stderr_is_terminal: bool,
    /// Columns of the terminal that shows standard output, or standard error where only that is
    /// one; nothing without a terminal.
    pub columns: Option<usize>,
    /// Whether the terminal is too simple for bars and colours (`TERM=dumb`).
    pub dumb_terminal: bool,
    /// When to use colours, where a flag says so.
    pub color_choice: Option<ColorChoice>,
    /// Whether colours are unwanted (`NO_COLOR` is set and not empty, <https://no-color.org>).
    pub no_color: bool,
}

impl Environment {
    /// Whether to colour what goes to standard output, or to standard error where that is
    /// `stdout_taken` by a report.
    pub fn color(&self, stdout_taken: bool) -> bool {
        let is_read = if stdout_taken { self.stderr_is_terminal } else { self.stdout_is_terminal };
        match self.color_choice.unwrap_or(ColorChoice::Auto) {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => is_read && !self.no_color && !self.dumb_terminal,
        }
    }

    /// Columns that pages of text take: 80 where there is no terminal, and 110 at most, for longer
    /// lines are hard to read.
    pub fn page_width(&self) -> usize {
        self.columns.map_or(80, |columns| columns.clamp(20, 110))
    }

    /// Where the paths of the command line start.
    pub fn base(&self) -> Base<'_> {
        Base { folder: &self.current_dir, home: self.home.as_deref() }
    }

    /// Reads them all.
    pub fn read(color_choice: Option<ColorChoice>) -> Result<Self, Error> {
        let current_dir = std::env::current_dir().map_err(|error| {
            Error::new(ExitCode::Unusable, "cannot tell the current folder").because(error)
        })?;
        let user = etcetera::choose_base_strategy().ok();
        Ok(Self {
            current_dir,
            home: etcetera::home_dir().ok(),
            user_config: user.map(|folders| folders.config_dir().join("bkverify")),
            system_config: platform::system_config_dir(),
            state: state_folder(),
            now: Zoned::now(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            spins: |path| platform::is_spinning(path) == Some(true),
            variable: |name| std::env::var_os(name),
            attached: newest_of_this_computer,
            fresh_seed: format!("{:016x}", rand::random::<u64>()),
            stdin_is_terminal: io::stdin().is_terminal(),
            stdout_is_terminal: io::stdout().is_terminal(),
            stderr_is_terminal: io::stderr().is_terminal(),
            columns: terminal_size::terminal_size_of(io::stdout())
                .or_else(|| terminal_size::terminal_size_of(io::stderr()))
                .map(|(width, _)| usize::from(width.0)),
            dumb_terminal: std::env::var_os("TERM").is_some_and(|name| name == "dumb"),
            color_choice,
            no_color: std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()),
        })
    }
}

/// `BKVERIFY_STATE_DIR`; else the folder that systemd made for the service (`STATE_DIRECTORY`, the
/// first of them); else the machine's state folder for administrators, and the user's for others.
/// `None` if the user has no home folder, or if `BKVERIFY_STATE_DIR` is `none`.
fn state_folder() -> Option<PathBuf> {
    let said = |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty());
    if let Some(named) = said("BKVERIFY_STATE_DIR") {
        return (named != "none").then(|| std::path::absolute(named).ok()).flatten();
    }
    let first = |folders: OsString| std::env::split_paths(&folders).next();
    if let Some(made) = said("STATE_DIRECTORY").and_then(first).filter(|made| made.is_absolute()) {
        return Some(made);
    }
    if let Some(machine) = platform::administrators_state_dir() {
        return Some(machine);
    }
    let user = etcetera::choose_base_strategy().ok()?;
    // Windows has no folder of this name: there it is the one for data of this machine.
    let folder = user.state_dir().unwrap_or_else(|| user.cache_dir());
    Some(folder.join("bkverify"))
}

#[cfg(test)]
impl Environment {
    /// A quiet place: no configuration, no terminal, noon of 2026-05-10 in UTC, 4 cores.
    pub fn for_tests() -> Self {
        Self {
            current_dir: PathBuf::from("/here"),
            home: Some(PathBuf::from("/home/me")),
            user_config: None,
            system_config: None,
            state: None,
            now: "2026-05-10T12:00:00+00:00[UTC]".parse().unwrap(),
            cores: 4,
            fresh_seed: "0123456789abcdef".into(),
            spins: |_| false,
            variable: |_| None,
            attached: || Ok(None),
            stdin_is_terminal: false,
            stdout_is_terminal: false,
            stderr_is_terminal: false,
            columns: None,
            dumb_terminal: false,
            color_choice: None,
            no_color: false,
        }
    }
}
