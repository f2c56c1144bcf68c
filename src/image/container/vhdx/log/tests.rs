//! Tests of logs that `testing` writes. The dirty logs of real programs are in `container::samples`.

#![expect(clippy::cast_possible_truncation, reason = "small numbers of tests")]

use super::*;
use crate::image::container::testing::{self, Flipped, LogEntry, VHDX_LOG, VHDX_TABLE, Vhdx, Write};
use crate::image::container::{self, Disk, NoParents};

const GUID: [u8; 16] = [8; 16];
const MIB: usize = testing::MIB;

/// A disk of two blocks. Both are stored, but its table in the file knows neither: the first three
/// sectors of the table are in `table`.
fn disk() -> (Vhdx, Vec<Vec<u8>>) {
    let mut vhdx = Vhdx::new(2 * MIB as u64, 512);
    vhdx.block(0, 1);
    vhdx.block(1, 2);
    let table = vhdx.table().chunks(4096).take(3).map(<[u8]>::to_vec).collect();
    vhdx.log_guid = GUID;
    (vhdx, table)
}

fn entry(sequence: u64, tail: usize, writes: Vec<Write>) -> LogEntry {
    LogEntry { sequence, tail, guid: GUID, flushed: 6 * MIB as u64, last: 6 * MIB as u64, writes }
}

fn file(vhdx: &Vhdx) -> Vec<u8> {
    let mut file = vhdx.file();
    file[VHDX_TABLE..VHDX_TABLE + 4096].fill(0);
    file
}

fn open(vhdx: &Vhdx) -> Result<Disk, Error> {
    container::open(Arc::new(file(vhdx)), &NoParents)
}

/// The first byte of each block.
fn blocks(disk: &Disk) -> [u8; 2] {
    [0, MIB as u64].map(|at| {
        let mut byte = [9];
        disk.bytes.read_full_at(&mut byte, at).unwrap();
        byte[0]
    })
}

fn table_with(table: &[u8], entries: [bool; 2]) -> Write {
    let mut sector = table.to_vec();
    for (index, is_there) in entries.into_iter().enumerate() {
        if !is_there {
            sector[8 * index..8 * index + 8].fill(0);
        }
    }
    Write::Data(VHDX_TABLE as u64, sector)
}

fn put(log: &mut Vec<u8>, at: usize, entry: &LogEntry) -> usize {
    let bytes = entry.bytes();
    log.resize(log.len().max(MIB), 0);
    for (index, byte) in bytes.iter().enumerate() {
        log[(at + index) % MIB] = *byte;
    }
    (at + bytes.len()) % MIB
}

#[test]
fn a_log_is_replayed_in_memory_and_said() {
    let (mut vhdx, table) = disk();
    let later = table_with(&table[0], [true, true]);
    let next = put(&mut vhdx.log, 0, &entry(4, 0, vec![table_with(&table[0], [true, false])]));
    put(&mut vhdx.log, next, &entry(5, 0, vec![later]));
    let disk = open(&vhdx).unwrap();
    assert_eq!(blocks(&disk), [1, 2]);
    assert!(disk.notes[0].contains("2 entries"), "{:?}", disk.notes);
    assert_eq!((disk.notes.len(), disk.unfinished.len()), (1, 1));
}

#[test]
fn entries_apply_in_order_and_zeros_are_ranges() {
    let (mut vhdx, table) = disk();
    let block = vhdx.block_at(1) as u64;
    let writes = vec![
        table_with(&table[0], [true, true]),
        Write::Zeros(block, 512 << 10),
        Write::Data(block + 4096, vec![0x77; 4096]),
    ];
    put(&mut vhdx.log, 0, &entry(1, 0, writes));
    let disk = open(&vhdx).unwrap();
    let mut second = vec![0; MIB];
    disk.bytes.read_full_at(&mut second, MIB as u64).unwrap();
    let mut expected = vec![0; MIB];
    expected[4096..8192].fill(0x77);
    expected[512 << 10..].fill(2);
    assert_eq!(second, expected);
}

