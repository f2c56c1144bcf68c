//! Tar archives that real programs made, and damaged ones: what those programs accept passes, and
//! what they would lose is found, down to the blocks that are not part of a file.

#[cfg(unix)]
use std::process::Command;

use crate::pack::{self, MTIME, Member, archive, tar_header, tree};
use crate::world::{Verified, World};

/// A name that does not fit the field of a header.
fn long_name(number: usize) -> String {
    let folder = ["first quarter", "second quarter", "third quarter"][number % 3];
    format!(
        "projects/2023/annual report/drafts of the {folder}/attachments and notes/meetings/minutes {number} of the board.txt"
    )
}

/// Members with names of all lengths.
fn long_tree() -> Vec<Member> {
    let long =
        (0..6).map(|number| Member::new(long_name(number), format!("minutes {number}\n").repeat(number + 1)));
    tree().into_iter().chain(long).collect()
}

/// Verifies a damaged archive of `members` against all of them.
#[track_caller]
fn verify(members: &[Member], archive: impl AsRef<[u8]>) -> Verified {
    World::new().originals(members).file("b", archive).verify("--sample all")
}

fn damage(verified: &Verified) -> Vec<String> {
    let lines = verified.json["damage"].as_array().unwrap();
    lines.iter().map(|line| line.as_str().unwrap_or_default().to_owned()).collect()
}

/// Asserts that the run failed with a damage message that contains `words`.
#[track_caller]
fn is_damaged(verified: Verified, words: &str) {
    let verified = verified.exits(1);
    let lines = damage(&verified);
    assert!(lines.iter().any(|line| line.contains(words)), "{lines:?}\n{}", verified.ran);
}

/// The offset of each header in a plain archive, with its type.
fn headers(archive: &[u8]) -> Vec<(usize, u8)> {
    let (mut at, mut found) = (0, Vec::new());
    while archive[at..at + 512].iter().any(|&byte| byte != 0) {
        let size = std::str::from_utf8(&archive[at + 124..at + 135]).unwrap();
        found.push((at, archive[at + 156]));
        at += 512 + usize::from_str_radix(size, 8).unwrap().next_multiple_of(512);
    }
    found
}

#[test]
fn zeros_in_place_of_a_header_are_damage_however_few_they_are() {
    let members = pack::many_small_files(600);
    let intact = archive("tar", &members);
    for lost in [2, 10, 20, 300] {
        let headers = headers(&intact);
        let from = headers[headers.len() - lost].0;
        let mut wiped = intact.clone();
        wiped[from..].fill(0);
        is_damaged(verify(&members, &wiped), "what was there is lost");
        // Compressed afterwards, as if the backup itself had been backed up.
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, &wiped).unwrap();
        is_damaged(verify(&members, gzip.finish().unwrap()), "what was there is lost");
    }
}

#[test]
fn a_zeroed_range_in_the_middle_is_damage_even_if_no_header_follows() {
    let members = [tree(), vec![Member::new("large", pack::noise(300_000, 1))]].concat();
    let intact = archive("tar", &members);
    let headers = headers(&intact);
    let last = headers[headers.len() - 1].0;
    for length in [1024, 4096, 100_000] {
        let mut wiped = intact.clone();
        wiped[last..last + length].fill(0);
        is_damaged(verify(&members, &wiped), "members whose headers are lost");
        let first = headers[5].0;
        let mut wiped = intact.clone();
        wiped[first..first + 1024].fill(0);
        is_damaged(verify(&members, &wiped), "is followed by more members");
    }
}

#[test]
fn data_after_the_end_marker_is_damage_unless_it_is_padding() {
    let intact = archive("tar", &tree());
    // Either of the two could be the real archive, so neither passes for the whole.
    let joined = [&intact[..], &archive("zip", &tree())].concat();
    verify(&tree(), joined).exits(4).ran.err_has("two archives were joined");
    for behind in [archive("tar", &tree()), vec![7; 300], vec![7; 500_000]] {
        is_damaged(verify(&tree(), [&intact[..], &behind].concat()), "is followed by");
    }
    for record in [512, 1024, 10_240, 32_768, 1 << 20, 4 << 20] {
        let mut padded = intact.clone();
        padded.resize(padded.len().next_multiple_of(record), 0);
        verify(&tree(), &padded).exits(0);
        padded.resize(padded.len() + record + 512, 0);
        is_damaged(verify(&tree(), &padded), "more than the end marker");
    }
}

