use std::time::{Duration, SystemTime};

use super::*;
use crate::plan::{Algorithm, Plan, Target};
use crate::platform::Timestamp;
use crate::report::{Failure, Model};
use crate::verify::hash::Hash;
use crate::verify::known_counts::KnownBy;
use crate::verify::memory::{KnownHashes, LastJudged, PathKey, Version};
use crate::verify::verdict::Verdict;
use crate::verify::{Hashes, Observer, PickRecord, UsedHash};

/// A plan for the backup at this path, of a job with this name.
pub(super) fn plan(backup: &str, job: Option<&str>) -> Plan {
    let target = Target {
        backup: std::path::PathBuf::from(backup).into(),
        sources: vec!["/home".into()],
        maps: Vec::new(),
        restore_to: "/r".into(),
    };
    let mut plan = Plan::new(target, "seed".to_owned(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_000));
    plan.origin.job = job.map(str::to_owned);
    plan
}

/// A verified pick with the hash of its path.
pub(super) fn verified(path: &str) -> PickRecord {
    let hash = Hash::of_bytes(*blake3::hash(path.as_bytes()).as_bytes());
    PickRecord {
        comparable: true,
        restored_size: Some(12),
        recorded_mtime: Some(Timestamp { seconds: 500, nanos: 25 }),
        hashes: Some(Hashes { restored: hash, original: Some(hash) }),
        ..PickRecord::new(path.as_bytes(), Verdict::Verified)
    }
}

/// The report of a run that could not go on.
pub(super) fn report(plan: &Plan) -> Model {
    let failure = Failure {
        exit_code: crate::exit::ExitCode::Unusable,
        message: "it went away".into(),
        hint: None,
        took: Duration::from_secs(3),
    };
    Model::new(plan, Err(&failure))
}

/// Records one run of these picks.
pub(super) fn record(state: &std::path::Path, plan: &Plan, picks: &[PickRecord]) {
    let recorder = Recorder::start(Ledger::open(state).unwrap(), plan, &Start::default());
    picks.iter().for_each(|pick| recorder.judged(pick));
    recorder.finish(&report(plan)).unwrap();
}

fn last_judged(state: &std::path::Path, plan: &Plan) -> Vec<(PathKey, u64)> {
    let judged = Judged::new(Ledger::open_read_only(state).unwrap(), &plan.target).unwrap();
    let mut found = Vec::new();
    judged.each(&mut |key, run| found.push((key, run))).unwrap();
    found.sort();
    found
}

#[test]
fn what_a_run_found_is_known_to_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan("/b", Some("nightly"));
    record(dir.path(), &plan, &[verified("a"), PickRecord::new(b"gone", Verdict::Deleted)]);
    let known =
        Known::new(Ledger::open_read_only(dir.path()).unwrap(), &plan.target, Algorithm::Blake3).unwrap();
    let found = known.of(b"a").unwrap();
    assert_eq!(found.hash, verified("a").hashes.unwrap().restored);
    let Version::Modified { mtime, seen } = found.version else { panic!("{found:?}") };
    assert_eq!((mtime.seconds, mtime.nanos, seen.seconds), (500, 25, 1_000));
    assert_eq!(known.of(b"gone"), None, "only what was found equal has a known hash");
    assert_eq!(known.of(b"never seen"), None);
    assert!(known.into_error().is_none());
    let other =
        Known::new(Ledger::open_read_only(dir.path()).unwrap(), &plan.target, Algorithm::Sha256).unwrap();
    assert_eq!(other.of(b"a"), None, "a hash of another algorithm says nothing");
}

/// A verified pick whose sides hold other bytes than an earlier run found.
fn unlike(path: &str) -> PickRecord {
    let (before, now) = (Hash::of_bytes([1; 32]), Hash::of_bytes([9; 32]));
    PickRecord {
        unlike: true,
        reason: "both hold other bytes".to_owned(),
        known: Some(UsedHash { hash: before, by: KnownBy::Ledger, decided: false }),
        hashes: Some(Hashes { restored: now, original: Some(now) }),
        ..verified(path)
    }
}

