//! Pairing: where the originals of a backup's files are looked for, and which files are left out.

use crate::pack::{self, MTIME, Member, tree};
use crate::world::World;

/// The tree as an archive holds it that stores a prefix before every name.
fn below(prefix: &str) -> Vec<Member> {
    let rename = |member: Member| {
        let name = [prefix.as_bytes(), &member.name].concat();
        Member { name, ..member }
    };
    tree().into_iter().map(rename).collect()
}

#[test]
fn what_an_archive_stores_before_the_names_is_found_by_looking() {
    for prefix in ["", "./", "/", "s/", "./s/"] {
        for format in ["tar", "zip"] {
            let world = World::new().originals(&tree()).backup(format, &below(prefix));
            world.verify("--sample all").exits(0).says("PASS 12 of 12 identical.");
        }
    }
}

#[test]
fn maps_name_the_originals_of_a_prefix() {
    let world = World::new().originals(&tree()).backup("tar", &below("C/Users/me/"));
    world.verify_with("--map C/Users/me=s --sample all").exits(0).says("PASS 12 of 12 identical.");
    world.verify_with("--map C/Users/me/docs=s/docs --map C/Users/me=s --sample all").exits(0).finds(&[]);
    world
        .verify_with("--map C/Users/me/docs=s/docs --sample all")
        .exits(0)
        .says("2 of 2 files")
        .says("10 without a source");
}

#[test]
fn several_sources_share_a_backup() {
    let backup: Vec<_> = [below("one/"), below("two/")].concat();
    let world = World::new().backup("zip", &backup);
    pack::write_files(&world.path("one"), &tree());
    pack::write_files(&world.path("two"), &tree());
    world.verify_with("--source one --source two --sample all").exits(0).says("PASS 24 of 24 identical.");
}

#[test]
fn what_no_source_covers_is_counted_and_not_judged() {
    let mut backup = below("home/");
    backup.push(Member::new("etc/passwd", "root"));
    let world = World::new().originals(&tree()).backup("tar", &backup);
    let verified = world.verify_with("--map home=s --sample all").exits(0).says("PASS 12 of 12 identical.");
    assert_eq!(verified.at("/population/files"), 12);
    assert_eq!(verified.at("/population/unmapped"), 1);
    verified.says("1 without a source").says("files whose originals are named");
}

#[test]
fn when_nothing_pairs_two_paths_of_each_side_are_shown() {
    let world = World::new().originals(&tree()).backup("tar", &below("another/place/"));
    world
        .run("--backup b --source s --restore-to r --sample all")
        .exits(2)
        .out_is("")
        .err_has(": the backup holds another/place/")
        .err_has(" and another/place/")
        .err_has("no file of the backup has an original in ")
        .err_has(", that folder holds ")
        .err_has("hint: say where the originals are: --source DIR, or --map FROM=TO");
}

#[test]
fn two_names_of_a_backup_for_one_file_count_once() {
    for format in ["tar", "tar.gz"] {
        let mut backup = tree();
        backup.insert(0, Member::new("docs/letter.txt", "an older letter"));
        backup.push(Member::new("./one-byte", "x"));
        let world = World::new().originals(&tree()).backup(format, &backup);
        world.verify("--sample all").exits(0).says("PASS 12 of 12 identical.");
        world.verify("--sample 100 --seed s").exits(0).says("PASS 12 of 12 identical.");
    }
}

#[test]
fn filters_leave_files_out_and_say_how_many() {
    let mut members = tree();
    members[0].mtime = MTIME + 86_400;
    let date = "2023-11-15T12:00:00Z";
    for format in ["folder", "tar", "zip"] {
        let world = World::new().originals(&members).backup(format, &members);
        for (filter, left) in [
            ("--include *.txt".to_owned(), 7),
            ("--include *.txt --exclude small/".to_owned(), 1),
            ("--include /docs/".to_owned(), 2),
            ("--exclude docs/".to_owned(), 10),
            ("--min-size 1KiB".to_owned(), 3),
            ("--max-size 1".to_owned(), 2),
            (format!("--newer-than {date}"), 1),
            (format!("--older-than {date}"), 11),
        ] {
            let verified = world.verify(&format!("--sample all --seed s {filter}")).exits(0);
            let count = [verified.number("/counts/verified"), verified.number("/population/filtered")];
            assert_eq!(count, [left, 12 - left], "{format} {filter}");
            let sampled = world.verify(&format!("--sample 100 --seed s {filter}")).exits(0);
            assert_eq!(sampled.at("/population"), verified.at("/population"), "{format} {filter}");
        }
    }
}
