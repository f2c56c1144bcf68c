//! Zip archives with damage that this program could restore despite it, but other programs cannot.
//! The damage is found and described. What real programs write is not damage.

use std::io::Write;
use std::ops::ControlFlow;

use bkverify::backup::{self, Context, Damage, Entry, RestoreError, RestoreSink, Restored, Scratch, Wanted};
use bkverify::cancel::CancelToken;

use crate::pack::{self, Member, tree};
use crate::world::{Verified, World};

const REPORT: &str = "docs/report.bin";
const OTHERS: &str = "some programs will not";

/// The archive of the tree.
fn archive() -> Vec<u8> {
    pack::archive("zip", &tree())
}

/// The offset of an entry's local header, or of its record in the directory.
fn place(archive: &[u8], name: &str, mark: &[u8], fixed: usize) -> usize {
    let found =
        |at: &usize| archive[*at..].starts_with(mark) && archive[at + fixed..].starts_with(name.as_bytes());
    (0..archive.len() - fixed).find(found).unwrap()
}

fn local(archive: &[u8], name: &str) -> usize {
    place(archive, name, b"PK\x03\x04", 30)
}

fn record(archive: &[u8], name: &str) -> usize {
    place(archive, name, b"PK\x01\x02", 46)
}

/// The offset of the end record.
fn end(archive: &[u8]) -> usize {
    archive.len() - 22
}

/// Verifies an archive beside intact originals.
#[track_caller]
fn verify(archive: &[u8]) -> Verified {
    World::new().originals(&tree()).file("b", archive).verify("--sample all")
}

/// Asserts that the archive fails after `treat`, with these words in the summary.
#[track_caller]
fn fails(treat: impl Fn(&mut Vec<u8>), words: &str) {
    let mut bytes = archive();
    treat(&mut bytes);
    verify(&bytes).exits(1).says("FAIL").says(words);
}

#[test]
fn a_local_header_that_contradicts_the_directory_is_a_bad_file() {
    // Flags, method, CRC-32, compressed size, size.
    for (field, bit) in [(6, 1), (6, 16), (8, 1), (9, 1), (14, 4), (18, 16), (21, 64), (22, 1), (25, 128)] {
        let mut bytes = archive();
        let at = local(&bytes, REPORT) + field;
        bytes[at] ^= bit;
        let verified = verify(&bytes).exits(1).finds(&[(REPORT, "restore-failed")]).says(OTHERS);
        assert_eq!(verified.at("/counts/verified"), 11, "byte {field}");
    }
    // The compression level, and the UTF-8 flag of an ASCII name, do not matter.
    for (field, bit) in [(6, 2), (6, 4), (7, 8)] {
        let mut bytes = archive();
        let at = local(&bytes, "small/0.txt") + field;
        bytes[at] ^= bit;
        verify(&bytes).exits(0);
    }
}

/// `unzip` gives up on the rest of the archive if the header of a folder is damaged, although no
/// file is damaged.
#[test]
fn a_flipped_bit_that_makes_one_name_of_two_hides_no_file() {
    let members = ["file-150", "file-151"].map(|name| Member::new(name, name));
    let mut archive = pack::archive("zip", &members);
    let digit = record(&archive, "file-150") + 46 + 7;
    archive[digit] ^= 1;
    let world = World::new().originals(&members).file("b", &archive);
    world
        .verify("--map =s --sample all --completeness 0")
        .exits(1)
        .says("its two headers in the archive give it different names");
}

#[test]
fn a_local_header_of_a_folder_that_contradicts_the_directory_is_damage() {
    let bytes = with_folder();
    verify(&bytes).exits(0);
    // Flags, method, CRC-32, sizes, lengths of the name and the extra field.
    for (field, bit) in
        [(0, 1), (6, 8), (8, 8), (14, 1), (18, 1), (22, 4), (27, 1), (28, 8), (29, 16), (29, 1)]
    {
        let mut flipped = bytes.clone();
        flipped[field] ^= bit;
        eprintln!("bit {bit} of byte {field}");
        verify(&flipped).exits(1).says("some programs");
    }
}

