use proptest::prelude::*;

use super::*;

const HEX: &str = "00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff";

fn read(line: &str) -> Result<Option<(String, Vec<u8>)>, String> {
    let mut form = Form::default();
    let found = form.read(line.as_bytes())?;
    Ok(found.map(|line| (line.hash.to_string(), line.name.into_owned())))
}

#[track_caller]
fn name_of(line: &str) -> Vec<u8> {
    let (hash, name) = read(line).unwrap().unwrap();
    assert_eq!(hash, HEX.to_lowercase());
    name
}

#[test]
fn every_form_of_a_line_is_read() {
    for (line, name) in [
        (format!("{HEX}  a b"), &b"a b"[..]),
        (format!("{HEX} *a"), b"a"),
        (format!("{HEX}   a"), b" a"),
        (format!("{HEX}  *a"), b"*a"),
        (format!("\\{HEX}  a\\nb\\\\c\\rd"), b"a\nb\\c\rd"),
        (format!("{HEX}  a\\nb"), b"a\\nb"),
        (format!("BLAKE3 (a b) = {HEX}"), b"a b"),
        (format!("SHA256 (a) = b) = {HEX}"), b"a) = b"),
        (format!("\\SHA256 (a\\nb) = {HEX}"), b"a\nb"),
    ] {
        assert_eq!(name_of(&line), name, "{line}");
    }
    for line in ["", "# made by hand", "## Invoked from: /"] {
        assert_eq!(read(line), Ok(None), "{line}");
    }
}

#[test]
fn a_bad_line_is_refused_with_what_is_wrong() {
    let short = &HEX[2..];
    for (line, problem) in [
        (format!("{short}  a"), "the hash has 62 digits, not 64"),
        ("d41d8cd98f00b204e9800998ecf8427e  a".to_owned(), "the hash has 32 digits (MD5?), not 64"),
        (format!("{}  a", HEX.replace('A', "g")), "the hash has a letter that is no hexadecimal digit"),
        (HEX.to_owned(), "the line has no path"),
        (format!("{HEX}  "), "the line has no path"),
        (format!("{HEX} a"), "there must be two spaces between the hash and the path"),
        (format!("\\{HEX}  a\\b"), "the path has a backslash that is followed by none of \\, n and r"),
        (format!("\\{HEX}  a\\"), "the path has a backslash that is followed by none of \\, n and r"),
        ("a: OK".to_owned(), "it does not begin with a hash: \"a: OK\""),
        (format!("MD5 (a) = {HEX}"), "MD5 hashes cannot be used, only BLAKE3 and SHA256"),
        ("BLAKE3 (a) = 0011".to_owned(), "the hash has 4 digits, not 64"),
        ("%%%% size,md5,filename".to_owned(), "there is no column sha256, only size, md5"),
        ("%%%% size,sha256".to_owned(), "\"size,sha256\" names no columns that end with filename"),
    ] {
        let found = read(&line).unwrap_err();
        assert!(found.starts_with(problem), "{line}: {found}");
    }
}

#[test]
fn two_hashes_in_one_manifest_are_refused() {
    let mut form = Form::default();
    form.read(format!("SHA256 (a) = {HEX}").as_bytes()).unwrap();
    assert_eq!(form.algorithm, Some(Algorithm::Sha256));
    let problem = form.read(format!("BLAKE3 (b) = {HEX}").as_bytes()).unwrap_err();
    assert_eq!(problem, "another hash than in the lines before: a manifest has one");
}

#[test]
fn the_columns_of_hashdeep_are_found_by_their_names() {
    let mut form = Form::default();
    let md5 = "d41d8cd98f00b204e9800998ecf8427e";
    for header in ["%%%% HASHDEEP-1.0", "%%%% size,md5,sha256,filename", "## $ hashdeep -r .", "## "] {
        assert_eq!(form.read(header.as_bytes()), Ok(None), "{header}");
    }
    let line = format!("7,{md5},{HEX},/srv/a,b");
    let found = form.read(line.as_bytes()).unwrap().unwrap();
    assert_eq!((&*found.name, form.algorithm), (&b"/srv/a,b"[..], Some(Algorithm::Sha256)));
    for (line, problem) in [
        (format!("7,{md5},{HEX}"), "the line has no path"),
        (format!("7,{md5},{md5},x"), "the hash has 32 digits (MD5?), not 64"),
        (format!("{HEX}  a"), "the hash has 0 digits, not 64"),
    ] {
        let found = form.read(line.as_bytes()).map(|_| ());
        assert!(found.is_err(), "{line}");
        if !line.contains("  ") {
            assert_eq!(found.unwrap_err(), problem, "{line}");
        }
    }
    let mut headless = Form::default();
    headless.read(b"%%%% HASHDEEP-1.0").unwrap();
    assert_eq!(headless.read(line.as_bytes()).unwrap_err(), "no line before it names the columns");
}

#[test]
fn with_zero_nothing_is_escaped() {
    let mut form = Form { is_zero: true, ..Form::default() };
    let line = format!("{HEX}  a\\nb\nc");
    assert_eq!(&*form.read(line.as_bytes()).unwrap().unwrap().name, b"a\\nb\nc");
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        name in prop::collection::vec(any::<u8>().prop_filter("NUL", |byte| *byte != 0), 1..40),
        bytes in any::<[u8; 32]>(),
    ) {
        let hash = Hash::of_bytes(bytes);
        let written = line(hash, &name);
        prop_assert_eq!(written.iter().filter(|&&byte| byte == b'\n').count(), 1);
        let found = Form::default().read(&written[..written.len() - 1]).unwrap().unwrap();
        prop_assert_eq!((found.hash, &*found.name), (hash, &name[..]));
    }

    #[test]
    fn no_line_makes_the_parser_panic(line in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut form = Form::default();
        let _ = form.read(&line);
        let _ = form.read(b"%%%% HASHDEEP-1.0");
        let _ = form.read(b"%%%% size,sha256,filename");
        let _ = form.read(&line);
    }
}
