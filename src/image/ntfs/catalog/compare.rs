//! Compares the names that the records of files state with those that the indexes of their folders
//! state.
//!
//! Both should be the same. A name that only an index has is a file whose record is lost. A name
//! that only a record has is one that programs do not find in its folder, or whose entry stood only
//! in the log of the volume when the image was made. For each folder, the
//! fingerprints of all names are summed up, once from each side. Only folders with different sums
//! are looked at name by name. So the comparison needs a few bytes for each folder, and none for
//! files.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;

use super::index::Root;
use super::names::{FileName, Namespace, why_not_in_a_path};
use super::problems::{Findings, shown};
use super::scan::{I30, Scan};
use super::tree::{Head, Names, Paths, Tree, short_number};
use crate::image::Error;
use crate::image::ntfs::reparse::without_state;
use crate::image::ntfs::{AttributeKind, FileReference, Volume};

/// The largest root of an index: it fits into a record.
const MAX_ROOT: u64 = 64 << 10;

/// Reads all indexes, and adds to the findings where they differ from the records.
pub(super) fn compare(
    volume: &Volume,
    scan: &mut Scan,
    tree: &Tree,
    names: &Names,
    is_cancelled: &dyn Fn() -> bool,
) -> ControlFlow<()> {
    let Scan { parts, sums, names_found, tags, tags_by_folders, findings, .. } = scan;
    parts.entries(volume, *names_found, is_cancelled, &mut |folder, entry| {
        if let Some((file, name)) = entry.file {
            let sum = sums.entry(folder).or_default();
            *sum = sum.wrapping_sub(name.fingerprint(file));
            // What folders say of other files would only cost memory.
            let number = short_number(file);
            let tag = name.reparse_tag.filter(|_| tags.binary_search_by_key(&number, |(of, _)| *of).is_ok());
            tags_by_folders.extend(tag.map(|tag| (number, tag)));
        }
    })?;
    compare_tags(tags, tags_by_folders, findings);
    let mut broken: Vec<_> = scan.parts.all_broken().iter().map(|(folder, why)| (*folder, *why)).collect();
    broken.sort_unstable();
    for (folder, why) in &broken {
        let problem = format!("the folder of MFT record {folder} is damaged: {why}; files in it may be lost");
        scan.findings.about(*folder, problem);
    }
    let differs = |(folder, sum): (&u32, &u64)| {
        let is_told = *sum == 0 || scan.parts.all_broken().contains_key(folder);
        (!is_told).then(|| tree.by_number(*folder)).flatten()
    };
    let mut different: Vec<usize> = scan.sums.iter().filter_map(differs).collect();
    different.sort_unstable();
    let mut paths = Paths::new(tree, names);
    for (looked_at, folder) in (0..).zip(&different) {
        if !scan.findings.has_room() {
            scan.findings.add_more(different.len() as u64 - looked_at);
            break;
        }
        if is_cancelled() {
            return ControlFlow::Break(());
        }
        Comparison { volume, scan, tree, names, folder: *folder }.look(&mut paths);
    }
    ControlFlow::Continue(())
}

/// Compares the reparse tags of records with those that folders state. The tag of a record decides
/// whether there is a file, and how it is read, so no bit of it may change unnoticed.
///
/// For a file with several names, Windows brings a tag up to date only in the folder that the file
/// was opened by. So one folder that agrees is enough, and one that states no tag says nothing. The
/// name by which the tag was set may be gone, so a folder that does not agree is only a doubt.
fn compare_tags(tags: &[(u32, u32)], by_folders: &mut [(u32, u32)], findings: &mut Findings) {
    by_folders.sort_unstable();
    for (number, tag) in tags {
        let first = by_folders.partition_point(|(other, _)| other < number);
        let stated = by_folders.get(first..).unwrap_or_default().iter();
        let mut stated = stated.take_while(|(other, _)| other == number).map(|(_, tag)| *tag).peekable();
        if let Some(by_folder) = stated.peek().copied()
            && stated.all(|by_folder| without_state(by_folder) != without_state(*tag))
        {
            findings.doubt_about(
                *number,
                format!(
                    "MFT record {number} has the reparse tag {tag:#010x}, but {by_folder:#010x} by its folder: one of \
                     them is wrong, so the file may be a link or stored in another way"
                ),
            );
        }
    }
}

/// A folder whose index differs from the records of its files.
struct Comparison<'c> {
    volume: &'c Volume,
    scan: &'c mut Scan,
    tree: &'c Tree,
    names: &'c Names,
    /// Its index in the tree.
    folder: usize,
}

