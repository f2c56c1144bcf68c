//! Hard links: which member has the content of each link.
//!
//! A tar archive stores the content of a file with its first name. Further names of the file refer
//! to that name. The names are not stored in memory. Instead, the listing collects hashes of link
//! targets. When the first link is restored, one more walk over the headers finds the member with
//! the content of each link. Memory grows only with the number of hard links.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use super::members::{Member, MemberKind, Members, Step};
use super::source::ArchiveReader;
use crate::backup::path;

/// What is known of the hard links of one archive.
#[derive(Debug, Default)]
pub(super) struct Links {
    hasher: RandomState,
    targets: OnceLock<HashSet<u64>>,
    resolved: OnceLock<HashMap<u64, u64>>,
}

/// Collects link targets during one listing.
pub(super) struct Targets<'a> {
    links: &'a Links,
    hashes: HashSet<u64>,
}

impl Targets<'_> {
    /// Notes the target of a link, as stored.
    pub(super) fn note(&mut self, target: &[u8]) {
        if self.links.targets.get().is_none() {
            self.hashes.insert(self.links.hash(target));
        }
    }

    /// Ends a walk that has seen the whole archive.
    pub(super) fn finish(self) {
        // Another walk that ended first has stored the same targets.
        let _ = self.links.targets.set(self.hashes);
    }
}

impl Links {
    /// Starts to collect link targets.
    pub(super) fn collect(&self) -> Targets<'_> {
        Targets { links: self, hashes: HashSet::new() }
    }

    /// Maps the offset of each link's member to the offset of the member with its content. Links
    /// whose target does not exist are missing. `None` before a complete walk.
    pub(super) fn resolved(&self) -> Option<&HashMap<u64, u64>> {
        self.resolved.get()
    }

    /// Resolves all links with one walk over the headers of the archive.
    pub(super) fn resolve(&self, source: &mut dyn ArchiveReader) {
        let Some(targets) = self.targets.get() else { return };
        let mut latest: HashMap<u64, u64> = HashMap::new();
        let mut resolved = HashMap::new();
        let mut members = Members::at(source, 0);
        let mut member = Member::default();
        loop {
            match members.step(&mut member) {
                Step::Member => {}
                Step::Damaged(_) => continue,
                Step::End(_) => break,
                Step::Halted => return,
            }
            let content = match member.kind {
                MemberKind::File | MemberKind::Continued => Some(member.start),
                MemberKind::Link => latest.get(&self.hash(&member.link)).copied(),
                MemberKind::Special => None,
                MemberKind::Folder | MemberKind::NoFile => continue,
            };
            if let (MemberKind::Link, Some(content)) = (member.kind, content) {
                resolved.insert(member.start, content);
            }
            let name = self.hash(&member.name);
            if targets.contains(&name) {
                match content {
                    Some(content) => latest.insert(name, content),
                    None => latest.remove(&name),
                };
            }
        }
        // Another thread that resolved them first has stored the same result.
        let _ = self.resolved.set(resolved);
    }

    fn hash(&self, stored: &[u8]) -> u64 {
        self.hasher.hash_one(path::relative(stored).unwrap_or_else(|_| stored.to_vec()))
    }
}
