//! `bkverify history`, `coverage` and `status`, and the metrics, through the program itself: several
//! runs over a small backup, and what is asked about them afterwards.

use std::process::Command;

use serde_json::Value;

use crate::pack::Member;
use crate::world::{RunResult, World};

const JOB: &str = "[jobs.nightly]\nbackup = 'b'\nsource = 's'\nrestore-to = 'r'\nsample = 'all'\ncompleteness = 0\n\
    cache = 'use'\nstate = 'state'\n";

/// Twelve files in two folders, and a job that verifies all of them.
fn world() -> World {
    let members: Vec<_> = (0..12)
        .map(|number| Member::new(format!("d{}/{number}", number % 2), "x".repeat(number + 1)))
        .collect();
    World::new().originals(&members).backup("folder", &members).file("bkverify.toml", JOB)
}

/// The same, after a run that passed.
fn passed() -> World {
    let world = world();
    world.run("--quiet").exits(0);
    world
}

/// The same, after a second run that found a file to be bad.
fn failed() -> World {
    let world = passed();
    let place = world.path("b/d1/3");
    let time = std::fs::metadata(&place).unwrap().modified().unwrap();
    std::fs::write(&place, "rot!").unwrap();
    std::fs::File::options().write(true).open(&place).unwrap().set_modified(time).unwrap();
    world.run("--quiet").exits(1);
    world
}

/// The JSON on standard output. Asserts that it matches the schema that the program prints.
#[track_caller]
fn json(world: &World, ran: &RunResult, form: &str) -> Value {
    let schema = world.run(&format!("generate schema {form}")).exits(0).out;
    let schema = serde_json::from_str(&schema).unwrap();
    let value: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}\n{ran}"));
    if let Err(error) = jsonschema::validator_for(&schema).unwrap().validate(&value) {
        panic!("{error} at {}\n{ran}", error.instance_path());
    }
    value
}

#[test]
fn runs_are_told_as_a_table_as_json_and_as_csv() {
    let world = failed();
    let table = world.run("history").exits(0);
    let lines: Vec<Vec<&str>> =
        table.out.lines().skip(2).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((lines[0][0], lines[0][3], lines[0][4]), ("2", "nightly", "fail"), "{table}");
    assert_eq!((lines[1][0], lines[1][3], lines[1][4]), ("1", "nightly", "pass"), "{table}");
    let found = json(&world, &world.run("history --json - --last 1").exits(0), "history");
    assert_eq!((&found["runs"][0]["bad"], &found["older"]), (&1.into(), &1.into()));
    let csv = world.run("history --csv -").exits(0).out;
    assert_eq!(csv.lines().count(), 3, "{csv}");
    assert!(csv.starts_with("run,started,ended,job,"), "{csv}");
    world.run("history --since 1h --job nightly").exits(0).out_has("nightly");
    world.run("history --job nigthly").exits(3).err_has("did you mean nightly?");
    world.run("history --since 2999-01-01").exits(3).err_has("no run began since then");
}

#[test]
fn a_stored_report_is_printed_again_by_every_renderer() {
    let world = failed();
    world.run("--quiet --json new.json").exits(1);
    world.run("history --run 2").exits(0).out_has("FAIL  11 of 12 identical").out_has("corrupt: d1/3");
    let stored = world.run("history --run 3 --json -").exits(0).out;
    assert_eq!(stored, world.read("new.json"));
    world.run("history --run 2 --junit again.xml").exits(0).out_has("FAIL");
    assert!(world.read("again.xml").contains("<testsuites name=\"bkverify\""));
    world.run("history --run 9").exits(3).err_has("there is no run 9 in the ledger").err_has("from 1 to 3");
    world.run("history --run 2 --last 1").exits(2);
}

#[test]
fn a_file_is_found_by_its_original_and_by_its_path_in_the_backup() {
    let world = failed();
    let original = world.path("s/d1/3").display().to_string();
    for path in [&*original, "s/d1/3", "d1/3", "./d1/3"] {
        world
            .run(&format!("history {path}"))
            .exits(0)
            .out_has("2 runs have judged it")
            .out_has("run 2, corrupt: ");
    }
    let found = json(&world, &world.run("history d1/3 --json -").exits(0), "file-history");
    let judged: Vec<_> = found["files"][0]["judged"].as_array().unwrap().iter().collect();
    assert_eq!((&judged[0]["verdict"], &judged[1]["verdict"]), (&"corrupt".into(), &"verified".into()));
    assert_eq!(judged[0]["original_hash"], judged[1]["restored_hash"], "the original is as it was");
    assert_ne!(judged[0]["restored_hash"], judged[1]["restored_hash"]);
    world.run("history d1/33").exits(3).out_has("No run has judged d1/33.").out_has("  d1/3\n");
}

