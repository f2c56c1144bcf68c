//! Applies the active sequence of a log, in memory: the changes become a layer on top of the file.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crate::bytes::{Extent, Overlay, ReadAt};
use crate::image::Error;

use super::super::header::Header;
use super::entry::Change;
use super::sequence::Active;
use super::{LARGEST, SECTOR};

/// A file is not extended above this by its log: 64 TiB of disk and its tables fit.
const LARGEST_FILE: u64 = 128 << 40;

/// The file with the changes of the sequence, and as long as the format wants it (2.3.3): every
/// change is within it, and so is `LastFileOffset` of the head.
pub(super) fn apply(
    file: Arc<dyn ReadAt>,
    header: &Header,
    active: &Active<'_>,
) -> Result<Arc<dyn ReadAt>, Error> {
    let mut changes = Changes::default();
    for entry in &active.entries {
        let mut data_sector = entry.at + entry.descriptor_sectors();
        active.ring.changes(entry, |change| {
            match change {
                Some(Change::Zeros { at, length }) => changes.zeros(at, length),
                Some(Change::Data { at, leading, trailing }) => {
                    let mut sector = [0; SECTOR];
                    active.ring.read(data_sector, &mut sector)?;
                    data_sector += 1;
                    let [first @ .., _, _, _, _] = &mut sector;
                    if let Some(start) = first.first_chunk_mut() {
                        *start = leading;
                    }
                    if let Some(end) = sector.last_chunk_mut() {
                        *end = trailing;
                    }
                    changes.data(at, &sector);
                }
                None => {
                    return Err(Error::Damaged(
                        "the log of the VHDX has changed while it was read".to_owned(),
                    ));
                }
            }
            Ok(())
        })?;
    }
    let end = changes.end().max(active.head.last).max(file.len());
    if end > LARGEST_FILE.max(file.len()) {
        return Err(Error::Damaged(format!(
            "the log of the VHDX (at byte {}) wants the file to have {end} bytes, more than any VHDX needs",
            header.log_at
        )));
    }
    let (top, extents) = changes.layer();
    let base = Extended { inner: file, len: end };
    let overlay = Overlay::new(base, top, extents);
    Ok(Arc::new(
        overlay.map_err(|why| Error::Damaged(format!("the log of the VHDX cannot be applied: {why}")))?,
    ))
}

/// Ranges of the file that the log replaces. None overlap; a later change wins.
#[derive(Debug, Default)]
struct Changes {
    /// By where a range begins: its end, and where its bytes are in `data`, or `None` for zeros.
    ranges: BTreeMap<u64, (u64, Option<u64>)>,
    data: Vec<u8>,
}

impl Changes {
    fn zeros(&mut self, at: u64, length: u64) {
        self.put(at, at.saturating_add(length), None);
    }

    /// At most as many sectors as the log has come here, so `data` is not larger than the log.
    fn data(&mut self, at: u64, sector: &[u8; SECTOR]) {
        let from = self.data.len() as u64;
        self.data.extend_from_slice(sector);
        self.put(at, at.saturating_add(SECTOR as u64), Some(from));
    }

    fn put(&mut self, at: u64, end: u64, from: Option<u64>) {
        if at >= end {
            return;
        }
        // Of those ranges that begin before the end of the new one, those reach into it that end
        // behind its start. As none overlap, they are the last ones.
        while let Some((&start, &(old_end, old_from))) = self.ranges.range(..end).next_back() {
            if old_end <= at {
                break;
            }
            self.ranges.remove(&start);
            if old_end > end {
                self.ranges.insert(end, (old_end, old_from.map(|from| from + (end - start))));
            }
            if start < at {
                self.ranges.insert(start, (at, old_from));
            }
        }
        self.ranges.insert(at, (end, from));
    }

    fn end(&self) -> u64 {
        self.ranges.last_key_value().map_or(0, |(_, &(end, _))| end)
    }

    fn layer(self) -> (Top, Vec<Extent>) {
        let zeros_at = self.data.len() as u64;
        let extent = |(at, (end, from)): (u64, (u64, Option<u64>))| Extent {
            at,
            len: end - at,
            from: from.unwrap_or(zeros_at),
        };
        let extents: Vec<Extent> = self.ranges.into_iter().map(extent).collect();
        debug_assert!(zeros_at <= u64::from(LARGEST));
        (Top { data: self.data }, extents)
    }
}

/// The data of a log, followed by zeros without end.
#[derive(Debug)]
struct Top {
    data: Vec<u8>,
}

impl ReadAt for Top {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.data.read_at(buffer, offset)? {
            0 => {
                buffer.fill(0);
                Ok(buffer.len())
            }
            got => Ok(got),
        }
    }

    fn len(&self) -> u64 {
        u64::MAX
    }
}

/// A file that is followed by zeros, up to a length.
#[derive(Debug)]
struct Extended {
    inner: Arc<dyn ReadAt>,
    len: u64,
}

impl ReadAt for Extended {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if offset < self.inner.len() {
            return self.inner.read_at(buffer, offset);
        }
        let wanted = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX).min(buffer.len());
        let out = buffer.get_mut(..wanted).unwrap_or_default();
        out.fill(0);
        Ok(out.len())
    }

    fn len(&self) -> u64 {
        self.len
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "small numbers of tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn changes_in_order_are_what_writing_them_in_order_gives(
            writes in prop::collection::vec((0u64..20, 1u64..8, any::<bool>(), 1u8..255), 0..30),
        ) {
            let mut file = vec![0xee; 10 * SECTOR];
            let mut changes = Changes::default();
            let base: Arc<dyn ReadAt> = Arc::new(file.clone());
            for (page, count, is_zero, byte) in writes {
                let (from, count) = (page as usize * SECTOR, if is_zero { count as usize } else { 1 });
                let to = from + count * SECTOR;
                file.resize(file.len().max(to), 0);
                if is_zero {
                    changes.zeros(from as u64, (to - from) as u64);
                    file[from..to].fill(0);
                } else {
                    changes.data(from as u64, &[byte; SECTOR]);
                    file[from..to].fill(byte);
                }
            }
            let len = changes.end().max(base.len());
            let (top, extents) = changes.layer();
            let overlay = Overlay::new(Extended { inner: base, len }, top, extents).unwrap();
            let mut read = vec![1; file.len() + 1];
            prop_assert_eq!(overlay.read_full_at(&mut read, 0).unwrap(), file.len());
            prop_assert_eq!(&read[..file.len()], &file[..]);
        }
    }
}
