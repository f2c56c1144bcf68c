//! Where the indexes of all folders are, and one pass over them.
//!
//! In: what a scan of the $MFT found of the indexes: run lists, bitmaps, the children of roots. Out:
//! every block that is in use, in the order of the disk. So a disk need not seek for each folder.
//!
//! Blocks name their parents and children by numbers from the image. Whether they form a tree is
//! checked by [`is_tree`], without recursion.

use std::collections::HashMap;
use std::ops::{ControlFlow, Range};

use super::index::{self, Entry, Node, Why, blocks_in_use, vcn_unit};
use crate::image::ntfs::boot::Geometry;
use crate::image::ntfs::extents::Extents;
use crate::image::ntfs::runs::Run;
use crate::image::ntfs::{Volume, fixups};

/// The most bytes that are read at once, and the largest gap that is read with them.
const READ: u64 = 1 << 20;
const GAP: u64 = 64 << 10;
/// The longest bitmap of one folder: for 512 GiB of blocks of 4 KiB.
const MAX_BITMAP: u64 = 16 << 20;
/// Blocks of folders beyond what names need (see [`Parts::blocks`]).
const SPARE_BLOCKS: u64 = 100_000;
/// The parent of blocks that are children of a root.
const ROOT: u64 = u64::MAX;

/// A part of what is known about the index of a folder.
#[derive(Debug)]
enum Part {
    BlockSize(u32),
    Run(Run),
    Bits(Box<[u8]>),
    /// The bitmap is in clusters, and has this many bytes.
    BitsElsewhere(Extents, u64),
}

/// One block of an index is the parent of another. Both are VCNs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    folder: u32,
    from: u64,
    to: u64,
}

/// A block of an index.
#[derive(Debug, Clone, Copy)]
struct Block {
    /// Where it begins on the volume.
    at: u64,
    size: u32,
    folder: u32,
    vcn: u64,
    /// It is in several places of the volume, of which the first is `at`.
    is_split: bool,
}

/// What is known about the indexes of folders. Folders are called by the numbers of their records.
#[derive(Debug)]
pub(super) struct Parts {
    cluster_size: u64,
    parts: Vec<(u32, Part)>,
    edges: Vec<Edge>,
    /// Folders whose index is damaged, and how.
    broken: HashMap<u32, Why>,
}

impl Parts {
    pub fn new(geometry: &Geometry) -> Self {
        Self {
            cluster_size: geometry.cluster_size.into(),
            parts: Vec::new(),
            edges: Vec::new(),
            broken: HashMap::new(),
        }
    }

    /// The root has children, which have this size.
    pub fn block_size(&mut self, folder: u32, size: u32) {
        self.parts.push((folder, Part::BlockSize(size)));
    }

    /// The root has a child.
    pub fn root_child(&mut self, folder: u32, vcn: u64) {
        self.edges.push(Edge { folder, from: ROOT, to: vcn });
    }

    /// Some of the blocks are there.
    pub fn extents(&mut self, folder: u32, runs: &[Run]) {
        self.parts.extend(runs.iter().map(|run| (folder, Part::Run(*run))));
    }

    /// These blocks are in use.
    pub fn bits(&mut self, folder: u32, bits: &[u8]) {
        if bits.iter().any(|byte| *byte != 0) {
            self.parts.push((folder, Part::Bits(bits.into())));
        }
    }

    /// Which blocks are in use is told in these clusters.
    pub fn bits_elsewhere(&mut self, folder: u32, extents: Extents, size: u64) {
        self.parts.push((folder, Part::BitsElsewhere(extents, size)));
    }

    /// The index of the folder is damaged.
    pub fn broken(&mut self, folder: u32, why: Why) {
        self.broken.entry(folder).or_insert(why);
    }

    /// Folders whose index is damaged, and how.
    pub fn all_broken(&self) -> &HashMap<u32, Why> {
        &self.broken
    }

