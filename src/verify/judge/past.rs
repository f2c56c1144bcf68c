//! In a run over several snapshots: judges what only older snapshots hold.
//!
//! It has no original. It is restored, and read back to its end. The repository has found each of
//! its pieces to have the hash that was stored for it. Whether it can be restored does not depend
//! on what it holds, so all of it is in the statement.

use std::io;

use crate::backup::{Entry, Restored};
use crate::verify::comparable::Recorded;
use crate::verify::known_counts::KnownBy;
use crate::verify::reason;
use crate::verify::record::{Hashes, PickRecord, UsedHash};
use crate::verify::verdict::{FromBackup, Original, Verdict, judge};

use super::{Judge, JudgeContext, Judged, record_of};

impl Judge<'_> {
    /// Judges one such file. `None` if the run was cancelled, and an error if the copy cannot be
    /// read back.
    pub(super) fn judge_past(
        &mut self,
        entry: &Entry<'_>,
        restored: Restored,
        recorded: &Recorded,
    ) -> Result<Option<Judged>, io::Error> {
        let JudgeContext { hashing, cancel, .. } = self.context;
        let copy = match hashing.large(restored.file(), restored.size(), cancel) {
            Ok(copy) => copy,
            Err(_) if cancel.is_cancelled() => return Ok(None),
            Err(error) => return Err(error),
        };
        self.tally.hashed_bytes += copy.size;
        let given = FromBackup::Restored { size: copy.size, vouched: true };
        let mut record = PickRecord {
            verdict: judge(given, &Original::Absent, recorded),
            comparable: true,
            restored_size: Some(copy.size),
            hashes: Some(Hashes { restored: copy.hash, original: None }),
            ..record_of(entry, None)
        };
        if record.verdict == Verdict::Deleted {
            record.verdict = Verdict::Verified;
            record.known = Some(UsedHash { hash: copy.hash, by: KnownBy::Repository, decided: true });
        } else {
            record.reason = reason::of(&record, &Original::Absent, recorded, None, None);
        }
        Ok(Some(Judged { record, restored: Some(restored) }))
    }
}
