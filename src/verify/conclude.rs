//! The end of the flow: what was seen becomes the outcome.
//!
//! In: what restoring and judging came to, and the plan. Out: an [`Outcome`]. What went wrong on
//! the way hides nothing of what was found.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::Duration;

use crate::backup::{Access, Damage, Description};
use crate::plan::{Plan, SampleSize};
use crate::platform::Timestamp;
use crate::stop::Stop;

use super::assurance::Assurance;
use super::catalog::Gate;
use super::comparable::{is_long_before, newest_content};
use super::judge::{Bench, LISTED_MAX, Pending, RECONSIDERED_MAX, Results};
use super::lose;
use super::outcome::{Counts, Effort, Finding, Incomplete, Outcome, Population, Sample};
use super::reason;
use super::sharing::Shared;
use super::verdict::Verdict;

/// What restoring and judging came to.
pub(super) struct Done {
    pub(super) population: Population,
    pub(super) wanted: u64,
    pub(super) drawn: u64,
    pub(super) damage: Vec<Damage>,
    pub(super) catalog_time: Duration,
    pub(super) verify_time: Duration,
}

const TOO_MANY_PENDING: &str = "so many originals differ or are newer than recorded, and were left alone for long, that not all were \
                                held against the newest time in the backup: stale copies may be among them";

/// Makes the outcome of all that was found.
pub(super) fn conclude(
    plan: &Plan,
    description: Description,
    bench: Bench<'_>,
    gate: &Gate<'_>,
    mut done: Done,
    stop: &Stop,
) -> Outcome {
    let mut results = bench.results.into_inner().unwrap_or_else(PoisonError::into_inner);
    let newest = newest_content(results.newest, description.taken);
    reconsider(&mut results, newest, plan.claims.backup_window);
    let is_cut_short = bench.pending.into_inner() > RECONSIDERED_MAX;
    let Results { counts, mut findings, hashed_bytes, lost, .. } = results;
    lose(&mut done.damage, lost);
    findings.sort_by(|one, other| one.path.cmp(&other.path));
    let broken = bench.broken.into_inner();
    let ended = match () {
        () if broken.is_some() => Some(Incomplete::RestoreFolder),
        () if bench.out_of_budget.into_inner() => Some(Incomplete::Budget),
        () if stop.is_late() => Some(Incomplete::TimeLimit),
        () if stop.is_set() => Some(Incomplete::Interrupted),
        () => None,
    };
    let assurance = assure(plan, description.access, &done, &counts, ended);
    let incomplete = incomplete(plan, &done, &counts, assurance, ended)
        .or(is_cut_short.then_some(Incomplete::TooManyUndecided));
    let mut notes: Vec<String> = broken.iter().map(|error| broken_folder(plan, error)).collect();
    notes.extend(bench.shared.iter().flat_map(Shared::notes));
    notes.extend(beyond_the_list(&counts, &findings));
    if is_cut_short {
        notes.push(TOO_MANY_PENDING.to_owned());
    }
    let Done { mut population, wanted, drawn, damage, catalog_time, verify_time } = done;
    let Sorted { bad, denied, aside } = sort_out(gate, damage);
    population.unlisted = aside.len() as u64;
    notes.extend(aside);
    Outcome {
        backup: description,
        assurance,
        population,
        sample: Sample {
            strategy: if plan.draw.sample == SampleSize::All { "all" } else { "random" },
            seed: plan.draw.seed.clone(),
            wanted,
            drawn: counts.looked_at(),
            replacements: drawn.saturating_sub(wanted).min(counts.looked_at()),
        },
        counts,
        findings,
        completeness: None,
        damage: bad,
        denied,
        incomplete,
        notes,
        effort: Effort {
            catalog: catalog_time,
            verify: verify_time,
            total: catalog_time + verify_time,
            restored_bytes: bench.restored_bytes.into_inner(),
            hashed_bytes,
            cached_bytes: None,
            hash: plan.engine.hash,
            threads: plan.engine.threads,
        },
    }
}

/// What a person is told of a restore folder that failed.
fn broken_folder(plan: &Plan, error: &std::io::Error) -> String {
    let place = plan.target.restore_to.display();
    format!(
        "cannot write to the restore folder {place}: {error}; free some space, or name another with --restore-to"
    )
}

/// Looks again at picks that could not be compared by their own times. Their originals may have
/// been left alone since before the backup, which shows once the newest time in it is known: then
/// they are comparable, and a difference is the backup's.
fn reconsider(results: &mut Results, newest: Option<Timestamp>, window: Duration) {
    let mut stale = HashMap::new();
    for Pending { touched, noted, path } in std::mem::take(&mut results.pending) {
        if !is_long_before(touched, newest, window) {
            continue;
        }
        let is_known = noted.0.is_bad() || noted.0 == Verdict::Verified;
        let instead = if is_known { noted.0 } else { Verdict::Stale };
        results.counts.reconsider(noted, instead);
        stale.extend(path.filter(|_| !is_known).map(|path| (path, touched)));
    }
    for finding in &mut results.findings {
        if let Some(touched) = stale.remove(&finding.path) {
            finding.verdict = Verdict::Stale;
            finding.comparable = true;
            finding.reason = reason::stale(touched, newest);
        }
    }
    // Beyond what is listed of undecided picks, only the path is known.
    let more = LISTED_MAX.saturating_sub(listed(&results.findings, Verdict::is_alarm));
    let more = stale.into_iter().take(usize::try_from(more).unwrap_or(usize::MAX));
    results.findings.extend(more.map(|(path, touched)| Finding {
        comparable: true,
        reason: reason::stale(touched, newest),
        ..Finding::new(&path, Verdict::Stale)
    }));
}

