//! Completeness, the other direction of a verification: originals that the backup does not contain,
//! and originals for which that cannot be decided.

use std::fs;

use crate::pack::{self, FORMATS, MTIME, Member, tree};
use crate::world::{Verified, World};

/// The tree with three cache files. They are older than the other files, so they certainly existed
/// when the backup was made.
fn with_cache() -> Vec<Member> {
    let cache = (0..3).map(|number| Member::new(format!("cache/deep/{number}"), "hot"));
    cache.chain(tree()).collect()
}

fn missing(verified: &Verified) -> usize {
    verified.at("/completeness/missing").as_array().unwrap().len()
}

#[test]
fn missing_originals_are_a_warning_by_default_and_a_failure_on_request() {
    for format in FORMATS {
        let world = World::new().originals(&with_cache()).backup(format, &tree());
        for sample in ["all", "5"] {
            let verified = world
                .verify(&format!("--sample {sample}"))
                .exits(0)
                .says("PASS")
                .says("WARNING: 3 of 15 originals that were looked up are not in the backup")
                .says("exclude = [\"cache/**\"]");
            assert_eq!(missing(&verified), 3, "{format}");
            let headline = verified.at("/headline").as_str().unwrap();
            assert!(headline.contains("WARNING: 3 of 15 originals"), "{headline}");
            let asked = format!("--sample {sample} --completeness 200");
            world.verify(&asked).exits(1).says("3 missing from the backup.");
            world.verify(&format!("{asked} --exclude cache/**")).exits(0);
            let off = world.verify(&format!("--sample {sample} --completeness 0")).exits(0);
            assert!(off.at("/completeness").is_null(), "{format}");
        }
    }
}

#[test]
fn missing_originals_are_a_failure_if_a_job_asks_for_completeness() {
    let job = "[jobs.nightly]\nbackup = 'b'\nsource = 's'\nrestore-to = 'r'\ncache = 'use'\n";
    let world = World::new().originals(&with_cache()).backup("tar", &tree());
    let world = world.file("bkverify.toml", job);
    world.run("--job nightly").exits(0).out_has("WARNING: 3 of 15");
    let world = world.file("bkverify.toml", format!("{job}completeness = 50\n"));
    world.run("--job nightly").exits(1).out_has("3 missing from the backup");
    let world = world.file("bkverify.toml", format!("{job}exclude = ['cache/**']\n"));
    let ran = world.run("--job nightly").exits(0);
    assert!(!ran.out.contains("WARNING"), "{ran}");
}

#[test]
fn missing_originals_do_not_fail_the_junit_report_unless_completeness_was_asked_for() {
    let world = World::new().originals(&with_cache()).backup("tar", &tree());
    // One more case for the run as a whole.
    for (flags, failures, skipped) in [("", 0, 3), ("--completeness 200", 3 + 1, 0)] {
        world.verify(&format!("--sample all --junit j.xml {flags}"));
        let report = world.read("j.xml");
        assert_eq!(report.matches("<failure").count(), failures, "{report}");
        assert_eq!(report.matches("<skipped").count(), skipped, "{report}");
    }
}

/// Sets the archive's own time later than everything that has happened, like a copy that does not
/// keep times.
fn copied(world: &World) {
    pack::set_mtime(&world.path("b"), 4_000_000_000);
}

#[cfg(unix)]
#[test]
fn a_folder_renamed_or_moved_after_the_backup_is_not_missing() {
    for format in FORMATS {
        let world = World::new().originals(&tree()).backup(format, &tree());
        pack::write_files(&world.path("elsewhere"), &with_cache()[..3]);
        // The files in the folder keep their times.
        fs::rename(world.path("elsewhere/cache"), world.path("s/cache")).unwrap();
        for flags in ["--completeness 100", ""] {
            let verified = world.verify(&format!("--sample all {flags}"));
            assert!(matches!(verified.ran.code, Some(0 | 3)), "{format} {}", verified.ran);
            assert_eq!(missing(&verified), 0, "{format}");
            assert_eq!(verified.number("/completeness/undecided"), 3, "{format}");
        }
        fs::rename(world.path("s/twins"), world.path("s/pair")).unwrap();
        let verified = world.verify("--sample all --completeness 100");
        assert_eq!(missing(&verified), 0, "{format}");
        assert!(!verified.ran.out.contains("missing"), "{}", verified.ran);
    }
}

