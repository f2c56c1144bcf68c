//! Changes that take a file away, or seem to, and what is told of each. All are on the volume of
//! [`super::tests`].

use std::ops::Range;

use super::Listing;
use super::tests::{VOLUME, find, list_all, problems, raw, record, record_of, utf16};
use crate::image::ntfs::{AttributeKind, FileReference, Value, Volume};

/// Where the attribute of this type begins, the first or the second of them.
fn attribute(record: &Range<usize>, kind: AttributeKind, second: bool) -> usize {
    let word = |at: usize| u32::from_le_bytes(VOLUME[at..at + 4].try_into().unwrap());
    let mut at = record.start + usize::from(VOLUME[record.start + 0x14]);
    let mut left = usize::from(second);
    loop {
        match (word(at) == kind.0, left) {
            (true, 0) => return at,
            (true, _) => left -= 1,
            _ => {}
        }
        at += usize::try_from(word(at + 4)).unwrap();
    }
}

/// Where the value of a resident attribute begins.
fn value(record: &Range<usize>, kind: AttributeKind) -> usize {
    let at = attribute(record, kind, false);
    at + usize::from(VOLUME[at + 0x14])
}

/// Lists the volume with these bytes changed, and says whether the file is listed.
fn listed(path: &str, patches: Vec<(usize, Vec<u8>)>) -> (bool, Listing) {
    let (found, listing, _) = list_all(patches).unwrap();
    (found.iter().any(|file| file.0 == path.as_bytes()), listing)
}

/// A file is not listed, and one problem says so.
fn is_told(path: &str, patches: Vec<(usize, Vec<u8>)>, what: &str) {
    let (is_listed, listing) = listed(path, patches);
    assert!(!is_listed, "{path}");
    let problems = problems(&listing);
    assert!(problems.iter().any(|line| line.starts_with(path) && line.contains(what)), "{problems:?}");
    assert_eq!(listing.others, 3, "it is no link");
}

/// Where the entry of a file in the index of its folder begins.
fn entry(path: &str) -> usize {
    let (found, _, _) = list_all(Vec::new()).unwrap();
    let wanted = |file: &&(Vec<u8>, _, _, _)| file.0 == path.as_bytes();
    let reference = raw(found.iter().find(wanted).map_or_else(|| reference_of_link(path), |file| file.1));
    let name = utf16(path.rsplit('/').next().unwrap());
    let is_it = |at: &usize| VOLUME[*at..].starts_with(&reference) && VOLUME[*at + 0x52..].starts_with(&name);
    (0..VOLUME.len() - 0x200).step_by(8).find(is_it).unwrap()
}

fn reference_of_link(path: &str) -> FileReference {
    let volume = Volume::open(VOLUME.clone()).unwrap();
    let name = utf16(path.rsplit('/').next().unwrap());
    let name = [&[u8::try_from(name.len() / 2).unwrap(), 0], &name[..]].concat();
    let mut buffer = Vec::new();
    let has_name = |number: u64| VOLUME[record(number)].windows(name.len()).any(|window| window == name);
    let mut records = (24..volume.record_count()).filter(|number| has_name(*number));
    let file = records.find_map(|number| {
        let record = volume.record(number, &mut buffer).ok()?;
        (record.is_in_use() && !record.is_folder()).then(|| record.reference())
    });
    file.unwrap()
}

const REPARSE: AttributeKind = AttributeKind::REPARSE_POINT;
const TYPE: u8 = 0xC0;

#[test]
fn content_whose_type_became_that_of_a_reparse_point_is_told() {
    let record = record_of("streams/file");
    // The content is "main", which would be the tag of a link.
    let data = attribute(&record, AttributeKind::DATA, false);
    is_told("streams/file", vec![(data, vec![TYPE])], "is missing or damaged");
    let stream = attribute(&record, AttributeKind::DATA, true);
    is_told("streams/file", vec![(stream, vec![TYPE])], "is missing or damaged");
}

#[test]
fn a_reparse_point_that_the_flags_of_the_file_do_not_know_is_told() {
    let standard = value(&record_of("reparse/deduplicated"), AttributeKind::STANDARD_INFORMATION);
    is_told("reparse/deduplicated", vec![(standard + 0x21, vec![0])], "says that it is none");
}

