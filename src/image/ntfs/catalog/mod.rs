//! The catalog of a volume: all regular files, with what the file system knows about them.
//!
//! In: a [`Volume`]. Out: each file, handed to a sink, and then a [`Listing`] with all that is
//! wrong. The files are those of one pass over the $MFT (`scan`): it reads the whole table
//! front to back, while a walk through the folders would seek for each of them. What folders say
//! they contain is read too, in the order of the disk, and compared (`compare`). So a file
//! whose record is lost is known by the name in its folder, and is never just not there.
//!
//! What is listed:
//! - A file with several hard links is listed with each of its paths, as a listing of folders
//!   would show it. Names in the DOS namespace are no paths of their own.
//! - Links, and what is no file (sockets, pipes, devices), are counted and not listed
//!   ([`reparse`]). A file that only looks like one is a [`Problem`].
//! - What belongs to the file system is not listed: records below 16, and what is in `$Extend`.
//! - A file of which no path, size or time is known is a [`Problem`], and is not listed.
//!
//! No changed bit may take a file away without a word. So what decides whether a file is listed is
//! held against something else that says the same.
//!
//! Memory: 32 bytes for a file, 14 and the name itself for each of its names, and some more for
//! each folder and each reparse point.

mod compare;
#[cfg(test)]
mod flips;
mod folder_index;
mod found;
#[cfg(test)]
mod hostile;
mod index;
mod index_parts;
mod join;
mod names;
#[cfg(test)]
mod one_bit;
mod parts_of_files;
mod pieces;
mod problems;
mod record_bitmap;
mod scan;
#[cfg(test)]
mod tests;
mod tree;

use std::ops::ControlFlow;

use self::found::{KnownFile, flags};
use self::names::why_not_in_a_path;
pub use self::problems::Problem;
use self::problems::{Findings, shown};
use self::scan::Scan;
use self::tree::{FIRST_USER, Head, Names, Paths, ROOT, Tree};
use crate::image::Error;
use crate::image::ntfs::{FileReference, Volume, reparse};
use crate::platform::Timestamp;

/// A regular file, under one of its paths.
#[derive(Debug, Clone, Copy)]
pub struct ListedFile<'a> {
    /// Its path from the root of the volume, in WTF-8, joined by `/`.
    pub path: &'a [u8],
    /// Bytes of its content: the unnamed `$DATA`.
    pub size: u64,
    /// When its content was last written, by `$STANDARD_INFORMATION`.
    pub mtime: Timestamp,
    /// Its base record.
    pub reference: FileReference,
    /// The byte of the volume where its content begins, as an order to read files in.
    pub position: u64,
}

/// What is to be told after all files were listed.
#[derive(Debug)]
pub struct Listing {
    /// Paths that are links, or are neither files nor folders.
    pub others: u64,
    /// Files that are lost or may be lost.
    pub problems: Vec<Problem>,
    /// What is wrong with the volume, but takes no file away.
    pub notes: Vec<String>,
    /// Whether the listing was cancelled, or ended by the sink. Then neither the files nor the
    /// problems are complete.
    pub is_stopped: bool,
}

