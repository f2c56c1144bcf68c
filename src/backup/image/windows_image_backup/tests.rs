//! Folders of image backups, whole and broken.

use std::fs;

use super::*;
use crate::backup::DamageKind;

const C: &str = "9b9cfbc4-369e-11e9-a17c-806e6f6e6963";
const D: &str = "0c0cfbc4-369e-11e9-a17c-806e6f6e6963";

/// Makes the folder of a backup with three images: of drive C, of a volume without a letter, and of
/// the EFI system partition.
pub(super) fn backup(computer: &Path, name: &str) -> PathBuf {
    let folder = computer.join(name);
    fs::create_dir_all(&folder).unwrap();
    for image in [C, D, "Esp"] {
        fs::write(folder.join(format!("{image}.vhdx")), "vhdxfile").unwrap();
    }
    let volume =
        |guid: &str, place: &str| format!(r#"<v Name="\\?\Volume{{{guid}}}\" AccessPath="{place}"/>"#);
    let text = volume(C, "C:") + &volume(D, "");
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(folder.join(specs::FILE), units).unwrap();
    folder
}

pub(super) fn world() -> (tempfile::TempDir, PathBuf) {
    let world = tempfile::tempdir().unwrap();
    let computer = world.path().join(NAME).join("SERVER");
    (world, computer)
}

#[test]
fn the_newest_backup_is_found_from_every_folder_above_it() {
    let (world, computer) = world();
    backup(&computer, "Backup 2025-12-31 235959");
    let newest = backup(&computer, "Backup 2026-01-01 000000");
    fs::create_dir_all(computer.join("Catalog")).unwrap();
    for folder in [world.path(), &world.path().join(NAME), &computer, &newest] {
        assert!(is_one(folder), "{}", folder.display());
        let found = find(folder, None, None).unwrap();
        assert_eq!((found.name.as_str(), found.is_complete), ("Backup 2026-01-01 000000", true));
        assert_eq!(found.taken.map(|taken| taken.seconds), Some(1_767_225_600));
        let images: Vec<_> = found.images.iter().map(|image| (image.guid, image.letter)).collect();
        assert_eq!(images, [(Guid::parse(D), None), (Guid::parse(C), Some('C')), (None, None)]);
    }
    let found = find(world.path(), None, None).unwrap();
    assert!(found.notes[0].ends_with("000000, the newest of 2"), "{:?}", found.notes);
}

#[test]
fn an_older_backup_is_found_by_its_name_and_listed() {
    let (world, computer) = world();
    for name in ["Backup 2026-01-01 000000", "Backup 2025-12-31 235959"] {
        backup(&computer, name);
    }
    let listed = snapshots(world.path(), None).unwrap();
    let names: Vec<_> = listed.iter().map(|snapshot| snapshot.name.as_str()).collect();
    assert_eq!(names, ["Backup 2025-12-31 235959", "Backup 2026-01-01 000000"]);
    let found = find(world.path(), Some(names[0]), None).unwrap();
    assert_eq!(found.name, names[0]);
    let error = find(world.path(), Some("Backup 1"), None).unwrap_err().to_string();
    assert!(error.contains("Backup 1") && error.contains(names[1]), "{error}");
    let other = find(&computer.join(names[1]), Some(names[0]), None).unwrap_err().to_string();
    assert!(other.contains("no other"), "{other}");
}

#[test]
fn of_several_computers_this_one_is_taken_and_otherwise_the_user_must_say() {
    let (world, computer) = world();
    backup(&computer, "Backup 2026-01-01 000000");
    backup(&computer.with_file_name("DESK"), "Backup 2026-02-01 000000");
    let error = find(world.path(), None, Some("laptop")).unwrap_err().to_string();
    assert!(error.contains("DESK, SERVER") && error.contains("--backup \""), "{error}");
    assert_eq!(find(world.path(), None, Some("server")).unwrap().name, "Backup 2026-01-01 000000");
}

#[test]
fn a_folder_that_only_holds_an_image_is_no_backup_of_windows() {
    let world = tempfile::tempdir().unwrap();
    fs::write(world.path().join("machine.vhdx"), "vhdxfile").unwrap();
    fs::write(world.path().join("notes.txt"), "").unwrap();
    fs::create_dir(world.path().join("Backup 2026-01-01")).unwrap();
    fs::create_dir(world.path().join("Backup 2026-01-01 000000")).unwrap();
    fs::create_dir(world.path().join(NAME)).unwrap();
    assert!(!is_one(world.path()));
    assert!(!is_one(&world.path().join(NAME)));
}

/// What of a backup is missing.
fn gaps(found: &FoundBackup) -> Vec<&str> {
    assert!(found.damage.iter().all(|damage| damage.kind == DamageKind::Gap), "{:?}", found.damage);
    found.damage.iter().map(|damage| damage.problem.as_str()).collect()
}

#[test]
fn missing_and_garbled_xml_is_a_gap_unless_the_user_names_the_folder() {
    let cut_off = r#"<BackupSpecs><Volume Name=""/>"#;
    for (content, gap) in
        [(None, "is missing"), (Some("<Volume <<<"), "cannot be read"), (Some(cut_off), "cut off")]
    {
        let (world, computer) = world();
        let folder = backup(&computer, "Backup 2026-01-01 000000");
        match content {
            None => fs::remove_file(folder.join(specs::FILE)).unwrap(),
            Some(content) => fs::write(folder.join(specs::FILE), content).unwrap(),
        }
        let found = find(world.path(), None, None).unwrap();
        assert!(found.images.iter().all(|image| image.letter.is_none()));
        assert_eq!(found.is_complete, content.is_some());
        assert!(gaps(&found)[0].contains(gap), "{:?}", found.damage);
        assert!(found.notes.iter().any(|line| line.contains("no file of the backup tells")));
        let named = find(&folder, None, None).unwrap();
        assert_eq!(named.damage.is_empty(), content.is_none(), "{:?}", named.damage);
    }
}

#[test]
fn a_volume_that_the_xml_names_without_an_image_is_a_gap_with_its_path() {
    let (world, computer) = world();
    let folder = backup(&computer, "Backup 2026-01-01 000000");
    assert_eq!(gaps(&find(world.path(), None, None).unwrap()), [""; 0]);
    fs::rename(folder.join(format!("{C}.vhdx")), folder.join(format!("{C}.vhdx.bak"))).unwrap();
    let found = find(world.path(), None, None).unwrap();
    assert!(gaps(&found)[0].starts_with("volume C is missing"), "{:?}", found.damage);
    assert_eq!(found.damage[0].lost, Some(Lost::Folder(b"C".to_vec())));
}

#[test]
fn what_a_backup_leaves_out_is_named_and_bounded() {
    let (world, computer) = world();
    let folder = backup(&computer, "Backup 2026-01-01 000000");
    let spec = |path: &str, is_included: bool| {
        format!(r#"<FileSpec FilePath="{path}" FileName="*" IsRecursive="true" IsInclude="{is_included}"/>"#)
    };
    let volume = |specs: &str| {
        let text = format!(
            r#"<x><v Name="\\?\Volume{{{C}}}\" AccessPath="C:">{}{specs}</v><v Name="\\?\Volume{{{D}}}\"/></x>"#,
            spec("C:\\", true)
        );
        fs::write(folder.join(specs::FILE), text).unwrap();
        let notes = find(world.path(), None, None).unwrap().notes;
        notes.into_iter().find(|note| note.starts_with("only chosen files of volume C"))
    };
    assert_eq!(volume(""), None);
    let note = volume(&(spec("C:\\Temp\\", false) + &spec("C:\\Video", false))).unwrap();
    assert!(note.contains("which leaves out C/Temp/*, C/Video/*: leave out"), "{note}");
    let many: String = (0..1000).map(|number| spec(&format!("C:\\{number}"), false)).collect();
    let long = spec(&"x".repeat(5000), false);
    let note = volume(&(long + &many)).unwrap();
    assert!(note.contains("C/9/*") && note.len() < 500, "{note}");
}

#[test]
fn the_image_of_the_efi_partition_stands_for_one_volume_without_a_letter() {
    let (world, computer) = world();
    let folder = backup(&computer, "Backup 2026-01-01 000000");
    let volume = |digit: char, place: &str| {
        format!(
            r#"<v Name="\\?\Volume{{{digit}b9cfbc4-369e-11e9-a17c-806e6f6e6963}}\" AccessPath="{place}"/>"#
        )
    };
    let d = format!(r#"<v Name="\\?\Volume{{{D}}}\"/><v Name="\\?\Volume{{{C}}}\"/>"#);
    for (volumes, gap) in [
        (volume('1', ""), &[][..]),
        (
            volume('1', "") + &volume('2', ""),
            &["volume Volume{2b9cfbc4-369e-11e9-a17c-806e6f6e6963} is missing"],
        ),
        (volume('1', r"C:\mount\"), &["volume Volume{1b9cfbc4-369e-11e9-a17c-806e6f6e6963} is missing"]),
    ] {
        fs::write(folder.join(specs::FILE), format!("<x>{d}{volumes}</x>")).unwrap();
        let found = find(world.path(), None, None).unwrap();
        let is_told =
            found.notes.iter().any(|note| note.starts_with("Esp.vhdx is taken for the image of volume 1b"));
        assert_eq!(is_told, !volumes.contains("mount"), "{:?}", found.notes);
        let found: Vec<_> = gaps(&found).into_iter().map(|gap| gap.split(':').next().unwrap()).collect();
        assert_eq!(found, gap);
    }
}

/// The volume may be any, and its files are in the missing image.
#[test]
fn an_image_of_another_name_stands_for_no_volume() {
    let (world, computer) = world();
    let folder = backup(&computer, "Backup 2026-01-01 000000");
    fs::rename(folder.join("Esp.vhdx"), folder.join("Other.vhdx")).unwrap();
    fs::remove_file(folder.join(format!("{D}.vhdx"))).unwrap();
    let found = find(world.path(), None, None).unwrap();
    assert!(gaps(&found)[0].contains("is missing"), "{:?}", found.damage);
    fs::rename(folder.join("Other.vhdx"), folder.join("ESP.vhdx")).unwrap();
    assert_eq!(gaps(&find(world.path(), None, None).unwrap()), [""; 0]);
}

/// One bit of the XML is enough for this.
#[test]
fn an_image_that_the_xml_does_not_name_is_a_gap() {
    let (world, computer) = world();
    let folder = backup(&computer, "Backup 2026-01-01 000000");
    let other = "1b9cfbc4-369e-11e9-a17c-806e6f6e6963";
    fs::write(folder.join(format!("{other}.vhdx")), "vhdxfile").unwrap();
    let found = find(world.path(), None, None).unwrap();
    assert!(gaps(&found)[0].contains(&format!("does not name volume {other}")), "{:?}", found.damage);
}

#[test]
fn what_is_named_like_an_image_is_one_whatever_it_is() {
    let (world, computer) = world();
    let folder = backup(&computer, "Backup 2026-01-01 000000");
    fs::create_dir(folder.join("1b9cfbc4-369e-11e9-a17c-806e6f6e6963.VHDX")).unwrap();
    assert_eq!(find(world.path(), None, None).unwrap().images.len(), 4);
}

#[test]
fn the_name_of_an_image_is_safe_as_the_name_of_a_folder() {
    let name = |file: &str| FoundImage::alone(Path::new(file)).name();
    assert_eq!(name("Esp.vhdx"), "Esp");
    // On Windows, a backslash separates folders.
    let backslash = if cfg!(windows) { ".vhdx" } else { "a\\b.vhdx" };
    for odd in ["...vhdx", "..vhdx", ".vhdx", "a\nb\x1b[31m.vhdx", backslash] {
        assert!(["image", ".vhdx"].contains(&&*name(odd)), "{odd:?}: {}", name(odd));
    }
}

#[test]
fn an_unfinished_newest_backup_is_not_passed_over_for_an_older_one() {
    let (world, computer) = world();
    let older = backup(&computer, "Backup 2026-01-01 000000");
    let newest = backup(&computer, "Backup 2026-01-02 000000");
    fs::remove_file(newest.join(specs::FILE)).unwrap();
    let error = find(world.path(), None, None).unwrap_err().to_string();
    assert!(error.contains("wait until") && error.contains(&path_text(&older)), "{error}");
    assert!(find(&older, None, None).unwrap().is_complete);
}

#[test]
fn a_newest_backup_that_lost_its_images_is_not_passed_over_for_an_older_one() {
    let (world, computer) = world();
    let older = backup(&computer, "Backup 2026-01-01 000000");
    backup(&computer, "Backup 2026-01-02 000000");
    let newest = computer.join("Backup 2026-01-03 000000");
    fs::create_dir(&newest).unwrap();
    let error = find(world.path(), None, None).unwrap_err().to_string();
    let older = older.with_file_name("Backup 2026-01-02 000000");
    for words in ["2026-01-03 000000, holds no image", &format!("--backup \"{}\"", path_text(&older))] {
        assert!(error.contains(words), "{error}");
    }
    assert!(find(&newest, None, None).is_err());
    // Also if it is the only one.
    for folder in [&older, &older.with_file_name("Backup 2026-01-01 000000")] {
        fs::remove_dir_all(folder).unwrap();
    }
    assert!(find(world.path(), None, None).unwrap_err().to_string().contains("holds no image"));
}

#[test]
fn a_newest_backup_that_was_copied_or_renamed_is_not_passed_over() {
    for stray in ["Backup 2026-01-02 000000 - Copy", "Backup-2026-01-02", "backup", "old images"] {
        let (world, computer) = world();
        let known = backup(&computer, "Backup 2026-01-01 000000");
        let stray = backup(&computer, stray);
        for folder in [world.path(), &computer] {
            let errors = [
                find(folder, None, None).unwrap_err(),
                find(folder, Some("Backup 2026-01-01 000000"), None).unwrap_err(),
                snapshots(folder, None).unwrap_err(),
            ];
            let path = path_text(&stray);
            for error in errors.map(|error| error.to_string()) {
                assert!(error.contains("not known") && error.contains(&path), "{error}");
            }
        }
        // Whichever the user names is verified.
        assert!(find(&known, None, None).is_ok() && find(&stray, None, None).is_ok());
        // It is not passed over if it is the only one, either.
        fs::remove_dir_all(known).unwrap();
        assert!(find(world.path(), None, None).is_err());
        assert!(newest_of(world.path(), "server").is_err());
    }
}

#[test]
fn what_windows_puts_beside_backups_is_none() {
    let (world, computer) = world();
    backup(&computer, "backup 2026-01-01 000000");
    for name in ["Catalog", "Logs", "SPPMetadataCache", "notes", "BackupTemp", "Backup logs"] {
        fs::create_dir(computer.join(name)).unwrap();
    }
    fs::write(computer.join("MediaId"), [7; 16]).unwrap();
    fs::write(computer.join("backup.log"), "").unwrap();
    assert_eq!(find(world.path(), None, None).unwrap().name, "backup 2026-01-01 000000");
}

/// Its backups may be gone, renamed or unfinished. Those of another computer are no substitute.
#[test]
fn another_computer_is_not_taken_where_this_one_has_a_folder() {
    let (world, computer) = world();
    backup(&computer.with_file_name("OLD"), "Backup 2026-01-01 000000");
    assert!(find(world.path(), None, Some("server")).is_ok(), "the only one there");
    fs::create_dir(&computer).unwrap();
    let error = find(world.path(), None, Some("server")).unwrap_err().to_string();
    assert!(error.contains("SERVER holds no backup") && error.contains("another computer"), "{error}");
    assert!(find(world.path(), None, Some("laptop")).is_ok());
    // A folder with a backup that was renamed is one of a computer, too.
    backup(&computer, "Backup-2026-02-01");
    let error = find(world.path(), None, Some("laptop")).unwrap_err().to_string();
    assert!(error.contains("OLD, SERVER"), "{error}");
}

#[cfg(unix)]
#[test]
fn all_folders_of_windows_are_found_through_links() {
    let (world, computer) = world();
    let newest = backup(&computer, "Backup 2026-01-01 000000");
    let all = computer.parent().unwrap().to_owned();
    let expected =
        [newest.clone(), computer.clone(), all.clone()].map(|folder| folder.canonicalize().unwrap());
    for (name, target) in [("a", world.path()), (NAME, &all), ("c", &computer), ("d", &newest)] {
        let links = tempfile::tempdir().unwrap();
        let link = links.path().join(name);
        std::os::unix::fs::symlink(target, &link).unwrap();
        assert_eq!(find(&link, None, None).unwrap().folders, expected, "{}", target.display());
    }
}
