//! The record to hand in, as one self-contained HTML page and as Markdown: two templates with the
//! same parts, and one function that fills them.
//!
//! The page has no script and loads nothing, supports light and dark mode, and can be printed. Text
//! from the machine is escaped, so that it never becomes markup.

use super::super::findings::{Finding, Record, Status};
use super::{summary, verdict};

const STYLE: &str = include_str!("record.css");

/// The parts of a document. `{name}` stands for a value.
struct Template {
    begin: &'static str,
    row: &'static str,
    after_rows: &'static str,
    check: &'static str,
    finding: &'static str,
    why: &'static str,
    fix: &'static str,
    step: &'static str,
    evidence: &'static str,
    after_finding: &'static str,
    after_check: &'static str,
    end: &'static str,
    /// Text that is shown exactly as it is.
    escape: fn(&str) -> String,
    /// The name of a file or program.
    code: fn(&str) -> String,
    /// Quoted output, with its line breaks.
    block: fn(&str) -> String,
    label: fn(Status) -> String,
}

const HTML: Template = Template {
    begin: r##"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Migration record: {machine}</title>
<style>
{style}</style>
</head>
<body>
<main>
<header>
<p class="kind">Migration record</p>
<h1>{machine}</h1>
<p class="verdict {class}">{verdict}</p>
<p>{summary}</p>
<dl><dt>System</dt><dd>{system}</dd><dt>Taken</dt><dd>{taken}</dd><dt>By</dt><dd>bkverify {version}</dd></dl>
</header>
<table>
<thead><tr><th>Check</th><th>Result</th><th>What was found</th></tr></thead>
<tbody>
"##,
    row: "<tr><td><a href=\"#{name}\">{title}</a></td><td>{label}</td><td>{found}</td></tr>\n",
    after_rows: "</tbody>\n</table>\n",
    check: "<section id=\"{name}\">\n<h2>{title} {label}</h2>\n<p class=\"asks\">{asks} <code>bkverify checklist {name}</code></p>\n",
    finding: "<article class=\"{class}\">\n<h3>{label} {title}</h3>\n",
    why: "<p><b>Why it matters</b> {text}</p>\n",
    fix: "<p><b>How to fix it</b> {text}</p>\n",
    step: "<p><b>When it is done</b> <code>bkverify checklist done {text} --note \"...\"</code></p>\n",
    evidence: "<figure><figcaption>{source}</figcaption><pre>{text}</pre></figure>\n",
    after_finding: "</article>\n",
    after_check: "</section>\n",
    end: "<footer><span>Signed off by</span><span>Date</span></footer>\n</main>\n</body>\n</html>\n",
    escape: escape_html,
    code: escape_html,
    block: escape_html,
    label: |status| {
        let word = status.word();
        format!("<span class=\"badge {word}\">{}</span>", word.replace('-', " "))
    },
};

const MARKDOWN: Template = Template {
    begin: r"# Migration record: {machine}

**{verdict}.** {summary}.

| | |
|---|---|
| Machine | {machine} |
| System | {system} |
| Taken | {taken} |
| By | bkverify {version} |

| Check | Result | What was found |
|---|---|---|
",
    row: "| {title} | {label} | {found} |\n",
    after_rows: "",
    check: "\n## {title}\n\n*{asks}* (`bkverify checklist {name}`)\n",
    finding: "\n- {label}: **{title}**\n",
    why: "  - Why it matters: {text}\n",
    fix: "  - How to fix it: {text}\n",
    step: "  - When it is done: `bkverify checklist done {text} --note \"...\"`\n",
    evidence: "  - Seen in {source}:\n\n{text}\n",
    after_finding: "",
    after_check: "",
    end: "\nSigned off by: ______________________________  Date: ____________\n",
    escape: escape_markdown,
    code: code_markdown,
    block: block_markdown,
    // The status as a word, because the fonts of many servers lack symbols and emoji.
    label: |status| match status {
        Status::Fail | Status::CouldNotCheck => format!("**{}**", status.word()),
        _ => status.word().to_owned(),
    },
};

/// The record as one HTML document.
pub fn html(record: &Record) -> String {
    document(record, &HTML)
}

/// The record as one Markdown document.
pub fn markdown(record: &Record) -> String {
    document(record, &MARKDOWN)
}