#[test]
fn a_tag_that_became_another_one_is_told_in_a_folder_without_blocks() {
    let tag = value(&record_of("reparse/deduplicated"), REPARSE);
    let (_, listing) = listed("reparse/deduplicated", vec![(tag + 3, vec![0xA0])]);
    let told = "reparse/deduplicated: MFT record";
    let problems_of = problems(&listing);
    assert!(
        problems_of.iter().any(|line| line.starts_with(told) && line.contains("0xa0000013")),
        "{problems_of:?}"
    );
    // Files that are stored in place and files that are elsewhere have tags that differ by a bit.
    let (is_listed, listing) = listed("reparse/deduplicated", vec![(tag, vec![0x17])]);
    assert!(is_listed && problems(&listing)[0].contains("0x80000017"), "{:?}", problems(&listing));
}

#[test]
fn a_file_with_content_is_no_link_even_if_its_folder_says_so() {
    let tag = value(&record_of("reparse/deduplicated"), REPARSE);
    let by_folder = entry("reparse/deduplicated") + 0x10 + 0x3C;
    let both = |last| vec![(tag + 3, vec![last]), (by_folder + 3, vec![last])];
    is_told("reparse/deduplicated", both(0xA0), "has content");
    // A tag of other software.
    let (is_listed, listing) = listed("reparse/deduplicated", both(0x90));
    assert!(is_listed && listing.problems.is_empty(), "{:?}", problems(&listing));
}

#[test]
fn links_of_other_software_are_links() {
    let record = record(reference_of_link("reparse/link").record);
    let tag = value(&record, REPARSE);
    let by_folder = entry("reparse/link") + 0x10 + 0x3C;
    let (_, listing) = listed("", vec![(tag + 1, vec![0xF0]), (by_folder + 1, vec![0xF0])]);
    assert!(listing.problems.is_empty(), "{:?}", problems(&listing));
    assert_eq!(listing.others, 3);
}

/// The reparse point is in clusters, and its folder does not state the tag.
#[test]
fn a_link_that_became_a_file_is_told() {
    let volume = Volume::open(VOLUME.clone()).unwrap();
    let file = volume.file(reference_of_link("reparse/long link")).unwrap();
    let Some(Value::NonResident(clusters)) = file.value(REPARSE, &[]).unwrap() else {
        panic!("it is in the record")
    };
    let tag = usize::try_from(clusters.extents.runs().runs()[0].lcn.unwrap() * 1024).unwrap();
    let (is_listed, listing) = listed("reparse/long link", vec![(tag + 3, vec![0x80])]);
    assert!(!is_listed && problems(&listing)[0].contains("but for one bit"), "{:?}", problems(&listing));
}

#[test]
fn names_that_the_record_counts_but_does_not_have_are_a_note() {
    let record = record_of("sparse");
    let (is_listed, listing) = listed("sparse", vec![(record.start + 0x12, vec![5])]);
    assert!(is_listed && listing.problems.is_empty(), "{:?}", problems(&listing));
    assert!(listing.notes[0].starts_with("1 file with fewer names than"), "{:?}", listing.notes);
    // Names in several records are counted together, and short names count.
    for (path, counted) in [("links/target", 41), ("dos/A file with a long name.txt", 2)] {
        let record = record_of(path);
        assert_eq!(VOLUME[record.start + 0x12], counted, "{path}");
        let (_, listing) = listed(path, vec![(record.start + 0x12, vec![counted + 1])]);
        assert_eq!(listing.notes.len(), 1, "{path}");
    }
}

/// Where the bit of a record is in the $MFT's $BITMAP, and its mask.
fn bit(number: u64) -> (usize, u8) {
    let volume = Volume::open(VOLUME.clone()).unwrap();
    let mft = volume.record(0, &mut Vec::new()).unwrap().reference();
    let bitmap = volume.file(mft).unwrap().value(AttributeKind::BITMAP, &[]).unwrap();
    let Some(Value::NonResident(clusters)) = bitmap else { panic!("it is in the record") };
    let at = usize::try_from(clusters.extents.runs().runs()[0].lcn.unwrap() * 1024 + number / 8).unwrap();
    (at, 1 << (number % 8))
}

