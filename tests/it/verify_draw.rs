//! The draw: which files a seed selects depends only on their names, and anybody can compute it.
//!
//! The computation here is different from the program's: it hashes everything, sorts, and takes the
//! first files.

use std::collections::BTreeSet;

use crate::pack::{Member, many_small_files};
use crate::world::{Verified, World};

/// The names of the `count` files that a seed selects, and the digest of the population, computed
/// as the program's documentation says.
fn redraw(seed: &str, names: &[Vec<u8>], count: usize) -> (BTreeSet<String>, String) {
    let mut key = blake3::Hasher::new_derive_key("bkverify 2026 sample v1");
    key.update(seed.as_bytes());
    let key = *key.finalize().as_bytes();
    let mut digest = 0u128;
    let mut ranked = Vec::new();
    for name in names {
        let hash = *blake3::Hasher::new_keyed(&key).update(name).finalize().as_bytes();
        digest = digest.wrapping_add(u128::from_be_bytes(hash[16..].try_into().unwrap()));
        ranked.push((hash[..16].to_vec(), name.clone()));
    }
    ranked.sort();
    let drawn = ranked.into_iter().take(count).map(|(_, name)| String::from_utf8(name).unwrap());
    (drawn.collect(), format!("{digest:032x}"))
}

/// The files that a run drew, taken from the copies that it kept.
fn drawn(world: &World) -> BTreeSet<String> {
    let folders: Vec<_> = world.names("r");
    assert_eq!(folders.len(), 1, "{folders:?}");
    let kept = world.path("r").join(&folders[0]);
    let files = walkdir::WalkDir::new(&kept).into_iter().map(|entry| entry.unwrap());
    let files = files.filter(|entry| entry.file_type().is_file());
    let name = |entry: walkdir::DirEntry| {
        entry.path().strip_prefix(&kept).unwrap().to_str().unwrap().replace('\\', "/")
    };
    let names = files.map(name).collect();
    std::fs::remove_dir_all(kept).unwrap();
    names
}

fn names(members: &[Member]) -> Vec<Vec<u8>> {
    members.iter().map(|member| member.name.clone()).collect()
}

#[test]
fn a_seed_draws_the_same_files_from_a_folder_its_tar_and_its_zip_by_1_and_by_8_threads() {
    let members = many_small_files(300);
    let mut shuffled = members.clone();
    shuffled.reverse();
    let folder = World::new().originals(&members).backup("folder", &members);
    let tar = World::new().originals(&members).backup("tar.gz", &shuffled);
    let zip = World::new().originals(&members).backup("zip", &members);
    for seed in ["spring", "autumn"] {
        let (expected, digest) = redraw(seed, &names(&members), 25);
        for (world, threads) in [(&folder, 1), (&folder, 8), (&tar, 1), (&tar, 8), (&zip, 1), (&zip, 8)] {
            let verified = world
                .verify(&format!("--sample 25 --seed {seed} --threads {threads} --keep all"))
                .exits(0)
                .says(&format!("redraw --seed {seed}"));
            assert_eq!(verified.at("/population/digest"), digest.as_str());
            assert_eq!(verified.at("/population/files"), 300);
            assert_eq!(drawn(world), expected, "{threads} threads, {}", verified.at("/backup/format"));
        }
    }
}

#[test]
fn a_run_without_a_seed_can_be_redrawn_from_its_report() {
    let members = many_small_files(200);
    let world = World::new().originals(&members).backup("tar", &members);
    let verified = world.verify("--sample 9 --keep all").exits(0);
    let seed = verified.at("/sample/seed").as_str().unwrap();
    let (expected, digest) = redraw(seed, &names(&members), 9);
    assert_eq!(drawn(&world), expected);
    assert_eq!(verified.at("/population/digest"), digest.as_str());
}

#[test]
fn replacements_are_the_files_with_the_next_ranks() {
    let members = many_small_files(100);
    let (first, _) = redraw("s", &names(&members), 5);
    let (more, _) = redraw("s", &names(&members), 7);
    let kept = |member: &&Member| !first.iter().take(2).any(|gone| gone.as_bytes() == member.name);
    let originals: Vec<_> = members.iter().filter(kept).cloned().collect();
    let world = World::new().originals(&originals).backup("folder", &members);
    let verified = world.verify("--sample 5 --seed s --keep all --threads 3 --max-undecided 50%").exits(0);
    assert_eq!(verified.at("/sample/replacements"), 2);
    assert_eq!(drawn(&world), more);
}

#[test]
fn filters_decide_which_files_are_drawn_from() {
    let members = many_small_files(160);
    let world = World::new().originals(&members).backup("zip", &members);
    let verified = world.verify("--sample 6 --seed s --include crowd/3/ --keep all").exits(0);
    let of_three: Vec<_> = names(&members).into_iter().filter(|name| name.starts_with(b"crowd/3/")).collect();
    let (expected, digest) = redraw("s", &of_three, 6);
    assert_eq!(drawn(&world), expected);
    assert_eq!(verified.at("/population/files"), 10);
    assert_eq!(verified.at("/population/filtered"), 150);
    assert_eq!(verified.at("/population/digest"), digest.as_str());
}

fn wanted_verified_bound(verified: &Verified) -> [u64; 3] {
    ["/sample/wanted", "/counts/verified", "/assurance/at_most_bad"].map(|field| verified.number(field))
}

#[test]
fn a_share_all_and_a_tolerance_give_the_right_sample_size() {
    let members = many_small_files(1000);
    let world = World::new().originals(&members).backup("tar", &members);
    let verified = world.verify("--sample 5%").exits(0);
    assert_eq!(wanted_verified_bound(&verified)[..2], [50, 50]);
    let verified = world.verify("--confidence 95% --tolerance 1%").exits(0);
    assert_eq!(wanted_verified_bound(&verified), [258, 258, 9], "the sample that rules out 10 of 1,000");
    let verified = world.verify("--sample 500").exits(0);
    assert_eq!(wanted_verified_bound(&verified), [500, 500, 4]);
    verified.says("since the backup, at most 4 are bad (0.4% of up to 1,000).");
    let verified = world.verify("--sample all").exits(0);
    assert_eq!(wanted_verified_bound(&verified), [1000, 1000, 0]);
    assert_eq!(verified.at("/sample/strategy"), "all");
}

#[test]
fn a_sample_larger_than_the_backup_is_the_whole_backup() {
    let members = many_small_files(20);
    for format in ["folder", "tar", "zip"] {
        let world = World::new().originals(&members).backup(format, &members);
        let verified = world.verify("--sample 1000000").exits(0).says("PASS 20 of 20 identical.");
        assert_eq!(wanted_verified_bound(&verified), [20, 20, 0]);
    }
}
