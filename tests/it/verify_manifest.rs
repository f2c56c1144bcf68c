//! Manifests: which side of a difference is wrong, and copies whose originals were modified, are
//! gone, or never were on this machine.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use crate::pack::{MTIME, Member, set_mtime, tree};
use crate::world::{RunResult, Verified, World};

const REPORT: &str = "docs/report.bin";

/// The formats whose times say enough.
const FORMATS: [&str; 3] = ["folder", "tar", "tar.gz"];

/// When the manifests of these tests were made: after the originals were written, and before the
/// newest file got into the backup.
const MADE: u64 = MTIME + 1_000;

/// The tree, and a file that is newer than the manifest.
fn members() -> Vec<Member> {
    let mut members = tree();
    members.push(Member { mtime: MTIME + 2_000, ..Member::new("newest", "newest") });
    members
}

fn with(name: &str, treat: impl Fn(&mut Vec<u8>)) -> Vec<Member> {
    let mut members = members();
    let member = members.iter_mut().find(|member| member.name == name.as_bytes()).unwrap();
    treat(&mut member.content);
    members
}

fn flipped() -> Vec<Member> {
    with(REPORT, |content| content[7_001] ^= 8)
}

/// Originals, a manifest of them at `m`, and a backup.
fn world(format: &str, backup: &[Member]) -> World {
    let world = World::new().originals(&members()).backup(format, backup);
    make_manifest(&world, "m", &members(), |name| format!("./{name}"));
    world
}

/// Writes a manifest as `b3sum` does.
fn make_manifest(world: &World, place: &str, members: &[Member], name: impl Fn(&str) -> String) {
    let line = |member: &Member| {
        let path = String::from_utf8(member.name.clone()).unwrap();
        format!("{}  {}\n", blake3::hash(&member.content), name(&path))
    };
    fs::write(world.path(place), members.iter().map(line).collect::<String>()).unwrap();
    set_mtime(&world.path(place), MADE);
}

/// Changes an original, and keeps its modification time.
fn rot(place: &Path) {
    let mut content = fs::read(place).unwrap();
    content[100] ^= 1;
    fs::write(place, content).unwrap();
    set_mtime(place, MTIME);
}

#[test]
fn a_copy_that_rotted_is_told_from_an_original_that_rotted() {
    for format in FORMATS {
        let copy = world(format, &flipped()).verify("--sample all --manifest m").exits(1);
        let copy = copy.finds(&[(REPORT, "corrupt")]).says("it is the restored copy that is wrong");
        assert_eq!(copy.at("/findings/0/known_by"), "manifest");
        assert_eq!(copy.at("/findings/0/known_hash"), copy.at("/findings/0/original_hash"));

        let there = world(format, &members());
        rot(&there.path("s").join(REPORT));
        let original = there.verify("--sample all --manifest m").exits(1);
        let original = original
            .finds(&[(REPORT, "original-corrupt")])
            .says("the backup is good, the original is not; restore it from the backup");
        assert_eq!(original.at("/findings/0/known_hash"), original.at("/findings/0/restored_hash"));
        assert_eq!(original.at("/assurance/bad"), 0);

        let there = world(format, &flipped());
        rot(&there.path("s").join(REPORT));
        let both = there.verify("--sample all --manifest m").exits(1);
        both.finds(&[(REPORT, "corrupt")]).says("both sides differ from the hash that is known");
    }
}

#[test]
fn a_good_copy_of_an_original_that_was_modified_or_deleted_is_verified_by_the_manifest() {
    for format in FORMATS {
        let there = world(format, &members());
        fs::write(there.path("s").join(REPORT), "another report").unwrap();
        fs::remove_file(there.path("s/docs/letter.txt")).unwrap();
        let without = there.verify("--sample all");
        let without = without.exits(0).finds(&[(REPORT, "changed"), ("docs/letter.txt", "deleted")]);
        assert_eq!(without.at("/counts/comparable"), 11);
        let known = there.verify("--sample all --manifest m").exits(0).finds(&[]);
        assert_eq!(
            (known.at("/counts/comparable"), known.at("/assurance/by_manifest")),
            (&13.into(), &2.into())
        );
        known.says("whose originals have not been modified since the backup or whose content is known from the manifest");
    }
}

#[test]
fn a_bad_copy_of_an_original_that_was_modified_or_deleted_is_found_by_the_manifest() {
    let truncated = with(REPORT, |content| content.truncate(12_345));
    for format in FORMATS {
        for backup in [&flipped(), &truncated] {
            let there = world(format, backup);
            fs::write(there.path("s").join(REPORT), "another report").unwrap();
            let found = there.verify("--sample all --manifest m").exits(1).finds(&[(REPORT, "corrupt")]);
            let found = found.says("the original has been modified since the backup, but the manifest knows");
            assert_eq!(
                (found.at("/assurance/bad"), found.at("/counts/comparable_bad")),
                (&1.into(), &1.into())
            );

            fs::remove_file(there.path("s").join(REPORT)).unwrap();
            let found = there.verify("--sample all --manifest m").exits(1).finds(&[(REPORT, "corrupt")]);
            let found = found.says("the original is gone, but the manifest knows");
            assert_eq!(found.at("/findings/0/comparable"), true);
        }
    }
}

