//! Whole runs on repositories of the installed borg: odd names, damage with borg's own word as the
//! truth, passphrases, and errors with their next steps.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bkverify::backup::{self, Backup, Context, EntryBatch, Location, Wanted, escape};

use crate::contract::collect;
use crate::contract::fixtures;
use crate::pack;
use crate::unix::{all_losses_are_found, fingerprint};
use crate::world::World;

/// Names that harm careless programs, and names that borg, a shell or a pattern takes for something
/// else.
pub const HOSTILE: &[&[u8]] = &[
    b"plain",
    b"new\nline",
    b"non-utf8-\xff\xfe",
    b"latin1-\xe9",
    b"star*",
    b"quest?",
    b"br[ack]et",
    b"back\\slash",
    b"dollar$HOME",
    b"trailing ",
    b" leading",
    b"tab\there",
    b"quote\"dq",
    b"sq'q",
    b"pf:prefix",
    b"re:.*",
    b"sh:**",
    b"-dash",
    b"--help",
    b"semi;colon",
    b"pipe|",
    b"amp&",
    b"CON",
    b"nul.txt",
    b"trailing.",
    b"a:b",
    b"::x",
    b"!bang",
    b"#hash",
    b"%41",
    b"\xc3\xa9-nfc",
    b"e\xcc\x81-nfd",
    b"\x01ctl",
    b"\x1b[2Jesc",
    b"\x7fdel",
    b"{brace}",
    b"{path}",
    b"$(x)",
    b"`tick`",
    b"~tilde",
    b"..dots",
    b"...",
    b" ",
    b"\\",
    b"*",
    b"?",
    b"[",
    b"]",
    b"+ pf:x",
    b"\xef\xbb\xbfbom",
    b"\xed\xa0\x80surr",
    &[b'a'; 255],
    b"\xf0\x9f\x98\x80",
    b"caf\xc3\xa9 \xff mix",
    b"==",
    b"@file",
    b",comma",
    b"CRLF\r\n",
];

/// A world with originals in `s`, and a repository of them in `b`.
pub struct Repository {
    pub world: World,
}

impl Repository {
    /// Originals that `fill` creates, and an archive `first` of them.
    pub fn new(encryption: &str, fill: impl FnOnce(&Path)) -> Self {
        let world = World::new().folder("s").folder("home").file("password", "pass phrase\n");
        fs::set_permissions(world.path("password"), fs::Permissions::from_mode(0o600)).unwrap();
        fill(&world.path("s"));
        let repository = Self { world };
        repository.borg(&["init", "--encryption", encryption, "b"]);
        // Small segments, so that damage to one of them leaves others.
        repository.borg(&["config", "b", "max_segment_size", "1048576"]);
        repository.create("first");
        repository
    }

    pub fn create(&self, name: &str) {
        let target = format!("{}::{name}", self.world.path("b").display());
        let mut command = self.command(&["create", &target, "."]);
        assert!(command.current_dir(self.world.path("s")).status().unwrap().success());
    }

    pub fn command(&self, arguments: &[impl AsRef<OsStr>]) -> Command {
        fixtures::borg(&self.world.path("home"), &self.world.path(""), arguments)
    }

