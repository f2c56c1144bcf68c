//! The strategies that are not `random`: `coverage` gives every file its turn, and `size` makes a
//! statement about bytes.

use std::fs;

use crate::pack::{Member, many_small_files, noise};
use crate::world::World;

const FORMATS: [&str; 3] = ["folder", "tar", "zip"];

#[test]
fn coverage_judges_every_file_within_the_runs_that_plan_names() {
    let members = many_small_files(60);
    for format in FORMATS {
        let world = World::new().originals(&members).backup(format, &members);
        let settings = "--strategy coverage --sample 10 --completeness 0";
        let plan = || world.run(&format!("plan --backup b --source s --restore-to r {settings}"));
        plan()
            .exits(0)
            .out_has("10 files, half of them at random")
            .out_has("60 files were never judged, and will be within 12 runs");
        for _ in 0..12 {
            let verified = world.verify(settings).exits(0);
            assert_eq!([verified.number("/sample/wanted"), verified.number("/beside/verified")], [5, 5]);
            assert_eq!(verified.at("/assurance/comparable"), 5);
            verified
                .says("PASS 10 of 10 identical.")
                .says("5 more files, judged longest ago or never before: 5 identical.")
                .says("drawn 10 of 60 files");
        }
        plan().exits(0).out_has(
            "every file was judged before. Whatever was judged before, every file is judged within 12",
        );
    }
}

#[test]
fn a_bad_file_beside_the_sample_fails_the_run_and_is_not_in_the_statement() {
    let members = many_small_files(20);
    let world = World::new().originals(&members).backup("folder", &members);
    let name = "crowd/3/file-3";
    fs::write(world.path("b").join(name), "CONTENT OF 3\n").unwrap();
    let times = fs::metadata(world.path("s").join(name)).unwrap().modified().unwrap();
    fs::File::options().write(true).open(world.path("b").join(name)).unwrap().set_modified(times).unwrap();
    let mut seen = [false, false];
    for seed in 0..8 {
        let settings = "--strategy coverage --sample 20 --state none --completeness 0";
        let verified =
            world.verify(&format!("{settings} --seed {seed}")).exits(1).finds(&[(name, "corrupt")]);
        let beside = verified.at("/findings/0/beside").as_bool().unwrap();
        seen[usize::from(beside)] = true;
        assert_eq!(verified.number("/assurance/bad"), u64::from(!beside));
        assert_eq!(verified.number("/beside/bad"), u64::from(beside));
        verified.says("FAIL 19 of 20 identical, 1 bad in the backup.");
    }
    assert_eq!(seen, [true, true], "the bad file was in each half at least once");
}

#[test]
fn without_a_ledger_coverage_says_that_nothing_rotates() {
    let members = many_small_files(30);
    let world = World::new().originals(&members).backup("folder", &members);
    let verified = world.verify("--strategy coverage --sample 6 --state none").exits(0);
    verified
        .says("nothing is remembered of earlier runs")
        .says("redraw --seed")
        .says("--strategy coverage (the random half; the other half depends on");
}

/// One file of a million bytes, and 200 of about 14.
fn one_large() -> Vec<Member> {
    let mut members = many_small_files(200);
    members.push(Member::new("large", noise(1_000_000, 7)));
    members
}

#[test]
fn size_draws_large_files_first_and_states_something_about_bytes() {
    for format in FORMATS {
        let members = one_large();
        let world = World::new().originals(&members).backup(format, &members);
        let verified = world.verify("--strategy size --sample 300 --seed s").exits(0);
        assert_eq!(verified.at("/assurance/domain"), "comparable-bytes");
        assert_eq!(verified.at("/assurance/comparable"), 300);
        assert_eq!(verified.at("/sample/wanted"), 300);
        assert_eq!(verified.at("/sample/strategy"), "size");
        assert!(verified.number("/counts/verified") < 10, "nearly all bytes are in one file");
        let bytes = verified.number("/population/bytes");
        assert_eq!(verified.number("/assurance/domain_at_most"), bytes);
        let share = verified.at("/assurance/at_most_bad_share").as_f64().unwrap();
        assert!((share - (1.0 - 0.05_f64.powf(1.0 / 300.0))).abs() < 1e-9, "{share}");
        verified.says(
            "of the bytes that the backup holds of files whose originals have not been modified since the backup, at most 1%",
        );
    }
}

#[test]
fn a_large_bad_file_is_found_by_its_bytes_and_small_ones_do_not_hide_it() {
    let members = one_large();
    let world = World::new().originals(&members).backup("folder", &members);
    let mut bad = noise(1_000_000, 7);
    bad[77] ^= 1;
    let times = fs::metadata(world.path("s/large")).unwrap().modified().unwrap();
    fs::write(world.path("b/large"), bad).unwrap();
    fs::File::options().write(true).open(world.path("b/large")).unwrap().set_modified(times).unwrap();
    let verified = world.verify("--strategy size --sample 20").exits(1).finds(&[("large", "corrupt")]);
    assert!(verified.at("/assurance/at_most_bad_share").as_f64().unwrap() > 0.9);
}

#[test]
fn a_large_file_that_cannot_be_compared_leaves_the_run_incomplete_although_it_is_one_of_many() {
    let members = one_large();
    let world = World::new().originals(&members).backup("folder", &members);
    fs::write(world.path("s/large"), "rewritten since").unwrap();
    let verified = world.verify("--strategy size --sample 20 --completeness 0").exits(3);
    assert!(verified.number("/counts/outside") == 1);
}

#[test]
fn all_bytes_of_a_small_backup_are_known_exactly_and_empty_files_are_not_drawn() {
    let mut members = many_small_files(5);
    members.push(Member::new("empty", ""));
    let world = World::new().originals(&members).backup("folder", &members);
    let verified = world.verify("--strategy size --sample 500").exits(0);
    assert_eq!((verified.number("/counts/verified"), verified.number("/assurance/at_most_bad")), (5, 0));
    verified.says(
        "All files whose originals have not been modified since the backup that are not empty were compared",
    );
    let world = World::new().originals(&members[5..]).backup("folder", &members[5..]);
    world.verify("--strategy size --completeness 0").exits(3).says("every file is empty");
}

#[test]
fn what_a_strategy_cannot_draw_is_refused_before_anything_is_read() {
    let world = World::new();
    let run = |arguments: &str| world.run(&format!("--backup b --source s --restore-to r {arguments}"));
    run("--strategy coverage --sample all").exits(2).err_has("--strategy coverage has nothing to choose");
    run("--strategy size --sample 5%")
        .exits(2)
        .err_has("not a percentage of the files")
        .err_has("--sample 500");
    run("--strategy size --sample 9999999").exits(2).err_has("draws at most 1000000");
    run("--strategy size --resume").exits(2).err_has("cannot be resumed");
    run("--strategy best").exits(2).err_has("random").err_has("coverage").err_has("size");
}
