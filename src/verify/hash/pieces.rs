//! A file that is read piece by piece, without reading its holes.
//!
//! A `lastlog` of 400 GB holds a few kilobytes. Reading the zeros of its holes through the page
//! cache takes more time than hashing them. The file system tells which pieces are holes from end
//! to end: these are filled with zeros here. Each side of a pair is asked about its own holes, so a
//! hole on one side never hides data on the other.

use std::fs::File;
use std::io;

use crate::platform;

/// From this size in bytes on, a file is worth a question for each piece. Some file systems have to
/// write a new file to the disk before they answer.
const LARGE: u64 = 256 << 20;

/// An open file.
#[derive(Clone, Copy)]
pub(super) struct Pieces<'a> {
    file: &'a File,
    /// Up to this byte, the file system is asked about holes.
    asked_until: u64,
}

impl<'a> Pieces<'a> {
    /// Of a file of `size` bytes. If it is longer or shorter by now, it is read as it is.
    pub(super) fn of(file: &'a File, size: u64) -> Self {
        let is_asked = size >= LARGE && platform::has_holes(file);
        Self { file, asked_until: if is_asked { size } else { 0 } }
    }

    /// Fills `buffer` from byte `offset` on. Fewer bytes than that: the file ends.
    pub(super) fn read(self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if self.is_hole(offset, offset.saturating_add(buffer.len() as u64)) {
            buffer.fill(0);
            return Ok(buffer.len());
        }
        let mut filled = 0;
        while filled < buffer.len() {
            match platform::read_at(self.file, &mut buffer[filled..], offset + filled as u64)? {
                0 => break,
                got => filled += got,
            }
        }
        Ok(filled)
    }

    /// Whether all of this range is a hole. There is none behind the end of a file that became
    /// shorter.
    fn is_hole(self, from: u64, to: u64) -> bool {
        to <= self.asked_until
            && matches!(platform::first_data(self.file, from, to), Ok(None))
            && platform::stat(self.file).is_ok_and(|now| now.size >= to)
    }

    /// Reads the beginning. If it is exactly as long as the file should be, this is also the end,
    /// which saves the read that would return nothing.
    pub(super) fn read_first(self, buffer: &mut [u8], expected: u64) -> io::Result<usize> {
        let got = platform::read_at(self.file, buffer, 0)?;
        if got as u64 == expected || got == 0 {
            return Ok(got);
        }
        Ok(got + self.read(&mut buffer[got..], got as u64)?)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};

    use super::super::{Buffers, Hash, Hashing, describe_difference, segments};
    use super::*;
    use crate::cancel::CancelToken;
    use crate::plan::Algorithm;

    /// A file with these bytes at these places, and holes between them.
    fn sparse(size: u64, data: &[(u64, &[u8])]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        platform::allow_holes(file.as_file());
        file.as_file().set_len(size).unwrap();
        for (at, bytes) in data {
            file.seek(SeekFrom::Start(*at)).unwrap();
            file.write_all(bytes).unwrap();
        }
        file
    }

    /// Other systems are not asked where the holes are.
    #[cfg(target_os = "linux")]
    #[test]
    fn holes_are_not_read() {
        let file = sparse(LARGE, &[(100 << 20, b"data")]);
        // What is open to be written cannot be read.
        let file = File::options().write(true).open(file.path()).unwrap();
        let pieces = Pieces::of(&file, LARGE);
        let mut buffer = vec![7; 1 << 20];
        for hole in [0, (100 << 20) - (1 << 20), 200 << 20, LARGE - (1 << 20)] {
            assert_eq!(pieces.read(&mut buffer, hole).unwrap(), 1 << 20, "{hole}");
            assert!(buffer.iter().all(|&byte| byte == 0));
        }
        for data in [100 << 20, (100 << 20) - (1 << 19), LARGE - (1 << 19), LARGE] {
            assert!(pieces.read(&mut buffer, data).is_err(), "{data}");
        }
    }

    /// `tmpfs` goes through all data to find the next hole. A question for each piece of a large
    /// file took minutes. The last question leaves its answer as the file's position.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_end_of_the_data_is_not_asked_for() {
        let file = sparse(LARGE, &[(1 << 20, b"data")]);
        let mut pieces = Pieces::of(file.as_file(), LARGE);
        for piece in [0, 1 << 20] {
            assert!(!pieces.is_hole(piece, piece + (2 << 20)), "{piece}");
            assert_eq!(pieces.file.stream_position().unwrap(), 1 << 20, "the beginning of the data");
        }
    }

    #[test]
    fn a_file_with_holes_has_the_bytes_and_the_hash_that_it_has_without_this() {
        let size = (5 << 20) + 77;
        let data = [(0, &b"start"[..]), (1 << 20, b"x"), ((2 << 20) - 1, b"yz"), (size - 3, b"end")];
        let file = sparse(size, &data);
        let whole = std::fs::read(file.path()).unwrap();
        let pieces = Pieces { file: file.as_file(), asked_until: size };
        for length in [1, 4096, 65_536, 100_000, 1 << 20] {
            let (mut buffer, mut read) = (vec![9; length], Vec::<u8>::new());
            loop {
                let got = pieces.read(&mut buffer, read.len() as u64).unwrap();
                read.extend(&buffer[..got]);
                if got < length {
                    break;
                }
            }
            assert!(read == whole, "{length}");
        }
        let hashed = segments::hash(pieces, size, &CancelToken::new()).unwrap().unwrap();
        assert_eq!((hashed.hash, hashed.size), (Hash::of(Algorithm::Blake3, &whole), size));
    }

    #[test]
    fn data_on_one_side_is_not_hidden_by_a_hole_on_the_other() {
        let (hole, data) = (sparse(LARGE, &[]), sparse(LARGE, &[(LARGE - 4097, b"x")]));
        let cancel = CancelToken::new();
        for (one, other) in [(&hole, &data), (&data, &hole)] {
            let files = (one.as_file(), other.as_file());
            for threads in [1, 2] {
                let hashing = Hashing::new(Algorithm::Blake3, threads);
                let pair = hashing.pair(files, (LARGE, LARGE), &mut Buffers::default(), &cancel);
                assert_ne!(pair.original.unwrap().hash, pair.restored.unwrap().hash);
            }
            let found = describe_difference(files.0, files.1, &mut Buffers::default(), &cancel);
            let found = found.unwrap().unwrap();
            assert_eq!((found.first_offset, found.differing_bytes), (LARGE - 4097, 1));
        }
    }

    #[test]
    fn nothing_is_read_behind_the_end_of_a_file_that_became_shorter() {
        let file = sparse(LARGE, &[]);
        let pieces = Pieces::of(file.as_file(), LARGE);
        file.as_file().set_len(5).unwrap();
        assert_eq!(pieces.read(&mut [7; 4096], 0).unwrap(), 5);
        assert_eq!(pieces.read(&mut [7; 4096], 8192).unwrap(), 0);
    }
}
