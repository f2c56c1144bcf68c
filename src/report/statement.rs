//! The sentences that several reports share: what was found, what it proves, what is missing.

use crate::exit::ExitCode;
use crate::verify::outcome::{Incomplete, Outcome};
use crate::verify::verdict::Verdict;
use crate::words;

use super::completeness;

/// What was found, in one sentence: `498 of 500 identical, 2 bad in the backup; 500 of 560 drawn
/// could be compared.`
pub(super) fn headline(outcome: &Outcome) -> String {
    let counts = &outcome.counts;
    let comparable = counts.comparable();
    let mut parts = Vec::new();
    // What is bad counts, whatever became of its original.
    let compared = comparable + counts.bad() - counts.comparable_bad();
    if compared > 0 {
        let verified = words::count(counts.comparable_of(Verdict::Verified));
        parts.push(format!("{verified} of {} identical", words::count(compared)));
    } else if outcome.population.files == 0 && outcome.population.whole {
        parts.push("There is no file to verify".to_owned());
    } else {
        parts.push("No file could be compared".to_owned());
    }
    let asked_for = outcome.completeness.as_ref().filter(|found| found.asked_for);
    let missing = asked_for.map_or(0, |found| found.missing.len() as u64);
    let originals = counts.of(Verdict::OriginalCorrupt);
    let damaged = outcome.damage.len() as u64;
    let denied = outcome.denied.len() as u64;
    for (number, what) in [
        (counts.bad(), "bad in the backup".to_owned()),
        (originals, if originals == 1 { "original corrupt" } else { "originals corrupt" }.to_owned()),
        (missing, "missing from the backup".to_owned()),
        (damaged, if damaged == 1 { "part cannot be listed" } else { "parts cannot be listed" }.to_owned()),
        (
            denied,
            if denied == 1 { "folder may not be listed" } else { "folders may not be listed" }.to_owned(),
        ),
    ] {
        if number > 0 {
            parts.push(format!("{} {what}", words::count(number)));
        }
    }
    let drawn = match counts.outside() {
        outside if outside > 0 && comparable > 0 => {
            let (comparable, drawn) = (words::count(comparable), words::count(counts.looked_at()));
            format!("; {comparable} of {drawn} drawn could be compared")
        }
        _ => String::new(),
    };
    let warning = completeness::warning(outcome).map_or_else(String::new, |warning| format!(" {warning}"));
    format!("{}{drawn}.{warning}", parts.join(", "))
}

/// What the sample proves about the whole, where it proves anything.
pub(super) fn assurance(outcome: &Outcome) -> Option<String> {
    outcome.assurance.map(|assurance| assurance.sentence(&which(outcome)))
}

