use super::*;

const DAY: i64 = 24 * 60 * 60;

fn now() -> Timestamp {
    "2026-11-28T12:00:00Z".parse().unwrap()
}

fn days_ago(days: i64) -> Option<KnownFile> {
    Some(KnownFile { verified: Some(now() - SignedDuration::from_secs(days * DAY)) })
}

fn remembered() -> Remembered {
    Remembered {
        jobs: vec!["nightly".to_owned()],
        backup: "/b".to_owned(),
        originals: vec!["/s".to_owned()],
        population: Some((Amount { files: 10, bytes: Some(1000) }, now())),
        windows: [4, 6, 12, 14].map(|files| Amount { files, bytes: Some(files * 100) }),
        ever: Amount { files: 14, bytes: Some(1400) },
        judged: 15,
        oldest: None,
        rotates: Some(2),
    }
}

#[test]
fn a_listing_counts_each_file_in_the_windows_that_hold_it() {
    let mut tally = Tally::new(now(), 1);
    for (path, days) in [("a/1", 0), ("a/2", 7), ("a/3", 8), ("b/4", 89), ("b/5", 366)] {
        tally.add(path.as_bytes(), Some(10), days_ago(days));
    }
    tally.add(b"b/judged", Some(10), Some(KnownFile { verified: None }));
    tally.add(b"new", Some(10), None);
    let found = remembered().listed(tally);
    let files: Vec<_> = found.windows.iter().map(|window| window.verified.files).collect();
    assert_eq!(files, [2, 3, 4, 4]);
    assert_eq!((found.ever.files, found.never.unwrap().files), (5, 2));
    assert_eq!(found.population, Some(Amount { files: 7, bytes: Some(70) }));
    assert_eq!(found.windows[0].files_share, Some(2.0 / 7.0));
    assert_eq!(found.oldest.unwrap().path, "b/5");
    let folders: Vec<_> = found
        .folders
        .unwrap()
        .into_iter()
        .map(|folder| (folder.path, folder.never.files, folder.all.files))
        .collect();
    assert_eq!(folders, [(String::new(), 1, 1), ("b".to_owned(), 1, 3)]);
}

#[test]
fn a_verification_that_lies_ahead_is_in_no_window() {
    let mut tally = Tally::new(now(), 1);
    tally.add(b"a", Some(10), days_ago(-365));
    let found = remembered().listed(tally);
    assert_eq!((found.windows[3].verified.files, found.ever.files), (0, 1));
}

#[test]
fn files_that_left_the_backup_are_in_no_number_of_a_listing() {
    let mut tally = Tally::new(now(), 1);
    tally.add(b"a", Some(10), days_ago(1));
    let found = remembered().listed(tally);
    assert_eq!(found.gone, Some(14));
    assert_eq!((found.windows[3].verified.files, found.windows[3].files_share), (1, Some(1.0)));
}

#[test]
fn without_a_listing_no_share_is_above_the_whole() {
    let found = remembered().coverage();
    let files: Vec<_> = found.windows.iter().map(|window| window.verified.files).collect();
    assert_eq!(files, [4, 6, 10, 10]);
    assert_eq!(found.windows[3].files_share, Some(1.0));
    assert_eq!(found.never, Some(Amount { files: 0, bytes: Some(0) }));
    // All 10 files may be meant, 2 of them each run.
    assert_eq!(found.rotation, Some(Rotation { files_a_run: 2, runs: 5, again_after_runs: 5 }));
}

#[test]
fn without_a_whole_listing_there_is_no_share() {
    let found = Remembered { population: None, ..remembered() }.coverage();
    assert_eq!((found.windows[0].files_share, found.never, found.rotation), (None, None, None));
    assert_eq!(found.windows[3].verified.files, 14);
}

#[test]
fn sizes_that_are_not_known_are_not_taken_for_zero() {
    let mut tally = Tally::new(now(), 1);
    tally.add(b"a", Some(10), days_ago(1));
    tally.add(b"b", None, days_ago(1));
    let found = remembered().listed(tally);
    assert_eq!(found.windows[0].verified, Amount { files: 2, bytes: None });
    assert_eq!(found.windows[0].bytes_share, None);
}

#[test]
fn a_rotation_counts_only_the_half_that_rotates() {
    assert_eq!(
        Rotation::new(1000, 251, 250),
        Some(Rotation { files_a_run: 250, runs: 2, again_after_runs: 4 })
    );
    assert_eq!(Rotation::new(1000, 0, 250).map(|rotation| rotation.runs), Some(0));
    assert_eq!(Rotation::new(1000, 1000, 0), None);
}

#[test]
fn folders_are_told_apart_down_to_the_depth() {
    let at = |path: &'static str, depth| folder(path.as_bytes(), depth);
    assert_eq!(at("a/b/c.txt", 1), b"a");
    assert_eq!(at("a/b/c.txt", 2), b"a/b");
    assert_eq!(at("a/b/c.txt", 9), b"a/b");
    assert_eq!(at("c.txt", 2), b"");
}

#[test]
fn very_many_folders_are_counted_together() {
    let mut tally = Tally::new(now(), 1);
    for number in 0..FOLDERS_MAX + 5 {
        tally.add(format!("{number:06}/x").as_bytes(), Some(1), None);
    }
    let found = remembered().listed(tally).folders.unwrap();
    assert_eq!(found.len(), FOLDERS_MAX + 1);
    assert_eq!((found[0].path.as_str(), found[0].never.files), ("(others)", 5));
}
