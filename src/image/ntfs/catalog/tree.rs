//! The folders of a volume, and the paths of what is in them.
//!
//! In: the folders that a scan of the $MFT found, and the names of everything. Out: the path of any
//! folder that the root leads to, or why there is none. Parents come from the image, so they may
//! form loops, lead nowhere, or nest without end: every folder is looked at once, nothing recurses,
//! and no path is longer than Windows allows.

use std::fmt;

use super::names::why_not_in_a_path;
use super::pieces::{Pieces, Strings};
use crate::image::ntfs::FileReference;

/// The record of the root folder.
pub(super) const ROOT: u32 = 5;
/// The first record that may belong to a file of a user (linux-ntfs documentation, "Files": the
/// file system has those below). Windows leaves the next eight free, or takes them for the $MFT.
pub(super) const FIRST_USER: u32 = 16;

/// The longest path, in 16-bit units (Microsoft, "Maximum Path Length Limitation").
const MAX_UNITS: u16 = 32_767;

/// What stands before each name in the list of names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    /// The record of the file.
    pub file: u32,
    pub file_sequence: u16,
    /// The record of the folder.
    pub parent: u32,
    pub parent_sequence: u16,
}

/// The bytes of a [`Head`].
pub(super) const HEAD: usize = 12;
/// All names but those in the DOS namespace, in the order in which the scan found them.
pub(super) type Names = Strings<HEAD>;

/// Numbers of records have 48 bits. No record that exists has this one.
const NO_RECORD: u32 = u32::MAX;

/// The index of the parent of a folder without one.
const NO_PARENT: u32 = u32::MAX;
/// The position of the name of a folder without one.
const NO_NAME: u64 = u64::MAX;

/// The number of a record in 32 bits, which is enough for all that a volume can have.
pub(super) fn short_number(reference: FileReference) -> u32 {
    u32::try_from(reference.record).unwrap_or(NO_RECORD)
}

impl Head {
    pub fn new(file: FileReference, parent: FileReference) -> Self {
        Self {
            file: short_number(file),
            file_sequence: file.sequence,
            parent: short_number(parent),
            parent_sequence: parent.sequence,
        }
    }

    pub fn to_bytes(self) -> [u8; HEAD] {
        let numbers = u64::from(self.file) | u64::from(self.parent) << 32;
        let sequences = u32::from(self.file_sequence) | u32::from(self.parent_sequence) << 16;
        let mut bytes = [0; HEAD];
        bytes[..8].copy_from_slice(&numbers.to_le_bytes());
        bytes[8..].copy_from_slice(&sequences.to_le_bytes());
        bytes
    }

    pub fn from_bytes(bytes: [u8; HEAD]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = bytes;
        Self {
            file: u32::from_le_bytes([a, b, c, d]),
            file_sequence: u16::from_le_bytes([i, j]),
            parent: u32::from_le_bytes([e, f, g, h]),
            parent_sequence: u16::from_le_bytes([k, l]),
        }
    }
}

/// Why the path of what is in a folder cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lost {
    /// A folder on the way does not exist, or its record belongs to another file now.
    Missing,
    /// The folders contain each other.
    Loop,
    /// The name of a folder on the way cannot be one step of a path.
    Name,
    /// The path is longer than Windows allows.
    TooLong,
    /// A folder on the way is a link, so that the path leads to another place.
    Link,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the folder is missing",
            Self::Loop => "the folders contain each other",
            Self::Name => "the name of a folder cannot be part of a path",
            Self::TooLong => "the path is longer than 32,767 characters",
            Self::Link => "a folder on the way is a link to another place",
        })
    }
}

/// Where a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Unknown,
    /// Its parents are being looked at.
    OnTheWay,
    /// The root leads to it.
    Reached,
    /// It belongs to the file system, like `$Extend`.
    System,
    Lost(Lost),
}

/// A folder.
#[derive(Debug)]
pub(super) struct Folder {
    pub number: u32,
    pub sequence: u16,
    /// It is a link to another place.
    pub is_link: bool,
    /// It has an index.
    pub has_index: bool,
    place: Place,
    /// How many folders are above it.
    depth: u16,
    /// Units of its path, with a separator at the end.
    units: u16,
    /// The position of its name, or [`NO_NAME`].
    name: u64,
    /// The index of its parent.
    parent: u32,
}

impl Folder {
    pub fn new(reference: FileReference, has_index: bool) -> Self {
        Self {
            number: short_number(reference),
            sequence: reference.sequence,
            is_link: false,
            has_index,
            place: Place::Unknown,
            depth: 0,
            units: 0,
            name: NO_NAME,
            parent: NO_PARENT,
        }
    }
}

