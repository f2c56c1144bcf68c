//! Facts about a backup that are known once it is open and do not change until it is closed.

use crate::platform::{Stat, Timestamp};

use super::Location;

/// Facts about a backup, for reports and for decisions that depend on the format.
#[derive(Debug, Clone)]
pub struct Description {
    /// The location of the backup.
    pub location: Location,
    /// The format's name as users know it: `folder`, `tar.gz`, `zip`.
    pub format: &'static str,
    /// The name of the snapshot that was opened. `None` for formats without snapshots.
    pub snapshot: Option<String>,
    /// Identifies the backup. It stays the same when the backup is moved, and changes when another
    /// backup replaces it. `None` if nothing identifies it, as with a folder that is updated in
    /// place.
    pub id: Option<String>,
    /// When it was taken, if that is known or can be inferred.
    pub taken: Option<BackupTime>,
    /// Whether names are known to occur only once, so that a listing never restarts
    /// ([`CatalogSink::restart`](super::CatalogSink::restart)).
    pub unique_names: bool,
    /// Resolution of the recorded modification times, in nanoseconds (zip: 2 s; ext4: 1 ns).
    pub time_resolution_ns: u64,
    /// If these are several snapshots, opened as one backup.
    pub several: Option<Several>,
}

/// Several snapshots that were opened as one backup. Each path begins with the name of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Several {
    /// How many.
    pub count: u64,
    /// The name of the newest. What it holds may have an original.
    pub newest: Vec<u8>,
    /// What confirms the content of a restored file that has no original to compare with, because
    /// only an old snapshot holds it: `SHA-256 in the repository`.
    pub confirmed_by: &'static str,
}

impl Several {
    /// The path in the newest snapshot. `None` if only older ones hold the file.
    pub fn in_newest<'a>(&self, path: &'a [u8]) -> Option<&'a [u8]> {
        path.strip_prefix(&*self.newest)?.strip_prefix(b"/")
    }
}

/// With what the paths of a backup begin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PathRoot {
    /// With a folder or file of what was backed up.
    #[default]
    Backup,
    /// With the name of the snapshot, of which there are several.
    Snapshot,
}

impl PathRoot {
    /// The path of the same file in a backup of one snapshot.
    pub fn strip(self, path: &[u8]) -> &[u8] {
        match self {
            Self::Backup => path,
            Self::Snapshot => {
                let name = path.iter().position(|&byte| byte == b'/');
                name.map_or(&[], |end| &path[end + 1..])
            }
        }
    }
}

/// When a backup was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupTime {
    /// The time.
    pub at: Timestamp,
    /// How it is known.
    pub how: TakenFrom,
}

/// How the time of a backup is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakenFrom {
    /// It is the modification time of the backup's only file: when the file was finished, or later
    /// if it was copied without its time.
    FileTime,
    /// It is the newest change time at the top of a folder, which may be long before the last file
    /// was copied into the folder.
    NewestChange,
    /// The format recorded it.
    Record,
}

impl TakenFrom {
    /// Whether nothing was added to the backup after this time.
    pub fn is_final(self) -> bool {
        match self {
            Self::FileTime | Self::Record => true,
            Self::NewestChange => false,
        }
    }
}

impl Description {
    /// Describes an archive in one file, in which a name may occur more than once.
    pub(super) fn of_archive(
        format: &'static str,
        (location, stat, first): (&Location, &Stat, &[u8]),
        time_resolution_ns: u64,
    ) -> Self {
        Self {
            location: location.clone(),
            format,
            snapshot: None,
            id: Some(archive_id(stat, first)),
            taken: Some(BackupTime { at: stat.mtime, how: TakenFrom::FileTime }),
            unique_names: false,
            time_resolution_ns,
            several: None,
        }
    }

    /// With what its paths begin.
    pub fn path_root(&self) -> PathRoot {
        if self.several.is_some() { PathRoot::Snapshot } else { PathRoot::Backup }
    }

    /// When it was taken, whatever the source of that time.
    pub fn taken_at(&self) -> Option<Timestamp> {
        self.taken.map(|taken| taken.at)
    }
}

/// The id of an archive, computed from its size, its modification time and its first bytes. It does
/// not use the numbers of disks and files, because they change when a disk is attached elsewhere or
/// the archive is copied. A copy without the modification time gets another id.
pub(super) fn archive_id(stat: &Stat, first: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("bkverify 2026 id of an archive");
    hasher.update(&stat.size.to_le_bytes());
    hasher.update(&stat.mtime.as_nanos().to_le_bytes());
    hasher.update(first);
    hasher.finalize().to_hex()[..32].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Kind;

    #[test]
    fn the_name_of_a_snapshot_is_no_part_of_the_path_in_it() {
        for (path, inside) in
            [(&b"old/srv/x"[..], &b"srv/x"[..]), (b"old/x", b"x"), (b"old", b""), (b"", b"")]
        {
            assert_eq!(PathRoot::Snapshot.strip(path), inside);
            assert_eq!(PathRoot::Backup.strip(path), path);
        }
    }

    #[test]
    fn an_archive_keeps_its_id_on_another_disk_and_its_successor_has_another() {
        let stat = |size, seconds, id| Stat {
            kind: Kind::File,
            size,
            mtime: Timestamp { seconds, nanos: 7 },
            changed: None,
            id,
        };
        let id = archive_id(&stat(5, 9, (1, 2)), b"first");
        assert_eq!(id.len(), 32);
        assert_eq!(archive_id(&stat(5, 9, (3, 4)), b"first"), id);
        for other in [
            archive_id(&stat(6, 9, (1, 2)), b"first"),
            archive_id(&stat(5, 8, (1, 2)), b"first"),
            archive_id(&stat(5, 9, (1, 2)), b"other"),
        ] {
            assert_ne!(other, id);
        }
    }
}
