//! Reads one table of the configuration key by key. A key that nobody asks for is an error.

use std::ffi::OsString;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::error::Error;
use super::paths::Base;
use super::source::Source;
use super::written;
use crate::program::CommandLine;
use crate::secret::Secret;

/// How to write a secret, for the hint of an error.
const SECRETS: &str = "write { file = \"PATH\" }, { env = \"NAME\" } or { command = [\"PROGRAM\", \"ARGUMENT\"] }; \
                       bkverify help notify has examples";

/// A table that is being read.
pub struct Fields<'s, 'a> {
    source: &'s Source<'a>,
    base: Base<'s>,
    span: Range<usize>,
    left: Vec<(Spanned<DeString<'a>>, Spanned<DeValue<'a>>)>,
}

impl<'s, 'a> Fields<'s, 'a> {
    /// The fields of a table that has only these keys.
    pub fn new(
        source: &'s Source<'a>,
        base: Base<'s>,
        value: Spanned<DeValue<'a>>,
        keys: &[&str],
        hint: &str,
    ) -> Result<Self, Error> {
        let span = value.span();
        let table: DeTable<'a> = source.table(value, hint)?;
        if let Some((key, _)) = table.iter().find(|(key, _)| !keys.contains(&key.get_ref().as_ref())) {
            let all = format!("its keys are {}", keys.join(", "));
            return Err(source.unknown_key(key, keys.iter().copied(), &all));
        }
        Ok(Self { source, base, span, left: table.into_iter().collect() })
    }

    /// The value of a key, if it is there.
    pub fn take(&mut self, key: &str) -> Option<Spanned<DeValue<'a>>> {
        let at = self.left.iter().position(|(name, _)| name.get_ref() == key)?;
        Some(self.left.swap_remove(at).1)
    }

    /// The value of a key as its type reads it.
    pub fn get<T: Deserialize<'a>>(&mut self, key: &str) -> Result<Option<T>, Error> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let span = value.span();
        T::deserialize(value.into_deserializer())
            .map(Some)
            .map_err(|error| self.source.wrong_at(&span, &error))
    }

    /// The value of a key by the parser of its flag.
    pub fn parsed<T: FromStr<Err = String>>(&mut self, key: &str) -> Result<Option<T>, Error> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let span = value.span();
        written::parsed(value.into_deserializer()).map_err(|error| self.source.wrong_at(&span, &error))
    }

    /// One of several words.
    pub fn choice<T: Copy>(
        &mut self,
        key: &str,
        all: &[T],
        name: fn(T) -> &'static str,
    ) -> Result<Option<T>, Error> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let word = self.source.text_of(&value)?;
        let found = all.iter().copied().find(|&choice| name(choice) == word);
        found.map(Some).ok_or_else(|| {
            let names: Vec<_> = all.iter().map(|&choice| name(choice)).collect();
            let message = format!("invalid value '{word}': expected one of {}", names.join(", "));
            self.source.at(&value.span(), &message)
        })
    }

    /// A text that is not empty.
    pub fn text(&mut self, key: &str) -> Result<Option<String>, Error> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let text = self.source.text_of(&value)?;
        if text.trim().is_empty() {
            return Err(self.source.at(&value.span(), &format!("{key} is empty")));
        }
        Ok(Some(text))
    }

    /// A list of texts, or one text.
    pub fn texts(&mut self, key: &str) -> Result<Vec<String>, Error> {
        let Some(value) = self.take(key) else { return Ok(Vec::new()) };
        let span = value.span();
        written::texts(value.into_deserializer()).map_err(|error| self.source.wrong_at(&span, &error))
    }

    /// A path, which is made absolute.
    pub fn path(&mut self, key: &str) -> Result<Option<PathBuf>, Error> {
        Ok(self.text(key)?.map(|path| self.base.absolute(Path::new(&path))))
    }

    /// A program and its arguments.
    pub fn command(&mut self, key: &str) -> Result<Option<Vec<OsString>>, Error> {
        self.take(key).map(|value| command(self.source, value, self.base)).transpose()
    }

    /// A program and its arguments, or a line for the shell.
    pub fn command_line(&mut self, key: &str) -> Result<Option<CommandLine>, Error> {
        self.take(key).map(|value| command_line(self.source, value, self.base)).transpose()
    }

    /// A secret that is not written in the configuration itself.
    pub fn secret(&mut self, key: &str) -> Result<Secret, Error> {
        self.take(key).map_or(Ok(Secret::None), |value| secret(self.source, value, self.base, key))
    }

    /// A value that must be there.
    pub fn required<T>(&self, key: &str, value: Option<T>) -> Result<T, Error> {
        value.ok_or_else(|| self.wrong(&format!("{key} is missing here")))
    }

    /// An error about the whole table.
    pub fn wrong(&self, message: &str) -> Error {
        self.source.at(&self.span, message)
    }
}

