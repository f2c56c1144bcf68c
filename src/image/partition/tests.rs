//! Partition tables by real programs, whole and damaged.

use std::collections::BTreeMap;
use std::io;

use proptest::prelude::*;

use super::*;

/// What a program says about one partition: number, first byte, length, type, id, label.
type Said = (u32, u64, u64, String, String, String);

pub(super) fn fixture(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/images/partitions");
    let file = std::fs::File::open(format!("{folder}/{name}.zst")).unwrap();
    zstd::decode_all(file).unwrap()
}

fn expected() -> BTreeMap<String, Vec<Said>> {
    let text = include_str!("../../../fixtures/images/partitions/expected.txt");
    let mut all = BTreeMap::<_, Vec<Said>>::new();
    for line in text.lines() {
        let [disk, number, start, length, kind, id, label] =
            line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let said = (number, start.parse().unwrap(), length.parse().unwrap(), kind, id, label);
        let (number, start, length, ..) = said;
        let text = |text: &str| text.trim_matches('-').to_owned();
        let line = (number.parse().unwrap(), start, length, kind.to_owned(), text(id), text(label));
        all.entry(disk.to_owned()).or_default().push(line);
    }
    assert!(all.len() >= 8, "{all:?}");
    all
}

/// What programs call the types, and what they are called here.
fn name_of(kind: &str) -> String {
    let name = match kind {
        "7" => "NTFS or exFAT",
        "12" => "recovery",
        "c" => "FAT",
        "83" => "Linux data",
        "c12a7328-f81f-11d2-ba4b-00a0c93ec93b" => "EFI system",
        "e3c9e316-0b5c-4db8-817d-f92df00215ae" => "Microsoft reserved",
        "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7" => "basic data",
        "de94bba4-06d1-4d40-a16a-bfd50179d6ac" => "recovery",
        other => panic!("{other}"),
    };
    name.to_owned()
}

fn found(partitions: &Partitions) -> Vec<Said> {
    let one = |part: &Partition| {
        let id = part.id.map_or_else(String::new, |id| id.to_string());
        (part.number, part.start, part.length, part.kind.clone(), id, part.label.clone())
    };
    partitions.partitions.iter().map(one).collect()
}

/// The partitions without what is said about them.
fn only_partitions(found: &Partitions) -> (Table, u32, Vec<Partition>) {
    (found.table, found.sector_size, found.partitions.clone())
}

#[test]
fn partitions_are_those_that_other_programs_list() {
    for (name, said) in expected() {
        let disk = fixture(&name);
        let size = if name.ends_with("4096") { 4096 } else { 512 };
        let is_extended = |kind: &str| ["5", "f"].contains(&kind);
        let expected = said.into_iter().filter(|(_, _, _, kind, ..)| !is_extended(kind));
        let expected: Vec<_> =
            expected.map(|(a, b, c, kind, d, e)| (a, b, c, name_of(&kind), d, e)).collect();
        for known in [None, Some(size)] {
            let all = partitions(&disk, known).unwrap();
            assert_eq!(found(&all), expected, "{name} {known:?}");
            assert_eq!(all.sector_size, size, "{name} {known:?}");
            assert_eq!(all.damage, [""; 0], "{name} {known:?}");
            assert_eq!(
                all.table,
                if name.contains("mbr") || name.starts_with("sfdisk") { Table::Mbr } else { Table::Gpt }
            );
            assert_eq!(all.notes.len(), usize::from(name == "sfdisk-after-ntfs"), "{name}: {:?}", all.notes);
        }
    }
}

#[test]
fn what_is_in_a_partition_is_told_by_its_first_sector() {
    let kinds = |name: &str| -> Vec<_> {
        let all = partitions(&fixture(name), None).unwrap();
        all.partitions.iter().map(|part| part.file_system).collect()
    };
    use FileSystem::{Fat, Ntfs, Unknown};
    assert_eq!(kinds("sgdisk"), [Fat, Unknown, Ntfs, Unknown]);
    assert_eq!(kinds("fdisk-4096"), [Unknown, Ntfs]);
}

