//! A volume that ntfs-3g has written, whole and damaged (`fixtures/images/streams.sh`). The hashes
//! are those of what ntfs-3g reads from it.

use std::collections::HashMap;
use std::io::Read;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;
use crate::image::Error;

const HASHES: &str = include_str!("../../../fixtures/images/streams.sha256");

static IMAGE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let packed = include_bytes!("../../../fixtures/images/streams.ntfs.xz");
    let mut image = Vec::new();
    liblzma::read::XzDecoder::new(packed.as_slice()).read_to_end(&mut image).unwrap();
    image
});

/// The names of all files of the whole image, without their folders.
static NAMES: LazyLock<HashMap<String, FileReference>> = LazyLock::new(|| names(&open(&IMAGE).unwrap()));

fn image() -> Vec<u8> {
    IMAGE.clone()
}

fn open(image: &[u8]) -> Result<Volume, Error> {
    Volume::open(Arc::new(image.to_vec()))
}

fn names(volume: &Volume) -> HashMap<String, FileReference> {
    let mut names = HashMap::new();
    let mut buffer = Vec::new();
    for number in 24..volume.record_count() {
        let Ok(record) = volume.record(number, &mut buffer) else { continue };
        if !record.is_in_use() || record.base().is_some() {
            continue;
        }
        let reference = record.reference();
        for value in volume.file(reference).unwrap().values(AttributeKind::FILE_NAME).unwrap() {
            let units: Vec<u16> = Name::from_bytes(&value[66..]).units().collect();
            names.insert(String::from_utf16(&units).unwrap(), reference);
        }
    }
    names
}

fn find(volume: &Volume, name: &str) -> File {
    volume.file(NAMES[name]).unwrap()
}

fn units(name: &str) -> Vec<u16> {
    name.encode_utf16().collect()
}

fn read_with(reader: &mut impl Read, piece: usize) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let mut buffer = vec![0; piece];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(content),
            got => content.extend_from_slice(&buffer[..got]),
        }
    }
}

fn read(file: &File) -> Result<Vec<u8>, Error> {
    let stream = file.stream(&[])?.unwrap();
    Ok(read_with(&mut stream.reader(), 1 << 16)?)
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where the record of a file begins in the image.
fn place(image: &[u8], name: &str) -> usize {
    place_of(image, NAMES[name].record)
}

fn place_of(image: &[u8], record: u64) -> usize {
    usize::try_from(open(image).unwrap().record_position(record).unwrap()).unwrap()
}

/// Where the attribute of this type begins in the record that begins at `record`.
fn attribute(image: &[u8], record: usize, kind: AttributeKind) -> usize {
    let word = |at: usize| u32::from_le_bytes(image[at..at + 4].try_into().unwrap());
    let mut at = record + usize::from(image[record + 0x14]);
    while word(at) != kind.0 {
        at += usize::try_from(word(at + 4)).unwrap();
    }
    at
}

/// What is said about the content of a file of a damaged image. The text must name its record.
fn complaint(image: &[u8], name: &str) -> String {
    let reference = NAMES[name];
    let volume = open(image).unwrap();
    let error = volume.file(reference).and_then(|file| read(&file)).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Damaged(_)), "{text}");
    let number = format!("record {}", reference.record);
    assert!(text.contains(&format!("{number} ")) || text.contains(&format!("{number}:")), "{text}");
    text
}

#[test]
fn every_stream_has_the_hash_that_ntfs_3g_gives_it() {
    let volume = open(&image()).unwrap();
    assert_eq!(volume.notes(), [""; 0]);
    let mut reader: Option<StreamReader> = None;
    let mut compared = 0;
    for line in HASHES.lines() {
        let (hash, path) = line.split_once("  ").unwrap();
        let Some(path) = path.strip_prefix("./") else { continue };
        let (name, stream) = path.rsplit('/').next().unwrap().split_once(':').unwrap_or((path, ""));
        let name = name.rsplit('/').next().unwrap();
        // "hole.bin" is there twice: at the top and compressed.
        if name == "hole.bin" {
            continue;
        }
        let stream = volume.file(NAMES[name]).unwrap().stream(&units(stream)).unwrap().unwrap();
        let length = stream.len();
        match &mut reader {
            Some(reader) => reader.restart(stream),
            None => reader = Some(stream.reader()),
        }
        let content = read_with(reader.as_mut().unwrap(), 100_000).unwrap();
        assert_eq!(content.len() as u64, length, "{path}");
        assert_eq!(sha256(&content), hash, "{path}");
        compared += 1;
    }
    assert!(compared > 30, "{compared}");
}

