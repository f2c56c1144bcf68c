//! The bytes of an open file.

use std::fs::File;
use std::io;

use crate::platform;

use super::ReadAt;

/// A file that the caller has opened for reading. The way it was opened remains in effect: whether
/// its access time changes, and whether it is read from the disk or from the system's cache.
#[derive(Debug)]
pub struct FileBytes {
    file: File,
    len: u64,
}

impl FileBytes {
    /// The bytes of `file`, which is `len` bytes long.
    pub fn new(file: File, len: u64) -> Self {
        Self { file, len }
    }
}

impl ReadAt for FileBytes {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        platform::read_at(&self.file, buffer, offset)
    }

    fn len(&self) -> u64 {
        self.len
    }
}
