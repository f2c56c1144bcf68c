//! Whole runs on repositories of the installed borg that are not what they were, or hold more than
//! they seem to: lost and older states, archives that are not complete, files that occur twice,
//! names of another kind.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::pack;
use crate::unix::fingerprint;
use crate::verify_borg::{Repository, newest_index, tells};

/// borg goes back to the last segment that is whole, and does not tell.
#[test]
fn a_repository_that_has_lost_its_last_segments_does_not_pass() {
    let repository = Repository::new("none", |originals| fs::write(originals.join("a"), "a").unwrap());
    let committed = repository.newest_segment();
    fs::write(repository.world.path("s/b"), "b").unwrap();
    repository.create("second");
    let newest = repository.newest_segment();
    let (b, whole) = (repository.world.path("b"), repository.world.path("whole"));
    let segment = |number: u64| b.join("data/0").join(number.to_string());
    let copy = |from: &Path, to: &Path| {
        let _ = fs::remove_dir_all(to);
        assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
    };
    copy(&b, &whole);
    let without_memory = |what: &str| {
        let flags = "--backup b --source s --restore-to r --state none --sample all --assume-unchanged";
        let mut command = repository.world.command(flags);
        command.env("HOME", repository.world.path("nobody"));
        let ran = crate::world::RunResult::of(command, "");
        assert_eq!(ran.code, Some(1), "{what}: {ran}");
        tells(&ran, "has lost what was written last");
    };
    let harms: [(&str, &dyn Fn()); 5] = [
        ("gone", &|| fs::remove_file(segment(newest)).unwrap()),
        ("cut off", &|| {
            fs::OpenOptions::new().write(true).open(segment(newest)).unwrap().set_len(8).unwrap();
        }),
        ("emptied", &|| fs::write(segment(newest), "").unwrap()),
        ("all gone", &|| {
            (committed + 1..=newest).filter(|&number| segment(number).exists()).for_each(|number| {
                fs::remove_file(segment(number)).unwrap();
            });
        }),
        ("gone with the index", &|| {
            fs::remove_file(segment(newest)).unwrap();
            fs::remove_file(newest_index(&b)).unwrap();
        }),
    ];
    for (what, harm) in harms {
        harm();
        without_memory(what);
        copy(&whole, &b);
    }
    repository.world.verify("--sample all").exits(0);
}

#[test]
fn a_repository_that_is_older_than_borg_remembers_does_not_pass_and_a_copy_of_it_is_told() {
    let repository = Repository::new("none", |originals| fs::write(originals.join("a"), "a").unwrap());
    let world = &repository.world;
    let copy = |from: &str, to: &str| {
        let paths = [world.path(from), world.path(to)];
        assert!(Command::new("cp").arg("-a").args(paths).status().unwrap().success());
    };
    copy("b", "older");
    fs::write(world.path("s/b"), "b").unwrap();
    repository.create("second");
    copy("b", "newest");
    let run = |backup: &str| {
        let flags = "--source s --restore-to r --state none --sample all --assume-unchanged";
        let mut command = world.command(&format!("--backup {backup} {flags}"));
        command.env("HOME", world.path("home"));
        crate::world::RunResult::of(command, "")
    };
    let before = fingerprint(&world.path("home"));
    run("b").exits(0);
    tells(&run("older").exits(0), "borg knows it at");
    fs::remove_dir_all(world.path("b")).unwrap();
    copy("older", "b");
    tells(&run("b").exits(3), "has seen it as it was at");
    fs::remove_dir_all(world.path("b")).unwrap();
    copy("newest", "b");
    run("b").exits(0);
    assert_eq!(fingerprint(&world.path("home")), before);
}

