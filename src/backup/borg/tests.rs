//! Parsers of what borg prints, on what borg 1.2 and 1.4 have printed (`fixtures/borg/make.sh`).

use std::collections::HashMap;

use proptest::prelude::*;

use super::extract::is_about_content;
use super::item::{Item, time};
use super::message::{Message, Problems};
use super::names::{self, Name, printed};
use super::{Listed, TIME_RESOLUTION_NS, is_checkpoint};

/// The same recording of both versions.
macro_rules! both {
    ($name:literal) => {
        [
            include_str!(concat!("../../../fixtures/borg/1.2/", $name)),
            include_str!(concat!("../../../fixtures/borg/1.4/", $name)),
        ]
    };
}

fn messages(log: &str) -> Vec<Message> {
    log.lines().map(|line| Message::parse(line.as_bytes())).collect()
}

fn problems(log: &str) -> Problems {
    let mut problems = Problems::default();
    for message in messages(log) {
        if let Message::Problem { text, id } = message {
            problems.note(&text, &id);
        }
    }
    problems
}

#[test]
fn archives_are_listed_with_their_names_ids_and_times() {
    for text in both!("archives.json") {
        let listed: Listed = serde_json::from_str(text).unwrap();
        assert_eq!(listed.encryption.as_ref().unwrap().mode, "repokey");
        let snapshots = listed.snapshots();
        let names: Vec<_> = snapshots.iter().map(|snapshot| snapshot.name.as_str()).collect();
        assert_eq!(names, ["first", "other {name}"]);
        assert!(snapshots.iter().all(|snapshot| snapshot.id.as_ref().unwrap().len() == 64));
        assert!(snapshots.iter().all(|snapshot| snapshot.taken.is_some()));
        assert!(listed.archives.iter().all(|archive| time(archive.end.as_ref().unwrap()).is_some()));
    }
}

#[test]
fn what_is_said_of_a_file_that_a_repair_has_filled_with_zeros_is_about_its_content() {
    for log in both!("repaired.log") {
        let complaints = messages(log).into_iter().filter_map(|message| match message {
            Message::Problem { text, .. } => text.strip_prefix("noise: ").map(str::to_owned),
            _ => None,
        });
        let complaints: Vec<_> = complaints.collect();
        assert!(complaints.len() == 1 && is_about_content(&complaints[0]), "{complaints:?}");
    }
}

#[test]
fn archives_of_interrupted_backups_are_told_apart() {
    for name in ["x.checkpoint", "x.checkpoint.1", "x.checkpoint.checkpoint"] {
        assert!(is_checkpoint(name), "{name}");
    }
    for name in ["x", "checkpoint", "x.checkpoint.", "x.checkpoint.a", "x.checkpoint-2", "x.checkpoint.1.new"]
    {
        assert!(!is_checkpoint(name), "{name}");
    }
}

#[test]
fn files_are_listed_with_sizes_and_times_and_hard_links_without_a_size() {
    for text in both!("list.jsonl") {
        let items: Vec<Item<'_>> = text.lines().map(|line| Item::parse(line.as_bytes()).unwrap()).collect();
        let files: Vec<_> = items.iter().filter(|item| item.is_file()).collect();
        assert_eq!(files.len(), 7);
        let at = |path: &str| *files.iter().find(|item| item.path == path).unwrap();
        assert_eq!(at("plain").size(), Some(5));
        assert_eq!(at("folder/long").size(), Some(300_000));
        let (link, first) = match at("folder/second").is_link() {
            true => ("folder/second", "folder/first"),
            false => ("folder/first", "folder/second"),
        };
        assert_eq!((at(link).size(), &*at(link).source), (None, first));
        assert_eq!(at(first).size(), Some(5));
        let recorded = at("new\nline").mtime().unwrap().as_nanos();
        let original = "2026-11-27T10:00:00.123456789Z".parse::<jiff::Timestamp>().unwrap().as_nanosecond();
        assert!((recorded - original).abs() < i128::from(TIME_RESOLUTION_NS), "{recorded} {original}");
    }
}

