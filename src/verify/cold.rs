//! Whether what was to be read from the disk was: the system is asked to forget a file, and what it
//! kept is told.
//!
//! It keeps what lies on a disk in memory, what other programs have mapped or are writing, and what
//! they have just read.

use crate::platform::Cached;
use crate::words;

use super::outcome::Outcome;

/// A larger share of one side than this is told: a percent.
const TOLD_FROM: u64 = 100;

/// What one run knows of both sides.
#[derive(Debug, Default)]
pub struct Cold {
    sides: Vec<(&'static str, Cached)>,
}

impl Cold {
    /// Adds what is known of one side, in the words of a sentence: `the originals`.
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

    /// Adds it to what was found.
    pub fn tell(&self, outcome: &mut Outcome) {
        outcome.effort.cached_bytes = self.bytes();
        outcome.notes.extend(self.notes());
    }

    /// The bytes that were in memory; `None` where that is not known of both sides.
    fn bytes(&self) -> Option<u64> {
        let is_known = self.sides.len() == 2 && self.sides.iter().all(|(_, side)| side.is_known);
        is_known.then(|| self.sides.iter().map(|(_, side)| side.bytes).sum())
    }

    /// What a person is told, who has asked for the disk to be read.
    fn notes(&self) -> impl Iterator<Item = String> {
        let warm = self.sides.iter().filter(|(_, side)| side.bytes > side.of / TOLD_FROM);
        warm.map(|(name, Cached { bytes, of, .. })| {
            format!(
                "{} of {} of {name} were in memory and not read from the disk, which proves nothing about that disk: \
                 another program uses them, or they lie on a disk in memory",
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