fn listed(findings: &[Finding], which: impl Fn(Verdict) -> bool) -> u64 {
    findings.iter().filter(|finding| which(finding.verdict)).count() as u64
}

/// Notes on what was found but is not listed.
fn beyond_the_list(counts: &Counts, findings: &[Finding]) -> Vec<String> {
    let is_open = |verdict: Verdict| !verdict.is_decided();
    let kinds: [(&str, &dyn Fn(Verdict) -> bool); 2] =
        [("alarms", &Verdict::is_alarm), ("undecided picks", &is_open)];
    let mut notes = Vec::new();
    for (what, which) in kinds {
        let total = counts.sum(which);
        let listed = listed(findings, which);
        if total > listed {
            notes.push(format!("of {total} {what}, {listed} are listed"));
        }
    }
    notes
}

/// Damage by what it means for the run.
struct Sorted {
    /// A failure.
    bad: Vec<String>,
    /// What this account may not list: doubt, but no proof that it is bad.
    denied: Vec<String>,
    /// Notes on what is no concern of this run, because its filters and sources leave it out.
    aside: Vec<String>,
}

fn sort_out(gate: &Gate<'_>, damage: Vec<Damage>) -> Sorted {
    let mut sorted = Sorted { bad: Vec::new(), denied: Vec::new(), aside: Vec::new() };
    for damage in damage {
        if !gate.concerns(&damage) {
            sorted.aside.push(format!("no concern of this run, by its filters and sources: {damage}"));
        } else if damage.denied {
            sorted.denied.push(damage.problem);
        } else {
            sorted.bad.push(damage.problem);
        }
    }
    sorted
}

/// The statement, where there is a sample to make it of. A run over everything, or over an archive
/// front to back, that ends early has seen the front of it, which is no random sample; nor is there
/// a statement about a population that was not listed to its end.
///
/// Picks that were under way when a run was ended count as comparable and bad: a file that keeps a
/// disk busy may be the bad one. At most one a thread is under way.
fn assure(
    plan: &Plan,
    access: Access,
    done: &Done,
    counts: &Counts,
    ended: Option<Incomplete>,
) -> Option<Assurance> {
    let in_order =
        plan.draw.sample == SampleSize::All || access == Access::Sequential || plan.engine.in_place_order;
    let cut_off = if ended.is_some() { cut_off(done.drawn, counts, plan.engine.threads) } else { 0 };
    let is_cut = ended.is_some() && done.drawn > counts.looked_at();
    if !done.population.whole || (in_order && is_cut) {
        return None;
    }
    Assurance::of(done.population.files, counts, cut_off, plan.claims.confidence)
}

/// How many picks may have been under way when a run was ended.
pub(super) fn cut_off(drawn: u64, counts: &Counts, threads: usize) -> u64 {
    drawn.saturating_sub(counts.looked_at()).min(threads as u64)
}

/// Why less was proven than asked for, if so.
fn incomplete(
    plan: &Plan,
    done: &Done,
    counts: &Counts,
    assurance: Option<Assurance>,
    ended: Option<Incomplete>,
) -> Option<Incomplete> {
    if ended == Some(Incomplete::RestoreFolder) {
        return ended;
    }
    let (comparable, looked_at) = (counts.comparable(), counts.looked_at());
    let files = done.population.files.max(1);
    let is_everything = done.population.whole && looked_at >= files;
    let is_enough = match plan.draw.sample {
        // The bound itself says whether it was enough.
        SampleSize::Tolerance(_) => is_everything || comparable >= done.wanted.max(1),
        // Where every file was asked for, nothing can replace those that cannot be compared.
        _ if done.wanted >= files => is_everything,
        _ => comparable >= done.wanted.max(1),
    };
    if !is_enough || !done.population.whole {
        return Some(ended.unwrap_or(Incomplete::TooFewComparable));
    }
    if is_more_than(plan.claims.max_undecided, counts.undecided(), looked_at) {
        return Some(Incomplete::TooManyUndecided);
    }
    // The original says that it was not modified, and yet nobody can tell whether the copy is good.
    if counts.unresolved() > 0 {
        return Some(Incomplete::Unresolved);
    }
    match plan.draw.sample {
        SampleSize::Tolerance(tolerance) if !assurance.is_some_and(|found| found.rules_out(tolerance)) => {
            Some(Incomplete::ToleranceNotMet)
        }
        _ => None,
    }
}

/// Whether `part` is a larger share of `whole` than `share`.
#[expect(clippy::cast_precision_loss, reason = "counts of files are exact below 2^53")]
fn is_more_than(share: f64, part: u64, whole: u64) -> bool {
    part as f64 > share * whole as f64 + 1e-9
}