#[test]
fn only_the_newest_complete_sequence_counts_and_only_from_its_tail() {
    let (mut vhdx, table) = disk();
    // Entry 3 was applied long ago; its data are out of date. Entry 9 is of an older round.
    let old = entry(3, 0, vec![Write::Zeros(vhdx.block_at(0) as u64, MIB as u64)]);
    let next = put(&mut vhdx.log, 0, &old);
    put(&mut vhdx.log, next, &entry(4, next, vec![table_with(&table[0], [true, true])]));
    put(&mut vhdx.log, 200 << 12, &entry(2, 200 << 12, vec![Write::Zeros(VHDX_TABLE as u64, 4096)]));
    assert_eq!(blocks(&open(&vhdx).unwrap()), [1, 2]);
}

#[test]
fn a_sequence_goes_around_the_end_of_the_ring() {
    let (mut vhdx, table) = disk();
    let start = MIB - 4096;
    let next = put(&mut vhdx.log, start, &entry(6, start, vec![table_with(&table[0], [false, true])]));
    assert_eq!(next, 4096);
    put(&mut vhdx.log, next, &entry(7, start, vec![table_with(&table[0], [true, true])]));
    let disk = open(&vhdx).unwrap();
    assert_eq!(blocks(&disk), [1, 2]);
    assert!(disk.notes[0].contains("2 entries"), "{:?}", disk.notes);
}

#[test]
fn many_descriptors_fill_several_sectors() {
    let (mut vhdx, table) = disk();
    let mut writes = vec![Write::Zeros(VHDX_TABLE as u64, 4096); 126 + 128];
    writes.push(table_with(&table[0], [true, true]));
    put(&mut vhdx.log, 0, &entry(1, 0, writes));
    assert_eq!(blocks(&open(&vhdx).unwrap()), [1, 2]);
}

#[test]
fn a_torn_entry_ends_the_sequence_and_is_mentioned() {
    let (mut vhdx, table) = disk();
    let next = put(&mut vhdx.log, 0, &entry(4, 0, vec![table_with(&table[0], [true, false])]));
    put(&mut vhdx.log, next, &entry(5, 0, vec![table_with(&table[0], [true, true])]));
    vhdx.log[next + 4096 + 100] ^= 1;
    let disk = open(&vhdx).unwrap();
    assert_eq!(blocks(&disk), [1, 0]);
    assert!(disk.notes[1].contains("remains"), "{:?}", disk.notes);
}

#[test]
fn a_gap_in_the_numbers_ends_the_sequence() {
    let (mut vhdx, table) = disk();
    let next = put(&mut vhdx.log, 0, &entry(4, 0, vec![table_with(&table[0], [true, false])]));
    put(&mut vhdx.log, next, &entry(6, 0, vec![table_with(&table[0], [true, true])]));
    let disk = open(&vhdx).unwrap();
    assert_eq!(blocks(&disk), [1, 0]);
    assert!(disk.notes[1].contains("remains"), "{:?}", disk.notes);
}

#[test]
fn entries_that_are_not_of_this_log_are_no_entries() {
    let (vhdx, table) = disk();
    let good = entry(4, 0, vec![table_with(&table[0], [true, true])]);
    let refused = |entry: &LogEntry, change: &dyn Fn(&mut Vec<u8>)| {
        let mut vhdx = vhdx.clone();
        let mut bytes = entry.bytes();
        change(&mut bytes);
        bytes.resize(MIB, 0);
        vhdx.log = bytes;
        open(&vhdx).unwrap_err().to_string()
    };
    let seal = |bytes: &mut Vec<u8>| testing::seal_crc(&mut bytes[..8192]);
    let missing = "no complete sequence";
    assert!(refused(&LogEntry { guid: [1; 16], ..good.clone() }, &|_| {}).contains(missing));
    assert!(refused(&LogEntry { sequence: 0, ..good.clone() }, &|_| {}).contains(missing));
    assert!(refused(&LogEntry { tail: 4096, ..good.clone() }, &|_| {}).contains(missing));
    assert!(refused(&LogEntry { tail: 100, ..good.clone() }, &|_| {}).contains(missing));
    assert!(refused(&LogEntry { tail: 1 << 30, ..good.clone() }, &|_| {}).contains(missing));
    for (at, byte) in
        [(8, 1), (10, 0xff), (24, 200), (64, 0), (80, 1), (88, 9), (4096, 0), (4100, 1), (8188, 1)]
    {
        let why = refused(&good, &|bytes| {
            bytes[at] = byte;
            seal(bytes);
        });
        assert!(why.contains(missing), "byte {at}: {why}");
    }
    assert!(refused(&good, &|bytes| bytes.fill(0)).contains(missing));
}

