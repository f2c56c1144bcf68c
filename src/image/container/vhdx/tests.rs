//! Tests of whole VHDX files, written by `testing`.

use super::*;
use crate::image::container::testing::{self, Flipped, Vhdx};
use crate::image::container::{self, Disk, NoParents};
use proptest::prelude::*;

const BLOCK: usize = testing::MIB;

fn open(file: Vec<u8>) -> Result<Disk, Error> {
    container::open(Arc::new(file), &NoParents)
}

fn refused(file: Vec<u8>) -> String {
    open(file).unwrap_err().to_string()
}

/// Blocks 0 and 2 of four, of which the last is cut.
fn dynamic() -> Vhdx {
    let mut vhdx = Vhdx::new(3 * BLOCK as u64 + 4096, 512);
    vhdx.block(0, 1);
    vhdx.block(2, 2);
    vhdx
}

fn expected() -> Vec<u8> {
    let mut disk = vec![0; 3 * BLOCK + 4096];
    disk[..BLOCK].fill(1);
    disk[2 * BLOCK..3 * BLOCK].fill(2);
    disk
}

fn entry_at(block: usize) -> usize {
    testing::VHDX_TABLE + 8 * block
}

fn set_entry(file: &mut [u8], block: usize, entry: u64) {
    file[entry_at(block)..entry_at(block) + 8].copy_from_slice(&entry.to_le_bytes());
}

#[test]
fn a_dynamic_disk_is_its_blocks_and_zeros() {
    let disk = open(dynamic().file()).unwrap();
    assert_eq!(disk.damage, [""; 0]);
    assert_eq!(testing::all(&disk.bytes).unwrap(), expected());
    assert_eq!((disk.kind, disk.sector_size, disk.id), (Kind::VhdxDynamic, Some(512), Some([2; 16])));
    assert!(disk.notes.is_empty() && disk.unfinished.is_empty());
}

#[test]
fn a_fixed_disk_and_sectors_of_4096_bytes_are_known() {
    let mut vhdx = Vhdx::new(BLOCK as u64, 4096);
    vhdx.flags = 1;
    vhdx.block(0, 7);
    let disk = open(vhdx.file()).unwrap();
    assert_eq!((disk.kind, disk.sector_size), (Kind::VhdxFixed, Some(4096)));
    assert_eq!(testing::all(&disk.bytes).unwrap(), vec![7; BLOCK]);
}

#[test]
fn blocks_that_are_not_stored_are_zeros_in_every_state() {
    for state in 0..=3 {
        let mut vhdx = dynamic();
        vhdx.state(1, state);
        assert_eq!(testing::all(&open(vhdx.file()).unwrap().bytes).unwrap(), expected(), "state {state}");
    }
}

#[test]
fn an_entry_that_contradicts_the_format_is_an_error_of_its_block() {
    let vhdx = dynamic();
    let (good, second) = (vhdx.file(), vhdx.block_at(2) as u64);
    for (entry, why) in [
        (4, "reserved"),
        (5, "reserved"),
        (second | 7, "no parent"),
        (6, "on top of"),
        (MIB | 6, "on top of"),
        ((2 * MIB) | 6, "on top of"),
        ((3 * MIB) | 6, "on top of"),
        (second | 6, "on top of"),
        ((6 * MIB) | 6, "beyond its end"),
        ((u64::MAX << 20) | 6, "beyond its end"),
        ((4 * MIB) | 8 | 6, "reserved bits"),
        ((4 * MIB) | (1 << 19) | 6, "reserved bits"),
    ] {
        let mut file = good.clone();
        set_entry(&mut file, 0, entry);
        let disk = open(file).unwrap();
        let error = disk.bytes.read_at(&mut [0; 512], 5).unwrap_err().to_string();
        assert!(error.contains("block 0") && error.contains(why), "entry {entry:#x}: {error}");
        // It is told without a read, too. Of two blocks in one place, either may be wrong.
        let why = if entry == second | 6 { "block 2" } else { why };
        assert!(
            disk.damage[0].contains("a damaged entry") && disk.damage[0].contains(why),
            "{:?}",
            disk.damage
        );
        let mut rest = [1; 4096];
        disk.bytes.read_full_at(&mut rest, 3 * BLOCK as u64).unwrap();
        assert_eq!(rest, [0; 4096], "other blocks can be read");
    }
}

