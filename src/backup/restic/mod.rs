//! restic repositories in a folder of this machine or behind a REST server, by the library
//! `rustic_core`.
//!
//! In: a repository, its password, and which of its snapshots is meant. Out: the snapshot's files,
//! listed folder by folder, and restored one by one from the pieces that they consist of.
//!
//! - The library decrypts, decompresses, and knows where each piece is. It reads through [`place`],
//!   which can only read. Its own `restore` is not used: that ends at the first damaged pack, and
//!   leaves files with holes.
//! - Each piece of a file must have the hash by which the file refers to it ([`repository`]). So a
//!   file that was restored is what restic stored, bit by bit.
//! - An entry's handle holds the hashes of the file's pieces: 32 bytes for each, and a piece has
//!   about 1 MiB, or is a whole small file. The index, which stays in memory, takes about 50 bytes
//!   for each piece of the whole repository.
//! - No lock is taken, so that a repository can be read-only. A prune can therefore remove packs
//!   during a run, and then the index files that named them, too. That is noticed, and said instead
//!   of damage.

mod content;
mod list;
mod name;
mod node;
mod place;
mod repository;
mod rest;
mod snapshots;
mod store;

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use super::collected::restore_each;
use super::delivery::{Delivery, EarlyEnd};
use super::description::{BackupTime, TakenFrom};
use super::format::{BackupCandidate, Format};
use super::repository::Repository;
use super::union::{Common, Union, Version};
use super::{
    Backup, CatalogSink, Context, Description, Entry, Error, Listing, Location, Needs, RestoreError,
    RestoreSink, Restored, Scratch, Wanted,
};
use content::Content;
use place::Place;
use repository::{Opened, Unlocked};
use rest::{Login, Rest};
use rustic_core::Id;
use snapshots::{Chosen, Snapshots};
use store::{Folder, Store};

use crate::platform;

/// The program, the format and the scheme.
const NAME: &str = "restic";

/// restic records times in nanoseconds.
const TIME_RESOLUTION_NS: u64 = 1;

/// What confirms the content of a file: each of its pieces has the hash that was stored with it.
const VOUCHER: &str = "SHA-256 in the repository";

/// The format of restic repositories.
pub const FORMAT: Format = Format {
    name: NAME,
    kind: "a restic repository",
    summary: "a repository of restic or rustic: a folder, or a REST server",
    schemes: &[NAME],
    recognise: |candidate| {
        candidate.folder().is_some_and(|folder| Repository::at(folder) == Some(Repository::Restic))
    },
    open,
    snapshots: Some(|candidate, context| {
        let location = candidate.location();
        let unlocked = unlock(location, context)?;
        Ok(Snapshots::read(&unlocked).map_err(|problem| Error::program(location, problem))?.names())
    }),
    has_volumes: false,
};

/// One snapshot of a repository.
#[derive(Debug)]
struct Restic {
    repository: Arc<Opened>,
    /// The hash of the list of what is at the top.
    tree: Id,
    description: Description,
    notes: Vec<String>,
}

fn open(candidate: &BackupCandidate<'_>, context: &Context) -> Result<Box<dyn Backup>, Error> {
    let location = candidate.location();
    let fail = |problem| Error::program(location, problem);
    let unlocked = unlock(location, context)?;
    let snapshots = Snapshots::read(&unlocked).map_err(fail)?;
    let (asked, host) = (location.snapshot().unwrap_or("latest"), platform::host_name());
    let several = snapshots.choose_several(asked, host.as_deref()).map_err(fail)?;
    if let Some((chosen, notes)) = several {
        let repository = Arc::new(unlocked.index().map_err(fail)?);
        let common = Common {
            location,
            asked,
            format: NAME,
            version: Version::Handle,
            confirmed_by: VOUCHER,
            time_resolution_ns: TIME_RESOLUTION_NS,
        };
        let part = |chosen: Chosen| {
            (chosen.name.clone(), Box::new(Restic::new(location, &repository, chosen, Vec::new())) as _)
        };
        let parts = chosen.into_iter().map(part).collect();
        return Ok(Box::new(Union::new(&common, parts, notes)));
    }
    let (chosen, notes) = snapshots.choose(asked, host.as_deref()).map_err(fail)?;
    let repository = Arc::new(unlocked.index().map_err(fail)?);
    Ok(Box::new(Restic::new(location, &repository, chosen, notes)))
}

