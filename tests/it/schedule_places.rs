//! What the schedulers are given and what is read back: files in a folder of the test, and programs
//! that play back what real ones printed (`fixtures/schedule`).

use std::cell::RefCell;
use std::fs;
use std::path::Path;

use bkverify::program::ProgramOutput as Ran;
use bkverify::schedule::systemd_state::observe;
use bkverify::schedule::tables::{CronFiles, Crontab};
use bkverify::schedule::task::{Principal, xml};
use bkverify::schedule::tasks::Tasks;
use bkverify::schedule::units::Systemd;
use bkverify::schedule::{Error, Job, Marker, Observed, Scheduler};
use jiff::Zoned;

fn job() -> Job {
    Job {
        name: "nightly".into(),
        at: "Mon..Fri 02:30".parse().unwrap(),
        program: "/usr/bin/bkverify".into(),
        config: "/etc/bkverify/100% bkverify.toml".into(),
        reads: vec!["/backup".into(), "/srv/data".into()],
        writes: vec!["/var/tmp/verify".into(), "/srv/data".into()],
        state: None,
        writes_for_others: false,
        network: false,
        commands: false,
    }
}

fn marker() -> Marker {
    let installed = "2026-11-28T05:00:00Z".parse().unwrap();
    Marker { job: "nightly".into(), at: job().at, installed }
}

/// A program that succeeds and prints this.
fn printing(stdout: &str) -> impl Fn(&[&str]) -> Result<Ran, String> + use<> {
    let stdout = stdout.to_owned();
    move |_| Ok(Ran { code: Some(0), stdout: stdout.clone(), stderr: String::new() })
}

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/schedule/show-{name}.txt"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn units_are_installed_found_and_removed_with_the_commands_that_systemd_needs() {
    let folder = tempfile::tempdir().unwrap();
    let commands = RefCell::new(Vec::new());
    let run = |command: &[&str]| {
        commands.borrow_mut().push(command.join(" "));
        Ok(Ran {
            code: Some(0),
            stdout: fixture("passed").replace("-passes.", "-nightly."),
            stderr: String::new(),
        })
    };
    let systemd = Systemd { folder: folder.path().to_owned(), user: true, run: &run };
    systemd.install(&job(), &marker(), false).unwrap();
    // Again: what is ours is replaced.
    systemd.install(&job(), &marker(), false).unwrap();
    let user = "env TZ=UTC systemctl --user";
    assert_eq!(
        commands.take()[..3],
        ["daemon-reload", "enable bkverify-nightly.timer", "restart bkverify-nightly.timer"]
            .map(|words| format!("{user} {words}"))
    );
    let found = systemd.find().unwrap();
    let installed = &found[0].installed;
    assert_eq!((installed.job.as_str(), installed.at, installed.edited), ("nightly", job().at, false));
    assert_eq!(found[0].program, "/usr/bin/bkverify");
    assert_eq!(
        installed.command,
        "/usr/bin/bkverify --config \"/etc/bkverify/100% bkverify.toml\" --job nightly --quiet"
    );
    assert_eq!(found[0].observed.last.as_ref().unwrap().exit, Some(0));
    let removed = systemd.remove("nightly", false).unwrap();
    assert_eq!(removed.len(), 3, "{removed:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    assert!(systemd.remove("nightly", false).unwrap().is_empty());
}

#[test]
fn what_was_edited_or_is_not_ours_is_left_alone_unless_forced() {
    let folder = tempfile::tempdir().unwrap();
    let run = printing("");
    let systemd = Systemd { folder: folder.path().to_owned(), user: false, run: &run };
    let cron = CronFiles { folder: folder.path().to_owned() };
    let schedulers: [(&dyn Scheduler, &str); 2] =
        [(&systemd, "bkverify-nightly.timer"), (&cron, "bkverify-nightly")];
    for (scheduler, name) in schedulers {
        let path = folder.path().join(name);
        scheduler.install(&job(), &marker(), false).unwrap();
        let ours = fs::read_to_string(&path).unwrap();
        for (text, expected) in [
            (ours.replace("02:30", "03:30").replace("30 2 ", "30 3 "), true),
            ("[Timer]\n# mine\n".to_owned(), false),
        ] {
            fs::write(&path, &text).unwrap();
            for error in [
                scheduler.install(&job(), &marker(), false).unwrap_err(),
                scheduler.remove("nightly", false).unwrap_err(),
            ] {
                assert!(matches!(&error, Error::NotOurs { edited, .. } if *edited == expected), "{error}");
                assert!(
                    error.to_string().contains(path.to_str().unwrap()) && error.hint().contains("--force")
                );
            }
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        scheduler.install(&job(), &marker(), true).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), ours);
        scheduler.remove("nightly", false).unwrap();
    }
}

