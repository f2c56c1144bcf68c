//! Disk images, and the folders of them that Windows Server Backup writes. The committed images
//! were made by real programs (`fixtures/images/make.sh`).

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::contract::fixtures;
use crate::verify_fixtures::{FILES, originals};
use crate::world::World;

pub const GUID: &str = "9b9cfbc4-369e-11e9-a17c-806e6f6e6963";
pub const NAME: &str = "Backup 2026-11-27 210005";

/// The text of a `BackupSpecs.xml`, as Windows writes it: in UTF-16LE without a byte order mark.
fn specs(letter: &str) -> Vec<u8> {
    let text = format!(
        r#"<BackupSpecs><FileSpecs><Volume Name="\\?\Volume{{{GUID}}}\" AccessPath="{letter}" OriginalAccessPath="{letter}" Label="" OriginalLabel="" ><FileSpec FilePath="{letter}\" FileName="*" IsRecursive="true" IsInclude="true" /></Volume></FileSpecs><SystemState IsPresent="false" /><AllCritical IsPresent="false" /></BackupSpecs>"#
    );
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// The folder of the backup with this name.
fn folder(world: &World, computer: &str, name: &str) -> PathBuf {
    world.path("b").join("WindowsImageBackup").join(computer).join(name)
}

/// Makes the folder of a backup with this image of drive C.
pub fn windows_image_backup(world: &World, computer: &str, name: &str, image: &[u8]) -> PathBuf {
    let folder = folder(world, computer, name);
    fs::create_dir_all(&folder).unwrap();
    fs::create_dir_all(folder.with_file_name("Catalog")).unwrap();
    fs::write(folder.with_file_name("MediaId"), [7; 16]).unwrap();
    fs::write(folder.join(format!("{GUID}.vhdx")), image).unwrap();
    fs::write(folder.join("BackupSpecs.xml"), specs("C:")).unwrap();
    folder
}

/// The only place of these bytes.
pub fn place(image: &[u8], bytes: &[u8]) -> usize {
    let first = bytes[0];
    let starts = image.iter().enumerate().filter(|(_, byte)| **byte == first).map(|(at, _)| at);
    let mut found = starts.filter(|&at| image[at..].starts_with(bytes));
    found.next().expect("the image holds these bytes")
}

/// A disk with an MBR and these partitions of a MiB each or more, one behind the other.
pub fn disk(partitions: &[Vec<u8>]) -> Vec<u8> {
    let mut disk = vec![0; 1 << 20];
    for (index, content) in partitions.iter().enumerate() {
        let sector = |bytes: usize| u32::try_from(bytes / 512).unwrap().to_le_bytes();
        let entry = 446 + 16 * index;
        disk[entry + 4] = 7;
        let start = sector(disk.len());
        disk[entry + 8..entry + 12].copy_from_slice(&start);
        disk[entry + 12..entry + 16].copy_from_slice(&sector(content.len()));
        disk.extend(content);
    }
    disk[510..512].copy_from_slice(&[0x55, 0xAA]);
    disk
}

#[test]
fn a_windows_image_backup_is_found_by_the_folder_above_it_and_passes() {
    let world = originals();
    windows_image_backup(&world, "SERVER", NAME, &fixtures::image("tree.vhdx"));
    let verified = world.verify_with("--map C=s --sample all --completeness 1000").exits(0).finds(&[]);
    assert_eq!(verified.number("/counts/verified"), FILES);
    assert_eq!(verified.at("/backup/format"), "windows-image");
    verified.says(NAME).says("recovery, NTFS");
}

#[test]
fn a_source_pairs_by_the_letter_of_the_drive() {
    let world = originals();
    windows_image_backup(&world, "SERVER", NAME, &fixtures::image("tree.vhdx"));
    fs::create_dir(world.path("drives")).unwrap();
    fs::rename(world.path("s"), world.path("drives").join("C")).unwrap();
    world.verify_with("--source drives/C --sample 50").exits(0);
}

#[test]
fn corruption_inside_a_vhdx_is_found_in_the_file_that_it_hit() {
    let world = originals();
    let mut image = fixtures::image("tree.vhdx");
    let at = place(&image, b"\n1200\n1201\n1202\n");
    image[at + 6..at + 10].copy_from_slice(b"rots");
    windows_image_backup(&world, "SERVER", NAME, &image);
    let numbers = fs::read(world.path("s").join("docs").join("numbers.txt")).unwrap();
    let byte = place(&numbers, b"\n1200\n1201\n1202\n") + 6;
    let byte = format!("{},{:03}", byte / 1000, byte % 1000);
    world
        .verify_with("--map C=s --sample all")
        .exits(1)
        .finds(&[("C/docs/numbers.txt", "corrupt")])
        .says(&format!("differs from byte {byte} on: 4 bytes in 1 block"));
}

#[test]
fn a_damaged_file_record_inside_a_vhdx_fails_and_is_named() {
    let world = originals();
    let intact = fixtures::image("tree.vhdx");
    let mut image = intact.clone();
    let name: Vec<u8> = "numbers.txt".encode_utf16().flat_map(u16::to_le_bytes).collect();
    // The record of the folder has the name, too. Its flags say that it is one.
    let record = (0..image.len() / 512).map(|sector| sector * 512).find(|&at| {
        image[at..].starts_with(b"FILE")
            && image[at + 22] & 2 == 0
            && image[at..at + 1024].windows(name.len()).any(|found| found == name)
    });
    let record = record.expect("a file record");
    image[record + 40..record + 400].fill(0xEE);
    windows_image_backup(&world, "SERVER", NAME, &image);
    let number = u32::from_le_bytes(intact[record + 44..record + 48].try_into().unwrap());
    world
        .verify_with("--map C=s --sample all")
        .exits(1)
        .says(&format!("volume C: MFT record {number} is torn"));
}

#[test]
fn the_same_seed_draws_the_same_files_from_a_folder_a_zip_and_an_image() {
    let world = originals();
    // Every original differs, so that every file that is drawn is listed.
    for entry in walkdir::WalkDir::new(world.path("s")) {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            fs::write(entry.path(), "another content").unwrap();
        }
    }
    let drawn = || -> BTreeSet<String> {
        let flags = "--source s --sample 25 --seed same --assume-unchanged";
        world.verify_with(flags).exits(1).findings().into_keys().collect()
    };
    let committed = fixtures::archive("folder");
    for entry in walkdir::WalkDir::new(&committed) {
        let entry = entry.unwrap();
        let to = world.path("b").join(entry.path().strip_prefix(&committed).unwrap());
        match entry.file_type().is_dir() {
            true => fs::create_dir_all(to).unwrap(),
            false => fs::write(to, fs::read(entry.path()).unwrap()).unwrap(),
        }
    }
    let folder = drawn();
    assert_eq!(folder.len(), 25);
    fs::remove_dir_all(world.path("b")).unwrap();
    fs::copy(fixtures::archive("tree.zip"), world.path("b")).unwrap();
    assert_eq!(drawn(), folder);
    for name in ["tree.ntfs", "tree.vhd", "tree.vhdx"] {
        fs::write(world.path("b"), fixtures::image(name)).unwrap();
        assert_eq!(drawn(), folder, "{name}");
    }
}

