//! Virtual disks: what is between the bytes of an image file and the sectors of the disk in it.
//!
//! In: the bytes of a VHD, VHDX or raw image, and something that finds the parents of differencing
//! disks ([`Parents`]). Out: a [`Disk`], whose bytes are those that a computer would see. The
//! specifications are Microsoft's "Virtual Hard Disk Image Format Specification" (VHD) and
//! \[MS-VHDX\], cited by section below.
//!
//! - Nothing is written, not even the log of a VHDX: it is replayed into memory.
//! - Checksums decide. A damaged copy of a header is survived if the other copy is good, and
//!   [`Disk::notes`] says so. If no copy is good, that is an error, and never a raw disk.
//! - A block that the image places where it cannot be is an error of each read of that block, so
//!   that one damaged entry does not hide all other files. [`Disk::damage`] tells of it even if
//!   nothing reads that block.
//! - What has no checksum in the format cannot be proven here: the allocation tables and bitmaps of
//!   both formats, the metadata of VHDX, and all blocks.
//! - Memory is bounded whatever an image claims: `table` keeps at most 64 MiB of an allocation
//!   table, and a log of VHDX is refused above 64 MiB.

mod bits;
mod chain;
mod piece;
mod table;
mod vhd;
mod vhdx;

#[cfg(test)]
mod samples;
#[cfg(test)]
mod testing;

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::bytes::ReadAt;
use crate::platform::Timestamp;

use super::Error;

pub use chain::{NoParents, Parent, Parents};

/// A virtual disk.
#[derive(Debug)]
pub struct Disk {
    /// The bytes of the disk. What cannot be read is an error made from [`Error`].
    pub bytes: Arc<dyn ReadAt>,
    /// Bytes in a logical sector, 512 or 4096. `None` for a raw image, which does not say.
    pub sector_size: Option<u32>,
    /// What kind of image it is.
    pub kind: Kind,
    /// What the user should know: which copy of a header was damaged and which was used, that a log
    /// was replayed. Complete sentences.
    pub notes: Vec<String>,
    /// What is wrong with an allocation table. The blocks in question cannot be read, and all
    /// others can.
    pub damage: Vec<String>,
    /// Signs in the image itself that the program that writes it has not finished or not closed it.
    /// Complete sentences. Neither format has a mark "open now", so no sign proves nothing.
    pub unfinished: Vec<String>,
    /// What a child of this image calls its parent: the unique id of a VHD, the `DataWriteGuid` of
    /// a VHDX.
    pub id: Option<[u8; 16]>,
    /// When the image was made. Only VHD says so.
    pub created: Option<Timestamp>,
}

/// A format of image files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Virtual Hard Disk, as Windows Server 2008 R2 and older write it.
    Vhd,
    /// Virtual Hard Disk version 2, since Windows Server 2012.
    Vhdx,
}

/// A kind of image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The sectors of a disk, and nothing else.
    Raw,
    /// A VHD that stores all sectors.
    VhdFixed,
    /// A VHD that stores the blocks that were written.
    VhdDynamic,
    /// A VHD that stores what differs from its parent.
    VhdDifferencing,
    /// A VHDX that stores all sectors.
    VhdxFixed,
    /// A VHDX that stores the blocks that were written.
    VhdxDynamic,
    /// A VHDX that stores what differs from its parent.
    VhdxDifferencing,
}