    /// All blocks in use, in the order of the disk. Damage is kept in [`Self::all_broken`].
    ///
    /// `names` is the number of names on the volume. Every block has at least one, except that a
    /// leaf may be empty for a while. So there are no more blocks than names, and an image that
    /// claims so does not cost memory and time for them.
    fn blocks(&mut self, names: u64) -> Vec<Block> {
        self.parts.sort_by_key(|(folder, _)| *folder);
        let most = usize::try_from(2 * names.saturating_add(SPARE_BLOCKS)).unwrap_or(usize::MAX);
        let mut blocks = Vec::new();
        for group in self.parts.chunk_by(|(one, _), (other, _)| one == other) {
            let Some((folder, _)) = group.first() else { continue };
            let added = blocks_of(*folder, group, self.cluster_size, &mut blocks, most);
            if let Err(why) = added {
                self.broken.entry(*folder).or_insert(why);
            }
        }
        blocks.sort_unstable_by_key(|block| block.at);
        blocks
    }

    /// Hands every entry of every block to `each`, with the number of the folder, and checks that
    /// blocks form trees.
    pub fn entries(
        &mut self,
        volume: &Volume,
        names: u64,
        is_cancelled: &dyn Fn() -> bool,
        each: &mut dyn FnMut(u32, &Entry<'_>),
    ) -> ControlFlow<()> {
        let mut blocks = self.blocks(names);
        let mut edges = std::mem::take(&mut self.edges);
        self.sweep(volume, &blocks, is_cancelled, &mut |block, node| {
            for entry in node.entries() {
                let entry = entry?;
                edges.extend(entry.child.map(|to| Edge { folder: block.folder, from: block.vcn, to }));
                each(block.folder, &entry);
            }
            Ok(())
        })?;
        edges.sort_unstable();
        blocks.sort_unstable_by_key(|block| (block.folder, block.vcn));
        self.check_trees(&blocks, &edges);
        ControlFlow::Continue(())
    }

    /// Hands every entry in the blocks of one folder to `each`.
    pub fn entries_of(&mut self, volume: &Volume, folder: u32, each: &mut dyn FnMut(&Entry<'_>)) {
        let mut blocks = Vec::new();
        if blocks_of(folder, self.of(folder), self.cluster_size, &mut blocks, usize::MAX).is_err() {
            return;
        }
        let _ = self.sweep(volume, &blocks, &|| false, &mut |_, node| {
            for entry in node.entries() {
                each(&entry?);
            }
            Ok(())
        });
    }

    /// The parts of one folder. They must be sorted, as [`Self::blocks`] does.
    fn of(&self, folder: u32) -> &[(u32, Part)] {
        let begin = self.parts.partition_point(|(other, _)| *other < folder);
        let end = self.parts.partition_point(|(other, _)| *other <= folder);
        self.parts.get(begin..end).unwrap_or_default()
    }

    /// Reads blocks, which are in the order of the disk, and hands each to `each`.
    fn sweep(
        &mut self,
        volume: &Volume,
        blocks: &[Block],
        is_cancelled: &dyn Fn() -> bool,
        each: &mut dyn FnMut(&Block, Node<'_>) -> Result<(), Why>,
    ) -> ControlFlow<()> {
        let mut buffer = Vec::new();
        let mut rest = blocks;
        while let Some(first) = rest.first() {
            if is_cancelled() {
                return ControlFlow::Break(());
            }
            let (together, behind) = rest.split_at(how_many_together(rest));
            rest = behind;
            let end = together.iter().map(Block::end).max().unwrap_or(first.at);
            buffer.resize(usize::try_from(end.saturating_sub(first.at)).unwrap_or(0), 0);
            let is_read = read_whole(volume, &mut buffer, first.at);
            for block in together {
                let begin = usize::try_from(block.at - first.at).unwrap_or(0);
                let bytes = buffer.get_mut(begin..).and_then(|rest| rest.get_mut(..block.size as usize));
                let bytes = bytes.unwrap_or_default();
                let is_there = match block.is_split {
                    true => self.read_split(volume, block, bytes),
                    // One place that cannot be read must not cost the blocks around it.
                    false => is_read || read_whole(volume, bytes, block.at),
                };
                let looked_at = match is_there {
                    true => check(bytes, block.vcn).and_then(|node| each(block, node)),
                    false => Err("a block of its index cannot be read"),
                };
                if let Err(why) = looked_at {
                    self.broken(block.folder, why);
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Reads a block that is in several places.
    fn read_split(&self, volume: &Volume, block: &Block, mut bytes: &mut [u8]) -> bool {
        let begin = block.vcn.saturating_mul(vcn_unit(block.size.into(), self.cluster_size));
        let wanted = begin..begin.saturating_add(block.size.into());
        let Ok(places) = places(wanted, &runs_of(self.of(block.folder)), self.cluster_size) else {
            return false;
        };
        for place in places {
            let length = usize::try_from(place.end - place.start).unwrap_or(usize::MAX);
            let Some((piece, rest)) = bytes.split_at_mut_checked(length) else { return false };
            if !read_whole(volume, piece, place.start) {
                return false;
            }
            bytes = rest;
        }
        bytes.is_empty()
    }

    fn check_trees(&mut self, blocks: &[Block], edges: &[Edge]) {
        let (mut blocks, mut edges) = (blocks, edges);
        while let Some(folder) =
            blocks.first().map(|b| b.folder).into_iter().chain(edges.first().map(|e| e.folder)).min()
        {
            let (of_folder, rest) = blocks.split_at(blocks.partition_point(|block| block.folder == folder));
            let (within, rest_edges) = edges.split_at(edges.partition_point(|edge| edge.folder == folder));
            (blocks, edges) = (rest, rest_edges);
            if !is_tree(of_folder, within) {
                self.broken(folder, "the blocks of its index do not form a tree");
            }
        }
    }
}

impl Block {
    fn end(&self) -> u64 {
        self.at.saturating_add(self.size.into())
    }
}

/// How many of these blocks are read at once: at least one.
fn how_many_together(blocks: &[Block]) -> usize {
    let Some(first) = blocks.first() else { return 0 };
    let mut end = first.end();
    let more = blocks.iter().skip(1).take_while(|block| {
        let fits = block.at <= end.saturating_add(GAP) && block.end() - first.at <= READ;
        end = end.max(block.end());
        fits
    });
    1 + more.count()
}

/// Fills the buffer from the volume, if that is possible.
fn read_whole(volume: &Volume, buffer: &mut [u8], at: u64) -> bool {
    volume.bytes().read_full_at(buffer, at).is_ok_and(|got| got == buffer.len())
}

/// Undoes the update sequence of a block, and finds its entries.
fn check(bytes: &mut [u8], vcn: u64) -> Result<Node<'_>, Why> {
    fixups::apply(bytes).map_err(|_| "a block of its index is torn")?;
    index::block(bytes, vcn)
}

/// Adds the blocks in use of one folder, from all `parts` of its index.
fn blocks_of(
    folder: u32,
    parts: &[(u32, Part)],
    cluster_size: u64,
    blocks: &mut Vec<Block>,
    most: usize,
) -> Result<(), Why> {
    let mut size = None;
    let mut bitmap = Vec::new();
    for (_, part) in parts {
        match part {
            Part::BlockSize(stated) => size = Some(*stated),
            Part::Run(_) => {}
            Part::Bits(bits) => bitmap.extend_from_slice(bits),
            Part::BitsElsewhere(place, length) => read_bits(place, *length, &mut bitmap)?,
        }
    }
    let mut in_use = blocks_in_use(&bitmap).peekable();
    if in_use.peek().is_none() {
        return Ok(());
    }
    let size = size.ok_or("blocks of its index are in use, but its root leads to none")?;
    let unit = vcn_unit(size.into(), cluster_size);
    let runs = runs_of(parts);
    for number in in_use {
        if blocks.len() >= most {
            return Err("the indexes of all folders have more blocks than all names could fill");
        }
        let begin = number.saturating_mul(size.into());
        let places = places(begin..begin.saturating_add(size.into()), &runs, cluster_size)?;
        let at = places.first().map_or(0, |place| place.start);
        blocks.push(Block { at, size, folder, vcn: begin / unit, is_split: places.len() > 1 });
    }
    Ok(())
}

/// The runs of an index, in their order.
fn runs_of(parts: &[(u32, Part)]) -> Vec<Run> {
    let run = |(_, part): &(u32, Part)| match part {
        Part::Run(run) => Some(*run),
        _ => None,
    };
    let mut runs: Vec<_> = parts.iter().filter_map(run).collect();
    runs.sort_unstable_by_key(|run| run.vcn);
    runs
}

/// Where bytes of a value are on the volume. Almost always, that is one place.
fn places(bytes: Range<u64>, runs: &[Run], cluster_size: u64) -> Result<Vec<Range<u64>>, Why> {
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

fn read_bits(extents: &Extents, length: u64, bitmap: &mut Vec<u8>) -> Result<(), Why> {
    let unreadable = "the bitmap of its index cannot be read";
    let length = length.min(extents.size().ok_or(unreadable)?).min(MAX_BITMAP);
    bitmap.resize(usize::try_from(length).map_err(|_| unreadable)?, 0);
    extents.read(bitmap, 0).map_err(|_| unreadable)
}

/// Whether the root leads to each of these blocks in exactly one way, and to no others. Both lists
/// are of one folder, and sorted.
fn is_tree(blocks: &[Block], edges: &[Edge]) -> bool {
    if blocks.len() != edges.len() {
        return false;
    }
    let mut is_reached = vec![false; blocks.len()];
    let mut parents = vec![ROOT];
    // Every block becomes a parent once.
    while let Some(parent) = parents.pop() {
        let first = edges.partition_point(|edge| edge.from < parent);
        for edge in edges.get(first..).unwrap_or_default().iter().take_while(|edge| edge.from == parent) {
            let Ok(child) = blocks.binary_search_by_key(&edge.to, |block| block.vcn) else { return false };
            match is_reached.get_mut(child) {
                Some(reached) if !*reached => *reached = true,
                _ => return false,
            }
            parents.push(edge.to);
        }
    }
    is_reached.into_iter().all(|reached| reached)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(vcns: &[u64]) -> Vec<Block> {
        vcns.iter().map(|vcn| Block { at: 0, size: 4096, folder: 30, vcn: *vcn, is_split: false }).collect()
    }

    fn edges(pairs: &[(u64, u64)]) -> Vec<Edge> {
        let mut edges: Vec<_> =
            pairs.iter().map(|(from, to)| Edge { folder: 30, from: *from, to: *to }).collect();
        edges.sort_unstable();
        edges
    }

    #[test]
    fn only_trees_are_trees() {
        assert!(is_tree(&[], &[]));
        assert!(is_tree(&blocks(&[0, 1, 4]), &edges(&[(ROOT, 4), (4, 0), (4, 1)])));
        assert!(!is_tree(&blocks(&[0, 1]), &edges(&[(ROOT, 0)])), "a block that nothing leads to");
        assert!(!is_tree(&blocks(&[0]), &edges(&[(ROOT, 0), (ROOT, 1)])), "a child that is not in use");
        assert!(!is_tree(&blocks(&[0, 1]), &edges(&[(ROOT, 0), (ROOT, 0)])), "two ways to a block");
        assert!(!is_tree(&blocks(&[0, 1, 2]), &edges(&[(ROOT, 0), (1, 2), (2, 1)])), "a loop beside it");
        assert!(!is_tree(&blocks(&[0, 1]), &edges(&[(0, 1), (1, 0)])), "no way from the root");
    }

    fn pairs(places: Result<Vec<Range<u64>>, Why>) -> Option<Vec<(u64, u64)>> {
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
        let places = |begin: u64| pairs(places(begin..begin + 4096, &runs, 1024));
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
        assert_eq!(pairs(places(4096..8192, &runs, 65536)), Some(vec![(at, at + 4096)]));
        let at = at + 65536;
        assert_eq!(pairs(places(69632..73728, &runs, 65536)), Some(vec![(at, at + 4096)]));
    }

    #[test]
    fn blocks_are_read_together_if_they_are_near_each_other() {
        let at = |at| Block { at, size: 4096, folder: 30, vcn: 0, is_split: false };
        assert_eq!(how_many_together(&[at(0), at(4096), at(8192 + GAP), at(1 << 30)]), 3);
        assert_eq!(how_many_together(&[at(0), at(0), at(2 << 20)]), 2);
        let many: Vec<_> = (0..1000).map(|block| at(block * 4096)).collect();
        assert_eq!(how_many_together(&many), 256);
    }
}
