//! Windows image backups that the programs of this machine make, from files of these tests: the
//! whole way from a tree to a verdict. Windows has none of these programs: there, committed images
//! stand in (`verify_image`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::contract::fixtures;
use crate::pack::{noise, tree};
use crate::verify_fixtures::{FILES, originals};
use crate::verify_image::{NAME, disk, place, windows_image_backup};
use crate::world::World;

/// Runs a program that the test cannot do without.
fn run(world: &World, line: &str) {
    let (program, arguments) = line.split_once(' ').unwrap();
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap());
    let made = Command::new(program)
        .args(arguments.split(' '))
        .current_dir(world.path(""))
        .env("PATH", path)
        .output()
        .unwrap_or_else(|error| {
            panic!("{program}: {error}; apt-get install ntfs-3g wimtools gdisk qemu-utils, or run .ci/setup with these names")
        });
    assert!(made.status.success(), "{line}: {}", String::from_utf8_lossy(&made.stderr));
}

/// A volume that ntfs-3g serves. It is complete once this was unmounted.
struct Mounted {
    folder: PathBuf,
    server: Child,
}

impl Mounted {
    /// Mounts a volume, or says why that is not possible here: it takes root and FUSE.
    fn new(volume: &Path, folder: &Path) -> Result<Self, String> {
        fs::create_dir(folder).unwrap();
        // In the foreground, so that its end is seen: `umount` does not wait for the last writes.
        let server = Command::new("ntfs-3g")
            .args(["-o", "no_detach"])
            .args([volume, folder])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut mounted = Self { folder: folder.to_owned(), server };
        let began = Instant::now();
        while !mounted.is_there() {
            if let Some(status) = mounted.server.try_wait().unwrap() {
                return Err(format!("it ended with {status}"));
            }
            if began.elapsed() > Duration::from_secs(60) {
                return Err("it mounted nothing for a minute".to_owned());
            }
            sleep(Duration::from_millis(10));
        }
        Ok(mounted)
    }

    fn is_there(&self) -> bool {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        mounts.lines().any(|line| line.split(' ').nth(1) == self.folder.to_str())
    }

    /// Unmounts it, and waits until all is written.
    fn finish(mut self) {
        let unmounted = Command::new("umount").arg(&self.folder).status().unwrap();
        assert!(unmounted.success() && self.server.wait().unwrap().success());
    }
}