#[test]
fn a_stream_of_5_gib_can_be_read_at_its_end() {
    let volume = open(&image()).unwrap();
    let value = find(&volume, "5 GiB.bin").value(AttributeKind::DATA, &[]).unwrap().unwrap();
    assert_eq!(value.size(), 5 << 30);
    let mut end = vec![1; 1_000_000];
    value.read(&mut end, (5 << 30) - 1_000_000).unwrap();
    let expected = HASHES.lines().last().unwrap();
    assert_eq!(format!("{}  the last 1000000 bytes of 5 GiB.bin", sha256(&end)), expected);
    assert!(value.read(&mut end, (5 << 30) - 999_999).is_err());
}

#[test]
fn the_size_of_the_buffer_changes_nothing() {
    let volume = open(&image()).unwrap();
    for name in ["mixed.bin", "text 50001.txt", "fragments.bin", "clusters.txt", "resident.txt"] {
        let file = find(&volume, name);
        let whole = read(&file).unwrap();
        for piece in [1, 511, 512, 1000, 8191, 8192, 8193, 20000] {
            let stream = file.stream(&[]).unwrap().unwrap();
            assert!(read_with(&mut stream.reader(), piece).unwrap() == whole, "{name} {piece}");
        }
    }
}

#[test]
fn the_volume_has_a_file_whose_runs_are_in_several_records() {
    let volume = open(&image()).unwrap();
    let file = find(&volume, "fragments.bin");
    let Some(Value::NonResident(clusters)) = file.value(AttributeKind::DATA, &[]).unwrap() else { panic!() };
    assert!(clusters.extents.runs().runs().len() > 200);
}

#[test]
fn the_state_of_the_volume_is_told() {
    let mut image = image();
    let clean = VolumeState { is_dirty: false, log: LogState::Clean };
    assert_eq!(open(&image).unwrap().state().unwrap(), clean);
    let record = place_of(&image, 3);
    let information = attribute(&image, record, AttributeKind(0x70));
    let value = information + usize::from(image[information + 0x14]);
    image[value + 10] |= 1;
    assert!(open(&image).unwrap().state().unwrap().is_dirty);
    // A log that is not one.
    let record = place_of(&image, 2);
    let data = attribute(&image, record, AttributeKind::DATA);
    image[data + 0x30..data + 0x40].fill(0);
    assert_eq!(open(&image).unwrap().state().unwrap().log, LogState::Unknown);
}

#[test]
fn a_damaged_boot_sector_is_read_from_its_copy() {
    let mut image = image();
    image[..512].fill(0);
    let volume = open(&image).unwrap();
    assert!(volume.notes()[0].contains("its copy at the end of the volume was used"), "{:?}", volume.notes());
    assert!(!names(&volume).is_empty());
    // Without the copy it is no volume that is known.
    let end = image.len();
    image[end - 512..].fill(0);
    assert!(matches!(open(&image), Err(Error::Unsupported(_))));
    image[3..11].copy_from_slice(b"NTFS    ");
    assert!(matches!(open(&image), Err(Error::Damaged(_))));
}

#[test]
fn a_volume_that_is_cut_off_is_damaged() {
    let image = image();
    assert!(matches!(open(&image[..image.len() - 100_000]), Err(Error::Damaged(_))));
}