/// The folders of a volume.
#[derive(Debug)]
pub(super) struct Tree {
    /// In the order of their records.
    folders: Pieces<Folder>,
}

impl Tree {
    /// Takes the folders that a scan found, in the order of their records, and finds the place of
    /// each. A folder has one name; every further name is given to `second_name`.
    pub fn new(folders: Pieces<Folder>, names: &Names, mut second_name: impl FnMut(Head, &[u8])) -> Self {
        let mut tree = Self { folders };
        for (position, head, name) in names.iter() {
            let head = Head::from_bytes(head);
            let Some(folder) = tree.find(head.file, head.file_sequence) else { continue };
            let parent = tree.find(head.parent, head.parent_sequence);
            let Some(folder) = tree.folders.get_mut(folder) else { continue };
            if folder.name == NO_NAME {
                folder.name = position;
                folder.parent = parent.and_then(|parent| u32::try_from(parent).ok()).unwrap_or(NO_PARENT);
            } else {
                second_name(head, name);
            }
        }
        let mut way = Vec::new();
        for index in 0..tree.folders.len() {
            tree.place(index, names, &mut way);
        }
        tree
    }

    /// The folders, in the order of their records.
    pub fn folders(&self) -> &Pieces<Folder> {
        &self.folders
    }

    /// The folder with this record and sequence number.
    pub fn find(&self, number: u32, sequence: u16) -> Option<usize> {
        let index = self.by_number(number)?;
        self.folders.get(index).filter(|folder| folder.sequence == sequence).map(|_| index)
    }

    /// The folder with this record, whatever its sequence number.
    pub fn by_number(&self, number: u32) -> Option<usize> {
        self.folders.find(&number, |folder| folder.number)
    }

    /// Whether the root leads to what is in the folder at `index`. `None`: the folder belongs to
    /// the file system.
    pub fn reached(&self, index: usize) -> Option<Result<(), Lost>> {
        match self.folders.get(index).map(|folder| folder.place) {
            Some(Place::Reached) => Some(Ok(())),
            Some(Place::System) => None,
            Some(Place::Lost(lost)) => Some(Err(lost)),
            _ => Some(Err(Lost::Missing)),
        }
    }

    /// Finds the place of the folder at `index`, and of all that are on the way to it. `way` is
    /// room to work in.
    fn place(&mut self, index: usize, names: &Names, way: &mut Vec<usize>) {
        way.clear();
        let mut at = index;
        // Every step marks one more folder that was unknown, so this comes to an end.
        let (mut place, mut depth, mut units) = loop {
            let Some(folder) = self.folders.get_mut(at) else {
                break (Place::Lost(Lost::Missing), 0, 0);
            };
            if folder.place == Place::Unknown && folder.number == ROOT {
                folder.place = Place::Reached;
            }
            match folder.place {
                Place::Unknown if folder.number < FIRST_USER => folder.place = Place::System,
                Place::Unknown => {
                    folder.place = Place::OnTheWay;
                    way.push(at);
                    at = usize::try_from(folder.parent).unwrap_or(usize::MAX);
                }
                Place::OnTheWay => break (Place::Lost(Lost::Loop), 0, 0),
                known => break (known, folder.depth, folder.units),
            }
        };
        for at in way.drain(..).rev() {
            let Some(folder) = self.folders.get_mut(at) else { continue };
            if place == Place::Reached {
                let name = names.get(folder.name).map_or(&[][..], |(_, name)| name);
                (place, depth, units) = step(folder, name, depth, units);
            }
            (folder.place, folder.depth, folder.units) = (place, depth, units);
        }
    }
}

/// The place, the depth and the units of a folder with this name, in a folder that the root leads
/// to and that has this depth and these units.
fn step(folder: &Folder, name: &[u8], depth: u16, units: u16) -> (Place, u16, u16) {
    let lost = |lost| (Place::Lost(lost), 0, 0);
    if folder.is_link {
        return lost(Lost::Link);
    }
    if why_not_in_a_path(name).is_some() {
        return lost(Lost::Name);
    }
    // A path of so many units has fewer steps than that.
    match units.checked_add(name_units(name)).and_then(|units| units.checked_add(1)) {
        Some(units) if units < MAX_UNITS => (Place::Reached, depth.saturating_add(1), units),
        _ => lost(Lost::TooLong),
    }
}

/// The number of 16-bit units of a name in WTF-8.
fn name_units(name: &[u8]) -> u16 {
    // Every character begins with a byte that continues none, and those of four bytes are pairs.
    let units = |byte: &u8| usize::from(byte & 0xC0 != 0x80) + usize::from(*byte >= 0xF0);
    u16::try_from(name.iter().map(units).sum::<usize>()).unwrap_or(u16::MAX)
}

