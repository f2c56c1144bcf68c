//! Bad input: what cannot be used is refused in plain words and with the right exit code, before
//! anything is written.

use std::fs;

use crate::pack::{self, FORMATS, Member, many_small_files, tree};
use crate::world::{RunResult, World};

const FLAGS: &str = "--backup b --source s --restore-to r --cache use --sample all";

#[track_caller]
fn refused(world: &World, code: i32) -> RunResult {
    world.run(FLAGS).exits(code).out_is("").err_has("bkverify: error: ").err_has("\n  hint: ")
}

#[test]
fn a_missing_backup_is_named() {
    let world = World::new().originals(&tree());
    let place = world.path("b").display().to_string();
    refused(&world, 4)
        .err_has(&format!("cannot open the backup {place}: "))
        .err_has("that its disk is mounted");
}

#[test]
fn an_empty_file_is_not_a_backup() {
    let world = World::new().originals(&tree()).file("b", "");
    refused(&world, 4)
        .err_has("the file is empty; check whether the program that should have written it failed");
}

#[test]
fn an_empty_backup_proves_nothing() {
    let world = World::new().originals(&tree()).folder("b");
    refused(&world, 4).err_has("holds no files").err_has("an empty backup restores nothing");
    for format in &FORMATS[1..] {
        let world = World::new().originals(&tree()).backup(format, &[]);
        refused(&world, 4).err_has("holds no files");
        world.run(&FLAGS.replace("--source s", "--map x=s")).exits(4).err_has("holds no files").out_is("");
    }
    let world = World::new().originals(&tree()).folder("b/only/empty/folders");
    refused(&world, 4).err_has("holds no files");
}

#[test]
fn a_file_of_an_unknown_format_is_not_a_backup() {
    let words = "no backup at all, but some words that go on for long enough\n".repeat(50);
    let world = World::new().originals(&tree()).file("b", words);
    refused(&world, 4)
        .err_has("is not in a backup format that bkverify knows (its first bytes: 6e 6f 20 62 61 63 6b 75")
        .err_has("it must be a Windows image backup, a borg repository, a restic repository");
    let world = World::new().originals(&tree()).file("b", b"7z\xbc\xaf\x27\x1c and more");
    refused(&world, 4).err_has("it is a 7-Zip archive, which is not supported");
}

#[cfg(unix)]
#[test]
fn a_pipe_or_a_device_is_not_a_backup_and_is_not_waited_for() {
    let world = World::new().originals(&tree());
    crate::unix::pipe(&world.path("b"));
    refused(&world, 4).err_has("it is neither a file nor a folder");
    world
        .run(&FLAGS.replace("--backup b", "--backup /dev/null"))
        .exits(4)
        .err_has("it is neither a file nor a folder");
}

#[cfg(unix)]
#[test]
fn a_backup_without_permission_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new().originals(&tree()).backup("tar", &tree());
    fs::set_permissions(world.path("b"), fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(world.path("b")).is_ok() {
        // Root can read everything.
        return;
    }
    refused(&world, 4).err_has("cannot open the backup").err_has("that you may read it");
}

#[test]
fn missing_sources_are_named() {
    let world = World::new().backup("folder", &tree());
    let place = world.path("s").display().to_string();
    refused(&world, 4).err_has(&format!("cannot open the originals' folder {place}: "));
    let world = World::new().backup("folder", &tree()).file("s", "a file");
    refused(&world, 4).err_has("cannot open the originals' folder");
}

#[test]
fn filters_that_no_file_passes_are_an_error() {
    for format in ["folder", "tar", "tar.gz", "zip"] {
        let world = World::new().originals(&tree()).backup(format, &tree());
        for sample in ["--sample all", "--sample 5", "--sample 5%", "--tolerance 1%"] {
            let flags = FLAGS.replace("--sample all", sample);
            world
                .run(&format!("{flags} --include *.nothing"))
                .exits(2)
                .out_is("")
                .err_has(
                    "none of the 12 files in the backup is left to verify: 12 are filtered out, 0 belong",
                )
                .err_has("hint: loosen --include, --exclude");
        }
    }
}

/// Runs with `restore_to`, and asserts that it is refused and that nothing is created anywhere.
#[track_caller]
fn overlaps(world: &World, restore_to: &str, relation: &str) {
    let before = all_names(world);
    let flags = FLAGS.replace("--restore-to r", &format!("--restore-to {restore_to}"));
    world
        .run(&flags)
        .exits(2)
        .out_is("")
        .err_has(&format!(" {relation} "))
        .err_has("hint: originals and backups are never written to");
    assert_eq!(all_names(world), before);
}