/// Opens a repository with its password.
fn unlock(location: &Location, context: &Context) -> Result<Unlocked, Error> {
    let fail = |problem: String| Error::program(location, problem);
    let server = location.address().and_then(|(_, rest)| rest.strip_prefix("rest:"));
    let store: Box<dyn Store> = match (server, location.place()) {
        (Some(address), _) => Box::new(server_at(address, location, context).map_err(fail)?),
        (None, Some(place)) => {
            look(location, place)?;
            Box::new(Folder::new(place, context.cold))
        }
        (None, None) => return Err(fail(ELSEWHERE.to_owned())),
    };
    let password = location.secret().read().map_err(|error| fail(error.to_string()))?;
    let password = password.ok_or_else(|| {
        fail("the repository is encrypted: say where its password is with --password file:PATH, or set RESTIC_PASSWORD_FILE".to_owned())
    })?;
    Unlocked::open(Place::new(store), password.reveal()).map_err(fail)
}

/// The repository on a server, with the name and the certificates that restic's variables give.
fn server_at(address: &str, location: &Location, context: &Context) -> Result<Rest, String> {
    let said = |name| {
        let found = location.variables().iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| value)
    };
    let text = |name| said(name).map(|value| value.to_string_lossy().into_owned());
    let login = text(USERNAME).zip(text(PASSWORD));
    let login = login.map(|(user, password)| Login { user, password: password.into() });
    Rest::new(address, login, said(AUTHORITIES).map(Path::new), context.cancel.clone())
}

/// The variables by which restic finds out how to talk to a REST server.
pub const VARIABLES: &[&str] = &[USERNAME, PASSWORD, AUTHORITIES];
const USERNAME: &str = "RESTIC_REST_USERNAME";
const PASSWORD: &str = "RESTIC_REST_PASSWORD";
const AUTHORITIES: &str = "RESTIC_CACERT";

/// What is said about repositories on other servers.
const ELSEWHERE: &str = "this bkverify reads restic repositories in folders of this machine and behind REST servers (restic:rest:https://...): run rclone serve restic for the place where it is, or mount it (rclone mount, sshfs): bkverify help restic";

/// Makes sure that there is a repository at all.
fn look(location: &Location, place: &Path) -> Result<(), Error> {
    let open = |source| Error::Open { location: location.clone(), source };
    std::fs::read_dir(place).map_err(open)?;
    if Repository::at(place) == Some(Repository::Restic) {
        return Ok(());
    }
    Err(Error::program(location, match Repository::remains_at(place) {
        Some(Repository::Restic) => {
            "it is what is left of a restic repository, of which the file config or a folder is missing: see what restic check says".to_owned()
        }
        _ => "there is no restic repository in this folder: it has no file config with the folders data, index, keys and snapshots beside it".to_owned(),
    }))
}

impl Restic {
    fn new(location: &Location, repository: &Arc<Opened>, chosen: Chosen, notes: Vec<String>) -> Self {
        let description = Description {
            location: location.clone(),
            format: NAME,
            snapshot: Some(chosen.name),
            id: Some(chosen.id),
            taken: chosen.complete.map(|at| BackupTime { at, how: TakenFrom::Record }),
            unique_names: true,
            time_resolution_ns: TIME_RESOLUTION_NS,
            several: None,
        };
        Self { repository: Arc::clone(repository), tree: chosen.tree, description, notes }
    }

    fn restore_one(&self, mut entry: Entry<'_>, delivery: &mut Delivery<'_>) -> Result<(), EarlyEnd> {
        let outcome = match entry.problem {
            Some(problem) => Err(RestoreError::Name(problem)),
            None => {
                delivery.sink.begin(&entry, entry.size.unwrap_or(0));
                self.content(&entry, delivery.scratch)
            }
        };
        entry.vouched_by = outcome.is_ok().then_some(VOUCHER);
        delivery.deliver(entry, outcome)
    }

    fn content(&self, entry: &Entry<'_>, scratch: &Scratch) -> Result<Restored, RestoreError> {
        let mut content = Content::new(&self.repository, entry.handle);
        let restored = BUFFER.with_borrow_mut(|buffer| scratch.restore(&mut content, entry.size, buffer));
        match content.into_problem() {
            Some(problem) => Err(problem.into()),
            None => restored,
        }
    }
}

thread_local! {
    /// Grows to the largest small file that the thread restores, and is used for all of them.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Backup for Restic {
    fn description(&self) -> &Description {
        &self.description
    }

    fn catalog(&self, _needs: Needs, context: &Context, sink: &dyn CatalogSink) -> Result<Listing, Error> {
        let listing = list::catalog(&self.repository, self.tree, context, sink);
        listing.map_err(|problem| Error::program(&self.description.location, problem.sentence()))
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn restore(
        &self,
        wanted: Wanted<'_>,
        scratch: &Scratch,
        context: &Context,
        sink: &mut dyn RestoreSink,
    ) -> Result<(), Error> {
        let mut delivery = Delivery { scratch, context, sink };
        restore_each(self, &wanted, &mut delivery, &mut |entry, delivery| self.restore_one(entry, delivery))
    }
}
