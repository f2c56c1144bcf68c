use super::*;

fn time(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanos: 0 }
}

#[test]
fn only_what_was_at_its_place_when_the_backup_was_taken_is_missing() {
    let taken = |before, after, settled| TakenBetween {
        before: Some(time(before)),
        after: Some(time(after)),
        settled: Some(time(settled)),
    };
    let at = |seconds| Since::Time(time(seconds));
    let sure = taken(100, 50, 60);
    for (mtime, since, expected) in [
        (10, at(40), LookupResult::Missing),
        (10, at(60), LookupResult::Missing),
        // It came after most of the originals that the backup holds, and perhaps before the backup
        // was copied.
        (10, at(61), LookupResult::Doubtful),
        (10, Since::Mounted, LookupResult::Doubtful),
        // It came to its path, or was moved there, later.
        (10, at(100), LookupResult::Undecided),
        (10, at(101), LookupResult::Undecided),
        (10, Since::Unknown, LookupResult::Undecided),
        (70, at(70), LookupResult::Undecided),
        (70, Since::Mounted, LookupResult::Undecided),
        (101, at(101), LookupResult::TooYoung),
    ] {
        assert_eq!(classify_unlisted(time(mtime), since, &sure), expected, "{mtime} {since:?}");
    }
    let nothing = TakenBetween { before: None, after: None, settled: None };
    assert_eq!(classify_unlisted(time(1), at(1), &nothing), LookupResult::Undecided);
}

#[test]
fn what_lies_in_a_damaged_part_may_be_there() {
    let lost = |lost| Damage::loss(String::new(), lost);
    assert!(may_be_lost(&lost(None), b"a/b"));
    assert!(may_be_lost(&lost(Some(Lost::Folder(b"a".to_vec()))), b"a/b"));
    assert!(may_be_lost(&lost(Some(Lost::Either(b"a/b".to_vec()))), b"a/b"));
    assert!(!may_be_lost(&lost(Some(Lost::Folder(b"a".to_vec()))), b"ab/c"));
}

#[test]
fn names_are_found_by_their_key_and_others_are_turned_away() {
    let drawn = ["a/x", "B\u{fc}ro"].map(|name| DrawnOriginal::new(&Entry::named(name.as_bytes())));
    let lookup = Lookup::new(&Claims::default(), 2, Vec::new(), drawn.into());
    for name in ["a/x", "other", "Bu\u{308}ro"] {
        lookup.note(&Entry::named(name.as_bytes()));
    }
    assert!(lookup.drawn[0].found.load(Ordering::Relaxed));
    let respelled = lookup.drawn[1].respelled.lock().unwrap();
    assert_eq!(respelled.as_deref(), Some("Bu\u{308}ro".as_bytes()));
}
