//! Helpers that only Unix has: pipes, signals, and the metadata of files including all times.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command};

use rustix::process::{Pid, Signal, kill_process};

/// Creates a named pipe.
pub fn pipe(place: &Path) {
    assert!(Command::new("mkfifo").arg(place).status().unwrap().success());
}

/// Sends a signal to a running child.
pub fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
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
