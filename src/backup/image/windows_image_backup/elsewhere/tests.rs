//! Newer backups in other places, and what looks like one.

use super::super::tests::{backup, world};
use super::super::{NAME, find};
use super::*;

const OLDER: &str = "Backup 2026-01-01 000000";
const NEWER: &str = "Backup 2026-01-02 000000";

#[test]
fn a_newer_backup_that_was_moved_or_renamed_is_not_passed_over() {
    for place in [
        "WindowsImageBackup",
        "WindowsImageBackup/SERVER/new",
        "WindowsImageBackup/SERVER - Copy",
        "WindowsImageBackup/WindowsImageBackup/SERVER",
        "WindowsImageBackup/2026/SERVER",
        "WindowsImageBackup (2)/SERVER",
        "WindowsImageBackup-2026-01/server",
        "Copy of WindowsImageBackup/SERVER",
        "old/WindowsImageBackup/SERVER",
        "old/windowsimagebackup 2/SERVER/new",
        "old/SERVER",
        "SERVER",
        "old",
        "",
    ] {
        let (root, computer) = world();
        let known = backup(&computer, OLDER);
        let newer = backup(&root.path().join(place), NEWER);
        let error = find(root.path(), None, Some("server")).unwrap_err().to_string();
        for word in [&path_text(&newer), &path_text(&known), "--backup", "is newer than"] {
            assert!(error.contains(word), "{place}: {error}");
        }
        // The user may say which: by the folder, or by the name.
        assert_eq!(find(&newer, None, Some("server")).unwrap().name, NEWER);
        assert_eq!(find(&known, None, Some("server")).unwrap().name, OLDER);
        assert_eq!(find(root.path(), Some(OLDER), Some("server")).unwrap().name, OLDER);
        // A copy of the same backup, or an older one, is not newer.
        for other in [OLDER, "Backup 2025-12-31 000000"] {
            let moved = newer.with_file_name(other);
            if !moved.exists() {
                fs::rename(&newer, &moved).unwrap();
                assert!(find(root.path(), None, Some("server")).is_ok(), "{place}");
                fs::rename(&moved, &newer).unwrap();
            }
        }
    }
}

/// Most people name these folders.
#[test]
fn beside_the_folder_that_windows_writes_is_searched_too() {
    for place in ["WindowsImageBackup (2)/SERVER", "old/WindowsImageBackup/SERVER", "SERVER", ""] {
        let (root, computer) = world();
        backup(&computer, OLDER);
        let newer = backup(&root.path().join(place), NEWER);
        for folder in [&root.path().join(NAME), &computer] {
            let error = find(folder, None, None).unwrap_err().to_string();
            assert!(error.contains(&path_text(&newer)), "{place}: {error}");
        }
    }
    // Whoever names a copy has chosen it.
    let (root, computer) = world();
    backup(&computer, NEWER);
    let copy = root.path().join("WindowsImageBackup (2)");
    backup(&copy.join("SERVER"), OLDER);
    for folder in [&copy, &copy.join("SERVER")] {
        assert_eq!(find(folder, None, None).unwrap().name, OLDER);
    }
}

/// The notes of a search that found nothing newer.
fn notes(folder: &Path) -> Vec<String> {
    let found = find(folder, None, Some("server")).unwrap();
    assert_eq!(found.name, OLDER);
    found.notes.into_iter().skip(1).collect()
}

#[test]
fn no_number_of_other_folders_hides_a_newer_backup() {
    let (root, computer) = world();
    backup(&computer, OLDER);
    for number in 0..1500 {
        fs::create_dir(root.path().join(format!("d{number}"))).unwrap();
    }
    assert_eq!(notes(root.path()), [""; 0]);
    for place in ["d0", "d1", "d300", "d749", "d750", "d1200", "d1498", "d1499"] {
        for moved in [root.path().join(place).join("SERVER"), root.path().join(place)] {
            let newer = backup(&moved, NEWER);
            assert!(find(root.path(), None, Some("server")).is_err(), "{}", newer.display());
            fs::remove_dir_all(newer).unwrap();
        }
    }
}

#[test]
fn of_a_folder_with_many_files_only_the_beginning_is_searched_and_a_note_says_so() {
    let (root, computer) = world();
    backup(&computer, OLDER);
    let photos = root.path().join("photos");
    fs::create_dir(&photos).unwrap();
    for number in 0..=MOST_ENTRIES {
        fs::write(photos.join(number.to_string()), "").unwrap();
    }
    let said = notes(root.path());
    assert!(said.len() == 1 && said[0].contains("not all were searched"), "{said:?}");
    assert!(said[0].ends_with(&path_text(&photos)), "{said:?}");
    fs::remove_file(photos.join("0")).unwrap();
    assert_eq!(notes(root.path()), [""; 0]);
    // What has one of the names is found however long the list is.
    fs::write(photos.join("0"), "").unwrap();
    for name in ["SERVER", "WindowsImageBackup/SERVER"] {
        backup(&photos.join(name), NEWER);
        assert!(find(root.path(), None, None).is_err(), "{name}");
        fs::remove_dir_all(photos.join(name)).unwrap();
    }
}