impl Drop for Mounted {
    /// Leaves no mount behind, whatever happened: the folder of the test is removed after this.
    fn drop(&mut self) {
        if self.is_there() {
            let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
        }
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Fills a volume with the originals by wimlib, which mounts nothing.
fn apply(world: &World) {
    // By default, wimlib leaves out what Windows would.
    fs::write(world.path("config"), "[ExclusionList]\n").unwrap();
    run(world, "wimlib-imagex capture --compress=none --no-acls --config=config s wim");
    run(world, "wimlib-imagex apply wim 1 volume");
}

/// A VHDX of a disk with an NTFS volume of 24 MiB, which `fill` fills.
fn image(world: &World, fill: impl Fn(&World)) -> Vec<u8> {
    fs::File::create(world.path("volume")).unwrap().set_len(24 << 20).unwrap();
    fs::File::create(world.path("disk")).unwrap().set_len(28 << 20).unwrap();
    run(world, "mkntfs -q -F -Q volume");
    fill(world);
    run(world, "sgdisk -n 1:2048:51199 -t 1:0700 disk");
    let volume = fs::read(world.path("volume")).unwrap();
    let mut bytes = fs::read(world.path("disk")).unwrap();
    bytes[1 << 20..(1 << 20) + volume.len()].copy_from_slice(&volume);
    fs::write(world.path("disk"), bytes).unwrap();
    run(world, "qemu-img convert -O vhdx -o subformat=dynamic disk vhdx");
    fs::read(world.path("vhdx")).unwrap()
}

#[test]
fn what_windows_leaves_out_of_an_image_is_neither_verified_nor_missing() {
    let world = World::new().originals(&tree()).file("s/pagefile.sys", "p".repeat(8192));
    let files = walkdir::WalkDir::new(world.path("s")).into_iter();
    let files = files.filter(|entry| entry.as_ref().unwrap().file_type().is_file()).count() as u64;
    let image = image(&world, apply);
    windows_image_backup(&world, "SERVER", NAME, &image);
    let verified = world.verify_with("--map C=s --sample all --completeness 1000").exits(0).finds(&[]);
    assert_eq!(verified.number("/population/files"), files - 1);
    assert!(verified.json["notes"].to_string().contains("C/pagefile.sys (8.00 KiB)"), "{}", verified.ran);
    // In any other image, it is a file like others.
    fs::remove_dir_all(world.path("b")).unwrap();
    fs::write(world.path("b"), &image).unwrap();
    assert_eq!(world.verify("--sample all").exits(0).number("/population/files"), files);
}

/// Windows makes page files of whole pages.
#[test]
fn a_users_file_that_is_called_like_a_page_file_is_verified() {
    let world = World::new().originals(&tree()).file("s/hiberfil.sys", "a diary");
    windows_image_backup(&world, "SERVER", NAME, &image(&world, apply));
    world.verify_with("--map C=s --sample all").exits(0).finds(&[]);
    fs::write(world.path("s/hiberfil.sys"), "another").unwrap();
    world
        .verify_with("--map C=s --sample all --assume-unchanged")
        .exits(1)
        .finds(&[("C/hiberfil.sys", "corrupt")]);
}

/// A volume that only its type in an MBR makes one of the system.
#[test]
fn the_recovery_volume_of_an_mbr_is_left_out_for_what_it_holds() {
    let world = originals().file("other/Recovery/WindowsRE/Winre.wim", "rescue");
    fs::File::create(world.path("volume")).unwrap().set_len(4 << 20).unwrap();
    run(&world, "mkntfs -q -F -Q volume");
    run(&world, "wimlib-imagex capture --compress=none --no-acls other wim");
    run(&world, "wimlib-imagex apply wim 1 volume");
    let recovery = fs::read(world.path("volume")).unwrap();
    let mut disk = disk(&[fixtures::image("tree.ntfs"), recovery]);
    disk[446 + 16 + 4] = 0x27;
    fs::write(world.path("b"), disk).unwrap();
    let verified = world.verify("--sample all").exits(0);
    assert_eq!(verified.number("/population/files"), FILES);
    verified.says("partition 2 is not part of this verification: recovery, NTFS");
}

/// Where ntfs-3g cannot mount, wimlib fills the volume, and the output says so.
#[test]
fn a_backup_made_of_a_real_tree_passes_and_a_corruption_inside_its_vhdx_is_located() {
    let big = noise(3 << 20, 9);
    let world = originals().file("s/docs/big.bin", &big);
    let image = image(&world, |world| match Mounted::new(&world.path("volume"), &world.path("mounted")) {
        Ok(mounted) => {
            run(world, "cp -a s/. mounted");
            mounted.finish();
            eprintln!("ntfs-3g filled the volume");
        }
        Err(problem) => {
            apply(world);
            eprintln!("wimlib filled the volume, because ntfs-3g cannot mount it here: {problem}");
        }
    });
    windows_image_backup(&world, "SERVER", NAME, &image);
    let verified = world.verify_with("--map C=s --sample all --completeness 1000").exits(0).finds(&[]);
    assert_eq!(verified.number("/counts/verified"), FILES + 1);

    let at = 2_345_678;
    let mut rotten = image;
    let place = place(&rotten, &big[at..at + 64]);
    rotten[place] ^= 0x10;
    windows_image_backup(&world, "SERVER", NAME, &rotten);
    let verified = world.verify_with("--map C=s --sample all").exits(1);
    let verified = verified.finds(&[("C/docs/big.bin", "corrupt")]);
    assert_eq!(verified.number("/findings/0/difference/first_offset"), at as u64);
    assert_eq!(verified.number("/counts/verified"), FILES);
    verified
        .says("C/docs/big.bin")
        .says("differs from byte 2,345,678 on: 1 byte in 1 block, one flipped bit");
}
