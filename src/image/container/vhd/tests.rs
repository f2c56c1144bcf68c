//! Tests of whole VHD files, written by `testing`.

#![expect(clippy::cast_possible_truncation, reason = "small numbers of tests")]

use super::*;
use crate::image::container::testing::{self, Vhd};
use crate::image::container::{self, NoParents};
use proptest::prelude::*;

const BLOCK: usize = 4096;

fn open(file: Vec<u8>) -> Result<container::Disk, Error> {
    container::open(Arc::new(file), &NoParents)
}

/// Four blocks of eight sectors: one full, one with two sectors, one absent, one full and cut by
/// the end of the disk.
fn dynamic() -> Vhd {
    let mut vhd = Vhd::new(3, 3 * BLOCK as u64 + 1024, BLOCK as u32);
    vhd.write(0, &[1; BLOCK]);
    vhd.write(BLOCK as u64 + 512, &[2; 1024]);
    vhd.write(3 * BLOCK as u64, &[3; 1024]);
    vhd
}

fn expected() -> Vec<u8> {
    let mut disk = vec![0; 3 * BLOCK + 1024];
    disk[..BLOCK].fill(1);
    disk[BLOCK + 512..BLOCK + 1536].fill(2);
    disk[3 * BLOCK..].fill(3);
    disk
}

#[test]
fn a_fixed_disk_is_what_is_before_its_footer() {
    let mut file = vec![5; 2048];
    file.extend_from_slice(&testing::footer(2, 2048, u64::MAX, [9; 16]));
    let disk = open(file.clone()).unwrap();
    assert_eq!(testing::all(&disk.bytes).unwrap(), vec![5; 2048]);
    assert_eq!((disk.kind, disk.sector_size, disk.id), (Kind::VhdFixed, Some(512), Some([9; 16])));
    file.drain(..512);
    assert!(open(file).unwrap_err().to_string().contains("too short"));
}

#[test]
fn a_dynamic_disk_is_its_blocks_and_zeros() {
    let disk = open(dynamic().file()).unwrap();
    assert_eq!(testing::all(&disk.bytes).unwrap(), expected());
    assert!(disk.notes.is_empty() && disk.damage.is_empty() && disk.unfinished.is_empty());
    assert_eq!(disk.created.map(|time| time.seconds), Some(footer::EPOCH));
}

#[test]
fn a_sector_that_was_never_written_but_holds_data_is_an_error_of_that_sector() {
    let vhd = dynamic();
    let mut file = vhd.file();
    let at = vhd.data_at(1) + 3 * 512 + 7;
    file[at] = 1;
    let disk = open(file).unwrap();
    let error = testing::all(&disk.bytes).unwrap_err().to_string();
    assert!(error.contains("sector 3 in block 1"), "{error}");
    let mut other = vec![0; 1024];
    disk.bytes.read_full_at(&mut other, BLOCK as u64 + 512).unwrap();
    assert_eq!(other, vec![2; 1024]);
}

#[test]
fn a_block_outside_the_file_or_on_top_of_another_is_an_error_of_its_reads() {
    let vhd = dynamic();
    let second = (vhd.data_at(1) - 512) as u32 / 512;
    for (entry, why) in [
        (0, "on top of"),
        (2, "on top of"),
        (second, "on top of"),
        (second - 1, "on top of"),
        (1 << 20, "beyond the end"),
        (u32::MAX - 1, "beyond the end"),
    ] {
        let mut file = vhd.file();
        file[vhd.entry_at(0)..vhd.entry_at(0) + 4].copy_from_slice(&entry.to_be_bytes());
        let disk = open(file).unwrap();
        let error = disk.bytes.read_at(&mut [0; 512], 0).unwrap_err().to_string();
        assert!(error.contains("block 0") && error.contains(why), "entry {entry}: {error}");
        // It is told without a read, too. Of two blocks in one place, either may be wrong.
        let [line] = &disk.damage[..] else { panic!("{:?}", disk.damage) };
        let count =
            if [second, second - 1].contains(&entry) { "2 damaged entries" } else { "a damaged entry" };
        assert!(line.contains(count) && line.contains(&error), "entry {entry}: {line}");
        let mut rest = vec![0; 1024];
        disk.bytes.read_full_at(&mut rest, 3 * BLOCK as u64).unwrap();
        assert_eq!(rest, vec![3; 1024], "the last block is not affected");
    }
}

