//! Whole runs on repositories of the installed restic: odd names, damage with restic's own restore
//! as the truth, passwords, and errors with their next steps.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use bkverify::backup::{self, Context, Listing, Location, Wanted, escape};
use bkverify::secret::Secret;
use sha2::{Digest, Sha256};

use crate::contract::collect;
use crate::contract::fixtures::{password, restic};
use crate::pack;
use crate::unix::{all_losses_are_found, fingerprint};
use crate::verify_borg::HOSTILE;
use crate::world::{RunResult, World, shown};

/// A world with originals in `s`, and a repository of them in `b`, which has a pack for each call
/// of `backup`.
pub struct Repository {
    pub world: World,
}

impl Repository {
    fn new(version: u8) -> Self {
        let world = World::new().folder("s");
        password(&world.path("password"), "pass word\n");
        let repository = Self { world };
        repository.restic(&["init", "--repository-version", &version.to_string()]);
        repository
    }

    /// Backs up the originals.
    pub fn backup(&self, flags: &[&str]) {
        let mut arguments = vec!["backup", "."];
        arguments.extend(flags);
        self.restic(&arguments);
    }

    #[track_caller]
    fn restic(&self, arguments: &[&str]) -> Output {
        let output = self.try_restic(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    fn try_restic(&self, arguments: &[&str]) -> Output {
        restic(&self.world.path("b"), &self.world.path("s"), arguments).output().unwrap()
    }

    /// All packs, largest first.
    pub fn packs(&self) -> Vec<PathBuf> {
        let all = walkdir::WalkDir::new(self.world.path("b/data")).into_iter().map(|entry| entry.unwrap());
        let mut packs: Vec<_> = all.filter(|entry| entry.file_type().is_file()).collect();
        packs.sort_by_key(|entry| std::cmp::Reverse(entry.metadata().unwrap().len()));
        packs.into_iter().map(walkdir::DirEntry::into_path).collect()
    }

    /// The files that restic itself does not restore, or restores differently.
    fn lost_by_restic(&self) -> BTreeSet<String> {
        let restored = self.world.path("by-restic");
        // restic takes a lock, which a repository that must not change refuses.
        let target = shown(&restored);
        self.try_restic(&["restore", "latest", "--no-lock", "--target", &target]);
        let is_lost = |name: &String| {
            let original = fs::read(self.world.path("s").join(name)).unwrap();
            !fs::read(restored.join(name)).is_ok_and(|found| found == original)
        };
        let lost = self.world.names("s").into_iter().filter(is_lost).collect();
        let _ = fs::remove_dir_all(restored);
        lost
    }

    /// Verifies every file, and compares what is found bad with what restic itself loses.
    #[track_caller]
    fn is_judged_as_by_restic(&self, what: &str) -> BTreeSet<String> {
        let lost = self.lost_by_restic();
        let checked = self.try_restic(&["check", "--no-lock", "--read-data"]);
        assert_eq!(checked.status.success(), lost.is_empty(), "{what}: {checked:?} {lost:?}");
        all_losses_are_found(&self.world, &lost, what);
        lost
    }

    fn verify(&self, flags: &str) -> crate::world::Verified {
        self.world.verify(&format!("--password file:password {flags}"))
    }

    fn open(&self) -> Box<dyn backup::Backup> {
        let secret = Secret::File(self.world.path("password"));
        let location = Location::at(self.world.path("b")).with_secret(secret);
        backup::open(&location, &Context::default()).unwrap()
    }
}

/// A repository of files that no compression makes smaller, in three packs.
pub fn noisy(version: u8) -> Repository {
    let repository = Repository::new(version);
    for pack in 0..3_u8 {
        for number in 0..8 {
            let size = [300, 9_000, 150_000, 1_700_000][usize::from(number) % 4];
            let name = format!("file-{pack}{number}");
            fs::write(repository.world.path("s").join(name), pack::noise(size, pack * 8 + number)).unwrap();
        }
        repository.backup(&[]);
    }
    repository
}

fn set_mode(folder: &Path, mode_of_folders: u32, mode_of_files: u32) {
    for entry in walkdir::WalkDir::new(folder).contents_first(mode_of_folders & 0o200 == 0) {
        let entry = entry.unwrap();
        let mode = if entry.file_type().is_dir() { mode_of_folders } else { mode_of_files };
        fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode)).unwrap();
    }
}

