//! Truncated and changed archives: no panic, no wrong content that passes unnoticed, and everything else still lands.

use std::collections::BTreeMap;

use bkverify::backup::{Listing, Picks, Wanted};

use super::collect::{Landed, catalog, open, restore};
use super::fixtures::{self, ALL, Original, Yield};

/// How often each archive is damaged: more often where a try is quick.
fn tries(files: usize) -> usize {
    (600 / (files + 10)).clamp(4, 30)
}

/// Numbers that are spread evenly and the same in every run.
fn spread(below: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count as u64).map(move |number| {
        let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11;
        usize::try_from(mixed % below as u64).unwrap()
    })
}

/// What became of a damaged archive.
struct Outcome {
    /// `None` if it could not be opened.
    listing: Option<Listing>,
    listed: Picks,
    landed: Landed,
}

fn examine(content: &[u8]) -> Outcome {
    let place = fixtures::copy(content);
    let Ok(backup) = open(&place) else {
        return Outcome { listing: None, listed: Picks::new(), landed: Landed::default() };
    };
    let (listed, listing) = catalog(&*backup);
    let landed = restore(&*backup, Wanted::These(&listed));
    assert_eq!(landed.files.len(), listed.len(), "each listed file lands once");
    // In the other way of asking nothing may pass that does not pass in this.
    for (path, outcome) in restore(&*backup, Wanted::Every(&|_| true)).files {
        if let (Ok(every), Some(Ok(these))) = (&outcome, landed.files.get(&path)) {
            assert_eq!(every, these);
        }
    }
    Outcome { listing: Some(listing), listed, landed }
}

impl Outcome {
    fn is_whole(&self) -> bool {
        matches!(self.listing, Some(Listing::Whole))
    }

    /// Files that landed with other content than any file of the backup has.
    fn wrong(&self, expected: &BTreeMap<Vec<u8>, Original>) -> usize {
        let known = |found: &blake3::Hash| expected.values().any(|original| original.hash == *found);
        self.landed.files.values().filter(|outcome| outcome.as_ref().is_ok_and(|found| !known(found))).count()
    }

    /// Files of the backup that landed as they should.
    fn right(&self, expected: &BTreeMap<Vec<u8>, Original>) -> usize {
        let is_right =
            |path: &Vec<u8>, hash| self.landed.files.get(path).is_some_and(|found| *found == Ok(hash));
        expected.iter().filter(|(path, original)| is_right(path, original.hash)).count()
    }
}

/// The name, whether it is a tar archive, whether it is compressed, its content, and what it holds.
fn each(mut test: impl FnMut(&str, bool, bool, Vec<u8>, BTreeMap<Vec<u8>, Original>)) {
    for fixture in ALL {
        // What a cut leaves of repeated names is their earlier content.
        if fixture.gives != Yield::Content || matches!(fixture.name, "folder" | "repeated.tar") {
            continue;
        }
        for place in fixture.places() {
            let format = open(place.as_ref()).unwrap().describe().format;
            let name = format!("{} as {format}", fixture.name);
            let content = std::fs::read(&place).unwrap();
            test(
                &name,
                format.starts_with("tar"),
                format != "tar" && format != "zip",
                content,
                fixture.expected(),
            );
        }
    }
}

#[test]
fn a_truncated_archive_is_never_taken_for_whole_and_gives_what_is_left() {
    each(|name, is_tar, is_compressed, content, expected| {
        let mut best = 0;
        let mut cuts: Vec<usize> = spread(content.len(), tries(expected.len())).collect();
        cuts.sort_unstable();
        for cut in cuts {
            let outcome = examine(&content[..cut]);
            assert_eq!(outcome.wrong(&expected), 0, "{name} cut to {cut}");
            let padding = is_tar && !is_compressed && content[cut..].iter().all(|&byte| byte == 0);
            assert!(padding || !outcome.is_whole(), "{name} cut to {cut}");
            if !is_tar {
                assert!(outcome.listing.is_none(), "{name} cut to {cut} has no directory");
                continue;
            }
            let bad = outcome.landed.files.values().filter(|landed| landed.is_err()).count();
            assert!(
                bad <= 1 || is_compressed,
                "{name} cut to {cut}: {bad} of {} are bad",
                outcome.listed.len()
            );
            let right = outcome.right(&expected);
            assert!(right >= best || outcome.listing.is_none(), "{name} cut to {cut}: {right} after {best}");
            best = best.max(right);
        }
    });
}

