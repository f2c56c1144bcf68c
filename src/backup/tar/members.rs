//! Walks from member to member. v7, ustar, GNU and pax headers all become the same kind of record.
//!
//! In: an [`ArchiveReader`]. Out: [`Member`]s with the offset where each begins, so that a later
//! walk can start right there. Damage is reported, and the walk goes on: after a header with a
//! wrong checksum it continues at the next intact header, as GNU tar does. No memory is allocated
//! because of what a header claims: the size of extension headers is limited.
//!
//! Formats: POSIX.1-2017 `pax` (ustar and pax interchange format), GNU tar manual, "Basic Tar
//! Format" and "Storing Sparse Files".

use std::io::{self, Read};

use tar::Header;

use crate::platform::{self, Timestamp};

use super::end::Tail;
use super::header::{BLOCK, has_checksum, has_magic, header_time, looks_like_extension};
use super::names::{self, Writer};
use super::pax::Attributes;
use super::source::{ArchiveReader, Exactly, is_halt};
use super::sparse::{self, Segment};

/// The longest name that is accepted in a GNU long-name header, in bytes. The longest path on Linux
/// has 4,096 bytes.
const LONG_NAME_MAX: u64 = 1 << 20;

/// The longest pax header that is accepted, in bytes. It can contain sparse maps and extended
/// attributes.
const PAX_MAX: u64 = 16 << 20;

/// What a member is, as far as it matters for restoring regular files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum MemberKind {
    /// A regular file.
    #[default]
    File,
    /// A hard link: another name of an earlier member.
    Link,
    /// The rest of a file that began on an earlier volume.
    Continued,
    /// A folder.
    Folder,
    /// A symbolic link, device or pipe.
    Special,
    /// Not a file: a volume label or the like.
    NoFile,
}

/// How the stored bytes of a file are arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum DataLayout {
    /// In one piece.
    #[default]
    Plain,
    /// In segments that are listed in [`Member::map`].
    Map,
    /// In segments that are listed at the start of the data.
    MapInData,
}

/// One member. The walk reuses its buffers.
#[derive(Debug, Default)]
pub(super) struct Member {
    /// Offset of its first header.
    pub start: u64,
    /// What it is.
    pub kind: MemberKind,
    /// Its name as stored.
    pub name: Vec<u8>,
    /// Its link target as stored.
    pub link: Vec<u8>,
    /// Its size when restored, in bytes.
    pub size: u64,
    /// The number of bytes that are stored for it.
    pub stored: u64,
    /// Offset of its data.
    pub data: u64,
    /// Modification time.
    pub mtime: Option<Timestamp>,
    /// How its data is stored.
    pub layout: DataLayout,
    /// The data segments of a sparse file, if the headers list them.
    pub map: Vec<Segment>,
}

/// The result of one step of the walk.
#[derive(Debug)]
pub(super) enum Step {
    /// The next member was read.
    Member,
    /// Something is damaged; the walk can go on.
    Damaged(String),
    /// The walk has ended, with the damage at the end of the archive.
    End(Option<String>),
    /// The reader was asked to halt.
    Halted,
}

/// A walk over the members of an archive.
pub(super) struct Members<'s> {
    source: &'s mut dyn ArchiveReader,
    /// Offset of the next header.
    next: u64,
    block: Header,
    /// Whether `block` contains the header before `next`, which was read but not processed.
    held: bool,
    /// Whether the walk is looking for an intact header.
    lost: bool,
    /// Whether the headers have the magic bytes of POSIX or GNU headers. If not, the archive is an
    /// old one, and a correct checksum is enough.
    marked: bool,
    /// The empty blocks that were read last.
    tail: Tail,
    extension: Vec<u8>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    attributes: Attributes,
    /// The program that wrote the extension header with the name.
    writer: Writer,
    /// The modification time from a global header.
    mtime: Option<Timestamp>,
    /// The offset of the first extension header of the next member.
    start: Option<u64>,
    /// Whether the name of the next member was lost with its extension header.
    nameless: bool,
}

