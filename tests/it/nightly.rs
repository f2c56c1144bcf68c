//! The story that `src/manual/nightly.md` tells: a job with the strategy `coverage`, nights that
//! pass, a copy that rots, somebody who is told once, and a large volume in several sessions.

use std::fs::{self, File};
use std::path::Path;

use crate::pack::Member;
use crate::world::World;

/// What the page adds to the file of `bkverify init`.
const ADDED: &str = "strategy = 'coverage'\ncache = 'use'\n[jobs.nightly.notify]\nwhen = 'on-change'\n\
    [[jobs.nightly.notify.command]]\nrun = ['sh', '-c', 'echo \"$BKVERIFY_HEADLINE\" >>told.txt']\n";

/// 150 files, their backup, and the configuration.
fn world() -> World {
    let members: Vec<_> = (0..150)
        .map(|number| Member::new(format!("d{}/{number}", number % 2), format!("document {number}")))
        .collect();
    let world = World::new().originals(&members).backup("folder", &members).folder("r");
    world.run("init --job nightly --backup b --source s --restore-to r --sample 60").exits(0);
    let config = world.read("bkverify.toml") + ADDED;
    world.file("bkverify.toml", config)
}

/// Changes one byte of a file and keeps its time.
fn rot(place: &Path) {
    let time = fs::metadata(place).unwrap().modified().unwrap();
    let mut content = fs::read(place).unwrap();
    content[3] ^= 1;
    fs::write(place, content).unwrap();
    File::options().write(true).open(place).unwrap().set_modified(time).unwrap();
}

/// A file that is among the next: the one that was verified the longest ago.
fn next_in_turn(world: &World) -> String {
    let found = world.run("coverage --json -").exits(0).out;
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    let path = found["backups"][0]["oldest"]["path"].as_str();
    path.unwrap_or_else(|| panic!("no file was verified the longest ago: {found:#}")).to_owned()
}

fn told(world: &World) -> Vec<String> {
    world.read("told.txt").lines().map(str::to_owned).collect()
}

#[test]
fn a_copy_that_rots_is_found_told_once_and_told_again_when_it_is_repaired_and_judged() {
    let world = world();
    world
        .run("schedule install --job nightly --at 02:30 --dry-run --with cron")
        .exits(0)
        .out_has("30 2 * * *");
    for _ in 0..3 {
        world.run("--quiet").exits(0).out_is("");
    }
    assert_eq!(told(&world), ["60 of 60 identical."], "the first run is news, the next ones are not");
    let name = next_in_turn(&world);
    let copy = world.path(&format!("b/{name}"));
    rot(&copy);
    let night = || world.run("");
    // Its turn comes within five runs.
    let found = (0..5).map(|_| night()).find(|night| !night.out.starts_with("PASS"));
    found
        .expect("it had no turn")
        .exits(1)
        .out_has("1 bad in the backup")
        .out_has(&format!("corrupt: {name}"));
    assert_eq!(told(&world).len(), 2);
    assert!(told(&world)[1].contains("1 bad in the backup"), "{:?}", told(&world));
    world.run("status").exits(1).out_has("WARNING - nightly").out_has("FAILED");
    // Two more nights. Whether they draw it again or not, nothing is new.
    for _ in 0..2 {
        world.run("--quiet");
    }
    assert_eq!(told(&world).len(), 2, "{:?}", told(&world));
    let history = world.run(&format!("history s/{name}")).exits(0);
    history.out_has("corrupt").out_has("verified").out_has(", corrupt: differs from byte 3 on");
    // Repaired, and judged again when its turn comes: within five runs.
    rot(&copy);
    for _ in 0..5 {
        world.run("--quiet").exits(0);
    }
    assert_eq!(told(&world).len(), 3, "{:?}", told(&world));
    assert_eq!(told(&world)[2], "60 of 60 identical.");
    world.run("status").exits(0).out_has("OK - nightly");
    world.run("coverage").exits(0).out_has("150   100.00%");
}

#[test]
fn a_large_volume_is_verified_in_sessions_and_every_night_but_the_last_ends_with_3() {
    let world = world();
    let session = "--strategy random --sample all --resume --threads 1 --quiet";
    for _ in 0..2 {
        world.run(&format!("{session} --budget 600")).exits(3);
    }
    world.run(&session.replace("--quiet", "")).exits(0).out_has("This was session 3 of the run");
    world.run("history").exits(0).out_has("session");
}
