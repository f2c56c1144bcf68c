//! Writes small images for tests, from the specifications. Images of the same shapes by other hands,
//! with `qemu-img` and 7-Zip as judges, are in `samples`.

#![expect(clippy::cast_possible_truncation, reason = "small numbers of tests")]

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crate::bytes::ReadAt;

use crate::image::Guid;

/// All bytes of a disk.
pub(super) fn all(disk: &dyn ReadAt) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0xcd; disk.len() as usize];
    let got = disk.read_full_at(&mut bytes, 0)?;
    assert_eq!(got, bytes.len());
    Ok(bytes)
}

/// A file in which one byte is another one.
#[derive(Debug)]
pub(super) struct Flipped {
    pub(super) file: Arc<Vec<u8>>,
    pub(super) at: usize,
    pub(super) change: u8,
}

impl ReadAt for Flipped {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let got = self.file.read_at(buffer, offset)?;
        let index = self.at.wrapping_sub(offset as usize);
        if let Some(byte) = buffer[..got].get_mut(index) {
            *byte ^= self.change;
        }
        Ok(got)
    }

    fn len(&self) -> u64 {
        ReadAt::len(&*self.file)
    }
}

fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    bytes[at..at + field.len()].copy_from_slice(field);
}

/// Sets the checksum of a VHD structure.
pub(super) fn seal(bytes: &mut [u8], at: usize) {
    put(bytes, at, &[0; 4]);
    let sum = bytes.iter().fold(0u32, |sum, &byte| sum.wrapping_add(u32::from(byte)));
    put(bytes, at, &(!sum).to_be_bytes());
}

/// Sets the checksum of a VHDX structure.
pub(super) fn seal_crc(bytes: &mut [u8]) {
    put(bytes, 4, &[0; 4]);
    let sum = crc32c::crc32c(bytes);
    put(bytes, 4, &sum.to_le_bytes());
}

pub(super) fn footer(disk_type: u32, size: u64, header_at: u64, id: [u8; 16]) -> Vec<u8> {
    let mut bytes = vec![0; 512];
    put(&mut bytes, 0, b"conectix");
    put(&mut bytes, 8, &2u32.to_be_bytes());
    put(&mut bytes, 12, &0x1_0000u32.to_be_bytes());
    put(&mut bytes, 16, &header_at.to_be_bytes());
    put(&mut bytes, 28, b"test");
    put(&mut bytes, 40, &size.to_be_bytes());
    put(&mut bytes, 48, &size.to_be_bytes());
    put(&mut bytes, 60, &disk_type.to_be_bytes());
    put(&mut bytes, 68, &id);
    seal(&mut bytes, 64);
    bytes
}

pub(super) fn dynamic_header(table_at: u64, entries: u32, block_size: u32) -> Vec<u8> {
    let mut bytes = vec![0; 1024];
    put(&mut bytes, 0, b"cxsparse");
    put(&mut bytes, 8, &[0xff; 8]);
    put(&mut bytes, 16, &table_at.to_be_bytes());
    put(&mut bytes, 24, &0x1_0000u32.to_be_bytes());
    put(&mut bytes, 28, &entries.to_be_bytes());
    put(&mut bytes, 32, &block_size.to_be_bytes());
    seal(&mut bytes, 36);
    bytes
}

/// A dynamic (type 3) or differencing (type 4) VHD.
#[derive(Debug, Clone)]
pub(super) struct Vhd {
    disk_type: u32,
    size: u64,
    block: usize,
    pub(super) entries: u32,
    pub(super) id: [u8; 16],
    /// The id of the parent, and its name.
    pub(super) parent: Option<([u8; 16], String)>,
    /// In the order in which they were first written: number, bitmap, data.
    blocks: Vec<(u64, Vec<u8>, Vec<u8>)>,
}

const VHD_TABLE: usize = 1536;

impl Vhd {
    pub(super) fn new(disk_type: u32, size: u64, block: u32) -> Self {
        let entries = u32::try_from(size.div_ceil(u64::from(block))).unwrap_or(u32::MAX);
        Self {
            disk_type,
            size,
            block: block as usize,
            entries,
            id: [1; 16],
            parent: None,
            blocks: Vec::new(),
        }
    }

