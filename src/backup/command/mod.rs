//! Any other program as a format: the user writes a command that lists the files of a backup, and
//! one that restores some of them.
//!
//! Neither runs in a shell, unless the user writes it as a line for the shell. Each call has a time
//! limit, and no terminal and no input. What is judged is the files that are there afterwards, and
//! not the exit code. What the command wrote to standard error is kept, and told if a file is
//! missing.

mod list;
mod restore;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::collected::Collected;
use super::delivery::{Delivery, conclude};
use super::format::Format;
use super::kept_listing::KeptListing;
use super::repeats::{Repeats, list_with_restart};
use super::{
    Backup, CatalogSink, Context, Description, Error, Listing, Needs, Reach, RestoreSink, Scratch, Wanted,
};
use crate::program::{CommandLine, ProgramError};
use crate::words;

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

/// The format of backups that the user's own commands list and restore.
pub const FORMAT: Format = Format {
    name: "command",
    kind: "what a program of your choice restores",
    summary: "any other program, by a command that lists files and one that restores them (dar, rdiff-backup, rclone)",
    schemes: &[SCHEME],
    recognise: |_| false,
    open: |candidate, _| {
        let location = candidate.location();
        let Some(commands) = location.commands().cloned() else {
            let problem = "the configuration has no commands of this name: bkverify help command".to_owned();
            return Err(Error::program(location, problem));
        };
        let description = Description {
            location: location.clone(),
            format: FORMAT.name,
            snapshot: None,
            id: None,
            taken: None,
            unique_names: false,
            time_resolution_ns: 1,
            several: None,
        };
        Ok(Box::new(ByCommand {
            commands,
            listing: KeptListing::default(),
            repeats: Repeats::default(),
            vain_calls: AtomicUsize::new(0),
            description,
        }))
    },
    snapshots: None,
    has_volumes: false,
};

/// A backup that the user's own commands list and restore.
#[derive(Debug)]
struct ByCommand {
    commands: Commands,
    listing: KeptListing,
    repeats: Repeats,
    /// How many calls for a single file have failed since the beginning, or [`NEVER_VAIN`] once one
    /// has restored something.
    vain_calls: AtomicUsize,
    description: Description,
}

/// After so many calls that restored nothing, it is no longer the single files that are damaged:
/// the backup is not mounted, or the command is wrong.
const VAIN_MAX: usize = 10;
const NEVER_VAIN: usize = usize::MAX;

impl ByCommand {
    /// Counts a call for a single file that has failed. Whether none has ever restored anything.
    fn is_all_in_vain(&self) -> bool {
        let count = |calls: usize| (calls != NEVER_VAIN).then(|| calls.saturating_add(1).min(VAIN_MAX));
        let before = self.vain_calls.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count);
        before.is_ok_and(|before| before + 1 >= VAIN_MAX)
    }

    fn failed(&self, problem: String) -> Error {
        Error::program(&self.description.location, problem)
    }

    fn cannot_run(&self, which: &str, error: &ProgramError) -> Error {
        let limit = words::duration(self.commands.time_limit);
        self.failed(match error {
            ProgramError::TimedOut(_) => {
                format!("the command {which} was ended after {limit}: see time-limit in its table of the configuration")
            }
            error => format!("the command {which}: {error}"),
        })
    }
}

impl Backup for ByCommand {
    fn description(&self) -> &Description {
        &self.description
    }

    fn reach(&self) -> Reach {
        let batch = if restore::takes_one_file(&self.commands.restore) { 1 } else { self.commands.batch };
        Reach { parallel: Some(1), batch, per_batch: true, ordered: false }
    }

    fn catalog(&self, _needs: Needs, context: &Context, sink: &dyn CatalogSink) -> Result<Listing, Error> {
        self.listing.catalog(&self.description.location, context, sink, |sink| {
            list_with_restart(sink, || list::catalog(self, context, sink))
        })
    }

    fn restore(
        &self,
        wanted: Wanted<'_>,
        scratch: &Scratch,
        context: &Context,
        sink: &mut dyn RestoreSink,
    ) -> Result<(), Error> {
        let mut delivery = Delivery { scratch, context, sink };
        if delivery.is_cancelled() {
            return Ok(());
        }
        conclude(match wanted {
            Wanted::These(picks) => restore::restore(self, picks, &mut delivery),
            Wanted::Every(test) => {
                let all = Collected::of(self, &mut delivery)?;
                let wanted = all.iter().filter(|entry| test(entry)).collect();
                restore::restore(self, &wanted, &mut delivery)
            }
        })
    }
}

/// The last lines that a command has written to standard error.
#[derive(Debug, Default)]
struct LastWords(VecDeque<String>);

/// How many lines are kept.
const LAST_WORDS: usize = 3;

impl LastWords {
    fn hear(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let line = line.trim();
        if !line.is_empty() {
            self.0.push_back(words::printable(line).into_owned());
            if self.0.len() > LAST_WORDS {
                self.0.pop_front();
            }
        }
    }

    /// How the command ended, with its last words.
    fn told(&self, code: Option<i32>) -> String {
        let ended = match code {
            Some(code) => format!("it ended with exit code {code}"),
            None => "a signal ended it".to_owned(),
        };
        match self.text() {
            Some(words) => format!("{ended}: {words}"),
            None => ended,
        }
    }

    /// The words alone, if there are any.
    fn text(&self) -> Option<String> {
        let words: Vec<&str> = self.0.iter().map(String::as_str).collect();
        (!words.is_empty()).then(|| words.join(" / "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_words_are_kept_and_they_cannot_command_the_terminal() {
        let mut last = LastWords::default();
        for line in ["one", "two", "  ", "thr\u{1b}ee", "four"] {
            last.hear(line.as_bytes());
        }
        assert_eq!(last.told(Some(2)), "it ended with exit code 2: two / thr?ee / four");
        assert_eq!(LastWords::default().told(None), "a signal ended it");
    }
}
