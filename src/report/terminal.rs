//! The summary for a person: the verdict first, then what is bad and why, then what was verified.
//! With short names it fits on one screen of 24 lines and 80 columns.

use std::time::Duration;

use crate::backup::escape;
use crate::exit::ExitCode;
use crate::plan::DEFAULT_STRATEGY;
use crate::verify::strategy::{self, Strategy};
use crate::verify::verdict::Verdict;
use crate::words::{self, printable};

use super::model::{CountsPart, FindingPart, Model};
use super::{completeness, statement};

/// Number of lines that all lists of failures share.
const LIST_LINES: usize = 10;
/// Columns that the names of facts take.
const FACT_INDENT: usize = 11;
/// Columns of a summary that is not shown on a terminal.
const WIDTH: usize = 80;
/// The fewest and the most columns on a terminal. Longer lines are hard to read.
const WIDTHS: (usize, usize) = (40, 100);

/// How the summary is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummaryStyle {
    /// Columns that sentences are wrapped at.
    pub width: usize,
    /// Whether to colour the verdict.
    pub color: bool,
    /// Whether to show only the verdict and the failures.
    pub quiet: bool,
    /// Where the whole list can be found if a list is cut off.
    pub see: String,
}

impl Default for SummaryStyle {
    fn default() -> Self {
        Self { width: WIDTH, color: false, quiet: false, see: "--json".to_owned() }
    }
}

/// The columns to wrap at on a terminal with this many columns, or without a terminal.
pub fn width(columns: Option<usize>) -> usize {
    columns.map_or(WIDTH, |columns| columns.clamp(WIDTHS.0, WIDTHS.1))
}

/// The summary, ending in a line feed. Whatever the model contains, only printable characters are
/// shown.
pub fn render(model: &Model, style: &SummaryStyle) -> String {
    let word = word(model);
    let color = match word {
        "PASS" => "\x1b[1;32m",
        "INCOMPLETE" => "\x1b[1;33m",
        _ => "\x1b[1;31m",
    };
    let mut out = String::new();
    verdict(&mut out, model, style, word.len() + 2);
    // If the run ended with an error, nothing else is known.
    if model.error.is_none() {
        failures(&mut out, model, style);
        if !style.quiet {
            facts(&mut out, model, style);
        }
    }
    // The first line begins beside the word.
    let rest = &out[word.len()..];
    if style.color { format!("{color}{word}\x1b[0m{rest}") } else { format!("{word}{rest}") }
}

/// How a run ended, in the word that begins the summary.
pub fn word(model: &Model) -> &'static str {
    match model.exit_code {
        _ if model.error.is_some() => "ERROR",
        ExitCode::Pass => "PASS",
        ExitCode::Incomplete | ExitCode::Unusable => "INCOMPLETE",
        _ => "FAIL",
    }
}

/// What was found and what it proves, indented to leave space for the word.
fn verdict(out: &mut String, model: &Model, style: &SummaryStyle, indent: usize) {
    let hint = model.error.as_ref().and_then(|error| error.hint.as_deref());
    let sentences = [
        statement::session(model),
        statement::incomplete(model),
        statement::assurance(model),
        statement::rest(model),
        statement::beside(model),
    ];
    let sentences = sentences.into_iter().flatten();
    let hints = hint.into_iter().flat_map(str::lines).map(str::to_owned);
    for line in [model.headline.clone()].into_iter().chain(hints).chain(sentences) {
        out.push_str(&wrap(&line, indent, style.width));
    }
}

/// One list of failures.
struct List {
    title: &'static str,
    /// The first failures, each with all its lines.
    items: Vec<String>,
    total: u64,
}

