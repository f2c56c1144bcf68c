//! Which records belong to one file: attribute lists name them, and they name their base record.

use super::pieces::Pieces;
use crate::image::ntfs::FileReference;
use crate::image::ntfs::attribute_list::ListEntries;

/// A record that belongs to a file with another base record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Belongs {
    pub base: FileReference,
    pub record: FileReference,
}

/// Adds the records that an attribute list names, except the base record itself. The error
/// completes "MFT record 35 ...".
pub(super) fn listed_records(
    base: FileReference,
    list: &[u8],
    listed: &mut Pieces<Belongs>,
) -> Result<(), String> {
    let mut last = base;
    for entry in ListEntries::new(list) {
        let record = entry.map_err(|error| format!("cannot be read: {error}"))?.reference;
        // Attributes in the same record usually follow each other.
        if record != base && record != last {
            listed.push(Belongs { base, record });
        }
        last = record;
    }
    Ok(())
}
