//! Ledgers that a few runs have written, and what they answer.

use std::path::Path;
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::history::coverage::{Amount, Tally};
use crate::history::run::{Run, RunState};
use crate::ledger::lock::{Locked, RunLock};
use crate::ledger::tests::{plan, record, verified};
use crate::ledger::{Ledger, Recorder, Start};
use crate::plan::{Map, Plan, Target};
use crate::platform::Timestamp as Moment;
use crate::report::{Model, samples};
use crate::verify::difference::{DamagePattern, Difference};
use crate::verify::verdict::Verdict;
use crate::verify::{Observer, PickRecord};

const DAY: u64 = 24 * 60 * 60;

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

/// A plan of `nightly` on `/b` that began so many days ago.
fn days_ago(days: u64) -> Plan {
    let started = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 - days * DAY);
    Plan { started, ..plan("/b", Some("nightly")) }
}

fn ledger(state: &Path) -> Ledger {
    Ledger::open_read_only(state).unwrap()
}

fn sized(path: &str, size: u64) -> PickRecord {
    PickRecord { restored_size: Some(size), ..verified(path) }
}

/// Records a run that ended with this outcome.
fn conclude(state: &Path, plan: &Plan, picks: &[PickRecord], outcome: &crate::verify::outcome::Outcome) {
    let recorder = Recorder::start(Ledger::open(state).unwrap(), plan, &Start::default());
    picks.iter().for_each(|pick| recorder.judged(pick));
    recorder.finish(&Model::new(plan, Ok(outcome))).unwrap();
}

fn all_runs(state: &Path, asked: &RunsAsked) -> Vec<Run> {
    runs(&ledger(state), asked).unwrap().runs
}

fn asked(text: &str) -> Asked {
    let entry = text.trim_start_matches('/').as_bytes().to_vec();
    Asked { text: text.to_owned(), original: text.as_bytes().to_vec(), entry }
}

#[test]
fn runs_come_newest_first_with_what_their_reports_say() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    conclude(state, &days_ago(3), &[], &samples::passed());
    conclude(state, &Plan { origin: crate::plan::Origin::default(), ..days_ago(2) }, &[], &samples::failed());
    record(state, &days_ago(1), &[]);
    let found = all_runs(state, &RunsAsked::default());
    let told: Vec<_> = found.iter().map(|run| (run.id, run.result, run.job.as_deref())).collect();
    let nightly = Some("nightly");
    assert_eq!(
        told,
        [(3, RunState::Unusable, nightly), (2, RunState::Fail, None), (1, RunState::Pass, nightly)]
    );
    assert_eq!((found[2].files, found[2].whole, found[2].undecided), (Some(10_000), true, Some(0)));
    assert_eq!(found[2].bound.as_ref().map(|bound| bound.at_most_bad_share), Some(0.0058));
    assert_eq!((found[0].headline.as_deref(), found[0].verified), (Some("it went away"), None));
    let only = RunsAsked { job: Some("nightly".into()), last: Some(1), ..RunsAsked::default() };
    let history = runs(&ledger(state), &only).unwrap();
    assert_eq!((history.runs.len(), history.older), (1, 1));
    let since = Timestamp::from_second(1_800_000_000).unwrap() - SignedDuration::from_hours(50);
    let since = RunsAsked { since: Some(since), ..RunsAsked::default() };
    assert_eq!(all_runs(state, &since).len(), 2);
}

#[test]
fn a_run_that_has_not_ended_is_running_only_while_its_lock_is_held() {
    let state = tempfile::tempdir().unwrap();
    let Locked::Ours(lock) = RunLock::take(state.path(), &days_ago(0)).unwrap() else { panic!("taken") };
    let start = Start { lock: Some(lock.name().to_owned()), ..Start::default() };
    let recorder = Recorder::start(Ledger::open(state.path()).unwrap(), &days_ago(0), &start);
    recorder.judged(&verified("a"));
    drop(recorder);
    let state_of = |state: &Path| all_runs(state, &RunsAsked::default())[0].result;
    assert_eq!(state_of(state.path()), RunState::Running);
    drop(lock);
    assert_eq!(state_of(state.path()), RunState::Killed);
}

#[test]
fn a_stored_report_is_read_back_and_what_has_none_says_why() {
    let state = tempfile::tempdir().unwrap();
    conclude(state.path(), &samples::plan(), &[], &samples::failed());
    let StoredReport::Found(model) = report(&ledger(state.path()), 1).unwrap() else { panic!("no report") };
    assert_eq!(*model, Model::new(&samples::plan(), Ok(&samples::failed())));
    assert!(matches!(report(&ledger(state.path()), 7).unwrap(), StoredReport::NoRun(Some((1, 1)))));
    drop(Recorder::start(Ledger::open(state.path()).unwrap(), &days_ago(0), &Start::default()));
    assert!(matches!(report(&ledger(state.path()), 2).unwrap(), StoredReport::None));
}

