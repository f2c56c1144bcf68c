//! How much of a backup was verified how recently.
//!
//! There are two ways to tell. If the backup is listed now ([`Tally`]), each of its files is looked
//! up in the ledger, and the numbers are exact. Without listing it, the ledger knows how many files
//! the last whole listing had, and which files were verified when. It does not know which of those
//! have left the backup since. So these numbers are upper limits, and the page says so: a file that
//! is gone must not make a backup look better verified than it is.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::table::{self, or_empty};
use super::{Form, VERSION};
use crate::backup::escape;

/// The JSON form.
pub const FORM: Form = Form {
    name: "coverage",
    schema_name: "bkverify-coverage/1",
    schema: include_str!("coverage.schema.json"),
    begins: &[&["{", r#""schema""#, ":", r#""bkverify-coverage/"#]],
    csv_begins: &[&["backup,jobs,how,days,files,"]],
};

/// The windows, in days.
pub const WINDOWS: [u32; 4] = [7, 30, 90, 365];

/// How many folders are counted by themselves. What is in others is counted together.
const FOLDERS_MAX: usize = 10_000;

/// What stands for the folders that are not counted by themselves.
const OTHERS: &[u8] = b"(others)";

/// The coverage of one or more backups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// The name of the form.
    pub schema: String,
    /// The version of the program that wrote it.
    pub bkverify: String,
    /// The time that the windows end at.
    pub at: Timestamp,
    /// One for each backup with its originals.
    pub backups: Vec<BackupCoverage>,
}

impl Coverage {
    /// The coverage of these backups now.
    pub fn new(at: Timestamp, backups: Vec<BackupCoverage>) -> Self {
        Self { schema: FORM.schema_name.to_owned(), bkverify: VERSION.to_owned(), at, backups }
    }
}

/// The coverage of one backup with its originals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackupCoverage {
    /// The jobs that verified it, the latest first.
    pub jobs: Vec<String>,
    /// The backup, without secrets.
    pub backup: String,
    /// Where its originals are: folders, and maps as `FROM=TO`.
    pub originals: Vec<String>,
    /// How the numbers were found.
    pub how: How,
    /// The files that there are to verify. `None` if no run has listed the backup to its end.
    pub population: Option<Amount>,
    /// When they were counted.
    pub counted: Option<Timestamp>,
    /// What was verified in each window, the shortest first.
    pub windows: Vec<Window>,
    /// What was ever verified.
    pub ever: Amount,
    /// What was never verified. A lower limit if the backup was not listed. `None` if the
    /// population is not known.
    pub never: Option<Amount>,
    /// The file whose verification is the longest ago, of those that were ever verified.
    pub oldest: Option<Oldest>,
    /// Files that the ledger knows and the backup no longer lists. `None` if it was not listed.
    pub gone: Option<u64>,
    /// What was never verified, by folder, the most first. `None` if the backup was not listed.
    pub folders: Option<Vec<Folder>>,
    /// When all will have been verified; only if the last run used the strategy `coverage`.
    pub rotation: Option<Rotation>,
}

/// How numbers were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// The backup was listed: the numbers are exact.
    Listed,
    /// From the ledger alone. What was verified is an upper limit, because files that have left the
    /// backup since are counted.
    Remembered,
}

/// A number of files and their size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// How many files.
    pub files: u64,
    /// Their size in bytes; `None` if it is not known.
    pub bytes: Option<u64>,
}

impl Amount {
    /// A number of files without any size yet.
    fn none() -> Self {
        Self { files: 0, bytes: Some(0) }
    }

    fn add(&mut self, size: Option<u64>) {
        self.files += 1;
        self.bytes = self.bytes.zip(size).map(|(sum, size)| sum.saturating_add(size));
    }

    /// This amount, or the other one if that is less.
    fn at_most(self, other: Self) -> Self {
        let bytes = self.bytes.map(|bytes| other.bytes.map_or(bytes, |other| bytes.min(other)));
        Self { files: self.files.min(other.files), bytes }
    }

    /// What is left of this amount without the other one.
    fn without(self, other: Self) -> Self {
        Self {
            files: self.files.saturating_sub(other.files),
            bytes: self.bytes.zip(other.bytes).map(|(all, part)| all.saturating_sub(part)),
        }
    }
}

/// What was verified in the last days.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// How many days.
    pub days: u32,
    /// What was verified.
    #[serde(flatten)]
    pub verified: Amount,
    /// Its share of all files; `None` if the population is not known or empty.
    pub files_share: Option<f64>,
    /// Its share of all bytes; `None` if a size is not known, or if all files are empty.
    pub bytes_share: Option<f64>,
}

