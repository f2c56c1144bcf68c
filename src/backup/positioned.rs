//! A file read front to back without its own position, which other readers share.

use std::fs::File;
use std::io::{self, Read};

use crate::platform;

/// Reads `file` from `offset` on.
pub(super) struct Positioned<'a> {
    pub(super) file: &'a File,
    pub(super) offset: u64,
}

impl Read for Positioned<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let got = platform::read_at(self.file, out, self.offset)?;
        self.offset += got as u64;
        Ok(got)
    }
}
