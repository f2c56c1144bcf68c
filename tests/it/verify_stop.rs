//! Runs that end early, because of a signal, a time limit or a budget: they say so, keep what was
//! proven, and clean up.
//!
//! To hold a run for as long as a test needs, its standard error is a pipe that nobody reads: with
//! `-v`, the run prints more than a pipe can hold.

use std::io::Read;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::pack::{self, Member};
use crate::unix;
use crate::world::{RunResult, Verified, World};

/// With names this long, the output of `-v` is more than a pipe can hold.
const MANY: usize = 1200;

fn large_world(format: &str) -> World {
    let name = |number| format!("{}/{number}", "a-long-name-".repeat(8));
    let members: Vec<_> = (0..MANY).map(|number| Member::new(name(number), format!("{number}"))).collect();
    World::new().originals(&members).backup(format, &members).folder("r")
}

/// Starts a run that blocks after verifying some files, and waits until it has begun to restore.
fn start_blocked(world: &World, arguments: &str) -> Child {
    let fixed = "-v --backup b --source s --restore-to r --cache use --sample all --json report.json";
    let mut command = world.command(&format!("{fixed} {arguments}"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let clock = Instant::now();
    while !is_at_work(world) {
        assert!(clock.elapsed() < Duration::from_secs(20), "the run did not begin");
        sleep(Duration::from_millis(2));
    }
    child
}

/// Whether files were restored: the scratch folder contains more than its marker.
fn is_at_work(world: &World) -> bool {
    world.names("r").first().is_some_and(|name| {
        let scratch = std::fs::read_dir(world.path("r").join(name));
        scratch.is_ok_and(|entries| entries.count() > 1)
    })
}

/// Waits until the pipe is full, which means that nothing has been restored for a while.
fn wait_until_blocked(world: &World) {
    let scratch = format!("r/{}", world.names("r")[0]);
    let (mut last, mut same) = (world.names(&scratch), 0);
    while same < 10 {
        sleep(Duration::from_millis(25));
        let now = world.names(&scratch);
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
}

/// Reads the output of a run until it ends.
fn finish(child: Child) -> RunResult {
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    RunResult { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

#[track_caller]
fn assert_interrupted(world: &World, ran: RunResult) {
    let verified = Verified::new(ran, &world.read("report.json"))
        .exits(3)
        .finds(&[])
        .says("INCOMPLETE")
        .says("The run was interrupted:");
    assert_eq!(verified.at("/incomplete"), "interrupted");
    assert!(verified.number("/counts/verified") < MANY as u64);
    assert_eq!(world.names("r"), [""; 0], "restored files were left behind");
}

#[test]
fn ctrl_c_and_sigterm_end_a_run_cleanly() {
    for format in ["folder", "tar", "zip"] {
        let world = large_world(format);
        for signal in [Signal::INT, Signal::TERM] {
            let child = start_blocked(&world, "");
            unix::signal(&child, signal);
            // A thread handles the signal. On a busy machine that takes a moment.
            sleep(Duration::from_millis(500));
            assert_interrupted(&world, finish(child));
        }
    }
}

#[test]
fn a_second_ctrl_c_ends_a_run_at_once_even_if_its_output_is_not_read() {
    let world = large_world("folder");
    let mut child = start_blocked(&world, "--threads 1");
    wait_until_blocked(&world);
    unix::signal(&child, Signal::INT);
    sleep(Duration::from_millis(100));
    assert!(child.try_wait().unwrap().is_none(), "it was not held up");
    unix::signal(&child, Signal::INT);
    let clock = Instant::now();
    while child.try_wait().unwrap().is_none() && clock.elapsed() < Duration::from_secs(10) {
        sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    assert_eq!(finish(child).code, Some(130));
    assert_eq!(world.names("r").len(), 1, "what is left is for the next run");
    world.verify("--sample 5").exits(0);
}

#[test]
fn ctrl_c_ends_the_search_for_originals_in_a_huge_archive() {
    // Seven gigabytes of zeros in a few hundred kilobytes, and no other file.
    let frame = zstd::encode_all(&vec![0; 1 << 20][..], 1).unwrap();
    let header = pack::tar_header(b"endless", 7 << 30, pack::MTIME, b'0');
    let mut archive = zstd::encode_all(&header[..], 1).unwrap();
    archive.extend(frame.repeat(7 << 10));
    let world = World::new().originals(&pack::tree()).file("b", archive);
    let flags = "--backup b --source s --restore-to r --cache use --json report.json";
    let mut command = world.command(flags);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The program creates the restore folder after it has begun to handle signals and before it
    // searches.
    while !world.path("r").exists() {
        sleep(Duration::from_millis(1));
    }
    unix::signal(&child, Signal::INT);
    finish(child).exits(3).out_has("INCOMPLETE");
}

#[test]
fn a_closed_terminal_does_not_fail_a_run() {
    let world = large_world("folder");
    let mut child = start_blocked(&world, "");
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(world.names("r"), [""; 0]);
}

#[test]
fn an_interrupted_run_over_all_files_makes_no_statement_about_the_whole() {
    for (format, whole) in [("folder", false), ("tar", true), ("tar.gz", true)] {
        let world = large_world(format);
        let child = start_blocked(&world, "--threads 1");
        wait_until_blocked(&world);
        unix::signal(&child, Signal::INT);
        let verified = Verified::new(finish(child), &world.read("report.json")).exits(3);
        let listed = verified.number("/population/files");
        assert_eq!(verified.at("/population/whole"), whole, "{format}: {}", verified.ran);
        assert!(verified.at("/assurance").is_null());
        if whole {
            assert_eq!(listed, MANY as u64, "{format}");
            verified.says("of 1,200 files wanted were compared.");
        } else {
            let count = if listed < 1000 { listed.to_string() } else { format!("1,{:03}", listed % 1000) };
            let summary = verified.says(&format!("there are at least {count} files to verify.")).ran.out;
            assert!(summary.contains(&format!("of at least {count} files")), "{summary}");
            assert!(!summary.contains("wanted") && !summary.contains("redraw"), "{summary}");
        }
    }
}

#[test]
fn a_time_limit_ends_a_run_with_what_was_proven() {
    let world = large_world("folder");
    let mut child = start_blocked(&world, "--time-limit 1500ms");
    let mut first = [0; 200];
    child.stderr.as_mut().unwrap().read_exact(&mut first).unwrap();
    sleep(Duration::from_millis(1500));
    let ran = finish(child);
    let verified = Verified::new(ran, &world.read("report.json"))
        .exits(3)
        .says("INCOMPLETE")
        .says("The time limit ended the run:");
    // The files seen so far, in the order of listing, are not a random sample of everything.
    assert!(verified.at("/assurance").is_null());
    assert_eq!(verified.at("/incomplete"), "time-limit");
    let verified = verified.number("/counts/verified");
    assert!(verified > 10 && verified < MANY as u64, "{verified}");
}

#[test]
fn a_budget_ends_a_run_with_what_was_proven() {
    for format in ["folder", "tar", "zip"] {
        let members: Vec<_> =
            (0..100).map(|number| Member::new(format!("{number}"), vec![7; 1000])).collect();
        let world = World::new().originals(&members).backup(format, &members);
        for sample in ["all", "90"] {
            let arguments = format!("--budget 20kB --threads 2 --sample {sample}");
            let verified = world.verify(&arguments).exits(3).says("The byte budget ended the run:");
            assert_eq!(verified.at("/incomplete"), "budget");
            let verified = verified.number("/counts/verified");
            assert!((20..30).contains(&verified), "{format} {sample}: {verified}");
        }
        world.verify("--budget 1GB --sample all").exits(0);
    }
}

#[test]
fn a_bad_file_found_before_a_limit_is_a_failure() {
    let members: Vec<_> = (0..50).map(|number| Member::new(format!("{number}"), vec![7; 1000])).collect();
    let bad: Vec<_> = members.iter().map(|member| Member::new(&member.name, vec![8; 1000])).collect();
    let world = World::new().originals(&members).backup("tar", &bad);
    let verified = world.verify("--budget 5kB --sample all").exits(1).says("FAIL");
    assert_eq!(verified.at("/incomplete"), "budget");
}
