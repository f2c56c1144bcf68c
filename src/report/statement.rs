//! The sentences that several reports share: what was found, what it proves, what is missing. All
//! of them are made from the numbers in the model.

use crate::exit::ExitCode;
use crate::verify::known_counts::KnownCounts;
use crate::verify::outcome::Incomplete;
use crate::verify::verdict::Verdict;
use crate::words;

use super::completeness;
use super::model::{CountsPart, FindingPart, Model, SnapshotsPart};

/// What was found, in one sentence: `498 of 500 identical, 2 bad in the backup; 500 of 560 drawn
/// could be compared.`
pub(super) fn headline(model: &Model) -> String {
    let mut parts = Vec::new();
    // Bad files are counted even if their originals changed.
    let compared = sum(model, |counts| counts.comparable + counts.outside_bad());
    if compared > 0 {
        parts.push(good(model, compared));
    } else if model.population.files == 0 && model.population.whole {
        parts.push("There is no file to verify".to_owned());
    } else {
        parts.push("No file could be compared".to_owned());
    }
    parts.extend(problems(model));
    let (comparable, drawn) = (sum(model, |counts| counts.comparable), sum(model, |counts| counts.drawn));
    let drawn = if sum(model, |counts| counts.outside) > 0 && comparable > 0 {
        let (comparable, drawn) = (words::count(comparable), words::count(drawn));
        format!("; {comparable} of {drawn} drawn could be compared")
    } else {
        String::new()
    };
    let warning = completeness::warning(model).map_or_else(String::new, |warning| format!(" {warning}"));
    format!("{}{drawn}.{warning}", parts.join(", "))
}

/// How many of the compared files are good. A file without an original is not called identical.
fn good(model: &Model, compared: u64) -> String {
    let verified = sum(model, |counts| counts.comparable_verified);
    let confirmed = model.snapshots.as_ref().map_or(0, |snapshots| snapshots.confirmed);
    let (good, of) = (words::count(verified), words::count(compared));
    match (verified.saturating_sub(confirmed), confirmed) {
        (_, 0) => format!("{good} of {of} identical"),
        (0, _) => format!("{good} of {of} restored as the repository stored them"),
        (identical, confirmed) => format!(
            "{good} of {of} good ({} identical to their originals, {} restored as the repository stored them)",
            words::count(identical),
            words::count(confirmed)
        ),
    }
}

/// A number of files in the sample and beside it.
pub(super) fn sum(model: &Model, of: impl Fn(&CountsPart) -> u64) -> u64 {
    model.total(of)
}

/// What is bad or in doubt, one phrase for each kind.
fn problems(model: &Model) -> Vec<String> {
    let asked_for = model.completeness.as_ref().filter(|found| found.asked_for);
    let missing = asked_for.map_or(0, |found| found.missing.len() as u64);
    let (damaged, denied) = (model.damage.len() as u64, model.denied.len() as u64);
    let (bad, corrupt) = (sum(model, |counts| counts.bad), sum(model, |counts| counts.original_corrupt));
    [
        (bad, format!("{} bad in the backup", words::count(bad))),
        (corrupt, format!("{} corrupt", words::counted(corrupt, "original"))),
        (missing, format!("{} missing from the backup", words::count(missing))),
        (damaged, format!("{} cannot be listed", words::counted(damaged, "part"))),
        (denied, format!("{} cannot be looked into", words::counted(denied, "part"))),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(_, text)| text)
    .collect()
}

/// What the sample proves about the whole backup, if it proves anything.
pub(super) fn assurance(model: &Model) -> Option<String> {
    model.assurance.as_ref()?.sentence.clone()
}

/// Which session of a resumed run this was, and how far the run is.
pub(super) fn session(model: &Model) -> Option<String> {
    let sample = &model.sample;
    if sample.sessions < 2 || model.error.is_some() {
        return None;
    }
    let now = words::counted(sample.drawn.saturating_sub(sample.judged_before), "file");
    let all = words::count(sample.wanted + sample.replacements);
    Some(format!(
        "This was session {} of the run: it looked at {now}, and all sessions together at {} of {all}.",
        words::count(sample.sessions),
        words::count(sample.drawn),
    ))
}

/// Why less was verified than was asked for. `None` if everything was verified.
pub fn incomplete(model: &Model) -> Option<String> {
    if model.error.is_some() {
        // The headline already says everything.
        return None;
    }
    let reason = match model.incomplete {
        Some(Incomplete::Interrupted) => "The run was interrupted",
        Some(Incomplete::TimeLimit) => "The time limit ended the run",
        Some(Incomplete::Budget) => "The byte budget ended the run",
        Some(Incomplete::RestoreFolder) => "The restore folder failed",
        Some(Incomplete::TooFewComparable) => "Too few files could be compared",
        Some(Incomplete::TooManyUndecided) => return Some(too_many_undecided(model)),
        Some(Incomplete::Unresolved) => {
            let files = words::counted(model.counts.unresolved, "file");
            let (copies, originals) = if model.counts.unresolved == 1 {
                ("the copy is good", "the original was")
            } else {
                ("the copies are good", "the originals were")
            };
            return Some(format!(
                "For {files} it cannot be told whether {copies}, although {originals} not modified: see the list below."
            ));
        }
        Some(Incomplete::ToleranceNotMet) => {
            return Some("The sample does not rule out the tolerance that was asked for.".to_owned());
        }
        None if model.exit_code == ExitCode::Incomplete => return Some(doubt(model)),
        None => return None,
    };
    Some(ended_early(model, reason))
}

