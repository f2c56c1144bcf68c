//! Backup formats: listing what a backup contains, and restoring files from it.
//!
//! In: a [`Location`]. Out: a [`Backup`], which lists its entries as a stream and restores chosen
//! entries into a [`Scratch`] folder. Each format has its own file or folder and one line in
//! [`registry`], and every format runs the same contract suite (`tests/it/contract.rs`). This
//! module never writes to a backup. It knows nothing of sampling, verdicts or reports.

mod borg;
mod collected;
mod command;
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
mod image;
mod kept_listing;
mod leftovers;
mod location;
mod passed_over;
mod path;
mod reach;
pub mod registry;
mod repeats;
mod repository;
mod reservation;
mod restic;
mod restored;
mod scratch;
mod scratch_folder;
mod snapshot;
mod tar;
mod union;
mod workspace;
mod zip;

pub use crate::secret::Secret;
pub use command::{Commands, ListForm};
pub use context::Context;
pub use description::{BackupTime, Description, PathRoot, Several, TakenFrom};
pub use entry::{Entry, EntryBatch};
pub use error::{Damage, DamageKind, Error, Lost, RestoreError};
pub use folder::Folder;
pub use format::Format;
pub use image::{NewestImage, newest_image_on, newest_of_this_computer};
pub use leftovers::{Leftovers, remove_leftovers};
pub use location::Location;
pub use path::{NameProblem, escape, path_text, relative, unescape};
pub use reach::Reach;
pub use registry::open;
pub use restic::VARIABLES as RESTIC_VARIABLES;
pub use restored::Restored;
pub use scratch::{MARGIN, Scratch};
pub use scratch_folder::NotRemoved;
pub use snapshot::Snapshot;
pub use workspace::Workspace;

use std::ops::ControlFlow;
use std::path::PathBuf;

use crate::platform::Cached;

/// What a listing must contain besides the paths. Asking for less can be much faster: a folder then
/// needs no `stat` calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// The sizes of all entries.
    pub size: bool,
    /// The modification times of all entries.
    pub mtime: bool,
}

impl Needs {
    /// Whether anything besides the paths is needed.
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
    /// The sink or a cancelled run ended the listing early.
    Stopped,
    /// The listing is incomplete. Each damage says what could not be listed and why. The entries
    /// that were listed do exist in the backup.
    Damaged(Vec<Damage>),
}

impl Listing {
    /// The end of a listing that was not ended early, with all damage that it met.
    fn ended(damage: Vec<Damage>) -> Self {
        if damage.is_empty() { Self::Whole } else { Self::Damaged(damage) }
    }
}

/// Receives a listing. Formats that list in parallel call it from several threads at once.
pub trait CatalogSink: Sync {
    /// Takes a batch of entries. Batches and entries come in any order. `Break` ends the listing
    /// early.
    fn take(&self, entries: &EntryBatch) -> ControlFlow<()>;

    /// Discards all entries taken so far, because the listing starts again. Some names occur more
    /// than once, which is known only at the end; the second pass leaves out the entries that a
    /// later entry replaces. Called at most once for a listing, by one thread. Never called for a
    /// backup whose names are unique ([`Description::unique_names`]), nor after an earlier listing
    /// of this backup has run to its end.
    fn restart(&self);

    /// Reports how many more entries were passed over because they are not regular files: links,
    /// devices, empty folders. A listing that ends early need not call this.
    fn pass_over(&self, _count: u64) {}
}

/// Which entries to restore.
pub enum Wanted<'a> {
    /// These entries, as listed by the same backup.
    These(&'a EntryBatch),
    /// Every regular file for which the function returns true, in one pass. Only a format whose
    /// [`Reach`] is ordered is asked for this.
    Every(&'a (dyn Fn(&Entry<'_>) -> bool + Sync)),
}

/// Receives restored files, each as soon as it is complete.
pub trait RestoreSink {
    /// Announces that an entry of about `size` bytes is about to be restored, so that its original
    /// can be read at the same time. Only formats that restore entry by entry call this. The
    /// restore may still fail.
    fn begin(&mut self, _entry: &Entry<'_>, _size: u64) {}

    /// Takes one entry with its restored copy, or with the reason why there is none. `Break` ends
    /// the restore early.
    fn deliver(&mut self, entry: Entry<'_>, outcome: Result<Restored, RestoreError>) -> ControlFlow<()>;

    /// Reports a part of the backup that a restore of every file could not read. The files in that
    /// part are not delivered. A listing may have reported the same damage in the same words.
    fn lost(&mut self, damage: Damage);
}

/// A backup of one point in time.
///
/// The contract suite checks this contract for every format:
/// - Nothing is ever written to the backup, and its files are opened read-only.
/// - A listing that ran to its end has named every regular file once, with the same path in every
///   format.
/// - Each wanted entry is delivered exactly once: either with exactly the bytes that the format's
///   own program restores, or with the reason why it could not be restored. One bad entry does not
///   prevent the delivery of others.
/// - A restore of every file reports each part that it cannot read ([`RestoreSink::lost`]). It
///   never just ends early.
/// - Restored content comes from the backup alone.
pub trait Backup: Send + Sync {
    /// What this backup is. Fixed when the backup is opened.
    fn description(&self) -> &Description;

    /// How the scheduler should request entries.
    fn reach(&self) -> Reach {
        Reach::RANDOM
    }

    /// Lists all regular files to `sink`. Returns an error if nothing could be listed.
    fn catalog(&self, needs: Needs, context: &Context, sink: &dyn CatalogSink) -> Result<Listing, Error>;

    /// The name of a checksum over the content of all files (of a gzip, xz or zstd stream) that
    /// matched when the backup was last listed to its end. `None` if there is no such checksum or
    /// it has not been checked yet.
    fn vouched_by(&self) -> Option<&'static str> {
        None
    }

    /// How much of the files in a folder was still in memory although they were to be read from the
    /// disk. `None` for other formats, whose single file is checked separately, and for runs that
    /// may read from memory.
    fn cached(&self) -> Option<Cached> {
        None
    }

    /// Facts about the backup that a person should know and that change nothing about the result:
    /// which of several backups was opened, and what in it cannot hold files of the user.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether the program that made the backup never stores the content of a file at this path.
    /// Its original is not missing then.
    fn leaves_out(&self, _path: &[u8]) -> bool {
        false
    }

    /// Folders that belong to the backup and need not be below its location: links may lead to
    /// them, or the location is in them. Nothing may be written there.
    fn folders(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Restores the wanted entries into `scratch`. Returns an error if the backup or the scratch
    /// folder cannot be used any more. Problems with single entries are delivered to `sink`
    /// instead.
    fn restore(
        &self,
        wanted: Wanted<'_>,
        scratch: &Scratch,
        context: &Context,
        sink: &mut dyn RestoreSink,
    ) -> Result<(), Error>;
}

#[cfg(test)]
mod layers_tests;