#[test]
fn equal_sides_that_were_touched_since_the_manifest_are_verified_and_counted() {
    let there = World::new().originals(&flipped()).backup("tar", &flipped());
    make_manifest(&there, "m", &members(), str::to_owned);
    // The change times of the originals are later: it is when this test made them.
    let since = there.verify("--sample all --manifest m").exits(0).finds(&[(REPORT, "verified")]);
    let since = since.says("of 1 pick, backup and original are equal, but not to the hash that is known");
    assert_eq!(since.at("/findings/0/unlike"), true);
}

#[cfg(target_os = "linux")]
#[test]
fn both_sides_with_the_same_wrong_bytes_are_found_if_nobody_touched_the_original_since() {
    use std::os::unix::fs::MetadataExt;
    let there = World::new().originals(&flipped()).backup("tar", &flipped());
    make_manifest(&there, "old", &members(), str::to_owned);
    let lines = fs::read(there.path("old")).unwrap();
    let touched = fs::metadata(there.path("s").join(REPORT)).unwrap();
    // The clock of a file system goes in steps, so the first manifest may be as old as the original.
    loop {
        fs::write(there.path("m"), &lines).unwrap();
        let made = fs::metadata(there.path("m")).unwrap();
        if (made.ctime(), made.ctime_nsec()) > (touched.ctime(), touched.ctime_nsec()) {
            break;
        }
    }
    fs::remove_file(there.path("m")).unwrap();
    fs::write(there.path("m"), &lines).unwrap();
    let found = there.verify("--sample all --manifest m").exits(1).finds(&[(REPORT, "corrupt")]);
    found.says("both hold the same wrong bytes; look for the file in an older backup");
}

#[test]
fn a_manifest_that_may_be_younger_than_the_backup_decides_nothing_about_what_was_modified() {
    let there = World::new().originals(&members()).backup("folder", &flipped());
    make_manifest(&there, "m", &members(), str::to_owned);
    set_mtime(&there.path("m"), MTIME + 3_000);
    fs::write(there.path("s").join(REPORT), "another report").unwrap();
    let found = there.verify("--sample all --manifest m").exits(0).finds(&[(REPORT, "changed")]);
    found.says("nothing shows that the backup was made after the manifest");
    // It tells, all the same, whether the copy is what the manifest knows.
    let there = World::new().originals(&members()).backup("folder", &members());
    make_manifest(&there, "m", &members(), str::to_owned);
    set_mtime(&there.path("m"), MTIME + 3_000);
    fs::write(there.path("s").join(REPORT), "another report").unwrap();
    let found = there.verify("--sample all --manifest m").exits(0).finds(&[(REPORT, "changed")]);
    let reason = found.at("/findings/0/reason").as_str().unwrap();
    assert!(reason.ends_with("; the restored copy has the hash that is known from the manifest"), "{reason}");
    assert_eq!(found.at("/findings/0/comparable"), false);
}

#[test]
fn names_may_be_relative_to_any_folder_or_absolute() {
    let there = World::new().originals(&members()).backup("folder", &members());
    fs::write(there.path("s").join(REPORT), "another report").unwrap();
    let root = there.path("s").display().to_string();
    let absolute = format!("{root}/");
    for (what, start) in [
        ("relative to the source", "./"),
        ("relative to a folder above", "s/"),
        ("absolute", &absolute),
        ("of another machine", "/srv/data/"),
    ] {
        make_manifest(&there, "m", &members(), |name| format!("{start}{name}"));
        let found = there.verify("--sample all --manifest m --hash blake3").exits(0).finds(&[]);
        assert_eq!(found.at("/counts/comparable"), 13, "{what}");
    }
}

#[test]
fn without_originals_the_manifest_alone_decides() {
    for format in FORMATS {
        let there = world(format, &members());
        fs::remove_dir_all(there.path("s")).unwrap();
        let good = there.verify_with("--source none --sample all --manifest m");
        let good = good.exits(0).finds(&[("newest", "deleted")]);
        let good =
            good.says("All 12 files whose content is known from the manifest were compared: none is bad.");
        assert_eq!(
            (good.at("/counts/comparable"), good.at("/plan/sources")),
            (&12.into(), &serde_json::json!([]))
        );

        let bad = world(format, &flipped());
        fs::remove_dir_all(bad.path("s")).unwrap();
        let bad = bad.verify_with("--source none --sample all --manifest m").exits(1);
        bad.says("there is no original, but the manifest knows the hash of what the backup should hold");
    }
}