/// An empty file has no data, so no restore would find that its data is in the wrong place.
#[test]
fn an_empty_file_whose_local_header_reaches_into_the_next_entry_is_damage() {
    for bit in [2, 16, 64] {
        let mut bytes = with_folder();
        let at = local(&bytes, "empty") + 28;
        bytes[at] ^= bit;
        verify(&bytes).exits(1).says("some programs");
    }
}

/// The archive of the tree after a folder entry, as programs store it.
fn with_folder() -> Vec<u8> {
    let mut writer = rawzip::ZipArchiveWriter::new(Vec::new());
    writer.new_dir(rawzip::path::EntryPath::verbatim(&b"docs/"[..])).create().unwrap();
    for member in tree() {
        let path = rawzip::path::EntryPath::verbatim(&member.name[..]);
        let time = rawzip::time::UtcDateTime::from_unix(i64::try_from(member.mtime).unwrap());
        let (mut entry, config) = writer.new_file(path).last_modified(time).start().unwrap();
        entry.write_all(&member.content).unwrap();
        let mut sums = config.wrap(std::io::sink());
        sums.write_all(&member.content).unwrap();
        let (_, sums) = sums.finish().unwrap();
        entry.finish(sums).unwrap();
    }
    writer.finish().unwrap()
}

#[test]
fn a_flipped_encryption_bit_is_damage_and_not_a_missing_password() {
    for at in [local as fn(&[u8], &str) -> usize, record] {
        let mut bytes = archive();
        let field = if bytes[at(&bytes, REPORT) + 2] == 3 { 6 } else { 8 };
        let at = at(&bytes, REPORT) + field;
        bytes[at] ^= 1;
        verify(&bytes).exits(1).finds(&[(REPORT, "restore-failed")]).says("flags");
    }
}

#[test]
fn a_record_that_other_programs_refuse_is_damage() {
    let treat = |field: usize, bit: u8| {
        move |bytes: &mut Vec<u8>| {
            let at = record(bytes, REPORT) + field;
            bytes[at] ^= bit;
        }
    };
    fails(treat(6, 32), "version 5.2 of the format is needed");
    fails(treat(6, 64), "version 8.4 of the format is needed");
    fails(treat(34, 1), "in part 1 of several");
    // Length of the first extra field.
    fails(
        |bytes| {
            let at = record(bytes, REPORT) + 46 + REPORT.len() + 2;
            bytes[at] ^= 64;
        },
        "an extra field that is cut off",
    );
}

#[test]
fn an_end_record_that_contradicts_the_directory_is_damage() {
    // Disks, counts, size and place of the directory.
    for (field, bit) in [(4, 1), (6, 1), (8, 1), (12, 1), (13, 2), (16, 1), (17, 128), (19, 1)] {
        let mut bytes = archive();
        let at = end(&bytes) + field;
        bytes[at] ^= bit;
        let world = World::new().originals(&tree()).file("b", &bytes);
        let ran = world.run("--backup b --source s --restore-to r --sample all --cache use");
        // An archive that is one of several parts, or whose directory would begin after the end
        // record, cannot be used at all.
        assert!(matches!(ran.code, Some(1 | 4)), "byte {field}: {ran}");
        assert!(ran.out.contains("end record") || ran.code == Some(4), "{ran}");
    }
    let mut bytes = archive();
    let at = end(&bytes) + 16;
    bytes[at] ^= bytes[at] & bytes[at].wrapping_neg();
    verify(&bytes).exits(1).finds(&[]).says("some programs will not restore anything");
}

