//! The GUID partition table.
//!
//! In: a disk. Out: the partitions of its GPT, and which copy of it they come from. The layout is
//! that of the UEFI specification 2.10, section 5.3: a header in sector 1, a copy of it in the last
//! sector, and an array of entries for each. Checksums cover the header and the entries. A copy
//! counts only as a whole, with both of its checksums right.

use flate2::Crc;

use super::types::type_name;
use super::{Partition, Partitions, Table};
use crate::bytes::ReadAt;
use crate::image::Guid;
use crate::image::fields::{array, u32_le, u64_le};
use crate::image::{Error, FileSystem};

const SIGNATURE: [u8; 8] = *b"EFI PART";

/// The only revision there is: 1.0.
const REVISION: u32 = 0x0001_0000;

/// The bytes of a header that have a meaning. What follows in its sector is reserved.
const HEADER_SIZE: usize = 92;

/// The checksum of the header, which counts as zeros while it is computed.
const CHECKSUM: std::ops::Range<usize> = 16..20;

/// An array of entries may have this many bytes. Usually it has 16 KiB.
const MAX_TABLE: u64 = 16 << 20;

/// Entries are read in pieces of this size. It is a multiple of every size of an entry.
const PIECE: usize = 64 << 10;

/// What was found of a GPT.
pub(super) enum Outcome {
    /// One copy at least is sound.
    Sound(Gpt),
    /// There are traces of a GPT, but no copy is sound.
    Damaged(Error),
    /// There is no trace of one.
    Absent,
}

/// One sound copy of a GPT.
pub(super) struct Gpt {
    sector_size: u32,
    header: Header,
    entries: Vec<Entry>,
    notes: Vec<String>,
    gaps: Vec<String>,
}

/// Why a copy does not count.
enum Flaw {
    /// Its signature is not there.
    Absent,
    Damaged(String),
}

struct Header {
    alternate: u64,
    first_usable: u64,
    last_usable: u64,
    disk: Guid,
    table: u64,
    count: u32,
    entry_size: u32,
    table_checksum: u32,
}

struct Entry {
    number: u32,
    kind: Guid,
    id: Guid,
    first: u64,
    last: u64,
    label: String,
}

/// Looks for a GPT with sectors of these sizes. `is_expected`: the MBR says that there is one.
/// `may_be_lost`: nothing else says what is on this disk. In both cases, the copy at the end is
/// looked for even if nothing is left of the header in sector 1.
pub(super) fn find(disk: &dyn ReadAt, sizes: &[u32], is_expected: bool, may_be_lost: bool) -> Outcome {
    let mut flaws = Vec::new();
    for &size in sizes {
        match read_copy(disk, size, 1) {
            Ok(mut gpt) => {
                compare_with_backup(disk, &mut gpt);
                return Outcome::Sound(gpt);
            }
            Err(Flaw::Absent) => {}
            Err(Flaw::Damaged(flaw)) => flaws.push(flaw),
        }
    }
    if flaws.is_empty() && !is_expected && !may_be_lost {
        return Outcome::Absent;
    }
    let primary = if flaws.is_empty() { "it has no signature".to_owned() } else { flaws.join(", or ") };
    let mut backup = Vec::new();
    for &size in sizes {
        let last = last_sector(disk, size);
        match read_copy(disk, size, last) {
            Ok(mut gpt) => {
                gpt.notes.push(format!(
                    "the primary GPT in sector 1 is damaged ({primary}): the backup GPT in sector {last} was used"
                ));
                return Outcome::Sound(gpt);
            }
            Err(Flaw::Absent) => {}
            Err(Flaw::Damaged(flaw)) => backup.push(flaw),
        }
    }
    if flaws.is_empty() && backup.is_empty() && !is_expected {
        return Outcome::Absent;
    }
    let backup = if backup.is_empty() { "it has no signature".to_owned() } else { backup.join(", or ") };
    Outcome::Damaged(Error::Damaged(format!(
        "both copies of the GPT are damaged: the primary one in sector 1 ({primary}), and the backup in the last sector ({backup})"
    )))
}