#[cfg(unix)]
#[test]
fn an_original_older_than_a_copy_of_the_backup_is_doubtful_and_not_missing() {
    for format in ["tar", "tar.gz", "zip"] {
        let world = World::new().originals(&tree()).backup(format, &tree());
        // As cp -p, tar and rsync -a write it: with an old time, at a new path.
        pack::write_files(&world.path("s"), &[Member::new("moved/in", "old")]);
        copied(&world);
        let verified = world.verify("--sample all --completeness 100").exits(3).says("INCOMPLETE");
        let verified = verified.says("1 original is not in the backup, perhaps because it was put there");
        assert_eq!((missing(&verified), verified.at("/completeness/doubtful")[0].is_string()), (0, true));
        world.verify("--sample all").exits(0).says("WARNING: 1 of 13").says("exclude = [\"moved/in\"]");
    }
}

#[test]
fn an_invented_time_does_not_make_the_backup_younger() {
    let mut members = tree();
    members[1].mtime = 3_900_000_000;
    let world = World::new().originals(&members).backup("tar", &members);
    pack::write_files(&world.path("s"), &[Member { mtime: MTIME + 60, ..Member::new("new", "x") }]);
    copied(&world);
    let verified = world.verify("--sample all --completeness 100").exits(0);
    assert_eq!((missing(&verified), verified.number("/completeness/undecided")), (0, 1));
}

#[test]
fn looking_up_too_few_originals_does_not_pass_if_completeness_was_asked_for() {
    let young = (0..182).map(|n| Member { mtime: MTIME + 3600, ..Member::new(format!("new/{n}"), "x") });
    let young: Vec<Member> = young.collect();
    let world = World::new().originals(&tree()).backup("tar", &tree());
    pack::write_files(&world.path("s"), &young);
    let verified = world
        .verify("--sample all --completeness 200")
        .exits(3)
        .says("INCOMPLETE 12 of 12 identical.")
        .says("12 of 194 originals wanted could be looked up in the backup: 182 may be younger");
    assert_eq!(verified.number("/completeness/undecided"), 182);
    world
        .verify("--sample all")
        .exits(0)
        .says("12 of 194 originals looked up in the backup; 182 more may be");
    // Originals that were modified after the time of the backup are known to be too young.
    pack::set_mtime(&world.path("b"), MTIME + 100);
    let verified = world.verify("--sample all --completeness 200").exits(3);
    assert_eq!(verified.number("/completeness/too_young"), 182);
    verified.says("12 of 12 originals looked up in the backup; 182 more are younger than the backup");
}

#[test]
fn looking_up_no_original_does_not_pass_if_completeness_was_asked_for() {
    let world = World::new().originals(&tree()).backup("tar", &tree());
    fs::remove_dir_all(world.path("s/small")).unwrap();
    fs::create_dir_all(world.path("s/small")).unwrap();
    let members: Vec<_> = (0..9).map(|n| Member::new(format!("small/{n}.txt"), "x")).collect();
    let world = World::new().originals(&members).backup("tar", &members);
    // The filter is by size. The files in the backup pass it, but no original does any more.
    for member in &members {
        let name = std::str::from_utf8(&member.name).unwrap();
        let longer = Member { mtime: MTIME + 60, ..Member::new(name, "longer") };
        pack::write_files(&world.path("s"), &[longer]);
    }
    let flags = "--sample 3 --max-size 1 --completeness 9";
    assert_eq!(world.verify(flags).exits(3).number("/completeness/looked_up"), 0);
}

#[test]
fn originals_are_drawn_until_enough_are_old_enough() {
    let young = (0..100).map(|n| Member { mtime: MTIME + 3600, ..Member::new(format!("new/{n}"), "x") });
    let young: Vec<Member> = young.collect();
    let members = pack::many_small_files(300);
    let world = World::new().originals(&members).backup("tar", &members);
    pack::set_mtime(&world.path("b"), MTIME + 100);
    pack::write_files(&world.path("s"), &young);
    let verified = world.verify("--sample 10 --completeness 60").exits(0).says("60 of ");
    assert_eq!(verified.number("/completeness/looked_up"), 60);
    assert_eq!((missing(&verified), verified.number("/completeness/undecided")), (0, 0));
}

