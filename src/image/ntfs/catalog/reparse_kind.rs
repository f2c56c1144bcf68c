//! What a reparse point is, by its tag: a link, something that is no file, or a file.

/// Tags with this bit stand for another name: symbolic links, junctions, mount points (Windows'
/// `IsReparseTagNameSurrogate`).
const NAME_SURROGATE: u32 = 0x2000_0000;

/// Tags of entries that are not files: app aliases, and the sockets, pipes and devices of Linux on
/// Windows ([MS-FSCC] 2.1.2.1).
const NO_FILES: [u32; 5] = [0x8000_001B, 0x8000_0023, 0x8000_0024, 0x8000_0025, 0x8000_0026];

/// Whether the entry leads to another place.
pub(super) fn is_link(tag: u32) -> bool {
    tag & NAME_SURROGATE != 0
}

/// Whether the entry has content of its own. All other tags say how that content is stored, as by
/// deduplication, by compression, or in a cloud.
pub(super) fn is_file(tag: u32) -> bool {
    !is_link(tag) && !NO_FILES.contains(&tag)
}

/// The tag of a record, from a list of records and their tags in the order of the records.
pub(super) fn tag_of(record: u32, tags: &[(u32, u32)]) -> Option<u32> {
    let at = tags.partition_point(|(other, _)| *other < record);
    tags.get(at).filter(|(other, _)| *other == record).map(|(_, tag)| *tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_no_files_and_other_ways_to_store_content_are() {
        for tag in [0xA000_000C, 0xA000_0003, 0xA000_001D] {
            assert!(is_link(tag) && !is_file(tag), "{tag:#x}");
        }
        for tag in [0x8000_0013, 0x8000_0017, 0x9000_601A, 0xC000_0004] {
            assert!(is_file(tag), "{tag:#x}");
        }
        assert!(!is_file(0x8000_0024) && !is_link(0x8000_0024), "a pipe");
    }
}