#[test]
fn of_several_files_with_the_same_path_the_last_one_counts_as_in_borg_extract() {
    let repository = Repository::new("none", |originals| {
        fs::create_dir(originals.join("sub")).unwrap();
        for name in ["a", "sub/b", "sub/c"] {
            fs::write(originals.join(name), format!("right {name}")).unwrap();
        }
    });
    let world = repository.world.folder("other/sub");
    for name in ["a", "sub/b", "sub/c"] {
        fs::write(world.path("other").join(name), format!("wrong {name}")).unwrap();
    }
    let repository = Repository { world };
    let world = &repository.world;
    let borg = |folder: &str, arguments: &[&str]| {
        let mut command = repository.command(arguments);
        assert!(command.current_dir(world.path(folder)).status().unwrap().success());
    };
    let b = world.path("b").display().to_string();
    for (archive, first, last) in [("wrong-last", "s", "other"), ("right-last", "other", "s")] {
        let tar = world.path(archive).display().to_string();
        for (mode, folder) in [("-cf", first), ("-rf", last)] {
            let mut command = Command::new("tar");
            command.current_dir(world.path(folder)).args([mode, &tar, "a", "sub/b", "sub/c"]);
            assert!(command.status().unwrap().success());
        }
        borg("s", &["import-tar", &format!("{b}::{archive}"), &tar]);
    }
    borg("s", &["create", &format!("{b}::overlap"), ".", "sub"]);
    let flags = "--sample all --assume-unchanged --snapshot";
    world.verify(&format!("{flags} wrong-last")).exits(1).finds(&[
        ("a", "corrupt"),
        ("sub/b", "corrupt"),
        ("sub/c", "corrupt"),
    ]);
    for (archive, note) in [("right-last", "3 files"), ("overlap", "2 files")] {
        let verified = world.verify(&format!("{flags} {archive}")).exits(0);
        let verified = verified.says(&format!("more than once in the archive: {note}"));
        assert_eq!(verified.number("/counts/verified"), 3, "{}", verified.ran);
    }
}

#[test]
fn a_file_that_borg_check_has_filled_with_zeros_is_bad_whatever_its_original_is() {
    let repository = Repository::new("none", |originals| {
        for name in ["changed", "deleted", "same"] {
            fs::write(originals.join(name), pack::noise(300_000, name.as_bytes()[0])).unwrap();
        }
    });
    let world = &repository.world;
    let segment = &repository.segments()[0];
    let mut content = fs::read(segment).unwrap();
    for share in [10, 2] {
        let at = content.len() / share;
        content[at] ^= 0x10;
    }
    let last = content.len() - 100_000;
    content[last] ^= 0x10;
    fs::write(segment, content).unwrap();
    let mut repair = repository.command(&["check", "--repair", "b"]);
    repair.env("BORG_CHECK_I_KNOW_WHAT_I_AM_DOING", "YES").output().unwrap();
    let verified = world.verify("--sample all").exits(1);
    let bad: BTreeSet<String> = verified.findings().into_keys().collect();
    assert_eq!(bad.len(), 3, "{}", verified.ran);
    fs::write(world.path("s/changed"), "changed").unwrap();
    fs::remove_file(world.path("s/deleted")).unwrap();
    let verified = world.verify("--sample all").exits(1).says("borg says: ");
    assert_eq!(verified.findings().into_keys().collect::<BTreeSet<_>>(), bad, "{}", verified.ran);
    assert!(verified.findings().into_values().all(|verdict| verdict == "corrupt"), "{}", verified.ran);
}

/// Makes an archive that says that it was made at this time.
fn create_at(repository: &Repository, name: &str, time: &str) {
    let target = format!("{}::{name}", repository.world.path("b").display());
    let mut command = repository.command(&["create", "--timestamp", time, &target, "."]);
    assert!(command.current_dir(repository.world.path("s")).status().unwrap().success());
}

#[test]
fn a_backup_that_was_interrupted_is_told_and_only_verified_if_it_is_named() {
    let repository = Repository::new("none", |originals| fs::write(originals.join("a"), "a").unwrap());
    let world = &repository.world;
    // What borg does with a checkpoint at the end, undone.
    create_at(&repository, "nightly", "2199-01-01T00:00:00");
    repository.borg(&["rename", "b::nightly", "nightly.checkpoint"]);
    let told = "the newest backup is not complete: nightly.checkpoint, taken at";
    world.verify("--sample all").exits(0).says("the archive first").says(told);
    world
        .verify("--sample all --snapshot nightly.checkpoint")
        .exits(0)
        .says("the archive nightly.checkpoint");
    create_at(&repository, "complete", "2199-01-02T00:00:00");
    let verified = world.verify("--sample all").exits(0).says("the archive complete");
    assert!(!verified.ran.out.contains("checkpoint"), "{}", verified.ran);
    for name in ["first", "complete"] {
        repository.borg(&["delete", &format!("b::{name}")]);
    }
    let ran = world.run("--backup b --source s --restore-to r --state none").exits(4);
    let err = ran.err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(err.contains("a backup that was interrupted: nightly.checkpoint"), "{ran}");
}

