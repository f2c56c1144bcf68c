//! A stand-in for a repository on this machine, which borg reads in its place.
//!
//! Even `borg list` writes to a repository: it takes a lock, and it rebuilds an index that is
//! damaged or missing. The stand-in is a folder with copies of the small files at the top of the
//! repository, and links to its segments. So borg reads the same data, but whatever it writes goes
//! to the stand-in. A repository can then be read-only, and neither a lock that was left there nor
//! one that is taken at the moment is in the way.
//!
//! The copies show the repository as it was at that moment. A compact that runs meanwhile removes
//! segments. [`Shadow::has_lost_segments`] tells whether one did.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

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
const NUMBERED: [&str; 3] = [INDEX, "hints.", "integrity."];
const INDEX: &str = "index.";

/// The stand-in.
#[derive(Debug)]
pub(super) struct Shadow {
    repository: PathBuf,
    place: PathBuf,
    /// The file of the newest transaction, and the number of that.
    newest: Option<(u64, String)>,
    /// The file of the newest index, and when it was copied.
    index: Option<(String, SystemTime)>,
    /// The folders and the names of all segments at that moment.
    segments: Vec<(u64, u64)>,
}

impl Shadow {
    /// Makes a stand-in for `repository` in the empty folder `place`.
    pub(super) fn make(repository: &Path, place: &Path) -> io::Result<Self> {
        let repository = fs::canonicalize(repository)?;
        fs::copy(repository.join(CONFIG), place.join(CONFIG))?;
        make_writable(&place.join(CONFIG))?;
        let mut attempt = 0;
        loop {
            attempt += 1;
            match copy_transaction(&repository, place) {
                // borg has written a new transaction in the meantime, and removed the files of the
                // last one.
                Err(error) if error.kind() == io::ErrorKind::NotFound && attempt < ATTEMPTS => {}
                done => break done?,
            }
        }
        let segments = link_segments(&repository.join(DATA), &place.join(DATA))?;
        let newest = newest_transaction(place, &NUMBERED)?;
        let index = newest_index(place)?;
        Ok(Self { repository, place: place.to_owned(), newest, index, segments })
    }

    /// Whether borg has made a new index for the stand-in, because that of the repository is
    /// damaged, missing, or older than the last segment.
    pub(super) fn has_new_index(&self) -> bool {
        newest_index(&self.place).is_ok_and(|index| index != self.index)
    }

    /// What the repository has lost at its end, once borg has read the stand-in. borg goes back to
    /// the last segment that is whole, and makes an index for it, without a word.
    pub(super) fn lost_end(&self) -> Option<String> {
        let (number, name) = self.newest.as_ref()?;
        let (read, _) = newest_transaction(&self.place, &[INDEX]).ok()??;
        (read < *number).then(|| {
            format!(
                "the repository has lost what was written last: its file {name} belongs to segment {number}, but the last segment \
                 that is whole is {read}. Keep a copy of the repository before borg writes to it again"
            )
        })
    }

    /// Makes sure that the repository is still where it was.
    pub(super) fn check(&self) -> io::Result<()> {
        fs::metadata(self.repository.join(CONFIG)).and(fs::metadata(self.repository.join(DATA))).map(drop)
    }

    /// Whether a segment is gone that was there at the beginning: a compact has removed it.
    pub(super) fn has_lost_segments(&self) -> bool {
        let data = self.repository.join(DATA);
        let is_gone = |&(folder, segment): &(u64, u64)| {
            let path = data.join(folder.to_string()).join(segment.to_string());
            fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        };
        self.check().is_ok() && self.segments.iter().any(is_gone)
    }

    /// Whether a program holds a lock, or left one behind. Nobody waits for it here.
    pub(super) fn is_locked(&self) -> bool {
        self.repository.join("lock.exclusive").exists()
    }
}

fn copy_transaction(repository: &Path, place: &Path) -> io::Result<()> {
    for (_, name) in transaction_files(repository, &NUMBERED)? {
        fs::copy(repository.join(&name), place.join(&name))?;
        make_writable(&place.join(&name))?;
    }
    Ok(())
}

/// The files that belong to transactions and have one of these prefixes, with their numbers.
fn transaction_files(repository: &Path, prefixes: &[&str]) -> io::Result<Vec<(u64, String)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(repository)? {
        if let Ok(name) = entry?.file_name().into_string()
            && let Some(number) = prefixes.iter().find_map(|prefix| number(name.strip_prefix(prefix)?))
        {
            files.push((number, name));
        }
    }
    Ok(files)
}

fn newest_transaction(repository: &Path, prefixes: &[&str]) -> io::Result<Option<(u64, String)>> {
    Ok(transaction_files(repository, prefixes)?.into_iter().max())
}

fn newest_index(repository: &Path) -> io::Result<Option<(String, SystemTime)>> {
    let Some((_, name)) = newest_transaction(repository, &[INDEX])? else { return Ok(None) };
    let modified = fs::metadata(repository.join(&name))?.modified()?;
    Ok(Some((name, modified)))
}

/// The number that a text is, written as borg writes it.
fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

/// Links the folders of segments, and in the last of them each segment. Returns all segments.
fn link_segments(data: &Path, place: &Path) -> io::Result<Vec<(u64, u64)>> {
    fs::create_dir(place)?;
    let mut all = Vec::new();
    let folders = numbers(data)?;
    let whole = folders.len().saturating_sub(LAST_FOLDERS);
    for (index, folder) in folders.into_iter().enumerate() {
        let name = folder.to_string();
        let segments = numbers(&data.join(&name))?;
        if index < whole {
            platform::make_link(&data.join(&name), &place.join(&name))?;
        } else {
            fs::create_dir(place.join(&name))?;
            for segment in &segments {
                let segment = segment.to_string();
                platform::make_link(&data.join(&name).join(&segment), &place.join(&name).join(&segment))?;
            }
        }
        all.extend(segments.into_iter().map(|segment| (folder, segment)));
    }
    Ok(all)
}

/// The names in a folder that are numbers, as borg writes them, in their order.
fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        numbers.extend(entry?.file_name().to_str().and_then(number));
    }
    numbers.sort_unstable();
    Ok(numbers)
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
