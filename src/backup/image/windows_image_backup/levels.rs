//! Which of the folders of a Windows image backup a folder is, by its name and what it contains.
//!
//! A folder that is named like a backup is one, whatever it holds: the newest backup may have lost
//! its images. But such a name alone does not make a Windows image backup of the folder above it,
//! unless that is called `WindowsImageBackup`, too. That a folder cannot be read is never taken for
//! an answer. The error is what the user must hear.
//!
//! A folder below a computer that only looks like a backup ([`is_stray`]) may be the newest one,
//! copied or renamed. So the folder above it counts as that of a computer, but nothing is chosen
//! there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::backup::image::specs;
use crate::platform::Timestamp;

/// The name of the folder with all computers.
pub(super) const NAME: &str = "WindowsImageBackup";

/// What the name of a backup begins with.
const BACKUP: &str = "Backup ";

/// Folders that Windows puts beside the backups of a computer. They may be closed to everybody else.
const BESIDE_BACKUPS: [&str; 3] = ["catalog", "logs", "sppmetadatacache"];

/// Folders that systems put at the root of a disk, and on network shares. Nobody has moved a backup
/// there, and most users may not list them.
const OF_THE_SYSTEM: [&str; 4] =
    ["$recycle.bin", "documents and settings", "lost+found", "system volume information"];

/// The most entries that a folder of this kind may have. Usually it has a few dozen.
const MOST_ENTRIES: usize = 10_000;

/// What a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// It holds `WindowsImageBackup`.
    Parent,
    /// It is `WindowsImageBackup`, with a folder for each computer.
    Computers,
    /// It holds the backups of a computer.
    Computer,
    /// It holds the images of a backup.
    Backup,
}

impl Level {
    /// What `folder` is. `None`: nothing of a Windows image backup.
    pub(super) fn of(folder: &Path) -> Option<Self> {
        let name = file_name(folder);
        if is_named_for_computers(&name) && is_of_computers(folder) {
            return Some(Self::Computers);
        }
        if is_of_computers(&folder.join(NAME)) {
            return Some(Self::Parent);
        }
        let is_named = time_of_copy(&name).is_some();
        let Ok(entries) = entries(folder) else { return is_named.then_some(Self::Backup) };
        let is_below = is_computer_by_name(folder);
        let is_of_computer = |entry: &PathBuf| match is_below {
            true => is_backup(entry) || is_stray(entry),
            false => is_backup(entry) && holds_images(entry),
        };
        if entries.iter().any(is_of_computer) {
            return Some(Self::Computer);
        }
        let has_specs = entries.iter().any(|entry| is_specs(entry));
        let has_images = entries.iter().any(|entry| is_image(entry));
        (if has_images { is_named || has_specs } else { is_named && has_specs }).then_some(Self::Backup)
    }
}

/// Whether a folder is named like that of all computers, or as a copy of it may be.
pub(super) fn is_named_for_computers(name: &str) -> bool {
    name.to_ascii_lowercase().contains(&NAME.to_ascii_lowercase())
}

/// Whether a folder is in one that is named as that of all computers.
pub(super) fn is_computer_by_name(folder: &Path) -> bool {
    folder.parent().is_some_and(|above| is_named_for_computers(&file_name(above)))
}

/// Whether a folder holds the folders of computers.
fn is_of_computers(folder: &Path) -> bool {
    is_or_unknown(folder, |entries| entries.iter().any(|entry| is_computer(entry)))
}

/// Whether a folder holds backups of a computer.
pub(super) fn is_computer(folder: &Path) -> bool {
    !is_of_the_system(&file_name(folder))
        && is_or_unknown(folder, |entries| entries.iter().any(|entry| is_backup(entry) || is_stray(entry)))
}

/// Whether a folder below a computer looks like a backup, but has no name from which its time is
/// known: `Backup 2026-11-27 210005 - Copy`, or any name if there are images in it.
pub(super) fn is_stray(folder: &Path) -> bool {
    let name = file_name(folder);
    // Many folders begin with this word. A backup has a time, too, or something in it.
    let is_word = name.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("backup"));
    let is_dated = is_word && name.contains(|character: char| character.is_ascii_digit());
    time_in(&name).is_none()
        && !is_beside_backups(&name)
        && is_folder(folder)
        && (is_dated
            || is_or_unknown(folder, |entries| {
                entries.iter().any(|entry| is_image(entry) || is_specs(entry))
            }))
}

