//! How many files and bytes of each data folder are in the configured backups.
//!
//! Each backup's catalog is streamed once. Entries are paired with originals by the same rules as
//! in a verification.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use walkdir::WalkDir;

use crate::backup::{self, CatalogSink, Context, EntryBatch, Listing, Needs};
use crate::cancel::CancelToken;
use crate::platform;
use crate::verify::Filter;
use crate::verify::pairing::Pairing;
use crate::words;

use super::super::machine::BackupJob;
use super::super::machine::Visit;

/// Files and bytes.
type Amount = (u64, u64);

/// What the backups contain of one folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Held {
    /// This much, in the backup that contains the most of what is there.
    Some {
        /// What the backup holds.
        held: Amount,
        /// What is in the folder, without files that were written after the backup.
        there: Amount,
    },
    /// Nothing, although there is data.
    Nothing,
    /// There is no data: the folder contains no files or does not exist.
    NoData,
    /// Unknown.
    Unknown,
}

impl Held {
    /// Whether a part of the folder is missing in the backup: files or bytes. A few bytes may be
    /// missing because files have grown since.
    pub(super) fn is_part(&self) -> bool {
        matches!(self, Self::Some { held, there } if held.0 < there.0 || held.1 < there.1 / 10 * 9)
    }
}

/// What the backups contain of all folders.
#[derive(Debug)]
pub(super) struct Coverage {
    held: HashMap<String, Held>,
    problems: Vec<String>,
}

impl Coverage {
    /// Looks up every folder in the backup of every job.
    pub(super) fn measure(visit: &Visit<'_>, folders: &[String]) -> Self {
        let mut problems = Vec::new();
        if visit.probes().is_remote() {
            // A folder of the same name here is not that server's.
            let problem = "the folders are on another machine; run bkverify there";
            return Self { held: HashMap::new(), problems: vec![problem.to_owned()] };
        }
        if visit.settings().jobs.is_empty() {
            problems.push("no backup job is configured".to_owned());
        }
        let places: Vec<PathBuf> = folders.iter().map(|folder| real(&visit.place(folder))).collect();
        // The job whose backup holds most of a folder speaks for it.
        let mut most: Vec<(Amount, Option<SystemTime>)> = vec![((0, 0), None); folders.len()];
        for job in &visit.settings().jobs {
            match count(job, &places, visit.deadline()) {
                Ok((counts, taken)) => {
                    for (most, count) in most.iter_mut().zip(counts) {
                        *most = if count > most.0 { (count, taken) } else { *most };
                    }
                }
                Err(problem) => problems.push(format!("{}: {problem}", job.name)),
            }
        }
        let held = folders.iter().zip(places.iter().zip(most)).map(|(folder, (place, (held, taken)))| {
            let held = match (held.0, there(place, taken, visit.deadline())) {
                (_, None) => Held::Unknown,
                (1.., Some((there, _))) => Held::Some { held, there },
                (0, Some((_, false))) => Held::NoData,
                (0, Some(_)) if problems.is_empty() => Held::Nothing,
                (0, Some(_)) => Held::Unknown,
            };
            (folder.clone(), held)
        });
        Self { held: held.collect(), problems }
    }

    /// What is known about a folder.
    pub(super) fn of(&self, folder: &str) -> &Held {
        self.held.get(folder).unwrap_or(&Held::Unknown)
    }

    /// Why something is unknown, if it is.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problems.first().map(String::as_str)
    }

    /// The text for a folder in the table.
    pub(super) fn words(&self, folder: &str) -> String {
        if folder.is_empty() {
            return "no data folder known".to_owned();
        }
        match self.of(folder) {
            part @ Held::Some { held, there } if part.is_part() => {
                format!("PART of it is in the backup: {} of {}", amount(*held), amount(*there))
            }
            Held::Some { held, there } => {
                format!("in the backup: {} ({} there)", amount(*held), amount(*there))
            }
            Held::Nothing => "NOT IN ANY BACKUP".to_owned(),
            Held::NoData => "no files there".to_owned(),
            Held::Unknown => "not known whether a backup holds it".to_owned(),
        }
    }
}

/// `12 files, 3.4 MB`.
fn amount((files, bytes): Amount) -> String {
    format!("{}, {}", words::counted(files, "file"), words::bytes(bytes))
}

/// A path without links, so that two names of the same folder compare equal.
fn real(place: &Path) -> PathBuf {
    place.canonicalize().unwrap_or_else(|_| place.to_owned())
}

/// What is in a folder, without files that were written after `taken`, and whether there is any
/// file at all. `None` if that cannot be found out.
fn there(place: &Path, taken: Option<SystemTime>, deadline: Instant) -> Option<(Amount, bool)> {
    if place.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
        return Some(((0, 0), false));
    }
    let (mut found, mut any) = ((0, 0), false);
    for entry in WalkDir::new(place) {
        if Instant::now() >= deadline {
            return None;
        }
        let entry = entry.ok()?;
        if !entry.file_type().is_file() {
            continue;
        }
        any = true;
        let metadata = entry.metadata().ok()?;
        let is_newer = taken.is_some_and(|taken| metadata.modified().is_ok_and(|time| time > taken));
        if !is_newer {
            found = (found.0 + 1, found.1 + metadata.len());
        }
    }
    Some((found, any))
}

