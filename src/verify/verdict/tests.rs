use super::super::comparable::standing;
use super::*;
use crate::platform::{Kind, Stat, Timestamp};
use std::time::Duration;

const SECOND: i128 = 1_000_000_000;
/// When the backup says that the file was modified, in nanoseconds.
const RECORDED: i128 = 1_700_000_000 * SECOND + 123_456_789;

fn stat(mtime: i128, changed: Option<i128>) -> Stat {
    Stat {
        kind: Kind::File,
        size: 10,
        mtime: Timestamp::from_nanos(mtime),
        changed: changed.map(Timestamp::from_nanos),
        id: (1, 2),
    }
}

/// An original that was not modified while it was read.
fn read(state: Stat, equal: bool, recorded: &Recorded) -> Original {
    Original::Read { standing: standing(&state, recorded), steady: true, equal }
}

/// The verdict on a copy of the recorded size, if nothing vouches for the copy.
fn judged(state: Stat, equal: bool, recorded: &Recorded) -> Verdict {
    judge(WHOLE, &read(state, equal, recorded), recorded)
}

fn recorded(resolution_ns: u64) -> Recorded {
    Recorded {
        size: Some(10),
        mtime: Some(Timestamp::from_nanos(RECORDED)),
        zone_unknown: false,
        resolution_ns,
        taken: None,
        closed: None,
        newest: None,
        window: Duration::from_secs(24 * 60 * 60),
        now: Timestamp::from_nanos(RECORDED + 1_000_000 * SECOND),
        frozen: false,
    }
}

const WHOLE: FromBackup = FromBackup::Restored { size: 10, vouched: false };
const VOUCHED: FromBackup = FromBackup::Restored { size: 10, vouched: true };

/// Every state in which an original can be found.
fn originals() -> Vec<Original> {
    use Standing::{Frozen, Modified, Replaced, SameTime, Settled, Unknown, Untouched};
    let mut all = vec![Original::Gone, Original::NotAFile, Original::Unreadable];
    for standing in [SameTime, Untouched, Settled, Frozen, Replaced, Modified, Unknown] {
        for (steady, equal) in [(false, false), (false, true), (true, false), (true, true)] {
            all.push(Original::Read { standing, steady, equal });
        }
    }
    all
}

#[test]
fn trouble_with_the_backup_outweighs_every_state_of_the_original() {
    for original in originals() {
        let judged = |backup| judge(backup, &original, &recorded(1));
        assert_eq!(judged(FromBackup::Failed), Verdict::RestoreFailed, "{original:?}");
        assert_eq!(judged(FromBackup::ChecksumFailed), Verdict::Corrupt, "{original:?}");
        assert_eq!(judged(FromBackup::NotTried), Verdict::Unreadable, "{original:?}");
        for vouched in [false, true] {
            let given = FromBackup::Restored { size: 9, vouched };
            assert_eq!(judged(given), Verdict::Corrupt, "{original:?}");
        }
    }
}

#[test]
fn only_equal_bytes_are_verified_and_they_always_are() {
    for original in originals() {
        let equal = matches!(original, Original::Read { equal: true, .. });
        for given in [WHOLE, VOUCHED] {
            let verdict = judge(given, &original, &recorded(1));
            assert_eq!(verdict == Verdict::Verified, equal, "{original:?}");
        }
    }
}

#[test]
fn an_original_that_cannot_be_compared_proves_nothing() {
    for (original, verdict) in [
        (Original::Gone, Verdict::Deleted),
        (Original::NotAFile, Verdict::Changed),
        (Original::Unreadable, Verdict::Unreadable),
    ] {
        assert_eq!(judge(WHOLE, &original, &recorded(1)), verdict);
    }
}

#[test]
fn an_original_touched_while_it_was_read_is_changed_whatever_else_is_known() {
    for original in originals() {
        if let Original::Read { steady: false, equal: false, .. } = original {
            for given in [WHOLE, VOUCHED] {
                assert_eq!(judge(given, &original, &recorded(1)), Verdict::Changed, "{original:?}");
            }
        }
    }
}

