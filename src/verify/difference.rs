//! Where and how a restored copy differs from its original.
//!
//! In: both contents, piece by piece. Out: a [`Difference`], or `None` if they are equal. Memory is
//! constant, and the result does not depend on the sizes of the pieces. This only describes the
//! difference; the verdict says whose fault it is.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::words;

/// Bytes in a sector, the unit that disks lose.
const SECTOR: usize = 512;
/// Bytes in a block, the unit that file systems lose.
const BLOCK: u64 = 4096;

/// The description of a difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Offset of the first differing byte. If one content is a prefix of the other, its length.
    pub first_offset: u64,
    /// Bytes that differ within the common length.
    pub differing_bytes: u64,
    /// Blocks of 4,096 bytes that contain a difference, within the common length.
    pub differing_blocks: u64,
    /// The kind of damage that it looks like.
    pub looks_like: Pattern,
}

/// A kind of damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pattern {
    /// The restored copy ends early and is equal up to there.
    Truncated,
    /// The restored copy goes on after the original's end and is equal up to there.
    Extended,
    /// One bit differs.
    FlippedBit,
    /// All differing bytes are zero in the restored copy, and they form whole 512-byte sectors or
    /// reach from some point to the end.
    Zeroed,
    /// No known kind.
    Mixed,
}

impl Pattern {
    /// Its name in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::Extended => "extended",
            Self::FlippedBit => "flipped-bit",
            Self::Zeroed => "zeroed",
            Self::Mixed => "mixed",
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = words::count(self.first_offset);
        match self.looks_like {
            Pattern::Truncated => return write!(out, "truncated: ends at byte {from}, the same until there"),
            Pattern::Extended => {
                return write!(
                    out,
                    "too long: goes on after the original's end at byte {from}, the same until there"
                );
            }
            _ => {}
        }
        write!(
            out,
            "differs from byte {from} on: {} in {}",
            words::counted(self.differing_bytes, "byte"),
            words::counted(self.differing_blocks, "block"),
        )?;
        match self.looks_like {
            Pattern::FlippedBit => out.write_str(", one flipped bit"),
            Pattern::Zeroed => out.write_str(", overwritten with zeros"),
            _ => Ok(()),
        }
    }
}

/// Compares two contents that arrive in pieces.
#[derive(Debug, Clone, Default)]
pub struct Comparer {
    /// Bytes compared so far.
    offset: u64,
    first: Option<u64>,
    bytes: u64,
    blocks: u64,
    last_block: Option<u64>,
    /// Bits that differ.
    bits: u64,
    zeros: Zeros,
}

impl Comparer {
    /// A comparer that has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Compares the next pieces, which begin at the same offset. If one piece is shorter, that side
    /// has ended. The rest of the other side is accounted for by the lengths given to
    /// [`finish`](Self::finish).
    pub fn feed(&mut self, original: &[u8], restored: &[u8]) {
        let common = original.len().min(restored.len());
        let (mut original, mut restored) = (&original[..common], &restored[..common]);
        if original == restored {
            self.pass_equal(restored);
            return;
        }
        while !restored.is_empty() {
            let part = self.to_sector_end(restored.len());
            let (now, later) = restored.split_at(part);
            let (now_original, later_original) = original.split_at(part);
            self.sector_part(now_original, now);
            (original, restored) = (later_original, later);
        }
    }

    /// The difference; `None` if the contents are equal. The lengths are those of the whole
    /// contents, in bytes.
    pub fn finish(mut self, original_len: u64, restored_len: u64) -> Option<Difference> {
        self.zeros.close_sector();
        let looks_like = match (self.first, original_len.cmp(&restored_len)) {
            (None, std::cmp::Ordering::Equal) => return None,
            (None, std::cmp::Ordering::Greater) => Pattern::Truncated,
            (None, std::cmp::Ordering::Less) => Pattern::Extended,
            (Some(_), std::cmp::Ordering::Equal) if self.bits == 1 => Pattern::FlippedBit,
            (Some(_), std::cmp::Ordering::Equal) if self.zeros.explain_all() => Pattern::Zeroed,
            (Some(_), _) => Pattern::Mixed,
        };
        Some(Difference {
            first_offset: self.first.unwrap_or(original_len.min(restored_len)),
            differing_bytes: self.bytes,
            differing_blocks: self.blocks,
            looks_like,
        })
    }

    /// Takes pieces that are equal. They matter only for the sectors in which they begin and end.
    fn pass_equal(&mut self, piece: &[u8]) {
        let (head, rest) = piece.split_at(self.to_sector_end(piece.len()));
        self.advance_equal(head);
        let whole = rest.len() - rest.len() % SECTOR;
        if self.zeros.needs_every_byte() {
            self.zeros.see_equal(&rest[..whole]);
        }
        self.offset += whole as u64;
        self.advance_equal(&rest[whole..]);
    }

    /// Takes equal bytes within one sector.
    fn advance_equal(&mut self, part: &[u8]) {
        self.zeros.see_equal(part);
        self.advance(part.len());
    }

