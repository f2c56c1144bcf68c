//! An open repository: its pieces by their hashes, and what its problems mean.
//!
//! restic cuts files into pieces (blobs), which lie in packs; an index says where. The library
//! decrypts a piece and checks that it was encrypted with the key of this repository. Here its hash
//! is checked, too: that is the name by which a file refers to it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use rustic_core::repofile::BlobType;
use rustic_core::{
    BlobId, Credentials, FileType, Id, IndexedFullStatus, OpenStatus, PackedId, Repository,
    RepositoryBackends, RepositoryOptions, RusticError, RusticResult,
};

use super::place::{Fault, Place, State, sha256};
use crate::backup::RestoreError;
use crate::threads;
use crate::words;

/// What is said if packs were removed during the run.
const PRUNED: &str = "the repository was changed while it was read, by restic prune or forget --prune: verify again when that has ended";

/// What is said if the repository is no longer where it was.
const GONE: &str = "the repository can no longer be read: see whether the server runs, or the place where it is is still mounted";

/// What a person can do if files of the repository may not be read.
const ACCOUNT: &str = "run bkverify as an account that may read the repository";

/// What the library says about a version of the format that it does not know.
const OTHER_VERSION: &str = "Config version";

/// What a person can do about damage.
const CHECK: &str = "run restic check --read-data";

/// A repository whose password was right, and whose index is read.
#[derive(Debug)]
pub(super) struct Opened {
    place: Arc<Place>,
    files: Repository<IndexedFullStatus>,
}

/// A repository whose password was right.
pub(super) struct Unlocked {
    place: Arc<Place>,
    files: Repository<OpenStatus>,
}

impl Unlocked {
    /// Unlocks a repository.
    ///
    /// # Errors
    /// A sentence that says what is wrong, and what to do.
    pub(super) fn open(place: Place, password: &str) -> Result<Self, String> {
        let place = Arc::new(place);
        if place.ids(FileType::Key).map_err(sentence)?.is_empty() {
            return Err("it has lost its keys (the folder keys is empty), and nothing can be read without them: copy them from another copy of the repository".to_owned());
        }
        let files = guard(|| {
            let backends = RepositoryBackends::new(Arc::clone(&place) as _, None);
            // The library would store its cache in the home folder.
            let options = RepositoryOptions::default().no_cache(true);
            Repository::new(&options, &backends)?.open(&Credentials::password(password))
        });
        match files {
            Ok(files) => Ok(Self { place, files }),
            Err(problem) if problem.is_password => {
                Err("the password is not one of this repository: see --password, or RESTIC_PASSWORD_FILE"
                    .to_owned())
            }
            Err(problem) if problem.text.contains(OTHER_VERSION) => Err(
                "it is a repository of a newer restic, whose format is not known here: look for a newer bkverify"
                    .to_owned(),
            ),
            // restic check would need the key, too.
            Err(problem) if problem.text.starts_with("the key ") && problem.denied.is_none() => {
                Err(problem.and("copy the folder keys from another copy of the repository"))
            }
            Err(problem) => Err(problem.sentence()),
        }
    }

    /// The names of files in the folder of snapshots that are no names of snapshots.
    pub(super) fn stray_snapshots(&self) -> Vec<String> {
        self.place.strays(FileType::Snapshot)
    }

    /// The names of the files that describe its snapshots.
    pub(super) fn snapshots(&self) -> Result<Vec<Id>, String> {
        self.place.ids(FileType::Snapshot).map_err(sentence)
    }

    /// The content of a file that describes a snapshot.
    pub(super) fn snapshot(&self, id: &Id) -> Result<Bytes, String> {
        guard(|| self.files.cat_file(FileType::Snapshot, &id.to_hex())).map_err(|problem| problem.text)
    }

    /// Reads the index.
    pub(super) fn index(self) -> Result<Opened, String> {
        let Self { place, files } = self;
        if place.note_indexes().map_err(sentence)?.is_empty() {
            return Err("its index is missing (the folder index is empty): run restic rebuild-index (restic repair index from version 0.16 on)".to_owned());
        }
        let read = || guard(|| files.to_indexed());
        // The library reads in the background, on a thread of the same pool.
        let pool = threads::pool(2, "index").filter(|pool| pool.current_num_threads() > 1);
        let indexed = match pool {
            Some(pool) => pool.install(read),
            None => read(),
        };
        match indexed {
            Ok(files) => Ok(Opened { place, files }),
            Err(problem) if problem.is_missing && place.now() == State::Pruned => Err(PRUNED.to_owned()),
            Err(problem) if problem.denied.is_some() => Err(problem.sentence()),
            Err(problem) => Err(problem.and(
                "run restic rebuild-index (restic repair index from version 0.16 on), then restic check --read-data",
            )),
        }
    }
}

