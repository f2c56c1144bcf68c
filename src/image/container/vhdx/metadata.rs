//! The metadata of a VHDX (MS-VHDX 2.6): sizes, sectors, and whether there is a parent.
//!
//! Metadata have no checksum. What can be held against the rest of the file is held against it: the
//! size of the disk against the allocation table, the sizes against what the format allows.

use crate::bytes::ReadAt;
use crate::image::Guid;
use crate::image::container::read_exact;
use crate::image::{Error, fields};

use super::regions::Region;

const TABLE_LENGTH: usize = 64 << 10;
const SIGNATURE: &[u8] = b"metadata";
const MOST_ENTRIES: u16 = 2047;
const MOST_BYTES: u32 = 1 << 20;
/// 64 TiB.
const LARGEST_DISK: u64 = 64 << 40;

const FILE_PARAMETERS: Guid = Guid::from_digits(0xcaa16737_fa36_4d43_b3b6_33f0aa44e76b);
const DISK_SIZE: Guid = Guid::from_digits(0x2fa54224_cd1b_4876_b211_5dbed83bf4b8);
const DISK_ID: Guid = Guid::from_digits(0xbeca12ab_b2e6_4523_93ef_c309e000c746);
const LOGICAL_SECTOR: Guid = Guid::from_digits(0x8141bf1d_a96f_4709_ba47_f233a8faab5f);
const PHYSICAL_SECTOR: Guid = Guid::from_digits(0xcda348c7_445d_4471_9cc9_e9885251c556);
const PARENT_LOCATOR: Guid = Guid::from_digits(0xa8d35f2d_b30b_454d_abf7_d3d84834ab0c);

const KNOWN: [Guid; 6] =
    [FILE_PARAMETERS, DISK_SIZE, DISK_ID, LOGICAL_SECTOR, PHYSICAL_SECTOR, PARENT_LOCATOR];

/// What the metadata say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) block_size: u32,
    pub(super) is_fixed: bool,
    pub(super) disk_size: u64,
    pub(super) sector_size: u32,
    /// The bytes of the parent locator, if the disk is a differencing one.
    pub(super) parent_locator: Option<Vec<u8>>,
}

/// A known item: where it is in the region, and its length.
#[derive(Debug, Clone, Copy)]
struct Item {
    id: Guid,
    at: u32,
    length: u32,
}

fn damaged(why: &str) -> Error {
    Error::Damaged(format!("the metadata of the VHDX are wrong: {why}"))
}

/// Reads the metadata region.
pub(super) fn read(file: &dyn ReadAt, region: Region) -> Result<Metadata, Error> {
    let mut table = vec![0; TABLE_LENGTH];
    if region.length < TABLE_LENGTH as u64 {
        return Err(damaged("their region has no room for their table"));
    }
    read_exact(file, &mut table, region.at, "the metadata of the VHDX")?;
    let items = parse(&table, region.length)?;
    let item = |id: Guid| items.iter().copied().find(|item| item.id == id);
    let number = |id: Guid, length: u32, what: &str| {
        let item = item(id).ok_or_else(|| damaged(&format!("{what} is missing")))?;
        if item.length != length {
            return Err(damaged(&format!("{what} has {} bytes instead of {length}", item.length)));
        }
        let bytes = read_item(file, region, item)?;
        let mut wide = [0; 8];
        for (to, from) in wide.iter_mut().zip(bytes) {
            *to = from;
        }
        Ok(u64::from_le_bytes(wide))
    };
    let parameters = number(FILE_PARAMETERS, 8, "the size of blocks")?;
    // A number of 64 bits has two of 32.
    #[expect(clippy::cast_possible_truncation)]
    let (block_size, flags) = (parameters as u32, (parameters >> 32) as u32);
    let sector_size = number(LOGICAL_SECTOR, 4, "the size of sectors")?;
    let disk_size = number(DISK_SIZE, 8, "the size of the disk")?;
    let has_parent = flags & 2 != 0;
    let parent_locator = match item(PARENT_LOCATOR) {
        Some(item) if has_parent => Some(read_item(file, region, item)?),
        None if has_parent => return Err(damaged("the locator of the parent is missing")),
        _ => None,
    };
    let sector_size = u32::try_from(sector_size).unwrap_or_default();
    let metadata = Metadata { block_size, is_fixed: flags & 1 != 0, disk_size, sector_size, parent_locator };
    check(&metadata, flags)?;
    Ok(metadata)
}

