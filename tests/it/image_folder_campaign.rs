//! The folder of a Windows image backup is damaged at random, except for the volumes in its images:
//! a virtual disk or its partition table, the XML beside it, or a whole file. A listing without
//! damage must hold what that of the intact folder held.
//!
//! The rule is that of a run that names no backup, which takes its originals from the XML. A drive
//! that is an original but has no files in the backup ends such a run. A drive that is in nobody's
//! list simply leaves it, so there must be damage then.
//!
//! `BKVERIFY_CAMPAIGN_TRIALS` and `BKVERIFY_CAMPAIGN_SEED` say how many trials and which.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use bkverify::backup::{Listing, newest_image_on};

use crate::contract::collect::{catalog, open};
use crate::contract::fixtures::image;
use crate::image_campaign::{Dice, damage_sector, variable};
use crate::verify_image_gaps::two_drives;
use crate::world::World;

/// Trials, unless a variable says otherwise. Each takes some hundredths of a second.
const TRIALS: u64 = 200;

/// A backup of two drives, and what its listing holds.
struct Intact {
    folder: PathBuf,
    /// The files of the folder, with the sectors of each that are not those of a volume.
    files: Vec<(PathBuf, Vec<u8>, Vec<usize>)>,
    listed: BTreeSet<Vec<u8>>,
}

impl Intact {
    fn new(world: &World) -> Self {
        let folder = two_drives(world, crate::verify_image::NAME, &image("tree.vhd")).with_file_name("");
        let volume = image("tree.ntfs");
        let of_volume: HashSet<&[u8]> = volume.chunks(512).collect();
        let is_used =
            |sector: &[u8]| sector.iter().any(|&byte| byte != sector[0]) && !of_volume.contains(sector);
        let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = entries
            .map(|path| {
                let bytes = fs::read(&path).unwrap();
                let sectors = bytes.chunks(512).enumerate().filter(|(_, sector)| is_used(sector));
                let sectors = sectors.map(|(at, _)| at * 512).collect();
                (path, bytes, sectors)
            })
            .collect();
        files.sort();
        assert_eq!(files.len(), 3);
        let (drives, listed) = listed(&folder).expect("the intact backup is whole");
        assert_eq!(drives, ["C:\\", "D:\\"].map(PathBuf::from));
        Self { folder, files, listed }
    }

    /// Damages one file. Returns what was done.
    fn damage(&self, dice: &mut Dice) -> String {
        let (path, bytes, sectors) = &self.files[dice.roll(self.files.len())];
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let done = match dice.roll(12) {
            0 => {
                fs::remove_file(path).unwrap();
                "removed".to_owned()
            }
            1 => {
                fs::rename(path, path.with_extension("bak")).unwrap();
                "renamed".to_owned()
            }
            2 => {
                fs::remove_file(path).unwrap();
                fs::create_dir(path).unwrap();
                "replaced by a folder".to_owned()
            }
            3 => {
                let length = dice.roll(bytes.len());
                fs::write(path, &bytes[..length]).unwrap();
                format!("cut off at {length}")
            }
            4 => {
                let (other, content, _) = &self.files[dice.roll(self.files.len())];
                fs::write(path, content).unwrap();
                format!("replaced by {}", other.display())
            }
            _ => {
                let mut bytes = bytes.clone();
                let done = damage_sector(&mut bytes, sectors, dice);
                fs::write(path, bytes).unwrap();
                done
            }
        };
        format!("{name}: {done}")
    }

    fn mend(&self) {
        fs::remove_dir_all(&self.folder).unwrap();
        fs::create_dir(&self.folder).unwrap();
        for (path, bytes, _) in &self.files {
            fs::write(path, bytes).unwrap();
        }
    }
}

/// The drives that a run without a backup compares, and all paths of that backup. `None` if there
/// is an error or damage.
fn listed(folder: &Path) -> Option<(Vec<PathBuf>, BTreeSet<Vec<u8>>)> {
    let root = folder.ancestors().nth(3).unwrap().to_owned();
    let newest = newest_image_on(&[root], "SERVER").ok()?.expect("the folder is there");
    let (picks, listing) = catalog(&*open(newest.folder).ok()?);
    let paths = picks.iter().map(|entry| entry.path.to_vec()).collect();
    matches!(listing, Listing::Whole).then_some((newest.drives, paths))
}

#[test]
fn what_passes_in_a_damaged_folder_is_all_that_the_intact_one_held() {
    let world = World::new();
    let intact = Intact::new(&world);
    let below = |paths: &BTreeSet<Vec<u8>>, drive: &[u8]| -> BTreeSet<Vec<u8>> {
        paths.iter().filter(|path| path.starts_with(drive)).cloned().collect()
    };
    let seed = variable("BKVERIFY_CAMPAIGN_SEED", 1);
    let (mut passed, mut noticed, mut wrong) = (0, 0, Vec::new());
    for trial in 0..variable("BKVERIFY_CAMPAIGN_TRIALS", TRIALS) {
        let mut dice = Dice(seed << 32 | trial);
        let done = intact.damage(&mut dice);
        match listed(&intact.folder) {
            None => noticed += 1,
            Some((originals, paths)) => {
                let drives = [("C:\\", &b"C/"[..]), ("D:\\", b"D/")].map(|(root, prefix)| {
                    let is_original = originals.contains(&PathBuf::from(root));
                    (is_original, below(&paths, prefix), below(&intact.listed, prefix))
                });
                // An original without files in the backup, or a drive that is not there.
                let is_dead = drives.iter().any(|(is_original, found, _)| *is_original && found.is_empty())
                    || originals
                        .iter()
                        .any(|root| !["C:\\", "D:\\"].map(Path::new).contains(&root.as_path()));
                let is_whole = drives.iter().all(|(is_original, found, all)| *is_original && found == all);
                passed += u64::from(is_whole);
                noticed += u64::from(is_dead);
                if !is_dead && !is_whole {
                    wrong.push(format!("trial {trial}: {done}"));
                }
            }
        }
        intact.mend();
    }
    assert!(wrong.is_empty(), "files are missing, and nothing says so (seed {seed}): {wrong:#?}");
    assert!(passed > 0 && noticed > 0, "{passed} passed, {noticed} noticed");
    eprintln!("{passed} trials did no harm, {noticed} were noticed");
}
