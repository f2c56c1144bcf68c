//! Runs that are killed: nothing that belongs to others is touched, and the next run cleans up.

use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::pack::many_small_files;
use crate::unix::fingerprint;
use crate::world::World;

const KILLS: u32 = 50;
const FLAGS: &str = "--backup b --source s --restore-to r --cache use --sample all";

#[test]
fn a_run_killed_at_any_moment_has_changed_nothing_and_the_next_run_cleans_up() {
    let members = many_small_files(1500);
    let world = World::new()
        .originals(&members)
        .backup("folder", &members)
        .file("r/notes.txt", "mine")
        .file("r/000001", "mine too")
        .file("r/bkverify-scratch-of-mine/letter", "looks like a leftover, and is none");
    let guarded = || ["s", "b"].map(|folder| fingerprint(&world.path(folder)));
    let (before, foreign) = (guarded(), world.names("r"));

    // The fastest of several: on a busy machine one alone may take so long that most kills come
    // after the end of a run.
    let time = |_| {
        let clock = Instant::now();
        world.run(FLAGS).exits(0);
        clock.elapsed()
    };
    let whole = (0..5).map(time).min().unwrap();
    let mut left_behind = 0;
    for kill in 0..KILLS {
        // The kills are spread over the whole run. On a busy machine most of these come before it has
        // begun, so every second one waits until it has.
        let (time, has_begun) = (whole * kill / KILLS, || world.names("r") != foreign);
        match kill % 2 {
            0 => kill_after(&world, time, || true),
            _ => kill_after(&world, time / 4, has_begun),
        }
        left_behind += u32::from(world.names("r") != foreign);
    }
    assert!(left_behind > KILLS / 4, "only {left_behind} kills hit a run at work");
    assert_eq!(guarded(), before, "originals or backup were touched");

    world
        .run(FLAGS)
        .exits(0)
        .out_has("PASS  1,500 of 1,500 identical.")
        .out_has("not removed, because it holds files");
    assert_eq!(world.names("r"), foreign);
    assert_eq!(world.read("r/notes.txt") + &world.read("r/000001"), "minemine too");
    assert_eq!(world.names("r/bkverify-scratch-of-mine"), ["letter"]);
    assert_eq!(guarded(), before);
}

/// Kills a run this long after something has come true, or after it has ended.
fn kill_after(world: &World, time: Duration, has_begun: impl Fn() -> bool) {
    let mut command = world.command(FLAGS);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !has_begun() && child.try_wait().unwrap().is_none() {
        sleep(Duration::from_millis(1));
    }
    sleep(time);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn leftovers_of_a_killed_run_are_named_when_they_are_removed() {
    let members = many_small_files(1500);
    let world = World::new().originals(&members).backup("folder", &members).folder("r");
    let mut time = Duration::from_millis(20);
    while world.names("r").is_empty() {
        kill_after(&world, time, || true);
        time += Duration::from_millis(10);
        assert!(time < Duration::from_secs(5), "no kill left anything");
    }
    let left = world.names("r");
    let verified = world.verify("--sample 5").exits(0);
    let note = verified.at("/notes/0").as_str().unwrap();
    assert!(note.starts_with("removed what a killed run left: ") && note.ends_with(&left[0]), "{note}");
}

#[test]
fn two_runs_may_share_a_restore_folder() {
    let members = many_small_files(500);
    let world = World::new().originals(&members).backup("folder", &members);
    std::thread::scope(|scope| {
        for report in ["one.json", "two.json", "three.json"] {
            let world = &world;
            scope.spawn(move || {
                for _ in 0..2 {
                    // With a ledger, a second run of the same job would be refused.
                    world.run(&format!("{FLAGS} --state none --json {report}")).exits(0);
                }
            });
        }
    });
    assert_eq!(world.names("r"), [""; 0]);
}
