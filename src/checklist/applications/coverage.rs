//! How many files and bytes of each data folder are in the configured backups.
//!
//! Each folder is looked through, then each backup's catalog is streamed once. Files are paired by
//! the rules of a verification, and name by name: other files of the same number are no backup.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use crate::backup::{self, BackupTime, CatalogSink, Context, EntryBatch, Listing, Needs};
use crate::cancel::CancelToken;
use crate::lock::{into_inner, lock};
use crate::platform::{self, Kind};
use crate::verify::Filter;
use crate::verify::pairing::Pairing;
use crate::verify::spelling::composed;
use crate::words;

use super::super::machine::{BackupJob, Visit};
use super::super::tree;

/// What the backups contain of one folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Held {
    /// This share, in the backup that contains the most of what is there.
    Some(Share),
    /// Nothing, although there is data.
    Nothing,
    /// There is no data: the folder contains no files.
    NoData,
    /// Unknown, for this reason.
    Unknown(String),
}

/// How much of a folder a backup contains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct Share {
    /// Files in the folder.
    there: u64,
    /// Those that the backup has under the same name.
    held: u64,
    /// Those that it lacks, although they have not changed since it was taken, and one of them.
    missing: u64,
    example: String,
    /// The bytes of files that have not changed since: in the backup, and in the folder.
    bytes: (u64, u64),
}

impl Share {
    /// Whether a part of the folder is missing in the backup: files or bytes.
    pub(in super::super) fn is_part(&self) -> bool {
        self.missing > 0 || self.bytes.0 < self.bytes.1 / 10 * 9
    }

    /// Whether the backup lacks so many files that were made or changed since it was taken that it
    /// tells little about the folder.
    fn is_too_old(&self) -> bool {
        self.missing == 0 && (self.there - self.held).saturating_mul(4) > self.there
    }

    fn words(&self) -> String {
        let Self { there, held, missing, example, bytes } = self;
        let lacking = there - held;
        let newer =
            if lacking > *missing { format!("; {} changed since", lacking - missing) } else { String::new() };
        let amount = format!("{} of {}{newer}", words::count(*held), words::counted(*there, "file"));
        if *missing > 0 {
            format!("PART of it is in the backup: {amount}; {missing} missing, such as {example}")
        } else if self.is_part() {
            let (held, there) = (words::bytes(bytes.0), words::bytes(bytes.1));
            format!("PART of it is in the backup: {amount}, but {held} of {there}")
        } else {
            format!("in the backup: {amount}")
        }
    }
}

/// What the backups contain of all folders.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    held: HashMap<String, Held>,
}

impl Coverage {
    /// Looks up every folder in the backup of every job.
    pub(super) fn measure(visit: &Visit<'_>, names: &[String]) -> Self {
        let unknown = |problem: &str| {
            let held = names.iter().map(|name| (name.clone(), Held::Unknown(problem.to_owned())));
            Self { held: held.collect() }
        };
        if visit.probes().is_remote() {
            // A folder of the same name here is not that server's.
            return unknown("the folders are on another machine; run bkverify there");
        }
        let hasher = RandomState::new();
        let mut folders = Vec::new();
        let mut held = HashMap::new();
        for name in names {
            match Folder::look_through(&visit.place(name), visit.deadline(), &hasher) {
                Ok(folder) => folders.push((name, folder)),
                Err(problem) => {
                    held.insert(name.clone(), Held::Unknown(problem));
                }
            }
        }
        let mut problem = visit.settings().jobs.is_empty().then(|| "no backup job is configured".to_owned());
        let mut best: Vec<Share> = vec![Share::default(); folders.len()];
        let bare: Vec<&Folder> = folders.iter().map(|(_, folder)| folder).collect();
        for job in &visit.settings().jobs {
            match search(job, &bare, visit.deadline(), &hasher) {
                Ok((found, taken)) => {
                    for ((best, folder), found) in best.iter_mut().zip(&bare).zip(&found) {
                        let share = folder.share(found, taken);
                        if (share.held, best.missing) > (best.held, share.missing) {
                            *best = share;
                        }
                    }
                }
                Err(error) => problem = Some(format!("{}: {error}", job.name)),
            }
        }
        for ((name, folder), share) in folders.into_iter().zip(best) {
            let judged = match (share.held, &problem) {
                _ if folder.files.is_empty() => Held::NoData,
                (0, None) => Held::Nothing,
                (0, Some(problem)) => Held::Unknown(problem.clone()),
                _ if share.is_too_old() => Held::Unknown(format!(
                    "too many of its files were made or changed since the backup was taken, and are not in it ({})",
                    share.words()
                )),
                _ => Held::Some(share),
            };
            held.insert(name.clone(), judged);
        }
        Self { held }
    }

