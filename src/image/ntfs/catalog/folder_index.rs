//! The index of one folder: which of its blocks are in use, and where they are on the volume.
//!
//! In: what the records of the folder say, in any order. Out: [`Block`]s.

use std::ops::Range;

use super::index::{Flaw, blocks_in_use, vcn_unit};
use crate::image::ntfs::Volume;
use crate::image::ntfs::runs::Run;

/// The smallest block of an index.
pub(super) const MIN_BLOCK: u64 = 512;

/// What the indexes of all folders may still need. On a sound volume, no two of them share a place.
/// An image whose folders do costs neither memory nor time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Bytes of bitmaps.
    pub bitmaps: u64,
    /// Bytes of blocks.
    pub blocks: u64,
}

impl Room {
    /// As much as fits on a volume.
    pub fn of(volume: &Volume) -> Self {
        let blocks = volume.bytes().len();
        Self { bitmaps: blocks / MIN_BLOCK / 8, blocks }
    }
}

/// Takes bytes from what is left.
fn take(left: &mut u64, bytes: u64) -> Result<(), Flaw> {
    *left = left.checked_sub(bytes).ok_or("the indexes of all folders need more than the volume")?;
    Ok(())
}

/// A part of what is known about the index of a folder.
#[derive(Debug)]
pub(super) enum Part {
    BlockSize(u32),
    Run(Run),
    Bits(Box<[u8]>),
    /// A part of the bitmap is in these clusters.
    BitmapRun(Run),
    /// The bitmap is in clusters, and has this many bytes.
    BitmapSize(u64),
}

/// A block of an index.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    /// Where it begins on the volume.
    pub at: u64,
    pub size: u32,
    pub folder: u32,
    pub vcn: u64,
    /// It is in several places of the volume, of which the first is `at`.
    pub is_split: bool,
}

impl Block {
    /// The byte of the volume behind it, if it is in one place.
    pub fn end(&self) -> u64 {
        self.at.saturating_add(self.size.into())
    }
}

/// The index of one folder.
pub(super) struct FolderIndex<'p> {
    pub volume: &'p Volume,
    pub folder: u32,
    /// All parts of it.
    pub parts: &'p [(u32, Part)],
    pub cluster_size: u64,
}

impl FolderIndex<'_> {
    /// Adds the blocks in use, until there are `most`, or no room is left.
    pub fn blocks(&self, room: &mut Room, most: usize, blocks: &mut Vec<Block>) -> Result<(), Flaw> {
        let runs = runs_of(self.parts, Part::run);
        let bitmap = self.bitmap(&runs, &mut room.bitmaps)?;
        let mut in_use = blocks_in_use(&bitmap).peekable();
        if in_use.peek().is_none() {
            return Ok(());
        }
        let size = self.parts.iter().find_map(|(_, part)| match part {
            Part::BlockSize(size) => Some(*size),
            _ => None,
        });
        let size = size.ok_or("blocks of its index are in use, but its root leads to none")?;
        let unit = vcn_unit(size.into(), self.cluster_size);
        for number in in_use {
            if blocks.len() >= most {
                return Err("the indexes of all folders have more blocks than all names could fill");
            }
            take(&mut room.blocks, size.into())?;
            let begin = number.saturating_mul(size.into());
            let places = places_of(begin..begin.saturating_add(size.into()), &runs, self.cluster_size)?;
            let at = places.first().map_or(0, |place| place.start);
            let vcn = begin / unit;
            blocks.push(Block { at, size, folder: self.folder, vcn, is_split: places.len() > 1 });
        }
        Ok(())
    }

    /// The bits of all blocks that there are.
    fn bitmap(&self, runs: &[Run], left: &mut u64) -> Result<Vec<u8>, Flaw> {
        let unreadable = "the bitmap of its index cannot be read";
        let mut bitmap = Vec::new();
        let mut stated = None;
        for (_, part) in self.parts {
            match part {
                Part::Bits(bits) => bitmap.extend_from_slice(bits),
                Part::BitmapSize(size) => stated = Some(*size),
                _ => {}
            }
        }
        let bitmap_runs = runs_of(self.parts, Part::bitmap_run);
        let Some(stated) = stated else {
            return if bitmap_runs.is_empty() { Ok(bitmap) } else { Err(unreadable) };
        };
        // Behind the bits of the last block there may be others, which stand for nothing.
        let bytes = runs.last().map_or(0, Run::end_vcn).saturating_mul(self.cluster_size);
        let needed = stated.min(bytes.div_ceil(MIN_BLOCK * 8));
        if needed == 0 {
            return Ok(bitmap);
        }
        take(left, needed)?;
        for place in places_of(0..needed, &bitmap_runs, self.cluster_size).map_err(|_| unreadable)? {
            let begin = bitmap.len();
            let length = usize::try_from(place.end - place.start).map_err(|_| unreadable)?;
            bitmap.resize(begin.saturating_add(length), 0);
            if !read_whole(self.volume, bitmap.get_mut(begin..).unwrap_or_default(), place.start) {
                return Err(unreadable);
            }
        }
        Ok(bitmap)
    }
}

