//! Since when an original has been at its path, as far as the file system tells.
//!
//! A file keeps its modification time when it is moved, unpacked, or copied with its times. So an
//! old file may have arrived at its path only yesterday. What programs cannot set back is the
//! change time. A move updates it, on the file itself or on the folder that was moved. So the file
//! has been at its path at least since the newest of these change times, and perhaps for longer,
//! because other operations update them too. A folder's change time is updated whenever a name is
//! added to it.
//!
//! The folder that was given as the originals is an exception. Names are added and removed there
//! all the time, and if each of them counted, nothing could ever be decided. It counts only if
//! something else happened to it last, such as a move.

use std::collections::HashMap;

use crate::platform::{Kind, Stat, Timestamp};

use super::pairing::OriginalsRoot;

/// Since when an original has been at its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// At least since this time.
    Time(Timestamp),
    /// It is on a file system that is mounted below the folder of the originals, so the time is not
    /// known.
    Mounted,
    /// The system records no change times here.
    Unknown,
}

impl Since {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Time(one), Self::Time(other)) => Self::Time(one.max(other)),
            (Self::Mounted, _) | (_, Self::Mounted) => Self::Mounted,
            _ => Self::Unknown,
        }
    }

    fn of(stat: &Stat, volume: u64) -> Self {
        match stat.changed {
            _ if stat.id.0 != volume => Self::Mounted,
            Some(changed) => Self::Time(changed),
            None => Self::Unknown,
        }
    }
}

/// Asks the file system, once for each folder.
#[derive(Debug, Default)]
pub struct ArrivalTimes {
    folders: HashMap<(usize, Vec<u8>), Since>,
}

impl ArrivalTimes {
    /// The metadata of the original at `path` below `root` (number `number`), and since when it has
    /// been there. `None` if there is no regular file at that path.
    pub fn look(&mut self, number: usize, root: &OriginalsRoot, path: &[u8]) -> Option<(Stat, Since)> {
        let stat = root.tree.stat(path).ok().filter(|stat| stat.kind == Kind::File)?;
        let top = root.tree.stat(b"").ok()?;
        let volume = top.id.0;
        let mut since = Since::of(&stat, volume);
        if top.changed != Some(top.mtime) {
            since = since.and(Since::of(&top, volume));
        }
        for (end, _) in path.iter().enumerate().filter(|&(_, &byte)| byte == b'/') {
            let folder = &path[..end];
            let known = self.folders.entry((number, folder.to_vec()));
            let folder = known.or_insert_with(|| match root.tree.stat(folder) {
                Ok(stat) => Since::of(&stat, volume),
                Err(_) => Since::Unknown,
            });
            since = since.and(*folder);
        }
        Some((stat, since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(seconds: i64) -> Since {
        Since::Time(Timestamp { seconds, nanos: 0 })
    }

    #[test]
    fn the_newest_change_counts_and_doubt_outweighs_it() {
        assert_eq!(time(3).and(time(5)), time(5));
        assert_eq!(time(3).and(Since::Unknown), Since::Unknown);
        assert_eq!(Since::Unknown.and(Since::Mounted), Since::Mounted);
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_was_moved_makes_what_is_in_it_young() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("s/a/b")).unwrap();
        std::fs::write(dir.path().join("s/a/b/file"), "x").unwrap();
        let place = dir.path().join("s");
        let tree = crate::platform::Tree::open(&place, false).unwrap();
        let root = OriginalsRoot { folder: place, tree };
        let at = |path: &[u8]| ArrivalTimes::default().look(0, &root, path).map(|(_, since)| since);
        let before = at(b"a/b/file");
        std::thread::sleep(std::time::Duration::from_millis(20));
        std::fs::rename(dir.path().join("s/a"), dir.path().join("s/moved")).unwrap();
        let (Some(Since::Time(before)), Some(Since::Time(after))) = (before, at(b"moved/b/file")) else {
            panic!("{before:?}")
        };
        assert!(after > before);
        assert_eq!(at(b"a/b/file"), None);
        assert_eq!(at(b"moved/b"), None);
    }
}
