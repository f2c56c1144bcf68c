//! Changes single bits of all that a volume says about its files, and looks at what comes of it.
//!
//! A changed bit may be told, it may change nothing, and it may change what a file contains, its
//! size or its time: then the file differs from its original. But it may not take a file away,
//! invent one, or make one that cannot be read here, without a word.
//!
//! The volumes are two of `fixtures/images`, and the one that `BKVERIFY_FLIP_VOLUME` names. A
//! sample of all bits is tried. To try all of them, which takes many minutes:
//! `BKVERIFY_FLIP_STEP=1 cargo test --release --lib flips`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use super::list;
use super::tests::{Patched, unpack};
use crate::image::Error;
use crate::image::ntfs::attribute::Body;
use crate::image::ntfs::extents::Extents;
use crate::image::ntfs::{AttributeKind, FileReference, Volume};
use crate::platform::Timestamp;

/// The bytes of a file that are read.
const MOST: u64 = 1 << 20;
/// A change of these records may change all files: those of the $MFT and of the file system.
const SYSTEM: u32 = 24;

type Listed = BTreeMap<(Vec<u8>, FileReference), (u64, Timestamp)>;

/// What comes of reading a file.
#[derive(Debug, PartialEq, Eq)]
enum Content {
    Bytes(Vec<u8>),
    Damaged,
    Unsupported,
}

/// What a volume says.
struct Said {
    listed: Listed,
    is_told: bool,
    volume: Volume,
}

impl Said {
    fn of(image: &Arc<Vec<u8>>, flip: Option<(usize, u8)>) -> Result<Self, Error> {
        let patches = flip.iter().map(|(at, mask)| (*at, vec![image[*at] ^ mask])).collect();
        let volume = Volume::open(Arc::new(Patched { volume: image.clone(), patches }))?;
        let mut listed = Listed::new();
        let listing = list(&volume, &|| false, &mut |file| {
            listed.insert((file.path.to_vec(), file.reference), (file.size, file.mtime));
            ControlFlow::Continue(())
        })?;
        Ok(Self { listed, is_told: !listing.problems.is_empty(), volume })
    }

    fn read(&self, file: FileReference) -> Content {
        let stream = self.volume.file(file).and_then(|file| file.stream(&[]));
        let read = stream.and_then(|stream| {
            let mut bytes = Vec::new();
            let stream = stream.ok_or_else(|| Error::Damaged("it has no content".to_owned()))?;
            stream.reader().take(MOST).read_to_end(&mut bytes).map_err(Error::from)?;
            Ok(bytes)
        });
        match read {
            Ok(bytes) => Content::Bytes(bytes),
            Err(Error::Unsupported(_)) => Content::Unsupported,
            Err(_) => Content::Damaged,
        }
    }
}

/// A place of the volume, and the record that it belongs to.
type Place = (Range<usize>, u32);

/// All places of the volume that say what files there are, and where they are.
fn metadata(image: &Arc<Vec<u8>>) -> Vec<Place> {
    let volume = Volume::open(image.clone()).unwrap();
    let mut places = vec![(0..90, 0)];
    let mut buffer = Vec::new();
    let size = usize::try_from(volume.geometry().record_size).unwrap();
    for number in 0..volume.record_count() {
        let Ok(record) = volume.record(number, &mut buffer) else { continue };
        if !record.is_in_use() {
            continue;
        }
        let file = u32::try_from(record.base().unwrap_or(record.reference()).record).unwrap();
        let at = usize::try_from(volume.record_position(number).unwrap()).unwrap();
        let used = usize::from(u16::from_le_bytes([image[at + 0x18], image[at + 0x19]]));
        places.push((at..at + used, file));
        places.extend(
            (512..=size).step_by(512).filter(|end| *end > used).map(|end| (at + end - 2..at + end, file)),
        );
        for attribute in record.attributes() {
            let attribute = attribute.unwrap();
            if let Body::NonResident(part) = attribute.body
                && !matches!(attribute.kind, AttributeKind::DATA | AttributeKind::LOGGED_UTILITY_STREAM)
            {
                let mut extents = Extents::new(volume.bytes().clone(), volume.geometry());
                // Parts that are not the first are left out.
                if extents.append(&part).is_ok() {
                    let ranges = ranges(&extents, part.size);
                    places.extend(ranges.into_iter().flat_map(|range| used_parts(image, range, file)));
                }
            }
        }
    }
    places
}