#[test]
fn damaged_entries_are_counted_and_the_first_is_named() {
    let mut file = dynamic().file();
    for (block, entry) in [(1, 5), (3, 4), (2, (7 * MIB) | 6)] {
        set_entry(&mut file, block, entry);
    }
    let disk = open(file).unwrap();
    let [line] = &disk.damage[..] else { panic!("{:?}", disk.damage) };
    for words in [
        "3 damaged entries",
        "the first: block 1 of the VHDX (bytes 1048576 to 2097152 of the disk) is in state 5",
    ] {
        assert!(line.contains(words), "{line}");
    }
    assert_eq!(open(dynamic().file()).unwrap().damage, [""; 0]);
}

/// Chunks have 4096 blocks of 1 MiB here, so entry 4096 is that of the first bitmap.
#[test]
fn a_damaged_entry_of_a_bitmap_of_sectors_is_told() {
    let mut child = Vhdx::new(3 * BLOCK as u64, 512).child_of([2; 16], "parent.vhdx");
    child.sectors(5, 3, 9);
    let good = child.file();
    let open = |file: Vec<u8>| Layer::open(Arc::new(file)).unwrap().damage;
    assert_eq!(open(good.clone()), [""; 0]);
    for (entry, why) in [
        (0, "the bitmap of its sectors is missing"),
        ((4 * MIB) | 8 | 6, "reserved bits"),
        ((90 * MIB) | 6, "beyond its end"),
        ((2 * MIB) | 6, "on top of"),
    ] {
        let mut file = good.clone();
        set_entry(&mut file, 4096, entry);
        let damage = open(file);
        assert!(damage.len() == 1 && damage[0].contains(why), "entry {entry:#x}: {damage:?}");
    }
    // Without a block that needs it, only what the format does not know is damage.
    child = Vhdx::new(3 * BLOCK as u64, 512).child_of([2; 16], "parent.vhdx");
    for (entry, is_damage) in [(0, false), ((4 * MIB) | 6, false), (3, true)] {
        let mut file = child.file();
        set_entry(&mut file, 4096, entry);
        assert_eq!(!open(file).is_empty(), is_damage, "entry {entry:#x}");
    }
}

#[test]
fn entries_of_sector_bitmaps_are_not_looked_at_without_a_parent() {
    // Chunks have 4096 blocks of 1 MiB here, so the first such entry is number 4096.
    let mut vhdx = Vhdx::new(4097 * BLOCK as u64, 512);
    vhdx.block(4096, 9);
    let mut file = vhdx.file();
    set_entry(&mut file, 4096, u64::MAX);
    let disk = open(file).unwrap();
    assert_eq!(disk.damage, [""; 0]);
    let mut read = [0; 100];
    disk.bytes.read_full_at(&mut read, 4096 * BLOCK as u64).unwrap();
    assert_eq!(read, [9; 100]);
}

#[test]
fn a_file_that_was_cut_short_fails_where_its_blocks_are_gone() {
    let mut file = dynamic().file();
    file.truncate(file.len() - BLOCK / 2);
    let disk = open(file).unwrap();
    assert!(disk.damage[0].contains("block 2"), "{:?}", disk.damage);
    let mut half = vec![0; BLOCK / 2];
    assert_eq!(disk.bytes.read_full_at(&mut half, 2 * BLOCK as u64).unwrap(), BLOCK / 2);
    let error = disk.bytes.read_at(&mut half, 2 * BLOCK as u64 + 512).unwrap_err().to_string();
    assert!(error.contains("block 2"), "{error}");
    let cut = |length: usize| refused(dynamic().file()[..length].to_vec());
    for length in [BLOCK, 3 * BLOCK, 4 * BLOCK - 1] {
        assert!(cut(length).contains("cut short"), "{length}");
    }
    for length in [8, 4096, 64 << 10, 200 << 10] {
        assert!(cut(length).contains("too short"), "{length}");
    }
}