impl Part {
    pub fn run(&self) -> Option<Run> {
        match self {
            Self::Run(run) => Some(*run),
            _ => None,
        }
    }

    fn bitmap_run(&self) -> Option<Run> {
        match self {
            Self::BitmapRun(run) => Some(*run),
            _ => None,
        }
    }
}

/// The runs of an index or of its bitmap, in their order.
pub(super) fn runs_of(parts: &[(u32, Part)], of: impl Fn(&Part) -> Option<Run>) -> Vec<Run> {
    let mut runs: Vec<_> = parts.iter().filter_map(|(_, part)| of(part)).collect();
    runs.sort_unstable_by_key(|run| run.vcn);
    runs
}

/// Where bytes of a value are on the volume. Almost always, that is one place.
pub(super) fn places_of(bytes: Range<u64>, runs: &[Run], cluster_size: u64) -> Result<Vec<Range<u64>>, Flaw> {
    let nowhere = "a block of its index is nowhere on the volume";
    let in_bytes = |clusters: u64| clusters.checked_mul(cluster_size).ok_or(nowhere);
    let first = runs.partition_point(|run| run.end_vcn() <= bytes.start / cluster_size);
    let mut places: Vec<Range<u64>> = Vec::new();
    let mut at = bytes.start;
    for run in runs.get(first..).unwrap_or_default() {
        let inside = at.checked_sub(in_bytes(run.vcn)?).ok_or(nowhere)?;
        let length = in_bytes(run.length)?.checked_sub(inside).ok_or(nowhere)?.min(bytes.end - at);
        let begin = in_bytes(run.lcn.ok_or(nowhere)?)?.checked_add(inside).ok_or(nowhere)?;
        let end = begin.checked_add(length).ok_or(nowhere)?;
        match places.last_mut() {
            Some(last) if last.end == begin => last.end = end,
            _ => places.push(begin..end),
        }
        at += length;
        if at == bytes.end {
            return Ok(places);
        }
    }
    Err(nowhere)
}