/// Makes paths. Neighbours share most of theirs, so only what differs is made anew.
#[derive(Debug)]
pub(super) struct Paths<'t> {
    tree: &'t Tree,
    names: &'t Names,
    path: Vec<u8>,
    /// The folders of the path, and where each ends.
    steps: Vec<(usize, usize)>,
    /// Folders that are to be added to the path, the last one first.
    way: Vec<usize>,
}

impl<'t> Paths<'t> {
    pub fn new(tree: &'t Tree, names: &'t Names) -> Self {
        Self { tree, names, path: Vec::new(), steps: Vec::new(), way: Vec::new() }
    }

    /// The path of `name` in the folder at `index`. Why there is none: see [`Tree::reached`].
    /// `None`: the folder belongs to the file system.
    pub fn of(&mut self, index: usize, name: &[u8]) -> Option<Result<&[u8], Lost>> {
        if let Err(lost) = self.tree.reached(index)? {
            return Some(Err(lost));
        }
        self.go_to(index);
        let units = self.tree.folders.get(index).map_or(0, |folder| folder.units);
        if units.checked_add(name_units(name)).is_none_or(|units| units > MAX_UNITS) {
            return Some(Err(Lost::TooLong));
        }
        self.path.extend_from_slice(name);
        Some(Ok(&self.path))
    }

    /// The path of the folder at `index`, as far as the root leads to it. The root's is empty.
    pub fn folder(&mut self, index: usize) -> Option<&[u8]> {
        self.tree.reached(index)?.ok()?;
        self.go_to(index);
        Some(self.path.strip_suffix(b"/").unwrap_or_default())
    }

