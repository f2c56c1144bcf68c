//! Images of which something is missing or cannot be looked into: such a run never passes.

use std::fs;
use std::path::PathBuf;

use bkverify::backup::{Context, Needs};

use crate::contract::collect::{CollectedListing, open};
use crate::contract::fixtures;
use crate::verify_fixtures::{FILES, originals};
use crate::verify_image::{GUID, NAME, child, disk, windows_image_backup};
use crate::world::World;

/// The volume that was drive D.
pub const GUID_OF_D: &str = "0c0cfbc4-369e-11e9-a17c-806e6f6e6963";

/// Both drives are compared with the same originals.
pub const BOTH: &str = "--map C=s --map D=s --sample 20";

/// The text of a `BackupSpecs.xml` with two drives.
fn specs() -> Vec<u8> {
    let volume = |guid: &str, letter: &str| {
        format!(
            r#"<Volume Name="\\?\Volume{{{guid}}}\" AccessPath="{letter}" OriginalAccessPath="{letter}" Label="" OriginalLabel="" ><FileSpec FilePath="{letter}\" FileName="*" IsRecursive="true" IsInclude="true" /></Volume>"#
        )
    };
    let text = format!(
        "<BackupSpecs><FileSpecs>{}{}</FileSpecs></BackupSpecs>",
        volume(GUID, "C:"),
        volume(GUID_OF_D, "D:")
    );
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// A backup of the drives C and D, and the path of the image of D, which holds these bytes.
pub fn two_drives(world: &World, name: &str, image_of_d: &[u8]) -> PathBuf {
    let folder = windows_image_backup(world, "SERVER", name, &fixtures::image("tree.vhdx"));
    fs::write(folder.join("BackupSpecs.xml"), specs()).unwrap();
    let place = folder.join(format!("{GUID_OF_D}.vhd"));
    fs::write(&place, image_of_d).unwrap();
    place
}

/// A fixed VHD of this disk: its bytes and a footer.
fn fixed_vhd(disk: &[u8]) -> Vec<u8> {
    let dynamic = fixtures::image("tree.vhd");
    let mut footer = dynamic[dynamic.len() - 512..].to_vec();
    let size = (disk.len() as u64).to_be_bytes();
    footer[16..24].fill(0xFF);
    footer[40..48].copy_from_slice(&size);
    footer[48..56].copy_from_slice(&size);
    footer[60..64].copy_from_slice(&2_u32.to_be_bytes());
    footer[64..68].fill(0);
    let sum: u32 = footer.iter().map(|&byte| u32::from(byte)).sum();
    footer[64..68].copy_from_slice(&(!sum).to_be_bytes());
    [disk, &footer].concat()
}

#[test]
fn two_drives_pass() {
    let world = originals();
    two_drives(&world, NAME, &fixtures::image("tree.vhd"));
    let verified = world.verify_with(BOTH).exits(0);
    assert_eq!(verified.number("/population/files"), 2 * FILES);
    // What is made from a raw disk here is one that passes, too.
    two_drives(&world, NAME, &fixed_vhd(&disk(&[fixtures::image("tree.ntfs")])));
    world.verify_with(BOTH).exits(0);
}

#[test]
fn a_volume_whose_image_is_gone_is_a_gap() {
    let world = originals();
    let image = two_drives(&world, NAME, &fixtures::image("tree.vhd"));
    fs::rename(&image, image.with_extension("vhd.bak")).unwrap();
    let gap = "volume D is missing: BackupSpecs.xml names it, but the backup has no image";
    world.verify_with(BOTH).exits(3).says(gap);
    // A run about another volume does not miss it.
    world.verify_with("--map C=s --volume C --sample 20").exits(0);
    world.verify_with("--map C=s --sample 20").exits(0);
}

#[test]
fn an_image_that_is_no_file_is_damage_and_hides_no_other() {
    let world = originals();
    let image = two_drives(&world, NAME, b"");
    fs::remove_file(&image).unwrap();
    let fails = |what: &str| {
        let verified = world.verify_with(BOTH).exits(1);
        assert_eq!(verified.number("/population/files"), FILES, "{what}");
        verified.says("volume D cannot be verified");
    };
    fs::create_dir(&image).unwrap();
    fails("a folder");
    #[cfg(unix)]
    {
        fs::remove_dir(&image).unwrap();
        std::os::unix::fs::symlink("nowhere", &image).unwrap();
        fails("a link to nothing");
        fs::remove_file(&image).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&image).status().unwrap();
        assert!(made.success());
        fails("a pipe");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_image_that_may_not_be_read_is_a_gap() {
    use std::os::unix::fs::PermissionsExt;

    let world = originals().without_root_rights();
    let image = two_drives(&world, NAME, &fixtures::image("tree.vhd"));
    fs::set_permissions(&image, fs::Permissions::from_mode(0o000)).unwrap();
    world.verify_with(BOTH).exits(3).says("volume D cannot be verified: Permission denied");
}

#[test]
fn a_list_of_volumes_that_was_cut_off_is_a_gap() {
    let world = originals();
    let image = two_drives(&world, NAME, &fixtures::image("tree.vhd"));
    let specs = specs();
    // Behind the first volume: drive D has no letter then, and nobody compares it.
    let first = String::from_utf16_lossy(
        &specs.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect::<Vec<_>>(),
    );
    let end = 2 * (first.find("</Volume>").unwrap() + "</Volume>".len());
    fs::write(image.with_file_name("BackupSpecs.xml"), &specs[..end]).unwrap();
    world.verify_with("--map C=s --sample 20").exits(3).says("cut off");
}

#[test]
fn a_newest_backup_without_images_is_not_passed_over_for_an_older_one() {
    let world = originals();
    two_drives(&world, "Backup 2026-10-01 210005", &fixtures::image("tree.vhd"));
    let image = two_drives(&world, NAME, &fixtures::image("tree.vhd"));
    for image in [&image, &image.with_file_name(format!("{GUID}.vhdx"))] {
        fs::remove_file(image).unwrap();
    }
    let run = world.run(&format!("--backup b --restore-to r {BOTH}")).exits(4);
    run.err_has("2026-11-27 210005, holds no image").err_has("Backup 2026-10-01 210005");
    for asked in ["latest", "Backup*", "2026-11-28"] {
        let flags = ["--backup", "b", "--restore-to", "r", "--snapshot", asked].join(" ");
        world.run(&format!("{flags} {BOTH}")).exits(4).err_has("holds no image");
    }
}

/// An MBR has no checksum, so its types do not decide that a volume is left out.
#[test]
fn no_type_in_an_mbr_hides_a_volume() {
    let world = originals();
    let volume = fixtures::image("tree.ntfs");
    let mut image = disk(&[volume.clone(), volume]);
    for kind in [0x27, 0x12, 0x82, 0xEF, 0x17, 0x47] {
        image[446 + 16 + 4] = kind;
        fs::write(world.path("b"), &image).unwrap();
        let verified = world.verify_with("--map 1=s --map 2=s --sample 20").exits(0);
        assert_eq!(verified.number("/population/files"), 2 * FILES, "{kind:#x}");
    }
    // What was a gap stays one.
    let mut locked = image.clone();
    let second = u32::from_le_bytes(image[446 + 24..446 + 28].try_into().unwrap());
    let second = 512 * usize::try_from(second).unwrap();
    locked[second + 3..second + 11].copy_from_slice(b"-FVE-FS-");
    for kind in [0x07, 0x27, 0x12, 0x82, 0xEF] {
        locked[446 + 16 + 4] = kind;
        fs::write(world.path("b"), &locked).unwrap();
        world.verify_with("--map 1=s --map 2=s --sample 20").exits(3).says("it is BitLocker");
    }
    for kind in [0x05, 0x0F, 0x85] {
        image[446 + 16 + 4] = kind;
        fs::write(world.path("b"), &image).unwrap();
        world.verify_with("--source s --sample 20").exits(1).says("partitions may be missing");
    }
}

#[test]
fn damage_of_a_table_whose_volume_is_gone_is_kept() {
    let world = originals();
    let mut lost = disk(&[vec![0; 1 << 20], fixtures::image("tree.ntfs")]);
    // The first partition is one of the system, and the second has no sectors any more.
    lost[446 + 4] = 0x27;
    lost[446 + 16 + 12..446 + 16 + 16].fill(0);
    two_drives(&world, NAME, &fixed_vhd(&lost));
    world.verify_with(BOTH).exits(1).says("entry 2 of the MBR is marked as used, but has no sectors");
}

#[test]
fn a_drive_whose_image_has_no_volume_is_a_gap() {
    let world = originals();
    let mut fat = vec![0; 1 << 20];
    fat[11..13].copy_from_slice(&512_u16.to_le_bytes());
    fat[54..57].copy_from_slice(b"FAT");
    let mut system = disk(&[fat]);
    system[446 + 4] = 0x27;
    let empty = disk(&[]);
    for (disk, gap) in
        [(system, "only partitions of the system"), (empty, "neither partitions nor a file system")]
    {
        let image = two_drives(&world, NAME, &fixed_vhd(&disk));
        world.verify_with(BOTH).exits(3).says("volume D cannot be verified").says(gap);
        // Nor was a volume in a folder a partition of the system.
        let specs = String::from_utf16(
            &specs().chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect::<Vec<_>>(),
        );
        let specs = specs.unwrap().replace("\"D:\\\"", "\"C:\\mnt\\\"").replace("\"D:\"", "\"C:\\mnt\\\"");
        fs::write(image.with_file_name("BackupSpecs.xml"), specs).unwrap();
        world.verify_with(&format!("--map C=s --map Volume{{{GUID_OF_D}}}=s --sample 20")).exits(3).says(gap);
    }
}

#[test]
fn a_volume_is_named_alone_although_partitions_of_the_system_share_its_image() {
    let world = originals();
    // Beside the volume, the image has an EFI partition and a recovery partition.
    windows_image_backup(&world, "SERVER", NAME, &fixtures::image("tree.vhdx"));
    for name in ["C", "c:\\", GUID] {
        let verified = world.verify_with(&format!("--map C=s --volume {name} --sample 20")).exits(0);
        assert_eq!(verified.number("/population/files"), FILES, "{name}");
    }
    // By its number, a partition of the system is read if it can be.
    fs::remove_dir_all(world.path("b")).unwrap();
    fs::write(world.path("b"), fixtures::image("tree.vhdx")).unwrap();
    world.verify("--volume 3 --sample 20").exits(0);
    world.run("--backup b --source s --restore-to r --volume 1").exits(4).err_has("it is FAT");
}

#[test]
fn a_map_that_leads_to_nothing_is_a_gap_beside_one_that_does() {
    let world = originals().folder("empty");
    windows_image_backup(&world, "SERVER", NAME, &fixtures::image("tree.vhdx"));
    let gap = "no file of the backup has an original by --map";
    world.verify_with("--map C=s --map D=s --sample 20").exits(3).says(gap).says("D=");
    world.verify_with("--map C=s --map C/docs=empty --sample 20").exits(3).says(gap);
}

/// The volume may have been a drive. Whatever the originals are, it may be one of them.
#[test]
fn an_image_that_the_list_of_volumes_does_not_name_is_a_gap_of_every_run() {
    let world = originals();
    let image = two_drives(&world, NAME, &fixtures::image("tree.vhd"));
    let mut specs = specs();
    let guid: Vec<u8> = GUID_OF_D.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let at = specs.windows(guid.len()).position(|found| found == guid).unwrap();
    specs[at] ^= 1;
    fs::write(image.with_file_name("BackupSpecs.xml"), specs).unwrap();
    let gap = format!("does not name volume {GUID_OF_D}");
    world.verify_with("--map C=s --sample 20").exits(3).says(&gap);
}

#[test]
fn a_map_of_an_empty_volume_to_an_empty_folder_is_no_gap() {
    let world = originals().folder("empty");
    windows_image_backup(&world, "SERVER", NAME, &fixtures::image("tree.vhdx"));
    world.verify_with("--map C=s --map D=empty --sample 20").exits(0);
}

/// The damage says why nothing is there. A flag that is right must not be blamed.
#[test]
fn a_map_that_leads_to_damage_is_not_blamed() {
    let world = originals();
    two_drives(&world, NAME, b"");
    let run = world.verify_with(BOTH).exits(1).says("volume D cannot be verified");
    assert!(!run.ran.out.contains("by --map"), "{}", run.ran);
}

#[test]
fn a_parent_that_is_not_there_or_not_needed_is_an_error() {
    let world = originals();
    fs::write(world.path("b"), fixtures::image("tree.vhd")).unwrap();
    let flags = "--backup b --source s --restore-to r --sample 20";
    world
        .run(&format!("{flags} --parent none.vhd"))
        .exits(4)
        .err_has("none.vhd")
        .err_has("the path given by --parent");
    fs::write(world.path("other.vhd"), fixtures::image("tree.vhd")).unwrap();
    let run = world.run(&format!("{flags} --parent other.vhd")).exits(4);
    let run = run.err_has("no disk in it has its parent in").err_has("leave out --parent");
    // What is wrong is not the format of the backup.
    assert!(!run.err.contains("hint: "), "{}", run.err);
}

#[test]
fn a_parent_that_is_written_to_is_noticed_as_the_disk_is() {
    let world = originals();
    let parent = world.path("parent.vhd");
    fs::write(&parent, fixtures::image("tree.vhd")).unwrap();
    fs::write(world.path("b"), child(&fixtures::image("tree.vhd"), "parent.vhd")).unwrap();
    let list = |backup: &dyn bkverify::backup::Backup| {
        backup.catalog(Needs::default(), &Context::default(), &CollectedListing::default())
    };
    let backup = open(world.path("b")).unwrap();
    let _ = list(&*backup).unwrap();
    fs::write(&parent, [&fixtures::image("tree.vhd")[..], &[0; 512]].concat()).unwrap();
    let error = list(&*backup).unwrap_err().to_string();
    assert!(error.contains("parent.vhd was written to"), "{error}");
}

#[cfg(unix)]
#[test]
fn nothing_is_restored_into_a_backup_that_links_lead_to() {
    let world = originals().folder("links");
    two_drives(&world, NAME, &fixtures::image("tree.vhd"));
    let link = world.path("links/WindowsImageBackup");
    std::os::unix::fs::symlink(world.path("b/WindowsImageBackup"), link).unwrap();
    let computer = "b/WindowsImageBackup/SERVER";
    for (backup, target) in [
        ("links".to_owned(), format!("{computer}/{}/r", NAME.replace(' ', "\\ "))),
        ("links".to_owned(), format!("{computer}/r")),
        ("links".to_owned(), "b/WindowsImageBackup/r".to_owned()),
        (computer.to_owned(), "b/WindowsImageBackup/r".to_owned()),
    ] {
        let target = target.replace("\\ ", " ");
        let mut command = world.command("--map C=s --sample 20 --state none --backup");
        command.arg(&backup).arg("--restore-to").arg(&target);
        crate::world::RunResult::of(command, "").exits(2).err_has("is inside");
        assert!(!world.path(&target).exists());
    }
}

#[test]
fn an_image_whose_name_would_lead_out_of_its_folder_is_verified_under_another() {
    let world = originals();
    let folder = windows_image_backup(&world, "SERVER", NAME, &fixtures::image("tree.vhdx"));
    for name in ["..vhd", "...vhd"] {
        let place = folder.join(name);
        fs::write(&place, fixtures::image("tree.vhd")).unwrap();
        let verified = world.verify_with("--map C=s --map image=s --sample all").exits(0);
        assert_eq!(verified.number("/counts/verified"), 2 * FILES);
        fs::remove_file(place).unwrap();
    }
}

/// The paths of the second image begin with another name, so nothing is compared with it.
#[test]
fn two_images_of_one_volume_are_a_gap() {
    let world = originals();
    let image = two_drives(&world, NAME, &fixtures::image("tree.vhd"));
    fs::write(image.with_extension("vhdx"), fixtures::image("tree.vhdx")).unwrap();
    let gap = "the backup has two images of volume D";
    world.verify_with(BOTH).exits(3).says(gap).says(&format!("{GUID_OF_D}.vhd"));
    world.verify_with("--map D=s --volume D --sample 20").exits(3).says(gap);
    world.verify_with("--map C=s --volume C --sample 20").exits(0);
}

#[test]
fn a_volume_whose_records_cannot_be_read_is_damage_although_its_boot_sector_is_lost_too() {
    let world = originals();
    let mut volume = fixtures::image("tree.ntfs");
    volume[..512].fill(0);
    let with = |volume: &Vec<u8>| disk(&[fixtures::image("tree.ntfs"), volume.clone()]);
    fs::write(world.path("b"), with(&volume)).unwrap();
    world.verify_with("--map 1=s --map 2=s --sample 20").exits(0).says("copy");
    let records = volume.chunks_mut(512).filter(|sector| sector.starts_with(b"FILE"));
    records.for_each(|sector| sector.fill(0xFF));
    fs::write(world.path("b"), with(&volume)).unwrap();
    world.verify_with("--map 1=s --map 2=s --sample 20").exits(1).says("cannot be verified");
}

/// A number in a volume.
fn number(volume: &[u8], at: usize, bytes: usize) -> usize {
    let digits = volume[at..at + bytes].iter().rev();
    digits.fold(0, |number, &byte| number << 8 | usize::from(byte))
}

/// Where the first attribute of this type begins in a record, and the size of a cluster.
fn attribute(volume: &[u8], record: usize, kind: usize) -> (usize, usize) {
    let cluster = 512 * number(volume, 13, 1);
    let record = number(volume, 0x30, 8) * cluster + record * 1024;
    let mut attribute = record + number(volume, record + 20, 2);
    while number(volume, attribute, 4) != kind {
        attribute += number(volume, attribute + 4, 4);
    }
    (attribute, cluster)
}

#[test]
fn a_volume_that_windows_wants_to_check_is_read_and_a_note_says_so() {
    let world = originals();
    let mut volume = fixtures::image("tree.ntfs");
    // The flags in the $VOLUME_INFORMATION of $Volume.
    let (information, _) = attribute(&volume, 3, 0x70);
    let value = information + number(&volume, information + 20, 2);
    volume[value + 10] |= 1;
    fs::write(world.path("b"), &volume).unwrap();
    let note = "is marked as dirty: Windows wants to check it";
    world.verify("--sample 20").exits(0).says(&format!("the volume {note}"));
    fs::remove_file(world.path("b")).unwrap();
    two_drives(&world, NAME, &fixed_vhd(&disk(&[volume])));
    // The summary has only the first notes.
    let verified = world.verify_with(BOTH).exits(0);
    assert!(verified.json.to_string().contains(&format!("volume D {note}")), "{}", verified.ran);
}

/// Writes a restart page into the log of the volume that says that somebody uses it.
fn open_log(volume: &mut [u8]) {
    let (attribute, cluster) = attribute(volume, 2, 0x80);
    let number = |at: usize, bytes: usize| number(volume, at, bytes);
    let run = attribute + number(attribute + 32, 2);
    let (size_of_length, size_of_start) = (number(run, 1) & 15, number(run, 1) >> 4);
    let page = number(run + 1 + size_of_length, size_of_start) * cluster;
    let mut restart = vec![0; 4096];
    restart[..4].copy_from_slice(b"RSTR");
    for (at, value) in [(4, 0x1E), (6, 9), (16, 4096), (20, 4096), (24, 0x30), (0x1E, 1)] {
        restart[at..at + 2].copy_from_slice(&u16::to_le_bytes(value));
    }
    // Its number, one client, none of which is free and the first is in use, not closed.
    restart[0x30] = 1;
    restart[0x38..0x40].copy_from_slice(&[1, 0, 0xFF, 0xFF, 0, 0, 0, 0]);
    restart.chunks_mut(512).for_each(|sector| sector[510] = 1);
    volume[page..page + 4096].copy_from_slice(&restart);
}

#[test]
fn changes_that_may_be_in_the_log_alone_are_told() {
    let world = originals();
    let mut volume = fixtures::image("tree.ntfs");
    open_log(&mut volume);
    fs::write(world.path("b"), &volume).unwrap();
    let note = "changes that are only in its log ($LogFile) are not seen";
    world.verify("--sample 20").exits(0).says(note);
    // A change that was under way looks like damage. The log may mend it, so it is a gap.
    let name: Vec<u8> = "numbers.txt".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let record = (0..volume.len() / 512).map(|sector| sector * 512).find(|&at| {
        volume[at..].starts_with(b"FILE")
            && volume[at + 22] & 2 == 0
            && volume[at..at + 1024].windows(name.len()).any(|found| found == name)
    });
    volume[record.unwrap() + 22] = 0;
    fs::write(world.path("b"), &volume).unwrap();
    world.verify("--sample 20").exits(3).says("the log of the volume was not replayed");
    // Of a shadow copy, Windows has put all changes in their places.
    fs::remove_file(world.path("b")).unwrap();
    two_drives(&world, NAME, &fixed_vhd(&disk(&[volume])));
    world.verify_with(BOTH).exits(1);
}

/// The log of a sound volume can be read, so this is damage, whatever the log would have said.
#[test]
fn a_log_that_cannot_be_read_is_damage_and_one_of_unknown_form_may_hold_changes() {
    let world = originals();
    let mut volume = fixtures::image("tree.ntfs");
    open_log(&mut volume);
    let page = volume.windows(4).position(|found| found == b"RSTR").unwrap();
    volume[page..page + 8192].fill(0x11);
    fs::write(world.path("b"), &volume).unwrap();
    world.verify("--sample 20").exits(0).says("was in use, or was not closed properly");
    let (log, _) = attribute(&volume, 2, 0x80);
    let run = log + number(&volume, log + 32, 2);
    volume[run..run + 8].fill(0x44);
    fs::write(world.path("b"), &volume).unwrap();
    world.verify("--sample 20").exits(1).says("it is not known whether it was closed properly");
}

/// The damaged block holds no file, so no file of a sample can show it.
#[test]
fn a_damaged_entry_of_an_allocation_table_fails_although_no_file_is_in_its_block() {
    let world = originals();
    let mut image = fixtures::image("tree.vhdx");
    let regions = &image[192 << 10..256 << 10];
    let id = [0x66, 0x77, 0xC2, 0x2D, 0x23, 0xF6, 0x00, 0x42, 0x9D, 0x64, 0x11, 0x5E, 0x9B, 0xFD, 0x4A, 0x08];
    let region = regions.windows(16).position(|found| found == id).unwrap();
    let table = number(regions, region + 16, 8);
    // A block of zeros.
    let empty = (0..).map(|block| table + 8 * block).find(|&entry| image[entry] == 2).unwrap();
    image[empty] = 5;
    fs::write(world.path("b"), &image).unwrap();
    let line = "the allocation table of the VHDX has a damaged entry";
    world.verify("--sample 1").exits(1).says(line).says("is in state 5, which is reserved");
    // The last entry of a VHD is made one that leads nowhere.
    let mut image = fixtures::image("tree.vhd");
    let table = image[512 + 16..512 + 24].iter().fold(0, |at, &byte| at << 8 | usize::from(byte));
    let size = image[48..56].iter().fold(0, |size, &byte| size << 8 | usize::from(byte));
    let last = table + 4 * (size.div_ceil(2 << 20) - 1);
    image[last] = 0x7F;
    fs::write(world.path("b"), &image).unwrap();
    let line = "the allocation table of the VHD has a damaged entry";
    world.verify("--sample 1").exits(1).says(line).says("beyond the end of its data");
}
