//! Removes what killed runs left in a restore folder. A leftover is recognised by its name, its
//! marker and its contents.
//!
//! A running bkverify holds a lock on its marker. A run that removes a leftover holds that lock
//! too. So a run that starts at the same moment either has the lock first and is left alone, or
//! notices and chooses another name.
//!
//! Other users may be able to write to the restore folder and to replace what is in it: our folder
//! with one of theirs, or with a link to a third one. So a leftover is opened once, without
//! following a link. Only files of this user are touched, and everything in the leftover is removed
//! through that one handle. The only thing removed by name is an empty folder.
//!
//! Our own files have numbers as names, and anything else prevents the whole folder from being
//! removed. Workspaces contain files of any name. So the folder that contains the workspaces is
//! recognised by its number in the file system, which its run has written to the marker. A folder
//! that someone has put in its place or beside it is left alone. That folder contains only numbered
//! folders, each of which a program of the killed run has written to. They are removed with
//! everything in them, except for what belongs to another user and for file systems that are
//! mounted there.

use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use crate::platform;

/// The prefix of the names of scratch folders.
pub(super) const FOLDER_PREFIX: &str = "bkverify-scratch-";
/// The file in each scratch folder that its run holds a lock on.
pub(super) const MARKER: &str = "bkverify-scratch.lock";

/// The name of the folder in each scratch folder that contains its workspaces; also the word before
/// its number in the marker.
pub(super) const WORKSPACES: &str = "workspaces";
/// The most bytes of a marker that are read. A marker has a few lines of text and one number.
const MARKER_MAX: u64 = 4096;

/// How often removing a folder that should be empty is tried, and the pause between two attempts.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(20);

/// What earlier runs left behind, and what became of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Folders of killed runs that were removed.
    pub removed: Vec<PathBuf>,
    /// Folders that look like ours but contain something else. They are left alone.
    pub left: Vec<PathBuf>,
    /// Folders that belong to another user, and folders of runs that may still be alive because the
    /// file system has no locks. They are left alone.
    pub doubtful: Vec<PathBuf>,
}

/// What a folder with the name of a scratch folder turned out to be.
enum FolderState {
    /// The folder of a running bkverify.
    Alive,
    /// Left by a killed run of this user. Nobody else can take it while its marker is locked.
    Left(Dir, File),
    /// A folder of this user, without a marker.
    Unmarked(Dir),
    /// It no longer exists.
    Gone,
    /// It belongs to another user, or its state is not known.
    Doubtful,
}

/// Removes what killed runs left below `restore_to`.
pub fn remove_leftovers(restore_to: &Path) -> io::Result<Leftovers> {
    let parent = Dir::open_ambient_dir(restore_to, ambient_authority())?;
    let mut leftovers = Leftovers::default();
    for entry in parent.entries()? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.starts_with(FOLDER_PREFIX)) else { continue };
        if !entry.file_type()?.is_dir() {
            continue;
        }
        let list = match remove_leftover(&parent, name) {
            Some(Cleanup::Removed) => &mut leftovers.removed,
            Some(Cleanup::Left) => &mut leftovers.left,
            Some(Cleanup::Doubtful) => &mut leftovers.doubtful,
            None => continue,
        };
        list.push(restore_to.join(name));
    }
    Ok(leftovers)
}

/// What was done with a leftover.
enum Cleanup {
    Removed,
    Left,
    Doubtful,
}

/// Removes a folder if a killed run left it. Returns `None` if its run is alive or has just ended.
/// A folder that cannot be removed may belong to another user, so that is not an error.
fn remove_leftover(parent: &Dir, name: &str) -> Option<Cleanup> {
    // A run that is just starting creates its marker between two attempts.
    for _ in 0..3 {
        match look(parent, name) {
            FolderState::Alive | FolderState::Gone => return None,
            FolderState::Doubtful => return Some(Cleanup::Doubtful),
            FolderState::Left(dir, marker) => {
                if remove_ours(parent, name, dir, Some(marker)).unwrap_or(false) {
                    return Some(Cleanup::Removed);
                }
            }
            // Its run was killed before it created a marker. If the folder is not empty, it is left
            // alone.
            FolderState::Unmarked(dir) => {
                if remove_named(parent, name, dir).is_ok() {
                    return Some(Cleanup::Removed);
                }
            }
        }
        if !parent.exists(name) {
            return None;
        }
    }
    Some(Cleanup::Left)
}

