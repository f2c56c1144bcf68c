//! Calls of borg: what they are given, and what their errors mean.
//!
//! borg never asks a person: it has no terminal and no input. It finds its key files where the user
//! has them, but everything that it would remember about repositories goes to a private folder,
//! which is removed afterwards. So borg cannot tell that a repository has moved or was replaced by
//! an older one. What the user's own borg remembers is compared here instead ([`memory`]).

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::cancel::CancelToken;
use crate::program::{Call, Line, ProgramError, ProgramOutput, Running};
use crate::secret::SecretText;
use crate::words;

use super::NAME;
use super::memory;
use super::message::{Message, Problems};
use super::shadow::Shadow;
use crate::backup::repository::Repository;
use crate::backup::{Context, Damage, Error, Location, Scratch};

/// How long a call may take whose answer is short. A server may have to read a large index first.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// The variable for the folder in which borg remembers repositories.
const SECURITY: &str = "BORG_SECURITY_DIR";

/// What to do if borg is missing or too old.
const INSTALL: &str = "install borg 1.2 or newer (Debian: apt install borgbackup)";

/// borg, and the repository that it is called for.
#[derive(Debug)]
pub(super) struct Borg {
    location: Location,
    /// What borg is given as the repository, with `{` and `}` as the user wrote them.
    repository: OsString,
    secret: Option<Hidden>,
    /// For what borg remembers about repositories.
    base: PathBuf,
    shadow: Option<Shadow>,
    /// When the repository was first read.
    began: SystemTime,
    /// Declared last, because what is in it is used until then.
    _folder: Scratch,
}

/// A secret that does not print.
struct Hidden(SecretText);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Borg {
    /// Prepares calls for the repository at `place`, which is a path or an address of borg's own.
    pub(super) fn new(location: &Location, place: OsString, context: &Context) -> Result<Self, Error> {
        let secret = location.secret().read().map_err(|error| Error::program(location, error.to_string()))?;
        let folder = context.private_folder()?;
        let cannot_write = |source| Error::Scratch { path: folder.path().to_owned(), source };
        let base = folder.program_folder().map_err(cannot_write)?;
        let began = SystemTime::now();
        let mut shadow = None;
        let mut repository = place;
        if let Some(local) = location.place() {
            look(local).map_err(|source| Error::Open { location: location.clone(), source })?;
            if Repository::at(local) != Some(Repository::Borg) {
                return Err(Error::program(location, "there is no borg repository at this place".to_owned()));
            }
            let stand_in = folder.program_folder().map_err(cannot_write)?;
            let made = Shadow::make(local, &stand_in);
            shadow = Some(made.map_err(|source| Error::Open { location: location.clone(), source })?);
            repository = as_argument(stand_in).map_err(|problem| Error::program(location, problem))?;
        }
        let secret = secret.map(Hidden);
        Ok(Self { location: location.clone(), repository, secret, base, shadow, began, _folder: folder })
    }

    /// The location that the user named.
    pub(super) fn location(&self) -> &Location {
        &self.location
    }

    /// The stand-in of a repository on this machine.
    pub(super) fn shadow(&self) -> Option<&Shadow> {
        self.shadow.as_ref()
    }

    /// The repository, or an archive in it, as an argument.
    pub(super) fn target(&self, archive: Option<&str>) -> OsString {
        let mut target = self.repository.clone();
        if let Some(archive) = archive {
            target.push("::");
            // borg would replace what is in braces.
            target.push(archive.replace('{', "{{").replace('}', "}}"));
        }
        target
    }

    /// A call of a command that reads the repository, which may be ended early. In a stand-in it
    /// takes no lock, because the next call would then wait for it. On a server it does: without
    /// one, borg would rebuild an index beside a backup that writes. The server removes the lock
    /// when the connection ends.
    pub(super) fn call(&self, command: &str, arguments: impl IntoIterator<Item = OsString>) -> Call {
        let without_lock = self.shadow.as_ref().map(|_| OsString::from("--bypass-lock"));
        self.call_with_lock(command, without_lock.into_iter().chain(arguments))
    }

