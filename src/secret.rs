//! Secrets: passwords and tokens that the user keeps in a file, in an environment variable, or
//! behind a program.
//!
//! In: where a secret is ([`Secret`]). Out: the secret ([`SecretText`]), read at the moment it is
//! needed. The secret itself is in no plan and in no configuration. It cannot be printed, and its
//! memory is overwritten when it is dropped. Error messages say where a secret was looked for, but
//! never what was found there.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::cancel::CancelToken;
use crate::platform;
use crate::program::{Call, ProgramError};

/// The longest secret in bytes. What is longer is a wrong file.
const LONGEST: usize = 16 << 10;

/// How long a program may take to print a secret. It may have to ask a server.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a secret comes from. The secret itself is never stored.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Secret {
    /// No secret is needed.
    #[default]
    None,
    /// The first line of this file.
    File(PathBuf),
    /// The value of this environment variable.
    Env(String),
    /// The first line that this program prints, which is started with these arguments.
    Command(Vec<OsString>),
}

/// A secret that was read. It has neither `Debug` nor `Display`, so that it cannot be printed by
/// mistake.
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// The secret, for the protocol that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the secret from {path}: {error}")]
    File {
        /// The file.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// Others can read the file.
    #[error("other users can read the secret in {0}: run chmod 600 {0}")]
    Open(String),
    /// The environment variable is not set.
    #[error("the environment variable {0}, which should hold a secret, is not set")]
    Unset(String),
    /// The program could not be run.
    #[error("the program that should print a secret failed: {0}")]
    Program(#[from] ProgramError),
    /// The program ended with an error. Its output is not repeated, because it may hold the secret.
    #[error("the program that should print a secret failed: `{0}` ended with {1}")]
    Exit(String, String),
    /// What was found cannot be a secret.
    #[error("{place} {problem}")]
    Unusable {
        /// Where it was found.
        place: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl Secret {
    /// Reads the secret; `None` if none is needed.
    ///
    /// # Errors
    /// If there is no secret at this place, or if other users can read the file.
    pub fn read(&self) -> Result<Option<SecretText>, Error> {
        let bytes = match self {
            Self::None => return Ok(None),
            Self::File(path) => read_file(path)?,
            Self::Env(name) => read_variable(name)?,
            Self::Command(command) => read_output(command)?,
        };
        first_line(&bytes)
            .map(|text| Some(SecretText(text)))
            .map_err(|problem| Error::Unusable { place: self.to_string(), problem })
    }
}

/// The file is examined by its handle: another one may come to have its name.
fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let name = || path.display().to_string();
    let failed = |error| Error::File { path: name(), error };
    let file = platform::open_to_read(path, false).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("it is not a regular file")));
    }
    if !platform::is_closed_to_others(&file).map_err(failed)? {
        return Err(Error::Open(name()));
    }
    // With room for all that is read, no copy is left behind by a buffer that grows.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 64));
    file.take(LONGEST as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

#[expect(clippy::disallowed_methods, reason = "a secret is read when it is needed, and not before")]
fn read_variable(name: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
    let value = std::env::var_os(name).ok_or_else(|| Error::Unset(name.to_owned()))?;
    // A value that is not Unicode is refused later.
    Ok(Zeroizing::new(value.into_encoded_bytes()))
}

fn read_output(command: &[OsString]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let name = command.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let call = Call::of(command.to_vec());
    let output = call.run(Instant::now() + PATIENCE, &CancelToken::new())?;
    let ending = output.ending();
    let succeeded = output.succeeded();
    let stdout = Zeroizing::new(output.stdout.into_bytes());
    if succeeded { Ok(stdout) } else { Err(Error::Exit(name, ending)) }
}

/// The first line, without its line end.
fn first_line(bytes: &[u8]) -> Result<Zeroizing<String>, &'static str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match std::str::from_utf8(line) {
        _ if line.len() > LONGEST => Err("is too long for a secret"),
        Ok("") => Err("is empty, but should hold a secret in its first line"),
        Ok(text) if text.contains(char::is_control) => Err("has control characters in its first line"),
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err("is not UTF-8 text"),
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Env(name) => write!(f, "the environment variable {name}"),
            // An argument may be the secret itself.
            Self::Command(command) => {
                let name = command.first().map_or("nothing".into(), |program| program.to_string_lossy());
                write!(f, "the output of {name}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(bytes: &[u8]) -> Result<String, &'static str> {
        first_line(bytes).map(|text| text.to_string())
    }

    #[test]
    fn the_first_line_is_the_secret_whatever_its_line_end() {
        for bytes in [&b"p a ss"[..], b"p a ss\n", b"p a ss\r\nmore", b"\xef\xbb\xbfp a ss\n"] {
            assert_eq!(line(bytes).as_deref(), Ok("p a ss"));
        }
        assert_eq!(line("pässwörd\n".as_bytes()).as_deref(), Ok("pässwörd"));
    }

    #[test]
    fn what_cannot_be_a_secret_is_refused() {
        assert!(line(b"").unwrap_err().contains("is empty"));
        assert!(line(b"\nsecond line").unwrap_err().contains("is empty"));
        assert!(line(b"a\0b").unwrap_err().contains("control"));
        assert!(line(b"a\xffb").unwrap_err().contains("UTF-8"));
        assert!(line(&[b'x'; LONGEST + 1]).unwrap_err().contains("too long"));
    }

    #[test]
    fn a_secret_says_where_it_comes_from_and_not_what_it_is() {
        let command = Secret::Command(vec!["get".into(), "hunter2".into()]);
        assert_eq!(format!("{command} {command:?}"), "the output of get the output of get");
        assert_eq!(Secret::Env("PW".to_owned()).to_string(), "the environment variable PW");
    }

    #[test]
    fn a_missing_secret_names_its_place() {
        let missing = |secret: Secret| secret.read().err().unwrap().to_string();
        let unset = missing(Secret::Env("BKVERIFY_TEST_NO_SUCH_VARIABLE".to_owned()));
        assert!(unset.contains("BKVERIFY_TEST_NO_SUCH_VARIABLE") && unset.contains("not set"), "{unset}");
        let file = missing(Secret::File("no/such/file".into()));
        assert!(file.starts_with("cannot read the secret from no"), "{file}");
        let program = missing(Secret::Command(vec!["bkverify-no-such-program".into()]));
        assert!(program.contains("`bkverify-no-such-program` is not installed"), "{program}");
    }
}