#[test]
fn a_volume_without_a_table_takes_the_whole_disk() {
    for (name, kind) in [("ntfs", FileSystem::Ntfs), ("fat", FileSystem::Fat), ("exfat", FileSystem::ExFat)] {
        let disk = fixture(name);
        let all = partitions(&disk, None).unwrap();
        assert_eq!(all.table, Table::None, "{name}");
        assert_eq!((all.notes, all.damage), (Vec::new(), Vec::new()), "{name}");
        let [volume] = &all.partitions[..] else { panic!("{name}") };
        assert_eq!((volume.start, volume.length, volume.file_system), (0, disk.len() as u64, kind), "{name}");
    }
}

#[test]
fn a_volume_whose_first_sector_is_lost_is_found_by_its_copy() {
    let mut disk = fixture("ntfs");
    disk[..512].fill(0);
    let all = partitions(&disk, None).unwrap();
    assert_eq!((all.table, all.partitions[0].length), (Table::None, disk.len() as u64));
    assert!(all.notes[0].contains("the first sector is damaged"), "{:?}", all.notes);
    // Without the copy, nothing says what this is.
    disk.pop();
    let error = partitions(&disk, None).unwrap_err();
    assert!(matches!(error, Error::Unsupported(_)), "{error:?}");
}

#[test]
fn whatever_byte_of_a_gpt_is_damaged_the_partitions_stay_the_same() {
    for (name, sector) in [("sgdisk", 512), ("fdisk-4096", 4096)] {
        let mut disk = fixture(name);
        let whole = partitions(&disk, None).unwrap();
        let (table, end) = (128 * 128, disk.len());
        let headers =
            (0..2 * sector).chain(end - sector..end).flat_map(|at| [(at, 1), (at, 0x80), (at, 0xff)]);
        let tables = (2 * sector..2 * sector + table).chain(end - sector - table..end - sector);
        let mut noted = 0;
        for (at, bits) in headers.chain(tables.map(|at| (at, 1 << (at % 8)))) {
            disk[at] ^= bits;
            let known = (at % 2 == 0).then(|| u32::try_from(sector).unwrap());
            let now = partitions(&disk, known).unwrap();
            assert_eq!(only_partitions(&now), only_partitions(&whole), "{name}, byte {at}");
            noted += usize::from(!now.notes.is_empty());
            disk[at] ^= bits;
        }
        // At least all bytes of both headers and both tables are noticed.
        assert!(noted >= 2 * 3 * 92 + 2 * table, "{name}: {noted} notes");
    }
}

#[test]
fn a_note_says_which_copy_was_damaged_and_which_one_was_used() {
    let whole = fixture("sgdisk");
    let last = whole.len() - 512;
    let notes = |at: usize| {
        let mut disk = whole.clone();
        disk[at] ^= 1;
        partitions(&disk, None).unwrap().notes
    };
    let text = |at: usize| notes(at).join("\n");
    assert_eq!(
        text(512 + 70),
        "the primary GPT in sector 1 is damaged (the checksum of its header is wrong): the backup GPT in sector 16383 was used"
    );
    assert_eq!(
        text(1024 + 300),
        "the primary GPT in sector 1 is damaged (the checksum of its entries is wrong): the backup GPT in sector 16383 was used"
    );
    assert_eq!(
        text(last + 40),
        "the backup GPT in sector 16383 is damaged (the checksum of its header is wrong): the primary GPT in sector 1 was used"
    );
    assert_eq!(
        text(last),
        "the backup GPT in sector 16383 is not there: the primary GPT in sector 1 was used"
    );
    assert_eq!(text(450), "the MBR in front of the GPT is damaged: the GPT was used");
    assert_eq!(text(100), "");
}

#[test]
fn if_both_copies_are_damaged_that_is_an_error() {
    let whole = fixture("sgdisk");
    let (header, backup) = (512 + 30, whole.len() - 512 + 30);
    for (one, other) in [(header, backup), (1024, backup), (header, whole.len() - 512 - 16384), (512, backup)]
    {
        // The MBR alone is enough to know that there must be a GPT, and so is a damaged header.
        for mbr in [0, 450] {
            let mut disk = whole.clone();
            disk[one] ^= 1;
            disk[other] ^= 1;
            disk[446..512].iter_mut().filter(|_| mbr > 0).for_each(|byte| *byte = 0);
            let error = partitions(&disk, None).unwrap_err();
            assert!(matches!(&error, Error::Damaged(text) if text.contains("both copies")), "{error:?}");
        }
    }
}

