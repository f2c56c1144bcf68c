//! Whether a pick can be compared with its original: decided before any content is looked at.
//!
//! In: the state of the original and what the backup recorded of the file. Out: a [`Standing`].
//! Nothing in it depends on the bytes of the copy. This is what makes the statement sound: a pick
//! enters it, or stays outside, whether its copy turns out good or bad. If a differing copy were
//! left out where an equal one counts, the sample would be cleaned of bad files (R. J. A. Little,
//! D. B. Rubin, *Statistical Analysis with Missing Data*: data that are not missing at random).
//!
//! A pick is comparable if the original is there, is a regular file that can be read, and was not
//! modified since the backup, as far as times tell. Its size is no criterion: a truncated copy in a
//! folder records its own size.
//!
//! # What this rests on
//! The recorded time is the backup's own. Damage that reaches it can move a pick out of the
//! statement: a flipped bit in the time of an archive's member, or in a name. What still holds
//! then: such picks are counted as not comparable, and beyond the share of `--max-undecided` the
//! run does not pass; a name that was lost is found by the look-up of originals (`completeness`);
//! and an original that has been left alone since long before the backup is comparable whatever
//! time the backup recorded ([`Standing::Settled`]).

use std::time::Duration;

use crate::platform::{Stat, Timestamp};

/// What is known of a file from the backup, and of the backup's own time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// Size in bytes.
    pub size: Option<u64>,
    /// Modification time.
    pub mtime: Option<Timestamp>,
    /// Whether `mtime` is a time on the wall of a zone that is not known.
    pub zone_unknown: bool,
    /// How finely the format records times, in nanoseconds.
    pub resolution_ns: u64,
    /// When the backup was taken, as far as it tells itself: later, if it was copied without its
    /// times.
    pub taken: Option<Timestamp>,
    /// When the archive was written last; nothing for a folder, which has no such time.
    pub closed: Option<Timestamp>,
    /// The newest modification time in it, where that is known: it was taken then or later.
    pub newest: Option<Timestamp>,
    /// The longest time that the backup program may have taken, before the newest content.
    pub window: Duration,
    /// When this run began: a recorded time after it tells nothing.
    pub now: Timestamp,
    /// Whether originals are known not to have changed since the backup.
    pub frozen: bool,
}

/// How an original that can be read stands to what the backup recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Its modification time is the recorded one, as finely as the backup keeps times.
    SameTime,
    /// Its modification time is earlier than the recorded one, and nothing happened to it since:
    /// the backup recorded when it copied the file.
    Untouched,
    /// It was last touched longer before the newest content of the backup than a backup takes: the
    /// backup should hold it as it is.
    Settled,
    /// It is known not to have changed, because the user says so.
    Frozen,
    /// Its modification time is earlier than the recorded one, but its change time is later: an
    /// older file may have taken its place, or only its attributes changed.
    Replaced,
    /// Its modification time is later than the recorded one.
    Modified,
    /// The backup records no time that tells.
    Unknown,
}

impl Standing {
    /// Whether comparing says something about the copy, so that the pick enters the statement.
    pub fn is_comparable(self) -> bool {
        !matches!(self, Self::Modified | Self::Unknown)
    }

    /// Whether the backup must answer for a difference.
    pub fn blames_the_backup(self) -> bool {
        matches!(self, Self::SameTime | Self::Untouched | Self::Settled | Self::Frozen)
    }
}

/// The standing of an original in this state.
///
/// A later modification time says that it was modified, the same one that it was not. An earlier
/// one has two explanations: the backup keeps no times, so that what it recorded is when it copied;
/// or an older file took the original's place. The change time, which programs cannot set back,
/// tells them apart.
///
/// A recorded time that says nothing (none, or one that programs write for "none": up to 1980) is
/// replaced by one at which the backup was surely not yet taken. One that is off by just an hour on
/// a file system that keeps local time (FAT) is the same time; the time of the backup, which a copy
/// may have made later, is good enough for that.
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

