//! Copies files with holes: only the ranges with data are read, written and reserved.
//!
//! In: content that knows where its data is ([`Sparse`]): an open file, or a file in an image. Out:
//! a [`Restored`] file with the same holes. A `lastlog` of 400 GB takes a few kilobytes on its
//! disk, and must not take more in the restore folder. The system tells which ranges of a file hold
//! data. If it does not, the whole file counts as data. On FAT and exFAT, holes take space like data:
//! there the whole size is reserved.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::ops::Range;

use crate::platform;

use super::reservation::Reservation;
use super::restored::cannot_write;
use super::scratch_folder::PIECE;
use super::{RestoreError, Restored, Scratch};
use crate::bytes::SequentialReader;

/// Content that knows which of its ranges hold data. Everything between them is zeros.
pub(super) trait Sparse {
    /// The first range with data at byte `from` or behind it, up to byte `size`.
    fn next_data(&self, from: u64, size: u64) -> io::Result<Option<Range<u64>>>;

    /// Reads some of the bytes from byte `at` on, and returns their number. 0: the content ends.
    fn read_data(&mut self, buffer: &mut [u8], at: u64) -> io::Result<usize>;
}

impl Sparse for &File {
    fn next_data(&self, from: u64, size: u64) -> io::Result<Option<Range<u64>>> {
        platform::next_data(self, from, size)
    }

    fn read_data(&mut self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        platform::read_at(self, buffer, at)
    }
}

impl Scratch {
    /// Makes a second copy of a restored file, which the caller holds until the copy is complete.
    pub(super) fn copy_again(&self, of: &Restored, buffer: &mut Vec<u8>) -> Result<Restored, RestoreError> {
        if of.size() >= PIECE as u64 && is_sparse(of.file(), of.size()) {
            return self.copy_sparse(1, &mut of.file(), of.size(), buffer);
        }
        let mut content = SequentialReader::new(of);
        self.restore_beside(1, &mut content, Some(of.size()), buffer)
    }

    /// A file of `size` bytes that is one hole, into which the caller writes `data` bytes, and the
    /// space for these. Where holes take space, that is reserved and taken, too.
    pub(super) fn create_sparse(
        &self,
        data: u64,
        size: u64,
        held: u64,
    ) -> Result<(Restored, Reservation<'_>), RestoreError> {
        let filled = if self.keeps_holes() { 0 } else { size.saturating_sub(data) };
        let mut reservation = self.reserve(data.saturating_add(filled), held)?;
        let mut restored = self.create_file().map_err(RestoreError::Scratch)?;
        restored.set_len(size)?;
        restored.count_filled(filled);
        reservation.use_up(filled);
        Ok((restored, reservation))
    }

    /// Whether holes take no space in the restore folder. The first call tries it.
    fn keeps_holes(&self) -> bool {
        let tries = || self.create_file().is_ok_and(|empty| platform::keeps_holes(empty.file()));
        *self.inner.keeps_holes.get_or_init(tries)
    }

    /// Restores content with holes, range by range, for a caller that holds `held` other restored
    /// files.
    pub(super) fn copy_sparse(
        &self,
        held: u64,
        from: &mut dyn Sparse,
        size: u64,
        buffer: &mut Vec<u8>,
    ) -> Result<Restored, RestoreError> {
        let (mut data, mut at) = (0, 0);
        while let Some(range) = from.next_data(at, size).map_err(RestoreError::from_read)? {
            data += range.end - range.start;
            at = range.end;
        }
        let created = self.create_sparse(data, size, held);
        let (mut restored, mut reservation) = created.map_err(|error| match error {
            RestoreError::Scratch(error) => cannot_write(error),
            other => other,
        })?;
        if buffer.len() < PIECE {
            buffer.resize(PIECE, 0);
        }
        // The end of the file, if it became shorter while it was copied.
        let mut end = size;
        let mut at = 0;
        while let Some(range) = from.next_data(at, size).map_err(RestoreError::from_read)? {
            at = range.start;
            restored.file().seek(SeekFrom::Start(at)).map_err(RestoreError::Scratch)?;
            while at < range.end {
                let piece = usize::try_from(range.end - at).unwrap_or(PIECE).min(PIECE);
                let got = from.read_data(&mut buffer[..piece], at).map_err(RestoreError::from_read)?;
                if got == 0 {
                    end = end.min(at);
                    at = range.end;
                    break;
                }
                restored.write(&buffer[..got])?;
                reservation.use_up(got as u64);
                at += got as u64;
                if self.cancel_token().is_cancelled() {
                    return Err(RestoreError::Stopped);
                }
            }
        }
        // `write` has added to the size that was set before.
        restored.set_len(end)?;
        Ok(restored)
    }
}

