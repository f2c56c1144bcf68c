//! How the disks want to be read, as far as the system knows them.
//!
//! Small files are asked for by many threads whatever the disk: the more it knows, the better it can order them. Where a head has to
//! move, large files are read one after the other, because it would spend its time between them.

use std::path::Path;

use crate::plan::CachePolicy;
use crate::platform;

/// What follows from the kind of disks that a run reads from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disks {
    /// Whether large files are read one at a time.
    pub one_large_file: bool,
    /// Whether an original may be read while its copy is restored.
    pub reads_ahead: bool,
}

impl Disks {
    /// Asks the system about the disks below a backup and its originals.
    pub fn of(backup: &Path, originals: &[&Path], cache: CachePolicy) -> Self {
        let mut all = originals.iter().chain([&backup]);
        let spinning = all.any(|place| platform::is_spinning(place) == Some(true));
        let volume = platform::volume(backup).ok();
        let shared = originals.iter().any(|place| platform::volume(place).ok() == volume);
        Self::choose(spinning, shared, cache)
    }

    /// A disk that is asked for both sides at once gives each of them half; what is in memory only needs a core.
    fn choose(spinning: bool, shared: bool, cache: CachePolicy) -> Self {
        Self { one_large_file: spinning, reads_ahead: !shared || (cache == CachePolicy::Use && !spinning) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_both_sides_share_is_not_asked_for_both_at_once_unless_it_is_in_memory() {
        let ahead = |spinning, shared, cache| Disks::choose(spinning, shared, cache).reads_ahead;
        for spinning in [true, false] {
            assert_eq!(Disks::choose(spinning, true, CachePolicy::Drop).one_large_file, spinning);
            assert!(!ahead(spinning, true, CachePolicy::Drop));
            assert!(ahead(spinning, false, CachePolicy::Drop));
        }
        assert!(ahead(false, true, CachePolicy::Use));
        assert!(!ahead(true, true, CachePolicy::Use));
    }

    #[test]
    fn places_that_are_not_there_say_nothing() {
        let nowhere = Path::new("/no/such/place");
        assert!(!Disks::of(nowhere, &[nowhere], CachePolicy::Drop).one_large_file);
    }
}