#[test]
fn files_of_any_name_are_found_and_restored_from_a_repository_that_may_not_be_written() {
    for version in [1, 2] {
        let repository = Repository::new(version);
        let originals = repository.world.path("s");
        for (number, name) in HOSTILE.iter().enumerate() {
            fs::write(originals.join(OsStr::from_bytes(name)), format!("content of {number}")).unwrap();
        }
        let deep = originals.join(OsStr::from_bytes(b"sub folder/\xff deep"));
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join(OsStr::from_bytes(b"file\n\xfe")), "deep").unwrap();
        fs::write(originals.join("empty"), "").unwrap();
        fs::write(originals.join("large"), pack::noise(9_000_000, 1)).unwrap();
        fs::hard_link(originals.join("plain"), originals.join(OsStr::from_bytes(b"odd \xff link"))).unwrap();
        std::os::unix::fs::symlink("plain", originals.join("symlink")).unwrap();
        repository.backup(&[]);
        let repository = Repository { world: repository.world.without_root_rights() };
        let b = repository.world.path("b");
        set_mode(&b, 0o500, 0o400);
        let before = fingerprint(&b);
        for sample in ["all", "1000"] {
            let verified = repository.verify(&format!("--sample {sample}")).exits(0).finds(&[]);
            assert_eq!(verified.number("/counts/verified"), HOSTILE.len() as u64 + 4, "{}", verified.ran);
        }
        assert_eq!(fingerprint(&b), before);
        set_mode(&b, 0o700, 0o600);
    }
}

#[test]
fn absolute_paths_are_paired_and_nothing_is_cached() {
    let repository = noisy(2);
    let world = &repository.world;
    let originals = shown(&world.path("s"));
    repository.restic(&["backup", &originals]);
    let caches = ["HOME", "XDG_CACHE_HOME", "RUSTIC_CACHE_DIR"];
    let flags = format!("--backup restic:b --source {originals} --restore-to r --state none --sample all");
    let mut command = world.command(&format!("{flags} --password file:password"));
    caches.iter().for_each(|variable| _ = command.env(variable, world.path("home")));
    RunResult::of(command, "").exits(0).out_has("24");
    assert!(!world.path("home").exists());
    assert_eq!(world.names("r"), [""; 0]);
}

#[test]
fn every_damaged_file_is_found_and_no_other() {
    for version in [1, 2] {
        let repository = noisy(version);
        assert!(repository.is_judged_as_by_restic("sound").is_empty());
        let mut lost = BTreeSet::new();
        for (number, pack) in repository.packs()[..3].iter().enumerate() {
            let mut content = fs::read(pack).unwrap();
            let at = content.len() / [2, 5, 9][number];
            content[at] ^= 0x10;
            set_mode(pack, 0o700, 0o600);
            fs::write(pack, content).unwrap();
            lost.extend(repository.is_judged_as_by_restic("flipped"));
        }
        assert_eq!(lost.len(), 3);
        if version == 2 {
            let cut = &repository.packs()[0];
            let file = fs::OpenOptions::new().write(true).open(cut).unwrap();
            file.set_len(file.metadata().unwrap().len() / 2).unwrap();
            assert!(repository.is_judged_as_by_restic("cut off").len() > 3);
            fs::remove_file(cut).unwrap();
            let lost = repository.is_judged_as_by_restic("a pack is gone");
            assert!(lost.len() > 6, "{lost:?}");
            let verified = repository.verify("--sample all");
            verified.says("is missing").says("restic check --read-data");
        }
    }
}

#[test]
fn a_damaged_list_of_files_is_told_and_the_other_folders_are_judged() {
    let repository = Repository::new(2);
    for folder in ["one", "two"] {
        fs::create_dir(repository.world.path("s").join(folder)).unwrap();
        fs::write(repository.world.path("s").join(folder).join("file"), folder).unwrap();
        // Each backup of a part has packs of its own, with one list of files in each.
        repository.restic(&["backup", folder]);
    }
    repository.backup(&[]);
    let opened = repository.open();
    assert_eq!(collect::catalog(&*opened).0.len(), 2);
    // The smallest pack is that of a list, or of the content `one` or `two`.
    let mut found = BTreeSet::new();
    for pack in repository.packs() {
        let content = fs::read(&pack).unwrap();
        let mut changed = content.clone();
        changed[20] ^= 1;
        set_mode(&pack, 0o700, 0o600);
        fs::write(&pack, changed).unwrap();
        let opened = repository.open();
        let sink = collect::CollectedListing::default();
        match opened.catalog(backup::Needs::default(), &Context::default(), &sink) {
            Ok(Listing::Damaged(damage)) => {
                let text = damage.iter().map(|damage| damage.problem.clone()).collect::<String>();
                assert!(text.contains("cannot be listed") && text.contains("is damaged"), "{text}");
                if text.contains("folder . cannot") {
                    found.insert("top");
                    let flags = "--backup b --source s --restore-to r --state none --password file:password";
                    repository.world.run(flags).exits(1).out_has("folder . cannot be listed");
                } else {
                    assert!(text.contains("one") != text.contains("two"), "{text}");
                    found.insert("folder");
                }
            }
            Ok(Listing::Whole) => {
                found.insert("content");
            }
            Ok(Listing::Stopped) => panic!("nobody has stopped it"),
            Err(error) => panic!("{error}"),
        }
        fs::write(&pack, content).unwrap();
    }
    assert!(found.contains("folder") && found.contains("content") && found.contains("top"), "{found:?}");
}

