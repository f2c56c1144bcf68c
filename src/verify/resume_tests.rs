//! A run that is taken up again finds what it would have found in one go.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use super::memory::{DrawnFrom, JudgedPick, PathKey, Resumed};
use super::path_key::version_number;
use super::record::PickRecord;
use super::tests::plan;
use super::*;
use crate::exit::ExitCode;
use crate::lock::lock;
use crate::plan::SampleSize;
use crate::verify::verdict::Verdict;

const FILES: usize = 60;

/// Keeps every pick, as a ledger does, and ends the run after some of them.
struct Ending<'a> {
    cancel: &'a CancelToken,
    after: usize,
    picks: Mutex<Vec<PickRecord>>,
}

impl Observer for Ending<'_> {
    fn judged(&self, pick: &PickRecord) {
        let mut picks = lock(&self.picks);
        picks.push(pick.clone());
        if picks.len() == self.after {
            self.cancel.cancel();
        }
    }
}

/// Originals and a folder backup. A third of the originals was modified since, and one copy is bad.
fn world(folder: &Path) -> Plan {
    let (backup, originals) = (folder.join("backup"), folder.join("originals"));
    let (old, new) = (SystemTime::UNIX_EPOCH + DAY * 12_000, SystemTime::UNIX_EPOCH + DAY * 12_001);
    for (place, edits) in [(&backup, false), (&originals, true)] {
        std::fs::create_dir(place).unwrap();
        for number in 0..FILES {
            let is_edited = edits && number % 3 == 0;
            let content = if number == 40 && !edits { "rotten" } else { "as it was" };
            let path = place.join(format!("{number}"));
            std::fs::write(&path, if is_edited { "edited" } else { content }).unwrap();
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(if is_edited { new } else { old }).unwrap();
        }
    }
    let mut plan = plan(&originals, &folder.join("restored"));
    plan.target.backup = backup.into();
    plan.claims.max_undecided = 1.0;
    plan
}

const DAY: Duration = Duration::from_secs(86_400);

/// Runs one session that ends after `after` picks. Returns its outcome and its picks.
fn session(plan: &Plan, resumed: Option<&Resumed>, after: usize) -> (Outcome, Vec<PickRecord>) {
    let cancel = CancelToken::new();
    let observer = Ending { cancel: &cancel, after, picks: Mutex::default() };
    let memory = Memory { resumed, ..Memory::default() };
    let found = run(plan, memory, &cancel, &observer).unwrap();
    (found, observer.picks.into_inner().unwrap())
}

/// What a ledger makes of the picks of all sessions so far.
fn resumed(sessions: u64, picks: &[PickRecord], population: &outcome::Population) -> Resumed {
    let judged = |pick: &PickRecord| JudgedPick {
        key: PathKey::of(&pick.path),
        version: version_number(&pick.path, pick.recorded_size, pick.recorded_mtime),
        verdict: pick.verdict,
        comparable: pick.comparable,
        pending: pick.pending.is_some(),
    };
    let records = picks.iter().map(|pick| (PathKey::of(&pick.path), pick.clone())).collect();
    let from = DrawnFrom { backup: None, population: Some((population.files, population.digest.clone())) };
    Resumed::new(sessions, from, None, picks.iter().map(judged).collect(), records)
}

/// What must not depend on how many sessions there were.
fn result(found: &Outcome) -> String {
    let findings: BTreeMap<_, _> =
        found.findings.iter().map(|finding| (finding.path.clone(), finding.verdict)).collect();
    let sample = &found.sample;
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?}",
        found.exit_code(),
        found.counts,
        found.assurance,
        (sample.wanted, sample.drawn, sample.replacements),
        // How many bytes there are is asked of a backup only where it matters.
        (found.population.files, &found.population.digest),
        findings
    )
}

fn a_run_in_sessions_finds_what_one_run_finds(sample: SampleSize) {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = world(folder.path());
    plan.draw.sample = sample;
    plan.engine.threads = 1;
    let (whole, all) = session(&plan, None, usize::MAX);
    assert_eq!(whole.exit_code(), ExitCode::IntegrityFailure);
    let mut picks: Vec<PickRecord> = Vec::new();
    let mut before: Option<Resumed> = None;
    for number in 1.. {
        let (found, more) = session(&plan, before.as_ref(), 7);
        picks.extend(more);
        assert_eq!((found.sample.sessions, found.sample.drawn), (number, picks.len() as u64));
        if found.incomplete.is_none() {
            assert_eq!(result(&found), result(&whole));
            break;
        }
        assert!(number < 20, "it never ends");
        before = Some(resumed(number, &picks, &whole.population));
    }
    let paths = |picks: &[PickRecord]| {
        let mut paths: Vec<_> = picks.iter().map(|pick| pick.path.clone()).collect();
        paths.sort();
        paths
    };
    // The same files, and none twice.
    assert_eq!(paths(&picks), paths(&all));
}

#[test]
fn a_sample_in_sessions_is_the_sample_of_one_run() {
    a_run_in_sessions_finds_what_one_run_finds(SampleSize::Count(30));
}

#[test]
fn all_files_in_sessions_are_all_files() {
    a_run_in_sessions_finds_what_one_run_finds(SampleSize::All);
}