fn look(parent: &Dir, name: &str) -> FolderState {
    let dir = match platform::open_dir_no_follow(parent, name) {
        Ok(dir) => dir,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return FolderState::Gone,
        // It may belong to another user.
        Err(_) => return FolderState::Doubtful,
    };
    let is_ours = platform::is_ours(&dir, parent).unwrap_or(false);
    let marker = match platform::open_file_no_follow(&dir, MARKER) {
        Ok(marker) => marker,
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_ours => {
            return FolderState::Unmarked(dir);
        }
        Err(_) => return FolderState::Doubtful,
    };
    match is_locked(&marker.try_lock()) {
        Some(true) => FolderState::Alive,
        Some(false) if is_ours => FolderState::Left(dir, marker),
        _ => FolderState::Doubtful,
    }
}

/// Whether another process holds the lock, given the result of an attempt to take it. `None` on a
/// file system without locks.
pub(super) fn is_locked(attempt: &Result<(), TryLockError>) -> Option<bool> {
    match attempt {
        Ok(()) => Some(false),
        Err(TryLockError::WouldBlock) => Some(true),
        Err(TryLockError::Error(_)) => None,
    }
}

/// Records in the marker which folder contains the workspaces.
pub(super) fn register(marker: Option<&File>, workspaces: &Dir) -> io::Result<()> {
    let mut marker = marker.ok_or(io::ErrorKind::NotFound)?;
    // In a single write, so that a killed run has written all of it or nothing.
    marker.write_all(format!("{WORKSPACES} {}\n", number_of(workspaces)?).as_bytes())
}

/// The number that [`register`] has written to a marker.
fn registered(mut marker: &File) -> io::Result<Option<u64>> {
    let mut text = Vec::new();
    marker.rewind()?;
    marker.take(MARKER_MAX).read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let mut numbers = text.split_inclusive('\n').filter_map(|line| {
        line.strip_prefix(WORKSPACES)?.strip_prefix(' ')?.strip_suffix('\n')?.parse().ok()
    });
    Ok(numbers.next_back())
}

/// The number of a folder in its file system. The number of the file system itself is not used,
/// because it may change when the machine is restarted.
fn number_of(dir: &Dir) -> io::Result<u64> {
    let (_, number) = platform::stat(&dir.try_clone()?.into_std_file())?.id;
    Ok(number)
}