#[test]
fn an_empty_folder_with_the_name_of_a_backup_is_none_unless_it_is_below_the_computer() {
    for place in ["", "DESK", "photos", "WindowsImageBackup", "WindowsImageBackup-DESK"] {
        let (root, computer) = world();
        backup(&computer, OLDER);
        fs::create_dir_all(root.path().join(place).join(NEWER)).unwrap();
        fs::write(root.path().join(place).join(NEWER).join("photo.jpg"), "").unwrap();
        assert_eq!(notes(root.path()), [""; 0], "{place}");
    }
    let (root, computer) = world();
    backup(&computer, OLDER);
    fs::create_dir_all(root.path().join("SERVER").join(NEWER)).unwrap();
    assert!(find(root.path(), None, None).is_err());
}

#[test]
fn a_backup_of_other_volumes_is_of_another_computer_and_a_note_names_it() {
    let (root, computer) = world();
    backup(&computer, OLDER);
    let other = root.path().join("DESK").join(NEWER);
    fs::create_dir_all(&other).unwrap();
    let image = |guid: &str| fs::write(other.join(format!("{guid}.vhdx")), "vhdxfile").unwrap();
    image("1b9cfbc4-369e-11e9-a17c-806e6f6e6963");
    let said = notes(root.path());
    assert!(said.len() == 1 && said[0].contains("another computer"), "{said:?}");
    assert!(said[0].ends_with(&path_text(&other)), "{said:?}");
    // One volume of this computer is enough.
    image("9b9cfbc4-369e-11e9-a17c-806e6f6e6963");
    assert!(find(root.path(), None, None).is_err());
}

#[test]
fn the_name_of_a_renamed_folder_is_that_of_the_computer_and_not_of_one_with_a_longer_name() {
    for renamed in ["SERVER - Copy", "server (2)", "SERVER(2)", "SERVER.old", "Copy of Server"] {
        assert!(is_renamed(renamed, "SERVER"), "{renamed}");
    }
    for other in ["SERVER2 - Copy", "SQLSERVER (old)", "LAPTOP-SERVER - Copy", "SERVER2", "old.SERVERS"] {
        assert!(!is_renamed(other, "SERVER"), "{other}");
    }
}

/// Nobody but their owner may list some folders. Root may list all.
#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_listed_is_in_a_note_and_does_not_end_the_run() {
    use std::os::unix::fs::symlink;

    let (root, computer) = world();
    backup(&computer, OLDER);
    // A link to itself cannot be listed by anybody.
    for name in ["WindowsImageBackup-2024", "secret"] {
        symlink(name, root.path().join(name)).unwrap();
    }
    symlink("$RECYCLE.BIN", root.path().join(NAME).join("$RECYCLE.BIN")).unwrap();
    for folder in [root.path(), &computer] {
        let said = notes(folder);
        assert!(said.len() == 1 && said[0].contains("cannot be listed"), "{said:?}");
        for name in ["WindowsImageBackup-2024", "secret"] {
            assert!(said[0].contains(&path_text(&root.path().join(name))), "{said:?}");
        }
    }
    // It is known to be newer.
    symlink(NEWER, root.path().join(NEWER)).unwrap();
    assert!(find(root.path(), None, Some("server")).is_err());
}

#[test]
fn a_copy_of_a_newer_backup_is_not_passed_over_either() {
    let (root, computer) = world();
    backup(&computer, OLDER);
    backup(root.path(), &format!("{NEWER} - Copy"));
    assert!(find(root.path(), None, None).is_err());
}

#[test]
fn the_backup_of_another_computer_is_none_of_this() {
    let (root, computer) = world();
    backup(&computer, OLDER);
    for place in ["WindowsImageBackup/SERVER2", "WindowsImageBackup (2)/DESK", "old/a/b/SERVER"] {
        backup(&root.path().join(place), NEWER);
    }
    assert_eq!(find(root.path(), None, Some("server")).unwrap().name, OLDER);
}

#[cfg(unix)]
#[test]
fn links_in_a_circle_end_and_a_link_to_the_known_backup_is_not_newer() {
    use std::os::unix::fs::symlink;

    let (root, computer) = world();
    let known = backup(&computer, OLDER);
    symlink(root.path(), root.path().join("WindowsImageBackup of all")).unwrap();
    symlink(root.path(), root.path().join("loop")).unwrap();
    symlink(&known, root.path().join(NEWER)).unwrap();
    symlink(&known, computer.join("current")).unwrap();
    assert_eq!(find(root.path(), None, None).unwrap().name, OLDER);
    assert_eq!(find(&computer, None, None).unwrap().name, OLDER);
    // Nobody knows what it led to.
    symlink("nowhere", root.path().join("Backup 2026-01-03 000000")).unwrap();
    assert!(find(root.path(), None, None).unwrap_err().to_string().contains("2026-01-03"));
    fs::remove_file(root.path().join("Backup 2026-01-03 000000")).unwrap();
    symlink("nowhere", computer.join("Backup 2026-01-03 000000")).unwrap();
    let error = find(root.path(), None, None).unwrap_err().to_string();
    assert!(error.contains("Backup 2026-01-03 000000: No such file"), "{error}");
}
