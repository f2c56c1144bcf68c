//! borg repositories, by borg's own command line.
//!
//! In: a repository (a folder, or an address of borg's own such as `ssh://host/repo`) and which of
//! its archives is meant. Out: the archive's files, listed by `borg list`, and restored by as few
//! calls of `borg extract` as possible, because each of them reads the list of all files first. A
//! file is delivered as soon as borg begins with the next one.
//!
//! borg's exit code says little: it may be 1 although every pattern matched, and an extract that
//! misses a file may end with 0. What counts is the file on the disk. The first damaged chunk ends
//! borg, so it is called again for the files that are left.
//!
//! Nothing is written to a repository on this machine, not even a lock: borg gets a stand-in
//! ([`shadow`]). On a server borg takes its own lock. Without one it would still rebuild a damaged
//! index, and would do so beside another borg that writes.

mod extract;
mod item;
mod list;
mod memory;
mod message;
mod names;
mod program;
mod shadow;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::sync::Arc;
use std::time::SystemTime;

use jiff::tz::TimeZone;
use serde::Deserialize;

use super::delivery::conclude;
use super::description::{BackupTime, TakenFrom};
use super::format::{BackupCandidate, Format};
use super::kept_listing::KeptListing;
use super::location::split_place;
use super::repeats::Repeats;
use super::repository::Repository;
use super::snapshot::{self, Range, Snapshot};
use super::union::{Common, Union, Versions};
use super::{
    Backup, CatalogSink, Context, Damage, Description, Error, Listing, Location, Needs, Reach, RestoreSink,
    Scratch, Wanted,
};
use crate::platform::Timestamp;
use crate::words;
use item::time;
use memory::Older;
use program::Borg;

/// The program, the format and the scheme.
const NAME: &str = "borg";

/// What confirms the content of a file: borg restores no chunk that is not the one that was stored.
const CONFIRMED_BY: &str = "borg's own hash of each chunk";

/// borg prints times in microseconds, rounded.
const TIME_RESOLUTION_NS: u64 = 1_000;

/// The format of borg repositories.
pub const FORMAT: Format = Format {
    name: NAME,
    kind: "a borg repository",
    summary: "a repository of borg 1.2 to 1.4, on this machine or by ssh; borg must be installed",
    schemes: &[NAME],
    recognise: |candidate| {
        candidate.folder().is_some_and(|folder| Repository::at(folder) == Some(Repository::Borg))
    },
    open,
    snapshots: Some(|candidate, context| {
        let (place, _) = place(candidate.location());
        let listed = Listed::read(&Borg::new(candidate.location(), place, context)?, context)?;
        let listed = listed.map_err(|damage| Error::program(candidate.location(), damage.to_string()))?;
        Ok(listed.snapshots())
    }),
    has_volumes: false,
};

/// An archive in a repository.
#[derive(Debug)]
struct Archive {
    borg: Arc<Borg>,
    /// Its name. `None` if the repository is so damaged that the archive cannot be found.
    name: Option<String>,
    listing: KeptListing,
    /// The paths that occur more than once, of which borg restores the last.
    repeats: Repeats,
    description: Description,
    notes: Vec<String>,
    /// What the repository as a whole has lost.
    damage: Vec<Damage>,
}

/// The repository as borg names it, and the archive that the address names.
fn place(location: &Location) -> (OsString, Option<String>) {
    let Some((_, rest)) = location.address() else {
        return (location.local().map(|path| path.as_os_str().to_owned()).unwrap_or_default(), None);
    };
    if let Some((place, archive)) = split_place(rest) {
        return (place.into(), archive.strip_prefix("::").map(str::to_owned));
    }
    match rest.rsplit_once("::") {
        Some((place, archive)) if !archive.contains('/') => (place.into(), Some(archive.to_owned())),
        _ => (rest.into(), None),
    }
}

