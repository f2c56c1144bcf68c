//! Mistakes on the command line that would destroy a backup, or compare it with itself.

use std::fs;

use crate::pack;
use crate::world::World;

fn intact(format: &str) -> World {
    World::new().originals(&pack::tree()).backup(format, &pack::tree()).folder("r")
}

#[test]
fn a_report_is_never_written_over_the_backup_or_into_it() {
    let world = intact("tar");
    let before = fs::read(world.path("b")).unwrap();
    for flag in ["--json", "--junit"] {
        let ran = world.run(&format!("--backup b --source s --restore-to r {flag} b"));
        ran.exits(2).out_is("").err_has("would be written over an original or into the backup");
    }
    assert_eq!(fs::read(world.path("b")).unwrap(), before);
    let world = intact("folder");
    world.run("--backup b --source s --restore-to r --json b/report.json").exits(2);
    assert!(!world.path("b").join("report.json").exists());
}

#[test]
fn a_report_is_never_written_over_an_original() {
    let world = intact("zip");
    let original =
        fs::read_dir(world.path("s")).unwrap().flatten().find(|found| found.path().is_file()).unwrap();
    let before = fs::read(original.path()).unwrap();
    let name = original.file_name().into_string().unwrap();
    world.run(&format!("--backup b --source s --restore-to r --json s/{name}")).exits(2);
    assert_eq!(fs::read(original.path()).unwrap(), before);
}

#[test]
fn a_folder_is_not_accepted_as_its_own_backup() {
    let world = intact("folder");
    let ran = world.run("--backup s --source s --restore-to r");
    ran.exits(2).out_is("").err_has("the backup is the folder of the originals").err_has("hint: ");
}

#[test]
fn hard_links_to_the_originals_do_not_count_as_a_backup() {
    let world = intact("folder");
    for name in ["one-byte", "docs/letter.txt"] {
        let copy = world.path("b").join(name);
        fs::remove_file(&copy).unwrap();
        fs::hard_link(world.path("s").join(name), &copy).unwrap();
    }
    let found = [("docs/letter.txt", "restore-failed"), ("one-byte", "restore-failed")];
    world.verify("--sample all").exits(1).finds(&found).says("there is no second copy");
}

#[test]
fn an_archive_whose_tail_was_zeroed_does_not_pass() {
    let mut members = pack::tree();
    members.extend((0..40).map(|number| pack::Member::new(format!("tail/{number}"), vec![7; 50_000])));
    let world = World::new().originals(&members).backup("tar", &members).folder("r");
    let mut bytes = fs::read(world.path("b")).unwrap();
    let half = bytes.len() / 2 / 512 * 512;
    bytes.resize(half, 0);
    bytes.resize(half + (3 << 20), 0);
    fs::write(world.path("b"), bytes).unwrap();
    world.verify("--sample 5").exits(1).says("there are only zeros");
}

#[test]
fn a_listing_that_ended_early_reports_no_original_as_missing() {
    let members: Vec<_> =
        (0..400).map(|number| pack::Member::new(format!("{number}"), vec![7; 1000])).collect();
    let world = World::new().originals(&members).backup("folder", &members);
    let verified = world.verify("--budget 5kB --threads 1 --sample all --completeness 200").exits(3);
    assert_eq!(verified.at("/incomplete"), "budget");
}

#[test]
fn a_zip_whose_two_headers_disagree_on_a_name_does_not_pass() {
    let world = intact("zip");
    let mut bytes = fs::read(world.path("b")).unwrap();
    let name = b"one-byte";
    let last = bytes.windows(name.len()).rposition(|found| found == name).unwrap();
    bytes[last] ^= 1;
    fs::write(world.path("b"), bytes).unwrap();
    world.verify("--sample all").exits(1).finds(&[("nne-byte", "restore-failed")]);
}