#[test]
fn a_gpt_that_is_left_over_from_earlier_is_not_used() {
    let mut disk = fixture("sgdisk");
    let mbr = fixture("parted-mbr");
    disk[..512].copy_from_slice(&mbr[..512]);
    for at in (6144..16000).map(|sector| sector * 512) {
        disk[at..at + 512].copy_from_slice(&mbr[at..at + 512]);
    }
    let all = partitions(&disk, None).unwrap();
    assert_eq!(found(&all), found(&partitions(&mbr, None).unwrap()));
    assert!(all.notes[0].contains("parts of a GPT are left"), "{:?}", all.notes);
}

/// Writes the checksums anew, as a program would that means what it writes.
fn seal(disk: &mut [u8]) {
    let number = |disk: &[u8], at: usize| u32::from_le_bytes(disk[at..at + 4].try_into().unwrap()) as usize;
    for header in [512, disk.len() - 512] {
        let table = number(disk, header + 72) * 512;
        let length = number(disk, header + 80) * number(disk, header + 84);
        let sum = |bytes: &[u8]| {
            let mut crc = flate2::Crc::new();
            crc.update(bytes);
            crc.sum().to_le_bytes()
        };
        if let Some(bytes) = disk.get(table..table + length) {
            let of_table = sum(bytes);
            disk[header + 88..header + 92].copy_from_slice(&of_table);
        }
        disk[header + 16..header + 20].fill(0);
        let of_header = sum(&disk[header..header + 92]);
        disk[header + 16..header + 20].copy_from_slice(&of_header);
    }
}

/// A GPT in which bytes of the first entry, or of both headers, mean something else.
fn altered(in_entry: &[(usize, u64)], in_header: &[(usize, u32)]) -> Vec<u8> {
    let mut disk = fixture("sgdisk");
    let end = disk.len();
    for table in [1024, end - 512 - 16384] {
        for (at, value) in in_entry {
            disk[table + at..table + at + 8].copy_from_slice(&value.to_le_bytes());
        }
    }
    for header in [512, end - 512] {
        for (at, value) in in_header {
            disk[header + at..header + at + 4].copy_from_slice(&value.to_le_bytes());
        }
    }
    seal(&mut disk);
    disk
}

#[test]
fn a_partition_that_cannot_be_where_the_table_says_is_damage() {
    let cases = [
        (vec![(32, 9000), (40, 8000)], 3, "partition 1 claims the sectors from 9000 to 8000"),
        (vec![(40, u64::MAX)], 3, "partition 1 claims the sectors from 2048 to"),
        (vec![(40, u64::MAX / 512)], 3, "partition 1 claims the sectors from 2048 to"),
        (
            vec![(32, 14000), (40, 99999)],
            4,
            "partition 1 ends at byte 51200000, but the disk ends at byte 8388608",
        ),
        (vec![(32, 14000), (40, 99999)], 4, "the GPT gives partitions only those from 34 to 16350"),
        (vec![(32, 3000), (40, 5000)], 4, "partition 2 begins at byte 2097152, inside of partition 1"),
        (vec![(32, 20), (40, 40)], 4, "the GPT gives partitions only those from 34 to 16350"),
    ];
    for (entry, count, expected) in cases {
        let all = partitions(&altered(&entry, &[]), None).unwrap();
        assert_eq!(all.partitions.len(), count, "{:?}", all.damage);
        assert!(all.damage.iter().any(|line| line.contains(expected)), "{:?}", all.damage);
    }
}

#[test]
fn sizes_that_a_gpt_cannot_have_are_refused_before_anything_is_read_by_them() {
    let cases: [&[(usize, u32)]; 8] = [
        &[(84, 0)],
        &[(84, 64)],
        &[(84, 129)],
        &[(84, u32::MAX)],
        &[(80, u32::MAX)],
        &[(80, u32::MAX), (84, 4096)],
        &[(72, u32::MAX), (76, u32::MAX)],
        &[(72, 16384)],
    ];
    for header in cases {
        let error = partitions(&altered(&[], header), None).unwrap_err();
        assert!(error.to_string().contains("claim"), "{header:?}: {error}");
    }
    for (size, checks) in [(91, "91 bytes"), (513, "513 bytes"), (u32::MAX, "4294967295 bytes")] {
        let error = partitions(&altered(&[], &[(12, size)]), None).unwrap_err();
        assert!(error.to_string().contains(checks), "{error}");
    }
}

