//! The catalog of a small volume that ntfs-3g made, sound and damaged
//! (`fixtures/images/catalog.sh`).

use std::collections::BTreeSet;
use std::io::Read;
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, LazyLock};

use super::{Listing, list};
use crate::bytes::ReadAt;
use crate::image::Error;
use crate::image::ntfs::{AttributeKind, FileReference, Value, Volume};
use crate::platform::Timestamp;

/// The volume.
pub(super) static VOLUME: LazyLock<Arc<Vec<u8>>> =
    LazyLock::new(|| unpack(include_bytes!("../../../../fixtures/images/catalog.ntfs.xz")));

pub(super) fn unpack(packed: &[u8]) -> Arc<Vec<u8>> {
    let mut bytes = Vec::new();
    liblzma::read::XzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    Arc::new(bytes)
}

/// What a mount by ntfs-3g says: size, time and path.
const LIST: &[u8] = include_bytes!("../../../../fixtures/images/catalog.list");

/// A volume of which some bytes are others.
#[derive(Debug)]
pub(super) struct Patched {
    pub volume: Arc<Vec<u8>>,
    pub patches: Vec<(usize, Vec<u8>)>,
}

impl ReadAt for Patched {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        let got = self.volume.read_at(buffer, offset)?;
        let begin = usize::try_from(offset).unwrap();
        for (at, bytes) in &self.patches {
            for (at, byte) in (*at..).zip(bytes).filter(|(at, _)| (begin..begin + got).contains(at)) {
                buffer[at - begin] = *byte;
            }
        }
        Ok(got)
    }

    fn len(&self) -> u64 {
        self.volume.len()
    }
}

pub(super) type Found = BTreeSet<(Vec<u8>, FileReference, u64, Timestamp)>;

pub(super) fn list_all(patches: Vec<(usize, Vec<u8>)>) -> Result<(Found, Listing, bool), Error> {
    let volume = Volume::open(Arc::new(Patched { volume: VOLUME.clone(), patches }))?;
    let mut found = Found::new();
    let listing = list(&volume, &|| false, &mut |file| {
        found.insert((file.path.to_vec(), file.reference, file.size, file.mtime));
        ControlFlow::Continue(())
    })?;
    Ok((found, listing, volume.notes().is_empty()))
}

pub(super) fn problems(listing: &Listing) -> Vec<String> {
    let text = |problem: &super::Problem| {
        let path = problem.path.as_deref().map_or("?".into(), String::from_utf8_lossy);
        format!("{path}: {}", problem.problem)
    };
    listing.problems.iter().map(text).collect()
}

/// Where the bytes of a record are.
pub(super) fn record(number: u64) -> Range<usize> {
    let volume = Volume::open(VOLUME.clone()).unwrap();
    let mft = volume.record(0, &mut Vec::new()).unwrap().reference();
    let value = volume.file(mft).unwrap().value(AttributeKind::DATA, &[]).unwrap();
    let Some(Value::NonResident(mft)) = value else { panic!("the $MFT is in a record") };
    let size = u64::from(volume.geometry().record_size);
    // A record of this volume is as large as a cluster.
    let run = mft.extents.runs().from(number)[0];
    let at = usize::try_from((run.lcn.unwrap() + number - run.vcn) * size).unwrap();
    at..at + usize::try_from(size).unwrap()
}

/// The record of the file or folder with this path.
pub(super) fn record_of(path: &str) -> Range<usize> {
    let (found, _, _) = list_all(Vec::new()).unwrap();
    let file = found.iter().find(|file| file.0 == path.as_bytes()).unwrap();
    record(file.1.record)
}

/// Where in the range the bytes are.
pub(super) fn find(range: Range<usize>, bytes: &[u8]) -> usize {
    range.start + VOLUME[range].windows(bytes.len()).position(|window| window == bytes).unwrap()
}

pub(super) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn the_files_of_a_volume_are_those_that_a_mount_shows_with_their_sizes_and_times() {
    let (found, listing, _) = list_all(Vec::new()).unwrap();
    assert_eq!(problems(&listing), Vec::<String>::new());
    assert_eq!(listing.others, 3, "two symbolic links and a junction");
    let ours: BTreeSet<_> = found.into_iter().map(|(path, _, size, mtime)| (path, size, mtime)).collect();
    let lines = LIST.split(|byte| *byte == 0).filter(|line| !line.is_empty());
    let mounted: BTreeSet<_> = lines
        .map(|line| {
            let mut fields = line.splitn(3, |byte| *byte == b' ');
            let mut text = || std::str::from_utf8(fields.next().unwrap()).unwrap();
            let (size, time) = (text().parse().unwrap(), text());
            let (seconds, fraction) = time.split_once('.').unwrap();
            let nanos = fraction[..9].parse().unwrap();
            (fields.next().unwrap().to_vec(), size, Timestamp { seconds: seconds.parse().unwrap(), nanos })
        })
        .collect();
    assert_eq!(listing.notes, [""; 0]);
    assert_eq!(ours, mounted);
}

