//! A run that ended early is taken up: each file is verified once, and one statement is about all.

use crate::pack::Member;
use crate::world::{Verified, World};

const FILES: u64 = 100;

fn world(format: &str) -> World {
    let members: Vec<_> = (0..FILES).map(|number| Member::new(format!("{number}"), vec![7; 1000])).collect();
    World::new().originals(&members).backup(format, &members)
}

/// Runs sessions with a budget for about 20 files each, until one ends with something else than
/// `incomplete`.
fn sessions(world: &World, arguments: &str) -> (u64, Verified) {
    for session in 1..=FILES {
        let verified = world.verify(&format!("--budget 20kB --threads 2 --resume {arguments}"));
        assert_eq!(verified.number("/sample/sessions"), session, "{}", verified.ran);
        if verified.at("/incomplete") != "budget" {
            return (session, verified);
        }
        let before = verified.number("/sample/judged_before");
        let now = verified.number("/sample/drawn") - before;
        assert!((20..30).contains(&now), "{now} in session {session}");
    }
    panic!("it never ends");
}

#[test]
fn sessions_with_a_budget_verify_everything_and_each_file_once() {
    for format in ["folder", "tar", "zip"] {
        let world = world(format);
        let (number, verified) = sessions(&world, "--sample all");
        let verified = verified.exits(0).says("All 100 files");
        verified.says(&format!("This was session {number} of the run"));
        let (number, verified) = sessions(&world, "--sample 60");
        assert!(number > 1);
        assert_eq!(verified.number("/counts/verified"), 60, "{format}");
        // The same files as one run with that seed.
        let seed = verified.at("/sample/seed").as_str().unwrap().to_owned();
        let whole = world.verify(&format!("--sample 60 --state none --seed {seed}")).exits(0);
        for place in ["/population/files", "/population/digest", "/counts", "/assurance"] {
            assert_eq!(verified.at(place), whole.at(place), "{format} {place}");
        }
    }
}

/// Writes a copy as rot does: its time stays.
fn write_with_time_kept(world: &World, name: &str, byte: u8) {
    let place = world.path(&format!("b/{name}"));
    let modified = std::fs::metadata(&place).unwrap().modified().unwrap();
    std::fs::write(&place, vec![byte; 1000]).unwrap();
    let file = std::fs::File::options().write(true).open(&place).unwrap();
    file.set_modified(modified).unwrap();
}

#[test]
fn what_an_earlier_session_found_bad_fails_the_whole_run() {
    let world = world("folder");
    let arguments = "--sample all --threads 1 --resume --completeness 0";
    let first = world.verify(&format!("{arguments} --budget 20kB")).exits(3);
    assert_eq!(first.number("/counts/bad"), 0);
    // All copies rot, one is found in the second session, and then all are repaired.
    let write = |byte| (0..FILES).for_each(|number| write_with_time_kept(&world, &number.to_string(), byte));
    write(8);
    let second = world.verify(&format!("{arguments} --budget 1kB")).exits(1);
    assert_eq!(second.number("/counts/bad"), 1);
    write(7);
    world.verify(arguments).exits(1).says("FAIL");
    // The next run is a new one.
    let again = world.verify(arguments).exits(0);
    assert_eq!(again.number("/sample/sessions"), 1);
}

#[test]
fn a_backup_with_other_files_begins_a_new_run_and_says_so() {
    let world = world("folder");
    world.verify("--sample 60 --resume --budget 20kB").exits(3);
    let world = world.file("b/new", "new").file("s/new", "new");
    let verified = world.verify("--sample 60 --resume --budget 20kB").exits(3);
    assert_eq!(verified.number("/sample/sessions"), 1);
    verified.ran.err_has("the backup lists other files or versions than when the run began");
    // The session that could not go on is no mistake of a person.
    let history = world.run("history --csv -").exits(0);
    assert!(!history.out.contains("usage") && history.out.contains("incomplete"), "{history}");
}

#[test]
fn a_strategy_that_cannot_be_resumed_says_so_in_its_own_words() {
    let world = world("folder");
    let flags = "--backup b --source s --restore-to r --sample 5 --resume";
    let size = world.run(&format!("{flags} --strategy size")).exits(2);
    let size = size.err_has("a run of --strategy size cannot be resumed").err_has("--strategy random");
    assert!(!size.err.contains("longest ago"), "{size}");
    world.run(&format!("{flags} --strategy coverage")).exits(2).err_has("judged longest ago");
}

