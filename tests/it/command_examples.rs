//! Whole runs on backups of other programs, with the commands that the manual shows: on sound
//! backups, and on damaged ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::unix::fingerprint;
use crate::world::{RunResult, World};

/// The configuration that the manual shows for a program, for backups in this world.
fn shown(world: &World, name: &str) -> String {
    let page = bkverify::manual::find("command-examples").unwrap().text;
    let mut blocks = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let block = blocks.find(|block| block.starts_with(&format!("[commands.{name}]\n"))).unwrap();
    block.replace("/backup/", &format!("{}/", world.path("backup").display()))
}

/// Nothing can compress these bytes, so that they are in a backup as they are.
fn noise() -> Vec<u8> {
    let mut bytes = vec![0; 300_000];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

/// Originals in `s`, with all that these programs can restore.
fn world() -> World {
    World::new()
        .folder("backup")
        .file("s/plain", "plain")
        .file("s/folder/with \"quotes\", <angles> & 'more'", "quoted")
        .file("s/folder/[0-9]*?$HOME", "patterns")
        .file("s/deep/er/Grüße", "umlauts")
        .file("s/-dash ", "dash")
        .file("s/empty", "")
        .file("s/noise", noise())
}

#[track_caller]
fn run(program: &str, arguments: &[&str], world: &World) {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(world.path(""))
        .env("HOME", world.path("home"))
        .output();
    let output =
        output.unwrap_or_else(|error| panic!("{program}: {error}; .ci/test installs what is needed"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

fn arguments(name: &str, flags: &str) -> String {
    // The volume was written elsewhere.
    let originals = if name == "bacula" { "--map tmp/bkverify-bacula/s=s" } else { "--source s" };
    format!("--backup command:{name} {originals} --restore-to r --state none --sample all {flags}")
}

/// Writes a file, and gives it back its time.
fn write_unnoticed(path: &Path, content: &[u8]) {
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    fs::write(path, content).unwrap();
    set_modified(path, modified);
}

fn set_modified(path: &Path, time: SystemTime) {
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

/// Verifies `count` files with the configuration of the manual, and again after an original has
/// been modified without a trace, and after the backup has been damaged.
#[track_caller]
fn verifies(world: World, name: &str, flags: &str, count: usize) -> World {
    let configuration = shown(&world, name);
    let world = world.file("bkverify.toml", configuration);
    let before = fingerprint(&world.path("backup"));
    let arguments = arguments(name, flags);
    world.run(&arguments).exits(0).out_has(&format!("{count} of {count} identical"));
    world.run(&arguments.replace("all", "4")).exits(0).out_has("4 of 4 identical");
    // rdiff-backup itself writes to a repository that it restores from.
    if name != "rdiff-backup" {
        assert_eq!(fingerprint(&world.path("backup")), before);
    }
    let original = world.path("s/noise");
    let content = fs::read(&original).unwrap();
    let mut modified = content.clone();
    modified[100] ^= 1;
    write_unnoticed(&original, &modified);
    world.run(&arguments).exits(1).out_has("noise");
    write_unnoticed(&original, &content);
    assert_eq!(world.names("r"), [""; 0]);
    damage_is_found(&world, &arguments, &content);
    world
}

/// Damages the backup where the content of a file is, and then cuts it there.
#[track_caller]
fn damage_is_found(world: &World, arguments: &str, content: &[u8]) {
    let (damaged, sound, at) = find(&world.path("backup"), &content[content.len() / 2..][..64]);
    let mut flipped = sound.clone();
    flipped[at] ^= 0x20;
    overwrite(&damaged, &flipped);
    is_found(world, arguments);
    overwrite(&damaged, &sound[..at]);
    is_found(world, arguments);
    overwrite(&damaged, &sound);
    world.run(arguments).exits(0);
}

/// Runs on a damaged backup. If everything that is left depends on the damaged place, the program
/// restores nothing at all, which it does not tell from a wrong command.
#[track_caller]
fn is_found(world: &World, arguments: &str) -> RunResult {
    // Of duplicity, which otherwise reads its own copy.
    drop(fs::remove_dir_all(world.path("home/.cache")));
    let ran = world.run(arguments);
    assert!(matches!(ran.code, Some(1 | 4)), "{ran}");
    assert_eq!(world.names("r"), [""; 0]);
    ran
}

/// The file below a folder in which these bytes are, its content, and the place of the bytes.
#[track_caller]
fn find(folder: &Path, bytes: &[u8]) -> (PathBuf, Vec<u8>, usize) {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let content = fs::read(&path).unwrap();
            if let Some(at) = content.windows(bytes.len()).position(|window| window == bytes) {
                return (path, content, at);
            }
        }
    }
    panic!("no file of the backup holds the bytes")
}

/// bup writes its packs read-only.
fn overwrite(path: &Path, content: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, content).unwrap();
}

#[test]
fn bacula_is_verified_by_the_commands_of_the_manual() {
    let noise: String = (1..=4000).map(|number| format!("{number}\n")).collect();
    // Before the volume was written.
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_773_600);
    let mut world = World::new().folder("backup");
    for (name, content) in [
        ("plain", "plain"),
        ("folder/with \"quotes\", <angles> & 'more'", "quoted"),
        ("folder/0-9*?$HOME", "patterns"),
        ("deep/er/Grüße", "umlauts"),
        ("-dash", "dash"),
        ("empty", ""),
        ("noise", &noise),
    ] {
        let path = format!("s/{name}");
        world = world.file(&path, content);
        set_modified(&world.path(&path), modified);
    }
    let volume = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/bacula/Full-0001");
    fs::copy(volume, world.path("backup/Full-0001")).unwrap();
    let folder = world.path("backup");
    let configuration = format!(
        "Storage {{ Name = reader; Working Directory = {0}; Pid Directory = {0} }}\n\
         Device {{ Name = volumes; Media Type = File; Archive Device = {0}; Random Access = yes; Automatic Mount = yes }}\n",
        folder.display()
    );
    let world = world.file("backup/bacula-sd.conf", configuration);
    let world = verifies(world, "bacula", "--assume-unchanged", 7);
    world.run(&arguments("bacula", "")).exits(0).out_has("7 of 7 identical");
}

#[test]
fn bup_is_verified_by_the_commands_of_the_manual() {
    let world = world().file("s/folder/of.bup/two\nlines.bup", "lines").file("s/x.bupl", "bupl");
    run("mkfifo", &["s/pipe"], &world);
    for line in ["init", "index -f index s", "save -f index -n files --strip s"] {
        let words: Vec<_> = ["-d", "backup/bup"].into_iter().chain(line.split(' ')).collect();
        run("bup", &words, &world);
    }
    verifies(world, "bup", "--assume-unchanged --min-size 1", 8);
}

#[test]
fn dar_is_verified_by_the_commands_of_the_manual() {
    let world = world().file("s/folder/back\\slash", "x");
    fs::remove_file(world.path("s/deep/er/Grüße")).unwrap();
    run("dar", &["-Q", "-c", "backup/full", "-R", "s"], &world);
    verifies(world, "dar", "", 7);
}

#[test]
fn duplicity_is_verified_by_the_commands_of_the_manual() {
    let world = world().file("s/folder/back\\slash", "x").file("s/two\nlines", "lines").file("s/gone", "x");
    // duplicity takes it for a variable.
    fs::remove_file(world.path("s/folder/[0-9]*?$HOME")).unwrap();
    // duplicity does not see what is modified in the second of the backup before.
    set_modified(&world.path("s/plain"), SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_773_600));
    let place = format!("file://{}", world.path("backup/duplicity").display());
    run("duplicity", &["full", "--no-encryption", "s", &place], &world);
    fs::remove_file(world.path("s/gone")).unwrap();
    let world = world.file("s/plain", "modified").file("s/folder/[0-9]*?", "patterns");
    run("duplicity", &["incremental", "--no-encryption", "s", &place], &world);
    verifies(world, "duplicity", "", 9);
}