#[test]
fn damaged_first_records_are_read_from_the_mirror() {
    let whole = image();
    let geometry = open(&whole).unwrap().geometry().clone();
    let table = usize::try_from(geometry.mft_lcn).unwrap() * 512;
    for number in 0..4 {
        let mut image = whole.clone();
        image[table + number * 1024 + 100..][..900].fill(0x55);
        let volume = open(&image).unwrap();
        assert_eq!(volume.notes().len(), 1);
        assert!(volume.notes()[0].contains(&format!("record {number} ")), "{:?}", volume.notes());
        assert_eq!(volume.state().unwrap(), open(&whole).unwrap().state().unwrap());
        assert!(read(&find(&volume, "fragments.bin")).is_ok());
    }
    let mirror = usize::try_from(geometry.mirror_lcn).unwrap() * 512;
    let mut image = whole;
    image[table..table + 1024].fill(0x55);
    image[mirror..mirror + 1024].fill(0x55);
    let error = open(&image).unwrap_err().to_string();
    assert!(error.contains("$MFTMirr"), "{error}");
}

#[test]
fn a_torn_record_is_an_error() {
    let mut image = image();
    let record = place(&image, "clusters.txt");
    image[record + 1022] ^= 1;
    assert!(complaint(&image, "clusters.txt").contains("torn"));
}

#[test]
fn a_record_at_the_wrong_place_is_an_error() {
    let mut image = image();
    let from = place(&image, "resident.txt");
    let to = place(&image, "clusters.txt");
    image.copy_within(from..from + 1024, to);
    assert!(complaint(&image, "clusters.txt").contains("wrong place"));
}

