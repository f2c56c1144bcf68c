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
    let mut records = Vec::new();
    for entry in ListEntries::new(list) {
        let record = entry.map_err(|error| format!("cannot be read: {error}"))?.reference;
        // Attributes in the same record usually follow each other.
        if record != base && records.last() != Some(&record) {
            records.push(record);
        }
    }
    records.sort_unstable();
    records.dedup();
    records.into_iter().for_each(|record| listed.push(Belongs { base, record }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_a_list_names_again_and_again_is_kept_once() {
        let file = |record: u64| FileReference { record, sequence: 1 };
        let entry = |record: u64| {
            let mut entry = [0; 32];
            (entry[0], entry[4], entry[7]) = (0x80, 32, 26);
            entry[16..24].copy_from_slice(&file(record).to_raw().to_le_bytes());
            entry
        };
        let list: Vec<u8> = [40, 50, 60].map(entry).concat().repeat(1000);
        let mut listed = Pieces::new();
        listed_records(file(40), &list, &mut listed).unwrap();
        let records: Vec<u64> = listed.iter().map(|belongs| belongs.record.record).collect();
        assert_eq!(records, [50, 60]);
    }
}
