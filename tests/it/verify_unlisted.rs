//! Folders that cannot be listed: no run passes if files that it is about may be in them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::pack::{self, Member, tree};
use crate::world::World;

/// A folder that nobody can list. Dropping this restores the permissions, so that the folder can be
/// removed.
struct UnlistableFolder(PathBuf);

impl Drop for UnlistableFolder {
    fn drop(&mut self) {
        let _ = fs::set_permissions(&self.0, Permissions::from_mode(0o700));
    }
}

/// Creates a folder at `place` with a folder in it that the program cannot list in a world without
/// root's rights.
#[must_use]
fn add_unlistable_folder(world: &World, place: &str) -> UnlistableFolder {
    let closed = world.path(place).join("closed");
    fs::create_dir_all(&closed).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o300)).unwrap();
    UnlistableFolder(closed)
}

fn intact() -> World {
    World::new().without_root_rights().originals(&tree()).backup("folder", &tree())
}

#[test]
fn a_folder_in_the_backup_that_cannot_be_listed_is_doubt_and_not_damage() {
    let world = intact();
    let _closed = add_unlistable_folder(&world, "b/private/x");
    for sample in ["all", "5"] {
        let verified = world
            .verify(&format!("--sample {sample}"))
            .exits(3)
            .says("1 part cannot be looked into")
            .says("folder private/x/closed");
        assert_eq!(verified.at("/denied").as_array().unwrap().len(), 1);
    }
    world.verify("--sample all --include *.txt").exits(3);
    world.verify("--sample all --include private/x/").exits(3);
}

#[test]
fn an_unlistable_folder_is_not_a_failure_if_the_filters_leave_it_out() {
    let world = intact();
    let _closed = add_unlistable_folder(&world, "b/private/x");
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
fn an_unlistable_folder_is_not_a_failure_if_no_source_or_map_covers_it() {
    let members: Vec<_> = (0..30).map(|number| Member::new(format!("home/{number}"), "x")).collect();
    let world = World::new().without_root_rights().backup("folder", &members);
    pack::write_files(&world.path("home"), &members);
    let _closed = add_unlistable_folder(&world, "b/other");
    world.verify_with("--sample all --map home=home/home").exits(0);
    world.verify_with("--sample all --source home/home").exits(0);
    let _closed = add_unlistable_folder(&world, "b/home/other");
    world.verify_with("--sample all --map home=home/home").exits(3);
}

#[test]
fn a_source_whose_part_of_the_backup_cannot_be_listed_is_not_a_usage_error() {
    let members: Vec<_> = (0..30).map(|number| Member::new(format!("home/{number}"), "x")).collect();
    let world = World::new().without_root_rights().backup("folder", &members);
    pack::write_files(&world.path("o"), &[members, vec![Member::new("lost/letter", "x")]].concat());
    let _closed = add_unlistable_folder(&world, "b/lost");
    world
        .verify_with("--sample all --source o/home --source o/lost")
        .exits(3)
        .says("1 part cannot be looked into")
        .says("no file that can be listed in the backup has an original in");
    // Not even if nothing else pairs: the damage is what to report.
    world
        .verify_with("--sample all --source o/lost")
        .exits(3)
        .says("1 part cannot be looked into")
        .says("no file that can be listed in the backup has an original in");
}

#[test]
fn a_source_with_nothing_in_the_backup_is_a_usage_error_despite_damage_elsewhere() {
    let members: Vec<_> = (0..30).map(|number| Member::new(format!("home/{number}"), "x")).collect();
    let world = World::new().without_root_rights().backup("folder", &members);
    pack::write_files(&world.path("o"), &[members, vec![Member::new("mail/letter", "x")]].concat());
    let _closed = add_unlistable_folder(&world, "b/other");
    let flags = "--backup b --restore-to r --source o/home --source o/mail --exclude other/ --sample all";
    world.run(flags).exits(2).err_has("mail");
}

#[test]
fn unlistable_originals_leave_doubt_only_if_completeness_was_asked_for() {
    let world = intact();
    let _closed = add_unlistable_folder(&world, "s/private/x");
    let verified = world.verify("--sample all --completeness 50").exits(3);
    assert_eq!(verified.at("/completeness/unlisted").as_array().unwrap().len(), 1);
    world.verify("--sample all --completeness 50 --exclude private/").exits(0);
    // If completeness was not asked for, it is mentioned and fails nothing.
    let verified = world.verify("--sample all").exits(0).says("1 folder could not be listed");
    assert_eq!(verified.at("/completeness/unlisted").as_array().unwrap().len(), 1);
}