    /// A call of a command that takes a lock, in the stand-in or on the server. In a stand-in it
    /// must not be ended early.
    pub(super) fn call_with_lock(
        &self,
        command: &str,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Call {
        let mut words = vec![OsString::from(NAME)];
        words.extend(command.split(' ').map(OsString::from));
        words.push("--log-json".into());
        words.extend(arguments);
        let mut environment = self.location.variables().to_vec();
        // These win: borg must not write where the user's borg remembers things.
        environment.extend::<Vec<(&'static str, OsString)>>(vec![
            ("BORG_BASE_DIR", self.base.clone().into()),
            ("BORG_CACHE_DIR", self.base.join("cache").into()),
            ("BORG_CONFIG_DIR", self.base.join("config").into()),
            (SECURITY, self.base.join("security").into()),
            ("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes".into()),
            ("BORG_EXIT_CODES", "legacy".into()),
            // Times are printed without a zone, and names as UTF-8.
            ("TZ", "UTC".into()),
            ("LC_ALL", "C.UTF-8".into()),
        ]);
        if let Some(Hidden(secret)) = &self.secret {
            environment.push(("BORG_PASSPHRASE", secret.reveal().into()));
        }
        Call { environment, ..Call::of(words) }
    }

    /// Whether the user's borg remembers a newer state of the repository with this id. borg must
    /// have been called before.
    pub(super) fn older_than_remembered(&self, id: &str) -> Option<memory::Older> {
        let mut variables = self.location.variables().iter();
        let (_, folder) = variables.find(|(name, _)| *name == SECURITY)?;
        if id.is_empty() || !id.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let found = self.base.join("security").join(id);
        memory::compare(&PathBuf::from(folder).join(id), &found, self.location.place(), self.began)
    }

    /// Calls borg for a short answer on standard output, or tells what is damaged, so that it has no
    /// answer. It takes a lock, because borg rebuilds a damaged index only with one.
    pub(super) fn ask(
        &self,
        command: &str,
        arguments: impl IntoIterator<Item = OsString>,
        context: &Context,
    ) -> Result<Result<String, Damage>, Error> {
        let arguments: Vec<_> = arguments.into_iter().collect();
        let run = || {
            let call = self.call_with_lock(command, arguments.iter().cloned());
            let output = call.run(Instant::now() + PATIENCE, &context.cancel);
            output.map_err(|error| self.cannot_run(&error))
        };
        // What is missing from the answer is what counts, and not the exit code: borg ends with 1
        // for any warning.
        let has_failed = |output: &ProgramOutput| {
            output.stdout.trim().is_empty() || output.code.is_none_or(|code| code > 1)
        };
        let mut output = run()?;
        // borg removes a damaged index and fails, and makes a new one at the next call.
        if has_failed(&output) && self.shadow.is_some() && problems_of(&output).is_unexpected() {
            output = run()?;
        }
        if has_failed(&output) {
            check_version(&self.location, context)?;
            let problems = problems_of(&output);
            return match problems.is_unexpected() {
                _ if self.is_damage(&problems) => Ok(Err(Damage::from(self.explain(&problems)))),
                true => Err(Error::program(&self.location, format!("{TOP} ({})", self.explain(&problems)))),
                false => Err(self.failed(&problems)),
            };
        }
        Ok(Ok(output.stdout))
    }

    /// Starts a call whose answer is long.
    pub(super) fn start(&self, call: Call, cancel: &CancelToken) -> Result<Running, Error> {
        call.start(Some(b'\n'), None, cancel).map_err(|error| self.cannot_run(&error))
    }

    /// The error if borg could not be run.
    pub(super) fn cannot_run(&self, error: &ProgramError) -> Error {
        cannot_run(&self.location, error)
    }

    /// The error if borg has failed with these problems.
    pub(super) fn failed(&self, problems: &Problems) -> Error {
        Error::program(&self.location, self.explain(problems))
    }

    /// What borg's problems mean for this repository.
    pub(super) fn explain(&self, problems: &Problems) -> String {
        let said = problems.text();
        // borg names the stand-in.
        let (stand_in, named) = (self.repository.to_string_lossy(), self.location.text());
        let said = said.replace(&*stand_in, named.strip_prefix("borg:").unwrap_or(&named));
        match problems.remedy() {
            _ if self.was_compacted(&said) => format!("{COMPACTED} (borg says: {said})"),
            Some(remedy) => format!("{remedy} (borg says: {said})"),
            None => format!("borg says: {said}"),
        }
    }

    /// Whether a compact has caused what borg says. It removes whole segments, and so something is
    /// not found. Whatever is found and damaged was damaged before.
    pub(super) fn was_compacted(&self, said: &str) -> bool {
        // The last is borg 1.4's, if the last segment is gone.
        let is_missing = ["not found in repository", "No such file or directory", "Inconsistency detected"];
        is_missing.iter().any(|words| said.contains(words))
            && self.shadow.as_ref().is_some_and(Shadow::has_lost_segments)
    }