#[test]
fn a_version_whose_sides_both_changed_keeps_its_hash_and_is_an_alarm_until_it_is_judged_as_before() {
    let dir = tempfile::tempdir().unwrap();
    let mut plan = plan("/b", Some("nightly"));
    let mut night = |picks: &[PickRecord]| {
        plan.started += Duration::from_secs(86_400);
        record(dir.path(), &plan, picks);
        let ledger = Ledger::open_read_only(dir.path()).unwrap();
        let standing = standing_alarms(&ledger, &plan).unwrap();
        let known = Known::new(ledger, &plan.target, Algorithm::Blake3).unwrap();
        (known.of(b"a").unwrap().hash, standing)
    };
    let first = verified("a").hashes.unwrap().restored;
    assert_eq!(night(&[verified("a"), verified("b")]), (first, vec![]));
    let alarm = vec![(b"a".to_vec(), "unlike")];
    assert_eq!(night(&[unlike("a"), verified("b")]), (first, alarm.clone()));
    assert_eq!(night(&[verified("b")]), (first, alarm.clone()), "the alarm stands");
    assert_eq!(night(&[unlike("a")]), (first, alarm));
    assert_eq!(night(&[verified("a")]), (first, vec![]));
}

#[test]
fn a_version_that_was_found_equal_stays_known_when_the_file_differs_later() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan("/b", None);
    record(dir.path(), &plan, &[verified("a")]);
    record(dir.path(), &plan, &[PickRecord::new(b"a", Verdict::Corrupt)]);
    let known =
        Known::new(Ledger::open_read_only(dir.path()).unwrap(), &plan.target, Algorithm::Blake3).unwrap();
    assert!(known.of(b"a").is_some());
    assert_eq!(last_judged(dir.path(), &plan), [(PathKey::of(b"a"), 2)]);
}

#[test]
fn a_job_with_another_name_keeps_what_is_known_of_its_files() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path(), &plan("/b", Some("old")), &[verified("a")]);
    let mut renamed = plan("/b", Some("new"));
    assert_eq!(last_judged(dir.path(), &renamed).len(), 1);
    renamed.target.backup = std::path::PathBuf::from("/other").into();
    assert_eq!(last_judged(dir.path(), &renamed), []);
}

#[test]
fn rows_are_ordered_by_number_when_the_clock_goes_back_a_year() {
    let dir = tempfile::tempdir().unwrap();
    let year = Duration::from_secs(365 * 24 * 60 * 60);
    let mut plan = plan("/b", Some("nightly"));
    plan.started = SystemTime::UNIX_EPOCH + 2 * year;
    record(dir.path(), &plan, &[verified("a"), verified("b")]);
    plan.started = SystemTime::UNIX_EPOCH + year;
    record(dir.path(), &plan, &[verified("a")]);
    let mut expected = vec![(PathKey::of(b"a"), 2), (PathKey::of(b"b"), 1)];
    expected.sort();
    assert_eq!(last_judged(dir.path(), &plan), expected);
    // The second run looks older than a year and a half, but comes after one that is not.
    let mut ledger = Ledger::open(dir.path()).unwrap();
    let before = Timestamp::from(SystemTime::UNIX_EPOCH + year + year / 2);
    assert_eq!(prune(&mut ledger, before, before).unwrap().runs, 0);
}

#[test]
fn pruning_removes_old_runs_with_what_only_they_knew() {
    let dir = tempfile::tempdir().unwrap();
    let mut plan = plan("/b", None);
    record(dir.path(), &plan, &[verified("old"), verified("both"), PickRecord::new(b"x", Verdict::Stale)]);
    plan.started += Duration::from_secs(500);
    record(dir.path(), &plan, &[verified("both"), verified("new")]);
    let mut ledger = Ledger::open(dir.path()).unwrap();
    let now = Timestamp::from(plan.started);
    let pruned = prune(&mut ledger, now, now).unwrap();
    assert_eq!((pruned.runs, pruned.files, pruned.kept_runs), (1, 2, 1));
    assert_eq!(check(&ledger).unwrap().problems, [""; 0]);
    drop(ledger);
    let mut expected = vec![(PathKey::of(b"both"), 2), (PathKey::of(b"new"), 2)];
    expected.sort();
    assert_eq!(last_judged(dir.path(), &plan), expected);
    // Numbers are never used twice.
    record(dir.path(), &plan, &[verified("new")]);
    assert!(last_judged(dir.path(), &plan).contains(&(PathKey::of(b"new"), 3)));
}

