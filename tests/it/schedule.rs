//! `bkverify schedule install --dry-run`, and what the schedulers' own tools say of it.
//! (`fixtures/schedule/make.sh` installs and runs such jobs under a real systemd and a real cron.)

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::world::World;

const CONFIG: &str = "
restore-to = 'r'
sample = 10
[jobs.nightly]
backup = 'b'
source = 's'
json = 'reports/nightly.json'
[jobs.'odd 100% of $it']
backup = 'b'
source = ['s', '/home', '/']
restore-to = 'r 2'
[jobs.'a.b']
backup = 'b'
source = 's'
";

fn world() -> World {
    World::new()
        .file("bkverify.toml", CONFIG)
        .folder("s")
        .folder("r")
        .folder("r 2")
        .folder("reports")
        .file("b/x", "x")
}

/// What `--dry-run` would write: places and texts.
#[track_caller]
fn pieces(world: &World, arguments: &[&str]) -> Vec<(String, String)> {
    let mut command = world.command("schedule install --dry-run");
    let run = command.args(arguments).output().unwrap();
    let out = String::from_utf8(run.stdout).unwrap();
    assert_eq!(run.status.code(), Some(0), "{out}{}", String::from_utf8_lossy(&run.stderr));
    let pieces = out.split("==> ").skip(1).map(|piece| {
        let (place, text) = piece.split_once(" <==\n").unwrap();
        (place.to_owned(), text.strip_suffix('\n').unwrap().to_owned())
    });
    pieces.collect()
}

#[test]
fn a_time_that_is_none_is_a_usage_error_that_shows_how_to_write_it() {
    let run = world().run("schedule install --job nightly --at 25:00");
    run.exits(2).err_has("\"25:00\" is not a time of day").err_has("Mon..Fri 02:30");
}

#[test]
fn an_unknown_job_and_one_without_a_name_are_usage_errors() {
    let world = world();
    world.run("schedule install --job nigthly --at 02:30").exits(2).err_has("did you mean nightly?");
    let nameless = World::new().file("bkverify.toml", "backup = 'b'\nsource = 's'\nrestore-to = 'r'\n");
    let run = nameless.run("schedule install --at 02:30 --dry-run");
    run.exits(2).err_has("only a job with a name can be scheduled").err_has("[jobs.nightly]");
}

#[test]
fn a_dry_run_writes_nothing_and_warns_of_what_would_keep_the_job_from_running() {
    let world = world();
    fs::remove_dir(world.path("r")).unwrap();
    fs::remove_dir_all(world.path("b")).unwrap();
    let with = if cfg!(windows) { "task-scheduler" } else { "cron" };
    let run = world.run(&format!("schedule install --job nightly --at 02:30 --dry-run --with {with} --user"));
    run.exits(0).err_has("warning: the job could not run now: ").err_has("which may not stay there");
    assert!(!world.path("r").exists());
}

#[cfg(unix)]
#[test]
fn a_job_whose_name_the_scheduler_cannot_hold_is_refused() {
    let world = world();
    let run = world.run("schedule install --job a.b --at 02:30 --dry-run --with cron");
    // Where it is not root, it goes to the user's crontab, which takes any name.
    if run.out.is_empty() {
        run.exits(2).err_has("cron would ignore the file").err_has("another name");
    }
}