#[test]
fn zip64_records_that_contradict_the_end_record_or_the_directory_are_damage() {
    let fixture = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/archives/bsdtar-zip64.zip");
    let bytes = std::fs::read(fixture).unwrap();
    let [record, locator] =
        [b"PK\x06\x06", b"PK\x06\x07"].map(|mark| bytes.windows(4).position(|four| four == mark).unwrap());
    let is_sound = |bytes: &[u8]| {
        let world = World::new().file("b", bytes);
        let Ok(backup) = crate::contract::open(world.path("b")) else { return false };
        matches!(crate::contract::catalog(&*backup).1, backup::Listing::Whole)
    };
    assert!(is_sound(&bytes));
    // Mark, size, parts, counts, size and place of the directory; mark, part, place and number of
    // parts.
    for at in [0, 4, 16, 20, 24, 32, 40, 48]
        .map(|field| record + field)
        .into_iter()
        .chain([0, 4, 8, 17].map(|field| locator + field))
    {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        assert!(!is_sound(&flipped), "byte {} of the zip64 records", at - record);
    }
}

#[test]
fn an_archive_with_an_encrypted_directory_is_unusable_and_not_damaged() {
    let fixture = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/archives/bsdtar-zip64.zip");
    let mut bytes = std::fs::read(fixture).unwrap();
    let record = bytes.windows(4).position(|four| four == b"PK\x06\x06").unwrap();
    // The second version of the record is 28 bytes longer. Here it names AES-256.
    bytes[record + 4] += 28;
    let mut second = [0; 28];
    second[18..20].copy_from_slice(&0x6610_u16.to_le_bytes());
    bytes.splice(record + 56..record + 56, second);
    let world = World::new().file("b", bytes);
    let error = crate::contract::open(world.path("b")).err().unwrap().to_string();
    assert!(error.contains("directory is encrypted") && !error.contains("damaged"), "{error}");
}

#[test]
fn data_after_the_archive_is_damage_except_for_the_rest_of_a_tape_record() {
    fails(|bytes| bytes.extend(vec![b'x'; 500_000]), "500000 bytes follow the end of the archive");
    fails(|bytes| bytes.push(0), "1 bytes follow the end of the archive");
    fails(|bytes| bytes.extend([0; 70_000]), "70000 bytes follow the end of the archive");
    let mut padded = archive();
    padded.resize(padded.len().next_multiple_of(10_240), 0);
    verify(&padded).exits(0);
}

#[test]
fn data_before_the_archive_is_damage_except_for_a_program() {
    let before = |what: &[u8]| [what, &archive()].concat();
    let other = pack::archive("zip", &[Member::new("other", "x")]);
    for what in [&other[..], &archive(), &[b'x'; 3000], &[0; 512]] {
        verify(&before(what)).exits(1).says("FAIL");
    }
    for program in [&b"#!/bin/sh\nexec unzip \"$0\"\n"[..], b"MZ\x90\0 and more", b"\x7fELF\x02\x01\x01"] {
        verify(&before(program)).exits(0);
    }
}

#[test]
fn a_tar_archive_followed_by_a_zip_archive_does_not_pass() {
    let both = [pack::archive("tar", &tree()), archive()].concat();
    let world = World::new().originals(&tree()).file("b", both);
    let ran = world.run("--backup b --source s --restore-to r --sample all --cache use");
    assert!(matches!(ran.code, Some(1 | 4)), "{ran}");
}

#[test]
fn entries_that_overlap_are_damage() {
    // The record of the letter gives the position of the report.
    fails(
        |bytes| {
            let (report, letter) = (record(bytes, REPORT), record(bytes, "docs/letter.txt"));
            bytes.copy_within(report + 42..report + 46, letter + 42);
        },
        "claim the same bytes",
    );
    // An entry whose data reaches into the next entry, and one whose data reaches into the
    // directory.
    fails(
        |bytes| {
            let at = record(bytes, "docs/letter.txt") + 20;
            bytes[at] ^= 64;
        },
        "where another entry or the directory begins",
    );
    fails(
        |bytes| {
            let at = record(bytes, "small/5.txt") + 22;
            bytes[at] ^= 1;
        },
        "where the directory begins",
    );
}

