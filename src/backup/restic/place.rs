//! The files of a repository, for the library that understands them.
//!
//! The library reads through this and nothing else. Every request to write is refused here, so
//! nothing that the library does can change a repository. What it may not find out by itself is
//! also checked here: whether the name of a file is the hash of its content, whether a pack reaches
//! as far as the index says, and how much memory a key file asks for.

use std::collections::HashSet;
use std::io;
use std::sync::OnceLock;

use bytes::Bytes;
use rustic_core::{BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult, WriteBackend};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::store::Store;

/// The most memory that a key file may ask for. restic's own need 32 MiB to 64 MiB.
const KEY_MEMORY: u64 = 1 << 30;

/// The most times that a key file may have that memory filled. restic's own ask for a few.
const KEY_ROUNDS: u64 = 64;

/// How many hexadecimal digits an id has.
const ID_DIGITS: usize = 64;

/// A repository, wherever its files are.
#[derive(Debug)]
pub(super) struct Place {
    store: Box<dyn Store>,
    /// The index files that were there when the index was read.
    indexes: OnceLock<Vec<Id>>,
}

/// What has become of a repository while it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It has all index files that it had.
    Same,
    /// Index files have gone. Only a prune removes them, together with packs.
    Pruned,
    /// It cannot be listed any more.
    Gone,
}

/// Why a file of the repository cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// It is not there.
    #[error("the {0} is missing")]
    Missing(String),
    /// The system cannot read it.
    #[error("the {0} cannot be read: {1}")]
    Read(String, io::Error),
    /// It ends before the part that is needed.
    #[error("the {0} ends too early")]
    Short(String),
    /// Its name is the hash of another content.
    #[error("the {0} is damaged: its content does not match its name")]
    Changed(String),
    /// A key file that would take too much memory.
    #[error("the {0} is damaged: it asks for too much memory or time")]
    Greedy(String),
    /// The library has asked for something that is never done.
    #[error("{0} is never done here")]
    Refused(&'static str),
}

impl From<Fault> for Box<RusticError> {
    fn from(fault: Fault) -> Self {
        RusticError::with_source(ErrorKind::Backend, fault.to_string(), fault)
    }
}

impl Fault {
    /// The fault behind an error of the library.
    pub(super) fn behind<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        std::iter::successors(Some(error), |error| error.source()).find_map(|error| error.downcast_ref())
    }

    fn of(name: String, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing(name),
            _ => Self::Read(name, error),
        }
    }
}

impl Place {
    pub(super) fn new(store: Box<dyn Store>) -> Self {
        Self { store, indexes: OnceLock::new() }
    }

    /// The names of all files of one kind, which is not that of packs.
    pub(super) fn ids(&self, kind: FileType) -> Result<Vec<Id>, Fault> {
        let names = self.store.names(kind);
        let names = names.map_err(|error| Fault::of(format!("folder {}", kind.dirname()), error))?;
        // Files with other names are those that a running backup has not finished.
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Remembers which index files there are.
    pub(super) fn note_indexes(&self) -> Result<&[Id], Fault> {
        let found = self.ids(FileType::Index)?;
        Ok(self.indexes.get_or_init(|| found))
    }

    /// What has become of the repository since its index was read.
    pub(super) fn now(&self) -> State {
        let Some(then) = self.indexes.get() else { return State::Same };
        match self.ids(FileType::Index).map(HashSet::<Id>::from_iter) {
            Ok(now) if then.iter().all(|id| now.contains(id)) => State::Same,
            Ok(_) => State::Pruned,
            Err(_) => State::Gone,
        }
    }

    /// Names of files that were once of this kind, but that nobody finds by these names: copies and
    /// conflicts that a program for synchronising has made.
    pub(super) fn strays(&self, kind: FileType) -> Vec<String> {
        let names = self.store.names(kind).unwrap_or_default();
        let is_stray = |name: &String| {
            let id = name.get(..ID_DIGITS).is_some_and(|id| id.parse::<Id>().is_ok());
            // restic itself writes to such a file before it renames it.
            id && name.len() > ID_DIGITS && !name.contains("-tmp-")
        };
        names.into_iter().filter(is_stray).collect()
    }

    fn whole(&self, kind: FileType, id: &Id) -> Result<Bytes, Fault> {
        let content = self.store.whole(kind, id).map_err(|error| Fault::of(name(kind, id), error))?;
        // The name of the file `config` is no hash. What is in it is protected by the key alone.
        if kind != FileType::Config && sha256(&content) != *id {
            return Err(Fault::Changed(name(kind, id)));
        }
        if kind == FileType::Key
            && serde_json::from_slice::<KeyCost>(&content).is_ok_and(|cost| cost.is_too_high())
        {
            return Err(Fault::Greedy(name(kind, id)));
        }
        Ok(content.into())
    }

    fn part(&self, kind: FileType, id: &Id, offset: u32, length: u32) -> Result<Bytes, Fault> {
        let content = self.store.part(kind, id, offset, length);
        match content.map_err(|error| Fault::of(name(kind, id), error))? {
            content if content.len() as u64 == u64::from(length) => Ok(content.into()),
            _ => Err(Fault::Short(name(kind, id))),
        }
    }
}

/// What a person calls a file of a repository: with the first digits of its name, as restic does.
fn name(kind: FileType, id: &Id) -> String {
    match kind {
        FileType::Config => "file config".to_owned(),
        kind => format!("{} {id}", kind.to_string().to_lowercase()),
    }
}

/// The hash by which the repository names its files and the pieces in its packs.
pub(super) fn sha256(content: &[u8]) -> Id {
    Id::new(Sha256::digest(content).into())
}

/// The cost of a key: `scrypt` takes 128 bytes times `N` and `r`, and fills them `p` times.
#[derive(Deserialize)]
struct KeyCost {
    #[serde(rename = "N")]
    n: u64,
    r: u64,
    p: u64,
}

impl KeyCost {
    fn is_too_high(&self) -> bool {
        self.n.saturating_mul(self.r).saturating_mul(128) > KEY_MEMORY || self.p > KEY_ROUNDS
    }
}

impl ReadBackend for Place {
    fn location(&self) -> String {
        self.store.location()
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        match kind {
            FileType::Pack => Err(Fault::Refused("listing packs").into()),
            FileType::Config => {
                let size = self.store.size(kind, &Id::default());
                let size = size.map_err(|error| Fault::of(name(kind, &Id::default()), error))?;
                Ok(vec![(Id::default(), u32::try_from(size).unwrap_or(u32::MAX))])
            }
            // Nothing that is read here asks for their sizes.
            _ => Ok(self.ids(kind)?.into_iter().map(|id| (id, 0)).collect()),
        }
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<Bytes> {
        Ok(self.whole(kind, id)?)
    }

    fn read_partial(
        &self,
        kind: FileType,
        id: &Id,
        _cacheable: bool,
        offset: u32,
        length: u32,
    ) -> RusticResult<Bytes> {
        Ok(self.part(kind, id, offset, length)?)
    }

    fn warmup_path(&self, kind: FileType, id: &Id) -> String {
        name(kind, id)
    }
}

/// Required by the library. Nothing is ever written.
impl WriteBackend for Place {
    fn create(&self) -> RusticResult<()> {
        Err(Fault::Refused("creating a repository").into())
    }

    fn write_bytes(&self, _: FileType, _: &Id, _: bool, _: BytesList) -> RusticResult<()> {
        Err(Fault::Refused("writing to a repository").into())
    }

    fn remove(&self, _: FileType, _: &Id, _: bool) -> RusticResult<()> {
        Err(Fault::Refused("removing files of a repository").into())
    }
}