#[test]
fn a_file_that_is_shorter_than_what_was_flushed_was_cut_short() {
    let (mut vhdx, table) = disk();
    let mut entry = entry(1, 0, vec![table_with(&table[0], [true, true])]);
    entry.flushed += 1;
    put(&mut vhdx.log, 0, &entry);
    assert!(open(&vhdx).unwrap_err().to_string().contains("cut short"));
}

#[test]
fn the_file_is_extended_by_zeros_but_not_without_bounds() {
    let (mut vhdx, table) = disk();
    let mut grown = table[0].clone();
    grown[..8].copy_from_slice(&((9 * MIB as u64) | 6).to_le_bytes());
    let mut entry = entry(1, 0, vec![Write::Data(VHDX_TABLE as u64, grown)]);
    entry.last = 10 * MIB as u64;
    put(&mut vhdx.log, 0, &entry);
    assert_eq!(blocks(&open(&vhdx).unwrap()), [0, 2]);
    entry.last -= 1;
    put(&mut vhdx.log, 0, &entry);
    let disk = open(&vhdx).unwrap();
    assert!(disk.bytes.read_at(&mut vec![0; MIB], 0).unwrap_err().to_string().contains("block 0"));
    for (last, end) in [(u64::MAX, 0), (0, u64::MAX - 4095)] {
        entry.last = last;
        entry.writes = vec![Write::Zeros(end & !4095, 0), Write::Zeros((end / 2) & !4095, 4096)];
        put(&mut vhdx.log, 0, &entry);
        assert!(open(&vhdx).unwrap_err().to_string().contains("more than any VHDX needs"));
    }
}

#[test]
fn no_flipped_byte_of_a_log_changes_the_disk_silently() {
    let (mut vhdx, table) = disk();
    let next = put(&mut vhdx.log, 0, &entry(4, 0, vec![table_with(&table[0], [true, false])]));
    let end = put(&mut vhdx.log, next, &entry(5, 0, vec![table_with(&table[0], [true, true])]));
    let good = Arc::new(file(&vhdx));
    for at in (0..100).chain(4090..4110).chain(8180..8300).chain((0..end).step_by(37)) {
        let flipped = Flipped { file: Arc::clone(&good), at: VHDX_LOG + at, change: 0x10 };
        let Ok(disk) = container::open(Arc::new(flipped), &NoParents) else { continue };
        let is_same = blocks(&disk) == [1, 2];
        // The signature and the id of the last entry are what tells remains from nothing.
        let is_anonymous = (next..next + 4).contains(&at) || (next + 32..next + 48).contains(&at);
        assert!(is_same || disk.notes.len() == 2 || is_anonymous, "byte {at}: nothing is said");
        assert!(!disk.unfinished.is_empty());
    }
}

#[test]
fn entries_that_claim_to_contain_each_other_cost_bounded_time() {
    let (mut vhdx, _) = disk();
    vhdx.log = vec![0; MIB];
    for at in (0..MIB).step_by(4096) {
        let mut bytes = entry(1, 0, Vec::new()).bytes();
        bytes[8..12].copy_from_slice(&(MIB as u32).to_le_bytes());
        vhdx.log[at..at + 4096].copy_from_slice(&bytes);
    }
    assert!(open(&vhdx).unwrap_err().to_string().contains("contain each other"));
}

#[test]
fn a_log_that_is_too_large_or_outside_the_file_is_refused() {
    for (length, at, why) in
        [(128u32 << 20, MIB as u64, "more than"), (32 << 20, MIB as u64, "beyond the end")]
    {
        let (vhdx, _) = disk();
        let mut file = file(&vhdx);
        for header in [64 << 10, 128 << 10] {
            let header = &mut file[header..header + 4096];
            header[68..72].copy_from_slice(&length.to_le_bytes());
            header[72..80].copy_from_slice(&at.to_le_bytes());
            testing::seal_crc(header);
        }
        let error = container::open(Arc::new(file), &NoParents).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}
