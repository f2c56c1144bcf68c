//! Checks that the rooms know each other as `src/lib.rs` says, and that no imports inside a room
//! form a circle.
//!
//! Imports are read from the source text without its tests: every `use`, and every path in code
//! that begins with `crate::`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::tidy::without_tests;

/// Modules by their path (`backup::zip::extract`), with the other modules that each of them names.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// Reads the imports of all modules of the program.
fn imports() -> Imports {
    let sources = read_modules();
    let names: BTreeSet<String> = sources.keys().cloned().collect();
    let resolve = |module: &str, text: &str| {
        let named = paths(text).into_iter().map(|path| absolute(module, &path));
        let modules = named.filter_map(|path| longest_module(&names, &path));
        modules.filter(|other| other != module).collect()
    };
    sources.iter().map(|(module, text)| (module.clone(), resolve(module, text))).collect()
}

/// The code of every module, without comments and tests.
fn read_modules() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut modules = BTreeMap::new();
    for entry in walkdir::WalkDir::new(&root) {
        let entry = entry.unwrap();
        let name = entry.file_name().to_str().unwrap();
        if !name.ends_with(".rs") || name.ends_with("tests.rs") || ["lib.rs", "main.rs"].contains(&name) {
            continue;
        }
        let below = entry.path().strip_prefix(&root).unwrap().with_extension("");
        let mut parts: Vec<_> = below.iter().map(|part| part.to_str().unwrap()).collect();
        if parts.last() == Some(&"mod") {
            parts.pop();
        }
        let text = fs::read_to_string(entry.path()).unwrap();
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        let program = without_tests(&lines).into_iter();
        let code: Vec<_> = program.filter(|line| !line.trim_start().starts_with("//")).collect();
        modules.insert(parts.join("::"), code.join("\n"));
    }
    modules
}

/// Every path in `use` lines and every `crate::` path. Groups in braces are expanded.
fn paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find("use ") {
        let is_statement = rest[..at].trim_end_matches("pub ").ends_with(['\n', ' ', ')']) || at == 0;
        rest = &rest[at + 4..];
        let end = rest.find(';').unwrap_or(rest.len());
        if is_statement {
            spread("", &rest[..end], &mut found);
        }
    }
    for start in ["crate::", "super::"] {
        // Of `super::super::x`, only the whole path says which module it is.
        let starts = code.match_indices(start).filter(|(at, _)| !code[..*at].ends_with("super::"));
        found.extend(starts.map(|(at, _)| {
            let rest = &code[at..];
            let end = rest.find(|letter: char| !(letter.is_alphanumeric() || "_:".contains(letter)));
            rest[..end.unwrap_or(rest.len())].to_owned()
        }));
    }
    // What stands before a group in braces is spread out above.
    found.retain(|path| !path.ends_with("::"));
    found
}

/// Expands `a::{b, c::{d}}` to `a::b` and `a::c::d`.
fn spread(before: &str, text: &str, found: &mut Vec<String>) {
    let text = text.trim();
    let Some(brace) = text.find('{') else {
        let name = text.split(" as ").next().unwrap_or_default().trim();
        found.push(format!("{before}{name}"));
        return;
    };
    let before = format!("{before}{}", text[..brace].trim());
    let inner = text[brace + 1..].trim_end().trim_end_matches('}');
    let (mut depth, mut start) = (0, 0);
    for (at, letter) in inner.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                spread(&before, &inner[start..at], found);
                start = at + 1;
            }
            _ => {}
        }
    }
    spread(&before, &inner[start..], found);
}

/// A path from the root of the crate. A plain name is taken for one below the module. If it is the
/// name of another crate, the result names the module itself.
fn absolute(module: &str, path: &str) -> String {
    if let Some(path) = path.strip_prefix("crate::") {
        return path.to_owned();
    }
    let mut own: Vec<_> = module.split("::").collect();
    let mut path = path.strip_prefix("self::").unwrap_or(path);
    while let Some(above) = path.strip_prefix("super::") {
        own.pop();
        path = above;
    }
    own.push(path);
    own.join("::")
}

