//! The content of one file, piece by piece.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use rustic_core::{DataId, Id};

use super::repository::{Opened, Problem};

/// Reads the pieces of a file, one after the other. At most one is in memory.
pub(super) struct Content<'a> {
    repository: &'a Opened,
    /// The hashes of the pieces that are left, 32 bytes each.
    left: &'a [u8],
    piece: Bytes,
    /// Why a read has failed.
    problem: Option<Problem>,
}

impl<'a> Content<'a> {
    /// The content of the file with this handle.
    pub(super) fn new(repository: &'a Opened, handle: &'a [u8]) -> Self {
        Self { repository, left: handle, piece: Bytes::new(), problem: None }
    }

    /// Why a read has failed, if it was the repository that failed.
    pub(super) fn into_problem(self) -> Option<Problem> {
        self.problem
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            let Some((&hash, left)) = self.left.split_first_chunk::<32>() else { return Ok(0) };
            self.left = left;
            self.piece = self.repository.blob::<DataId>(Id::new(hash)).map_err(|problem| {
                self.problem = Some(problem);
                io::Error::from(io::ErrorKind::InvalidData)
            })?;
        }
        let count = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
