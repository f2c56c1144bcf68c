//! The message about one run, in every form in which it is sent: subject, plain text, HTML, JSON.
//! Made from the report alone, by pure functions.
//!
//! The JSON form is a promise to other programs: `bkverify-notice/1`. `bkverify help notify` lists
//! its fields. A field may be added within this version. If a field is removed or changes its
//! meaning, the version becomes 2.

use jiff::Timestamp;
use serde_json::json;

use crate::exit::ExitCode;
use crate::plan::Plan;
use crate::report::model::PlanPart;
use crate::report::terminal::{self, SummaryStyle, why};
use crate::report::{Model, incomplete, variables};
use crate::words::{self, counted, printable};

use super::listed::{LISTED, listed};
use super::page;

/// Name and version of the JSON form.
pub const SCHEMA_NAME: &str = "bkverify-notice/1";

/// The longest subject. Mail programs show less, and a name may be of any length.
const SUBJECT: usize = 150;
/// Columns of the plain text.
const WIDTH: usize = 72;

/// A message about a run, or a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// One printable line: the result, the job, the machine, and what was found.
    pub subject: String,
    /// The message in plain text of 72 columns.
    pub text: String,
    /// The message as a page.
    pub html: String,
    /// The message for programs.
    pub json: String,
    /// A few lines for a chat.
    pub short: String,
    /// The main facts, for the environment of a program.
    pub variables: Vec<(&'static str, String)>,
    /// How the run ended. A test counts as a pass.
    pub exit_code: ExitCode,
    /// Whether this is a test.
    pub is_test: bool,
}

impl Message {
    /// The message about a run on this machine. `report` is the file with the JSON report.
    pub fn new(model: &Model, machine: &str, report: Option<&str>) -> Self {
        let subject = subject(model, machine);
        let advice = advice(model);
        let text = text(model, machine, &advice, report);
        let json = notice(model, machine, &subject, &advice, report);
        Self {
            html: page::render(&subject, &page::facts(model, machine), model, &listed(model), &advice),
            short: short_text(model, &advice),
            variables: variables_of("result", variables::of_run(model, report), machine),
            exit_code: model.exit_code,
            is_test: false,
            subject,
            text,
            json,
        }
    }

    /// A message that only shows that messages arrive.
    pub fn test(plan: &Plan, machine: &str, now: Timestamp) -> Self {
        let part = PlanPart::new(plan);
        let subject = shorten(&format!("[bkverify] TEST {}", place(part.job.as_deref(), machine)));
        let sentence = "This is a test of the notifications of bkverify. Nothing was verified.";
        let value = json!({
            "schema": SCHEMA_NAME, "event": "test", "program": "bkverify",
            "version": env!("CARGO_PKG_VERSION"), "machine": machine, "job": part.job,
            "subject": subject, "headline": sentence, "finished": format!("{now:.0}"),
        });
        let place = place(part.job.as_deref(), machine);
        Self {
            text: format!("{sentence}\n\nIt is about {place}, {now:.0}.\n"),
            html: page::test(&subject, sentence),
            json: pretty(&value),
            short: sentence.to_owned(),
            variables: variables_of("test", variables::of_plan(&part), machine),
            exit_code: ExitCode::Pass,
            is_test: true,
            subject,
        }
    }
}

