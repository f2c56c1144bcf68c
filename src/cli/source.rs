//! The configuration file while it is being read: every error says where it is.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::error::{Error, nearest};

/// The file that is being read.
pub struct Source<'a> {
    /// Where it is.
    pub place: &'a Path,
    /// What is in it.
    pub text: &'a str,
}

impl<'a> Source<'a> {
    /// The table that is the value of a key; `hint` says how to write one.
    pub fn table(&self, value: Spanned<DeValue<'a>>, hint: &str) -> Result<DeTable<'a>, Error> {
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(table) => Ok(table),
            other => Err(self.at(&span, &format!("expected a table, found {}", other.type_str())).hint(hint)),
        }
    }

    /// The text that is the value of a key.
    pub fn text_of(&self, value: &Spanned<DeValue<'a>>) -> Result<String, Error> {
        let text = value.get_ref().as_str().map(ToOwned::to_owned);
        text.ok_or_else(|| self.at(&value.span(), "expected text in quotes"))
    }

    /// The error about a key that is none of the `known` ones. If none of these is like it, the
    /// hint is `otherwise`.
    pub fn unknown_key<'n>(
        &self,
        key: &Spanned<DeString<'a>>,
        known: impl IntoIterator<Item = &'n str>,
        otherwise: &str,
    ) -> Error {
        let hint = match nearest(key.get_ref(), known) {
            Some(near) => format!("did you mean {near}?"),
            None => otherwise.to_owned(),
        };
        self.at(&key.span(), &format!("unknown key \"{}\"", key.get_ref())).hint(hint)
    }

    /// What the parser complains about.
    pub fn wrong(&self, error: &toml::de::Error) -> Error {
        match error.span() {
            Some(span) => self.at(&span, &error.message().replace('\n', ", ")),
            None => Error::usage(format!("{}: {}", self.place.display(), error.message())),
        }
    }

    /// What the parser of the single value that stands here complains about.
    pub fn wrong_at(&self, span: &Range<usize>, error: &toml::de::Error) -> Error {
        self.at(span, &error.message().replace('\n', ", "))
    }

    /// An error about what stands here.
    pub fn at(&self, span: &Range<usize>, message: &str) -> Error {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        Error::usage(format!("{}, line {line}: {message}", self.place.display()))
    }
}
