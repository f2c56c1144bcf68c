//! One judged pick, as it waits for the writer: only what the ledger stores.

use crate::verify::PickRecord;
use crate::verify::hash::Hash;
use crate::verify::known_counts::KnownBy;
use crate::verify::memory::PathKey;
use crate::verify::memory::version_number;
use crate::verify::verdict::Verdict;

use super::times;

/// A judged pick.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) path: Box<[u8]>,
    pub(super) verdict: Verdict,
    pub(super) comparable: bool,
    /// The size of the copy, or else the one that the backup recorded.
    pub(super) size: Option<u64>,
    pub(super) mtime: Option<i64>,
    /// The recorded modification time, if the original confirms it.
    pub(super) confirmed: Option<i64>,
    /// The number of the version that was judged.
    pub(super) version: u64,
    /// Whether it may turn out to be comparable.
    pub(super) pending: bool,
    /// Whether the sides are equal, but not to what the ledger has of this version.
    pub(super) unlike: bool,
    /// The hash of both sides, if they were found equal.
    pub(super) hash: Option<Hash>,
    /// The whole record, if it is a finding that is kept.
    pub(super) record: Option<Box<PickRecord>>,
}

impl Row {
    /// The row of a record. `keep_record` says whether it is kept whole, too.
    pub(super) fn new(pick: &PickRecord, keep_record: bool) -> Self {
        let verified = pick.verdict == Verdict::Verified;
        Self {
            path: pick.path.as_slice().into(),
            verdict: pick.verdict,
            comparable: pick.comparable,
            size: pick.restored_size.or(pick.recorded_size),
            mtime: pick.recorded_mtime.and_then(times::to_nanos),
            confirmed: pick.confirmed_mtime.and_then(times::to_nanos),
            version: version_number(&pick.path, pick.recorded_size, pick.recorded_mtime),
            pending: pick.pending.is_some(),
            unlike: pick.unlike && pick.known.is_some_and(|known| known.by == KnownBy::Ledger),
            hash: pick.hashes.filter(|_| verified).map(|hashes| hashes.restored),
            record: keep_record.then(|| Box::new(pick.clone())),
        }
    }

    /// What the ledger stores the file by.
    pub(super) fn key(&self) -> PathKey {
        PathKey::of(&self.path)
    }

    /// About how many bytes the row takes in memory.
    pub(super) fn weight(&self) -> usize {
        // A record has two paths, two hashes and a sentence.
        size_of::<Self>() + self.path.len() + self.record.as_ref().map_or(0, |_| 1024 + 2 * self.path.len())
    }
}
