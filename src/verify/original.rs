//! Finds and opens the original of an entry, whatever rule leads to it.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use crate::platform::{Kind, Stat};

use super::pairing::{OriginalPath, Pairing, is_gone};

/// An original that was opened, or the reason why it was not.
pub(super) enum FoundOriginal {
    Open {
        file: File,
        before: Stat,
    },
    Gone,
    NotAFile,
    Unreadable(io::Error),
    /// The run has no originals.
    Absent,
}

impl FoundOriginal {
    /// The metadata of an original that can be read.
    pub(super) fn state(&self) -> Option<&Stat> {
        match self {
            Self::Open { before, .. } => Some(before),
            _ => None,
        }
    }
}

/// Where an original was looked for.
pub(super) struct Sought {
    /// The path at which it was found; otherwise the first path that was tried.
    pub(super) place: Option<PathBuf>,
    /// Whether it has the entry's name in another Unicode spelling.
    pub(super) is_respelled: bool,
}

/// Tries every path at which the original may be, and then other Unicode spellings of its name.
pub(super) fn find(pairing: &Pairing, path: &[u8]) -> (Sought, FoundOriginal) {
    if pairing.has_no_originals() {
        return (Sought { place: None, is_respelled: false }, FoundOriginal::Absent);
    }
    let mut first = None;
    for place in pairing.original_paths(path) {
        match open(pairing, &place) {
            FoundOriginal::Gone => first = first.or(Some(place)),
            found => return (Sought { place: Some(place.display()), is_respelled: false }, found),
        }
    }
    if let Some(respelled) = pairing.normalised(path) {
        let place = respelled.original_path();
        match open(pairing, &place) {
            FoundOriginal::Gone => {}
            found => return (Sought { place: Some(place.display()), is_respelled: true }, found),
        }
    }
    (Sought { place: first.map(|place| place.display()), is_respelled: false }, FoundOriginal::Gone)
}

/// Checks the type before opening: a device or a pipe in the place of a file is never opened.
fn open(pairing: &Pairing, place: &OriginalPath<'_>) -> FoundOriginal {
    let tree = &place.root.tree;
    let opened = tree.stat(place.path).and_then(|before| {
        if pairing.leaves_alone(place, &before) {
            return Err(io::Error::other("it belongs to bkverify itself and is in use"));
        }
        let file = (before.kind == Kind::File).then(|| tree.open_file(place.path, true)).transpose()?;
        Ok((file, before))
    });
    match opened {
        Ok((Some(file), before)) => FoundOriginal::Open { file, before },
        Ok((None, _)) => FoundOriginal::NotAFile,
        Err(error) if is_gone(&error) => FoundOriginal::Gone,
        Err(error) => FoundOriginal::Unreadable(error),
    }
}