impl Opened {
    /// A piece of the repository, which is exactly what its hash says.
    pub(super) fn blob<T: PackedId>(&self, hash: Id) -> Result<Bytes, Problem> {
        let id = BlobId::from(hash);
        if self.pack_of::<T>(hash).is_none() {
            let kind = if T::TYPE == BlobType::Tree { "a list of files" } else { "a piece of it" };
            let text = format!("{kind} ({hash}) is in no index");
            // The index is in memory, so a repository that has gone is no excuse.
            return Err(match self.place.now() {
                State::Pruned => Problem::pruned(),
                _ => Problem { text, ..Problem::default() },
            });
        }
        let content = guard(|| self.files.get_blob_cached(&id, T::TYPE)).map_err(|problem| {
            let pack = self.pack_of::<T>(hash).map(|(pack, _)| pack.to_string()).unwrap_or_default();
            self.judged(problem.within(&pack))
        })?;
        if sha256(&content) == hash {
            return Ok(content);
        }
        let text = format!("a piece of it ({hash}) has another content than its name says");
        Err(Problem { text, is_checksum: true, ..Problem::default() })
    }

    /// The pack in which a piece is, and its position there. `None` if it is in no index.
    pub(super) fn pack_of<T: PackedId>(&self, hash: Id) -> Option<(Id, u32)> {
        let entry = self.files.get_index_entry(&T::from(BlobId::from(hash))).ok()?;
        Some((*entry.pack, entry.location.offset))
    }

    /// The same problem, unless something is missing because a prune has removed it, or because the
    /// whole repository has gone. Bytes that are there and wrong are damage whatever a prune does:
    /// a pack never changes.
    fn judged(&self, problem: Problem) -> Problem {
        match self.place.now() {
            State::Pruned if problem.is_missing => Problem::pruned(),
            State::Gone if problem.is_missing || problem.is_unread() => {
                Problem { text: GONE.to_owned(), is_away: true, ..problem }
            }
            _ => problem,
        }
    }
}

/// Why something of the repository cannot be read.
#[derive(Debug, Default)]
pub(super) struct Problem {
    text: String,
    is_password: bool,
    is_checksum: bool,
    /// It is not there.
    is_missing: bool,
    is_pruned: bool,
    /// The server or the place does not give it, and nothing is known about it.
    is_away: bool,
    /// What the system says, if that is the reason.
    denied: Option<std::io::ErrorKind>,
}

impl Problem {
    /// What a person should know and do next.
    pub(super) fn sentence(&self) -> String {
        match self {
            Self { is_pruned: true, .. } | Self { is_away: true, .. } => self.text.clone(),
            Self { denied: Some(std::io::ErrorKind::PermissionDenied), .. } => self.and(ACCOUNT),
            Self { denied: Some(_), .. } => self.text.clone(),
            _ => self.and(CHECK),
        }
    }

    fn pruned() -> Self {
        Self { text: PRUNED.to_owned(), is_pruned: true, ..Self::default() }
    }

    /// Whether the repository has lost something, for good.
    pub(super) fn is_damage(&self) -> bool {
        self.denied.is_none() && !self.is_pruned && !self.is_away
    }

    /// Whether the backup is not to blame.
    pub(super) fn is_gap(&self) -> bool {
        self.denied == Some(std::io::ErrorKind::PermissionDenied) || self.is_pruned || self.is_away
    }

    /// Whether the system or the server failed to read it, and has not said why.
    fn is_unread(&self) -> bool {
        self.denied.is_some() && !self.is_gap()
    }

    fn and(&self, next: &str) -> String {
        format!("{}: {next}", self.text)
    }

    /// Names the pack, if only the library has noticed the problem.
    fn within(self, pack: &str) -> Self {
        if self.text != DAMAGED {
            return self;
        }
        Self { text: format!("a piece of it in the pack {pack} {DAMAGED}"), ..self }
    }
}

impl From<Problem> for RestoreError {
    fn from(problem: Problem) -> Self {
        let sentence = problem.sentence();
        match problem {
            Problem { is_pruned: true, .. } | Problem { is_away: true, .. } => Self::Unsupported(sentence),
            Problem { denied: Some(kind), .. } => Self::Read(std::io::Error::new(kind, sentence)),
            Problem { is_checksum: true, .. } => Self::Checksum(sentence),
            _ => Self::Damaged(sentence),
        }
    }
}

/// What the library says if bytes were not encrypted with the key of the repository.
const DAMAGED: &str = "is damaged";

impl From<&Fault> for Problem {
    fn from(fault: &Fault) -> Self {
        let denied = match fault {
            Fault::Read(_, error) => Some(error.kind()),
            _ => None,
        };
        let is_missing = matches!(fault, Fault::Missing(_));
        // So says a server that does not answer, and a mounted place whose program has ended.
        let is_away = denied == Some(std::io::ErrorKind::NotConnected);
        Self { text: fault.to_string(), denied, is_missing, is_away, ..Self::default() }
    }
}

/// What a person should know about a fault, and do next.
#[expect(clippy::needless_pass_by_value, reason = "as `map_err` passes it")]
fn sentence(fault: Fault) -> String {
    Problem::from(&fault).sentence()
}