    /// Writes whole sectors.
    pub(super) fn write(&mut self, at: u64, bytes: &[u8]) {
        for (index, sector) in bytes.chunks(512).enumerate() {
            let at = at as usize + index * 512;
            let (number, within) = ((at / self.block) as u64, at % self.block);
            let place = self.blocks.iter().position(|(each, ..)| *each == number).unwrap_or_else(|| {
                let bitmap = vec![0; (self.block / 512).div_ceil(8).next_multiple_of(512)];
                self.blocks.push((number, bitmap, vec![0; self.block]));
                self.blocks.len() - 1
            });
            let (_, bitmap, data) = &mut self.blocks[place];
            bitmap[within / 512 / 8] |= 0x80 >> (within / 512 % 8);
            put(data, within, sector);
        }
    }

    fn stored_entries(&self) -> usize {
        (self.entries as usize).min(1024)
    }

    pub(super) fn entry_at(&self, block: u64) -> usize {
        VHD_TABLE + 4 * block as usize
    }

    /// Where the data of a block are in the file, behind their bitmap.
    pub(super) fn data_at(&self, block: u64) -> usize {
        let table_end = (VHD_TABLE + 4 * self.stored_entries()).next_multiple_of(512);
        let place = self.blocks.iter().position(|(each, ..)| *each == block).unwrap();
        let bitmap = self.blocks[place].1.len();
        table_end + place * (bitmap + self.block) + bitmap
    }

    pub(super) fn file(&self) -> Vec<u8> {
        let footer = footer(self.disk_type, self.size, 512, self.id);
        let mut header = dynamic_header(VHD_TABLE as u64, self.entries, self.block as u32);
        if let Some((id, name)) = &self.parent {
            put(&mut header, 40, id);
            let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_be_bytes).collect();
            put(&mut header, 64, &name);
            seal(&mut header, 36);
        }
        let mut file = [footer.clone(), header].concat();
        file.resize((VHD_TABLE + 4 * self.stored_entries()).next_multiple_of(512), 0xff);
        for (number, bitmap, data) in &self.blocks {
            let entry = (file.len() / 512) as u32;
            put(&mut file, self.entry_at(*number), &entry.to_be_bytes());
            file.extend_from_slice(bitmap);
            file.extend_from_slice(data);
        }
        file.extend_from_slice(&footer);
        file
    }
}

/// The parent locator of a VHDX.
pub(super) fn parent_locator(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = vec![0; 20 + 12 * pairs.len()];
    put(&mut bytes, 0, &Guid::parse("b04aefb7-d19e-4a81-b789-25b8e9445913").unwrap().0);
    put(&mut bytes, 18, &(pairs.len() as u16).to_le_bytes());
    for (index, (key, value)) in pairs.iter().enumerate() {
        for (number, text) in [key, value].into_iter().enumerate() {
            let text: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let (at, length) = (bytes.len() as u32, text.len() as u16);
            put(&mut bytes, 20 + 12 * index + 4 * number, &at.to_le_bytes());
            put(&mut bytes, 28 + 12 * index + 2 * number, &length.to_le_bytes());
            bytes.extend_from_slice(&text);
        }
    }
    bytes
}

/// The metadata region of a VHDX: one MiB.
pub(super) fn metadata_region(
    block: u32,
    flags: u32,
    size: u64,
    sector: u32,
    locator: Option<&[u8]>,
) -> Vec<u8> {
    let parameters = [block.to_le_bytes(), flags.to_le_bytes()].concat();
    let mut items: Vec<(&str, Vec<u8>)> = vec![
        ("caa16737-fa36-4d43-b3b6-33f0aa44e76b", parameters),
        ("2fa54224-cd1b-4876-b211-5dbed83bf4b8", size.to_le_bytes().to_vec()),
        ("beca12ab-b2e6-4523-93ef-c309e000c746", vec![6; 16]),
        ("8141bf1d-a96f-4709-ba47-f233a8faab5f", sector.to_le_bytes().to_vec()),
        ("cda348c7-445d-4471-9cc9-e9885251c556", 4096u32.to_le_bytes().to_vec()),
    ];
    items.extend(locator.map(|bytes| ("a8d35f2d-b30b-454d-abf7-d3d84834ab0c", bytes.to_vec())));
    let mut region = vec![0; MIB];
    put(&mut region, 0, b"metadata");
    put(&mut region, 10, &(items.len() as u16).to_le_bytes());
    let mut at = 64 << 10;
    for (index, (id, item)) in items.iter().enumerate() {
        let entry = 32 + 32 * index;
        put(&mut region, entry, &Guid::parse(id).unwrap().0);
        put(&mut region, entry + 16, &(at as u32).to_le_bytes());
        put(&mut region, entry + 20, &(item.len() as u32).to_le_bytes());
        put(&mut region, entry + 24, &4u32.to_le_bytes());
        put(&mut region, at, item);
        at += item.len();
    }
    region
}