/// Says that too many picks prove nothing, and what can be done about it.
fn too_many_undecided(model: &Model) -> String {
    let counts = &model.counts;
    let hint = match model.exit_code {
        ExitCode::Incomplete if 2 * counts.unreadable > counts.undecided => {
            " The reasons below say what is missing: permission, free space (--restore-to), a password or a compression method."
        }
        ExitCode::Incomplete if !has_originals(model) => " Nothing is known of the content of these files.",
        ExitCode::Incomplete => {
            " Verify sooner after the backup, or against a snapshot; if the originals cannot have changed, say so with \
             --assume-unchanged."
        }
        _ => "",
    };
    format!("{}, which is more than --max-undecided allows.{hint}", undecided(model))
}

/// How much proves nothing. Of the bytes of strategy `size`, it is those that are drawn; of the
/// files beside a sample, it is those that could not be read.
fn undecided(model: &Model) -> String {
    let counts = &model.counts;
    let is_too_many =
        |undecided: u64, all: u64| undecided as f64 > model.plan.max_undecided * all as f64 + 1e-9;
    let (undecided, drawn) = (words::count(counts.undecided), words::count(counts.drawn));
    match &model.beside {
        _ if is_too_many(counts.undecided, counts.drawn) => {
            format!("{undecided} of {drawn} drawn prove nothing")
        }
        Some(beside) => {
            let (unreadable, judged) = (words::count(beside.unreadable), words::count(beside.drawn));
            format!("{unreadable} of {judged} judged beside the sample could not be read or decided")
        }
        None if model.sample.strategy == "size" => {
            format!("{undecided} of {drawn} drawn prove nothing, and they hold a large part of the bytes")
        }
        None => format!("{undecided} of {drawn} drawn prove nothing"),
    }
}

/// Why a run that went to its end is not a pass, although nothing bad was found.
fn doubt(model: &Model) -> String {
    if model.counts.comparable == 0 {
        "This proves nothing.".to_owned()
    } else if !model.denied.is_empty() {
        "Nothing is known about the parts that cannot be looked into.".to_owned()
    } else {
        completeness::doubt(model).unwrap_or_else(|| "This proves nothing.".to_owned())
    }
}

/// Why a run ended early, and how many files it had compared by then.
fn ended_early(model: &Model, reason: &str) -> String {
    let (compared, files) = (model.counts.comparable, model.population.files);
    let were = if compared == 1 { "was" } else { "were" };
    // If the listing did not end, the number of wanted files is not known: it depends on how many
    // there are.
    if model.population.whole && model.sample.strategy == "size" {
        let wanted = words::counted(model.sample.wanted, "random byte");
        return format!(
            "{reason}: {} {were} compared, of those that {wanted} are in.",
            words::counted(compared, "file")
        );
    }
    if model.population.whole {
        let wanted = words::counted(model.sample.wanted, "file");
        let wanted = if model.beside.is_some() { format!("{wanted} at random") } else { wanted };
        return format!("{reason}: {} of {wanted} wanted {were} compared.", words::count(compared));
    }
    match files {
        0 => format!("{reason} before anything was listed."),
        _ => format!(
            "{reason}: {} {were} compared. The backup was not listed to its end: there are at least {} to verify.",
            words::counted(compared, "file"),
            words::counted(files, "file")
        ),
    }
}

/// What was judged beside the sample, if anything was.
pub(super) fn beside(model: &Model) -> Option<String> {
    let counts = model.beside.as_ref()?;
    if counts.drawn == 0 {
        return Some("No other file was judged beside these.".to_owned());
    }
    let others = counts.changed + counts.deleted + counts.unreadable;
    let kinds = [
        (counts.verified, "identical"),
        (counts.bad, "bad"),
        (counts.original_corrupt, "with a corrupt original"),
        (others, "not decided"),
    ];
    let kinds: Vec<String> = kinds
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{} {what}", words::count(number)))
        .collect();
    let (more, them) = if counts.drawn == 1 { ("file", "it") } else { ("files", "them") };
    Some(format!(
        "{} more {more}, judged longest ago or never before: {}. The statement does not rest on {them}.",
        words::count(counts.drawn),
        kinds.join(", "),
    ))
}

