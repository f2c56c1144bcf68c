//! Tests layers on top of layers, against a simple model and with the readers of real archives.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::compression::Compression;
use super::tar::Tar;
use super::zip::Zip;
use super::{
    Backup, Context, Damage, Description, Entry, RestoreError, RestoreSink, Restored, Scratch, Wanted,
};
use crate::bytes::*;
use crate::cancel::CancelToken;
use crate::platform;

/// For each path of a backup, its content or the reason why there is none; and what was damaged.
#[derive(Debug, Default, PartialEq)]
struct Delivered {
    files: BTreeMap<Vec<u8>, Result<Vec<u8>, String>>,
    damage: Vec<Damage>,
}

impl RestoreSink for Delivered {
    fn deliver(&mut self, entry: Entry<'_>, outcome: Result<Restored, RestoreError>) -> ControlFlow<()> {
        let content = outcome.map(|restored| whole(&restored)).map_err(|error| error.to_string());
        assert!(self.files.insert(entry.path.to_vec(), content).is_none());
        ControlFlow::Continue(())
    }

    fn lost(&mut self, damage: Damage) {
        self.damage.push(damage);
    }
}

fn restore_all(backup: &dyn Backup) -> Delivered {
    let target = tempfile::tempdir().unwrap();
    let scratch = Scratch::create(target.path(), CancelToken::new()).unwrap();
    let mut delivered = Delivered::default();
    backup.restore(Wanted::Every(&|_| true), &scratch, &Context::default(), &mut delivered).unwrap();
    delivered
}

fn described(location: &str) -> Description {
    Description {
        location: location.into(),
        format: "image",
        snapshot: None,
        id: None,
        taken: None,
        unique_names: false,
        time_resolution_ns: 1,
        several: None,
    }
}

fn whole(bytes: &dyn ReadAt) -> Vec<u8> {
    let mut content = Vec::new();
    BufReader::new(SequentialReader::new(bytes)).read_to_end(&mut content).unwrap();
    assert_eq!(content.len() as u64, bytes.len());
    content
}

fn archive(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/archives").join(name)
}

/// The content of an archive behind three layers, as in a disk image that was changed later. Below,
/// a file has other bytes around the archive, and every third block of the archive is wrong in it.
/// On top of a part of that file, a layer in memory has the right bytes. On top of that is a window
/// that shows only the archive.
fn layered(content: &[u8]) -> Box<dyn ReadAt> {
    const BLOCK: usize = 700;
    let (before, inner) = (5 * 512 + 3, 1000);
    let mut image = vec![0xa5; before + inner];
    let (mut top, mut extents) = (vec![0x5a; 11], Vec::new());
    for (index, block) in content.chunks(BLOCK).enumerate() {
        if index % 3 == 0 {
            extents.push(Extent {
                at: (inner + index * BLOCK) as u64,
                len: block.len() as u64,
                from: top.len() as u64,
            });
            top.extend_from_slice(block);
            image.extend(block.iter().map(|byte| !byte));
        } else {
            image.extend_from_slice(block);
        }
    }
    image.extend_from_slice(&[0xa5; 4000]);
    extents.reverse();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&image).unwrap();
    let part = Window::new(FileBytes::new(file, image.len() as u64), before as u64, u64::MAX);
    let changed = Overlay::new(part, top, extents).unwrap();
    Box::new(Window::new(changed, inner as u64, content.len() as u64))
}

#[test]
fn archives_in_a_window_of_an_overlay_of_a_file_are_restored_as_on_the_disk() {
    let tars = [
        ("gnu.tar", None),
        ("repeated.tar", None),
        ("tree-members.tar.gz", Some(Compression::Gzip)),
        ("tree-streams.tar.bz2", Some(Compression::Bzip2)),
        ("tree-streams.tar.xz", Some(Compression::Xz)),
        ("tree-frames.tar.zst", Some(Compression::Zstd)),
    ];
    let zips =
        ["tree.zip", "infozip-streamed.zip", "bsdtar-zip64.zip", "7zip-bzip2.zip", "behind-a-program.zip"];
    let tars = tars.map(|(name, compression)| {
        let bytes = layered(&std::fs::read(archive(name)).unwrap());
        (name, Box::new(Tar::new(described("image"), bytes, compression)) as Box<dyn Backup>)
    });
    let zips = zips.map(|name| {
        let bytes = layered(&std::fs::read(archive(name)).unwrap());
        (name, Box::new(Zip::open(described("image"), bytes).unwrap()) as Box<dyn Backup>)
    });
    for (name, layered) in tars.into_iter().chain(zips) {
        let expected = restore_all(&*super::open(&archive(name).into(), &Context::default()).unwrap());
        assert!(expected.files.values().any(Result::is_ok), "{name}");
        assert_eq!(restore_all(&*layered), expected, "{name}");
    }
}

#[test]
fn a_restored_file_is_a_container_like_any_other() {
    let target = tempfile::tempdir().unwrap();
    let scratch = Scratch::create(target.path(), CancelToken::new()).unwrap();
    let content = std::fs::read(archive("tree.zip")).unwrap();
    let restored = scratch.restore(&mut &content[..], None, &mut Vec::new()).unwrap();
    let zip = Zip::open(described("inner"), Box::new(restored)).unwrap();
    let expected = restore_all(&*super::open(&archive("tree.zip").into(), &Context::default()).unwrap());
    assert_eq!(restore_all(&zip), expected);
}

