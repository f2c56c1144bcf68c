//! Calls of the restore command.
//!
//! The command is told which files are wanted, and restores them below a folder. It is told in the
//! words of its command line, in which these are replaced, and by variables, for a line of the
//! shell:
//!
//! | in a word | variable | what it is |
//! |---|---|---|
//! | `{folder}` | `BKVERIFY_FOLDER` | the folder to restore to, in which the command runs |
//! | `{list}` | `BKVERIFY_LIST` | a file with the wanted paths, one in each line |
//! | `{list0}` | `BKVERIFY_LIST0` | a file with the wanted paths, each with a NUL byte behind it |
//! | `{paths}` | | the wanted paths, each as a word of its own |
//! | `{path}` | `BKVERIFY_PATH` | a single path |
//! | `{target}` | `BKVERIFY_TARGET` | the file to restore that path to |

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::{ByCommand, LastWords, NEVER_VAIN};
use crate::backup::delivery::{Delivery, EarlyEnd};
use crate::backup::{Entry, EntryBatch, RestoreError, Restored, Workspace};
use crate::platform;
use crate::program::{Call, CommandLine, Line, ProgramError};

const FOLDER: &str = "{folder}";
const LIST: &str = "{list}";
const LIST0: &str = "{list0}";
const PATHS: &str = "{paths}";
const PATH: &str = "{path}";
const TARGET: &str = "{target}";

/// What is in a workspace: the folder to restore to, the two lists, and the file of a single
/// target.
const FILES_FOLDER: &str = "files";
const LIST_FILE: &str = "list";
const LIST0_FILE: &str = "list0";
const TARGET_FILE: &str = "target";

/// The most bytes of paths that one call is given as words.
const COMMAND_LINE: usize = 1 << 20;

/// Whether a text occurs in a command.
fn names(command: &CommandLine, placeholder: &str, variable: &str) -> bool {
    match command {
        CommandLine::Program(words) => words.iter().any(|word| word.to_string_lossy().contains(placeholder)),
        CommandLine::Shell(line) => line.contains(variable),
    }
}

/// Whether each call restores one file.
pub(super) fn takes_one_file(command: &CommandLine) -> bool {
    names(command, PATH, "BKVERIFY_PATH") || names(command, TARGET, "BKVERIFY_TARGET")
}

/// Restores these files in as few calls as the command allows.
pub(super) fn restore(
    backup: &ByCommand,
    picks: &EntryBatch,
    delivery: &mut Delivery<'_>,
) -> Result<(), EarlyEnd> {
    let command = &backup.commands.restore;
    let most = if takes_one_file(command) { 1 } else { backup.commands.batch };
    let takes_lines = !takes_one_file(command)
        && !names(command, LIST0, "BKVERIFY_LIST0")
        && !names(command, PATHS, "BKVERIFY_LIST0");
    let mut left = VecDeque::new();
    for (index, entry) in picks.iter().enumerate() {
        let problem = match entry.problem {
            Some(problem) => Some(RestoreError::Name(problem)),
            None if takes_lines && entry.path.contains(&b'\n') => Some(RestoreError::Unsupported(
                "its name has a line break, and the command restore takes a list of lines: use {list0}"
                    .to_owned(),
            )),
            None => None,
        };
        match problem {
            Some(problem) => delivery.deliver(entry, Err(problem))?,
            None => left.push_back(index),
        }
    }
    while !left.is_empty() {
        let mut round = Vec::new();
        let mut bytes = 0;
        while let Some(&index) = left.front().filter(|_| round.len() < most) {
            bytes += picks.get(index).path.len() + 16;
            if bytes > COMMAND_LINE && !round.is_empty() {
                break;
            }
            round.push(index);
            left.pop_front();
        }
        for index in call(backup, picks, &round, delivery)? {
            call(backup, picks, &[index], delivery)?;
        }
    }
    Ok(())
}

