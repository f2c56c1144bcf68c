//! Truncated and changed archives: no panic, no wrong content that goes unnoticed, and all other
//! files are restored.

use std::collections::BTreeMap;

use bkverify::backup::{EntryBatch, Listing, Wanted};

use super::collect::{RestoredFiles, catalog, open, restore};
use super::fixtures::{self, ALL, FixtureFile, Yield};
use crate::pack::{self, Member};

/// How often each archive is damaged: more often if a try is quick.
fn tries(files: usize) -> usize {
    (600 / (files + 10)).clamp(4, 30)
}

/// Numbers below `below`, spread evenly and the same in every run.
fn spread(below: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count as u64).map(move |number| {
        let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11;
        usize::try_from(mixed % below as u64).unwrap()
    })
}

/// What was found in a damaged archive.
struct Examined {
    /// `None` if it could not be opened.
    listing: Option<Listing>,
    listed: EntryBatch,
    restored: RestoredFiles,
}

fn examine(content: &[u8]) -> Examined {
    let path = fixtures::copy(content);
    let Ok(backup) = open(&path) else {
        return Examined { listing: None, listed: EntryBatch::new(), restored: RestoredFiles::default() };
    };
    let (listed, listing) = catalog(&*backup);
    let restored = restore(&*backup, Wanted::These(&listed));
    assert_eq!(restored.files.len(), listed.len(), "each listed file is delivered once");
    // If both ways of restoring deliver a file, its content must be the same.
    for (path, outcome) in restore(&*backup, Wanted::Every(&|_| true)).files {
        if let (Ok(every), Some(Ok(these))) = (&outcome, restored.files.get(&path)) {
            assert_eq!(every, these);
        }
    }
    Examined { listing: Some(listing), listed, restored }
}

impl Examined {
    fn is_whole(&self) -> bool {
        matches!(self.listing, Some(Listing::Whole))
    }

    /// The number of restored files with content that no file of the backup has.
    fn wrong(&self, expected: &BTreeMap<Vec<u8>, FixtureFile>) -> usize {
        let known = |found: &blake3::Hash| expected.values().any(|original| original.hash == *found);
        self.restored
            .files
            .values()
            .filter(|outcome| outcome.as_ref().is_ok_and(|found| !known(found)))
            .count()
    }

    /// The number of files of the backup that were restored correctly.
    fn right(&self, expected: &BTreeMap<Vec<u8>, FixtureFile>) -> usize {
        let is_right =
            |path: &Vec<u8>, hash| self.restored.files.get(path).is_some_and(|found| *found == Ok(hash));
        expected.iter().filter(|(path, original)| is_right(path, original.hash)).count()
    }
}

