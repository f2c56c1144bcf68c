//! All formats: what each is called, and how it is recognised by its content.
//!
//! In: a place. Out: the backup there. A file's name never matters. To add a format, write its file
//! and add its line to [`FORMATS`]; the tests below and the contract suite then run on it.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use super::bytes::{FileBytes, ReadAt, Reader, is_all_zero};
use super::compression::{Compression, NEEDS_MEMORY, is_out_of_memory};
use super::tar::{self, Tar};
use super::zip::{self, Zip};
use super::{Backup, Error, Folder};
use crate::platform::{self, Kind, Stat, Timestamp};

/// A kind of backup that can be verified.
#[derive(Debug)]
pub struct Format {
    /// Its name, one of those in [`Description::format`](super::Description::format).
    pub name: &'static str,
    /// What it is, in one line for help texts.
    pub description: &'static str,
    open: fn(&Candidate<'_>) -> Attempt,
}

/// `None` for what is not of the format; an error for what is, but cannot be used.
type Attempt = Option<Result<Box<dyn Backup>, Error>>;

/// All formats, in the order in which they are tried.
pub static FORMATS: [Format; 7] = [
    Format {
        name: "folder",
        description: "a folder with the files as they are (robocopy, rsync, rclone, cp)",
        open: open_folder,
    },
    Format {
        name: "tar.gz",
        description: "tar compressed by gzip or pigz",
        open: |candidate| open_compressed(candidate, Compression::Gzip),
    },
    Format {
        name: "tar.bz2",
        description: "tar compressed by bzip2",
        open: |candidate| open_compressed(candidate, Compression::Bzip2),
    },
    Format {
        name: "tar.xz",
        description: "tar compressed by xz",
        open: |candidate| open_compressed(candidate, Compression::Xz),
    },
    Format {
        name: "tar.zst",
        description: "tar compressed by zstd",
        open: |candidate| open_compressed(candidate, Compression::Zstd),
    },
    Format {
        name: "tar",
        description: "tar: v7, ustar, GNU and pax, sparse files and hard links included",
        open: open_tar,
    },
    Format {
        name: "zip",
        description: "zip and zip64: stored, deflate, bzip2, xz, zstd; also behind a program",
        open: open_zip,
    },
];

/// An archive of nothing but empty blocks is believed up to this many bytes; GNU tar makes 10,240.
const EMPTY_TAR_MAX: u64 = 1 << 20;

/// What could be a backup.
struct Candidate<'a> {
    place: &'a Path,
    cold: bool,
    /// `None` for a folder.
    file: Option<(File, Stat)>,
    /// Up to two blocks from its start.
    first: Vec<u8>,
}

/// Opens the backup at `place`, whatever its name is. Nothing is written to it, and its access time
/// is left alone where the system allows. With `cold` it is read from the disk and not from the
/// system's cache.
pub fn open(place: &Path, cold: bool) -> Result<Box<dyn Backup>, Error> {
    let candidate = Candidate::look(place, cold)?;
    if let Some(opened) = FORMATS.iter().find_map(|format| (format.open)(&candidate)) {
        return opened;
    }
    if let Some(problem) = candidate.hint() {
        return Err(Error::NotABackup { place: place.to_owned(), problem });
    }
    let first_bytes =
        candidate.first.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    Err(Error::Unrecognised { place: place.to_owned(), first_bytes })
}

impl<'a> Candidate<'a> {
    fn look(place: &'a Path, cold: bool) -> Result<Self, Error> {
        let fail = |source| Error::Open { place: place.to_owned(), source };
        if std::fs::metadata(place).map_err(fail)?.is_dir() {
            return Ok(Self { place, cold, file: None, first: Vec::new() });
        }
        let file = platform::open_to_read(place, cold).map_err(fail)?;
        let stat = platform::stat(&file).map_err(fail)?;
        let mut first = vec![0; 1024];
        if stat.kind == Kind::File {
            let got = platform::read_at(&file, &mut first, 0).map_err(fail)?;
            first.truncate(got);
        }
        Ok(Self { place, cold, file: Some((file, stat)), first })
    }

    /// The bytes of a file, for a format to keep, and when it was modified last.
    fn file(&self) -> Option<Result<(Box<FileBytes>, Timestamp), Error>> {
        let (file, stat) = self.file.as_ref().filter(|(_, stat)| stat.kind == Kind::File)?;
        let cloned = file.try_clone().map_err(|source| Error::Open { place: self.place.to_owned(), source });
        Some(cloned.map(|file| (Box::new(FileBytes::new(file, stat.size)), stat.mtime)))
    }