    /// What is known about a folder.
    pub(super) fn of(&self, folder: &str) -> &Held {
        self.held.get(folder).unwrap_or(&Held::NoData)
    }

    /// The text for a folder in the table.
    pub(super) fn words(&self, folder: &str) -> String {
        if folder.is_empty() {
            return "no data folder known".to_owned();
        }
        match self.of(folder) {
            Held::Some(share) => share.words(),
            Held::Nothing => "NOT IN ANY BACKUP".to_owned(),
            Held::NoData => "no files there".to_owned(),
            Held::Unknown(problem) => format!("not known whether a backup holds it: {problem}"),
        }
    }
}

/// A folder of this machine.
pub(in super::super) struct Folder {
    /// Its path without links, so that two names of the same folder compare equal.
    place: PathBuf,
    /// Its files, by the hashes of their names: 40 bytes for each.
    files: HashMap<u64, OwnFile>,
}

/// A file of a folder.
struct OwnFile {
    size: u64,
    /// When it was last written, moved or given another owner, in seconds since 1970.
    changed: i64,
}

impl Folder {
    /// A folder whose files do not matter, to count what a backup has of it.
    pub(in super::super) fn at(place: &Path) -> Self {
        Self { place: real(place), files: HashMap::new() }
    }

    fn look_through(place: &Path, deadline: Instant, hasher: &RandomState) -> Result<Self, String> {
        let mut folder = Self::at(place);
        let exists = tree::walk(&folder.place, deadline, &mut |path, stat| {
            if stat.kind == Kind::File {
                let changed = stat.changed.map_or(stat.mtime.seconds, |changed| changed.seconds);
                let changed = changed.max(stat.mtime.seconds);
                folder.files.insert(key(hasher, path), OwnFile { size: stat.size, changed });
            }
        })?;
        if exists { Ok(folder) } else { Err(format!("{} does not exist", place.display())) }
    }

    /// How much of the folder a backup has.
    fn share(&self, found: &Found, taken: Option<BackupTime>) -> Share {
        let mut share = Share { there: self.files.len() as u64, ..Share::default() };
        for (name, file) in &self.files {
            // What changed after a backup need not be in it as it is now. Of a folder, the time is
            // no later than its last copy, so that nothing is missed too much.
            let is_newer = taken.is_none_or(|taken| file.changed > taken.at.seconds);
            match found.sizes.get(name) {
                Some(size) => {
                    share.held += 1;
                    if !is_newer {
                        share.bytes.0 = share.bytes.0.saturating_add(size.unwrap_or(file.size));
                        share.bytes.1 = share.bytes.1.saturating_add(file.size);
                    }
                }
                None if is_newer => {}
                None => share.missing += 1,
            }
        }
        share
    }
}

/// A name that is the same in both Unicode spellings, and in small and large letters.
fn key(hasher: &RandomState, name: &[u8]) -> u64 {
    hasher.hash_one(String::from_utf8_lossy(&composed(name)).to_lowercase())
}

/// A path without links.
fn real(place: &Path) -> PathBuf {
    place.canonicalize().unwrap_or_else(|_| place.to_owned())
}

/// What a backup has of one folder.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Found {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files whose size the format does not list.
    pub unsized_files: u64,
    /// The sizes of those that are in the folder, too, by the hashes of their names.
    sizes: HashMap<u64, Option<u64>>,
}