#[test]
fn files_that_left_the_backup_are_in_no_number_of_a_listing() {
    let world = passed();
    std::fs::remove_file(world.path("b/d0/0")).unwrap();
    let world = world.file("b/d0/new", "1234").file("s/d0/new", "1234");
    let listed = world.run("coverage --list --json").exits(0);
    let backup = &json(&world, &listed, "coverage")["backups"][0];
    assert_eq!((&backup["how"], &backup["gone"]), (&"listed".into(), &1.into()), "{backup:#}");
    assert_eq!((&backup["population"]["files"], &backup["ever"]["files"]), (&12.into(), &11.into()));
    assert_eq!(backup["never"], serde_json::json!({"files": 1, "bytes": 4}));
    assert_eq!(backup["folders"][0]["path"], "d0");
    // The ledger alone does not know that, and says so.
    let remembered = world.run("coverage").exits(0).out_has("These are upper limits");
    assert!(remembered.out.contains("100.00%"), "{remembered}");
    let remembered = world.run("coverage --json - --job nightly").exits(0);
    assert_eq!(json(&world, &remembered, "coverage")["backups"][0]["how"], "remembered");
    world.run("coverage --csv").exits(0).out_has("backup,jobs,how,days,files,");
}

#[test]
fn a_backup_that_cannot_be_listed_or_was_never_verified_is_an_error() {
    let world = passed().folder("other").file("other/d0/0", "x");
    world.run("coverage --list --backup other --source s").exits(3).err_has("no run has verified");
    world.run("coverage --job weekly").exits(3).err_has("no run of the job \"weekly\" is in the ledger");
    world.run("coverage --source s").exits(2);
    std::fs::rename(world.path("b"), world.path("away")).unwrap();
    world.run("coverage --list").exits(4);
    world.run("coverage").exits(0);
}

#[test]
fn status_is_one_line_with_an_exit_code() {
    let world = passed();
    let well = world.run("status").exits(0).err_is("");
    assert!(well.out.starts_with("OK - nightly: last pass 20"), "{well}");
    assert_eq!((well.out.lines().count(), well.out.matches(" | ").count()), (1, 1), "{well}");
    world.run("status --job weekly").exits(3).out_has("UNKNOWN - weekly: it never ran; it is not in ");
    world.run("status --job nightly --job weekly").exits(3);
    let world = failed();
    let bad = world.run("status").exits(1).err_is("");
    assert!(bad.out.starts_with("WARNING - nightly: the last run, 20"), "{bad}");
    let found = json(&world, &RunResult { ..world.run("status --json").exits(1) }, "status");
    assert_eq!((&found["state"], &found["exit_code"]), (&"warning".into(), &1.into()));
    assert!(bad.out.contains("verified=11;;;0; bad=1;;;0;"), "{bad}");
}

/// The same job, which draws one file a night of those in `d1`; then a night that draws another one
/// than the bad one, and passes.
fn passed_after_a_failure() -> World {
    let world = failed();
    let world = world.file("bkverify.toml", JOB.replace("'all'", "'1'") + "include = ['/d0/0']\n");
    world.run("--quiet").exits(0);
    world
}

#[test]
fn a_night_that_passes_hides_no_file_that_is_known_to_be_bad() {
    let world = passed_after_a_failure();
    let bad = world.run("status").exits(1).err_is("");
    assert!(
        bad.out.starts_with("WARNING - nightly: 1 file is bad until it is verified again: d1/3 (corrupt"),
        "{bad}"
    );
    bad.out_has("back it up again, then run: bkverify --job nightly --recheck").out_has("alarms=1;0;;0;");
    let found = json(&world, &world.run("status --json").exits(1), "status");
    let alarms = &found["jobs"][0]["alarms"];
    assert_eq!((&alarms["count"], &alarms["path"]), (&1.into(), &"d1/3".into()), "{found:#}");
    let history = json(&world, &world.run("history --json -").exits(0), "history");
    assert_eq!(alarms["since"], history["runs"][1]["started"], "since the run that found it");
    let metrics = world.run("status --metrics -").exits(1);
    metrics.out_has("bkverify_known_bad_files{bkverify_job=\"nightly\"} 1\n");
    // Nothing is mended by asking.
    world.run("plan --recheck").exits(0).out_has("recheck       1 file").out_has("d1/3");
    let again = world.run("--recheck").exits(1).out_has("corrupt: d1/3").out_has("0 of 1 identical");
    assert!(!again.out.contains("--seed"), "{again}");
    let again = json(&world, &world.run("status --json").exits(1), "status");
    assert_eq!(&again["jobs"][0]["alarms"]["since"], &alarms["since"], "it is bad since then");
}

