//! Corrupt backups: whatever damage is put into a backup of any format is found, named and
//! described, and nothing else is reported.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::time::SystemTime;

use serde_json::json;

use crate::pack::{self, FORMATS, Member, set_mtime, tree};
use crate::world::{Verified, World};

const REPORT: &str = "docs/report.bin";

/// Verifies a backup with these members in every format, against an intact tree. `check` gets the
/// result and the verdict that a difference has in the format.
#[track_caller]
fn in_every_format(backup: &[Member], check: impl Fn(Verified, &str)) {
    for format in FORMATS {
        let world = World::new().originals(&tree()).backup(format, backup);
        let verified = world.verify("--sample all");
        assert_eq!(verified.at("/backup/format"), format);
        check(verified, pack::verdict_of_a_difference(format));
    }
}

/// The tree, with the content of one file changed by `treat`.
fn with(name: &str, treat: impl Fn(&mut Vec<u8>)) -> Vec<Member> {
    let mut members = tree();
    treat(&mut member(&mut members, name).content);
    members
}

fn member<'a>(members: &'a mut [Member], name: &str) -> &'a mut Member {
    members.iter_mut().find(|member| member.name == name.as_bytes()).unwrap()
}

#[test]
fn an_intact_backup_of_every_format_passes() {
    in_every_format(&tree(), |verified, _| {
        let verified = verified.exits(0).finds(&[]).says("PASS 12 of 12 identical.");
        assert_eq!(verified.at("/counts/verified"), 12);
        assert_eq!(verified.at("/assurance/at_most_bad"), 0);
    });
}

#[test]
fn one_flipped_bit_is_found_and_described() {
    let backup = with(REPORT, |content| content[7001] ^= 8);
    in_every_format(&backup, |verified, blamed| {
        let verified =
            verified.exits(1).finds(&[(REPORT, blamed)]).says("FAIL 11 of 12 identical, 1 ").says(
                "corrupt: docs/report.bin differs from byte 7,001 on: 1 byte in 1 block, one flipped bit;",
            );
        assert_eq!(verified.at("/findings/0/difference/looks_like"), "flipped-bit");
        assert_eq!(verified.at("/findings/0/difference/first_offset"), 7001);
    });
}

#[test]
fn a_zeroed_sector_is_found_and_described() {
    let backup = with(REPORT, |content| content[4096..4608].fill(0));
    in_every_format(&backup, |verified, blamed| {
        let verified = verified.exits(1).finds(&[(REPORT, blamed)]).says("overwritten with zeros");
        let difference = verified.at("/findings/0/difference");
        assert_eq!(difference["looks_like"], "zeroed");
        assert_eq!(
            [&difference["first_offset"], &difference["differing_bytes"], &difference["differing_blocks"]],
            [&json!(4096), &json!(512), &json!(1)]
        );
    });
}

#[test]
fn a_file_that_was_backed_up_in_part_is_found_and_described() {
    let backup = with(REPORT, |content| content.truncate(12_345));
    in_every_format(&backup, |verified, blamed| {
        let verified = verified
            .exits(1)
            .finds(&[(REPORT, blamed)])
            .says("truncated: ends at byte 12,345, the same until there");
        let sizes = ["restored_size", "original_size"].map(|field| &verified.json["findings"][0][field]);
        assert_eq!(sizes, [&json!(12_345), &json!(20_000)]);
    });
}