#[test]
fn a_flipped_bit_spoils_one_file_at_most_or_is_reported() {
    each(|name, is_tar, is_compressed, content, expected| {
        for (number, at) in spread(content.len(), tries(expected.len())).enumerate() {
            let mut changed = content.clone();
            changed[at] ^= 1 << (number % 8);
            let outcome = examine(&changed);
            let place = format!("{name}, bit {} of byte {at}", number % 8);
            let (wrong, right) = (outcome.wrong(&expected), outcome.right(&expected));
            if is_compressed {
                // The checksum of the stream comes after the content: the listing has read it.
                assert!(wrong == 0 || !outcome.is_whole(), "{place}");
                assert!(right == expected.len() || !outcome.is_whole(), "{place}: {right} are right");
                continue;
            }
            // Hard links share their content.
            let spoilt = if is_tar { 3 } else { 1 };
            assert!(wrong <= if is_tar { spoilt } else { 0 }, "{place}: {wrong} are wrong");
            // A v7 archive whose first header is damaged has nothing left that marks it as one.
            let refused = outcome.listing.is_none();
            let reported = matches!(outcome.listing, Some(Listing::Damaged(_))) && !is_tar;
            assert!(right + spoilt >= expected.len() || refused || reported, "{place}: {right} are right");
        }
    });
}

#[test]
fn a_zeroed_sector_in_a_tar_archive_is_noticed_and_walked_past() {
    let fixture = ALL.iter().find(|fixture| fixture.name == "gnu.tar").unwrap();
    let content = std::fs::read(fixtures::archive(fixture.name)).unwrap();
    let expected = fixture.expected();
    for size in [512, 4096] {
        for start in (0..content.len() - 12_000).step_by(size.max(1024)) {
            let mut changed = content.clone();
            changed[start..start + size].fill(0);
            let outcome = examine(&changed);
            let right = outcome.right(&expected);
            let refused = outcome.landed.files.values().any(Result::is_err);
            let noticed =
                refused || !outcome.is_whole() || outcome.wrong(&expected) > 0 || right == expected.len();
            assert!(noticed, "{size} bytes at {start}: {right} of {} are right", expected.len());
            let lost = if start == 0 { expected.len() } else { 9 };
            assert!(right + lost >= expected.len(), "{size} bytes at {start}: {right} of {}", expected.len());
        }
    }
}

#[test]
fn damage_lines_say_where() {
    let content = std::fs::read(fixtures::archive("gnu.tar")).unwrap();
    let lines = |content: &[u8]| match examine(content).listing {
        Some(Listing::Damaged(lines)) => lines.join("\n"),
        other => panic!("{other:?}"),
    };
    assert!(lines(&content[..1000]).contains("byte 1000"), "{}", lines(&content[..1000]));
    let mut changed = content.clone();
    changed[512 + 7] ^= 1;
    assert!(lines(&changed).contains("the header at byte 512 is damaged"), "{}", lines(&changed));
}

#[test]
fn a_zip_archive_without_its_end_says_what_to_do() {
    let content = std::fs::read(fixtures::archive("tree.zip")).unwrap();
    let place = fixtures::copy(&content[..content.len() - 30]);
    let error = open(&place).err().unwrap().to_string();
    assert!(error.contains("cut off") && error.contains("zip -FF"), "{error}");
}

#[test]
fn a_damaged_zip_directory_gives_what_comes_before_the_damage() {
    let mut content = std::fs::read(fixtures::archive("tree.zip")).unwrap();
    let records: Vec<usize> =
        content.windows(4).enumerate().filter(|(_, four)| four == b"PK\x01\x02").map(|(at, _)| at).collect();
    content[records[100]] = 0;
    let outcome = examine(&content);
    assert_eq!(outcome.landed.files.values().filter(|landed| landed.is_ok()).count(), outcome.listed.len());
    // Folders are records too.
    assert!((80..=100).contains(&outcome.listed.len()), "{}", outcome.listed.len());
    let Some(Listing::Damaged(lines)) = outcome.listing else { panic!() };
    assert!(lines[0].contains("after 100 of"), "{}", lines[0]);
}
