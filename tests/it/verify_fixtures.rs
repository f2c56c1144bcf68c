//! The committed backups that real programs made, and backups that the programs on this machine
//! make. Intact, they pass; damage in a copy is found.

use std::fs;
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::process::Command;

use bkverify::backup::unescape;

use crate::pack::set_mtime;
#[cfg(unix)]
use crate::pack::tree;
use crate::world::World;

/// The number of files in the committed original tree.
pub const FILES: u64 = 210;

fn fixtures() -> PathBuf {
    // Under wine, the program runs in a folder on another drive.
    std::path::absolute(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")).unwrap()
}

/// A world with the committed originals. Their times are restored, because git does not keep them.
pub fn originals() -> World {
    let world = World::new();
    let manifest = fs::read_to_string(fixtures().join("manifest.txt")).unwrap();
    for line in manifest.lines().filter(|line| line.starts_with("tree ")) {
        let [_, _, mtime, _, path] = line.splitn(5, ' ').collect::<Vec<_>>().try_into().unwrap();
        let path = String::from_utf8(unescape(path)).unwrap();
        let place = world.path("s").join(&path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::copy(fixtures().join("original").join(&path), &place).unwrap();
        set_mtime(&place, mtime.split('.').next().unwrap().parse().unwrap());
    }
    world
}

/// Every committed archive of the original tree.
fn archives() -> Vec<PathBuf> {
    let entries = fs::read_dir(fixtures().join("archives")).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> =
        entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("tree")).collect();
    found.sort();
    assert!(found.len() >= 9, "{found:?}");
    found
}

#[test]
fn every_committed_backup_of_the_tree_passes() {
    let world = originals();
    for archive in archives() {
        fs::copy(&archive, world.path("b")).unwrap();
        let verified = world.verify("--sample all --completeness 1000").exits(0).finds(&[]);
        assert_eq!(verified.number("/counts/verified"), FILES, "{}", archive.display());
        assert_eq!(verified.number("/completeness/looked_up"), FILES);
    }
}

#[test]
fn the_committed_folder_passes() {
    let world = originals();
    let folder = fixtures().join("folder");
    let flags = "--source s --restore-to r --sample all --backup";
    let mut command = world.command(flags);
    command.arg(folder);
    crate::world::RunResult::of(command, "").exits(0).out_has("PASS  210 of 210 identical.");
}

#[test]
fn damage_in_a_copy_of_any_committed_archive_is_found() {
    let world = originals();
    for archive in archives() {
        let intact = fs::read(&archive).unwrap();
        let middle = intact.len() / 2;
        let plant: [fn(&mut Vec<u8>, usize); 3] = [
            |bytes, middle| bytes[middle] ^= 4,
            |bytes, middle| bytes[middle..middle + 512].fill(0),
            |bytes, middle| bytes.truncate(middle),
        ];
        for (number, plant) in plant.iter().enumerate() {
            let mut bytes = intact.clone();
            plant(&mut bytes, middle);
            fs::write(world.path("b"), bytes).unwrap();
            let ran = world.run("--backup b --source s --restore-to r --cache use --sample all");
            assert!(matches!(ran.code, Some(1 | 4)), "{}, plant {number}: {ran}", archive.display());
        }
    }
}

/// Makes the backup `b` of `s` with a program. `false` if the program is not installed.
#[cfg(unix)]
fn makes_a_backup(world: &World, line: &str) -> bool {
    let (program, arguments) = line.split_once(' ').unwrap();
    let mut command = Command::new(program);
    command.args(arguments.split(' ')).current_dir(world.path("s")).env("TZ", "UTC");
    match command.output() {
        Ok(made) => {
            assert!(made.status.success(), "{line}: {}", String::from_utf8_lossy(&made.stderr));
            true
        }
        Err(error) => {
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
            false
        }
    }
}

#[cfg(unix)]
#[test]
fn backups_made_by_the_programs_on_this_machine_pass() {
    let mut made = 0;
    for line in [
        "tar -cf ../b .",
        "tar -czf ../b .",
        "tar -cjf ../b .",
        "tar -cJf ../b .",
        "tar -cf ../b docs empty one-byte small twins",
        "zip -qr ../b.zip .",
        "rsync -a ./ ../b",
        "cp -a . ../b",
        "cp -R . ../b",
    ] {
        let world = World::new().originals(&tree());
        if makes_a_backup(&world, line) {
            made += 1;
            if world.path("b.zip").exists() {
                fs::rename(world.path("b.zip"), world.path("b")).unwrap();
            }
            world.verify("--sample all --completeness 100").exits(0).says("PASS 12 of 12 identical.");
        }
    }
    assert!(made >= 3, "this machine lacks even cp and tar");
}

#[cfg(unix)]
#[test]
fn of_an_archive_with_repeated_names_the_last_entries_are_verified() {
    let world = World::new().originals(&tree());
    let letter = world.path("s/docs/letter.txt");
    if !makes_a_backup(&world, "tar -cf ../b .") {
        return;
    }
    fs::write(&letter, "Dear all,\n").unwrap();
    makes_a_backup(&world, "tar -rf ../b ./docs/letter.txt");
    world.verify("--sample all").exits(0).says("PASS 12 of 12 identical.");
}
