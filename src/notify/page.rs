//! The message as a page of HTML. It uses headings, one table and lists, without pictures, scripts
//! or anything that is loaded, so that a mail program in a terminal shows it well, too.

use std::fmt::Write;

use crate::report::model::Model;
use crate::report::{incomplete, terminal};
use crate::words;

use super::listed::Listed;

/// Facts that begin the message: a name and a value.
pub fn facts(model: &Model, machine: &str) -> Vec<(&'static str, String)> {
    let code = model.exit_code;
    let mut facts = Vec::new();
    facts.extend(model.plan.job.as_ref().map(|job| ("Job", job.clone())));
    facts.push(("Machine", machine.to_owned()));
    let result = format!("{} (exit code {}, {})", terminal::word(model), code as u8, code.meaning());
    facts.push(("Result", result));
    facts.push(("Backup", format!("{} ({})", model.backup.place, model.backup.format)));
    let (began, ended) = (model.started, model.finished);
    facts.extend(began.map(|time| ("Started", format!("{time:.0}"))));
    facts.extend(ended.map(|time| ("Finished", format!("{time:.0}"))));
    facts
}

/// The page about a run.
pub fn render(
    subject: &str,
    facts: &[(&'static str, String)],
    model: &Model,
    lists: &[Listed<'_>],
    advice: &[String],
) -> String {
    let word = terminal::word(model);
    let color = match word {
        "PASS" => "#1a7f37",
        "INCOMPLETE" => "#9a6700",
        _ => "#b3261e",
    };
    let mut body = format!("<h1 style=\"color:{color}\">{word}</h1>\n");
    let statement = model.assurance.as_ref().and_then(|found| found.sentence.clone());
    let rest = model.assurance.as_ref().and_then(|found| found.rest.clone());
    let hint = model.error.as_ref().and_then(|error| error.hint.clone());
    let sentences = [Some(model.headline.clone()), hint, incomplete(model), statement, rest];
    for sentence in sentences.into_iter().flatten() {
        add(&mut body, format_args!("<p>{}</p>\n", escape(&sentence)));
    }
    for list in lists {
        add(&mut body, format_args!("<h2>{}</h2>\n<ul>\n", escape(list.title)));
        for (name, why) in &list.items {
            let why = if why.is_empty() { String::new() } else { format!("<br>{}", escape(why)) };
            add(&mut body, format_args!("<li><code>{}</code>{why}</li>\n", escape(name)));
        }
        let more = list.total.saturating_sub(list.items.len() as u64);
        if more > 0 {
            add(&mut body, format_args!("<li>and {} more</li>\n", words::count(more)));
        }
        body.push_str("</ul>\n");
    }
    if !advice.is_empty() {
        body.push_str("<h2>What to do next</h2>\n<ul>\n");
        for line in advice {
            add(&mut body, format_args!("<li>{}</li>\n", escape(line)));
        }
        body.push_str("</ul>\n");
    }
    body.push_str("<table>\n");
    for (name, value) in facts {
        let row = format_args!("<tr><th align=\"left\">{name}</th><td>{}</td></tr>\n", escape(value));
        add(&mut body, row);
    }
    body.push_str("</table>\n");
    page(subject, &body)
}

/// The page of a test.
pub fn test(subject: &str, sentence: &str) -> String {
    page(subject, &format!("<p>{}</p>\n", escape(sentence)))
}

fn page(subject: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{}</title></head>\n<body>\n{body}</body>\n</html>\n",
        escape(subject)
    )
}

fn add(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to memory cannot fail.
    let _ = page.write_fmt(text);
}

/// Text that HTML shows as it is. Names of files can hold anything.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in words::printable(text).chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            plain => out.push(plain),
        }
    }
    out
}
