//! Names that occur more than once in an archive. A later entry replaces an earlier one of the same
//! name.
//!
//! A program that restores an archive front to back ends up with the last entry of each name. A
//! streaming listing cannot know whether a name will come again. So the first listing collects
//! hashes of the names (8 bytes each). In the rare case that a name repeats, the listing starts
//! again ([`CatalogSink::restart`]). From then on, all but the last entry of a repeated name are
//! left out.
//!
//! The hashes are the only memory that grows with the backup: 80 MB for ten million entries, freed
//! when the first listing ends. Shorter hashes could take two names for one and hide a file.
//! Sorting them in a file would need a file outside the restore folder.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use super::{CatalogSink, Error, Listing};

/// The repeated names of one archive, once they are known.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    hasher: RandomState,
    /// The hash of each name that occurs more than once, and how often it occurs.
    known: OnceLock<HashMap<u64, u32>>,
}

/// Lists to `sink` by calling `list`, which returns `None` if it found repeated names. Then it is
/// called once more.
pub(super) fn list_with_restart(
    sink: &dyn CatalogSink,
    mut list: impl FnMut() -> Result<Option<Listing>, Error>,
) -> Result<Listing, Error> {
    if let Some(listing) = list()? {
        return Ok(listing);
    }
    sink.restart();
    // The repeats are known by now, so the second pass cannot return `None`.
    Ok(list()?.unwrap_or(Listing::Stopped))
}

/// One pass over the names of the archive, in the order of the archive.
pub(super) struct NamePass<'a> {
    repeats: &'a Repeats,
    /// Whether the repeats were unknown when this pass began. Such a pass counts to its end, even
    /// if another pass finds the repeats in the meantime.
    is_counting: bool,
    seen: Vec<u64>,
    left: HashMap<u64, u32>,
}

impl Repeats {
    /// Whether a pass over the whole archive has ended.
    pub(super) fn is_known(&self) -> bool {
        self.known.get().is_some()
    }

    /// How many names occur more than once, as far as is known.
    pub(super) fn count(&self) -> usize {
        self.known.get().map_or(0, HashMap::len)
    }

    /// How often a name occurs, as far as is known.
    pub(super) fn times(&self, name: &[u8]) -> u32 {
        let known = self.known.get().filter(|known| !known.is_empty());
        known.and_then(|known| known.get(&self.hasher.hash_one(name)).copied()).unwrap_or(1)
    }

    /// Starts a pass.
    pub(super) fn pass(&self) -> NamePass<'_> {
        let known = self.known.get();
        let left = known.cloned().unwrap_or_default();
        NamePass { repeats: self, is_counting: known.is_none(), seen: Vec::new(), left }
    }
}

impl NamePass<'_> {
    /// Whether every name is known to occur only once, so that no entry replaces another.
    pub(super) fn names_are_unique(&self) -> bool {
        self.left.is_empty()
    }

    /// Notes the next name. Returns whether its entry stays in the listing, as far as is known:
    /// `false` if a later entry replaces it.
    pub(super) fn stays(&mut self, name: &[u8]) -> bool {
        if !self.is_counting && self.left.is_empty() {
            return true;
        }
        let hash = self.repeats.hasher.hash_one(name);
        if self.is_counting {
            self.seen.push(hash);
            return true;
        }
        match self.left.get_mut(&hash) {
            // If the archive has changed, the name may come more often than it was counted. The
            // entries beyond that count stay, too.
            Some(count) => {
                *count = count.saturating_sub(1);
                *count == 0
            }
            None => true,
        }
    }

    /// Ends a pass over the whole archive. Returns whether the archive must be listed again because
    /// names repeat.
    pub(super) fn finish(mut self) -> bool {
        if !self.is_counting {
            return false;
        }
        self.seen.sort_unstable();
        let mut repeated = HashMap::new();
        for group in self.seen.chunk_by(|a, b| a == b).filter(|group| group.len() > 1) {
            repeated.insert(group[0], u32::try_from(group.len()).unwrap_or(u32::MAX));
        }
        let again = !repeated.is_empty();
        // Another pass that ended first has stored the same result.
        let _ = self.repeats.known.set(repeated);
        again
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_entry_of_a_repeated_name_stays() {
        let repeats = Repeats::default();
        let names: [&[u8]; 5] = [b"a", b"b", b"a", b"c", b"a"];
        let mut first = repeats.pass();
        assert!(names.iter().all(|name| first.stays(name)));
        assert!(first.finish());
        let mut second = repeats.pass();
        let staying: Vec<bool> = names.iter().map(|name| second.stays(name)).collect();
        assert_eq!(staying, [false, true, false, true, true]);
        assert!(!second.finish());
        assert_eq!((repeats.count(), repeats.times(b"a"), repeats.times(b"b")), (1, 3, 1));
    }

    #[test]
    fn two_first_passes_at_once_both_find_the_repeats() {
        let repeats = Repeats::default();
        let (mut one, mut other) = (repeats.pass(), repeats.pass());
        assert!(one.stays(b"a") && one.stays(b"a") && other.stays(b"a"));
        assert!(one.finish());
        assert!(other.stays(b"a"));
        assert!(other.finish());
    }

    #[test]
    fn a_name_that_comes_more_often_than_it_was_counted_stays() {
        let repeats = Repeats::default();
        let mut first = repeats.pass();
        assert!(first.stays(b"a") && first.stays(b"a"));
        assert!(first.finish());
        let mut second = repeats.pass();
        let staying = [(); 4].map(|()| second.stays(b"a"));
        assert_eq!(staying, [false, true, true, true]);
    }
}
