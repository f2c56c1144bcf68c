use std::time::{Duration, SystemTime};

use super::*;
use crate::plan::{Algorithm, Plan, Target};
use crate::platform::Timestamp;
use crate::report::{Failure, Model};
use crate::verify::hash::Hash;
use crate::verify::memory::{KnownHashes, LastJudged, PathKey, Version};
use crate::verify::verdict::Verdict;
use crate::verify::{Hashes, Observer, PickRecord};

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
        hashes: Some(Hashes { restored: hash, original: hash }),
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
