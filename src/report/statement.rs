//! The sentences that several reports share: what was found, what it proves, what is missing.

use crate::exit::ExitCode;
use crate::verify::outcome::{Incomplete, Outcome};
use crate::verify::verdict::Verdict;
use crate::words;

use super::completeness;

/// What was found, in one sentence: `498 of 500 identical, 2 bad in the backup.`
pub(super) fn headline(outcome: &Outcome) -> String {
    let counts = &outcome.counts;
    let conclusive = counts.conclusive();
    let mut parts = Vec::new();
    if conclusive > 0 {
        let verified = words::count(counts.of(Verdict::Verified));
        parts.push(format!("{verified} of {} identical", words::count(conclusive)));
    } else if outcome.population.files == 0 && outcome.population.whole {
        parts.push("There is no file to verify".to_owned());
    } else {
        parts.push("No file could be compared".to_owned());
    }
    let asked_for = outcome.completeness.as_ref().filter(|found| found.asked_for);
    let missing = asked_for.map_or(0, |found| found.missing.len() as u64);
    let originals = counts.of(Verdict::OriginalCorrupt);
    let damaged = outcome.damage.len() as u64;
    for (number, what) in [
        (counts.bad(), "bad in the backup".to_owned()),
        (originals, if originals == 1 { "original corrupt" } else { "originals corrupt" }.to_owned()),
        (missing, "missing from the backup".to_owned()),
        (damaged, if damaged == 1 { "part cannot be listed" } else { "parts cannot be listed" }.to_owned()),
    ] {
        if number > 0 {
            parts.push(format!("{} {what}", words::count(number)));
        }
    }
    let warning = completeness::warning(outcome).map_or_else(String::new, |warning| format!(" {warning}"));
    format!("{}.{warning}", parts.join(", "))
}

/// What the sample proves about the whole, where it proves anything.
pub(super) fn assurance(outcome: &Outcome) -> Option<String> {
    outcome.assurance.map(|assurance| assurance.sentence(&place(outcome)))
}

/// Why less was verified than asked for, where that is so.
pub(super) fn incomplete(outcome: &Outcome) -> Option<String> {
    let reason = match outcome.incomplete {
        Some(Incomplete::Interrupted) => "The run was interrupted",
        Some(Incomplete::TimeLimit) => "The time limit ended the run",
        Some(Incomplete::Budget) => "The byte budget ended the run",
        Some(Incomplete::RestoreFolder) => "The restore folder failed",
        Some(Incomplete::TooFewConclusive) => "Too many files changed, vanished or could not be read",
        None if outcome.exit_code() == ExitCode::Incomplete => {
            let doubt = completeness::doubt(outcome).filter(|_| outcome.counts.conclusive() > 0);
            return Some(doubt.unwrap_or_else(|| "So nothing is proven.".to_owned()));
        }
        None => return None,
    };
    let (conclusive, files) = (outcome.counts.conclusive(), outcome.population.files);
    // How many were wanted depends on how many there are.
    if !outcome.population.whole {
        let were = if conclusive == 1 { "was" } else { "were" };
        return Some(match files {
            0 => format!("{reason} before anything was listed."),
            _ => format!(
                "{reason}: {} {were} compared. The backup was not listed to its end: there are at least {} to verify.",
                words::counted(conclusive, "file"),
                words::counted(files, "file")
            ),
        });
    }
    let compared = words::count(conclusive);
    Some(format!(
        "{reason}: {compared} of {} wanted were compared.",
        words::counted(outcome.sample.wanted, "file")
    ))
}

/// Picks that proved nothing, by verdict: `12 picks proved nothing (10 changed, 2 deleted); 12 others
/// took their place.`
pub(super) fn inconclusive(outcome: &Outcome) -> Option<String> {
    let counts = &outcome.counts;
    if counts.inconclusive() == 0 {
        return None;
    }
    let kinds = [Verdict::Changed, Verdict::Deleted, Verdict::Unreadable];
    let kinds: Vec<String> = kinds
        .into_iter()
        .filter(|&verdict| counts.of(verdict) > 0)
        .map(|verdict| format!("{} {}", words::count(counts.of(verdict)), verdict.word()))
        .collect();
    let replaced = match outcome.sample.replacements {
        0 => "none was replaced".to_owned(),
        1 => "1 other took their place".to_owned(),
        number => format!("{} others took their place", words::count(number)),
    };
    let picks = words::counted(counts.inconclusive(), "pick");
    Some(format!("{picks} proved nothing ({}); {replaced}.", kinds.join(", ")))
}

/// Which files the statement is about.
fn place(outcome: &Outcome) -> String {
    let Outcome { population, damage, .. } = outcome;
    let limits = [
        (!damage.is_empty(), "that can be listed"),
        (population.filtered > 0, "that pass the filters"),
        (population.unmapped > 0, "whose originals are named"),
    ];
    let limits: Vec<&str> = limits.into_iter().filter(|(holds, _)| *holds).map(|(_, words)| words).collect();
    match limits[..] {
        [] if population.unlisted > 0 => "that this run is about".to_owned(),
        [] => "in this backup".to_owned(),
        [one] => one.to_owned(),
        [one, other] => format!("{one} and {other}"),
        [.., last] => format!("{} and {last}", limits[..limits.len() - 1].join(", ")),
    }
}