    /// Takes bytes within one sector that may differ.
    fn sector_part(&mut self, original: &[u8], restored: &[u8]) {
        if original == restored {
            self.advance_equal(restored);
            return;
        }
        for (at, (&wanted, &got)) in (self.offset..).zip(original.iter().zip(restored)) {
            if wanted != got {
                self.note(at, wanted ^ got);
            }
            self.zeros.see(got, wanted != got);
        }
        self.advance(restored.len());
    }

    fn note(&mut self, at: u64, difference: u8) {
        self.first.get_or_insert(at);
        self.bytes += 1;
        self.bits += u64::from(difference.count_ones());
        let block = at / BLOCK;
        if self.last_block.replace(block) != Some(block) {
            self.blocks += 1;
        }
    }

    fn advance(&mut self, by: usize) {
        self.offset += by as u64;
        if by > 0 && self.offset.is_multiple_of(SECTOR as u64) {
            self.zeros.close_sector();
        }
    }

    /// How many of the next `available` bytes belong to the sector that `offset` is in.
    fn to_sector_end(&self, available: usize) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "at most 511")]
        let into = (self.offset % SECTOR as u64) as usize;
        (SECTOR - into).min(available)
    }
}

/// Whether zeros in the restored copy explain every difference so far. Either each sector with a
/// difference is all zeros, or the copy is all zeros from some difference to its end.
#[derive(Debug, Clone, Default)]
struct Zeros {
    /// There was a difference that zeros do not explain.
    refuted: bool,
    /// A sector began with other bytes and then differed only in zeros. From there on, only zeros
    /// may follow.
    zeros_to_end: bool,
    /// The current sector contains a difference.
    differs: bool,
    /// The current sector contains a byte that is not zero in the restored copy.
    nonzero: bool,
}

impl Zeros {
    /// Takes the next byte of the restored copy.
    fn see(&mut self, byte: u8, differs: bool) {
        self.differs |= differs;
        if byte != 0 {
            self.nonzero = true;
            // A byte other than zero after a difference in this sector, or after the zeros that
            // should reach the end.
            self.refuted |= self.differs || self.zeros_to_end;
        } else if differs && self.nonzero {
            self.zeros_to_end = true;
        }
    }

    /// Takes bytes that are equal on both sides.
    fn see_equal(&mut self, bytes: &[u8]) {
        if !self.refuted && bytes.iter().any(|&byte| byte != 0) {
            self.see(1, false);
        }
    }

    fn close_sector(&mut self) {
        self.differs = false;
        self.nonzero = false;
    }

    /// Whether equal bytes far from any difference still matter.
    fn needs_every_byte(&self) -> bool {
        self.zeros_to_end && !self.refuted
    }

