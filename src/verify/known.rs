//! What a hash that is known from before a run says about a pick: whether it is the hash of the
//! version that the backup should hold. This is decided by times alone, before any content is
//! looked at, for the same reason as in [`comparable`](super::comparable).
//!
//! A hash of a ledger is that of the version with a certain modification time. It speaks for a pick
//! if the backup recorded the same time.
//!
//! A hash of a manifest is that of the version that existed when the manifest was made. It speaks
//! for a pick if the recorded modification time is not later than that, and if one of these shows
//! that the backup holds no older version:
//! - The backup was taken after the manifest was made. Its newest content shows that, or its own
//!   time if nothing is added to a backup after that time.
//! - The original still has the recorded modification time.
//! - The original was last touched before both the backup and the manifest.
//! - The user says that the originals have not changed since the backup.
//!
//! Otherwise the hash is told as evidence, and decides nothing.
//!
//! # Both sides with other bytes
//! Backup and original can be equal and both wrong: one side rotted, and the other was made from it.
//! A known hash shows that, because no version of a file has two contents. What follows depends on
//! whether anybody has touched the original since it had the known hash:
//! - If not, no program wrote these bytes. The pick is `corrupt`.
//! - If so, somebody may have restored the file from a bad copy. Or a program changed it and set its
//!   time back, as containers of encrypted disks are changed by intent. Nobody can tell, and the
//!   backup does hold what the original holds. So the pick is `verified`, and it is told for itself
//!   ([`PickRecord::unlike`]). The ledger keeps the hash that it has.
//!
//! # What this rests on
//! Modification times. If a program replaces a file and gives the new content an old time, between
//! the manifest and the backup, a good copy looks corrupt. A manifest that was copied without its
//! own modification time looks younger than it is. So a manifest is best made directly before the
//! backup, by `bkverify manifest`.

use crate::platform::{Stat, Timestamp};
use crate::words;

use super::comparable::{CLOCKS_APART, Recorded, Standing, says_something, touched};
use super::hash::Hash;
use super::known_counts::KnownBy;
use super::memory::{KnownHash, Version};
use super::record::{Hashes, PickRecord, UsedHash};
use super::verdict::{Evidence, Original, Verdict};

/// A hash that is known of a pick, and how much it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The hash.
    pub hash: Hash,
    /// Who knows it.
    pub by: KnownBy,
    /// Whether it is the hash of the version that the backup should hold.
    pub speaks: bool,
    /// Whether nobody has touched the original since it had this hash.
    pub outlived: bool,
    /// When an earlier run found it. Only of a ledger.
    pub seen: Option<Timestamp>,
    /// Whether it does not speak only because nothing shows that the backup was made after the
    /// manifest.
    pub is_too_late: bool,
}

impl Known {
    /// Weighs what a store knows of a file. `original` is the metadata of an original that can be
    /// read. `None` if the hash is that of another version.
    pub fn weigh(
        found: KnownHash,
        by: KnownBy,
        original: Option<(&Stat, Standing)>,
        recorded: &Recorded,
    ) -> Option<Self> {
        let known =
            Self { hash: found.hash, by, speaks: true, outlived: false, seen: None, is_too_late: false };
        match found.version {
            Version::Modified { mtime, seen } => recorded.has_mtime(mtime).then(|| Self {
                // If the clock was set back since, its times tell nothing.
                outlived: seen <= recorded.now
                    && original.is_some_and(|(stat, _)| is_untouched_since(before(seen, CLOCKS_APART), stat)),
                seen: Some(seen),
                ..known
            }),
            Version::At { from, until } => {
                let is_written = recorded.is_written_by(from);
                let is_in_backup = is_in_backup((from, until), original, recorded);
                Some(Self {
                    speaks: is_written && is_in_backup,
                    outlived: original.is_some_and(|(stat, _)| is_untouched_since(from, stat)),
                    is_too_late: is_written && !is_in_backup,
                    ..known
                })
            }
        }
    }

    /// Whether it makes a pick comparable that times leave undecided, and so brings it into the
    /// statement.
    ///
    /// A manifest lists files whatever their copies hold. A ledger does not: it knows the hashes of
    /// those files alone whose copies were found good. Among files that were modified since, the
    /// good ones would be counted and the bad ones would not, and the statement would be false. So
    /// a ledger brings a pick into the statement only if there are no originals at all. Then the
    /// statement is about the files that earlier runs found good, and says so.
    pub fn makes_comparable(&self, no_originals: bool) -> bool {
        self.speaks && (self.by == KnownBy::Manifest || no_originals)
    }

    /// Whether the copy was read and has another hash.
    pub fn differs_from(&self, hashes: Option<Hashes>) -> bool {
        hashes.is_some_and(|hashes| hashes.restored != self.hash)
    }

    /// What it says, once the copy was read. `fits_copy` is about its hash.
    pub fn evidence(&self, restored: Hash) -> Evidence {
        Evidence { speaks: self.speaks, fits_copy: self.hash == restored, outlived: self.outlived }
    }