/// Fills the buffer from the volume, if that is possible.
pub(super) fn read_whole(volume: &Volume, buffer: &mut [u8], at: u64) -> bool {
    volume.bytes().read_full_at(buffer, at).is_ok_and(|got| got == buffer.len())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::tests::{Patched, VOLUME};
    use super::*;

    /// A bitmap in two clusters of the volume, whose parts are in two records.
    #[test]
    fn a_bitmap_that_is_split_over_records_is_read_in_its_order() {
        let size = VOLUME.as_slice().len() / 1024;
        let (first, second) = (size - 10, size - 20);
        let patches = vec![(first * 1024, vec![1; 1024]), (second * 1024, vec![2; 1024])];
        let volume = Volume::open(Arc::new(Patched { volume: VOLUME.clone(), patches })).unwrap();
        let run = |vcn, cluster| Run { vcn, length: 1, lcn: Some(u64::try_from(cluster).unwrap()) };
        let parts = [
            (30, Part::BitmapRun(run(1, second))),
            (30, Part::BitmapRun(run(0, first))),
            (30, Part::BitmapSize(1500)),
        ];
        let blocks = [Run { vcn: 0, length: 100_000, lcn: Some(0) }];
        let index = |parts| FolderIndex { volume: &volume, folder: 30, parts, cluster_size: 1024 };
        let mut left = 2000;
        let bitmap = index(&parts).bitmap(&blocks, &mut left).unwrap();
        assert_eq!(bitmap, [vec![1; 1024], vec![2; 476]].concat());
        assert_eq!(left, 500);
        assert!(index(&parts).bitmap(&blocks, &mut left).is_err(), "all bitmaps together are too long");
        assert!(index(&parts[1..]).bitmap(&blocks, &mut 2000).is_err(), "a part is missing");
        // Only the bits of blocks that there are.
        assert_eq!(index(&parts).bitmap(&[run(0, 0)], &mut left).unwrap(), [1]);
    }

    /// Thousands of folders with the same clusters: without a limit, a small image costs gigabytes.
    #[test]
    fn folders_that_share_blocks_have_no_more_of_them_than_the_volume_has_room_for() {
        let volume = Volume::open(VOLUME.clone()).unwrap();
        let mut room = Room::of(&volume);
        let run = Run { vcn: 0, length: 64, lcn: Some(0) };
        let parts = [
            (30, Part::BlockSize(4096)),
            (30, Part::Run(run)),
            (30, Part::Bits(vec![0xFF; 2].into_boxed_slice())),
        ];
        let index = FolderIndex { volume: &volume, folder: 30, parts: &parts, cluster_size: 1024 };
        let mut blocks = Vec::new();
        let added = (0..100_000).take_while(|_| index.blocks(&mut room, usize::MAX, &mut blocks).is_ok());
        assert!(added.count() > 0);
        assert_eq!(blocks.len() as u64, volume.bytes().len() / 4096);
    }

    fn pairs(places: Result<Vec<Range<u64>>, Flaw>) -> Option<Vec<(u64, u64)>> {
        Some(places.ok()?.into_iter().map(|place| (place.start, place.end)).collect())
    }

    #[test]
    fn a_block_is_found_through_all_runs_that_hold_it_and_nowhere_else() {
        let run = |vcn, length, lcn| Run { vcn, length, lcn };
        let runs = [
            run(0, 3, Some(100)),
            run(3, 2, Some(103)),
            run(5, 4, None),
            run(9, 4, Some(50)),
            run(13, 9, Some(7)),
        ];
        let places = |begin: u64| pairs(places_of(begin..begin + 4096, &runs, 1024));
        assert_eq!(places(0), Some(vec![(102_400, 106_496)]));
        assert_eq!(places(1024), Some(vec![(103_424, 107_520)]), "two runs that continue each other");
        assert!(places(4096).is_none(), "partly in a hole");
        assert_eq!(places(9 * 1024), Some(vec![(51_200, 55_296)]));
        assert_eq!(places(11 * 1024), Some(vec![(53_248, 55_296), (7168, 9216)]), "two runs in other places");
        assert!(places(20 * 1024).is_none(), "over the end");
        assert!(places(1 << 40).is_none());
    }

    #[test]
    fn a_block_that_is_smaller_than_a_cluster_is_inside_it() {
        let runs = [Run { vcn: 0, length: 2, lcn: Some(7) }];
        let at = 7 * 65536 + 4096;
        assert_eq!(pairs(places_of(4096..8192, &runs, 65536)), Some(vec![(at, at + 4096)]));
        let at = at + 65536;
        assert_eq!(pairs(places_of(69632..73728, &runs, 65536)), Some(vec![(at, at + 4096)]));
    }
}
