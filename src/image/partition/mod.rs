//! The partitions of a disk.
//!
//! In: the bytes of a disk, and the size of its sectors if its container states it. Out: where its
//! volumes are, what they are called, and everything that is wrong with the tables that say so.
//!
//! A disk has a GPT (see `gpt`), an MBR (see `mbr`), or neither: then a single volume takes all
//! of it. The first sector of a volume ends in the same two bytes as an MBR. The decision:
//!
//! 1. A sound GPT counts, unless the first sector is an MBR with partitions that leave out the
//!    header of the GPT. In that case the GPT is left over from earlier: the UEFI specification
//!    (5.2.3, 5.3.1) asks for an MBR that protects it.
//! 2. An MBR counts if all of its entries can be entries and at least one is used. This holds also
//!    if the bytes before the entries are those of a volume: a program that makes a table keeps the
//!    bytes before it, but a program that makes a volume replaces the whole sector.
//! 3. Otherwise a first sector that names a known file system begins the only volume.
//!
//! Anything else is an error. Partitions are never guessed.

mod gpt;
mod mbr;
mod types;

use std::fmt;

use gpt::Outcome;

use crate::bytes::{ReadAt, Window};
use crate::image::fields::u64_le;
use crate::image::file_system::BOOT_SIZE;
use crate::image::{Error, FileSystem, Guid};

/// The sizes of sectors that are tried if nobody says which one is right.
const SECTOR_SIZES: [u32; 2] = [512, 4096];

/// Where the volumes of a disk are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partitions {
    /// What says where they are.
    pub table: Table,
    /// Bytes in a sector of the disk: as its container states, or else what its tables show.
    pub sector_size: u32,
    /// The partitions, in the order of the table.
    pub partitions: Vec<Partition>,
    /// What a person should know and what changes nothing about the partitions: which copy of a
    /// table was damaged, and which one was used.
    pub notes: Vec<String>,
    /// What contradicts the format. Partitions may be missing here, or may not be complete.
    pub damage: Vec<String>,
    /// What is sound, but contradicts itself: partitions may be missing here.
    pub gaps: Vec<String>,
}

/// What says where the partitions are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// A GUID partition table.
    Gpt,
    /// A master boot record.
    Mbr,
    /// Nothing: one volume takes the whole disk.
    None,
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Gpt => "GPT",
            Self::Mbr => "MBR",
            Self::None => "no partition table",
        })
    }
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its number. In an MBR, logical partitions begin at 5, as everywhere.
    pub number: u32,
    /// Its first byte on the disk.
    pub start: u64,
    /// Its length in bytes, as the table states it. It may reach beyond the end of the disk: then
    /// [`Partitions::damage`] says so.
    pub length: u64,
    /// What the table says it is for: `EFI system`, `basic data`, `recovery`.
    pub kind: String,
    /// Its unique identifier, if the table has one.
    pub id: Option<Guid>,
    /// Its label. Empty if it has none.
    pub label: String,
    /// The file system that its first sector names.
    pub file_system: FileSystem,
}

impl Partition {
    /// Its bytes. They end where the disk ends.
    pub fn bytes<B: ReadAt>(&self, disk: B) -> Window<B> {
        Window::new(disk, self.start, self.length)
    }

    fn end(&self) -> u64 {
        self.start.saturating_add(self.length)
    }
}

/// Finds the partitions of a disk. `sector_size` is what the container of the disk states.
///
/// # Errors
/// The disk cannot be read, its tables are damaged beyond their copies, or it has neither a
/// partition table nor a file system that is known here.
pub fn partitions(disk: &dyn ReadAt, sector_size: Option<u32>) -> Result<Partitions, Error> {
    if let Some(size) = sector_size.filter(|size| !SECTOR_SIZES.contains(size)) {
        return Err(Error::Unsupported(format!(
            "the disk has sectors of {size} bytes; only sectors of 512 and 4096 bytes can be read"
        )));
    }
    let sizes = SECTOR_SIZES.iter().copied().filter(|&size| sector_size.is_none_or(|known| known == size));
    let sizes: Vec<u32> = sizes.collect();
    let mut first = [0; BOOT_SIZE];
    if disk.read_full_at(&mut first, 0)? < BOOT_SIZE {
        return Err(Error::Damaged(format!(
            "the disk has {} bytes: it ends before its first sector does",
            disk.len()
        )));
    }
    let mut found = find(disk, &sizes, &first)?;
    complete(disk, &mut found);
    Ok(found)
}