#[test]
fn a_folder_of_originals_that_a_report_goes_to_stays_writable_and_others_do_not() {
    let run = printing("");
    let systemd = Systemd { folder: "/etc/systemd/system".into(), user: false, run: &run };
    let service = &systemd.pieces(&job(), &marker()).unwrap()[0].text;
    let lines: Vec<_> = service.lines().collect();
    assert!(lines.contains(&"BindPaths=-/var/tmp/verify"), "{service}");
    assert!(lines.contains(&"ReadWritePaths=-/srv/data"), "{service}");
    assert!(
        lines.contains(&"ReadOnlyPaths=-/backup") && !lines.contains(&"ReadOnlyPaths=-/srv/data"),
        "{service}"
    );
    assert!(lines.contains(&"PrivateNetwork=yes") && lines.contains(&"RestrictAddressFamilies=AF_UNIX"));
    let job = Job { network: true, writes_for_others: true, state: Some("/data/state".into()), ..job() };
    let service = &systemd.pieces(&job, &marker()).unwrap()[0].text;
    for line in [
        "ReadWritePaths=-/data/state",
        "CapabilityBoundingSet=CAP_DAC_OVERRIDE",
        "After=network-online.target remote-fs.target",
    ] {
        assert!(service.lines().any(|other| other == line), "{line}: {service}");
    }
    assert!(
        !service.contains("PrivateNetwork")
            && !service.contains("StateDirectory")
            && service.contains("AF_INET6")
    );
    let job = Job { commands: true, ..job };
    let service = &systemd.pieces(&job, &marker()).unwrap()[0].text;
    assert!(!service.contains("Protect") && service.contains("runs commands of its own"), "{service}");
}

#[test]
fn paths_that_a_unit_cannot_hold_are_refused() {
    let run = printing("");
    let systemd = Systemd { folder: "/x".into(), user: false, run: &run };
    for path in ["/srv/a\"b", "/srv/a\\b", "/tmp/a:b", "/srv/a\nb"] {
        let job = Job { reads: vec![path.into()], ..job() };
        let error = systemd.pieces(&job, &marker()).unwrap_err();
        assert!(matches!(error, Error::Refused(_)), "{path:?}: {error}");
    }
}

#[test]
fn a_user_without_a_crontab_gets_one_and_other_lines_stay() {
    let table = RefCell::new(None::<String>);
    let run = |command: &[&str]| match command {
        ["crontab", "-l"] => Ok(table.borrow().clone().map_or_else(
            || Ran { code: Some(1), stdout: String::new(), stderr: "no crontab for me\n".into() },
            |stdout| Ran { code: Some(0), stdout, stderr: String::new() },
        )),
        ["crontab", file] => {
            *table.borrow_mut() = Some(fs::read_to_string(file).unwrap());
            Ok(Ran { code: Some(0), ..Ran::default() })
        }
        other => Err(format!("{other:?}")),
    };
    let crontab = Crontab { run: &run };
    crontab.install(&job(), &marker(), false).unwrap();
    *table.borrow_mut() = table.take().map(|text| format!("0 1 * * * true\n{text}0 2 * * * true\n"));
    crontab.install(&job(), &marker(), false).unwrap();
    let found = crontab.find().unwrap();
    assert_eq!((found.len(), found[0].program.as_str()), (1, "/usr/bin/bkverify"));
    assert!(!found[0].observed.records_runs);
    crontab.remove("nightly", false).unwrap();
    assert_eq!(table.take().unwrap(), "0 1 * * * true\n0 2 * * * true\n");
}

#[test]
fn a_crontab_that_cannot_be_read_is_not_replaced() {
    let run = |command: &[&str]| match command {
        ["crontab", "-l"] => Ok(Ran {
            code: Some(1),
            stdout: String::new(),
            stderr: "you are not allowed to use this program\n".into(),
        }),
        other => panic!("{other:?} must not be run"),
    };
    let error = Crontab { run: &run }.install(&job(), &marker(), false).unwrap_err();
    assert!(error.to_string().contains("you are not allowed"), "{error}");
}

#[test]
fn a_crontab_that_is_not_utf_8_is_left_as_it_is_and_the_line_is_named() {
    // As `program::decode` gives the byte 0xe9 of Latin-1.
    let text = "0 1 * * * true\n0 2 * * * caf\u{fffd}\n";
    let run = |command: &[&str]| match command {
        ["crontab", "-l"] => Ok(Ran { code: Some(0), stdout: text.to_owned(), stderr: String::new() }),
        other => panic!("{other:?} must not be run"),
    };
    let crontab = Crontab { run: &run };
    let failed = [
        crontab.install(&job(), &marker(), true).map(drop),
        crontab.removable("nightly", true).map(drop),
        crontab.remove("nightly", true).map(drop),
    ];
    for error in failed.map(Result::unwrap_err) {
        assert!(error.to_string().starts_with("line 2 of the crontab of this user is not UTF-8"), "{error}");
    }
    assert!(crontab.find().unwrap().is_empty(), "looking at it does no harm");
}