fn open(candidate: &BackupCandidate<'_>, context: &Context) -> Result<Box<dyn Backup>, Error> {
    let location = candidate.location();
    let (place, archive) = place(location);
    let asked = match (archive.as_deref(), location.snapshot()) {
        (Some(archive), Some(snapshot)) if archive != snapshot => {
            let problem = format!(
                "the address names the archive {archive}, and --snapshot names {snapshot}: leave one out"
            );
            return Err(Error::program(location, problem));
        }
        (archive, snapshot) => archive.or(snapshot).unwrap_or("latest"),
    };
    let borg = Arc::new(Borg::new(location, place, context)?);
    let listed = match Listed::read(&borg, context)? {
        Ok(listed) => listed,
        Err(damage) => {
            let problem = format!("the archives of the repository cannot be listed: {damage}");
            return Ok(Box::new(Archive::unlisted(&borg, Damage::from(problem))));
        }
    };
    let (snapshots, unfinished) = (listed.snapshots(), listed.unfinished());
    let mut notes = notes(&borg, &listed);
    notes.extend(note_of_unfinished(&snapshots, &unfinished));
    let lost_end = borg.shadow().and_then(shadow::Shadow::lost_end).map(Damage::from);
    let damage = damage(&borg, &listed, lost_end.clone(), &mut notes);
    let choice = choose(&snapshots, &unfinished, archive.as_deref(), asked);
    let chosen = match (choice, lost_end) {
        (Ok(chosen), _) => chosen,
        // The archive was in what is lost.
        (Err(_), Some(lost)) => return Ok(Box::new(Archive::unlisted(&borg, lost))),
        (Err(problem), None) => return Err(Error::program(location, problem)),
    };
    let future = |snapshot: &Snapshot| snapshot.note_of_future(SystemTime::now().into());
    match chosen {
        Chosen::One(chosen) => {
            let name = words::printable(&chosen.name);
            let count = words::counted(snapshots.len() as u64, "archive");
            notes.insert(0, format!("the archive {name}{}, of {count} in the repository", chosen.taken_at()));
            notes.extend(future(chosen));
            Ok(Box::new(Archive::new(&borg, &listed, chosen, notes, damage)))
        }
        Chosen::Several(range) => {
            notes.insert(0, range.note());
            notes.extend(range.snapshots.iter().filter_map(|snapshot| future(snapshot)));
            let common = Common {
                location,
                asked,
                format: NAME,
                versions: Versions::Unknown,
                confirmed_by: CONFIRMED_BY,
                time_resolution_ns: TIME_RESOLUTION_NS,
            };
            let count = range.snapshots.len();
            let part = |chosen: &Snapshot| {
                let part = Archive::new(&borg, &listed, chosen, Vec::new(), damage.clone());
                let part = Archive { listing: KeptListing::one_of(count), ..part };
                (chosen.name.clone(), Box::new(part) as _)
            };
            let parts = range.snapshots.into_iter().map(part).collect();
            Ok(Box::new(Union::new(&common, parts, notes)))
        }
    }
}

/// What is to be verified.
enum Chosen<'a> {
    One(&'a Snapshot),
    Several(Range<'a>),
}

/// Finds what is asked for. What the address names is a name, even if it is `latest` or `all`.
///
/// # Errors
/// A sentence that says what there is instead.
fn choose<'a>(
    snapshots: &'a [Snapshot],
    unfinished: &'a [Snapshot],
    archive: Option<&str>,
    asked: &str,
) -> Result<Chosen<'a>, String> {
    let complete = snapshots.iter().filter(|snapshot| archive == Some(&*snapshot.name));
    let mut named = complete.chain(unfinished.iter().filter(|unfinished| unfinished.name == asked));
    if let Some(named) = named.next() {
        return Ok(Chosen::One(named));
    }
    let range = if archive.is_none() { snapshot::range(snapshots, asked)? } else { None };
    let chosen = match range {
        Some(range) => Ok(Chosen::Several(range)),
        None => snapshot::choose(snapshots, asked, &TimeZone::system()).map(Chosen::One),
    };
    chosen.map_err(|problem| match newest(unfinished) {
        Some(only) if snapshots.is_empty() => {
            format!("{problem}, but a backup that was interrupted: {}", words::printable(&only.name))
        }
        _ => problem,
    })
}

