//! The summary for a person: the verdict first, then what is bad and why, then what was verified.
//! One screen of 24 lines and 80 columns, as long as names are short.

use std::borrow::Cow;

use crate::backup::escape;
use crate::exit::ExitCode;
use crate::plan::Plan;
use crate::platform::Timestamp;
use crate::verify::PickRecord;
use crate::verify::outcome::Outcome;
use crate::verify::verdict::Verdict;
use crate::words::{self, rfc3339};

use super::{completeness, location_text, path_text, printable, statement};

/// Columns that sentences are wrapped at.
const WIDTH: usize = 80;
/// Lines that lists of failures share.
const LIST_LINES: usize = 10;
/// Columns that the names of facts take.
const FACT_INDENT: usize = 11;

/// The summary, ending in a line feed. A quiet plan gets the verdict and the failures alone.
pub(super) fn render(plan: &Plan, outcome: &Outcome) -> String {
    let mut out = String::new();
    verdict(&mut out, plan, outcome);
    failures(&mut out, plan, outcome);
    if !plan.outputs.terminal.quiet {
        facts(&mut out, plan, outcome);
    }
    out
}

/// `PASS` or not, with what was found and what that proves beside it.
fn verdict(out: &mut String, plan: &Plan, outcome: &Outcome) {
    let (word, color) = match outcome.exit_code() {
        ExitCode::Pass => ("PASS", "\x1b[1;32m"),
        ExitCode::Incomplete | ExitCode::Unusable => ("INCOMPLETE", "\x1b[1;33m"),
        _ => ("FAIL", "\x1b[1;31m"),
    };
    if plan.outputs.terminal.color {
        out.push_str(&format!("{color}{word}\x1b[0m"));
    } else {
        out.push_str(word);
    }
    let indent = word.len() + 2;
    let lines = [
        Some(statement::headline(outcome)),
        statement::incomplete(outcome),
        statement::assurance(outcome),
        statement::rest(outcome),
    ];
    for (index, line) in lines.into_iter().flatten().enumerate() {
        let text = wrap(&line, indent);
        // The first line stands beside the word.
        out.push_str(if index == 0 { &text[word.len()..] } else { &text });
    }
}

/// One list of failures.
struct List {
    title: &'static str,
    /// The first of them, each with its lines.
    items: Vec<String>,
    total: usize,
}

/// What is bad, list by list; lists share the room, and say how much they leave out.
fn failures(out: &mut String, plan: &Plan, outcome: &Outcome) {
    let lists = [
        findings(outcome, "Bad in the backup:", Verdict::is_bad),
        findings(outcome, "Corrupt originals, of which the backup has the right bytes:", |verdict| {
            verdict == Verdict::OriginalCorrupt
        }),
        lines("Parts of the backup that cannot be listed:", &unlisted(outcome), |line| printable(line)),
        lines("Originals that the backup does not hold:", missing(outcome), |path| escape(path)),
        lines("Originals that it does not hold, or that came there since:", doubtful(outcome), |path| {
            escape(path)
        }),
        unresolved(outcome),
        findings(outcome, "Files that cannot be read, so that nothing is proven of them:", |verdict| {
            verdict == Verdict::Unreadable
        }),
    ];
    let lists: Vec<List> = lists.into_iter().filter(|list| list.total > 0).collect();
    // Each has its share; what a short one leaves goes to those before it.
    let share = LIST_LINES / lists.len().max(1);
    let lines_of = |list: &List| list.items.iter().map(|item| item.lines().count()).sum::<usize>();
    let mut left = LIST_LINES;
    for (index, list) in lists.iter().enumerate() {
        let later: usize = lists[index + 1..].iter().map(|list| lines_of(list).min(share)).sum();
        left -= show(out, plan, list, left.saturating_sub(later)).min(left);
    }
}

/// A list, as much of it as fits into `room` lines, and at least one item; returns how many lines
/// its items took.
fn show(out: &mut String, plan: &Plan, list: &List, room: usize) -> usize {
    out.push_str(&format!("\n{}\n", list.title));
    let (mut shown, mut used) = (0, 0);
    for item in &list.items {
        let lines = item.lines().count();
        if shown > 0 && used + lines > room {
            break;
        }
        out.push_str(item);
        used += lines;
        shown += 1;
    }
    if list.total > shown {
        let more = words::count((list.total - shown) as u64);
        let place = plan.outputs.reports.json.as_deref().filter(|place| !super::write::is_stdout(place));
        let place = place.map_or_else(|| "--json".to_owned(), path_text);
        out.push_str(&format!("  and {more} more, see {place}\n"));
    }
    used
}

fn findings(outcome: &Outcome, title: &'static str, which: impl Fn(Verdict) -> bool) -> List {
    // Not all that was found is listed.
    let total = outcome.counts.sum(&which);
    list(outcome, title, total, |finding| which(finding.verdict))
}

/// Comparable files that stayed undecided; those that cannot be read have a list of their own.
fn unresolved(outcome: &Outcome) -> List {
    let changed = outcome.counts.comparable_of(Verdict::Changed);
    list(outcome, "Files that differ, and nobody can tell why:", changed, |finding| {
        finding.comparable && finding.verdict == Verdict::Changed
    })
}

