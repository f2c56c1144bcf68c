//! The random read probe: single blocks, far from each other, each read once.

use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::platform;

use super::figures::{Figure, Probe};
use super::limits::{Slice, measure};
use super::location::{MeasuredLocation, Sampled};

/// At most this many files are open at once.
const OPEN: usize = 64;

/// Reads blocks of `block` bytes with some number of threads. `None` if all files are shorter than
/// a block.
pub fn read(
    location: &MeasuredLocation,
    files: &[Sampled],
    (threads, block): (usize, usize),
    slice: &Slice,
) -> Option<Figure> {
    let size = block as u64;
    let opened: Vec<(File, u64)> =
        files.iter().take(OPEN).filter_map(|file| location.open(&file.path).ok()).collect();
    let blocks = Blocks::new(opened.iter().map(|(_, length)| length / size));
    let next = AtomicU64::new(0);
    let done = measure(threads, slice, || {
        let mut buffer = vec![0; block];
        let (blocks, opened, next) = (&blocks, &opened, &next);
        move || {
            let (file, index) = blocks.pick(next.fetch_add(1, Ordering::Relaxed))?;
            if !slice.take(size) {
                return None;
            }
            Some(platform::read_at(&opened[file].0, &mut buffer, index * size).unwrap_or(0) as u64)
        }
    });
    Figure::new(&location.name, Probe::RandomRead, (threads, Some(size)), done)
}

/// All whole blocks of some files, in an order that jumps far and visits each block once.
struct Blocks {
    /// For each file, the number of blocks up to its end.
    ends: Vec<u64>,
    stride: u64,
}

impl Blocks {
    fn new(counts: impl Iterator<Item = u64>) -> Self {
        let mut total = 0;
        let ends = counts.map(|count| {
            total += count;
            total
        });
        let ends: Vec<_> = ends.collect();
        // About the golden ratio of the total. The blocks of such a walk are spread evenly,
        // wherever it ends.
        let mut stride = (total / 1000 * 618 + total % 1000 * 618 / 1000) | 1;
        while total > 1 && common_divisor(stride, total) != 1 {
            stride += 2;
        }
        Self { ends, stride }
    }

    /// The file and the block of step `number`; `None` after the last block.
    fn pick(&self, number: u64) -> Option<(usize, u64)> {
        let total = self.ends.last().copied().filter(|&total| number < total)?;
        let position = u128::from(number) * u128::from(self.stride) % u128::from(total);
        // Less than the total, so it fits.
        let position = u64::try_from(position).ok()?;
        let file = self.ends.partition_point(|&end| end <= position);
        let before = if file == 0 { 0 } else { self.ends[file - 1] };
        Some((file, position - before))
    }
}

fn common_divisor(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { common_divisor(other, one % other) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn every_block_is_read_once(counts in proptest::collection::vec(0_u64..40, 0..12)) {
            let blocks = Blocks::new(counts.iter().copied());
            let total: u64 = counts.iter().sum();
            let picked: BTreeSet<_> = (0..total).filter_map(|number| blocks.pick(number)).collect();
            let all: BTreeSet<_> =
                counts.iter().enumerate().flat_map(|(file, &count)| (0..count).map(move |block| (file, block))).collect();
            prop_assert_eq!(picked, all);
            prop_assert_eq!(blocks.pick(total), None);
        }
    }
}