/// Restores these files in one call, and delivers them. Returns those that another call by
/// themselves may restore: a program that links two names of a file to each other has to restore
/// one of them at a time.
fn call(
    backup: &ByCommand,
    picks: &EntryBatch,
    round: &[usize],
    delivery: &mut Delivery<'_>,
) -> Result<Vec<usize>, EarlyEnd> {
    let size = round.iter().filter_map(|&index| picks.get(index).size).fold(0, u64::saturating_add);
    let mut workspace = match delivery.scratch.workspace(size) {
        Ok(workspace) => workspace,
        // Fewer files at once may fit.
        Err(RestoreError::NoSpace { .. }) if round.len() > 1 => {
            let (first, second) = round.split_at(round.len() / 2);
            let mut again = call(backup, picks, first, delivery)?;
            again.extend(call(backup, picks, second, delivery)?);
            return Ok(again);
        }
        Err(error) => {
            let (first, rest) = round.split_first().unwrap_or((&0, &[]));
            delivery.deliver(picks.get(*first), Err(error))?;
            return Ok(rest.to_vec());
        }
    };
    let batch: EntryBatch = round.iter().map(|&index| picks.get(index)).collect();
    let (code, last_words) = run(backup, &batch, &workspace, delivery)?;
    let said = last_words.told(code);
    let mut found: Vec<_> =
        batch.iter().map(|entry| Some(adopt(backup, &entry, &mut workspace, &said))).collect();
    let is_restored = |outcome: &Option<Result<Restored, RestoreError>>| matches!(outcome, Some(Ok(_)));
    let restored = found.iter().filter(|outcome| is_restored(outcome)).count();
    if restored > 0 {
        backup.vain_calls.store(NEVER_VAIN, Ordering::Relaxed);
    } else if code != Some(0) && (round.len() > 1 || backup.is_all_in_vain()) {
        return Err(EarlyEnd::Failed(backup.failed(format!("the command restore restored nothing: {said}"))));
    }
    let mut again = Vec::new();
    for (place, entry) in batch.iter().enumerate() {
        let Some(outcome) = found[place].take() else { continue };
        let is_damaged = matches!(outcome, Err(RestoreError::Damaged(_)));
        // However many there are: a file may be called bad only after a call of its own.
        if is_damaged && round.len() > 1 {
            again.push(round[place]);
        } else {
            delivery.deliver(entry, outcome)?;
        }
    }
    Ok(again)
}

/// Runs the command. Returns how it ended, and what it said.
fn run(
    backup: &ByCommand,
    batch: &EntryBatch,
    workspace: &Workspace<'_>,
    delivery: &Delivery<'_>,
) -> Result<(Option<i32>, LastWords), EarlyEnd> {
    let call = prepare(&backup.commands.restore, batch, workspace.path()).map_err(|source| {
        let path = workspace.path().to_owned();
        EarlyEnd::Failed(crate::backup::Error::Scratch { path, source })
    })?;
    let failed = |error: &ProgramError| EarlyEnd::Failed(backup.cannot_run("restore", error));
    let deadline = Instant::now().checked_add(backup.commands.time_limit);
    let mut running = call.start(None, deadline, &delivery.context.cancel).map_err(|error| failed(&error))?;
    let mut last_words = LastWords::default();
    loop {
        match running.next_line() {
            Ok(None) => return Ok((running.code(), last_words)),
            Ok(Some(Line::Complaint(line))) => last_words.hear(&line),
            Ok(Some(Line::Output(_))) => {}
            Err(ProgramError::Cancelled(_)) => return Err(EarlyEnd::Enough),
            Err(error) => return Err(failed(&error)),
        }
    }
}

