//! How much of the data that was to be read from the disk was in memory all the same. The system is
//! asked to drop each file from its cache, and what it retains is reported.
//!
//! It retains files on a disk in memory, files that other programs have mapped or are writing, and
//! files that they have just read.

use crate::platform::Cached;
use crate::words;

use super::outcome::Outcome;

/// A note is given if more than this fraction of one side was in memory: one hundredth.
const TOLD_FROM: u64 = 100;

/// What one run knows about both sides.
#[derive(Debug, Default)]
pub struct Cold {
    sides: Vec<(&'static str, Cached)>,
}

impl Cold {
    /// Adds what is known about one side. `side` is its name within a sentence: `the originals`.
    fn add(&mut self, side: &'static str, parts: impl IntoIterator<Item = Cached>) {
        let sum = parts.into_iter().reduce(|one, other| Cached {
            bytes: one.bytes + other.bytes,
            of: one.of + other.of,
            is_known: one.is_known && other.is_known,
        });
        self.sides.extend(sum.map(|sum| (side, sum)));
    }

    /// What is known at the end of a run.
    pub fn of(originals: impl IntoIterator<Item = Cached>, backup: Option<Cached>) -> Self {
        let mut cold = Self::default();
        cold.add("the originals", originals);
        cold.add("the backup", backup);
        cold
    }

    /// Adds this to the outcome of the run.
    pub fn tell(&self, outcome: &mut Outcome) {
        outcome.effort.cached_bytes = self.bytes();
        outcome.notes.extend(self.notes());
    }

    /// The bytes that were in memory; `None` if that is not known for both sides.
    fn bytes(&self) -> Option<u64> {
        let is_known = self.sides.len() == 2 && self.sides.iter().all(|(_, side)| side.is_known);
        is_known.then(|| self.sides.iter().map(|(_, side)| side.bytes).sum())
    }

    /// The notes for a user who has asked for the disks to be read.
    fn notes(&self) -> impl Iterator<Item = String> {
        let warm = self.sides.iter().filter(|(_, side)| side.bytes > side.of / TOLD_FROM);
        warm.map(|(name, Cached { bytes, of, .. })| {
            format!(
                "{} of {} of {name} were in memory and not read from the disk, which proves nothing about that disk: \
                 another program uses them, or they are on a disk in memory",
                words::bytes(*bytes),
                words::bytes(*of)
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(bytes: u64) -> Cached {
        Cached { bytes, of: 10_000, is_known: true }
    }

    #[test]
    fn what_was_in_memory_is_summed_and_told_from_a_percent_on() {
        let mut cold = Cold::default();
        cold.add("the originals", [known(0), known(150)]);
        assert_eq!(cold.bytes(), None, "of the backup nothing is known yet");
        cold.add("the backup", [known(101)]);
        assert_eq!(cold.bytes(), Some(251));
        let notes: Vec<_> = cold.notes().collect();
        assert!(notes.len() == 1 && notes[0].contains("of the backup were in memory"), "{notes:?}");
    }

    #[test]
    fn what_is_not_known_is_no_cold_read() {
        let mut cold = Cold::default();
        cold.add("the originals", [known(0)]);
        cold.add("the backup", [known(0), Cached::default()]);
        assert_eq!(cold.bytes(), None);
        assert_eq!(Cold::default().bytes(), None);
    }
}
