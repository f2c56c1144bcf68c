//! The region table of a VHDX (MS-VHDX 2.2.3): where the allocation table and the metadata are.

use crate::bytes::ReadAt;
use crate::image::Guid;
use crate::image::container::read_exact;
use crate::image::{Error, fields};

use super::{MIB, checksum};

const LENGTH: usize = 64 << 10;
const PLACES: [u64; 2] = [192 << 10, 256 << 10];
const SIGNATURE: &[u8] = b"regi";
const MOST_ENTRIES: u32 = 2047;

const TABLE: Guid = Guid::from_digits(0x2dc27766_f623_4200_9d64_115e9bfd4a08);
const METADATA: Guid = Guid::from_digits(0x8b7ca206_4790_4b9a_b8fe_575f050f886e);

/// A part of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Region {
    pub(super) at: u64,
    pub(super) length: u64,
}

/// What the region table says.
#[derive(Debug)]
pub(super) struct Regions {
    pub(super) table: Region,
    pub(super) metadata: Region,
    /// Every region, also those that this program does not know and need not know.
    pub(super) all: Vec<Region>,
}

/// Reads the table, after the log was replayed. A note says which copy is damaged.
pub(super) fn read(file: &dyn ReadAt, notes: &mut Vec<String>) -> Result<Regions, Error> {
    let [at, other] = PLACES;
    let (first, second) = (copy(file, at)?, copy(file, other)?);
    let bytes = match (first, second) {
        (Ok(first), Ok(second)) if first != second => {
            return Err(Error::Damaged(
                "the two region tables of the VHDX are different, and the checksums of both are right; use another \
                 backup"
                    .to_owned(),
            ));
        }
        (Ok(first), Ok(_)) => first,
        (Ok(first), Err(why)) => {
            notes.push(format!("The region table at byte {other} {why}. The one at byte {at} is used."));
            first
        }
        (Err(why), Ok(second)) => {
            notes.push(format!("The region table at byte {at} {why}. The one at byte {other} is used."));
            second
        }
        (Err(one), Err(two)) => {
            return Err(Error::Damaged(format!(
                "both region tables of the VHDX are damaged: the one at byte {at} {one}, the one at byte {other} {two}; \
                 use another backup"
            )));
        }
    };
    parse(&bytes)
}

/// One of the two copies, or what is wrong with it.
fn copy(file: &dyn ReadAt, at: u64) -> Result<Result<Box<[u8]>, &'static str>, Error> {
    let mut bytes = vec![0; LENGTH].into_boxed_slice();
    read_exact(file, &mut bytes, at, "a region table of the VHDX")?;
    if !bytes.starts_with(SIGNATURE) {
        return Ok(Err("does not begin with \"regi\""));
    }
    if fields::u32_le(&bytes, 4) != Some(checksum(&bytes)) {
        return Ok(Err("has a wrong checksum"));
    }
    Ok(Ok(bytes))
}

fn parse(bytes: &[u8]) -> Result<Regions, Error> {
    let damaged = |why: String| Error::Damaged(format!("the region table of the VHDX is wrong: {why}"));
    let short = || damaged("it is cut short".to_owned());
    let count = fields::u32_le(bytes, 8).ok_or_else(short)?;
    if count > MOST_ENTRIES {
        return Err(damaged(format!("it claims {count} regions, and at most {MOST_ENTRIES} are allowed")));
    }
    let entries = bytes.get(16..).unwrap_or_default().chunks_exact(32).take(count as usize);
    let (mut table, mut metadata, mut all) = (None, None, Vec::new());
    for entry in entries {
        let id = Guid::at(entry, 0).ok_or_else(short)?;
        let at = fields::u64_le(entry, 16).ok_or_else(short)?;
        let length = u64::from(fields::u32_le(entry, 24).ok_or_else(short)?);
        let is_required = fields::u32_le(entry, 28).ok_or_else(short)? & 1 == 1;
        if at < MIB || !at.is_multiple_of(MIB) || !length.is_multiple_of(MIB) {
            return Err(damaged(format!(
                "region {id} is at byte {at} with {length} bytes, not in whole MiB"
            )));
        }
        let region = Region { at, length };
        let seen = match id {
            TABLE => table.replace(region),
            METADATA => metadata.replace(region),
            _ if is_required => {
                return Err(Error::Unsupported(format!(
                    "the VHDX needs region {id}, which this program does not know"
                )));
            }
            _ => None,
        };
        if seen.is_some() {
            return Err(damaged(format!("region {id} occurs twice")));
        }
        all.push(region);
    }
    let missing = |what: &str| damaged(format!("there is no {what}"));
    Ok(Regions {
        table: table.ok_or_else(|| missing("allocation table"))?,
        metadata: metadata.ok_or_else(|| missing("metadata region"))?,
        all,
    })
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "small numbers of tests")]
mod tests {
    use super::*;
    use crate::image::container::testing::seal_crc;