/// The longest beginning of a path that is a module.
fn longest_module(names: &BTreeSet<String>, path: &str) -> Option<String> {
    let mut path = path;
    loop {
        if names.contains(path) {
            return Some(path.to_owned());
        }
        path = path.rsplit_once("::")?.0;
    }
}

/// The rooms in the table of `src/lib.rs`, in their order, each with the rooms that it may know.
fn table_of_rooms() -> Vec<(String, BTreeSet<String>)> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("//! | `"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').collect();
        let name = cells[0].trim().trim_end_matches('`').to_owned();
        let known = cells[2].split(',').map(|name| name.trim().trim_matches('`').to_owned());
        (name, known.filter(|name| !name.is_empty()).collect())
    })
    .collect()
}

fn room(module: &str) -> String {
    module.split("::").next().unwrap().to_owned()
}

#[test]
fn rooms_import_exactly_what_the_table_in_lib_rs_says() {
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (module, others) in imports() {
        let others = others.iter().map(|other| room(other)).filter(|other| *other != room(&module));
        known.entry(room(&module)).or_default().extend(others);
    }
    let drawn: BTreeMap<_, _> = table_of_rooms().into_iter().collect();
    assert_eq!(known, drawn, "left: what the rooms import; right: the table in src/lib.rs");
}

#[test]
fn no_room_imports_a_room_above_it() {
    let drawn = table_of_rooms();
    let order: Vec<_> = drawn.iter().map(|(name, _)| name.as_str()).collect();
    for (at, (name, known)) in drawn.iter().enumerate() {
        for other in known {
            let below = order.iter().position(|room| room == other);
            assert!(below.is_some_and(|below| below < at), "{name} stands before {other}, which it knows");
        }
    }
}

/// A module and the modules below it belong together: a parent names its children, and they its
/// types.
fn is_kin(one: &str, other: &str) -> bool {
    let is_above = |above: &str, below: &str| below.starts_with(&format!("{above}::"));
    is_above(one, other) || is_above(other, one)
}

#[test]
fn no_two_files_of_a_room_need_each_other() {
    let imports = imports();
    let mut circles = BTreeSet::new();
    for start in imports.keys() {
        // Everything that can be reached; a way back is a circle.
        let mut seen = BTreeSet::new();
        let mut next = vec![start];
        while let Some(module) = next.pop() {
            let others = imports.get(module).into_iter().flatten();
            for other in others.filter(|other| !is_kin(module, other)) {
                if other == start {
                    circles.insert(format!("{start} and {module}"));
                } else if seen.insert(other) {
                    next.push(other);
                }
            }
        }
    }
    assert!(circles.is_empty(), "these need each other: {circles:#?}");
}

#[test]
fn imports_are_read_through_groups_and_relative_paths() {
    let mut found = Vec::new();
    spread("", "super::{a::{self, B}, c::d as e}", &mut found);
    assert_eq!(found, ["super::a::self", "super::a::B", "super::c::d"]);
    assert_eq!(absolute("backup::zip::extract", "super::super::holes::X"), "backup::holes::X");
    assert_eq!(absolute("backup::zip", "crate::words::count"), "words::count");
    let names = BTreeSet::from(["backup".to_owned(), "backup::holes".to_owned()]);
    assert_eq!(longest_module(&names, "backup::holes::X").as_deref(), Some("backup::holes"));
    assert_eq!(longest_module(&names, "serde::Serialize"), None);
    assert!(imports()["verify::judge"].contains("verify::judge_context"));
}

#[test]
fn no_command_imports_from_the_list_of_all_commands() {
    let imports = imports();
    let cli = imports.iter().filter(|(module, _)| module.starts_with("cli::"));
    let broken: Vec<_> = cli.filter(|(_, others)| others.contains("cli")).map(|(module, _)| module).collect();
    assert!(broken.is_empty(), "src/cli/mod.rs knows all of these: {broken:?}");
}