#[test]
fn a_manifest_in_the_backed_up_folder_shows_that_the_backup_is_younger() {
    let there = World::new().originals(&tree());
    there.run("manifest --source s --output s/home.b3").exits(0);
    let mut members = tree();
    let made = fs::metadata(there.path("s/home.b3")).unwrap().modified().unwrap();
    let made = made.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let content = fs::read(there.path("s/home.b3")).unwrap();
    members.push(Member { mtime: made, ..Member::new("home.b3", content) });
    let there = there.backup("folder", &members);
    fs::rename(there.path("s/home.b3"), there.path("m")).unwrap();
    fs::remove_dir_all(there.path("s")).unwrap();
    let found = there.verify_with("--source none --sample all --manifest m").exits(0);
    assert_eq!(found.at("/counts/comparable_verified"), 12);
}

#[test]
fn a_run_takes_the_hash_of_its_manifest() {
    let there = World::new().originals(&members()).backup("folder", &flipped());
    let lines = members().into_iter().map(|member| {
        use sha2::Digest;
        let hash = blake3::Hash::from_bytes(sha2::Sha256::digest(&member.content).into());
        format!("{hash}  {}\n", String::from_utf8(member.name.clone()).unwrap())
    });
    fs::write(there.path("m"), lines.collect::<String>()).unwrap();
    set_mtime(&there.path("m"), MADE);
    let found = there.verify("--sample all --manifest m").exits(1).finds(&[(REPORT, "corrupt")]);
    assert_eq!(found.at("/plan/hash"), "sha256");
    let refused = there.verify("--sample all --manifest m --hash blake3").exits(2);
    refused.ran.err_has("has sha256 hashes, not blake3").err_has("leave out --hash, or say --hash sha256");
}

