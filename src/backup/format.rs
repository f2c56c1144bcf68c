//! What a format says of itself to be found and opened: a constant in the format's own file.

use std::fs::File;
use std::path::Path;

use super::bytes::FileBytes;
use super::{Backup, Context, Error, Location};
use crate::platform::{self, Kind, Stat, Timestamp};

/// A kind of backup that can be verified.
#[derive(Debug)]
pub struct Format {
    /// Its name, as [`Description::format`](super::Description::format) has it.
    pub name: &'static str,
    /// What it is called in a sentence, with its article; formats of one family share it.
    pub kind: &'static str,
    /// What it is, in one line for help texts and tables.
    pub summary: &'static str,
    /// Schemes of the addresses that it opens (`sftp` of `sftp:host:/folder`).
    pub schemes: &'static [&'static str],
    /// Whether something on this machine is of this format, by its content and not by its name.
    pub(super) recognise: fn(&Candidate<'_>) -> bool,
    /// Opens what was recognised, or what an address with one of its schemes names. Nothing is
    /// written to it.
    pub(super) open: Open,
    /// Lists what can be opened of a place that holds several backups; none for a format whose
    /// place holds one.
    pub(super) snapshots: Option<Snapshots>,
}

/// See [`Format::open`].
type Open = fn(&Candidate<'_>, &Context) -> Result<Box<dyn Backup>, Error>;

/// See [`Format::snapshots`].
type Snapshots = fn(&Candidate<'_>, &Context) -> Result<Vec<Snapshot>, Error>;

/// One of the backups that a place holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// What it is opened by.
    pub name: String,
    /// When it was taken, where that is recorded.
    pub taken: Option<Timestamp>,
}

/// What could be a backup.
pub(super) struct Candidate<'a> {
    location: &'a Location,
    found: Found,
    /// Up to two blocks from the start of a file.
    first: Vec<u8>,
}

/// What is at a location.
enum Found {
    /// That is for the format to find out which claims the address.
    Address,
    Folder,
    File(File, Stat),
}

impl<'a> Candidate<'a> {
    /// Looks at what is there. The access time of a file is left alone where the system allows.
    pub(super) fn look(location: &'a Location, cold: bool) -> Result<Self, Error> {
        let fail = |source| Error::Open { location: location.clone(), source };
        let Some(path) = location.local() else {
            return Ok(Self { location, found: Found::Address, first: Vec::new() });
        };
        if std::fs::metadata(path).map_err(fail)?.is_dir() {
            return Ok(Self { location, found: Found::Folder, first: Vec::new() });
        }
        let file = platform::open_to_read(path, cold).map_err(fail)?;
        let stat = platform::stat(&file).map_err(fail)?;
        let mut first = vec![0; 1024];
        if stat.kind == Kind::File {
            let got = platform::read_at(&file, &mut first, 0).map_err(fail)?;
            first.truncate(got);
        }
        Ok(Self { location, found: Found::File(file, stat), first })
    }

    /// Where it is.
    pub(super) fn location(&self) -> &'a Location {
        self.location
    }

    /// The path of a folder.
    pub(super) fn folder(&self) -> Option<&'a Path> {
        self.location.local().filter(|_| matches!(self.found, Found::Folder))
    }

    /// A regular file.
    pub(super) fn file(&self) -> Option<(&File, Stat)> {
        match &self.found {
            Found::File(file, stat) if stat.kind == Kind::File => Some((file, *stat)),
            _ => None,
        }
    }

    /// The bytes of a file, for a format to keep, and the file's state.
    pub(super) fn bytes(&self) -> Result<(Box<FileBytes>, Stat), Error> {
        let fail = |source| Error::Open { location: self.location.clone(), source };
        let (file, stat) = self.file().ok_or_else(|| fail(std::io::ErrorKind::InvalidInput.into()))?;
        let file = file.try_clone().map_err(fail)?;
        Ok((Box::new(FileBytes::new(file, stat.size)), stat))
    }

    /// How a file begins: two blocks at most.
    pub(super) fn first(&self) -> &[u8] {
        &self.first
    }

    /// The first block, if there is a whole one.
    pub(super) fn first_block(&self) -> Option<&[u8; 512]> {
        self.first.first_chunk()
    }

    /// The error for what no format recognises.
    pub(super) fn unrecognised(&self) -> Error {
        let location = self.location.clone();
        if let Some(problem) = self.foreign() {
            return Error::NotABackup { location, problem };
        }
        let bytes: Vec<_> = self.first.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Error::Unrecognised { location, first_bytes: bytes.join(" ") }
    }

    /// What a file that is no known backup is, where that can be told, and what to do.
    fn foreign(&self) -> Option<String> {
        let Found::File(_, stat) = &self.found else { return None };
        if stat.kind != Kind::File {
            return Some("it is neither a file nor a folder".to_owned());
        }
        if stat.size == 0 {
            return Some(
                "the file is empty; look whether the program that should have written it failed".to_owned(),
            );
        }
        let foreign = FOREIGN.iter().find(|(mark, _)| self.first.starts_with(mark));
        foreign.map(|(_, name)| {
            format!("it is {name}, which is not supported; unpack it into a folder, and verify that folder")
        })
    }
}

/// First bytes of formats that people may take for supported ones.
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
