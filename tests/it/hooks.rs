//! Hooks: what runs before and after a job, what it learns, and what its failure means.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::http_server::{Answer, HttpServer};
use crate::notify_webhook::job;
use crate::world::{RunResult, World};

/// Says what an "after" hook learns, in a file.
const RECORD: &str = "after = 'env | grep ^BKVERIFY_ | sort >after.txt'\n";

/// Whether a process with the number in this file is alive.
fn is_alive(world: &World, file: &str) -> bool {
    let pid: i32 = world.read(file).trim().parse().unwrap();
    // A zombie is dead, but still has a number.
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn the_first_hook_may_bring_the_backup_and_the_last_one_learns_the_result() {
    let world = job(true, &format!("before = ['mv', 'away', 'b']\n{RECORD}"));
    fs::rename(world.path("b"), world.path("away")).unwrap();
    world.run("--job nightly --json report.json").exits(1).err_is("");
    let learned = world.read("after.txt");
    for line in [
        "BKVERIFY_JOB=nightly",
        &format!("BKVERIFY_BACKUP={}", world.path("b").display()),
        &format!("BKVERIFY_RESTORE_TO={}", world.path("r").display()),
        "BKVERIFY_EXIT_CODE=1",
        "BKVERIFY_RESULT=fail",
        "BKVERIFY_VERIFIED=1",
        "BKVERIFY_BAD=1",
        &format!("BKVERIFY_REPORT={}", world.path("report.json").display()),
    ] {
        assert!(learned.lines().any(|known| known == line), "{line} is not in:\n{learned}");
    }
}

#[test]
fn a_first_hook_that_fails_ends_the_run_and_the_last_one_runs_all_the_same() {
    let world = job(false, &format!("before = 'echo no such disk; exit 32'\n{RECORD}"));
    let ran = world.run("--job nightly --json report.json").exits(4);
    ran.err_has("the hook \"before\" failed: it ended with exit code 32; its output is on standard error\n")
        .err_has("no such disk\n")
        .err_has("hint: run the command of before in the configuration by hand");
    assert!(world.read("after.txt").contains("BKVERIFY_EXIT_CODE=4\n"), "{}", world.read("after.txt"));
    assert!(world.read("report.json").contains("the hook \\\"before\\\" failed"));
    assert_eq!(world.names("r"), [""; 0]);
}

#[test]
fn what_a_failing_hook_prints_is_on_standard_error_and_in_no_report_ledger_or_message() {
    let server = HttpServer::start(&[Answer::status("200 OK")]);
    let notify = format!(
        "before = 'set -x; : 5ecre7; exit 1'\n[jobs.nightly.notify]\nwhen = 'always'\n\
         [[jobs.nightly.notify.webhook]]\nurl = '{}'\n",
        server.url("/hook")
    );
    let world = job(false, &notify);
    let ran = world.run("--job nightly --state state --json report.json --junit report.xml").exits(4);
    let ran = ran.err_has("5ecre7");
    let warned: Vec<_> = ran.err.lines().filter(|line| line.starts_with("bkverify: ")).collect();
    assert!(!warned.is_empty() && warned.iter().all(|line| !line.contains("5ecre7")), "{ran}");
    let told = &server.requests()[0].body;
    let history = world.run("history --run 1 --state state --json -").exits(0).out;
    for text in [&world.read("report.json"), &world.read("report.xml"), told, &history] {
        assert!(text.contains("its output is on standard error") && !text.contains("5ecre7"), "{text}");
    }
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let world = job(false, "before = ['no-such-program', 'x']\n");
    world.run("--job nightly").exits(4).err_has("failed: `no-such-program` is not installed");
}

#[test]
fn a_hook_that_never_ends_is_ended_with_all_that_it_started() {
    let world = job(
        false,
        &format!(
            "before = 'sleep 600 & echo $! >child; echo waiting; wait'\nhook-time-limit = '3s'\n{RECORD}"
        ),
    );
    world.run("--job nightly").exits(4).err_has("the hook \"before\" failed: it did not end within 3.00 s");
    let clock = Instant::now();
    while is_alive(&world, "child") {
        assert!(clock.elapsed() < Duration::from_secs(60), "what the hook started goes on");
    }
    assert!(world.read("after.txt").contains("BKVERIFY_RESULT=unusable\n"));
}

#[test]
fn a_last_hook_that_fails_is_a_warning() {
    for (fails, code) in [(false, 0), (true, 1)] {
        let ran = job(fails, "after = 'echo busy >&2; exit 1'\n").run("--job nightly").exits(code);
        assert_eq!(
            ran.err,
            "busy\nbkverify: warning: the hook \"after\" failed: it ended with exit code 1; its output is on standard error\n"
        );
    }
}

#[test]
fn a_program_that_the_first_hook_leaves_running_is_not_waited_for() {
    // As programs do that mount a file system. It keeps the pipe of its output open.
    let before = "(while [ ! -e stop ]; do sleep 0.1; done) & echo $! >server";
    let after = "kill -0 $(cat server) && echo yes >was-alive; touch stop";
    let world = job(false, &format!("before = '{before}'\nafter = '{after}'\n"));
    world.run("--job nightly").exits(0).err_is("");
    assert_eq!(world.read("was-alive"), "yes\n");
}

#[test]
fn a_run_that_is_stopped_during_its_first_hook_is_incomplete_and_the_last_hook_runs() {
    let world = job(false, &format!("before = 'touch begun; sleep 600'\n{RECORD}"));
    let mut command = world.command("--job nightly");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let clock = Instant::now();
    while !world.path("begun").exists() {
        assert!(clock.elapsed() < Duration::from_secs(60), "the hook did not begin");
        std::thread::sleep(Duration::from_millis(5));
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let ran = RunResult { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
    ran.exits(3).err_has("was ended because the run was stopped");
    assert!(world.read("after.txt").contains("BKVERIFY_EXIT_CODE=3\n"));
}

#[test]
fn a_job_replaces_the_hooks_of_the_top() {
    let world = job(false, "before = 'echo job >>log'\n");
    let config = world.read("bkverify.toml");
    let top = format!("before = 'echo top >>log'\nafter = 'echo after >>log'\n{config}");
    let world = world.file("bkverify.toml", top);
    world.run("--job nightly").exits(0);
    assert_eq!(world.read("log"), "job\nafter\n");
    // A run whose backup a flag names is no job.
    world.run("--backup b").exits(0);
    assert_eq!(world.read("log"), "job\nafter\n");
}