    /// The form in which a record keeps it. `decided` says whether the pick is comparable only
    /// because of it.
    pub fn used(&self, decided: bool) -> UsedHash {
        UsedHash { hash: self.hash, by: self.by, decided }
    }
}

/// Whether the backup holds no older version of a file than the one that existed when a manifest
/// was made.
fn is_in_backup(
    (from, until): (Timestamp, Timestamp),
    original: Option<(&Stat, Standing)>,
    recorded: &Recorded,
) -> bool {
    let is_after = recorded.newest.max(recorded.closed).is_some_and(|taken| taken >= until);
    let by_original = original.is_some_and(|(stat, standing)| match standing {
        Standing::SameTime => true,
        // The recorded time is when the backup was made. The same version was there at both times.
        Standing::Untouched => touched(stat).is_some_and(|touched| touched <= from),
        _ => false,
    });
    recorded.frozen || is_after || by_original
}

/// This long before a time.
fn before(time: Timestamp, nanos: i128) -> Timestamp {
    Timestamp::from_nanos(time.as_nanos().saturating_sub(nanos))
}

/// Whether an original is still what it was at `made`, by times that programs cannot set back.
fn is_untouched_since(made: Timestamp, original: &Stat) -> bool {
    touched(original).is_some_and(|touched| touched < made)
}

impl Recorded {
    /// Whether the backup recorded this modification time, at its resolution.
    fn has_mtime(&self, mtime: Timestamp) -> bool {
        let recorded = self.mtime.filter(|&mtime| says_something(mtime));
        recorded.is_some_and(|recorded| {
            (recorded.as_nanos() - mtime.as_nanos()).abs() < self.resolution_of(recorded)
        })
    }

    /// Whether the version that the backup holds was written at `time` or before, whatever the
    /// resolution of its times hides.
    fn is_written_by(&self, time: Timestamp) -> bool {
        let recorded = self.mtime.filter(|&mtime| says_something(mtime) && !self.zone_unknown);
        recorded
            .is_some_and(|recorded| recorded.as_nanos() + self.resolution_of(recorded) - 1 <= time.as_nanos())
    }
}

/// The reason for a verdict that a known hash decided, or what it adds to another reason. `None` if
/// it has no part in it.
pub(super) fn reason(record: &PickRecord, known: &Known, original: &Original) -> Option<String> {
    let by = known.by.named();
    let hashes = record.hashes?;
    let (fits_copy, fits_original) = (known.hash == hashes.restored, hashes.original == Some(known.hash));
    let text = match record.verdict {
        Verdict::OriginalCorrupt if fits_copy => format!(
            "the restored copy has the hash that is known from {by}, and the original has not been modified since the \
             backup: the backup is good, the original is not; restore it from the backup"
        ),
        Verdict::Corrupt if hashes.original == Some(hashes.restored) => {
            let and = "and the original was last touched before that";
            let wrong = "both hold the same wrong bytes; look for the file in an older backup";
            match seen(known) {
                Some(seen) => format!(
                    "backup and original are equal, but an earlier run verified other bytes of this version ({seen}), {and}: {wrong}"
                ),
                None => format!(
                    "backup and original are equal, but {by} has another hash, {and} was made: {wrong}"
                ),
            }
        }
        Verdict::Corrupt if !known.speaks => return None,
        Verdict::Corrupt if fits_original => {
            format!(
                "the original has the hash that is known from {by}: it is the restored copy that is wrong"
            )
        }
        Verdict::Corrupt if !fits_copy => {
            let state = match original {
                Original::Read { standing, .. } if standing.blames_the_backup() => {
                    return Some(format!(
                        "the original has not been modified since the backup, but both sides differ from the hash that is \
                         known from {by}"
                    ));
                }
                Original::Read { .. } | Original::NotAFile => {
                    "the original has been modified since the backup, but"
                }
                Original::Gone => "the original is gone, but",
                Original::Unreadable => "the original cannot be read, but",
                Original::Absent => "there is no original, but",
            };
            format!(
                "{state} {by} knows the hash of what the backup should hold: the restored copy has another"
            )
        }
        _ => return None,
    };
    Some(text)
}

/// When an earlier run found the hash, as text.
fn seen(known: &Known) -> Option<String> {
    words::rfc3339(Timestamp { nanos: 0, ..known.seen? })
}

/// What is told of a pick whose sides are equal, but not to the known hash.
pub(super) fn unlike(known: &Known) -> String {
    let then = seen(known).map_or_else(
        || "but not to the hash that is known from the manifest".to_owned(),
        |seen| format!("but both hold other bytes than when an earlier run verified this version ({seen})"),
    );
    format!(
        "backup and original are equal, {then}; the original was touched since: if nobody changed the file and set its \
         time back, both hold the same wrong bytes; look for the file in an older backup"
    )
}

/// What is told beside a verdict that a known hash did not decide.
pub(super) fn beside(record: &PickRecord, known: &Known) -> Option<String> {
    let hashes = record.hashes?;
    let is_open = !record.verdict.is_decided() && !record.comparable;
    (is_open && known.hash == hashes.restored)
        .then(|| format!("the restored copy has the hash that is known from {}", known.by.named()))
}

#[cfg(test)]
mod tests;
