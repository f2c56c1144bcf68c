//! The verdict on one pick: a pure function of what was seen.

use serde::{Deserialize, Serialize};

use super::comparable::{Recorded, Standing};

/// What became of one pick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The restored bytes equal the original's.
    Verified,
    /// They differ, and it is the backup's fault.
    Corrupt,
    /// The backup lists it but cannot give it.
    RestoreFailed,
    /// They differ, and the original is older than the backup: the backup should hold it as it is,
    /// and holds an older version, or something else.
    Stale,
    /// They differ, and something that vouches for the backup agrees with the restored copy: an
    /// alarm about the original.
    OriginalCorrupt,
    /// They differ, and the original has been modified since the backup was taken (or while it was
    /// read).
    Changed,
    /// The original is gone.
    Deleted,
    /// The original or the backup's file may not or cannot be read here, so that nothing is proven:
    /// no permission, no room, a password or a method that is missing.
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

    /// Whether it says something about the backup.
    pub fn is_decided(self) -> bool {
        !matches!(self, Self::Changed | Self::Deleted | Self::Unreadable)
    }

    /// Whether it says that the backup is bad.
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Corrupt | Self::RestoreFailed | Self::Stale)
    }

    /// Whether it is an alarm: about the backup, or about the original.
    pub fn is_alarm(self) -> bool {
        self.is_bad() || self == Self::OriginalCorrupt
    }
}

/// What the backup gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FromBackup {
    /// This many bytes.
    Restored {
        /// Their number.
        size: u64,
        /// Whether a checksum that was made when they were stored vouches for them.
        vouched: bool,
    },
    /// Bytes that do not match the format's own checksum.
    ChecksumFailed,
    /// Nothing, because of damage.
    Failed,
    /// Nothing, for want of something on this side: permission, room, a password.
    NotTried,
}

/// What was found where the original should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Original {
    /// Read to its end.
    Read {
        /// How its times stand to those in the backup.
        standing: Standing,
        /// Whether it held still while it was read.
        steady: bool,
        /// Whether it equals the restored copy, byte by byte.
        equal: bool,
    },
    /// Nothing is there.
    Gone,
    /// Something is there that is no regular file any more.
    NotAFile,
    /// It is there but cannot be read.
    Unreadable,
}

/// The verdict. Trouble with the backup outweighs whatever became of the original.
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
        Original::Gone => Verdict::Deleted,
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

#[cfg(test)]
mod tests;