    /// Whether borg has failed because data of the repository is wrong or lost. On a server a
    /// compact may have removed what is missing.
    pub(super) fn is_damage(&self, problems: &Problems) -> bool {
        let is_missing = problems.has("Repository.ObjectNotFound")
            && self.shadow.is_some()
            && !self.was_compacted(&problems.text());
        problems.has("IntegrityError") || is_missing
    }

    /// Makes sure that a repository on this machine can still be reached.
    pub(super) fn check(&self) -> Result<(), Error> {
        let reached = self.shadow.as_ref().map_or(Ok(()), Shadow::check);
        reached.map_err(|source| Error::Open { location: self.location.clone(), source })
    }
}

/// What is said if borg fails in a way that it does not expect before it has read any archive.
const TOP: &str = "a file at the top of the repository (config, or integrity with a number) may be damaged: compare it with another copy";

/// Makes sure that a repository may be read.
fn look(repository: &Path) -> std::io::Result<()> {
    std::fs::read_dir(repository)?;
    match std::fs::File::open(repository.join("config")) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Err(error),
        // What else is wrong is said for what it is.
        _ => Ok(()),
    }
}

/// The path of a stand-in, if borg can take it: it replaces what is in braces, more than once.
fn as_argument(stand_in: PathBuf) -> Result<OsString, String> {
    let path = stand_in.to_string_lossy();
    if ["::", "{", "}"].iter().any(|special| path.contains(special)) {
        let path = words::printable(&path);
        return Err(format!(
            "borg cannot work in {path}, because of `::` or braces in the path: restore to another folder"
        ));
    }
    Ok(stand_in.into_os_string())
}

/// What is said if a compact has removed segments during the run.
pub(super) const COMPACTED: &str =
    "borg compact removed data of the repository while it was read: verify again when it has ended";

fn check_version(location: &Location, context: &Context) -> Result<(), Error> {
    let call = Call::of(vec![NAME.into(), "--version".into()]);
    let output = call.run(Instant::now() + PATIENCE, &context.cancel);
    let output = output.map_err(|error| cannot_run(location, &error))?;
    match parse_version(&output.stdout) {
        Some((1, minor)) if minor >= 2 => Ok(()),
        Some((major, minor)) => Err(Error::program(
            location,
            format!("the borg on this machine is version {major}.{minor}: {INSTALL}"),
        )),
        None => Err(Error::program(
            location,
            format!("borg --version says nothing that is understood: {}", output.complaint()),
        )),
    }
}

/// The first two numbers of `borg 1.2.4`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split_whitespace().nth(1)?.split('.');
    let mut next = || {
        let digits = numbers.next()?;
        digits.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
    };
    Some((next()?, next()?))
}

fn cannot_run(location: &Location, error: &ProgramError) -> Error {
    let advice = if error.is_missing() { format!(": {INSTALL}") } else { String::new() };
    Error::program(location, format!("{error}{advice}"))
}

/// The problems in the output of a call that has ended.
fn problems_of(output: &ProgramOutput) -> Problems {
    let mut problems = Problems::default();
    for line in output.stderr.lines() {
        if let Message::Problem { text, id } = Message::parse(line.as_bytes()) {
            problems.note(&text, &id);
        }
    }
    problems
}

/// The lines of standard output as a stream of bytes. Problems are noted on the way.
pub(super) struct Output<'a> {
    pub(super) running: &'a mut Running,
    pub(super) problems: &'a mut Problems,
    line: Vec<u8>,
    taken: usize,
}

impl<'a> Output<'a> {
    pub(super) fn new(running: &'a mut Running, problems: &'a mut Problems) -> Self {
        Self { running, problems, line: Vec::new(), taken: 0 }
    }
}

impl std::io::Read for Output<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.taken == self.line.len() {
            match self.running.next_line().map_err(std::io::Error::other)? {
                None => return Ok(0),
                Some(Line::Output(mut line)) => {
                    line.push(b'\n');
                    (self.line, self.taken) = (line, 0);
                }
                Some(Line::Complaint(line)) => {
                    if let Message::Problem { text, id } = Message::parse(&line) {
                        self.problems.note(&text, &id);
                    }
                }
            }
        }
        let got = buffer.len().min(self.line.len() - self.taken);
        buffer[..got].copy_from_slice(&self.line[self.taken..self.taken + got]);
        self.taken += got;
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        for (text, version) in [
            ("borg 1.2.4\n", Some((1, 2))),
            ("borg 1.4.0b2", Some((1, 4))),
            ("borg 2.0.0b14.dev1", Some((2, 0))),
            ("borg 1", None),
            ("", None),
            ("command not found", None),
        ] {
            assert_eq!(parse_version(text), version, "{text}");
        }
    }
}
