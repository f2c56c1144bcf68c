//! Plays machines back that were recorded in `tests/data/checklist`, and compares what a check
//! finds with the file of findings beside each.
//!
//! `machines/CHECK-STATE.txt` is a machine: when it was recorded, what programs printed, and files.
//!
//! ```text
//! now 2026-11-28T16:00:00Z
//! $ systemctl is-enabled openvpn@hq        (a program; `exit N` and `2| ...` if it failed)
//! | enabled
//! /etc/default/openvpn 2026-11-28T16:00:00Z
//! | AUTOSTART="all"
//! /etc/x -> /dev/null
//! ```
//!
//! `CHECK-STATE.sh` made the state, and `CHECK-STATE.findings` is what the check must find there.
//! It is written anew with `BKVERIFY_BLESS=1`.
//!
//! `windows/NAME.txt` is what a probe prints. Each of them is also spoiled in every way that another
//! Windows may spoil it: a member is missing, has a word of another language or is empty, or the
//! output ends behind any line.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::Timestamp;
use serde_json::Value;

use super::machine::tests::{TestMachine, recorded};
use super::probes::{self, Source};
use super::{CHECKS, Check, Finding, Os, Status};
use crate::platform;
use crate::program::{ProgramError, ProgramOutput, Programs};

/// What programs printed, by their command lines.
#[derive(Debug, Clone, Default)]
struct Recording {
    now: Timestamp,
    programs: BTreeMap<String, ProgramOutput>,
    files: Vec<RecordedFile>,
    /// A program that does not answer.
    silent: Option<String>,
}

#[derive(Debug, Clone, Default)]
struct RecordedFile {
    path: String,
    time: Option<Timestamp>,
    link: Option<String>,
    text: String,
}

impl Programs for Recording {
    fn run_partly(&self, command: &[&str], _: Instant) -> (ProgramOutput, Option<ProgramError>) {
        let line = command.join(" ");
        let problem = match self.programs.get(&line) {
            None => ProgramError::Missing(command[0].to_owned()),
            Some(_) if self.silent.as_ref() == Some(&line) => ProgramError::TimedOut(command[0].to_owned()),
            Some(output) => return (output.clone(), None),
        };
        (ProgramOutput::default(), Some(problem))
    }
}

impl Recording {
    fn parse(text: &str) -> Self {
        let mut all = Self::default();
        let mut program = None;
        for line in text.lines() {
            if let Some(time) = line.strip_prefix("now ") {
                all.now = time.parse().unwrap();
            } else if let Some(command) = line.strip_prefix("$ ") {
                let output = ProgramOutput { code: Some(0), ..ProgramOutput::default() };
                all.programs.insert(command.to_owned(), output);
                program = Some(command.to_owned());
            } else if let Some(code) = line.strip_prefix("exit ") {
                all.programs.get_mut(program.as_ref().unwrap()).unwrap().code = Some(code.parse().unwrap());
            } else if let Some(words) = line.strip_prefix("2| ") {
                all.programs.get_mut(program.as_ref().unwrap()).unwrap().stderr += &format!("{words}\n");
            } else if let Some(words) = line.strip_prefix("| ") {
                let text = match &program {
                    Some(program) => &mut all.programs.get_mut(program).unwrap().stdout,
                    None => &mut all.files.last_mut().unwrap().text,
                };
                *text += &format!("{words}\n");
            } else if line.starts_with('/') {
                program = None;
                all.files.push(RecordedFile::parse(line));
            } else {
                assert!(line.is_empty() || line.starts_with('#'), "not a line of a recording: {line}");
            }
        }
        all
    }

    fn machine(&self) -> TestMachine {
        let mut made = recorded(Os::Linux, &[]).with(|settings| settings.now = self.now);
        for file in &self.files {
            made = made.file(&file.path, &file.text);
            let place = made.machine.root.join(file.path.trim_start_matches('/'));
            if let Some(target) = &file.link {
                fs::remove_file(&place).unwrap();
                platform::make_link(Path::new(target), &place).unwrap();
            }
            if let Some(time) = file.time {
                let written = fs::File::options().write(true).open(&place).unwrap();
                written.set_modified(time.into()).unwrap();
            }
        }
        made.machine.programs = Box::new(self.clone());
        made
    }

    fn findings(&self, check: &Check) -> Vec<Finding> {
        check.run(&self.machine().visit())
    }
}

impl RecordedFile {
    fn parse(line: &str) -> Self {
        if let Some((path, target)) = line.split_once(" -> ") {
            return Self { path: path.to_owned(), link: Some(target.to_owned()), ..Self::default() };
        }
        match line.rsplit_once(' ').map(|(path, time)| (path, time.parse())) {
            Some((path, Ok(time))) => Self { path: path.to_owned(), time: Some(time), ..Self::default() },
            _ => Self { path: line.to_owned(), ..Self::default() },
        }
    }
}

