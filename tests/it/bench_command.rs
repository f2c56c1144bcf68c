//! `bkverify bench` through the program itself, in small worlds: what it measures, says, leaves
//! behind and refuses.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::pack::Member;
use crate::world::World;

const JOB: &str = "--backup b --source s --restore-to r --threads 1,2";
const QUICK: &str = "--max-time 20s --max-bytes 64MiB";

fn world(format: &str) -> World {
    world_of(400, format)
}

fn world_of(files: usize, format: &str) -> World {
    let members: Vec<_> = (0..files)
        .map(|number| Member::new(format!("d{}/{number}", number % 7), "x".repeat(number * 40)))
        .collect();
    World::new().originals(&members).backup(format, &members).folder("r")
}

fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files =
        walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap).filter(|one| one.file_type().is_file());
    files.map(|one| (one.path().display().to_string(), std::fs::read(one.path()).unwrap())).collect()
}

fn probes(report: &Value) -> Vec<(&str, &str)> {
    let figures = report["figures"].as_array().unwrap();
    figures
        .iter()
        .map(|figure| {
            (figure["place"].as_str().unwrap().split(' ').next().unwrap(), figure["probe"].as_str().unwrap())
        })
        .collect()
}

/// The figures. Asserts that they match the schema that ships.
#[track_caller]
fn figures(world: &World, path: &str) -> Value {
    let text = world.read(path);
    let schema = serde_json::from_str(bkverify::bench::json::SCHEMA).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    if let Err(error) = jsonschema::validator_for(&schema).unwrap().validate(&report) {
        panic!("{error} at {}\n{text}", error.instance_path());
    }
    report
}

#[test]
fn a_job_is_measured_predicted_and_checked_and_nothing_is_changed() {
    let world = world("folder");
    let before = (content(&world.path("b")), content(&world.path("s")));
    let ran = world.run(&format!("bench {JOB} {QUICK} --json f.json")).exits(0);
    let ran =
        ran.out_has("bottleneck").out_has("recommended  --threads ").out_has("expected     --sample all");
    ran.out_has("checked      ").err_is("");
    assert_eq!((content(&world.path("b")), content(&world.path("s"))), before);
    assert_eq!(world.names("r"), [""; 0]);
    let report = figures(&world, "f.json");
    assert_eq!((&report["schema"], &report["interrupted"]), (&"bkverify-bench/1".into(), &false.into()));
    for place in ["backup", "source"] {
        for probe in ["list", "open", "sequential-read", "random-read"] {
            assert!(probes(&report).contains(&(place, probe)), "{place} {probe}: {report}");
        }
    }
    for figure in [("restore", "write"), ("restore", "write-through"), ("blake3", "hash"), ("sha256", "hash")]
    {
        assert!(probes(&report).contains(&figure), "{figure:?}: {report}");
    }
    let calibration = &report["advice"]["calibration"];
    assert!(calibration["files"].as_u64().is_some_and(|files| (200..=400).contains(&files)), "{report}");
    assert_eq!(calibration["population"], 400);
    assert_eq!(report["advice"]["predictions"][1]["files"], 20);
}

#[test]
fn an_archive_is_measured_as_one_file() {
    for format in ["tar", "zip"] {
        let world = world(format);
        world
            .run(&format!("bench {JOB} {QUICK} --json f.json"))
            .exits(0)
            .out_has("expected     --sample 500");
        let report = figures(&world, "f.json");
        assert!(probes(&report).contains(&("backup", "sequential-read")), "{format}: {report}");
        assert!(!probes(&report).contains(&("backup", "open")), "{format}: {report}");
        assert_eq!(report["places"][0]["files"], 400);
    }
}

#[test]
fn a_folder_without_a_restore_folder_is_only_read() {
    let world = world("folder");
    let before = content(&world.path(""));
    let ran = world.run(&format!("bench --path s --threads 2 {QUICK}")).exits(0);
    ran.out_has("path ")
        .out_has("read in order")
        .out_has("note: no advice without a verification to predict");
    assert_eq!(content(&world.path("")), before);
}

#[test]
fn without_flags_the_configured_job_is_measured() {
    let world = world("folder").file("bkverify.toml", "backup = 'b'\nsource = ['s']\nrestore-to = 'r'\n");
    world.run(&format!("bench --threads 2 {QUICK}")).exits(0).out_has("expected     --sample 5%");
}

