//! Checks that README and the manual are true: their commands are run, their flags and links exist,
//! and `bkverify help` prints what is in the files. (`src/cli/manual_tests.rs` parses their other
//! command lines and compares their tables of exit codes.)

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bkverify::manual::TOPICS;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::verify_reports::assert_golden;

const README: &str = include_str!("../../README.md");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README and every page, with their paths in the project.
fn documents() -> Vec<(PathBuf, &'static str)> {
    let pages = TOPICS
        .iter()
        .map(|topic| (Path::new("src/manual").join(topic.name).with_extension("md"), topic.text));
    std::iter::once((PathBuf::from("README.md"), README)).chain(pages).collect()
}

/// The commands in a document's `sh` blocks, one per line.
fn commands(text: &str) -> Vec<&str> {
    let blocks = text.split("```sh\n").skip(1);
    blocks.filter_map(|rest| rest.split("```").next()).flat_map(str::lines).collect()
}

/// Runs the program in the folder of the project, with the arguments of a command line.
fn run(line: &str) -> Output {
    let words = line.split_whitespace();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bkverify"));
    command.env("BKVERIFY_STATE_DIR", "none").args(words).current_dir(root()).output().unwrap()
}

/// Runs the program with a restore folder of its own. Asserts that it passes, and returns its
/// output.
#[track_caller]
fn passes(flags: &str) -> String {
    let restore_to = tempfile::tempdir().unwrap();
    let run = run(&flags.replace("target/verify", restore_to.path().to_str().unwrap()));
    let out = String::from_utf8_lossy(&run.stdout).into_owned();
    assert_eq!(run.status.code(), Some(0), "{flags}: {out}{}", String::from_utf8_lossy(&run.stderr));
    out
}

/// What `bkverify help` prints to a pipe.
fn help(names: &str) -> String {
    let run = run(&format!("help {names}"));
    assert_eq!(run.status.code(), Some(0), "{names}");
    String::from_utf8(run.stdout).unwrap()
}

#[test]
fn documents_stay_below_their_size_limits() {
    assert!(README.len() <= 10_000, "README has {} bytes", README.len());
    for topic in TOPICS {
        assert!(topic.text.len() <= 12_000, "{} has {} bytes", topic.name, topic.text.len());
    }
}

#[test]
fn the_first_command_verifies_the_fixture_and_passes() {
    let command = commands(README)[0];
    let (_, flags) = command.split_once(" -- ").expect("cargo run, then the program's own flags");
    let out = passes(flags);
    assert!(out.starts_with("PASS"), "{out}");
}

#[test]
fn the_second_command_is_what_ci_runs() {
    let ci = fs::read_to_string(root().join(".ci/run")).unwrap();
    assert_eq!(commands(README)[1..], [".ci/test"]);
    assert_eq!(ci.lines().last(), Some(".ci/test"));
}

#[test]
fn every_command_in_the_pages_passes() {
    let mut count = 0;
    for topic in TOPICS {
        for line in commands(topic.text) {
            let flags = line.strip_prefix("bkverify ");
            passes(flags.unwrap_or_else(|| panic!("{}: {line}: not a command of bkverify", topic.name)));
            count += 1;
        }
    }
    assert!(count >= 2);
}

#[test]
fn every_flag_that_a_document_names_exists() {
    let commands = [
        "",
        "bench",
        "checklist",
        "checklist done",
        "checklist waive",
        "coverage",
        "facts",
        "history",
        "ledger export",
        "ledger prune",
        "manifest",
        "init",
        "notify test",
        "status",
        "generate man",
        "generate schema",
        "schedule install",
        "schedule show",
        "schedule status",
        "schedule remove",
        "ledger prune",
        "ledger export",
    ];
    let help: String = commands.map(|command| run(&format!("{command} --help")).stdout).map(text).concat();
    let known: HashSet<_> = flags(&help).collect();
    // Flags of other programs.
    let foreign =
        ["--release", "--locked", "--path", "--read-data-subset", "--now", "--state", "--lib", "--test"];
    let foreign = foreign
        .into_iter()
        .chain(["--nocapture", "--substitute", "--warning", "--tag", "--binary", "--zero"])
        .chain(["--bypass-lock", "--verify-data", "--read-data", "--read-only", "--from0", "--files-from"])
        .chain(["--recursive", "--files-only", "--files-from-raw", "--addr", "--bench", "--no-encryption"])
        .collect::<HashSet<_>>();
    for (path, text) in documents() {
        // The code of the examples has flags of many programs, and none of bkverify.
        let is_examples = path.ends_with("command-examples.md");
        let text = text.split("```").step_by(if is_examples { 2 } else { 1 }).collect::<String>();
        for flag in flags(&text).filter(|flag| !foreign.contains(flag)) {
            assert!(known.contains(flag), "{} names {flag}, the program does not know it", path.display());
        }
    }
}