fn variables_of(
    event: &str,
    mut variables: Vec<(&'static str, String)>,
    machine: &str,
) -> Vec<(&'static str, String)> {
    variables.push(("BKVERIFY_EVENT", event.to_owned()));
    variables.push(("BKVERIFY_MACHINE", machine.to_owned()));
    variables
}

/// The job and the machine: `nightly on web1`.
fn place(job: Option<&str>, machine: &str) -> String {
    let machine = printable(machine);
    job.map_or_else(|| machine.to_string(), |job| format!("{} on {machine}", printable(job)))
}

/// `[bkverify] FAIL nightly on web1: 2 of 500 files are bad`.
fn subject(model: &Model, machine: &str) -> String {
    let place = place(model.plan.job.as_deref(), machine);
    shorten(&format!("[bkverify] {} {place}: {}", terminal::word(model), finding(model)))
}

/// One printable line that is not too long.
fn shorten(line: &str) -> String {
    let line = printable(line);
    let mut short: String = line.chars().take(SUBJECT).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}

/// What was found, in a few words.
fn finding(model: &Model) -> String {
    let compared = model.total(|counts| counts.comparable + counts.outside_bad());
    let (bad, corrupt) = (model.total(|counts| counts.bad), model.total(|counts| counts.original_corrupt));
    let missing = model.completeness.as_ref().filter(|found| found.asked_for);
    let missing = missing.map_or(0, |found| found.missing.len() as u64);
    let are = |number: u64| if number == 1 { "is" } else { "are" };
    if let Some(error) = &model.error {
        error.message.clone()
    } else if bad > 0 {
        format!("{} of {} {} bad", words::count(bad), counted(compared, "file"), are(bad))
    } else if corrupt > 0 {
        format!("{} {} corrupt, the backup is good", counted(corrupt, "original"), are(corrupt))
    } else if missing > 0 {
        format!("{} {} missing from the backup", counted(missing, "original"), are(missing))
    } else if !model.damage.is_empty() {
        format!("{} of the backup cannot be listed", counted(model.damage.len() as u64, "part"))
    } else if model.exit_code == ExitCode::Pass {
        format!("{} verified", counted(model.total(|counts| counts.comparable_verified), "file"))
    } else {
        let sentence = incomplete(model).unwrap_or_else(|| model.headline.clone());
        sentence.trim_end_matches('.').to_owned()
    }
}

/// What to do next: nothing after a pass.
fn advice(model: &Model) -> Vec<String> {
    let mut advice = Vec::new();
    let job = model.plan.job.as_deref().map_or(String::new(), |job| format!(" --job {}", quoted(job)));
    if model.error.is_some() {
        advice.push(format!("See what a run would do: bkverify plan{job}"));
    }
    if model.total(|counts| counts.bad) > 0 {
        let again = terminal::redraw(model);
        advice.push(if terminal::is_partly_redrawn(model) {
            // The next run would choose others in the half that goes by age.
            format!(
                "Restore the bad files again and keep the copies: bkverify{job} --include GLOB --sample all --keep failures"
            )
        } else {
            format!("Restore the same files again and keep the bad copies: bkverify{job} {again} --keep failures")
        });
        advice.push(
            "Make a new backup to another disk, and keep the old one until the new one is verified."
                .to_owned(),
        );
    }
    if model.total(|counts| counts.original_corrupt) > 0 {
        advice.push(
            "Restore the corrupt originals from the backup, and check the disk that they are on.".to_owned(),
        );
    }
    if model.completeness.as_ref().is_some_and(|found| found.asked_for && !found.missing.is_empty()) {
        advice.push(
            "Find out why the backup program leaves these originals out. If that is intended, exclude them."
                .to_owned(),
        );
    }
    if !model.damage.is_empty() {
        advice
            .push("Test the backup with the program that made it: parts of it cannot be listed.".to_owned());
    }
    if !model.denied.is_empty() {
        advice.push("Run bkverify as an account that may read the whole backup.".to_owned());
    }
    if model.exit_code == ExitCode::Incomplete && advice.is_empty() {
        advice.push(format!("Run it again by hand: bkverify{job}"));
    }
    advice
}

/// A word of a command line, in quotes if a shell would split it.
fn quoted(word: &str) -> String {
    let word = printable(word);
    let is_plain =
        !word.is_empty() && word.chars().all(|each| each.is_alphanumeric() || "-_.".contains(each));
    if is_plain { word.into_owned() } else { format!("\"{word}\"") }
}

/// The plain text: the facts first, then the summary that the terminal shows.
fn text(model: &Model, machine: &str, advice: &[String], report: Option<&str>) -> String {
    let mut text = String::new();
    // The summary names the backup.
    for (name, value) in page::facts(model, machine).into_iter().filter(|(name, _)| *name != "Backup") {
        let line = format!("{:<10}{}", format!("{name}:"), printable(&value));
        text.push_str(&words::wrap(&line, WIDTH, 10));
        text.push('\n');
    }
    let see = report
        .map_or_else(|| "the report that --json writes".to_owned(), |report| printable(report).into_owned());
    text.push('\n');
    text.push_str(&terminal::render(model, &SummaryStyle { width: WIDTH, see, ..SummaryStyle::default() }));
    if !advice.is_empty() {
        text.push_str("\nWhat to do next:\n");
        for line in advice {
            text.push_str(&words::wrap(&format!("- {}", printable(line)), WIDTH, 2));
            text.push('\n');
        }
    }
    text
}

/// The headline and the first files, for a chat.
fn short_text(model: &Model, advice: &[String]) -> String {
    let mut text = printable(&model.headline).into_owned();
    for list in listed(model) {
        text.push_str(&format!("\n{}:", list.title));
        for (name, _) in list.items.iter().take(3) {
            text.push_str(&format!("\n- {}", printable(name)));
        }
        if list.total > 3 {
            text.push_str(&format!("\n- and {} more", words::count(list.total - 3)));
        }
    }
    let hint = model.error.as_ref().and_then(|error| error.hint.as_ref());
    if let Some(first) = hint.or(advice.first()) {
        text.push_str(&format!("\n{}", printable(first)));
    }
    text
}

fn notice(model: &Model, machine: &str, subject: &str, advice: &[String], report: Option<&str>) -> String {
    let completeness = model.completeness.as_ref();
    let alarms = model.findings.iter().filter(|finding| finding.is_alarm());
    let findings: Vec<_> = alarms
        .take(LISTED)
        .map(|one| json!({ "path": one.path, "verdict": one.word(), "reason": why(one) }))
        .collect();
    pretty(&json!({
        "schema": SCHEMA_NAME,
        "event": "result",
        "program": model.program,
        "version": model.version,
        "machine": machine,
        "job": model.plan.job,
        "result": model.exit_code.word(),
        "exit_code": model.exit_code as u8,
        "subject": subject,
        "headline": model.headline,
        "statement": model.assurance.as_ref().and_then(|found| found.sentence.clone()),
        "incomplete": incomplete(model),
        "error": model.error,
        "started": model.started.map(|time| format!("{time:.0}")),
        "finished": model.finished.map(|time| format!("{time:.0}")),
        "seconds": model.effort.total_seconds,
        "backup": { "place": model.backup.place, "format": model.backup.format, "taken": model.backup.taken },
        "counts": {
            "drawn": model.total(|counts| counts.drawn),
            "comparable": model.total(|counts| counts.comparable),
            "verified": model.total(|counts| counts.verified),
            "bad": model.total(|counts| counts.bad),
            "original_corrupt": model.total(|counts| counts.original_corrupt),
            "undecided": model.total(|counts| counts.undecided),
            "missing": completeness.map_or(0, |found| found.missing.len()),
            "unlisted_parts": model.damage.len(),
        },
        "findings": findings,
        "findings_total": model.total(|counts| counts.bad + counts.original_corrupt) + terminal::unlike(model),
        "next": advice,
        "report": report,
    }))
}

fn pretty(value: &serde_json::Value) -> String {
    // Writing to memory cannot fail.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
