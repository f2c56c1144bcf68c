//! Runs the checklist with the real programs of a Linux machine, in healthy states and in broken
//! states that are set up here.
//!
//! Needs chronyd, faketime, iproute2, openvpn and procps. `.ci/test` gets them: it unpacks those
//! that are not installed below `target/tools`.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::checklist::{command, findings, has, of_another, run};
use crate::world::{RunResult, World};

/// A program of the system that is killed when this is dropped.
struct RunningProgram(Child);

impl Drop for RunningProgram {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl RunningProgram {
    #[track_caller]
    fn start(program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let unpacked = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/bin");
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{path}:/usr/sbin:/sbin:{unpacked}"));
        Self(command.spawn().unwrap_or_else(|error| lacking(program, &error)))
    }
}

#[track_caller]
fn lacking(program: &str, error: &std::io::Error) -> ! {
    panic!("{program} is not here: {error}; `.ci/test` gets it")
}

/// Starts a chronyd on the loopback device that serves this machine's time. Returns it with its
/// address.
fn chronyd(world: &World) -> (RunningProgram, String) {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    drop(socket);
    let place = world.path("chrony.conf");
    let mut conf = fs::File::create(&place).unwrap();
    writeln!(conf, "local stratum 10\nport {port}\nbindaddress 127.0.0.1\nallow 127.0.0.1\ncmdport 0")
        .unwrap();
    writeln!(
        conf,
        "bindcmdaddress {}\npidfile {}",
        world.path("c.sock").display(),
        world.path("c.pid").display()
    )
    .unwrap();
    let user = Command::new("id").arg("-un").output().unwrap().stdout;
    let user = String::from_utf8(user).unwrap();
    let server = RunningProgram::start(
        "chronyd",
        &["-x", "-U", "-d", "-u", user.trim(), "-f", place.to_str().unwrap()],
    );
    let address = format!("127.0.0.1:{port}");
    let patience = Instant::now() + Duration::from_secs(20);
    while run(world, &format!("facts --json --ntp {address}")).code != Some(0) {
        assert!(Instant::now() < patience, "chronyd does not answer");
        thread::sleep(Duration::from_millis(200));
    }
    (server, address)
}

/// A command that runs the program with its clock shifted.
fn shifted(world: &World, shift: &str, arguments: &str) -> Command {
    let plain = command(world, arguments);
    if let Err(error) = Command::new("faketime").arg("--version").output() {
        lacking("faketime", &error);
    }
    let mut shifted = Command::new("faketime");
    shifted.args(["-f", shift]).arg(plain.get_program()).args(plain.get_args()).current_dir(world.path(""));
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => shifted.env(name, value),
            None => shifted.env_remove(name),
        };
    }
    shifted
}

#[test]
fn correct_and_shifted_clocks_are_measured_against_a_real_ntp_server() {
    let world = World::new();
    let (_server, address) = chronyd(&world);
    let clock = format!("checklist clock --json - --ntp {address}");
    has(&run(&world, &clock), "pass", "This clock is 0.0");
    has(
        &RunResult::of(shifted(&world, "+400s", &clock), ""),
        "fail",
        "This clock is 6 min ahead of the NTP server",
    );
    has(
        &RunResult::of(shifted(&world, "-90s", &clock), ""),
        "warn",
        "This clock is 90 s behind the NTP server",
    );
    let against = format!("checklist clock --json - --against {address}");
    has(&run(&world, &against), "pass", "the destination 127.0.0.1");
}

#[test]
fn two_machines_are_compared_through_an_ntp_server_that_both_asked() {
    let world = World::new();
    let (_server, address) = chronyd(&world);
    let facts =
        RunResult::of(shifted(&world, "+1000s", &format!("facts --json --ntp {address}")), "").exits(0);
    fs::write(world.path("dc.json"), of_another(&facts.out).to_string()).unwrap();
    let ran = run(&world, &format!("checklist clock --json - --against dc.json --ntp {address}"));
    has(&ran, "fail", "This clock is 16 min behind");
    let facts = run(&world, &format!("facts --json --ntp {address}")).exits(0);
    fs::write(world.path("dc.json"), of_another(&facts.out).to_string()).unwrap();
    has(
        &run(&world, &format!("checklist clock --json - --against dc.json --ntp {address}")),
        "pass",
        "This clock is 0.0",
    );
}