/// Writes the lists, and fills in the command.
fn prepare(command: &CommandLine, batch: &EntryBatch, workspace: &Path) -> std::io::Result<Call> {
    let at = |name: &str| workspace.join(name);
    fs::create_dir(at(FILES_FOLDER))?;
    let list = |end: u8| {
        let paths = batch.iter().flat_map(|entry| [entry.path, &[end]].concat());
        paths.collect::<Vec<u8>>()
    };
    fs::write(at(LIST_FILE), list(b'\n'))?;
    fs::write(at(LIST0_FILE), list(0))?;
    let own = |path: &[u8]| platform::path_from_bytes(path).into_owned().into_os_string();
    let first = batch.iter().next().map(|entry| own(entry.path)).unwrap_or_default();
    let target = at(TARGET_FILE).into_os_string();
    let mut call = command.call();
    call.folder = Some(at(FILES_FOLDER));
    call.environment = vec![
        ("BKVERIFY_FOLDER", at(FILES_FOLDER).into()),
        ("BKVERIFY_LIST", at(LIST_FILE).into()),
        ("BKVERIFY_LIST0", at(LIST0_FILE).into()),
        ("BKVERIFY_PATH", first.clone()),
        ("BKVERIFY_TARGET", target.clone()),
    ];
    let values = [
        (FOLDER, at(FILES_FOLDER).into_os_string()),
        (LIST, at(LIST_FILE).into()),
        (LIST0, at(LIST0_FILE).into()),
        (PATH, first),
        (TARGET, target),
    ];
    let words = std::mem::take(&mut call.command);
    for word in words {
        if word == PATHS {
            call.command.extend(batch.iter().map(|entry| own(entry.path)));
        } else {
            call.command.push(fill_in(&word, &values));
        }
    }
    Ok(call)
}

/// Replaces the placeholders in a word.
fn fill_in(word: &OsStr, values: &[(&str, OsString)]) -> OsString {
    let Some(mut rest) = word.to_str() else { return word.to_owned() };
    let mut filled = OsString::new();
    while let Some(open) = rest.find('{') {
        filled.push(&rest[..open]);
        rest = &rest[open..];
        match values.iter().find_map(|(name, value)| Some((value, rest.strip_prefix(name)?))) {
            Some((value, after)) => {
                filled.push(value);
                rest = after;
            }
            None => {
                filled.push("{");
                rest = &rest[1..];
            }
        }
    }
    filled.push(rest);
    filled
}

/// Takes a restored file from the workspace.
fn adopt(
    backup: &ByCommand,
    entry: &Entry<'_>,
    workspace: &mut Workspace<'_>,
    said: &str,
) -> Result<Restored, RestoreError> {
    let commands = &backup.commands;
    let target = names(&commands.restore, TARGET, "BKVERIFY_TARGET");
    let place = match commands.below.trim_matches('/') {
        _ if target => TARGET_FILE.as_bytes().to_vec(),
        "" => [FILES_FOLDER.as_bytes(), b"/", entry.path].concat(),
        below => [FILES_FOLDER.as_bytes(), b"/", below.as_bytes(), b"/", entry.path].concat(),
    };
    let restored = workspace.adopt(&place).map_err(|error| match error {
        RestoreError::Damaged(problem) => RestoreError::Damaged(format!("{problem}; {said}")),
        error => error,
    })?;
    match entry.size.filter(|&size| size != restored.size()) {
        Some(size) => {
            let found = restored.size();
            Err(RestoreError::Damaged(format!("restored with {found} bytes, but listed with {size}; {said}")))
        }
        None => Ok(restored),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_replaced_once_and_other_braces_stay() {
        let values = [(PATH, OsString::from("a{list}b")), (LIST, OsString::from("/l"))];
        let filled = |word: &str| fill_in(OsStr::new(word), &values);
        assert_eq!(filled("--from={list}"), "--from=/l");
        assert_eq!(filled("x{path}y{path}"), "xa{list}bya{list}b");
        assert_eq!(filled("{other} {"), "{other} {");
    }

    #[test]
    fn a_command_with_a_single_path_gets_one_file_at_a_time() {
        let program = |word: &str| CommandLine::Program(vec!["p".into(), word.into()]);
        assert!(takes_one_file(&program("repo/{path}")) && takes_one_file(&program("{target}")));
        assert!(!takes_one_file(&program("{paths}")) && !takes_one_file(&program("{list}")));
        assert!(takes_one_file(&CommandLine::Shell("cp \"$BKVERIFY_PATH\" .".to_owned())));
    }
}
