//! Originals that changed: what was modified, deleted or became unreadable since the backup proves
//! nothing, is replaced, and is never counted as verified.

use std::fs;

use crate::pack::{self, MTIME, Member, set_mtime, tree};
use crate::world::World;

const LETTER: &str = "docs/letter.txt";

/// An intact backup of the tree beside its originals.
fn intact() -> World {
    World::new().originals(&tree()).backup("tar.gz", &tree())
}

fn overwrite(world: &World, path: &str, content: &str, mtime: u64) {
    let member = Member { mtime, ..Member::new(path, content) };
    pack::write_files(&world.path("s"), &[member]);
}

#[test]
fn an_original_modified_after_the_backup_is_changed_and_not_corrupt() {
    for format in pack::FORMATS {
        let world = World::new().originals(&tree()).backup(format, &tree());
        overwrite(&world, LETTER, "Dear Sir and Madam,\n", MTIME + 60);
        let verified = world
            .verify("--sample all")
            .exits(0)
            .finds(&[(LETTER, "changed")])
            .says("PASS 11 of 11 identical; 11 of 12 drawn could be compared.")
            .says("All 11 files whose originals have not been modified since the backup were compared: none is bad.")
            .says("1 of 12 drawn (about 8%) could not be compared: 1 apparently modified since the backup.");
        assert_eq!(verified.at("/counts/undecided"), 1);
        assert_eq!(verified.at("/assurance/comparable"), 11);
    }
}

#[test]
fn an_unmodified_original_that_differs_is_the_backups_fault_unless_a_checksum_proves_the_copy_right() {
    for (format, verdict) in [("tar", "corrupt"), ("folder", "corrupt"), ("tar.gz", "original-corrupt")] {
        let world = World::new().originals(&tree()).backup(format, &tree());
        overwrite(&world, LETTER, "Dear Sir and Madam,\n", MTIME);
        let verified = world.verify("--sample all").exits(1).finds(&[(LETTER, verdict)]);
        let reason = verified.at("/findings/0/reason").as_str().unwrap();
        let vouched = format == "tar.gz";
        assert_eq!(
            reason.contains("the gzip checksum of the archive matches the restored copy"),
            vouched,
            "{reason}"
        );
    }
}

#[test]
fn an_original_with_only_a_new_time_is_verified() {
    let world = intact();
    set_mtime(&world.path("s").join(LETTER), MTIME + 60);
    world.verify("--sample all").exits(0).finds(&[]);
}

#[test]
fn a_deleted_original_proves_nothing() {
    let world = intact();
    fs::remove_file(world.path("s").join(LETTER)).unwrap();
    fs::remove_dir_all(world.path("s/twins")).unwrap();
    let gone = [(LETTER, "deleted"), ("twins/castor", "deleted"), ("twins/pollux", "deleted")];
    let verified = world
        .verify("--sample all --max-undecided 25%")
        .exits(0)
        .finds(&gone)
        .says("PASS 9 of 9 identical; 9 of 12 drawn could be compared.");
    assert_eq!(verified.at("/findings/0/reason"), "the original is gone");
}

#[test]
fn a_folder_in_the_place_of_an_original_proves_nothing() {
    let world = intact();
    fs::remove_file(world.path("s").join(LETTER)).unwrap();
    let world = world.folder("s/docs/letter.txt");
    let verified = world.verify("--sample all").exits(0).finds(&[(LETTER, "changed")]);
    assert_eq!(verified.at("/findings/0/reason"), "the original is no longer a regular file");
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_an_original_is_not_waited_for() {
    let world = intact();
    let place = world.path("s").join(LETTER);
    fs::remove_file(&place).unwrap();
    crate::unix::pipe(&place);
    world.verify("--sample all").exits(0).finds(&[(LETTER, "changed")]);
}

#[cfg(unix)]
#[test]
fn an_original_that_cannot_be_read_is_named_and_proves_nothing() {
    let world = intact();
    let place = world.path("s").join(LETTER);
    fs::remove_file(&place).unwrap();
    // A link to itself, which nobody can read, not even root.
    std::os::unix::fs::symlink("letter.txt", &place).unwrap();
    world.verify("--sample all").exits(0).finds(&[(LETTER, "unreadable")]).says(
        "Files that could not be read, so that nothing is proven about them: unreadable: docs/letter.txt",
    );
}

#[cfg(unix)]
#[test]
fn an_original_without_read_permission_is_named_with_a_hint() {
    use std::os::unix::fs::PermissionsExt;
    let world = intact();
    let place = world.path("s").join(LETTER);
    fs::set_permissions(&place, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(&place).is_ok() {
        // Root can read everything. For root, the test above covers this.
        return;
    }
    world
        .verify("--sample all")
        .exits(0)
        .finds(&[(LETTER, "unreadable")])
        .says("run as a user who may read it");
}

#[cfg(unix)]
#[test]
fn an_original_behind_a_link_is_compared_by_its_content() {
    let world = intact();
    let place = world.path("s").join(LETTER);
    fs::rename(&place, world.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(world.path("elsewhere"), &place).unwrap();
    world.verify("--sample all").exits(0).finds(&[]);
}

#[test]
fn picks_that_cannot_be_compared_are_replaced_until_there_are_as_many_as_asked_for() {
    for format in ["folder", "tar", "zip"] {
        let crowd = pack::many_small_files(200);
        let world = World::new().originals(&crowd).backup(format, &crowd);
        for member in crowd.iter().step_by(3) {
            overwrite(&world, std::str::from_utf8(&member.name).unwrap(), "news", MTIME + 60);
        }
        let verified = world
            .verify("--sample 40 --seed s --max-undecided 50%")
            .exits(0)
            .says("PASS 40 of 40 identical;");
        let changed = verified.number("/counts/changed");
        assert!(changed > 0);
        assert_eq!(verified.at("/counts/verified"), 40);
        assert_eq!(verified.number("/sample/replacements"), changed, "{format}: {}", verified.ran);
        assert_eq!(verified.number("/sample/drawn"), 40 + changed);
    }
}

#[test]
fn a_run_does_not_pass_if_most_originals_have_changed() {
    let world = intact();
    for member in tree().iter().take(7) {
        overwrite(&world, std::str::from_utf8(&member.name).unwrap(), "news", MTIME + 60);
    }
    let verified = world
        .verify("--sample all")
        .exits(3)
        .says("INCOMPLETE 5 of 5 identical; 5 of 12 drawn")
        .says("7 of 12 drawn prove nothing, which is more than --max-undecided allows.");
    assert_eq!(verified.at("/incomplete"), "too-many-undecided");
}

#[test]
fn a_bad_file_outweighs_everything_that_is_undecided() {
    let mut backup = tree();
    backup[0].content[5] ^= 1;
    let world = World::new().originals(&tree()).backup("tar", &backup);
    for member in tree().iter().skip(1) {
        overwrite(&world, std::str::from_utf8(&member.name).unwrap(), "news", MTIME + 60);
    }
    world
        .verify("--sample all")
        .exits(1)
        .says("FAIL 0 of 1 identical, 1 bad in the backup; 1 of 12 drawn could be compared.");
}