#[test]
fn a_wrong_bit_of_the_bitmap_is_a_note_unless_the_record_is_zeros() {
    let volume = Volume::open(VOLUME.clone()).unwrap();
    let mut buffer = Vec::new();
    let free = (24..volume.record_count())
        .find(|number| volume.record(*number, &mut buffer).is_ok_and(|record| !record.is_in_use()))
        .unwrap();
    let (at, mask) = bit(free);
    assert_eq!(VOLUME[at] & mask, 0);
    let in_use = (at, vec![VOLUME[at] | mask]);
    let (_, listing) = listed("", vec![in_use.clone()]);
    assert!(listing.problems.is_empty(), "{:?}", problems(&listing));
    assert!(listing.notes[0].contains("free, but in use by"), "{:?}", listing.notes);

    let (_, listing) = listed("", vec![in_use, (record(free).start, vec![0; 1024])]);
    let problems_of = problems(&listing);
    assert!(problems_of[0].starts_with("?: 1 record of the $MFT in use by"), "{problems_of:?}");

    let record = record_of("sparse");
    let number = u64::from(VOLUME[record.start + 0x2C]) + 256 * u64::from(VOLUME[record.start + 0x2D]);
    let (at, mask) = bit(number);
    let (is_listed, listing) = listed("sparse", vec![(at, vec![VOLUME[at] & !mask])]);
    assert!(is_listed && listing.problems.is_empty(), "{:?}", problems(&listing));
    assert!(listing.notes[0].contains("in use, but free by"), "{:?}", listing.notes);
}

#[test]
fn short_names_and_the_rules_of_a_name_are_not_compared() {
    let name = find(record_of("sparse"), &utf16("sparse"));
    for namespace in [1, 3] {
        let (is_listed, listing) = listed("sparse", vec![(name - 1, vec![namespace])]);
        assert!(is_listed && listing.problems.is_empty(), "{:?}", problems(&listing));
    }
    let path = "dos/A file with a long name.txt";
    let short = find(record_of(path), &utf16("AFILEW~1.TXT"));
    let (is_listed, listing) = listed(path, vec![(short, utf16("BFILEW~1.TXT"))]);
    assert!(is_listed && listing.problems.is_empty(), "{:?}", problems(&listing));
    // A name that became a short one is lost.
    let (is_listed, listing) = listed("sparse", vec![(name - 1, vec![2])]);
    assert!(!is_listed && problems(&listing).iter().any(|line| line.starts_with("sparse: ")));
}

#[test]
fn a_file_of_a_user_in_a_record_that_is_now_left_free_is_listed() {
    let from = record_of("sparse");
    let mut moved = VOLUME[from.clone()].to_vec();
    moved[0x2C..0x30].copy_from_slice(&20_u32.to_le_bytes());
    let sequence = VOLUME[from.start + 0x10];
    let entry = entry("sparse");
    let reference = [20, 0, 0, 0, 0, 0, sequence, 0].to_vec();
    let free = (from.start + 0x16, vec![0]);
    let (is_listed, listing) = listed("sparse", vec![(record(20).start, moved), (entry, reference), free]);
    assert!(is_listed && listing.problems.is_empty(), "{:?}", problems(&listing));
}

/// Such a folder is no link any more, and nothing else says that it was one.
#[test]
fn an_attribute_of_a_type_that_ntfs_does_not_have_is_told() {
    let volume = Volume::open(VOLUME.clone()).unwrap();
    let mut buffer = Vec::new();
    let is_link = |number: &u64| {
        let Ok(record) = volume.record(*number, &mut buffer) else { return false };
        let mut attributes = record.attributes();
        record.is_folder() && attributes.any(|attribute| attribute.unwrap().kind == REPARSE)
    };
    let link = (24..volume.record_count()).find(is_link).unwrap();
    let at = attribute(&record(link), REPARSE, false);
    let (_, listing, _) = list_all(vec![(at + 2, vec![0x80])]).unwrap();
    let told = problems(&listing);
    let what = "has an attribute 0x8000c0, a type that NTFS does not have";
    assert!(told.len() == 1 && told[0].contains(what), "{told:?}");
    assert_eq!(listing.others, 2, "it was a link");
}
