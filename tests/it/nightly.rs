//! The story that `src/manual/nightly.md` tells: a job with the strategy `coverage`, nights that
//! pass, a copy that rots, somebody who is told once, and a large volume in several sessions.

use std::fs::{self, File};
use std::path::Path;

#[cfg(target_os = "linux")]
use crate::notify_mail::{MailServer, with_password};
use crate::pack::Member;
use crate::world::World;

/// What the page adds to the file of `bkverify init`.
const ADDED: &str = "strategy = 'coverage'\ncache = 'use'\n[jobs.nightly.notify]\nwhen = 'on-change'\n";

/// Who is told: a command.
const COMMAND: &str =
    "[[jobs.nightly.notify.command]]\nrun = ['sh', '-c', 'echo \"$BKVERIFY_HEADLINE\" >>told.txt']\n";

/// 150 files, their backup, and the configuration, with those who are told.
fn world(told: &str) -> World {
    let members: Vec<_> = (0..150)
        .map(|number| Member::new(format!("d{}/{number}", number % 2), format!("document {number}")))
        .collect();
    let world = World::new().originals(&members).backup("folder", &members).folder("r");
    world.run("init --job nightly --backup b --source s --restore-to r --sample 60").exits(0);
    let config = world.read("bkverify.toml") + ADDED + told;
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
    let world = world(COMMAND);
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
    world.run("status").exits(1).out_has(&format!("bad until it is verified again: {name} (corrupt"));
    // Repaired, and judged again at once.
    rot(&copy);
    world.run("--job nightly --recheck").exits(0).out_has("PASS  1 of 1 identical");
    assert_eq!(told(&world).len(), 3, "{:?}", told(&world));
    assert_eq!(told(&world)[2], "1 of 1 identical.");
    world.run("status").exits(0).out_has("OK - nightly");
    // Its turn comes again, as before.
    for _ in 0..5 {
        world.run("--quiet").exits(0);
    }
    assert_eq!(told(&world).len(), 3, "{:?}", told(&world));
    world.run("coverage").exits(0).out_has("150   100.00%");
}

#[test]
fn a_large_volume_is_verified_in_sessions_and_every_night_but_the_last_ends_with_3() {
    let world = world(COMMAND);
    let session = "--strategy random --sample all --resume --threads 1 --quiet";
    for _ in 0..2 {
        world.run(&format!("{session} --budget 600")).exits(3);
    }
    world.run(&session.replace("--quiet", "")).exits(0).out_has("This was session 3 of the run");
    world.run("history").exits(0).out_has("session");
}

#[cfg(target_os = "linux")]
#[test]
fn the_mail_of_the_story_comes_once_when_a_copy_rots_and_once_when_it_is_repaired() {
    let server = MailServer::start("tls");
    let mail = format!(
        "[[jobs.nightly.notify.email]]\nto = ['ops@example.org']\nfrom = 'bkverify <bkverify@web1.example.org>'\n\
         server = 'localhost'\nport = {}\n{}\n",
        server.port,
        server.login("tls")
    );
    let world = with_password(world(&mail));
    world.run("notify test").exits(0);
    assert!(server.take().unwrap().0.contains("TEST nightly on "));
    world.run("--quiet").exits(0).err_is("");
    assert!(server.take().unwrap().0.contains("PASS nightly on "), "the first run is news");
    world.run("--quiet").exits(0).err_is("");
    assert_eq!(server.take(), None, "the next one is not");
    let name = next_in_turn(&world);
    let copy = world.path(&format!("b/{name}"));
    rot(&copy);
    (0..5).find(|_| world.run("--quiet").code == Some(1)).expect("it had no turn");
    let (subject, text) = server.take().unwrap();
    assert!(subject.contains("FAIL nightly on "), "{subject}");
    assert!(text.contains(&format!("  corrupt: {name}\n")) && text.contains("What to do next:"), "{text}");
    for _ in 0..2 {
        world.run("--quiet");
        assert_eq!(server.take(), None, "it is told once");
    }
    rot(&copy);
    world.run("--job nightly --recheck --quiet").exits(0).err_is("");
    assert!(server.take().unwrap().0.contains("PASS nightly on "));
    world.run("--quiet").exits(0).err_is("");
    assert_eq!(server.take(), None);
}