/// The lists of failures. They share [`LIST_LINES`], and each says how much it leaves out.
fn failures(out: &mut String, model: &Model, style: &SummaryStyle) {
    let completeness = model.completeness.as_ref();
    let missing = completeness.map_or(&[][..], |found| &found.missing);
    let doubtful = completeness.map_or(&[][..], |found| &found.doubtful);
    let bad = |finding: &FindingPart| finding.verdict.is_bad();
    let corrupt = |finding: &FindingPart| finding.verdict == Verdict::OriginalCorrupt;
    // Unreadable files have a list of their own.
    let open = |finding: &FindingPart| finding.comparable && finding.verdict == Verdict::Changed;
    let unreadable = |finding: &FindingPart| finding.verdict == Verdict::Unreadable;
    // The totals come from the counts, because the findings are capped.
    let total = |of: fn(&CountsPart) -> u64| statement::sum(model, of);
    let open_beside = model.findings.iter().filter(|one| one.beside && open(one)).count() as u64;
    let lists = [
        findings("Bad in the backup:", model, style, total(|counts| counts.bad), bad),
        findings("Corrupt originals:", model, style, total(|counts| counts.original_corrupt), corrupt),
        findings(
            "Equal to their originals, but not to what was known:",
            model,
            style,
            unlike(model),
            |one| one.unlike,
        ),
        lines("Parts of the backup that cannot be listed:", model.damage.iter().chain(&model.denied)),
        lines("Originals that the backup does not contain:", missing.iter()),
        lines(
            "Originals that it does not contain, perhaps because they were put there later:",
            doubtful.iter(),
        ),
        findings(
            "Files that differ, and it cannot be told which side is wrong:",
            model,
            style,
            statement::unresolved(model).0 + open_beside,
            open,
        ),
        findings(
            "Files that could not be read, so that nothing is proven about them:",
            model,
            style,
            total(|counts| counts.unreadable),
            unreadable,
        ),
    ];
    let lists: Vec<List> = lists.into_iter().filter(|list| list.total > 0).collect();
    // Each list has its share. Lines that later lists do not need go to earlier ones.
    let share = LIST_LINES / lists.len().max(1);
    let lines_of = |list: &List| list.items.iter().map(|item| item.lines().count()).sum::<usize>();
    let mut left = LIST_LINES;
    for (index, list) in lists.iter().enumerate() {
        let later: usize = lists[index + 1..].iter().map(|list| lines_of(list).min(share)).sum();
        left -= show(out, style, list, left.saturating_sub(later)).min(left);
    }
}

/// Shows as much of a list as fits into `room` lines, and at least one item. Returns how many lines
/// its items took.
fn show(out: &mut String, style: &SummaryStyle, list: &List, room: usize) -> usize {
    out.push_str(&format!("\n{}\n", list.title));
    let (mut shown, mut used) = (0_u64, 0);
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
        let more = words::count(list.total - shown);
        out.push_str(&format!("  and {more} more, see {}\n", style.see));
    }
    used
}

/// Findings of one kind, each with its reason below it.
fn findings(
    title: &'static str,
    model: &Model,
    style: &SummaryStyle,
    total: u64,
    which: impl Fn(&FindingPart) -> bool,
) -> List {
    let mut last = String::new();
    let items = model.findings.iter().filter(|finding| which(finding)).take(LIST_LINES).map(|finding| {
        let why = why(finding);
        // What a program has said about all files of one call is said once.
        let is_said = why == last && why.len() > LONG_REASON;
        let reason = wrap(if is_said { "for the same reason" } else { &why }, 6, style.width);
        last = why;
        format!("  {}: {}\n{reason}", finding.word(), printable(&words::cut(&finding.path)))
    });
    List { title, items: items.collect(), total }
}

/// A reason of more bytes is not repeated for the next file.
const LONG_REASON: usize = 160;

/// How many files are listed that are unlike what was known of them.
pub fn unlike(model: &Model) -> u64 {
    model.findings.iter().filter(|finding| finding.unlike).count() as u64
}

/// The reason, and where the bytes differ.
pub fn why(finding: &FindingPart) -> String {
    match &finding.difference {
        Some(difference) if finding.reason.is_empty() => difference.sentence.clone(),
        Some(difference) => format!("{}; {}", difference.sentence, finding.reason),
        None => finding.reason.clone(),
    }
}

fn lines<'a>(title: &'static str, all: impl Iterator<Item = &'a String> + Clone) -> List {
    let items = all.clone().take(LIST_LINES).map(|line| format!("  {}\n", printable(line)));
    List { title, items: items.collect(), total: all.count() as u64 }
}

