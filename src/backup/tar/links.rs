//! Hard links: which member holds the content of each.
//!
//! A tar archive stores content with the first name of a file and refers back to it by name for the
//! others. Names are not kept: the listing notes hashes of link targets, and when a link is first
//! wanted one more walk over the headers finds the member that each link gets its content from.
//! Memory grows with the number of hard links alone.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use super::members::{Kind, Member, Members, Step};
use super::source::Source;
use crate::backup::path;

/// The hard links of one archive, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Links {
    hasher: RandomState,
    targets: OnceLock<HashSet<u64>>,
    resolved: OnceLock<HashMap<u64, u64>>,
}

/// One listing's walk, which notes link targets.
pub(super) struct Targets<'a> {
    links: &'a Links,
    hashes: HashSet<u64>,
}

impl Targets<'_> {
    /// Notes a link's target as stored.
    pub(super) fn note(&mut self, target: &[u8]) {
        if self.links.targets.get().is_none() {
            self.hashes.insert(self.links.hash(target));
        }
    }

    /// Ends the walk, which has seen the whole archive.
    pub(super) fn finish(self) {
        // Another walk that ended first has noted the same.
        let _ = self.links.targets.set(self.hashes);
    }
}

impl Links {
    /// Starts to note targets.
    pub(super) fn collect(&self) -> Targets<'_> {
        Targets { links: self, hashes: HashSet::new() }
    }

    /// Offset of each link's member, and of the member with its content; links that lead nowhere
    /// are not in it. Nothing before a whole walk.
    pub(super) fn resolved(&self) -> Option<&HashMap<u64, u64>> {
        self.resolved.get()
    }

    /// Walks the archive's headers once to resolve all links.
    pub(super) fn resolve(&self, source: &mut dyn Source) {
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
                Kind::File | Kind::Continued => Some(member.start),
                Kind::Link => latest.get(&self.hash(&member.link)).copied(),
                Kind::Special => None,
                Kind::Folder | Kind::Aside => continue,
            };
            if let (Kind::Link, Some(content)) = (member.kind, content) {
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
        // Another thread that resolved them first has found the same.
        let _ = self.resolved.set(resolved);
    }

    fn hash(&self, stored: &[u8]) -> u64 {
        self.hasher.hash_one(path::relative(stored).unwrap_or_else(|_| stored.to_vec()))
    }
}