#[test]
fn a_run_that_never_ended_blocks_pruning_only_while_it_may_be_running() {
    let dir = tempfile::tempdir().unwrap();
    let day = Duration::from_secs(24 * 60 * 60);
    let plan = plan("/b", Some("nightly"));
    let Locked::Ours(held) = RunLock::take(dir.path(), &plan).unwrap() else { panic!("nobody has it") };
    let pruned = |started: SystemTime, now: SystemTime| {
        let mut ledger = Ledger::open(dir.path()).unwrap();
        prune(&mut ledger, Timestamp::from(started + day), Timestamp::from(now)).unwrap().runs
    };
    // As a run that was killed leaves it.
    let kill = |lock: Option<&str>| {
        let start = Start { lock: lock.map(str::to_owned), ..Start::default() };
        drop(Recorder::start(Ledger::open(dir.path()).unwrap(), &plan, &start));
    };
    kill(Some(held.name()));
    let long_after = plan.started + 400 * day;
    assert_eq!(pruned(plan.started, long_after), 0, "it is running");
    drop(held);
    assert_eq!(pruned(plan.started, long_after), 1, "nobody holds its lock");
    kill(None);
    assert_eq!(pruned(plan.started, plan.started + 29 * day), 0, "it may be running without a lock");
    assert_eq!(pruned(plan.started, plan.started + 31 * day), 1, "no run takes that long");
}

/// The size of the ledger's file, with everything in it.
fn size(state: &std::path::Path) -> u64 {
    let file = state.join(FILE_NAME);
    assert!(
        !state.join("ledger.sqlite-wal").exists(),
        "the last one to close it moves everything into the file"
    );
    std::fs::metadata(file).unwrap().len()
}

#[test]
fn a_verified_file_takes_at_most_200_bytes_and_verifying_it_again_takes_little() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan("/b", Some("nightly"));
    let path = |at: usize| format!("srv/data/projects/{:03}/documents/report-{at:07}.pdf", at % 500);
    let picks: Vec<_> = (0..20_000).map(|at| verified(&path(at))).collect();
    assert_eq!(picks.iter().map(|pick| pick.path.len()).sum::<usize>() / picks.len(), 50);
    record(dir.path(), &plan, &[]);
    let empty = size(dir.path());
    // Several runs, because keys that arrive later go between those that are there.
    for night in picks.chunks(2_000) {
        record(dir.path(), &plan, night);
    }
    let once = size(dir.path());
    let grown = (once - empty) / picks.len() as u64;
    assert!(grown <= 200, "{grown} bytes a file");
    record(dir.path(), &plan, &picks);
    let again = (size(dir.path()) - once) / picks.len() as u64;
    assert!(again <= 35, "{again} bytes a file that was known");
    eprintln!("{grown} bytes a new file, {again} a known one");
}

#[test]
fn a_lock_of_another_process_is_waited_out_and_then_told() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan("/b", None);
    record(dir.path(), &plan, &[]);
    let other = rusqlite::Connection::open(dir.path().join(FILE_NAME)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let ledger = || Ledger::open_within(dir.path(), Duration::from_millis(20)).unwrap();
    let recorder = Recorder::with_patience(ledger(), &plan, &Start::default(), Duration::from_millis(50));
    recorder.judged(&verified("a"));
    let error = match recorder.finish(&report(&plan)).unwrap_err() {
        Unrecorded::Ledger(error) => error,
        other => panic!("{other}"),
    };
    assert_eq!(error.problem, Problem::Locked, "{error}");

    let recorder = Recorder::with_patience(ledger(), &plan, &Start::default(), Duration::from_secs(600));
    recorder.judged(&verified("a"));
    std::thread::sleep(Duration::from_millis(200));
    other.execute_batch("COMMIT").unwrap();
    recorder.finish(&report(&plan)).unwrap();
    drop(other);
    assert_eq!(last_judged(dir.path(), &plan), [(PathKey::of(b"a"), 2)]);
}

#[test]
fn a_ledger_that_is_locked_as_a_whole_is_told_when_it_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path(), &plan("/b", None), &[]);
    let other = rusqlite::Connection::open(dir.path().join(FILE_NAME)).unwrap();
    other
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; UPDATE runs SET bad = 0; COMMIT")
        .unwrap();
    let error = Ledger::open_within(dir.path(), Duration::from_millis(20)).unwrap_err();
    assert_eq!(error.problem, Problem::Locked, "{error}");
    assert!(error.hint().contains("which process has"), "{}", error.hint());
}