#[test]
fn a_volume_that_cannot_be_read_is_neither_a_pass_nor_silence_and_can_be_left_out() {
    let mut encrypted = vec![0; 1 << 20];
    encrypted[3..11].copy_from_slice(b"-FVE-FS-");
    encrypted[510..512].copy_from_slice(&[0x55, 0xAA]);
    let world = originals().file("d/x", "on the other drive");
    fs::write(world.path("b"), disk(&[fixtures::image("tree.ntfs"), encrypted])).unwrap();
    world
        .verify_with("--source s --source d --sample 20")
        .exits(3)
        .says("1 part cannot be looked into")
        .says("partition 2 cannot be verified: it is BitLocker");
    // Where the user asks for one drive alone, the other is a note.
    world.verify_with("--map 1=s --sample 20").exits(0);
    world.verify_with("--source s --volume 1 --sample 20").exits(0);
    world
        .run("--backup b --source s --restore-to r --volume 7")
        .exits(4)
        .err_has("it has no volume 7; it has 1 (NTFS), 2 (BitLocker)");
}

#[test]
fn two_volumes_in_an_image_are_kept_apart_by_their_numbers() {
    let world = originals();
    fs::write(world.path("b"), fixtures::image("two.vhdx")).unwrap();
    let verified = world.verify_with("--map 1=s --map 2=s --sample all").exits(0);
    assert_eq!(verified.number("/population/files"), 2 * FILES);
    let one = world.verify_with("--source s --volume 2 --sample all").exits(0);
    assert_eq!(one.number("/population/files"), FILES);
}