#[test]
fn the_newest_archive_is_not_one_that_is_called_latest_and_one_from_the_future_is_told() {
    let repository = Repository::new("none", |originals| fs::write(originals.join("a"), "a").unwrap());
    let world = &repository.world;
    create_at(&repository, "latest", "2025-01-01T00:00:00");
    let run = |backup: &str, flags: &str| {
        let always = "--source s --restore-to r --state none --sample all --assume-unchanged";
        world.run(&format!("--backup {backup} {always} {flags}")).exits(0)
    };
    tells(&run("b", ""), "the archive first");
    tells(&run("b", "--snapshot latest"), "the archive first");
    tells(&run("borg:b::latest", ""), "the archive latest");
    create_at(&repository, "wrong-clock", "2199-01-01T00:00:00");
    tells(&run("b", ""), "wrong-clock was taken at 2199-01-01T00:00:00Z, which is still to come");
}

#[test]
fn a_repository_that_file_names_is_not_written_either() {
    let repository = Repository::new("none", |originals| {
        fs::write(originals.join("a"), "a").unwrap();
        fs::write(originals.join("really?"), "a question").unwrap();
    });
    let world = &repository.world;
    let b = world.path("b");
    fs::remove_file(newest_index(&b)).unwrap();
    let before = fingerprint(&b);
    let run = |backup: &str, restore_to: &str| {
        let flags = "--source s --state none --sample all";
        let mut command = world.command(&format!("--backup {backup} --restore-to {restore_to} {flags}"));
        command.env("BORG_REPO", format!("file://{}", b.display()));
        crate::world::RunResult::of(command, "")
    };
    for backup in [format!("borg:file://{}", b.display()), "borg:".to_owned(), "borg:::first".to_owned()] {
        let ran = run(&backup, "r").exits(0).out_has("2 of 2 identical");
        tells(&ran, "and borg made a new one for this run: run borg check on the repository");
        run(&backup, "b/data").exits(2);
        assert_eq!(fingerprint(&b), before, "{backup}");
    }
}

/// Whether borg finds it in the list of files, in that of the archives, or in its last commit.
#[test]
fn damage_of_what_is_needed_to_list_an_archive_is_a_failure() {
    let repository = Repository::new("none", |originals| fs::write(originals.join("a"), "a").unwrap());
    let said = [
        "the archives of the repository cannot be listed",
        "the list of files ends early",
        "has lost what was",
    ];
    let mut seen = BTreeSet::new();
    for segment in repository.segments() {
        let sound = fs::read(&segment).unwrap();
        for at in (8..sound.len()).step_by(90) {
            let mut damaged = sound.clone();
            damaged[at] ^= 1;
            fs::write(&segment, damaged).unwrap();
            let ran = repository.world.run("--backup b --source s --restore-to r --state none --sample all");
            // borg needs neither the first commits nor what it has replaced.
            assert!(matches!(ran.code, Some(0 | 1)), "{segment:?} {at}: {ran}");
            seen.extend(said.into_iter().filter(|words| ran.code == Some(1) && ran.out.contains(words)));
        }
        fs::write(&segment, sound).unwrap();
    }
    assert_eq!(seen.len(), said.len(), "{seen:?}");
}

#[test]
fn a_damaged_old_archive_does_not_keep_the_newest_from_being_verified() {
    let repository = Repository::new("none", |originals| fs::write(originals.join("a"), "a").unwrap());
    let listed: serde_json::Value =
        serde_json::from_slice(&repository.borg(&["list", "--json", "b"]).stdout).unwrap();
    let id = listed["archives"][0]["id"].as_str().unwrap();
    let id: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&id[2 * at..2 * at + 2], 16).unwrap()).collect();
    repository.create("second");
    let mut damaged = 0;
    for segment in repository.segments() {
        let mut content = fs::read(&segment).unwrap();
        // An entry has a tag, its id, and its data. Tag 0 or 3 is that of data.
        let is_entry = |&at: &usize| matches!(content[at - 1], 0 | 3) && content[at..].starts_with(&id);
        if let Some(at) = (1..content.len()).find(is_entry) {
            content[at + 60] ^= 1;
            fs::write(&segment, content).unwrap();
            damaged += 1;
        }
    }
    assert_eq!(damaged, 1);
    let world = &repository.world;
    world.verify("--sample all").exits(0).says("the archive second").says("when they began counts instead");
    world.verify("--sample all --snapshot first").exits(1).says("the list of files ends early");
}