impl Comparison<'_> {
    /// Finds the names that only one side has.
    fn look(&mut self, paths: &mut Paths<'_>) {
        let Some(folder) = self.tree.folders().get(self.folder) else { return };
        let (number, sequence) = (folder.number, folder.sequence);
        let folder = FileReference { record: number.into(), sequence };
        let mut in_index = Vec::new();
        let mut name = Vec::new();
        let read = self.entries(folder, &mut |file, found| {
            in_index.push(key(file, &found, &mut name));
        });
        if let Err(error) = read {
            let problem = format!("the index of the folder of MFT record {number} cannot be read: {error}");
            self.scan.findings.about(number, problem);
            return;
        }
        in_index.sort_unstable();
        let mut in_records = Vec::new();
        let mut only_in_records = Vec::new();
        for (_, head, name) in self.names.iter() {
            let head = Head::from_bytes(head);
            if head.parent != number {
                continue;
            }
            let key = key_of(head, name);
            in_records.push(key);
            if in_index.binary_search(&key).is_err() {
                only_in_records.push((head.file, name));
            }
        }
        in_records.sort_unstable();
        let mut only_in_index = Vec::new();
        let _ = self.entries(folder, &mut |file, found| {
            if in_records.binary_search(&key(file, &found, &mut name)).is_err() {
                only_in_index.push((file, name.clone()));
            }
        });
        if only_in_index.is_empty() && only_in_records.is_empty() {
            let problem = format!(
                "the folder of MFT record {number} names a file more often than the file's record does"
            );
            self.scan.findings.about(number, problem);
        }
        for (file, name) in only_in_index {
            self.only_in_index(paths, file, &name);
        }
        for (file, name) in only_in_records {
            let problem = format!("the folder does not name the file, but MFT record {file} does");
            self.tell(paths, name, problem);
        }
    }

    fn only_in_index(&mut self, paths: &mut Paths<'_>, file: FileReference, name: &[u8]) {
        // If the record is known to be damaged, that line only lacks the path.
        let number = short_number(file);
        let path = path(paths, self.folder, name).map(<[u8]>::to_vec);
        let told = self.scan.findings.lines_mut().iter_mut().find(|line| line.record == Some(number));
        if let (Some(line), Some(path)) = (told, path)
            && line.path.as_ref().is_none_or(|known| *known == path)
        {
            line.path = Some(path);
            return;
        }
        let known = self.scan.files.find(&number, |node| node.number);
        let known = known.and_then(|index| self.scan.files.get(index)).map(|node| node.sequence);
        let folder = self.tree.by_number(number).and_then(|index| self.tree.folders().get(index));
        let what = match known.or(folder.map(|folder| folder.sequence)) {
            None => "is not in use or is damaged",
            Some(sequence) if sequence != file.sequence => "belongs to another file now",
            Some(_) => "states another name or folder",
        };
        self.tell(paths, name, format!("the folder names a file that may be lost: {file} {what}"));
    }

    fn tell(&mut self, paths: &mut Paths<'_>, name: &[u8], problem: String) {
        match path(paths, self.folder, name) {
            Some(path) => self.scan.findings.at(path, problem),
            None => self.scan.findings.general(format!("{}: {problem}", shown(name))),
        }
    }

    /// Hands the names in the folder's index to `each`, except for short ones.
    fn entries(
        &mut self,
        folder: FileReference,
        each: &mut dyn FnMut(FileReference, FileName<'_>),
    ) -> Result<(), Error> {
        let mut each = |file: Option<(FileReference, FileName<'_>)>| {
            if let Some((file, name)) = file.filter(|(_, name)| name.namespace != Namespace::Dos) {
                each(file, name);
            }
        };
        let root = self.volume.file(folder)?.value(AttributeKind::INDEX_ROOT, &I30)?;
        let missing = || Error::Damaged("it has no root".to_owned());
        let root = root.ok_or_else(missing)?;
        let value = root.read_whole(MAX_ROOT)?;
        let damaged = |why: &str| Error::Damaged(why.to_owned());
        for entry in Root::parse(&value).map_err(damaged)?.node.entries() {
            each(entry.map_err(damaged)?.file);
        }
        self.scan.parts.entries_of(self.volume, short_number(folder), &mut |entry| each(entry.file));
        Ok(())
    }
}

/// The path of a name in a folder, if it has one.
fn path<'p>(paths: &'p mut Paths<'_>, folder: usize, name: &[u8]) -> Option<&'p [u8]> {
    if why_not_in_a_path(name).is_some() {
        return None;
    }
    paths.of(folder, name)?.ok()
}

/// A name in an index, as a number. `name` is room for the name.
fn key(file: FileReference, found: &FileName<'_>, name: &mut Vec<u8>) -> u64 {
    name.clear();
    found.append_to(name);
    key_of(Head::new(file, found.parent), name)
}

fn key_of(head: Head, name: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    head.to_bytes().hash(&mut hasher);
    name.hash(&mut hasher);
    hasher.finish()
}