/// Why a step ends early.
enum Trouble {
    Io(io::Error),
    Damaged(String),
    /// Damage after which the next member is still complete.
    Before(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl<'s> Members<'s> {
    /// Starts at `offset`, where a member begins.
    pub(super) fn at(source: &'s mut dyn ArchiveReader, offset: u64) -> Self {
        Self {
            source,
            next: offset,
            block: Header::new_old(),
            held: false,
            lost: false,
            marked: false,
            tail: Tail::default(),
            extension: Vec::new(),
            long_name: None,
            long_link: None,
            attributes: Attributes::default(),
            writer: Writer::Unknown,
            mtime: None,
            start: None,
            nameless: false,
        }
    }

    /// The reader, to read the data of the last member.
    pub(super) fn source(&mut self) -> &mut dyn ArchiveReader {
        self.source
    }

    /// Goes to the next member and fills `member`.
    pub(super) fn step(&mut self, member: &mut Member) -> Step {
        loop {
            match self.try_step(member) {
                Ok(Some(step)) => return step,
                Ok(None) => {}
                Err(Trouble::Before(problem)) => return Step::Damaged(problem),
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

    /// The damage to report if the archive cannot be read any further.
    fn cut(&self, error: &io::Error) -> String {
        let position = self.source.position();
        if error.kind() == io::ErrorKind::UnexpectedEof && error.get_ref().is_none() {
            format!("the archive is cut off inside a member: byte {} is missing", self.next)
        } else {
            format!("the archive cannot be read beyond byte {position}: {error}")
        }
    }

    /// Reads one header. `None` if the member is not complete yet.
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
            self.tail.note_empty(at);
            return self.check_no_member_is_missing(at).map(|()| None);
        }
        if let Some(step) = self.check_header(at) {
            return Ok(step);
        }
        let size = self.size(at)?;
        match self.block.entry_type().as_byte() {
            b'L' => {
                let name = self.read_name(at, size)?;
                self.writer = Writer::of(&self.block.as_old().name, is_gnu(&self.block));
                let earlier = self.long_name.replace(name);
                if earlier.is_some() && earlier != self.long_name {
                    return Err(self.second_in_a_row("long names", at));
                }
            }
            b'K' => self.long_link = Some(self.read_name(at, size)?),
            b'x' | b'X' => self.read_attributes(at, size)?,
            b'g' => {
                // A global header that was wiped contains nothing that restoring needs.
                if self.read_extension(at, size, PAX_MAX)? && self.extension.iter().any(|&byte| byte != 0) {
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

    /// The end of the file was reached after `got` bytes of a header.
    fn at_end(&mut self, at: u64, got: usize) -> Step {
        let length = at + got as u64;
        let rest = &self.block.as_bytes()[..got];
        let is_empty = rest.iter().all(|&byte| byte == 0);
        if self.tail.blocks > 0 {
            if !is_empty {
                self.tail.note_junk(at, rest);
            }
            return Step::End(self.tail.problem(length));
        }
        // The archive was cut off in its end marker: a header does not begin with zeros.
        if got > 0 && is_empty && self.start.is_none() {
            return Step::End(None);
        }
        let problem = match got {
            _ if self.start.is_some() => "in the middle of a member's headers",
            0 => "without its end marker (two empty blocks)",
            _ => "in the middle of a header",
        };
        Step::End(Some(format!("the archive is cut off at byte {length} {problem}")))
    }

    /// An empty block is damage if extension headers have announced a member that should be there.
    fn check_no_member_is_missing(&self, at: u64) -> Result<(), Trouble> {
        self.start.map_or(Ok(()), |start| {
            Err(Trouble::Damaged(format!(
                "the header of the member whose extension header is at byte {start} is empty (at byte {at}): the member is lost"
            )))
        })
    }

    /// Decides whether the block at `at` is a header that can be read (`None`). Otherwise returns
    /// what the step returns.
    fn check_header(&mut self, at: u64) -> Option<Option<Step>> {
        let sound = has_checksum(self.block.as_bytes());
        let marked = has_magic(self.block.as_bytes());
        if !sound || (self.lost && self.marked && !marked) {
            let known = self.tail.note_junk(at, self.block.as_bytes()) || self.lost;
            self.lost = true;
            if known {
                return Some(None);
            }
            self.tail = Tail::default();
            self.forget_extensions();
            self.nameless = looks_like_extension(&self.block);
            return Some(Some(Step::Damaged(format!(
                "the header at byte {at} is damaged; any members between it and the next intact header cannot be listed"
            ))));
        }
        self.lost = false;
        self.marked |= marked;
        self.tail.go_on(at).map(|problem| {
            self.held = true;
            Some(Step::Damaged(problem))
        })
    }

    fn read_attributes(&mut self, at: u64, size: u64) -> Result<(), Trouble> {
        let writer = Writer::of(&self.block.as_old().name, is_gnu(&self.block));
        self.start.get_or_insert(at);
        let earlier = self.attributes.present.then(|| self.attributes.clone());
        let attributes = if self.read_extension(at, size, PAX_MAX)? {
            self.attributes.read(&self.extension).map_err(|why| format!("at byte {at}: {why}"))
        } else {
            Err(format!(
                "the extended header at byte {at} claims {size} bytes, which is longer than any real one"
            ))
        };
        self.writer = writer;
        attributes.map_err(|problem| self.lose_name(&problem))?;
        match earlier {
            Some(earlier) if self.attributes.contradicts(&earlier) => {
                Err(self.second_in_a_row("extended headers", at))
            }
            _ => Ok(()),
        }
    }

    /// Reads a GNU long name or link target: one name, which most programs end with a zero byte.
    fn read_name(&mut self, at: u64, size: u64) -> Result<Vec<u8>, Trouble> {
        self.start.get_or_insert(at);
        if !self.read_extension(at, size, LONG_NAME_MAX)? {
            return Err(self.lose_name(&format!("the long name at byte {at} claims {size} bytes")));
        }
        let end = self.extension.iter().position(|&byte| byte == 0).unwrap_or(self.extension.len());
        let (name, rest) = self.extension.split_at(end);
        // Some programs fill up the block with zeros, and count these in the size.
        let is_filled = size.is_multiple_of(BLOCK) && (rest.len() as u64) < BLOCK;
        if name.is_empty() || rest.iter().any(|&byte| byte != 0) || (rest.len() > 1 && !is_filled) {
            return Err(self.lose_name(&format!("the long name at byte {at} contains zero bytes")));
        }
        Ok(name.to_vec())
    }

    /// Reads the data of an extension header into `extension`, or skips it if it is longer than
    /// `limit`. Returns whether it was read.
    fn read_extension(&mut self, at: u64, size: u64, limit: u64) -> Result<bool, Trouble> {
        self.skip_data(at, size)?;
        self.extension.clear();
        if size > limit {
            return Ok(false);
        }
        Exactly::new(self.source, size).read_to_end(&mut self.extension)?;
        Ok(true)
    }

    /// Moves `next` behind `stored` bytes of data.
    fn skip_data(&mut self, at: u64, stored: u64) -> Result<(), Trouble> {
        let end = stored.checked_next_multiple_of(BLOCK).and_then(|padded| self.next.checked_add(padded));
        // No file is larger than this, and sums of offsets below it cannot overflow.
        let end = end.filter(|&end| end < 1 << 63);
        self.next =
            end.ok_or_else(|| Trouble::Damaged(format!("the header at byte {at} claims {stored} bytes")))?;
        Ok(())
    }

    /// Reports two extension headers of the same kind in a row. The second one applies to the next
    /// member.
    fn second_in_a_row(&mut self, what: &str, at: u64) -> Trouble {
        self.start = Some(at);
        Trouble::Before(format!(
            "two {what} follow one another, the second at byte {at}: the member between them is lost"
        ))
    }

    fn lose_name(&mut self, problem: &str) -> Trouble {
        self.nameless = true;
        Trouble::Damaged(format!("{problem}; the member that follows is left out"))
    }

    fn forget_extensions(&mut self) {
        (self.long_name, self.long_link, self.start, self.nameless) = (None, None, None, false);
        self.writer = Writer::Unknown;
        self.attributes.clear();
    }

    /// Fills `member` from the header in `block`. `false` if its name was lost.
    fn fill(&mut self, member: &mut Member, at: u64, kind: u8, size: u64) -> Result<bool, Trouble> {
        let stored = self.attributes.size.unwrap_or(size);
        member.start = self.start.unwrap_or(at);
        let short = self.block.path_bytes();
        let agree = self.names_agree(&short);
        take_name(&mut member.name, &self.attributes.path, &mut self.long_name, &short);
        let target = self.block.link_name_bytes().unwrap_or_default();
        take_name(&mut member.link, &self.attributes.linkpath, &mut self.long_link, &target);
        member.kind = self.kind(kind, stored, &member.name);
        member.stored =
            if matches!(member.kind, MemberKind::Link | MemberKind::Special) { 0 } else { stored };
        if kind == b'5' {
            member.stored = 0;
        }
        (member.size, member.layout) = (member.stored, DataLayout::Plain);
        member.mtime = self.attributes.mtime.or(self.mtime).or_else(|| header_time(&self.block));
        let sparse = self.fill_sparse(member, at, kind);
        member.data = self.next;
        self.skip_data(at, member.stored)?;
        sparse?;
        if !agree {
            let start = member.start;
            return Err(Trouble::Damaged(format!(
                "the name in the extension header at byte {start} and the one in the member's own header at byte {at} cannot both \
                 be right; the member is left out"
            )));
        }
        Ok(!self.nameless)
    }

    /// Whether the names in the extension headers fit `short`, the name in the member's own header.
    fn names_agree(&self, short: &[u8]) -> bool {
        let path = &self.attributes.path;
        let long = Some(path).filter(|path| !path.is_empty()).or(self.long_name.as_ref());
        let real = &self.attributes.sparse_name;
        long.is_none_or(|long| names::agree(long, short, self.writer))
            && (real.is_empty() || names::agree_sparse(real, long.map_or(short, Vec::as_slice), self.writer))
    }

    fn kind(&self, kind: u8, stored: u64, name: &[u8]) -> MemberKind {
        match kind {
            // Old formats have no type for folders and mark them with a slash.
            0 | b'0' | b'7' if name.ends_with(b"/") => MemberKind::Folder,
            // POSIX allows a hard link to store the content again. In other formats, the size of a
            // link means nothing.
            b'1' if stored > 0 && self.attributes.present => MemberKind::File,
            b'1' => MemberKind::Link,
            b'2' | b'3' | b'4' | b'6' => MemberKind::Special,
            b'5' | b'D' => MemberKind::Folder,
            b'M' => MemberKind::Continued,
            // Volume label, old long name, Solaris attributes.
            b'V' | b'N' | b'A' | b'E' => MemberKind::NoFile,
            // POSIX: an unknown type is treated as a regular file.
            _ => MemberKind::File,
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
            member.layout = DataLayout::Map;
            let blocks = sparse::read_old_gnu(gnu, self.source, &mut member.map)?.map_err(bad)?;
            self.next += blocks * BLOCK;
        } else if member.kind == MemberKind::File && self.attributes.real_size.is_some() {
            member.size = self.attributes.real_size.unwrap_or_default();
            if !self.attributes.sparse_name.is_empty() {
                member.name.clone_from(&self.attributes.sparse_name);
            }
            member.layout = if self.attributes.map_in_data { DataLayout::MapInData } else { DataLayout::Map };
            sparse::from_numbers(&self.attributes.map, &mut member.map).map_err(bad)?;
        }
        Ok(())
    }
}

fn is_gnu(header: &Header) -> bool {
    header.as_gnu().is_some()
}

/// Takes the name that has precedence: that of the pax header, then the GNU header, then the plain
/// header.
fn take_name(name: &mut Vec<u8>, pax: &[u8], gnu: &mut Option<Vec<u8>>, plain: &[u8]) {
    name.clear();
    match gnu.take() {
        _ if !pax.is_empty() => name.extend_from_slice(pax),
        Some(long) => *name = long,
        None => name.extend_from_slice(plain),
    }
}
