use std::time::Duration;

use super::super::comparable::standing;
use super::super::verdict::{FromBackup, judge, judge_with};
use super::*;
use crate::platform::Kind;

const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND;
/// When the backup says that the file was modified, in nanoseconds.
const RECORDED: i128 = 1_700_000_000 * SECOND + 123_456_789;

fn at(nanos: i128) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

fn recorded() -> Recorded {
    Recorded {
        size: Some(10),
        mtime: Some(at(RECORDED)),
        zone_unknown: false,
        resolution_ns: 1,
        taken: None,
        closed: None,
        newest: None,
        window: Duration::from_secs(86_400),
        now: at(RECORDED + 1_000 * DAY),
        frozen: false,
    }
}

fn stat(mtime: i128, changed: i128) -> Stat {
    Stat { kind: Kind::File, size: 10, mtime: at(mtime), changed: Some(at(changed)), id: (1, 2) }
}

fn hash(number: u8) -> Hash {
    Hash::of_bytes([number; 32])
}

/// What a manifest of this time says, about an original in this state.
fn manifest(made: i128, original: Option<Stat>, recorded: &Recorded) -> Known {
    let found = KnownHash { hash: hash(1), version: Version::At { from: at(made), until: at(made) } };
    let original = original.as_ref().map(|stat| (stat, standing(stat, recorded)));
    Known::weigh(found, KnownBy::Manifest, original, recorded).unwrap()
}

#[test]
fn a_manifest_speaks_for_what_was_written_before_it_and_backed_up_after_it() {
    let made = RECORDED + DAY;
    let newest = |time: i128| Recorded { newest: Some(at(time)), ..recorded() };
    let closed = |time: i128| Recorded { closed: Some(at(time)), ..recorded() };
    for (there, speaks) in [
        (newest(made), true),
        (newest(made - 1), false),
        (closed(made), true),
        (closed(made - 1), false),
        (recorded(), false),
        (Recorded { frozen: true, ..recorded() }, true),
        // The backup's own time may be long before its last file was copied, but never later.
        (Recorded { taken: Some(at(made)), ..recorded() }, false),
    ] {
        let known = manifest(made, None, &there);
        assert_eq!((known.speaks, known.is_too_late), (speaks, !speaks), "{there:?}");
    }
    // Written after the manifest was made.
    for made in [RECORDED - 1, RECORDED - DAY] {
        let known = manifest(made, None, &newest(RECORDED + DAY));
        assert!(!known.speaks && !known.is_too_late);
    }
}

#[test]
fn a_manifest_that_is_younger_than_the_backup_speaks_only_while_the_original_is_as_recorded() {
    let made = RECORDED + 5 * DAY;
    let there = Recorded { newest: Some(at(RECORDED + DAY)), ..recorded() };
    for (original, speaks) in [
        (Some(stat(RECORDED, RECORDED)), true),
        (Some(stat(RECORDED, RECORDED + 9 * DAY)), true),
        // The backup recorded when it copied the file, which nobody has touched since.
        (Some(stat(RECORDED - DAY, RECORDED - DAY)), true),
        (Some(stat(RECORDED + 2 * DAY, RECORDED + 2 * DAY)), false),
        (Some(stat(RECORDED - DAY, RECORDED + 2 * DAY)), false),
        (None, false),
    ] {
        assert_eq!(manifest(made, original, &there).speaks, speaks, "{original:?}");
    }
}

#[test]
fn a_recorded_time_that_says_little_makes_a_manifest_silent() {
    let frozen = Recorded { frozen: true, ..recorded() };
    let made = RECORDED + DAY;
    for (mtime, zone_unknown) in [(None, false), (Some(at(0)), false), (Some(at(RECORDED)), true)] {
        assert!(!manifest(made, None, &Recorded { mtime, zone_unknown, ..frozen }).speaks, "{mtime:?}");
    }
    // Cut to whole seconds, the file may have been written up to a second later.
    let whole = Some(Timestamp { seconds: 1_700_000_001, nanos: 0 });
    let cut = Recorded { mtime: whole, resolution_ns: 1_000_000_000, ..frozen };
    let made = 1_700_000_002 * SECOND;
    assert!(manifest(made - 1, None, &cut).speaks);
    assert!(!manifest(made - 2, None, &cut).speaks);
}