#[test]
fn rclone_is_verified_by_the_commands_of_the_manual() {
    let world = world();
    run("rclone", &["copy", "s", "backup/remote"], &world);
    verifies(world, "rclone", "", 7);
}

#[test]
fn rdiff_backup_is_verified_by_the_commands_of_the_manual() {
    let world = world();
    run("rdiff-backup", &["backup", "s", "backup/repository"], &world);
    verifies(world, "rdiff-backup", "", 7);
}

#[test]
fn squashfs_is_verified_by_the_commands_of_the_manual() {
    let world = world();
    run("mksquashfs", &["s", "backup/image.sqfs", "-quiet", "-no-progress"], &world);
    verifies(world, "squashfs", "--assume-unchanged", 7);
}

#[test]
fn zpaq_is_verified_by_the_commands_of_the_manual() {
    let world = world().file("s/folder/back\\slash", "x").file("s/two\nlines", "lines").file("s/gone", "x");
    let top = world.path("s");
    run("zpaq", &["add", "backup/archive.zpaq", top.to_str().unwrap()], &world);
    fs::remove_file(world.path("s/gone")).unwrap();
    let world = world.file("s/plain", "modified");
    run("zpaq", &["add", "backup/archive.zpaq", top.to_str().unwrap()], &world);
    verifies(world, "zpaq", "", 9);
}

/// The exit code of a line for the shell is that of its last program.
#[test]
fn a_list_that_a_damaged_image_shortens_does_not_pass() {
    let world = world();
    for number in 0..400 {
        fs::write(world.path(&format!("s/deep/a-rather-long-name-{number}")), "x").unwrap();
    }
    run("mksquashfs", &["s", "backup/image.sqfs", "-quiet", "-no-progress", "-nopad"], &world);
    let configuration = shown(&world, "squashfs");
    let world = world.file("bkverify.toml", configuration);
    let image = world.path("backup/image.sqfs");
    let sound = fs::read(&image).unwrap();
    let mut failed = 0;
    for place in 1..80 {
        let mut damaged = sound.clone();
        let at = sound.len() - place * 31;
        damaged[at] ^= 0x40;
        fs::write(&image, damaged).unwrap();
        let listed = Command::new("unsquashfs").arg("-lln").arg(&image).output().unwrap();
        if listed.status.success() {
            continue;
        }
        failed += 1;
        let ran = world.run(&arguments("squashfs", "--assume-unchanged"));
        assert_ne!(ran.code, Some(0), "byte {at}: {ran}");
    }
    assert!(failed > 0);
}