/// What one job's backup has of each folder, and when it was taken. What the job's filters leave
/// out is not verified, so it does not count.
///
/// # Errors
/// Why that is not known.
pub(in super::super) fn search(
    job: &BackupJob,
    folders: &[&Folder],
    deadline: Instant,
    hasher: &RandomState,
) -> Result<(Vec<Found>, Option<BackupTime>), String> {
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
    let rules = |folder: &&Folder| {
        roots.iter().filter_map(|(root, from)| Rule::of(&folder.place, root, from)).collect()
    };
    let filter = Filter::new(&job.filters).map_err(|error| chained(&error))?;
    let needs = Needs { size: true, ..filter.needs() };
    let finder = Finder {
        filter,
        rules: folders.iter().map(rules).collect(),
        folders,
        hasher,
        found: Mutex::new(vec![Found::default(); folders.len()]),
        deadline,
    };
    match backup.catalog(needs, &context, &finder).map_err(|error| chained(&error))? {
        Listing::Whole => Ok((into_inner(finder.found), backup.description().taken)),
        Listing::Stopped => Err("its catalog could not be read in time".to_owned()),
        Listing::Damaged(parts) => {
            let first = parts.first().map_or("", |part| part.problem.as_str());
            Err(format!("its catalog is damaged: {first}"))
        }
    }
}

/// How the paths of a folder's files are named in a backup: `from` there is `to` in the folder.
#[derive(Debug, PartialEq, Eq)]
struct Rule {
    from: Vec<u8>,
    to: Vec<u8>,
}

impl Rule {
    /// By one rule of the pairing: the originals below `root` are below `from` in the backup.
    fn of(folder: &Path, root: &Path, from: &[u8]) -> Option<Self> {
        let bytes = |path: &Path| platform::path_to_bytes(path).into_owned();
        if let Ok(inside) = folder.strip_prefix(root) {
            return Some(Self { from: joined(from, &bytes(inside)), to: Vec::new() });
        }
        let to = bytes(root.strip_prefix(folder).ok()?);
        Some(Self { from: from.to_vec(), to })
    }

    /// The name in the folder of what has this path in the backup.
    fn name(&self, path: &[u8]) -> Option<Vec<u8>> {
        let rest = path.strip_prefix(&*self.from)?;
        match rest.strip_prefix(b"/") {
            Some(rest) => Some(joined(&self.to, rest)),
            None if self.from.is_empty() || rest.is_empty() => Some(joined(&self.to, rest)),
            None => None,
        }
    }
}

fn joined(one: &[u8], other: &[u8]) -> Vec<u8> {
    [one, other].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(&b'/')
}

struct Finder<'a> {
    filter: Filter,
    folders: &'a [&'a Folder],
    /// Of each folder.
    rules: Vec<Vec<Rule>>,
    hasher: &'a RandomState,
    /// Of each folder.
    found: Mutex<Vec<Found>>,
    deadline: Instant,
}

impl CatalogSink for Finder<'_> {
    fn take(&self, entries: &EntryBatch) -> ControlFlow<()> {
        if Instant::now() >= self.deadline {
            return ControlFlow::Break(());
        }
        let mut found = lock(&self.found);
        for entry in entries.iter().filter(|entry| self.filter.includes(entry)) {
            for ((folder, rules), found) in self.folders.iter().zip(&self.rules).zip(found.iter_mut()) {
                let Some(name) = rules.iter().find_map(|rule| rule.name(entry.path)) else { continue };
                found.files += 1;
                found.bytes = found.bytes.saturating_add(entry.size.unwrap_or(0));
                found.unsized_files += u64::from(entry.size.is_none());
                let name = key(self.hasher, &name);
                if folder.files.contains_key(&name) {
                    found.sizes.insert(name, entry.size);
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn restart(&self) {
        lock(&self.found).iter_mut().for_each(|found| *found = Found::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(folder: &str, root: &str, from: &[u8], path: &[u8]) -> Option<String> {
        let rule = Rule::of(Path::new(folder), Path::new(root), from)?;
        rule.name(path).map(|name| String::from_utf8(name).unwrap())
    }

    #[test]
    fn names_follow_the_pairing_rules_in_both_directions() {
        let inside = name("/srv/data/app", "/srv", b"backup", b"backup/data/app/x/y");
        assert_eq!(inside.as_deref(), Some("x/y"));
        assert_eq!(name("/srv", "/srv", b"", b"a/b").as_deref(), Some("a/b"));
        assert_eq!(name("/srv", "/srv/data", b"d", b"d/x").as_deref(), Some("data/x"));
        assert_eq!(name("/srv/one.db", "/srv", b"", b"one.db").as_deref(), Some(""));
        assert_eq!(name("/srv2", "/srv", b"", b"x"), None);
    }

    #[test]
    fn a_folder_with_a_longer_name_is_a_different_folder() {
        assert_eq!(name("/srv/data", "/srv", b"", b"database/x"), None);
    }
}
