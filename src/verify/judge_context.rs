//! What all judges of a run share: where originals are, how to compare, and when to stop.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::SystemTime;

use crate::backup::{Damage, Description, Entry, Several};
use crate::cancel::CancelToken;
use crate::lock::lock;
use crate::plan::{Algorithm, Keep, Plan};
use crate::platform::Timestamp;

use super::comparable::Recorded;
use super::disks::Disks;
use super::hash::Hashing;
use super::keep::KeptCopies;
use super::memory::{KnownHash, Memory, PathKey};
use super::naming::Naming;
use super::observer::Observer;
use super::pairing::Pairing;
use super::resumed::CarriedOver;
use super::sharing::SharedBlocks;
use super::tally::PickTally;

/// What all judges of a run share.
pub struct JudgeContext<'a> {
    /// What is known about the files from before the run.
    pub memory: Memory<'a>,
    /// Where originals are.
    pub pairing: &'a Pairing,
    /// By which names the manifest knows files. `None` if there is no manifest.
    pub naming: Option<Naming>,
    /// What is known about every file: the resolution of the backup's times, when it was taken, and
    /// what the user says.
    pub recorded: Recorded,
    /// The newest modification time in the backup. Set after a listing with times.
    pub newest: OnceLock<Timestamp>,
    /// What vouches for the content of every file. Set after the backup was listed.
    pub vouched_by: OnceLock<&'static str>,
    /// The snapshots, if the backup is several.
    pub several: Option<Several>,
    /// The hash algorithm.
    pub hash: Algorithm,
    /// Computes the hash.
    pub hashing: Hashing,
    /// The lock for reading an original while its copy is still being restored. One thread at a
    /// time is enough to keep both disks busy. `None` if nothing is read ahead.
    pub one_ahead: Option<Mutex<()>>,
    /// The lock for reading a large file from a disk that has to seek, so that no two large files
    /// are read from it at the same time. `None` for other disks.
    pub one_large_file: Option<Mutex<()>>,
    /// Finds out whether copies share blocks on the disk with their originals. `None` if they
    /// cannot.
    pub shared: Option<SharedBlocks>,
    /// Which restored copies are kept.
    pub keep: Keep,
    /// Where they are kept.
    pub kept: KeptCopies,
    /// The most bytes that may be restored.
    pub budget: Option<u64>,
    /// Ends the run early. Checked between files and between pieces of a file.
    pub cancel: &'a CancelToken,
    /// Told of every verdict.
    pub observer: &'a dyn Observer,
    /// Bytes restored so far by all judges.
    pub restored_bytes: AtomicU64,
    /// Alarms so far.
    pub alarms: AtomicU64,
    /// Undecided findings so far.
    pub undecided: AtomicU64,
    /// How many picks so far are to be looked at again.
    pub pending: AtomicU64,
    /// Set when the budget is used up.
    pub out_of_budget: AtomicBool,
    /// The error of the restore folder that ends the run.
    pub broken: OnceLock<io::Error>,
    /// The picks of the sample that could not be compared, since they were last asked for.
    pub outside: Mutex<Vec<PathKey>>,
    /// Whether each pick answers for more than itself, so that what it came to is kept (strategy
    /// `size`).
    pub picks_answer: AtomicBool,
    /// What earlier sessions of the run judged. Set once the backup was listed.
    pub carried_over: OnceLock<CarriedOver>,
    /// What the judges found. Each judge adds its part when it is dropped.
    pub picks: Mutex<PickTally>,
    /// Damage that was met while restoring.
    pub lost: Mutex<Vec<Damage>>,
}