#[test]
fn a_file_is_found_by_its_path_in_the_backup_and_by_that_of_its_original() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    record(state, &days_ago(2), &[verified("home/ann/letter.txt"), verified("bob.txt")]);
    let target = Target {
        maps: vec![Map { from: b"C/Users".to_vec(), to: "/srv/users=old".into() }],
        ..days_ago(1).target
    };
    record(state, &Plan { target, ..days_ago(1) }, &[verified("C/Users/eve/x"), verified("letter.txt")]);
    let found = |text: &str| {
        let found = file(&ledger(state), &asked(text)).unwrap();
        found.files.into_iter().map(|file| file.path).collect::<Vec<_>>()
    };
    // The sources of both are /home: its name may be in the backup or not.
    assert_eq!(found("/home/ann/letter.txt"), ["home/ann/letter.txt"]);
    assert_eq!(found("home/ann/letter.txt"), ["home/ann/letter.txt"]);
    assert_eq!(found("/home/bob.txt"), ["bob.txt"]);
    assert_eq!(found("/srv/users=old/eve/x"), ["C/Users/eve/x"]);
    // A file of this name is in the other backup, but it is not the one that was asked for.
    assert_eq!(found("/srv/letter.txt"), [""; 0]);
    let never = file(&ledger(state), &asked("/home/ann/lettre.txt")).unwrap();
    assert_eq!(never.similar, ["home/ann/letter.txt", "letter.txt"]);
}

#[test]
fn every_judgment_of_a_file_is_told_with_what_is_known_of_it() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    let corrupt = PickRecord {
        reason: "the original has not been modified".to_owned(),
        hashes: verified("other").hashes,
        recorded_mtime: Some(Moment { seconds: 500, nanos: 0 }),
        restored_size: Some(12),
        difference: Some(Difference {
            first_offset: 4,
            differing_bytes: 1,
            differing_blocks: 1,
            looks_like: DamagePattern::Zeroed,
        }),
        ..PickRecord::new(b"a", Verdict::Corrupt)
    };
    record(state, &days_ago(3), &[verified("a")]);
    record(state, &days_ago(2), &[verified("a")]);
    record(state, &days_ago(1), &[corrupt]);
    record(state, &days_ago(0), &[verified("b")]);
    let found = file(&ledger(state), &asked("a")).unwrap().files.remove(0);
    let told: Vec<_> = found.judged.iter().map(|judged| (judged.run, judged.verdict, judged.size)).collect();
    assert_eq!(
        told,
        [(3, Verdict::Corrupt, Some(12)), (2, Verdict::Verified, Some(12)), (1, Verdict::Verified, None)]
    );
    let known = found.verified.unwrap();
    assert_eq!(known.algorithm.as_deref(), Some("blake3"));
    assert_eq!(known.hash, verified("a").hashes.map(|hashes| hashes.restored.to_string()));
    assert_eq!(found.judged[1].restored_hash, known.hash);
    assert_ne!(found.judged[0].restored_hash, known.hash);
    assert!(
        found.judged[0].reason.ends_with("; the original has not been modified"),
        "{:?}",
        found.judged[0]
    );
}

#[test]
fn coverage_counts_each_file_once_in_the_windows_of_its_last_verification() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    record(state, &days_ago(400), &[sized("old", 1_000)]);
    record(state, &days_ago(100), &[sized("a", 1), sized("b", 10)]);
    record(state, &days_ago(20), &[sized("a", 1)]);
    // What is bad or gone now was verified before all the same.
    conclude(
        state,
        &days_ago(1),
        &[sized("c", 100), PickRecord::new(b"b", Verdict::Deleted), PickRecord::new(b"d", Verdict::Changed)],
        &samples::passed(),
    );
    let target = targets(&ledger(state), Some("nightly")).unwrap();
    let found = remembered(&ledger(state), target[0], now()).unwrap();
    let amount = |files, bytes| Amount { files, bytes: Some(bytes) };
    assert_eq!(found.windows, [amount(1, 100), amount(2, 101), amount(2, 101), amount(3, 111)]);
    assert_eq!((found.ever, found.judged), (amount(4, 1_111), 5));
    assert_eq!(found.oldest.as_ref().unwrap().path, "old");
    assert_eq!(found.population.map(|(all, _)| all.files), Some(10_000));
    // A second backup in the same ledger changes nothing about this one.
    let other = Plan { started: days_ago(0).started, ..plan("/other", Some("other")) };
    record(state, &other, &[sized("a", 7), sized("x", 7)]);
    assert_eq!(remembered(&ledger(state), target[0], now()).unwrap(), found);
    assert_eq!(targets(&ledger(state), None).unwrap().len(), 2);
    assert_eq!(targets(&ledger(state), Some("never")).unwrap(), [0; 0]);
}

