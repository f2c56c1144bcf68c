//! Restored copies that the user wants to keep, under their own names.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use crate::backup::Restored;
use crate::lock::lock;
use crate::platform;
use crate::words;

/// A folder beside the scratch folder. It is made when the first copy is kept.
#[derive(Debug)]
pub struct KeptCopies {
    restore_to: PathBuf,
    name: String,
    /// The folder and its name, once it has been made.
    folder: Mutex<Option<(Dir, String)>>,
    copies: AtomicU64,
}

impl KeptCopies {
    /// For a run that began at `stamp`, which becomes part of the folder's name.
    pub fn new(restore_to: &Path, stamp: &str) -> Self {
        let name = format!("bkverify-kept-{stamp}");
        Self { restore_to: restore_to.to_owned(), name, folder: Mutex::default(), copies: AtomicU64::new(0) }
    }

    /// Moves a copy to its own name, which is escaped if the file system cannot hold it. If the
    /// name is taken (by one that differs only in case, for example), a number is appended. Returns
    /// the new path.
    pub fn keep(&self, restored: Restored, path: &[u8]) -> io::Result<PathBuf> {
        let mut folder = lock(&self.folder);
        let (dir, place) = match folder.take() {
            Some(made) => made,
            None => self.open()?,
        };
        let wanted = platform::holdable_name(path);
        let mut name = wanted.clone();
        let mut count = 1;
        while dir.symlink_metadata(&name).is_ok() {
            count += 1;
            name = wanted.with_added_extension(count.to_string());
        }
        let kept = restored.keep(&dir, &name).map(|()| self.restore_to.join(&place).join(name));
        *folder = Some((dir, place));
        self.copies.fetch_add(u64::from(kept.is_ok()), Ordering::Relaxed);
        kept
    }

    /// How many copies were kept, and where, for people.
    pub fn note(&self) -> Option<String> {
        let folder = lock(&self.folder);
        let place = self.restore_to.join(&folder.as_ref()?.1);
        let copies = self.copies.load(Ordering::Relaxed);
        let copies = words::counted_as(copies, "restored copy", "restored copies");
        Some(format!("{copies} kept in {}", place.display()))
    }

    /// Makes the folder. If another run that began at the same moment has already made it, a number
    /// is appended to its name.
    fn open(&self) -> io::Result<(Dir, String)> {
        let parent = Dir::open_ambient_dir(&self.restore_to, ambient_authority())?;
        let mut name = self.name.clone();
        let mut count = 1;
        loop {
            match platform::make_private_dir(&parent, &name) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && count < 1000 => {
                    count += 1;
                    name = format!("{}-{count}", self.name);
                }
                made => return made.map(|dir| (dir, name)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::Scratch;
    use crate::cancel::CancelToken;

    #[test]
    fn two_runs_that_began_in_the_same_millisecond_keep_their_copies_apart() {
        let target = tempfile::tempdir().unwrap();
        let scratch = Scratch::create(target.path(), CancelToken::new()).unwrap();
        let keep = |kept: &KeptCopies, content: &[u8]| {
            let restored = scratch.restore(&mut &content[..], None, &mut Vec::new()).unwrap();
            kept.keep(restored, b"docs/a").unwrap()
        };
        let (one, other) = (KeptCopies::new(target.path(), "7"), KeptCopies::new(target.path(), "7"));
        let places = [keep(&one, b"one"), keep(&other, b"other"), keep(&one, b"more")];
        let contents = places.map(|place| std::fs::read(place).unwrap());
        assert_eq!(contents, [&b"one"[..], b"other", b"more"]);
        let place = target.path().join("bkverify-kept-7");
        assert_eq!(one.note().unwrap(), format!("2 restored copies kept in {}", place.display()));
        let place = target.path().join("bkverify-kept-7-2");
        assert_eq!(other.note().unwrap(), format!("1 restored copy kept in {}", place.display()));
        assert_eq!(KeptCopies::new(target.path(), "8").note(), None);
    }
}