fn document(record: &Record, page: &Template) -> String {
    let text = page.escape;
    let mut out = String::new();
    fill(
        &mut out,
        page.begin,
        &[
            ("style", STYLE),
            ("machine", &text(&record.machine)),
            ("class", record.verdict().word()),
            ("verdict", verdict(record)),
            ("summary", &summary(record)),
            ("system", &text(&record.system)),
            ("taken", &format!("{:.0}", record.taken)),
            ("version", env!("CARGO_PKG_VERSION")),
        ],
    );
    for check in &record.checks {
        let found = check.findings.first().map(|finding| text(&finding.title)).unwrap_or_default();
        let label = (page.label)(check.status());
        fill(
            &mut out,
            page.row,
            &[("name", check.name), ("title", check.title), ("label", &label), ("found", &found)],
        );
    }
    out.push_str(page.after_rows);
    for check in &record.checks {
        let (label, asks) = ((page.label)(check.status()), text(check.asks));
        let values = [
            ("name", check.name),
            ("title", check.title),
            ("label", label.as_str()),
            ("asks", asks.as_str()),
        ];
        fill(&mut out, page.check, &values);
        for finding in &check.findings {
            add_finding(&mut out, finding, page);
        }
        out.push_str(page.after_check);
    }
    out.push_str(page.end);
    out
}

fn add_finding(out: &mut String, finding: &Finding, page: &Template) {
    let (class, label, title) =
        (finding.status.word(), (page.label)(finding.status), (page.escape)(&finding.title));
    fill(out, page.finding, &[("class", class), ("label", &label), ("title", &title)]);
    let details = [
        (page.why, finding.why.as_deref()),
        (page.fix, finding.fix.as_ref().map(|fix| &*fix.advice)),
        (page.step, finding.step),
    ];
    for (part, text) in details {
        if let Some(text) = text {
            fill(out, part, &[("text", &(page.escape)(&text.replace('\n', " ")))]);
        }
    }
    for evidence in &finding.evidence {
        let (source, text) = ((page.code)(&evidence.source), (page.block)(&evidence.text));
        fill(out, page.evidence, &[("source", &source), ("text", &text)]);
    }
    out.push_str(page.after_finding);
}

/// Adds a part with its values. Values are not looked through for the names of others.
fn fill(out: &mut String, mut part: &str, values: &[(&str, &str)]) {
    while let Some((before, rest)) = part.split_once('{') {
        let (name, after) = rest.split_once('}').unwrap_or((rest, ""));
        out.push_str(before);
        out.push_str(values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value));
        part = after;
    }
    out.push_str(part);
}

fn escape_html(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}

fn escape_markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.replace('\n', " ").chars() {
        if r"\`*_{}[]<>#|~&".contains(letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

/// Inline code, with a fence longer than any run of backticks in it.
fn code_markdown(text: &str) -> String {
    let fence = fence(text, 1);
    let space = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{space}{}{space}{fence}", text.replace('\n', " "))
}

fn block_markdown(text: &str) -> String {
    let fence = fence(text, 3);
    let lines: String = text.lines().map(|line| format!("    {line}\n")).collect();
    format!("    {fence}text\n{lines}    {fence}\n")
}

fn fence(text: &str, least: usize) -> String {
    let longest = text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0);
    "`".repeat((longest + 1).max(least))
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::*;

    #[test]
    fn text_from_the_machine_is_never_markup_and_nothing_is_loaded() {
        let page = html(&sample());
        assert!(page.contains("<h1>host&lt;1&gt;</h1>"));
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt; {style}"), "values are not templates");
        for outside in ["<script", "<link", "<img", "http://", "https://", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
        let page = markdown(&sample());
        assert!(page.contains("# Migration record: host\\<1\\>"));
        assert!(page.contains("Broken \\& \\<b\\>bold\\</b\\>"));
        assert!(
            page.contains("    ```text\n    a|b <script>alert(1)</script>"),
            "evidence stands in a code block"
        );
    }

    #[test]
    fn the_document_says_how_a_step_is_ticked_off_and_fences_are_long_enough() {
        for page in [html(&sample()), markdown(&sample())] {
            assert_eq!(page.matches("{}").count(), 0);
            assert!(
                page.contains("bkverify checklist done sample-step") && page.contains("A sample"),
                "{page}"
            );
        }
        assert_eq!(code_markdown("a`b"), "``a`b``");
        assert_eq!(fence("x ```` y", 3), "`````");
    }

    #[test]
    fn every_status_has_a_colour() {
        for status in Status::ALL {
            assert!(STYLE.contains(&format!(".{}", status.word())), "{status}");
        }
    }
}