/// What systemd said of the job in a state.
fn seen(state: &str, job: &str) -> Observed {
    observe(&fixture(state), &format!("bkverify-{job}"))
}

#[test]
fn every_state_that_systemd_was_seen_in_is_understood() {
    for (state, job, exit, stopped, problem) in [
        ("passed", "passes", Some(0), false, None),
        ("home", "home", Some(0), false, None),
        ("odd", r"odd\x20100\x25\x20of\x20\x24it", Some(0), false, None),
        ("failed", "bad", Some(1), false, None),
        ("unusable", "gone", Some(4), false, None),
        ("stopped", "passes", Some(0), true, Some("bkverify-passes.timer is not active: it will not run")),
        ("disabled", "passes", Some(0), false, Some("is not enabled: it will not run after a restart")),
        ("masked", "passes", None, true, Some("bkverify-passes.timer is masked: it will not run")),
    ] {
        let observed = seen(state, job);
        assert_eq!((observed.stopped, observed.running), (stopped, false), "{state}: {observed:?}");
        assert_eq!(observed.last.as_ref().unwrap().exit, exit, "{state}: {observed:?}");
        assert_eq!(observed.problems.is_empty(), problem.is_none(), "{state}: {observed:?}");
        if let Some(problem) = problem {
            assert!(observed.problems[0].contains(problem), "{state}: {observed:?}");
        }
        assert_eq!(observed.next.is_none(), stopped, "{state}: {observed:?}");
    }
}

#[test]
fn a_timer_that_never_ran_and_one_that_systemd_does_not_know_are_told_apart() {
    let new = seen("new", "passes");
    assert_eq!((new.last, new.problems.len(), new.next.is_some()), (None, 0, true));
    let missing = seen("missing", "nosuch");
    assert!(missing.stopped && missing.problems[0].contains("systemd does not know bkverify-nosuch.timer"));
    // What is not there at all is no reason to call it fine.
    assert!(observe("", "bkverify-nosuch").stopped);
    let changed = seen("reload", "passes");
    assert!(changed.problems.iter().any(|problem| problem.contains("not enabled")), "{changed:?}");
}

#[test]
fn a_program_that_systemd_could_not_start_is_no_run_of_bkverify() {
    let last = seen("not-started", "passes").last.unwrap();
    assert_eq!(last.exit, None);
    assert_eq!(last.problem.as_deref(), Some("systemd could not start the program (203/EXEC)"));
}

fn tasks_json(state: &str, result: &str, last: &str) -> String {
    let day = jiff::civil::date(2026, 11, 30);
    let xml = xml(&job(), &marker(), &Principal::System, day).unwrap();
    let task = serde_json::json!({
        "name": "nightly", "state": state, "xml": xml, "last": last, "result": result,
        "next": "2026-11-30T02:30:00Z",
    });
    serde_json::json!({ "tasks": [task] }).to_string()
}

#[test]
fn what_the_task_scheduler_says_of_a_task_is_understood() {
    let now: Zoned = "2026-11-28T12:00:00+00:00[UTC]".parse().unwrap();
    let last = "2026-11-27T02:31:00Z";
    for (state, result, exit, problem) in [
        ("Ready", "0", Some(0), None),
        ("Ready", "4", Some(4), None),
        ("Ready", "2147942402", None, Some("the program does not exist")),
        ("Ready", "267014", None, Some("somebody ended it")),
        ("Ready", "3221225786", None, Some("the Task Scheduler says 0xc000013a")),
        ("Running", "267009", None, None),
    ] {
        let run = printing(&tasks_json(state, result, last));
        let found = Tasks { principal: Principal::System, now: now.clone(), run: &run }.find().unwrap();
        let observed = &found[0].observed;
        let seen = observed.last.as_ref().unwrap();
        assert_eq!((seen.exit, seen.problem.as_deref()), (exit, problem), "{result}");
        assert_eq!(observed.running, state == "Running");
        assert!(!found[0].installed.edited);
    }
    let run = printing(&tasks_json("Disabled", "267011", "1999-11-30T00:00:00Z"));
    let found = Tasks { principal: Principal::System, now: now.clone(), run: &run }.find().unwrap();
    assert!(found[0].observed.stopped && found[0].observed.last.is_none());
    let run = printing("not json");
    let error = Tasks { principal: Principal::System, now, run: &run }.find().unwrap_err();
    assert!(error.to_string().contains("its answer is not what was asked for"), "{error}");
}