/// Whether Windows puts a folder of this name beside the backups of a computer.
pub(super) fn is_beside_backups(name: &str) -> bool {
    BESIDE_BACKUPS.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether a system puts a folder of this name beside those of users.
pub(super) fn is_of_the_system(name: &str) -> bool {
    OF_THE_SYSTEM.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether this is a folder, as far as is known.
pub(super) fn is_folder(path: &Path) -> bool {
    fs::metadata(path).map_or(true, |found| found.is_dir())
}

/// Whether a folder that is named like a backup has images.
pub(super) fn holds_images(folder: &Path) -> bool {
    is_or_unknown(folder, |entries| entries.iter().any(|entry| is_image(entry)))
}

/// Whether the entries of a folder are such. One that cannot be listed may be.
fn is_or_unknown(folder: &Path, is: impl Fn(&[PathBuf]) -> bool) -> bool {
    entries(folder).map_or_else(|error| !is_absence(&error), |entries| is(&entries))
}

/// Whether an error says that there is no such folder.
pub(super) fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Whether a folder is named like a backup.
pub(super) fn is_backup(folder: &Path) -> bool {
    time_in(&file_name(folder)).is_some() && is_folder(folder)
}

/// Whether an entry is named like an image. Whether it can be read shows when it is opened.
pub(super) fn is_image(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ["vhd", "vhdx"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// Whether an entry is the file that names the volumes of a backup.
pub(super) fn is_specs(path: &Path) -> bool {
    file_name(path).eq_ignore_ascii_case(specs::FILE)
}

pub(super) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What is in a folder, sorted by name.
pub(super) fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.take(MOST_ENTRIES + 1).map(|entry| Ok(entry?.path()));
    let mut entries = entries.collect::<io::Result<Vec<PathBuf>>>()?;
    if entries.len() > MOST_ENTRIES {
        let problem = format!(
            "the folder {} has more than {MOST_ENTRIES} entries, and a Windows image backup has a few dozen: move away what does \
             not belong to it",
            folder.display()
        );
        return Err(io::Error::other(problem));
    }
    entries.sort();
    Ok(entries)
}

/// When the backup of this name began: `Backup 2026-11-27 210005`.
pub(super) fn time_in(name: &str) -> Option<Timestamp> {
    // Windows does not tell apart names by their case.
    let (start, time) = name.split_at_checked(BACKUP.len())?;
    if !start.eq_ignore_ascii_case(BACKUP) {
        return None;
    }
    // The parser would accept fewer digits.
    let is_plain = time.len() == 17 && time.is_ascii();
    let time = is_plain.then(|| DateTime::strptime("%Y-%m-%d %H%M%S", time).ok())??;
    let seconds = time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second();
    Some(Timestamp { seconds, nanos: 0 })
}

/// How long the name of a backup is: `Backup 2026-11-27 210005`.
const EXACT_NAME: usize = 24;

/// The same of a name that may be that of a copy, which keeps the time at its beginning:
/// `Backup 2026-11-27 210005 - Copy`.
pub(super) fn time_of_copy(name: &str) -> Option<Timestamp> {
    time_in(name).or_else(|| name.get(..EXACT_NAME).and_then(time_in))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_with_a_time_are_backups() {
        for name in ["Backup 2019-02-22 124351", "backup 2019-02-22 124351"] {
            assert_eq!(time_in(name).map(|time| time.seconds), Some(1_550_839_431));
        }
        for other in
            ["Backup", "Backup 2019-02-22", "Backup 2019-02-30 124351", "Backup 2019-2-22 124351 ", "x"]
        {
            assert_eq!(time_in(other), None, "{other}");
        }
    }

    #[test]
    fn a_folder_with_far_too_many_entries_is_an_error_and_is_not_cut() {
        let world = tempfile::tempdir().unwrap();
        for number in 0..=MOST_ENTRIES {
            fs::write(world.path().join(number.to_string()), "").unwrap();
        }
        assert!(entries(world.path()).unwrap_err().to_string().contains("more than 10000 entries"));
        fs::remove_file(world.path().join("0")).unwrap();
        assert_eq!(entries(world.path()).unwrap().len(), MOST_ENTRIES);
    }

    /// Nobody can say whether such a folder holds backups, so it must not count as one that holds
    /// none.
    #[test]
    fn a_folder_that_cannot_be_listed_is_not_a_folder_without_backups() {
        assert!(is_or_unknown(Path::new("no\0such"), |_| false));
        assert!(!is_or_unknown(Path::new("no/such/folder"), |_| true));
    }
}
