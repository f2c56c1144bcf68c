//! The end of an archive: its empty blocks, and whether their number is plausible.
//!
//! An archive ends with two empty blocks. Some programs write no more than these (7-Zip, Go,
//! busybox, bsdtar to a file). Others fill up a whole record with zeros: 10 KiB, unless `tar -b`
//! set another blocking factor. More zeros than that are a range that was wiped, in which there
//! were members. Behind a wiped range there may be the data of a member whose header is gone. That
//! shows in the same way: as bytes behind the end marker that are not zeros.
//!
//! One program writes more zeros: `tar -A` keeps the padding of the archive that it appends and
//! adds its own, up to two records of the default size. This is called damage as well, because just
//! as often it is damage. The message names the other cause.
//!
//! This cannot detect members at the very end that were overwritten with zeros, if these zeros
//! still fit the last record. `--completeness`, which looks up the originals in the backup, finds
//! that such files are missing.

use super::header::BLOCK;

/// The record that programs fill up by default: 20 blocks.
const RECORD: u64 = 20 * BLOCK;

/// Blocking factors that are accepted if the length of the archive is a multiple of the record: the
/// default, powers of two (below), and round numbers. Archives with the default record have such a
/// length by chance: between once in 8 (for 16 KiB) and once in 500 (for 1 MiB). Multiples of 40 or
/// 100 blocks are much more frequent, so accepting them would hide lost members.
const ROUND_FACTORS: [u64; 10] = [10, 20, 126, 1000, 2000, 4000, 5000, 8000, 10_000, 20_000];

/// Powers of two from 1 KiB to 1 GiB, as exponents.
const RECORD_BITS: std::ops::RangeInclusive<u32> = 10..=30;

/// What a walk over the archive has seen of its end.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// The number of empty blocks, and the offset of the first.
    pub blocks: u64,
    pub at: u64,
    /// The offset of the first block behind them that is neither empty nor a header, and how many
    /// bytes in such blocks are not zeros.
    junk: Option<u64>,
    junk_bytes: usize,
}

impl Tail {
    /// Notes an empty block.
    pub(super) fn note_empty(&mut self, at: u64) {
        if self.blocks == 0 {
            self.at = at;
        }
        self.blocks += 1;
    }

    /// Notes a block at `at` that is neither a header nor empty. Returns whether it is behind an
    /// end marker.
    pub(super) fn note_junk(&mut self, at: u64, block: &[u8]) -> bool {
        let is_behind_marker = self.blocks > 1;
        if is_behind_marker {
            self.junk.get_or_insert(at);
            self.junk_bytes += block.iter().filter(|&&byte| byte != 0).count();
        }
        is_behind_marker
    }

    /// Discards what was seen, because the archive goes on. Returns the damage to report.
    pub(super) fn go_on(&mut self, at: u64) -> Option<String> {
        let seen = std::mem::take(self);
        let what = match seen.blocks {
            0 => return None,
            1 => "an empty block",
            _ => "the end marker",
        };
        Some(format!(
            "{what} at byte {} is followed by more members, from byte {at} on: either this part is damaged, or several \
             archives were joined (tar restores those only with --ignore-zeros)",
            seen.at
        ))
    }

    /// The damage at the end of an archive of `length` bytes. Valid once empty blocks were seen.
    pub(super) fn problem(&self, length: u64) -> Option<String> {
        // A single byte that is not zero is a flipped bit in the padding. The data of a member
        // looks different.
        if let Some(junk) = self.junk.filter(|_| self.junk_bytes > 1) {
            return Some(format!(
                "the end marker at byte {} is followed by something that is not part of a tar archive, from byte {junk} on: \
                 either members whose headers are lost, or another file after the archive",
                self.at
            ));
        }
        let tail = length.saturating_sub(self.at);
        let padding = tail.saturating_sub(2 * BLOCK);
        (!is_padding(padding, length)).then(|| {
            format!(
                "from byte {} on there are only zeros ({tail} bytes), more than the end marker and the rest of a record: \
                 what was there is lost (only `tar -A` writes up to twice as many)",
                self.at
            )
        })
    }
}

/// Whether `padding` bytes can be the rest of the last record in an archive of `length` bytes.
fn is_padding(padding: u64, length: u64) -> bool {
    let powers = RECORD_BITS.map(|bits| 1 << bits);
    let mut records = powers.chain(ROUND_FACTORS.map(|factor| factor * BLOCK));
    // An archive that was cut off in its padding has lost nothing. No program ends in the middle of
    // a block.
    let is_cut = padding < RECORD && !length.is_multiple_of(BLOCK);
    padding == 0 || is_cut || records.any(|record| padding < record && length.is_multiple_of(record))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(blocks: u64, length: u64) -> Option<String> {
        let mut tail = Tail::default();
        (0..blocks).for_each(|block| tail.note_empty(length - (blocks - block) * BLOCK));
        tail.problem(length)
    }

    #[test]
    fn padding_is_the_rest_of_one_record_of_the_size_that_the_length_shows() {
        for blocks in [1, 2, 3, 20, 21] {
            assert_eq!(problem(blocks, 101 * RECORD), None, "{blocks}");
            assert_eq!(problem(blocks, 101 * RECORD + 7 * BLOCK).is_none(), blocks < 3, "{blocks}");
        }
        let cut = Tail { blocks: 9, at: 10 * RECORD, junk: None, junk_bytes: 0 };
        assert_eq!(cut.problem(10 * RECORD + 9 * BLOCK + 100), None);
        for factor in [32, 64, 126, 128, 1024, 2000, 8192] {
            for records in [1, 3, 7] {
                assert_eq!(problem(factor, records * factor * BLOCK), None, "{records} of {factor}");
                assert!(
                    problem(factor + 2, (records * factor + 3) * BLOCK).is_some(),
                    "{records} of {factor}"
                );
            }
        }
    }

    #[test]
    fn one_byte_that_flipped_in_the_padding_is_no_loss_but_more_may_be_data() {
        let mut tail = Tail { blocks: 2, at: 0, ..Tail::default() };
        assert!(tail.note_junk(1024, b"\0\0 \0"));
        assert_eq!(tail.problem(RECORD), None);
        assert!(tail.note_junk(1536, b"\0\0 \0"));
        assert!(tail.problem(RECORD).is_some_and(|problem| problem.contains("byte 1024")));
    }

    #[test]
    fn more_zeros_than_that_are_a_loss() {
        for blocks in [23, 40, 100, 1000, 2000] {
            for records in [101, 205, 1021, 2047] {
                let problem = problem(blocks, records * RECORD).unwrap();
                assert!(problem.contains("is lost"), "{problem}");
            }
        }
    }
}