/// The file whose verification is the longest ago.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Oldest {
    /// Its path in the backup.
    pub path: String,
    /// When the run began that verified it last.
    pub verified: Timestamp,
}

/// What was never verified in a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    /// Its path in the backup; empty for files that are in no folder.
    pub path: String,
    /// All its files.
    pub all: Amount,
    /// Those that were never verified.
    pub never: Amount,
}

/// The promise of the strategy `coverage`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// How many of the least recently verified files each run takes.
    pub files_a_run: u64,
    /// How many more runs it takes at most until each file has been verified, if the backup stays
    /// as it is.
    pub runs: u64,
    /// After how many runs a file is verified again at the latest.
    pub again_after_runs: u64,
}

impl Rotation {
    /// The rotation of a population, of which at most `never` files were never verified, with runs
    /// that take `files_a_run` of the least recently judged files each.
    fn new(population: u64, never: u64, files_a_run: u64) -> Option<Self> {
        (files_a_run > 0).then(|| Self {
            files_a_run,
            runs: never.div_ceil(files_a_run),
            again_after_runs: population.div_ceil(files_a_run),
        })
    }
}

/// What the ledger knows of a backup without listing it.
#[derive(Debug, Clone, PartialEq)]
pub struct Remembered {
    /// The jobs that verified it, the latest first.
    pub jobs: Vec<String>,
    /// The backup, without secrets.
    pub backup: String,
    /// Where its originals are.
    pub originals: Vec<String>,
    /// The population of the last run that listed all of it, and when that run began.
    pub population: Option<(Amount, Timestamp)>,
    /// What was verified in each of [`WINDOWS`].
    pub windows: [Amount; WINDOWS.len()],
    /// What was ever verified.
    pub ever: Amount,
    /// How many files were ever judged.
    pub judged: u64,
    /// The file whose verification is the longest ago.
    pub oldest: Option<Oldest>,
    /// How many of the least recently judged files the last run took, if its strategy was
    /// `coverage`.
    pub rotates: Option<u64>,
}

impl Remembered {
    /// The coverage as far as the ledger alone can tell.
    pub fn coverage(self) -> BackupCoverage {
        let population = self.population.map(|(amount, _)| amount);
        let limit = |amount: Amount| population.map_or(amount, |all| amount.at_most(all));
        let ever = limit(self.ever);
        let windows = self.windows.map(limit);
        let rotation = self.rotates.zip(population);
        BackupCoverage {
            jobs: self.jobs,
            backup: self.backup,
            originals: self.originals,
            how: How::Remembered,
            population,
            counted: self.population.map(|(_, at)| at),
            windows: shares(&windows, population),
            ever,
            never: population.map(|all| all.without(ever)),
            oldest: self.oldest,
            gone: None,
            folders: None,
            // How many files were never verified is not known, so all of them may be meant.
            rotation: rotation.and_then(|(wanted, all)| Rotation::new(all.files, all.files, wanted)),
        }
    }

    /// The coverage by a listing of the backup that was made just now.
    pub fn listed(self, tally: Tally) -> BackupCoverage {
        let population = tally.all;
        let rotation = self.rotates;
        BackupCoverage {
            jobs: self.jobs,
            backup: self.backup,
            originals: self.originals,
            how: How::Listed,
            population: Some(population),
            counted: Some(tally.now),
            windows: shares(&tally.windows, Some(population)),
            ever: tally.ever,
            never: Some(tally.never),
            oldest: tally
                .oldest
                .map(|(verified, path)| Oldest { path: escape(&path).into_owned(), verified }),
            gone: Some(self.judged.saturating_sub(tally.known)),
            folders: Some(folders(tally.folders)),
            rotation: rotation.and_then(|wanted| Rotation::new(population.files, tally.never.files, wanted)),
        }
    }
}

fn shares(windows: &[Amount; WINDOWS.len()], population: Option<Amount>) -> Vec<Window> {
    let window = |(days, verified): (u32, Amount)| Window {
        days,
        verified,
        files_share: population.and_then(|all| share(verified.files, all.files)),
        bytes_share: population.and_then(|all| share(verified.bytes?, all.bytes?)),
    };
    WINDOWS.into_iter().zip(*windows).map(window).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a share; the exact numbers stand beside it")]
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64).min(1.0))
}

