//! Backups of a computer in folders where Windows does not put them.
//!
//! Windows overwrites the backup on a share, so people rename `WindowsImageBackup` or move a backup
//! out of it. What is in its place may be older then, and must not be verified as the newest.
//!
//! In: the folder that was named, or the root of a drive. The search begins beside
//! `WindowsImageBackup`. Searched are the folders whose names tell that backups of this computer may
//! be in them, and one level of other folders beside and below these:
//!
//! ```text
//! E:\Backup 2026-11-27 210005\
//! E:\SERVER\Backup 2026-11-27 210005\
//! E:\old\WindowsImageBackup\SERVER\Backup 2026-11-27 210005\
//! E:\WindowsImageBackup (2)\SERVER\Backup 2026-11-27 210005\
//! E:\WindowsImageBackup\Backup 2026-11-27 210005\
//! E:\WindowsImageBackup\2026\SERVER\Backup 2026-11-27 210005\
//! E:\WindowsImageBackup\SERVER - Copy\new\Backup 2026-11-27 210005\
//! ```
//!
//! Other folders may be huge, so only the beginning of such a list is read. Whatever was not
//! searched is said in a note.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::levels::{self, Level, NAME, file_name};
use super::{NotFound, guid_of};
use crate::backup::path::path_text;
use crate::image::Guid;
use crate::platform::{self, Timestamp};

/// The most levels of folders that are searched. Links may lead in a circle.
const MOST_LEVELS: usize = 5;

/// The most folders that are listed because of their names. Links may multiply them.
const MOST_LISTED: usize = 10_000;

/// The most entries that are read of a folder whose name tells nothing, and of all of these.
const MOST_ENTRIES: usize = 10_000;
const MOST_ENTRIES_OF_ALL: usize = 100_000;

/// The most folders that a note names.
const MOST_NAMED: usize = 3;

/// What a folder may hold, according to its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// Anything.
    Anything,
    /// Folders of computers.
    Computers,
    /// Backups of the computer.
    Backups,
}

/// Folders that a note names.
#[derive(Default)]
struct Folders {
    first: Vec<String>,
    count: usize,
}

impl Folders {
    fn add(&mut self, name: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < MOST_NAMED {
            self.first.push(name());
        }
    }