/// Whether a file of `size` bytes has holes. A file that takes little space because it is
/// compressed has none. May move the file's position.
pub(super) fn is_sparse(file: &File, size: u64) -> bool {
    platform::has_holes(file)
        && platform::next_data(file, 0, size).is_ok_and(|first| first.is_none_or(|first| first != (0..size)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::bytes::ReadAt;
    use crate::cancel::CancelToken;

    /// A file in an image: larger than most disks, and with little in it.
    struct Huge;

    const HUGE: u64 = 8 << 40;

    impl Sparse for Huge {
        fn next_data(&self, from: u64, size: u64) -> io::Result<Option<Range<u64>>> {
            let ranges = [5..7, (3 << 40)..(3 << 40) + (2 << 20), size - 1..size];
            Ok(ranges.into_iter().find(|range| range.start >= from))
        }

        fn read_data(&mut self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
            buffer.fill(u8::try_from(at >> 40).unwrap() + 1);
            Ok(buffer.len())
        }
    }

    #[test]
    fn what_is_larger_than_the_disk_only_by_its_holes_is_restored() {
        let target = tempfile::tempdir().unwrap();
        let scratch = Scratch::create(target.path(), CancelToken::new()).unwrap();
        let restored = scratch.copy_sparse(0, &mut Huge, HUGE, &mut Vec::new()).unwrap();
        assert_eq!(restored.size(), HUGE);
        let mut read = [9; 4];
        for (at, expected) in [
            (4, [0, 1, 1, 0]),
            ((3 << 40) - 2, [0, 0, 4, 4]),
            ((3 << 40) + (2 << 20) - 2, [4, 4, 0, 0]),
            (HUGE - 4, [0, 0, 0, 8]),
        ] {
            restored.read_full_at(&mut read, at).unwrap();
            assert_eq!(read, expected, "{at}");
        }
        // Only what was written needs space, and none is left reserved.
        assert!(scratch.restore(&mut &b"after"[..], Some(5), &mut Vec::new()).is_ok());
    }

    #[test]
    fn where_holes_take_space_a_file_that_is_too_large_by_them_is_one_that_does_not_fit() {
        let target = tempfile::tempdir().unwrap();
        let scratch = Scratch::create(target.path(), CancelToken::new()).unwrap();
        scratch.inner.keeps_holes.set(false).unwrap();
        let refused = scratch.copy_sparse(0, &mut Huge, HUGE, &mut Vec::new()).unwrap_err();
        assert!(matches!(refused, RestoreError::NoSpace { needed: HUGE, .. }), "{refused}");
        // What fits is restored, and all that was counted for it is given back.
        let mut small = tempfile::tempfile().unwrap();
        platform::allow_holes(&small);
        small.set_len(5 << 20).unwrap();
        small.write_all(b"start").unwrap();
        let copy = scratch.copy_sparse(0, &mut &small, 5 << 20, &mut Vec::new()).unwrap();
        assert_eq!((copy.size(), scratch.inner.space.written()), (5 << 20, 5 << 20));
        drop(copy);
        assert_eq!(scratch.inner.space.written(), 0);
    }

    #[test]
    fn whether_holes_take_space_is_tried_once_and_leaves_nothing() {
        let target = tempfile::tempdir().unwrap();
        let scratch = Scratch::create(target.path(), CancelToken::new()).unwrap();
        assert!(scratch.keeps_holes() && scratch.keeps_holes());
        assert_eq!(scratch.restore(&mut &b"after"[..], None, &mut Vec::new()).unwrap().size(), 5);
        assert_eq!(std::fs::metadata(scratch.path().join("000000")).unwrap().len(), 0);
    }

    #[test]
    fn a_file_with_holes_is_copied_and_copied_again_byte_by_byte() {
        let target = tempfile::tempdir().unwrap();
        let path = target.path().join("sparse");
        let mut from = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        platform::allow_holes(&from);
        from.set_len((9 << 20) + 5).unwrap();
        for (at, text) in [(0, &b"start"[..]), (3 << 20, b"in the middle"), ((9 << 20) + 2, b"end")] {
            from.seek(SeekFrom::Start(at)).unwrap();
            from.write_all(text).unwrap();
        }
        let content = std::fs::read(&path).unwrap();
        let scratch = Scratch::create(target.path(), CancelToken::new()).unwrap();
        from.rewind().unwrap();
        let first = scratch.copy(&mut from, content.len() as u64, &mut Vec::new()).unwrap();
        let second = scratch.copy_again(&first, &mut Vec::new()).unwrap();
        for copy in [&first, &second] {
            let mut found = vec![0; content.len() + 1];
            let got = copy.read_full_at(&mut found, 0).unwrap();
            assert_eq!(copy.size(), content.len() as u64);
            assert!(found[..got] == content);
        }
        drop((first, second));
        assert_eq!(scratch.restore(&mut &b"after"[..], None, &mut Vec::new()).unwrap().size(), 5);
    }
}