#[test]
fn a_file_that_was_mended_is_verified_again_alone_and_then_all_is_well() {
    let world = passed_after_a_failure();
    std::fs::copy(world.path("s/d1/3"), world.path("b/d1/3")).unwrap();
    let time = std::fs::metadata(world.path("s/d1/3")).unwrap().modified().unwrap();
    std::fs::File::options().write(true).open(world.path("b/d1/3")).unwrap().set_modified(time).unwrap();
    let before = json(&world, &world.run("status --json").exits(1), "status");
    world.run("--recheck --json again.json").exits(0).out_has("PASS  1 of 1 identical");
    assert!(world.read("again.json").contains("\"only\": [\n"));
    let well = world.run("status").exits(0).out_has("OK - nightly").out_has("alarms=0;0;;0;");
    drop(well);
    let after = json(&world, &world.run("status --json").exits(0), "status");
    let pass = |status: &Value| status["jobs"][0]["last_pass"].clone();
    assert_eq!(pass(&after), pass(&before), "one file alone is no night that passed");
    world.run("history").exits(0).out_has("recheck");
    world.run("coverage").exits(0).out_has("12 files, as listed on");
    let runs = |world: &World| world.run("history --csv -").out.lines().count();
    let before = runs(&world);
    world.run("--recheck").exits(0).out_has("no file of this backup was bad when it was last judged");
    world.run("plan --recheck").exits(0).out_has("there is nothing to verify again");
    assert_eq!(runs(&world), before);
}

#[test]
fn a_bad_file_that_has_left_the_backup_is_told_once_and_is_no_alarm_any_more() {
    let world = passed_after_a_failure();
    std::fs::remove_file(world.path("b/d1/3")).unwrap();
    let told = "d1/3 is not in the backup any more, and it no longer counts as bad";
    world.run("--recheck").exits(3).err_has("does not list any of the files that were bad").err_has(told);
    let status = json(&world, &world.run("status --json").exits(1), "status");
    assert_eq!(status["jobs"][0]["alarms"], Value::Null);
    world.run("--quiet").exits(0);
    world.run("status").exits(0);
    world.run("ledger check --state state").exits(0);
}

#[test]
fn files_that_were_bad_cannot_be_asked_for_without_a_ledger_or_with_others() {
    let world = passed();
    world.run("--recheck --state none").exits(2).err_has("nothing is remembered");
    world.run("--recheck --state elsewhere").exits(4).err_has("cannot tell which files were bad");
    for other in ["--sample 5", "--include x", "--strategy size", "--resume"] {
        world.run(&format!("--recheck {other}")).exits(2);
    }
    assert!(!world.path("elsewhere").exists());
}

#[test]
fn a_configured_job_that_never_ran_is_not_well_and_a_renamed_one_is_not_missed() {
    let world = passed();
    let two = format!("{JOB}\n[jobs.weekly]\nbackup = 'b'\n");
    let world = world.file(
        "bkverify.toml",
        two.replace("state = 'state'\n", "").replace("[jobs.nightly]", "state = 'state'\n[jobs.nightly]"),
    );
    world.run("status").exits(3).out_has("weekly: it never ran").out_has("nightly: last pass");
    // The job goes on under another name: the old one is not missed, once the new one has run.
    let renamed =
        JOB.replace("state = 'state'\n", "").replace("[jobs.nightly]", "state = 'state'\n[jobs.every-night]");
    let world = world.file("bkverify.toml", renamed);
    world.run("status").exits(3).out_has("every-night: it never ran");
    world.run("--quiet").exits(0);
    let well = world.run("status").exits(0);
    assert!(!well.out.contains("nightly"), "{well}");
    world.run("status --job nightly").exits(0).out_has("nightly: last pass");
}