/// Where the first `size` bytes of a value are.
fn ranges(extents: &Extents, size: u64) -> Vec<Range<usize>> {
    let cluster = extents.cluster_size();
    let range = |run: &crate::image::ntfs::runs::Run| {
        let begin = usize::try_from(run.lcn? * cluster).unwrap();
        let length = (run.length * cluster).min(size.saturating_sub(run.vcn * cluster));
        Some(begin..begin + usize::try_from(length).unwrap())
    };
    extents.runs().runs().iter().filter_map(range).collect()
}

/// Of a block of an index, only the bytes in use.
fn used_parts(image: &[u8], range: Range<usize>, file: u32) -> Vec<Place> {
    let mut parts = Vec::new();
    let mut at = range.start;
    while at < range.end {
        if image[at..].starts_with(b"INDX") {
            let used = u32::from_le_bytes(image[at + 0x1C..at + 0x20].try_into().unwrap());
            let end = (at + 0x18 + usize::try_from(used).unwrap()).min(range.end);
            parts.push((at..end, file));
            at = end;
        } else {
            let next = (at / 512 + 1) * 512;
            if at == range.start || image[range.start..].starts_with(b"INDX") {
                parts.push((at..next.min(range.end), file));
            }
            at = next;
        }
    }
    parts
}

/// What came of the changes.
#[derive(Debug, Default)]
struct Counts {
    told: u64,
    harmless: u64,
    /// The files are the same, but a size, a time or bytes are others, or cannot be read.
    other: u64,
    /// Places that hide a file or invent one, or make one that cannot be read here.
    wrong: Vec<(usize, u8, String)>,
}

/// Changes one bit of every `step`.
fn sweep(image: &Arc<Vec<u8>>, step: usize) -> Counts {
    let sound = Said::of(image, None).unwrap();
    let files: BTreeSet<FileReference> = sound.listed.keys().map(|(_, file)| *file).collect();
    let read = |said: &Said, record: u32| -> Vec<_> {
        let wanted = |file: &&FileReference| record < SYSTEM || file.record == u64::from(record);
        files.iter().filter(wanted).map(|file| (*file, said.read(*file))).collect()
    };
    let contents: BTreeMap<_, _> = read(&sound, 0).into_iter().collect();
    let mut counts = Counts::default();
    let bits = metadata(image)
        .into_iter()
        .flat_map(|(range, file)| range.flat_map(move |at| (0..8).map(move |bit| (at, 1_u8 << bit, file))));
    for (at, mask, record) in bits.step_by(step) {
        let Ok(said) = Said::of(image, Some((at, mask))) else {
            counts.told += 1;
            continue;
        };
        if said.is_told {
            counts.told += 1;
            continue;
        }
        let mut wrong = |what: String| counts.wrong.push((at, mask, what));
        if !said.listed.keys().eq(sound.listed.keys()) {
            let gone = sound.listed.keys().find(|key| !said.listed.contains_key(key));
            let new = said.listed.keys().find(|key| !sound.listed.contains_key(key));
            wrong(format!("gone {gone:?}, new {new:?}"));
            continue;
        }
        let mut is_same = said.listed == sound.listed;
        for (file, content) in read(&said, record) {
            is_same &= content == contents[&file];
            if content == Content::Unsupported && contents[&file] != content {
                wrong(format!("{file} cannot be read here"));
            }
        }
        if is_same { counts.harmless += 1 } else { counts.other += 1 }
    }
    counts
}

#[expect(clippy::disallowed_methods, reason = "asked for by whoever runs the test")]
fn asked(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}

fn no_bit_takes_a_file_away(image: &Arc<Vec<u8>>) {
    let step = asked("BKVERIFY_FLIP_STEP").map_or(2999, |step| step.parse().unwrap());
    let counts = sweep(image, step);
    println!("{counts:#?}");
    assert!(counts.told > 20 && counts.harmless > 20, "{counts:?}");
    assert!(counts.wrong.is_empty(), "{counts:?}");
}

#[test]
fn no_changed_bit_of_a_volume_with_everything_takes_a_file_away() {
    no_bit_takes_a_file_away(&unpack(include_bytes!("../../../../fixtures/images/catalog.ntfs.xz")));
}

#[test]
fn no_changed_bit_of_a_volume_with_usual_files_takes_a_file_away() {
    no_bit_takes_a_file_away(&unpack(include_bytes!("../../../../fixtures/images/tree.ntfs.xz")));
}

#[test]
fn no_changed_bit_of_the_volume_that_is_named_takes_a_file_away() {
    let Some(path) = asked("BKVERIFY_FLIP_VOLUME") else { return };
    no_bit_takes_a_file_away(&Arc::new(std::fs::read(path).unwrap()));
}