    /// Makes `path` that of a folder which the root leads to, with a separator at its end.
    fn go_to(&mut self, index: usize) {
        self.way.clear();
        let mut at = index;
        let common = loop {
            // Depths fall by one with every step.
            let Some(folder) = self.tree.folders.get(at).filter(|folder| folder.depth > 0) else { break 0 };
            let depth = usize::from(folder.depth);
            if self.steps.get(depth - 1).is_some_and(|(step, _)| *step == at) {
                break depth;
            }
            self.way.push(at);
            at = usize::try_from(folder.parent).unwrap_or(usize::MAX);
        };
        self.steps.truncate(common);
        self.path.truncate(self.steps.last().map_or(0, |(_, end)| *end));
        while let Some(at) = self.way.pop() {
            let position = self.tree.folders.get(at).map_or(NO_NAME, |folder| folder.name);
            self.path.extend_from_slice(self.names.get(position).map_or(&[], |(_, name)| name));
            self.path.push(b'/');
            self.steps.push((at, self.path.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(record: u64) -> FileReference {
        FileReference { record, sequence: 1 }
    }

    const TOP: FileReference = FileReference { record: ROOT as u64, sequence: 5 };

    /// The folders with these references, parents and names. They must be in the order of records.
    fn tree(folders: &[(FileReference, FileReference, &str)]) -> (Tree, Names) {
        let (mut list, mut names) = (Pieces::new(), Names::new());
        list.push(Folder::new(TOP, true));
        names.push(Head::new(TOP, TOP).to_bytes(), b".").unwrap();
        for (folder, parent, name) in folders {
            list.push(Folder::new(*folder, true));
            names.push(Head::new(*folder, *parent).to_bytes(), name.as_bytes()).unwrap();
        }
        let mut surplus = 0;
        let tree = Tree::new(list, &names, |_, _| surplus += 1);
        assert_eq!(surplus, 0);
        (tree, names)
    }

    fn path(paths: &mut Paths<'_>, folder: u64, name: &str) -> Option<Result<String, Lost>> {
        let folder = paths.tree.by_number(u32::try_from(folder).unwrap()).unwrap();
        let path = paths.of(folder, name.as_bytes())?;
        Some(path.map(|path| String::from_utf8(path.to_vec()).unwrap()))
    }

    #[test]
    fn a_head_is_read_as_it_was_written() {
        let bytes = Head::new(file(0x0102_0304), FileReference { record: 7, sequence: 0xABCD }).to_bytes();
        let head = Head::from_bytes(bytes);
        let found = (head.file, head.file_sequence, head.parent, head.parent_sequence);
        assert_eq!(found, (0x0102_0304, 1, 7, 0xABCD));
        assert_eq!(short_number(file(1 << 40)), NO_RECORD);
    }

    #[test]
    fn paths_are_right_in_any_order_of_folders() {
        let folders = [
            (file(30), file(31), "b"),
            (file(31), TOP, "a"),
            (file(32), file(31), "c"),
            (file(33), TOP, "d"),
        ];
        let (tree, names) = tree(&folders);
        let mut paths = Paths::new(&tree, &names);
        let expected =
            [(30, "a/b/f"), (32, "a/c/f"), (33, "d/f"), (30, "a/b/f"), (31, "a/f"), (5, "f"), (32, "a/c/f")];
        for (folder, expected) in expected {
            assert_eq!(path(&mut paths, folder, "f"), Some(Ok(expected.to_owned())), "folder {folder}");
        }
        assert_eq!(paths.folder(tree.by_number(30).unwrap()), Some(&b"a/b"[..]));
        assert_eq!(paths.folder(tree.by_number(5).unwrap()), Some(&b""[..]));
    }

    #[test]
    fn folders_that_the_root_does_not_lead_to_are_lost_with_all_that_is_in_them() {
        let stale = FileReference { record: 31, sequence: 2 };
        let folders = [
            (file(30), stale, "in a reused record"),
            (file(31), TOP, "a"),
            (file(32), file(33), "loop"),
            (file(33), file(32), "loop"),
            (file(34), file(34), "itself"),
            (file(35), file(99), "nowhere"),
            (file(36), file(35), "below"),
            (file(37), TOP, "a/b"),
            (file(38), TOP, ".."),
            (file(39), file(11), "below a system folder"),
        ];
        let (tree, names) = tree(&folders);
        let mut paths = Paths::new(&tree, &names);
        let lost = [30, 32, 33, 34, 35, 36, 37, 38]
            .map(|folder| path(&mut paths, folder, "f").unwrap().unwrap_err());
        use Lost::{Loop, Missing, Name};
        assert_eq!(lost, [Missing, Loop, Loop, Loop, Missing, Missing, Name, Name]);
    }

    #[test]
    fn what_is_in_folders_of_the_file_system_is_no_file_of_the_backup() {
        let (tree, names) = tree(&[(file(11), TOP, "$Extend"), (file(30), file(11), "$Deleted")]);
        let mut paths = Paths::new(&tree, &names);
        assert_eq!(path(&mut paths, 11, "$Quota"), None);
        assert_eq!(path(&mut paths, 30, "f"), None);
    }

    #[test]
    fn what_is_in_a_link_is_lost() {
        let mut list = Pieces::new();
        let mut names = Names::new();
        list.push(Folder::new(TOP, true));
        list.push(Folder { is_link: true, ..Folder::new(file(30), true) });
        names.push(Head::new(file(30), TOP).to_bytes(), b"junction").unwrap();
        let tree = Tree::new(list, &names, |_, _| ());
        assert_eq!(path(&mut Paths::new(&tree, &names), 30, "f"), Some(Err(Lost::Link)));
    }

    #[test]
    fn a_second_name_of_a_folder_is_told() {
        let (mut list, mut names) = (Pieces::new(), Names::new());
        list.push(Folder::new(TOP, true));
        list.push(Folder::new(file(30), true));
        for name in [b"a", b"b"] {
            names.push(Head::new(file(30), TOP).to_bytes(), name).unwrap();
        }
        let mut surplus = Vec::new();
        Tree::new(list, &names, |head, name| surplus.push((head.file, name.to_vec())));
        assert_eq!(surplus, [(30, b"b".to_vec())]);
    }

    #[test]
    fn folders_that_nest_without_end_are_bounded_by_the_longest_path() {
        // The deepest folder has the lowest number, so its whole way is looked at at once.
        const DEEP: u64 = 65_535;
        let parent = |record| if record == 30 + DEEP { TOP } else { file(record + 1) };
        let folders: Vec<_> = (30..=30 + DEEP).map(|record| (file(record), parent(record), "d")).collect();
        let (tree, names) = tree(&folders);
        let mut paths = Paths::new(&tree, &names);
        assert_eq!(path(&mut paths, 30, "f"), Some(Err(Lost::TooLong)));
        // 16,383 folders take 32,766 units with their separators.
        let last = 30 + DEEP - 16_382;
        assert_eq!(path(&mut paths, last, "f").unwrap().unwrap().len(), 32_767);
        assert_eq!(path(&mut paths, last, "ff"), Some(Err(Lost::TooLong)));
        assert_eq!(path(&mut paths, last - 1, "f"), Some(Err(Lost::TooLong)));
    }

    #[test]
    fn units_are_those_of_utf16() {
        for name in ["", "abc", "Grüße", "文", "🦀🦀"] {
            assert_eq!(usize::from(name_units(name.as_bytes())), name.encode_utf16().count(), "{name}");
        }
        assert_eq!(name_units(b"\xED\xA0\x80"), 1, "a lone surrogate");
    }
}
