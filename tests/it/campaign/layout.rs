//! A strict reading of archives. It finds the positions of their structures, so that damage can be
//! aimed at them. It also finds violations of the format, which confirm damage that the format's
//! own program overlooks.
//!
//! In: bytes, intact or damaged. Out: a [`Layout`]. This module knows nothing about the program
//! under test and reads no content.

use std::ops::Range;

/// A structure: what it is, and its bytes.
pub type Part = (&'static str, Range<usize>);

/// The parts of an archive.
#[derive(Debug, Default)]
pub struct Layout {
    /// Its structures.
    pub parts: Vec<Part>,
    /// The violations of the format.
    pub faults: Vec<Fault>,
    /// GNU long names whose member has not come yet, with the beginning that the name field of its
    /// header must have.
    names: Vec<(Range<usize>, Vec<u8>)>,
}

/// A violation of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The checksum or the magic number of a header is wrong.
    Header,
    /// A record of a pax header does not have the form `length key=value`, or a number in it is not
    /// a number. Or a GNU long name contains zeros, or is not the name of the member that follows.
    Record,
    /// A tar has no end marker of two empty blocks.
    NoEnd,
    /// Something other than zeros follows the end.
    Behind,
    /// A tar ends in more zeros than the end marker and the rest of a record of ordinary size.
    LongTail,
    /// A zip's directory, its end record or the headers that it points to contradict each other.
    Directory,
}

const BLOCK: usize = 512;

/// The record size of an archive made without `-b`, in bytes.
const RECORD: usize = 10_240;

/// A tar archive (POSIX ustar and pax, GNU): headers, the data of headers that extend others, and
/// the end.
pub fn tar(bytes: &[u8]) -> Layout {
    let mut found = Layout::default();
    let mut at = 0;
    while let Some(header) = bytes.get(at..at + BLOCK).filter(|block| block.iter().any(|&byte| byte != 0)) {
        if !has_sum(header) {
            found.faults.push(Fault::Header);
            return found;
        }
        at = found.member(bytes, at, header);
    }
    let end = at.min(bytes.len());
    let zeros = bytes[end..].iter().take_while(|&&byte| byte == 0).count();
    found.parts.push(("end marker", end..(end + 2 * BLOCK).min(bytes.len())));
    if end + 2 * BLOCK < bytes.len() {
        found.parts.push(("padding of the end", end + 2 * BLOCK..bytes.len()));
    }
    let padded = (end + 2 * BLOCK).next_multiple_of(RECORD);
    let has_room = bytes.len() == end + 2 * BLOCK || bytes.len() == padded;
    let wrong = [
        (Fault::NoEnd, zeros < 2 * BLOCK),
        (Fault::Behind, end + zeros < bytes.len()),
        (Fault::LongTail, zeros > 2 * BLOCK && !has_room),
    ];
    found.faults.extend(wrong.iter().filter(|(_, is_so)| *is_so).map(|(fault, _)| *fault));
    found
}

impl Layout {
    /// Records the member whose header is at `at`, and returns the position of the next header.
    fn member(&mut self, bytes: &[u8], at: usize, header: &[u8]) -> usize {
        let kind = header[156];
        let what = match kind {
            b'L' | b'K' | b'x' | b'g' => "extension's header",
            b'S' => "sparse header",
            b'1' | b'2' => "link's header",
            b'5' => "folder's header",
            _ => "file's header",
        };
        self.parts.push((what, at..at + BLOCK));
        let mut next = at + BLOCK;
        // The map of an old GNU sparse file continues in further blocks, as long as each block says
        // so.
        let mut goes_on = kind == b'S' && header[482] == 1;
        while goes_on && next + BLOCK <= bytes.len() {
            goes_on = bytes[next + 504] == 1;
            self.parts.push(("sparse map", next..next + BLOCK));
            next += BLOCK;
        }
        let size = if matches!(kind, b'1' | b'2' | b'5') { 0 } else { octal(&header[124..136]) };
        if what == "extension's header" {
            let range = next..(next + size).min(bytes.len());
            let data = &bytes[range.clone()];
            let is_sound = match kind {
                b'x' | b'g' => has_form(data),
                // Only the last byte is a zero.
                _ => !data[..data.len().saturating_sub(1)].contains(&0),
            };
            self.faults.extend((!is_sound).then_some(Fault::Record));
            match kind {
                b'L' => self.names.push((0..100, data.to_vec())),
                b'K' => self.names.push((157..257, data.to_vec())),
                _ => {}
            }
            self.parts.push(("extension", range));
        } else {
            let text = |field: &Range<usize>| {
                header[field.clone()].split(|&byte| byte == 0).next().unwrap_or_default()
            };
            let is_other = self.names.drain(..).any(|(field, name)| !name.starts_with(text(&field)));
            self.faults.extend(is_other.then_some(Fault::Record));
        }
        next + size.next_multiple_of(BLOCK)
    }
}

