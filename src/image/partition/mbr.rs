//! The master boot record, and the logical partitions that it leads to.
//!
//! In: a disk and its first sector. Out: the partitions. The layout is that of the UEFI
//! specification 2.10, section 5.2. Nobody has specified extended partitions. They are read as
//! Microsoft has described them ("How Basic Disks and Volumes Work", section "Extended Boot
//! Record"): in each record of the chain, a partition counts from that record on, and the link to
//! the next record counts from the start of the extended partition on.
//!
//! An MBR has no checksum. What contradicts itself is damage; a changed number that still makes
//! sense cannot be noticed here.

use std::collections::BTreeSet;

use super::{Partition, Partitions, Table};
use crate::bytes::ReadAt;
use crate::image::fields::{array, u32_le};
use crate::image::file_system::BOOT_SIZE;
use crate::image::{Error, FileSystem};

/// Where the four entries begin.
const ENTRIES: [usize; 4] = [446, 462, 478, 494];

/// A chain of logical partitions may have this many records.
const MAX_CHAIN: usize = 1024;

/// The type of the entry that protects a GPT.
const PROTECTIVE: u8 = 0xee;

/// A boot record: the first sector of a disk, or a link in the chain of an extended partition.
pub(super) struct Record {
    entries: [Entry; 4],
}

#[derive(Clone, Copy)]
struct Entry {
    status: u8,
    kind: u8,
    start: u32,
    sectors: u32,
}

/// Why a sector is no boot record.
pub(super) enum Reason {
    NoSignature,
    Status { entry: usize, status: u8 },
}

impl Reason {
    /// For a disk on which nothing else was found either.
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::NoSignature => Error::Unsupported(
                "the disk begins neither with a partition table nor with a file system that is known here"
                    .to_owned(),
            ),
            Self::Status { .. } => Error::Damaged(format!("the MBR is damaged: {}", self.text())),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::NoSignature => "its signature is missing".to_owned(),
            Self::Status { entry, status } => {
                format!("entry {entry} has the impossible status {status:#04x}")
            }
        }
    }
}

impl Record {
    /// Reads a sector whose entries can all be entries.
    pub(super) fn parse(sector: &[u8; BOOT_SIZE]) -> Result<Self, Reason> {
        if array(sector, 510) != Some([0x55, 0xaa]) {
            return Err(Reason::NoSignature);
        }
        let entries = ENTRIES.map(|at| Entry::of(sector, at));
        let odd = entries.iter().position(|entry| !matches!(entry.status, 0 | 0x80));
        match odd.and_then(|at| Some((at, entries.get(at)?))) {
            Some((at, entry)) => Err(Reason::Status { entry: at + 1, status: entry.status }),
            None => Ok(Self { entries }),
        }
    }

    /// Whether it says that the disk has a GPT.
    pub(super) fn is_protective(&self) -> bool {
        self.entries.iter().any(|entry| entry.kind == PROTECTIVE)
    }

    /// Whether all of its entries are unused.
    fn is_empty(&self) -> bool {
        self.entries.iter().all(|entry| entry.kind == 0 && entry.flaw().is_none())
    }

    pub(super) fn has_partitions(&self) -> bool {
        self.entries.iter().any(Entry::is_partition)
    }

    /// Whether this is the table of a disk without a GPT: no partition protects one, or takes the
    /// sector in which its header is.
    pub(super) fn stands_alone(&self) -> bool {
        let mut partitions = self.entries.iter().filter(|entry| entry.is_partition());
        self.has_partitions() && partitions.all(|entry| entry.kind != PROTECTIVE && entry.start > 1)
    }

    /// Whether all partitions end before this sector.
    pub(super) fn ends_before(&self, sector: u64) -> bool {
        self.entries.iter().all(|entry| u64::from(entry.start) + u64::from(entry.sectors) <= sector)
    }
}

impl Entry {
    fn of(sector: &[u8; BOOT_SIZE], at: usize) -> Self {
        let byte = |offset: usize| sector.get(at + offset).copied().unwrap_or(0);
        let number = |offset: usize| u32_le(sector, at + offset).unwrap_or(0);
        Self { status: byte(0), kind: byte(4), start: number(8), sectors: number(12) }
    }

