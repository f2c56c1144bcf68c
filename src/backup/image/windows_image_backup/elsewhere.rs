//! Backups of a computer in folders where Windows does not put them.
//!
//! Windows overwrites the backup on a share, so people rename `WindowsImageBackup` or move a backup
//! out of it. What is in its place may be older then, and must not be verified as the newest.
//!
//! In: the folder that was named, or the root of a drive. Searched are the folders in it whose
//! names tell that backups of this computer may be in them, and one level of other folders beside
//! and below these:
//!
//! ```text
//! E:\Backup 2026-11-27 210005\
//! E:\SERVER\Backup 2026-11-27 210005\
//! E:\old\WindowsImageBackup\SERVER\Backup 2026-11-27 210005\
//! E:\WindowsImageBackup (2)\SERVER\Backup 2026-11-27 210005\
//! E:\WindowsImageBackup\Backup 2026-11-27 210005\
//! E:\WindowsImageBackup\SERVER - Copy\new\Backup 2026-11-27 210005\
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::NotFound;
use super::levels::{self, Level, file_name};
use crate::backup::path::path_text;
use crate::platform::{self, Timestamp};

/// The most levels of folders that are searched. Links may lead in a circle.
const MOST_LEVELS: usize = 5;

/// The most folders that are searched although their names tell nothing.
const MOST_OTHERS: usize = 1_000;

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

/// A search for backups of one computer.
struct Search<'a> {
    computer: &'a str,
    /// The backup that the others are held against, and its time.
    known: (&'a Path, Timestamp),
    newest: Option<(Timestamp, PathBuf)>,
    others: usize,
}

/// Makes sure that no backup of `computer` in or below `folder` is newer than the backup `known`,
/// according to its name.
pub(in crate::backup::image) fn check(folder: &Path, computer: &str, known: &Path) -> Result<(), NotFound> {
    let Some(time) = levels::time_in(&file_name(known)) else { return Ok(()) };
    let holds = match Level::of(folder) {
        Some(Level::Backup) => return Ok(()),
        Some(Level::Computer) => Holds::Backups,
        Some(Level::Computers) => Holds::Computers,
        Some(Level::Parent) | None => Holds::Anything,
    };
    let mut search = Search { computer, known: (known, time), newest: None, others: 0 };
    search.go_through(folder, holds, false, MOST_LEVELS)?;
    let Some((_, newer)) = search.newest else { return Ok(()) };
    Err(NotFound::Choice(format!(
        "{} is newer than {}, the newest backup of {computer} where Windows puts them, and may have been moved or renamed; name \
         the one to verify: --backup \"{}\" or --backup \"{}\"",
        path_text(&newer),
        file_name(known),
        path_text(&newer),
        path_text(known),
    )))
}

impl Search<'_> {
    /// Goes through a folder. `is_other`: its name did not tell what is in it.
    fn go_through(&mut self, folder: &Path, holds: Holds, is_other: bool, levels: usize) -> io::Result<()> {
        let entries = match fs::read_dir(folder) {
            // There are many such folders, and nobody but the system may list some of them.
            Err(_) if holds == Holds::Anything => return Ok(()),
            Err(error) if levels::is_absence(&error) => return Ok(()),
            entries => entries.map_err(|error| in_folder(folder, &error))?,
        };
        for entry in entries {
            let entry = match entry {
                Err(_) if holds == Holds::Anything => continue,
                entry => entry.map_err(|error| in_folder(folder, &error))?,
            };
            if entry.file_type().is_ok_and(|kind| kind.is_file()) {
                continue;
            }
            let path = entry.path();
            let name = file_name(&path);
            if let Some(time) = levels::time_of_copy(&name) {
                self.consider(time, path);
                continue;
            }
            let next = self.in_a_folder_named(&name, holds);
            let is_named = next.is_some_and(|next| next != holds);
            let may_descend = levels > 1 && (is_named || (!is_other && self.others < MOST_OTHERS));
            let Some(next) = next.filter(|_| may_descend) else { continue };
            self.others += usize::from(!is_named);
            self.go_through(&path, next, !is_named, levels - 1)?;
        }
        Ok(())
    }

    /// Keeps a backup if it is the newest so far. The known one may be found again by a link.
    fn consider(&mut self, time: Timestamp, path: PathBuf) {
        let (known, known_time) = self.known;
        let is_newest = time > self.newest.as_ref().map_or(known_time, |(time, _)| *time);
        if is_newest && levels::is_folder(&path) && !platform::is_same_file(&path, known) {
            self.newest = Some((time, path));
        }
    }

    /// What a folder with this name may hold, in one that holds `above`. `None`: nothing that
    /// matters.
    fn in_a_folder_named(&self, name: &str, above: Holds) -> Option<Holds> {
        let is_computer = name.eq_ignore_ascii_case(self.computer);
        // No computer has such a name: somebody copied or renamed the folder of one.
        let is_renamed =
            name.contains([' ', '(', '.']) && name.to_lowercase().contains(&self.computer.to_lowercase());
        match above {
            Holds::Backups => (!levels::is_beside_backups(name)).then_some(Holds::Backups),
            _ if is_computer => Some(Holds::Backups),
            _ if levels::is_named_for_computers(name) => Some(Holds::Computers),
            Holds::Anything => Some(Holds::Anything),
            Holds::Computers => is_renamed.then_some(Holds::Backups),
        }
    }
}