    /// A note about them, if there are any.
    fn note(&self, text: &str) -> Option<String> {
        let more = match self.count - self.first.len() {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        (self.count > 0).then(|| format!("{text}: {}{more}", self.first.join(", ")))
    }
}

/// A search for backups of one computer.
struct Search<'a> {
    computer: &'a str,
    /// The backup that the others are held against, and its time.
    known: (&'a Path, Timestamp),
    newest: Option<(Timestamp, PathBuf)>,
    /// How many folders may still be listed because of their names.
    listings: usize,
    /// How many entries of other folders may still be read.
    entries: usize,
    /// Folders that cannot be listed.
    closed: Folders,
    /// Folders that were not searched to their end.
    cut: Folders,
    /// Newer backups that are not of this computer.
    foreign: Folders,
}

/// Makes sure that no backup of `computer` in or below `folder` is newer than the backup `known`,
/// according to its name. If `folder` is where Windows puts backups, this includes what is beside
/// `WindowsImageBackup`. Returns notes about what was not searched.
pub(in crate::backup::image) fn check(
    folder: &Path,
    computer: &str,
    known: &Path,
) -> Result<Vec<String>, NotFound> {
    let Some(time) = levels::time_in(&file_name(known)) else { return Ok(Vec::new()) };
    let Some((start, holds)) = start(folder) else { return Ok(Vec::new()) };
    let mut search = Search {
        computer,
        known: (known, time),
        newest: None,
        listings: MOST_LISTED,
        entries: MOST_ENTRIES_OF_ALL,
        closed: Folders::default(),
        cut: Folders::default(),
        foreign: Folders::default(),
    };
    search.go_through(&start, holds, false, MOST_LEVELS);
    let Some((_, newer)) = search.newest else { return Ok(search.notes()) };
    Err(NotFound::Choice(format!(
        "{} is newer than {}, the newest backup of {computer} where Windows puts them, and may have been moved or renamed; name \
         the one to verify: --backup \"{}\" or --backup \"{}\"",
        path_text(&newer),
        file_name(known),
        path_text(&newer),
        path_text(known),
    )))
}

/// Where the search begins, and what that folder may hold. `None`: the user named a single backup.
fn start(folder: &Path) -> Option<(PathBuf, Holds)> {
    let (above, holds) = match Level::of(folder) {
        Some(Level::Backup) => return None,
        Some(Level::Computer) => (1, Holds::Backups),
        Some(Level::Computers) => (0, Holds::Computers),
        Some(Level::Parent) | None => return Some((folder.to_owned(), Holds::Anything)),
    };
    // The folder may be named from the one that it is in.
    let path = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let is_all = |all: &&Path| file_name(all).eq_ignore_ascii_case(NAME);
    let root = path.ancestors().nth(above).filter(is_all).and_then(Path::parent);
    // Whoever names a copy of `WindowsImageBackup` has chosen among them.
    Some(root.map_or_else(|| (folder.to_owned(), holds), |root| (root.to_owned(), Holds::Anything)))
}

impl Search<'_> {
    /// Goes through a folder. `is_other`: its name did not tell what is in it.
    fn go_through(&mut self, folder: &Path, holds: Holds, is_other: bool, levels: usize) {
        let is_large_perhaps = is_other && holds == Holds::Anything;
        let most = match is_large_perhaps {
            true => MOST_ENTRIES.min(self.entries),
            false if self.listings == 0 => 0,
            false => usize::MAX,
        };
        let is_closed = |error: &io::Error| !levels::is_absence(error);
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if is_closed(&error) => {
                return self.closed.add(|| format!("{} ({error})", path_text(folder)));
            }
            Err(_) => return,
        };
        self.listings = self.listings.saturating_sub(usize::from(!is_large_perhaps));
        for (number, entry) in entries.enumerate() {
            if number == most {
                return self.cut.add(|| path_text(folder));
            }
            self.entries = self.entries.saturating_sub(usize::from(is_large_perhaps));
            match entry {
                Ok(entry) if entry.file_type().is_ok_and(|kind| kind.is_file()) => {}
                Ok(entry) => self.look_at(entry.path(), holds, is_other, levels),
                Err(error) => return self.closed.add(|| format!("{} ({error})", path_text(folder))),
            }
        }
    }

    /// Looks at a folder in one that holds `above`.
    fn look_at(&mut self, path: PathBuf, above: Holds, is_other: bool, levels: usize) {
        let name = file_name(&path);
        if let Some(time) = levels::time_of_copy(&name) {
            self.consider(time, path, above);
        } else if levels <= 1 || levels::is_of_the_system(&name) {
            // A link leads in a circle, or this is no folder of a user.
        } else if let Some(next) = self.holds(&name, above) {
            self.go_through(&path, next, false, levels - 1);
        } else if is_other || (above == Holds::Backups && levels::is_beside_backups(&name)) {
            // This is deeper than the search goes, or no backup.
        } else if above == Holds::Backups {
            self.go_through(&path, Holds::Backups, true, levels - 1);
        } else {
            self.look_into_other(&path, above, levels - 1);
        }
    }

    /// Looks into a folder whose name tells nothing. That of another computer is not listed.
    fn look_into_other(&mut self, folder: &Path, above: Holds, levels: usize) {
        // The list may be cut before these.
        for (name, holds) in [(NAME, Holds::Computers), (self.computer, Holds::Backups)] {
            let path = folder.join(name);
            if fs::metadata(&path).is_ok_and(|found| found.is_dir()) {
                self.go_through(&path, holds, false, levels.saturating_sub(1));
            }
        }
        if above == Holds::Anything && levels::is_folder(folder) {
            self.go_through(folder, Holds::Anything, true, levels);
        }
    }

    /// Keeps a backup if it is the newest so far. The known one may be found again by a link.
    fn consider(&mut self, time: Timestamp, path: PathBuf, above: Holds) {
        let (known, known_time) = self.known;
        let is_newest = time > self.newest.as_ref().map_or(known_time, |(time, _)| *time);
        if !is_newest || !levels::is_folder(&path) || platform::is_same_file(&path, known) {
            return;
        }
        // Below the folder of the computer, the newest backup may have lost its images. Elsewhere,
        // the name alone does not tell whose backup it is. One that cannot be listed counts.
        if above != Holds::Backups
            && let Ok(files) = levels::entries(&path)
        {
            if !files.iter().any(|file| levels::is_image(file) || levels::is_specs(file)) {
                return;
            }
            let (volumes, known) = (volumes(&files), volumes(&levels::entries(known).unwrap_or_default()));
            if !volumes.is_empty() && !known.is_empty() && volumes.is_disjoint(&known) {
                return self.foreign.add(|| path_text(&path));
            }
        }
        self.newest = Some((time, path));
    }

    /// What a folder with this name may hold, in one that holds `above`. `None`: its name does not
    /// tell.
    fn holds(&self, name: &str, above: Holds) -> Option<Holds> {
        if above == Holds::Backups {
            None
        } else if name.eq_ignore_ascii_case(self.computer) {
            Some(Holds::Backups)
        } else if levels::is_named_for_computers(name) {
            Some(Holds::Computers)
        } else {
            (above == Holds::Computers && is_renamed(name, self.computer)).then_some(Holds::Backups)
        }
    }

    /// What a person should know about the search.
    fn notes(&self) -> Vec<String> {
        let notes = [
            self.closed.note("these folders cannot be listed, so it is not known whether a newer backup is in them"),
            self.cut.note("these folders have too many entries: not all were searched for a newer backup"),
            self.foreign.note(
                "these backups are newer, but none of their volumes is in the backup that was chosen, so they are taken for \
                 backups of another computer; to verify one, name its folder with --backup",
            ),
        ];
        notes.into_iter().flatten().collect()
    }
}

/// Whether somebody copied or renamed the folder of a computer: `SERVER - Copy`, `SERVER.old`,
/// `Copy of SERVER`. No computer has such a name.
fn is_renamed(name: &str, computer: &str) -> bool {
    let (name, computer) = (name.to_lowercase(), computer.to_lowercase());
    let goes_on = |rest: &str| rest.starts_with([' ', '(', '.']);
    name.strip_prefix(&computer).is_some_and(goes_on)
        || name.strip_suffix(&computer).is_some_and(|start| start.ends_with(' '))
}

/// The volumes whose images are among these files.
fn volumes(files: &[PathBuf]) -> BTreeSet<Guid> {
    files.iter().filter(|file| levels::is_image(file)).filter_map(|file| guid_of(file)).collect()
}

/// An error about a folder that the user did not name, with its path.
pub(super) fn in_folder(folder: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path_text(folder)))
}
