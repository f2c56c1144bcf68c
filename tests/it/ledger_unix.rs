//! The ledger where the system is against it: kills, full disks, folders that cannot be written,
//! and a second run of the same job.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::pack::many_small_files;
use crate::world::{RunResult, World};

const FLAGS: &str = "--backup b --source s --restore-to r --cache use --sample all --state st";
const KILLS: u32 = 250;

fn start(world: &World, flags: &str) -> Child {
    let mut command = world.command(flags);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn number(world: &World, sql: &str) -> i64 {
    let ledger = Connection::open(world.path("st/ledger.sqlite")).unwrap();
    ledger.query_row(sql, [], |row| row.get(0)).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// Kills a run again and again. Returns how many of the kills hit a run that the ledger knew.
fn kill_again_and_again() -> i64 {
    let members = many_small_files(60);
    let world = World::new().originals(&members).backup("folder", &members);
    // The first run takes longer: it makes the ledger.
    world.run(FLAGS).exits(0);
    let clock = Instant::now();
    world.run(FLAGS).exits(0);
    let whole = clock.elapsed();
    for kill in 0..KILLS {
        let mut child = start(&world, FLAGS);
        sleep(whole * kill / KILLS);
        child.kill().unwrap();
        child.wait().unwrap();
        // A folder that is killed while it is made has no ledger yet.
        if fs::metadata(world.path("st/ledger.sqlite")).is_ok_and(|found| found.len() > 0) {
            let ledger = Connection::open(world.path("st/ledger.sqlite")).unwrap();
            let found: String = ledger.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
            assert_eq!(found, "ok", "after kill {kill}");
        }
        if kill % 10 == 0 {
            world.run(FLAGS).exits(0).err_is("");
        }
    }
    world.run(FLAGS).exits(0).err_is("");
    world.run("ledger check --state st").exits(0);
    assert_eq!(number(&world, "SELECT count(*) FROM runs WHERE ended IS NULL AND NOT died"), 0);
    assert_eq!(number(&world, "SELECT count(*) FROM files"), 60);
    number(&world, "SELECT count(*) FROM runs WHERE died")
}

#[test]
fn a_ledger_stays_whole_whenever_a_run_is_killed() {
    let died: i64 = std::thread::scope(|scope| {
        let both = [(); 2].map(|()| scope.spawn(kill_again_and_again));
        both.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(died > i64::from(KILLS) / 10, "only {died} of {} kills hit a run at work", 2 * KILLS);
}

/// A ledger that is killed while it is made for the first time.
#[test]
fn a_ledger_that_was_killed_while_it_was_made_is_made_by_the_next_run() {
    let members = many_small_files(5);
    let world = World::new().originals(&members).backup("folder", &members);
    for kill in 0..60 {
        let _ = fs::remove_dir_all(world.path("st"));
        let mut child = start(&world, FLAGS);
        let clock = Instant::now();
        while !world.path("st").exists() && clock.elapsed() < Duration::from_secs(10) {
            sleep(Duration::from_micros(200));
        }
        sleep(Duration::from_micros(400 * kill));
        child.kill().unwrap();
        child.wait().unwrap();
        world.run(FLAGS).exits(0).err_is("");
        world.run("ledger check --state st").exits(0);
    }
}

#[test]
fn ledger_and_folder_are_for_their_owner_alone() {
    let members = many_small_files(5);
    let world = World::new().originals(&members).backup("folder", &members);
    world.run(FLAGS).exits(0);
    let mode = |path: &str| fs::metadata(world.path(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("st"), mode("st/ledger.sqlite")), (0o700, 0o600));
    for name in world.names("st") {
        assert_eq!(mode(&format!("st/{name}")), 0o600, "{name}");
    }
}

#[test]
fn a_second_run_of_the_same_job_says_who_holds_it_and_ends_with_4() {
    let members = many_small_files(2000);
    let config = "backup = 'b'\nrestore-to = 'r'\ncache = 'use'\nsample = 'all'\nstate = 'st'\n[jobs.nightly]\nsource = 's'\n[jobs.other]\nsource = 's'";
    let world = World::new().originals(&members).backup("folder", &members).file("bkverify.toml", config);
    let mut first = start(&world, "--job nightly");
    let process = rustix::process::Pid::from_child(&first);
    let holder = || world.path("st").exists() && world.names("st").iter().any(|name| name.ends_with(".json"));
    let clock = Instant::now();
    while !holder() {
        assert!(clock.elapsed() < Duration::from_secs(60), "the first run never took the lock");
        sleep(Duration::from_millis(1));
    }
    rustix::process::kill_process(process, rustix::process::Signal::STOP).unwrap();
    let second = world.run("--job nightly");
    let other = world.run("--job other --sample 5");
    let alone = world.run("--job nightly --state none --sample 5");
    let named = world.run("--backup b --source s --restore-to r --sample 5 --state st");
    rustix::process::kill_process(process, rustix::process::Signal::CONT).unwrap();
    let done = first.wait().unwrap();
    second
        .exits(4)
        .err_has("the job nightly (")
        .err_has("is already running since 2")
        .err_has(&format!("as process {}", process.as_raw_nonzero()));
    other.exits(0);
    alone.exits(0);
    named.exits(0);
    assert_eq!(done.code(), Some(0));
    // The lock file stays and blocks nobody.
    world.run("--job nightly --sample 5").exits(0).err_is("");
}

#[test]
fn a_full_disk_costs_the_record_and_not_the_verification() {
    let members = many_small_files(3000);
    let world = World::new().originals(&members).backup("folder", &members);
    let program = env!("CARGO_BIN_EXE_bkverify");
    let with_limit = |blocks: u32| {
        let mut command = Command::new("sh");
        // Blocks of 512 bytes. A write beyond that fails instead of ending the program.
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" {FLAGS}");
        command.args(["-c", &script, program]).current_dir(world.path(""));
        command.env("HOME", world.path("home")).env_remove("XDG_CONFIG_HOME");
        RunResult::of(command, "")
    };
    for blocks in [8, 64, 200, 400] {
        let ran = with_limit(blocks).exits(0).err_has("warning: ").err_has("recorded").out_has("PASS");
        assert_eq!(ran.err.matches("warning:").count(), 1, "{ran}");
        let made = world.path("st/ledger.sqlite");
        if fs::metadata(&made).is_ok_and(|found| found.len() > 0) {
            world.run("ledger check --state st").exits(0);
        }
    }
    world.run(FLAGS).exits(0).err_is("");
    world.run("ledger check --state st").exits(0).out_has("3,000 files");
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_written_costs_the_record_and_not_the_verification() {
    let members = many_small_files(20);
    let world = World::new().originals(&members).backup("folder", &members).folder("r").without_root_rights();
    let close = |mode| fs::set_permissions(world.path("st"), fs::Permissions::from_mode(mode)).unwrap();
    fs::create_dir(world.path("st")).unwrap();
    close(0o500);
    world.run(FLAGS).exits(0).err_has("this run is not recorded").err_has("with --state DIR");
    close(0o700);
    world.run(FLAGS).exits(0).err_is("");
    close(0o500);
    world.run(FLAGS).exits(0).err_has("warning: ");
    fs::set_permissions(world.path("st/ledger.sqlite"), fs::Permissions::from_mode(0o400)).unwrap();
    world.run(FLAGS).exits(0).err_has("warning: ");
    close(0o700);
    world.run(FLAGS).exits(0).err_has("cannot be written");
    world.run("ledger check --state st").exits(0);
}

#[test]
fn a_state_folder_that_is_a_file_or_cannot_be_made_costs_the_record_and_not_the_verification() {
    let members = many_small_files(5);
    let world = World::new().originals(&members).backup("folder", &members).file("plain", "a file");
    for state in ["plain", "plain/below", "/proc/bkverify"] {
        let flags = format!("--backup b --source s --restore-to r --state {state}");
        let ran = world.run(&flags).exits(0).err_has("this run is not recorded");
        assert_eq!(ran.err.matches("warning:").count(), 1, "{ran}");
    }
    assert_eq!(world.read("plain"), "a file");
}

#[cfg(target_os = "linux")]
#[test]
fn a_ledger_that_others_could_change_is_not_used_and_the_run_counts() {
    let members = many_small_files(5);
    let world = World::new().originals(&members).backup("folder", &members);
    world.run(FLAGS).exits(0).err_is("");
    let allow = |path: &str, mode: u32| {
        fs::set_permissions(world.path(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    for (path, kind, mode, own) in
        [("st", "state folder", 0o777, 0o700), ("st/ledger.sqlite", "ledger", 0o666, 0o600)]
    {
        allow(path, mode);
        let ran = world.run(FLAGS).exits(0).out_has("PASS").err_has("this run is not recorded");
        let ran = ran.err_has(&format!("the {kind} {} cannot be trusted", world.path(path).display()));
        ran.err_has("other users can change it").err_has("chmod go-w").err_has("--state DIR");
        allow(path, own);
        assert_eq!(number(&world, "SELECT count(*) FROM runs"), 1);
    }
    if rustix::process::geteuid().is_root() {
        for path in ["st", "st/ledger.sqlite"] {
            std::os::unix::fs::chown(world.path(path), Some(65_534), None).unwrap();
            world.run(FLAGS).exits(0).err_has("cannot be trusted").err_has("it belongs to another user");
            std::os::unix::fs::chown(world.path(path), Some(0), None).unwrap();
        }
    }
    world.run(FLAGS).exits(0).err_is("");
    assert_eq!(number(&world, "SELECT count(*) FROM runs"), 2);
}

#[test]
fn a_clock_that_went_back_a_year_leaves_the_order_of_the_runs() {
    let members = many_small_files(5);
    let world = World::new().originals(&members).backup("folder", &members);
    world.run(FLAGS).exits(0);
    let mut command = Command::new("faketime");
    command.args(["-f", "-365d", env!("CARGO_BIN_EXE_bkverify")]).args(FLAGS.split(' '));
    command.current_dir(world.path("")).env("HOME", world.path("home")).env_remove("XDG_CONFIG_HOME");
    if let Err(error) = Command::new("faketime").arg("--version").output() {
        panic!("cannot run faketime: {error}; .ci/test installs it (Debian: faketime)");
    }
    // What the run finds depends on the clock. That it is remembered does not.
    let ran = RunResult::of(command, "");
    assert!(!ran.err.contains("ledger"), "{ran}");
    assert_eq!(
        number(&world, "SELECT started < (SELECT started FROM runs WHERE id = 1) FROM runs WHERE id = 2"),
        1
    );
    assert_eq!(number(&world, "SELECT count(*) FROM files WHERE run = 2"), 5);
    world.run("ledger prune --keep 6mo --state st").exits(0).out_has("kept 2 runs");
}
