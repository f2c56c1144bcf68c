//! Reads a manifest into an index.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::error::{BadLine, Error};
use super::form::Form;
use super::index::Index;
use super::name::{self, clean};
use super::probe;
use super::sort::Sorter;

use crate::backup::escape;
use crate::cancel::CancelToken;
use crate::plan::Algorithm;
use crate::platform::{self, Kind, Timestamp};
use crate::verify::hash::Hash;
use crate::verify::memory::{KnownHash, KnownHashes, Version};

/// The most bytes of a line. A path has 4 KiB on Linux and 96 KiB on Windows at most.
const LINE_MAX: usize = 256 << 10;

/// The most bad lines that are listed.
const LISTED_MAX: usize = 10;

/// How many lines are kept to find out which hash they have.
const KEPT: usize = 128;

/// A manifest that was read, and that answers by name.
#[derive(Debug)]
pub struct Manifest {
    place: PathBuf,
    index: Index,
    /// From when to when it was made.
    made: (Timestamp, Timestamp),
    folder: Vec<u8>,
    examples: Vec<String>,
    /// The hash, if the lines say it.
    algorithm: Option<Algorithm>,
    /// Some lines, chosen by their keys: whatever the order of the file, they are from all over it.
    kept: BTreeMap<[u8; 16], (Vec<u8>, Hash)>,
}

impl Manifest {
    /// Reads the manifest at `place`. Its index is a temporary file in `folder`.
    ///
    /// # Errors
    /// If it cannot be read, is not a manifest, contradicts itself, or is modified meanwhile. No bad
    /// line is skipped.
    pub fn read(place: &Path, folder: &Path, cancel: &CancelToken) -> Result<Self, Error> {
        let fail = |source| Error::Read { place: place.to_owned(), source };
        // Opened without waiting, so that a pipe without a writer does not hang.
        if std::fs::metadata(place).map_err(fail)?.is_dir() {
            return Err(Error::NotAFile { place: place.to_owned() });
        }
        let file = platform::open_to_read(place, false).map_err(fail)?;
        let before = platform::stat(&file).map_err(fail)?;
        if before.kind != Kind::File {
            return Err(Error::NotAFile { place: place.to_owned() });
        }
        let created = file.metadata().and_then(|found| found.created()).ok().map(Timestamp::from);
        let from = created.map_or(before.mtime, |created| created.min(before.mtime));
        let made = (from, before.mtime);
        let mut reading = Reading::new(place, folder);
        reading.all(&file, cancel)?;
        if platform::stat(&file).map_err(fail)? != before {
            return Err(Error::Changed { place: place.to_owned() });
        }
        reading.finish(made)
    }

    /// Since when it may have been made: the time up to which it speaks for files.
    pub fn made(&self) -> Timestamp {
        self.made.0
    }

    /// Which hash its lines have. `originals` are folders of files that it may be about; `asked` is
    /// the hash that the user asked for.
    ///
    /// # Errors
    /// If nothing tells, or if it is not the one that was asked for.
    pub fn algorithm(&self, originals: &[&Path], asked: Option<Algorithm>) -> Result<Algorithm, Error> {
        let kept = self.kept.values().map(|(name, hash)| (name.as_slice(), *hash));
        let found = self.algorithm.or_else(|| probe::by_name(&self.place));
        let found = found.or_else(|| probe::by_files(kept, &self.place, originals));
        match (found, asked) {
            (Some(has), Some(asked)) if has != asked => {
                Err(Error::OtherHash { place: self.place.clone(), has: has.name(), asked: asked.name() })
            }
            (found, asked) => found.or(asked).ok_or_else(|| Error::UnknownHash { place: self.place.clone() }),
        }
    }
}

impl KnownHashes for Manifest {
    fn of(&self, path: &[u8]) -> Option<KnownHash> {
        let hash = self.index.find(&name::key(path))?;
        let (from, until) = self.made;
        Some(KnownHash { hash, version: Version::At { from, until } })
    }

    fn folder(&self) -> &[u8] {
        &self.folder
    }

    fn names(&self) -> u64 {
        self.index.len()
    }

    fn examples(&self) -> Vec<String> {
        self.examples.clone()
    }
}

/// A manifest that is being read.
struct Reading<'a> {
    place: &'a Path,
    temporary: &'a Path,
    form: Form,
    sorter: Sorter,
    /// The folder that all names so far are in.
    folder: Option<Vec<u8>>,
    examples: Vec<String>,
    by_empty_file: Option<Algorithm>,
    kept: BTreeMap<[u8; 16], (Vec<u8>, Hash)>,
    bad: Vec<BadLine>,
}

impl<'a> Reading<'a> {
    fn new(place: &'a Path, temporary: &'a Path) -> Self {
        Self {
            place,
            temporary,
            form: Form::default(),
            sorter: Sorter::new(temporary),
            folder: None,
            examples: Vec::new(),
            by_empty_file: None,
            kept: BTreeMap::new(),
            bad: Vec::new(),
        }
    }

    fn fail(&self, source: io::Error) -> Error {
        Error::Read { place: self.place.to_owned(), source }
    }

