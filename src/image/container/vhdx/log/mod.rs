//! The log of a VHDX (MS-VHDX 2.3): changes of the tables that may not have reached their places
//! when the file was last written. They are applied in memory, and the file stays as it is.
//!
//! The log is a ring of entries. [`entry`] checks one of them, [`sequence`] finds the sequence to
//! replay, and [`replay`] makes a layer of it on top of the file.
//!
//! An entry that is not valid ends a sequence, and the format wants it so: it is what a power
//! failure leaves. So a damaged entry cannot be told from one that was never completed. If remains
//! of newer entries are there, that is a note and no damage: Windows would mount the same bytes as
//! are read here.

mod entry;
mod replay;
mod sequence;

use std::sync::Arc;

use crate::bytes::ReadAt;
use crate::image::Error;

use super::header::Header;

/// The log is read in sectors of this size, whatever the sectors of the disk are.
const SECTOR: usize = 4096;
/// The largest log that is read. Windows makes logs of 1 MiB.
const LARGEST: u32 = 64 << 20;

/// The file as it is after its log was replayed.
pub(super) fn replayed(
    file: Arc<dyn ReadAt>,
    header: &Header,
    notes: &mut Vec<String>,
) -> Result<Arc<dyn ReadAt>, Error> {
    let (at, length) = (header.log_at, header.log_length);
    if length > LARGEST {
        return Err(Error::Unsupported(format!(
            "the log of the VHDX has {length} bytes, more than {LARGEST}"
        )));
    }
    if at.checked_add(u64::from(length)).is_none_or(|end| end > file.len()) {
        let end = file.len();
        return Err(Error::Damaged(format!(
            "the log of the VHDX (byte {at}, {length} bytes) reaches beyond the end of the file at byte {end}; copy the \
             file again or use another backup"
        )));
    }
    let as_stored = Arc::clone(&file);
    let ring = entry::Ring::new(&as_stored, header);
    let active = sequence::find(ring)?;
    // "If the file's size is less than the FlushedFileOffset field of the head entry [...], then
    // the file has been truncated" (2.3.3).
    let (have, flushed) = (file.len(), active.head.flushed);
    if have < flushed {
        return Err(Error::Damaged(format!(
            "the VHDX was cut short: it has {have} bytes, and its log says that {flushed} bytes were written; copy the \
             file again or use another backup"
        )));
    }
    let count = active.entries.len();
    let entries = if count == 1 { "1 entry" } else { &format!("{count} entries") };
    notes.push(format!(
        "The log of the VHDX is not empty: whoever wrote the file has not closed it. The log ({entries}) was applied in \
         memory; the file was not changed."
    ));
    if active.has_remains {
        notes.push(
            "Behind the last complete entry of the log are remains of later ones. They are not applied, as the format \
             wants it: they were not completed, or were damaged since."
                .to_owned(),
        );
    }
    replay::apply(file, header, &active)
}

#[cfg(test)]
mod tests;
