//! Makes checksums right again. Without this, nearly every change that the fuzzer makes would end
//! at a checksum, and the code behind it would never see anything odd.

use bkverify::bytes::ReadAt;

use crate::Sparse;

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes) as usize)
}

/// Both copies of a GPT with sectors of this size: first the entries, then the header.
pub fn seal_gpt(disk: &mut Sparse, sector: u64) {
    let last = (disk.len() / sector).saturating_sub(1) * sector;
    for at in [sector, last] {
        let _ = seal_copy_of_gpt(disk, sector, at);
    }
}

fn seal_copy_of_gpt(disk: &mut Sparse, sector: u64, at: u64) -> Option<()> {
    let header = disk.get(at, sector as usize);
    let table = number(&header, 72)? as u64 * sector;
    let length =
        number(&header, 80)?.checked_mul(number(&header, 84)?).filter(|&length| length <= 1 << 20)?;
    let sum = |bytes: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        crc.sum().to_le_bytes()
    };
    let of_table = sum(&disk.get(table, length));
    disk.set(at + 88, &of_table);
    disk.set(at + 16, &[0; 4]);
    let size = number(&header, 12)?.min(sector as usize);
    let of_header = sum(&disk.get(at, size));
    disk.set(at + 16, &of_header);
    Some(())
}

/// The footer of a VHD, its copy, and the header of a dynamic one: the complement of the sum of all
/// bytes (Virtual Hard Disk Image Format Specification, "Checksum").
pub fn seal_vhd(file: &mut Sparse) {
    let footer = file.len().saturating_sub(512);
    let header = file.get(16, 8).first_chunk().map_or(512, |bytes| u64::from_be_bytes(*bytes));
    for (at, length, checksum) in [(0, 512, 64), (footer, 512, 64), (header, 1024, 36)] {
        let mut bytes = file.get(at, length);
        if bytes.len() == length {
            bytes[checksum..checksum + 4].fill(0);
            let sum: u32 = bytes.iter().map(|&byte| u32::from(byte)).sum();
            file.set(at + checksum as u64, &(!sum).to_be_bytes());
        }
    }
}

/// The headers, the region tables and the entries of the log of a VHDX (MS-VHDX 2.2.2, 2.2.3 and
/// 2.3.1.1).
pub fn seal_vhdx(file: &mut Sparse) {
    let log = file.get(64 << 10, 80);
    for (at, length) in
        [(64 << 10, 4 << 10), (128 << 10, 4 << 10), (192 << 10, 64 << 10), (256 << 10, 64 << 10)]
    {
        seal_crc32c(file, at, length);
    }
    let word = |at: usize| number(&log, at).unwrap_or_default() as u64;
    let (length, start) = (word(68).min(8 << 20), word(72) | word(76) << 32);
    for at in (0..length).step_by(4 << 10) {
        let entry = file.get(start.saturating_add(at), 12);
        if entry.starts_with(b"loge") {
            let length = number(&entry, 8).unwrap_or_default().min(1 << 20);
            seal_crc32c(file, start + at, length);
        }
    }
}

fn seal_crc32c(file: &mut Sparse, at: u64, length: usize) {
    file.set(at + 4, &[0; 4]);
    let sum = crc32c::crc32c(&file.get(at, length));
    file.set(at + 4, &sum.to_le_bytes());
}
