//! Where and how a restored copy differs from its original.

/// A difference, described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Offset of the first differing byte; where one is a beginning of the other: the shorter's length.
    pub first_offset: u64,
    /// Bytes that differ within the common length.
    pub differing_bytes: u64,
    /// Blocks of 4,096 bytes that hold a difference, within the common length.
    pub differing_blocks: u64,
    /// What it looks like.
    pub looks_like: Pattern,
}

/// What a difference looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// The restored copy ends early and is the same until then.
    Truncated,
    /// The restored copy goes on after the original's end and is the same until then.
    Extended,
    /// One bit differs.
    FlippedBit,
    /// All differing bytes are zero in the restored copy, in runs of whole 512-byte sectors.
    Zeroed,
    /// Nothing in particular.
    Mixed,
}
