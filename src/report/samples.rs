//! Plans and outcomes for the tests of all reports: one of each way a run can end.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::backup::{BackupTime, Description, TakenFrom};
use crate::exit::ExitCode;
use crate::plan::{self, Algorithm, Filters, Map, Plan, Target};
use crate::platform::Timestamp;
use crate::verify::arrivals::ArrivalCounts;
use crate::verify::assurance::Assurance;
use crate::verify::byte_bound::ByteBound;
use crate::verify::counts::Counts;
use crate::verify::difference::{DamagePattern, Difference};
use crate::verify::hash::Hash;
use crate::verify::known_counts::KnownCounts;
use crate::verify::outcome::{CompletenessResult, Effort, Incomplete, Outcome, Population, SampleSummary};
use crate::verify::statement::Statement;
use crate::verify::verdict::Verdict;
use crate::verify::{Hashes, PickRecord};

use super::Failure;

/// 2026-07-01 02:00:00 UTC.
const TAKEN: Timestamp = Timestamp { seconds: 1_782_871_200, nanos: 0 };

pub(crate) fn plan() -> Plan {
    let target = Target {
        backup: "/srv/backup/data.tar.gz".into(),
        sources: vec![PathBuf::from("/srv/data")],
        maps: vec![Map { from: b"home".to_vec(), to: PathBuf::from("/home") }],
        restore_to: PathBuf::from("/mnt/verify"),
    };
    let started = SystemTime::UNIX_EPOCH + Duration::from_millis(1_782_900_000_250);
    let mut plan = Plan::new(target, "spring".to_owned(), started);
    plan.origin.job = Some("nightly".to_owned());
    plan.draw.filters =
        Filters { newer_than: Some(TAKEN), include: vec!["*.odt".to_owned()], ..Filters::default() };
    plan.claims.completeness = plan::Completeness { originals: 200, asked_for: true };
    plan.engine.threads = 8;
    plan.limits.time_limit = Some(Duration::from_secs(7_200));
    plan
}

/// 500 files out of 10,000, all good.
pub(crate) fn passed() -> Outcome {
    outcome(&[(Verdict::Verified, 500)], 500)
}

fn outcome(verdicts: &[(Verdict, u64)], wanted: u64) -> Outcome {
    let mut counts = Counts::default();
    for &(verdict, times) in verdicts {
        let comparable = !matches!(verdict, Verdict::Changed | Verdict::Deleted | Verdict::Unreadable);
        (0..times).for_each(|_| counts.add(verdict, comparable));
    }
    let drawn = verdicts.iter().map(|(_, times)| times).sum();
    Outcome {
        backup: Description {
            location: "/srv/backup/data.tar.gz".into(),
            format: "tar.gz",
            snapshot: None,
            id: None,
            taken: Some(BackupTime { at: TAKEN, how: TakenFrom::FileTime }),
            unique_names: true,
            time_resolution_ns: 1,
            several: None,
        },
        population: Population {
            files: 10_000,
            whole: true,
            bytes: Some(48_318_382_080),
            digest: "9c1f0e".repeat(10),
            filtered: 0,
            unmapped: 0,
            unlisted: 0,
            not_compared: 0,
        },
        sample: SampleSummary {
            strategy: "random",
            seed: "spring".to_owned(),
            wanted,
            drawn,
            replacements: 0,
            sessions: 1,
            judged_before: 0,
        },
        assurance: Assurance::of(10_000, &counts, 0, 0.95).map(Statement::Files),
        counts,
        known: KnownCounts::default(),
        beside: None,
        findings: Vec::new(),
        completeness: None,
        damage: Vec::new(),
        gaps: Vec::new(),
        incomplete: None,
        notes: Vec::new(),
        effort: Effort {
            catalog: Duration::from_millis(410),
            verify: Duration::from_millis(14_200),
            total: Duration::from_millis(14_700),
            restored_bytes: 2_480_343_613,
            hashed_bytes: 4_960_687_226,
            cached_bytes: Some(0),
            hash: Algorithm::Blake3,
            threads: 8,
        },
    }
}

pub(crate) fn finding(path: &[u8], verdict: Verdict) -> PickRecord {
    PickRecord {
        path: path.to_vec(),
        original: Some([b"/srv/data/", path].concat()),
        verdict,
        comparable: verdict.is_decided(),
        beside: false,
        unlike: false,
        reason: "the original is as old as the backup says".to_owned(),
        restored_size: Some(2_097_152),
        original_size: Some(2_097_152),
        hashes: Some(Hashes {
            restored: Hash::of_bytes([0x1a; 32]),
            original: Some(Hash::of_bytes([0x2b; 32])),
        }),
        recorded_size: None,
        recorded_mtime: None,
        original_mtime: None,
        confirmed_mtime: None,
        pending: None,
        known: None,
        difference: Some(Difference {
            first_offset: 1_048_576,
            differing_bytes: 512,
            differing_blocks: 1,
            looks_like: DamagePattern::Zeroed,
        }),
        kept: None,
    }
}

fn plain(path: &[u8], verdict: Verdict, reason: &str) -> PickRecord {
    PickRecord {
        reason: reason.to_owned(),
        hashes: None,
        difference: None,
        restored_size: None,
        ..finding(path, verdict)
    }
}