#[test]
fn probes_slower_than_in_an_older_bench_are_marked() {
    let world = world("folder");
    let bench = format!("bench --path s --threads 2 {QUICK} --json new.json");
    world.run(&bench).exits(0);
    let mut old = figures(&world, "new.json");
    for figure in old["figures"].as_array_mut().unwrap() {
        figure["per_second"] = (figure["per_second"].as_f64().unwrap() * 1e6).into();
    }
    let world = world.file("old.json", old.to_string());
    world.run(&format!("{bench} --compare old.json")).exits(0).out_has("SLOWER by more than 30% than on ");
    let new = figures(&world, "new.json");
    assert_eq!(new["slower"].as_array().unwrap().len(), new["figures"].as_array().unwrap().len());
}

#[test]
fn a_bad_file_that_the_bench_finds_is_reported() {
    let world = world("folder");
    let damaged = (0..400).fold(world, |world, number| {
        world.file(&format!("b/d{}/{number}", number % 7), "y".repeat(number * 40))
    });
    damaged
        .run(&format!("bench {JOB} {QUICK} --json f.json"))
        .exits(1)
        .out_has("ATTENTION    a real run came upon ");
    assert!(figures(&damaged, "f.json")["bad"].as_u64().is_some_and(|bad| bad > 300));
    // Too little for advice, but enough to find the bad files.
    let little = "--max-bytes 1MiB --max-time 20s --json f.json";
    damaged.run(&format!("bench {JOB} {little}")).exits(1).out_has("ATTENTION    a real run came upon ");
    assert_ne!(figures(&damaged, "f.json")["bad"], 0);
}

#[test]
fn if_the_sample_is_not_all_files_the_time_for_all_is_measured_in_order() {
    let world = world_of(900, "folder");
    world.run(&format!("bench {JOB} {QUICK} --json f.json")).exits(0);
    let report = figures(&world, "f.json");
    assert_eq!(report["advice"]["calibration"]["files"], 500, "{report}");
    assert!(report["advice"]["in_order"]["files"].as_u64().is_some_and(|files| files >= 20), "{report}");
    assert_eq!(report["advice"]["predictions"][2]["files"], 900, "{report}");
}

#[test]
fn figures_of_a_tiny_backup_match_the_schema() {
    let world = World::new().folder("empty").folder("one").file("one/file", "");
    for path in ["empty", "one"] {
        world.run(&format!("bench --path {path} --threads 1 {QUICK} --json f.json")).exits(0);
        let report = figures(&world, "f.json");
        assert_eq!((&report["advice"], &report["check"]), (&Value::Null, &Value::Null), "{report}");
    }
}

#[test]
fn the_printed_schema_is_the_one_that_ships() {
    let world = World::new();
    let printed =
        |command: &str| -> Value { serde_json::from_str(&world.run(command).exits(0).out).unwrap() };
    assert_eq!(printed("generate schema bench")["$id"], "urn:bkverify:bench:1");
    assert_eq!(printed("generate schema"), printed("generate schema verify"));
    assert_eq!(printed("generate schema")["$id"], "urn:bkverify:report:2");
}

#[test]
fn backups_that_cannot_be_measured_are_refused_by_name() {
    let world = world("folder").file("other.json", "{\"schema\": \"x\"}");
    world.run("bench").exits(2).err_has("missing: the backup");
    world.run("bench --path gone").exits(4).err_has("cannot read").err_has("gone");
    world.run("bench --path s --restore-to s/deep").exits(2).err_has("is inside");
    world.run("bench --path s --max-bytes 1").exits(2).err_has("--max-bytes");
    world.run("bench --path s --threads 0").exits(2).err_has("--threads");
    world
        .run("bench --path s --compare other.json")
        .exits(2)
        .err_has("it is a \"x\", not a \"bkverify-bench/1\"");
    assert!(!world.path("s/deep").exists());
    let before = content(&world.path("b"));
    world.run(&format!("bench {JOB} --json b/d0/0")).exits(2).err_has("d0");
    assert_eq!(content(&world.path("b")), before);
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_bench_with_what_was_measured_and_cleans_up() {
    use std::process::Stdio;
    let world = world("folder");
    let flags = "bench --path s --restore-to r --threads 2 --max-time 10m --max-bytes 40GiB --json f.json";
    let child = world.command(flags).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let clock = std::time::Instant::now();
    // Waits until the run writes.
    while world.names("r").is_empty() {
        assert!(clock.elapsed() < std::time::Duration::from_secs(60), "nothing is written");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    crate::unix::signal(&child, rustix::process::Signal::INT);
    let clock = std::time::Instant::now();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(clock.elapsed() < std::time::Duration::from_secs(20));
    assert_eq!(world.names("r"), [""; 0]);
    let report = figures(&world, "f.json");
    assert_eq!(report["interrupted"], true);
}
