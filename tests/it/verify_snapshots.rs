//! Runs over several snapshots of one repository, on the installed restic and borg.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::contract::fixtures::{borg, password, restic};
use crate::pack::noise;
use crate::unix::fingerprint;
use crate::world::{Verified, World};

/// The program that made the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Program {
    Restic,
    Borg,
}

const BOTH: [Program; 2] = [Program::Restic, Program::Borg];

/// Originals in `s`, and a repository with three snapshots of them in `b`:
///
/// | file | first | second | third, and now |
/// |---|---|---|---|
/// | `same-0` to `same-3` | 1 | 1 | 1 |
/// | `edited` | 1 | 2 | 3 |
/// | `deleted` | 1 | 1 | |
/// | `late` | | 1 | 1 |
/// | `touched` | 1 | 1, with another time | 1 |
struct History {
    world: World,
    program: Program,
    /// How the paths of each snapshot begin.
    names: Vec<String>,
}

impl History {
    fn new(program: Program) -> Self {
        let world = World::new().folder("s").folder("home");
        password(&world.path("password"), "pass word\n");
        let mut history = Self { world, program, names: Vec::new() };
        match program {
            Program::Restic => history.call(&["init"]),
            Program::Borg => history.call(&["init", "--encryption", "repokey", "b"]),
        }
        for number in 0..4 {
            history.write(&format!("same-{number}"), 100_000, number, 1);
        }
        history.write("edited", 50_000, 10, 1);
        history.write("deleted", 60_000, 20, 1);
        history.write("touched", 40_000, 30, 1);
        history.back_up();
        history.write("edited", 51_000, 11, 2);
        history.write("late", 30_000, 40, 2);
        history.write("touched", 40_000, 30, 2);
        history.back_up();
        history.write("edited", 52_000, 12, 3);
        fs::remove_file(history.world.path("s/deleted")).unwrap();
        history.back_up();
        history
    }

    /// Writes an original, as of a day of the year 2026.
    fn write(&self, name: &str, size: usize, seed: u8, day: u32) {
        let path = self.world.path("s").join(name);
        fs::write(&path, noise(size, seed)).unwrap();
        let time = format!("2026-01-{day:02} 10:00");
        assert!(Command::new("touch").args(["-d", &time]).arg(&path).status().unwrap().success());
    }

    fn command(&self, arguments: &[&str]) -> Command {
        match self.program {
            Program::Restic => restic(&self.world.path("b"), &self.world.path("s"), arguments),
            Program::Borg => {
                let mut command = borg(&self.world.path("home"), &self.world.path(""), arguments);
                command.env("BORG_PASSPHRASE", "pass word");
                command
            }
        }
    }

    #[track_caller]
    fn call(&self, arguments: &[&str]) {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn back_up(&mut self) {
        let number = self.names.len() + 1;
        match self.program {
            Program::Restic => {
                self.call(&["backup", "."]);
                let output = self.command(&["snapshots", "--json", "--latest", "1"]).output().unwrap();
                let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
                self.names.push(found[0]["short_id"].as_str().unwrap().to_owned());
            }
            Program::Borg => {
                let name = format!("archive {number}");
                let target = format!("{}::{name}", self.world.path("b").display());
                let mut create = self.command(&["create", &target, "."]);
                assert!(create.current_dir(self.world.path("s")).status().unwrap().success());
                // borg records the time in seconds.
                std::thread::sleep(std::time::Duration::from_millis(1_100));
                self.names.push(name);
            }
        }
    }

    fn verify(&self, snapshot: &str, flags: &str) -> Verified {
        let before = fingerprint(&self.world.path("b"));
        let found = self.world.verify(&format!("--snapshot {snapshot} --password file:password {flags}"));
        assert_eq!(fingerprint(&self.world.path("b")), before, "the repository was written to");
        found
    }

    /// The path of a file that is listed with a snapshot, the first being 1.
    fn path(&self, snapshot: usize, name: &str) -> String {
        format!("{}/{name}", self.names[snapshot - 1])
    }

    /// Damages what was written to the repository for one snapshot alone: the largest new file.
    fn damage(&self, file: &Path) {
        let mut content = fs::read(file).unwrap();
        let middle = content.len() / 2;
        for byte in &mut content[middle - 500..middle + 500] {
            *byte ^= 0x55;
        }
        fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        fs::write(file, content).unwrap();
    }

    /// The files that hold data of the repository.
    fn data(&self) -> BTreeSet<std::path::PathBuf> {
        let all = walkdir::WalkDir::new(self.world.path("b/data")).into_iter().map(|entry| entry.unwrap());
        all.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path).collect()
    }
}