#[test]
fn a_larger_entry_has_its_fields_in_the_same_places() {
    let mut disk = fixture("sgdisk");
    let end = disk.len();
    for (header, table) in [(512, 1024), (end - 512, end - 512 - 16384)] {
        let entries = disk[table..table + 64 * 128].to_vec();
        for (at, entry) in entries.chunks_exact(128).enumerate() {
            disk[table + at * 256..][..128].copy_from_slice(entry);
            disk[table + at * 256 + 128..][..128].fill(7);
        }
        disk[header + 80..header + 88].copy_from_slice(&[64, 0, 0, 0, 0, 1, 0, 0]);
    }
    seal(&mut disk);
    let all = partitions(&disk, None).unwrap();
    assert_eq!(found(&all), found(&partitions(&fixture("sgdisk"), None).unwrap()));
    assert_eq!((all.notes, all.damage), (Vec::new(), Vec::new()));
}

#[test]
fn a_disk_that_lost_its_end_says_so() {
    let mut disk = fixture("sgdisk");
    disk.truncate(6 << 20);
    let all = partitions(&disk, None).unwrap();
    assert_eq!(found(&all), found(&partitions(&fixture("sgdisk"), None).unwrap()));
    assert!(all.notes[0].contains("the backup GPT in sector 16383 is not there"), "{:?}", all.notes);
    disk.truncate((5 << 20) + 512);
    let all = partitions(&disk, None).unwrap();
    assert_eq!(all.damage, ["partition 7 ends at byte 6291456, but the disk ends at byte 5243392"]);
    assert_eq!(all.partitions[3].bytes(&disk).len(), 512);
}

#[test]
fn what_is_no_disk_is_an_error() {
    let noise: Vec<u8> = (0..4096_u32).map(|at| (at * 7 % 251).to_le_bytes()[0]).collect();
    let mut signed = noise.clone();
    signed[510..512].copy_from_slice(&[0x55, 0xaa]);
    let mut empty_table = vec![0; 4096];
    empty_table[510..512].copy_from_slice(&[0x55, 0xaa]);
    let mut only_protective = empty_table.clone();
    only_protective[446..462].copy_from_slice(&[0, 0, 2, 0, 0xee, 0, 0, 0, 1, 0, 0, 0, 255, 0, 0, 0]);
    let cases = [
        (Vec::new(), "0 bytes"),
        (vec![0; 511], "511 bytes"),
        (vec![0; 4096], "neither with a partition table nor"),
        (noise, "neither with a partition table nor"),
        (signed, "impossible status"),
        (empty_table, "neither partitions nor"),
        (only_protective, "both copies of the GPT are damaged"),
    ];
    for (disk, expected) in cases {
        let error = partitions(&disk, None).unwrap_err();
        assert!(error.to_string().contains(expected), "{expected}: {error}");
    }
    let error = partitions(&fixture("sgdisk"), Some(520)).unwrap_err();
    assert!(error.to_string().contains("sectors of 520 bytes"), "{error}");
}