/// Two bad files with hostile names, and originals that changed.
pub(crate) fn failed() -> Outcome {
    let counts =
        [(Verdict::Verified, 498), (Verdict::Corrupt, 1), (Verdict::RestoreFailed, 1), (Verdict::Changed, 3)];
    let mut found = outcome(&counts, 500);
    found.sample.replacements = 3;
    found.findings = vec![
        finding(b"docs/re\x1b[31mport\xff.odt", Verdict::Corrupt),
        plain(b"photos/a\n.jpg", Verdict::RestoreFailed, "the checksum stored in the backup does not match"),
        plain(b"log/1", Verdict::Changed, "modified since the backup"),
        plain(b"log/2", Verdict::Changed, "modified since the backup"),
        plain("log/\u{fffe}3".as_bytes(), Verdict::Changed, "modified since\0 the backup"),
    ];
    found
}

/// Everything that can be bad at once, and a lot of it.
pub(crate) fn disaster() -> Outcome {
    let verdicts = Verdict::ALL.map(|verdict| (verdict, 20));
    let mut found = outcome(&verdicts, 500);
    found.sample.replacements = 1;
    for verdict in Verdict::ALL.into_iter().skip(1) {
        let each = (0..20).map(|n| finding(format!("{}/{n}", verdict.word()).as_bytes(), verdict));
        found.findings.extend(each);
    }
    found.population.filtered = 77;
    found.population.unmapped = 5;
    found.incomplete = Some(Incomplete::Interrupted);
    found.gaps = vec!["folder private cannot be listed: permission denied".to_owned()];
    found.damage = (0..15).map(|n| format!("folder {n}: permission denied")).collect();
    found.completeness = Some(CompletenessResult {
        asked_for: true,
        wanted: 200,
        originals: 9_000,
        looked_up: 200,
        undecided: 3,
        too_young: 4,
        doubtful: vec![b"/srv/data/moved".to_vec()],
        exclude: vec!["new/**".to_owned()],
        missing: (0..30).map(|n| format!("/srv/data/new/{n}").into_bytes()).collect(),
        unlisted: vec!["/srv/data/private: permission denied".to_owned()],
    });
    found.notes = vec!["removed the leftovers of 1 earlier run".to_owned()];
    found
}

/// A run of strategy `coverage`: half at random, and half beside it, with one bad file there.
pub(crate) fn covered() -> Outcome {
    let mut found = outcome(&[(Verdict::Verified, 250), (Verdict::Deleted, 2)], 250);
    found.sample.strategy = "coverage";
    found.sample.replacements = 2;
    let mut beside = Counts::default();
    (0..241).for_each(|_| beside.add(Verdict::Verified, true));
    (0..8).for_each(|_| beside.add(Verdict::Changed, false));
    beside.add(Verdict::Corrupt, true);
    found.beside = Some(beside);
    found.findings = vec![PickRecord { beside: true, ..finding(b"old/letter.odt", Verdict::Corrupt) }];
    found
}

/// A run of strategy `size`, about bytes.
pub(crate) fn weighed() -> Outcome {
    let mut found = outcome(&[(Verdict::Verified, 310), (Verdict::Changed, 1)], 500);
    found.sample.strategy = "size";
    let counts = ArrivalCounts {
        wanted: 500,
        comparable: 500,
        outside: 3,
        outside_bytes: 1 << 30,
        ..ArrivalCounts::default()
    };
    found.assurance = ByteBound::of(48_318_382_080, &counts, 0.95).map(Statement::Bytes);
    found.findings = vec![plain(b"log/1", Verdict::Changed, "modified since the backup")];
    found
}

/// A run that the time limit ended after 120 good files.
pub(crate) fn cut_short() -> Outcome {
    let mut found = outcome(&[(Verdict::Verified, 120), (Verdict::Deleted, 1)], 500);
    found.incomplete = Some(Incomplete::TimeLimit);
    found.findings = vec![plain(b"gone", Verdict::Deleted, "the original is gone")];
    found
}

/// A backup without any file.
pub(crate) fn empty() -> Outcome {
    let mut found = outcome(&[], 0);
    found.population = Population { whole: true, digest: "00".repeat(32), ..Population::default() };
    found.backup.taken = None;
    found.effort.verify = Duration::ZERO;
    found
}

/// All files were asked for, and a signal came while the backup was still being listed.
pub(crate) fn interrupted() -> Outcome {
    let mut found = outcome(&[(Verdict::Verified, 120)], 640);
    found.sample.strategy = "all";
    found.population = Population { files: 640, whole: false, ..found.population };
    found.assurance = None;
    found.incomplete = Some(Incomplete::Interrupted);
    found
}

/// Every reason why a run may be incomplete.
pub(crate) const INCOMPLETE: [Incomplete; 8] = [
    Incomplete::Interrupted,
    Incomplete::TimeLimit,
    Incomplete::Budget,
    Incomplete::TooFewComparable,
    Incomplete::TooManyUndecided,
    Incomplete::Unresolved,
    Incomplete::ToleranceNotMet,
    Incomplete::RestoreFolder,
];

/// One outcome for each way a run can end.
pub(crate) fn all() -> [Outcome; 8] {
    [passed(), failed(), disaster(), cut_short(), interrupted(), empty(), covered(), weighed()]
}

/// A run that could not begin.
pub(crate) fn failure() -> Failure {
    Failure {
        exit_code: ExitCode::Unusable,
        message: "cannot open the backup /srv/backup/data.tar.gz: no such file".to_owned(),
        hint: Some("check the path".to_owned()),
        took: Duration::from_millis(20),
    }
}