fn text(output: Vec<u8>) -> String {
    String::from_utf8(output).unwrap()
}

/// The flags in a text.
fn flags(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|character: char| !(character.is_ascii_alphanumeric() || character == '-'));
    words.filter(|word| word.starts_with("--") && word.trim_matches('-').len() > 1)
}

/// The targets of a document's links.
fn links(text: &str) -> Vec<String> {
    let events = Parser::new_ext(text, Options::ENABLE_TABLES);
    let link = |event| match event {
        Event::Start(Tag::Link { dest_url, .. }) => Some(dest_url.into_string()),
        _ => None,
    };
    events.filter_map(link).collect()
}

/// The anchors that GitHub and others create for headings.
fn anchors(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut heading: Option<String> = None;
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(text) | Event::Code(text) if heading.is_some() => {
                heading.as_mut().unwrap().push_str(&text);
            }
            Event::End(TagEnd::Heading(_)) => found.extend(heading.take()),
            _ => {}
        }
    }
    let anchor = |text: String| {
        let kept = text.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    found.into_iter().map(anchor).collect()
}

#[test]
fn every_link_has_a_target() {
    let benches = fs::read_to_string(root().join("benches/README.md")).unwrap();
    let mut count = 0;
    let documents = documents().into_iter().map(|(path, text)| (path, text.to_owned()));
    for (path, text) in documents.chain([(PathBuf::from("benches/README.md"), benches)]) {
        for link in links(&text).iter().filter(|link| !link.starts_with("https://")) {
            let (file, anchor) = link.split_once('#').map_or((link.as_str(), None), |(a, b)| (a, Some(b)));
            let file = if file.is_empty() {
                root().join(&path)
            } else {
                root().join(path.parent().unwrap()).join(file)
            };
            assert!(file.is_file(), "{}: {link}", path.display());
            if let Some(anchor) = anchor {
                let anchors = anchors(&fs::read_to_string(file).unwrap());
                assert!(
                    anchors.iter().any(|other| other == anchor),
                    "{}: {link}: {anchors:?}",
                    path.display()
                );
            }
            count += 1;
        }
    }
    assert!(count > 30, "{count}");
}

/// The pieces of inline code in a text.
fn code(text: &str) -> Vec<String> {
    let events = Parser::new_ext(text, Options::ENABLE_TABLES);
    let code = |event| match event {
        Event::Code(code) => Some(code.into_string()),
        _ => None,
    };
    events.filter_map(code).collect()
}

#[test]
fn every_file_of_the_project_that_a_document_names_exists() {
    let mut count = 0;
    for (path, text) in documents() {
        for name in code(text) {
            let is_ours = ["src/", "tests/", "benches/", "fixtures/", ".ci/"]
                .iter()
                .any(|folder| name.starts_with(folder));
            if let Some(file) = name.split(' ').next().filter(|_| is_ours) {
                assert!(root().join(file).exists(), "{} names {file}", path.display());
                count += 1;
            }
        }
    }
    assert!(count > 25, "{count}");
}