#[test]
fn a_listing_can_be_ended_and_cancelled() {
    let volume = Volume::open(VOLUME.clone()).unwrap();
    let mut number = 0;
    let listing = list(&volume, &|| false, &mut |_| {
        number += 1;
        if number < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    assert!(listing.unwrap().is_stopped);
    assert_eq!(number, 3);
    let listing = list(&volume, &|| true, &mut |_| panic!("no file is listed")).unwrap();
    assert!(listing.is_stopped);
}

#[test]
fn a_file_whose_record_is_torn_is_named_by_its_path() {
    let at = record_of("a/b/c/d/e/f/deep").start + 510;
    let (found, listing, _) = list_all(vec![(at, vec![0xAA, 0xBB])]).unwrap();
    assert!(!found.iter().any(|file| file.0 == b"a/b/c/d/e/f/deep"));
    let problems = problems(&listing);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("a/b/c/d/e/f/deep: MFT record "), "{problems:?}");
}

#[test]
fn a_record_that_is_free_although_its_folder_names_it_is_a_lost_file() {
    let at = record_of("moved/from/file".replace("moved/from", "to/here").as_str()).start + 0x16;
    let (_, listing, _) = list_all(vec![(at, vec![0])]).unwrap();
    let problems = problems(&listing);
    assert!(
        problems[0].starts_with("to/here/file: the folder names a file that may be lost"),
        "{problems:?}"
    );
}

#[test]
fn a_name_that_only_the_record_has_is_listed_and_told() {
    let at = find(record_of("sparse"), &utf16("sparse"));
    let (found, listing, _) = list_all(vec![(at, utf16("SPARSE"))]).unwrap();
    assert!(found.iter().any(|file| file.0 == b"SPARSE"));
    let problems = problems(&listing);
    assert!(problems.iter().any(|line| line.starts_with("sparse: the folder names a file")), "{problems:?}");
    assert!(problems.iter().any(|line| line.starts_with("SPARSE: the folder does not name")), "{problems:?}");
}

#[test]
fn names_that_cannot_be_part_of_a_path_are_told_and_not_listed() {
    for name in ["a/bcde", "abcde\0"] {
        let at = find(record_of("sparse"), &utf16("sparse"));
        let (found, listing, _) = list_all(vec![(at, utf16(name))]).unwrap();
        assert!(!found.iter().any(|file| file.0.ends_with(name.as_bytes())));
        let problems = problems(&listing);
        assert!(
            problems.iter().any(|line| line.contains("cannot be listed, because its name")),
            "{problems:?}"
        );
    }
}

/// The record of the folder that a file is in.
fn parent_of(path: &str) -> FileReference {
    let record = record_of(path);
    let name = find(record, &utf16(path.rsplit('/').next().unwrap()));
    let raw = VOLUME[name - 0x42..name - 0x3A].try_into().unwrap();
    FileReference::from_raw(u64::from_le_bytes(raw))
}

pub(super) fn raw(reference: FileReference) -> Vec<u8> {
    (reference.record | u64::from(reference.sequence) << 48).to_le_bytes().to_vec()
}

#[test]
fn files_whose_folder_was_reused_are_told_and_get_no_path() {
    let folder = parent_of("a/b/c/d/e/f/deep");
    let at = record(folder.record).start + 0x10;
    let (found, listing, _) = list_all(vec![(at, (folder.sequence + 1).to_le_bytes().to_vec())]).unwrap();
    assert!(!found.iter().any(|file| file.0.ends_with(b"deep")));
    let problems = problems(&listing);
    let told = r#"?: 1 file cannot be listed, because the folder is missing: "deep""#;
    assert!(problems.iter().any(|line| line == told), "{problems:?}");
}

#[test]
fn folders_that_contain_each_other_end() {
    let f = parent_of("a/b/c/d/e/f/deep");
    let name = |folder: FileReference, name: &str| find(record(folder.record), &utf16(name)) - 0x42;
    // Going up from f: e, d, c, b. The parent of b becomes f.
    let mut b = f;
    for step in ["f", "e", "d", "c"] {
        let at = name(b, step);
        b = FileReference::from_raw(u64::from_le_bytes(VOLUME[at..at + 8].try_into().unwrap()));
    }
    let (found, listing, _) = list_all(vec![(name(b, "b"), raw(f))]).unwrap();
    assert!(!found.iter().any(|file| file.0.ends_with(b"deep")));
    let problems = problems(&listing);
    let told = r#"?: 1 file cannot be listed, because the folders contain each other: "deep""#;
    assert!(problems.iter().any(|line| line == told), "{problems:?}");
}

#[test]
fn a_record_that_claims_to_be_a_part_of_another_file_is_told() {
    // The record of a file becomes a part of another one.
    let other = record_of("sparse").start + 0x20;
    let (found, _, _) = list_all(Vec::new()).unwrap();
    let of = found.iter().find(|file| file.0 == b"streams/file").unwrap().1;
    let (_, listing, _) = list_all(vec![(other, raw(of))]).unwrap();
    let problems = problems(&listing);
    assert!(problems.iter().any(|line| line.contains("which does not know of it")), "{problems:?}");
}
