//! Runs the checklist on any system: names, ticks, facts, reports, exit codes.

use std::process::Command;

use serde_json::Value;

use crate::world::{RunResult, World};

/// A command with a state folder in this world.
pub fn command(world: &World, arguments: &str) -> Command {
    let mut command = world.command(arguments);
    command.env("BKVERIFY_STATE_DIR", world.path("state"));
    command
}

#[track_caller]
pub fn run(world: &World, arguments: &str) -> RunResult {
    RunResult::of(command(world, arguments), "")
}

/// The status and title of all findings in a JSON record.
#[track_caller]
pub fn findings(record: &str) -> Vec<(String, String)> {
    let record: Value = serde_json::from_str(record).unwrap_or_else(|error| panic!("{error}\n{record}"));
    let checks = record["checks"].as_array().unwrap();
    let findings = checks.iter().flat_map(|check| check["findings"].as_array().unwrap());
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    findings.map(|finding| (text(finding, "status"), text(finding, "title"))).collect()
}

#[track_caller]
pub fn has(ran: &RunResult, status: &str, title: &str) {
    let found = findings(&ran.out);
    assert!(
        found.iter().any(|(a, b)| a == status && b.contains(title)),
        "no {status} {title:?} in\n{found:#?}"
    );
}

#[test]
fn a_mistyped_check_is_a_usage_error_with_the_nearest_name() {
    run(&World::new(), "checklist cluck")
        .exits(2)
        .err_has("no check \"cluck\"")
        .err_has("did you mean clock?");
}

/// The facts of this machine as those of another.
pub fn of_another(facts: &str) -> Value {
    let mut facts: Value = serde_json::from_str(facts).unwrap();
    facts["name"] = "dc01".into();
    facts
}

