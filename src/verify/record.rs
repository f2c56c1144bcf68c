//! What a pick came to. Counting, reports, progress and all other observers of a run receive this
//! one record.

use serde::{Deserialize, Serialize};

use crate::platform::Timestamp;

use super::difference::Difference;
use super::hash::Hash;
use super::known_counts::KnownBy;
use super::verdict::Verdict;

/// The word for a pick whose sides are equal, but not to the hash that is known of this version.
pub const UNLIKE: &str = "unlike";

/// A judged pick.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PickRecord {
    /// The entry's path in the backup; bytes in any encoding.
    pub path: Vec<u8>,
    /// The path at which its original was looked for; bytes in any encoding.
    pub original: Option<Vec<u8>>,
    /// The verdict.
    pub verdict: Verdict,
    /// Whether the pick could be compared and is in the statement. This was decided before its
    /// content was looked at.
    pub comparable: bool,
    /// Whether it was judged beside the sample. Then it is not in the statement, even if it could
    /// be compared.
    #[serde(default)]
    pub beside: bool,
    /// Whether both sides are equal, but not to the hash that is known of this version. Then
    /// something is wrong with both of them, or somebody changed the file and set its time back.
    #[serde(default)]
    pub unlike: bool,
    /// The reason for the verdict, in words; empty for `verified`, unless the pick is `unlike`.
    pub reason: String,
    /// The size in bytes that the backup recorded.
    pub recorded_size: Option<u64>,
    /// The modification time that the backup recorded.
    pub recorded_mtime: Option<Timestamp>,
    /// The size of the restored copy in bytes, if there is one.
    pub restored_size: Option<u64>,
    /// The size of the original in bytes, if there is one.
    pub original_size: Option<u64>,
    /// The modification time of the original, if there is one.
    pub original_mtime: Option<Timestamp>,
    /// A time before which the backup was certainly not taken, if this file proves one: the
    /// recorded time, which the original's change time confirms.
    pub confirmed_mtime: Option<Timestamp>,
    /// When the original was last touched, if the verdict may still change once the newest time in
    /// the backup is known.
    pub pending: Option<Timestamp>,
    /// The hashes, if the restored copy was read to its end.
    pub hashes: Option<Hashes>,
    /// The hash that was known from before the run, if one was used for the verdict or its reason.
    pub known: Option<UsedHash>,
    /// Where the two sides differ.
    pub difference: Option<Difference>,
    /// Where the restored copy was kept, if it was.
    pub kept: Option<Vec<u8>>,
}

/// The hashes of both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hashes {
    /// The hash of the restored copy.
    pub restored: Hash,
    /// The hash of the original, if it was read to its end.
    pub original: Option<Hash>,
}

impl Hashes {
    /// Whether both sides were read and differ.
    pub fn differ(&self) -> bool {
        self.original.is_some_and(|original| original != self.restored)
    }
}

/// A hash that was known from before the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedHash {
    /// The hash.
    pub hash: Hash,
    /// Who knew it.
    pub by: KnownBy,
    /// Whether the pick is comparable only because of it.
    pub decided: bool,
}

impl PickRecord {
    /// Whether a person should see it.
    pub fn is_finding(&self) -> bool {
        self.verdict != Verdict::Verified || self.unlike
    }

    /// A record of which only the path and the verdict are known.
    pub fn new(path: &[u8], verdict: Verdict) -> Self {
        Self {
            path: path.to_vec(),
            original: None,
            verdict,
            comparable: false,
            beside: false,
            unlike: false,
            reason: String::new(),
            recorded_size: None,
            recorded_mtime: None,
            restored_size: None,
            original_size: None,
            original_mtime: None,
            confirmed_mtime: None,
            pending: None,
            hashes: None,
            known: None,
            difference: None,
            kept: None,
        }
    }
}