#[test]
fn of_several_computers_the_user_must_name_one() {
    let world = originals();
    let image = fixtures::image("tree.vhdx");
    windows_image_backup(&world, "ALPHA", NAME, &image);
    windows_image_backup(&world, "BETA", NAME, &image);
    world
        .run("--backup b --map C=s --restore-to r")
        .exits(4)
        .err_has("it holds backups of 2 computers (ALPHA, BETA); name the folder of one: --backup");
    world.run("--backup b/WindowsImageBackup/BETA --map C=s --restore-to r --sample 20").exits(0);
}

#[test]
fn a_backup_that_is_not_complete_is_refused() {
    let world = originals();
    let image = fixtures::image("tree.vhdx");
    let newest = windows_image_backup(&world, "SERVER", NAME, &image);
    fs::remove_file(newest.join("BackupSpecs.xml")).unwrap();
    let wait = "wait until the backup has finished";
    // Its image was written just now.
    world.run("--backup b --map C=s --restore-to r").exits(4).err_has(wait);
    windows_image_backup(&world, "SERVER", "Backup 2026-11-20 210005", &image);
    world.run("--backup b --map C=s --restore-to r").exits(4).err_has(wait).err_has("2026-11-20");
    // Long afterwards, it is a backup whose list of drives was lost.
    let image = newest.join(format!("{GUID}.vhdx"));
    crate::pack::set_mtime(&image, 1_795_816_800);
    let map = format!("--map Volume{{{GUID}}}=s");
    let mut command = world.command(&format!("{map} --restore-to r --sample 20 --backup"));
    command.arg(&newest);
    crate::world::RunResult::of(command, "").exits(0);
    // Unless the user chooses this folder, nobody knows whether the backup is complete.
    fs::remove_dir_all(newest.with_file_name("Backup 2026-11-20 210005")).unwrap();
    world.verify_with(&format!("{map} --sample 20")).exits(3).says("BackupSpecs.xml is missing");
}

#[test]
fn an_image_that_lost_its_header_is_no_raw_disk() {
    let world = originals();
    let mut image = fixtures::image("tree.vhdx");
    image[..8].fill(0);
    image[0x1_0000..0x4_0000].fill(0);
    windows_image_backup(&world, "SERVER", NAME, &image);
    world.run("--backup b --map C=s --restore-to r").exits(4).err_has("no header of a VHD or VHDX");
}

/// A differencing VHD (Microsoft, "Virtual Hard Disk Image Format Specification") that changes
/// nothing: all of its blocks are those of `parent`, a file of this name beside it.
pub fn child(parent: &[u8], name: &str) -> Vec<u8> {
    const BLOCK: u64 = 2 << 20;
    let sum = |bytes: &[u8]| (!bytes.iter().map(|&byte| u32::from(byte)).sum::<u32>()).to_be_bytes();
    let mut footer = parent[parent.len() - 512..].to_vec();
    let size = u64::from_be_bytes(footer[48..56].try_into().unwrap());
    let blocks = u32::try_from(size.div_ceil(BLOCK)).unwrap();
    let id = footer[68..84].to_vec();
    footer[16..24].copy_from_slice(&512_u64.to_be_bytes());
    footer[60..64].copy_from_slice(&4_u32.to_be_bytes());
    footer[68..84].fill(0x77);
    footer[64..68].fill(0);
    let sum_of_footer = sum(&footer);
    footer[64..68].copy_from_slice(&sum_of_footer);
    let mut header = vec![0; 1024];
    header[..8].copy_from_slice(b"cxsparse");
    header[8..16].fill(0xFF);
    header[16..24].copy_from_slice(&1536_u64.to_be_bytes());
    header[24..28].copy_from_slice(&0x1_0000_u32.to_be_bytes());
    header[28..32].copy_from_slice(&blocks.to_be_bytes());
    header[32..36].copy_from_slice(&u32::try_from(BLOCK).unwrap().to_be_bytes());
    header[40..56].copy_from_slice(&id);
    let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_be_bytes).collect();
    header[64..64 + wide.len()].copy_from_slice(&wide);
    let mut relative: Vec<u8> = format!(".\\{name}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    header[576..580].copy_from_slice(b"W2ru");
    header[580..584].copy_from_slice(&512_u32.to_be_bytes());
    header[584..588].copy_from_slice(&u32::try_from(relative.len()).unwrap().to_be_bytes());
    header[592..600].copy_from_slice(&2048_u64.to_be_bytes());
    let sum_of_header = sum(&header);
    header[36..40].copy_from_slice(&sum_of_header);
    relative.resize(512, 0);
    [&footer[..], &header, &[0xFF; 512], &relative, &footer].concat()
}

