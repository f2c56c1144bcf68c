//! Text from the machine is escaped, so that it never becomes markup.

use std::fmt::Write;

use super::super::findings::{Checked, Finding, Record, Status};
use super::{summary, verdict};

/// The record as one Markdown document.
// Writing to a String cannot fail.
pub fn render(record: &Record) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "# Migration record: {}\n", escape(&record.machine));
    let _ = writeln!(out, "**{}.** {}.\n", verdict(record), capital(&summary(record)));
    let _ = writeln!(out, "| | |\n|---|---|");
    let _ = writeln!(out, "| Machine | {} |", cell(&record.machine));
    let _ = writeln!(out, "| System | {} |", cell(&record.system));
    let _ = writeln!(out, "| Taken | {:.0} |", record.taken);
    let _ = writeln!(out, "| By | bkverify {} |\n", env!("CARGO_PKG_VERSION"));
    let _ = writeln!(out, "| Check | Result | What was found |\n|---|---|---|");
    for check in &record.checks {
        let worst = check.findings.first().map(|finding| cell(&finding.title)).unwrap_or_default();
        let _ = writeln!(
            out,
            "| [{}](#{}) | {} | {worst} |",
            check.title,
            anchor(check.title),
            label(check.status())
        );
    }
    for check in &record.checks {
        render_check(&mut out, check);
    }
    out.push_str("\nSigned off by: ______________________________  Date: ____________\n");
    out
}

fn render_check(out: &mut String, check: &Checked) {
    let _ = writeln!(out, "\n## {}\n", check.title);
    let _ = writeln!(out, "*{}* (`bkverify checklist {}`)", escape(check.asks), check.name);
    for finding in &check.findings {
        render_finding(out, finding);
    }
}

fn render_finding(out: &mut String, finding: &Finding) {
    let _ = writeln!(out, "\n- {}: **{}**", label(finding.status), escape(&finding.title));
    if let Some(why) = &finding.why {
        let _ = writeln!(out, "  - Why it matters: {}", escape(&why.replace('\n', " ")));
    }
    if let Some(fix) = &finding.fix {
        let _ = writeln!(out, "  - How to fix it: {}", escape(&fix.advice.replace('\n', " ")));
    }
    for evidence in &finding.evidence {
        let _ = writeln!(out, "  - Seen in {}:\n", code(&evidence.source));
        let fence = fence(&evidence.text);
        let _ = writeln!(out, "    {fence}text");
        for line in evidence.text.lines() {
            let _ = writeln!(out, "    {line}");
        }
        let _ = writeln!(out, "    {fence}\n");
    }
}

/// The status as a word, because the fonts of many servers lack symbols and emoji.
fn label(status: Status) -> String {
    match status {
        Status::Fail | Status::CouldNotCheck => format!("**{}**", status.word()),
        _ => status.word().to_owned(),
    }
}

/// Markdown that shows exactly this plain text.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(
            character,
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '&'
        ) {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

fn cell(text: &str) -> String {
    escape(&text.replace('\n', " "))
}

/// Inline code, with a fence longer than any run of backticks in it.
fn code(text: &str) -> String {
    let text = text.replace('\n', " ");
    let ticks = "`".repeat(longest_run(&text) + 1);
    if text.starts_with('`') || text.ends_with('`') {
        format!("{ticks} {text} {ticks}")
    } else {
        format!("{ticks}{text}{ticks}")
    }
}

fn fence(text: &str) -> String {
    "`".repeat((longest_run(text) + 1).max(3))
}

fn longest_run(text: &str) -> usize {
    text.split(|character| character != '`').map(str::len).max().unwrap_or(0)
}

/// The anchor that GitHub creates for a heading.
fn anchor(title: &str) -> String {
    let kept = title.to_lowercase();
    kept.chars()
        .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-'))
        .map(|letter| if letter == ' ' { '-' } else { letter })
        .collect()
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::*;

    #[test]
    fn text_from_the_machine_is_never_markup() {
        let page = render(&sample());
        assert!(page.contains("# Migration record: host\\<1\\>"));
        assert!(page.contains("Broken \\& \\<b\\>bold\\</b\\>"));
        assert!(
            page.contains("    ```text\n    a|b <script>alert(1)</script>"),
            "evidence stands in a code block"
        );
    }

    #[test]
    fn a_fence_is_longer_than_any_run_of_backticks_inside() {
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(fence("x ```` y"), "`````");
        assert_eq!(anchor("Clock and time zone"), "clock-and-time-zone");
    }
}
