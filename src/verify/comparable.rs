//! Whether a pick can be compared with its original. This is decided before any content is looked
//! at.
//!
//! In: the original's metadata and what the backup recorded about the file. Out: a [`Standing`].
//! Nothing in it depends on the bytes of the copy. This is what makes the statement sound: whether
//! a pick is in the statement must not depend on whether its copy is good or bad. If a differing
//! copy were left out where an equal one counts, the sample would be cleaned of bad files (R. J. A.
//! Little, D. B. Rubin, *Statistical Analysis with Missing Data*: data that are not missing at
//! random).
//!
//! A pick is comparable if the original exists, is a regular file that can be read, and was not
//! modified since the backup, as far as times tell. The size is not a criterion, because a
//! truncated copy in a folder records its own size.
//!
//! # What this rests on
//! The recorded time comes from the backup itself. Damage to it can move a pick out of the
//! statement: a flipped bit in the time of an archive's member, or in a name. Three things still
//! hold then. Such picks count as not comparable, and with a share of them above `--max-undecided`
//! the run does not pass. A lost name is found when originals are looked up in the catalog
//! (`completeness`). And an original that was left alone since long before the backup is comparable
//! whatever time the backup recorded ([`Standing::Settled`]).

use std::time::Duration;

use crate::platform::{Stat, Timestamp};

/// What is known about a file from the backup, and about the time of the backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// Size in bytes.
    pub size: Option<u64>,
    /// Modification time.
    pub mtime: Option<Timestamp>,
    /// Whether `mtime` is a local time whose zone is not known.
    pub zone_unknown: bool,
    /// The resolution of the format's times, in nanoseconds; 0 or 1 if it is not known.
    pub resolution_ns: u64,
    /// When the backup was taken, by its own time. A backup that was copied without its times has a
    /// later one.
    pub taken: Option<Timestamp>,
    /// When the archive was last written. `None` for a folder, which has no such time.
    pub closed: Option<Timestamp>,
    /// The newest modification time in the backup, if known. The backup was taken then or later.
    pub newest: Option<Timestamp>,
    /// The longest time that the backup program may have taken, up to the newest content.
    pub window: Duration,
    /// When this run began. A recorded time after that proves nothing.
    pub now: Timestamp,
    /// Whether originals are known not to have changed since the backup.
    pub frozen: bool,
}

impl Recorded {
    /// The resolution of a recorded time, in nanoseconds: the format's, or else the coarsest that
    /// the time may have.
    pub(super) fn resolution_of(&self, mtime: Timestamp) -> i128 {
        i128::from(match self.resolution_ns {
            0 | 1 => resolution_of(mtime),
            known => known,
        })
    }
}

/// How an original that can be read compares with what the backup recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The modification times are equal, at the resolution of the backup.
    SameTime,
    /// The original's modification time is earlier than the recorded one, and nothing has happened
    /// to the file since: the backup recorded when it copied the file.
    Untouched,
    /// The original was last touched before the newest content of the backup, by more than the time
    /// that a backup takes. The backup should hold it as it is.
    Settled,
    /// The user says that the originals have not changed.
    Frozen,
    /// The original's modification time is earlier than the recorded one, but its change time is
    /// later: an older file may have taken its place, or only its attributes changed.
    Replaced,
    /// The original's modification time is later than the recorded one.
    Modified,
    /// The backup records no time that decides it.
    Unknown,
}

impl Standing {
    /// Whether comparing says something about the copy. Then the pick enters the statement.
    pub fn is_comparable(self) -> bool {
        !matches!(self, Self::Modified | Self::Unknown)
    }

    /// Whether a difference is the backup's fault.
    pub fn blames_the_backup(self) -> bool {
        matches!(self, Self::SameTime | Self::Untouched | Self::Settled | Self::Frozen)
    }
}

/// Compares an original's metadata with what the backup recorded.
///
/// If the original's modification time is later than the recorded one, it was modified; if the
/// times are equal, it was not. An earlier time has two explanations. Either the backup does not
/// preserve times, so that it recorded when it made the copy; or an older file took the original's
/// place. The change time, which programs cannot set back, tells the two apart.
///
/// A backup may record no time, or one that programs write for "none" (up to 1980). Then the latest
/// time at which the backup was certainly not yet taken is used instead. On a file system that
/// stores local time (FAT), times that differ by exactly an hour are equal. For that, the backup's
/// own time has to be no earlier than the original's change time; it is good enough even though a
/// copy may have made it later.
pub fn standing(original: &Stat, recorded: &Recorded) -> Standing {
    if recorded.frozen {
        return Standing::Frozen;
    }
    let standing = match recorded.mtime.filter(|&mtime| says_something(mtime)) {
        Some(mtime) if recorded.zone_unknown => on_the_wall(original, mtime, recorded),
        Some(mtime) => by_time(original, mtime, recorded),
        None => by_the_backups_time(original, recorded),
    };
    if standing.blames_the_backup() || !is_settled(original, recorded.newest, recorded.window) {
        standing
    } else {
        Standing::Settled
    }
}

/// Whether an original was last touched more than `window` before the newest content of its backup.
fn is_settled(original: &Stat, newest: Option<Timestamp>, window: Duration) -> bool {
    touched(original).is_some_and(|touched| is_long_before(touched, newest, window))
}

/// When an original was last touched. `None` if the system records no change times.
pub fn touched(original: &Stat) -> Option<Timestamp> {
    original.changed.map(|changed| changed.max(original.mtime))
}