/// Adds copies of the repository, each broken in the way that its name says.
fn with_broken_copies(world: World) -> World {
    let world =
        world.folder("no-repository").folder("half/keys").folder("half/snapshots").folder("half/index");
    password(&world.path("wrong"), "wrong\n");
    for copy in ["keyless", "unindexed", "snapless", "bad-index", "bad-key", "bad-config", "greedy", "stray"]
    {
        let copied =
            std::process::Command::new("cp").arg("-a").arg(world.path("b")).arg(world.path(copy)).status();
        assert!(copied.unwrap().success());
        set_mode(&world.path(copy), 0o700, 0o600);
    }
    let one_of = |folder: &str| fs::read_dir(world.path(folder)).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(one_of("keyless/keys")).unwrap();
    for index in fs::read_dir(world.path("unindexed/index")).unwrap() {
        fs::remove_file(index.unwrap().path()).unwrap();
    }
    for file in [
        one_of("snapless/snapshots"),
        one_of("bad-index/index"),
        one_of("bad-key/keys"),
        world.path("bad-config/config"),
    ] {
        let mut content = fs::read(&file).unwrap();
        content[30] ^= 1;
        fs::write(file, content).unwrap();
    }
    // As a program for synchronising names what it does not dare to overwrite.
    let newest = one_of("stray/snapshots");
    fs::rename(&newest, newest.with_extension("bak")).unwrap();
    // A key file is named by its hash.
    let key = one_of("greedy/keys");
    let greedy = fs::read_to_string(&key).unwrap().replace("\"N\":", "\"N\":99999");
    fs::remove_file(&key).unwrap();
    let name: String = Sha256::digest(&greedy).iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(key.with_file_name(name), greedy).unwrap();
    world
}

#[test]
fn what_keeps_a_repository_from_being_read_is_told_with_the_next_step() {
    let repository = Repository::new(2);
    let flags = "--backup b --source s --restore-to r --state none --password file:password";
    repository.world.run(flags).exits(4).err_has("it holds no snapshots");
    fs::write(repository.world.path("s/a"), "a").unwrap();
    repository.backup(&["--host", "web", "--tag", "daily"]);
    repository.backup(&["--host", "db"]);
    let world = with_broken_copies(repository.world);
    let before = fingerprint(&world.path("b"));
    for (backup, flags, words) in [
        ("b", "", "say where its password is with --password file:PATH"),
        ("restic:b", "--password file:wrong", "the password is not one of this repository"),
        ("b", "--password file:password --snapshot 00000000", "it has no snapshot 00000000"),
        ("b", "--password file:password --snapshot host=mail", "there are host=db"),
        ("b", "--password file:password --snapshot all", "2 hosts or groups of folders"),
        ("restic:no-repository", "--password file:password", "there is no restic repository in this folder"),
        ("restic:missing", "--password file:password", "cannot open the backup"),
        ("restic:half", "--password file:password", "what is left of a restic repository"),
        ("half", "--password file:password", "what is left of a restic repository"),
        ("restic:s3:s3.example.org/b", "--password file:password", "rclone serve restic"),
        ("restic:rest:host/b", "--password file:password", "must begin with http:// or https://"),
        ("keyless", "--password file:password", "has lost its keys"),
        ("unindexed", "--password file:password", "restic rebuild-index"),
        ("snapless", "--password file:password", "and it may be the one that is meant"),
        (
            "bad-index",
            "--password file:password",
            "is damaged: its content does not match its name: run restic rebuild-index",
        ),
        ("bad-key", "--password file:password", "copy the folder keys from another copy"),
        ("stray", "--password file:password", ".bak, which is no snapshot by that name"),
        ("bad-config", "--password file:password", "is damaged"),
        ("greedy", "--password file:password", "asks for too much memory"),
    ] {
        let ran = world.run(&format!("--backup {backup} --source s --restore-to r --state none {flags}"));
        let err = ran.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(err.contains(words), "{backup} {flags}: {ran}");
        assert_eq!(ran.code, Some(4), "{backup} {flags}: {ran}");
    }
    assert_eq!(fingerprint(&world.path("b")), before);
    assert_eq!(world.names("r"), [""; 0]);
}