/// Metadata have no checksum. So a flipped size, or a flipped place of a size, can be another disk
/// that nothing in the file contradicts; only the other bytes of their table are flipped here.
#[test]
fn no_flipped_byte_of_a_header_changes_the_disk_silently() {
    let file = Arc::new(dynamic().file());
    let headers = [64 << 10, 128 << 10]
        .into_iter()
        .flat_map(|at| (at..at + 80).chain((at + 80..at + 4096).step_by(31)));
    let tables = [192 << 10, 256 << 10]
        .into_iter()
        .flat_map(|at| (at..at + 80).chain((at + 80..at + 65536).step_by(997)));
    let metadata = testing::VHDX_METADATA;
    let items = (0..32)
        .chain((1..6).flat_map(|item| (32 * item..32 * item + 16).chain(32 * item + 20..32 * item + 32)));
    let items = items.map(|at| metadata + at);
    for at in (0..8).chain(headers).chain(tables).chain(items) {
        let flipped = Flipped { file: Arc::clone(&file), at, change: 0x20 };
        let Ok(disk) = container::open(Arc::new(flipped), &NoParents) else { continue };
        let bytes = [0, 1, 2].map(|block| {
            let mut byte = [9; 2];
            disk.bytes.read_full_at(&mut byte, (block + 1) * MIB - 2).unwrap();
            byte
        });
        assert_eq!((disk.bytes.len(), bytes), (3 * MIB + 4096, [[1; 2], [0; 2], [2; 2]]), "byte {at}");
        assert!(!disk.notes.is_empty() || at >= metadata, "byte {at}: nothing is said");
    }
}

#[test]
fn claimed_sizes_cost_no_memory_and_little_time() {
    // 64 TiB need 512 MiB of table.
    assert!(refused(Vhdx::new(64 << 40, 512).file()).contains("only 1048576 bytes"));
    let most = 131_000 << 20;
    let disk = open(Vhdx::new(most, 512).file()).unwrap();
    assert_eq!(disk.bytes.read_at(&mut [0; 10], most - 5).unwrap(), 5);
    assert_eq!(disk.bytes.read_at(&mut [0; 10], most).unwrap(), 0);
    assert_eq!(disk.bytes.read_at(&mut [0; 10], u64::MAX).unwrap(), 0);
    assert_eq!(open(Vhdx::new(0, 512).file()).unwrap().bytes.len(), 0);
}

#[test]
fn regions_on_top_of_each_other_are_refused() {
    let mut file = dynamic().file();
    for at in [192 << 10, 256 << 10] {
        let table = &mut file[at..at + (64 << 10)];
        table[16 + 16..16 + 24].copy_from_slice(&(2 * MIB).to_le_bytes());
        testing::seal_crc(table);
    }
    assert!(refused(file).contains("on top of"));
}

proptest! {
    #[test]
    fn garbage_is_no_panic(
        flips in prop::collection::vec((0usize..6, 0usize..300, any::<u8>()), 1..12),
        sealed in any::<bool>(),
    ) {
        let places = [64 << 10, 128 << 10, 192 << 10, testing::VHDX_METADATA, (2 << 20) + (64 << 10), testing::VHDX_TABLE];
        let mut file = dynamic().file();
        for (place, at, byte) in flips {
            file[places[place] + at] = byte;
        }
        if sealed {
            testing::seal_crc(&mut file[64 << 10..(64 << 10) + 4096]);
            testing::seal_crc(&mut file[128 << 10..(128 << 10) + 4096]);
            testing::seal_crc(&mut file[192 << 10..256 << 10]);
            let (table, copy) = file.split_at_mut(256 << 10);
            copy[..64 << 10].copy_from_slice(&table[192 << 10..]);
        }
        if let Ok(disk) = open(file) && disk.bytes.len() < 1 << 24 {
            let _ = testing::all(&disk.bytes);
        }
    }
}
