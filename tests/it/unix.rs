//! Helpers that only Unix has: pipes, signals, and the metadata of files including all times.

#[cfg(target_os = "linux")]
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command};

use rustix::process::{Pid, Signal, kill_process};

#[cfg(target_os = "linux")]
use crate::world::World;

/// Creates a named pipe.
pub fn pipe(place: &Path) {
    assert!(Command::new("mkfifo").arg(place).status().unwrap().success());
}

/// Sends a signal to a running child.
pub fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Asserts that a run over every file, and one over a sample of as many, find these files of the
/// repository lost and no others, and that they write nothing to it. Its password is in `password`.
#[cfg(target_os = "linux")]
#[track_caller]
pub fn all_losses_are_found(world: &World, lost: &BTreeSet<String>, what: &str) {
    let before = fingerprint(&world.path("b"));
    for sample in ["all", "1000"] {
        let verified = world.verify(&format!("--sample {sample} --completeness 0 --password file:password"));
        let findings = verified.findings();
        assert!(findings.values().all(|verdict| verdict == "restore-failed"), "{what}: {findings:?}");
        let found: BTreeSet<_> = findings.into_keys().collect();
        assert_eq!(found, *lost, "{what}: {}", verified.ran);
        verified.exits(i32::from(!lost.is_empty()));
    }
    assert_eq!(fingerprint(&world.path("b")), before, "{what}: the repository was written to");
}

/// A hash of everything below `folder`: names, types, modes, owners, sizes, times of modification
/// and change, and contents.
pub fn fingerprint(folder: &Path) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for entry in walkdir::WalkDir::new(folder).sort_by_file_name() {
        let entry = entry.unwrap();
        let found = entry.metadata().unwrap();
        let state = (found.ino(), found.mode(), found.uid(), found.gid(), found.size(), found.nlink());
        let times = (found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec());
        hasher.update(format!("{:?} {state:?} {times:?}\n", entry.path()).as_bytes());
        if found.is_file() {
            hasher.update(&fs::read(entry.path()).unwrap());
        }
    }
    hasher.finalize()
}
