//! Checks what frames the entries: the records at the end of the archive, and the bytes before and
//! after it.
//!
//! Programs use different ones of these numbers. `unzip` restores nothing if the directory is not
//! where the end record says; others search for it. So every number that contradicts the archive is
//! damage.
//!
//! Bytes after the end record are damage, except for zeros that fill up a tape record (bsdtar to a
//! pipe). Bytes before the first entry are damage, except for a program (a self-extracting archive)
//! and the mark of a split archive that was joined. Format: PKWARE APPNOTE.TXT 6.3.10, sections
//! 4.3.14 to 4.3.16 and 8.5.

use rawzip::ZipArchive;

use crate::bytes::{ReadAt, is_all_zero};

use super::Bytes;

const END: usize = 22;
const LOCATOR: usize = 20;
const END64: usize = 56;

/// The length of the zip64 end record in its second version, without the fields of variable length.
const END64_SECOND: usize = END64 + 28;

/// The bytes of the zip64 end record that its own size field does not count.
const END64_UNCOUNTED: u64 = 12;

/// The offset of the local header's position within a central record.
const RECORD: usize = 46;
const RECORD_OFFSET: usize = 42;

/// Fewer zeros than this may follow an archive: bsdtar fills up the record of a tape.
const TAPE_RECORD: u64 = 10_240;
const TAPE_BLOCK: u64 = 512;

/// The first bytes of programs: for Windows, Linux, macOS (in both byte orders, and for several
/// processors), and of scripts.
const PROGRAMS: [&[u8]; 8] = [
    b"MZ",
    b"\x7fELF",
    b"#!",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
];

/// The first bytes of a split archive, and of one that could have been split but fitted into one
/// part (APPNOTE 8.5.4 and 8.5.5).
const SPLIT_MARKS: [&[u8]; 2] = [b"PK\x07\x08", b"PK00"];

/// What was found in the frame of an archive.
#[derive(Debug, Default)]
pub(super) struct Frame {
    /// If a damaged end record makes the reader assume too high offsets for all entries: the
    /// difference in bytes.
    pub(super) shift: u64,
    /// The damage in the frame.
    pub(super) damage: Vec<String>,
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

/// Reads `N` bytes from `offset` on.
fn read<const N: usize>(archive: &dyn ReadAt, offset: u64) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let got = archive.read_full_at(&mut bytes, offset).ok()?;
    (got == N).then_some(bytes)
}

/// The numbers of the end record, or of the zip64 records if they have them.
struct EndRecord {
    /// The numbers of this part and of the part with the directory.
    disks: [u32; 2],
    /// The number of entries in this part, and in all parts.
    counts: [u64; 2],
    size: u64,
    offset: u64,
    /// Where the end records begin and the directory ends.
    at: u64,
}

impl Frame {
    /// Checks the end of the archive.
    pub(super) fn look(archive: &ZipArchive<Bytes>) -> Self {
        let mut frame = Self::default();
        let (source, at) = (&*archive.get_ref().0, archive.eocd_offset());
        let Some(bytes) = read::<END>(source, at) else { return frame };
        let mut end = EndRecord {
            disks: [4, 6].map(|at| u32::from(u16_at(&bytes, at))),
            counts: [8, 10].map(|at| u64::from(u16_at(&bytes, at))),
            size: u64::from(u32_at(&bytes, 12)),
            offset: u64::from(u32_at(&bytes, 16)),
            at,
        };
        frame.read_zip64(source, &mut end);
        frame.compare_with_directory(source, &end, archive.directory_offset());
        frame.check_behind(source, archive.end_offset());
        frame
    }

    fn note(&mut self, problem: &str) {
        self.damage.push(format!("the archive's end record is damaged: {problem}"));
    }

    /// Uses the numbers of the zip64 records. A number that the end record has too must be the
    /// same.
    fn read_zip64(&mut self, source: &dyn ReadAt, end: &mut EndRecord) {
        let Some(locator) = end.at.checked_sub(LOCATOR as u64).and_then(|at| read::<LOCATOR>(source, at))
        else {
            return;
        };
        let locator_at = end.at - LOCATOR as u64;
        let before = locator_at.checked_sub(END64 as u64);
        let is_record = |bytes: &[u8; END64]| bytes.starts_with(b"PK\x06\x06");
        let record_before = before.and_then(|at| read::<END64>(source, at)).filter(is_record);
        if !locator.starts_with(b"PK\x06\x07") {
            if record_before.is_some() {
                self.note(
                    "the zip64 locator before it has lost its signature; some programs will not restore this",
                );
            }
            return;
        }
        let claimed = u64_at(&locator, 8);
        let found = read::<END64>(source, claimed).filter(is_record);
        if found.is_none() {
            self.note(&format!(
                "there is no zip64 end record at byte {claimed}, where the zip64 locator says it is; some programs will not restore this"
            ));
        }
        let (at, Some(record)) =
            (if found.is_some() { Some(claimed) } else { before }, found.or(record_before))
        else {
            return;
        };
        end.at = at.unwrap_or(end.at);
        if end.at.saturating_add(END64_UNCOUNTED).checked_add(u64_at(&record, 4)) != Some(locator_at) {
            self.note("the zip64 end record does not have the size that it states");
        }
        if u32_at(&locator, 4) != 0 || u32_at(&locator, 16) > 1 {
            self.note("the zip64 locator says that the archive has several parts");
        }
        let disks = [16, 20].map(|at| u32_at(&record, at));
        let counts = [24, 32].map(|at| u64_at(&record, at));
        let (size, offset) = (u64_at(&record, 40), u64_at(&record, 48));
        let agrees = |short: u64, long: u64, full: u64| short == full || short == long;
        let agree = (0..2).all(|part| {
            agrees(u64::from(end.disks[part]), u64::from(disks[part]), 0xffff)
                && agrees(end.counts[part], counts[part], 0xffff)
        }) && agrees(end.size, size, 0xffff_ffff)
            && agrees(end.offset, offset, 0xffff_ffff);
        if !agree {
            self.note(
                "its numbers are not those of the zip64 end record; some programs will not restore this",
            );
        }
        (end.disks, end.counts, end.size, end.offset) = (disks, counts, size, offset);
    }

