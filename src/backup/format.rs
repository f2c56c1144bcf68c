//! How a format describes itself, so that backups of it can be found and opened. Each format
//! defines one constant of this type in its own file.

use std::fs::File;
use std::path::Path;

use super::repository::Repository;
use super::{Backup, Context, Error, Location, Snapshot};
use crate::bytes::FileBytes;
use crate::platform::{self, Kind, Stat};

/// A kind of backup that can be verified.
#[derive(Debug)]
pub struct Format {
    /// Its name, as in [`Description::format`](super::Description::format).
    pub name: &'static str,
    /// Its name in a sentence, with the article. Formats of one family share it.
    pub kind: &'static str,
    /// One line for help texts and tables.
    pub summary: &'static str,
    /// The address schemes that it opens (`sftp` in `sftp:host:/folder`).
    pub schemes: &'static [&'static str],
    /// Tells whether a file or folder on this machine is in this format, by its content and not by
    /// its name.
    pub(super) recognise: fn(&BackupCandidate<'_>) -> bool,
    /// Opens what was recognised, or the backup at an address with one of the schemes. Nothing is
    /// written to it.
    pub(super) open: Open,
    /// Lists the backups at a location that can hold several. `None` if the format holds only one
    /// backup at each location.
    pub(super) snapshots: Option<Snapshots>,
    /// Whether its backups have volumes, of which the user may name one.
    pub(super) has_volumes: bool,
}

/// See [`Format::open`].
type Open = fn(&BackupCandidate<'_>, &Context) -> Result<Box<dyn Backup>, Error>;

/// See [`Format::snapshots`].
type Snapshots = fn(&BackupCandidate<'_>, &Context) -> Result<Vec<Snapshot>, Error>;

/// A location that may be a backup, and what was found there.
pub(super) struct BackupCandidate<'a> {
    location: &'a Location,
    kind: CandidateKind,
    /// The first bytes of a file: at most two blocks (1,024 bytes).
    first: Vec<u8>,
}

/// What was found at a location.
enum CandidateKind {
    /// An address. Only the format that claims its scheme can find out what is there.
    Address,
    Folder,
    File(File, Stat),
}

impl<'a> BackupCandidate<'a> {
    /// Looks at the file or folder at `location`. Leaves a file's access time unchanged if the
    /// system allows it. `cold` opens the file to be read from the disk.
    pub(super) fn look(location: &'a Location, cold: bool) -> Result<Self, Error> {
        let fail = |source| Error::Open { location: location.clone(), source };
        let Some(path) = location.local() else {
            return Ok(Self { location, kind: CandidateKind::Address, first: Vec::new() });
        };
        if std::fs::metadata(path).map_err(fail)?.is_dir() {
            return Ok(Self { location, kind: CandidateKind::Folder, first: Vec::new() });
        }
        let file = platform::open_to_read(path, cold).map_err(fail)?;
        let stat = platform::stat(&file).map_err(fail)?;
        let mut first = vec![0; 1024];
        if stat.kind == Kind::File {
            let got = platform::read_at(&file, &mut first, 0).map_err(fail)?;
            first.truncate(got);
        }
        Ok(Self { location, kind: CandidateKind::File(file, stat), first })
    }

    /// The location that was looked at.
    pub(super) fn location(&self) -> &'a Location {
        self.location
    }

    /// The path, if it is a folder.
    pub(super) fn folder(&self) -> Option<&'a Path> {
        self.location.local().filter(|_| matches!(self.kind, CandidateKind::Folder))
    }

    /// The open file and its metadata, if it is a regular file.
    pub(super) fn file(&self) -> Option<(&File, Stat)> {
        match &self.kind {
            CandidateKind::File(file, stat) if stat.kind == Kind::File => Some((file, *stat)),
            _ => None,
        }
    }

    /// The bytes of a regular file, through a handle of their own, and the file's metadata.
    pub(super) fn bytes(&self) -> Result<(Box<FileBytes>, Stat), Error> {
        let fail = |source| Error::Open { location: self.location.clone(), source };
        let (file, stat) = self.file().ok_or_else(|| fail(std::io::ErrorKind::InvalidInput.into()))?;
        let file = file.try_clone().map_err(fail)?;
        Ok((Box::new(FileBytes::new(file, stat.size)), stat))
    }

    /// The first bytes of a file: at most two blocks (1,024 bytes).
    pub(super) fn first(&self) -> &[u8] {
        &self.first
    }

    /// The first block, if the file has a whole one.
    pub(super) fn first_block(&self) -> Option<&[u8; 512]> {
        self.first.first_chunk()
    }

    /// The error if no format recognises it.
    pub(super) fn unrecognised(&self) -> Error {
        let what = self.foreign().unwrap_or_else(|| {
            let bytes: Vec<_> = self.first.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
            format!("its first bytes: {}", bytes.join(" "))
        });
        Error::Unrecognised { location: self.location.clone(), what }
    }

    /// If the file is clearly not a backup of a known format: what it is, and what the user can do.
    fn foreign(&self) -> Option<String> {
        if let Some(folder) = self.folder() {
            if let Some(found) = Repository::at(folder) {
                let (name, folder) = (found.name(), folder.display());
                return Some(format!("it is a {name} repository: write --backup {name}:{folder}"));
            }
            let name = Repository::remains_at(folder)?.name();
            return Some(format!(
                "it is what is left of a {name} repository, of which parts are missing: see what {name} itself says about it"
            ));
        }
        let CandidateKind::File(_, stat) = &self.kind else { return None };
        if stat.kind != Kind::File {
            return Some("it is neither a file nor a folder".to_owned());
        }
        if stat.size == 0 {
            return Some(
                "the file is empty; check whether the program that should have written it failed".to_owned(),
            );
        }
        let foreign = FOREIGN.iter().find(|(mark, _)| self.first.starts_with(mark));
        foreign.map(|(_, name)| {
            format!("it is {name}, which is not supported; unpack it into a folder, and verify that folder")
        })
    }
}

/// The first bytes of formats that people may expect to be supported, with their names.
const FOREIGN: [(&[u8], &str); 8] = [
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x04\x22\x4d\x18", "lz4-compressed data"),
    (b"LZIP", "lzip-compressed data"),
    (b"\x89LZO", "lzop-compressed data"),
    (b"\x1f\x9d", "data compressed by the old compress program"),
    (b"\x5d\x00\x00", "data compressed by the old lzma program"),
    (b"07070", "a cpio archive"),
];