    #[track_caller]
    pub fn borg(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// The segments with content, largest first.
    pub fn segments(&self) -> Vec<PathBuf> {
        let mut segments: Vec<_> =
            fs::read_dir(self.world.path("b/data/0")).unwrap().map(|entry| entry.unwrap().path()).collect();
        segments.sort_by_key(|path| std::cmp::Reverse(path.metadata().unwrap().len()));
        segments
    }

    /// The number of the last segment.
    pub fn newest_segment(&self) -> u64 {
        let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().parse().unwrap();
        self.segments().iter().map(name).max().unwrap()
    }

    /// The files that borg does not restore by itself, one by one, or restores differently.
    fn lost_by_borg(&self) -> BTreeSet<String> {
        // borg writes to a repository that it reads.
        let copy = self.world.path("copy");
        let status = Command::new("cp").args(["-a"]).arg(self.world.path("b")).arg(&copy).status().unwrap();
        assert!(status.success());
        let mut lost = BTreeSet::new();
        for name in self.world.names("s") {
            let target = format!("{}::first", copy.display());
            let mut command = self.command(&["extract", "--stdout", &target, &format!("pf:{name}")]);
            let output = command.env("BORG_RELOCATED_REPO_ACCESS_IS_OK", "yes").output().unwrap();
            if output.stdout != fs::read(self.world.path("s").join(&name)).unwrap() {
                lost.insert(name);
            }
        }
        fs::remove_dir_all(copy).unwrap();
        lost
    }

    /// Verifies every file, and compares what is found bad with what borg itself loses.
    #[track_caller]
    fn is_judged_as_by_borg(&self, what: &str) -> BTreeSet<String> {
        let lost = self.lost_by_borg();
        all_losses_are_found(&self.world, &lost, what);
        lost
    }
}

/// Files that no compression makes smaller.
fn noisy_files(folder: &Path) {
    for number in 0..16_u8 {
        let size = [300, 9_000, 150_000, 700_000][usize::from(number) % 4];
        fs::write(folder.join(format!("file-{number:02}")), pack::noise(size, number)).unwrap();
    }
}

#[test]
fn files_of_any_name_are_found_and_restored_from_a_repository_that_may_not_be_written() {
    let repository = Repository::new("repokey", |originals| {
        for (number, name) in HOSTILE.iter().enumerate() {
            fs::write(originals.join(OsStr::from_bytes(name)), format!("content of {number}")).unwrap();
        }
        let deep = originals.join(OsStr::from_bytes(b"sub folder/\xff deep"));
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join(OsStr::from_bytes(b"file\n\xfe")), "deep").unwrap();
        fs::write(originals.join("empty"), "").unwrap();
        for (first, second) in
            [(&b"link-a"[..], &b"link-b"[..]), (b"odd \xff a", b"odd \xfe b"), (b"odd \xff a", b"odd \xfd a")]
        {
            let first = originals.join(OsStr::from_bytes(first));
            if !first.exists() {
                fs::write(&first, escape(first.as_os_str().as_bytes()).as_bytes()).unwrap();
            }
            fs::hard_link(&first, originals.join(OsStr::from_bytes(second))).unwrap();
        }
        std::os::unix::fs::symlink("plain", originals.join("symlink")).unwrap();
    });
    let repository = Repository { world: repository.world.without_root_rights() };
    let b = repository.world.path("b");
    for entry in walkdir::WalkDir::new(&b).contents_first(true) {
        let entry = entry.unwrap();
        let mode = if entry.file_type().is_dir() { 0o500 } else { 0o400 };
        fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode)).unwrap();
    }
    let before = fingerprint(&b);
    let files = HOSTILE.len() as u64 + 2 + 2 + 3;
    for sample in ["all", "1000"] {
        let verified = repository
            .world
            .verify(&format!("--sample {sample} --password file:password"))
            .exits(0)
            .finds(&[]);
        assert_eq!(verified.number("/counts/verified"), files, "{}", verified.ran);
    }
    assert_eq!(fingerprint(&b), before);
    for entry in walkdir::WalkDir::new(&b) {
        let _ = fs::set_permissions(entry.unwrap().path(), fs::Permissions::from_mode(0o700));
    }
}

#[test]
fn every_damaged_file_is_found_and_no_other() {
    let fresh = || Repository::new("repokey", noisy_files);
    let flipped = fresh();
    let mut lost = 0;
    for segment in &flipped.segments()[..2] {
        let mut content = fs::read(segment).unwrap();
        for share in [5, 2] {
            let at = content.len() / share;
            content[at] ^= 0x10;
        }
        fs::write(segment, content).unwrap();
        lost = flipped.is_judged_as_by_borg("flipped").len();
    }
    assert!((2..16).contains(&lost), "{lost} files are lost by four flipped bits");
    let cut = fresh();
    let segment = &cut.segments()[0];
    let file = fs::OpenOptions::new().write(true).open(segment).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    assert!(!cut.is_judged_as_by_borg("cut off").is_empty());
    let gone = fresh();
    fs::remove_file(&gone.segments()[0]).unwrap();
    assert!(!gone.is_judged_as_by_borg("a segment is gone").is_empty());
}