#[test]
fn the_parent_of_a_differencing_disk_is_beside_it_or_where_the_user_says() {
    let world = originals();
    let parent = fixtures::image("tree.vhd");
    fs::write(world.path("b"), child(&parent, "parent.vhd")).unwrap();
    let flags = "--backup b --source s --restore-to r --sample 20";
    world.run(flags).exits(4).err_has("parent.vhd").err_has("--parent");
    fs::create_dir(world.path("elsewhere")).unwrap();
    fs::write(world.path("elsewhere").join("base.vhd"), &parent).unwrap();
    world.run(&format!("{flags} --parent elsewhere/base.vhd")).exits(0);
    fs::write(world.path("parent.vhd"), &parent).unwrap();
    world.run(flags).exits(0);
}

#[test]
fn a_volume_of_something_that_has_none_is_an_error() {
    let world = originals();
    fs::copy(fixtures::archive("tree.zip"), world.path("b")).unwrap();
    for flag in ["--volume C", "--parent s/empty"] {
        world
            .run(&format!("--backup b --source s --restore-to r {flag}"))
            .exits(4)
            .err_has("a zip archive has no volumes and no parents");
    }
}

/// What a file in an image does not store is not written, so that it takes no space.
#[test]
fn a_sparse_file_is_restored_with_its_holes() {
    use bkverify::backup::{Context, Entry, RestoreError, RestoreSink, Restored, Wanted};

    use crate::contract::collect;

    struct Sizes(Vec<(u64, u64)>);

    impl RestoreSink for Sizes {
        fn deliver(
            &mut self,
            _: Entry<'_>,
            outcome: Result<Restored, RestoreError>,
        ) -> std::ops::ControlFlow<()> {
            let restored = outcome.unwrap();
            #[cfg(target_os = "linux")]
            let stored = 512 * std::os::unix::fs::MetadataExt::blocks(&restored.file().metadata().unwrap());
            #[cfg(not(target_os = "linux"))]
            let stored = 0;
            self.0.push((restored.size(), stored));
            std::ops::ControlFlow::Continue(())
        }

        fn lost(&mut self, damage: bkverify::backup::Damage) {
            panic!("{damage}");
        }
    }

    let world = World::new();
    fs::write(world.path("b"), fixtures::image("streams.ntfs")).unwrap();
    let backup = collect::open(world.path("b")).unwrap();
    let (listed, _) = collect::catalog(&*backup);
    let mut wanted = bkverify::backup::EntryBatch::new();
    wanted.extend(listed.iter().filter(|entry| entry.path == b"5 GiB.bin"));
    let target = tempfile::tempdir().unwrap();
    let scratch = collect::scratch(&target, &bkverify::cancel::CancelToken::new());
    let mut sizes = Sizes(Vec::new());
    backup.restore(Wanted::These(&wanted), &scratch, &Context::default(), &mut sizes).unwrap();
    let [(size, stored)] = sizes.0[..] else { panic!("{:?}", sizes.0) };
    assert!(size == 5 << 30 && stored < 1 << 20, "{stored} of {size} bytes");
}
