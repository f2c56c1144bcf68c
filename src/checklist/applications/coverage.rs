//! How many files and bytes of each data folder are in the configured backups.
//!
//! Each backup's catalog is streamed once. Entries are paired with originals by the same rules as
//! in a verification.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use walkdir::WalkDir;

use crate::backup::{self, CatalogSink, Context, EntryBatch, Listing, Needs};
use crate::cancel::CancelToken;
use crate::platform;
use crate::verify::pairing::Pairing;

use super::super::machine::BackupJob;
use super::super::machine::Visit;
use super::amount;

/// What the backups contain of one folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Held {
    /// This many files and bytes, in the backup that contains the most.
    Some { files: u64, bytes: u64 },
    /// Nothing, although there is data.
    Nothing,
    /// There is no data: the folder contains no files or does not exist.
    NoData,
    /// Unknown.
    Unknown,
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
        let mut most: Vec<(u64, u64)> = vec![(0, 0); folders.len()];
        for job in &visit.settings().jobs {
            match count(job, &places, visit.deadline()) {
                Ok(counts) => {
                    for (most, count) in most.iter_mut().zip(counts) {
                        *most = (*most).max(count);
                    }
                }
                Err(problem) => problems.push(format!("{}: {problem}", job.name)),
            }
        }
        let held = folders.iter().zip(places.iter().zip(most)).map(|(folder, (place, (files, bytes)))| {
            let held = match (files, has_data(place, visit.deadline())) {
                (1.., _) => Held::Some { files, bytes },
                (0, Some(false)) => Held::NoData,
                (0, Some(true)) if problems.is_empty() => Held::Nothing,
                (0, _) => Held::Unknown,
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
            Held::Some { files, bytes } => format!("in the backup: {}", amount(*files, *bytes)),
            Held::Nothing => "NOT IN ANY BACKUP".to_owned(),
            Held::NoData => "no files there".to_owned(),
            Held::Unknown => "not known whether a backup holds it".to_owned(),
        }
    }
}

/// A path without links, so that two names of the same folder compare equal.
fn real(place: &Path) -> PathBuf {
    place.canonicalize().unwrap_or_else(|_| place.to_owned())
}

/// Whether there is any file below a folder; `None` if that cannot be found out.
fn has_data(place: &Path, deadline: Instant) -> Option<bool> {
    if place.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
        return Some(false);
    }
    let mut unreadable = false;
    for entry in WalkDir::new(place) {
        match entry {
            Ok(entry) if entry.file_type().is_file() => return Some(true),
            Ok(_) => {}
            Err(_) => unreadable = true,
        }
        if Instant::now() >= deadline {
            return None;
        }
    }
    (!unreadable).then_some(false)
}

/// The files and bytes of each folder in one job's backup.
fn count(job: &BackupJob, folders: &[PathBuf], deadline: Instant) -> Result<Vec<(u64, u64)>, String> {
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
    let counter = Counter {
        prefixes: folders.iter().map(prefixes).collect(),
        counts: folders.iter().map(|_| (AtomicU64::new(0), AtomicU64::new(0))).collect(),
        deadline,
    };
    let needs = Needs { size: true, mtime: false };
    match backup.catalog(needs, &context, &counter).map_err(|error| chained(&error))? {
        Listing::Whole => Ok(counter.result()),
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
        for entry in entries.iter() {
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
