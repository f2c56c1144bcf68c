//! Allocation tables: an array in the image file that says where each block is.
//!
//! A table can be large: 512 MiB for a disk of 64 TiB with blocks of 1 MiB. So it is read in pages
//! when they are needed, and the first 64 MiB of pages stay in memory. Looking up an entry of a
//! page in memory takes no lock.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::bytes::ReadAt;
use crate::image::{Error, fields};

use super::read_exact;

/// Bytes in a page. A multiple of the size of an entry.
const PAGE: usize = 1 << 16;
/// So many pages stay in memory, 64 MiB in all.
const MOST_PAGES: usize = 1024;

/// An array of entries of `N` bytes in a file.
pub(super) struct Table<const N: usize> {
    file: Arc<dyn ReadAt>,
    at: u64,
    entries: u64,
    pages: Vec<OnceLock<Box<[u8]>>>,
    kept: AtomicUsize,
}

impl<const N: usize> Table<N> {
    /// The table at byte `at`. It must end before the file does: only then is the memory for its
    /// pages bounded by what the file holds.
    pub(super) fn new(file: Arc<dyn ReadAt>, at: u64, entries: u64) -> Result<Self, Error> {
        let length = entries.checked_mul(N as u64);
        let end = length.and_then(|length| at.checked_add(length));
        let (Some(length), Some(end)) = (length, end) else {
            return Err(Error::Damaged(format!("an allocation table of {entries} entries cannot exist")));
        };
        if end > file.len() {
            let (have, entries) = (file.len(), entries);
            return Err(Error::Damaged(format!(
                "the allocation table ({entries} entries at byte {at}) reaches beyond the end of the file at byte \
                 {have}; the file was probably cut short, so copy it again or use another backup"
            )));
        }
        let pages = usize::try_from(length.div_ceil(PAGE as u64)).map_err(|_| {
            Error::Unsupported(format!("an allocation table of {entries} entries is too large"))
        })?;
        Ok(Self {
            file,
            at,
            entries,
            pages: (0..pages).map(|_| OnceLock::new()).collect(),
            kept: AtomicUsize::new(0),
        })
    }

    /// One entry.
    pub(super) fn entry(&self, index: u64) -> io::Result<[u8; N]> {
        // An index that is not in the table is refused where the entry is taken from its page.
        let at = index.saturating_mul(N as u64);
        let page_number = usize::try_from(at / PAGE as u64).unwrap_or(usize::MAX);
        let none = || Error::Damaged(format!("the allocation table has no entry {index}"));
        let page = self.pages.get(page_number).ok_or_else(none)?;
        // The remainder is less than a page.
        #[expect(clippy::cast_possible_truncation)]
        let within = (at % PAGE as u64) as usize;
        let kept = match page.get() {
            Some(kept) => kept,
            None if self.kept.fetch_add(1, Ordering::Relaxed) < MOST_PAGES => {
                let read = self.read_page(page_number)?;
                page.get_or_init(|| read)
            }
            None => {
                let mut entry = [0; N];
                read_exact(&self.file, &mut entry, self.at + at, "an entry of the allocation table")?;
                return Ok(entry);
            }
        };
        Ok(fields::array(kept, within).ok_or_else(none)?)
    }

    /// Reads a page whose number is that of a page of this table.
    fn read_page(&self, number: usize) -> Result<Box<[u8]>, Error> {
        let start = number as u64 * PAGE as u64;
        let left = (self.entries * N as u64).saturating_sub(start);
        let mut page = vec![0; usize::try_from(left).unwrap_or(PAGE).min(PAGE)];
        read_exact(&self.file, &mut page, self.at + start, "the allocation table")?;
        Ok(page.into_boxed_slice())
    }

    /// Shows all entries to `each`, in order. No page stays in memory for it.
    pub(super) fn scan(&self, mut each: impl FnMut(u64, [u8; N])) -> Result<(), Error> {
        let mut index = 0;
        for number in 0..self.pages.len() {
            for entry in self.read_page(number)?.chunks_exact(N) {
                if let Some(entry) = entry.first_chunk() {
                    each(index, *entry);
                }
                index += 1;
            }
        }
        Ok(())
    }
}

/// The entries of a table that contradict the format.
#[derive(Debug, Default)]
pub(super) struct Faults {
    count: u64,
    first: String,
}

impl Faults {
    pub(super) fn add(&mut self, error: &Error) {
        if self.count == 0 {
            self.first = error.to_string();
        }
        self.count += 1;
    }

    /// A sentence about all of them, if there are any. `format` is that of the file.
    pub(super) fn into_line(self, format: &str) -> Option<String> {
        let Self { count, first } = self;
        Some(match count {
            0 => return None,
            1 => format!("the allocation table of the {format} has a damaged entry: {first}"),
            _ => format!(
                "the allocation table of the {format} has {count} damaged entries, and their blocks cannot be read; the first: \
                 {first}"
            ),
        })
    }
}

impl<const N: usize> fmt::Debug for Table<N> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Table({} entries at {})", self.entries, self.at)
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "small numbers of tests")]
mod tests {
    use super::*;

    /// A file of `len` bytes in which every eight bytes from byte 8 on hold their own number.
    #[derive(Debug)]
    struct Counted(u64);

    impl ReadAt for Counted {
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            let got = (self.0.saturating_sub(offset) as usize).min(buffer.len());
            for (index, byte) in buffer[..got].iter_mut().enumerate() {
                let at = offset + index as u64;
                *byte = (at / 8).wrapping_sub(1).to_le_bytes()[(at % 8) as usize];
            }
            Ok(got)
        }

        fn len(&self) -> u64 {
            self.0
        }
    }

    #[test]
    fn every_entry_is_found_even_if_not_all_pages_fit_into_memory() {
        let entries = (MOST_PAGES as u64 + 3) * PAGE as u64 / 8 + 5;
        let table = Table::<8>::new(Arc::new(Counted(8 + entries * 8)), 8, entries).unwrap();
        for index in (0..entries).step_by(PAGE / 8 / 2).chain([entries - 1, 0]) {
            assert_eq!(u64::from_le_bytes(table.entry(index).unwrap()), index);
        }
        let kept = table.pages.iter().filter(|page| page.get().is_some()).count();
        assert!(kept <= MOST_PAGES, "{kept} pages are kept");
        assert!(table.entry(entries).is_err());
        assert!(table.entry(u64::MAX).is_err());
    }

    #[test]
    fn a_scan_shows_every_entry_once() {
        let entries = PAGE as u64 / 8 * 2 + 1;
        let table = Table::<8>::new(Arc::new(Counted(8 + entries * 8)), 8, entries).unwrap();
        let mut next = 0;
        table
            .scan(|index, entry| {
                assert_eq!((index, u64::from_le_bytes(entry)), (next, next));
                next += 1;
            })
            .unwrap();
        assert_eq!(next, entries);
    }

    #[test]
    fn a_table_that_the_file_cannot_hold_is_refused_before_memory_is_taken_for_it() {
        for entries in [2, u64::from(u32::MAX), u64::MAX / 8, u64::MAX] {
            let error = Table::<8>::new(Arc::new(vec![0; 15]), 0, entries).unwrap_err();
            assert!(matches!(error, Error::Damaged(_)), "{error}");
        }
    }
}
