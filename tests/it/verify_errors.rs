//! Runs that end with an error. Their reports say so, so that nobody takes yesterday's pass for
//! today's result.

use std::fs;

use crate::pack::{self, tree};
use crate::world::{Verified, World};

const FLAGS: &str = "--backup b --source s --restore-to r --cache use --sample all --json report.json";

/// A world in which a run has passed and left its reports.
fn passed_yesterday() -> World {
    let world = World::new().originals(&tree()).backup("tar", &tree());
    world.run(&format!("{FLAGS} --junit report.xml")).exits(0);
    assert!(world.read("report.json").contains("\"pass\""));
    world
}

#[test]
fn an_error_replaces_the_report_of_an_earlier_pass() {
    let world = passed_yesterday();
    fs::remove_file(world.path("b")).unwrap();
    let ran = world.run(&format!("{FLAGS} --junit report.xml")).exits(4).out_is("");
    let message = ran.err.lines().next().unwrap().to_owned();
    let verified = Verified::new(ran, &world.read("report.json"));
    assert_eq!(verified.at("/result"), "unusable");
    let reported = verified.at("/error/message").as_str().unwrap();
    assert!(reported.contains("cannot open the backup") && message.ends_with(reported), "{reported}");
    assert!(verified.at("/error/hint").as_str().unwrap().contains("--backup"));
    assert_eq!(verified.number("/counts/comparable"), 0);
    let junit = world.read("report.xml");
    assert!(junit.contains("<error") && junit.contains("cannot open the backup"), "{junit}");
}

#[test]
fn a_backup_that_looks_like_an_address_is_a_missing_file_with_a_hint() {
    let world = World::new().originals(&tree());
    let flags = FLAGS.replace("--backup b", "--backup duplicacy:/repo");
    world
        .run(&flags)
        .exits(4)
        .err_has("cannot open the backup")
        .err_has("if duplicacy: was meant as the scheme of an address");
}

#[test]
fn a_usage_error_that_only_the_backup_reveals_is_also_reported() {
    let world = passed_yesterday();
    let ran = world.run(&format!("{FLAGS} --exclude *")).exits(2).out_is("");
    let verified = Verified::new(ran, &world.read("report.json"));
    assert_eq!(verified.at("/result"), "usage");
    assert!(verified.at("/error/message").as_str().unwrap().contains("12 are filtered out"));
}

#[test]
fn a_restore_folder_that_fails_before_the_first_file_is_also_reported() {
    let world = passed_yesterday();
    fs::remove_dir_all(world.path("r")).unwrap();
    let world = world.file("r", "a file");
    let verified = Verified::new(world.run(FLAGS).exits(4), &world.read("report.json"));
    assert!(verified.at("/error/message").as_str().unwrap().contains("the restore folder"));
}

#[test]
fn json_on_standard_output_also_reports_an_error() {
    let world = World::new().originals(&tree());
    let ran = world.run(&FLAGS.replace("report.json", "-")).exits(4).err_has("cannot open the backup");
    let report = ran.out.clone();
    assert_eq!(Verified::new(ran, &report).at("/result"), "unusable");
}

#[test]
fn an_error_about_the_path_of_a_report_leaves_that_report_unwritten() {
    let world = World::new().originals(&tree()).backup("tar", &tree());
    let before = fs::read(world.path("b")).unwrap();
    world.run(&FLAGS.replace("report.json", "b")).exits(2).err_has("would be written over");
    // The same if another error comes first.
    world.run(&format!("{} --include [a", FLAGS.replace("report.json", "b"))).exits(2);
    world.run(&FLAGS.replace("report.json", "b").replace("--source s", "--source b")).exits(2);
    assert_eq!(fs::read(world.path("b")).unwrap(), before);
    let original = pack::tree().into_iter().next().unwrap();
    let place = format!("s/{}", String::from_utf8(original.name).unwrap());
    world.run(&FLAGS.replace("report.json", &place).replace("--restore-to r", "--restore-to s")).exits(2);
    assert_eq!(fs::read(world.path(&place)).unwrap(), original.content);
}
