//! Whether a backup still is the one that a report is about, as far as that can be seen without
//! restoring from it.
//!
//! Archives and snapshots have an id. A folder has none, because it is updated in place: it is the
//! same if it has as many files as the run listed, and if no file or folder in it was written,
//! added or removed since the run began. Bytes that a disk loses without a write are not seen.

use std::time::Instant;

use jiff::Timestamp;

use super::super::tree;
use crate::backup::Description;
use crate::platform::Kind;
use crate::report::Model;
use crate::words;

/// How the backup has changed since the run that the report is about. `None` if no change is seen.
///
/// # Errors
/// Why that cannot be told.
pub(super) fn since(
    report: &Model,
    backup: &Description,
    deadline: Instant,
) -> Result<Option<String>, String> {
    if let Some(now) = &backup.id {
        let then = report.backup.id.as_ref().ok_or("its report does not say which backup it is about")?;
        return Ok((then != now).then(|| "it is another one".to_owned()));
    }
    let (Some(then), Some(now)) = (report.backup.taken, backup.taken) else {
        return Err(format!("nothing identifies a {} backup", backup.format));
    };
    // An older backup that was put back is another one, too.
    if now.at.seconds != then.as_second() {
        let now = Timestamp::from_second(now.at.seconds).map_or("?".to_owned(), |now| format!("{now:.0}"));
        return Ok(Some(format!("it was taken at {now}, and the one that was verified at {then:.0}")));
    }
    if now.how.is_final() { Ok(None) } else { folder_since(report, backup, deadline) }
}

fn folder_since(report: &Model, backup: &Description, deadline: Instant) -> Result<Option<String>, String> {
    let began = report.started.ok_or("its report does not say when the run began")?;
    let place = backup.location.local().ok_or("it is not a folder of this machine")?;
    let (mut files, mut written, mut example, mut has_times) = (0_u64, 0_u64, None, true);
    let exists = tree::walk(place, deadline, &mut |path, stat| {
        files += u64::from(stat.kind == Kind::File);
        has_times &= stat.changed.is_some();
        if stat.changed.is_some_and(|changed| changed.as_nanos() > began.as_nanosecond()) {
            written += 1;
            example.get_or_insert_with(|| String::from_utf8_lossy(path).into_owned());
        }
    })?;
    let listed = [report.population.files, report.population.filtered, report.population.unmapped];
    let listed = listed.into_iter().fold(0, u64::saturating_add);
    if !exists {
        return Err("it is gone".to_owned());
    }
    if files != listed {
        return Ok(Some(format!("it has {}, and had {listed}", words::counted(files, "file"))));
    }
    if let Some(example) = example {
        let example = if example.is_empty() { "the folder itself" } else { &example };
        let written = words::counted_as(written, "entry was", "entries were");
        return Ok(Some(format!("{written} written since the run began, such as {example}")));
    }
    if has_times { Ok(None) } else { Err("its file system does not record when files changed".to_owned()) }
}
