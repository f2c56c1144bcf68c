//! The end of the flow: turns what was found into the outcome.
//!
//! In: the plan, the description of the backup, and the [`Tally`] of a run or of its merged parts.
//! Out: an [`Outcome`]. This is a pure function: it reads no file, no clock and no environment. A
//! run that was ended early still reports everything that it found.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::backup::Description;
use crate::plan::{Plan, SampleSize};
use crate::platform::Timestamp;

use super::arrivals::Arrivals;
use super::comparable::{is_long_before, newest_content};
use super::counts::Counts;
use super::outcome::{Effort, Incomplete, Outcome, SampleSummary};
use super::reason;
use super::record::PickRecord;
use super::statement::Statement;
use super::strategy::{self, Strategy};
use super::tally::{LISTED_MAX, Pending, PickTally, RECONSIDERED_MAX, Tally};
use super::verdict::Verdict;

const TOO_MANY_PENDING: &str = "too many originals differ or are newer than recorded, and were left alone for long: not all of them were \
                                compared with the newest time in the backup, so stale copies may be among them";

const ALL_EMPTY: &str = "every file is empty, and strategy size draws bytes: nothing was drawn";

/// Makes the outcome from everything that was found.
pub fn conclude(plan: &Plan, backup: Description, mut tally: Tally) -> Outcome {
    let newest = newest_content(tally.picks.newest, backup.taken_at());
    reconsider(&mut tally.picks, newest, plan.claims.backup_window);
    tally.picks.findings.sort_by(|one, other| one.path.cmp(&other.path));
    let is_cut_short = tally.picks.pending_seen > RECONSIDERED_MAX;
    tally.damage.extend(undelivered(&tally));
    let strategy = strategy::of(&plan.draw);
    let assurance = strategy.bound(&tally, plan.claims.confidence);
    let incomplete = incomplete(plan, strategy, &tally, assurance)
        .or(is_cut_short.then_some(Incomplete::TooManyUndecided));
    let Tally { picks, population, wanted, drawn, damage, gaps, mut notes, arrivals, .. } = tally;
    let PickTally { counts, beside, findings, restored_bytes, hashed_bytes, known, .. } = picks;
    notes.extend(known.notes());
    let mut all = counts.clone();
    all.merge(&beside);
    notes.extend(notes_on_unlisted_findings(&all, &findings));
    notes.extend(arrivals.iter().filter(|arrivals| arrivals.is_empty()).map(|_| ALL_EMPTY.to_owned()));
    // What was drawn without any replacement.
    let first = arrivals.as_ref().map_or(wanted, Arrivals::first_files);
    notes.extend(is_cut_short.then(|| TOO_MANY_PENDING.to_owned()));
    Outcome {
        backup,
        assurance,
        population,
        sample: SampleSummary {
            strategy: strategy.name(),
            seed: plan.draw.seed.clone(),
            wanted,
            drawn: counts.looked_at(),
            sessions: tally.sessions.max(1),
            judged_before: tally.judged_before,
            replacements: drawn.saturating_sub(first).min(counts.looked_at()),
        },
        counts,
        known,
        beside: tally.beside.map(|_| beside),
        findings,
        completeness: None,
        damage,
        gaps,
        incomplete,
        notes,
        effort: Effort {
            catalog: tally.catalog_time,
            verify: tally.verify_time,
            total: tally.catalog_time + tally.verify_time,
            restored_bytes,
            hashed_bytes,
            cached_bytes: None,
            hash: plan.engine.hash,
            threads: plan.engine.threads,
        },
    }
}

/// The damage that picks are which never came, though nothing ended the run. They are not among
/// the verdicts, so without this a backup that silently leaves files out would pass.
fn undelivered(tally: &Tally) -> Option<String> {
    let missing = tally.missing();
    (missing > 0 && tally.ended.is_none()).then(|| {
        format!(
            "{missing} of {} files that were to be restored never came, and nothing says why: the backup is damaged, or \
             what reads it is at fault",
            tally.drawn + tally.beside.map_or(0, |beside| beside.drawn)
        )
    })
}

/// Looks again at picks that their own times left undecided. Their originals may have been left
/// alone since before the backup was taken. That shows once the newest time in the backup is known.
/// Then the picks are comparable, and a difference is the backup's fault.
fn reconsider(picks: &mut PickTally, newest: Option<Timestamp>, window: Duration) {
    let (mut stale, mut instead_of) = (BTreeMap::new(), HashMap::new());
    for Pending { touched, noted, path, beside, key } in std::mem::take(&mut picks.pending) {
        if !is_long_before(touched, newest, window) {
            continue;
        }
        // A copy that was verified by a known hash, and that differs from its original, is of an
        // older version than the backup should hold.
        let is_known = noted.0.is_bad() || (noted.0 == Verdict::Verified && path.is_none());
        let instead = if is_known { noted.0 } else { Verdict::Stale };
        let counts = if beside { &mut picks.beside } else { &mut picks.counts };
        counts.reconsider(noted, instead);
        instead_of.insert(key, instead);
        stale.extend(path.filter(|_| !is_known).map(|path| (path, (touched, beside))));
    }
    for pick in &mut picks.answering {
        if let Some(&verdict) = instead_of.get(&pick.key()) {
            (pick.verdict, pick.comparable) = (verdict, true);
        }
    }
    for finding in &mut picks.findings {
        if let Some((touched, _)) = stale.remove(&finding.path) {
            finding.verdict = Verdict::Stale;
            finding.comparable = true;
            finding.reason = reason::stale(touched, newest);
        }
    }
    // For picks beyond the limit on listed undecided ones, only the path is known.
    let more = LISTED_MAX.saturating_sub(listed(&picks.findings, Verdict::is_alarm));
    let more = stale.into_iter().take(usize::try_from(more).unwrap_or(usize::MAX));
    picks.findings.extend(more.map(|(path, (touched, beside))| PickRecord {
        comparable: true,
        beside,
        reason: reason::stale(touched, newest),
        ..PickRecord::new(&path, Verdict::Stale)
    }));
}