fn octal(field: &[u8]) -> usize {
    let digits = field.iter().filter(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 8 + usize::from(digit - b'0'))
}

fn has_sum(header: &[u8]) -> bool {
    let spaces = 8 * usize::from(b' ');
    let sum = header.iter().map(|&byte| usize::from(byte)).sum::<usize>() + spaces;
    sum - header[148..156].iter().map(|&byte| usize::from(byte)).sum::<usize>() == octal(&header[148..156])
}

/// Whether pax records have the right form, and those for numbers contain a number.
fn has_form(mut records: &[u8]) -> bool {
    while !records.is_empty() {
        let Some(space) = records.iter().position(|&byte| byte == b' ') else { return false };
        let length = std::str::from_utf8(&records[..space]).ok().and_then(|text| text.parse::<usize>().ok());
        let Some(record) = length.and_then(|length| records.get(space + 1..length)) else { return false };
        let Some((b'\n', record)) = record.split_last() else { return false };
        let Some(equals) = record.iter().position(|&byte| byte == b'=') else { return false };
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        let is_number = matches!(key, b"mtime" | b"atime" | b"ctime" | b"size" | b"uid" | b"gid");
        if is_number && !value.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-')) {
            return false;
        }
        records = &records[space + 1 + record.len() + 1..];
    }
    true
}

/// A zip archive (PKWARE APPNOTE): every kind of record, found from the end. There must be no
/// comment after the end record.
pub fn zip(bytes: &[u8]) -> Layout {
    let mut found = Layout::default();
    if found.read_zip(bytes).is_none() {
        found.faults.push(Fault::Directory);
    }
    found
}

impl Layout {
    /// `None` if it cannot go on.
    fn read_zip(&mut self, bytes: &[u8]) -> Option<()> {
        let end = bytes.len().checked_sub(22).filter(|&end| bytes[end..].starts_with(b"PK\x05\x06"))?;
        self.parts.push(("end record", end..bytes.len()));
        let directory = long(bytes, end + 16)?;
        let (mut locals, mut agree) = (Vec::new(), true);
        let mut at = directory;
        while bytes.get(at..)?.starts_with(b"PK\x01\x02") {
            let name = at + 46 + short(bytes, at + 28)?;
            let extra = name + short(bytes, at + 30)?;
            self.parts.push(("directory record", at..at + 46));
            self.parts.push(("directory name", at + 46..name));
            self.parts.push(("directory extra", name..extra));
            // The directory is complete, and so is the archive.
            agree &= has_fields(bytes.get(name..extra)?) && short(bytes, at + 34)? == 0;
            locals.push((long(bytes, at + 42)?, at));
            at = extra + short(bytes, at + 32)?;
        }
        // Only the end records of zip64 may be in between.
        agree &= at == end || bytes[at..].starts_with(b"PK\x06\x06") && end - at == 56 + 20;
        self.parts.push(("zip64 end record", at..end));
        agree &= [4, 6, 20].map(|field| short(bytes, end + field)) == [Some(0); 3];
        agree &= [8, 10].map(|field| short(bytes, end + field)) == [Some(locals.len()); 2];
        agree &= long(bytes, end + 12)? == at - directory;
        locals.sort_unstable();
        agree &= locals.first().is_none_or(|&(start, _)| start == 0);
        let nexts = locals.iter().skip(1).map(|&(start, _)| start).chain([directory]).collect::<Vec<_>>();
        for (&(start, record), next) in locals.iter().zip(nexts) {
            agree &= self.read_local(bytes, start, record, next)?;
        }
        self.parts.retain(|(_, range)| !range.is_empty());
        agree.then_some(())
    }