#[test]
fn what_cannot_be_a_manifest_of_these_files_ends_the_run_before_anything_is_restored() {
    let there = World::new().originals(&members()).backup("folder", &members());
    let line = |name: &str| format!("{}  {name}\n", blake3::hash(b"x"));
    let other = blake3::hash(b"y");
    for (content, error) in [
        (String::new(), "it names no file"),
        (
            "d41d8cd98f00b204e9800998ecf8427e  empty\n".to_owned(),
            "line 1: the hash has 32 digits (MD5?), not 64",
        ),
        (format!("{}{}  a\n", line("a"), other), "line 2: the same path as in line 1, with another hash"),
        (format!("{}rubbish\n", line("a")), "line 2: it does not begin with a hash: \"rubbish\""),
        (line("no/such/file"), "no file of the backup is in the manifest: the backup holds"),
    ] {
        fs::write(there.path("m"), content).unwrap();
        let found = there.verify("--sample all --manifest m --hash blake3").exits(2);
        let message = found.at("/error/message").as_str().unwrap();
        assert!(message.contains(error), "{message}");
        assert!(found.at("/error/hint").is_string());
    }
    for missing in ["missing", "s"] {
        there
            .verify(&format!("--manifest {missing}"))
            .exits(2)
            .ran
            .err_has("check the path given by --manifest");
    }
    fs::write(there.path("m"), line("no/such/file")).unwrap();
    there.verify("--manifest m").exits(2).ran.err_has("tells whether its hashes are BLAKE3 or SHA-256");
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_a_manifest_does_not_hang() {
    let there = World::new().originals(&members()).backup("folder", &members());
    let made = std::process::Command::new("mkfifo").arg(there.path("m")).status().unwrap();
    assert!(made.success());
    there.verify("--manifest m").exits(2).ran.err_has("is not a file");
}

#[test]
fn no_originals_need_something_else_to_compare_with() {
    let there = World::new().originals(&members()).backup("folder", &members());
    let run = |flags: &str| there.run(&format!("--backup b --restore-to r --state none {flags}")).exits(2);
    run("--source none").err_has("there is nothing to compare the backup with").err_has("--manifest FILE");
    run("--source none --source s").err_has("but others are named");
    run("--source none --map a=s").err_has("but others are named");
    run("--source none --manifest m --completeness 5").err_has("leave out --completeness");
    let there =
        there.file("bkverify.toml", "backup = 'b'\nsource = 'none'\nrestore-to = 'r'\nstate = 'none'\n");
    there.run("").exits(2).err_has("there is nothing to compare the backup with");
}

#[test]
fn what_earlier_runs_recorded_tells_which_side_rotted() {
    let there = World::new().originals(&members()).backup("folder", &members());
    let run = |flags: &str| there.verify_with(&format!("--sample all --state state {flags}"));
    run("--source s").exits(0);
    rot(&there.path("s").join(REPORT));
    let found = run("--source s").exits(1).finds(&[(REPORT, "original-corrupt")]);
    let found = found.says("the restored copy has the hash that is known from an earlier run");
    assert_eq!(found.at("/findings/0/known_by"), "ledger");

    fs::write(there.path("s").join(REPORT), "another report").unwrap();
    fs::remove_file(there.path("s/one-byte")).unwrap();
    // A ledger knows good copies alone, so it brings no file into the statement.
    let found = run("--source s").exits(0);
    assert_eq!(found.at("/counts/comparable_verified"), 11);
    assert_eq!(found.at("/assurance/by_ledger"), 0);

    rot(&there.path("b").join(REPORT));
    let found = run("--source s").exits(1).finds(&[(REPORT, "corrupt"), ("one-byte", "deleted")]);
    found.says("has been modified since the backup, but an earlier run knows");

    fs::remove_dir_all(there.path("s")).unwrap();
    let found = run("--source none").exits(1).finds(&[(REPORT, "corrupt")]);
    assert_eq!(found.at("/counts/comparable_verified"), 12);
    found.says("whose content is known from earlier runs");
}

#[test]
fn both_sides_with_other_bytes_than_an_earlier_run_verified_are_told_and_the_ledger_keeps_its_hash() {
    let there = World::new().originals(&members()).backup("folder", &members());
    let run = || there.verify_with("--sample all --state state --source s");
    run().exits(0).finds(&[]);
    // The copy rots, and somebody restores the file from it. No modification time changes.
    for side in ["b", "s"] {
        rot(&there.path(side).join(REPORT));
    }
    for _ in 0..2 {
        let found = run().exits(0).finds(&[(REPORT, "verified")]);
        let found = found.says("of 1 pick, backup and original are equal, but not to the hash that is known");
        assert_eq!(found.at("/findings/0/unlike"), true);
        assert_ne!(found.at("/findings/0/known_hash"), found.at("/findings/0/restored_hash"));
    }
    let told = there.run(&format!("history --state state {}", there.path("s").join(REPORT).display()));
    told.exits(0).out_has("backup and original are equal, but both hold other bytes");
    // A new version is another matter.
    for side in ["b", "s"] {
        fs::write(there.path(side).join(REPORT), "another report").unwrap();
        set_mtime(&there.path(side).join(REPORT), MTIME + 60);
    }
    run().exits(0).finds(&[]);
}

#[cfg(target_os = "linux")]
#[test]
fn both_sides_that_rotted_without_being_touched_are_corrupt() {
    let there = World::new().originals(&flipped()).backup("folder", &flipped());
    let run = || there.verify_with("--sample all --state state --source s");
    run().exits(0).finds(&[]);
    // No test can write to a file without touching it. So the ledger is told that other bytes were
    // there a day from now, and the clock of the next run is another day later.
    let ledger = rusqlite::Connection::open(there.path("state/ledger.sqlite")).unwrap();
    let sql = "UPDATE versions SET hash = zeroblob(32), verified_at = verified_at + ? WHERE path = ?";
    assert_eq!(ledger.execute(sql, (86_400_000, REPORT.as_bytes())).unwrap(), 1);
    drop(ledger);
    let flags =
        "--backup b --restore-to r --cache use --json report.json --sample all --state state --source s";
    let plain = there.command(flags);
    let mut later = Command::new("faketime");
    later.args(["-f", "+2d"]).arg(plain.get_program()).args(plain.get_args()).current_dir(there.path(""));
    later.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Err(error) = Command::new("faketime").arg("--version").output() {
        panic!("cannot run faketime: {error}; .ci/test installs it (Debian: faketime)");
    }
    let found = Verified::new(RunResult::of(later, ""), &there.read("report.json"));
    let found = found.exits(1).finds(&[(REPORT, "corrupt")]);
    found.says("both hold the same wrong bytes; look for the file in an older backup");
    let ledger = rusqlite::Connection::open(there.path("state/ledger.sqlite")).unwrap();
    let sql = "SELECT hash = zeroblob(32) FROM versions WHERE path = ?";
    assert!(ledger.query_row(sql, [REPORT.as_bytes()], |row| row.get::<_, bool>(0)).unwrap());
}

#[test]
fn without_originals_a_ledger_does_not_leave_out_what_it_knows_to_be_bad() {
    let there = World::new().originals(&members()).backup("folder", &members());
    rot(&there.path("b").join(REPORT));
    there.verify_with("--sample all --state state --source s").exits(1).finds(&[(REPORT, "corrupt")]);
    fs::remove_dir_all(there.path("s")).unwrap();
    let ran = there.run("--backup b --restore-to r --sample all --state state --source none").exits(1);
    ran.err_has("1 file of this backup was bad when last compared with an original").err_has(REPORT);
}
