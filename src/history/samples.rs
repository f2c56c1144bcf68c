//! Answers of a ledger for the tests: several nights of one job and of another.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Clock;
use super::coverage::{Amount, KnownFile, Oldest, Remembered, Tally};
use super::file::{File, FileHistory, Judgment, Known};
use super::run::{Bound, Run, RunState};
use crate::report::model::SizePart;
use crate::verify::verdict::Verdict;

pub(super) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn clock() -> Clock {
    Clock { now: time("2026-11-28T12:00:00Z"), zone: TimeZone::UTC }
}

/// A run of `nightly` that began at this time and passed.
pub(super) fn passed(id: u64, started: &str) -> Run {
    let started = time(started);
    Run {
        id,
        job: Some("nightly".to_owned()),
        backup: "/mnt/nas/home.tar.zst".to_owned(),
        started,
        ended: Some(started + jiff::SignedDuration::from_millis(74_500)),
        result: RunState::Pass,
        exit_code: Some(0),
        headline: Some("500 of 500 identical.".to_owned()),
        strategy: "random".to_owned(),
        sample: Some(SizePart::Count(500)),
        files: Some(78_579),
        bytes: Some(1_320_000_000),
        whole: true,
        wanted: Some(500),
        judged: Some(503),
        verified: Some(500),
        bad: Some(0),
        undecided: Some(3),
        bound: Some(Bound { at_most_bad_share: 0.0059, confidence: 0.95 }),
        session: 1,
        resumes: None,
    }
}

pub(super) fn failed(id: u64, started: &str) -> Run {
    Run {
        result: RunState::Fail,
        exit_code: Some(1),
        headline: Some("498 of 500 identical, 2 bad in the backup.".to_owned()),
        verified: Some(498),
        bad: Some(2),
        ..passed(id, started)
    }
}

pub(super) fn killed(id: u64, started: &str) -> Run {
    Run {
        ended: None,
        result: RunState::Killed,
        exit_code: None,
        headline: None,
        files: None,
        bytes: None,
        whole: false,
        wanted: None,
        judged: Some(120),
        verified: Some(119),
        undecided: None,
        bound: None,
        ..passed(id, started)
    }
}

/// A run that could not begin.
pub(super) fn unusable(id: u64, started: &str) -> Run {
    Run {
        result: RunState::Unusable,
        exit_code: Some(4),
        headline: Some("cannot open the backup /mnt/nas/home.tar.zst: no such file".to_owned()),
        judged: None,
        verified: None,
        bad: None,
        ..killed(id, started)
    }
    .with_end("2026-11-25T02:30:01Z")
}

impl Run {
    fn with_end(self, ended: &str) -> Self {
        Self { ended: Some(time(ended)), ..self }
    }
}

/// Runs of every kind, the newest first.
pub(super) fn runs() -> Vec<Run> {
    let weekly = |run: Run| Run {
        job: Some("weekly".to_owned()),
        sample: Some(SizePart::All(true)),
        strategy: "all".to_owned(),
        ..run
    };
    let running =
        Run { result: RunState::Running, judged: None, verified: None, ..killed(9, "2026-11-28T11:59:00Z") };
    vec![
        running,
        passed(8, "2026-11-28T02:30:04Z"),
        weekly(Run { session: 2, resumes: Some(6), ..passed(7, "2026-11-27T20:00:00Z") }),
        weekly(Run {
            result: RunState::Incomplete,
            exit_code: Some(3),
            headline: Some("The time limit ended the run.".to_owned()),
            ..passed(6, "2026-11-26T20:00:00Z")
        }),
        failed(5, "2026-11-26T02:30:02Z"),
        unusable(4, "2026-11-25T02:30:00Z"),
        killed(3, "2026-11-24T02:30:01Z"),
        Run {
            job: None,
            sample: Some(SizePart::Tolerance(0.01)),
            bound: Some(Bound { at_most_bad_share: 0.009_9, confidence: 0.99 }),
            ..passed(2, "2026-11-23T09:00:00Z")
        },
        Run {
            strategy: "coverage".to_owned(),
            sample: Some(SizePart::Share(0.05)),
            ..passed(1, "2026-11-22T02:30:00Z")
        },
    ]
}

/// A file that rotted, with a name that a terminal must not obey.
pub(super) fn file() -> FileHistory {
    let judgment = |run, started, verdict, reason: &str| Judgment {
        run,
        job: Some("nightly".to_owned()),
        started: time(started),
        verdict,
        comparable: true,
        size: None,
        mtime: None,
        restored_hash: None,
        original_hash: None,
        reason: reason.to_owned(),
    };
    let known = Known {
        at: time("2026-11-24T02:30:01Z"),
        size: Some(2_097_152),
        mtime: Some(time("2025-03-01T08:15:00Z")),
        algorithm: Some("blake3".to_owned()),
        hash: Some("2b".repeat(32)),
    };
    let rotten = Judgment {
        size: Some(2_097_152),
        mtime: known.mtime,
        restored_hash: Some("1a".repeat(32)),
        original_hash: known.hash.clone(),
        ..judgment(
            5,
            "2026-11-26T02:30:02Z",
            Verdict::Corrupt,
            "the original has not been modified since the backup",
        )
    };
    let good = Judgment {
        size: known.size,
        mtime: known.mtime,
        restored_hash: known.hash.clone(),
        original_hash: known.hash.clone(),
        ..judgment(3, "2026-11-24T02:30:01Z", Verdict::Verified, "")
    };
    let file = File {
        path: "photos/2019/a\\x1b[2J.jpg".to_owned(),
        backup: "/mnt/nas/home.tar.zst".to_owned(),
        originals: vec!["/home".to_owned()],
        verified: Some(known),
        judged: vec![rotten, good, judgment(1, "2026-11-22T02:30:00Z", Verdict::Verified, "")],
    };
    FileHistory::new("/home/photos/2019/a\u{1b}[2J.jpg".to_owned(), vec![file], Vec::new())
}

pub(super) fn remembered() -> Remembered {
    let amount = |files, bytes| Amount { files, bytes: Some(bytes) };
    Remembered {
        jobs: vec!["nightly".to_owned()],
        backup: "/mnt/nas/home.tar.zst".to_owned(),
        originals: vec!["/home".to_owned()],
        population: Some((amount(78_579, 1_320_000_000), time("2026-11-28T02:30:04Z"))),
        windows: [
            amount(3_486, 58_560_000),
            amount(14_403, 241_900_000),
            amount(35_210, 591_500_000),
            amount(70_100, 1_177_000_000),
        ],
        ever: amount(70_100, 1_177_000_000),
        judged: 70_450,
        oldest: Some(Oldest { path: "docs/1998/a.odt".to_owned(), verified: time("2026-03-01T02:30:00Z") }),
        rotates: Some(250),
    }
}

/// What a listing finds: 60 files in three folders, of which 24 were never verified.
pub(super) fn tally() -> Tally {
    let mut tally = Tally::new(clock().now, 1);
    for number in 0..60_i64 {
        let folder = ["docs", "photos", "mail"][usize::try_from(number % 3).unwrap()];
        let verified = clock().now - jiff::SignedDuration::from_hours(24 * 11 * (number % 10));
        let known = (number % 10 < 6).then_some(KnownFile { verified: Some(verified) });
        tally.add(format!("{folder}/{number}").as_bytes(), Some(1000), known);
    }
    tally
}

pub(super) fn remembered_without_population() -> Remembered {
    Remembered { population: None, ..remembered() }
}
