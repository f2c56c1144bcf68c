//! Tests of chains, and of what is recognised.

#![expect(clippy::cast_possible_truncation, reason = "small numbers of tests")]

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::testing::{self, MIB, Vhd, Vhdx};
use super::*;
use proptest::prelude::*;

/// Files by the names that locators call them. Every file is looked for in the same folder.
#[derive(Debug, Clone, Default)]
struct Folder {
    files: Arc<BTreeMap<String, Vec<u8>>>,
    modified: Option<i64>,
    asked: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Folder {
    fn with(files: &[(&str, Vec<u8>)]) -> Self {
        let files = files.iter().map(|(name, file)| ((*name).to_owned(), file.clone())).collect();
        Self { files: Arc::new(files), ..Self::default() }
    }

    fn open(&self, name: &str) -> Result<Disk, Error> {
        open(Arc::new(self.files[name].clone()), self)
    }

    fn refused(&self, name: &str) -> String {
        self.open(name).unwrap_err().to_string()
    }
}

impl Parents for Folder {
    fn open(&self, paths: &[String]) -> Result<Vec<Parent>, Error> {
        self.asked.lock().unwrap().push(paths.to_vec());
        let found = paths.iter().filter_map(|path| self.files.get_key_value(path));
        let parent = |(name, file): (&String, &Vec<u8>)| Parent {
            name: name.clone(),
            bytes: Arc::new(file.clone()),
            modified: self.modified.map(|seconds| Timestamp { seconds, nanos: 0 }),
            parents: Arc::new(self.clone()),
        };
        Ok(found.map(parent).collect())
    }
}

const SECTOR: u64 = 512;

fn vhd(id: u8, parent: Option<(u8, &str)>, writes: &[(u64, u64, u8)]) -> Vec<u8> {
    sized_vhd(id, parent, writes, 40 * SECTOR)
}

fn sized_vhd(id: u8, parent: Option<(u8, &str)>, writes: &[(u64, u64, u8)], size: u64) -> Vec<u8> {
    let mut vhd = Vhd::new(if parent.is_some() { 4 } else { 3 }, size, 4096);
    vhd.id = [id; 16];
    vhd.parent = parent.map(|(id, name)| ([id; 16], name.to_owned()));
    for &(first, count, byte) in writes {
        vhd.write(first * SECTOR, &vec![byte; (count * SECTOR) as usize]);
    }
    vhd.file()
}

/// The first byte of every sector.
fn sectors(disk: &Disk) -> Vec<u8> {
    testing::all(&disk.bytes).unwrap().chunks(SECTOR as usize).map(|sector| sector[0]).collect()
}

#[test]
fn sectors_come_from_the_nearest_vhd_that_has_them() {
    let folder = Folder::with(&[
        ("base", vhd(1, None, &[(0, 20, 1)])),
        ("middle", vhd(2, Some((1, "base")), &[(5, 2, 2), (30, 1, 2)])),
        ("top", vhd(3, Some((2, "middle")), &[(6, 1, 3), (39, 1, 3)])),
    ]);
    let disk = folder.open("top").unwrap();
    let mut expected = vec![0; 40];
    expected[..20].fill(1);
    expected[5..7].fill(2);
    expected[30] = 2;
    expected[6] = 3;
    expected[39] = 3;
    assert_eq!(sectors(&disk), expected);
    assert_eq!((disk.kind, disk.id), (Kind::VhdDifferencing, Some([3; 16])));
}

#[test]
fn a_parent_may_be_smaller_or_fixed() {
    let mut fixed = vec![1; 2048];
    fixed.extend_from_slice(&testing::footer(2, 2048, u64::MAX, [1; 16]));
    let folder =
        Folder::with(&[("base", fixed), ("top", vhd(2, Some((1, "base")), &[(1, 1, 2), (6, 1, 2)]))]);
    let read = sectors(&folder.open("top").unwrap());
    assert_eq!(read[..8], [1, 2, 1, 1, 0, 0, 2, 0]);
    assert!(read[8..].iter().all(|&byte| byte == 0));
}

#[test]
fn sectors_come_from_the_nearest_vhdx_that_has_them() {
    for sector in [512, 4096] {
        let mut base = Vhdx::new(3 * MIB as u64, sector);
        base.block(0, 1);
        base.block(1, 1);
        let mut top = Vhdx::new(4 * MIB as u64, sector).child_of([2; 16], "base");
        (top.data_write, top.file_write) = ([5; 16], [6; 16]);
        let per_block = MIB as u64 / u64::from(sector);
        top.sectors(1, 2, 7);
        top.sectors(2 * per_block - 1, 1, 8);
        top.block(3, 9);
        top.state(2, 2);
        let folder = Folder::with(&[("base", base.file()), ("top", top.file())]);
        let disk = folder.open("top").unwrap();
        assert_eq!((disk.kind, disk.sector_size), (Kind::VhdxDifferencing, Some(sector)));
        let mut expected = vec![1; 2 * MIB];
        expected.resize(3 * MIB, 0);
        expected.resize(4 * MIB, 9);
        let size = sector as usize;
        expected[size..3 * size].fill(7);
        expected[2 * MIB - size..2 * MIB].fill(8);
        assert!(testing::all(&disk.bytes).unwrap() == expected, "sectors of {sector} bytes");
        let mut odd = vec![0; 3 * size];
        disk.bytes.read_full_at(&mut odd, size as u64 - 3).unwrap();
        assert_eq!(odd, expected[size - 3..4 * size - 3]);
    }
}

#[test]
fn a_parent_with_another_id_is_never_read() {
    let child = vhd(2, Some((1, "base")), &[]);
    let folder = Folder::with(&[("base", vhd(9, None, &[(0, 1, 1)])), ("top", child)]);
    let why = folder.refused("top");
    assert!(why.contains("base is not the parent") && why.contains("0909") && why.contains("0101"), "{why}");

    let top = Vhdx::new(MIB as u64, 512).child_of([1; 16], "base");
    let folder = Folder::with(&[("base", Vhdx::new(MIB as u64, 512).file()), ("top", top.file())]);
    let why = folder.refused("top");
    assert!(why.contains("base is not the parent") && why.contains("01010101-0101"), "{why}");
}

#[test]
fn a_parent_of_another_format_or_a_raw_one_is_refused() {
    let top = Vhdx::new(MIB as u64, 512).child_of([1; 16], "base").file();
    for (file, what) in [(vhd(1, None, &[]), "dynamic VHD"), (vec![0; 4096], "raw disk image")] {
        let why = Folder::with(&[("base", file), ("top", top.clone())]).refused("top");
        assert!(why.contains(&format!("it is a {what}")), "{why}");
    }
}

#[test]
fn of_several_candidates_the_one_with_the_right_id_is_taken() {
    let mut base = Vhdx::new(MIB as u64, 512);
    base.block(0, 4);
    let mut other = base.clone();
    other.data_write = [9; 16];
    other.block(0, 5);
    let pairs = [
        ("parent_linkage", "{02020202-0202-0202-0202-020202020202}"),
        ("relative_path", "other"),
        ("volume_path", "garbage"),
        ("absolute_win32_path", "base"),
    ];
    let mut top = Vhdx::new(MIB as u64, 512);
    (top.flags, top.locator, top.file_write) = (2, Some(testing::parent_locator(&pairs)), [7; 16]);
    let mut garbage = base.file();
    garbage[0] = b'V';
    let folder = Folder::with(&[
        ("base", base.file()),
        ("other", other.file()),
        ("garbage", garbage),
        ("top", top.file()),
    ]);
    let mut byte = [0];
    folder.open("top").unwrap().bytes.read_full_at(&mut byte, 0).unwrap();
    assert_eq!(byte, [4]);
    assert_eq!(*folder.asked.lock().unwrap(), [["other", "garbage", "base"]]);
}

#[test]
fn a_parent_that_is_not_there_is_named_with_what_to_do() {
    let file = vhd(2, Some((1, r"D:\vm\base.vhd")), &[]);
    let why = open(Arc::new(file), &NoParents).unwrap_err();
    assert!(matches!(why, Error::Unsupported(_)));
    let why = why.to_string();
    assert!(
        why.contains(r"D:\vm\base.vhd") && why.contains("--parent") && why.contains("no such file"),
        "{why}"
    );
}

#[test]
fn a_chain_that_leads_back_to_itself_or_has_no_end_is_refused() {
    let folder =
        Folder::with(&[("one", vhd(1, Some((2, "two")), &[])), ("two", vhd(2, Some((1, "one")), &[]))]);
    assert!(folder.refused("one").contains("lead back to one"), "{}", folder.refused("one"));
    let itself = Folder::with(&[("one", vhd(1, Some((1, "one")), &[]))]);
    assert!(itself.refused("one").contains("lead back to one"));
    let mut vhdx = Vhdx::new(MIB as u64, 512);
    vhdx = vhdx.child_of([2; 16], "one");
    assert!(Folder::with(&[("one", vhdx.file())]).refused("one").contains("lead back to one"));
    let names: Vec<String> = (0..70).map(|number| number.to_string()).collect();
    let long: Vec<(&str, Vec<u8>)> = (0..70u8)
        .map(|number| {
            let name = names[usize::from(number)].as_str();
            let parent = names.get(usize::from(number) + 1).map(|parent| (number + 1, parent.as_str()));
            (name, vhd(number, parent, &[(u64::from(number % 40), 1, number)]))
        })
        .collect();
    let folder = Folder::with(&long);
    assert!(folder.refused("0").contains("more than 64"));
    assert_eq!(sectors(&folder.open("6").unwrap())[6..10], [6, 7, 8, 9]);
}

#[test]
fn sectors_of_different_sizes_in_a_chain_are_refused() {
    let base = Vhdx::new(MIB as u64, 4096);
    let mut top = Vhdx::new(MIB as u64, 512).child_of([2; 16], "base");
    top.file_write = [7; 16];
    let why = Folder::with(&[("base", base.file()), ("top", top.file())]).refused("top");
    assert!(why.contains("sectors of 512 bytes") && why.contains("sectors of 4096 bytes"), "{why}");
}

#[test]
fn a_parent_that_was_changed_later_is_a_note() {
    let mut folder = Folder::with(&[("base", vhd(1, None, &[])), ("top", vhd(2, Some((1, "base")), &[]))]);
    // The child says that its parent was last changed in the first second of 2000, and so does the
    // parent's footer of when it was made.
    folder.modified = Some(1_000_000_000);
    assert!(folder.open("top").unwrap().notes.is_empty());
    let mut top = folder.files["top"].clone();
    top[512 + 59] = 100;
    testing::seal(&mut top[512..1536], 36);
    folder =
        Folder { modified: folder.modified, ..Folder::with(&[("base", vhd(1, None, &[])), ("top", top)]) };
    let notes = folder.open("top").unwrap().notes;
    assert!(notes[0].starts_with("Parent base: The differencing disk names another time"), "{notes:?}");
    folder.modified = Some(946_684_800 + 101);
    assert!(folder.open("top").unwrap().notes.is_empty());
}

#[test]
fn the_bitmap_of_a_block_in_part_must_be_there() {
    let mut top = Vhdx::new(MIB as u64, 512).child_of([2; 16], "base");
    top.file_write = [7; 16];
    top.sectors(3, 1, 1);
    let mut file = top.file();
    let entry = testing::VHDX_TABLE + 8 * 4096;
    file[entry] = 0;
    let folder = Folder::with(&[("base", Vhdx::new(MIB as u64, 512).file()), ("top", file)]);
    let error = folder.open("top").unwrap().bytes.read_at(&mut [0; 9], 0).unwrap_err().to_string();
    assert!(error.contains("bitmap of its sectors is missing"), "{error}");
}

#[test]
fn raw_images_are_themselves_and_headers_are_recognised() {
    let bytes: Vec<u8> = (0..5000u32).map(|index| index as u8).collect();
    let disk = open(Arc::new(bytes.clone()), &NoParents).unwrap();
    assert_eq!(testing::all(&disk.bytes).unwrap(), bytes);
    assert_eq!((disk.kind, disk.sector_size), (Kind::Raw, None));
    assert_eq!(open(Arc::new(Vec::new()), &NoParents).unwrap().bytes.len(), 0);
    assert_eq!(recognise(&[], &[]), None);
    assert_eq!(recognise(b"vhdxfile", b"vhdxfile"), Some(Family::Vhdx));
    let file = vhd(1, None, &[]);
    assert_eq!(recognise(&file[..512], &[0; 512]), Some(Family::Vhd));
    assert_eq!(recognise(&[0; 512], &file[file.len() - 512..]), Some(Family::Vhd));
}

proptest! {
    #[test]
    fn a_chain_reads_as_if_all_was_written_to_one_disk(
        layers in prop::collection::vec(prop::collection::vec((0u64..40, 1u64..9, 1u8..255), 0..6), 1..5),
        offset in 0u64..21_000,
        length in 0usize..21_000,
    ) {
        let names: Vec<String> = (0..layers.len()).map(|layer| layer.to_string()).collect();
        let mut files = Vec::new();
        let mut expected = vec![0; 40 * SECTOR as usize];
        for (layer, writes) in layers.iter().enumerate() {
            let writes: Vec<_> = writes.iter().map(|&(at, count, byte)| (at, count.min(40 - at), byte)).collect();
            for &(at, count, byte) in &writes {
                let from = (at * SECTOR) as usize;
                expected[from..from + (count * SECTOR) as usize].fill(byte);
            }
            let parent = layer.checked_sub(1).map(|below| (below as u8, names[below].as_str()));
            files.push((names[layer].as_str(), vhd(layer as u8, parent, &writes)));
        }
        let disk = Folder::with(&files).open(&names[layers.len() - 1]).unwrap();
        let mut read = vec![0xaa; length];
        let got = disk.bytes.read_full_at(&mut read, offset).unwrap();
        let from = (offset as usize).min(expected.len());
        prop_assert_eq!(&read[..got], &expected[from..(from + length).min(expected.len())]);
    }
}
