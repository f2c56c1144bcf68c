//! Folders that may not be listed: no run passes if files that it is about may be in them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::pack::{self, Member, tree};
use crate::world::World;

/// A folder that nobody can list; when dropped, it can be, so that it can be removed.
struct Closed(PathBuf);

impl Drop for Closed {
    fn drop(&mut self) {
        let _ = fs::set_permissions(&self.0, Permissions::from_mode(0o700));
    }
}

/// Makes a folder at `place` with one in it that the program of a humble world cannot list.
#[must_use]
fn bury(world: &World, place: &str) -> Closed {
    let closed = world.path(place).join("closed");
    fs::create_dir_all(&closed).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o300)).unwrap();
    Closed(closed)
}

fn intact() -> World {
    World::new().without_root_rights().originals(&tree()).backup("folder", &tree())
}

#[test]
fn a_folder_of_the_backup_that_may_not_be_listed_is_doubt_and_no_proof_that_it_is_bad() {
    let world = intact();
    let _closed = bury(&world, "b/private/x");
    for sample in ["all", "5"] {
        let verified = world
            .verify(&format!("--sample {sample}"))
            .exits(3)
            .says("no permission to list 1 folder")
            .says("folder private/x/closed");
        assert_eq!(verified.at("/denied").as_array().unwrap().len(), 1);
    }
    world.verify("--sample all --include *.txt").exits(3);
    world.verify("--sample all --include private/x/").exits(3);
}

#[test]
fn a_folder_that_cannot_be_listed_is_no_failure_where_the_filters_leave_it_out() {
    let world = intact();
    let _closed = bury(&world, "b/private/x");
    let filters = [
        "--exclude private/",
        "--exclude /private/x",
        "--exclude private/*",
        "--include /docs/ --include /small/*",
    ];
    for filter in filters {
        for sample in ["all", "5"] {
            let verified = world
                .verify(&format!("--sample {sample} {filter}"))
                .exits(0)
                .says("outside this run's filters and sources: folder private/x");
            assert!(!verified.ran.out.contains("files in this backup"), "{}", verified.ran);
            assert!(verified.at("/damage").as_array().unwrap().is_empty(), "{filter}");
        }
    }
}

#[test]
fn a_folder_that_cannot_be_listed_is_no_failure_where_no_source_or_map_names_it() {
    let members: Vec<_> = (0..30).map(|number| Member::new(format!("home/{number}"), "x")).collect();
    let world = World::new().without_root_rights().backup("folder", &members);
    pack::write_files(&world.path("home"), &members);
    let _closed = bury(&world, "b/other");
    world.verify_with("--sample all --map home=home/home").exits(0);
    world.verify_with("--sample all --source home/home").exits(0);
    let _closed = bury(&world, "b/home/other");
    world.verify_with("--sample all --map home=home/home").exits(3);
}

#[test]
fn a_source_whose_part_of_the_backup_cannot_be_listed_is_no_usage_error() {
    let members: Vec<_> = (0..30).map(|number| Member::new(format!("home/{number}"), "x")).collect();
    let world = World::new().without_root_rights().backup("folder", &members);
    pack::write_files(&world.path("o"), &[members, vec![Member::new("lost/letter", "x")]].concat());
    let _closed = bury(&world, "b/lost");
    world
        .verify_with("--sample all --source o/home --source o/lost")
        .exits(3)
        .says("no permission to list 1 folder")
        .says("no file that can be listed in the backup has an original in");
    // Not even where nothing else pairs: the damage is what to report.
    world
        .verify_with("--sample all --source o/lost")
        .exits(3)
        .says("no permission to list 1 folder")
        .says("no file that can be listed in the backup has an original in");
}

#[test]
fn damage_that_is_left_out_excuses_no_source_of_which_the_backup_holds_nothing() {
    let members: Vec<_> = (0..30).map(|number| Member::new(format!("home/{number}"), "x")).collect();
    let world = World::new().without_root_rights().backup("folder", &members);
    pack::write_files(&world.path("o"), &[members, vec![Member::new("mail/letter", "x")]].concat());
    let _closed = bury(&world, "b/other");
    let flags = "--backup b --restore-to r --source o/home --source o/mail --exclude other/ --sample all";
    world.run(flags).exits(2).err_has("mail");
}

#[test]
fn originals_that_cannot_be_listed_leave_doubt_only_where_they_could_be_looked_up() {
    let world = intact();
    let _closed = bury(&world, "s/private/x");
    let verified = world.verify("--sample all --completeness 50").exits(3);
    assert_eq!(verified.at("/completeness/unlisted").as_array().unwrap().len(), 1);
    world.verify("--sample all --completeness 50 --exclude private/").exits(0);
    // Where nobody asked, it is told and fails nothing.
    let verified = world.verify("--sample all").exits(0).says("1 folder could not be listed");
    assert_eq!(verified.at("/completeness/unlisted").as_array().unwrap().len(), 1);
}