/// The files and bytes of each folder in one job's backup, and when it was taken. What the job's
/// filters leave out is not verified, so it does not count.
fn count(
    job: &BackupJob,
    folders: &[PathBuf],
    deadline: Instant,
) -> Result<(Vec<Amount>, Option<SystemTime>), String> {
    let chained = |error: &dyn std::error::Error| match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    let in_time = CancelToken::new().with_deadline(Some(deadline));
    let context = Context::new(in_time.clone());
    let backup = backup::open(&job.backup, &context).map_err(|error| chained(&error))?;
    let pairing = Pairing::new(&*backup, &job.sources, &job.maps, false, None, &in_time);
    let pairing = pairing.map_err(|error| chained(&error))?;
    let roots: Vec<(PathBuf, Vec<u8>)> =
        pairing.roots().map(|(root, from)| (real(&root.folder), from.to_vec())).collect();
    let prefixes =
        |folder: &PathBuf| roots.iter().filter_map(|(root, from)| prefix(folder, root, from)).collect();
    let filter = Filter::new(&job.filters).map_err(|error| chained(&error))?;
    let needs = Needs { size: true, ..filter.needs() };
    let counter = Counter {
        filter,
        prefixes: folders.iter().map(prefixes).collect(),
        counts: folders.iter().map(|_| (AtomicU64::new(0), AtomicU64::new(0))).collect(),
        deadline,
    };
    match backup.catalog(needs, &context, &counter).map_err(|error| chained(&error))? {
        Listing::Whole => {
            let seconds = backup.description().taken.and_then(|taken| u64::try_from(taken.at.seconds).ok());
            Ok((counter.result(), seconds.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds))))
        }
        Listing::Stopped => Err("its catalog could not be read in time".to_owned()),
        Listing::Damaged(parts) => {
            let first = parts.first().map_or("", |part| part.problem.as_str());
            Err(format!("its catalog is damaged: {first}"))
        }
    }
}

/// The beginning that the paths of a folder's files have in the backup, by one rule of the pairing.
/// Empty if all entries are below the folder.
fn prefix(folder: &Path, root: &Path, from: &[u8]) -> Option<Vec<u8>> {
    if let Ok(inside) = folder.strip_prefix(root) {
        let inside = platform::path_to_bytes(inside);
        let parts = [from, &*inside];
        return Some(parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(&b'/'));
    }
    root.starts_with(folder).then(|| from.to_vec())
}

struct Counter {
    filter: Filter,
    /// For each folder, the beginnings that the paths of its files may have.
    prefixes: Vec<Vec<Vec<u8>>>,
    /// For each folder, its files and bytes.
    counts: Vec<(AtomicU64, AtomicU64)>,
    deadline: Instant,
}

impl Counter {
    fn result(self) -> Vec<(u64, u64)> {
        self.counts.into_iter().map(|(files, bytes)| (files.into_inner(), bytes.into_inner())).collect()
    }
}

impl CatalogSink for Counter {
    fn take(&self, entries: &EntryBatch) -> ControlFlow<()> {
        if Instant::now() >= self.deadline {
            return ControlFlow::Break(());
        }
        for entry in entries.iter().filter(|entry| self.filter.includes(entry)) {
            for (prefixes, (files, bytes)) in self.prefixes.iter().zip(&self.counts) {
                if prefixes.iter().any(|prefix| begins(entry.path, prefix)) {
                    files.fetch_add(1, Ordering::Relaxed);
                    bytes.fetch_add(entry.size.unwrap_or(0), Ordering::Relaxed);
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn restart(&self) {
        for counter in self.counts.iter().flat_map(|(files, bytes)| [files, bytes]) {
            counter.store(0, Ordering::Relaxed);
        }
    }
}

/// Whether a path is `prefix` or is below it.
fn begins(path: &[u8], prefix: &[u8]) -> bool {
    prefix.is_empty()
        || path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_follow_the_pairing_rules_in_both_directions() {
        let inside = prefix(Path::new("/srv/data/app"), Path::new("/srv"), b"backup");
        assert_eq!(inside.as_deref(), Some(&b"backup/data/app"[..]));
        assert_eq!(prefix(Path::new("/srv"), Path::new("/srv"), b"").as_deref(), Some(&b""[..]));
        assert_eq!(prefix(Path::new("/srv"), Path::new("/srv/data"), b"d").as_deref(), Some(&b"d"[..]));
        assert_eq!(prefix(Path::new("/srv2"), Path::new("/srv"), b""), None);
    }

    #[test]
    fn a_folder_with_a_longer_name_is_a_different_folder() {
        assert!(begins(b"data/x", b"data") && begins(b"data", b"data") && begins(b"x", b""));
        assert!(!begins(b"database/x", b"data"));
    }
}
