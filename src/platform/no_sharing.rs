//! Whether two files lie in the same place on the disk: this system is not asked.

use std::fs::File;

use super::Sharing;

/// As far as is known, they may not.
pub fn may_share(_: &File, _: &File) -> bool {
    false
}

/// It is not known.
pub fn sharing(_: &File, _: &File) -> Sharing {
    Sharing::Unknown
}
