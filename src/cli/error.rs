//! Errors that end the program without a verdict, and how they are printed.

use std::io::{self, Write};

use crate::exit::ExitCode;
use crate::output::{self, Output};
use crate::words::{is_invisible, wrap};
use crate::{report, verify};

/// Columns of the longest line: longer ones are hard to read.
const MAX_WIDTH: usize = 110;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// One thing that went wrong, with the next step for the person who reads it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    message: String,
    hint: Option<String>,
    exit_code: ExitCode,
    source: Option<Cause>,
    is_about_reports: bool,
}

impl Error {
    /// An error that ends the program with `exit_code`.
    pub fn new(exit_code: ExitCode, message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, exit_code, source: None, is_about_reports: false }
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

    /// What another room reports: its message with all causes, and its own advice.
    pub fn from_stage(exit_code: ExitCode, error: &dyn std::error::Error, hint: Option<String>) -> Self {
        Self { hint, ..Self::new(exit_code, with_causes(error)) }
    }

    /// Whether it is that a report cannot be written. Then nobody needs to be told that again.
    pub fn is_about_reports(&self) -> bool {
        self.is_about_reports
    }

    /// How the program ends.
    pub fn exit_code(&self) -> ExitCode {
        self.exit_code
    }

    /// The message with its causes, on one line.
    pub fn message(&self) -> String {
        harmless(&with_causes(self))
    }

    /// What to do next.
    pub fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The text for standard error: the message with its causes, then the hint. Without a `width`
    /// the message is one line, as logs want it. Command lines are never broken: they are there to
    /// be copied.
    pub fn render(&self, width: Option<usize>) -> String {
        let mut text = String::new();
        let mut add = |line: &str, indent: usize| {
            let is_command = line.trim_start().trim_start_matches("hint: ").starts_with("bkverify --");
            match width.filter(|_| !is_command) {
                Some(width) => text.push_str(&wrap(line, width, indent)),
                None => text.push_str(line),
            }
            text.push('\n');
        };
        add(&format!("bkverify: error: {}", self.message()), 2);
        for (number, line) in self.hint.iter().flat_map(|hint| hint.lines()).enumerate() {
            let lead = if number == 0 { "  hint: " } else { "        " };
            add(harmless(&format!("{lead}{line}")).trim_end(), 8);
        }
        text
    }

    /// Prints it to standard error, wrapped at the width of a terminal. If that fails, the exit
    /// code still tells.
    pub fn print(&self) {
        let _ = io::stderr().lock().write_all(self.render(error_width()).as_bytes());
    }
}

/// Tells a person what was chosen, on standard error.
pub fn tell(text: &str) {
    show_line(&format!("bkverify: {text}"));
}

/// Prints a warning to standard error: something that changes no result. If that fails, nothing is
/// lost that anybody could read.
pub fn warn(text: &str) {
    show_line(&format!("bkverify: warning: {text}"));
}

fn show_line(text: &str) {
    let line = harmless(text);
    let text = match error_width() {
        Some(width) => wrap(&line, width, 2),
        None => line,
    };
    let _ = io::stderr().lock().write_all(format!("{text}\n").as_bytes());
}

/// The columns of the terminal that shows standard error, if it is one.
fn error_width() -> Option<usize> {
    let width = terminal_size::terminal_size_of(io::stderr()).map(|(width, _)| usize::from(width.0));
    width.map(|width| width.clamp(20, MAX_WIDTH))
}

/// An error and what it comes from, on one line. A cause that a message ends with already is not
/// repeated.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.ends_with(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        cause = error.source();
    }
    text
}

/// Messages hold names of files, and names can hold what a terminal takes for commands. Backslashes
/// stay, for they are what Windows paths are made of.
fn harmless(text: &str) -> String {
    let escaped = |character: char| match character {
        control if control.is_control() => format!("\\x{:02x}", u32::from(control)),
        hidden if is_invisible(hidden) => hidden.escape_unicode().to_string(),
        plain => plain.to_string(),
    };
    text.chars().map(escaped).collect()
}

impl From<verify::Error> for Error {
    fn from(error: verify::Error) -> Self {
        let is_about_reports = matches!(error, verify::Error::ReportUnwritable { .. });
        Self { is_about_reports, ..Self::from_stage(error.exit_code(), &error, error.hint()) }
    }
}

impl From<report::Error> for Error {
    fn from(error: report::Error) -> Self {
        Self::from_stage(ExitCode::Unusable, &error, None)
    }
}

/// Prints `text` to standard output.
pub fn print(text: &[u8]) -> Result<(), Error> {
    let failed = |error| Error::new(ExitCode::Unusable, "cannot write to standard output").because(error);
    output::show(text, false).map_err(failed)
}

/// Shows a page beside a report: where that takes standard output, on standard error. The report is
/// what was asked for, so that nobody may read the page is then no error.
pub fn show_beside(text: &[u8], stdout_taken: bool) -> Result<(), Error> {
    if stdout_taken {
        let _ = output::show(text, true);
        return Ok(());
    }
    print(text)
}

/// Writes a report to where it was asked for; `what` names it in the error.
pub fn deliver(what: &str, output: &Output, content: &[u8]) -> Result<(), Error> {
    if *output == Output::Stdout {
        return print(content);
    }
    let failed =
        |error| Error::new(ExitCode::Unusable, format!("cannot write {what} to {output}")).because(error);
    output.write(content).map_err(failed)
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
        assert_eq!(error.render(None), text);
    }

    #[test]
    fn on_a_terminal_text_is_wrapped_and_a_command_line_is_not() {
        let error = Error::usage("one two three four five")
            .hint("bkverify --backup /mnt/backup --source /home\nor write it down once");
        let text = "bkverify: error: one two\n  three four five\n  \
            hint: bkverify --backup /mnt/backup --source /home\n        or write it down\n        once\n";
        assert_eq!(error.render(Some(26)), text);
    }

    #[test]
    fn a_cause_that_the_message_holds_already_is_not_repeated() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot open: {0}")]
        struct Stage(#[source] io::Error);
        let error = Error::from_stage(ExitCode::Unusable, &Stage(io::Error::other("gone")), None);
        assert_eq!(error.render(None), "bkverify: error: cannot open: gone\n");
        assert_eq!(error.exit_code(), ExitCode::Unusable);
    }

    #[test]
    fn names_in_a_message_cannot_command_the_terminal() {
        let error = Error::usage("no \u{1b}[2J\nx at C:\\b").hint("see \u{7}x");
        assert_eq!(error.render(None), "bkverify: error: no \\x1b[2J\\x0ax at C:\\b\n  hint: see \\x07x\n");
    }

    #[test]
    fn only_a_likely_name_is_suggested() {
        assert_eq!(nearest("smaple", ["source", "sample"]), Some("sample"));
        assert_eq!(nearest("restore_to", ["restore-to", "source"]), Some("restore-to"));
        assert_eq!(nearest("frequency", ["sample", "seed"]), None);
    }
}
