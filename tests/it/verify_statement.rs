//! What a run claims: which picks the statement is about, and which doubt keeps a run from passing.
//!
//! In each case copies are damaged in a way that an obsolete rule missed: it left out files that
//! differ and were modified, counted files that are equal, and passed with a wrong bound.

use std::fs;
use std::time::{Duration, SystemTime};

use crate::pack::{self, MTIME, Member, many_small_files, set_mtime, tree};
use crate::world::{Verified, World};

/// Many small originals beside a backup in which every `step`-th copy is damaged.
fn with_damaged_copies(count: usize, step: usize, format: &str) -> World {
    let originals = many_small_files(count);
    let mut copies = originals.clone();
    for copy in copies.iter_mut().step_by(step) {
        copy.content[0] ^= 1;
    }
    World::new().originals(&originals).backup(format, &copies)
}

/// Many small originals beside their intact backup.
fn intact(count: usize, format: &str) -> World {
    World::new().originals(&many_small_files(count)).backup(format, &many_small_files(count))
}

/// Sets the times of originals to a minute after the recorded time, like a program that does not
/// keep times.
fn touch(world: &World, originals: impl Iterator<Item = Member>) {
    for member in originals {
        set_mtime(&world.path("s").join(std::str::from_utf8(&member.name).unwrap()), MTIME + 60);
    }
}

#[test]
fn originals_copied_without_their_times_prove_nothing_about_damaged_copies() {
    for format in ["folder", "tar"] {
        let world = with_damaged_copies(100, 5, format);
        touch(&world, many_small_files(100).into_iter());
        for sample in ["30", "all"] {
            let verified = world
                .verify(&format!("--sample {sample}"))
                .exits(3)
                .says("INCOMPLETE No file could be compared.");
            assert!(verified.at("/assurance").is_null(), "{format}: {}", verified.ran);
            assert_eq!(verified.at("/counts/comparable"), 0);
            assert!(verified.number("/counts/outside_verified") > 0, "equal content is told");
        }
    }
}

#[test]
fn new_times_on_half_of_the_originals_keep_a_sample_and_a_full_run_from_passing() {
    for sample in ["20", "all"] {
        let world = intact(100, "folder");
        touch(&world, many_small_files(100).into_iter().step_by(2));
        let verified = world.verify(&format!("--sample {sample} --seed s")).exits(3);
        assert_eq!(verified.at("/incomplete"), "too-many-undecided", "{sample}");
        // A person who knows that they did not change may say so.
        world.verify(&format!("--sample {sample} --seed s --max-undecided 75%")).exits(0);
    }
}

#[test]
fn an_identical_copy_of_a_modified_original_is_reported_but_not_in_the_statement() {
    let world = intact(100, "tar");
    touch(&world, many_small_files(100).into_iter().step_by(10));
    let verified = world
        .verify("--sample all")
        .exits(0)
        .says("PASS 90 of 90 identical; 90 of 100 drawn could be compared.")
        .says("10 apparently modified since the backup (of which 10 are still identical)");
    assert_eq!(verified.at("/assurance/comparable"), 90);
    assert_eq!(verified.at("/assurance/domain_at_most"), 90);
    assert_eq!(verified.at("/counts/verified"), 100);
}

#[test]
fn fewer_comparable_files_than_asked_for_do_not_pass() {
    let world = intact(100, "folder");
    touch(&world, many_small_files(100).into_iter().step_by(10));
    let verified = world.verify("--sample 95").exits(3).says("90 of 95 files wanted were compared");
    assert_eq!(verified.at("/incomplete"), "too-few-comparable");
    world.verify("--sample 90").exits(0);
}

#[test]
fn a_tolerance_passes_only_if_the_bound_is_below_it() {
    let world = intact(400, "folder");
    let verified = world.verify("--tolerance 1%").exits(0);
    assert!(verified.number("/assurance/at_most_bad") < 4);
    // Two originals are replaced by older files, so it cannot be decided whether their copies are
    // good.
    for member in many_small_files(400).iter().take(2) {
        let place = world.path("s").join(std::str::from_utf8(&member.name).unwrap());
        fs::write(&place, "older content").unwrap();
        set_mtime(&place, MTIME - 60);
    }
    let verified = world.verify("--tolerance 0.3% --seed s").exits(3);
    assert!(verified.number("/counts/unresolved") > 0, "most are drawn: {}", verified.ran);
    assert_eq!(verified.at("/incomplete"), "unresolved");
}

#[test]
fn a_comparable_pick_that_stays_undecided_counts_as_bad_and_does_not_pass() {
    let world = World::new().originals(&tree()).backup("tar", &tree());
    let place = world.path("s/docs/letter.txt");
    fs::write(&place, "An older letter,\n").unwrap();
    set_mtime(&place, MTIME - 60);
    let verified = world
        .verify("--sample all")
        .exits(3)
        .finds(&[("docs/letter.txt", "changed")])
        .says("INCOMPLETE 11 of 12 identical.")
        .says("Files that differ, and it cannot be told which side is wrong: changed: docs/letter.txt")
        .says("Of all 12 files whose originals have not been modified since the backup, 11 were compared, and none is bad; 1 could not be decided.")
        .says("1 comparable file could not be decided; it counts as bad in the statement.");
    assert_eq!(verified.at("/assurance/unresolved"), 1);
    assert_eq!(verified.at("/assurance/at_most_bad"), 1);
    assert_eq!(verified.at("/findings/0/comparable"), true);
}

