//! Archives made to cause harm: names that lead elsewhere, false sizes, entries that grow.

use std::io::Write;

use bkverify::backup::{Listing, NameProblem, Wanted};

use super::collect::{RestoredFiles, catalog, hash, open, restore};
use super::fixtures;

/// Names that harm careless programs on some system, and the path or problem that we make of them.
const NAMES: [(&str, Result<&str, NameProblem>); 14] = [
    ("../x", Err(NameProblem::Parent)),
    ("a/../../x", Err(NameProblem::Parent)),
    ("..", Err(NameProblem::Parent)),
    ("/etc/passwd", Ok("etc/passwd")),
    ("//server/share/file", Ok("server/share/file")),
    ("./././dots", Ok("dots")),
    ("C:\\Windows\\file", Ok("C:\\Windows\\file")),
    ("C:file", Ok("C:file")),
    ("CON", Ok("CON")),
    ("folder/nul.txt", Ok("folder/nul.txt")),
    ("trailing dots...", Ok("trailing dots...")),
    ("trailing space ", Ok("trailing space ")),
    ("stream:colon", Ok("stream:colon")),
    ("\u{1b}[2Jscreen", Ok("\u{1b}[2Jscreen")),
];

/// A tar archive of members given by name, type, size field and data.
fn tar(members: &[(&[u8], u8, u64, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    for &(name, kind, size, data) in members {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_size(size);
        header.set_mode(0o644);
        header.set_mtime(1_700_000_000);
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_cksum();
        archive.extend_from_slice(header.as_bytes());
        archive.extend_from_slice(data);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.extend_from_slice(&[0; 1024]);
    archive
}

/// A zip entry: name, method, content, and the bytes stored for it.
type ZipEntry<'a> = (&'a [u8], rawzip::CompressionMethod, &'a [u8], &'a [u8]);

/// A zip archive of stored or otherwise compressed entries.
fn zip(entries: &[ZipEntry<'_>]) -> Vec<u8> {
    let mut writer = rawzip::ZipArchiveWriter::new(Vec::new());
    for &(name, method, content, stored) in entries {
        let path = rawzip::path::EntryPath::verbatim(name);
        let (mut entry, config) = writer.new_file(path).compression_method(method).start().unwrap();
        entry.write_all(stored).unwrap();
        let mut sums = config.wrap(std::io::sink());
        sums.write_all(content).unwrap();
        let (_, sums) = sums.finish().unwrap();
        entry.finish(sums).unwrap();
    }
    writer.finish().unwrap()
}

fn store(name: &[u8]) -> ZipEntry<'_> {
    (name, rawzip::CompressionMethod::STORE, b"content", b"content")
}

fn restore_archive(archive: &[u8]) -> RestoredFiles {
    let backup = open(fixtures::copy(archive)).unwrap();
    let (picks, listing) = catalog(&*backup);
    assert!(matches!(listing, Listing::Whole), "{listing:?}");
    restore(&*backup, Wanted::These(&picks))
}

#[test]
fn no_name_leads_out_of_the_restore_folder_and_each_is_listed() {
    let as_tar: Vec<_> = NAMES.iter().map(|(name, _)| (name.as_bytes(), b'0', 7, &b"content"[..])).collect();
    let as_zip: Vec<_> = NAMES.iter().map(|(name, _)| store(name.as_bytes())).collect();
    for archive in [tar(&as_tar), zip(&as_zip)] {
        let path = fixtures::copy(&archive);
        let backup = open(&path).unwrap();
        let format = backup.description().format;
        let (picks, _) = catalog(&*backup);
        let restored = restore(&*backup, Wanted::These(&picks));
        for (name, wanted) in NAMES {
            // The zip archive claims to come from a DOS machine, where the backslash is the
            // separator.
            let path = wanted.unwrap_or(name).replace('\\', if format == "zip" { "/" } else { "\\" });
            let path = path.as_bytes();
            let entry = picks.iter().find(|entry| entry.path == path);
            let entry = entry.unwrap_or_else(|| panic!("{format}: {name} is not listed"));
            assert_eq!(entry.problem, wanted.err(), "{format}: {name}");
            match (&restored.files[path], wanted) {
                (Ok(found), Ok(_)) => assert_eq!(*found, hash(b"content"), "{format}: {name}"),
                (Err(why), Err(problem)) => assert_eq!(*why, problem.to_string(), "{format}: {name}"),
                (outcome, _) => panic!("{format}: {name}: {outcome:?}"),
            }
        }
    }
}

#[test]
fn names_that_other_systems_treat_as_equal_stay_different() {
    let names = ["Readme", "README", "readme.", "e\u{301}", "\u{e9}"];
    let restored = restore_archive(&tar(&names.map(|name| (name.as_bytes(), b'0', 1, &b"x"[..]))));
    assert_eq!(restored.files.len(), names.len());
    assert_eq!(restore_archive(&zip(&names.map(|name| store(name.as_bytes())))).files.len(), names.len());
}

#[test]
fn a_name_with_a_nul_byte_is_listed_with_its_problem() {
    let backup = open(fixtures::copy(&zip(&[store(b"a\0b")]))).unwrap();
    let (picks, _) = catalog(&*backup);
    assert_eq!(picks.get(0).problem, Some(NameProblem::Nul));
    let pax = b"14 path=a\0bcd\n";
    let backup = open(fixtures::copy(&tar(&[(b"pax", b'x', 14, pax), (b"short", b'0', 1, b"x")]))).unwrap();
    let (picks, _) = catalog(&*backup);
    assert_eq!(picks.get(0).problem, Some(NameProblem::Nul));
}

#[test]
fn links_and_devices_are_not_listed_and_a_file_behind_a_link_is_restored_as_itself() {
    let archive = tar(&[
        (b"link", b'2', 0, b""),
        (b"link/file", b'0', 4, b"file"),
        (b"char", b'3', 0, b""),
        (b"block", b'4', 0, b""),
        (b"pipe", b'6', 0, b""),
    ]);
    let restored = restore_archive(&archive);
    assert_eq!(restored.files.len(), 1);
    assert_eq!(restored.files[&b"link/file"[..]], Ok(hash(b"file")));
}

#[test]
fn a_hard_link_gives_archive_content_or_nothing_and_never_a_file_of_this_machine() {
    let mut archive = tar(&[(b"steal", b'1', 0, b""), (b"self", b'1', 0, b"")]);
    for (at, target) in [(0, &b"/etc/hostname"[..]), (512, b"self")] {
        let header: &mut [u8] = &mut archive[at..at + 512];
        header[157..157 + target.len()].copy_from_slice(target);
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    for outcome in restore_archive(&archive).files.values() {
        let why = outcome.as_ref().unwrap_err();
        assert!(why.contains("hard link to") && why.contains("not in the archive"), "{why}");
    }
}

#[test]
fn headers_that_claim_gigabytes_cost_nothing() {
    for kind in [b'L', b'K', b'x', b'g'] {
        let archive = tar(&[(b"claim", kind, 7 << 30, b""), (b"after", b'0', 1, b"x")]);
        let backup = open(fixtures::copy(&archive)).unwrap();
        assert!(matches!(catalog(&*backup).1, Listing::Damaged(_)), "{}", char::from(kind));
    }
    // Gigabytes of zeros are short when they are compressed.
    let mut header = tar(&[(b"claim", b'L', 3 << 30, b"")]);
    header.truncate(512);
    let mut writer = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    writer.write_all(&header).unwrap();
    for _ in 0..64 {
        writer.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let backup = open(fixtures::copy(&writer.finish().unwrap())).unwrap();
    assert!(matches!(catalog(&*backup).1, Listing::Damaged(_)));
}

#[test]
fn a_sparse_size_that_no_file_can_have_fails_that_file_alone() {
    let records = b"22 GNU.sparse.major=1\n43 GNU.sparse.realsize=9223372036854775000\n";
    let records = [&records[..], b"23 GNU.sparse.name=big\n"].concat();
    let archive = tar(&[
        (b"pax", b'x', records.len() as u64, &records),
        (b"made-up", b'0', 512, b"0\n"),
        (b"after", b'0', 5, b"after"),
    ]);
    let restored = restore_archive(&archive);
    assert!(
        restored.files[&b"big"[..]].as_ref().unwrap_err().contains("9223372036854775000"),
        "{:?}",
        restored.files
    );
    assert_eq!(restored.files[&b"after"[..]], Ok(hash(b"after")));
}

#[test]
fn an_entry_that_grows_past_its_size_is_cut_off() {
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    deflate.write_all(&vec![0; 8 << 20]).unwrap();
    let bomb = deflate.finish().unwrap();
    let archive =
        zip(&[(b"bomb", rawzip::CompressionMethod::DEFLATE, b"ten  bytes", &bomb), store(b"after")]);
    let restored = restore_archive(&archive);
    assert!(restored.files[&b"bomb"[..]].as_ref().unwrap_err().contains("longer than the 10 bytes"));
    assert_eq!(restored.files[&b"after"[..]], Ok(hash(b"content")));
}

#[test]
fn an_entry_that_is_short_or_has_another_checksum_is_refused() {
    let method = rawzip::CompressionMethod::STORE;
    let restored = restore_archive(&zip(&[
        (b"short", method, b"content", b"cont"),
        (b"other", method, b"content", b"cantent"),
    ]));
    assert!(restored.files[&b"short"[..]].as_ref().unwrap_err().contains("4 of 7 bytes"));
    assert!(restored.files[&b"other"[..]].as_ref().unwrap_err().contains("CRC-32"));
}

#[test]
fn zip_entries_of_every_readable_method_are_restored() {
    use rawzip::CompressionMethod;
    let content = "compress me, ".repeat(5000).into_bytes();
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    deflate.write_all(&content).unwrap();
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    bzip2.write_all(&content).unwrap();
    let packed = [
        (CompressionMethod::STORE, content.clone()),
        (CompressionMethod::DEFLATE, deflate.finish().unwrap()),
        (CompressionMethod::BZIP2, bzip2.finish().unwrap()),
        (CompressionMethod::XZ, liblzma::encode_all(&content[..], 6).unwrap()),
        (CompressionMethod::ZSTD, zstd::encode_all(&content[..], 3).unwrap()),
    ];
    let names: Vec<_> = packed.iter().map(|(method, _)| method.as_u16().to_string()).collect();
    let entries: Vec<_> = packed
        .iter()
        .zip(&names)
        .map(|((method, stored), name)| (name.as_bytes(), *method, &content[..], &stored[..]))
        .collect();
    let restored = restore_archive(&zip(&entries));
    assert_eq!(restored.files.len(), packed.len());
    assert!(restored.files.values().all(|outcome| *outcome == Ok(hash(&content))), "{:?}", restored.files);
}

/// A short .xz stream whose header asks for a dictionary of 4 GiB.
fn greedy_xz(content: &[u8]) -> Vec<u8> {
    let mut stream = liblzma::encode_all(content, 1).unwrap();
    // The block header has its length, flags, filter 0x21 with one byte of properties, the size of
    // the dictionary, padding, and a CRC-32.
    assert_eq!(stream[12..16], [2, 0, 0x21, 1]);
    stream[16] = 40;
    let sum = rawzip::crc32(&stream[12..20]);
    stream[20..24].copy_from_slice(&sum.to_le_bytes());
    stream
}

#[test]
fn an_xz_stream_that_asks_for_gigabytes_of_memory_gets_none_and_is_not_called_damaged() {
    let archive = zip(&[
        (b"greedy", rawzip::CompressionMethod::XZ, b"content", &greedy_xz(b"content")),
        store(b"after"),
    ]);
    let restored = restore_archive(&archive);
    let why = restored.files[&b"greedy"[..]].as_ref().unwrap_err();
    assert!(why.contains("2 GiB of memory") && !why.contains("damaged"), "{why}");
    assert_eq!(restored.files[&b"after"[..]], Ok(hash(b"content")));
    let error = open(fixtures::copy(&greedy_xz(&tar(&[(b"a", b'0', 1, b"x")])))).err().unwrap().to_string();
    assert!(error.contains("2 GiB of memory") && !error.contains("damaged"), "{error}");
}

#[test]
fn a_repeated_zip_name_gives_its_last_content() {
    let archive = zip(&[
        (b"twice", rawzip::CompressionMethod::STORE, b"first", b"first"),
        store(b"once"),
        (b"./twice", rawzip::CompressionMethod::STORE, b"second", b"second"),
    ]);
    let restored = restore_archive(&archive);
    assert_eq!(restored.files.len(), 2);
    assert_eq!(restored.files[&b"twice"[..]], Ok(hash(b"second")));
}

#[test]
fn a_later_volume_of_a_multi_volume_archive_says_so() {
    let archive = tar(&[(b"rest", b'M', 4, b"rest"), (b"whole", b'0', 5, b"whole")]);
    let restored = restore_archive(&archive);
    assert!(restored.files[&b"rest"[..]].as_ref().unwrap_err().contains("multi-volume"));
    assert_eq!(restored.files[&b"whole"[..]], Ok(hash(b"whole")));
}