fn is_number(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Opens the folder of the workspaces in `dir`. Returns `None` if it may belong to someone else.
fn open_workspaces(dir: &Dir, marker: Option<&File>) -> io::Result<Option<Dir>> {
    let found = platform::open_made_dir(dir, dir, Path::new(WORKSPACES))?;
    let mut is_empty = true;
    for entry in found.entries()? {
        let entry = entry?;
        is_empty = false;
        if !is_number(&entry.file_name()) || !entry.file_type()?.is_dir() {
            return Ok(None);
        }
    }
    // An empty folder is ours if the run was killed before it recorded the number.
    let is_ours = is_empty || marker.map(registered).transpose()?.flatten() == Some(number_of(&found)?);
    Ok(is_ours.then_some(found))
}

/// Removes the folder `dir`, called `name`, with everything in it. Only programs have written to
/// it. Returns `false` if something in it could not be removed.
pub(super) fn remove_made(parent: &Dir, name: &str, dir: Dir) -> io::Result<bool> {
    if !platform::empty_made_dir(&dir)? {
        return Ok(false);
    }
    remove_named(parent, name, dir)?;
    Ok(true)
}

/// Removes the numbered files, the workspaces and the marker from the folder `dir`, called `name`,
/// and then the folder. The caller has locked the marker. If the folder contains anything else,
/// nothing is removed and the result is `false`.
pub(super) fn remove_ours(parent: &Dir, name: &str, dir: Dir, mut marker: Option<File>) -> io::Result<bool> {
    let (mut ours, mut workspaces) = (Vec::new(), None);
    for entry in dir.entries()? {
        let entry = entry?;
        let (file, kind) = (entry.file_name(), entry.file_type()?);
        if kind.is_file() && (file == *MARKER || is_number(&file)) {
            ours.push(file);
        } else if kind.is_dir() && file == *WORKSPACES {
            match open_workspaces(&dir, marker.as_ref())? {
                Some(found) => workspaces = Some(found),
                None => return Ok(false),
            }
        } else {
            return Ok(false);
        }
    }
    if let Some(workspaces) = workspaces
        && !remove_made(&dir, WORKSPACES, workspaces)?
    {
        return Ok(false);
    }
    // The marker goes last, so that the folder can be recognised as long as anything is left.
    ours.sort_by_key(|file| *file == *MARKER);
    for file in ours {
        if file == *MARKER && !platform::REMOVES_OPEN_FILES {
            drop(marker.take());
        }
        platform::remove_file_even_read_only(&dir, Path::new(&file))?;
    }
    // NFS and many FUSE file systems keep a removed file in its folder until it is closed.
    drop(marker);
    remove_named(parent, name, dir)?;
    Ok(true)
}

/// Removes the empty folder `dir`. An error if `name` no longer leads to that folder.
fn remove_named(parent: &Dir, name: &str, dir: Dir) -> io::Result<()> {
    if !platform::is_named(parent, name, &dir) {
        return Err(io::Error::new(io::ErrorKind::NotFound, "another folder or a link has taken its name"));
    }
    // Windows cannot remove an open folder.
    drop(dir);
    once_empty(|| parent.remove_dir(name))
}

/// Removes a folder that has just been emptied. With FUSE, files that were closed and removed may
/// stay in it for a moment.
fn once_empty(mut remove: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    for _ in 1..ATTEMPTS {
        match remove() {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => thread::sleep(PAUSE),
            done => return done,
        }
    }
    remove()
}

#[cfg(test)]
mod tests {
    use super::super::Scratch;
    use super::*;
    use crate::cancel::CancelToken;

    fn below() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn a_run_removes_its_folder_and_the_next_run_removes_that_of_a_killed_one() {
        let target = below();
        let scratch = Scratch::create(target.path(), CancelToken::new()).unwrap();
        let alive = scratch.path().to_owned();
        let killed = killed(target.path(), "bkverify-scratch-killed");
        let leftovers = remove_leftovers(target.path()).unwrap();
        assert_eq!(leftovers.removed, [killed]);
        assert!(alive.exists());
        drop(scratch);
        assert!(!alive.exists());
    }

    /// Creates a folder as a killed run leaves it.
    fn killed(target: &Path, name: &str) -> PathBuf {
        let parent = Dir::open_ambient_dir(target, ambient_authority()).unwrap();
        platform::create_private_dir(&parent, name).unwrap();
        let folder = target.join(name);
        std::fs::write(folder.join(MARKER), "").unwrap();
        std::fs::write(folder.join("000017"), "half a file").unwrap();
        folder
    }

    #[cfg(unix)]
    #[test]
    fn a_leftover_replaced_by_a_link_after_it_was_locked_does_not_remove_the_files_of_others() {
        let target = below();
        let left = killed(target.path(), "bkverify-scratch-killed");
        let victim = target.path().join("photos");
        std::fs::create_dir(&victim).unwrap();
        std::fs::write(victim.join("2023"), "holidays").unwrap();
        let parent = Dir::open_ambient_dir(target.path(), ambient_authority()).unwrap();
        let FolderState::Left(dir, marker) = look(&parent, "bkverify-scratch-killed") else {
            panic!("not recognised")
        };
        let away = target.path().join("away");
        std::fs::rename(&left, &away).unwrap();
        std::os::unix::fs::symlink("photos", &left).unwrap();
        assert!(!remove_ours(&parent, "bkverify-scratch-killed", dir, Some(marker)).is_ok_and(|done| done));
        assert_eq!(std::fs::read(victim.join("2023")).unwrap(), b"holidays");
        assert!(!away.join("000017").exists(), "what is ours goes by its handle, wherever it is");
        let next = remove_leftovers(target.path()).unwrap();
        assert_eq!(next, Leftovers::default(), "a link is never a leftover");
        assert!(left.is_symlink());
    }

    #[cfg(unix)]
    #[test]
    fn a_leftover_that_others_could_have_made_is_left_alone() {
        use std::os::unix::fs::{PermissionsExt, chown};
        let target = below();
        let open = killed(target.path(), "bkverify-scratch-open");
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
        let foreign = killed(target.path(), "bkverify-scratch-foreign");
        let empty = target.path().join("bkverify-scratch-stub");
        std::fs::create_dir(&empty).unwrap();
        // Only root can give files away, and root is the user to be protected here.
        let is_root = [&foreign, &empty].iter().all(|folder| chown(folder, Some(4_321), None).is_ok());
        let found = remove_leftovers(target.path()).unwrap();
        assert!(found.doubtful.contains(&open) && open.join("000017").exists());
        assert_eq!(found.doubtful.contains(&foreign) && foreign.join("000017").exists(), is_root);
        assert_eq!(found.doubtful.contains(&empty) && empty.exists(), is_root);
    }

    #[cfg(unix)]
    #[test]
    fn a_marker_that_is_a_link_or_has_a_second_name_is_no_marker() {
        let target = below();
        let left = killed(target.path(), "bkverify-scratch-killed");
        std::fs::hard_link(left.join(MARKER), target.path().join("elsewhere")).unwrap();
        let linked = killed(target.path(), "bkverify-scratch-linked");
        std::fs::remove_file(linked.join(MARKER)).unwrap();
        std::os::unix::fs::symlink("000017", linked.join(MARKER)).unwrap();
        let mut found = remove_leftovers(target.path()).unwrap();
        found.doubtful.sort();
        assert_eq!(found, Leftovers { doubtful: vec![left, linked], ..Leftovers::default() });
    }

    #[test]
    fn a_folder_that_holds_anything_else_is_left_alone() {
        let target = below();
        let foreign = target.path().join("bkverify-scratch-foreign");
        std::fs::create_dir(&foreign).unwrap();
        std::fs::write(foreign.join("000001"), "").unwrap();
        std::fs::write(foreign.join("thesis.doc"), "mine").unwrap();
        let leftovers = remove_leftovers(target.path()).unwrap();
        assert_eq!(leftovers, Leftovers { left: vec![foreign.clone()], ..Leftovers::default() });
        assert!(foreign.join("000001").exists());
    }

    #[test]
    fn a_folder_without_our_marker_is_left_alone_even_if_its_files_are_numbers() {
        let target = below();
        let foreign = target.path().join("bkverify-scratch-photos");
        std::fs::create_dir(&foreign).unwrap();
        std::fs::write(foreign.join("2023"), "holidays").unwrap();
        assert_eq!(remove_leftovers(target.path()).unwrap().left, std::slice::from_ref(&foreign));
        assert!(foreign.join("2023").exists());
    }

    /// As FUSE answers while it still closes a removed file.
    #[test]
    fn a_folder_that_is_not_yet_empty_is_removed_a_moment_later() {
        let mut answers =
            [Err(io::ErrorKind::DirectoryNotEmpty), Err(io::ErrorKind::DirectoryNotEmpty), Ok(())]
                .into_iter()
                .map(|answer| answer.map_err(io::Error::from));
        once_empty(|| answers.next().unwrap()).unwrap();
        assert!(answers.next().is_none());
        for kind in [io::ErrorKind::DirectoryNotEmpty, io::ErrorKind::PermissionDenied] {
            let mut asked = 0;
            let always = || {
                asked += 1;
                Err(kind.into())
            };
            assert_eq!(once_empty(always).unwrap_err().kind(), kind);
            assert_eq!(asked > 1, kind == io::ErrorKind::DirectoryNotEmpty);
        }
    }

    #[test]
    fn a_file_system_without_locks_neither_stops_a_run_nor_gives_a_living_one_away() {
        let no_locks = || TryLockError::Error(io::ErrorKind::Unsupported.into());
        assert_eq!(is_locked(&Err(no_locks())), None);
        assert_eq!(is_locked(&Err(TryLockError::WouldBlock)), Some(true));
        assert_eq!(is_locked(&Ok(())), Some(false));
    }

    #[test]
    fn a_folder_that_its_run_has_just_created_is_removed_completely_or_not_at_all() {
        let target = below();
        let empty = target.path().join("bkverify-scratch-empty");
        std::fs::create_dir(&empty).unwrap();
        assert_eq!(remove_leftovers(target.path()).unwrap().removed, [empty]);
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let found = remove_leftovers(target.path()).unwrap_or_default();
                    // On other systems, a file that is being removed may still be listed for a
                    // moment.
                    let is_exact = platform::REMOVES_OPEN_FILES;
                    assert!(found.left.is_empty() || !is_exact, "{:?}", found.left);
                }
            });
            for _ in 0..300 {
                let scratch = Scratch::create(target.path(), CancelToken::new()).unwrap();
                scratch.restore(&mut &b"content"[..], None, &mut Vec::new()).unwrap();
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }
}