#[test]
fn a_file_that_was_cut_short_fails_where_its_blocks_are_gone() {
    let whole = dynamic().file();
    let disk = open(whole[..whole.len() - 512 - BLOCK].to_vec()).unwrap();
    assert!(disk.damage[0].contains("block 3"), "{:?}", disk.damage);
    assert!(disk.notes.join(" ").contains("footer at the end of the file is missing"), "{:?}", disk.notes);
    assert!(disk.bytes.read_at(&mut [0; 512], 3 * BLOCK as u64).is_err());
    assert_eq!(disk.bytes.read_at(&mut [0; 512], 0).unwrap(), 512);
}

#[test]
fn no_flipped_byte_of_a_header_changes_the_disk_silently() {
    let vhd = dynamic();
    let good = vhd.file();
    let checked = (0..512).chain(512..1536).chain(good.len() - 512..good.len());
    for at in checked {
        let mut file = good.clone();
        file[at] ^= 0x20;
        match open(file) {
            Err(_) => {}
            Ok(disk) => {
                assert!(!disk.notes.is_empty(), "byte {at}: nothing is said");
                assert_eq!(testing::all(&disk.bytes).unwrap(), expected(), "byte {at}");
            }
        }
    }
}

#[test]
fn claimed_sizes_cost_no_memory() {
    // 2 TiB in blocks of 512 bytes need a table of 16 GiB, which the file does not have.
    let mut vhd = Vhd::new(3, 2 << 40, 512);
    vhd.entries = u32::MAX;
    let error = open(vhd.file()).unwrap_err();
    assert!(matches!(error, Error::Damaged(_) | Error::Unsupported(_)), "{error}");
    let vhd = Vhd::new(3, u64::MAX - 511, 1 << 21);
    assert!(open(vhd.file()).unwrap_err().to_string().contains("only"));
}

#[test]
fn signs_of_a_disk_in_use_are_told() {
    let mut file = vec![0; 512];
    let mut footer = testing::footer(2, 512, u64::MAX, [0; 16]);
    footer[11] = 3;
    footer[84] = 1;
    testing::seal(&mut footer, 64);
    file.extend_from_slice(&footer);
    let signs = open(file).unwrap().unfinished.join(" ");
    assert!(signs.contains("saved state") && signs.contains("temporary"), "{signs}");
}

proptest! {
    #[test]
    fn a_dynamic_disk_reads_as_it_was_written(
        writes in prop::collection::vec((0u64..40, 1usize..12, any::<u8>()), 0..12),
        offset in 0u64..20_000,
        length in 0usize..20_000,
    ) {
        let size = 37 * 512;
        let mut vhd = Vhd::new(3, size, BLOCK as u32);
        let mut disk = vec![0; size as usize];
        for (sector, count, byte) in writes {
            let from = (sector * 512).min(size) as usize;
            let to = (from + count * 512).min(size as usize);
            vhd.write(from as u64, &vec![byte; to - from]);
            disk[from..to].fill(byte);
        }
        let opened = open(vhd.file()).unwrap();
        let mut read = vec![0; length];
        let got = opened.bytes.read_full_at(&mut read, offset).unwrap();
        let from = (offset as usize).min(disk.len());
        let to = (from + length).min(disk.len());
        prop_assert_eq!(&read[..got], &disk[from..to]);
    }

    #[test]
    fn garbage_is_no_panic(
        flips in prop::collection::vec((0usize..10_000, any::<u8>()), 1..20),
        sealed in any::<bool>(),
    ) {
        let mut file = dynamic().file();
        for (at, byte) in flips {
            let at = at % file.len();
            file[at] = byte;
        }
        if sealed {
            let end = file.len() - 512;
            testing::seal(&mut file[end..], 64);
            testing::seal(&mut file[..512], 64);
            testing::seal(&mut file[512..1536], 36);
        }
        if let Ok(disk) = open(file) && disk.bytes.len() < 1 << 20 {
            let _ = testing::all(&disk.bytes);
        }
    }
}
