//! One listed file, and a compact batch of many.

use crate::platform::Timestamp;

use super::path::{self, NameProblem};

/// One regular file of a backup, as listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Relative path; its components are joined by `/` and hold any bytes but NUL. The original is
    /// found by this path. If `problem` is set, this is the name as stored.
    pub path: &'a [u8],
    /// Why the name cannot be used as a path below a folder (`..`, NUL, empty).
    pub problem: Option<NameProblem>,
    /// Size in bytes, if the backup lists it or it was asked for.
    pub size: Option<u64>,
    /// Modification time, if the backup lists it or it was asked for.
    pub mtime: Option<Timestamp>,
    /// Whether `mtime` was recorded as local time in an unknown time zone. It was then read as a
    /// time in this machine's zone.
    pub zone_unknown: bool,
    /// The file system and file number of the file that the content was restored from, for formats
    /// that store files as they are. Set once the entry is restored. An original with the same
    /// numbers is not an independent copy.
    pub id: Option<(u64, u64)>,
    /// The checksum that confirmed the restored content (`CRC-32 in the archive`). It covers this
    /// entry and was made when the entry was stored. Set once the entry is restored.
    pub vouched_by: Option<&'static str>,
    /// Grows with the position in the archive or on the disk, as far as the format knows it.
    /// Entries are read fastest in this order.
    pub position: u64,
    /// What the format needs to find the entry again, as opaque bytes that only this format can
    /// read. Empty if path and position are enough.
    pub handle: &'a [u8],
}

/// Entries in one compact allocation. Paths and handles lie back to back in one buffer, so that
/// listing a million files allocates nothing per file once the buffers have grown.
#[derive(Debug, Clone, Default)]
pub struct EntryBatch {
    bytes: Vec<u8>,
    records: Vec<EntryRecord>,
}

#[derive(Debug, Clone, Copy)]
struct EntryRecord {
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

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it has no entries.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Removes all entries, but keeps the allocated capacity.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
    }

    /// Removes the entries from index `len` on.
    pub fn truncate(&mut self, len: usize) {
        if let Some(record) = self.records.get(len) {
            self.bytes.truncate(record.start);
            self.records.truncate(len);
        }
    }

    /// Sorts the entries by their position on the disk or in the archive, as far as the format
    /// knows it.
    pub fn sort_by_position(&mut self) {
        self.records.sort_unstable_by_key(|record| record.position);
    }

    /// Adds a copy of `entry` without changes.
    pub fn push(&mut self, entry: &Entry<'_>) {
        self.push_parts(b"", entry.path, entry);
    }

    /// Adds an entry with the path `folder` (empty, or ending in `/`) followed by `name`.
    /// `rest.path` is ignored.
    pub fn push_parts(&mut self, folder: &[u8], name: &[u8], rest: &Entry<'_>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(folder);
        self.bytes.extend_from_slice(name);
        let path_len = self.bytes.len() - start;
        self.finish(start, path_len, rest);
    }

    /// Adds an entry whose name is stored in an archive. Leading `/`, `./` and doubled slashes are
    /// removed, so that the same tree has the same paths in every format. A name that cannot be a
    /// path stays as stored, and its problem is recorded. `rest.path` and `rest.problem` are
    /// ignored.
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
        // Names and handles come from buffers far smaller than 4 GiB. A longer one would be cut
        // off, not wrapped around.
        let short = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        self.records.push(EntryRecord {
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

    /// All entries, in the order in which they were added.
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
    /// An entry of which only the path is known, to be completed with struct update syntax.
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
