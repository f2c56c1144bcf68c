//! The walk from member to member: v7, ustar, GNU and pax headers become one kind of record.
//!
//! In: a [`Source`]. Out: [`Member`]s, with the offset where each begins, so that a later walk can start right there.
//! Damage is reported and walked past: behind a header whose checksum is wrong the walk goes on at the next intact
//! header, as GNU tar does. What a header claims is never believed with memory: extension headers have a size limit.
//!
//! Formats: POSIX.1-2017 `pax` (ustar and pax interchange format), GNU tar manual, "Basic Tar Format" and "Storing
//! Sparse Files".

use std::io::{self, Read};

use tar::Header;

use crate::platform::{self, Timestamp};

use super::pax::Attributes;
use super::source::{Exactly, Source, is_halt};
use super::sparse::{self, Segment};

/// The unit of a tar archive.
pub(super) const BLOCK: u64 = 512;

/// An archive ends in two empty blocks, filled up to the record size: 10 KiB by default, and nobody sets it above this many bytes.
const END_MARKER_MAX: u64 = 1 << 20;

/// The longest name that a GNU long-name header may hold; the longest path of Linux has 4096 bytes.
const LONG_NAME_MAX: u64 = 1 << 20;

/// The longest pax header; sparse maps and extended attributes live in it.
const PAX_MAX: u64 = 16 << 20;

/// What a member is, as far as restoring regular files goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Kind {
    /// A regular file.
    #[default]
    File,
    /// Another name of an earlier member.
    Link,
    /// The rest of a file that began on an earlier volume.
    Continued,
    /// A folder.
    Folder,
    /// A symbolic link, device or pipe.
    Special,
    /// No file at all: volume labels and the like.
    Aside,
}

/// Where a file's bytes are among the stored ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Layout {
    /// One after the other.
    #[default]
    Plain,
    /// In the segments that [`Member::map`] lists.
    Map,
    /// In segments listed at the start of the data.
    MapInData,
}

/// One member; the walk reuses its buffers.
#[derive(Debug, Default)]
pub(super) struct Member {
    /// Offset of its first header.
    pub start: u64,
    /// What it is.
    pub kind: Kind,
    /// Its name as stored.
    pub name: Vec<u8>,
    /// Its link target as stored.
    pub link: Vec<u8>,
    /// Its size when restored.
    pub size: u64,
    /// How many bytes are stored of it.
    pub stored: u64,
    /// Offset of its data.
    pub data: u64,
    /// Modification time.
    pub mtime: Option<Timestamp>,
    /// How its data is stored.
    pub layout: Layout,
    /// The data segments of a sparse file, where the headers list them.
    pub map: Vec<Segment>,
}

/// One step of the walk.
#[derive(Debug)]
pub(super) enum Step {
    /// The next member is there.
    Member,
    /// Something is damaged; the walk can go on.
    Damaged(String),
    /// The end, with what is wrong with it.
    End(Option<String>),
    /// The source was asked to halt.
    Halted,
}

/// The walk.
pub(super) struct Members<'s> {
    source: &'s mut dyn Source,
    /// Offset of the next header.
    next: u64,
    block: Header,
    /// `block` holds the header before `next`, looked at but not taken.
    held: bool,
    /// Looking for an intact header.
    lost: bool,
    /// Headers carry the mark of POSIX or GNU headers; in old archives a right checksum must do.
    marked: bool,
    /// How many empty blocks came last, and where they began.
    empty: u64,
    empty_at: u64,
    extension: Vec<u8>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    attributes: Attributes,
    /// From a global header.
    mtime: Option<Timestamp>,
    /// Of an extension header that precedes the member.
    start: Option<u64>,
    /// The next member's name is lost with its extension header.
    nameless: bool,
}

