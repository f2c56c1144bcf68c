//! Archives made by an attacker or by a careless program: names that lead outside the folder, names
//! that no file system can store, and members that are not what they declare.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::pack::{self, FORMATS, Member, tree};
use crate::world::World;

/// Everything in this world except the report.
fn surroundings(world: &World) -> BTreeSet<PathBuf> {
    let entries = walkdir::WalkDir::new(world.path(".")).into_iter().map(|entry| entry.unwrap().into_path());
    entries.filter(|path| !path.ends_with("report.json") && !path.ends_with("r")).collect()
}

/// The tree, followed by one member for each hostile name.
fn hostile() -> Vec<Member> {
    let names: [&[u8]; 12] = [
        b"../escaped",
        b"docs/../../escaped",
        b"/absolute-escape",
        b"C:\\escaped.txt",
        b"\\\\server\\share\\escaped",
        b"..\\escaped",
        b"CON",
        b"docs/nul.txt",
        b"trailing dots...",
        b"colon: stream",
        b"\x1b[31mred\x07",
        b"not \xff UTF-8",
    ];
    let long = vec![b'n'; 300];
    let names = names.into_iter().chain([long.as_slice()]);
    tree().into_iter().chain(names.map(|name| Member::new(name, "harm"))).collect()
}

#[test]
fn hostile_names_are_never_created_and_the_other_files_are_verified() {
    for format in &FORMATS[1..] {
        let world = World::new().originals(&tree()).backup(format, &hostile());
        let before = surroundings(&world);
        let verified = world.verify("--sample all").exits(1).says("FAIL 12 of 14 identical");
        assert_eq!(surroundings(&world), before, "{format}");
        let failed: Vec<_> =
            verified.findings().into_iter().filter(|(_, verdict)| verdict == "restore-failed").collect();
        assert_eq!(failed.len(), 2, "{format}: {failed:?}");
        assert!(failed.iter().all(|(name, _)| name.contains("..")), "{failed:?}");
        verified.says("restore-failed: ../escaped its name leads out of the folder (\"..\")");
    }
}

#[test]
fn terminal_commands_in_names_are_shown_escaped() {
    let world = World::new().originals(&tree()).backup("tar", &hostile());
    let verified = world.verify("--sample all -v");
    let said = format!("{}{}", verified.ran.out, verified.ran.err);
    assert!(said.contains("\\x1b[31mred\\x07") && !said.contains(['\x1b', '\x07']), "{said}");
    assert!(verified.findings().contains_key("not \\xff UTF-8"));
}

#[test]
fn kept_copies_stay_inside_their_folder() {
    for format in ["tar", "zip"] {
        let world = World::new().originals(&tree()).backup(format, &hostile());
        let before = surroundings(&world);
        world.verify("--sample all --keep all").exits(1);
        let inside = format!("bkverify-kept-{}", world.names("r")[0].rsplit('-').next().unwrap());
        assert_eq!(world.names("r"), [inside]);
        let outside = |path: &PathBuf| !path.components().any(|part| part.as_os_str() == "r");
        assert_eq!(surroundings(&world).into_iter().filter(outside).collect::<BTreeSet<_>>(), before);
    }
}

#[test]
fn a_name_is_never_cut_at_a_zero_byte() {
    // In a zip archive, a name can contain anything. If this one were cut at the zero byte, it
    // would be the name of the letter.
    let mut members = tree();
    members.push(Member::new(b"docs/letter.txt\0.exe", "harm"));
    let world = World::new().originals(&tree()).backup("zip", &members);
    let verified = world.verify("--sample all").exits(1).says("its name contains a NUL byte");
    assert_eq!(verified.at("/counts/verified"), 12);
    assert_eq!(verified.at("/counts/restore-failed"), 1);
}

#[test]
fn a_link_in_an_archive_is_never_followed() {
    // A link to a folder outside, and a file that a careless program would write through the link.
    let mut link = pack::tar_header(b"docs/way-out", 0, pack::MTIME, b'2');
    link[157..157 + 8].copy_from_slice(b"../../..");
    link[148..156].copy_from_slice(b"        ");
    let sum: u32 = link.iter().map(|&byte| u32::from(byte)).sum();
    link[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let rest = [tree(), vec![Member::new("docs/way-out/escaped", "harm")]].concat();
    let archive = [&link[..], &pack::tar(&rest)].concat();
    let world = World::new().originals(&tree()).file("b", archive);
    let before = surroundings(&world);
    world.verify("--sample all").exits(0).finds(&[("docs/way-out/escaped", "deleted")]);
    assert_eq!(surroundings(&world), before);
}

#[test]
fn a_member_larger_than_its_declared_size_is_stopped_there() {
    let mut members = tree();
    members[0].content = vec![0; 5_000_000];
    members[0].declared = Some(20_000);
    let world = World::new().originals(&tree()).backup("zip", &members);
    let verified = world
        .verify("--sample all")
        .exits(1)
        .finds(&[("docs/report.bin", "corrupt")])
        .says("longer than the 20000 bytes that the backup declares");
    assert!(verified.number("/effort/restored_bytes") < 100_000);
}

#[test]
fn a_member_smaller_than_its_declared_size_takes_no_space_and_does_not_pass() {
    for (format, declared) in
        [("tar", 0o77_777_777_777), ("tar.gz", 0o77_777_777_777), ("zip", 4_000_000_000)]
    {
        let mut members = tree();
        let mut liar = Member::new("liar", "short");
        liar.declared = Some(declared);
        members.push(liar);
        let originals = [tree(), vec![Member::new("liar", "short")]].concat();
        let world = World::new().originals(&originals).backup(format, &members);
        let verified = world.verify("--sample all").exits(1);
        assert_eq!(verified.at("/counts/verified"), 12, "{format}: {}", verified.ran);
        assert!(verified.number("/effort/restored_bytes") < 100_000, "{format}: {}", verified.ran);
    }
}