#[test]
fn judges_do_not_wait_for_a_writer_that_has_failed() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan("/b", None);
    let ledger = Ledger::open(dir.path()).unwrap();
    // As on a full disk: no more pages can be had.
    ledger.connection().pragma_update(None, "max_page_count", 20).unwrap();
    let recorder = Recorder::start(ledger, &plan, &Start::default());
    for at in 0..200_000 {
        recorder.judged(&verified(&format!("a/long/enough/path/that/takes/room/{at}")));
    }
    let error = match recorder.finish(&report(&plan)).unwrap_err() {
        Unrecorded::Ledger(error) => error,
        other => panic!("{other}"),
    };
    assert_eq!(error.problem, Problem::Full, "{error}");
    let ledger = Ledger::open_read_only(dir.path()).unwrap();
    assert_eq!(check(&ledger).unwrap().problems, [""; 0]);
}

#[test]
fn a_pick_that_turned_out_to_be_stale_is_stale_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan("/b", None);
    let recorder = Recorder::start(Ledger::open(dir.path()).unwrap(), &plan, &Start::default());
    recorder.judged(&PickRecord::new(b"old", Verdict::Changed));
    recorder.judged(&verified("a"));
    let mut outcome = crate::report::samples::all()[0].clone();
    outcome.findings = vec![PickRecord { comparable: true, ..PickRecord::new(b"old", Verdict::Stale) }];
    recorder.concluded(&outcome);
    recorder.finish(&report(&plan)).unwrap();
    let ledger = Ledger::open_read_only(dir.path()).unwrap();
    let pick = picks::find(ledger.connection(), 1, PathKey::of(b"old")).unwrap().unwrap();
    assert_eq!((pick.verdict, pick.comparable), (Verdict::Stale, true));
    let number = |sql: &str| ledger.connection().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(number("SELECT verdict FROM findings"), Verdict::Stale as i64);
    assert_eq!(number("SELECT max(verdict) FROM files"), Verdict::Stale as i64);
    assert_eq!(check(&ledger).unwrap().problems, [""; 0]);
}

#[test]
fn two_runs_of_different_jobs_write_side_by_side() {
    let dir = tempfile::tempdir().unwrap();
    let plans = [plan("/b", Some("one")), plan("/c", Some("two"))];
    let ledgers = [Ledger::open(dir.path()).unwrap(), Ledger::open(dir.path()).unwrap()];
    let recorders: Vec<_> = ledgers
        .into_iter()
        .zip(&plans)
        .map(|(ledger, plan)| Recorder::start(ledger, plan, &Start::default()))
        .collect();
    std::thread::scope(|scope| {
        for recorder in &recorders {
            scope.spawn(|| (0..40_000).for_each(|at| recorder.judged(&verified(&format!("file {at}")))));
        }
    });
    for (recorder, plan) in recorders.into_iter().zip(&plans) {
        recorder.finish(&report(plan)).unwrap();
    }
    let found = plans.map(|plan| last_judged(dir.path(), &plan).len());
    assert_eq!(found, [40_000; 2]);
    let ledger = Ledger::open_read_only(dir.path()).unwrap();
    assert_eq!(check(&ledger).unwrap().problems, [""; 0]);
}

#[test]
fn what_is_damaged_inside_is_named() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path(), &plan("/b", None), &[verified("a"), verified("b")]);
    for (damage, named) in [
        ("UPDATE files SET run = 77", "2 files that were judged by a run that is not known"),
        ("DELETE FROM versions WHERE path = X'61'", "1 files without the rest about them"),
        ("UPDATE versions SET path = X'7a7a' WHERE path = X'61'", "1 files with the key of another path"),
        ("UPDATE picks SET picks = substr(picks, 2)", "1 lists of picks that cannot be read"),
        ("UPDATE versions SET algorithm = NULL", "2 hashes without their algorithm or time"),
        ("PRAGMA foreign_keys = OFF; DELETE FROM targets", "1 runs of a backup that is not known"),
    ] {
        let copy = tempfile::tempdir().unwrap();
        let place = copy.path().join(FILE_NAME);
        std::fs::copy(dir.path().join(FILE_NAME), &place).unwrap();
        rusqlite::Connection::open(&place).unwrap().execute_batch(damage).unwrap();
        let found = check(&Ledger::open_read_only(copy.path()).unwrap()).unwrap().problems;
        assert!(found.iter().any(|problem| problem == named), "{damage}: {found:?}");
    }
}
