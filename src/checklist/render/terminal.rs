//! The record as a page for the terminal: what is wrong first in each check, what is well in one
//! line.

use std::fmt::Write;

use super::super::findings::{Checked, Finding, Record, Status};
use super::{summary, verdict};

/// Evidence longer than this many lines is cut on the terminal; the other reports hold all.
const EVIDENCE_LINES: usize = 6;
const INDENT: &str = "                  ";
const WIDTH: usize = 100;

/// The page. With `color`, statuses are coloured by ANSI sequences.
pub fn render(record: &Record, color: bool) -> String {
    let mut out = String::new();
    for check in &record.checks {
        render_check(&mut out, check, color);
    }
    let status = record.verdict();
    let head = paint(verdict(record), status, color);
    let _ = writeln!(out, "{head}\n  {}", summary(record));
    let _ = writeln!(out, "  {} · {} · {:.0}", record.machine, record.system, record.taken);
    out
}

// Writing to a String cannot fail.
fn render_check(out: &mut String, check: &Checked, color: bool) {
    let status = check.status();
    let _ = writeln!(out, "{}  {} ({:.1} s)", paint(check.title, status, color), check.name, check.seconds);
    for finding in &check.findings {
        let label = paint(&format!("{:<15}", finding.status), finding.status, color);
        let _ = writeln!(out, "  {label} {}", wrap(&finding.title, WIDTH - INDENT.len(), INDENT));
        if !matches!(finding.status, Status::Pass | Status::NotApplicable) {
            render_details(out, finding);
        }
    }
    out.push('\n');
}

fn render_details(out: &mut String, finding: &Finding) {
    for evidence in &finding.evidence {
        let lines: Vec<&str> = evidence.text.lines().collect();
        let _ = writeln!(out, "{INDENT}seen in {}:", evidence.source);
        for line in lines.iter().take(EVIDENCE_LINES) {
            let _ = writeln!(out, "{INDENT}  {}", cut(line, WIDTH - INDENT.len() - 2));
        }
        if lines.len() > EVIDENCE_LINES {
            let _ = writeln!(out, "{INDENT}  … {} more lines in the reports", lines.len() - EVIDENCE_LINES);
        }
    }
    let mend = finding.mend.as_ref().map(|mend| &mend.advice);
    for (label, text) in [("why: ", finding.why.as_ref()), ("mend: ", mend)] {
        if let Some(text) = text {
            let hanging = format!("{INDENT}{}", " ".repeat(label.len()));
            let _ = writeln!(out, "{INDENT}{label}{}", wrap(text, WIDTH - hanging.len(), &hanging));
        }
    }
}

/// Breaks text at spaces; lines after the first begin with `indent`. A word that is too long stays
/// whole.
fn wrap(text: &str, width: usize, indent: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            out.push('\n');
            out.push_str(indent);
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}

/// A line that fits; evidence is lists and logs, which wrapping would make unreadable.
fn cut(line: &str, width: usize) -> String {
    match line.char_indices().nth(width) {
        None => line.to_owned(),
        Some(_) => line.chars().take(width - 1).chain(['…']).collect(),
    }
}

fn paint(text: &str, status: Status, color: bool) -> String {
    if !color {
        return text.to_owned();
    }
    let code = match status {
        Status::Pass => "32",
        Status::Warn | Status::Manual => "33",
        Status::Fail => "1;31",
        Status::CouldNotCheck => "35",
        Status::NotApplicable => "2",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::*;

    #[test]
    fn the_page_shows_every_finding_and_the_mend_of_what_is_wrong() {
        let page = render(&sample(), false);
        for text in
            ["fail            Broken", "mend: mend it", "could-not-check Unknown: no program", "NOT READY"]
        {
            assert!(page.contains(text), "{text} is missing in\n{page}");
        }
        assert!(!page.contains('\x1b'));
        assert!(render(&sample(), true).contains("\x1b[1;31m"));
    }

    #[test]
    fn long_text_is_broken_at_spaces() {
        assert_eq!(wrap("aa bb cc", 5, "  "), "aa bb\n  cc");
        assert_eq!(wrap("aaaaaaaa b", 5, " "), "aaaaaaaa\n b");
        assert_eq!((cut("abcdef", 4), cut("abcd", 4)), ("abc…".to_owned(), "abcd".to_owned()));
    }
}
