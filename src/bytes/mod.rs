//! The bytes of a container, wherever they are stored: in a file, in memory, in a part of another
//! container, in layers on top of each other.
//!
//! In: anything that can be read at an offset ([`ReadAt`]). Out: a part of it ([`Window`]), layers
//! on top of it ([`Overlay`]), or a [`SequentialReader`] that reads it front to back. The readers
//! of tar and zip archives and the decompressors know only this trait. So an archive inside a file
//! inside a disk image is read by the same code as an archive on a disk.
//!
//! Calls go through `&dyn ReadAt`, one for a whole block. Compared with the system call below it,
//! an indirect call costs nothing. To read single bytes, put a [`BufReader`](io::BufReader) around
//! a [`SequentialReader`].

mod file;
mod overlay;
mod reader;
mod window;

use std::fmt;
use std::io;
use std::sync::Arc;

pub use file::FileBytes;
pub use overlay::{Extent, InvalidExtent, Overlay};
pub use reader::SequentialReader;
pub use window::Window;

/// Bytes that can be read at any offset, by any number of threads at once.
///
/// Contract:
/// - Nothing is ever written, and no call moves a position that another call reads from.
/// - The bytes stay the same, unless someone else changes the file that they come from. Then a read
///   returns old bytes, new bytes or an error, and `len` does not change.
pub trait ReadAt: fmt::Debug + Send + Sync {
    /// Reads bytes from `offset` on into the start of `buffer`, and returns their number.
    ///
    /// - A read may be short, for example at the border of a layer. [`Self::read_full_at`] goes on
    ///   until the buffer is full.
    /// - The result is 0 only if the buffer is empty or `offset` is at or behind the end.
    /// - Interrupted calls are repeated here: [`io::ErrorKind::Interrupted`] is never returned.
    /// - After an error, the content of `buffer` is unspecified.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// The number of bytes. For a file, this is its length when it was opened.
    fn len(&self) -> u64;

    /// Whether there are no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads until `buffer` is full or the end is reached. Returns the number of bytes read.
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
        // The length of the slice itself; `self.len()` would call this method again.
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

/// Whether all bytes from `offset` on are zeros. `false` if they cannot be read.
pub fn is_all_zero(bytes: &dyn ReadAt, mut offset: u64) -> bool {
    let mut piece = [0; 4096];
    loop {
        match bytes.read_at(&mut piece, offset) {
            Ok(0) => return true,
            Ok(got) if piece[..got].iter().all(|&byte| byte == 0) => offset += got as u64,
            _ => return false,
        }
    }
}

/// The result of a read in a layer. If the bytes below the layer end before they should, someone
/// has shortened their file. That is an error, because an end in the middle must not be taken for
/// the end of the whole.
fn unless_cut_short(got: usize, wanted: usize) -> io::Result<usize> {
    if got == 0 && wanted > 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(got) }
}
