//! Which parts of a VHDX file are taken, and which are taken twice (MS-VHDX 2.1: structures do not
//! overlap; all begin at multiples of 1 MiB).

use super::MIB;

/// A bit for each MiB of the file: 256 KiB for a file of 2 TiB.
#[derive(Debug, Default)]
pub(super) struct Occupied {
    mibs: u64,
    taken: Vec<u64>,
    /// As long as `taken`, if anything is taken twice; otherwise empty.
    twice: Vec<u64>,
}

impl Occupied {
    /// Nothing of a file of `length` bytes is taken.
    pub(super) fn new(length: u64) -> Self {
        let mibs = length.div_ceil(MIB);
        let words = usize::try_from(mibs.div_ceil(64)).unwrap_or_default();
        Self { mibs, taken: vec![0; words], twice: Vec::new() }
    }

    /// Takes a range. What is behind the end of the file is left out. Returns whether it was free.
    pub(super) fn take(&mut self, at: u64, length: u64) -> bool {
        let mut was_free = true;
        for mib in at / MIB..at.saturating_add(length).div_ceil(MIB).min(self.mibs) {
            let (index, mask) = place(mib);
            let Some(word) = self.taken.get_mut(index) else { continue };
            if *word & mask == 0 {
                *word |= mask;
                continue;
            }
            was_free = false;
            if self.twice.is_empty() {
                self.twice = vec![0; self.taken.len()];
            }
            if let Some(word) = self.twice.get_mut(index) {
                *word |= mask;
            }
        }
        was_free
    }

    /// Whether a part of a range is taken twice.
    pub(super) fn is_taken_twice(&self, at: u64, length: u64) -> bool {
        !self.twice.is_empty()
            && (at / MIB..at.saturating_add(length).div_ceil(MIB).min(self.mibs)).any(|mib| {
                let (index, mask) = place(mib);
                self.twice.get(index).is_some_and(|word| word & mask != 0)
            })
    }

    /// The bits are not needed any more if nothing is taken twice.
    pub(super) fn finish(&mut self) {
        self.taken = Vec::new();
    }
}

fn place(mib: u64) -> (usize, u64) {
    (usize::try_from(mib / 64).unwrap_or(usize::MAX), 1 << (mib % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_structures_claim_is_known() {
        let mut all = Occupied::new(100 * MIB + 1);
        assert!(all.take(0, MIB));
        assert!(all.take(3 * MIB, 32 * MIB));
        assert!(all.take(60 * MIB, 8 * MIB));
        assert!(!all.is_taken_twice(0, u64::MAX));
        assert!(!all.take(34 * MIB, 2 * MIB));
        all.finish();
        assert!(all.is_taken_twice(3 * MIB, 32 * MIB));
        assert!(all.is_taken_twice(34 * MIB, 1));
        assert!(!all.is_taken_twice(35 * MIB, 50 * MIB));
    }

    #[test]
    fn a_range_behind_the_end_costs_nothing() {
        let mut all = Occupied::new(MIB);
        assert!(all.take(u64::MAX - 5, u64::MAX));
        assert!(all.take(5 * MIB, 1 << 62));
        assert!(!all.is_taken_twice(5 * MIB, 1 << 62));
    }
}