fn last_sector(disk: &dyn ReadAt, sector_size: u32) -> u64 {
    (disk.len() / u64::from(sector_size)).saturating_sub(1)
}

/// Compares a sound primary copy with the backup. A damaged backup changes nothing. But of two
/// sound copies that list different partitions, it is not known which is right: one of them may be
/// what an interrupted program left.
fn compare_with_backup(disk: &dyn ReadAt, primary: &mut Gpt) {
    let sector = primary.header.alternate;
    let trouble = match read_copy(disk, primary.sector_size, sector) {
        Ok(backup) if backup.header.agrees_with(&primary.header) => return,
        Ok(_) => {
            let problem = "are both sound, but list different partitions: the primary one was used, and partitions may be missing";
            primary
                .gaps
                .push(format!("the primary GPT in sector 1 and the backup GPT in sector {sector} {problem}"));
            return;
        }
        Err(Flaw::Absent) => "is not there".to_owned(),
        Err(Flaw::Damaged(flaw)) => format!("is damaged ({flaw})"),
    };
    primary
        .notes
        .push(format!("the backup GPT in sector {sector} {trouble}: the primary GPT in sector 1 was used"));
}

/// Reads the copy whose header is in this sector.
fn read_copy(disk: &dyn ReadAt, sector_size: u32, sector: u64) -> Result<Gpt, Flaw> {
    let header = read_header(disk, sector_size, sector)?;
    let entries = read_entries(disk, sector_size, &header)?;
    Ok(Gpt { sector_size, header, entries, notes: Vec::new(), gaps: Vec::new() })
}

fn read_header(disk: &dyn ReadAt, sector_size: u32, sector: u64) -> Result<Header, Flaw> {
    let mut bytes = vec![0; usize::try_from(sector_size).unwrap_or(0)];
    let at = sector.checked_mul(sector_size.into()).ok_or(Flaw::Absent)?;
    let got = disk.read_full_at(&mut bytes, at).map_err(|error| Flaw::Damaged(error.to_string()))?;
    if got < bytes.len() || !bytes.starts_with(&SIGNATURE) {
        return Err(Flaw::Absent);
    }
    let size = u32_le(&bytes, 12).and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
    let summed = bytes.get(..size).filter(|_| size >= HEADER_SIZE);
    let Some(summed) = summed else {
        return Err(Flaw::Damaged(format!("its header claims to have {size} bytes")));
    };
    let mut crc = Crc::new();
    crc.update(summed.get(..CHECKSUM.start).unwrap_or_default());
    crc.update(&[0; 4]);
    crc.update(summed.get(CHECKSUM.end..).unwrap_or_default());
    if u32_le(&bytes, CHECKSUM.start) != Some(crc.sum()) {
        return Err(Flaw::Damaged("the checksum of its header is wrong".to_owned()));
    }
    if u32_le(&bytes, 8) != Some(REVISION) {
        return Err(Flaw::Damaged("its revision is not 1.0".to_owned()));
    }
    if u64_le(&bytes, 24) != Some(sector) {
        return Err(Flaw::Damaged("its header belongs into another sector".to_owned()));
    }
    // The checks above have seen all of these bytes.
    Header::of(&bytes).ok_or(Flaw::Absent)
}

impl Header {
    fn of(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            alternate: u64_le(bytes, 32)?,
            first_usable: u64_le(bytes, 40)?,
            last_usable: u64_le(bytes, 48)?,
            disk: Guid::at(bytes, 56)?,
            table: u64_le(bytes, 72)?,
            count: u32_le(bytes, 80)?,
            entry_size: u32_le(bytes, 84)?,
            table_checksum: u32_le(bytes, 88)?,
        })
    }

    fn agrees_with(&self, other: &Self) -> bool {
        let facts = |header: &Self| (header.disk, header.count, header.entry_size, header.table_checksum);
        facts(self) == facts(other)
    }
}

