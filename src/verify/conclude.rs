//! The end of the flow: what was seen becomes the outcome.
//!
//! In: what restoring and judging came to, and the plan. Out: an [`Outcome`]. What went wrong on the way hides nothing of
//! what was found.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::Duration;

use crate::backup::{Access, Damage, Description};
use crate::plan::{Plan, SampleSize};
use crate::platform::Timestamp;
use crate::stop::Stop;

use super::assurance::Assurance;
use super::catalog::Gate;
use super::comparable::is_long_before;
use super::judge::{Bench, LISTED_MAX, Pending, Results};
use super::lose;
use super::outcome::{Counts, Effort, Incomplete, Outcome, Population, Sample};
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

/// Makes the outcome of all that was found.
pub(super) fn conclude(
    plan: &Plan,
    description: Description,
    bench: Bench<'_>,
    gate: &Gate<'_>,
    mut done: Done,
    stop: &Stop,
) -> Outcome {
    let newest = bench.newest.get().copied();
    let mut results = bench.results.into_inner().unwrap_or_else(PoisonError::into_inner);
    reconsider(&mut results, newest, plan.backup_window);
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
    let incomplete = incomplete(plan, &done, &counts, assurance, ended);
    let mut notes = Vec::new();
    if let Some(error) = broken {
        let place = plan.restore_to.display();
        notes.push(format!(
            "cannot write to the restore folder {place}: {error}; free some space, or name another with --restore-to"
        ));
    }
    notes.extend(bench.shared.iter().flat_map(Shared::notes));
    for (listed, what) in [(bench.alarms, "alarms"), (bench.undecided, "undecided picks")] {
        notes.extend(beyond_the_list(listed.into_inner(), what));
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
            strategy: if plan.sample == SampleSize::All { "all" } else { "random" },
            seed: plan.seed.clone(),
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
            hash: plan.hash,
            threads: plan.threads,
        },
    }
}

fn beyond_the_list(number: u64, what: &str) -> Option<String> {
    (number > LISTED_MAX).then(|| format!("of {number} {what}, {LISTED_MAX} are listed"))
}

/// Looks again at picks that could not be compared by their own times. Their originals may have been left alone since before
/// the backup, which shows once the newest time in it is known: then they are comparable, and a difference is the backup's.
fn reconsider(results: &mut Results, listed: Option<Timestamp>, window: Duration) {
    let newest = listed.max(results.newest);
    let mut stale = HashMap::new();
    for Pending { touched, noted, path } in std::mem::take(&mut results.pending) {
        if !is_long_before(touched, newest, window) {
            continue;
        }
        let instead = if noted.0 == Verdict::Verified { Verdict::Verified } else { Verdict::Stale };
        results.counts.reconsider(noted, instead);
        stale.extend(path.map(|path| (path, touched)));
    }
    for finding in &mut results.findings {
        if let Some(&touched) = stale.get(&finding.path) {
            finding.verdict = Verdict::Stale;
            finding.comparable = true;
            finding.reason = reason::stale_since(touched, newest);
        }
    }
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

/// The statement, where there is a sample to make it of. A run over everything, or over an archive front to back, that ends
/// early has seen the front of it, which is no random sample; nor is there a statement about a population that was not
/// listed to its end.
///
/// Picks that were under way when a run was ended count as comparable and bad: a file that keeps a disk busy may be the bad
/// one. At most one a thread is under way.
fn assure(
    plan: &Plan,
    access: Access,
    done: &Done,
    counts: &Counts,
    ended: Option<Incomplete>,
) -> Option<Assurance> {
    let in_order = plan.sample == SampleSize::All || access == Access::Sequential || plan.in_place_order;
    let cut_off = match ended {
        Some(_) => done.drawn.saturating_sub(counts.looked_at()).min(plan.threads as u64),
        None => 0,
    };
    let is_cut = ended.is_some() && done.drawn > counts.looked_at();
    if !done.population.whole || (in_order && is_cut) {
        return None;
    }
    Assurance::of(done.population.files, counts, cut_off, plan.confidence)
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
    let is_enough = match plan.sample {
        // The bound itself says whether it was enough.
        SampleSize::Tolerance(_) => is_everything || comparable >= done.wanted.max(1),
        // Where every file was asked for, nothing can replace those that cannot be compared.
        _ if done.wanted >= files => is_everything,
        _ => comparable >= done.wanted.max(1),
    };
    if !is_enough || !done.population.whole {
        return Some(ended.unwrap_or(Incomplete::TooFewComparable));
    }
    if is_more_than(plan.max_undecided, counts.undecided(), looked_at) {
        return Some(Incomplete::TooManyUndecided);
    }
    match plan.sample {
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
