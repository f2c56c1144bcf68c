//! A full disk below the restore folder: the run says what to do and leaves nothing behind.
//!
//! Only Linux lets a test make a small disk without root, in a namespace of its own. Where even
//! that is forbidden (in some containers), these tests print a message and do nothing.

use std::process::Command;

use crate::pack::{self, Member};
use crate::world::{RunResult, World};

/// Runs the program with `r` on a disk of `size` and lists what is left there. `None` if no small
/// disk can be made.
fn on_a_small_disk(world: &World, size: &str) -> Option<RunResult> {
    let script = "mount -t tmpfs -o size=$SIZE none r || exit 99; \"$PROGRAM\" --backup b --source s \
        --restore-to r --cache use --sample all; code=$?; ls -A r; exit $code";
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", script]);
    command
        .current_dir(world.path(""))
        .env("SIZE", size)
        .env("PROGRAM", env!("CARGO_BIN_EXE_bkverify"))
        .env("BKVERIFY_STATE_DIR", "none");
    command.env("HOME", world.path("home")).env("XDG_CONFIG_HOME", world.path("home"));
    let is_possible = Command::new("unshare").args(["--map-root-user", "--mount", "true"]).status();
    if !is_possible.is_ok_and(|status| status.success()) {
        eprintln!("not run: this machine makes no name spaces");
        return None;
    }
    let ran = RunResult::of(command, "");
    (ran.code != Some(99)).then_some(ran)
}

#[test]
fn a_full_disk_is_refused_before_anything_is_restored() {
    let world = World::new().originals(&pack::tree()).backup("tar", &pack::tree()).folder("r");
    if let Some(ran) = on_a_small_disk(&world, "1m") {
        ran.exits(4).out_is("").err_has("has 1048576 bytes free").err_has("hint: free some space, or name");
    }
}

#[test]
fn a_file_too_large_for_the_disk_is_a_finding_and_the_run_goes_on() {
    for format in ["folder", "tar", "tar.zst"] {
        let members = [Member::new("large", vec![7; 90 << 20]), Member::new("small", "small")];
        let world = World::new().originals(&members).backup(format, &members).folder("r");
        if let Some(ran) = on_a_small_disk(&world, "80m") {
            assert_ne!(ran.code, Some(0), "{ran}");
            ran.out_has("but the restore folder has only").out_has("1 of 2 identical");
        }
    }
}

#[test]
fn files_too_large_to_fit_together_are_restored_one_after_the_other() {
    let members: Vec<_> =
        (0..6).map(|number| Member::new(format!("large-{number}"), vec![number; 45 << 20])).collect();
    for format in ["folder", "tar", "tar.zst"] {
        let world = World::new().originals(&members).backup(format, &members).folder("r");
        if let Some(ran) = on_a_small_disk(&world, "118m") {
            ran.exits(0).out_has("All 6 files whose originals have not been modified since the backup were");
        }
    }
}
