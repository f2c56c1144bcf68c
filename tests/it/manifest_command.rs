//! `bkverify manifest`: what it writes, that other programs can check it, and what it never does.

use std::fs;
use std::time::{Duration, SystemTime};

use bkverify::cancel::CancelToken;
use bkverify::manifest::Manifest;
use bkverify::plan::Algorithm;
use bkverify::verify::hash::Hash;
use bkverify::verify::memory::KnownHashes;

use crate::pack::tree;
use crate::world::World;

/// The lines of a manifest, sorted.
fn lines(text: &str) -> Vec<String> {
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn every_original_has_a_line_with_its_hash_and_its_absolute_path() {
    let there = World::new().originals(&tree());
    there.run("manifest --source s --output m").exits(0).out_is("").err_has("12 files (");
    let mut expected: Vec<_> = tree()
        .iter()
        .map(|member| {
            let name = String::from_utf8(member.name.clone()).unwrap();
            let path = there.path("s").join(name).display().to_string().replace('\\', "/");
            format!("{}  {path}", blake3::hash(&member.content))
        })
        .collect();
    expected.sort();
    assert_eq!(lines(&there.read("m")), expected);
    let out = there.run("manifest --source s --output - --quiet").exits(0).err_is("");
    assert_eq!(lines(&out.out), expected);
}

#[test]
fn its_modification_time_is_when_hashing_began_and_every_archive_can_hold_it() {
    let there = World::new().originals(&tree());
    let before = SystemTime::now();
    there.run("manifest --source s --output m").exits(0);
    let made = fs::metadata(there.path("m")).unwrap().modified().unwrap();
    assert!(made <= SystemTime::now() && made >= before - Duration::from_secs(2), "{made:?}");
    let since = made.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!((since.as_secs() % 2, since.subsec_nanos()), (0, 0));
}

#[cfg(unix)]
#[test]
fn sha256sum_checks_it_whatever_the_names_hold() {
    use std::os::unix::ffi::OsStrExt;
    let there = World::new().originals(&tree());
    for name in
        [&b"line\nfeed"[..], b"back\\slash", b"carriage\rreturn", b" space ", b"-dash", b"no\xffutf8", b"\\"]
    {
        fs::write(there.path("s").join(std::ffi::OsStr::from_bytes(name)), name).unwrap();
    }
    there.run("manifest --source s --hash sha256 --output m").exits(0);
    let mut check = std::process::Command::new("sha256sum");
    check.args(["--check", "--strict", "--quiet"]).arg(there.path("m")).env("LC_ALL", "C");
    let checked = check.output().expect("sha256sum (coreutils)");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    fs::write(there.path("s/one-byte"), "y").unwrap();
    assert!(!check.status().unwrap().success());
}

#[test]
fn filters_maps_and_jobs_choose_the_files() {
    let there = World::new().originals(&tree()).file("t/x", "x").file("t/y.tmp", "y");
    let names = |flags: &str| {
        let out = there.run(&format!("manifest --output - --quiet {flags}")).exits(0).out;
        let mut names: Vec<_> = out.lines().map(|line| line.rsplit('/').next().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names("--source s --include docs"), ["letter.txt", "report.bin"]);
    assert_eq!(names("--source s --min-size 10KiB"), ["report.bin"]);
    assert_eq!(names("--map data/t=t --exclude *.tmp"), ["x"]);
    assert_eq!(names("--map data/t=t --include /data/t/x"), ["x"]);
    let there = there.file(
        "bkverify.toml",
        "[jobs.a]\nbackup = 'b'\nsource = ['s', 't']\nrestore-to = 's/r'\nexclude = 'small'\nhash = 'sha256'\n",
    );
    let there = there.file("s/r/left-behind", "x");
    let out = there.run("manifest --job a --output - --quiet").exits(0).out;
    assert_eq!(out.lines().count(), 6 + 2, "{out}");
    assert!(!out.contains("left-behind"));
}

#[test]
fn it_leaves_itself_out_and_replaces_only_a_manifest() {
    let there = World::new().originals(&tree()).file("notes", "precious").file("s/list", "precious");
    for _ in 0..2 {
        there.run("manifest --source s --output s/m").exits(0);
        assert!(!there.read("s/m").contains("/s/m\n"));
        assert_eq!(there.read("s/m").lines().count(), 13);
    }
    let refused = there.run("manifest --source s --output notes").exits(2);
    refused.err_has("already exists and is no manifest; not overwritten").err_has("--force");
    there.run("manifest --source s --output notes --force").exits(0);
    assert_eq!(there.read("notes").lines().count(), 14);
    // An original is never replaced.
    there.run("manifest --source s --output s/list --force").exits(2).err_has("over an original");
    assert_eq!(there.read("s/list"), "precious");
    let left: Vec<_> = there.names("s").into_iter().filter(|name| name.starts_with(".bkverify")).collect();
    assert_eq!(left, [""; 0]);
}

#[test]
fn nothing_is_written_into_a_backup() {
    let there = World::new().originals(&tree()).folder("b");
    let there = there.file("bkverify.toml", "backup = 'b'\nsource = 's'\n");
    there.run("manifest --output b/m").exits(2).err_has("into the backup");
    assert_eq!(there.names("b"), [""; 0]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_cannot_be_read_is_named_and_the_exit_code_says_so() {
    use std::os::unix::fs::PermissionsExt;
    let there = World::new().originals(&tree()).without_root_rights();
    fs::set_permissions(there.path("s/one-byte"), fs::Permissions::from_mode(0o000)).unwrap();
    let out = there.run("manifest --source s --output m").exits(3);
    out.err_has("not in the manifest: ").err_has("one-byte: ");
    assert_eq!(there.read("m").lines().count(), 11);
}

#[test]
fn without_originals_or_files_there_is_no_manifest() {
    let there = World::new().folder("s").folder("empty");
    there.run("manifest --output m").exits(2).err_has("missing: the originals");
    there.run("manifest --source s --output m").exits(2).err_has("no file is left for the manifest");
    there.run("manifest --source missing --output m").exits(4).err_has("cannot open the originals' folder");
    assert!(!there.path("m").exists());
}

/// The files that `fixtures/manifests/make.sh` made, with their contents.
const FILES: [(&str, &str); 8] = [
    ("plain", "plain\n"),
    ("with space/a b", "spaces\n"),
    ("ü", "umlaut\n"),
    ("-dash", "dash\n"),
    ("a,b", "comma\n"),
    ("empty", ""),
    ("line\nfeed", "feed\n"),
    ("back\\slash", "slash\n"),
];

#[test]
fn manifests_that_the_real_programs_made_are_read() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/manifests");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let place = entry.unwrap().path();
        let name = place.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.ends_with(".txt") {
            continue;
        }
        seen += 1;
        let scratch = tempfile::tempdir().unwrap();
        let manifest = Manifest::read(&place, scratch.path(), &CancelToken::new()).unwrap();
        let algorithm = if name.starts_with("b3sum") { Algorithm::Blake3 } else { Algorithm::Sha256 };
        assert_eq!(manifest.algorithm(&[], None).unwrap(), algorithm, "{name}");
        for (path, content) in FILES {
            // Its lines cannot hold these names.
            if name.starts_with("hashdeep") && path.contains(['\n', '\\']) {
                continue;
            }
            let found = manifest.of(&bkverify::manifest::clean(path.as_bytes()).unwrap());
            let hash = found.unwrap_or_else(|| panic!("{name}: {path:?}")).hash;
            assert_eq!(hash, Hash::of(algorithm, content.as_bytes()), "{name}: {path:?}");
        }
    }
    assert_eq!(seen, 8);
}
