//! A volume of NTFS is damaged at random, and ntfs-3g is the judge, through wimlib, which captures
//! the whole volume without mounting it. What bkverify lists as whole and restores right, ntfs-3g
//! must give, too.
//!
//! wimlib captures more than contents, and all or nothing. So it also refuses a volume in which only
//! a security descriptor or another attribute is damaged that bkverify does not compare. Such trials
//! are printed and do not fail.
//!
//! `BKVERIFY_CAMPAIGN_TRIALS` and `BKVERIFY_CAMPAIGN_SEED` say how many trials and which. The
//! campaign of the other formats is in `campaign`; its rule that nothing is failed that the judge
//! restores does not hold here, because ntfs-3g does not look at much of what contradicts itself in a
//! volume.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use bkverify::backup::{Listing, Wanted};

use crate::contract::collect::{catalog, hash, open, restore};
use crate::contract::fixtures::{ALL, image};

/// Trials, unless a variable says otherwise. One takes about half a second.
const TRIALS: u64 = 40;

/// Numbers that follow from a seed.
pub struct Dice(pub u64);

impl Dice {
    /// A number below `below`.
    pub fn roll(&mut self, below: usize) -> usize {
        // SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % below as u64).unwrap()
    }
}

/// Damages the volume somewhere where there is something. Returns what was done.
fn damage(volume: &mut Vec<u8>, dice: &mut Dice) -> String {
    if dice.roll(6) == 0 {
        let length = volume.len() / 2 + dice.roll(volume.len() / 2);
        volume.truncate(length);
        return format!("cut off at {length}");
    }
    let is_used = |sector: &[u8]| sector.iter().any(|&byte| byte != sector[0]);
    let used = volume.chunks(512).enumerate().filter(|(_, sector)| is_used(sector));
    let used: Vec<usize> = used.map(|(at, _)| at * 512).collect();
    damage_sector(volume, &used, dice)
}

/// Damages one of these sectors. Returns what was done.
pub fn damage_sector(bytes: &mut [u8], sectors: &[usize], dice: &mut Dice) -> String {
    let sector = |start: usize| start..(start + 512).min(bytes.len());
    let start = sectors[dice.roll(sectors.len())];
    let at = start + dice.roll(sector(start).len());
    match dice.roll(5) {
        0 | 1 => {
            let bit = dice.roll(8);
            bytes[at] ^= 1 << bit;
            format!("bit {bit} of byte {at} flipped")
        }
        2 => {
            let sector = sector(start);
            bytes[sector].fill(0);
            format!("sector at {start} zeroed")
        }
        3 => {
            let end = (at + 1 + dice.roll(16)).min(bytes.len());
            bytes[at..end].fill(0xA5);
            format!("bytes {at} to {end} overwritten")
        }
        _ => {
            let other = sectors[dice.roll(sectors.len())];
            let length = sector(start).len().min(sector(other).len());
            bytes.copy_within(other..other + length, start);
            format!("sector at {start} replaced by that at {other}")
        }
    }
}

/// Whether only the copy of the first records of the $MFT is damaged. ntfs-3g refuses such a volume;
/// Windows takes the $MFT, and so does bkverify. Where the copy is, is in the boot sector (linux-ntfs
/// documentation, "$Boot").
fn is_in_mirror(intact: &[u8], damaged: &[u8]) -> bool {
    let number = |at: usize| u64::from_le_bytes(intact[at..at + 8].try_into().unwrap());
    let cluster = usize::from(intact[13]) * 512;
    let mirror = usize::try_from(number(0x38)).unwrap() * cluster;
    let mirror = mirror..mirror + 4096;
    let differs = intact.iter().zip(damaged).enumerate().filter(|(_, (one, other))| one != other);
    intact.len() == damaged.len() && differs.map(|(at, _)| at).all(|at| mirror.contains(&at))
}

/// The hash of each file that ntfs-3g gives; `None` if it refuses the volume or complains.
fn judge(volume: &Path) -> Option<BTreeMap<Vec<u8>, blake3::Hash>> {
    let folder = tempfile::tempdir().unwrap();
    let (wim, out) = (folder.path().join("wim"), folder.path().join("out"));
    std::fs::create_dir(&out).unwrap();
    let run = |arguments: [&std::ffi::OsStr; 3], more: &[&str]| {
        let mut command = Command::new("wimlib-imagex");
        command.args(arguments).args(more).env("LC_ALL", "C.UTF-8");
        let done = command.output().unwrap_or_else(|error| {
            panic!("wimlib-imagex: {error}; apt-get install wimtools ntfs-3g, or run .ci/test")
        });
        done.status.success()
    };
    let made = run(["capture".as_ref(), volume.as_ref(), wim.as_ref()], &["--no-acls", "--compress=none"])
        && run(["apply".as_ref(), wim.as_ref(), "1".as_ref()], &[out.to_str().unwrap(), "--no-acls"]);
    if !made {
        return None;
    }
    let files = walkdir::WalkDir::new(&out).into_iter().map(|entry| entry.unwrap());
    let files = files.filter(|entry| entry.file_type().is_file()).map(|entry| {
        let path = entry.path().strip_prefix(&out).unwrap().as_os_str().as_encoded_bytes().to_vec();
        (path, hash(&std::fs::read(entry.path()).unwrap()))
    });
    Some(files.collect())
}

pub fn variable(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().expect(name))
}

#[test]
fn what_passes_in_a_damaged_volume_is_what_ntfs_3g_gives() {
    let fixture = ALL.iter().find(|fixture| fixture.name == "tree.ntfs").unwrap();
    let expected: BTreeMap<Vec<u8>, blake3::Hash> =
        fixture.expected().into_iter().map(|(path, file)| (path, file.hash)).collect();
    let intact = image("tree.ntfs");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("volume");
    std::fs::write(&path, &intact).unwrap();
    assert_eq!(judge(&path).expect("the judge reads the intact volume"), expected);
    let seed = variable("BKVERIFY_CAMPAIGN_SEED", 1);
    let (mut passed, mut refused, mut wrong) = (0, Vec::new(), Vec::new());
    for trial in 0..variable("BKVERIFY_CAMPAIGN_TRIALS", TRIALS) {
        let mut dice = Dice(seed << 32 | trial);
        let mut volume = intact.clone();
        let done = damage(&mut volume, &mut dice);
        std::fs::write(&path, &volume).unwrap();
        let Ok(backup) = open(&path) else { continue };
        let (picks, listing) = catalog(&*backup);
        let found = restore(&*backup, Wanted::These(&picks)).files;
        let right = found
            .iter()
            .filter(|(path, outcome)| **outcome == expected.get(*path).copied().ok_or_else(String::new));
        let is_pass = matches!(listing, Listing::Whole)
            && found.len() == expected.len()
            && right.count() == expected.len();
        if is_pass && !is_in_mirror(&intact, &volume) {
            passed += 1;
            match judge(&path) {
                Some(given) if given == expected => {}
                Some(_) => wrong.push(format!("trial {trial}: {done}: other files")),
                None => refused.push(format!("trial {trial}: {done}")),
            }
        }
    }
    assert!(wrong.is_empty(), "bkverify passes what ntfs-3g does not give (seed {seed}): {wrong:#?}");
    eprintln!("{passed} trials did no harm to any file; ntfs-3g refuses the volume after {refused:#?}");
}