#[test]
fn a_ledger_speaks_for_the_same_version_only() {
    let weigh = |mtime: i128, recorded: &Recorded| {
        let version = Version::Modified { mtime: at(mtime), seen: at(RECORDED + DAY) };
        Known::weigh(KnownHash { hash: hash(1), version }, KnownBy::Ledger, None, recorded)
    };
    assert!(weigh(RECORDED, &recorded()).is_some_and(|known| known.speaks && !known.outlived));
    assert_eq!(weigh(RECORDED - 1, &recorded()), None);
    assert_eq!(weigh(RECORDED + SECOND, &recorded()), None);
    let coarse = Recorded { resolution_ns: 2_000_000_000, ..recorded() };
    assert!(weigh(RECORDED + SECOND, &coarse).is_some());
    assert_eq!(weigh(RECORDED, &Recorded { mtime: None, ..recorded() }), None);
}

#[test]
fn an_original_outlived_an_earlier_run_if_nobody_touched_it_since_and_no_clock_was_set_back() {
    let hour = CLOCKS_APART;
    let outlived = |changed: i128, seen: i128| {
        let version = Version::Modified { mtime: at(RECORDED), seen: at(seen) };
        let original = stat(RECORDED, changed);
        let original = Some((&original, standing(&original, &recorded())));
        let found = KnownHash { hash: hash(1), version };
        Known::weigh(found, KnownBy::Ledger, original, &recorded()).unwrap().outlived
    };
    assert!(outlived(RECORDED, RECORDED + DAY));
    assert!(outlived(RECORDED + DAY - hour - 1, RECORDED + DAY));
    // The clocks of two machines differ, and the original may be on the other one.
    assert!(!outlived(RECORDED + DAY - hour, RECORDED + DAY));
    assert!(!outlived(RECORDED + 2 * DAY, RECORDED + DAY));
    // The earlier run was later than this one, so a clock was wrong.
    assert!(!outlived(RECORDED, RECORDED + 1_001 * DAY));
}

#[test]
fn an_original_outlived_a_manifest_if_nobody_touched_it_since() {
    let made = RECORDED + DAY;
    for (original, outlived) in [
        (Some(stat(RECORDED, RECORDED)), true),
        (Some(stat(RECORDED, made)), false),
        (Some(stat(made + 1, made + 1)), false),
        (Some(Stat { changed: None, ..stat(RECORDED, RECORDED) }), false),
        (None, false),
    ] {
        assert_eq!(manifest(made, original, &recorded()).outlived, outlived, "{original:?}");
    }
}

/// Every state in which an original can be found.
fn originals() -> Vec<Original> {
    use Standing::{Frozen, Modified, Replaced, SameTime, Settled, Unknown, Untouched};
    let mut all = vec![Original::Gone, Original::NotAFile, Original::Unreadable, Original::Absent];
    for standing in [SameTime, Untouched, Settled, Frozen, Replaced, Modified, Unknown] {
        for (steady, equal) in [(false, false), (false, true), (true, false), (true, true)] {
            all.push(Original::Read { standing, steady, equal });
        }
    }
    all
}

fn evidences() -> impl Iterator<Item = Evidence> {
    (0..8).map(|bits| Evidence { speaks: bits & 1 > 0, fits_copy: bits & 2 > 0, outlived: bits & 4 > 0 })
}

const WHOLE: FromBackup = FromBackup::Restored { size: 10, vouched: false };