#[test]
fn every_job_is_shown_once_with_the_command_and_its_absolute_paths() {
    let world = world();
    let config = world.path("bkverify.toml");
    // Units and tables hold no backslashes.
    let all = if cfg!(windows) { &["task-scheduler"][..] } else { &["systemd", "cron", "task-scheduler"] };
    for with in all {
        let pieces = pieces(&world, &["--job", "nightly", "--at", "Mon..Fri 02:30", "--with", with]);
        let all: String = pieces.into_iter().map(|(_, text)| text).collect();
        assert!(all.contains(&format!("--config {} --job nightly --quiet", config.display())), "{all}");
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::path::PathBuf;
    use std::process::{Command, Output};

    use super::*;

    fn tool(program: &str, package: &str, arguments: &[&str], last: &Path) -> Output {
        let run = Command::new(program).args(arguments).arg(last).output();
        run.unwrap_or_else(|error| panic!("{program}: {error}: install it, with apt-get install {package}"))
    }

    fn said(run: &Output) -> String {
        format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr))
    }

    /// Writes the units of a job below the world, and returns their paths.
    fn units(world: &World, arguments: &[&str]) -> Vec<PathBuf> {
        let pieces = pieces(world, &[arguments, &["--at", "Mon..Fri 02:30", "--with", "systemd"]].concat());
        let written = pieces.into_iter().map(|(place, text)| {
            let path = world.path("units").join(Path::new(&place).file_name().unwrap());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            path
        });
        written.collect()
    }

    #[test]
    fn systemd_takes_the_units_without_a_complaint() {
        let world = world();
        for job in ["nightly", "odd 100% of $it"] {
            for flags in [&["--job", job][..], &["--user", "--job", job]] {
                for unit in units(&world, flags) {
                    let run = tool("systemd-analyze", "systemd", &["verify", "--man=no"], &unit);
                    assert!(
                        run.status.success() && said(&run).is_empty(),
                        "{}: {}",
                        unit.display(),
                        said(&run)
                    );
                }
            }
        }
    }

    #[test]
    fn the_service_of_the_machine_is_exposed_by_at_most_3() {
        if !rustix::process::geteuid().is_root() {
            // Only root schedules for the machine.
            return;
        }
        let world = world();
        for job in ["nightly", "odd 100% of $it"] {
            let units = units(&world, &["--job", job]);
            let service = units.iter().find(|unit| unit.extension().unwrap() == "service").unwrap();
            let run = tool(
                "systemd-analyze",
                "systemd",
                &["security", "--offline=true", "--no-pager", "--threshold=30"],
                service,
            );
            assert!(run.status.success(), "{}", said(&run));
        }
    }

    #[test]
    fn systemd_reads_the_time_as_it_is_meant() {
        let world = world();
        for (at, calendar) in [("02:30", "*-*-* 02:30:00"), ("Sat,mon 2:05", "Mon,Sat *-*-* 02:05:00")] {
            let pieces = pieces(&world, &["--job", "nightly", "--at", at, "--with", "systemd"]);
            let timer = &pieces.iter().find(|(place, _)| place.ends_with(".timer")).unwrap().1;
            let line = timer.lines().find_map(|line| line.strip_prefix("OnCalendar=")).unwrap();
            let run = tool("systemd-analyze", "systemd", &["calendar"], Path::new(line));
            assert!(said(&run).contains(&format!("Normalized form: {calendar}\n")), "{}", said(&run));
        }
    }

    #[test]
    fn the_task_is_valid_by_the_schema_of_the_task_scheduler() {
        let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/schedule/task.xsd");
        let world = world();
        for at in ["02:30", "Mon..Fri 02:30", "Sun 23:59"] {
            for flags in [&[][..], &["--user"]] {
                for job in ["nightly", "odd 100% of $it"] {
                    let flags = [flags, &["--job", job, "--at", at, "--with", "task-scheduler"]].concat();
                    let pieces = pieces(&world, &flags);
                    let [(place, xml)] = &pieces[..] else { panic!("{pieces:?}") };
                    assert_eq!(place, &format!("\\bkverify\\{job}"));
                    let path = world.path("task.xml");
                    // As schtasks gets it.
                    let wide: Vec<u8> = std::iter::once(0xfeff)
                        .chain(xml.encode_utf16())
                        .flat_map(u16::to_le_bytes)
                        .collect();
                    fs::write(&path, wide).unwrap();
                    let arguments = ["--noout", "--schema", schema.to_str().unwrap()];
                    let run = tool("xmllint", "libxml2-utils", &arguments, &path);
                    assert!(run.status.success(), "{}\n{xml}", said(&run));
                    // The check can fail.
                    fs::write(&path, xml.replace("IgnoreNew", "Ignore").replace("UTF-16", "UTF-8")).unwrap();
                    assert!(!tool("xmllint", "libxml2-utils", &arguments, &path).status.success());
                }
            }
        }
    }

    #[test]
    fn cron_takes_the_line() {
        let world = world();
        let flags = ["--user", "--job", "odd 100% of $it", "--at", "Sat,Sun 02:30", "--with", "cron"];
        let pieces = pieces(&world, &flags);
        let path = world.path("crontab");
        fs::write(&path, &pieces[0].1).unwrap();
        let run = tool("crontab", "cron (or run .ci/tools, which only unpacks it)", &["-n"], &path);
        assert!(run.status.success(), "{}", said(&run));
        fs::write(&path, pieces[0].1.replace("30 2 * *", "30 25 * *")).unwrap();
        assert!(!tool("crontab", "cron", &["-n"], &path).status.success());
    }
}

