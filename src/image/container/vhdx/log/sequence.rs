//! Finds the active sequence of the log (MS-VHDX 2.3.2 and 2.3.3): of all valid and complete
//! sequences, the one whose last entry, the head, has the greatest sequence number.

use crate::image::Error;

use super::entry::{Entry, Ring};

/// The sequence to replay.
#[derive(Debug)]
pub(super) struct Active<'a> {
    pub(super) ring: Ring<'a>,
    /// From the tail to the head.
    pub(super) entries: Vec<Entry>,
    pub(super) head: Entry,
    /// What looks like a newer entry is there, but is not part of a complete sequence.
    pub(super) has_remains: bool,
}

/// Walks from every sector of the ring.
pub(super) fn find(mut ring: Ring<'_>) -> Result<Active<'_>, Error> {
    let count = ring.sectors;
    let mut entries = Vec::new();
    for at in 0..count {
        entries.push(ring.entry(at)?);
    }
    let mut is_walked = vec![false; entries.len()];
    let mut best: Option<(Entry, Vec<Entry>)> = None;
    for start in 0..entries.len() {
        // What begins in the middle of a walk has the same head and fewer entries.
        if is_walked.get(start) != Some(&false) {
            continue;
        }
        let mut walk = walk(&entries, start);
        for entry in &walk {
            if let Some(mark) = usize::try_from(entry.at).ok().and_then(|at| is_walked.get_mut(at)) {
                *mark = true;
            }
        }
        let Some(head) = walk.last().copied() else { continue };
        let Some(tail) = walk.iter().position(|entry| entry.at == head.tail) else { continue };
        if best.as_ref().is_none_or(|(best, _)| head.sequence > best.sequence) {
            best = Some((head, walk.split_off(tail)));
        }
    }
    let Some((head, entries)) = best else {
        return Err(Error::Damaged(
            "the header of the VHDX says that its log is not empty, but the log has no complete sequence of entries; use \
             another backup"
                .to_owned(),
        ));
    };
    let has_remains = ring.newest_seen > head.sequence;
    Ok(Active { ring, entries, head, has_remains })
}

/// The entries from `start` on that follow each other, with sequence numbers that grow by one. They
/// can be no longer than the ring.
fn walk(entries: &[Option<Entry>], start: usize) -> Vec<Entry> {
    let count = entries.len() as u64;
    let mut walk: Vec<Entry> = Vec::new();
    let (mut at, mut used) = (start as u64, 0);
    while let Some(Some(entry)) = usize::try_from(at).ok().and_then(|at| entries.get(at)) {
        used += entry.sectors;
        let follows = walk.last().is_none_or(|last| last.sequence.checked_add(1) == Some(entry.sequence));
        if !follows || used > count {
            break;
        }
        walk.push(*entry);
        at = (at + entry.sectors) % count;
    }
    walk
}