impl Kind {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw disk image",
            Self::VhdFixed => "VHD of fixed size",
            Self::VhdDynamic => "dynamic VHD",
            Self::VhdDifferencing => "differencing VHD",
            Self::VhdxFixed => "VHDX of fixed size",
            Self::VhdxDynamic => "dynamic VHDX",
            Self::VhdxDifferencing => "differencing VHDX",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// Which format a file has, by its `first` and its `last` 512 bytes (all of them, if it is
/// shorter).
///
/// A damaged header is recognised as well: the file is then of that format, and [`open`] says what
/// is damaged. `None` means that no trace of a header is there: a raw image, or no image at all. A
/// file that is *named* `.vhd` or `.vhdx` has lost its header then.
pub fn recognise(first: &[u8], last: &[u8]) -> Option<Family> {
    if vhdx::recognises(first) {
        return Some(Family::Vhdx);
    }
    vhd::recognises(first, last).then_some(Family::Vhd)
}

/// Opens the disk in an image file, with all of its parents.
pub fn open(bytes: Arc<dyn ReadAt>, parents: &dyn Parents) -> Result<Disk, Error> {
    chain::open(bytes, parents)
}

/// One file of a chain, before it is joined to its parent.
#[derive(Debug)]
struct Layer {
    content: Content,
    sector_size: Option<u32>,
    kind: Kind,
    notes: Vec<String>,
    damage: Vec<String>,
    unfinished: Vec<String>,
    id: Option<[u8; 16]>,
    /// Tells apart files that have the same `id`, so that a chain that leads back to itself is
    /// seen.
    copy: [u8; 16],
    created: Option<Timestamp>,
    parent: Option<ParentLink>,
}

impl Layer {
    fn open(bytes: Arc<dyn ReadAt>) -> Result<Self, Error> {
        let mut first = [0; 512];
        let got = bytes.read_full_at(&mut first, 0)?;
        let first = first.get(..got).unwrap_or_default();
        let mut last = [0; 512];
        let got = bytes.read_full_at(&mut last, bytes.len().saturating_sub(512))?;
        let last = last.get(..got).unwrap_or_default();
        match recognise(first, last) {
            Some(Family::Vhd) => vhd::open(bytes, first, last),
            Some(Family::Vhdx) => vhdx::open(&bytes),
            None => Ok(Self::raw(bytes)),
        }
    }

    fn raw(bytes: Arc<dyn ReadAt>) -> Self {
        Self {
            content: Content::Flat(bytes),
            sector_size: None,
            kind: Kind::Raw,
            notes: Vec::new(),
            damage: Vec::new(),
            unfinished: Vec::new(),
            id: None,
            copy: [0; 16],
            created: None,
            parent: None,
        }
    }
}

/// Where the bytes of a layer are.
#[derive(Debug)]
enum Content {
    /// All of them, one after the other.
    Flat(Arc<dyn ReadAt>),
    /// In the blocks of a VHD.
    Vhd(Box<vhd::Blocks>),
    /// In the blocks of a VHDX.
    Vhdx(Box<vhdx::Blocks>),
}

/// What a differencing disk says of its parent.
#[derive(Debug)]
struct ParentLink {
    family: Family,
    /// Where it may be, as the locators give it, best first.
    paths: Vec<String>,
    /// The parent has one of these ids.
    ids: Vec<[u8; 16]>,
    /// When the parent was last changed, in seconds since 1970. Only VHD says so.
    modified: Option<i64>,
}

/// Reads `out.len()` bytes. `what` names them for the error.
fn read_exact(file: &dyn ReadAt, out: &mut [u8], at: u64, what: &str) -> Result<(), Error> {
    let wanted = out.len();
    if file.read_full_at(out, at)? == wanted {
        return Ok(());
    }
    let end = file.len();
    Err(Error::Damaged(format!(
        "the file is too short: {what} should be at byte {at} ({wanted} bytes), but the file ends at byte {end}"
    )))
}

/// Reads a piece of a block into the caller's own buffer. The caller knows that the file is long
/// enough, so an early end means that somebody has cut it short meanwhile.
fn read_piece(file: &dyn ReadAt, out: &mut [u8], at: u64) -> io::Result<usize> {
    match file.read_at(out, at)? {
        0 if !out.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
        got => Ok(got),
    }
}

/// Reads a piece that this layer does not store: from its parent, or zeros. A parent may be smaller
/// than its child. The disk is then zeros behind its end.
fn read_below(below: Option<&dyn ReadAt>, out: &mut [u8], at: u64) -> io::Result<usize> {
    let got = match below {
        Some(parent) if at < parent.len() => read_piece(parent, out, at)?,
        _ => {
            out.fill(0);
            out.len()
        }
    };
    Ok(got)
}

#[cfg(test)]
mod tests;