#[test]
fn attributes_that_contradict_themselves_are_errors() {
    let whole = image();
    let record = place(&whole, "clusters.txt");
    let data = attribute(&whole, record, AttributeKind::DATA);
    let mapping = data + usize::from(whole[data + 0x20]);
    let cases: [(usize, &[u8], &str); 9] = [
        (record + 0x14, &[0xF0, 0xFF], "attributes at byte 65520"),
        (record + 0x18, &[0, 8, 0, 0], "size"),
        (data + 4, &[0, 0, 1, 0], "beyond the bytes in use"),
        (data + 4, &[0, 0, 0, 0], "length"),
        (data + 0x20, &[0xFF, 0xFF], "run list"),
        (data + 0x18, &[0xFF], "run list ends at cluster"),
        (data + 0x38, &[0xFF; 8], "sizes contradict"),
        (mapping, &[0x88], "run list"),
        (mapping, &[0], "run list ends at cluster 0"),
    ];
    for (at, bytes, expected) in cases {
        let mut image = whole.clone();
        image[at..at + bytes.len()].copy_from_slice(bytes);
        let text = complaint(&image, "clusters.txt");
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn attribute_lists_that_contradict_the_records_are_errors() {
    let whole = image();
    let volume = open(&whole).unwrap();
    let file = find(&volume, "fragments.bin");
    let base = file.reference();
    // The other records of the file.
    let mut buffer = Vec::new();
    let others: Vec<_> = (24..volume.record_count())
        .filter(|number| volume.record(*number, &mut buffer).is_ok_and(|record| record.base() == Some(base)))
        .collect();
    assert!(others.len() > 1, "{others:?}");
    let place_of = |number| place_of(&whole, number);
    // The base reference of one of them, its sequence number, and whether it is in use.
    for (at, bytes) in [(0x20, [0x18]), (0x10, [0xEE]), (0x16, [0])] {
        let mut image = whole.clone();
        let record = place_of(others[1]);
        image[record + at..][..1].copy_from_slice(&bytes);
        let text = complaint(&image, "fragments.bin");
        assert!(text.contains("does not belong to it"), "{text}");
    }
    // One that is the copy of another: a part of the file is there twice, and one is missing.
    let mut image = whole.clone();
    let (from, to) = (place_of(others[0]), place_of(others[1]));
    image.copy_within(from..from + 0x2C, to);
    image.copy_within(from + 0x30..from + 1024, to + 0x30);
    let reference = base;
    let error = open(&image).unwrap().file(reference).and_then(|file| read(&file)).unwrap_err();
    assert!(matches!(error, Error::Damaged(_)), "{error}");
}

#[test]
fn a_damaged_compression_unit_is_an_error_and_not_zeros() {
    let whole = image();
    let volume = open(&whole).unwrap();
    let stream = find(&volume, "text 50001.txt").stream(&[]).unwrap().unwrap();
    let first = usize::try_from(stream.position().unwrap()).unwrap();
    for (range, byte) in [(0..512, 0), (0..2, 0xFF), (0..1, 0x00)] {
        let mut image = whole.clone();
        image[first..][range].fill(byte);
        let text = complaint(&image, "text 50001.txt");
        assert!(text.contains("compression unit at byte 0"), "{text}");
    }
}

#[test]
fn what_was_never_written_is_zeros() {
    let mut image = image();
    let record = place(&image, "clusters.txt");
    let data = attribute(&image, record, AttributeKind::DATA);
    let before = read(&find(&open(&image).unwrap(), "clusters.txt")).unwrap();
    image[data + 0x38..data + 0x40].copy_from_slice(&1500_u64.to_le_bytes());
    let after = read(&find(&open(&image).unwrap(), "clusters.txt")).unwrap();
    assert_eq!(after.len(), before.len());
    assert_eq!(after[..1500], before[..1500]);
    assert!(after[1500..].iter().all(|byte| *byte == 0));
    let stream = find(&open(&image).unwrap(), "clusters.txt").stream(&[]).unwrap().unwrap();
    assert_eq!(stream.next_data(0), Some(0..1500));
    assert_eq!(stream.next_data(1500), None);
}

/// The ranges of a stream that may hold data.
fn data_of(stream: &Stream) -> Vec<std::ops::Range<u64>> {
    let mut all = Vec::new();
    while let Some(range) = stream.next_data(all.last().map_or(0, |last: &std::ops::Range<u64>| last.end)) {
        assert!(range.start < range.end && range.end <= stream.len(), "{range:?}");
        all.push(range);
    }
    all
}

#[test]
fn what_is_outside_of_the_data_of_a_stream_is_zeros() {
    let volume = open(&image()).unwrap();
    let mut with_holes = 0;
    for (name, reference) in NAMES.iter().filter(|(name, _)| *name != "5 GiB.bin") {
        let Some(stream) = volume.file(*reference).unwrap().stream(&[]).unwrap() else { continue };
        let mut content = read_with(&mut stream.clone().reader(), 1 << 16).unwrap();
        let data = data_of(&stream);
        let stored: u64 = data.iter().map(|range| range.end - range.start).sum();
        with_holes += usize::from(stored < stream.len());
        let mut reader = stream.reader();
        for range in data {
            let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
            // Each range is read by itself, as the copy of a sparse file does.
            let mut at = range.start;
            while at < range.end {
                let mut piece = vec![0; (range.end - at).min(70_000)];
                let got = reader.read_from(at as u64, &mut piece).unwrap();
                assert!(piece[..got] == content[at..at + got], "{name} from byte {at}");
                at += got;
            }
            content[range].fill(0);
        }
        assert!(content.iter().all(|&byte| byte == 0), "{name}");
    }
    assert!(with_holes >= 4, "{with_holes} files have holes");
    let large = volume.file(NAMES["5 GiB.bin"]).unwrap().stream(&[]).unwrap().unwrap();
    let stored: u64 = data_of(&large).iter().map(|range| range.end - range.start).sum();
    assert!(large.len() == 5 << 30 && stored < 1 << 20, "{stored} of {} bytes", large.len());
}

#[test]
fn a_stream_that_only_its_own_flags_call_encrypted_is_damaged() {
    let mut image = image();
    let record = place(&image, "clusters.txt");
    let data = attribute(&image, record, AttributeKind::DATA);
    image[data + 0x0D] |= 0x40;
    assert!(complaint(&image, "clusters.txt").contains("marked as encrypted"));
    // With the keys and the flag of the file, it is one that cannot be read here.
    let standard = attribute(&image, record, AttributeKind::STANDARD_INFORMATION);
    image[standard + 0x18 + 0x21] |= 0x40;
    assert!(complaint(&image, "clusters.txt").contains("marked as encrypted"));
    append_attribute(&mut image, record, AttributeKind::LOGGED_UTILITY_STREAM, "$EFS");
    let error = read(&find(&open(&image).unwrap(), "clusters.txt")).unwrap_err();
    assert!(matches!(&error, Error::Unsupported(what) if what.contains("EFS")), "{error}");
}

/// Adds a resident attribute without a value at the end of a record.
fn append_attribute(image: &mut [u8], record: usize, kind: AttributeKind, name: &str) {
    let end = attribute(image, record, AttributeKind(u32::MAX));
    let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let length = (0x18 + name.len()).next_multiple_of(8);
    assert!(end + length + 8 < record + 0x1F8, "it fits before the first check of the update sequence");
    image[end..end + length + 8].fill(0);
    image[end..end + 4].copy_from_slice(&kind.0.to_le_bytes());
    image[end + 4] = u8::try_from(length).unwrap();
    image[end + 9] = u8::try_from(name.len() / 2).unwrap();
    (image[end + 0x0A], image[end + 0x0E], image[end + 0x14]) = (0x18, 99, 0x18);
    image[end + 0x18..][..name.len()].copy_from_slice(&name);
    image[end + length..end + length + 4].fill(0xFF);
    let used = u32::try_from(end + length + 8 - record).unwrap();
    image[record + 0x18..record + 0x1C].copy_from_slice(&used.to_le_bytes());
}

#[test]
fn a_compression_that_ntfs_does_not_have_is_damage() {
    let whole = image();
    for name in ["clusters.txt", "text 50001.txt"] {
        let record = place(&whole, name);
        let data = attribute(&whole, record, AttributeKind::DATA);
        for bit in 1..8 {
            let mut image = whole.clone();
            image[data + 0x0C] ^= 1 << bit;
            assert!(complaint(&image, name).contains("compression"), "{bit}");
        }
    }
    // The flag of compression alone lacks the size of a unit.
    let mut image = whole.clone();
    let record = place(&image, "clusters.txt");
    let data = attribute(&image, record, AttributeKind::DATA);
    image[data + 0x0C] ^= 1;
    assert!(complaint(&image, "clusters.txt").contains("compression unit"));
}

#[test]
fn a_reference_to_an_earlier_file_is_refused() {
    let volume = open(&image()).unwrap();
    let mut reference = NAMES["clusters.txt"];
    reference.sequence += 1;
    assert!(matches!(volume.file(reference), Err(Error::Damaged(_))));
    reference.record = volume.record_count();
    assert!(matches!(volume.file(reference), Err(Error::Damaged(_))));
    reference.record = u64::MAX;
    assert!(matches!(volume.file(reference), Err(Error::Damaged(_))));
}

#[test]
fn a_batch_has_the_records_that_are_read_singly() {
    let volume = open(&image()).unwrap();
    let mut batch = RecordBatch::new();
    let mut buffer = Vec::new();
    volume.records(3, 40, &mut batch).unwrap();
    let mut seen = 3;
    for (number, record) in batch.iter() {
        assert_eq!(number, seen);
        seen += 1;
        let single = volume.record(number, &mut buffer);
        assert_eq!(
            record.unwrap().map(|record| record.reference()),
            single.ok().map(|record| record.reference())
        );
    }
    assert_eq!(seen, 43);
    assert!(volume.records(volume.record_count() - 1, 2, &mut batch).is_err());
    assert_eq!(batch.iter().count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_changes_of_records_never_panic(
        changes in proptest::collection::vec((0_usize..1024, any::<u8>()), 1..8),
        name in proptest::sample::select(vec!["fragments.bin", "names.txt", "streams.txt", "mixed.bin", "hole.bin"]),
    ) {
        let mut image = image();
        let reference = NAMES[name];
        let record = place(&image, name);
        for (at, byte) in changes {
            image[record + at] = byte;
        }
        let Ok(volume) = open(&image) else { return Ok(()) };
        let Ok(file) = volume.file(reference) else { return Ok(()) };
        let _ = (file.values(AttributeKind::FILE_NAME), file.reparse_point(), file.flags());
        if let Ok(Some(stream)) = file.stream(&[]) {
            let _ = read_with(&mut stream.reader().take(2_000_000), 50_000);
        }
    }
}