    /// Compares the end record with the directory, which the reader has found at the byte `start`.
    fn compare_with_directory(&mut self, source: &dyn ReadAt, end: &EndRecord, start: u64) {
        if end.disks != [0, 0] {
            self.note("it says that the archive has several parts; some programs will not restore this");
        }
        if end.counts[0] != end.counts[1] {
            self.note(&format!(
                "it counts {} entries, and {} in this part; some programs will not restore all",
                end.counts[1], end.counts[0]
            ));
        }
        let size = end.at.saturating_sub(start);
        // A signature may follow the last record. Some programs count it in the size.
        let is_signed = || read::<4>(source, start.saturating_add(end.size)) == Some(*b"PK\x05\x05");
        if end.size != size && !is_signed() {
            self.note(&format!(
                "it says that the directory has {} bytes, but it has {size}; some programs will not restore this",
                end.size
            ));
        }
        if end.offset == start {
            return;
        }
        // If a program was put before the archive, all offsets count from the beginning of the
        // archive itself.
        let base = start.saturating_sub(end.offset);
        let is_local = |at: u64| read::<4>(source, at).is_some_and(|bytes| bytes == *b"PK\x03\x04");
        let first = read::<RECORD>(source, start).map(|record| u64::from(u32_at(&record, RECORD_OFFSET)));
        let is_shifted = first.is_some_and(|first| !is_local(first.saturating_add(base)) && is_local(first));
        if base == 0 || is_shifted {
            self.shift = base;
            self.note(&format!(
                "it says that the directory begins at byte {}, but it begins at {start}; some programs will not restore \
                 anything",
                end.offset
            ));
        }
    }

    fn check_behind(&mut self, source: &dyn ReadAt, end: u64) {
        let length = source.len();
        let behind = length.saturating_sub(end);
        if behind == 0
            || (behind < TAPE_RECORD && length.is_multiple_of(TAPE_BLOCK) && is_all_zero(source, end))
        {
            return;
        }
        self.damage.push(format!(
            "{behind} bytes follow the end of the archive at byte {end}: they may be another archive, or the file was \
             overwritten; some programs will not restore this"
        ));
    }
}

/// The damage in the bytes before `first`, where the first entry begins.
pub(super) fn wrong_beginning(source: &dyn ReadAt, first: u64) -> Option<String> {
    let mut bytes = [0; 4];
    let got = source.read_full_at(&mut bytes, 0).unwrap_or_default();
    let begins = |marks: &[&[u8]]| marks.iter().any(|mark| bytes[..got].starts_with(mark));
    let is_right = match first {
        // If the first entry is damaged, a restore reports that. An archive that has only a
        // directory has no entry to restore.
        0 => begins(&[b"PK"]),
        4 => begins(&SPLIT_MARKS),
        _ => begins(&PROGRAMS),
    };
    if is_right {
        return None;
    }
    Some(if first == 0 {
        "the archive does not begin with an entry: its first bytes are damaged; some programs will not recognise it"
            .to_owned()
    } else {
        format!(
            "the {first} bytes before the archive's first entry are not a program: they may be another archive, or \
             entries that are missing in the directory; some programs will not restore this"
        )
    })
}

/// Whether the directory is encrypted or compressed, according to the second version of the zip64
/// end record (APPNOTE 7.3.4).
pub(super) fn directory_is_hidden(archive: &ZipArchive<Bytes>) -> bool {
    let source = &*archive.get_ref().0;
    let locator =
        archive.eocd_offset().checked_sub(LOCATOR as u64).and_then(|at| read::<LOCATOR>(source, at));
    let Some(locator) = locator.filter(|locator| locator.starts_with(b"PK\x06\x07")) else { return false };
    let record = read::<END64_SECOND>(source, u64_at(&locator, 8));
    record.filter(|record| record.starts_with(b"PK\x06\x06")).is_some_and(|record| {
        let is_second = u64_at(&record, 4).saturating_add(END64_UNCOUNTED) >= END64_SECOND as u64;
        // The compression method and the encryption algorithm.
        is_second && (u16_at(&record, END64) != 0 || u16_at(&record, END64 + 18) != 0)
    })
}

/// Whether the bytes end with an end record, directly after a directory of the size that it states.
pub(super) fn ends_with_directory(source: &dyn ReadAt) -> bool {
    // The end record may be followed by the longest comment.
    let from = source.len().saturating_sub(u64::from(u16::MAX) + END as u64);
    let mut bytes = vec![0; END + usize::from(u16::MAX)];
    let Ok(got) = source.read_full_at(&mut bytes, from) else { return false };
    (0..=got.saturating_sub(END)).rev().filter(|&at| bytes[at..got].starts_with(b"PK\x05\x06")).any(|at| {
        let size = u64::from(u32_at(&bytes, at + 12));
        let directory = (from + at as u64).checked_sub(size);
        got == at + END + usize::from(u16_at(&bytes, at + 20))
            && directory.and_then(|at| read::<4>(source, at)).is_some_and(|mark| mark == *b"PK\x01\x02")
    })
}