/// What was verified, how to draw it again, and how fast it went.
fn facts(out: &mut String, model: &Model, style: &SummaryStyle) {
    out.push('\n');
    let mut fact = |name: &str, text: &str| {
        let text = wrap(text, FACT_INDENT, style.width);
        out.push_str(&format!("{name:<FACT_INDENT$}{}", &text[FACT_INDENT..]));
    };
    let backup = &model.backup;
    let taken = backup.taken.map_or(String::new(), |time| format!(", taken {time:.0}"));
    fact("backup", &format!("{} ({}){taken}", backup.place, backup.format));
    let mapped = model.plan.maps.iter().map(|map| map.to.as_str());
    let originals: Vec<&str> = model.plan.sources.iter().map(String::as_str).chain(mapped).collect();
    let none = originals.is_empty().then_some("none");
    fact("originals", none.unwrap_or(&originals.join(", ")));
    if let Some(manifest) = &model.plan.manifest {
        fact("manifest", manifest);
    }
    fact("drawn", &drawn(model));
    // If the listing did not end, another run would draw from more files. Files that were bad before are
    // not drawn.
    if model.population.whole && !is_recheck(model) {
        fact("redraw", &format!("{}{}", redraw(model), not_redrawn(model)));
    }
    if let Some(found) = &model.completeness {
        fact("complete", &completeness::fact(found));
    }
    if let Some(text) = completeness::not_compared(model) {
        fact("uncompared", &text);
    }
    for note in model.notes.iter().take(3) {
        fact("note", note);
    }
    fact("speed", &speed(model));
}

/// Whether only files were verified that had been bad before.
fn is_recheck(model: &Model) -> bool {
    !model.plan.filters.only.is_empty()
}

/// The options that verify the same files again. The seed is quoted if a shell would split it.
pub fn redraw(model: &Model) -> String {
    if is_recheck(model) {
        return "--recheck".to_owned();
    }
    let seed = &model.sample.seed;
    let plain =
        !seed.is_empty() && seed.chars().all(|each| each.is_ascii_alphanumeric() || "-_.".contains(each));
    let seed = escape(seed.as_bytes());
    let seed = if plain { format!("--seed {seed}") } else { format!("--seed \"{seed}\"") };
    match model.plan.strategy.as_str() {
        DEFAULT_STRATEGY => seed,
        strategy => format!("{seed} --strategy {strategy}"),
    }
}

/// Whether a part of the sample was chosen by what earlier runs had judged. No seed brings it back.
pub fn is_partly_redrawn(model: &Model) -> bool {
    strategy::named(&model.sample.strategy).is_some_and(Strategy::rotates)
}

/// What those options do not draw again.
fn not_redrawn(model: &Model) -> &'static str {
    if is_partly_redrawn(model) {
        " (the random half; the other half depends on what the ledger knew before this run)"
    } else {
        ""
    }
}

fn drawn(model: &Model) -> String {
    let (population, sample) = (&model.population, &model.sample);
    let files = words::counted(population.files, "file");
    let size = population.bytes.map_or(String::new(), |bytes| format!(" ({})", words::bytes(bytes)));
    let beside = model.beside.as_ref().map_or(0, |beside| beside.drawn);
    let drawn = words::count(sample.drawn + beside);
    let hash = &model.effort.hash;
    let at_least = if population.whole { "" } else { "at least " };
    let mut text = format!("{drawn} of {at_least}{files}{size}, strategy {}, hash {hash}", sample.strategy);
    for (number, why) in [(population.filtered, "filtered out"), (population.unmapped, "without a source")] {
        if number > 0 {
            text.push_str(&format!("; {} {why}", words::count(number)));
        }
    }
    text
}

fn speed(model: &Model) -> String {
    let effort = &model.effort;
    let time = |seconds| words::duration(Duration::try_from_secs_f64(seconds).unwrap_or_default());
    let (verify, restored) = (time(effort.verify_seconds), words::bytes(effort.restored_bytes));
    let mut text = format!("{restored} restored in {verify}");
    if let Some(rate) = effort.restored_bytes_per_second {
        text.push_str(&format!(" ({}/s)", words::bytes(rate)));
    }
    format!("{text}, catalog {}, total {}", time(effort.catalog_seconds), time(effort.total_seconds))
}

/// The words of a sentence. A number stays with what it counts.
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

/// A sentence in printable lines of at most `width` columns. Each line is indented and ends in a
/// line feed. A word that is too long has a line of its own.
fn wrap(text: &str, indent: usize, width: usize) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in unbroken(&printable(text)) {
        let length = word.chars().count();
        if column > 0 && column + 1 + length <= width {
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
