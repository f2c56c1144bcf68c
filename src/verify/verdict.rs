//! The verdict on one pick: a pure function of what was seen.

use crate::platform::{Stat, Timestamp};

/// What became of one pick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Verdict {
    /// The restored bytes equal the original's.
    Verified,
    /// They differ, and it is the backup's fault.
    Corrupt,
    /// The backup lists it but cannot give it.
    RestoreFailed,
    /// They differ, and an earlier record says that the backup is right: an alarm about the original.
    OriginalCorrupt,
    /// They differ, and the original has been modified since the backup was taken (or while it was read).
    Changed,
    /// The original is gone.
    Deleted,
    /// The original cannot be read.
    Unreadable,
}

impl Verdict {
    /// Every verdict, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Verified,
        Self::Corrupt,
        Self::RestoreFailed,
        Self::OriginalCorrupt,
        Self::Changed,
        Self::Deleted,
        Self::Unreadable,
    ];

    /// Its name in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Corrupt => "corrupt",
            Self::RestoreFailed => "restore-failed",
            Self::OriginalCorrupt => "original-corrupt",
            Self::Changed => "changed",
            Self::Deleted => "deleted",
            Self::Unreadable => "unreadable",
        }
    }

    /// Whether it says something about the backup.
    pub fn is_conclusive(self) -> bool {
        !matches!(self, Self::Changed | Self::Deleted | Self::Unreadable)
    }

    /// Whether it says that the backup is bad.
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Corrupt | Self::RestoreFailed)
    }
}

/// What the backup gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FromBackup {
    /// This many bytes.
    Restored {
        /// Their number.
        size: u64,
    },
    /// Bytes that do not match the format's own checksum.
    ChecksumFailed,
    /// Nothing.
    Failed,
}

/// What was found where the original should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Original {
    /// Read to its end.
    Read {
        /// Its state before reading.
        before: Stat,
        /// Its state after reading.
        after: Stat,
        /// Whether it equals the restored copy, byte by byte.
        equal: bool,
        /// Whether an earlier record of its content equals the restored copy, where there is a record.
        record_equals_restored: Option<bool>,
    },
    /// Nothing is there.
    Gone,
    /// Something is there that is no regular file any more.
    NotAFile,
    /// It is there but cannot be read.
    Unreadable,
}

/// What the backup recorded of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// Size in bytes.
    pub size: Option<u64>,
    /// Modification time.
    pub mtime: Option<Timestamp>,
    /// How finely the backup records times, in nanoseconds.
    pub resolution_ns: u64,
    /// When the backup was taken, as far as it tells itself: later, if it was copied without its times.
    pub taken: Option<Timestamp>,
    /// The newest modification time in it, where that is known: it was taken then or later.
    pub newest: Option<Timestamp>,
}

/// The latest time of which it is sure that the backup was not taken before it: the newest modification time in it. Where
/// that says nothing (an archive without times), its own time, which is later if it was copied without it.
pub fn taken_after(taken: Option<Timestamp>, newest: Option<Timestamp>) -> Option<Timestamp> {
    let newest = newest.filter(|&newest| says_something(newest));
    taken.into_iter().chain(newest).min()
}

/// Whether a recorded time is more than what programs write for "none": up to 1980.
fn says_something(time: Timestamp) -> bool {
    time.seconds > DOS_EPOCH
}

/// The verdict. Trouble with the backup outweighs whatever became of the original.
pub fn judge(backup: FromBackup, original: &Original, recorded: &Recorded) -> Verdict {
    let size = match backup {
        FromBackup::Failed => return Verdict::RestoreFailed,
        FromBackup::ChecksumFailed => return Verdict::Corrupt,
        FromBackup::Restored { size } => size,
    };
    if recorded.size.is_some_and(|recorded| recorded != size) {
        return Verdict::Corrupt;
    }
    match *original {
        Original::Gone => Verdict::Deleted,
        Original::NotAFile => Verdict::Changed,
        Original::Unreadable => Verdict::Unreadable,
        Original::Read { equal: true, .. } => Verdict::Verified,
        Original::Read { before, after, record_equals_restored, .. } => {
            if before != after || modified_since(&after, recorded) {
                Verdict::Changed
            } else if record_equals_restored == Some(true) {
                Verdict::OriginalCorrupt
            } else {
                Verdict::Corrupt
            }
        }
    }
}

/// Whether the original may have been modified since the backup recorded it.
///
/// A later modification time says so. The same time says no, whatever the sizes. An earlier time has two explanations: the backup
/// did not keep times, so that what it records is when it was copied; or an older file took the original's place. The
/// change time, which programs cannot set back, tells them apart: if nothing happened to the original after the recorded time, it
/// is still what was copied. Without one, the doubt goes to "changed".
///
/// A recorded time that says nothing (none, or one that programs write for "none": up to 1980) is replaced by one at which the backup was
/// surely not yet taken. One that is off by just an hour on a file system that keeps local time (FAT) is the same time; the time of the backup,
/// which a copy may have made later, is good enough for that.
fn modified_since(original: &Stat, recorded: &Recorded) -> bool {
    let Some(mtime) = recorded.mtime.filter(|&mtime| says_something(mtime)) else {
        let touched = original.changed.max(Some(original.mtime));
        return taken_after(recorded.taken, recorded.newest).is_none_or(|taken| touched > Some(taken));
    };
    let resolution = i128::from(match recorded.resolution_ns {
        0 | 1 => resolution_of(mtime),
        known => known,
    });
    let ahead = original.mtime.as_nanos() - mtime.as_nanos();
    if ahead.abs() < resolution {
        return false;
    }
    let untouched_since_taken =
        original.changed.zip(recorded.taken).is_some_and(|(changed, taken)| changed <= taken);
    if resolution == TWO_SECONDS && (ahead.abs() - HOUR).abs() < resolution && untouched_since_taken {
        return false;
    }
    ahead > 0 || original.changed.is_none_or(|changed| changed.as_nanos() - mtime.as_nanos() >= resolution)
}

/// 1980-01-01 00:00:00 and a day, in seconds since 1970: the earliest time that DOS could write, in any time zone.
const DOS_EPOCH: i64 = 315_532_800 + 86_400;
const TWO_SECONDS: i128 = 2_000_000_000;
const HOUR: i128 = 3_600_000_000_000;

/// How finely a recorded time may have been kept, in nanoseconds: FAT keeps 2 s, tools and old file systems whole seconds,
/// NTFS 100 ns; a time that ends in that many zeros may have been cut.
fn resolution_of(time: Timestamp) -> u64 {
    match time.nanos {
        0 if time.seconds % 2 == 0 => 2_000_000_000,
        0 => 1_000_000_000,
        nanos if nanos % 100 == 0 => 100,
        _ => 1,
    }
}

#[cfg(test)]
mod tests;