#[test]
fn names_that_are_not_utf_8_are_found_and_those_with_a_question_mark_stay() {
    for (list, dump) in both!("list.jsonl").into_iter().zip(both!("dump.json")) {
        let mut wanted: HashMap<u64, Name> = list
            .lines()
            .enumerate()
            .map(|(number, line)| (number as u64, Item::parse(line.as_bytes()).unwrap().path.into_owned()))
            .filter(|(_, path)| path.contains('?'))
            .map(|(number, path)| (number, Name::Printed(path)))
            .collect();
        assert_eq!(wanted.len(), 2);
        let other = (10_000, Name::Printed("not there?".to_owned()));
        wanted.extend([other.clone()]);
        names::read(dump.as_bytes(), &mut wanted).unwrap();
        let mut found: Vec<_> = wanted.values().cloned().collect();
        found.sort_by_key(|name| format!("{name:?}"));
        let exact = |name: &[u8]| Name::Exact(name.to_vec());
        assert_eq!(found, [exact(b"really?"), exact(b"bytes \xff\xe9"), other.1]);
    }
}

#[test]
fn each_file_is_named_before_it_is_restored() {
    for log in both!("extract.log") {
        let next: Vec<_> = messages(log)
            .into_iter()
            .filter_map(|message| if let Message::Next(name) = message { Some(name) } else { None })
            .collect();
        assert_eq!(next, ["folder/long", "plain"]);
    }
}

#[test]
fn borgs_errors_become_the_next_step_of_a_person() {
    for (logs, words) in [
        (both!("wrong-passphrase.log"), "the passphrase is not the one of this repository"),
        (both!("no-passphrase.log"), "say where its passphrase is with --password"),
        (both!("no-repository.log"), "there is no borg repository at this place"),
        (both!("locked.log"), "another borg holds the lock"),
    ] {
        for log in logs {
            let remedy = problems(log).remedy();
            assert!(remedy.is_some_and(|remedy| remedy.contains(words)), "{remedy:?} for {log}");
        }
    }
    for log in both!("no-archive.log") {
        assert_eq!(problems(log).text(), "Archive nothing does not exist");
    }
}

#[test]
fn what_ssh_says_about_a_connection_is_told() {
    let mut problems = Problems::default();
    problems.note("Remote: ssh: Could not resolve hostname server", "");
    problems.note("Connection closed by remote host.", "ConnectionClosedWithHint");
    let told = "Connection closed by remote host. (Remote: ssh: Could not resolve hostname server)";
    assert_eq!(problems.text(), told);
}

#[test]
fn damage_is_told_in_borgs_own_words() {
    for log in both!("damaged.log") {
        let text = problems(log).text();
        assert!(text.starts_with("Data integrity error: Segment entry checksum mismatch"), "{text}");
    }
    for log in both!("segment-gone.log") {
        let text = problems(log).text();
        assert!(text.contains("No such file or directory"), "{text}");
    }
}

proptest! {
    #[test]
    fn no_line_makes_a_parser_panic(line in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = (Item::parse(&line).map(|item| item.mtime()), Message::parse(&line));
        let mut wanted = HashMap::from([(0, Name::Printed("x?".to_owned()))]);
        let _ = names::read(&line[..], &mut wanted);
    }

    #[test]
    fn changed_recordings_make_no_parser_panic(at in 0..2000_usize, byte in any::<u8>()) {
        for text in both!("list.jsonl").into_iter().chain(both!("damaged.log")) {
            let mut bytes = text.as_bytes().to_vec();
            let at = at % bytes.len();
            bytes[at] = byte;
            for line in bytes.split(|&byte| byte == b'\n') {
                let _ = (Item::parse(line).map(|item| item.mtime()), Message::parse(line));
            }
        }
    }

    #[test]
    fn the_exact_name_is_found_for_any_bytes(path in prop::collection::vec(1_u8.., 1..20)) {
        let name = match std::str::from_utf8(&path) {
            // borg writes a name that begins with its own mark in digits, too.
            Ok(text) if !text.starts_with('\u{7f}') => text.to_owned(),
            _ => path.iter().fold("\u{7f}".to_owned(), |digits, byte| format!("{digits}{byte:02x}")),
        };
        let dump = serde_json::json!({ "_items": [{ "path": name, "size": 1, "chunks": [["x", 1, 2]] }] });
        let mut wanted = HashMap::from([(0, Name::Printed(printed(&path)))]);
        names::read(dump.to_string().as_bytes(), &mut wanted).unwrap();
        prop_assert_eq!(&wanted[&0], &Name::Exact(path));
    }
}