    /// Reads the local header at `start`. Returns whether it agrees with the `record` in the
    /// directory.
    fn read_local(&mut self, bytes: &[u8], start: usize, record: usize, next: usize) -> Option<bool> {
        let name = start + 30 + short(bytes, start + 26)?;
        let data = name + short(bytes, start + 28)?;
        self.parts.push(("local header", start..start + 30));
        self.parts.push(("local name", start + 30..name));
        self.parts.push(("local extra", name..data));
        let descriptor = data + long(bytes, record + 20)?;
        self.parts.push(("data descriptor", descriptor..next));
        // CRC-32, then the sizes, which have 64 bits in a descriptor of 24 bytes.
        let sums = [16, 20, 24].map(|field| long(bytes, record + field));
        let at = |places: [usize; 3]| places.map(|place| long(bytes, place));
        let local = at([14, 18, 22].map(|field| start + field));
        let fits = local.iter().zip(sums).all(|(&said, sum)| said == Some(0) || said == sum);
        let is_streamed = short(bytes, start + 6)? & 8 != 0;
        let has_sums = match next.checked_sub(descriptor)? {
            0 => !is_streamed && local == sums,
            16 => at([4, 8, 12].map(|field| descriptor + field)) == sums,
            24 => at([4, 8, 16].map(|field| descriptor + field)) == sums,
            _ => false,
        };
        let is_signed = descriptor == next || bytes[descriptor..].starts_with(b"PK\x07\x08");
        Some(
            has_sums
                && is_signed
                && (!is_streamed || fits)
                && bytes[start..].starts_with(b"PK\x03\x04")
                && has_fields(bytes.get(name..data)?)
                // Version, flags, method, time, date; the name.
                && bytes.get(start + 4..start + 14) == bytes.get(record + 6..record + 16)
                && bytes.get(start + 30..name) == bytes.get(record + 46..record + 46 + short(bytes, record + 28)?),
        )
    }
}

/// Whether extra fields fill their space exactly: each begins with its kind and its length.
fn has_fields(mut extra: &[u8]) -> bool {
    while !extra.is_empty() {
        let rest = short(extra, 2).and_then(|length| extra.get(4 + length..));
        let Some(rest) = rest else { return false };
        extra = rest;
    }
    true
}

fn short(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().unwrap())))
}

fn long(bytes: &[u8], at: usize) -> Option<usize> {
    Some(short(bytes, at)? | short(bytes, at + 2)? << 16)
}

/// A compressed stream: its first and last bytes, which contain headers, checksums and indexes.
pub fn stream(bytes: &[u8]) -> Layout {
    let length = bytes.len();
    let parts = vec![("start of the stream", 0..24), ("end of the stream", length - 24..length)];
    Layout { parts, ..Layout::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::{self, Member};

    #[test]
    fn the_parts_of_intact_archives_are_found() {
        let members = [Member::new("a", "content"), Member::new("long".repeat(30), "x")];
        let lengths = |found: Layout| {
            assert!(found.faults.is_empty(), "{found:?}");
            found.parts.into_iter().map(|(what, range)| (what, range.len())).collect::<Vec<_>>()
        };
        let header = "file's header";
        let tar = [
            (header, 512),
            ("extension's header", 512),
            ("extension", 130),
            (header, 512),
            ("end marker", 1024),
        ];
        assert_eq!(lengths(tar_of(&members)), tar);
        let zip = [
            ("end record", 22),
            ("directory record", 46),
            ("directory name", 1),
            ("directory extra", 9),
            ("local header", 30),
            ("local name", 1),
            ("local extra", 9),
        ];
        assert_eq!(lengths(super::zip(&pack::zip(&members[..1]))), zip);
    }

    fn tar_of(members: &[Member]) -> Layout {
        tar(&pack::tar(members))
    }

    #[test]
    fn violations_of_a_format_are_found() {
        let intact = pack::tar(&[Member::new("long".repeat(30), "x")]);
        let damaged = |act: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = intact.clone();
            act(&mut bytes);
            tar(&bytes).faults
        };
        assert_eq!(damaged(&|bytes| bytes[3] ^= 1), [Fault::Header]);
        assert_eq!(damaged(&|bytes| bytes[513] = b'x'), [Fault::Record]);
        assert_eq!(damaged(&|bytes| bytes.truncate(bytes.len() - 1)), [Fault::NoEnd]);
        assert_eq!(damaged(&|bytes| bytes.push(1)), [Fault::Behind]);
        assert_eq!(damaged(&|bytes| bytes.resize(10_240, 0)), []);
        assert_eq!(damaged(&|bytes| bytes.resize(20_000, 0)), [Fault::LongTail]);
        let intact = pack::zip(&[Member::new("a", "content")]);
        for at in [8, 14, 30, intact.len() - 10] {
            let mut bytes = intact.clone();
            bytes[at] ^= 1;
            assert_eq!(zip(&bytes).faults, [Fault::Directory], "byte {at}");
        }
    }
}