/// Bytes that replace others, and where.
type Changes<'a> = &'a [(usize, &'a [u8])];

/// An MBR with an extended partition, and bytes changed in it.
fn with_chain(changes: Changes<'_>) -> Partitions {
    let mut disk = fixture("parted-mbr");
    for (at, bytes) in changes {
        disk[*at..][..<[u8]>::len(bytes)].copy_from_slice(bytes);
    }
    partitions(&disk, None).unwrap()
}

/// Where parted has put the second record of the chain. Its link to the third is in its second
/// entry.
fn second_record(disk: &[u8]) -> usize {
    let first = 6144 * 512;
    let link = u32::from_le_bytes(disk[first + 462 + 8..first + 462 + 12].try_into().unwrap());
    (6144 + link as usize) * 512
}

#[test]
fn a_broken_chain_of_logical_partitions_is_damage() {
    let whole = with_chain(&[]);
    let second = second_record(&fixture("parted-mbr"));
    let link = second + 462;
    let back_to_itself = u32::try_from(second / 512 - 6144).unwrap().to_le_bytes();
    let cases: [(Changes<'_>, usize, &str); 7] = [
        (&[(link + 8, &back_to_itself)], 4, "returns to itself"),
        (&[(link + 8, &[0, 0, 1, 0])], 4, "leaves the extended partition"),
        (&[(second + 510, &[0])], 3, "its signature is missing"),
        (&[(second + 446, &[1])], 3, "entry 1 has the impossible status 0x01"),
        (&[(second + 478, &[0, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0])], 4, "has two links"),
        (&[(second + 446 + 12, &[0; 4])], 4, "is marked as used, but has no sectors"),
        (&[(second + 446 + 12, &[0, 0, 0, 1])], 5, "outside of its extended partition"),
    ];
    for (changes, count, expected) in cases {
        let all = with_chain(changes);
        assert_eq!(all.partitions.len(), count, "{expected}: {:?}", all.damage);
        assert!(all.damage.iter().any(|line| line.contains(expected)), "{expected}: {:?}", all.damage);
        assert_eq!(all.partitions[..3], whole.partitions[..3]);
    }
}

#[test]
fn two_sound_tables_that_contradict_each_other_are_damage() {
    let mut disk = fixture("sgdisk");
    // The second partition is in only one of them.
    disk[1024 + 128..1024 + 256].fill(0);
    seal(&mut disk);
    let all = partitions(&disk, None).unwrap();
    assert_eq!(all.partitions.len(), 3);
    assert!(all.gaps[0].contains("are both sound, but list different partitions"), "{:?}", all.gaps);
    assert_eq!(all.damage, [""; 0], "it is not known which of them is right");
}

#[test]
fn an_endless_chain_of_logical_partitions_ends() {
    let sectors = 4000;
    let mut disk = vec![0; (sectors + 10) * 512];
    let entry = |start: u32, kind: u8| {
        let mut entry = [0; 16];
        entry[4] = kind;
        entry[8..12].copy_from_slice(&start.to_le_bytes());
        entry[12..16].copy_from_slice(&4000_u32.to_le_bytes());
        entry
    };
    disk[446..462].copy_from_slice(&entry(2, 5));
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    for sector in 2..sectors {
        let record = &mut disk[sector * 512..][..512];
        record[446..462].copy_from_slice(&entry(u32::try_from(sector).unwrap() - 1, 5));
        record[510..512].copy_from_slice(&[0x55, 0xaa]);
    }
    let all = partitions(&disk, None).unwrap();
    assert!(all.damage[0].contains("has no end"), "{:?}", all.damage);
}

/// A disk whose reads fail in one place.
#[derive(Debug)]
struct Torn(Vec<u8>, std::ops::Range<u64>);

impl ReadAt for Torn {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if self.1.start < offset + buffer.len() as u64 && offset < self.1.end {
            return Err(io::Error::from(Error::Damaged("block 0 is torn".to_owned())));
        }
        self.0.read_at(buffer, offset)
    }

    fn len(&self) -> u64 {
        ReadAt::len(&self.0)
    }
}

#[test]
fn a_copy_that_cannot_be_read_is_like_a_damaged_one() {
    let whole = partitions(&fixture("sgdisk"), None).unwrap();
    let all = partitions(&Torn(fixture("sgdisk"), 512..1024), None).unwrap();
    assert_eq!(only_partitions(&all), only_partitions(&whole));
    assert!(all.notes[0].contains("block 0 is torn"), "{:?}", all.notes);
    let all = partitions(&Torn(fixture("sgdisk"), 1048576..1048577), None).unwrap();
    assert_eq!(all.damage, ["the first sector of partition 1 cannot be read: block 0 is torn"]);
    assert!(partitions(&Torn(fixture("sgdisk"), 0..512), None).is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_or_read_for_long(
        which in 0_usize..4,
        changes in prop::collection::vec((0_usize..18000, any::<u8>()), 0..40),
        length in 0_usize..20000,
        is_sealed in any::<bool>(),
    ) {
        let names = ["sgdisk", "parted-mbr", "ntfs", "fdisk-mbr-back"];
        let mut disk = fixture(names[which]);
        let end = disk.len();
        for (at, value) in changes {
            // The first bytes of the disk, those of the chain, and the last ones.
            let at = [at, end - 1 - at, 6144 * 512 + at][at % 3];
            disk[at] = value;
        }
        if is_sealed && which == 0 {
            let table = |disk: &[u8], at: usize| u32::from_le_bytes(disk[at..at + 4].try_into().unwrap());
            if [512 + 72, end - 512 + 72].into_iter().all(|at| table(&disk, at) < 16000) {
                seal(&mut disk);
            }
        }
        for known in [None, Some(512), Some(4096)] {
            let _ = partitions(&disk, known);
            let _ = partitions(&disk[..length].to_vec(), known);
        }
    }
}
