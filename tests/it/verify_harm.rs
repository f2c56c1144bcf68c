//! What a run must not do to other users, and what limits set by others must not do to a run.

use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;

use crate::pack::{self, Member};
use crate::world::{RunResult, World};

/// A user that owns nothing else on this machine.
const NOBODY: u32 = 54_321;

/// Whether this is root. Only root can act as another user.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Changes the owner of a folder and everything in it, so that another user can work there.
fn give_away(place: &Path) {
    for entry in walkdir::WalkDir::new(place) {
        chown(entry.unwrap().path(), Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

/// A command that runs the program as a user with a limit on tasks. (For root there is no limit.)
fn limited(world: &World, tasks: u32, arguments: &str) -> Command {
    let command = world.command(arguments);
    let mut limited = Command::new(if is_root() { "setpriv" } else { "prlimit" });
    if is_root() {
        let ids = [format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")];
        limited.args(ids).args(["--clear-groups", "prlimit"]);
    }
    limited.arg(format!("--nproc={tasks}")).arg(command.get_program()).args(command.get_args());
    limited.current_dir(command.get_current_dir().unwrap());
    limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited
}

#[test]
fn a_run_that_cannot_start_more_threads_goes_on_with_those_it_has() {
    let large = Member::new("large", pack::noise(9 << 20, 3));
    let members: Vec<_> = pack::many_small_files(300).into_iter().chain([large]).collect();
    for format in ["folder", "tar", "tar.gz", "zip"] {
        let world = World::new().originals(&members).backup(format, &members).folder("r");
        if is_root() {
            give_away(&world.path(""));
        }
        for (tasks, sample) in [(1, "all"), (1, "200"), (3, "all"), (3, "200")] {
            let arguments = format!(
                "--backup b --source s --restore-to r --threads 8 --cache use --sample {sample} --completeness 50 --json j.json"
            );
            let ran = RunResult::of(limited(&world, tasks, &arguments), "").exits(0);
            let report: serde_json::Value = serde_json::from_str(&world.read("j.json")).unwrap();
            let expected = if sample == "all" { 301 } else { 200 };
            assert_eq!(report["counts"]["verified"], expected, "{format}, {tasks} tasks\n{ran}");
            assert_eq!(report["population"]["files"], 301, "{format}, {tasks} tasks\n{ran}");
            assert_eq!(world.names("r"), [""; 0]);
        }
    }
}

#[test]
fn a_checklist_that_cannot_start_threads_runs_its_checks_one_by_one() {
    let world = World::new();
    if is_root() {
        give_away(&world.path(""));
    }
    let ran = RunResult::of(limited(&world, 1, "checklist --json -"), "");
    assert!(!ran.to_string().contains("panicked"), "{ran}");
    assert!(!ran.to_string().contains("the check itself broke"), "{ran}");
}

#[test]
fn folders_too_deep_for_a_path_are_verified_through_handles() {
    let deep = "d".repeat(200);
    let make = |top: &str, content: &str| {
        format!(
            "cd {top}; for n in $(seq 30); do mkdir {deep}; cd {deep}; echo {content} >f; \
             touch -d 2020-01-01 f; done; cd \"$TOP\"; "
        )
    };
    let sum = |content: &str| {
        let world = World::new().folder("s").folder("b").folder("r");
        let script = make("s", "good") + &make("b", content);
        let mut made = Command::new("bash");
        made.args(["-c", &script]).current_dir(world.path("")).env("TOP", world.path(""));
        assert!(made.status().unwrap().success());
        let verified = world.verify("--sample all --completeness 100");
        (verified.ran.code, verified.number("/population/files"), verified.number("/counts/verified"))
    };
    assert_eq!(sum("good"), (Some(0), 30, 30));
    assert_eq!(sum("evil"), (Some(1), 30, 0));
}