#[test]
fn a_file_that_is_cut_off_under_a_layer_is_an_error_and_not_an_end() {
    let named = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(named.path(), [7; 100]).unwrap();
    let file = platform::open_to_read(named.path(), false).unwrap();
    let window = Window::new(FileBytes::new(file, 100), 10, 80);
    let layer = Overlay::new(&window, vec![1; 10], vec![Extent { at: 60, len: 10, from: 0 }]).unwrap();
    named.as_file().set_len(40).unwrap();
    let mut buffer = [0; 20];
    assert_eq!(window.read_at(&mut buffer, 20).unwrap(), 10);
    for cut in [window.read_at(&mut buffer, 30), layer.read_at(&mut buffer, 40)] {
        assert_eq!(cut.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
    assert_eq!(layer.read_full_at(&mut buffer[..10], 60).unwrap(), 10);
    assert_eq!(layer.read_at(&mut buffer, 80).unwrap(), 0);
    assert_eq!(layer.read_at(&mut [], 50).unwrap(), 0);
}

#[test]
fn invalid_extents_are_refused() {
    let (base, top) = (vec![0; 100], vec![1; 20]);
    let layer = |extents: &[(u64, u64, u64)]| {
        let extents = extents.iter().map(|&(at, len, from)| Extent { at, len, from }).collect();
        Overlay::new(&base, &top, extents).map(|layer| whole(&layer)[..].to_vec())
    };
    assert_eq!(layer(&[(10, 5, 0), (14, 2, 0)]), Err(InvalidExtent::Overlap(14)));
    assert_eq!(layer(&[(95, 6, 0)]), Err(InvalidExtent::BeyondBase(95)));
    assert_eq!(layer(&[(u64::MAX, 2, 0)]), Err(InvalidExtent::BeyondBase(u64::MAX)));
    assert_eq!(layer(&[(0, 2, 19)]), Err(InvalidExtent::BeyondTop(0)));
    assert_eq!(layer(&[(0, 2, u64::MAX)]), Err(InvalidExtent::BeyondTop(0)));
    assert_eq!(layer(&[(15, 5, 0), (10, 5, 0), (12, 0, 99)]).unwrap()[10..20], [1; 10]);
}

/// A layer in numbers that can be adapted to any length.
type Layer = (bool, Vec<(u64, u64, u64)>, u64, u64);

/// Puts a layer on `bytes`, and applies it to the plain `model` of them.
fn put(bytes: Box<dyn ReadAt>, model: &mut Vec<u8>, layer: Layer, seed: u8) -> Box<dyn ReadAt> {
    let (is_window, extents, start, len) = layer;
    let whole = model.len() as u64;
    if is_window {
        let (start, len) = (start % (whole + 2), len % (whole + 2));
        let begin = usize::try_from(start.min(whole)).unwrap();
        let end = usize::try_from((start + len).min(whole)).unwrap().max(begin);
        *model = model[begin..end].to_vec();
        return Box::new(Window::new(bytes, start, len));
    }
    let top: Vec<u8> = (0..=255).map(|byte: u8| byte.wrapping_mul(31).wrapping_add(seed)).collect();
    let (mut fitting, mut free) = (Vec::new(), 0);
    for (gap, len, from) in extents {
        let (at, len, from) = (free + gap % 40, len % 60, from % 196);
        if at + len > whole {
            break;
        }
        fitting.push(Extent { at, len, from });
        free = at + len;
        let [at, len, from] = [at, len, from].map(|number| usize::try_from(number).unwrap());
        model[at..at + len].copy_from_slice(&top[from..from + len]);
    }
    fitting.reverse();
    Box::new(Overlay::new(bytes, top, fitting).unwrap())
}

proptest! {
    #[test]
    fn layers_read_like_the_plain_bytes_they_stand_for(
        base in proptest::collection::vec(any::<u8>(), 0..600),
        layers in proptest::collection::vec(
            (any::<bool>(), proptest::collection::vec(any::<(u64, u64, u64)>(), 0..8), any::<u64>(), any::<u64>()),
            1..5,
        ),
        reads in proptest::collection::vec((0_u64..700, 0_usize..300), 1..20),
    ) {
        let mut model = base.clone();
        let mut bytes: Box<dyn ReadAt> = Box::new(base);
        for (layer, seed) in layers.into_iter().zip(0..) {
            bytes = put(bytes, &mut model, layer, seed);
        }
        prop_assert_eq!(bytes.len(), model.len() as u64);
        prop_assert_eq!(whole(&*bytes), &model[..]);
        let mut reader = SequentialReader::new(&*bytes);
        for (offset, length) in reads {
            let rest = model.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
            let mut buffer = vec![0; length];
            let got = bytes.read_at(&mut buffer, offset).unwrap();
            prop_assert_eq!(got == 0, rest.is_empty() || length == 0);
            prop_assert_eq!(&buffer[..got], &rest[..got]);
            let all = bytes.read_full_at(&mut buffer, offset).unwrap();
            prop_assert_eq!(&buffer[..all], &rest[..rest.len().min(length)]);
            prop_assert_eq!(reader.seek(SeekFrom::Start(offset)).unwrap(), offset);
            let got = platform::read_full(&mut reader, &mut buffer).unwrap();
            prop_assert_eq!(&buffer[..got], &rest[..rest.len().min(length)]);
        }
    }
}
