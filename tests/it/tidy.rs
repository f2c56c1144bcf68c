//! Rules for the code that neither the compiler nor clippy checks (see `clippy.toml` for others).

use std::fs;
use std::path::Path;

/// A source file: its path in the project, and its lines.
struct SourceFile {
    path: String,
    lines: Vec<String>,
}

impl SourceFile {
    /// The lines of the program, with those of tests empty. Nothing if the file contains only
    /// tests.
    fn program(&self) -> Vec<String> {
        if self.path.contains("tests.rs") || self.path.ends_with("_tests.rs") {
            return Vec::new();
        }
        without_tests(&self.lines)
    }
}

/// The lines of a file, with each item that stands below `#[cfg(test)]` emptied: to its closing
/// brace, which rustfmt puts below the first letter of the item, or to its semicolon.
pub fn without_tests(lines: &[String]) -> Vec<String> {
    let mut program = lines.to_vec();
    let mut index = 0;
    while index < lines.len() {
        if lines[index].trim() != "#[cfg(test)]" {
            index += 1;
            continue;
        }
        let indent = lines[index].len() - lines[index].trim_start().len();
        let closing = format!("{}}}", " ".repeat(indent));
        let is_end = |line: &String| {
            let is_outer = line.len() - line.trim_start().len() == indent;
            *line == closing || (is_outer && line.ends_with([';', '}']))
        };
        let length = lines[index + 1..].iter().position(is_end).map_or(lines.len() - index, |end| end + 2);
        program[index..index + length].fill(String::new());
        index += length;
    }
    program
}

/// Every Rust file below a folder of the project.
fn sources(folder: &str) -> Vec<SourceFile> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = walkdir::WalkDir::new(project.join(folder)).sort_by_file_name();
    let files = entries
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.path().extension().is_some_and(|ext| ext == "rs"));
    let sources: Vec<_> = files
        .map(|entry| {
            let path = entry.path().strip_prefix(project).unwrap().to_str().unwrap().replace('\\', "/");
            let text = fs::read_to_string(entry.path()).unwrap();
            SourceFile { path, lines: text.lines().map(str::to_owned).collect() }
        })
        .collect();
    assert!(!sources.is_empty(), "no sources in {folder}");
    sources
}

/// Every Rust file of the program and of its tests.
fn sources_and_tests() -> Vec<SourceFile> {
    sources("src").into_iter().chain(sources("tests")).collect()
}

/// Fails with everything that breaks a rule.
#[track_caller]
fn none(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}\n{}", broken.join("\n"));
}

/// The lines of the program, without its tests, that a rule forbids.
fn forbidden(folder: &str, is_forbidden: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut broken = Vec::new();
    for source in sources(folder) {
        for (index, line) in source.program().iter().enumerate() {
            let is_comment = line.trim_start().starts_with("//");
            if !is_comment && is_forbidden(&source.path, line) {
                broken.push(format!("{}:{}: {}", source.path, index + 1, line.trim()));
            }
        }
    }
    broken
}

#[test]
fn only_the_platform_room_distinguishes_operating_systems() {
    let words = [
        "cfg(unix",
        "cfg(windows",
        "cfg(not(unix",
        "cfg(not(windows",
        "cfg!(unix",
        "cfg!(windows",
        "target_os",
        "target_family",
        "os::unix",
        "os::windows",
        "os::fd",
    ];
    let broken = forbidden("src", |path, line| {
        !path.starts_with("src/platform/") && words.iter().any(|word| line.contains(word))
    });
    none("only src/platform may know the operating system", &broken);
}

#[test]
fn only_the_command_line_uses_clap() {
    let broken = forbidden("src", |path, line| !path.starts_with("src/cli/") && line.contains("clap::"));
    none("arguments are read in src/cli alone", &broken);
}

#[test]
fn every_file_begins_with_module_documentation() {
    let all = sources_and_tests();
    let silent = all.iter().filter(|source| {
        let is_tests = source.path.starts_with("src") && source.path.contains("tests");
        !is_tests && !source.lines.first().is_some_and(|line| line.starts_with("//! "))
    });
    none(
        "a file opens with its module documentation",
        &silent.map(|source| source.path.clone()).collect::<Vec<_>>(),
    );
}

#[test]
fn no_file_is_longer_than_500_lines() {
    let all = sources_and_tests();
    let long = all.iter().filter(|source| source.lines.len() > 500);
    let broken: Vec<_> =
        long.map(|source| format!("{}: {} lines", source.path, source.lines.len())).collect();
    none("files are at most 500 lines long", &broken);
}

#[test]
fn code_behind_the_tests_of_a_file_is_read_too() {
    let text = "fn a() {}\n#[cfg(test)]\nmod samples;\nfn b() {\n}\n#[cfg(test)]\nmod tests {\n    fn c() {\n    }\n}\nfn d() {}";
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    let left: Vec<_> = without_tests(&lines).into_iter().filter(|line| !line.is_empty()).collect();
    assert_eq!(left, ["fn a() {}", "fn b() {", "}", "fn d() {}"]);
}