#[test]
fn only_a_run_with_the_same_draw_is_taken_up() {
    let world = world("folder");
    world.verify("--sample 60 --resume --budget 20kB").exits(3);
    for other in ["--sample 61", "--sample 60 --exclude 7", "--sample 60 --seed mine"] {
        let verified = world.verify(&format!("{other} --resume --budget 20kB")).exits(3);
        assert_eq!(verified.number("/sample/sessions"), 1, "{other}");
    }
    // Without the flag, a new run begins.
    let verified = world.verify("--sample 60 --budget 20kB --resume=false").exits(3);
    assert_eq!(verified.number("/sample/sessions"), 1);
}

#[test]
fn without_a_ledger_there_is_nothing_to_take_up_and_a_new_run_begins() {
    let world = world("folder");
    world.verify("--sample 60 --resume --budget 20kB --state none").exits(3);
    let verified = world.verify("--sample 60 --resume --state none").exits(0);
    assert_eq!(verified.number("/sample/sessions"), 1);
}

#[test]
fn a_mirror_that_is_updated_every_night_is_verified_to_its_end() {
    let mut world = world("folder");
    let arguments = "--sample all --threads 1 --resume --completeness 0";
    world.verify(&format!("{arguments} --budget 20kB")).exits(3);
    let (mut verified, mut notes) = (None, String::new());
    for night in 2..20 {
        // One file is written again, one leaves and one comes, on both sides.
        world = world.file(&format!("b/{night}"), "newer").file(&format!("s/{night}"), "newer");
        world = world.file(&format!("b/n{night}"), "new").file(&format!("s/n{night}"), "new");
        for side in ["b", "s"] {
            std::fs::remove_file(world.path(&format!("{side}/{}", 50 + night))).unwrap();
        }
        let ran = world.verify(&format!("{arguments} --budget 20kB"));
        assert_eq!(ran.number("/sample/sessions"), night);
        notes.push_str(&ran.at("/notes").to_string());
        if ran.at("/incomplete") != "budget" {
            verified = Some(ran);
            break;
        }
    }
    let verified = verified.expect("it ends").exits(0);
    assert_eq!(verified.number("/counts/verified"), FILES);
    assert!(notes.contains("were replaced or removed in the backup since"), "{notes}");
}

#[test]
fn a_bad_file_that_was_replaced_by_a_good_one_fails_its_own_session_only() {
    let world = world("folder");
    let arguments = "--sample all --threads 1 --resume --completeness 0";
    world.verify(&format!("{arguments} --budget 20kB")).exits(3);
    let write = |byte| (0..FILES).for_each(|number| write_with_time_kept(&world, &number.to_string(), byte));
    write(8);
    let second = world.verify(&format!("{arguments} --budget 1kB")).exits(1);
    let bad = second.at("/findings/0/path").as_str().unwrap().to_owned();
    write(7);
    // The tool that makes the mirror copied it once more.
    let good = [7; 1000];
    let world = world.file(&format!("b/{bad}"), good).file(&format!("s/{bad}"), good);
    let last = world.verify(arguments).exits(0);
    assert_eq!((last.number("/sample/sessions"), last.number("/counts/verified")), (3, FILES));
}

#[test]
fn an_archive_that_looks_the_same_as_the_one_before_is_another_backup() {
    let world = world("tar");
    world.verify("--sample all --resume --budget 20kB").exits(3);
    let archive = world.path("b");
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
    std::fs::File::options().write(true).open(archive).unwrap().set_modified(later).unwrap();
    let verified = world.verify("--sample all --resume");
    assert_eq!(verified.number("/sample/sessions"), 1, "{}", verified.ran);
}

#[test]
fn what_was_verified_in_an_archive_that_was_made_again_does_not_count() {
    let members: Vec<_> = (0..FILES).map(|number| Member::new(format!("{number}"), vec![7; 1000])).collect();
    for format in ["tar", "zip"] {
        let world = world(format);
        world.verify("--sample all --resume --budget 20kB").exits(3);
        // Made again the next night, with other times and with rot.
        let again: Vec<_> = members
            .iter()
            .map(|member| Member { mtime: member.mtime + 86_400, ..Member::new(&member.name, vec![8; 1000]) })
            .collect();
        let world = world.backup(format, &again);
        let verified = world.verify("--sample all --resume");
        assert_eq!(verified.number("/sample/sessions"), 1, "{format}");
        assert_ne!(verified.at("/exit_code"), 0, "{format}: {}", verified.ran);
    }
}
