//! A filter that tells in a few instructions that a name was not drawn.

/// A Bloom filter with one hash. It turns most names away without looking them up.
#[derive(Debug)]
pub struct NameFilter(Box<[u64; NAME_FILTER_BITS / 64]>);

const NAME_FILTER_BITS: usize = 1 << 16;

impl Default for NameFilter {
    fn default() -> Self {
        Self(Box::new([0; NAME_FILTER_BITS / 64]))
    }
}

impl NameFilter {
    /// The bit of a name. It depends on the length of the name and on its end, where names differ
    /// most.
    fn of(name: &[u8]) -> usize {
        let end = name.last_chunk().map_or(0, |end| u64::from_le_bytes(*end));
        let mixed = (end ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // The upper bits are mixed best. 16 of them fit into every `usize`.
        usize::try_from(mixed >> 48).unwrap_or(0)
    }

    /// Adds a name.
    pub fn set(&mut self, name: &[u8]) {
        let bit = Self::of(name);
        self.0[bit / 64] |= 1 << (bit % 64);
    }

    /// Whether the name may have been added. `false` is sure.
    pub fn may_hold(&self, name: &[u8]) -> bool {
        let bit = Self::of(name);
        self.0[bit / 64] >> (bit % 64) & 1 == 1
    }
}