/// Whether `touched` is more than `window` before `newest`.
pub fn is_long_before(touched: Timestamp, newest: Option<Timestamp>, window: Duration) -> bool {
    let window = i128::try_from(window.as_nanos()).unwrap_or(i128::MAX);
    newest.is_some_and(|newest| touched.as_nanos() < newest.as_nanos().saturating_sub(window))
}

/// The latest time before which the backup was certainly not taken: the newest modification time in
/// it. Where that means nothing (an archive without times), the backup's own time, which is later
/// if the backup was copied without it.
pub fn taken_after(taken: Option<Timestamp>, newest: Option<Timestamp>) -> Option<Timestamp> {
    let newest = newest.filter(|&newest| says_something(newest));
    taken.into_iter().chain(newest).min()
}

/// The newest modification time in a backup, as a time when the backup was taken or later. A file
/// dated after the backup's own time does not count.
pub fn newest_content(newest: Option<Timestamp>, taken: Option<Timestamp>) -> Option<Timestamp> {
    let newest = newest.filter(|&newest| says_something(newest))?;
    Some(taken.map_or(newest, |taken| newest.min(taken)))
}

/// Whether a recorded time is later than what programs write for "none" (up to 1980).
pub(super) fn says_something(time: Timestamp) -> bool {
    time.seconds > DOS_EPOCH
}

/// Without a recorded time: was the original touched after the time before which the backup was
/// certainly not taken?
fn by_the_backups_time(original: &Stat, recorded: &Recorded) -> Standing {
    let touched = touched(original).unwrap_or(original.mtime);
    match taken_after(recorded.taken, recorded.newest) {
        Some(taken) if touched <= taken => Standing::Untouched,
        _ => Standing::Unknown,
    }
}

fn by_time(original: &Stat, mtime: Timestamp, recorded: &Recorded) -> Standing {
    let resolution = recorded.resolution_of(mtime);
    let ahead = original.mtime.as_nanos() - mtime.as_nanos();
    // The times may be equal at the archive's resolution of a second, although the archive was
    // closed before the original was written.
    let is_later = ahead > 0 && recorded.closed.is_some_and(|closed| original.mtime > closed);
    if ahead.abs() < resolution {
        return if is_later { Standing::Modified } else { Standing::SameTime };
    }
    if resolution == TWO_SECONDS
        && (ahead.abs() - HOUR).abs() < resolution
        && untouched_since_taken(original, recorded)
    {
        return Standing::SameTime;
    }
    // A file that was dated in the future has a different time now, so somebody wrote it.
    let is_future = mtime.as_nanos() > recorded.now.as_nanos() + CLOCKS_APART;
    if ahead > 0 || is_future {
        return Standing::Modified;
    }
    match original.changed {
        Some(changed) if changed.as_nanos() - mtime.as_nanos() < resolution => Standing::Untouched,
        _ => Standing::Replaced,
    }
}

fn untouched_since_taken(original: &Stat, recorded: &Recorded) -> bool {
    original.changed.zip(recorded.taken).is_some_and(|(changed, taken)| changed <= taken)
}

/// Compares a local time whose zone is not known, read as if it were in this machine's zone. Time
/// zones differ by multiples of a quarter of an hour, and by 26 hours at most.
fn on_the_wall(original: &Stat, mtime: Timestamp, recorded: &Recorded) -> Standing {
    let resolution = i128::from(recorded.resolution_ns).max(TWO_SECONDS);
    let ahead = original.mtime.as_nanos() - mtime.as_nanos();
    let beside = (ahead + QUARTER / 2).rem_euclid(QUARTER) - QUARTER / 2;
    let is_within = ahead.abs() < ZONES_APART + resolution;
    match () {
        () if ahead.abs() < resolution => Standing::SameTime,
        // An edit may happen to be a multiple of that from the recorded time. So the times count as
        // equal only if the file was not touched since.
        () if is_within && beside.abs() < resolution && untouched_since_taken(original, recorded) => {
            Standing::SameTime
        }
        () if is_within => Standing::Unknown,
        () if ahead > 0 => Standing::Modified,
        () if original.changed.is_some_and(|changed| changed.as_nanos() < mtime.as_nanos() - ZONES_APART) => {
            Standing::Untouched
        }
        () => Standing::Replaced,
    }
}

/// 1980-01-01 00:00:00 plus a day, in seconds since 1970: the earliest time that DOS could write,
/// in any time zone.
const DOS_EPOCH: i64 = 315_532_800 + 86_400;
const SECOND: u64 = 1_000_000_000;
const TWO_SECONDS: i128 = 2_000_000_000;
const HOUR: i128 = 3_600_000_000_000;
const QUARTER: i128 = HOUR / 4;
const ZONES_APART: i128 = 26 * HOUR;
/// How far the clocks of two machines may be apart.
pub(super) const CLOCKS_APART: i128 = HOUR;

/// The coarsest resolution that a recorded time may have, in nanoseconds: a power of ten up to a
/// second, or two seconds. File systems and tools store 1 ns, 100 ns (NTFS), 1 µs (UDF), 1 ms, 10
/// ms (exFAT), 1 s or 2 s (FAT), truncated or rounded. The recorded time is then a whole multiple
/// of that, and the original's time differs by less.
fn resolution_of(time: Timestamp) -> u64 {
    match u64::from(time.nanos) {
        0 if time.seconds % 2 == 0 => 2 * SECOND,
        0 => SECOND,
        nanos => {
            (0..9).map(|zeros| 10_u64.pow(zeros)).take_while(|unit| nanos % unit == 0).last().unwrap_or(1)
        }
    }
}

#[cfg(test)]
mod tests;