    fn explain_all(&self) -> bool {
        !self.refuted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compare(original: &[u8], restored: &[u8]) -> Option<Difference> {
        let mut comparer = Comparer::new();
        comparer.feed(original, restored);
        comparer.finish(original.len() as u64, restored.len() as u64)
    }

    fn pattern(original: &[u8], restored: &[u8]) -> Pattern {
        compare(original, restored).unwrap().looks_like
    }

    #[test]
    fn equal_contents_have_no_difference() {
        assert_eq!(compare(b"", b""), None);
        assert_eq!(compare(&[7; 5_000], &[7; 5_000]), None);
    }

    #[test]
    fn a_shorter_copy_is_truncated_and_a_longer_one_extended() {
        let difference = compare(&[7; 5_000], &[7; 4_096]).unwrap();
        assert_eq!(difference.looks_like, Pattern::Truncated);
        assert_eq!((difference.first_offset, difference.differing_bytes), (4_096, 0));
        assert_eq!(pattern(&[7; 5_000], b""), Pattern::Truncated);
        assert_eq!(pattern(&[7; 10], &[7; 11]), Pattern::Extended);
    }

    #[test]
    fn one_flipped_bit_is_told_from_a_changed_byte() {
        let original = [7; 5_000];
        let mut restored = original;
        restored[4_500] ^= 0x10;
        let difference = compare(&original, &restored).unwrap();
        assert_eq!(difference.to_string(), "differs from byte 4,500 on: 1 byte in 1 block, one flipped bit");
        restored[4_500] = 7 ^ 0x11;
        assert_eq!(pattern(&original, &restored), Pattern::Mixed);
    }

    #[test]
    fn zeroed_sectors_are_recognised_at_sector_borders_only() {
        let original = [7; 10_000];
        let zeroed = |range: std::ops::Range<usize>| {
            let mut restored = original;
            restored[range].fill(0);
            compare(&original, &restored).unwrap()
        };
        let difference = zeroed(1_024..1_536);
        assert_eq!(difference.looks_like, Pattern::Zeroed);
        assert_eq!((difference.differing_bytes, difference.differing_blocks), (512, 1));
        assert_eq!(zeroed(3_584..4_608).differing_blocks, 2);
        assert_eq!(zeroed(0..512).looks_like, Pattern::Zeroed);
        assert_eq!(zeroed(1_025..1_536).looks_like, Pattern::Mixed);
        assert_eq!(zeroed(1_024..1_535).looks_like, Pattern::Mixed);
    }

    #[test]
    fn a_tail_of_zeros_is_zeroed_wherever_it_begins() {
        let original = [7; 10_000];
        for start in [1, 511, 512, 5_000, 9_998] {
            let mut restored = original;
            restored[start..].fill(0);
            assert_eq!(pattern(&original, &restored), Pattern::Zeroed, "from {start}");
            restored[9_999] = 7;
            let last_is_right = pattern(&original, &restored);
            assert_eq!(last_is_right, Pattern::Mixed, "from {start}, but for the last byte");
        }
    }

    #[test]
    fn differences_together_with_another_length_are_mixed() {
        assert_eq!(pattern(&[7; 1_000], &[0; 999]), Pattern::Mixed);
    }

    #[test]
    fn words_give_place_and_extent() {
        let mut original = vec![7; 2 << 20];
        let mut restored = original.clone();
        restored[1 << 20..(1 << 20) + 512].fill(0);
        let words = compare(&original, &restored).unwrap().to_string();
        assert_eq!(words, "differs from byte 1,048,576 on: 512 bytes in 1 block, overwritten with zeros");
        original.truncate(1_000);
        let words = compare(&original, &original[..10]).unwrap().to_string();
        assert_eq!(words, "truncated: ends at byte 10, the same until there");
    }

    /// The same result, computed over the whole contents at once.
    fn naive(original: &[u8], restored: &[u8]) -> Option<Difference> {
        if original == restored {
            return None;
        }
        let common = original.len().min(restored.len());
        let differing: Vec<usize> = (0..common).filter(|&at| original[at] != restored[at]).collect();
        let tail = restored.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        let sector = |at: usize| &restored[at / 512 * 512..restored.len().min(at / 512 * 512 + 512)];
        let zeroed = differing.iter().all(|&at| at >= tail || sector(at).iter().all(|&byte| byte == 0));
        let one_bit = || matches!(differing[..], [at] if (original[at] ^ restored[at]).is_power_of_two());
        let looks_like = if differing.is_empty() {
            if original.len() > restored.len() { Pattern::Truncated } else { Pattern::Extended }
        } else if original.len() != restored.len() {
            Pattern::Mixed
        } else if one_bit() {
            Pattern::FlippedBit
        } else if zeroed {
            Pattern::Zeroed
        } else {
            Pattern::Mixed
        };
        let mut blocks: Vec<usize> = differing.iter().map(|at| at / 4096).collect();
        blocks.dedup();
        Some(Difference {
            first_offset: differing.first().copied().unwrap_or(common) as u64,
            differing_bytes: differing.len() as u64,
            differing_blocks: blocks.len() as u64,
            looks_like,
        })
    }

    /// Damage of every kind, so that every pattern occurs.
    fn damaged(original: &[u8], kind: u8, at: usize, len: usize) -> Vec<u8> {
        let mut restored = original.to_vec();
        let at = at.min(original.len());
        let end = at.saturating_add(len).min(original.len());
        match kind {
            0 => restored.truncate(at),
            1 => restored.extend(std::iter::repeat_n(0, len)),
            2 => restored[at..end].fill(0),
            3 => restored[at / 512 * 512..end.div_ceil(512).saturating_mul(512).min(original.len())].fill(0),
            4 => restored[at..].fill(0),
            5 => restored[at..end].iter_mut().take(1).for_each(|byte| *byte ^= 4),
            _ => restored[at..end].fill(9),
        }
        restored
    }

    proptest! {
        #[test]
        fn any_cut_gives_what_a_whole_comparison_gives(
            len in 0_usize..12_000, seed: u8, sparse: bool, damage in prop::collection::vec((0_u8..8, 0_usize..12_000, 0_usize..2_000), 0..3),
            cuts in prop::collection::vec(1_usize..3_000, 1..8),
        ) {
            // Runs of zeros in the original make the patterns harder to tell apart.
            let byte = |at: usize| {
                if sparse && (at / 700).is_multiple_of(2) { 0 } else { at.to_le_bytes()[0] ^ seed }
            };
            let original: Vec<u8> = (0..len).map(byte).collect();
            let mut restored = original.clone();
            for (kind, at, len) in damage {
                restored = damaged(&restored, kind, at, len);
            }
            let expected = naive(&original, &restored);
            let mut comparer = Comparer::new();
            let (mut at, mut cuts) = (0, cuts.into_iter().cycle());
            while at < original.len().max(restored.len()) {
                let end = at + cuts.next().unwrap();
                let piece = |side: &[u8]| side[at.min(side.len())..end.min(side.len())].to_vec();
                comparer.feed(&piece(&original), &piece(&restored));
                at = end;
            }
            prop_assert_eq!(comparer.finish(original.len() as u64, restored.len() as u64), expected);
        }
    }
}