fn listed(findings: &[PickRecord], which: impl Fn(Verdict) -> bool) -> u64 {
    findings.iter().filter(|finding| which(finding.verdict)).count() as u64
}

/// Notes about findings that were counted but not listed.
fn notes_on_unlisted_findings(counts: &Counts, findings: &[PickRecord]) -> Vec<String> {
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

/// Why less was proved than asked for, if so.
fn incomplete(
    plan: &Plan,
    strategy: &dyn Strategy,
    tally: &Tally,
    assurance: Option<Statement>,
) -> Option<Incomplete> {
    let ended = tally.ended;
    if ended == Some(Incomplete::RestoreFolder) {
        return ended;
    }
    if !strategy.is_enough(tally) || !tally.population.whole {
        return Some(ended.unwrap_or(Incomplete::TooFewComparable));
    }
    // Nothing that was to be judged beside the sample may be left out, either.
    let is_cut = tally.beside.is_some_and(|beside| !beside.is_done || tally.missing() > 0);
    if let Some(ended) = ended.filter(|_| is_cut) {
        return Some(ended);
    }
    if strategy.is_undecided(tally, plan.claims.max_undecided) {
        return Some(Incomplete::TooManyUndecided);
    }
    // The times say that the original was not modified, and still nobody can tell whether the copy
    // is good.
    if tally.picks.counts.unresolved() > 0 {
        return Some(Incomplete::Unresolved);
    }
    match plan.draw.sample {
        SampleSize::Tolerance(tolerance) if !assurance.is_some_and(|found| found.rules_out(tolerance)) => {
            Some(Incomplete::ToleranceNotMet)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::SystemTime;

    use proptest::prelude::*;

    use super::*;
    use crate::exit::ExitCode;
    use crate::plan::Target;
    use crate::verify::tests::description;

    fn plan() -> Plan {
        let path = PathBuf::from("x");
        let target = Target {
            backup: path.clone().into(),
            sources: vec![path.clone()],
            maps: Vec::new(),
            restore_to: path,
        };
        Plan::new(target, "s".to_owned(), SystemTime::UNIX_EPOCH)
    }

    /// The tally of judging these picks, of a draw of `wanted`. Each pick is the number of its
    /// verdict, and whether it could be compared.
    fn tally(picks: &[(usize, bool)], first: usize, wanted: usize) -> Tally {
        let mut tally = Tally { wanted: wanted as u64, drawn: picks.len() as u64, ..Tally::default() };
        tally.population.files = wanted as u64 * 10;
        tally.population.whole = true;
        for (number, &(verdict, comparable)) in picks.iter().enumerate() {
            let path = format!("{:05}", first + number);
            let verdict = Verdict::ALL[verdict];
            tally.picks.counts.add(verdict, comparable);
            tally.picks.restored_bytes += 10;
            if verdict != Verdict::Verified {
                tally.picks.findings.push(PickRecord::new(path.as_bytes(), verdict));
            }
        }
        tally
    }

    #[test]
    fn picks_that_never_came_are_damage_unless_the_run_was_ended() {
        let mut short = tally(&[(Verdict::Verified as usize, true); 99], 0, 100);
        short.drawn = 100;
        let found = conclude(&plan(), description(), short.clone());
        assert_eq!(found.exit_code(), ExitCode::IntegrityFailure);
        assert!(found.damage[0].starts_with("1 of 100 files that were to be restored never came"));
        let ended = Tally { ended: Some(Incomplete::Budget), ..short };
        let found = conclude(&plan(), description(), ended);
        assert_eq!((found.exit_code(), found.damage.len()), (ExitCode::Incomplete, 0));
    }

    proptest! {
        #[test]
        fn parts_of_a_draw_conclude_as_the_whole_does(
            picks in prop::collection::vec((0..Verdict::ALL.len(), any::<bool>()), 1..200),
            at in any::<prop::sample::Index>(),
        ) {
            let at = at.index(picks.len());
            let mut parts = tally(&picks[..at], 0, picks.len());
            parts.merge(tally(&picks[at..], at, picks.len())).unwrap();
            let whole = tally(&picks, 0, picks.len());
            let concluded = |tally| format!("{:#?}", conclude(&plan(), description(), tally));
            prop_assert_eq!(concluded(parts), concluded(whole));
        }
    }
}