#[test]
fn filters_apply_to_originals_as_to_files_in_the_backup() {
    let mut old = tree();
    old[0].mtime = MTIME - 86_400;
    let extra: Vec<Member> = vec![
        Member::new("lost/large.bin", pack::noise(5000, 7)),
        Member { mtime: MTIME - 86_400, ..Member::new("lost/old.txt", "old") },
        Member::new("lost/B\u{fc}ro.doc", "doc"),
    ];
    let originals = [extra, old.clone()].concat();
    for format in ["folder", "tar", "tar.zst", "zip"] {
        let world = World::new().originals(&originals).backup(format, &old);
        for (filter, lost) in [
            ("", 3),
            ("--exclude lost/", 0),
            ("--include *.txt", 1),
            ("--max-size 1KiB", 2),
            ("--min-size 1KiB", 1),
            ("--newer-than 2023-11-14", 2),
            ("--older-than 2023-11-14", 1),
            ("--exclude Bu\u{308}ro.doc", 2),
        ] {
            for sample in ["all", "100"] {
                let flags = format!("--sample {sample} --completeness 200 {filter}");
                let verified = world.verify(&flags).exits(i32::from(lost > 0));
                assert_eq!(missing(&verified), lost, "{format} {flags}");
            }
        }
    }
}

#[test]
fn the_backup_and_restored_files_below_the_source_are_not_originals() {
    for format in ["folder", "tar"] {
        let world = World::new().originals(&tree());
        pack::write(format, &world.path("s/backup"), &tree());
        pack::write_files(&world.path("apart/kept"), &tree());
        let run = |sample: &str| {
            let flags = format!(
                "--backup s/backup --source s --restore-to apart --cache use --completeness 100 --json j --sample {sample}"
            );
            Verified::new(world.run(&flags), &world.read("j"))
        };
        for sample in ["all", "3"] {
            let verified = run(sample).exits(0);
            assert_eq!(verified.number("/completeness/originals"), 12, "{format}");
        }
    }
}

#[test]
fn originals_that_may_be_in_a_damaged_part_are_not_missing() {
    let mut archive =
        pack::archive("tar", &[tree(), vec![Member::new("last", pack::noise(9000, 4))]].concat());
    archive.truncate(archive.len() - 30_000);
    let members = [tree(), vec![Member::new("last", pack::noise(9000, 4))]].concat();
    let world = World::new().originals(&members).file("b", archive);
    let verified = world.verify("--sample all --completeness 100").exits(1);
    assert_eq!(missing(&verified), 0, "{}", verified.ran);
}

#[cfg(unix)]
#[test]
fn links_devices_and_empty_folders_are_counted_as_not_compared() {
    let world = World::new().originals(&tree()).folder("s/hollow").folder("s/docs/also-empty");
    std::os::unix::fs::symlink("one-byte", world.path("s/link")).unwrap();
    crate::unix::pipe(&world.path("s/pipe"));
    let tar = |place: &std::path::Path| {
        let mut command = std::process::Command::new("tar");
        command.arg("-C").arg(world.path("s")).arg("-cf").arg(place).arg(".");
        assert!(command.status().unwrap().success());
    };
    tar(&world.path("b"));
    let says = "4 links, devices and empty folders; modes, owners, ACLs and streams of all files";
    for sample in ["all", "5"] {
        let verified = world.verify(&format!("--sample {sample}")).exits(0).says(says);
        assert_eq!(verified.number("/population/not_compared"), 4);
    }
    fs::remove_file(world.path("b")).unwrap();
    let mut copy = std::process::Command::new("cp");
    copy.arg("-a").arg(world.path("s")).arg(world.path("b"));
    assert!(copy.status().unwrap().success());
    for sample in ["all", "5"] {
        world.verify(&format!("--sample {sample}")).exits(0).says(says);
    }
}

#[test]
fn an_original_that_is_said_to_be_unchanged_and_is_not_in_the_backup_is_missing_whatever_its_times() {
    let originals = tree();
    let world = World::new().backup("tar", &originals[1..]).originals(&originals);
    let flags = "--sample all --assume-unchanged --completeness";
    world.verify(&format!("{flags} 100")).exits(1).says("does not contain");
    world.verify(&format!("{flags} 0")).exits(0);
}