fn check(metadata: &Metadata, flags: u32) -> Result<(), Error> {
    let (block, sector, size) = (metadata.block_size, metadata.sector_size, metadata.disk_size);
    if !(1 << 20..=256 << 20).contains(&block) || !block.is_power_of_two() {
        return Err(damaged(&format!("blocks of {block} bytes are not allowed")));
    }
    if flags >> 2 != 0 {
        return Err(damaged(&format!("reserved flags are set ({flags:#x})")));
    }
    if sector != 512 && sector != 4096 {
        return Err(damaged(&format!("sectors of {sector} bytes are not allowed")));
    }
    if size > LARGEST_DISK || !size.is_multiple_of(u64::from(sector)) {
        return Err(damaged(&format!("a disk of {size} bytes is not allowed")));
    }
    Ok(())
}

/// The items that this program knows (2.6.1.2). Items must not overlap, and no other item may be
/// required.
fn parse(table: &[u8], region_length: u64) -> Result<Vec<Item>, Error> {
    let short = || damaged("their table is cut short");
    if !table.starts_with(SIGNATURE) {
        return Err(damaged("their table does not begin with \"metadata\""));
    }
    let count = fields::u16_le(table, 10).ok_or_else(short)?;
    if count > MOST_ENTRIES {
        return Err(damaged(&format!("they claim {count} items, and at most {MOST_ENTRIES} are allowed")));
    }
    let (mut known, mut places) = (Vec::new(), Vec::new());
    for entry in table.get(32..).unwrap_or_default().chunks_exact(32).take(usize::from(count)) {
        let id = Guid::at(entry, 0).ok_or_else(short)?;
        let at = fields::u32_le(entry, 16).ok_or_else(short)?;
        let length = fields::u32_le(entry, 20).ok_or_else(short)?;
        let flags = fields::u32_le(entry, 24).ok_or_else(short)?;
        let end = u64::from(at) + u64::from(length);
        if length > MOST_BYTES || end > region_length || (length > 0 && u64::from(at) < TABLE_LENGTH as u64) {
            return Err(damaged(&format!("item {id} cannot be at byte {at} with {length} bytes")));
        }
        if length > 0 {
            places.push((u64::from(at), end));
        }
        let (is_user, is_required) = (flags & 1 != 0, flags & 4 != 0);
        if is_user || !KNOWN.contains(&id) {
            if is_required {
                return Err(Error::Unsupported(format!(
                    "the VHDX needs metadata item {id}, which this program does not know"
                )));
            }
        } else if known.iter().any(|item: &Item| item.id == id) {
            return Err(damaged(&format!("item {id} occurs twice")));
        } else {
            known.push(Item { id, at, length });
        }
    }
    places.sort_unstable();
    let overlap =
        places.windows(2).filter_map(|pair| pair.first_chunk::<2>()).find(|[one, next]| one.1 > next.0);
    match overlap {
        Some([_, (at, _)]) => Err(damaged(&format!("two items overlap at byte {at} of their region"))),
        None => Ok(known),
    }
}

