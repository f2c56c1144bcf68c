//! What borg on this machine remembers about a repository: how new its newest state was, and where
//! it was.
//!
//! borg itself refuses a repository that is older than it remembers. It is not allowed to remember
//! anything here, and so would take a repository for whole that has lost its last backups or was
//! replaced by an older copy. Its memory is only read, never written.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::SystemTime;

use super::item::time;
use crate::backup::Damage;
use crate::platform::Timestamp;
use crate::words;

/// The files of borg in the folder of a repository.
const NEWEST: &str = "manifest-timestamp";
const LOCATION: &str = "location";

/// The most bytes that are read of such a file.
const MOST: u64 = 4096;

/// What is wrong with a repository that is older than borg remembers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Older {
    /// borg remembers the repository at this very place, or at a place that cannot be compared.
    Here(Damage),
    /// borg remembers it at another place of this machine: this one is a copy.
    Copy(String),
}

/// Compares what the user's borg remembers in the folder `remembered` with what was found now,
/// which is in the folder `found`. What was remembered after `began` says nothing about what is
/// read.
pub(super) fn compare(
    remembered: &Path,
    found: &Path,
    place: Option<&Path>,
    began: SystemTime,
) -> Option<Older> {
    let written = fs::metadata(remembered.join(NEWEST)).and_then(|file| file.modified()).ok()?;
    let (newer, now) = (time(&text(&remembered.join(NEWEST))?)?, time(&text(&found.join(NEWEST))?)?);
    if newer <= now || written >= began {
        return None;
    }
    let (newer, now) = (shown(newer), shown(now));
    let at = text(&remembered.join(LOCATION)).unwrap_or_default();
    let is_elsewhere = |place: &Path| {
        let known = fs::canonicalize(&at).ok();
        known.is_some_and(|known| fs::canonicalize(place).is_ok_and(|place| place != known))
    };
    if place.is_some_and(is_elsewhere) {
        let at = words::printable(&at);
        return Some(Older::Copy(format!(
            "the repository is as it was at {now}; borg knows it at {at}, as it was at {newer}"
        )));
    }
    Some(Older::Here(Damage::gap(
        format!(
            "the repository is as it was at {now}, but borg on this machine has seen it as it was at {newer}: it has lost its \
             last backups, or was replaced by an older copy"
        ),
        None,
    )))
}

fn text(path: &Path) -> Option<String> {
    let mut text = String::new();
    fs::File::open(path).ok()?.take(MOST).read_to_string(&mut text).ok()?;
    Some(text.trim().to_owned())
}

fn shown(time: Timestamp) -> String {
    words::rfc3339(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn remembered(time: &str, location: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(NEWEST), time).unwrap();
        fs::write(folder.path().join(LOCATION), location).unwrap();
        folder
    }

    #[test]
    fn only_what_borg_remembered_before_and_is_newer_makes_a_repository_old() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let known_here = here.path().to_str().unwrap();
        let found = remembered("2026-11-28T10:00:00.000001", "");
        let later = SystemTime::now() + Duration::from_secs(1_000);
        let old = |time: &str, location: &str, began| {
            compare(remembered(time, location).path(), found.path(), Some(here.path()), began)
        };
        for same_or_unknown in ["2026-11-28T10:00:00.000001", "2026-11-28T09:00:00", "", "yesterday"] {
            assert_eq!(old(same_or_unknown, known_here, later), None, "{same_or_unknown}");
        }
        let newer = "2026-11-28T10:00:00.000002+00:00";
        assert_eq!(old(newer, known_here, SystemTime::UNIX_EPOCH), None);
        for location in [known_here, "ssh://server/repo", "/not/there", ""] {
            assert!(matches!(old(newer, location, later), Some(Older::Here(_))), "{location}");
        }
        assert!(matches!(old(newer, there.path().to_str().unwrap(), later), Some(Older::Copy(_))));
    }
}
