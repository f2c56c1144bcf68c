//! Sinks that store everything, for small backups.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use bkverify::backup::{
    self, Backup, CatalogSink, Commands, Context, Damage, Entry, EntryBatch, Error, ListForm, Listing,
    Location, Needs, RestoreError, RestoreSink, Restored, Scratch, Wanted, registry,
};
use bkverify::cancel::CancelToken;
use bkverify::platform;
use bkverify::program::CommandLine;
use bkverify::secret::Secret;

/// Opens the backup at `path`.
pub fn open(path: impl AsRef<Path>) -> Result<Box<dyn Backup>, Error> {
    backup::open(&location(path.as_ref()), &Context::default())
}

/// The location of a fixture: its path, with the password beside it for restic, or the address of what
/// other programs list and restore.
pub fn location(path: &Path) -> Location {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if name.starts_with(super::fixtures::RESTIC) {
        return Location::at(path).with_secret(Secret::File(path.with_file_name("password")));
    }
    if !path.ends_with(super::fixtures::COMMAND) {
        return path.into();
    }
    let place = path.display();
    let words = |words: &[&str]| words.iter().map(std::ffi::OsString::from).collect();
    let list = ["find", path.to_str().unwrap(), "-type", "f", "-printf", "%s %T@ %P\\0"];
    let restore =
        format!("tar -C '{place}' --null --verbatim-files-from -T \"$BKVERIFY_LIST0\" -Scf - | tar -xSf -");
    let commands = Commands {
        list: CommandLine::Program(words(&list)),
        form: ListForm::Find,
        restore: CommandLine::Shell(restore),
        batch: 100,
        below: String::new(),
        time_limit: std::time::Duration::from_secs(600),
    };
    registry::locate(Path::new("command:find"), Path::new("/")).with_commands(Some(commands))
}

/// A complete listing.
#[derive(Default)]
pub struct CollectedListing {
    pub picks: Mutex<EntryBatch>,
    pub restarted: AtomicBool,
    /// Whether to break after the first batch.
    pub enough: bool,
}

impl CatalogSink for CollectedListing {
    fn take(&self, entries: &EntryBatch) -> ControlFlow<()> {
        self.picks.lock().unwrap().extend(entries.iter());
        if self.enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn restart(&self) {
        self.picks.lock().unwrap().clear();
        assert!(!self.restarted.swap(true, Ordering::Relaxed), "restarts again and again");
    }
}

/// What was restored: for each path the hash of its content, or the reason why it was not restored.
#[derive(Default)]
pub struct RestoredFiles {
    pub files: BTreeMap<Vec<u8>, Result<blake3::Hash, String>>,
    /// The damage that the restore reported.
    pub lost: Vec<Damage>,
    /// Breaks after this many files.
    pub limit: Option<usize>,
}

impl RestoreSink for RestoredFiles {
    fn deliver(&mut self, entry: Entry<'_>, outcome: Result<Restored, RestoreError>) -> ControlFlow<()> {
        let outcome = outcome.map(|restored| hash(&content(&restored))).map_err(|error| error.to_string());
        let before = self.files.insert(entry.path.to_vec(), outcome);
        assert!(before.is_none(), "delivered twice: {}", bkverify::backup::escape(entry.path));
        if self.limit == Some(self.files.len()) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn lost(&mut self, damage: Damage) {
        self.lost.push(damage);
    }
}

/// The bytes of a restored file.
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

/// The hash as in the manifest.
pub fn hash(content: &[u8]) -> blake3::Hash {
    blake3::hash(content)
}

/// A complete listing. Checks that a backup with unique names does not restart it.
pub fn catalog(backup: &dyn Backup) -> (EntryBatch, Listing) {
    let taken = CollectedListing::default();
    let context = Context::default().with_threads(2);
    let listing = backup.catalog(Needs { size: true, mtime: true }, &context, &taken).unwrap();
    assert!(!backup.description().unique_names || !taken.restarted.into_inner());
    (taken.picks.into_inner().unwrap(), listing)
}

/// Creates a scratch folder below `target`.
pub fn scratch(target: &tempfile::TempDir, cancel: &CancelToken) -> Scratch {
    Scratch::create(target.path(), cancel.clone()).unwrap()
}

/// Restores the wanted entries.
pub fn restore(backup: &dyn Backup, wanted: Wanted<'_>) -> RestoredFiles {
    let target = tempfile::tempdir().unwrap();
    let mut restored = RestoredFiles::default();
    backup
        .restore(wanted, &scratch(&target, &CancelToken::new()), &Context::default(), &mut restored)
        .unwrap();
    restored
}