/// What the repository as a whole has lost, or may have.
fn damage(borg: &Borg, listed: &Listed, lost_end: Option<Damage>, notes: &mut Vec<String>) -> Vec<Damage> {
    let mut damage: Vec<Damage> = lost_end.into_iter().collect();
    match borg.older_than_remembered(&listed.repository.id) {
        Some(Older::Here(gap)) => damage.push(gap),
        Some(Older::Copy(note)) => notes.push(note),
        None => {}
    }
    damage
}

/// What a person should know of a backup that is newer than all complete ones.
fn note_of_unfinished(snapshots: &[Snapshot], unfinished: &[Snapshot]) -> Option<String> {
    let begun = newest(unfinished)?;
    newest(snapshots).is_none_or(|complete| begun.taken > complete.taken).then(|| {
        format!(
            "the newest backup is not complete: {}{}, was interrupted or is still being made",
            words::printable(&begun.name),
            begun.taken_at()
        )
    })
}

fn describe(location: &Location, chosen: Option<&Snapshot>, taken: Option<Timestamp>) -> Description {
    Description {
        location: location.clone(),
        format: NAME,
        snapshot: chosen.map(|chosen| chosen.name.clone()),
        id: chosen.and_then(|chosen| chosen.id.clone()),
        taken: taken.map(|at| BackupTime { at, how: TakenFrom::Record }),
        unique_names: false,
        time_resolution_ns: TIME_RESOLUTION_NS,
        several: None,
    }
}

impl Archive {
    fn new(
        borg: &Arc<Borg>,
        listed: &Listed,
        chosen: &Snapshot,
        notes: Vec<String>,
        damage: Vec<Damage>,
    ) -> Self {
        let ended = listed.archives.iter().find(|archive| archive.name == chosen.name);
        // An original that was modified after the start proves nothing, then.
        let taken = ended.and_then(|archive| time(archive.end.as_ref().unwrap_or(&archive.time)));
        let taken = taken.map(end_of_second);
        let description = describe(borg.location(), Some(chosen), taken);
        Self { name: Some(chosen.name.clone()), description, notes, damage, ..Self::of(borg) }
    }

    /// What stands for an archive that damage has made unreadable: every file is lost.
    fn unlisted(borg: &Arc<Borg>, damage: Damage) -> Self {
        Self { damage: vec![damage], ..Self::of(borg) }
    }

    fn of(borg: &Arc<Borg>) -> Self {
        Self {
            borg: Arc::clone(borg),
            name: None,
            listing: KeptListing::default(),
            repeats: Repeats::default(),
            description: describe(borg.location(), None, None),
            notes: Vec::new(),
            damage: Vec::new(),
        }
    }
}

/// Whether an archive holds what was backed up until a backup was interrupted, or until now.
fn is_checkpoint(name: &str) -> bool {
    let is_last = |rest: &str| rest.strip_prefix('.').is_some_and(|rest| rest.parse::<u64>().is_ok());
    name.rsplit_once(".checkpoint").is_some_and(|(_, rest)| rest.is_empty() || is_last(rest))
}

fn newest(snapshots: &[Snapshot]) -> Option<&Snapshot> {
    snapshots.iter().max_by_key(|snapshot| snapshot.taken)
}

/// borg cuts times off at the second.
fn end_of_second(time: Timestamp) -> Timestamp {
    Timestamp { nanos: 999_999_999, ..time }
}

fn notes(borg: &Borg, listed: &Listed) -> Vec<String> {
    let mut notes = Vec::new();
    if borg.shadow().is_some_and(shadow::Shadow::is_locked) {
        notes.push(
            "a borg holds the lock of the repository, or has left it behind: the repository was read without waiting for it"
                .to_owned(),
        );
    }
    let is_new = |shadow: &shadow::Shadow| shadow.has_new_index() && shadow.lost_end().is_none();
    if borg.shadow().is_some_and(is_new) {
        notes.push(
            "the index of the repository is damaged, missing or out of date, and borg made a new one for this run: run borg \
             check on the repository"
                .to_owned(),
        );
    }
    if listed.archives.iter().any(|archive| archive.end.is_none()) {
        notes.push(
            "borg cannot read every archive, and so does not tell when they ended; when they began counts instead: run borg \
             check on the repository"
                .to_owned(),
        );
    }
    let is_open = listed.encryption.as_ref().is_some_and(|encryption| encryption.mode == "none");
    if is_open && *borg.location().secret() != super::Secret::None {
        notes.push("the repository is not encrypted, although a password is set for it".to_owned());
    }
    notes
}

