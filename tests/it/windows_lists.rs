//! Checks the lists about Windows: tests that cannot pass under wine, and libraries that the two
//! programs may import.

use std::fs;
use std::path::Path;

/// The lines of a list, as names and reasons.
pub fn read(list: &str) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(list);
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| line.split_once(": ").unwrap_or_else(|| panic!("{list}: no reason: {line}")))
        .map(|(name, reason)| (name.to_owned(), reason.trim().to_owned()))
        .collect()
}

/// How many test functions in the sources have this name.
fn tests_named(name: &str, folder: &Path) -> usize {
    let mut found = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found += tests_named(name, &path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found += fs::read_to_string(&path).unwrap().matches(&format!("fn {name}()")).count();
        }
    }
    found
}

#[test]
fn every_exception_for_wine_names_one_test_and_gives_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, reason) in read("wine-exceptions.txt") {
        let found = tests_named(&name, &root.join("src")) + tests_named(&name, &root.join("tests"));
        assert_eq!(found, 1, "{name} is not the name of exactly one test");
        assert!(reason.len() > 20, "{name}: say what wine does differently");
    }
}

#[test]
fn every_library_that_may_be_imported_has_a_reason() {
    for list in ["windows-imports.txt", "windows7-imports.txt"] {
        let libraries = read(list);
        assert!(libraries.iter().all(|(name, reason)| name.ends_with(".dll") && !reason.is_empty()));
        assert!(libraries.is_sorted(), "{list}");
    }
}