/// The bytes differ, and the original was not modified while it was read. Then its modification
/// time, its change time and the recorded time decide.
#[test]
fn different_bytes_are_the_fault_of_whoever_changed() {
    use Verdict::{Changed, Corrupt, OriginalCorrupt};
    let (earlier, same, later) = (RECORDED - SECOND, RECORDED, RECORDED + SECOND);
    let table = [
        // The original's modification time, its change time, and the verdict: first if nothing
        // vouches for the copy, then if something does.
        (same, None, Corrupt, OriginalCorrupt),
        (same, Some(earlier), Corrupt, OriginalCorrupt),
        (same, Some(same), Corrupt, OriginalCorrupt),
        // The attributes were changed since. The modification time still counts.
        (same, Some(later), Corrupt, OriginalCorrupt),
        (later, None, Changed, Changed),
        (later, Some(earlier), Changed, Changed),
        (later, Some(later), Changed, Changed),
        // The backup recorded the time of copying, and nothing happened to the original since.
        (earlier, Some(earlier), Corrupt, OriginalCorrupt),
        (earlier, Some(same), Corrupt, OriginalCorrupt),
        // An older file may have taken the original's place.
        (earlier, Some(later), Changed, Changed),
        (earlier, None, Changed, Changed),
    ];
    for (mtime, changed, without, with) in table {
        let judged = |given| judge(given, &read(stat(mtime, changed), false, &recorded(1)), &recorded(1));
        let row = format!("mtime {}, changed {:?}", mtime - RECORDED, changed.map(|time| time - RECORDED));
        assert_eq!(judged(WHOLE), without, "{row}");
        assert_eq!(judged(VOUCHED), with, "{row}, vouched for");
    }
}

#[test]
fn times_are_compared_at_the_backups_resolution() {
    let two_seconds = 2_000_000_000;
    let judged = |ahead, resolution| judged(stat(RECORDED + ahead, None), false, &recorded(resolution));
    for (ahead, resolution, verdict) in [
        (0, 1, Verdict::Corrupt),
        (1, 1, Verdict::Changed),
        (99, 100, Verdict::Corrupt),
        (100, 100, Verdict::Changed),
        (2 * SECOND - 1, two_seconds, Verdict::Corrupt),
        (2 * SECOND, two_seconds, Verdict::Changed),
        (-2 * SECOND + 1, two_seconds, Verdict::Corrupt),
        // A resolution of 0 means the finest possible.
        (0, 0, Verdict::Corrupt),
        (1, 0, Verdict::Changed),
    ] {
        assert_eq!(judged(ahead, resolution), verdict, "{ahead} ns ahead at {resolution} ns");
    }
}

#[test]
fn a_backup_that_records_no_time_cannot_blame_itself() {
    let unknown = Recorded { size: None, mtime: None, ..recorded(1) };
    let same = stat(RECORDED, Some(RECORDED));
    assert_eq!(judge(VOUCHED, &read(same, false, &unknown), &unknown), Verdict::Changed);
    assert_eq!(judged(same, true, &unknown), Verdict::Verified);
    let other_size = FromBackup::Restored { size: 3, vouched: false };
    assert_eq!(judge(other_size, &read(same, true, &unknown), &unknown), Verdict::Verified);
}

#[test]
fn the_sizes_of_different_files_do_not_excuse_the_backup() {
    // A folder records the size of the copy that it has, so a truncated copy agrees with its
    // record.
    let longer = Stat { size: 10_000, ..stat(RECORDED, None) };
    assert_eq!(judged(longer, false, &recorded(1)), Verdict::Corrupt);
}