    /// Reads all lines, or up to a few bad ones.
    fn all(&mut self, file: &File, cancel: &CancelToken) -> Result<(), Error> {
        let mut input = BufReader::with_capacity(1 << 20, file);
        let start = input.fill_buf().map_err(|error| self.fail(error))?;
        if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
            let problem = "it is UTF-16, which PowerShell writes; convert it to UTF-8".to_owned();
            return Err(Error::Form { place: self.place.to_owned(), problem });
        }
        let mark = if start.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        self.form.is_zero = start.contains(&0);
        let end = if self.form.is_zero { 0 } else { b'\n' };
        // If the first line ends as on Windows, all of them do.
        let first = start.split(|&byte| byte == end).next().unwrap_or_default();
        let is_windows = !self.form.is_zero && first.ends_with(b"\r");
        input.consume(mark);
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let got = read_line(&mut input, end, &mut line).map_err(|error| self.fail(error))?;
            if !got || self.bad.len() >= LISTED_MAX {
                return Ok(());
            }
            if number % 4096 == 0 && cancel.is_cancelled() {
                return Err(Error::Interrupted);
            }
            let text = line.strip_suffix(b"\r").filter(|_| is_windows).unwrap_or(&line);
            self.line(number, text)?;
        }
        Ok(())
    }

    fn line(&mut self, number: u64, text: &[u8]) -> Result<(), Error> {
        let found = match text.len() {
            LINE_MAX.. => Err("the line is too long for a path".to_owned()),
            _ => self.form.read(text),
        };
        let found = found.and_then(|line| match line {
            None => Ok(None),
            Some(line) => match clean(&line.name) {
                Some(name) => Ok(Some((name, line.hash))),
                None => Err(format!("\"{}\" is not the path of a file", escape(&line.name))),
            },
        });
        match found {
            Ok(None) => Ok(()),
            Ok(Some((name, hash))) => self.entry(number, name, hash),
            Err(problem) => {
                self.bad.push(BadLine { number, problem });
                Ok(())
            }
        }
    }

    fn entry(&mut self, number: u64, name: Vec<u8>, hash: Hash) -> Result<(), Error> {
        let key = name::key(&name);
        let added = self.sorter.add(key, number, hash);
        added.map_err(|source| Error::Index { place: self.temporary.to_owned(), source })?;
        if self.examples.len() < 2 {
            self.examples.push(escape(&name).into_owned());
        }
        let parent = &name[..name.iter().rposition(|&byte| byte == b'/').unwrap_or(0)];
        match &mut self.folder {
            None => self.folder = Some(parent.to_vec()),
            Some(folder) => folder.truncate(common(folder, parent)),
        }
        self.by_empty_file = self.by_empty_file.or_else(|| probe::of_empty_file(hash));
        if self.kept.len() < KEPT || self.kept.last_key_value().is_some_and(|(last, _)| key < *last) {
            self.kept.insert(key, (name, hash));
            if self.kept.len() > KEPT {
                self.kept.pop_last();
            }
        }
        Ok(())
    }

    fn finish(self, made: (Timestamp, Timestamp)) -> Result<Manifest, Error> {
        let (place, temporary) = (self.place.to_owned(), self.temporary.to_owned());
        if !self.bad.is_empty() {
            let is_all = self.bad.len() < LISTED_MAX;
            return Err(Error::BadLines { place, lines: self.bad, is_all });
        }
        let index = self.sorter.finish().map_err(|source| Error::Index { place: temporary, source })?;
        let index = match index {
            Ok(index) => index,
            Err(lines) => {
                let is_all = lines.len() < LISTED_MAX;
                return Err(Error::BadLines { place, lines, is_all });
            }
        };
        if index.is_empty() {
            return Err(Error::Form { place, problem: "it names no file".to_owned() });
        }
        Ok(Manifest {
            place,
            index,
            made,
            folder: self.folder.unwrap_or_default(),
            examples: self.examples,
            algorithm: self.form.algorithm.or(self.by_empty_file),
            kept: self.kept,
        })
    }
}

/// Whether the file at `place` begins like a manifest: its first entry can be read.
pub fn looks_like(place: &Path) -> bool {
    let first = || -> Option<bool> {
        let file = platform::open_to_read(place, false).ok()?;
        if platform::stat(&file).ok()?.kind != Kind::File {
            return None;
        }
        let (mut form, mut line) = (Form::default(), Vec::new());
        let mut input = BufReader::new(file.take(LINE_MAX as u64));
        while read_line(&mut input, b'\n', &mut line).ok()? {
            if form.read(&line).ok()?.is_some() {
                return Some(true);
            }
            line.clear();
        }
        None
    };
    first().is_some()
}

/// The length of the folders that two folders have in common.
fn common(one: &[u8], other: &[u8]) -> usize {
    let equal = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let is_end = |path: &[u8]| path.len() == equal || path.get(equal) == Some(&b'/');
    if is_end(one) && is_end(other) {
        return equal;
    }
    one[..equal].iter().rposition(|&byte| byte == b'/').unwrap_or(0)
}

/// Reads up to the end of a line, and leaves the end out. Of a line that is too long, only as much
/// is kept as shows that. Returns whether there was a line.
fn read_line(input: &mut impl BufRead, end: u8, line: &mut Vec<u8>) -> io::Result<bool> {
    let mut is_there = false;
    loop {
        let buffer = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            buffer => buffer?,
        };
        if buffer.is_empty() {
            return Ok(is_there);
        }
        is_there = true;
        let found = buffer.iter().position(|&byte| byte == end);
        let length = found.unwrap_or(buffer.len());
        let room = LINE_MAX.saturating_sub(line.len());
        line.extend_from_slice(&buffer[..length.min(room)]);
        input.consume(length + usize::from(found.is_some()));
        if found.is_some() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
