//! Image backups whose files are older than they should be: an earlier backup may have been mixed
//! in.

use std::fs;
use std::path::Path;

use crate::contract::fixtures;
use crate::pack::set_mtime;
use crate::verify_fixtures::originals;
use crate::verify_image::{GUID, NAME};
use crate::verify_image_gaps::{BOTH, GUID_OF_D, two_drives};

/// One hour after the backup [`NAME`] began, and a year before.
const AFTER: u64 = 1_795_816_800;
const LONG_BEFORE: u64 = 1_764_280_800;

/// Somebody may have put an old copy there. Its files would be taken for those of the backup.
#[test]
fn an_image_that_is_much_older_than_its_backup_is_a_gap() {
    let world = originals();
    let image = two_drives(&world, NAME, &fixtures::image("tree.vhd"));
    set_mtime(&image, AFTER);
    world.verify_with(BOTH).exits(0);
    set_mtime(&image, LONG_BEFORE);
    let gap = "the image of volume D (0c0cfbc4-369e-11e9-a17c-806e6f6e6963.vhd) was last written at 2025-11-27T22:00:00Z";
    world.verify_with(BOTH).exits(3).says(gap);
    world.verify_with("--map C=s --volume C --sample 20").exits(0);
    world.verify_with("--map D=s --volume D --sample 20").exits(3).says(gap);
}

/// It may not know the drive whose image is missing.
#[test]
fn a_list_of_volumes_that_is_much_older_than_its_backup_is_a_gap() {
    let world = originals();
    let image = two_drives(&world, NAME, &fixtures::image("tree.vhd"));
    let specs = image.with_file_name("BackupSpecs.xml");
    let text = fs::read(&specs).unwrap();
    let units: Vec<u16> = text.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    let text = String::from_utf16(&units).unwrap();
    let end = text.find("</Volume>").unwrap() + "</Volume>".len();
    let earlier = format!("{}</FileSpecs></BackupSpecs>", &text[..end]);
    fs::write(&specs, earlier).unwrap();
    fs::remove_file(&image).unwrap();
    set_mtime(&specs, AFTER);
    world.verify_with("--map C=s --sample 20").exits(0);
    set_mtime(&specs, LONG_BEFORE);
    let gap = "BackupSpecs.xml was last written at 2025-11-27T22:00:00Z, long before Backup 2026-11-27 210005 began";
    world.verify_with("--map C=s --sample 20").exits(3).says(gap);
    world.verify_with("--map C=s --volume C --sample 20").exits(3).says(gap);
}

/// The folder of a backup under another name, and the flags that name it.
fn renamed(folder: &Path, name: &str) -> String {
    fs::rename(folder, folder.with_file_name(name)).unwrap();
    format!("--backup b/WindowsImageBackup/SERVER/{name} --restore-to r {BOTH}")
}

#[test]
fn a_renamed_backup_has_an_age_too() {
    let world = originals();
    let image = two_drives(&world, NAME, &fixtures::image("tree.vhd"));
    let folder = image.parent().unwrap();
    set_mtime(&image, LONG_BEFORE);
    let flags = renamed(folder, "November");
    let gap = "long before BackupSpecs.xml was written: it may be of an earlier backup";
    world.run(&flags).exits(3).out_has(gap);
    let folder = folder.with_file_name("November");
    set_mtime(&folder.join(format!("{GUID_OF_D}.vhd")), AFTER);
    // A first backup to a slow disk takes days, and the list of volumes is written at its end.
    const DAY: u64 = 24 * 60 * 60;
    for (days, code) in [(0, 0), (2, 0), (6, 0), (8, 3)] {
        set_mtime(&folder.join("BackupSpecs.xml"), AFTER + days * DAY);
        world.run(&flags).exits(code);
    }
    // A copy keeps the time in its name, and is a backup also without its list of volumes.
    let copy = folder.with_file_name(format!("{NAME} - Copy"));
    fs::rename(folder, &copy).unwrap();
    fs::remove_file(copy.join("BackupSpecs.xml")).unwrap();
    set_mtime(&copy.join(format!("{GUID_OF_D}.vhd")), LONG_BEFORE);
    set_mtime(&copy.join(format!("{GUID}.vhdx")), AFTER);
    let mut command =
        world.command(&format!("--restore-to r --map Volume{{{GUID_OF_D}}}=s --sample 20 --backup"));
    command.arg(&copy);
    let gap = format!("long before {NAME} - Copy began");
    crate::world::RunResult::of(command, "").exits(3).out_has(&gap);
}

/// A copy that lost all times must not make every file look modified since the backup.
#[test]
fn no_backup_is_older_than_its_name_says() {
    let world = originals();
    let image = two_drives(&world, NAME, &fixtures::image("tree.vhd"));
    for image in [&image, &image.with_file_name(format!("{GUID}.vhdx"))] {
        set_mtime(image, 0);
    }
    let verified = world.verify_with(BOTH).exits(3).says("was last written at 1970-01-01T00:00:00Z");
    assert_eq!(verified.at("/backup/taken").as_str().unwrap().get(..19), Some("2026-11-27T21:00:05"));
}
