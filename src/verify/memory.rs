//! What is known about the files from before this run. The flow only asks; it does not know who
//! answers. A ledger of earlier runs and a manifest both do.
//!
//! Three questions are asked of it:
//! - Which hash is known of a file ([`KnownHashes`])? With it, a difference can be attributed to
//!   one side.
//! - When was each file last judged ([`LastJudged`])? The strategy `coverage` begins with those that
//!   were judged longest ago, or never.
//! - Which part of this draw was judged before ([`Resumed`])? It is not judged again.
//!
//! Without any memory ([`Memory::default`]) a run works as if it were the first.

use crate::platform::Timestamp;

use super::hash::Hash;
pub use super::path_key::{PathKey, version_number};
pub use super::resumed::{DrawnFrom, JudgedPick, Resumed};

/// What is known from before the run.
#[derive(Clone, Copy, Default)]
pub struct Memory<'a> {
    /// Hashes from a manifest that the user named. Its hashes are of the run's algorithm. They are
    /// of originals, so they are found by other names than the paths in the backup.
    pub manifest: Option<&'a dyn KnownHashes>,
    /// Hashes that earlier runs recorded.
    pub ledger: Option<&'a dyn KnownHashes>,
    /// When files were last judged.
    pub last_judged: Option<&'a dyn LastJudged>,
    /// The part of this draw that was judged before.
    pub resumed: Option<&'a Resumed>,
}

/// A store of hashes by path. Asked by many threads at once.
pub trait KnownHashes: Sync {
    /// What is known of the file at this path in the backup; `None` if nothing is. A store that
    /// fails knows nothing: it reports its error to its owner, not to the run.
    ///
    /// A ledger is asked by the path in the backup. A manifest is asked by the name that it has for
    /// the file (`Naming`).
    fn of(&self, path: &[u8]) -> Option<KnownHash>;

    /// The folder that all names of a manifest are in, without slashes around it. Empty if there is
    /// no such folder.
    fn folder(&self) -> &[u8] {
        b""
    }

    /// How many names a manifest has.
    fn names(&self) -> u64 {
        0
    }

    /// Examples of the names in a manifest, for messages.
    fn examples(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A hash that is known of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownHash {
    /// The hash, of the algorithm of the run.
    pub hash: Hash,
    /// Which version of the file has this hash.
    pub version: Version,
}

/// The version of a file that a hash is known of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The one with this modification time, which a run verified at `seen`.
    Modified {
        /// The modification time that the backup recorded of it.
        mtime: Timestamp,
        /// When a run found copy and original to be equal.
        seen: Timestamp,
    },
    /// The one that existed when a manifest was made. That took from one time to the other, and a
    /// manifest that is written again in place may keep the time at which it was first made. So each
    /// question is asked of the end at which it is harder to answer.
    At {
        /// It was not begun before this.
        from: Timestamp,
        /// It was complete at this.
        until: Timestamp,
    },
}

/// When files were last judged, by earlier runs on the same backup and originals.
pub trait LastJudged: Sync {
    /// Calls `each` for every file that was ever judged, in any order.
    ///
    /// # Errors
    /// If the store cannot be read to its end. In words.
    fn each(&self, each: &mut dyn FnMut(PathKey, RunNumber)) -> Result<(), String>;
}

/// The number of an earlier run. Later runs have larger numbers.
pub type RunNumber = u64;