/// A list is a program with its arguments; a text is a line for the shell.
pub fn command_line<'a>(
    source: &Source<'a>,
    value: Spanned<DeValue<'a>>,
    base: Base<'_>,
) -> Result<CommandLine, Error> {
    match value.get_ref().as_str() {
        Some(line) if line.trim().is_empty() => Err(source.at(&value.span(), "there is no program to run")),
        Some(line) => Ok(CommandLine::Shell(line.to_owned())),
        None => command(source, value, base).map(CommandLine::Program),
    }
}

/// A program and its arguments: a list of texts. A path to the program is made absolute; a plain
/// name is looked for where the system looks for programs.
pub fn command<'a>(
    source: &Source<'a>,
    value: Spanned<DeValue<'a>>,
    base: Base<'_>,
) -> Result<Vec<OsString>, Error> {
    let span = value.span();
    let wrong = |message: &str| {
        source.at(&span, message).hint("write a list: [\"PROGRAM\", \"ARGUMENT\", \"ARGUMENT\"]")
    };
    let DeValue::Array(_) = value.get_ref() else {
        return Err(wrong("expected a program and its arguments"));
    };
    let words = Vec::<String>::deserialize(value.into_deserializer());
    // The parser's own words would repeat the value, which may be a secret.
    let words = words.map_err(|_| wrong("a program and its arguments are texts in quotes"))?;
    let mut command: Vec<OsString> = words.into_iter().map(OsString::from).collect();
    let Some(program) = command.first_mut().filter(|program| !program.is_empty()) else {
        return Err(wrong("there is no program to run"));
    };
    let path = Path::new(&*program);
    if path.components().count() > 1 {
        *program = base.absolute(path).into_os_string();
    }
    Ok(command)
}

/// Where a secret is. What is written in its place is never repeated: it may be the secret.
pub fn secret<'a>(
    source: &Source<'a>,
    value: Spanned<DeValue<'a>>,
    base: Base<'_>,
    key: &str,
) -> Result<Secret, Error> {
    let span = value.span();
    let wrong = |message: String| source.at(&span, &message).hint(SECRETS);
    let DeValue::Table(table) = value.into_inner() else {
        return Err(wrong(format!("{key} may not be written here itself, but only where it is")));
    };
    let mut entries = table.into_iter();
    let (Some((kind, value)), None) = (entries.next(), entries.next()) else {
        return Err(wrong(format!("{key} must come from exactly one place")));
    };
    let text = |value: &Spanned<DeValue<'a>>| match value.get_ref().as_str() {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(wrong(format!("expected text in quotes for {}", kind.get_ref()))),
    };
    match kind.get_ref().as_ref() {
        "file" => Ok(Secret::File(base.absolute(Path::new(&text(&value)?)))),
        "env" => text(&value).map(Secret::Env),
        "command" => command(source, value, base).map(Secret::Command),
        _ => Err(source.unknown_key(&kind, ["file", "env", "command"], SECRETS)),
    }
}
