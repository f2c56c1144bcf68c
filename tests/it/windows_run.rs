//! The main job as a Windows program: with flags and with a configuration, on several drives, and
//! with what only Windows does to files.

use std::fs::{self, OpenOptions};
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::world::{RunResult, World};

/// A restore folder on a drive of its own, as servers have. If there is no such drive, it is in the
/// temporary folder. It is removed when this is dropped.
struct RestoreTo(PathBuf);

impl RestoreTo {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("bkverify-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let drive = Path::new("D:\\");
        Self(if drive.is_dir() { drive.join(name) } else { std::env::temp_dir().join(name) })
    }
}

impl Drop for RestoreTo {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A committed backup or its originals, as an absolute path with a drive, because the program runs
/// in another folder.
fn fixture(path: &str) -> PathBuf {
    std::path::absolute(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)).unwrap()
}

/// Runs with `arguments`, followed by these three paths. A checkout makes the originals newer than
/// the backups, so most callers pass `--assume-unchanged`.
#[track_caller]
fn verify(world: &World, arguments: &str, backup: &Path, source: &Path, restore_to: &RestoreTo) -> RunResult {
    let mut command = world.command(arguments);
    command.arg("--backup").arg(backup).arg("--source").arg(source).arg("--restore-to").arg(&restore_to.0);
    RunResult::of(command, "")
}

/// A tar archive of these files, as made on Linux.
fn tar(world: &World, files: &[(&str, &str)]) -> PathBuf {
    let place = world.path("backup.tar");
    let mut archive = tar::Builder::new(fs::File::create(&place).unwrap());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mtime(1_700_000_000);
        header.set_mode(0o644);
        // Not through a path of this system, which could not represent every name.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        archive.append(&header, content.as_bytes()).unwrap();
    }
    archive.finish().unwrap();
    place
}

#[test]
fn a_folder_and_a_zip_pass_with_flags_and_a_restore_folder_on_another_drive() {
    for backup in ["folder", "archives/tree.zip", "archives/tree.tar.zst"] {
        let restore_to = RestoreTo::new();
        let world = World::new();
        verify(
            &world,
            "--sample 500 --assume-unchanged",
            &fixture(backup),
            &fixture("original"),
            &restore_to,
        )
        .exits(0)
        .out_has("PASS");
        assert_eq!(fs::read_dir(&restore_to.0).unwrap().count(), 0, "{backup} left something behind");
    }
}

#[test]
fn with_a_configuration_the_sample_and_the_restore_folder_are_enough() {
    for backup in ["folder", "archives/tree.zip"] {
        let restore_to = RestoreTo::new();
        // Single quotes, so that backslashes are not escapes in TOML.
        let config = format!(
            "[jobs.main]\nbackup = '{}'\nsource = '{}'\n",
            fixture(backup).display(),
            fixture("original").display()
        );
        let world = World::new().file("bkverify.toml", config);
        let arguments = format!("--sample 500 --assume-unchanged --restore-to {}", restore_to.0.display());
        world.run(&arguments).exits(0).out_has("PASS");
    }
}

#[test]
fn a_batch_file_sees_the_exit_code_in_errorlevel() {
    let world = World::new().file("backup/x", "restored").file("source/x", "original");
    let batch = format!(
        "@echo off\r\n\"{exe}\" --no-such-flag\r\necho usage=%ERRORLEVEL%\r\n\
         \"{exe}\" --backup missing --source source --restore-to r\r\necho unusable=%ERRORLEVEL%\r\n",
        exe = env!("CARGO_BIN_EXE_bkverify")
    );
    let world = world.file("run.bat", batch);
    let mut command = std::process::Command::new("cmd");
    command.current_dir(world.path("")).args(["/c", "run.bat"]).env("BKVERIFY_STATE_DIR", "none");
    RunResult::of(command, "").out_has("usage=2").out_has("unusable=4");
}

#[test]
fn a_file_locked_by_another_program_is_unreadable_with_a_hint() {
    let world =
        World::new().file("b/x", "same").file("b/held", "same").file("s/x", "same").file("s/held", "same");
    let held = OpenOptions::new().read(true).share_mode(0).open(world.path("s/held")).unwrap();
    world
        .run("--sample all --assume-unchanged --backup b --source s --restore-to r")
        .exits(3)
        .out_has("held")
        .out_has("in use by another program")
        .out_has("snapshot");
    drop(held);
    world.run("--sample all --assume-unchanged --backup b --source s --restore-to r").exits(0);
}

#[test]
fn read_only_files_in_the_backup_leave_nothing_behind() {
    let world = World::new().file("b/x", "same").file("s/x", "same");
    for place in ["b/x", "s/x"] {
        let mut permissions = fs::metadata(world.path(place)).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(world.path(place), permissions).unwrap();
    }
    world.run("--sample all --assume-unchanged --backup b --source s --restore-to r").exits(0);
    assert_eq!(fs::read_dir(world.path("r")).unwrap().count(), 0);
}

#[test]
fn case_does_not_matter_between_an_archive_and_its_originals() {
    let world = World::new().file("s/docs/sub/readme.txt", "same");
    let backup = tar(&world, &[("DOCS/SUB/ReadMe.TXT", "same")]);
    let restore_to = RestoreTo::new();
    verify(
        &world,
        "--sample all --assume-unchanged --completeness 9",
        &backup,
        &world.path("s"),
        &restore_to,
    )
    .exits(0);
    let map = r"--sample all --assume-unchanged --backup backup.tar --map docs\sub=s\docs\sub --restore-to r";
    world.run(map).exits(0).out_has("1 of 1");
    world.run(&map.replace('\\', "/")).exits(0).out_has("1 of 1");
}

#[test]
fn names_that_windows_cannot_store_are_verified_and_kept_under_other_names() {
    let world = World::new().folder("s");
    let source = fs::canonicalize(world.path("s")).unwrap();
    let files = [("aux.txt", "one"), ("dot.", "two"), ("plain", "three")];
    for (name, content) in files {
        fs::write(source.join(name), content).unwrap();
    }
    let backup = tar(&world, &files);
    let restore_to = RestoreTo::new();
    verify(&world, "--sample all --assume-unchanged --keep all", &backup, &source, &restore_to)
        .exits(0)
        .out_has("3 of 3");
    let kept = fs::read_dir(&restore_to.0).unwrap().next().unwrap().unwrap().path();
    let mut names: Vec<_> = fs::read_dir(&kept).unwrap().map(|file| file.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["%61ux.txt", "dot%2E", "plain"]);
    assert_eq!(fs::read_to_string(kept.join("dot%2E")).unwrap(), "two");
}

#[test]
fn an_alternate_stream_is_never_taken_for_a_file() {
    let world = World::new().file("s/report.doc", "content").file("s/x", "same");
    let backup = tar(&world, &[("report.doc:stream", "hidden"), ("x", "same")]);
    let restore_to = RestoreTo::new();
    verify(&world, "--sample all", &backup, &world.path("s"), &restore_to).exits(3).out_has("1 deleted");
    assert_eq!(fs::read_dir(world.path("s")).unwrap().count(), 2);
}

#[test]
fn paths_of_more_than_260_characters_are_verified() {
    let world = World::new();
    let deep = ["a".repeat(80), "b".repeat(80), "c".repeat(80), "d".repeat(80)].join("\\");
    for side in ["b", "s"] {
        let place = fs::canonicalize(world.path("")).unwrap().join(side).join(&deep);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, "deep").unwrap();
    }
    world
        .run("--sample all --assume-unchanged --backup b --source s --restore-to r")
        .exits(0)
        .out_has("1 of 1");
}