/// Counts the files of a backup while it is listed.
#[derive(Debug, Clone)]
pub struct Tally {
    now: Timestamp,
    cuts: [Timestamp; WINDOWS.len()],
    depth: usize,
    all: Amount,
    windows: [Amount; WINDOWS.len()],
    ever: Amount,
    never: Amount,
    known: u64,
    oldest: Option<(Timestamp, Vec<u8>)>,
    folders: BTreeMap<Vec<u8>, (Amount, Amount)>,
}

/// What the ledger knows of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownFile {
    /// When it was last verified; `None` if it was only judged.
    pub verified: Option<Timestamp>,
}

/// The times at which the windows begin.
pub fn cuts(now: Timestamp) -> [Timestamp; WINDOWS.len()] {
    WINDOWS.map(|days| {
        now.checked_sub(SignedDuration::from_hours(i64::from(days) * 24)).unwrap_or(Timestamp::MIN)
    })
}

impl Tally {
    /// Nothing is counted yet. Folders are told apart down to this depth.
    pub fn new(now: Timestamp, depth: usize) -> Self {
        Self {
            now,
            cuts: cuts(now),
            depth,
            all: Amount::none(),
            windows: [Amount::none(); WINDOWS.len()],
            ever: Amount::none(),
            never: Amount::none(),
            known: 0,
            oldest: None,
            folders: BTreeMap::new(),
        }
    }

    /// Forgets everything: the listing begins again.
    pub fn clear(&mut self) {
        *self = Self::new(self.now, self.depth);
    }

    /// Counts a file of the backup.
    pub fn add(&mut self, path: &[u8], size: Option<u64>, known: Option<KnownFile>) {
        self.all.add(size);
        self.known += u64::from(known.is_some());
        let verified = known.and_then(|known| known.verified);
        if let Some(time) = verified {
            self.ever.add(size);
            for (window, cut) in self.windows.iter_mut().zip(self.cuts) {
                // A time that lies ahead was told by another clock, and says nothing.
                if (cut..=self.now).contains(&time) {
                    window.add(size);
                }
            }
            if self.oldest.as_ref().is_none_or(|(oldest, _)| time < *oldest) {
                self.oldest = Some((time, path.to_vec()));
            }
        } else {
            self.never.add(size);
        }
        let folder = folder(path, self.depth);
        let is_counted = self.folders.contains_key(folder) || self.folders.len() < FOLDERS_MAX;
        let key = if is_counted { folder } else { OTHERS };
        let none = (Amount::none(), Amount::none());
        let (all, never) = match self.folders.get_mut(key) {
            Some(amounts) => amounts,
            None => self.folders.entry(key.to_vec()).or_insert(none),
        };
        all.add(size);
        if verified.is_none() {
            never.add(size);
        }
    }
}

/// The folder of a file, or the one above it at this depth.
fn folder(path: &[u8], depth: usize) -> &[u8] {
    let slashes = path.iter().enumerate().filter(|&(_, &byte)| byte == b'/');
    let end = slashes.map(|(at, _)| at).take(depth).last();
    &path[..end.unwrap_or(0)]
}

/// Folders in which something was never verified, the most first.
fn folders(counted: BTreeMap<Vec<u8>, (Amount, Amount)>) -> Vec<Folder> {
    let mut folders: Vec<_> = counted
        .into_iter()
        .filter(|(_, (_, never))| never.files > 0)
        .map(|(path, (all, never))| Folder { path: escape(&path).into_owned(), all, never })
        .collect();
    // The sort is stable: equal numbers stay in the order of their paths.
    folders.sort_by_key(|folder| std::cmp::Reverse(folder.never.files));
    folders
}

/// The windows as CSV, and below them nothing else: folders are in the JSON form.
pub fn csv(coverage: &Coverage) -> String {
    let head = [
        "backup",
        "jobs",
        "how",
        "days",
        "files",
        "files_share",
        "bytes",
        "bytes_share",
        "population_files",
        "population_bytes",
    ];
    let rows = coverage.backups.iter().flat_map(|backup| {
        backup.windows.iter().map(move |window| {
            vec![
                backup.backup.clone(),
                backup.jobs.join(" "),
                match backup.how {
                    How::Listed => "listed",
                    How::Remembered => "remembered",
                }
                .to_owned(),
                window.days.to_string(),
                window.verified.files.to_string(),
                or_empty(window.files_share),
                or_empty(window.verified.bytes),
                or_empty(window.bytes_share),
                or_empty(backup.population.map(|all| all.files)),
                or_empty(backup.population.and_then(|all| all.bytes)),
            ]
        })
    });
    table::csv(&head, rows)
}

#[cfg(test)]
#[path = "coverage_tests.rs"]
mod tests;
