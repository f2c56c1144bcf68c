//! A stand-in for a repository on this machine, which borg reads in its place.
//!
//! Even `borg list` writes to a repository: it takes a lock, and it rebuilds an index that is damaged
//! or missing. The stand-in is a folder with copies of the small files at the top of the repository,
//! and links to its segments. So borg reads the same data, but whatever it writes goes to the
//! stand-in. A repository can then be read-only, and neither a lock that was left there nor one that
//! is taken at the moment is in the way.
//!
//! The copies show the repository as it was at that moment. A prune and compact that runs meanwhile
//! removes segments. [`Shadow::has_changed`] tells whether one did.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::platform;

/// How often the copies are begun anew, because borg has just replaced the files.
const ATTEMPTS: usize = 5;

/// How many of the last folders of segments hold a link for each segment. borg may remove segments
/// of an interrupted backup, which are the last ones, and adds new ones behind them.
const LAST_FOLDERS: usize = 2;

/// What a repository may have at its top.
const CONFIG: &str = "config";
const DATA: &str = "data";
/// The files with the number of a transaction behind their names.
const NUMBERED: [&str; 3] = ["index.", "hints.", "integrity."];

/// The stand-in.
#[derive(Debug)]
pub(super) struct Shadow {
    repository: PathBuf,
    /// The files of the last transaction, as they were when they were copied.
    transaction: Vec<String>,
}

impl Shadow {
    /// Makes a stand-in for `repository` in the empty folder `place`.
    pub(super) fn make(repository: &Path, place: &Path) -> io::Result<Self> {
        let repository = fs::canonicalize(repository)?;
        fs::copy(repository.join(CONFIG), place.join(CONFIG))?;
        make_writable(&place.join(CONFIG))?;
        let mut attempt = 0;
        let transaction = loop {
            attempt += 1;
            match copy_transaction(&repository, place) {
                // borg has written a new transaction in the meantime, and removed the files of the
                // last one.
                Err(error) if error.kind() == io::ErrorKind::NotFound && attempt < ATTEMPTS => {}
                done => break done?,
            }
        };
        link_segments(&repository.join(DATA), &place.join(DATA))?;
        Ok(Self { repository, transaction })
    }

    /// Whether a backup, a prune or a compact has changed the repository since.
    pub(super) fn has_changed(&self) -> bool {
        transaction_files(&self.repository).map_or(true, |now| now != self.transaction)
    }

    /// Whether a program holds a lock, or left one behind. Nobody waits for it here.
    pub(super) fn is_locked(&self) -> bool {
        self.repository.join("lock.exclusive").exists()
    }
}

fn copy_transaction(repository: &Path, place: &Path) -> io::Result<Vec<String>> {
    let files = transaction_files(repository)?;
    for name in &files {
        fs::copy(repository.join(name), place.join(name))?;
        make_writable(&place.join(name))?;
    }
    Ok(files)
}

/// The names of the files that belong to transactions, sorted.
fn transaction_files(repository: &Path) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(repository)? {
        if let Ok(name) = entry?.file_name().into_string()
            && NUMBERED.iter().any(|prefix| name.strip_prefix(prefix).is_some_and(is_number))
        {
            files.push(name);
        }
    }
    files.sort();
    Ok(files)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit())
}

/// Links the folders of segments, and in the last of them each segment.
fn link_segments(data: &Path, place: &Path) -> io::Result<()> {
    fs::create_dir(place)?;
    let mut folders = Vec::new();
    for entry in fs::read_dir(data)? {
        if let Ok(name) = entry?.file_name().into_string()
            && is_number(&name)
        {
            folders.push((name.parse::<u64>().unwrap_or(u64::MAX), name));
        }
    }
    folders.sort();
    let whole = folders.len().saturating_sub(LAST_FOLDERS);
    for (index, (_, name)) in folders.iter().enumerate() {
        if index < whole {
            platform::make_link(&data.join(name), &place.join(name))?;
            continue;
        }
        fs::create_dir(place.join(name))?;
        for segment in fs::read_dir(data.join(name))? {
            let segment = segment?.file_name();
            platform::make_link(&data.join(name).join(&segment), &place.join(name).join(&segment))?;
        }
    }
    Ok(())
}

/// A copy of a read-only file is read-only, too.
fn make_writable(copy: &Path) -> io::Result<()> {
    let file = fs::metadata(copy)?;
    let mut permissions = file.permissions();
    if permissions.readonly() {
        // On Unix this makes it writable for everybody, but nobody else can enter the folder.
        #[expect(clippy::permissions_set_readonly_false)]
        permissions.set_readonly(false);
        fs::set_permissions(copy, permissions)?;
    }
    Ok(())
}