#[test]
fn a_snapshot_is_chosen_by_id_host_and_as_the_latest_and_restics_variables_hold() {
    let repository = Repository::new(2);
    let file = repository.world.path("s/a");
    fs::write(&file, "first").unwrap();
    repository.backup(&["--host", "web", "--tag", "daily"]);
    fs::write(&file, "second").unwrap();
    repository.backup(&["--host", "db"]);
    let world = &repository.world;
    let run = |backup: &str, flags: &str| {
        let mut command = world.command(&format!(
            "--backup {backup} --source s --restore-to r --state none --sample all --assume-unchanged {flags}"
        ));
        command.env("RESTIC_PASSWORD", "pass word").env("RESTIC_REPOSITORY", world.path("b"));
        RunResult::of(command, "")
    };
    run("restic:", "").exits(0).out_has("of db").out_has("several hosts or paths");
    run("restic:b", "--snapshot latest").exits(0);
    run("restic:b", "--snapshot host=web").exits(1).out_has("of web");
    run("restic:b", "--snapshot tag=daily,latest").exits(1);
    let listed = String::from_utf8(repository.restic(&["snapshots", "--json"]).stdout).unwrap();
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let id = listed[0]["id"].as_str().unwrap();
    run("restic:b", &format!("--snapshot {}", &id[..8])).exits(1).out_has(&id[..8]);
    run("restic:b", &format!("--snapshot {id}")).exits(1);
}

#[test]
fn a_prune_during_a_run_is_told_for_what_it_is() {
    let repository = noisy(2);
    let opened = repository.open();
    let (picks, _) = collect::catalog(&*opened);
    assert_eq!(picks.len(), 24);
    fs::rename(repository.world.path("s"), repository.world.path("old")).unwrap();
    fs::create_dir(repository.world.path("s")).unwrap();
    fs::write(repository.world.path("s/other"), "other").unwrap();
    repository.backup(&[]);
    repository.restic(&["forget", "--keep-last", "1", "--prune", "--group-by", ""]);
    let restored = collect::restore(&*opened, Wanted::These(&picks));
    assert_eq!(restored.files.len(), 24);
    for (path, outcome) in restored.files {
        let reason = outcome.unwrap_err();
        assert!(reason.contains("was changed while it was read"), "{}: {reason}", escape(&path));
    }
}

#[test]
fn a_prune_during_a_run_excuses_what_is_missing_and_not_what_is_damaged() {
    let repository = noisy(2);
    let opened = repository.open();
    let (picks, _) = collect::catalog(&*opened);
    let pack = &repository.packs()[0];
    let mut content = fs::read(pack).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 0x10;
    set_mode(pack, 0o700, 0o600);
    fs::write(pack, content).unwrap();
    let index = fs::read_dir(repository.world.path("b/index")).unwrap().next().unwrap().unwrap().path();
    let content = fs::read(&index).unwrap();
    fs::remove_file(&index).unwrap();
    let restored = collect::restore(&*opened, Wanted::These(&picks));
    let reasons: Vec<_> = restored.files.into_values().filter_map(Result::err).collect();
    assert!(!reasons.is_empty() && reasons.iter().all(|reason| reason.contains("is damaged")), "{reasons:?}");
    // A place that is no longer mounted is no prune, and no damage.
    fs::write(index, content).unwrap();
    let opened = repository.open();
    fs::rename(repository.world.path("b"), repository.world.path("away")).unwrap();
    let restored = collect::restore(&*opened, Wanted::These(&picks));
    for (path, outcome) in restored.files {
        let reason = outcome.unwrap_err();
        assert!(reason.contains("still mounted"), "{}: {reason}", escape(&path));
    }
}

#[test]
fn a_repository_that_may_not_be_read_is_no_damage() {
    let repository = noisy(2);
    let repository = Repository { world: repository.world.without_root_rights() };
    let pack = &repository.packs()[0];
    fs::set_permissions(pack, fs::Permissions::from_mode(0o000)).unwrap();
    let verified = repository.verify("--sample all --completeness 0");
    assert!(verified.findings().values().all(|verdict| verdict != "restore-failed"), "{}", verified.ran);
    verified.exits(3).says("Permission denied");
    fs::set_permissions(pack, fs::Permissions::from_mode(0o600)).unwrap();
}