    fn is_partition(&self) -> bool {
        self.kind != 0 && self.start > 0 && self.sectors > 0
    }

    fn is_extended(&self) -> bool {
        matches!(self.kind, 0x05 | 0x0f | 0x85)
    }

    /// What makes no sense in an entry.
    fn flaw(&self) -> Option<&'static str> {
        let is_empty = self.start == 0 || self.sectors == 0;
        match self.kind {
            0 if self.start > 0 && self.sectors > 0 => Some("is marked as unused, but says where it is"),
            0 => None,
            _ if is_empty => Some("is marked as used, but has no sectors"),
            _ => None,
        }
    }
}

/// Reads the partitions of a disk with this MBR.
pub(super) fn read(disk: &dyn ReadAt, sizes: &[u32], record: &Record) -> Result<Partitions, Error> {
    let sector_size = choose_size(disk, sizes, record)?;
    let mut found = Partitions {
        table: Table::Mbr,
        sector_size,
        partitions: Vec::new(),
        notes: Vec::new(),
        damage: Vec::new(),
        gaps: Vec::new(),
    };
    for (number, entry) in (1..).zip(&record.entries) {
        if let Some(flaw) = entry.flaw() {
            found.damage.push(format!("entry {number} of the MBR {flaw}: it was left out"));
        } else if entry.is_partition() && !entry.is_extended() {
            push(&mut found, number, 0, entry);
        }
    }
    for extended in record.entries.iter().filter(|entry| entry.is_partition() && entry.is_extended()) {
        read_chain(disk, extended, &mut found)?;
    }
    Ok(found)
}

/// An MBR does not state the size of a sector. Most disks have sectors of 512 bytes. Another size
/// is chosen only if more file systems are found with it.
fn choose_size(disk: &dyn ReadAt, sizes: &[u32], record: &Record) -> Result<u32, Error> {
    let mut best = (0, sizes.first().copied().unwrap_or(512));
    for &size in sizes.iter().filter(|_| sizes.len() > 1) {
        let mut known = 0;
        for entry in record.entries.iter().filter(|entry| entry.is_partition()) {
            let mut sector = [0; BOOT_SIZE];
            disk.read_full_at(&mut sector, u64::from(entry.start) * u64::from(size))?;
            known += u32::from(FileSystem::of_sector(&sector) != FileSystem::Unknown);
        }
        if known > best.0 {
            best = (known, size);
        }
    }
    Ok(best.1)
}

fn push(found: &mut Partitions, number: u32, base: u64, entry: &Entry) {
    let size = u64::from(found.sector_size);
    found.partitions.push(Partition {
        number,
        // At most three numbers of 32 bits times 4096: this cannot overflow.
        start: (base + u64::from(entry.start)) * size,
        length: u64::from(entry.sectors) * size,
        kind: type_name(entry.kind),
        id: None,
        label: String::new(),
        file_system: FileSystem::Unknown,
    });
}

/// Follows the chain of records in an extended partition. What breaks it is damage: the partitions
/// behind the break are not known.
fn read_chain(disk: &dyn ReadAt, extended: &Entry, found: &mut Partitions) -> Result<(), Error> {
    let base = u64::from(extended.start);
    let end = base + u64::from(extended.sectors);
    let mut seen = BTreeSet::new();
    let mut at = base;
    let broken = loop {
        if !seen.insert(at) {
            break "the chain of logical partitions returns to itself";
        }
        if seen.len() > MAX_CHAIN {
            break "the chain of logical partitions has no end";
        }
        let is_first = seen.len() == 1;
        let Some(record) = read_link(disk, at, is_first, found)? else { return Ok(()) };
        if is_first && record.is_empty() {
            break "an extended partition has neither a logical partition nor a link to one";
        }
        for entry in record.entries.iter().filter(|entry| !entry.is_extended()) {
            push_logical(found, at, (base, end), entry);
        }
        let mut links = record.entries.iter().filter(|entry| entry.is_partition() && entry.is_extended());
        let Some(link) = links.next() else { return Ok(()) };
        if links.next().is_some() {
            break "a record in the chain of logical partitions has two links to the next one";
        }
        at = base + u64::from(link.start);
        if at >= end {
            break "the chain of logical partitions leaves the extended partition";
        }
    };
    found.damage.push(format!("{broken} (sector {at}): partitions may be missing"));
    Ok(())
}