pub(super) const MIB: usize = 1 << 20;
pub(super) const VHDX_LOG: usize = MIB;
pub(super) const VHDX_METADATA: usize = 2 * MIB;
pub(super) const VHDX_TABLE: usize = 3 * MIB;
const VHDX_BLOCKS: usize = 4 * MIB;

/// A VHDX with blocks of 1 MiB: header section, log, metadata, table, then the blocks.
#[derive(Debug, Clone)]
pub(super) struct Vhdx {
    pub(super) size: u64,
    pub(super) sector: u32,
    pub(super) flags: u32,
    pub(super) data_write: [u8; 16],
    pub(super) file_write: [u8; 16],
    pub(super) log_guid: [u8; 16],
    /// What is in the log, from its start.
    pub(super) log: Vec<u8>,
    pub(super) locator: Option<Vec<u8>>,
    /// State and data of each stored block.
    blocks: BTreeMap<u64, (u64, Vec<u8>)>,
    bitmap: Vec<u8>,
}

impl Vhdx {
    pub(super) fn new(size: u64, sector: u32) -> Self {
        Self {
            size,
            sector,
            flags: 0,
            data_write: [2; 16],
            file_write: [3; 16],
            log_guid: [0; 16],
            log: Vec::new(),
            locator: None,
            blocks: BTreeMap::new(),
            bitmap: vec![0; MIB],
        }
    }

    /// A child of the VHDX with this `DataWriteGuid`.
    pub(super) fn child_of(mut self, parent: [u8; 16], path: &str) -> Self {
        let linkage = format!("{{{}}}", Guid(parent));
        self.locator = Some(parent_locator(&[("parent_linkage", &linkage), ("relative_path", path)]));
        self.flags = 2;
        self
    }

    /// Stores a whole block.
    pub(super) fn block(&mut self, number: u64, byte: u8) {
        self.blocks.insert(number, (6, vec![byte; MIB]));
    }

    /// Stores some sectors of a block of a differencing disk.
    pub(super) fn sectors(&mut self, first: u64, count: u64, byte: u8) {
        let sector = self.sector as usize;
        for number in first as usize..(first + count) as usize {
            self.bitmap[number / 8] |= 1 << (number % 8);
            let at = number * sector;
            let (_, data) = self.blocks.entry((at / MIB) as u64).or_insert((7, vec![0; MIB]));
            data[at % MIB..at % MIB + sector].fill(byte);
        }
    }

    /// Sets the state of a block that is not stored.
    pub(super) fn state(&mut self, number: u64, state: u64) {
        self.blocks.insert(number, (state, Vec::new()));
    }

    /// Where a stored block is.
    pub(super) fn block_at(&self, number: u64) -> usize {
        let before = self.blocks.range(..number).filter(|(_, (_, data))| !data.is_empty()).count();
        VHDX_BLOCKS + MIB * (usize::from(self.locator.is_some()) + before)
    }

    pub(super) fn table(&self) -> Vec<u8> {
        let mut table = vec![0; MIB];
        let ratio = (1u64 << 23) * u64::from(self.sector) / MIB as u64;
        for (&number, (state, data)) in &self.blocks {
            let at = if data.is_empty() { 0 } else { self.block_at(number) as u64 };
            put(&mut table, 8 * (number + number / ratio) as usize, &(at | state).to_le_bytes());
        }
        if self.locator.is_some() {
            put(&mut table, 8 * ratio as usize, &(VHDX_BLOCKS as u64 | 6).to_le_bytes());
        }
        table
    }

