//! What ends a run before (or instead of) a verdict, and how the person is told.

use std::io::{self, Write};

use crate::exit::ExitCode;
use crate::{report, verify};

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// One thing that went wrong, with the next step for the person who reads it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    message: String,
    hint: Option<String>,
    exit_code: ExitCode,
    source: Option<Cause>,
}

impl Error {
    /// An error that ends the program with `exit_code`.
    pub fn new(exit_code: ExitCode, message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, exit_code, source: None }
    }

    /// A wrong command line or configuration: nothing was done.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Usage, message)
    }

    /// Says what to do next. Lines of a hint are printed below each other.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what it comes from.
    #[must_use]
    pub fn because(mut self, source: impl Into<Cause>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Takes over what another stage's error comes from.
    fn caused_by(self, error: &dyn std::error::Error) -> Self {
        match error.source() {
            Some(source) => self.because(source.to_string()),
            None => self,
        }
    }

    /// How the program ends.
    pub fn exit_code(&self) -> ExitCode {
        self.exit_code
    }

    /// The text for standard error: the message with its causes on one line, then the hint.
    pub fn render(&self) -> String {
        let mut text = format!("bkverify: error: {}", self.message);
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        text.push('\n');
        for (number, line) in self.hint.iter().flat_map(|hint| hint.lines()).enumerate() {
            let lead = if number == 0 { "  hint: " } else { "        " };
            text.push_str(format!("{lead}{line}").trim_end());
            text.push('\n');
        }
        text
    }

    /// Prints it to standard error. Where nobody listens there, the exit code still tells.
    pub fn print(&self) {
        let _ = io::stderr().lock().write_all(self.render().as_bytes());
    }
}

impl From<verify::Error> for Error {
    fn from(error: verify::Error) -> Self {
        let told = Self::new(error.exit_code(), error.to_string());
        let told = Self { hint: error.hint(), ..told };
        told.caused_by(&error)
    }
}

impl From<report::Error> for Error {
    fn from(error: report::Error) -> Self {
        Self::new(ExitCode::Unusable, error.to_string()).caused_by(&error)
    }
}

/// Prints `text` to standard output. A reader that has gone (`bkverify plan | head -1`) has read what it wanted.
pub fn print(text: &[u8]) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::new(ExitCode::Unusable, "cannot write to standard output").because(error))
        }
        _ => Ok(()),
    }
}

/// The one of `names` that `word` was probably meant to be.
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let rated = names.into_iter().map(|name| (strsim::jaro_winkler(word, name), name));
    rated.filter(|(likeness, _)| *likeness > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_chained_and_hints_are_indented() {
        let error = Error::usage("cannot read it")
            .because(io::Error::other("the disk is tired"))
            .hint("wait\n\n  a day");
        let text = "bkverify: error: cannot read it: the disk is tired\n  hint: wait\n\n          a day\n";
        assert_eq!(error.render(), text);
    }

    #[test]
    fn only_a_likely_name_is_suggested() {
        assert_eq!(nearest("smaple", ["source", "sample"]), Some("sample"));
        assert_eq!(nearest("restore_to", ["restore-to", "source"]), Some("restore-to"));
        assert_eq!(nearest("frequency", ["sample", "seed"]), None);
    }
}
