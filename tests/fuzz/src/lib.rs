//! What the fuzz targets share: disks of any size in an input of a few kilobytes, and checksums
//! that are made right again after the fuzzer has changed what they cover.
//!
//! An input is a byte of options, the size of the disk in sectors (4 bytes, little-endian), and
//! then pieces: the number of a sector (4 bytes) and its 512 bytes. All other sectors are zeros.
//! `src/seed.rs` makes inputs of real images.

mod disk;
mod seal;

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use bkverify::bytes::ReadAt;

pub use disk::read_disk;
pub use seal::{seal_gpt, seal_vhd, seal_vhdx};

/// Bytes in a sector of an input.
pub const SECTOR: usize = 512;

/// A read of this many bytes from one input is a finding: a small image must not keep its reader
/// busy for hours.
const MAX_READ: u64 = 4 << 30;

/// The bytes of an image of which most are zeros.
#[derive(Debug, Default)]
pub struct Sparse {
    size: u64,
    sectors: BTreeMap<u64, [u8; SECTOR]>,
    read: AtomicU64,
}

impl Sparse {
    /// Reads an input of the fuzzer. Returns its options as well.
    pub fn parse(input: &[u8]) -> Option<(u8, Self)> {
        let (&options, rest) = input.split_first()?;
        let (size, mut rest) = rest.split_first_chunk()?;
        let mut image =
            Self { size: u64::from(u32::from_le_bytes(*size)) * SECTOR as u64, ..Self::default() };
        while let Some((number, bytes)) = rest.split_first_chunk() {
            let sector;
            (sector, rest) = bytes.split_at(bytes.len().min(SECTOR));
            let mut whole = [0; SECTOR];
            whole[..sector.len()].copy_from_slice(sector);
            image.sectors.insert(u32::from_le_bytes(*number).into(), whole);
        }
        Some((options, image))
    }

    /// Makes an input of an image. Sectors that `is_kept` refuses become zeros.
    pub fn input(image: &[u8], options: u8, is_kept: impl Fn(u64, &[u8]) -> bool) -> Vec<u8> {
        let mut input = vec![options];
        let sectors = image.len().div_ceil(SECTOR);
        input.extend(u32::try_from(sectors).unwrap().to_le_bytes());
        for (number, sector) in (0_u32..).zip(image.chunks(SECTOR)) {
            if sector.iter().any(|&byte| byte != 0) && is_kept(number.into(), sector) {
                input.extend(number.to_le_bytes());
                input.extend(sector);
                input.extend(std::iter::repeat_n(0, SECTOR - sector.len()));
            }
        }
        input
    }

    /// The bytes from `at` on, as many as there are up to `length`.
    pub fn get(&self, at: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let got = self.read_full_at(&mut bytes, at).unwrap();
        bytes.truncate(got);
        bytes
    }

    /// Replaces bytes, if they are on the disk.
    pub fn set(&mut self, at: u64, bytes: &[u8]) {
        for (at, &byte) in (at..).zip(bytes).filter(|(at, _)| *at < self.size) {
            let place = usize::try_from(at % SECTOR as u64).unwrap();
            self.sectors.entry(at / SECTOR as u64).or_insert([0; SECTOR])[place] = byte;
        }
    }
}

impl ReadAt for Sparse {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let read = self.read.fetch_add(wanted as u64, Ordering::Relaxed);
        assert!(read < MAX_READ, "a small image keeps its reader busy");
        let buffer = &mut buffer[..wanted];
        buffer.fill(0);
        let first = offset / SECTOR as u64;
        let last = (offset + wanted as u64).div_ceil(SECTOR as u64);
        for (number, sector) in self.sectors.range(first..last) {
            let at = number * SECTOR as u64;
            let (to, from) = (at.saturating_sub(offset) as usize, offset.saturating_sub(at) as usize);
            let length = (SECTOR - from).min(wanted - to);
            buffer[to..to + length].copy_from_slice(&sector[from..from + length]);
        }
        Ok(wanted)
    }

    fn len(&self) -> u64 {
        self.size
    }
}