    /// The first block, if there is a whole one.
    fn first_block(&self) -> Option<&[u8; 512]> {
        self.first.first_chunk()
    }

    /// What a file that is no known backup is, where that can be told, and what to do.
    fn hint(&self) -> Option<String> {
        let (_, stat) = self.file.as_ref()?;
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

fn open_folder(candidate: &Candidate<'_>) -> Attempt {
    candidate
        .file
        .is_none()
        .then(|| Ok(Box::new(Folder::open(candidate.place, candidate.cold)?) as Box<dyn Backup>))
}

fn open_tar(candidate: &Candidate<'_>) -> Attempt {
    let (bytes, taken) = match candidate.file()? {
        Ok(opened) => opened,
        Err(error) => return Some(Err(error)),
    };
    let is_empty =
        || (1024..=EMPTY_TAR_MAX).contains(&bytes.len()) && bytes.len() % 512 == 0 && is_all_zero(&*bytes, 0);
    let is_tar = tar::is_header(candidate.first_block()?) || is_empty();
    is_tar.then(|| {
        if zip::is_end(&*bytes) {
            let problem = "it begins as a tar archive and ends as a zip archive: two archives were joined; get both apart, \
                and verify each"
                .to_owned();
            return Err(Error::NotABackup { place: candidate.place.to_owned(), problem });
        }
        Ok(Box::new(Tar::new(candidate.place, bytes, Some(taken), None)) as Box<dyn Backup>)
    })
}

fn open_compressed(candidate: &Candidate<'_>, compression: Compression) -> Attempt {
    if Compression::recognise(&candidate.first) != Some(compression) {
        return None;
    }
    Some(candidate.file()?.and_then(|(bytes, taken)| {
        check_holds_tar(candidate.place, &*bytes, compression)?;
        Ok(Box::new(Tar::new(candidate.place, bytes, Some(taken), Some(compression))) as Box<dyn Backup>)
    }))
}

/// Uncompresses the first block; an error unless it begins a tar archive, be it one without
/// members.
fn check_holds_tar(place: &Path, bytes: &dyn ReadAt, compression: Compression) -> Result<(), Error> {
    let name = compression.name();
    let mut first = [0; 1024];
    let compressed = BufReader::new(Reader::new(bytes));
    let read = compression.decoder(compressed).and_then(|mut decoder| {
        platform::read_full(&mut decoder, &mut first[..512]).and_then(|got| {
            // A second block tells an empty archive from chance; it may lie behind damage, which
            // the listing reports.
            Ok(got
                + if got == 512 && first[..512] == [0; 512] {
                    platform::read_full(&mut decoder, &mut first[512..])?
                } else {
                    0
                })
        })
    });
    let not_a_backup = |problem| Err(Error::NotABackup { place: place.to_owned(), problem });
    match read {
        Ok(0) => not_a_backup(format!("it is {name}-compressed, but there is nothing in it")),
        Ok(1024) if first == [0; 1024] => Ok(()),
        Ok(512) if first.first_chunk().is_some_and(tar::is_header) => Ok(()),
        Ok(_) => not_a_backup(format!(
            "it is a single {name}-compressed file, not a tar archive; uncompress it into a folder, and verify that"
        )),
        Err(error) if is_out_of_memory(&error) => not_a_backup(NEEDS_MEMORY.to_owned()),
        Err(error) => Err(Error::Damaged {
            place: place.to_owned(),
            format: name,
            problem: format!(
                "not even its first bytes can be uncompressed ({error}); fetch it again from where it was made"
            ),
        }),
    }
}

fn open_zip(candidate: &Candidate<'_>) -> Attempt {
    let (bytes, taken) = match candidate.file()? {
        Ok(opened) => opened,
        Err(error) => return Some(Err(error)),
    };
    let opened = Zip::open(candidate.place, bytes, Some(taken));
    if zip::is_start(&candidate.first) {
        return Some(opened.map(|zip| Box::new(zip) as Box<dyn Backup>));
    }
    // Behind a program: its own start says nothing, so the directory must be sound.
    let zip = opened.ok().filter(Zip::has_entries)?;
    Some(Ok(Box::new(zip)))
}