impl<'a> JudgeContext<'a> {
    /// The context for a plan and the backup that was opened for it.
    pub fn new(
        plan: &Plan,
        memory: Memory<'a>,
        pairing: &'a Pairing,
        description: &Description,
        cancel: &'a CancelToken,
        observer: &'a dyn Observer,
    ) -> Self {
        let disks = Disks::of(plan, &plan.target.originals().collect::<Vec<_>>());
        let since = plan.started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            memory,
            pairing,
            naming: None,
            recorded: Recorded {
                size: None,
                mtime: None,
                zone_unknown: false,
                resolution_ns: description.time_resolution_ns,
                taken: description.taken_at(),
                closed: description.taken.filter(|taken| taken.how.is_final()).map(|taken| taken.at),
                newest: None,
                window: plan.claims.backup_window,
                now: plan.started.into(),
                frozen: plan.claims.assume_unchanged,
            },
            newest: OnceLock::new(),
            vouched_by: OnceLock::new(),
            several: description.several.clone(),
            hash: plan.engine.hash,
            hashing: Hashing::new(plan.engine.hash, plan.engine.threads),
            one_ahead: (disks.reads_ahead && plan.engine.threads > 1).then(Mutex::default),
            one_large_file: disks.one_large_file.then(Mutex::default),
            shared: plan.target.backup.local().and_then(SharedBlocks::new),
            keep: plan.outputs.keep,
            kept: KeptCopies::new(&plan.target.restore_to, &since.as_millis().to_string()),
            budget: plan.limits.budget,
            cancel,
            observer,
            restored_bytes: AtomicU64::new(0),
            alarms: AtomicU64::new(0),
            undecided: AtomicU64::new(0),
            pending: AtomicU64::new(0),
            out_of_budget: AtomicBool::new(false),
            broken: OnceLock::new(),
            outside: Mutex::default(),
            picks_answer: AtomicBool::new(false),
            picks: Mutex::default(),
            carried_over: OnceLock::new(),
            lost: Mutex::default(),
        }
    }
}

impl JudgeContext<'_> {
    /// Takes over what earlier sessions found. Called before anything is judged.
    pub fn carry_over(&self, carried_over: CarriedOver) {
        lock(&self.picks).merge(carried_over.tally());
        let _ = self.carried_over.set(carried_over);
    }

    /// Whether an earlier session judged this version of the file at this path.
    pub fn is_judged(&self, path: &[u8]) -> bool {
        self.carried_over.get().is_some_and(|carried_over| carried_over.holds(path))
    }

    /// What is known about an entry.
    pub fn recorded(&self, entry: &Entry<'_>) -> Recorded {
        Recorded {
            size: entry.size,
            mtime: entry.mtime,
            zone_unknown: entry.zone_unknown,
            newest: self.newest.get().copied(),
            ..self.recorded
        }
    }

    /// Whether only older ones of several snapshots hold an entry.
    pub fn is_past(&self, entry: &Entry<'_>) -> bool {
        self.several.as_ref().is_some_and(|several| several.in_newest(entry.path).is_none())
    }

    /// What the manifest knows of the file at this path in the backup.
    pub fn in_manifest(&self, path: &[u8]) -> Option<KnownHash> {
        let name = self.naming.as_ref()?.name(self.pairing, path)?;
        self.memory.manifest?.of(&name)
    }

    /// Whether nothing new should be started.
    pub fn is_over(&self) -> bool {
        self.cancel.is_cancelled()
            || self.out_of_budget.load(Ordering::Relaxed)
            || self.broken.get().is_some()
    }

    /// The picks of the sample that could not be compared, since this was last asked.
    pub fn take_outside(&self) -> Vec<PathKey> {
        std::mem::take(&mut *lock(&self.outside))
    }

    /// Records damage that was met while restoring.
    pub fn add_damage(&self, damage: Damage) {
        lock(&self.lost).push(damage);
    }

    /// Whether an entry of the backup and its original are the same file.
    pub fn is_one_file(&self, entry: &Entry<'_>, original: (&File, (u64, u64))) -> bool {
        let Some(copy) = entry.id else { return false };
        let by_overlay = |shared: &SharedBlocks| shared.is_one_file((entry.path, copy), original);
        copy == original.1 || self.shared.as_ref().is_some_and(by_overlay)
    }

    /// Ends the run, because the restore folder can no longer be used.
    pub fn break_down(&self, error: io::Error) -> ControlFlow<()> {
        // If several judges fail, the first error is reported.
        let _ = self.broken.set(error);
        ControlFlow::Break(())
    }
}