#[test]
fn a_run_over_a_few_files_by_hand_does_not_stand_for_the_whole_backup() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    let listed = |files: u64| {
        let mut outcome = samples::passed();
        outcome.population.files = files;
        outcome
    };
    conclude(state, &days_ago(4), &[], &listed(10_000));
    conclude(state, &days_ago(3), &[], &listed(9_000));
    let mut few = days_ago(2);
    few.draw.filters.include = vec!["docs/**".to_owned()];
    conclude(state, &few, &[], &listed(12));
    let found = remembered(&ledger(state), 1, now()).unwrap();
    assert_eq!(found.population.map(|(all, _)| all.files), Some(9_000));
}

#[test]
fn a_listing_is_looked_up_file_by_file() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    record(state, &days_ago(1), &[sized("a", 1), sized("gone", 5), PickRecord::new(b"d", Verdict::Changed)]);
    let files = Files::new(ledger(state), &days_ago(0).target).unwrap().unwrap();
    let mut tally = Tally::new(now(), 1);
    let listed: [&[u8]; 3] = [b"a", b"d", b"new"];
    files.look_up(listed.into_iter(), |path, known| tally.add(path, Some(1), known)).unwrap();
    let found = files.remembered(now()).unwrap().listed(tally);
    assert_eq!((found.windows[0].verified.files, found.never.unwrap().files, found.gone), (1, 2, Some(1)));
    let other = plan("/other", None).target;
    assert!(Files::new(ledger(state), &other).unwrap().is_none());
}

#[test]
fn a_job_is_told_by_its_newest_runs_and_by_no_other_job() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    let job = Subject::job;
    conclude(state, &days_ago(3), &[], &samples::passed());
    conclude(state, &days_ago(2), &[], &samples::failed());
    let weekly = Plan { started: days_ago(1).started, ..plan("/other", Some("weekly")) };
    conclude(state, &weekly, &[], &samples::passed());
    assert_eq!(known_jobs(&ledger(state)).unwrap(), [job("nightly"), job("weekly")]);
    let found = jobs(&ledger(state), &[job("nightly"), job("never"), Subject::default()]).unwrap();
    let told = |run: &Option<Run>| run.as_ref().map(|run| run.id);
    assert_eq!(
        (told(&found[0].last), told(&found[0].passed), told(&found[0].running)),
        (Some(2), Some(1), None)
    );
    for unknown in &found[1..] {
        assert_eq!((told(&unknown.last), told(&unknown.passed)), (None, None));
    }
    let metrics = metrics(&ledger(state), &job("nightly"), now()).unwrap();
    let runs: Vec<_> = metrics.runs.iter().filter(|(_, count)| *count > 0).copied().collect();
    assert_eq!(runs, [(RunState::Pass, 1), (RunState::Fail, 1)]);
    assert_eq!(metrics.coverage.unwrap().population.map(|all| all.files), Some(10_000));
}

#[test]
fn a_job_that_was_renamed_has_a_successor() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    record(state, &days_ago(2), &[]);
    let successor = |job: &str| successor(&ledger(state), job).unwrap();
    assert_eq!(successor("nightly"), None);
    let renamed = Plan { started: days_ago(1).started, ..plan("/b", Some("every-night")) };
    record(state, &renamed, &[]);
    assert_eq!(successor("nightly").as_deref(), Some("every-night"));
    assert_eq!(successor("every-night"), None);
    assert_eq!(successor("never"), None);
}

#[test]
fn runs_without_a_job_are_told_apart_by_their_backups() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    let bare = |backup: &str, days: u64| Plan { started: days_ago(days).started, ..plan(backup, None) };
    conclude(state, &bare("/one", 2), &[], &samples::failed());
    conclude(state, &bare("/two", 1), &[], &samples::passed());
    let known = known_jobs(&ledger(state)).unwrap();
    let results: Vec<_> =
        jobs(&ledger(state), &known).unwrap().into_iter().map(|job| job.last.unwrap().result).collect();
    assert_eq!(results, [RunState::Fail, RunState::Pass], "a pass of another backup hides no failure");
    assert_eq!(Subject::of(&ledger(state), &bare("/two", 0)).unwrap().as_ref(), Some(&known[1]));
    assert_eq!(Subject::of(&ledger(state), &bare("/three", 0)).unwrap(), None);
    let found = metrics(&ledger(state), &known[0], now()).unwrap();
    assert_eq!((found.passed, found.last.map(|run| run.id)), (Some(None), Some(1)));
}

#[test]
fn a_ledger_without_runs_answers_with_nothing() {
    let state = tempfile::tempdir().unwrap();
    drop(Ledger::open(state.path()).unwrap());
    let ledger = ledger(state.path());
    assert_eq!(runs(&ledger, &RunsAsked::default()).unwrap().runs, []);
    assert_eq!(known_jobs(&ledger).unwrap(), []);
    assert_eq!(targets(&ledger, None).unwrap(), [0; 0]);
    let found = file(&ledger, &asked("a")).unwrap();
    assert_eq!((found.files, found.similar), (Vec::new(), Vec::new()));
    assert!(matches!(report(&ledger, 1).unwrap(), StoredReport::NoRun(None)));
    let metrics = metrics(&ledger, &Subject::default(), now()).unwrap();
    assert_eq!((metrics.last, metrics.coverage), (None, None));
}
