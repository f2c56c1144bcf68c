//! What all judges of a run share: where originals are, how to compare, and when to end.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use crate::backup::{Damage, Description, Entry};
use crate::plan::{Algorithm, Keep, Plan};
use crate::platform::Timestamp;
use crate::stop::Stop;

use super::comparable::Recorded;
use super::disks::Disks;
use super::hash::Hashing;
use super::keep::KeptCopies;
use super::observer::Observer;
use super::pairing::Pairing;
use super::sharing::SharedBlocks;
use super::tally::PickTally;

/// What all judges of a run share.
pub struct JudgeContext<'a> {
    /// Where originals are.
    pub pairing: &'a Pairing,
    /// What is known of every file: how finely the backup records times, when it was taken, what
    /// the user says.
    pub recorded: Recorded,
    /// The newest modification time in the backup, once it was listed with times.
    pub newest: OnceLock<Timestamp>,
    /// What vouches for the content of every file, once the backup was listed.
    pub vouched_by: OnceLock<&'static str>,
    /// The hash.
    pub hash: Algorithm,
    /// Computes it.
    pub hashing: Hashing,
    /// Where originals may be read while their copies are restored: whoever holds it does so. One
    /// is enough to keep both disks busy.
    pub one_ahead: Option<Mutex<()>>,
    /// Where a disk has to seek: whoever holds it reads a large file, and no other is read
    /// meanwhile.
    pub one_large_file: Option<Mutex<()>>,
    /// Whether copies share their place on the disk with their originals; nothing where they
    /// cannot.
    pub shared: Option<SharedBlocks>,
    /// Which copies stay.
    pub keep: Keep,
    /// Where they stay.
    pub kept: KeptCopies,
    /// Bytes that may be restored.
    pub budget: Option<u64>,
    /// Asked between files and pieces of files.
    pub stop: &'a Stop,
    /// Told of every verdict.
    pub observer: &'a dyn Observer,
    /// Bytes restored so far, by all.
    pub restored_bytes: AtomicU64,
    /// Alarms so far.
    pub alarms: AtomicU64,
    /// Undecided findings so far.
    pub undecided: AtomicU64,
    /// Picks so far that are to be looked at again.
    pub pending: AtomicU64,
    /// Set when the budget is used up.
    pub out_of_budget: AtomicBool,
    /// What keeps the run from going on.
    pub broken: OnceLock<io::Error>,
    /// What judges found; each adds its part when it is done.
    pub picks: Mutex<PickTally>,
    /// What could not be read while everything was restored.
    pub lost: Mutex<Vec<Damage>>,
}

impl<'a> JudgeContext<'a> {
    /// For a plan and the backup that was opened for it.
    pub fn new(
        plan: &Plan,
        pairing: &'a Pairing,
        description: &Description,
        stop: &'a Stop,
        observer: &'a dyn Observer,
    ) -> Self {
        let disks = Disks::of(plan, &plan.target.originals().collect::<Vec<_>>());
        let since = plan.started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            pairing,
            recorded: Recorded {
                size: None,
                mtime: None,
                zone_unknown: false,
                resolution_ns: description.time_resolution_ns,
                taken: description.taken_at(),
                closed: description.taken.filter(|taken| taken.how.is_final()).map(|taken| taken.at),
                newest: None,
                window: plan.claims.backup_window,
                now: Timestamp::from_nanos(i128::try_from(since.as_nanos()).unwrap_or(i128::MAX)),
                frozen: plan.claims.assume_unchanged,
            },
            newest: OnceLock::new(),
            vouched_by: OnceLock::new(),
            hash: plan.engine.hash,
            hashing: Hashing::new(plan.engine.hash, plan.engine.threads),
            one_ahead: (disks.reads_ahead && plan.engine.threads > 1).then(Mutex::default),
            one_large_file: disks.one_large_file.then(Mutex::default),
            shared: plan.target.backup.local().and_then(SharedBlocks::new),
            keep: plan.outputs.keep,
            kept: KeptCopies::new(&plan.target.restore_to, &since.as_millis().to_string()),
            budget: plan.limits.budget,
            stop,
            observer,
            restored_bytes: AtomicU64::new(0),
            alarms: AtomicU64::new(0),
            undecided: AtomicU64::new(0),
            pending: AtomicU64::new(0),
            out_of_budget: AtomicBool::new(false),
            broken: OnceLock::new(),
            picks: Mutex::default(),
            lost: Mutex::default(),
        }
    }
}

impl JudgeContext<'_> {
    /// What is known of an entry.
    pub fn recorded(&self, entry: &Entry<'_>) -> Recorded {
        Recorded {
            size: entry.size,
            mtime: entry.mtime,
            zone_unknown: entry.zone_unknown,
            newest: self.newest.get().copied(),
            ..self.recorded
        }
    }

    /// Whether nothing more should be begun.
    pub fn is_over(&self) -> bool {
        self.stop.is_set() || self.out_of_budget.load(Ordering::Relaxed) || self.broken.get().is_some()
    }

    /// How many picks could be compared, by the judges that are done.
    pub fn comparable(&self) -> u64 {
        self.picks.lock().unwrap_or_else(PoisonError::into_inner).counts.comparable()
    }

    /// Notes what a restore of everything could not read.
    pub fn lose(&self, damage: Damage) {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).push(damage);
    }

    /// Whether an entry of the backup is the original itself.
    pub fn is_one_file(&self, entry: &Entry<'_>, original: (&File, (u64, u64))) -> bool {
        let Some(copy) = entry.id else { return false };
        let by_overlay = |shared: &SharedBlocks| shared.is_one_file((entry.path, copy), original);
        copy == original.1 || self.shared.as_ref().is_some_and(by_overlay)
    }

    /// Ends the run, because the restore folder cannot be used any more.
    pub fn break_down(&self, error: io::Error) -> ControlFlow<()> {
        // The first reason is the one to tell.
        let _ = self.broken.set(error);
        ControlFlow::Break(())
    }
}
