//! Formats are recognised by their content, and other files are refused with a clear message.

use std::io::Write;

use bkverify::backup::{self, Context, Error, Location, Wanted, registry};
use proptest::prelude::*;

use super::collect::{catalog, open, restore};
use super::fixtures;

fn problem(content: &[u8]) -> String {
    open(fixtures::copy(content)).err().expect("no backup").to_string()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}

#[test]
fn names_of_formats_are_unique_and_described() {
    let mut names: Vec<_> = registry::FORMATS.iter().map(|format| format.name).collect();
    assert!(registry::FORMATS.iter().all(|format| format.summary.len() > 10));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), registry::FORMATS.len());
}

#[test]
fn readme_and_the_manual_show_the_formats_as_the_registry_does() {
    let documents = [include_str!("../../../README.md"), include_str!("../../../src/manual/formats.md")];
    for document in documents {
        assert!(document.replace('\r', "").contains(&registry::table()), "lacking:\n{}", registry::table());
    }
    assert_eq!(
        registry::in_words(),
        "a Windows image backup, a borg repository, a restic repository, what a program of your choice restores, a folder, \
         a tar archive, a disk image or a zip archive"
    );
}

#[test]
fn a_format_that_holds_one_backup_has_no_snapshots() {
    let location = Location::at(fixtures::archive("gnu.tar"));
    assert_eq!(registry::snapshots(&location, &Context::default()).unwrap(), []);
    let error = backup::open(&location.with_snapshot(Some("latest".to_owned())), &Context::default());
    let error = error.err().unwrap().to_string();
    assert!(error.contains("a tar archive has no snapshots"), "{error}");
}

#[test]
fn the_id_of_an_archive_is_that_of_its_copies_and_not_that_of_another() {
    let id = |path: &std::path::Path| open(path).unwrap().description().id.clone();
    let archive = fixtures::archive("gnu.tar");
    let copy = tempfile::NamedTempFile::new().unwrap();
    std::fs::copy(&archive, copy.path()).unwrap();
    let modified = std::fs::metadata(&archive).unwrap().modified().unwrap();
    copy.as_file().set_modified(modified).unwrap();
    assert!(id(&archive).is_some());
    assert_eq!(id(&archive), id(copy.path()));
    assert_ne!(id(&archive), id(&fixtures::archive("infozip.zip")));
    assert_eq!(id(copy.path().parent().unwrap()), None);
}

#[test]
fn every_registered_format_has_a_fixture_that_is_recognised_as_it() {
    for format in registry::FORMATS {
        // borg, restic, and the programs of the other fixture, are those of this system.
        if cfg!(not(target_os = "linux")) && !format.schemes.is_empty() {
            continue;
        }
        let found = fixtures::ALL.iter().any(|fixture| {
            let opens = |path: &fixtures::FixturePath| {
                open(path.as_ref()).unwrap().description().format == format.name
            };
            fixture.paths().iter().any(opens)
        });
        assert!(found, "{}", format.name);
    }
}

#[test]
fn a_missing_path_is_an_error_that_names_it() {
    let error = open(std::path::Path::new("no/such/backup.tar")).err().unwrap();
    assert!(matches!(&error, Error::Open { .. }) && error.to_string().contains("backup.tar"), "{error}");
}

#[test]
fn a_file_that_is_not_a_backup_is_refused_with_what_it_is() {
    for (content, words) in [
        (&b""[..], "empty"),
        (b"hello, world", "68 65 6c 6c 6f"),
        (b"7z\xbc\xaf\x27\x1c and more", "7-Zip"),
        (b"Rar!\x1a\x07\x01\x00", "RAR"),
        (&gzip(b""), "but it is empty"),
        (&gzip(b"a single file"), "single gzip-compressed file"),
        (&gzip(&[b'x'; 5000]), "single gzip-compressed file"),
        (b"\x1f\x8b\x08 is not enough of a stream", "copy it again"),
        (&[0; 1024 + 7], "00 00 00 00"),
    ] {
        let problem = problem(content);
        assert!(problem.contains(words), "{problem} does not contain {words}");
    }
}

#[test]
fn an_archive_without_members_lists_nothing() {
    for content in [vec![0; 10_240], gzip(&[0; 10_240])] {
        let backup = open(fixtures::copy(&content)).unwrap();
        let (picks, listing) = catalog(&*backup);
        assert!(picks.is_empty() && matches!(listing, backup::Listing::Whole), "{listing:?}");
        assert!(restore(&*backup, Wanted::Every(&|_| true)).files.is_empty());
    }
}

#[test]
fn a_part_of_a_split_zip_archive_says_how_to_join_it() {
    let mut content = std::fs::read(fixtures::archive("infozip.zip")).unwrap();
    let end = content.windows(4).rposition(|four| four == b"PK\x05\x06").unwrap();
    content[end + 4] = 2;
    let problem = problem(&content);
    assert!(problem.contains("split archive") && problem.contains("zip -s 0"), "{problem}");
}

#[cfg(unix)]
#[test]
fn a_pipe_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let error = open(&pipe).err().unwrap().to_string();
    assert!(error.contains("neither a file nor a folder"), "{error}");
}

/// Whatever is in a file, it is refused, or it is listed and each of its entries is delivered once.
fn survives(content: &[u8]) {
    let path = fixtures::copy(content);
    if let Ok(backup) = open(&path) {
        let (picks, _) = catalog(&*backup);
        let restored = restore(&*backup, Wanted::These(&picks));
        assert_eq!(restored.files.len(), picks.len());
        restore(&*backup, Wanted::Every(&|_| true));
    }
}

/// A tar header with a correct checksum and random fields.
fn with_checksum(mut block: Vec<u8>, kind: u8, size: &str) -> Vec<u8> {
    block.resize(512, 0);
    block[124..136].copy_from_slice(format!("{size:0>11} ").as_bytes());
    block[156] = kind;
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_bytes_behind_every_mark_are_survived(
        mark in prop::sample::select(vec![&b""[..], b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b\x08", b"\xfd7zXZ\0",
            b"BZh91AY&SY", b"\x28\xb5\x2f\xfd"]),
        rest in prop::collection::vec(any::<u8>(), 0..3000),
        end in any::<bool>(),
    ) {
        let mut content = [mark, &rest].concat();
        if end {
            content.extend_from_slice(b"PK\x05\x06");
            content.extend(rest.iter().chain([&0; 18]).take(16));
            content.extend_from_slice(&[0, 0]);
        }
        survives(&content);
    }

    #[test]
    fn random_tar_headers_are_survived(
        headers in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 0..512), prop::sample::select(b"0125LKxgSMVD\0Z".to_vec()),
             prop::sample::select(vec!["0", "12", "1000", "77777777777", "2000"])),
            1..6),
    ) {
        // The names are unique except by chance, because the collected files are stored by name.
        let mut content = Vec::new();
        for (number, (mut block, kind, size)) in headers.into_iter().enumerate() {
            block.resize(block.len().max(40), b'a');
            block[..6].copy_from_slice(format!("name-{number}").as_bytes());
            block.resize(512, 0);
            block[345..500].fill(0);
            block[257..263].copy_from_slice(if number % 2 == 0 { b"ustar\0" } else { b"ustar " });
            content.extend(with_checksum(block, kind, size));
        }
        survives(&content);
    }
}
