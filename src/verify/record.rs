//! What one pick came to: the one record that counting, reports, progress and whatever else watches
//! a run are given.

use serde::{Deserialize, Serialize};

use crate::platform::Timestamp;

use super::difference::Difference;
use super::hash::Hash;
use super::verdict::Verdict;

/// A judged pick.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PickRecord {
    /// The entry's path in the backup, any bytes.
    pub path: Vec<u8>,
    /// Where its original was looked for, any bytes.
    pub original: Option<Vec<u8>>,
    /// The verdict.
    pub verdict: Verdict,
    /// Whether it could be compared, so that it is in the statement; decided before its content was
    /// looked at.
    pub comparable: bool,
    /// Why, in words; empty where it is verified.
    pub reason: String,
    /// Size that the backup recorded.
    pub recorded_size: Option<u64>,
    /// Modification time that the backup recorded.
    pub recorded_mtime: Option<Timestamp>,
    /// Size of the restored copy, if there is one.
    pub restored_size: Option<u64>,
    /// Size of the original, if there is one.
    pub original_size: Option<u64>,
    /// Modification time of the original, if there is one.
    pub original_mtime: Option<Timestamp>,
    /// The hashes, where both sides were read to their ends.
    pub hashes: Option<Hashes>,
    /// Where they differ.
    pub difference: Option<Difference>,
    /// Where the restored copy was kept.
    pub kept: Option<Vec<u8>>,
}

/// The hashes of both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hashes {
    /// Of the restored copy.
    pub restored: Hash,
    /// Of the original.
    pub original: Hash,
}

impl PickRecord {
    /// One of which nothing is known but this.
    pub fn new(path: &[u8], verdict: Verdict) -> Self {
        Self {
            path: path.to_vec(),
            original: None,
            verdict,
            comparable: false,
            reason: String::new(),
            recorded_size: None,
            recorded_mtime: None,
            restored_size: None,
            original_size: None,
            original_mtime: None,
            hashes: None,
            difference: None,
            kept: None,
        }
    }
}