#[test]
fn a_ledger_that_cannot_be_read_is_unknown_and_none_is_ever_made() {
    let world = world();
    let asks = |problem: &str| {
        world.run("status").exits(3).out_has("UNKNOWN - the ledger ").out_has(problem).err_is("");
        for command in ["history", "history d0/0", "history --run 1", "coverage", "coverage --list"] {
            world.run(command).exits(3).err_has(problem).err_has("hint: ").out_is("");
        }
    };
    asks("does not exist");
    assert!(!world.path("state").exists());
    std::fs::create_dir(world.path("state")).unwrap();
    for (content, problem) in
        [("garbage, not a ledger", "is not a ledger"), ("SQLite format 3\0cut", "ledger")]
    {
        std::fs::write(world.path("state/ledger.sqlite"), content).unwrap();
        asks(problem);
        assert_eq!(std::fs::read(world.path("state/ledger.sqlite")).unwrap(), content.as_bytes());
    }
    assert_eq!(world.names("state"), ["ledger.sqlite"]);
}

#[test]
fn an_answer_is_never_written_over_an_original_or_into_a_backup() {
    let world = passed();
    for command in ["history --json", "history --csv", "coverage --json", "status --json", "status --metrics"]
    {
        for place in ["s/d0/0", "b/new"] {
            world.run(&format!("{command} {place}")).exits(2).err_has(place.rsplit('/').next().unwrap());
        }
        world.run(&format!("{command} answer")).exits(0);
        world.run(&format!("{command} answer")).exits(0);
    }
    assert_eq!(world.read("s/d0/0"), "x");
    assert!(!world.path("b/new").exists());
    world.run("history --json x --csv x").exits(2).err_has("two answers are to be written to ");
}

/// Lets Prometheus' own program check metrics.
fn promtool(metrics: &str) {
    let unpacked = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/bin");
    let path = format!("{unpacked}:{}", std::env::var("PATH").unwrap());
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).env("PATH", path);
    let program = ["/usr/bin/promtool", &format!("{unpacked}/promtool")].map(std::path::PathBuf::from);
    assert!(
        program.iter().any(|place| place.exists())
            || Command::new("promtool").arg("--version").output().is_ok(),
        "promtool is not here: `.ci/test` gets it, or install Debian's package prometheus"
    );
    let ran = RunResult::of(command, metrics);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (Some(0), "", ""), "{metrics}");
}

/// The value of a series of `nightly`; `None` if there is none.
fn value(metrics: &str, name: &str) -> Option<f64> {
    let line = metrics.lines().find(|line| line.starts_with(&format!("{name}{{bkverify_job=\"nightly\"")))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[cfg(target_os = "linux")]
#[test]
fn metrics_are_written_after_every_run_and_promtool_has_no_complaint() {
    let world = world();
    world.run("--quiet --metrics m.prom").exits(0).err_is("");
    let first = world.read("m.prom");
    promtool(&first);
    let last = |metrics: &str| value(metrics, "bkverify_last_run_timestamp_seconds");
    assert_eq!(value(&first, "bkverify_last_success_timestamp_seconds"), last(&first));
    assert_eq!(value(&first, "bkverify_last_run_verified_files"), Some(12.0));
    assert_eq!(value(&first, "bkverify_coverage_files_ratio"), Some(1.0));
    // A run that cannot begin replaces the file, and keeps the time of the last success.
    std::fs::rename(world.path("b"), world.path("away")).unwrap();
    world.run("--quiet --metrics m.prom").exits(4);
    let second = world.read("m.prom");
    promtool(&second);
    assert_eq!(value(&second, "bkverify_last_run_exit_code"), Some(4.0));
    assert_eq!(value(&second, "bkverify_last_success_timestamp_seconds"), last(&first));
    assert!(last(&second) > last(&first), "{second}");
    let asked = world.run("status --metrics -").exits(1).out;
    promtool(&asked);
    assert_eq!(value(&asked, "bkverify_last_run_exit_code"), Some(4.0));
}

#[test]
fn metrics_that_cannot_be_written_are_only_a_warning() {
    let world = world().folder("folder");
    for place in ["missing/m.prom", "folder", "b/m.prom"] {
        world
            .run(&format!("--quiet --metrics {place}"))
            .exits(0)
            .err_has("warning: cannot write the metrics to ")
            .out_is("");
    }
    assert!(!world.path("b/m.prom").exists());
    world.run("--quiet --metrics x --json x").exits(2).err_has("--json and --metrics name the same file");
}

#[test]
fn without_a_ledger_metrics_tell_what_the_run_itself_knows() {
    let world = world();
    world.run("--quiet --state none --metrics m.prom").exits(0).err_is("");
    let metrics = world.read("m.prom");
    assert_eq!(value(&metrics, "bkverify_last_run_exit_code"), Some(0.0));
    assert!(value(&metrics, "bkverify_last_success_timestamp_seconds").is_some_and(|time| time > 0.0));
    assert_eq!(value(&metrics, "bkverify_runs_total"), None);
}