/// Reads the entries piece by piece. They count only if their checksum is right.
fn read_entries(disk: &dyn ReadAt, sector_size: u32, header: &Header) -> Result<Vec<Entry>, Flaw> {
    let Header { count, entry_size, table, .. } = *header;
    if !entry_size.is_power_of_two() || !(128..=4096).contains(&entry_size) {
        return Err(Flaw::Damaged(format!("its entries claim to have {entry_size} bytes")));
    }
    let length = u64::from(count) * u64::from(entry_size);
    let start = table.checked_mul(sector_size.into());
    let end = start.and_then(|start| start.checked_add(length)).filter(|&end| end <= disk.len());
    let (Some(start), Some(end)) = (start, end.filter(|_| length <= MAX_TABLE)) else {
        return Err(Flaw::Damaged(format!("it claims to have {count} entries from sector {table} on")));
    };
    let entry_size = usize::try_from(entry_size).unwrap_or(PIECE);
    let (mut crc, mut entries, mut number, mut at) = (Crc::new(), Vec::new(), 0, start);
    let mut piece = vec![0; PIECE];
    while at < end {
        let wanted = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
        let piece = piece.get_mut(..wanted).unwrap_or_default();
        let got = disk.read_full_at(piece, at).map_err(|error| Flaw::Damaged(error.to_string()))?;
        if got < wanted {
            return Err(Flaw::Damaged("the disk ends inside of its entries".to_owned()));
        }
        crc.update(piece);
        for bytes in piece.chunks_exact(entry_size) {
            number += 1;
            entries.extend(Entry::of(bytes, number).filter(|entry| entry.kind != Guid::ZERO));
        }
        at += wanted as u64;
    }
    if crc.sum() != header.table_checksum {
        return Err(Flaw::Damaged("the checksum of its entries is wrong".to_owned()));
    }
    Ok(entries)
}

impl Entry {
    fn of(bytes: &[u8], number: u32) -> Option<Self> {
        let label = array::<72>(bytes, 56)?;
        let units = label.chunks_exact(2).filter_map(|unit| <[u8; 2]>::try_from(unit).ok());
        let units: Vec<u16> = units.map(u16::from_le_bytes).take_while(|&unit| unit != 0).collect();
        Some(Self {
            number,
            kind: Guid::at(bytes, 0)?,
            id: Guid::at(bytes, 16)?,
            first: u64_le(bytes, 32)?,
            last: u64_le(bytes, 40)?,
            label: String::from_utf16_lossy(&units),
        })
    }
}

impl Gpt {
    pub(super) fn into_partitions(self) -> Partitions {
        let mut found = Partitions {
            table: Table::Gpt,
            sector_size: self.sector_size,
            partitions: Vec::new(),
            notes: self.notes,
            damage: Vec::new(),
            gaps: self.gaps,
        };
        let size = u64::from(self.sector_size);
        for entry in self.entries {
            let Entry { number, first, last, .. } = entry;
            let end = last.checked_add(1).and_then(|sectors| sectors.checked_mul(size));
            let Some(end) = end.filter(|_| first <= last) else {
                found.damage.push(format!(
                    "partition {number} claims the sectors from {first} to {last}: it was left out"
                ));
                continue;
            };
            if first < self.header.first_usable || last > self.header.last_usable {
                found.damage.push(format!(
                    "partition {number} has the sectors from {first} to {last}, but the GPT gives partitions only those from {} to {}",
                    self.header.first_usable, self.header.last_usable
                ));
            }
            // Smaller than the end, which does not overflow.
            let start = first * size;
            found.partitions.push(Partition {
                number,
                start,
                length: end - start,
                kind: type_name(entry.kind),
                id: Some(entry.id),
                label: entry.label,
                file_system: FileSystem::Unknown,
            });
        }
        found
    }
}