#[test]
fn with_assume_unchanged_every_difference_is_the_backups_fault() {
    let world = with_damaged_copies(40, 8, "folder");
    touch(&world, many_small_files(40).into_iter());
    let verified = world.verify("--sample all --assume-unchanged").exits(1);
    assert_eq!(verified.at("/counts/corrupt"), 5);
    assert_eq!(verified.at("/counts/comparable"), 40);
    assert_eq!(verified.at("/findings/0/reason"), "the originals are said to be unchanged since the backup");
}

/// Verifies copies whose times are stored in units of `unit` nanoseconds, rounded down or up.
fn kept_by(unit: u64, up: bool) -> Verified {
    let world = with_damaged_copies(60, 3, "folder");
    for (number, member) in (0..).zip(many_small_files(60)) {
        let name = std::str::from_utf8(&member.name).unwrap();
        let exact = (MTIME + number) * 1_000_000_000 + 987_654_300 - number * 1_234_500;
        let kept = exact / unit * unit + if up { unit } else { 0 };
        for (folder, time) in [("s", exact), ("b", kept)] {
            let file = fs::OpenOptions::new().write(true).open(world.path(folder).join(name)).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_nanos(time)).unwrap();
        }
    }
    world.verify("--sample all")
}

#[test]
fn a_flipped_bit_is_corrupt_at_every_time_resolution() {
    // Windows itself stores units of 100 ns.
    for unit in [1_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000, 2_000_000_000] {
        for up in [false, true] {
            let verified = kept_by(unit, up).exits(1);
            assert_eq!(verified.at("/counts/corrupt"), 20, "kept by {unit} ns: {}", verified.ran);
        }
    }
}

#[test]
fn an_older_version_of_an_untouched_original_is_stale() {
    for format in ["folder", "tar", "zip"] {
        let mut originals = tree();
        originals[1].mtime = MTIME + 500;
        let mut copies = tree();
        copies[1].content = b"An older version,\n".to_vec();
        let world = World::new().originals(&originals);
        std::thread::sleep(Duration::from_millis(2_100));
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let newest = Member { mtime: now, ..Member::new("newest", "today's") };
        copies.push(newest.clone());
        pack::write_files(&world.path("s"), &[newest]);
        let world = world.backup(format, &copies);
        let verified = world.verify("--sample all --backup-window 1ms").exits(1);
        assert_eq!(verified.findings().get("docs/letter.txt").map(String::as_str), Some("stale"), "{format}");
        assert_eq!(verified.findings().len(), 1, "{format}: {}", verified.ran);
        let reason = verified.at("/findings/0/reason").as_str().unwrap();
        assert!(reason.contains("the original was last touched at"), "{reason}");
        // Within the time that a backup may take, it is not stale.
        world.verify("--sample all").exits(0).finds(&[("docs/letter.txt", "changed")]);
    }
}

#[test]
fn a_file_dated_in_the_future_does_not_make_older_versions_stale() {
    for format in ["folder", "tar"] {
        let mut originals = tree();
        originals[1].mtime = MTIME + 500;
        originals[1].content = b"A newer version,\n".to_vec();
        originals.push(Member { mtime: 4_000_000_000, ..Member::new("future", "from 2096") });
        let mut copies = tree();
        copies.push(originals[12].clone());
        let world = World::new().originals(&originals).backup(format, &copies);
        world.verify("--sample all --backup-window 1ms").exits(0).finds(&[("docs/letter.txt", "changed")]);
    }
}

#[test]
fn a_file_dated_in_the_future_and_edited_later_is_changed() {
    let mut copies = tree();
    copies[1].mtime = 4_000_000_000;
    let world = World::new().originals(&tree()).backup("tar", &copies);
    fs::write(world.path("s/docs/letter.txt"), "Edited today,\n").unwrap();
    world.verify("--sample all").exits(0).finds(&[("docs/letter.txt", "changed")]);
}

#[cfg(target_os = "linux")]
#[test]
fn copies_that_this_account_cannot_read_do_not_prove_the_backup_bad() {
    use std::os::unix::fs::PermissionsExt;
    let world =
        World::new().without_root_rights().originals(&tree()).backup("folder", &tree()).folder("b/secret");
    let close = |path: &str, mode| {
        fs::set_permissions(world.path(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    let files = || tree().into_iter().map(|member| format!("b/{}", String::from_utf8(member.name).unwrap()));
    files().for_each(|file| close(&file, 0o000));
    let verified = world.verify("--sample all --completeness 0").exits(3);
    assert_eq!(verified.at("/counts/unreadable"), 12, "{}", verified.ran);
    let reason = verified.at("/findings/0/reason").as_str().unwrap();
    let account = rustix::process::geteuid().as_raw();
    assert!(reason.contains(&format!("may not be read by this account (uid {account})")), "{reason}");
    // A folder that cannot be listed is also doubt.
    files().for_each(|file| close(&file, 0o644));
    close("b/secret", 0o000);
    let verified = world.verify("--sample all --completeness 0").exits(3);
    assert!(verified.at("/denied/0").as_str().unwrap().contains("secret"), "{}", verified.ran);
    // Lets the test remove the folder.
    close("b/secret", 0o700);
}