/// Why a step ends early.
enum Trouble {
    Io(io::Error),
    Damaged(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl<'s> Members<'s> {
    /// Starts at `offset`, where a member begins.
    pub(super) fn at(source: &'s mut dyn Source, offset: u64) -> Self {
        Self {
            source,
            next: offset,
            block: Header::new_old(),
            held: false,
            lost: false,
            marked: false,
            empty: 0,
            empty_at: 0,
            extension: Vec::new(),
            long_name: None,
            long_link: None,
            attributes: Attributes::default(),
            mtime: None,
            start: None,
            nameless: false,
        }
    }

    /// The source, to read the data of the member that came last.
    pub(super) fn source(&mut self) -> &mut dyn Source {
        self.source
    }

    /// Goes to the next member and fills `member`.
    pub(super) fn step(&mut self, member: &mut Member) -> Step {
        loop {
            match self.try_step(member) {
                Ok(Some(step)) => return step,
                Ok(None) => {}
                Err(Trouble::Io(error)) if is_halt(&error) => return Step::Halted,
                Err(Trouble::Io(error)) => return Step::End(Some(self.cut(&error))),
                Err(Trouble::Damaged(problem)) => {
                    let nameless = self.nameless;
                    self.forget_extensions();
                    self.nameless = nameless;
                    return Step::Damaged(problem);
                }
            }
        }
    }

    /// What to say of an archive that cannot be read on.
    fn cut(&self, error: &io::Error) -> String {
        let position = self.source.position();
        if error.kind() == io::ErrorKind::UnexpectedEof && error.get_ref().is_none() {
            format!("the archive is cut off inside a member: byte {} is missing", self.next)
        } else {
            format!("the archive cannot be read beyond byte {position}: {error}")
        }
    }

    /// Reads one header; `None` if a member is not complete yet.
    fn try_step(&mut self, member: &mut Member) -> Result<Option<Step>, Trouble> {
        let at = if self.held { self.next - BLOCK } else { self.next };
        if !std::mem::take(&mut self.held) {
            self.source.advance_to(self.next)?;
            match platform::read_full(self.source, self.block.as_mut_bytes())? {
                512 => self.next += BLOCK,
                got => return Ok(Some(self.at_end(at, got))),
            }
        }
        if self.block.as_bytes().iter().all(|&byte| byte == 0) {
            if self.empty == 0 {
                self.empty_at = at;
            }
            self.empty += 1;
            return Ok(None);
        }
        if let Some(step) = self.check_header(at) {
            return Ok(step);
        }
        let size = self.size(at)?;
        match self.block.entry_type().as_byte() {
            b'L' => self.long_name = self.read_name(at, size)?,
            b'K' => self.long_link = self.read_name(at, size)?,
            b'x' | b'X' => {
                let attributes = if self.read_extension(at, size, PAX_MAX)? {
                    self.attributes.read(&self.extension).map_err(|why| format!("at byte {at}: {why}"))
                } else {
                    Err(format!(
                        "the extended header at byte {at} claims {size} bytes, which is more than any has"
                    ))
                };
                self.start.get_or_insert(at);
                attributes.map_err(|problem| self.lose_name(&problem))?;
            }
            b'g' => {
                if self.read_extension(at, size, PAX_MAX)? {
                    let mut global = Attributes::default();
                    global
                        .read(&self.extension)
                        .map_err(|why| Trouble::Damaged(format!("at byte {at}: {why}")))?;
                    self.mtime = global.mtime.or(self.mtime);
                }
            }
            kind => {
                let whole = self.fill(member, at, kind, size);
                self.forget_extensions();
                return if whole? { Ok(Some(Step::Member)) } else { Ok(None) };
            }
        }
        Ok(None)
    }

    fn size(&self, at: u64) -> Result<u64, Trouble> {
        // GNU tar leaves the size of a volume label blank.
        if self.block.as_old().size.iter().all(|byte| matches!(byte, 0 | b' ')) {
            return Ok(0);
        }
        self.block.entry_size().map_err(|error| Trouble::Damaged(format!("at byte {at}: {error}")))
    }

    /// The end of the file, after `got` bytes of a header.
    fn at_end(&self, at: u64, got: usize) -> Step {
        if self.empty > 0 {
            let tail = (at + got as u64).saturating_sub(self.empty_at);
            return Step::End((tail > END_MARKER_MAX).then(|| {
                format!(
                    "from byte {} on there is nothing but {tail} zeros, more than any end marker: what was there is lost",
                    self.empty_at
                )
            }));
        }
        let problem = match got {
            _ if self.start.is_some() => "in the middle of a member's headers",
            0 => "without its end marker (two empty blocks)",
            _ => "in the middle of a header",
        };
        Step::End(Some(format!("the archive is cut off at byte {} {problem}", at + got as u64)))
    }

    /// Whether the block at `at` is a header to be read; otherwise what to do instead.
    fn check_header(&mut self, at: u64) -> Option<Option<Step>> {
        let sound = has_checksum(self.block.as_bytes());
        let marked = has_magic(self.block.as_bytes());
        if !sound || (self.lost && self.marked && !marked) {
            let known = self.lost || self.empty > 1;
            self.lost = true;
            if known {
                return Some(None);
            }
            self.empty = 0;
            self.forget_extensions();
            self.nameless = looks_like_extension(&self.block);
            return Some(Some(Step::Damaged(format!(
                "the header at byte {at} is damaged; nothing can be said of what lies between it and the next intact one"
            ))));
        }
        self.lost = false;
        self.marked |= marked;
        match std::mem::take(&mut self.empty) {
            0 => None,
            count => {
                self.held = true;
                let place = self.empty_at;
                let what = if count == 1 { "an empty block" } else { "the end marker" };
                Some(Some(Step::Damaged(format!(
                    "{what} at byte {place} is followed by more members, from byte {at} on: either a damaged spot, or \
                     archives one after the other (tar restores those with --ignore-zeros only)"
                ))))
            }
        }
    }

    /// A GNU long name or link target.
    fn read_name(&mut self, at: u64, size: u64) -> Result<Option<Vec<u8>>, Trouble> {
        self.start.get_or_insert(at);
        if !self.read_extension(at, size, LONG_NAME_MAX)? {
            return Err(self.lose_name(&format!("the long name at byte {at} claims {size} bytes")));
        }
        let end = self.extension.iter().position(|&byte| byte == 0).unwrap_or(self.extension.len());
        Ok(Some(self.extension[..end].to_vec()))
    }

    /// Fills `extension`, or skips it if it is too long to be true; whether it was read.
    fn read_extension(&mut self, at: u64, size: u64, limit: u64) -> Result<bool, Trouble> {
        self.skip_data(at, size)?;
        self.extension.clear();
        if size > limit {
            return Ok(false);
        }
        Exactly::new(self.source, size).read_to_end(&mut self.extension)?;
        Ok(true)
    }

    /// Notes that `stored` bytes of data follow.
    fn skip_data(&mut self, at: u64, stored: u64) -> Result<(), Trouble> {
        let end = stored.checked_next_multiple_of(BLOCK).and_then(|padded| self.next.checked_add(padded));
        // Beyond that no file reaches, and sums of offsets could run over.
        let end = end.filter(|&end| end < 1 << 63);
        self.next =
            end.ok_or_else(|| Trouble::Damaged(format!("the header at byte {at} claims {stored} bytes")))?;
        Ok(())
    }

    fn lose_name(&mut self, problem: &str) -> Trouble {
        self.nameless = true;
        Trouble::Damaged(format!("{problem}; the member that follows is left out"))
    }

    fn forget_extensions(&mut self) {
        (self.long_name, self.long_link, self.start, self.nameless) = (None, None, None, false);
        self.attributes.clear();
    }

    /// Makes a member of the header in `block`; `false` if it has lost its name.
    fn fill(&mut self, member: &mut Member, at: u64, kind: u8, size: u64) -> Result<bool, Trouble> {
        let stored = self.attributes.size.unwrap_or(size);
        member.start = self.start.unwrap_or(at);
        take_name(&mut member.name, &self.attributes.path, &mut self.long_name, &self.block.path_bytes());
        let target = self.block.link_name_bytes().unwrap_or_default();
        take_name(&mut member.link, &self.attributes.linkpath, &mut self.long_link, &target);
        member.kind = self.kind(kind, stored, &member.name);
        member.stored = if matches!(member.kind, Kind::Link | Kind::Special) { 0 } else { stored };
        if kind == b'5' {
            member.stored = 0;
        }
        (member.size, member.layout) = (member.stored, Layout::Plain);
        member.mtime = self.attributes.mtime.or(self.mtime).or_else(|| header_time(&self.block));
        let sparse = self.fill_sparse(member, at, kind);
        member.data = self.next;
        self.skip_data(at, member.stored)?;
        sparse?;
        Ok(!self.nameless)
    }

    fn kind(&self, kind: u8, stored: u64, name: &[u8]) -> Kind {
        match kind {
            // Before there was a type for folders, a slash marked them.
            0 | b'0' | b'7' if name.ends_with(b"/") => Kind::Folder,
            // POSIX lets a hard link carry its content again; elsewhere the size of a link means nothing.
            b'1' if stored > 0 && self.attributes.present => Kind::File,
            b'1' => Kind::Link,
            b'2' | b'3' | b'4' | b'6' => Kind::Special,
            b'5' | b'D' => Kind::Folder,
            b'M' => Kind::Continued,
            // Volume label, old long name, Solaris attributes.
            b'V' | b'N' | b'A' | b'E' => Kind::Aside,
            // POSIX: an unknown type is treated as a regular file.
            _ => Kind::File,
        }
    }

    /// Finds out how the data of a sparse file is stored.
    fn fill_sparse(&mut self, member: &mut Member, at: u64, kind: u8) -> Result<(), Trouble> {
        member.map.clear();
        let bad = |problem: String| Trouble::Damaged(format!("at byte {at}: {problem}"));
        if kind == b'S' {
            let Some(gnu) = self.block.as_gnu() else {
                return Err(bad("a sparse file without a GNU header".to_owned()));
            };
            member.size = gnu.real_size().map_err(|error| bad(error.to_string()))?;
            member.layout = Layout::Map;
            let blocks = sparse::read_old_gnu(gnu, self.source, &mut member.map)?.map_err(bad)?;
            self.next += blocks * BLOCK;
        } else if member.kind == Kind::File && self.attributes.real_size.is_some() {
            member.size = self.attributes.real_size.unwrap_or_default();
            if !self.attributes.sparse_name.is_empty() {
                member.name.clone_from(&self.attributes.sparse_name);
            }
            member.layout = if self.attributes.map_in_data { Layout::MapInData } else { Layout::Map };
            sparse::from_numbers(&self.attributes.map, &mut member.map).map_err(bad)?;
        }
        Ok(())
    }
}

/// The name that counts: of the pax header, of the GNU header, of the plain header.
fn take_name(name: &mut Vec<u8>, pax: &[u8], gnu: &mut Option<Vec<u8>>, plain: &[u8]) {
    name.clear();
    match gnu.take() {
        _ if !pax.is_empty() => name.extend_from_slice(pax),
        Some(long) => *name = long,
        None => name.extend_from_slice(plain),
    }
}

/// Whether a damaged header was that of an extension, without which the next member's own header tells only a part of it.
fn looks_like_extension(header: &Header) -> bool {
    let name = &header.as_old().name;
    matches!(header.entry_type().as_byte(), b'L' | b'K' | b'x' | b'X')
        || name.starts_with(b"././@LongLink")
        || name.windows(9).any(|part| part == b"PaxHeader")
}

fn header_time(header: &Header) -> Option<Timestamp> {
    // Times before 1970 are stored as negative binary numbers, which come out as the same bits.
    header.mtime().ok().map(|seconds| Timestamp { seconds: seconds.cast_signed(), nanos: 0 })
}

/// Whether a block carries the checksum of a tar header, in either of the two ways it has been computed (bytes taken as
/// unsigned or, by some old programs, as signed numbers).
pub(super) fn has_checksum(block: &[u8; 512]) -> bool {
    let Ok(stored) = Header::from_byte_slice(block).cksum() else { return false };
    let counted =
        || block.iter().enumerate().map(|(at, &byte)| if (148..156).contains(&at) { b' ' } else { byte });
    let unsigned: u32 = counted().map(u32::from).sum();
    unsigned == stored
        || counted().map(|byte| i64::from(byte.cast_signed())).sum::<i64>() == i64::from(stored)
}

/// Whether a block carries the mark of a POSIX or GNU header.
pub(super) fn has_magic(block: &[u8; 512]) -> bool {
    matches!(&block[257..263], b"ustar\0" | b"ustar ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &[u8], mark: &[u8]) -> Header {
        let mut header = Header::new_old();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.as_mut_bytes()[257..257 + mark.len()].copy_from_slice(mark);
        header.set_size(0);
        header.set_cksum();
        header
    }

    #[test]
    fn both_ways_to_sum_up_a_header_are_accepted_and_no_other() {
        let mut old = header(b"gr\xfc\xdfe", b"");
        assert!(has_checksum(old.as_bytes()));
        let sum = old.cksum().unwrap() - 2 * 256;
        old.as_mut_bytes()[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        assert!(has_checksum(old.as_bytes()));
        old.as_mut_bytes()[3] ^= 1;
        assert!(!has_checksum(old.as_bytes()));
        assert!(!has_checksum(&[0; 512]));
    }

    #[test]
    fn posix_and_gnu_headers_are_marked_and_old_ones_are_not() {
        assert!(has_magic(header(b"a", b"ustar\x0000").as_bytes()));
        assert!(has_magic(header(b"a", b"ustar  \0").as_bytes()));
        assert!(!has_magic(header(b"a", b"").as_bytes()));
    }

    #[test]
    fn times_before_1970_are_negative() {
        let mut before = header(b"a", b"ustar  \0");
        before.as_old_mut().mtime = [0xff; 12];
        assert_eq!(header_time(&before), Some(Timestamp { seconds: -1, nanos: 0 }));
    }

    #[test]
    fn a_lost_extension_is_known_by_its_type_or_its_name() {
        let mut long = header(b"././@LongLink", b"ustar  \0");
        assert!(looks_like_extension(&long));
        assert!(looks_like_extension(&header(b"dir/PaxHeaders/file", b"ustar\x0000")));
        assert!(!looks_like_extension(&header(b"dir/file", b"ustar\x0000")));
        long.as_old_mut().name[0] = b'x';
        long.set_entry_type(tar::EntryType::GNULongName);
        assert!(looks_like_extension(&long));
    }
}
