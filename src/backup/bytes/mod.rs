//! The bytes of a container, wherever they lie: in a file, in memory, in a part of another
//! container, in layers on top of each other.
//!
//! In: anything that can be read at an offset ([`ReadAt`]). Out: the same, cut ([`Window`]) or
//! layered ([`Overlay`]), and a [`Reader`] for whoever reads front to back. The readers of tar and
//! zip archives and the decompressors know this trait alone, so an archive inside a file inside a
//! disk image is read by the same code as one on a disk.
//!
//! Calls go through `&dyn ReadAt`, one for a whole block: next to the system call below it, an
//! indirect call costs nothing. Whoever needs single bytes puts a [`BufReader`](io::BufReader)
//! around a [`Reader`].

mod file;
mod overlay;
mod reader;
mod window;

use std::fmt;
use std::io;
use std::sync::Arc;

pub use file::FileBytes;
pub use overlay::{Extent, InvalidExtent, Overlay};
pub use reader::Reader;
pub use window::Window;

/// Bytes that can be read at any offset, by any number of threads at once.
///
/// Contract:
/// - nothing is ever written, and no call moves a position that another call reads from;
/// - the bytes stay the same, unless somebody else changes what they come from; then a read gives
///   old bytes, new bytes or an error, and `len` stays what it was.
pub trait ReadAt: fmt::Debug + Send + Sync {
    /// Reads bytes from `offset` on into the start of `buffer`, and returns how many.
    ///
    /// - A read may be short: one that crosses the border of a layer is. [`Self::read_full_at`]
    ///   goes on until the buffer is full.
    /// - Nothing is read for an empty buffer and at the end, whether `offset` is the end itself or
    ///   lies behind it. In no other case is the result 0.
    /// - Interrupted calls are repeated here: [`io::ErrorKind::Interrupted`] is never returned.
    /// - After an error the content of `buffer` is unspecified.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// How many bytes there are; of a file, how many there were when it was opened.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads until `buffer` is full or the end is reached, and returns how many bytes it holds.
    fn read_full_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            // No bytes lie behind the last offset.
            let Some(at) = offset.checked_add(filled as u64) else { break };
            match self.read_at(&mut buffer[filled..], at)? {
                0 => break,
                got => filled += got,
            }
        }
        Ok(filled)
    }
}

impl<B: ReadAt + ?Sized> ReadAt for &B {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        (**self).read_at(buffer, offset)
    }

    fn len(&self) -> u64 {
        (**self).len()
    }
}

impl<B: ReadAt + ?Sized> ReadAt for Box<B> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        (**self).read_at(buffer, offset)
    }

    fn len(&self) -> u64 {
        (**self).len()
    }
}

impl<B: ReadAt + ?Sized> ReadAt for Arc<B> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        (**self).read_at(buffer, offset)
    }

    fn len(&self) -> u64 {
        (**self).len()
    }
}

/// Bytes in memory.
impl ReadAt for [u8] {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|start| self.get(start..)).unwrap_or_default();
        let got = rest.len().min(buffer.len());
        buffer[..got].copy_from_slice(&rest[..got]);
        Ok(got)
    }

    fn len(&self) -> u64 {
        // The slice's own length, not this one.
        <[u8]>::len(self) as u64
    }
}

/// Bytes in memory.
impl ReadAt for Vec<u8> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.as_slice().read_at(buffer, offset)
    }

    fn len(&self) -> u64 {
        self.as_slice().len() as u64
    }
}

/// Whether there are zeros alone from `offset` on. What cannot be read is none.
pub(super) fn is_all_zero(bytes: &dyn ReadAt, mut offset: u64) -> bool {
    let mut piece = [0; 4096];
    loop {
        match bytes.read_at(&mut piece, offset) {
            Ok(0) => return true,
            Ok(got) if piece[..got].iter().all(|&byte| byte == 0) => offset += got as u64,
            _ => return false,
        }
    }
}

/// What a layer answers when the bytes below it end before they should: somebody has shortened the
/// file they come from. An end in the middle must not pass for the end of the whole.
fn unless_cut_short(got: usize, wanted: usize) -> io::Result<usize> {
    if got == 0 && wanted > 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(got) }
}

#[cfg(test)]
mod layers_tests;