/// An error about a folder that the user did not name, with its path.
pub(super) fn in_folder(folder: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path_text(folder)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{backup, world};
    use super::super::{NAME, find};
    use super::*;

    const OLDER: &str = "Backup 2026-01-01 000000";
    const NEWER: &str = "Backup 2026-01-02 000000";

    #[test]
    fn a_newer_backup_that_was_moved_or_renamed_is_not_passed_over() {
        for place in [
            "WindowsImageBackup",
            "WindowsImageBackup/SERVER/new",
            "WindowsImageBackup/SERVER - Copy",
            "WindowsImageBackup/WindowsImageBackup/SERVER",
            "WindowsImageBackup (2)/SERVER",
            "WindowsImageBackup-2026-01/server",
            "Copy of WindowsImageBackup/SERVER",
            "old/WindowsImageBackup/SERVER",
            "old/windowsimagebackup 2/SERVER/new",
            "old/SERVER",
            "SERVER",
            "old",
            "",
        ] {
            let (root, computer) = world();
            let known = backup(&computer, OLDER);
            let newer = backup(&root.path().join(place), NEWER);
            let error = find(root.path(), None, Some("server")).unwrap_err().to_string();
            for word in [&path_text(&newer), &path_text(&known), "--backup", "is newer than"] {
                assert!(error.contains(word), "{place}: {error}");
            }
            // The user may say which: by the folder, or by the name.
            assert_eq!(find(&newer, None, Some("server")).unwrap().name, NEWER);
            assert_eq!(find(&known, None, Some("server")).unwrap().name, OLDER);
            assert_eq!(find(root.path(), Some(OLDER), Some("server")).unwrap().name, OLDER);
            // A copy of the same backup, or an older one, is not newer.
            for other in [OLDER, "Backup 2025-12-31 000000"] {
                let moved = newer.with_file_name(other);
                if !moved.exists() {
                    fs::rename(&newer, &moved).unwrap();
                    assert!(find(root.path(), None, Some("server")).is_ok(), "{place}");
                    fs::rename(&moved, &newer).unwrap();
                }
            }
        }
    }

    #[test]
    fn only_what_is_in_the_named_folder_is_searched() {
        let (root, computer) = world();
        backup(&computer, OLDER);
        let all = root.path().join(NAME);
        let beside = backup(root.path(), NEWER);
        assert!(find(&all, None, None).is_ok());
        fs::rename(beside, all.join(NEWER)).unwrap();
        assert!(find(&all, None, None).is_err());
        assert!(find(&computer, None, None).is_ok());
        fs::create_dir(computer.join("new")).unwrap();
        fs::rename(all.join(NEWER), computer.join("new").join(NEWER)).unwrap();
        assert!(find(&computer, None, None).is_err());
    }

    #[test]
    fn a_copy_of_a_newer_backup_is_not_passed_over_either() {
        let (root, computer) = world();
        backup(&computer, OLDER);
        backup(root.path(), &format!("{NEWER} - Copy"));
        assert!(find(root.path(), None, None).is_err());
    }

    #[test]
    fn the_backup_of_another_computer_is_none_of_this() {
        let (root, computer) = world();
        backup(&computer, OLDER);
        for place in ["WindowsImageBackup/SERVER2", "WindowsImageBackup (2)/DESK", "old/a/b/SERVER"] {
            backup(&root.path().join(place), NEWER);
        }
        assert_eq!(find(root.path(), None, Some("server")).unwrap().name, OLDER);
    }

    #[cfg(unix)]
    #[test]
    fn links_in_a_circle_end_and_a_link_to_the_known_backup_is_not_newer() {
        use std::os::unix::fs::symlink;

        let (root, computer) = world();
        let known = backup(&computer, OLDER);
        symlink(root.path(), root.path().join("WindowsImageBackup of all")).unwrap();
        symlink(root.path(), root.path().join("loop")).unwrap();
        symlink(&known, root.path().join(NEWER)).unwrap();
        symlink(&known, computer.join("current")).unwrap();
        assert_eq!(find(root.path(), None, None).unwrap().name, OLDER);
        assert_eq!(find(&computer, None, None).unwrap().name, OLDER);
        // Nobody knows what it led to.
        symlink("nowhere", root.path().join("Backup 2026-01-03 000000")).unwrap();
        assert!(find(root.path(), None, None).unwrap_err().to_string().contains("2026-01-03"));
        fs::remove_file(root.path().join("Backup 2026-01-03 000000")).unwrap();
        symlink("nowhere", computer.join("Backup 2026-01-03 000000")).unwrap();
        let error = find(root.path(), None, None).unwrap_err().to_string();
        assert!(error.contains("Backup 2026-01-03 000000: No such file"), "{error}");
    }
}