/// What `borg list --json` prints.
#[derive(Debug, Deserialize)]
struct Listed {
    archives: Vec<ListedArchive>,
    encryption: Option<Encryption>,
    repository: ListedRepository,
}

#[derive(Debug, Deserialize)]
struct ListedRepository {
    id: String,
}

#[derive(Debug, Deserialize)]
struct Encryption {
    mode: String,
}

#[derive(Debug, Deserialize)]
struct ListedArchive {
    name: String,
    id: String,
    /// When it was begun.
    time: String,
    end: Option<String>,
}

impl Listed {
    /// Lists the archives of the repository, or tells what is damaged, so that it cannot be done.
    fn read(borg: &Borg, context: &Context) -> Result<Result<Self, Damage>, Error> {
        // To tell their ends, borg reads from every archive. A damaged one must not hide the others.
        match Self::ask(borg, &["--format", "{end}"], context) {
            Ok(Ok(listed)) => Ok(Ok(listed)),
            _ => Self::ask(borg, &[], context),
        }
    }

    fn ask(borg: &Borg, flags: &[&str], context: &Context) -> Result<Result<Self, Damage>, Error> {
        let arguments = ["--json", "--consider-checkpoints"].iter().chain(flags).map(OsString::from);
        let answer = match borg.ask("list", arguments.chain([borg.target(None)]), context)? {
            Ok(answer) => answer,
            Err(damage) => return Ok(Err(damage)),
        };
        serde_json::from_str(&answer).map(Ok).map_err(|error| {
            Error::program(borg.location(), format!("what borg list printed is not understood: {error}"))
        })
    }

    /// The archives of complete backups.
    fn snapshots(&self) -> Vec<Snapshot> {
        self.archives.iter().filter(|archive| !is_checkpoint(&archive.name)).map(snapshot).collect()
    }

    /// The archives of backups that were interrupted, or are being made.
    fn unfinished(&self) -> Vec<Snapshot> {
        self.archives.iter().filter(|archive| is_checkpoint(&archive.name)).map(snapshot).collect()
    }
}

fn snapshot(archive: &ListedArchive) -> Snapshot {
    let (name, id) = (archive.name.clone(), Some(archive.id.clone()));
    Snapshot { name, id, taken: time(&archive.time) }
}

impl Backup for Archive {
    fn description(&self) -> &Description {
        &self.description
    }

    /// The list of files is read by each call, and borg restores in the order of the archive.
    fn reach(&self) -> Reach {
        Reach::ORDERED
    }

    fn catalog(&self, _needs: Needs, context: &Context, sink: &dyn CatalogSink) -> Result<Listing, Error> {
        let Some(name) = &self.name else { return Ok(Listing::ended(self.damage.clone())) };
        let listing = self.listing.catalog(&self.description.location, context, sink, |sink| {
            list::catalog(&self.borg, name, &self.repeats, context, sink)
        })?;
        let mut damage = self.damage.clone();
        match listing {
            Listing::Stopped => return Ok(Listing::Stopped),
            Listing::Whole => {}
            Listing::Damaged(more) => damage.extend(more),
        }
        Ok(Listing::ended(damage))
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = self.notes.clone();
        if let repeated @ 1.. = self.repeats.count() {
            let files = words::counted(repeated as u64, "file");
            notes.push(format!(
                "more than once in the archive: {files}; the last one counts, as in borg extract"
            ));
        }
        notes
    }

    fn restore(
        &self,
        wanted: Wanted<'_>,
        scratch: &Scratch,
        context: &Context,
        sink: &mut dyn RestoreSink,
    ) -> Result<(), Error> {
        if let Wanted::Every(_) = wanted {
            self.damage.iter().for_each(|damage| sink.lost(damage.clone()));
        }
        let Some(name) = &self.name else { return Ok(()) };
        let archive = (&**name, &self.listing, &self.repeats);
        conclude(extract::restore(&self.borg, archive, &wanted, scratch, context, sink))
    }
}