#[test]
fn damage_that_loses_no_member_passes() {
    let mut padded = archive("tar", &tree());
    let end = padded.len() - 1024;
    padded.resize(padded.len().next_multiple_of(10_240), 0);
    for place in [end + 1024, end + 1500, padded.len() - 1] {
        let mut flipped = padded.clone();
        flipped[place] ^= 4;
        verify(&tree(), &flipped).exits(0);
        flipped[end + 2000..end + 2100].fill(7);
        is_damaged(verify(&tree(), &flipped), "is followed by something");
    }
    for cut in [end + 1, end + 511, end + 700, end + 1024, end + 1030, padded.len() - 1] {
        verify(&tree(), &padded[..cut]).exits(0);
    }
    is_damaged(verify(&tree(), &padded[..end]), "without its end marker");
}

#[test]
fn zeros_after_compressed_data_are_accepted_if_the_programs_accept_them() {
    for (format, zeros, code) in [
        ("tar.gz", 1, 0),
        ("tar.gz", 100_000, 0),
        ("tar.bz2", 1, 0),
        ("tar.bz2", 4096, 0),
        ("tar.xz", 4, 0),
        ("tar.xz", 4096, 0),
        ("tar.xz", 5, 1),
        ("tar.zst", 4, 1),
    ] {
        let mut padded = archive(format, &tree());
        padded.resize(padded.len() + zeros, 0);
        let verified = verify(&tree(), &padded).exits(code);
        assert_eq!(verified.number("/counts/verified"), 12, "{format} and {zeros}");
        // The programs give up what follows zeros.
        padded.extend(archive(format, &tree()));
        is_damaged(verify(&tree(), &padded), "after the end of its");
    }
    for format in ["tar.gz", "tar.bz2", "tar.xz", "tar.zst"] {
        is_damaged(verify(&tree(), [archive(format, &tree()), vec![7; 20]].concat()), "after the end of its");
    }
}

#[test]
fn a_flipped_bit_in_a_pax_path_is_damage_and_not_a_deleted_file() {
    let intact = archive("tar", &long_tree());
    for (number, (at, _)) in headers(&intact).into_iter().filter(|(_, kind)| *kind == b'x').enumerate() {
        // `139 path=`, and up to 100 bytes of the name that are also in the member's own header.
        for place in [0, 2, 3, 4, 7, 8, 9, 30 + number, 60, 108] {
            let mut flipped = intact.clone();
            flipped[at + 512 + place] ^= 1 << ((place + number) % 7);
            is_damaged(verify(&long_tree(), &flipped), "byte ");
        }
    }
}

#[test]
fn a_zeroed_pax_record_is_damage() {
    let intact = archive("tar", &long_tree());
    let (at, _) = headers(&intact).into_iter().find(|(_, kind)| *kind == b'x').unwrap();
    for from in [0, 20, 100] {
        let mut wiped = intact.clone();
        wiped[at + 512 + from..at + 1024].fill(0);
        is_damaged(verify(&long_tree(), &wiped), "byte ");
    }
}

#[test]
fn an_extension_header_without_its_member_is_damage() {
    let record = format!("{} path={}\n", long_name(0).len() + 10, long_name(0));
    for (kind, data) in [(b'x', record), (b'L', format!("{}\0", long_name(0)))] {
        let mut end = tar_header(b"extension", data.len(), MTIME, kind).to_vec();
        end.extend(data.as_bytes());
        end.resize(1024, 0);
        let mut archive = archive("tar", &tree());
        let place = archive.len() - 1024;
        archive.splice(place..place, end.clone());
        is_damaged(verify(&tree(), &archive), "the member is lost");
        // Two in a row: the member of the first is lost, the member of the second is not.
        let mut whole = pack::archive("tar", &long_tree());
        let (at, _) = headers(&whole).into_iter().rfind(|(_, kind)| *kind == b'x').unwrap();
        whole.splice(at..at, end);
        let verified = verify(&long_tree(), &whole);
        if kind == b'x' {
            assert_eq!(verified.number("/counts/verified"), 18);
            is_damaged(verified, "follow one another");
        } else {
            // The name in the pax header counts.
            verified.exits(0);
        }
    }
}

/// The archive of the tree with an additional header in it that claims `size` bytes.
fn with_a_size(size: u64) -> Vec<u8> {
    let mut header = tar_header(b"liar", 0, MTIME, b'0');
    header[124..136].copy_from_slice(&(size | 1 << 63).to_be_bytes().iter().fold(
        [0; 12],
        |mut field, &byte| {
            field.rotate_left(1);
            field[11] = byte;
            field
        },
    ));
    header[124] = 0x80;
    header[128] &= 0x7f;
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut archive = archive("tar", &tree());
    archive.truncate(archive.len() - 1024);
    archive.extend(header);
    archive.resize(archive.len() + 4096, 7);
    archive
}