/// Hands every regular file of the volume to `sink`, until that breaks off. An error means that
/// nothing can be listed. All other damage is in the result. `is_cancelled` is asked every few
/// megabytes.
pub fn list(
    volume: &Volume,
    is_cancelled: &dyn Fn() -> bool,
    sink: &mut dyn FnMut(&ListedFile<'_>) -> ControlFlow<()>,
) -> Result<Listing, Error> {
    let mut scan = Scan::of(volume, is_cancelled)?;
    let mut others = 0;
    if scan.is_cancelled || join::join(volume, &mut scan, is_cancelled).is_break() {
        return Ok(Listing { others, problems: Vec::new(), notes: Vec::new(), is_stopped: true });
    }
    let tree = tree_of(&mut scan);
    others +=
        tree.folders().iter().filter(|folder| folder.number >= FIRST_USER && folder.is_link).count() as u64;
    let names = std::mem::replace(&mut scan.names, Names::new());
    let mut lister = Lister { scan: &mut scan, tree: &tree, others };
    let mut end = lister.list(&names, sink);
    others = lister.others;
    if end.is_continue() {
        end = compare::compare(volume, &mut scan, &tree, &names, is_cancelled);
    }
    let mut findings = std::mem::take(&mut scan.findings);
    add_paths(&mut findings, &tree, &names);
    let (problems, notes) = findings.into_lines();
    Ok(Listing { others, problems, notes, is_stopped: end.is_break() })
}

/// The folders of a scan. It is a finding if one of them has two names, or if there is no root:
/// without it, nothing that was on the volume can be listed.
fn tree_of(scan: &mut Scan) -> Tree {
    let folders = std::mem::replace(&mut scan.folders, pieces::Pieces::new());
    let tree = Tree::new(folders, &scan.names, |head, name| {
        let folder = head.file;
        let problem = format!("MFT record {folder} is a folder with a second name, {}", shown(name));
        scan.findings.about(folder, problem);
    });
    if tree.by_number(ROOT).is_none() {
        let problem = "the record of the root folder (MFT record 5) is missing: no file can be listed";
        scan.findings.general(problem.to_owned());
    }
    tree
}

/// Lists files, and counts what is not listed.
struct Lister<'s> {
    scan: &'s mut Scan,
    tree: &'s Tree,
    /// Paths that were not listed because they are no files.
    others: u64,
}

impl Lister<'_> {
    fn list(
        &mut self,
        names: &Names,
        sink: &mut dyn FnMut(&ListedFile<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let tree = self.tree;
        let mut paths = Paths::new(tree, names);
        let mut last_file = 0;
        let mut last_parent = None;
        for (_, head, name) in names.iter() {
            let head = Head::from_bytes(head);
            if head.file < FIRST_USER {
                continue;
            }
            let parent = match last_parent {
                Some((number, sequence, index))
                    if (number, sequence) == (head.parent, head.parent_sequence) =>
                {
                    index
                }
                _ => tree.find(head.parent, head.parent_sequence),
            };
            last_parent = Some((head.parent, head.parent_sequence, parent));
            let file = self.find(head, &mut last_file);
            if file.is_none() && tree.find(head.file, head.file_sequence).is_some() {
                continue;
            }
            let Some(path) = self.path_or_finding(&mut paths, parent, name) else { continue };
            self.list_one(file, head, path, sink)?;
        }
        let Scan { files, findings, .. } = &mut *self.scan;
        // Records that the $MFT itself may use need no name.
        for file in files.iter().filter(|file| u64::from(file.number) >= scan::RESERVED) {
            if !file.has(flags::NAME) {
                findings.nameless.add_record(file.number.into());
            }
        }
        ControlFlow::Continue(())
    }

    /// The index of a file. It usually follows the one that was asked for before.
    fn find(&self, head: Head, last: &mut usize) -> Option<usize> {
        let is_it = |node: &KnownFile| node.number == head.file && node.sequence == head.file_sequence;
        let found = (*last..*last + 2).find(|index| self.scan.files.get(*index).is_some_and(is_it));
        let index = found.or_else(|| self.scan.files.find(&head.file, |node| node.number))?;
        *last = index;
        self.scan.files.get(index).is_some_and(is_it).then_some(index)
    }

    /// The path of `name` in the folder at `parent`. `None`: it has none, which is a finding now,
    /// or it belongs to the file system.
    fn path_or_finding<'p>(
        &mut self,
        paths: &'p mut Paths<'_>,
        parent: Option<usize>,
        name: &[u8],
    ) -> Option<&'p [u8]> {
        let lost = match parent {
            None => tree::Lost::Missing,
            Some(parent) => {
                if let Some(why) = why_not_in_a_path(name) {
                    let folder = paths.folder(parent).map(shown).unwrap_or_default();
                    let problem = format!(
                        "a file in the folder {folder} cannot be listed, because {why}: {}",
                        shown(name)
                    );
                    self.scan.findings.general(problem);
                    return None;
                }
                match paths.of(parent, name)? {
                    Ok(path) => return Some(path),
                    Err(lost) => lost,
                }
            }
        };
        self.scan.findings.lost.entry(lost).or_default().add(|| shown(name));
        None
    }

    fn list_one(
        &mut self,
        file: Option<usize>,
        head: Head,
        path: &[u8],
        sink: &mut dyn FnMut(&ListedFile<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let Some(file) = file.and_then(|file| self.scan.files.get(file)) else {
            let problem =
                format!("the file cannot be listed: MFT record {} is missing or damaged", head.file);
            self.scan.findings.at(path, problem);
            return ControlFlow::Continue(());
        };
        let tag = self.scan.tag_of(file.number);
        if let Some(why) = why_not_listed(file, tag) {
            let problem = format!("the file cannot be listed: MFT record {} {why}", file.number);
            // Windows writes the flag only when the file is closed.
            match file.has(flags::SAYS_REPARSE) == file.has(flags::REPARSE) {
                true => self.scan.findings.at(path, problem),
                false => self.scan.findings.doubt_at(path, problem),
            }
            return ControlFlow::Continue(());
        }
        if !tag.is_none_or(reparse::is_file) {
            self.others += 1;
            return ControlFlow::Continue(());
        }
        sink(&ListedFile {
            path,
            size: file.size,
            mtime: file.mtime(),
            reference: file.reference(),
            position: file.position,
        })
    }
}