#[test]
fn the_verdict_with_a_known_hash_follows_this_table() {
    use Standing::{Frozen, Modified, Replaced, SameTime, Settled, Unknown, Untouched};
    use Verdict::{Changed, Corrupt, Deleted, OriginalCorrupt, Stale, Unreadable, Verified};
    let read = |standing| Original::Read { standing, steady: true, equal: false };
    let unsteady = Original::Read { standing: SameTime, steady: false, equal: false };
    let table = [
        // The original, then the verdict if the hash speaks and fits the copy, if it speaks and
        // does not fit, and if it does not speak.
        (read(SameTime), OriginalCorrupt, Corrupt, Corrupt),
        (read(Untouched), OriginalCorrupt, Corrupt, Corrupt),
        (read(Frozen), OriginalCorrupt, Corrupt, Corrupt),
        (read(Settled), Stale, Stale, Stale),
        (read(Replaced), Verified, Corrupt, Changed),
        (read(Modified), Verified, Corrupt, Changed),
        (read(Unknown), Verified, Corrupt, Changed),
        (unsteady, Verified, Corrupt, Changed),
        (Original::Gone, Verified, Corrupt, Deleted),
        (Original::NotAFile, Verified, Corrupt, Changed),
        (Original::Unreadable, Verified, Corrupt, Unreadable),
        (Original::Absent, Verified, Corrupt, Deleted),
    ];
    for (original, fits, differs, silent) in table {
        for outlived in [false, true] {
            let judged = |speaks, fits_copy| {
                let known = Some(Evidence { speaks, fits_copy, outlived });
                judge_with(WHOLE, &original, &recorded(), known)
            };
            assert_eq!(judged(true, true), fits, "{original:?}");
            assert_eq!(judged(true, false), differs, "{original:?}");
            assert_eq!((judged(false, true), judged(false, false)), (silent, silent), "{original:?}");
        }
    }
}

#[test]
fn equal_bytes_are_verified_unless_nobody_touched_the_original_since_it_had_another_hash() {
    for original in originals() {
        let Original::Read { equal: true, .. } = original else { continue };
        for known in evidences() {
            let verdict = judge_with(WHOLE, &original, &recorded(), Some(known));
            let is_wrong = known.outlived && !known.fits_copy;
            let expected = if is_wrong { Verdict::Corrupt } else { Verdict::Verified };
            assert_eq!(verdict, expected, "{original:?}, {known:?}");
        }
    }
}

#[test]
fn no_known_hash_excuses_a_backup_that_gives_nothing_or_too_little() {
    let wrong = [
        FromBackup::Failed,
        FromBackup::ChecksumFailed,
        FromBackup::NotTried,
        FromBackup::Restored { size: 9, vouched: true },
    ];
    for given in wrong {
        for original in originals() {
            for known in evidences() {
                let verdict = judge_with(given, &original, &recorded(), Some(known));
                assert_eq!(verdict, judge(given, &original, &recorded()), "{given:?}, {original:?}");
            }
        }
    }
}

#[test]
fn a_reason_says_which_side_to_trust() {
    let known = manifest(RECORDED + DAY, None, &recorded());
    let read = Original::Read { standing: Standing::SameTime, steady: true, equal: false };
    let modified = Original::Read { standing: Standing::Modified, steady: true, equal: false };
    for (verdict, restored, original, state, says) in [
        (Verdict::OriginalCorrupt, 1, Some(2), read, "the backup is good, the original is not; restore it"),
        (Verdict::Corrupt, 2, Some(2), read, "both hold the same wrong bytes; look for the file in"),
        (Verdict::Corrupt, 2, Some(1), read, "it is the restored copy that is wrong"),
        (
            Verdict::Corrupt,
            2,
            Some(3),
            read,
            "both sides differ from the hash that is known from the manifest",
        ),
        (
            Verdict::Corrupt,
            2,
            Some(3),
            modified,
            "has been modified since the backup, but the manifest knows",
        ),
        (Verdict::Corrupt, 2, None, Original::Gone, "the original is gone, but the manifest knows"),
        (Verdict::Corrupt, 2, None, Original::Absent, "there is no original, but the manifest knows"),
    ] {
        let hashes =
            Some(super::super::record::Hashes { restored: hash(restored), original: original.map(hash) });
        let record = PickRecord { hashes, ..PickRecord::new(b"x", verdict) };
        let known = Known { speaks: true, ..known };
        let text = reason(&record, &known, &state).unwrap();
        assert!(text.contains(says), "{text}");
    }
    let hashes = Some(super::super::record::Hashes { restored: hash(1), original: None });
    let gone = PickRecord { hashes, ..PickRecord::new(b"x", Verdict::Deleted) };
    assert_eq!(
        beside(&gone, &known).unwrap(),
        "the restored copy has the hash that is known from the manifest"
    );
    assert_eq!(reason(&gone, &known, &Original::Gone), None);
}
