//! The verdict on one pick: a pure function of what was seen.

use serde::{Deserialize, Serialize};

use super::comparable::{Recorded, Standing};

/// The result for one pick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The restored bytes equal the original's, or what is known of it from before.
    Verified,
    /// The bytes differ, and the backup is at fault. Or they are equal, and a hash from before the run
    /// says that both sides are wrong.
    Corrupt,
    /// The backup lists the file but cannot restore it.
    RestoreFailed,
    /// The bytes differ, and the original is older than the backup. The backup should hold this
    /// version, but it holds an older one or something else.
    Stale,
    /// The bytes differ, and something that vouches for the backup agrees with the restored copy.
    /// This is an alarm about the original.
    OriginalCorrupt,
    /// The bytes differ, and the original was modified since the backup was taken, or while it was
    /// read.
    Changed,
    /// The original no longer exists, or the run has no originals.
    Deleted,
    /// The original or the backup's file cannot be read here, so nothing is proved: no permission,
    /// no space, or a password or compression method that is missing.
    Unreadable,
}

impl Verdict {
    /// Every verdict, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Verified,
        Self::Corrupt,
        Self::RestoreFailed,
        Self::Stale,
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
            Self::Stale => "stale",
            Self::OriginalCorrupt => "original-corrupt",
            Self::Changed => "changed",
            Self::Deleted => "deleted",
            Self::Unreadable => "unreadable",
        }
    }

    /// Whether the verdict says something about the backup.
    pub fn is_decided(self) -> bool {
        !matches!(self, Self::Changed | Self::Deleted | Self::Unreadable)
    }

    /// Whether the verdict says that the backup is bad.
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Corrupt | Self::RestoreFailed | Self::Stale)
    }

    /// Whether the verdict is an alarm, about the backup or about the original.
    pub fn is_alarm(self) -> bool {
        self.is_bad() || self == Self::OriginalCorrupt
    }
}

/// What the backup gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FromBackup {
    /// Bytes without an error.
    Restored {
        /// Their number.
        size: u64,
        /// Whether a checksum that was made when they were stored vouches for them.
        vouched: bool,
    },
    /// Bytes that do not match the format's own checksum.
    ChecksumFailed,
    /// Nothing, because the backup is damaged.
    Failed,
    /// Nothing, because something is missing on this side: permission, space, a password.
    NotTried,
}

/// What was found where the original should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Original {
    /// Read to its end.
    Read {
        /// How its times compare with those in the backup.
        standing: Standing,
        /// Whether it stayed unchanged while it was read.
        steady: bool,
        /// Whether it equals the restored copy, byte by byte.
        equal: bool,
    },
    /// Nothing has that name.
    Gone,
    /// Something has that name, but it is no longer a regular file.
    NotAFile,
    /// It exists but cannot be read.
    Unreadable,
    /// The run has no originals.
    Absent,
}

/// The verdict. A problem with the backup outweighs whatever happened to the original.
pub fn judge(backup: FromBackup, original: &Original, recorded: &Recorded) -> Verdict {
    let (size, vouched) = match backup {
        FromBackup::Failed => return Verdict::RestoreFailed,
        FromBackup::ChecksumFailed => return Verdict::Corrupt,
        FromBackup::NotTried => return Verdict::Unreadable,
        FromBackup::Restored { size, vouched } => (size, vouched),
    };
    if recorded.size.is_some_and(|recorded| recorded != size) {
        return Verdict::Corrupt;
    }
    match *original {
        Original::Gone | Original::Absent => Verdict::Deleted,
        Original::NotAFile => Verdict::Changed,
        Original::Unreadable => Verdict::Unreadable,
        Original::Read { equal: true, .. } => Verdict::Verified,
        Original::Read { steady: false, .. } => Verdict::Changed,
        Original::Read { standing, .. } => match standing {
            Standing::Settled => Verdict::Stale,
            Standing::Frozen => Verdict::Corrupt,
            Standing::SameTime | Standing::Untouched if vouched => Verdict::OriginalCorrupt,
            Standing::SameTime | Standing::Untouched => Verdict::Corrupt,
            Standing::Replaced | Standing::Modified | Standing::Unknown => Verdict::Changed,
        },
    }
}

/// What a hash that is known from before says about a pick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    /// Whether the hash is that of the version that the backup should hold. Decided by times alone.
    pub speaks: bool,
    /// Whether it is the hash of the restored copy.
    pub fits_copy: bool,
    /// Whether nobody has touched the original since it had this hash.
    pub outlived: bool,
}

/// The verdict, if a hash is known from before. It decides which side of a pair is wrong. It also
/// takes the place of an original that was modified, that is gone, or that cannot be read.
pub fn judge_with(
    backup: FromBackup,
    original: &Original,
    recorded: &Recorded,
    known: Option<Evidence>,
) -> Verdict {
    let usual = judge(backup, original, recorded);
    let (Some(known), FromBackup::Restored { size, .. }) = (known, backup) else { return usual };
    if recorded.size.is_some_and(|recorded| recorded != size) {
        return usual;
    }
    match *original {
        // Both hold the same wrong bytes: the original rotted before the backup was made.
        Original::Read { equal: true, .. } if known.outlived && !known.fits_copy => Verdict::Corrupt,
        // That the backup holds an older version than it should is no question of which side rotted.
        Original::Read { equal: true, .. } | Original::Read { standing: Standing::Settled, .. } => usual,
        Original::Read { standing, steady: true, .. }
            if known.speaks && standing.blames_the_backup() && known.fits_copy =>
        {
            Verdict::OriginalCorrupt
        }
        _ if !known.speaks => usual,
        _ if known.fits_copy => Verdict::Verified,
        _ => Verdict::Corrupt,
    }
}

#[cfg(test)]
mod tests;
