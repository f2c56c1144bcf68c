use super::*;
use crate::platform::Kind;

const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND;
/// When the backup says that the file was modified, in nanoseconds. Not a multiple of any
/// resolution.
const RECORDED: i128 = 1_700_000_000 * SECOND + 123_456_789;

fn stat(mtime: i128, changed: i128) -> Stat {
    Stat {
        kind: Kind::File,
        size: 10,
        mtime: Timestamp::from_nanos(mtime),
        changed: Some(Timestamp::from_nanos(changed)),
        id: (1, 2),
    }
}

fn recorded() -> Recorded {
    Recorded {
        size: Some(10),
        mtime: Some(Timestamp::from_nanos(RECORDED)),
        zone_unknown: false,
        resolution_ns: 1,
        taken: None,
        closed: None,
        newest: None,
        window: Duration::from_secs(86_400),
        now: Timestamp::from_nanos(RECORDED + 1_000 * DAY),
        frozen: false,
    }
}

#[test]
fn an_original_without_a_later_modification_time_can_be_compared() {
    for (mtime, changed, expected, comparable) in [
        (RECORDED, RECORDED + DAY, Standing::SameTime, true),
        (RECORDED - DAY, RECORDED - DAY, Standing::Untouched, true),
        (RECORDED - DAY, RECORDED + DAY, Standing::Replaced, true),
        (RECORDED + DAY, RECORDED + DAY, Standing::Modified, false),
    ] {
        let found = standing(&stat(mtime, changed), &recorded());
        assert_eq!((found, found.is_comparable()), (expected, comparable));
    }
}

#[test]
fn what_was_left_alone_since_long_before_the_backup_should_be_in_it_as_it_is() {
    let touched = RECORDED + DAY;
    let with = |newest: i128| Recorded { newest: Some(Timestamp::from_nanos(newest)), ..recorded() };
    let original = stat(touched, touched);
    assert_eq!(standing(&original, &with(touched + DAY + 1)), Standing::Settled);
    assert_eq!(standing(&original, &with(touched + DAY)), Standing::Modified);
    // Renamed, or with changed attributes, within the time that a backup takes.
    assert_eq!(standing(&stat(touched, touched + 2), &with(touched + DAY + 1)), Standing::Modified);
    // Without a change time, nobody knows when the original was last touched.
    let unknown = Stat { changed: None, ..original };
    assert_eq!(standing(&unknown, &with(touched + 9 * DAY)), Standing::Modified);
    // An equal time is the stronger evidence.
    assert_eq!(standing(&stat(RECORDED, RECORDED), &with(RECORDED + 9 * DAY)), Standing::SameTime);
    let window = Duration::from_secs(8 * 86_400);
    assert_eq!(standing(&original, &Recorded { window, ..with(touched + 8 * DAY) }), Standing::Modified);
}

#[test]
fn what_was_written_after_the_archive_was_closed_was_modified_within_the_same_second_too() {
    let mtime = Some(Timestamp { seconds: 1_700_000_001, nanos: 0 });
    let closed = Some(Timestamp { seconds: 1_700_000_001, nanos: 300_000_000 });
    let there = Recorded { mtime, taken: closed, closed, ..recorded() };
    let at =
        |nanos: i128| standing(&stat(1_700_000_001 * SECOND + nanos, 1_700_000_001 * SECOND + nanos), &there);
    assert_eq!(at(200_000_000), Standing::SameTime);
    assert_eq!(at(400_000_000), Standing::Modified);
}

#[test]
fn a_file_that_was_dated_in_the_future_and_has_another_time_was_modified() {
    let mtime = Some(Timestamp::from_nanos(RECORDED + 2_000 * DAY));
    let there = Recorded { mtime, ..recorded() };
    let edited = RECORDED + 900 * DAY;
    assert_eq!(standing(&stat(edited, edited), &there), Standing::Modified);
    assert_eq!(standing(&stat(RECORDED + 2_000 * DAY, edited), &there), Standing::SameTime);
}

#[test]
fn a_time_on_the_wall_of_an_unknown_zone_fits_every_zone_and_no_other_time() {
    let wall = 1_700_000_000;
    let mtime = Some(Timestamp { seconds: wall, nanos: 0 });
    let taken = Some(Timestamp { seconds: wall + 400_000, nanos: 0 });
    let there = Recorded { mtime, taken, zone_unknown: true, resolution_ns: 2_000_000_000, ..recorded() };
    let at = |seconds: i128| {
        let time = (i128::from(wall) + seconds) * SECOND;
        standing(&stat(time, time), &there)
    };
    for quarters in [-56, -20, -3, 0, 1, 23, 48, 56] {
        assert_eq!(at(quarters * 900), Standing::SameTime, "{quarters} quarters of an hour");
        assert_eq!(at(quarters * 900 + 1), Standing::SameTime);
        assert!(!at(quarters * 900 + 400).is_comparable());
    }
    assert_eq!(at(30 * 3_600), Standing::Modified);
    assert_eq!(at(-30 * 3_600), Standing::Untouched);
    assert_eq!(at(27 * 3_600), Standing::Modified, "no two zones are so far apart");
    // An edit after the backup that happens to be a multiple of a quarter of an hour after the
    // recorded time.
    let edited = (i128::from(wall) + 75 * 60) * SECOND;
    let touched_later = stat(edited, edited + 500_000 * SECOND);
    assert_eq!(standing(&touched_later, &there), Standing::Unknown);
    assert_eq!(standing(&stat(edited, edited), &Recorded { taken: None, ..there }), Standing::Unknown);
}

#[test]
fn a_frozen_original_can_be_compared_whatever_its_times_say() {
    let there = Recorded { frozen: true, ..recorded() };
    assert_eq!(standing(&stat(RECORDED + DAY, RECORDED + DAY), &there), Standing::Frozen);
    assert!(Standing::Frozen.is_comparable() && Standing::Frozen.blames_the_backup());
}
