//! Pairing: where the originals of files in a backup are looked for, and which files are left out.

use crate::pack::{self, MTIME, Member, tree};
use crate::world::World;

/// The tree in an archive that stores a prefix before every name.
fn below(prefix: &str) -> Vec<Member> {
    let rename = |member: Member| {
        let name = [prefix.as_bytes(), &member.name].concat();
        Member { name, ..member }
    };
    tree().into_iter().map(rename).collect()
}

#[test]
fn a_prefix_that_an_archive_stores_is_found_by_looking_at_the_originals() {
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
fn files_that_no_source_covers_are_counted_and_not_judged() {
    let mut backup = below("home/");
    backup.push(Member::new("etc/passwd", "root"));
    let world = World::new().originals(&tree()).backup("tar", &backup);
    let verified = world.verify_with("--map home=s --sample all").exits(0).says("PASS 12 of 12 identical.");
    assert_eq!(verified.at("/population/files"), 12);
    assert_eq!(verified.at("/population/unmapped"), 1);
    verified.says("1 without a source").says("files with a source and whose originals");
}

#[test]
fn if_nothing_pairs_two_paths_of_each_side_are_shown() {
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
fn two_names_in_a_backup_for_one_original_count_once() {
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

const NFC: &str = "B\u{fc}ro/caf\u{e9}.txt";
const NFD: &str = "Bu\u{308}ro/cafe\u{301}.txt";

/// Whether this file system treats two Unicode spellings as two names, as most do.
fn tells_spellings_apart() -> bool {
    let world = World::new().file(NFC, "x");
    std::fs::metadata(world.path(NFD)).is_err()
}

#[test]
fn names_that_differ_only_in_unicode_spelling_are_paired_and_counted() {
    if !tells_spellings_apart() {
        return;
    }
    for format in ["folder", "tar", "tar.gz", "zip"] {
        for (stored, original) in [(NFD, NFC), (NFC, NFD)] {
            let with = |name: &str| [vec![Member::new(name, "words")], tree()].concat();
            let world = World::new().originals(&with(original)).backup(format, &with(stored));
            for sample in ["all", "100"] {
                let verified = world
                    .verify(&format!("--sample {sample} --completeness 100"))
                    .exits(0)
                    .finds(&[])
                    .says("PASS 13 of 13 identical.")
                    .says("1 name differs from its original's only in Unicode spelling (NFC or NFD)");
                assert_eq!(verified.number("/completeness/looked_up"), 13, "{format}");
            }
            let rotten = [vec![Member::new(stored, "wards")], tree()].concat();
            let world = World::new().originals(&with(original)).backup(format, &rotten);
            world.verify("--sample all").exits(1).finds(&[(stored, pack::verdict_of_a_difference(format))]);
        }
    }
}

#[test]
fn a_backup_whose_folder_has_another_spelling_is_found_by_looking() {
    if !tells_spellings_apart() {
        return;
    }
    let world = World::new().backup("tar", &below("Bu\u{308}ro/"));
    pack::write_files(&world.path("B\u{fc}ro"), &tree());
    world.verify_with("--source B\u{fc}ro --sample all").exits(0).says("PASS 12 of 12 identical.");
    world.verify_with("--map B\u{fc}ro=B\u{fc}ro --sample all").exits(0).says("PASS 12 of 12 identical.");
}

#[test]
fn if_two_names_match_in_other_spellings_neither_is_paired_or_reported() {
    if !tells_spellings_apart() {
        return;
    }
    // Composed, decomposed, and a mix of both.
    let (whole, none, half) = ("\u{1eaf}", "a\u{306}\u{301}", "\u{103}\u{301}");
    let with = |names: &[&str]| {
        let twins = names.iter().map(|name| Member::new(name, "twin"));
        twins.chain(tree()).collect::<Vec<_>>()
    };
    let world = World::new().originals(&with(&[whole, none])).backup("tar", &with(&[half]));
    let verified = world.verify("--sample all --completeness 100").finds(&[(half, "deleted")]);
    assert_eq!(verified.at("/completeness/missing").as_array().unwrap().len(), 0, "{}", verified.ran);
    // The exact name takes precedence over any other.
    let world = World::new().originals(&with(&[whole, none])).backup("tar", &with(&[none]));
    let verified = world.verify("--sample all --completeness 100").exits(1).finds(&[]);
    assert_eq!(verified.at("/completeness/missing").as_array().unwrap().len(), 1, "{}", verified.ran);
}

#[test]
fn many_deleted_originals_show_where_they_were_looked_for_and_what_is_there() {
    let world = World::new().originals(&tree()).backup("tar", &tree());
    std::fs::rename(world.path("s/small"), world.path("s/Smalls")).unwrap();
    let verified = world.verify("--sample all");
    let notes = verified.at("/notes").to_string();
    // Paths of Windows are shown with slashes.
    let near = world.path("s/Smalls").display().to_string().replace('\\', "/");
    assert!(notes.contains("6 of 12 picks have no original: small/0.txt, for example"), "{notes}");
    assert!(notes.contains(&near), "{notes}");
    assert!(notes.contains("--map"), "{notes}");
}

#[test]
fn a_damaged_backup_in_which_nothing_pairs_is_not_a_usage_error() {
    for format in ["tar", "tar.gz"] {
        let elsewhere = ["elsewhere/a", "elsewhere/b"].map(|name| Member::new(name, pack::noise(40_000, 8)));
        let mut archive = pack::archive(format, &elsewhere);
        archive.truncate(60_000);
        let world = World::new().originals(&tree()).file("b", archive);
        let verified = world.verify("--sample all").exits(1).says("1 part cannot be listed");
        verified.says("no file that can be listed in the backup has an original in");
    }
}
