use std::time::{Duration, SystemTime};

use super::*;

const HEX: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const OTHER: &str = "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn read_bytes(content: &[u8]) -> Result<Manifest, Error> {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("m");
    std::fs::write(&place, content).unwrap();
    Manifest::read(&place, folder.path(), &CancelToken::new())
}

#[track_caller]
fn refused(content: &[u8]) -> String {
    let error = read_bytes(content).unwrap_err();
    assert_eq!(error.exit_code() as i32, 2);
    assert!(error.hint().is_some());
    let text = error.to_string();
    let at = text.find("cannot be used").unwrap_or(0);
    text[at..].to_owned()
}

fn has(manifest: &Manifest, name: &str) -> bool {
    manifest.of(name.as_bytes()).is_some()
}

#[test]
fn lines_are_found_by_their_clean_names_whatever_ends_the_lines() {
    for end in ["\n", "\r\n"] {
        for mark in ["", "\u{feff}"] {
            let text = format!("{mark}{HEX}  ./a/x{end}{HEX} */srv/b{end}{end}\\{HEX}  c\\nd");
            let manifest = read_bytes(text.as_bytes()).unwrap();
            assert!(has(&manifest, "a/x") && has(&manifest, "srv/b") && has(&manifest, "c\nd"), "{text:?}");
            assert!(!has(&manifest, "a") && !has(&manifest, "./a/x"));
            assert_eq!(manifest.names(), 3);
        }
    }
    // Without a carriage return in the first line, one at the end belongs to a name.
    let manifest = read_bytes(format!("{HEX}  a\n{HEX}  b\r\n").as_bytes()).unwrap();
    assert!(has(&manifest, "b\r") && !has(&manifest, "b"));
}

#[cfg(unix)]
#[test]
fn lines_that_end_with_nul_may_hold_line_feeds() {
    let manifest = read_bytes(format!("{HEX}  a\nb\0{HEX}  c\\n\0").as_bytes()).unwrap();
    assert!(has(&manifest, "a\nb") && has(&manifest, "c\\n"));
}

#[test]
fn bad_lines_are_named_and_nothing_is_skipped() {
    let text = format!("{HEX}  a\n{}  b\nhello\n{HEX}  c\n", &HEX[4..]);
    assert_eq!(
        refused(text.as_bytes()),
        "cannot be used: line 2: the hash has 60 digits, not 64; line 3: it does not begin with a hash: \"hello\""
    );
    let many = refused("x\n".repeat(50).as_bytes());
    assert!(many.ends_with("line 10: it does not begin with a hash: \"x\"; there may be more"), "{many}");
    let problem = "cannot be used: line 1: \"..\" is not the path of a file";
    assert_eq!(refused(format!("{HEX}  ..\n").as_bytes()), problem);
    let long = format!("{HEX}  {}\n", "x".repeat(LINE_MAX));
    assert_eq!(refused(long.as_bytes()), "cannot be used: line 1: the line is too long for a path");
}

#[test]
fn a_path_may_occur_again_with_the_same_hash_only() {
    let manifest = read_bytes(format!("{HEX}  a\n{HEX}  ./a\n").as_bytes()).unwrap();
    assert_eq!(manifest.names(), 1);
    let text = format!("{HEX}  a\n{HEX}  b\n{OTHER}  ./a\n");
    assert_eq!(
        refused(text.as_bytes()),
        "cannot be used: line 3: the same path as in line 1, with another hash"
    );
}

#[test]
fn a_file_without_entries_or_in_utf_16_is_no_manifest() {
    for nothing in ["", "\n\n", "# nothing\n"] {
        assert_eq!(refused(nothing.as_bytes()), "cannot be used: it names no file");
    }
    let wide: Vec<u8> = "\u{feff}a".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(refused(&wide).starts_with("cannot be used: it is UTF-16"));
}

#[test]
fn a_folder_or_something_missing_is_no_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str| {
        let place = folder.path().join(name);
        Manifest::read(&place, folder.path(), &CancelToken::new()).unwrap_err()
    };
    assert!(matches!(read("."), Error::NotAFile { .. }));
    assert!(matches!(read("missing"), Error::Read { .. }));
}

// wine tells the modification time where the creation time is asked for.
#[cfg(unix)]
#[test]
fn a_manifest_speaks_for_the_earlier_of_its_times() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("m");
    std::fs::write(&place, format!("{HEX}  a\n")).unwrap();
    let old = SystemTime::now() - Duration::from_secs(1_000);
    std::fs::File::options().write(true).open(&place).unwrap().set_modified(old).unwrap();
    let manifest = Manifest::read(&place, folder.path(), &CancelToken::new()).unwrap();
    assert_eq!(manifest.made().seconds, Timestamp::from(old).seconds);
    // Written on since it was created: hashing began when it was created, at the latest.
    let late = SystemTime::now() + Duration::from_secs(1_000);
    std::fs::File::options().write(true).open(&place).unwrap().set_modified(late).unwrap();
    let manifest = Manifest::read(&place, folder.path(), &CancelToken::new()).unwrap();
    let has_birth = std::fs::metadata(&place).unwrap().created().is_ok();
    assert_eq!(manifest.made() < Timestamp::from(late), has_birth);
}

#[test]
fn the_folder_of_all_names_is_known() {
    for (names, folder) in [
        (&["/srv/data/a", "/srv/data/b/c"][..], "srv/data"),
        (&["/srv/data/a", "/srv/database/c"], "srv"),
        (&["a", "b/c"], ""),
        (&["a/b/c"], "a/b"),
        (&["a/b/c/d", "a/b/x"], "a/b"),
    ] {
        let text: String = names.iter().map(|name| format!("{HEX}  {name}\n")).collect();
        let manifest = read_bytes(text.as_bytes()).unwrap();
        assert_eq!(manifest.folder(), folder.as_bytes(), "{names:?}");
    }
}

#[test]
fn the_hash_must_be_known_and_the_one_that_was_asked_for() {
    let (blake3, sha256) = (Algorithm::Blake3, Algorithm::Sha256);
    let plain = read_bytes(format!("{HEX}  a\n").as_bytes()).unwrap();
    assert!(matches!(plain.algorithm(&[], None), Err(Error::UnknownHash { .. })));
    assert_eq!(plain.algorithm(&[], Some(sha256)).unwrap(), sha256);
    let tagged = read_bytes(format!("SHA256 (a) = {HEX}\n").as_bytes()).unwrap();
    assert_eq!(tagged.algorithm(&[], None).unwrap(), sha256);
    let error = tagged.algorithm(&[], Some(blake3)).unwrap_err();
    assert!(error.to_string().ends_with("has sha256 hashes, not blake3"), "{error}");
    let empty = read_bytes(format!("{HEX}  a\n{}  b\n", Hash::of(blake3, b"")).as_bytes()).unwrap();
    assert_eq!(empty.algorithm(&[], None).unwrap(), blake3);
}
