//! The record as a page for the terminal. In each check the worst findings come first, and what
//! passes takes one line.

use std::fmt::Write;

use super::super::findings::{Checked, Finding, Record, Status};
use super::{summary, verdict};
use crate::words;

/// Evidence with more lines than this is cut off on the terminal. The other reports contain all of
/// it.
const EVIDENCE_LINES: usize = 6;
const INDENT: &str = "                  ";
/// Narrower terminals get lines of this width.
const LEAST: usize = 40;

/// How the page is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Whether to colour statuses with ANSI sequences.
    pub color: bool,
    /// The most columns that a line may have.
    pub width: usize,
}

/// The record as text. Sentences are wrapped between words. Quoted output of programs is cut off
/// with `…`.
pub fn render(record: &Record, page: Page) -> String {
    let page = Page { width: page.width.max(LEAST), ..page };
    let mut out = String::new();
    for check in &record.checks {
        render_check(&mut out, check, page);
    }
    let status = record.verdict();
    let _ = writeln!(out, "{}", paint(verdict(record), status, page.color));
    let facts = format!("{} · {} · {:.0}", record.machine, record.system, record.taken);
    for line in [summary(record), facts] {
        let _ = writeln!(out, "  {}", wrap(&line, page.width, 2));
    }
    out
}

// Writing to a String cannot fail.
fn render_check(out: &mut String, check: &Checked, page: Page) {
    let title = paint(check.title, check.status(), page.color);
    let _ = writeln!(out, "{title}  {} ({:.1} s)", check.name, check.seconds);
    for finding in &check.findings {
        let label = paint(&format!("{:<15}", finding.status), finding.status, page.color);
        let _ = writeln!(out, "  {label} {}", wrap(&finding.title, page.width, INDENT.len()));
        if !matches!(finding.status, Status::Pass | Status::NotApplicable) {
            render_details(out, finding, page.width);
        }
    }
    out.push('\n');
}

fn render_details(out: &mut String, finding: &Finding, width: usize) {
    for evidence in &finding.evidence {
        detail(out, "seen in ", &format!("{}:", evidence.source), width);
        let lines: Vec<&str> = evidence.text.lines().collect();
        for line in lines.iter().take(EVIDENCE_LINES) {
            let _ = writeln!(out, "{INDENT}  {}", cut(line, width - INDENT.len() - 2));
        }
        if lines.len() > EVIDENCE_LINES {
            let more = words::counted((lines.len() - EVIDENCE_LINES) as u64, "more line");
            let _ = writeln!(out, "{INDENT}  … {more} in the reports");
        }
    }
    if let Some(why) = &finding.why {
        detail(out, "why: ", why, width);
    }
    if let Some(fix) = &finding.fix {
        detail(out, "fix: ", &fix.advice, width);
    }
    if let Some(step) = finding.step {
        detail(out, "then: ", &format!("bkverify checklist done {step} --note \"...\""), width);
    }
}

/// A sentence after its label.
fn detail(out: &mut String, label: &str, text: &str, width: usize) {
    let _ = writeln!(out, "{INDENT}{label}{}", wrap(text, width, INDENT.len() + label.len()));
}

/// Text that begins behind `indent` characters, and is wrapped to stay behind them.
fn wrap(text: &str, width: usize, indent: usize) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words::wrap(&format!("{:indent$}{text}", ""), width, indent).split_off(indent)
}

/// Cuts a line off to make it fit. Evidence is lists and logs, which wrapping would make
/// unreadable.
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
        Status::Warn | Status::Manual | Status::Waived => "33",
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
    fn the_page_shows_every_finding_and_the_fix_of_what_is_wrong() {
        let page = render(&sample(), Page { color: false, width: 80 });
        for text in
            ["fail            Broken", "fix: fix it", "could-not-check Unknown: no program", "NOT READY"]
        {
            assert!(page.contains(text), "{text} is missing in\n{page}");
        }
        assert!(!page.contains('\x1b'));
        assert!(render(&sample(), Page { color: true, width: 80 }).contains("\x1b[1;31m"));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_no_word_is_cut() {
        let long = "word ".repeat(60);
        let mut record = sample();
        record.system = long.clone();
        record.checks[0].findings = vec![
            Finding::fail(&long).seen(&long, format!("first\n  indented\n{long}")).why(&long).fix(&long),
        ];
        for width in [1, 60, 80, 200] {
            let page = render(&record, Page { color: false, width });
            for line in page.lines() {
                assert!(line.chars().count() <= width.max(LEAST), "{width}: {line}");
                let quoted = line.ends_with('…');
                let cut = |word: &&str| word.starts_with('w') && !matches!(*word, "word" | "word:" | "why:");
                assert!(quoted || line.split_whitespace().find(cut).is_none(), "{width}: {line}");
            }
            assert!(page.contains(&format!("{INDENT}    indented\n")), "{page}");
        }
    }

    #[test]
    fn quoted_lines_are_cut_off() {
        assert_eq!((cut("abcdef", 4), cut("abcd", 4)), ("abc…".to_owned(), "abcd".to_owned()));
    }
}
