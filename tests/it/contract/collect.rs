//! Receivers that keep everything, for small backups.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;

use bkverify::backup::{
    self, Backup, Damage, Entry, Error, Landing, Listing, Needs, Picks, RestoreError, Restored, Scratch,
    Sink, Wanted,
};
use bkverify::platform;
use bkverify::stop::Stop;

/// The backup there.
pub fn open(place: impl AsRef<Path>) -> Result<Box<dyn Backup>, Error> {
    backup::open(place.as_ref(), false)
}

/// A listing that is kept.
#[derive(Default)]
pub struct Taken {
    pub picks: Mutex<Picks>,
    /// Says at once that it has enough.
    pub enough: bool,
}

impl Sink for Taken {
    fn take(&self, entries: &Picks) -> ControlFlow<()> {
        self.picks.lock().unwrap().extend(entries.iter());
        if self.enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// What was restored: each path with its content's hash, or with the reason why not.
#[derive(Default)]
pub struct Landed {
    pub files: BTreeMap<Vec<u8>, Result<blake3::Hash, String>>,
    /// What the restore could not read.
    pub lost: Vec<Damage>,
    /// Says that it has enough after this many.
    pub limit: Option<usize>,
}

impl Landing for Landed {
    fn land(&mut self, entry: Entry<'_>, outcome: Result<Restored, RestoreError>) -> ControlFlow<()> {
        let outcome = outcome.map(|restored| hash(&content(&restored))).map_err(|error| error.to_string());
        let before = self.files.insert(entry.path.to_vec(), outcome);
        assert!(before.is_none(), "landed twice: {}", bkverify::backup::escape(entry.path));
        if self.limit == Some(self.files.len()) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn lose(&mut self, damage: Damage) {
        self.lost.push(damage);
    }
}

/// A restored file's bytes.
pub fn content(restored: &Restored) -> Vec<u8> {
    let mut content = vec![0; usize::try_from(restored.size()).unwrap()];
    let mut at = 0;
    while at < content.len() {
        match platform::read_at(restored.file(), &mut content[at..], at as u64).unwrap() {
            0 => panic!("shorter than it says: {at} of {} bytes", content.len()),
            got => at += got,
        }
    }
    assert_eq!(restored.file().metadata().unwrap().len(), restored.size());
    content
}

/// The hash that the manifest has.
pub fn hash(content: &[u8]) -> blake3::Hash {
    blake3::hash(content)
}

/// The whole listing, listed again where that is asked for.
pub fn catalog(backup: &dyn Backup) -> (Picks, Listing) {
    for _ in 0..2 {
        let taken = Taken::default();
        let listing = backup.catalog(Needs { size: true, mtime: true }, 2, &taken).unwrap();
        if !matches!(listing, Listing::Again) {
            return (taken.picks.into_inner().unwrap(), listing);
        }
    }
    panic!("asks to be listed again and again");
}

/// A scratch folder below `target`.
pub fn scratch(target: &tempfile::TempDir, stop: &Stop) -> Scratch {
    Scratch::create(target.path(), stop.clone()).unwrap()
}

/// Restores what is wanted.
pub fn restore(backup: &dyn Backup, wanted: Wanted<'_>) -> Landed {
    let target = tempfile::tempdir().unwrap();
    let mut landed = Landed::default();
    backup.restore(wanted, &scratch(&target, &Stop::never()), &mut landed).unwrap();
    landed
}