#[test]
fn a_step_is_ticked_off_with_who_and_when_and_expires_after_two_weeks() {
    let world = World::new();
    let step = "clock-installation --ntp 127.0.0.1:9";
    run(&world, &format!("checklist done {step} --note ok")).exits(0).out_has("counts until");
    let ticks: Value = serde_json::from_str(&world.read("state/checklist-ticks.json")).unwrap();
    let time = |key: &str| ticks["ticks"][0][key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(time("until").duration_since(time("when")), jiff::SignedDuration::from_hours(14 * 24));
    run(&world, "checklist done migration-toll --note ok").exits(2).err_has("did you mean migration-tool?");
    run(&world, "checklist done time-zone").exits(2).err_has("--note");
    run(&world, &format!("checklist done {step} --note ok --valid-for 400d"))
        .exits(2)
        .err_has("longer than a year");
}

#[test]
fn a_tick_answers_its_step_alone_as_it_was_seen() {
    let world = World::new();
    run(&world, "checklist done time-zone --note same --against 127.0.0.1:9").exits(0);
    let ran = run(&world, "checklist clock --json - --against 127.0.0.1:9");
    has(&ran, "pass", "NTP does not carry it (done by ");
    has(&ran, "could-not-check", "127.0.0.1:9 gave no time");
    let other = run(&world, "checklist clock --json - --against 127.0.0.1:8");
    has(&other, "manual", "Compare the time zone with 127.0.0.1:8's");
    run(&world, "checklist done time-zone --note same --ntp 127.0.0.1:9")
        .exits(2)
        .err_has("finds nothing to tick off or waive called \"time-zone\"");
}

#[test]
fn a_failing_finding_is_waived_with_a_reason_and_shown_as_waived() {
    let world = World::new();
    let clock = "checklist clock --json - --against 127.0.0.1:9";
    let waive = "checklist waive clock --against 127.0.0.1:9 --reason firewall --valid-for 3d";
    run(&world, &format!("{waive} no-such-finding"))
        .exits(2)
        .err_has("nothing to tick off or waive called \"no-such-finding\"");
    run(&world, "checklist waive clock the").exits(2).err_has("--reason");
    run(&world, &format!("{waive} gave")).exits(0).out_has("waived by ");
    has(&run(&world, clock), "waived", "127.0.0.1:9 gave no time");
    has(&run(&world, &clock.replace(":9", ":8")), "could-not-check", "127.0.0.1:8 gave no time");
}

#[test]
fn facts_contain_name_clock_and_time_zone() {
    let world = World::new();
    let ran = run(&world, "facts --json").exits(0);
    let facts: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(facts["schema"], "bkverify-facts/1");
    assert_eq!(facts["zone"]["offsets"].as_array().unwrap().len(), 12);
    run(&world, "facts").exits(0).out_has("time zone");
}

#[test]
fn facts_through_a_pipe_are_compared_with_clock_and_time_zone() {
    let world = World::new();
    let own = run(&world, "facts --json").out;
    RunResult::of(command(&world, "checklist clock --against -"), &own).exits(2).err_has("itself");
    let mut elsewhere = of_another(&own);
    let ran = RunResult::of(command(&world, "checklist clock --against - --json -"), &elsewhere.to_string());
    has(&ran, "pass", "Same time zone as");
    elsewhere["zone"]["offsets"][6] = 3_600.into();
    let ran = RunResult::of(command(&world, "checklist clock --against - --json -"), &elsewhere.to_string());
    has(&ran, "fail", "The time zone differs from that of");
    assert_eq!(ran.code, Some(1));
}

#[test]
fn a_file_without_facts_is_a_usage_error() {
    let world = World::new().file("x.json", "{}");
    run(&world, "checklist clock --against x.json").exits(2).err_has("bkverify facts --json");
    run(&world, "checklist clock --against y.json").exits(2).err_has("there is no file of facts at");
}

#[test]
fn a_state_folder_that_cannot_be_written_is_named() {
    let world = World::new().file("state", "in the way");
    run(&world, "checklist migration-tool").exits(4).err_has("BKVERIFY_STATE_DIR");
}

#[test]
fn at_most_one_report_goes_to_standard_output() {
    let world = World::new();
    let ran = run(&world, "checklist migration-tool --json r.json");
    assert!(ran.out.contains("Migration Preparation Tool") && ran.err.is_empty(), "{ran}");
    let record: Value = serde_json::from_str(&world.read("r.json")).unwrap();
    assert_eq!(record["schema"], "bkverify-checklist/3");
    let ran = run(&world, "checklist migration-tool --json -");
    assert_eq!(findings(&ran.out).len(), findings(&world.read("r.json")).len());
    assert!(ran.err.contains("Migration Preparation Tool"), "the page goes to the other stream\n{ran}");
    run(&world, "checklist --json - --html -")
        .exits(2)
        .err_has("--json and --html both go to standard output");
    run(&world, "checklist --json - --fix").exits(2).err_has("--fix and --json");
    run(&world, "checklist --json").exits(2).err_has("--json <FILE>");
    run(&world, "facts --json f.json").exits(0).out_is("");
    let another = of_another(&world.read("f.json")).to_string();
    let world = world.file("dc01.json", another);
    run(&world, "checklist clock --against dc01.json").out_has("Same time zone as");
}

#[test]
fn without_a_terminal_the_page_is_80_columns_wide_and_coloured_only_on_request() {
    let world = World::new();
    let plain = run(&world, "checklist clock vpn");
    assert!(!plain.out.contains('\x1b') && plain.err.is_empty(), "{plain}");
    // Only a word that is longer than a line may be wider.
    let wide = |line: &&str| line.chars().count() > 80 && line.split_whitespace().count() > 1;
    assert_eq!(plain.out.lines().find(wide), None, "{plain}");
    run(&world, "checklist clock --color always").out_has("\x1b[");
    let mut without = command(&world, "checklist clock");
    without.env("NO_COLOR", "1");
    assert!(!RunResult::of(without, "").out.contains('\x1b'));
}

#[test]
fn a_quiet_run_prints_nothing_unless_something_is_wrong() {
    let world = World::new();
    let mut elsewhere = of_another(&run(&world, "facts --json").out);
    let quiet = RunResult::of(command(&world, "checklist clock --against - --quiet"), &elsewhere.to_string());
    assert_eq!(quiet.out.is_empty(), quiet.code == Some(0), "{quiet}");
    elsewhere["zone"]["offsets"][6] = 3_600.into();
    RunResult::of(command(&world, "checklist clock --against - --quiet"), &elsewhere.to_string())
        .exits(1)
        .out_has("The time zone differs from that of");
}

#[test]
fn who_ticked_a_step_is_not_taken_from_the_environment() {
    let world = World::new();
    let mut done = command(&world, "checklist done clock --ntp 127.0.0.1:9 --note ok");
    for variable in ["USER", "LOGNAME", "USERNAME", "SUDO_USER"] {
        done.env(variable, "mallory");
    }
    let done = RunResult::of(done, "").exits(0);
    assert!(!done.out.contains("mallory"), "{done}");
}

#[test]
fn the_record_is_written_as_markdown_and_html_and_the_page_is_printed() {
    let world = World::new();
    let ran = run(&world, "checklist migration-tool --markdown r.md --html r.html");
    assert!(ran.out.contains("Migration Preparation Tool"), "{ran}");
    assert!(world.read("r.md").starts_with("# Migration record: "));
    assert!(world.read("r.html").contains("<title>Migration record: "));
    run(&world, "checklist migration-tool --html no/such/r.html").exits(4).err_has("cannot write the record");
}

#[test]
fn a_record_replaces_no_backup_no_original_and_no_file_that_is_named_like_a_check() {
    let config = "backup = 'b.tar'\nsource = ['s']\n";
    let world = World::new()
        .file("b.tar", "precious")
        .file("s/letter", "precious")
        .file("backup", "precious")
        .file("bkverify.toml", config);
    for (report, problem) in [
        ("--json b.tar", "would be written over an original or into the backup"),
        ("--markdown s/letter", "would be written over an original or into the backup"),
        ("--html b.tar", "would be written over an original or into the backup"),
        ("--json backup", "backup is the name of a check"),
    ] {
        run(&world, &format!("checklist {report}")).exits(2).err_has(problem);
    }
    for file in ["b.tar", "s/letter", "backup"] {
        assert_eq!(world.read(file), "precious");
    }
}

/// A folder backup of two files, configured as the job `n`, and verified.
fn verified() -> World {
    let config = "[jobs.n]\nbackup = 'copy'\nsource = 'live'\nsample = 'all'\njson = 'report.json'\nrestore-to = 'scratch'\n";
    let mut world = World::new().file("bkverify.toml", config);
    for file in ["live/deep/a", "live/deep/b", "copy/deep/a", "copy/deep/b"] {
        world = world.file(file, "the same");
    }
    run(&world, "--job n").exits(0);
    // The clock of a file system may tick only every 10 ms.
    std::thread::sleep(std::time::Duration::from_millis(30));
    world
}

#[test]
fn a_folder_that_was_verified_and_then_overwritten_or_lost_does_not_pass() {
    let checked = |world: &World| run(world, "checklist backup --json -");
    let world = verified();
    has(&checked(&world), "pass", "no change is seen since: with 95% confidence");
    std::fs::write(world.path("copy/deep/b"), "rotten!!").unwrap();
    has(&checked(&world), "fail", "1 entry was written since the run began, such as deep/b");
    let world = verified();
    std::fs::remove_file(world.path("copy/deep/b")).unwrap();
    has(&checked(&world), "fail", "it has 1 file, and had 2");
}

#[test]
fn a_run_with_less_confidence_than_the_job_asks_for_does_not_pass() {
    let world = verified();
    run(&world, "--job n --confidence 50%").exits(0);
    let checked = run(&world, "checklist backup --json -");
    has(&checked, "fail", "proves less than the job asks for: its confidence is smaller");
}
