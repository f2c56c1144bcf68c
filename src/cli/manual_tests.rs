//! The documents keep their word: command lines in README and in the manual are parsed by the
//! program itself, and their tables of exit codes are the program's.

use clap::Parser;

use super::args::Arguments;
use super::config::Config;
use super::man::exit_status;
use crate::manual::{Block, Document, Span, TOPICS};

const README: &str = include_str!("../../README.md");

/// README and all pages, by name.
fn documents() -> Vec<(&'static str, Document)> {
    let pages = TOPICS.iter().map(|topic| (topic.name, topic.document()));
    std::iter::once(("README", Document::read(README))).chain(pages).collect()
}

/// What a line of a document tells bkverify to do: the words of each of its command lines.
///
/// It knows what the documents use: prompts, comments, pipes, redirections, and the Task
/// Scheduler's quotes. Backslashes are those of Windows paths.
pub fn command_lines(line: &str) -> Vec<Vec<String>> {
    let line = line.trim_start().trim_start_matches("$ ");
    let line = match line.split_once("bkverify.exe\\\" ") {
        Some((_, task)) => format!("bkverify {}", task.trim_end_matches('"')),
        None => line.to_owned(),
    };
    let mut commands = Vec::new();
    for command in line.split(" | ") {
        let words = words(command);
        let program = words.iter().position(|word| word == "bkverify");
        let end = words.iter().position(|word| word == "#" || word == ">").unwrap_or(words.len());
        if let Some(program) = program.filter(|program| *program < end) {
            commands.push(words[program..end].to_vec());
        }
    }
    commands
}

/// Words between spaces; double quotes hold words together.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for character in line.chars() {
        match character {
            '"' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            other => words.last_mut().unwrap().push(other),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[track_caller]
fn parses(document: &str, line: &str) -> usize {
    let commands = command_lines(line);
    for words in &commands {
        if let Err(error) = Arguments::try_parse_from(words) {
            panic!("{document}: {line}: {error}");
        }
    }
    commands.len()
}

/// Blocks, those within lists too.
fn every_block<'a>(blocks: &'a [Block], see: &mut dyn FnMut(&'a Block)) {
    for block in blocks {
        see(block);
        if let Block::List { items, .. } = block {
            for item in items {
                every_block(item, see);
            }
        }
    }
}

#[test]
fn command_lines_are_found_as_documents_write_them() {
    let lines = |line| command_lines(line).iter().map(|words| words.join("·")).collect::<Vec<_>>();
    assert_eq!(lines("    $ bkverify plan --job x"), ["bkverify·plan·--job·x"]);
    assert_eq!(lines("bkverify bench      # the job"), ["bkverify·bench"]);
    assert_eq!(
        lines("ssh dc01 bkverify facts --json | bkverify plan"),
        ["bkverify·facts·--json", "bkverify·plan"]
    );
    assert_eq!(lines("bkverify facts > facts.json"), ["bkverify·facts"]);
    assert_eq!(lines(r#"bkverify checklist done x --note "a b""#), ["bkverify·checklist·done·x·--note·a b"]);
    assert_eq!(
        lines(r#"    /TR "\"C:\b\bkverify.exe\" --json D:\v\l.json""#),
        [r"bkverify·--json·D:\v\l.json"]
    );
    assert!(lines(r#"mkdir "%ProgramData%\bkverify""#).is_empty());
}

#[test]
fn every_command_line_in_code_parses() {
    let mut count = 0;
    for (name, document) in documents() {
        every_block(&document.blocks, &mut |block| {
            if let Block::Code(code) = block {
                count += code.lines().map(|line| parses(name, line)).sum::<usize>();
            }
        });
    }
    assert!(count > 30, "{count}");
}

#[test]
fn every_configuration_in_code_can_be_read() {
    let mut count = 0;
    for (name, document) in documents() {
        every_block(&document.blocks, &mut |block| {
            if let Block::Code(code) = block
                && code.lines().any(|line| line.trim_start_matches('[').starts_with("jobs."))
            {
                if let Err(error) = Config::parse("/c/bkverify.toml".into(), code, None) {
                    panic!("{name}: {}", error.render(None));
                }
                count += 1;
            }
        });
    }
    assert!(count > 4, "{count}");
}

#[test]
fn every_command_line_in_running_text_parses() {
    let mut spans: Vec<(&str, Span)> = Vec::new();
    for (name, document) in documents() {
        every_block(&document.blocks, &mut |block| match block {
            Block::Paragraph(text) | Block::Heading { text, .. } => {
                spans.extend(text.iter().map(|span| (name, span.clone())));
            }
            Block::Table { head, rows, .. } => {
                let cells = head.iter().chain(rows.iter().flatten()).flatten();
                spans.extend(cells.map(|span| (name, span.clone())));
            }
            Block::Code(_) | Block::List { .. } => {}
        });
    }
    let mut count = 0;
    for (name, span) in spans {
        if let Span::Code(code) = span {
            count += parses(name, &code);
        }
    }
    assert!(count > 15, "{count}");
}

/// The tables of exit codes in a document.
fn tables_of_exit_codes(document: &Document) -> Vec<Vec<(String, String)>> {
    let plain = |cell: &Vec<Span>| match cell.as_slice() {
        [Span::Text(text)] => text.clone(),
        other => format!("{other:?}"),
    };
    let mut found = Vec::new();
    every_block(&document.blocks, &mut |block| {
        if let Block::Table { head, rows, .. } = block
            && plain(&head[0]) == "exit code"
        {
            found.push(rows.iter().map(|row| (plain(&row[0]), plain(&row[1]))).collect());
        }
    });
    found
}

#[test]
fn the_tables_of_exit_codes_are_the_programs_own() {
    let mut with_a_table = Vec::new();
    for (name, document) in documents() {
        let command = match name {
            "bench" | "checklist" | "manifest" => format!("bkverify-{name}"),
            "history" => "bkverify-status".to_owned(),
            _ => "bkverify".to_owned(),
        };
        let own = exit_status(&command);
        let own: Vec<_> =
            own.iter().map(|(code, meaning)| (code.to_string(), (*meaning).to_owned())).collect();
        for table in tables_of_exit_codes(&document) {
            assert_eq!(table, own, "{name}");
            with_a_table.push(name);
        }
    }
    assert_eq!(with_a_table, ["README", "nightly", "history", "manifest", "bench", "checklist"]);
}