#[test]
fn every_environment_variable_that_a_document_names_is_read() {
    let places = [
        "src/backup/command/restore.rs",
        "src/cli/local.rs",
        "src/report/variables.rs",
        "src/notify/message.rs",
        "tests/it/campaign.rs",
        "tests/it/verify_reports.rs",
    ];
    let sources = places.map(|place| fs::read_to_string(root().join(place)).unwrap()).concat();
    let mut count = 0;
    for (path, text) in documents() {
        let words = text.split(|letter: char| !(letter.is_ascii_uppercase() || letter == '_'));
        for variable in words.filter(|word| word.starts_with("BKVERIFY_")) {
            assert!(sources.contains(&format!("\"{variable}\"")), "{} names {variable}", path.display());
            count += 1;
        }
    }
    assert!(count > 5, "{count}");
}

#[test]
fn every_page_is_a_topic_and_readme_lists_it() {
    let files = fs::read_dir(root().join("src/manual")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|ending| ending == "md")).collect();
    let mut topics: Vec<_> =
        TOPICS.iter().map(|topic| root().join("src/manual").join(topic.name).with_extension("md")).collect();
    pages.sort();
    topics.sort();
    assert_eq!(pages, topics);
    for topic in TOPICS {
        let row = format!("| [{0}](src/manual/{0}.md) | {1} |", topic.name, topic.summary);
        assert!(README.contains(&row), "README lacks: {row}");
    }
}

#[test]
fn help_prints_a_page_to_a_pipe_as_plain_text_of_80_columns() {
    assert_golden("help-nightly.txt", &help("nightly"));
}

#[test]
fn help_of_a_command_equals_the_commands_own_help() {
    // On Windows, clap names the program as it was called.
    let own =
        |command: &str| text(run(&format!("{command} --help")).stdout).replace("bkverify.exe", "bkverify");
    for command in ["plan", "checklist done", "generate man"] {
        assert_eq!(help(command).trim_end(), own(command).trim_end());
    }
    assert_eq!(
        help("").trim_end(),
        text(run("--help").stdout).replace("bkverify.exe", "bkverify").trim_end()
    );
}

#[test]
fn an_unknown_topic_is_a_usage_error() {
    let run = run("help sampeling");
    assert_eq!(run.status.code(), Some(2));
    assert!(run.stdout.is_empty());
    assert!(text(run.stderr).contains("did you mean `bkverify help sampling`?"));
}

#[test]
fn a_reader_that_closes_the_pipe_is_not_an_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_bkverify"))
        .args(["help", "design"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let run = child.wait_with_output().unwrap();
    assert_eq!(run.status.code(), Some(0));
    assert!(run.stderr.is_empty());
}

/// Runs `bkverify help` on a terminal with this pager. Returns the exit code and what the terminal
/// showed.
#[cfg(target_os = "linux")]
fn on_a_terminal(pager: &str, variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let program = format!("'{}' help sampling", env!("CARGO_BIN_EXE_bkverify"));
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &program, "/dev/null"]);
    script.env_remove("LESS").env_remove("NO_COLOR").env("TERM", "xterm").env("PAGER", pager);
    script.envs(variables.iter().copied()).stdin(std::process::Stdio::null());
    let run = script.output().unwrap();
    (run.status.code(), text(run.stdout).replace("\r\n", "\n"))
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_gets_the_page_through_the_pager_with_styles_unless_turned_off() {
    let (code, shown) = on_a_terminal("sed s/^/paged:/", &[]);
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.starts_with("paged:\u{1b}[1;4mThe draw, the verdicts"), "{shown}");
    let (code, shown) = on_a_terminal("sed s/^/paged:/", &[("NO_COLOR", "1")]);
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.starts_with("paged:The draw, the verdicts") && !shown.contains('\u{1b}'), "{shown}");
    // A dumb terminal cannot page.
    let (code, shown) = on_a_terminal("sed s/^/paged:/", &[("TERM", "dumb")]);
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.starts_with("The draw, the verdicts") && !shown.contains('\u{1b}'), "{shown}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_pager_that_is_missing_empty_or_ends_early_is_not_an_error() {
    for pager in ["/no/such/pager", ""] {
        let (code, shown) = on_a_terminal(pager, &[]);
        assert_eq!(code, Some(0), "{shown}");
        assert!(shown.contains("The draw, the verdicts"), "{pager}: {shown}");
    }
    let (code, shown) = on_a_terminal("true", &[]);
    assert_eq!((code, shown.as_str()), (Some(0), ""));
}
