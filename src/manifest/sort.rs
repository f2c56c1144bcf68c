//! Orders the entries of a manifest by the hashes of their names, in memory that does not grow with
//! the manifest.
//!
//! Runs that fit into memory are sorted there and written to a temporary file. Then all runs are
//! merged into the index (D. E. Knuth, *The Art of Computer Programming*, volume 3, section 5.4:
//! external sorting). Both files are private and have no name, so nothing is left behind, however
//! the run ends.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::error::BadLine;
use super::index::{Index, RECORD};
use crate::platform;
use crate::verify::hash::Hash;

/// Entries that are sorted in memory at once: about 30 MB.
const RUN: usize = 1 << 19;

/// Bytes of an entry in a run: key, number of the line, hash.
const ENTRY: usize = 16 + 8 + 32;

/// Memory for reading all runs while they are merged, and the most for one of them.
const MERGE_MEMORY: usize = 16 << 20;
const MERGE_BUFFER_MAX: usize = 64 << 10;

/// The most contradictions that are listed.
const LISTED_MAX: usize = 10;

/// An entry of a manifest: the key of its name, the number of its line, and its hash. The order of
/// the fields is the order in which entries are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    key: [u8; 16],
    line: u64,
    hash: [u8; 32],
}

impl Entry {
    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&self.key)?;
        out.write_all(&self.line.to_be_bytes())?;
        out.write_all(&self.hash)
    }

    fn read(bytes: &[u8]) -> Self {
        Self {
            key: std::array::from_fn(|at| bytes[at]),
            line: u64::from_be_bytes(std::array::from_fn(|at| bytes[16 + at])),
            hash: std::array::from_fn(|at| bytes[24 + at]),
        }
    }
}

/// Takes entries in any order.
#[derive(Debug)]
pub struct Sorter {
    folder: PathBuf,
    most: usize,
    entries: Vec<Entry>,
    runs: Option<File>,
    /// The number of entries in each run.
    lengths: Vec<u64>,
}

impl Sorter {
    /// A sorter that puts its temporary files into `folder`.
    pub fn new(folder: &Path) -> Self {
        Self::with_runs_of(folder, RUN)
    }

    fn with_runs_of(folder: &Path, most: usize) -> Self {
        Self { folder: folder.to_owned(), most, entries: Vec::new(), runs: None, lengths: Vec::new() }
    }

    /// Adds the entry of a line.
    pub fn add(&mut self, key: [u8; 16], line: u64, hash: Hash) -> io::Result<()> {
        self.entries.push(Entry { key, line, hash: *hash.bytes() });
        if self.entries.len() >= self.most { self.end_run() } else { Ok(()) }
    }

    /// Writes what is in memory as a run.
    fn end_run(&mut self) -> io::Result<()> {
        self.entries.sort_unstable();
        let runs = match &mut self.runs {
            Some(runs) => runs,
            none => none.insert(tempfile::tempfile_in(&self.folder)?),
        };
        let mut out = BufWriter::with_capacity(1 << 20, runs);
        self.entries.iter().try_for_each(|entry| entry.write(&mut out))?;
        out.flush()?;
        self.lengths.push(self.entries.len() as u64);
        self.entries.clear();
        Ok(())
    }

    /// Merges everything into an index. A name may occur several times with the same hash. Where it
    /// has different hashes, the lines are named instead.
    pub fn finish(mut self) -> io::Result<Result<Index, Vec<BadLine>>> {
        let mut out = IndexWriter::new(&self.folder)?;
        if self.runs.is_none() {
            self.entries.sort_unstable();
            self.entries.iter().try_for_each(|entry| out.add(entry))?;
            return out.finish();
        }
        if !self.entries.is_empty() {
            self.end_run()?;
        }
        // Given back before the buffers of the merge are taken.
        self.entries = Vec::new();
        let Some(runs) = self.runs else { return out.finish() };
        let buffer = (MERGE_MEMORY / self.lengths.len().max(1)).clamp(ENTRY, MERGE_BUFFER_MAX);
        let mut readers = Vec::new();
        let mut start = 0;
        for &length in &self.lengths {
            readers.push(RunReader::new(&runs, start, length, buffer));
            start += length * ENTRY as u64;
        }
        let mut heap = BinaryHeap::new();
        for (number, reader) in readers.iter_mut().enumerate() {
            heap.extend(reader.next()?.map(|entry| Reverse((entry, number))));
        }
        while let Some(Reverse((entry, number))) = heap.pop() {
            out.add(&entry)?;
            heap.extend(readers[number].next()?.map(|entry| Reverse((entry, number))));
        }
        out.finish()
    }
}