/// The decision between the kinds of tables.
fn find(disk: &dyn ReadAt, sizes: &[u32], first: &[u8; BOOT_SIZE]) -> Result<Partitions, Error> {
    let file_system = FileSystem::of_sector(first);
    let names_volume = file_system != FileSystem::Unknown;
    let record = mbr::Record::parse(first);
    let is_protective = record.as_ref().is_ok_and(mbr::Record::is_protective);
    let stands_alone = record.as_ref().is_ok_and(mbr::Record::stands_alone);
    let mut notes = Vec::new();
    match gpt::find(disk, sizes, is_protective, !stands_alone && !names_volume) {
        Outcome::Sound(gpt) if !stands_alone => {
            let mut found = gpt.into_partitions();
            if !is_protective {
                found.notes.push("the MBR in front of the GPT is damaged: the GPT was used".to_owned());
            }
            return Ok(found);
        }
        Outcome::Damaged(error) if !stands_alone && (is_protective || !names_volume) => return Err(error),
        Outcome::Absent => {}
        Outcome::Sound(_) | Outcome::Damaged(_) => {
            notes.push("parts of a GPT are left on the disk, but the first sector does not lead to it: it was not used".to_owned());
        }
    }
    let mut found = match record {
        Ok(record)
            if record.has_partitions() && (!names_volume || record.ends_before(disk.len() / 512 + 1)) =>
        {
            if names_volume {
                notes.push(format!(
                    "the first sector names a file system ({file_system}) and has a partition table: the table was used"
                ));
            }
            mbr::read(disk, sizes, &record)?
        }
        _ if names_volume => whole_disk(disk, sizes),
        _ if ends_with_copy_of_boot_sector(disk, sizes)? => {
            notes.push("the first sector is damaged, but the last one is that of an NTFS volume that takes the whole disk".to_owned());
            whole_disk(disk, sizes)
        }
        Ok(_) => {
            let reason = "the first sector has neither partitions nor a file system that is known here";
            return Err(Error::Unsupported(reason.to_owned()));
        }
        Err(reason) => return Err(reason.into_error()),
    };
    found.notes.append(&mut notes);
    Ok(found)
}

/// One volume that takes all of the disk.
fn whole_disk(disk: &dyn ReadAt, sizes: &[u32]) -> Partitions {
    let volume = Partition {
        number: 1,
        start: 0,
        length: disk.len(),
        kind: "whole disk".to_owned(),
        id: None,
        label: String::new(),
        file_system: FileSystem::Unknown,
    };
    let sector_size = sizes.first().copied().unwrap_or(512);
    Partitions {
        table: Table::None,
        sector_size,
        partitions: vec![volume],
        notes: Vec::new(),
        damage: Vec::new(),
        gaps: Vec::new(),
    }
}

/// Whether the last sector is the copy of a boot sector of NTFS, and its number of sectors is that
/// of the disk without this copy. In a disk with partitions, this number is another one.
fn ends_with_copy_of_boot_sector(disk: &dyn ReadAt, sizes: &[u32]) -> Result<bool, Error> {
    for &size in sizes {
        let last = (disk.len() / u64::from(size)).saturating_sub(1);
        let mut sector = [0; BOOT_SIZE];
        let got = disk.read_full_at(&mut sector, last.saturating_mul(size.into()))?;
        let is_ntfs = got == BOOT_SIZE && FileSystem::of_sector(&sector) == FileSystem::Ntfs;
        if is_ntfs && last > 0 && u64_le(&sector, 40) == Some(last) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Compares the partitions with the disk and with each other, and looks at what is in them.
fn complete(disk: &dyn ReadAt, found: &mut Partitions) {
    let size = disk.len();
    for partition in &mut found.partitions {
        let number = partition.number;
        if partition.end() > size {
            found.damage.push(format!(
                "partition {number} ends at byte {}, but the disk ends at byte {size}",
                partition.end()
            ));
        }
        match FileSystem::of(&partition.bytes(disk)) {
            Ok(file_system) => partition.file_system = file_system,
            Err(error) => {
                found.damage.push(format!("the first sector of partition {number} cannot be read: {error}"));
            }
        }
    }
    let mut by_start: Vec<&Partition> = found.partitions.iter().collect();
    by_start.sort_by_key(|partition| partition.start);
    let mut furthest: Option<&Partition> = None;
    for &partition in &by_start {
        match furthest {
            Some(before) if before.end() > partition.start => found.damage.push(format!(
                "partition {} begins at byte {}, inside of partition {}",
                partition.number, partition.start, before.number
            )),
            _ => {}
        }
        if furthest.is_none_or(|before| before.end() < partition.end()) {
            furthest = Some(partition);
        }
    }
}

#[cfg(test)]
mod tests;