fn all_names(world: &World) -> Vec<std::path::PathBuf> {
    let entries = walkdir::WalkDir::new(world.path("")).sort_by_file_name();
    entries.into_iter().map(|entry| entry.unwrap().into_path()).collect()
}

#[test]
fn restoring_into_over_or_onto_a_source_or_a_backup_is_refused() {
    let world = World::new().originals(&tree()).backup("folder", &tree()).folder("s/deep").folder("b/deep");
    for (place, relation) in [
        ("s", "is"),
        ("b", "is"),
        ("s/deep", "is inside"),
        ("b/deep", "is inside"),
        ("s/not/there/yet", "is inside"),
        ("b/not/there/yet", "is inside"),
        (".", "is above"),
        ("s/../s/deep/..", "is"),
    ] {
        overlaps(&world, place, relation);
    }
    let world = World::new().originals(&tree()).file("above/b", pack::tar(&tree()));
    let flags = "--backup above/b --source s --restore-to above --sample all";
    world.run(flags).exits(2).err_has("is above").err_has("never written to");
    assert_eq!(world.names("above"), ["b"]);
}

#[cfg(unix)]
#[test]
fn a_link_does_not_hide_where_the_restore_folder_is() {
    let world = World::new().originals(&tree()).backup("folder", &tree()).folder("s/deep");
    for (target, link) in [("s", "to-source"), ("s/deep", "to-deep"), ("b", "to-backup"), (".", "to-all")] {
        std::os::unix::fs::symlink(world.path(target), world.path(link)).unwrap();
    }
    overlaps(&world, "to-source", "is");
    overlaps(&world, "to-source/new", "is inside");
    overlaps(&world, "to-deep", "is inside");
    overlaps(&world, "to-backup", "is");
    overlaps(&world, "to-all", "is above");
}

#[test]
fn a_restore_folder_that_cannot_be_made_is_named() {
    let world = World::new().originals(&tree()).backup("folder", &tree()).file("r", "a file");
    refused(&world, 4).err_has("cannot use the restore folder").err_has("--restore-to");
    assert_eq!(world.read("r"), "a file");
}

/// A path where nobody can write, not even root.
#[cfg(target_os = "linux")]
#[test]
fn a_restore_folder_that_cannot_be_written_is_named() {
    let world = World::new().originals(&tree()).backup("folder", &tree());
    let flags = FLAGS.replace("--restore-to r", "--restore-to /proc/self/fd");
    world.run(&flags).exits(4).err_has("the restore folder /proc/self/fd");
}

#[cfg(unix)]
#[test]
fn links_pipes_and_sockets_in_a_backup_and_beside_originals_are_never_opened() {
    let world = World::new().originals(&tree()).backup("folder", &tree());
    let _sockets: Vec<_> = ["s", "b"]
        .map(|side| {
            crate::unix::pipe(&world.path(side).join("pipe"));
            std::os::unix::fs::symlink("pipe", world.path(side).join("link")).unwrap();
            std::os::unix::net::UnixListener::bind(world.path(side).join("socket")).unwrap()
        })
        .into();
    let verified = world.verify("--sample all --completeness 100").exits(0).finds(&[]);
    assert_eq!(verified.at("/population/files"), 12);
    assert_eq!(verified.at("/completeness/originals"), 12);
    world.verify("--sample 100 --min-size 0").exits(0).finds(&[]);
}

#[test]
fn originals_that_grow_and_shrink_while_they_are_read_are_never_verified_wrongly() {
    let members: Vec<_> = many_small_files(40)
        .into_iter()
        .map(|one| Member { content: pack::noise(200_000, 1), ..one })
        .collect();
    let world = World::new().originals(&members).backup("tar", &members);
    let done = std::sync::atomic::AtomicBool::new(false);
    let places: Vec<_> =
        members.iter().map(|one| world.path("s").join(std::str::from_utf8(&one.name).unwrap())).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut size = 200_000;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                size = 400_000 - size - 1;
                for place in &places[..30] {
                    // On Windows a file that is being read cannot be truncated.
                    let _ =
                        fs::OpenOptions::new().write(true).open(place).and_then(|file| file.set_len(size));
                }
            }
        });
        let verified = world.verify("--sample all");
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(matches!(verified.ran.code, Some(0 | 3)), "{}", verified.ran);
        let is_innocent = |verdict: &String| ["changed", "unreadable"].contains(&verdict.as_str());
        assert!(verified.findings().values().all(is_innocent), "{}", verified.ran);
        assert!(verified.number("/counts/verified") >= 10);
    });
}
