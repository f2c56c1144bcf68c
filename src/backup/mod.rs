//! Backup formats: what a backup can list and give back.
//!
//! In: a [`Location`]. Out: a [`Backup`] that lists its entries as a stream and restores chosen
//! ones below a [`Scratch`]. One file (or folder) a format, one line each in [`registry`]; every
//! format runs the same contract suite (`tests/it/contract.rs`). This room never writes to a
//! backup, and knows nothing of sampling, verdicts or reports.

mod aside;
pub mod bytes;
mod compression;
mod context;
mod damage_lines;
mod delivery;
mod description;
mod entry;
mod error;
mod folder;
mod format;
mod holes;
mod leftovers;
mod location;
mod path;
mod reach;
pub mod registry;
mod repeats;
mod reservation;
mod restored;
mod scratch;
mod scratch_folder;
mod tar;
mod workspace;
mod zip;

pub use context::Context;
pub use description::{Description, Taken, TakenFrom};
pub use entry::{Entry, EntryBatch};
pub use error::{Damage, Error, Lost, RestoreError};
pub use folder::Folder;
pub use format::{Format, Snapshot};
pub use leftovers::{Leftovers, remove_leftovers};
pub use location::{Location, Secret};
pub use path::{NameProblem, escape, path_text, relative, unescape};
pub use reach::Reach;
pub use registry::open;
pub use restored::Restored;
pub use scratch::{MARGIN, Scratch};
pub use scratch_folder::Stays;
pub use workspace::Workspace;

use std::ops::ControlFlow;

use crate::platform::Cached;

/// What a listing must carry beyond the path; asking for less can be much faster (a folder needs no
/// stat).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// Sizes of all entries.
    pub size: bool,
    /// Modification times of all entries.
    pub mtime: bool,
}

impl Needs {
    /// Whether anything beyond paths is needed.
    pub fn any(self) -> bool {
        self.size || self.mtime
    }
}

/// How a listing ended.
#[derive(Debug)]
#[must_use]
pub enum Listing {
    /// Everything was listed.
    Whole,
    /// The receiver or the run asked to stop.
    Stopped,
    /// The listing is incomplete: each damage says what could not be listed and why. What was
    /// listed is real.
    Damaged(Vec<Damage>),
}

/// Receives a listing. Called from several threads at once by formats that list in parallel.
pub trait CatalogSink: Sync {
    /// Takes some entries, in no promised order. `Break` ends the listing early.
    fn take(&self, entries: &EntryBatch) -> ControlFlow<()>;

    /// Forgets all that it took of this listing, which begins again: some names occur more than
    /// once, which only shows at the end, and what comes now leaves out the entries that later ones
    /// replace. Called once at most, by one thread; never for a backup whose names are unique
    /// ([`Description::unique_names`]), nor once a listing of this backup has come to its end.
    fn restart(&self);

    /// Hears how many more entries are passed over because they are no regular files: links,
    /// devices, empty folders. A listing that ends early may say nothing of them.
    fn pass_over(&self, _count: u64) {}
}

/// Which entries a restore is asked for.
pub enum Wanted<'a> {
    /// These, as listed by the same backup.
    These(&'a EntryBatch),
    /// Every regular file that passes the test, in one pass.
    Every(&'a (dyn Fn(&Entry<'_>) -> bool + Sync)),
}

/// Receives restored files, each as soon as it is whole.
pub trait RestoreSink {
    /// Hears that the content of an entry, of about `size` bytes, is going to be restored, so that
    /// its original can be read meanwhile. Formats say so that restore entry by entry; it may come
    /// to nothing.
    fn begin(&mut self, _entry: &Entry<'_>, _size: u64) {}

    /// Takes one entry with its restored copy, or the reason there is none. `Break` ends the
    /// restore early.
    fn deliver(&mut self, entry: Entry<'_>, outcome: Result<Restored, RestoreError>) -> ControlFlow<()>;

    /// Takes note of a part of the backup that a restore of every file could not read, so that what
    /// lies in it is not delivered. A listing may have reported the same in the same words.
    fn lost(&mut self, damage: Damage);
}

/// A backup of one point in time.
///
/// Contract, checked by the contract suite for every format:
/// - nothing is ever written to it, and its files are opened read-only;
/// - a listing that has come to its end named every regular file once, with the same path whatever
///   the format;
/// - each wanted entry is delivered exactly once, with exactly the bytes that the format's own
///   program restores, or with the reason why not; one bad entry does not keep others from being
///   delivered;
/// - a restore of every file that comes upon what it cannot read says so ([`RestoreSink::lost`]):
///   it never just ends early;
/// - restored content comes from the backup alone.
pub trait Backup: Send + Sync {
    /// What this backup is. It was fixed when the backup was opened.
    fn description(&self) -> &Description;

    /// How it wants to be asked for entries.
    fn reach(&self) -> Reach {
        Reach::RANDOM
    }

    /// Lists all regular files to `sink`. An error means that nothing could be listed.
    fn catalog(&self, needs: Needs, context: &Context, sink: &dyn CatalogSink) -> Result<Listing, Error>;

    /// What vouches for the content of every file: a checksum over all of it (that of a gzip, xz or
    /// zstd stream) that was found right when the backup was last listed to its end. Nothing where
    /// there is none, or it was not seen yet.
    fn vouched_by(&self) -> Option<&'static str> {
        None
    }

    /// What was still in memory of the files in a folder that were to be read from the disk;
    /// nothing of other formats, whose one file is asked about by itself, and of those that may be
    /// read from memory.
    fn cached(&self) -> Option<Cached> {
        None
    }

    /// Restores the wanted entries below `scratch`. An error means that the backup or the scratch
    /// folder cannot be used any more; trouble with single entries is delivered instead.
    fn restore(
        &self,
        wanted: Wanted<'_>,
        scratch: &Scratch,
        context: &Context,
        sink: &mut dyn RestoreSink,
    ) -> Result<(), Error>;
}
