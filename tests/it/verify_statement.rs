//! What a run claims: which picks are in the statement, which doubt keeps it from passing, and how
//! each word is earned.
//!
//! In each case copies are damaged where the old rule (what differs and was modified is left out,
//! what is equal counts) passed with a bound that was wrong.

use std::fs;
use std::time::{Duration, SystemTime};

use crate::pack::{self, MTIME, Member, many_small_files, set_mtime, tree};
use crate::world::{Verified, World};

/// A crowd with every `step`-th copy damaged, packed as `format`, beside its originals.
fn rotten(count: usize, step: usize, format: &str) -> World {
    let originals = many_small_files(count);
    let mut copies = originals.clone();
    for copy in copies.iter_mut().step_by(step) {
        copy.content[0] ^= 1;
    }
    World::new().originals(&originals).backup(format, &copies)
}

/// A crowd beside its good backup.
fn intact(count: usize, format: &str) -> World {
    World::new().originals(&many_small_files(count)).backup(format, &many_small_files(count))
}

/// Gives originals a time a minute after the recorded one, as programs do that keep no times.
fn touch(world: &World, originals: impl Iterator<Item = Member>) {
    for member in originals {
        set_mtime(&world.path("s").join(std::str::from_utf8(&member.name).unwrap()), MTIME + 60);
    }
}

#[test]
fn originals_that_were_copied_without_their_times_prove_nothing_of_rotten_copies() {
    for format in ["folder", "tar"] {
        let world = rotten(100, 5, format);
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
fn half_the_originals_with_new_times_are_too_many_to_pass_for_a_sample_and_for_all() {
    for sample in ["20", "all"] {
        let world = intact(100, "folder");
        touch(&world, many_small_files(100).into_iter().step_by(2));
        let verified = world.verify(&format!("--sample {sample} --seed s")).exits(3);
        assert_eq!(verified.at("/incomplete"), "too-many-undecided", "{sample}");
        // Whoever knows better may say so.
        world.verify(&format!("--sample {sample} --seed s --max-undecided 75%")).exits(0);
    }
}

#[test]
fn an_equal_copy_of_a_modified_original_is_told_and_is_outside_the_statement() {
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
fn fewer_comparable_files_than_asked_for_are_no_pass() {
    let world = intact(100, "folder");
    touch(&world, many_small_files(100).into_iter().step_by(10));
    let verified = world.verify("--sample 95").exits(3).says("90 of 95 files wanted were compared");
    assert_eq!(verified.at("/incomplete"), "too-few-comparable");
    world.verify("--sample 90").exits(0);
}

#[test]
fn a_tolerance_passes_only_where_the_bound_is_below_it() {
    let world = intact(400, "folder");
    let verified = world.verify("--tolerance 1%").exits(0);
    assert!(verified.number("/assurance/at_most_bad") < 4);
    // Older files in the place of two originals: nobody can tell whether their copies are good.
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
fn a_comparable_pick_that_stays_undecided_is_no_pass_and_counts_as_bad_in_the_bound() {
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
fn originals_that_are_said_to_be_frozen_make_every_difference_the_backups_fault() {
    let world = rotten(40, 8, "folder");
    touch(&world, many_small_files(40).into_iter());
    let verified = world.verify("--sample all --assume-unchanged").exits(1);
    assert_eq!(verified.at("/counts/corrupt"), 5);
    assert_eq!(verified.at("/counts/comparable"), 40);
    assert_eq!(verified.at("/findings/0/reason"), "the originals are said to be unchanged since the backup");
}

/// Copies whose times were kept as coarsely as `unit` nanoseconds, cut or rounded up.
fn kept_by(unit: u64, up: bool) -> Verified {
    let world = rotten(60, 3, "folder");
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
fn a_flipped_bit_is_corrupt_however_coarsely_the_backup_keeps_times() {
    // Windows keeps 100 ns itself.
    for unit in [1_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000, 2_000_000_000] {
        for up in [false, true] {
            let verified = kept_by(unit, up).exits(1);
            assert_eq!(verified.at("/counts/corrupt"), 20, "kept by {unit} ns: {}", verified.ran);
        }
    }
}

#[test]
fn an_older_version_of_what_nobody_touched_since_is_stale() {
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
        // Within the time that a backup takes it is none.
        world.verify("--sample all").exits(0).finds(&[("docs/letter.txt", "changed")]);
    }
}

#[test]
fn a_file_from_the_future_makes_no_older_version_stale() {
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
fn a_file_that_was_dated_in_the_future_and_was_edited_later_is_changed() {
    let mut copies = tree();
    copies[1].mtime = 4_000_000_000;
    let world = World::new().originals(&tree()).backup("tar", &copies);
    fs::write(world.path("s/docs/letter.txt"), "Edited today,\n").unwrap();
    world.verify("--sample all").exits(0).finds(&[("docs/letter.txt", "changed")]);
}

#[cfg(target_os = "linux")]
#[test]
fn what_this_account_may_not_read_is_no_proof_that_the_backup_is_bad() {
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
    // A folder that may not be listed is doubt, too.
    files().for_each(|file| close(&file, 0o644));
    close("b/secret", 0o000);
    let verified = world.verify("--sample all --completeness 0").exits(3);
    assert!(verified.at("/denied/0").as_str().unwrap().contains("secret"), "{}", verified.ran);
    // So that it can be removed.
    close("b/secret", 0o700);
}
