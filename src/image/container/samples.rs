//! Images of `fixtures/images/containers`, which other programs wrote and read: qemu and 7-Zip. See
//! `fixtures/images/containers.sh`.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::testing::{self, Flipped};
use super::*;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/images/containers")
}

fn image(name: &str) -> Option<Vec<u8>> {
    let packed = fs::read(folder().join(format!("{name}.zst"))).ok()?;
    Some(zstd::decode_all(&packed[..]).unwrap())
}

/// Finds parents beside the child.
#[derive(Debug)]
struct Beside;

impl Parents for Beside {
    fn open(&self, paths: &[String]) -> Result<Vec<Parent>, Error> {
        let names = paths.iter().filter_map(|path| path.rsplit('\\').next());
        let parent = |name: &str| {
            let bytes = Arc::new(image(name)?);
            Some(Parent { name: name.to_owned(), bytes, modified: None, parents: Arc::new(Beside) })
        };
        Ok(names.filter_map(parent).collect())
    }
}

#[test]
fn images_of_real_programs_are_read_as_those_programs_read_them() {
    let sums = fs::read_to_string(folder().join("sums.txt")).unwrap();
    assert!(sums.lines().count() >= 11);
    for line in sums.lines() {
        let [sum, size, name] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let disk = open(Arc::new(image(name).unwrap()), &Beside).unwrap();
        assert_eq!(disk.bytes.len().to_string(), size, "{name}");
        let found = Sha256::digest(testing::all(&disk.bytes).unwrap());
        let found: String = found.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found, sum, "{name}");
        assert_eq!(disk.unfinished.is_empty(), name != "qemu-dirty.vhdx", "{name}: {:?}", disk.unfinished);
        assert_eq!(disk.damage, [""; 0], "{name}");
        assert_eq!(disk.notes.is_empty(), name != "qemu-dirty.vhdx", "{name}: {:?}", disk.notes);
        let is_child = matches!(disk.kind, Kind::VhdDifferencing | Kind::VhdxDifferencing);
        assert_eq!(is_child, name.contains("child"), "{name} is a {}", disk.kind);
    }
}

#[test]
fn reads_of_any_size_and_place_find_the_same_bytes() {
    for name in ["grandchild.vhd", "grandchild.vhdx", "qemu-dynamic.vhd", "qemu-dirty.vhdx"] {
        let disk = open(Arc::new(image(name).unwrap()), &Beside).unwrap();
        let all = testing::all(&disk.bytes).unwrap();
        for (start, length) in
            [(1usize, 511usize), (511, 2), (2_096_900, 9000), (4_607_999, 160_000), (8_388_600, 100)]
        {
            let mut read = vec![0x5a; length];
            let got = disk.bytes.read_full_at(&mut read, start as u64).unwrap();
            assert!(read[..got] == all[start..(start + length).min(all.len())], "{name} from {start}");
        }
        let mut read = vec![0; all.len()];
        for (index, piece) in read.chunks_mut(7777).enumerate() {
            disk.bytes.read_full_at(piece, index as u64 * 7777).unwrap();
        }
        assert!(read == all, "{name} in pieces");
    }
}

/// A damaged header of a real image is an error, or a note and the same disk.
#[test]
fn a_flipped_byte_in_a_header_of_a_real_image_is_not_silent() {
    for (name, starts) in [
        ("qemu-dynamic.vhd", vec![0, 512, 1024]),
        ("qemu-dynamic.vhdx", vec![0, 64 << 10, 128 << 10, 192 << 10, 256 << 10]),
    ] {
        let file = Arc::new(image(name).unwrap());
        let good = open(Arc::clone(&file) as Arc<dyn ReadAt>, &NoParents).unwrap();
        let end = if name.ends_with("vhd") { vec![file.as_slice().len() - 512] } else { Vec::new() };
        // Behind its signature, the first structure of a VHDX is the name of its creator, which is
        // for people only.
        let length = |start: usize| if start == 0 && name.ends_with("vhdx") { 8 } else { 80 };
        for at in starts.into_iter().chain(end).flat_map(|start| start..start + length(start)) {
            let flipped = Flipped { file: Arc::clone(&file), at, change: 0x40 };
            let Ok(disk) = open(Arc::new(flipped), &NoParents) else { continue };
            assert!(!disk.notes.is_empty(), "{name}, byte {at}: nothing is said");
            assert_eq!(disk.bytes.len(), good.bytes.len(), "{name}, byte {at}");
            for place in [0u64, 2_093_056, 5_242_880, 8_192_000] {
                let (mut one, mut other) = ([0; 512], [1; 512]);
                good.bytes.read_full_at(&mut one, place).unwrap();
                disk.bytes.read_full_at(&mut other, place).unwrap();
                assert_eq!(one, other, "{name}, byte {at}");
            }
        }
    }
}
