//! One listed file, and a compact batch of many.

use crate::platform::Timestamp;

use super::path::{self, NameProblem};

/// One regular file of a backup, as listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Relative path, components joined by `/`, any bytes but NUL. The key that pairs it with its
    /// original. Where `problem` is set: the name as stored.
    pub path: &'a [u8],
    /// Why the name cannot be used as a path below anything (`..`, NUL, empty).
    pub problem: Option<NameProblem>,
    /// Size in bytes, where listed or asked for.
    pub size: Option<u64>,
    /// Modification time, where listed or asked for.
    pub mtime: Option<Timestamp>,
    /// Whether `mtime` is a time on the wall in a zone that is not known; it was read as if in this
    /// machine's.
    pub zone_unknown: bool,
    /// Which file of this machine the content was restored from, for formats that hold files as
    /// they are; known once it is restored. An original with the same number is no second copy.
    pub id: Option<(u64, u64)>,
    /// What vouches for the restored content: a checksum of this entry, made when it was stored,
    /// that was found right (`CRC-32 in the archive`). Known once it is restored.
    pub vouched_by: Option<&'static str>,
    /// Grows with how far on it lies in the archive or on the disk, as far as the format knows:
    /// entries are read fastest in this order.
    pub position: u64,
    /// What the format that listed it needs to find it again, in bytes that mean something to that
    /// format alone; empty where path and position are enough.
    pub handle: &'a [u8],
}

/// Entries in one compact allocation: paths and handles back to back in one buffer, so that listing
/// a million files allocates nothing per file once the buffers have grown.
#[derive(Debug, Clone, Default)]
pub struct EntryBatch {
    bytes: Vec<u8>,
    records: Vec<Record>,
}

#[derive(Debug, Clone, Copy)]
struct Record {
    start: usize,
    path_len: u32,
    handle_len: u32,
    problem: Option<NameProblem>,
    size: Option<u64>,
    mtime: Option<Timestamp>,
    zone_unknown: bool,
    position: u64,
}

impl EntryBatch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many entries it holds.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Forgets the entries, keeps the room.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
    }

    /// Takes back the entries from `len` on.
    pub fn truncate(&mut self, len: usize) {
        if let Some(record) = self.records.get(len) {
            self.bytes.truncate(record.start);
            self.records.truncate(len);
        }
    }

    /// Puts them into the order in which they lie on the disk or in the archive, as far as their
    /// format knows it.
    pub fn sort_by_position(&mut self) {
        self.records.sort_unstable_by_key(|record| record.position);
    }

    /// Adds a copy of `entry` as it is.
    pub fn push(&mut self, entry: &Entry<'_>) {
        self.push_parts(b"", entry.path, entry);
    }

    /// Adds an entry whose path is `folder` (empty, or ending in `/`) followed by `name`;
    /// `rest.path` is ignored.
    pub fn push_parts(&mut self, folder: &[u8], name: &[u8], rest: &Entry<'_>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(folder);
        self.bytes.extend_from_slice(name);
        let path_len = self.bytes.len() - start;
        self.finish(start, path_len, rest);
    }

    /// Adds an entry under a name as an archive stores it: leading `/` and `./` and doubled slashes
    /// fall away, so that the same tree has the same paths in every format; a name that cannot be a
    /// path is kept as stored, with its problem. `rest.path` and `rest.problem` are ignored.
    pub fn push_stored(&mut self, name: &[u8], rest: &Entry<'_>) {
        let start = self.bytes.len();
        let problem = path::append_relative(&mut self.bytes, name).err();
        if problem.is_some() {
            self.bytes.truncate(start);
            self.bytes.extend_from_slice(name);
        }
        let path_len = self.bytes.len() - start;
        self.finish(start, path_len, &Entry { problem, ..*rest });
    }

    fn finish(&mut self, start: usize, path_len: usize, rest: &Entry<'_>) {
        self.bytes.extend_from_slice(rest.handle);
        // Names and handles come from buffers far below 4 GiB; a longer one would be cut, not
        // wrapped.
        let short = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        self.records.push(Record {
            start,
            path_len: short(path_len),
            handle_len: short(rest.handle.len()),
            problem: rest.problem,
            size: rest.size,
            mtime: rest.mtime,
            zone_unknown: rest.zone_unknown,
            position: rest.position,
        });
    }

    /// The entry at `index`, which must be below [`len`](Self::len).
    pub fn get(&self, index: usize) -> Entry<'_> {
        let record = &self.records[index];
        let (path, rest) = self.bytes[record.start..].split_at(record.path_len as usize);
        Entry {
            path,
            problem: record.problem,
            size: record.size,
            mtime: record.mtime,
            zone_unknown: record.zone_unknown,
            id: None,
            vouched_by: None,
            position: record.position,
            handle: &rest[..record.handle_len as usize],
        }
    }

    /// All entries, in the order they were added.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Entry<'_>> {
        (0..self.len()).map(|index| self.get(index))
    }
}

impl<'a> Extend<Entry<'a>> for EntryBatch {
    fn extend<I: IntoIterator<Item = Entry<'a>>>(&mut self, entries: I) {
        for entry in entries {
            self.push(&entry);
        }
    }
}

impl<'a> FromIterator<Entry<'a>> for EntryBatch {
    fn from_iter<I: IntoIterator<Item = Entry<'a>>>(entries: I) -> Self {
        let mut batch = Self::new();
        batch.extend(entries);
        batch
    }
}

impl Entry<'_> {
    /// An entry with nothing known but its path, to be completed with struct update syntax.
    pub fn named(path: &[u8]) -> Entry<'_> {
        Entry {
            path,
            problem: None,
            size: None,
            mtime: None,
            zone_unknown: false,
            id: None,
            vouched_by: None,
            position: 0,
            handle: &[],
        }
    }
}
