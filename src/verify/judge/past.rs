//! In a run over several snapshots: judges what cannot be compared with an original, because only
//! older snapshots hold it, or because the original was modified or deleted since.

use std::io;

use crate::backup::{Entry, Restored};
use crate::verify::comparable::Recorded;
use crate::verify::known_counts::KnownBy;
use crate::verify::reason;
use crate::verify::record::{Hashes, PickRecord, UsedHash};
use crate::verify::verdict::{FromBackup, Original, Verdict, judge};

use super::{Judge, JudgeContext, Judged, record_of};

impl Judge<'_> {
    /// Judges what only older ones of several snapshots hold. It has no original.
    pub(super) fn past(
        &mut self,
        entry: &Entry<'_>,
        restored: Restored,
        recorded: &Recorded,
    ) -> Result<Option<Judged>, io::Error> {
        let size = restored.size();
        let mut record = PickRecord { restored_size: Some(size), ..record_of(entry, None) };
        let given = FromBackup::Restored { size, vouched: true };
        record.verdict = judge(given, &Original::Absent, recorded);
        if !self.confirm(&restored, &mut record)? {
            return Ok(None);
        }
        if record.verdict != Verdict::Verified {
            record.reason = reason::of(&record, &Original::Absent, recorded, None, None);
        }
        Ok(Some(Judged { record, restored: Some(restored) }))
    }

    /// In a run over several snapshots: what cannot be compared with an original is verified by the
    /// repository, which has confirmed each piece of it. That it can be restored does not depend on
    /// what it holds, so it is in the statement, as is what cannot be restored. Returns whether the
    /// copy was read back to its end.
    pub(super) fn confirm(
        &mut self,
        restored: &Restored,
        record: &mut PickRecord,
    ) -> Result<bool, io::Error> {
        let JudgeContext { hashing, cancel, .. } = self.context;
        let hash = match record.hashes {
            Some(hashes) => hashes.restored,
            None => match hashing.large(restored.file(), restored.size(), cancel) {
                Ok(copy) => {
                    self.tally.hashed_bytes += copy.size;
                    record.hashes = Some(Hashes { restored: copy.hash, original: None });
                    copy.hash
                }
                Err(_) if cancel.is_cancelled() => return Ok(false),
                Err(error) => return Err(error),
            },
        };
        record.comparable = true;
        if !record.verdict.is_decided() {
            record.verdict = Verdict::Verified;
            record.known = Some(UsedHash { hash, by: KnownBy::Repository, decided: true });
        }
        Ok(true)
    }
}