/// A `crontab` that keeps its table in a file of the world.
#[cfg(unix)]
fn with_a_crontab(world: World) -> World {
    use std::os::unix::fs::PermissionsExt;
    let table = world.path("table");
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = -l ]; then cat '{0}' 2>/dev/null || {{ echo no crontab for me >&2; exit 1; }}\n\
         else cp \"$1\" '{0}'; fi\n",
        table.display()
    );
    let world = world.file("bin/crontab", script);
    fs::set_permissions(world.path("bin/crontab"), fs::Permissions::from_mode(0o755)).unwrap();
    world
}

#[cfg(unix)]
#[test]
fn what_cron_does_not_know_the_ledger_of_the_job_tells() {
    let world = with_a_crontab(world().file("s/x", "x"));
    let run = |arguments: &str| {
        let mut command = world.command(arguments);
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", world.path("bin").display()));
        crate::world::RunResult::of(command, "")
    };
    run("schedule install --job nightly --at 02:30 --with cron --user").exits(0);
    let status = "schedule status --with cron --user";
    run(status).exits(0).out_has("last run  none known");
    // As if it had been installed long ago: the ledger is there, and no run of the job is in it.
    let table = world.read("table");
    let line = table.lines().find(|line| line.contains("installed")).unwrap();
    let year = jiff::Zoned::now().year();
    let world = &world;
    fs::write(world.path("table"), table.replace(line, &line.replace(&year.to_string(), "2020"))).unwrap();
    run(status).exits(3).out_has("this scheduler does not record whether it ran");
    run("--backup b --source s --restore-to r --quiet --assume-unchanged").exits(0);
    run(status).exits(1).out_has("it did not run when it was due, on ").out_has("or more");
    run("--job nightly --quiet --assume-unchanged").exits(0);
    let ran = run(status).exits(0).out_has(", exit code 0\n");
    assert!(!ran.out.contains("did not run"), "{ran}");
    // Files that are verified again by a person are no night; a night that fails is told.
    fs::write(world.path("b/x"), "y").unwrap();
    run("--job nightly --quiet --assume-unchanged").exits(1);
    run(status).exits(1).out_has("the last run ended with exit code 1 (integrity failure");
    fs::write(world.path("b/x"), "x").unwrap();
    run("--job nightly --recheck --quiet --assume-unchanged").exits(0);
    run(status).exits(1).out_has("the last run ended with exit code 1");
}

#[test]
fn show_and_status_are_json_for_programs() {
    // Only that nothing is scheduled for a user of a world of its own; the rest needs a scheduler.
    let world = world();
    if cfg!(windows) {
        return;
    }
    let run = world.run("schedule show --with systemd --user --json");
    let json: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(json, serde_json::json!({"schema": "bkverify-schedule/1", "jobs": []}));
    world.run("schedule status --with systemd --user").exits(1).out_has("nothing is scheduled");
    let run = world.run("schedule status --with systemd --user --job nightly");
    run.exits(1)
        .err_has("the job nightly is not scheduled")
        .err_has("bkverify schedule install --job nightly");
    world.run("schedule remove --with systemd --user --job nightly").exits(1).err_has("is not scheduled");
}