#[test]
fn a_size_beyond_the_archive_is_found_at_once_and_the_run_goes_on() {
    for size in [5000, 1 << 40, 1 << 46, 1 << 61] {
        let plain = with_a_size(size);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, &plain).unwrap();
        for archive in [plain, gzip.finish().unwrap(), zstd::encode_all(&with_a_size(size)[..], 1).unwrap()] {
            let members = [tree(), vec![Member::new("liar", [7; 4096])]].concat();
            let verified = verify(&members, &archive).finds(&[("liar", "restore-failed")]);
            assert_eq!(verified.number("/counts/verified"), 12, "{}", verified.ran);
            is_damaged(verified, "cut off inside a member");
        }
    }
}

/// Makes the backup `b` with a shell command in the world, with the originals in `s`.
#[cfg(unix)]
#[track_caller]
fn by_program(members: &[Member], command: &str) -> World {
    let world = World::new().originals(members);
    let made = Command::new("sh").args(["-ec", command]).current_dir(world.path("")).status();
    assert!(made.unwrap().success(), "{command}");
    world
}

#[cfg(unix)]
#[test]
fn archives_of_every_blocking_factor_and_without_padding_pass() {
    for factor in [1, 2, 20, 32, 64, 128, 2048, 8192] {
        let world = by_program(&long_tree(), &format!("tar -b {factor} -cf b -C s ."));
        world.verify("--sample all").exits(0).finds(&[]);
        let world = by_program(&long_tree(), &format!("tar -b {factor} -cf - -C s . | gzip > b"));
        world.verify("--sample all").exits(0).finds(&[]);
    }
    let appended =
        "tar -cf b -C s docs; tar -rf b -C s small; tar -rf b -C s --exclude docs --exclude small .";
    by_program(&long_tree(), appended).verify("--sample all").exits(0).finds(&[]);
}

#[cfg(unix)]
#[test]
fn a_flipped_bit_in_a_long_name_of_gnu_tar_is_damage_and_not_a_deleted_file() {
    for format in ["gnu", "posix"] {
        let world = by_program(&long_tree(), &format!("tar --format={format} -cf b -C s ."));
        let intact = std::fs::read(world.path("b")).unwrap();
        for (at, kind) in headers(&intact).into_iter().filter(|(_, kind)| matches!(kind, b'L' | b'x')) {
            let end = intact[at + 512..at + 1024]
                .windows(5)
                .position(|found| found == b"path=")
                .map_or(0, |at| at + 5);
            if kind == b'x' && end == 0 {
                continue;
            }
            for place in [end + 2, end + 33, end + 77, end + 99] {
                let mut flipped = intact.clone();
                flipped[at + 512 + place] ^= 1 << (place % 8);
                std::fs::write(world.path("b"), flipped).unwrap();
                is_damaged(world.verify("--sample all"), "byte ");
            }
        }
    }
}

#[cfg(unix)]
#[test]
fn hard_links_to_links_and_pipes_are_not_files_and_nothing_is_missing() {
    let make = "mkdir s/day.0; ln -s ../docs s/day.0/link; ln -s nowhere s/day.0/dangling; mkfifo s/day.0/pipe; \
        echo text > s/day.0/file; cp -al s/day.0 s/day.1; cp -al s/day.1 s/day.2; ";
    for tar in ["tar -cf b -C s .", "tar --format=posix -cf b -C s .", "tar -cf - -C s . | gzip > b"] {
        let verified =
            by_program(&tree(), &format!("{make}{tar}")).verify("--sample all").exits(0).finds(&[]);
        assert_eq!(verified.number("/counts/verified"), 12 + 3, "{tar}");
    }
    // A link that was replaced by a regular file has other names again.
    let replaced = "mkdir s/d; ln -s x s/d/name; tar -cf b -C s d; rm s/d/name; echo file > s/d/name; ln s/d/name s/d/other; \
        tar -rf b -C s .";
    let verified = by_program(&tree(), replaced).verify("--sample all").exits(0).finds(&[]);
    assert_eq!(verified.number("/counts/verified"), 12 + 2);
    // What is really missing is still a failure.
    let missing = "mkdir s/d; echo file > s/d/a; ln s/d/a s/d/b; tar -cf b -C s d; tar --delete -f b \
        $(tar -tvf b | grep -v 'link to' | grep -o 'd/[ab]$')";
    let verified = by_program(&tree(), missing).verify("--sample all").exits(1);
    assert_eq!(verified.findings().values().collect::<Vec<_>>(), ["restore-failed"]);
}
