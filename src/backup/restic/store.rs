//! Where the files of a repository are: a folder of this machine, or a server
//! ([`rest`](super::rest)).

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rustic_core::{FileType, Id};

use crate::bytes::{FileBytes, ReadAt};
use crate::lock::lock;
use crate::platform;

/// The files of a repository. They can only be read.
pub(super) trait Store: fmt::Debug + Send + Sync {
    /// The names of all files of one kind, which is not that of packs.
    fn names(&self, kind: FileType) -> io::Result<Vec<String>>;

    /// The size of a file in bytes.
    fn size(&self, kind: FileType, id: &Id) -> io::Result<u64>;

    /// The content of a file.
    fn whole(&self, kind: FileType, id: &Id) -> io::Result<Vec<u8>>;

    /// A part of a file: `length` bytes from `offset` on, or fewer if the file ends before.
    fn part(&self, kind: FileType, id: &Id, offset: u32, length: u32) -> io::Result<Vec<u8>>;

    /// What the repository is called in messages.
    fn location(&self) -> String;
}

/// A folder of this machine.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Whether packs are read from the disk, and not from the system's cache.
    cold: bool,
    /// Packs that are no longer in the system's cache, unless they were read here.
    dropped: Mutex<HashSet<Id>>,
}

impl Folder {
    pub(super) fn new(path: &Path, cold: bool) -> Self {
        Self { path: path.to_owned(), cold, dropped: Mutex::default() }
    }

    fn file(&self, kind: FileType, id: &Id) -> PathBuf {
        let hex = id.to_hex();
        let folder = self.path.join(kind.dirname());
        match kind {
            FileType::Config => folder,
            FileType::Pack => folder.join(&hex[..2]).join(&*hex),
            _ => folder.join(&*hex),
        }
    }

    fn open(&self, kind: FileType, id: &Id) -> io::Result<(File, u64)> {
        // Once for each pack: many pieces of it are read one by one.
        let cold = self.cold && kind == FileType::Pack && lock(&self.dropped).insert(*id);
        let file = platform::open_to_read(&self.file(kind, id), cold)?;
        let size = file.metadata()?.len();
        Ok((file, size))
    }
}

impl Store for Folder {
    fn names(&self, kind: FileType) -> io::Result<Vec<String>> {
        let entries = std::fs::read_dir(self.path.join(kind.dirname()))?;
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn size(&self, kind: FileType, id: &Id) -> io::Result<u64> {
        self.open(kind, id).map(|(_, size)| size)
    }

    fn whole(&self, kind: FileType, id: &Id) -> io::Result<Vec<u8>> {
        let (mut file, _) = self.open(kind, id)?;
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        Ok(content)
    }

    fn part(&self, kind: FileType, id: &Id, offset: u32, length: u32) -> io::Result<Vec<u8>> {
        let (file, size) = self.open(kind, id)?;
        // No more memory than there are bytes: an index may ask for anything.
        let length = u64::from(length).min(size.saturating_sub(offset.into()));
        let mut content = vec![0; usize::try_from(length).unwrap_or(0)];
        let got = FileBytes::new(file, size).read_full_at(&mut content, offset.into())?;
        content.truncate(got);
        Ok(content)
    }

    fn location(&self) -> String {
        self.path.display().to_string()
    }
}