/// Reads a run from front to back.
struct RunReader<'a> {
    file: &'a File,
    offset: u64,
    left: u64,
    buffer: Vec<u8>,
    at: usize,
    most: usize,
}

impl<'a> RunReader<'a> {
    fn new(file: &'a File, offset: u64, length: u64, buffer: usize) -> Self {
        Self { file, offset, left: length, buffer: Vec::new(), at: 0, most: buffer / ENTRY }
    }

    fn next(&mut self) -> io::Result<Option<Entry>> {
        if self.at == self.buffer.len() {
            if self.left == 0 {
                return Ok(None);
            }
            let count = self.left.min(self.most as u64);
            self.left -= count;
            self.buffer.resize(usize::try_from(count).unwrap_or(self.most) * ENTRY, 0);
            read_exact_at(self.file, &mut self.buffer, self.offset)?;
            self.offset += self.buffer.len() as u64;
            self.at = 0;
        }
        let entry = Entry::read(&self.buffer[self.at..self.at + ENTRY]);
        self.at += ENTRY;
        Ok(Some(entry))
    }
}

fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match platform::read_at(file, buffer, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            got => {
                offset += got as u64;
                buffer = &mut buffer[got..];
            }
        }
    }
    Ok(())
}

/// Writes the index, and finds names that occur more than once.
struct IndexWriter {
    out: BufWriter<File>,
    last: Option<Entry>,
    count: u64,
    bad: Vec<BadLine>,
}

impl IndexWriter {
    fn new(folder: &Path) -> io::Result<Self> {
        let file = tempfile::tempfile_in(folder)?;
        Ok(Self { out: BufWriter::with_capacity(1 << 20, file), last: None, count: 0, bad: Vec::new() })
    }

    fn add(&mut self, entry: &Entry) -> io::Result<()> {
        if let Some(last) = self.last.filter(|last| last.key == entry.key) {
            if last.hash != entry.hash && self.bad.len() < LISTED_MAX {
                let problem = format!("the same path as in line {}, with another hash", last.line);
                self.bad.push(BadLine { number: entry.line, problem });
            }
            return Ok(());
        }
        self.last = Some(*entry);
        self.count += 1;
        self.out.write_all(&entry.key)?;
        self.out.write_all(&entry.hash)
    }

    fn finish(mut self) -> io::Result<Result<Index, Vec<BadLine>>> {
        if !self.bad.is_empty() {
            self.bad.sort_by_key(|line| line.number);
            return Ok(Err(self.bad));
        }
        self.out.flush()?;
        let file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        debug_assert_eq!(file.metadata()?.len(), self.count * RECORD as u64);
        Index::new(file, self.count).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::manifest::name;

    fn index(entries: &[(Vec<u8>, u8)], run: usize) -> Result<Index, Vec<BadLine>> {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::with_runs_of(folder.path(), run);
        for (number, (path, byte)) in entries.iter().enumerate() {
            sorter.add(name::key(path), number as u64 + 1, Hash::of_bytes([*byte; 32])).unwrap();
        }
        let found = sorter.finish().unwrap();
        // On Windows they have names until they are closed.
        if cfg!(unix) {
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the files have no names");
        }
        found
    }

    proptest! {
        #[test]
        fn an_index_finds_what_a_map_finds(
            names in prop::collection::vec("[a-c/]{1,4}", 0..300),
            others in prop::collection::vec("[a-d/]{1,4}", 0..50),
            run in 1..400_usize,
        ) {
            let byte = |name: &str| name::key(name.as_bytes())[0];
            let entries: Vec<_> =
                names.iter().map(|name| (name.as_bytes().to_vec(), byte(name))).collect();
            let map: HashMap<_, _> = entries.iter().cloned().collect();
            let index = index(&entries, run).unwrap();
            prop_assert_eq!(index.len(), map.len() as u64);
            for name in names.iter().chain(&others) {
                let found = index.find(&name::key(name.as_bytes()));
                let expected = map.get(name.as_bytes()).map(|byte| Hash::of_bytes([*byte; 32]));
                prop_assert_eq!(found, expected, "{}", name);
            }
        }
    }

    #[test]
    fn a_path_with_two_hashes_is_refused_and_both_lines_are_named() {
        for run in [1, 2, 100] {
            let entry = |name: &str, byte| (name.as_bytes().to_vec(), byte);
            let bad = index(&[entry("a", 1), entry("b", 2), entry("a", 1), entry("b", 3)], run).unwrap_err();
            let problem = "the same path as in line 2, with another hash".to_owned();
            assert_eq!(bad, [BadLine { number: 4, problem }]);
        }
    }
}