#[test]
fn an_unreachable_ntp_server_leaves_the_offset_unknown() {
    let ran = run(&World::new(), "checklist clock --json - --ntp 127.0.0.1:9");
    has(&ran, "could-not-check", "127.0.0.1:9 gave no time");
}

#[test]
fn a_tunnel_that_is_up_fails_and_one_that_is_down_does_not() {
    let world = World::new();
    let plain = command(&world, "checklist vpn --json -");
    let look = |state: &str| {
        let script =
            format!("ip tuntap add dev tun7 mode tun && ip link set tun7 {state} && exec \"$0\" \"$@\"");
        let mut inside = Command::new("unshare");
        inside.args(["--map-root-user", "--net", "sh", "-c", &script]);
        inside.arg(plain.get_program()).args(plain.get_args());
        inside.env("BKVERIFY_STATE_DIR", world.path("state"));
        inside.env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap()));
        RunResult::of(inside, "")
    };
    has(&look("up"), "fail", "VPN links that are up: tun7 (tun)");
    has(&look("down"), "pass", "VPN links that are up: none");
}

#[test]
fn a_running_openvpn_fails() {
    let arguments = ["--dev", "null", "--remote", "127.0.0.1", "--lport", "0", "--verb", "0"];
    let _openvpn = RunningProgram::start("openvpn", &arguments);
    thread::sleep(Duration::from_millis(500));
    has(&run(&World::new(), "checklist vpn --json -"), "fail", "VPN programs that are running: openvpn");
}

#[test]
fn every_check_ends_on_this_machine_with_a_finding() {
    let world = World::new();
    let ran = run(&world, "checklist --json r.json --timeout 60s");
    assert!(matches!(ran.code, Some(0 | 1 | 3)), "{ran}");
    assert_eq!(ran.err, "");
    assert!(findings(&world.read("r.json")).len() >= 9);
    assert!(world.read("state/applications.csv").contains("Application or general data folder name,"));
}

