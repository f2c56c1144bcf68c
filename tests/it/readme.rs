//! README keeps its word: its commands are run, its tables are compared with what the program says.

use std::path::Path;
use std::process::Command;

use bkverify::exit::ExitCode;

const README: &str = include_str!("../../README.md");

/// The commands in README's `sh` blocks, a line each.
fn commands() -> Vec<&'static str> {
    let blocks = README.split("```sh\n").skip(1);
    blocks.filter_map(|rest| rest.split("```").next()).flat_map(str::lines).collect()
}

#[test]
fn the_first_command_verifies_the_fixture_and_passes() {
    let command = commands()[0];
    let (_, flags) = command.split_once(" -- ").expect("cargo run, then the program's own flags");
    let restore_to = tempfile::tempdir().unwrap();
    let flags = flags.replace("target/verify", restore_to.path().to_str().unwrap());
    let run = Command::new(env!("CARGO_BIN_EXE_bkverify"))
        .args(flags.split(' '))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&run.stdout);
    assert!(out.starts_with("PASS"), "{out}{}", String::from_utf8_lossy(&run.stderr));
    assert_eq!(run.status.code(), Some(0));
}

#[test]
fn the_second_command_is_what_ci_runs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ci = std::fs::read_to_string(root.join(".ci/run")).unwrap();
    assert_eq!(commands()[1], ".ci/test");
    assert_eq!(ci.lines().last(), Some(".ci/test"));
}

#[test]
fn the_table_of_exit_codes_is_the_programs_own() {
    for code in ExitCode::ALL {
        let row = format!("| {} | {} |", code as u8, code.meaning());
        assert!(README.contains(&row), "README lacks: {row}");
    }
}

#[test]
fn every_flag_that_readme_names_exists() {
    let mut help = String::new();
    for arguments in [
        &["--help"][..],
        &["bench", "--help"],
        &["checklist", "--help"],
        &["checklist", "done", "--help"],
        &["generate", "man", "--help"],
        &["facts", "--help"],
        &["init", "--help"],
    ] {
        let run = Command::new(env!("CARGO_BIN_EXE_bkverify")).args(arguments).output().unwrap();
        help.push_str(&String::from_utf8_lossy(&run.stdout));
    }
    let named = README.split(|character: char| !(character.is_ascii_alphanumeric() || character == '-'));
    // Those of other programs.
    let foreign = ["--release", "--locked", "--path", "--read-data-subset", "--now", "--state"];
    for flag in named.filter(|word| word.starts_with("--") && word.len() > 3 && !foreign.contains(word)) {
        assert!(help.contains(flag), "README names {flag}, the program does not know it");
    }
}