/// Why less was verified than asked for, where that is so.
pub(super) fn incomplete(outcome: &Outcome) -> Option<String> {
    let reason = match outcome.incomplete {
        Some(Incomplete::Interrupted) => "The run was interrupted",
        Some(Incomplete::TimeLimit) => "The time limit ended the run",
        Some(Incomplete::Budget) => "The byte budget ended the run",
        Some(Incomplete::RestoreFolder) => "The restore folder failed",
        Some(Incomplete::TooFewComparable) => "Too few files could be compared",
        Some(Incomplete::TooManyUndecided) => {
            let (open, drawn) = (outcome.counts.undecided(), outcome.counts.looked_at());
            let is_unreadable = 2 * outcome.counts.of(Verdict::Unreadable) > open;
            let hint = match outcome.exit_code() {
                ExitCode::Incomplete if is_unreadable => {
                    " The reasons below say what is lacking: permission, room (--restore-to), a password or a method."
                }
                ExitCode::Incomplete => {
                    " Verify sooner after the backup, or against a snapshot; if the originals cannot have changed, say so by \
                     --assume-unchanged."
                }
                _ => "",
            };
            return Some(format!(
                "{} of {} drawn prove nothing, which is more than --max-undecided allows.{hint}",
                words::count(open),
                words::count(drawn)
            ));
        }
        Some(Incomplete::Unresolved) => {
            let open = outcome.counts.unresolved();
            return Some(format!(
                "Of {} nobody can tell whether it is good, though the original was not modified: look at what is listed below.",
                words::counted(open, "file")
            ));
        }
        Some(Incomplete::ToleranceNotMet) => {
            return Some("The sample does not rule out the tolerance that was asked for.".to_owned());
        }
        None if outcome.exit_code() == ExitCode::Incomplete => {
            if !outcome.denied.is_empty() && outcome.counts.comparable() > 0 {
                return Some("Nothing is known of what is in folders that may not be listed.".to_owned());
            }
            let doubt = completeness::doubt(outcome).filter(|_| outcome.counts.comparable() > 0);
            return Some(doubt.unwrap_or_else(|| "So nothing is proven.".to_owned()));
        }
        None => return None,
    };
    let (compared, files) = (outcome.counts.comparable(), outcome.population.files);
    // How many were wanted depends on how many there are.
    if !outcome.population.whole {
        let were = if compared == 1 { "was" } else { "were" };
        return Some(match files {
            0 => format!("{reason} before anything was listed."),
            _ => format!(
                "{reason}: {} {were} compared. The backup was not listed to its end: there are at least {} to verify.",
                words::counted(compared, "file"),
                words::counted(files, "file")
            ),
        });
    }
    let compared = words::count(compared);
    Some(format!(
        "{reason}: {compared} of {} wanted were compared.",
        words::counted(outcome.sample.wanted, "file")
    ))
}

/// The picks that the statement is not about, and those that it counts as bad though nobody knows.
pub(super) fn rest(outcome: &Outcome) -> Option<String> {
    let counts = &outcome.counts;
    let mut sentences = Vec::new();
    if counts.outside() > 0 {
        let identical = counts.outside_of(Verdict::Verified);
        let modified = identical + counts.outside_of(Verdict::Changed);
        let all_the_same = match identical {
            0 => String::new(),
            number => format!(" (of which {} are identical all the same)", words::count(number)),
        };
        let kinds = [
            (modified, format!("modified as far as times tell{all_the_same}")),
            (counts.outside_of(Verdict::Deleted), "deleted".to_owned()),
            (counts.outside_of(Verdict::Unreadable), "unreadable".to_owned()),
            (counts.bad() - counts.comparable_bad(), "bad whatever became of the original".to_owned()),
        ];
        let kinds: Vec<String> = kinds
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, what)| format!("{} {what}", words::count(number)))
            .collect();
        sentences.push(format!(
            "{} of {} drawn ({}) could not be compared: {}. Nothing is said about such files.",
            words::count(counts.outside()),
            words::count(counts.looked_at()),
            words::percent_about(counts.outside(), counts.looked_at()),
            kinds.join(", ")
        ));
    }
    if counts.unresolved() > 0 {
        sentences.push(format!(
            "{} could not be decided; each counts as bad in the statement.",
            words::counted(counts.unresolved(), "comparable file")
        ));
    }
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

/// Which files the statement is about.
fn which(outcome: &Outcome) -> String {
    let Outcome { population, damage, denied, .. } = outcome;
    let limits = [
        (!damage.is_empty() || !denied.is_empty() || population.unlisted > 0, "that can be listed"),
        (population.filtered > 0, "that pass the filters"),
        (population.unmapped > 0, "whose originals are named"),
        (true, "whose originals have not been modified since the backup"),
    ];
    let limits: Vec<&str> = limits.into_iter().filter(|(holds, _)| *holds).map(|(_, words)| words).collect();
    match limits[..] {
        [one] => one.to_owned(),
        [one, other] => format!("{one} and {other}"),
        [..] => format!("{} and {}", limits[..limits.len() - 1].join(", "), limits[limits.len() - 1]),
    }
}