/// Why a file or link that has a path is neither listed nor counted. The text completes "MFT record
/// 35 ...".
fn why_not_listed(file: &KnownFile, tag: Option<u32>) -> Option<&'static str> {
    if !file.has(flags::TIME) {
        return Some("has no $STANDARD_INFORMATION");
    }
    if file.has(flags::DATA_TWICE) {
        return Some("has two contents ($DATA)");
    }
    match (file.has(flags::SAYS_REPARSE), file.has(flags::REPARSE)) {
        (true, false) => return Some("should be a reparse point, but is none"),
        (false, true) => {
            return Some("has a reparse point, but its $STANDARD_INFORMATION says that it is none");
        }
        _ => {}
    }
    match tag {
        None if file.has(flags::REPARSE) => return Some("is a reparse point whose tag cannot be read"),
        Some(tag) if tag != reparse::WOF && file.has(flags::WOF_STREAM) => {
            return Some("is compressed by Windows, but has another reparse tag");
        }
        Some(tag) if reparse::was_link(tag) => return Some("has the reparse tag of a link, but for one bit"),
        Some(tag) if file.size > 0 && !reparse::may_have_content(tag) => {
            return Some("has content, but a reparse tag of something that has none");
        }
        Some(tag) if !reparse::is_file(tag) => return None,
        _ => {}
    }
    let without = "has no content ($DATA), or the part of it that states the size is lost";
    (!file.has(flags::DATA)).then_some(without)
}

/// Adds paths to what was found about records.
fn add_paths(findings: &mut Findings, tree: &Tree, names: &Names) {
    for line in findings.lines_mut().iter_mut().filter(|line| line.record == Some(ROOT)) {
        line.path = Some(Vec::new());
    }
    findings.add_paths(|wanted, each| {
        let mut paths = Paths::new(tree, names);
        for (_, head, name) in names.iter() {
            let head = Head::from_bytes(head);
            if wanted.binary_search(&head.file).is_err() || why_not_in_a_path(name).is_some() {
                continue;
            }
            let Some(parent) = tree.find(head.parent, head.parent_sequence) else { continue };
            if let Some(Ok(path)) = paths.of(parent, name) {
                each(head.file, path);
            }
        }
    });
}