    pub(super) fn file(&self) -> Vec<u8> {
        let mut file = vec![0; VHDX_BLOCKS];
        put(&mut file, 0, b"vhdxfile");
        for (index, at) in [64 << 10, 128 << 10].into_iter().enumerate() {
            let mut header = vec![0; 4096];
            put(&mut header, 0, b"head");
            put(&mut header, 8, &(7 + index as u64).to_le_bytes());
            put(&mut header, 16, &self.file_write);
            put(&mut header, 32, &self.data_write);
            put(&mut header, 48, &self.log_guid);
            put(&mut header, 66, &1u16.to_le_bytes());
            put(&mut header, 68, &(MIB as u32).to_le_bytes());
            put(&mut header, 72, &(VHDX_LOG as u64).to_le_bytes());
            seal_crc(&mut header);
            put(&mut file, at, &header);
        }
        let mut regions = vec![0; 64 << 10];
        put(&mut regions, 0, b"regi");
        put(&mut regions, 8, &2u32.to_le_bytes());
        let known = [
            ("2dc27766-f623-4200-9d64-115e9bfd4a08", VHDX_TABLE),
            ("8b7ca206-4790-4b9a-b8fe-575f050f886e", VHDX_METADATA),
        ];
        for (index, (id, at)) in known.into_iter().enumerate() {
            let entry = 16 + 32 * index;
            put(&mut regions, entry, &Guid::parse(id).unwrap().0);
            put(&mut regions, entry + 16, &(at as u64).to_le_bytes());
            put(&mut regions, entry + 24, &(MIB as u32).to_le_bytes());
            put(&mut regions, entry + 28, &1u32.to_le_bytes());
        }
        seal_crc(&mut regions);
        put(&mut file, 192 << 10, &regions);
        put(&mut file, 256 << 10, &regions);
        put(&mut file, VHDX_LOG, &self.log);
        let locator = self.locator.as_deref();
        put(
            &mut file,
            VHDX_METADATA,
            &metadata_region(MIB as u32, self.flags, self.size, self.sector, locator),
        );
        put(&mut file, VHDX_TABLE, &self.table());
        if self.locator.is_some() {
            file.extend_from_slice(&self.bitmap);
        }
        for (_, data) in self.blocks.values() {
            file.extend_from_slice(data);
        }
        file
    }
}

/// What an entry of a log changes.
#[derive(Debug, Clone)]
pub(super) enum Write {
    Zeros(u64, u64),
    Data(u64, Vec<u8>),
}

/// An entry of a log.
#[derive(Debug, Clone)]
pub(super) struct LogEntry {
    pub(super) sequence: u64,
    pub(super) tail: usize,
    pub(super) guid: [u8; 16],
    pub(super) flushed: u64,
    pub(super) last: u64,
    pub(super) writes: Vec<Write>,
}

impl LogEntry {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; (64 + 32 * self.writes.len()).next_multiple_of(4096)];
        put(&mut bytes, 0, b"loge");
        put(&mut bytes, 12, &(self.tail as u32).to_le_bytes());
        put(&mut bytes, 16, &self.sequence.to_le_bytes());
        put(&mut bytes, 24, &(self.writes.len() as u32).to_le_bytes());
        put(&mut bytes, 32, &self.guid);
        put(&mut bytes, 48, &self.flushed.to_le_bytes());
        put(&mut bytes, 56, &self.last.to_le_bytes());
        for (index, write) in self.writes.iter().enumerate() {
            let at = 64 + 32 * index;
            put(&mut bytes, at + 24, &self.sequence.to_le_bytes());
            match write {
                Write::Zeros(to, length) => {
                    put(&mut bytes, at, b"zero");
                    put(&mut bytes, at + 8, &length.to_le_bytes());
                    put(&mut bytes, at + 16, &to.to_le_bytes());
                }
                Write::Data(to, data) => {
                    put(&mut bytes, at, b"desc");
                    put(&mut bytes, at + 4, &data[4092..]);
                    put(&mut bytes, at + 8, &data[..8]);
                    put(&mut bytes, at + 16, &to.to_le_bytes());
                    let mut sector = data.clone();
                    put(&mut sector, 0, b"data");
                    put(&mut sector, 4, &self.sequence.to_le_bytes()[4..]);
                    put(&mut sector, 4092, &self.sequence.to_le_bytes()[..4]);
                    bytes.extend_from_slice(&sector);
                }
            }
        }
        let length = bytes.len() as u32;
        put(&mut bytes, 8, &length.to_le_bytes());
        seal_crc(&mut bytes);
        bytes
    }
}