/// Writes a program of our own. Returns its folder, which is to come first in the search path.
fn with_program(world: &World, name: &str, script: &str) -> PathBuf {
    let folder = world.path("bin");
    fs::create_dir_all(&folder).unwrap();
    let place = folder.join(name);
    fs::write(&place, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn run_with_program(world: &World, folder: &Path, arguments: &str, input: &str) -> RunResult {
    let mut command = command(world, arguments);
    command.env("PATH", format!("{}:{}", folder.display(), std::env::var("PATH").unwrap()));
    RunResult::of(command, input)
}

#[test]
fn a_hanging_program_is_ended_with_its_children_and_does_not_block_the_run() {
    let world = World::new();
    let pid = world.path("pid");
    let folder = with_program(&world, "ip", &format!("sleep 300 & echo $! > {}; wait", pid.display()));
    let started = Instant::now();
    let ran = run_with_program(&world, &folder, "checklist vpn network --json - --timeout 2s", "");
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    has(&ran, "could-not-check", "`ip` did not answer in time and was ended");
    let pid = fs::read_to_string(pid).unwrap();
    thread::sleep(Duration::from_millis(300));
    let state = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    assert!(state.is_empty() || state.contains(") Z "), "it still runs: {state}");
}

#[test]
fn a_program_that_prints_without_end_is_ended() {
    let world = World::new();
    let folder = with_program(&world, "ip", "exec yes");
    let ran = run_with_program(&world, &folder, "checklist network --json - --timeout 60s", "");
    has(&ran, "could-not-check", "printed more than 16 MiB");
}

#[test]
fn a_child_that_keeps_the_output_open_is_not_waited_for() {
    let world = World::new();
    let folder = with_program(&world, "ip", "sleep 300 & exit 0");
    let started = Instant::now();
    let ran = run_with_program(&world, &folder, "checklist network --json - --timeout 2s", "");
    assert!(started.elapsed() < Duration::from_secs(15));
    has(&ran, "could-not-check", "did not answer in time");
}

#[test]
fn fix_asks_first_and_checks_again_afterwards() {
    let release = "x_dists_demo-security_Release";
    let world = World::new().file(release, "Date: Sat, 07 Nov 2020 12:00:00 UTC\n");
    let place = world.path("");
    let list = format!(
        "demo-security|$VERSION_CODENAME|main|x|http://x|{}/x_dists_demo-security_main",
        place.display()
    );
    let script = format!(
        "cd {0}\n. /etc/os-release\ncase \"$*\" in\n*indextargets*) echo \"{list}\";;\nupdate) date -u '+Date: %a, %d %b %Y %T UTC' > {release};;\nesac",
        place.display()
    );
    let folder = with_program(&world, "apt-get", &script);
    with_program(&world, "apt-cache", "echo 500 http://x demo-security/main amd64 Packages");
    let old = world.read(release);
    let refused = run_with_program(&world, &folder, "checklist updates --fix", "n\n");
    assert!(refused.out.contains("this will run:\n    apt-get update"), "{refused}");
    assert!(refused.out.contains("left as it is") && world.read(release) == old, "{refused}");
    let silent = run_with_program(&world, &folder, "checklist updates --fix", "");
    assert_eq!(world.read(release), old, "no answer is no consent\n{silent}");
    let agreed = run_with_program(&world, &folder, "checklist updates --fix --yes", "");
    assert!(world.read(release) != old && agreed.out.contains("security archive are 0 s old"), "{agreed}");
}

#[test]
fn a_folder_of_the_search_path_that_may_not_be_entered_hides_no_other() {
    let world = World::new().file("closed/x", "");
    fs::set_permissions(world.path("closed"), fs::Permissions::from_mode(0o000)).unwrap();
    let plain = command(&world, "checklist alerts --json -");
    let mut inside = Command::new("setpriv");
    let path = format!("PATH={}", world.path("closed").display());
    inside.args(["--reuid=65534", "--regid=65534", "--clear-groups", "env", &path]);
    inside.arg(plain.get_program()).args(plain.get_args());
    let state = tempfile::tempdir_in("/tmp").unwrap();
    fs::set_permissions(state.path(), fs::Permissions::from_mode(0o777)).unwrap();
    inside.env("BKVERIFY_STATE_DIR", state.path()).env("HOME", state.path()).current_dir("/");
    if Command::new("id").arg("-u").output().unwrap().stdout == b"0\n" {
        has(&RunResult::of(inside, ""), "not-applicable", "ZFS is not installed");
    }
    fs::set_permissions(world.path("closed"), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn the_applications_table_tells_which_files_are_in_an_archive() {
    let world = World::new().file("data/app/x", "12345").file("data/app/y", "1").file("data/lost/z", "1");
    let archive = fs::File::create(world.path("b.tar")).unwrap();
    let mut builder = tar::Builder::new(archive);
    builder.append_dir_all("data/app", world.path("data/app")).unwrap();
    builder.into_inner().unwrap();
    let (app, lost) =
        (world.path("data/app").display().to_string(), world.path("data/lost").display().to_string());
    let header = "Application or general data folder name,Path to data,Notes";
    let world = world
        .file("plan/applications.csv", format!("{header}\nApp,{app},ask Ann\nLost,{lost},\n"))
        .file("bkverify.toml", "[jobs.n]\nbackup = 'b.tar'\nsource = 'data'\n");
    let ran = run(&world, "checklist applications --json - --table plan");
    has(&ran, "fail", "in no backup");
    let table = world.read("plan/applications.csv");
    let held = format!("App,{app},ask Ann,,,written by hand; in the backup: 2 of 2 files");
    assert!(table.contains(&held), "{table}");
    assert!(table.contains(&format!("Lost,{lost},,,,written by hand; NOT IN ANY BACKUP")), "{table}");
}
