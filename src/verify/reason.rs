//! The reason for a pick's verdict, in words. It says what is known, and no more.

use std::io;

use crate::backup::RestoreError;
use crate::platform::{self, Stat, Timestamp};
use crate::words;

use super::comparable::{Recorded, Standing, taken_after, touched};
use super::record::PickRecord;
use super::verdict::{Original, Verdict};

/// The reason if backup and original are the same file.
pub const ONE_FILE: &str =
    "backup and original are one and the same file on disk (a link or an overlay): there is no second copy";

const MODIFIED: &str = "the original has been modified since the backup";

/// The reason for a verdict. Where the bytes differ is described by the finding's difference.
pub fn of(
    finding: &PickRecord,
    original: &Original,
    recorded: &Recorded,
    state: Option<&Stat>,
    vouched_by: Option<&str>,
) -> String {
    let size = finding.restored_size.unwrap_or_default();
    match (finding.verdict, original) {
        (Verdict::Corrupt, _) if recorded.size.is_some_and(|recorded| recorded != size) => {
            let recorded = recorded.size.unwrap_or_default();
            format!("restores to {size} bytes, the backup recorded {recorded}")
        }
        (Verdict::Corrupt, Original::Read { standing, .. }) => {
            state.map_or(MODIFIED.to_owned(), |state| unmodified(*standing, state, recorded))
        }
        (Verdict::OriginalCorrupt, Original::Read { standing, .. }) => {
            let unmodified = state.map_or(String::new(), |state| unmodified(*standing, state, recorded));
            let vouched_by = vouched_by.unwrap_or("a record of its content");
            format!(
                "{vouched_by} matches the restored copy, and {unmodified}: the original is corrupt, or was misread when the \
                 backup was made; look at both before you restore it from the backup"
            )
        }
        (Verdict::Stale, _) => {
            let touched = state.map(|state| touched(state).unwrap_or(state.mtime));
            touched.map_or(String::new(), |touched| stale(touched, recorded.newest))
        }
        (Verdict::Changed, Original::NotAFile) => "the original is no longer a regular file".to_owned(),
        (Verdict::Changed, Original::Read { steady: false, .. }) => {
            "the original changed while it was read".to_owned()
        }
        (Verdict::Changed, Original::Read { standing: Standing::Unknown, .. }) => {
            "the backup records no time that tells whether the original has been modified since".to_owned()
        }
        (Verdict::Changed, Original::Read { standing: Standing::Replaced, .. }) => {
            "the original's modification time is earlier than the backup recorded, and its change time later: an older \
             file may have taken its place since the backup"
                .to_owned()
        }
        (Verdict::Changed, _) => MODIFIED.to_owned(),
        (Verdict::Deleted, Original::Absent) => "the content of this version is not known".to_owned(),
        (Verdict::Deleted, _) => "the original is gone".to_owned(),
        (verdict, _) => verdict.word().to_owned(),
    }
}

/// Says that the original was not modified, as far as its times tell.
fn unmodified(standing: Standing, original: &Stat, recorded: &Recorded) -> String {
    if standing == Standing::Frozen {
        return "the originals are said to be unchanged since the backup".to_owned();
    }
    let since = taken_after(recorded.taken, recorded.newest).max(recorded.mtime);
    let is_touched = original.changed.zip(since).is_none_or(|(changed, since)| changed > since);
    if is_touched && standing == Standing::SameTime {
        "the original has the modification time that the backup recorded, though its change time is later"
            .to_owned()
    } else {
        "the original has not been modified since the backup".to_owned()
    }
}

/// Says that the backup should hold this version of the original, which was last touched at
/// `touched`.
pub fn stale(touched: Timestamp, newest: Option<Timestamp>) -> String {
    let text = |time: Timestamp| words::rfc3339(Timestamp { nanos: 0, ..time }).unwrap_or_default();
    format!(
        "the original was last touched at {}, and the newest file in the backup is from {}: the backup should hold this \
         version, but holds another (see --backup-window)",
        text(touched),
        newest.map(text).unwrap_or_default()
    )
}

/// Why the backup could not restore an entry.
pub fn of_failure(error: &RestoreError) -> String {
    match error {
        RestoreError::Read(source) if source.kind() == io::ErrorKind::PermissionDenied => {
            format!("the backup's file may not be read by {}: {source}", platform::account())
        }
        error => error.to_string(),
    }
}

/// Why an original cannot be read, and what the user can do about it.
pub fn unreadable(error: &io::Error) -> String {
    if platform::is_in_use(error) {
        return "in use by another program: close it, or take the originals from a snapshot".to_owned();
    }
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!("{error} for {}: {}", platform::account(), platform::PERMISSION_HINT)
        }
        _ => error.to_string(),
    }
}
