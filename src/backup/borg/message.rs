//! What borg says on standard error with `--log-json`: one JSON object in each line. Lines that are
//! none (of `ssh`, of Python) are messages, too.

use std::borrow::Cow;

use serde::Deserialize;

use crate::words;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    /// `--list`: the path of the file that is restored next. Bytes that are not UTF-8 are replaced
    /// by question marks.
    Next(String),
    /// A warning or an error, with the name of the error if borg gives it one.
    Problem { text: String, id: String },
    /// Everything else.
    Other,
}

/// How an object begins.
const BEGIN: &[u8] = b"{\"type\": ";

#[derive(Deserialize)]
struct Logged<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    message: Cow<'a, str>,
    #[serde(borrow, default)]
    levelname: Cow<'a, str>,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    msgid: Cow<'a, str>,
}

impl Message {
    /// Reads a line.
    pub(super) fn parse(line: &[u8]) -> Self {
        // A question that borg asks has no end of line.
        let start = line.windows(BEGIN.len()).position(|bytes| bytes == BEGIN).unwrap_or(0);
        let Ok(logged) = serde_json::from_slice::<Logged<'_>>(&line[start..]) else {
            let text = String::from_utf8_lossy(line).trim().to_owned();
            let is_empty = text.is_empty();
            return if is_empty { Self::Other } else { Self::Problem { text, id: String::new() } };
        };
        if logged.kind == "log_message" && logged.name == "borg.output.list" {
            return Self::Next(logged.message.into_owned());
        }
        let is_problem = ["WARNING", "ERROR", "CRITICAL"].contains(&&*logged.levelname)
            || logged.kind == "question_prompt";
        if !is_problem {
            return Self::Other;
        }
        Self::Problem { text: logged.message.into_owned(), id: logged.msgid.into_owned() }
    }
}

/// The problems of one call, for an error.
#[derive(Debug, Default)]
pub(super) struct Problems {
    /// The names of errors.
    ids: Vec<String>,
    /// The last message with a name, or else the last of all.
    text: String,
    is_named: bool,
    /// The first message without a name.
    aside: String,
}

/// The most names of errors that are kept.
const IDS: usize = 50;

impl Problems {
    /// Takes a problem.
    pub(super) fn note(&mut self, text: &str, id: &str) {
        // Of an error that borg did not expect, only the traceback behind it says what it is.
        if self.has(UNEXPECTED)
            && let Some(cause) = cause_of(text)
        {
            cause.clone_into(&mut self.text);
            return;
        }
        if id.is_empty() && self.aside.is_empty() {
            text.trim().clone_into(&mut self.aside);
        }
        if !id.is_empty() && self.ids.len() < IDS {
            self.ids.push(id.to_owned());
        }
        if (!id.is_empty() || !self.is_named) && !text.trim().is_empty() {
            text.clone_into(&mut self.text);
            self.is_named |= !id.is_empty();
        }
    }

    /// Whether borg reported the error of this name.
    pub(super) fn has(&self, id: &str) -> bool {
        self.ids.iter().any(|known| known == id)
    }

    /// Whether borg failed in a way that it does not expect.
    pub(super) fn is_unexpected(&self) -> bool {
        self.has(UNEXPECTED)
    }

    /// The first line of the message that says most.
    pub(super) fn text(&self) -> String {
        let line = self.text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no message");
        // What ssh says about a connection that fails has no name.
        match self.has("ConnectionClosedWithHint").then(|| self.aside.lines().next()).flatten() {
            Some(aside) => words::printable(&format!("{line} ({aside})")).into_owned(),
            None => words::printable(line).into_owned(),
        }
    }

    /// What a person should know and do next, if borg's error is one of those that have a remedy.
    pub(super) fn remedy(&self) -> Option<&'static str> {
        REMEDIES.iter().find(|(id, _)| self.has(id)).map(|(_, remedy)| *remedy)
    }
}

/// The name of all errors that borg did not expect.
const UNEXPECTED: &str = "Exception";

/// The error at the end of a traceback, before borg describes the machine.
fn cause_of(text: &str) -> Option<&str> {
    let (traceback, _) = text.strip_prefix("Traceback")?.split_once("\n\nPlatform:")?;
    traceback.lines().last()
}

/// The names of borg's errors, and what a person can do.
const REMEDIES: [(&str, &str); 18] = [
    (
        "NoPassphraseFailure",
        "the repository is encrypted: say where its passphrase is with --password file:PATH, or set BORG_PASSCOMMAND",
    ),
    (
        "PassphraseWrong",
        "the passphrase is not the one of this repository: see --password, or BORG_PASSPHRASE",
    ),
    ("PasscommandFailure", "the program in BORG_PASSCOMMAND failed: run it by hand"),
    (
        "KeyfileNotFoundError",
        "the key file of the repository is missing: copy it from the machine that makes the backups (borg key export)",
    ),
    ("KeyfileMismatchError", "the key file belongs to another repository: see BORG_KEY_FILE"),
    ("KeyfileInvalidError", "the key file is damaged: restore it with borg key import"),
    ("RepoKeyNotFoundError", "the repository has lost its key: restore it with borg key import"),
    ("Repository.DoesNotExist", "there is no borg repository at this place"),
    ("Repository.InvalidRepository", "there is no borg repository at this place"),
    ("Repository.AtticRepository", "it is a repository of attic: convert it with borg upgrade"),
    ("Repository.CheckNeeded", "the repository is damaged: run borg check on it"),
    ("IntegrityError", "data in the repository is damaged: run borg check on it"),
    (
        "LockFailed",
        "borg could not write its lock to the repository: if this account may only read there, mount the repository and name its path (bkverify help borg)",
    ),
    ("LockTimeout", "another borg holds the lock of the repository: try again when it has ended"),
    (
        "Cache.RepositoryAccessAborted",
        "borg knows the repository at another place: if you have moved it, run borg info on it once and answer yes",
    ),
    (
        "ConnectionClosedWithHint",
        "the connection failed: see BORG_RSH and BORG_REMOTE_PATH, and try borg info by hand",
    ),
    ("ConnectionClosed", "the connection was lost: try borg info by hand"),
    ("MandatoryFeatureUnsupported", "the repository was made by a newer borg: install that version here"),
];