#[test]
fn a_damaged_or_missing_index_is_rebuilt_beside_the_repository() {
    let repository = Repository::new("repokey", noisy_files);
    let index = newest_index(&repository.world.path("b"));
    let mut content = fs::read(&index).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    fs::write(&index, content).unwrap();
    assert!(repository.is_judged_as_by_borg("flipped in the index").is_empty());
    fs::remove_file(&index).unwrap();
    assert!(repository.is_judged_as_by_borg("without an index").is_empty());
}

#[test]
fn what_keeps_a_repository_from_being_read_is_told_with_the_next_step() {
    let repository = Repository::new("repokey", |originals| fs::write(originals.join("a"), "a").unwrap());
    let world = repository.world.file("wrong", "wrong\n").folder("no-repository").folder("half/data");
    fs::set_permissions(world.path("wrong"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::copy(world.path("b/README"), world.path("half/README")).unwrap();
    let before = fingerprint(&world.path("b"));
    for (backup, flags, code, words) in [
        ("b", "", 4, "say where its passphrase is with --password file:PATH"),
        ("borg:b", "--password file:wrong", 4, "the passphrase is not the one of this repository"),
        ("borg:b::nothing", "--password file:password", 4, "it has no snapshot nothing; there are first"),
        (
            "borg:b",
            "--password file:password --snapshot 2001-01-01",
            4,
            "no snapshot was taken until 2001-01-01",
        ),
        ("borg:b::first", "--snapshot other --password file:password", 4, "leave one out"),
        ("borg:no-repository", "", 4, "there is no borg repository at this place"),
        ("borg:missing", "", 4, "cannot open the backup"),
        ("half", "", 4, "what is left of a borg repository"),
        ("borg:", "", 2, "BORG_REPO is not set"),
        ("borg:b", "--password hunter2", 2, "file:PATH, env:NAME or command:PROGRAM"),
        ("borg:b", "--password env:NOT_SET_HERE", 4, "NOT_SET_HERE"),
    ] {
        let ran = world.run(&format!("--backup {backup} --source s --restore-to r --state none {flags}"));
        let err = ran.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(err.contains(words), "{backup} {flags}: {ran}");
        assert!(!err.contains("hunter2"), "{ran}");
        assert_eq!(ran.code, Some(code), "{backup} {flags}: {ran}");
    }
    let mut without_borg = world.command("--backup b --source s --restore-to r --state none");
    without_borg.env("PATH", world.path("home"));
    let ran = crate::world::RunResult::of(without_borg, "").exits(4);
    assert!(ran.err.replace("\n ", "").contains("`borg` is not installed"), "{ran}");
    assert!(ran.err.contains("borgbackup"), "{ran}");
    assert_eq!(fingerprint(&world.path("b")), before);
    assert_eq!(world.names("r"), [""; 0]);
}

#[test]
fn a_lock_is_neither_waited_for_nor_taken() {
    let repository = Repository::new("none", |originals| fs::write(originals.join("a"), "a").unwrap());
    let world = repository.world.file("b/lock.exclusive/other@1.2-0", "");
    let before = fingerprint(&world.path("b"));
    world.verify("--sample all").exits(0).says("a borg holds the lock of the repository");
    assert_eq!(fingerprint(&world.path("b")), before);
}

#[test]
fn an_archive_is_chosen_by_name_id_and_as_the_latest_and_borgs_variables_hold() {
    let repository = Repository::new("keyfile", |originals| fs::write(originals.join("a"), "first").unwrap());
    fs::write(repository.world.path("s/a"), "second").unwrap();
    repository.create("other {now}");
    let world = &repository.world;
    let run = |backup: &str, flags: &str| {
        let mut command = world.command(&format!(
            "--backup {backup} --source s --restore-to r --state none --sample all --assume-unchanged {flags}"
        ));
        command.env("BORG_PASSPHRASE", "pass phrase").env("BORG_REPO", world.path("b"));
        crate::world::RunResult::of(command, "")
    };
    run("borg:", "").exits(0).out_has("the archive other");
    run("borg:b", "--snapshot latest").exits(0);
    run("borg:b", "--snapshot oth*").exits(0);
    run("borg:b::first", "").exits(1);
    run("borg:::first", "").exits(1).out_has("the archive first");
    run("b", "--snapshot first").exits(1);
    // Keys stay where borg has them, and nothing else is written there.
    let written: Vec<_> = walkdir::WalkDir::new(world.path("home"))
        .into_iter()
        .map(|entry| entry.unwrap().path().display().to_string())
        .filter(|path| path.contains("bkverify"))
        .collect();
    assert_eq!(written, [""; 0]);
}

#[test]
fn a_compact_during_a_run_is_told_for_what_it_is() {
    let repository = Repository::new("none", noisy_files);
    let location = Location::at(repository.world.path("b"));
    let opened = backup::open(&location, &Context::default()).unwrap();
    let (picks, _) = collect::catalog(&*opened);
    assert_eq!(picks.len(), 16);
    repository.borg(&["delete", "b::first"]);
    repository.borg(&["compact", "--threshold", "0", "b"]);
    let reasons = reasons(&*opened, &picks);
    assert_eq!(reasons.len(), 16, "{reasons:?}");
    assert!(reasons.values().all(|reason| reason.contains("borg compact removed")), "{reasons:?}");
}

/// Why files cannot be restored, by their paths.
fn reasons(opened: &dyn Backup, picks: &EntryBatch) -> BTreeMap<String, String> {
    let restored = collect::restore(opened, Wanted::These(picks));
    let failed =
        |(path, outcome): (Vec<u8>, Result<_, String>)| Some((escape(&path).into_owned(), outcome.err()?));
    restored.files.into_iter().filter_map(failed).collect()
}

#[test]
fn a_backup_during_a_run_excuses_no_damage() {
    let repository = Repository::new("none", noisy_files);
    let segment = &repository.segments()[0];
    let mut content = fs::read(segment).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 0x10;
    fs::write(segment, content).unwrap();
    let location = Location::at(repository.world.path("b"));
    let opened = backup::open(&location, &Context::default()).unwrap();
    let (picks, _) = collect::catalog(&*opened);
    fs::write(repository.world.path("s/new"), "new").unwrap();
    repository.create("second");
    let reasons = reasons(&*opened, &picks);
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    assert!(reasons.values().all(|reason| reason.contains("Data integrity error")), "{reasons:?}");
}

#[test]
fn a_repository_that_may_not_be_read_or_has_a_damaged_file_at_its_top_is_told_with_the_next_step() {
    let repository = Repository::new("none", |originals| fs::write(originals.join("a"), "a").unwrap());
    let b = repository.world.path("b");
    let run = |world: &World| world.run("--backup borg:b --source s --restore-to r --state none").exits(4);
    let integrity = newest_index(&b).with_file_name(
        newest_index(&b).file_name().unwrap().to_str().unwrap().replace("index", "integrity"),
    );
    let whole = fs::read(&integrity).unwrap();
    fs::write(&integrity, [&whole[..], b"\x01"].concat()).unwrap();
    let ran = run(&repository.world);
    assert!(ran.err.contains("a file at the top of the repository"), "{ran}");
    fs::write(&integrity, whole).unwrap();
    let repository = Repository { world: repository.world.without_root_rights() };
    for (path, mode) in [("b/config", 0o000), ("b", 0o000)] {
        let path = repository.world.path(path);
        let before = path.metadata().unwrap().permissions();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let ran = run(&repository.world);
        fs::set_permissions(&path, before).unwrap();
        assert!(ran.err.contains("Permission denied"), "{ran}");
    }
}

#[test]
fn a_restore_folder_in_which_borg_cannot_work_is_refused_by_its_name() {
    let repository = Repository::new("none", |originals| fs::write(originals.join("a"), "a").unwrap());
    let world = repository.world.folder("r{now}").folder("r::x");
    for folder in ["r{now}", "r::x"] {
        let flags = "--source s --state none --sample all";
        let ran = world.run(&format!("--backup b --restore-to {folder} {flags}")).exits(4);
        assert!(ran.err.contains("restore to another folder"), "{ran}");
    }
}

#[test]
fn a_repository_whose_own_lists_are_damaged_is_refused_in_borgs_words() {
    let repository = Repository::new("repokey", |originals| fs::write(originals.join("a"), "a").unwrap());
    for segment in repository.segments() {
        let mut content = fs::read(&segment).unwrap();
        let middle = content.len() / 2;
        content[middle] ^= 0x10;
        fs::write(segment, content).unwrap();
    }
    let flags = "--backup b --source s --restore-to r --state none --password file:password";
    let ran = repository.world.run(flags).exits(4);
    assert!(ran.err.contains("run borg check on it (borg says: "), "{ran}");
}

/// In place of ssh, borg is given a program that runs the server's side on this machine.
#[test]
fn a_repository_on_a_server_is_read_under_borgs_own_lock_and_with_exact_names() {
    let repository = Repository::new("repokey", |originals| {
        noisy_files(originals);
        fs::write(originals.join("really?"), "a question").unwrap();
        fs::write(originals.join(OsStr::from_bytes(b"bytes \xff")), "bytes").unwrap();
    });
    let world = repository
        .world
        .file("ssh", "#!/bin/sh\nwhile [ \"$1\" != server ]; do shift; done\nshift\nexec \"$@\"\n");
    fs::set_permissions(world.path("ssh"), fs::Permissions::from_mode(0o755)).unwrap();
    let before = (fingerprint(&world.path("b/data")), world.names("b"));
    let run = |more: &str| {
        let backup = format!("borg:ssh://server{}", world.path("b").display());
        let mut command = world.command(&format!(
            "--backup {backup} --source s --restore-to r --state none --sample all {more}"
        ));
        command.env("BORG_RSH", world.path("ssh"));
        crate::world::RunResult::of(command, "")
    };
    run("--password file:password").exits(0).out_has("18 of 18 identical");
    assert_eq!((fingerprint(&world.path("b/data")), world.names("b")), before);
    let lock = world.path("b/lock.exclusive/other@1.2-0");
    fs::create_dir(lock.parent().unwrap()).unwrap();
    fs::write(&lock, "").unwrap();
    let ran = run("--password file:password").exits(4);
    assert!(ran.err.contains("another borg holds the lock"), "{ran}");
    fs::remove_dir_all(lock.parent().unwrap()).unwrap();
    fs::write(world.path("ssh"), "#!/bin/sh\necho 'no route to host' >&2\nexit 255\n").unwrap();
    let ran = run("--password file:password").exits(4);
    assert!(ran.err.contains("the connection") && ran.err.contains("BORG_RSH"), "{ran}");
}

/// Asserts that standard output contains these words, wherever its lines are broken.
#[track_caller]
pub fn tells(ran: &crate::world::RunResult, words: &str) {
    let out = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(out.contains(words), "{words}: {ran}");
}

/// The index of the last transaction.
pub fn newest_index(repository: &Path) -> PathBuf {
    let files = fs::read_dir(repository).unwrap().map(|entry| entry.unwrap().path());
    let mut indexes: Vec<_> =
        files.filter(|path| path.file_name().unwrap().as_bytes().starts_with(b"index.")).collect();
    assert_eq!(indexes.len(), 1, "{indexes:?}");
    indexes.remove(0)
}

#[test]
fn damage_to_files_that_were_not_drawn_is_no_matter() {
    let repository = Repository::new("repokey", noisy_files);
    let mut content = fs::read(&repository.segments()[0]).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 0x10;
    fs::write(&repository.segments()[0], content).unwrap();
    let lost = repository.lost_by_borg();
    assert_eq!(lost.len(), 1);
    let lost: Vec<String> = lost.into_iter().collect();
    let world = &repository.world;
    world.verify(&format!("--password file:password --sample 1000 --exclude {}", lost[0])).exits(0);
    world.verify(&format!("--password file:password --sample 1000 --include {}", lost[0])).exits(1);
}