/// The archive with the records of its directory changed by `treat`, and an end record that
/// matches.
fn with_records(treat: impl Fn(&mut Vec<Vec<u8>>)) -> Vec<u8> {
    let bytes = archive();
    let first = record(&bytes, REPORT);
    let mut records: Vec<Vec<u8>> = Vec::new();
    let mut at = first;
    while bytes[at..].starts_with(b"PK\x01\x02") {
        let lengths = [28, 30, 32]
            .map(|field| usize::from(u16::from_le_bytes([bytes[at + field], bytes[at + field + 1]])));
        let next = at + 46 + lengths.iter().sum::<usize>();
        records.push(bytes[at..next].to_vec());
        at = next;
    }
    treat(&mut records);
    let (count, directory) = (u16::try_from(records.len()).unwrap(), records.concat());
    let size = u32::try_from(directory.len()).unwrap().to_le_bytes();
    let mut last = bytes[end(&bytes)..].to_vec();
    last[8..10].copy_from_slice(&count.to_le_bytes());
    last[10..12].copy_from_slice(&count.to_le_bytes());
    last[12..16].copy_from_slice(&size);
    [&bytes[..first], &directory, &last].concat()
}

#[test]
fn an_entry_missing_from_the_directory_is_damage() {
    for lost in [0, 4, 11] {
        let lost = with_records(|records| {
            records.remove(lost);
        });
        verify(&lost).exits(1).says("1 part cannot be listed");
    }
    // A record is overwritten by a copy of another.
    let twice = with_records(|records| records[7] = records[3].clone());
    verify(&twice).exits(1).says("is not listed in the directory");
}

#[test]
fn a_directory_in_another_order_than_the_entries_is_not_damage() {
    verify(&with_records(|records| records.reverse())).exits(0);
    verify(&with_records(|records| records.swap(2, 9))).exits(0);
}

#[test]
fn a_size_that_the_compression_cannot_produce_takes_no_space() {
    // The record and the data descriptor both claim about 2 GiB for a few compressed bytes.
    let content = b"short";
    let mut writer = rawzip::ZipArchiveWriter::new(Vec::new());
    let path = rawzip::path::EntryPath::verbatim(&b"bomb"[..]);
    let (mut entry, config) =
        writer.new_file(path).compression_method(rawzip::CompressionMethod::DEFLATE).start().unwrap();
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    deflate.write_all(content).unwrap();
    entry.write_all(&deflate.finish().unwrap()).unwrap();
    let mut sums = config.wrap(std::io::sink());
    sums.write_all(content).unwrap();
    let (_, sums) = sums.finish().unwrap();
    entry.finish(sums).unwrap();
    let mut bytes = writer.finish().unwrap();
    for mark in [&b"PK\x01\x02"[..], b"PK\x07\x08"] {
        let at = bytes.windows(4).position(|four| four == mark).unwrap();
        let size = at + if mark[2] == 1 { 24 } else { 12 };
        bytes[size + 3] = 0x7f;
    }
    let world = World::new().originals(&[Member::new("bomb", content)]).file("b", bytes);
    world.verify("--sample all").exits(1).says("compressed bytes cannot expand to");
}