fn read_item(file: &dyn ReadAt, region: Region, item: Item) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; usize::try_from(item.length.min(MOST_BYTES)).unwrap_or_default()];
    // The item was found to be within the region, and the region to be within the file.
    read_exact(file, &mut bytes, region.at + u64::from(item.at), "an item of the metadata")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::container::testing::metadata_region;

    const ENTRY: usize = 32;

    fn read_changed(change: impl Fn(&mut Vec<u8>)) -> Result<Metadata, Error> {
        let mut bytes = metadata_region(1 << 20, 0, 5 << 20, 512, None);
        change(&mut bytes);
        let length = bytes.len() as u64;
        read(&bytes, Region { at: 0, length })
    }

    fn refused(change: impl Fn(&mut Vec<u8>)) -> String {
        read_changed(change).unwrap_err().to_string()
    }

    #[test]
    fn the_known_guids_are_those_of_the_specification() {
        let printed = KNOWN.map(|id| id.to_string());
        assert_eq!(
            printed,
            [
                "caa16737-fa36-4d43-b3b6-33f0aa44e76b",
                "2fa54224-cd1b-4876-b211-5dbed83bf4b8",
                "beca12ab-b2e6-4523-93ef-c309e000c746",
                "8141bf1d-a96f-4709-ba47-f233a8faab5f",
                "cda348c7-445d-4471-9cc9-e9885251c556",
                "a8d35f2d-b30b-454d-abf7-d3d84834ab0c",
            ]
        );
    }

    #[test]
    fn the_items_are_read() {
        let metadata = read_changed(|_| {}).unwrap();
        let expected = Metadata {
            block_size: 1 << 20,
            is_fixed: false,
            disk_size: 5 << 20,
            sector_size: 512,
            parent_locator: None,
        };
        assert_eq!(metadata, expected);
    }

    #[test]
    fn sizes_that_the_format_forbids_are_refused() {
        for block in [0u32, 1 << 19, 3 << 20, 512 << 20] {
            assert!(refused(|all| *all = metadata_region(block, 0, 0, 512, None)).contains("blocks of"));
        }
        for sector in [0, 511, 1024, 8192] {
            assert!(
                refused(|all| *all = metadata_region(1 << 20, 0, 0, sector, None)).contains("sectors of")
            );
        }
        for size in [513, (64 << 40) + 512, u64::MAX] {
            assert!(refused(|all| *all = metadata_region(1 << 20, 0, size, 512, None)).contains("a disk of"));
        }
        assert!(refused(|all| *all = metadata_region(1 << 20, 4, 0, 512, None)).contains("reserved"));
        assert!(
            refused(|all| *all = metadata_region(1 << 20, 2, 0, 512, None)).contains("parent is missing")
        );
    }

    #[test]
    fn a_wrong_table_is_refused() {
        assert!(refused(|all| all[0] = 0).contains("begin"));
        assert!(refused(|all| all[10..12].fill(0xff)).contains("claim"));
        assert!(refused(|all| all[10] = 0).contains("missing"));
        assert!(refused(|all| all.copy_within(ENTRY..2 * ENTRY, 2 * ENTRY)).contains("twice"));
        let place = ENTRY + 16;
        assert!(refused(|all| all[place..place + 4].fill(0xff)).contains("cannot be at"));
        assert!(refused(|all| all[place..place + 4].fill(0)).contains("cannot be at"));
        assert!(refused(|all| all[place + 6] = 0x11).contains("cannot be at"));
        assert!(refused(|all| all.copy_within(place..place + 4, place + ENTRY)).contains("overlap"));
        assert!(refused(|all| all[place + 4] = 7).contains("7 bytes instead of 8"));
        assert!(refused(|all| all.truncate(TABLE_LENGTH - 1)).contains("no room"));
    }

    #[test]
    fn unknown_items_are_refused_only_if_they_are_required() {
        let unknown = |required: u8| {
            read_changed(|all| {
                let count = usize::from(all[10]);
                all[10] += 1;
                let entry = &mut all[ENTRY * (count + 1)..ENTRY * (count + 2)];
                entry[..16].fill(0xaa);
                entry[24] = required;
            })
        };
        assert!(unknown(0).is_ok());
        assert!(unknown(4).unwrap_err().to_string().contains("aaaaaaaa"));
        assert!(unknown(1).is_ok());
    }
}