/// Runs a session that ends early, lets the backup change, and resumes.
fn resumed_after(sample: SampleSize, change: impl Fn(&Path, &[PickRecord])) -> Result<Outcome, Error> {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = world(folder.path());
    plan.draw.sample = sample;
    plan.engine.threads = 1;
    let (found, picks) = session(&plan, None, 7);
    let before = resumed(1, &picks, &found.population);
    change(&folder.path().join("backup"), &picks);
    let memory = Memory { resumed: Some(&before), ..Memory::default() };
    run(&plan, memory, &CancelToken::new(), &Silent)
}

#[test]
fn a_sample_is_not_resumed_if_the_backup_lists_other_files() {
    let more = |backup: &Path, _: &[PickRecord]| std::fs::write(backup.join("new"), "new").unwrap();
    let error = resumed_after(SampleSize::Count(30), more).unwrap_err();
    assert!(matches!(error, Error::OtherPopulation), "{error}");
}

fn judged(picks: &[PickRecord], number: usize) -> String {
    String::from_utf8(picks[number].path.clone()).unwrap()
}

#[test]
fn a_file_that_left_between_sessions_counts_no_more() {
    let fewer = |backup: &Path, picks: &[PickRecord]| {
        std::fs::remove_file(backup.join(judged(picks, 0))).unwrap();
    };
    let found = resumed_after(SampleSize::All, fewer).unwrap();
    assert_eq!((found.population.files, found.counts.looked_at()), (FILES as u64 - 1, FILES as u64 - 1));
    assert_eq!(found.sample.judged_before, 6);
    let error = resumed_after(SampleSize::Count(30), fewer).unwrap_err();
    assert!(matches!(error, Error::OtherPopulation), "{error}");
}

#[test]
fn a_file_that_was_written_again_is_judged_again() {
    let other = |backup: &Path, picks: &[PickRecord]| {
        std::fs::write(backup.join(judged(picks, 0)), "another version").unwrap();
    };
    for (sample, files) in [(SampleSize::Count(30), 30), (SampleSize::All, FILES as u64)] {
        let found = resumed_after(sample, other).unwrap();
        assert_eq!(found.incomplete, None);
        assert!(found.counts.looked_at() >= files, "{:?}", found.counts);
        assert_eq!(found.sample.judged_before, 6);
        let notes = found.notes.join("\n");
        assert!(
            notes.contains("of 7 files that earlier sessions judged, 1 were replaced or removed"),
            "{notes}"
        );
    }
}

#[test]
fn a_run_of_which_nothing_is_left_begins_anew() {
    let all = |backup: &Path, picks: &[PickRecord]| {
        for pick in 0..picks.len() {
            std::fs::write(backup.join(judged(picks, pick)), "another version").unwrap();
        }
    };
    let error = resumed_after(SampleSize::All, all).unwrap_err();
    assert!(matches!(error, Error::OtherPopulation), "{error}");
}

#[test]
fn files_that_came_between_sessions_are_verified_with_the_rest() {
    let more = |backup: &Path, _: &[PickRecord]| std::fs::write(backup.join("new"), "new").unwrap();
    let found = resumed_after(SampleSize::All, more).unwrap();
    assert_eq!((found.population.files, found.counts.looked_at()), (FILES as u64 + 1, FILES as u64 + 1));
    assert_eq!(found.counts.of(Verdict::Deleted), 1);
}

#[test]
fn a_pick_that_kept_a_session_busy_is_judged_by_the_next_one_though_enough_others_were() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = world(folder.path());
    plan.engine.threads = 1;
    // Originals that are all equal and comparable, so that picks are judged by rank.
    let (backup, copy) = (folder.path().join("backup"), folder.path().join("copy"));
    std::fs::create_dir(&copy).unwrap();
    for number in 0..FILES {
        let (from, to) = (backup.join(number.to_string()), copy.join(number.to_string()));
        std::fs::copy(&from, &to).unwrap();
        let to = std::fs::File::options().write(true).open(&to).unwrap();
        to.set_modified(std::fs::metadata(&from).unwrap().modified().unwrap()).unwrap();
    }
    plan.target.sources = vec![copy];
    plan.draw.sample = SampleSize::Count(3);
    let (whole, picks) = session(&plan, None, usize::MAX);
    assert_eq!(picks.len(), 3);
    // The second one kept the session busy until it was ended.
    let judged = [picks[0].clone(), picks[2].clone()];
    let before = resumed(1, &judged, &whole.population);
    plan.draw.sample = SampleSize::Count(2);
    let (found, more) = session(&plan, Some(&before), usize::MAX);
    let more: Vec<_> = more.iter().map(|pick| pick.path.clone()).collect();
    assert_eq!(more, [picks[1].path.clone()]);
    assert_eq!((found.counts.looked_at(), found.incomplete), (3, None));
}

#[test]
fn a_resumed_run_that_ends_early_states_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = world(folder.path());
    plan.draw.sample = SampleSize::Count(30);
    plan.engine.threads = 1;
    let (first, picks) = session(&plan, None, 7);
    assert!(first.assurance.is_some());
    let before = resumed(1, &picks, &first.population);
    let (second, _) = session(&plan, Some(&before), 7);
    assert!(second.incomplete.is_some());
    // Which picks the first session was busy with is not known any more.
    assert!(second.assurance.is_none());
}
