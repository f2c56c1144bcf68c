//! `bkverify checklist` about a Windows server that it does not run on.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::checklist::{has, run};
use crate::world::World;

/// What the probes of a server printed so long ago.
fn probes(hours: i64) -> String {
    let then = Timestamp::now() - SignedDuration::from_hours(hours);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/checklist/windows");
    let names = [
        "backup-good",
        "updates-pending-german",
        "network-one",
        "vpn-none",
        "alerts-essentials",
        "space-nearly-full",
        "bpa-results",
        "directory-healthy",
        "clock-following",
        "migration-tool-recent",
        "applications",
    ];
    let text = |name: &str| std::fs::read_to_string(folder.join(name).with_extension("txt")).unwrap();
    let all: String = names.into_iter().map(text).collect();
    all.replace("2026-11-20T10:00:00Z", &format!("{then:.0}"))
}

#[test]
fn a_file_of_probes_is_judged_as_that_server() {
    let world = World::new().file("probes.txt", probes(1));
    let ran = run(&world, "checklist --from probes.txt --json -").exits(1);
    let record: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(record["machine"], "SBS01");
    assert!(record["system"].as_str().unwrap().starts_with("Windows 6.2.9200.0, probed at "), "{record}");
    has(&ran, "pass", "One network adapter is in use");
    has(&ran, "fail", "1 security update is pending");
    has(&ran, "pass", "SYSVOL is replicated by DFSR");
    // What the file does not tell, and what only that server can know.
    has(&ran, "could-not-check", "the probe certificates was not run there");
    has(&ran, "manual", "Compare that clock with the destination's");
    has(&ran, "could-not-check", "Whether the backup holds the applications' data");
    has(&ran, "warn", "nearly full");
}

#[test]
fn what_is_older_than_a_day_is_unknown() {
    let world = World::new().file("probes.txt", probes(25));
    let ran = run(&world, "checklist network vpn directory --from probes.txt --json -").exits(3);
    for check in ["network", "vpn", "directory"] {
        has(&ran, "could-not-check", &format!("the probe {check} ran 25 h ago; run it again"));
    }
}

#[test]
fn a_tick_for_this_machine_is_none_for_another() {
    let world = World::new().file("probes.txt", probes(1));
    let clock = "checklist clock --from probes.txt --json -";
    let step = "checklist done clock-installation";
    run(&world, &format!("{step} --ntp 127.0.0.1:9 --note here")).exits(0);
    has(&run(&world, clock), "manual", "check the destination's clock and time zone once more");
    run(&world, &format!("{step} --from probes.txt --note there")).exits(0);
    has(&run(&world, clock), "pass", "check the destination's clock and time zone once more");
}

#[test]
fn a_job_of_this_machine_says_nothing_about_another() {
    let config = "[jobs.n]\nbackup = 'b'\nsource = 's'\njson = 'r.json'\n";
    let world = World::new().file("probes.txt", probes(1)).file("bkverify.toml", config);
    let ran = run(&world, "checklist backup --from probes.txt --json -");
    has(&ran, "could-not-check", "the configured jobs are of this machine");
    assert!(!ran.out.contains("of n was"), "{ran}");
}

#[test]
fn another_server_cannot_be_fixed_from_here_and_its_name_must_be_one() {
    let world = World::new().file("probes.txt", probes(1)).file("empty.txt", "");
    run(&world, "checklist --from probes.txt --fix").exits(2).err_has("cannot be used with");
    run(&world, "checklist --computer dc01 --from probes.txt").exits(2).err_has("cannot be used with");
    run(&world, "checklist --computer dc01;calc").exits(2).err_has("is no name of a computer");
    run(&world, "checklist --from empty.txt").exits(2).err_has("bkverify generate probes");
    run(&world, "checklist --from absent.txt").exits(2).err_has("there is no such file");
}

#[test]
fn the_script_of_all_probes_is_printed() {
    let printed = run(&World::new(), "generate probes").exits(0);
    assert_eq!(printed.out, bkverify::checklist::powershell::all_probes());
}