fn list(outcome: &Outcome, title: &'static str, total: u64, which: impl Fn(&PickRecord) -> bool) -> List {
    let items = outcome.findings.iter().filter(|finding| which(finding)).take(LIST_LINES).map(|finding| {
        let reason = wrap(&printable(&why(finding)), 6);
        format!("  {}: {}\n{reason}", finding.verdict.word(), escape(&finding.path))
    });
    List { title, items: items.collect(), total: usize::try_from(total).unwrap_or(usize::MAX) }
}

/// The reason, and where the bytes differ.
fn why(finding: &PickRecord) -> String {
    match &finding.difference {
        Some(difference) if finding.reason.is_empty() => difference.to_string(),
        Some(difference) => format!("{difference}; {}", finding.reason),
        None => finding.reason.clone(),
    }
}

fn lines<'a, T>(title: &'static str, all: &'a [T], text: impl Fn(&'a T) -> Cow<'a, str>) -> List {
    let items = all.iter().take(LIST_LINES).map(|each| format!("  {}\n", text(each)));
    List { title, items: items.collect(), total: all.len() }
}

/// What is damaged, and what this account may not list.
fn unlisted(outcome: &Outcome) -> Vec<&String> {
    outcome.damage.iter().chain(&outcome.denied).collect()
}

fn missing(outcome: &Outcome) -> &[Vec<u8>] {
    outcome.completeness.as_ref().map_or(&[], |found| &found.missing)
}

fn doubtful(outcome: &Outcome) -> &[Vec<u8>] {
    outcome.completeness.as_ref().map_or(&[], |found| &found.doubtful)
}

/// What was verified, how to draw it again, and how fast it went.
fn facts(out: &mut String, plan: &Plan, outcome: &Outcome) {
    out.push('\n');
    let mut fact = |name: &str, text: &str| {
        let text = wrap(text, FACT_INDENT);
        out.push_str(&format!("{name:<FACT_INDENT$}{}", &text[FACT_INDENT..]));
    };
    let backup = &outcome.backup;
    let to_the_second = |taken: Timestamp| Timestamp { nanos: 0, ..taken };
    let taken = backup
        .taken_at()
        .map(to_the_second)
        .and_then(rfc3339)
        .map_or(String::new(), |time| format!(", taken {time}"));
    fact("backup", &format!("{} ({}){taken}", location_text(&backup.location), backup.format));
    let sources: Vec<String> = plan
        .target
        .sources
        .iter()
        .chain(plan.target.maps.iter().map(|map| &map.to))
        .map(|p| path_text(p))
        .collect();
    fact("originals", &sources.join(", "));
    fact("drawn", &drawn(outcome));
    // Another run draws from all that there is.
    if outcome.population.whole {
        fact("redraw", &redraw(&outcome.sample.seed));
    }
    if let Some(found) = &outcome.completeness {
        fact("complete", &completeness::fact(found));
    }
    if let Some(text) = completeness::not_compared(outcome) {
        fact("uncompared", &text);
    }
    for note in outcome.notes.iter().take(3) {
        fact("note", &printable(note));
    }
    fact("speed", &speed(outcome));
}

/// The option that draws the same sample; quoted where a shell would split it.
fn redraw(seed: &str) -> String {
    let plain =
        !seed.is_empty() && seed.chars().all(|each| each.is_ascii_alphanumeric() || "-_.".contains(each));
    let seed = escape(seed.as_bytes());
    if plain { format!("--seed {seed}") } else { format!("--seed \"{seed}\"") }
}

fn drawn(outcome: &Outcome) -> String {
    let (population, sample) = (&outcome.population, &outcome.sample);
    let files = words::counted(population.files, "file");
    let size = population.bytes.map_or(String::new(), |bytes| format!(" ({})", words::bytes(bytes)));
    let drawn = words::count(sample.drawn);
    let hash = outcome.effort.hash.name();
    let at_least = if population.whole { "" } else { "at least " };
    let mut text = format!("{drawn} of {at_least}{files}{size}, strategy {}, hash {hash}", sample.strategy);
    for (number, why) in [(population.filtered, "filtered out"), (population.unmapped, "without a source")] {
        if number > 0 {
            text.push_str(&format!("; {} {why}", words::count(number)));
        }
    }
    text
}

fn speed(outcome: &Outcome) -> String {
    let effort = &outcome.effort;
    let mut text =
        format!("{} restored in {}", words::bytes(effort.restored_bytes), words::duration(effort.verify),);
    if let Some(rate) = words::rate(effort.restored_bytes, effort.verify) {
        text.push_str(&format!(" ({}/s)", words::bytes(rate)));
    }
    let (catalog, total) = (words::duration(effort.catalog), words::duration(effort.total));
    format!("{text}, catalog {catalog}, total {total}")
}

/// The words of a sentence; a number and what it counts stay together.
fn unbroken(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let is_end = |at: usize| !text[..at].ends_with(|last: char| last.is_ascii_digit());
        let end = text.match_indices(' ').map(|(at, _)| at).find(|&at| is_end(at));
        rest = end.map(|at| &text[at + 1..]);
        Some(&text[..end.unwrap_or(text.len())])
    })
}

/// A sentence in lines of at most [`WIDTH`] columns, each indented, each ending in a line feed. A
/// longer word stands alone.
fn wrap(text: &str, indent: usize) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in unbroken(text) {
        let length = word.chars().count();
        if column > 0 && column + 1 + length <= WIDTH {
            out.push(' ');
            column += 1 + length;
        } else {
            if column > 0 {
                out.push('\n');
            }
            out.push_str(&" ".repeat(indent));
            column = indent + length;
        }
        out.push_str(word);
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests;
