//! Where the indexes of all folders are, and one pass over them.
//!
//! In: what a scan of the $MFT found of the indexes: run lists, bitmaps, the children of roots.
//! Out: every block that is in use, in the order of the disk. So a disk need not seek for each
//! folder.
//!
//! Blocks name their parents and children by numbers from the image. Whether they form a tree is
//! checked by [`is_tree`], without recursion.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::folder_index::{Block, FolderIndex, Part, Room, places_of, read_whole, runs_of};
use super::index::{self, Entry, Flaw, Node, vcn_unit};
use crate::image::ntfs::attribute::NonResident;
use crate::image::ntfs::runs::Run;
use crate::image::ntfs::{Volume, fixups};

/// The most bytes that are read at once, and the largest gap that is read with them.
const READ: u64 = 1 << 20;
const GAP: u64 = 64 << 10;
/// Blocks of folders beyond what names need (see [`Parts::blocks`]).
const SPARE_BLOCKS: u64 = 100_000;
/// The parent of blocks that are children of a root.
const ROOT: u64 = u64::MAX;

/// One block of an index is the parent of another. Both are VCNs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    folder: u32,
    from: u64,
    to: u64,
}

/// What is known about the indexes of folders. Folders are called by the numbers of their records.
#[derive(Debug)]
pub(super) struct Parts {
    cluster_size: u64,
    parts: Vec<(u32, Part)>,
    edges: Vec<Edge>,
    /// Folders whose index is damaged, and how.
    broken: HashMap<u32, Flaw>,
}

impl Parts {
    pub fn new(volume: &Volume) -> Self {
        Self {
            cluster_size: volume.geometry().cluster_size.into(),
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

    /// Which blocks are in use is told in these clusters. A bitmap may have several such parts.
    pub fn bits_elsewhere(&mut self, folder: u32, runs: &[Run], part: &NonResident<'_>) {
        self.parts.extend(runs.iter().map(|run| (folder, Part::BitmapRun(*run))));
        // All sizes are those of the first part.
        if part.first_vcn == 0 {
            self.parts.push((folder, Part::BitmapSize(part.initialized)));
        }
    }

    /// The index of the folder is damaged.
    pub fn broken(&mut self, folder: u32, why: Flaw) {
        self.broken.entry(folder).or_insert(why);
    }

    /// Folders whose index is damaged, and how.
    pub fn all_broken(&self) -> &HashMap<u32, Flaw> {
        &self.broken
    }

    /// All blocks in use, in the order of the disk. Damage is kept in [`Self::all_broken`].
    ///
    /// `names` is the number of names on the volume. Every block has at least one, except that a
    /// leaf may be empty for a while. So there are no more blocks than names, and an image that
    /// claims so does not cost memory and time for them. Nor does one whose folders share blocks or
    /// bitmaps ([`Room`]).
    fn blocks(
        &mut self,
        volume: &Volume,
        names: u64,
        is_cancelled: &dyn Fn() -> bool,
    ) -> ControlFlow<(), Vec<Block>> {
        self.parts.sort_by_key(|(folder, _)| *folder);
        let most = usize::try_from(2 * names.saturating_add(SPARE_BLOCKS)).unwrap_or(usize::MAX);
        let mut room = Room::of(volume);
        let mut blocks = Vec::new();
        for group in self.parts.chunk_by(|(one, _), (other, _)| one == other) {
            if is_cancelled() {
                return ControlFlow::Break(());
            }
            let Some((folder, _)) = group.first() else { continue };
            let index =
                FolderIndex { volume, folder: *folder, parts: group, cluster_size: self.cluster_size };
            if let Err(why) = index.blocks(&mut room, most, &mut blocks) {
                self.broken.entry(*folder).or_insert(why);
            }
        }
        blocks.sort_unstable_by_key(|block| block.at);
        ControlFlow::Continue(blocks)
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
        let mut blocks = self.blocks(volume, names, is_cancelled)?;
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
        let mut room = Room::of(volume);
        let index = FolderIndex { volume, folder, parts: self.of(folder), cluster_size: self.cluster_size };
        if index.blocks(&mut room, usize::MAX, &mut blocks).is_err() {
            return;
        }
        blocks.sort_unstable_by_key(|block| block.at);
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
        each: &mut dyn FnMut(&Block, Node<'_>) -> Result<(), Flaw>,
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
                if !is_read && is_cancelled() {
                    return ControlFlow::Break(());
                }
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
        let Ok(places) = places_of(wanted, &runs_of(self.of(block.folder), Part::run), self.cluster_size)
        else {
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

/// How many of these blocks are read at once: at least one.
fn how_many_together(blocks: &[Block]) -> usize {
    let Some(first) = blocks.first() else { return 0 };
    let mut end = first.end();
    let more = blocks.iter().skip(1).take_while(|block| {
        let fits = block.at <= end.saturating_add(GAP) && block.end().saturating_sub(first.at) <= READ;
        end = end.max(block.end());
        fits
    });
    1 + more.count()
}

/// Undoes the update sequence of a block, and finds its entries.
fn check(bytes: &mut [u8], vcn: u64) -> Result<Node<'_>, Flaw> {
    fixups::apply(bytes).map_err(|_| "a block of its index is torn")?;
    index::block(bytes, vcn)
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

    #[test]
    fn blocks_are_read_together_if_they_are_near_each_other() {
        let at = |at| Block { at, size: 4096, folder: 30, vcn: 0, is_split: false };
        assert_eq!(how_many_together(&[at(0), at(4096), at(8192 + GAP), at(1 << 30)]), 3);
        assert_eq!(how_many_together(&[at(0), at(0), at(2 << 20)]), 2);
        let many: Vec<_> = (0..1000).map(|block| at(block * 4096)).collect();
        assert_eq!(how_many_together(&many), 256);
    }
}