#[test]
fn verdicts_are_listed_in_order_and_classed_once() {
    for (index, verdict) in Verdict::ALL.into_iter().enumerate() {
        assert_eq!(verdict as usize, index);
        assert!(!verdict.is_alarm() || verdict.is_decided(), "{} proves something", verdict.word());
    }
    let decided: Vec<&str> =
        Verdict::ALL.into_iter().filter(|verdict| verdict.is_decided()).map(Verdict::word).collect();
    assert_eq!(decided, ["verified", "corrupt", "restore-failed", "stale", "original-corrupt"]);
}

#[test]
fn a_recorded_time_that_may_have_been_cut_is_compared_as_coarsely() {
    let judged = |mtime: i128, ahead: i128| {
        let there = Recorded { mtime: Some(Timestamp::from_nanos(mtime)), ..recorded(1) };
        judged(stat(mtime + ahead, None), false, &there)
    };
    let whole = 1_700_000_000 * SECOND;
    for (recorded, within) in [
        (whole, 2 * SECOND),
        (whole + SECOND, SECOND),
        (whole + SECOND + 700_000_000, 100_000_000),
        (whole + SECOND + 710_000_000, 10_000_000),
        (whole + SECOND + 711_000_000, 1_000_000),
        (whole + SECOND + 711_110_000, 10_000),
        (whole + SECOND + 711_111_000, 1_000),
        (whole + SECOND + 500, 100),
        (whole + SECOND + 1, 1),
    ] {
        assert_eq!(judged(recorded, 1 - within), Verdict::Corrupt, "{recorded}");
        assert_eq!(judged(recorded, within - 1), Verdict::Corrupt, "{recorded}");
        assert_eq!(judged(recorded, within), Verdict::Changed, "{recorded}");
    }
}

#[test]
fn a_recorded_time_that_says_nothing_is_replaced_by_the_time_of_the_backup() {
    let judged = |mtime: Option<i128>, changed: i128| {
        let taken = Some(Timestamp::from_nanos(RECORDED));
        let there = Recorded { mtime: mtime.map(Timestamp::from_nanos), taken, ..recorded(1) };
        judged(stat(RECORDED - 90 * SECOND, Some(changed)), false, &there)
    };
    for nothing in [None, Some(0), Some(315_532_800 * SECOND)] {
        assert_eq!(judged(nothing, RECORDED - SECOND), Verdict::Corrupt);
        assert_eq!(judged(nothing, RECORDED + SECOND), Verdict::Changed);
    }
}

#[test]
fn an_archive_that_was_copied_later_without_its_time_is_not_blamed_for_what_changed_before_the_copy() {
    let judged = |newest: Option<i128>| {
        let there = Recorded {
            mtime: None,
            taken: Some(Timestamp::from_nanos(RECORDED + 900 * SECOND)),
            newest: newest.map(Timestamp::from_nanos),
            ..recorded(1)
        };
        judged(stat(RECORDED + SECOND, Some(RECORDED + SECOND)), false, &there)
    };
    assert_eq!(judged(Some(RECORDED)), Verdict::Changed);
    assert_eq!(judged(Some(RECORDED + 2 * SECOND)), Verdict::Corrupt);
    assert_eq!(
        judged(Some(RECORDED + 9_000 * SECOND)),
        Verdict::Corrupt,
        "a file with a time from the future"
    );
    // If the backup records no times, its own time decides.
    assert_eq!(judged(None), Verdict::Corrupt);
    assert_eq!(judged(Some(0)), Verdict::Corrupt);
}

#[test]
fn a_fat_disk_that_is_an_hour_off_hides_no_corruption() {
    let whole = 1_700_000_000 * SECOND;
    let mtime = Some(Timestamp::from_nanos(whole));
    let an_hour = 3_600 * SECOND;
    let taken = Some(Timestamp::from_nanos(whole + 2 * an_hour));
    let there = Recorded { mtime, taken, ..recorded(1) };
    let judged = |mtime, changed| judged(stat(mtime, Some(changed)), false, &there);
    assert_eq!(judged(whole + an_hour, whole + an_hour), Verdict::Corrupt);
    assert_eq!(judged(whole + an_hour, whole + 3 * an_hour), Verdict::Changed);
}