/// The files are large enough that originals are read ahead and hashed by several threads. They are
/// sparse, to save space.
#[test]
fn large_files_that_differ_only_in_their_last_byte_are_told_apart() {
    const SIZE: u64 = (64 << 20) + 12_345;
    let world = World::new();
    for (name, last) in
        [("b/good", 7), ("s/good", 7), ("b/bad", 7), ("s/bad", 8), ("b/young", 7), ("s/young", 8)]
    {
        let place = world.path(name);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        let mut file = fs::File::create(&place).unwrap();
        file.set_len(SIZE - 1).unwrap();
        file.seek(SeekFrom::End(0)).unwrap();
        file.write_all(&[last]).unwrap();
        set_mtime(&place, pack::MTIME);
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    set_mtime(&world.path("s/young"), now + 60);
    let world = world.folder("r");
    for how in ["--threads 1", "--threads 3", "--threads 3 --hash sha256", "--threads 2 --cache drop"] {
        let verified = world.verify(&format!("--sample all {how}"));
        let verified = verified.exits(1).finds(&[("bad", "corrupt"), ("young", "changed")]);
        assert_eq!(verified.at("/counts/verified"), 1);
        let bad = &verified.json["findings"][0];
        assert_eq!(bad["difference"]["first_offset"], SIZE - 1, "{how}");
        let content = fs::read(world.path("s/bad")).unwrap();
        if !how.contains("sha256") {
            assert_eq!(bad["original_hash"], blake3::hash(&content).to_hex().as_str());
        }
    }
}

#[test]
fn swapped_files_are_found_although_sizes_and_times_are_right() {
    let mut backup = tree();
    let castor = member(&mut backup, "twins/castor").content.clone();
    let pollux = std::mem::replace(&mut member(&mut backup, "twins/pollux").content, castor);
    member(&mut backup, "twins/castor").content = pollux;
    in_every_format(&backup, |verified, blamed| {
        let verified = verified.exits(1).finds(&[("twins/castor", blamed), ("twins/pollux", blamed)]);
        assert_eq!(verified.at("/findings/0/difference/looks_like"), "mixed");
        let hashes = |index: usize, side: &str| verified.json["findings"][index][side].clone();
        assert_eq!(hashes(0, "restored_hash"), hashes(1, "original_hash"));
    });
}

#[test]
fn an_original_that_is_missing_from_the_backup_is_found_by_looking_it_up() {
    let backup: Vec<_> = tree().into_iter().filter(|member| member.name != REPORT.as_bytes()).collect();
    for format in FORMATS {
        let world = World::new().originals(&tree()).backup(format, &backup);
        world.verify("--sample all").exits(0);
        let verified = world
            .verify("--sample all --completeness 100")
            .exits(1)
            .finds(&[])
            .says("FAIL 11 of 11 identical, 1 missing from the backup.")
            .says("Originals that the backup does not contain:");
        assert_eq!(verified.at("/completeness/originals"), 12);
        assert_eq!(verified.at("/completeness/looked_up"), 12);
        let missing = verified.at("/completeness/missing").as_array().unwrap();
        assert_eq!(missing.len(), 1);
        assert!(missing[0].as_str().unwrap().ends_with("report.bin"), "{format}: {missing:?}");
        world.verify("--sample all --completeness 100 --exclude *.bin").exits(0);
    }
}

#[test]
fn originals_younger_than_the_backup_cannot_be_missing_from_it() {
    let world = World::new().originals(&tree()).backup("tar", &tree());
    set_mtime(&world.path("b"), pack::MTIME + 100);
    let mut young = Member::new("young", "made after the backup");
    young.mtime = pack::MTIME + 3600;
    pack::write_files(&world.path("s"), &[young]);
    let verified = world.verify("--sample all --completeness 100").exits(0);
    assert_eq!(verified.at("/completeness/originals"), 12);
}

#[test]
fn an_original_made_between_the_backup_and_a_copy_of_it_is_not_missing() {
    for format in ["tar", "tar.gz", "zip", "folder"] {
        let world = World::new().originals(&tree()).backup(format, &tree());
        // The archive's own time is that of the copy, which is now.
        let made = |name: &str, mtime| Member { mtime, ..Member::new(name, "made after the backup") };
        pack::write_files(&world.path("s"), &[made("young", pack::MTIME + 3600)]);
        for sample in ["all", "5"] {
            let verified = world
                .verify(&format!("--sample {sample} --completeness 100"))
                .exits(0)
                .says("12 of 13 originals looked up in the backup; 1 more may be younger than the backup");
            assert_eq!(verified.number("/completeness/undecided"), 1, "{format}");
            assert_eq!(verified.number("/completeness/looked_up"), 12, "{format}");
        }
        // An original that is older than everything else is missing.
        let originals = [vec![made("old", pack::MTIME - 3600)], tree()].concat();
        let world = World::new().originals(&originals).backup(format, &tree());
        pack::write_files(&world.path("s"), &[made("young", pack::MTIME + 3600)]);
        let verified = world.verify("--sample all --completeness 100").exits(1);
        assert_eq!(verified.at("/completeness/missing").as_array().unwrap().len(), 1, "{format}");
        assert_eq!(verified.number("/completeness/undecided"), 1, "{format}");
    }
}

/// The tree, followed by a large file, so that damage far from the beginning hits that file.
fn large_tree() -> Vec<Member> {
    [tree(), vec![Member::new("large", pack::noise(500_000, 9))]].concat()
}

/// An archive of the large tree that was damaged by `treat` after it was made, beside intact
/// originals.
fn damaged(format: &str, treat: impl Fn(&mut Vec<u8>)) -> World {
    let mut archive = pack::archive(format, &large_tree());
    treat(&mut archive);
    World::new().originals(&large_tree()).file("b", archive)
}

#[test]
fn a_flipped_bit_in_an_archive_is_found_in_the_right_file() {
    for format in &FORMATS[1..] {
        let world = damaged(format, |bytes| {
            let place = bytes.len() - 200_000;
            bytes[place] ^= 0x10;
        });
        let verified = world.verify("--sample all").exits(1).says("FAIL 12 of ");
        let findings = verified.findings();
        let is_listed_as_damage = !verified.json["damage"].as_array().unwrap().is_empty();
        assert!(findings.contains_key("large") || is_listed_as_damage, "{format}: {}", verified.ran);
        assert_eq!(verified.at("/counts/verified"), 12, "{format}: {}", verified.ran);
    }
}

#[test]
fn a_zeroed_sector_in_an_archive_is_found_in_the_right_file() {
    for format in &FORMATS[1..] {
        let world = damaged(format, |bytes| {
            let place = bytes.len() - 200_000;
            bytes[place..place + 512].fill(0);
        });
        let verified = world.verify("--sample all").exits(1).says("FAIL 12 of ");
        assert_eq!(verified.at("/counts/verified"), 12, "{format}: {}", verified.ran);
    }
}

#[test]
fn everything_before_the_end_of_a_truncated_archive_is_verified() {
    for format in ["tar", "tar.gz", "tar.zst", "tar.xz", "tar.bz2"] {
        let world = damaged(format, |bytes| bytes.truncate(bytes.len() - 200_000));
        let verified = world.verify("--sample all").exits(1).says("FAIL");
        assert_eq!(verified.at("/counts/verified"), 12, "{format}: {}", verified.ran);
        let lost = verified.number("/counts/bad") + verified.json["damage"].as_array().unwrap().len() as u64;
        assert!(lost > 0, "{format}: {}", verified.ran);
    }
}

#[test]
fn a_zip_without_its_directory_is_unusable() {
    let world = damaged("zip", |bytes| bytes.truncate(bytes.len() / 2));
    let ran = world.run("--backup b --source s --restore-to r --sample all --cache use");
    ran.exits(4)
        .err_has("error: the zip backup")
        .err_has("probably cut off")
        .err_has("hint: make the backup again")
        .out_is("");
}

/// The flipped bit may be in a byte without meaning (padding, the number of a user). Even then, a
/// run that passes must have seen every file with the right bytes.
#[test]
fn a_flipped_bit_anywhere_in_an_archive_is_found_or_harmless() {
    for format in &FORMATS[1..] {
        let archive = pack::archive(format, &tree());
        for part in 0..13 {
            let place = archive.len() * part / 13 + part;
            let mut flipped = archive.clone();
            flipped[place] ^= 1 << (part % 8);
            let world = World::new().originals(&tree()).file("b", &flipped);
            let ran = world.run(
                "--backup b --source s --restore-to r --cache use --sample all --completeness 99 --json j",
            );
            assert!(matches!(ran.code, Some(0 | 1 | 2 | 4)), "{format} at {place}: {ran}");
            if ran.code == Some(0) {
                let verified = Verified::new(ran, &world.read("j"));
                assert_eq!(verified.number("/counts/verified"), 12, "{format} at {place}");
            }
        }
    }
}

#[test]
fn a_backup_without_the_original_times_is_still_compared() {
    let world = World::new().originals(&tree());
    // A copy with new times, as `cp` without `-p` makes it.
    let now =
        std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let copy = with(REPORT, |content| content[0] ^= 1).into_iter();
    let copy: Vec<_> = copy.map(|member| Member { mtime: now + 10, ..member }).collect();
    let world = world.backup("folder", &copy);
    world.verify("--sample all").exits(1).finds(&[(REPORT, "corrupt")]);
    fs::write(world.path("b").join(REPORT), &tree()[0].content).unwrap();
    world.verify("--sample all").exits(0).finds(&[]);
}