/// Calls `test` with the name, whether it is a tar archive, whether it is compressed, its content,
/// and the expected files.
fn each(mut test: impl FnMut(&str, bool, bool, Vec<u8>, BTreeMap<Vec<u8>, FixtureFile>)) {
    for fixture in ALL {
        // If an archive with repeated names is cut off, the earlier contents of these names remain.
        if fixture.gives != Yield::Content
            || matches!(
                fixture.name,
                "folder"
                    | "borg"
                    | "restic-1"
                    | "restic-2"
                    | "by-command"
                    | "repeated.tar"
                    | "WindowsImageBackup"
            )
        {
            continue;
        }
        for path in fixture.paths() {
            let format = open(path.as_ref()).unwrap().description().format;
            let name = format!("{} as {format}", fixture.name);
            let content = std::fs::read(&path).unwrap();
            test(
                &name,
                format.starts_with("tar"),
                !matches!(format, "tar" | "zip" | "disk-image"),
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
            // Behind the last block that is used, an image may have nothing that counts.
            let is_image = name.ends_with("disk-image");
            let unused = is_image && outcome.right(&expected) == expected.len();
            assert!(padding || unused || !outcome.is_whole(), "{name} cut to {cut}");
            if is_image {
                continue;
            }
            if !is_tar {
                assert!(outcome.listing.is_none(), "{name} cut to {cut} has no directory");
                continue;
            }
            let bad = outcome.restored.files.values().filter(|restored| restored.is_err()).count();
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
            let path = format!("{name}, bit {} of byte {at}", number % 8);
            let (wrong, right) = (outcome.wrong(&expected), outcome.right(&expected));
            if is_compressed {
                // The checksum of the stream comes after the content, so only the listing has read
                // it.
                assert!(wrong == 0 || !outcome.is_whole(), "{path}");
                assert!(right == expected.len() || !outcome.is_whole(), "{path}: {right} are right");
                continue;
            }
            // Hard links share the content of one member.
            let spoilt = if is_tar { 3 } else { 1 };
            assert!(wrong <= if is_tar { spoilt } else { 0 }, "{path}: {wrong} are wrong");
            // If the first header of a v7 archive is damaged, nothing marks it as a tar archive any
            // more.
            let refused = outcome.listing.is_none();
            let reported = matches!(outcome.listing, Some(Listing::Damaged(_))) && !is_tar;
            assert!(right + spoilt >= expected.len() || refused || reported, "{path}: {right} are right");
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
            let refused = outcome.restored.files.values().any(Result::is_err);
            let noticed =
                refused || !outcome.is_whole() || outcome.wrong(&expected) > 0 || right == expected.len();
            assert!(noticed, "{size} bytes at {start}: {right} of {} are right", expected.len());
            let lost = if start == 0 { expected.len() } else { 9 };
            assert!(right + lost >= expected.len(), "{size} bytes at {start}: {right} of {}", expected.len());
        }
    }
}

/// If an archive is damaged between the listing and the restore of every file, the restore reports
/// what is lost.
#[test]
fn a_second_reading_that_ends_early_is_reported() {
    for name in ["tree.tar.gz", "tree.tar.bz2", "tree.tar.xz", "tree.tar.zst", "gnu.tar", "tree.zip"] {
        let content = std::fs::read(fixtures::archive(name)).unwrap();
        let path = fixtures::copy(&content);
        let backup = open(&path).unwrap();
        let (listed, listing) = catalog(&*backup);
        assert!(matches!(listing, Listing::Whole), "{name}");
        let from = match name {
            // Damages the directory at the end of a zip archive, and the header of a member in a
            // tar archive.
            "tree.zip" => content.len() - 2000,
            "gnu.tar" => {
                content.windows(5).skip(20_000).position(|found| found == b"ustar").unwrap() + 20_000 - 257
            }
            _ => content.len() / 2,
        };
        let mut rotten = content.clone();
        rotten[from..from + 1024].fill(0x55);
        std::fs::write(&path, rotten).unwrap();
        let restored = restore(&*backup, Wanted::Every(&|_| true));
        let good = restored.files.values().filter(|outcome| outcome.is_ok()).count();
        assert!(
            !restored.lost.is_empty(),
            "{name}: {good} of {} were restored, and nobody said why",
            listed.len()
        );
    }
}

/// The archive of three members, with the first record of its directory changed by `treat`, which
/// is given its bytes.
fn zip_with_a_changed_record(content: &[u8], treat: impl Fn(&mut [u8])) -> Vec<u8> {
    let name = b"folder/letter-o";
    let members = [
        Member::new("a", "first\n"),
        Member { name: name.to_vec(), ..Member::new("", content) },
        Member::new("z", "last\n"),
    ];
    let mut archive = pack::archive("zip", &members);
    let record = archive.windows(name.len()).rposition(|found| found == name).unwrap() - 46;
    assert!(archive[record..].starts_with(b"PK\x01\x02"));
    treat(&mut archive[record..record + 46 + name.len()]);
    archive
}

#[track_caller]
fn is_reported(archive: &[u8], why: &str) {
    let outcome = examine(archive);
    assert_eq!(outcome.listed.len(), 2);
    let Some(Listing::Damaged(damage)) = outcome.listing else { panic!("{:?}", outcome.listing) };
    let line = damage[0].to_string();
    assert!(line.contains("folder/letter-") && line.contains(why), "{line}");
    assert!(!outcome.restored.lost.is_empty() || damage.len() == 1);
}

#[test]
fn a_zip_entry_that_a_flipped_bit_turned_into_a_link_does_not_vanish() {
    // Flips a bit in the upper byte of the Unix mode: 0o100644 becomes 0o120644.
    let link = |content: &[u8]| zip_with_a_changed_record(content, |record| record[41] ^= 0x20);
    is_reported(&link(b"Dear all,\n"), "its content is not a path");
    is_reported(&link(&[7; 5000]), "it has 5000 bytes of content");
    is_reported(&link(b""), "it has 0 bytes of content");
    // A link as stored by programs that record no permissions for links.
    let outcome = examine(&link(b"../target"));
    assert!(outcome.is_whole() && outcome.listed.len() == 2);
}

#[test]
fn a_zip_entry_that_a_flipped_bit_turned_into_a_folder_does_not_vanish() {
    let by_name = zip_with_a_changed_record(b"Dear all,\n", |record| record[46 + 14] ^= 0x40);
    is_reported(&by_name, "says that it is a folder, but it has 10 bytes of content");
    let by_mode = zip_with_a_changed_record(b"Dear all,\n", |record| record[41] ^= 0xc0);
    is_reported(&by_mode, "says that it is a folder");
}

#[test]
fn a_zip_entry_that_a_flipped_bit_gave_an_unknown_type_is_a_file_all_the_same() {
    let unknown = zip_with_a_changed_record(b"Dear all,\n", |record| record[41] ^= 0x10);
    let outcome = examine(&unknown);
    assert!(outcome.is_whole());
    assert_eq!(outcome.restored.files[&b"folder/letter-o"[..]], Ok(blake3::hash(b"Dear all,\n")));
}

#[test]
fn damage_lines_say_where() {
    let content = std::fs::read(fixtures::archive("gnu.tar")).unwrap();
    let lines = |content: &[u8]| match examine(content).listing {
        Some(Listing::Damaged(lines)) => lines.iter().map(|line| format!("{line}\n")).collect::<String>(),
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
    let path = fixtures::copy(&content[..content.len() - 30]);
    let error = open(&path).err().unwrap().to_string();
    assert!(error.contains("cut off") && error.contains("zip -FF"), "{error}");
}

#[test]
fn a_damaged_zip_directory_gives_what_comes_before_the_damage() {
    let mut content = std::fs::read(fixtures::archive("tree.zip")).unwrap();
    let records: Vec<usize> =
        content.windows(4).enumerate().filter(|(_, four)| four == b"PK\x01\x02").map(|(at, _)| at).collect();
    content[records[100]] = 0;
    let outcome = examine(&content);
    assert_eq!(
        outcome.restored.files.values().filter(|restored| restored.is_ok()).count(),
        outcome.listed.len()
    );
    // Folders have records, too.
    assert!((80..=100).contains(&outcome.listed.len()), "{}", outcome.listed.len());
    let Some(Listing::Damaged(lines)) = outcome.listing else { panic!() };
    assert!(lines[0].problem.contains("after 100 of"), "{}", lines[0]);
}
