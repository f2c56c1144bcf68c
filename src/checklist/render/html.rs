//! The record as one self-contained HTML page to hand in. It has no script and loads nothing,
//! supports light and dark mode, and can be printed.

use std::fmt::Write;

use super::super::findings::{Checked, Finding, Record, Status};
use super::{summary, verdict};

const STYLE: &str = include_str!("record.css");

/// The record as one HTML document.
// Writing to a String cannot fail.
pub fn render(record: &Record) -> String {
    let mut out = String::new();
    let machine = escape(&record.machine);
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>Migration record: {machine}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <header>\n<p class=\"kind\">Migration record</p>\n<h1>{machine}</h1>\n"
    );
    let class = record.verdict().word();
    let _ = writeln!(out, "<p class=\"verdict {class}\">{}</p>\n<p>{}</p>", verdict(record), summary(record));
    let _ = writeln!(
        out,
        "<dl><dt>System</dt><dd>{}</dd><dt>Taken</dt><dd>{:.0}</dd><dt>By</dt><dd>bkverify {}</dd></dl>\n</header>",
        escape(&record.system),
        record.taken,
        env!("CARGO_PKG_VERSION")
    );
    overview(&mut out, record);
    for check in &record.checks {
        render_check(&mut out, check);
    }
    out.push_str("<footer><span>Signed off by</span><span>Date</span></footer>\n</main>\n</body>\n</html>\n");
    out
}

fn overview(out: &mut String, record: &Record) {
    out.push_str(
        "<table>\n<thead><tr><th>Check</th><th>Result</th><th>What was found</th></tr></thead>\n<tbody>\n",
    );
    for check in &record.checks {
        let found = check.findings.first().map(|finding| escape(&finding.title)).unwrap_or_default();
        let (name, title, badge) = (check.name, check.title, badge(check.status()));
        let _ = writeln!(
            out,
            "<tr><td><a href=\"#{name}\">{title}</a></td><td>{badge}</td><td>{found}</td></tr>"
        );
    }
    out.push_str("</tbody>\n</table>\n");
}

fn render_check(out: &mut String, check: &Checked) {
    let (name, title, asks) = (check.name, check.title, escape(check.asks));
    let _ = writeln!(
        out,
        "<section id=\"{name}\">\n<h2>{title} {}</h2>\n<p class=\"asks\">{asks} <code>bkverify checklist {name}</code></p>",
        badge(check.status())
    );
    for finding in &check.findings {
        render_finding(out, finding);
    }
    out.push_str("</section>\n");
}

fn render_finding(out: &mut String, finding: &Finding) {
    let word = finding.status.word();
    let _ = writeln!(
        out,
        "<article class=\"{word}\">\n<h3>{} {}</h3>",
        badge(finding.status),
        escape(&finding.title)
    );
    if let Some(why) = &finding.why {
        let _ = writeln!(out, "<p><b>Why it matters</b> {}</p>", escape(why));
    }
    if let Some(fix) = &finding.fix {
        let _ = writeln!(out, "<p><b>How to fix it</b> {}</p>", escape(&fix.advice));
    }
    for evidence in &finding.evidence {
        let (source, text) = (escape(&evidence.source), escape(&evidence.text));
        let _ = writeln!(out, "<figure><figcaption>{source}</figcaption><pre>{text}</pre></figure>");
    }
    out.push_str("</article>\n");
}

fn badge(status: Status) -> String {
    let word = status.word();
    format!("<span class=\"badge {word}\">{}</span>", word.replace('-', " "))
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::*;

    #[test]
    fn text_from_the_machine_is_never_markup_and_nothing_is_loaded() {
        let page = render(&sample());
        assert!(page.contains("<h1>host&lt;1&gt;</h1>"));
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
        for outside in ["<script", "<link", "<img", "http://", "https://", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
    }

    #[test]
    fn every_status_has_a_colour() {
        for status in Status::ALL {
            assert!(STYLE.contains(&format!(".{}", status.word())), "{status}");
        }
    }
}