#[test]
fn every_version_in_all_snapshots_is_verified_once() {
    for program in BOTH {
        let history = History::new(program);
        for sample in ["all", "1000"] {
            let found = history.verify("all", &format!("--sample {sample}")).exits(0);
            // same-0 to same-3, late and touched, and edited in three versions, and what was deleted.
            // restic knows that the content of touched has not changed; borg does not tell.
            let files = 10 + u64::from(program == Program::Borg);
            assert_eq!(found.number("/population/files"), files, "{program:?}: {}", found.ran);
            assert_eq!(found.number("/counts/comparable_verified"), files, "{program:?}");
            // The newest snapshot is compared with the originals.
            let confirmed = files - 7;
            assert_eq!(found.number("/snapshots/confirmed"), confirmed, "{program:?}: {}", found.ran);
            assert_eq!(found.number("/snapshots/count"), 3);
            let says = format!("7 identical to their originals, {confirmed} restored as the repository");
            let headline = found.at("/headline").as_str().unwrap();
            assert!(headline.contains(&says), "{headline}");
        }
        let two = history.verify("last:2", "--sample all").exits(0);
        assert_eq!(two.number("/population/files"), 9, "{program:?}: {}", two.ran);
        let one = history.verify("last:1", "--sample all").exits(0);
        assert_eq!((one.number("/population/files"), one.number("/snapshots/confirmed")), (7, 0));
    }
}

#[test]
fn damage_to_what_only_an_old_snapshot_holds_is_found_and_named() {
    for program in BOTH {
        let mut history = History::new(program);
        let before = history.data();
        history.write("only-then", 900_000, 50, 4);
        history.back_up();
        let new: Vec<_> = history.data().difference(&before).cloned().collect();
        let largest = new.iter().max_by_key(|path| path.metadata().unwrap().len()).unwrap().clone();
        fs::remove_file(history.world.path("s/only-then")).unwrap();
        history.back_up();
        history.verify("all", "--sample all").exits(0);
        history.damage(&largest);
        let newest = history.verify("latest", "--sample all");
        assert_eq!(newest.findings().len(), 0, "{program:?}: {}", newest.ran);
        let lost = history.path(4, "only-then");
        for sample in ["all", "1000"] {
            let found = history.verify("all", &format!("--sample {sample}"));
            found.exits(1).finds(&[(&lost, "restore-failed")]);
        }
        history.verify("last:2", "--sample all").exits(1);
        history.verify("last:1", "--sample all").exits(0);
    }
}

#[test]
fn the_newest_of_several_snapshots_is_compared_with_the_originals_as_always() {
    for program in BOTH {
        let history = History::new(program);
        // The same time and other bytes: one side has rotted.
        history.write("same-1", 100_000, 99, 1);
        // Modified since: that says nothing, but the version of the snapshot can be restored.
        fs::write(history.world.path("s/same-2"), "modified since").unwrap();
        let found = history.verify("all", "--sample all");
        let verdict = match program {
            Program::Restic => "original-corrupt",
            Program::Borg => "corrupt",
        };
        found.exits(1).finds(&[(&history.path(3, "same-1"), verdict)]);
    }
}

#[test]
fn filters_and_maps_know_paths_without_the_name_of_the_snapshot() {
    for program in BOTH {
        let history = History::new(program);
        let found = history.verify("all", "--sample all --include /edited --include /deleted");
        let found = found.exits(0);
        assert_eq!(found.number("/population/files"), 4, "{program:?}: {}", found.ran);
        assert_eq!(found.number("/snapshots/confirmed"), 3, "{program:?}");
    }
}

#[test]
fn a_manifest_is_refused_with_several_snapshots_and_so_are_numbers_that_are_none() {
    let history = History::new(Program::Restic);
    history.world.run("manifest --source s --output m").exits(0);
    for (snapshot, flags, code, words) in [
        ("all", "--manifest m", 2, "a manifest knows one version of each file"),
        ("last:0", "", 4, "write how many, such as last:7"),
    ] {
        let found = history.verify(snapshot, flags).exits(code);
        let message = found.at("/error/message").as_str().unwrap();
        assert!(message.contains(words), "{message}");
    }
}