/// Records what is delivered for each restored file.
#[derive(Default)]
struct DeliveredFiles(Vec<(bool, Option<&'static str>)>);

impl RestoreSink for DeliveredFiles {
    fn deliver(&mut self, entry: Entry<'_>, outcome: Result<Restored, RestoreError>) -> ControlFlow<()> {
        self.0.push((outcome.is_ok(), entry.vouched_by));
        ControlFlow::Continue(())
    }

    fn lost(&mut self, damage: Damage) {
        panic!("{damage}");
    }
}

#[test]
fn only_restored_files_are_reported_as_confirmed_by_their_checksum() {
    let mut bytes = archive();
    let report = local(&bytes, REPORT) + 30 + REPORT.len() + 2000;
    bytes[report] ^= 1;
    let world = World::new().file("b", bytes);
    let backup = crate::contract::open(world.path("b")).unwrap();
    let target = tempfile::tempdir().unwrap();
    let scratch = Scratch::create(target.path(), CancelToken::new()).unwrap();
    let mut said = DeliveredFiles::default();
    backup.restore(Wanted::Every(&|_| true), &scratch, &Context::default(), &mut said).unwrap();
    assert_eq!(said.0.len(), 12);
    assert!(said.0.iter().all(|(is_ok, by)| by.is_some() == *is_ok), "{:?}", said.0);
    assert!(said.0.contains(&(true, Some("the CRC-32 in the archive"))) && said.0.contains(&(false, None)));
}

#[test]
fn a_time_without_a_zone_is_recognised() {
    let zones = |archive: &[u8]| {
        let world = World::new().file("b", archive);
        let backup = crate::contract::open(world.path("b")).unwrap();
        let (picks, _) = crate::contract::catalog(&*backup);
        picks.iter().map(|entry| entry.zone_unknown).collect::<Vec<_>>()
    };
    assert_eq!(zones(&archive()), [false; 12]);
    // Without the extended time stamp, which becomes an unknown field.
    let mut bytes = archive();
    let at = record(&bytes, REPORT) + 46 + REPORT.len();
    bytes[at] ^= 0x80;
    assert_eq!(zones(&bytes).iter().filter(|unknown| **unknown).count(), 1);
}

#[test]
fn invisible_characters_in_a_name_are_visible_in_the_report() {
    let members = [Member::new("pay\u{ad}roll\u{61c}.txt", "x"), Member::new("other", "y")];
    let mut bytes = pack::archive("zip", &members);
    let at = bytes.windows(4).position(|four| four == b"PK\x03\x04").unwrap() + 14;
    bytes[at] ^= 1;
    let world = World::new().originals(&members).file("b", bytes);
    let verified = world.verify("--sample all").exits(1).says("pay\\xc2\\xadroll\\xd8\\x9c.txt");
    assert!(!verified.ran.out.contains(['\u{ad}', '\u{61c}']));
}

#[test]
fn a_damaged_archive_in_which_nothing_pairs_is_damage_and_not_a_usage_error() {
    let mut bytes = archive();
    let second = record(&bytes, "docs/letter.txt");
    bytes[second] ^= 1;
    let other = [Member::new("elsewhere", "x")];
    World::new().originals(&other).file("b", &bytes).verify("--sample all").exits(1).says("cannot be listed");
    let sound = World::new().originals(&other).file("b", archive());
    sound.run("--backup b --source s --restore-to r --sample all --cache use").exits(2);
}

/// What is not damage: archives as real programs write and change them.
#[cfg(unix)]
#[test]
fn archives_made_and_changed_by_real_programs_are_not_damaged() {
    let world = World::new().originals(&tree());
    let zip = |arguments: &str| {
        let mut command = std::process::Command::new("zip");
        command.args(arguments.split_whitespace()).current_dir(world.path("s"));
        assert!(command.output().unwrap().status.success(), "zip {arguments}");
    };
    for (made, changed) in [
        ("-r ../b .", ""),
        ("-r -fd ../b .", ""),
        ("-r -0 ../b .", "-d ../b docs/letter.txt small/3.txt"),
        ("-r -X ../b .", "-d ../b docs/report.bin"),
        ("../b docs/letter.txt empty small/1.txt", "-r -u ../b ."),
        ("-r -fz ../b .", ""),
        ("-r -Z bzip2 ../b .", "-r ../b ."),
    ] {
        let _ = std::fs::remove_file(world.path("b.zip"));
        let _ = std::fs::remove_file(world.path("b"));
        zip(&format!("-q {made}"));
        if !changed.is_empty() {
            zip(&format!("-q {changed}"));
        }
        std::fs::rename(world.path("b.zip"), world.path("b")).unwrap();
        world.verify("--sample all --completeness 0").exits(0).finds(&[]);
    }
}