/// One record of a chain, or the first. `None` if it is damaged.
fn read_link(
    disk: &dyn ReadAt,
    at: u64,
    is_first: bool,
    found: &mut Partitions,
) -> Result<Option<Record>, Error> {
    let mut sector = [0; BOOT_SIZE];
    // Two numbers of 32 bits times 4096: this cannot overflow.
    disk.read_full_at(&mut sector, at * u64::from(found.sector_size))?;
    let file_system = FileSystem::of_sector(&sector);
    if is_first && file_system != FileSystem::Unknown {
        // A single wrong bit makes an extended partition of the type of a volume.
        found.damage.push(format!(
            "sector {at} should be a record of logical partitions, but names a file system ({file_system}): partitions may be missing"
        ));
    }
    match Record::parse(&sector) {
        Ok(record) => Ok(Some(record)),
        Err(reason) => {
            found.damage.push(format!(
                "the record of logical partitions in sector {at} is damaged ({}): partitions may be missing",
                reason.text()
            ));
            Ok(None)
        }
    }
}

fn push_logical(found: &mut Partitions, record: u64, (base, end): (u64, u64), entry: &Entry) {
    let logical = found.partitions.iter().filter(|partition| partition.number > 4).count();
    let number = u32::try_from(logical).unwrap_or(u32::MAX).saturating_add(5);
    if let Some(flaw) = entry.flaw() {
        found.damage.push(format!(
            "an entry in the record of logical partitions in sector {record} {flaw}: it was left out"
        ));
    } else if entry.is_partition() {
        push(found, number, record, entry);
        let start = record + u64::from(entry.start);
        let last = start + u64::from(entry.sectors);
        if start < base || last > end {
            found.damage.push(format!(
                "partition {number} has the sectors from {start} to {}, outside of its extended partition",
                last - 1
            ));
        }
    }
}

/// What a type of an MBR is called.
fn type_name(kind: u8) -> String {
    let name = match kind {
        0x01 | 0x04 | 0x06 | 0x0b | 0x0c | 0x0e => "FAT",
        0x07 => "NTFS or exFAT",
        0x17 => "hidden NTFS or exFAT",
        0x11 | 0x14 | 0x16 | 0x1b | 0x1c | 0x1e => "hidden FAT",
        0x12 | 0x27 => "recovery",
        0x42 => "dynamic disk",
        0x82 => "Linux swap",
        0x83 => "Linux data",
        0x8e => "Linux LVM",
        0xfd => "Linux RAID",
        0xe7 => "storage spaces",
        0xef => "EFI system",
        _ => return format!("type {kind:#04x}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::partitions;
    use super::super::tests::fixture;

    /// A disk whose MBR has one entry of this type, and these bytes in it.
    fn one_partition(kind: u8, content: &[u8]) -> Vec<u8> {
        let mut disk = vec![0; 2048 * 512];
        disk[446 + 4] = kind;
        disk[446 + 8..446 + 12].copy_from_slice(&2048_u32.to_le_bytes());
        disk[446 + 12..446 + 16].copy_from_slice(&u32::try_from(content.len() / 512).unwrap().to_le_bytes());
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        [&disk, content].concat()
    }

    #[test]
    fn a_volume_whose_type_became_that_of_an_extended_partition_is_damage() {
        // As mkntfs writes it: with zeros where entries would be.
        let mut volume = fixture("ntfs");
        volume[446..510].fill(0);
        for kind in [0x05, 0x0f, 0x85] {
            let all = partitions(&one_partition(kind, &volume), None).unwrap();
            assert_eq!(all.partitions, []);
            assert!(
                all.damage.iter().any(|line| line.contains("names a file system (NTFS)")),
                "{:?}",
                all.damage
            );
        }
        let mut empty = vec![0; 1 << 20];
        empty[510..512].copy_from_slice(&[0x55, 0xaa]);
        let all = partitions(&one_partition(0x05, &empty), None).unwrap();
        assert!(all.damage[0].contains("neither a logical partition nor a link"), "{:?}", all.damage);
        let all = partitions(&one_partition(0x07, &volume), None).unwrap();
        assert_eq!((all.partitions.len(), all.damage), (1, Vec::new()));
    }
}