/// What the statement is not about: picks that could not be compared. Also the picks that it counts
/// as bad because they could not be decided.
pub(super) fn rest(model: &Model) -> Option<String> {
    if let Some(assurance) = &model.assurance {
        return assurance.rest.clone();
    }
    rest_of(model)
}

/// The same sentences, made from the numbers of the model.
pub(super) fn rest_of(model: &Model) -> Option<String> {
    let counts = &model.counts;
    let mut sentences = Vec::new();
    if counts.outside > 0 {
        let (changed, unreadable) = unresolved(model);
        let identical = counts.outside_verified;
        let modified = identical + counts.changed.saturating_sub(changed);
        let still = match identical {
            0 => String::new(),
            1 => " (of which 1 is still identical)".to_owned(),
            number => format!(" (of which {} are still identical)", words::count(number)),
        };
        let kinds = [
            (modified, format!("apparently modified since the backup{still}")),
            (
                counts.deleted,
                if has_originals(model) { "deleted" } else { "not known from before" }.to_owned(),
            ),
            (counts.unreadable.saturating_sub(unreadable), "unreadable".to_owned()),
            (counts.outside_bad(), "bad, whether or not the original changed".to_owned()),
        ];
        let kinds: Vec<String> = kinds
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, what)| format!("{} {what}", words::count(number)))
            .collect();
        sentences.push(format!(
            "{} of {} drawn ({}) could not be compared: {}. Nothing is claimed about such files.",
            words::count(counts.outside),
            words::count(counts.drawn),
            words::percent_about(counts.outside, counts.drawn),
            kinds.join(", ")
        ));
    }
    if counts.unresolved > 0 {
        let each = if counts.unresolved == 1 { "it" } else { "each" };
        sentences.push(format!(
            "{} could not be decided; {each} counts as bad in the statement.",
            words::counted(counts.unresolved, "comparable file")
        ));
    }
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

/// Of the comparable files that were not decided: how many differ, and how many could not be read
/// because the restore folder was full. (A file whose original is gone is not comparable.) If more
/// were found than are listed, this is the best estimate that the sums allow.
pub(super) fn unresolved(model: &Model) -> (u64, u64) {
    let counts = &model.counts;
    let unreadable = |one: &&FindingPart| one.comparable && !one.beside && one.verdict == Verdict::Unreadable;
    let listed = model.findings.iter().filter(unreadable);
    let at_least = counts.unresolved.saturating_sub(counts.changed);
    let unreadable = (listed.count() as u64).max(at_least).min(counts.unresolved);
    (counts.unresolved - unreadable, unreadable)
}

/// Which files the statement is about.
pub(super) fn which(model: &Model, known: &KnownCounts) -> String {
    let Model { population, damage, denied, snapshots, .. } = model;
    let compared = match snapshots {
        Some(snapshots) => of_snapshots(snapshots),
        None => comparable(model, known).to_owned(),
    };
    let limits = [
        (!damage.is_empty() || !denied.is_empty() || population.unlisted > 0, "that can be listed"),
        (population.filtered > 0, "that passed the filters"),
        (population.unmapped > 0, "with a source"),
        (true, &compared),
    ];
    let limits: Vec<&str> = limits.into_iter().filter(|(holds, _)| *holds).map(|(_, words)| words).collect();
    match limits[..] {
        [one] => one.to_owned(),
        [one, other] => format!("{one} and {other}"),
        [..] => format!("{} and {}", limits[..limits.len() - 1].join(", "), limits[limits.len() - 1]),
    }
}

/// The files of several snapshots.
fn of_snapshots(snapshots: &SnapshotsPart) -> String {
    let those = words::counted(snapshots.count, "snapshot");
    let by = &snapshots.confirmed_by;
    match snapshots.confirmed {
        0 => format!("of the {those} (each version once)"),
        _ => format!("of the {those} (each version once; {by} confirms those without an original)"),
    }
}

/// Whether the run had originals to compare with.
fn has_originals(model: &Model) -> bool {
    !model.plan.sources.is_empty() || !model.plan.maps.is_empty()
}

/// Which files are comparable: by times, or by what is known from before.
fn comparable(model: &Model, known: &KnownCounts) -> &'static str {
    match (has_originals(model), known.by_manifest > 0, known.by_ledger > 0) {
        (true, false, false) => "whose originals have not been modified since the backup",
        (true, true, false) => {
            "whose originals have not been modified since the backup or whose content is known from the manifest"
        }
        (true, false, true) => {
            "whose originals have not been modified since the backup or whose content is known from earlier runs"
        }
        (true, true, true) => {
            "whose originals have not been modified since the backup or whose content is known from the manifest or from \
             earlier runs"
        }
        (false, _, false) => "whose content is known from the manifest",
        (false, false, true) => "whose content is known from earlier runs",
        (false, true, true) => "whose content is known from the manifest or from earlier runs",
    }
}