impl From<Box<RusticError>> for Problem {
    fn from(error: Box<RusticError>) -> Self {
        let is_password = error.is_incorrect_password();
        if let Some(fault) = Fault::behind(&*error) {
            return Self::from(fault);
        }
        let is_damaged = is_forged(&error);
        let said = error.display_log();
        let said = said.strip_prefix("Error: ").unwrap_or(&said).replace('\n', " ");
        let text = if is_damaged { DAMAGED.to_owned() } else { words::printable(&said).into_owned() };
        Self { text, is_password, ..Self::default() }
    }
}

/// Whether the library has found that bytes do not belong to the key of the repository.
fn is_forged(error: &RusticError) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        let inner = error.downcast_ref::<Box<RusticError>>().map(|boxed| &**boxed);
        if inner.or_else(|| error.downcast_ref()).is_some_and(|error: &RusticError| error.is_code("C001")) {
            return true;
        }
        next = error.source();
    }
    false
}

/// Calls the library. If it panics, that is a problem with what it was to read, and does not end
/// the run.
fn guard<T>(call: impl FnOnce() -> RusticResult<T>) -> Result<T, Problem> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(outcome) => outcome.map_err(Problem::from),
        Err(_) => {
            let text = "the library that reads repositories has failed (see standard error)".to_owned();
            Err(Problem { text, ..Problem::default() })
        }
    }
}

#[cfg(test)]
mod tests {
    use rustic_core::repofile::ConfigFile;
    use rustic_core::{BytesList, KeyOptions, ReadBackend, WriteBackend};

    use super::super::store::Folder;
    use super::*;

    fn in_folder(folder: &std::path::Path) -> Place {
        Place::new(Box::new(Folder::new(folder, false)))
    }

    /// A folder to which the library may write.
    #[derive(Debug)]
    struct Writable(std::path::PathBuf, Place);

    impl ReadBackend for Writable {
        fn location(&self) -> String {
            self.1.location()
        }

        fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
            if kind == FileType::Config { Ok(Vec::new()) } else { self.1.list_with_size(kind) }
        }

        fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<Bytes> {
            self.1.read_full(kind, id)
        }

        fn read_partial(
            &self,
            kind: FileType,
            id: &Id,
            cacheable: bool,
            at: u32,
            length: u32,
        ) -> RusticResult<Bytes> {
            self.1.read_partial(kind, id, cacheable, at, length)
        }

        fn warmup_path(&self, kind: FileType, id: &Id) -> String {
            self.1.warmup_path(kind, id)
        }
    }

    impl WriteBackend for Writable {
        fn write_bytes(&self, kind: FileType, id: &Id, _: bool, content: BytesList) -> RusticResult<()> {
            let folder = self.0.join(kind.dirname());
            let place = if kind == FileType::Config { folder } else { folder.join(&*id.to_hex()) };
            std::fs::write(place, content.into_vec().concat()).unwrap();
            Ok(())
        }

        fn remove(&self, _: FileType, _: &Id, _: bool) -> RusticResult<()> {
            panic!("nothing is removed")
        }
    }

    fn made(version: u32) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in ["data", "index", "keys", "snapshots"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let writable = Writable(folder.path().to_owned(), in_folder(folder.path()));
        let backends = RepositoryBackends::new(Arc::new(writable), None);
        let repository = Repository::new(&RepositoryOptions::default().no_cache(true), &backends).unwrap();
        let id = "ab".repeat(32);
        let config = format!(r#"{{"version":{version},"id":"{id}","chunker_polynomial":"3da3358b4dc173"}}"#);
        let config: ConfigFile = serde_json::from_str(&config).unwrap();
        // The library can write what it cannot open afterwards.
        let _ = repository.init_with_config(&Credentials::password("right"), &KeyOptions::default(), config);
        folder
    }

    #[test]
    fn a_repository_of_a_newer_format_asks_for_a_newer_program() {
        let known = made(2);
        assert!(Unlocked::open(in_folder(known.path()), "right").is_ok());
        let wrong = Unlocked::open(in_folder(known.path()), "wrong").err().unwrap();
        assert!(wrong.contains("not one of this repository"), "{wrong}");
        let newer = made(3);
        let newer = Unlocked::open(in_folder(newer.path()), "right").err().unwrap();
        assert!(newer.contains("look for a newer bkverify"), "{newer}");
    }

    #[test]
    fn the_library_cannot_write_to_a_place() {
        let folder = made(2);
        let place = in_folder(folder.path());
        let content = || BytesList::from(Bytes::from_static(b"x"));
        assert!(place.create().is_err());
        assert!(place.write_bytes(FileType::Pack, &Id::default(), false, content()).is_err());
        let key = place.ids(FileType::Key).unwrap()[0];
        assert!(place.remove(FileType::Key, &key, false).is_err());
        assert_eq!(place.ids(FileType::Key).unwrap(), [key]);
    }

    #[test]
    fn a_panic_of_the_library_is_a_problem_and_not_the_end() {
        let problem = guard(|| -> RusticResult<()> { panic!("as a test") }).unwrap_err();
        assert!(problem.sentence().contains("has failed"), "{problem:?}");
    }
}