/// All recordings that can be played on this system: the file without its ending, the check, the
/// machine. Not every system lets its users make links.
fn all() -> Vec<(PathBuf, &'static Check, Recording)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/checklist/machines");
    let mut all = Vec::new();
    let trial = tempfile::tempdir().unwrap();
    let has_links = platform::make_link(Path::new("nowhere"), &trial.path().join("link")).is_ok();
    for entry in fs::read_dir(folder).unwrap() {
        let place = entry.unwrap().path();
        let stem = place.file_stem().unwrap().to_str().unwrap();
        if place.extension().is_none_or(|ending| ending != "txt") {
            continue;
        }
        let check = CHECKS.iter().find(|check| stem.starts_with(&format!("{}-", check.name)));
        let check = check.unwrap_or_else(|| panic!("{stem}: a recording begins with the name of its check"));
        let recording = Recording::parse(&fs::read_to_string(&place).unwrap());
        if !has_links && recording.files.iter().any(|file| file.link.is_some()) {
            continue;
        }
        all.push((place.with_extension(""), *check, recording));
    }
    assert!(!all.is_empty());
    all
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a person asks it to write what it expects")]
fn every_recorded_machine_is_judged_as_the_file_beside_it_says() {
    let mut wrong = String::new();
    for (place, check, recording) in all() {
        assert!(place.with_extension("sh").exists(), "{} has no script that made it", place.display());
        let line = |finding: &Finding| format!("{:<15} {}\n", finding.status, finding.title);
        let found: String = recording.findings(check).iter().map(line).collect();
        let expected = place.with_extension("findings");
        if std::env::var_os("BKVERIFY_BLESS").is_some() {
            fs::write(&expected, &found).unwrap();
        }
        let expected = fs::read_to_string(&expected).unwrap_or_default();
        if expected != found {
            wrong += &format!("{}\nexpected:\n{expected}found:\n{found}\n", place.display());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_program_that_does_not_answer_supports_no_pass() {
    for (place, check, recording) in all() {
        for program in recording.programs.keys() {
            let silent = Recording { silent: Some(program.clone()), ..recording.clone() };
            for finding in silent.findings(check) {
                let rests_on_it = finding.evidence.iter().any(|seen| seen.source.contains(program.as_str()));
                let passes = finding.status == Status::Pass && rests_on_it;
                assert!(!passes, "{}: `{program}` is silent, but: {finding:?}", place.display());
            }
        }
    }
}

/// Parts and members in which another word is another thing, and no other language's word for the
/// same. The probe asks for services by their names.
const NAMES: [(&str, &str); 3] = [("services", "name"), ("adapters", "driver"), ("host", "model")];

/// What a probe printed, and in which way it was spoiled.
fn spoiled(printed: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = printed.lines().collect();
    let mut all = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        all.push((format!("cut off behind line {}", number + 1), lines[..=number].join("\n")));
        let whole: Value = serde_json::from_str(line).unwrap();
        let items = whole["items"].as_array().cloned().unwrap_or_default();
        for (at, item) in items.iter().enumerate() {
            let is_name = |member: &str| NAMES.contains(&(whole["part"].as_str().unwrap(), member));
            for member in item.as_object().unwrap().keys().filter(|key| *key != "kind" && !is_name(key)) {
                for other in [None, Some("Wort"), Some("")] {
                    let mut line = whole.clone();
                    let item = line["items"][at].as_object_mut().unwrap();
                    match other {
                        None => drop(item.remove(member)),
                        Some(word) => drop(item.insert(member.clone(), word.into())),
                    }
                    let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
                    lines[number] = line.to_string();
                    all.push((
                        format!("{member} of item {at} of {} is {other:?}", whole["part"]),
                        lines.join("\n"),
                    ));
                }
            }
        }
    }
    all
}

#[test]
fn what_windows_prints_supports_no_pass_when_it_is_spoiled() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/checklist/windows");
    let mut wrong = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let place = entry.unwrap().path();
        if place.extension().is_none_or(|ending| ending != "txt") {
            continue;
        }
        let printed = fs::read_to_string(&place).unwrap();
        let begin: Value = serde_json::from_str(printed.lines().next().unwrap()).unwrap();
        let check = CHECKS.iter().find(|check| begin["probe"] == check.name).unwrap();
        let mut made = recorded(Os::Windows, &[]);
        let mut find = |printed: &str| {
            made.machine.probes = Source::File(probes::Recording::parse(printed).unwrap());
            check.run(&made.visit())
        };
        let count = |findings: &[Finding], statuses: &[Status]| {
            findings.iter().filter(|finding| statuses.contains(&finding.status)).count()
        };
        let judged = |findings: &[Finding]| {
            let unknown = count(findings, &[Status::CouldNotCheck]);
            let good = count(findings, &[Status::Pass, Status::NotApplicable]);
            (unknown, good, count(findings, &[Status::Fail, Status::Warn]))
        };
        let (unknown, good, bad) = judged(&find(&printed));
        for (how, printed) in spoiled(&printed) {
            let (more_unknown, more_good, fewer_bad) = judged(&find(&printed));
            if more_unknown <= unknown && (more_good > good || fewer_bad < bad) {
                wrong += &format!("{}: {how}\n", place.file_name().unwrap().display());
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