    type Entry = (Guid, u64, u32, u32);

    const GOOD: [Entry; 2] = [(TABLE, 3 * MIB, 1 << 20, 1), (METADATA, 2 * MIB, 1 << 20, 1)];

    fn table(entries: &[Entry]) -> Vec<u8> {
        let mut bytes = vec![0; LENGTH];
        bytes[..4].copy_from_slice(SIGNATURE);
        bytes[8..12].copy_from_slice(&(entries.len() as u32).to_le_bytes());
        for (index, (id, at, length, required)) in entries.iter().enumerate() {
            let entry = &mut bytes[16 + 32 * index..48 + 32 * index];
            entry[..16].copy_from_slice(&id.0);
            entry[16..24].copy_from_slice(&at.to_le_bytes());
            entry[24..28].copy_from_slice(&length.to_le_bytes());
            entry[28..].copy_from_slice(&required.to_le_bytes());
        }
        seal_crc(&mut bytes);
        bytes
    }

    fn read_two(first: &[u8], second: &[u8]) -> Result<(Regions, Vec<String>), Error> {
        let mut file = vec![0; 320 << 10];
        file[192 << 10..256 << 10].copy_from_slice(first);
        file[256 << 10..].copy_from_slice(second);
        let mut notes = Vec::new();
        read(&file, &mut notes).map(|regions| (regions, notes))
    }

    fn refused(entries: &[Entry]) -> String {
        let bytes = table(entries);
        read_two(&bytes, &bytes).unwrap_err().to_string()
    }

    #[test]
    fn the_known_guids_are_those_of_the_specification() {
        assert_eq!(TABLE.to_string(), "2dc27766-f623-4200-9d64-115e9bfd4a08");
        assert_eq!(METADATA.to_string(), "8b7ca206-4790-4b9a-b8fe-575f050f886e");
    }

    #[test]
    fn one_damaged_copy_is_survived_and_named() {
        let good = table(&GOOD);
        for at in (0..LENGTH).step_by(61).chain(0..100) {
            let mut bad = good.clone();
            bad[at] ^= 0x08;
            let (regions, notes) = read_two(&good, &bad).unwrap();
            assert_eq!(regions.table.at, 3 * MIB);
            assert!(notes[0].contains("region table at byte 262144"), "{notes:?}");
            let (_, notes) = read_two(&bad, &good).unwrap();
            assert!(notes[0].contains("region table at byte 196608"), "{notes:?}");
            let error = read_two(&bad, &bad).unwrap_err().to_string();
            assert!(error.contains("196608") && error.contains("262144"), "{error}");
        }
    }

    #[test]
    fn two_good_copies_that_differ_are_refused() {
        let other = table(&[GOOD[1], GOOD[0]]);
        assert!(read_two(&table(&GOOD), &other).unwrap_err().to_string().contains("different"));
    }

    #[test]
    fn unknown_regions_are_refused_only_if_they_are_required() {
        let unknown = Guid([9; 16]);
        let bytes = table(&[GOOD[0], GOOD[1], (unknown, 4 * MIB, 1 << 20, 0)]);
        assert_eq!(read_two(&bytes, &bytes).unwrap().0.all.len(), 3);
        let why = refused(&[GOOD[0], GOOD[1], (unknown, 4 * MIB, 1 << 20, 1)]);
        assert!(why.contains("09090909"), "{why}");
    }

    #[test]
    fn wrong_tables_are_refused() {
        assert!(refused(&GOOD[..1]).contains("no metadata"));
        assert!(refused(&GOOD[1..]).contains("no allocation table"));
        assert!(refused(&[GOOD[0], GOOD[1], GOOD[0]]).contains("twice"));
        assert!(refused(&[GOOD[0], (METADATA, 2 * MIB + 512, 1 << 20, 1)]).contains("whole MiB"));
        assert!(refused(&[GOOD[0], (METADATA, 0, 1 << 20, 1)]).contains("whole MiB"));
        assert!(refused(&[GOOD[0], (METADATA, 2 * MIB, 5, 1)]).contains("whole MiB"));
        let mut many = table(&GOOD);
        many[8..12].fill(0xff);
        seal_crc(&mut many);
        assert!(read_two(&many, &many).unwrap_err().to_string().contains("claims"));
    }
}
