use super::*;

fn time(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanos: 0 }
}

#[test]
fn only_what_was_at_its_place_when_the_backup_was_taken_is_missing() {
    let taken = |before, after, settled| Taken {
        before: Some(time(before)),
        after: Some(time(after)),
        settled: Some(time(settled)),
    };
    let at = |seconds| Since::Time(time(seconds));
    let sure = taken(100, 50, 60);
    for (mtime, since, expected) in [
        (10, at(40), Fate::Missing),
        (10, at(60), Fate::Missing),
        // It came when most of what is in the backup was there already, and perhaps before a
        // copy of it.
        (10, at(61), Fate::Doubtful),
        (10, Since::Mounted, Fate::Doubtful),
        // It came, or was moved there, later.
        (10, at(100), Fate::Undecided),
        (10, at(101), Fate::Undecided),
        (10, Since::Unknown, Fate::Undecided),
        (70, at(70), Fate::Undecided),
        (70, Since::Mounted, Fate::Undecided),
        (101, at(101), Fate::TooYoung),
    ] {
        assert_eq!(fate(time(mtime), since, &sure), expected, "{mtime} {since:?}");
    }
    let nothing = Taken { before: None, after: None, settled: None };
    assert_eq!(fate(time(1), at(1), &nothing), Fate::Undecided);
}

#[test]
fn what_lies_in_a_damaged_part_may_be_there() {
    let lost = |lost| Damage { problem: String::new(), lost, denied: false };
    assert!(may_be_lost(&lost(None), b"a/b"));
    assert!(may_be_lost(&lost(Some(Lost::Folder(b"a".to_vec()))), b"a/b"));
    assert!(may_be_lost(&lost(Some(Lost::Either(b"a/b".to_vec()))), b"a/b"));
    assert!(!may_be_lost(&lost(Some(Lost::Folder(b"a".to_vec()))), b"ab/c"));
}

#[test]
fn names_are_found_by_their_key_and_others_are_turned_away() {
    let drawn = ["a/x", "B\u{fc}ro"].map(|name| Drawn::new(&Entry::named(name.as_bytes())));
    let lookup = Lookup::new(true, 2, 2, Vec::new(), drawn.into());
    for name in ["a/x", "other", "Bu\u{308}ro"] {
        lookup.note(&Entry::named(name.as_bytes()));
    }
    assert!(lookup.drawn[0].found.load(Ordering::Relaxed));
    let respelled = lookup.drawn[1].respelled.lock().unwrap();
    assert_eq!(respelled.as_deref(), Some("Bu\u{308}ro".as_bytes()));
}