/// When an original was last touched, as far as the system tells.
pub fn touched(original: &Stat) -> Option<Timestamp> {
    original.changed.map(|changed| changed.max(original.mtime))
}

/// Whether `touched` lies more than `window` before `newest`.
pub fn is_long_before(touched: Timestamp, newest: Option<Timestamp>, window: Duration) -> bool {
    let window = i128::try_from(window.as_nanos()).unwrap_or(i128::MAX);
    newest.is_some_and(|newest| touched.as_nanos() < newest.as_nanos().saturating_sub(window))
}

/// The latest time of which it is sure that the backup was not taken before it: the newest
/// modification time in it. Where that says nothing (an archive without times), its own time, which
/// is later if it was copied without it.
pub fn taken_after(taken: Option<Timestamp>, newest: Option<Timestamp>) -> Option<Timestamp> {
    let newest = newest.filter(|&newest| says_something(newest));
    taken.into_iter().chain(newest).min()
}

/// The newest modification time in a backup, as far as it says when the backup was taken: a file
/// that is dated after the backup's own time says nothing about that.
pub fn newest_content(newest: Option<Timestamp>, taken: Option<Timestamp>) -> Option<Timestamp> {
    let newest = newest.filter(|&newest| says_something(newest))?;
    Some(taken.map_or(newest, |taken| newest.min(taken)))
}

/// Whether a recorded time is more than what programs write for "none": up to 1980.
fn says_something(time: Timestamp) -> bool {
    time.seconds > DOS_EPOCH
}

/// Without a recorded time: whether the original was touched after the backup was surely not yet
/// taken.
fn by_the_backups_time(original: &Stat, recorded: &Recorded) -> Standing {
    let touched = touched(original).unwrap_or(original.mtime);
    match taken_after(recorded.taken, recorded.newest) {
        Some(taken) if touched <= taken => Standing::Untouched,
        _ => Standing::Unknown,
    }
}

fn by_time(original: &Stat, mtime: Timestamp, recorded: &Recorded) -> Standing {
    let resolution = i128::from(match recorded.resolution_ns {
        0 | 1 => resolution_of(mtime),
        known => known,
    });
    let ahead = original.mtime.as_nanos() - mtime.as_nanos();
    // Within the second, say, that an archive keeps; but it was closed before the original was
    // written.
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
    // A file that was dated in the future has another time now: somebody wrote it.
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

/// A time on the wall, read as if in this machine's zone. Zones are apart by quarters of an hour,
/// and by 26 hours at most.
fn on_the_wall(original: &Stat, mtime: Timestamp, recorded: &Recorded) -> Standing {
    let resolution = i128::from(recorded.resolution_ns).max(TWO_SECONDS);
    let ahead = original.mtime.as_nanos() - mtime.as_nanos();
    let beside = (ahead + QUARTER / 2).rem_euclid(QUARTER) - QUARTER / 2;
    let is_within = ahead.abs() < ZONES_APART + resolution;
    match () {
        () if ahead.abs() < resolution => Standing::SameTime,
        // An edit may lie just that far from the recorded time: only what was not touched since is
        // the same.
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

/// 1980-01-01 00:00:00 and a day, in seconds since 1970: the earliest time that DOS could write, in
/// any time zone.
const DOS_EPOCH: i64 = 315_532_800 + 86_400;
const SECOND: u64 = 1_000_000_000;
const TWO_SECONDS: i128 = 2_000_000_000;
const HOUR: i128 = 3_600_000_000_000;
const QUARTER: i128 = HOUR / 4;
const ZONES_APART: i128 = 26 * HOUR;
/// The clock of the machine that made the backup may be ahead by as much.
const CLOCKS_APART: i128 = HOUR;

/// How finely a recorded time may have been kept, in nanoseconds: some power of ten up to a second,
/// or two seconds. File systems and tools keep 1 ns, 100 ns (NTFS), 1 µs (UDF), 1 ms, 10 ms
/// (exFAT), 1 s or 2 s (FAT), cut or rounded: the recorded time is a whole multiple of that, and
/// the original's lies less than that beside it.
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
